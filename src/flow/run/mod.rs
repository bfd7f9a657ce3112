//! Runs suites: every prompt on every endpoint, every example as often as the suite says. Outcomes are stored as they
//! arrive, an error never counts as a wrong answer, and an interrupted run can be resumed.

pub(in crate::flow) mod budget;
mod canary;
mod cassette;
mod conversation;
mod dry;
pub(in crate::flow) mod endpoints;
pub(in crate::flow) mod execute;
mod identity;
mod matrix;
mod render;
mod summary;
mod trial;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use self::budget::Budget;
pub use self::canary::{CanaryOptions, run_canary};
use self::cassette::write_cassette;
pub use self::dry::dry_run;
pub use self::endpoints::{ApiProbe, eol_warning, probe_endpoint};
use self::endpoints::{ReadyEndpoint, each_once, endpoint_names, prepare};
use self::execute::Limits;
use self::matrix::{plan_matrix, run_matrix};
use self::render::Renderer;
pub use self::summary::{stored_view, suite_of_run};
use super::compare::check_tag;
pub use super::event::Stopped;
use super::scoring::Evaluators;
use super::stored_dataset::{Selection, StoredDataset, save_set, selected};
use super::{Event, Events, Workspace};
use crate::core::domain::{Failure, NamedPrompt, RunId, Scorer, Suite, did_you_mean};
use crate::core::scoring::{SuiteScorers, uses_assert};
use crate::core::view::RunView;
use crate::edge::config::{example_scorers, suite_content};
use crate::edge::files::AtomicFile;
use crate::edge::net::Limiters;
use crate::edge::store::Store;

/// Options for runs.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Endpoints to call; the suite's if empty.
    pub endpoints: Vec<String>,
    /// Names of the prompts to run; all if empty.
    pub prompts: Vec<String>,
    /// Maximum concurrent requests per host.
    pub concurrency: usize,
    /// Resume runs instead of starting new ones: the one with this id, or the latest of each endpoint and prompt.
    pub resume: Option<Resume>,
    /// Whether to retry trials that ended in an error.
    pub retry_errors: bool,
    /// Which examples to run.
    pub selection: Selection,
    /// Trials per example; the suite's number if `None`.
    pub repeats: Option<u32>,
    /// Whether to use cached responses of earlier runs.
    pub cache: bool,
    /// Maximum total cost, in the currency of the endpoints' prices.
    pub max_cost: Option<f64>,
    /// Maximum total time.
    pub max_time: Option<Duration>,
    /// Where to write a cassette of the run.
    pub record: Option<PathBuf>,
    /// The name that finished runs get.
    pub tag: Option<String>,
    /// Whether the run id is derived from what is run and when, so that repeating a run gives the same bytes.
    pub fixed_id: bool,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            prompts: Vec::new(),
            concurrency: 16,
            resume: None,
            retry_errors: false,
            selection: Selection::default(),
            repeats: None,
            cache: true,
            max_cost: None,
            max_time: None,
            record: None,
            tag: None,
            fixed_id: false,
        }
    }
}

/// Which run to resume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resume {
    /// The latest one of each endpoint and prompt.
    Latest,
    /// The run whose id begins with this.
    Run(String),
}

/// Runs suites one after the other: every prompt of a suite on every endpoint, with the endpoints running concurrently.
///
/// When `stop` becomes true, no further request is sent, finished trials stay stored, and the views mark the runs as
/// unfinished. When the budget is exhausted, requests in flight are still awaited, since they are paid for.
///
/// # Errors
/// A data failure if a suite, dataset or endpoint cannot be used, before anything of that suite is sent; a store
/// failure if outcomes can no longer be stored.
pub async fn run_suites(
    workspace: &Workspace,
    suites: &[Suite],
    options: &RunOptions,
    now: Timestamp,
    stop: watch::Receiver<bool>,
    events: Events<'_>,
) -> Result<(Vec<RunView>, Option<Stopped>), Failure> {
    if options.record.is_some() && suites.len() > 1 {
        return Err(Failure::usage("--record records a single run, but several suites would be run")
            .hint("name only one suite"));
    }
    options.tag.as_deref().map_or(Ok(()), check_tag)?;
    let limits = Limits {
        interrupted: stop,
        deadline: options.max_time.map(|most| (tokio::time::Instant::now() + most, most)),
        budget: Arc::new(Budget::new(options.max_cost)),
    };
    let mut views = Vec::new();
    for suite in suites {
        if let Some(stopped) = run_suite(workspace, suite, options, now, &limits, &mut views, events).await? {
            return Ok((views, Some(stopped)));
        }
    }
    Ok((views, None))
}

