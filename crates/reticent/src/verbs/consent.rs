//! `consent`: what people said, into the ledger and the log; and out again in the forms of others.

use crate::cli::Common;
use crate::config::Config;
use crate::data_version::{load_latest, units};
use crate::disk;
use crate::failure::Failure;
use crate::gate::is_direct_marketing;
use crate::output::{Answer, thousands};
use crate::workspace::Workspace;
use clap::{Args, Subcommand, ValueEnum};
use reticent_govern::{
    BasisEvent, PurposeName, Reading, Received, decode, read_basis_csv, read_basis_json, read_dpv_records, read_kantara_receipts,
    write_basis_csv, write_dpv_record, write_kantara_receipt,
};
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(crate) struct Consent {
    #[command(subcommand)]
    verb: ConsentVerb,
}

#[derive(Subcommand)]
enum ConsentVerb {
    /// Read events from a file; each is recorded once, however often the file is read
    #[command(
        after_help = "Columns: subject,purpose,state,at[,notice,art6,art9,expires,language,age,guardian,receipt]\n  subject   as in the data; it is replaced by its pseudonym\n  purpose   its name, its IRI or its sentence in reticent.toml; * for all, where nothing is given\n  state     given | renewed | refused | withdrawn | expired | invalidated | revoked | requested | request-deferred | unknown\n            informed | uninformed (legitimate interest) | objected | overridden | restricted | unrestricted\n            opted-out | opted-in (sale and sharing; Sec-GPC: 1) | limited | unlimited\n  at        2026-05-01 or 2026-05-01T08:00:00Z, never in the future; at equal times a withdrawal wins\n  notice, art6   needed where state is given; art9 where columns are special\n  age, guardian  years then; how a guardian's consent was verified\n  receipt   number of the receipt: under one number one thing is said\nJSON: a list of objects, or one on each line, with these keys. Receipts of Kantara 1.1 and records of DPV-27560 are told by their content.\nExample:\n  subject,purpose,state,at,notice,art6,art9\n  p-17,readmission-risk,given,2026-05-01,2026-1,a,a\n  p-17,readmission-risk,withdrawn,2026-06-12,,,"
    )]
    Import {
        /// The file [default: `events` of the data set in reticent.toml]
        file: Option<PathBuf>,
        /// The data set [default: the only one]
        #[arg(long)]
        data: Option<String>,
        /// The form of the file [default: told by its content]
        #[arg(long, value_enum)]
        form: Option<Form>,
        /// Subjects are pseudonyms of 32 hexadecimal digits, as `consent export` writes them
        #[arg(long)]
        pseudonyms: bool,
    },
    /// Write the events of a data set, or of one subject, in one of these forms; subjects by their pseudonyms
    Export {
        /// Only about this subject, as in the data
        #[arg(long)]
        subject: Option<String>,
        /// The data set [default: the only one]
        #[arg(long)]
        data: Option<String>,
        /// The form
        #[arg(long, value_enum, default_value = "csv")]
        form: Form,
        /// Where the file goes [default: printed]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// Form of a file of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Rows of a CSV file.
    Csv,
    /// Objects with the same keys.
    Json,
    /// Consent receipts, Kantara 1.1.
    Kantara,
    /// Consent records, Data Privacy Vocabulary and ISO/IEC TS 27560: JSON-LD, or Turtle to be read.
    Dpv,
}

impl Form {
    /// What a text looks like.
    fn of(text: &str) -> Self {
        match text.trim_start().as_bytes().first() {
            Some(b'{' | b'[') if text.contains("consentReceiptID") => Self::Kantara,
            Some(b'{' | b'[') if text.contains("ConsentRecord") => Self::Dpv,
            Some(b'{' | b'[') => Self::Json,
            _ if text.contains("dpv:ConsentRecord") || text.trim_start().starts_with("@prefix") => Self::Dpv,
            _ => Self::Csv,
        }
    }
}

/// The largest file that is read.
const MOST_BYTES: u64 = 1 << 30;

impl Consent {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        match &self.verb {
            ConsentVerb::Import { file, data, form, pseudonyms } => import(common, file.as_deref(), data.as_deref(), *form, *pseudonyms),
            ConsentVerb::Export { subject, data, form, out } => export(common, subject.as_deref(), data.as_deref(), *form, out.as_deref()),
        }
    }
}

