//! Extraction: asked for the rest of a line, does the model say it?

use super::edit_distance::{NEAR, edit_distance, within};
use crate::{Error, TextModel};

/// What greedy decoding gave after a prefix.
#[derive(Clone, PartialEq)]
pub struct Extracted {
    /// Number of bytes of the true continuation that were said without an error, from its beginning.
    pub matched: usize,
    /// Length of the true continuation.
    pub length: usize,
    /// Edit distance of what was said to the true continuation.
    pub distance: usize,
    /// ln P of what was said, after the prefix: how sure the model is of it.
    pub log_probability: f64,
    said: Vec<u8>,
}

impl Extracted {
    /// Whether all of it was said.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.matched == self.length
    }

    /// Whether it was said but for at most `share` of its length in edits; [`NEAR`] is the usual share.
    #[must_use]
    pub fn is_nearly_complete(&self, share: f64) -> bool {
        within(self.distance, self.length, share)
    }

    /// What was said, as it is: it may be somebody's secret.
    #[must_use]
    pub fn in_full(&self) -> String {
        String::from_utf8_lossy(&self.said).into_owned()
    }

    /// What was said, with long numbers cut down to their last four digits.
    #[must_use]
    pub fn redacted(&self) -> String {
        super::redact::numbers(&String::from_utf8_lossy(&self.said))
    }
}

/// Takes the likeliest byte `secret.len()` times after `prefix` (the lowest of equally likely ones) and compares with `secret`.
///
/// A rate of complete extractions means something only beside that of secrets which the model has never seen.
#[must_use]
pub fn greedy(model: &dyn TextModel, prefix: &[u8], secret: &[u8]) -> Extracted {
    let mut context = prefix.to_vec();
    let mut log_probability = 0.0;
    for _ in 0..secret.len() {
        let Some((byte, log_p)) = likeliest(&model.next(&context)) else { break };
        context.push(byte);
        log_probability += log_p;
    }
    let said = context.split_off(prefix.len());
    let matched = said.iter().zip(secret).take_while(|(a, b)| a == b).count();
    Extracted { matched, length: secret.len(), distance: edit_distance(&said, secret), log_probability, said }
}

fn likeliest(next: &[f64]) -> Option<(u8, f64)> {
    let mut best: Option<(u8, f64)> = None;
    for (byte, &p) in (0..=u8::MAX).zip(next) {
        if !p.is_nan() && best.is_none_or(|(_, b)| p > b) {
            best = Some((byte, p));
        }
    }
    best
}

/// Extraction strength: the share of `text`, at its end, that [`greedy`] says without an error after all that stands before; the longest such
/// share. 1 is the whole text from nothing, 0 not even its last byte.
#[must_use]
pub fn strength(model: &dyn TextModel, text: &[u8]) -> f64 {
    // What is said right so far is the text itself: the share begins after the last byte that is not the likeliest.
    let wrong = (0..text.len()).rev().find(|&at| likeliest(&model.next(&text[..at])).map(|(byte, _)| byte) != Some(text[at]));
    let prefix = wrong.map_or(0, |at| at + 1);
    if text.is_empty() { 0.0 } else { (text.len() - prefix) as f64 / text.len() as f64 }
}

/// The probability that at least one of `samples` samples is a text of this log-probability: 1 − (1 − p)^n, for tiny p too ((n, p)-discoverable
/// extraction, Hayes et al. 2024).
///
/// ```
/// let p = reticent_audit::text::extraction::discoverable(-40.0, 1_000_000);
/// assert!((p / 4.248e-12 - 1.0).abs() < 1e-3);
/// ```
#[must_use]
pub fn discoverable(log_probability: f64, samples: u64) -> f64 {
    -(samples as f64 * (-log_probability.exp()).ln_1p()).exp_m1()
}

/// The end of a text in two parts: `prefix` symbols to ask with, and the `suffix` symbols after them that a model should not know. `None` where
/// the text is shorter than both, or one of them is empty.
///
/// The challenge on extraction takes 50 and 50 tokens.
#[must_use]
pub fn split(text: &[u8], prefix: usize, suffix: usize) -> Option<(&[u8], &[u8])> {
    let from = text.len().checked_sub(prefix.checked_add(suffix)?)?;
    (prefix > 0 && suffix > 0).then(|| text[from..].split_at(prefix))
}

