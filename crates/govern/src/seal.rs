//! What names people, sealed: actors, the text of events about named people, and how a guardian's consent was verified. Units are named by
//! keyed pseudonyms already. Whoever has the store, a copy of it or the server's write-ahead log, and not the key, reads none of it.
//!
//! Commitments are to the text before it was sealed: another key changes no entry of the log.

use crate::event::Event;
use crate::ledger::fill_random;
use crate::store::Statement;
use crate::{Actor, Error, Ledger};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Before a sealed text; the text of an event begins with a brace.
const MARK: char = '~';
const NONCE: usize = 24;
/// Events sealed anew by one statement.
const AT_ONCE: usize = 500;

/// The key that a ledger is sealed with (XChaCha20-Poly1305, draft-irtf-cfrg-xchacha-03): nonces are random, and long enough to stay apart.
#[derive(Clone)]
pub struct LedgerKey {
    cipher: XChaCha20Poly1305,
    id: String,
}

impl LedgerKey {
    /// From 32 random bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let digest = Sha256::new().chain_update(b"reticent ledger key\0").chain_update(bytes).finalize();
        Self { cipher: XChaCha20Poly1305::new(bytes.into()), id: hex::encode(&digest[..8]) }
    }

    /// Names the key without telling anything of it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Seals a text for one place alone: in another row, column or table it opens to nothing.
    fn seal(&self, column: &str, row: i64, text: &str) -> Result<String, Error> {
        let mut nonce = [0; NONCE];
        fill_random(&mut nonce)?;
        let place = self.place(column, row);
        let payload = Payload { msg: text.as_bytes(), aad: place.as_bytes() };
        let sealed = self.cipher.encrypt(XNonce::from_slice(&nonce), payload).map_err(|_| damaged(row))?;
        Ok(format!("{MARK}{}:{}{}", self.id, hex::encode(nonce), hex::encode(sealed)))
    }

    fn open(&self, column: &str, row: i64, sealed: &str) -> Result<String, Error> {
        let (id, hex) = sealed.strip_prefix(MARK).and_then(|rest| rest.split_once(':')).ok_or_else(|| damaged(row))?;
        if id != self.id {
            return Err(Error::Sealed { by: id.to_owned() });
        }
        let bytes = hex::decode(hex).ok().filter(|b| b.len() > NONCE).ok_or_else(|| damaged(row))?;
        let (nonce, sealed) = bytes.split_at(NONCE);
        let place = self.place(column, row);
        let opened = self.cipher.decrypt(XNonce::from_slice(nonce), Payload { msg: sealed, aad: place.as_bytes() });
        opened.ok().and_then(|text| String::from_utf8(text).ok()).ok_or_else(|| damaged(row))
    }

    fn place(&self, column: &str, row: i64) -> String {
        format!("reticent ledger 1\n{column}\n{row}\n{}", self.id)
    }
}

/// What opens the sealed texts of a ledger; nothing has to be opened where it is not sealed.
pub(crate) struct Seal(Option<(LedgerKey, BTreeMap<i64, Option<String>>)>);

impl Seal {
    /// The name of an actor.
    pub(crate) fn actor(&self, held: String) -> Result<String, Error> {
        let Some((_, names)) = &self.0 else { return Ok(held) };
        let number = held.strip_prefix('#').and_then(|n| n.parse::<i64>().ok());
        number.and_then(|n| names.get(&n).cloned().flatten()).ok_or_else(|| damaged(0))
    }

    /// The text of an event.
    pub(crate) fn body(&self, seq: i64, held: String) -> Result<String, Error> {
        match &self.0 {
            Some((key, _)) if held.starts_with(MARK) => key.open("events.body", seq, &held),
            _ => Ok(held),
        }
    }

    pub(crate) fn guardian(&self, seq: i64, held: Option<String>) -> Result<Option<String>, Error> {
        match (&self.0, held) {
            (Some((key, _)), Some(held)) => key.open("basis.guardian", seq, &held).map(Some),
            (_, held) => Ok(held),
        }
    }

    /// How the text of an event is held.
    pub(crate) fn held_body<'a>(&self, seq: i64, event: &Event, body: &'a str) -> Result<Cow<'a, str>, Error> {
        match &self.0 {
            Some((key, _)) if names_people(event) => key.seal("events.body", seq, body).map(Cow::Owned),
            _ => Ok(Cow::Borrowed(body)),
        }
    }

    pub(crate) fn held_guardian(&self, seq: i64, guardian: Option<&String>) -> Result<Option<String>, Error> {
        match (&self.0, guardian) {
            (Some((key, _)), Some(text)) => key.seal("basis.guardian", seq, text).map(Some),
            (_, guardian) => Ok(guardian.cloned()),
        }
    }
}

