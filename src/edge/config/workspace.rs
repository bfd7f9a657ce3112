//! `karat.yaml`: store, endpoints, traffic sources and the decay policy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::embedder::{EmbedderDefinition, EmbedderFile, definitions};
use super::secrets::{Secrets, is_secret_name, require_reference};
use super::yaml::read_yaml;
use crate::core::domain::{Failure, nearest, parse_span};
use crate::core::signals::Policy;

/// The name of the workspace file.
const FILE_NAME: &str = "karat.yaml";

/// The workspace as written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "karat workspace")]
pub struct WorkspaceFile {
    /// Path of the database. Default: .karat/karat.db
    pub store: Option<PathBuf>,
    /// What turns text into vectors: builtin, hashed-ngrams, or a name under "embedders". Default: builtin. Once
    /// karat.lock pins one, `karat embedder migrate` changes it.
    pub embedder: Option<String>,
    /// Further embedders, by name.
    #[serde(default)]
    pub embedders: BTreeMap<String, EmbedderFile>,
    /// Things that answer requests, by name.
    #[serde(default)]
    pub endpoints: BTreeMap<String, EndpointFile>,
    /// Sources of sampled production traffic, by name.
    #[serde(default)]
    pub traffic: BTreeMap<String, TrafficSource>,
    /// How decay is measured and gated.
    #[serde(default)]
    pub decay: DecayFile,
}

/// The kind of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EndpointType {
    /// Any server that speaks the OpenAI chat completions API.
    Openai,
    /// A nearest-neighbour classifier over a labelled dataset: does the model beat the obvious?
    Baseline,
}

/// An endpoint as written. Which keys apply depends on `type`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointFile {
    /// Its kind.
    pub r#type: EndpointType,
    /// openai: where the API lives, such as https://api.openai.com/v1 or http://localhost:11434/v1.
    pub base_url: Option<String>,
    /// openai: the model asked for.
    pub model: Option<String>,
    /// openai: a reference to the key, such as ${OPENAI_API_KEY}. Never the key itself.
    pub api_key: Option<String>,
    /// openai: further HTTP headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// openai: further fields of the request body, such as temperature or max_tokens.
    #[serde(default)]
    pub params: Map<String, Value>,
    /// openai: how long one attempt may take, such as 30s or 2m. Default: 60s.
    pub timeout: Option<String>,
    /// openai: attempts after the first one, on 429, 5xx, broken connections and timeouts. Default: 4.
    pub max_retries: Option<u32>,
    /// baseline: the labelled dataset. Default: the suite's own, each example answered from all others.
    pub dataset: Option<String>,
    /// baseline: neighbours asked. Default: 5.
    pub k: Option<usize>,
}

/// A source of traffic as written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrafficSource {
    /// Where a record's fields stand in a row: id, input, output, ts, user, p; dots reach into objects.
    #[serde(default)]
    pub map: BTreeMap<String, String>,
    /// Probability with which a request was sampled, where rows do not say. Default: 1.
    pub inclusion_probability: Option<f64>,
}

/// Decay as written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecayFile {
    /// The window measured: 30d (up to the last record), 2026-09, or FROM..TO. Default: 30d.
    pub window: Option<String>,
    /// The gate: least karats (24 = all of today's traffic is represented). Default: no gate.
    pub min_karats: Option<f64>,
    /// Whether an inconclusive gate stops the pipeline with exit code 103. Default: true.
    pub require_decision: Option<bool>,
    /// Thresholds, each with a default.
    #[serde(default)]
    pub policy: Policy,
}

/// A workspace, checked.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// The folder of `karat.yaml`.
    pub root: PathBuf,
    /// Path of the database.
    pub store: PathBuf,
    /// Name of the embedder wanted.
    pub embedder: String,
    /// Embedders by name, the built-in ones among them.
    pub embedders: BTreeMap<String, EmbedderDefinition>,
    /// Endpoints by name.
    pub endpoints: BTreeMap<String, EndpointSettings>,
    /// Traffic sources by name.
    pub traffic: BTreeMap<String, TrafficSource>,
    /// How decay is measured.
    pub decay: DecaySettings,
}

/// An endpoint, checked; references are not yet resolved.
#[derive(Debug, Clone)]
pub enum EndpointSettings {
    /// An OpenAI-compatible server.
    OpenAi {
        /// Where the API lives.
        base_url: String,
        /// The model asked for.
        model: String,
        /// Reference to the key.
        api_key: Option<String>,
        /// Further headers.
        headers: BTreeMap<String, String>,
        /// Further fields of the body.
        params: Map<String, Value>,
        /// Longest duration of one attempt.
        timeout: std::time::Duration,
        /// Attempts after the first one.
        max_retries: u32,
    },
    /// The nearest-neighbour baseline.
    Baseline {
        /// The labelled dataset; the suite's own where none is named.
        dataset: Option<String>,
        /// Neighbours asked.
        k: usize,
    },
}

/// Decay, checked.
#[derive(Debug, Clone)]
pub struct DecaySettings {
    /// The window measured.
    pub window: String,
    /// The gate.
    pub min_karats: Option<f64>,
    /// Whether an inconclusive gate stops the pipeline.
    pub require_decision: bool,
    /// Thresholds.
    pub policy: Policy,
}

/// The nearest folder upwards of `start` that holds a `karat.yaml`.
///
/// # Errors
/// A data failure where there is none.
pub fn find_workspace(start: &Path) -> Result<PathBuf, Failure> {
    start.ancestors().find(|folder| folder.join(FILE_NAME).is_file()).map(Path::to_owned).ok_or_else(|| {
        Failure::data(format!("no {FILE_NAME} in {} or above it", start.display()))
            .hint("run `karat init` to make a workspace here, or name one with -C DIR")
    })
}

