//! Any other backbone, as a TorchScript module.
//!
//! `forward` takes images `[N, 3, H, W]` f32 and gives pooled features `[N, F]`. Parameters that want a gradient are
//! trained; those that want none are buffers, which training moves and checkpoints keep. Buffers proper cannot be
//! seen from here, so that a module which has some (as BatchNorm's are by default) is refused:
//! `tools/torchscript_backbone.py` writes modules whose buffers are such parameters.
//!
//! Differences from the other families: all layers have one depth; nothing of it is dropped but what the module
//! drops itself, drawn from the step's seed; whatever is frozen runs with the running statistics.

use std::cell::RefCell;
use std::path::Path;

use tch::{CModule, Kind, TchError, Tensor, jit, no_grad};

use super::head::{HeadShape, by_fan_in};
use super::maker::Maker;
use super::pass::{Norm, Pass};
use super::{BuildError, Trunk};
use crate::activation::Nonlinearity;
use crate::params::ParamKind;

/// Images a module is tried with.
const N_TRIED: i64 = 4;

struct Scripted {
    module: RefCell<Module>,
    buffers: Vec<Tensor>,
    n_features: i64,
}

/// The module and how it was last run.
struct Module {
    module: CModule,
    trains: bool,
}

impl Module {
    fn run(&mut self, images: &Tensor, trains: bool) -> Result<Tensor, TchError> {
        if self.trains != trains {
            match trains {
                true => self.module.f_set_train()?,
                false => self.module.f_set_eval()?,
            }
            self.trains = trains;
        }
        self.module.forward_ts(&[images])
    }
}

/// Loads the module at `path` onto the maker's device and tries it on images of `resolution` pixels.
///
/// # Errors
/// It is no TorchScript module, gives other than one feature vector an image, or keeps state that a checkpoint
/// could not hold.
pub(super) fn build(
    path: &Path,
    resolution: u32,
    maker: &mut Maker<'_>,
) -> Result<Box<dyn Trunk>, BuildError> {
    let wrong = |why: String| BuildError::Module(path.display().to_string(), why);
    let torch = |error: TchError| wrong(first_line(&error.to_string()));
    let device = maker.device();
    // Optimised on the way, a first run would round otherwise than a later one, and a resumed job otherwise than a whole.
    jit::set_graph_executor_optimize(false);
    let module = CModule::load_on_device(path, device).map_err(torch)?;
    let mut buffers = Vec::new();
    for (name, tensor) in module.named_parameters().map_err(torch)? {
        if tensor.requires_grad() {
            let kind = match tensor.dim() {
                0 | 1 if name.ends_with("bias") => ParamKind::Bias,
                0 | 1 => ParamKind::Norm,
                _ => ParamKind::Weight,
            };
            maker.adopt_param(name, kind, tensor);
        } else {
            buffers.push(tensor.shallow_clone());
            maker.adopt_buffer(name, tensor);
        }
    }
    maker.deeper();
    let mut module = Module {
        module,
        // Other than what is asked for first, so that it is set.
        trains: true,
    };
    let side = i64::from(resolution);
    let images = Tensor::arange(N_TRIED * 3 * side * side, (Kind::Float, device))
        .sin()
        .view([N_TRIED, 3, side, side]);
    let mut look = |trains| no_grad(|| module.run(&images, trains)).map_err(torch);
    let before = look(false)?;
    let size = before.size();
    let [N_TRIED, n_features] = size[..] else {
        return Err(wrong(format!(
            "its forward gives {size:?} for {N_TRIED} images, expected features [{N_TRIED}, F]: leave the classifier out and pool"
        )));
    };
    let kept: Vec<Tensor> = buffers.iter().map(Tensor::copy).collect();
    let _ = look(true)?;
    restore(&buffers, &kept);
    let moved = (look(false)? - &before).abs().max().double_value(&[]);
    if moved > 1e-3 * before.abs().max().double_value(&[]) {
        return Err(wrong(
            "it has buffers of its own, which no checkpoint would hold: write it with tools/torchscript_backbone.py"
                .into(),
        ));
    }
    Ok(Box::new(Scripted {
        module: RefCell::new(module),
        buffers,
        n_features,
    }))
}

/// libtorch adds a trace of its own functions.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn restore(buffers: &[Tensor], kept: &[Tensor]) {
    no_grad(|| {
        for (buffer, kept) in buffers.iter().zip(kept) {
            buffer.shallow_clone().copy_(kept);
        }
    });
}

impl Trunk for Scripted {
    fn features(&self, images: &Tensor, pass: &Pass) -> Tensor {
        let mut module = self.module.borrow_mut();
        let norm = pass.norm_at(0);
        let kept: Option<Vec<Tensor>> = matches!(norm, Norm::Cumulative { .. })
            .then(|| self.buffers.iter().map(Tensor::copy).collect());
        if let Some(seed) = pass.seed() {
            tch::manual_seed(seed);
        }
        let features = module.run(images, norm != Norm::Running);
        // A second look: the statistics stay.
        if let Some(kept) = kept {
            restore(&self.buffers, &kept);
        }
        features.unwrap_or_else(|error| panic!("the TorchScript backbone: {error}"))
    }

    fn n_features(&self) -> i64 {
        self.n_features
    }

    fn drop_path_rates(&self) -> &[f64] {
        &[]
    }

    fn head(&self) -> HeadShape {
        HeadShape {
            name: "classifier",
            init: by_fan_in,
            activation: Nonlinearity::Relu,
        }
    }

    fn last_norm(&self) -> &str {
        // Specs that train the last normalisation alone are refused.
        "there is none"
    }
}
