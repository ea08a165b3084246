//! Witnesses: somebody else signs that a checkpoint grew out of the last one they signed (C2SP tlog-cosignature, version 1).
//!
//! With a cosigned checkpoint, whoever holds the log's key can no longer show one log to some and another to others without the witness's
//! help. The line stands beside the log's own signature in a checkpoint that is kept elsewhere.

use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ed25519_dalek::Signer as _;
use sha2::{Digest as _, Sha256};

use super::key::check_name;
use super::{Checkpoint, ConsistencyProof, Error, SignedCheckpoint, VerifyingKey};

/// C2SP's number for timestamped Ed25519 cosignatures.
const COSIGNATURE: u8 = 0x04;

/// A witness: its name, its secret key, and the last checkpoint of a log that it signed.
///
/// ```
/// use reticent_proof::log::{Log, SigningKey, Witness};
/// # let dir = std::env::temp_dir().join(format!("reticent-witness-example-{}", std::process::id()));
/// let key = SigningKey::generate("reticent/clinic-3f9a")?;
/// let mut log = Log::open(&dir)?;
/// let mut witness = Witness::from_bytes("witness.example/w1", &[9; 32])?;
/// let first = log.publish(&["given"], &key, None)?;
/// witness.cosign(&first, &key.verifying_key(), &log.prove_growth(0)?, 1_790_000_000)?;
/// let second = log.append(1, &["withdrawn"], &key, None)?;
/// let cosigned = witness.cosign(&second, &key.verifying_key(), &log.prove_growth(1)?, 1_790_000_060)?;
/// assert_eq!(cosigned.cosigned_by(&witness.key())?, 1_790_000_060);
/// # std::fs::remove_dir_all(&dir).unwrap();
/// # Ok::<(), reticent_proof::log::Error>(())
/// ```
pub struct Witness {
    name: String,
    secret: ed25519_dalek::SigningKey,
    last: Option<Checkpoint>,
}

impl Witness {
    /// A witness that has signed nothing yet.
    ///
    /// # Errors
    /// [`Error::Name`].
    pub fn from_bytes(name: &str, seed: &[u8; 32]) -> Result<Self, Error> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), secret: ed25519_dalek::SigningKey::from_bytes(seed), last: None })
    }

    /// The last checkpoint that it signed; where it goes on after a restart.
    pub fn last(&self) -> Option<&Checkpoint> {
        self.last.as_ref()
    }

    /// Goes on from a checkpoint that it signed before.
    #[must_use]
    pub fn after(self, last: Checkpoint) -> Self {
        Self { last: Some(last), ..self }
    }

    /// The public half.
    pub fn key(&self) -> WitnessKey {
        WitnessKey { name: self.name.clone(), public: self.secret.verifying_key() }
    }

    /// Adds its line to a checkpoint of the log, if the log's key signed it and it grew out of the last one. `time` is in seconds since 1970.
    ///
    /// # Errors
    /// [`Error::NotSigned`], [`Error::BadSignature`]; [`Error::Behind`], [`Error::Forked`]: then nothing was signed.
    pub fn cosign(
        &mut self,
        checkpoint: &SignedCheckpoint,
        log: &VerifyingKey,
        growth: &ConsistencyProof,
        time: u64,
    ) -> Result<SignedCheckpoint, Error> {
        let body = checkpoint.verify(log)?.clone();
        if let Some(last) = &self.last {
            growth.check(last, &body)?;
        }
        let mut payload = self.key().id().to_vec();
        payload.extend(time.to_be_bytes());
        payload.extend(self.secret.sign(signed_text(time, &body).as_bytes()).to_bytes());
        let cosigned = checkpoint.with_line(&self.name, payload);
        self.last = Some(body);
        Ok(cosigned)
    }
}

/// The public half of a witness, written as a C2SP vkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    public: ed25519_dalek::VerifyingKey,
}

impl WitnessKey {
    fn id(&self) -> [u8; 4] {
        let mut hash = Sha256::new();
        hash.update(self.name.as_bytes());
        hash.update([b'\n', COSIGNATURE]);
        hash.update(self.public.as_bytes());
        let hash = hash.finalize();
        [hash[0], hash[1], hash[2], hash[3]]
    }
}

impl SignedCheckpoint {
    /// When this witness signed it, in seconds since 1970.
    ///
    /// # Errors
    /// [`Error::NotSigned`] where it did not, [`Error::BadSignature`] where its line is for other text.
    pub fn cosigned_by(&self, witness: &WitnessKey) -> Result<u64, Error> {
        let bad = || Error::BadSignature { name: witness.name.clone() };
        let payload = self.line(&witness.name, witness.id()).ok_or_else(|| Error::NotSigned { name: witness.name.clone() })?;
        let (time, signature) = payload[4..].split_first_chunk::<8>().ok_or_else(bad)?;
        let signature: &[u8; 64] = signature.try_into().map_err(|_| bad())?;
        let time = u64::from_be_bytes(*time);
        let text = signed_text(time, self.unverified());
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        witness.public.verify_strict(text.as_bytes(), &signature).map_err(|_| bad())?;
        Ok(time)
    }
}