/// Reads and checks the workspace in `root`.
///
/// # Errors
/// A data failure naming file and key.
pub fn load_workspace(root: &Path) -> Result<(Workspace, Secrets), Failure> {
    let path = root.join(FILE_NAME);
    let file: WorkspaceFile = read_yaml(&path)?;
    let endpoints = file
        .endpoints
        .into_iter()
        .map(|(name, endpoint)| endpoint_settings(&path, &name, endpoint).map(|settings| (name, settings)))
        .collect::<Result<_, _>>()?;
    let embedders = definitions(&path, root, file.embedders)?;
    let embedder = known_embedder(&path, file.embedder, &embedders)?;
    check_decay(&path, &file.decay)?;
    for (name, source) in &file.traffic {
        check_probability(&path, name, source.inclusion_probability)?;
    }
    let workspace = Workspace {
        root: root.to_owned(),
        store: root.join(file.store.unwrap_or_else(|| PathBuf::from(".karat/karat.db"))),
        embedder,
        embedders,
        endpoints,
        traffic: file.traffic,
        decay: DecaySettings {
            window: file.decay.window.unwrap_or_else(|| "30d".into()),
            min_karats: file.decay.min_karats,
            require_decision: file.decay.require_decision.unwrap_or(true),
            policy: file.decay.policy,
        },
    };
    Ok((workspace, Secrets::load(root)?))
}

fn known_embedder(
    path: &Path,
    wanted: Option<String>,
    known: &BTreeMap<String, EmbedderDefinition>,
) -> Result<String, Failure> {
    let name = wanted.unwrap_or_else(|| "builtin".to_owned());
    if known.contains_key(&name) {
        return Ok(name);
    }
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    let hint = match nearest(&name, &names) {
        Some(nearest) => format!("did you mean \"{nearest}\"? There are {}", names.join(", ")),
        None => format!("there are {}; define others under \"embedders\"", names.join(", ")),
    };
    Err(Failure::data(format!("{}: there is no embedder \"{name}\"", path.display())).hint(hint))
}

fn check_decay(path: &Path, decay: &DecayFile) -> Result<(), Failure> {
    let fail = |message: String| Failure::data(format!("{}: decay.{message}", path.display()));
    if let Some(karats) = decay.min_karats.filter(|karats| !(0.0..=24.0).contains(karats)) {
        return Err(fail(format!("min_karats is {karats}, but must lie between 0 and 24")));
    }
    decay.policy.problem().map_or(Ok(()), |problem| Err(fail(format!("policy.{problem}"))))
}

fn check_probability(path: &Path, source: &str, probability: Option<f64>) -> Result<(), Failure> {
    match probability.filter(|p| !(*p > 0.0 && *p <= 1.0)) {
        None => Ok(()),
        Some(p) => Err(Failure::data(format!(
            "{}: traffic.{source}.inclusion_probability is {p}, but must lie above 0 and up to 1",
            path.display()
        ))),
    }
}

fn endpoint_settings(path: &Path, name: &str, file: EndpointFile) -> Result<EndpointSettings, Failure> {
    let place = path.display();
    let missing = |key: &str| Failure::data(format!("{place}: endpoints.{name} needs the key \"{key}\""));
    let foreign = |key: &str, kind: &str| {
        Failure::data(format!("{place}: endpoints.{name}.{key} does not belong to an endpoint of type {kind}"))
            .hint("remove the key")
    };
    match file.r#type {
        EndpointType::Baseline => {
            let present = [
                ("base_url", file.base_url.is_some()),
                ("model", file.model.is_some()),
                ("api_key", file.api_key.is_some()),
                ("headers", !file.headers.is_empty()),
                ("params", !file.params.is_empty()),
                ("timeout", file.timeout.is_some()),
                ("max_retries", file.max_retries.is_some()),
            ];
            if let Some((key, _)) = present.into_iter().find(|(_, present)| *present) {
                return Err(foreign(key, "baseline"));
            }
            let k = file.k.unwrap_or(5);
            if k == 0 {
                return Err(Failure::data(format!("{place}: endpoints.{name}.k is 0, but must be at least 1")));
            }
            Ok(EndpointSettings::Baseline { dataset: file.dataset, k })
        }
        EndpointType::Openai => {
            if let Some((key, _)) =
                [("dataset", file.dataset.is_some()), ("k", file.k.is_some())].into_iter().find(|(_, p)| *p)
            {
                return Err(foreign(key, "openai"));
            }
            if let Some(key) = &file.api_key {
                require_reference(path, &format!("endpoints.{name}.api_key"), key)?;
            }
            for (header, value) in file.headers.iter().filter(|(header, _)| is_secret_name(header)) {
                require_reference(path, &format!("endpoints.{name}.headers.{header}"), value)?;
            }
            Ok(EndpointSettings::OpenAi {
                base_url: file.base_url.ok_or_else(|| missing("base_url"))?,
                model: file.model.ok_or_else(|| missing("model"))?,
                api_key: file.api_key,
                headers: file.headers,
                params: file.params,
                timeout: timeout(path, &format!("endpoints.{name}"), file.timeout.as_deref())?,
                max_retries: file.max_retries.unwrap_or(4),
            })
        }
    }
}

pub(super) fn timeout(path: &Path, key: &str, text: Option<&str>) -> Result<std::time::Duration, Failure> {
    let text = text.unwrap_or("60s");
    let span = parse_span(text).and_then(|span| std::time::Duration::try_from(span).ok());
    span.ok_or_else(|| {
        Failure::data(format!("{}: {key}.timeout \"{text}\" is not a duration", path.display()))
            .hint("write 30s, 2m or 1h")
    })
}
