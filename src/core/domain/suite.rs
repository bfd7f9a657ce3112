//! Suites: prompts, scorers and gates.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One message of a prompt, as a minijinja template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptMessage {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// The template.
    pub content: String,
}

/// The content sent for an example.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Prompt {
    /// One user message.
    Text(String),
    /// Chat messages.
    Messages(Vec<PromptMessage>),
    /// The input itself: its text as a user message, or its chat messages unchanged.
    Input,
}

/// A normalisation step that makes two texts comparable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Normalization {
    /// Remove white space at both ends.
    Trim,
    /// Convert to lower case (Unicode).
    Lowercase,
    /// Collapse runs of white space into one space.
    Whitespace,
    /// Remove punctuation at both ends, such as quotes and a closing full stop.
    Punctuation,
    /// Convert to Unicode normal form NFKC.
    Unicode,
}

/// The kind of a scorer, which maps an answer to a number in [0, 1].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ScorerKind {
    /// 1 if the normalised answer equals an accepted one.
    Exact {
        /// Steps applied to both sides, in order.
        normalize: Vec<Normalization>,
    },
    /// 1 if the normalised answer contains an accepted one, or `value` if it is set.
    Contains {
        /// Text to look for instead of the accepted answers.
        value: Option<String>,
        /// Steps applied to both sides, in order.
        normalize: Vec<Normalization>,
    },
    /// 1 if the pattern matches anywhere in the answer.
    Regex {
        /// The pattern, in the syntax of the `regex` crate; `{expected}` is replaced by the escaped accepted answer.
        pattern: String,
    },
    /// 1 if the last number in the answer is close to an accepted one.
    Numeric {
        /// Largest absolute difference.
        absolute: f64,
        /// Largest difference relative to the accepted number.
        relative: f64,
    },
    /// 1 if the answer is JSON that is valid under the schema.
    JsonSchema {
        /// The schema.
        schema: Value,
    },
}

/// How the scores of an example's trials are combined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Reducer {
    /// Their mean.
    #[default]
    Mean,
    /// The most frequent score; the lowest one if tied.
    Majority,
    /// The best score.
    Any,
    /// The worst score.
    All,
    /// The probability that at least one of k trials passes (the unbiased estimator of M. Chen et al., "Evaluating
    /// Large Language Models Trained on Code", 2021). A trial passes with a score of 1.
    PassAt(u32),
    /// The probability that all of k trials pass (S. Yao et al., "τ-bench", 2024).
    PassAll(u32),
}

impl Reducer {
    /// Whether it is [`Reducer::Mean`], which is omitted from serialized suites.
    pub fn is_mean(&self) -> bool {
        *self == Self::Mean
    }

    /// Minimum number of trials it needs.
    pub fn trials(self) -> u32 {
        match self {
            Self::PassAt(k) | Self::PassAll(k) => k,
            _ => 1,
        }
    }
}

impl TryFrom<String> for Reducer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong =
            || format!("\"{text}\" is not a reducer; use mean, majority, any, all, pass@k or pass^k (such as pass@3)");
        let k = |text: &str| text.parse().ok().filter(|k| *k >= 1).ok_or_else(wrong);
        match text.as_str() {
            "mean" => Ok(Self::Mean),
            "majority" => Ok(Self::Majority),
            "any" => Ok(Self::Any),
            "all" => Ok(Self::All),
            other => match (other.strip_prefix("pass@"), other.strip_prefix("pass^")) {
                (Some(rest), _) => Ok(Self::PassAt(k(rest)?)),
                (_, Some(rest)) => Ok(Self::PassAll(k(rest)?)),
                _ => Err(wrong()),
            },
        }
    }
}

impl From<Reducer> for String {
    fn from(reducer: Reducer) -> Self {
        match reducer {
            Reducer::Mean => "mean".to_owned(),
            Reducer::Majority => "majority".to_owned(),
            Reducer::Any => "any".to_owned(),
            Reducer::All => "all".to_owned(),
            Reducer::PassAt(k) => format!("pass@{k}"),
            Reducer::PassAll(k) => format!("pass^{k}"),
        }
    }
}

/// A named scorer of a suite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scorer {
    /// Unique within the suite.
    pub name: String,
    /// The kind of scorer.
    pub kind: ScorerKind,
    /// How the scores of repeats are combined.
    #[serde(default, skip_serializing_if = "Reducer::is_mean")]
    pub reduce: Reducer,
}

/// A minimum for the mean of a scorer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// The scorer it evaluates.
    pub scorer: String,
    /// The minimum mean, in [0, 1].
    pub min: f64,
    /// Confidence level of the interval it is evaluated on.
    pub confidence: f64,
    /// Endpoints it applies to; empty means all.
    pub endpoints: Vec<String>,
    /// Whether an inconclusive result fails the pipeline (exit 103) or is only reported.
    pub require_decision: bool,
}

/// One of the prompts of a suite. All of them are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPrompt {
    /// Its name; `None` if it is the only prompt of the suite.
    pub name: Option<String>,
    /// The prompt.
    pub prompt: Prompt,
}

/// A suite: a dataset with prompts, endpoints, scorers and gates.
#[derive(Debug, Clone)]
pub struct Suite {
    /// Its name, which is that of its file.
    pub name: String,
    /// Hash of everything that determines what is sent and how it is scored.
    pub version: String,
    /// Name of the golden set.
    pub dataset: String,
    /// The prompts, at least one.
    pub prompts: Vec<NamedPrompt>,
    /// Variables available to prompts under `vars`. References to secrets (`${NAME}`) are not resolved.
    pub vars: Map<String, Value>,
    /// Default number of times each example is sent.
    pub repeats: u32,
    /// Names of the default endpoints.
    pub endpoints: Vec<String>,
    /// The scorers, the first of which is the primary scorer.
    pub scorers: Vec<Scorer>,
    /// The gates.
    pub gates: Vec<Gate>,
    /// Largest share of outcomes that may be errors before the run counts as incomplete.
    pub error_tolerance: f64,
}
