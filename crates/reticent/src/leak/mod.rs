//! The leak: a language model on messages with planted secrets, without privacy, on redacted text, and under a stated ε.
//!
//! Internal evaluation: no model leaves the process. Exposure and extraction are measurements of these runs, not bounds.

mod messages;
pub(crate) mod repeats;
mod rests;

use crate::failure::Failure;
use crate::output::Progress;
use messages::{Canary, CanaryKind, canaries, simulate};
use rand_chacha::ChaCha20Rng;
use reticent_accounting::{Delta, Epsilon, SamplingRate, calibrate};
use reticent_audit::TextModel;
use reticent_audit::text::{exposure, extraction, group};
use reticent_data::{Messages, PermittedMessages};
use reticent_minimise::{Scanner, Style};
use reticent_proof::Permit;
use reticent_train::{
    Architecture, Binding, ByteModel, NotPrivateSeed, Optimiser, Plan, Progress as Step, RunKey, TextShape, dp_sgd, fit_text_plain,
    fit_text_private,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// How often a secret stands in the messages of its one unit.
const REPEATS: [u32; 5] = [1, 2, 4, 8, 12];
const DELTA: f64 = 1e-5;
const PLAIN_LEARNING_RATE: f64 = 0.01;
/// Of the simulated messages, the secrets, the references and the noise. Under ε = 8 the mean exposure of the 35 secrets over seeds 1, 3, 5 and 7
/// was 1.68, 1.66, 2.25 and 1.35 bits; 95 of 100 means of secrets that nobody planted lie under 1.87. Most of the difference between seeds is
/// the luck of the secrets: at a neighbouring size, models trained with other secrets in their place gave means only .1 to .25 bits lower.
const SEED: NotPrivateSeed = NotPrivateSeed(1);

/// How large the comparison is.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    /// Simulated customers without a planted secret, and messages of each.
    customers: usize,
    messages_each: usize,
    /// Ordinary messages of a customer with a planted secret.
    messages_beside: usize,
    /// Secrets planted at each number of repeats.
    cards_each: usize,
    emails_each: usize,
    /// Secrets of the same form that no model has seen.
    references: usize,
    /// Public cap on the positions of a unit.
    cap: usize,
    shape: TextShape,
    hidden: usize,
    /// Without privacy: passes over all units, and units a step.
    epochs: u64,
    units_a_step: usize,
    /// Under ε.
    steps: u64,
    rate: f64,
    learning_rate: f64,
    seed: NotPrivateSeed,
}

impl Default for Scale {
    fn default() -> Self {
        Self {
            customers: 450,
            messages_each: 4,
            messages_beside: 4,
            cards_each: 5,
            emails_each: 2,
            references: 1023,
            cap: 800,
            shape: TextShape { context: 24, embedding: 10 },
            hidden: 224,
            epochs: 17,
            units_a_step: 8,
            steps: 50,
            rate: 0.08,
            learning_rate: 0.02,
            seed: SEED,
        }
    }
}

/// What was measured of one model.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Leak {
    /// Mean exposure of the secrets repeated eight times or more, in bits; a secret nobody planted has 1.44 on average.
    pub(crate) exposure_bits: f64,
    /// Cards repeated eight times or more that the model says in full after their prefix.
    pub(crate) extracted: u64,
    /// Cards repeated eight times or more.
    pub(crate) planted: u64,
    /// Of all secrets, how many it says in full.
    pub(crate) extracted_of_all: u64,
    pub(crate) by_repeats: Vec<AtRepeats>,
    /// Mean exposure over all secrets of all repeats.
    pub(crate) mean_bits: f64,
    /// Ends of messages that it says, verbatim and nearly.
    pub(crate) extraction: rests::Extraction,
    /// Bits a byte of messages that no model was trained on.
    pub(crate) bits_per_byte: f64,
    /// What it says after the prefix of one card repeated most often; numbers cut down to their last four digits unless asked.
    pub(crate) says: String,
}

/// Secrets of one number of repeats.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AtRepeats {
    pub(crate) repeats: u32,
    pub(crate) secrets: u64,
    pub(crate) extracted: u64,
    pub(crate) mean_bits: f64,
    pub(crate) max_bits: f64,
}

