//! `audit`: what attacks say of a small release, of a file of scores, and of somebody's own messages.

use crate::workspace::{Random, Stage, Workspace, person};
use insta::assert_snapshot;
use serde_json::Value;

#[test]
fn a_small_release_is_attacked_and_rates_that_would_be_luck_are_refused() {
    let workspace = Workspace::at(Stage::Trained);
    let before = workspace.events();
    let answer = workspace.json(&["audit", "model", "--shadows", "4", "--seed", "5"]);
    let audit = &answer["audit"];
    for target in ["private", "baseline", "overfit"] {
        for attack in ["confidence", "loss", "lira"] {
            let found = &audit[target][attack];
            let auc = found["auc"].as_f64().unwrap();
            let (lower, upper) = (found["auc_interval"][0].as_f64().unwrap(), found["auc_interval"][1].as_f64().unwrap());
            assert!(0.0 <= lower && lower <= auc && auc <= upper && upper <= 1.0, "{target} {attack}: {auc}, {lower} to {upper}");
        }
        // Controls come with every target.
        assert!(answer["controls"][target].as_array().unwrap().len() >= 2, "{}", answer["controls"]);
    }
    // 25 people are held out: one in a hundred of them is nobody.
    assert_eq!(audit["private"]["lira"]["tpr_at_1pct_fpr"]["refused"], "needs 1000 negatives");
    let (lower, upper) = (audit["epsilon_lower"].as_f64(), audit["epsilon_upper"].as_f64().unwrap());
    assert!(lower.is_none_or(|lower| lower <= upper), "{lower:?} {upper}");
    assert!(upper > 0.0 && upper <= 2.0);
    // The gate's decision, the evaluation, the evidence.
    assert_eq!(workspace.events(), before + 3);
    assert!(workspace.files().keys().any(|name| name.contains("evidence/audit-")));
    let again = workspace.json(&["audit", "model", "--shadows", "4", "--seed", "5"]);
    assert_eq!(again["audit"], *audit, "the same seed finds the same");
    // Three targets with four shadow models each: the second audit trains none of them again.
    assert_eq!((answer["shadows_kept"].as_u64(), again["shadows_kept"].as_u64()), (Some(0), Some(12)));
    assert_eq!(again["models"].as_u64().unwrap() + 12, answer["models"].as_u64().unwrap());
    assert_eq!(kept(&workspace).len(), 12);
    // Another seed is another audit: what it has no use for goes.
    assert_eq!(workspace.json(&["audit", "model", "--shadows", "4", "--seed", "6"])["shadows_kept"], 0);
    assert_eq!(kept(&workspace).len(), 12);
    // Nothing of a model stays: the audit's are thrown away.
    assert_eq!(workspace.models(), ["risk/1"]);
}

/// Every attack by name, beside the usual three; a name that is none is refused before anything is recorded.
#[test]
fn every_attack_on_membership_is_made_by_name() {
    let workspace = Workspace::at(Stage::Trained);
    let list = workspace.json(&["audit", "model", "--attack", "list"]);
    let names: Vec<&str> = list["attacks"].as_array().unwrap().iter().map(|a| a["name"].as_str().unwrap()).collect();
    assert!(names.len() > 20 && names.contains(&"quantile") && names.contains(&"label-only"), "{names:?}");
    let before = workspace.events();
    let refused = workspace.run(&["audit", "model", "--attack", "psychic"]);
    assert_eq!((refused.code, workspace.events()), (Some(2), before), "{}", refused.stderr);
    let answer = workspace.json(&["audit", "model", "--shadows", "4", "--attack", "all"]);
    for target in ["private", "baseline", "overfit"] {
        for name in &names {
            let auc = answer["audit"][target][name]["auc"].as_f64();
            assert!(auc.is_some_and(|a| (0.0..=1.0).contains(&a)), "{target} {name}: {auc:?}");
        }
    }
    let some = workspace.json(&["audit", "model", "--shadows", "4", "--attack", "rmia"]);
    let made: Vec<&String> = some["audit"]["private"].as_object().unwrap().iter().filter(|(_, v)| v.is_object()).map(|(k, _)| k).collect();
    assert_eq!(made, ["confidence", "lira", "loss", "rmia"]);
}

