//! Scorers that look at the text of an answer.

use serde_json::Value;

use super::Answer;
use super::metrics::{character_count, sentence_count, word_count};
use super::normalize::normalize;
use super::reason::{NO_ACCEPTED, accepted, listed, quoted};
use super::rule::{Compile, Rule, verdict};
use crate::core::domain::scorer::text::{
    Contains, ContainsAll, ContainsAny, Exact, Length, OneOf, SentenceCount, StartsWith, WordCount,
};
use crate::core::domain::{Example, Normalization, Score};

/// Scores 1 if the normalised answer equals an accepted answer.
///
/// An accepted answer that is a JSON value other than a string is compared as JSON if the answer parses as JSON: key
/// order, white space and the notation of numbers do not matter, and the steps are applied to strings within. If the
/// answer does not parse, its text is compared with the canonical JSON of the value.
impl Rule for Exact {
    fn score(&self, answer: &Answer<'_>, example: &Example) -> Score {
        if let Some(value) = &self.value {
            let pass = normalize(value, &self.normalize) == normalize(answer.output, &self.normalize);
            return verdict(pass, || format!("expected {}, got {}", quoted(value), quoted(answer.output)));
        }
        if example.expected.is_empty() {
            return Score::Skipped(NO_ACCEPTED.to_owned());
        }
        let texts = example.expected_texts();
        let text = normalize(answer.output, &self.normalize);
        let parsed =
            if example.expected.iter().all(Value::is_string) { None } else { serde_json::from_str(answer.output).ok() };
        let pass = example.expected.iter().zip(&texts).any(|(value, accepted)| match (value, &parsed) {
            (Value::String(_), _) | (_, None) => normalize(accepted, &self.normalize) == text,
            (value, Some(parsed)) => json_equal(value, parsed, &self.normalize),
        });
        verdict(pass, || format!("expected {}, got {}", accepted(&texts), quoted(answer.output)))
    }

    fn requirement(&self) -> String {
        self.value
            .as_ref()
            .map_or_else(|| "equal the accepted answer".to_owned(), |value| format!("equal {}", quoted(value)))
    }

    fn compares(&self) -> bool {
        self.value.is_none()
    }
}

fn json_equal(a: &Value, b: &Value, steps: &[Normalization]) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => normalize(a, steps) == normalize(b, steps),
        // Integers are compared exactly; 1 and 1.0 are equal.
        (Value::Number(a), Value::Number(b)) => {
            a == b || ((a.is_f64() || b.is_f64()) && a.as_f64().is_some() && a.as_f64() == b.as_f64())
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| json_equal(a, b, steps))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| json_equal(a, b, steps)))
        }
        (a, b) => a == b,
    }
}

impl Compile for Exact {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        Ok(Box::new(self.clone()))
    }
}

/// Texts to look for, each as written and normalised. Texts that are empty after normalisation would be found everywhere.
#[derive(Debug)]
struct Needles {
    fixed: Vec<(String, String)>,
    steps: Vec<Normalization>,
}

impl Needles {
    fn compile(key: &str, values: &[String], steps: &[Normalization]) -> Result<Self, String> {
        let fixed: Vec<_> = values.iter().map(|value| (value.clone(), normalize(value, steps))).collect();
        if fixed.iter().any(|(_, normalized)| normalized.is_empty()) {
            return Err(format!("{key} is empty, so there is nothing to look for"));
        }
        Ok(Self { fixed, steps: steps.to_vec() })
    }

    /// Calls `score` with the texts to look for and the normalised answer.
    fn with(
        &self,
        answer: &Answer<'_>,
        example: &Example,
        score: impl Fn(&[(String, String)], &str) -> Score,
    ) -> Score {
        let text = normalize(answer.output, &self.steps);
        if !self.fixed.is_empty() {
            return score(&self.fixed, &text);
        }
        if example.expected.is_empty() {
            return Score::Skipped(NO_ACCEPTED.to_owned());
        }
        let accepted = example.expected_texts().into_iter().map(|text| {
            let normalized = normalize(&text, &self.steps);
            (text, normalized)
        });
        let accepted: Vec<_> = accepted.collect();
        if accepted.iter().all(|(_, normalized)| normalized.is_empty()) {
            return Score::Skipped("the accepted answer is empty".to_owned());
        }
        score(&accepted, &text)
    }

