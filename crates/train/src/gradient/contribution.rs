//! What a recorded layer contributes to the gradient of one parameter, and how norms and sums follow from it.
//!
//! A weight's gradient is a sum of outer products over the positions t of a unit's rows, `G_u = Σ_t a_tᵀ g_t`, whatever the layer: a
//! linear layer's a_t is its input, a convolution's the unfolded patch, an embedding's the unit vector of the symbol. Hence
//! `‖G_u‖² = Σ_{t,s} (a_t·a_s)(g_t·g_s)` (Goodfellow 2015, arXiv:1510.01799; Li et al. 2022, arXiv:2110.05679), and of a parameter that
//! is used several times, `⟨G_u, G'_u⟩ = Σ_{t,s} (a_t·a'_s)(g_t·g'_s)` gives the cross terms.

use super::one_use::OneUse;
use burn::module::ParamId;
use burn::tensor::{Bool, DType, Device, IndexingUpdateOp, Int, Tensor, TensorData};

/// One use of one parameter.
pub(crate) struct Contribution {
    pub(crate) parameter: ParamId,
    pub(crate) form: Form,
}

/// The gradient of each row, in the parameter's own layout.
#[expect(clippy::large_enum_variant, reason = "a few are alive at a time, each holding tensors far larger")]
pub(crate) enum Form {
    /// `Σ_t rows_tᵀ cols_t`, a matrix `[groups, rows, cols]`.
    Outer {
        /// How far down the matrix.
        rows: Rows,
        /// `[batch, groups, positions, cols]`.
        cols: Tensor<4>,
    },
    /// The gradient itself, `[batch, parameter]`.
    Whole(Tensor<2>),
    /// Its terms, `[batch, positions, parameter]`.
    Sum(Tensor<3>),
}

/// The factor along the first dimension of a parameter.
pub(crate) enum Rows {
    /// `[batch, groups, positions, rows]`.
    Dense(Tensor<4>),
    /// Unit vectors: which row, `[batch, positions]`, of how many. One group.
    Ids(Tensor<2, Int>, usize),
}

impl Form {
    /// The length of the first dimension: of the batch, where the layer was used as it must be.
    pub(crate) fn batch(&self) -> usize {
        match self {
            Self::Outer { rows: Rows::Dense(rows), .. } => rows.dims()[0],
            Self::Outer { rows: Rows::Ids(ids, _), .. } => ids.dims()[0],
            Self::Whole(t) => t.dims()[0],
            Self::Sum(t) => t.dims()[0],
        }
    }
}

impl Contribution {
    /// `Σ_t left_tᵀ right_t` for `left` `[batch, positions, rows]` and `right` `[batch, positions, cols]`.
    pub(crate) fn outer(parameter: ParamId, left: Tensor<3>, right: Tensor<3>) -> Self {
        Self { parameter, form: Form::Outer { rows: Rows::Dense(one_group(left)), cols: one_group(right) } }
    }

    /// `Σ_t g_t` for `g` `[batch, positions, width]`.
    pub(crate) fn sum(parameter: ParamId, g: Tensor<3>) -> Self {
        Self { parameter, form: Form::Sum(g) }
    }
}

/// `[batch, positions, width]` as `[batch, 1, positions, width]`: a view, also of a view, which Burn's `unsqueeze` copies.
pub(crate) fn one_group(t: Tensor<3>) -> Tensor<4> {
    let [batch, positions, width] = t.dims();
    t.expand([1, batch, positions, width]).swap_dims(0, 1)
}

/// All uses of one parameter in a step, by unit.
pub(crate) struct Gathered {
    units: usize,
    form: GatheredForm,
}

/// The ways to a norm and a sum: on slices where that can be, else by the factors or by each unit's own gradient, whichever stores less.
enum GatheredForm {
    OneUse(OneUse),
    /// From the factors alone.
    Ghost(Vec<(Rows, Tensor<4>)>),
    /// Each unit's own gradient, `[units, parameter]`.
    Instantiated(Tensor<2>),
}

/// The widest float of a device: f64 on processors. Norms and sums are taken in it, so that rounding stays below the slack of a clip factor:
/// over thousands of units an f32 sum rounds by more than that, and taking one unit away would move it by more than the bound.
fn wide(device: &Device) -> DType {
    if device.supports_dtype(DType::F64) { DType::F64 } else { DType::F32 }
}

