//! Checks everything a run needs, without running anything: whether it exists, responds and is intact.

use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::run::{ApiProbe, eol_warning, probe_endpoint};
use super::{Event, Events, Workspace};
use crate::core::domain::{Failure, did_you_mean};
use crate::core::view::{Check, CheckArea, CheckState, DoctorView, count_of};
use crate::edge::config::{EndpointDefinition, EndpointSettings, ModelDefinition, ReplayDefinition, definition_of_id};
use crate::edge::dataset::{dataset_names, read_lock};
use crate::edge::endpoint::Replay;
use crate::edge::files::free_space;

/// Free bytes below which `doctor` warns, and below which it reports a failure.
const LOW_DISK: u64 = 1 << 30;
const NO_DISK: u64 = 50 << 20;

/// Tolerated difference between this clock and a server's. Dates in results, end-of-life warnings and cache ages depend
/// on it.
const SKEW: Duration = Duration::from_secs(60);

/// Checks the workspace in `root`. Each API endpoint gets one harmless request, unless `offline`.
///
/// Failures are reported as checks.
pub async fn doctor(root: &Path, offline: bool, now: Timestamp, events: Events<'_>) -> DoctorView {
    let workspace = match Workspace::open(root) {
        Ok(workspace) => workspace,
        Err(failure) => return DoctorView::new(vec![failed(CheckArea::Workspace, "", &failure)]),
    };
    let mut checks = vec![check(
        CheckArea::Workspace,
        "",
        CheckState::Ok,
        format!("{} is valid", root.join("karat.yaml").display()),
    )];
    checks.extend(
        workspace.warning().map(|warning| check(CheckArea::Workspace, "embedder", CheckState::Warning, warning)),
    );
    checks.extend(
        workspace.store.notes().iter().map(|note| check(CheckArea::Database, "upgraded", CheckState::Ok, note)),
    );
    checks.extend(suites(&workspace));
    checks.extend(datasets(&workspace));
    checks.extend(secrets(&workspace));
    let endpoints = &workspace.config.endpoints;
    events(Event::Began { what: "checking the endpoints".into(), total: endpoints.len() as u64, done: 0 });
    for (name, definition) in endpoints {
        checks.extend(endpoint(&workspace, name, definition, offline, now).await);
        events(Event::Advanced { steps: 1, errors: 0 });
    }
    events(Event::Ended);
    checks.push(disk(&workspace));
    checks.push(database(&workspace));
    DoctorView::new(checks)
}

fn check(area: CheckArea, name: &str, state: CheckState, detail: impl Into<String>) -> Check {
    Check { area, name: name.into(), state, detail: detail.into(), hint: None }
}

fn failed(area: CheckArea, name: &str, failure: &Failure) -> Check {
    let more = failure.details.first().map_or_else(String::new, |detail| format!(" ({detail})"));
    let detail = format!("{}{more}", failure.message);
    Check { hint: failure.hint.clone(), ..check(area, name, CheckState::Failure, detail) }
}

