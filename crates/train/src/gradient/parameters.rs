//! The parameters of a model, in a fixed order.

use crate::tape;
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Gradients, Tensor};

/// One parameter that a step may move.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) id: ParamId,
    /// Path in the model: unlike an id it is the same in every process.
    pub(crate) name: String,
    pub(crate) len: usize,
}

/// The trainable parameters, each once, in the order the model visits them.
pub(crate) fn trainable<M: Module>(model: &M) -> Vec<Parameter> {
    let mut found = Found::default();
    model.visit(&mut found);
    found.parameters
}

/// Which of the trainable parameters have a gradient of their own, outside any recorded layer.
pub(crate) fn with_own_gradient<M: Module>(model: &M, gradients: &Gradients) -> Vec<ParamId> {
    struct Own<'a>(&'a Gradients, Vec<ParamId>);
    impl ModuleVisitor for Own<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if tape::is_trainable(param) && param.base().grad(self.0).is_some() {
                self.1.push(param.id);
            }
        }
    }
    let mut own = Own(gradients, vec![]);
    model.visit(&mut own);
    own.1
}

/// The ordinary gradient of each of `parameters`, zero where the loss does not depend on it.
pub(crate) fn ordinary<M: Module>(model: &M, gradients: &Gradients, parameters: &[Parameter]) -> Vec<Vec<f64>> {
    struct Collect<'a> {
        gradients: &'a Gradients,
        parameters: &'a [Parameter],
        values: Vec<Vec<f64>>,
    }
    impl ModuleVisitor for Collect<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let Some(index) = self.parameters.iter().position(|p| p.id == param.id) else { return };
            if let Some(gradient) = param.base().grad(self.gradients) {
                self.values[index] = super::contribution::read(gradient);
            }
        }
    }
    let values = parameters.iter().map(|p| vec![0.0; p.len]).collect();
    let mut collect = Collect { gradients, parameters, values };
    model.visit(&mut collect);
    collect.values
}

#[derive(Default)]
struct Found {
    path: Vec<String>,
    parameters: Vec<Parameter>,
}

impl ModuleVisitor for Found {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        // A tied parameter is visited where it is first used.
        if tape::is_trainable(param) && self.parameters.iter().all(|p| p.id != param.id) {
            self.parameters.push(Parameter { id: param.id, name: self.path.join("."), len: param.base().shape().num_elements() });
        }
    }
}
