//! The plots: inline SVG, one file each, coloured by the page's style sheet so that they follow light, dark and print.
//!
//! `svg` and `scale` are what they share. Every plot returns `None` where there is nothing to draw.

pub(super) mod belief;
pub(super) mod bracket;
pub(super) mod erased;
pub(super) mod exposure;
pub(super) mod flow;
pub(crate) mod picture;
pub(super) mod releases;
pub(super) mod removal;
pub(super) mod repeats;
pub(super) mod roc;
pub(super) mod scale;
pub(super) mod subgroups;
pub(super) mod svg;
pub(super) mod utility;
pub(super) mod vulnerability;
pub(super) mod waterfall;
