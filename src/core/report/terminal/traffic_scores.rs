//! The scores of production's answers.

use super::layout::{fitted, table_text};
use super::tables;
use super::text::{Screen, labelled, paragraph};
use crate::core::view::{Cell, TrafficScoresView};

/// Maximum number of rows of the table by cluster.
const CLUSTERS: usize = 30;

/// Maximum number of rows of the table by month.
const MONTHS: usize = 60;

/// Renders the scores of production's answers.
pub fn traffic_scores_text(view: &TrafficScoresView, screen: Screen) -> String {
    let narrow = [
        "Scorer",
        "Cluster",
        "Month",
        "Records",
        "Mean",
        "95 % interval",
        "Golden",
        "p (adjusted)",
        "Beside the golden set",
        "Errors",
    ];
    let mut out = paragraph(view.summary.as_str(), screen);
    let tables = [
        fitted(&tables::traffic_scorers(view), &narrow, screen),
        fitted(&tables::traffic_clusters(view, CLUSTERS), &narrow, screen),
        fitted(&tables::traffic_months(view, MONTHS), &narrow, screen),
        tables::not_for_traffic(view),
    ];
    for table in tables.iter().filter(|table| !table.rows.is_empty()) {
        out.push('\n');
        out.push_str(&table_text(table, screen));
    }
    out.push('\n');
    for note in tables::traffic_notes(view) {
        out.push_str(&labelled("- ", Cell::line(&note, 300), screen, 2));
    }
    out
}
