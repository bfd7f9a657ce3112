//! The quality half of the view model.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ParityView, RunJudgeValidationView};
use crate::core::domain::CallErrorKind;
use crate::core::verdict::{GateResult, Verdict};

/// The JSON form of `karat run --format json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunsView {
    /// `karat.run/1`.
    pub schema: String,
    /// One entry per suite, prompt and endpoint.
    pub runs: Vec<RunView>,
    /// The verdict on all runs.
    pub verdict: Verdict,
}

impl RunsView {
    /// Combines runs under a common verdict.
    pub fn new(runs: Vec<RunView>) -> Self {
        let verdict = runs.iter().fold(Verdict::Pass, |all, run| all.and(run.verdict));
        Self { schema: "karat.run/1".into(), runs, verdict }
    }
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunView {
    /// Globally unique id.
    pub run_id: String,
    /// Suite name.
    pub suite: String,
    /// Hash of the suite, 64 hex digits.
    pub suite_version: String,
    /// Dataset name.
    pub dataset: String,
    /// Hash of the dataset, 64 hex digits.
    pub dataset_version: String,
    /// Endpoint name.
    pub endpoint: String,
    /// Name of the prompt, if the suite has several.
    #[serde(default)]
    pub prompt: Option<String>,
    /// Trials per example.
    #[serde(default = "once")]
    pub repeats: u32,
    /// Models reported by the server.
    pub models: Vec<String>,
    /// When it started (RFC 3339).
    pub started_at: String,
    /// Whether every example has an outcome.
    pub finished: bool,
    /// Number of outcomes by kind.
    pub outcomes: OutcomeCounts,
    /// Errors by kind, the most frequent first.
    pub errors: Vec<ErrorView>,
    /// Scorers that failed, the most frequent first. Their answers are not scored, and count as errors.
    #[serde(default)]
    pub scorer_errors: Vec<ScorerErrorView>,
    /// The mean of every scorer, with its interval.
    pub scores: BTreeMap<String, ScoreView>,
    /// The primary scorer on every slice of the suite, critical slices first, then those that differ most from the rest.
    #[serde(default)]
    pub slices: Vec<SliceScoreView>,
    /// Whether answers treat groups of people alike; null unless the suite asks.
    #[serde(default)]
    pub parity: Option<ParityView>,
    /// Published scores of the endpoint's model beside the measured ones.
    #[serde(default)]
    pub claims: Vec<ClaimView>,
    /// Name of the suite's first scorer, which the headline shows.
    pub primary: String,
    /// The result of every gate.
    pub gates: Vec<GateResult>,
    /// Latency of the successful calls.
    pub latency: Option<LatencyView>,
    /// Tokens used, as counted by the endpoint.
    pub prompt_tokens: u64,
    /// Tokens used, as counted by the endpoint.
    pub completion_tokens: u64,
    /// Cost of the run, in the currency of the endpoint's prices; null without prices.
    #[serde(default)]
    pub cost: Option<f64>,
    /// Number of outcomes taken from the cache or a cassette.
    #[serde(default)]
    pub cached: usize,
    /// The calls of the judges, whose cost is not part of `cost`; null if there were none.
    #[serde(default)]
    pub judge: Option<JudgeView>,
    /// The confusion matrix and the figures of every label; null unless the suite has a `classification` scorer.
    #[serde(default)]
    pub classification: Option<ClassificationView>,
    /// Remarks for the reader, such as a change of the model behind the endpoint.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Answers that scored below 1 on the primary scorer: the first one per example, at most 50, ordered by example id.
    pub misses: Vec<MissView>,
    /// The verdict on the whole run.
    pub verdict: Verdict,
}

impl RunView {
    /// The name that distinguishes it from other runs of its suite: the endpoint, followed by the prompt if that has a
    /// name.
    pub fn name(&self) -> String {
        match &self.prompt {
            Some(prompt) => format!("{} · {prompt}", self.endpoint),
            None => self.endpoint.clone(),
        }
    }

