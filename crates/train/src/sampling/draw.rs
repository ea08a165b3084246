//! Draws of units by index, exact but for a Poisson rate, which is rounded down to a multiple of 2⁻⁵³.
//!
//! A unit's part or rounds are drawn from one secret stream, unit after unit. Units that come after one that is removed are then drawn from
//! other places of the stream, with the same law: the draws are independent and alike, so that what all others draw has the same
//! distribution with the unit and without it, which is what the bounds ask for. Nothing here depends on the number of units otherwise.

use rand::Rng;
use rand_chacha::ChaCha20Rng;
use reticent_accounting::SamplingRate;
use std::num::NonZeroU64;

/// Each unit on its own with probability `rate`, never more than accounted for.
pub(super) fn poisson(rate: SamplingRate, units: usize, rng: &mut ChaCha20Rng) -> Vec<usize> {
    let threshold = (rate.get() * (1_u64 << 53) as f64) as u64;
    (0..units).filter(|_| rng.next_u64() >> 11 < threshold).collect()
}

/// A subset of this size, all alike, or everything where that is less; in order.
pub(super) fn at_most(size: u64, mut units: Vec<usize>, rng: &mut ChaCha20Rng) -> Vec<usize> {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if units.len() > size {
        shuffle_front(size, &mut units, rng);
        units.truncate(size);
        units.sort_unstable();
    }
    units
}

/// `size` independent draws.
pub(super) fn with_replacement(size: u64, units: usize, rng: &mut ChaCha20Rng) -> Vec<usize> {
    let mut drawn: Vec<usize> = (0..size).map(|_| below(units as u64, rng) as usize).collect();
    drawn.sort_unstable();
    drawn
}

/// The units of one of `parts` parts, each unit in one of them.
pub(super) fn of_part(part: u64, parts: NonZeroU64, units: usize, rng: &mut ChaCha20Rng) -> Vec<usize> {
    (0..units).filter(|_| below(parts.get(), rng) == part).collect()
}

/// The units of one round, each in exactly `each` of `rounds`, all choices alike (Floyd's algorithm: Bentley & Floyd 1987).
pub(super) fn allocated(round: u64, rounds: NonZeroU64, each: NonZeroU64, units: usize, rng: &mut ChaCha20Rng) -> Vec<usize> {
    let mut chosen = Vec::new();
    (0..units)
        .filter(|_| {
            chosen.clear();
            for last in rounds.get() - each.get()..rounds.get() {
                let one = below(last + 1, rng);
                chosen.push(if chosen.contains(&one) { last } else { one });
            }
            chosen.contains(&round)
        })
        .collect()
}

/// The batch at this place of a random order; in order of index.
pub(super) fn shuffled(place: u64, batch: u64, units: usize, rng: &mut ChaCha20Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..units).collect();
    shuffle_front(units, &mut order, rng);
    let size = usize::try_from(batch).unwrap_or(usize::MAX);
    let mut chosen = order.chunks(size).nth(place as usize).unwrap_or_default().to_vec();
    chosen.sort_unstable();
    chosen
}

/// The first `count` places of a random order (Fisher & Yates).
fn shuffle_front(count: usize, units: &mut [usize], rng: &mut ChaCha20Rng) {
    for place in 0..count.min(units.len().saturating_sub(1)) {
        let other = place + below((units.len() - place) as u64, rng) as usize;
        units.swap(place, other);
    }
}

/// A number below `n`, all alike, by rejection.
fn below(n: u64, rng: &mut ChaCha20Rng) -> u64 {
    // 2^64 mod n numbers at the top have no partners.
    let top = u64::MAX - (u64::MAX % n + 1) % n;
    loop {
        let word = rng.next_u64();
        if word <= top {
            return word % n;
        }
    }
}
