//! From raw JSON to a checked spec: the schema first, so that every mistake is reported at once
//! with its JSON pointer, then the rules that tie fields together.

use std::any::TypeId;
use std::collections::HashMap;
use std::fmt;
use std::sync::{LazyLock, RwLock};

use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind as Kind;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::trial::{Adaptation, Crop, Mix};
use crate::{SweepSpec, TrialSpec, backbones};

/// One thing wrong with a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Violation {
    /// JSON pointer (RFC 6901) to the value.
    pub pointer: String,
    /// The value found there; `null` where nothing was.
    pub value: Value,
    /// What would be right.
    pub expected: String,
}

impl Violation {
    pub fn new(
        pointer: impl Into<String>,
        value: impl Into<Value>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            pointer: pointer.into(),
            value: value.into(),
            expected: expected.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.pointer.is_empty() {
            "/"
        } else {
            &self.pointer
        };
        write!(
            f,
            "{at}: {} is wrong, expected {}",
            self.value, self.expected
        )
    }
}

/// Everything wrong with a document; never empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Violations(pub Vec<Violation>);

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, violation) in self.0.iter().enumerate() {
            let separator = if idx == 0 { "" } else { "\n" };
            write!(f, "{separator}{violation}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}

/// Checks a trial spec and reads it. Defaults that depend on other fields are written out.
///
/// # Errors
/// Every violation of the schema or, if there is none, of the rules between fields.
pub fn trial(raw: &Value) -> Result<TrialSpec, Violations> {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::of::<TrialSpec>);
    let mut spec: TrialSpec = SCHEMA.read(raw)?;
    let violations = trial_rules(&spec);
    if !violations.is_empty() {
        return Err(Violations(violations));
    }
    spec.write_out_defaults();
    Ok(spec)
}

/// Checks the frame of a sweep and reads it. Its base and space are checked with the trials they make.
///
/// # Errors
/// Every violation of the schema.
pub fn sweep(raw: &Value) -> Result<SweepSpec, Violations> {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::of::<SweepSpec>);
    SCHEMA.read(raw)
}

/// Checks any other document of the API. Each type's schema is compiled once.
///
/// # Errors
/// Every violation of the schema.
pub fn document<T: JsonSchema + DeserializeOwned + 'static>(raw: &Value) -> Result<T, Violations> {
    static COMPILED: LazyLock<RwLock<HashMap<TypeId, &'static Schema>>> =
        LazyLock::new(RwLock::default);
    let id = TypeId::of::<T>();
    let known = COMPILED
        .read()
        .expect("no panic under the lock")
        .get(&id)
        .copied();
    let schema = known.unwrap_or_else(|| {
        let mut compiled = COMPILED.write().expect("no panic under the lock");
        compiled
            .entry(id)
            .or_insert_with(|| Box::leak(Box::new(Schema::of::<T>())))
    });
    schema.read(raw)
}

