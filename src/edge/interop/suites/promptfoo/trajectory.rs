//! Assertions on what an agent did, as far as the tool calls of its answer show it.

use serde_json::{Map, Value, json};

use super::assertions::{Reading, Refusal, why_not};
use super::templates::{is_template, literal_value};
use super::tree::{Item, Kind, object};

impl Reading<'_> {
    /// The scorer of an assertion on the path of an agent; `not` says whether its score is inverted later.
    pub(super) fn trajectory(&mut self, base: &str, value: &Item, not: bool) -> Result<Map<String, Value>, Refusal> {
        let scorer = match base {
            "trajectory:tool-used" => tool_used(value, not),
            "trajectory:tool-sequence" => {
                let steps = value.get("steps").unwrap_or(value);
                let names: Option<Vec<String>> = steps.items().iter().map(name_of).collect();
                let names = names.filter(|names| !names.is_empty()).ok_or("it names no tools")?;
                if names.iter().any(|name| is_pattern(name)) {
                    return Err("patterns of names have no counterpart in a sequence".to_owned());
                }
                let exact = value.get("mode").and_then(Item::text) == Some("exact");
                Ok(calls(names, true, !exact))
            }
            "trajectory:tool-args-match" => {
                let name = value.get("name").and_then(Item::scalar).ok_or("it names no tool")?;
                let arguments = value.get("args").or_else(|| value.get("arguments")).ok_or("it has no arguments")?;
                let exact = value.get("mode").and_then(Item::text) == Some("exact");
                let call = json!({"name": name, "arguments": literal_value(&arguments.value())});
                let mut scorer = calls(Vec::new(), false, true);
                scorer.insert("calls".to_owned(), json!([call]));
                scorer.insert("extra_arguments".to_owned(), json!(!exact));
                Ok(scorer)
            }
            "trajectory:step-count" => step_count(value),
            other => Err(why_not(other)),
        }?;
        self.remark("as far as the tool calls in the answer show it; karat receives no traces");
        Ok(scorer)
    }
}

/// The tools that are defined, in OpenAI's form, from that of OpenAI, Anthropic or Google.
pub(super) fn in_openai_form(tools: &[Value]) -> Vec<Value> {
    let function = |function: &Value| json!({"type": "function", "function": function});
    let mut found = Vec::new();
    for tool in tools {
        let of_google = tool.get("functionDeclarations").or_else(|| tool.get("function_declarations"));
        match (of_google.and_then(Value::as_array), tool.get("input_schema")) {
            (Some(declared), _) => found.extend(declared.iter().map(function)),
            (None, Some(schema)) => {
                found.push(function(&json!({"name": tool.get("name"), "parameters": schema})));
            }
            (None, None) => found.push(tool.clone()),
        }
    }
    found
}

fn name_of(step: &Item) -> Option<String> {
    step.get("pattern").or_else(|| step.get("name")).unwrap_or(step).scalar()
}

fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?'])
}

/// One tool, with how often it is called, or a list of tools.
fn tool_used(value: &Item, not: bool) -> Result<Map<String, Value>, Refusal> {
    let names = match &value.kind {
        Kind::List(items) => items.iter().map(name_of).collect::<Option<Vec<_>>>(),
        _ => name_of(value).map(|name| vec![name]),
    };
    let mut names = names.filter(|names| !names.is_empty()).ok_or("it names no tool")?;
    names.sort();
    names.dedup();
    let limit = |key: &str| value.get(key).and_then(Item::number);
    let is_plain = limit("max").is_none() && limit("min").is_none_or(|min| min == 1.0);
    // Inverted, a list means that none of the tools is called.
    if is_plain && !names.iter().any(|name| is_pattern(name)) && (names.len() == 1 || !not) {
        let mut scorer = calls(names, false, true);
        scorer.insert("extra_arguments".to_owned(), json!(true));
        return Ok(scorer);
    }
    let counts: Result<Vec<String>, Refusal> = names.iter().map(|name| number_of_calls(Some(name))).collect();
    let used = counts?.into_iter().map(|count| within(&count, limit("min").or(Some(1.0)), limit("max")));
    Ok(expression(&used.collect::<Vec<_>>().join(if not { " or " } else { " and " })))
}

