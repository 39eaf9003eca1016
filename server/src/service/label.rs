//! Short names of trials, made of what sets them apart.

use cultivar_spec::TrialSpec;
use serde_json::Value;

/// Longest label in characters.
const MAX_CHARS: usize = 120;

/// Backbone and adaptation, for a trial on its own.
pub fn of_spec(spec: &TrialSpec) -> String {
    if spec.is_external() {
        return "external".into();
    }
    format!("{} {}", spec.backbone.name, spec.adaptation.mode())
}

/// What a sweep varies, `sgd lr=0.01 mish`; where it varies nothing, as for a trial on its own.
pub fn of_overlay(overlay: &Value, spec: &TrialSpec) -> String {
    let mut words = Vec::new();
    collect("", "", overlay, &mut words);
    if words.is_empty() {
        return of_spec(spec);
    }
    shortened(words)
}

/// The words in a row; where they are too many, the first of them and an ellipsis.
fn shortened(words: Vec<String>) -> String {
    let whole = words.join(" ");
    if whole.chars().count() <= MAX_CHARS {
        return whole;
    }
    let mut label = String::new();
    for word in words {
        if label.chars().count() + word.chars().count() + 2 > MAX_CHARS {
            break;
        }
        label.push_str(&word);
        label.push(' ');
    }
    label + "…"
}

/// Tags come before the fields they govern. A name speaks for itself, a number needs its field's name; `none` is
/// said of the subject, which of a tag is the object it stands in.
fn collect(key: &str, subject: &str, value: &Value, words: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let (tags, rest): (Vec<_>, Vec<_>) = fields.iter().partition(|(name, _)| is_tag(name));
            for (name, value) in tags {
                collect(name, key, value, words);
            }
            for (name, value) in rest {
                collect(name, name, value, words);
            }
        }
        Value::String(text) if text == "none" => words.push(format!("no {subject}")),
        Value::String(text) => words.push(text.clone()),
        // Left open.
        Value::Null => {}
        other => words.push(format!("{key}={other}")),
    }
}

/// Fields that say which of several objects this is.
fn is_tag(field: &str) -> bool {
    ["kind", "mode", "name"].contains(&field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(overlay: Value, expect: &str) {
        assert_eq!(of_overlay(&overlay, &TrialSpec::example()), expect);
    }

    #[test]
    fn a_long_label_ends_with_a_whole_word() {
        let words = |n: usize| vec!["lr=0.1234567".to_owned(); n];
        assert_eq!(shortened(words(9)), words(9).join(" "), "116 characters");
        assert_eq!(shortened(words(40)), words(9).join(" ") + " …");
    }

    #[test]
    fn labels_say_what_varies() {
        check(
            json!({"optimizer": {"lr": 0.003, "kind": "adamw"}, "backbone": {"activation": "mish"}}),
            "mish adamw lr=0.003",
        );
        check(json!({"augment": {"mix": {"kind": "none"}}}), "no mix");
        check(
            json!({"loss": {"kind": "cross_entropy", "smoothing": 0.1}}),
            "cross_entropy smoothing=0.1",
        );
        check(json!({}), "efficientnet_lite0 full");
    }
}