    /// Mean of the primary scorer and the ends of its interval; `None` if nothing was scored.
    pub fn primary_score(&self) -> Option<(f64, f64, f64)> {
        self.scores.get(&self.primary)?.measured()
    }

    /// The score of every scorer, the primary scorer first.
    pub fn scores_in_order(&self) -> impl Iterator<Item = (&String, &ScoreView)> {
        let others = self.scores.iter().filter(|(scorer, _)| **scorer != self.primary);
        self.scores.get_key_value(&self.primary).into_iter().chain(others)
    }
}

fn once() -> u32 {
    1
}

/// Number of outcomes by kind. `scored`, `errored` and `skipped` add up to the outcomes recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeCounts {
    /// Outcomes expected: examples × repeats.
    pub total: usize,
    /// Answered, and scored by the primary scorer.
    pub scored: usize,
    /// Not answered.
    pub errored: usize,
    /// Answered, but not scored by the primary scorer.
    pub skipped: usize,
    /// Answered, but at least one scorer failed.
    #[serde(default)]
    pub unscored: usize,
}

/// Errors of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorView {
    /// The kind.
    pub kind: CallErrorKind,
    /// Number of outcomes that ended in it.
    pub count: usize,
    /// The first message of this kind.
    pub message: String,
}

/// The failures of one scorer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScorerErrorView {
    /// The scorer.
    pub scorer: String,
    /// Number of answers that it could not score.
    pub count: usize,
    /// The first reason.
    pub message: String,
}

/// The calls of the judges of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct JudgeView {
    /// The endpoints.
    pub judges: Vec<String>,
    /// The models that their servers reported.
    pub models: Vec<String>,
    /// Number of calls.
    pub calls: usize,
    /// How many were answered from the cache.
    pub cached: usize,
    /// How many ended in an error.
    pub errors: usize,
    /// How many replies had no verdict.
    pub unreadable: usize,
    /// Tokens of the prompts.
    pub prompt_tokens: u64,
    /// Tokens of the replies.
    pub completion_tokens: u64,
    /// Cost, in the currency of the endpoints' prices; null without prices.
    pub cost: Option<f64>,
    /// How pairwise judges depend on the order, one entry per scorer.
    pub position: Vec<PositionView>,
    /// The latest validation of the first judge that was held against people; null if none was.
    #[serde(default)]
    pub validation: Option<RunJudgeValidationView>,
}

/// How the verdicts of a pairwise judge depend on which answer is shown first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PositionView {
    /// The scorer.
    pub scorer: String,
    /// Pairs judged in both orders.
    pub pairs: usize,
    /// Pairs on which the two orders disagree.
    pub flipped: usize,
    /// Verdicts that prefer one answer.
    pub decided: usize,
    /// How many of these prefer the one shown first.
    pub first: usize,
    /// 95 % interval of the share that prefers the one shown first (Clopper and Pearson); 0.5 is no bias.
    pub lo: f64,
    /// The upper end.
    pub hi: f64,
}

/// What a classifier's answers amount to, label by label. Trials of an example share a weight of 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassificationView {
    /// The scorer.
    pub scorer: String,
    /// The labels, sorted.
    pub labels: Vec<LabelView>,
    /// The answers with a wrong label, the most frequent confusion first.
    pub confusions: Vec<ConfusionView>,
    /// Share of right answers.
    pub accuracy: f64,
    /// Mean F1 over labels, each counted alike.
    pub macro_f1: f64,
    /// Mean F1 over labels, weighted by how often they are accepted.
    pub weighted_f1: f64,
    /// Mean recall over labels.
    pub balanced_accuracy: f64,
    /// Matthews correlation coefficient.
    pub matthews_correlation: f64,
    /// Answers that are no label.
    pub no_label: f64,
    /// Answers in all.
    pub total: f64,
}

/// The figures of one label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelView {
    /// The label.
    pub label: String,
    /// Answers that should have it.
    pub support: f64,
    /// Answers that have it.
    pub predicted: f64,
    /// Share of the answers with it that are right; null if no answer has it.
    pub precision: Option<f64>,
    /// Share of the answers that should have it and do; null if none should.
    pub recall: Option<f64>,
    /// Ends of the 95 % interval of the recall (Wilson); null with repeats.
    pub recall_interval: Option<[f64; 2]>,
    /// Their harmonic mean; 0 if one is undefined.
    pub f1: f64,
}

