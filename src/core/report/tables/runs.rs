//! Tables of the quality half.

use std::collections::BTreeSet;

use super::{Kind, Table};
use crate::core::report::words::{NOTHING, count, figure, interval, line, milliseconds, or_nothing, whole};
use crate::core::view::{PlanView, RunView, RunsView, ScoreView};

/// A short name for each run: its endpoint, with the suite before it where there are several suites, and with its prompt
/// where it has a name.
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

/// Every scorer of every run, the primary one first.
pub(in crate::core::report) fn scores(view: &RunsView) -> Table {
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

/// The mean of the primary scorer, with its interval, of each prompt on each endpoint: where there are several of both.
pub(in crate::core::report) fn matrix(view: &RunsView) -> Table {
    let endpoints: BTreeSet<&str> = view.runs.iter().map(|run| run.endpoint.as_str()).collect();
    let prompts: BTreeSet<(&str, &str)> =
        view.runs.iter().filter_map(|run| Some((run.suite.as_str(), run.prompt.as_deref()?))).collect();
    if endpoints.len() < 2 || prompts.len() < 2 {
        return Table::new("Side by side", &[]);
    }
    let columns: Vec<(String, Kind)> = std::iter::once(("Prompt".to_owned(), Kind::Name))
        .chain(endpoints.iter().map(|endpoint| (line(endpoint, 40), Kind::Number)))
        .collect();
    let cell = |suite: &str, prompt: &str, endpoint: &str| {
        let run = view
            .runs
            .iter()
            .find(|run| run.suite == suite && run.prompt.as_deref() == Some(prompt) && run.endpoint == endpoint);
        let score = run.and_then(|run| run.scores.get(&run.primary));
        match score.and_then(|score| Some((score.mean?, score.lo?, score.hi?))) {
            Some((mean, lo, hi)) => format!("{} ({})", figure(mean, 3), interval(lo, hi, 3)),
            None => NOTHING.into(),
        }
    };
    let primary: BTreeSet<&str> = view.runs.iter().map(|run| run.primary.as_str()).collect();
    let note = format!("Mean of {} with its 95 % interval.", primary.into_iter().collect::<Vec<_>>().join(", "));
    Table::with_columns("Side by side", columns).note(note).rows(prompts, usize::MAX, |(suite, prompt)| {
        let cells = endpoints.iter().map(|endpoint| cell(suite, prompt, endpoint));
        std::iter::once(line(prompt, 60)).chain(cells).collect()
    })
}

/// What became of the examples of each run.
pub(in crate::core::report) fn outcomes(view: &RunsView) -> Table {
    let columns = [
        ("Endpoint", Kind::Name),
        ("Verdict", Kind::Verdict),
        ("Examples", Kind::Number),
        ("Scored", Kind::Number),
        ("Errors", Kind::Number),
        ("Skipped", Kind::Number),
        ("p50", Kind::Number),
        ("p95", Kind::Number),
        ("First token", Kind::Number),
        ("Tokens/s", Kind::Number),
        ("Tokens in", Kind::Number),
        ("Tokens out", Kind::Number),
        ("Cost", Kind::Number),
        ("Cached", Kind::Number),
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
            run.latency.as_ref().and_then(|latency| latency.ttft_p50_ms).map_or_else(String::new, milliseconds),
            run.latency.and_then(|latency| latency.tokens_per_second).map_or_else(String::new, |rate| figure(rate, 1)),
            whole(run.prompt_tokens),
            whole(run.completion_tokens),
            run.cost.map_or_else(String::new, |cost| figure(cost, 4)),
            if run.cached > 0 { count(run.cached) } else { String::new() },
        ]
    });
    let notes = outcome_notes(view);
    let table = table.without_empty_columns();
    if notes.is_empty() { table } else { table.note(notes.join(" ")) }
}

