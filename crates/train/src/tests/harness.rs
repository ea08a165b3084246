//! What every recorded layer is held to: its clipped sums and norms against one unit at a time in f64, in every clip rule, with padding, alone
//! and beside a unit that is not finite; its `forward` and its records against `burn::nn`'s.

use super::*;
use crate::{ClipRule, UnitBatch, clipped_sum_universal, tape};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Int, Tensor, TensorData};

/// What a model takes: anything whose first dimension is the rows.
pub(super) trait Inputs: Clone {
    fn narrow(&self, from: usize, len: usize) -> Self;
    /// The same in f64.
    fn wide(&self) -> Self;
    /// The same with row `row` not finite; `None` where no input can be.
    fn poisoned(&self, row: usize) -> Option<Self>;
}

impl<const D: usize> Inputs for Tensor<D> {
    fn narrow(&self, from: usize, len: usize) -> Self {
        self.clone().narrow(0, from, len)
    }

    fn wide(&self) -> Self {
        self.clone().cast(DType::F64)
    }

    fn poisoned(&self, row: usize) -> Option<Self> {
        let mut at = [(); D].map(|()| 0..1);
        at[0] = row..row + 1;
        // One value of the row: the others must still not reach another unit.
        Some(self.clone().slice_assign(at, Self::full([1; D], f32::NAN, &self.device())))
    }
}

impl<const D: usize> Inputs for Tensor<D, Int> {
    fn narrow(&self, from: usize, len: usize) -> Self {
        self.clone().narrow(0, from, len)
    }

    fn wide(&self) -> Self {
        self.clone()
    }

    fn poisoned(&self, _row: usize) -> Option<Self> {
        None
    }
}

impl<A: Inputs, B: Inputs> Inputs for (A, B) {
    fn narrow(&self, from: usize, len: usize) -> Self {
        (self.0.narrow(from, len), self.1.narrow(from, len))
    }

    fn wide(&self) -> Self {
        (self.0.wide(), self.1.wide())
    }

    fn poisoned(&self, row: usize) -> Option<Self> {
        match (self.0.poisoned(row), self.1.poisoned(row)) {
            (Some(a), _) => Some((a, self.1.clone())),
            (None, Some(b)) => Some((self.0.clone(), b)),
            (None, None) => None,
        }
    }
}

/// Rows of units, some of them padding.
#[derive(Clone)]
pub(super) struct Rows<T> {
    pub(super) inputs: T,
    /// 1 for a row, 0 for padding, `[units · cap]`.
    pub(super) mask: Tensor<1>,
    pub(super) units: usize,
    pub(super) cap: usize,
}

impl<T: Inputs> UnitBatch for Rows<T> {
    fn units(&self) -> usize {
        self.units
    }

    fn unit(&self, index: usize) -> Self {
        self.of(&[index])
    }
}

impl<T: Inputs> Rows<T> {
    /// `inputs` has `units · cap` rows; each unit's first row counts, the others by chance.
    pub(super) fn new(inputs: T, units: usize, cap: usize, rng: &mut ChaCha20Rng) -> Self {
        let mask: Vec<f32> = (0..units * cap).map(|row| if row % cap == 0 || rng.random_bool(0.7) { 1.0 } else { 0.0 }).collect();
        Self { inputs, mask: Tensor::from_data(TensorData::new(mask, [units * cap]), &Device::flex()), units, cap }
    }

    /// Neighbouring units, from the first to the last named.
    fn of(&self, range: &[usize]) -> Self {
        let (from, units) = (range[0], range.len());
        let (at, len) = (from * self.cap, units * self.cap);
        Self { inputs: self.inputs.narrow(at, len), mask: self.mask.clone().narrow(0, at, len), units, cap: self.cap }
    }

    fn wide(&self) -> Self {
        Self { inputs: self.inputs.wide(), mask: self.mask.clone().cast(DType::F64), ..self.clone() }
    }
}

