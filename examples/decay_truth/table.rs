//! Formats the results as tables for a terminal.

use comfy_table::{LineStyle, Table, TableStyle};

use crate::Results;
use crate::measure::{BaselineFigures, Figures};

/// A table with a rule under the header and no other lines.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

/// Formats one line per cell, then the baselines over all cells.
pub fn render(results: &Results) -> String {
    let mut table = new_table(&[
        "scenario",
        "golden",
        "records",
        "ref",
        "trials",
        "alarm rate",
        "MAE",
        "bias",
        "interval contains",
        "width",
        "AUROC",
    ]);
    for cell in &results.cells {
        table.add_row(row(cell));
    }
    let mut text = format!(
        "{} · {} intents · {} · seed {} · {} trials a cell\n{table}\n",
        results.file, results.intents, results.space, results.seed, results.seeds
    );
    text.push_str(&summary(results));
    if !results.baselines.is_empty() {
        text.push_str(&baselines(results));
    }
    text
}

pub fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_header(header.to_vec());
    table
}

fn row(cell: &Figures) -> Vec<String> {
    let scenario = match cell.new_share > 0.0 {
        true => format!("{} {:.0} %", cell.scenario, cell.new_share * 100.0),
        false => cell.scenario.to_owned(),
    };
    let alarm = match (cell.alarm_rate, cell.alarm_lo, cell.alarm_hi) {
        (Some(rate), Some(lo), Some(hi)) => format!("{rate:.3} ({lo:.3}-{hi:.3})"),
        _ => String::new(),
    };
    vec![
        scenario,
        cell.golden_per_intent.to_string(),
        format!("{:.0}", cell.records_drawn),
        if cell.reference { "yes" } else { "no" }.into(),
        cell.trials.to_string(),
        alarm,
        figure(cell.coverage_mae),
        cell.coverage_bias.map_or_else(String::new, |bias| format!("{bias:+.3}")),
        cell.interval_coverage.map_or_else(String::new, |share| format!("{share:.2}")),
        figure(cell.interval_width),
        figure(cell.auroc),
    ]
}

pub fn figure(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| format!("{value:.3}"))
}

fn mean<'a>(values: impl Iterator<Item = &'a Figures>, of: impl Fn(&Figures) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = values.filter_map(of).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// A summary of the cells with at least 1,000 records.
fn summary(results: &Results) -> String {
    let large = || results.cells.iter().filter(|cell| cell.records >= 1_000);
    let worst = |of: &dyn Fn(&Figures) -> Option<f64>| large().filter_map(of).fold(0.0, f64::max);
    format!(
        "cells with 1,000 records or more: MAE {} on average, {:.3} at worst; |bias| {:.3} at worst; intervals contain the truth in {}\n",
        figure(mean(large(), |cell| cell.coverage_mae)),
        worst(&|cell| cell.coverage_mae),
        worst(&|cell| cell.coverage_bias.map(f64::abs)),
        figure(mean(large(), |cell| cell.interval_coverage)),
    )
}

fn baselines(results: &Results) -> String {
    let mut table = new_table(&[
        "method",
        "MAE",
        "worst MAE",
        "cells ahead of karat",
        "null alarms",
        "alarms at 10 % new",
        "AUROC",
    ]);
    let karat: Vec<&Figures> = results.cells.iter().collect();
    table.add_row(method("karat", &karat, &karat));
    let mut names: Vec<&str> = Vec::new();
    results.baselines.iter().for_each(|line| {
        if !names.contains(&line.name) {
            names.push(line.name);
        }
    });
    for name in names {
        let of_name = |line: &&BaselineFigures| line.name == name;
        let cells: Vec<&Figures> = results.baselines.iter().filter(of_name).map(|line| &line.figures).collect();
        table.add_row(method(name, &cells, &karat));
    }
    format!("\n{table}")
}

fn method(name: &str, cells: &[&Figures], karat: &[&Figures]) -> Vec<String> {
    let all = || cells.iter().copied();
    let worst = all().filter_map(|cell| cell.coverage_mae).fold(f64::NAN, f64::max);
    let ahead = all()
        .zip(karat)
        .filter(|(cell, karat)| cell.coverage_mae.zip(karat.coverage_mae).is_some_and(|(theirs, ours)| theirs < ours));
    let nulls = || all().filter(|cell| cell.scenario == "null");
    let power = || all().filter(|cell| (cell.new_share - 0.1).abs() < 1e-9);
    vec![
        name.to_owned(),
        figure(mean(all(), |cell| cell.coverage_mae)),
        if worst.is_nan() { String::new() } else { format!("{worst:.3}") },
        if worst.is_nan() { String::new() } else { ahead.count().to_string() },
        figure(mean(nulls(), |cell| cell.alarm_rate)),
        figure(mean(power(), |cell| cell.alarm_rate)),
        figure(mean(all(), |cell| cell.auroc)),
    ]
}
