//! `audit text --repeats`: exposure by repeats, inside one unit and across units.

use crate::cli::Common;
use crate::disk;
use crate::evidence;
use crate::failure::Failure;
use crate::leak::Scale;
use crate::leak::repeats::{RepeatsAudit, measure};
use crate::output::{Answer, thousands};
use crate::privacy::bound;
use crate::report::render_repeats;
use crate::workspace::Workspace;
use reticent_data::Messages;
use serde_json::json;
use std::path::Path;

pub(super) fn run(own: Option<(Messages, &str)>, epsilon: f64, html: Option<&Path>, common: &Common) -> Result<Answer, Failure> {
    let audit = measure(own, epsilon, &Scale::of_repeats())?;
    let recorded = if common.dir.join(".reticent").exists() {
        let mut workspace = Workspace::write(&common.dir)?;
        let numbers = [
            ("baseline_exposure_bits", audit.baseline.one_unit_mean_bits),
            ("private_exposure_bits", audit.private.one_unit_mean_bits),
            ("epsilon_upper", audit.epsilon_upper),
        ];
        let numbers = numbers.map(|(name, value)| (name.to_owned(), value)).into();
        let event = evidence::record(&mut workspace, "repeats-audit", "messages", &audit, numbers)?;
        workspace.publish()?;
        Some(event)
    } else {
        None
    };
    let mut text = table(&audit);
    if let Some(path) = html {
        disk::write(path, render_repeats(&audit).as_bytes())?;
        text += &format!("page: {}\n", path.display());
    }
    Ok(Answer::new(text, json!({ "repeats": audit, "evidence": recorded })))
}

fn table(audit: &RepeatsAudit) -> String {
    let mut text = format!(
        "{}: {} messages of {} units; cards planted for each number of repeats: {} inside one unit and {} across units\n\n",
        audit.statement,
        thousands(audit.messages),
        thousands(audit.units),
        audit.secrets_each,
        audit.secrets_each
    );
    text += &format!("mean exposure in bits, of {:.2} at most, and how many cards are said in full\n\n", audit.max_bits);
    text += "            without privacy                    under ε\n";
    text += "  repeats   inside one unit   across units     inside one unit   across units    across units at most\n";
    for at in 0..audit.group.len() {
        let cell = |levels: &[crate::leak::AtRepeats]| format!("{:.2} ({})", levels[at].mean_bits, levels[at].extracted);
        let (plain, private) = (&audit.baseline, &audit.private);
        text += &format!(
            "  {:<10}{:<18}{:<17}{:<18}{:<16}{:.2}\n",
            audit.group[at].units,
            cell(&plain.one_unit),
            cell(&plain.many_units),
            cell(&private.one_unit),
            cell(&private.many_units),
            audit.group[at].mean_bits
        );
    }
    let yes = |holds, yes, no| if holds { yes } else { no };
    text += &format!(
        "\n  without privacy, inside one unit: {}\n",
        yes(audit.baseline_monotone, "above chance, no mean lies below that of fewer repeats", "a mean lies below that of fewer repeats")
    );
    text += &format!("  under ε: {}, {}, {}; not released\n", bound(audit.epsilon_upper, audit.delta), audit.neighbours, audit.unit);
    text += &format!(
        "  under ε, inside one unit: mean of all {:.2}; the same secrets under a model of the same recipe and noise that never saw them {:.2}:\n    planting them did {:+.2} bits, standard error {:.2}: {};\n    secrets that nobody planted have {:.2}, in 95 of 100 cases under {:.2}, {} that with what planting did\n",
        audit.private.one_unit_mean_bits,
        audit.control_mean_bits,
        audit.effect_bits,
        audit.effect_error_bits,
        yes(audit.effect_bits.abs() > 2.0 * audit.effect_error_bits, "little or much, not nothing", "it may be nothing"),
        audit.null_mean_bits,
        audit.null_all_upper_bits,
        yes(audit.private_within_null, "and under", "and above")
    );
    text += &format!(
        "  under ε, across units: {} what group privacy allows {} secrets of so many units, with 95% (last column: the mean of many)\n",
        yes(audit.private_within_group, "no mean lies above", "a mean lies above"),
        audit.secrets_each
    );
    text += &format!(
        "  held out, bits a byte: {:.2} without privacy, {:.2} under ε\n",
        audit.baseline.bits_per_byte, audit.private.bits_per_byte
    );
    text + "\n  These are measurements of these two runs and this attack. What bounds every attack is the ε.\n"
}
