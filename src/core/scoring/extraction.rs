//! Scorers of JSON answers: a value at a path, equality with tolerances, and the share of fields that are right.

use serde_json::Value;

use super::Answer;
use super::json_compare::{FieldScore, JsonOptions, PathPattern, Tolerance, differences, field_f1};
use super::reason::{NO_ACCEPTED, quoted, short};
use super::rule::{Compile, Rule, verdict};
use crate::core::domain::scorer::extraction::{JsonEqual, JsonFields, JsonPath};
use crate::core::domain::scorer::similarity::Measure;
use crate::core::domain::{self, Example, Score, unfenced};

/// Number of differences named in a reason.
const SHOWN: usize = 3;

/// The answer as JSON, or the score of an answer that is none.
fn parsed(answer: &Answer<'_>) -> Result<Value, Score> {
    serde_json::from_str(unfenced(answer.output)).map_err(|error| {
        Score::pass(false, Some(short(&format!("expected JSON, got {} ({error})", quoted(answer.output)))))
    })
}

/// The accepted values of an example: text that is JSON counts as that JSON.
fn accepted_values(value: Option<&Value>, example: &Example) -> Vec<Value> {
    let read = |value: &Value| match value {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| value.clone()),
        other => other.clone(),
    };
    match value {
        Some(value) => vec![value.clone()],
        None => example.expected.iter().map(read).collect(),
    }
}

fn tolerance(absolute: f64, relative: f64) -> Result<Tolerance, String> {
    let is_valid = |value: f64| value.is_finite() && value >= 0.0;
    match is_valid(absolute) && is_valid(relative) {
        true => Ok(Tolerance { absolute, relative }),
        false => Err("absolute and relative must be 0 or more".to_owned()),
    }
}

fn patterns(paths: &[String]) -> Result<Vec<PathPattern>, String> {
    paths.iter().map(|path| PathPattern::parse(path).map_err(|problem| format!("ignore: {problem}"))).collect()
}

/// Whether two values are equal. A dataset has its numbers as text, so that a number in the answer also equals that text.
fn is_equal(expected: &Value, actual: &Value, options: &JsonOptions) -> bool {
    let as_text = |value: &Value| match value {
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    };
    differences(expected, actual, options, 1).is_empty()
        || (expected.is_string() && as_text(actual).is_some_and(|text| expected.as_str() == Some(text.as_str())))
}

#[derive(Debug)]
struct AtPath {
    path: domain::JsonPath,
    text: String,
    value: Option<Value>,
    options: JsonOptions,
}

impl Rule for AtPath {
    fn score(&self, answer: &Answer<'_>, example: &Example) -> Score {
        let wanted = accepted_values(self.value.as_ref(), example);
        if wanted.is_empty() {
            return Score::Skipped(NO_ACCEPTED.to_owned());
        }
        let actual = match parsed(answer) {
            Ok(actual) => actual,
            Err(score) => return score,
        };
        let Ok(found) = self.path.find(&actual) else {
            return Score::pass(false, Some(short(&format!("the answer has nothing at {}", self.text))));
        };
        // An accepted answer may be the whole document, which then has the value at the same path.
        let matches = |wanted: &Value| {
            is_equal(wanted, found, &self.options)
                || self.path.find(wanted).is_ok_and(|inner| is_equal(inner, found, &self.options))
        };
        let first = wanted.first().map(|value| self.path.find(value).unwrap_or(value).to_string()).unwrap_or_default();
        verdict(wanted.iter().any(matches), || {
            format!("expected {} at {}, got {}", quoted(&first), self.text, quoted(&found.to_string()))
        })
    }

    fn requirement(&self) -> String {
        format!("have the accepted value at {}", self.text)
    }

    fn compares(&self) -> bool {
        false
    }
}

impl Compile for JsonPath {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        let path =
            domain::JsonPath::parse(&self.path).ok_or_else(|| format!("the path \"{}\" is not valid", self.path))?;
        let options = JsonOptions {
            tolerance: tolerance(self.absolute, self.relative)?,
            ignore_case: self.ignore_case,
            ..JsonOptions::default()
        };
        Ok(Box::new(AtPath { path, text: self.path.clone(), value: self.value.clone(), options }))
    }
}

#[derive(Debug)]
struct Equal {
    value: Option<Value>,
    options: JsonOptions,
}

impl Rule for Equal {
    fn score(&self, answer: &Answer<'_>, example: &Example) -> Score {
        let wanted = accepted_values(self.value.as_ref(), example);
        if wanted.is_empty() {
            return Score::Skipped(NO_ACCEPTED.to_owned());
        }
        let actual = match parsed(answer) {
            Ok(actual) => actual,
            Err(score) => return score,
        };
        let found: Vec<Vec<_>> =
            wanted.iter().map(|wanted| differences(wanted, &actual, &self.options, SHOWN)).collect();
        let nearest = found.iter().min_by_key(|differences| differences.len());
        let nearest = nearest.map(Vec::as_slice).unwrap_or_default();
        verdict(nearest.is_empty(), || nearest.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }

    fn requirement(&self) -> String {
        "be the accepted JSON".to_owned()
    }

    fn compares(&self) -> bool {
        self.value.is_none()
    }
}

impl Compile for JsonEqual {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        let options = JsonOptions {
            tolerance: tolerance(self.absolute, self.relative)?,
            ignore_case: self.ignore_case,
            ignore_order: self.ignore_order,
            ignore: patterns(&self.ignore)?,
            extra_fields_allowed: self.extra_fields,
        };
        Ok(Box::new(Equal { value: self.value.clone(), options }))
    }
}

