//! The three layers on a table: a target that memorises, its shadows, and what a finding says.

mod pipeline;
