//! Assertions on what an agent did, as far as the tool calls of its answer show it.

use serde_json::{Map, Value, json};

use super::assertions::{Reading, Refusal, why_not};
use super::templates::literal_value;
use super::tree::{Item, object};
use super::values::names_of;

impl Reading<'_> {
    /// The scorer of an assertion on the path of an agent.
    pub(super) fn trajectory(&mut self, base: &str, value: &Item) -> Result<Map<String, Value>, Refusal> {
        self.remark("as far as the tool calls in the answer show it; karat receives no traces");
        match base {
            "trajectory:tool-used" => self.tool_used(value),
            "trajectory:tool-sequence" => {
                let steps = value.get("steps").unwrap_or(value);
                let name = |step: &Item| step.get("name").and_then(Item::scalar).or_else(|| step.scalar());
                let names: Option<Vec<String>> = steps.items().iter().map(name).collect();
                let names = names.filter(|names| !names.is_empty()).ok_or("it names no tools")?;
                let exact = value.get("mode").and_then(Item::text) == Some("exact");
                Ok(calls(names.into_iter().map(|name| json!({"name": name})).collect(), true, !exact))
            }
            "trajectory:tool-args-match" => {
                let name = value.get("name").and_then(Item::scalar).ok_or("it names no tool")?;
                let arguments = value.get("args").or_else(|| value.get("arguments")).ok_or("it has no arguments")?;
                let exact = value.get("mode").and_then(Item::text) == Some("exact");
                let call = json!({"name": name, "arguments": literal_value(&arguments.value())});
                let mut scorer = calls(vec![call], false, true);
                scorer.insert("extra_arguments".to_owned(), json!(!exact));
                Ok(scorer)
            }
            "trajectory:step-count" => step_count(value),
            other => Err(why_not(other)),
        }
    }

    fn tool_used(&mut self, value: &Item) -> Result<Map<String, Value>, Refusal> {
        let names = match value.get("name").and_then(Item::scalar) {
            Some(name) => vec![name],
            None => names_of(value),
        };
        if names.is_empty() || names.iter().any(|name| name.contains(['*', '?'])) {
            return Err("it names no tool; patterns of names have no counterpart".to_owned());
        }
        if value.get("max").is_some() || value.get("min").is_some() {
            self.remark("how often the tool is called is not checked");
        }
        let used = names.into_iter().map(|name| json!({"name": name})).collect();
        let mut scorer = calls(used, false, true);
        scorer.insert("extra_arguments".to_owned(), json!(true));
        Ok(scorer)
    }
}

fn step_count(value: &Item) -> Result<Map<String, Value>, Refusal> {
    let part = |key: &str, sign: &str| {
        let limit = value.get(key).and_then(Item::number)?;
        Some(format!("(tool_calls or []) | length {sign} {limit}"))
    };
    let parts: Vec<String> = [part("min", ">="), part("max", "<=")].into_iter().flatten().collect();
    match parts.is_empty() {
        true => Err("it has neither min nor max".to_owned()),
        false => Ok(object([("type", json!("expression")), ("expression", json!(parts.join(" and ")))])),
    }
}

fn calls(calls: Vec<Value>, strict: bool, extra: bool) -> Map<String, Value> {
    let mut scorer = object([("type", json!("tool_calls")), ("calls", Value::Array(calls))]);
    if strict {
        scorer.insert("order".to_owned(), json!("strict"));
    }
    if extra {
        scorer.insert("extra_calls".to_owned(), json!(true));
    }
    scorer.insert("threshold".to_owned(), json!(1));
    scorer
}
