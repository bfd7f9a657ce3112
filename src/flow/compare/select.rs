//! Finds the run that a word on the command line means.

use super::baseline::LAST_PASS;
use crate::core::domain::{Failure, did_you_mean, short};
use crate::core::verdict::Verdict;
use crate::edge::store::{RunHeader, Store, StoredRun};

/// The word for the latest run.
const LAST: &str = "last";

/// Largest number of finished runs searched.
const SEARCHED: usize = 5_000;

/// What runs must have in common with each other or with the command line.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Suite.
    pub suite: Option<String>,
    /// Endpoint.
    pub endpoint: Option<String>,
    /// Prompt.
    pub prompt: Option<String>,
}

impl Scope {
    fn takes(&self, run: &RunHeader) -> bool {
        let same = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        same(&self.suite, &run.suite)
            && same(&self.endpoint, &run.endpoint)
            && same(&self.prompt, run.prompt.as_deref().unwrap_or_default())
    }
}

/// Finds a finished run by one of these, in this order: a run id or its beginning (of at least 6 characters), a tag,
/// `last`, `last-pass`, an endpoint, a prompt, a suite, or a version of a suite or dataset as `NAME@VERSION` or `@VERSION`.
/// Among several, the latest is meant; among equally good ones, that which has most in common with `like`.
///
/// # Errors
/// A usage failure if there is no such run, or if the beginning of an id fits several.
pub fn find_run(store: &Store, word: &str, scope: &Scope, like: Option<&RunHeader>) -> Result<StoredRun, Failure> {
    if word.len() >= 6
        && let Some(run) = store.run(word)?
    {
        return Ok(run);
    }
    let runs: Vec<StoredRun> =
        store.recent_finished_runs(SEARCHED)?.into_iter().filter(|run| scope.takes(&run.header)).collect();
    for fits in meanings(store, word)? {
        let mut found: Vec<&StoredRun> = runs.iter().filter(|run| fits(&run.header)).collect();
        // Stable: the latest stays first among equals.
        found.sort_by_key(|run| like.map_or(0, |like| -shared(&run.header, like)));
        if word == LAST_PASS {
            let mut passed = None;
            for run in found {
                if store.past_run(run.clone())?.verdict == Some(Verdict::Pass) {
                    passed = Some(run.clone());
                    break;
                }
            }
            if let Some(run) = passed {
                return Ok(run);
            }
        } else if let Some(run) = found.first() {
            return Ok((*run).clone());
        }
    }
    Err(missing(word, &runs))
}

/// Checks that a word can be a tag.
///
/// # Errors
/// A usage failure if it means something else already, or has characters that a tag may not have.
pub fn check_tag(tag: &str) -> Result<(), Failure> {
    let plain = !tag.is_empty() && tag.chars().all(|c| c.is_alphanumeric() || "-_./".contains(c));
    if !plain || tag == LAST || tag == LAST_PASS {
        return Err(Failure::usage(format!("\"{tag}\" cannot be a tag"))
            .hint("use letters, digits and - _ . / such as main or release/2.1; last and last-pass have a meaning"));
    }
    Ok(())
}

/// How much two runs have in common.
fn shared(run: &RunHeader, like: &RunHeader) -> i32 {
    let same = |yes: bool, weight: i32| if yes { weight } else { 0 };
    same(run.suite == like.suite, 8)
        + same(run.dataset == like.dataset, 4)
        + same(run.endpoint == like.endpoint, 2)
        + same(run.prompt == like.prompt, 1)
}

type Fits<'a> = Box<dyn Fn(&RunHeader) -> bool + 'a>;

/// What a word may mean, the most specific meaning first.
fn meanings<'a>(store: &Store, word: &'a str) -> Result<Vec<Fits<'a>>, Failure> {
    let tagged: Vec<_> = store.run_tags()?.into_iter().filter(|tag| tag.tag == word).map(|tag| tag.run_id).collect();
    if !tagged.is_empty() {
        return Ok(vec![Box::new(move |run| tagged.contains(&run.run_id))]);
    }
    if word == LAST || word == LAST_PASS {
        return Ok(vec![Box::new(|_| true)]);
    }
    if let Some((name, version)) = word.split_once('@') {
        let named = move |found: &str| name.is_empty() || found == name;
        return Ok(vec![
            Box::new(move |run| named(&run.dataset) && run.dataset_version.starts_with(version)),
            Box::new(move |run| named(&run.suite) && run.suite_version.starts_with(version)),
        ]);
    }
    Ok(vec![
        Box::new(move |run| run.endpoint == word),
        Box::new(move |run| run.prompt.as_deref() == Some(word)),
        Box::new(move |run| run.suite == word),
    ])
}

fn missing(word: &str, runs: &[StoredRun]) -> Failure {
    if runs.is_empty() {
        return Failure::usage("there is no finished run to compare").hint("run a suite with `karat run SUITE` first");
    }
    let mut known: Vec<&str> =
        runs.iter().flat_map(|run| [run.header.endpoint.as_str(), run.header.suite.as_str()]).collect();
    known.extend(runs.iter().filter_map(|run| run.header.prompt.as_deref()));
    known.sort_unstable();
    known.dedup();
    let latest = runs
        .first()
        .map_or_else(String::new, |run| format!("; the latest run is {}", short(run.header.run_id.as_str(), 18)));
    Failure::usage(format!("no finished run is meant by \"{word}\""))
        .hint(format!("{}{latest}; `karat list` shows the runs", did_you_mean(word, &known, "runs exist of")))
}
