//! What the crate promises an outsider, tested from outside.

mod log;
mod mutated;
mod record;
