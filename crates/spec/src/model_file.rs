//! What a model file says of itself: the metadata of a trained `model.safetensors`.
//!
//! Its tensors have timm's names, so these few lines are all that timm needs to run it: which model to make, and
//! how to prepare an image. They are written by whoever writes the file, and read back by `cultivar-worker predict`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::resolve::imagenet_input;
use crate::trial::{Activation, Interpolation, MetricLoss};
use crate::{TrialSpec, backbones, canonical_json};

/// timm's name of the model.
pub const ARCHITECTURE: &str = "architecture";
/// JSON: what `timm.create_model` takes beside the name.
pub const MODEL_ARGS: &str = "model_args";
/// JSON: what `timm.data.create_transform` takes.
pub const PREPROCESSING: &str = "preprocessing";
/// JSON: the class names in the order of the logits.
pub const CLASSES: &str = "classes";
/// JSON: the resolved spec.
pub const SPEC: &str = "spec";

/// How an image becomes the network's input, in timm's words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// Channels, height, width.
    pub input_size: [u32; 3],
    pub interpolation: Interpolation,
    pub mean: [f64; 3],
    pub std: [f64; 3],
    pub crop_pct: f64,
    pub crop_mode: String,
}

impl Preprocessing {
    /// How evaluation prepares images under a spec.
    pub fn of(spec: &TrialSpec) -> Self {
        // A spec that was never resolved trains with these.
        let usual = imagenet_input();
        let open = "the usual convention leaves nothing open";
        let resolution = spec.fit.eval_resolution.unwrap_or(spec.fit.resolution);
        let input = &spec.input;
        Self {
            input_size: [3, resolution, resolution],
            interpolation: input.interpolation.or(usual.interpolation).expect(open),
            mean: input.mean.or(usual.mean).expect(open),
            std: input.std.or(usual.std).expect(open),
            crop_pct: input.crop_pct.or(usual.crop_pct).expect(open),
            crop_mode: "center".into(),
        }
    }
}

/// The metadata of the model of a finished run.
pub fn metadata(spec: &TrialSpec, classes: &[String]) -> BTreeMap<String, String> {
    let mut args = Map::from_iter([("num_classes".to_owned(), json!(classes.len()))]);
    if let Some(name) = activation(spec.backbone.activation) {
        args.insert("act_layer".into(), name.into());
    }
    if backbones::find(&spec.backbone.name).is_some_and(|backbone| backbone.family.patch > 1) {
        // Positions are kept as the checkpoint has them and stretched to the image's.
        args.insert("dynamic_img_size".into(), true.into());
    }
    let entries = [
        // What `transformers` and others look for: the tensors are PyTorch's.
        ("format", "pt".to_owned()),
        (ARCHITECTURE, spec.backbone.name.clone()),
        (MODEL_ARGS, canonical_json(&Value::Object(args))),
        (PREPROCESSING, canonical_json(&Preprocessing::of(spec))),
        (CLASSES, canonical_json(&classes)),
        (SPEC, canonical_json(spec)),
    ];
    let entries = entries.map(|(key, value)| (key.to_owned(), value));
    BTreeMap::from(entries)
}

/// Why timm cannot run the model of a spec, if it cannot: its classifiers are one linear layer.
pub fn beyond_timm(spec: &TrialSpec) -> Option<String> {
    if let MetricLoss::ArcFace { .. } = spec.loss.metric() {
        let what = "the logits of a model trained with arc_face are cosines, and those of timm's linear head are not";
        return Some(what.into());
    }
    if spec.backbone.name == backbones::TORCHSCRIPT {
        return Some("its backbone is a TorchScript module".into());
    }
    let n_hidden = spec.backbone.head.hidden?;
    Some(format!(
        "the head has a hidden layer of {n_hidden} (backbone.head.hidden), and timm's has none"
    ))
}

/// timm's name of a swapped activation.
fn activation(activation: Activation) -> Option<&'static str> {
    Some(match activation {
        Activation::Native => return None,
        Activation::Relu => "relu",
        Activation::LeakyRelu => "leaky_relu",
        Activation::Swish => "swish",
        Activation::Mish => "mish",
        Activation::Gelu => "gelu",
        Activation::HardSwish => "hard_swish",
    })
}

