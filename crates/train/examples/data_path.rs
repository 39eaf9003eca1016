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
use cultivar_spec::trial::{
    Augment, Backbone, ColorJitter, Cutout, EraseFill, Erasing, LearntOn, Mix, Optimizer, Policy,
    RandConvention, Rotation,
};
use cultivar_train::augment::mix::mix;
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
    let views = views();
    let mixes = [
        Mix::Cutmix {
            alpha: 1.0,
            prob: 1.0,
        },
        Mix::Mixup {
            alpha: 0.8,
            prob: 1.0,
        },
    ];

    let mut names = vec!["gather"];
    names.extend(views.iter().map(|(name, _)| *name));
    names.extend(mixes.iter().map(Mix::kind));
    names.extend(["evaluation view", "forward, backward, optimizer"]);
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); names.len()];
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
        let mut mark = |done: &Tensor| {
            // Reading a number waits for the device.
            done.view(-1).get(0).double_value(&[]);
            seconds.push(lap.elapsed().as_secs_f64());
            lap = Instant::now();
        };
        let gathered = pixels.gather(indices);
        mark(&gathered.pixels);
        let mut images = None;
        for (_, augment) in &views {
            let seen = preprocess.training(&gathered, augment, &rng);
            mark(&seen.get(0).get(0).contiguous());
            images = Some(seen);
        }
        let images = images.expect("there are views");
        for what in &mixes {
            mix(&images, &labels, what, &rng);
            mark(&images.get(0).get(0).contiguous());
        }
        mark(&preprocess.evaluation(&gathered).get(0).get(0).contiguous());
        let logits = model.forward(&images, Mode::Train { rng: &rng });
        let loss = cross_entropy(&logits, &labels, None, 0.1);
        model.params.zero_grad();
        loss.backward();
        optim.step(1e-4, None);
        mark(&loss);
        if step >= N_WARMUP {
            times
                .iter_mut()
                .zip(seconds)
                .for_each(|(times, s)| times.push(s));
        }
    }
    let medians: Vec<f64> = times.into_iter().map(median).collect();
    let step_s = medians[medians.len() - 1];
    println!("batch {batch} at {side} px");
    for (name, seconds) in names.iter().zip(&medians) {
        let share = seconds / step_s * 100.0;
        println!("{name:30} {:8.2} ms {share:6.1}% of a step", seconds * 1e3);
    }
    Ok(())
}

/// What is measured of training views.
fn views() -> Vec<(&'static str, Augment)> {
    let rand_augment = |convention| Policy::RandAugment {
        convention,
        n: 2,
        m: 9.0,
        mstd: 0.0,
        increasing: false,
    };
    let with = |change: &dyn Fn(&mut Augment)| {
        let mut augment = Augment::standard();
        change(&mut augment);
        augment
    };
    vec![
        ("crop and flip", Augment::standard()),
        (
            "+ rotation",
            with(&|a| a.rotation = Rotation { degrees: 15.0 }),
        ),
        (
            "+ RandAugment (timm)",
            with(&|a| a.policy = rand_augment(RandConvention::Timm)),
        ),
        (
            "+ RandAugment (torchvision)",
            with(&|a| a.policy = rand_augment(RandConvention::Torchvision)),
        ),
        (
            "+ AutoAugment",
            with(&|a| {
                a.policy = Policy::AutoAugment {
                    policy: LearntOn::Imagenet,
                };
            }),
        ),
        (
            "+ TrivialAugment",
            with(&|a| a.policy = Policy::TrivialAugment {}),
        ),
        (
            "+ colour jitter, hue included",
            with(&|a| {
                a.color_jitter = ColorJitter {
                    brightness: 0.4,
                    contrast: 0.4,
                    saturation: 0.4,
                    hue: 0.1,
                };
            }),
        ),
        (
            "+ erasing, cutout",
            with(&|a| {
                a.erasing = Erasing {
                    prob: 0.25,
                    fill: EraseFill::Pixel,
                    ..Erasing::default()
                };
                a.cutout = Cutout {
                    size: 0.25,
                    prob: 0.5,
                };
            }),
        ),
    ]
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
