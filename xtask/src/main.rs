//! Tasks of the house: `cargo xtask peers`.
fn main() {}