    fn named(&self, accepted: &str) -> String {
        if self.fixed.is_empty() {
            accepted.to_owned()
        } else {
            listed(self.fixed.iter().map(|(text, _)| text.as_str()))
        }
    }
}

fn is_found(needle: &(String, String), text: &str) -> bool {
    !needle.1.is_empty() && text.contains(&needle.1)
}

fn any_found(needles: &[(String, String)], text: &str, answer: &Answer<'_>) -> Score {
    let pass = needles.iter().any(|needle| is_found(needle, text));
    verdict(pass, || {
        let texts: Vec<String> = needles.iter().map(|(text, _)| text.clone()).collect();
        format!("expected {} somewhere in the answer, got {}", accepted(&texts), quoted(answer.output))
    })
}

#[derive(Debug)]
struct FindAny {
    needles: Needles,
    compares: bool,
}

impl Rule for FindAny {
    fn score(&self, answer: &Answer<'_>, example: &Example) -> Score {
        self.needles.with(answer, example, |needles, text| any_found(needles, text, answer))
    }

    fn requirement(&self) -> String {
        format!("contain {}", self.needles.named("the accepted answer"))
    }

    fn compares(&self) -> bool {
        self.compares
    }
}

impl Compile for Contains {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        let needles = Needles::compile("value", self.value.as_slice(), &self.normalize)?;
        Ok(Box::new(FindAny { needles, compares: self.value.is_none() }))
    }
}

impl Compile for ContainsAny {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        let needles = Needles::compile("values", &self.values, &self.normalize)?;
        Ok(Box::new(FindAny { needles, compares: self.values.is_empty() }))
    }
}

#[derive(Debug)]
struct FindAll(Needles);

impl Rule for FindAll {
    fn score(&self, answer: &Answer<'_>, example: &Example) -> Score {
        self.0.with(answer, example, |needles, text| {
            let wanted = needles.iter().filter(|(_, normalized)| !normalized.is_empty());
            let missing: Vec<&str> =
                wanted.clone().filter(|needle| !is_found(needle, text)).map(|(text, _)| text.as_str()).collect();
            let all = wanted.count();
            let found = all - missing.len();
            let reason = || {
                super::reason::short(&format!("{} of {all} found; missing: {}", found, listed(missing.iter().copied())))
            };
            Score::Value(found as f64 / all as f64, (!missing.is_empty()).then(reason))
        })
    }

    fn requirement(&self) -> String {
        format!("contain {}", self.0.named("all accepted answers"))
    }
}

impl Compile for ContainsAll {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        Ok(Box::new(FindAll(Needles::compile("values", &self.values, &self.normalize)?)))
    }
}

#[derive(Debug)]
struct Begins {
    needles: Needles,
    compares: bool,
}

impl Rule for Begins {
    fn score(&self, answer: &Answer<'_>, example: &Example) -> Score {
        self.needles.with(answer, example, |needles, text| {
            let pass = needles.iter().any(|(_, start)| !start.is_empty() && text.starts_with(start.as_str()));
            verdict(pass, || {
                let texts: Vec<String> = needles.iter().map(|(text, _)| text.clone()).collect();
                format!("expected {} at the beginning, got {}", accepted(&texts), quoted(answer.output))
            })
        })
    }

    fn requirement(&self) -> String {
        format!("begin with {}", self.needles.named("the accepted answer"))
    }

    fn compares(&self) -> bool {
        self.compares
    }
}

impl Compile for StartsWith {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        let needles = Needles::compile("value", self.value.as_slice(), &self.normalize)?;
        Ok(Box::new(Begins { needles, compares: self.value.is_none() }))
    }
}

impl Rule for OneOf {
    fn score(&self, answer: &Answer<'_>, _: &Example) -> Score {
        let text = normalize(answer.output, &self.normalize);
        let pass = self.values.iter().any(|value| normalize(value, &self.normalize) == text);
        verdict(pass, || format!("expected {}, got {}", accepted(&self.values), quoted(answer.output)))
    }

    fn requirement(&self) -> String {
        format!("be {}", listed(self.values.iter().map(String::as_str)))
    }
}

impl Compile for OneOf {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        match self.values.is_empty() {
            true => Err("values is empty, so no answer could be right".to_owned()),
            false => Ok(Box::new(self.clone())),
        }
    }
}

/// Limits of a number of things in an answer.
#[derive(Debug)]
struct Within {
    count: fn(&str) -> usize,
    things: &'static str,
    min: Option<u64>,
    max: Option<u64>,
}

