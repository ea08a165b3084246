//! Entries of registers from anybody: read or refused, never a panic; what is read is written back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reticent_govern::{RegisterEvent, decode, read_register, until};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = decode(bytes) else { return };
    let _ = until(0, text);
    let Ok(entries) = read_register(text) else { return };
    for entry in entries {
        let written = serde_json::to_string(&entry).expect("an entry has a form in JSON");
        assert_eq!(serde_json::from_str::<RegisterEvent>(&written).expect("what was written is read"), entry);
    }
});
