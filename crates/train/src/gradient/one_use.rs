//! A parameter that a step used once, on the processor, in `f32`: norms and sums on slices, without a tensor of the size of the batch in `f64`.

use super::contribution::{Form, Rows, one_group};
use super::outer::{self, Outer};
use super::rows::{AT_ONCE, Matrix, add_rows};
use crate::instructions::{Instructions, for_each_instructions};
use crate::kernel::least;
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::{DType, Int, Tensor};
use rayon::prelude::*;

/// What one use gives each unit.
pub(super) struct OneUse {
    units: usize,
    form: Used,
}

enum Used {
    Outer {
        a: Held,
        g: Held,
    },
    /// Row `ids[t]` of the parameter takes row t of g.
    Ids {
        ids: Vec<usize>,
        g: Held,
    },
    /// Terms of the gradient, as many for each unit.
    Whole(Held),
}

impl OneUse {
    /// `None` where tensors, not slices, are needed: another device, another precision, groups.
    pub(super) fn new(form: &Form, units: usize) -> Option<Self> {
        let form = match form {
            Form::Outer { rows, cols } => {
                let g = Held::new(cols)?;
                match rows {
                    Rows::Dense(rows) => Used::Outer { a: Held::new(rows)?, g },
                    Rows::Ids(ids, of) => Used::Ids { ids: read(ids, *of)?, g },
                }
            }
            Form::Whole(t) => Used::Whole(Held::new(&t.clone().unsqueeze_dims(&[1, 1]))?),
            Form::Sum(t) => Used::Whole(Held::new(&one_group(t.clone()))?),
        };
        Some(Self { units, form })
    }

    /// The squared norm of each unit's part, of each of these parameters of a step: what they share is computed once.
    pub(super) fn squared_norms(all: &[&Self]) -> Vec<Vec<f64>> {
        let outers: Vec<Outer<'_>> = all.iter().filter_map(|one| one.outer()).collect();
        let mut of_outers = outer::squared_norms(&outers).into_iter();
        let of_one = |one: &&Self| one.norms_of_terms().unwrap_or_else(|| of_outers.next().expect("one for each"));
        all.iter().map(of_one).collect()
    }

    /// Of what is no outer product.
    fn norms_of_terms(&self) -> Option<Vec<f64>> {
        Some(match &self.form {
            Used::Outer { .. } => return None,
            Used::Ids { ids, g } => {
                let (g, each) = (g.matrix(), ids.len() / self.units);
                let of_unit = |unit: usize| {
                    let mut places: Vec<(usize, usize)> = (unit * each..(unit + 1) * each).map(|t| (ids[t], t)).collect();
                    places.sort_unstable();
                    let mut sum = vec![0.0; g.width()];
                    let of_one = |same: &[(usize, usize)]| {
                        sum.fill(0.0);
                        same.iter().for_each(|&(_, t)| add(&mut sum, 1.0, g.row(t)));
                        square(&sum)
                    };
                    places.chunk_by(|a, b| a.0 == b.0).map(of_one).sum()
                };
                (0..self.units).into_par_iter().with_min_len(least(each * g.width())).map(of_unit).collect()
            }
            Used::Whole(own) => {
                let (own, each) = (own.matrix(), own.rows / self.units);
                let of_unit = |sum: &mut Vec<f64>, unit: usize| {
                    sum.clear();
                    sum.resize(own.width(), 0.0);
                    add_rows(Instructions::detect(), own.below(unit * each), each, &[1.0], sum);
                    square(sum)
                };
                (0..self.units).into_par_iter().with_min_len(least(each * own.width())).map_init(Vec::new, of_unit).collect()
            }
        })
    }

    /// Adds factor × gradient of each unit to `sum`. A unit of factor 0 has no part in it.
    pub(super) fn add(&self, factors: &[f64], sum: &mut [f64]) {
        match &self.form {
            Used::Outer { .. } => self.outer().expect("it is one").add(factors, sum),
            Used::Ids { ids, g } => {
                let (g, each) = (g.matrix(), ids.len() / self.units);
                for (t, &id) in ids.iter().enumerate() {
                    let row = g.row(t);
                    add(&mut sum[id * row.len()..][..row.len()], factors[t / each], row);
                }
            }
            Used::Whole(own) => {
                let (own, each) = (own.matrix(), own.rows / self.units);
                // Each thread has columns of its own.
                let own_rows = self.units * each;
                let columns = own.width().div_ceil(rayon::current_num_threads()).next_multiple_of(AT_ONCE);
                sum.par_chunks_mut(columns).enumerate().with_min_len(least(columns * own_rows)).for_each(|(at, sum)| {
                    add_rows(Instructions::detect(), own.columns(at * columns, sum.len()), each, factors, sum);
                });
            }
        }
    }

    fn outer(&self) -> Option<Outer<'_>> {
        let Used::Outer { a, g } = &self.form else { return None };
        Some(Outer::new(a.matrix(), g.matrix(), self.units, a.rows / self.units))
    }
}

fn square(sum: &[f64]) -> f64 {
    sum.iter().map(|x| x * x).sum()
}

fn add(sum: &mut [f64], factor: f64, row: &[f32]) {
    if factor > 0.0 {
        add_row(Instructions::detect(), sum, factor, row);
    }
}

for_each_instructions! {
    fn add_row(sum: &mut [f64], factor: f64, row: &[f32]) {
        sum.iter_mut().zip(row).for_each(|(sum, &x)| *sum += factor * f64::from(x));
    }
}

