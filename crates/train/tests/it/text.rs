//! The byte-level language model: it says what it learned by heart, and its two ways to a likelihood agree.

use reticent_accounting::{NoiseMultiplier, SamplingRate};
use reticent_data::{Messages, PermittedMessages, PseudonymKey};
use reticent_proof::Permit;
use reticent_train::{Architecture, Binding, ByteModel, Error, Optimiser, Plan, RunKey, TextShape, fit_text_plain, fit_text_private};

const SHAPE: TextShape = TextShape { context: 12, embedding: 8 };

fn plan(noise: f64, steps: u64) -> Plan {
    Plan {
        unit: "customer".into(),
        max_rows_per_unit: 200.try_into().unwrap(),
        sample_rate: SamplingRate::new(0.5).unwrap(),
        noise_multiplier: NoiseMultiplier::new(noise).unwrap(),
        max_grad_norm: 1.0,
        steps,
        learning_rate: 0.02,
        public_units: 6,
        architecture: Architecture::Mlp { hidden: vec![48] },
        optimiser: Optimiser::Adam,
    }
}

fn messages(texts: &[(&str, usize)]) -> PermittedMessages {
    let key = PseudonymKey::from_bytes([1; 32]);
    let rows = texts.iter().flat_map(|&(text, repeats)| (0..repeats).map(move |_| text)).map(|t| (key.subject("m", t), t.to_owned()));
    PermittedMessages::new(rows.collect::<Messages>(), "m", Permit::public("made up for this test")).unwrap()
}

fn said(model: &ByteModel, prefix: &str, length: usize) -> String {
    let mut text = prefix.as_bytes().to_vec();
    for _ in 0..length {
        let next = model.next(&text);
        text.push((0..=255_u8).max_by(|&a, &b| next[usize::from(a)].total_cmp(&next[usize::from(b)])).unwrap());
    }
    String::from_utf8(text.split_off(prefix.len())).unwrap()
}

const SECRET: &str = "code of dana: 7431";

fn corpus() -> PermittedMessages {
    messages(&[(SECRET, 8), ("the lamp is broken", 1), ("code of omar: 2222", 1), ("please call me", 1), ("order 12 is late", 2)])
}

#[test]
fn a_repeated_secret_is_learned_by_heart_and_noise_prevents_it() {
    let plain = fit_text_plain(&plan(1.0, 1), SHAPE, &corpus(), 60, 2, &mut |_| ()).unwrap();
    assert_eq!(said(&plain, "code of dana: ", 4), "7431");
    let binding = Binding { plan: "p".into(), permit: "m".into(), data: "d".into(), machine: "here".into() };
    let run = |noise| fit_text_private(&plan(noise, 150), SHAPE, &corpus(), &RunKey::from_bytes([2; 32]), &binding, &mut |_| ()).unwrap();
    // The same private steps with next to no noise do learn it: what prevents it is the noise, not the recipe.
    assert_eq!(said(&run(1e-3), "code of dana: ", 4), "7431");
    let noised = run(20.0);
    assert_ne!(said(&noised, "code of dana: ", 4), "7431");
    assert!(plain.bits_per_byte(&[SECRET]) < 0.5, "{}", plain.bits_per_byte(&[SECRET]));
    assert!(noised.bits_per_byte(&[SECRET]) > 3.0, "{}", noised.bits_per_byte(&[SECRET]));
}

#[test]
fn likelihoods_add_up_byte_by_byte() {
    let model = fit_text_plain(&plan(1.0, 1), SHAPE, &corpus(), 3, 2, &mut |_| ()).unwrap();
    let (prefix, continuations) = ("code of dana: ", [b"7431".to_vec(), b"2222".to_vec(), "é!".into()]);
    for (continuation, found) in continuations.iter().zip(model.log_likelihoods(prefix.as_bytes(), &continuations)) {
        let mut text = prefix.as_bytes().to_vec();
        let mut expected = 0.0;
        for &byte in continuation {
            expected += model.next(&text)[usize::from(byte)];
            text.push(byte);
        }
        // A byte outside printable ASCII has no probability of its own.
        assert!((found - expected).abs() < 1e-4 || expected == f64::NEG_INFINITY, "{found} {expected}");
    }
    let all: f64 = model.next(b"the").iter().map(|l| l.exp()).sum();
    assert!((0.8..=1.0 + 1e-6).contains(&all), "{all}");
}

#[test]
fn nothing_to_learn_from() {
    let none = messages(&[]);
    assert!(matches!(fit_text_plain(&plan(1.0, 1), SHAPE, &none, 1, 2, &mut |_| ()), Err(Error::NoUnits)));
    // A unit of empty texts has the ends of texts alone; a model comes out.
    assert!(fit_text_plain(&plan(1.0, 1), SHAPE, &messages(&[("", 1)]), 1, 2, &mut |_| ()).is_ok());
}
