//! How long each kind of thing is kept, and what is due.

use super::Entry;
use crate::{Error, Ledger};
use std::collections::BTreeMap;

/// Kinds of things that a retention may be declared for.
pub(super) const THINGS: [&str; 8] = ["data", "models", "runs", "reports", "evidence", "requests", "answers", "decisions"];

/// Something that is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueThing {
    /// Its kind, `data`.
    pub kind: String,
    /// Its name, `visits/v1`.
    pub name: String,
    /// Data set it is of, where it is of one.
    pub dataset: Option<String>,
    /// Since when it is kept, seconds since 1970.
    pub since: i64,
}

/// When a period that begins at `from` (seconds since 1970) is over, by the calendar in UTC. `None` where it is no period of years, months,
/// weeks and days.
///
/// ```
/// use reticent_govern::until;
/// assert_eq!(until(1_706_659_200, "P1M"), Some(1_709_164_800)); // 31 January to 29 February 2024
/// assert_eq!(until(0, "1 year"), None);
/// ```
#[must_use]
pub fn until(from: i64, period: &str) -> Option<i64> {
    let span: jiff::Span = period.strip_prefix('P').filter(|p| !p.is_empty() && !p.contains('T')).and_then(|_| period.parse().ok())?;
    let begins = jiff::Timestamp::from_second(from).ok()?.to_zoned(jiff::tz::TimeZone::UTC);
    let ends = begins.checked_add(span).ok()?.timestamp().as_second();
    (ends > from).then_some(ends)
}

impl Ledger {
    /// When the retention of a kind of thing is over for one that is kept since `since`; none where no retention is declared.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn keep_until(&mut self, kind: &str, since: i64, now: i64) -> Result<Option<i64>, Error> {
        Ok(match self.register("retention", now, None)?.remove(kind).map(|e| e.entry) {
            Some(Entry::Retention(retention)) => until(since, &retention.keep),
            _ => None,
        })
    }

    /// Of these things, those whose retention is over: to be removed, and to be kept because of a hold.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn due(&mut self, things: &[DueThing], now: i64) -> Result<(Vec<DueThing>, Vec<DueThing>), Error> {
        let retention = self.register("retention", now, None)?;
        let held = self.standing_holds(now)?;
        let over = |thing: &&DueThing| match retention.get(&thing.kind).map(|e| &e.entry) {
            Some(Entry::Retention(kept)) => until(thing.since, &kept.keep).is_some_and(|until| until <= now),
            _ => false,
        };
        let is_held = |thing: &DueThing| thing.dataset.as_ref().is_some_and(|d| held.values().any(|of| of == d || of == "*"));
        Ok(things.iter().filter(over).cloned().partition(|thing| !is_held(thing)))
    }

    /// Names of the legal holds that stand on a data set: while there is one, nothing of it is erased (Art 17(3)(e)).
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn holds(&mut self, dataset: &str, now: i64) -> Result<Vec<String>, Error> {
        let standing = self.standing_holds(now)?.into_iter();
        Ok(standing.filter(|(_, of)| of == dataset || of == "*").map(|(name, _)| name).collect())
    }

    /// Data set of each hold that stands; `*` for all.
    fn standing_holds(&mut self, now: i64) -> Result<BTreeMap<String, String>, Error> {
        let entries = self.register("legal-hold", now, None)?.into_iter();
        Ok(entries.filter_map(|(name, e)| if let Entry::LegalHold(hold) = e.entry { Some((name, hold.dataset)) } else { None }).collect())
    }
}
