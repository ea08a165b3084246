//! The three layers on a table: a target that memorises, its shadows, and what a finding says; and a training loop that is held against its plan.

mod attribute;
mod board;
mod duplicates;
mod label_only;
mod network;
mod pipeline;
