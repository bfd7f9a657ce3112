//! `embedders:` of `karat.yaml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secrets::{is_secret_name, require_reference};
use super::workspace::timeout;
use crate::core::domain::{Failure, TextRule};

/// The kind of an embedder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EmbedderType {
    /// The table in the karat binary: English, meaning and spelling, no network.
    Builtin,
    /// Hashed words and character n-grams: any language, spelling alone, no network.
    HashedNgrams,
    /// A Model2Vec directory.
    Model2vec,
    /// A sentence-transformer directory of the BERT family; needs a karat built with the feature "bert".
    Bert,
    /// Any server that answers OpenAI's /embeddings.
    Openai,
}

impl EmbedderType {
    /// The name used in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::HashedNgrams => "hashed-ngrams",
            Self::Model2vec => "model2vec",
            Self::Bert => "bert",
            Self::Openai => "openai",
        }
    }
}

/// An embedder as written. Which keys apply depends on `type`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmbedderFile {
    /// Its kind.
    pub r#type: EmbedderType,
    /// model2vec, bert: the model's folder; from karat.yaml on where it is relative. karat downloads nothing.
    pub path: Option<PathBuf>,
    /// bert: most tokens of a text. Default: what the model says.
    pub max_tokens: Option<usize>,
    /// openai: where the API lives, such as https://api.openai.com/v1 or http://localhost:11434/v1.
    pub base_url: Option<String>,
    /// openai: the model asked for.
    pub model: Option<String>,
    /// openai: a reference to the key, such as ${OPENAI_API_KEY}. Never the key itself.
    pub api_key: Option<String>,
    /// openai: further HTTP headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// openai: components asked for, where the model lets one choose.
    pub dimensions: Option<usize>,
    /// openai: texts in one request. Default: 64.
    pub batch: Option<usize>,
    /// openai: most requests begun in a minute. Default: no limit.
    pub requests_per_minute: Option<u32>,
    /// openai: how long one attempt may take, such as 30s or 2m. Default: 60s.
    pub timeout: Option<String>,
    /// openai: attempts after the first one, on 429, 5xx, broken connections and timeouts. Default: 4.
    pub max_retries: Option<u32>,
    /// Put before every text, where the model wants one, such as "query: ".
    #[serde(default)]
    pub prefix: String,
    /// A name for what the model cannot tell about itself; another revision is another space.
    pub revision: Option<String>,
    /// How an input becomes the text that is embedded.
    #[serde(default)]
    pub text: TextRule,
}

/// An embedder, checked; references are not yet resolved.
#[derive(Debug, Clone)]
pub struct EmbedderDefinition {
    /// Its model.
    pub model: ModelDefinition,
    /// Put before every text.
    pub prefix: String,
    /// A name for what the model cannot tell about itself.
    pub revision: Option<String>,
    /// How an input becomes a text.
    pub text: TextRule,
}

impl From<ModelDefinition> for EmbedderDefinition {
    fn from(model: ModelDefinition) -> Self {
        Self { model, prefix: String::new(), revision: None, text: TextRule::default() }
    }
}

/// The model of an embedder, checked.
#[derive(Debug, Clone)]
pub enum ModelDefinition {
    /// The table in the binary.
    Builtin,
    /// Hashed words and character n-grams.
    HashedNgrams,
    /// A Model2Vec directory.
    Model2Vec(PathBuf),
    /// A sentence-transformer directory, and the most tokens of a text.
    Bert(PathBuf, Option<usize>),
    /// A server.
    OpenAi {
        /// Where the API lives.
        base_url: String,
        /// The model asked for.
        model: String,
        /// Reference to the key.
        api_key: Option<String>,
        /// Further headers.
        headers: BTreeMap<String, String>,
        /// Components asked for.
        dimensions: Option<usize>,
        /// Texts in one request.
        batch: usize,
        /// Most requests begun in a minute.
        requests_per_minute: Option<u32>,
        /// Longest duration of one attempt.
        timeout: Duration,
        /// Attempts after the first one.
        max_retries: u32,
    },
}

