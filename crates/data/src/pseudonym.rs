//! Keyed pseudonyms: whose row it is, without saying who.

use crate::Error;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::fmt;

/// The workspace's key for pseudonyms. Whoever holds it can test whether a given person is in the data: it stays in the workspace.
pub struct PseudonymKey([u8; 32]);

impl PseudonymKey {
    /// Takes the key's bytes, drawn from the system's generator.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The pseudonym of `value` in `dataset`: the first 16 bytes of HMAC-SHA-256(key, "subject" ‖ dataset ‖ value), each part preceded by its length.
    #[must_use]
    pub fn subject(&self, dataset: &str, value: &str) -> SubjectId {
        let full = self.keyed_digest(&[b"subject", dataset.as_bytes(), value.trim().as_bytes()]);
        let mut id = [0; 16];
        id.copy_from_slice(&full[..16]);
        SubjectId(id)
    }

    /// A digest that nobody without the key can test a guess against.
    #[must_use]
    pub fn keyed_digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// Pseudonym of a unit of privacy within one workspace and data set.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SubjectId(pub(crate) [u8; 16]);

impl SubjectId {
    /// The 16 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for SubjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for SubjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "subject {self}")
    }
}

impl From<SubjectId> for String {
    fn from(id: SubjectId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for SubjectId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl std::str::FromStr for SubjectId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut id = [0; 16];
        hex::decode_to_slice(text, &mut id)
            .map_err(|_| Error::Stored { file: "subject id".into(), why: "is not 32 hexadecimal digits".into() })?;
        Ok(Self(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pseudonyms_depend_on_key_dataset_and_value() {
        let key = PseudonymKey::from_bytes([1; 32]);
        let id = key.subject("visits", "ann");
        assert_eq!(id, key.subject("visits", " ann "));
        assert_ne!(id, key.subject("visits", "bob"));
        assert_ne!(id, key.subject("claims", "ann"));
        assert_ne!(id, PseudonymKey::from_bytes([2; 32]).subject("visits", "ann"));
        // The parts are length-prefixed, so moving a letter between them changes the id.
        assert_ne!(key.subject("visitsa", "nn"), key.subject("visits", "ann"));
        assert_eq!(id.to_string().parse::<SubjectId>().unwrap(), id);
    }
}
