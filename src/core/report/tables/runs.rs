//! Tables of the quality half.

use std::collections::BTreeSet;

use super::{Kind, Table};
use crate::core::view::{
    Cell, ClaimView, DisparityView, ErrorView, GroupView, LatencyView, MissView, Phrase, PlanCell, PlanView, RateView,
    RunView, RunsView, ScoreView, SliceScoreView, line, phrase,
};

/// A short name for each run: its endpoint, preceded by the suite if there are several suites, and followed by the
/// prompt if it has a name.
pub(in crate::core::report) fn run_names(view: &RunsView) -> Vec<String> {
    let suites: BTreeSet<_> = view.runs.iter().map(|run| run.suite.as_str()).collect();
    let name = |run: &RunView| {
        if suites.len() > 1 { format!("{} / {}", run.suite, run.name()) } else { run.name() }
    };
    view.runs.iter().map(|run| line(&name(run), 60)).collect()
}

fn named(view: &RunsView) -> impl Iterator<Item = (String, &RunView)> {
    run_names(view).into_iter().zip(&view.runs)
}

/// The items that `pick` finds in each run, each with the name of its run.
pub(super) fn of_runs<'a, T, I: IntoIterator<Item = T>>(
    view: &'a RunsView,
    pick: impl Fn(&'a RunView) -> I,
) -> Vec<(String, T)> {
    named(view)
        .flat_map(|(name, run)| pick(run).into_iter().map(move |found| (name.clone(), found)).collect::<Vec<_>>())
        .collect()
}

/// Every scorer of every run, the primary one first.
pub(in crate::core::report) fn scores(view: &RunsView) -> Table {
    type Row<'a> = (String, (&'a String, &'a ScoreView));
    let scores: Vec<Row<'_>> = of_runs(view, RunView::scores_in_order);
    Table::of("Scores", scores, usize::MAX)
        .name("Endpoint", |(name, _)| name.clone())
        .name("Scorer", |(_, (scorer, _))| Cell::line(scorer, 60))
        .number("Mean", |(_, (_, score))| score.mean.map(|mean| Cell::Number(mean, 3)))
        .number("95 % interval", |(_, (_, score))| score.lo.zip(score.hi).map(|(lo, hi)| Cell::Interval(lo, hi, 3)))
        .number("Scored", |(_, (_, score))| score.n)
        .table()
}

/// The mean of the primary scorer, with its interval, for each combination of prompt and endpoint. Empty unless there
/// are several of both.
pub(in crate::core::report) fn matrix(view: &RunsView) -> Table {
    let endpoints: BTreeSet<&str> = view.runs.iter().map(|run| run.endpoint.as_str()).collect();
    let prompts: BTreeSet<(&str, &str)> =
        view.runs.iter().filter_map(|run| Some((run.suite.as_str(), run.prompt.as_deref()?))).collect();
    if endpoints.len() < 2 || prompts.len() < 2 {
        return Table::of("Side by side", [] as [(); 0], 0).table();
    }
    let cell = |suite: &str, prompt: &str, endpoint: &str| -> Option<Phrase> {
        let of =
            |run: &&RunView| run.suite == suite && run.prompt.as_deref() == Some(prompt) && run.endpoint == endpoint;
        let (mean, lo, hi) = view.runs.iter().find(of)?.primary_score()?;
        Some(phrase![Cell::Number(mean, 3), " (", Cell::Interval(lo, hi, 3), ")"])
    };
    let rows = Table::of("Side by side", prompts, usize::MAX).name("Prompt", |(_, prompt)| Cell::line(prompt, 60));
    let table = endpoints.iter().fold(rows, |rows, endpoint| {
        rows.column(Kind::Number, line(endpoint, 40), |(suite, prompt)| cell(suite, prompt, endpoint))
    });
    let primary: BTreeSet<&str> = view.runs.iter().map(|run| run.primary.as_str()).collect();
    table.table().note(format!("Mean of {} with its 95 % interval.", Vec::from_iter(primary).join(", ")))
}