/// A layer over inputs that come from a recorded layer: a gradient that goes wrong on its way through shows below.
#[derive(Module, Debug)]
pub(super) struct After<L: Module> {
    pub(super) before: Linear,
    pub(super) layer: L,
}

impl<L: Module> After<L> {
    /// For a last dimension of `width`.
    pub(super) fn new(width: usize, layer: L) -> Self {
        Self { before: crate::nn::LinearConfig::new(width, width).init(&Device::flex().autodiff()), layer }
    }
}

/// Standard normal values.
pub(super) fn normal<const D: usize>(shape: [usize; D], rng: &mut ChaCha20Rng) -> Tensor<D> {
    use rand_distr::{Distribution as _, StandardNormal};
    let values: Vec<f32> = StandardNormal.sample_iter(rng).take(shape.iter().product()).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// A loss of each row with a gradient of no special form: half the squared distance of the outputs to fixed points, over √outputs.
pub(super) fn row_losses<const D: usize>(outputs: Tensor<D>, mask: &Tensor<1>) -> Tensor<1> {
    let rows = outputs.dims()[0];
    let width = outputs.shape().num_elements() / rows;
    let points: Vec<f64> = (0..width).map(|i| (i as f64 + 1.0).sin()).collect();
    let points: Tensor<2> = Tensor::from_data(TensorData::new(points, [1, width]), (&outputs.device(), outputs.dtype()));
    let squared = (outputs.reshape([rows, width]) - points).square().sum_dim(1) * (0.5 / (width as f64).sqrt());
    squared.reshape([rows]) * tape::tracked(mask.clone())
}

/// Every parameter in f64.
struct Widen;

impl ModuleMapper for Widen {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|t| {
            let trainable = t.is_require_grad();
            tape::plain(t).cast(DType::F64).autodiff().set_require_grad(trainable)
        })
    }
}

/// The model with every parameter drawn anew, so that none is zero or one and a run is like every other.
pub(super) fn drawn<M: Module>(model: M, rng: &mut ChaCha20Rng) -> M {
    struct Draw<'a>(&'a mut ChaCha20Rng);
    impl ModuleMapper for Draw<'_> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let values = normal(param.dims(), self.0) * 0.5;
            param.map(|t| values.autodiff().set_require_grad(t.is_require_grad()))
        }
    }
    model.map(&mut Draw(rng))
}

