//! Attacks that learn what an answer about a member looks like: from shadow models, or from units known to be members.

use crate::Error;
use crate::folds::{FOLDS, deal, finite, same_length};
use crate::shadow::Membership;
use crate::softmax::Softmax;

/// Fewer examples of a class than this, on a side, and the classifier of all classes is used.
const LEAST_OF_A_CLASS: usize = 20;

/// The attack of Shokri et al. (2017): for each class a classifier of "in" and "out", learnt on what shadow models answer about units in and out of
/// them, and put to what the target answers. Here it is a logistic regression on φ and φ², and φ is all of an answer that it sees: with two classes
/// that is the whole of it, with more the authors' classifier sees the other probabilities too.
///
/// Scores are log odds. `target[unit]` is φ under the model attacked, `shadow[model][unit]` under the shadow models, `class[unit]` from 0.
///
/// # Errors
/// [`Error::Length`], [`Error::NotANumber`], [`Error::FewReferences`] where a unit lacks models with or without it.
pub fn shadow_trained(target: &[f64], shadow: &[Vec<f64>], members: &Membership, class: &[usize]) -> Result<Vec<f64>, Error> {
    members.fits(target, shadow, crate::lira::Knowledge::Online, 1)?;
    same_length("classes", class.len(), target.len())?;
    let learn = |only: Option<usize>| {
        let (mut seen, mut is_in) = (vec![], vec![]);
        for (model, answers) in shadow.iter().enumerate() {
            for unit in (0..target.len()).filter(|&u| only.is_none_or(|c| class[u] == c)) {
                seen.push(squared(answers[unit]));
                is_in.push(usize::from(members.is_in(model, unit)));
            }
        }
        classifier(&seen.iter().map(|s| &s[..]).collect::<Vec<_>>(), &is_in)
    };
    let all = learn(None);
    let by_class: Vec<Option<Softmax>> = (0..class.iter().max().map_or(0, |c| c + 1)).map(|c| learn(Some(c))).collect();
    let of = |(unit, phi): (usize, &f64)| by_class[class[unit]].as_ref().or(all.as_ref()).map_or(0.0, |c| log_odds(c, &squared(*phi)));
    Ok(target.iter().enumerate().map(of).collect())
}

/// The trained attack of TensorFlow Privacy: a logistic regression on what the target itself answers, learnt on four of five parts of the units with their
/// membership known and put to the fifth. What an attacker can do who knows some of the members.
///
/// Scores are log odds. `answers[unit]` is any description of an answer: here the signals of [`signal`](crate::signal), and the class.
///
/// # Errors
/// [`Error::Length`], [`Error::NotANumber`]; [`Error::OneSided`] for fewer than five on a side.
pub fn known_members(answers: &[Vec<f64>], member: &[bool], seed: u64) -> Result<Vec<f64>, Error> {
    same_length("answers", answers.len(), member.len())?;
    let width = answers.first().map_or(0, Vec::len);
    for x in answers {
        same_length("signals of a unit", x.len(), width)?;
        finite(x)?;
    }
    let fold = deal(member, seed)?;
    let mut scores = vec![0.0; member.len()];
    for part in 0..FOLDS {
        let learnt: Vec<usize> = (0..member.len()).filter(|&u| fold[u] != part).collect();
        let rows: Vec<&[f64]> = learnt.iter().map(|&u| answers[u].as_slice()).collect();
        let is_in: Vec<usize> = learnt.iter().map(|&u| usize::from(member[u])).collect();
        let fitted = Softmax::fit(&rows, &is_in, 2);
        for u in (0..member.len()).filter(|&u| fold[u] == part) {
            scores[u] = log_odds(&fitted, &answers[u]);
        }
    }
    Ok(scores)
}

fn classifier(seen: &[&[f64]], is_in: &[usize]) -> Option<Softmax> {
    let ins = is_in.iter().sum::<usize>();
    (ins >= LEAST_OF_A_CLASS && is_in.len() - ins >= LEAST_OF_A_CLASS).then(|| Softmax::fit(seen, is_in, 2))
}

