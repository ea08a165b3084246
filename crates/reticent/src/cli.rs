//! The command line: every verb, its arguments and its help.

use crate::failure::Failure;
use crate::output::{Answer, say};
use crate::verbs;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Train on personal data with a stated, enforced bound on what the model can reveal about any one person.
#[derive(Parser)]
#[command(
    name = "reticent",
    version,
    arg_required_else_help = true,
    after_help = "Start with `reticent demo`, then `reticent init yours.csv`.\nExit codes: 0 done, 1 failed, 2 usage, 3 refused by a rule. Nothing here is legal advice."
)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

/// What every verb takes.
#[derive(Args, Clone)]
pub(crate) struct Common {
    /// The workspace: the folder with reticent.toml
    #[arg(long, global = true, default_value = ".", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Print one JSON object on stdout instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
enum Verb {
    /// Draft reticent.toml for a CSV file, asking only what it must
    Init(verbs::init::Init),
    /// Report every problem of reticent.toml at once
    Check(verbs::check::Check),
    /// Read the data sets of reticent.toml into the workspace, checked against their public bounds
    Import(verbs::import::Import),
    /// Record consent, withdrawal, restriction and objection
    Consent(verbs::consent::Consent),
    /// Say which facts decide, decide about hosts, make past decisions again
    Gate(verbs::gate::GateVerb),
    /// Enter and show registers: parties, hosts, notices, retention, holds, interests, tasks, models from elsewhere
    Register(verbs::register::Register),
    /// Say who is in which model and what a model was made of; OpenLineage, Croissant, model cards
    Lineage(verbs::lineage::Lineage),
    /// Open, write, decide and render the impact assessment that must exist before training
    Assess(verbs::assess::Assess),
    /// Write a document from the evidence: records, notices, cards, assessments
    Document(verbs::document::DocumentVerb),
    /// Record a breach of personal data and who was told by when
    Breach(verbs::breach::BreachVerb),
    /// Ask the gate, charge the budget, train under differential privacy, release
    Train(verbs::train::Train),
    /// Score new rows with a trained model
    Predict(verbs::predict::Predict),
    /// Explain the scores of a person's own rows: what moved them, what would change the class
    Explain(verbs::explain::Explain),
    /// Take one unit out of everything, retrain without it, sign a record of what was removed and what is left
    Forget(verbs::forget::Forget),
    /// Requests of people: access, erasure, objection and the rest, with identity, deadlines and recipients
    Request(verbs::request::RequestVerb),
    /// Answer the Open Inference Protocol on this machine alone, for a released model
    Serve(verbs::serve::Serve),
    /// Draw report.html: flow, bound, utility, groups, what is not covered
    Report(verbs::report::ReportVerb),
    /// Show where the workspace stands and what to do next
    Status(verbs::status::Status),
    /// Show every charge to every budget
    Budget(verbs::budget::BudgetVerb),
    /// Write the ledger to a file to keep elsewhere, and bring it back from one
    Ledger(verbs::ledger::LedgerVerb),
    /// Verify the transparency log
    Log(verbs::log::LogVerb),
    /// Write a bundle for an auditor: log, opened entries, models, erasure records; `reticent-verify bundle` checks it
    Export(verbs::export::Export),
    /// Find personal data in a file, by kind and place, and write a redacted copy: no workspace needed
    Scan(verbs::scan::Scan),
    /// Show which columns a model could do without, measured on public rows
    Select(verbs::select::Select),
    /// Draw utility and measured leakage over ε for the model's own data
    Sweep(verbs::sweep::Sweep),
    /// Measure what a model leaks, by attacks
    Audit(verbs::audit::AuditVerb),
    /// Account for a training run done anywhere: no workspace needed
    Account(verbs::account::Account),
    /// The whole way on real health data, in a folder of its own
    Demo(verbs::demo::Demo),
}

pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            if error.use_stderr() && std::env::args_os().any(|a| a == "--json") {
                let text = error.render().to_string();
                Answer::new("", Failure::usage(text.trim_start_matches("error: ").trim_end()).to_json()).print(true);
            }
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()) * 2);
        }
    };
    let common = cli.common.clone();
    match dispatch(cli) {
        Ok(answer) => {
            answer.print(common.json);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            if common.json {
                Answer::new("", failure.to_json()).print(true);
            }
            say(failure.to_string());
            failure.exit_code()
        }
    }
}

/// Runs a command line in this process and gives its answer instead of printing it.
pub(crate) fn answer(line: Vec<&str>) -> Result<Answer, Failure> {
    dispatch(Cli::try_parse_from(line).map_err(|e| Failure::usage(e.to_string()))?)
}

fn dispatch(cli: Cli) -> Result<Answer, Failure> {
    let common = &cli.common;
    match cli.verb {
        Verb::Init(verb) => verb.run(common),
        Verb::Check(verb) => verb.run(common),
        Verb::Import(verb) => verb.run(common),
        Verb::Consent(verb) => verb.run(common),
        Verb::Gate(verb) => verb.run(common),
        Verb::Register(verb) => verb.run(common),
        Verb::Lineage(verb) => verb.run(common),
        Verb::Assess(verb) => verb.run(common),
        Verb::Document(verb) => verb.run(common),
        Verb::Breach(verb) => verb.run(common),
        Verb::Train(verb) => verb.run(common),
        Verb::Predict(verb) => verb.run(common),
        Verb::Explain(verb) => verb.run(common),
        Verb::Forget(verb) => verb.run(common),
        Verb::Request(verb) => verb.run(common),
        Verb::Serve(verb) => verb.run(common),
        Verb::Report(verb) => verb.run(common),
        Verb::Status(verb) => verb.run(common),
        Verb::Budget(verb) => verb.run(common),
        Verb::Ledger(verb) => verb.run(common),
        Verb::Log(verb) => verb.run(common),
        Verb::Export(verb) => verb.run(common),
        Verb::Scan(verb) => verb.run(common),
        Verb::Select(verb) => verb.run(common),
        Verb::Sweep(verb) => verb.run(common),
        Verb::Audit(verb) => verb.run(common),
        Verb::Account(verb) => verb.run(common),
        Verb::Demo(verb) => verb.run(common),
    }
}