impl Check {
    fn hinting(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

fn suites(workspace: &Workspace) -> Vec<Check> {
    let names = workspace.suite_names();
    if names.is_empty() {
        return vec![
            check(CheckArea::Suite, "", CheckState::Warning, "suites/ contains no suites")
                .hinting("`karat init` creates an example"),
        ];
    }
    names.iter().map(|name| suite(workspace, name)).collect()
}

fn suite(workspace: &Workspace, name: &str) -> Check {
    let suite = match workspace.suite(name) {
        Ok(suite) => suite,
        Err(failure) => return failed(CheckArea::Suite, name, &failure),
    };
    let known: Vec<&str> = workspace.config.endpoints.keys().map(String::as_str).collect();
    let missing = suite
        .endpoints
        .iter()
        .find(|endpoint| !known.contains(&endpoint.as_str()) && definition_of_id(endpoint).is_none());
    match missing {
        None => check(
            CheckArea::Suite,
            name,
            CheckState::Ok,
            format!("{} on {}", suite.dataset, suite.endpoints.join(", ")),
        ),
        Some(missing) => {
            let hint = format!("{}; or define it in karat.yaml", did_you_mean(missing, &known, "defined are"));
            check(
                CheckArea::Suite,
                name,
                CheckState::Failure,
                format!("uses the endpoint \"{missing}\", which is not defined"),
            )
            .hinting(hint)
        }
    }
}

fn datasets(workspace: &Workspace) -> Vec<Check> {
    let lock = match read_lock(&workspace.config.root) {
        Ok(lock) => lock,
        Err(failure) => return vec![failed(CheckArea::Dataset, "karat.lock", &failure)],
    };
    let names = dataset_names(&workspace.config.root.join("datasets"));
    let look = |name: &String| {
        let dataset = match workspace.dataset(name) {
            Ok(dataset) => dataset,
            Err(failure) => return failed(CheckArea::Dataset, name, &failure),
        };
        let what = format!("{}, {}", count_of(dataset.examples.len(), "example"), dataset.label());
        let warn = |problem: &str, hint: String| {
            check(CheckArea::Dataset, name, CheckState::Warning, format!("{what}: {problem}")).hinting(hint)
        };
        match lock.datasets.get(name) {
            None => warn("not in karat.lock, so changes go unnoticed", format!("karat dataset lock {name}")),
            Some(locked) if locked.version != dataset.version => {
                warn("differs from karat.lock", format!("karat dataset diff {name}, then karat dataset lock {name}"))
            }
            Some(_) if dataset.card.owner.is_none() => {
                warn("it has no owner", format!("set \"owner\" in datasets/{name}/dataset.yaml"))
            }
            Some(_) => check(CheckArea::Dataset, name, CheckState::Ok, what),
        }
    };
    names.iter().map(look).collect()
}

/// Checks every variable that endpoints and suites refer to: whether it is set, never its value.
fn secrets(workspace: &Workspace) -> Vec<Check> {
    let mut texts: Vec<String> = Vec::new();
    for definition in workspace.config.endpoints.values() {
        if let EndpointSettings::Api(api) = &definition.settings {
            texts.extend([api.base_url.clone(), api.model.clone()]);
            texts.extend(api.api_key.clone());
            texts.extend(api.headers.values().cloned());
        }
    }
    let embedder = workspace.config.embedders.get(&workspace.embedder_name).map(|embedder| &embedder.model);
    if let Some(ModelDefinition::OpenAi(server)) = embedder {
        texts.extend([&server.base_url].into_iter().chain(&server.api_key).chain(server.headers.values()).cloned());
    }
    let suites = workspace.suite_names().into_iter().filter_map(|name| workspace.suite(&name).ok());
    texts.extend(
        suites.flat_map(|suite| suite.vars.into_iter().map(|(_, value)| value.to_string()).collect::<Vec<_>>()),
    );
    let mut found: Vec<(String, bool)> = texts.iter().flat_map(|text| workspace.secrets.references(text)).collect();
    found.sort();
    found.dedup();
    let look = |(name, is_set): (String, bool)| {
        if is_set {
            check(CheckArea::Secret, &name, CheckState::Ok, "is set")
        } else {
            check(CheckArea::Secret, &name, CheckState::Failure, "is not set")
                .hinting(format!("export {name}=… or add it to .env beside karat.yaml"))
        }
    };
    found.into_iter().map(look).collect()
}

async fn endpoint(
    workspace: &Workspace,
    name: &str,
    definition: &EndpointDefinition,
    offline: bool,
    now: Timestamp,
) -> Vec<Check> {
    let ok = |detail: String| check(CheckArea::Endpoint, name, CheckState::Ok, detail);
    let mut checks = Vec::new();
    if let Some(warning) = eol_warning(name, definition.eol, now) {
        checks.push(
            check(CheckArea::Endpoint, name, CheckState::Warning, warning)
                .hinting("choose a successor, and compare the two before that date"),
        );
    }
    match &definition.settings {
        EndpointSettings::Baseline(_) => checks.push(ok("is built in".into())),
        EndpointSettings::Replay(ReplayDefinition { cassette }) => {
            let opened = Replay::open(name.to_owned(), &workspace.config.root.join(cassette));
            checks.push(opened.map_or_else(
                |failure| failed(CheckArea::Endpoint, name, &failure),
                |replay| ok(format!("{} recorded answers", replay.entries())),
            ));
        }
        EndpointSettings::Exec(exec) => checks.push(program(workspace, name, &exec.command)),
        EndpointSettings::Api(_) if offline => checks.push(ok("not called (--offline)".into())),
        EndpointSettings::Api(api) => checks.extend(probe(workspace, name, api).await),
    }
    checks
}

fn program(workspace: &Workspace, name: &str, command: &[String]) -> Check {
    let program = command.first().map(String::as_str).unwrap_or_default();
    let is_path = program.contains(std::path::MAIN_SEPARATOR) || program.contains('/');
    let found = if is_path {
        workspace.config.root.join(program).is_file()
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .any(|folder| folder.join(program).is_file() || folder.join(format!("{program}.exe")).is_file())
    };
    if found {
        check(CheckArea::Endpoint, name, CheckState::Ok, format!("{program} exists (it was not started)"))
    } else {
        check(CheckArea::Endpoint, name, CheckState::Failure, format!("the program {program} was not found"))
            .hinting("install it, or fix \"command\" in karat.yaml")
    }
}

async fn probe(workspace: &Workspace, name: &str, api: &crate::edge::config::ApiDefinition) -> Vec<Check> {
    let (status, date, took) = match probe_endpoint(workspace, name, api).await {
        Ok(ApiProbe { status, date, took }) => (status, date, took),
        Err(failure) => return vec![failed(CheckArea::Endpoint, name, &failure)],
    };
    let answer = format!("responded in {} ms", took.as_millis());
    let found = match status {
        401 | 403 => check(
            CheckArea::Endpoint,
            name,
            CheckState::Failure,
            format!("{answer}, but rejected the credentials (HTTP {status})"),
        )
        .hinting("check the API key, and that it belongs to this server"),
        500.. => check(CheckArea::Endpoint, name, CheckState::Failure, format!("{answer} with HTTP {status}")),
        429 => check(
            CheckArea::Endpoint,
            name,
            CheckState::Warning,
            format!("{answer}, but reported too many requests (HTTP 429)"),
        ),
        200..=299 => check(CheckArea::Endpoint, name, CheckState::Ok, answer),
        // Not every server lists its models; what counts is that it responds.
        _ => {
            check(CheckArea::Endpoint, name, CheckState::Ok, format!("{answer} (HTTP {status} for the list of models)"))
        }
    };
    let skew = date.map(|theirs| {
        let ours = SystemTime::now();
        ours.duration_since(theirs).unwrap_or_else(|early| early.duration())
    });
    let clock = skew.map(|skew| {
        if skew > SKEW {
            check(
                CheckArea::Clock,
                name,
                CheckState::Warning,
                format!("this machine's clock differs from the server's by {} s", skew.as_secs()),
            )
            .hinting("set the clock; dates in results and end-of-life warnings depend on it")
        } else {
            check(CheckArea::Clock, name, CheckState::Ok, format!("within {} s of the server's", skew.as_secs()))
        }
    });
    std::iter::once(found).chain(clock).collect()
}

fn disk(workspace: &Workspace) -> Check {
    let folder = workspace.store.path().parent().unwrap_or(Path::new("."));
    let free = match free_space(folder) {
        Ok(free) => free,
        Err(error) => {
            return check(
                CheckArea::Disk,
                "",
                CheckState::Warning,
                format!("cannot determine the free space of {}: {error}", folder.display()),
            );
        }
    };
    let detail = format!("{} MB free for {}", free >> 20, folder.display());
    match free {
        ..NO_DISK => check(CheckArea::Disk, "", CheckState::Failure, detail)
            .hinting("free some disk space; every outcome is stored on disk"),
        NO_DISK..LOW_DISK => check(CheckArea::Disk, "", CheckState::Warning, detail),
        _ => check(CheckArea::Disk, "", CheckState::Ok, detail),
    }
}

fn database(workspace: &Workspace) -> Check {
    let name = workspace.store.path().display().to_string();
    match workspace.store.integrity() {
        Err(failure) => failed(CheckArea::Database, &name, &failure),
        Ok(findings) => match findings.first() {
            None => check(
                CheckArea::Database,
                &name,
                CheckState::Ok,
                format!("intact, {} MB", workspace.store.size().div_ceil(1 << 20)),
            ),
            Some(first) => check(
                CheckArea::Database,
                &name,
                CheckState::Failure,
                format!("{} problems found, the first: {first}", findings.len()),
            )
            .hinting(
                "restore a backup, or move the file away to start with a new one; `sqlite3 FILE .recover` may recover the rest",
            ),
        },
    }
}