/// The data set that is named, or the only one.
pub(crate) fn chosen_data_set(config: &Config, named: Option<&str>) -> Result<String, Failure> {
    let names: Vec<&String> = config.data.keys().collect();
    match (named, &names[..]) {
        (Some(name), _) if config.data.contains_key(name) => Ok(name.to_owned()),
        (None, [only]) => Ok((*only).clone()),
        _ => Err(Failure::usage("which data set?").hint("name it with `--data`")),
    }
}

/// Purposes by all their names.
pub(crate) fn purpose_names(config: &Config) -> Vec<PurposeName> {
    let names = config.purposes.iter();
    names
        .map(|(name, purpose)| PurposeName {
            name: name.clone(),
            iri: purpose.iri.clone(),
            description: purpose.description.clone(),
            direct_marketing: is_direct_marketing(config, name),
        })
        .collect()
}

fn import(common: &Common, file: Option<&Path>, data: Option<&str>, form: Option<Form>, pseudonyms: bool) -> Result<Answer, Failure> {
    let mut workspace = Workspace::write(&common.dir)?;
    let name = chosen_data_set(&workspace.config, data)?;
    let path = match (file, &workspace.config.data[&name].events) {
        (Some(file), _) => file.to_owned(),
        (None, Some(events)) => workspace.dir.join(events),
        (None, None) => {
            return Err(Failure::usage("no file of events is named")
                .hint(format!("add `events = \"consent.csv\"` to [data.{name}], or name the file")));
        }
    };
    let size = std::fs::metadata(&path).map_err(|e| disk::io("read", &path, &e))?.len();
    if size > MOST_BYTES {
        return Err(Failure::usage(format!("the file has {} bytes, more than {}", thousands(size), thousands(MOST_BYTES)))
            .hint("split it into several"));
    }
    let bytes = std::fs::read(&path).map_err(|e| disk::io("read", &path, &e))?;
    let text = decode(&bytes)?;
    let version = load_latest(&mut workspace, &name)?;
    let key = workspace.pseudonym_key()?;
    let names = purpose_names(&workspace.config);
    let pseudonym = |subject: &str| if pseudonyms { subject.to_owned() } else { key.subject(&name, subject).to_string() };
    let number = |receipt: &str| {
        if pseudonyms { receipt.to_owned() } else { hex::encode(&key.keyed_digest(&[b"receipt", receipt.as_bytes()])[..16]) }
    };
    let now = workspace.ledger.now()?;
    let reading = Reading { dataset: &name, purposes: &names, now, pseudonym: &pseudonym, receipt: &number };
    let Received { mut events, other_purposes } = match form.unwrap_or_else(|| Form::of(text)) {
        Form::Csv => Received { events: read_basis_csv(text, &reading)?, other_purposes: 0 },
        Form::Json => Received { events: read_basis_json(text, &reading)?, other_purposes: 0 },
        Form::Kantara => read_kantara_receipts(text, &reading)?,
        Form::Dpv => read_dpv_records(text, &reading)?,
    };
    if pseudonyms && let Some(at) = events.iter().position(|e| e.subject.parse::<reticent_data::SubjectId>().is_err()) {
        return Err(Failure::usage(format!("subject {} of the file is no pseudonym of 32 hexadecimal digits", at + 1)));
    }
    let suppression = workspace.suppression()?;
    let all = events.len();
    events.retain(|e| !suppression.holds(&name, &e.subject));
    let suppressed = (all - events.len()) as u64;
    let known = units(&version.table);
    let strangers = events.iter().filter(|e| !known.contains_key(&e.subject)).count() as u64;
    let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let actor = workspace.actor.clone();
    let tasks = workspace.ledger.tasks()?.len();
    let imported = workspace.ledger.import_basis(&actor, &name, &file_name, &events)?;
    let checkpoint = workspace.publish()?;
    let mut text = format!("{}: {} events recorded", name, thousands(imported.written));
    if imported.known > 0 {
        text += &format!(", {} were on record already", thousands(imported.known));
    }
    if strangers > 0 {
        text += &format!(", {} about units that are not in {}", thousands(strangers), version.manifest.version);
    }
    if suppressed > 0 {
        text += &format!(", {} about units that were taken out before were left out", thousands(suppressed));
    }
    if other_purposes > 0 {
        text += &format!(", {} purposes of receipts are declared nowhere here", thousands(other_purposes));
    }
    text += &format!("; log of {} entries signed", thousands(checkpoint.unverified().size));
    let opened: Vec<_> = workspace.ledger.tasks()?.into_iter().skip(tasks).collect();
    for task in &opened {
        text += &format!(
            "\ntask {}: a basis ended of units that {} learned from; decide with `reticent register task {} --by NAME --decision TEXT`",
            task.task,
            task.models.join(", "),
            task.task
        );
    }
    Ok(Answer::new(
        text,
        json!({ "dataset": name, "written": imported.written, "known": imported.known, "not_in_data": strangers, "suppressed": suppressed,
            "other_purposes": other_purposes, "tasks": opened }),
    ))
}

