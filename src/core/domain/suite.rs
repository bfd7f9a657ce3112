//! Suites: prompts, scorers and gates.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::scorer::Scorer;

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

/// A percentile of latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Percentile {
    /// The median.
    P50,
    /// The 95th percentile.
    P95,
}

impl Percentile {
    /// The name used in files and output.
    pub fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P95 => "p95",
        }
    }

    /// The quantile, in (0, 1).
    pub fn quantile(self) -> f64 {
        match self {
            Self::P50 => 0.5,
            Self::P95 => 0.95,
        }
    }
}

/// What a gate evaluates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateMeasure {
    /// The mean of this scorer over examples.
    Score(String),
    /// The share of all answers, also of repeats, that this `json_schema` scorer accepts.
    Contract(String),
    /// A percentile of latency, in milliseconds.
    Latency(Percentile),
    /// The mean cost of a request, in the currency of the endpoint's prices.
    Cost,
}

/// What a gate requires.
#[derive(Debug, Clone, PartialEq)]
pub enum GateLimit {
    /// At least this much.
    Min(f64),
    /// At most this much.
    Max(f64),
    /// Not worse than an earlier run by more than a margin, in the unit of the measure.
    NotWorse {
        /// The earlier run: a tag such as `main`, or `last-pass`.
        baseline: String,
        /// The margin, 0 or more.
        margin: f64,
    },
}

/// A requirement that a run must meet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "GateContent", into = "GateContent")]
pub struct Gate {
    /// What it evaluates.
    pub measure: GateMeasure,
    /// What it requires of it.
    pub limit: GateLimit,
    /// The part of the golden set it applies to, such as `tag=billing`; all of it if `None`.
    pub slice: Option<String>,
    /// Confidence level of the interval it is evaluated on.
    pub confidence: f64,
    /// Endpoints it applies to; empty means all.
    pub endpoints: Vec<String>,
    /// Whether an inconclusive result fails the pipeline (exit 103) or is only reported.
    pub require_decision: bool,
}

impl Gate {
    /// The requirement in words, such as `exact >= 0.85`.
    pub fn name(&self) -> String {
        let (measure, unit) = match &self.measure {
            GateMeasure::Score(scorer) => (scorer.clone(), ""),
            GateMeasure::Contract(scorer) => (format!("contract {scorer}"), ""),
            GateMeasure::Latency(percentile) => (format!("latency {}", percentile.name()), " ms"),
            GateMeasure::Cost => ("cost per request".to_owned(), ""),
        };
        let slice = self.slice.as_ref().map_or_else(String::new, |slice| format!(" on {slice}"));
        // Gates that differ only in their confidence have different names.
        let usual = (self.confidence - 0.95).abs() < 1e-9;
        let at = if usual { String::new() } else { format!(" ({} %)", (self.confidence * 1e4).round() / 100.0) };
        match &self.limit {
            GateLimit::Min(min) => format!("{measure}{slice} >= {min}{unit}{at}"),
            GateLimit::Max(max) => format!("{measure}{slice} <= {max}{unit}{at}"),
            GateLimit::NotWorse { baseline, margin } => {
                format!("{measure}{slice} not worse than {baseline} by {margin}{unit}{at}")
            }
        }
    }

    /// The baseline that it compares with.
    pub fn baseline(&self) -> Option<&str> {
        match &self.limit {
            GateLimit::NotWorse { baseline, .. } => Some(baseline),
            _ => None,
        }
    }
}

/// A gate as it is stored in the content of a suite. Gates on the mean of a scorer have the form that they had before
/// there were others, so that the version of their suites stays the same.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct GateContent {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scorer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contract: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    latency: Option<Percentile>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    baseline: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    margin: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slice: Option<String>,
    confidence: f64,
    endpoints: Vec<String>,
    require_decision: bool,
}

impl From<Gate> for GateContent {
    fn from(gate: Gate) -> Self {
        let Gate { measure, limit, slice, confidence, endpoints, require_decision } = gate;
        let (scorer, contract, latency) = match measure {
            GateMeasure::Score(scorer) => (Some(scorer), None, None),
            GateMeasure::Contract(scorer) => (None, Some(scorer), None),
            GateMeasure::Latency(percentile) => (None, None, Some(percentile)),
            GateMeasure::Cost => (None, None, None),
        };
        let (min, max, baseline, margin) = match limit {
            GateLimit::Min(min) => (Some(min), None, None, None),
            GateLimit::Max(max) => (None, Some(max), None, None),
            GateLimit::NotWorse { baseline, margin } => (None, None, Some(baseline), Some(margin)),
        };
        Self { scorer, contract, latency, min, max, baseline, margin, slice, confidence, endpoints, require_decision }
    }
}