impl Within {
    fn compile(
        count: fn(&str) -> usize,
        things: &'static str,
        min: Option<u64>,
        max: Option<u64>,
    ) -> Result<Box<dyn Rule>, String> {
        match (min, max) {
            (None, None) => Err("has no limit; add min or max".to_owned()),
            (Some(min), Some(max)) if min > max => Err(format!("has a min of {min} above its max of {max}")),
            _ => Ok(Box::new(Self { count, things, min, max })),
        }
    }

    fn limits(&self) -> String {
        limits(self.min, self.max)
    }
}

/// Limits in words, such as `from 10 to 100`.
pub(super) fn limits(min: Option<u64>, max: Option<u64>) -> String {
    match (min, max) {
        (Some(min), Some(max)) if min == max => format!("exactly {min}"),
        (Some(min), Some(max)) => format!("from {min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => "any number of".to_owned(),
    }
}

impl Rule for Within {
    fn score(&self, answer: &Answer<'_>, _: &Example) -> Score {
        let count = (self.count)(answer.output) as u64;
        let pass = self.min.is_none_or(|min| count >= min) && self.max.is_none_or(|max| count <= max);
        verdict(pass, || format!("expected {} {}, got {count}", self.limits(), self.things))
    }

    fn requirement(&self) -> String {
        format!("have {} {}", self.limits(), self.things)
    }
}

impl Compile for WordCount {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        Within::compile(word_count, "words", self.min, self.max)
    }
}

impl Compile for SentenceCount {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        Within::compile(sentence_count, "sentences", self.min, self.max)
    }
}

impl Compile for Length {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        Within::compile(character_count, "characters", self.min, self.max)
    }
}

#[cfg(test)]
mod tests {
    use Normalization::{Lowercase, Trim};
    use serde_json::json;

    use super::super::compiled::example;
    use super::*;

    fn exact(steps: &[Normalization]) -> Exact {
        Exact { normalize: steps.to_vec(), value: None }
    }

    fn contains(value: Option<&str>, steps: &[Normalization]) -> Box<dyn Rule> {
        Contains { value: value.map(str::to_owned), normalize: steps.to_vec() }.compile().unwrap()
    }

