//! Models are written here byte by byte, by the field numbers of `onnx.proto3`.

use super::*;

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = vec![];
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A field with a length.
fn field(number: u64, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [varint(number << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

/// `None`: an axis with a name.
fn value(name: &str, kind: i32, axes: &[Option<u64>]) -> Vec<u8> {
    let axis = |n: &Option<u64>| field(1, n.map_or_else(|| field(2, "N"), |n| number(1, n)));
    let shape: Vec<u8> = axes.iter().flat_map(axis).collect();
    let tensor = [number(1, kind as u64), field(2, shape)].concat();
    [field(1, name), field(2, field(1, tensor))].concat()
}

fn weights(name: &str, dims: &[u64], values: &[f32]) -> Vec<u8> {
    let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let dims: Vec<u8> = dims.iter().flat_map(|n| number(1, *n)).collect();
    [dims, number(2, FLOAT as u64), field(8, name), field(9, raw)].concat()
}

fn node(op: &str, inputs: &[&str], output: &str, integer: Option<(&str, u64)>) -> Vec<u8> {
    let inputs: Vec<u8> = inputs.iter().flat_map(|name| field(1, name)).collect();
    let attribute = integer.map_or(vec![], |(name, i)| field(5, [field(1, name), number(3, i), number(20, 2)].concat()));
    [inputs, field(2, output), field(3, output), field(4, op), attribute].concat()
}

/// `nodes`, `weights`, inputs and outputs, as a file.
fn file_of(nodes: &[Vec<u8>], weights: &[Vec<u8>], inputs: &[Vec<u8>], outputs: &[Vec<u8>]) -> Vec<u8> {
    let all = |number: u64, parts: &[Vec<u8>]| parts.iter().flat_map(|part| field(number, part)).collect::<Vec<u8>>();
    let graph = [all(1, nodes), field(2, "g"), all(5, weights), all(11, inputs), all(12, outputs)].concat();
    [number(1, 8), field(7, graph), field(8, number(2, 13))].concat()
}

const W: [f32; 6] = [1.0, -2.0, 0.25, 0.5, 1.0, -1.0];
const V: [f32; 6] = [1.5, -2.0, 0.75, 0.25, -0.5, 1.0];

/// Three inputs, two hidden, three classes: `z` are logits, `p` probabilities, `label` the most probable class.
fn network(batch: Option<u64>, kind: i32) -> Vec<u8> {
    let as_single = if kind == FLOAT { node("Identity", &["x"], "s", None) } else { node("Cast", &["x"], "s", Some(("to", FLOAT as u64))) };
    file_of(
        &[
            as_single,
            node("Gemm", &["s", "w", "b"], "h", Some(("transB", 1))),
            node("Tanh", &["h"], "t", None),
            node("Gemm", &["t", "v"], "z", Some(("transB", 1))),
            node("Softmax", &["z"], "p", Some(("axis", 1))),
            node("ArgMax", &["z"], "label", Some(("axis", 1))),
        ],
        &[weights("w", &[2, 3], &W), weights("b", &[2], &[0.125, -1.0]), weights("v", &[3, 2], &V)],
        &[value("x", kind, &[batch, Some(3)])],
        &[value("label", 7, &[batch, Some(1)]), value("p", FLOAT, &[batch, Some(3)])],
    )
}

fn expected(x: &[f32]) -> Vec<f64> {
    let [a, b, c] = [x[0], x[1], x[2]].map(f64::from);
    let (h, k) = ((a - 2.0 * b + 0.25 * c + 0.125).tanh(), (0.5 * a + b - c - 1.0).tanh());
    let powers = [1.5 * h - 2.0 * k, 0.75 * h + 0.25 * k, -0.5 * h + k].map(f64::exp);
    powers.iter().map(|p| p / powers.iter().sum::<f64>()).collect()
}

fn told(bytes: &[u8], tensor: Option<&str>) -> String {
    let read = read_onnx(bytes, tensor, Gives::Probabilities, 3);
    read.err().map_or_else(|| "read".into(), |e| e.to_string().replace("the model cannot be used: ", ""))
}

/// Probabilities and logits, a batch that is open, smaller and larger than the rows, both precisions: against sums written out. Single
/// precision has 24 bits: sums of a few numbers near 1 are off by less than 1e-6.
#[test]
fn answers_are_those_of_the_network() {
    let inputs: Vec<f32> = (0..150_u8).map(|n| (f32::from(n) * 0.7).sin() * 2.0).collect();
    let expected: Vec<f64> = inputs.chunks(3).flat_map(expected).collect();
    for (batch, kind) in [(None, FLOAT), (Some(1), FLOAT), (Some(7), DOUBLE), (Some(50), FLOAT), (Some(64), DOUBLE)] {
        let bytes = network(batch, kind);
        for (tensor, gives) in [(None, Gives::Probabilities), (Some("p"), Gives::Probabilities), (Some("z"), Gives::Logits)] {
            let model = read_onnx(&bytes, tensor, gives, 99).unwrap();
            assert_eq!((model.width(), model.classes()), (3, 3));
            let found = model.ask(&inputs).unwrap();
            assert_eq!(found.len(), expected.len());
            let off = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(off < 1e-6, "{batch:?} {kind} {tensor:?}: {off}");
        }
    }
    // Logits that were said to be probabilities.
    let model = read_onnx(&network(None, FLOAT), Some("z"), Gives::Probabilities, 3).unwrap();
    assert!(matches!(model.ask(&inputs), Err(Error::Answer { row: 0, .. })));
}

/// What scikit-learn 1.9.1 says of three rows, `predict_proba`, in double precision; the file holds its weights in single precision.
#[test]
fn a_classifier_of_scikit_learn_is_read() {
    let bytes = include_bytes!("../../../tests/data/classifier.onnx");
    let model = read_onnx(bytes, None, Gives::Probabilities, 3).unwrap();
    let found = model.ask(&[0.5, -1.0, 2.0, 3.0, 0.25, -0.5, 0.0, 0.0, 0.0]).unwrap();
    let expected = [
        [0.400_855_273_2, 0.543_339_461_1, 0.055_805_265_7],
        [0.487_078_448_1, 0.413_385_577_7, 0.099_535_974_2],
        [0.342_510_966_9, 0.634_670_814_9, 0.022_818_218_2],
    ];
    assert!(found.iter().zip(expected.as_flattened()).all(|(a, b)| (a - b).abs() < 1e-6) && found.len() == 9, "{found:?}");
}

#[test]
fn other_models_are_refused_by_name() {
    let x = || value("x", FLOAT, &[None, Some(3)]);
    let y = |name: &str| value(name, FLOAT, &[None, Some(3)]);
    let with = |op: &str| file_of(&[node(op, &["x"], "y", None)], &[], &[x()], &[y("y")]);
    assert_eq!(told(&with("Identity"), None), "read");
    assert_eq!(told(&with("Identity"), Some("q")), "no step of it gives `q`");
    assert_eq!(told(b"", None), "it is no ONNX file, or damaged");
    assert_eq!(told(b"member,label\n", None), "it is no ONNX file, or damaged");
    for op in NOT_RUN {
        assert_eq!(told(&with(op), None), format!("it uses the operator {op}, which is not run here"));
    }
    assert!(told(&with("Invented"), None).starts_with("it cannot be run: "), "{}", told(&with("Invented"), None));
    let identity = || node("Identity", &["x"], "y", None);
    let two = file_of(&[identity(), node("Identity", &["x"], "z", None)], &[], &[x()], &[y("y"), y("z")]);
    assert_eq!(told(&two, None), "it has several outputs, y, z: name what is asked for");
    assert_eq!(told(&two, Some("z")), "read");
    // What is asked for does not need the step that is not run.
    let beside = file_of(&[identity(), node("Range", &["x"], "q", None)], &[], &[x()], &[y("y"), value("q", 7, &[None])]);
    assert_eq!(told(&beside, None), "read");
    let label = file_of(&[node("ArgMax", &["x"], "y", None)], &[], &[x()], &[value("y", 7, &[None])]);
    assert_eq!(told(&label, None), "none of its outputs is a tensor of f32 or f64: name what is asked for");
    for (inputs, why) in [
        (vec![x(), value("mask", FLOAT, &[None])], "it has the inputs [x, mask]: one tensor of rows × inputs is read"),
        (vec![], "it has the inputs []: one tensor of rows × inputs is read"),
        (vec![value("x", 8, &[None, Some(3)])], "its input `x` is not of f32 or f64"),
        (vec![value("x", FLOAT, &[None, Some(3), Some(8)])], "its input `x` has 3 axes: rows × inputs is read"),
        (vec![value("x", FLOAT, &[Some(0), Some(3)])], "its input `x` has an axis of 0"),
        (vec![value("x", FLOAT, &[None, Some(u64::MAX)])], "its input `x` has an axis of -1"),
        (vec![value("x", FLOAT, &[Some(1 << 20), Some(1 << 20)])], "a batch of 1048576 rows takes more than 268435456 numbers"),
    ] {
        assert_eq!(told(&file_of(&[identity()], &[], &inputs, &[y("y")]), None), why);
    }
    // Rows are mixed up, an input that nothing gives, weights of another shape than they say, and weights in another file.
    let turned = file_of(&[node("Transpose", &["x"], "y", None)], &[], &[x()], &[y("y")]);
    assert_eq!(told(&turned, None), "`y` does not have the shape rows × numbers");
    let dangling = file_of(&[node("Add", &["x", "nowhere"], "y", None)], &[], &[x()], &[y("y")]);
    assert!(told(&dangling, None).starts_with("it cannot be run: "), "{}", told(&dangling, None));
    let add = |weights: Vec<u8>| file_of(&[node("Add", &["x", "w"], "y", None)], &[weights], &[x()], &[y("y")]);
    for (bad, why) in [
        (weights("w", &[5], &[0.0; 3]), "it cannot be run: "),
        (weights("w", &[5], &[0.0; 5]), "a shape of it does not follow from its input"),
        (weights("w", &[u64::MAX], &[0.0]), "it cannot be run: "),
    ] {
        let told = told(&add(bad), None);
        assert!(told.starts_with(why), "{told}");
    }
    // Text as raw bytes: tract panics.
    let text = [number(1, 1), number(2, 8), field(8, "w"), field(9, "text")].concat();
    assert_eq!(told(&add(text), None), "it contradicts itself, or uses something that cannot be run here");
    let elsewhere =
        [number(1, 3), number(2, 1), field(8, "w"), field(13, [field(1, "location"), field(2, "/etc/passwd")].concat()), number(14, 1)];
    assert!(told(&add(elsewhere.concat()), None).contains("external data"), "{}", told(&add(elsewhere.concat()), None));
}

/// Cut at every length, and with every byte changed: an error or another network, never a panic that gets out.
#[test]
fn damaged_files_never_panic() {
    let bytes = network(Some(2), FLOAT);
    let ask = |bytes: &[u8]| read_onnx(bytes, Some("p"), Gives::Probabilities, 3).and_then(|m| m.ask(&vec![1.0; m.width()]));
    for length in 0..bytes.len() {
        let cut = ask(&bytes[..length]);
        // The last field names the version of the operators.
        assert!(cut.is_err() || length + 4 >= bytes.len(), "{length}");
    }
    for at in 0..bytes.len() {
        for flip in [0x01, 0x40, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            let _ = ask(&changed);
        }
    }
    assert!(ask(&bytes).is_ok());
}
