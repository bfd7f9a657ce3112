//! `karat init`

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, PossibleValuesParser};

use super::arguments::Format;
use super::context::Context;
use super::exit::Exit;
use super::import::import;
use crate::core::domain::Failure;
use crate::flow::import_suites::SuiteImportOptions;
use crate::flow::init::{EXAMPLE, TEMPLATES, init, require_none, template_named};

/// Create a workspace: karat.yaml, an example dataset and suite, and .gitignore.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  karat init\n  karat init evals && cd evals && karat run example\n  karat init evals --template rag\n  karat init evals --from promptfoo promptfooconfig.yaml"
)]
pub(super) struct Args {
    /// Folder to create the workspace in. Default: the current folder.
    dir: Option<PathBuf>,

    /// What to start from; each one runs at once, without a network.
    #[arg(long, value_name = "NAME", default_value = EXAMPLE.name, value_parser = PossibleValuesParser::new(template_names()))]
    template: String,

    /// Imports suites and datasets of another tool instead: a format of `karat import`, and its file.
    #[arg(long, num_args = 2, value_names = ["FORMAT", "FILE"], conflicts_with = "template")]
    from: Option<Vec<String>>,
}

fn template_names() -> Vec<PossibleValue> {
    TEMPLATES.iter().map(|template| PossibleValue::new(template.name).help(template.about)).collect()
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let root = args.dir.or_else(|| context.workspace.clone()).unwrap_or_else(|| PathBuf::from("."));
    if let Some([from, file]) = args.from.as_deref() {
        require_none(&root)?;
        let options = SuiteImportOptions { root, max_bad: 0.01, ..SuiteImportOptions::default() };
        return import(context, from, Path::new(file), &options, Format::Table);
    }
    let template = template_named(&args.template)?;
    for path in init(&root, template)? {
        context.output.data(&format!("{}\n", path.display()))?;
    }
    let place = if root == Path::new(".") { String::new() } else { format!(" -C {}", root.display()) };
    let (name, runs) = (template.name, template.runs);
    let width = "  edit karat.yaml               ".len();
    let run = format!("  karat{place} run {name}");
    context.output.say(&format!(
        "\nNext:\n{run:<width$}{runs}\n  edit karat.yaml               add your own endpoint\n  karat{place} traffic import FILE --source production\n  karat{place} decay {name:<14} measure how much of today's traffic the set represents"
    ));
    Ok(Exit::Success)
}
