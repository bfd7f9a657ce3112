//! Tables of a comparison of two runs.

use std::collections::BTreeSet;

use super::Table;
use crate::core::compare::Change;
use crate::core::contract::{Breaking, ChangeKind, JsonType, ShapeChange};
use crate::core::view::{
    Cell, CompareView, ComparedRun, CostDifferenceView, FlipView, LatencyDifferenceView, Phrase, ScoreDifferenceView,
    count_of, line, phrase,
};

/// The two runs.
pub(in crate::core::report) fn compared_runs(view: &CompareView) -> Table {
    let runs = [("Base", &view.base), ("Candidate", &view.candidate)];
    Table::of("Runs", runs, usize::MAX)
        .name("Run", |(role, _)| *role)
        .id("Id", |(_, run)| run.run_id.clone())
        .name("Endpoint", |(_, run)| line(&run.endpoint, 60))
        .name("Prompt", |(_, run)| Cell::or_blank(run.prompt.as_deref().map(|prompt| Cell::line(prompt, 60))))
        .name("Models", |(_, run)| line(&run.models.join(", "), 80))
        .id("Started", |(_, run)| run.started_at.get(..16).unwrap_or(&run.started_at).replace('T', " "))
        .number("Repeats", |(_, run)| if run.repeats > 1 { Cell::Count(run.repeats.into()) } else { Cell::Blank })
        .number("Outcomes", |(_, run)| run.outcomes)
        .number("Errors", |(_, run)| run.errors)
        .table()
        .without_empty_columns()
}

/// The difference of every scorer.
pub(in crate::core::report) fn compared_scores(view: &CompareView) -> Table {
    let interval = |score: &&ScoreDifferenceView| score.lo.zip(score.hi).map(|(lo, hi)| Cell::PointsInterval(lo, hi));
    let table = Table::of("Scores", &view.scores, usize::MAX)
        .name("Scorer", |score| line(&score.scorer, 60))
        .name("Verdict", |score| score.verdict.name())
        .number("Base", |score| score.base.mean.map(|mean| Cell::Number(mean, 3)))
        .number("Candidate", |score| score.candidate.mean.map(|mean| Cell::Number(mean, 3)))
        .number("Points", |score| score.difference.map(Cell::Points))
        .number("95 % interval", interval)
        .number("p", |score| score.p_value.map(Cell::PValue))
        .number("Rose", |score| score.better)
        .number("Fell", |score| score.worse)
        .number("n", |score| score.n)
        .number("Detectable", |score| score.detectable.map(|detectable| Cell::Number(100.0 * detectable, 1)))
        .number("n needed", |score| Cell::or_blank(score.needed.map(Cell::from)))
        .table()
        .without_empty_columns();
    let methods: BTreeSet<&str> =
        view.scores.iter().map(|score| score.method.as_str()).filter(|method| !method.is_empty()).collect();
    let methods =
        if methods.is_empty() { String::new() } else { format!(" Methods: {}.", Vec::from_iter(methods).join("; ")) };
    table.note(phrase![
        "Candidate minus base in percentage points, on the examples that both runs scored. Detectable: the smallest true \
         difference that would be found in 4 of 5 such comparisons. Differences within ",
        Cell::Number(100.0 * view.margin, 1),
        " points count as the same.",
        methods
    ])
}

/// The difference on every slice.
pub(in crate::core::report) fn compared_slices(view: &CompareView, limit: usize) -> Table {
    Table::of("Slices", &view.slices, limit)
        .name("Slice", |slice| line(&slice.slice, 60))
        .name("Verdict", |slice| slice.verdict.name())
        .name("Critical", |slice| if slice.critical { "yes" } else { "" })
        .number("n", |slice| slice.n)
        .number("Base", |slice| slice.base.map(|mean| Cell::Number(mean, 3)))
        .number("Candidate", |slice| slice.candidate.map(|mean| Cell::Number(mean, 3)))
        .number("Points", |slice| slice.difference.map(Cell::Points))
        .number("95 % interval", |slice| slice.lo.zip(slice.hi).map(|(lo, hi)| Cell::PointsInterval(lo, hi)))
        .number("p (adjusted)", |slice| slice.p_adjusted.map(Cell::PValue))
        .table()
        .note("p-values are adjusted for the number of slices (Benjamini–Hochberg), except those of critical slices.")
        .without_empty_columns()
}

