//! The information needed to check or reproduce the figures.

use super::{Table, run_names};
use crate::core::domain::{WindowSummary, short};
use crate::core::view::{Cell, DecayView, RunsView, count_of, line};

/// How the figures are computed, one sentence each.
pub(in crate::core::report) const METHOD: [&str; 5] = [
    "Karats are 24 × coverage. 24 karats would mean that every request in the window resembles a live example of the set.",
    "Coverage is the mean probability that a record is represented by a live example; each record is weighted by the number of requests it was sampled from.",
    "A cluster is unrepresented if less than half of its traffic is represented.",
    "All intervals are 95 % intervals. Those of scores are Wilson intervals if every score is 0 or 1, and Student's t intervals otherwise.",
    "A gate passes if its whole interval is at or above the minimum, fails if the whole interval is below it, and is inconclusive otherwise.",
];

/// Versions, windows and the shares of traffic that were left out, as pairs of label and value.
pub(in crate::core::report) fn fine_print(view: &DecayView) -> Table {
    let text = |text: &str| Cell::line(text, 300);
    let clustering = view.clustering_version.as_deref().unwrap_or("none: too few records to form clusters");
    let mut rows = vec![
        ("Dataset", text(&format!("{} @ {}", view.dataset, view.dataset_version))),
        ("Examples", format!("{}, {} of them live", count_of(view.golden, "example"), Cell::from(view.live)).into()),
        ("Window", window(&view.window).into()),
        ("Reference window", view.reference.as_ref().map_or_else(|| "none".into(), window).into()),
        ("Embedding model", text(&view.space)),
        ("Clustering version", text(clustering)),
        ("Traffic in no cluster", Cell::Share(view.unassigned_share, 1)),
        ("Traffic with nothing to embed", Cell::Share(view.not_embeddable_share, 1)),
    ];
    if let Some(estimate) = &view.estimate {
        rows.push(("Estimate taken from run", text(&estimate.run_id)));
        rows.push(("Estimate assumes", text(&estimate.assumption)));
    }
    Table::of(format!("{}: versions and windows", line(&view.dataset, 60)), rows, usize::MAX)
        .name("What", |(label, _)| *label)
        .prose("Value", |(_, value)| value.clone())
        .table()
}

/// Suite, dataset, models and start of each run.
pub(in crate::core::report) fn runs_fine_print(view: &RunsView) -> Table {
    let version = |name: &str, version: &str| Cell::line(&format!("{name} @ {}", short(version, 12)), 100);
    let models = |models: &[String]| (!models.is_empty()).then(|| Cell::line(&models.join(", "), 160));
    Table::of("Runs: versions", run_names(view).into_iter().zip(&view.runs), usize::MAX)
        .name("Endpoint", |(name, _)| name.clone())
        .name("Suite", |(_, run)| version(&run.suite, &run.suite_version))
        .name("Dataset", |(_, run)| version(&run.dataset, &run.dataset_version))
        .name("Models", |(_, run)| models(&run.models))
        .name("Started", |(_, run)| Cell::line(&run.started_at, 40))
        .name("Run", |(_, run)| Cell::line(&run.run_id, 60))
        .table()
}

fn window(summary: &WindowSummary) -> String {
    // The cast saturates; weights are never negative.
    let requests = Cell::Count(summary.weight.round() as u64);
    format!("{} ({} representing {requests} requests)", summary.window().label(), count_of(summary.records, "record"))
}
