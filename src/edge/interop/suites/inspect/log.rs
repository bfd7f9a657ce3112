//! A log of inspect_ai: its samples as examples, its solvers as a prompt, its model as an endpoint.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::super::draft::{Dataset, Suite, baseline, object, slug};
use super::super::models::{has_reference, key_variable, model_endpoint_at, own_key, reference};
use super::super::{Carried, Sink};
use super::scorers::{self, Graders, reducer};
use super::solvers::{Built, Names};
use super::{draft, only_texts};
use crate::core::domain::{Failure, fingerprint};
use crate::core::tabular::Row;

/// The most names of metadata that are remembered for templates.
const MAX_NAMES: usize = 500;

/// Limits of a run, which an endpoint of karat does not have.
const LIMITS: [&str; 7] =
    ["message_limit", "token_limit", "turn_limit", "time_limit", "working_limit", "cost_limit", "approval"];

/// What a log says apart from its samples.
pub(super) struct Log {
    path: PathBuf,
    eval: Map<String, Value>,
    steps: Vec<Value>,
    /// Settings of the model.
    settings: Map<String, Value>,
    /// Scorers of a log from before they were among the settings.
    scores: Vec<Value>,
    status: String,
    /// Fingerprints of the samples so far, without their epochs.
    ids: HashSet<u128>,
    /// How many examples so far have metadata of a name.
    names: BTreeMap<String, u64>,
}

impl Log {
    /// The log with these fields.
    pub(super) fn new(path: &Path, mut header: Map<String, Value>) -> Self {
        let mut eval = header.remove("eval").map(object).unwrap_or_default();
        let mut plan = header.remove("plan").map(object).unwrap_or_default();
        let list = |value: Option<Value>| match value {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        let mut settings = eval.remove("model_generate_config").map(object).unwrap_or_default();
        let of_task = plan.remove("config").map(object).unwrap_or_default();
        settings.extend(of_task.into_iter().filter(|(_, value)| !value.is_null()));
        let scores = header.get_mut("results").and_then(|results| results.get_mut("scores")).map(Value::take);
        Self {
            path: path.to_owned(),
            steps: list(plan.remove("steps")),
            settings,
            scores: list(scores),
            status: header.get("status").and_then(Value::as_str).unwrap_or_default().to_owned(),
            eval,
            ids: HashSet::new(),
            names: BTreeMap::new(),
        }
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.eval.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty())
    }

    fn config(&self, key: &str) -> Option<&Value> {
        self.eval.get("config")?.get(key).filter(|value| !value.is_null())
    }

    /// The name of the task without its package.
    fn task(&self) -> &str {
        let task = self.text("task").unwrap_or("inspect");
        task.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(task)
    }

