//! Edit distance: by how many symbols put in, left out or replaced do two texts differ?

/// The Levenshtein distance: the least number of symbols to put in, to leave out or to replace that makes `a` into `b`.
///
/// Time `a.len() · b.len()`, space `b.len()`.
///
/// ```
/// use reticent_audit::text::edit_distance::edit_distance;
/// assert_eq!(edit_distance(b"kitten", b"sitting"), 3);
/// ```
#[must_use]
pub fn edit_distance<T: PartialEq>(a: &[T], b: &[T]) -> usize {
    // From the part of `a` read so far to each beginning of `b`.
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for x in a {
        let mut diagonal = row[0];
        row[0] += 1;
        for (at, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[b.len()]
}

/// Whether `said` is `text` but for at most `share` of its length in edits: near-verbatim. The usual share is [`NEAR`]; 0 is verbatim.
///
/// An empty text is near only to itself, and a share that is not a number to nothing.
#[must_use]
pub fn is_near<T: PartialEq>(said: &[T], text: &[T], share: f64) -> bool {
    within(edit_distance(said, text), text.len(), share)
}

/// Whether `distance` is at most `share` of `length`.
pub(super) fn within(distance: usize, length: usize, share: f64) -> bool {
    // A product such as .29 · 100 lies below 29 by rounding alone.
    distance as f64 <= share * length as f64 + 1e-9
}

/// One symbol in ten: the threshold of the memorisation tests in the report on Gemma (Gemma Team 2024, arXiv 2403.08295: of 50 tokens five), which
/// makes "approximate memorization" (Ippolito et al. 2023, who compare by BLEU) a matter of edits.
pub const NEAR: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By its definition, without a table: whatever the last symbols have come from.
    fn slow(a: &[u8], b: &[u8]) -> usize {
        match (a, b) {
            ([], rest) | (rest, []) => rest.len(),
            ([a @ .., x], [b @ .., y]) => {
                let (left, right) = (&[a, &[*x]].concat(), &[b, &[*y]].concat());
                (slow(a, b) + usize::from(x != y)).min(slow(a, right) + 1).min(slow(left, b) + 1)
            }
        }
    }

    /// Every text that one edit makes of this one, over the letters `a` and `b`.
    fn edited(text: &[u8]) -> Vec<Vec<u8>> {
        let put_in = (0..=text.len()).flat_map(|at| [b'a', b'b'].map(|l| [&text[..at], &[l], &text[at..]].concat()));
        let left_out = (0..text.len()).map(|at| [&text[..at], &text[at + 1..]].concat());
        let replaced = (0..text.len()).flat_map(|at| [b'a', b'b'].map(|l| [&text[..at], &[l], &text[at + 1..]].concat()));
        put_in.chain(left_out).chain(replaced).collect()
    }

    /// Breadth first over edits, for a text of five letters: the first round in which another text appears is its distance.
    #[test]
    fn is_the_least_number_of_edits() {
        let from = b"abbab".to_vec();
        let mut seen = std::collections::BTreeMap::from([(from.clone(), 0)]);
        for round in 1..=4 {
            let last: Vec<Vec<u8>> = seen.iter().filter(|(_, d)| **d == round - 1).map(|(text, _)| text.clone()).collect();
            for text in last.iter().flat_map(|text| edited(text)) {
                seen.entry(text).or_insert(round);
            }
        }
        assert!(seen.len() > 200, "{}", seen.len());
        for (text, distance) in seen {
            assert_eq!(edit_distance(&from, &text), distance, "{}", String::from_utf8_lossy(&text));
        }
    }

    proptest! {
        #[test]
        fn equals_the_definition(a in "[abc]{0,6}", b in "[abc]{0,6}") {
            prop_assert_eq!(edit_distance(a.as_bytes(), b.as_bytes()), slow(a.as_bytes(), b.as_bytes()));
        }
    }

    #[test]
    fn near_is_one_symbol_in_ten_and_no_more() {
        let text = vec![b'a'; 100];
        let wrong = |count: usize| [vec![b'b'; count], vec![b'a'; 100 - count]].concat();
        assert!(is_near(&wrong(10), &text, NEAR) && !is_near(&wrong(11), &text, NEAR));
        assert!(is_near(&wrong(29), &text, 0.29) && !is_near(&wrong(30), &text, 0.29));
        // Shifted by one place nothing matches where it stands, and two edits mend it.
        let shifted: (Vec<u8>, Vec<u8>) = ((0..50).collect(), (1..51).collect());
        assert_eq!(edit_distance(&shifted.0, &shifted.1), 2);
        assert!(is_near(&shifted.0, &shifted.1, NEAR));
        let (none, letters): (&[u8], &[u8]) = (&[], b"abcdefghi");
        assert!(is_near(none, none, NEAR) && !is_near(b"a", none, NEAR) && !is_near(none, letters, NEAR));
        assert!(!is_near(b"abcdefghx", letters, NEAR), "one of nine is more than a tenth");
        assert!(!is_near(letters, letters, f64::NAN));
    }
}
