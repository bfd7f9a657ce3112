//! The scorer that validates JSON against a schema.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use super::Answer;
use super::formats::find_json;
use super::reason::{excerpt, quoted, short};
use super::rule::{Compile, Rule};
use crate::core::domain::{Example, Score, scorer, unfenced};

/// Maximum number of backtracking steps of a `pattern` with look-around or back references.
const BACKTRACK_LIMIT: usize = 1_000_000;

/// Maximum size of a compiled `pattern`, in bytes.
const SIZE_LIMIT: usize = 4 << 20;

/// Scores 1 if the answer is JSON that is valid under the schema (draft as given by `$schema`, or 2020-12 if absent).
///
/// The answer may be wrapped in one Markdown code fence. References cannot leave the schema: nothing is fetched.
#[derive(Debug)]
struct JsonSchema {
    validator: Validator,
    anywhere: bool,
}

impl JsonSchema {
    fn compile(schema: &Value) -> Result<Self, String> {
        let patterns = PatternOptions::fancy_regex().backtrack_limit(BACKTRACK_LIMIT).size_limit(SIZE_LIMIT);
        jsonschema::options()
            .offline()
            .with_pattern_options(patterns)
            .build(schema)
            .map(|validator| Self { validator, anywhere: false })
            .map_err(|error| format!("the schema is not valid: {}", violation(&error)))
    }

    fn score(&self, output: &str) -> Score {
        let json = if self.anywhere { find_json(output).unwrap_or(output) } else { output };
        let value: Value = match serde_json::from_str(unfenced(json)) {
            Ok(value) => value,
            Err(error) => {
                let reason = format!("expected JSON, got {} ({error})", quoted(output));
                return Score::pass(false, Some(short(&reason)));
            }
        };
        match self.validator.validate(&value) {
            Ok(()) => Score::pass(true, None),
            Err(error) if is_engine_limit(&error) => {
                Score::Skipped(short(&format!("a pattern in the schema could not be evaluated: {}", violation(&error))))
            }
            Err(error) => Score::pass(false, Some(short(&violation(&error)))),
        }
    }
}

fn is_engine_limit(error: &ValidationError<'_>) -> bool {
    matches!(
        error.kind(),
        ValidationErrorKind::BacktrackLimitExceeded { .. } | ValidationErrorKind::RegexEngineFailure { .. }
    )
}

fn violation(error: &ValidationError<'_>) -> String {
    let path = match error.instance_path().as_str() {
        "" => "the top level".to_owned(),
        path => excerpt(path),
    };
    // Values are shortened separately, so that a long value does not crowd out the rest of the message.
    let message = error.masked_with(excerpt(&error.instance().to_string()));
    format!("at {path}: {message}")
}

impl Rule for JsonSchema {
    fn score(&self, answer: &Answer<'_>, _: &Example) -> Score {
        self.score(answer.output)
    }

    fn requirement(&self) -> String {
        "be JSON that the schema accepts".to_owned()
    }
}