    /// Starts the dataset of the log.
    pub(super) fn start<'a>(&self, out: &'a mut dyn Sink) -> Dataset<'a> {
        let of = self.eval.get("dataset").and_then(|dataset| dataset.get("name")).and_then(Value::as_str);
        let source = of.map_or_else(|| "inspect_ai".to_owned(), |name| format!("inspect_ai, dataset {name}"));
        let usual = || format!("Samples of the inspect_ai task {}.", self.task());
        let description = self.text("task_description").map_or_else(usual, str::to_owned);
        Dataset::start(out, self.path.clone(), self.task(), json!({"description": description, "source": source}))
    }

    /// Adds a sample, unless another epoch of it was added.
    ///
    /// # Errors
    /// A failure of the sink.
    pub(super) fn sample(&mut self, row: Row, dataset: &mut Dataset<'_>) -> Result<(), Failure> {
        let mut fields = match row.fields {
            Ok(fields) => fields,
            Err(reason) => {
                dataset.bad(row.line, reason);
                return Ok(());
            }
        };
        let id = fields.get("id").filter(|id| !id.is_null()).map(ToString::to_string);
        if id.is_some_and(|id| !self.ids.insert(fingerprint(&id))) {
            return Ok(());
        }
        match draft(row.line, &mut fields, dataset) {
            Ok(draft) => {
                for name in draft.metadata.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name) {
                    if self.names.len() < MAX_NAMES || self.names.contains_key(name) {
                        *self.names.entry(name.clone()).or_default() += 1;
                    }
                }
                dataset.add(row.line, draft)
            }
            Err(reason) => {
                dataset.bad(row.line, reason);
                Ok(())
            }
        }
    }

    /// Adds the suite of the log.
    ///
    /// # Errors
    /// A data failure if there are no samples.
    pub(super) fn finish(&self, dataset: &mut Dataset<'_>) -> Result<(), Failure> {
        dataset.enter(self.path.clone());
        if dataset.is_empty() {
            return Err(Failure::data(format!("{} contains no samples", self.path.display()))
                .hint("import the dataset of the task, or a log that was written with its samples (log_samples)"));
        }
        self.note_run(dataset);
        let endpoint = self.endpoint(dataset);
        let mut scorers = self.scorers(dataset);
        if scorers.is_empty() {
            scorers = dataset.seen.scorers();
            dataset.note(
                0,
                "scorers",
                "none of the task's scorers is carried over; the suite has scorers that fit the targets",
            );
        }
        let epochs = self.config("epochs").and_then(Value::as_u64).unwrap_or(1);
        let reduce = reducer(self.config("epochs_reducer"), epochs, dataset);
        if let Some(reduce) = reduce.filter(|_| epochs > 1) {
            for scorer in scorers.iter_mut().filter_map(Value::as_object_mut) {
                scorer.insert("reduce".to_owned(), json!(reduce));
            }
        }
        let prompt = self.prompt(dataset);
        let description = format!("The inspect_ai task {}.", self.task());
        dataset.suite(Suite { description, prompt, endpoints: vec![endpoint], scorers, repeat: epochs });
        Ok(())
    }

    /// Reports what about the run itself is not carried over.
    fn note_run(&self, dataset: &mut Dataset<'_>) {
        if !self.status.is_empty() && self.status != "success" {
            let status: String = self.status.chars().take(20).collect();
            dataset.note(
                0,
                "status",
                format!("the run ended as \"{status}\"; samples that it did not log are missing"),
            );
        }
        let all = self.eval.get("dataset").and_then(|dataset| dataset.get("samples")).and_then(Value::as_u64);
        if let Some(all) = all.filter(|all| *all > dataset.seen.rows) {
            dataset.note(
                0,
                "samples",
                format!("the log has {} of the {all} samples of its dataset", dataset.seen.rows),
            );
        }
        if self.eval.get("sandbox").is_some_and(|sandbox| !sandbox.is_null()) {
            dataset.note_once(0, "sandbox", super::NO_SANDBOX);
        }
        if self.eval.get("model_args").and_then(Value::as_object).is_some_and(|arguments| !arguments.is_empty()) {
            dataset.note(0, "model_args", "arguments of inspect_ai's client are not carried over");
        }
        let limits: Vec<&str> = LIMITS.into_iter().filter(|name| self.config(name).is_some()).collect();
        if !limits.is_empty() {
            dataset.note(0, "limits", format!("limits of the run are not carried over: {}", limits.join(", ")));
        }
    }

    /// The endpoint of the evaluated model.
    fn endpoint(&self, dataset: &mut Dataset<'_>) -> String {
        let model = self.text("model").unwrap_or("none/none");
        let (params, dropped) = params(&self.settings);
        if !dropped.is_empty() {
            dataset.note(
                0,
                "config",
                format!("these settings of the model are not carried over: {}", dropped.join(", ")),
            );
        }
        let url = self.text("model_base_url").filter(|url| url.starts_with("http"));
        if has_reference(model) || url.is_some_and(has_reference) {
            const WHY: &str = "its name or address has a reference such as ${NAME}, which karat would fill in from your \
                               environment and send there; the suite runs the nearest-neighbour baseline until you add \
                               an endpoint";
            dataset.note(0, "model", WHY);
            return baseline(dataset.out());
        }
        if let Some(name) = model_endpoint_at(dataset.out(), model, url, params.clone()) {
            if let Some(key) = url.and_then(|url| own_key(model, url)) {
                let key = reference(&key);
                let why = format!(
                    "the model ran at an address that is not its provider's: check it in karat.yaml. Its key is {key}, \
                     so that the provider's is not sent there"
                );
                dataset.note(0, "model_base_url", why);
            }
            return name;
        }
        let provider = model.split('/').next().unwrap_or_default();
        if let (Some(url), Some((_, name))) = (url, model.split_once('/')) {
            return compatible(model, name, url, params, dataset);
        }
        let why = format!(
            "the provider {provider} is not known here; the suite runs the nearest-neighbour baseline until you add an \
             endpoint"
        );
        dataset.note(0, "model", why);
        baseline(dataset.out())
    }

    fn scorers(&self, dataset: &mut Dataset<'_>) -> Vec<Value> {
        let graders = Graders { roles: self.eval.get("model_roles"), model: self.text("model") };
        let mut carried = Vec::new();
        for (full, options, metrics) in self.listed() {
            let name = full.rsplit('/').next().unwrap_or(&full);
            scorers::note_metrics(name, metrics, dataset);
            match scorers::carry(name, &options, &graders, dataset) {
                Some(scorer) => {
                    dataset.out().carried(name, Carried::Directly);
                    carried.push(scorer);
                }
                None => dataset.out().carried(name, Carried::Not),
            }
        }
        carried
    }

    /// Names, options and metrics of the scorers; in older logs they are only in the results.
    fn listed(&self) -> Vec<(String, Map<String, Value>, Option<&Value>)> {
        let fields = |scorer: &Value, options: &str| scorer.get(options).cloned().map(object).unwrap_or_default();
        let name = |scorer: &Value, key: &str| scorer.get(key).and_then(Value::as_str).map(str::to_owned);
        match self.eval.get("scorers").and_then(Value::as_array) {
            Some(listed) => listed
                .iter()
                .filter_map(|scorer| Some((name(scorer, "name")?, fields(scorer, "options"), scorer.get("metrics"))))
                .collect(),
            None => self
                .scores
                .iter()
                .filter_map(|score| Some((name(score, "scorer")?, fields(score, "params"), None)))
                .collect(),
        }
    }

    /// The prompt that the solvers build around an input.
    fn prompt(&self, dataset: &mut Dataset<'_>) -> Option<Value> {
        let mut built = Built::new(Names { counts: &self.names, rows: dataset.seen.rows });
        for step in &self.steps {
            let full = step.get("solver").and_then(Value::as_str).unwrap_or_default();
            let solver = full.rsplit('/').next().unwrap_or(full);
            let params = step.get("params").and_then(Value::as_object).cloned().unwrap_or_default();
            if let Err(why) = built.add(solver, &params) {
                dataset.note(0, &format!("solver: {solver}"), why);
            }
        }
        let prompt = built.prompt()?;
        if only_texts(&dataset.seen) {
            return Some(prompt);
        }
        const WHY: &str = "the prompt that the solvers build is not carried over, since inputs are chat messages, \
                           which are sent as they are";
        dataset.note(0, "solvers", WHY);
        None
    }
}

