//! Measures karat's signals of single examples, its estimate of today's score and its candidates for labelling on any
//! labelled file, where the truth is known.
//!
//!     cargo run --release --example decay_signals -- FILE
//!
//! FILE is JSONL or CSV with the columns `text` and `intent`.

mod candidates;
mod coverage;
mod disputed;
mod endpoints;
mod estimate;
mod examples;
mod figures;
mod table;
mod vanished;
mod world;

// What it shares with the benchmark of coverage and alarm, which uses more of it.
#[allow(dead_code)]
#[path = "../decay_truth/data.rs"]
mod data;
#[path = "../decay_truth/foreign.rs"]
mod foreign;
#[path = "../decay_truth/pipeline.rs"]
mod pipeline;
#[path = "../decay_truth/style.rs"]
mod style;
#[allow(dead_code)]
#[path = "../decay_truth/variants.rs"]
mod variants;

use std::collections::HashMap;
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use coverage::Source;
use data::{Corpus, EmbeddingSpace};
use disputed::DumpedTrial;
use figures::Figure;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use variants::Variant;
use world::MIN_ROWS;

/// Measure signals, estimate and candidates where the truth is known.
#[derive(Parser)]
#[command(after_help = "Examples:\n  \
    decay_signals clinc150.jsonl\n  \
    decay_signals clinc150.jsonl --signals estimate --trials 2 --format json > signals.json\n  \
    decay_signals clinc150.jsonl --signals disputed --dump predictions.jsonl")]
struct Arguments {
    /// Labelled file: JSONL, or CSV, with the columns `text` and `intent`.
    file: PathBuf,
    /// Seed for all draws.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many times the usual number of trials is run: 2 doubles it, 0.1 gives a first impression.
    #[arg(long, default_value_t = 1.0)]
    trials: f64,
    /// `minilm` (karat's default), `fast`, `hashed-ngrams`, or `file:VECTORS.npy`: 32-bit floats, one row per row of FILE.
    #[arg(long, default_value = "minilm")]
    space: String,
    /// What to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "disputed,vanished,estimate,candidates")]
    signals: Vec<Signal>,
    /// Labels that are not intents, such as a collection of out-of-scope texts.
    #[arg(long, default_value = "oos")]
    without: Vec<String>,
    /// Write the labels and predictions of *disputed* into this file, one trial per line.
    #[arg(long)]
    dump: Option<PathBuf>,
    /// Figures of cleanlab on these predictions, from `tools/cleanlab_baseline.py`.
    #[arg(long)]
    cleanlab: Option<PathBuf>,
    /// Format of the results.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Signal {
    Disputed,
    Vanished,
    Estimate,
    Candidates,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    Table,
    Json,
}

/// Seed and number of trials.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    seed: u64,
    factor: f64,
}

impl Effort {
    /// The number of trials where `usual` are usual; at least one.
    fn of(self, usual: usize) -> usize {
        ((usual as f64 * self.factor).round() as usize).max(1)
    }
}

/// The JSON output of the program.
#[derive(Serialize)]
struct Results {
    schema: &'static str,
    file: String,
    space: String,
    seed: u64,
    intents: usize,
    results: Vec<Figure>,
}

/// A figure of cleanlab.
#[derive(Deserialize)]
struct Baseline {
    signal: String,
    metric: String,
    value: f64,
}

/// The fewest intents that can be measured: two known ones are needed, and as many that may be hidden or vanish.
const MIN_INTENTS: usize = 6;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    if !(arguments.trials > 0.0 && arguments.trials.is_finite()) {
        return Err(format!("--trials is {}, but must be above 0", arguments.trials).into());
    }
    let rows = data::read(&arguments.file, &arguments.without)?;
    let corpus = Corpus::of(&rows);
    let intents = corpus.intents.iter().filter(|rows| rows.len() >= MIN_ROWS).count();
    if intents < MIN_INTENTS {
        let file = arguments.file.display();
        return Err(format!(
            "{file}: {intents} of {} intents have {MIN_ROWS} rows or more; {MIN_INTENTS} such intents are needed",
            corpus.intents.len()
        )
        .into());
    }
    eprintln!("embedding {} texts", rows.len());
    let space = EmbeddingSpace::open(&arguments.space, &rows, &[], None)?;
    let plain = space.get(Variant::Plain).ok_or("the texts have no vectors")?;
    let (mut figures, dumped) = run(&arguments, Source { corpus: &corpus, space: &space, plain })?;
    if let Some(path) = &arguments.dump {
        write_dump(path, &dumped)?;
    }
    if let Some(path) = &arguments.cleanlab {
        add_baseline(path, &mut figures)?;
    }
    let results = Results {
        schema: "karat.decay-signals/1",
        file: arguments.file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        space: space.name.clone(),
        seed: arguments.seed,
        intents,
        results: figures,
    };
    match arguments.format {
        Format::Json => println!("{}", serde_json::to_string_pretty(&results)?),
        Format::Table => println!("{}", table::render(&results)),
    }
    Ok(())
}

