//! The compiled scorers of a suite.

use super::json_schema::JsonSchema;
use super::numeric::Numeric;
use super::pattern::Pattern;
use super::text::{Contains, Exact};
use crate::core::domain::{Example, Score, Scorer, ScorerKind};

/// A scorer that cannot be used, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("scorer \"{scorer}\": {reason}")]
pub struct ScorerError {
    /// The name of the scorer.
    pub scorer: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The scorers of a suite, ready to score.
///
/// Patterns and schemas are compiled only once. Values of this type can be shared between threads.
#[derive(Debug)]
pub struct CompiledScorers {
    scorers: Vec<(String, Compiled)>,
}

#[derive(Debug)]
enum Compiled {
    Exact(Exact),
    Contains(Contains),
    Pattern(Pattern),
    Numeric(Numeric),
    JsonSchema(Box<JsonSchema>),
}

impl CompiledScorers {
    /// Compiles the scorers of a suite, in order.
    ///
    /// # Errors
    /// Returns the first scorer that cannot be used: an invalid or too large regular expression, a JSON schema that is
    /// invalid or refers to another document, a tolerance that is negative or not finite, or an empty text to look for.
    pub fn compile(scorers: &[Scorer]) -> Result<Self, ScorerError> {
        let compile = |scorer: &Scorer| match Compiled::new(&scorer.kind) {
            Ok(compiled) => Ok((scorer.name.clone(), compiled)),
            Err(reason) => Err(ScorerError { scorer: scorer.name.clone(), reason }),
        };
        Ok(Self { scorers: scorers.iter().map(compile).collect::<Result<_, _>>()? })
    }

    /// Scores an answer. Returns the name and score of each scorer, in the order of the suite.
    ///
    /// Values are 0 or 1. A scorer that needs an accepted answer returns [`Score::Skipped`] if the example has none
    /// that it can use. Reasons are at most 200 characters long.
    pub fn score(&self, output: &str, example: &Example) -> Vec<(String, Score)> {
        self.scorers.iter().map(|(name, scorer)| (name.clone(), scorer.score(output, example))).collect()
    }
}

impl CompiledScorers {
    /// Whether the first scorer takes two answers to an example for the same, in either direction.
    pub fn agree(&self, one: &str, other: &str, example: &Example) -> bool {
        let accepts = |scorer: &Compiled, output: &str, expected: &str| {
            let example = Example { expected: vec![expected.into()], ..example.clone() };
            scorer.score(output, &example).value() == Some(1.0)
        };
        let first = self.scorers.first().filter(|(_, scorer)| scorer.compares());
        first.is_some_and(|(_, scorer)| accepts(scorer, one, other) || accepts(scorer, other, one))
    }

    /// Whether the first scorer compares answers with accepted ones.
    pub fn compares(&self) -> bool {
        self.scorers.first().is_some_and(|(_, scorer)| scorer.compares())
    }
}

impl Compiled {
    fn compares(&self) -> bool {
        match self {
            Self::Exact(_) | Self::Numeric(_) => true,
            Self::Contains(contains) => contains.compares(),
            Self::Pattern(_) | Self::JsonSchema(_) => false,
        }
    }

    fn new(kind: &ScorerKind) -> Result<Self, String> {
        Ok(match kind {
            ScorerKind::Exact { normalize } => Self::Exact(Exact::new(normalize)),
            ScorerKind::Contains { value, normalize } => {
                Self::Contains(Contains::compile(value.as_deref(), normalize)?)
            }
            ScorerKind::Regex { pattern } => Self::Pattern(Pattern::compile(pattern)?),
            ScorerKind::Numeric { absolute, relative } => Self::Numeric(Numeric::compile(*absolute, *relative)?),
            ScorerKind::JsonSchema { schema } => Self::JsonSchema(Box::new(JsonSchema::compile(schema)?)),
        })
    }

