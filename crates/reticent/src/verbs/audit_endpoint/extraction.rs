//! Extraction by prefix: asked to go on after the beginning of a text, does the model say the rest of it? What it says is compared and not kept.

use super::kept::Kept;
use crate::failure::Failure;
use crate::outward::Outward;
use crate::verbs::audit_records::Records;
use reticent_audit::MemberScores;
use reticent_audit::answers_file::Attacked;
use reticent_audit::text::edit_distance::{NEAR, edit_distance};
use serde_json::{Value, json};

/// Columns of the file of answers: how many characters of the rest were said without an error, how many there are, and by how many edits what was said
/// differs from it.
pub(super) const HEADER: [&str; 5] = ["id", "member", "said", "length", "edits"];

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
            let counts = compared(text, &line[self.suffix]).map(|count| count.to_string());
            rows.push([self.records.id(line, from + at), line[member].to_owned()].into_iter().chain(counts).collect());
        }
        Ok(rows)
    }
}

/// Characters of `suffix` that `text` begins with, blanks before both left out, how many there are, and the edit distance of as much of `text`.
fn compared(text: &str, suffix: &str) -> [usize; 3] {
    let rest: Vec<char> = suffix.trim_start().chars().collect();
    let said: Vec<char> = text.trim_start().chars().take(rest.len()).collect();
    let matched = said.iter().zip(&rest).take_while(|(a, b)| a == b).count();
    [matched, rest.len(), edit_distance(&said, &rest)]
}

/// How many of each side were said in full, and in full or but for [`NEAR`] of their length in edits, beside how many there are.
#[derive(Default)]
pub(super) struct InFull {
    members: Side,
    others: Side,
}

#[derive(Default)]
struct Side {
    in_full: usize,
    nearly: usize,
    of: usize,
}

impl InFull {
    pub(super) fn text(&self) -> String {
        let (m, o) = (&self.members, &self.others);
        format!(
            "said in full: {} of {} members, {} of {} others, which the model never saw\nin full or but for one character in ten, in edits: {} members, {} others\n",
            m.in_full, m.of, o.in_full, o.of, m.nearly, o.nearly
        )
    }

    pub(super) fn json(&self) -> Value {
        let side = |s: &Side| json!({ "in_full": s.in_full, "nearly": s.nearly, "of": s.of });
        json!({ "members": side(&self.members), "others": side(&self.others), "nearly_at_most_edits": NEAR })
    }
}

/// The attack on what is kept: the share of the rest that was said.
pub(super) fn attacks(kept: &Kept) -> Result<(Vec<Attacked>, InFull), Failure> {
    let damaged =
        || Failure::failed("the kept answers cannot be read").hint(format!("begin the audit anew: remove {}", kept.file().display()));
    let mut reader = csv::Reader::from_path(kept.file()).map_err(|_| damaged())?;
    let (mut members, mut others, mut counts) = (vec![], vec![], InFull::default());
    for line in reader.records() {
        let line = line.map_err(|_| damaged())?;
        let number = |at: usize| line.get(at).and_then(|cell| cell.parse::<f64>().ok()).ok_or_else(damaged);
        let (share, edits) = (number(2)? / number(3)?.max(1.0), number(4)? / number(3)?.max(1.0));
        let (scores, side) = match line.get(1) {
            Some("1" | "true" | "True" | "TRUE") => (&mut members, &mut counts.members),
            _ => (&mut others, &mut counts.others),
        };
        scores.push(share);
        side.of += 1;
        side.in_full += usize::from(share >= 1.0);
        side.nearly += usize::from(edits <= NEAR + 1e-9);
    }
    let variant = "share of the rest that is said, greedy decoding (Carlini et al. 2021)".to_owned();
    Ok((vec![Attacked { name: "extraction", variant, scores: MemberScores::new(members, others)?, threshold: Some(1.0) }], counts))
}

#[cfg(test)]
mod tests {
    use super::compared;

    #[test]
    fn what_is_said_is_counted_to_the_first_difference_and_by_edits() {
        for (text, suffix, expected) in [
            ("4111 1111 and so on", "4111 1111", [9, 9, 0]),
            (" 4111", "4111", [4, 4, 0]),
            ("4112", "4111", [3, 4, 1]),
            ("", "4111", [0, 4, 4]),
            ("größe", "größer", [5, 6, 1]),
            ("x4111 1111 1111", "4111 1111 1111", [0, 14, 2]),
        ] {
            assert_eq!(compared(text, suffix), expected, "{text}");
        }
    }
}
