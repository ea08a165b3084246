//! What the types refuse. Each case is the control below with one line more.
#![allow(dead_code)]

/// The control: this much compiles.
/// ```
/// use reticent_train::*;
/// fn step(sum: ClippedSum, plan: &PrivacyPlan, key: &RunKey, binding: &Binding, permit: reticent_proof::Permit) {
///     let noised = sum.privatize(plan, key, binding, 0);
///     drop((noised, permit));
/// }
/// ```
///
/// Pitfall 14: one sum is noised once.
/// ```compile_fail,E0382
/// use reticent_train::*;
/// fn step(sum: ClippedSum, plan: &PrivacyPlan, key: &RunKey, binding: &Binding) {
///     let noised = sum.privatize(plan, key, binding, 0);
///     let again = sum.privatize(plan, key, binding, 1);
/// }
/// ```
/// A sum has no copy,
/// ```compile_fail,E0599
/// use reticent_train::*;
/// fn step(sum: ClippedSum) { let copy = sum.clone(); }
/// ```
/// is not what an optimiser takes,
/// ```compile_fail,E0308
/// use reticent_train::*;
/// fn optimise(gradient: Privatized) {}
/// fn step(sum: ClippedSum) { optimise(sum); }
/// ```
/// cannot be read,
/// ```compile_fail,E0616
/// use reticent_train::*;
/// fn step(sum: ClippedSum) { let values = sum.values; }
/// ```
/// or printed (pitfall 26).
/// ```compile_fail,E0277
/// use reticent_train::*;
/// fn step(sum: ClippedSum) { let text = format!("{sum:?}"); }
/// ```
/// A noised gradient is used once,
/// ```compile_fail,E0382
/// use reticent_train::*;
/// fn optimise(gradient: Privatized) {}
/// fn step(noised: Privatized) { optimise(noised); optimise(noised); }
/// ```
/// has no copy,
/// ```compile_fail,E0599
/// use reticent_train::*;
/// fn step(noised: Privatized) { let copy = noised.clone(); }
/// ```
/// and is made from nothing but a sum.
/// ```compile_fail,E0451
/// use reticent_train::*;
/// let forged = Privatized { values: Default::default(), not_finite: 0.0, bound: 1.0 };
/// ```
/// A run's key is neither printed nor copied.
/// ```compile_fail,E0277
/// use reticent_train::*;
/// fn show(key: &RunKey) { let text = format!("{key:?}"); }
/// ```
/// ```compile_fail,E0599
/// use reticent_train::*;
/// fn copy(key: RunKey) { let copy: RunKey = key.clone(); }
/// ```
/// A permit is not made by hand,
/// ```compile_fail,E0451
/// use reticent_proof::*;
/// let forged = Permit { ground: Ground::Public { reason: String::new() }, data_version: None, units: None, digest: String::new() };
/// ```
/// nor is a permitted table,
/// ```compile_fail,E0451
/// fn forge(table: reticent_data::Table, permit: reticent_proof::Permit) { let forged = reticent_data::PermittedTable { table, permit }; }
/// ```
/// and no other table is trained on.
/// ```compile_fail,E0308
/// use reticent_train::*;
/// fn train(plan: &Plan, table: &reticent_data::Table, key: &RunKey, binding: &Binding) { let _ = fit_private(plan, table, key, binding, &mut |_| ()); }
/// ```
/// The control for a trainer: this much compiles.
/// ```
/// use reticent_train::*;
/// use burn::{module::Module, optim::ModuleOptimizer, tensor::Tensor};
/// fn train<M: Module, E: Examples, L: Fn(&M, &E::Batch) -> Tensor<1> + Sync>(
///     plan: PrivacyPlan, model: M, optimizer: ModuleOptimizer, data: Permitted<E>, losses: L, key: RunKey, binding: Binding,
/// ) {
///     let _ = Trainer::new(plan, model, (optimizer, 0.1), data, losses, (key, binding), MemoryLedger::default());
/// }
/// fn metric<M: Module, E: Examples, L: Fn(&M, &E::Batch) -> Tensor<1> + Sync>(run: &Trainer<M, E, L>, rows: &PublicExamples<E>, losses: L) {
///     let _ = run.evaluate_public(rows, losses);
/// }
/// fn own<M: Module>(model: M, optimizer: &mut ModuleOptimizer, noised: Privatized) {
///     let model = noised.apply(optimizer, 0.1, model);
/// }
/// ```
/// It takes no examples without a permit,
/// ```compile_fail,E0308
/// use reticent_train::*;
/// use burn::{module::Module, optim::ModuleOptimizer, tensor::Tensor};
/// fn train<M: Module, E: Examples, L: Fn(&M, &E::Batch) -> Tensor<1> + Sync>(
///     plan: PrivacyPlan, model: M, optimizer: ModuleOptimizer, data: E, losses: L, key: RunKey, binding: Binding,
/// ) {
///     let _ = Trainer::new(plan, model, (optimizer, 0.1), data, losses, (key, binding), MemoryLedger::default());
/// }
/// ```
/// which is not made by hand,
/// ```compile_fail,E0451
/// use reticent_train::*;
/// fn forge<E>(examples: E, permit: reticent_proof::Permit) -> Permitted<E> { Permitted { examples, permit } }
/// ```
/// no metric of rows that are not public (pitfall 24),
/// ```compile_fail,E0308
/// use reticent_train::*;
/// use burn::{module::Module, tensor::Tensor};
/// fn metric<M: Module, E: Examples, L: Fn(&M, &E::Batch) -> Tensor<1> + Sync>(run: &Trainer<M, E, L>, rows: &Permitted<E>, losses: L) {
///     let _ = run.evaluate_public(rows, losses);
/// }
/// ```
/// and says nothing of a unit's own bound but to who asks for one unit (pitfall 26).
/// ```compile_fail,E0277
/// use reticent_train::*;
/// fn show(own: &Individual) { let text = format!("{own:?}"); }
/// ```
/// ```compile_fail,E0277
/// use reticent_train::*;
/// fn store(own: &Individual) { let text = serde_json::to_string(own); }
/// ```
/// Weights are moved once by a noised gradient (pitfall 14),
/// ```compile_fail,E0382
/// use reticent_train::*;
/// use burn::{module::Module, optim::ModuleOptimizer};
/// fn own<M: Module>(model: M, optimizer: &mut ModuleOptimizer, noised: Privatized) {
///     let model = noised.apply(optimizer, 0.1, model);
///     let model = noised.apply(optimizer, 0.1, model);
/// }
/// ```
/// and not by a sum that was not noised.
/// ```compile_fail,E0599
/// use reticent_train::*;
/// use burn::{module::Module, optim::ModuleOptimizer};
/// fn own<M: Module>(model: M, optimizer: &mut ModuleOptimizer, sum: ClippedSum) { let model = sum.apply(optimizer, 0.1, model); }
/// ```
pub struct Refused;
