//! What a suite asks, how answers are scored, and what must hold.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One message of a prompt, a minijinja template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptMessage {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// The template.
    pub content: String,
}

/// What is sent for an example.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Prompt {
    /// One user message.
    Text(String),
    /// Chat messages.
    Messages(Vec<PromptMessage>),
    /// The input itself: its text as a user message, or its own chat messages as they are.
    Input,
}

/// A step that makes two texts comparable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Normalization {
    /// Remove white space at both ends.
    Trim,
    /// Lower case, by Unicode.
    Lowercase,
    /// Runs of white space become one space.
    Whitespace,
    /// Remove punctuation at both ends, such as quotes and a closing full stop.
    Punctuation,
    /// Unicode normal form NFKC.
    Unicode,
}

/// How an answer becomes a number in [0, 1].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ScorerKind {
    /// 1 when the normalised answer equals one of the accepted ones.
    Exact {
        /// Steps applied to both sides, in order.
        normalize: Vec<Normalization>,
    },
    /// 1 when the normalised answer contains an accepted one (or, where `value` is set, that text).
    Contains {
        /// Text looked for instead of the accepted answers.
        value: Option<String>,
        /// Steps applied to both sides, in order.
        normalize: Vec<Normalization>,
    },
    /// 1 when the pattern matches somewhere in the answer.
    Regex {
        /// The pattern, in the syntax of the `regex` crate; `{expected}` is replaced by the escaped accepted answer.
        pattern: String,
    },
    /// 1 when the last number in the answer is near an accepted one.
    Numeric {
        /// Largest absolute difference.
        absolute: f64,
        /// Largest difference relative to the accepted number.
        relative: f64,
    },
    /// 1 when the answer is JSON valid under the schema.
    JsonSchema {
        /// The schema.
        schema: Value,
    },
}

/// How the scores of an example's trials become one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Reducer {
    /// Their mean.
    #[default]
    Mean,
    /// The score most of them have; of several, the lowest.
    Majority,
    /// The best.
    Any,
    /// The worst.
    All,
    /// The chance that at least one of k passes (M. Chen et al., "Evaluating Large Language Models Trained on Code",
    /// 2021, the unbiased estimator). A trial passes with a score of 1.
    PassAt(u32),
    /// The chance that all of k pass (S. Yao et al., "τ-bench", 2024).
    PassAll(u32),
}

impl Reducer {
    /// Whether it is [`Reducer::Mean`], which content leaves out.
    pub fn is_mean(&self) -> bool {
        *self == Self::Mean
    }

    /// Trials it needs.
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
    /// How it scores.
    pub kind: ScorerKind,
    /// How the scores of repeats become one.
    #[serde(default, skip_serializing_if = "Reducer::is_mean")]
    pub reduce: Reducer,
}

/// A minimum that the mean of a scorer must reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// The scorer it evaluates.
    pub scorer: String,
    /// The minimum mean, in [0, 1].
    pub min: f64,
    /// Confidence of the interval it is evaluated on.
    pub confidence: f64,
    /// Endpoints it applies to; empty means all.
    pub endpoints: Vec<String>,
    /// Whether "inconclusive" stops the pipeline (exit 103) or is only reported.
    pub require_decision: bool,
}

/// One of the prompts of a suite, all of which are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPrompt {
    /// Its name; `None` where the suite has only one, which then needs none.
    pub name: Option<String>,
    /// What is sent.
    pub prompt: Prompt,
}

/// A suite: dataset + prompt + endpoints + scorers + gates.
#[derive(Debug, Clone)]
pub struct Suite {
    /// The name of its file.
    pub name: String,
    /// Hash of everything that decides what is sent and how it is scored.
    pub version: String,
    /// The golden set it runs.
    pub dataset: String,
    /// What is sent, at least one.
    pub prompts: Vec<NamedPrompt>,
    /// What prompts know under `vars`. References to secrets (`${NAME}`) stand here as written.
    pub vars: Map<String, Value>,
    /// How often each example is asked, where the command does not say.
    pub repeats: u32,
    /// Names of the endpoints asked when the command names none.
    pub endpoints: Vec<String>,
    /// How answers are scored; the first one is the primary scorer.
    pub scorers: Vec<Scorer>,
    /// What must hold.
    pub gates: Vec<Gate>,
    /// Largest share of examples that may end in an error before the run counts as incomplete.
    pub error_tolerance: f64,
}
