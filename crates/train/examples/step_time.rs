//! Seconds of a training step: forward, backward, optimizer. Prints one JSON line; `bench/train` compares it with
//! PyTorch's.
//!
//!     cargo run --release --example step_time -- [BACKBONE [SIDE_PX [BATCH [THREADS]]]]

use std::env;
use std::error::Error;
use std::time::Instant;

use cultivar_spec::trial::{Backbone, Optimizer};
use cultivar_train::loss::cross_entropy;
use cultivar_train::models::{self, Mode};
use cultivar_train::optim;
use cultivar_train::rng::StepRng;
use serde_json::json;
use tch::{Device, Kind, Tensor};

const N_CLASSES: i64 = 57;
const N_WARMUP: u64 = 3;
const N_STEPS: u64 = 12;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let number = |idx: usize, default: i64| -> Result<i64, std::num::ParseIntError> {
        arguments.get(idx).map_or(Ok(default), |text| text.parse())
    };
    let backbone = Backbone {
        name: arguments
            .first()
            .cloned()
            .unwrap_or_else(|| "efficientnet_lite0".into()),
        ..Backbone::default()
    };
    let (side, batch, threads) = (number(1, 96)?, number(2, 64)?, number(3, 2)?);
    tch::set_num_threads(threads as i32);
    let device = Device::cuda_if_available();

    let mut model = models::build(&backbone, N_CLASSES, 0, device)?;
    model.params.flatten();
    let optimizer = Optimizer::default();
    let mut optim = optim::build(&optimizer, &model.params, 1.0)?;
    let images = Tensor::randn([batch, 3, side, side], (Kind::Float, device));
    let labels = Tensor::arange(batch, (Kind::Int64, device)).remainder(N_CLASSES);

    let mut seconds = [Vec::new(), Vec::new()];
    for step in 0..N_WARMUP + N_STEPS {
        let rng = StepRng { seed: 0, step };
        let start = Instant::now();
        let logits = model.forward(&images, Mode::Train { rng: &rng });
        let loss = cross_entropy(&logits, &labels, None, 0.1);
        loss.backward();
        loss.double_value(&[]);
        let gradients_s = start.elapsed().as_secs_f64();
        optim.step(1e-4, None);
        model.params.zero_grad();
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
