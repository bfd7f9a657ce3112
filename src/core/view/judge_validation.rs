//! How far a judge agrees with people.

mod convert;

use serde::{Deserialize, Serialize};

use crate::core::judge::validation::Confusion;

/// The JSON form of `karat judge validate --format json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgeValidationView {
    /// `karat.judge_validation/1`.
    pub schema: String,
    /// Globally unique id.
    pub validation_id: String,
    /// Suite name.
    pub suite: String,
    /// Name of the scorer.
    pub scorer: String,
    /// The judge in words, such as `judge gpt-x`.
    pub judge: String,
    /// The models that its server reported.
    pub models: Vec<String>,
    /// Hash of everything that may change the judge's scores.
    pub identity: String,
    /// The labels file, as given.
    pub labels: String,
    /// Hash of the labels and of what the judge is asked about.
    pub labels_hash: String,
    /// What the labels are about.
    pub of: LabelsOf,
    /// How the labelled answers were chosen.
    pub sample: LabelSample,
    /// Whether `sample` was assumed, and not given.
    pub sample_assumed: bool,
    /// The run whose answers are labelled; null for a calibration set.
    pub run: Option<ValidatedRunView>,
    /// When it started (RFC 3339).
    pub started_at: String,
    /// Whether every labelled answer was looked at, and no more failures occurred than the suite tolerates.
    pub finished: bool,
    /// Number of labels in the file.
    pub labels_given: usize,
    /// Number of labelled answers.
    pub answers: usize,
    /// How many of them people and the judge scored.
    pub n: usize,
    /// The others, by reason.
    pub left_out: Vec<LeftOutView>,
    /// The answers on which the judge failed, at most 50.
    pub failures: Vec<JudgeFailureView>,
    /// How far people agree among each other; null unless several labelled the same answer.
    pub people: Option<PeopleView>,
    /// The score from which on an answer counts as passed; null if all scores are 0 or 1.
    pub pass_mark: Option<f64>,
    /// The agreement of verdicts; null without answers.
    pub agreement: Option<VerdictAgreementView>,
    /// The agreement of scores; null if all scores are 0 or 1.
    pub graded: Option<ScoreAgreementView>,
    /// Whether the judge is better than chance on these answers; null if that is undefined.
    pub better_than_chance: Option<bool>,
    /// Whether it favours long answers.
    pub length: LengthBiasView,
    /// Whether it favours answers of its own model family; null unless the labels name models.
    pub family: Option<FamilyBiasView>,
    /// Whether it favours the answer shown first; null unless it compares two.
    pub position: Option<JudgePositionView>,
    /// The scores of runs, corrected for the errors of the judge.
    pub scores: Vec<CorrectedScoreView>,
    /// Whether the judge still gives the verdicts of the first validation; null without an earlier one.
    pub drift: Option<JudgeDriftView>,
    /// Number of calls of the judge for this validation.
    pub calls: usize,
    /// Their cost; null without prices.
    pub cost: Option<f64>,
    /// Remarks for the reader.
    pub notes: Vec<String>,
}

impl JudgeValidationView {
    /// Number of answers on which the judge failed.
    pub fn failed(&self) -> usize {
        self.left_out.iter().filter(|out| out.reason == LeftOut::JudgeFailed).map(|out| out.count).sum()
    }
}

/// What labels are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelsOf {
    /// Answers of a stored run.
    Run,
    /// Answers in the labels file.
    CalibrationSet,
}

/// How the labelled answers were chosen. The correction follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelSample {
    /// At random from the answers of the run.
    Random,
    /// At random from those that the judge passed and, in another proportion, from those that it failed.
    ByVerdict,
    /// In any other way, or elsewhere.
    Elsewhere,
}

/// The run whose answers are labelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidatedRunView {
    /// Its id.
    pub run_id: String,
    /// Its endpoint.
    pub endpoint: String,
    /// Its prompt, if the suite has several.
    pub prompt: Option<String>,
    /// When it started (RFC 3339).
    pub started_at: String,
}

/// Why a labelled answer does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// As many people pass it as fail it.
    Tie,
    /// The run has no such answer.
    NotInRun,
    /// The endpoint did not answer.
    NoAnswer,
    /// The judge failed.
    JudgeFailed,
    /// The judge has nothing to compare the answer with.
    JudgeSkipped,
    /// The judge was not asked yet, since the validation was stopped.
    NotAsked,
}

