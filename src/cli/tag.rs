//! `karat tag`

use jiff::Timestamp;

use super::arguments::ScopeArgs;
use super::context::Context;
use super::exit::Exit;
use crate::core::domain::{Failure, short};
use crate::core::privacy::sanitize::for_terminal;
use crate::flow::compare::{check_tag, find_run};

/// Name a run, so that gates and `karat compare` can refer to it.
///
/// A tag belongs to one run per suite, endpoint and prompt: giving it to another moves it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  karat tag main last --suite support\n  karat tag main 0199a2\n  karat tag --delete main\n  karat tag"
)]
pub(super) struct Args {
    /// The tag, such as main. Without it, all tags are listed.
    #[arg(value_name = "TAG")]
    tag: Option<String>,

    /// The run: its id, a tag, `last`, an endpoint, a prompt or a suite. Default: last.
    #[arg(value_name = "RUN")]
    run: Option<String>,

    #[command(flatten)]
    scope: ScopeArgs,

    /// Remove this tag from all runs.
    #[arg(long, value_name = "TAG", conflicts_with_all = ["tag", "run"])]
    delete: Option<String>,
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let store = &workspace.store;
    if let Some(tag) = &args.delete {
        let removed = store.untag(tag)?;
        if removed == 0 {
            return Err(Failure::usage(format!("no run has the tag {tag}")).hint("`karat tag` lists the tags"));
        }
        context.output.say(&format!("removed the tag {}", for_terminal(tag)));
        return Ok(Exit::Success);
    }
    let Some(tag) = &args.tag else {
        let tags = store.run_tags()?;
        let mut lines = String::new();
        for tag in tags {
            if let Some(run) = store.run(tag.run_id.as_str())? {
                let header = run.header;
                let prompt = header.prompt.map(|prompt| format!(" · {prompt}")).unwrap_or_default();
                lines.push_str(&format!(
                    "{:<16} {}  {} on {}{prompt}, {}\n",
                    for_terminal(&tag.tag),
                    short(tag.run_id.as_str(), 18),
                    for_terminal(&header.suite),
                    for_terminal(&header.endpoint),
                    header.started_at.strftime("%Y-%m-%d %H:%M")
                ));
            }
        }
        context.output.data(&lines)?;
        return Ok(Exit::Success);
    };
    check_tag(tag)?;
    let run = find_run(store, args.run.as_deref().unwrap_or("last"), &args.scope.scope(), None)?;
    store.tag_run(tag, &run, Timestamp::now())?;
    let header = &run.header;
    let id = short(header.run_id.as_str(), 18);
    context.output.say(&format!(
        "{} is now {id}, {} on {}",
        for_terminal(tag),
        for_terminal(&header.suite),
        for_terminal(&header.endpoint)
    ));
    Ok(Exit::Success)
}
