//! The compiled scorers of a suite: a tree whose leaves score an answer, or are scored elsewhere.

use super::Answer;
use super::combined::{Combined, combine};
use super::condition::check_condition;
use super::reason::{quoted, short};
use super::rule::{Compile, Rule};
use crate::core::domain::scorer::with_every_scorer;
use crate::core::domain::{Example, Score, Scorer, ScorerKind};
use crate::core::judge::JudgeTask;

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
    nodes: Vec<Node>,
    external: Vec<Scorer>,
}

/// A scorer, and what is made of its score.
#[derive(Debug)]
struct Node {
    name: String,
    body: Body,
    not: bool,
    threshold: Option<f64>,
    weight: f64,
}

#[derive(Debug)]
enum Body {
    Rule(Box<dyn Rule>),
    /// The index among the external scorers, and what the answer must do.
    External(usize, &'static str),
    Combined(Combined, Vec<Node>),
    /// Why the scorer cannot score this example.
    Broken(String),
}

impl CompiledScorers {
    /// Compiles scorers, in order.
    ///
    /// # Errors
    /// Returns the first scorer that cannot be used: an invalid or too large regular expression, a JSON schema that is
    /// invalid or refers to another document, a tolerance that is negative or not finite, or an empty text to look for.
    pub fn compile(scorers: &[Scorer]) -> Result<Self, ScorerError> {
        let mut external = Vec::new();
        let nodes = scorers.iter().map(|scorer| Node::compile(scorer, &mut external)).collect::<Result<_, _>>()?;
        Ok(Self { nodes, external })
    }

    /// Compiles the scorers of one example; those that cannot be used fail with the reason.
    pub(super) fn of_example(scorers: Vec<(String, Result<Scorer, String>)>) -> Self {
        let mut external = Vec::new();
        let node = |(name, scorer): (String, Result<Scorer, String>)| {
            let compiled =
                scorer.and_then(|scorer| Node::compile(&scorer, &mut external).map_err(|error| error.reason));
            compiled.unwrap_or_else(|reason| Node {
                name,
                body: Body::Broken(short(&reason)),
                not: false,
                threshold: None,
                weight: 1.0,
            })
        };
        let nodes = scorers.into_iter().map(node).collect();
        Self { nodes, external }
    }

    /// The scorers that a program, a server or a model evaluates, at any depth. [`Self::score`] takes their scores by index.
    pub fn external(&self) -> &[Scorer] {
        &self.external
    }

    /// The indexes of the external scorers whose scores are needed: those of an `all` that another of its scorers already
    /// makes 0, for example, are not.
    pub fn needed(&self, answer: &Answer<'_>, example: &Example) -> Vec<usize> {
        let mut needed = Vec::new();
        if !self.external.is_empty() {
            self.nodes.iter().for_each(|node| node.needed(answer, example, &mut needed));
        }
        needed
    }

    /// Scores an answer. Returns the name and score of each scorer, in the order of the suite. `external` has the scores
    /// of the external scorers by index, as far as they are needed.
    ///
    /// Values are in [0, 1]. A scorer that needs an accepted answer returns `Score::Skipped` if the example has none
    /// that it can use. Reasons are at most 200 characters long.
    pub fn score(&self, answer: &Answer<'_>, example: &Example, external: &[Option<Score>]) -> Vec<(String, Score)> {
        let score = |node: &Node| {
            let score = node.score(answer, example, external);
            (node.name.clone(), score.unwrap_or_else(|| Score::Failed("it was not evaluated".to_owned())))
        };
        self.nodes.iter().map(score).collect()
    }

    /// Whether the first scorer takes two answers to an example for the same, in either direction.
    pub fn agree(&self, one: &str, other: &str, example: &Example) -> bool {
        let accepts = |node: &Node, output: &str, expected: &str| {
            let example = Example { expected: vec![expected.into()], ..example.clone() };
            node.score(&Answer::text(output), &example, &[]).and_then(|score| score.value()) == Some(1.0)
        };
        let first = self.nodes.first().filter(|node| node.compares());
        first.is_some_and(|node| accepts(node, one, other) || accepts(node, other, one))
    }

