//! Weights on disk: bytes in equal bytes out, and foreign bytes refused without a panic.

use burn::tensor::Device;
use proptest::prelude::*;
use reticent_train::{Architecture, Classifier, NotPrivateSeed, load_weights, save_weights};
use safetensors::tensor::{Dtype, TensorView};
use std::collections::HashMap;

fn model(hidden: &[usize]) -> Classifier {
    let architecture = if hidden.is_empty() { Architecture::Logistic } else { Architecture::Mlp { hidden: hidden.to_vec() } };
    Classifier::new(&architecture, 3, 2, NotPrivateSeed(5), &Device::flex())
}

fn file(hidden: &[usize]) -> Vec<u8> {
    save_weights(&model(hidden), HashMap::from([("stamp".to_owned(), "risk/1".to_owned())])).unwrap()
}

#[test]
fn bytes_survive_a_round_trip() {
    let inputs = [0.5, -0.25, 1.0, -1.0, 0.0, 0.125];
    for hidden in [&[][..], &[4], &[5, 3]] {
        let bytes = file(hidden);
        let read = load_weights(&bytes).unwrap();
        assert_eq!(read.probabilities(&inputs, 3), model(hidden).probabilities(&inputs, 3));
        assert!(save_weights(&read, HashMap::from([("stamp".to_owned(), "risk/1".to_owned())])).unwrap() == bytes);
    }
}

/// A file of f32 zeros with these tensors.
fn foreign(tensors: &[(&str, Dtype, &[usize])]) -> Vec<u8> {
    let bytes = vec![0; 4096];
    let size = |dtype: Dtype, shape: &[usize]| dtype.bitsize() / 8 * shape.iter().product::<usize>();
    let views =
        tensors.iter().map(|&(name, dtype, shape)| (name, TensorView::new(dtype, shape.to_vec(), &bytes[..size(dtype, shape)]).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

#[track_caller]
fn check_refused(bytes: &[u8], expected: &str) {
    let Err(error) = load_weights(bytes) else { panic!("was read") };
    assert_eq!(error.to_string(), format!("the weights cannot be read: {expected}"));
}

#[test]
fn foreign_features_are_refused() {
    let bytes = vec![0; 4096];
    let with = |features: &str| {
        let tensors = [("layers.0.weight", vec![59, 2], 472), ("layers.0.bias", vec![2], 8)];
        let views = tensors.iter().map(|(name, shape, size)| (*name, TensorView::new(Dtype::F32, shape.clone(), &bytes[..*size]).unwrap()));
        safetensors::serialize(views, Some(HashMap::from([("features".to_owned(), features.to_owned())]))).unwrap()
    };
    // One number becomes 57 of the 59 inputs of the first layer, two others stay.
    let read = load_weights(&with(r#"{"kind":"bins","numbers":[1]}"#)).unwrap();
    assert_eq!(read.probabilities(&[0.0, 0.3, 1.0], 3), [0.5, 0.5]);
    for (features, why) in [
        (r#"{"kind":"bins","numbers":[3]}"#, "the first layer is not as wide as its features"),
        (r#"{"kind":"bins","numbers":[0,1]}"#, "the first layer is not as wide as its features"),
        (r#"{"kind":"bins","numbers":[18446744073709551615]}"#, "the first layer is not as wide as its features"),
        (r#"{"kind":"scattering","height":18446744073709551615,"width":2}"#, "the first layer is not as wide as its features"),
        (r#"{"kind":"scattering","height":28,"width":28}"#, "the first layer is not as wide as its features"),
        (r#"{"kind":"other"}"#, "its features are none of this program's"),
        ("", "its features are none of this program's"),
    ] {
        check_refused(&with(features), why);
    }
}

#[test]
fn foreign_files_are_refused() {
    use Dtype::{F32, F64};
    check_refused(&foreign(&[]), "it holds no layer");
    check_refused(&foreign(&[("weight", F32, &[3, 2]), ("bias", F32, &[2])]), "it holds no layer");
    check_refused(&foreign(&[("layers.0.weight", F32, &[3, 2])]), "a layer has no bias");
    check_refused(&foreign(&[("layers.0.weight", F32, &[3, 2]), ("layers.0.bias", F32, &[3])]), "the layers do not fit together");
    check_refused(&foreign(&[("layers.0.weight", F32, &[6]), ("layers.0.bias", F32, &[2])]), "a layer has another shape");
    check_refused(&foreign(&[("layers.0.weight", F32, &[3, 2]), ("layers.0.bias", F32, &[2, 1])]), "a layer has another shape");
    check_refused(&foreign(&[("layers.0.weight", F64, &[3, 2]), ("layers.0.bias", F32, &[2])]), "a tensor is not f32");
    check_refused(
        &foreign(&[
            ("layers.0.weight", F32, &[3, 2]),
            ("layers.0.bias", F32, &[2]),
            ("layers.1.weight", F32, &[3, 2]),
            ("layers.1.bias", F32, &[2]),
        ]),
        "the layers do not fit together",
    );
    // A model that lost its last layer, or a layer in between, is not the shorter model.
    check_refused(
        &foreign(&[("layers.0.weight", F32, &[3, 2]), ("layers.0.bias", F32, &[2]), ("layers.1.bias", F32, &[2])]),
        "it holds other tensors than layers in a row",
    );
    check_refused(
        &foreign(&[
            ("layers.0.weight", F32, &[3, 2]),
            ("layers.0.bias", F32, &[2]),
            ("layers.2.weight", F32, &[2, 2]),
            ("layers.2.bias", F32, &[2]),
        ]),
        "it holds other tensors than layers in a row",
    );
    check_refused(&foreign(&[("layers.0.weight", F32, &[0, 2]), ("layers.0.bias", F32, &[2])]), "a layer has another shape");
    check_refused(&foreign(&[("layers.0.weight", F32, &[3, 0]), ("layers.0.bias", F32, &[0])]), "a layer has another shape");
    assert!(load_weights(b"").is_err());
    assert!(load_weights(b"PK\x03\x04").is_err());
    assert!(load_weights(&[0xff; 64]).is_err());
}

#[test]
fn a_cut_file_is_refused_at_every_length() {
    let whole = file(&[4]);
    for length in 0..whole.len() {
        assert!(load_weights(&whole[..length]).is_err(), "{length} bytes of {}", whole.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Damage to the header or to the weights: an error or a model, no panic; and a model that was read can be used.
    #[test]
    fn damaged_bytes_never_panic(changes in prop::collection::vec((0.0..1.0_f64, any::<u8>(), any::<bool>()), 1..6)) {
        let mut bytes = file(&[4]);
        for (place, byte, in_header) in changes {
            // Half of the damage goes to the header, which holds every length and offset.
            let within = if in_header { bytes.len() * 2 / 3 } else { bytes.len() };
            bytes[(place * within as f64) as usize] = byte;
        }
        if let Ok(model) = load_weights(&bytes) {
            let _ = save_weights(&model, HashMap::new());
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = load_weights(&bytes);
    }
}
