//! By when something must be answered: terms as dated data, counted by the calendar.
//!
//! Months end on the day of the same number, or on the last of a shorter month. Under the GDPR a last day that is no working day gives way to
//! the next one that is (Regulation 1182/71, Art 3(4)). Only holidays that every region of a state keeps are on record, and none where the
//! state is not known: a deadline is then earlier, never later. That every period of two days or more has two working days (Art 3(5)) holds by
//! itself for terms in weeks and months; the 72 hours of Art 33 are counted without it, which is earlier too.

use super::{rows, since};
use jiff::civil::{Date, Weekday};
use jiff::{Span, ToSpan};
use serde::{Deserialize, Serialize};

/// `regime,right,step,count,unit,pauses,from,until,source`.
const TERMS: &str = include_str!("deadlines.csv");
/// `state,day,from,until,name`: a day of the year, or days from Easter.
const HOLIDAYS: &str = include_str!("holidays.csv");

/// The law a request is made under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Regime {
    /// Regulation (EU) 2016/679.
    Gdpr,
    /// California Consumer Privacy Act and its regulations.
    Ccpa,
}

impl Regime {
    fn name(self) -> &'static str {
        match self {
            Self::Gdpr => "gdpr",
            Self::Ccpa => "ccpa",
        }
    }
}

/// A term as it stood on a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Term {
    /// How many.
    pub count: i32,
    /// `hours`, `days`, `business-days`, `weeks` or `months`.
    pub unit: &'static str,
    /// Whether the time in which somebody must show who they are is not counted.
    pub pauses: bool,
    /// Where it is written.
    pub source: &'static str,
}

/// The term of a step (`answer`, `extended`, `acknowledge`, `notify`, `records`) for a right, by the law of a day.
#[must_use]
pub fn term(regime: Regime, right: &str, step: &str, on: Date) -> Option<Term> {
    let day = midnight(on);
    let rows = TERMS.lines().skip(1).map(|line| line.splitn(9, ',').collect::<Vec<_>>());
    let holds = |row: &Vec<&str>| since(row[6]) <= day && (row[7].is_empty() || day < since(row[7]));
    let fits = |row: &Vec<&str>| row[0] == regime.name() && (row[1] == right || row[1] == "*") && row[2] == step;
    // What is written for the right itself goes before what is written for all; the newest before the older.
    let found = rows.filter(|row| fits(row) && holds(row)).max_by_key(|row| (row[1] == right, since(row[6])))?;
    Some(Term { count: found[3].parse().ok()?, unit: found[4], pauses: found[5] == "yes", source: found[8] })
}

impl Term {
    /// The last day of the term, for what was received on a day and then stood still for some days, in a state (`DE`).
    ///
    /// Terms in hours are rounded down to days here; see [`Term::hours_after`].
    #[must_use]
    pub fn last_day(&self, regime: Regime, received: Date, paused: i32, state: &str) -> Date {
        let from = after(received, if self.pauses { paused.days() } else { 0.days() });
        let last = match self.unit {
            "months" => after(from, self.count.months()),
            "weeks" => after(from, self.count.weeks()),
            "hours" => after(from, (self.count / 24).days()),
            "business-days" => {
                let mut day = from;
                for _ in 0..self.count {
                    day = next_working_day(after(day, 1.days()), state);
                }
                return day;
            }
            _ => after(from, self.count.days()),
        };
        if regime == Regime::Gdpr && self.unit != "hours" { next_working_day(last, state) } else { last }
    }

    /// When a term in hours is over that began at a moment (seconds since 1970).
    #[must_use]
    pub fn hours_after(&self, began: i64) -> i64 {
        began.saturating_add(i64::from(self.count).saturating_mul(3600))
    }
}

/// Whether people work on a day in a state, as far as its holidays are on record.
#[must_use]
pub fn is_working_day(day: Date, state: &str) -> bool {
    !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) && !is_holiday(day, state)
}

/// Whether holidays of a state are on record; without them only weekends count, and deadlines are earlier.
#[must_use]
pub fn knows_holidays(state: &str) -> bool {
    HOLIDAYS.lines().skip(1).any(|line| line.split(',').next() == Some(state))
}

fn next_working_day(mut day: Date, state: &str) -> Date {
    // No row of holidays is a fortnight long.
    for _ in 0..14 {
        if is_working_day(day, state) {
            break;
        }
        day = after(day, 1.days());
    }
    day
}

fn is_holiday(day: Date, state: &str) -> bool {
    let moment = midnight(day);
    rows(HOLIDAYS).map(|row| row[3].split_once(',').map_or((row.clone(), ""), |(until, _)| (row.clone(), until))).any(|(row, until)| {
        let kept = (row[2].is_empty() || since(row[2]) <= moment) && (until.is_empty() || moment < since(until));
        row[0] == state && kept && falls_on(row[1], day)
    })
}

fn falls_on(rule: &str, day: Date) -> bool {
    match rule.strip_prefix("easter") {
        Some(offset) => offset.parse::<i32>().is_ok_and(|days| after(easter(day.year()), days.days()) == day),
        None => rule.split_once('-').is_some_and(|(m, d)| m.parse() == Ok(day.month()) && d.parse() == Ok(day.day())),
    }
}

