//! What a reader needs in order to check or repeat the figures.

use super::{Kind, Table, run_names};
use crate::core::domain::{WindowSummary, short};
use crate::core::report::words::{count, count_of, line, or_nothing, share, whole};
use crate::core::view::{DecayView, RunsView};

/// How the figures are made, a sentence each.
pub(in crate::core::report) const METHOD: [&str; 5] = [
    "Karats are 24 × coverage. 24 karats would mean that every request of the window resembles a live example of the set.",
    "Coverage is the mean probability that a record is represented by a live example; each record counts for as many requests as it was sampled from.",
    "A cluster is called unrepresented when less than half of its traffic is.",
    "All intervals are at 95 %. Scores have Wilson intervals where every score is 0 or 1, Student's t otherwise.",
    "A gate passes when its whole interval reaches the minimum, fails when all of it lies below, and is inconclusive in between.",
];

/// Versions, windows and the parts of traffic left aside, as label and value.
pub(in crate::core::report) fn fine_print(view: &DecayView) -> Table {
    let columns = [("What", Kind::Name), ("Value", Kind::Prose)];
    let mut rows = vec![
        ("Dataset", format!("{} @ {}", view.dataset, view.dataset_version)),
        ("Examples", format!("{}, {} of them live", count_of(view.golden, "example"), count(view.live))),
        ("Window", window(&view.window)),
        ("Reference window", view.reference.as_ref().map_or_else(|| "none".into(), window)),
        ("Embedding model", view.space.clone()),
        (
            "Clustering version",
            view.clustering_version.clone().unwrap_or_else(|| "none: too few records to form clusters".into()),
        ),
        ("Traffic in no cluster", share(view.unassigned_share)),
        ("Traffic with nothing to embed", share(view.not_embeddable_share)),
    ];
    if let Some(estimate) = &view.estimate {
        rows.push(("Estimate taken from run", estimate.run_id.clone()));
        rows.push(("Estimate assumes", estimate.assumption.clone()));
    }
    let title = format!("{}: versions and windows", line(&view.dataset, 60));
    Table::new(title, &columns)
        .rows(rows, usize::MAX, |(label, value)| vec![label.to_owned(), or_nothing(Some(&line(&value, 300)))])
}

/// Where each run came from.
pub(in crate::core::report) fn runs_fine_print(view: &RunsView) -> Table {
    let columns = [
        ("Endpoint", Kind::Name),
        ("Suite", Kind::Name),
        ("Dataset", Kind::Name),
        ("Models", Kind::Name),
        ("Started", Kind::Name),
        ("Run", Kind::Name),
    ];
    Table::new("Runs: versions", &columns).rows(
        run_names(view).into_iter().zip(&view.runs),
        usize::MAX,
        |(name, run)| {
            vec![
                name,
                line(&format!("{} @ {}", run.suite, short(&run.suite_version, 12)), 100),
                line(&format!("{} @ {}", run.dataset, short(&run.dataset_version, 12)), 100),
                or_nothing(Some(&line(&run.models.join(", "), 160))),
                line(&run.started_at, 40),
                line(&run.run_id, 60),
            ]
        },
    )
}

fn window(summary: &WindowSummary) -> String {
    // Saturates; a weight is never negative.
    let requests = whole(summary.weight.round() as u64);
    format!("{} ({} representing {requests} requests)", summary.window().label(), count_of(summary.records, "record"))
}