/// The primary scorer on every slice of each run.
pub(in crate::core::report) fn slice_scores(view: &RunsView, limit: usize) -> Table {
    let slices: Vec<(String, &SliceScoreView)> = of_runs(view, |run| &run.slices);
    Table::of("Slices", slices, limit)
        .name("Endpoint", |(name, _)| name.clone())
        .name("Slice", |(_, slice)| Cell::line(&slice.slice, 60))
        .name("Critical", |(_, slice)| if slice.critical { "yes" } else { "" })
        .number("Mean", |(_, slice)| slice.score.mean.map(|mean| Cell::Number(mean, 3)))
        .number("95 % interval", |(_, slice)| slice.score.lo.zip(slice.score.hi).map(|(lo, hi)| Cell::Interval(lo, hi, 3)))
        .number("Scored", |(_, slice)| slice.score.n)
        .number("p (adjusted)", |(_, slice)| Cell::PValue(slice.p_adjusted))
        .name("Than rest", |(_, slice)| if slice.lower { "lower" } else { "" })
        .table()
        .note("p: that the slice scores like the rest of the set, adjusted for the number of slices (Benjamini–Hochberg).")
        .without_empty_columns()
}

/// Published scores beside the measured ones.
pub(in crate::core::report) fn claims(view: &RunsView) -> Table {
    let rows: Vec<(String, &ClaimView)> = of_runs(view, |run| &run.claims);
    let text = |text: &Option<String>| Cell::or_blank(text.as_deref().map(|text| Cell::line(text, 80)));
    Table::of("Claimed and measured", rows, usize::MAX)
        .name("Endpoint", |(name, _)| name.clone())
        .name("Scorer", |(_, claim)| Cell::line(&claim.scorer, 60))
        .number("Claimed", |(_, claim)| Cell::Number(claim.claimed, 3))
        .number("Measured", |(_, claim)| claim.measured.and_then(|score| score.mean).map(|mean| Cell::Number(mean, 3)))
        .number("95 % interval", |(_, claim)| {
            let interval = claim.measured.and_then(|score| score.lo.zip(score.hi));
            interval.map(|(lo, hi)| Cell::Interval(lo, hi, 3))
        })
        .name("The claim is", |(_, claim)| claim.claim_is.name())
        .prose("Source", |(_, claim)| Cell::line(&claim.source, 100))
        .prose("Prompt", |(_, claim)| text(&claim.prompt))
        .prose("Scaffold", |(_, claim)| text(&claim.scaffold))
        .number("Context", |(_, claim)| Cell::or_blank(claim.context_length.map(Cell::from)))
        .table()
        .note("A published score is comparable only as far as its prompt, scaffold and data are.")
        .without_empty_columns()
}

/// The differences between groups of people in each run.
pub(in crate::core::report) fn parity(view: &RunsView) -> Table {
    let rows: Vec<(String, &DisparityView)> =
        of_runs(view, |run| run.parity.iter().flat_map(|parity| &parity.measures));
    let share = |share: f64| Cell::Share(share, 1);
    Table::of("Parity between groups", rows, usize::MAX)
        .name("Endpoint", |(name, _)| name.clone())
        .name("Measure", |(_, row)| row.measure.replace('_', " "))
        .name("Verdict", |(_, row)| row.verdict.name())
        .number("Difference", |(_, row)| row.difference.map(share))
        .number("95 % interval", |(_, row)| Cell::ShareInterval(row.lo, row.hi))
        .name("Highest", |(_, row)| Cell::or_blank(row.largest.as_deref().map(|group| Cell::line(group, 40))))
        .name("Lowest", |(_, row)| Cell::or_blank(row.smallest.as_deref().map(|group| Cell::line(group, 40))))
        .number("First", |(_, row)| Cell::or_blank(row.first.map(share)))
        .name("Trend", |(_, row)| if row.grown { "grown" } else { "" })
        .prose("Detail", |(_, row)| Cell::line(&row.detail, 300))
        .table()
        .note("The largest difference of the rates of positive answers between two groups; intervals hold for all groups at once.")
        .without_empty_columns()
}

