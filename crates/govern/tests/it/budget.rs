//! Budgets: fixed terms, the filter inside the transaction, and two processes that never overspend.

use super::*;
use reticent_accounting::{Delta, Epsilon, Event as Mechanism, NoiseMultiplier, Order, SamplingRate, filter};
use reticent_govern::{Error, Event, ReservationState, RunRequest};
use std::sync::Barrier;

/// One run takes ε = 1.93 (the accounting crate's own example) of the budget's 2: one fits, two do not.
fn mechanism() -> Mechanism {
    Mechanism::dp_sgd(NoiseMultiplier::new(1.1).unwrap(), SamplingRate::new(0.01).unwrap(), 1000)
}

fn terms() -> (Epsilon, Delta, Order) {
    let (epsilon, delta) = (Epsilon::new(2.0).unwrap(), Delta::new(1e-5).unwrap());
    (epsilon, delta, filter::best_order(epsilon, delta, &mechanism()).unwrap())
}

pub(crate) fn open(ledger: &mut Ledger, dataset: &str) {
    let (epsilon, delta, order) = terms();
    ledger.open_budget(&actor(), dataset, "person", epsilon, delta, order).unwrap();
}

pub(crate) fn run(name: &str, dataset: &str) -> RunRequest {
    RunRequest {
        run: name.into(),
        model: "risk".into(),
        dataset: dataset.into(),
        unit: "person".into(),
        binding: "plan/permit/data/machine".into(),
        plan: "{}".into(),
        plan_digest: "00".into(),
        event: mechanism(),
        held_runs: 0,
    }
}

fn spent(ledger: &mut Ledger) -> f64 {
    ledger.budget("visits", "person").unwrap().unwrap().spent
}

#[test]
fn terms_never_change() {
    let (_folder, path, mut ledger) = fresh();
    let (epsilon, delta, order) = terms();
    let first = ledger.open_budget(&actor(), "visits", "person", epsilon, delta, order).unwrap();
    // The same terms find it open, at the order it has.
    assert_eq!(ledger.open_budget(&actor(), "visits", "person", epsilon, delta, Order::new(2.5).unwrap()).unwrap(), first);
    for (epsilon, delta) in
        [(Epsilon::new(4.0).unwrap(), delta), (Epsilon::new(1.99).unwrap(), delta), (epsilon, Delta::new(1e-6).unwrap())]
    {
        let error = path.open().unwrap().open_budget(&actor(), "visits", "person", epsilon, delta, order).unwrap_err();
        assert_eq!(error.to_string(), "the budget of `visits` is ε = 2 at δ = 0.00001 for each person and cannot be changed");
    }
    assert_eq!(ledger.events("budget-opened").unwrap().len(), 1);
    // The same rows under another unit would be spent once more; another data set is another budget.
    let error = ledger.open_budget(&actor(), "visits", "row", epsilon, delta, order).unwrap_err();
    assert_eq!(error.to_string(), "the budget of `visits` is ε = 2 at δ = 0.00001 for each person and cannot be changed");
    ledger.open_budget(&actor(), "claims", "row", Epsilon::new(4.0).unwrap(), delta, order).unwrap();
    assert_eq!(ledger.budgets().unwrap().len(), 2);
    assert_eq!(ledger.budget("visits", "person").unwrap().unwrap(), first);
}

