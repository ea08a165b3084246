//! Exposure by how often a secret is repeated: inside the messages of one unit, and across as many units.
//!
//! The unit is what the bound is about. Repeats inside one unit are clipped together; k units that share a secret are k times as much to the
//! bound, so that a model under ε may well expose what 128 units say: by how much at most is what group privacy predicts.

use super::messages::{CanaryKind, canaries};
use super::{Asked, AtRepeats, DELTA, Scale, ordinary_messages, plan, under_epsilon, without_privacy};
use crate::failure::Failure;
use crate::output::Progress;
use rand::seq::SliceRandom;
use reticent_accounting::{Delta, Event, neighbours, pld};
use reticent_audit::text::group::{self, Allowed};
use reticent_audit::text::{exposure, extraction};
use reticent_data::{Messages, PermittedMessages, SubjectId};
use reticent_train::Progress as Step;
use serde::Serialize;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Mutex;

/// How often a secret stands in the messages.
pub(crate) const REPEATS: [u32; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
/// At which each of them is looked at, so that all are at 95%.
const EACH_LEVEL: f64 = 1.0 - 0.05 / REPEATS.len() as f64;
/// Units that must be there, for a secret to stand in the messages of 128 of them and others not.
const LEAST_UNITS: usize = 150;
/// Of more people, so many are taken: who, their pseudonyms decide.
const MOST_UNITS: usize = 2500;
/// Positions of a unit beside its planted secrets.
const OWN_POSITIONS: usize = 1000;

/// Two models, each asked for all secrets, and a third that never saw some of them.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RepeatsAudit {
    pub(crate) baseline: Exposed,
    pub(crate) private: Exposed,
    /// What group privacy predicts for the private model, by repeats across units.
    pub(crate) group: Vec<GroupBound>,
    pub(crate) epsilon_upper: f64,
    pub(crate) delta: f64,
    pub(crate) unit: String,
    pub(crate) neighbours: String,
    pub(crate) messages: u64,
    pub(crate) units: u64,
    /// Secrets planted at each number of repeats inside one unit, and as many across units.
    pub(crate) secrets_each: u64,
    pub(crate) references: u64,
    pub(crate) max_bits: f64,
    /// Mean exposure of a secret that nobody planted.
    pub(crate) null_mean_bits: f64,
    /// What the mean of `secrets_each` of them stays under in 99.4 of 100 cases: all eight numbers of repeats together in 95.
    pub(crate) null_level_upper_bits: f64,
    /// What the mean over all numbers of repeats stays under in 95 of 100 cases.
    pub(crate) null_all_upper_bits: f64,
    /// Mean exposure of the same secrets under a model of the same recipe and noise that was trained with others in their place inside their
    /// units: what is luck of these secrets, their mean has in it too.
    pub(crate) control_mean_bits: f64,
    /// By how much the mean inside one unit lies above that, and the standard error of it over the secrets.
    pub(crate) effect_bits: f64,
    pub(crate) effect_error_bits: f64,
    /// Without privacy, inside one unit: no mean lies below that of fewer repeats, those that chance may give counted as equal.
    pub(crate) baseline_monotone: bool,
    /// Under ε, inside one unit: what planting did, on top of the mean of secrets that nobody planted, lies under what chance gives in 95 of 100 cases.
    /// The luck of these secrets is off.
    pub(crate) private_within_null: bool,
    /// Under ε, across units: no mean lies above what group privacy allows so few secrets; by chance alone one does in 5 of 100 runs at most.
    pub(crate) private_within_group: bool,
    pub(crate) statement: String,
}

/// What was measured of one model.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Exposed {
    /// Repeats inside one unit.
    pub(crate) one_unit: Vec<AtRepeats>,
    /// Repeats in as many units, once each.
    pub(crate) many_units: Vec<AtRepeats>,
    /// Mean exposure of all secrets repeated inside one unit.
    pub(crate) one_unit_mean_bits: f64,
    /// Bits a byte of messages that no model was trained on.
    pub(crate) bits_per_byte: f64,
}

/// What a bound for one unit says of several.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct GroupBound {
    pub(crate) units: u32,
    /// ε of that many units together at the same δ, where it can be computed.
    pub(crate) epsilon_upper: Option<f64>,
    /// The mean exposure of a secret is at most this.
    pub(crate) mean_bits: f64,
    /// The mean of as many secrets as there are lies under this, at all numbers of units together in 95 of 100 runs or more.
    pub(crate) measured_below_bits: f64,
}

