//! `karat demo`

use std::path::{Path, PathBuf};

use super::context::Context;
use super::exit::Exit;
use super::interrupt;
use super::listen::listener;
use crate::core::domain::{Failure, FailureKind};
use crate::core::report::{Screen, label_import_text, months_text, terminal_headline};
use crate::core::view::count_of;
use crate::flow::demo::{DemoEmbedder, DemoOptions, DemoResult, LabelledRound, demo, serve};

/// Tour karat on sample data, without network access or API keys.
///
/// Creates a workspace, serves a small classifier on loopback behind the OpenAI chat API, runs a suite on it and on the
/// built-in baseline, imports four months of traffic whose mix shifts, measures decay for each month, and writes a
/// report.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  karat demo\n  karat demo /tmp/karat-demo --records 2000\n  karat demo --serve      serve only the demo's model, to run its suite again"
)]
pub(super) struct Args {
    /// Folder to create.
    #[arg(default_value = "karat-demo")]
    dir: PathBuf,

    /// Traffic records for each of the four months.
    #[arg(long, value_name = "N", default_value_t = 900, value_parser = clap::value_parser!(u32).range(200..=100_000))]
    records: u32,

    /// Random seed for the traffic and every measurement.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Port of the demo server on 127.0.0.1; if it is taken, another one is used.
    #[arg(long, value_name = "PORT", default_value_t = 8737)]
    port: u16,

    /// The embedder of the workspace and of the model: `fast` takes a few seconds, but gives less precise figures.
    #[arg(long, value_name = "NAME", value_enum, default_value_t = EmbedderChoice::Minilm)]
    embedder: EmbedderChoice,

    /// Serve only the demo's model, until Ctrl-C.
    #[arg(long)]
    serve: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum EmbedderChoice {
    Minilm,
    Fast,
}

impl From<EmbedderChoice> for DemoEmbedder {
    fn from(choice: EmbedderChoice) -> Self {
        match choice {
            EmbedderChoice::Minilm => Self::Minilm,
            EmbedderChoice::Fast => Self::Fast,
        }
    }
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    if args.serve {
        return interrupt::run_until_interrupted(context.output, async |mut stop| {
            tokio::select! {
                served = serve(args.port, args.embedder.into(), |url| context.output.say(&format!("serving {url}; press Ctrl-C to stop"))) => served?,
                _ = stop.changed() => {}
            }
            Ok(Exit::Success)
        });
    }
    let Args { dir, records, seed, port, embedder, .. } = args;
    let options = DemoOptions { dir, records: records as usize, seed, port, embedder: embedder.into() };
    let events = listener(&context.output);
    let result = interrupt::run_until_interrupted(context.output, async |stop| {
        let result = demo(&options, stop.clone(), &events).await?;
        if *stop.borrow() { Err(Failure::new(FailureKind::Incomplete, "the demo was interrupted")) } else { Ok(result) }
    })?;
    context.output.data(&text(&result, &options.dir, context.output.screen()))?;
    Ok(Exit::Success)
}

fn text(result: &DemoResult, dir: &Path, screen: Screen) -> String {
    let mut text = String::from("Four months of traffic against a golden set that was up to date in June:\n");
    text.push_str(&months_text(&result.months, screen));
    text.push('\n');
    text.push_str(&terminal_headline(&result.report.headline, screen));
    text.push_str(&round_text(&result.round, screen));
    text.push_str("\nCreated:\n");
    for (path, what) in &result.files {
        text.push_str(&format!("  {:<52} {what}\n", path.display().to_string()));
    }
    let place = dir.display();
    text.push_str(&format!(
        "\nTry next:\n  open {place}/reports/support-intents.html\n  karat -C {place} queue list\n  karat -C {place} decay support-intents --window 2026-09 --format json\n  karat -C {place} report support-intents --format junit\n  karat demo --serve & karat -C {place} check support --window 2026-09\n"
    ));
    text
}

/// What a round of labelling brought.
fn round_text(round: &LabelledRound, screen: Screen) -> String {
    let tasks = count_of(round.tasks, "task");
    format!(
        "\nThen {tasks} from `karat queue export` were labelled with the intents that their texts were written for,\nand imported with `karat queue import`:\n{}\nSeptember against the new version:\n{}",
        label_import_text(&round.import, screen),
        months_text(std::slice::from_ref(&round.decay), screen)
    )
}
