//! A newcomer's own file, in experiment mode: `init`, `check`, `import`, `train`, `report`.

use crate::workspace::{Random, Run, command};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

struct Own {
    folder: TempDir,
}

impl Own {
    fn new(name: &str, text: &str) -> Self {
        let folder = TempDir::with_prefix("reticent-own-").unwrap();
        fs::write(folder.path().join(name), text).unwrap();
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, args: &[&str]) -> Run {
        Run::of(command(args.iter().copied().chain(["--dir", "."])).current_dir(self.path()), self.path())
    }

    #[track_caller]
    fn done(&self, args: &[&str]) -> Run {
        let run = self.run(args);
        assert_eq!(run.code, Some(0), "{args:?} {}{}", run.stdout, run.stderr);
        run
    }
}

const ADULT: &str = "age,workclass,education,hours,income";

/// Like UCI Adult: no header, blanks after commas, `?` for what is missing, two classes.
fn adult() -> String {
    let mut random = Random(7);
    let mut text = String::new();
    for _ in 0..200 {
        let (age, hours) = (17 + random.below(60), 10 + random.below(60));
        let workclass = ["Private", "State-gov", "?"][random.below(3) as usize];
        let education = ["Bachelors", "HS-grad", "11th"][random.below(3) as usize];
        let income = if age + hours + random.below(30) > 95 { ">50K" } else { "<=50K" };
        text += &format!("{age}, {workclass}, {education}, {hours}, {income}\n");
    }
    text
}

/// Like UCI heart disease: no header, numbers throughout, a target of several classes.
fn heart() -> String {
    let mut random = Random(9);
    let mut text = String::new();
    for _ in 0..240 {
        let (age, pressure) = (30 + random.below(45), 95 + random.below(100));
        let vessels = if random.below(40) == 0 { "?".to_owned() } else { format!("{}.0", random.below(4)) };
        let class = (age + pressure + random.below(60)).saturating_sub(140) / 50;
        text += &format!("{age}.0,{}.0,{pressure}.0,{vessels},{}\n", random.below(2), class.min(3));
    }
    text
}

/// From `init` on; everything that comes out of an experiment says so.
fn walk(own: &Own, init: &[&str], file: &str, classes: usize) {
    let drafted = own.done(init);
    assert!(drafted.stdout.contains("next: reticent import"), "{}", drafted.stdout);
    let check = own.done(&["check"]);
    assert!(check.stdout.contains("ε does not cover"), "{}", check.stdout);
    own.done(&["import"]);
    let train = own.done(&["train"]);
    assert!(train.stdout.contains("UNRELEASED"), "{}", train.stdout);
    assert!(train.stderr.contains("warning: release mode would refuse"), "{}", train.stderr);
    let manifest = fs::read_to_string(model(own).join("manifest.json")).unwrap();
    assert!(manifest.contains("UNRELEASED"), "{manifest}");
    let weights = fs::read(model(own).join("model.safetensors")).unwrap();
    assert!(weights.windows(10).any(|w| w == b"UNRELEASED"), "the weights' own header says so");
    let predict = own.done(&["predict", file]);
    assert!(predict.stderr.contains("UNRELEASED"), "{}", predict.stderr);
    assert_eq!(predict.stdout.lines().next().unwrap().matches("p(").count(), classes);
    let report = own.run(&["report", "--json"]);
    assert_eq!(report.code, Some(0), "{}", report.stderr);
    let page = fs::read_to_string(report.json()["report"].as_str().unwrap()).unwrap();
    assert!(page.contains("UNRELEASED"));
    own.done(&["log", "verify"]);
}

fn model(own: &Own) -> PathBuf {
    let models = own.path().join(".reticent/models");
    let name = fs::read_dir(models).unwrap().next().unwrap().unwrap().path();
    name.join("1")
}

