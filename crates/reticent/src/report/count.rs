//! A count that never shows fewer than ten.

use super::number;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// The smallest count other than zero that is shown.
const SHOWN_FROM: u64 = 10;

/// How many; 1 to 9 are masked as it is made, so no report can hold or print them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count(Shown);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Exact(u64),
    /// From 1 to 9.
    Few,
    /// Ten or more, withheld because another count would follow from it by subtraction.
    Withheld,
}

impl Count {
    /// The count of `n`: exact where `n` is 0 or at least 10.
    pub(crate) const fn of(n: u64) -> Self {
        Self(if n > 0 && n < SHOWN_FROM { Shown::Few } else { Shown::Exact(n) })
    }

    /// The number, where it may be shown.
    pub(super) const fn exact(self) -> Option<u64> {
        match self.0 {
            Shown::Exact(n) => Some(n),
            Shown::Few | Shown::Withheld => None,
        }
    }

    /// True for a count from 1 to 9.
    pub(super) const fn is_few(self) -> bool {
        matches!(self.0, Shown::Few)
    }

    /// This count, hidden where `other` is.
    pub(super) const fn no_more_than(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Shown::Exact(1..), Shown::Few | Shown::Withheld) => Self(Shown::Withheld),
            _ => self,
        }
    }
}

impl From<u64> for Count {
    fn from(n: u64) -> Self {
        Self::of(n)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Shown::Exact(n) => f.write_str(&number::grouped(n)),
            Shown::Few => f.write_str("<10"),
            Shown::Withheld => f.write_str("withheld"),
        }
    }
}

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Shown::Exact(n) => serializer.serialize_u64(n),
            Shown::Few | Shown::Withheld => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u64),
            Word(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(n) => Ok(Self::of(n)),
            Written::Word(word) if word == "<10" => Ok(Self(Shown::Few)),
            Written::Word(word) if word == "withheld" => Ok(Self(Shown::Withheld)),
            Written::Word(word) => Err(serde::de::Error::custom(format!("`{word}` is not a count"))),
        }
    }
}

/// Withholds the smallest visible counts until the hidden ones cannot be had by subtraction from `total`: at least two
/// are hidden, and they sum to 10 or more as far as `total` tells.
pub(crate) fn withhold<'a>(counts: impl Iterator<Item = &'a mut Count>, total: Option<u64>) {
    let mut counts: Vec<&mut Count> = counts.collect();
    loop {
        let hidden = counts.iter().filter(|c| c.exact().is_none()).count();
        let visible: u64 = counts.iter().filter_map(|c| c.exact()).sum();
        let told = total.is_some_and(|total| total.saturating_sub(visible) < SHOWN_FROM);
        if hidden == 0 || (hidden > 1 && !told) {
            return;
        }
        let smallest = counts.iter_mut().filter(|c| c.exact().is_some_and(|n| n > 0)).min_by_key(|c| c.exact());
        let Some(smallest) = smallest else { return };
        **smallest = Count(Shown::Withheld);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_from_one_to_nine() {
        let shown = [0, 1, 9, 10, 20190].map(|n| Count::of(n).to_string());
        assert_eq!(shown, ["0", "<10", "<10", "10", "20,190"]);
    }

    #[test]
    fn json_holds_no_small_count_either() {
        let json = serde_json::to_string(&[Count::of(3), Count::of(12)]).unwrap();
        assert_eq!(json, r#"["<10",12]"#);
        assert_eq!(serde_json::from_str::<Vec<Count>>("[3,12]").unwrap(), [Count::of(3), Count::of(12)]);
        assert!(serde_json::from_str::<Count>(r#""some""#).is_err());
    }

    #[track_caller]
    fn check_withheld(counts: &[u64], total: Option<u64>, expected: &[&str]) {
        let mut counts: Vec<Count> = counts.iter().copied().map(Count::of).collect();
        withhold(counts.iter_mut(), total);
        assert_eq!(counts.iter().map(Count::to_string).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_masked_count_cannot_be_had_by_subtraction() {
        check_withheld(&[100, 30, 20], Some(150), &["100", "30", "20"]);
        check_withheld(&[100, 3, 20], Some(123), &["100", "<10", "withheld"]);
        check_withheld(&[100, 3, 4, 20], Some(127), &["100", "<10", "<10", "withheld"]);
        check_withheld(&[100, 8, 9, 20], Some(137), &["100", "<10", "<10", "20"]);
        check_withheld(&[3, 0], Some(3), &["<10", "0"]);
        check_withheld(&[], None, &[]);
    }
}
