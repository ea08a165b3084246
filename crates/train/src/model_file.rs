//! Weights as safetensors, the ecosystem's format.

use crate::features::Features;
use crate::nn::Linear;
use crate::{Classifier, Error};
use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;

/// The model's weights as the bytes of a safetensors file: `layers.N.weight` `[inputs, outputs]` and `layers.N.bias`, f32; `metadata` goes into its header, and so does what is computed
/// of a row before them, as `features`.
///
/// # Errors
/// [`Error::Weights`] where the format's writer refuses.
pub fn save_weights(model: &Classifier, mut metadata: HashMap<String, String>) -> Result<Vec<u8>, Error> {
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = vec![];
    let mut push = |name: String, data: TensorData| {
        let bytes = data.try_to_vec::<f32>().expect("f32 tensors hold f32").into_iter().flat_map(f32::to_le_bytes).collect();
        tensors.push((name, data.shape().to_vec(), bytes));
    };
    for (index, layer) in model.layers.iter().enumerate() {
        push(format!("layers.{index}.weight"), layer.weight.val().into_data());
        if let Some(bias) = &layer.bias {
            push(format!("layers.{index}.bias"), bias.val().into_data());
        }
    }
    if let Some(features) = &model.features {
        metadata.insert(FEATURES.to_owned(), serde_json::to_string(features).expect("plain data has JSON"));
    }
    let views: Result<Vec<_>, _> =
        tensors.iter().map(|(name, shape, bytes)| TensorView::new(Dtype::F32, shape.clone(), bytes).map(|v| (name.clone(), v))).collect();
    views.and_then(|v| safetensors::serialize(v, Some(metadata))).map_err(|e| Error::Weights { why: e.to_string() })
}

/// Where the header names what is computed of a row.
const FEATURES: &str = "features";

/// Reads weights written by [`save_weights`].
///
/// # Errors
/// [`Error::Weights`] where the bytes are no such file or the layers do not fit together.
pub fn load_weights(bytes: &[u8]) -> Result<Classifier, Error> {
    let wrong = |why: &str| Error::Weights { why: why.into() };
    let file = SafeTensors::deserialize(bytes).map_err(|e| Error::Weights { why: e.to_string() })?;
    let device = Device::flex();
    let mut layers = vec![];
    for index in 0.. {
        let Ok(weight) = file.tensor(&format!("layers.{index}.weight")) else { break };
        let bias = file.tensor(&format!("layers.{index}.bias")).map_err(|_| wrong("a layer has no bias"))?;
        let (&[inputs, outputs], &[length]) = (weight.shape(), bias.shape()) else { return Err(wrong("a layer has another shape")) };
        if inputs == 0 || outputs == 0 {
            return Err(wrong("a layer has another shape"));
        }
        if length != outputs || layers.last().is_some_and(|l: &Linear| l.weight.dims()[1] != inputs) {
            return Err(wrong("the layers do not fit together"));
        }
        layers.push(Linear {
            weight: Param::from_tensor(Tensor::from_data(TensorData::new(floats(&weight)?, [inputs, outputs]), &device)),
            bias: Some(Param::from_tensor(Tensor::from_data(TensorData::new(floats(&bias)?, [outputs]), &device))),
        });
    }
    if layers.is_empty() {
        return Err(wrong("it holds no layer"));
    }
    // A model that lost its last layer, or one in between, would read as a shorter model.
    if file.len() != 2 * layers.len() {
        return Err(wrong("it holds other tensors than layers in a row"));
    }
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| Error::Weights { why: e.to_string() })?;
    let features: Option<Features> = match header.metadata().as_ref().and_then(|m| m.get(FEATURES)) {
        None => None,
        Some(json) => Some(serde_json::from_str(json).map_err(|_| wrong("its features are none of this program's"))?),
    };
    if let Some(features) = &features
        && !features.may_give(layers[0].weight.dims()[0])
    {
        return Err(wrong("the first layer is not as wide as its features"));
    }
    Ok(Classifier { layers, features })
}

fn floats(view: &TensorView<'_>) -> Result<Vec<f32>, Error> {
    if view.dtype() != Dtype::F32 {
        return Err(Error::Weights { why: "a tensor is not f32".into() });
    }
    Ok(view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}