impl LeftOut {
    /// As printed, after "because".
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Tie => "as many people pass it as fail it",
            Self::NotInRun => "the run has no such answer",
            Self::NoAnswer => "the endpoint did not answer",
            Self::JudgeFailed => "the judge failed",
            Self::JudgeSkipped => "the judge has nothing to compare it with",
            Self::NotAsked => "the judge was not asked yet",
        }
    }
}

/// Labelled answers that do not count, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOutView {
    /// The reason.
    pub reason: LeftOut,
    /// How many.
    pub count: usize,
    /// The first lines of the labels file, at most 20.
    pub lines: Vec<u64>,
}

/// An answer on which the judge failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgeFailureView {
    /// Line of the labels file.
    pub line: u64,
    /// The example; null if the row names none.
    pub id: Option<String>,
    /// Why it is not scored.
    pub reason: String,
}

/// How far people agree among each other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PeopleView {
    /// Number of answers that several people labelled.
    pub answers: usize,
    /// Krippendorff's alpha for their verdicts; null if all are the same.
    pub alpha: Option<FigureView>,
}

/// A figure with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FigureView {
    /// The figure.
    pub value: f64,
    /// Lower end.
    pub lo: f64,
    /// Upper end.
    pub hi: f64,
}

/// A share of counted answers with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CountedShareView {
    /// The share.
    pub value: f64,
    /// Lower end.
    pub lo: f64,
    /// Upper end.
    pub hi: f64,
    /// How many of them.
    pub count: u64,
    /// Of how many.
    pub of: u64,
}

/// How far verdicts agree; a pass is the positive one, and people are right.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct VerdictAgreementView {
    /// Both pass it (`true_positive`), only people do (`false_negative`), only the judge does (`false_positive`), or neither
    /// (`true_negative`).
    pub confusion: Confusion,
    /// Share of equal verdicts.
    pub accuracy: CountedShareView,
    /// Cohen's kappa; null if all verdicts are one and the same.
    pub kappa: Option<FigureView>,
    /// Krippendorff's alpha; null as kappa.
    pub alpha: Option<FigureView>,
    /// Share of passes by the judge among the answers that people pass.
    pub sensitivity: Option<CountedShareView>,
    /// Share of fails by the judge among the answers that people fail.
    pub specificity: Option<CountedShareView>,
    /// Share of passes by people among the answers that the judge passes.
    pub precision: Option<CountedShareView>,
    /// Share of fails by people among the answers that the judge fails.
    pub negative_predictive_value: Option<CountedShareView>,
}

/// How far scores between 0 and 1 agree.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ScoreAgreementView {
    /// Mean distance of the two scores.
    pub mean_absolute_error: FigureView,
    /// Mean of judge − person.
    pub mean_difference: FigureView,
    /// Spearman's rank correlation; null if undefined.
    pub spearman: Option<FigureView>,
    /// Cohen's kappa weighted by the distance of the scores; null if all scores are equal.
    pub kappa_linear: Option<FigureView>,
    /// The same weighted by the squared distance.
    pub kappa_quadratic: Option<FigureView>,
    /// Krippendorff's alpha for interval data; null if all scores are equal.
    pub alpha: Option<FigureView>,
}

/// Whether a judge favours something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BiasView {
    /// It does, at a level of 5 %.
    Favours,
    /// It disfavours it, at a level of 5 %.
    Disfavours,
    /// Neither is shown.
    NotShown,
    /// There are too few answers to tell.
    TooLittleData,
}

impl BiasView {
    /// As printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Favours => "favours",
            Self::Disfavours => "disfavours",
            Self::NotShown => "not shown",
            Self::TooLittleData => "too little data",
        }
    }
}

/// An effect on the judge's score among answers that people score alike.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EffectView {
    /// How much the judge's score changes.
    pub value: f64,
    /// Lower end of its 95 % interval.
    pub lo: f64,
    /// Upper end.
    pub hi: f64,
    /// Two-sided p-value of no change.
    pub p_value: f64,
}

/// Whether a judge favours long answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LengthBiasView {
    /// What is found.
    pub bias: BiasView,
    /// How much higher it scores an answer of twice the length; null if lengths do not vary.
    pub per_doubling: Option<EffectView>,
    /// The short, the middle and the long answers.
    pub thirds: Vec<LengthThirdView>,
}

