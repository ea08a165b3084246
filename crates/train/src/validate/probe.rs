//! The findings of one probe batch.

use super::findings::is_whole;
use super::{Finding, Findings};
use crate::gradient::{Contribution, Form, Parameter, Rows, read, trainable, with_own_gradient};
use crate::{Clip, ClippedSum, UnitBatch, clipped_sum, clipped_sum_universal, tape};
use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Bool, Tensor, TensorData};
use std::collections::{BTreeMap, BTreeSet};

/// What rounding may make of one number computed in two batches, relative to it.
const ROUNDING: f64 = 1e-4;

pub(super) fn validate<M: Module, B: UnitBatch>(model: &M, probe: &B, losses: &impl Fn(&M, &B) -> Tensor<1>) -> Result<(), Findings> {
    let units = probe.units();
    if units < 2 {
        return Findings::into_result(vec![Finding::SmallProbe { units }]);
    }
    // A copy of its own running states, in training mode but for what is random.
    let model = model.valid().train().map(&mut Rest::default());
    let mut found = batch_norms(&model);

    let before = states(&model.valid());
    let first = read(losses(&model, probe));
    let again = read(losses(&model, probe));
    let after = states(&model.valid());
    let moved = before.iter().filter(|(path, values)| after.get(*path) != Some(*values));
    found.extend(moved.map(|(path, _)| Finding::RunningState { state: path.clone() }));

    if first.is_empty() || first.len() % units != 0 {
        found.push(Finding::Losses { found: first.len(), units });
        return Findings::into_result(found);
    }
    if let Some(at) = first.iter().position(|l| !l.is_finite()) {
        found.push(Finding::NotFinite { unit: at / (first.len() / units) });
        return Findings::into_result(found);
    }
    let is_random = first.iter().zip(&again).any(|(a, b)| a.to_bits() != b.to_bits());
    if is_random {
        found.push(Finding::Random);
    }

    let ownership = ownership(&model, probe, losses);
    // An unused parameter is no hindrance to looking further.
    let is_owned = ownership.iter().all(|f| matches!(f, Finding::Unused { .. }));
    found.extend(ownership);
    if !is_random {
        found.extend(not_isolated(&model, probe, losses, &first, is_owned));
    }
    Findings::into_result(found)
}

/// Parameters that no recorded layer owns, and layers that are recorded wrongly.
fn ownership<M: Module, B: UnitBatch>(model: &M, probe: &B, losses: &impl Fn(&M, &B) -> Tensor<1>) -> Vec<Finding> {
    let units = probe.units();
    let (recorded_losses, uses) = tape::record(|| losses(model, probe));
    let (mut outside, mut recorded, mut rows) = (vec![], BTreeSet::new(), BTreeMap::new());
    if recorded_losses.is_tracked() {
        let mut gradients = recorded_losses.sum().backward();
        outside = with_own_gradient(model, &gradients);
        for recorded_use in uses {
            let (tap, contributions) = recorded_use.into_parts();
            let Some(gradient) = tap.grad_remove(&mut gradients) else { continue };
            for Contribution { parameter, form } in contributions(gradient) {
                recorded.insert(parameter);
                rows.entry(parameter).or_insert_with(|| batch_of(&form));
            }
        }
    }
    // What the loss depends on where nothing is recorded.
    let used = match losses(model, probe) {
        losses if losses.is_tracked() => with_own_gradient(model, &losses.sum().backward()),
        _ => vec![],
    };
    let layers = layers(model);
    let mut found = vec![];
    let mut unknown = recorded.clone();
    for Parameter { id, name: parameter, .. } in trainable(model) {
        unknown.remove(&id);
        match rows.get(&id) {
            rows if outside.contains(&id) || (rows.is_none() && used.contains(&id)) => {
                let layer = layers.get(&id).cloned().unwrap_or_default();
                found.push(Finding::NotRecorded { parameter, layer });
            }
            None => found.push(Finding::Unused { parameter }),
            Some(&rows) if rows % units != 0 => found.push(Finding::BatchDimension { parameter, found: rows, units }),
            Some(_) => (),
        }
    }
    if !unknown.is_empty() {
        found.push(Finding::NotInModel);
    }
    found
}

fn batch_of(form: &Form) -> usize {
    match form {
        Form::Outer { rows: Rows::Dense(rows), .. } => rows.dims()[0],
        Form::Outer { rows: Rows::Ids(ids, _), .. } => ids.dims()[0],
        Form::Whole(t) => t.dims()[0],
    }
}

