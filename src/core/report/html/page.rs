//! The context of the page template, in the order in which it is shown.

use askama::Template;

use super::parts::{Badge, Card, HtmlTable, Range, shown};
use crate::core::domain::{ReasonCode, short};
use crate::core::report::meaning::meaning;
use crate::core::report::tables::{self, METHOD};
use crate::core::view::{Cell, CompareView, DecayView, Phrase, Report, RunView, RunsView, count_of, line, phrase};

/// Maximum number of rows shown of a table.
const ROWS: usize = 100;
/// Maximum number of clusters shown as cards.
const CARDS: usize = 12;
/// Maximum number of datasets, and of runs, with a tile at the top.
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
    comparisons: Vec<Compared>,
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
    moved: HtmlTable,
    kinds_of_drift: HtmlTable,
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
    claims: HtmlTable,
    slices: HtmlTable,
    parity: HtmlTable,
    groups: HtmlTable,
    labels: HtmlTable,
    matrices: Vec<HtmlTable>,
    confusions: HtmlTable,
    gates: HtmlTable,
    outcomes: HtmlTable,
    judges: HtmlTable,
    position: HtmlTable,
    errors: HtmlTable,
    scorer_errors: HtmlTable,
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
            meaning: meaning(report).into_iter().map(sentence).collect(),
            headline: report.headline.iter().map(|line| (line.label.clone(), sentence(line.text.clone()))).collect(),
            tiles: tiles(report),
            datasets: report.decay.iter().enumerate().map(|(place, view)| Dataset::new(place, view)).collect(),
            quality,
            comparisons: report.comparisons.iter().map(Compared::new).collect(),
            shift: report.decay.iter().filter(|view| !view.shift.is_empty()).map(shift).collect(),
            fine_print: fine_print(report),
            method: METHOD,
        }
    }
}

fn sentence(phrase: Phrase) -> String {
    shown(&phrase.into())
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
            sentence(phrase![Cell::Share(c.value, 1), " of traffic represented"]),
            sentence(phrase!["(", Cell::ShareInterval(c.lo, c.hi), ")"]),
        ),
    };
    let value = Cell::from(view.karats.map(|karats| Cell::Number(karats, 1))).to_string();
    Tile { label: line(&view.dataset, 40), value, unit: "of 24 karats".into(), detail, interval }
}

fn run_tile(run: &RunView) -> Tile {
    let (value, interval) = match run.primary_score() {
        None => (Cell::NotMeasured, String::new()),
        Some((mean, lo, hi)) => (Cell::Number(mean, 3), format!("({})", Cell::Interval(lo, hi, 3))),
    };
    let value = value.to_string();
    let (scored, errors) = (Cell::from(run.outcomes.scored), count_of(run.outcomes.errored, "error"));
    let detail = format!("{scored} scored, {errors}");
    Tile { label: line(&run.name(), 40), value, unit: line(&run.primary, 40), detail, interval }
}

fn shift(view: &DecayView) -> HtmlTable {
    tables::shift(view).titled(line(&view.dataset, 80)).into()
}

fn fine_print(report: &Report) -> Vec<HtmlTable> {
    let decay = report.decay.iter().flat_map(|view| [tables::fine_print(view), tables::clusters(view, ROWS)]);
    let runs = report.quality.iter().map(tables::runs_fine_print);
    decay.chain(runs).filter(|table| !table.rows.is_empty()).map(HtmlTable::from).collect()
}

impl Dataset {
    fn new(place: usize, view: &DecayView) -> Self {
        let largest = view.unrepresented.iter().map(|cluster| cluster.traffic_share).fold(0.0, f64::max);
        let hidden = view.unrepresented.len().saturating_sub(CARDS);
        let groups = tables::first_reasons(view).into_iter().map(|code| group(view, code));
        Self {
            id: format!("dataset-{}", place + 1),
            name: line(&view.dataset, 80),
            version: short(&view.dataset_version, 12).to_owned(),
            badge: view.verdict.into(),
            measured: view.coverage.is_some(),
            cards: view.unrepresented.iter().take(CARDS).map(|cluster| Card::new(cluster, largest)).collect(),
            cards_more: (hidden > 0)
                .then(|| format!("… and {} more; all of them are listed in the fine print.", Cell::from(hidden))),
            ranges: ranges(view),
            drift: tables::drift(view).map(sentence),
            moved: tables::moved(view).into(),
            kinds_of_drift: tables::kinds_of_drift(view).into(),
            notes: view.notes.iter().map(|note| line(note, 300)).collect(),
            flagged: format!("{} of {} are flagged.", Cell::from(view.examples.len()), count_of(view.golden, "example")),
            groups: groups.collect(),
            candidates: tables::candidates(view, ROWS).into(),
            gates: tables::gates(view).into(),
        }
    }
}

fn group(view: &DecayView, code: ReasonCode) -> HtmlTable {
    let columns = ["Example", "Input", "Evidence", "Score", "Threshold", "Cluster", "Status", "Also"];
    let table = tables::flagged_for(view, code, ROWS).only(&columns);
    let count = Cell::from(table.rows.len() + table.left_out);
    table.titled(format!("{} ({count})", code.name())).into()
}

fn ranges(view: &DecayView) -> Vec<Range> {
    let now = Range::coverage(format!("now: {}", view.window.window().label()), view.coverage);
    let reference = view.reference.as_ref().map(|reference| {
        let label = format!("reference: {}", reference.window().label());
        Range::coverage(label, view.reference_coverage)
    });
    std::iter::once(now).chain(reference).collect()
}

/// The comparison of two runs.
struct Compared {
    title: String,
    verdict: &'static str,
    sentence: String,
    tables: Vec<HtmlTable>,
    notes: Vec<String>,
}

impl Compared {
    fn new(view: &CompareView) -> Self {
        let tables = [
            tables::compared_scores(view),
            tables::compared_slices(view, ROWS),
            tables::compared_requests(view),
            tables::contract(view, ROWS),
            tables::new_failures(view, ROWS),
            tables::fixed(view, ROWS),
            tables::compared_runs(view),
        ];
        Self {
            title: format!("{} against {}", line(&view.candidate.named, 40), line(&view.base.named, 40)),
            verdict: view.verdict.name(),
            sentence: sentence(tables::compare_sentence(view)),
            tables: tables.into_iter().filter(|table| !table.rows.is_empty()).map(HtmlTable::from).collect(),
            notes: tables::compare_notes(view),
        }
    }
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
            claims: tables::claims(view).into(),
            slices: tables::slice_scores(view, ROWS).into(),
            parity: tables::parity(view).into(),
            groups: tables::groups(view).into(),
            labels: tables::labels(view, usize::MAX).into(),
            matrices: tables::confusion_matrices(view).into_iter().map(HtmlTable::from).collect(),
            confusions: tables::confusions(view, 20).into(),
            gates: tables::run_gates(view).into(),
            outcomes: tables::outcomes(view).into(),
            judges: tables::judges(view).into(),
            position: tables::position(view).into(),
            errors: tables::errors(view).into(),
            scorer_errors: tables::scorer_errors(view).into(),
            misses: tables::misses(view, 20).into(),
            estimates,
        }
    }
}

fn run_ranges(run: &RunView) -> Vec<Range> {
    run.scores_in_order().map(|(scorer, score)| Range::score(scorer, score)).collect()
}
