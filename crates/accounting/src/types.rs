//! The numbers of differential privacy as types: each is checked once, when it is made.
//!
//! A bare `f64` says nothing about its unit or range, and most wrong epsilons in the field are a number in the wrong
//! unit. Every type here has one door in (`new`), one way out (`get`), and is a plain number in JSON, checked again
//! when it is read.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Error;

macro_rules! checked_number {
    ($(#[$doc:meta])* $name:ident, $range:literal, $ok:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(try_from = "f64", into = "f64")]
        pub struct $name(f64);

        impl $name {
            /// Checks the range; [`Error::OutOfRange`] names the quantity, the value and the range.
            pub fn new(value: f64) -> Result<Self, Error> {
                let inside: fn(f64) -> bool = $ok;
                if inside(value) {
                    // `+ 0.0` turns a negative zero into zero, so that equal values print alike.
                    Ok(Self(value + 0.0))
                } else {
                    Err(Error::OutOfRange { quantity: stringify!($name), value, range: $range })
                }
            }

            /// The number itself.
            #[must_use]
            pub const fn get(self) -> f64 {
                self.0
            }
        }

        impl TryFrom<f64> for $name {
            type Error = Error;
            fn try_from(value: f64) -> Result<Self, Error> {
                Self::new(value)
            }
        }

        impl From<$name> for f64 {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

checked_number! {
    /// Privacy loss epsilon, in nats: at least 0 and finite.
    Epsilon, "at least 0 and finite", |v| v >= 0.0 && v.is_finite()
}
checked_number! {
    /// The probability delta with which the epsilon bound may fail: at least 0 and below 1.
    Delta, "at least 0 and below 1", |v| (0.0..1.0).contains(&v)
}
checked_number! {
    /// Standard deviation of the noise divided by the sensitivity of what it is added to: above 0, finite, no unit.
    NoiseMultiplier, "above 0 and finite", |v| v > 0.0 && v.is_finite()
}
checked_number! {
    /// Probability with which each record joins a batch, independently of the others: above 0, at most 1.
    SamplingRate, "above 0 and at most 1", |v| v > 0.0 && v <= 1.0
}
checked_number! {
    /// Order of a Renyi divergence: above 1 and finite.
    Order, "above 1 and finite", |v| v > 1.0 && v.is_finite()
}

impl Epsilon {
    /// No loss at all.
    pub const ZERO: Self = Self(0.0);
}

/// Which two datasets count as neighbours, and so what the guarantee protects.
///
/// A clipping norm C bounds one record's contribution. How far the sum can move between neighbours depends on the
/// relation; [`Neighbours::sensitivity_factor`] keeps that factor in the same type, so that a noise multiplier never
/// means one thing to the training loop and another to the accountant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Neighbours {
    /// One record is added or removed. The relation of every accountant in this crate.
    AddOrRemoveOne,
    /// One record is replaced by any other; the number of records is public.
    ReplaceOne,
    /// One record is replaced by a special empty one that contributes zero; the number of records is public.
    ZeroOut,
}

impl Neighbours {
    /// How far a sum of values clipped to norm C can move between neighbours, as a multiple of C.
    #[must_use]
    pub const fn sensitivity_factor(self) -> f64 {
        match self {
            Self::AddOrRemoveOne | Self::ZeroOut => 1.0,
            Self::ReplaceOne => 2.0,
        }
    }

    /// The relation in one line of words.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::AddOrRemoveOne => "datasets that differ by adding or removing one record",
            Self::ReplaceOne => "datasets of the same size that differ in one record, replaced by any other",
            Self::ZeroOut => "datasets of the same size that differ in one record, replaced by an empty one",
        }
    }
}

impl fmt::Display for Neighbours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AddOrRemoveOne => "add-or-remove-one",
            Self::ReplaceOne => "replace-one",
            Self::ZeroOut => "zero-out",
        })
    }
}

/// An epsilon together with what kind of statement it is, so that an audit never looks like a proof.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "epsilon")]
pub enum Bound {
    /// Proved: the true loss is at most this.
    Upper(Epsilon),
    /// Proved or measured: the true loss is at least this.
    Lower(Epsilon),
    /// Neither: a number for display.
    Estimate(Epsilon),
}

impl Bound {
    /// The number, stripped of its kind.
    #[must_use]
    pub const fn epsilon(self) -> Epsilon {
        match self {
            Self::Upper(e) | Self::Lower(e) | Self::Estimate(e) => e,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upper(e) => write!(f, "at most {e}"),
            Self::Lower(e) => write!(f, "at least {e}"),
            Self::Estimate(e) => write!(f, "about {e} (not a bound)"),
        }
    }
}

/// A certified interval: the exact epsilon of the event lies in it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The exact epsilon is at least this.
    pub lower: Epsilon,
    /// The exact epsilon is at most this: the number to report as the guarantee.
    pub upper: Epsilon,
}

impl Interval {
    /// `upper - lower`.
    #[must_use]
    pub fn width(&self) -> f64 {
        self.upper.get() - self.lower.get()
    }

    /// Whether `value` lies in the interval, ends included.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        self.lower.get() <= value && value <= self.upper.get()
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        fmt::Display::fmt(&self.lower, f)?;
        f.write_str(", ")?;
        fmt::Display::fmt(&self.upper, f)?;
        f.write_str("]")
    }
}

/// A certified interval for delta: the exact delta of the event at the asked epsilon lies in it.
///
/// Plain numbers in [0, 1], both ends included: an upper bound may be 1, which says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DeltaInterval {
    /// The exact delta is at least this.
    pub lower: f64,
    /// The exact delta is at most this.
    pub upper: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_rejected<T: std::fmt::Debug>(made: Result<T, Error>, quantity: &str) {
        match made {
            Err(Error::OutOfRange { quantity: q, .. }) => assert_eq!(q, quantity),
            other => panic!("{quantity} let {other:?} in"),
        }
    }

    #[test]
    fn ranges_are_kept() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1e-300] {
            check_rejected(Epsilon::new(bad), "Epsilon");
            check_rejected(Delta::new(bad), "Delta");
            check_rejected(NoiseMultiplier::new(bad), "NoiseMultiplier");
            check_rejected(SamplingRate::new(bad), "SamplingRate");
            check_rejected(Order::new(bad), "Order");
        }
        check_rejected(Delta::new(1.0), "Delta");
        check_rejected(NoiseMultiplier::new(0.0), "NoiseMultiplier");
        check_rejected(SamplingRate::new(0.0), "SamplingRate");
        check_rejected(SamplingRate::new(1.0 + f64::EPSILON), "SamplingRate");
        check_rejected(Order::new(1.0), "Order");
        assert_eq!(Epsilon::new(-0.0).unwrap().to_string(), "0");
        assert_eq!(SamplingRate::new(1.0).unwrap().get(), 1.0);
    }

    #[test]
    fn json_is_a_plain_number_and_is_checked() {
        let sigma: NoiseMultiplier = serde_json::from_str("1.1").unwrap();
        assert_eq!(serde_json::to_string(&sigma).unwrap(), "1.1");
        let refused = serde_json::from_str::<Delta>("1.5").unwrap_err().to_string();
        assert!(refused.contains("Delta must be at least 0 and below 1, not 1.5"), "{refused}");
        assert_eq!(serde_json::to_string(&Neighbours::AddOrRemoveOne).unwrap(), "\"add-or-remove-one\"");
    }
}