#[test]
fn two_classes_and_missing_values() {
    let own = Own::new("adult.csv", &adult());
    walk(&own, &["init", "adult.csv", "--names", ADULT, "--subject", "row", "--target", "income", "--bounds", "data"], "adult.csv", 2);
}

#[test]
fn several_classes() {
    let own = Own::new("heart.data", &heart());
    walk(
        &own,
        &["init", "heart.data", "--names", "age,sex,pressure,vessels,num", "--subject", "row", "--target", "num", "--bounds", "data"],
        "heart.data",
        4,
    );
}

#[test]
fn init_asks_what_it_must_and_names_the_flags() {
    let own = Own::new("adult.csv", &format!("{ADULT}\n{}", adult()));
    let run = own.run(&["init", "adult.csv"]);
    assert_eq!(run.code, Some(2));
    insta::assert_snapshot!(run.refusal(), @"
    exit 2
    error: init must know more
      whose is a row: which column names the person, or is each row a unit of its own (`row`)? (perhaps `row`)
      which column is to be predicted? (perhaps `income`)

    hint: reticent init adult.csv --subject row --target income
    ");
    assert!(!own.path().join("reticent.toml").exists());
}

#[test]
fn bounds_are_left_to_a_person() {
    let own = Own::new("adult.csv", &format!("{ADULT}\n{}", adult()));
    let drafted = own.done(&["init", "adult.csv", "--subject", "row", "--target", "income"]);
    assert!(drafted.stdout.contains("wait for a decision"), "{}", drafted.stdout);
    let text = fs::read_to_string(own.path().join("reticent.toml")).unwrap();
    // Whatever stands in the rows stands in the draft only as the name of a class, if at all.
    for value in ["State-gov", "Bachelors", "HS-grad", "76", "69"] {
        assert!(!text.contains(value), "{value} was read from the rows:\n{text}");
    }
    let check = own.run(&["check"]);
    assert_eq!(check.code, Some(2));
    let lines: Vec<usize> = text
        .lines()
        .enumerate()
        .filter(|(_, l)| !l.trim_start().starts_with('#') && l.contains("\"?\"") && !l.starts_with("missing"))
        .map(|(n, _)| n + 1)
        .collect();
    assert!(lines.len() >= 4, "{text}");
    for line in lines {
        assert!(check.stderr.contains(&format!("reticent.toml:{line}:")), "line {line} is not reported: {}", check.stderr);
    }
    assert_eq!(own.run(&["import"]).code, Some(2));
    assert!(!own.path().join(".reticent").exists(), "nothing runs on an undecided file");
    let again = own.run(&["init", "adult.csv", "--subject", "row", "--target", "income"]);
    assert_eq!(again.code, Some(2), "an existing file is not written over");
    assert_eq!(fs::read_to_string(own.path().join("reticent.toml")).unwrap(), text);
}

/// The real files, where `RETICENT_TEST_DATA` names the folder that holds them.
#[test]
fn real_files() {
    let Some(data) = std::env::var_os("RETICENT_TEST_DATA").map(PathBuf::from) else {
        eprintln!("skipped: RETICENT_TEST_DATA names no folder with adult/ and heart-disease/");
        return;
    };
    let adult = "age,workclass,fnlwgt,education,education-num,marital,occupation,relationship,race,sex,gain,loss,hours,country,income";
    let heart = "age,sex,cp,trestbps,chol,fbs,restecg,thalach,exang,oldpeak,slope,ca,thal,num";
    // This copy of the heart data has a sixth class, `10`, in two rows.
    for (file, names, target, classes) in
        [("adult/adult-train.csv", adult, "income", 2), ("heart-disease/processed.cleveland.data", heart, "num", 6)]
    {
        let own = Own::new("notes.txt", "");
        let file = data.join(file);
        let file = file.to_str().unwrap();
        walk(&own, &["init", file, "--names", names, "--subject", "row", "--target", target, "--bounds", "data"], file, classes);
    }
}
