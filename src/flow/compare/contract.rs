//! How the shape of JSON answers differs between two runs.

use std::collections::BTreeSet;

use super::NamedRun;
use crate::core::compare::{RunScores, common};
use crate::core::contract::{Shape, ShapeChange, changes};
use crate::core::domain::{Failure, RunId, ScorerKind, Suite};
use crate::edge::store::Store;

/// Number of examples read to find out whether answers are JSON.
const TRIED: usize = 50;

/// Number of examples whose answers are compared: with 2,000, a key that is missing once in a hundred answers is found.
const COMPARED: usize = 2_000;

/// What was found about the shape of answers.
#[derive(Default)]
pub(super) struct ShapeChanges {
    /// Number of answers read of each run; 0 if answers are not JSON.
    pub answers: usize,
    /// The changes, breaking ones first.
    pub changes: Vec<ShapeChange>,
    /// Whether answers have more paths than are compared.
    pub truncated: bool,
}

/// Compares the answers to the same examples, if most of the base's answers are JSON objects or lists. The schema of the
/// candidate's first `json_schema` scorer says what the consumer accepts.
pub(super) fn shape_changes(
    store: &Store,
    base: &NamedRun,
    candidate: &NamedRun,
    suite: &Suite,
    scores: &(RunScores, RunScores),
    edited: &BTreeSet<String>,
) -> Result<ShapeChanges, Failure> {
    let pairs = common(&scores.0, &scores.1, edited);
    let ids: Vec<&str> = spread(&pairs, COMPARED)
        .filter_map(|(place, _)| scores.0.examples.get(*place))
        .map(|example| example.id.as_str())
        .collect();
    let (first, second) = (&base.run.header.run_id, &candidate.run.header.run_id);
    let tried = shape(store, first, ids.iter().take(TRIED))?;
    if tried.outputs() == 0 || tried.structured() * 2 <= tried.outputs() {
        return Ok(ShapeChanges::default());
    }
    let schema = suite.scorers.iter().find_map(|scorer| match &scorer.kind {
        ScorerKind::JsonSchema(settings) => Some(&settings.schema),
        _ => None,
    });
    let (before, after) = (shape(store, first, ids.iter())?, shape(store, second, ids.iter())?);
    let answers = before.outputs().min(after.outputs()) as usize;
    let truncated = before.is_truncated() || after.is_truncated();
    Ok(ShapeChanges { answers, changes: changes(&before, &after, schema), truncated })
}

/// At most `most` items, evenly spread.
fn spread<T>(items: &[T], most: usize) -> impl Iterator<Item = &T> {
    let step = items.len().div_ceil(most).max(1);
    items.iter().step_by(step)
}

fn shape<'a>(store: &Store, run: &RunId, ids: impl Iterator<Item = &'a &'a str>) -> Result<Shape, Failure> {
    let mut shape = Shape::default();
    for id in ids {
        for outcome in store.outcomes_of(run, id)? {
            if let Some(output) = outcome.output {
                shape.add(&output);
            }
        }
    }
    Ok(shape)
}
