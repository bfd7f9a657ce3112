//! Runs a suite on endpoints: asks, scores, keeps every outcome as it comes.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Event, Events, Workbench};
use crate::core::domain::{
    CallError, CallErrorKind, Dataset, Endpoint, Example, ExampleStatus, Failure, FailureKind, Outcome, OutcomeResult,
    Request, Suite, nearest,
};
use crate::core::prompt::CompiledPrompt;
use crate::core::quality::{RunIdentity, run_view};
use crate::core::scoring::CompiledScorers;
use crate::core::view::RunView;
use crate::edge::config::{EndpointSettings, suite_content};
use crate::edge::endpoint::{Baseline, BaselineMemory, OpenAiEndpoint, OpenAiSettings};
use crate::edge::net::{ClientOptions, RetryPolicy, client};
use crate::edge::store::{RunHeader, Store, StoredRun};

/// How a run is done.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Endpoints asked; the suite's where empty.
    pub endpoints: Vec<String>,
    /// Requests under way at once.
    pub concurrency: usize,
    /// Continue unfinished runs instead of beginning anew: the one with this id, or every endpoint's latest.
    pub resume: Option<Resume>,
    /// Only the first so many examples.
    pub limit: Option<usize>,
    /// Only examples with this tag, or with this metadata value.
    pub filters: Vec<(String, String)>,
}

/// Which run to continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resume {
    /// The latest unfinished one of each endpoint.
    Latest,
    /// The one whose id begins so.
    Run(String),
}

/// One suite, ready to be run on one endpoint.
struct Plan {
    header: RunHeader,
    /// Examples still to be asked, of those in the run.
    open: Vec<Example>,
    endpoint: Arc<dyn Endpoint>,
}

/// What every call of a suite needs.
struct Shared {
    prompt: CompiledPrompt,
    scorers: CompiledScorers,
}

/// Runs one suite on its endpoints, one after the other, and gives a view of each run.
///
/// When `stop` turns true, no further request is sent, what was answered is kept, and the views say that the runs are
/// unfinished.
///
/// # Errors
/// A data failure for a suite, dataset or endpoint that cannot be used, before anything is sent; a store failure when
/// outcomes can no longer be kept.
pub async fn run_suite(
    bench: &Workbench,
    suite: &Suite,
    options: &RunOptions,
    now: Timestamp,
    stop: watch::Receiver<bool>,
    events: Events<'_>,
) -> Result<Vec<RunView>, Failure> {
    let dataset = bench.dataset(&suite.dataset)?;
    let shared = Arc::new(compile(suite, &dataset)?);
    let examples = selected(&dataset, options)?;
    let mut endpoints: Vec<Arc<dyn Endpoint>> = Vec::new();
    for name in endpoint_names(&bench.store, suite, options)? {
        endpoints.push(build_endpoint(bench, &name, suite, &dataset)?);
    }
    bench.store.keep_dataset(&dataset, &now.to_string())?;
    bench.store.keep_suite(&suite.name, &suite.version, suite_content(suite), &now.to_string())?;
    let mut views = Vec::new();
    for endpoint in endpoints {
        let plan = plan(bench, suite, &dataset, &examples, endpoint, options, now)?;
        let run_id = plan.header.run_id.clone();
        ask_all(&bench.store, plan, &shared, options.concurrency, stop.clone(), events).await?;
        views.push(stored_view(&bench.store, suite, &examples, &run_id)?);
        if *stop.borrow() {
            break;
        }
    }
    Ok(views)
}

/// The view of a run as it is kept.
///
/// # Errors
/// A store failure.
pub fn stored_view(store: &Store, suite: &Suite, examples: &[Example], run_id: &str) -> Result<RunView, Failure> {
    let run =
        store.run(run_id)?.ok_or_else(|| Failure::store(format!("the run {run_id} is gone from the database")))?;
    let identity = RunIdentity {
        run_id: run.header.run_id,
        dataset_version: run.header.dataset_version,
        endpoint: run.header.endpoint,
        started_at: run.header.started_at,
        finished: run.finished_at.is_some(),
        total: run.header.total,
    };
    Ok(run_view(identity, suite, examples, &store.outcomes(run_id)?))
}

fn compile(suite: &Suite, dataset: &Dataset) -> Result<Shared, Failure> {
    let place = |error: &dyn std::fmt::Display| Failure::data(format!("suites/{}.yaml: {error}", suite.name));
    let prompt = CompiledPrompt::compile(&suite.prompt, &dataset.card.labels).map_err(|error| place(&error))?;
    let scorers = CompiledScorers::compile(&suite.scorers).map_err(|error| place(&error))?;
    Ok(Shared { prompt, scorers })
}

/// The examples a run asks: not retired, and within filter and limit.
fn selected(dataset: &Dataset, options: &RunOptions) -> Result<Vec<Example>, Failure> {
    let kept = dataset.examples.iter().filter(|example| example.status != ExampleStatus::Retired);
    let matching = kept.filter(|example| options.filters.iter().all(|(key, value)| matches(example, key, value)));
    let examples: Vec<Example> = matching.take(options.limit.unwrap_or(usize::MAX)).cloned().collect();
    if examples.is_empty() {
        return Err(Failure::data(format!("no example of {} is left to run", dataset.label()))
            .hint("loosen --filter or --limit; retired examples are never run"));
    }
    Ok(examples)
}

