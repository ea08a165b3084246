//! Vocabularies of pieces of text, by the crate `tokenizers` (feature `tokenizers`).

use crate::Error;
use std::path::Path;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, Tokenizer, TokenizerImpl};

/// Which pieces of text are the symbols of a [`Decoder`](super::Decoder): a `tokenizer.json` as other tools write it, or one learned here.
///
/// **The vocabulary must be public.** Which pieces are in it follows from the texts it was learned from, and no ε covers that: a name that is
/// one symbol was frequent there. Learn it from texts that anybody may see, never from those the model is trained on under a bound.
///
/// ```
/// use burn::tensor::Device;
/// use reticent_train::models::{DecoderConfig, PublicVocabulary};
/// let public = ["the cat sat on the mat", "the dog sat on the log"];
/// let vocabulary = PublicVocabulary::learn(&public, 300)?;
/// let symbols = vocabulary.symbols_of("the cat sat on the log")?;
/// assert!(symbols.len() < 22);
/// assert_eq!(vocabulary.text_of(&symbols)?, "the cat sat on the log");
/// let model = DecoderConfig::new().with_vocabulary(vocabulary.len()).init(&Device::flex().autodiff());
/// # drop(model);
/// # Ok::<(), reticent_train::Error>(())
/// ```
pub struct PublicVocabulary {
    tokenizer: Tokenizer,
    pieces: usize,
}

impl PublicVocabulary {
    /// Reads a public `tokenizer.json`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Vocabulary`] where it is none.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| Error::Io { what: format!("cannot read {}", path.display()), source })?;
        Tokenizer::from_bytes(bytes).map(Self::new).map_err(|e| wrong(&e))
    }

    /// Learns at most `most` pieces from public texts, by byte-pair encoding over bytes (Sennrich et al. 2016, arXiv:1508.07909): every text can
    /// be written with them.
    ///
    /// # Errors
    /// [`Error::Vocabulary`] where `most` is below 256, the number of bytes.
    pub fn learn(public: &[impl AsRef<str>], most: usize) -> Result<Self, Error> {
        type Learner = TokenizerImpl<BPE, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>;
        if most < 256 {
            return Err(Error::Vocabulary { why: "every byte needs a symbol: 256 at least".into() });
        }
        let mut learner: Learner = TokenizerImpl::new(BPE::default());
        learner.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
        learner.with_decoder(Some(ByteLevel::default()));
        let alphabet = ByteLevel::alphabet().into_iter().collect();
        let mut trainer = BpeTrainer::builder().show_progress(false).vocab_size(most).initial_alphabet(alphabet).build();
        let texts: Vec<&str> = public.iter().map(AsRef::as_ref).collect();
        learner.train(&mut trainer, texts.into_iter()).map_err(|e| wrong(&e))?;
        Ok(Self::new(learner.into()))
    }

    fn new(tokenizer: Tokenizer) -> Self {
        let pieces = tokenizer.get_vocab(true).into_values().max().map_or(0, |last| last as usize + 1);
        Self { tokenizer, pieces }
    }

    /// Writes it as `tokenizer.json`, for other tools.
    ///
    /// # Errors
    /// [`Error::Vocabulary`] where it cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.tokenizer.save(path, false).map_err(|e| wrong(&e))
    }

    /// Symbols of a model over it: the pieces, and the end of a text.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "the end of a text is always one")]
    pub fn len(&self) -> usize {
        self.pieces + 1
    }

    /// A text as symbols. Nothing is added for its beginning or end: [`Decoder`](super::Decoder) does that.
    ///
    /// # Errors
    /// [`Error::Vocabulary`] where the vocabulary cannot write it.
    pub fn symbols_of(&self, text: &str) -> Result<Vec<u32>, Error> {
        Ok(self.tokenizer.encode_fast(text, false).map_err(|e| wrong(&e))?.get_ids().to_vec())
    }

    /// The text that symbols stand for; the end of a text stands for nothing, and a character that is cut short for U+FFFD.
    ///
    /// # Errors
    /// [`Error::Vocabulary`].
    pub fn text_of(&self, symbols: &[u32]) -> Result<String, Error> {
        self.tokenizer.decode(symbols, true).map_err(|e| wrong(&e))
    }
}

