//! The identity of a run, and whether an earlier run is resumed. A run never mixes outcomes of two versions.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::endpoints::{ReadyEndpoint, run_by_id};
use super::{Resume, RunOptions};
use crate::core::domain::{Failure, NamedPrompt, RunId, Suite, short};
use crate::core::golden::{diff, fingerprints};
use crate::edge::config::{changed_keys, suite_content};
use crate::edge::store::{RunHeader, ScorerIdentity, Store, StoredRun};
use crate::flow::stored_dataset::{Selection, StoredDataset};
use crate::flow::{Event, Events};

/// Maximum number of changed examples listed.
const SHOWN: usize = 10;

/// Characters shown of each side of a changed part.
const WIDTH: usize = 200;

/// One prompt on one endpoint, about to be run.
pub(super) struct RunTarget<'a> {
    pub suite: &'a Suite,
    pub set: &'a StoredDataset,
    pub prompt: &'a NamedPrompt,
    pub endpoint: &'a ReadyEndpoint,
    pub options: &'a RunOptions,
    pub repeats: u32,
    /// What evaluates the scorers outside karat.
    pub scorers: &'a BTreeMap<String, ScorerIdentity>,
    pub now: Timestamp,
    /// When the resumed runs were started, if runs are resumed.
    pub resumed: Option<Timestamp>,
}

/// A run before it starts.
pub(super) struct PlannedRun {
    pub header: RunHeader,
    pub state: RunState,
}

/// How far a run has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunState {
    /// It is not stored yet.
    New,
    /// Something is left to do.
    Open,
    /// Nothing is left to do.
    Complete,
}

/// Returns when the runs that `--resume` continues were started: the start of the earliest unfinished run among the
/// latest runs of the prompts and endpoints, or else of the latest run. A finished run from before then belongs to an
/// earlier command, so a new run is started instead.
pub(super) fn resumed_since(
    store: &Store,
    suite: &str,
    targets: impl Iterator<Item = (String, Option<String>)>,
) -> Result<Option<Timestamp>, Failure> {
    let (mut unfinished, mut finished): (Vec<Timestamp>, Vec<Timestamp>) = (Vec::new(), Vec::new());
    for (endpoint, prompt) in targets {
        let Some(run) = store.latest_run(suite, &endpoint, prompt.as_deref())? else { continue };
        let of = if run.finished_at.is_none() { &mut unfinished } else { &mut finished };
        of.push(run.header.started_at);
    }
    Ok(unfinished.into_iter().min().or(finished.into_iter().max()))
}

/// Finds the run to resume, or plans a new one. A new run is not stored yet.
pub(super) fn plan(store: &Store, target: &RunTarget<'_>, events: Events<'_>) -> Result<PlannedRun, Failure> {
    let Some(run) = earlier(store, target)? else {
        if target.options.resume.is_some() || target.options.retry_errors {
            let on = target.endpoint.endpoint.name();
            events(Event::Note(format!("no run of {} on {on} to resume; starting a new one", target.suite.name)));
        }
        let header = header(store, target, target.repeats, &target.options.selection)?;
        return Ok(PlannedRun { header, state: RunState::New });
    };
    refuse_changed(store, target, &run)?;
    let totals = store.run_totals(&run.header.run_id)?;
    if totals.recorded < run.header.total as u64 || (target.options.retry_errors && totals.errors + totals.unscored > 0)
    {
        return Ok(PlannedRun { header: run.header, state: RunState::Open });
    }
    if run.finished_at.is_none() {
        // It was interrupted after its last outcome, before it was marked as finished.
        store.finish_run(&run.header.run_id, Timestamp::now())?;
    }
    events(Event::Note(format!(
        "nothing left to do in run {} ({} on {})",
        short(run.header.run_id.as_str(), 18),
        run.header.suite,
        run.header.endpoint
    )));
    Ok(PlannedRun { header: run.header, state: RunState::Complete })
}

