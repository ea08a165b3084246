//! Use less: find personal data in text, redact it, and see which columns can be dropped at what cost.
//!
//! [`Scanner`] goes once over the bytes of a text and gives [`Found`]: kind, offsets and score, never the value itself.
//! [`redact`] replaces what was found. [`select`] ranks columns by what a model loses without them.
//!
//! ```
//! use reticent_minimise::{Kind, Scanner, Style, redact};
//! let text = "Card 4111 1111 1111 1111 of ann@example.org, SSN 536-32-3065";
//! let found = Scanner::default().scan(text);
//! assert_eq!(found.iter().map(|f| f.kind).collect::<Vec<_>>(), [Kind::Card, Kind::Email, Kind::Ssn]);
//! assert_eq!((found[0].start, found[0].end, found[0].score), (5, 24, 1.0));
//! assert_eq!(redact(text, &found, Style::default())?, "Card <CARD> of <EMAIL>, SSN <SSN>");
//! # Ok::<(), reticent_minimise::Error>(())
//! ```

mod error;
mod redact;
mod scan;
pub mod select;

pub use error::Error;
pub use redact::{Style, redact};
pub use scan::{Found, Kind, Options, Scanner};
