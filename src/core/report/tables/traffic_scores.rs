//! Tables of the scores of production's answers.

use super::Table;
use crate::core::report::table::Rows;
use crate::core::traffic_scores::NO_CLUSTER;
use crate::core::view::{
    Cell, ScoreView, TrafficPartView, TrafficScorerView, TrafficScoresView, TrafficVerdict, line, phrase,
};

/// A part of the traffic with its scorer.
type Row<'a> = (&'a TrafficScorerView, &'a TrafficPartView);

/// Every scorer on all records.
pub(in crate::core::report) fn traffic_scorers(view: &TrafficScoresView) -> Table {
    let rows = view.scorers.iter().map(|scorer| (scorer, &scorer.overall));
    let table = Table::of("Scorers on production's answers", rows, usize::MAX)
        .name("Scorer", |(scorer, _)| line(&scorer.scorer, 40));
    beside(table)
        .number("Errors", |(scorer, _)| Cell::some(scorer.errors as u64))
        .number("Not scored", |(scorer, _)| Cell::some(scorer.skipped as u64))
        .table()
        .without_empty_columns()
}

/// Every scorer by cluster; the clusters that are lower than the golden set first, then the largest.
pub(in crate::core::report) fn traffic_clusters(view: &TrafficScoresView, limit: usize) -> Table {
    let mut rows: Vec<Row<'_>> = parts(view, |scorer| &scorer.clusters);
    rows.sort_by_key(|(_, part)| part.verdict != TrafficVerdict::Lower);
    let table = Table::of("By cluster of traffic", rows, limit);
    let table = named(table, view).name("Cluster", |(_, part)| match (&part.name, part.part.as_str()) {
        (Some(name), id) => line(&format!("{id} {name}"), 50),
        (None, NO_CLUSTER) => "in no cluster".to_owned(),
        (None, id) => id.to_owned(),
    });
    beside(table.number("Traffic", |(_, part)| Cell::Share(part.share, 1))).table().without_empty_columns()
}

/// Every scorer by month.
pub(in crate::core::report) fn traffic_months(view: &TrafficScoresView, limit: usize) -> Table {
    let table = Table::of("By month", parts(view, |scorer| &scorer.months), limit);
    beside(named(table, view).id("Month", |(_, part)| part.part.as_str())).table().without_empty_columns()
}

/// Scorers that cannot score production's answers.
pub(in crate::core::report) fn not_for_traffic(view: &TrafficScoresView) -> Table {
    Table::of("Not applicable to production's answers", &view.not_applicable, usize::MAX)
        .name("Scorer", |of| line(&of.scorer, 40))
        .prose("Why", |of| line(&of.reason, 120))
        .table()
}

/// What the figures are based on.
pub(in crate::core::report) fn traffic_notes(view: &TrafficScoresView) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(run) = &view.golden_run {
        let prompt = run.prompt.as_ref().map_or_else(String::new, |prompt| format!(" with {prompt}"));
        let day = run.started_at.get(..10).unwrap_or(&run.started_at);
        let beside = "the golden set beside is the run of";
        notes.push(format!(
            "{beside} {}{prompt} of {day}; clusters are compared with examples of the same cluster",
            run.endpoint
        ));
    }
    for scorer in &view.scorers {
        if let Some(reason) = scorer.not_compared.as_ref().filter(|_| view.golden_run.is_some()) {
            notes.push(format!("{} is not compared with the golden set: {reason}", scorer.scorer));
        }
        if let Some(reason) = scorer.reason.as_ref().filter(|_| scorer.errors + scorer.skipped > 0) {
            let count = phrase![scorer.errors + scorer.skipped];
            notes.push(format!("{} has no score for {count} records, such as: {reason}", scorer.scorer));
        }
    }
    if view.reused > 0 {
        notes.push(phrase![view.reused, " scores were stored before and not asked for again"].to_string());
    }
    if let Some(cost) = view.cost {
        notes.push(format!("judges cost {}", Cell::Number(cost, 4)));
    }
    notes.extend(view.notes.iter().cloned());
    notes.push("this is a measurement: no label, flag or example was made of it".to_owned());
    notes
}

fn parts<'a>(
    view: &'a TrafficScoresView,
    of: impl Fn(&'a TrafficScorerView) -> &'a Vec<TrafficPartView>,
) -> Vec<Row<'a>> {
    view.scorers.iter().flat_map(|scorer| of(scorer).iter().map(move |part| (scorer, part))).collect()
}

/// Adds the name of the scorer, if there are several.
fn named<'a>(table: Rows<Row<'a>>, view: &TrafficScoresView) -> Rows<Row<'a>> {
    if view.scorers.len() < 2 {
        return table;
    }
    table.name("Scorer", |(scorer, _)| line(&scorer.scorer, 40))
}

/// Adds the scores of the traffic and of the golden set, and how they compare.
fn beside(table: Rows<Row<'_>>) -> Rows<Row<'_>> {
    let mean = |scorer: &TrafficScorerView, score: &ScoreView| match (score.mean, scorer.binary) {
        (None, _) => Cell::NotMeasured,
        (Some(mean), true) => Cell::Share(mean, 1),
        (Some(mean), false) => Cell::Number(mean, 3),
    };
    let interval = |scorer: &TrafficScorerView, score: &ScoreView| match (score.lo.zip(score.hi), scorer.binary) {
        (None, _) => Cell::Blank,
        (Some((lo, hi)), true) => Cell::ShareInterval(lo, hi),
        (Some((lo, hi)), false) => Cell::Interval(lo, hi, 3),
    };
    table
        .number("Records", |(_, part)| part.traffic.n)
        .number("Mean", move |(scorer, part)| mean(scorer, &part.traffic))
        .number("95 % interval", move |(scorer, part)| interval(scorer, &part.traffic))
        .number("Golden", move |(scorer, part)| match part.golden.n {
            0 => Cell::Blank,
            _ => mean(scorer, &part.golden),
        })
        .number("Examples", |(_, part)| Cell::some(part.golden.n as u64))
        .number("Difference", |(_, part)| Cell::or_blank(part.difference.map(Cell::Points)))
        .number("its interval", |(_, part)| {
            Cell::or_blank(part.lo.zip(part.hi).map(|(lo, hi)| Cell::PointsInterval(lo, hi)))
        })
        .number("p (adjusted)", |(_, part)| Cell::or_blank(part.p_adjusted.map(Cell::PValue)))
        .name("Beside the golden set", |(_, part)| part.verdict.words())
}
