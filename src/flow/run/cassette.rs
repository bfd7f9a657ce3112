//! Writes a finished run as a cassette. It is written from the stored outcomes, so that an interrupted and resumed run
//! records the same as an uninterrupted one.

use std::path::Path;
use std::time::Duration;

use super::render::Renderer;
use crate::core::domain::{CallError, Failure, RecordedOutcome, Request, Response, RunId};
use crate::edge::endpoint::{CassetteEntry, CassetteHeader, CassetteWriter};
use crate::edge::store::{RunHeader, Store};
use crate::flow::stored_dataset::{Selection, selected};

/// Writes the cassette of a finished run, one entry per outcome, in the order of the dataset.
///
/// # Errors
/// A store failure; a failure that names the file.
pub(super) fn write_cassette(store: &Store, run_id: &RunId, renderer: &Renderer, path: &Path) -> Result<(), Failure> {
    let run = store
        .run(run_id.as_str())?
        .ok_or_else(|| Failure::store(format!("the run {run_id} is missing from the database")))?;
    let header = run.header;
    let mut writer = CassetteWriter::create(path, &head(&header))?;
    let selection = Selection::of_run(&header)?;
    for example in selected(store, &header.dataset, &header.dataset_version, &selection)? {
        let example = example?;
        for outcome in store.outcomes_of(&header.run_id, &example.id)? {
            // If a prompt cannot be rendered, nothing was sent; replaying fails the same way.
            let Ok(request) = renderer.request(&example, outcome.trial) else { continue };
            let request = Request { messages: renderer.masked(&request.messages), ..request };
            let result = result_of(outcome);
            writer.write(&CassetteEntry::new(&request, result.as_ref()))?;
        }
    }
    writer.finish()
}

fn head(header: &RunHeader) -> CassetteHeader {
    CassetteHeader {
        endpoint: header.endpoint.clone(),
        fingerprint: header.endpoint_fingerprint.clone(),
        suite: header.suite.clone(),
        suite_version: header.suite_version.clone(),
        dataset: header.dataset.clone(),
        dataset_version: header.dataset_version.clone(),
        prompt: header.prompt.clone(),
        repeats: header.repeats,
    }
}

/// The endpoint's response, as far as it is stored.
fn result_of(outcome: RecordedOutcome) -> Result<Response, CallError> {
    let span = |ms: f64| Duration::try_from_secs_f64(ms / 1e3).unwrap_or_default();
    match outcome.error {
        Some((kind, message)) => Err(CallError { attempts: outcome.attempts, ..CallError::new(kind, message) }),
        None => Ok(Response {
            tool_calls: outcome.tool_calls,
            finish_reason: outcome.finish_reason,
            model: outcome.model,
            usage: outcome.usage,
            ttft: outcome.ttft_ms.map(span),
            attempts: outcome.attempts,
            ..Response::new(outcome.output.unwrap_or_default(), span(outcome.latency_ms.unwrap_or_default()))
        }),
    }
}
