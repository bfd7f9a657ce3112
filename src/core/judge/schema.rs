//! The form of a verdict for each kind of judgement: its fields, and their JSON Schema.
//!
//! Servers that enforce a schema generate the fields in its order, and JSON objects are written here with their keys
//! sorted. The names are chosen so that the sorted order is the right one: reasons come before the verdict that follows
//! from them, and `verdict_id` is last. It must be last: if a judge quotes an answer without escaping it and the
//! quotation ends its object early, that object lacks the id.
//!
//! The schema does not contain the id. A server that enforced it would put it into every reply, and a verdict copied
//! from an answer would then carry it too.

use serde_json::{Map, Value, json};

use super::kind::{JudgeKind, Relation};

/// The field that proves that a verdict is the judge's own.
pub(super) const ID_FIELD: &str = "verdict_id";

/// One field of a verdict.
pub(super) struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it contains, as told to the judge.
    pub about: String,
    /// Its schema without a description.
    schema: Value,
}

impl Field {
    fn new(name: &'static str, about: impl Into<String>, schema: Value) -> Self {
        Self { name, about: about.into(), schema }
    }
}

/// The fields of a verdict in their order, except for [`ID_FIELD`], which is the last one. `sources` is the number of
/// texts in the context.
pub(super) fn fields(kind: JudgeKind, sources: usize) -> Vec<Field> {
    let reason =
        || Field::new("reason", "one to three sentences on what decides the verdict", json!({"type": "string"}));
    match kind {
        JudgeKind::Rubric | JudgeKind::AnswerRelevance => {
            vec![reason(), Field::new("score", "a number from 0 to 1", json!({"type": "number"}))]
        }
        JudgeKind::GEval { scale } => {
            let grades: Vec<u32> = (1..=scale).collect();
            let about = format!("the grade, a whole number from 1 to {scale}");
            vec![reason(), Field::new("score", about, json!({"type": "integer", "enum": grades}))]
        }
        JudgeKind::ClosedQa => {
            let about = "true if the answer meets the criterion, false if not";
            vec![reason(), Field::new("verdict", about, json!({"type": "boolean"}))]
        }
        JudgeKind::Factuality(_) => {
            let letters: Vec<String> = Relation::ALL.map(|relation| relation.letter().to_string()).to_vec();
            let option = |relation: Relation| format!("\"{}\" if {}", relation.letter(), relation.about());
            let about = format!("the letter of the case that applies: {}", Relation::ALL.map(option).join("; "));
            vec![reason(), Field::new("verdict", about, json!({"type": "string", "enum": letters}))]
        }
        JudgeKind::Pairwise => {
            let about = "\"A\" if answer A is better, \"B\" if answer B is better, \"tie\" if they are equally good";
            vec![reason(), Field::new("verdict", about, json!({"type": "string", "enum": ["A", "B", "tie"]}))]
        }
        JudgeKind::ContextFaithfulness | JudgeKind::ContextRecall => vec![claims()],
        JudgeKind::ContextPrecision => vec![judged_sources(sources)],
    }
}

fn claims() -> Field {
    let about = "a list with an object for each claim, in order. Its fields are \"claim\", the claim in one sentence; \
                 \"evidence\", what the context says about it in one sentence; and \"supported\", true or false. The \
                 list is empty if there is no claim";
    let item = object(&[
        ("claim", json!({"type": "string"})),
        ("evidence", json!({"type": "string"})),
        ("supported", json!({"type": "boolean"})),
    ]);
    Field::new("claims", about, json!({"type": "array", "items": item}))
}

fn judged_sources(sources: usize) -> Field {
    let about = format!(
        "a list with an object for each of the {sources} numbered texts of the context, in order. Its fields are \
         \"number\", the number of the text; \"reason\", one sentence on what it contributes; and \"useful\", true or \
         false"
    );
    let item = object(&[
        ("number", json!({"type": "integer"})),
        ("reason", json!({"type": "string"})),
        ("useful", json!({"type": "boolean"})),
    ]);
    Field::new("sources", about, json!({"type": "array", "items": item}))
}

/// The JSON Schema of a verdict. It uses only what all servers with structured outputs accept: every field is required,
/// others are forbidden, and there are no limits on numbers or lengths.
pub(super) fn schema(kind: JudgeKind, sources: usize) -> Value {
    let described = |field: &Field| {
        let mut schema = field.schema.clone();
        if let Value::Object(keys) = &mut schema {
            keys.insert("description".to_owned(), Value::String(field.about.clone()));
        }
        (field.name, schema)
    };
    let mut properties: Vec<(&str, Value)> = fields(kind, sources).iter().map(described).collect();
    let id = json!({"type": "string", "description": "the id of this request, as given in the instructions"});
    properties.push((ID_FIELD, id));
    object(&properties)
}

fn object(properties: &[(&str, Value)]) -> Value {
    let required: Vec<&str> = properties.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> =
        properties.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::judge::tests::KINDS;

    /// Calls a function with every object schema.
    fn for_each_object(schema: &Value, check: &mut impl FnMut(&Value)) {
        if schema["type"] == "object" {
            check(schema);
            for property in schema["properties"].as_object().unwrap().values() {
                for_each_object(property, check);
            }
        }
        if let Some(items) = schema.get("items") {
            for_each_object(items, check);
        }
    }

    #[test]
    fn every_object_is_strict_and_its_sorted_keys_are_in_the_intended_order() {
        for kind in KINDS {
            for_each_object(&schema(kind, 3), &mut |object| {
                assert_eq!(object["additionalProperties"], false);
                let required: Vec<&str> =
                    object["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
                let mut sorted = required.clone();
                sorted.sort_unstable();
                assert_eq!(required, sorted, "{}", kind.name());
                let mut keys: Vec<&str> =
                    object["properties"].as_object().unwrap().keys().map(String::as_str).collect();
                keys.sort_unstable();
                assert_eq!(required, keys, "{}", kind.name());
            });
            let written = serde_json::to_string(&schema(kind, 3)).unwrap();
            assert!(!["minimum", "maximum", "pattern", "minItems", "const"].iter().any(|key| written.contains(key)));
            assert_eq!(schema(kind, 3)["required"].as_array().unwrap().last().unwrap(), ID_FIELD);
        }
    }

    #[test]
    fn grades_are_listed() {
        let schema = schema(JudgeKind::GEval { scale: 3 }, 0);
        assert_eq!(schema["properties"]["score"]["enum"], json!([1, 2, 3]));
    }
}
