//! Pure differential privacy: epsilons of mechanisms without a delta add up, and nothing can go wrong besides.
//!
//! ```
//! use reticent_accounting::{Epsilon, Event, NoiseMultiplier, pure};
//! let query = Event::Laplace { scale: NoiseMultiplier::new(4.0)? };
//! assert_eq!(pure::epsilon(&query.times(3))?.get(), 0.75);
//! # Ok::<(), reticent_accounting::Error>(())
//! ```

use crate::inexact::Inexact;
use crate::{Epsilon, Error, Event};

const NAME: &str = "the accountant of pure differential privacy";

/// The epsilon at delta 0: basic composition (Dwork, McSherry, Nissim & Smith 2006), which at delta 0 is also the best.
///
/// [`Error::UnsupportedEvent`] names what has no finite epsilon at delta 0, as every Gaussian.
pub fn epsilon(event: &Event) -> Result<Epsilon, Error> {
    let parts = event.parts(NAME)?;
    if parts.inexact != Inexact::default() {
        return Err(event.refused(NAME, "draws that are not exactly of their law have no epsilon at delta 0"));
    }
    if !parts.gaussians.is_empty() {
        return Err(event.refused(NAME, "Gaussian noise has no epsilon at delta 0"));
    }
    let mut sum = 0.0;
    for (other, count) in &parts.others {
        sum += *count as f64 * of_one(other)?;
    }
    Epsilon::new(sum).map_err(|_| Error::Unrepresentable { quantity: "epsilon" })
}

/// The epsilon of one mechanism at delta 0.
pub(crate) fn of_one(event: &Event) -> Result<f64, Error> {
    match event {
        Event::Laplace { scale } | Event::DiscreteLaplace { scale } => Ok(1.0 / scale.get()),
        Event::RandomisedResponse { epsilon, answers } => crate::rdp::check_answers(answers.get()).map(|()| epsilon.get()),
        Event::Pure { epsilon } | Event::Exponential { epsilon } | Event::PermuteAndFlip { epsilon } => Ok(epsilon.get()),
        Event::Approximate { epsilon, delta } if delta.get() == 0.0 => Ok(epsilon.get()),
        _ => Err(event.refused(NAME, "it has no epsilon at delta 0")),
    }
}
