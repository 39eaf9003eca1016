//! One option, and the runs that show what it does.

use serde_json::{Value, json};

use crate::train::mini::lay_over;

/// What a row compares.
#[derive(Clone, Copy)]
pub enum Sees {
    Weights,
    /// Validation's logits, since the weights are the same.
    Predictions,
}

/// One option: what it is called, and two runs that differ in it.
pub struct Row {
    pub option: String,
    pub sees: Sees,
    pub neutral: Value,
    pub changed: Value,
}

/// Fields of the object at `pointer`, each set to a value in turn, beside `around`: the rest of the spec that the
/// option needs, the object itself included.
pub fn fields(rows: &mut Vec<Row>, pointer: &str, around: Value, values: Value) {
    for (field, value) in values.as_object().expect("fields") {
        let mut changed = around.clone();
        lay_over(
            &mut changed,
            at(&format!("{pointer}/{field}"), value.clone()),
        );
        rows.push(Row {
            option: format!("{}/{field}", with_kinds(pointer, &around)),
            sees: Sees::Weights,
            neutral: around.clone(),
            changed,
        });
    }
}

/// Kinds of the object at `pointer`, each against `neutral` there.
pub fn kinds(rows: &mut Vec<Row>, pointer: &str, around: Value, neutral: Value, others: &[Value]) {
    for other in others {
        let tag = ["kind", "mode"]
            .into_iter()
            .find_map(|tag| other[tag].as_str());
        let of = |value: &Value| {
            let mut spec = around.clone();
            lay_over(&mut spec, at(pointer, value.clone()));
            spec
        };
        rows.push(Row {
            option: format!("{pointer}/{}", tag.expect("it has a kind")),
            sees: Sees::Weights,
            neutral: of(&neutral),
            changed: of(other),
        });
    }
}

/// Names that the field at `pointer` may have, each against `neutral`.
pub fn names(rows: &mut Vec<Row>, pointer: &str, around: Value, neutral: &str, others: &[&str]) {
    for other in others {
        let of = |name: &str| {
            let mut spec = around.clone();
            lay_over(&mut spec, at(pointer, name.into()));
            spec
        };
        rows.push(Row {
            option: format!("{}={other}", with_kinds(pointer, &around)),
            sees: Sees::Weights,
            neutral: of(neutral),
            changed: of(other),
        });
    }
}

/// A document with a value at a pointer.
pub fn at(pointer: &str, value: Value) -> Value {
    let names = pointer.rsplit('/').filter(|name| !name.is_empty());
    names.fold(value, |inner, name| json!({name: inner}))
}

/// A pointer with the kinds of the objects on its way.
fn with_kinds(pointer: &str, document: &Value) -> String {
    let (mut named, mut here) = (String::new(), document);
    for name in pointer.split('/').filter(|name| !name.is_empty()) {
        named.push_str(&format!("/{name}"));
        here = here.get(name).unwrap_or(&Value::Null);
        let tag = ["kind", "mode"]
            .into_iter()
            .find_map(|tag| here.get(tag)?.as_str());
        if let Some(tag) = tag {
            named.push_str(&format!("/{tag}"));
        }
    }
    named
}
