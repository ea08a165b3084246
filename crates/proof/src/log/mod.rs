//! The transparency log: what was recorded, in which order, under whose key.
//!
//! The ledger holds the facts; the log holds one small entry per fact (a commitment, no personal data) in a Merkle
//! tree, and signs its size and root as a *checkpoint*. The log is **tamper-evident, against a checkpoint held
//! elsewhere**: whoever keeps an old checkpoint can tell a log that grew from one that was rewritten.
//!
//! The files are C2SP [tlog-tiles], [tlog-checkpoint] and [tlog-proof], so tools of others read them too:
//!
//! ```text
//! checkpoint                  origin, size, root, signature (a signed note)
//! tile/0/000                  256 leaf hashes;  tile/1/000: 256 roots of such tiles;  …
//! tile/0/x001/067.p/12        an unfilled tile, here with 12 hashes
//! tile/entries/000            256 entries, each behind its length in two big-endian bytes
//! ```
//!
//! Everything but the checkpoint follows from the ordered list of entries: [`Log::publish`] rebuilds whatever is
//! missing or damaged, and refuses to sign a list that does not start with what was signed before.
//! [`verify_dir`] recomputes all of it and names each file that does not follow.
//!
//! ```
//! use reticent_proof::log::{Log, SigningKey, verify_dir};
//!
//! # let dir = std::env::temp_dir().join(format!("reticent-log-example-{}", std::process::id()));
//! let key = SigningKey::generate("reticent/clinic-3f9a")?;
//! let mut log = Log::open(&dir)?;
//! let held = log.publish(&["given", "withdrawn"], &key, None)?; // keep this checkpoint elsewhere too
//! log.append(2, &["erased"], &key, Some(&held))?;
//!
//! let verification = verify_dir(&dir, &key.verifying_key(), Some(&held));
//! assert!(verification.verified());
//! assert_eq!(verification.size, 3);
//! for line in &verification.not_proved {
//!     println!("what this does not prove: {line}");
//! }
//!
//! // an edited entry is found, and named
//! std::fs::write(dir.join("tile/entries/000.p/3"), b"\0\x05given\0\x09WITHDRAWN\0\x06erased").unwrap();
//! let verification = verify_dir(&dir, &key.verifying_key(), Some(&held));
//! assert_eq!(
//!     verification.findings[0].to_string(),
//!     "tile/entries/000.p/3: entry 1 is not the one the log committed to"
//! );
//! # std::fs::remove_dir_all(&dir).unwrap();
//! # Ok::<(), reticent_proof::log::Error>(())
//! ```
//!
//! [tlog-tiles]: https://c2sp.org/tlog-tiles
//! [tlog-checkpoint]: https://c2sp.org/tlog-checkpoint
//! [tlog-proof]: https://c2sp.org/tlog-proof

pub mod checkpoint;
mod consistency;
mod error;
mod inclusion;
mod key;
mod layout;
mod merkle;
mod store;
mod verify;
mod witness;
mod write;

pub use checkpoint::{Checkpoint, SignedCheckpoint};
pub use consistency::ConsistencyProof;
pub use error::Error;
pub use inclusion::InclusionProof;
pub use key::{SigningKey, VerifyingKey};
pub use merkle::{Hash, root_of};
pub use verify::{Finding, Problem, Verification, verify_against, verify_dir};
pub use witness::{Witness, WitnessKey};
pub use write::Log;

/// Most bytes in one entry.
pub const MAX_ENTRY: usize = 65_535;
