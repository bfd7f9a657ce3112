//! The scorer that matches a regular expression.

use regex::{Regex, RegexBuilder};

use super::Answer;
use super::reason::{NO_ACCEPTED, accepted, quoted, short};
use super::rule::{Compile, Rule};
use crate::core::domain::{Example, Score, scorer};

/// The placeholder for the accepted answer in a pattern.
pub(super) const PLACEHOLDER: &str = "{expected}";

/// Maximum size of a compiled pattern, in bytes. The time for a match is proportional to this size times the length of
/// the answer.
const SIZE_LIMIT: usize = 4 << 20;

/// Maximum length of an accepted answer that is inserted into a pattern, in bytes. Compiling a longer one would take
/// long before hitting [`SIZE_LIMIT`].
const MAX_ACCEPTED: usize = 16 << 10;

/// Scores 1 if the pattern matches anywhere in the answer.
///
/// If the pattern contains `{expected}`, it is compiled for each accepted answer, which is escaped; any match counts.
/// Empty accepted answers are not tried, since they would match everywhere.
#[derive(Debug)]
enum Pattern {
    /// A pattern that is the same for every example.
    Fixed(Regex),
    /// A pattern to be completed with the accepted answers of an example.
    Template(String),
}

impl Pattern {
    fn compile(pattern: &str) -> Result<Self, String> {
        // Compiling with a sample answer shows at load time whether the pattern is valid.
        let regex = build(&fill(pattern, "x"))?;
        Ok(if pattern.contains(PLACEHOLDER) { Self::Template(pattern.to_owned()) } else { Self::Fixed(regex) })
    }

    fn score(&self, output: &str, example: &Example) -> Score {
        match self {
            Self::Fixed(regex) => {
                let pass = regex.is_match(output);
                let reason =
                    || short(&format!("expected a match for {}, got {}", quoted(regex.as_str()), quoted(output)));
                Score::pass(pass, (!pass).then(reason))
            }
            Self::Template(pattern) => score_template(pattern, output, &example.expected_texts()),
        }
    }
}

fn score_template(pattern: &str, output: &str, texts: &[String]) -> Score {
    if texts.is_empty() {
        return Score::Skipped(NO_ACCEPTED.to_owned());
    }
    let mut unusable = None;
    let mut tried = false;
    for text in texts.iter().filter(|text| !text.is_empty()) {
        match complete(pattern, text) {
            Ok(regex) if regex.is_match(output) => return Score::pass(true, None),
            Ok(_) => tried = true,
            Err(cause) => unusable = Some(format!("the pattern with {} cannot be used: {cause}", quoted(text))),
        }
    }
    // An answer is wrong only if all accepted answers were tried.
    if let Some(reason) = unusable {
        return Score::Skipped(short(&reason));
    }
    if !tried {
        return Score::Skipped("the accepted answer is empty".to_owned());
    }
    let reason = format!("expected a match for {} with {}, got {}", quoted(pattern), accepted(texts), quoted(output));
    Score::pass(false, Some(short(&reason)))
}

fn complete(pattern: &str, text: &str) -> Result<Regex, String> {
    if text.len() > MAX_ACCEPTED {
        return Err(format!("it is longer than {} KiB", MAX_ACCEPTED >> 10));
    }
    build(&fill(pattern, text))
}

