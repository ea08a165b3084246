//! Models of text: how far planted secrets are exposed and could be, what they say, or nearly say, when asked for the rest of a line, which texts
//! they know, and which texts are there more than once.

pub mod duplicates;
pub mod edit_distance;
pub mod exposure;
pub mod extraction;
pub mod group;
pub mod redact;
pub mod score;
