//! How long a million events, decisions and memberships take, printed: `cargo run --release -p reticent-govern --example bulk [EVENTS]`.

#![expect(clippy::print_stdout, reason = "an example that prints")]

use reticent_govern::{Actor, Event, GroundThen, Ledger, PurposeName, Question, Reading, read_basis_csv};
use reticent_proof::log::{Log, SigningKey};
use reticent_proof::{Policy, Reason, Request, Use, decide};
use std::collections::BTreeMap;
use std::time::Instant;

const MODELS: usize = 100;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("ledger.db");
    let mut ledger = Ledger::open(&path)?;
    let actor = Actor("bulk".into());
    let assessed = Event::AssessmentOpened { dataset: "visits".into(), purpose: "care".into(), criteria: vec![], to_be_completed: vec![] };
    ledger.append(&actor, &assessed)?;

    // Pseudonyms as they are: 32 hexadecimal digits in no order.
    let unit = |n: usize| format!("{:032x}", (n as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
    let mut text = String::from("subject,purpose,state,at,notice,art6,art9\n");
    for n in 0..count {
        text += &format!("{},care,given,2026-05-01,2026-{},a,a\n", unit(n), n % 3);
    }
    let purposes = [PurposeName { name: "care".into(), ..PurposeName::default() }];
    let (same, keep) = (|s: &str| s.to_owned(), |r: &str| r.to_owned());
    let now = ledger.now()?;
    let reading = Reading { dataset: "visits", purposes: &purposes, now, pseudonym: &same, receipt: &keep };
    let started = Instant::now();
    let events = read_basis_csv(&text, &reading)?;
    let read = started.elapsed();
    ledger.import_basis(&actor, "visits", "consent.csv", &events)?;
    let imported = started.elapsed();
    let key = SigningKey::from_bytes("example/bulk", &[7; 32])?;
    Log::open(folder.path().join("log"))?.publish(&ledger.log_entries(0)?, &key, None)?;
    println!("so far {:.1} s of processor", processor());
    println!("{count} events: read {read:.2?}, durable after {imported:.2?}, log signed after {:.2?}", started.elapsed());
    let again = Instant::now();
    let known = ledger.import_basis(&actor, "visits", "consent.csv", &events)?.known;
    println!("so far {:.1} s of processor", processor());
    println!("the same file again: {known} known, {:.2?}", again.elapsed());
    drop(events);

    let rows: BTreeMap<String, u64> = (0..count).map(|n| (unit(n), 1)).collect();
    let policy = Policy {
        purpose: "care".into(),
        art6: Some('a'),
        art9: Some('a'),
        notices: ["2026-0".to_owned(), "2026-1".to_owned()].into(),
        special_columns: vec!["pressure".into()],
        exclude: Reason::ALL.into(),
        ..Policy::default()
    };
    let started = Instant::now();
    let facts = ledger.facts(&Question::new("visits", "visits/v1", "care", &rows, now))?;
    let gathered = started.elapsed();
    let request = Request { purpose: "care".into(), use_: Use::Training, data_version: "visits/v1".into(), at: now, columns: vec![] };
    let started = Instant::now();
    let (decision, permit) = decide(&policy, &facts, &request);
    let decided = started.elapsed();
    println!("{count} records: facts gathered in {gathered:.2?}, decided in {decided:.2?}, {} admitted", decision.admitted.units);
    println!("so far {:.1} s of processor", processor());

    let allowed = permit.as_ref().and_then(|p| p.allowed_units()).unwrap_or_default();
    let started = Instant::now();
    let mut members: BTreeMap<GroundThen, Vec<String>> = BTreeMap::new();
    for (index, unit) in rows.keys().enumerate() {
        let notice = format!("2026-{}", index % 3);
        let ground = GroundThen { art6: Some('a'), art9: Some('a'), notice, reused_from: None, asserted: String::new() };
        members.entry(ground).or_default().push(unit.clone());
    }
    ledger.record_members("risk/0", &members)?;
    println!("a model of {} units recorded in {:.2?} ({} admitted above)", rows.len(), started.elapsed(), allowed.len());
    copies(&path)?;
    let (mut worst_person, mut worst_model) = (0.0_f64, 0.0_f64);
    for n in 0..MODELS {
        let started = Instant::now();
        ledger.contains_unit(&unit(n * (count / MODELS)))?;
        worst_person = worst_person.max(started.elapsed().as_secs_f64());
        let started = Instant::now();
        ledger.made_of(&format!("risk/{n}"))?;
        worst_model = worst_model.max(started.elapsed().as_secs_f64());
    }
    println!("which models contain a unit: {:.2} ms at worst of {MODELS}", worst_person * 1e3);
    println!("what a model was trained on, under which consents: {:.2} ms at worst of {MODELS}", worst_model * 1e3);
    Ok(())
}

/// Seconds of processor that this program has used, where the system says so: what counts on a machine that is shared.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = |index| after.split_whitespace().nth(index).and_then(|t: &str| t.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(11) + ticks(12)) / 100.0
}

/// The other models: as large as the first, which took the long way.
fn copies(path: &std::path::Path) -> Result<(), sqlx::Error> {
    use sqlx::Connection;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(sqlx::Error::Io)?;
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await?;
        for model in 1..MODELS {
            sqlx::query("INSERT INTO members SELECT chunk, 'risk/' || ?, ground, ids FROM members WHERE about = 'risk/0'")
                .bind(model as i64)
                .execute(&mut connection)
                .await?;
        }
        connection.close().await
    })
}