/// Kinds whose texts hold counts, digests and names of things, and nobody's name. Whatever is not listed is sealed.
const ABOUT_NOBODY: [&str; 19] = [
    "workspace-created",
    "data-imported",
    "basis",
    "gate-decided",
    "policy-recorded",
    "budget-opened",
    "budget-reserved",
    "noise-key-created",
    "model-released",
    "release-blocked",
    "internal-evaluation",
    "subject-erased",
    "data-reduced",
    "data-corrected",
    "retraining-reserved",
    "retention-enforced",
    "task-opened",
    "ledger-restored",
    "ledger-resealed",
];

fn names_people(event: &Event) -> bool {
    match event {
        Event::Basis(basis) => basis.detail.guardian.is_some(),
        other => !ABOUT_NOBODY.contains(&other.kind()),
    }
}

impl Ledger {
    /// Name of the key that the ledger is sealed with, where it is.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn sealed_by(&mut self) -> Result<Option<String>, Error> {
        Ok(self.rows(Statement::new("SELECT id FROM sealed"))?.first().map(|row| row.try_get(0)).transpose()?)
    }

    /// Opens what is sealed, from now on.
    ///
    /// # Errors
    /// [`Error::Sealed`] where the ledger is sealed with another key.
    pub fn unlock(&mut self, key: &LedgerKey) -> Result<(), Error> {
        match self.sealed_by()? {
            Some(by) if by != key.id => Err(Error::Sealed { by }),
            _ => {
                self.key = Some(key.clone());
                Ok(())
            }
        }
    }

    /// Seals what names people with this key, in one durable transaction: what was in clear, or sealed with the key before. Afterwards nothing
    /// of that is left in free pages. The key before is needed until this returns, and for older backups after it. That another key took the
    /// place of one is recorded.
    ///
    /// On a server the write-ahead log, and copies of it, keep what was there before in the form it had.
    ///
    /// # Errors
    /// [`Error::Sealed`] where the ledger is sealed with a key that it was not unlocked with; [`Error::Damaged`], [`Error::Database`].
    pub fn seal(&mut self, actor: &Actor, key: &LedgerKey) -> Result<(), Error> {
        let before = self.key.clone();
        let done = self.write(|ledger| {
            let rotated = ledger.sealed_by()?.is_some();
            ledger.seal_within(key)?;
            if rotated { ledger.append_within(actor, &Event::LedgerResealed { key: key.id.clone() }).map(drop) } else { Ok(()) }
        });
        if done.is_err() {
            self.key = before;
        }
        done?;
        if self.last_seq()? == 0 { Ok(()) } else { self.store.rewrite() }
    }

    /// The same within the transaction under way. Afterwards the ledger is unlocked with the key.
    pub(crate) fn seal_within(&mut self, key: &LedgerKey) -> Result<(), Error> {
        let old = self.opener()?;
        match &old.0 {
            None => {
                self.execute(Statement::new("INSERT INTO actors (name) SELECT DISTINCT actor FROM events ORDER BY actor"))?;
                let numbers = "UPDATE events SET actor = (SELECT '#' || CAST(id AS TEXT) FROM actors WHERE name = events.actor)";
                self.execute(Statement::new(numbers))?;
                for row in self.rows(Statement::new("SELECT id, name FROM actors"))? {
                    self.name_actor(key, row.try_get(0)?, row.try_get(1)?)?;
                }
            }
            Some((_, names)) => {
                for (number, name) in names {
                    self.name_actor(key, *number, name.as_ref().ok_or_else(|| damaged(0))?)?;
                }
            }
        }
        self.seal_bodies(&old, key)?;
        for row in self.rows(Statement::new("SELECT seq, guardian FROM basis WHERE guardian IS NOT NULL"))? {
            let seq: i64 = row.try_get(0)?;
            let Some(text) = old.guardian(seq, row.try_get(1)?)? else { continue };
            let sealed = key.seal("basis.guardian", seq, &text)?;
            self.execute(Statement::new("UPDATE basis SET guardian = ? WHERE seq = ?").bind(sealed).bind(seq))?;
        }
        self.execute(Statement::new("DELETE FROM sealed"))?;
        self.execute(Statement::new("INSERT INTO sealed VALUES (?)").bind(key.id.as_str()))?;
        self.key = Some(key.clone());
        Ok(())
    }

    fn name_actor(&mut self, key: &LedgerKey, number: i64, name: &str) -> Result<(), Error> {
        let sealed = key.seal("actors.name", number, name)?;
        self.execute(Statement::new("UPDATE actors SET name = ? WHERE id = ?").bind(sealed).bind(number)).map(drop)
    }

    fn seal_bodies(&mut self, old: &Seal, key: &LedgerKey) -> Result<(), Error> {
        let nobody = ["?"; ABOUT_NOBODY.len()].join(",");
        let sql = format!(
            "SELECT seq, body FROM events WHERE seq > ? AND (kind NOT IN ({nobody}) OR (kind = 'basis' AND body LIKE '%\"guardian\":\"%') OR body LIKE '{MARK}%')
             ORDER BY seq LIMIT {AT_ONCE}"
        );
        let mut after = 0;
        loop {
            let query = ABOUT_NOBODY.iter().fold(Statement::new(sql.clone()).bind(after), |query, kind| query.bind(*kind));
            let rows = self.rows(query)?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in rows {
                let seq: i64 = row.try_get(0)?;
                let sealed = key.seal("events.body", seq, &old.body(seq, row.try_get(1)?)?)?;
                self.execute(Statement::new("UPDATE events SET body = ? WHERE seq = ?").bind(sealed).bind(seq))?;
                after = seq;
            }
        }
    }

    /// What opens the sealed texts as they stand now: another process may have sealed them since this one looked.
    pub(crate) fn opener(&mut self) -> Result<Seal, Error> {
        let Some(by) = self.sealed_by()? else { return Ok(Seal(None)) };
        let Some(key) = self.key.clone().filter(|key| key.id == by) else { return Err(Error::Sealed { by }) };
        let mut names = BTreeMap::new();
        for row in self.rows(Statement::new("SELECT id, name FROM actors"))? {
            let number: i64 = row.try_get(0)?;
            // One that does not open spoils the events of that actor alone.
            names.insert(number, key.open("actors.name", number, row.try_get(1)?).ok());
        }
        Ok(Seal(Some((key, names))))
    }

    /// How an actor is held, with their name put on the list where it is not there.
    pub(crate) fn held_actor(&mut self, seal: &Seal, actor: &Actor) -> Result<String, Error> {
        let Some((key, names)) = &seal.0 else { return Ok(actor.0.clone()) };
        let number = match names.iter().find(|(_, name)| name.as_ref() == Some(&actor.0)) {
            Some((number, _)) => *number,
            None => {
                let number = names.keys().next_back().map_or(1, |last| last + 1);
                let sealed = key.seal("actors.name", number, &actor.0)?;
                self.execute(Statement::new("INSERT INTO actors (id, name) VALUES (?, ?)").bind(number).bind(sealed))?;
                number
            }
        };
        Ok(format!("#{number}"))
    }
}