    fn score(&self, output: &str, example: &Example) -> Score {
        match self {
            Self::Exact(scorer) => scorer.score(output, example),
            Self::Contains(scorer) => scorer.score(output, example),
            Self::Pattern(scorer) => scorer.score(output, example),
            Self::Numeric(scorer) => scorer.score(output, example),
            Self::JsonSchema(scorer) => scorer.score(output),
        }
    }
}

/// An example with the given accepted answers, for the tests of this module.
#[cfg(test)]
pub(super) fn example(expected: Vec<serde_json::Value>) -> Example {
    Example {
        id: "example".into(),
        input: serde_json::Value::Null,
        expected,
        context: None,
        metadata: serde_json::Map::new(),
        tags: Vec::new(),
        created_at: None,
        labeled_at: None,
        labeled_by: None,
        reviewed_at: None,
        valid_until: None,
        source: None,
        sources: Vec::new(),
        critical: false,
        status: crate::core::domain::ExampleStatus::Active,
        retired_reason: None,
        line: 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::reason::MAX_REASON;
    use super::*;
    use crate::core::domain::Normalization::{Lowercase, Punctuation, Trim, Unicode, Whitespace};

    fn scorer(name: &str, kind: ScorerKind) -> Scorer {
        Scorer { name: name.into(), kind, reduce: Default::default() }
    }

    fn every_kind() -> Vec<Scorer> {
        let normalize = vec![Unicode, Lowercase, Whitespace, Punctuation, Trim];
        let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]});
        vec![
            scorer("schema", ScorerKind::JsonSchema { schema }),
            scorer("exact", ScorerKind::Exact { normalize: normalize.clone() }),
            scorer("contains", ScorerKind::Contains { value: None, normalize: normalize.clone() }),
            scorer("fixed", ScorerKind::Contains { value: Some("yes".into()), normalize }),
            scorer("regex", ScorerKind::Regex { pattern: r"\b{expected}\b".into() }),
            scorer("numeric", ScorerKind::Numeric { absolute: 0.5, relative: 0.01 }),
        ]
    }

    #[test]
    fn scores_are_in_the_order_of_the_suite() {
        let compiled = CompiledScorers::compile(&every_kind()).unwrap();
        let names: Vec<_> = compiled.score("x", &example(vec![])).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["schema", "exact", "contains", "fixed", "regex", "numeric"]);
    }

    #[test]
    fn without_scorers_there_are_no_scores() {
        assert_eq!(CompiledScorers::compile(&[]).unwrap().score("x", &example(vec![])), []);
    }

    #[test]
    fn scorers_that_need_an_accepted_answer_skip_an_example_without_one() {
        let compiled = CompiledScorers::compile(&every_kind()).unwrap();
        for (name, score) in compiled.score("yes", &example(vec![])) {
            let needs_none = ["schema", "fixed"].contains(&name.as_str());
            assert_eq!(matches!(score, Score::Skipped(_)), !needs_none, "{name}: {score:?}");
        }
    }

    #[test]
    fn an_invalid_scorer_is_reported_at_load_time_with_its_name() {
        let cases = [
            (ScorerKind::Regex { pattern: "(".into() }, "unclosed group"),
            (ScorerKind::Regex { pattern: r"(\w{1000}){1000}".into() }, "too large"),
            (ScorerKind::JsonSchema { schema: json!({"type": "strin"}) }, "/type"),
            (ScorerKind::JsonSchema { schema: json!({"$ref": "file:///etc/hosts"}) }, "file:///etc/hosts"),
            (ScorerKind::Numeric { absolute: f64::NAN, relative: 0.0 }, "absolute"),
            (ScorerKind::Numeric { absolute: 0.0, relative: -1.0 }, "relative"),
            (ScorerKind::Contains { value: Some(" ".into()), normalize: vec![Trim] }, "nothing to look for"),
        ];
        for (kind, part) in cases {
            let error = CompiledScorers::compile(&[scorer("mine", kind)]).unwrap_err();
            assert_eq!(error.scorer, "mine");
            assert!(error.to_string().starts_with("scorer \"mine\": "), "{error}");
            assert!(error.reason.contains(part), "{error}");
        }
    }

    fn assert_sound(scores: Vec<(String, Score)>) {
        for (name, score) in scores {
            let reason = match &score {
                Score::Value(value, reason) => {
                    assert!((0.0..=1.0).contains(value), "{name}: {score:?}");
                    reason.clone().unwrap_or_default()
                }
                Score::Skipped(reason) => reason.clone(),
            };
            assert!(reason.chars().count() <= MAX_REASON, "{name}: {reason}");
            assert!(!reason.chars().any(char::is_control), "{name}: {reason:?}");
        }
    }

    #[test]
    fn degenerate_and_very_long_answers_are_scored() {
        let compiled = CompiledScorers::compile(&every_kind()).unwrap();
        let answers = [
            String::new(),
            "NaN".into(),
            "\u{0}\u{feff}\u{202e}".into(),
            "a".repeat(1 << 20),
            "9".repeat(1 << 20),
            "[".repeat(1 << 20),
            "1,234 ".repeat(1 << 17),
            "```".repeat(1 << 18),
            "\u{fdfa}".repeat(1 << 18),
            format!("{{\"a\": \"{}\"}}", "é".repeat(1 << 19)),
        ];
        let accepted = [json!(""), json!("NaN"), json!(null), json!({"a": [1]}), json!("long ".repeat(1 << 18))];
        for answer in &answers {
            assert_sound(compiled.score(answer, &example(accepted.to_vec())));
        }
        for one in accepted {
            let example = example(vec![one]);
            answers.iter().filter(|answer| answer.len() < 10).for_each(|answer| {
                assert_sound(compiled.score(answer, &example));
            });
        }
    }

    fn any_answer() -> impl Strategy<Value = String> {
        prop_oneof![any::<String>(), r#"[-+−.,eE%0-9 a-z]{0,40}"#, r#"(```(json)?\n?)?[\[\]{}":,0-9a ]{0,30}(\n?```)?"#,]
    }

    fn any_accepted() -> impl Strategy<Value = Value> {
        prop_oneof![
            any_answer().prop_map(Value::String),
            any::<f64>().prop_map(|number| json!(number)),
            any::<i64>().prop_map(|number| json!(number)),
            Just(Value::Null),
            proptest::collection::vec(any_answer(), 0..3).prop_map(|texts| json!({"a": texts})),
        ]
    }

    proptest! {
        #[test]
        fn scoring_never_panics_and_stays_within_bounds(
            answer in any_answer(),
            accepted in proptest::collection::vec(any_accepted(), 0..4),
        ) {
            let compiled = CompiledScorers::compile(&every_kind()).unwrap();
            let example = example(accepted);
            let scores = compiled.score(&answer, &example);
            prop_assert_eq!(&scores, &compiled.score(&answer, &example));
            assert_sound(scores);
        }

        #[test]
        fn an_accepted_answer_matches_itself_exactly(accepted in any_accepted()) {
            let example = example(vec![accepted]);
            let answer = example.expected_texts().concat();
            let exact = CompiledScorers::compile(&every_kind()[1..2]).unwrap().score(&answer, &example);
            prop_assert_eq!(exact[0].1.value(), Some(1.0));
        }
    }
}
