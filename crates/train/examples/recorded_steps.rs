//! The first 50 training steps on real images in f64: initial weights, batches and losses, for a plain timm script to
//! repeat (`bench/finetune/losses.py`).
//!
//!     cargo run --release --example recorded_steps -- IMAGE_FOLDER WEIGHTS OUT.safetensors
//!
//! Writes `model.NAME` (as timm names them, f64), `images.STEP` `[16, 3, 32, 32]` f32, `labels.STEP` and `mixed.STEP`
//! `[16]` i64, `lambda` `[50]` and `losses` `[50]` f64.

use std::env;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use cultivar_dataset::import::{Options, dataset};
use cultivar_spec::TrialSpec;
use cultivar_spec::trial::{Activation, Augment, Backbone, Mix, Optimizer, Schedule};
use cultivar_train::augment::mix::mix;
use cultivar_train::data::cache::{Cache, CacheKey};
use cultivar_train::data::order::{epoch_order, training_subset};
use cultivar_train::data::resident::Pixels;
use cultivar_train::loss::{Mixed, cross_entropy};
use cultivar_train::models::{self, Mode};
use cultivar_train::params::LoadPolicy;
use cultivar_train::preprocess::Preprocess;
use cultivar_train::rng::StepRng;
use cultivar_train::schedule::{lr_factor, momentum};
use cultivar_train::{device, optim, weights};
use serde_json::json;
use tch::{Kind, Tensor};

const N_STEPS: usize = 50;
const BATCH: usize = 16;
const SIDE_PX: u32 = 32;
const SMOOTHING: f64 = 0.1;
const PEAK_LR: f64 = 1e-3;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [folder, weights_file, out] = arguments.as_slice() else {
        return Err("want an image folder, a weights file and the file to write".into());
    };
    let (device, _) = device();
    let scratch = tempfile::tempdir()?;
    let options = Options {
        out_dir: scratch.path().join("data"),
        ..Options::default()
    };
    let imported = dataset(Path::new(folder), &options, &mut |_| {})?;
    let manifest = imported.manifest;
    let cache = Cache::open(
        CacheKey::for_resolution(manifest.version(), SIDE_PX),
        scratch.path(),
        &imported.files,
        manifest.images.len(),
        &mut |_, _| Ok(()),
    )?;
    let pixels = Pixels::new(Arc::new(cache), device);

    let mut spec = TrialSpec::example();
    spec.fit.resolution = SIDE_PX;
    let preprocess = Preprocess::of(&spec);
    let cut_mix = Mix::Cutmix {
        alpha: 1.0,
        prob: 0.5,
    };
    let schedule: Schedule = serde_json::from_value(json!({"kind": "one_cycle"}))?;
    let optimizer: Optimizer = serde_json::from_value(
        json!({"kind": "sgd", "lr": PEAK_LR, "weight_decay": 1e-4, "nesterov": true}),
    )?;

    let n_classes = manifest.classes.len() as i64;
    // Smooth, unlike the native ReLU6, at whose kinks rounding decides on gradients.
    let backbone = Backbone {
        activation: Activation::Mish,
        ..Backbone::default()
    };
    let mut model = models::build(&backbone, n_classes, 0, device)?;
    let file = weights::read(Path::new(weights_file))?;
    model.params.load(&file.tensors, LoadPolicy::BackboneOnly)?;
    model.params.to_kind(Kind::Double);
    let mut record: Vec<(String, Tensor)> = model
        .params
        .named()
        .into_iter()
        .map(|(name, values)| (format!("model.{name}"), values.copy()))
        .collect();
    model.params.flatten();
    let mut optim = optim::build(&optimizer, &model.params, 1.0)?;

    let order = epoch_order(&training_subset(&manifest, &spec.data), 0, 0);
    let (mut losses, mut lambdas) = (Vec::new(), Vec::new());
    for (step, indices) in order.chunks_exact(BATCH).take(N_STEPS).enumerate() {
        let rng = StepRng {
            seed: 0,
            step: step as u64,
        };
        let labels: Vec<i64> = indices
            .iter()
            .map(|&idx| manifest.images[idx as usize].label.into())
            .collect();
        let labels = Tensor::from_slice(&labels).to_device(device);
        let images = preprocess.training(&pixels.gather(indices), &Augment::standard(), &rng);
        let mixed = mix(&images, &labels, &cut_mix, &rng);

        model.params.zero_grad();
        let logits = model.forward(&images.to_kind(Kind::Double), Mode::Train { rng: &rng });
        let seen = mixed.as_ref().map(|mixed| Mixed {
            labels: &mixed.labels,
            lambda: mixed.lambda,
        });
        let loss = cross_entropy(&logits, &labels, seen, SMOOTHING);
        loss.backward();
        let (at, n) = (step as u64, N_STEPS as u64);
        optim.step(
            PEAK_LR * lr_factor(&schedule, at, n),
            momentum(&schedule, at, n),
        );

        losses.push(loss.double_value(&[]));
        lambdas.push(mixed.as_ref().map_or(1.0, |mixed| mixed.lambda));
        let other = mixed.map_or_else(|| labels.copy(), |mixed| mixed.labels);
        record.push((format!("images.{step}"), images.contiguous()));
        record.push((format!("labels.{step}"), labels));
        record.push((format!("mixed.{step}"), other));
    }
    record.push(("losses".to_owned(), Tensor::from_slice(&losses)));
    record.push(("lambda".to_owned(), Tensor::from_slice(&lambdas)));
    Tensor::write_safetensors(&record, out)?;
    Ok(())
}
