//! What opens the log's entries about one person, for that person: whoever they show it to can check it, and nobody else can open them.

use super::{Error, LogEntry, commitment, log_entry};
use crate::log::VerifyingKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An event about one person with the key that is theirs: the log's entry committed to it under that key, which an erasure destroys.
///
/// No `Debug`: it holds what was recorded about somebody.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnEvent {
    /// Its kind, as in the log's entry.
    pub kind: String,
    /// The person's key, in hexadecimal.
    pub subject_key: String,
    /// The entry, its proof, and what it opens to.
    pub log: LogEntry,
}

impl OwnEvent {
    /// Checks that a log signed with `key` holds this event, under this person's key; the number of the log's entries then.
    ///
    /// # Errors
    /// [`Error::Statement`], [`Error::Log`]. No input panics.
    pub fn check(&self, key: &VerifyingKey) -> Result<u64, Error> {
        let wrong = |why| Error::Statement { why };
        let log = &self.log;
        let (mut own, nonce) = ([0; 32], hex::decode(&log.opening.nonce).map_err(|_| wrong("a nonce is not hexadecimal"))?);
        hex::decode_to_slice(&self.subject_key, &mut own).map_err(|_| wrong("a person's key is not 32 bytes in hexadecimal"))?;
        let opening = &log.opening;
        let committed = commitment(&own, &nonce, opening.seq, &opening.at, &opening.actor, &opening.body);
        let proof = log.proof()?;
        let checkpoint = proof.check(&log_entry(opening.seq, &self.kind, &committed), key)?;
        if checkpoint.origin != log.origin || u64::try_from(opening.seq).ok() != log.index.checked_add(1) {
            return Err(wrong("its log entry is another's"));
        }
        let body: Value = serde_json::from_str(&opening.body).map_err(|_| wrong("its log entry opens to no event"))?;
        if body["kind"] != self.kind.as_str() {
            return Err(wrong("its log entry opens to an event of another kind"));
        }
        Ok(checkpoint.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Log, SigningKey};
    use crate::record::Opening;

    #[test]
    fn an_event_opens_to_what_was_recorded_and_to_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (signing, own) = (SigningKey::generate("reticent/test").unwrap(), [7; 32]);
        let opening = Opening {
            seq: 2,
            at: "2026-05-01T00:00:00Z".into(),
            actor: "officer".into(),
            body: r#"{"kind":"basis","state":"given"}"#.into(),
            nonce: "00".repeat(32),
        };
        let committed = commitment(&own, &[0; 32], 2, &opening.at, &opening.actor, &opening.body);
        let mut log = Log::open(folder.path().join("log")).unwrap();
        let entries = [log_entry(1, "workspace-created", &[1; 32]), log_entry(2, "basis", &committed)];
        log.publish(&entries.iter().map(Vec::as_slice).collect::<Vec<_>>(), &signing, None).unwrap();
        let good = || OwnEvent {
            kind: "basis".into(),
            subject_key: hex::encode(own),
            log: LogEntry::new(opening.clone(), &log.prove(1).unwrap()),
        };
        let key = signing.verifying_key();
        assert_eq!(good().check(&key).unwrap(), 2);
        let other = SigningKey::generate("reticent/test").unwrap().verifying_key();
        assert!(good().check(&other).is_err());
        let changes: [fn(&mut OwnEvent); 7] = [
            |e| e.kind = "register".into(),
            |e| e.subject_key = "08".repeat(32),
            |e| e.subject_key = "no".into(),
            |e| e.log.opening.body = e.log.opening.body.replace("given", "withdrawn"),
            |e| e.log.opening.actor = "somebody".into(),
            |e| e.log.opening.seq = 1,
            |e| e.log.index = 0,
        ];
        for (at, change) in changes.into_iter().enumerate() {
            let mut event = good();
            change(&mut event);
            assert!(event.check(&key).is_err(), "change {at}");
        }
    }
}
