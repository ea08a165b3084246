//! Burn's layers that have no parameters and look at one row at a time: there is nothing to record.
//!
//! [`Dropout`], [`GaussianNoise`] and [`activation::RRelu`] draw from Burn's own generator while a model is on a device with autodiff, inside a
//! step as outside. What they draw is no part of any bound: it is neither counted as noise nor kept from anyone. Like Burn's they let an
//! input that is not yet on a device with autodiff pass unchanged.

pub use burn::nn::interpolate;
pub use burn::nn::{
    CosineSimilarity, CosineSimilarityConfig, Dropout, DropoutConfig, Fold4d, Fold4dConfig, GaussianNoise, GaussianNoiseConfig, Identity,
    Initializer, LinearLayout, LocalResponseNorm, LocalResponseNormConfig, PaddingConfig1d, PaddingConfig2d, PaddingConfig3d,
    PairwiseDistance, PairwiseDistanceConfig, PixelShuffle, PixelShuffleConfig, PixelUnshuffle, PixelUnshuffleConfig, PositionalEncoding,
    PositionalEncodingConfig, RotaryEncoding, RotaryEncodingConfig, Unfold4d, Unfold4dConfig, generate_sinusoids,
};

pub use activation::{
    Celu, CeluConfig, Elu, EluConfig, GLU, Gelu, HardShrink, HardShrinkConfig, HardSigmoid, HardSigmoidConfig, LeakyRelu, LeakyReluConfig,
    Relu, Selu, Shrink, ShrinkConfig, Sigmoid, SoftShrink, SoftShrinkConfig, Softplus, SoftplusConfig, Softsign, ThresholdedRelu,
    ThresholdedReluConfig,
};

/// Burn's activation functions, of which [`PRelu`](crate::nn::PRelu) and [`SwiGlu`](crate::nn::SwiGlu) have parameters and are recorded.
pub mod activation {
    pub use crate::nn::{PRelu, PReluConfig, SwiGlu, SwiGluConfig, Tanh};
    pub use burn::nn::activation::{
        Celu, CeluConfig, Elu, EluConfig, GLU, Gelu, HardShrink, HardShrinkConfig, HardSigmoid, HardSigmoidConfig, HardSwish, Hardtanh,
        HardtanhConfig, LeakyRelu, LeakyReluConfig, LogSigmoid, Mish, RRelu, RReluConfig, Relu, Relu6, Selu, Shrink, ShrinkConfig, SiLU,
        Sigmoid, SoftShrink, SoftShrinkConfig, Softplus, SoftplusConfig, Softsign, Tanhshrink, Threshold, ThresholdConfig, ThresholdedRelu,
        ThresholdedReluConfig,
    };
}
