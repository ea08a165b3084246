//! Lower limits of the ratio of two rates, TPR over FPR, by large-sample formulas: approximate, so that none of them makes a
//! [`LowerBound`](crate::LowerBound). They are here because other tools print ln of them as ε.

use crate::Error;
use crate::binomial::normal_quantile;

/// Which formula.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Formula {
    /// Katz et al. (1978): the logarithm of the ratio is taken for normal.
    Katz,
    /// The same with ½ added to each count (Walter 1975).
    AdjustedLog,
    /// Bailey (1987): the cube root of the ratio is taken for normal.
    Bailey,
    /// Newcombe (2001): by the inverse hyperbolic sine.
    InverseSinh,
}

/// The one-sided lower limit of (tp / members) / (fp / non_members): below it the ratio lies with probability about `alpha`.
///
/// ```
/// use reticent_audit::ratio::{Formula, lower_limit};
/// let limit = lower_limit(Formula::Katz, (473, 984), (755, 1705), 0.05)?;
/// assert_eq!(format!("{limit:.8}"), "1.01166194");
/// # Ok::<(), reticent_audit::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for a level outside (0, ½], a count above its total, or a count of 0 where the formula divides by it.
pub fn lower_limit(formula: Formula, members: (usize, usize), non_members: (usize, usize), alpha: f64) -> Result<f64, Error> {
    if !(alpha > 0.0 && alpha <= 0.5) {
        return Err(Error::OutOfRange { quantity: "alpha", value: alpha, range: "above 0 and at most 0.5" });
    }
    let least = usize::from(formula != Formula::AdjustedLog);
    for (count, total) in [members, non_members] {
        if count < least || count > total || total == 0 {
            return Err(Error::OutOfRange {
                quantity: "a count",
                value: count as f64,
                range: "from 1 to its total (from 0 for AdjustedLog)",
            });
        }
    }
    let z = normal_quantile(1.0 - alpha);
    let plus = if formula == Formula::AdjustedLog { 0.5 } else { 0.0 };
    let number = |(count, total): (usize, usize)| (count as f64 + plus, total as f64 + plus);
    let ((x1, n1), (x0, n0)) = (number(members), number(non_members));
    let ratio = (x1 / n1) / (x0 / n0);
    let variance = (1.0 / x1 - 1.0 / n1 + 1.0 / x0 - 1.0 / n0).max(0.0);
    Ok(match formula {
        Formula::Katz | Formula::AdjustedLog => ratio * (-z * variance.sqrt()).exp(),
        Formula::InverseSinh => ratio * (-2.0 * (0.5 * z * variance.sqrt()).asinh()).exp(),
        Formula::Bailey => {
            let (q1, q0) = (1.0 - x1 / n1, 1.0 - x0 / n0);
            let root = (q1 / x1 + q0 / x0 - z * z * q1 * q0 / (9.0 * x1 * x0)).max(0.0).sqrt();
            ratio * ((1.0 - z * root / 3.0) / (1.0 - z * z * q0 / (9.0 * x0))).powi(3)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values 2 of the reference page on audits, to their digits.
    #[test]
    fn golden() {
        let formulas = [Formula::Katz, Formula::AdjustedLog, Formula::Bailey, Formula::InverseSinh];
        for ((tp, fn_, fp, tn), expected) in [
            ((473, 511, 755, 950), [1.011_661_94, 1.011_890_79, 1.011_489_34, 1.011_676_69]),
            ((1000, 10, 10, 10_000), [589.273_355_93, 568.326_595_63, 613.587_661_47, 592.632_645_72]),
        ] {
            for (formula, expected) in formulas.into_iter().zip(expected) {
                let found = lower_limit(formula, (tp, tp + fn_), (fp, fp + tn), 0.05).unwrap();
                assert!((found - expected).abs() < 6e-9, "{formula:?}: {found} {expected}");
            }
        }
    }

    #[test]
    fn counts_that_give_no_ratio_are_refused() {
        assert!(lower_limit(Formula::Katz, (0, 10), (1, 10), 0.05).is_err());
        assert!(lower_limit(Formula::AdjustedLog, (0, 10), (1, 10), 0.05).unwrap() < 1.0);
        assert!(lower_limit(Formula::Bailey, (11, 10), (1, 10), 0.05).is_err());
        assert!(lower_limit(Formula::Bailey, (1, 10), (1, 10), f64::NAN).is_err());
    }
}
