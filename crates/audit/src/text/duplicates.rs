//! Which texts are there more than once? What is repeated is memorised, so that repetition is a control of every finding about memory, and
//! removing it is the cheapest defence (Lee et al. 2022).

use crate::Error;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A place in one of the texts, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which text.
    pub text: usize,
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}

/// Every maximal run of bytes all of whose windows of `least` bytes occur elsewhere too, in the same text or another; exact.
///
/// One pass with a rolling hash and comparison of what hashes alike: time and memory grow with the bytes.
///
/// ```
/// use reticent_audit::text::duplicates::{Place, exact};
/// let found = exact(&[b"say: abcdefgh!", b"abcdefgh?"], 6)?;
/// assert_eq!(found, [Place { text: 0, start: 5, end: 13 }, Place { text: 1, start: 0, end: 8 }]);
/// # Ok::<(), reticent_audit::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for `least` of 0.
pub fn exact(texts: &[&[u8]], least: usize) -> Result<Vec<Place>, Error> {
    if least == 0 {
        return Err(Error::OutOfRange { quantity: "bytes of a duplicate", value: 0.0, range: "at least 1" });
    }
    let window = |(text, start): (usize, usize)| &texts[text][start..start + least];
    // The first place of each distinct window, by hash; windows that hash alike and differ are kept apart.
    let mut first: HashMap<u64, Vec<(usize, usize, bool)>> = HashMap::new();
    let mut repeated: Vec<Vec<bool>> = texts.iter().map(|t| vec![false; (t.len() + 1).saturating_sub(least)]).collect();
    for (text, bytes) in texts.iter().enumerate() {
        for (start, hash) in rolling(bytes, least).enumerate() {
            let alike = first.entry(hash).or_default();
            match alike.iter_mut().find(|(t, s, _)| window((*t, *s)) == window((text, start))) {
                None => alike.push((text, start, false)),
                Some((t, s, again)) => {
                    repeated[text][start] = true;
                    if !*again {
                        *again = true;
                        repeated[*t][*s] = true;
                    }
                }
            }
        }
    }
    let mut found = vec![];
    for (text, flags) in repeated.iter().enumerate() {
        let mut open: Option<usize> = None;
        for at in 0..=flags.len() {
            match (open, flags.get(at).copied().unwrap_or(false)) {
                (None, true) => open = Some(at),
                (Some(start), false) => {
                    found.push(Place { text, start, end: at - 1 + least });
                    open = None;
                }
                _ => {}
            }
        }
    }
    Ok(found)
}

/// Hashes of all windows: a polynomial modulo 2⁶¹ − 1.
fn rolling(bytes: &[u8], width: usize) -> impl Iterator<Item = u64> + '_ {
    const P: u128 = (1 << 61) - 1;
    const BASE: u128 = 0x0123_4567_89ab_cdef % P;
    let lead = (1..width).fold(1, |power, _| power * BASE % P);
    let mut hash = 0_u128;
    bytes.iter().enumerate().filter_map(move |(at, &byte)| {
        if at >= width {
            hash = (hash + P - u128::from(bytes[at - width]) * lead % P) % P;
        }
        hash = (hash * BASE + u128::from(byte)) % P;
        (at + 1 >= width).then_some(hash as u64)
    })
}

/// Two texts that are nearly the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearPair {
    /// Which text.
    pub first: usize,
    /// Which other, a later one.
    pub second: usize,
    /// Jaccard similarity of their sets of shingles, exact.
    pub similarity: f64,
}

/// Words in a shingle, hash functions, and bands of them (Broder 1997; Lee et al. 2022 take 5 words).
const SHINGLE: usize = 5;
const HASHES: usize = 128;
const BANDS: usize = 32;

