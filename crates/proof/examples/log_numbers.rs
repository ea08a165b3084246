//! How fast the log is: appends entries in batches, then verifies all of it.
//!
//! `cargo run --release -p reticent-proof --example log_numbers -- [ENTRIES] [BATCH]`, 1,000,000 in batches of 1,000 by default. Every batch is
//! durable (tiles and checkpoint flushed to the disk) before the next begins.

#![expect(clippy::print_stdout, reason = "what it measured")]

use reticent_proof::log::{Log, SigningKey, verify_dir};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let total: usize = arguments.next().map_or(Ok(1_000_000), |a| a.parse())?;
    let batch: usize = arguments.next().map_or(Ok(1_000), |a| a.parse())?;
    let dir = std::env::temp_dir().join(format!("reticent-log-numbers-{}", std::process::id()));
    let key = SigningKey::generate("reticent/numbers")?;
    let mut log = Log::open(&dir)?;
    let began = Instant::now();
    let mut held = None;
    for first in (0..total).step_by(batch.max(1)) {
        let entries: Vec<String> =
            (first..total.min(first + batch)).map(|i| format!(r#"{{"v":1,"kind":"basis","seq":{i},"commitment":"{i:064x}"}}"#)).collect();
        held = Some(log.append(first as u64, &entries, &key, held.as_ref())?);
    }
    let appended = began.elapsed().as_secs_f64();
    println!("appended {total} entries in batches of {batch}: {appended:.2} s, {:.0} entries/s", total as f64 / appended);
    let began = Instant::now();
    let verification = verify_dir(&dir, &key.verifying_key(), held.as_ref());
    println!("verified {} entries: {:.2} s, {} findings", verification.size, began.elapsed().as_secs_f64(), verification.findings.len());
    std::fs::remove_dir_all(&dir)?;
    if verification.verified() { Ok(()) } else { Err("the log does not verify".into()) }
}
