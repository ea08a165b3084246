//! Starting from weights that are already public, and moving few of them.
//!
//! The noise of a step grows with the number of parameters that move, what they learn from private rows does not: with few of them the
//! same (ε, δ) costs less accuracy. Low-rank adapters ([`burn::module::Lora`], Hu et al. 2022, arXiv:2106.09685) need nothing from here:
//! `model.apply_lora(Lora::new(rank, alpha))` freezes the weights and attaches the factors, and recorded layers give the gradients of the
//! factors alone. [`bias_only`] moves biases alone (Bu et al. 2024, arXiv:2210.00036).
//!
//! Pretrained weights are covered by no bound of this run: whoever made them from private data has to state theirs.

use crate::Error;
use burn::module::{Module, ModuleMapper, Param};
use burn::store::{ApplyResult, ModuleSnapshot, PyTorchToBurnAdapter, PytorchStore, SafetensorsStore};
use burn::tensor::Tensor;
use std::path::Path;

/// Freezes all parameters but biases (`bias` and the `beta` of a normalisation).
#[must_use]
pub fn bias_only<M: Module>(model: M) -> M {
    struct Biases(Vec<String>);
    impl ModuleMapper for Biases {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.0.push(name.to_owned());
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.pop();
        }

        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let moves = self.0.last().is_some_and(|name| name == "bias" || name == "beta");
            param.set_require_grad(moves)
        }
    }
    model.map(&mut Biases(vec![]))
}

/// Who wrote a weights file: PyTorch stores the weight of a linear layer the other way round and names a normalisation's parameters
/// `weight` and `bias`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// Burn, or this crate.
    Burn,
    /// PyTorch, or a tool built on it.
    PyTorch,
}

/// Reads weights into `model`: `.safetensors` of either writer, or a PyTorch checkpoint (`.pt`, `.pth`, `.bin`). Which parameters are
/// frozen stays as it was.
///
/// # Errors
/// [`Error::Weights`] where the file cannot be read, lacks a parameter of the model or has one of another shape; the model is then to be
/// thrown away. What the file holds beyond the model is left out.
pub fn load_pretrained<M: Module>(model: &mut M, path: &Path, writer: Writer) -> Result<(), Error> {
    let wrong = |why: String| Error::Weights { why };
    let is = |ending: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending));
    let applied = if is("safetensors") {
        let store = SafetensorsStore::from_file(path).allow_partial(true);
        let mut store = match writer {
            Writer::Burn => store,
            Writer::PyTorch => store.with_from_adapter(PyTorchToBurnAdapter),
        };
        model.load_from(&mut store).map_err(|e| wrong(e.to_string()))?
    } else if is("pt") || is("pth") || is("bin") {
        let mut store = PytorchStore::from_file(path).allow_partial(true);
        model.load_from(&mut store).map_err(|e| wrong(e.to_string()))?
    } else {
        return Err(wrong("a file that ends in .safetensors, .pt, .pth or .bin is expected".into()));
    };
    complete(&applied).map_err(wrong)
}

fn complete(applied: &ApplyResult) -> Result<(), String> {
    if let Some(error) = applied.errors.first() {
        return Err(error.to_string());
    }
    let missing: Vec<&str> = applied.missing.iter().map(|(path, _)| path.as_str()).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("it lacks {}", missing.join(", "))) }
}