fn signed_text(time: u64, checkpoint: &Checkpoint) -> String {
    format!("cosignature/v1\ntime {time}\n{}", checkpoint.text())
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![COSIGNATURE];
        key.extend_from_slice(self.public.as_bytes());
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id()), BASE64_STANDARD.encode(key))
    }
}

impl FromStr for WitnessKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |why| Error::Key { why };
        let mut parts = text.trim_end().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong("it is not of the form name+hash+base64"));
        };
        check_name(name)?;
        let key = BASE64_STANDARD.decode(key).map_err(|_| wrong("its last part is not base64"))?;
        let [COSIGNATURE, public @ ..] = key.as_slice() else { return Err(wrong("it is not the key of a witness")) };
        let public = <&[u8; 32]>::try_from(public).map_err(|_| wrong("it does not hold 32 bytes"))?;
        let public = ed25519_dalek::VerifyingKey::from_bytes(public).map_err(|_| wrong("its bytes are not a point of the curve"))?;
        let key = Self { name: name.to_owned(), public };
        if id == hex::encode(key.id()) { Ok(key) } else { Err(wrong("its hash does not match its name and bytes")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Log, SigningKey, root_of, verify_dir};

    fn entries(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("entry {i}")).collect()
    }

    #[test]
    fn every_growth_of_small_logs_is_proved_and_no_other() {
        let key = SigningKey::from_bytes("reticent/test", &[7; 32]).unwrap();
        let all = entries(270);
        let at = |n: usize| Checkpoint { origin: "reticent/test".into(), size: n as u64, root: root_of(&all[..n]) };
        for later in [1, 2, 3, 7, 8, 255, 256, 257, 270] {
            let dir = tempfile::tempdir().unwrap();
            let mut log = Log::open(&dir).unwrap();
            log.publish(&all[..later], &key, None).unwrap();
            for earlier in (0..=later).filter(|n| later < 10 || n % 17 == 0 || later - n < 3) {
                let proof = log.prove_growth(earlier as u64).unwrap();
                proof.check(&at(earlier), &at(later)).unwrap();
                let mut other = at(earlier);
                other.root.0[3] ^= 1;
                assert!(proof.check(&other, &at(later)).is_err(), "{earlier} of {later}");
                for hash in 0..proof.hashes.len() {
                    let mut broken = proof.clone();
                    broken.hashes[hash].0[0] ^= 1;
                    assert!(broken.check(&at(earlier), &at(later)).is_err(), "{earlier} of {later}, hash {hash}");
                }
            }
            assert!(log.prove_growth(later as u64 + 1).is_err());
        }
    }

    #[test]
    fn a_witness_signs_growth_and_no_fork_and_no_rollback() {
        let key = SigningKey::from_bytes("reticent/test", &[7; 32]).unwrap();
        let public = key.verifying_key();
        let (dir, forked_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut log = Log::open(&dir).unwrap();
        let mut witness = Witness::from_bytes("witness.example/w1", &[9; 32]).unwrap();
        let first = log.publish(&entries(300), &key, None).unwrap();
        witness.cosign(&first, &public, &log.prove_growth(0).unwrap(), 100).unwrap();
        let second = log.publish(&entries(301), &key, None).unwrap();
        let cosigned = witness.cosign(&second, &public, &log.prove_growth(300).unwrap(), 200).unwrap();
        let read: SignedCheckpoint = cosigned.to_string().parse().unwrap();
        assert_eq!(read.cosigned_by(&witness.key()).unwrap(), 200);
        assert_eq!(witness.key().to_string().parse::<WitnessKey>().unwrap(), witness.key());
        assert!(read.verify(&public).is_ok() && verify_dir(dir.path(), &public, Some(&read)).verified());

        // Another log under the same key, and yesterday's.
        let mut others = entries(302);
        others[5] = "something else".into();
        let mut forked = Log::open(&forked_dir).unwrap();
        let fork = forked.publish(&others, &key, None).unwrap();
        assert!(matches!(witness.cosign(&fork, &public, &forked.prove_growth(301).unwrap(), 300), Err(Error::Forked { .. })));
        assert!(matches!(witness.cosign(&first, &public, &ConsistencyProof { hashes: vec![] }, 300), Err(Error::Behind { .. })));
        assert_eq!(witness.last().unwrap().size, 301);

        // Its line is for this text, at this time, by this key.
        let stranger = Witness::from_bytes("witness.example/w1", &[8; 32]).unwrap().key();
        assert!(matches!(read.cosigned_by(&stranger), Err(Error::NotSigned { .. })));
        let payload = read.line("witness.example/w1", witness.key().id()).unwrap().to_vec();
        for byte in 4..payload.len() {
            let mut broken = payload.clone();
            broken[byte] ^= 1;
            let broken = second.with_line("witness.example/w1", broken);
            assert!(matches!(broken.cosigned_by(&witness.key()), Err(Error::BadSignature { .. })), "byte {byte}");
        }
        assert!(matches!(first.with_line("witness.example/w1", payload).cosigned_by(&witness.key()), Err(Error::BadSignature { .. })));
    }
}
