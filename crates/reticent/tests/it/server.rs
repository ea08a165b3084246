//! The ledger on a PostgreSQL server, where `RETICENT_TEST_POSTGRES` names one: the same verbs say the same, and no password is told.

use crate::workspace::{CONFIG, TRAIN, Workspace, consents, person, rows};
use std::process::Command;

fn psql(server: &str, sql: &str) -> Option<String> {
    let output = Command::new("psql").args([server, "-v", "ON_ERROR_STOP=1", "-qtAc", sql]).output().ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_workspace_keeps_its_ledger_on_a_server() {
    let Ok(server) = std::env::var("RETICENT_TEST_POSTGRES") else {
        eprintln!("skipped: RETICENT_TEST_POSTGRES names no PostgreSQL server");
        return;
    };
    let schema = format!("program_{}", std::process::id());
    let Some(_) = psql(&server, &format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}")) else {
        eprintln!("skipped: there is no psql");
        return;
    };
    let url = format!("{server}?options=-csearch_path%3D{schema}");
    let config = CONFIG.replace("[controller]", &format!("[ledger]\nurl = \"{url}\"\n\n[controller]"));
    let workspace = Workspace::with(&config, &rows(), &consents());
    assert!(workspace.done(&["status"]).stdout.contains("nothing has happened yet"));
    for step in [&["import"][..], &["consent", "import"], &["assess", "--plan"], &TRAIN, &["log", "verify"]] {
        workspace.done(step);
    }
    assert!(!workspace.file(".reticent/ledger.db").exists());
    let events: u64 = psql(&server, &format!("SELECT count(*) FROM {schema}.events")).unwrap().trim().parse().unwrap();
    assert!(events > 100, "{events}");
    // Another workspace that names the same schema comes to nothing, and changes nothing.
    let other = Workspace::with(&config, &rows(), &consents());
    for verb in ["import", "status"] {
        let run = other.run(&[verb]);
        assert!(run.code != Some(0) || run.stdout.contains("nothing has happened yet"), "{verb}: {}{}", run.stdout, run.stderr);
    }
    let run = other.run(&["import"]);
    assert!(run.code == Some(1) && run.stderr.contains("name a schema of your own"), "{}", run.stderr);
    assert_eq!(psql(&server, &format!("SELECT count(*) FROM {schema}.events")).unwrap().trim(), events.to_string());
    // Yesterday's copy of the tables is refused as yesterday's file is.
    psql(&server, &format!("BEGIN; DELETE FROM {schema}.events WHERE kind = 'model-released'; COMMIT"));
    let run = workspace.run(&["status"]);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(run.stderr.contains("behind its checkpoint"), "{}", run.stderr);
    psql(&server, &format!("DROP SCHEMA {schema} CASCADE"));
}

/// Refused before anything is sent, with the password nowhere.
#[test]
fn a_server_elsewhere_is_refused_and_no_password_is_told() {
    let workspace = Workspace::bare();
    let with = |url: &str| {
        workspace.put("reticent.toml", &CONFIG.replace("[controller]", &format!("[ledger]\nurl = \"{url}\"\n\n[controller]")));
        let run = workspace.run(&["import"]);
        assert!(!run.stderr.contains("geheim") && !run.stdout.contains("geheim"), "{}", run.stderr);
        run
    };
    let run = with("postgres://reticent@db.example/visits");
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(run.stderr.contains("the ledger would lie on db.example"), "{}", run.stderr);
    let run = with("postgres://reticent:geheim@localhost/visits");
    assert!(run.code == Some(2) && run.stderr.contains("ledger.url: holds a password"), "{}", run.stderr);
    let run = with("postgres://localhost/visits?password=geheim");
    assert!(run.code == Some(2) && run.stderr.contains("ledger.url: holds a password"), "{}", run.stderr);
    let run = with("mysql://localhost/visits?geheim");
    assert!(run.code == Some(2) && run.stderr.contains("is no address of a PostgreSQL database"), "{}", run.stderr);
    assert!(!run.stderr.contains(&person(0)));
}
