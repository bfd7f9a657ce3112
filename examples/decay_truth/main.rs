//! Measures the accuracy of karat's coverage and alarm, compared with other methods, on any labelled file.
//!
//!     cargo run --release --example decay_truth -- FILE
//!
//! FILE is JSONL or CSV with the columns `text` and `intent`. Two thirds of the intents become a golden set, and the
//! others are hidden; traffic is drawn from both, so that the represented share is known.

mod baselines;
mod data;
mod measure;
mod scenario;
mod style;
mod table;

use std::error::Error;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use measure::{BaselineFigures, Effort, Figures};
use scenario::{Cell, Kind};
use serde::Serialize;

/// Measure coverage and alarm on scenarios with known truth.
#[derive(Parser)]
#[command(after_help = "Examples:\n  \
    decay_truth clinc150.jsonl\n  \
    decay_truth clinc150.jsonl --seeds 50 --format json > truth.json\n  \
    decay_truth clinc150.jsonl --space file:vectors.npy --styled styled.npy")]
struct Arguments {
    /// Labelled file: JSONL, or CSV, with the columns `text` and `intent`.
    file: PathBuf,
    /// Seed for all draws.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Trials per cell; the four cells that measure false alarms precisely get twenty times as many.
    #[arg(long, default_value_t = 5)]
    seeds: usize,
    /// `builtin`, or `file:VECTORS.npy`: 32-bit floats, one row per row of FILE.
    #[arg(long, default_value = "builtin")]
    space: String,
    /// With `file:`, vectors of the texts written by --write-styled; without them the style cells are left out.
    #[arg(long)]
    styled: Option<PathBuf>,
    /// Write the texts of the style cells as JSONL and exit.
    #[arg(long)]
    write_styled: Option<PathBuf>,
    /// Labels that are not intents, such as a collection of out-of-scope texts.
    #[arg(long, default_value = "oos")]
    without: Vec<String>,
    /// Run only the cells of these scenarios.
    #[arg(long, value_delimiter = ',')]
    scenarios: Vec<String>,
    /// Trials per cell that include the baselines; 0 leaves them out.
    #[arg(long, default_value_t = 5)]
    baseline_seeds: usize,
    /// Format of the results.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    Table,
    Json,
}

/// The JSON output of the program.
#[derive(Serialize)]
struct Results {
    schema: &'static str,
    file: String,
    space: String,
    seed: u64,
    seeds: usize,
    intents: usize,
    cells: Vec<Figures>,
    baselines: Vec<BaselineFigures>,
}

/// How many times more trials the cells get that measure false alarms precisely.
const CLOSE: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    if let Some(path) = &arguments.write_styled {
        // All rows, because vectors are found by the row's number in the file.
        let rows = data::read(&arguments.file, &[])?;
        let line =
            |(at, row): &(usize, data::Row)| serde_json::json!({"row": at, "text": style::styled(&row.text, *at)});
        return Ok(std::fs::write(path, rows.iter().map(|row| format!("{}\n", line(row))).collect::<String>())?);
    }
    let rows = data::read(&arguments.file, &arguments.without)?;
    let intents = scenario::by_intent(&rows);
    if intents.len() < 6 {
        return Err(format!("{} contains {} intents; 6 are needed", arguments.file.display(), intents.len()).into());
    }
    let space = data::EmbeddingSpace::open(&arguments.space, &rows, arguments.styled.as_deref())?;
    let wanted =
        |cell: &Cell| arguments.scenarios.is_empty() || arguments.scenarios.iter().any(|s| s == cell.kind.name());
    let cells: Vec<Cell> = cells().into_iter().filter(wanted).collect();
    let baselines = if arguments.baseline_seeds == 0 { Vec::new() } else { baselines::baselines() };
    let trials = |cell: &Cell| arguments.seeds * if cell.close { CLOSE } else { 1 };
    let bar = ProgressBar::new(cells.iter().map(trials).sum::<usize>() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} trials, {eta} left")?);
    let mut results = Results {
        schema: "karat.decay-truth/1",
        file: arguments.file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        space: space.name.clone(),
        seed: arguments.seed,
        seeds: arguments.seeds,
        intents: intents.len(),
        cells: Vec::new(),
        baselines: Vec::new(),
    };
    for cell in &cells {
        let effort = Effort { seed: arguments.seed, trials: trials(cell), baseline_trials: arguments.baseline_seeds };
        let found = measure::measure(cell, &intents, &space, &baselines, effort, || bar.inc(1));
        let Some((figures, lines)) = found else {
            bar.println(format!("left out: {}, which needs --styled", cell.kind.name()));
            continue;
        };
        results.cells.push(figures);
        results.baselines.extend(lines);
    }
    bar.finish_and_clear();
    match arguments.format {
        Format::Json => println!("{}", serde_json::to_string_pretty(&results)?),
        Format::Table => println!("{}", table::render(&results)),
    }
    Ok(())
}

fn cells() -> Vec<Cell> {
    let sizes =
        [(5, 500), (10, 500), (20, 500), (5, 1_000), (10, 1_000), (20, 1_000), (5, 2_000), (10, 2_000), (20, 2_000)];
    let few = [(10, 500), (5, 1_000), (10, 1_000), (20, 1_000), (10, 2_000)];
    let cell = |kind, reference| move |(golden, records)| Cell { kind, golden, records, reference, close: false };
    let mut cells: Vec<Cell> = sizes.map(cell(Kind::Null, true)).into();
    let close = [(10, 500), (5, 1_000), (10, 1_000), (20, 1_000)];
    cells.iter_mut().for_each(|cell| cell.close = close.contains(&(cell.golden, cell.records)));
    [0.05, 0.1, 0.2, 0.4].iter().for_each(|share| cells.extend(sizes.map(cell(Kind::New(*share), true))));
    for kind in [Kind::Vanish, Kind::Mix, Kind::Style, Kind::Dup, Kind::Bots] {
        cells.extend(few.map(cell(kind, true)));
    }
    for kind in [Kind::Null, Kind::New(0.1), Kind::New(0.4)] {
        cells.extend([(10, 1_000), (10, 2_000)].map(cell(kind, false)));
    }
    cells
}
