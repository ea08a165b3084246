//! Reticent: train on personal data with a stated, enforced bound on what the model can reveal about any one person.
//!
//! One file per verb under `verbs/`; each returns an [`output::Answer`], which is printed as text or, with `--json`, as the same facts in
//! JSON. This is the only place where results of the libraries become events of the ledger.

mod assessment;
mod audit;
mod certified;
mod cli;
mod config;
mod data_version;
mod decided;
mod disk;
mod document;
mod erasure;
mod evaluation;
mod evidence;
mod failure;
mod gate;
mod leak;
mod ledger_key;
mod output;
mod outward;
mod pieces;
mod privacy;
mod report;
mod request;
mod suppression;
mod sweep;
mod verbs;
mod workspace;

/// Linux's own allocator gives large blocks back to the system after every use: a fifth of a training step was page faults.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
