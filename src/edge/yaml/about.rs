//! The JSON Schema of a file type, and the description it contains of one value.

use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use super::fault::Step;

/// The schema of `T`, in which a single item is accepted in place of a list.
pub(crate) fn schema_of<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft2020_12().with_transform(as_read);
    settings.into_generator().into_root_schema_for::<T>()
}

/// Accepts a single item wherever a list is expected, as the reader does. Removes default durations: schemars writes
/// them in a form that no user would write, and the descriptions give them anyway.
fn as_read(schema: &mut Schema) {
    transform_subschemas(&mut as_read, schema);
    if schema.get("default").is_some_and(|default| default.get("nanos").is_some()) {
        schema.remove("default");
    }
    let is_list = match schema.get("type") {
        Some(Value::String(kind)) => kind == "array",
        Some(Value::Array(kinds)) => kinds.contains(&json!("array")),
        _ => false,
    };
    let (true, Some(items)) = (is_list, schema.get("items").cloned()) else { return };
    let list = json!({"type": schema.remove("type"), "items": schema.remove("items")});
    schema.insert("anyOf".to_owned(), json!([list, items]));
}

/// The description of a value in the schema of `T`, prefixed with its key.
pub(super) fn description<T: JsonSchema>(steps: &[Step]) -> Option<String> {
    let root = schema_of::<T>().to_value();
    let text = describe(&root, &root, steps)?.replace('\n', " ");
    let Some(Step::Key(key)) = steps.last() else { return Some(text) };
    Some(format!("{key}: {text}"))
}

fn describe<'s>(root: &'s Value, schema: &'s Value, steps: &[Step]) -> Option<&'s str> {
    let target = schema["$ref"].as_str().and_then(|name| root.pointer(name.strip_prefix('#')?));
    let here = match steps.split_first() {
        None => schema["description"].as_str(),
        Some((Step::Key(key), rest)) => [&schema["properties"][key.as_str()], &schema["additionalProperties"]]
            .into_iter()
            .find_map(|value| describe(root, value, rest)),
        Some((Step::Index(_), rest)) => describe(root, &schema["items"], rest),
    };
    let alternatives = || schema["anyOf"].as_array().into_iter().flatten().chain(target);
    here.or_else(|| alternatives().find_map(|alternative| describe(root, alternative, steps)))
}
