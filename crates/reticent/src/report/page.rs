//! The page: one HTML file that loads nothing, in the order in which a reader asks.

use super::number::{at_least, at_most, duration, factor, fixed, percent_at_most, scientific, setting};
use super::plot::{belief, flow, releases, subgroups, utility};
use super::{Amount, Comparison, Decision, FlowStep, Measured, Privacy, Release, ReleaseState, Report, number};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::collections::BTreeSet;

/// The sections in their order: anchor and heading.
const SECTIONS: [(&str, &str); 11] = [
    ("records", "Which records were used"),
    ("meaning", "What this ε means"),
    ("accounting", "The privacy accounting"),
    ("utility", "How well the model works"),
    ("subgroups", "How well it works by subgroup"),
    ("gate", "What the gate decided"),
    ("log", "The log"),
    ("not-covered", "Not covered by the bound"),
    ("not-proved", "What this report does not prove"),
    ("reproduce", "How to reproduce it"),
    ("evidence", "Evidence"),
];

/// The report as a self-contained HTML page.
pub(crate) fn render(report: &Report) -> String {
    let report = &report.clone().concealed();
    let cite = Cite(report.evidence.iter().map(|event| event.event).collect());
    let bodies = [
        records(report, &cite),
        meaning(&report.privacy),
        accounting(&report.privacy, &cite),
        usefulness(report, &cite),
        by_subgroup(report, &cite),
        gate(report, &cite),
        log(report),
        not_covered(&report.privacy),
        not_proved(report),
        reproduce(report),
        evidence(report),
    ];
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content="reticent report";
                title { @if let Some(stamp) = &report.stamp { (stamp) ": " } (report.title) }
                style { (PreEscaped(include_str!("page.css"))) (running_head(report)) }
            }
            body {
                div.sheet {
                    nav aria-label="Contents" {
                        p { "Contents" }
                        ol { @for (id, heading) in SECTIONS { li { a href=(format!("#{id}")) { (heading) } } } }
                    }
                    main {
                        (summary(report, &cite))
                        @for ((id, heading), body) in SECTIONS.iter().zip(bodies) {
                            section aria-labelledby=(id) { h2 id=(id) { (heading) } (body) }
                        }
                        footer { p { "Made by " code { "reticent report" } " on " (day(&report.generated_at)) ". Nothing here is legal advice." } }
                    }
                }
            }
        }
    };
    page.into_string()
}

/// Links numbers to the events of the evidence table that they come from.
struct Cite(BTreeSet<u64>);

impl Cite {
    /// The link, or the bare number where the table lacks the event, or nothing.
    fn event(&self, event: Option<u64>) -> Markup {
        html! {
            @if let Some(event) = event {
                sup.ev {
                    @if self.0.contains(&event) {
                        a href=(format!("#event-{event}")) aria-label=(format!("evidence: event {event}")) { "#" (event) }
                    } @else { "#" (event) }
                }
            }
        }
    }
}