/// The rules that tie fields of a trial spec together.
fn trial_rules(spec: &TrialSpec) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut rule = |holds: bool, pointer: &str, value: Value, expected: String| {
        if !holds {
            found.push(Violation::new(pointer, value, expected));
        }
    };
    rule(
        !spec.data.dataset.is_empty(),
        "/data/dataset",
        Value::from(spec.data.dataset.as_str()),
        "the name of a registered dataset".into(),
    );
    rule(
        backbones::find(&spec.backbone.name).is_some(),
        "/backbone/name",
        Value::from(spec.backbone.name.as_str()),
        format!(
            "one of {}",
            one_of(backbones::BACKBONES.iter().map(|b| b.name))
        ),
    );
    let natural = spec.objective.metric.direction();
    rule(
        spec.objective.direction == natural,
        "/objective/direction",
        json(&spec.objective.direction),
        format!("{} for {}", json(&natural), spec.objective.metric.name()),
    );
    for (idx, std) in spec.input.std.iter().flatten().enumerate() {
        rule(
            *std > 0.0,
            &format!("/input/std/{idx}"),
            json(std),
            "a number above 0".into(),
        );
    }
    let augment = spec.augment();
    if let Crop::RandomResized { scale, ratio } = &augment.crop {
        rule(
            scale[0] <= scale[1],
            "/augment/crop/scale",
            json(scale),
            "the smaller bound first".into(),
        );
        rule(
            ratio[0] <= ratio[1],
            "/augment/crop/ratio",
            json(ratio),
            "the smaller bound first".into(),
        );
    }
    if let Mix::Cutmix { .. } = augment.mix {
        rule(
            spec.fit.batch_size > 1,
            "/fit/batch_size",
            json(&spec.fit.batch_size),
            "at least 2, since cutmix mixes the images of a batch".into(),
        );
    }
    if let Adaptation::HeadOnly {} = spec.adaptation {
        let frozen = "head_only trains on cached features of unaugmented images";
        rule(
            augment.crop == Crop::Center {},
            "/augment/crop",
            json(&augment.crop),
            format!("{{\"kind\": \"center\"}}: {frozen}"),
        );
        rule(
            augment.flip.horizontal == 0.0,
            "/augment/flip/horizontal",
            json(&augment.flip.horizontal),
            format!("0: {frozen}"),
        );
        rule(
            augment.flip.vertical == 0.0,
            "/augment/flip/vertical",
            json(&augment.flip.vertical),
            format!("0: {frozen}"),
        );
        rule(
            augment.mix == Mix::None {},
            "/augment/mix",
            json(&augment.mix),
            format!(
                "{{\"kind\": \"none\"}}: {frozen}; use adaptation {{\"mode\": \"full\"}} to mix images"
            ),
        );
        rule(
            spec.backbone.drop_path == 0.0,
            "/backbone/drop_path",
            json(&spec.backbone.drop_path),
            "0: a frozen backbone drops nothing".into(),
        );
    }
    found
}

fn json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).expect("spec types serialize")
}

fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// A type's JSON schema, compiled.
struct Schema {
    root: Value,
    validator: Validator,
}

impl Schema {
    fn of<T: JsonSchema>() -> Self {
        let root = schemars::schema_for!(T).to_value();
        let validator = jsonschema::validator_for(&root).expect("derived schemas are valid");
        Self { root, validator }
    }

    fn read<T: DeserializeOwned>(&self, raw: &Value) -> Result<T, Violations> {
        let mut found = Vec::new();
        for error in self.validator.iter_errors(raw) {
            self.explain(&error, raw, &mut found);
        }
        if !found.is_empty() {
            return Err(Violations(found));
        }
        // What the schema lets through and serde does not, 10.0 for an integer, say.
        T::deserialize(raw)
            .map_err(|e| Violations(vec![Violation::new("", Value::Null, e.to_string())]))
    }

