//! `--verbose`: logs each step on stderr. Lines about runs are written from events; lines about single HTTP attempts
//! are written where the attempts are made. Other libraries are silenced, since they would log headers.

use tracing::debug;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

use crate::core::privacy::sanitize::for_terminal;
use crate::flow::Event;
use crate::flow::event::FinishedTrial;

/// Starts showing karat's own debug lines.
pub(super) fn show() {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_target(false);
    let own = Targets::new().with_default(LevelFilter::OFF).with_target("karat", LevelFilter::DEBUG);
    // A second call fails because the subscriber of the first is still installed, which is fine.
    let _ = tracing_subscriber::registry().with(lines.with_filter(own)).try_init();
}

/// Logs an event about a run. Notes, warnings and steps are shown as progress instead.
pub(super) fn log(event: &Event) {
    match event {
        Event::RunStarted { run, counts } => {
            let target = run.target();
            let target = for_terminal(&target);
            debug!(run = %run.run_id, suite = %run.suite, %target, done = counts.done, total = counts.total, "run started");
        }
        Event::RequestSent { run, example_id, trial } => {
            debug!(example = %for_terminal(example_id), trial, endpoint = %run.endpoint, "sending");
        }
        Event::TrialFinished { run, trial: finished, counts } => {
            let FinishedTrial { example_id, trial, error, attempts, latency, cached, cost, unscored } = finished;
            let (example, endpoint, done) = (for_terminal(example_id), &run.endpoint, counts.done);
            match (error, cached) {
                (Some((kind, message)), _) => {
                    let message = for_terminal(message);
                    debug!(%example, trial, %endpoint, kind = kind.name(), attempts, %message, done, "failed");
                }
                (None, true) => debug!(%example, trial, %endpoint, done, "answered from the cache"),
                (None, false) => debug!(%example, trial, %endpoint, attempts, ?latency, cost, done, "answered"),
            }
            if let Some((scorer, reason)) = unscored {
                let reason = for_terminal(reason);
                debug!(%example, trial, scorer, %reason, "not scored");
            }
        }
        Event::RunFinished { run, counts, stopped } => {
            let (errors, cost) = (counts.errors, counts.cost);
            let end = stopped.as_ref().map_or_else(|| "finished".to_owned(), crate::flow::run::Stopped::sentence);
            debug!(run = %run.run_id, done = counts.done, total = counts.total, errors, cost, end, "run ended");
        }
        Event::Began { .. }
        | Event::Advanced { .. }
        | Event::Ended
        | Event::SuiteStarted { .. }
        | Event::SuiteFinished
        | Event::Note(_)
        | Event::Warning(_) => {}
    }
}
