//! What a run is of, and whether an earlier one goes on: outcomes of two versions never stand in one run.

use jiff::Timestamp;

use super::endpoints::ReadyEndpoint;
use super::{Resume, RunOptions};
use crate::core::domain::{Failure, NamedPrompt, Suite, short};
use crate::core::golden::{diff, fingerprints};
use crate::edge::config::suite_content;
use crate::edge::store::{RunHeader, Store, StoredRun};
use crate::flow::stored_dataset::{Selection, StoredDataset};
use crate::flow::{Event, Events};

/// Changed examples named at most, and characters shown of each side of a changed part.
const SHOWN: usize = 10;
const WIDTH: usize = 200;

/// One prompt on one endpoint, about to be run.
pub(super) struct RunTarget<'a> {
    pub suite: &'a Suite,
    pub set: &'a StoredDataset,
    pub prompt: &'a NamedPrompt,
    pub asked: &'a ReadyEndpoint,
    pub options: &'a RunOptions,
    pub repeats: u32,
    pub now: Timestamp,
    /// Where runs go on: when the ones that do were begun.
    pub resumed: Option<Timestamp>,
}

/// A run with its header kept.
pub(super) enum StartedRun {
    /// Something is left to ask.
    Open(RunHeader),
    /// Nothing is.
    Complete(RunHeader),
}

impl StartedRun {
    pub fn run_id(&self) -> &str {
        let (Self::Open(header) | Self::Complete(header)) = self;
        &header.run_id
    }
}

/// When the runs were begun that `--resume` goes on with: the earliest unfinished one of the prompts and endpoints, or
/// else the latest of all. A finished run from before then belongs to another time: it is run anew.
pub(super) fn resumed_since(
    store: &Store,
    suite: &str,
    targets: impl Iterator<Item = (String, Option<String>)>,
) -> Result<Option<Timestamp>, Failure> {
    let (mut unfinished, mut finished): (Vec<Timestamp>, Vec<Timestamp>) = (Vec::new(), Vec::new());
    for (endpoint, prompt) in targets {
        let Some(run) = store.latest_run(suite, &endpoint, prompt.as_deref())? else { continue };
        let of = if run.finished_at.is_none() { &mut unfinished } else { &mut finished };
        of.extend(begun_at(&run));
    }
    Ok(unfinished.into_iter().min().or(finished.into_iter().max()))
}

fn begun_at(run: &StoredRun) -> Option<Timestamp> {
    run.header.started_at.parse().ok()
}

/// Begins a run, or takes up an earlier one where the options say so.
pub(super) fn begin(store: &Store, target: &RunTarget<'_>, events: Events<'_>) -> Result<StartedRun, Failure> {
    let earlier = earlier(store, target)?;
    let name = target.prompt.name.as_deref();
    let Some(run) = earlier else {
        if target.options.resume.is_some() || target.options.retry_errors {
            let on = target.asked.endpoint.name();
            events(Event::Note(format!("no run of {} on {on} to go on with: beginning one", target.suite.name)));
        }
        let selection = Selection { filters: target.options.filters.clone(), limit: target.options.limit };
        let header = header(store, target, target.repeats, &selection)?;
        store.begin_run(header.clone())?;
        return Ok(StartedRun::Open(header));
    };
    debug_assert_eq!(run.header.prompt.as_deref(), name);
    refuse_changed(store, target, &run)?;
    let (done, errors, _) = store.run_totals(&run.header.run_id)?;
    let open = done < run.header.total as u64 || (target.options.retry_errors && errors > 0);
    if open {
        return Ok(StartedRun::Open(run.header));
    }
    if run.finished_at.is_none() {
        // It was broken off between its last outcome and its end.
        store.finish_run(&run.header.run_id, &Timestamp::now().to_string())?;
    }
    events(Event::Note(format!(
        "nothing is left to ask of the run {} ({} on {})",
        short(&run.header.run_id, 18),
        run.header.suite,
        run.header.endpoint
    )));
    Ok(StartedRun::Complete(run.header))
}

/// The run that goes on, where there is one.
fn earlier(store: &Store, target: &RunTarget<'_>) -> Result<Option<StoredRun>, Failure> {
    let (suite, endpoint, prompt) = (&target.suite.name, target.asked.endpoint.name(), target.prompt.name.as_deref());
    match &target.options.resume {
        None if !target.options.retry_errors => Ok(None),
        None | Some(Resume::Latest) => {
            let latest = store.latest_run(suite, endpoint, prompt)?;
            Ok(latest.filter(|run| run.finished_at.is_none() || begun_at(run) >= target.resumed))
        }
        Some(Resume::Run(id)) => {
            let run = run_by_id(store, id)?;
            let header = &run.header;
            if header.suite != *suite || header.endpoint != endpoint || header.prompt.as_deref() != prompt {
                let on = header.prompt.as_ref().map_or_else(String::new, |prompt| format!(" --prompt {prompt}"));
                return Err(Failure::usage(format!(
                    "the run {id} is of the suite {} on {}",
                    header.suite, header.endpoint
                ))
                .hint(format!("karat run {} -e {}{on} --resume {id}", header.suite, header.endpoint)));
            }
            Ok(Some(run))
        }
    }
}