/// What `f32` arithmetic may lose, relative to the sum of absolute terms; nothing where the device has f64.
fn rounding(device: &Device, terms: usize) -> f64 {
    if wide(device) == DType::F64 { 0.0 } else { terms as f64 * f64::from(f32::EPSILON) }
}

/// A unit's rows stand together: `[units · cap, groups, positions, width]` becomes `[units, groups, cap · positions, width]`.
fn by_unit(t: Tensor<4>, units: usize) -> Tensor<4> {
    let [batch, groups, positions, width] = t.dims();
    let cap = batch / units;
    let dtype = wide(&t.device());
    if groups == 1 || cap == 1 {
        return t.cast(dtype).reshape([units, groups, cap * positions, width]);
    }
    let t: Tensor<5> = t.cast(dtype).reshape([units, cap, groups, positions, width]);
    t.swap_dims(1, 2).reshape([units, groups, cap * positions, width])
}

impl Rows {
    fn by_unit(self, units: usize) -> Self {
        match self {
            Self::Dense(t) => Self::Dense(by_unit(t, units)),
            Self::Ids(ids, of) => {
                let [batch, positions] = ids.dims();
                Self::Ids(ids.reshape([units, batch / units * positions]), of)
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Dense(t) => t.dims()[3],
            Self::Ids(_, of) => *of,
        }
    }

    /// `[units, groups, t, s]` of inner products.
    fn products(&self, other: &Self, dtype: DType) -> Tensor<4> {
        match (self, other) {
            (Self::Dense(a), Self::Dense(b)) => a.clone().matmul(b.clone().swap_dims(2, 3)),
            (Self::Ids(a, _), Self::Ids(b, _)) => {
                let ([units, t], [_, s]) = (a.dims(), b.dims());
                let (a, b): (Tensor<3, Int>, Tensor<3, Int>) = (a.clone().unsqueeze_dim(2), b.clone().unsqueeze_dim(1));
                a.expand([units, t, s]).equal(b.expand([units, t, s])).float().cast(dtype).unsqueeze_dim(1)
            }
            // Row `id` of the other's transpose.
            (Self::Ids(ids, of), Self::Dense(b)) => {
                let ([units, t], [_, _, s, _]) = (ids.dims(), b.dims());
                let transposed: Tensor<3> = b.clone().reshape([units, s, *of]).swap_dims(1, 2);
                let ids: Tensor<3, Int> = ids.clone().unsqueeze_dim(2);
                transposed.gather(1, ids.expand([units, t, s])).unsqueeze_dim(1)
            }
            (Self::Dense(_), Self::Ids(..)) => other.products(self, dtype).swap_dims(2, 3),
        }
    }

    /// `[units, positions]` of norms.
    fn lengths(&self, like: &Tensor<4>) -> Tensor<4> {
        match self {
            Self::Dense(t) => t.clone().square().sum_dim(3).sqrt(),
            Self::Ids(..) => {
                let [units, groups, positions, _] = like.dims();
                Tensor::ones([units, groups, positions, 1], (&like.device(), like.dtype()))
            }
        }
    }
}

impl Gathered {
    /// Puts all uses of a parameter of `parameter` values together.
    pub(crate) fn new(forms: Vec<Form>, units: usize, parameter: usize) -> Self {
        if let [form] = &forms[..]
            && let Some(one) = OneUse::new(form, units)
        {
            return Self { units, form: GatheredForm::OneUse(one) };
        }
        Self::of_tensors(forms, units, parameter)
    }

