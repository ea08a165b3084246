//! The page as a whole, on the sample in `sample.json`, without and with the sections of `sections.json`.

use super::{ModelDone, Report, Verdict, render};

fn sample() -> Report {
    serde_json::from_str(include_str!("sample.json")).unwrap()
}

/// The sample with every section there is.
fn full() -> Report {
    let mut all: serde_json::Value = serde_json::from_str(include_str!("sample.json")).unwrap();
    let sections: serde_json::Value = serde_json::from_str(include_str!("sections.json")).unwrap();
    all.as_object_mut().unwrap().extend(sections.as_object().unwrap().clone());
    for event in 23..=29 {
        let cited =
            serde_json::json!({ "event": event, "kind": "evidence recorded", "time": "2026-03-14T10:00:00Z", "leaf": "aa00bb11cc22dd33" });
        all["evidence"].as_array_mut().unwrap().push(cited);
    }
    serde_json::from_value(all).unwrap()
}

/// Anchor and heading of the sections that evidence brings.
const BROUGHT: [(&str, &str); 7] = [
    ("scan", "Personal data found in columns"),
    ("selection", "Which columns are used"),
    ("attacks", "What attacks measured"),
    ("leak", "The leak this prevents"),
    ("explained", "One decision explained"),
    ("erased", "Who asked to be erased"),
    ("removed", "Removal without training anew"),
];

/// What stands between tags, without the style sheet.
fn text(html: &str) -> String {
    let body = html.split_once("</style>").map_or(html, |(_, body)| body);
    body.split('<').map(|part| part.split_once('>').map_or("", |(_, text)| text)).collect()
}

#[test]
fn loads_nothing() {
    let page = render(&sample());
    for loader in ["src=", "href=\"http", "url(", "@import", "<script", "<link", "<img", "<iframe"] {
        assert!(!page.contains(loader), "{loader}");
    }
    assert!(page.contains("https://w3id.org/dpv#ServiceOptimisation"), "the purpose is named as text");
}

#[test]
fn has_every_section_once_and_the_bounded_claim() {
    let page = render(&sample());
    for (id, heading) in [
        ("records", "Which records"),
        ("meaning", "What this ε"),
        ("not-covered", "Not covered"),
        ("not-proved", "What this report does not prove"),
        ("evidence", "Evidence"),
    ] {
        assert_eq!(page.matches(&format!("<h2 id=\"{id}\">{heading}")).count(), 1, "{id}");
    }
    assert!(text(&page).contains("ε ≤ 1.998 at δ = 1e-5, add/remove one unit (reconstructed unit, ≤ 3 rows)"));
    assert!(page.contains("UNRELEASED experiment"));
    assert!(page.contains("Nothing here is legal advice."));
}

#[test]
fn plots_have_a_name_and_a_description() {
    for (report, expected) in [(sample(), 5), (full(), 12)] {
        let page = render(&report);
        let plots: Vec<&str> = page.split("<svg").skip(1).collect();
        assert_eq!(plots.len(), expected);
        for plot in plots {
            assert!(plot.contains("role=\"img\"") && plot.contains("<title id=") && plot.contains("<desc id="), "{plot}");
        }
        let ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(ids.len(), distinct.len(), "{ids:?}");
    }
}

