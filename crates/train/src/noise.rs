//! Where randomness comes from: a run's own key for everything private, a stated seed for what is not.

use crate::sabotage::{self, Bug};
use hkdf::Hkdf;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use sha2::Sha256;
use zeroize::Zeroizing;

/// The secret of one run, from the system's generator. No `Debug`, no `Clone`: whoever knows it can take the noise off.
pub struct RunKey(Zeroizing<[u8; 32]>);

/// What the noise of a run is bound to. Any difference gives other noise: the same noise on another sum would cancel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// SHA-256 of the plan.
    pub plan: String,
    /// SHA-256 of the permit.
    pub permit: String,
    /// SHA-256 of the rows (salted) the run learns from.
    pub data: String,
    /// Which build on which machine: binary, threads, instruction set.
    pub machine: String,
}

impl RunKey {
    /// Takes 32 bytes from the system's generator.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The same key once more, inside the crate only: a run takes its key by value.
    pub(crate) fn again(&self) -> Self {
        Self(self.0.clone())
    }

    /// The ChaCha20 stream for one purpose.
    pub(crate) fn stream(&self, binding: &Binding, label: &str, step: u64, parameter: &str) -> ChaCha20Rng {
        ChaCha20Rng::from_seed(*self.seed(binding, label, step, parameter))
    }

    /// The seed for one purpose: `HKDF-SHA-256(key, binding ‖ label ‖ step ‖ parameter)`, so that no two draws share a stream.
    pub(crate) fn seed(&self, binding: &Binding, label: &str, step: u64, parameter: &str) -> Zeroizing<[u8; 32]> {
        let bound = [&binding.plan, &binding.permit, &binding.data, &binding.machine].map(String::as_str);
        let bound = if sabotage::is(Bug::ResumedStreamReused) { [""; 4] } else { bound };
        let step = if label == "noise" && sabotage::is(Bug::ReusedNoise) { 0 } else { step };
        let mut info = vec![];
        for part in bound.into_iter().chain([label, parameter]) {
            info.extend((part.len() as u64).to_le_bytes());
            info.extend(part.as_bytes());
        }
        info.extend(step.to_le_bytes());
        let mut seed = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, &*self.0).expand(&info, &mut *seed).expect("32 bytes are within HKDF's output");
        seed
    }
}

/// A seed for randomness that protects nobody: first weights, resampling for an interval, simulated data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPrivateSeed(pub u64);

impl NotPrivateSeed {
    /// The stream of this seed.
    #[must_use]
    pub fn rng(self) -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(self.0)
    }
}
