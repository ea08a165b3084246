//! Checkpoints: the log's size and root, signed as a C2SP note.
//!
//! ```text
//! reticent/clinic-3f9a
//! 600
//! <base64 root>
//!
//! — reticent/clinic-3f9a <base64 of key id and signature>
//! ```

use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::key::check_name;
use super::{Error, Hash, SigningKey, VerifyingKey};

/// Longest text read as a checkpoint.
pub(crate) const MAX_BYTES: usize = 64 * 1024;
/// No log of ours is longer; bounds the arithmetic on sizes read from outside.
pub(crate) const MAX_SIZE: u64 = 1 << 48;

/// What a checkpoint says: under this name, the first `size` entries have this root.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// RFC 6962 root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The signed text: origin, size and root, one a line.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64_STANDARD.encode(self.root.0))
    }

    /// Signs it under the key's name.
    ///
    /// This is the bare signature. [`Log`](super::Log) signs only what extends the last signed checkpoint.
    pub fn sign(size: u64, root: Hash, key: &SigningKey) -> SignedCheckpoint {
        let body = Self { origin: key.name().to_owned(), size, root };
        let lines = vec![SignatureLine { name: key.name().to_owned(), payload: key.sign_text(&body.text()) }];
        SignedCheckpoint { body, lines }
    }

    fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |why| Error::Checkpoint { why };
        let lines: Vec<&str> = text.split('\n').collect();
        let [origin, size, root, ""] = lines[..] else {
            return Err(wrong("its text is not three lines: origin, size, root"));
        };
        check_name(origin).map_err(|_| wrong("its first line does not name a log"))?;
        let size = size.parse().ok().filter(|&s| s <= MAX_SIZE).ok_or_else(|| wrong("its size is not a number"))?;
        let root = Hash::from_base64(root).ok_or_else(|| wrong("its root is not 32 bytes in base64"))?;
        let body = Self { origin: origin.to_owned(), size, root };
        if body.text() == text { Ok(body) } else { Err(wrong("it is not written in its one canonical form")) }
    }
}

/// A checkpoint with its signature lines, as kept in the file `checkpoint`, or held elsewhere.
///
/// Reading one checks its form only; [`verify`](Self::verify) checks the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    body: Checkpoint,
    lines: Vec<SignatureLine>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct SignatureLine {
    name: String,
    payload: Vec<u8>,
}

impl SignedCheckpoint {
    /// What it says, if `key` signed it. Lines by other keys (witnesses) are neither needed nor checked.
    ///
    /// # Errors
    /// [`Error::NotSigned`] where the key has no line, [`Error::BadSignature`] where its line is for other text.
    pub fn verify(&self, key: &VerifyingKey) -> Result<&Checkpoint, Error> {
        let name = key.name().to_owned();
        if self.body.origin != key.name() {
            return Err(Error::NotSigned { name });
        }
        let mut ours = self.lines.iter().filter(|line| is_by(line, key)).peekable();
        if ours.peek().is_none() {
            return Err(Error::NotSigned { name });
        }
        let text = self.body.text();
        let good = |line: &SignatureLine| line.payload[4..].try_into().is_ok_and(|s| key.accepts(&text, s));
        if ours.all(good) { Ok(&self.body) } else { Err(Error::BadSignature { name }) }
    }

    /// What it says, whoever wrote it.
    pub fn unverified(&self) -> &Checkpoint {
        &self.body
    }

    /// The same with another line; one of the same key gives way.
    pub(crate) fn with_line(&self, name: &str, payload: Vec<u8>) -> Self {
        let mut lines = self.lines.clone();
        lines.retain(|line| line.name != name || line.payload[..4] != payload[..4]);
        lines.push(SignatureLine { name: name.to_owned(), payload });
        Self { body: self.body.clone(), lines }
    }

