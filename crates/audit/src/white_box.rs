//! White-box audit of a training loop that says how much noise it adds: gradient canaries, and what the loop let out at every step.
//!
//! A canary is one unit more, whose gradient points along a coordinate of its own, on which no other unit has any; its norm is far above the
//! clip. In every step every canary is in or out by its own fair coin ([`Coins`]). What the loop lets out along that coordinate, times its
//! divisor and over the clip norm, is by the plan coin + noise multiplier · N(0, 1), each from noise of its own ([`StepPlan`]).
//!
//! Four tests see what may be wrong ([`audit`]): guesses about all coins of the run, and error rates of a threshold, see too little noise and
//! missing clips; the spread where a canary is out sees noise of any other size; differences of neighbouring steps see noise that is used
//! again, which makes the sum of a run noisier than planned and so is invisible to the others. None of them sees whether units are sampled as
//! the plan says: canaries are in by their coins, and the ε held against is that of a step without sampling.
//!
//! Nasr et al. (2023, "Tight auditing of differentially private machine learning") audit with gradient canaries; one run for all coins is
//! Steinke, Nasr and Jagielski (2023), against Gaussians Mahloujifar, Melis and Chaudhuri (2024).

use crate::gamma::chi_squared;
use crate::{Attack, Error, Finding, LowerBound, Measured, MemberScores, Method, Stated, Threshold, controls};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;
use reticent_accounting::{Delta, Event, NoiseMultiplier, gaussian};
use serde::Serialize;

/// What a loop says of each of its steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepPlan {
    /// Standard deviation of the noise of each coordinate over the clip norm; above 0.
    pub noise_multiplier: NoiseMultiplier,
    /// Bound on the L2 norm of a unit's gradient; positive, finite.
    pub max_grad_norm: f64,
    /// What the noised sum is divided by before it is let out: 1 for the sum itself; positive, finite.
    pub divisor: f64,
}

/// Which canary is in which step.
#[derive(Clone)]
pub struct Coins {
    canaries: usize,
    is_in: Vec<bool>,
}

impl Coins {
    /// Throws a fair coin for each canary in each step. The seed protects nobody: canaries are made up.
    #[must_use]
    pub fn thrown(canaries: usize, steps: usize, seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        Self { canaries, is_in: (0..canaries * steps).map(|_| rng.random()).collect() }
    }

    /// As somebody else threw them: `is_in[step][canary]`.
    ///
    /// # Errors
    /// [`Error::Length`] where steps have different numbers of canaries.
    pub fn recorded(is_in: &[Vec<bool>]) -> Result<Self, Error> {
        let canaries = is_in.first().map_or(0, Vec::len);
        if let Some(odd) = is_in.iter().find(|step| step.len() != canaries) {
            return Err(Error::Length { what: "canaries", found: odd.len(), expected: canaries });
        }
        Ok(Self { canaries, is_in: is_in.concat() })
    }

    /// Number of canaries in play.
    #[must_use]
    pub fn canaries(&self) -> usize {
        self.canaries
    }

    /// Number of steps.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.is_in.len() / self.canaries.max(1)
    }

    /// Whether the canary takes part in the step.
    #[must_use]
    pub fn is_in(&self, step: usize, canary: usize) -> bool {
        self.is_in[step * self.canaries + canary]
    }
}

/// One test of "the loop does what its plan says".
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanTest {
    /// Its name: `guesses`, `threshold`, `noise`, `differences`.
    pub name: &'static str,
    /// What it sees, in words.
    pub sees: &'static str,
    /// Probability, under the plan, of what was seen or worse; at most.
    pub p_value: f64,
}

/// What the audit of a loop found.
#[derive(Debug, Clone, Serialize)]
pub struct LoopAudit {
    /// The canaries as an attack, with the lower bound of the threshold, held against one step of the plan.
    pub finding: Finding,
    /// The lower bound of the guesses, which assumes nothing but the coins; of one step, as all.
    pub one_run: LowerBound,
    /// All tests.
    pub tests: Vec<PlanTest>,
    /// The smallest p-value times the number of tests, at most 1: the probability, under the plan, that any of them comes out so.
    pub p_value: f64,
}

