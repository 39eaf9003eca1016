//! The texts of a model's folder on the Hugging Face hub. Pure.
//!
//! `config.json` is what timm's `local-dir:` and `hf-hub:` names read; `preprocessor_config.json` says the same
//! preparation in the words of transformers; `README.md` is the model card.

use cultivar_spec::model_file::{self, Preprocessing};
use cultivar_spec::trial::Interpolation;
use cultivar_spec::wire::{LeaderboardRow, TrialDetail};
use serde_json::{Value, json};

use crate::numbers::percent;

/// The weights' name in the folder.
pub const MODEL: &str = "model.safetensors";

/// Name and content of every other file.
pub fn files(
    detail: &TrialDetail,
    row: Option<&LeaderboardRow>,
    classes: &[String],
) -> [(&'static str, String); 3] {
    let preprocessing = Preprocessing::of(&detail.spec);
    [
        (
            "config.json",
            pretty(&config(detail, &preprocessing, classes)),
        ),
        (
            "preprocessor_config.json",
            pretty(&processor(&preprocessing)),
        ),
        ("README.md", card(detail, row, classes)),
    ]
}

/// Python that loads the folder at `path` with timm.
pub fn snippet(path: &str) -> String {
    let name = Value::String(format!("local-dir:{path}"));
    format!("import timm\n\nmodel = timm.create_model({name}, pretrained=True).eval()\n") + PREPARE
}

const PREPARE: &str =
    "transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))\n";

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn config(detail: &TrialDetail, preprocessing: &Preprocessing, classes: &[String]) -> Value {
    let written = model_file::metadata(&detail.spec, classes);
    let args = &written[model_file::MODEL_ARGS];
    let mut args: Value = serde_json::from_str(args).expect("we wrote it as JSON");
    let mut pretrained = json!(preprocessing);
    pretrained["num_classes"] = json!(classes.len());
    pretrained["custom_load"] = json!(false);
    // timm takes the number of classes from beside the arguments.
    if let Some(args) = args.as_object_mut() {
        args.remove("num_classes");
    }
    json!({
        "architecture": detail.spec.backbone.name,
        "num_classes": classes.len(),
        "model_args": args,
        "label_names": classes,
        "pretrained_cfg": pretrained,
    })
}

/// The shorter side resized, the middle cut out, levels scaled to [0, 1] and normalised.
fn processor(preprocessing: &Preprocessing) -> Value {
    let [_, height, width] = preprocessing.input_size;
    // timm's rule: the share of the crop, rounded down to whole pixels.
    let shortest = (f64::from(height) / preprocessing.crop_pct).floor();
    // Pillow's numbers of its filters.
    let resample = match preprocessing.interpolation {
        Interpolation::Bilinear => 2,
        Interpolation::Bicubic => 3,
    };
    json!({
        "image_processor_type": "BitImageProcessor",
        "do_convert_rgb": true,
        "do_resize": true,
        "size": {"shortest_edge": shortest as u32},
        "resample": resample,
        "do_center_crop": true,
        "crop_size": {"height": height, "width": width},
        "do_rescale": true,
        "rescale_factor": 1.0 / 255.0,
        "do_normalize": true,
        "image_mean": preprocessing.mean,
        "image_std": preprocessing.std,
    })
}

fn card(detail: &TrialDetail, row: Option<&LeaderboardRow>, classes: &[String]) -> String {
    let (trial, spec) = (&detail.trial, &detail.spec);
    let backbone = &spec.backbone.name;
    let dataset = &trial.dataset;
    let spec_yaml = serde_norway::to_string(spec).expect("a spec is plain data");
    format!(
        "---\nlibrary_name: timm\npipeline_tag: image-classification\ntags:\n- timm\n- image-classification\n---\n\n\
        # {backbone} fine-tuned on {dataset}\n\n\
        {backbone} with a head for the {} classes of {dataset}, trained by Cultivar (trial {}, seed {}).\n\n\
        ## Scores\n\n{}\n\
        ## Use\n\n```python\n{}```\n\n\
        ## Training\n\nThe whole spec, every default written out:\n\n```yaml\n{spec_yaml}```\n\n\
        ## Licence\n\nThe licences of the pretrained weights and of the images apply; neither is known to this file.\n",
        classes.len(),
        trial.id,
        trial.seed,
        scores(detail, row),
        snippet("."),
    )
}

/// This model's own scores, and what its configuration reached over its seeds.
fn scores(detail: &TrialDetail, row: Option<&LeaderboardRow>) -> String {
    let mut own = detail.trial.metrics.clone();
    for evaluation in &detail.evaluations {
        own.extend(evaluation.metrics.clone());
    }
    let mut text = String::from(
        "| score | this model | mean of all seeds, 95% interval |\n| --- | --- | --- |\n",
    );
    let mut others = Vec::new();
    for (metric, score) in own {
        let of_row = match metric.as_str() {
            "val_top1" => row.and_then(|row| row.val_top1),
            "test_top1" => row.and_then(|row| row.test_top1),
            _ => {
                others.push(format!("{metric} {score:.4}"));
                continue;
            }
        };
        let of_row = of_row.map_or("not known".into(), |estimate| percent(&estimate));
        text.push_str(&format!(
            "| {metric} | {:.2}% | {of_row} |\n",
            100.0 * score
        ));
    }
    if !others.is_empty() {
        text.push_str(&format!("\nBesides: {}.\n", others.join(", ")));
    }
    if row.is_some_and(|row| row.selected) {
        text.push_str(
            "\nIt was chosen as the best of several by its validation score, which therefore flatters it.\n",
        );
    }
    text
}
