//! Convolutions and transposed convolutions in one, two and three dimensions, as [`burn::nn::conv`].

mod convolution;
mod kernel;
mod patches;
mod transposed;

pub use convolution::{Conv1d, Conv1dConfig, Conv2d, Conv2dConfig, Conv3d, Conv3dConfig};
pub use transposed::{
    ConvTranspose1d, ConvTranspose1dConfig, ConvTranspose2d, ConvTranspose2dConfig, ConvTranspose3d, ConvTranspose3dConfig,
};