impl AtRepeats {
    /// Of each secret its exposure, and whether it was said in full.
    fn of(repeats: u32, found: &[(f64, bool)]) -> Self {
        Self {
            repeats,
            secrets: found.len() as u64,
            extracted: found.iter().filter(|(_, said)| *said).count() as u64,
            mean_bits: found.iter().map(|(bits, _)| bits).sum::<f64>() / found.len().max(1) as f64,
            max_bits: found.iter().map(|(bits, _)| *bits).fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

/// The whole comparison.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TextAudit {
    pub(crate) baseline: Leak,
    /// The same recipe on messages in which cards, addresses and numbers were redacted first.
    pub(crate) redacted: Leak,
    pub(crate) private: Leak,
    pub(crate) epsilon_upper: f64,
    pub(crate) delta: f64,
    pub(crate) unit: String,
    pub(crate) neighbours: String,
    pub(crate) messages: u64,
    pub(crate) units: u64,
    pub(crate) secrets: u64,
    pub(crate) references: u64,
    /// Mean exposure of secrets that nobody planted, and what the mean of this many stays under in 95 of 100 cases.
    pub(crate) null_mean_bits: f64,
    pub(crate) null_mean_upper_bits: f64,
    /// Exposure that one secret nobody planted stays under in 95 of 100 cases.
    pub(crate) null_one_upper_bits: f64,
    pub(crate) max_bits: f64,
    /// Bits a byte of the held-out messages by the frequencies of bytes alone: what a model that learned no order needs.
    pub(crate) frequencies_bits_per_byte: f64,
    /// The prefix after which [`Leak::says`] is said.
    pub(crate) asked: String,
    /// The end of what was planted after that prefix.
    pub(crate) planted_ends_in: String,
    pub(crate) statement: String,
    /// Whether all messages were made up by this program.
    pub(crate) simulated: bool,
}

impl TextAudit {
    /// What may be kept as evidence: of somebody's own messages nothing that a model said, for that may be anybody's.
    pub(crate) fn kept(&self) -> Self {
        let mut kept = self.clone();
        if self.simulated {
            return kept;
        }
        for leak in [&mut kept.baseline, &mut kept.redacted, &mut kept.private] {
            leak.says.clear();
        }
        kept.planted_ends_in.clear();
        kept
    }
}

/// The simulated messages with planted secrets, as a CSV file with the columns `subject` and `text`.
pub(crate) fn simulated_csv() -> String {
    let scale = Scale::default();
    let mut rng = scale.seed.rng();
    let planted = canaries(&REPEATS, scale.cards_each, scale.emails_each, &mut rng);
    let ordinary = simulate(scale.customers, scale.messages_each, &mut rng);
    let own = ordinary.units().flat_map(|(id, texts)| texts.iter().map(move |text| (id, text.clone())));
    let all: Messages = own.chain(messages::plant(&planted, scale.messages_beside, &mut rng)).collect();
    let mut csv = String::from("subject,text\n");
    for (id, texts) in all.units() {
        texts.iter().for_each(|text| csv += &format!("{id},\"{text}\"\n"));
    }
    csv
}

/// Somebody's messages on their word, or messages made up here; with the right to use them, and what to say of them.
fn ordinary_messages(
    own: Option<(Messages, &str)>,
    (customers, each): (usize, usize),
    rng: &mut ChaCha20Rng,
) -> (Messages, Permit, String) {
    match own {
        Some((messages, reason)) => {
            (messages, Permit::asserted(reason), format!("your messages, used on your word ({reason}); secrets planted by us"))
        }
        None => (
            simulate(customers, each, rng),
            Permit::public("made up by this program"),
            "simulated messages: templates, names and numbers made up by this program".into(),
        ),
    }
}

/// Trains the three models and asks each for the secrets.
///
/// `own`: somebody's messages and the reason why they may be used; without, messages made up here. `show`: print secrets in full.
pub(crate) fn measure(own: Option<(Messages, &str)>, epsilon: f64, show: bool, scale: &Scale) -> Result<TextAudit, Failure> {
    let mut rng = scale.seed.rng();
    let planted = canaries(&REPEATS, scale.cards_each, scale.emails_each, &mut rng);
    let simulated = own.is_none();
    let (ordinary, permit, statement) = ordinary_messages(own, (scale.customers, scale.messages_each), &mut rng);
    let skip = ordinary.unit_count() / 20 + 1;
    let held_out: Vec<String> = ordinary.units().take(skip).flat_map(|(_, texts)| texts.to_vec()).collect();
    let learned = ordinary.units().skip(skip).flat_map(|(id, texts)| texts.iter().map(move |text| (id, text.clone())));
    let texts: Messages = learned.chain(messages::plant(&planted, scale.messages_beside, &mut rng)).collect();
    let scanner = Scanner::default();
    let clean = texts.map(|text| scanner.redact(text, Style::default()).0);
    let (messages, units) = (texts.count() as u64, texts.unit_count() as u64);
    let permitted = |texts| PermittedMessages::new(texts, "messages", permit.clone());
    let (texts, clean) = (permitted(texts)?, permitted(clean)?);
    let frequencies_bits_per_byte = by_frequencies(&texts, &held_out);
    let (plan, epsilon_upper) = plan(epsilon, units, scale)?;
    let [baseline, redacted, private] = train(&plan, scale, &texts, &clean, permit.digest())?;

    let mut references: BTreeMap<bool, Vec<Vec<u8>>> = BTreeMap::new();
    for kind in [CanaryKind::Card, CanaryKind::Email] {
        references.insert(kind == CanaryKind::Card, (0..scale.references).map(|_| kind.draw(&mut rng).into_bytes()).collect());
    }
    let asked = planted.iter().rev().find(|c| c.kind == CanaryKind::Card).expect("cards are planted");
    let rests = rests::Rests::of(texts.messages(), &held_out);
    let held_out: Vec<&str> = held_out.iter().map(String::as_str).collect();
    let leak = |model: &Asked| leak(model, &planted, &references, (&held_out, &rests), asked, show);
    let count = planted.len() as u64;
    let bits = exposure::MEAN_UNSEEN;
    Ok(TextAudit {
        baseline: leak(&baseline)?,
        redacted: leak(&redacted)?,
        private: leak(&private)?,
        epsilon_upper,
        delta: DELTA,
        unit: format!("{}, ≤ {} bytes", plan.unit, scale.cap),
        neighbours: "add or remove one unit".into(),
        messages,
        units,
        secrets: count,
        references: scale.references as u64,
        null_mean_bits: bits,
        null_mean_upper_bits: group::mean_unseen_below(planted.len(), 0.95)?,
        null_one_upper_bits: -(0.05_f64.log2()),
        max_bits: (scale.references as f64).log2(),
        frequencies_bits_per_byte,
        asked: asked.prefix.clone(),
        planted_ends_in: if show { asked.secret.clone() } else { reticent_audit::text::redact::numbers(&asked.secret) },
        statement,
        simulated,
    })
}

/// The three models, on two threads: the one without privacy takes as long as the two others.
fn train(
    plan: &Plan,
    scale: &Scale,
    texts: &PermittedMessages,
    clean: &PermittedMessages,
    permit: &str,
) -> Result<[Asked; 3], reticent_train::Error> {
    let units = texts.messages().unit_count() as u64;
    let passes = scale.epochs * units.div_ceil(scale.units_a_step as u64);
    let progress = Mutex::new((Progress::new("language models", 2 * passes + scale.steps), 0));
    let tick = |_: Step| {
        let (bar, done) = &mut *progress.lock().expect("no thread panics while it holds this");
        *done += 1;
        bar.at(*done);
    };
    let plain = |data: &PermittedMessages| without_privacy(plan, scale, data, &mut |step| tick(step));
    let private = || under_epsilon(plan, scale, texts, permit, &mut |step| tick(step));
    std::thread::scope(|threads| {
        let others = threads.spawn(|| Ok::<_, reticent_train::Error>((plain(clean)?, private()?)));
        let baseline = plain(texts)?;
        let (redacted, private) = others.join().expect("a training does not panic")?;
        Ok([baseline, redacted, private])
    })
}

fn without_privacy(
    plan: &Plan,
    scale: &Scale,
    data: &PermittedMessages,
    observe: &mut dyn FnMut(Step),
) -> Result<Asked, reticent_train::Error> {
    let plan = Plan { learning_rate: PLAIN_LEARNING_RATE, ..plan.clone() };
    fit_text_plain(&plan, scale.shape, data, scale.epochs, scale.units_a_step, observe).map(Asked)
}

fn under_epsilon(
    plan: &Plan,
    scale: &Scale,
    data: &PermittedMessages,
    permit: &str,
    observe: &mut dyn FnMut(Step),
) -> Result<Asked, reticent_train::Error> {
    let binding = Binding { plan: plan.digest(), permit: permit.into(), data: "internal evaluation".into(), machine: String::new() };
    // No secret: nothing of this run is released.
    let key = RunKey::from_bytes([scale.seed.0 as u8; 32]);
    fit_text_private(plan, scale.shape, data, &key, &binding, observe).map(Asked)
}

fn plan(epsilon: f64, units: u64, scale: &Scale) -> Result<(Plan, f64), Failure> {
    let (rate, delta) = (SamplingRate::new(scale.rate)?, Delta::new(DELTA)?);
    let event = |noise| dp_sgd(noise, rate, scale.steps);
    let noise = calibrate::noise_multiplier(Epsilon::new(epsilon)?, delta, 1e-3, calibrate::Accountant::Pld, event)?;
    let plan = Plan {
        unit: "customer".into(),
        max_rows_per_unit: std::num::NonZeroUsize::new(scale.cap).expect("not zero"),
        sample_rate: rate,
        noise_multiplier: noise,
        max_grad_norm: 1.0,
        steps: scale.steps,
        learning_rate: scale.learning_rate,
        // A round number stands for the public one: nothing of this run is released.
        public_units: (units / 100).max(1) * 100,
        architecture: Architecture::Mlp { hidden: vec![scale.hidden] },
        optimiser: Optimiser::Adam,
    };
    let proved = reticent_accounting::pld::epsilon(&plan.event(), delta)?.upper.get();
    Ok((plan, proved))
}

/// A model that can be asked.
struct Asked(ByteModel);

impl TextModel for Asked {
    fn next(&self, context: &[u8]) -> Vec<f64> {
        self.0.next(context)
    }

    fn log_likelihoods(&self, prefix: &[u8], continuations: &[Vec<u8>]) -> Vec<f64> {
        self.0.log_likelihoods(prefix, continuations)
    }
}

fn leak(
    model: &Asked,
    planted: &[Canary],
    references: &BTreeMap<bool, Vec<Vec<u8>>>,
    (held_out, rests): (&[&str], &rests::Rests),
    asked: &Canary,
    show: bool,
) -> Result<Leak, Failure> {
    let mut found = vec![];
    for canary in planted {
        let (prefix, secret) = (canary.prefix.as_bytes(), canary.secret.as_bytes());
        let bits = exposure::of_secret(model, prefix, secret, &references[&(canary.kind == CanaryKind::Card)])?.bits;
        found.push((canary, bits, extraction::greedy(model, prefix, secret).is_complete()));
    }
    let mean = |bits: &[f64]| bits.iter().sum::<f64>() / bits.len().max(1) as f64;
    let by_repeats = REPEATS.iter().map(|&repeats| {
        let here: Vec<_> = found.iter().filter(|(c, ..)| c.repeats == repeats).map(|(_, bits, said)| (*bits, *said)).collect();
        AtRepeats::of(repeats, &here)
    });
    let by_repeats = by_repeats.collect();
    let often: Vec<_> = found.iter().filter(|(c, ..)| c.repeats >= 8).collect();
    let cards: Vec<_> = often.iter().filter(|(c, ..)| c.kind == CanaryKind::Card).collect();
    let said = extraction::greedy(model, asked.prefix.as_bytes(), asked.secret.as_bytes());
    Ok(Leak {
        exposure_bits: mean(&often.iter().map(|(_, b, _)| *b).collect::<Vec<_>>()),
        extracted: cards.iter().filter(|(.., e)| *e).count() as u64,
        planted: cards.len() as u64,
        extracted_of_all: found.iter().filter(|(.., e)| *e).count() as u64,
        by_repeats,
        mean_bits: mean(&found.iter().map(|(_, b, _)| *b).collect::<Vec<_>>()),
        extraction: rests.ask(model)?,
        bits_per_byte: model.0.bits_per_byte(held_out),
        // A line's end is where the model ended the text.
        says: if show { said.in_full() } else { said.redacted() }.lines().next().unwrap_or_default().to_owned(),
    })
}

/// Bits a byte of `held_out`, line ends included, by the frequencies of bytes in what is learned from, each of the 256 counted once more.
fn by_frequencies(learned: &PermittedMessages, held_out: &[String]) -> f64 {
    let mut counts = [1.0_f64; 256];
    let with_end = |text: &str| text.bytes().chain([b'\n']).map(usize::from).collect::<Vec<_>>();
    learned
        .messages()
        .units()
        .flat_map(|(_, texts)| texts)
        .for_each(|text| with_end(text).into_iter().for_each(|byte| counts[byte] += 1.0));
    let total: f64 = counts.iter().sum();
    let bytes: Vec<usize> = held_out.iter().flat_map(|text| with_end(text)).collect();
    bytes.iter().map(|&byte| (total / counts[byte]).log2()).sum::<f64>() / bytes.len().max(1) as f64
}