#[test]
fn a_run_is_charged_with_its_reserve_or_not_at_all() {
    let (_folder, _path, mut ledger) = fresh();
    assert_eq!(ledger.reserve(&actor(), &run("r1", "visits")).unwrap_err().to_string(), "no budget is open for `visits` and each person");
    open(&mut ledger, "visits");
    let (epsilon, delta, order) = terms();
    let filter = filter::RenyiFilter::open(epsilon, delta, order).unwrap();
    // One run fits and its reserve does not: nothing is charged.
    let error = ledger.reserve(&actor(), &RunRequest { held_runs: 1, ..run("r1", "visits") }).unwrap_err();
    assert!(
        error.to_string().starts_with("the budget of `visits` (ε = 2 at δ = 0.00001 for each person) does not admit this run: it needs "),
        "{error}"
    );
    assert_eq!(spent(&mut ledger), 0.0);
    // A small run with a reserve of three later ones takes four times its cost.
    let small = Mechanism::dp_sgd(NoiseMultiplier::new(4.0).unwrap(), SamplingRate::new(0.01).unwrap(), 100);
    let charged = ledger.reserve(&actor(), &RunRequest { event: small.clone(), held_runs: 3, ..run("r1", "visits") }).unwrap();
    let cost = filter.cost(&small).unwrap();
    assert_eq!((charged.cost, charged.held, charged.held_runs, charged.state), (cost, cost * 3.0, 3, ReservationState::Reserved));
    assert!((spent(&mut ledger) - filter.cost(&small.times(4)).unwrap()).abs() < 1e-12);
    // The same name again is another run's: refused, and nothing changes.
    assert!(ledger.reserve(&actor(), &run("r1", "visits")).is_err());
    assert_eq!(ledger.events("budget-reserved").unwrap().len(), 1);
}

#[test]
fn what_does_not_fit_is_refused() {
    let (_folder, _path, mut ledger) = fresh();
    open(&mut ledger, "visits");
    ledger.reserve(&actor(), &run("r1", "visits")).unwrap();
    let before = spent(&mut ledger);
    let events = ledger.event_count().unwrap();
    let Error::BudgetSpent { asked, left, total, .. } = ledger.reserve(&actor(), &run("r2", "visits")).unwrap_err() else {
        panic!("another error")
    };
    assert!(asked > left && (left - (total - before)).abs() < 1e-12);
    assert_eq!((spent(&mut ledger), ledger.event_count().unwrap()), (before, events));
    // Small runs go on until they no longer fit, and not one further.
    let small = Mechanism::dp_sgd(NoiseMultiplier::new(1.5).unwrap(), SamplingRate::new(0.01).unwrap(), 50);
    let mut admitted = 0;
    while ledger.reserve(&actor(), &RunRequest { event: small.clone(), ..run(&format!("s{admitted}"), "visits") }).is_ok() {
        admitted += 1;
        assert!(admitted < 1000);
    }
    assert!(admitted > 0 && spent(&mut ledger) <= total);
    let (epsilon, delta, order) = terms();
    assert!(filter::RenyiFilter::open(epsilon, delta, order).unwrap().epsilon_of(spent(&mut ledger)).unwrap() <= epsilon);
}

/// Two connections, one place: exactly one run gets it, fifty times over.
#[test]
fn a_race_for_the_last_of_a_budget_has_one_winner() {
    let (_folder, path, mut ledger) = fresh();
    for round in 0..50 {
        open(&mut ledger, &format!("d{round}"));
    }
    let barrier = Barrier::new(2);
    // A racer that fails goes on to the next round: the other waits for it at the barrier.
    let won = |racer: usize| {
        let mut ledger = path.open().unwrap();
        (0..50)
            .map(|round| {
                barrier.wait();
                match ledger.reserve(&actor(), &run(&format!("{round}-{racer}"), &format!("d{round}"))) {
                    Ok(_) => Ok(true),
                    Err(Error::BudgetSpent { .. }) => Ok(false),
                    Err(other) => Err(other.to_string()),
                }
            })
            .collect::<Vec<Result<bool, String>>>()
    };
    let (first, second) = std::thread::scope(|scope| {
        let (a, b) = (scope.spawn(|| won(0)), scope.spawn(|| won(1)));
        (a.join().unwrap(), b.join().unwrap())
    });
    for (round, pair) in first.iter().zip(&second).enumerate() {
        assert!(matches!(pair, (Ok(true), Ok(false)) | (Ok(false), Ok(true))), "round {round}: {pair:?}");
    }
    for budget in ledger.budgets().unwrap() {
        assert!(budget.spent <= budget.total && budget.reservations.len() == 1);
    }
    assert!(ledger.damaged().unwrap().is_empty());
}

