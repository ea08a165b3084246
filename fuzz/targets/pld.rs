//! Events from anybody, by privacy-loss distributions: an interval whose ends are in order and below Renyi's bound, or a refusal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reticent_accounting::{Delta, Event, pld, rdp};

fuzz_target!(|bytes: &[u8]| {
    let Ok(event) = serde_json::from_slice::<Event>(bytes) else { return };
    let delta = Delta::new(1e-5).expect("below 1");
    let Ok(interval) = pld::epsilon(&event, delta) else { return };
    assert!(interval.lower <= interval.upper, "{interval} for {event}");
    // For the exponential mechanism the two speak of different worst cases.
    if let Ok(found) = rdp::epsilon(&event, delta)
        && !event.to_string().contains("exponential")
    {
        assert!(interval.lower.get() <= found.epsilon.get() * (1.0 + 1e-9), "{interval} above {} for {event}", found.epsilon);
    }
});