fn matches(example: &Example, key: &str, value: &str) -> bool {
    match key {
        "tag" => example.tags.iter().any(|tag| tag == value),
        "id" => example.id == value,
        _ => example.metadata.get(key).and_then(serde_json::Value::as_str) == Some(value),
    }
}

fn endpoint_names(store: &Store, suite: &Suite, options: &RunOptions) -> Result<Vec<String>, Failure> {
    if let (Some(Resume::Run(id)), true) = (&options.resume, options.endpoints.is_empty()) {
        return Ok(vec![run_by_id(store, id)?.header.endpoint]);
    }
    let names = if options.endpoints.is_empty() { &suite.endpoints } else { &options.endpoints };
    if names.is_empty() {
        return Err(Failure::data(format!("the suite {} names no endpoint", suite.name))
            .hint("add \"endpoints: [NAME]\" or pass -e NAME"));
    }
    Ok(names.clone())
}

fn build_endpoint(
    bench: &Workbench,
    name: &str,
    suite: &Suite,
    dataset: &Dataset,
) -> Result<Arc<dyn Endpoint>, Failure> {
    let Some(settings) = bench.workspace.endpoints.get(name) else {
        let known: Vec<_> = bench.workspace.endpoints.keys().map(String::as_str).collect();
        let hint = match nearest(name, &known) {
            Some(nearest) => format!("did you mean \"{nearest}\"? Defined are {}", known.join(", ")),
            None if known.is_empty() => "none is defined".to_owned(),
            None => format!("defined are {}", known.join(", ")),
        };
        return Err(Failure::data(format!(
            "there is no endpoint \"{name}\" in karat.yaml (asked for by the suite {})",
            suite.name
        ))
        .hint(hint));
    };
    match settings {
        EndpointSettings::Baseline { dataset: labelled, k } => {
            let labelled = match labelled {
                Some(other) if *other != dataset.name => &bench.dataset(other)?,
                _ => dataset,
            };
            let memory = memory(bench, labelled)?;
            bench.check_server()?;
            Ok(Arc::new(Baseline::new(name.to_owned(), *k, memory, bench.embedder.clone())))
        }
        EndpointSettings::OpenAi { base_url, model, api_key, headers, params, timeout, max_retries } => {
            let key = |part: &str| format!("endpoints.{name}.{part}");
            let expand = |part: &str, text: &str| bench.secrets.expand(&key(part), text);
            let headers = headers
                .iter()
                .map(|(header, value)| Ok((header.clone(), expand(&format!("headers.{header}"), value)?.into())));
            let settings = OpenAiSettings {
                name: name.to_owned(),
                base_url: expand("base_url", base_url)?,
                model: expand("model", model)?,
                api_key: api_key.as_ref().map(|text| expand("api_key", text).map(Into::into)).transpose()?,
                headers: headers.collect::<Result<_, Failure>>()?,
                params: params.clone(),
                timeout: *timeout,
                retry: RetryPolicy { max_retries: *max_retries, ..RetryPolicy::default() },
            };
            let http = client(&ClientOptions::for_attempts_of(*timeout), &settings.base_url)?;
            Ok(Arc::new(OpenAiEndpoint::new(settings, http)?))
        }
    }
}

fn memory(bench: &Workbench, dataset: &Dataset) -> Result<BaselineMemory, Failure> {
    let labelled: Vec<_> = dataset
        .examples
        .iter()
        .filter(|example| example.status != ExampleStatus::Retired)
        .filter_map(|example| example.label().map(|label| (example.id.clone(), example.text(), label)))
        .collect();
    if labelled.is_empty() {
        return Err(Failure::data(format!(
            "the baseline has nothing to learn from: no example of {} has an expected answer",
            dataset.name
        )));
    }
    let texts: Vec<String> = labelled.iter().map(|(_, text, _)| text.clone()).collect();
    let vectors = bench.embed(&texts.iter().map(String::as_str).collect::<Vec<_>>(), &|_| ())?;
    Ok(BaselineMemory {
        version: dataset.version.clone(),
        ids: labelled.iter().map(|(id, ..)| id.clone()).collect(),
        labels: labelled.into_iter().map(|(.., label)| label).collect(),
        texts,
        vectors,
    })
}

