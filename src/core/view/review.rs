//! The review page: what its server sends as JSON. Texts that are shown have their control and direction characters made
//! visible; identifiers and answers that are sent back are also given unchanged.

use std::collections::BTreeMap;

use serde::Serialize;

use super::line;
use crate::core::domain::ReasonCode;
use crate::core::privacy::sanitize::for_terminal;
use crate::core::queue::{QueueState, QueueStep};

/// Maximum number of characters of a text that are shown.
const SHOWN: usize = 20_000;

/// The queue: what is waiting, and what was decided since the server started.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReviewView {
    /// `karat.review/1`.
    pub schema: &'static str,
    /// The datasets.
    pub title: String,
    /// Examples that wait for review, in the order of `karat queue list`.
    pub items: Vec<ReviewItem>,
    /// How much of the queue was decided.
    pub progress: ReviewProgress,
    /// Decisions since the server started that were not undone, oldest first, by anyone.
    pub decisions: Vec<ReviewDecision>,
    /// The name of the user who started the server, if it is known.
    pub reviewer: Option<String>,
    /// What to run next.
    pub next: Vec<String>,
}

/// A flagged example in the queue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ReviewItem {
    /// The dataset.
    pub dataset: String,
    /// The example.
    pub example_id: String,
    /// The example's id as it is shown.
    pub name: String,
    /// The reasons that wait for review, strongest first.
    pub reasons: Vec<ReasonCode>,
}

/// How much of the queue was decided since the server started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReviewProgress {
    /// Examples that no longer wait.
    pub decided: usize,
    /// Examples that waited at some time since the server started.
    pub total: usize,
    /// The same by reason, in the order of the reasons' names.
    pub reasons: BTreeMap<&'static str, ReviewCount>,
}

/// A part of a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ReviewCount {
    /// Flags that no longer wait.
    pub decided: usize,
    /// All flags.
    pub total: usize,
}

/// A decision about an example.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReviewDecision {
    /// Its number.
    pub decision: i64,
    /// The dataset.
    pub dataset: String,
    /// The example.
    pub example_id: String,
    /// The example's id as it is shown.
    pub name: String,
    /// The new state of its flags.
    pub to: QueueState,
    /// Who decided.
    pub by: String,
    /// When (RFC 3339).
    pub at: String,
}

/// One flagged example, with all that helps to decide about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReviewExampleView {
    /// `karat.review-example/1`.
    pub schema: &'static str,
    /// The dataset.
    pub dataset: String,
    /// The example.
    pub example_id: String,
    /// The example's id as it is shown.
    pub name: String,
    /// What the page shows, as a hash that a decision must repeat.
    pub seen: String,
    /// Whether the dataset still contains the example. If not, its flags can only be dismissed, confirmed or snoozed.
    pub present: bool,
    /// Its input as text; empty if it is gone.
    pub input: String,
    /// Its whole input as JSON, if that is more than text.
    pub structure: Option<String>,
    /// Accepted answers.
    pub expected: Vec<ShownText>,
    /// The closed set of answers of the dataset; empty if any text may be an answer.
    pub labels: Vec<ShownText>,
    /// Other answers that models gave, most frequent first.
    pub suggestions: Vec<ShownText>,
    /// Tags, metadata and dates: names and values.
    pub details: Vec<(String, String)>,
    /// Its flags, strongest first.
    pub flags: Vec<ReviewFlag>,
    /// Share of the traffic that it represented when it was last measured, in [0, 1].
    pub traffic_share: Option<f64>,
    /// The most similar requests of recent traffic, most similar first.
    pub traffic: Vec<NearRequest>,
    /// Where the traffic is from, or why there is none.
    pub traffic_note: String,
    /// The latest answer of each endpoint.
    pub answers: Vec<ReviewAnswer>,
    /// Earlier decisions about it, oldest first.
    pub history: Vec<PastDecision>,
}

/// A text as it is shown, and as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownText {
    /// Unchanged.
    pub value: String,
    /// With control and direction characters made visible.
    pub shown: String,
}

impl ShownText {
    /// Makes a text harmless to show.
    pub fn new(value: String) -> Self {
        Self { shown: shown(&value), value }
    }
}

/// A flag of the example.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReviewFlag {
    /// The reason.
    pub code: ReasonCode,
    /// What the reason means.
    pub meaning: &'static str,
    /// Its state.
    pub state: QueueState,
    /// Strength, in [0, 1].
    pub score: f64,
    /// Score from which an example is flagged.
    pub threshold: f64,
    /// What was observed.
    pub observed: String,
    /// What would clear it; empty if the evidence does not tell.
    pub clears: String,
    /// When it was first flagged (RFC 3339).
    pub first_seen: String,
    /// When it returns, if it is snoozed (RFC 3339).
    pub snoozed_until: Option<String>,
}

