//! A run that is interrupted anywhere is, bit for bit, the run that is not.

use super::trainer::{Run, made_up, model, of_rows, trainer, weights_of};
use super::*;
use crate::{
    AdaptiveClip, Average, Checkpoints, ClipRule, DpAdam, Error, FileLedger, Labelled, LabelledBatch, Ledger, MemoryLedger, Noise,
    Performance, Permitted, PrivacyPlan, Sampling, Schedule, Trainer,
};
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, AdamWConfig, ModuleOptimizer, RmsPropConfig, SgdConfig};
use burn::tensor::{Distribution, Tensor};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn bits(model: &Classifier) -> Vec<u64> {
    weights_of(model).into_iter().map(f64::to_bits).collect()
}

fn optimizers() -> Vec<(&'static str, ModuleOptimizer)> {
    vec![
        ("sgd", SgdConfig::new().init()),
        ("momentum", SgdConfig::new().with_momentum(Some(MomentumConfig::new())).init()),
        ("averaged gradient", crate::optimiser::AveragedGradient.into()),
        ("adam", AdamConfig::new().with_amsgrad(true).init()),
        ("adamw", AdamWConfig::new().init()),
        ("rmsprop", RmsPropConfig::new().init()),
        ("dp-adam", DpAdam::new(&plan().privacy()).unwrap().init()),
    ]
}

fn checkpoints(folder: &Path, every: u64) -> Checkpoints {
    Checkpoints::new(folder, every.try_into().unwrap())
}

fn run(optimizer: &ModuleOptimizer) -> Run {
    let schedule = CosineAnnealingLrSchedulerConfig::new(0.3, 20).init().unwrap();
    trainer((optimizer.clone(), schedule), MemoryLedger::default())
        .with_average(Average::Exponential { decay: 0.8 })
        .unwrap()
        .with_individual_accounting(4.try_into().unwrap())
        .unwrap()
}

/// Each life of the run ends after a few steps, without a word; weights, average, optimiser, schedule and counts go on.
#[test]
fn pitfall_27_a_run_in_pieces_is_the_whole_run() {
    for (name, optimizer) in optimizers() {
        let mut whole = run(&optimizer);
        whole.fit(|_| ()).unwrap();
        for (life, every) in [(1, 1), (3, 2), (5, 3), (19, 20)] {
            let folder = tempfile::tempdir().unwrap();
            let mut lives = 0;
            let pieces = loop {
                lives += 1;
                let mut piece = run(&optimizer).with_checkpoints(checkpoints(folder.path(), every));
                // Lives shorter than the way to the next checkpoint would never end: the third is as long as it takes.
                let most = if lives > 2 && every > life { 20 } else { life };
                for _ in 0..most {
                    piece.step().unwrap();
                }
                if piece.progress().step == 20 {
                    break piece;
                }
                assert!(lives <= 30, "{name}");
            };
            assert!(lives > 1, "{name}");
            assert_eq!(bits(pieces.model()), bits(whole.model()), "{name} in lives of {life}");
            for unit in [0, 7] {
                let of = |run: &Run| run.individual().unwrap().epsilon_of(unit, 1e-5).unwrap();
                assert_eq!(of(&pieces), of(&whole));
            }
            let (pieces, whole) = (pieces.finish().unwrap().model, run_whole_average(&optimizer));
            assert_eq!(bits(&pieces), whole, "{name}: the average");
        }
    }
}

