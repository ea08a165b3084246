//! Extraction by prefix: asked to go on after the beginning of a text, does the model say the rest of it? What it says is compared and not kept.

use super::kept::Kept;
use crate::failure::Failure;
use crate::outward::Outward;
use crate::verbs::audit_records::Records;
use reticent_audit::MemberScores;
use reticent_audit::answers_file::Attacked;
use serde_json::{Value, json};

/// Columns of the file of answers: how many characters of the rest were said without an error, and how many there are.
pub(super) const HEADER: [&str; 4] = ["id", "member", "said", "length"];

/// What is asked.
pub(super) struct Asked<'a> {
    records: &'a Records,
    model: &'a str,
    prefix: usize,
    suffix: usize,
}

impl<'a> Asked<'a> {
    pub(super) fn of(records: &'a Records, model: &'a str) -> Result<Self, Failure> {
        let (prefix, suffix) = (records.need("prefix")?, records.need("suffix")?);
        if let Some(at) = records.lines.iter().position(|line| line[prefix].is_empty() || line[suffix].is_empty()) {
            return Err(Failure::usage(format!("line {}: `prefix` or `suffix` is empty", at + 2)));
        }
        Ok(Self { records, model, prefix, suffix })
    }

    /// How much of each rest is said, the first of which is number `from`.
    pub(super) fn answers(&self, outward: &Outward, lines: &[csv::StringRecord], from: usize) -> Result<Vec<Vec<String>>, Failure> {
        let prefixes: Vec<&str> = lines.iter().map(|line| &line[self.prefix]).collect();
        // No token is shorter than a character, but for blanks that a model may put first.
        let longest = lines.iter().map(|line| line[self.suffix].chars().count()).max().unwrap_or(0);
        let body = json!({ "model": self.model, "prompt": prefixes, "max_tokens": longest + 1, "temperature": 0 });
        let answer = outward.post("/v1/completions", &body)?;
        let choices = answer["choices"].as_array().map(Vec::as_slice).unwrap_or_default();
        let member = self.records.need("member")?;
        let mut rows = vec![];
        for (at, line) in lines.iter().enumerate() {
            let choice = choices.iter().find(|c| c["index"] == at).or_else(|| choices.get(at).filter(|c| c["index"].is_null()));
            let text = choice.and_then(|c| c["text"].as_str()).ok_or_else(|| {
                Failure::failed(format!("what {} answers to line {} holds no text", outward.host(), from + at + 2))
                    .hint("it may take one text at a time: `--batch 1`")
            })?;
            let (said, length) = matched(text, &line[self.suffix]);
            rows.push(vec![self.records.id(line, from + at), line[member].to_owned(), said.to_string(), length.to_string()]);
        }
        Ok(rows)
    }
}

/// Characters of `suffix` that `text` begins with, blanks before both left out, and how many there are.
fn matched(text: &str, suffix: &str) -> (usize, usize) {
    let suffix = suffix.trim_start();
    let said = text.trim_start().chars().zip(suffix.chars()).take_while(|(a, b)| a == b).count();
    (said, suffix.chars().count())
}

/// How many of each side were said in full, beside how many there are: members first.
pub(super) struct InFull {
    pub(super) members: (usize, usize),
    pub(super) others: (usize, usize),
}

impl InFull {
    pub(super) fn text(&self) -> String {
        format!(
            "said in full: {} of {} members, {} of {} others, which the model never saw\n",
            self.members.0, self.members.1, self.others.0, self.others.1
        )
    }

    pub(super) fn json(&self) -> Value {
        let side = |(said, of): (usize, usize)| json!({ "in_full": said, "of": of });
        json!({ "members": side(self.members), "others": side(self.others) })
    }
}

/// The attack on what is kept: the share of the rest that was said.
pub(super) fn attacks(kept: &Kept) -> Result<(Vec<Attacked>, InFull), Failure> {
    let damaged =
        || Failure::failed("the kept answers cannot be read").hint(format!("begin the audit anew: remove {}", kept.file().display()));
    let mut reader = csv::Reader::from_path(kept.file()).map_err(|_| damaged())?;
    let (mut members, mut others) = (vec![], vec![]);
    for line in reader.records() {
        let line = line.map_err(|_| damaged())?;
        let number = |at: usize| line.get(at).and_then(|cell| cell.parse::<f64>().ok()).ok_or_else(damaged);
        let share = number(2)? / number(3)?.max(1.0);
        if matches!(line.get(1), Some("1" | "true" | "True" | "TRUE")) { members.push(share) } else { others.push(share) }
    }
    let in_full = |scores: &[f64]| (scores.iter().filter(|s| **s >= 1.0).count(), scores.len());
    let said = InFull { members: in_full(&members), others: in_full(&others) };
    let variant = "share of the rest that is said, greedy decoding (Carlini et al. 2021)".to_owned();
    Ok((vec![Attacked { name: "extraction", variant, scores: MemberScores::new(members, others)?, threshold: Some(1.0) }], said))
}

#[cfg(test)]
mod tests {
    use super::matched;

    #[test]
    fn what_is_said_is_counted_to_the_first_difference() {
        for (text, suffix, expected) in [
            ("4111 1111 and so on", "4111 1111", (9, 9)),
            (" 4111", "4111", (4, 4)),
            ("4112", "4111", (3, 4)),
            ("", "4111", (0, 4)),
            ("größe", "größer", (5, 6)),
        ] {
            assert_eq!(matched(text, suffix), expected, "{text}");
        }
    }
}
