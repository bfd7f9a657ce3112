//! `karat schema`

use super::context::Context;
use super::exit::Exit;
use crate::core::domain::Failure;
use crate::edge::config::{SchemaKind, json_schema};

/// Print the JSON Schema of a configuration file, for an editor or a validator.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  karat schema suite > suite.schema.json\n  then start a suite with: # yaml-language-server: $schema=suite.schema.json"
)]
pub(super) struct Args {
    /// File to describe: workspace (karat.yaml), suite (suites/NAME.yaml) or dataset (datasets/NAME/dataset.yaml).
    #[arg(value_enum)]
    kind: Kind,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    Workspace,
    Suite,
    Dataset,
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let kind = match args.kind {
        Kind::Workspace => SchemaKind::Workspace,
        Kind::Suite => SchemaKind::Suite,
        Kind::Dataset => SchemaKind::Dataset,
    };
    context.output.data(&format!("{}\n", json_schema(kind)?))?;
    Ok(Exit::Success)
}
