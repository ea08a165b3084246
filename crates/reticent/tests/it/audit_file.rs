//! `audit file`: models of somebody else that come as a file.

use crate::workspace::{Random, Stage, Workspace};
use insta::assert_snapshot;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;
use std::fmt::Write as _;

fn put_weights(workspace: &Workspace, tensors: &[(&str, &[usize], &[f32])]) {
    let bytes: Vec<Vec<u8>> = tensors.iter().map(|t| t.2.iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
    let views = tensors.iter().zip(&bytes).map(|(t, bytes)| (t.0, TensorView::new(Dtype::F32, t.1.to_vec(), bytes).unwrap()));
    std::fs::write(workspace.file("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
}

/// One logit, side · |size| for a side of ±1 and a size below 4, of four hidden units between ReLUs.
fn put_network(workspace: &Workspace) {
    put_weights(
        workspace,
        &[
            ("0.weight", &[4, 2], &[4.0, 1.0, 4.0, -1.0, -4.0, 1.0, -4.0, -1.0]),
            ("0.bias", &[4], &[-4.0; 4]),
            ("2.weight", &[1, 4], &[1.0, 1.0, -1.0, -1.0]),
        ],
    );
}

/// What the network is asked, and the file of answers that it would write: members are larger, on either side, and their label is right;
/// with four reference models that know nothing.
fn records_and_answers() -> (String, String) {
    let (mut records, mut answers) = ("id,size,side,member,label".to_owned(), "id,member,label,p_0,p_1,x_0,x_1".to_owned());
    for text in [&mut records, &mut answers] {
        *text += ",ref_0,in_0,ref_1,in_1,ref_2,in_2,ref_3,in_3\n";
    }
    // The network reads the side first.
    records = records.replace("size,side", "side,size");
    let mut draw = Random(5);
    for row in 0..200_u32 {
        let member = row % 2;
        let size = (f64::from(row) / 256.0 + f64::from(member) + 0.5) * if draw.below(2) == 0 { 1.0 } else { -1.0 };
        let side = if row % 3 == 0 { 1.0 } else { -1.0 };
        let label = u8::from(side > 0.0);
        let z: f64 = side * size.abs();
        let p = [1.0 / (1.0 + z.exp()), 1.0 / (1.0 + (-z).exp())];
        let references: String =
            (0..4).map(|n| format!(",{},{}", 0.5 + draw.below(100) as f64 / 250.0, u8::from((row / 2 + n) % 2 == 0))).collect();
        writeln!(records, "secret-{row},{side},{size},{member},{label}{references}").unwrap();
        writeln!(answers, "secret-{row},{member},{label},{},{},{side},{size}{references}", p[0], p[1]).unwrap();
    }
    (records, answers)
}

fn audit<'a>(model: &'a str, records: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["audit", "file", model, "--records", records], more].concat()
}

/// The same findings, to the last digit, as from the answers written out; and the attack that asks further.
#[test]
fn weights_are_audited_as_their_answers_are() {
    let workspace = Workspace::bare();
    put_network(&workspace);
    let (records, answers) = records_and_answers();
    workspace.put("records.csv", &records);
    workspace.put("answers.csv", &answers);
    let path = |name: &str| workspace.file(name).to_str().unwrap().to_owned();
    let (model, records) = (path("model.safetensors"), path("records.csv"));
    let before = workspace.files();
    let mut of_file = workspace.json(&audit(&model, &records, &["--activation", "relu", "--epsilon", "1"]));
    assert_eq!(of_file.as_object_mut().unwrap().remove("model"), Some(serde_json::json!({ "inputs": 2, "classes": 2 })));
    assert_eq!(of_file, workspace.json(&["audit", "scores", &path("answers.csv"), "--epsilon", "1"]));
    let loss = |json: &Value| json["findings"].as_array().unwrap().iter().find(|f| f["attack"]["name"] == "loss").unwrap().clone();
    assert_eq!((loss(&of_file)["auc"].as_f64(), loss(&of_file)["verdict"]["verdict"].as_str()), (Some(1.0), Some("contradicted")));
    // All of them, for the model can be asked; a page; nothing of anybody is in either, and nothing is kept.
    let page = path("page.html");
    let all = workspace.json(&audit(&model, &records, &["--activation", "relu", "--attack", "all", "--html", &page]));
    let names: Vec<&str> = all["findings"].as_array().unwrap().iter().map(|f| f["attack"]["name"].as_str().unwrap()).collect();
    assert!(names.len() == 23 && names.contains(&"label-only"), "{names:?}");
    assert!(!all.to_string().contains("secret") && !workspace.read("page.html").contains("secret"));
    let mut after = workspace.files();
    assert!(after.remove("page.html").is_some() && after.keys().eq(before.keys()), "{:?}", after.keys());
}

#[test]
fn files_that_cannot_be_audited_say_what_is_wrong() {
    let workspace = Workspace::bare();
    put_network(&workspace);
    workspace.put("records.csv", &records_and_answers().0);
    let path = |name: &str| workspace.file(name).to_str().unwrap().to_owned();
    let (model, records) = (path("model.safetensors"), path("records.csv"));
    let refusal = |args: &[&str]| {
        let run = workspace.run(args);
        assert!(run.code != Some(0) && !run.stderr.contains("panicked") && !run.stderr.contains("secret"), "{}", run.stderr);
        run.refusal().replace(workspace.path().to_str().unwrap(), "DIR")
    };
    let relu = ["--activation", "relu"];
    assert_snapshot!(refusal(&audit(&model, &records, &[])), @r"
    exit 2
    error: weights do not say what stands between the layers: `--activation` is missing

    hint: for example `--activation relu`; `identity` where there is nothing, or a single layer
    ");
    assert_snapshot!(refusal(&audit(&model, &records, &["--activation", "relu", "--output", "logits"])), @r"
    exit 2
    error: `--output` is for models in ONNX

    hint: the last layer of a network in safetensors gives logits
    ");
    assert_snapshot!(refusal(&audit(&records, &records, &relu)), @r"
    exit 2
    error: DIR/records.csv: a file that ends in .onnx or .safetensors is read

    hint: of any other model write the answers: `reticent audit scores --template` shows how
    ");
    put_weights(&workspace, &[("0.weight", &[4, 2], &[0.5; 8]), ("2.weight", &[1, 3], &[0.5; 3])]);
    assert_snapshot!(refusal(&audit(&model, &records, &relu)), @r"
    exit 2
    error: the model cannot be used: the layer `2` reads 3 numbers, and `0` before it gives 4: weights are read as outputs × inputs

    hint: `reticent audit file --help` says which models are read
    ");
    put_weights(&workspace, &[("hidden.weight", &[4, 2], &[0.5; 8]), ("out.weight", &[3, 4], &[0.5; 12])]);
    assert_snapshot!(refusal(&audit(&model, &records, &relu)), @r"
    exit 2
    error: the model cannot be used: the order of the layers `hidden` and `out` does not follow from their names

    hint: name them in their order: `--layers FIRST,SECOND`
    ");
    workspace.done(&audit(&model, &records, &["--activation", "relu", "--layers", "hidden,out"]));
    put_weights(&workspace, &[("weight", &[2, 3], &[0.5; 6])]);
    assert_snapshot!(refusal(&audit(&model, &records, &relu)), @r"
    exit 2
    error: the model reads 3 numbers a row, and the records have 2: side, size

    hint: `member`, `label`, `id`, `unit`, `ref_n` and `in_n` are not given to the model; every other column is
    ");
    put_weights(&workspace, &[("weight", &[2, 2], &[f32::MAX; 4])]);
    std::fs::write(workspace.file("cut.safetensors"), &std::fs::read(&model).unwrap()[..40]).unwrap();
    assert!(refusal(&audit(&path("cut.safetensors"), &records, &relu)).contains("it is no safetensors file, or damaged"));
    for (text, expected) in [
        ("a,b,member\n1,2,1\n", "the records have no column `label`"),
        ("a,b,member,label\n", "the records have no line"),
        ("a,b,member,label\n1,secret,1,0\n", "line 2: `b` is no finite number"),
        ("a,b,member,label\n1,1e39,1,0\n", "line 2: `b` is no finite number"),
        ("a,b,member,label\n1,2,1,0\n1,2,0,secret\n", "line 3: `label` is no class"),
        ("a,b,member,label\n1,2,1,0\n1,2,0,2\n", "line 3: `label` is none of the model's 2 classes"),
        ("a,b,member,label\n1,2,1,0\n1,2,1,1\n", "2 members and 0 non-members"),
    ] {
        workspace.put("records.csv", text);
        assert!(refusal(&audit(&model, &records, &relu)).contains(expected), "{text}");
    }
    assert_eq!(workspace.run(&["audit", "file"]).code, Some(2));
    assert!(workspace.done(&["audit", "file", "--attack", "list"]).stdout.contains("label-only"));
}

#[test]
fn in_a_workspace_the_authorisation_comes_first() {
    let workspace = Workspace::at(Stage::Consented);
    put_network(&workspace);
    workspace.put("asked.csv", &records_and_answers().0);
    let path = |name: &str| workspace.file(name).to_str().unwrap().to_owned();
    let (model, records) = (path("model.safetensors"), path("asked.csv"));
    let before = workspace.events();
    let unasked = workspace.run(&audit(&model, &records, &["--activation", "relu"]));
    assert_eq!((unasked.code, workspace.events()), (Some(3), before));
    assert_snapshot!(unasked.refusal(), @r#"
    exit 3
    error: an audit in a workspace is put on record, with who permitted it

    hint: `--authorisation "contract 12, section 4"`; or work in a folder that is no workspace
    "#);
    // On record also where the rows turn out to be none of the model's.
    let with = |authorisation| ["--activation", "relu", "--authorisation", authorisation];
    assert_eq!(workspace.run(&audit(&model, &records, &with(" "))).code, Some(2));
    let found = workspace.json(&audit(&model, &records, &with("contract 12, section 4")));
    assert!(found["evidence"].is_number() && workspace.events() > before + 1);
    let permitted = workspace.read(".reticent/evidence/audit-authorisation-1.json");
    assert!(permitted.contains("contract 12, section 4") && permitted.contains("model.safetensors"), "{permitted}");
    assert!(workspace.read(".reticent/evidence/file-audit-2.json").contains("LiRA"));
    assert!(workspace.files_with("secret-17", &["asked.csv"]).is_empty());
    // There is nothing to put it on record in.
    let bare = Workspace::bare();
    std::fs::remove_file(bare.file("reticent.toml")).unwrap();
    let run = bare.run(&audit(&model, &records, &with("contract 12, section 4")));
    assert!(run.code == Some(2) && run.stderr.contains("reticent.toml does not exist"), "{}", run.stderr);
}

/// A model in ONNX needs a feature of the build; the tests of `reticent-audit` with that feature hold its answers against sums.
#[test]
fn onnx_needs_its_feature_and_its_output_declared() {
    let workspace = Workspace::bare();
    workspace.put("model.onnx", "no model");
    workspace.put("records.csv", &records_and_answers().0);
    let path = |name: &str| workspace.file(name).to_str().unwrap().to_owned();
    let (model, records) = (path("model.onnx"), path("records.csv"));
    let undeclared = workspace.run(&audit(&model, &records, &[]));
    assert!(undeclared.code == Some(2) && undeclared.stderr.contains("`--output` is missing"), "{}", undeclared.stderr);
    let run = workspace.run(&audit(&model, &records, &["--output", "logits"]));
    let says = if cfg!(feature = "onnx") { "it is no ONNX file, or damaged" } else { "it was built without the feature `onnx`" };
    assert!(matches!(run.code, Some(1 | 2)) && run.stderr.contains(says) && run.stderr.contains("hint: "), "{}", run.stderr);
}