fn step_count(value: &Item) -> Result<Map<String, Value>, Refusal> {
    let types = value.get("type").map(Item::items).unwrap_or_default();
    if types.iter().any(|kind| kind.text() != Some("tool")) {
        return Err("of the steps of an agent, only the tools it calls are in its answer".to_owned());
    }
    let limit = |key: &str| value.get(key).and_then(Item::number);
    let (min, max) = (limit("min"), limit("max"));
    if min.is_none() && max.is_none() {
        return Err("it has neither min nor max".to_owned());
    }
    let name = value.get("pattern").or_else(|| value.get("name")).and_then(Item::scalar);
    Ok(expression(&within(&number_of_calls(name.as_deref())?, min, max)))
}

/// An expression for the number of tool calls, or of those of a name, which may begin or end with `*`.
fn number_of_calls(name: Option<&str>) -> Result<String, Refusal> {
    if name.is_some_and(is_template) {
        return Err("the name of the tool is a template; write an expression over tool_calls".to_owned());
    }
    let quoted = |text: &str| json!(text).to_string();
    let filter = |test: &str, text: &str| format!(" | selectattr('function.name', '{test}', {})", quoted(text));
    let filters = match name.map(|name| (name, name.split_once('*'))) {
        None | Some(("*", _)) => String::new(),
        Some((name, None)) if !is_pattern(name) => filter("equalto", name),
        Some((_, Some((start, end)))) if !is_pattern(start) && !is_pattern(end) => {
            let parts = [("startingwith", start), ("endingwith", end)];
            parts.iter().filter(|(_, text)| !text.is_empty()).map(|(test, text)| filter(test, text)).collect()
        }
        Some(_) => {
            return Err("a pattern such as this has no counterpart; write an expression over tool_calls".to_owned());
        }
    };
    Ok(format!("(tool_calls or []){filters} | list | length"))
}

fn within(count: &str, min: Option<f64>, max: Option<f64>) -> String {
    match (min, max) {
        (Some(min), Some(max)) if min == max => format!("{count} == {min}"),
        (min, max) => {
            let part = |sign: &str, limit: f64| format!("{count} {sign} {limit}");
            let parts = [min.map(|min| part(">=", min)), max.map(|max| part("<=", max))];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            if parts.len() > 1 { format!("({})", parts.join(" and ")) } else { parts.concat() }
        }
    }
}

fn expression(text: &str) -> Map<String, Value> {
    object([("type", json!("expression")), ("expression", json!(text))])
}

