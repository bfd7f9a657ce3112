//! Tables of how answers were scored: scorers that failed, judges, and classifiers.

use super::runs::of_runs;
use super::{Kind, Table};
use crate::core::view::{
    Cell, ClassificationView, ConfusionView, JudgeView, LabelView, PositionView, RunJudgeValidationView, RunsView,
    ScorerErrorView, count_of, line, phrase,
};

/// Largest number of labels whose confusion matrix is shown whole.
const MATRIX: usize = 12;

/// What the matrix calls an answer that is no label.
const NO_LABEL: &str = "(no label)";

/// The scorers that failed.
pub(in crate::core::report) fn scorer_errors(view: &RunsView) -> Table {
    let errors: Vec<(String, &ScorerErrorView)> = of_runs(view, |run| &run.scorer_errors);
    Table::of("Scorers that failed", errors, usize::MAX)
        .name("Endpoint", |(name, _)| name.clone())
        .name("Scorer", |(_, error)| Cell::line(&error.scorer, 60))
        .number("Answers", |(_, error)| error.count)
        .prose("First reason", |(_, error)| Cell::line(&error.message, 300))
        .table()
        .note("Answers that a scorer could not score count as errors, never as wrong. `--retry-errors` scores them again.")
}

/// The calls of the judges, apart from those of the endpoints.
pub(in crate::core::report) fn judges(view: &RunsView) -> Table {
    let judges: Vec<(String, &JudgeView)> = of_runs(view, |run| &run.judge);
    Table::of("Judges", judges, usize::MAX)
        .name("Endpoint", |(name, _)| name.clone())
        .name("Judge", |(_, judge)| Cell::line(&judge.judges.join(", "), 80))
        .name("Model", |(_, judge)| Cell::line(&judge.models.join(", "), 80))
        .number("Calls", |(_, judge)| judge.calls)
        .number("Cached", |(_, judge)| Cell::some(judge.cached as u64))
        .number("Errors", |(_, judge)| Cell::some(judge.errors as u64))
        .number("No verdict", |(_, judge)| Cell::some(judge.unreadable as u64))
        .number("Tokens in", |(_, judge)| judge.prompt_tokens)
        .number("Tokens out", |(_, judge)| judge.completion_tokens)
        .number("Cost", |(_, judge)| Cell::or_blank(judge.cost.map(|cost| Cell::Number(cost, 4))))
        .number("Agrees with people", |(_, judge)| Cell::or_blank(judge.validation.as_ref().and_then(agrees)))
        .number("Corrected", |(_, judge)| Cell::or_blank(judge.validation.as_ref().and_then(corrected)))
        .table()
        .note("Models that graded the answers. Their cost is not part of the endpoint's.")
        .without_empty_columns()
}

/// How far a judge agrees with people, such as `87.0 % of 200 answers`.
fn agrees(validation: &RunJudgeValidationView) -> Option<Cell> {
    let agreement = validation.agreement?;
    Some(phrase![Cell::Share(agreement.value, 1), format!(" of {}", count_of(agreement.of, "answer"))].into())
}

/// The score of the run, corrected for the errors of the judge, with its interval.
fn corrected(validation: &RunJudgeValidationView) -> Option<Cell> {
    let score = validation.score.corrected?;
    Some(phrase![Cell::Number(score.value, 3), " (", Cell::Interval(score.lo, score.hi, 3), ")"].into())
}

/// How pairwise judges depend on the order of the answers.
pub(in crate::core::report) fn position(view: &RunsView) -> Table {
    let rows: Vec<(String, &PositionView)> = of_runs(view, |run| run.judge.iter().flat_map(|judge| &judge.position));
    let first = |row: &PositionView| (row.decided > 0).then(|| Cell::Share(row.first as f64 / row.decided as f64, 0));
    let flipped = |row: &PositionView| (row.pairs > 0).then(|| Cell::Share(row.flipped as f64 / row.pairs as f64, 0));
    Table::of("Position bias of judges", rows, usize::MAX)
        .name("Endpoint", |(name, _)| name.clone())
        .name("Scorer", |(_, row)| Cell::line(&row.scorer, 60))
        .number("Pairs", |(_, row)| row.pairs)
        .number("Orders disagree", |(_, row)| flipped(row))
        .number("First preferred", |(_, row)| first(row))
        .number("95 % interval", |(_, row)| Cell::ShareInterval(row.lo, row.hi))
        .table()
        .note(
            "Without bias, the answer shown first is preferred half of the time. Orders that disagree count as a tie.",
        )
}

