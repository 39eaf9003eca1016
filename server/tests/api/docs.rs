//! What the documents show is accepted as they show it.

use serde_json::{Value, json};

use crate::harness::{App, with_app};

/// The YAML of a document, block by block, each with the dataset that the tests have.
fn blocks(document: &str) -> Vec<Value> {
    let path = format!("{}/../docs/{document}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let yaml = text.split("```yaml\n").skip(1);
    yaml.map(|rest| {
        rest.split("```")
            .next()
            .unwrap()
            .replace("open-emoji", "mini")
    })
    .map(|block| serde_norway::from_str(&block).unwrap_or_else(|e| panic!("{e}: {block}")))
    .collect()
}

/// The one block that has a field.
fn block(blocks: &[Value], field: &str) -> Value {
    let mut found = blocks.iter().filter(|block| block.get(field).is_some());
    let block = found
        .next()
        .unwrap_or_else(|| panic!("no block has {field}"));
    assert_eq!(found.next(), None, "{field}");
    block.clone()
}

async fn trial(app: &App, spec: &Value) -> Value {
    let made = app.post_ok("/api/v1/trials", &json!({"spec": spec})).await;
    app.trial(made["id"].as_str().unwrap()).await
}

#[test]
fn the_specs_listing_is_the_defaults() {
    with_app(30.0, async |app| {
        app.register().await;
        let listing = block(&blocks("spec.md"), "task");
        let listed = trial(&app, &listing).await;
        let least = trial(&app, &json!({"data": {"dataset": "mini"}})).await;
        assert_eq!(listed["spec"], least["spec"]);
        app
    });
}

#[test]
fn the_examples_of_sweeps_are_accepted() {
    with_app(30.0, async |app| {
        app.register().await;
        let blocks = blocks("spec.md");
        // Beside the listing and the study recipes, which have a `fit` further in or among others.
        let phases = blocks
            .iter()
            .find(|block| block["fit"]["phases"][0].is_object());
        let mut phases = phases.expect("an example of phases").clone();
        phases["data"] = json!({"dataset": "mini"});
        trial(&app, &phases).await;

        let sweep = block(&blocks, "name");
        let with = |field: &str| {
            let mut sweep = sweep.clone();
            let fragment = block(&blocks, field);
            let fields = fragment.as_object().unwrap().clone();
            sweep.as_object_mut().unwrap().extend(fields);
            sweep
        };
        for (sweep, n_configs) in [
            (sweep.clone(), 8),
            // One rate of SGD, under one smoothing.
            (with("forbid"), 7),
            (with("scheduler"), 8),
            (with("queueing"), 8),
        ] {
            let preview = app.post_ok("/api/v1/sweeps/preview", &sweep).await;
            assert_eq!(preview["n_configs"], n_configs, "{sweep:#}");
        }

        let external = block(&self::blocks("external.md"), "name");
        let preview = app.post_ok("/api/v1/sweeps/preview", &external).await;
        assert_eq!(preview["n_configs"], 12);
        app
    });
}
