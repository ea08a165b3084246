//! The program as its users meet it: the binary, a folder, what is said and what is on disk afterwards.

#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod account;
mod assess;
mod audit;
mod audit_file;
mod audit_parquet;
mod backup;
mod bad_input;
mod bundle;
mod certified;
mod chain;
mod damage;
mod demo;
mod documents;
mod endpoint;
mod explain;
mod forget;
mod help;
mod kill;
mod kill_rights;
mod lineage;
mod lock;
mod network;
mod officer;
mod officer_rights;
mod own_data;
mod resume;
mod scan;
mod seal;
mod select;
mod serve;
mod server;
mod sweep;
mod workspace;
