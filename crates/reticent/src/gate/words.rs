//! What the gate says, in words for the person who asked.

use super::Admitted;
use crate::failure::Failure;
use crate::output::thousands;
use reticent_proof::{Count, Decision, Refusal};

/// A refusal of the gate for the person who asked.
pub(crate) fn refusal(decision: &Decision) -> Failure {
    let told: Vec<(String, String)> = decision.refusals.iter().map(words).collect();
    let (message, hint) = match &told[..] {
        [(message, hint)] => (format!("the gate refuses: {message}"), hint.clone()),
        several => {
            let lines: Vec<String> = several.iter().map(|(m, _)| format!("  {m}")).collect();
            let mut hints: Vec<&str> = several.iter().map(|(_, h)| h.as_str()).collect();
            hints.dedup();
            (format!("the gate refuses for {} reasons\n{}", several.len(), lines.join("\n")), hints.join("\n      "))
        }
    };
    Failure::refused(message).hint(hint).facts(decision)
}

pub(crate) fn words(refused: &Refusal) -> (String, String) {
    let text = |m: &str, h: &str| (m.to_owned(), h.to_owned());
    match refused {
        Refusal::OtherPurpose => {
            text("the data is not on record for this purpose", "use a model whose purpose fits, or declare the purpose")
        }
        Refusal::NoBasisDeclared => text("the purpose declares no legal basis (Art 6)", "set `art6` of the purpose in reticent.toml"),
        Refusal::LegitimateInterestUnassessed => text(
            "legitimate interest (Art 6(1)(f)) needs an approved assessment of purpose, necessity and balance, and none is on record",
            "record one, or use a purpose with another basis",
        ),
        Refusal::LegitimateInterestExpired => {
            text("the assessment of the legitimate interest has run out", "assess it again, or use a purpose with another basis")
        }
        Refusal::LegitimateInterestOverSpecial { columns } => (
            format!("the columns {} reveal a special category, which no legitimate interest covers", columns.join(", ")),
            "drop the columns, or use a purpose with another basis".into(),
        ),
        Refusal::PrivateMessages => {
            text("the data set holds private messages, which no legitimate interest covers", "use a purpose with another basis")
        }
        Refusal::NoTrainDefault => text(
            "the data set holds private messages, and the purpose does not say that models may learn from them",
            "where that is what people were told, write train_on_messages = true in the purpose",
        ),
        Refusal::NoAssessment => {
            text("no impact assessment is open for this purpose and data set", "open one with `reticent assess --plan`")
        }
        Refusal::Quarantined => {
            text("the data set is quarantined: no basis event is known for it", "record what people said with `reticent consent import`")
        }
        Refusal::NoConditionDeclared { columns } => (
            format!("the columns {} reveal a special category, and the purpose declares no Art 9 condition", columns.join(", ")),
            "set `art9` of the purpose in reticent.toml, or drop the columns".into(),
        ),
        Refusal::EmptyPurpose => text("the request names no purpose", "name one with `--purpose`"),
        Refusal::UnknownPurpose => text("the purpose is declared nowhere", "declare it in reticent.toml, with its legal basis"),
        Refusal::NoLawReference { columns } => (
            format!(
                "the columns {} hold criminal convictions or offences (Art 10), and the purpose names no law that permits their use",
                columns.join(", ")
            ),
            "name the law in `art10` of the purpose, or drop the columns".into(),
        ),
        Refusal::ColumnWithoutPurpose { columns } => (
            format!("nothing says what the columns {} may be used for", columns.join(", ")),
            "name their `purposes` in reticent.toml, or drop the columns".into(),
        ),
        Refusal::ColumnForOtherPurpose { columns } => (
            format!("the columns {} were collected for other purposes", columns.join(", ")),
            "drop the columns, or obtain a basis for this purpose".into(),
        ),
        Refusal::RetentionOver { until } => (
            format!("the rows may be used until {}: their retention is over", date(*until)),
            "import newer rows; `reticent register enforce` removes what is past its retention".into(),
        ),
        Refusal::Units { reason, count } => (
            format!("{}: {}", reason.words(), amount(count)),
            format!("obtain the basis and import it, or leave these units out, on record: `reticent train --exclude {}`", reason.name()),
        ),
        Refusal::NobodyLeft => {
            text("nobody is left whose data may be used", "import the events that give a basis with `reticent consent import`")
        }
    }
}

/// `51 units, 204 records`, with counts under 10 masked.
fn amount(count: &Count) -> String {
    format!("{} units, {} records", masked(count.units), masked(count.records))
}

pub(crate) fn masked(n: u64) -> String {
    if (1..10).contains(&n) { "fewer than 10".to_owned() } else { thousands(n) }
}

/// The gate's answer, and its and the cap's counts, a line each.
pub(crate) fn lines(admitted: &Admitted) -> String {
    let decided = admitted.decision.allowed;
    let mut text = if decided {
        format!("gate: permitted under your recorded policy\n  admitted   {}\n", amount(&admitted.decision.admitted))
    } else {
        let table = admitted.table.table();
        let all = Count { units: table.unit_count() as u64, records: table.rows() as u64 };
        format!("gate: experiment, nothing decided\n  asserted   {}\n", amount(&all))
    };
    if admitted.beyond_cap.records > 0 {
        let Count { units, records } = admitted.beyond_cap;
        text += &format!("  left out   rows beyond the public cap: {} records of {} units\n", masked(records), masked(units));
    }
    for (reason, count) in admitted.decision.excluded.iter().filter(|_| decided) {
        text += &format!("  left out   {}: {}\n", reason.words(), amount(count));
    }
    for group in &admitted.groups {
        text += &format!("  of {} = {}: {} of {} units left out\n", group.column, group.level, masked(group.left_out), masked(group.units));
    }
    if admitted.ages_unknown {
        text += "  ages       unknown: nothing says whether a child consented without a guardian (Art 8)\n";
    }
    text
}

/// A day, from seconds since 1970.
pub(crate) fn date(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| "another age".into(), |t| t.strftime("%Y-%m-%d").to_string())
}
