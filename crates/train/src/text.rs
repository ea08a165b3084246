//! A byte-level language model on per-unit gradients: the smallest that memorises, and the same under differential privacy.
//!
//! The next byte follows from the last [`TextShape::context`] bytes (Bengio et al. 2003, "A neural probabilistic language model"): each is
//! replaced by a fixed, public, random vector, the vectors stand side by side, and a [`Classifier`] with tanh layers gives the next byte's
//! logits. All that is learned are linear layers, so that a private step is the one of every other model: a unit's rows are the positions
//! of its texts, and its gradient is that of the *sum* of their losses.

use crate::examples::{Examples, Permitted, digest_rows};
use crate::fit::{More, fresh, run_plain_epochs, run_private};
use crate::{Batch, Binding, Classifier, Error, NotPrivateSeed, Plan, Progress, RunKey};
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use reticent_data::PermittedMessages;
use sha2::{Digest, Sha256};

/// Symbols: printable ASCII, the end of a text, and one for every other byte.
const SYMBOLS: usize = 97;
const END: u8 = 95;
const OTHER: u8 = 96;
const EMBEDDING_SEED: NotPrivateSeed = NotPrivateSeed(2003);
/// Rows of one pass through the model outside training: bounds the memory.
const CHUNK: usize = 8192;

/// What the model looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextShape {
    /// Bytes before the one predicted.
    pub context: usize,
    /// Numbers that stand for a byte.
    pub embedding: usize,
}

impl TextShape {
    fn width(self) -> usize {
        self.context * self.embedding
    }

    /// The public vector of each symbol, entries ±1/√context.
    fn table(self) -> Vec<f32> {
        let mut rng = EMBEDDING_SEED.rng();
        let size = 1.0 / (self.context as f32).sqrt();
        (0..SYMBOLS * self.embedding).map(|_| if rng.random::<bool>() { size } else { -size }).collect()
    }
}

/// A language model over bytes. `Debug` shows no weights.
pub struct ByteModel {
    shape: TextShape,
    table: Vec<f32>,
    classifier: Classifier,
}

/// Trains by the plan under differential privacy on the texts; the unit's rows are the positions of its texts, at most the plan's cap.
///
/// # Errors
/// [`Error::Plan`], [`Error::NoUnits`].
pub fn fit_text_private(
    plan: &Plan,
    shape: TextShape,
    data: &PermittedMessages,
    key: &RunKey,
    binding: &Binding,
    observe: &mut dyn FnMut(Progress),
) -> Result<ByteModel, Error> {
    let rows = TextRows::new(data, shape, plan.max_rows_per_unit.get());
    let permitted = Permitted::already(&rows, data.permit().clone());
    let (classifier, _) = run_private(plan, permitted, start(plan, shape)?, (key, binding), More::default(), observe)?;
    Ok(ByteModel { shape, table: rows.table, classifier })
}

/// Trains without privacy, `batch` units a step, for internal evaluation only.
///
/// # Errors
/// [`Error::Plan`], [`Error::NoUnits`].
pub fn fit_text_plain(
    plan: &Plan,
    shape: TextShape,
    data: &PermittedMessages,
    epochs: u64,
    batch: usize,
    observe: &mut dyn FnMut(Progress),
) -> Result<ByteModel, Error> {
    let rows = TextRows::new(data, shape, plan.max_rows_per_unit.get());
    let start = start(plan, shape)?;
    let classifier = run_plain_epochs(plan, &rows, start, (epochs, batch.max(1)), NotPrivateSeed(3), observe)?;
    Ok(ByteModel { shape, table: rows.table, classifier })
}

fn start(plan: &Plan, shape: TextShape) -> Result<Classifier, Error> {
    if plan.architecture.features().is_some() {
        return Err(Error::Plan { field: "architecture", why: "has features of tables, which a text has not" });
    }
    fresh(plan, shape.width(), SYMBOLS)
}

impl ByteModel {
    /// Natural logarithm of the probability that each continuation follows the prefix, its own end not counted.
    #[must_use]
    pub fn log_likelihoods(&self, prefix: &[u8], continuations: &[Vec<u8>]) -> Vec<f64> {
        let texts: Vec<Vec<u8>> = continuations.iter().map(|c| symbols(prefix).chain(symbols(c)).collect()).collect();
        let positions: Vec<(usize, usize)> =
            texts.iter().enumerate().flat_map(|(text, s)| (prefix.len()..s.len()).map(move |at| (text, at))).collect();
        let mut sums = vec![0.0; texts.len()];
        for chunk in positions.chunks(CHUNK) {
            let mut inputs = vec![0.0; chunk.len() * self.shape.width()];
            for (&(text, at), row) in chunk.iter().zip(inputs.chunks_exact_mut(self.shape.width())) {
                fill(row, &self.table, self.shape, &texts[text], at);
            }
            let p = self.classifier.probabilities(&inputs, self.shape.width());
            for (&(text, at), p) in chunk.iter().zip(p.chunks_exact(SYMBOLS)) {
                sums[text] += p[usize::from(texts[text][at])].max(f64::MIN_POSITIVE).ln();
            }
        }
        sums
    }

