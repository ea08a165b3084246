//! Ed25519 keys that carry their log's name, as C2SP signed notes want them.

use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ed25519_dalek::Signer as _;
use sha2::{Digest as _, Sha256};

use super::Error;

/// C2SP's number for Ed25519 in signed notes.
const ED25519: u8 = 0x01;

/// The secret half: whoever has it can sign checkpoints under the log's name.
///
/// It has neither `Debug` nor `Display`, and the seed is wiped when it is dropped.
pub struct SigningKey {
    name: String,
    secret: ed25519_dalek::SigningKey,
}

impl SigningKey {
    /// A new key for the log called `name`, e.g. `reticent/clinic-3f9a`.
    ///
    /// # Errors
    /// [`Error::Name`] for a name with spaces or `+`, [`Error::Randomness`] where the system gives none.
    pub fn generate(name: &str) -> Result<Self, Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|e| Error::Randomness { why: e.to_string() })?;
        Self::from_bytes(name, &seed)
    }

    /// The key kept in the 0600 key file.
    ///
    /// # Errors
    /// [`Error::Name`] for a name with spaces or `+`.
    pub fn from_bytes(name: &str, seed: &[u8; 32]) -> Result<Self, Error> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), secret: ed25519_dalek::SigningKey::from_bytes(seed) })
    }

    /// The seed, for the 0600 key file and nothing else.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.secret.to_bytes()
    }

    /// The log's name: the origin line of its checkpoints.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey { name: self.name.clone(), public: self.secret.verifying_key() }
    }

    /// The signature line's payload: key id, then the signature over `text`.
    pub(crate) fn sign_text(&self, text: &str) -> Vec<u8> {
        let mut payload = self.verifying_key().id().to_vec();
        payload.extend_from_slice(&self.sign_bytes(text.as_bytes()));
        payload
    }

    /// The bare signature.
    pub(crate) fn sign_bytes(&self, bytes: &[u8]) -> [u8; 64] {
        self.secret.sign(bytes).to_bytes()
    }
}

/// The public half, written as a C2SP vkey: `name+hash+base64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    name: String,
    public: ed25519_dalek::VerifyingKey,
}

impl VerifyingKey {
    /// The log's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key)[..4]`
    pub(crate) fn id(&self) -> [u8; 4] {
        let mut hash = Sha256::new();
        hash.update(self.name.as_bytes());
        hash.update([b'\n', ED25519]);
        hash.update(self.public.as_bytes());
        let hash = hash.finalize();
        [hash[0], hash[1], hash[2], hash[3]]
    }

    /// Checks a signature, refusing the malleable and small-order forms.
    pub(crate) fn accepts(&self, text: &str, signature: &[u8; 64]) -> bool {
        self.accepts_bytes(text.as_bytes(), signature)
    }

    pub(crate) fn accepts_bytes(&self, bytes: &[u8], signature: &[u8; 64]) -> bool {
        self.public.verify_strict(bytes, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ED25519];
        key.extend_from_slice(self.public.as_bytes());
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id()), BASE64_STANDARD.encode(key))
    }
}

impl FromStr for VerifyingKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut parts = text.trim_end().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Error::Key { why: "it is not of the form name+hash+base64" });
        };
        check_name(name)?;
        let key = BASE64_STANDARD.decode(key).map_err(|_| Error::Key { why: "its last part is not base64" })?;
        let [ED25519, public @ ..] = key.as_slice() else {
            return Err(Error::Key { why: "it is not an Ed25519 key" });
        };
        let public = <&[u8; 32]>::try_from(public).map_err(|_| Error::Key { why: "it does not hold 32 bytes" })?;
        let public =
            ed25519_dalek::VerifyingKey::from_bytes(public).map_err(|_| Error::Key { why: "its bytes are not a point of the curve" })?;
        let key = Self { name: name.to_owned(), public };
        if id != hex::encode(key.id()) {
            return Err(Error::Key { why: "its hash does not match its name and bytes" });
        }
        Ok(key)
    }
}

/// One non-empty word without `+`: it stands in the note's signature line and in the vkey.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if name.is_empty() || name.len() > 200 || name.contains(odd) {
        return Err(Error::Name { name: name.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example key of golang.org/x/mod/sumdb/note, also used by C2SP's signed-note.md.
    #[test]
    fn the_published_example_key_reads_and_verifies() {
        let vkey: VerifyingKey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse().unwrap();
        assert_eq!(vkey.to_string(), "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
        let text = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
        let line = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
        let payload = BASE64_STANDARD.decode(line).unwrap();
        assert_eq!(payload[..4], vkey.id());
        assert!(vkey.accepts(text, payload[4..].try_into().unwrap()));
        assert!(!vkey.accepts("another text\n", payload[4..].try_into().unwrap()));
    }

    #[test]
    fn names_and_keys_that_cannot_stand_in_a_note_are_refused() {
        for name in ["", "two words", "a+b", "line\nbreak", "a\u{2003}b"] {
            assert!(matches!(SigningKey::generate(name), Err(Error::Name { .. })), "{name:?}");
        }
        let vkey = SigningKey::generate("reticent/test").unwrap().verifying_key().to_string();
        assert_eq!(vkey.parse::<VerifyingKey>().unwrap().to_string(), vkey);
        for broken in [vkey.replace("test", "tesu"), vkey[..vkey.len() - 4].to_owned(), "x".into(), String::new()] {
            assert!(broken.parse::<VerifyingKey>().is_err(), "{broken}");
        }
    }
}
