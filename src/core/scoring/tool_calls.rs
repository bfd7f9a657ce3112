//! Scorers of tool calls.

use serde_json::Value;

use super::Answer;
use super::json_compare::{JsonOptions, Tolerance};
use super::reason::{NO_ACCEPTED, short};
use super::rule::{Compile, Rule, verdict};
use super::tool_match::{
    ArgumentSchema, CallMode, CallScore, ExpectedCall, ToolCall, ToolSet, match_calls, parse_calls, tool_call_f1,
};
use crate::core::domain::scorer::tools::{self, CallOrder, ToolCallF1, ToolCalls, ValidToolCalls};
use crate::core::domain::{Example, Score, canonical_json};

/// The tool calls of an answer: those beside its text, or the answer itself if it consists of calls.
pub(super) fn calls_of(answer: &Answer<'_>) -> Vec<ToolCall> {
    answer.tool_calls.and_then(parse_calls).or_else(|| parse_calls(answer.output)).unwrap_or_default()
}

fn scored(found: CallScore) -> Score {
    let reason = (found.f1 < 1.0).then(|| short(&found.problems.join("; ")));
    Score::Value(found.f1, reason)
}

#[derive(Debug)]
struct Calls {
    /// The expected calls; `None` for those of the accepted answer.
    expected: Option<Vec<ExpectedCall>>,
    mode: CallMode,
    options: JsonOptions,
}

impl Rule for Calls {
    fn score(&self, answer: &Answer<'_>, example: &Example) -> Score {
        let calls = calls_of(answer);
        if let Some(expected) = &self.expected {
            return scored(match_calls(expected, &calls, self.mode, &self.options));
        }
        let accepted: Vec<Vec<ExpectedCall>> = example.expected.iter().map(expected_calls).collect();
        let scores = accepted.iter().map(|expected| match_calls(expected, &calls, self.mode, &self.options));
        let best = scores.reduce(|best, score| if score.f1 > best.f1 { score } else { best });
        best.map_or_else(|| Score::Skipped(NO_ACCEPTED.to_owned()), scored)
    }

    fn requirement(&self) -> String {
        match self.mode {
            CallMode::NoCalls => "call no tool".to_owned(),
            _ => "call the expected tools".to_owned(),
        }
    }
}

/// The calls that an accepted answer describes. A list of calls is one accepted answer only as text, or as one item of a
/// list, since a list of accepted answers means any of them.
fn expected_calls(value: &Value) -> Vec<ExpectedCall> {
    let text = value.as_str().map_or_else(|| canonical_json(value), str::to_owned);
    let call = |call: ToolCall| ExpectedCall { name: call.name, arguments: Some(call.arguments), schema: None };
    parse_calls(&text).unwrap_or_default().into_iter().map(call).collect()
}

fn expected_call(call: &tools::ExpectedCall) -> Result<ExpectedCall, String> {
    let schema = call.schema.as_ref().map(ArgumentSchema::compile).transpose()?;
    if call.name.trim().is_empty() {
        return Err("a call has no name".to_owned());
    }
    Ok(ExpectedCall { name: call.name.clone(), arguments: call.arguments.clone(), schema })
}

impl Compile for ToolCalls {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        let is_valid = |value: f64| value.is_finite() && value >= 0.0;
        if !is_valid(self.absolute) || !is_valid(self.relative) {
            return Err("absolute and relative must be 0 or more".to_owned());
        }
        let mode = match (self.none, self.order, self.extra_calls) {
            (true, CallOrder::Any, false) if self.calls.is_none() => CallMode::NoCalls,
            (true, ..) => return Err("none cannot be combined with calls, order or extra_calls".to_owned()),
            (false, CallOrder::Strict, true) => CallMode::OrderedSubset,
            (false, CallOrder::Strict, false) => CallMode::ExactOrder,
            (false, CallOrder::Any, true) => CallMode::Subset,
            (false, CallOrder::Any, false) => CallMode::AnyOrder,
        };
        let calls = self.calls.as_ref().map(|calls| calls.iter().map(expected_call).collect::<Result<Vec<_>, _>>());
        let expected = calls.transpose()?.or_else(|| (mode == CallMode::NoCalls).then(Vec::new));
        let options = JsonOptions {
            tolerance: Tolerance { absolute: self.absolute, relative: self.relative },
            ignore_case: self.ignore_case,
            extra_fields_allowed: self.extra_arguments,
            ..JsonOptions::default()
        };
        Ok(Box::new(Calls { expected, mode, options }))
    }
}

impl Rule for ToolCallF1 {
    fn score(&self, answer: &Answer<'_>, example: &Example) -> Score {
        let calls = calls_of(answer);
        let called: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
        if !self.names.is_empty() {
            let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
            return scored(tool_call_f1(&names, &called));
        }
        let scores = example.expected.iter().map(|value| {
            let expected = expected_calls(value);
            let names: Vec<&str> = expected.iter().map(|call| call.name.as_str()).collect();
            tool_call_f1(&names, &called)
        });
        let best = scores.reduce(|best, score| if score.f1 > best.f1 { score } else { best });
        best.map_or_else(|| Score::Skipped(NO_ACCEPTED.to_owned()), scored)
    }

    fn requirement(&self) -> String {
        "call the expected tools".to_owned()
    }
}

impl Compile for ToolCallF1 {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        Ok(Box::new(self.clone()))
    }
}