/// What a plan carries from step to step (a bound that adapts, correlated noise, parts of units) goes on too.
#[test]
fn pitfall_27_every_kind_of_plan_goes_on() {
    let plain = plan().privacy();
    let rate = SamplingRate::new(0.5).unwrap();
    let cyclic = Sampling::Cyclic { parts: 3.try_into().unwrap(), sample_rate: rate, public_units: 40 };
    let plans = [
        PrivacyPlan { adaptive: Some(AdaptiveClip { quantile: 0.5, learning_rate: 0.3, count_noise: 5.0 }), ..plain.clone() },
        PrivacyPlan { noise: Noise::Grid { coordinates: 100.try_into().unwrap() }, ..plain.clone() },
        PrivacyPlan { sampling: cyclic, noise: Noise::BandedMatrix { bands: 3.try_into().unwrap() }, ..plain.clone() },
        PrivacyPlan { noise_schedule: Schedule::Steps { from: vec![(7, 2.0)] }, clip: ClipRule::PerLayer, ..plain },
    ];
    for plan in plans {
        let begin = || {
            let sgd = (SgdConfig::new().init(), 0.3);
            let data = (key(), binding());
            Trainer::new(plan.clone(), model(), sgd, made_up(), of_rows, data, MemoryLedger::default()).unwrap()
        };
        let mut whole = begin();
        whole.fit(|_| ()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for life in 0..5 {
            let mut piece = begin().with_checkpoints(checkpoints(folder.path(), 4));
            assert_eq!(piece.resume().unwrap().step, 4 * life);
            for _ in 0..6 {
                piece.step().unwrap();
            }
            if life == 4 {
                assert_eq!(bits(piece.model()), bits(whole.model()), "{:?} {:?}", plan.sampling, plan.noise);
            }
        }
    }
}

fn run_whole_average(optimizer: &ModuleOptimizer) -> Vec<u64> {
    let mut whole = run(optimizer);
    whole.fit(|_| ()).unwrap();
    bits(&whole.finish().unwrap().model)
}

fn changed(result: Result<crate::Progress, Error>) -> Vec<String> {
    match result {
        Err(Error::OtherRun { changed }) => changed,
        Ok(progress) => panic!("went on at {progress:?}"),
        Err(error) => panic!("{error}"),
    }
}

/// Where anything that noise or sums depend on has changed, the state is refused, with its name.
#[test]
fn pitfall_27_a_run_goes_on_only_as_itself() {
    let folder = tempfile::tempdir().unwrap();
    let begin = |key: RunKey, binding: Binding| {
        let sgd = (SgdConfig::new().init(), 0.5);
        Trainer::new(plan().privacy(), model(), sgd, made_up(), of_rows, (key, binding), MemoryLedger::default())
            .unwrap()
            .with_checkpoints(checkpoints(folder.path(), 2))
    };
    let mut first = begin(key(), binding());
    (0..5).for_each(|_| assert!(first.step().unwrap().is_some()));
    assert_eq!(begin(key(), binding()).resume().unwrap().step, 4);
    let other = |binding| changed(begin(key(), binding).resume());
    assert_eq!(other(Binding { plan: "other".into(), ..binding() }), ["plan"]);
    assert_eq!(other(Binding { permit: "other".into(), ..binding() }), ["permit"]);
    assert_eq!(other(Binding { data: "other".into(), ..binding() }), ["data"]);
    assert_eq!(other(Binding { machine: "other".into(), ..binding() }), ["program or machine"]);
    assert_eq!(changed(begin(RunKey::from_bytes([4; 32]), binding()).resume()), ["noise key"]);
    let small = Performance { physical_batch: Some(3.try_into().unwrap()), ..Performance::default() };
    assert_eq!(changed(begin(key(), binding()).with_performance(small).resume()), ["settings"]);
    // In a pool there is one thread for a run, and sums of several parts have other last bits.
    if rayon::current_num_threads() > 1 {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(pool.install(|| changed(begin(key(), binding()).resume())), ["settings"]);
    }
    let otherwise = [
        (SgdConfig::new().init(), 0.4),
        (SgdConfig::new().with_momentum(Some(MomentumConfig::new())).init(), 0.5),
        (AdamConfig::new().init(), 0.5),
        (AdamConfig::new().with_beta_2(0.99).init(), 0.5),
    ];
    for optimizer in otherwise {
        assert_eq!(
            changed(trainer(optimizer, MemoryLedger::default()).with_checkpoints(checkpoints(folder.path(), 2)).resume()),
            ["settings"]
        );
    }
    assert_eq!(begin(key(), binding()).resume().unwrap().step, 4);
    let text = std::fs::read(folder.path().join("run.checkpoint")).unwrap();
    let text = String::from_utf8_lossy(&text);
    // What it is bound to is there under the key only.
    assert!(text.contains(r#"\"step\":4"#) && text.contains(r#"\"data\":\""#));
    assert!(!text.contains(r#"\"data\":\"data\""#));
}

/// A key whose steps are charged is used again only with the state they led to.
#[test]
fn pitfall_27_a_key_is_not_used_again_without_its_state() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sgd = || (SgdConfig::new().init(), 0.5);
    let begin = || trainer(sgd(), FileLedger::open(folder.path().join("ledger")).unwrap());
    let state = |at: &Path| checkpoints(at, 2);
    let mut first = begin().with_checkpoints(state(folder.path()));
    first.step().unwrap();
    drop(first);
    assert!(matches!(begin().step(), Err(Error::NoState)));
    assert!(matches!(begin().with_checkpoints(state(elsewhere.path())).step(), Err(Error::NoState)));
    assert!(begin().with_checkpoints(state(folder.path())).step().is_ok());
}

/// Each byte of the file is under its digest, and half a file is none.
#[test]
fn a_damaged_state_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let sgd = || (SgdConfig::new().init(), 0.5);
    let go = || trainer(sgd(), MemoryLedger::default()).with_checkpoints(checkpoints(folder.path(), 1));
    let mut first = go();
    first.step().unwrap();
    let path = folder.path().join("run.checkpoint");
    let whole = std::fs::read(&path).unwrap();
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions()) & 0o777, 0o600);
    for at in (0..whole.len()).step_by(97) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        for bytes in [&flipped, &whole[..at]] {
            std::fs::write(&path, bytes).unwrap();
            assert!(matches!(go().resume(), Err(Error::Checkpoint { .. })), "byte {at}");
        }
    }
    // What a crash while writing leaves beside it is no state.
    std::fs::write(&path, &whole).unwrap();
    std::fs::write(folder.path().join("run.partial"), &whole[..50]).unwrap();
    assert_eq!(go().resume().unwrap().step, 1);
}

