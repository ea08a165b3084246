//! The program as its users meet it: the binary, a folder, what is said and what is on disk afterwards.

#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod bad_input;
mod chain;
mod damage;
mod demo;
mod explain;
mod help;
mod kill;
mod lock;
mod network;
mod own_data;
mod serve;
mod workspace;