/// Measures every signal that is wanted.
fn run(arguments: &Arguments, source: Source<'_>) -> Result<(Vec<Figure>, Vec<DumpedTrial>), Box<dyn Error>> {
    let effort = Effort { seed: arguments.seed, factor: arguments.trials };
    let trials = |signal: &Signal| match signal {
        Signal::Disputed => disputed::trials(effort),
        Signal::Vanished => vanished::trials(effort),
        Signal::Estimate => estimate::trials(effort),
        Signal::Candidates => candidates::trials(effort),
    };
    let bar = ProgressBar::new(arguments.signals.iter().map(trials).sum::<usize>() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} trials, {eta} left")?);
    let (mut figures, mut dumped) = (Vec::new(), Vec::new());
    for signal in &arguments.signals {
        match signal {
            Signal::Disputed => {
                let (found, predictions) = disputed::measure(source, effort, || bar.inc(1));
                figures.extend(found);
                dumped = predictions;
            }
            Signal::Vanished => figures.extend(vanished::measure(source, effort, || bar.inc(1))),
            Signal::Estimate => figures.extend(estimate::measure(source, effort, || bar.inc(1))),
            Signal::Candidates => figures.extend(candidates::measure(source, effort, || bar.inc(1))),
        }
    }
    bar.finish_and_clear();
    Ok((figures, dumped))
}

fn write_dump(path: &Path, trials: &[DumpedTrial]) -> Result<(), Box<dyn Error>> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    for trial in trials {
        serde_json::to_writer(&mut file, trial)?;
        file.write_all(b"\n")?;
    }
    Ok(file.flush()?)
}

/// Adds the figures of cleanlab to those of the same name.
fn add_baseline(path: &Path, figures: &mut [Figure]) -> Result<(), Box<dyn Error>> {
    let text = std::fs::read_to_string(path).map_err(|problem| format!("{}: {problem}", path.display()))?;
    let known: Vec<Baseline> =
        serde_json::from_str(&text).map_err(|problem| format!("{}: {problem}", path.display()))?;
    let known: HashMap<(String, String), f64> =
        known.into_iter().map(|figure| ((figure.signal, figure.metric), figure.value)).collect();
    for figure in figures {
        figure.baseline = known.get(&(figure.signal.to_owned(), figure.metric.clone())).copied();
    }
    Ok(())
}

/// The seed of a trial; every trial of every signal has its own.
fn trial_seed(seed: u64, name: &str, trial: usize) -> u64 {
    let name = format!("{seed} {name} {trial}");
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trial_of_every_signal_has_its_own_seed() {
        let seeds: std::collections::BTreeSet<u64> = ["a", "b"]
            .into_iter()
            .flat_map(|name| (0..20).flat_map(move |trial| [1, 2].map(|seed| trial_seed(seed, name, trial))))
            .collect();
        assert_eq!(seeds.len(), 80);
    }

    #[test]
    fn figures_of_cleanlab_are_added_by_signal_and_metric() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cleanlab.json");
        std::fs::write(&path, r#"[{"signal": "s", "metric": "AUROC", "value": 0.5, "method": "m"}]"#).unwrap();
        let figure = |metric: &str| Figure::of("s", metric, [(1.0, 1.0)]);
        let mut figures = [figure("AUROC"), figure("other")];
        add_baseline(&path, &mut figures).unwrap();
        assert_eq!(figures.each_ref().map(|figure| figure.baseline), [Some(0.5), None]);
        assert!(add_baseline(&folder.path().join("none.json"), &mut figures).is_err());
    }
}
