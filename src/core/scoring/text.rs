//! Scorers that compare texts (`exact` and `contains`), and the normalisation of texts.

use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use super::reason::{NO_ACCEPTED, accepted, quoted, short};
use crate::core::domain::{Example, Normalization, Score};

/// Applies normalisation steps to a text, in order.
///
/// - `Trim` removes white space (Unicode `White_Space`) at both ends.
/// - `Lowercase` applies the full Unicode lower case mapping.
/// - `Whitespace` replaces every run of white space by one space, also at the ends.
/// - `Punctuation` removes quotes, brackets, sentence marks, and `*`, `_` and white space among them, at both ends.
///   Marks that are meaningful next to a value are retained (`-`, `+`, `%`, `#`, currency signs, a `.` before a digit),
///   and a text that consists only of such characters is unchanged, so that `?` and `!` remain different.
/// - `Unicode` is normal form NFKC (Unicode Standard Annex #15).
pub fn normalize(text: &str, steps: &[Normalization]) -> String {
    steps.iter().fold(text.to_owned(), |text, step| match step {
        Normalization::Trim => text.trim().to_owned(),
        Normalization::Lowercase => text.to_lowercase(),
        Normalization::Whitespace => collapse_whitespace(&text),
        Normalization::Punctuation => strip_punctuation(&text).to_owned(),
        Normalization::Unicode => text.nfkc().collect(),
    })
}

fn collapse_whitespace(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_run = false;
    for c in text.chars() {
        if !c.is_whitespace() {
            out.push(c);
        } else if !in_run {
            out.push(' ');
        }
        in_run = c.is_whitespace();
    }
    out
}

fn strip_punctuation(text: &str) -> &str {
    let is_loose = |c: char| c.is_whitespace() || is_punctuation(c);
    let stripped = text.trim_matches(is_loose);
    if stripped.is_empty() {
        return text;
    }
    let start = text.len() - text.trim_start_matches(is_loose).len();
    let is_fraction = stripped.starts_with(|c: char| c.is_ascii_digit()) && text[..start].ends_with('.');
    if is_fraction { text[start - 1..].trim_end_matches(is_loose) } else { stripped }
}

fn is_punctuation(c: char) -> bool {
    matches!(
        c,
        '.' | ',' | ';' | ':' | '!' | '?' | '¡' | '¿' | '…' | '·' | '"' | '\'' | '`' | '´' | '*' | '_'
            | '(' | ')' | '[' | ']' | '{' | '}' | '«' | '»' | '‹' | '›' | '–' | '—'
            | '\u{2018}'..='\u{201F}' // quotation marks
            | '\u{3001}' | '\u{3002}' | '\u{3008}'..='\u{3011}' | '\u{FF01}' | '\u{FF08}' | '\u{FF09}'
            | '\u{FF0C}' | '\u{FF0E}' | '\u{FF1A}' | '\u{FF1B}' | '\u{FF1F}' // East Asian forms
    )
}

/// Scores 1 if the normalised answer equals an accepted answer.
///
/// An accepted answer that is a JSON value other than a string is compared as JSON if the answer parses as JSON: key
/// order, white space and the notation of numbers do not matter, and the steps are applied to strings within. If the
/// answer does not parse, its text is compared with the canonical JSON of the value.
#[derive(Debug)]
pub(super) struct Exact {
    steps: Vec<Normalization>,
}

impl Exact {
    pub(super) fn new(steps: &[Normalization]) -> Self {
        Self { steps: steps.to_vec() }
    }