impl LoopAudit {
    /// Whether the loop contradicts its plan at this level: a right one is called so with at most this probability.
    #[must_use]
    pub fn contradicts(&self, alpha: f64) -> bool {
        self.p_value <= alpha
    }

    /// The test with the smallest p-value.
    #[must_use]
    pub fn surest(&self) -> &PlanTest {
        self.tests.iter().min_by(|a, b| a.p_value.total_cmp(&b.p_value)).expect("there are four")
    }
}

/// Fewer pairs of a step and a canary say too little.
const FEWEST: usize = 100;
/// No p-value below this is told apart from 0.
const SMALLEST_P: f64 = 1e-12;

/// Holds what a loop let out against its plan. `released[step][canary]` is the coordinate of each canary in the gradient that moves the weights.
///
/// ```
/// use reticent_accounting::{Delta, NoiseMultiplier};
/// use reticent_audit::white_box::{Coins, StepPlan, audit};
/// let plan = StepPlan { noise_multiplier: NoiseMultiplier::new(1.0)?, max_grad_norm: 0.5, divisor: 64.0 };
/// let coins = Coins::thrown(40, 20, 7);
/// // In each step, for each canary that is in, a unit more whose gradient is large along the canary's coordinate. This loop forgets the noise:
/// let released: Vec<Vec<f64>> =
///     (0..20).map(|step| (0..40).map(|canary| if coins.is_in(step, canary) { 0.5 / 64.0 } else { 0.0 }).collect()).collect();
/// let found = audit(&plan, &coins, &released, Delta::new(1e-5)?, 0.05, 0)?;
/// assert!(found.contradicts(0.01) && found.finding.verdict.word() == "contradicted");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::Length`], [`Error::NotANumber`], [`Error::OutOfRange`] for a plan that is none, fewer than 100 pairs of a step and a canary, fewer than two
/// steps or `alpha` outside (0, 1); [`Error::NotFairCoins`].
pub fn audit(plan: &StepPlan, coins: &Coins, released: &[Vec<f64>], delta: Delta, alpha: f64, seed: u64) -> Result<LoopAudit, Error> {
    let seen = Seen::new(plan, coins, released, delta, seed)?;
    let tests = seen.tests()?;
    let p_value = together(&tests);

    let event = Event::Gaussian { noise_multiplier: plan.noise_multiplier };
    let stated = Stated { epsilon: gaussian::epsilon(&event, delta)?, delta, event: Some(event) };
    let scores = &seen.scores;
    let perfect = MemberScores::new(vec![1.0; scores.members()], vec![0.0; scores.non_members()])?;
    let most = LowerBound::gaussian(&perfect, delta, alpha, &Threshold::Fixed(0.5))?.epsilon();
    let attack = Attack {
        name: "gradient canaries".into(),
        variant: "each canary in each step by its own fair coin, along a coordinate of its own; threshold at half the clip norm".into(),
        threat_model: "white box: the gradient of every step that moves the weights; the auditor plants the canaries".into(),
        unit: "canary in one step".into(),
        seed,
    };
    let checks = vec![controls::random_membership(scores, seed)?];
    let measured = Some(Measured { bound: seen.threshold(alpha)?, ceiling: most, power: None });
    let not_tested = vec![
        "how units are sampled: canaries are in by coins, and the ε held against is that of one step without sampling".to_owned(),
        "how the bound of a step composes over the run".to_owned(),
        "gradients that a canary along one coordinate does not have: clipping of several layers, of several rows of a unit".to_owned(),
    ];
    let finding = Finding::new(attack, scores, checks, None, measured, Some(&stated), not_tested)?;
    Ok(LoopAudit { finding, one_run: seen.guesses(alpha)?, tests, p_value })
}

