//! The listener for the events of a flow.

use super::logging;
use super::output::Output;
use super::progress::Progress;
use crate::flow::Event;

/// Returns a listener that shows events as progress and as `--verbose` lines.
pub(super) fn listener(output: &Output) -> impl Fn(Event) + Send + Sync + use<> {
    let progress = Progress::new(output);
    move |event| {
        logging::log(&event);
        progress.show(&event);
    }
}