fn summary(report: &Report, cite: &Cite) -> Markup {
    let (privacy, flow, utility) = (&report.privacy, &report.flow, &report.utility);
    html! {
        header {
            @if let Some(stamp) = &report.stamp { p.stamp { (stamp) } }
            h1 { (report.title) }
            p.byline { (report.controller) " · " (day(&report.generated_at)) br; (report.statement) }
        }
        p.lead {
            "For the purpose “" (report.purpose.description) "”, a model was trained on " (flow.trained.records) " of "
            (flow.imported.records) " imported records, from " (flow.trained.units) " " (plural(&privacy.unit)) ". "
            @if privacy.epsilon_upper.is_finite() {
                "What " (together(privacy)) " can reveal about any one " (privacy.unit) " is bounded: "
                span.claim { span.nowrap { (bound(privacy.epsilon_upper)) } " at " (terms(privacy)) } (cite.event(privacy.evidence)) ". "
                "Whoever held it to be 50% likely that a given " (privacy.unit) " was in the data can hold it to be at most "
                (percent_at_most(belief::posterior(0.5, privacy.epsilon_upper))) " likely afterwards, δ aside. "
            } @else {
                span.claim { "No finite bound on what the model can reveal about any one " (privacy.unit) " was proved." } " "
            }
            "On held-out records the model reaches " (utility.metric) " " (fixed(utility.release.value, 3)) (cite.event(utility.release.evidence))
            "; its twin, trained without clipping and noise and not released, reaches " (fixed(utility.twin.value, 3)) (cite.event(utility.twin.evidence)) "."
        }
        dl.key {
            div {
                dt { "Can reveal, at most" }
                dd.big { (bound(privacy.epsilon_upper)) }
                dd.small { "at " (terms(privacy)) "; " (together(privacy)) (cite.event(privacy.evidence)) }
            }
            div {
                dt { (utility.metric) ", held out" }
                dd.big { (fixed(utility.release.value, 3)) }
                dd.small { (range(&utility.release)) (cite.event(utility.release.evidence)) "; twin " (fixed(utility.twin.value, 3)) (cite.event(utility.twin.evidence)) }
            }
            div {
                dt { "Trained on" }
                dd.big { (flow.trained.records) }
                dd.small { "records of " (flow.trained.units) " " (plural(&privacy.unit)) (cite.event(flow.trained.evidence)) "; " (flow.imported.records) " imported" (cite.event(flow.imported.evidence)) }
            }
            div {
                dt { "Budget left" }
                dd.big { (left(privacy)) }
                dd.small { "of ε " (setting(privacy.filter.budget_epsilon)) " for this data and unit, at the same δ, by the filter" (cite.event(privacy.filter.evidence)) }
            }
        }
    }
}

fn records(report: &Report, cite: &Cite) -> Markup {
    let (flow, purpose) = (&report.flow, &report.purpose);
    let units = plural(&report.privacy.unit);
    let desc = format!(
        "Of {} imported records, {} were trained on. Left out: {}.",
        flow.imported.records,
        flow.trained.records,
        listed(flow.steps.iter().map(|s| format!("{} {}", s.records, s.label))),
    );
    let parts = flow.steps.iter().map(|s| s.records).chain([flow.trained.records]);
    let explained: Option<u64> = parts.map(super::Count::exact).sum();
    let gap = explained.zip(flow.imported.records.exact()).filter(|(explained, imported)| explained != imported);
    let row = |label: &str, amount: &Amount| html! { th scope="row" { (label) } td.numeric { (amount.records) (cite.event(amount.evidence)) } td.numeric { (amount.units) } };
    html! {
        p {
            "Purpose " code { (purpose.name) } (cite.event(purpose.evidence)) ". "
            @if let Some(art6) = &purpose.art6 { "Recorded basis: Art 6" (art6) } @else { "No legal basis is declared" }
            @if let Some(art9) = &purpose.art9 { ", and for special categories Art 9" (art9) } ". "
            @if report.gate.decision == Decision::Permitted { "Every use of a record went through the gate, the held-out test included." }
            @else { "The gate was asked for every use of a record, the held-out test included; in an experiment its refusals are warnings." }
        }
        @if let Some(iri) = &purpose.iri { p.scope { "Term: " code { (iri) } } }
        @if let Some((explained, imported)) = gap {
            p.claim { "These counts do not add up: " (number::grouped(explained)) " records are explained, " (number::grouped(imported)) " were imported." }
        }
        figure.wide {
            div.scroll { @if let Some(plot) = flow::plot(flow, &desc) { (plot) } @else { p.note { "No records were imported." } } }
            figcaption {
                "Each record is counted once, at the first reason that applies. A unit (" (report.privacy.unit) ") can lose rows at several steps, so units do not add up. Counts from 1 to 9 are printed as <10; "
                "a count is withheld where a masked one would follow from it by subtraction."
            }
            (numbers(&html! {
                table {
                    thead { tr { th scope="col" { "Step" } th.numeric scope="col" { "Records" } th.numeric scope="col" { (capitalised(&units)) } } }
                    tbody {
                        tr { (row("Imported", &flow.imported)) }
                        @for step in &flow.steps { (step_row(step, cite)) }
                        tr.total { (row("Trained on", &flow.trained)) }
                    }
                }
            }))
        }
    }
}