/// What [`audit`] looks at: what was let out of each pair of a step and a canary, by whether the canary was in.
///
/// # Errors
/// As [`audit`].
pub fn scores(plan: &StepPlan, coins: &Coins, released: &[Vec<f64>]) -> Result<MemberScores, Error> {
    by_coins(coins, &in_clips(plan, coins, released)?)
}

fn in_clips(plan: &StepPlan, coins: &Coins, released: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, Error> {
    let scale = plan.check()?;
    check_released(coins, released)?;
    Ok(released.iter().map(|step| step.iter().map(|v| v * scale).collect()).collect())
}

fn by_coins(coins: &Coins, values: &[Vec<f64>]) -> Result<MemberScores, Error> {
    let side = |which| pairs(coins).filter(|&(s, c)| coins.is_in(s, c) == which).map(|(s, c)| values[s][c]).collect();
    MemberScores::new(side(true), side(false))
}

/// What was let out, in units of the clip norm: 0 or 1, and noise.
struct Seen<'a> {
    coins: &'a Coins,
    sigma: f64,
    delta: Delta,
    seed: u64,
    /// `[step][canary]`.
    values: Vec<Vec<f64>>,
    scores: MemberScores,
}

impl<'a> Seen<'a> {
    fn new(plan: &StepPlan, coins: &'a Coins, released: &[Vec<f64>], delta: Delta, seed: u64) -> Result<Self, Error> {
        let values = in_clips(plan, coins, released)?;
        let scores = by_coins(coins, &values)?;
        Ok(Self { coins, sigma: plan.noise_multiplier.get(), delta, seed, values, scores })
    }

    /// From the coins alone: the surest tenth of the guesses, and all.
    fn guesses(&self, alpha: f64) -> Result<LowerBound, Error> {
        let all = self.coins.is_in.len();
        LowerBound::one_run_gaussian(&self.scores, self.delta, alpha, &[all.div_ceil(10), all], self.seed)
    }

    fn threshold(&self, alpha: f64) -> Result<LowerBound, Error> {
        LowerBound::gaussian(&self.scores, self.delta, alpha, &Threshold::Fixed(0.5))
    }

    fn tests(&self) -> Result<Vec<PlanTest>, Error> {
        let stated_mu = 1.0 / self.sigma;
        let coins = self.coins;
        let out = || pairs(coins).filter(|&(s, c)| !coins.is_in(s, c));
        let squares: f64 = out().map(|(s, c)| (self.values[s][c] / self.sigma).powi(2)).sum();
        let (below, above) = chi_squared(squares, out().count() as f64);
        // Steps 0 and 1, 2 and 3 …: no value is in two differences.
        let paired = || out().filter(|&(s, c)| s % 2 == 0 && s + 1 < coins.steps() && !coins.is_in(s + 1, c));
        let difference = |s: usize, c: usize| (self.values[s][c] - self.values[s + 1][c]) / self.sigma;
        let differences: f64 = paired().map(|(s, c)| difference(s, c).powi(2) / 2.0).sum();
        // Without a pair there is nothing to see.
        let repeated = match paired().count() {
            0 => 1.0,
            n => chi_squared(differences, n as f64).0,
        };
        Ok(vec![
            PlanTest {
                name: "guesses",
                sees: "canaries that stand out in one run more than the noise allows: no noise, no clip",
                p_value: smallest_level(|alpha| Ok(mu_of(&self.guesses(alpha)?) > stated_mu))?,
            },
            PlanTest {
                name: "threshold",
                sees: "error rates below those that the noise allows, each pair of a step and a canary a trial: too little noise, no clip",
                p_value: smallest_level(|alpha| Ok(mu_of(&self.threshold(alpha)?) > stated_mu))?,
            },
            PlanTest {
                name: "noise",
                sees: "noise smaller or larger than planned where no canary is",
                p_value: (2.0 * below.min(above)).min(1.0),
            },
            PlanTest { name: "differences", sees: "noise that a step shares with the one before", p_value: repeated },
        ])
    }
}

fn pairs(coins: &Coins) -> impl Iterator<Item = (usize, usize)> + use<> {
    let (steps, canaries) = (coins.steps(), coins.canaries());
    (0..steps).flat_map(move |step| (0..canaries).map(move |canary| (step, canary)))
}