/// The answers of about a third of all lengths, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LengthThirdView {
    /// Length of the shortest.
    pub shortest: f64,
    /// Length of the longest.
    pub longest: f64,
    /// Their number.
    pub n: usize,
    /// Mean of judge − person.
    pub difference: FigureView,
}

/// Whether a judge favours answers of its own model family.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FamilyBiasView {
    /// The judge's family.
    pub family: String,
    /// What is found.
    pub bias: BiasView,
    /// Number of answers of its family.
    pub own: usize,
    /// Number of other answers.
    pub others: usize,
    /// How much higher judge − person is on average for its family; null with fewer than two answers of either.
    pub difference: Option<FigureView>,
    /// How much higher it scores its family among answers that people score alike; null if there is nothing to compare.
    pub given_person: Option<EffectView>,
}

/// Whether a judge of two answers favours the one shown first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct JudgePositionView {
    /// What is found.
    pub bias: BiasView,
    /// Share of the pairs whose preferred answer changes with the order; null if there are none in both orders.
    pub flips: Option<CountedShareView>,
    /// Number of those that prefer what is shown first.
    pub toward_first: u64,
    /// Number of those that prefer what is shown second.
    pub toward_second: u64,
    /// Two-sided p-value that either is as likely.
    pub p_value: f64,
}

/// The score of a run, corrected for the errors of its judge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CorrectedScoreView {
    /// The run.
    pub run_id: String,
    /// Its endpoint.
    pub endpoint: String,
    /// Its prompt, if the suite has several.
    pub prompt: Option<String>,
    /// Number of answers that the judge scored.
    pub outcomes: usize,
    /// The mean score by the judge; null if it scored none.
    pub judged: Option<f64>,
    /// The estimated mean score by people; null if it cannot be estimated.
    pub corrected: Option<FigureView>,
    /// How it was estimated: `prediction_powered`, `post_stratified` or `rogan_gladen`; null if it was not.
    pub method: Option<String>,
    /// What it assumes, or why there is none, as a sentence.
    pub detail: String,
}

impl CorrectedScoreView {
    /// The method in words; empty if there is none.
    pub fn method_name(&self) -> &'static str {
        match self.method.as_deref() {
            Some("prediction_powered") => "prediction-powered",
            Some("post_stratified") => "post-stratified",
            Some("rogan_gladen") => "Rogan & Gladen",
            _ => "",
        }
    }
}

/// Whether a judge still gives the verdicts that it once gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgeDriftView {
    /// The first validation.
    pub validation_id: String,
    /// When that started (RFC 3339).
    pub since: String,
    /// The judge then.
    pub judge: String,
    /// Whether everything that may change the judge's scores is as it was then, as far as karat knows.
    pub same_judge: bool,
    /// Number of items that were scored both times.
    pub n: usize,
    /// What follows: `unchanged`, `changed` or `too_little_data`.
    pub verdict: DriftVerdictView,
    /// Share of the items whose score is another one now; null for fewer than two items, as all that follows.
    pub differing: Option<CountedShareView>,
    /// The mean score by the judge.
    pub score: Option<ChangeView>,
    /// The mean of 1 − |judge − person|; null with fewer than two people's scores.
    pub agreement: Option<ChangeView>,
}

/// What is known about a judge that scored the same items again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftVerdictView {
    /// No mean changed by more than five points, by all intervals.
    Unchanged,
    /// A mean changed, at a level of 5 %.
    Changed,
    /// Neither is shown.
    TooLittleData,
}

/// How a mean over the same items changed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ChangeView {
    /// The mean then.
    pub before: f64,
    /// The mean now.
    pub after: f64,
    /// Now less then.
    pub difference: f64,
    /// Lower end of its 95 % interval.
    pub lo: f64,
    /// Upper end.
    pub hi: f64,
    /// Two-sided p-value of no change.
    pub p_value: f64,
}

/// The latest validation of the judge of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunJudgeValidationView {
    /// Its id.
    pub validation_id: String,
    /// The scorer.
    pub scorer: String,
    /// When it started (RFC 3339).
    pub at: String,
    /// Number of answers that people and the judge scored.
    pub n: usize,
    /// Share of equal verdicts.
    pub agreement: Option<CountedShareView>,
    /// Cohen's kappa; null if undefined.
    pub kappa: Option<FigureView>,
    /// The score of this run, corrected for the errors of the judge.
    pub score: CorrectedScoreView,
}
