//! What an assay's flags mean for the relabel queue.

use std::collections::{BTreeMap, HashMap};

use super::inputs::Inputs;
use crate::core::domain::{Failure, Flag, ReasonCode, content_hash, short};
use crate::core::golden::canonical_example;
use crate::core::queue::{QueueEvent, QueueState, next};
use crate::edge::store::{FlagRow, FlagUpdate};
use crate::flow::Workspace;

/// A flag, and where it stands.
pub(super) struct QueuedFlag {
    pub flag: Flag,
    pub state: QueueState,
}

/// The flags that wait for a person, in the order given, and every flag's next state. Reasons that were not `measured`
/// stay as they are: nothing new is known about them.
pub(super) fn evaluate(
    workspace: &Workspace,
    inputs: &Inputs,
    flags: Vec<Flag>,
    measured: &dyn Fn(ReasonCode) -> bool,
) -> Result<(Vec<QueuedFlag>, Vec<FlagUpdate>), Failure> {
    let dataset = &inputs.dataset.name;
    let known: HashMap<(String, ReasonCode), FlagRow> = workspace
        .store
        .flags(dataset)?
        .into_iter()
        .map(|row| ((row.flag.example_id.clone(), row.flag.code), row))
        .collect();
    let hashes: BTreeMap<&str, String> = inputs
        .dataset
        .examples
        .iter()
        .map(|example| {
            (
                example.id.as_str(),
                short(&content_hash("karat-example", canonical_example(example).as_bytes()), 16).to_owned(),
            )
        })
        .collect();
    let (mut updates, mut queued) = (Vec::new(), Vec::new());
    for flag in flags {
        let hash = hashes.get(flag.example_id.as_str()).cloned().unwrap_or_default();
        let row = known.get(&(flag.example_id.clone(), flag.code));
        let example_changed = row.is_some_and(|row| row.example_hash != hash);
        let Some(state) = next(row.map(|row| row.state), QueueEvent::Flagged { example_changed }) else { continue };
        if state == QueueState::Queued {
            queued.push(QueuedFlag { flag: flag.clone(), state });
        }
        // A decision is about the example as it was then: its hash stays until the decision falls.
        let example_hash =
            if state == QueueState::Queued { hash } else { row.map_or(hash, |row| row.example_hash.clone()) };
        updates.push(FlagUpdate { flag, state, example_hash });
    }
    let held: std::collections::HashSet<(String, ReasonCode)> =
        updates.iter().map(|update| (update.flag.example_id.clone(), update.flag.code)).collect();
    for (key, row) in known {
        if held.contains(&key) || !measured(row.flag.code) {
            continue;
        }
        if let Some(state) = next(Some(row.state), QueueEvent::NotFlagged).filter(|state| *state != row.state) {
            updates.push(FlagUpdate { flag: row.flag, state, example_hash: row.example_hash });
        }
    }
    Ok((queued, updates))
}