/// The rates of positive answers of each group of people.
pub(in crate::core::report) fn groups(view: &RunsView) -> Table {
    let rows: Vec<(String, &GroupView)> = of_runs(view, |run| run.parity.iter().flat_map(|parity| &parity.groups));
    let rate = |rate: &RateView| {
        let value = rate.value.map(|value| Cell::Share(value, 0));
        phrase![value, " (", Cell::Interval(100.0 * rate.lo, 100.0 * rate.hi, 0), format!("), n = {}", rate.n)]
    };
    Table::of("Groups", rows, usize::MAX)
        .name("Endpoint", |(name, _)| name.clone())
        .name("Group", |(_, group)| Cell::line(&group.group, 60))
        .number("Positive", |(_, group)| rate(&group.positive))
        .number("True positive", |(_, group)| rate(&group.true_positive))
        .number("False positive", |(_, group)| rate(&group.false_positive))
        .table()
}

/// Outcomes, latency, tokens and cost of each run.
pub(in crate::core::report) fn outcomes(view: &RunsView) -> Table {
    type Row<'a> = (String, &'a RunView);
    let latency = |pick: fn(&LatencyView) -> f64| {
        move |(_, run): &Row<'_>| run.latency.as_ref().map(|latency| Cell::Milliseconds(pick(latency)))
    };
    let of_stream = |pick: fn(&LatencyView) -> Option<Cell>| {
        move |(_, run): &Row<'_>| Cell::or_blank(run.latency.as_ref().and_then(pick))
    };
    let table = Table::of("Outcomes", named(view), usize::MAX)
        .name("Endpoint", |(name, _)| name.clone())
        .verdict("Verdict", |(_, run)| run.verdict)
        .number("Examples", |(_, run)| run.outcomes.total)
        .number("Scored", |(_, run)| run.outcomes.scored)
        .number("Errors", |(_, run)| run.outcomes.errored)
        .number("Unscored", |(_, run)| Cell::some(run.outcomes.unscored as u64))
        .number("Skipped", |(_, run)| run.outcomes.skipped)
        .number("p50", latency(|latency| latency.p50_ms))
        .number("p95", latency(|latency| latency.p95_ms))
        .number("First token", of_stream(|latency| latency.ttft_p50_ms.map(Cell::Milliseconds)))
        .number("Tokens/s", of_stream(|latency| latency.tokens_per_second.map(|rate| Cell::Number(rate, 1))))
        .number("Tokens in", |(_, run)| run.prompt_tokens)
        .number("Tokens out", |(_, run)| run.completion_tokens)
        .number("Cost", |(_, run)| Cell::or_blank(run.cost.map(|cost| Cell::Number(cost, 4))))
        .number("Cached", |(_, run)| Cell::some(run.cached as u64))
        .table()
        .without_empty_columns();
    let notes = outcome_notes(view);
    if notes.is_empty() { table } else { table.note(notes.join(" ")) }
}

/// Remarks on the outcomes.
fn outcome_notes(view: &RunsView) -> Vec<String> {
    let unfinished: Vec<_> = named(view).filter(|(_, run)| !run.finished).map(|(name, _)| name).collect();
    let mut notes = Vec::new();
    if !unfinished.is_empty() {
        notes.push(format!("Not finished: {}.", unfinished.join(", ")));
    }
    if view.runs.iter().any(|run| run.repeats > 1) {
        let repeats: BTreeSet<String> = view.runs.iter().map(|run| run.repeats.to_string()).collect();
        let repeats = Vec::from_iter(repeats).join(" or ");
        notes.push(format!("Each example was sent {repeats} times; there is one score per example."));
    }
    if view.runs.iter().any(|run| run.cached > 0) {
        notes.push("Cached outcomes reuse earlier answers and show their original latency.".to_owned());
    }
    let of_run = of_runs(view, |run| &run.notes);
    notes.extend(of_run.into_iter().map(|(name, note)| format!("{name}: {}.", line(note, 300))));
    notes
}

