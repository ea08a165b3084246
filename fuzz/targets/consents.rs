//! Files of consents from anybody, as CSV and as JSON: read or refused, never a panic, and what is read keeps the rules.
#![no_main]

mod reading;

use libfuzzer_sys::fuzz_target;
use reticent_govern::{decode, read_basis_csv, read_basis_json};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = decode(bytes) else { return };
    if let Ok(events) = reading::reading(|r| read_basis_csv(text, r)) {
        reading::check(&events);
    }
    if let Ok(events) = reading::reading(|r| read_basis_json(text, r)) {
        reading::check(&events);
    }
});
