//! What the template shows, in the order it shows it.

use askama::Template;

use super::parts::{Badge, Card, HtmlTable, Range};
use crate::core::domain::{ReasonCode, short};
use crate::core::report::meaning::meaning;
use crate::core::report::tables::{self, METHOD};
use crate::core::report::words::{NOTHING, count, count_of, figure, line, share, share_interval};
use crate::core::view::{DecayView, Report, RunView, RunsView};

/// Rows shown of a long table.
const ROWS: usize = 100;
/// Clusters shown as cards.
const CARDS: usize = 12;
/// Runs that get a tile at the top.
const TILES: usize = 4;

/// The context of `templates/report.html`.
#[derive(Template)]
#[template(path = "report.html")]
pub(super) struct Page {
    title: String,
    generated_at: String,
    badge: Badge,
    meaning: Vec<String>,
    headline: Vec<(String, String)>,
    tiles: Vec<Tile>,
    datasets: Vec<Dataset>,
    quality: Option<Quality>,
    shift: Vec<HtmlTable>,
    fine_print: Vec<HtmlTable>,
    method: [&'static str; METHOD.len()],
}

/// A figure at the top of the page.
struct Tile {
    label: String,
    value: String,
    unit: String,
    detail: String,
    interval: String,
}

/// The decay half of one dataset.
struct Dataset {
    id: String,
    name: String,
    version: String,
    badge: Badge,
    measured: bool,
    cards: Vec<Card>,
    cards_more: Option<String>,
    ranges: Vec<Range>,
    drift: Option<String>,
    notes: Vec<String>,
    flagged: String,
    groups: Vec<HtmlTable>,
    candidates: HtmlTable,
    gates: HtmlTable,
}

/// The quality half.
struct Quality {
    runs: Vec<Run>,
    matrix: HtmlTable,
    gates: HtmlTable,
    outcomes: HtmlTable,
    errors: HtmlTable,
    misses: HtmlTable,
    estimates: HtmlTable,
}

/// One run.
struct Run {
    name: String,
    badge: Badge,
    ranges: Vec<Range>,
}

impl Page {
    pub(super) fn new(report: &Report) -> Self {
        let estimates = HtmlTable::from(tables::estimates(&report.decay));
        let nothing = RunsView::new(Vec::new());
        let runs = report.quality.as_ref().unwrap_or(&nothing);
        let quality = (!runs.runs.is_empty() || !estimates.is_empty()).then(|| Quality::new(runs, estimates));
        Self {
            title: line(&report.title, 200),
            generated_at: line(&report.generated_at, 40),
            badge: report.verdict.into(),
            meaning: meaning(report).iter().map(|text| glued(text)).collect(),
            headline: report.headline.iter().map(|text| labelled(text)).collect(),
            tiles: tiles(report),
            datasets: report.decay.iter().enumerate().map(|(place, view)| Dataset::new(place, view)).collect(),
            quality,
            shift: report.decay.iter().filter(|view| !view.shift.is_empty()).map(shift).collect(),
            fine_print: fine_print(report),
            method: METHOD,
        }
    }
}

/// Splits a line of the headline into its label and its text, which two spaces or more keep apart.
fn labelled(text: &str) -> (String, String) {
    let (label, rest) = text.split_once("  ").unwrap_or(("", text));
    (line(label, 80), glued(&line(rest, 600)))
}

/// Keeps percent signs and p-values with their figures.
fn glued(text: &str) -> String {
    text.replace(" %", "\u{a0}%").replace(": p < ", ": p\u{a0}<\u{a0}")
}

fn tiles(report: &Report) -> Vec<Tile> {
    let karats = report.decay.iter().take(TILES).map(karat_tile);
    let runs = report.quality.iter().flat_map(|quality| &quality.runs).take(TILES).map(run_tile);
    karats.chain(runs).collect()
}

fn karat_tile(view: &DecayView) -> Tile {
    let (detail, interval) = match view.coverage {
        None => ("coverage not measured".into(), String::new()),
        Some(c) => (
            glued(&format!("{} of traffic represented", share(c.value))),
            glued(&format!("({})", share_interval(c.lo, c.hi))),
        ),
    };
    let value = view.karats.map_or_else(|| NOTHING.into(), |karats| figure(karats, 1));
    Tile { label: line(&view.dataset, 40), value, unit: "of 24 karats".into(), detail, interval }
}

fn run_tile(run: &RunView) -> Tile {
    let (scored, errors) = (count(run.outcomes.scored), count_of(run.outcomes.errored, "error"));
    let (value, interval) = match run.scores.get(&run.primary).filter(|score| score.mean.is_some()) {
        None => (NOTHING.into(), String::new()),
        Some(score) => {
            let range = Range::score(&run.primary, score);
            (range.value, format!("({})", range.interval))
        }
    };
    let detail = format!("{scored} scored, {errors}");
    Tile { label: line(&run.name(), 40), value, unit: line(&run.primary, 40), detail, interval }
}

fn shift(view: &DecayView) -> HtmlTable {
    let mut table = tables::shift(view);
    table.title = line(&view.dataset, 80);
    table.into()
}

fn fine_print(report: &Report) -> Vec<HtmlTable> {
    let decay = report.decay.iter().flat_map(|view| [tables::fine_print(view), tables::clusters(view, ROWS)]);
    let runs = report.quality.iter().map(tables::runs_fine_print);
    decay.chain(runs).filter(|table| !table.rows.is_empty()).map(HtmlTable::from).collect()
}

impl Dataset {
    fn new(place: usize, view: &DecayView) -> Self {
        let largest = view.unrepresented().map(|cluster| cluster.traffic_share).fold(0.0, f64::max);
        let hidden = view.unrepresented().count().saturating_sub(CARDS);
        let groups = tables::first_reasons(view).into_iter().map(|code| group(view, code));
        Self {
            id: format!("dataset-{}", place + 1),
            name: line(&view.dataset, 80),
            version: short(&view.dataset_version, 12).to_owned(),
            badge: view.verdict.into(),
            measured: view.coverage.is_some(),
            cards: view.unrepresented().take(CARDS).map(|cluster| Card::new(cluster, largest)).collect(),
            cards_more: (hidden > 0)
                .then(|| format!("… and {} more; all of them are in the fine print.", count(hidden))),
            ranges: ranges(view),
            drift: tables::drift(view).map(|text| glued(&text)),
            notes: view.notes.iter().map(|note| line(note, 300)).collect(),
            flagged: format!("{} of {} are flagged.", count(view.examples.len()), count_of(view.golden, "example")),
            groups: groups.collect(),
            candidates: tables::candidates(view, ROWS).into(),
            gates: tables::gates(view).into(),
        }
    }
}

fn group(view: &DecayView, code: ReasonCode) -> HtmlTable {
    let shown: Vec<_> = ["Example", "Input", "Evidence", "Score", "Flagged from", "Cluster", "Status", "Also"].to_vec();
    let mut table = tables::flagged_for(view, code, ROWS).only(&shown);
    table.title = format!("{} ({})", code.name(), count(table.rows.len() + table.left_out));
    table.into()
}

fn ranges(view: &DecayView) -> Vec<Range> {
    let now = Range::coverage(format!("now: {}", view.window.window().label()), view.coverage);
    let reference = view.reference.as_ref().map(|reference| {
        let label = format!("reference: {}", reference.window().label());
        Range::coverage(label, view.reference_coverage)
    });
    std::iter::once(now).chain(reference).collect()
}

impl Quality {
    fn new(view: &RunsView, estimates: HtmlTable) -> Self {
        let runs = tables::run_names(view).into_iter().zip(&view.runs).map(|(name, run)| Run {
            name,
            badge: run.verdict.into(),
            ranges: run_ranges(run),
        });
        Self {
            runs: runs.collect(),
            matrix: tables::matrix(view).into(),
            gates: tables::run_gates(view).into(),
            outcomes: tables::outcomes(view).into(),
            errors: tables::errors(view).into(),
            misses: tables::misses(view, 20).into(),
            estimates,
        }
    }
}

fn run_ranges(run: &RunView) -> Vec<Range> {
    let primary = run.scores.get_key_value(&run.primary);
    let others = run.scores.iter().filter(|(scorer, _)| **scorer != run.primary);
    primary.into_iter().chain(others).map(|(scorer, score)| Range::score(scorer, score)).collect()
}