/// Pairs of texts whose sets of five-word shingles have a Jaccard similarity of at least `similarity`.
///
/// Candidates by MinHash (32 bands of 4): a pair of similarity s is missed with probability (1 − s⁴)³², 1e-5 at .75, .02 at .6, .1 at .5. What is
/// reported is exact. Texts of fewer than five words are one shingle.
///
/// ```
/// use reticent_audit::text::duplicates::near;
/// let found = near(&["one two three four five six seven", "one two three four five six eight", "something else"], 0.4)?;
/// assert_eq!((found[0].first, found[0].second, found[0].similarity), (0, 1, 0.5));
/// # Ok::<(), reticent_audit::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for a similarity outside (0, 1].
pub fn near(texts: &[&str], similarity: f64) -> Result<Vec<NearPair>, Error> {
    if !(similarity > 0.0 && similarity <= 1.0) {
        return Err(Error::OutOfRange { quantity: "similarity", value: similarity, range: "above 0 and at most 1" });
    }
    let sets: Vec<BTreeSet<u64>> = texts.iter().map(|t| shingles(t)).collect();
    let mut bands: BTreeMap<(usize, [u64; HASHES / BANDS]), Vec<usize>> = BTreeMap::new();
    for (text, set) in sets.iter().enumerate().filter(|(_, s)| !s.is_empty()) {
        let lowest: Vec<u64> = (0..HASHES as u64).map(|h| set.iter().map(|&s| mix(s ^ mix(h + 1))).min().unwrap_or(0)).collect();
        for (band, rows) in lowest.chunks_exact(HASHES / BANDS).enumerate() {
            bands.entry((band, rows.try_into().expect("chunks of this length"))).or_default().push(text);
        }
    }
    let mut candidates = BTreeSet::new();
    for together in bands.values() {
        for (at, &first) in together.iter().enumerate() {
            candidates.extend(together[at + 1..].iter().map(|&second| (first, second)));
        }
    }
    let pairs = candidates.into_iter().map(|(first, second)| {
        let shared = sets[first].intersection(&sets[second]).count();
        let similarity = shared as f64 / (sets[first].len() + sets[second].len() - shared) as f64;
        NearPair { first, second, similarity }
    });
    Ok(pairs.filter(|p| p.similarity >= similarity).collect())
}

fn shingles(text: &str) -> BTreeSet<u64> {
    let words: Vec<u64> = text.split_whitespace().map(|w| w.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| mix(h ^ u64::from(b)))).collect();
    words.windows(SHINGLE.min(words.len().max(1))).map(|w| w.iter().fold(1, |h, &word| mix(h ^ word))).collect()
}

/// The finaliser of SplitMix64: a bijection in which every bit moves every other.
fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use proptest::prelude::*;
    use rand::RngExt;

    proptest! {
        /// Slow and direct: a window counts where the same bytes stand at another place.
        #[test]
        fn exact_equals_all_pairs(texts in proptest::collection::vec("[ab]{0,24}", 0..4), least in 1_usize..7) {
            let texts: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
            let windows: Vec<(usize, usize)> =
                texts.iter().enumerate().flat_map(|(t, b)| (0..(b.len() + 1).saturating_sub(least)).map(move |s| (t, s))).collect();
            let at = |(t, s): (usize, usize)| &texts[t][s..s + least];
            let is_repeated = |w: (usize, usize)| windows.iter().any(|&o| o != w && at(o) == at(w));
            let mut covered = BTreeSet::new();
            for place in exact(&texts, least).unwrap() {
                for start in place.start..=place.end - least {
                    covered.insert((place.text, start));
                }
            }
            let expected: BTreeSet<(usize, usize)> = windows.iter().copied().filter(|&w| is_repeated(w)).collect();
            prop_assert_eq!(covered, expected);
        }
    }

    /// Copies with one word in forty changed among 300 texts of random words: every pair is found, and no other.
    #[test]
    fn near_copies_are_found_and_others_are_not() {
        let mut rng = testing::rng(61);
        let mut text = |words: usize| (0..words).map(|_| format!("w{}", rng.random_range(0..5000))).collect::<Vec<String>>();
        let originals: Vec<Vec<String>> = (0..150).map(|_| text(80)).collect();
        let copies = originals.iter().map(|words| {
            let mut words = words.clone();
            words[20] = "changed".into();
            words[60] = "too".into();
            words
        });
        let all: Vec<String> = originals.iter().cloned().chain(copies).map(|w| w.join(" ")).collect();
        let found = near(&all.iter().map(String::as_str).collect::<Vec<_>>(), 0.7).unwrap();
        // 76 shingles each, 10 of which are changed: 66 shared of 86.
        assert_eq!(found.len(), 150);
        for pair in found {
            assert_eq!(pair.second, pair.first + 150);
            assert!((pair.similarity - 66.0 / 86.0).abs() < 1e-12);
        }
    }

    #[test]
    fn edges() {
        assert!(exact(&[b"ab"], 0).is_err() && near(&["a"], 0.0).is_err() && near(&["a"], f64::NAN).is_err());
        assert!(exact(&[], 3).unwrap().is_empty() && exact(&[b"ab", b""], 3).unwrap().is_empty());
        assert!(near(&["", "", " "], 0.5).unwrap().is_empty(), "nothing is no copy of nothing");
        assert_eq!(near(&["short text", "short  text"], 1.0).unwrap().len(), 1);
        assert_eq!(exact(&[b"aaaa"], 2).unwrap(), [Place { text: 0, start: 0, end: 4 }]);
    }
}