/// A column of the rows, a property of the people, and single updates, by name; what they need is asked for before anything is recorded.
#[test]
fn attributes_properties_and_updates_are_attacked_by_name() {
    let workspace = Workspace::at(Stage::Trained);
    let before = workspace.events();
    for wrong in [&["--attack", "attribute"][..], &["--attack", "property", "--column", "nothing"], &["--attack", "updates,psychic"]] {
        let run = workspace.run(&[&["audit", "model"], wrong].concat());
        assert_eq!((run.code, workspace.events()), (Some(2), before), "{wrong:?}: {}", run.stderr);
    }
    let asked = ["audit", "model", "--shadows", "4", "--attack", "attribute,property,inversion,updates", "--column", "age"];
    let answer = workspace.json(&asked);
    let further = &answer["further"];
    // A step's update as it is gives the row back to rounding; clipped and noised as the plan says it gives no more than the mean of all rows does.
    let [plain, noised] = [0, 1].map(|i| &further["updates"][i]);
    assert!(plain["error"].as_f64().unwrap() < 1e-3 && plain["labels"] == 1.0, "{plain}");
    assert!(noised["error"].as_f64().unwrap() > 0.1, "{noised}");
    // Three targets, two rules, or a gap that says why not.
    let attributes = further["attribute"].as_array().unwrap();
    let gaps = answer["not_measured"].as_array().unwrap().iter().map(|g| g.as_str().unwrap().to_owned()).collect::<Vec<_>>();
    for target in ["private", "baseline", "overfit"] {
        let found = attributes.iter().filter(|f| f["target"] == target).count();
        assert!(found == 2 || gaps.iter().any(|g| g.starts_with(target) && g.contains("attribute")), "{target}: {gaps:?}");
    }
    assert!(attributes.iter().any(|f| f["target"] == "overfit"), "200 people on each side");
    for f in attributes {
        let [value, lower, upper] = ["value", "lower", "upper"].map(|k| f["finding"]["difference"][k].as_f64().unwrap());
        assert!(lower <= value && value <= upper && f["finding"]["controls"].as_array().unwrap().len() == 4, "{f}");
    }
    let properties = further["property"].as_array().unwrap();
    assert!(properties.len() == 2 || gaps.iter().any(|g| g.contains("property")), "{gaps:?}");
    // What the twin takes for its classes is like their means; what the model under ε takes is noise, and may come out either way.
    let inversions = further["inversion"].as_array().unwrap();
    assert_eq!(inversions.iter().map(|i| &i["target"]).collect::<Vec<_>>(), ["private", "baseline"]);
    for i in inversions {
        let p = i["p_value"].as_f64().unwrap();
        assert!((0.05..=1.0).contains(&p) && i["of_controls"].as_array().unwrap().len() == 19, "{i}");
        assert_eq!(i["classes"].as_array().unwrap().iter().map(|c| &c["class"]).collect::<Vec<_>>(), ["no", "yes"]);
        assert_eq!(i["features"].as_array().unwrap().iter().map(|f| &f["column"]).collect::<Vec<_>>(), ["age", "sex", "pressure"]);
        assert!(i["picture"].is_null(), "a table is no image");
    }
    let (twin, age) = (&inversions[1], &inversions[1]["features"][0]);
    let years = |of: &str, class: usize| age[of][class].as_str().unwrap().parse::<f64>().unwrap();
    assert!(years("inverted", 0) < years("inverted", 1) && years("means", 0) < years("means", 1), "{twin}");
    // Of three columns some dealt labels give as much by luck: the rank says how many.
    let own = twin["resemblance"].as_f64().unwrap();
    let as_high = twin["of_controls"].as_array().unwrap().iter().filter(|c| c.as_f64().unwrap() >= own).count();
    assert!(own > 1.5 && twin["p_value"] == (1 + as_high) as f64 / 20.0, "{twin}");
    let page = workspace.file("audit.html");
    let told = workspace.done(&[&asked[..], &["--html", page.to_str().unwrap()]].concat()).stdout;
    let html = workspace.read("audit.html");
    for part in [
        "roc-title",
        "bracket-title",
        "vulnerability-title",
        "What the model takes for each class",
        "Inversions of this release",
        "attribute, meant to leak",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!["src=", "http", "<script", "patient-"].iter().any(|odd| html.contains(odd)), "a unit, or something to load");
    assert!(told.contains("inversion, baseline: MI-FACE") && told.contains("models of labels dealt at random"), "{told}");
    assert!(told.contains("updates as they are") && told.contains("gain on members less that on others"), "{told}");
}