fn fill(pattern: &str, text: &str) -> String {
    let mut escaped = String::new();
    for c in regex::escape(text).chars() {
        // White space is escaped, so that the `x` flag does not drop it.
        if c.is_whitespace() {
            escaped.push_str(&format!("\\x{{{:X}}}", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    pattern.replace(PLACEHOLDER, &escaped)
}

fn build(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).size_limit(SIZE_LIMIT).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => {
            format!("the regular expression is too large (more than {} MiB when compiled)", limit >> 20)
        }
        // The first lines of a syntax error show the pattern; the last line describes the error.
        other => {
            let text = other.to_string();
            let cause = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("the regular expression is not valid: {cause}")
        }
    })
}

impl Rule for Pattern {
    fn score(&self, answer: &Answer<'_>, example: &Example) -> Score {
        self.score(answer.output, example)
    }

    fn requirement(&self) -> String {
        match self {
            Self::Fixed(regex) => format!("match {}", quoted(regex.as_str())),
            Self::Template(pattern) => format!("match {}", quoted(pattern)),
        }
    }
}

impl Compile for scorer::text::Regex {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        Ok(Box::new(Pattern::compile(&self.pattern)?))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::compiled::example;
    use super::*;

    #[test]
    fn a_pattern_matches_anywhere_unless_it_is_anchored() {
        let cases: [(&str, Vec<Value>, &str, Option<f64>); 14] = [
            (r"\d{4}-\d\d", vec![], "on 2026-09-14", Some(1.0)),
            (r"^\d+$", vec![], "12a", Some(0.0)),
            ("", vec![], "", Some(1.0)),
            (r"(?i)answer:\s*{expected}\b", vec![json!("b")], "ANSWER: B", Some(1.0)),
            (r"answer: {expected}$", vec![json!("a"), json!("b")], "answer: b", Some(1.0)),
            ("^{expected}$", vec![json!("a.c")], "abc", Some(0.0)),
            ("^{expected}$", vec![json!("a.c (x|y)[0]")], "a.c (x|y)[0]", Some(1.0)),
            ("(?x) ^ {expected} $", vec![json!("a b#c")], "a b#c", Some(1.0)),
            ("{expected}", vec![json!("{expected}")], "{expected}", Some(1.0)),
            ("{expected}", vec![json!({"a": 1})], r#"so {"a":1}"#, Some(1.0)),
            ("{expected}", vec![json!("")], "anything", None),
            ("{expected}", vec![], "anything", None),
            ("{expected}", vec![json!("a".repeat(MAX_ACCEPTED + 1))], "a", None),
            ("^{expected}$", vec![json!("é ".repeat(MAX_ACCEPTED / 3))], &"é ".repeat(MAX_ACCEPTED / 3), Some(1.0)),
        ];
        for (pattern, accepted, answer, expected) in cases {
            let score = Pattern::compile(pattern).unwrap().score(answer, &example(accepted));
            assert_eq!(score.value(), expected, "{pattern} {answer:?} {score:?}");
        }
    }

    #[test]
    fn pathological_patterns_take_linear_time() {
        let pattern = Pattern::compile("^(a+)+$").unwrap();
        let answer = format!("{}b", "a".repeat(1 << 20));
        assert_eq!(pattern.score(&answer, &example(vec![])).value(), Some(0.0));
    }

    #[test]
    fn an_accepted_answer_too_long_for_the_pattern_never_makes_the_answer_wrong() {
        let accepted = vec![json!("short"), json!("a".repeat(1 << 15))];
        let pattern = Pattern::compile("{expected}").unwrap();
        assert!(matches!(pattern.score("neither", &example(accepted.clone())), Score::Skipped(_)));
        assert_eq!(pattern.score("short", &example(accepted)).value(), Some(1.0));
    }

    #[test]
    fn the_largest_patterns_that_compile_can_be_matched() {
        for count in [100, 1_000, 10_000, 20_000, 50_000, 100_000, 400_000] {
            if let Ok(pattern) = Pattern::compile(&format!("^.{{0,{count}}}$")) {
                assert_eq!(pattern.score("", &example(vec![])).value(), Some(1.0), "{count}");
            }
        }
    }

    #[test]
    fn reasons_name_the_pattern() {
        let score = Pattern::compile("^{expected}$").unwrap().score("no", &example(vec![json!("yes")]));
        let reason = r#"expected a match for "^{expected}$" with "yes", got "no""#;
        assert_eq!(score, Score::pass(false, Some(reason.into())));
    }
}