#[test]
fn giving_up_before_the_key_costs_nothing_and_after_it_everything() {
    let (_folder, _path, mut ledger) = fresh();
    open(&mut ledger, "visits");
    let small = RunRequest {
        event: Mechanism::dp_sgd(NoiseMultiplier::new(4.0).unwrap(), SamplingRate::new(0.01).unwrap(), 100),
        held_runs: 2,
        ..run("early", "visits")
    };
    ledger.reserve(&actor(), &small).unwrap();
    ledger.abandon(&actor(), "early", "the plan changed").unwrap();
    assert_eq!(spent(&mut ledger), 0.0);
    let late = ledger.reserve(&actor(), &RunRequest { run: "late".into(), ..small }).unwrap();
    ledger.noise_key_created(&actor(), "late").unwrap();
    assert_eq!(ledger.reservation("late").unwrap().state, ReservationState::Drawing);
    ledger.abandon(&actor(), "late", "the machine changed").unwrap();
    // Its own cost stays; what was held for later runs is free.
    assert_eq!(spent(&mut ledger), late.cost);
    assert_eq!(ledger.reservation("late").unwrap().state, ReservationState::Abandoned);
    let charged: Vec<f64> = ledger
        .events("run-abandoned")
        .unwrap()
        .into_iter()
        .map(|e| if let Event::RunAbandoned { charged, .. } = e.event { charged } else { -1.0 })
        .collect();
    assert_eq!(charged, [0.0, late.cost]);
}

/// A run that another process gave up, and that is charged nothing, must never draw noise.
#[test]
fn states_move_forward_only() {
    let (_folder, path, mut ledger) = fresh();
    open(&mut ledger, "visits");
    assert_eq!(ledger.noise_key_created(&actor(), "r0").unwrap_err().to_string(), "run r0 is not reserved");
    assert_eq!(ledger.abandon(&actor(), "r0", "x").unwrap_err().to_string(), "run r0 is not reserved");
    ledger.reserve(&actor(), &run("r1", "visits")).unwrap();
    path.open().unwrap().abandon(&actor(), "r1", "taken for dead").unwrap();
    assert_eq!(ledger.noise_key_created(&actor(), "r1").unwrap_err().to_string(), "run r1 is abandoned: drawing noise is not possible");
    assert_eq!(ledger.abandon(&actor(), "r1", "again").unwrap_err().to_string(), "run r1 is abandoned: giving it up is not possible");
    assert!(ledger.events("noise-key-created").unwrap().is_empty());
    ledger.reserve(&actor(), &run("r2", "visits")).unwrap();
    ledger.noise_key_created(&actor(), "r2").unwrap();
    assert_eq!(ledger.noise_key_created(&actor(), "r2").unwrap_err().to_string(), "run r2 is drawing: drawing noise is not possible");
}

/// A small run with two retrainings set aside, drawn and over.
fn with_reserve(ledger: &mut Ledger) -> RunRequest {
    open(ledger, "visits");
    let event = Mechanism::dp_sgd(NoiseMultiplier::new(4.0).unwrap(), SamplingRate::new(0.01).unwrap(), 100);
    let root = RunRequest { event, held_runs: 2, ..run("root", "visits") };
    ledger.reserve(&actor(), &root).unwrap();
    root
}