    /// Turns one error into violations a person can act on. An error about alternatives is replaced
    /// by the errors of the alternative that was meant: the one whose tag matches.
    fn explain(
        &self,
        error: &jsonschema::ValidationError<'_>,
        raw: &Value,
        out: &mut Vec<Violation>,
    ) {
        let pointer = error.instance_path().as_str().to_owned();
        let at = |pointer: &str| raw.pointer(pointer).cloned().unwrap_or(Value::Null);
        let schema_here = || {
            let path = error.schema_path().as_str();
            self.root.pointer(path).unwrap_or(&Value::Null)
        };
        match error.kind() {
            Kind::OneOfNotValid { context } | Kind::AnyOf { context } => {
                let meant = context
                    .iter()
                    .filter(|errors| !rules_itself_out(errors, &pointer))
                    .min_by_key(|errors| errors.len());
                if let Some(errors) = meant {
                    errors
                        .iter()
                        .for_each(|error| self.explain(error, raw, out));
                    return;
                }
                let branches = schema_here()
                    .as_array()
                    .map(Vec::as_slice)
                    .unwrap_or_default();
                match tag_of(branches) {
                    Some((tag, names)) if at(&pointer).is_object() => {
                        let tag_pointer = format!("{pointer}/{tag}");
                        let value = at(&tag_pointer);
                        out.push(Violation::new(
                            tag_pointer,
                            value,
                            format!("one of {names}"),
                        ));
                    }
                    Some((tag, names)) => out.push(Violation::new(
                        &pointer,
                        at(&pointer),
                        format!("an object whose {tag} is one of {names}"),
                    )),
                    None => {
                        let mut names: Vec<String> = branches.iter().flat_map(describe).collect();
                        names.dedup();
                        out.push(Violation::new(
                            &pointer,
                            at(&pointer),
                            format!("one of {}", names.join(", ")),
                        ));
                    }
                }
            }
            Kind::AdditionalProperties { unexpected } => {
                let object = error
                    .schema_path()
                    .as_str()
                    .trim_end_matches("/additionalProperties");
                let known = self
                    .root
                    .pointer(&format!("{object}/properties"))
                    .and_then(Value::as_object);
                let known = known
                    .map(|fields| one_of(fields.keys().map(String::as_str)))
                    .unwrap_or_default();
                for field in unexpected {
                    let field_pointer =
                        format!("{pointer}/{}", field.replace('~', "~0").replace('/', "~1"));
                    let value = at(&field_pointer);
                    out.push(Violation::new(
                        field_pointer,
                        value,
                        format!("no such field; the fields here are {known}"),
                    ));
                }
            }
            Kind::Required { property } => {
                let field = property.as_str().unwrap_or_default();
                out.push(Violation::new(
                    format!("{pointer}/{field}"),
                    Value::Null,
                    "a value: the field is required",
                ));
            }
            kind => {
                let expected = expectation(kind, schema_here());
                out.push(Violation::new(&pointer, at(&pointer), expected));
            }
        }
    }
}