/// The probability that any of them comes out so, at most.
fn together(tests: &[PlanTest]) -> f64 {
    let smallest = tests.iter().map(|t| t.p_value).fold(1.0, f64::min);
    (smallest * tests.len() as f64).min(1.0)
}

impl StepPlan {
    /// What turns what is let out into units of the clip norm.
    fn check(&self) -> Result<f64, Error> {
        let positive = |quantity, value: f64| {
            if value > 0.0 && value.is_finite() { Ok(()) } else { Err(Error::OutOfRange { quantity, value, range: "positive and finite" }) }
        };
        positive("the noise multiplier", self.noise_multiplier.get())?;
        positive("the clip norm", self.max_grad_norm)?;
        positive("the divisor", self.divisor)?;
        Ok(self.divisor / self.max_grad_norm)
    }
}

fn check_released(coins: &Coins, released: &[Vec<f64>]) -> Result<(), Error> {
    let length = |what, found, expected| if found == expected { Ok(()) } else { Err(Error::Length { what, found, expected }) };
    length("steps", released.len(), coins.steps())?;
    for step in released {
        length("canaries", step.len(), coins.canaries())?;
    }
    if let Some(index) = released.iter().flatten().position(|v| !v.is_finite()) {
        return Err(Error::NotANumber { index });
    }
    let least = |quantity, value: usize, least: usize, range| {
        if value < least { Err(Error::OutOfRange { quantity, value: value as f64, range }) } else { Ok(()) }
    };
    least("the number of steps", coins.steps(), 2, "at least 2")?;
    least("the number of pairs of a step and a canary", coins.is_in.len(), FEWEST, "at least 100")
}

fn mu_of(bound: &LowerBound) -> f64 {
    match bound.method() {
        Method::OneRunGaussian { mu, .. } | Method::Gaussian { mu, .. } => *mu,
        Method::ClopperPearson { .. } | Method::OneRun { .. } => 0.0,
    }
}