impl Scale {
    /// How large the comparison by repeats is.
    pub(crate) fn of_repeats() -> Self {
        Self { customers: 1200, cards_each: 8, epochs: 12, ..Self::default() }
    }
}

/// Trains a model without privacy and one under ε on the messages with planted cards, and asks both for the cards.
///
/// `own`: somebody's messages and the reason why they may be used; without, messages made up here.
pub(crate) fn measure(own: Option<(Messages, &str)>, epsilon: f64, scale: &Scale) -> Result<RepeatsAudit, Failure> {
    let mut rng = scale.seed.rng();
    // The first half is repeated inside one unit, the second across units; no two share a prefix.
    let planted = canaries(&[REPEATS, REPEATS].concat(), scale.cards_each, 0, &mut rng);
    let (inside, across) = planted.split_at(planted.len() / 2);
    let (ordinary, permit, statement) = ordinary_messages(own, (scale.customers, scale.messages_each), &mut rng);
    let skip = ordinary.unit_count().min(MOST_UNITS) / 20 + 1;
    let held_out: Vec<&str> = ordinary.units().take(skip).flat_map(|(_, texts)| texts.iter().map(String::as_str)).collect();
    let mut carriers: Vec<SubjectId> = ordinary.units().skip(skip).take(MOST_UNITS).map(|(id, _)| id).collect();
    if carriers.len() < LEAST_UNITS {
        return Err(Failure::usage(format!(
            "{} people write these messages, beside those held out; {LEAST_UNITS} are needed",
            carriers.len()
        ))
        .hint("a secret stands in the messages of up to 128 people, and others must be there that do not have it"));
    }
    carriers.shuffle(&mut rng);
    let mut next = carriers.iter().copied().cycle();
    let text = |secret: &super::Canary| format!("{}{}", secret.prefix, secret.secret);
    let mut rows: Vec<(SubjectId, String)> = vec![];
    let mut others: Vec<(SubjectId, String)> = vec![];
    for secret in inside {
        let carrier = next.next().expect("a cycle has no end");
        let other = format!("{}{}", secret.prefix, CanaryKind::Card.draw(&mut rng));
        for _ in 0..secret.repeats {
            rows.push((carrier, text(secret)));
            others.push((carrier, other.clone()));
        }
    }
    for secret in across {
        let said: Vec<_> = next.by_ref().take(secret.repeats as usize).map(|carrier| (carrier, text(secret))).collect();
        rows.extend(said.iter().cloned());
        others.extend(said);
    }
    let longest = planted.iter().map(|secret| text(secret).len() + 1).max().unwrap_or(0);
    // Planted texts come first in their unit, so that the cap cuts none of them off; the order of its texts is nothing to a unit's gradient.
    let scale = &Scale { cap: REPEATS[REPEATS.len() - 1] as usize * longest + OWN_POSITIONS, ..scale.clone() };
    let learned = || ordinary.units().skip(skip).take(MOST_UNITS).flat_map(|(id, texts)| texts.iter().map(move |text| (id, text.clone())));
    let texts: Messages = rows.into_iter().chain(learned()).collect();
    let (messages, units) = (texts.count() as u64, texts.unit_count() as u64);
    let texts = PermittedMessages::new(texts, "messages", permit.clone())?;
    let without = PermittedMessages::new(others.into_iter().chain(learned()).collect(), "messages", permit.clone())?;

    let (plan, epsilon_upper) = plan(epsilon, units, scale)?;
    let passes = scale.epochs * units.div_ceil(scale.units_a_step as u64);
    let progress = Mutex::new((Progress::new("language models", passes + 2 * scale.steps), 0));
    let tick = |_: Step| {
        let (bar, done) = &mut *progress.lock().expect("no thread panics while it holds this");
        *done += 1;
        bar.at(*done);
    };
    let references: Vec<Vec<u8>> = (0..scale.references).map(|_| CanaryKind::Card.draw(&mut rng).into_bytes()).collect();
    let ask = |model: &Asked| {
        let (one, many) = (exposed(model, inside, &references)?, exposed(model, across, &references)?);
        let bits: Vec<f64> = one.iter().map(|(bits, _)| *bits).collect();
        let measured = Exposed {
            one_unit: by_repeats(inside, &one),
            many_units: by_repeats(across, &many),
            one_unit_mean_bits: mean(&bits),
            bits_per_byte: model.0.bits_per_byte(&held_out),
        };
        Ok::<_, Failure>((measured, bits))
    };
    // The same noise on both: what differs between the two is what the secrets did. Neither is released.
    let under = |texts| under_epsilon(&plan, scale, texts, permit.digest(), &mut |step| tick(step));
    let (baseline, (private, seen), unseen) = std::thread::scope(|threads| {
        let others = threads.spawn(|| {
            let unseen: Vec<f64> = exposed(&under(&without)?, inside, &references)?.iter().map(|(bits, _)| *bits).collect();
            Ok::<_, Failure>((ask(&under(&texts)?)?, unseen))
        });
        let (baseline, _) = ask(&without_privacy(&plan, scale, &texts, &mut |step| tick(step))?)?;
        let (private, unseen) = others.join().expect("a training does not panic")?;
        Ok::<_, Failure>((baseline, private, unseen))
    })?;
    let more: Vec<f64> = seen.iter().zip(&unseen).map(|(seen, unseen)| seen - unseen).collect();
    let effect_bits = mean(&more);
    let spread = more.iter().map(|d| (d - effect_bits).powi(2)).sum::<f64>() / (more.len() - 1) as f64;
    let mut group: Vec<GroupBound> = vec![];
    for units in REPEATS {
        group.push(group_bound(&plan.event(), units, scale, group.last())?);
    }
    let null_mean_bits = group::mean_exposure_unseen(scale.references)?;
    let null_level_upper_bits = group::mean_unseen_below(scale.cards_each, EACH_LEVEL)?;
    let null_all_upper_bits = group::mean_unseen_below(inside.len(), 0.95)?;
    Ok(RepeatsAudit {
        baseline_monotone: is_monotone(&baseline.one_unit, null_level_upper_bits),
        private_within_null: null_mean_bits + effect_bits <= null_all_upper_bits,
        control_mean_bits: mean(&unseen),
        effect_bits,
        effect_error_bits: (spread / more.len() as f64).sqrt(),
        private_within_group: private.many_units.iter().zip(&group).all(|(at, most)| at.mean_bits <= most.measured_below_bits),
        baseline,
        private,
        group,
        epsilon_upper,
        delta: DELTA,
        unit: format!("{}, ≤ {} bytes", plan.unit, scale.cap),
        neighbours: "add or remove one unit".into(),
        messages,
        units,
        secrets_each: scale.cards_each as u64,
        references: scale.references as u64,
        max_bits: (scale.references as f64).log2(),
        null_mean_bits,
        null_level_upper_bits,
        null_all_upper_bits,
        statement,
    })
}