fn meaning(privacy: &Privacy) -> Markup {
    let epsilon = privacy.epsilon_upper;
    if !epsilon.is_finite() {
        return html! { p { "No finite ε was proved, so the releases may move a belief about one " (privacy.unit) " by any amount." } };
    }
    let after = |prior: f64, epsilon: f64| percent_at_most(belief::posterior(prior, epsilon));
    let desc = format!(
        "For each prior belief, the largest posterior under this release's ε, and under ε = 0.1, 1 and 10 for comparison. Here 50% becomes at most {}.",
        after(0.5, epsilon)
    );
    html! {
        div.beside {
            figure { (belief::plot(epsilon, &desc).unwrap_or_default()) }
            div.aside {
                p {
                    "Take someone who knows all about the data except whether one " (privacy.unit) " was in it. "
                    "Believing so with 50%, after " (together(privacy)) " they can believe it with at most " strong { (after(0.5, epsilon)) }
                    "; believing so with 1%, with at most " (after(0.01, epsilon)) "."
                }
                p {
                    "ε is an exponent: the odds can grow at most e" sup { "ε" } "-fold, here " (factor(epsilon.exp())) "-fold. "
                    "That is why ε = 0.1 is not ε = 10. At 0.1 the odds grow at most " (factor(0.1_f64.exp())) "-fold and 50% becomes at most " (after(0.5, 0.1))
                    "; at 10, " (factor(10_f64.exp())) "-fold and " (after(0.5, 10.0)) ", which rules out almost nothing."
                }
                p {
                    "The bound holds for the worst case. It is not an estimate of what was revealed, and it does not concern what is true of a whole group."
                }
            }
        }
        p.note {
            "All ε here: at " (terms(privacy)) ". The curve of this release covers " (covered(privacy)) ". "
            "The curves leave δ aside: δ is the excess in probability that the bound allows on any outcome, so a rare outcome may tell more. "
            "With δ counted, a guess at even odds is right with probability at most " (percent_at_most(guess(privacy))) ", by whatever method."
        }
        (numbers(&html! {
            table {
                caption { "Largest belief afterwards, by belief before, at " (terms(privacy)) ", δ left aside." }
                thead { tr {
                    th scope="col" { "Before" }
                    th.numeric scope="col" { "this release, " (bound(epsilon)) }
                    @for reference in belief::REFERENCES { th.numeric scope="col" { "ε = " (setting(reference)) } }
                } }
                tbody { @for (prior, label) in [(0.01, "1%"), (0.1, "10%"), (0.25, "25%"), (0.5, "50%"), (0.75, "75%"), (0.9, "90%")] { tr {
                    th scope="row" { (label) }
                    td.numeric { (after(prior, epsilon)) }
                    @for reference in belief::REFERENCES { td.numeric { (after(prior, reference)) } }
                } } }
            }
        }))
    }
}

