//! `karat.yaml`: store, endpoints, traffic sources and the decay policy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;

use super::embedder::{EmbedderDefinition, EmbedderFile, ModelDefinition, built_in, embedder};
use super::endpoint::{EndpointDefinition, EndpointFile, endpoint};
use super::forms::{Apart, Form, Short, TextOrNumber, duration_or_never, window};
use super::gates::{OnInconclusive, decision_required};
use super::secrets::Secrets;
use crate::core::domain::{Failure, SourceHash, did_you_mean};
use crate::core::signals::Policy;
use crate::edge::yaml::{Document, Fault, Reader};

/// The name of the workspace file.
const FILE_NAME: &str = "karat.yaml";

/// The workspace as written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "karat workspace")]
pub struct WorkspaceFile {
    /// Path of the database. Default: .karat/karat.db.
    pub store: Option<PathBuf>,
    /// The embedder that turns text into vectors: minilm, fast (also called builtin), hashed-ngrams, or a name under
    /// "embedders". Default: the one that karat.lock pins, or else minilm. Once one is pinned, change it with `karat
    /// embedder migrate`.
    pub embedder: Option<String>,
    /// Additional embedders by name, such as {potion: {type: model2vec, path: models/potion}}.
    #[expect(dead_code, reason = "read separately; declared here for the JSON Schema")]
    #[serde(default)]
    pub embedders: Apart<BTreeMap<String, EmbedderFile>>,
    /// The endpoints that answer requests, by name, such as {gpt: openai:chat:gpt-x} or {gpt: {type: openai, …}}.
    #[expect(dead_code, reason = "read separately; declared here for the JSON Schema")]
    #[serde(default)]
    pub endpoints: Apart<BTreeMap<String, EndpointFile>>,
    /// How long cached answers are reused, such as 12h or {ttl: 12h}; false for no cache.
    #[serde(default)]
    pub cache: Form<CacheFile>,
    /// Sources of sampled production traffic, by name, such as {default: {map: {input: text, ts: time}}}.
    #[serde(default)]
    pub traffic: BTreeMap<String, TrafficSource>,
    /// How decay is measured and gated.
    #[serde(default)]
    pub decay: DecayFile,
}

/// The answer cache as written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CacheFile {
    /// How long an answer is reused for the same request to the same endpoint, such as 90m or 7d; 0s for no cache.
    /// Default: 12h, so that a nightly run sends every request again.
    #[serde(default = "default_ttl", deserialize_with = "duration_or_never")]
    #[schemars(with = "TextOrNumber")]
    pub ttl: Duration,
}

impl Default for CacheFile {
    fn default() -> Self {
        Self { ttl: default_ttl() }
    }
}

fn default_ttl() -> Duration {
    Duration::from_secs(12 * 3600)
}

impl Short for CacheFile {
    const EXPECTED: &'static str = "a duration such as 12h, {ttl: 12h}, or false for no cache";

    fn text(text: &str) -> Option<Self> {
        let text: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
        duration_or_never(text).ok().map(|ttl| Self { ttl })
    }

    fn flag(flag: bool) -> Option<Self> {
        Some(if flag { Self::default() } else { Self { ttl: Duration::ZERO } })
    }

    fn schemas(_: &mut SchemaGenerator) -> Vec<Schema> {
        vec![json_schema!({"type": ["string", "boolean"]})]
    }
}

/// A source of traffic as written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrafficSource {
    /// Which field of a row holds each field of a record (id, input, output, ts, user, p), such as {input:
    /// question.text, ts: time}; dots reach into objects.
    #[serde(default)]
    pub map: BTreeMap<String, String>,
    /// Probability with which a request was sampled, for rows that do not give it. Default: 1.
    #[serde(alias = "inclusion_probability")]
    pub sample_rate: Option<f64>,
}