    /// The same on any device: what the kernels are tested against.
    pub(super) fn of_tensors(forms: Vec<Form>, units: usize, parameter: usize) -> Self {
        let mut factors = vec![];
        let mut whole: Option<Tensor<2>> = None;
        for form in forms {
            let form = match form {
                Form::Sum(g) => {
                    let [batch, _, width] = g.dims();
                    Form::Whole(g.sum_dim(1).reshape([batch, width]))
                }
                other => other,
            };
            match form {
                Form::Sum(_) => unreachable!("summed above"),
                Form::Outer { rows, cols } => factors.push((rows.by_unit(units), by_unit(cols, units))),
                Form::Whole(t) => {
                    let [batch, width] = t.dims();
                    let dtype = wide(&t.device());
                    let t: Tensor<3> = t.cast(dtype).reshape([units, batch / units, width]);
                    let t = t.sum_dim(1).reshape([units, width]);
                    whole = Some(whole.map_or(t.clone(), |sum| sum + t));
                }
            }
        }
        let stored: usize = factors.iter().map(|(rows, cols)| cols.dims()[1] * cols.dims()[2] * (rows.len() + cols.dims()[3])).sum();
        if whole.is_none() && stored <= parameter {
            return Self { units, form: GatheredForm::Ghost(factors) };
        }
        for (rows, cols) in factors {
            let own = instantiate(&rows, &cols, parameter);
            whole = Some(match whole {
                Some(sum) => sum + own,
                None => own,
            });
        }
        Self { units, form: GatheredForm::Instantiated(whole.expect("a parameter is gathered from at least one use")) }
    }

    /// The squared norm of each unit's part of each parameter, never below the true one by more than the slack of a clip factor.
    pub(crate) fn all_squared_norms(all: &[Option<Self>], units: usize) -> Vec<Vec<f64>> {
        let ones: Vec<&OneUse> = all.iter().filter_map(|gathered| gathered.as_ref()?.one_use()).collect();
        let mut of_ones = OneUse::squared_norms(&ones).into_iter();
        let of = |gathered: &Option<Self>| match gathered {
            None => vec![0.0; units],
            Some(gathered) if gathered.one_use().is_some() => of_ones.next().expect("one for each"),
            Some(gathered) => gathered.squared_norms(),
        };
        all.iter().map(of).collect()
    }

    fn one_use(&self) -> Option<&OneUse> {
        if let GatheredForm::OneUse(one) = &self.form { Some(one) } else { None }
    }

    fn squared_norms(&self) -> Vec<f64> {
        match &self.form {
            GatheredForm::OneUse(one) => OneUse::squared_norms(&[one]).remove(0),
            GatheredForm::Instantiated(t) => read(t.clone().square().sum_dim(1)),
            GatheredForm::Ghost(factors) => {
                let mut total: Option<Tensor<4>> = None;
                let mut absolute: Option<Tensor<4>> = None;
                let (mut terms, units) = (0, self.units);
                let flat = |t: Tensor<4>| -> Tensor<4> {
                    let count = t.dims().iter().product::<usize>() / units;
                    t.reshape([units, count, 1, 1]).sum_dim(1)
                };
                for (i, (rows, cols)) in factors.iter().enumerate() {
                    for (j, (other_rows, other_cols)) in factors[..=i].iter().enumerate() {
                        let both = if cols.dims()[2] == 1 && other_cols.dims()[2] == 1 && i == j {
                            // One position: a product of two norms, without a matrix for each.
                            rows.lengths(cols).square() * cols.clone().square().sum_dim(3)
                        } else {
                            rows.products(other_rows, cols.dtype()) * cols.clone().matmul(other_cols.clone().swap_dims(2, 3))
                        };
                        let both = flat(both) * if i == j { 1.0 } else { 2.0 };
                        total = Some(total.map_or(both.clone(), |sum| sum + both));
                    }
                    let lengths = flat(rows.lengths(cols) * cols.clone().square().sum_dim(3).sqrt());
                    absolute = Some(absolute.map_or(lengths.clone(), |sum| sum + lengths));
                    terms += rows.len() + cols.dims()[3] + cols.dims()[2].pow(2);
                }
                let (total, absolute) = (total.expect("at least one use"), absolute.expect("at least one use"));
                // Rows can cancel in the sum while their rounding errors do not: the bound on those errors is added, so that the norm is never too small.
                let gamma = rounding(&total.device(), terms);
                read((total + absolute.square() * gamma).reshape([units, 1]))
            }
        }
    }