/// Whether a branch of an alternative was not the one meant: wrong tag, or another type altogether.
fn rules_itself_out(errors: &[jsonschema::ValidationError<'_>], pointer: &str) -> bool {
    errors.iter().any(|error| {
        let path = error.instance_path().as_str();
        let here = path == pointer;
        match error.kind() {
            Kind::Type { .. } | Kind::Enum { .. } => here,
            Kind::Constant { .. } => {
                here || path
                    .rsplit_once('/')
                    .is_some_and(|(parent, _)| parent == pointer)
            }
            Kind::Required { property } => {
                here && matches!(property.as_str(), Some("kind" | "mode"))
            }
            _ => false,
        }
    })
}

/// The tag of a tagged enum's schema and the names it may have.
fn tag_of(branches: &[Value]) -> Option<(&str, String)> {
    let tag = ["kind", "mode"].into_iter().find(|tag| {
        !branches.is_empty()
            && branches.iter().all(|branch| {
                branch
                    .pointer(&format!("/properties/{tag}/const"))
                    .is_some()
            })
    })?;
    let names = branches.iter().filter_map(|branch| {
        branch
            .pointer(&format!("/properties/{tag}/const"))?
            .as_str()
    });
    Some((tag, one_of(names)))
}

/// The values or types a branch admits.
fn describe(branch: &Value) -> Vec<String> {
    if let Some(value) = branch.get("const") {
        return vec![plain(value)];
    }
    if let Some(values) = branch.get("enum").and_then(Value::as_array) {
        return values.iter().map(plain).collect();
    }
    match branch.get("type") {
        Some(kind) => vec![plain(kind)],
        None => Vec::new(),
    }
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// What the failed keyword asked for.
fn expectation(kind: &Kind, here: &Value) -> String {
    match kind {
        Kind::Minimum { limit } => format!("a number of at least {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("a number above {limit}"),
        Kind::Maximum { limit } => format!("a number of at most {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("a number below {limit}"),
        Kind::MinLength { limit } => format!("a text of at least {limit} characters"),
        Kind::MaxLength { limit } => format!("a text of at most {limit} characters"),
        Kind::MinItems { limit } => format!("at least {limit} items"),
        Kind::MaxItems { limit } => format!("at most {limit} items"),
        Kind::Pattern { pattern } => format!("a text that matches {pattern}"),
        Kind::Constant { expected_value } => plain(expected_value),
        Kind::Enum { options } => {
            format!(
                "one of {}",
                options
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(plain)
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        }
        Kind::Type { .. } => match here {
            Value::Array(kinds) => kinds.iter().map(plain).collect::<Vec<_>>().join(" or "),
            kind => plain(kind),
        },
        other => format!("what {} asks for: {here}", other.keyword()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(overlay: Value, expect: &[(&str, &str)]) {
        let mut raw = json!({"data": {"dataset": "d"}});
        for (key, value) in overlay.as_object().unwrap() {
            raw[key] = value.clone();
        }
        let found = match trial(&raw) {
            Ok(_) => Vec::new(),
            Err(violations) => violations.0,
        };
        assert_eq!(found.len(), expect.len(), "{found:#?}");
        for (pointer, expected) in expect {
            assert!(
                found
                    .iter()
                    .any(|v| v.pointer == *pointer && v.expected.contains(expected)),
                "no {pointer} with {expected:?} in {found:#?}"
            );
        }
    }

    #[test]
    fn a_minimal_spec_passes_with_defaults_written_out() {
        let spec = trial(&json!({"data": {"dataset": "d"}})).unwrap();
        assert!(spec.augment.is_some());
        assert_eq!(spec.fit.eval_resolution, Some(224));
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        check(
            json!({
                "optimiser": {},
                "optimizer": {"kind": "sgd", "lr": -1.0, "momentumm": 0.9},
                "fit": {"epochs": "ten", "batch_size": 0},
                "backbone": {"activation": "swoosh"},
            }),
            &[
                ("/optimiser", "the fields here are adaptation"),
                ("/optimizer/lr", "above 0"),
                ("/optimizer/momentumm", "momentum, nesterov"),
                ("/fit/epochs", "integer"),
                ("/fit/batch_size", "at least 1"),
                ("/backbone/activation", "mish"),
            ],
        );
    }

    #[test]
    fn an_unknown_or_missing_tag_names_the_variants() {
        check(
            json!({"optimizer": {"kind": "sgdd"}}),
            &[("/optimizer/kind", "one of sgd, adamw, ranger")],
        );
        check(
            json!({"optimizer": {"lr": 0.1}}),
            &[("/optimizer/kind", "one of sgd, adamw, ranger")],
        );
        check(
            json!({"optimizer": "sgd"}),
            &[("/optimizer", "an object whose kind is one of sgd")],
        );
    }

    #[test]
    fn mistakes_below_an_optional_object_keep_their_pointer() {
        check(
            json!({"augment": {"flip": {"horizontal": 2.0}}}),
            &[("/augment/flip/horizontal", "at most 1")],
        );
        check(
            json!({"augment": {"mix": {"kind": "cutmix", "beta": 1}}}),
            &[("/augment/mix/beta", "alpha")],
        );
    }

    #[test]
    fn head_only_refuses_augmentation() {
        check(
            json!({"adaptation": {"mode": "head_only"}, "augment": {"mix": {"kind": "cutmix"}}}),
            &[
                ("/augment/crop", "center"),
                ("/augment/flip/horizontal", "0"),
                ("/augment/mix", "none"),
            ],
        );
        check(json!({"adaptation": {"mode": "head_only"}}), &[]);
    }

    #[test]
    fn names_must_be_known() {
        check(
            json!({"backbone": {"name": "resnet9000"}}),
            &[("/backbone/name", "efficientnet_lite0")],
        );
        check(
            json!({"data": {}}),
            &[("/data/dataset", "registered dataset")],
        );
        check(
            json!({"backbone": {"weights": "file:/etc/passwd"}}),
            &[("/backbone/weights", "pretrained")],
        );
    }
}