/// Easter Sunday by the Gregorian calendar (Meeus, Astronomical Algorithms, ch. 8).
fn easter(year: i16) -> Date {
    let y = i32::from(year);
    let (a, b, c) = (y % 19, y / 100, y % 100);
    let (d, e, g) = (b / 4, b % 4, (8 * b + 13) / 25);
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let n = h + l - 7 * m + 114;
    Date::new(year, (n / 31) as i8, (n % 31 + 1) as i8).unwrap_or(Date::MAX)
}

fn after(day: Date, span: Span) -> Date {
    day.saturating_add(span)
}

fn midnight(day: Date) -> i64 {
    day.to_zoned(jiff::tz::TimeZone::UTC).map_or(i64::MAX, |z| z.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn last(regime: Regime, right: &str, step: &str, received: &str, paused: i32, state: &str) -> String {
        term(regime, right, step, day(received)).unwrap().last_day(regime, day(received), paused, state).to_string()
    }

    #[test]
    fn easter_is_where_the_calendars_have_it() {
        for known in
            ["1961-04-02", "2000-04-23", "2008-03-23", "2011-04-24", "2024-03-31", "2025-04-20", "2026-04-05", "2027-03-28", "2038-04-25"]
        {
            assert_eq!(easter(day(known).year()), day(known));
        }
    }

    #[test]
    fn every_row_is_one() {
        for line in TERMS.lines().skip(1) {
            let row: Vec<&str> = line.splitn(9, ',').collect();
            assert!(row.len() == 9 && row[3].parse::<i32>().is_ok() && since(row[6]) < i64::MAX && !row[8].is_empty(), "{line}");
            assert!(["hours", "days", "business-days", "weeks", "months"].contains(&row[4]), "{line}");
        }
        for line in HOLIDAYS.lines().skip(1) {
            let row: Vec<&str> = line.split(',').collect();
            let falls = (0..366).filter(|n| falls_on(row[1], after(day("2024-01-01"), (*n).days()))).count();
            assert!(row.len() == 5 && row[0].len() == 2 && falls == 1, "{line}: {falls}");
        }
    }

    #[test]
    fn a_month_ends_on_the_last_day_of_a_shorter_one() {
        let answer = |received, state| last(Regime::Gdpr, "access", "answer", received, 0, state);
        // 28 February 2025 is a Friday, 29 February 2024 a Thursday; 28 February 2026 a Saturday.
        assert_eq!(answer("2025-01-31", "EU"), "2025-02-28");
        assert_eq!(answer("2024-01-31", "EU"), "2024-02-29");
        assert_eq!(answer("2024-01-29", "EU"), "2024-02-29");
        assert_eq!(answer("2026-01-31", "EU"), "2026-03-02");
        assert_eq!(answer("2024-02-29", "EU"), "2024-03-29");
        // Good Friday 2024 is a holiday in Germany, and so is the Monday after it.
        assert_eq!(answer("2024-02-29", "DE"), "2024-04-02");
        assert_eq!(answer("2025-11-25", "DE"), "2025-12-29", "Christmas, then a weekend");
        assert_eq!(answer("2025-11-24", "PL"), "2025-12-29", "Christmas Eve is one since 2025");
        assert_eq!(answer("2024-11-24", "PL"), "2024-12-24");
    }

    #[test]
    fn an_extension_counts_from_the_same_day_and_a_pause_moves_it() {
        assert_eq!(last(Regime::Gdpr, "access", "extended", "2025-01-31", 0, "EU"), "2025-04-30");
        assert_eq!(last(Regime::Gdpr, "access", "answer", "2025-03-03", 7, "EU"), "2025-04-10");
        assert_eq!(last(Regime::Gdpr, "access", "answer", "2025-03-03", 0, "EU"), "2025-04-03");
    }

    #[test]
    fn california_counts_days_and_business_days_and_never_pauses() {
        assert_eq!(last(Regime::Ccpa, "know", "answer", "2025-01-01", 9, "US"), "2025-02-15");
        assert_eq!(last(Regime::Ccpa, "know", "extended", "2025-01-01", 9, "US"), "2025-04-01");
        assert_eq!(last(Regime::Ccpa, "know", "acknowledge", "2025-01-03", 0, "US"), "2025-01-17", "ten business days after a Friday");
        assert_eq!(last(Regime::Ccpa, "opt-out", "answer", "2025-01-03", 0, "US"), "2025-01-24");
    }

    #[test]
    fn law_has_dates() {
        assert_eq!(term(Regime::Gdpr, "access", "answer", day("2018-05-24")), None);
        assert_eq!(term(Regime::Ccpa, "limit", "answer", day("2022-01-01")).unwrap().unit, "days");
        assert_eq!(term(Regime::Ccpa, "limit", "answer", day("2024-01-01")).unwrap().unit, "business-days");
        assert!(knows_holidays("DE") && !knows_holidays("EU"));
    }
}