fn plan(
    bench: &Workbench,
    suite: &Suite,
    dataset: &Dataset,
    examples: &[Example],
    endpoint: Arc<dyn Endpoint>,
    options: &RunOptions,
    now: Timestamp,
) -> Result<Plan, Failure> {
    let header = RunHeader {
        run_id: uuid::Uuid::now_v7().to_string(),
        suite: suite.name.clone(),
        suite_version: suite.version.clone(),
        dataset: dataset.name.clone(),
        dataset_version: dataset.version.clone(),
        endpoint: endpoint.name().to_owned(),
        endpoint_fingerprint: endpoint.fingerprint().to_owned(),
        total: examples.len(),
        started_at: now.to_string(),
    };
    let earlier = match &options.resume {
        None => None,
        Some(Resume::Latest) => bench.store.latest_unfinished_run(&suite.name, endpoint.name())?,
        Some(Resume::Run(id)) => Some(resumable(&bench.store, id, &header)?),
    };
    let Some(run) = earlier else {
        bench.store.begin_run(header.clone())?;
        return Ok(Plan { header, open: examples.to_vec(), endpoint });
    };
    refuse_changed(&run.header, &header)?;
    let done: HashSet<String> =
        bench.store.outcomes(&run.header.run_id)?.into_iter().map(|outcome| outcome.example_id).collect();
    let open = examples.iter().filter(|example| !done.contains(&example.id)).cloned().collect();
    Ok(Plan { header: run.header, open, endpoint })
}

fn run_by_id(store: &Store, id: &str) -> Result<StoredRun, Failure> {
    let missing = || Failure::usage(format!("there is no run {id}")).hint("`karat list` shows the runs");
    store.run(id)?.ok_or_else(missing)
}

fn resumable(store: &Store, id: &str, header: &RunHeader) -> Result<StoredRun, Failure> {
    let run = run_by_id(store, id)?;
    if run.header.suite != header.suite || run.header.endpoint != header.endpoint {
        let h = run.header;
        return Err(Failure::usage(format!("the run {id} is of the suite {} on {}", h.suite, h.endpoint))
            .hint(format!("karat run {} -e {} --resume {id}", h.suite, h.endpoint)));
    }
    Ok(run)
}

/// Outcomes of two versions never stand in one run.
fn refuse_changed(old: &RunHeader, new: &RunHeader) -> Result<(), Failure> {
    let changed = [
        ("suite", old.suite_version == new.suite_version),
        ("dataset", old.dataset_version == new.dataset_version),
        ("endpoint", old.endpoint_fingerprint == new.endpoint_fingerprint),
        ("--limit or --filter", old.total == new.total),
    ];
    let changed: Vec<_> = changed.into_iter().filter(|(_, same)| !same).map(|(what, _)| what).collect();
    if changed.is_empty() {
        return Ok(());
    }
    Err(Failure::data(format!("the run {} cannot be resumed: changed since then: {}", old.run_id, changed.join(", ")))
        .hint("run without --resume to begin anew, or put back what changed"))
}

async fn ask_all(
    store: &Arc<Store>,
    plan: Plan,
    shared: &Arc<Shared>,
    concurrency: usize,
    mut stop: watch::Receiver<bool>,
    events: Events<'_>,
) -> Result<(), Failure> {
    let Plan { header, open, endpoint } = plan;
    let done = header.total.saturating_sub(open.len());
    let what = format!("{} on {}", header.suite, header.endpoint);
    events(Event::Began { what, total: header.total as u64, done: done as u64 });
    let mut under_way = JoinSet::new();
    let mut waiting = open.into_iter();
    let mut stopped = *stop.borrow();
    loop {
        while !stopped && under_way.len() < concurrency.max(1) {
            let Some(example) = waiting.next() else { break };
            let (endpoint, shared, store) = (endpoint.clone(), shared.clone(), store.clone());
            let run_id = header.run_id.clone();
            under_way.spawn(async move {
                let outcome = ask(endpoint.as_ref(), &shared, &example).await;
                let errored = matches!(outcome.result, OutcomeResult::Failed(_));
                // Only what is on disk counts as done.
                store.record_outcome(&run_id, outcome).wait().await.map(|()| errored)
            });
        }
        tokio::select! {
            finished = under_way.join_next() => match finished {
                None => break,
                Some(Ok(kept)) => events(Event::Advanced { steps: 1, errors: u64::from(kept?) }),
                Some(Err(broken)) => return Err(Failure::new(FailureKind::Other, "a call ended in a bug of karat").caused_by(broken)),
            },
            Ok(()) = stop.changed(), if !stopped => {
                stopped = *stop.borrow();
                if stopped {
                    // What is under way was not answered yet: it is asked again on --resume.
                    under_way.abort_all();
                    while under_way.join_next().await.is_some() {}
                    break;
                }
            }
        }
    }
    events(Event::Ended);
    if !stopped {
        store.finish_run(&header.run_id, &Timestamp::now().to_string())?;
    }
    Ok(())
}

async fn ask(endpoint: &dyn Endpoint, shared: &Shared, example: &Example) -> Outcome {
    let result = match shared.prompt.render(example) {
        Err(message) => OutcomeResult::Failed(CallError::new(CallErrorKind::Prompt, message)),
        Ok(messages) => {
            let request = Request { example_id: example.id.clone(), input: example.text(), messages };
            match endpoint.call(&request).await {
                Err(error) => OutcomeResult::Failed(error),
                Ok(response) => {
                    let scores = shared.scorers.score(&response.output, example);
                    OutcomeResult::Answered { response, scores }
                }
            }
        }
    };
    Outcome { example_id: example.id.clone(), trial: 0, result }
}
