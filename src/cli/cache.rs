//! `karat cache stats|clear`

use jiff::Timestamp;

use super::arguments::Format;
use super::context::Context;
use super::exit::Exit;
use crate::core::domain::{Failure, parse_span};
use crate::core::report::cache_text;
use crate::core::view::{CacheView, count_of};

/// Show or clear the response cache.
///
/// Responses are found by endpoint, request and trial, and are reused for the time given by cache.ttl in karat.yaml.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  karat cache stats\n  karat cache clear --older-than 7d\n  karat run support --no-cache      ignore cached responses for one run"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show how many responses are cached, and how old they are
    Stats {
        /// Output format.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Remove cached responses; the runs they belong to are unaffected
    Clear {
        /// Remove only responses older than this, such as 12h or 7d.
        #[arg(long, value_name = "SPAN")]
        older_than: Option<String>,
    },
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    match args.command {
        Command::Stats { format } => stats(context, format),
        Command::Clear { older_than } => clear(context, older_than.as_deref()),
    }
}

fn stats(context: &Context, format: Format) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let ttl = workspace.config.cache_ttl.as_secs();
    let since = Timestamp::now().checked_sub(workspace.config.cache_ttl).unwrap_or(Timestamp::MIN);
    let found = workspace.store.cache_stats(since)?;
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let view = CacheView::new(found.answers, found.usable, ttl, time(found.oldest), time(found.newest));
    context.output.show(format, &view, |view, _| cache_text(view))?;
    Ok(Exit::Success)
}

fn clear(context: &Context, older_than: Option<&str>) -> Result<Exit, Failure> {
    let before = older_than.map(|text| {
        let span = parse_span(text).ok_or_else(|| {
            Failure::usage(format!("--older-than \"{text}\" is not a duration"))
                .hint("use a form such as 90m, 12h or 7d")
        })?;
        Ok::<_, Failure>(Timestamp::now().checked_sub(span).unwrap_or(Timestamp::MIN))
    });
    let cleared = context.workspace()?.store.clear_cache(before.transpose()?)?;
    context.output.data(&format!("removed {} from the cache\n", count_of(cleared, "response")))?;
    Ok(Exit::Success)
}
