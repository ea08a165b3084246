//! What the scanner finds, misses and never does; what a choice of columns says.
mod cards;
mod cases;
mod presidio;
mod properties;
mod selection;

use std::path::PathBuf;

/// A folder of test data outside the checkout; says so where there is none.
fn test_data(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("RETICENT_TEST_DATA").map(PathBuf::from);
    if root.is_none() {
        eprintln!("skipped: RETICENT_TEST_DATA names no folder with {folder}/");
    }
    root.map(|root| root.join(folder))
}