/// The decay settings as written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecayFile {
    /// The window to measure: 30d (up to the last record), 2026-09, or FROM..TO. Default: 30d.
    #[serde(default, deserialize_with = "window")]
    #[schemars(with = "Option<TextOrNumber>")]
    pub window: Option<String>,
    /// The decay gate: minimum karats (24 = all of today's traffic is represented). Default: no gate.
    pub min_karats: Option<f64>,
    /// What an inconclusive gate does: fail stops the pipeline with exit code 103, warn only reports it, unless it is the
    /// third time in a row. Default: fail.
    pub on_inconclusive: Option<OnInconclusive>,
    /// The older name of on_inconclusive: true means fail, false means warn.
    pub require_decision: Option<bool>,
    /// Files that models learn from or are shown, such as training data and few-shot examples, relative to karat.yaml. Examples
    /// whose text is in them are flagged, as are those in the prompts of suites.
    #[serde(default)]
    pub training_files: Vec<PathBuf>,
    /// Copies or present hashes of documents at URLs that answers depend on, by URL, since karat never fetches
    /// them: docs/faq.md, or a hash. Paths are relative to karat.yaml.
    #[serde(default)]
    pub sources: BTreeMap<String, Form<SourceCopy>>,
    /// Thresholds; each has a default.
    #[serde(default)]
    pub policy: Policy,
}

/// A copy of a document, or its present hash.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceCopy {
    /// A copy of the document, relative to karat.yaml.
    pub file: Option<PathBuf>,
    /// Its present hash, such as sha256:9f86d081884c7d65; written by the job that fetches the document, for example.
    pub hash: Option<SourceHash>,
}

impl Short for SourceCopy {
    const EXPECTED: &'static str = "the path of a copy, {file: PATH}, or {hash: HASH}";

    fn text(text: &str) -> Option<Self> {
        Some(Self { file: Some(PathBuf::from(text)), hash: None })
    }

    fn schemas(_: &mut SchemaGenerator) -> Vec<Schema> {
        vec![json_schema!({"type": "string"})]
    }
}

/// The checked settings of a workspace.
#[derive(Debug, Clone)]
pub struct WorkspaceConfig {
    /// The folder of `karat.yaml`.
    pub root: PathBuf,
    /// Path of the database.
    pub store: PathBuf,
    /// Name of the embedder to use, if karat.yaml names one.
    pub embedder: Option<String>,
    /// Embedders by name, including the built-in ones.
    pub embedders: BTreeMap<String, EmbedderDefinition>,
    /// Endpoints by name.
    pub endpoints: BTreeMap<String, EndpointDefinition>,
    /// How long an answer is reused for the same request; zero for never.
    pub cache_ttl: Duration,
    /// Traffic sources by name.
    pub traffic: BTreeMap<String, TrafficSource>,
    /// How decay is measured.
    pub decay: DecaySettings,
}

/// The embedder of a workspace that names none.
pub const DEFAULT_EMBEDDER: &str = "minilm";

impl WorkspaceConfig {
    /// Whether two names mean the same embedder: `builtin` is the older name of `fast`.
    pub fn is_same_embedder(&self, one: &str, other: &str) -> bool {
        let is_table = |name| {
            matches!(name, "builtin" | "fast")
                && self.embedders.get(name).is_some_and(|known| matches!(known.model, ModelDefinition::Builtin))
        };
        one == other || (is_table(one) && is_table(other))
    }
}

/// The checked decay settings.
#[derive(Debug, Clone)]
pub struct DecaySettings {
    /// The window to measure.
    pub window: String,
    /// The minimum karats of the decay gate, if there is one.
    pub min_karats: Option<f64>,
    /// Whether an inconclusive gate stops the pipeline.
    pub require_decision: bool,
    /// Thresholds.
    pub policy: Policy,
    /// Files that models learn from or are shown, relative to the root.
    pub training_files: Vec<PathBuf>,
    /// Copies or present hashes of documents, by URL. Each has one of both.
    pub sources: BTreeMap<String, SourceCopy>,
}