fn accounting(privacy: &Privacy, cite: &Cite) -> Markup {
    let filter = &privacy.filter;
    let desc = format!(
        "Stacked bars of what each release adds to the joint bound {}, beside its ε alone, up to the budget of {}: {}.",
        bound(privacy.epsilon_upper),
        setting(filter.budget_epsilon),
        listed(privacy.releases.iter().map(|r| format!(
            "{}, {}, alone {}, joint so far {}",
            r.name,
            state(r),
            bound(r.epsilon),
            at_most(r.cumulative_epsilon, 3)
        ))),
    );
    let fact = |name: &str, what: &str, value: Markup| html! { tr { th scope="row" { (name) span.what { (what) } } td { (value) } } };
    html! {
        p {
            "The joint ε of " (together(privacy)) " is proved from the plan that ran: sum over the rows of each " (privacy.unit) ", clip, add up, add noise, count every step. "
            "It was charged to the budget before any noise was drawn; what is reserved counts in full."
        }
        @if privacy.releases.is_empty() { p.note { "No release is recorded." } }
        @if let Some(plot) = releases::plot(privacy, &desc) {
            figure.wide {
                div.scroll { (plot) }
                figcaption {
                    "Filled: what a release adds to those above it. Dashed: what it would be alone. Parts alone do not add up to the joint ε, which is smaller than their sum. "
                    "The filter charges more than the accountant proves, since it must hold for later runs chosen after seeing earlier ones. All ε: at " (terms(privacy)) "."
                }
                (numbers(&html! {
                    table {
                        caption { "ε by release, at " (terms(privacy)) "." }
                        thead { tr { th scope="col" { "Release" } th scope="col" { "State" } th.numeric scope="col" { "ε alone" } th.numeric scope="col" { "ε with those above" } } }
                        tbody { @for r in &privacy.releases { tr {
                            th scope="row" { (r.name) (cite.event(r.evidence)) } td { (state(r)) }
                            td.numeric { "≤ " (at_most(r.epsilon, 3)) } td.numeric { "≤ " (at_most(r.cumulative_epsilon, 3)) }
                        } } }
                    }
                }))
            }
        }
        table.facts {
            caption { "All ε at " (terms(privacy)) ", covering " (covered(privacy)) "." }
            tbody {
                (fact("Joint ε", "proved upper bound", html! { strong { (bound(privacy.epsilon_upper)) } (cite.event(privacy.evidence)) }))
                (fact("Numerical bracket", "of the accountant, not an audit", html! { "between " (at_least(privacy.epsilon_lower_numeric, 3)) " and " (at_most(privacy.epsilon_upper, 3)) }))
                (fact("Joint ε by Rényi DP", "a second accountant, looser", html! { (bound(privacy.epsilon_rdp)) }))
                (fact("δ", "", html! { (scientific(privacy.delta)) }))
                (fact("Neighbours and unit", "", html! { (privacy.neighbours) "; a unit is one " (privacy.unit) " with at most " (rows(privacy)) }))
                (fact("Noise multiplier", "standard deviation over clipping norm", html! { (setting(privacy.noise_multiplier)) }))
                (fact("Sampling", "chance of a unit to be in a batch", html! { (setting(privacy.sample_rate)) }))
                (fact("Steps", "noised sums", html! { (number::grouped(privacy.steps)) }))
                (fact("Clipping norm", "L2, of the sum over a unit’s rows", html! { (setting(privacy.max_grad_norm)) }))
                (fact("Filter", "keeps the budget over all runs", html! {
                    "Rényi of order " (setting(filter.order)) "; ε charged " (at_most(filter.spent_epsilon, 3)) " of " (setting(filter.budget_epsilon)) ", left " (left(privacy)) (cite.event(filter.evidence))
                }))
            }
        }
    }
}

fn usefulness(report: &Report, cite: &Cite) -> Markup {
    let (utility, privacy) = (&report.utility, &report.privacy);
    let metric = &utility.metric;
    let desc = format!(
        "{metric} of the release {} at {}; twin without clipping and noise {}. Sweep: {}.",
        fixed(utility.release.value, 3),
        bound(privacy.epsilon_upper),
        fixed(utility.twin.value, 3),
        listed(utility.curve.iter().map(|p| format!("ε {}: {} ± {}", setting(p.epsilon), fixed(p.mean, 3), fixed(p.sd, 3)))),
    );
    let value = |m: &Measured| html! { (fixed(m.value, 3)) (cite.event(m.evidence)) br; span.note { (range(m)) } };
    let row = |name: &str, with_noise: Option<&Measured>, twin: Option<&Measured>| {
        html! { tr {
            th scope="row" { (name) }
            @for m in [with_noise, twin] { td.numeric { @if let Some(m) = m { (value(m)) } @else { "not measured" } } }
            td.numeric { @if let (Some(m), Some(twin)) = (with_noise, twin) { (fixed(m.value - twin.value, 3)) } }
        } }
    };
    let plot = utility::plot(report, &desc);
    html! {
        p {
            @let loss = utility.twin.value - utility.release.value;
            @if loss > 0.0 { "The bound has a price: the release is " (fixed(loss, 3)) " " (metric) " below its twin" }
            @else if loss <= 0.0 { "The bound shows no price here: the release is " (fixed(-loss, 3)) " " (metric) " above its twin" }
            @else { "The price of the bound would be the distance to the twin" }
            ", the same model trained without clipping and noise. Both are measured on the same held-out records."
        }
        figure.wide {
            div.scroll { @if let Some(plot) = &plot { (plot) } @else { p.note { "No sweep over ε was run." } } }
            @if plot.is_some() {
                figcaption {
                    "The ringed point is this release alone (" (bound(privacy.of_this_release())) "); the others are runs of a sweep, one release each, internal evaluation that no ε covers. "
                    "Band: the twin’s interval (" (utility.interval) "). All ε: at " (terms(privacy)) "."
                }
                (numbers(&html! {
                    table {
                        caption { "Sweep over ε, each run at " (terms(privacy)) "; not released." }
                        thead { tr { th scope="col" { "ε of each run" } th.numeric scope="col" { "Mean " (metric) } th.numeric scope="col" { "Standard deviation" } th.numeric scope="col" { "Seeds" } } }
                        tbody { @for p in &utility.curve { tr {
                            th scope="row" { "≤ " (setting(p.epsilon)) (cite.event(p.evidence)) } td.numeric { (fixed(p.mean, 3)) } td.numeric { (fixed(p.sd, 4)) } td.numeric { (p.seeds) }
                        } } }
                    }
                }))
            }
        }
        div.scroll { table {
            caption { (metric) " with interval (" (utility.interval) "). With clipping and noise: " (bound(privacy.of_this_release())) " at " (terms(privacy)) ", each model alone; other models are internal evaluation with the same sampling, clipping and noise." }
            thead { tr { th scope="col" { "Model" } th.numeric scope="col" { "With clipping and noise" } th.numeric scope="col" { "Twin, without" } th.numeric scope="col" { "Difference" } } }
            tbody {
                (row("This release", Some(&utility.release), Some(&utility.twin)))
                @for Comparison { name, with_noise, twin } in &utility.others { (row(name, with_noise.as_ref(), twin.as_ref())) }
            }
        } }
    }
}