/// The figures of every label, the most frequent first.
pub(in crate::core::report) fn labels(view: &RunsView, limit: usize) -> Table {
    let mut rows: Vec<(String, &LabelView)> =
        of_runs(view, |run| run.classification.iter().flat_map(|found| &found.labels));
    rows.sort_by(|(_, a), (_, b)| b.support.total_cmp(&a.support));
    let interval = |label: &LabelView| label.recall_interval.map(|[lo, hi]| Cell::ShareInterval(lo, hi));
    let summaries = of_runs(view, |run| &run.classification);
    let summary = summaries.iter().map(|(name, found)| {
        let ClassificationView { macro_f1, balanced_accuracy, matthews_correlation, no_label, .. } = found;
        let none = if *no_label > 0.0 { format!(", {} answers without a label", no_label.round()) } else { String::new() };
        format!(
            "{name}: macro F1 {macro_f1:.3}, balanced accuracy {balanced_accuracy:.3}, Matthews correlation {matthews_correlation:.3}{none}."
        )
    });
    let summary = summary.collect::<Vec<_>>().join(" ");
    let table = Table::of("Labels", rows, limit)
        .name("Endpoint", |(name, _)| name.clone())
        .name("Label", |(_, label)| Cell::line(&label.label, 60))
        .number("Examples", |(_, label)| Cell::Number(label.support, 0))
        .number("Answers", |(_, label)| Cell::Number(label.predicted, 0))
        .number("Precision", |(_, label)| label.precision.map(|share| Cell::Share(share, 1)))
        .number("Recall", |(_, label)| label.recall.map(|share| Cell::Share(share, 1)))
        .number("95 % interval", |(_, label)| Cell::or_blank(interval(label)))
        .number("F1", |(_, label)| Cell::Number(label.f1, 3))
        .table()
        .without_empty_columns();
    if summary.is_empty() { table } else { table.note(summary) }
}

/// The labels that are most often given in place of others.
pub(in crate::core::report) fn confusions(view: &RunsView, limit: usize) -> Table {
    let rows: Vec<(String, &ConfusionView)> =
        of_runs(view, |run| run.classification.iter().flat_map(|found| found.confusions.iter()));
    Table::of("Most frequent confusions", rows, limit)
        .name("Endpoint", |(name, _)| name.clone())
        .name("Accepted", |(_, row)| Cell::line(&row.expected, 60))
        .name("Answered", |(_, row)| Cell::line(row.predicted.as_deref().unwrap_or(NO_LABEL), 60))
        .number("Answers", |(_, row)| Cell::Number(row.count, 0))
        .table()
}

/// The confusion matrix of each classifier with few labels: one row per accepted label.
pub(in crate::core::report) fn confusion_matrices(view: &RunsView) -> Vec<Table> {
    let found = of_runs(view, |run| &run.classification);
    let small = found.into_iter().filter(|(_, found)| (2..=MATRIX).contains(&found.labels.len()));
    small.map(|(name, found)| matrix(&name, found)).collect()
}

fn matrix(name: &str, found: &ClassificationView) -> Table {
    let count = |expected: &LabelView, predicted: Option<&str>| {
        if predicted == Some(expected.label.as_str()) {
            return expected.recall.map_or(0.0, |recall| recall * expected.support);
        }
        let same = |row: &&ConfusionView| row.expected == expected.label && row.predicted.as_deref() == predicted;
        found.confusions.iter().find(same).map_or(0.0, |row| row.count)
    };
    let rows = Table::of(format!("Confusion matrix: {name}"), &found.labels, usize::MAX)
        .name("Accepted", |label| Cell::line(&label.label, 40));
    let table = found.labels.iter().fold(rows, |rows, label| {
        rows.column(Kind::Number, line(&label.label, 24), |expected| {
            Cell::Number(count(expected, Some(&label.label)), 0)
        })
    });
    let table = if found.no_label > 0.0 {
        table.column(Kind::Number, NO_LABEL.to_owned(), |expected| Cell::Number(count(expected, None), 0))
    } else {
        table
    };
    table.table().note(phrase!["Rows: the accepted label. Columns: the label given."])
}
