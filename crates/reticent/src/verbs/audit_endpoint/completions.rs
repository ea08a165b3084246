//! OpenAI-compatible completions: ln P of the tokens of a text that is sent as a prompt and echoed.

use super::kept::Kept;
use crate::failure::Failure;
use crate::outward::Outward;
use crate::verbs::audit_records::Records;
use reticent_audit::MemberScores;
use reticent_audit::answers_file::Attacked;
use reticent_audit::text::score::AlongText;
use serde_json::{Value, json};

/// Columns of the file of answers: of each text three scores, higher meaning "more likely a member". The text is not in it.
pub(super) const HEADER: [&str; 5] = ["id", "member", "loss", "min_k", "zlib"];

/// Share of the tokens that Min-K% looks at, as its authors chose it.
const SHARE: f64 = 0.2;

/// What is asked.
pub(super) struct Asked<'a> {
    records: &'a Records,
    model: &'a str,
    text: usize,
}

impl<'a> Asked<'a> {
    pub(super) fn of(records: &'a Records, model: &'a str) -> Result<Self, Failure> {
        let text = records.need("text")?;
        if let Some(at) = records.lines.iter().position(|line| line[text].is_empty()) {
            return Err(Failure::usage(format!("line {}: `text` is empty", at + 2)));
        }
        Ok(Self { records, model, text })
    }

    /// The scores of some texts, the first of which is number `from`.
    pub(super) fn answers(&self, outward: &Outward, lines: &[csv::StringRecord], from: usize) -> Result<Vec<Vec<String>>, Failure> {
        let texts: Vec<&str> = lines.iter().map(|line| &line[self.text]).collect();
        let body = json!({ "model": self.model, "prompt": texts, "max_tokens": 0, "temperature": 0, "echo": true, "logprobs": 1 });
        let answer = outward.post("/v1/completions", &body)?;
        let choices = answer["choices"].as_array().map(Vec::as_slice).unwrap_or_default();
        if choices.len() != lines.len() {
            let lines = format!("lines {} to {}", from + 2, from + 1 + lines.len());
            return Err(Failure::failed(format!("what {} answers to {lines} has another number of choices than texts", outward.host()))
                .hint("it may take one text at a time: `--batch 1`"));
        }
        let member = self.records.need("member")?;
        let mut rows = vec![];
        for (at, line) in lines.iter().enumerate() {
            // In the order that `index` says, where it says one.
            let choice = choices.iter().find(|c| c["index"] == at).unwrap_or(&choices[at]);
            let along = along(&choice["logprobs"]["token_logprobs"]).ok_or_else(|| {
                Failure::failed(format!("{} gives no log-probabilities of the text in line {}", outward.host(), from + at + 2)).hint(
                    "the endpoint must echo the prompt with `logprobs`; many hosted models do not: then only what it writes can be looked at",
                )
            })?;
            let zlib = along.against_zlib(line[self.text].as_bytes())?;
            let mut row = vec![self.records.id(line, from + at), line[member].to_owned()];
            row.extend([along.log_likelihood(), along.min_k(SHARE)?, zlib].map(|score| score.to_string()));
            rows.push(row);
        }
        Ok(rows)
    }
}

/// The first token has no probability of its own: nothing stands before it.
fn along(token_logprobs: &Value) -> Option<AlongText> {
    let all = token_logprobs.as_array()?;
    let skip = usize::from(all.first().is_some_and(Value::is_null));
    let log_p: Option<Vec<f64>> = all[skip..].iter().map(Value::as_f64).collect();
    AlongText::of_log_probabilities(&log_p?).ok()
}

/// The attacks on what is kept.
pub(super) fn attacks(kept: &Kept) -> Result<Vec<Attacked>, Failure> {
    let path = kept.file();
    let damaged = || Failure::failed("the kept answers cannot be read").hint(format!("begin the audit anew: remove {}", path.display()));
    let mut reader = csv::Reader::from_path(&path).map_err(|_| damaged())?;
    let (mut members, mut others) = ([vec![], vec![], vec![]], [vec![], vec![], vec![]]);
    for line in reader.records() {
        let line = line.map_err(|_| damaged())?;
        let side = if matches!(line.get(1), Some("1" | "true" | "True" | "TRUE")) { &mut members } else { &mut others };
        for (scores, cell) in side.iter_mut().zip(line.iter().skip(2)) {
            scores.push(cell.parse().map_err(|_| damaged())?);
        }
    }
    let variants = [
        "mean ln P of the tokens",
        "mean ln P of the 20% least likely tokens (Shi et al. 2024)",
        "bytes after zlib over minus the mean ln P (Carlini et al. 2021)",
    ];
    let (mut members, mut others) = (members.into_iter(), others.into_iter());
    let mut attacks = vec![];
    for (name, variant) in ["loss", "Min-K%", "zlib"].into_iter().zip(variants) {
        let scores = MemberScores::new(members.next().unwrap_or_default(), others.next().unwrap_or_default())?;
        attacks.push(Attacked { name, variant: variant.to_owned(), scores, threshold: None });
    }
    Ok(attacks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_probabilities_that_are_missing_are_no_zeros() {
        assert!((along(&json!([null, -1.0, -3.0])).unwrap().log_likelihood() + 2.0).abs() < 1e-12);
        for none in [json!(null), json!([]), json!([null]), json!([null, -1.0, null]), json!([null, "x"])] {
            assert!(along(&none).is_none(), "{none}");
        }
    }
}
