//! Looks endpoints up by name and makes them ready to be called.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::civil::Date;

use super::{Resume, RunOptions};
use crate::core::domain::{Dataset, Endpoint, Example, ExampleStatus, Failure, FailureKind, Suite, did_you_mean};
use crate::core::pricing::{Price, answer_limit};
use crate::edge::config::{
    ApiDefinition, ApiDialect, BaselineDefinition, EndpointDefinition, EndpointSettings, ExecDefinition,
    ReplayDefinition, Secrets, definition_of_id,
};
use crate::edge::endpoint::{
    Anthropic, ApiEndpoint, ApiSettings, Baseline, BaselineMemory, Dialect, ExecEndpoint, ExecSettings, Gemini,
    HttpApi, HttpTemplate, LabelledExample, OpenAiChat, OpenAiResponses, Replay,
};
use crate::edge::net::{ClientOptions, Limiters, RetryPolicy, client};
use crate::edge::store::{Store, StoredRun};
use crate::flow::Workspace;

/// How many days before a model's end of life the warnings start.
const EOL_AHEAD: i64 = 60;

/// An endpoint ready to be called, with what is known about its costs.
#[derive(Clone)]
pub(in crate::flow) struct ReadyEndpoint {
    pub endpoint: Arc<dyn Endpoint>,
    pub price: Option<Price>,
    pub eol: Option<Date>,
    /// Whether calls cost money, as far as karat knows.
    pub costs: bool,
    /// Maximum number of tokens in an answer, if its params set one.
    pub answer_limit: Option<u64>,
}

/// Names of the endpoints to run, without repetitions: those of the options, of the resumed run, or of the suite.
pub(super) fn endpoint_names(store: &Store, suite: &Suite, options: &RunOptions) -> Result<Vec<String>, Failure> {
    if let (Some(Resume::Run(id)), true) = (&options.resume, options.endpoints.is_empty()) {
        return Ok(vec![run_by_id(store, id)?.header.endpoint]);
    }
    let names = if options.endpoints.is_empty() { &suite.endpoints } else { &options.endpoints };
    if names.is_empty() {
        return Err(Failure::data(format!("the suite {} lists no endpoints", suite.name))
            .hint("add \"endpoints: [NAME]\" to the suite, or pass -e NAME"));
    }
    Ok(each_once(names.iter()).cloned().collect())
}