fn mean(bits: &[f64]) -> f64 {
    bits.iter().sum::<f64>() / bits.len() as f64
}

/// Whether the means never fall from one number of repeats to the next. Unseen secrets' means have no order: up to `by_chance` they are as one.
fn is_monotone(by_repeats: &[AtRepeats], by_chance: f64) -> bool {
    by_repeats.windows(2).all(|w| w[0].mean_bits.max(by_chance) <= w[1].mean_bits.max(by_chance))
}

/// Of each secret its exposure, and whether it is said in full.
fn exposed(model: &Asked, secrets: &[super::Canary], references: &[Vec<u8>]) -> Result<Vec<(f64, bool)>, Failure> {
    let one = |secret: &super::Canary| {
        let (prefix, text) = (secret.prefix.as_bytes(), secret.secret.as_bytes());
        let bits = exposure::of_secret(model, prefix, text, references)?.bits;
        Ok((bits, extraction::greedy(model, prefix, text).is_complete()))
    };
    secrets.iter().map(one).collect()
}

fn by_repeats(secrets: &[super::Canary], found: &[(f64, bool)]) -> Vec<AtRepeats> {
    let mut at: BTreeMap<u32, Vec<(f64, bool)>> = BTreeMap::new();
    for (secret, found) in secrets.iter().zip(found) {
        at.entry(secret.repeats).or_default().push(*found);
    }
    at.into_iter().map(|(repeats, found)| AtRepeats::of(repeats, &found)).collect()
}