/// The symbols of a batch, in order, all below `of`.
fn read(ids: &Tensor<2, Int>, of: usize) -> Option<Vec<usize>> {
    let known = |id: i64| usize::try_from(id).ok().filter(|&id| id < of);
    ids.to_data().iter::<i64>().map(known).collect()
}

/// A tensor `[batch, 1, positions, width]` as rows at a fixed distance.
struct Held {
    tensor: FlexTensor,
    rows: usize,
    width: usize,
    stride: usize,
}

impl Held {
    fn new(t: &Tensor<4>) -> Option<Self> {
        let [batch, groups, positions, width] = t.dims();
        if groups != 1 || batch * positions * width == 0 || t.dtype() != DType::F32 {
            return None;
        }
        let tensor = t.clone().try_into_primitive::<Flex>().ok()?;
        let strides = tensor.layout().strides();
        let between = if positions > 1 { strides[2] } else { strides[0] };
        let is_even = (batch == 1 || positions == 1 || strides[0] == strides[2] * positions as isize) && (width == 1 || strides[3] == 1);
        let stride = usize::try_from(between).ok().filter(|&stride| is_even && stride >= width);
        let (tensor, stride) = match stride {
            Some(stride) => (tensor, stride),
            None => (tensor.to_contiguous(), width),
        };
        Some(Self { tensor, rows: batch * positions, width, stride })
    }

    fn matrix(&self) -> Matrix<'_> {
        Matrix::new(&self.tensor.storage()[self.tensor.layout().start_offset()..], self.stride, self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::super::contribution::Gathered;
    use super::*;
    use crate::noise::NotPrivateSeed;
    use burn::tensor::{Device, TensorData};
    use rand::RngExt;

    /// Norms and sums of one use, on slices and by tensors of any device in `f64`: dense factors, symbols, whole gradients, factors that are views.
    #[test]
    fn slices_give_what_tensors_give() {
        let mut rng = NotPrivateSeed(61).rng();
        let (units, cap) = (5, 2);
        let mut floats = |shape: [usize; 4]| {
            let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect();
            Tensor::<4>::from_data(TensorData::new(values, shape), &Device::flex())
        };
        let rows = units * cap;
        let mut cases: Vec<(Box<dyn Fn() -> Form>, usize)> = vec![];
        for (positions, m, n) in [(1, 5, 3), (1, 40, 2), (9, 13, 34)] {
            let (a, g) = (floats([rows, 1, positions, m]), floats([rows, 1, positions, n]));
            cases.push((Box::new(move || Form::Outer { rows: Rows::Dense(a.clone()), cols: g.clone() }), m * n));
            // Every second column, and positions beside columns: no rows at a fixed distance.
            let (a, g) = (floats([rows, 1, positions, 2 * m]).narrow(3, m, m), floats([rows, 1, n, positions]).swap_dims(2, 3));
            cases.push((Box::new(move || Form::Outer { rows: Rows::Dense(a.clone()), cols: g.clone() }), m * n));
        }
        let ids: Vec<i32> = (0..rows * 6).map(|t| (t * t % 7) as i32).collect();
        let (ids, g) = (Tensor::<2, Int>::from_data(TensorData::new(ids, [rows, 6]), &Device::flex()), floats([rows, 1, 6, 4]));
        cases.push((Box::new(move || Form::Outer { rows: Rows::Ids(ids.clone(), 7), cols: g.clone() }), 28));
        let whole = floats([1, 1, rows, 11]).reshape([rows, 11]);
        cases.push((Box::new(move || Form::Whole(whole.clone())), 11));
        let terms = floats([rows, 1, 4, 22]).narrow(3, 3, 11).reshape([rows, 4, 11]);
        cases.push((Box::new(move || Form::Sum(terms.clone())), 11));
        for (case, (form, parameter)) in cases.into_iter().enumerate() {
            let slices = OneUse::new(&form(), units).expect("f32 on the processor");
            let tensors = || Gathered::of_tensors(vec![form()], units, parameter);
            let factors: Vec<f64> = (0..units).map(|unit| if unit == 3 { 0.0 } else { 0.2 + unit as f64 }).collect();
            let close = |found: Vec<f64>, expected: Vec<f64>| {
                assert_eq!(found.len(), expected.len());
                let largest = expected.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
                let off = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(off < 1e-6 * largest, "case {case}: {off:e} of {largest}");
            };
            close(OneUse::squared_norms(&[&slices]).remove(0), Gathered::all_squared_norms(&[Some(tensors())], units).remove(0));
            let start: Vec<f64> = (0..parameter).map(|at| at as f64 / 10.0).collect();
            let [mut found, mut expected] = [start.clone(), start];
            slices.add(&factors, &mut found);
            tensors().add(&factors, &mut expected);
            close(found, expected);
        }
    }

    #[test]
    fn what_slices_cannot_hold_is_left_to_tensors() {
        let device = Device::flex();
        let whole = Tensor::<2>::ones([4, 3], (&device, DType::F64));
        assert!(OneUse::new(&Form::Whole(whole), 2).is_none());
        let (a, g) = (Tensor::<4>::ones([4, 2, 3, 5], &device), Tensor::<4>::ones([4, 2, 3, 5], &device));
        assert!(OneUse::new(&Form::Outer { rows: Rows::Dense(a), cols: g }, 2).is_none(), "groups");
        let ids = Tensor::<2, Int>::from_data([[7, 0], [1, 2]], &device);
        assert!(
            OneUse::new(&Form::Outer { rows: Rows::Ids(ids, 7), cols: Tensor::ones([2, 1, 2, 3], &device) }, 2).is_none(),
            "no such symbol"
        );
    }
}
