//! The audit of a released model: three targets, three attacks each, canaries, and what all of it is held against.

mod canary;
mod further;
mod inversion;
mod page;
mod recipe;
mod show;

pub(crate) use further::Further;
pub(crate) use page::section;
pub(crate) use show::{attacks_text, bounds, finding_json, finding_text, json, numbers, text};

use crate::failure::Failure;
use crate::output::{Answer, Progress};
use crate::verbs::train::ModelManifest;
use canary::Canaries;
use further::{FURTHER, FurtherFindings};
use recipe::Recipe;
use reticent_accounting::{Delta, Epsilon};
use reticent_audit::attacks::{self, Material, Name, Needs, PHI, References, SIGNALS};
use reticent_audit::kept::Kept;
use reticent_audit::label_only;
use reticent_audit::membership::{KnownRows, by_signal, confidence};
use reticent_audit::shadow::{balanced_matrix, shadow_phi_kept};
use reticent_audit::{Attack, Error, Finding, MemberScores, Scores, Stated, controls};
use reticent_data::{PermittedTable, SubjectId};
use serde_json::{Value, json};
use std::sync::Mutex;

/// All that was measured.
pub(crate) struct Audit {
    pub(crate) targets: Vec<Attacked>,
    /// The lower bound from planted canaries, and the largest it could have been.
    pub(crate) canaries: Option<Finding>,
    pub(crate) planted: usize,
    pub(crate) shadows: usize,
    pub(crate) seed: u64,
    /// Models trained for this and thrown away.
    pub(crate) models: u64,
    /// Shadow models whose answers an earlier audit kept: not trained again.
    pub(crate) kept: usize,
    /// What was attacked beside membership.
    pub(crate) further: FurtherFindings,
    /// What was left out, or could not be told.
    pub(crate) gaps: Vec<String>,
    /// LiRA's scores on the released model, for a question about one unit.
    pub(crate) private: (Scores<SubjectId>, MemberScores),
}

/// How many shadow models each target has, and where their answers are kept.
#[derive(Clone, Copy)]
pub(crate) struct Shadows<'a> {
    pub(crate) number: usize,
    pub(crate) kept: &'a Kept,
}

/// One target under all attacks.
pub(crate) struct Attacked {
    pub(crate) name: &'static str,
    pub(crate) about: String,
    pub(crate) findings: Vec<Finding>,
    scores: Scores<SubjectId>,
    sides: MemberScores,
}

/// Attacks the released model, its twin and one that is meant to leak. `pool` holds the units that the gate admits now and that were
/// admitted when the model was trained.
pub(crate) fn audit_model(
    manifest: &ModelManifest,
    weights: &[u8],
    pool: &PermittedTable,
    shadows: Shadows<'_>,
    (chosen, further): (&[Name], &Further),
    seed: u64,
    mut gaps: Vec<String>,
) -> Result<Audit, Failure> {
    let mut progress = Progress::new("shadow models", 3 * shadows.number as u64 + 3);
    let mut done = 0;
    let mut tick = || {
        done += 1;
        progress.at(done);
    };
    // The released plan's own ε, not that of its reserves: one release is attacked.
    let stated =
        Stated { epsilon: Epsilon::new(manifest.epsilon)?, delta: Delta::new(manifest.delta)?, event: Some(manifest.plan.event()) };
    let mut targets = vec![];
    let (mut models, mut kept) = (0, 0);
    let mut beside = FurtherFindings::default();
    for name in ["private", "baseline", "overfit"] {
        let recipe = match name {
            "private" => recipe::private(manifest, weights, pool, seed)?,
            "baseline" => recipe::baseline(manifest, pool)?,
            _ => recipe::overfit(manifest, pool, seed)?,
        };
        tick();
        let stated = (name == "private").then_some(&stated);
        let of = Plan { unit: &manifest.unit, shadows, chosen, seed, stated };
        let (attacked, trained) = attack(&recipe, &of, &mut gaps, &mut tick)?;
        further.of(&recipe, &of, &mut gaps, &mut beside)?;
        models += recipe.trained + trained as u64;
        kept += shadows.number - trained;
        targets.push(attacked);
    }
    // Answers for other rows and recipes serve no audit any more.
    shadows.kept.drop_unused()?;
    further.inversion(manifest, weights, pool, seed, &mut gaps, &mut beside)?;
    beside.updates = further.updates(manifest, weights, pool, seed, &mut gaps)?;
    models += beside.models;
    let measured = canary::measure(manifest, pool, seed)?;
    models += if measured.is_some() { canary::MODELS } else { 0 };
    let planted = measured.as_ref().map_or(0, |c| c.planted);
    if measured.is_none() {
        gaps.push("a lower bound on ε: too few held-out units to plant as canaries".into());
    }
    let canaries = measured.map(|canaries| canary_finding(canaries, &stated, seed)).transpose()?;
    let first = &targets[0];
    let private = (first.scores.clone(), first.sides.clone());
    Ok(Audit { targets, canaries, planted, shadows: shadows.number, seed, models, kept, further: beside, gaps, private })
}

