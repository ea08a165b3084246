//! The page as a whole, on the sample in `sample.json`.

use super::{Report, render};

fn sample() -> Report {
    serde_json::from_str(include_str!("sample.json")).unwrap()
}

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
    let page = render(&sample());
    let plots: Vec<&str> = page.split("<svg").skip(1).collect();
    assert_eq!(plots.len(), 5);
    for plot in plots {
        assert!(plot.contains("role=\"img\"") && plot.contains("<title id=") && plot.contains("<desc id="), "{plot}");
    }
    let ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(ids.len(), distinct.len(), "{ids:?}");
}

#[test]
fn escapes_names() {
    let mut report = sample();
    let script = "<script>alert(1)</script>";
    for name in [
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
    let once = sample().concealed();
    assert_eq!(once.clone().concealed(), once);
}

#[test]
fn json_and_back() {
    let report = sample();
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
}

#[test]
fn cites_only_events_of_the_table() {
    let mut report = sample();
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
}

#[test]
fn keeps_to_the_words() {
    let page = text(&render(&sample())).to_lowercase();
    let words = page.replace(".safetensors", "");
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