/// The requests that a run would send, one row per prompt and endpoint.
pub(in crate::core::report) fn plan(view: &PlanView) -> Table {
    let cost = |cell: &&PlanCell| {
        let lower = if cell.answer_tokens.is_none() { "at least " } else { "" };
        Cell::or_blank(cell.cost.map(|cost| phrase![lower, Cell::Number(cost, 4)].into()))
    };
    let text = |text: &Option<String>, chars| Cell::or_blank(text.as_deref().map(|text| Cell::line(text, chars)));
    let total = view
        .cost
        .map_or_else(Phrase::default, |cost| phrase![" The total cost would be about ", Cell::Number(cost, 4), "."]);
    Table::of("What would be sent", &view.cells, usize::MAX)
        .name("Suite", |cell| Cell::line(&cell.suite, 60))
        .name("Prompt", |cell| text(&cell.prompt, 60))
        .name("Endpoint", |cell| Cell::line(&cell.endpoint, 60))
        .number("Requests", |cell| cell.requests)
        .number("Cached", |cell| Cell::some(cell.cached))
        .number("Judge calls", |cell| Cell::some(cell.judge_calls))
        .number("Tokens in", |cell| cell.prompt_tokens)
        .number("Tokens out", |cell| cell.answer_tokens)
        .number("Cost", cost)
        .number("Errors", |cell| Cell::some(cell.errors))
        .prose("First error", |cell| text(&cell.first_error, 300))
        .table()
        .note(phrase!["Nothing was sent. Token counts are estimates.", total])
        .without_empty_columns()
}

/// Every gate of every run.
pub(in crate::core::report) fn run_gates(view: &RunsView) -> Table {
    Table::of("Gates", of_runs(view, |run| &run.gates), usize::MAX)
        .name("Endpoint", |(name, _)| name.clone())
        .name("Gate", |(_, gate)| Cell::line(&gate.name, 120))
        .verdict("Verdict", |(_, gate)| gate.verdict)
        .prose("Detail", |(_, gate)| Cell::line(&gate.detail, 300))
        .table()
}

/// Failed calls, by kind of error.
pub(in crate::core::report) fn errors(view: &RunsView) -> Table {
    let errors: Vec<(String, &ErrorView)> = of_runs(view, |run| &run.errors);
    Table::of("Endpoint errors", errors, usize::MAX)
        .name("Endpoint", |(name, _)| name.clone())
        .name("Error", |(_, error)| error.kind.name())
        .number("Count", |(_, error)| error.count)
        .prose("First message", |(_, error)| Cell::line(&error.message, 300))
        .table()
        .note("Calls that failed. None of them counts as a wrong answer.")
}

/// The first `limit` wrong answers of each run.
pub(in crate::core::report) fn misses(view: &RunsView, limit: usize) -> Table {
    let misses: Vec<(String, &MissView)> = of_runs(view, |run| run.misses.iter().take(limit));
    let all: usize = view.runs.iter().map(|run| run.misses.len()).sum();
    let left_out = all - misses.len();
    let reason =
        |(_, miss): &(String, &MissView)| Cell::or_blank(miss.reason.as_deref().map(|reason| Cell::line(reason, 160)));
    let table = Table::of("First wrong answers", misses, usize::MAX)
        .name("Endpoint", |(name, _)| name.clone())
        .name("Example", |(_, miss)| Cell::line(&miss.example_id, 60))
        .number("Score", |(_, miss)| Cell::Number(miss.score, 2))
        .prose("Input", |(_, miss)| Cell::line(&miss.input, 160))
        .prose("Expected", |(_, miss)| Cell::line(&miss.expected.join(" / "), 160))
        .prose("Answered", |(_, miss)| Cell::line(&miss.output, 160))
        .prose("Why", reason)
        .table()
        .without_empty_columns();
    Table { left_out, ..table }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::rich;
    use super::*;

    #[test]
    fn the_primary_scorer_comes_first() {
        let row: Vec<_> = scores(&rich().quality.unwrap()).rows[0].iter().skip(1).map(ToString::to_string).collect();
        assert_eq!(row, ["exact", "0.873", "0.839–0.901", "392"]);
    }

    #[test]
    fn runs_of_several_suites_have_different_names() {
        let mut runs = rich().quality.unwrap();
        runs.runs[1].suite = "other".into();
        assert_eq!(run_names(&runs), ["support / chat-large", "other / chat-small"]);
    }

    #[test]
    fn omitted_misses_are_counted() {
        assert_eq!(misses(&rich().quality.unwrap(), 1).left_out, 2);
    }
}
