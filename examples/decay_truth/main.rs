//! Measures the accuracy of karat's coverage and alarm, compared with other methods, on any labelled file.
//!
//!     cargo run --release --example decay_truth -- FILE
//!
//! FILE is JSONL or CSV with the columns `text` and `intent`. Two thirds of the intents become a golden set, and the
//! others are hidden; traffic is drawn from both, so that the represented share is known.

mod baselines;
mod clusters;
mod data;
mod foreign;
mod measure;
mod pipeline;
mod scenario;
mod style;
mod table;
mod variants;

use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use data::{Corpus, EmbeddingSpace};
use indicatif::{ProgressBar, ProgressStyle};
use measure::{BaselineFigures, Effort, Figures};
use scenario::{Cell, Kind};
use serde::Serialize;
use variants::Variant;

/// Measure coverage and alarm on scenarios with known truth.
#[derive(Parser)]
#[command(after_help = "Examples:\n  \
    decay_truth clinc150.jsonl\n  \
    decay_truth clinc150.jsonl --seeds 50 --format json > truth.json\n  \
    decay_truth clinc150.jsonl --space file:vectors.npy --variants FOLDER")]
struct Arguments {
    /// Labelled file: JSONL, or CSV, with the columns `text` and `intent`, and optionally `split`.
    file: PathBuf,
    /// Seed for all draws.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Trials per cell; the four cells that measure false alarms precisely get twenty times as many.
    #[arg(long, default_value_t = 5)]
    seeds: usize,
    /// `fast`, `minilm`, `hashed-ngrams`, or `file:VECTORS.npy`: 32-bit floats, one row per row of FILE.
    #[arg(long, default_value = "fast")]
    space: String,
    /// With `file:`, a folder with the vectors of the texts written by --write-variants, such as `styled.npy` for
    /// `styled.jsonl`; cells whose vectors are missing are left out.
    #[arg(long)]
    variants: Option<PathBuf>,
    /// Write the changed texts of the scenarios that need some into this folder, one JSONL file per variant, and exit.
    #[arg(long)]
    write_variants: Option<PathBuf>,
    /// Measure clusters, groups of unrepresented records and candidates instead, in the cells with 10 golden examples per
    /// intent and 1,000 or 2,000 records; of *new* 20 % unless --scenarios names others.
    #[arg(long)]
    clusters: bool,
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
    if let Some(folder) = &arguments.write_variants {
        return write_variants(&arguments.file, folder);
    }
    let rows = data::read(&arguments.file, &arguments.without)?;
    let corpus = Corpus::of(&rows);
    if corpus.intents.len() < 6 {
        let found = corpus.intents.len();
        return Err(format!("{} contains {found} intents; 6 are needed", arguments.file.display()).into());
    }
    let mut cells = wanted_cells(&arguments.scenarios)?;
    if arguments.clusters {
        let all = !arguments.scenarios.is_empty();
        cells.retain(|cell| cell.golden == 10 && cell.records >= 1_000 && cell.reference);
        cells.retain(|cell| all || cell.kind == Kind::New(0.2));
    }
    let needed: BTreeSet<Variant> = cells.iter().flat_map(|cell| cell.kind.variants()).collect();
    let needed: Vec<Variant> = needed.into_iter().collect();
    let space = EmbeddingSpace::open(&arguments.space, &rows, &needed, arguments.variants.as_deref())?;
    if arguments.clusters {
        let lines = clusters::measure(&cells, &corpus, &space, arguments.seed, arguments.seeds);
        match arguments.format {
            Format::Json => println!("{}", serde_json::to_string_pretty(&lines)?),
            Format::Table => println!("{}", clusters::render(&lines)),
        }
        return Ok(());
    }
    let results = run(&arguments, &corpus, &space, &cells)?;
    match arguments.format {
        Format::Json => println!("{}", serde_json::to_string_pretty(&results)?),
        Format::Table => println!("{}", table::render(&results)),
    }
    Ok(())
}

/// Writes the texts of every variant.
fn write_variants(file: &Path, folder: &Path) -> Result<(), Box<dyn Error>> {
    // All rows, because vectors are found by the row's number in the file.
    let rows = data::read(file, &[])?;
    std::fs::create_dir_all(folder)?;
    for variant in Variant::changed() {
        let texts = variant.texts(&rows);
        let lines = texts.iter().map(|(row, text)| format!("{}\n", serde_json::json!({"row": row, "text": text})));
        std::fs::write(folder.join(format!("{}.jsonl", variant.name())), lines.collect::<String>())?;
    }
    Ok(())
}

/// The cells of these scenarios, or all cells if none is named.
fn wanted_cells(scenarios: &[String]) -> Result<Vec<Cell>, Box<dyn Error>> {
    let mut cells = cells();
    let mut names: Vec<&str> = cells.iter().map(|cell| cell.kind.name()).collect();
    names.dedup();
    if let Some(unknown) = scenarios.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(format!("unknown scenario \"{unknown}\"; the scenarios are {}", names.join(", ")).into());
    }
    cells.retain(|cell| scenarios.is_empty() || scenarios.iter().any(|name| name == cell.kind.name()));
    Ok(cells)
}

/// Measures all cells.
fn run(
    arguments: &Arguments,
    corpus: &Corpus,
    space: &EmbeddingSpace,
    cells: &[Cell],
) -> Result<Results, Box<dyn Error>> {
    let baselines = if arguments.baseline_seeds == 0 { Vec::new() } else { baselines::baselines() };
    let trials = |cell: &Cell| arguments.seeds * if cell.close { CLOSE } else { 1 };
    let bar = ProgressBar::new(cells.iter().map(trials).sum::<usize>() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} trials, {eta} left")?);
    let mut left_out = BTreeSet::new();
    let mut results = Results {
        schema: "karat.decay-truth/1",
        file: arguments.file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        space: space.name.clone(),
        seed: arguments.seed,
        seeds: arguments.seeds,
        intents: corpus.intents.len(),
        cells: Vec::new(),
        baselines: Vec::new(),
    };
    for cell in cells {
        let effort = Effort { seed: arguments.seed, trials: trials(cell), baseline_trials: arguments.baseline_seeds };
        let found = measure::measure(cell, corpus, space, &baselines, effort, || bar.inc(1));
        let Some((figures, lines)) = found else {
            left_out.insert(cell.kind.name());
            continue;
        };
        results.cells.push(figures);
        results.baselines.extend(lines);
    }
    bar.finish_and_clear();
    for name in left_out {
        let missing = if name == "paraphrase" { "a column `split` with several values" } else { "--variants" };
        eprintln!("left out: {name}, which needs {missing}");
    }
    Ok(results)
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
    for kind in [Kind::StyleNew(0.2), Kind::Paraphrase, Kind::Filler, Kind::Language(0.15), Kind::Long] {
        cells.extend(few.map(cell(kind, true)));
    }
    for kind in [Kind::Null, Kind::New(0.1), Kind::New(0.4)] {
        cells.extend([(10, 1_000), (10, 2_000)].map(cell(kind, false)));
    }
    cells
}
