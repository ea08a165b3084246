//! Units in memory, as the batches of a model: what a trainer draws from.

use super::{ClassBatch, TextBatch, Tokens};
use crate::{Error, Examples, UnitBatch};
use burn::tensor::{Device, Tensor};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Units kept in memory, each with its rows, and how those drawn become a batch.
///
/// ```
/// use burn::optim::AdamConfig;
/// use burn::tensor::Device;
/// use reticent_proof::Permit;
/// use reticent_train::models::{Decoder, DecoderConfig, InMemory, symbols_of};
/// use reticent_train::{DataLoader, Permitted, PrivacyEngine, Target};
///
/// // 40 people with a message each, at most 2 rows of 16 bytes a person.
/// let people = (0..40).map(|person| vec![symbols_of(format!("hello from {person}").as_bytes())]).collect();
/// let data = Permitted::new(InMemory::texts(people, 257, 2, 16)?, Permit::asserted("made up for this page"))?;
/// let data = DataLoader::permitted(data, "person", 2.try_into()?, 40, 10)?;
/// let model = DecoderConfig::new().with_d_model(16).with_d_ff(32).with_n_layers(1).with_max_length(16).init(&Device::flex().autodiff());
///
/// let mut engine = PrivacyEngine::new();
/// let target = Target { target_epsilon: 8.0, target_delta: 1e-3, epochs: 1, max_grad_norm: 1.0 };
/// let mut trainer = engine.make_private_with_epsilon(model, (AdamConfig::new().init(), 1e-3), data, Decoder::losses, target)?;
/// trainer.fit(|_| ())?;
/// assert!(engine.get_epsilon(1e-3)? <= 8.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct InMemory<R, B> {
    units: Vec<Vec<R>>,
    digest: String,
    make: Make<R, B>,
}

type Make<R, B> = Box<dyn Fn(&[&Vec<R>], &Device) -> Result<B, Error> + Send + Sync>;

impl InMemory<(Vec<f32>, usize), ClassBatch<Tensor<2>>> {
    /// Rows of equal width with a class below `classes`, at most `cap` a unit: [`ClassBatch::from_units`].
    ///
    /// # Errors
    /// [`Error::Examples`].
    pub fn vectors(units: Vec<Vec<(Vec<f32>, usize)>>, classes: usize, cap: usize) -> Result<Self, Error> {
        Self::new(units, Box::new(move |units, device| ClassBatch::<Tensor<2>>::from_units(units, classes, cap, device)))
    }
}

impl InMemory<(Vec<f32>, usize), ClassBatch<Tensor<4>>> {
    /// Images of `channels × height × width` values with a class below `classes`, at most `cap` a unit: [`ClassBatch::from_images`].
    ///
    /// # Errors
    /// [`Error::Examples`].
    pub fn images(units: Vec<Vec<(Vec<f32>, usize)>>, size: [usize; 3], classes: usize, cap: usize) -> Result<Self, Error> {
        Self::new(units, Box::new(move |units, device| ClassBatch::from_images(units, size, classes, cap, device)))
    }
}

impl InMemory<(Vec<u32>, usize), ClassBatch<Tokens>> {
    /// Sequences of symbols below `vocabulary` with a class below `classes`, cut to `length`, at most `cap` a unit:
    /// [`ClassBatch::from_sequences`].
    ///
    /// # Errors
    /// [`Error::Examples`].
    pub fn sequences(
        units: Vec<Vec<(Vec<u32>, usize)>>,
        vocabulary: usize,
        classes: usize,
        length: usize,
        cap: usize,
    ) -> Result<Self, Error> {
        Self::new(units, Box::new(move |units, device| ClassBatch::from_sequences(units, vocabulary, classes, length, cap, device)))
    }
}

impl InMemory<Vec<u32>, TextBatch> {
    /// Texts of symbols below `vocabulary - 1` for a language model, at most `cap` rows of `length` positions a unit: [`TextBatch::new`].
    ///
    /// # Errors
    /// [`Error::Examples`].
    pub fn texts(units: Vec<Vec<Vec<u32>>>, vocabulary: usize, cap: usize, length: usize) -> Result<Self, Error> {
        Self::new(units, Box::new(move |units, device| TextBatch::new(units, vocabulary, cap, length, device)))
    }
}

impl<R: Serialize, B> InMemory<R, B> {
    /// Makes one batch of all, so that what is wrong is known now and not in a step.
    fn new(units: Vec<Vec<R>>, make: Make<R, B>) -> Result<Self, Error> {
        make(&units.iter().collect::<Vec<_>>(), &Device::flex())?;
        let json = serde_json::to_vec(&units).expect("plain data has JSON");
        Ok(Self { digest: hex::encode(Sha256::digest(json)), units, make })
    }
}

impl<R: Sync, B: UnitBatch> Examples for InMemory<R, B> {
    type Batch = B;

    fn units(&self) -> usize {
        self.units.len()
    }

    fn batch(&self, chosen: &[usize], device: &Device) -> Option<B> {
        let drawn: Vec<&Vec<R>> = chosen.iter().map(|&unit| &self.units[unit]).collect();
        // All of them together made a batch: what can be wrong with some is that they have no row.
        (self.make)(&drawn, device).ok()
    }

    fn digest(&self) -> String {
        self.digest.clone()
    }
}