/// Files that an audit keeps, but for the key of their names.
fn kept(workspace: &Workspace) -> Vec<String> {
    workspace.files().into_keys().filter(|name| name.contains("audit/") && name.ends_with(".phi")).collect()
}

#[test]
fn erasure_reaches_what_shadow_models_answered() {
    let workspace = Workspace::at(Stage::Trained);
    workspace.json(&["audit", "model", "--shadows", "4"]);
    assert_eq!(kept(&workspace).len(), 12);
    let erasure = workspace.json(&["forget", &person(60), "--no-retrain"])["erasure"].clone();
    let stores = erasure["stores"].as_array().unwrap();
    let of_audits: Vec<&Value> = stores.iter().filter(|s| s["store"].as_str().unwrap().starts_with("answers of shadow models")).collect();
    assert!(of_audits.len() == 1 && of_audits[0]["verified_absent"] == true, "{stores:?}");
    assert_eq!(workspace.files().keys().filter(|name| name.contains(".reticent/audit/")).count(), 0);
}

#[test]
fn one_unit_is_told_about_and_not_kept() {
    let workspace = Workspace::at(Stage::Trained);
    let ask = |subject: &str| workspace.json(&["audit", "model", "--shadows", "4", "--subject", subject])["subject"].clone();
    let known = ask(&person(60));
    assert_eq!((&known["known"], &known["scored"], &known["proof"]), (&true.into(), &true.into(), &false.into()), "{known}");
    assert!(known["called_member"].is_boolean());
    assert_eq!(ask("nobody-at-all"), serde_json::json!({ "known": false }));
    for (name, bytes) in workspace.files() {
        if name.contains("evidence/") {
            let text = String::from_utf8(bytes).unwrap();
            assert!(!text.contains("called_member") && !text.contains(&person(60)), "{name} tells of one unit");
        }
    }
}

#[test]
fn an_odd_number_of_shadows_is_refused_before_anything_is_recorded() {
    let workspace = Workspace::at(Stage::Trained);
    let before = workspace.events();
    let run = workspace.run(&["audit", "model", "--shadows", "3"]);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert_eq!(workspace.events(), before);
}

/// 40 members score above all others but for one; each was in or out by its own coin.
pub(crate) fn scores() -> String {
    let line = |i: u32| format!("{},{}\n", if i == 70 { 900 } else { i }, u8::from((40..80).contains(&i) && i != 70 || i == 0));
    "score,member\n".to_owned() + &(0..80).map(line).collect::<String>()
}

#[test]
fn scores_of_any_tool_need_no_workspace() {
    let workspace = Workspace::bare();
    workspace.put("scores.csv", &scores());
    let file = workspace.file("scores.csv");
    let answer = workspace.json(&["audit", "scores", file.to_str().unwrap(), "--epsilon", "8", "--delta", "1e-5"]);
    let found = &answer["finding"];
    assert_eq!((answer["lines"].as_u64(), found["members"].as_u64(), found["non_members"].as_u64()), (Some(80), Some(40), Some(40)));
    // Members above others: 39 of 40 members beat 39 of 40 others; by hand, of 1600 pairs 39·39 are ordered right.
    let auc = found["auc"].as_f64().unwrap();
    assert!((auc - 1521.0 / 1600.0).abs() < 1e-12, "{auc}");
    let lower = answer["audit"]["epsilon_lower"].as_f64().unwrap();
    assert!(lower > 1.0 && lower < answer["audit"]["epsilon_ceiling"].as_f64().unwrap(), "{lower}");
    let told = workspace.done(&["audit", "scores", file.to_str().unwrap(), "--epsilon", "0.5"]).stdout;
    assert!(told.contains("CONTRADICTED"), "{told}");
    assert!(!workspace.file(".reticent").exists());
}