/// Runs one suite and adds a view of each run that was started. Returns why it stopped early, if it did.
async fn run_suite(
    workspace: &Workspace,
    suite: &Suite,
    options: &RunOptions,
    now: Timestamp,
    limits: &Limits,
    views: &mut Vec<RunView>,
    events: Events<'_>,
) -> Result<Option<Stopped>, Failure> {
    let prepared = PreparedSuite::new(workspace, suite, options, now, events)?;
    let runs = plan_matrix(workspace, suite, &prepared, options, now, events)?;
    let done = run_matrix(workspace, runs, options, limits, events).await?;
    for run in &done.runs {
        let run_id = &run.planned.header.run_id;
        let view = summary::evaluate(workspace, suite, run_id)?;
        // After its gates were evaluated, which may compare with the run that has the tag until now.
        if let (Some(tag), true, Some(stored)) = (&options.tag, view.finished, workspace.store.run(run_id.as_str())?) {
            workspace.store.tag_run(tag, &stored, now)?;
        }
        views.push(view);
        if let Some(path) = options.record.as_ref().filter(|_| done.stopped.is_none()) {
            write_cassette(&workspace.store, run_id, &run.renderer, path)?;
            events(Event::Note(format!("recorded {}", path.display())));
        }
    }
    Ok(done.stopped)
}

/// A suite prepared to run: everything that is checked before anything is sent.
struct PreparedSuite<'a> {
    set: StoredDataset,
    endpoints: Vec<ReadyEndpoint>,
    prompts: Vec<&'a NamedPrompt>,
    repeats: u32,
    evaluators: Arc<Evaluators>,
}

impl<'a> PreparedSuite<'a> {
    fn new(
        workspace: &Workspace,
        suite: &'a Suite,
        options: &RunOptions,
        now: Timestamp,
        events: Events<'_>,
    ) -> Result<Self, Failure> {
        let set = save_set(workspace, &suite.dataset, &options.selection, now)?;
        let prompts = chosen_prompts(suite, options)?;
        let repeats = options.repeats.unwrap_or(suite.repeats);
        let needed = suite.scorers.iter().map(|scorer| scorer.reduce.trials()).max().unwrap_or(1);
        if needed > repeats && options.resume.is_none() {
            return Err(Failure::data(format!(
                "a scorer of the suite {} needs {needed} repeats, but each example would get only {repeats}",
                suite.name
            ))
            .hint(format!("set \"repeat: {needed}\" in the suite, or pass --repeat {needed}")));
        }
        for prompt in &prompts {
            Renderer::new(suite, prompt, &set, &workspace.secrets)?;
        }
        let limiters = Limiters::default();
        let mut endpoints = Vec::new();
        for name in endpoint_names(&workspace.store, suite, options)? {
            let endpoint = prepare(workspace, &name, suite, &limiters, options.concurrency)?;
            if let Some(warning) = eol_warning(&name, endpoint.eol, now) {
                events(Event::Warning(warning));
            }
            endpoints.push(endpoint);
        }
        let own = example_asserts(workspace, suite, &set)?;
        let scorers = suite.scorers.iter().chain(&own);
        let evaluators = Evaluators::prepare(workspace, suite, scorers, &limiters, options.concurrency)?;
        refuse_options(options, &endpoints, &evaluators, prompts.len())?;
        workspace.store.save_suite(&suite.name, &suite.version, suite_content(suite), now)?;
        Ok(Self { set, endpoints, prompts, repeats, evaluators: Arc::new(evaluators) })
    }

    /// Returns every endpoint with every prompt.
    fn targets(&self) -> impl Iterator<Item = (&ReadyEndpoint, &'a NamedPrompt)> {
        self.endpoints.iter().flat_map(|endpoint| self.prompts.iter().map(move |prompt| (endpoint, *prompt)))
    }
}