fn by_subgroup(report: &Report, cite: &Cite) -> Markup {
    let (groups, utility) = (&report.subgroups, &report.utility);
    let desc = format!(
        "{} of release and twin: {}.",
        utility.metric,
        listed(groups.iter().map(|s| match (&s.release, &s.twin) {
            (Some(release), Some(twin)) => format!("{} {}: {} and {}", s.column, s.level, fixed(release.value, 3), fixed(twin.value, 3)),
            _ => format!("{} {}: not shown", s.column, s.level),
        })),
    );
    let value = |m: Option<&Measured>| html! { @if let Some(m) = m { (fixed(m.value, 3)) (cite.event(m.evidence)) br; span.note { (range(m)) } } @else { span.note { "not shown" } } };
    let Some(plot) = subgroups::plot(groups, utility, &desc) else {
        return html! { p { "No subgroup is large enough to show, or none was asked for." } };
    };
    html! {
        p { "Noise and clipping can cost small groups more than large ones. Compare each disc with the diamond below it, and mind the intervals: the fewer the units, the wider." }
        figure.wide {
            div.scroll { (plot) }
            figcaption { "Held-out records. A group is not shown where one of the classes has fewer than 10 units in it. These values are exact, computed on personal data without noise, and not covered by the bound." }
            (numbers(&html! {
                table {
                    thead { tr { th scope="col" { "Column" } th scope="col" { "Group" } th.numeric scope="col" { "Units" } th.numeric scope="col" { "Records" } th.numeric scope="col" { "This release" } th.numeric scope="col" { "Twin" } } }
                    tbody { @for s in groups { tr {
                        td { (s.column) } th scope="row" { (s.level) (cite.event(s.evidence)) } td.numeric { (s.units) } td.numeric { (s.records) }
                        td.numeric { (value(s.release.as_ref())) } td.numeric { (value(s.twin.as_ref())) }
                    } } }
                }
            }))
        }
    }
}

