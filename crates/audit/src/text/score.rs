//! Membership scores of a text under a language model (Carlini et al. 2021; Shi et al. 2024; Zhang et al. 2024). Higher: more likely seen.
//!
//! Each means something only beside the scores of texts that were never seen and come from the same source.

use crate::{Error, TextModel};

/// The model's answers along a text: for each symbol its ln P, and mean and variance of ln P under what the model expected there.
pub struct AlongText {
    log_p: Vec<f64>,
    mean: Vec<f64>,
    variance: Vec<f64>,
}

impl AlongText {
    /// Asks the model for every symbol of `text` after those before it; −∞ is taken for the smallest number that is told apart.
    ///
    /// # Errors
    /// [`Error::Target`] where the model gives no 256 values; [`Error::OutOfRange`] for an empty text.
    pub fn of(model: &dyn TextModel, text: &[u8]) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::OutOfRange { quantity: "symbols of a text", value: 0.0, range: "at least 1" });
        }
        let mut along = Self { log_p: vec![], mean: vec![], variance: vec![] };
        for at in 0..text.len() {
            let next = model.next(&text[..at]);
            if next.len() != 256 {
                return Err(Error::Target { found: next.len(), expected: 256 });
            }
            let (mut mean, mut square) = (0.0, 0.0);
            for log_p in next.iter().map(|l| l.max(-700.0)) {
                mean += log_p.exp() * log_p;
                square += log_p.exp() * log_p * log_p;
            }
            along.log_p.push(next[usize::from(text[at])].max(-700.0));
            along.mean.push(mean);
            along.variance.push((square - mean * mean).max(0.0));
        }
        Ok(along)
    }

    /// From ln P of each token, as an endpoint gives them: what the model expected at each place is not known.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for none; [`Error::NotANumber`].
    pub fn of_log_probabilities(log_p: &[f64]) -> Result<Self, Error> {
        if log_p.is_empty() {
            return Err(Error::OutOfRange { quantity: "symbols of a text", value: 0.0, range: "at least 1" });
        }
        if let Some(index) = log_p.iter().position(|l| l.is_nan()) {
            return Err(Error::NotANumber { index });
        }
        Ok(Self { log_p: log_p.iter().map(|l| l.max(-700.0)).collect(), mean: vec![], variance: vec![] })
    }

    /// Minus the log-perplexity: the mean of ln P.
    #[must_use]
    pub fn log_likelihood(&self) -> f64 {
        mean(&self.log_p)
    }

    /// Min-K%: the mean of ln P over the `share` least likely symbols (Shi et al. 2024; the authors take 20%).
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a share outside (0, 1].
    pub fn min_k(&self, share: f64) -> Result<f64, Error> {
        least(&self.log_p, share)
    }

    /// Min-K%++: the same of (ln P − μ)/σ, with μ and σ of ln P under what the model expected at each place (Zhang et al. 2024).
    ///
    /// # Errors
    /// As [`Self::min_k`]; [`Error::Target`] where only ln P is known.
    pub fn min_k_plus_plus(&self, share: f64) -> Result<f64, Error> {
        if self.mean.len() != self.log_p.len() {
            return Err(Error::Target { found: self.mean.len(), expected: self.log_p.len() });
        }
        let standard = |i: usize| (self.log_p[i] - self.mean[i]) / self.variance[i].sqrt().max(1e-6);
        least(&(0..self.log_p.len()).map(standard).collect::<Vec<f64>>(), share)
    }

    /// The mean of ln P over the `width` symbols in a row where it is highest, or over a shorter text as a whole: a text of which a part is known
    /// (Carlini et al. 2021, who take 50).
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a width of 0.
    pub fn window(&self, width: usize) -> Result<f64, Error> {
        if width == 0 {
            return Err(Error::OutOfRange { quantity: "symbols of a window", value: 0.0, range: "at least 1" });
        }
        let width = width.min(self.log_p.len());
        Ok(self.log_p.windows(width).map(mean).fold(f64::NEG_INFINITY, f64::max))
    }

    /// The other log-perplexity over this one: of the same text under a smaller model, or of the text in lower case under this one
    /// (Carlini et al. 2021).
    #[must_use]
    pub fn ratio(&self, other: &Self) -> f64 {
        other.log_likelihood() / self.log_likelihood().min(-1e-9)
    }

    /// ln of the ratio of perplexities, the reference model's over this one's: how much easier the text is than it is in itself.
    #[must_use]
    pub fn against(&self, reference: &Self) -> f64 {
        self.log_likelihood() - reference.log_likelihood()
    }

    /// Bytes after zlib over the log-perplexity: how much easier the text is than its redundancy says.
    ///
    /// `text` is what was asked about, in bytes; its tokens may be fewer.
    ///
    /// # Errors
    /// [`Error::Length`] where it cannot be that: more tokens than bytes.
    pub fn against_zlib(&self, text: &[u8]) -> Result<f64, Error> {
        if text.len() < self.log_p.len() {
            return Err(Error::Length { what: "symbols of the text", found: text.len(), expected: self.log_p.len() });
        }
        let mut packer = flate2::write::ZlibEncoder::new(vec![], flate2::Compression::default());
        let packed = std::io::Write::write_all(&mut packer, text).and_then(|()| packer.finish()).map_err(|e| Error::Data(e.to_string()))?;
        Ok(packed.len() as f64 / (-self.log_likelihood()).max(1e-9))
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn least(values: &[f64], share: f64) -> Result<f64, Error> {
    if !(share > 0.0 && share <= 1.0) {
        return Err(Error::OutOfRange { quantity: "share of symbols", value: share, range: "above 0 and at most 1" });
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    Ok(mean(&sorted[..((sorted.len() as f64 * share) as usize).max(1)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a` with ½, `b` with ¼, and every other byte with an equal part of the rest; after `b` always `a`.
    struct Small;
    impl TextModel for Small {
        fn next(&self, context: &[u8]) -> Vec<f64> {
            let certain = context.last() == Some(&b'b');
            let p = |byte: u8| match byte {
                b'a' => {
                    if certain {
                        1.0
                    } else {
                        0.5
                    }
                }
                b'b' => {
                    if certain {
                        0.0
                    } else {
                        0.25
                    }
                }
                _ => {
                    if certain {
                        0.0
                    } else {
                        0.25 / 254.0
                    }
                }
            };
            (0..=255).map(|byte| f64::ln(p(byte))).collect()
        }
    }

    #[test]
    fn by_hand() {
        let along = AlongText::of(&Small, b"aba").unwrap();
        assert!((along.log_likelihood() - (0.5_f64.ln() + 0.25_f64.ln()) / 3.0).abs() < 1e-12);
        assert!((along.min_k(0.34).unwrap() - 0.25_f64.ln()).abs() < 1e-12);
        assert_eq!(along.min_k(1.0).unwrap(), along.log_likelihood());
        // At the second place: μ = Σ p ln p, σ² = Σ p (ln p)² − μ², with three kinds of bytes.
        let kinds = [(0.5_f64, 1.0), (0.25, 1.0), (0.25 / 254.0, 254.0)];
        let mu: f64 = kinds.iter().map(|(p, n)| n * p * p.ln()).sum();
        let sd = (kinds.iter().map(|(p, n)| n * p * p.ln().powi(2)).sum::<f64>() - mu * mu).sqrt();
        // The third was certain, and expected to be: 0.
        let standard = [(0.5_f64.ln() - mu) / sd, (0.25_f64.ln() - mu) / sd, 0.0];
        assert!((along.min_k_plus_plus(1.0).unwrap() - standard.iter().sum::<f64>() / 3.0).abs() < 1e-9);
        assert!(along.min_k_plus_plus(0.34).unwrap().abs() < 1e-9 && standard[0] > standard[1] && standard[1] > 0.0);
        assert_eq!(along.against(&along), 0.0);
        for share in [0.0, 1.1, f64::NAN] {
            assert!(along.min_k(share).is_err() && along.min_k_plus_plus(share).is_err());
        }
        assert!(AlongText::of(&Small, b"").is_err());
    }

    /// Slow and direct: every window by itself; and a text whose middle alone is known stands out by its window.
    #[test]
    fn windows_and_ratios() {
        let along = |log_p: &[f64]| AlongText { log_p: log_p.to_vec(), mean: vec![], variance: vec![] };
        let text = along(&[-4.0, -3.0, -0.5, -0.25, -0.5, -5.0, -0.125]);
        for width in 1..=9 {
            let width_here = width.min(7);
            let slow = (0..=7 - width_here).map(|at| text.log_p[at..at + width_here].iter().sum::<f64>() / width_here as f64);
            assert!((text.window(width).unwrap() - slow.fold(f64::NEG_INFINITY, f64::max)).abs() < 1e-12, "{width}");
        }
        assert_eq!(text.window(1).unwrap(), -0.125);
        assert!((text.window(3).unwrap() + 1.25 / 3.0).abs() < 1e-12 && text.window(9).unwrap() == text.log_likelihood());
        assert!(text.window(0).is_err());
        // A perplexity of e² in lower case and of e as it is: a ratio of 2.
        assert_eq!(along(&[-1.0, -1.0]).ratio(&along(&[-2.0, -2.0])), 2.0);
        assert!(along(&[0.0]).ratio(&along(&[-1.0])).is_finite());
    }

    #[test]
    fn zlib_takes_repetition_off() {
        let (flat, rich) = ([b'a'; 60], *b"the quick brown fox jumps over the lazy dog, and never again");
        let score = |text: &[u8]| AlongText { log_p: vec![-1.0; text.len()], mean: vec![], variance: vec![] }.against_zlib(text).unwrap();
        assert!(score(&rich) > 3.0 * score(&flat), "{} {}", score(&rich), score(&flat));
        assert!(AlongText::of(&Small, b"ab").unwrap().against_zlib(b"a").is_err());
    }
}