#[test]
fn a_key_that_is_kept_is_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("noise.key");
    let (first, second) = (RunKey::kept_in(&path).unwrap(), RunKey::kept_in(&path).unwrap());
    assert_eq!(first.run(&binding()), second.run(&binding()));
    assert_ne!(first.run(&binding()), RunKey::fresh().unwrap().run(&binding()));
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions()) & 0o777, 0o600);
    std::fs::write(&path, [1, 2, 3]).unwrap();
    assert!(matches!(RunKey::kept_in(&path), Err(Error::Checkpoint { .. })));
}

/// Opened at any byte a crash may have left, the ledger holds the whole lines, no less, and takes more.
#[test]
fn pitfall_28_a_ledger_that_was_cut_short_holds_what_was_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let charge = |run: &str, steps| crate::Charge::new(run, &plan().privacy(), steps);
    let mut lines = vec![0];
    {
        let mut ledger = FileLedger::open(&path).unwrap();
        assert!(matches!(FileLedger::open(&path), Err(Error::Ledger { .. })), "two hold the ledger");
        for (run, steps) in [("a", 3), ("a", 6), ("b", 2), ("a", 4)] {
            ledger.charge(charge(run, steps)).unwrap();
            let length = std::fs::metadata(&path).unwrap().len() as usize;
            // Four of six are charged already.
            assert_eq!(lines.last() == Some(&length), steps == 4);
            lines.push(length);
        }
        ledger.settle(charge("a", 5)).unwrap();
        lines.push(std::fs::metadata(&path).unwrap().len() as usize);
    }
    let whole = std::fs::read(&path).unwrap();
    for cut in 0..=whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let mut ledger = FileLedger::open(&path).unwrap();
        let (a, b) = match lines.iter().rposition(|&end| end <= cut).unwrap() {
            0 => (0, 0),
            1 => (3, 0),
            2 => (6, 0),
            3 | 4 => (6, 2),
            _ => (5, 2),
        };
        assert_eq!((ledger.charged("a"), ledger.charged("b")), (a, b), "cut at {cut}");
        ledger.charge(charge("a", 9)).unwrap();
        drop(ledger);
        assert_eq!(FileLedger::open(&path).unwrap().charged("a"), 9);
    }
    std::fs::write(&path, [b"no line\n", whole.as_slice()].concat()).unwrap();
    assert!(matches!(FileLedger::open(&path), Err(Error::Ledger { .. })));
}

const FOLDER: &str = "RETICENT_TEST_RUN_FOLDER";
/// How often runs are killed, where the environment asks for another number.
const KILLS: u32 = 200;
const OTHER_KILLS: &str = "RETICENT_TEST_KILLS";

fn run_in(folder: &Path) -> Result<Vec<u64>, Error> {
    let ledger = FileLedger::open(folder.join("ledger"))?.charging(3.try_into().unwrap());
    let mut witness = std::fs::OpenOptions::new().append(true).create(true).open(folder.join("witness")).unwrap();
    let at = Arc::new(AtomicU64::new(0));
    let losses = {
        let at = at.clone();
        let witness = Mutex::new(witness.try_clone().unwrap());
        move |model: &Classifier, batch: &LabelledBatch<2>| {
            witness.lock().unwrap().write_all(&at.load(Ordering::SeqCst).to_le_bytes()).unwrap();
            // Drawn anew at each step, as dropout is: this process trains nothing else.
            let kept = Tensor::random(batch.inputs.dims(), Distribution::Bernoulli(0.9), &Device::flex());
            of_rows(model, &LabelledBatch { inputs: batch.inputs.clone() * kept, ..batch.clone() })
        }
    };
    let optimizer = (AdamConfig::new().init(), 0.05);
    let mut run: Trainer<Classifier, Labelled<2>, _> =
        Trainer::new(plan().privacy(), model(), optimizer, made_up(), losses, (key(), binding()), ledger)?
            .with_average(Average::SecondHalf)?
            .with_checkpoints(checkpoints(folder, 2));
    at.store(run.resume()?.step, Ordering::SeqCst);
    while let Some(progress) = run.step()? {
        at.store(progress.step, Ordering::SeqCst);
    }
    witness.flush().unwrap();
    Ok(bits(&run.finish()?.model))
}

