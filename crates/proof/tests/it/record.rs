//! Erasure records: every byte counts, nothing may be hidden, and no bytes make the verifier panic.

use proptest::prelude::*;
use reticent_proof::Certificate;
use reticent_proof::log::{Log, SigningKey, VerifyingKey};
use reticent_proof::record::*;
use std::process::Command;
use std::sync::OnceLock;

struct Made {
    key: SigningKey,
    good: Erasure,
}

/// A record about the fifth of seven entries.
fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::from_bytes("reticent/test", &[7; 32]).unwrap();
        let opening = Opening {
            seq: 5,
            at: "2026-06-12T08:00:00Z".into(),
            actor: "officer".into(),
            body: r#"{"kind":"subject-erased","erasure":3,"dataset":"visits","rows":4,"events":2}"#.into(),
            nonce: "ab".repeat(32),
        };
        let mut entries: Vec<Vec<u8>> = (1..=7).map(|i| format!("entry {i}").into_bytes()).collect();
        entries[4] = opening.entry().unwrap();
        let mut log = Log::open(folder.path()).unwrap();
        log.publish(&entries, &key, None).unwrap();
        let store = |name: &str, rows| Store { store: name.into(), rows, verified_absent: true };
        let statement = Statement {
            epsilon: 1.9,
            delta: 1e-5,
            neighbours: "add or remove one unit".into(),
            joint: vec!["risk/1".into(), "risk/2".into()],
        };
        let good = Erasure {
            request: 3,
            at: "2026-06-12T08:00:01Z".into(),
            subject_commitment: "11".repeat(32),
            reason: 'b',
            stores: vec![store("table visits/v1", 4), store("ledger", 2)],
            events: 2,
            models: vec![ModelChange {
                before: "risk/1".into(),
                after: Some("risk/2".into()),
                method: "retrained without the unit".into(),
                statement: Some(statement),
            }],
            recalled: vec!["risk/1".into()],
            suppression: Suppression { kept: true, why: "so that a later import leaves the unit out".into() },
            recipients_notified: vec![],
            exceptions: vec![],
            left: Left::all([("visits.csv", "the user's own file")]).unwrap(),
            does_not_prove: vec!["that backups hold nothing".into()],
            log: LogEntry::new(opening, &log.prove(4).unwrap()),
            removals: vec![],
        };
        Made { key, good }
    })
}

fn key() -> VerifyingKey {
    made().key.verifying_key()
}

fn sign(erasure: Erasure) -> Result<Vec<u8>, Error> {
    sign_record(erasure, &[("risk/2", &"22".repeat(32))], &made().key)
}

#[test]
fn a_record_verifies_and_says_what_it_does_not_prove() {
    let file = sign(made().good.clone()).unwrap();
    let verified = verify_record(&file, &key()).unwrap();
    assert_eq!(verified.erasure, made().good);
    assert_eq!(verified.after["risk/2"], "22".repeat(32));
    assert_eq!(verified.checked.len(), 4);
    assert!(verified.checked[2].starts_with("its entry is number 5 of a log of 7 entries"), "{}", verified.checked[2]);
    assert!(verified.checked[3].starts_with("the entry committed to the same counts: 6 rows and entries in 2 stores, 2 ledger events"));
    assert_eq!((verified.does_not_prove.len(), verified.does_not_prove[4].as_str()), (5, "that backups hold nothing"));
}

