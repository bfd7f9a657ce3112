//! The runs that gates compare with.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::core::domain::{Failure, Gate, Suite, short};
use crate::core::gate::{Baseline, BaselineRun};
use crate::core::verdict::Verdict;
use crate::edge::store::{PastRun, RunHeader, Store, StoredRun};
use crate::flow::run::suite_of_run;

/// The name of the latest run before this one that passed.
pub const LAST_PASS: &str = "last-pass";

/// The run that each baseline of the gates of a suite names, as seen from a run. `before` are its earlier runs, newest first.
///
/// # Errors
/// A store failure.
pub fn baselines(
    store: &Store,
    suite: &Suite,
    run: &StoredRun,
    before: &[PastRun],
) -> Result<BTreeMap<String, Baseline>, Failure> {
    let names: BTreeSet<&str> = suite.gates.iter().filter_map(Gate::baseline).collect();
    let found = names.into_iter().map(|name| {
        let base = if name == LAST_PASS { last_pass(before) } else { tagged(store, name, &run.header)? };
        let baseline = match base {
            Some(base) if base.header.run_id == run.header.run_id => {
                Baseline::Missing(format!("this run is {name} itself"))
            }
            Some(base) => Baseline::Found(Box::new(BaselineRun {
                label: label(&base.header),
                scores: store.run_scores(&base.header.run_id, &suite_of_run(store, &base.header)?.scorers)?,
                edited: edited(store, &base.header, &run.header)?,
            })),
            None if name == LAST_PASS => Baseline::Missing("no earlier run passed".to_owned()),
            None => Baseline::Missing(format!(
                "no run of {} on {} has the tag {name}: `karat tag {name} RUN` sets it",
                run.header.suite, run.header.endpoint
            )),
        };
        Ok((name.to_owned(), baseline))
    });
    found.collect()
}

/// The latest of some earlier runs, newest first, that passed.
pub fn last_pass(before: &[PastRun]) -> Option<StoredRun> {
    before.iter().find(|past| past.verdict == Some(Verdict::Pass)).map(|past| past.run.clone())
}

/// The run of the same suite with this tag: that on the same endpoint and prompt, or else the only one.
fn tagged(store: &Store, tag: &str, of: &RunHeader) -> Result<Option<StoredRun>, Failure> {
    let mut runs = Vec::new();
    for tagged in store.run_tags()?.into_iter().filter(|tagged| tagged.tag == tag) {
        runs.extend(store.run(tagged.run_id.as_str())?.filter(|run| run.header.suite == of.suite));
    }
    let same = runs.iter().position(|run| run.header.endpoint == of.endpoint && run.header.prompt == of.prompt);
    Ok(match (same, runs.len()) {
        (Some(same), _) => Some(runs.swap_remove(same)),
        (None, 1) => runs.pop(),
        _ => None,
    })
}

/// A name for a run in a sentence.
pub(super) fn label(run: &RunHeader) -> String {
    let day = run.started_at.strftime("%Y-%m-%d");
    format!("{} on {}, {day}", short(run.run_id.as_str(), 18), run.endpoint)
}

/// The parts of a stored example that decide its score.
#[derive(Deserialize)]
struct Scored<'a> {
    id: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    expected: Option<&'a RawValue>,
    #[serde(borrow)]
    context: Option<&'a RawValue>,
}

/// The ids of examples that are in both datasets of two runs with another input, context or accepted answers. Other changes,
/// such as a new tag, do not make scores incomparable.
///
/// # Errors
/// A store failure.
pub fn edited(store: &Store, base: &RunHeader, run: &RunHeader) -> Result<BTreeSet<String>, Failure> {
    if base.dataset == run.dataset && base.dataset_version == run.dataset_version {
        return Ok(BTreeSet::new());
    }
    let mut before: BTreeMap<String, blake3::Hash> = BTreeMap::new();
    each_row(store, base, &mut |id, hash| {
        before.insert(id, hash);
    })?;
    let mut edited = BTreeSet::new();
    each_row(store, run, &mut |id, hash| {
        if before.get(&id).is_some_and(|before| *before != hash) {
            edited.insert(id);
        }
    })?;
    Ok(edited)
}

fn each_row(store: &Store, run: &RunHeader, take: &mut dyn FnMut(String, blake3::Hash)) -> Result<(), Failure> {
    store.each_stored_row(&run.dataset, &run.dataset_version, &mut |row| {
        let scored: Scored<'_> = serde_json::from_str(row)
            .map_err(|error| Failure::store("cannot read a stored dataset version").caused_by(error))?;
        let mut hasher = blake3::Hasher::new();
        for part in [scored.input, scored.expected, scored.context] {
            // Separated by a byte that JSON text does not contain.
            hasher.update(part.map_or("", RawValue::get).as_bytes()).update(&[0]);
        }
        take(scored.id.into_owned(), hasher.finalize());
        Ok(())
    })
}
