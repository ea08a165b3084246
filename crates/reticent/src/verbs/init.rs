//! `init`: a first reticent.toml for a CSV file, with only the questions that must be asked.

use crate::cli::Common;
use crate::config::{self, Answers, Asks, Bounds, Config, DraftError, DraftInput, Mode, Question, draft};
use crate::disk;
use crate::failure::Failure;
use crate::output::{Answer, say};
use clap::{Args, ValueEnum};
use reticent_data::SubjectRule;
use reticent_train::Preset;
use serde_json::json;
use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

#[derive(Args)]
#[command(
    after_help = "Types and roles are guessed; bounds and levels never silently: what a column may hold is decided by people, because reading it from\nprivate rows would reveal something that no ε covers. `--bounds data` does read it, for experiments only, and every output says so.\n\nExample: reticent init visits.csv --subject patient_id --target readmitted"
)]
pub(crate) struct Init {
    /// The CSV file
    file: PathBuf,
    /// Whose a row is: a column, or `row`
    #[arg(long)]
    subject: Option<String>,
    /// The column to predict
    #[arg(long)]
    target: Option<String>,
    /// Two classes: below, and from this number on
    #[arg(long, value_name = "NUMBER")]
    at_least: Option<f64>,
    /// Where bounds and levels come from
    #[arg(long, value_enum, default_value_t = BoundsChoice::Ask)]
    bounds: BoundsChoice,
    /// Names of the columns, for a file without a header: a,b,c
    #[arg(long, value_delimiter = ',')]
    names: Option<Vec<String>>,
    /// The bound for the model and its retraining together
    #[arg(long, default_value_t = 2.0)]
    epsilon: f64,
    /// A recipe for the model, found on public data: `tabular`, or `mnist-like` for small square images, one column a pixel
    #[arg(long, value_parser = preset)]
    preset: Option<Preset>,
    /// Public, rounded number of units
    #[arg(long)]
    units: Option<u64>,
    /// Column separator
    #[arg(long)]
    delimiter: Option<char>,
    /// A column that reveals a special category (Art 9): column=health
    #[arg(long, value_name = "COLUMN=CATEGORY", value_parser = special)]
    special: Vec<(String, String)>,
    /// Write over an existing reticent.toml
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BoundsChoice {
    /// Leave `"?"` for a person to fill in
    Ask,
    /// Read them from the rows: experiments only, covered by no ε
    Data,
}

fn preset(text: &str) -> Result<Preset, String> {
    Preset::named(text).ok_or_else(|| format!("no such preset; one of {}", Preset::ALL.map(Preset::name).join(", ")))
}

fn special(text: &str) -> Result<(String, String), String> {
    text.split_once('=').map(|(c, k)| (c.trim().to_owned(), k.trim().to_owned())).ok_or_else(|| "write COLUMN=CATEGORY".into())
}

impl Init {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        let path = common.dir.join(config::FILE);
        if path.exists() && !self.force {
            return Err(Failure::usage(format!("{} exists", path.display())).hint("edit it, or write over it with `--force`"));
        }
        let bytes = std::fs::read(&self.file).map_err(|e| disk::io("read", &self.file, &e))?;
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .delimiter(self.delimiter.map_or(b',', |d| d as u8))
            .from_reader(&bytes[..]);
        let mut rows: Vec<Vec<String>> = vec![];
        for record in reader.records() {
            let record = record.map_err(|e| {
                Failure::usage(format!("the file cannot be read as CSV near line {}", e.position().map_or(1, csv::Position::line)))
                    .hint("`--delimiter` sets the separator")
            })?;
            rows.push(record.iter().map(str::to_owned).collect());
        }
        // A path relative to the workspace where there is one, so that the folder can be moved.
        let file = relative(&self.file, &common.dir);
        let input =
            DraftInput { file, delimiter: self.delimiter, rows, header: self.names.is_some().then_some(false), names: self.names.clone() };
        let mut answers = Answers {
            subject: self.subject.as_deref().map(subject),
            target: self.target.clone(),
            at_least: self.at_least,
            mode: Mode::Experiment,
            bounds: if self.bounds == BoundsChoice::Data { Bounds::Data } else { Bounds::Public },
            epsilon: self.epsilon,
            units: self.units,
            special: self.special.clone(),
            preset: self.preset,
        };
        let text = loop {
            match draft(&input, &answers) {
                Ok(text) => break text,
                Err(DraftError::Questions(questions)) if std::io::stdin().is_terminal() && !common.json => {
                    questions.iter().try_for_each(|q| ask(q, &mut answers))?;
                }
                Err(DraftError::Questions(questions)) => {
                    let lines: Vec<String> = questions
                        .iter()
                        .map(|q| format!("  {}{}", q.text, q.suggestion.as_ref().map_or(String::new(), |s| format!(" (perhaps `{s}`)"))))
                        .collect();
                    let flags: Vec<String> = questions
                        .iter()
                        .map(|q| format!("{} {}", flag(q.asks), q.suggestion.clone().unwrap_or_else(|| "…".into())))
                        .collect();
                    return Err(Failure::usage(format!("init must know more\n{}", lines.join("\n"))).hint(format!(
                        "reticent init {} {}",
                        self.file.display(),
                        flags.join(" ")
                    )));
                }
                Err(error) => return Err(Failure::usage(error.to_string())),
            }
        };
        disk::create_folder(&common.dir)?;
        disk::write(&path, text.as_bytes())?;
        let open = match Config::parse(&text, &common.dir) {
            Ok(_) => 0,
            Err(problems) => problems.problems.iter().filter(|p| p.kind == config::Kind::Undecided).count(),
        };
        let next = if open > 0 { "fill in each \"?\", then: reticent check" } else { "reticent import, then reticent train" };
        let mut answer = format!("wrote {}\n", path.display());
        if open > 0 {
            let lines = if open == 1 { "1 line waits" } else { &format!("{open} lines wait") };
            answer += &format!(
                "{lines} for a decision, marked \"?\": what each column may hold. That is yours to say, without looking at the rows;\nto read it from the rows instead (experiments only, covered by no ε): --bounds data --force\n"
            );
        }
        answer += &format!("next: {next}\n");
        Ok(Answer::new(answer, json!({ "file": path, "undecided": open, "next": next })))
    }
}