#[derive(Debug)]
struct Fields {
    measure: Measure,
    value: Option<Value>,
    options: JsonOptions,
}

impl Fields {
    fn measured(&self, score: &FieldScore) -> f64 {
        match self.measure {
            Measure::F1 => score.f1,
            Measure::Precision => score.precision,
            Measure::Recall => score.recall,
        }
    }
}

impl Rule for Fields {
    fn score(&self, answer: &Answer<'_>, example: &Example) -> Score {
        let wanted = accepted_values(self.value.as_ref(), example);
        if wanted.is_empty() {
            return Score::Skipped(NO_ACCEPTED.to_owned());
        }
        let actual = match parsed(answer) {
            Ok(actual) => actual,
            Err(score) => return score,
        };
        let scores = wanted.iter().map(|wanted| field_f1(wanted, &actual, &self.options));
        let best = scores.reduce(|best, score| if self.measured(&score) > self.measured(&best) { score } else { best });
        let Some(best) = best else { return Score::Skipped(NO_ACCEPTED.to_owned()) };
        let value = self.measured(&best);
        Score::Value(value, (value < 1.0).then(|| short(&wrong_fields(&best))))
    }

    fn requirement(&self) -> String {
        "have the accepted fields".to_owned()
    }

    fn compares(&self) -> bool {
        self.value.is_none()
    }
}

/// The counts of fields, and the first ones that are wrong.
fn wrong_fields(score: &FieldScore) -> String {
    let counts = [(score.correct, "right"), (score.wrong, "wrong"), (score.missing, "missing"), (score.extra, "extra")];
    let counts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    let counts = counts.collect::<Vec<_>>().join(", ");
    let problems = score.fields.iter().filter_map(|field| {
        let path = if field.path.is_empty() { "the answer" } else { &field.path };
        field.problem.as_ref().map(|problem| format!("{path} {problem}"))
    });
    let problems = problems.take(SHOWN).collect::<Vec<_>>().join("; ");
    format!("fields: {counts}; {problems}")
}

impl Compile for JsonFields {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        let options = JsonOptions {
            tolerance: tolerance(self.absolute, self.relative)?,
            ignore_case: self.ignore_case,
            ignore_order: self.ignore_order,
            ignore: patterns(&self.ignore)?,
            extra_fields_allowed: false,
        };
        Ok(Box::new(Fields { measure: self.measure, value: self.value.clone(), options }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::compiled::example;
    use super::*;

    fn score(rule: &dyn Compile, answer: &str, accepted: Value) -> Score {
        rule.compile().unwrap().score(&Answer::text(answer), &example(vec![accepted]))
    }

    fn settings<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_value_at_a_path_is_compared_with_a_value_or_with_the_same_path_of_the_accepted_answer() {
        let total: JsonPath = settings(json!({"path": "order.total", "absolute": 0.01}));
        let answer = r#"{"order": {"total": 12.505, "city": "PARIS"}}"#;
        assert_eq!(score(&total, answer, json!("12.5")).value(), Some(1.0));
        assert_eq!(score(&total, answer, json!({"order": {"total": 12.5}})).value(), Some(1.0));
        let wrong = score(&total, answer, json!(13));
        assert_eq!(wrong, Score::pass(false, Some("expected \"13\" at order.total, got \"12.505\"".into())));
        let fixed: JsonPath = settings(json!({"path": "/order/city", "value": "Paris", "ignore_case": true}));
        assert_eq!(score(&fixed, answer, json!("x")).value(), Some(1.0));
        let nowhere: JsonPath = settings(json!({"path": "order.id"}));
        assert_eq!(score(&nowhere, answer, json!("1")).value(), Some(0.0));
        assert!(settings::<JsonPath>(json!({"path": "a..b"})).compile().is_err());
    }

    #[test]
    fn equality_names_the_differences_from_the_nearest_accepted_answer() {
        let equal: JsonEqual = settings(json!({"ignore": ["id"]}));
        let accepted = json!({"id": "1", "items": [{"price": 12.5}]});
        assert_eq!(score(&equal, r#"{"items": [{"price": 12.5}], "id": "9"}"#, accepted.clone()).value(), Some(1.0));
        let wrong = score(&equal, r#"{"items": [{"price": 12}]}"#, accepted);
        assert_eq!(wrong, Score::pass(false, Some("items[0].price is 12, expected 12.5".into())));
        let none = score(&equal, "no JSON", json!({"a": "1"}));
        assert_eq!(none.value(), Some(0.0));
        assert!(settings::<JsonEqual>(json!({"absolute": -1})).compile().is_err());
    }

    #[test]
    fn fields_score_the_share_that_is_right() {
        let fields: JsonFields = settings(json!({}));
        let accepted = json!({"name": "Mia", "city": "Paris"});
        assert_eq!(score(&fields, r#"{"name": "Mia", "city": "Paris"}"#, accepted.clone()), Score::Value(1.0, None));
        let half = score(&fields, r#"{"name": "Mia", "city": "Lyon"}"#, accepted.clone());
        let reason = "fields: 1 right, 1 wrong; city is \"Lyon\", expected \"Paris\"";
        assert_eq!(half, Score::Value(0.5, Some(reason.into())));
        let recall: JsonFields = settings(json!({"measure": "recall"}));
        let more = r#"{"name": "Mia", "city": "Paris", "zip": "75001"}"#;
        assert_eq!(score(&recall, more, accepted).value(), Some(1.0));
    }
}