#[test]
fn scores_that_cannot_be_read_are_told_by_line() {
    let workspace = Workspace::bare();
    let refusal = |text: &str| {
        workspace.put("scores.csv", text);
        let file = workspace.file("scores.csv");
        let run = workspace.run(&["audit", "scores", file.to_str().unwrap()]);
        assert_eq!(run.code, Some(2), "{}", run.stderr);
        run.refusal()
    };
    assert_snapshot!(refusal("score,member\n0.5,1\nsecret-of-nowhere,0\n0.25,perhaps\n"), @"
    exit 2
    error: the file of scores cannot be used; nothing was measured
    line 3: `score` is not a finite number
    line 4: `member` is none of 0, 1, true, false

    hint: columns: `score` (a number, higher: more likely a member), `member` (0, 1, true, false), perhaps `unit` or `id`
    ");
    assert!(refusal("points,member\n1,1\n").contains("score"));
    assert!(refusal("score,member\n1,1\n2,1\n").contains("members"), "nobody to tell members from");
}

/// 400 rows of a model that is surer of its members by 1.5 in the logit than the row alone makes it, with four reference models, two of them
/// trained with each row.
pub(crate) fn answers() -> String {
    let mut text = String::from("id,member,label,p_0,p_1,ref_0,in_0,ref_1,in_1,ref_2,in_2,ref_3,in_3\n");
    let mut draw = Random(9);
    let mut noise = || (0..6).map(|_| draw.below(1000) as f64 / 1000.0).sum::<f64>() - 3.0;
    for row in 0..400_u32 {
        let hard = 2.0 * noise();
        let mut p = |is_in: bool| 1.0 / (1.0 + (-(hard + 1.5 * f64::from(u8::from(is_in)) + 0.5 * noise())).exp());
        let own = p(row % 2 == 0);
        text += &format!("r{row},{},0,{own},{}", u8::from(row % 2 == 0), 1.0 - own);
        for n in 0..4 {
            let is_in = (row / 2 + n) % 2 == 0;
            text += &format!(",{},{}", p(is_in), u8::from(is_in));
        }
        text.push('\n');
    }
    text
}

#[test]
fn answers_of_any_model_are_attacked_with_and_without_references() {
    let workspace = Workspace::bare();
    workspace.put("answers.csv", &answers());
    let file = workspace.file("answers.csv");
    let answer = workspace.json(&["audit", "scores", file.to_str().unwrap(), "--epsilon", "0.1"]);
    assert_eq!((answer["lines"].as_u64(), answer["units"].as_u64(), answer["references"].as_u64()), (Some(400), Some(400), Some(4)));
    let found = answer["findings"].as_array().unwrap();
    let auc = |name: &str| found.iter().find(|f| f["attack"]["name"] == name).unwrap()["auc"].as_f64().unwrap();
    assert_eq!(found.len(), 9);
    assert_eq!(answer["audit"]["attacks"], 9);
    for name in ["LiRA", "RMIA", "BASE", "calibrated loss"] {
        assert!(auc(name) > auc("loss") + 0.05, "{name}: {} against {}", auc(name), auc("loss"));
    }
    // The largest of nine bounds, each at a ninth of the level.
    let of = |f: &Value| f["lower_bound"]["epsilon"].as_f64().unwrap();
    let most = found.iter().map(of).fold(0.0, f64::max);
    assert_eq!(answer["audit"]["epsilon_lower"].as_f64(), Some(most));
    let confidence = found[0]["lower_bound"]["confidence"].as_f64().unwrap();
    assert!((confidence - (1.0 - 0.05 / 9.0)).abs() < 1e-12, "{confidence}");
    let told = workspace.done(&["audit", "scores", file.to_str().unwrap(), "--epsilon", "0.1"]).stdout;
    assert!(most > 0.1 && told.contains("CONTRADICTED") && told.contains("9 of them"), "{most}\n{told}");
    // The page: the same bound, and plots of the same numbers; no unit is in it.
    let page = workspace.file("audit.html");
    workspace.done(&["audit", "scores", file.to_str().unwrap(), "--epsilon", "0.1", "--html", page.to_str().unwrap()]);
    let html = workspace.read("audit.html");
    for part in ["roc-title", "vulnerability-title", "bracket-title", "AUC of RMIA", "AUC of entropy", "answers.csv", "one run, "] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("r17") && !html.contains("http"), "a unit, or something to load");
    // Without references the five attacks on the answers alone.
    let alone: String = answers().lines().map(|l| l.split(',').take(5).collect::<Vec<_>>().join(",") + "\n").collect();
    workspace.put("answers.csv", &alone);
    assert_eq!(workspace.json(&["audit", "scores", file.to_str().unwrap()])["findings"].as_array().unwrap().len(), 5);
}