impl Compile for scorer::extraction::JsonSchema {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        Ok(Box::new(JsonSchema { anywhere: self.anywhere, ..JsonSchema::compile(&self.schema)? }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn orders() -> JsonSchema {
        JsonSchema::compile(&json!({
            "type": "object",
            "properties": {"items": {"type": "array", "items": {"$ref": "#/$defs/item"}}},
            "required": ["items"],
            "$defs": {"item": {"type": "object", "properties": {"price": {"type": "number", "minimum": 0}}}}
        }))
        .unwrap()
    }

    #[test]
    fn an_answer_may_be_wrapped_in_one_fence() {
        let cases = [
            (r#"{"items": []}"#, 1.0),
            (" \n{\"items\": []}\n", 1.0),
            ("```json\n{\"items\": []}\n```", 1.0),
            ("\n```\r\n{\"items\": []}\r\n```\n", 1.0),
            ("````JSON\n{\"items\": [{\"note\": \"```\"}]}\n````", 1.0),
            ("```{\"items\": []}```", 1.0),
            ("```\n{\"items\":\n[]}\n```", 1.0),
            ("Here:\n```json\n{\"items\": []}\n```", 0.0),
            ("```json\n{\"items\": []}\n```\n```json\n{\"items\": []}\n```", 0.0),
            ("```json\n{\"items\": []}", 0.0),
            ("```", 0.0),
            ("``````", 0.0),
            ("", 0.0),
            ("NaN", 0.0),
            ("{\"items\": []} {\"items\": []}", 0.0),
        ];
        for (answer, expected) in cases {
            let score = orders().score(answer);
            assert_eq!(score.value(), Some(expected), "{answer:?} {score:?}");
        }
    }

    #[test]
    fn text_may_stand_around_the_json_if_the_suite_says_so() {
        let answer = "Here you are: {\"items\": []}. Anything else?";
        assert_eq!(orders().score(answer).value(), Some(0.0));
        let anywhere = JsonSchema { anywhere: true, ..orders() };
        assert_eq!(anywhere.score(answer).value(), Some(1.0));
        assert_eq!(anywhere.score("Here you are: {\"items\": 1}").value(), Some(0.0));
    }

    #[test]
    fn the_reason_names_the_first_violation_and_its_path() {
        let cases = [
            (r#"{"items": [{"price": 1}, {"price": "x"}]}"#, r#"at /items/1/price: "x" is not of type "number""#),
            (r#"{"items": [{"price": -1}]}"#, "at /items/0/price: -1 is less than the minimum of 0"),
            ("{}", r#"at the top level: "items" is a required property"#),
            ("[1", "expected JSON, got \"[1\" (EOF while parsing a list at line 1 column 2)"),
        ];
        for (answer, expected) in cases {
            assert_eq!(orders().score(answer), Score::pass(false, Some(expected.into())));
        }
    }

    #[test]
    fn a_long_value_does_not_hide_what_is_wrong_with_it() {
        let answer = format!(r#"{{"items": "{}"}}"#, "a".repeat(1 << 20));
        let Score::Value(_, Some(reason)) = orders().score(&answer) else { panic!("no reason") };
        assert!(reason.starts_with("at /items: ") && reason.ends_with("is not of type \"array\""), "{reason}");
    }

    #[test]
    fn deep_answers_and_circular_schemas_terminate() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let nested = format!("{}{}", "[".repeat(120), "]".repeat(120));
        let schemas = [
            json!({"$ref": "#"}),
            json!({"items": {"$ref": "#"}}),
            json!({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}),
        ];
        for schema in schemas {
            let schema = JsonSchema::compile(&schema).unwrap();
            assert_eq!(schema.score(&deep).value(), Some(0.0));
            assert_eq!(schema.score(&nested).value(), Some(1.0));
        }
    }

    #[test]
    fn nothing_is_fetched_to_resolve_a_reference() {
        for reference in ["https://example.com/a.json", "file:///etc/hosts", "other.json", "#/$defs/none"] {
            assert!(JsonSchema::compile(&json!({"$ref": reference})).is_err(), "{reference}");
        }
        assert!(JsonSchema::compile(&json!({"$schema": "https://example.com/meta"})).is_err());
    }

    #[test]
    fn a_pattern_with_excessive_backtracking_is_aborted_and_the_example_is_skipped() {
        let schema = JsonSchema::compile(&json!({"pattern": r"^(?:(a|a)+)(?!x)\1b$"})).unwrap();
        let answer = format!("\"{}\"", "a".repeat(64));
        assert!(matches!(schema.score(&answer), Score::Skipped(_)), "{:?}", schema.score(&answer));
    }

    #[test]
    fn a_schema_may_be_a_boolean() {
        assert_eq!(JsonSchema::compile(&json!(true)).unwrap().score("1").value(), Some(1.0));
        assert_eq!(JsonSchema::compile(&json!(false)).unwrap().score("1").value(), Some(0.0));
        assert!(JsonSchema::compile(&json!(5)).is_err());
    }
}
