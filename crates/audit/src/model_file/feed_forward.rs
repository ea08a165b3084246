//! A feed-forward network from its weights alone, as PyTorch names them.

use super::{FileModel, Gives, Rows, wrong};
use crate::Error;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::BTreeMap;

/// What stands between two layers. With the parameters that PyTorch takes by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// max(0, z).
    Relu,
    /// z where it is positive, else 0.01 z.
    LeakyRelu,
    /// z where it is positive, else eᶻ − 1.
    Elu,
    /// z Φ(z), by the error function.
    Gelu,
    /// z σ(z).
    Silu,
    /// The hyperbolic tangent.
    Tanh,
    /// σ(z) = 1/(1 + e⁻ᶻ).
    Sigmoid,
    /// z.
    Identity,
}

impl Activation {
    /// Each, with its name.
    pub const ALL: [(&'static str, Self); 8] = [
        ("relu", Self::Relu),
        ("leaky-relu", Self::LeakyRelu),
        ("elu", Self::Elu),
        ("gelu", Self::Gelu),
        ("silu", Self::Silu),
        ("tanh", Self::Tanh),
        ("sigmoid", Self::Sigmoid),
        ("identity", Self::Identity),
    ];

    fn of(self, z: f64) -> f64 {
        match self {
            Self::Relu => z.max(0.0),
            Self::LeakyRelu => z.max(0.01 * z),
            Self::Elu if z > 0.0 => z,
            Self::Elu => z.exp_m1(),
            Self::Gelu => 0.5 * z * (1.0 + libm::erf(z * std::f64::consts::FRAC_1_SQRT_2)),
            Self::Silu => z * super::logistic(z),
            Self::Tanh => z.tanh(),
            Self::Sigmoid => super::logistic(z),
            Self::Identity => z,
        }
    }
}

/// Reads linear layers from the bytes of a safetensors file: `NAME.weight` (`outputs × inputs`, as PyTorch stores it) and `NAME.bias`, which may
/// be missing; f16, bf16, f32 or f64. After each layer but the last comes `activation`; what the last gives are logits. The layers stand in
/// the order of the numbers in their names, or in that of `layers`. Computed in double precision.
///
/// ```
/// use reticent_audit::model_file::{Activation, read_safetensors};
/// use safetensors::tensor::{Dtype, TensorView};
/// let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
/// let (weight, bias) = (bytes(&[1.0, -1.0]), bytes(&[0.5]));
/// let file = safetensors::serialize(
///     [("0.weight", TensorView::new(Dtype::F32, vec![1, 2], &weight)?), ("0.bias", TensorView::new(Dtype::F32, vec![1], &bias)?)],
///     None,
/// )?;
/// let model = read_safetensors(&file, Activation::Relu, None)?;
/// assert_eq!((model.width(), model.classes()), (2, 2));
/// let p = model.ask(&[1.0, 1.5])?;
/// assert_eq!(p, [0.5, 0.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::ModelFile`] where the file is damaged, holds something else than linear layers, or where they do not chain.
pub fn read_safetensors(bytes: &[u8], activation: Activation, layers: Option<&[String]>) -> Result<FileModel, Error> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| wrong(format!("it is no safetensors file, or damaged ({e})")))?;
    let mut parts: BTreeMap<String, (Option<TensorView<'_>>, Option<TensorView<'_>>)> = BTreeMap::new();
    for (name, view) in file.iter() {
        let (layer, kind) = name.rsplit_once('.').unwrap_or(("", name));
        let part = parts.entry(layer.to_owned()).or_default();
        match kind {
            "weight" => part.0 = Some(view),
            "bias" => part.1 = Some(view),
            _ => return Err(wrong(format!("`{name}` is no weight or bias of a linear layer"))),
        }
    }
    let order = match layers {
        Some(named) => {
            if let Some(twice) = named.iter().enumerate().find(|(at, name)| named[..*at].contains(name)) {
                return Err(wrong(format!("the layer `{}` is named twice", twice.1)));
            }
            if let Some(left) = parts.keys().find(|name| !named.contains(name)) {
                return Err(wrong(format!("the layer `{left}` of the file is not among those named")));
            }
            named.to_vec()
        }
        None => by_number(parts.keys())?,
    };
    let mut network = Network { layers: vec![], activation };
    for name in order {
        let (weight, bias) = parts.remove(&name).ok_or_else(|| wrong(format!("it holds no layer `{name}`")))?;
        let weight = weight.ok_or_else(|| wrong(format!("the layer `{name}` has a bias and no weight")))?;
        let layer = Layer::of(&name, &weight, bias.as_ref())?;
        if let Some(before) = network.layers.last()
            && before.outputs() != layer.inputs
        {
            return Err(wrong(format!(
                "the layer `{name}` reads {} numbers, and `{}` before it gives {}: weights are read as outputs × inputs",
                layer.inputs,
                before.name,
                before.outputs()
            )));
        }
        network.layers.push(layer);
    }
    if network.layers.is_empty() {
        return Err(wrong("it holds no layer"));
    }
    Ok(FileModel { rows: Box::new(network), gives: Gives::Logits })
}