/// The nearest folder that contains a `karat.yaml`, searching from `start` upwards.
///
/// # Errors
/// A data failure if there is none.
pub fn find_workspace(start: &Path) -> Result<PathBuf, Failure> {
    start.ancestors().find(|folder| folder.join(FILE_NAME).is_file()).map(Path::to_owned).ok_or_else(|| {
        Failure::data(format!("no {FILE_NAME} in {} or above it", start.display()))
            .hint("run `karat init` to create a workspace here, or choose an existing one with -C DIR")
    })
}

/// Reads and checks the workspace in `root`.
///
/// # Errors
/// A data failure that names the file, line and key.
pub fn load_workspace(root: &Path) -> Result<(WorkspaceConfig, Secrets), Failure> {
    let path = root.join(FILE_NAME);
    let document = Document::open(&path)?;
    let fail = |fault: Fault| document.failure::<WorkspaceFile>(&fault);
    let file: WorkspaceFile = document.root().read().map_err(fail)?;
    let endpoints = by_name(&document, "endpoints", endpoint).map_err(fail)?;
    let mut embedders = built_in();
    embedders.extend(by_name(&document, "embedders", |reader| embedder(reader, root)).map_err(fail)?);
    let embedder = file.embedder;
    embedder.iter().try_for_each(|name| check_embedder(&path, name, &embedders))?;
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
        cache_ttl: file.cache.0.ttl,
        traffic: file.traffic,
        decay: DecaySettings {
            window: file.decay.window.unwrap_or_else(|| "30d".into()),
            min_karats: file.decay.min_karats,
            require_decision: decision_required(file.decay.on_inconclusive, file.decay.require_decision),
            training_files: file.decay.training_files,
            sources: file.decay.sources.into_iter().map(|(url, Form(copy))| (url, copy)).collect(),
            policy: file.decay.policy,
        },
    };
    Ok((workspace, Secrets::load(root)?))
}

/// Reads the values under `key`, by name.
fn by_name<T>(
    document: &Document,
    key: &str,
    read: impl Fn(Reader<'_>) -> Result<T, Fault>,
) -> Result<BTreeMap<String, T>, Fault> {
    let Some(reader) = document.root().mapping().and_then(|keys| keys.get(key)) else { return Ok(BTreeMap::new()) };
    let named =
        reader.mapping().ok_or_else(|| reader.wrong("a mapping of names, such as NAME: {type: …}").under(key))?;
    let read = |(name, reader): (&str, _)| match read(reader) {
        Ok(value) => Ok((name.to_owned(), value)),
        Err(fault) => Err(fault.under(name).under(key)),
    };
    named.iter().map(read).collect()
}

fn check_embedder(path: &Path, name: &str, known: &BTreeMap<String, EmbedderDefinition>) -> Result<(), Failure> {
    if known.contains_key(name) {
        return Ok(());
    }
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    let hint = did_you_mean(name, &names, "there are");
    Err(Failure::data(format!("{}: there is no embedder \"{name}\"", path.display()))
        .hint(format!("{hint}; define others under \"embedders\"")))
}

fn check_decay(path: &Path, decay: &DecayFile) -> Result<(), Failure> {
    let fail = |message: String| Failure::data(format!("{}: decay.{message}", path.display()));
    if let Some(karats) = decay.min_karats.filter(|karats| !(0.0..=24.0).contains(karats)) {
        return Err(fail(format!("min_karats is {karats}, but must be between 0 and 24")));
    }
    let one_of_both = |Form(copy): &Form<SourceCopy>| copy.file.is_some() != copy.hash.is_some();
    if let Some((url, _)) = decay.sources.iter().find(|(_, copy)| !one_of_both(copy)) {
        return Err(fail(format!("sources.{url} needs either a file or a hash")));
    }
    decay.policy.problem().map_or(Ok(()), |problem| Err(fail(format!("policy.{problem}"))))
}

fn check_probability(path: &Path, source: &str, probability: Option<f64>) -> Result<(), Failure> {
    match probability.filter(|p| !(*p > 0.0 && *p <= 1.0)) {
        None => Ok(()),
        Some(p) => Err(Failure::data(format!(
            "{}: traffic.{source}.sample_rate is {p}, but must be above 0 and at most 1",
            path.display()
        ))),
    }
}
