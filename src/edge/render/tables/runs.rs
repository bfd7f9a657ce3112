//! Tables of the quality half.

use std::collections::BTreeSet;

use super::{Kind, Table};
use crate::core::view::{RunView, RunsView, ScoreView};
use crate::edge::render::words::{NOTHING, count, figure, interval, line, milliseconds, or_nothing, whole};

/// A short name for each run: its endpoint, with the suite before it where there are several suites.
pub(in crate::edge::render) fn run_names(view: &RunsView) -> Vec<String> {
    let suites: BTreeSet<_> = view.runs.iter().map(|run| run.suite.as_str()).collect();
    let name = |run: &RunView| {
        if suites.len() > 1 { format!("{} / {}", run.suite, run.endpoint) } else { run.endpoint.clone() }
    };
    view.runs.iter().map(|run| line(&name(run), 60)).collect()
}

fn named(view: &RunsView) -> impl Iterator<Item = (String, &RunView)> {
    run_names(view).into_iter().zip(&view.runs)
}

/// Every scorer of every run, the primary one first.
pub(in crate::edge::render) fn scores(view: &RunsView) -> Table {
    let columns = [
        ("Endpoint", Kind::Name),
        ("Scorer", Kind::Name),
        ("Mean", Kind::Number),
        ("95 % interval", Kind::Number),
        ("Scored", Kind::Number),
    ];
    let rows = named(view).flat_map(|(name, run)| {
        let primary = run.scores.get_key_value(&run.primary);
        let others = run.scores.iter().filter(|(scorer, _)| **scorer != run.primary);
        primary
            .into_iter()
            .chain(others)
            .map(move |(scorer, score)| score_row(&name, scorer, score))
            .collect::<Vec<_>>()
    });
    Table::new("Scores", &columns).rows(rows, usize::MAX, |row| row)
}

fn score_row(name: &str, scorer: &str, score: &ScoreView) -> Vec<String> {
    let mean = score.mean.map_or_else(|| NOTHING.into(), |mean| figure(mean, 3));
    let ends = score.lo.zip(score.hi).map_or_else(|| NOTHING.into(), |(lo, hi)| interval(lo, hi, 3));
    vec![name.to_owned(), line(scorer, 60), mean, ends, count(score.n)]
}

/// What became of the examples of each run.
pub(in crate::edge::render) fn outcomes(view: &RunsView) -> Table {
    let columns = [
        ("Endpoint", Kind::Name),
        ("Verdict", Kind::Verdict),
        ("Examples", Kind::Number),
        ("Scored", Kind::Number),
        ("Errors", Kind::Number),
        ("Skipped", Kind::Number),
        ("p50", Kind::Number),
        ("p95", Kind::Number),
        ("Tokens in", Kind::Number),
        ("Tokens out", Kind::Number),
    ];
    let table = Table::new("Outcomes", &columns).rows(named(view), usize::MAX, |(name, run)| {
        let latency = |pick: fn(&crate::core::view::LatencyView) -> f64| {
            run.latency.as_ref().map_or_else(|| NOTHING.into(), |latency| milliseconds(pick(latency)))
        };
        vec![
            name,
            run.verdict.name().into(),
            count(run.outcomes.total),
            count(run.outcomes.scored),
            count(run.outcomes.errored),
            count(run.outcomes.skipped),
            latency(|l| l.p50_ms),
            latency(|l| l.p95_ms),
            whole(run.prompt_tokens),
            whole(run.completion_tokens),
        ]
    });
    let unfinished: Vec<_> = named(view).filter(|(_, run)| !run.finished).map(|(name, _)| name).collect();
    if unfinished.is_empty() { table } else { table.note(format!("Not finished: {}.", unfinished.join(", "))) }
}

/// Every gate of every run.
pub(in crate::edge::render) fn run_gates(view: &RunsView) -> Table {
    let columns = [("Endpoint", Kind::Name), ("Gate", Kind::Name), ("Verdict", Kind::Verdict), ("Detail", Kind::Prose)];
    let gates =
        named(view).flat_map(|(name, run)| run.gates.iter().map(move |gate| (name.clone(), gate)).collect::<Vec<_>>());
    Table::new("Gates", &columns).rows(gates, usize::MAX, |(name, gate)| {
        vec![name, line(&gate.name, 120), gate.verdict.name().into(), line(&gate.detail, 300)]
    })
}

/// Calls without an answer, by kind.
pub(in crate::edge::render) fn errors(view: &RunsView) -> Table {
    let columns =
        [("Endpoint", Kind::Name), ("Error", Kind::Name), ("Count", Kind::Number), ("First message", Kind::Prose)];
    let errors = named(view)
        .flat_map(|(name, run)| run.errors.iter().map(move |error| (name.clone(), error)).collect::<Vec<_>>());
    Table::new("Endpoint errors", &columns)
        .note("Calls that were not answered. They stand apart: none of them counts as a wrong answer.")
        .rows(errors, usize::MAX, |(name, error)| {
            vec![name, line(&error.kind, 60), count(error.count), line(&error.message, 300)]
        })
}

/// The first wrong answers of each run, at most `limit` a run.
pub(in crate::edge::render) fn misses(view: &RunsView, limit: usize) -> Table {
    let columns = [
        ("Endpoint", Kind::Name),
        ("Example", Kind::Name),
        ("Score", Kind::Number),
        ("Asked", Kind::Prose),
        ("Expected", Kind::Prose),
        ("Answered", Kind::Prose),
        ("Why", Kind::Prose),
    ];
    let first = named(view).flat_map(|(name, run)| {
        run.misses.iter().take(limit).map(move |miss| (name.clone(), miss)).collect::<Vec<_>>()
    });
    let all: usize = view.runs.iter().map(|run| run.misses.len()).sum();
    let mut table = Table::new("First wrong answers", &columns).rows(first, usize::MAX, |(name, miss)| {
        vec![
            name,
            line(&miss.example_id, 60),
            figure(miss.score, 2),
            line(&miss.input, 160),
            line(&miss.expected.join(" / "), 160),
            line(&miss.output, 160),
            miss.reason.as_deref().map_or_else(String::new, |reason| or_nothing(Some(&line(reason, 160)))),
        ]
    });
    table.left_out = all - table.rows.len();
    table.without_empty_columns()
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::rich;
    use super::*;

    #[test]
    fn the_primary_scorer_comes_first() {
        let runs = rich().quality.unwrap();
        let table = scores(&runs);
        assert_eq!(table.rows[0][1], "exact");
        assert_eq!(table.rows[0][2..], ["0.873", "0.839–0.901", "392"]);
    }

    #[test]
    fn runs_of_several_suites_are_told_apart() {
        let mut runs = rich().quality.unwrap();
        runs.runs[1].suite = "other".into();
        assert_eq!(run_names(&runs), ["support / chat-large", "other / chat-small"]);
    }

    #[test]
    fn misses_left_out_are_counted() {
        let runs = rich().quality.unwrap();
        assert_eq!(misses(&runs, 1).left_out, 2);
    }
}