fn damaged(seq: i64) -> Error {
    Error::Damaged { seq, why: "what is sealed there does not open with the ledger's key".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_text_opens_in_its_place_alone() {
        let (key, other) = (LedgerKey::from_bytes(&[7; 32]), LedgerKey::from_bytes(&[8; 32]));
        let sealed = key.seal("events.body", 3, "Zoë 🌱").unwrap();
        assert_eq!(key.open("events.body", 3, &sealed).unwrap(), "Zoë 🌱");
        assert_ne!(sealed, key.seal("events.body", 3, "Zoë 🌱").unwrap(), "each has a nonce of its own");
        for (column, row) in [("events.body", 4), ("actors.name", 3)] {
            assert!(matches!(key.open(column, row, &sealed), Err(Error::Damaged { .. })));
        }
        assert!(matches!(other.open("events.body", 3, &sealed), Err(Error::Sealed { by }) if by == key.id));
        // With the other key's name on it, it opens to nothing either.
        assert!(matches!(other.open("events.body", 3, &sealed.replace(&key.id, &other.id)), Err(Error::Damaged { .. })));
        for at in 1..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            assert!(key.open("events.body", 3, &String::from_utf8(changed).unwrap()).is_err(), "byte {at}");
        }
        for text in ["", "~", "~:", "~00:00", &format!("~{}:", key.id), &format!("~{}:00", key.id), "{}"] {
            assert!(key.open("events.body", 3, text).is_err(), "{text}");
        }
    }
}
