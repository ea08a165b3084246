//! The three layers on a table: a target that memorises, its shadows, and what a finding says; and a training loop that is held against its plan.

#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod attribute;
mod board;
mod duplicates;
mod label_only;
mod network;
mod pipeline;