/// The smallest level at which a bound contradicts, by bisection from above over its logarithm; 1 where it does not at ½.
fn smallest_level(contradicts: impl Fn(f64) -> Result<bool, Error>) -> Result<f64, Error> {
    let (mut low, mut high) = (SMALLEST_P.ln(), 0.5_f64.ln());
    if !contradicts(high.exp())? {
        return Ok(1.0);
    }
    for _ in 0..30 {
        let middle = 0.5 * (low + high);
        if contradicts(middle.exp())? { high = middle } else { low = middle }
    }
    Ok(high.exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn delta() -> Delta {
        Delta::new(1e-5).unwrap()
    }

    fn plan(sigma: f64) -> StepPlan {
        StepPlan { noise_multiplier: NoiseMultiplier::new(sigma).unwrap(), max_grad_norm: 2.0, divisor: 10.0 }
    }

    /// A loop whose noise is `sigma`, whatever it says.
    fn released(coins: &Coins, sigma: f64, seed: u64) -> Vec<Vec<f64>> {
        let mut rng = testing::rng(seed);
        let mut one = |step, canary| (f64::from(u8::from(coins.is_in(step, canary))) + sigma * testing::normal(&mut rng)) * 2.0 / 10.0;
        (0..coins.steps()).map(|step| (0..coins.canaries()).map(|canary| one(step, canary)).collect()).collect()
    }

    /// 2,000 right loops, all tests: contradicted at 5% in at most 5% and four standard deviations of the count (a false alarm below 1e-4 where the
    /// true rate is 5%).
    #[test]
    fn family_wise_error_of_right_loops() {
        let (mut wrong, mut by_test) = (0, [0; 4]);
        for seed in 0..2000 {
            let coins = Coins::thrown(12, 10, seed);
            let values = released(&coins, 1.0, seed + 10_000);
            let tests = Seen::new(&plan(1.0), &coins, &values, delta(), seed).unwrap().tests().unwrap();
            wrong += u32::from(together(&tests) <= 0.05);
            for (count, test) in by_test.iter_mut().zip(&tests) {
                *count += u32::from(test.p_value <= 0.05);
            }
        }
        assert!(wrong < 140, "{wrong}");
        assert!(by_test.iter().all(|&n| n < 140), "{by_test:?}");
        // The two tests of noise are exact: 5%, give or take four standard deviations.
        assert!(by_test[2] > 60 && by_test[3] > 60, "{by_test:?}");
    }

    #[test]
    fn each_test_sees_what_it_says() {
        let coins = Coins::thrown(50, 20, 3);
        let p = |values: &[Vec<f64>]| -> Vec<f64> {
            let found = audit(&plan(1.0), &coins, values, delta(), 0.05, 0).unwrap();
            found.tests.iter().map(|t| t.p_value).collect()
        };
        let right = p(&released(&coins, 1.0, 1));
        assert!(right.iter().all(|&p| p > 0.01), "{right:?}");
        let none = p(&released(&coins, 1e-6, 1));
        assert!(none[0] < 1e-3 && none[1] < 1e-6 && none[2] < 1e-6, "{none:?}");
        let half = p(&released(&coins, 0.5, 1));
        assert!(half[1] < 1e-6 && half[2] < 1e-6, "{half:?}");
        // Twice the noise is no leak, and it is not the plan either.
        let twice = p(&released(&coins, 2.0, 1));
        assert!(twice[0] > 0.5 && twice[1] > 0.5 && twice[2] < 1e-6 && twice[3] > 0.5, "{twice:?}");
        // The noise of step 0 in every step.
        let zero = Coins::recorded(&vec![vec![false; 50]; 20]).unwrap();
        let first = released(&zero, 1.0, 1)[0].clone();
        let reused: Vec<Vec<f64>> =
            (0..20).map(|s| (0..50).map(|c| first[c] + if coins.is_in(s, c) { 0.2 } else { 0.0 }).collect()).collect();
        let reused = p(&reused);
        assert!(reused[3] < 1e-6 && reused[0] > 0.01, "{reused:?}");
    }

    #[test]
    fn what_cannot_be_audited_is_refused() {
        let coins = Coins::thrown(50, 20, 3);
        let good = released(&coins, 1.0, 1);
        let run = |plan: StepPlan, coins: &Coins, values: &[Vec<f64>]| audit(&plan, coins, values, delta(), 0.05, 0).err();
        assert_eq!(run(plan(1.0), &coins, &good[1..]), Some(Error::Length { what: "steps", found: 19, expected: 20 }));
        let mut odd = good.clone();
        odd[3].pop();
        assert_eq!(run(plan(1.0), &coins, &odd), Some(Error::Length { what: "canaries", found: 49, expected: 50 }));
        odd[3].push(f64::INFINITY);
        assert_eq!(run(plan(1.0), &coins, &odd), Some(Error::NotANumber { index: 3 * 50 + 49 }));
        for wrong in [StepPlan { max_grad_norm: 0.0, ..plan(1.0) }, StepPlan { divisor: f64::NAN, ..plan(1.0) }] {
            assert!(matches!(run(wrong, &coins, &good), Some(Error::OutOfRange { .. })));
        }
        let few = Coins::thrown(9, 11, 1);
        assert!(matches!(run(plan(1.0), &few, &released(&few, 1.0, 1)), Some(Error::OutOfRange { .. })));
        let single = Coins::thrown(200, 1, 1);
        assert!(matches!(run(plan(1.0), &single, &released(&single, 1.0, 1)), Some(Error::OutOfRange { .. })));
        let all = Coins::recorded(&vec![[vec![true; 49], vec![false]].concat(); 20]).unwrap();
        assert!(matches!(run(plan(1.0), &all, &good), Some(Error::NotFairCoins { .. })));
        assert!(matches!(Coins::recorded(&[vec![true], vec![]]).err(), Some(Error::Length { .. })));
        assert_eq!(Coins::recorded(&[]).unwrap().steps(), 0);
    }
}