/// What a reader of the outcomes should know besides.
fn outcome_notes(view: &RunsView) -> Vec<String> {
    let unfinished: Vec<_> = named(view).filter(|(_, run)| !run.finished).map(|(name, _)| name).collect();
    let mut notes = Vec::new();
    if !unfinished.is_empty() {
        notes.push(format!("Not finished: {}.", unfinished.join(", ")));
    }
    if view.runs.iter().any(|run| run.repeats > 1) {
        let repeats: BTreeSet<String> = view.runs.iter().map(|run| run.repeats.to_string()).collect();
        let repeats: Vec<String> = repeats.into_iter().collect();
        notes.push(format!("Each example was asked {} times; scores are one an example.", repeats.join(" or ")));
    }
    if view.runs.iter().any(|run| run.cached > 0) {
        notes.push("Cached outcomes were answered before, and keep their original latency.".to_owned());
    }
    notes.extend(named(view).flat_map(|(name, run)| {
        run.notes.iter().map(move |note| format!("{name}: {}.", line(note, 300))).collect::<Vec<_>>()
    }));
    notes
}

/// What a run would ask, a row a prompt and endpoint.
pub(in crate::core::report) fn plan(view: &PlanView) -> Table {
    let columns = [
        ("Suite", Kind::Name),
        ("Prompt", Kind::Name),
        ("Endpoint", Kind::Name),
        ("Requests", Kind::Number),
        ("Cached", Kind::Number),
        ("Tokens in", Kind::Number),
        ("Tokens out", Kind::Number),
        ("Cost", Kind::Number),
        ("Errors", Kind::Number),
        ("First error", Kind::Prose),
    ];
    let total = view.cost.map_or_else(String::new, |cost| format!(" All of it would cost about {}.", figure(cost, 4)));
    let note = format!("Nothing was sent. Tokens are estimated.{total}");
    Table::new("What would be asked", &columns)
        .note(note)
        .rows(&view.cells, usize::MAX, |cell| {
            let lower = if cell.answer_tokens.is_none() { "at least " } else { "" };
            vec![
                line(&cell.suite, 60),
                cell.prompt.as_deref().map_or_else(String::new, |prompt| line(prompt, 60)),
                line(&cell.endpoint, 60),
                whole(cell.requests),
                if cell.cached > 0 { whole(cell.cached) } else { String::new() },
                whole(cell.prompt_tokens),
                cell.answer_tokens.map_or_else(|| NOTHING.into(), whole),
                cell.cost.map_or_else(String::new, |cost| format!("{lower}{}", figure(cost, 4))),
                if cell.errors > 0 { whole(cell.errors) } else { String::new() },
                cell.first_error.as_deref().map_or_else(String::new, |error| line(error, 300)),
            ]
        })
        .without_empty_columns()
}

/// Every gate of every run.
pub(in crate::core::report) fn run_gates(view: &RunsView) -> Table {
    let columns = [("Endpoint", Kind::Name), ("Gate", Kind::Name), ("Verdict", Kind::Verdict), ("Detail", Kind::Prose)];
    let gates =
        named(view).flat_map(|(name, run)| run.gates.iter().map(move |gate| (name.clone(), gate)).collect::<Vec<_>>());
    Table::new("Gates", &columns).rows(gates, usize::MAX, |(name, gate)| {
        vec![name, line(&gate.name, 120), gate.verdict.name().into(), line(&gate.detail, 300)]
    })
}

/// Calls without an answer, by kind.
pub(in crate::core::report) fn errors(view: &RunsView) -> Table {
    let columns =
        [("Endpoint", Kind::Name), ("Error", Kind::Name), ("Count", Kind::Number), ("First message", Kind::Prose)];
    let errors = named(view)
        .flat_map(|(name, run)| run.errors.iter().map(move |error| (name.clone(), error)).collect::<Vec<_>>());
    Table::new("Endpoint errors", &columns)
        .note("Calls that were not answered. They stand apart: none of them counts as a wrong answer.")
        .rows(errors, usize::MAX, |(name, error)| {
            vec![name, error.kind.name().into(), count(error.count), line(&error.message, 300)]
        })
}

/// The first wrong answers of each run, at most `limit` a run.
pub(in crate::core::report) fn misses(view: &RunsView, limit: usize) -> Table {
    let columns = [
        ("Endpoint", Kind::Name),
        ("Example", Kind::Name),
        ("Score", Kind::Number),
        ("Input", Kind::Prose),
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
