//! The scorer that compares numbers.

use super::Answer;
use super::reason::{NO_ACCEPTED, accepted, quoted, short};
use super::rule::{Compile, Rule};
use crate::core::domain::{Example, Score, scorer};

/// Scores 1 if the last number in the answer is close to an accepted number: within the absolute tolerance, or within
/// the relative tolerance times the accepted number (PEP 485, with the accepted number as the reference).
///
/// A number consists of an optional sign (`-`, `+`, U+2212), digits that may be grouped in threes by commas, an
/// optional decimal point, and an optional exponent. A percent sign or unit after it is ignored on both sides, so that
/// `45%` is 45. Digits directly after a letter (`CO2`) belong to a word, and a hyphen after a letter or digit (`gpt-4`,
/// `2026-09`) is not a sign. Decimal commas are not supported.
#[derive(Debug)]
struct Numeric {
    absolute: f64,
    relative: f64,
}

impl Numeric {
    fn compile(absolute: f64, relative: f64) -> Result<Self, String> {
        for (name, value) in [("absolute", absolute), ("relative", relative)] {
            if !value.is_finite() || value < 0.0 {
                return Err(format!("the {name} tolerance is {value}; it must be a finite number of at least 0"));
            }
        }
        Ok(Self { absolute, relative })
    }

    fn score(&self, output: &str, example: &Example) -> Score {
        let texts = example.expected_texts();
        if texts.is_empty() {
            return Score::Skipped(NO_ACCEPTED.to_owned());
        }
        let wanted: Vec<f64> =
            texts.iter().filter_map(|text| last_number(text)).filter(|number| number.is_finite()).collect();
        if wanted.is_empty() {
            return Score::Skipped(short(&format!("no number in the accepted answer {}", accepted(&texts))));
        }
        let Some(got) = last_number(output) else {
            let reason = format!("expected {}, got no number in {}", accepted(&texts), quoted(output));
            return Score::pass(false, Some(short(&reason)));
        };
        let pass = wanted.iter().any(|wanted| self.is_near(got, *wanted));
        let reason = || short(&format!("expected {}, got {got:?}", accepted(&texts)));
        Score::pass(pass, (!pass).then(reason))
    }

    fn is_near(&self, got: f64, wanted: f64) -> bool {
        // An answer beyond the range of f64 is infinite, and so is its distance, which is within no tolerance.
        let distance = (got - wanted).abs();
        distance.is_finite() && (distance <= self.absolute || distance <= self.relative * wanted.abs())
    }
}

/// The last number in a text; infinite if it is beyond the range of f64.
fn last_number(text: &str) -> Option<f64> {
    let text = text.replace('\u{2212}', "-");
    let bytes = text.as_bytes();
    let mut last = None;
    let mut at = 0;
    while at < bytes.len() {
        if !starts_number(bytes, at) {
            at += 1;
            continue;
        }
        let end = number_end(bytes, at);
        if !before(bytes, at).is_some_and(|b| b.is_ascii_alphabetic()) {
            last = Some((sign_start(bytes, at), end));
        }
        at = end;
    }
    let (start, end) = last?;
    text.get(start..end)?.replace(',', "").parse().ok()
}

fn before(bytes: &[u8], at: usize) -> Option<u8> {
    at.checked_sub(1).and_then(|at| bytes.get(at).copied())
}

fn is_digit(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(u8::is_ascii_digit)
}

fn starts_number(bytes: &[u8], at: usize) -> bool {
    let is_point = bytes.get(at) == Some(&b'.') && !before(bytes, at).is_some_and(|b| b.is_ascii_alphanumeric());
    is_digit(bytes, at) || (is_point && is_digit(bytes, at + 1))
}

fn sign_start(bytes: &[u8], at: usize) -> usize {
    let is_sign = matches!(before(bytes, at), Some(b'-' | b'+'));
    let joins = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b')' | b']' | b'%' | b'.');
    if is_sign && !before(bytes, at - 1).is_some_and(joins) { at - 1 } else { at }
}

fn digits_end(bytes: &[u8], at: usize) -> usize {
    at + bytes.iter().skip(at).take_while(|b| b.is_ascii_digit()).count()
}

fn number_end(bytes: &[u8], start: usize) -> usize {
    let mut end = digits_end(bytes, start);
    if (1..=3).contains(&(end - start)) {
        while bytes.get(end) == Some(&b',') && digits_end(bytes, end + 1) == end + 4 {
            end += 4;
        }
    }
    if bytes.get(end) == Some(&b'.') && is_digit(bytes, end + 1) {
        end = digits_end(bytes, end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let digits = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'-' | b'+')));
        if is_digit(bytes, digits) {
            end = digits_end(bytes, digits);
        }
    }
    end
}

