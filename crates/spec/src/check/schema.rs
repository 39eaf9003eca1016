//! The schema's part of a check: every mistake of a raw document, with its pointer and what would be right.

use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind as Kind;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{MAX_VIOLATIONS, Violation, Violations, one_of, pointer_to};

/// A type's JSON schema, compiled.
pub(super) struct Schema {
    root: Value,
    validator: Validator,
}

impl Schema {
    pub fn of<T: JsonSchema>() -> Self {
        let root = schemars::schema_for!(T).to_value();
        let validator = jsonschema::validator_for(&root).expect("derived schemas are valid");
        Self { root, validator }
    }

    pub fn read<T: DeserializeOwned>(&self, raw: &Value) -> Result<T, Violations> {
        // Nearly every document is right, and to see that is much faster than to look for errors.
        if !self.validator.is_valid(raw) {
            let mut found = Vec::new();
            for error in self.validator.iter_errors(raw) {
                self.explain(&error, raw, &mut found);
                if found.len() >= MAX_VIOLATIONS {
                    break;
                }
            }
            found.truncate(MAX_VIOLATIONS);
            return Err(Violations(found));
        }
        // To the schema 10.0 is an integer, as in JSON; to serde it is none.
        T::deserialize(raw)
            .or_else(|_| T::deserialize(&with_integers(raw)))
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
        // What a text with a pattern means, in words.
        let description = || {
            let of_text = error.schema_path().as_str().trim_end_matches("/pattern");
            self.root
                .pointer(&format!("{of_text}/description"))?
                .as_str()
        };
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
                for field in unexpected.iter().take(MAX_VIOLATIONS) {
                    let field_pointer = pointer_to(&pointer, field);
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
                let expected = match (kind, description()) {
                    (Kind::Pattern { .. }, Some(description)) => description.to_owned(),
                    _ => expectation(kind, schema_here()),
                };
                out.push(Violation::new(&pointer, at(&pointer), expected));
            }
        }
    }
}

/// The same document, its whole numbers written as such where they are exact.
fn with_integers(raw: &Value) -> Value {
    const MAX_EXACT: f64 = (1_u64 << 53) as f64;
    match raw {
        Value::Number(number) if number.is_f64() => match number.as_f64() {
            Some(x) if x.fract() == 0.0 && x.abs() <= MAX_EXACT => Value::from(x as i64),
            _ => raw.clone(),
        },
        Value::Array(items) => items.iter().map(with_integers).collect(),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| (name.clone(), with_integers(value));
            fields.iter().map(field).collect()
        }
        _ => raw.clone(),
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