impl TryFrom<GateContent> for Gate {
    type Error = String;

    fn try_from(content: GateContent) -> Result<Self, String> {
        let measure = match (content.scorer, content.contract, content.latency) {
            (Some(scorer), ..) => GateMeasure::Score(scorer),
            (_, Some(scorer), _) => GateMeasure::Contract(scorer),
            (.., Some(percentile)) => GateMeasure::Latency(percentile),
            (None, None, None) => GateMeasure::Cost,
        };
        let limit = match (content.min, content.max, content.baseline) {
            (Some(min), ..) => GateLimit::Min(min),
            (_, Some(max), _) => GateLimit::Max(max),
            (.., Some(baseline)) => GateLimit::NotWorse { baseline, margin: content.margin.unwrap_or(0.0) },
            (None, None, None) => return Err("a gate without a limit".to_owned()),
        };
        let (confidence, endpoints, require_decision) =
            (content.confidence, content.endpoints, content.require_decision);
        Ok(Self { measure, limit, slice: content.slice, confidence, endpoints, require_decision })
    }
}

/// A minimum of the karats of a golden set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct KaratGate {
    /// The minimum, in [0, 24].
    pub min: f64,
    /// Whether an inconclusive result fails the pipeline (exit 103) or is only reported.
    pub require_decision: bool,
}

/// What a family of slices is formed by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum SliceBy {
    /// Each tag.
    Tag,
    /// The `source` of an example.
    Source,
    /// The agreed answer.
    Label,
    /// Whether an example is `critical`.
    Critical,
    /// The length of the input.
    Length,
    /// The language of the input.
    Language,
    /// The cluster of traffic that the input belongs to.
    Cluster,
    /// The value of this metadata field.
    Metadata(String),
}

impl From<String> for SliceBy {
    fn from(text: String) -> Self {
        match text.as_str() {
            "tag" => Self::Tag,
            "source" => Self::Source,
            "label" => Self::Label,
            "critical" => Self::Critical,
            "length" => Self::Length,
            "language" => Self::Language,
            "cluster" => Self::Cluster,
            _ => Self::Metadata(text.strip_prefix("metadata.").map(str::to_owned).unwrap_or(text)),
        }
    }
}

impl From<SliceBy> for String {
    fn from(by: SliceBy) -> Self {
        by.name().to_owned()
    }
}

impl SliceBy {
    /// The name used in files and output.
    pub fn name(&self) -> &str {
        match self {
            Self::Tag => "tag",
            Self::Source => "source",
            Self::Label => "label",
            Self::Critical => "critical",
            Self::Length => "length",
            Self::Language => "language",
            Self::Cluster => "cluster",
            Self::Metadata(key) => key,
        }
    }
}

/// A family of slices of a suite: parts of the golden set whose scores are reported apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SliceFamily {
    /// What it is formed by.
    pub by: SliceBy,
    /// Values of slices that must meet the suite's gates on their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub critical: Vec<String>,
}

/// A comparison of groups of people: whether answers treat them alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParitySettings {
    /// The metadata field that contains the group.
    pub group: String,
    /// The answer that is good for the person, such as `approve`.
    pub positive: String,
    /// The largest difference allowed between groups, in [0, 1].
    pub limit: f64,
}

/// Which answers of a conversation are scored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TurnScoring {
    /// The last one.
    #[default]
    Last,
    /// Every one; the score of a scorer is its mean over the turns that it can score.
    Every,
}

/// One of the prompts of a suite. All of them are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPrompt {
    /// Its name; `None` if it is the only prompt of the suite.
    pub name: Option<String>,
    /// The prompt.
    pub prompt: Prompt,
    /// Variables of this prompt alone, which take precedence over those of the suite: a cell of its matrix.
    pub vars: Map<String, Value>,
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
    /// Which answers of a conversation are scored.
    pub turns: TurnScoring,
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
    /// Families of slices whose scores are reported apart.
    pub slices: Vec<SliceFamily>,
    /// The minimum karats of the golden set, which `karat check` evaluates.
    pub karats: Option<KaratGate>,
    /// What examples have in common that makes their scores alike, such as the template they were made from; intervals
    /// then count clusters instead of examples.
    pub cluster_by: Option<SliceBy>,
    /// Groups of people to be compared.
    pub parity: Option<ParitySettings>,
}