/// Units whose losses or gradients in the batch are not those they have alone (harness H3 of the pitfalls).
fn not_isolated<M: Module, B: UnitBatch>(
    model: &M,
    probe: &B,
    losses: &impl Fn(&M, &B) -> Tensor<1>,
    in_batch: &[f64],
    is_owned: bool,
) -> Vec<Finding> {
    let units = probe.units();
    let each = in_batch.len() / units;
    let largest = in_batch.iter().fold(0.0, |m: f64, l| m.max(l.abs()));
    let coupled = (0..units).filter(|&unit| {
        let alone = read(losses(model, &probe.unit(unit)));
        let inside = &in_batch[unit * each..(unit + 1) * each];
        alone.len() != each || !alone.iter().zip(inside).all(|(a, b)| (a - b).abs() <= ROUNDING * (a.abs() + 1e-2 * largest))
    });
    let coupled: Vec<Finding> = coupled.map(|unit| Finding::NotIsolated { unit, what: "loss" }).collect();
    if !coupled.is_empty() || !is_owned {
        return coupled;
    }

    // Without a bound, all that is compared is the gradient itself.
    let free = Clip::flat(f64::MAX.sqrt());
    let of = |batch: &B, unit: Option<usize>| -> Result<ClippedSum, crate::Error> {
        clipped_sum(model, Some(batch), |m, b| unit.map_or_else(|| losses(m, b), |unit| only(losses(m, b), unit, units)), &free)
    };
    let Ok(whole) = of(probe, None) else { return vec![Finding::NotInModel] };
    let floor = 1e-2 * whole.norms.iter().copied().fold(0.0, f64::max);
    let check = |unit: usize| -> Result<Option<Finding>, crate::Error> {
        let (inside, alone) = (of(probe, Some(unit))?, of(&probe.unit(unit), None)?);
        let oracle = clipped_sum_universal(model, Some(&probe.unit(unit)), losses, &free)?;
        let allowed = ROUNDING * (oracle.norms.iter().sum::<f64>() + floor);
        let of_others = inside.norms.iter().enumerate().filter(|(other, _)| *other != unit).fold(0.0, |m: f64, (_, n)| m.max(*n));
        Ok(if distance(&inside, &alone) > allowed || of_others > allowed {
            Some(Finding::NotIsolated { unit, what: "gradient" })
        } else if distance(&alone, &oracle) > allowed {
            Some(Finding::Disagrees { unit })
        } else {
            None
        })
    };
    (0..units).filter_map(|unit| check(unit).unwrap_or(Some(Finding::NotIsolated { unit, what: "gradient" }))).collect()
}

fn distance(a: &ClippedSum, b: &ClippedSum) -> f64 {
    let values = |sum: &ClippedSum| -> Vec<f64> { sum.values.iter().flat_map(|(_, v)| v.iter().copied()).collect() };
    values(a).iter().zip(values(b)).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// The losses of one unit, all others zero whatever they are.
fn only(losses: Tensor<1>, unit: usize, units: usize) -> Tensor<1> {
    let [rows] = losses.dims();
    let others: Vec<bool> = (0..rows).map(|row| row / (rows / units) != unit).collect();
    let others: Tensor<1, Bool> = Tensor::from_data(TensorData::new(others, [rows]), &losses.device());
    losses.mask_fill(others, 0.0)
}

/// Turns off what is random in training: every training flag but that of batch normalisation, which is what is looked for.
#[derive(Default)]
struct Rest {
    containers: Vec<String>,
}

impl ModuleMapper for Rest {
    fn enter_module(&mut self, _name: &str, container: &str) {
        self.containers.push(container.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.containers.pop();
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        match self.containers.last().map(String::as_str) {
            Some("Struct:Dropout" | "Struct:GaussianNoise" | "Struct:RRelu") => flag.with_value(false),
            _ => flag,
        }
    }
}

/// Where a visit is: names and the containers they are in.
#[derive(Default)]
struct Place(Vec<(String, String)>);

impl Place {
    fn enter(&mut self, name: &str, container: &str) {
        self.0.push((name.to_owned(), container.to_owned()));
    }

    fn path(&self) -> String {
        self.0.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(".")
    }

    /// The layer that holds what is visited; of an adapter, the layer it is on.
    fn layer(&self) -> &str {
        let end = self.0.iter().position(|(_, container)| container == "Reparameterization").unwrap_or(self.0.len());
        let mut types = self.0[..end].iter().map(|(_, container)| container.rsplit(':').next().unwrap_or_default());
        types.clone().find(|layer| is_whole(layer)).or_else(|| types.next_back()).unwrap_or_default()
    }
}

/// Batch normalisations in training mode.
fn batch_norms<M: Module>(model: &M) -> Vec<Finding> {
    #[derive(Default)]
    struct Find(Place, Vec<Finding>);
    impl ModuleVisitor for Find {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.0.enter(name, container);
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.0.pop();
        }

        fn visit_flag(&mut self, flag: &Param<Flag>) {
            if self.0.layer() == "BatchNorm" && flag.is_enabled() {
                let path = self.0.path();
                let layer = path.rsplit_once('.').map_or(path.as_str(), |(layer, _)| layer).to_owned();
                self.1.push(Finding::BatchNorm { layer });
            }
        }
    }
    let mut find = Find::default();
    model.visit(&mut find);
    find.1
}

/// The bits of every float value of the model, by path.
fn states<M: Module>(model: &M) -> BTreeMap<String, Vec<u64>> {
    #[derive(Default)]
    struct Collect(Place, BTreeMap<String, Vec<u64>>);
    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.0.enter(name, container);
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.0.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let base = tape::plain(param.base());
            // What is quantised does not move.
            if base.dtype().is_float() {
                self.1.insert(self.0.path(), read(base).into_iter().map(f64::to_bits).collect());
            }
        }
    }
    let mut collect = Collect::default();
    model.visit(&mut collect);
    collect.1
}

/// The type that holds each parameter.
fn layers<M: Module>(model: &M) -> BTreeMap<ParamId, String> {
    #[derive(Default)]
    struct Collect(Place, BTreeMap<ParamId, String>);
    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.0.enter(name, container);
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.0.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.1.entry(param.id).or_insert_with(|| self.0.layer().to_owned());
        }
    }
    let mut collect = Collect::default();
    model.visit(&mut collect);
    collect.1
}