/// The run to resume, if there is one.
fn earlier(store: &Store, target: &RunTarget<'_>) -> Result<Option<StoredRun>, Failure> {
    let (suite, endpoint, prompt) =
        (&target.suite.name, target.endpoint.endpoint.name(), target.prompt.name.as_deref());
    match &target.options.resume {
        None if !target.options.retry_errors => Ok(None),
        None | Some(Resume::Latest) => {
            let latest = store.latest_run(suite, endpoint, prompt)?;
            Ok(latest.filter(|run| run.finished_at.is_none() || Some(run.header.started_at) >= target.resumed))
        }
        Some(Resume::Run(id)) => {
            let run = run_by_id(store, id)?;
            let header = &run.header;
            if header.suite != *suite || header.endpoint != endpoint || header.prompt.as_deref() != prompt {
                let on = header.prompt.as_ref().map_or_else(String::new, |prompt| format!(" --prompt {prompt}"));
                return Err(Failure::usage(format!(
                    "the run {id} belongs to the suite {} on {}",
                    header.suite, header.endpoint
                ))
                .hint(format!("karat run {} -e {}{on} --resume {id}", header.suite, header.endpoint)));
            }
            Ok(Some(run))
        }
    }
}

fn header(store: &Store, target: &RunTarget<'_>, repeats: u32, selection: &Selection) -> Result<RunHeader, Failure> {
    let examples = target.set.selected;
    if examples == 0 {
        return Err(Failure::data(format!("no example of {} is left to run", target.set.label()))
            .hint("loosen --filter or --limit; retired examples are never run"));
    }
    let mut header = RunHeader {
        run_id: RunId::new(uuid::Uuid::now_v7().to_string()),
        suite: target.suite.name.clone(),
        suite_version: target.suite.version.clone(),
        dataset: target.set.name.clone(),
        dataset_version: target.set.version.clone(),
        endpoint: target.endpoint.endpoint.name().to_owned(),
        endpoint_fingerprint: target.endpoint.endpoint.fingerprint().to_owned(),
        prompt: target.prompt.name.clone(),
        repeats,
        selection: selection.to_text()?,
        total: examples * repeats as usize,
        // All runs of one command have the same start time, even those that only start on a later --resume.
        started_at: target.resumed.unwrap_or(target.now),
    };
    if target.options.fixed_id {
        header.run_id = fixed_id(store, &header, target.now)?;
    }
    Ok(header)
}

/// An id derived from what is run and when, and from how often the same was run before.
fn fixed_id(store: &Store, header: &RunHeader, now: Timestamp) -> Result<RunId, Failure> {
    let milliseconds = u64::try_from(now.as_millisecond()).unwrap_or(0);
    for time in 0_u32.. {
        let basis = format!("{header:?}").replace(header.run_id.as_str(), &time.to_string());
        let hash = blake3::hash(basis.as_bytes());
        let mut bytes = [0; 10];
        bytes.copy_from_slice(&hash.as_bytes()[..10]);
        let id = uuid::Builder::from_unix_timestamp_millis(milliseconds, &bytes).into_uuid().to_string();
        if store.run(&id)?.is_none() {
            return Ok(RunId::new(id));
        }
    }
    Ok(header.run_id.clone())
}