/// With inputs: a blind baseline beside every attack, quantile regression among the usual ones; and attacks by name.
#[test]
fn answers_with_inputs_and_attacks_by_name() {
    let workspace = Workspace::bare();
    let with_inputs = |shift: f64| -> String {
        let mut draw = Random(4);
        let rows = answers();
        let rows = rows.lines().enumerate().map(|(line, text)| {
            let input = draw.below(1000) as f64 / 100.0 + if line % 2 == 1 { shift } else { 0.0 };
            if line == 0 { format!("{text},x_0\n") } else { format!("{text},{input}\n") }
        });
        rows.collect()
    };
    workspace.put("answers.csv", &with_inputs(0.0));
    let file = workspace.file("answers.csv");
    let usual = workspace.json(&["audit", "scores", file.to_str().unwrap()]);
    let found = usual["findings"].as_array().unwrap();
    assert_eq!(found.len(), 10);
    for finding in found {
        assert!(
            finding["controls"][0]["name"].as_str().unwrap().starts_with("blind") && finding["controls"][0]["passed"] == true,
            "{finding}"
        );
    }
    let named = workspace.json(&["audit", "scores", file.to_str().unwrap(), "--attack", "base,lira-fixed"]);
    let names: Vec<&str> = named["findings"].as_array().unwrap().iter().map(|f| f["attack"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["lira-fixed", "base"]);
    assert_eq!(workspace.json(&["audit", "scores", file.to_str().unwrap(), "--attack", "all"])["findings"].as_array().unwrap().len(), 22);
    let refused = workspace.run(&["audit", "scores", file.to_str().unwrap(), "--attack", "label-only"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("the model itself"), "{}", refused.stderr);
    assert_eq!(workspace.run(&["audit", "scores", "--attack", "base"]).code, Some(2));
    // Members that differ by themselves: no finding holds.
    workspace.put("answers.csv", &with_inputs(6.0));
    let shifted = workspace.json(&["audit", "scores", file.to_str().unwrap()]);
    assert!(shifted["findings"].as_array().unwrap().iter().all(|f| f["verdict"]["verdict"] == "invalid"), "{shifted}");
}

#[test]
fn the_template_is_a_file_that_is_read() {
    let workspace = Workspace::bare();
    let printed = workspace.done(&["audit", "scores", "--template"]);
    assert!(printed.stderr.contains("predict_proba") && printed.stderr.contains("torch.softmax"), "{}", printed.stderr);
    workspace.put("answers.csv", &printed.stdout);
    let answer = workspace.json(&["audit", "scores", workspace.file("answers.csv").to_str().unwrap()]);
    assert_eq!((answer["units"].as_u64(), answer["references"].as_u64()), (Some(2), Some(4)));
}

#[test]
fn answers_that_cannot_be_used_are_told_by_line_with_their_columns() {
    let workspace = Workspace::bare();
    let refusal = |text: &str| {
        workspace.put("answers.csv", text);
        let file = workspace.file("answers.csv");
        let run = workspace.run(&["audit", "scores", file.to_str().unwrap()]);
        assert_eq!(run.code, Some(2), "{}", run.stderr);
        run.refusal()
    };
    assert_snapshot!(refusal("member,label,p_0,p_1\n1,0,.7,.7\n0,secret,.5,.5\n"), @"
    exit 2
    error: the file of answers cannot be used; nothing was measured
    line 2: `p_…` are no probabilities that add up to 1
    line 3: `label` is no class from 0 to the last of `p_…`

    hint: columns: `member` (0, 1, true, false), `label` (0 to k), `p_0` to `p_k` (adding up to 1), perhaps `unit` or `id`, and of reference models `ref_n` with `in_n`; `reticent audit scores --template` prints such a file
    ");
    assert_snapshot!(refusal("member,label,p_0,p_1,ref_0,in_0\n1,0,.7,.3,.5,1\n0,0,.5,.5,.5,0\n"), @"
    exit 2
    error: 1 units have fewer than 1 reference models without them

    hint: every unit needs reference models that were trained without it, and where some were trained with it, with it too: columns `ref_n` and `in_n`
    ");
}

/// 50 canaries in 20 steps of a loop that clips to 2, divides by 64 and adds noise of `sigma`, the same in every step where it is `reused`.
fn canaries(sigma: f64, reused: bool) -> String {
    let mut text = String::from("step,canary,in,released\n");
    let (mut draw, mut first) = (Random(4), vec![]);
    for step in 0..20 {
        for canary in 0..50 {
            let is_in = draw.below(2) == 1;
            // Of twelve uniform draws: variance 1.
            let mut noise = (0..12).map(|_| draw.below(1_000_000) as f64 / 1e6).sum::<f64>() - 6.0;
            if step == 0 {
                first.push(noise);
            } else if reused {
                noise = first[canary];
            }
            text += &format!("{step},{canary},{},{}\n", u8::from(is_in), (f64::from(u8::from(is_in)) + sigma * noise) * 2.0 / 64.0);
        }
    }
    text
}

#[test]
fn a_training_loop_of_any_make_is_held_against_its_plan() {
    let workspace = Workspace::bare();
    let plan = ["--noise-multiplier", "1", "--max-grad-norm", "2", "--divisor", "64"];
    let file = workspace.file("canaries.csv");
    let audit = |text: &str| {
        workspace.put("canaries.csv", text);
        workspace.json(&[&["audit", "dp", file.to_str().unwrap()], &plan[..]].concat())
    };
    let right = audit(&canaries(1.0, false));
    assert_eq!(
        (right["steps"].as_u64(), right["canaries"].as_u64(), &right["contradicted"]),
        (Some(20), Some(50), &false.into()),
        "{right}"
    );
    assert_eq!(right["finding"]["verdict"]["verdict"], "consistent");
    for (sigma, reused, surest) in [(0.5, false, "noise"), (1.0, true, "differences")] {
        let wrong = audit(&canaries(sigma, reused));
        assert_eq!((&wrong["contradicted"], &wrong["surest"]), (&true.into(), &surest.into()), "{sigma} {reused}: {}", wrong["tests"]);
        assert!(wrong["p_value"].as_f64().unwrap() < 1e-6);
    }
    let told = workspace.done(&[&["audit", "dp", file.to_str().unwrap()], &plan[..]].concat()).stdout;
    assert!(told.contains("CONTRADICTED at 5%, by `differences`") && told.contains("not tested: how units are sampled"), "{told}");
    // The page says the same of the last file.
    let page = workspace.file("loop.html");
    workspace.done(&[&["audit", "dp", file.to_str().unwrap(), "--html", page.to_str().unwrap()], &plan[..]].concat());
    let html = workspace.read("loop.html");
    for part in
        ["roc-title", "bracket-title", "vulnerability-title", "Contradicted", "<code>differences</code>", "the loop of canaries.csv"]
    {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("src=") && !html.contains("http"));
    assert!(!workspace.file(".reticent").exists());

    workspace.put("canaries.csv", "step,canary,in,released\n0,0,secret,1\n0,1,0,\n");
    let run = workspace.run(&[&["audit", "dp", file.to_str().unwrap()], &plan[..]].concat());
    assert_snapshot!(run.refusal(), @"
    exit 2
    error: the file of canaries cannot be used; nothing was measured
    line 2: `in` is none of 0, 1, true, false
    line 3: `released` is not a finite number

    hint: columns: `step`, `canary` (from 0), `in` (0 or 1), `released`; see `reticent audit dp --help`
    ");
}

/// 30 people, each with a turn of phrase of their own; small enough that the three models take seconds.
fn messages() -> String {
    let line = |i: u32| {
        format!("p{},\"hello again from {}, order {} please send it\"\n", i % 30, ["Graz", "Cork", "Lyon"][i as usize % 3], 1000 + i)
    };
    "who,said\n".to_owned() + &(0..120).map(line).collect::<String>()
}

#[test]
fn own_messages_need_a_reason_and_leave_no_text_behind() {
    let workspace = Workspace::at(Stage::Consented);
    workspace.put("messages.csv", &messages());
    let file = workspace.file("messages.csv");
    let args = ["audit", "text", file.to_str().unwrap(), "--subject", "who", "--text", "said"];
    assert_eq!(workspace.run(&args).code, Some(2), "without a reason they are not used");
    let with: Vec<&str> = args.iter().copied().chain(["--asserted", "our own test messages"]).collect();
    let page = workspace.file("text.html");
    let answer = workspace.json(&[&with[..], &["--html", page.to_str().unwrap()]].concat());
    let html = workspace.read("text.html");
    for part in ["exposure-title", "Asked for the last 16 bytes", "ε\u{a0}≤", "with clipping and noise", "our own test messages"] {
        assert!(html.contains(part) || html.replace("ε ≤", "ε\u{a0}≤").contains(part), "{part}");
    }
    assert!(!html.contains("src=") && !html.contains("http"));
    let text = &answer["text"];
    assert!(text["statement"].as_str().unwrap().contains("our own test messages"));
    for model in ["baseline", "redacted", "private"] {
        assert!(text[model]["exposure_bits"].is_number() && text[model]["extracted"].is_u64(), "{model}: {}", text[model]);
        let said = &text[model]["extraction"];
        let count = |side: &str, of: &str| said[side][of].as_u64().unwrap();
        assert!(count("seen", "asked") > 100 && count("unseen", "asked") > 0, "{said}");
        for side in ["seen", "unseen"] {
            assert!(count(side, "in_full") <= count(side, "nearly") && count(side, "nearly") <= count(side, "asked"), "{said}");
        }
        assert!(said["found"].as_u64() <= said["seen"]["in_full"].as_u64() && said["errors"].as_u64() <= Some(100), "{said}");
    }
    assert!(text["epsilon_upper"].as_f64().unwrap() <= 8.0);
    let evidence = workspace.files().into_iter().find(|(name, _)| name.contains("evidence/text-audit")).unwrap();
    let kept: Value = serde_json::from_slice(&evidence.1).unwrap();
    assert_eq!((&kept["private"]["says"], &kept["planted_ends_in"]), (&"".into(), &"".into()), "what a model said may be anybody's");

    workspace.put("few.csv", "who,said\np1,hello\n");
    let few = workspace.file("few.csv");
    let run = workspace.run(&["audit", "text", few.to_str().unwrap(), "--subject", "who", "--text", "said", "--asserted", "x"]);
    assert!(run.code == Some(2) && run.stderr.contains("fewer than 20 people"), "{}", run.stderr);
}
