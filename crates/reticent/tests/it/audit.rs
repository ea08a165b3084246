//! `audit`: what attacks say of a small release, of a file of scores, and of somebody's own messages.

use crate::workspace::{Stage, Workspace, person};
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
    assert_eq!(workspace.json(&["audit", "model", "--shadows", "4", "--seed", "5"])["audit"], *audit, "the same seed finds the same");
    // Nothing of a model stays: the audit's are thrown away.
    assert_eq!(workspace.models(), ["risk/1"]);
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
fn scores() -> String {
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

/// 30 people, each with a turn of phrase of their own; small enough that the three models take seconds.
fn messages() -> String {
    let line = |i: u32| format!("p{},\"hello from {}, order {} please\"\n", i % 30, ["Graz", "Cork", "Lyon"][i as usize % 3], 1000 + i);
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
    let answer = workspace.json(&with);
    let text = &answer["text"];
    assert!(text["statement"].as_str().unwrap().contains("our own test messages"));
    for model in ["baseline", "redacted", "private"] {
        assert!(text[model]["exposure_bits"].is_number() && text[model]["extracted"].is_u64(), "{model}: {}", text[model]);
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