/// The endpoint of a model at an address of its own, which is taken to speak OpenAI's API.
fn compatible(model: &str, name: &str, url: &str, params: Map<String, Value>, dataset: &mut Dataset<'_>) -> String {
    let provider = model.split('/').next().unwrap_or_default();
    // Such as openai-api/SERVICE/MODEL.
    let name = name.split_once('/').filter(|_| provider == "openai-api").map_or(name, |(_, name)| name);
    let key = reference(&key_variable(url));
    let mut definition = object(json!({"type": "openai", "base_url": url, "model": name, "api_key": key}));
    if !params.is_empty() {
        definition.insert("params".to_owned(), Value::Object(params));
    }
    let why = format!("the provider {provider} is taken to speak OpenAI's API at this address, with its key in {key}");
    dataset.note(0, "model", why);
    dataset.out().endpoint(&slug(name), definition)
}

/// Settings of a model as params of requests, and the names of those that have none.
fn params(settings: &Map<String, Value>) -> (Map<String, Value>, Vec<String>) {
    const KNOWN: [&str; 7] =
        ["temperature", "top_p", "max_tokens", "seed", "frequency_penalty", "presence_penalty", "reasoning_effort"];
    const OF_THE_CLIENT: [&str; 6] =
        ["max_retries", "timeout", "attempt_timeout", "stream_idle_timeout", "max_connections", "adaptive_connections"];
    let (mut params, mut dropped) = (Map::new(), Vec::new());
    for (key, value) in settings.iter().filter(|(_, value)| !value.is_null()) {
        match key.as_str() {
            known if KNOWN.contains(&known) => drop(params.insert(key.clone(), value.clone())),
            "stop_seqs" => drop(params.insert("stop".to_owned(), value.clone())),
            other if OF_THE_CLIENT.contains(&other) => {}
            _ => dropped.push(key.clone()),
        }
    }
    (params, dropped)
}