fn gate(report: &Report, cite: &Cite) -> Markup {
    let gate = &report.gate;
    let (verdict, then) = match gate.decision {
        Decision::Permitted => (
            "Permitted under the recorded policy.",
            "The records that remain each had a recorded basis for this purpose when they entered a batch.",
        ),
        Decision::Warned => (
            "Warned, not refused.",
            "In experiment mode the gate warns where it would otherwise refuse; the result is stamped and cannot be served.",
        ),
        Decision::Refused => ("Refused under the recorded policy.", "Nothing was released."),
    };
    html! {
        p.verdict { strong { (verdict) } (cite.event(gate.evidence)) " " (then) }
        @if !gate.reasons.is_empty() {
            table {
                caption { "Kept out by the gate, by reason." }
                thead { tr { th scope="col" { "Reason" } th.numeric scope="col" { "Records" } th.numeric scope="col" { (capitalised(&plural(&report.privacy.unit))) } } }
                tbody { @for reason in &gate.reasons { (step_row(reason, cite)) } }
            }
        }
        table.facts { tbody {
            tr { th scope="row" { "Permit" span.what { "SHA-256" } } td { span.hash { (gate.permit) } } }
            tr { th scope="row" { "Policy" span.what { "SHA-256" } } td { span.hash { (gate.policy) } } }
        } }
    }
}

fn log(report: &Report) -> Markup {
    let log = &report.log;
    html! {
        p {
            "Every step above is an event in an append-only log of " (number::grouped(log.size)) " entries. "
            "The log is tamper-evident against a checkpoint held elsewhere: keep a copy of the file below where the controller cannot change it."
        }
        table.facts { tbody {
            tr { th scope="row" { "Root" span.what { "of the Merkle tree over all entries" } } td { span.hash { (log.root) } } }
            tr { th scope="row" { "Signed checkpoint" } td { code { (log.checkpoint_path) } } }
        } }
    }
}

fn not_covered(privacy: &Privacy) -> Markup {
    html! {
        @if privacy.not_covered.is_empty() {
            p { "No list was recorded. Take the bound to cover the releases named above and nothing else: not the twin, not evaluation on personal data, not this report." }
        } @else {
            p { (bound(privacy.epsilon_upper)) " at " (terms(privacy)) " covers " (covered(privacy)) ". It does not cover:" }
            ul.prose { @for item in &privacy.not_covered { li { (item) } } }
        }
    }
}

fn not_proved(report: &Report) -> Markup {
    let privacy = &report.privacy;
    html! {
        ul.prose {
            li { "That the imported records are true, complete or rightly collected. The report repeats what the controller recorded about basis, consent and notice." }
            li { "That the recorded policy is right in law, or that the purpose is fair. The gate applies the policy; people decide on it." }
            @if privacy.unit != "person" {
                li { "That one " (privacy.unit) " is one person. Where a person spreads over several " (plural(&privacy.unit)) ", the bound for the person is weaker." }
            }
            li { "That nothing can be inferred about someone. What holds for a group in general can be learned with or without any one member’s records." }
            li { "That the noise was drawn as planned by anyone but the program itself: the bound assumes that its code ran unaltered and that its noise keys stayed secret." }
            li { "That nothing else was released. The budget counts what passed through this ledger." }
            li { "That the log is whole, unless it is checked against a checkpoint that was kept elsewhere." }
            li { "That the model works as well on other data. The intervals describe the held-out records of this data set." }
        }
    }
}

fn reproduce(report: &Report) -> Markup {
    html! {
        @if report.commands.is_empty() { p { "No commands were recorded." } }
        @else {
            p { "In the workspace, in this order. Noise is drawn afresh, so a second run spends budget again and its numbers differ a little." }
            pre { @for command in &report.commands { span { (command) } } }
        }
        @if !report.files.is_empty() {
            h3 { "Files" }
            table {
                thead { tr { th scope="col" { "Path" } th scope="col" { "SHA-256" } } }
                tbody { @for file in &report.files { tr { th scope="row" { code { (file.path) } } td { span.hash { (file.sha256) } } } } }
            }
        }
        @if !report.timing.is_empty() {
            h3 { "Time" }
            p.note { (listed(report.timing.iter().map(|t| format!("{} {}", t.step, duration(t.seconds))))) "." }
        }
    }
}

fn evidence(report: &Report) -> Markup {
    html! {
        p { "A small number such as #12 beside a figure is the ledger event it was read from. The leaf hash finds the event in the log." }
        @if report.evidence.is_empty() { p.note { "No event is cited." } }
        @else {
            table {
                thead { tr { th scope="col" { "Event" } th scope="col" { "Kind" } th scope="col" { "Time" } th scope="col" { "Leaf" } } }
                tbody { @for event in &report.evidence { tr id=(format!("event-{}", event.event)) {
                    th scope="row" { "#" (event.event) } td { (event.kind) } td { (moment(&event.time)) } td { span.hash title=(event.leaf) { (event.leaf.chars().take(16).collect::<String>()) } }
                } } }
            }
        }
    }
}