/// A guess of the rest of a text, after its prefix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guess {
    /// How sure the attack is of it: higher, surer. −∞ is a score.
    pub score: f64,
    /// Which text, from 0.
    pub example: usize,
    /// Whether the guess is the rest.
    pub right: bool,
}

/// What [`recall_at_errors`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recall {
    /// Number of texts of which the rest was found.
    pub found: usize,
    /// Number of texts asked about.
    pub examples: usize,
    /// Number of wrong guesses made until then, at most the number allowed.
    pub errors: usize,
}

/// Recall at a number of errors: guesses are taken from the surest down until the `errors`-th wrong one; of how many of `examples` texts was the
/// rest found by then?
///
/// It is the metric of the Training Data Extraction Challenge (Carlini et al. 2022, google-research/lm-extraction-benchmark), with 100 errors and
/// 1,000 texts. A text may be guessed several times and is found once. Of equally sure guesses the wrong ones come first: a tie does not flatter.
///
/// ```
/// use reticent_audit::text::extraction::{Guess, recall_at_errors};
/// let guess = |score, example, right| Guess { score, example, right };
/// let guesses = [guess(-1.0, 0, true), guess(-2.0, 1, false), guess(-3.0, 2, true), guess(-4.0, 1, false), guess(-5.0, 3, true)];
/// assert_eq!(recall_at_errors(&guesses, 4, 2)?.found, 2);
/// assert_eq!(recall_at_errors(&guesses, 4, 100)?.found, 3);
/// # Ok::<(), reticent_audit::Error>(())
/// ```
///
/// # Errors
/// [`Error::NotANumber`]; [`Error::OutOfRange`] for no error allowed, or a guess about a text that is not among `examples`.
pub fn recall_at_errors(guesses: &[Guess], examples: usize, errors: usize) -> Result<Recall, Error> {
    if errors == 0 {
        return Err(Error::OutOfRange { quantity: "wrong guesses allowed", value: 0.0, range: "at least 1" });
    }
    if let Some(index) = guesses.iter().position(|g| g.score.is_nan()) {
        return Err(Error::NotANumber { index });
    }
    if let Some(odd) = guesses.iter().find(|g| g.example >= examples) {
        return Err(Error::OutOfRange { quantity: "number of a text", value: odd.example as f64, range: "below the number of texts" });
    }
    let mut ranked: Vec<&Guess> = guesses.iter().collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.right.cmp(&b.right)));
    let mut found = vec![false; examples];
    let mut wrong = 0;
    for guess in ranked {
        if guess.right {
            found[guess.example] = true;
        } else {
            wrong += 1;
        }
        if wrong == errors {
            break;
        }
    }
    Ok(Recall { found: found.into_iter().filter(|f| *f).count(), examples, errors: wrong })
}

/// What a model said of a number of texts, one guess for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Targeted {
    /// Texts whose rest was said in full.
    pub verbatim: usize,
    /// Texts whose rest was said in full or but for a tenth of its length in edits ([`NEAR`]).
    pub near: usize,
    /// Recall of verbatim rests, guesses ranked by ln P of what was said.
    pub recall: Recall,
}

