//! Documents people write, and the changes they make to them on the command line.

use serde_json::Value;

/// A document that cannot be read or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DocumentError(String);

/// Reads the fields of a YAML (or JSON) text.
///
/// # Errors
/// It is not YAML, or not an object; the message names the line.
pub fn parse(text: &str) -> Result<Value, DocumentError> {
    let value: Value =
        serde_norway::from_str(text).map_err(|error| DocumentError(error.to_string()))?;
    match value.is_object() {
        true => Ok(value),
        false => Err(DocumentError(format!(
            "wanted fields such as `name: my-sweep`, found {value}"
        ))),
    }
}

/// One `--set fit.epochs=5`.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    path: Vec<String>,
    value: Value,
}

impl std::str::FromStr for Change {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("{text:?}: want FIELD=VALUE, such as fit.epochs=5");
        let (path, value) = text.split_once('=').ok_or_else(wanted)?;
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err(wanted());
        }
        // `dataset=birds` is what one changes most.
        let path = match path.as_slice() {
            [only] if only == "dataset" => vec!["data".into(), "dataset".into()],
            _ => path,
        };
        let value = serde_norway::from_str(value).map_err(|error| error.to_string())?;
        Ok(Self { path, value })
    }
}

impl Change {
    /// Sets the field in `document`, making the objects on the way to it.
    ///
    /// # Errors
    /// Something on the way is there and is no object.
    pub fn apply(&self, document: &mut Value) -> Result<(), DocumentError> {
        let mut here = document;
        for (depth, field) in self.path.iter().enumerate() {
            if here.is_null() {
                *here = Value::Object(Default::default());
            }
            let Value::Object(fields) = here else {
                return Err(DocumentError(format!(
                    "--set {}: {} is {here}, which has no fields",
                    self.path.join("."),
                    self.path[..depth].join(".")
                )));
            };
            here = fields.entry(field.clone()).or_insert(Value::Null);
        }
        *here = self.value.clone();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_mistake_names_its_line() {
        let said = parse("name: a\n  base: 3\n").unwrap_err().to_string();
        assert!(said.contains("line 2"), "{said}");
        let said = parse("just words").unwrap_err().to_string();
        assert!(said.contains("wanted fields"), "{said}");
    }

    #[test]
    fn scientific_notation_is_a_number() {
        assert_eq!(parse("lr: 1.0e-3").unwrap(), json!({"lr": 0.001}));
    }

    #[test]
    fn changes_reach_into_the_document() {
        let mut document = json!({"fit": {"epochs": 2}});
        for change in [
            "dataset=birds",
            "fit.epochs=5",
            "optimizer={kind: sgd, lr: 0.1}",
        ] {
            change
                .parse::<Change>()
                .unwrap()
                .apply(&mut document)
                .unwrap();
        }
        assert_eq!(
            document,
            json!({"fit": {"epochs": 5}, "data": {"dataset": "birds"}, "optimizer": {"kind": "sgd", "lr": 0.1}})
        );
        let deeper: Change = "fit.epochs.first=1".parse().unwrap();
        let said = deeper.apply(&mut document).unwrap_err().to_string();
        assert_eq!(
            said,
            "--set fit.epochs.first: fit.epochs is 5, which has no fields"
        );
        assert!("fit.epochs".parse::<Change>().is_err());
    }
}
