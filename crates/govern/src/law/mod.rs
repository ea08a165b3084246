//! Law as dated data: ages of consent, states of the Union. What held on a day is looked up, not written into the code.

mod deadline;

pub use deadline::{Regime, Term, is_working_day, knows_holidays, term};

/// `jurisdiction,age,from,source`: age below which a consent to an online service needs a guardian (Art 8(1)).
const AGES: &str = include_str!("art8-ages.csv");
/// `state,from,until`: where the Regulation applies without a transfer (the Union and the European Economic Area).
const UNION: &str = include_str!("union.csv");

/// Age below which a child opts in to sale and sharing instead of out of it (Cal. Civ. 1798.120(c)).
pub const OPT_IN_AGE: u8 = 16;

/// From this day the duties of deployers of systems of Annex III hold (Regulation (EU) 2024/1689 Art 27, 113; put off from 2026-08-02).
pub const FRIA_FROM: &str = "2027-12-02";

/// The age of consent in a jurisdiction (`DE`, `EU`) on a day (seconds since 1970): 16 where its law says nothing else.
///
/// ```
/// use reticent_govern::age_of_consent;
/// let (in_2023, in_2026) = (1_672_531_200, 1_767_225_600);
/// assert_eq!([age_of_consent("DE", in_2026), age_of_consent("AT", in_2026)], [16, 14]);
/// assert_eq!([age_of_consent("DK", in_2023), age_of_consent("DK", in_2026)], [13, 15]);
/// ```
#[must_use]
pub fn age_of_consent(jurisdiction: &str, at: i64) -> u8 {
    let rows = rows(AGES).filter(|row| row[0] == jurisdiction && since(row[2]) <= at);
    rows.max_by_key(|row| since(row[2])).and_then(|row| row[1].parse().ok()).unwrap_or(16)
}

/// Whether a country belongs to the Union or the European Economic Area on a day.
#[must_use]
pub(crate) fn in_the_union(country: &str, at: i64) -> bool {
    rows(UNION).any(|row| row[0] == country && since(row[1]) <= at && (row[2].is_empty() || at < since(row[2])))
}

fn rows(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines().skip(1).filter(|l| !l.is_empty()).map(|line| line.splitn(4, ',').collect())
}

fn since(date: &str) -> i64 {
    crate::basis::seconds(date).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_one() {
        for row in rows(AGES) {
            let age: u8 = row[1].parse().unwrap();
            assert!((13..=16).contains(&age) && row[0].len() == 2 && since(row[2]) < i64::MAX && !row[3].is_empty(), "{row:?}");
        }
        for row in rows(UNION) {
            assert!(row[0].len() == 2 && since(row[1]) < i64::MAX && (row[2].is_empty() || since(row[2]) < i64::MAX), "{row:?}");
        }
    }

    #[test]
    fn the_strictest_holds_where_nothing_is_known() {
        assert_eq!(age_of_consent("ZZ", 0), 16);
        assert_eq!(age_of_consent("EU", i64::MAX), 16);
        // Before its own act a state has the Regulation's age.
        assert_eq!((age_of_consent("SI", since("2023-01-25")), age_of_consent("SI", since("2023-01-26"))), (16, 15));
    }

    #[test]
    fn states_come_and_go() {
        assert!(in_the_union("IE", since("2026-01-01")) && !in_the_union("US", since("2026-01-01")));
        assert!(in_the_union("GB", since("2020-12-31")) && !in_the_union("GB", since("2021-01-01")));
    }
}