    /// Natural logarithm of the probability of each of the 256 bytes after this text; the end of the text stands at the byte of a line's end.
    ///
    /// A byte outside printable ASCII has none of its own.
    #[must_use]
    pub fn next(&self, text: &[u8]) -> Vec<f64> {
        let text: Vec<u8> = symbols(text).collect();
        let mut row = vec![0.0; self.shape.width()];
        fill(&mut row, &self.table, self.shape, &text, text.len());
        let p = self.classifier.probabilities(&row, self.shape.width());
        let mut next = vec![f64::NEG_INFINITY; 256];
        for (symbol, p) in (0..=END).zip(&p) {
            next[usize::from(byte(symbol))] = p.max(f64::MIN_POSITIVE).ln();
        }
        next
    }

    /// Bits the model needs for each byte of these texts, their ends included: an exact metric of the texts.
    #[must_use]
    pub fn bits_per_byte(&self, texts: &[&str]) -> f64 {
        let (mut bits, mut count) = (0.0, 0.0);
        for text in texts {
            let mut with_end: Vec<u8> = symbols(text.as_bytes()).collect();
            with_end.push(END);
            let mut inputs = vec![0.0; with_end.len() * self.shape.width()];
            for (at, row) in inputs.chunks_exact_mut(self.shape.width()).enumerate() {
                fill(row, &self.table, self.shape, &with_end, at);
            }
            let p = self.classifier.probabilities(&inputs, self.shape.width());
            bits -= p.chunks_exact(SYMBOLS).zip(&with_end).map(|(p, &s)| p[usize::from(s)].max(f64::MIN_POSITIVE).log2()).sum::<f64>();
            count += with_end.len() as f64;
        }
        bits / f64::max(count, 1.0)
    }
}

fn symbols(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().map(|&b| if (b' '..=b'~').contains(&b) { b - b' ' } else { OTHER })
}

fn byte(symbol: u8) -> u8 {
    if symbol < END { symbol + b' ' } else { b'\n' }
}

/// The vectors of the symbols before `at`, nearest first; before the text's beginning stands its end.
fn fill(row: &mut [f32], table: &[f32], shape: TextShape, text: &[u8], at: usize) {
    for (back, slot) in row.chunks_exact_mut(shape.embedding).enumerate() {
        let symbol = usize::from(at.checked_sub(back + 1).map_or(END, |i| text[i]));
        slot.copy_from_slice(&table[symbol * shape.embedding..(symbol + 1) * shape.embedding]);
    }
}

/// Texts by unit as symbols, each with its end, at most `cap` positions a unit.
struct TextRows {
    shape: TextShape,
    table: Vec<f32>,
    units: Vec<Vec<Vec<u8>>>,
}

impl TextRows {
    fn new(data: &PermittedMessages, shape: TextShape, cap: usize) -> Self {
        let units = data.messages().units().map(|(_, texts)| {
            let mut left = cap;
            let mut kept = vec![];
            for text in texts {
                let with_end: Vec<u8> = symbols(text.as_bytes()).chain([END]).take(left).collect();
                left -= with_end.len();
                kept.push(with_end);
            }
            kept
        });
        Self { shape, table: shape.table(), units: units.collect() }
    }

    fn positions(&self, unit: usize) -> usize {
        self.units[unit].iter().map(Vec::len).sum()
    }
}

impl Examples for TextRows {
    type Batch = Batch;

    fn units(&self) -> usize {
        self.units.len()
    }

    /// By length, so that little is padding.
    fn arrange(&self, chosen: &mut [usize]) {
        chosen.sort_by_key(|&unit| self.positions(unit));
    }

    fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for unit in &self.units {
            hash.update((unit.len() as u64).to_le_bytes());
            for text in unit {
                hash.update((text.len() as u64).to_le_bytes());
                hash.update(text);
            }
        }
        digest_rows(hash, &self.table, &[])
    }

    fn batch(&self, chosen: &[usize], device: &Device) -> Option<Batch> {
        // Padded to the longest of those drawn: a sum over units does not depend on it.
        let cap = chosen.iter().map(|&u| self.positions(u)).max().filter(|&longest| longest > 0)?;
        let (rows, width) = (chosen.len() * cap, self.shape.width());
        let (mut inputs, mut labels, mut mask) = (vec![0.0_f32; rows * width], vec![0_i32; rows], vec![0.0_f32; rows]);
        for (place, &unit) in chosen.iter().enumerate() {
            let mut to = place * cap;
            for text in &self.units[unit] {
                for (at, &symbol) in text.iter().enumerate() {
                    fill(&mut inputs[to * width..(to + 1) * width], &self.table, self.shape, text, at);
                    labels[to] = i32::from(symbol);
                    mask[to] = 1.0;
                    to += 1;
                }
            }
        }
        Some(Batch {
            inputs: Tensor::from_data(TensorData::new(inputs, [rows, width]), device),
            labels: Tensor::from_data(TensorData::new(labels, [rows]), device),
            mask: Tensor::from_data(TensorData::new(mask, [rows]), device),
            units: chosen.len(),
            cap,
        })
    }
}
