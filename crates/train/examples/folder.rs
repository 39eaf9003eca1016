//! Trains one spec on an image folder, without a server: `folder FOLDER WORK_DIR WEIGHTS|- SPEC_JSON`.

use std::path::PathBuf;

use cultivar_dataset::import::{Options, image_folder};
use cultivar_spec::trainer::{FromTrainer, JobFiles, TrainJob};
use cultivar_spec::{canonical_json, check};
use cultivar_train::{Control, device, train};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, folder, work_dir, weights, spec] = &args[..] else {
        eprintln!("usage: folder FOLDER WORK_DIR WEIGHTS|- SPEC_JSON");
        std::process::exit(2);
    };
    let work_dir = PathBuf::from(work_dir);
    std::fs::create_dir_all(&work_dir).expect("a work folder");
    let options = Options { out_dir: work_dir.join("data"), ..Options::default() };
    let imported = image_folder(folder.as_ref(), &options, &mut |_| {}).expect("an importable folder");
    let manifest = work_dir.join("manifest.json");
    std::fs::write(&manifest, canonical_json(&imported.manifest)).expect("a manifest");
    let raw = serde_json::from_str(spec).expect("a spec in JSON");
    let spec = check::trial(&raw).unwrap_or_else(|violations| panic!("{violations}"));
    let (device, info) = device();
    println!("{info:?}");
    let files = JobFiles { manifest, data: imported.files, cache_dir: work_dir.join("cache"), work_dir: work_dir.clone() };
    let weights = (weights != "-").then(|| PathBuf::from(weights));
    let job = TrainJob { tag: "folder".into(), spec, files, weights, resume: None };
    let result = train(&job, device, &Control::new(), &mut |event| match event {
        FromTrainer::Progress { progress, .. } => println!("{progress:?}"),
        FromTrainer::Metrics { points, .. } => {
            points.iter().for_each(|point| println!("epoch {} {} = {:.4}", point.epoch, point.metric, point.value));
        }
        other => println!("{other:?}"),
    });
    println!("{result:#?}");
}
