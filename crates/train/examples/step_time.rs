//! Seconds of a training step: forward, backward, optimizer. Prints one JSON line; `bench/train` compares it with
//! PyTorch's. On the GPU if there is one.
//!
//!     cargo run --release --example step_time -- [BACKBONE [SIDE_PX [BATCH [THREADS [PRECISION [benchmark]]]]]]

use std::env;
use std::error::Error;
use std::time::Instant;

use cultivar_spec::trial::{Backbone, Optimizer, Precision};
use cultivar_train::loss::cross_entropy;
use cultivar_train::models::{self, Mode};
use cultivar_train::optim;
use cultivar_train::precision::{self, Format};
use cultivar_train::rng::StepRng;
use serde_json::json;
use tch::{Kind, Tensor};

const N_CLASSES: i64 = 57;
const N_WARMUP: u64 = 3;
const N_STEPS: u64 = 12;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let text = |idx: usize, default: &str| {
        let given = arguments.get(idx).map(String::as_str);
        given.unwrap_or(default).to_owned()
    };
    let number = |idx: usize, default: &str| text(idx, default).parse::<i64>();
    let backbone = Backbone {
        name: text(0, "efficientnet_lite0"),
        ..Backbone::default()
    };
    let (side, batch, threads) = (number(1, "96")?, number(2, "64")?, number(3, "2")?);
    let precision: Precision = serde_json::from_value(text(4, "auto").into())?;
    let (device, _) = cultivar_train::device();
    tch::set_num_threads(threads as i32);
    let format = Format::of(precision, device)?;
    precision::set_up(format, false, device)?;
    // cuDNN tries its algorithms for every new shape: seconds each, so that training does without.
    tch::Cuda::cudnn_set_benchmark(text(5, "") == "benchmark");

    let mut model = models::build(&backbone, N_CLASSES, 0, device)?;
    model.params.flatten();
    let optimizer = Optimizer::default();
    let mut optim = optim::build(&optimizer, &model.params, 1.0)?;
    let images = Tensor::randn([batch, 3, side, side], (Kind::Float, device));
    let labels = Tensor::arange(batch, (Kind::Int64, device)).remainder(N_CLASSES);
    // Reading a number waits for the device.
    let wait = |tensor: &Tensor| tensor.view(-1).get(0).double_value(&[]);

    let mut seconds = [Vec::new(), Vec::new()];
    for step in 0..N_WARMUP + N_STEPS {
        let rng = StepRng { seed: 0, step };
        let start = Instant::now();
        let logits = format.autocast(device, || model.forward(&images, Mode::Train { rng: &rng }));
        let loss = cross_entropy(&logits.to_kind(Kind::Float), &labels, None, 0.1);
        loss.backward();
        wait(&loss);
        let gradients_s = start.elapsed().as_secs_f64();
        optim.step(1e-4, None);
        model.params.zero_grad();
        wait(&model.params.flat().ok_or("it was flattened")?.grads);
        let step_s = start.elapsed().as_secs_f64();
        if step >= N_WARMUP {
            seconds[0].push(gradients_s);
            seconds[1].push(step_s);
        }
    }
    let [gradients_s, step_s] = seconds.map(median);
    println!("{}", json!({"step_s": step_s, "gradients_s": gradients_s}));
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
