//! Models in ONNX, run by tract.

use super::{FileModel, Gives, Rows, wrong};
use crate::Error;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tract_onnx::pb::{GraphProto, ModelProto, ValueInfoProto, tensor_shape_proto::dimension, type_proto};
use tract_onnx::prelude::*;

/// Rows at once where the model leaves it open.
const BATCH: usize = 64;
/// Numbers that all steps together may take for one batch: 1 GiB in single precision.
const MOST_NUMBERS: usize = 1 << 28;
/// Steps of a model.
const MOST_NODES: usize = 20_000;
/// Operators that are not run: a few bytes of them ask for any amount of memory or time, or the answer hangs on chance.
const NOT_RUN: [&str; 17] = [
    "Loop",
    "Scan",
    "If",
    "ConstantOfShape",
    "Expand",
    "Tile",
    "Range",
    "EyeLike",
    "Pad",
    "Resize",
    "Upsample",
    "OneHot",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
    "Multinomial",
];
/// `TensorProto.DataType`: what is read and given.
const FLOAT: i32 = 1;
const DOUBLE: i32 = 11;

/// Reads a classifier from the bytes of an ONNX file with one input of `rows × inputs`, f32 or f64. `tensor` names what is asked for, which
/// may stand in the middle of the model; without it the model has to have one output of such numbers. Where the model leaves the number of
/// inputs open, `width` is taken.
///
/// # Errors
/// [`Error::ModelFile`] where the file is damaged, keeps its weights elsewhere, is none of the above, or would take more than a GiB for a batch.
pub fn read_onnx(bytes: &[u8], tensor: Option<&str>, gives: Gives, width: usize) -> Result<FileModel, Error> {
    let rows = guarded(|| Model::read(bytes, tensor, width))?;
    Ok(FileModel { rows: Box::new(rows), gives })
}

struct Model {
    plan: Arc<TypedRunnableModel>,
    kind: DatumType,
    batch: usize,
    width: usize,
    outputs: usize,
}

impl Model {
    fn read(mut bytes: &[u8], tensor: Option<&str>, width: usize) -> Result<Self, Error> {
        let mut proto = tract_onnx::onnx().proto_model_for_read(&mut bytes).map_err(|_| wrong("it is no ONNX file, or damaged"))?;
        let graph = proto.graph.as_mut().ok_or_else(|| wrong("it is no ONNX file, or damaged"))?;
        let chosen = chosen(graph, tensor)?;
        keep_what_leads_to(graph, &chosen)?;
        let (kind, batch, width) = input(graph, width)?;
        let typed = typed(&proto, kind, &[batch, width])?;
        let outputs = match typed.output_fact(0).map_err(|e| of_tract(&e))?.shape.as_concrete() {
            Some(&[rows]) if rows == batch => 1,
            Some(&[rows, outputs]) if rows == batch && outputs > 0 => outputs,
            _ => return Err(wrong(format!("`{chosen}` does not have the shape rows × numbers"))),
        };
        let plan = typed.into_optimized().and_then(IntoRunnable::into_runnable).map_err(|e| of_tract(&e))?;
        Ok(Self { plan, kind, batch, width, outputs })
    }

    fn batch(&self, rows: &[f32]) -> TractResult<Vec<f64>> {
        // A batch has a fixed number of rows: the last is filled up, and what comes of that is left out.
        let mut filled = rows.to_vec();
        filled.resize(self.batch * self.width, 0.0);
        let given = Tensor::from_shape(&[self.batch, self.width], &filled)?.cast_to_dt(self.kind)?.into_owned();
        let answer = self.plan.run(tvec![given.into()])?.remove(0).cast_to::<f64>()?.into_owned();
        Ok(answer.to_plain_array_view::<f64>()?.iter().copied().take(rows.len() / self.width * self.outputs).collect())
    }
}

impl Rows for Model {
    fn width(&self) -> usize {
        self.width
    }

    fn outputs(&self) -> usize {
        self.outputs
    }

    fn answer(&self, inputs: &[f32]) -> Result<Vec<f64>, Error> {
        let mut all = vec![];
        for rows in inputs.chunks(self.batch * self.width) {
            all.extend(guarded(|| self.batch(rows).map_err(|e| of_tract(&e)))?);
        }
        Ok(all)
    }
}

/// What tract does with a file that somebody sent: it indexes and asserts where a file may lie, and its panics are the file's fault. Nothing
/// that was shared with it is used afterwards.
fn guarded<T>(run: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(wrong("it contradicts itself, or uses something that cannot be run here")))
}

/// The innermost reason, in a line.
fn of_tract(error: &TractError) -> Error {
    let why: String = error.root_cause().to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    wrong(format!("it cannot be run: {}", why.chars().take(200).collect::<String>()))
}

/// What is asked for.
fn chosen(graph: &GraphProto, tensor: Option<&str>) -> Result<String, Error> {
    let is_float = |output: &&ValueInfoProto| matches!(shape(output), Some(tensor) if [FLOAT, DOUBLE].contains(&tensor.elem_type));
    let floats: Vec<&str> = graph.output.iter().filter(is_float).map(|o| o.name.as_str()).collect();
    // scikit-learn's converter ends in dictionaries of class and probability, made from what is wanted.
    let dictionaries = graph.node.iter().find(|n| n.op_type == "ZipMap" && graph.output.iter().any(|o| n.output.contains(&o.name)));
    let (Some(in_between), []) = (dictionaries.and_then(|node| node.input.first()), &floats[..]) else {
        return named(graph, tensor, &floats);
    };
    named(graph, tensor, &[in_between])
}