/// Names that differ in their numbers alone, by these numbers.
fn by_number<'a>(names: impl Iterator<Item = &'a String>) -> Result<Vec<String>, Error> {
    let mut found: Vec<(Vec<u64>, &String)> = vec![];
    let mut frame: Option<(String, &String)> = None;
    for name in names {
        let (mut text, mut numbers) = (String::new(), vec![]);
        for part in name.chars().collect::<Vec<_>>().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()) {
            let part: String = part.iter().collect();
            match part.parse() {
                Ok(number) => {
                    text.push('#');
                    numbers.push(number);
                }
                Err(_) => text += &part,
            }
        }
        match &frame {
            Some((before, other)) if *before != text => {
                return Err(wrong(format!("the order of the layers `{other}` and `{name}` does not follow from their names")));
            }
            _ => frame = Some((text, name)),
        }
        found.push((numbers, name));
    }
    found.sort();
    Ok(found.into_iter().map(|(_, name)| name.clone()).collect())
}

struct Network {
    layers: Vec<Layer>,
    activation: Activation,
}

struct Layer {
    name: String,
    inputs: usize,
    /// `inputs × outputs`.
    weight: Vec<f64>,
    bias: Vec<f64>,
}

impl Layer {
    fn of(name: &str, weight: &TensorView<'_>, bias: Option<&TensorView<'_>>) -> Result<Self, Error> {
        let full = |kind: &str| if name.is_empty() { kind.to_owned() } else { format!("{name}.{kind}") };
        let &[outputs, inputs] = weight.shape() else {
            return Err(wrong(format!("`{}` has the shape {:?}, and a linear layer has outputs × inputs", full("weight"), weight.shape())));
        };
        if outputs == 0 || inputs == 0 {
            return Err(wrong(format!("`{}` has the shape {:?}: a layer of nothing", full("weight"), weight.shape())));
        }
        let values = numbers(&full("weight"), weight)?;
        let mut turned = vec![0.0; values.len()];
        for (output, row) in values.chunks_exact(inputs).enumerate() {
            row.iter().enumerate().for_each(|(input, w)| turned[input * outputs + output] = *w);
        }
        let bias = match bias {
            None => vec![0.0; outputs],
            Some(bias) if bias.shape() == [outputs] => numbers(&full("bias"), bias)?,
            Some(bias) => {
                return Err(wrong(format!("`{}` has the shape {:?}, and the layer gives {outputs} numbers", full("bias"), bias.shape())));
            }
        };
        Ok(Self { name: name.to_owned(), inputs, weight: turned, bias })
    }

    fn outputs(&self) -> usize {
        self.bias.len()
    }

    fn apply(&self, inputs: &[f64]) -> Vec<f64> {
        let mut sums = self.bias.clone();
        for (x, weights) in inputs.iter().zip(self.weight.chunks_exact(self.outputs())) {
            sums.iter_mut().zip(weights).for_each(|(sum, w)| *sum += x * w);
        }
        sums
    }
}

impl Rows for Network {
    fn width(&self) -> usize {
        self.layers[0].inputs
    }

    fn outputs(&self) -> usize {
        self.layers[self.layers.len() - 1].outputs()
    }

