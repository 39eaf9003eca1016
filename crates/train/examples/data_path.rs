//! What the way from Parquet to the network costs, beside a training step.
//!
//!     cargo run --release --example data_path -- IMAGE_FOLDER [SIDE_PX [BATCH]]

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use cultivar_dataset::import::{Options, dataset};
use cultivar_spec::TrialSpec;
use cultivar_spec::trial::{Augment, Backbone, Optimizer};
use cultivar_train::augment::mix::cutmix;
use cultivar_train::data::cache::{Cache, CacheKey};
use cultivar_train::data::order::{epoch_order, training_subset};
use cultivar_train::data::resident::Pixels;
use cultivar_train::loss::cross_entropy;
use cultivar_train::models::{self, Mode};
use cultivar_train::preprocess::Preprocess;
use cultivar_train::rng::StepRng;
use cultivar_train::{device, optim};
use tch::Tensor;

const N_WARMUP: usize = 3;
const N_STEPS: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let folder = PathBuf::from(arguments.first().ok_or("name an image folder")?);
    let number = |idx: usize, default: u32| -> Result<u32, std::num::ParseIntError> {
        arguments.get(idx).map_or(Ok(default), |text| text.parse())
    };
    let (side, batch) = (number(1, 96)?, number(2, 64)? as usize);
    let (device, info) = device();
    println!("{info:?}");

    let scratch = tempfile::tempdir()?;
    let options = Options {
        out_dir: scratch.path().join("data"),
        ..Options::default()
    };
    let imported = dataset(&folder, &options, &mut |_| {})?;
    let manifest = imported.manifest;
    let key = CacheKey::for_resolution(manifest.version(), side);
    let open = || {
        let n_images = manifest.images.len();
        let start = Instant::now();
        let cache = Cache::open(
            key,
            scratch.path(),
            &imported.files,
            n_images,
            &mut |_, _| Ok(()),
        );
        (cache, start.elapsed().as_secs_f64())
    };
    let (built, build_s) = open();
    built?;
    let (cache, open_s) = open();
    let cache = cache?;
    println!(
        "decoding {} images: {build_s:.2} s; opened again: {open_s:.4} s",
        cache.len()
    );
    let pixels = Pixels::new(Arc::new(cache), device);

    let mut spec = TrialSpec::example();
    spec.fit.resolution = side;
    let preprocess = Preprocess::of(&spec);
    let train = training_subset(&manifest, &spec.data);
    let order = epoch_order(&train, 0, 0);
    let n_classes = manifest.classes.len() as i64;
    let mut model = models::build(&Backbone::default(), n_classes, 0, device)?;
    model.params.flatten();
    let mut optim = optim::build(&Optimizer::default(), &model.params, 1.0)?;

    let wait = |tensor: &Tensor| tensor.double_value(&[]);
    let mut times: [Vec<f64>; 5] = Default::default();
    for (step, indices) in order
        .chunks_exact(batch)
        .cycle()
        .take(N_WARMUP + N_STEPS)
        .enumerate()
    {
        let rng = StepRng {
            seed: 0,
            step: step as u64,
        };
        let labels: Vec<i64> = indices
            .iter()
            .map(|&idx| manifest.images[idx as usize].label.into())
            .collect();
        let labels = Tensor::from_slice(&labels).to_device(device);
        let mut lap = Instant::now();
        let mut seconds = Vec::new();
        let mut mark = |seconds: &mut Vec<f64>| {
            seconds.push(lap.elapsed().as_secs_f64());
            lap = Instant::now();
        };
        let gathered = pixels.gather(indices);
        wait(&gathered.pixels.view(-1).get(0));
        mark(&mut seconds);
        let images = preprocess.training(&gathered, &Augment::standard(), &rng);
        wait(&images.get(0).get(0).get(0).get(0));
        mark(&mut seconds);
        let evaluated = preprocess.evaluation(&gathered);
        wait(&evaluated.get(0).get(0).get(0).get(0));
        mark(&mut seconds);
        cutmix(&images, &labels, 1.0, 1.0, &rng);
        wait(&images.get(0).get(0).get(0).get(0));
        mark(&mut seconds);
        let logits = model.forward(&images, Mode::Train { rng: &rng });
        let loss = cross_entropy(&logits, &labels, None, 0.1);
        model.params.zero_grad();
        loss.backward();
        optim.step(1e-4, None);
        wait(&loss);
        mark(&mut seconds);
        if step >= N_WARMUP {
            times
                .iter_mut()
                .zip(seconds)
                .for_each(|(times, s)| times.push(s));
        }
    }
    let [gather_s, augment_s, evaluate_s, mix_s, step_s] = times.map(median);
    for (what, seconds) in [
        ("gather", gather_s),
        ("training view", augment_s),
        ("evaluation view", evaluate_s),
        ("cutmix", mix_s),
        ("forward, backward, optimizer", step_s),
    ] {
        println!("{what:30} {:8.2} ms", seconds * 1e3);
    }
    let share = (gather_s + augment_s + mix_s) / step_s;
    println!(
        "batch {batch} at {side} px: gather and augment cost {:.1}% of a step",
        share * 100.0
    );
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
