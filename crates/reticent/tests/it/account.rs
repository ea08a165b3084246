//! `account`: numbers for runs that were trained anywhere.

use crate::workspace::{Run, Workspace};
use serde_json::Value;

fn number(json: &Value, pointer: &str) -> f64 {
    json.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("{pointer} in {json}"))
}

fn args<'a>(verb: &'a str, line: &'a str) -> Vec<&'a str> {
    ["account", verb].into_iter().chain(line.split(' ')).collect()
}

/// The reference is dp-accounting 0.6.0: RDP 2.596556, PLD 2.381686.
#[test]
fn epsilon_says_what_it_rests_on() {
    let workspace = Workspace::bare();
    let line = args("epsilon", "--noise 1.1 --rate 256/60000 --steps 14062 --delta 1e-5");
    let run = workspace.done(&line);
    for words in ["ε ≤ 2.382 at δ = 1e-5", "by PLD", "by RDP: ε ≤ 2.597", "add or remove one unit", "Poisson, not shuffled batches"]
    {
        assert!(run.stdout.contains(words), "{words} in {}", run.stdout);
    }
    let json = workspace.json(&line);
    let (lower, upper) = (number(&json, "/epsilon/lower"), number(&json, "/epsilon/upper"));
    assert!(lower <= upper && upper <= 2.381_686 + 1e-6 && lower > 2.3814, "{lower} {upper}");
    assert!((number(&json, "/epsilon_rdp") - 2.596_556).abs() < 1e-4);
    assert_eq!((&json["accountant"], &json["neighbours"]), (&"pld".into(), &"add-or-remove-one".into()));
}

/// Where PLD has no bound the looser accountant answers, and says so.
#[test]
fn what_pld_refuses_is_answered_by_rdp_and_said() {
    let workspace = Workspace::bare();
    let line = args("epsilon", "--noise 0.8 --rate 0.01 --steps 100 --delta 1e-120");
    let run = workspace.done(&line);
    assert!(run.stdout.contains("by RDP") && run.stdout.contains("the smallest delta it takes is 1e-100"), "{}", run.stdout);
    assert_eq!(workspace.json(&line)["accountant"], "rdp");
}

/// What is found for an epsilon costs that epsilon, and a little less noise or another step costs more.
#[test]
fn noise_and_steps_turn_epsilon_around() {
    let workspace = Workspace::bare();
    let noise = number(&workspace.json(&args("noise", "--epsilon 3 --rate 0.01 --steps 1000")), "/noise");
    let upper = |noise: f64, steps: u64| {
        let line = format!("--noise {noise} --rate 0.01 --steps {steps}");
        number(&workspace.json(&args("epsilon", &line)), "/epsilon/upper")
    };
    assert!(upper(noise, 1_000) <= 3.0 && upper(noise - 1.1e-4, 1_000) > 3.0, "{noise}");
    let steps = workspace.json(&args("steps", "--epsilon 3 --noise 1 --rate 0.01"))["steps"].as_u64().unwrap();
    assert!(upper(1.0, steps) <= 3.0 && upper(1.0, steps + 1) > 3.0, "{steps}");
    let at = number(&workspace.json(&args("delta", &format!("--noise 1 --rate 0.01 --steps {steps} --epsilon 3"))), "/delta/upper");
    assert!(at <= 1e-5 && at > 0.99e-5, "{at}");
}

#[test]
fn compose_and_curve_read_and_write_files() {
    let workspace = Workspace::bare();
    workspace.put("events.toml", "[[events]]\nkind = \"gaussian\"\nnoise_multiplier = 5\n[[events]]\nkind = \"laplace\"\nscale = 4\n");
    let file = workspace.file("events.toml");
    let json = workspace.json(&["account", "compose", file.to_str().unwrap(), "--delta", "1e-5"]);
    // Between the larger part alone, 0.7253, and the sum of both.
    let upper = number(&json, "/epsilon/upper");
    assert!(upper > 0.7253 && upper < 0.7254 + 0.25, "{upper}");

    let plot = workspace.file("curve.svg");
    let run = workspace.done(&["account", "curve", "--noise", "1", "--rate", "0.01", "--steps", "100", "--out", plot.to_str().unwrap()]);
    assert!(run.stdout.contains("true positives at most"), "{}", run.stdout);
    assert!(workspace.read("curve.svg").starts_with("<svg"));
}

#[test]
fn refusals_say_what_to_do() {
    let workspace = Workspace::bare();
    for (verb, line, words) in [
        ("epsilon", "--noise 0 --rate 0.1 --steps 10", "NoiseMultiplier must be"),
        ("epsilon", "--noise 1 --rate 3/2 --steps 10", "SamplingRate must be"),
        ("epsilon", "--noise 1 --rate 1/x --steps 10", "`x` is not a number"),
        ("noise", "--epsilon 0 --rate 0.1 --steps 10", "no noise multiplier"),
        ("compose", "missing.toml", "cannot read missing.toml"),
    ] {
        let run: Run = workspace.run(&args(verb, line));
        assert_eq!(run.code, Some(2), "{verb} {line}: {}", run.stderr);
        assert!(run.stdout.is_empty() && run.stderr.contains(words), "{verb} {line}: {}", run.stderr);
    }
}