/// Refuses to resume if anything that affects outcomes has changed, and lists the changes.
fn refuse_changed(store: &Store, target: &RunTarget<'_>, run: &StoredRun) -> Result<(), Failure> {
    let old = &run.header;
    let wanted = &target.options.selection;
    let other_selection = *wanted != Selection::default() && *wanted != Selection::of_run(old)?;
    let changed = [
        ("suite", old.suite_version != target.suite.version),
        ("dataset", old.dataset_version != target.set.version),
        ("endpoint", old.endpoint_fingerprint != target.endpoint.endpoint.fingerprint()),
        ("--limit or --filter", other_selection),
        ("--repeat", target.options.repeats.is_some_and(|repeats| repeats != old.repeats)),
    ];
    let scorers = changed_scorers(&store.run_scorers(&old.run_id)?, target.scorers);
    let changed = changed.into_iter().chain([("what evaluates the scorers", !scorers.is_empty())]);
    let changed: Vec<_> = changed.collect();
    let names: Vec<_> = changed.iter().filter(|(_, changed)| *changed).map(|(what, _)| *what).collect();
    if names.is_empty() {
        return Ok(());
    }
    let mut details = Vec::new();
    if names.contains(&"suite") {
        details.extend(suite_changes(store, target.suite, &old.suite_version)?);
    }
    if names.contains(&"dataset") {
        details.extend(dataset_changes(store, target.set, &old.dataset_version)?);
    }
    if names.contains(&"endpoint") {
        details
            .push(format!("endpoint {}: its URL, model, params or headers differ from those of the run", old.endpoint));
    }
    details.extend(scorers);
    if names.contains(&"--limit or --filter") {
        details.push(format!(
            "--limit or --filter: the run has {}",
            if old.selection.is_empty() { "none" } else { &old.selection }
        ));
    }
    if names.contains(&"--repeat") {
        details.push(format!("--repeat: the run has {}", old.repeats));
    }
    Err(Failure::data(format!(
        "the run {} cannot be resumed, because these changed since then: {}",
        old.run_id,
        names.join(", ")
    ))
    .details(details)
    .hint("undo the change, or start a new run without --resume"))
}

/// The scorers that something else evaluates now, as lines.
fn changed_scorers(then: &BTreeMap<String, ScorerIdentity>, now: &BTreeMap<String, ScorerIdentity>) -> Vec<String> {
    let changed = |(name, now): (&String, &ScorerIdentity)| {
        let then = then.get(name).filter(|then| then.identity != now.identity)?;
        Some(match then.shown == now.shown {
            true => format!("scorer {name}: {} is not as it was", now.shown),
            false => format!("scorer {name}: was {}, is {}", then.shown, now.shown),
        })
    };
    now.iter().filter_map(changed).collect()
}

/// The parts of the suite that differ, as lines before and after.
fn suite_changes(store: &Store, suite: &Suite, version: &str) -> Result<Vec<String>, Failure> {
    let Some(before) = store.suite_content(&suite.name, version)? else { return Ok(Vec::new()) };
    let show = |value: Option<serde_json::Value>| {
        let text = value.map_or_else(|| "nothing".to_owned(), |value| value.to_string());
        match text.char_indices().nth(WIDTH) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    };
    let lines = changed_keys(&before, &suite_content(suite))?.into_iter().flat_map(|(key, before, after)| {
        [format!("suite {key}: - {}", show(before)), format!("suite {key}: + {}", show(after))]
    });
    Ok(lines.collect())
}

/// The examples that differ, as lines by id.
fn dataset_changes(store: &Store, set: &StoredDataset, version: &str) -> Result<Vec<String>, Failure> {
    let read = |version: &str| -> Result<_, Failure> {
        let Some(stored) = store.stored_examples(&set.name, version)? else { return Ok(None) };
        Ok(Some(fingerprints(&stored.collect::<Result<Vec<_>, _>>()?)))
    };
    let (Some(before), Some(after)) = (read(version)?, read(&set.version)?) else { return Ok(Vec::new()) };
    let changes = diff(&before, &after).changes;
    let more = changes.len().saturating_sub(SHOWN);
    let mut lines: Vec<String> =
        changes.iter().take(SHOWN).map(|change| format!("dataset: {} {}", change.id, change.kind.name())).collect();
    if more > 0 {
        lines.push(format!(
            "dataset: and {more} more (`karat dataset diff {} {} .` shows all)",
            set.name,
            short(version, 12)
        ));
    }
    Ok(lines)
}