#[test]
fn a_retraining_is_charged_to_the_reserve_and_the_budget_spends_nothing() {
    let (_folder, _path, mut ledger) = fresh();
    let root = with_reserve(&mut ledger);
    let again = |name: &str| RunRequest { run: name.into(), ..root.clone() };
    let refused = ledger.reserve_retraining(&actor(), &again("r1"), "root").unwrap_err().to_string();
    assert_eq!(refused, "run root is reserved: taking its reserve is not possible");
    ledger.noise_key_created(&actor(), "root").unwrap();
    assert!(matches!(ledger.reserve_retraining(&actor(), &again("r1"), "root"), Err(Error::WrongState { state: "drawing", .. })));
    ledger.abandon(&actor(), "root", "x").unwrap();
    assert!(matches!(ledger.reserve_retraining(&actor(), &again("r1"), "root"), Err(Error::NoReserve { .. })), "given up: nothing is held");
    assert!(matches!(ledger.reserve_retraining(&actor(), &again("r1"), "nobody"), Err(Error::NoRun { .. })));

    let (_folder, path, mut ledger) = fresh();
    with_reserve(&mut ledger);
    ledger.noise_key_created(&actor(), "root").unwrap();
    edit(&path, "UPDATE reservations SET state = 'released'");
    let (before, cost) = (spent(&mut ledger), ledger.reservation("root").unwrap().cost);
    let other = Mechanism::dp_sgd(NoiseMultiplier::new(4.0).unwrap(), SamplingRate::new(0.01).unwrap(), 101);
    for wrong in [
        RunRequest { event: other, ..again("r1") },
        RunRequest { dataset: "claims".into(), ..again("r1") },
        RunRequest { unit: "row".into(), ..again("r1") },
    ] {
        assert!(matches!(ledger.reserve_retraining(&actor(), &wrong, "root"), Err(Error::OtherPlan { .. })));
    }
    let first = ledger.reserve_retraining(&actor(), &again("r1"), "root").unwrap();
    assert_eq!((first.cost, first.held, first.held_runs, first.from_run.as_deref()), (cost, 0.0, 0, Some("root")));
    assert!((spent(&mut ledger) - before).abs() < 1e-12);
    let root_now = ledger.reservation("root").unwrap();
    assert_eq!((root_now.held, root_now.held_runs), (cost, 1));
    // Given up before its key, it goes back; a second and a third time it can be taken, and no more.
    ledger.abandon(&actor(), "r1", "the rows changed").unwrap();
    let root_now = ledger.reservation("root").unwrap();
    assert_eq!((root_now.held_runs, ledger.reservation("r1").unwrap().cost), (2, 0.0));
    ledger.reserve_retraining(&actor(), &again("r2"), "root").unwrap();
    ledger.noise_key_created(&actor(), "r2").unwrap();
    ledger.abandon(&actor(), "r2", "its noise key is gone").unwrap();
    assert_eq!(ledger.reservation("r2").unwrap().cost, cost, "noise may have been drawn: charged");
    ledger.reserve_retraining(&actor(), &again("r3"), "root").unwrap();
    assert!(matches!(ledger.reserve_retraining(&actor(), &again("r4"), "root"), Err(Error::NoReserve { .. })));
    assert!((spent(&mut ledger) - before).abs() < 1e-12);
    assert_eq!((ledger.events("retraining-reserved").unwrap().len(), ledger.events("budget-reserved").unwrap().len()), (3, 1));
    assert_eq!(ledger.damaged().unwrap(), [] as [i64; 0]);
}

/// A file of format 1, as the program before wrote it, is read on with all that it holds.
#[test]
fn a_ledger_of_format_one_is_brought_up_to_now() {
    let (_folder, path, mut ledger) = fresh();
    with_reserve(&mut ledger);
    let (events, reserved) = (ledger.log_entries(0).unwrap(), ledger.reservation("root").unwrap());
    drop(ledger);
    edit(&path, "ALTER TABLE reservations DROP COLUMN from_run; DROP TABLE queries; DROP TABLE people; DROP TABLE members; DROP TABLE sealed; DROP TABLE actors; DROP INDEX basis_by_receipt;
         ALTER TABLE basis DROP COLUMN language; ALTER TABLE basis DROP COLUMN age; ALTER TABLE basis DROP COLUMN guardian;
         ALTER TABLE basis DROP COLUMN receipt; PRAGMA user_version = 1");
    let mut ledger = path.open().unwrap();
    assert_eq!((ledger.log_entries(0).unwrap(), ledger.reservation("root").unwrap()), (events, reserved));
    assert_eq!(ledger.spend_queries("risk/1", "c", 1, 2).unwrap(), 1);
    ledger.noise_key_created(&actor(), "root").unwrap();
    edit(&path, "UPDATE reservations SET state = 'released'");
    ledger.reserve_retraining(&actor(), &RunRequest { run: "r1".into(), ..ledger_root(&mut path.open().unwrap()) }, "root").unwrap();
    assert_eq!(ledger.damaged().unwrap(), [] as [i64; 0]);
    // Opened again it is left alone.
    drop(ledger);
    let before = store::state(&path);
    drop(path.open().unwrap());
    assert!(store::state(&path) == before);
}

fn ledger_root(ledger: &mut Ledger) -> RunRequest {
    RunRequest { event: ledger.reservation("root").unwrap().event, ..run("root", "visits") }
}
