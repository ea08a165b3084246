//! How well the model works, overall and by subgroup.

use super::super::number::{fixed, setting};
use super::super::plot::{subgroups, utility};
use super::super::{Comparison, Measured, Report};
use super::Cite;
use super::words::{bound, listed, numbers, range, terms};
use maud::{Markup, html};

pub(super) fn usefulness(report: &Report, cite: &Cite) -> Markup {
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

pub(super) fn by_subgroup(report: &Report, cite: &Cite) -> Markup {
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