/// The items without repetitions, in order.
pub(super) fn each_once<'a, T: PartialEq + 'a>(items: impl Iterator<Item = &'a T>) -> impl Iterator<Item = &'a T> {
    let mut seen: Vec<&T> = Vec::new();
    items.filter(move |item| {
        let is_new = !seen.contains(item);
        if is_new {
            seen.push(item);
        }
        is_new
    })
}

/// Finds a run by the beginning of its id.
pub(super) fn run_by_id(store: &Store, id: &str) -> Result<StoredRun, Failure> {
    let missing = || Failure::usage(format!("there is no run {id}")).hint("`karat list` lists the runs");
    store.run(id)?.ok_or_else(missing)
}

/// Returns an endpoint's definition: from karat.yaml, or else from an id such as `openai:chat:gpt-x`.
///
/// # Errors
/// A data failure if there is none; the hint suggests the nearest name.
pub(in crate::flow) fn definition(
    workspace: &Workspace,
    name: &str,
    suite: &Suite,
) -> Result<EndpointDefinition, Failure> {
    if let Some(known) = workspace.config.endpoints.get(name) {
        return Ok(known.clone());
    }
    definition_of_id(name).ok_or_else(|| {
        let known: Vec<_> = workspace.config.endpoints.keys().map(String::as_str).collect();
        let hint = did_you_mean(name, &known, "defined are");
        Failure::data(format!("there is no endpoint \"{name}\" in karat.yaml (for the suite {})", suite.name))
            .hint(format!("{hint}; an id such as openai:chat:MODEL or anthropic/MODEL needs no definition"))
    })
}

/// Makes an endpoint ready; nothing is sent.
pub(in crate::flow) fn prepare(
    workspace: &Workspace,
    name: &str,
    suite: &Suite,
    limiters: &Limiters,
    most: usize,
) -> Result<ReadyEndpoint, Failure> {
    let EndpointDefinition { settings, price, eol, .. } = definition(workspace, name, suite)?;
    let mut limit = None;
    let costs = matches!(settings, EndpointSettings::Api(_));
    let endpoint: Arc<dyn Endpoint> = match settings {
        EndpointSettings::Baseline(BaselineDefinition { dataset, k }) => {
            Arc::new(baseline(workspace, name, suite, dataset.as_deref(), k)?)
        }
        EndpointSettings::Replay(ReplayDefinition { cassette }) => {
            Arc::new(Replay::open(name.to_owned(), &workspace.config.root.join(cassette))?)
        }
        EndpointSettings::Exec(ExecDefinition { command, workers, params, revision, timeout, max_retries }) => {
            limit = answer_limit(&params);
            let retry = RetryPolicy { max_retries, ..RetryPolicy::default() };
            let folder = workspace.config.root.clone();
            let name = name.to_owned();
            Arc::new(ExecEndpoint::new(ExecSettings {
                name,
                command,
                folder,
                workers,
                timeout,
                retry,
                params,
                revision,
            })?)
        }
        EndpointSettings::Api(api) => {
            limit = answer_limit(&api.params);
            Arc::new(api_endpoint(&workspace.secrets, name, &api, limiters, most)?)
        }
    };
    Ok(ReadyEndpoint { endpoint, price, eol, costs, answer_limit: limit })
}

fn api_endpoint(
    secrets: &Secrets,
    name: &str,
    api: &ApiDefinition,
    limiters: &Limiters,
    most: usize,
) -> Result<ApiEndpoint, Failure> {
    let key = |part: &str| format!("endpoints.{name}.{part}");
    let headers = api.headers.iter().map(|(header, value)| {
        Ok((header.clone(), secrets.expand_secret(&key(&format!("headers.{header}")), value)?.into()))
    });
    let api_key = api.api_key.as_ref().map(|text| secrets.expand_secret(&key("api_key"), text).map(Into::into));
    let settings = ApiSettings {
        name: name.to_owned(),
        base_url: secrets.expand_url(&key("base_url"), &api.base_url)?,
        model: secrets.expand(&key("model"), &api.model)?,
        api_key: api_key.transpose()?,
        api_key_header: api.api_key_header.clone(),
        headers: headers.collect::<Result<_, Failure>>()?,
        params: api.params.clone(),
        timeout: api.timeout,
        retry: RetryPolicy { max_retries: api.max_retries, ..RetryPolicy::default() },
        stream: api.stream,
        requests_per_minute: api.requests_per_minute,
        tokens_per_minute: api.tokens_per_minute,
    };
    let http =
        client(&ClientOptions { http2: api.http2, ..ClientOptions::for_attempts_of(api.timeout) }, &settings.base_url)?;
    let dialect: Box<dyn Dialect> = match &api.dialect {
        ApiDialect::OpenAiChat => Box::new(OpenAiChat::new(&settings)?),
        ApiDialect::OpenAiResponses => Box::new(OpenAiResponses::new(&settings)?),
        ApiDialect::Anthropic => Box::new(Anthropic::new(&settings)?),
        ApiDialect::Gemini => Box::new(Gemini::new(&settings)?),
        ApiDialect::Http(http) => {
            let template = HttpTemplate {
                method: http.method.clone(),
                body: http.body.clone(),
                output: http.output.clone(),
                model_path: http.model_path.clone(),
                prompt_tokens_path: http.prompt_tokens_path.clone(),
                completion_tokens_path: http.completion_tokens_path.clone(),
                ok_statuses: http.ok_statuses.clone(),
                retry_statuses: http.retry_statuses.clone(),
            };
            Box::new(HttpApi::new(&settings, template)?)
        }
    };
    ApiEndpoint::new(settings, dialect, http, limiters, most)
}

/// The response of a server to a harmless request.
#[derive(Debug, Clone, Copy)]
pub struct ApiProbe {
    /// The HTTP status.
    pub status: u16,
    /// The server's time, if it sent one.
    pub date: Option<SystemTime>,
    /// How long the response took.
    pub took: Duration,
}

/// Requests the list of models from an API, once. This costs nothing.
///
/// # Errors
/// A data failure if the settings cannot be used; an incomplete failure if the server does not respond.
pub async fn probe_endpoint(workspace: &Workspace, name: &str, api: &ApiDefinition) -> Result<ApiProbe, Failure> {
    let endpoint = api_endpoint(&workspace.secrets, name, api, &Limiters::default(), 1)?;
    match endpoint.probe().await {
        Ok((status, date, took)) => Ok(ApiProbe { status, date, took }),
        Err(error) => {
            let message = workspace.secrets.mask().text(&error.message).into_owned();
            Err(Failure::new(FailureKind::Incomplete, message))
        }
    }
}

fn baseline(
    workspace: &Workspace,
    name: &str,
    suite: &Suite,
    labelled: Option<&str>,
    k: usize,
) -> Result<Baseline, Failure> {
    let memory = memory(workspace, &workspace.dataset(labelled.unwrap_or(&suite.dataset))?)?;
    workspace.check_server()?;
    Ok(Baseline::new(name.to_owned(), k, memory, workspace.embedder.clone()))
}

fn memory(workspace: &Workspace, dataset: &Dataset) -> Result<BaselineMemory, Failure> {
    let labelled = |example: &Example| {
        let label = example.label()?;
        Some(LabelledExample { id: example.id.clone(), text: example.text(), label })
    };
    let live = dataset.examples.iter().filter(|example| example.status != ExampleStatus::Retired);
    let examples: Vec<LabelledExample> = live.filter_map(labelled).collect();
    if examples.is_empty() {
        return Err(Failure::data(format!(
            "the baseline has nothing to learn from: no example in {} has an expected answer",
            dataset.name
        )));
    }
    let texts: Vec<&str> = examples.iter().map(|example| example.text.as_str()).collect();
    let vectors = workspace.embed(&texts, &|_| ())?;
    Ok(BaselineMemory { version: dataset.version.clone(), examples, vectors })
}

/// Returns a warning if a model's end of life is near or past.
pub fn eol_warning(name: &str, eol: Option<Date>, now: Timestamp) -> Option<String> {
    let eol = eol?;
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let days = today.until(eol).ok().map(|span| i64::from(span.get_days()))?;
    match days {
        ..0 => Some(format!("the model of {name} was to be switched off on {eol} (eol in karat.yaml)")),
        0..=EOL_AHEAD => {
            Some(format!("the model of {name} will be switched off on {eol}, in {days} days (eol in karat.yaml)"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::domain::parse_timestamp;

    #[test]
    fn the_end_of_life_of_a_model_is_warned_about_from_sixty_days_before() {
        let now = parse_timestamp("2026-11-01T12:00:00Z").unwrap();
        let warning = |day: &str| eol_warning("m", Some(day.parse().unwrap()), now).unwrap_or_default();
        assert_eq!(warning("2027-01-01"), "");
        assert!(warning("2026-12-31").contains("in 60 days") && warning("2026-11-01").contains("in 0 days"));
        assert!(warning("2025-10-31").contains("was to be switched off on 2025-10-31"));
        assert_eq!(eol_warning("m", None, now), None);
    }
}
