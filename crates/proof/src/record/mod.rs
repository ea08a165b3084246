//! Signed erasure records: what was removed, from where, what is left, and the log entry that says so.
//!
//! A record is an in-toto Statement v1 in a DSSE envelope, signed by the log's own Ed25519 key. It carries the signed checkpoint and the
//! inclusion proof of the erasure's log entry, and the opening of that entry's commitment, so that [`verify_record`] needs the file and the
//! public key alone. A record names nobody: its [`Erasure::subject_commitment`] is salted, and the salt is not in it.
//!
//! ```
//! use reticent_proof::log::{Log, SigningKey};
//! use reticent_proof::record::*;
//!
//! # let dir = std::env::temp_dir().join(format!("reticent-record-example-{}", std::process::id()));
//! let key = SigningKey::generate("reticent/clinic-3f9a")?;
//! let opening = Opening {
//!     seq: 1, at: "2026-06-12T08:00:00Z".into(), actor: "officer".into(), nonce: "00".repeat(32),
//!     body: r#"{"kind":"subject-erased","erasure":1,"rows":3,"events":2}"#.into(),
//! };
//! let entry = opening.entry().expect("a nonce of 32 bytes");
//! let mut log = Log::open(&dir)?;
//! log.publish(&[&entry], &key, None)?;
//! let record = Erasure {
//!     request: 1,
//!     at: "2026-06-12T08:00:01Z".into(),
//!     subject_commitment: "11".repeat(32),
//!     reason: 'b',
//!     stores: vec![
//!         Store { store: "table visits/v1".into(), rows: 3, verified_absent: true },
//!         Store { store: "ledger".into(), rows: 2, verified_absent: true },
//!     ],
//!     events: 2,
//!     models: vec![],
//!     recalled: vec![],
//!     suppression: Suppression { kept: true, why: "so that a later import leaves the unit out".into() },
//!     recipients_notified: vec![],
//!     exceptions: vec![],
//!     left: Left::all([("visits.csv", "the user's own file")])?,
//!     does_not_prove: vec!["that no copy exists elsewhere".into()],
//!     log: LogEntry::new(opening, &log.prove(0)?),
//!     removals: vec![],
//! };
//! let file = sign_record(record, &[("visits/v2", &"22".repeat(32))], &key)?;
//! let verified = verify_record(&file, &key.verifying_key())?;
//! assert_eq!((verified.erasure.request, verified.does_not_prove.len() >= 3), (1, true));
//!
//! let mut edited = file.clone();
//! edited[40] ^= 1;
//! assert!(verify_record(&edited, &key.verifying_key()).is_err());
//! # std::fs::remove_dir_all(&dir).unwrap();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod commitment;
mod envelope;
mod erasure;
mod error;
mod own;
mod verify;

pub use commitment::{commitment, log_entry};
pub use erasure::{Erasure, Left, LogEntry, ModelChange, Opening, Outcome, Removal, Statement, Store, Suppression};
pub use error::Error;
pub use own::OwnEvent;
pub use verify::{MAX_BYTES, Verified, sign_record, verify_record};

/// What a record says it is; its meaning never changes.
pub const PREDICATE_TYPE: &str = "urn:reticent:erasure:1";