fn named(graph: &GraphProto, tensor: Option<&str>, floats: &[&str]) -> Result<String, Error> {
    match (tensor, floats) {
        (Some(named), _) if graph.node.iter().any(|node| node.output.iter().any(|o| o == named)) => Ok(named.to_owned()),
        (Some(named), _) => Err(wrong(format!("no step of it gives `{named}`"))),
        (None, [only]) => Ok((*only).to_owned()),
        (None, []) => Err(wrong("none of its outputs is a tensor of f32 or f64: name what is asked for")),
        (None, several) => Err(wrong(format!("it has several outputs, {}: name what is asked for", several.join(", ")))),
    }
}

fn shape(value: &ValueInfoProto) -> Option<&type_proto::Tensor> {
    let type_proto::Value::TensorType(tensor) = value.r#type.as_ref()?.value.as_ref()?;
    Some(tensor)
}

/// Leaves out the steps that what is asked for does not need: of a classifier often those that make a label, or a list of dictionaries.
fn keep_what_leads_to(graph: &mut GraphProto, chosen: &str) -> Result<(), Error> {
    if graph.node.len() > MOST_NODES {
        return Err(wrong(format!("it has {} steps, and at most {MOST_NODES} are run", graph.node.len())));
    }
    let mut needed = BTreeSet::from([chosen.to_owned()]);
    let mut kept: Vec<bool> = graph
        .node
        .iter()
        .rev()
        .map(|node| {
            let is_needed = node.output.iter().any(|o| needed.contains(o));
            if is_needed {
                needed.extend(node.input.iter().cloned());
            }
            is_needed
        })
        .collect();
    kept.reverse();
    let mut kept = kept.into_iter();
    graph.node.retain(|_| kept.next().unwrap_or(false));
    graph.output = vec![ValueInfoProto { name: chosen.to_owned(), ..ValueInfoProto::default() }];
    match graph.node.iter().find(|node| NOT_RUN.contains(&node.op_type.as_str())) {
        Some(node) => Err(wrong(format!("it uses the operator {}, which is not run here", node.op_type))),
        None => Ok(()),
    }
}

/// Type, rows at once and inputs of a row.
fn input(graph: &GraphProto, width: usize) -> Result<(DatumType, usize, usize), Error> {
    let is_given = |input: &&ValueInfoProto| graph.initializer.iter().all(|w| w.name != input.name);
    let inputs: Vec<&ValueInfoProto> = graph.input.iter().filter(is_given).collect();
    let [input] = inputs[..] else {
        let names: Vec<&str> = inputs.iter().map(|i| i.name.as_str()).collect();
        return Err(wrong(format!("it has the inputs [{}]: one tensor of rows × inputs is read", names.join(", "))));
    };
    let name = &input.name;
    let tensor = shape(input).ok_or_else(|| wrong(format!("its input `{name}` is no tensor")))?;
    let kind = match tensor.elem_type {
        FLOAT => DatumType::F32,
        DOUBLE => DatumType::F64,
        _ => return Err(wrong(format!("its input `{name}` is not of f32 or f64"))),
    };
    let fixed = |at: usize, open: usize| -> Result<usize, Error> {
        let axes = tensor.shape.as_ref().map_or(&[][..], |shape| &shape.dim);
        match axes.get(at).and_then(|axis| axis.value.as_ref()) {
            Some(dimension::Value::DimValue(n)) => match usize::try_from(*n) {
                Ok(n) if (1..=MOST_NUMBERS).contains(&n) => Ok(n),
                _ => Err(wrong(format!("its input `{name}` has an axis of {n}"))),
            },
            _ => Ok(open),
        }
    };
    match tensor.shape.as_ref().map(|shape| shape.dim.len()) {
        None | Some(2) => Ok((kind, fixed(0, BATCH)?, fixed(1, width)?)),
        Some(axes) => Err(wrong(format!("its input `{name}` has {axes} axes: rows × inputs is read"))),
    }
}

/// The model for inputs of one shape, all others known from it.
fn typed(proto: &ModelProto, kind: DatumType, shape: &[usize]) -> Result<TypedModel, Error> {
    // What a file says of steps in between is left unread: it follows from the input.
    let typed = tract_onnx::onnx()
        .with_ignore_value_info(true)
        .model_for_proto_model(proto)
        .and_then(|model| model.with_input_fact(0, InferenceFact::dt_shape(kind, shape)))
        .and_then(InferenceModelExt::into_typed)
        .map_err(|e| of_tract(&e))?;
    let mut numbers = 0_usize;
    for fact in typed.nodes().iter().flat_map(|node| &node.outputs) {
        let shape = fact.fact.shape.as_concrete().ok_or_else(|| wrong("a shape of it does not follow from its input"))?;
        numbers = shape.iter().try_fold(1_usize, |all, n| all.checked_mul(*n)).and_then(|n| numbers.checked_add(n)).unwrap_or(usize::MAX);
        if numbers > MOST_NUMBERS {
            return Err(wrong(format!("a batch of {} rows takes more than {MOST_NUMBERS} numbers", shape.first().unwrap_or(&0))));
        }
    }
    Ok(typed)
}

#[cfg(test)]
mod tests;
