//! `--verbose`: what karat itself does, line by line on stderr. Its libraries stay silent, since they would show headers.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

/// Shows karat's own debug lines from now on.
pub(super) fn show() {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_target(false);
    let own = Targets::new().with_default(LevelFilter::OFF).with_target("karat", LevelFilter::DEBUG);
    // A second call finds the first one's subscriber, which is as good.
    let _ = tracing_subscriber::registry().with(lines.with_filter(own)).try_init();
}