/// Python that loads the TorchScript file at `path` and the notes beside it and predicts an image; timm prepares it.
pub fn torchscript_snippet(path: &str, notes: &str) -> String {
    let load = LOAD_TORCHSCRIPT.replace("PATH", &json!(path).to_string());
    load.replace("NOTES", &json!(notes).to_string()) + PREDICT
}

/// Python that loads the file at `path` and predicts an image, with nothing but timm, safetensors and Pillow.
pub fn snippet(path: &str) -> String {
    LOAD_SAFETENSORS.replace("PATH", &json!(path).to_string()) + PREDICT
}

const LOAD_SAFETENSORS: &str = r#"import json
import timm, torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

path = PATH
with safe_open(path, "pt") as file:
    meta = {key: file.metadata()[key] for key in ("architecture", "model_args", "preprocessing", "classes")}
classes = json.loads(meta["classes"])
model = timm.create_model(meta["architecture"], **json.loads(meta["model_args"])).eval()
model.load_state_dict(load_file(path))
"#;

const LOAD_TORCHSCRIPT: &str = r#"import json
import timm, torch
from PIL import Image

with open(NOTES) as file:
    meta = json.load(file)
classes = json.loads(meta["classes"])
model = torch.jit.load(PATH).eval()
"#;

/// What both go on with: a `model`, its `classes`, and `meta`.
const PREDICT: &str = r#"transform = timm.data.create_transform(**json.loads(meta["preprocessing"]))

image = Image.open("photo.jpg").convert("RGB")
with torch.inference_mode():
    probabilities = model(transform(image)[None]).softmax(1)[0]
for probability, idx in zip(*probabilities.topk(min(5, len(classes)))):
    print(f"{probability:.3f} {classes[idx]}")
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Loss;

    #[test]
    fn the_evaluation_resolution_and_the_activation_are_what_timm_is_told() {
        let mut spec = TrialSpec::example();
        spec.fit.eval_resolution = Some(256);
        spec.input.crop_pct = Some(0.9);
        let classes = ["cat".to_owned(), "dog".to_owned()];
        let written = metadata(&spec, &classes);
        assert_eq!(written[MODEL_ARGS], r#"{"num_classes":2}"#);
        assert_eq!(written[CLASSES], r#"["cat","dog"]"#);
        let preprocessing: Preprocessing = serde_json::from_str(&written[PREPROCESSING]).unwrap();
        assert_eq!(preprocessing.input_size, [3, 256, 256]);
        assert_eq!(preprocessing.crop_pct, 0.9);
        let read: TrialSpec = serde_json::from_str(&written[SPEC]).unwrap();
        assert_eq!(read, spec);
        spec.backbone.activation = Activation::Mish;
        assert_eq!(
            metadata(&spec, &classes)[MODEL_ARGS],
            r#"{"act_layer":"mish","num_classes":2}"#
        );
    }

    #[test]
    fn timm_runs_linear_heads_only() {
        let mut spec = TrialSpec::example();
        spec.backbone.dropout = 0.5;
        assert_eq!(beyond_timm(&spec), None);
        spec.backbone.head.hidden = Some(64);
        assert!(beyond_timm(&spec).is_some_and(|why| why.contains("hidden layer of 64")));
        spec.backbone.head.hidden = None;
        spec.loss = Loss::CrossEntropy {
            smoothing: 0.0,
            metric: MetricLoss::ArcFace {
                margin: 0.5,
                scale: 64.0,
            },
        };
        assert!(beyond_timm(&spec).is_some_and(|why| why.contains("arc_face")));
    }

    #[test]
    fn a_transformer_is_made_for_any_image_size() {
        let mut spec = TrialSpec::example();
        spec.backbone.name = "vit_tiny_patch16_224".into();
        let args = &metadata(&spec, &["cat".to_owned()])[MODEL_ARGS];
        assert_eq!(args, r#"{"dynamic_img_size":true,"num_classes":1}"#);
    }
}