/// Answers with one wrong label in place of another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfusionView {
    /// The accepted label.
    pub expected: String,
    /// The label given; null if the answer is no label.
    pub predicted: Option<String>,
    /// How many.
    pub count: f64,
}

/// A mean with its 95 % interval (Wilson if every score is 0 or 1, Student's t otherwise).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ScoreView {
    /// Mean over the scored examples; null if there are none.
    pub mean: Option<f64>,
    /// Lower end.
    pub lo: Option<f64>,
    /// Upper end.
    pub hi: Option<f64>,
    /// Number of examples scored.
    pub n: usize,
}

impl ScoreView {
    /// The mean and the ends of its interval; `None` if nothing was scored.
    pub fn measured(&self) -> Option<(f64, f64, f64)> {
        Some((self.mean?, self.lo?, self.hi?))
    }
}

/// The primary scorer on a slice of the golden set, compared with the rest of the set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SliceScoreView {
    /// The slice, such as `tag=billing`.
    pub slice: String,
    /// Whether it must meet the gates on its own.
    pub critical: bool,
    /// Its mean.
    pub score: ScoreView,
    /// Two-sided p-value that the slice scores like the rest of the set.
    pub p_value: f64,
    /// The p-value adjusted for the number of slices (Benjamini–Hochberg); equal to it for a critical slice.
    pub p_adjusted: f64,
    /// Whether it scores lower than the rest at an adjusted level of 0.05; never for fewer than five examples.
    pub lower: bool,
}

/// A published score beside the measured one. They are comparable only as far as prompt, scaffold and data are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClaimView {
    /// The scorer that it is compared with.
    pub scorer: String,
    /// The published score.
    pub claimed: f64,
    /// Where it was published.
    pub source: String,
    /// The prompt it was measured with.
    pub prompt: Option<String>,
    /// The agent or tools around the model.
    pub scaffold: Option<String>,
    /// The context length in tokens.
    pub context_length: Option<u64>,
    /// The measured score; null if the suite has no such scorer.
    pub measured: Option<ScoreView>,
    /// Whether the published score is above, within or below the interval of the measured one.
    pub claim_is: ClaimIs,
}

/// Where a published score lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimIs {
    /// Above the whole interval: the claim was not reproduced.
    Above,
    /// Within the interval.
    Within,
    /// Below the whole interval.
    Below,
    /// Nothing was measured.
    NotMeasured,
}

impl ClaimIs {
    /// The place of a published score.
    pub fn of(claimed: f64, measured: Option<ScoreView>) -> Self {
        match measured.and_then(|score| score.measured()) {
            None => Self::NotMeasured,
            Some((_, _, hi)) if claimed > hi => Self::Above,
            Some((_, lo, _)) if claimed < lo => Self::Below,
            Some(_) => Self::Within,
        }
    }

    /// As printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Above => "not reached here",
            Self::Within => "consistent",
            Self::Below => "exceeded here",
            Self::NotMeasured => "not measured here",
        }
    }
}

/// Latency in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LatencyView {
    /// Median.
    pub p50_ms: f64,
    /// 95th percentile.
    pub p95_ms: f64,
    /// Median time to the first token; null if nothing was streamed.
    #[serde(default)]
    pub ttft_p50_ms: Option<f64>,
    /// 95th percentile of the time to the first token.
    #[serde(default)]
    pub ttft_p95_ms: Option<f64>,
    /// Median rate of tokens per second, excluding the first token.
    #[serde(default)]
    pub tokens_per_second: Option<f64>,
}

/// An answer that was not right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MissView {
    /// The example.
    pub example_id: String,
    /// The input.
    pub input: String,
    /// Accepted answers.
    pub expected: Vec<String>,
    /// The answer.
    pub output: String,
    /// The score, in [0, 1).
    pub score: f64,
    /// The reason given by the scorer.
    pub reason: Option<String>,
}
