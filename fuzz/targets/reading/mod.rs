//! What the targets about consents read against, and what must hold of whatever was read.

use reticent_govern::{BasisEvent, PurposeName, Reading, read_basis_csv, write_basis_csv};

/// 1 November 2026.
const NOW: i64 = 1_793_491_200;

pub fn purposes() -> Vec<PurposeName> {
    let named = |name: &str, iri: &str, description: &str| PurposeName {
        name: name.into(),
        iri: Some(iri.into()),
        description: Some(description.into()),
        ..PurposeName::default()
    };
    vec![
        PurposeName { direct_marketing: true, ..named("ads", "https://w3id.org/dpv#Marketing", "To market services") },
        named("risk", "https://w3id.org/dpv#ServiceProvision", "To plan visits"),
    ]
}

/// A word of digits in place of a subject's id: FNV-1a, so that a finding is found again.
fn digest(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

pub fn reading<T>(read: impl FnOnce(&Reading<'_>) -> T) -> T {
    let purposes = purposes();
    read(&Reading { dataset: "visits", purposes: &purposes, now: NOW, pseudonym: &digest, receipt: &digest })
}

/// Nothing said in the future, no purpose that is not declared, no id of a subject; and what is written as CSV is read back as it was.
pub fn check(events: &[BasisEvent]) {
    for event in events {
        assert_eq!(event.dataset, "visits");
        assert!(["ads", "risk", "*"].contains(&event.purpose.as_str()), "{}", event.purpose);
        assert!(event.subject.len() == 16, "an id of a subject is let through");
        assert!(event.since <= NOW + 120, "{}", event.since);
    }
    if events.is_empty() {
        return;
    }
    let same = |text: &str| text.to_owned();
    let purposes = purposes();
    let again = Reading { dataset: "visits", purposes: &purposes, now: NOW, pseudonym: &same, receipt: &same };
    let written = write_basis_csv(events);
    let back = read_basis_csv(&written, &again).unwrap_or_else(|e| panic!("what was written is refused: {e}\n{written}"));
    assert_eq!(back.len(), events.len());
    for (a, b) in events.iter().zip(&back) {
        assert_eq!((&a.subject, &a.purpose, a.state, a.since), (&b.subject, &b.purpose, b.state, b.since));
        assert_eq!((a.art6, a.art9, a.expires, a.detail.age, &a.detail.receipt), (b.art6, b.art9, b.expires, b.detail.age, &b.detail.receipt));
    }
}