/// A record of removals of which none was done yet, its numbers from the functions that check them.
fn untouched() -> Certificate {
    use reticent_proof::*;
    let constant = |value, how| Constant { value, how };
    let (sigma, epsilon, delta, lambda, start_residual, norm) = (10.0, 1.0, 1e-4, 1e-3, 0.25, 2.0);
    let budget = removal_budget(sigma, epsilon, delta);
    let digest = "33".repeat(32);
    Certificate {
        schema_version: 1,
        method: METHOD.into(),
        theorem: THEOREM.into(),
        epsilon,
        delta,
        adjacency: ADJACENCY.into(),
        adversary: ADVERSARY.into(),
        constants: Constants {
            gamma: constant(GAMMA_LOGISTIC, How::Proved),
            gradient: constant(GRADIENT_LOGISTIC, How::Proved),
            row_norm: constant(1.0, How::Clipped),
            lambda: constant(lambda, How::Chosen),
            c: constant(removal_c(delta), How::Proved),
            spectral_norm: SPECTRAL.into(),
        },
        sigma,
        noise_source: "a test".into(),
        budget,
        rows_trained: 12_000,
        max_rows_per_unit: 5,
        start_residual,
        model_trained: digest.clone(),
        removals: vec![],
        removals_so_far: 0,
        residual_spent: start_residual,
        budget_left: budget - start_residual,
        worst_case_next: removal_worst_case(5, 11_995, lambda, norm),
        removals_left: removals_left(budget - start_residual, 5, 12_000, lambda, norm, &[]),
        weights_norm: norm,
        model_now: digest,
        rounding: ROUNDING.into(),
        data: "visits/v1".into(),
        code: "a test".into(),
        retrain_trigger: RETRAIN_TRIGGER.into(),
        non_claims: NON_CLAIMS.map(str::to_owned).to_vec(),
    }
}

fn withdrawn() -> Removal {
    let why = Some("the budget would have been exceeded".to_owned());
    Removal { model: "removable".into(), outcome: Outcome::RetrainRequired, why, record: untouched() }
}

/// What is said of a model that units can be taken out of is what its own record says of this subject.
#[test]
fn a_removal_stands_by_its_own_record() {
    let with = Erasure { removals: vec![withdrawn()], ..made().good.clone() };
    let verified = verify_record(&sign(with.clone()).unwrap(), &key()).unwrap();
    assert_eq!(verified.erasure, with);
    assert_eq!(verified.checked[4], "removable: withdrawn, no removal is claimed: the budget would have been exceeded");
    assert!(verified.does_not_prove.iter().any(|s| s.starts_with("of the removal from a model: no differential privacy")));
    let with = |change: &dyn Fn(&mut Removal)| {
        let mut removal = withdrawn();
        change(&mut removal);
        move |erasure: &mut Erasure| erasure.removals = vec![removal.clone()]
    };
    refused(with(&|r| r.record.budget *= 1.01), "the removal from `removable` does not hold: budget is");
    refused(with(&|r| r.record.non_claims.truncate(1)), "`removable` does not hold: non_claims");
    refused(with(&|r| r.why = None), "a removal says of its model what its record does not");
    // Nobody was removed, so nothing is certified.
    refused(with(&|r| (r.outcome, r.why) = (Outcome::Removed, None)), "a removal says of its model what its record does not");
}

/// Every byte, three flips of each: all 8 bits of no byte are left to chance elsewhere by the canonical form.
#[test]
fn every_flipped_byte_is_detected() {
    let file = sign(made().good.clone()).unwrap();
    for at in 0..file.len() {
        for bit in [0x01, 0x20, 0x80] {
            let mut flipped = file.clone();
            flipped[at] ^= bit;
            assert!(verify_record(&flipped, &key()).is_err(), "byte {at} of {} flipped by {bit:#x} went unseen", file.len());
        }
    }
    for cut in 0..file.len() {
        assert!(verify_record(&file[..cut], &key()).is_err(), "cut to {cut}");
    }
    for added in [" ", "\n", "{}"] {
        assert!(verify_record(&[&file[..], added.as_bytes()].concat(), &key()).is_err());
    }
}

#[test]
fn another_key_of_the_same_name_is_refused() {
    let file = sign(made().good.clone()).unwrap();
    let other = SigningKey::from_bytes("reticent/test", &[8; 32]).unwrap().verifying_key();
    assert!(matches!(verify_record(&file, &other), Err(Error::BadSignature { .. })));
}

#[track_caller]
fn refused(change: impl Fn(&mut Erasure), why: &str) {
    let mut erasure = made().good.clone();
    change(&mut erasure);
    // `sign_record` refuses what `verify_record` would: nobody can sign such a record by accident.
    let error = sign(erasure).unwrap_err().to_string();
    assert!(error.contains(why), "{error}");
}

