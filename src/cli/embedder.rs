//! `karat embedder show|migrate|retire`

use clap::Subcommand;

use super::arguments::{Format, Now};
use super::context::Context;
use super::exit::Exit;
use super::listen::listener;
use crate::core::domain::Failure;
use crate::core::report::{embedder_text, migration_text};
use crate::core::view::{EmbedderView, StoredSpaceView};
use crate::flow::migrate::{MigrateOptions, migrate, retire, spaces};

/// Show, switch or retire the embedding model used to compare texts.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the embedding model in use, the parts of its fingerprint, and all models with stored vectors
    Show {
        /// Output format.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Embed everything with another embedder and compare the two; switch only with --cut-over
    #[command(
        after_help = "Embeds every text of the datasets and their traffic; existing vectors are left alone. The current model remains in use, even if this is interrupted, and vectors already computed are reused.\n\nExamples:\n  karat embedder migrate minilm              embed and compare\n  karat embedder migrate minilm --cut-over   embed, compare, and pin it in karat.lock\n  karat embedder migrate builtin --cut-over  switch back"
    )]
    Migrate {
        /// Embedder to move to: fast, minilm, hashed-ngrams, or a name under "embedders" in karat.yaml.
        to: String,
        /// Compare only this dataset (repeatable). Default: all.
        #[arg(long = "dataset", value_name = "NAME")]
        datasets: Vec<String>,
        /// Use the new embedding model from now on: pin it in karat.lock.
        #[arg(long)]
        cut_over: bool,
        /// Random seed.
        #[arg(long, value_name = "N", default_value_t = 0)]
        seed: u64,
        #[command(flatten)]
        now: Now,
        /// Output format.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Remove the vectors of an embedding model that is no longer in use; its results remain
    #[command(after_help = "Example:\n  karat embedder retire hashed-ngrams")]
    Retire {
        /// Embedding model, by fingerprint or embedder name.
        space: String,
    },
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    match args.command {
        Command::Show { format } => show(context, format)?,
        Command::Migrate { to, datasets, cut_over, seed, now, format } => {
            let events = listener(&context.output);
            let options = MigrateOptions { to, datasets, cut_over, seed };
            let view = migrate(&context.root()?, &options, now.get(), &events)?;
            context.output.show(format, &view, migration_text)?;
        }
        Command::Retire { space } => {
            let events = listener(&context.output);
            let (space, vectors) = retire(&context.workspace()?, &space, &events)?;
            context.output.data(&format!("retired {space}: {vectors} vectors removed\n"))?;
        }
    }
    Ok(Exit::Success)
}

fn show(context: &Context, format: Format) -> Result<(), Failure> {
    let found = spaces(&context.workspace()?)?;
    let stored = found.stored.into_iter().map(|row| StoredSpaceView {
        embedder: row.name,
        serving: row.space.id == found.serving.id,
        space: row.space,
        first_used: row.first_used,
        vectors: row.vectors,
        measurements: row.measurements,
        last_measurement: row.last_measurement,
    });
    let stored = stored.collect();
    context.output.show(format, &EmbedderView::new(found.name, found.serving, found.pinned, stored), embedder_text)
}
