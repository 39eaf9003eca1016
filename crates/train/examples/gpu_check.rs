//! What the GPU computes, beside the CPU: training steps of three families of backbones, in f64 and in every format.
//! Prints one JSON row a check, `{"what", "error", "bound"}`; `bench/gpu` makes a table of them.
//!
//!     cargo run --release --example gpu_check

use std::error::Error;

use cultivar_spec::trial::{Backbone, Optimizer, Precision};
use cultivar_train::loss::cross_entropy;
use cultivar_train::models::{self, Mode};
use cultivar_train::precision::{self, Format};
use cultivar_train::rng::StepRng;
use cultivar_train::{Device, optim};
use serde_json::json;
use tch::{Kind, Tensor};

const BACKBONES: [&str; 3] = ["efficientnet_lite0", "resnet50", "vit_tiny_patch16_224"];
const N_CLASSES: i64 = 57;
const N_IMAGES: i64 = 16;
const SIDE_PX: i64 = 224;
/// In f64 two devices differ by the order of sums only, which ten steps magnify.
const F64_STEPS: u64 = 10;
const F64_BOUND: f64 = 1e-8;
/// Relative error of the first loss and of its gradient's norm: about ten times the format's unit of rounding for the
/// loss, and more for gradients, whose terms cancel.
const FORMATS: [(Precision, f64, f64); 4] = [
    (Precision::F32, 1e-5, 1e-3),
    (Precision::Tf32, 5e-3, 5e-2),
    (Precision::Bf16, 4e-2, 1e-1),
    (Precision::F16, 5e-3, 5e-2),
];

/// Losses of the first steps, and the norm of each step's gradient.
fn descent(
    name: &str,
    (kind, format): (Kind, Format),
    n_steps: u64,
    device: Device,
) -> Result<Vec<[f64; 2]>, Box<dyn Error>> {
    precision::set_up(format, false, device)?;
    let backbone = Backbone {
        name: name.into(),
        ..Backbone::default()
    };
    let mut model = models::build(&backbone, N_CLASSES, 0, device)?;
    model.params.to_kind(kind);
    model.params.flatten();
    let mut optim = optim::build(&Optimizer::default(), &model.params, 1.0)?;
    // The same numbers on every device.
    tch::manual_seed(0);
    let images = Tensor::randn([N_IMAGES, 3, SIDE_PX, SIDE_PX], (Kind::Double, Device::Cpu))
        .to_kind(kind)
        .to_device(device);
    let labels = Tensor::arange(N_IMAGES, (Kind::Int64, device)).remainder(N_CLASSES);
    (0..n_steps)
        .map(|step| {
            let rng = StepRng { seed: 0, step };
            model.params.zero_grad();
            let logits =
                format.autocast(device, || model.forward(&images, Mode::Train { rng: &rng }));
            let logits = match kind {
                Kind::Double => logits,
                _ => logits.to_kind(Kind::Float),
            };
            let loss = cross_entropy(&logits, &labels, None, 0.1);
            loss.backward();
            let grads = &model.params.flat().ok_or("it was flattened")?.grads;
            let norm = grads.to_kind(Kind::Double).norm().double_value(&[]);
            optim.step(1e-4, None);
            Ok([loss.double_value(&[]), norm])
        })
        .collect()
}

fn relative(ours: f64, wanted: f64) -> f64 {
    (ours - wanted).abs() / wanted.abs()
}

fn main() -> Result<(), Box<dyn Error>> {
    let (device, info) = cultivar_train::device();
    if !device.is_cuda() {
        return Err("there is no GPU".into());
    }
    eprintln!("{info:?}");
    let row = |what: String, error: f64, bound: f64| {
        println!("{}", json!({"what": what, "error": error, "bound": bound}));
    };
    for name in BACKBONES {
        let f64 = (Kind::Double, Format::F32);
        let wanted = descent(name, f64, F64_STEPS, Device::Cpu)?;
        let ours = descent(name, f64, F64_STEPS, device)?;
        for (which, quantity) in ["losses", "gradient norms"].into_iter().enumerate() {
            let errors = ours.iter().zip(&wanted);
            let error = errors
                .map(|(ours, wanted)| relative(ours[which], wanted[which]))
                .fold(0.0, f64::max);
            row(
                format!("{name}, f64: {quantity} of {F64_STEPS} steps, GPU beside CPU"),
                error,
                F64_BOUND,
            );
        }
        for (precision, loss_bound, norm_bound) in FORMATS {
            let format = Format::of(precision, device)?;
            let [loss, norm] = descent(name, (Kind::Float, format), 1, device)?[0];
            let what = |quantity| format!("{name}, {}: {quantity}, beside f64", format.name());
            row(what("loss"), relative(loss, wanted[0][0]), loss_bound);
            row(
                what("gradient norm"),
                relative(norm, wanted[0][1]),
                norm_bound,
            );
        }
    }
    Ok(())
}
