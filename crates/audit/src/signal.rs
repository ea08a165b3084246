//! What a model's answer about one row says of whether it knows the row: p are the probabilities of all classes, y the true one. Higher: more
//! likely a member.

/// Smallest probability that a logarithm is taken of: about the smallest single-precision number.
const FLOOR: f64 = 1e-38;

/// p_y (Yeom et al. 2018).
///
/// ```
/// assert_eq!(reticent_audit::signal::confidence(&[0.2, 0.8], 1), 0.8);
/// ```
#[must_use]
pub fn confidence(p: &[f64], y: usize) -> f64 {
    p[y]
}

/// Minus the loss, ln p_y (Yeom et al. 2018).
#[must_use]
pub fn loss(p: &[f64], y: usize) -> f64 {
    p[y].max(FLOOR).ln()
}

/// 1 where the true class is among the most probable, else 0: the gap between accuracy on members and on others (Yeom et al. 2018).
#[must_use]
pub fn correctness(p: &[f64], y: usize) -> f64 {
    f64::from(u8::from(p.iter().all(|other| *other <= p[y])))
}

/// Minus the entropy of the answer, Σ p ln p, which needs no label (Salem et al. 2019).
#[must_use]
pub fn entropy(p: &[f64], _: usize) -> f64 {
    p.iter().map(|p| p * p.max(FLOOR).ln()).sum()
}

/// Minus the modified entropy, (1 − p_y) ln p_y + Σ_{i≠y} p_i ln(1 − p_i) (Song and Mittal 2021, section 5): entropy that knows the label.
///
/// ```
/// let sure = reticent_audit::signal::modified_entropy(&[0.1, 0.9], 1);
/// let wrong = reticent_audit::signal::modified_entropy(&[0.9, 0.1], 1);
/// assert_eq!((format!("{sure:.4}"), format!("{wrong:.4}")), ("-0.0211".into(), "-4.1447".into()));
/// ```
#[must_use]
pub fn modified_entropy(p: &[f64], y: usize) -> f64 {
    let others = p.iter().enumerate().filter(|(class, _)| *class != y).map(|(_, p)| p * (1.0 - p).max(FLOOR).ln());
    (1.0 - p[y]) * p[y].max(FLOOR).ln() + others.sum::<f64>()
}

/// The logit-scaled confidence φ = ln p_y − ln Σ_{y'≠y} p_y' (Carlini et al. 2022, section IV-C), the input of LiRA.
#[must_use]
pub fn phi(p: &[f64], y: usize) -> f64 {
    let others: f64 = p.iter().enumerate().filter(|(class, _)| *class != y).map(|(_, p)| p).sum();
    p[y].max(FLOOR).ln() - others.max(FLOOR).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand, and at the ends, where a logarithm would not be finite.
    #[test]
    fn by_hand() {
        let p = [0.7, 0.2, 0.1];
        assert!((entropy(&p, 0) + 0.801_818_6).abs() < 1e-6);
        assert!((phi(&p, 0) - (0.7_f64 / 0.3).ln()).abs() < 1e-12);
        assert_eq!([correctness(&p, 0), correctness(&p, 1), correctness(&[0.5, 0.5], 1)], [1.0, 0.0, 1.0]);
        assert!((modified_entropy(&p, 1) - (0.8 * 0.2_f64.ln() + 0.7 * 0.3_f64.ln() + 0.1 * 0.9_f64.ln())).abs() < 1e-12);
        for signal in [confidence, loss, correctness, entropy, modified_entropy, phi] {
            for y in [0, 1] {
                assert!(signal(&[1.0, 0.0], y).is_finite());
            }
            assert!(signal(&[1.0, 0.0], 0) >= signal(&[1.0, 0.0], 1));
        }
    }
}
