//! The options there are.

use std::collections::BTreeSet;

use serde_json::Value;

/// Options as the schema has them: fields, kinds and names.
pub fn options(root: &Value, schema: &Value, path: &str, out: &mut BTreeSet<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let definition = root.pointer(reference.trim_start_matches('#'));
        return options(root, definition.expect("it is defined"), path, out);
    }
    let alternatives = ["allOf", "oneOf", "anyOf"]
        .into_iter()
        .find_map(|key| schema[key].as_array());
    for branch in alternatives.into_iter().flatten() {
        let tag = ["kind", "mode"]
            .into_iter()
            .find_map(|tag| branch["properties"][tag]["const"].as_str());
        match (tag, branch["const"].as_str()) {
            (Some(tag), _) => {
                let path = format!("{path}/{tag}");
                out.insert(path.clone());
                options_of_fields(root, branch, &path, out);
            }
            (None, Some(name)) => {
                out.insert(format!("{path}={name}"));
            }
            (None, None) if branch["type"] == "null" => {
                // A part that may be missing is an option of its own.
                out.insert(path.to_owned());
            }
            (None, None) => options(root, branch, path, out),
        }
    }
    if alternatives.is_some() {
        return;
    }
    if let Some(names) = schema["enum"].as_array() {
        let names = names.iter().filter_map(Value::as_str);
        out.extend(names.map(|name| format!("{path}={name}")));
    } else if schema["properties"].is_object() {
        options_of_fields(root, schema, path, out);
    } else if let Some(items) = schema
        .get("items")
        .filter(|items| items.get("$ref").is_some())
    {
        options(root, items, path, out);
    } else {
        out.insert(path.to_owned());
    }
}

fn options_of_fields(root: &Value, schema: &Value, path: &str, out: &mut BTreeSet<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        if field.get("const").is_none() {
            options(root, field, &format!("{path}/{name}"), out);
        }
    }
}
