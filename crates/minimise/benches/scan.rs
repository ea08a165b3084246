//! Megabytes a second on one core: `cargo bench -p reticent-minimise --bench scan`.
//!
//! Three texts: prose with an occasional finding, a table of numbers, and rows that hold little but findings.
#![expect(clippy::print_stdout, reason = "a benchmark prints its numbers")]

use reticent_minimise::{Kind, Options, Scanner};
use std::fmt::Write;
use std::hint::black_box;
use std::time::Instant;

const BYTES: usize = 8 << 20;
const REPEATS: usize = 7;

fn main() {
    let checked = Options { kinds: [Kind::Card, Kind::Iban].into(), ..Options::default() };
    let structural = Options { kinds: Kind::ALL.into_iter().filter(|k| *k != Kind::Name).collect(), ..Options::default() };
    for (text_name, text) in [("prose", prose()), ("table", table()), ("dense", dense())] {
        for (name, options) in [("card+iban", &checked), ("all but names", &structural), ("all", &Options::default())] {
            let scanner = Scanner::new(options.clone()).expect("the least score is in range");
            let found = scanner.scan(&text).len();
            let mut rates: Vec<f64> = (0..REPEATS)
                .map(|_| {
                    let started = Instant::now();
                    black_box(scanner.scan(black_box(&text)));
                    text.len() as f64 / 1e6 / started.elapsed().as_secs_f64()
                })
                .collect();
            rates.sort_by(f64::total_cmp);
            println!(
                "{{\"bench\":\"scan\",\"text\":\"{text_name}\",\"kinds\":\"{name}\",\"mb\":{:.1},\"found\":{found},\"mb_s\":{:.0},\"reps\":{REPEATS}}}",
                text.len() as f64 / 1e6,
                rates[REPEATS / 2]
            );
        }
    }
}

fn prose() -> String {
    let lines = [
        "The committee met on Tuesday to discuss the budget for next year, and nobody objected to the plan.\n",
        "Please send the invoice of 1,250.00 by 2024-03-01 to our office; the reference is 2024/118.\n",
        "I have lost my card 4111 1111 1111 1111. Could you please block it? My name is Ann Smith.\n",
        "Measurements were taken at 08:30 and 17:45, at 21.5 degrees, on the north side of the building.\n",
        "He works in Lisbon, likes long walks, and wrote three novels between 1998 and 2007.\n",
        "Write to ann.smith@example.org or pay to GB29 NWBK 6016 1331 9268 19 before the end of May.\n",
    ];
    lines.iter().cycle().scan(0, |n, l| (*n < BYTES).then(|| (*n += l.len(), *l).1)).collect()
}

fn table() -> String {
    let mut text = String::with_capacity(BYTES);
    let mut state = 1_u64;
    while text.len() < BYTES {
        for _ in 0..10 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let _ = write!(text, "{}.{:04},{},", state >> 56, (state >> 40) % 10_000, (state >> 20) % 1_000_000);
        }
        text.push_str("yes\n");
    }
    text
}

fn dense() -> String {
    let lines =
        "4111111111111111,DE89370400440532013000,5500-0000-0000-0004\n536-32-3065,+49 30 1234567,10.0.0.1,ann@example.org,Ann Smith\n";
    lines.repeat(BYTES / lines.len())
}
