//! Formats the results as a table for a terminal.

use comfy_table::{LineStyle, Table, TableStyle};

use crate::Results;
use crate::figures::Figure;

/// A table with a rule under the header and no other lines.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

/// Formats one line per figure.
pub fn render(results: &Results) -> String {
    let mut table = Table::new();
    table.load_style(STYLE).set_header(vec!["signal", "metric", "value", "95 % interval", "trials", "cleanlab"]);
    for figure in &results.results {
        table.add_row(row(figure));
    }
    let Results { file, intents, space, seed, .. } = results;
    format!("{file} · {intents} intents · {space} · seed {seed}\n{table}")
}

fn row(figure: &Figure) -> Vec<String> {
    let shown = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.3}"));
    let interval = figure.lo.zip(figure.hi).map_or_else(String::new, |(lo, hi)| format!("{lo:.3}–{hi:.3}"));
    vec![
        figure.signal.to_owned(),
        figure.metric.clone(),
        shown(figure.value),
        interval,
        figure.n.to_string(),
        shown(figure.baseline),
    ]
}