fn wrong(error: &tokenizers::Error) -> Error {
    Error::Vocabulary { why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{Decoder, DecoderConfig, TextBatch};
    use crate::{Clip, NotPrivateSeed, clipped_sum, clipped_sum_universal};
    use burn::tensor::Device;

    const PUBLIC: [&str; 3] = ["the cat sat on the mat", "the dog sat on the log", "a cat and a dog sat there"];

    #[test]
    fn every_text_comes_back_and_common_pieces_are_one_symbol() {
        let vocabulary = PublicVocabulary::learn(&PUBLIC, 290).unwrap();
        assert!(vocabulary.len() > 257 && vocabulary.len() <= 291);
        for text in ["the cat sat", "", "Straße 7, 東京 🙂\n\t", " the  the "] {
            let symbols = vocabulary.symbols_of(text).unwrap();
            assert!(symbols.iter().all(|&symbol| (symbol as usize) < vocabulary.len() - 1));
            assert_eq!(vocabulary.text_of(&symbols).unwrap(), text);
        }
        assert!(vocabulary.symbols_of("the cat sat on the mat").unwrap().len() <= 12);
        assert_eq!(vocabulary.text_of(&[vocabulary.len() as u32 - 1]).unwrap(), "");
        assert!(matches!(PublicVocabulary::learn(&PUBLIC, 255), Err(Error::Vocabulary { .. })));
    }

    #[test]
    fn a_file_holds_the_same_vocabulary() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        let vocabulary = PublicVocabulary::learn(&PUBLIC, 290).unwrap();
        vocabulary.write(&path).unwrap();
        let read = PublicVocabulary::read(&path).unwrap();
        assert_eq!(read.len(), vocabulary.len());
        assert_eq!(read.symbols_of("the dog sat").unwrap(), vocabulary.symbols_of("the dog sat").unwrap());
        std::fs::write(&path, "{}").unwrap();
        assert!(matches!(PublicVocabulary::read(&path), Err(Error::Vocabulary { .. })));
        assert!(matches!(PublicVocabulary::read(folder.path().join("none")), Err(Error::Io { .. })));
    }

    /// The decoder over pieces is trained as that over bytes: one pass gives what one unit at a time gives.
    #[test]
    fn a_decoder_over_pieces_equals_the_oracle() {
        let vocabulary = PublicVocabulary::learn(&PUBLIC, 280).unwrap();
        let config =
            DecoderConfig::new().with_vocabulary(vocabulary.len()).with_max_length(12).with_d_model(8).with_d_ff(8).with_n_heads(2);
        let model = config.init(&Device::flex().autodiff());
        let units: Vec<Vec<Vec<u32>>> = PUBLIC.iter().map(|text| vec![vocabulary.symbols_of(text).unwrap()]).collect();
        let batch = TextBatch::new(&units, vocabulary.len(), 1, 12, &Device::flex()).unwrap();
        let clip = Clip::flat(0.5);
        let fast = clipped_sum(&model, Some(&batch), Decoder::losses, &clip).unwrap();
        let slow = clipped_sum_universal(&model, Some(&batch), Decoder::losses, &clip).unwrap();
        let flat = |sum: &crate::ClippedSum| -> Vec<f64> { sum.values.iter().flat_map(|(_, v)| v.clone()).collect() };
        let (fast, slow) = (flat(&fast), flat(&slow));
        let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let off: Vec<f64> = fast.iter().zip(&slow).map(|(a, b)| a - b).collect();
        assert!(norm(&slow) > 0.1 && norm(&off) < 1e-5 * norm(&slow), "{}", norm(&off));
        let said = model.generate(&units[0][0][..2], 4, 1.0, &mut NotPrivateSeed(1).rng());
        assert!(vocabulary.text_of(&said).is_ok());
    }
}
