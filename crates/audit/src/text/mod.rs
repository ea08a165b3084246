//! Models of text: how far planted secrets are exposed, and what they say when asked for the rest of a line.

pub mod exposure;
pub mod extraction;
pub mod redact;