    fn answer(&self, inputs: &[f32]) -> Result<Vec<f64>, Error> {
        let of_row = |row: &[f32]| {
            let row: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
            self.layers.iter().enumerate().fold(row, |row, (at, layer)| {
                let mut given = layer.apply(&row);
                if at + 1 < self.layers.len() {
                    given.iter_mut().for_each(|z| *z = self.activation.of(*z));
                }
                given
            })
        };
        Ok(inputs.chunks_exact(self.width()).flat_map(of_row).collect())
    }
}

fn numbers(name: &str, view: &TensorView<'_>) -> Result<Vec<f64>, Error> {
    let data = view.data();
    let two = |b: &[u8]| u16::from_le_bytes([b[0], b[1]]);
    let values: Vec<f64> = match view.dtype() {
        Dtype::F64 => data.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        Dtype::F32 => data.as_chunks::<4>().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
        Dtype::BF16 => data.chunks_exact(2).map(|b| f64::from(f32::from_bits(u32::from(two(b)) << 16))).collect(),
        Dtype::F16 => data.chunks_exact(2).map(|b| half(two(b))).collect(),
        other => return Err(wrong(format!("`{name}` is {other:?}: f16, bf16, f32 and f64 are read"))),
    };
    if values.iter().any(|v| !v.is_finite()) {
        return Err(wrong(format!("`{name}` holds a number that is not finite")));
    }
    Ok(values)
}