impl Rule for Numeric {
    fn score(&self, answer: &Answer<'_>, example: &Example) -> Score {
        self.score(answer.output, example)
    }

    fn requirement(&self) -> String {
        "end with the accepted number".to_owned()
    }

    fn compares(&self) -> bool {
        true
    }
}

impl Compile for scorer::text::Numeric {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        Ok(Box::new(Numeric::compile(self.absolute, self.relative)?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::compiled::example;
    use super::*;

    #[test]
    fn the_last_number_is_parsed_in_every_documented_format() {
        let cases = [
            ("42", Some(42.0)),
            ("first 1, then 2.", Some(2.0)),
            ("1,234.5", Some(1234.5)),
            ("$1,234,567.89!", Some(1_234_567.89)),
            ("1,2,3", Some(3.0)),
            ("1,2345", Some(2345.0)),
            ("1234,567", Some(567.0)),
            ("-3e5", Some(-3e5)),
            ("1E+3 kg", Some(1000.0)),
            ("2e\u{2212}2", Some(0.02)),
            ("3e", Some(3.0)),
            ("45%", Some(45.0)),
            ("\u{2212}7.5 °C", Some(-7.5)),
            ("(-5)", Some(-5.0)),
            ("10-4", Some(4.0)),
            ("2026-09-14", Some(14.0)),
            ("gpt-4", Some(4.0)),
            ("5 kg of CO2", Some(5.0)),
            (".5", Some(0.5)),
            ("-.5", Some(-0.5)),
            ("5.", Some(5.0)),
            ("**42**", Some(42.0)),
            ("答案是42。", Some(42.0)),
            ("\\boxed{42}", Some(42.0)),
            ("1e999", Some(f64::INFINITY)),
            ("", None),
            ("NaN", None),
            ("infinity", None),
            ("--", None),
            ("٤٢", None),
        ];
        for (text, expected) in cases {
            assert_eq!(last_number(text), expected, "{text:?}");
        }
    }

    #[test]
    fn either_tolerance_is_enough() {
        let cases: [(f64, f64, Value, &str, Option<f64>); 15] = [
            (0.0, 0.0, json!("42"), "It is 42.", Some(1.0)),
            (0.0, 0.0, json!(42), "42.0", Some(1.0)),
            (0.0, 0.0, json!(0.1), "0.1000001", Some(0.0)),
            (0.5, 0.0, json!(10), "10.5", Some(1.0)),
            (0.5, 0.0, json!(10), "10.51", Some(0.0)),
            (0.0, 0.01, json!(-1000), "-1,010", Some(1.0)),
            (0.0, 0.01, json!(0), "0.001", Some(0.0)),
            (0.0, 0.0, json!("45%"), "45", Some(1.0)),
            (0.0, 0.0, json!(42), "none", Some(0.0)),
            (0.0, 0.0, json!(42), "", Some(0.0)),
            (1e300, 1e300, json!(1e300), "1e999", Some(0.0)),
            (0.0, 0.0, json!("1e999"), "1e999", None),
            (0.0, 0.0, json!("NaN"), "NaN", None),
            (0.0, 0.0, json!(null), "1", None),
            (f64::MAX, 0.0, json!(-1e308), "1.7e308", Some(0.0)),
        ];
        for (absolute, relative, accepted, answer, expected) in cases {
            let score = Numeric::compile(absolute, relative).unwrap().score(answer, &example(vec![accepted.clone()]));
            assert_eq!(score.value(), expected, "{accepted} {answer:?} {score:?}");
        }
    }

    #[test]
    fn any_accepted_number_counts_and_accepted_texts_without_one_are_ignored() {
        let numeric = Numeric::compile(0.0, 0.0).unwrap();
        let example = example(vec![json!("many"), json!(3), json!("4")]);
        assert_eq!(numeric.score("4", &example).value(), Some(1.0));
        assert_eq!(numeric.score("5", &example).value(), Some(0.0));
    }

    #[test]
    fn reasons_name_both_numbers() {
        let numeric = Numeric::compile(0.0, 0.0).unwrap();
        let example = example(vec![json!(42)]);
        assert_eq!(numeric.score("41", &example), Score::pass(false, Some("expected \"42\", got 41.0".into())));
        let none = numeric.score("who knows", &example);
        assert_eq!(none, Score::pass(false, Some("expected \"42\", got no number in \"who knows\"".into())));
    }

    proptest! {
        #[test]
        fn every_finite_number_reads_back_as_written(number in any::<f64>()) {
            prop_assume!(number.is_finite());
            for text in [format!("{number}"), format!("{number:e}"), format!("so it is {number:?}, surely.")] {
                prop_assert_eq!(last_number(&text), Some(number));
            }
        }

        #[test]
        fn parsing_never_panics(text in "[-+−.,eE%0-9a ]{0,40}") {
            let _ = last_number(&text);
        }
    }
}