fn calls(names: Vec<String>, strict: bool, extra: bool) -> Map<String, Value> {
    let calls: Vec<Value> = names.into_iter().map(|name| json!({"name": name})).collect();
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

#[cfg(test)]
mod tests {
    use super::super::tests::Recorded;
    use super::*;
    use crate::core::domain::Score;
    use crate::core::scoring::{Answer, CompiledScorers};
    use crate::edge::config::example_scorers;

    fn imported(assertion: &str) -> Recorded {
        Recorded::config(&format!(
            "prompts: ['{{{{q}}}}']\nproviders: [echo]\ntests: [{{vars: {{q: a}}, assert: [{assertion}]}}]\n"
        ))
    }

    /// Whether answers with these calls pass an assertion, as imported.
    fn passes(assertion: &str, answers: &[&[&str]]) -> Vec<bool> {
        let out = imported(assertion);
        let scorers = &out.suite("shop")["scorers"];
        let own = &out.datasets["shop"][0]["assert"];
        let scorers = if own.is_null() { scorers } else { own };
        let compiled = CompiledScorers::compile(&example_scorers(scorers).unwrap()).unwrap();
        let example = crate::core::golden::example_from_row(1, object([("input", json!("a"))])).unwrap();
        let of = |names: &&[&str]| {
            let calls: Vec<Value> = names
                .iter()
                .map(|name| json!({"type": "function", "function": {"name": name, "arguments": "{}"}}))
                .collect();
            let calls = json!(calls).to_string();
            let answer = Answer { tool_calls: (!names.is_empty()).then_some(calls.as_str()), ..Answer::text("done") };
            let score = compiled.score(&answer, &example, &[]).remove(0).1;
            assert!(matches!(score, Score::Value(..)), "{assertion}: {score:?}");
            score.value() == Some(1.0)
        };
        answers.iter().map(of).collect()
    }

    #[test]
    fn what_an_agent_called_is_checked_as_promptfoo_does() {
        let answers: [&[&str]; 5] =
            [&[], &["search_a"], &["search_a", "pay"], &["pay", "search_b", "search_c"], &["ship"]];
        let cases = [
            ("{type: 'trajectory:tool-used', value: pay}", [false, false, true, true, false]),
            ("{type: 'not-trajectory:tool-used', value: pay}", [true, true, false, false, true]),
            ("{type: 'trajectory:tool-used', value: [pay, search_a]}", [false, false, true, false, false]),
            ("{type: 'not-trajectory:tool-used', value: [pay, search_a]}", [true, false, false, false, true]),
            ("{type: 'trajectory:tool-used', value: [pay, pay]}", [false, false, true, true, false]),
            ("{type: 'trajectory:tool-used', value: {pattern: 'search_*'}}", [false, true, true, true, false]),
            (
                "{type: 'trajectory:tool-used', value: {pattern: 'search_*', min: 2, max: 2}}",
                [false, false, false, true, false],
            ),
            ("{type: 'not-trajectory:tool-used', value: {pattern: '*_b'}}", [true, true, true, false, true]),
            ("{type: 'trajectory:tool-used', value: {name: pay, max: 1}}", [false, false, true, true, false]),
            ("{type: 'trajectory:tool-sequence', value: [search_a, pay]}", [false, false, true, false, false]),
            ("{type: 'trajectory:tool-sequence', value: {steps: [pay, search_c]}}", [false, false, false, true, false]),
            (
                "{type: 'trajectory:tool-sequence', value: {mode: exact, steps: [{name: ship}]}}",
                [false, false, false, false, true],
            ),
            ("{type: 'trajectory:step-count', value: {type: tool, min: 2}}", [false, false, true, true, false]),
            ("{type: 'trajectory:step-count', value: {max: 1, pattern: 'search_*'}}", [true, true, true, false, true]),
        ];
        for (assertion, expected) in cases {
            assert_eq!(passes(assertion, &answers), expected, "{assertion}");
        }
    }

    #[test]
    fn what_only_a_trace_shows_is_not_carried_over() {
        for assertion in [
            "{type: 'trajectory:step-count', value: {type: reasoning, min: 1}}",
            "{type: 'trajectory:step-count', value: {type: [tool, command], min: 1}}",
            "{type: 'trajectory:tool-used', value: {pattern: '*a*'}}",
            "{type: 'trajectory:tool-used', value: {name: '{{q}}', max: 2}}",
            "{type: 'trajectory:tool-sequence', value: ['a*', b]}",
        ] {
            let out = imported(assertion);
            let notes = out.notes.iter().filter(|note| note.what.starts_with("assert: trajectory"));
            let whys: Vec<&str> = notes.map(|note| note.why.as_str()).collect();
            assert!(matches!(whys[..], [why] if why.starts_with("not carried over")), "{assertion} {whys:?}");
        }
    }

    #[test]
    fn tools_of_anthropic_and_google_are_defined_as_openai_does() {
        let tools = [
            json!({"functionDeclarations": [{"name": "a", "parameters": {"type": "object"}}, {"name": "b"}]}),
            json!({"name": "c", "input_schema": {"type": "object"}}),
            json!({"type": "function", "function": {"name": "d"}}),
        ];
        let names: Vec<Value> = in_openai_form(&tools).iter().map(|tool| tool["function"]["name"].clone()).collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
    }
}