/// A run by the beginning of its id.
pub(super) fn run_by_id(store: &Store, id: &str) -> Result<StoredRun, Failure> {
    let missing = || Failure::usage(format!("there is no run {id}")).hint("`karat list` shows the runs");
    store.run(id)?.ok_or_else(missing)
}

fn header(store: &Store, target: &RunTarget<'_>, repeats: u32, selection: &Selection) -> Result<RunHeader, Failure> {
    let examples = target.set.selected;
    if examples == 0 {
        return Err(Failure::data(format!("no example of {} is left to run", target.set.label()))
            .hint("loosen --filter or --limit; retired examples are never run"));
    }
    let mut header = RunHeader {
        run_id: uuid::Uuid::now_v7().to_string(),
        suite: target.suite.name.clone(),
        suite_version: target.suite.version.clone(),
        dataset: target.set.name.clone(),
        dataset_version: target.set.version.clone(),
        endpoint: target.asked.endpoint.name().to_owned(),
        endpoint_fingerprint: target.asked.endpoint.fingerprint().to_owned(),
        prompt: target.prompt.name.clone(),
        repeats,
        selection: selection.to_text()?,
        total: examples * repeats as usize,
        // What one command began has one time, also where it goes on later.
        started_at: target.resumed.unwrap_or(target.now).to_string(),
    };
    if target.options.fixed_id {
        header.run_id = fixed_id(store, &header, target.now)?;
    }
    Ok(header)
}

/// An id that follows from what is run and when, and from how often just that was run before.
fn fixed_id(store: &Store, header: &RunHeader, now: Timestamp) -> Result<String, Failure> {
    let milliseconds = u64::try_from(now.as_millisecond()).unwrap_or(0);
    for time in 0_u32.. {
        let basis = format!("{header:?}").replace(&header.run_id, &time.to_string());
        let hash = blake3::hash(basis.as_bytes());
        let mut bytes = [0; 10];
        bytes.copy_from_slice(&hash.as_bytes()[..10]);
        let id = uuid::Builder::from_unix_timestamp_millis(milliseconds, &bytes).into_uuid().to_string();
        if store.run(&id)?.is_none() {
            return Ok(id);
        }
    }
    Ok(header.run_id.clone())
}

/// Refuses to go on where anything that decides the outcomes changed, and says what.
fn refuse_changed(store: &Store, target: &RunTarget<'_>, run: &StoredRun) -> Result<(), Failure> {
    let old = &run.header;
    let asked_for = Selection { filters: target.options.filters.clone(), limit: target.options.limit };
    let other_selection = asked_for != Selection::default() && asked_for != Selection::of_run(old)?;
    let changed = [
        ("suite", old.suite_version != target.suite.version),
        ("dataset", old.dataset_version != target.set.version),
        ("endpoint", old.endpoint_fingerprint != target.asked.endpoint.fingerprint()),
        ("--limit or --filter", other_selection),
        ("--repeat", target.options.repeats.is_some_and(|repeats| repeats != old.repeats)),
    ];
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
        details.push(format!("endpoint {}: its URL, model, params or headers are not those of the run", old.endpoint));
    }
    if names.contains(&"--limit or --filter") {
        details.push(format!(
            "--limit or --filter: the run has {}",
            if old.selection.is_empty() { "none" } else { &old.selection }
        ));
    }
    if names.contains(&"--repeat") {
        details.push(format!("--repeat: the run has {}", old.repeats));
    }
    Err(Failure::data(format!("the run {} cannot be resumed: changed since then: {}", old.run_id, names.join(", ")))
        .details(details)
        .hint("run without --resume to begin anew, or put back what changed"))
}

/// The parts of the suite that differ, before and after.
fn suite_changes(store: &Store, suite: &Suite, version: &str) -> Result<Vec<String>, Failure> {
    let Some(before) = store.suite_content(&suite.name, version)? else { return Ok(Vec::new()) };
    let read =
        |text: &str| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).unwrap_or_default();
    let (before, after) = (read(&before), read(&suite_content(suite)));
    let keys: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let show = |value: Option<&serde_json::Value>| {
        let text = value.map_or_else(|| "nothing".to_owned(), ToString::to_string);
        match text.char_indices().nth(WIDTH) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    };
    let differs = keys.into_iter().filter(|key| before.get(*key) != after.get(*key));
    Ok(differs
        .flat_map(|key| {
            [format!("suite {key}: - {}", show(before.get(key))), format!("suite {key}: + {}", show(after.get(key)))]
        })
        .collect())
}

/// The examples that differ, by id.
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
