//! The rest of messages: asked with what stands before the end of a message, does a model say its end?

use reticent_audit::text::extraction::{self, Targeted};
use reticent_audit::{Error, TextModel};
use reticent_data::Messages;
use serde::Serialize;
use std::collections::BTreeSet;

/// Bytes a model is asked with: all that the small models see at once.
const PREFIX: usize = 24;
/// Bytes it is asked for: a card's number.
const SUFFIX: usize = 16;
/// As the challenge on extraction has them.
const MOST: usize = 1000;
const ERRORS: usize = 100;

type Pair = (Vec<u8>, Vec<u8>);

/// What the models are asked: ends of messages they learned from, and of others.
pub(super) struct Rests {
    seen: Vec<Pair>,
    unseen: Vec<Pair>,
}

/// What a model said of them.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Extraction {
    /// Bytes asked with, and asked for.
    pub(crate) prefix: u64,
    pub(crate) suffix: u64,
    pub(crate) seen: Said,
    /// Of messages that no model learned from: what is said of these was not learned from them.
    pub(crate) unseen: Said,
    /// Ends of seen messages said in full before so many wrong guesses were made, the surest guesses first.
    pub(crate) found: u64,
    pub(crate) errors: u64,
}

/// Of so many ends, how many were said in full, and how many in full or but for one byte in ten in edits.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Said {
    pub(crate) asked: u64,
    pub(crate) in_full: u64,
    pub(crate) nearly: u64,
}

impl Said {
    fn of(found: &Targeted) -> Self {
        Self { asked: found.recall.examples as u64, in_full: found.verbatim as u64, nearly: found.near as u64 }
    }
}

impl Rests {
    /// Each end once, and none of those seen among the unseen; messages that are too short are left out.
    pub(super) fn of(learned: &Messages, held_out: &[String]) -> Self {
        let pair = |text: &String| extraction::split(text.as_bytes(), PREFIX, SUFFIX).map(|(a, b)| (a.to_vec(), b.to_vec()));
        let seen: BTreeSet<Pair> = learned.units().flat_map(|(_, texts)| texts).filter_map(pair).collect();
        let unseen: BTreeSet<Pair> = held_out.iter().filter_map(pair).filter(|pair| !seen.contains(pair)).collect();
        Self { seen: some(seen), unseen: some(unseen) }
    }

    /// Asks a model for all of them.
    pub(super) fn ask(&self, model: &dyn TextModel) -> Result<Extraction, Error> {
        let (seen, unseen) = (extraction::targeted(model, &self.seen, ERRORS)?, extraction::targeted(model, &self.unseen, ERRORS)?);
        Ok(Extraction {
            prefix: PREFIX as u64,
            suffix: SUFFIX as u64,
            found: seen.recall.found as u64,
            errors: seen.recall.errors as u64,
            seen: Said::of(&seen),
            unseen: Said::of(&unseen),
        })
    }
}

/// At most [`MOST`], evenly from all: sorted as they are, the first ones would all begin alike.
fn some(all: BTreeSet<Pair>) -> Vec<Pair> {
    let step = all.len().div_ceil(MOST).max(1);
    all.into_iter().step_by(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reticent_data::PseudonymKey;

    #[test]
    fn each_end_is_asked_for_once_and_none_is_on_both_sides() {
        let subject = |n: u32| PseudonymKey::from_bytes([0; 32]).subject("test", &n.to_string());
        let text = |n: u32| format!("a message that is long enough to be asked about {n:04}");
        let learned: Messages =
            [(0, text(1)), (0, text(1)), (1, text(2)), (2, "short".into())].into_iter().map(|(who, text)| (subject(who), text)).collect();
        let rests = Rests::of(&learned, &[text(2), text(3), text(3), "x".repeat(PREFIX + SUFFIX - 1)]);
        let ends = |pairs: &[Pair]| pairs.iter().map(|(p, s)| (p.len(), s.ends_with(b"0001"), s.ends_with(b"0003"))).collect::<Vec<_>>();
        assert_eq!(ends(&rests.seen), [(PREFIX, true, false), (PREFIX, false, false)]);
        assert_eq!(ends(&rests.unseen), [(PREFIX, false, true)]);
        assert!(some((0..2500_u32).map(|n| (n.to_be_bytes().to_vec(), vec![])).collect()).len() == 834);
    }
}