    #[test]
    fn exact_accepts_any_accepted_answer() {
        let exact = exact(&[Trim, Lowercase]);
        let cases: [(Vec<Value>, &str, f64); 18] = [
            (vec![json!("Paris")], " paris\n", 1.0),
            (vec![json!("Paris")], "Paris.", 0.0),
            (vec![json!("a"), json!("b")], "B", 1.0),
            (vec![json!("")], "  ", 1.0),
            (vec![json!("42")], "42.0", 0.0),
            (vec![json!(42)], "42.0", 1.0),
            (vec![json!(0.5)], "5e-1", 1.0),
            (vec![json!(9_007_199_254_740_993_u64)], "9007199254740992", 0.0),
            (vec![json!(-1)], "18446744073709551615", 0.0),
            (vec![json!(true)], "True", 1.0),
            (vec![json!(true)], "\"true\"", 0.0),
            (vec![json!(null)], "null", 1.0),
            (vec![json!(null)], "", 0.0),
            (vec![json!({"a": 1, "b": ["X"]})], r#" {"b": ["x "], "a": 1.0} "#, 1.0),
            (vec![json!({"a": 1})], r#"{"a": 1, "b": 2}"#, 0.0),
            (vec![json!([1, 2])], "[2, 1]", 0.0),
            (vec![json!("[1]")], "[ 1 ]", 0.0),
            (vec![json!({"a": 1}), json!("none")], "None", 1.0),
        ];
        for (accepted, answer, expected) in cases {
            let score = exact.score(&Answer::text(answer), &example(accepted.clone()));
            assert_eq!(score.value(), Some(expected), "{accepted:?} {answer:?} {score:?}");
        }
    }

    #[test]
    fn reasons_state_what_was_expected_and_received() {
        let example = example(vec![json!("Paris"), json!("Lutetia")]);
        let missed = exact(&[]).score(&Answer::text("Lyon\nor Nice"), &example);
        assert_eq!(missed, Score::pass(false, Some(r#"expected "Paris" or "Lutetia", got "Lyon or Nice""#.into())));
        let found = contains(None, &[]).score(&Answer::text("Lyon"), &example);
        let reason = r#"expected "Paris" or "Lutetia" somewhere in the answer, got "Lyon""#;
        assert_eq!(found, Score::pass(false, Some(reason.into())));
    }

    #[test]
    fn contains_looks_for_an_accepted_answer_or_the_fixed_text() {
        let cases = [
            (None, json!(["Paris"]), "It is PARIS, surely", Some(1.0)),
            (None, json!(["Lyon", "Paris"]), "paris", Some(1.0)),
            (None, json!(["Paris"]), "Par is", Some(0.0)),
            (None, json!(["Paris"]), "", Some(0.0)),
            (None, json!([42]), "it is 42", Some(1.0)),
            (None, json!([" "]), "anything", None),
            (None, json!([]), "anything", None),
            (None, json!(["", "a"]), "b", Some(0.0)),
            (Some("Sorry"), json!([]), "I am sorry", Some(1.0)),
            (Some("Sorry"), json!(["sure"]), "sure", Some(0.0)),
        ];
        for (value, accepted, answer, expected) in cases {
            let contains = contains(value, &[Trim, Lowercase]);
            let example = example(accepted.as_array().unwrap().clone());
            assert_eq!(contains.score(&Answer::text(answer), &example).value(), expected, "{value:?} {answer:?}");
        }
    }

    fn score(rule: &dyn Compile, answer: &str, accepted: &[&str]) -> Score {
        let example = example(accepted.iter().map(|text| json!(text)).collect());
        rule.compile().unwrap().score(&Answer::text(answer), &example)
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn contains_all_scores_the_share_of_texts_that_are_found() {
        let all = |values: &[&str]| ContainsAll { values: texts(values), normalize: vec![Trim, Lowercase] };
        assert_eq!(score(&all(&["a", "b"]), "B, A", &[]).value(), Some(1.0));
        let half = score(&all(&["refund", "14 days"]), "You get a refund.", &[]);
        assert_eq!(half, Score::Value(0.5, Some("1 of 2 found; missing: \"14 days\"".into())));
        assert_eq!(score(&all(&[]), "x", &["x", "y"]).value(), Some(0.5));
        assert!(matches!(score(&all(&[]), "x", &[]), Score::Skipped(_)));
        assert!(all(&[" "]).compile().unwrap_err().contains("nothing to look for"));
    }

    #[test]
    fn contains_any_starts_with_and_one_of_follow_their_names() {
        let any = ContainsAny { values: texts(&["sorry", "apolog"]), normalize: vec![Lowercase] };
        assert_eq!(score(&any, "My Apologies!", &[]).value(), Some(1.0));
        assert_eq!(score(&any, "Fine.", &[]).value(), Some(0.0));
        let starts = |value: Option<&str>| StartsWith { value: value.map(str::to_owned), normalize: vec![Trim] };
        assert_eq!(score(&starts(Some("Dear")), " Dear Ms Ito", &[]).value(), Some(1.0));
        assert_eq!(score(&starts(Some("Dear")), "Oh Dear", &[]).value(), Some(0.0));
        assert_eq!(score(&starts(None), "yes, of course", &["no", "yes"]).value(), Some(1.0));
        let one = OneOf { values: texts(&["yes", "no"]), normalize: vec![Trim, Lowercase] };
        assert_eq!(score(&one, " No ", &["yes"]).value(), Some(1.0));
        assert_eq!(
            score(&one, "perhaps", &["yes"]),
            Score::pass(false, Some("expected \"yes\" or \"no\", got \"perhaps\"".into()))
        );
        assert!(OneOf { values: vec![], normalize: vec![] }.compile().is_err());
    }

    #[test]
    fn counts_are_compared_with_their_limits() {
        let words = |min, max| WordCount { min, max };
        assert_eq!(score(&words(Some(2), Some(3)), "one two", &[]).value(), Some(1.0));
        assert_eq!(
            score(&words(None, Some(1)), "one two", &[]),
            Score::pass(false, Some("expected at most 1 words, got 2".into()))
        );
        assert_eq!(score(&SentenceCount { min: Some(2), max: None }, "One. Two!", &[]).value(), Some(1.0));
        assert_eq!(score(&Length { min: None, max: Some(3) }, "éèê", &[]).value(), Some(1.0));
        assert!(words(None, None).compile().unwrap_err().contains("add min or max"));
        assert!(words(Some(3), Some(2)).compile().is_err());
    }
}
