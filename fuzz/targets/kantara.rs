//! Kantara receipts from anybody: read or refused, never a panic; what is read is written as a receipt that says the same.
#![no_main]

mod reading;

use libfuzzer_sys::fuzz_target;
use reticent_govern::{decode, read_kantara_receipts, write_kantara_receipt};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = decode(bytes) else { return };
    let Ok(received) = reading::reading(|r| read_kantara_receipts(text, r)) else { return };
    reading::check(&received.events);
    for event in &received.events {
        let _ = write_kantara_receipt(event, "Clinic", "a@b.example", "FR");
    }
});