/// The embedders of a workspace by name, with the two that need no definition.
pub(super) fn definitions(
    path: &Path,
    root: &Path,
    files: BTreeMap<String, EmbedderFile>,
) -> Result<BTreeMap<String, EmbedderDefinition>, Failure> {
    let mut known = BTreeMap::from([
        ("builtin".to_owned(), ModelDefinition::Builtin.into()),
        ("hashed-ngrams".to_owned(), ModelDefinition::HashedNgrams.into()),
    ]);
    for (name, file) in files {
        let definition = definition(path, root, &name, file)?;
        known.insert(name, definition);
    }
    Ok(known)
}

fn definition(path: &Path, root: &Path, name: &str, file: EmbedderFile) -> Result<EmbedderDefinition, Failure> {
    let place = format!("{}: embedders.{name}", path.display());
    let missing = |key: &str| Failure::data(format!("{place} needs the key \"{key}\""));
    let kind = file.r#type;
    if let Some(key) = foreign_key(kind, &file) {
        return Err(Failure::data(format!("{place}.{key} does not belong to an embedder of type {}", kind.name()))
            .hint("remove the key"));
    }
    if file.batch == Some(0) || file.text.chunk_words == Some(0) || file.max_tokens.is_some_and(|tokens| tokens < 3) {
        return Err(Failure::data(format!(
            "{place}: batch and text.chunk_words must be at least 1, max_tokens at least 3"
        )));
    }
    let folder = || file.path.as_ref().map(|path| root.join(path)).ok_or_else(|| missing("path"));
    let model = match kind {
        EmbedderType::Builtin => ModelDefinition::Builtin,
        EmbedderType::HashedNgrams => ModelDefinition::HashedNgrams,
        EmbedderType::Model2vec => ModelDefinition::Model2Vec(folder()?),
        EmbedderType::Bert => ModelDefinition::Bert(folder()?, file.max_tokens),
        EmbedderType::Openai => {
            if let Some(key) = &file.api_key {
                require_reference(path, &format!("embedders.{name}.api_key"), key)?;
            }
            for (header, value) in file.headers.iter().filter(|(header, _)| is_secret_name(header)) {
                require_reference(path, &format!("embedders.{name}.headers.{header}"), value)?;
            }
            ModelDefinition::OpenAi {
                base_url: file.base_url.ok_or_else(|| missing("base_url"))?,
                model: file.model.ok_or_else(|| missing("model"))?,
                api_key: file.api_key,
                headers: file.headers,
                dimensions: file.dimensions,
                batch: file.batch.unwrap_or(64),
                requests_per_minute: file.requests_per_minute,
                timeout: timeout(path, &format!("embedders.{name}"), file.timeout.as_deref())?,
                max_retries: file.max_retries.unwrap_or(4),
            }
        }
    };
    Ok(EmbedderDefinition { model, prefix: file.prefix, revision: file.revision, text: file.text })
}

/// The first key that is there but does not belong to the type.
fn foreign_key(kind: EmbedderType, file: &EmbedderFile) -> Option<&'static str> {
    let (folder, bert, remote) = (
        matches!(kind, EmbedderType::Model2vec | EmbedderType::Bert),
        kind == EmbedderType::Bert,
        kind == EmbedderType::Openai,
    );
    let keys = [
        ("path", file.path.is_some(), folder),
        ("max_tokens", file.max_tokens.is_some(), bert),
        ("base_url", file.base_url.is_some(), remote),
        ("model", file.model.is_some(), remote),
        ("api_key", file.api_key.is_some(), remote),
        ("headers", !file.headers.is_empty(), remote),
        ("dimensions", file.dimensions.is_some(), remote),
        ("batch", file.batch.is_some(), remote),
        ("requests_per_minute", file.requests_per_minute.is_some(), remote),
        ("timeout", file.timeout.is_some(), remote),
        ("max_retries", file.max_retries.is_some(), remote),
    ];
    keys.into_iter().find(|(_, present, belongs)| *present && !belongs).map(|(key, ..)| key)
}
