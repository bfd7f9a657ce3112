//! The scorer that evaluates an expression.

use std::collections::BTreeMap;

use minijinja::value::{Serde, ValueKind};
use minijinja::{Environment, Value};
use serde_json::Value as Json;

use super::Answer;
use super::reason::short;
use super::rule::{Compile, Rule, verdict};
use crate::core::domain::scorer::custom::Expression;
use crate::core::domain::{Example, Score, unfenced};
use crate::core::prompt::{explain, new_environment, variables};

/// The expression under this name in the environment.
const NAME: &str = "expression";

/// Evaluates an expression. Besides the variables of prompts, it can use `output`, `json` (the answer, if it is JSON),
/// `expected` (the first accepted answer), `accepted` (all of them), `tool_calls`, `finish_reason`, `latency_ms`, `cost`,
/// `prompt_tokens` and `completion_tokens`. What is not known is null.
struct Evaluated {
    source: String,
    environment: Environment<'static>,
}

impl std::fmt::Debug for Evaluated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Evaluated").field("source", &self.source).finish_non_exhaustive()
    }
}

/// The variables of an expression or of a template in a scorer: those of prompts, and what is known of the answer.
pub(super) fn answer_variables(answer: &Answer<'_>, example: &Example) -> BTreeMap<String, Value> {
    let mut all = accepted_variables(example);
    let json: Option<Json> = serde_json::from_str(unfenced(answer.output)).ok();
    let calls = answer.calls();
    let own = [
        ("output", Value::from(answer.output)),
        ("json", Value::from(Serde(&json))),
        ("tool_calls", Value::from(Serde(&calls))),
        ("finish_reason", Value::from(Serde(&answer.finish_reason))),
        ("latency_ms", Value::from(Serde(&answer.latency_ms))),
        ("cost", Value::from(Serde(&answer.cost))),
        ("prompt_tokens", Value::from(Serde(&answer.usage.prompt_tokens))),
        ("completion_tokens", Value::from(Serde(&answer.usage.completion_tokens))),
    ];
    all.extend(own.map(|(name, value)| (name.to_owned(), value)));
    all
}

/// The variables of a template in a scorer: those of prompts, and the accepted answers.
pub(super) fn accepted_variables(example: &Example) -> BTreeMap<String, Value> {
    let mut all = variables(example, &Value::from(Vec::<String>::new()));
    all.insert("expected".to_owned(), Value::from(Serde(&example.expected.first())));
    all.insert("accepted".to_owned(), Value::from(Serde(&example.expected)));
    all
}

impl Rule for Evaluated {
    fn score(&self, answer: &Answer<'_>, example: &Example) -> Score {
        let variables = answer_variables(answer, example);
        let result = self
            .environment
            .compile_expression(&self.source)
            .and_then(|expression| expression.eval(Value::from(&variables)));
        let value = match result {
            Ok(value) => value,
            Err(error) => {
                return Score::Failed(short(&format!("the expression failed: {}", explain(&error, &variables))));
            }
        };
        let number = f64::try_from(value.clone()).ok().filter(|number| (0.0..=1.0).contains(number));
        match (value.kind(), number) {
            (ValueKind::Bool, _) => verdict(value.is_true(), || format!("not true: {}", self.source)),
            (ValueKind::Number, Some(number)) => {
                Score::Value(number, (number < 1.0).then(|| short(&format!("{number}: {}", self.source))))
            }
            _ => Score::Failed(short(&format!(
                "the expression gives {value}, but a score is true, false, or a number from 0 to 1"
            ))),
        }
    }

    fn requirement(&self) -> String {
        format!("satisfy {}", self.source)
    }
}

impl Compile for Expression {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        let environment = new_environment();
        let source = self.expression.trim();
        let source = source.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")).unwrap_or(source).trim();
        if let Err(error) = environment.compile_expression(source) {
            let reason = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
            return Err(format!("the {NAME} is not valid: {reason}"));
        }
        Ok(Box::new(Evaluated { source: source.to_owned(), environment }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::compiled::example;
    use super::*;

    fn score(expression: &str, output: &str) -> Score {
        let rule = Expression { expression: expression.into() }.compile().unwrap();
        let mut example = example(vec![json!("Paris"), json!("Lutetia")]);
        example.input = json!({"question": "capital?"});
        example.metadata.insert("max".to_owned(), json!(12));
        rule.score(&Answer { latency_ms: Some(20.0), ..Answer::text(output) }, &example)
    }

    #[test]
    fn an_expression_gives_true_false_or_a_share() {
        let cases = [
            ("output | length <= metadata.max", "Paris", Some(1.0)),
            ("expected in output and 'sorry' not in output | lower", "It is Paris", Some(1.0)),
            ("output in accepted", "Lutetia", Some(1.0)),
            ("{{ output == expected }}", "Lyon", Some(0.0)),
            ("json.a / 4", r#"{"a": 3}"#, Some(0.75)),
            ("latency_ms < 10", "", Some(0.0)),
            ("question == 'capital?' and cost is none", "", Some(1.0)),
        ];
        for (expression, output, expected) in cases {
            assert_eq!(score(expression, output).value(), expected, "{expression}");
        }
        assert_eq!(score("output == 'x'", "y"), Score::pass(false, Some("not true: output == 'x'".into())));
    }

    #[test]
    fn what_an_expression_cannot_score_is_a_failure_and_never_a_zero() {
        for expression in ["nowhere == 1", "json.a > 1", "3", "output", "-0.5", "none"] {
            assert!(
                matches!(score(expression, "text"), Score::Failed(_)),
                "{expression}: {:?}",
                score(expression, "text")
            );
        }
        assert!(Expression { expression: "output ==".into() }.compile().is_err());
    }
}
