//! `audit text`: what a language model gives back of the messages it learned from.

mod repeats;

use crate::cli::Common;
use crate::disk;
use crate::evidence;
use crate::failure::Failure;
use crate::leak::{self, Leak, TextAudit};
use crate::output::{Answer, thousands};
use crate::privacy::bound;
use crate::report::render_text;
use crate::verbs::report::measured;
use crate::workspace::Workspace;
use clap::Args;
use reticent_data::{Messages, PseudonymKey};
use serde_json::json;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

#[derive(Args)]
#[command(
    after_help = "Plants secrets (card numbers, addresses) in the messages, trains one small byte-level model without privacy, one on redacted text and one under ε,\nand asks each for the secrets. Nothing is released; the models are gone afterwards. Cards are shown by their last four digits.\n\nWithout FILE the messages are simulated. A line of FILE is a message; `--subject` names the column of the person it belongs to;\nof a plain text, `--lines` says how many lines are a person's.\n\nExample: reticent audit text --repeats --html exposure.html"
)]
pub(crate) struct AuditText {
    /// CSV file of messages, or with --lines a plain text [default: simulated messages]
    #[arg(requires = "asserted")]
    file: Option<PathBuf>,
    /// Column with the person a message belongs to
    #[arg(long, default_value = "subject")]
    subject: String,
    /// Column with the message
    #[arg(long, default_value = "text")]
    text: String,
    /// FILE is plain text without columns: so many lines are the messages of one person, of each line what stands after its last tab
    #[arg(long, value_name = "N", requires = "file", conflicts_with_all = ["subject", "text"])]
    lines: Option<NonZeroUsize>,
    /// Plant each secret 1, 2, 4 … 128 times, inside one person's messages and across as many people's; compare exposure with chance and with what group privacy predicts
    #[arg(long)]
    repeats: bool,
    /// Also write a page with the plot
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Why you may use the messages of FILE for this; printed on the result
    #[arg(long, value_name = "REASON")]
    asserted: Option<String>,
    /// ε of the model under differential privacy, δ = 1e-5 [default: 8, with --repeats 2]
    #[arg(long)]
    epsilon: Option<f64>,
    /// Print planted secrets in full
    #[arg(long)]
    show: bool,
}

impl AuditText {
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        let own = match (&self.file, &self.asserted) {
            (Some(file), Some(reason)) => Some((self.read(file)?, reason.as_str())),
            _ => None,
        };
        if self.repeats {
            return repeats::run(own, self.epsilon.unwrap_or(2.0), self.html.as_deref(), common);
        }
        let audit = leak::measure(own, self.epsilon.unwrap_or(8.0), self.show, &leak::Scale::default())?;
        let recorded = if common.dir.join(".reticent").exists() {
            let mut workspace = Workspace::write(&common.dir)?;
            let kept = audit.kept();
            let numbers = [
                ("baseline_exposure_bits", audit.baseline.exposure_bits),
                ("private_exposure_bits", audit.private.exposure_bits),
                ("baseline_extracted", audit.baseline.extracted as f64),
                ("private_extracted", audit.private.extracted as f64),
                ("epsilon_upper", audit.epsilon_upper),
            ];
            let numbers = numbers.map(|(name, value)| (name.to_owned(), value)).into();
            let event = evidence::record(&mut workspace, "text-audit", "messages", &kept, numbers)?;
            workspace.publish()?;
            Some(event)
        } else {
            None
        };
        let mut text = table(&audit);
        if let Some(path) = &self.html {
            let section = measured::planted(&json!(audit), None)?;
            disk::write(path, render_text(&section).as_bytes())?;
            text += &format!("page: {}\n", path.display());
        }
        Ok(Answer::new(text, json!({ "text": audit, "evidence": recorded })))
    }

    /// Messages by person; errors name lines, never what stands there.
    fn read(&self, path: &Path) -> Result<Messages, Failure> {
        let messages = match self.lines {
            Some(lines) => by_lines(&std::fs::read(path).map_err(|e| disk::io("read", path, &e))?, lines),
            None => by_columns(path, &self.subject, &self.text)?,
        };
        if messages.unit_count() < 20 {
            return Err(Failure::usage(format!("{} holds messages of fewer than 20 people", path.display()))
                .hint("with so few, neither a language model nor this audit means anything"));
        }
        Ok(messages)
    }
}

/// Each `lines` lines that are not empty as one person's messages. A byte that is no UTF-8 is replaced: to the model it is one of "every other byte" anyway.
fn by_lines(bytes: &[u8], lines: NonZeroUsize) -> Messages {
    let text = String::from_utf8_lossy(bytes);
    let messages = text.lines().map(|line| line.rsplit('\t').next().unwrap_or(line).trim_end()).filter(|message| !message.is_empty());
    // Nobody is told from anybody by these pseudonyms: they number groups of lines.
    let key = PseudonymKey::from_bytes([0; 32]);
    messages.enumerate().map(|(at, message)| (key.subject("lines", &(at / lines).to_string()), message.to_owned())).collect()
}

