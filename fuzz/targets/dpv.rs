//! DPV records from anybody, as Turtle and as JSON-LD: read or refused, never a panic, and what is read keeps the rules.
#![no_main]

mod reading;

use libfuzzer_sys::fuzz_target;
use reticent_govern::{decode, read_dpv_records, write_dpv_record};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = decode(bytes) else { return };
    let Ok(received) = reading::reading(|r| read_dpv_records(text, r)) else { return };
    reading::check(&received.events);
    for event in &received.events {
        if let Some(purpose) = reading::purposes().iter().find(|p| p.name == event.purpose) {
            let _ = write_dpv_record(event, purpose, "Clinic", "FR");
        }
    }
});