/// The tools that calls must be valid under; `None` for those of the example's input.
#[derive(Debug)]
struct Valid(Option<ToolSet>);

impl Rule for Valid {
    fn score(&self, answer: &Answer<'_>, example: &Example) -> Score {
        let own = match &self.0 {
            Some(_) => None,
            None => match example.input.get("tools").and_then(Value::as_array) {
                None => return Score::Skipped("the example's input has no tools".to_owned()),
                Some(tools) => match ToolSet::compile(tools) {
                    Ok(tools) => Some(tools),
                    Err(reason) => return Score::Failed(short(&reason)),
                },
            },
        };
        let Some(tools) = self.0.as_ref().or(own.as_ref()) else {
            return Score::Skipped("there are no tools".to_owned());
        };
        let calls = calls_of(answer);
        let problems: Vec<String> = calls.iter().flat_map(|call| tools.problems(call)).collect();
        verdict(!calls.is_empty() && problems.is_empty(), || match calls.is_empty() {
            true => "the answer calls no tool".to_owned(),
            false => problems.join("; "),
        })
    }

    fn requirement(&self) -> String {
        "make valid tool calls".to_owned()
    }
}

impl Compile for ValidToolCalls {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        let tools = (!self.tools.is_empty()).then(|| ToolSet::compile(&self.tools)).transpose()?;
        Ok(Box::new(Valid(tools)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::compiled::example;
    use super::*;

    const WEATHER: &str =
        r#"[{"function":{"arguments":"{\"city\":\"Paris\",\"days\":2}","name":"get_weather"},"type":"function"}]"#;

    fn score(rule: &dyn Compile, output: &str, accepted: Vec<Value>) -> Score {
        rule.compile().unwrap().score(&Answer::text(output), &example(accepted))
    }

    fn tool_calls(settings: Value) -> ToolCalls {
        serde_json::from_value(settings).unwrap()
    }

    #[test]
    fn calls_are_compared_by_name_and_arguments() {
        let exact = tool_calls(json!({"calls": [{"name": "get_weather", "arguments": {"city": "Paris", "days": 2}}]}));
        assert_eq!(score(&exact, WEATHER, vec![]), Score::Value(1.0, None));
        let other = tool_calls(
            json!({"calls": [{"name": "get_weather", "arguments": {"city": "Rome"}}], "extra_arguments": true}),
        );
        let Score::Value(value, Some(reason)) = score(&other, WEATHER, vec![]) else { panic!() };
        assert!(value == 0.0 && reason.contains("Rome"), "{reason}");
        let by_schema = tool_calls(json!({"calls": [{"name": "get_weather", "schema": {"required": ["city"]}}]}));
        assert_eq!(score(&by_schema, WEATHER, vec![]).value(), Some(1.0));
        assert_eq!(score(&exact, "It is sunny.", vec![]).value(), Some(0.0));
    }

    #[test]
    fn the_accepted_answer_may_be_the_calls_and_no_call_may_be_expected() {
        let usual = tool_calls(json!({}));
        let accepted = json!({"name": "get_weather", "arguments": {"days": 2, "city": "Paris"}});
        assert_eq!(score(&usual, WEATHER, vec![accepted]).value(), Some(1.0));
        assert!(matches!(score(&usual, WEATHER, vec![]), Score::Skipped(_)));
        let none = tool_calls(json!({"none": true}));
        assert_eq!(score(&none, "It is sunny.", vec![]).value(), Some(1.0));
        assert_eq!(score(&none, WEATHER, vec![]).value(), Some(0.0));
        assert!(tool_calls(json!({"none": true, "calls": []})).compile().is_err());
        let sequence = tool_calls(json!({"calls": [{"name": "get_weather"}], "order": "strict", "extra_calls": true}));
        let others = WEATHER.replace('[', r#"[{"function":{"arguments":"{}","name":"get_time"}},"#);
        assert_eq!(score(&sequence, &others, vec![]).value(), Some(1.0));
    }

    #[test]
    fn calls_beside_the_text_count_too() {
        let f1 = ToolCallF1 { names: vec!["get_weather".into(), "get_time".into()] };
        let answer = Answer { tool_calls: Some(WEATHER), ..Answer::text("I will look.") };
        let score = f1.compile().unwrap().score(&answer, &example(vec![]));
        assert!((score.value().unwrap() - 2.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn calls_are_valid_under_the_tools_of_the_suite_or_of_the_input() {
        let tool = json!({"type": "function", "function": {"name": "get_weather", "parameters": {
            "type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]
        }}});
        let of_suite = ValidToolCalls { tools: vec![tool.clone()] };
        assert_eq!(score(&of_suite, WEATHER, vec![]).value(), Some(1.0));
        assert_eq!(score(&of_suite, &WEATHER.replace("get_weather", "get_time"), vec![]).value(), Some(0.0));
        assert_eq!(score(&of_suite, "no call", vec![]).value(), Some(0.0));
        let mut with_tools = example(vec![]);
        with_tools.input = json!({"messages": [], "tools": [tool]});
        let of_input = ValidToolCalls::default().compile().unwrap();
        assert_eq!(of_input.score(&Answer::text(WEATHER), &with_tools).value(), Some(1.0));
        assert!(matches!(of_input.score(&Answer::text(WEATHER), &example(vec![])), Score::Skipped(_)));
    }
}