/// The value of half-precision bits (IEEE 754, binary16).
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let size = match exponent {
        0 => fraction * 2_f64.powi(-24),
        0x1f => f64::INFINITY,
        _ => (1.0 + fraction / 1024.0) * 2_f64.powi(exponent - 15),
    };
    if bits >> 15 == 1 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Part<'a> = (&'a str, Dtype, Vec<usize>, Vec<u8>);

    fn single(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    fn file_of(parts: &[Part<'_>]) -> Vec<u8> {
        let views = parts.iter().map(|(name, kind, shape, bytes)| (*name, TensorView::new(*kind, shape.clone(), bytes).unwrap()));
        safetensors::serialize(views, None).unwrap()
    }

    fn part<'a>(name: &'a str, shape: &[usize], values: &[f32]) -> Part<'a> {
        (name, Dtype::F32, shape.to_vec(), single(values))
    }

    fn refused(parts: &[Part<'_>], layers: Option<&[String]>) -> String {
        read_safetensors(&file_of(parts), Activation::Relu, layers).err().map_or_else(|| "read".into(), |e| e.to_string())
    }

    /// Eleven layers, so that 10 has to stand after 2; each in a type of its own; against sums written out.
    #[test]
    fn answers_follow_from_the_weights() {
        let f64s = |values: &[f64]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let halves = |values: &[u16]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        // 10: 1.5 and −2 in half precision; 4: 0.5 and 3 in bfloat16.
        let file = file_of(&[
            ("net.10.weight", Dtype::F16, vec![1, 2], halves(&[0x3e00, 0xc000])),
            part("net.2.weight", &[2, 3], &[1.0, -2.0, 0.25, 0.5, 1.0, -1.0]),
            part("net.2.bias", &[2], &[0.125, -1.0]),
            ("net.4.weight", Dtype::BF16, vec![2, 2], halves(&[0x3f00, 0x4040, 0x4040, 0x3f00])),
            ("net.4.bias", Dtype::F64, vec![2], f64s(&[0.1, -0.7])),
        ]);
        for (name, activation) in Activation::ALL {
            let model = read_safetensors(&file, activation, None).unwrap();
            assert_eq!((model.width(), model.classes()), (3, 2));
            for x in [[0.5_f32, -1.0, 2.0], [3.0, 0.25, -0.5]] {
                let [a, b, c] = x.map(f64::from);
                let f = |z: f64| activation.of(z);
                let (h, k) = (f(a - 2.0 * b + 0.25 * c + 0.125), f(0.5 * a + b - c - 1.0));
                let (m, n) = (f(0.5 * h + 3.0 * k + 0.1), f(3.0 * h + 0.5 * k - 0.7));
                let expected = 1.0 / (1.0 + (-(1.5 * m - 2.0 * n)).exp());
                let found = model.ask(&x).unwrap();
                assert!((found[1] - expected).abs() < 1e-14 && (found[0] + found[1] - 1.0).abs() < 1e-15, "{name}: {found:?}");
            }
        }
    }

    /// To the digits that PyTorch 2.15 prints in double precision: `getattr(torch.nn, NAME)()(torch.tensor([-1.5, 0.75]).double())`.
    #[test]
    fn activations_are_those_of_pytorch() {
        let expected = [
            (0.0, 0.75),
            (-0.015, 0.75),
            (-0.776_869_839_851_570_2, 0.75),
            (-0.100_210_801_903_287_04, 0.580_029_485_717_348_9),
            (-0.273_638_285_709_534_5, 0.509_384_024_381_544_7),
            (-0.905_148_253_644_866_5, 0.635_148_952_387_287_3),
            (0.182_425_523_806_356_35, 0.679_178_699_175_393),
            (-1.5, 0.75),
        ];
        for ((name, activation), (low, high)) in Activation::ALL.iter().zip(expected) {
            let found = (activation.of(-1.5), activation.of(0.75));
            assert!((found.0 - low).abs() < 1e-15 && (found.1 - high).abs() < 1e-15, "{name}: {found:?}");
        }
    }

    #[test]
    fn layers_that_do_not_chain_are_refused_by_name() {
        let first = || part("0.weight", &[2, 3], &[0.0; 6]);
        for (parts, expected) in [
            (
                vec![first(), part("2.weight", &[1, 3], &[0.0; 3])],
                "the layer `2` reads 3 numbers, and `0` before it gives 2: weights are read as outputs × inputs",
            ),
            (vec![first(), part("0.bias", &[3], &[0.0; 3])], "`0.bias` has the shape [3], and the layer gives 2 numbers"),
            (vec![first(), part("1.running_mean", &[2], &[0.0; 2])], "`1.running_mean` is no weight or bias of a linear layer"),
            (vec![first(), part("1.weight", &[2], &[0.0; 2])], "`1.weight` has the shape [2], and a linear layer has outputs × inputs"),
            (vec![part("weight", &[0, 3], &[])], "`weight` has the shape [0, 3]: a layer of nothing"),
            (vec![part("0.bias", &[3], &[0.0; 3])], "the layer `0` has a bias and no weight"),
            (
                vec![first(), part("out.weight", &[1, 2], &[0.0; 2])],
                "the order of the layers `0` and `out` does not follow from their names",
            ),
            (vec![part("0.weight", &[1, 2], &[1.0, f32::NAN])], "`0.weight` holds a number that is not finite"),
            (vec![("0.weight", Dtype::I32, vec![1, 1], vec![0; 4])], "`0.weight` is I32: f16, bf16, f32 and f64 are read"),
            (vec![], "it holds no layer"),
        ] {
            assert_eq!(refused(&parts, None), format!("the model cannot be used: {expected}"));
        }
        let named = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let both = [part("in.weight", &[2, 3], &[0.0; 6]), part("out.weight", &[1, 2], &[0.0; 2])];
        assert_eq!(refused(&both, Some(&named(&["in", "out"]))), "read");
        assert!(refused(&both, Some(&named(&["out", "in"]))).contains("the layer `in` reads 3 numbers, and `out` before it gives 1"));
        assert!(refused(&both, Some(&named(&["in"]))).contains("the layer `out` of the file is not among those named"));
        assert!(refused(&both, Some(&named(&["in", "out", "in"]))).contains("the layer `in` is named twice"));
        assert!(refused(&both, Some(&named(&["in", "out", "last"]))).contains("it holds no layer `last`"));
    }

    /// Cut at every length, and with every byte changed: an error or another network, never a panic.
    #[test]
    fn damaged_files_never_panic() {
        let bytes = file_of(&[part("0.weight", &[2, 3], &[0.5; 6]), part("0.bias", &[2], &[0.5; 2])]);
        let read = |bytes: &[u8]| read_safetensors(bytes, Activation::Relu, None);
        for length in 0..bytes.len() {
            assert!(matches!(read(&bytes[..length]).err(), Some(Error::ModelFile { .. })), "{length}");
        }
        for at in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                if let Ok(model) = read(&changed) {
                    let _ = model.ask(&vec![1.0; model.width()]);
                }
            }
        }
        assert!(read(&bytes).is_ok());
    }
}
