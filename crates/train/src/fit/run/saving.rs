//! A run's checkpoints.

use std::path::Path;
use std::time::{Duration, Instant};

use cultivar_spec::Sha256Digest;
use tch::Kind;

use super::{Run, flat};
use crate::checkpoint::{self, CheckpointError, Position, named};
use crate::error::TrainError;
use crate::fit::epoch_loss::EpochLoss;
use crate::fit::inputs::Inputs;
use crate::fit::report::Reporter;
use crate::fit::validation::Best;
use crate::params::LoadPolicy;
use crate::phases::stage_at;

/// Head-only epochs are shorter than this, and do not each get a checkpoint.
const HEAD_CHECKPOINT_INTERVAL: Duration = Duration::from_secs(10);

/// The parts of a run that a checkpoint holds.
const MODEL: &str = "model";
const OPTIM: &str = "optim";
const EMA: &str = "ema";
const SCALER: &str = "scaler";
const BEST: &str = "best";

impl Run<'_> {
    /// Takes everything back to a checkpoint of this spec, or of the one with the given digest. Returns the seconds that
    /// training had taken by then.
    ///
    /// # Errors
    /// The file cannot be read, is damaged, or is of another spec. The run may be half restored then.
    pub(super) fn resume(
        &mut self,
        path: &Path,
        of_spec: Option<Sha256Digest>,
    ) -> Result<f64, CheckpointError> {
        let of_spec = of_spec.unwrap_or_else(|| checkpoint::digest(self.session.spec));
        let from = checkpoint::read(path, of_spec)?;
        // Everything in it is of the stage of the last step done.
        let epoch = from.position.step.saturating_sub(1) / self.steps_per_epoch;
        self.enter(stage_at(self.session.spec, epoch as u32))?;
        self.optim.load_state(&from.part(OPTIM))?;
        if let Some(ema) = &mut self.ema {
            ema.load_state(&from.part(EMA))?;
        }
        if let Some(scaler) = &mut self.scaler {
            scaler.load_state(&from.part(SCALER))?;
        }
        let n_classes = self.session.manifest.classes.len();
        let size = [self.session.val.len() as i64, n_classes as i64];
        self.best = Best::read(&from.part(BEST), flat(&self.model), &size)?;
        self.model
            .params
            .load(&from.part(MODEL), LoadPolicy::Exact)?;
        let asked = self.micro_batch;
        self.micro_batch = from.position.micro_batch.unwrap_or(asked).clamp(1, asked);
        self.step = from.position.step;
        self.epochs_done = from.position.epochs;
        self.loss = EpochLoss::resumed(from.position.loss_sum, from.position.n_losses);
        Ok(from.position.seconds)
    }

    pub(super) fn checkpoint_is_due(&self) -> bool {
        match self.inputs {
            Inputs::Images { .. } => true,
            Inputs::Features(_) => self.last_checkpoint.elapsed() >= HEAD_CHECKPOINT_INTERVAL,
        }
    }

    /// Writes a checkpoint, unless the weights are no numbers any more.
    pub(super) fn checkpoint(&mut self, reporter: &mut Reporter<'_>) -> Result<(), TrainError> {
        self.read_loss()?;
        let largest = flat(&self.model).values.abs().max();
        self.finite(
            "largest weight",
            largest.to_kind(Kind::Double).double_value(&[]),
        )?;
        let path = checkpoint::path(&self.session.files.work_dir, self.step);
        let position = Position {
            step: self.step,
            epochs: self.epochs_done,
            loss_sum: self.loss.sum(),
            n_losses: self.loss.len(),
            micro_batch: self.fewer_at_once(),
            seconds: reporter.total_seconds(),
        };
        let mut tensors = named(MODEL, self.model.params.named());
        tensors.extend(named(OPTIM, self.optim.state()));
        tensors.extend(self.ema.iter().flat_map(|ema| named(EMA, ema.state())));
        tensors.extend(
            self.scaler
                .iter()
                .flat_map(|scaler| named(SCALER, scaler.state())),
        );
        tensors.extend(self.best.iter().flat_map(|best| named(BEST, best.state())));
        checkpoint::write(&path, self.session.spec, &tensors, position)?;
        self.last_checkpoint = Instant::now();
        reporter.checkpoint(path);
        Ok(())
    }
}
