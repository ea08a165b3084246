//! "Did you mean": the known name nearest to one that is not known.

/// The candidate within a third of the name's length in single-letter edits; the earliest of equally near ones.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let furthest = (name.chars().count() / 3).max(1);
    candidates.into_iter().map(|c| (edits(name, c), c)).filter(|(d, _)| *d <= furthest).min_by_key(|(d, _)| *d).map(|(_, c)| c)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`, ignoring case
/// (optimal string alignment: Damerau 1964, <https://doi.org/10.1145/363958.363994>).
fn edits(a: &str, b: &str) -> usize {
    let letters = |s: &str| s.to_lowercase().replace('-', "_").chars().collect::<Vec<_>>();
    let (a, b) = (letters(a), letters(b));
    let mut before = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            row[j] = (above[j] + 1).min(row[j - 1] + 1).min(above[j - 1] + usize::from(a[i - 1] != b[j - 1]));
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_of_the_hand_only() {
        let known = ["epsilon", "delta", "releases", "sample_rate"];
        for (typed, meant) in [
            ("epslion", Some("epsilon")),
            ("Delta", Some("delta")),
            ("sample-rate", Some("sample_rate")),
            ("release", Some("releases")),
            ("noise", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, known), meant, "{typed}");
        }
    }
}