/// A request of recent traffic, with all records of the same text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NearRequest {
    /// Its text, redacted.
    pub text: String,
    /// Cosine similarity with the example, in [-1, 1].
    pub similarity: f64,
    /// Number of production requests that its records represent.
    pub weight: f64,
    /// When it was last sent (RFC 3339).
    pub at: String,
}

/// The latest answer of an endpoint about the example.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReviewAnswer {
    /// The endpoint, with its prompt if the suite has several.
    pub endpoint: String,
    /// The suite.
    pub suite: String,
    /// The answer; for an error, its kind and message.
    pub output: String,
    /// Whether it is an error.
    pub is_error: bool,
    /// Whether the suite's first scorer found it right; null for an error, or if it was not scored.
    pub right: Option<bool>,
    /// The score, in [0, 1].
    pub score: Option<f64>,
    /// When the run started (RFC 3339).
    pub at: String,
    /// Whether it was scored in the dataset's current version. If not, the accepted answers may have been others.
    pub current: bool,
}

/// An earlier decision, or its reversal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PastDecision {
    /// The reason that it was about.
    pub code: ReasonCode,
    /// The new state.
    pub to: QueueState,
    /// Who decided.
    pub by: String,
    /// When (RFC 3339).
    pub at: String,
    /// Why, and what was decided in detail.
    pub text: String,
    /// Whether it undid another one.
    pub undid: bool,
}

/// What a decision or its reversal did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReviewDoneView {
    /// `karat.review-done/1`.
    pub schema: &'static str,
    /// The number of the decision.
    pub decision: i64,
    /// The example's id as it is shown.
    pub name: String,
    /// The steps in the queue's log.
    pub steps: Vec<QueueStep>,
    /// Line of the dataset's file that was changed.
    pub line: Option<u64>,
    /// Remarks.
    pub notes: Vec<String>,
    /// The queue afterwards.
    pub queue: ReviewView,
}

/// A text of several lines with control and direction characters made visible, at most 20,000 characters.
pub fn shown(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(for_terminal).collect();
    crate::core::privacy::sanitize::truncate_chars(&lines.join("\n"), SHOWN).into_owned()
}

/// A text on one line with control and direction characters made visible.
pub fn shown_line(text: &str, chars: usize) -> String {
    for_terminal(&line(text, chars)).into_owned()
}

/// Divides the evidence of a flag into what was observed, and what would clear it.
pub fn observed_and_clears(evidence: &str) -> (&str, &str) {
    let split = ["; to clear this, ", "; this clears "].into_iter().find_map(|words| {
        let (observed, clears) = evidence.rsplit_once(words)?;
        Some((observed, clears))
    });
    split.unwrap_or((evidence, ""))
}

/// What a reason means, in a sentence.
pub fn meaning_of(code: ReasonCode) -> &'static str {
    match code {
        ReasonCode::TrafficVanished => "The traffic that it represented is gone.",
        ReasonCode::LabelDisputed => "Models and the nearest examples agree with each other on another answer.",
        ReasonCode::Conflicting => "The same request has a different answer elsewhere in the set.",
        ReasonCode::Flaky => "The same model is sometimes right and sometimes wrong.",
        ReasonCode::Exposed => "A model may have seen the answer.",
        ReasonCode::Expired => "It is past its date, or was not reviewed within the review cadence.",
        ReasonCode::Duplicate => "The same request is in the set more than once.",
        ReasonCode::SourceChanged => "A document that its answer depends on has changed.",
        ReasonCode::Saturated => {
            "Models of different kinds always answer it right, and an example that asks nearly the same stays."
        }
        ReasonCode::Undated => "It has no date, so nobody knows whether it is still right.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_divided_into_what_was_observed_and_what_clears_it() {
        let cases = [
            ("no date is set; to clear this, set reviewed_at", ("no date is set", "set reviewed_at")),
            ("3 near; 0 now; this clears when such requests return", ("3 near; 0 now", "when such requests return")),
            ("just so", ("just so", "")),
            ("", ("", "")),
        ];
        for (evidence, parts) in cases {
            assert_eq!(observed_and_clears(evidence), parts, "{evidence}");
        }
    }

    #[test]
    fn lines_stay_lines_and_hidden_characters_become_visible() {
        assert_eq!(shown("a\r\nb\tc\u{202e}d\n"), "a\nb c\\u{202e}d");
        assert_eq!(shown_line("a\n b\u{0}", 10), "a b\\u{0}");
        assert_eq!(shown(&"x".repeat(30_000)).chars().count(), SHOWN);
        let text = ShownText::new("\u{1b}[31m".into());
        assert_eq!((text.value.as_str(), text.shown.as_str()), ("\u{1b}[31m", "\\u{1b}[31m"));
    }
}