/// What is done to each target.
struct Plan<'a> {
    unit: &'a str,
    shadows: Shadows<'a>,
    chosen: &'a [Name],
    seed: u64,
    stated: Option<&'a Stated>,
}

fn attack(
    recipe: &Recipe<'_>,
    plan: &Plan<'_>,
    gaps: &mut Vec<String>,
    tick: &mut (dyn FnMut() + Send),
) -> Result<(Attacked, usize), Failure> {
    let known = KnownRows::new(&recipe.pool, recipe.cap);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (Shadows { number: shadows, kept }, seed) = (plan.shadows, plan.seed);
    let matrix = balanced_matrix(known.ids().len(), shadows, seed)?;
    let tick = Mutex::new(tick);
    let (shadow, trained) = shadow_phi_kept(&recipe.pool, &known, &matrix, threads, recipe.as_fit(), (kept, &recipe.decides), &mut || {
        (tick.lock().expect("no thread panics while it holds this"))();
    })?;
    let log_p = |phi: &[f64]| phi.iter().map(|f| -(-f).exp().ln_1p()).collect::<Vec<f64>>();
    let shadow_log_p: Vec<Vec<f64>> = shadow.iter().map(|phi| log_p(phi)).collect();
    let classes = known.classes();
    let constant = move |inputs: &[f32], width: usize| vec![1.0 / classes as f64; inputs.len() / width * classes];
    let flat = confidence(&known, &constant)?;
    let (class, inputs) = (known.most_common_class(), known.mean_inputs());
    let mut found: Vec<(Name, String, Vec<MemberScores>)> = plan.chosen.iter().map(|a| (*a, String::new(), vec![])).collect();
    let (mut ratios, mut constants, mut first) = (vec![], vec![], None);
    for (members, target) in &recipe.targets {
        let member: Vec<bool> = known.ids().iter().map(|id| members.contains(id)).collect();
        let signals: Vec<Vec<f64>> =
            SIGNALS.iter().map(|signal| Ok(by_signal(&known, &**target, *signal)?.scores().to_vec())).collect::<Result<_, Error>>()?;
        let asked = plan.chosen.iter().any(|a| a.needs == Needs::Questions);
        let withstood = asked.then(|| label_only::robustness(&known, &**target, seed)).transpose()?;
        let material = Material {
            member: &member,
            class: &class,
            signals: &signals,
            inputs: Some(&inputs),
            withstood: withstood.as_ref().map(Scores::scores),
            references: Some(References { phi: &shadow, log_p: &shadow_log_p, of_target: &log_p(&signals[PHI]), members: &matrix }),
            seed,
        };
        let of = |scores: Vec<f64>| -> Result<_, Error> {
            let scores = Scores::new(known.ids().to_vec(), scores)?;
            let sides = scores.sides(|id| Some(members.contains(id)))?;
            Ok((scores, sides))
        };
        for (attack, variant, sides) in &mut found {
            match material.scores(*attack) {
                Ok(Some((about, scores))) => {
                    *variant = about;
                    sides.push(of(scores)?.1);
                }
                Ok(None) => unreachable!("everything is at hand of a model of ours"),
                // Too few units to learn of some and judge others: told below, for the attack is missing then.
                Err(Error::OneSided { .. }) => {}
                Err(other) => return Err(other.into()),
            }
        }
        let (scores, sides) = of(material.scores(lira())?.expect("everything is at hand").1)?;
        ratios.push(sides);
        constants.push(flat.sides(|id| Some(members.contains(id)))?);
        first.get_or_insert(scores);
    }
    let scores = first.expect("a recipe has a target");
    let (sides, flat) = (MemberScores::pooled(ratios), MemberScores::pooled(constants));
    let mut checks = vec![controls::random_membership(&sides, seed)?, controls::constant_model(&flat)];
    let member: Vec<bool> = known.ids().iter().map(|id| recipe.targets[0].0.contains(id)).collect();
    match controls::blind_baseline(&inputs, &member, seed) {
        Ok(control) => checks.insert(0, control),
        Err(Error::OneSided { .. }) => {
            gaps.push(format!("{}: whether members differ by themselves: fewer than 10 units on a side", recipe.name));
        }
        Err(other) => return Err(other.into()),
    }
    let mut findings = vec![];
    for (attack, about, sides) in found {
        if sides.is_empty() {
            gaps.push(format!("{}: the attack `{}`: it needs {}", recipe.name, attack.id, attack.needs.describe()));
            continue;
        }
        let references = matches!(attack.needs, Needs::Out | Needs::Both);
        let beside = if references { format!("; {shadows} shadow models on random halves of all units attacked") } else { String::new() };
        let attacked = Attack {
            name: attack.id.into(),
            variant: format!("{about}{beside}; mean over a unit's rows"),
            threat_model: threat_model(attack.needs).into(),
            unit: plan.unit.into(),
            seed,
        };
        findings.push(Finding::new(
            attacked,
            &MemberScores::pooled(sides),
            checks.clone(),
            attack.threshold,
            None,
            plan.stated,
            not_tested(),
        )?);
    }
    Ok((Attacked { name: recipe.name, about: recipe.about.clone(), findings, scores, sides }, trained))
}

