//! Nodes of a binary tree over steps: the prefix of m steps is the sum of one node for each bit of m.
//!
//! A node of level l covers 2ˡ steps. The step m = 1, 2, … is a leaf, and lies in one node of each level at most, so that a unit in one
//! step is in at most ⌈log₂(steps + 1)⌉ nodes that are ever used.

/// A node: it covers the steps from (index − 1)·2^level + 1 to index·2^level; its index is odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Node {
    pub(crate) level: u32,
    pub(crate) index: u64,
}

/// Which nodes come with step m, and which go: the one that ends with it comes, those that it covers go.
pub(crate) fn changes(m: u64) -> impl Iterator<Item = (f64, Node)> {
    let level = m.trailing_zeros();
    let gone = (0..level).map(move |level| (-1.0, Node { level, index: (m - 1) >> level }));
    std::iter::once((1.0, Node { level, index: m >> level })).chain(gone)
}
