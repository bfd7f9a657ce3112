//! `karat doctor`

use jiff::Timestamp;

use super::arguments::Format;
use super::listen::listener;
use super::{Context, Exit, interrupt};
use crate::core::domain::Failure;
use crate::core::report::{plain_table, to_json};
use crate::core::view::{CheckState, DoctorView};
use crate::flow::doctor::doctor;

/// Check that everything a run needs is there, answers, and is sound. Nothing is run, and no secret is shown.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 3 where something will not work; warnings alone exit 0.\n\nExamples:\n  karat doctor\n  karat doctor --offline             ask no server\n  karat doctor --format json | jq '.checks[] | select(.state != \"ok\")'"
)]
pub(super) struct Args {
    /// Ask no server.
    #[arg(long)]
    offline: bool,

    /// How to print the result.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let root = context.root()?;
    let events = listener(&context.output);
    let view = interrupt::run_until_interrupted(
        |_| (),
        async |_stop| Ok(doctor(&root, args.offline, Timestamp::now(), &events).await),
    )?;
    match args.format {
        Format::Json => context.output.data(&to_json(&view)?)?,
        Format::Table => context.output.data(&table(&view, context.output.width()))?,
    }
    Ok(if view.state == CheckState::Failure { Exit::Data } else { Exit::Success })
}

fn table(view: &DoctorView, width: usize) -> String {
    let rows = view.checks.iter().map(|check| {
        let hint = check.hint.as_ref().map_or_else(String::new, |hint| format!("; hint: {hint}"));
        let what = if check.name.is_empty() {
            check.area.name().to_owned()
        } else {
            format!("{} {}", check.area.name(), check.name)
        };
        vec![check.state.name().to_owned(), what, format!("{}{hint}", check.detail)]
    });
    let count = |state: CheckState| view.checks.iter().filter(|check| check.state == state).count();
    let (warnings, failures) = (count(CheckState::Warning), count(CheckState::Failure));
    let table = plain_table(&["state", "what", "seen"], rows.collect(), width);
    format!("{table}\n{} checks, {warnings} warnings, {failures} failures\n", view.checks.len())
}