/// Asks for the rest of each text by greedy decoding. `examples`: prefix and rest, of equal lengths so that ln P of the guesses can be compared.
///
/// Counts of texts that the model learned from mean something only beside those of texts of the same source that it never saw.
///
/// # Errors
/// As [`recall_at_errors`].
pub fn targeted(model: &dyn TextModel, examples: &[(Vec<u8>, Vec<u8>)], errors: usize) -> Result<Targeted, Error> {
    let (mut guesses, mut near) = (vec![], 0);
    for (example, (prefix, rest)) in examples.iter().enumerate() {
        let said = greedy(model, prefix, rest);
        near += usize::from(said.is_nearly_complete(NEAR));
        guesses.push(Guess { score: said.log_probability, example, right: said.is_complete() });
    }
    let recall = recall_at_errors(&guesses, examples.len(), errors)?;
    Ok(Targeted { verbatim: guesses.iter().filter(|g| g.right).count(), near, recall })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Knows one text by heart, and says `x` elsewhere.
    struct Parrot(&'static [u8]);

    impl TextModel for Parrot {
        fn next(&self, context: &[u8]) -> Vec<f64> {
            let mut p = vec![-10.0; 256];
            let known = self.0.starts_with(context).then(|| self.0.get(context.len())).flatten();
            p[usize::from(*known.unwrap_or(&b'x'))] = -0.1;
            p
        }
    }

    #[test]
    fn a_text_known_by_heart_is_said_and_another_is_not() {
        let parrot = Parrot(b"card: 4111 1111 1111 1234.");
        let found = greedy(&parrot, b"card: ", b"4111 1111 1111 1234");
        assert!(found.is_complete() && found.redacted() == "…1234", "{}", found.redacted());
        let other = greedy(&parrot, b"card: ", b"4111 2222 1111 1234");
        assert_eq!((other.matched, other.length, other.is_complete()), (5, 19, false));
        assert_eq!(greedy(&parrot, b"phone: ", b"55").matched, 0);
        let exposure =
            crate::text::exposure::of_secret(&parrot, b"card: ", b"4111", &[b"4112".to_vec(), b"5111".to_vec(), b"9999".to_vec()]).unwrap();
        assert_eq!(exposure.bits, 3.0_f64.log2());
    }

    #[test]
    fn a_model_that_says_nothing_or_nonsense() {
        struct Broken(Vec<f64>);
        impl TextModel for Broken {
            fn next(&self, _: &[u8]) -> Vec<f64> {
                self.0.clone()
            }
        }
        assert_eq!(greedy(&Broken(vec![]), b"a", b"bc").matched, 0);
        assert_eq!(greedy(&Broken(vec![f64::NAN; 256]), b"a", b"bc").matched, 0);
        assert_eq!(Broken(vec![]).log_likelihoods(b"", &[b"a".to_vec()]), [f64::NEG_INFINITY]);
    }

    /// Two of its sixteen digits wrong are more than a tenth, one is not; a digit left out spoils the rest by place, and costs two edits of twenty.
    #[test]
    fn nearly_said_is_counted_by_edits() {
        let parrot = Parrot(b"card: 4111 1111 1111 1234.");
        for (secret, distance, near) in [
            (&b"4111 1111 1111 1234"[..], 0, true),
            (b"4111 1111 1111 1934", 1, true),
            (b"4111 1112 1111 1934", 2, false),
            (b"411 1111 1111 1234.x", 2, true),
            (b"", 0, true),
        ] {
            let found = greedy(&parrot, b"card: ", secret);
            assert_eq!((found.distance, found.is_nearly_complete(NEAR)), (distance, near), "{}", String::from_utf8_lossy(secret));
            assert!((found.log_probability + 0.1 * secret.len() as f64).abs() < 1e-12, "{}", found.log_probability);
        }
    }

    #[test]
    fn a_text_is_split_at_its_end() {
        assert_eq!(split(b"abcdef", 2, 3), Some((&b"bc"[..], &b"def"[..])));
        assert_eq!(split(b"abcde", 2, 3), Some((&b"ab"[..], &b"cde"[..])));
        for (text, prefix, suffix) in
            [(&b"abcd"[..], 2, 3), (b"", 2, 3), (b"a", 2, 3), (b"abcdef", 0, 3), (b"abcdef", 3, 0), (b"abc", usize::MAX, 1)]
        {
            assert_eq!(split(text, prefix, suffix), None);
        }
    }

    /// Slow and as it is written: the longest ranking with fewer wrong guesses than allowed, and whom it finds. The scores of the second kind are
    /// all alike.
    #[test]
    fn recall_equals_every_cut_of_the_ranking() {
        use rand::RngExt;
        let mut rng = crate::testing::rng(3);
        for round in 0..300 {
            let scores = if round % 2 == 0 { 1000 } else { 3 };
            let (examples, count) = (rng.random_range(1..8_usize), rng.random_range(0..20));
            let draw = |_| Guess {
                score: -f64::from(rng.random_range(0..scores)),
                example: rng.random_range(0..examples),
                right: rng.random_range(0..2) == 0,
            };
            let guesses: Vec<Guess> = (0..count).map(draw).collect();
            for errors in 1..6 {
                // Among equal scores the worst order for the attack: a right guess counts where the wrong ones as sure as it are few enough.
                let before = |g: &Guess| guesses.iter().filter(|o| !o.right && o.score >= g.score).count();
                let found = (0..examples).filter(|e| guesses.iter().any(|g| g.right && g.example == *e && before(g) < errors)).count();
                let recall = recall_at_errors(&guesses, examples, errors).unwrap();
                assert_eq!((recall.found, recall.examples), (found, examples), "{guesses:?} {errors}");
                assert_eq!(recall.errors, guesses.iter().filter(|g| !g.right).count().min(errors));
            }
        }
        let guess = |score, example| Guess { score, example, right: true };
        assert!(matches!(recall_at_errors(&[guess(f64::NAN, 0)], 1, 1), Err(Error::NotANumber { index: 0 })));
        assert!(matches!(recall_at_errors(&[guess(0.0, 1)], 1, 1), Err(Error::OutOfRange { .. })));
        assert!(matches!(recall_at_errors(&[guess(0.0, 0)], 1, 0), Err(Error::OutOfRange { .. })));
        assert_eq!(recall_at_errors(&[], 0, 1).unwrap(), Recall { found: 0, examples: 0, errors: 0 });
    }

    /// The parrot says its own line, is a digit off in a second and says only `x` in a third; of what it says it is equally sure throughout, so that
    /// the wrong ones come first.
    #[test]
    fn texts_asked_about_one_by_one() {
        let parrot = Parrot(b"card: 4111 1111 1111 1234.");
        let pair = |prefix: &[u8], rest: &[u8]| (prefix.to_vec(), rest.to_vec());
        let examples = [
            pair(b"card: ", b"4111 1111 1111"),
            pair(b"card: 4111 ", b"1111 1112 1234"),
            pair(b"phone: ", b"0123456789abcd"),
            pair(b"x", &[b'x'; 14]),
        ];
        let found = targeted(&parrot, &examples, 3).unwrap();
        assert_eq!((found.verbatim, found.near), (2, 3));
        assert_eq!((found.recall.found, found.recall.errors), (2, 2));
        assert_eq!(targeted(&parrot, &examples, 2).unwrap().recall.found, 0);
        assert_eq!(targeted(&parrot, &[], 100).unwrap().recall.examples, 0);
    }

    /// Slow and direct: greedy decoding after every prefix.
    #[test]
    fn strength_is_the_shortest_prefix() {
        let parrot = Parrot(b"my card is 4111 1111");
        for text in [&b"my card is 4111 1111"[..], b"my card is 4111 2222", b"xxxx", b"myxxxx", b"y", b""] {
            let said = |from: usize| greedy(&parrot, &text[..from], &text[from..]).is_complete();
            let slow = (0..text.len()).find(|&from| said(from)).map_or(0.0, |from| (text.len() - from) as f64 / text.len() as f64);
            assert_eq!(strength(&parrot, text), slow, "{}", String::from_utf8_lossy(text));
        }
        assert_eq!(strength(&parrot, b"my card is 4111 1111"), 1.0);
        assert_eq!(strength(&parrot, b"xxxxyy"), 0.0);
    }

    #[test]
    fn discoverable_by_hand() {
        // Slow and direct: none of n samples is the text, one sample after the other.
        for (p, n) in [(0.25_f64, 7_u64), (1e-3, 2500), (1e-5, 100_000)] {
            let none = (0..n).fold(1.0, |none, _| none * (1.0 - p));
            assert!((discoverable(p.ln(), n) - (1.0 - none)).abs() < 1e-9, "{p} {n}");
        }
        assert!((discoverable(0.5_f64.ln(), 3) - 0.875).abs() < 1e-12);
        assert_eq!(discoverable(f64::NEG_INFINITY, 1000), 0.0);
        assert_eq!(discoverable(0.0, 1), 1.0);
    }
}