#[test]
fn escapes_names() {
    let mut report = full();
    let script = "<script>alert(1)</script>";
    let (audit, text) = (report.audit.as_mut().unwrap(), report.text.as_mut().unwrap());
    let (erasure, explanation) = (report.erasure.as_mut().unwrap(), report.explanation.as_mut().unwrap());
    for name in [
        &mut audit.curves[0].label,
        &mut audit.controls[0].found,
        &mut audit.vulnerability.as_mut().unwrap().score,
        &mut text.completions[0].written[1].1,
        &mut text.series[0].label,
        &mut erasure.left[0].what,
        &mut erasure.stores[0].name,
        &mut explanation.waterfall.bars[0].0,
        &mut report.scan.as_mut().unwrap().findings[0].column,
        &mut report.selection.as_mut().unwrap().columns[0].why,
        &mut report.removal.as_mut().unwrap().assumptions[0],
        &mut report.title,
        &mut report.controller,
        &mut report.purpose.name,
        &mut report.flow.steps[0].label,
        &mut report.privacy.releases[0].name,
        &mut report.subgroups[0].level,
        &mut report.commands[0],
    ] {
        *name = script.to_owned();
    }
    let page = render(&report);
    assert!(!page.contains("<script"));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[test]
fn masks_small_counts_and_what_would_give_them_away() {
    let page = text(&render(&sample()));
    assert!(page.contains("&lt;10"), "7 records are restricted");
    assert!(page.contains("withheld"));
    assert!(!render(&sample()).contains(">96<"), "20,190 less the others would give the 7");
    let json = serde_json::to_string(&sample().concealed()).unwrap();
    assert!(json.contains(r#""label":"restricted (Art 18)","records":"<10","units":"<10""#), "{json}");
}

#[test]
fn concealing_twice_changes_nothing() {
    for report in [sample(), full()] {
        let once = report.concealed();
        assert_eq!(once.clone().concealed(), once);
    }
}

#[test]
fn json_and_back() {
    let report = full();
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
}

#[test]
fn cites_only_events_of_the_table() {
    let mut report = full();
    report.evidence.retain(|event| event.event != 12);
    let page = render(&report);
    for target in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
    }
    assert!(!page.contains("#event-12"));
}

#[test]
fn says_so_when_the_counts_do_not_add_up() {
    let mut report = sample();
    report.flow.steps.retain(|step| step.label == "consent withdrawn");
    assert!(render(&report).contains("These counts do not add up: 13,443 records are explained, 20,190 were imported."));
    assert!(!render(&sample()).contains("do not add up:"));
}

#[test]
fn prints_no_nan() {
    let mut report = sample();
    for number in [
        &mut report.utility.release.value,
        &mut report.utility.twin.lo,
        &mut report.utility.curve[0].mean,
        &mut report.privacy.epsilon_lower_numeric,
        &mut report.privacy.releases[1].epsilon,
        &mut report.privacy.filter.spent_epsilon,
        &mut report.timing[0].seconds,
    ] {
        *number = f64::NAN;
    }
    report.utility.curve[1].sd = f64::NAN;
    let page = render(&report);
    assert!(!page.contains("NaN") && !page.contains("\"inf"), "{page}");
    report.privacy.epsilon_upper = f64::INFINITY;
    report.utility.twin.value = f64::NAN;
    report.privacy.filter.budget_epsilon = f64::NAN;
    let page = render(&report);
    assert!(!page.contains("NaN") && !page.contains("\"inf"), "{page}");
    assert!(page.contains("No finite bound"));
}

#[test]
fn lives_without_optional_parts() {
    let mut report = sample();
    report.subgroups.clear();
    report.utility.curve.clear();
    report.utility.others.clear();
    report.flow.steps.clear();
    report.privacy.releases.clear();
    report.privacy.not_covered.clear();
    report.gate.reasons.clear();
    report.evidence.clear();
    report.commands.clear();
    report.files.clear();
    report.timing.clear();
    (report.stamp, report.purpose.iri, report.purpose.art9) = (None, None, None);
    let page = render(&report);
    assert!(page.contains("No sweep over ε was run."));
    assert!(page.contains("No subgroup is large enough to show"));
    report.flow.imported.records = 0.into();
    assert!(render(&report).contains("No records were imported."));
}

#[test]
fn every_epsilon_stands_with_its_delta() {
    let page = render(&sample());
    for section in page.split("<h2").skip(1).filter(|section| section.contains("ε ≤")) {
        assert!(text(section).contains("δ = 1e-5, add/remove one unit (reconstructed unit, ≤ 3 rows)"), "{section}");
    }
    for section in render(&full()).split("<h2").skip(1).filter(|section| section.contains("ε ≤") || section.contains("ε ≥")) {
        assert!(text(section).contains("δ = 1e-"), "{section}");
    }
}

#[test]
fn keeps_to_the_words() {
    let page = text(&render(&full())).to_lowercase();
    let words = page.replace(".safetensors", "").replace("(ε, δ)-certified removal of the model, with its assumptions", "");
    for word in [
        "compliant",
        "lawful",
        "valid consent",
        "anonymous",
        "anonymised",
        "safe",
        "risk-free",
        "private",
        "forgotten",
        "certified",
        "certificate",
        "tamper-proof",
        "approved",
    ] {
        assert!(!words.contains(word), "{word}");
    }
}

#[test]
fn sections_stand_where_there_is_evidence_and_only_there() {
    let (with, without) = (render(&full()), render(&sample()));
    for (id, heading) in BROUGHT {
        assert_eq!(with.matches(&format!("<h2 id=\"{id}\">{heading}</h2>")).count(), 1, "{id}");
        assert_eq!(with.matches(&format!("href=\"#{id}\">{heading}</a>")).count(), 1, "{id} in the contents");
        assert!(!without.contains(heading), "{id}");
    }
    let places: Vec<usize> = BROUGHT.iter().map(|(id, _)| with.find(&format!("<h2 id=\"{id}\"")).unwrap()).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(!without.contains("beside-the-bound\""), "an empty list is no list");
}

#[test]
fn each_brought_section_says_what_it_does_not_show() {
    let page = render(&full());
    for (id, _) in BROUGHT {
        let section = page.split(&format!("<h2 id=\"{id}\"")).nth(1).unwrap().split("<h2").next().unwrap();
        assert!(section.contains("<h3>What this does not show</h3>"), "{id}");
        assert!(section.contains("href=\"#event-"), "{id} cites its event");
    }
}

#[test]
fn the_summary_sets_the_measured_beside_the_proved() {
    let page = text(&render(&full()));
    assert!(page.contains(
        "Attacks on outreach/1 gave a measured lower bound of ε ≥ 0.213 with 95% confidence#25, next to the proved upper bound ε ≤ 1.721, both at δ = 1e-5. The measurement does not contradict the bound."
    ));
    assert!(page.contains("written out word for word: 16 of 50 by a model trained without clipping and noise; 0 of 50 by a model trained with them#26. An estimate, not a bound."));
    assert!(page.contains("Asked to be erased: &lt;10 (reconstructed unit)#28"));
}

#[test]
fn a_measured_bound_rounds_down_and_a_proved_one_up() {
    let mut report = full();
    let audit = report.audit.as_mut().unwrap();
    (audit.lower[0].epsilon, audit.proved.as_mut().unwrap().epsilon) = (0.999_99, 1.000_01);
    let page = text(&render(&report));
    assert!(page.contains("ε ≥ 0.999") && page.contains("ε ≤ 1.001") && !page.contains("ε ≥ 1.000"));
}

#[test]
fn every_verdict_has_its_words() {
    for (verdict, words) in [
        (Verdict::Contradicted, "Do not rely on the bound until it is found."),
        (Verdict::Consistent, "The measurement does not contradict the bound."),
        (Verdict::Inconclusive, "The measurement could not tell."),
        (Verdict::Invalid, "Nothing follows from this measurement."),
    ] {
        let mut report = full();
        report.audit.as_mut().unwrap().verdict = verdict;
        assert!(text(&render(&report)).contains(words), "{verdict:?}");
    }
}

#[test]
fn brought_sections_hold_no_small_count() {
    fn small(name: &str, value: &serde_json::Value, found: &mut Vec<String>) {
        const COUNTS: [&str; 8] = ["records", "units", "rows", "removed", "members", "non_members", "total", "removals"];
        match value {
            serde_json::Value::Object(fields) => fields.iter().for_each(|(name, value)| small(name, value, found)),
            serde_json::Value::Array(items) => items.iter().for_each(|value| small(name, value, found)),
            value if COUNTS.contains(&name) && (1..10).contains(&value.as_u64().unwrap_or(0)) => found.push(format!("{name}: {value}")),
            _ => {}
        }
    }
    let concealed = full().concealed();
    let mut found = vec![];
    small("", &serde_json::to_value(&concealed).unwrap(), &mut found);
    assert_eq!(found, [""; 0]);
    for curve in &concealed.audit.as_ref().unwrap().curves {
        let made: Vec<f64> = curve.points.iter().map(|p| p.tpr * 2000.0).filter(|n| *n > 0.5 && *n < 9.5).collect();
        assert!(made.is_empty() && curve.points.len() > 10, "{made:?}");
    }
    assert!(full().audit.unwrap().curves[1].points.iter().any(|p| p.tpr > 0.0 && p.tpr < 0.005), "there is something to conceal");
    let page = text(&render(&full()));
    assert!(page.contains("&lt;10 rows or entries") && !page.contains("5 rows or entries"));
    assert!(page.contains("withheld") && !page.contains("2 rows or entries"));
}

#[test]
fn a_lone_small_bin_is_not_had_by_subtraction() {
    let mut report = full();
    let v = report.audit.as_mut().unwrap().vulnerability.as_mut().unwrap();
    v.edges = vec![0.0, 1.0, 2.0, 3.0];
    v.series.truncate(1);
    v.series[0].units = [100, 5, 50].map(Into::into).to_vec();
    v.series[0].total = 155.into();
    let shown = report.concealed().audit.unwrap().vulnerability.unwrap().series.remove(0).units;
    assert_eq!(shown.iter().map(ToString::to_string).collect::<Vec<_>>(), ["100", "<10", "withheld"]);
}

#[test]
fn what_does_not_add_up_is_said() {
    let mut report = full();
    report.explanation.as_mut().unwrap().waterfall.bars[0].1 = 9.0;
    report.removal.as_mut().unwrap().spent = 3.0;
    let page = text(&render(&report));
    assert!(page.contains("These contributions do not add up"));
    assert!(page.contains("The budget is overspent: 3.0 of 2.28. The bound above does not hold"));
    let page = text(&render(&full()));
    assert!(!page.contains("These contributions do not add up") && !page.contains("overspent"));
}

#[test]
fn what_is_left_is_never_silent() {
    let mut report = full();
    let erasure = report.erasure.as_mut().unwrap();
    erasure.models[0].done = ModelDone::Kept;
    erasure.models[0].joint = None;
    erasure.left.clear();
    let page = text(&render(&report));
    assert!(page.contains("no joint bound was proved"));
    assert!(page.contains("That is no statement that nothing is left."));
}

#[test]
fn sections_live_without_their_optional_parts_and_with_bad_numbers() {
    let mut report = full();
    let audit = report.audit.as_mut().unwrap();
    audit.lower[0].epsilon = f64::NAN;
    audit.curves[0].points[3].lo = f64::NAN;
    audit.estimates[0].value = f64::INFINITY;
    audit.vulnerability.as_mut().unwrap().edges[0] = f64::NAN;
    report.text.as_mut().unwrap().series[0].points[0].exposure = f64::NAN;
    report.explanation.as_mut().unwrap().waterfall.base = f64::NAN;
    report.removal.as_mut().unwrap().residual = f64::INFINITY;
    let page = render(&report);
    assert!(!page.contains("NaN") && !page.contains("\"inf"), "{page}");

    let audit = report.audit.as_mut().unwrap();
    audit.curves.clear();
    audit.lower.clear();
    (audit.proved, audit.vulnerability) = (None, None);
    report.text.as_mut().unwrap().series.clear();
    let erasure = report.erasure.as_mut().unwrap();
    erasure.stores.clear();
    erasure.models.clear();
    let page = text(&render(&report));
    assert!(page.contains("were made; they gave no lower bound"));
    assert!(page.contains("written out word for word: none"));
}
