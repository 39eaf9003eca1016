//! No object of a spec swallows a field it does not know. The cases are generated from the
//! schemas, so a new variant is covered the day it is written.

use cultivar_spec::{SweepSpec, TrialSpec, check};
use schemars::{JsonSchema, schema_for};
use serde_json::{Map, Value, json};

/// An object the schema allows at `path`, told apart by its tag, if it has one.
struct Case {
    path: Vec<String>,
    tag: Option<(String, String)>,
    /// The same of the objects around it, from the outermost.
    tags_around: Vec<Option<(String, String)>>,
    required: Vec<String>,
}

#[test]
fn every_object_of_a_trial_spec_refuses_an_unknown_field() {
    let cases = cases_of::<TrialSpec>();
    let tagged = cases.iter().filter(|case| case.tag.is_some()).count();
    assert!(
        tagged >= 13,
        "only {tagged} tagged variants found: the walk over the schema is broken"
    );
    for case in &cases {
        let valid = document(case, json!({"data": {"dataset": "d"}}), false);
        let refusals = check::trial(&valid).err().map(|v| v.0).unwrap_or_default();
        let pointer = format!(
            "/{}",
            [case.path.clone(), vec!["surprise".into()]]
                .concat()
                .join("/")
        );
        assert!(
            refusals.iter().all(|v| !v.pointer.ends_with("surprise")),
            "{valid}"
        );

        let invalid = document(case, json!({"data": {"dataset": "d"}}), true);
        let refusals = check::trial(&invalid).expect_err(&invalid.to_string()).0;
        assert!(
            refusals.iter().any(|v| v.pointer == pointer),
            "{invalid} gave {refusals:?}"
        );
        // The second wall: serde itself, wherever a spec is read without the schema.
        assert!(
            serde_json::from_value::<TrialSpec>(invalid.clone()).is_err(),
            "serde took {invalid}"
        );
    }
}

#[test]
fn every_object_of_a_sweep_refuses_an_unknown_field() {
    let cases = cases_of::<SweepSpec>();
    assert!(cases.iter().filter(|case| case.tag.is_some()).count() >= 2);
    for case in &cases {
        let invalid = document(case, json!({"name": "s"}), true);
        assert!(check::sweep(&invalid).is_err(), "the schema took {invalid}");
        assert!(
            serde_json::from_value::<SweepSpec>(invalid.clone()).is_err(),
            "serde took {invalid}"
        );
    }
}

fn cases_of<T: JsonSchema>() -> Vec<Case> {
    let root = schema_for!(T).to_value();
    let mut cases = Vec::new();
    walk(&root, &root, &mut Vec::new(), &mut Vec::new(), &mut cases);
    cases
}

fn walk(
    root: &Value,
    schema: &Value,
    path: &mut Vec<String>,
    tags_around: &mut Vec<Option<(String, String)>>,
    cases: &mut Vec<Case>,
) {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = root
            .pointer(reference.trim_start_matches('#'))
            .expect("a local reference");
        return walk(root, target, path, tags_around, cases);
    }
    for alternatives in ["oneOf", "anyOf"] {
        for branch in schema
            .get(alternatives)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            walk(root, branch, path, tags_around, cases);
        }
    }
    let Some(fields) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    let tag = fields
        .iter()
        .find_map(|(name, field)| Some((name.clone(), field.get("const")?.as_str()?.to_owned())));
    let required = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let required = required
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    cases.push(Case {
        path: path.clone(),
        tag: tag.clone(),
        tags_around: tags_around.clone(),
        required,
    });
    tags_around.push(tag);
    for (name, field) in fields {
        path.push(name.clone());
        walk(root, field, path, tags_around, cases);
        path.pop();
    }
    tags_around.pop();
}

/// `frame` with the case's object in its place, an unknown field inside it if asked.
fn document(case: &Case, frame: Value, surprise: bool) -> Value {
    let mut document = frame;
    let mut here = &mut document;
    for (name, tag) in case.path.iter().zip(&case.tags_around) {
        let object = here.as_object_mut().expect("an object");
        if let Some((tag, name)) = tag {
            object.insert(tag.clone(), json!(name));
        }
        here = object
            .entry(name)
            .or_insert_with(|| Value::Object(Map::new()));
    }
    let object = here.as_object_mut().expect("an object");
    if let Some((tag, name)) = &case.tag {
        object.insert(tag.clone(), json!(name));
    }
    for field in &case.required {
        object.entry(field).or_insert(Value::Null);
    }
    if surprise {
        object.insert("surprise".into(), json!(1));
    }
    document
}
