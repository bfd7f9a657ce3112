//! The flags of a measurement, and the resulting changes to the relabel queue.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::inputs::{Inputs, Live};
use crate::core::coverage::{CoverageMeasurement, GoldenPoints};
use crate::core::domain::{Example, Flag, ReasonCode, content_hash, short};
use crate::core::golden::canonical_example;
use crate::core::queue::{FlagChange, FlagRow, QueueEvent, QueueState, next};
use crate::core::signals::{dated_flags, flaky_flags, local_share, rank, repeated_flags, vanished_flags};

/// Every flag that currently holds, the strongest first.
pub(super) fn flags(inputs: &Inputs<'_>, live: &Live<'_>, coverage: Option<&CoverageMeasurement>) -> Vec<Flag> {
    let policy = inputs.settings.policy;
    let examples = &inputs.dataset.examples;
    let cadence = inputs.dataset.card.review_every_days.or(policy.review_every_days);
    let mut flags = dated_flags(examples, cadence, inputs.at);
    flags.extend(repeated_flags(examples, inputs.golden, policy.duplicate_similarity));
    flags.extend(vanished(inputs, live, coverage).unwrap_or_default());
    flags.extend(flaky_flags(examples, &inputs.passes, policy.flaky_score));
    rank(flags)
}

fn vanished(inputs: &Inputs<'_>, live: &Live<'_>, coverage: Option<&CoverageMeasurement>) -> Option<Vec<Flag>> {
    let policy = inputs.settings.policy;
    let (window, coverage) = inputs.reference.as_ref().zip(coverage)?;
    let then = coverage.reference.as_ref()?;
    let golden = GoldenPoints { vectors: &live.vectors, topics: &live.topics };
    let before = local_share(golden, &window.records, &then.records, policy.neighbours);
    let after = local_share(golden, &inputs.now.records, &coverage.now.records, policy.neighbours);
    let examples: Vec<&Example> = live.rows().iter().map(|row| &inputs.dataset.examples[row.0]).collect();
    Some(vanished_flags(&examples, &before, &after, policy))
}

/// The next state of every flag: first those that hold, in the given order, then those that no longer hold. Flags whose
/// reason was not measured are left unchanged, since nothing new is known about them.
pub(super) fn changes(inputs: &Inputs<'_>, flags: Vec<Flag>, has_coverage: bool) -> Vec<FlagChange> {
    let key = |flag: &Flag| (flag.example_id.clone(), flag.code);
    let known: BTreeMap<(String, ReasonCode), &FlagRow> =
        inputs.flags.iter().map(|row| (key(&row.flag), row)).collect();
    let hashes: HashMap<&str, String> =
        inputs.dataset.examples.iter().map(|e| (e.id.as_str(), example_hash(e))).collect();
    let mut changes = Vec::new();
    let mut held = BTreeSet::new();
    for flag in flags {
        let key = key(&flag);
        let hash = hashes.get(flag.example_id.as_str()).cloned().unwrap_or_default();
        changes.extend(flagged(flag, hash, known.get(&key).copied()));
        held.insert(key);
    }
    let measured = |code| match code {
        ReasonCode::TrafficVanished => has_coverage && inputs.reference.is_some(),
        ReasonCode::Flaky => !inputs.passes.is_empty(),
        _ => true,
    };
    let gone = known.into_iter().filter(|(key, row)| !held.contains(key) && measured(row.flag.code));
    changes.extend(gone.filter_map(|(_, row)| not_flagged(row)));
    changes
}

fn flagged(flag: Flag, hash: String, row: Option<&FlagRow>) -> Option<FlagChange> {
    let from = row.map(|row| row.state);
    let example_changed = row.is_some_and(|row| row.example_hash != hash);
    let to = next(from, QueueEvent::Flagged { example_changed })?;
    // A decision applies to the example as it was then, so its hash is retained while the decision applies.
    let decided = row.filter(|_| to != QueueState::Queued).map(|row| row.example_hash.clone());
    Some(FlagChange { flag, from, to, example_hash: decided.unwrap_or(hash) })
}

fn not_flagged(row: &FlagRow) -> Option<FlagChange> {
    let to = next(Some(row.state), QueueEvent::NotFlagged).filter(|to| *to != row.state)?;
    Some(FlagChange { flag: row.flag.clone(), from: Some(row.state), to, example_hash: row.example_hash.clone() })
}

fn example_hash(example: &Example) -> String {
    short(&content_hash("karat-example", canonical_example(example).as_bytes()), 16).to_owned()
}