/// Latency and cost of both runs.
pub(in crate::core::report) fn compared_requests(view: &CompareView) -> Table {
    enum Row<'a> {
        Latency(&'a LatencyDifferenceView),
        Cost(&'a CostDifferenceView),
    }
    let rows = view.latency.iter().map(Row::Latency).chain(view.cost.iter().map(Row::Cost));
    let ms = |value: f64| match value {
        v if v.abs() < 0.5 => phrase![Cell::Milliseconds(0.0)],
        v if v < 0.0 => phrase!["−", Cell::Milliseconds(-v)],
        v => phrase!["+", Cell::Milliseconds(v)],
    };
    let money = |value: f64| Cell::Number(value, 6);
    Table::of("Latency and cost", rows, usize::MAX)
        .name("What", |row| match row {
            Row::Latency(latency) => format!("latency {}", latency.percentile),
            Row::Cost(_) => "cost per request".to_owned(),
        })
        .number("Base", |row| match row {
            Row::Latency(latency) => Cell::Milliseconds(latency.base_ms),
            Row::Cost(cost) => money(cost.base),
        })
        .number("Candidate", |row| match row {
            Row::Latency(latency) => Cell::Milliseconds(latency.candidate_ms),
            Row::Cost(cost) => money(cost.candidate),
        })
        .number("Difference", |row| match row {
            Row::Latency(latency) => Cell::from(ms(latency.difference_ms)),
            Row::Cost(cost) => money(cost.difference),
        })
        .number("95 % interval", |row| match row {
            Row::Latency(latency) => {
                let end = |end: Option<f64>| end.map_or(phrase!["unknown"], ms);
                match (latency.lo_ms, latency.hi_ms) {
                    (None, None) => Cell::from("too few requests"),
                    (lo, hi) => Cell::from(phrase![end(lo), " to ", end(hi)]),
                }
            }
            Row::Cost(cost) => Cell::from(phrase![money(cost.lo), " to ", money(cost.hi)]),
        })
        .number("Requests", |row| match row {
            Row::Latency(latency) => latency.requests,
            Row::Cost(cost) => cost.requests,
        })
        .table()
}

/// Examples whose score fell, with the answers side by side.
pub(in crate::core::report) fn new_failures(view: &CompareView, limit: usize) -> Table {
    let fell = view.scores.first().map_or(0, |score| score.worse);
    flips("New failures", &view.new_failures, limit, fell)
}

/// Examples whose score rose.
pub(in crate::core::report) fn fixed(view: &CompareView, limit: usize) -> Table {
    let rose = view.scores.first().map_or(0, |score| score.better);
    flips("Fixed", &view.fixed, limit, rose)
}

fn flips(title: &str, flips: &[FlipView], limit: usize, all: usize) -> Table {
    let table = Table::of(title, flips, limit)
        .name("Example", |flip| Cell::line(&flip.example_id, 60))
        .number("Score", |flip| phrase![Cell::Number(flip.base_score, 2), " → ", Cell::Number(flip.candidate_score, 2)])
        .name("Flaky", |flip| if flip.flaky { "flaky" } else { "" })
        .prose("Input", |flip| Cell::line(&flip.input, 160))
        .prose("Expected", |flip| Cell::line(&flip.expected.join(" / "), 160))
        .prose("Base answered", |flip| Cell::line(&flip.base_output, 160))
        .prose("Candidate answered", |flip| Cell::line(&flip.candidate_output, 160))
        .prose("Why", |flip| Cell::or_blank(flip.reason.as_deref().map(|reason| Cell::line(reason, 160))))
        .table()
        .without_empty_columns();
    let left_out = all.saturating_sub(table.rows.len());
    Table { left_out, ..table }
}

/// How the shape of JSON answers differs.
pub(in crate::core::report) fn contract(view: &CompareView, limit: usize) -> Table {
    Table::of("Shape of answers", &view.contract, limit)
        .id("Path", |change| line(&change.path, 100))
        .name("Change", |change| line(&described(change), 120))
        .name("Breaks", |change| match change.breaking {
            Breaking::Yes => "yes",
            Breaking::Unknown => "unknown",
            Breaking::No => "no",
        })
        .number("Base", |change| Cell::Share(change.base_share, 1))
        .number("Candidate", |change| Cell::Share(change.candidate_share, 1))
        .prose("Why", |change| line(&change.reason, 200))
        .table()
        .note(format!("Of {} per run.", count_of(view.contract_answers, "answer")))
}

/// A change in words.
fn described(change: &ShapeChange) -> String {
    let types = |types: &[JsonType]| types.iter().map(|of| of.name()).collect::<Vec<_>>().join(" or ");
    match &change.kind {
        ChangeKind::NotJson => "not JSON".to_owned(),
        ChangeKind::Missing => "missing".to_owned(),
        ChangeKind::New => "new".to_owned(),
        ChangeKind::Renamed { to } => format!("renamed to {to}"),
        ChangeKind::LessFrequent => "less frequent".to_owned(),
        ChangeKind::MoreFrequent => "more frequent".to_owned(),
        ChangeKind::TypeChanged { from, to } => format!("type: {} → {}", types(from), types(to)),
        ChangeKind::EnumChanged { gone, new } => {
            let part = |what: &str, values: &[String]| {
                if values.is_empty() { None } else { Some(format!("{what} {}", values.join(", "))) }
            };
            [part("new", new), part("gone", gone)].into_iter().flatten().collect::<Vec<_>>().join("; ")
        }
    }
}

/// The comparison in one sentence.
pub(in crate::core::report) fn compare_sentence(view: &CompareView) -> Phrase {
    let run = |run: &ComparedRun| line(&run.named, 40);
    let (base, candidate) = (run(&view.base), run(&view.candidate));
    let Some(score) = view.scores.first() else {
        return phrase![format!("{candidate} and {base} have no scorer in common.")];
    };
    let (Some(difference), Some(lo), Some(hi)) = (score.difference, score.lo, score.hi) else {
        return phrase![format!(
            "{candidate} cannot be compared with {base}: both scored only {}.",
            count_of(score.n, "common example")
        )];
    };
    let verdict = match view.verdict {
        Change::Better => "is better than",
        Change::Worse => "is worse than",
        Change::Same => "is the same as",
        Change::Inconclusive => "cannot be told apart from",
    };
    let mut sentence = phrase![
        format!("{candidate} {verdict} {base} on {}: ", line(&score.scorer, 40)),
        Cell::Points(difference),
        " points (",
        Cell::Share(0.95, 0),
        " interval ",
        Cell::PointsInterval(lo, hi),
        ")",
        format!(", {} rose and {} fell of {}", Cell::from(score.better), Cell::from(score.worse), Cell::from(score.n))
    ];
    match (view.verdict, score.needed) {
        (Change::Inconclusive, Some(needed)) => {
            sentence.push(phrase!["; about ", needed, " examples like these would decide it"])
        }
        (Change::Inconclusive, None) => {
            sentence.push("; not even a million examples like these would decide it");
        }
        _ => {}
    }
    sentence.push(".");
    sentence
}

/// Which examples were compared, in words.
pub(in crate::core::report) fn compare_notes(view: &CompareView) -> Vec<String> {
    let examples = &view.examples;
    let mut notes = vec![format!("{} compared.", count_of(examples.common, "common example"))];
    let mut apart = |count: usize, what: &str, ids: &[String]| {
        if count > 0 {
            let listed: Vec<String> = ids.iter().take(5).map(|id| line(id, 40)).collect();
            let more = if count > listed.len() { ", …" } else { "" };
            notes.push(format!("{} {what}: {}{more}.", count_of(count, "example"), listed.join(", ")));
        }
    };
    apart(examples.added, "only in the candidate", &examples.added_ids);
    apart(examples.removed, "only in the base", &examples.removed_ids);
    apart(examples.edited, "with another input or other accepted answers", &examples.edited_ids);
    notes.extend(
        view.not_compared
            .iter()
            .map(|score| format!("Scorer {} not compared: {}.", line(&score.scorer, 40), score.reason)),
    );
    let sentence = |note: &String| {
        let mut letters = note.chars();
        let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
        format!("{first}{}.", line(letters.as_str(), 300))
    };
    notes.extend(view.notes.iter().map(sentence));
    notes
}
