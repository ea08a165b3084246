//! What is computed of a row before a model sees it, by public rules alone: more to learn from, and no budget spent.
//!
//! A model under a bound pays in noise for every weight it has to find. Features that separate the classes well leave little to find: a straight
//! line on them beats a network that must learn them (Tramèr & Boneh 2021, arXiv:2011.11660). All here follow from the row itself and from what is
//! declared in public; a statistic of the rows (a mean, a frequency, a direction of variance) would be a release of its own.

mod bins;
mod fourier;
mod scattering;
mod strokes;
mod wavelet;
mod whitening;

pub use scattering::Scattering;
pub(crate) use whitening::Whitening;

use crate::Error;
use reticent_data::{Domain, Schema};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What stands between the encoded inputs of a row and its model.
///
/// ```
/// use reticent_train::features::Features;
/// // Inputs 0 and 2 are numbers, each of which becomes a place among 24 bins and one among 33; input 1 stays.
/// let features = Features::Bins { numbers: vec![0, 2] };
/// assert_eq!(features.width(3)?, 1 + 2 * (24 + 33));
/// let mapped = features.transform(&[-1.0, 1.0, 0.3], 3)?;
/// assert_eq!(mapped.iter().sum::<f32>(), 1.0 + 2.0 * 2.0);
/// # Ok::<(), reticent_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Features {
    /// Each number by its place between its public bounds, twice: among 24 bins of equal width, and among 33 by its distance from the lower
    /// bound in half powers of two, for what spreads over several orders of magnitude. Other inputs stay as they are.
    Bins {
        /// Which inputs are numbers, ascending.
        numbers: Vec<usize>,
    },
    /// [`Scattering`] of an image, row-major, whose pixels lie in `[-1, 1]`. A run steps in coordinates in which the scattering of pen strokes,
    /// drawn by rule, spreads alike; the model that it gives is one on the features themselves.
    Scattering {
        /// Rows of pixels.
        height: usize,
        /// Columns of pixels.
        width: usize,
    },
}

impl Features {
    /// Bins for the numbers of a table.
    #[must_use]
    pub fn bins(schema: &Schema) -> Self {
        let (mut at, mut numbers) = (0, vec![]);
        for column in &schema.columns {
            if matches!(column.domain, Domain::Range { .. }) {
                numbers.push(at);
            }
            at += column.domain.width();
        }
        Self::Bins { numbers }
    }

    /// Scattering of a table whose columns are the pixels of a square image, row by row.
    ///
    /// # Errors
    /// [`Error::Features`] where a column is no number, or they are no square.
    pub fn scattering(schema: &Schema) -> Result<Self, Error> {
        let wrong = |why: String| Err(Error::Features { why });
        if let Some(column) = schema.columns.iter().find(|c| !matches!(c.domain, Domain::Range { .. })) {
            return wrong(format!("`{}` is no pixel: it has levels", column.name));
        }
        let side = schema.columns.len().isqrt();
        if side * side != schema.columns.len() {
            return wrong(format!("{} columns are no square image", schema.columns.len()));
        }
        Scattering::new(side, side)?;
        Ok(Self::Scattering { height: side, width: side })
    }

    /// Number of features for as many encoded inputs.
    ///
    /// # Errors
    /// [`Error::Features`] where they cannot be computed of so many.
    pub fn width(&self, inputs: usize) -> Result<usize, Error> {
        let wrong = |why: &str| Err(Error::Features { why: why.to_owned() });
        match self {
            Self::Bins { numbers } => {
                if !numbers.is_sorted_by(|a, b| a < b) || numbers.last().is_some_and(|last| *last >= inputs) {
                    return wrong("a number is named that is no input");
                }
                Ok(inputs - numbers.len() + numbers.len() * bins::WIDTH)
            }
            Self::Scattering { height, width } => {
                if height.checked_mul(*width) != Some(inputs) {
                    return wrong("the image has another number of pixels");
                }
                let scattering = Scattering::new(*height, *width)?;
                Ok(scattering.channels() * scattering.positions())
            }
        }
    }

    /// The coordinates that a run steps in, where they are others than the features.
    pub(crate) fn whitening(&self) -> Result<Option<Arc<Whitening>>, Error> {
        match self {
            Self::Bins { .. } => Ok(None),
            Self::Scattering { height, width } => Whitening::of_strokes(*height, *width).map(Some),
        }
    }

    /// Whether some number of encoded inputs has so many features.
    pub(crate) fn may_give(&self, width: usize) -> bool {
        let inputs = match self {
            Self::Bins { numbers } => (width + numbers.len()).checked_sub(numbers.len().saturating_mul(bins::WIDTH)),
            Self::Scattering { height, width } => height.checked_mul(*width),
        };
        inputs.is_some_and(|inputs| self.width(inputs).is_ok_and(|w| w == width))
    }

    /// The features of rows of `inputs` encoded values each, row-major.
    ///
    /// # Errors
    /// As [`Features::width`]; [`Error::Features`] where `rows` is no whole number of rows.
    pub fn transform(&self, rows: &[f32], inputs: usize) -> Result<Vec<f32>, Error> {
        let width = self.width(inputs)?;
        if inputs == 0 || !rows.len().is_multiple_of(inputs) {
            return Err(Error::Features { why: "they are no whole rows".to_owned() });
        }
        match self {
            Self::Bins { numbers } => Ok(bins::transform(numbers, rows, inputs, width)),
            Self::Scattering { height, width: across } => {
                let scattering = Scattering::new(*height, *across)?;
                let mut all = Vec::with_capacity(rows.len() / inputs * width);
                // A thousand at a time: the pixels are not all held twice.
                for part in rows.chunks(inputs * 1000) {
                    let images: Vec<f32> = part.iter().map(|x| f32::midpoint(*x, 1.0)).collect();
                    all.extend(scattering.transform(&images));
                }
                Ok(all)
            }
        }
    }
}

#[cfg(test)]
mod tests;