/// Reads and checks the scorers of the examples themselves, if the suite evaluates them. Returns those that need something
/// outside karat.
fn example_asserts(workspace: &Workspace, suite: &Suite, set: &StoredDataset) -> Result<Vec<Scorer>, Failure> {
    if !suite.scorers.iter().any(uses_assert) {
        return Ok(Vec::new());
    }
    let scorers = SuiteScorers::new(&suite.scorers, &suite.vars, example_scorers)
        .map_err(|error| Failure::data(format!("suites/{}.yaml: {error}", suite.name)))?;
    let (mut external, mut faults) = (Vec::new(), Vec::new());
    for example in selected(&workspace.store, &set.name, &set.version, &Selection::default())? {
        let example = example?;
        if let Err(fault) = scorers.check(&example) {
            faults.push(format!("example {}: {fault}", example.id));
            continue;
        }
        let own = example.assert.as_ref().and_then(|assert| example_scorers(assert).ok()).unwrap_or_default();
        external.extend(own.into_iter().filter(|scorer| !scorer.external_parts().is_empty()));
    }
    match faults.is_empty() {
        true => Ok(external),
        false => {
            Err(Failure::data(format!("{} of the dataset {} cannot be used", "\"assert\"", set.name)).details(faults))
        }
    }
}

/// Refuses options that cannot be honored with these endpoints.
fn refuse_options(
    options: &RunOptions,
    endpoints: &[ReadyEndpoint],
    evaluators: &Evaluators,
    prompts: usize,
) -> Result<(), Failure> {
    if let Some(path) = &options.record {
        if endpoints.len() * prompts > 1 {
            return Err(Failure::usage("--record records a single run, but several endpoints or prompts would be run")
                .hint("choose one with -e and --prompt"));
        }
        // Checked now, rather than after the whole run was paid for.
        AtomicFile::create(path)?;
    }
    let unpriced = endpoints.iter().find(|endpoint| endpoint.costs && endpoint.price.is_none());
    let unpriced = unpriced.map(|endpoint| endpoint.endpoint.name()).or_else(|| evaluators.unpriced());
    unpriced.filter(|_| options.max_cost.is_some()).map_or(Ok(()), |name| Err(no_price(name)))
}

/// The failure of a budget for an endpoint without a price.
pub(in crate::flow) fn no_price(name: &str) -> Failure {
    let example = "{input: 0.15, output: 0.6} per million tokens";
    Failure::data(format!("--max-cost cannot be honored: the endpoint {name} has no price"))
        .hint(format!("set endpoints.{name}.price in karat.yaml, for example {example}"))
}

fn chosen_prompts<'a>(suite: &'a Suite, options: &RunOptions) -> Result<Vec<&'a NamedPrompt>, Failure> {
    if options.prompts.is_empty() {
        return Ok(suite.prompts.iter().collect());
    }
    let names: Vec<&str> = suite.prompts.iter().filter_map(|prompt| prompt.name.as_deref()).collect();
    let find = |name: &String| {
        let found = suite.prompts.iter().find(|prompt| prompt.name.as_ref() == Some(name));
        found.ok_or_else(|| {
            let hint = match names.as_slice() {
                [] => "the suite has a single prompt without a name".to_owned(),
                names => did_you_mean(name, names, "there are"),
            };
            Failure::usage(format!("the suite {} has no prompt \"{name}\"", suite.name)).hint(hint)
        })
    };
    each_once(options.prompts.iter()).map(find).collect()
}

/// Maximum age of a cached answer; `None` if the cache is not used.
fn cache_ttl(workspace: &Workspace, options: &RunOptions) -> Option<Duration> {
    Some(workspace.config.cache_ttl).filter(|ttl| options.cache && !ttl.is_zero())
}

/// Returns how far back cached answers may be used; `None` if none may. Uses the clock even if the run is given another
/// current time, since the ages of answers are measured by the clock.
fn cache_since(
    store: &Store,
    ttl: Option<Duration>,
    endpoint: &ReadyEndpoint,
    run_id: Option<&RunId>,
) -> Result<Option<Timestamp>, Failure> {
    let Some(ttl) = ttl.filter(|_| endpoint.endpoint.is_cacheable()) else { return Ok(None) };
    let since = Timestamp::now().checked_sub(ttl).unwrap_or(Timestamp::MIN);
    Ok(store.was_called_before(endpoint.endpoint.fingerprint(), run_id)?.then_some(since))
}