#[test]
fn a_record_that_contradicts_itself_is_refused() {
    assert!(matches!(Left::all([]), Err(Error::NothingLeft)));
    assert!(matches!(Left::all([("a file", " ")]), Err(Error::NothingLeft)));
    refused(|e| e.left.clear(), "says nothing of what is left");
    refused(|e| e.left[0].why.clear(), "says nothing of what is left");
    refused(|e| e.events = 3, "counts are not those");
    refused(|e| e.stores[0].rows = 5, "counts are not those");
    refused(|e| drop(e.stores.pop()), "counts are not those");
    refused(|e| e.stores.iter_mut().for_each(|s| s.rows = u64::MAX), "overflow");
    refused(|e| e.request = 4, "about another erasure");
    refused(|e| e.reason = 'g', "no letter of Art 17(1)");
    refused(|e| e.subject_commitment = "patient-17".into(), "commitment to the subject");
    refused(|e| e.recalled.clear(), "not recalled");
    refused(|e| e.models[0].statement.as_mut().unwrap().delta = 0.0, "lacks its δ");
    refused(|e| e.models[0].statement.as_mut().unwrap().joint.clear(), "lacks its δ");
    refused(|e| e.log.opening.body = e.log.opening.body.replace("\"rows\":4", "\"rows\":5"), "does not lead from this entry");
    refused(|e| e.log.opening.nonce = "cd".repeat(32), "does not lead from this entry");
    refused(|e| e.log.opening.nonce = "x".into(), "not hexadecimal");
    refused(|e| e.log.index = 3, "does not lead from this entry");
    refused(|e| e.log.index = u64::MAX, "log entry");
    refused(|e| e.log.hashes[0] = "00".repeat(32), "does not lead from this entry");
    refused(|e| e.log.origin = "reticent/other".into(), "another's");
    refused(|e| e.log.checkpoint = e.log.checkpoint.replacen("7\n", "8\n", 1), "signature");
    refused(|e| e.log.checkpoint.clear(), "not a signed checkpoint");
}

/// An entry that says another number than its place: well signed, well included, and nobody's to use.
#[test]
fn an_entry_in_another_s_place_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut erasure = made().good.clone();
    erasure.log.opening.seq = 9;
    let mut log = Log::open(folder.path()).unwrap();
    log.publish(&[b"first".to_vec(), erasure.log.opening.entry().unwrap()], &made().key, None).unwrap();
    erasure.log = LogEntry::new(erasure.log.opening, &log.prove(1).unwrap());
    assert!(sign(erasure).unwrap_err().to_string().contains("another's"));
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(verify_record(&bytes, &key()).is_err());
    }

    /// Signed by the right key, and still hostile: what the payload says is checked too.
    #[test]
    fn hostile_fields_never_panic(index in any::<u64>(), seq in any::<i64>(), rows in any::<u64>(), text in ".{0,40}", hash in ".{0,70}") {
        let mut erasure = made().good.clone();
        erasure.log.index = index;
        erasure.log.opening.seq = seq;
        erasure.log.opening.body = text.clone();
        erasure.log.hashes = vec![hash; 3];
        erasure.log.checkpoint = text;
        erasure.stores[0].rows = rows;
        prop_assert!(sign(erasure).is_err());
    }
}

#[test]
fn the_program_verifies_a_record_offline() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("1.json");
    std::fs::write(&file, sign(made().good.clone()).unwrap()).unwrap();
    let run = |key: &str| {
        let program = env!("CARGO_BIN_EXE_reticent-verify");
        Command::new(program).args(["record", file.to_str().unwrap(), "--key", key, "--json"]).output().unwrap()
    };
    let good = run(&key().to_string());
    let json: serde_json::Value = serde_json::from_slice(&good.stdout).unwrap();
    assert_eq!((good.status.code(), &json["verified"], json["erasure"]["request"].as_u64()), (Some(0), &true.into(), Some(3)));
    let other = run(&SigningKey::from_bytes("reticent/test", &[9; 32]).unwrap().verifying_key().to_string());
    assert_eq!(other.status.code(), Some(1));
    assert!(String::from_utf8(other.stdout).unwrap().contains("does not match the key"));
    assert_eq!(run("no key").status.code(), Some(2));
}
