//! The history of a suite: its runs, the nights on which the score changed, and what changed then.

use std::collections::{BTreeMap, BTreeSet};

use super::Workspace;
use super::compare::baseline::edited;
use super::run::suite_of_run;
use crate::core::compare::example_score;
use crate::core::domain::{Failure, short};
use crate::core::trend::{Night, changes};
use crate::core::view::{HistoryLine, HistoryView, NightView, ScoreChangeView, ScoreView};
use crate::edge::config::changed_keys;
use crate::edge::store::{PastRun, Store};

/// The last `limit` finished runs of a suite on each endpoint and prompt.
///
/// # Errors
/// A data failure if there are none; a store failure.
pub fn history(workspace: &Workspace, suite: &str, limit: usize) -> Result<HistoryView, Failure> {
    let store = &workspace.store;
    let mut lines: BTreeMap<(String, Option<String>), Vec<PastRun>> = BTreeMap::new();
    for run in store.finished_runs(suite, None, limit.saturating_mul(20))? {
        // A run of a part of the golden set is not a night of its history.
        if !run.header.selection.is_empty() {
            continue;
        }
        let line = lines.entry((run.header.endpoint.clone(), run.header.prompt.clone())).or_default();
        if line.len() < limit {
            line.push(store.past_run(run)?);
        }
    }
    if lines.is_empty() {
        return Err(Failure::data(format!("the suite {suite} has no finished run yet"))
            .hint(format!("run it with `karat run {suite}`")));
    }
    let lines = lines.into_iter().map(|((endpoint, prompt), mut runs)| {
        runs.reverse();
        line(store, endpoint, prompt, &runs)
    });
    Ok(HistoryView {
        schema: "karat.history/1".into(),
        suite: suite.to_owned(),
        lines: lines.collect::<Result<_, Failure>>()?,
    })
}

/// The history on one endpoint with one prompt; `runs` are oldest first.
fn line(store: &Store, endpoint: String, prompt: Option<String>, runs: &[PastRun]) -> Result<HistoryLine, Failure> {
    let mut nights = Vec::new();
    let mut scorer = String::new();
    let mut means = Vec::new();
    for (place, past) in runs.iter().enumerate() {
        let header = &past.run.header;
        let suite = suite_of_run(store, header)?;
        let primary = suite.scorers.first().map(|scorer| scorer.name.clone()).unwrap_or_default();
        let scores = store.run_scores(&header.run_id, &suite.scorers)?;
        let reducer = suite.scorers.first().map(|scorer| scorer.reduce).unwrap_or_default();
        let of_examples = scores
            .examples
            .iter()
            .filter_map(|example| Some((example.id.clone(), example_score(reducer, &example.values(0))?)));
        let of_examples: BTreeMap<String, f64> = of_examples.collect();
        let before = place.checked_sub(1).and_then(|before| runs.get(before));
        let edited = before.map_or(Ok(BTreeSet::new()), |before| edited(store, &before.run.header, header))?;
        means.push(past.scores.get(&primary).copied().unwrap_or_else(|| mean(&of_examples)));
        // Another scorer starts a history of its own.
        let edited = if primary == scorer { edited } else { of_examples.keys().cloned().collect() };
        scorer = primary;
        nights.push(Night { scores: of_examples, edited });
    }
    let tags = store.run_tags()?;
    let mut views = Vec::new();
    for (place, (past, change)) in runs.iter().zip(changes(&nights)).enumerate() {
        let header = &past.run.header;
        let before = place.checked_sub(1).and_then(|before| runs.get(before));
        views.push(NightView {
            run_id: header.run_id.as_str().to_owned(),
            started_at: header.started_at.to_string(),
            score: means.get(place).copied().unwrap_or_else(|| mean(&BTreeMap::new())),
            verdict: past.verdict,
            change: change.map(|found| ScoreChangeView {
                difference: found.difference,
                lo: found.interval.lo,
                hi: found.interval.hi,
            }),
            parity: past.parity.as_ref().map(|parity| parity.measures.clone()).unwrap_or_default(),
            changed: before.map_or(Ok(Vec::new()), |before| changed(store, before, past))?,
            tags: tags.iter().filter(|tag| tag.run_id == header.run_id).map(|tag| tag.tag.clone()).collect(),
        });
    }
    Ok(HistoryLine { endpoint, prompt, scorer, nights: views })
}

fn mean(scores: &BTreeMap<String, f64>) -> ScoreView {
    let n = scores.len();
    ScoreView { mean: (n > 0).then(|| scores.values().sum::<f64>() / n as f64), lo: None, hi: None, n }
}

/// What differs between two runs, in words.
fn changed(store: &Store, before: &PastRun, after: &PastRun) -> Result<Vec<String>, Failure> {
    let (old, new) = (&before.run.header, &after.run.header);
    let mut changed = Vec::new();
    if before.models != after.models && !before.models.is_empty() && !after.models.is_empty() {
        changed.push(format!("model ({} → {})", before.models.join(", "), after.models.join(", ")));
    }
    if old.dataset_version != new.dataset_version {
        changed.push(format!("dataset ({} → {})", short(&old.dataset_version, 6), short(&new.dataset_version, 6)));
    }
    if old.suite_version != new.suite_version {
        let content = |version: &str| store.suite_content(&new.suite, version);
        changed.extend(match (content(&old.suite_version)?, content(&new.suite_version)?) {
            (Some(old), Some(new)) => changed_keys(&old, &new)?.into_iter().map(|(key, ..)| key).collect(),
            _ => vec!["suite".to_owned()],
        });
    }
    if old.endpoint_fingerprint != new.endpoint_fingerprint {
        changed.push("endpoint settings".to_owned());
    }
    if old.repeats != new.repeats {
        changed.push(format!("repeats ({} → {})", old.repeats, new.repeats));
    }
    Ok(changed)
}
