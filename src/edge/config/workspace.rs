//! `karat.yaml`: store, endpoints, traffic sources and the decay policy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::embedder::{EmbedderDefinition, EmbedderFile, definitions};
use super::endpoint::{EndpointDefinition, EndpointFile, endpoint_definition};
use super::secrets::Secrets;
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
    /// How long answers serve again.
    #[serde(default)]
    pub cache: CacheFile,
    /// Sources of sampled production traffic, by name.
    #[serde(default)]
    pub traffic: BTreeMap<String, TrafficSource>,
    /// How decay is measured and gated.
    #[serde(default)]
    pub decay: DecayFile,
}

/// The cache of answers as written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CacheFile {
    /// How long an answer serves again for the same request to the same endpoint, such as 90m or 7d; 0s for never.
    /// Default: 12h, so that a nightly run always asks anew.
    pub ttl: Option<String>,
}

/// A source of traffic as written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrafficSource {
    /// Where a record's fields stand in a row: id, input, output, ts, user, p; dots reach into objects.
    #[serde(default)]
    pub map: BTreeMap<String, String>,
    /// Probability with which a request was sampled, where rows do not say. Default: 1.
    #[serde(alias = "inclusion_probability")]
    pub sample_rate: Option<f64>,
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
pub struct WorkspaceConfig {
    /// The folder of `karat.yaml`.
    pub root: PathBuf,
    /// Path of the database.
    pub store: PathBuf,
    /// Name of the embedder wanted.
    pub embedder: String,
    /// Embedders by name, the built-in ones among them.
    pub embedders: BTreeMap<String, EmbedderDefinition>,
    /// Endpoints by name.
    pub endpoints: BTreeMap<String, EndpointDefinition>,
    /// How long an answer serves again for the same request; zero for never.
    pub cache_ttl: std::time::Duration,
    /// Traffic sources by name.
    pub traffic: BTreeMap<String, TrafficSource>,
    /// How decay is measured.
    pub decay: DecaySettings,
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
pub fn load_workspace(root: &Path) -> Result<(WorkspaceConfig, Secrets), Failure> {
    let path = root.join(FILE_NAME);
    let file: WorkspaceFile = read_yaml(&path)?;
    let endpoints = file
        .endpoints
        .into_iter()
        .map(|(name, endpoint)| endpoint_definition(&path, &name, endpoint).map(|definition| (name, definition)))
        .collect::<Result<_, _>>()?;
    let embedders = definitions(&path, root, file.embedders)?;
    let embedder = known_embedder(&path, file.embedder, &embedders)?;
    check_decay(&path, &file.decay)?;
    for (name, source) in &file.traffic {
        check_probability(&path, name, source.sample_rate)?;
    }
    let workspace = WorkspaceConfig {
        root: root.to_owned(),
        store: root.join(file.store.unwrap_or_else(|| PathBuf::from(".karat/karat.db"))),
        embedder,
        embedders,
        endpoints,
        cache_ttl: cache_ttl(&path, file.cache.ttl.as_deref())?,
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
            "{}: traffic.{source}.sample_rate is {p}, but must lie above 0 and up to 1",
            path.display()
        ))),
    }
}

fn cache_ttl(path: &Path, text: Option<&str>) -> Result<std::time::Duration, Failure> {
    let text = text.unwrap_or("12h");
    let span = parse_span(text).and_then(|span| std::time::Duration::try_from(span).ok());
    // Zero is no span of time elsewhere, but here it says "never".
    let never = ["0", "0s", "0m", "0h", "0d"].contains(&text.trim());
    span.or_else(|| never.then_some(std::time::Duration::ZERO)).ok_or_else(|| {
        Failure::data(format!("{}: cache.ttl \"{text}\" is not a duration", path.display()))
            .hint("write 90m, 12h or 7d, or 0s to ask always anew")
    })
}

pub(super) fn timeout(path: &Path, key: &str, text: Option<&str>) -> Result<std::time::Duration, Failure> {
    let text = text.unwrap_or("60s");
    let span = parse_span(text).and_then(|span| std::time::Duration::try_from(span).ok());
    span.ok_or_else(|| {
        Failure::data(format!("{}: {key}.timeout \"{text}\" is not a duration", path.display()))
            .hint("write 30s, 2m or 1h")
    })
}