fn subject(text: &str) -> SubjectRule {
    if text == "row" { SubjectRule::Row } else { SubjectRule::Column(text.into()) }
}

fn flag(asks: Asks) -> &'static str {
    match asks {
        Asks::Subject => "--subject",
        Asks::Target => "--target",
        Asks::AtLeast => "--at-least",
    }
}

fn ask(question: &Question, answers: &mut Answers) -> Result<(), Failure> {
    let choices = if question.choices.is_empty() { String::new() } else { format!("\n  one of: {}", question.choices.join(", ")) };
    let suggestion = question.suggestion.as_ref().map_or(String::new(), |s| format!(" [{s}]"));
    say(format!("{}{choices}{suggestion}", question.text));
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line).map_err(|e| Failure::failed(format!("cannot read the answer: {e}")))?;
    let given = Some(line.trim().to_owned()).filter(|l| !l.is_empty()).or_else(|| question.suggestion.clone());
    let Some(given) = given.filter(|_| read > 0) else {
        return Err(Failure::usage("no answer was given").hint(format!("answer, or give {} on the command line", flag(question.asks))));
    };
    match question.asks {
        Asks::Subject => answers.subject = Some(subject(&given)),
        Asks::Target => answers.target = Some(given),
        Asks::AtLeast => answers.at_least = Some(given.parse().map_err(|_| Failure::usage("that is not a number"))?),
    }
    Ok(())
}

/// The file as seen from the workspace, absolute where it lies outside.
fn relative(file: &std::path::Path, dir: &std::path::Path) -> String {
    let (Ok(file), Ok(dir)) = (std::fs::canonicalize(file), std::path::absolute(dir)) else { return file.display().to_string() };
    let dir = std::fs::canonicalize(&dir).unwrap_or(dir);
    file.strip_prefix(&dir).unwrap_or(&file).display().to_string()
}