fn export(common: &Common, subject: Option<&str>, data: Option<&str>, form: Form, out: Option<&Path>) -> Result<Answer, Failure> {
    let mut workspace = Workspace::read(&common.dir)?;
    let name = chosen_data_set(&workspace.config, data)?;
    let pseudonym = match subject {
        Some(subject) => Some(workspace.pseudonym_key()?.subject(&name, subject).to_string()),
        None => None,
    };
    let events = workspace.ledger.basis_events(&name, pseudonym.as_deref())?;
    let (text, written) = written(&workspace.config, &events, form);
    let left_out = events.len() - written;
    let mut answer = json!({ "dataset": name, "events": written, "left_out": left_out });
    let told = if left_out > 0 { format!("; the form has no word for {left_out} others") } else { String::new() };
    match out {
        Some(path) => {
            disk::write_private(path, text.as_bytes())?;
            answer["file"] = json!(crate::workspace::absolute(path)?);
            Ok(Answer::new(format!("{}: {} events written{told}\n", path.display(), thousands(written as u64)), answer))
        }
        None => {
            answer["text"] = json!(text);
            Ok(Answer::new(text, answer))
        }
    }
}

/// The events in a form, and how many of them it has words for.
fn written(config: &Config, events: &[BasisEvent], form: Form) -> (String, usize) {
    let names = purpose_names(config);
    let controller = config.controller.name.clone().unwrap_or_else(|| "unnamed".into());
    let contact = config.controller.contact.clone().unwrap_or_default();
    let jurisdiction = config.controller.jurisdiction.clone().unwrap_or_else(|| "EU".into());
    let lines = |values: Vec<serde_json::Value>| {
        let count = values.len();
        (values.into_iter().map(|v| format!("{v}\n")).collect::<String>(), count)
    };
    match form {
        Form::Csv => (write_basis_csv(events), events.len()),
        Form::Json => lines(events.iter().map(object).collect()),
        Form::Kantara => lines(events.iter().filter_map(|e| write_kantara_receipt(e, &controller, &contact, &jurisdiction)).collect()),
        Form::Dpv => {
            // A term that two purposes share would name neither of them when it is read again.
            let shared =
                |iri: &str| names.iter().filter(|p| p.iri.as_deref().is_some_and(|i| reticent_govern::same_iri(i, iri))).count() > 1;
            let purpose = |event: &BasisEvent| {
                let named = names.iter().find(|p| p.name == event.purpose)?;
                Some(PurposeName { iri: named.iri.clone().filter(|iri| !shared(iri)), ..named.clone() })
            };
            lines(events.iter().filter_map(|e| write_dpv_record(e, &purpose(e)?, &controller, &jurisdiction)).collect())
        }
    }
}

/// An event under the keys that an import reads; what was not said is left out.
fn object(event: &BasisEvent) -> serde_json::Value {
    let time = |seconds: i64| jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |t| t.to_string());
    let mut object = json!({ "subject": event.subject, "purpose": event.purpose, "state": event.state.name(), "at": time(event.since),
        "notice": event.notice, "art6": event.art6, "art9": event.art9, "expires": event.expires.map(time), "language": event.detail.language,
        "age": event.detail.age, "guardian": event.detail.guardian, "receipt": event.detail.receipt });
    if let Some(map) = object.as_object_mut() {
        map.retain(|_, value| !value.is_null());
    }
    object
}
