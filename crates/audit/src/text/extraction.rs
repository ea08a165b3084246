//! Extraction: asked for the rest of a line, does the model say it?

use crate::TextModel;

/// What greedy decoding gave after a prefix.
#[derive(Clone, PartialEq, Eq)]
pub struct Extracted {
    /// Number of bytes of the true continuation that were said without an error, from its beginning.
    pub matched: usize,
    /// Length of the true continuation.
    pub length: usize,
    said: Vec<u8>,
}

impl Extracted {
    /// Whether all of it was said.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.matched == self.length
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
    for _ in 0..secret.len() {
        let Some(byte) = likeliest(&model.next(&context)) else { break };
        context.push(byte);
    }
    let said = context.split_off(prefix.len());
    let matched = said.iter().zip(secret).take_while(|(a, b)| a == b).count();
    Extracted { matched, length: secret.len(), said }
}

fn likeliest(next: &[f64]) -> Option<u8> {
    let mut best: Option<(u8, f64)> = None;
    for (byte, &p) in (0..=u8::MAX).zip(next) {
        if !p.is_nan() && best.is_none_or(|(_, b)| p > b) {
            best = Some((byte, p));
        }
    }
    best.map(|(byte, _)| byte)
}

/// Extraction strength: the share of `text`, at its end, that [`greedy`] says without an error after all that stands before; the longest such
/// share. 1 is the whole text from nothing, 0 not even its last byte.
#[must_use]
pub fn strength(model: &dyn TextModel, text: &[u8]) -> f64 {
    // What is said right so far is the text itself: the share begins after the last byte that is not the likeliest.
    let wrong = (0..text.len()).rev().find(|&at| likeliest(&model.next(&text[..at])) != Some(text[at]));
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
