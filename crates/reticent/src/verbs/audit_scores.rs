//! `audit scores`: analyse scores or answers that any tool wrote. No workspace, no config.

use crate::audit::{self, ALPHA};
use crate::failure::{Failure, quietly};
use crate::output::{Answer, say, thousands};
use crate::report::render_audit;
use clap::Args;
use reticent_accounting::{Delta, Epsilon};
use reticent_audit::answers_file::{Answers, Attacked};
use reticent_audit::attacks::{self, Name};
use reticent_audit::controls::Control;
use reticent_audit::scores_file::ScoresFile;
use reticent_audit::{
    Attack, Error, Finding, LowerBound, Measured, MemberScores, Stated, Threshold, Verdict, answers_file, ceiling, controls, scores_file,
};
use reticent_data::{PARQUET_MAGIC, ParquetRows};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Seek};
use std::path::PathBuf;

/// How to write the file, in the two most common libraries.
const WRITERS: &str = "\
scikit-learn: `X`, `y`, and `member` with 1 for each row that `model` was fitted on
    import pandas as pd
    p = model.predict_proba(X)
    rows = pd.DataFrame({f\"p_{k}\": p[:, k] for k in range(p.shape[1])})
    rows.insert(0, \"label\", y)
    rows.insert(0, \"member\", member)
    rows.to_csv(\"answers.csv\", index_label=\"id\")  # or rows.rename_axis(\"id\").to_parquet(\"answers.parquet\")
PyTorch: the same with
    p = torch.softmax(model.eval()(X), dim=1).detach().double().numpy()
reference models: for each of them ref_n = its probability of the true class, in_n = 1 where it was trained with the row
inputs, as numbers: x_0 to x_m, for a blind baseline and quantile regression
";

#[derive(Args)]
#[command(after_help = "Two kinds of file, CSV or Parquet, told apart by their columns:\n\
  scores     `member`, `score` (higher: more likely a member), perhaps `unit` or `id`\n\
  answers    `member`, `label`, `p_0` to `p_k`, perhaps `unit` or `id`, and of reference models `ref_n` (probability of the true class)\n\
             and `in_n` (trained with the row), perhaps `x_0` to `x_m` (what the model was asked, as numbers), and perhaps `withstood` (the\n\
             share of noisy copies of the row that keep its label): the attacks are made here, quantile regression and a blind baseline\n\
             with `x_…`, LiRA, RMIA and BASE with reference models; --attack chooses others\n\
`member` is 0, 1, true or false; what belongs to one unit is averaged over its lines. `--template` prints a file of answers, and how to write one\n\
from scikit-learn and PyTorch. A lower bound on ε rests on how membership was drawn: say it with --design.\n\
Example: reticent audit scores scores.csv --epsilon 2 --delta 1e-5")]
pub(crate) struct AuditScores {
    /// CSV or Parquet file with scores or answers
    #[arg(required_unless_present_any = ["template", "attacks"])]
    file: Option<PathBuf>,
    /// Print a file of answers to begin with
    #[arg(long, conflicts_with = "file")]
    template: bool,
    /// Whose scores these are: of one model, each unit in or out by its own fair coin; or each from a run of its own
    #[arg(long, value_enum, default_value_t = Design::OneRun)]
    design: Design,
    /// Attacks on answers, by name [default: the usual ones]; `all`, or `list` to see what there is
    #[arg(long = "attack", value_name = "NAME", value_delimiter = ',')]
    attacks: Vec<String>,
    #[command(flatten)]
    against: Against,
}

/// What is held against what is measured, and what is made of it: of every audit by scores or answers.
#[derive(Args, Clone)]
pub(super) struct Against {
    /// The stated upper bound to hold the measurement against
    #[arg(long)]
    pub(super) epsilon: Option<f64>,
    /// Its δ
    #[arg(long, default_value = "1e-5")]
    pub(super) delta: f64,
    /// Seed of the controls and of ties
    #[arg(long, default_value_t = 0)]
    pub(super) seed: u64,
    /// Also write a page with the curve, the spread of the scores and measured beside stated
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
}

/// What attacks were made on, in numbers and words.
pub(super) struct About<'a> {
    pub(super) lines: u64,
    pub(super) units: usize,
    pub(super) references: usize,
    pub(super) unit: &'a str,
    pub(super) access: &'a str,
}

/// How membership was drawn.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Design {
    OneRun,
    IndependentRuns,
}

impl AuditScores {
    /// The same analysis of what another verb brought.
    pub(super) fn brought(file: PathBuf, against: Against, attacks: Vec<String>) -> Self {
        Self { file: Some(file), template: false, design: Design::OneRun, attacks, against }
    }

    pub(crate) fn run(&self) -> Result<Answer, Failure> {
        if self.attacks.iter().any(|a| a == "list") {
            return Ok(audit::attack_list(false));
        }
        if self.file.is_none() && !self.template {
            return Err(
                Failure::usage("a file to attack is missing").hint("`reticent audit scores FILE --attack NAME`, or `--attack list`")
            );
        }
        let Some(file) = &self.file else {
            say(WRITERS);
            return Ok(Answer::new(answers_file::TEMPLATE.to_owned(), json!({ "template": answers_file::TEMPLATE, "writers": WRITERS })));
        };
        let unreadable = |e: std::io::Error| crate::disk::io("read", file, &e);
        let mut open = BufReader::new(std::fs::File::open(file).map_err(unreadable)?);
        let head = open.fill_buf().map_err(unreadable)?;
        if head.starts_with(PARQUET_MAGIC) {
            let mut file = open.into_inner();
            file.rewind().map_err(unreadable)?;
            let rows = quietly(|| ParquetRows::open(file))
                .map_err(|e| Failure::usage(e.to_string()).hint("write it anew, or as CSV; nothing was measured"))?;
            let names = rows.header().iter().chain(rows.unread().iter().map(|(name, _)| name));
            return if answers_file::is_header(names.map(String::as_str)) {
                self.of_answers(quietly(|| answers_file::read_parquet(rows)).map_err(of_answers_file)?)
            } else {
                self.of_scores(quietly(|| scores_file::read_parquet(rows))?)
            };
        }
        let line = String::from_utf8_lossy(head.split(|b| *b == b'\n').next().unwrap_or_default()).into_owned();
        if answers_file::is_header(line.split(',')) {
            self.of_answers(answers_file::read(open).map_err(of_answers_file)?)
        } else {
            self.of_scores(scores_file::read(open)?)
        }
    }

    fn of_scores(&self, read: ScoresFile) -> Result<Answer, Failure> {
        let unit = if read.by_unit { "unit" } else { "line" };
        let (name, variant) = ("scores from a file", self.design.variant());
        if !self.attacks.is_empty() {
            return Err(Failure::usage("`--attack` chooses attacks on answers, and this file holds scores: the attack was made already"));
        }
        let of = Attacked { name, variant: variant.into(), scores: read.scores, threshold: None };
        let finding = self.finding(&of, "whatever the tool that made the scores had", unit, None, ALPHA)?;
        let json = json!({ "lines": read.lines, "finding": audit::finding_json(&finding), "controls": finding.controls,
            "audit": { "epsilon_lower": finding.lower_bound.as_ref().map(LowerBound::epsilon), "epsilon_upper": finding.epsilon_upper, "epsilon_ceiling": finding.epsilon_ceiling } });
        let page = self.page(&finding, &of.scores, &[&finding])?;
        Ok(Answer::new(audit::finding_text(&finding, unit) + &what_to_bring(&[&finding]) + &page, json))
    }

    pub(super) fn of_answers(&self, answers: Answers) -> Result<Answer, Failure> {
        let unit = if answers.by_unit { "unit" } else { "line" };
        let attacks = match &self.attacks[..] {
            [] => answers.attacks()?,
            named => {
                // Of `all`, those for which the file holds enough.
                let all = named.iter().any(|n| n == "all");
                let chosen: Vec<Name> = attacks::named(named)?.into_iter().filter(|a| !all || answers.holds(a.needs)).collect();
                answers.chosen(&chosen, self.against.seed)?
            }
        };
        let blind = match answers.blind() {
            Some((inputs, member)) => match controls::blind_baseline(&inputs, member, self.against.seed) {
                Ok(control) => Some(control),
                Err(Error::OneSided { .. }) => None,
                Err(other) => return Err(other.into()),
            },
            None => None,
        };
        let access = format!("probabilities of the model, labels; {} reference models", answers.references);
        let about = About { lines: answers.lines, units: answers.units, references: answers.references, unit, access: &access };
        self.of_attacks(&attacks, &about, blind.as_ref())
    }

    /// Every attack at its share of the level, so that the largest of their bounds keeps it.
    pub(super) fn of_attacks(&self, attacks: &[Attacked], about: &About<'_>, blind: Option<&Control>) -> Result<Answer, Failure> {
        let (unit, alpha) = (about.unit, ALPHA / attacks.len() as f64);
        let findings: Vec<Finding> =
            attacks.iter().map(|attack| self.finding(attack, about.access, unit, blind, alpha)).collect::<Result<_, Failure>>()?;
        let most = findings
            .iter()
            .filter_map(|f| f.lower_bound.as_ref())
            .map(LowerBound::epsilon)
            .fold(None, |most: Option<f64>, e| Some(most.map_or(e, |m| m.max(e))));
        let all: Vec<Value> = findings.iter().map(audit::finding_json).collect();
        let json = json!({ "lines": about.lines, "units": about.units, "references": about.references, "findings": all,
            "audit": { "epsilon_lower": most, "epsilon_upper": self.against.epsilon, "attacks": attacks.len(), "confidence": 1.0 - ALPHA } });
        let first = &findings[0];
        let mut text = format!(
            "{} members, {} others, by {unit}; {} reference models\n\n",
            thousands(first.members as u64),
            thousands(first.non_members as u64),
            about.references
        );
        text += &audit::attacks_text(&findings);
        text +=
            &format!("\nlower bound on ε: each attack at its share of the level, {} of them, so that the largest holds\n", attacks.len());
        let best = findings.iter().zip(attacks).max_by(|a, b| {
            let epsilon = |f: &Finding| f.lower_bound.as_ref().map_or(-1.0, LowerBound::epsilon);
            epsilon(a.0).total_cmp(&epsilon(b.0))
        });
        let mut page = String::new();
        if let Some((best, attack)) = best {
            page = self.page(best, &attack.scores, &findings.iter().collect::<Vec<_>>())?;
            text += &format!("  by         {}\n{}", best.attack.name, audit::bounds(best));
        }
        for gap in &first.not_tested {
            text += &format!("not tested: {gap}\n");
        }
        Ok(Answer::new(text + &what_to_bring(&findings.iter().collect::<Vec<_>>()) + &page, json))
    }

    /// Writes the page, where one was asked for: of the attack with the largest lower bound, with the areas of all.
    fn page(&self, finding: &Finding, scores: &MemberScores, all: &[&Finding]) -> Result<String, Failure> {
        let Some(path) = &self.against.html else { return Ok(String::new()) };
        let name = self.file.as_ref().and_then(|f| f.file_name()).map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let covers = "this model, as whoever ran the audit states it; nothing of that was checked here";
        let section = audit::section(&format!("the model of {name}"), covers, finding, scores, all)?;
        crate::disk::write(path, render_audit(&section).as_bytes())?;
        Ok(format!("page: {}\n", path.display()))
    }

    fn finding(&self, of: &Attacked, access: &str, unit: &str, blind: Option<&Control>, alpha: f64) -> Result<Finding, Failure> {
        let delta = Delta::new(self.against.delta)?;
        let stated = match self.against.epsilon {
            Some(epsilon) => Some(Stated { epsilon: Epsilon::new(epsilon)?, delta, event: None }),
            None => None,
        };
        let mut gaps = match blind {
            Some(_) => vec![],
            None => vec!["whether members differ by themselves: the file holds no inputs for a blind baseline".to_owned()],
        };
        let lower = self.lower(&of.scores, delta, alpha, &mut gaps)?;
        gaps.push(format!("what a lower bound assumes: {}", self.design.assumes()));
        let attack = Attack {
            name: of.name.into(),
            variant: of.variant.clone(),
            threat_model: access.into(),
            unit: unit.into(),
            seed: self.against.seed,
        };
        let checks = blind.cloned().into_iter().chain([controls::random_membership(&of.scores, self.against.seed)?]).collect();
        Ok(Finding::new(attack, &of.scores, checks, of.threshold, lower, stated.as_ref(), gaps)?)
    }

    fn lower(&self, scores: &MemberScores, delta: Delta, alpha: f64, gaps: &mut Vec<String>) -> Result<Option<Measured>, Failure> {
        let (members, others) = (scores.members(), scores.non_members());
        match self.design {
            Design::OneRun => {
                let all = members + others;
                let guesses: Vec<usize> = [all / 10, all].into_iter().filter(|&g| g > 0).collect();
                match LowerBound::one_run(scores, delta, alpha, &guesses, self.against.seed) {
                    Ok(bound) => Ok(Some(Measured { bound, ceiling: ceiling::one_run(all, alpha / guesses.len() as f64)?, power: None })),
                    Err(error @ Error::NotFairCoins { .. }) => {
                        gaps.push(format!("a lower bound on ε: {error}"));
                        Ok(None)
                    }
                    Err(other) => Err(other.into()),
                }
            }
            Design::IndependentRuns if members > 1 && others > 1 => {
                let bound = LowerBound::clopper_pearson(scores, delta, alpha, &Threshold::Split { seed: self.against.seed })?;
                let ceiling = ceiling::clopper_pearson(members.div_ceil(2), others.div_ceil(2), alpha)?;
                Ok(Some(Measured { bound, ceiling, power: None }))
            }
            Design::IndependentRuns => {
                gaps.push("a lower bound on ε: two units on each side are needed to choose a threshold on one half".into());
                Ok(None)
            }
        }
    }
}

impl Design {
    fn variant(self) -> &'static str {
        match self {
            Self::OneRun => "scores of one model",
            Self::IndependentRuns => "scores of independent runs",
        }
    }

    fn assumes(self) -> &'static str {
        match self {
            Self::OneRun => "each unit was in or out by its own fair coin",
            Self::IndependentRuns => "each score is from a run of its own",
        }
    }
}

/// What is wrong with a file of answers, with the columns of one.
pub(super) fn of_answers_file(error: Error) -> Failure {
    match error {
        Error::File { .. } => Failure::usage(format!("the file of answers cannot be used; nothing was measured\n{error}")).hint(
            "columns: `member` (0, 1, true, false), `label` (0 to k), `p_0` to `p_k` (adding up to 1), perhaps `unit` or `id`, and of reference \
             models `ref_n` with `in_n`; `reticent audit scores --template` prints such a file",
        ),
        other => other.into(),
    }
}

/// Where a control failed: which data would give a finding that holds.
fn what_to_bring(findings: &[&Finding]) -> String {
    if !findings.iter().any(|f| matches!(f.verdict, Verdict::Invalid { .. })) {
        return String::new();
    }
    "what to bring for a finding that holds: members and others drawn from one source by a fair coin before training; one line for each row, \
     or a column `unit` that puts the rows of a person together; and no order in the file that follows membership\n"
        .into()
}
