//! Budgets: terms, charges, reserves, and two connections racing for one.

use crate::{actor, ledger};
use reticent_accounting::filter::best_order;
use reticent_accounting::{Delta, Epsilon, Event as Mechanism, NoiseMultiplier, Order, SamplingRate};
use reticent_govern::{Error, Ledger, ReservationState, RunRequest};

fn run() -> Mechanism {
    Mechanism::dp_sgd(NoiseMultiplier::new(6.0).unwrap(), SamplingRate::new(0.1).unwrap(), 300)
}

fn terms() -> (Epsilon, Delta, Order) {
    let (epsilon, delta) = (Epsilon::new(2.0).unwrap(), Delta::new(1e-5).unwrap());
    (epsilon, delta, best_order(epsilon, delta, &run().times(2)).unwrap())
}

fn open(ledger: &mut Ledger) {
    let (epsilon, delta, order) = terms();
    ledger.open_budget(&actor(), "visits", "person", epsilon, delta, order).unwrap();
}

fn request(name: &str, held_runs: u64) -> RunRequest {
    RunRequest {
        run: name.into(),
        model: "risk/1".into(),
        dataset: "visits".into(),
        unit: "person".into(),
        binding: "b".into(),
        plan: "{}".into(),
        plan_digest: "d".into(),
        event: run(),
        held_runs,
    }
}

#[test]
fn terms_never_change() {
    let (_dir, mut ledger) = ledger();
    open(&mut ledger);
    open(&mut ledger);
    let (_, delta, order) = terms();
    let raised = ledger.open_budget(&actor(), "visits", "person", Epsilon::new(3.0).unwrap(), delta, order);
    assert!(matches!(raised, Err(Error::BudgetFixed { epsilon: 2.0, .. })));
    assert_eq!(ledger.events("budget-opened").unwrap().len(), 1);
}

#[test]
fn a_charge_includes_its_reserve_and_cannot_pass_the_total() {
    let (_dir, mut ledger) = ledger();
    assert!(matches!(ledger.reserve(&actor(), &request("early", 0)), Err(Error::NoBudget { .. })));
    open(&mut ledger);
    let charged = ledger.reserve(&actor(), &request("one", 1)).unwrap();
    assert_eq!((charged.state, charged.held_runs), (ReservationState::Reserved, 1));
    assert_eq!(charged.held, charged.cost);
    let before = ledger.budget("visits", "person").unwrap().unwrap();
    assert_eq!(before.spent, 2.0 * charged.cost);
    assert!(before.spent <= before.total);
    // A refused charge changes nothing, neither the sum nor the events.
    let events = ledger.event_count().unwrap();
    let refused = ledger.reserve(&actor(), &request("two", 1)).unwrap_err();
    assert!(matches!(refused, Error::BudgetSpent { asked, left, .. } if asked > left), "{refused}");
    assert_eq!(ledger.budget("visits", "person").unwrap().unwrap(), before);
    assert_eq!(ledger.event_count().unwrap(), events);
}

#[test]
fn giving_up_frees_only_what_was_never_drawn() {
    let (_dir, mut ledger) = ledger();
    open(&mut ledger);
    let charged = ledger.reserve(&actor(), &request("before", 1)).unwrap();
    ledger.abandon(&actor(), "before", "no noise key").unwrap();
    assert_eq!(ledger.budget("visits", "person").unwrap().unwrap().spent, 0.0);
    ledger.reserve(&actor(), &request("after", 1)).unwrap();
    ledger.noise_key_created(&actor(), "after").unwrap();
    ledger.abandon(&actor(), "after", "data changed").unwrap();
    assert_eq!(ledger.budget("visits", "person").unwrap().unwrap().spent, charged.cost);
    assert!(matches!(ledger.abandon(&actor(), "never", ""), Err(Error::NoRun { .. })));
}

/// Two connections race for a budget that admits one of them: in 50 rounds never both, and never neither.
#[test]
fn two_processes_cannot_overspend() {
    for round in 0..50 {
        let (dir, mut first) = ledger();
        open(&mut first);
        let path = dir.path().join("ledger.db");
        let barrier = std::sync::Barrier::new(2);
        let reserved: Vec<bool> = std::thread::scope(|scope| {
            let racers: Vec<_> = ["a", "b"]
                .map(|name| {
                    let (path, barrier) = (&path, &barrier);
                    scope.spawn(move || {
                        let mut ledger = Ledger::open(path).unwrap();
                        barrier.wait();
                        match ledger.reserve(&actor(), &request(name, 1)) {
                            Ok(_) => true,
                            Err(Error::BudgetSpent { .. }) => false,
                            Err(other) => panic!("round {round}: {other}"),
                        }
                    })
                })
                .into_iter()
                .collect();
            racers.into_iter().map(|r| r.join().unwrap()).collect()
        });
        assert_eq!(reserved.iter().filter(|r| **r).count(), 1, "round {round}");
        let budget = first.budget("visits", "person").unwrap().unwrap();
        assert!(budget.spent <= budget.total);
    }
}
