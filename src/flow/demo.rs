//! The demo: everything from end to end on sample data, with a workspace, a server, runs, four months of traffic, decay,
//! reports, and a round of labelling.

mod round;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use super::decay::{DecayOptions, measure_decay};
use super::import_traffic::{ImportOptions, import_traffic};
use super::report::write_reports;
use super::run::{RunOptions, run_suites};
use super::{Events, Workspace};
use crate::core::domain::{Embedder, Failure, Window, parse_timestamp};
use crate::core::report::Format;
use crate::core::view::{DecayView, Report, RunsView};
use crate::edge::demo::{Classifier, DemoServer, MONTHS, demo_files, month_of_traffic, training_texts};
use crate::edge::embed::{Builtin, Minilm};
use crate::edge::files::write_atomic;
use crate::edge::input::Input;
use round::label_once;

pub use round::LabelledRound;

/// Options for the demo.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// Folder to create its workspace in.
    pub dir: PathBuf,
    /// Traffic records per month.
    pub records: usize,
    /// Seed of the traffic and of every measurement.
    pub seed: u64,
    /// Preferred port of the server.
    pub port: u16,
    /// The embedder of its workspace and of its model.
    pub embedder: DemoEmbedder,
}

/// An embedder that the demo can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DemoEmbedder {
    /// The sentence transformer.
    Minilm,
    /// The table, which is much faster; with it, figures are less precise.
    Fast,
}

impl DemoEmbedder {
    fn name(self) -> &'static str {
        match self {
            Self::Minilm => "minilm",
            Self::Fast => "fast",
        }
    }

    /// A model trained on its vectors.
    fn train(self) -> Result<Arc<Classifier>, Failure> {
        let embedder: Arc<dyn Embedder> = match self {
            Self::Minilm => Arc::new(Minilm::new()?),
            Self::Fast => Arc::new(Builtin::new()?),
        };
        Ok(Arc::new(Classifier::train(&training_texts()?, embedder)?))
    }
}

/// The results of the demo.
#[derive(Debug, Clone)]
pub struct DemoResult {
    /// The final report: the runs and the measurement of September.
    pub report: Report,
    /// One measurement per month, in order.
    pub months: Vec<DecayView>,
    /// What labelling one round of tasks brought.
    pub round: LabelledRound,
    /// Every file created, with a description.
    pub files: Vec<(PathBuf, &'static str)>,
}

/// The golden set of the demo.
const DATASET: &str = "support-intents";

/// The demo's traffic source.
const SOURCE: &str = "support";

/// Runs the demo in a new folder.
///
/// # Errors
/// A usage failure if the folder is not empty; otherwise the failure of any step.
pub async fn demo(
    options: &DemoOptions,
    stop: watch::Receiver<bool>,
    events: Events<'_>,
) -> Result<DemoResult, Failure> {
    refuse_used(&options.dir)?;
    let model = options.embedder.train()?;
    let server = DemoServer::bind(options.port, Arc::clone(&model)).await?;
    let base_url = format!("http://{}/v1", server.address()?);
    let serving = tokio::spawn(server.serve());
    let mut files = write_workspace(&options.dir, &base_url, options.embedder.name())?;
    let workspace = Workspace::open(&options.dir)?;
    files.push((workspace.config.store.clone(), "the database: every outcome, the traffic, the queue"));
    let suite = workspace.suite("support")?;
    let (runs, _) =
        run_suites(&workspace, &[suite], &RunOptions::default(), as_of(MONTHS[MONTHS.len() - 1])?, stop, events)
            .await?;
    serving.abort();
    let (months, intents) = measure_months(&workspace, options, &model, &mut files, events)?;
    let month = MONTHS[MONTHS.len() - 1];
    let last = months.last().cloned().into_iter().collect();
    let report = Report::new(DATASET.to_owned(), as_of(month)?.to_string(), Some(RunsView::new(runs)), last);
    files.extend(write_files(&options.dir, &report)?);
    let round = label_once(&workspace, options, (&intents, month), &mut files, as_of(month)?, events)?;
    Ok(DemoResult { report, months, round, files })
}

/// Serves only the demo's model, for a workspace that the demo created earlier.
///
/// # Errors
/// A failure if no port can be bound, or if the server stops.
pub async fn serve(port: u16, embedder: DemoEmbedder, listening: impl FnOnce(&str)) -> Result<(), Failure> {
    let server = DemoServer::bind(port, embedder.train()?).await?;
    listening(&format!("http://{}/v1", server.address()?));
    server.serve().await
}

fn refuse_used(dir: &Path) -> Result<(), Failure> {
    let used = std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    if used {
        return Err(Failure::usage(format!("the folder {} is not empty", dir.display()))
            .hint("remove it, or choose another folder: karat demo DIR"));
    }
    Ok(())
}

fn write_workspace(dir: &Path, base_url: &str, embedder: &str) -> Result<Vec<(PathBuf, &'static str)>, Failure> {
    let mut files = Vec::new();
    for file in demo_files(base_url, embedder) {
        let path = dir.join(file.path);
        write_atomic(&path, file.content.as_bytes())?;
        let what = match file.path {
            "karat.yaml" => "the workspace: endpoints, traffic, decay gate",
            "datasets/support-intents/examples.jsonl" => "the golden set",
            "datasets/support-intents/dataset.yaml" => "the dataset card",
            _ => "the suite: prompt, scorers, gates",
        };
        files.push((path, what));
    }
    Ok(files)
}

/// The first moment after a month: the demo's "now".
fn as_of(month: &str) -> Result<Timestamp, Failure> {
    let window = Window::parse(month, Timestamp::UNIX_EPOCH).map_err(Failure::other)?;
    parse_timestamp(&window.to.to_string()).ok_or_else(|| Failure::other("cannot parse the end of a month"))
}

/// One measurement per month, and the intent that each record was written for, by record id.
fn measure_months(
    workspace: &Workspace,
    options: &DemoOptions,
    model: &Classifier,
    files: &mut Vec<(PathBuf, &'static str)>,
    events: Events<'_>,
) -> Result<(Vec<DecayView>, BTreeMap<String, String>), Failure> {
    let (mut months, mut intents) = (Vec::new(), BTreeMap::new());
    for (index, month) in MONTHS.iter().enumerate() {
        let reply = |texts: &[&str]| Ok(model.classify_all(&workspace.embed(texts, events)?));
        let made = month_of_traffic(index, options.records, options.seed, reply)?;
        let path = options.dir.join("traffic").join(format!("{month}.jsonl"));
        write_atomic(&path, made.lines.as_bytes())?;
        intents.extend(made.intents);
        let settings = ImportOptions { source: SOURCE.to_owned(), max_bad: 0.01, ..ImportOptions::default() };
        import_traffic(workspace, &[Input::File(path.clone())], &settings, events)?;
        files.push((path, "a month of traffic, sampled with a seed"));
        let window = DecayOptions { window: Some((*month).to_owned()), seed: options.seed, ..DecayOptions::default() };
        months.push(measure_decay(workspace, DATASET, &window, as_of(month)?, events)?.view);
    }
    Ok((months, intents))
}

fn write_files(dir: &Path, report: &Report) -> Result<Vec<(PathBuf, &'static str)>, Failure> {
    let html = dir.join("reports/support-intents.html");
    let markdown = dir.join("reports/support-intents.md");
    let files = [&html, &markdown].into_iter().filter_map(|path| Some((path.clone(), Format::of_path(path)?)));
    write_reports(report, &files.collect::<Vec<_>>())?;
    Ok(vec![(html, "the report, to open in a browser"), (markdown, "the same report in Markdown")])
}
