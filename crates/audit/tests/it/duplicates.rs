//! Duplicates in a real text with copies planted in it: tinyshakespeare, where `RETICENT_TEST_DATA` names the folder that holds it.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;
use reticent_audit::text::duplicates::{exact, near};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Bytes of the text that are looked at: enough for repeated lines of its own.
const BYTES: usize = 300_000;
const LEAST: usize = 50;

#[expect(clippy::print_stderr, reason = "a test says what it skipped")]
fn shakespeare() -> Option<String> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("RETICENT_TEST_DATA").map_or(beside, PathBuf::from);
    let text = std::fs::read_to_string(folder.join("tinyshakespeare/input.txt")).ok();
    if text.is_none() {
        eprintln!("skipped: RETICENT_TEST_DATA names no folder with tinyshakespeare/");
    }
    text.map(|text| text[..BYTES].to_owned())
}

#[test]
fn exact_copies_are_all_there_are() {
    let Some(text) = shakespeare() else { return };
    let mut bytes = text.into_bytes();
    let mut rng = ChaCha20Rng::seed_from_u64(17);
    let mut planted = vec![];
    for _ in 0..20 {
        let from = rng.random_range(0..BYTES - 120);
        let copy = bytes[from..from + 120].to_vec();
        planted.push(bytes.len()..bytes.len() + 120);
        bytes.extend(copy);
        // Something between two copies that is nowhere else.
        bytes.extend((0..40).map(|_| rng.random_range(128..=255_u8)));
    }
    let found = exact(&[&bytes], LEAST).unwrap();
    let mut covered = vec![false; bytes.len()];
    for place in &found {
        covered[place.start..place.end].fill(true);
    }
    assert!(planted.into_iter().flatten().all(|at| covered[at]));
    // Slow and direct: all windows in order, as in a suffix array; a window is repeated where a neighbour is the same.
    let mut order: Vec<usize> = (0..=bytes.len() - LEAST).collect();
    order.sort_by_key(|&at| &bytes[at..at + LEAST]);
    let mut expected = vec![false; bytes.len()];
    for pair in order.windows(2) {
        if bytes[pair[0]..pair[0] + LEAST] == bytes[pair[1]..pair[1] + LEAST] {
            pair.iter().for_each(|&at| expected[at..at + LEAST].fill(true));
        }
    }
    assert!(covered == expected, "{} and {} bytes", covered.iter().filter(|c| **c).count(), expected.iter().filter(|c| **c).count());
}

#[test]
fn near_copies_of_speeches_are_found() {
    let Some(text) = shakespeare() else { return };
    let mut speeches: Vec<String> = text.split("\n\n").map(str::to_owned).collect();
    let own = speeches.len();
    // A copy of each tenth long speech with its middle word changed: five shingles of many.
    let long: Vec<usize> = (0..own).filter(|&s| speeches[s].split_whitespace().count() >= 60).step_by(10).collect();
    assert!(long.len() > 10, "{}", long.len());
    for &speech in &long {
        let mut words: Vec<&str> = speeches[speech].split_whitespace().collect();
        let middle = words.len() / 2;
        words[middle] = "(planted)";
        let copy = words.join(" ");
        speeches.push(copy);
    }
    let found = near(&speeches.iter().map(String::as_str).collect::<Vec<_>>(), 0.75).unwrap();
    let shingles = |text: &str| -> BTreeSet<Vec<String>> {
        text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().windows(5).map(<[String]>::to_vec).collect()
    };
    for (copy, &speech) in long.iter().enumerate() {
        let pair = found
            .iter()
            .find(|p| (p.first, p.second) == (speech, own + copy))
            .expect("missed with probability 1e-5 at .75, and this is nearer");
        let (a, b) = (shingles(&speeches[speech]), shingles(&speeches[own + copy]));
        let slow = a.intersection(&b).count() as f64 / a.union(&b).count() as f64;
        assert!((pair.similarity - slow).abs() < 1e-12 && slow > 0.75, "{} {slow}", pair.similarity);
    }
}
