//! Milliseconds of optimizer steps alone on a backbone's parameters, as a JSON list; `bench/train` compares them with
//! timm's.
//!
//!     cargo run --release --example optim_step -- BACKBONE CLASSES OPTIMIZER THREADS WARMUP STEPS

use std::env;
use std::error::Error;
use std::time::Instant;

use cultivar_spec::trial::{Backbone, Optimizer};
use cultivar_train::{Device, models, optim};
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [name, n_classes, kind, n_threads, n_warmup, n_steps] = arguments.as_slice() else {
        return Err(
            "want a backbone, classes, an optimizer, threads, steps to warm up and steps".into(),
        );
    };
    tch::set_num_threads(n_threads.parse()?);
    let (n_warmup, n_steps): (usize, usize) = (n_warmup.parse()?, n_steps.parse()?);
    let backbone = Backbone {
        name: name.clone(),
        ..Backbone::default()
    };
    let spec: Optimizer = serde_json::from_value(json!({"kind": kind, "lr": 1e-3}))?;

    let mut model = models::build(&backbone, n_classes.parse()?, 0, Device::Cpu)?;
    model.params.flatten();
    let flat = model.params.flat().ok_or("it was flattened")?;
    let grads = &flat.values * 0.01;
    let mut optim = optim::build(&spec, &model.params, 1.0)?;
    let mut times_ms = Vec::with_capacity(n_steps);
    for step in 0..n_warmup + n_steps {
        flat.grads.shallow_clone().copy_(&grads);
        let began = Instant::now();
        optim.step(spec.lr(), None);
        if step >= n_warmup {
            times_ms.push(began.elapsed().as_secs_f64() * 1e3);
        }
    }
    println!("{}", json!(times_ms));
    Ok(())
}
