//! Questions to a model are counted for each caller, and no restart or second process lifts the limit.

use super::*;
use reticent_govern::Error;

#[test]
fn a_limit_holds_over_callers_models_and_restarts() {
    let (_folder, path, mut ledger) = fresh();
    assert_eq!(ledger.spend_queries("risk/1", "c1", 3, 5).unwrap(), 2);
    let error = ledger.spend_queries("risk/1", "c1", 3, 5).unwrap_err();
    assert!(matches!(error, Error::QueriesSpent { limit: 5, asked: 3, left: 2, .. }), "{error}");
    assert_eq!(ledger.spend_queries("risk/1", "c2", 5, 5).unwrap(), 0);
    assert_eq!(ledger.spend_queries("risk/2", "c1", 0, 5).unwrap(), 5);
    drop(ledger);
    let mut ledger = path.open().unwrap();
    assert_eq!(ledger.spend_queries("risk/1", "c1", 2, 5).unwrap(), 0);
    assert!(ledger.spend_queries("risk/1", "c1", 1, 5).is_err());
    // A limit that was lowered since leaves nothing, and huge numbers overflow nothing.
    assert!(ledger.spend_queries("risk/1", "c1", 1, 2).is_err());
    assert!(ledger.spend_queries("risk/1", "c3", u64::MAX, u64::MAX).is_err());
}

#[test]
fn callers_at_the_same_time_never_pass_the_limit_together() {
    let (_folder, path, ledger) = fresh();
    drop(ledger);
    let granted: usize = std::thread::scope(|scope| {
        let ask = || {
            let mut ledger = path.open().unwrap();
            (0..20).filter(|_| ledger.spend_queries("risk/1", "c", 1, 25).is_ok()).count()
        };
        let threads = [scope.spawn(ask), scope.spawn(ask)];
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert_eq!(granted, 25);
}
