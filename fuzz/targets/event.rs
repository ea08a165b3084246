//! A list of events from anybody: read or refused, never a panic; what is read is written back the same, and every quick accountant
//! answers with a number in range or refuses by name.
#![no_main]

use std::num::NonZeroU32;

use libfuzzer_sys::fuzz_target;
use reticent_accounting::{Delta, Event, Neighbours, Order, neighbours, pure, rdp, zcdp};

fuzz_target!(|bytes: &[u8]| {
    let Ok(event) = serde_json::from_slice::<Event>(bytes) else { return };
    let _ = event.to_string();
    let written = serde_json::to_string(&event).expect("an event has a form in JSON");
    assert_eq!(serde_json::from_str::<Event>(&written).expect("what was written is read"), event);

    let check = |value: f64| assert!(value >= 0.0, "{value} for {event}");
    if let Ok(divergence) = rdp::rdp(&event, Order::new(2.5).expect("above 1")) {
        check(divergence);
    }
    if let Ok(found) = rdp::epsilon(&event, Delta::new(1e-5).expect("below 1")) {
        check(found.epsilon.get());
    }
    if let Ok(rho) = zcdp::rho(&event) {
        check(rho);
    }
    if let Ok(epsilon) = pure::epsilon(&event) {
        check(epsilon.get());
    }
    let _ = neighbours::under(&event, Neighbours::ReplaceOne);
    let _ = neighbours::for_group(&event, NonZeroU32::new(3).expect("not 0"));
});