/// Checks the fast path of `model` against one unit at a time in f64, to 1e-5 of each norm and of the sum, and gives the largest error.
#[track_caller]
pub(super) fn check_fast<M: Module, T: Inputs, const D: usize>(
    what: &str,
    model: &M,
    rows: &Rows<T>,
    forward: impl Fn(&M, T) -> Tensor<D>,
) -> f64 {
    const TOLERANCE: f64 = 1e-5;
    let losses = |model: &M, rows: &Rows<T>| row_losses(forward(model, rows.inputs.clone()), &rows.mask);
    let wide = model.clone().map(&mut Widen);
    let fast = |rows: &Rows<T>, clip: &Clip| clipped_sum(model, Some(rows), losses, clip).unwrap();
    let slow = |rows: &Rows<T>, clip: &Clip| clipped_sum_universal(&wide, Some(&rows.wide()), losses, clip).unwrap();
    let mut worst: f64 = 0.0;

    let free = slow(rows, &Clip::flat(1e9));
    let mut sorted = free.norms.clone();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted[sorted.len() / 2];
    assert!(middle > 1e-3, "{what}: nothing to compare, norms {sorted:?}");
    let rules = [
        Clip::flat(1e9),
        // Above some norms and below others.
        Clip::flat(middle * 1.01),
        Clip { max_grad_norm: middle * 0.5, rule: ClipRule::PerLayer },
        Clip { max_grad_norm: middle * 0.5, rule: ClipRule::Automatic { stability: 0.01 } },
    ];
    for clip in rules {
        let (of_fast, of_slow) = (fast(rows, &clip), slow(rows, &clip));
        for (unit, (a, b)) in of_fast.norms.iter().zip(&of_slow.norms).enumerate() {
            worst = worst.max((a - b).abs() / b);
            assert!((a - b).abs() <= TOLERANCE * b, "{what}: {:?}, unit {unit} of {}: norm {a}, is {b}", clip.rule, rows.units);
        }
        let (a, b) = (flat(&of_fast), flat(&of_slow));
        let off = norm(&difference(&a, &b));
        worst = worst.max(off / norm(&b));
        assert!(off <= TOLERANCE * norm(&b), "{what}: {:?}: sum off by {off:e} of {:e}", clip.rule, norm(&b));
    }

    // A batch of one, whose clipped sum keeps the bound.
    for unit in 0..rows.units {
        let one = rows.unit(unit);
        let clip = Clip::flat(free.norms[unit] * 0.7);
        let (a, b) = (flat(&fast(&one, &clip)), flat(&slow(&one, &clip)));
        assert!(norm(&difference(&a, &b)) <= TOLERANCE * norm(&b), "{what}: unit {unit} alone");
        assert!(norm(&a) <= clip.max_grad_norm * (1.0 + 1e-6), "{what}: {} over {}", norm(&a), clip.max_grad_norm);
    }

    // A unit that is not finite is left out, and nothing of it reaches another.
    if let Some(inputs) = rows.inputs.poisoned((rows.units - 1) * rows.cap)
        && rows.units > 1
    {
        let clip = Clip::flat(middle);
        let poisoned = fast(&Rows { inputs, ..rows.clone() }, &clip);
        assert_eq!(poisoned.not_finite, 1, "{what}");
        let others: Vec<usize> = (0..rows.units - 1).collect();
        let (a, b) = (flat(&poisoned), flat(&slow(&rows.of(&others), &clip)));
        assert!(norm(&difference(&a, &b)) <= TOLERANCE * norm(&b), "{what}: beside a unit that is not finite");
    }

    // What is frozen gives nothing.
    let frozen = model.clone().freeze();
    let of_frozen = clipped_sum(&frozen, Some(rows), losses, &Clip::flat(1.0)).unwrap();
    assert!(of_frozen.values.is_empty() && of_frozen.norms.iter().all(|&n| n == 0.0), "{what}: frozen");
    worst
}

/// Both outputs are equal to 1e-6 of the largest value.
#[track_caller]
pub(super) fn check_equal<const D: usize>(what: &str, ours: Tensor<D>, burns: Tensor<D>) {
    use crate::gradient::read;
    assert_eq!(ours.dims(), burns.dims(), "{what}");
    let (a, b) = (read(tape::plain(ours)), read(tape::plain(burns)));
    let largest = b.iter().fold(1e-30, |m: f64, v| m.max(v.abs()));
    let off = difference(&a, &b).iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    assert!(off <= 1e-6 * largest, "{what}: off by {off:e} of {largest:e}");
}

/// A layer's `forward` equals its namesake's of `burn::nn`, plain, in training and while recording, and records go both ways.
///
/// `ours` and `burns` are separate draws of the same configuration.
#[track_caller]
pub(super) fn check_same_as_burn<A: Module, B: Module, T: Inputs, const D: usize>(
    what: &str,
    (ours, burns): (A, B),
    inputs: &T,
    our_forward: impl Fn(&A, T) -> Tensor<D>,
    burn_forward: impl Fn(&B, T) -> Tensor<D>,
) {
    let to_burn = burns.clone().load_record(ours.clone().into_record());
    check_equal(what, our_forward(&ours.valid(), inputs.clone()), burn_forward(&to_burn.valid(), inputs.clone()));
    let to_ours = ours.load_record(burns.clone().into_record());
    let expected = burn_forward(&burns.valid(), inputs.clone());
    check_equal(what, our_forward(&to_ours.valid(), inputs.clone()), expected.clone());
    let (recorded, _) = tape::record(|| our_forward(&to_ours, inputs.clone()));
    check_equal(what, recorded, expected);
}