    /// What stands in the line of a key.
    pub(crate) fn line(&self, name: &str, id: [u8; 4]) -> Option<&[u8]> {
        self.lines.iter().find(|line| line.name == name && line.payload.starts_with(&id)).map(|line| line.payload.as_slice())
    }

    /// How many signature lines are not by `key`.
    pub(crate) fn lines_by_others(&self, key: &VerifyingKey) -> usize {
        self.lines.iter().filter(|line| !is_by(line, key)).count()
    }
}

fn is_by(line: &SignatureLine, key: &VerifyingKey) -> bool {
    line.name == key.name() && line.payload.starts_with(&key.id())
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.body.text())?;
        self.lines.iter().try_for_each(|line| writeln!(f, "— {} {}", line.name, BASE64_STANDARD.encode(&line.payload)))
    }
}

impl FromStr for SignedCheckpoint {
    type Err = Error;

    fn from_str(note: &str) -> Result<Self, Error> {
        let wrong = |why| Error::Checkpoint { why };
        if note.len() > MAX_BYTES {
            return Err(wrong("it is longer than a checkpoint can be"));
        }
        let (text, signatures) = note.split_once("\n\n").ok_or_else(|| wrong("no empty line parts text from signatures"))?;
        let body = Checkpoint::parse(&format!("{text}\n"))?;
        let signatures = signatures.strip_suffix('\n').ok_or_else(|| wrong("its last signature line does not end"))?;
        let mut lines: Vec<SignatureLine> = Vec::new();
        for line in signatures.split('\n') {
            let (name, payload) = line
                .strip_prefix("— ")
                .and_then(|line| line.split_once(' '))
                .ok_or_else(|| wrong("a signature line is not `— name base64`"))?;
            check_name(name).map_err(|_| wrong("a signature line names no key"))?;
            let payload = BASE64_STANDARD
                .decode(payload)
                .ok()
                .filter(|p| p.len() > 4)
                .ok_or_else(|| wrong("a signature is not a key id and a signature in base64"))?;
            if lines.iter().any(|seen| seen.name == name && seen.payload[..4] == payload[..4]) {
                return Err(wrong("one key has two signature lines"));
            }
            lines.push(SignatureLine { name: name.to_owned(), payload });
        }
        Ok(Self { body, lines })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Properly signed by `key`, whatever the text says.
    fn note(text: &str, key: &SigningKey) -> String {
        format!("{text}\n— {} {}\n", key.name(), BASE64_STANDARD.encode(key.sign_text(text)))
    }

    #[test]
    fn a_signature_does_not_help_a_text_in_another_form_or_for_another_log() {
        let key = SigningKey::from_bytes("reticent/test", &[7; 32]).unwrap();
        let root = BASE64_STANDARD.encode([3; 32]);
        let good = note(&format!("reticent/test\n600\n{root}\n"), &key);
        let read: SignedCheckpoint = good.parse().unwrap();
        assert_eq!(read.verify(&key.verifying_key()).unwrap().size, 600);
        assert_eq!(read.to_string(), good);

        for (size, tail) in [("0600", ""), ("+600", ""), (" 600", ""), ("-1", ""), ("600", "an extension\n"), ("600", "\n")] {
            let odd = note(&format!("reticent/test\n{size}\n{root}\n{tail}"), &key);
            assert!(odd.parse::<SignedCheckpoint>().is_err(), "{odd}");
        }
        for cut in 0..good.len() {
            assert!(good.get(..cut).is_none_or(|cut| cut.parse::<SignedCheckpoint>().is_err()), "cut to {cut}");
        }
        let twice = format!("{good}{}\n", good.lines().last().unwrap());
        assert!(twice.parse::<SignedCheckpoint>().is_err());

        let other: SignedCheckpoint = note(&format!("reticent/other\n600\n{root}\n"), &key).parse().unwrap();
        assert!(matches!(other.verify(&key.verifying_key()), Err(Error::NotSigned { .. })));
    }
}
