//! Few parameters move: adapters and biases give the gradients the oracle gives, and what is frozen stays where it was.

use super::*;
use crate::{Writer, bias_only, clipped_sum_universal, load_pretrained};
use burn::module::{Lora, Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};
use std::path::PathBuf;

/// An adapter starts with a zero factor, whose partner then has no gradient: this gives every trainable parameter values.
struct Randomised<'a>(&'a mut ChaCha20Rng);

impl ModuleMapper for Randomised<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !crate::tape::is_trainable(&param) {
            return param;
        }
        param.map(|t| {
            let count = t.shape().num_elements();
            let values: Vec<f32> = (0..count).map(|_| self.0.random_range(-0.7..0.7)).collect();
            Tensor::<D>::from_data(TensorData::new(values, t.dims()), &Device::flex()).autodiff().require_grad()
        })
    }
}

#[track_caller]
fn check(model: &Classifier, rng: &mut ChaCha20Rng, expected: &[&str]) {
    let rows = rows(&random_units(rng, 6, 24, 11, 2), 11, 2);
    let batch = rows.batch(&[0, 1, 2, 3, 4, 5], &Device::flex()).unwrap();
    for max_grad_norm in [0.05, 0.8, 50.0] {
        let clip = Clip::flat(max_grad_norm);
        let fast = clipped_sum(model, Some(&batch), losses, &clip).unwrap();
        let slow = clipped_sum_universal(model, Some(&batch), losses, &clip).unwrap();
        assert_eq!(fast.values.iter().map(|(p, _)| p.name.as_str()).collect::<Vec<_>>(), expected);
        for ((parameter, fast), (_, slow)) in fast.values.iter().zip(&slow.values) {
            assert!(norm(slow) > 0.0, "{}", parameter.name);
            assert!(norm(&difference(fast, slow)) < 1e-5 * norm(slow), "{} at {max_grad_norm}", parameter.name);
        }
    }
}

#[test]
fn adapters_have_the_gradients_of_the_oracle() {
    let mut rng = seeded(61);
    for rank in [1, 3] {
        let model = random_model(&mut rng, &[24, 14, 11]).apply_lora(Lora::new(rank, 4.0)).map(&mut Randomised(&mut rng));
        let factors = ["layers.0.weight.lora.a", "layers.0.weight.lora.b", "layers.1.weight.lora.a", "layers.1.weight.lora.b"];
        check(&model, &mut rng, &factors);
    }
}

#[test]
fn biases_alone_have_the_gradients_of_the_oracle() {
    let mut rng = seeded(62);
    let model = bias_only(random_model(&mut rng, &[24, 14, 11]));
    check(&model, &mut rng, &["layers.0.bias", "layers.1.bias"]);
}

/// An adapter under a bound costs what its parameters are, not what the weight is: noise is drawn for the factors alone.
#[test]
fn noise_is_drawn_for_what_moves() {
    let mut rng = seeded(63);
    let model = random_model(&mut rng, &[24, 14, 11]).apply_lora(Lora::new(1, 1.0));
    let values = sum_of(&model, None, 1.0).privatize(&plan().privacy(), &key(), &binding(), 0).into_values();
    assert_eq!(values.values().map(Vec::len).sum::<usize>(), 24 + 14 + 14 + 11);
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// The fixtures are PyTorch's own, of `Linear(3, 2)` and `Linear(2, 2)` with weights 0, 1, 2, … in PyTorch's order (see their SOURCE.txt).
#[test]
fn weights_of_pytorch_load_the_right_way_round() {
    for (name, writer) in [("linear.pt", Writer::PyTorch), ("linear.safetensors", Writer::PyTorch)] {
        let mut model = random_model(&mut seeded(64), &[3, 2, 2]);
        load_pretrained(&mut model, &fixture(name), writer).unwrap();
        let read = |t: Tensor<2>| crate::gradient::read(t);
        assert_eq!(read(model.layers[0].weight.val()), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0], "{name}");
        assert_eq!(read(model.layers[1].weight.val()), [8.0, 10.0, 9.0, 11.0], "{name}");
        assert!(crate::tape::is_trainable(&model.layers[0].weight), "{name}");
    }
}

#[test]
fn weights_of_another_model_are_refused() {
    let mut deeper = random_model(&mut seeded(65), &[3, 2, 2, 2]);
    let error = load_pretrained(&mut deeper, &fixture("linear.safetensors"), Writer::PyTorch).unwrap_err().to_string();
    assert!(error.contains("layers.2.weight"), "{error}");
    let mut wider = random_model(&mut seeded(65), &[4, 2, 2]);
    assert!(load_pretrained(&mut wider, &fixture("linear.safetensors"), Writer::PyTorch).is_err());
    let mut model = random_model(&mut seeded(65), &[3, 2, 2]);
    for name in ["SOURCE.txt", "missing.pt", "missing.safetensors"] {
        assert!(load_pretrained(&mut model, &fixture(name), Writer::PyTorch).is_err(), "{name}");
    }
}