    /// Adds factor × gradient of each unit to `sum`. A unit of factor 0 is masked out: 0 · NaN would still be NaN.
    pub(crate) fn add(self, factors: &[f64], sum: &mut [f64]) {
        let (units, parameter) = (self.units, sum.len());
        let own = match self.form {
            GatheredForm::OneUse(one) => return one.add(factors, sum),
            GatheredForm::Instantiated(t) => {
                let (device, dtype) = (t.device(), t.dtype());
                let t = match dropped(factors, &device) {
                    Some(dropped) => t.mask_fill(dropped.reshape([units, 1]).expand([units, parameter]), 0.0),
                    None => t,
                };
                let factor: Tensor<2> = Tensor::from_data(TensorData::new(factors.to_vec(), [1, units]), (&device, dtype));
                read(factor.matmul(t))
            }
            GatheredForm::Ghost(uses) => {
                let mut total: Option<Tensor<2>> = None;
                for (rows, cols) in uses {
                    let [_, groups, positions, width] = cols.dims();
                    let (device, dtype) = (cols.device(), cols.dtype());
                    let dropped: Option<Tensor<4, Bool>> = dropped(factors, &device).map(|d| d.reshape([units, 1, 1, 1]));
                    let factor: Tensor<4> = Tensor::from_data(TensorData::new(factors.to_vec(), [units, 1, 1, 1]), (&device, dtype));
                    let masked = |t: Tensor<4>| {
                        let shape = t.dims();
                        match &dropped {
                            Some(dropped) => t.mask_fill(dropped.clone().expand(shape), 0.0),
                            None => t,
                        }
                    };
                    // Over all units and positions at once: `[groups, units · positions, width]`.
                    let flat = |t: Tensor<4>| -> Tensor<3> {
                        let width = t.dims()[3];
                        t.swap_dims(0, 1).reshape([groups, units * positions, width])
                    };
                    let cols = flat(masked(cols * factor));
                    let sum: Tensor<2> = match rows {
                        Rows::Dense(rows) => {
                            let rows = flat(masked(rows));
                            rows.swap_dims(1, 2).matmul(cols).reshape([1, parameter])
                        }
                        Rows::Ids(ids, of) => {
                            scatter(ids.reshape([units * positions]), cols.reshape([units * positions, width]), of).reshape([1, parameter])
                        }
                    };
                    total = Some(total.map_or(sum.clone(), |t| t + sum));
                }
                read(total.expect("at least one use"))
            }
        };
        sum.iter_mut().zip(own).for_each(|(sum, x)| *sum += x);
    }
}

/// `[units, parameter]`.
fn instantiate(rows: &Rows, cols: &Tensor<4>, parameter: usize) -> Tensor<2> {
    let [units, _, positions, width] = cols.dims();
    match rows {
        Rows::Dense(rows) => rows.clone().swap_dims(2, 3).matmul(cols.clone()).reshape([units, parameter]),
        Rows::Ids(ids, of) => {
            let first: Tensor<2, Int> = (Tensor::arange(0..units as i64, &ids.device()) * (*of as i64)).reshape([units, 1]);
            let ids = (ids.clone() + first.expand([units, positions])).reshape([units * positions]);
            scatter(ids, cols.clone().reshape([units * positions, width]), units * of).reshape([units, parameter])
        }
    }
}

/// Adds row t of `values` to row `ids[t]` of a matrix of `of` rows.
fn scatter(ids: Tensor<1, Int>, values: Tensor<2>, of: usize) -> Tensor<2> {
    let zeros: Tensor<2> = Tensor::zeros([of, values.dims()[1]], (&values.device(), values.dtype()));
    zeros.select_assign(0, ids, values, IndexingUpdateOp::Add)
}

/// Which units have no part in the sum, where there are any.
fn dropped(factors: &[f64], device: &Device) -> Option<Tensor<1, Bool>> {
    let dropped: Vec<bool> = factors.iter().map(|&f| f <= 0.0).collect();
    dropped.contains(&true).then(|| Tensor::from_data(TensorData::new(dropped, [factors.len()]), device))
}

/// All values of a tensor, in order, in f64.
pub(crate) fn read<const D: usize>(t: Tensor<D>) -> Vec<f64> {
    let data = t.into_data();
    match data.dtype() {
        DType::F64 => data.try_to_vec().expect("the type was asked"),
        _ => data.convert::<f32>().try_to_vec::<f32>().expect("converted").into_iter().map(f64::from).collect(),
    }
}