/// Trains in the folder it is told; the test of kills starts it.
#[test]
#[ignore = "a part of the test of kills"]
fn the_run_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let weights: Vec<u8> = run_in(folder).unwrap().into_iter().flat_map(u64::to_le_bytes).collect();
    std::fs::write(folder.join("partial"), weights).unwrap();
    std::fs::rename(folder.join("partial"), folder.join("done")).unwrap();
}

fn begin(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::resume::the_run_that_is_killed", "--ignored", "--test-threads", "1"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn witness(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("witness")).unwrap_or_default()
}

/// Waits until a process computes a step, or is gone.
fn wait_for_work(folder: &Path, child: &mut Child) {
    let before = witness(folder).len();
    while witness(folder).len() == before && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// The run is another process, killed at random moments (SIGKILL, not an orderly end) and begun again until it is done, one run after another
/// until it was killed often enough. The weights are those of the run that nobody killed; the ledger is ahead of whatever was computed.
#[test]
fn pitfall_27_28_a_run_that_is_killed_goes_on_and_is_charged_first() {
    let most: u32 = std::env::var(OTHER_KILLS).map_or(KILLS, |kills| kills.parse().unwrap());
    let done = |folder: &Path| std::fs::read(folder.join("done")).ok();
    let (whole, started) = (tempfile::tempdir().unwrap(), Instant::now());
    let mut child = begin(whole.path());
    wait_for_work(whole.path(), &mut child);
    let (start, at_work) = (started.elapsed(), Instant::now());
    assert!(child.wait().unwrap().success());
    let (expected, work) = (done(whole.path()).unwrap(), at_work.elapsed());

    let mut rng = seeded(60);
    let (mut kills, mut at_work) = (0, 0);
    while kills < most {
        let folder = tempfile::tempdir().unwrap();
        let mut charged = 0;
        while done(folder.path()).is_none() {
            let before = witness(folder.path()).len();
            let mut child = begin(folder.path());
            if kills < most {
                // However long a process takes to start (its binary is a part of what noise is bound to), most lives end in their work.
                if rng.random_range(0..4) == 0 {
                    std::thread::sleep(start.mul_f64(rng.random_range(0.0..1.0)));
                } else {
                    wait_for_work(folder.path(), &mut child);
                    std::thread::sleep(work.mul_f64(rng.random_range(0.0..1.0)));
                }
                child.kill().unwrap();
            }
            let status = child.wait().unwrap();
            match status.code() {
                None => kills += 1,
                Some(code) => assert_eq!(code, 0),
            }
            let ledger = FileLedger::open(folder.path().join("ledger")).unwrap();
            let now = ledger.charges().first().map_or(0, |c| c.steps);
            assert!(now >= charged, "the charge fell");
            charged = now;
            let witness = witness(folder.path());
            let computed = witness.chunks_exact(8).map(|b| u64::from_le_bytes(b.try_into().unwrap()) + 1).max().unwrap_or(0);
            assert!(charged >= computed, "step {computed} was computed, {charged} are charged");
            at_work += u32::from(status.code().is_none() && witness.len() > before);
        }
        assert_eq!(charged, 20);
        assert!(done(folder.path()).unwrap() == expected, "the run has other weights");
    }
    assert!(at_work >= most / 10, "only {at_work} of {kills} kills found it at work");
}

/// The permit's kind is no secret of the run, its rows are: other rows are another run by their own digest.
#[test]
fn the_digest_tells_other_rows() {
    use crate::Examples;
    let of = |seed| super::trainer::labelled(seed).digest();
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
    let swapped = Labelled::new(vec![1.0, 2.0], [1, 2], vec![0]).unwrap().digest();
    assert_ne!(swapped, Labelled::new(vec![1.0, 2.0], [2, 1], vec![0, 0]).unwrap().digest());
    let permitted: Result<Permitted<Labelled<1>>, Error> =
        Permitted::new(Labelled::new(vec![1.0], [1], vec![0]).unwrap(), Permit::public("x"));
    assert!(permitted.is_ok());
}

/// Where steps are slow, time keeps a state before the count of steps does; a run of fast steps is not slowed by it.
#[test]
fn a_state_is_kept_in_time() {
    let on_disk = |within| {
        let folder = tempfile::tempdir().unwrap();
        let kept = Checkpoints { within: Some(within), ..checkpoints(folder.path(), 1000) };
        let begin = || run(&SgdConfig::new().init()).with_checkpoints(kept.clone());
        let mut first = begin();
        for _ in 0..7 {
            first.step().unwrap();
        }
        drop(first);
        begin().resume().unwrap().step
    };
    assert_eq!((on_disk(std::time::Duration::ZERO), on_disk(std::time::Duration::from_secs(1000))), (7, 0));
}
