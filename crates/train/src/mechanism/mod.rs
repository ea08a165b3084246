//! Which noise is added: independent in each step, on a grid of integers, or correlated over steps so that it cancels in their sum.

pub(crate) mod banded;
pub(crate) mod grid;
pub(crate) mod normal;
pub(crate) mod tree;

use crate::Sampling;
use crate::noise::{Binding, RunKey};
use normal::Normals;
use rand::Rng;
use rand_chacha::ChaCha20Rng;
use reticent_accounting::Event;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU64;
use zeroize::Zeroizing;

/// The noise of a run; its size is the plan's `noise_multiplier` times what one unit can change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Noise {
    /// Gaussian, independent in every step and coordinate, as floating-point numbers of 64 bits. How far the law of a draw is from the normal
    /// one is part of the plan's event ([`Noise::inexact`]). The accounting is that of real numbers: the low bits of a floating-point draw can
    /// tell neighbours apart (Mironov 2012), which [`Noise::Grid`] rules out.
    #[default]
    Gaussian,
    /// The sum is rounded to a grid of integers, and discrete Gaussian noise is drawn exactly (Canonne, Kamath & Steinke 2020).
    Grid {
        /// Public bound on the number of trainable numbers in the model.
        coordinates: NonZeroU64,
    },
    /// Correlated by a banded lower triangular Toeplitz strategy (Choquette-Choo et al. 2023, arXiv:2306.08153), its coefficients the first
    /// `bands` of the square root of the matrix of prefix sums (Fichtenberger, Henzinger & Upadhyay 2023, arXiv:2202.11205; Kalinin & Lampert
    /// 2024, arXiv:2405.13763), scaled to a column norm of 1. For [`Sampling::Cyclic`] with as many parts or more.
    BandedMatrix {
        /// How many steps the noise of one step reaches; 1 is independent noise.
        bands: NonZeroU64,
    },
    /// The difference of noises on prefix sums by a binary tree over the steps of a block (DP-FTRL: Kairouz et al. 2021, arXiv:2103.00039). For
    /// samplers in which a unit is in one step of a block: [`Sampling::RandomAllocation`] with one round a unit, [`Sampling::Shuffle`]. Each
    /// block has a tree of its own.
    Tree,
}

impl Noise {
    pub(crate) fn is_gaussian(&self) -> bool {
        *self == Self::Gaussian
    }

    /// Whether the noise of one step is part of another's.
    pub(crate) fn is_correlated(self) -> bool {
        matches!(self, Self::BandedMatrix { .. } | Self::Tree)
    }

    /// How far what is drawn in so many steps is from the stated law, for accountants: part of [`PrivacyPlan::event`](crate::PrivacyPlan::event).
    ///
    /// Gaussians of a step of up to 2³⁰ coordinates: within a factor of e^(±2⁻⁴⁴) but for a total variation of 2⁻⁸⁵.
    #[must_use]
    pub fn inexact(self, steps: u64) -> Event {
        let step = match self {
            Self::Grid { coordinates } => grid::inexact(coordinates),
            Self::Gaussian | Self::BandedMatrix { .. } | Self::Tree => normal::inexact(),
        };
        step.times(steps)
    }

    /// What is wrong with this noise for this sampler, if anything.
    pub(crate) fn refuse(self, sampling: &Sampling) -> Option<&'static str> {
        match (self, sampling) {
            (Self::Gaussian, _) => None,
            (Self::Grid { .. }, _) => None,
            (Self::BandedMatrix { bands }, Sampling::Cyclic { parts, .. }) if parts >= &bands => None,
            (Self::BandedMatrix { .. }, _) => Some("with bands needs cyclic sampling of as many parts or more"),
            (Self::Tree, Sampling::Shuffle { .. }) => None,
            (Self::Tree, Sampling::RandomAllocation { rounds_per_unit, .. }) if rounds_per_unit.get() == 1 => None,
            (Self::Tree, _) => Some("of a tree needs a sampler in which a unit is in one step of a block"),
        }
    }
}

/// The noise of the last steps of a run, kept so that correlated noise is not drawn from the start again at each step.
///
/// It changes how long a step takes, and nothing else: without it, or with that of another run or step, the noise is drawn again. Secret:
/// no `Debug`, no `Clone`; wiped when dropped.
#[derive(Default)]
pub struct NoiseMemory {
    /// Whose noise it is; a word from the key itself.
    owner: Option<[u64; 4]>,
    /// The step that may follow.
    next: u64,
    /// The last noises of each parameter, the newest in front.
    recent: BTreeMap<String, VecDeque<Zeroizing<Vec<f64>>>>,
}

/// Where the standard noise of a step comes from.
pub(crate) struct Source<'a> {
    pub(crate) key: &'a RunKey,
    pub(crate) binding: &'a Binding,
}

impl Source<'_> {
    /// The stream of a step for one parameter; the noise of every kind that is independent over steps.
    pub(crate) fn stream(&self, step: u64, parameter: &str) -> ChaCha20Rng {
        self.key.stream(self.binding, "noise", step, parameter)
    }

    /// Standard normal numbers of a step.
    pub(crate) fn independent(&self, step: u64, parameter: &str) -> Normals {
        self.normals("noise", step, parameter)
    }

    fn normals(&self, label: &str, step: u64, parameter: &str) -> Normals {
        Normals::from_seed(self.key.seed(self.binding, label, step, parameter))
    }

    /// Noise of the banded strategy at a step, of all these parameters.
    pub(crate) fn banded(&self, bands: u64, step: u64, parameters: &[(&str, usize)], memory: &mut NoiseMemory) -> Vec<Vec<f64>> {
        let coefficients = banded::coefficients(bands);
        let owner = std::array::from_fn({
            let mut own = self.key.stream(self.binding, "memory", bands, "");
            move |_| own.next_u64()
        });
        let fits = parameters
            .iter()
            .all(|(name, len)| memory.recent.get(*name).is_some_and(|recent| recent.iter().all(|noise| noise.len() == *len)));
        if memory.owner != Some(owner) || memory.next > step || !fits || memory.recent.len() != parameters.len() {
            *memory = NoiseMemory {
                owner: Some(owner),
                next: 0,
                recent: parameters.iter().map(|(name, _)| ((*name).to_owned(), VecDeque::new())).collect(),
            };
        }
        for passed in memory.next..=step {
            for (name, len) in parameters {
                let recent = memory.recent.get_mut(*name).expect("made above");
                let noise =
                    banded::next(&coefficients, self.independent(passed, name).take(*len), recent.iter().map(|noise| noise.as_slice()));
                recent.push_front(Zeroizing::new(noise));
                recent.truncate(coefficients.len());
            }
        }
        memory.next = step + 1;
        parameters.iter().map(|(name, _)| memory.recent[*name][0].to_vec()).collect()
    }

    /// Noise of the tree at a step of blocks of this length: what its prefix sum has more than the one before.
    pub(crate) fn tree(&self, block: u64, step: u64, parameter: &str, len: usize) -> Vec<f64> {
        let mut noise = vec![0.0; len];
        for (sign, node) in tree::changes(step % block + 1) {
            let label = format!("tree {} {}", step / block, node.level);
            self.normals(&label, node.index, parameter).add(sign, &mut noise);
        }
        noise
    }
}