/// `fewer`: what holds for fewer units. Where that is all there can be already, so is this.
fn group_bound(event: &Event, units: u32, scale: &Scale, fewer: Option<&GroupBound>) -> Result<GroupBound, Failure> {
    let most = (scale.references as f64).log2();
    let many = NonZeroU32::new(units).expect("repeats begin at one");
    let delta = Delta::new(DELTA)?;
    let together = neighbours::for_group(event, many)?;
    let (mean_bits, measured_below_bits) = match fewer {
        Some(fewer) if fewer.mean_bits > most - 0.01 => (most, most),
        _ => {
            let allowed = Allowed::of(event, many, scale.references)?;
            (allowed.mean().min(most), allowed.mean_below(scale.cards_each, EACH_LEVEL)?)
        }
    };
    Ok(GroupBound {
        units,
        epsilon_upper: pld::epsilon(&together, delta).ok().map(|e| e.upper.get()).filter(|e| e.is_finite()),
        mean_bits,
        measured_below_bits,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leak::TextShape;
    use reticent_audit::text::group::mean_unseen_below;

    fn small() -> Scale {
        Scale {
            customers: 165,
            messages_each: 2,
            cards_each: 3,
            references: 255,
            shape: TextShape { context: 24, embedding: 6 },
            hidden: 64,
            epochs: 8,
            steps: 30,
            ..Scale::of_repeats()
        }
    }

    /// Messages, secrets and both trainings are seeded and nothing is released: the numbers are the same at each run of one build on one kind of processor.
    /// What is asserted of the model under ε would fail, were its secrets as exposed as the bound allows, in one of a million draws.
    #[test]
    fn exposure_by_repeats() {
        let audit = measure(None, 2.0, &small()).unwrap();
        let one = |e: &Exposed| e.one_unit.iter().map(|at| at.mean_bits).collect::<Vec<_>>();
        let (plain, private) = (one(&audit.baseline), one(&audit.private));
        assert_eq!(audit.baseline.one_unit.iter().map(|at| at.repeats).collect::<Vec<_>>(), REPEATS);
        // Without privacy: from little to the most there can be. Means of three between them may change places.
        assert!(plain[0] < 6.0 && plain[0] < plain[4] && plain[7] == audit.max_bits, "{plain:?}");
        assert_eq!(audit.baseline_monotone, is_monotone(&audit.baseline.one_unit, audit.null_level_upper_bits));
        // Under ε, inside one unit: as secrets that nobody planted, and none is said.
        assert!(audit.private.one_unit_mean_bits < mean_unseen_below(8 * 3, 1.0 - 1e-6).unwrap(), "{private:?}");
        assert!(audit.private_within_null, "{} {}", audit.effect_bits, audit.effect_error_bits);
        assert!(audit.private.one_unit.iter().all(|at| at.extracted == 0));
        assert!(audit.epsilon_upper <= 2.0 && audit.null_all_upper_bits > audit.null_mean_bits);
        // Across units: at most the prediction, which rises with the units.
        let (plan, _) = plan(2.0, audit.units, &small()).unwrap();
        for (at, bound) in audit.private.many_units.iter().zip(&audit.group) {
            let allowed = Allowed::of(&plan.event(), bound.units.try_into().unwrap(), 255).unwrap();
            let most = allowed.mean_below(3, 1.0 - 1e-7).unwrap();
            assert!(
                at.mean_bits <= most && bound.measured_below_bits <= most && bound.mean_bits <= bound.measured_below_bits,
                "{at:?} {bound:?} {most}"
            );
        }
        assert!(audit.group.windows(2).all(|w| w[0].mean_bits <= w[1].mean_bits));
        assert!(audit.group[0].mean_bits < 0.8 * audit.max_bits, "a bound that says something: {:?}", audit.group);
    }

    #[test]
    fn what_falls_is_not_monotone() {
        let levels = |means: &[f64]| means.iter().map(|m| AtRepeats::of(1, &[(*m, false)])).collect::<Vec<_>>();
        assert!(is_monotone(&levels(&[2.5, 0.3, 1.9, 4.0, 4.0, 8.0]), 3.0), "below what chance gives there is no order");
        assert!(!is_monotone(&levels(&[3.5, 0.3, 1.9, 4.0]), 3.0));
        assert!(!is_monotone(&levels(&[1.0, 4.0, 8.0, 7.9]), 3.0));
    }

    #[test]
    fn too_few_people_for_128_of_them() {
        let refused = measure(None, 8.0, &Scale { customers: 100, ..small() }).unwrap_err();
        assert!(refused.to_string().contains("150 are needed"), "{refused}");
    }
}
