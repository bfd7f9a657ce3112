//! Writes a finished run as a cassette. It is written from the stored outcomes, so that an interrupted and resumed run
//! records the same as an uninterrupted one.

use std::path::Path;

use super::render::Renderer;
use crate::core::domain::{CallError, Example, Failure, RecordedOutcome, Request, Response, RunId};
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
        if !example.turns.is_empty() {
            write_conversation(store, &header, renderer, &example, &mut writer)?;
            continue;
        }
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

/// Writes an entry for every answered turn of a conversation.
fn write_conversation(
    store: &Store,
    header: &RunHeader,
    renderer: &Renderer,
    example: &Example,
    writer: &mut CassetteWriter,
) -> Result<(), Failure> {
    for trial in 0..header.repeats {
        let mut history = Vec::new();
        for answer in store.turn_answers(&header.run_id, &example.id, trial)? {
            let Ok((request, user)) = renderer.turn(example, trial, answer.turn, &history) else { break };
            history.push((user, answer.response.output.clone()));
            let request = Request { messages: renderer.masked(&request.messages), ..request };
            let turn = Some(answer.turn).filter(|turn| *turn > 0);
            writer.write(&CassetteEntry { turn, ..CassetteEntry::new(&request, Ok(&answer.response)) })?;
        }
    }
    Ok(())
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
    match &outcome.error {
        Some((kind, message)) => Err(CallError { attempts: outcome.attempts, ..CallError::new(*kind, message) }),
        None => Ok(outcome.into_response()),
    }
}
