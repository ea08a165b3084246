//! Gradient inversion: what a shared update says of the one unit it was made of.
//!
//! Exactly, where the first layer has biases ([`analytic`]), its label by the last layer's ([`label`]); by search for an input whose own update is like
//! it, where nothing is exact, in convolutional networks above all ([`matching`]). [`compare`] holds all of it against what another unit's reconstruction would have been.

mod convolution;
mod network;
mod search;

pub use convolution::{Convolutions, Filters};
pub use network::Network;
pub use search::{Match, matching};

use crate::controls;
use crate::label_only::normal;
use crate::{Attack, Error, Finding, MemberScores};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

/// A model that an attacker has and differentiates: [`Network`], [`Convolutions`].
pub trait Differentiable {
    /// Inputs.
    fn inputs(&self) -> usize;

    /// All weights.
    fn weights(&self) -> &[f64];

    /// Which of the weights are the biases of the classes.
    fn last_biases(&self) -> std::ops::Range<usize>;

    /// Slopes of the cross-entropy of one unit under other weights of the same shape; input and label fit.
    fn slopes(&self, weights: &[f64], input: &[f64], label: usize) -> Slopes;

    /// Classes.
    fn classes(&self) -> usize {
        self.last_biases().len()
    }

    /// The gradient of one unit's cross-entropy by all weights: what a client of federated learning shares after one step on one row.
    ///
    /// # Errors
    /// [`Error::Length`] for other than [`Self::inputs`] inputs; [`Error::OutOfRange`] for a label that is no class.
    fn update(&self, input: &[f64], label: usize) -> Result<Vec<f64>, Error> {
        crate::folds::same_length("inputs", input.len(), self.inputs())?;
        is_class(label, self.classes())?;
        Ok(self.slopes(self.weights(), input, label).weights)
    }
}

/// What one unit's loss does: its slope by every weight, and by every input.
pub struct Slopes {
    /// By every weight.
    pub weights: Vec<f64>,
    /// By every input.
    pub inputs: Vec<f64>,
}

fn is_class(label: usize, classes: usize) -> Result<(), Error> {
    if label < classes {
        return Ok(());
    }
    Err(Error::OutOfRange { quantity: "label", value: label as f64, range: "below the number of classes" })
}

/// The input of the unit, from the update of the first layer: its row by any output, over the update of that output's bias, is the input
/// (Phong et al. 2018, section III; Geiping et al. 2020, proposition 3.1). Taken where the bias moves most. `None` where no bias moves.
///
/// Exact up to rounding for one unit and an update that nothing was done to; of several units it is a mean weighted by their slopes.
///
/// ```
/// use reticent_audit::update::{Differentiable, Network, analytic, label};
/// let network = Network::new(vec![3, 2, 2], (0..14).map(|i| f64::from(i).sin()).collect())?;
/// let update = network.update(&[0.5, -1.0, 0.25], 1)?;
/// let found = analytic(&network, &update)?.expect("a bias moves");
/// assert!(found.iter().zip([0.5, -1.0, 0.25]).all(|(f, x)| (f - x).abs() < 1e-12));
/// assert_eq!(label(&network, &update)?, 1);
/// # Ok::<(), reticent_audit::Error>(())
/// ```
///
/// # Errors
/// [`Error::Length`], [`Error::NotANumber`].
pub fn analytic(network: &Network, update: &[f64]) -> Result<Option<Vec<f64>>, Error> {
    fits(network, update)?;
    let (matrix, biases, end) = network.layer(0);
    let moved = |o: &usize| update[biases + o].abs();
    let most = (0..end - biases).max_by(|a, b| moved(a).total_cmp(&moved(b))).expect("a layer has outputs");
    if update[biases + most] == 0.0 {
        return Ok(None);
    }
    let width = network.inputs();
    Ok(Some((0..width).map(|i| update[matrix + most * width + i] / update[biases + most]).collect()))
}

/// The unit's label (iDLG, Zhao, Mopuri and Bilen 2020): the slope of a logit is p − 1 at the label, below 0, and p elsewhere. Of an update that noise was
/// added to, the class whose bias moves most that way.
///
/// # Errors
/// [`Error::Length`], [`Error::NotANumber`].
pub fn label(network: &dyn Differentiable, update: &[f64]) -> Result<usize, Error> {
    fits(network, update)?;
    let of_classes = &update[network.last_biases()];
    let least = of_classes.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
    Ok(least.map(|(class, _)| class).expect("a model has classes"))
}

/// What a step with differential privacy lets out of one unit alone: the update cut to the norm `clip`, with Gaussian noise of `multiplier` times that
/// on each coordinate. Imitates a mechanism for an audit; its draws follow from the seed and protect nobody.
#[must_use]
pub fn clipped_and_noised(update: &[f64], clip: f64, multiplier: f64, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed ^ 0x7570_6461);
    let norm = update.iter().map(|u| u * u).sum::<f64>().sqrt();
    let scale = if norm > clip { clip / norm } else { 1.0 };
    update.iter().map(|u| u * scale + multiplier * clip * normal(&mut rng)).collect()
}

fn fits(network: &dyn Differentiable, update: &[f64]) -> Result<(), Error> {
    crate::folds::same_length("the update", update.len(), network.weights().len())?;
    crate::folds::finite(update)
}

/// Root mean squared difference of two inputs.
#[must_use]
pub fn error(found: &[f64], true_input: &[f64]) -> f64 {
    let sum: f64 = found.iter().zip(true_input).map(|(f, x)| (f - x).powi(2)).sum();
    (sum / true_input.len() as f64).sqrt()
}