    /// Whether the first scorer compares answers with accepted ones.
    pub fn compares(&self) -> bool {
        self.nodes.first().is_some_and(Node::compares)
    }
}

macro_rules! bodies {
    ($($how:ident $variant:ident $name:literal $settings:ty,)*) => {
        impl Body {
            fn compile(scorer: &Scorer, external: &mut Vec<Scorer>) -> Result<Self, String> {
                match &scorer.kind {
                    $(ScorerKind::$variant(settings) => bodies!($how settings, scorer, external),)*
                }
            }
        }
    };
    (pure $settings:ident, $scorer:ident, $external:ident) => {
        $settings.compile().map(Self::Rule)
    };
    (external $settings:ident, $scorer:ident, $external:ident) => {{
        let _ = $settings;
        if let Some(task) = JudgeTask::of(&$scorer.kind) {
            task?;
        }
        $external.push($scorer.clone());
        Ok(Self::External($external.len() - 1, $scorer.kind.name()))
    }};
    (combined $settings:ident, $scorer:ident, $external:ident) => {{
        let _ = $settings;
        Self::combined($scorer, $external)
    }};
}
with_every_scorer!(bodies);

impl Body {
    fn combined(scorer: &Scorer, external: &mut Vec<Scorer>) -> Result<Self, String> {
        let how = match scorer.kind {
            ScorerKind::Any(_) => Combined::Any,
            ScorerKind::Mean(_) => Combined::Mean,
            _ => Combined::All,
        };
        let part = |part: &Scorer| {
            Node::compile(part, external).map_err(|error| format!("in {}: {}", error.scorer, error.reason))
        };
        Ok(Self::Combined(how, scorer.parts().iter().map(part).collect::<Result<_, _>>()?))
    }
}

impl Node {
    fn compile(scorer: &Scorer, external: &mut Vec<Scorer>) -> Result<Self, ScorerError> {
        let fail = |reason: String| ScorerError { scorer: scorer.name.clone(), reason };
        if scorer.threshold.is_some_and(|threshold| !(threshold > 0.0 && threshold <= 1.0)) {
            return Err(fail("threshold must be above 0 and at most 1".to_owned()));
        }
        if !(scorer.weight.is_finite() && scorer.weight > 0.0) {
            return Err(fail("weight must be above 0".to_owned()));
        }
        if let Some(when) = &scorer.when {
            check_condition(when).map_err(fail)?;
        }
        let body = Body::compile(scorer, external).map_err(fail)?;
        let Scorer { name, not, threshold, weight, .. } = scorer.clone();
        Ok(Self { name, body, not, threshold, weight })
    }

    fn needed(&self, answer: &Answer<'_>, example: &Example, needed: &mut Vec<usize>) {
        match &self.body {
            Body::External(index, _) => needed.push(*index),
            Body::Combined(_, parts) if self.score(answer, example, &[]).is_none() => {
                parts.iter().for_each(|part| part.needed(answer, example, needed));
            }
            _ => {}
        }
    }

    /// `None` if it depends on an external score that is not known.
    fn score(&self, answer: &Answer<'_>, example: &Example, external: &[Option<Score>]) -> Option<Score> {
        let score = match &self.body {
            Body::Rule(rule) => rule.score(answer, example),
            Body::External(index, _) => external.get(*index).cloned().flatten()?,
            Body::Combined(how, parts) => {
                let scores =
                    parts.iter().map(|part| (part.name.as_str(), part.weight, part.score(answer, example, external)));
                combine(*how, scores)?
            }
            Body::Broken(reason) => Score::Failed(reason.clone()),
        };
        Some(self.finish(score, answer))
    }

    /// Applies the threshold and the negation.
    fn finish(&self, score: Score, answer: &Answer<'_>) -> Score {
        let Score::Value(mut value, mut reason) = score else { return score };
        if let Some(threshold) = self.threshold {
            let reached = value >= threshold;
            let below = || {
                let why = reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
                short(&format!("{} is below {threshold}{why}", rounded(value)))
            };
            reason = if reached { None } else { Some(below()) };
            value = f64::from(u8::from(reached));
        }
        if self.not {
            value = 1.0 - value;
            let holds = || short(&format!("must not {}, got {}", self.requirement(), quoted(answer.output)));
            reason = (value < 1.0).then(holds);
        }
        Score::Value(value, reason)
    }

    fn requirement(&self) -> String {
        match &self.body {
            Body::Rule(rule) => rule.requirement(),
            Body::External(_, name) => format!("meet {name}"),
            Body::Combined(how, parts) => {
                let parts: Vec<String> = parts.iter().map(Self::requirement).collect();
                parts.join(if *how == Combined::Any { " or " } else { " and " })
            }
            Body::Broken(_) => "be scored".to_owned(),
        }
    }

