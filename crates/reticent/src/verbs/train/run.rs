//! The steps of a charged run, with its state in the run's own folder: an interrupted run goes on where it was.

use crate::disk;
use crate::failure::Failure;
use crate::output::{Progress, say, thousands};
use crate::workspace::Workspace;
use reticent_data::PermittedTable;
use reticent_train::{Binding, Checkpoints, Error, Fitted, Plan, RunKey, fit_private_resumable};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Most time that an interruption costs, and how many times a run of fast steps keeps its state: each time waits for the disk.
const WITHIN: Duration = Duration::from_secs(2);
const TIMES: u64 = 20;
const LEAST_STEPS: u64 = 10;

/// What each unit's own gradients came to, beside the weights of a release: personal data, for the answer to a person's own request.
pub(crate) const OWN: &str = "own-losses";

/// Where it lies for a release.
pub(crate) fn own_losses(workspace: &Workspace, model: &str) -> PathBuf {
    workspace.hidden("models").join(model).join(OWN)
}

/// Takes the steps that are left; `None` where the state in the run's folder is of another run, so that its noise must not be used here.
pub(crate) fn fit(
    workspace: &Workspace,
    run: &str,
    plan: &Plan,
    data: &PermittedTable,
    (key, binding): (&RunKey, &Binding),
    individual_every: Option<NonZeroU64>,
) -> Result<Option<Fitted>, Failure> {
    let folder = workspace.hidden("runs").join(run);
    let attempt = || {
        let (mut progress, mut begun) = (Progress::new("training", plan.steps), false);
        fit_private_resumable(plan, data, key, binding, checkpoints(&folder, plan.steps), individual_every, &mut |now| {
            if !begun && now.step > 1 {
                say(format!("  from step {} of {}: the steps before are on the disk", thousands(now.step), thousands(now.steps)));
                progress.from(now.step);
            }
            begun = true;
            progress.at(now.step);
        })
    };
    match attempt() {
        Err(Error::OtherRun { .. }) => Ok(None),
        // Weights, draws and sums follow from the key, the rows and this program, all still the same: from the start is the same run once more.
        Err(Error::Checkpoint { why }) => {
            say(format!("  the state on the disk cannot be used ({why}): from the first step, with the same noise"));
            shred(&folder)?;
            Ok(Some(attempt()?))
        }
        trained => Ok(Some(trained?)),
    }
}

fn checkpoints(folder: &Path, steps: u64) -> Checkpoints {
    let every = NonZeroU64::new((steps / TIMES).max(LEAST_STEPS)).expect("at least the least");
    Checkpoints { within: Some(WITHIN), ..Checkpoints::new(folder, every) }
}

/// Destroys what a run keeps in its folder to go on from: noised weights and the optimiser's state.
pub(crate) fn shred(folder: &Path) -> Result<(), Failure> {
    checkpoints(folder, 1).files().iter().try_for_each(|file| disk::shred(file))
}