/// One unit's input, and what an attack made of its update.
pub struct Reconstruction {
    /// The unit's.
    pub input: Vec<f64>,
    /// The attack's, cut to the declared bounds.
    pub found: Vec<f64>,
}

/// Whether reconstructions are nearer to the unit whose update was attacked than to another unit: "members" are minus the error against the unit itself,
/// "non-members" against the next one. Half of all is what no information gives, all is what exact recovery gives.
///
/// Controls: pairs dealt at random, and a reconstruction that is the mean of all inputs for everybody.
///
/// # Errors
/// [`Error::OneSided`] for fewer than two units; [`Error::NotANumber`].
pub fn compare(attack: Attack, all: &[Reconstruction]) -> Result<Finding, Error> {
    if all.len() < 2 {
        return Err(Error::OneSided { members: all.len(), non_members: all.len() });
    }
    let next = |i: usize| &all[(i + 1) % all.len()].input;
    let sides = |found: &dyn Fn(usize) -> Vec<f64>| {
        let (own, other): (Vec<f64>, Vec<f64>) =
            (0..all.len()).map(|i| (-error(&found(i), &all[i].input), -error(&found(i), next(i)))).unzip();
        MemberScores::new(own, other)
    };
    let width = all[0].input.len();
    let mean: Vec<f64> = (0..width).map(|j| all.iter().map(|r| r.input[j]).sum::<f64>() / all.len() as f64).collect();
    let scores = sides(&|i| all[i].found.clone())?;
    let checks = vec![
        controls::random_membership(&scores, attack.seed)?,
        controls::no_difference("the mean of all inputs for everybody", &sides(&|_| mean.clone())?),
    ];
    let gaps = [
        "updates of several units or steps together",
        "attackers who know what inputs look like, and networks of other kinds",
        "the release itself: its updates are never shared, this is what one of them would say",
    ];
    Finding::new(attack, &scores, checks, None, None, None, gaps.map(str::to_owned).to_vec())
}

#[cfg(test)]
mod tests {
    use super::network::tests::made;
    use super::*;
    use crate::testing;

    fn attack() -> Attack {
        Attack { name: "updates".into(), variant: "".into(), threat_model: "".into(), unit: "row".into(), seed: 2 }
    }

    /// 60 units of a network with two hidden layers: what is found of an update as it is, and of one clipped to 1 with noise of as much.
    fn found(noise: Option<f64>) -> (Vec<Reconstruction>, usize) {
        let network = made(&[12, 16, 8, 4], 3);
        let mut rng = testing::rng(4);
        let mut right = 0;
        let all = (0..60)
            .map(|unit| {
                let input: Vec<f64> = (0..12).map(|_| testing::normal(&mut rng).tanh()).collect();
                let mut update = network.update(&input, unit % 4).unwrap();
                if let Some(multiplier) = noise {
                    update = clipped_and_noised(&update, 1.0, multiplier, unit as u64);
                }
                right += usize::from(label(&network, &update).unwrap() == unit % 4);
                let found = analytic(&network, &update).unwrap().unwrap().into_iter().map(|x| x.clamp(-1.0, 1.0)).collect();
                Reconstruction { input, found }
            })
            .collect();
        (all, right)
    }

    #[test]
    fn an_update_as_it_is_gives_the_input_and_the_label() {
        let (all, right) = found(None);
        assert!(all.iter().all(|r| error(&r.found, &r.input) < 1e-9) && right == 60);
        let finding = compare(attack(), &all).unwrap();
        assert!(finding.area.auc == 1.0 && finding.controls.iter().all(|c| c.passed), "{:?}", finding.controls);
    }

    /// At noise of the clip the area leaves ½ ± 5.1 × .0528 by chance with probability 4e-7; the coordinates of an update say of a first layer's row little
    /// more than their noise. Labels: 15 of 60 by guessing, more than 40 with probability below 1e-9 by it, and what the bias says is more than that.
    #[test]
    fn a_clipped_and_noised_one_does_not() {
        let (all, _) = found(Some(1.0));
        let finding = compare(attack(), &all).unwrap();
        assert!((finding.area.auc - 0.5).abs() < 0.27, "{:?}", finding.area);
        let mean = all.iter().map(|r| error(&r.found, &r.input)).sum::<f64>() / 60.0;
        assert!(mean > 0.5, "{mean}");
    }

    /// Without noise the direction stays and the norm is cut, never stretched; with it the spread is that of the clip: over 20,000 coordinates
    /// the standard deviation's own is .5%.
    #[test]
    fn clips_to_the_norm_and_adds_noise_of_its_size() {
        assert_eq!(clipped_and_noised(&[3.0, 4.0], 1.0, 0.0, 1), [0.6000000000000001, 0.8]);
        assert_eq!(clipped_and_noised(&[0.3, 0.4], 1.0, 0.0, 1), [0.3, 0.4]);
        let noise = clipped_and_noised(&[0.0; 20_000], 2.0, 1.5, 1);
        let spread = (noise.iter().map(|n| n * n).sum::<f64>() / 20_000.0).sqrt();
        assert!((spread / 3.0 - 1.0).abs() < 0.026, "{spread}");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let network = made(&[3, 2], 1);
        assert!(matches!(analytic(&network, &[0.0; 7]), Err(Error::Length { .. })));
        assert!(matches!(label(&network, &[f64::NAN; 8]), Err(Error::NotANumber { .. })));
        assert_eq!(analytic(&network, &[0.0; 8]).unwrap(), None);
        assert!(matches!(compare(attack(), &[]), Err(Error::OneSided { .. })));
    }
}
