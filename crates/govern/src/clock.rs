//! Time in the ledger goes forward: a clock that was set back would make what has ended look as if it stood.

use crate::store::Statement;
use crate::{Actor, Error, Event, Ledger};
use jiff::{SignedDuration, Timestamp};

/// How far a clock may be corrected without anybody being asked.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(60);

/// The time of the next event: now, and never before the one before it.
pub(crate) fn stamp(before: Option<&str>) -> Result<String, Error> {
    stamp_at(Timestamp::now(), before)
}

fn stamp_at(now: Timestamp, before: Option<&str>) -> Result<String, Error> {
    // A time that cannot be read is found by `damaged`; it must not stop the writing of what is found.
    let Some(last) = before.and_then(|text| text.parse::<Timestamp>().ok()) else { return Ok(now.to_string()) };
    if now.duration_until(last) > TOLERANCE {
        return Err(Error::Clock { last: last.to_string(), now: now.to_string() });
    }
    Ok(now.max(last).to_string())
}

impl Ledger {
    /// Now, in seconds since 1970, as far as the ledger believes the clock.
    ///
    /// # Errors
    /// [`Error::Clock`] where it stands before the last event.
    pub fn now(&mut self) -> Result<i64, Error> {
        let last = self.last_at()?;
        Ok(stamp(last.as_deref())?.parse::<Timestamp>().map_or(0, Timestamp::as_second))
    }

    /// Records that the clock is right although it stands before the last event: somebody answers for it, by name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn accept_clock(&mut self, actor: &Actor, by: &str, reason: &str) -> Result<i64, Error> {
        self.write(|ledger| {
            let last = ledger.last_at()?.unwrap_or_default();
            let event = Event::ClockAccepted { last, by: by.into(), reason: reason.into() };
            ledger.append_stamped(actor, &[(event, [0; 32])], Timestamp::now().to_string())
        })
    }

    fn last_at(&mut self) -> Result<Option<String>, Error> {
        let rows = self.rows(Statement::new("SELECT at FROM events ORDER BY seq DESC LIMIT 1"))?;
        Ok(rows.first().map(|row| row.try_get(0)).transpose()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_goes_back() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (noon, before) = ("2026-05-01T12:00:00Z", Some("2026-05-01T12:00:00Z"));
        assert_eq!(stamp_at(at(noon), None).unwrap(), noon);
        assert_eq!(stamp_at(at("2026-05-01T12:00:01Z"), before).unwrap(), "2026-05-01T12:00:01Z");
        // A clock that is corrected a little repeats the last time.
        assert_eq!(stamp_at(at("2026-05-01T11:59:00Z"), before).unwrap(), noon);
        let refused = stamp_at(at("2026-05-01T11:58:59Z"), before).unwrap_err();
        assert_eq!(refused.to_string(), "the clock says 2026-05-01T11:58:59Z, before the last event of the ledger at 2026-05-01T12:00:00Z");
        assert!(stamp_at(at(noon), Some("no time")).is_ok());
    }
}