fn step_row(step: &FlowStep, cite: &Cite) -> Markup {
    html! { tr { th scope="row" { (step.label) } td.numeric { (step.records) (cite.event(step.evidence)) } td.numeric { (step.units) } } }
}

/// The stamp, or else the title, at the head of every printed page. Only letters, digits and blanks reach the style sheet.
fn running_head(report: &Report) -> Markup {
    let head = report.stamp.as_ref().unwrap_or(&report.title);
    let plain: String = head.chars().filter(|c| c.is_alphanumeric() || *c == ' ').collect();
    html! { (PreEscaped(format!("@page {{ @top-right {{ content: \"{plain}\"; }} }}\n"))) }
}

/// The table beside a plot, folded on screen and open in print.
fn numbers(table: &Markup) -> Markup {
    html! { details { summary { "The numbers as a table" } div.scroll { (table) } } }
}

/// `ε ≤ 1.998`; never without [`terms`] nearby.
fn bound(epsilon: f64) -> String {
    if epsilon.is_finite() { format!("ε ≤ {}", at_most(epsilon, 3)) } else { "ε unbounded".to_owned() }
}

/// What every ε stands with: `δ = 1e-5, add/remove one unit (person, ≤ 5 rows)`.
fn terms(privacy: &Privacy) -> Markup {
    html! {
        span.nowrap { "δ = " (scientific(privacy.delta)) } ", " (privacy.neighbours) " (" (privacy.unit) ", "
        span.nowrap { "≤ " (rows(privacy)) ")" }
    }
}

fn rows(privacy: &Privacy) -> String {
    match privacy.max_rows_per_unit {
        1 => "1 row".to_owned(),
        n => format!("{} rows", number::grouped(n)),
    }
}

/// What the joint ε covers, briefly.
fn together(privacy: &Privacy) -> String {
    match privacy.releases.len() {
        0 | 1 => "this release".to_owned(),
        n => format!("these {n} releases together"),
    }
}

/// What the joint ε covers, by name.
fn covered(privacy: &Privacy) -> String {
    match privacy.releases.as_slice() {
        [] => "this release".to_owned(),
        [one] => format!("this release: {}", one.name),
        all => format!(
            "{} releases together: {}",
            all.len(),
            listed(all.iter().map(|r| match r.state {
                ReleaseState::Released => r.name.clone(),
                ReleaseState::Reserved => format!("{} (reserved)", r.name),
            }))
        ),
    }
}

fn state(release: &Release) -> &'static str {
    match release.state {
        ReleaseState::Released => "released",
        ReleaseState::Reserved => "reserved",
    }
}

/// What the filter still allows.
fn left(privacy: &Privacy) -> String {
    let left = privacy.filter.budget_epsilon - privacy.filter.spent_epsilon;
    if left < 0.0 { "none".to_owned() } else { format!("ε {}", at_least(left, 3)) }
}

/// Largest probability of a right guess at even odds, δ included: (e^ε + δ) / (1 + e^ε).
fn guess(privacy: &Privacy) -> f64 {
    belief::posterior(0.5, privacy.epsilon_upper) + privacy.delta / (1.0 + privacy.epsilon_upper.exp())
}

fn range(m: &Measured) -> String {
    if m.lo.is_finite() && m.hi.is_finite() { format!("{} to {}", fixed(m.lo, 3), fixed(m.hi, 3)) } else { "no interval".to_owned() }
}

/// The unit in the plural.
fn plural(unit: &str) -> String {
    format!("{unit}s")
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn listed(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "none".to_owned() } else { items.join("; ") }
}

/// The date of an RFC 3339 time.
fn day(time: &str) -> &str {
    time.split('T').next().unwrap_or(time)
}

/// An RFC 3339 time as `2026-03-14 09:26:53Z`.
fn moment(time: &str) -> String {
    time.replacen('T', " ", 1)
}
