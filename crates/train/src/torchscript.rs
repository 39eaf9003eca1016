//! A trained model as TorchScript: one file that any libtorch runs, with nothing of ours and nothing of timm's.
//!
//! The network is traced at the evaluation resolution and the file holds its weights as constants: it takes normalised
//! images `[N, 3, R, R]` f32, any N, and gives logits `[N, n_classes]` f32. It does not train.

use std::fs;
use std::path::{Path, PathBuf};

use tch::{CModule, Device, Kind, TchError, Tensor, no_grad};

use crate::models::{Mode, Model};
use crate::predictor::{Predictor, PredictorError};
use crate::preprocess::Preprocess;

/// Largest difference of a logit between the model and the file, in f32 on the CPU.
pub const BOUND: f64 = 1e-4;
/// Images the two are compared on.
const N_COMPARED: i64 = 64;
/// Images the network is traced with, and of a forward pass of the comparison: another number, since a trace may have
/// the one it saw in it.
const N_TRACED: i64 = 2;
const BATCH: i64 = 16;

/// No file was written.
#[derive(Debug, thiserror::Error)]
pub enum TorchScriptError {
    #[error(transparent)]
    Model(#[from] PredictorError),
    #[error("libtorch cannot trace, write or read the model: {0}")]
    Torch(#[from] TchError),
    #[error("cannot write {path}: {source}")]
    Write {
        path: String,
        source: std::io::Error,
    },
    #[error(
        "the traced model's logits are {error} away from the model's on {N_COMPARED} images, more than {BOUND}: \
         no file was written"
    )]
    Differs { error: f64 },
}

/// Writes a model file of ours (see [`cultivar_spec::model_file`]) as TorchScript, once what was written has given the
/// model's logits. Answers with the largest difference.
///
/// # Errors
/// The file is no model of ours, libtorch or the disk gives up, or the logits differ by more than [`BOUND`]: then
/// nothing is left at `to`.
pub fn export(from: &Path, to: &Path) -> Result<f64, TorchScriptError> {
    let (mut model, preprocess) = Predictor::open(from, Device::Cpu)?.into_network();
    // What has a gradient cannot be a constant of a trace.
    model.params.train_only(|_| false);
    let traced = trace(&model, &preprocess)?;
    let part = beside(to);
    let written = (|| {
        traced.save(&part)?;
        let error = difference(&CModule::load(&part)?, &model, &preprocess)?;
        // Not a number is no agreement either.
        if error.is_nan() || error > BOUND {
            return Err(TorchScriptError::Differs { error });
        }
        fs::rename(&part, to).map_err(|source| TorchScriptError::Write {
            path: to.display().to_string(),
            source,
        })?;
        Ok(error)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written
}

fn trace(model: &Model, preprocess: &Preprocess) -> Result<CModule, TchError> {
    let example = [images(preprocess, 0, N_TRACED)];
    let mut network = |inputs: &[Tensor]| vec![model.forward(&inputs[0], Mode::Eval)];
    CModule::create_by_tracing("Classifier", "forward", &example, &mut network)
}

/// The largest difference of a logit.
fn difference(
    module: &CModule,
    model: &Model,
    preprocess: &Preprocess,
) -> Result<f64, TorchScriptError> {
    no_grad(|| {
        let mut largest: f64 = 0.0;
        for start in (0..N_COMPARED).step_by(BATCH as usize) {
            let images = images(preprocess, start, BATCH);
            let ours = model.forward(&images, Mode::Eval);
            let theirs = module.forward_ts(&[images])?;
            let error = (ours - theirs).abs().max().to_kind(Kind::Double);
            let error = error.double_value(&[]);
            if error.is_nan() {
                return Ok(error);
            }
            largest = largest.max(error);
        }
        Ok(largest)
    })
}

/// Images `start..start + n` of an endless row of unlike ones, as the network takes them: stripes of several widths and
/// directions under noise.
fn images(preprocess: &Preprocess, start: i64, n: i64) -> Tensor {
    let side = i64::from(preprocess.eval_resolution());
    let one = |idx: i64| {
        let axis = Tensor::arange(side, (Kind::Float, Device::Cpu));
        let (rows, columns) = (axis.view([1, -1, 1]), axis.view([1, 1, -1]));
        let phase = Tensor::from_slice(&[0.0_f32, 1.0, 2.0]).view([3, 1, 1]);
        let (down, across) = (
            0.05 + 0.01 * (idx % 7) as f64,
            0.04 + 0.02 * (idx % 5) as f64,
        );
        let stripes = (rows * down + columns * across + phase + idx as f64).sin() * 90.0;
        let n_levels = 3 * side * side;
        let noise = (Tensor::arange(n_levels, (Kind::Int64, Device::Cpu)) * (7919 + idx))
            .remainder(71)
            .to_kind(Kind::Float)
            .view([3, side, side]);
        stripes + 92.0 + noise
    };
    let levels: Vec<Tensor> = (start..start + n).map(one).collect();
    preprocess.normalised(&Tensor::stack(&levels, 0))
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.part", std::process::id()))
}