fn squared(phi: f64) -> [f64; 2] {
    [phi, phi * phi]
}

fn log_odds(fitted: &Softmax, x: &[f64]) -> f64 {
    let p = fitted.log_probabilities(x);
    p[1] - p[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shadow::balanced_matrix;
    use crate::testing::{self, auc};
    use rand::RngExt;

    /// Two Gaussians of spreads 1 and 2 around the same mean: the log odds are quadratic in φ, −½φ² + ⅛φ² + ln 2 = ln 2 − ⅜φ², and the classifier
    /// finds them. Slopes have a standard error of about .01 from 8 × 1,000 answers.
    #[test]
    fn finds_the_log_odds_that_are_known() {
        let mut rng = testing::rng(91);
        let (units, shadows) = (1000, 8);
        let members = balanced_matrix(units, shadows, 3).unwrap();
        let mut phi = |is_in: bool| if is_in { 1.0 } else { 2.0 } * testing::normal(&mut rng);
        let shadow: Vec<Vec<f64>> = (0..shadows).map(|s| (0..units).map(|u| phi(members.is_in(s, u))).collect()).collect();
        let target: Vec<f64> = (0..units).map(|u| (u as f64 - 500.0) / 250.0).collect();
        let found = shadow_trained(&target, &shadow, &members, &vec![0; units]).unwrap();
        for (found, phi) in found.iter().zip(&target) {
            let known = 2.0_f64.ln() - 0.375 * phi * phi;
            assert!((found - known).abs() < 0.2, "{phi}: {found} {known}");
        }
    }

    /// What is a member's answer in one class is a stranger's in another: a classifier for each class is needed.
    #[test]
    fn each_class_has_its_classifier() {
        let mut rng = testing::rng(92);
        let (units, shadows) = (600, 8);
        let members = balanced_matrix(units, shadows, 3).unwrap();
        let class: Vec<usize> = (0..units).map(|u| u / 2 % 2).collect();
        let mut phi = |u: usize, is_in: bool| (if is_in == (class[u] == 0) { 2.0 } else { 0.0 }) + testing::normal(&mut rng);
        let shadow: Vec<Vec<f64>> = (0..shadows).map(|s| (0..units).map(|u| phi(u, members.is_in(s, u))).collect()).collect();
        let member: Vec<bool> = (0..units).map(|u| u % 2 == 0).collect();
        let target: Vec<f64> = (0..units).map(|u| phi(u, member[u])).collect();
        let found = auc(&shadow_trained(&target, &shadow, &members, &class).unwrap(), &member);
        let one = auc(&shadow_trained(&target, &shadow, &members, &vec![0; units]).unwrap(), &member);
        // Φ(2/√2) = .921 within a class.
        assert!(found > 0.88 && found < 0.96 && one < 0.6, "{found} {one}");
    }

    /// Trained on some of the members it finds what is there, and with nothing there it finds nothing: of 10 seeds of about 300 + 300 each leaves .5 ± 5.4 ×
    /// .0237 with probability 7e-8. In-sample it would leave it at once.
    #[test]
    fn known_members_are_no_help_where_nothing_is() {
        for seed in 0..10 {
            let mut rng = testing::rng(2000 + seed);
            let member: Vec<bool> = (0..600).map(|_| rng.random()).collect();
            let mut answers = |lift: f64| -> Vec<Vec<f64>> {
                member
                    .iter()
                    .map(|m| (0..30).map(|j| testing::normal(&mut rng) + if *m && j == 7 { lift } else { 0.0 }).collect())
                    .collect()
            };
            let (nothing, something) = (answers(0.0), answers(1.5));
            let area = auc(&known_members(&nothing, &member, seed).unwrap(), &member);
            assert!((area - 0.5).abs() < 0.128, "{seed}: {area}");
            if seed == 0 {
                // Φ(1.5/√2) = .856 by that signal alone.
                assert!(auc(&known_members(&something, &member, seed).unwrap(), &member) > 0.78);
            }
        }
    }
}