/// What is attacked with always: reports and documents read these.
pub(crate) const USUAL: [&str; 3] = ["confidence", "loss", "lira"];

fn lira() -> Name {
    attacks::ALL.into_iter().find(|a| a.id == "lira").expect("it is one of them")
}

fn threat_model(needs: Needs) -> &'static str {
    match needs {
        Needs::Answers => "black box: probabilities for rows and labels that the attacker knows; queries do not depend on answers",
        Needs::Population => {
            "black box: probabilities; the attacker also knows rows of the same kind, and of some whether they are members"
        }
        Needs::Inputs => "black box: probabilities; the attacker also knows rows of the same kind that are no members",
        Needs::Questions => "black box: labels alone, for rows with noise; the questions do not depend on answers",
        Needs::Out | Needs::Both => {
            "black box: probabilities; the attacker also knows the recipe and rows of the same kind to train shadow models on"
        }
    }
}

/// Every attack with what it does, for `--attack list`: those on membership, and for a model of ours those beside it.
pub(crate) fn attack_list(of_model: bool) -> Answer {
    let further: &[(&str, &str)] = if of_model { &FURTHER } else { &[] };
    let width = attacks::ALL.iter().map(|a| a.id.len()).max().unwrap_or(0);
    let mut text: String = attacks::ALL.iter().map(|a| format!("{:<width$}  {}; needs {}\n", a.id, a.about, a.needs.describe())).collect();
    text += &further.iter().map(|(name, about)| format!("{name:<width$}  {about}\n")).collect::<String>();
    let all: Vec<Value> = attacks::ALL
        .iter()
        .map(|a| json!({ "name": a.id, "about": a.about, "needs": a.needs.describe(), "threshold": a.threshold }))
        .collect();
    let beside: Vec<Value> = further.iter().map(|(name, about)| json!({ "name": name, "about": about })).collect();
    Answer::new(text, json!({ "attacks": all, "beside_membership": beside }))
}

fn canary_finding(canaries: Canaries, stated: &Stated, seed: u64) -> Result<Finding, Failure> {
    let attack = Attack {
        name: "canaries".into(),
        variant: format!(
            "one run of the same plan with {} held-out units under a wrong label, each in by a fair coin; scored by φ less its mean over runs without and with all canaries; guesses in {:?} (Steinke, Nasr and Jagielski 2023)",
            canaries.planted,
            canary::plan_of_guesses(canaries.planted)
        ),
        threat_model: "black box on the final model; the auditor plants the canaries".into(),
        unit: "canary".into(),
        seed,
    };
    let checks = vec![controls::random_membership(&canaries.scores, seed)?];
    let lower = Some(canaries.measured);
    Ok(Finding::new(attack, &canaries.scores, checks, None, lower, Some(stated), not_tested())?)
}

/// What no audit of this kind can see.
fn not_tested() -> Vec<String> {
    [
        "attacks that see gradients or every step of the training",
        "attackers who know more of the recipe, train more shadow models or ask more often",
        "groups of units together; reconstruction of values; attributes",
        "the released run itself for the lower bound: it is measured on another run of the same plan",
    ]
    .map(str::to_owned)
    .to_vec()
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::File { .. } => Self::usage(format!("the file of scores cannot be used; nothing was measured\n{error}"))
                .hint("columns: `score` (a number, higher: more likely a member), `member` (0, 1, true, false), perhaps `unit` or `id`"),
            Error::FewReferences { .. } => Self::usage(error.to_string()).hint(
                "every unit needs reference models that were trained without it, and where some were trained with it, with it too: columns `ref_n` and `in_n`",
            ),
            Error::ModelFile { .. } => Self::usage(error.to_string()).hint("`reticent audit file --help` says which models are read"),
            Error::Shadows { .. } | Error::CannotAttack { .. } => Self::usage(error.to_string()),
            Error::NoAttack { .. } => Self::usage(error.to_string()).hint("`reticent audit scores --attack list` says which there are"),
            Error::OutOfRange { .. } | Error::Accounting(_) => Self::usage(error.to_string()),
            Error::OneSided { .. } => {
                Self::usage(error.to_string()).hint("an audit compares units that the model was trained on with others that it was not")
            }
            _ => Self::failed(error.to_string()),
        }
    }
}

/// `--alpha` of every lower bound here.
pub(crate) const ALPHA: f64 = canary::ALPHA;