    fn compares(&self) -> bool {
        match &self.body {
            Body::Rule(rule) => !self.not && rule.compares(),
            _ => false,
        }
    }
}

/// A score with at most three decimals.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
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
        assert: None,
        turns: Vec::new(),
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
    use crate::core::domain::scorer::extraction::JsonSchema;
    use crate::core::domain::scorer::text::{Contains, Exact, Numeric, Regex};

    fn scorer(name: &str, kind: ScorerKind) -> Scorer {
        Scorer::new(name, kind)
    }

    fn every_kind() -> Vec<Scorer> {
        let normalize = vec![Unicode, Lowercase, Whitespace, Punctuation, Trim];
        let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]});
        vec![
            scorer("schema", ScorerKind::JsonSchema(JsonSchema { schema, anywhere: false })),
            scorer("exact", ScorerKind::Exact(Exact { normalize: normalize.clone(), value: None })),
            scorer("contains", ScorerKind::Contains(Contains { value: None, normalize: normalize.clone() })),
            scorer("fixed", ScorerKind::Contains(Contains { value: Some("yes".into()), normalize })),
            scorer("regex", ScorerKind::Regex(Regex { pattern: r"\b{expected}\b".into() })),
            scorer("numeric", ScorerKind::Numeric(Numeric { absolute: 0.5, relative: 0.01 })),
        ]
    }

    #[test]
    fn scores_are_in_the_order_of_the_suite() {
        let compiled = CompiledScorers::compile(&every_kind()).unwrap();
        let names: Vec<_> =
            compiled.score(&Answer::text("x"), &example(vec![]), &[]).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["schema", "exact", "contains", "fixed", "regex", "numeric"]);
    }

    #[test]
    fn without_scorers_there_are_no_scores() {
        assert_eq!(CompiledScorers::compile(&[]).unwrap().score(&Answer::text("x"), &example(vec![]), &[]), []);
    }

    #[test]
    fn scorers_that_need_an_accepted_answer_skip_an_example_without_one() {
        let compiled = CompiledScorers::compile(&every_kind()).unwrap();
        for (name, score) in compiled.score(&Answer::text("yes"), &example(vec![]), &[]) {
            let needs_none = ["schema", "fixed"].contains(&name.as_str());
            assert_eq!(matches!(score, Score::Skipped(_)), !needs_none, "{name}: {score:?}");
        }
    }

    #[test]
    fn an_invalid_scorer_is_reported_at_load_time_with_its_name() {
        let cases = [
            (ScorerKind::Regex(Regex { pattern: "(".into() }), "unclosed group"),
            (ScorerKind::Regex(Regex { pattern: r"(\w{1000}){1000}".into() }), "too large"),
            (ScorerKind::JsonSchema(JsonSchema { schema: json!({"type": "strin"}), anywhere: false }), "/type"),
            (
                ScorerKind::JsonSchema(JsonSchema { schema: json!({"$ref": "file:///etc/hosts"}), anywhere: false }),
                "file:///etc/hosts",
            ),
            (ScorerKind::Numeric(Numeric { absolute: f64::NAN, relative: 0.0 }), "absolute"),
            (ScorerKind::Numeric(Numeric { absolute: 0.0, relative: -1.0 }), "relative"),
            (ScorerKind::Contains(Contains { value: Some(" ".into()), normalize: vec![Trim] }), "nothing to look for"),
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
                Score::Skipped(reason) | Score::Failed(reason) => reason.clone(),
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
            assert_sound(compiled.score(&Answer::text(answer), &example(accepted.to_vec()), &[]));
        }
        for one in accepted {
            let example = example(vec![one]);
            answers.iter().filter(|answer| answer.len() < 10).for_each(|answer| {
                assert_sound(compiled.score(&Answer::text(answer), &example, &[]));
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
            let scores = compiled.score(&Answer::text(&answer), &example, &[]);
            prop_assert_eq!(&scores, &compiled.score(&Answer::text(&answer), &example, &[]));
            assert_sound(scores);
        }

        #[test]
        fn an_accepted_answer_matches_itself_exactly(accepted in any_accepted()) {
            let example = example(vec![accepted]);
            let answer = example.expected_texts().concat();
            let exact = CompiledScorers::compile(&every_kind()[1..2]).unwrap().score(&Answer::text(&answer), &example, &[]);
            prop_assert_eq!(exact[0].1.value(), Some(1.0));
        }
    }
}
