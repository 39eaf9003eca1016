//! Specs as the database has them. A claim passes on what was checked when it was queued: reading it and writing it again was a
//! fifth of the server's time under load.

use cultivar_spec::TrialSpec;
use cultivar_spec::trial::{Backbone, Data, Objective, Task};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A trial spec that nobody has read.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SpecText(Box<RawValue>);

impl SpecText {
    /// The spec, or the parts of it that `T` has.
    ///
    /// # Errors
    /// It is no such spec.
    pub fn read<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(self.0.get())
    }
}

/// What the server itself wants to know of a spec that it hands out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Gist {
    pub task: Task,
    pub objective: Objective,
    pub data: Data,
    pub backbone: Backbone,
}

/// Documented as what it is the text of.
impl JsonSchema for SpecText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        TrialSpec::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        TrialSpec::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        TrialSpec::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_passed_on_is_the_spec() {
        let spec = TrialSpec::example();
        let stored = serde_json::to_string(&spec).unwrap();
        let text: SpecText = serde_json::from_str(&stored).unwrap();
        assert_eq!(serde_json::to_string(&text).unwrap(), stored);
        assert_eq!(text.read::<TrialSpec>().unwrap(), spec);
        let gist: Gist = text.read().unwrap();
        assert_eq!((gist.data, gist.backbone), (spec.data, spec.backbone));
        assert_eq!((gist.task, gist.objective), (spec.task, spec.objective));
    }
}