    pub(super) fn score(&self, output: &str, example: &Example) -> Score {
        if example.expected.is_empty() {
            return Score::Skipped(NO_ACCEPTED.to_owned());
        }
        let texts = example.expected_texts();
        let answer = normalize(output, &self.steps);
        let parsed =
            if example.expected.iter().all(Value::is_string) { None } else { serde_json::from_str(output).ok() };
        let pass = example.expected.iter().zip(&texts).any(|(value, text)| match (value, &parsed) {
            (Value::String(_), _) | (_, None) => normalize(text, &self.steps) == answer,
            (value, Some(parsed)) => json_equal(value, parsed, &self.steps),
        });
        let reason = || short(&format!("expected {}, got {}", accepted(&texts), quoted(output)));
        Score::pass(pass, (!pass).then(reason))
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

/// Scores 1 if the normalised answer contains an accepted answer, or the fixed text if there is one.
///
/// Texts that are empty after normalisation are not looked for, since they would be found everywhere.
#[derive(Debug)]
pub(super) struct Contains {
    value: Option<(String, String)>,
    steps: Vec<Normalization>,
}

impl Contains {
    pub(super) fn compile(value: Option<&str>, steps: &[Normalization]) -> Result<Self, String> {
        let value = value.map(|value| (value.to_owned(), normalize(value, steps)));
        if value.as_ref().is_some_and(|(_, normalized)| normalized.is_empty()) {
            return Err("value is empty, so there is nothing to look for".to_owned());
        }
        Ok(Self { value, steps: steps.to_vec() })
    }

    /// Whether it looks for accepted answers rather than for a fixed text.
    pub(super) fn compares(&self) -> bool {
        self.value.is_none()
    }

    pub(super) fn score(&self, output: &str, example: &Example) -> Score {
        let answer = normalize(output, &self.steps);
        if let Some((value, normalized)) = &self.value {
            return verdict(answer.contains(normalized), std::slice::from_ref(value), output);
        }
        let texts = example.expected_texts();
        if texts.is_empty() {
            return Score::Skipped(NO_ACCEPTED.to_owned());
        }
        let needles: Vec<_> = texts.iter().map(|text| normalize(text, &self.steps)).collect();
        if needles.iter().all(String::is_empty) {
            return Score::Skipped("the accepted answer is empty".to_owned());
        }
        let pass = needles.iter().any(|needle| !needle.is_empty() && answer.contains(needle));
        verdict(pass, &texts, output)
    }
}

fn verdict(pass: bool, texts: &[String], output: &str) -> Score {
    let reason = || short(&format!("expected {} somewhere in the answer, got {}", accepted(texts), quoted(output)));
    Score::pass(pass, (!pass).then(reason))
}

#[cfg(test)]
mod tests {
    use Normalization::{Lowercase, Punctuation, Trim, Unicode, Whitespace};
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::compiled::example;
    use super::*;

    #[test]
    fn every_step_follows_its_description() {
        let cases: [(&[Normalization], &str, &str); 20] = [
            (&[], " A. ", " A. "),
            (&[Trim], " \u{a0}A b \n", "A b"),
            (&[Lowercase], "ÀÉ İ", "àé i\u{307}"),
            (&[Whitespace], "a \t\n b  ", "a b "),
            (&[Whitespace], "", ""),
            (&[Punctuation], "\"Paris.\"\n", "Paris"),
            (&[Punctuation], "**Paris**", "Paris"),
            (&[Punctuation], "“¿Qué?”", "Qué"),
            (&[Punctuation], "「東京」。", "東京"),
            (&[Punctuation], "(a) b", "a) b"),
            (&[Punctuation], "-5%", "-5%"),
            (&[Punctuation], "C#", "C#"),
            (&[Punctuation], "$.5.", "$.5"),
            (&[Punctuation], "(.5)", ".5"),
            (&[Punctuation], "?!", "?!"),
            (&[Punctuation], "", ""),
            (&[Unicode], "ﬁ ①\u{a0}Ａ", "fi 1 A"),
            (&[Unicode], "e\u{301}", "é"),
            (&[Trim, Lowercase, Punctuation], " YES! ", "yes"),
            (&[Unicode, Lowercase], "Ａ", "a"),
        ];
        for (steps, text, expected) in cases {
            assert_eq!(normalize(text, steps), expected, "{text:?} {steps:?}");
        }
    }

    #[test]
    fn exact_accepts_any_accepted_answer() {
        let exact = Exact::new(&[Trim, Lowercase]);
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
            let score = exact.score(answer, &example(accepted.clone()));
            assert_eq!(score.value(), Some(expected), "{accepted:?} {answer:?} {score:?}");
        }
    }

    #[test]
    fn reasons_state_what_was_expected_and_received() {
        let example = example(vec![json!("Paris"), json!("Lutetia")]);
        let exact = Exact::new(&[]).score("Lyon\nor Nice", &example);
        assert_eq!(exact, Score::pass(false, Some(r#"expected "Paris" or "Lutetia", got "Lyon or Nice""#.into())));
        let contains = Contains::compile(None, &[]).unwrap().score("Lyon", &example);
        let reason = r#"expected "Paris" or "Lutetia" somewhere in the answer, got "Lyon""#;
        assert_eq!(contains, Score::pass(false, Some(reason.into())));
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
            let contains = Contains::compile(value, &[Trim, Lowercase]).unwrap();
            let example = example(accepted.as_array().unwrap().clone());
            assert_eq!(contains.score(answer, &example).value(), expected, "{value:?} {answer:?}");
        }
    }

    proptest! {
        #[test]
        fn steps_other_than_lowercase_are_idempotent(text in any::<String>()) {
            for step in [Trim, Whitespace, Punctuation, Unicode] {
                let once = normalize(&text, &[step]);
                prop_assert_eq!(normalize(&once, &[step]), once);
            }
        }
    }
}