fn by_columns(path: &Path, subject: &str, text: &str) -> Result<Messages, Failure> {
    let file = std::fs::File::open(path).map_err(|e| disk::io("read", path, &e))?;
    let mut reader = csv::ReaderBuilder::new().from_reader(std::io::BufReader::new(file));
    let wrong = |line: u64| Failure::usage(format!("{}: line {line} cannot be read as CSV in UTF-8", path.display()));
    let header = reader.headers().map_err(|_| wrong(1))?.clone();
    let column = |name: &str| {
        header.iter().position(|h| h == name).ok_or_else(|| {
            Failure::usage(format!("{} has no column `{name}`", path.display())).hint("name the columns with `--subject` and `--text`")
        })
    };
    let (subject, text) = (column(subject)?, column(text)?);
    // The pseudonyms of this audit live in memory only; nobody can be recognised by them afterwards.
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|e| Failure::failed(format!("the system gives no randomness: {e}")))?;
    let key = PseudonymKey::from_bytes(key);
    let mut rows = vec![];
    for record in reader.records() {
        let record = record.map_err(|e| wrong(e.position().map_or(0, csv::Position::line)))?;
        rows.push((key.subject("messages", &record[subject]), record[text].to_owned()));
    }
    Ok(rows.into_iter().collect())
}

fn table(audit: &TextAudit) -> String {
    let mut text = format!(
        "{}: {} messages of {} units, {} secrets planted, each in the messages of one unit\n\n",
        audit.statement,
        thousands(audit.messages),
        thousands(audit.units),
        audit.secrets
    );
    text += "                      cards said in full   exposure of secrets repeated   bits a byte,\n";
    text += "                      (repeated ≥ 8 times) ≥ 8 times, bits of 10 at most   held out\n";
    let mut line = |name: &str, leak: &Leak| {
        let said = format!("{} of {}", leak.extracted, leak.planted);
        text.push_str(&format!("  {name:<20}{said:<21}{:<31.2}{:.2}\n", leak.exposure_bits, leak.bits_per_byte));
    };
    line("without privacy", &audit.baseline);
    line("on redacted text", &audit.redacted);
    line("under ε", &audit.private);
    text += &format!("  {:<72}{:.2}\n", "by the frequencies of bytes alone", audit.frequencies_bits_per_byte);
    let asked = &audit.baseline.extraction;
    text += &format!(
        "\n  asked for the last {} bytes of {} messages with the {} before them; nearly: but for one byte in ten, in edits\n",
        asked.suffix,
        thousands(asked.seen.asked),
        asked.prefix
    );
    text += "                      in full   nearly   found before 100 wrong guesses   of those never seen: in full, nearly\n";
    for (name, leak) in [("without privacy", &audit.baseline), ("on redacted text", &audit.redacted), ("under ε", &audit.private)] {
        let (e, never) = (&leak.extraction, &leak.extraction.unseen);
        let never = format!("{} and {} of {}", never.in_full, never.nearly, never.asked);
        text += &format!("  {name:<20}{:<10}{:<9}{:<33}{never}\n", e.seen.in_full, e.seen.nearly, e.found);
    }
    text += &format!("\n  under ε: {}, {}, {}; not released\n", bound(audit.epsilon_upper, audit.delta), audit.neighbours, audit.unit);
    text += &format!(
        "  under ε, mean exposure of all {} secrets: {:.2} bits; of secrets that nobody planted {:.2}, in 95 of 100 cases under {:.2}\n",
        audit.secrets, audit.private.mean_bits, audit.null_mean_bits, audit.null_mean_upper_bits
    );
    text += &format!("\n  asked to go on after “{}”, planted {} (12 times)\n", audit.asked.trim_end(), audit.planted_ends_in);
    for (name, leak) in [("without privacy", &audit.baseline), ("on redacted text", &audit.redacted), ("under ε", &audit.private)] {
        text += &format!("    {name:<18}“{}”\n", leak.says);
    }
    text + "\n  These are measurements of these three runs and these attacks. What bounds every attack is the ε.\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart_and_labels_left_out() {
        let messages = by_lines(b"ham\tsee you\tat six\r\n\nspam\tcall now\nplain \xff line\n\nlast", NonZeroUsize::new(2).unwrap());
        let mut texts: Vec<Vec<String>> = messages.units().map(|(_, texts)| texts.to_vec()).collect();
        texts.sort();
        assert_eq!(texts, [vec!["at six", "call now"], vec!["plain \u{fffd} line", "last"]]);
    }
}
