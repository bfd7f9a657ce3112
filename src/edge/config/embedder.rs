//! `embedders:` of `karat.yaml`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::endpoint::{default_retries, default_timeout};
use super::forms::{TextOrNumber, at_least_one, duration};
use super::secrets::require_references;
use super::typed::{Group, Kind, schema, typed};
use crate::core::domain::TextRule;
use crate::edge::yaml::{Fault, Mapping, Reader};

/// The kind of an embedder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EmbedderType {
    /// A table in the karat binary: English, compares meaning and spelling, no network, hundreds of thousands of texts per
    /// second.
    Fast,
    /// A sentence transformer in the karat binary: English, compares meaning and word order, no network, hundreds of texts
    /// per second.
    Minilm,
    /// The older name of `fast`.
    Builtin,
    /// Hashed words and character n-grams: any language, compares spelling only, no network.
    HashedNgrams,
    /// A Model2Vec directory.
    Model2vec,
    /// A sentence-transformer directory of the BERT family; requires a karat built with the feature "bert".
    Bert,
    /// Any server that implements OpenAI's /embeddings API.
    Openai,
}

impl EmbedderType {
    /// The name used in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Minilm => "minilm",
            Self::Builtin => "builtin",
            Self::HashedNgrams => "hashed-ngrams",
            Self::Model2vec => "model2vec",
            Self::Bert => "bert",
            Self::Openai => "openai",
        }
    }
}

/// A checked embedder definition; references are not resolved yet.
#[derive(Debug, Clone)]
pub struct EmbedderDefinition {
    /// The model.
    pub model: ModelDefinition,
    /// Text prepended to every input.
    pub prefix: String,
    /// A name for what cannot be read from the model itself.
    pub revision: Option<String>,
    /// How an input becomes a text.
    pub text: TextRule,
}

impl From<ModelDefinition> for EmbedderDefinition {
    fn from(model: ModelDefinition) -> Self {
        Self { model, prefix: String::new(), revision: None, text: TextRule::default() }
    }
}

/// The checked model of an embedder.
#[derive(Debug, Clone)]
pub enum ModelDefinition {
    /// The table in the binary.
    Builtin,
    /// The sentence transformer in the binary.
    Minilm,
    /// Hashed words and character n-grams.
    HashedNgrams,
    /// A Model2Vec directory.
    Model2Vec(PathBuf),
    /// A sentence-transformer directory, and the maximum number of tokens per text.
    Bert(PathBuf, Option<usize>),
    /// A server.
    OpenAi(Box<ServerDefinition>),
}

/// Keys of every embedder.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct CommonKeys {
    /// Text prepended to every input, if the model expects one, such as "query: ".
    #[serde(default)]
    prefix: String,
    /// A name for what cannot be read from the model itself; a new revision is a new embedding space.
    revision: Option<String>,
    /// How an input becomes the text that is embedded, such as `{fields: [question]}`.
    #[serde(default)]
    text: TextRule,
}

/// Keys of models stored in a folder.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct FolderKeys {
    /// The model's folder, absolute or relative to karat.yaml. karat downloads nothing.
    path: PathBuf,
}

/// Keys of BERT models.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct BertKeys {
    /// Maximum number of tokens per text, at least 3. Default: the model's own limit.
    max_tokens: Option<usize>,
}

/// A server that implements OpenAI's /embeddings API.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct ServerDefinition {
    /// The base URL of the API, such as `https://api.openai.com/v1` or `http://localhost:11434/v1`.
    pub base_url: String,
    /// The model to request.
    pub model: String,
    /// A reference to the key, such as ${OPENAI_API_KEY}. Never the key itself.
    pub api_key: Option<String>,
    /// Additional HTTP headers, such as {x-team: search}.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Number of dimensions to request, if the model offers a choice.
    pub dimensions: Option<usize>,
    /// Number of texts per request. Default: 64.
    #[serde(default = "default_batch", deserialize_with = "at_least_one")]
    pub batch: usize,
    /// Maximum number of requests started per minute. Default: no limit.
    pub requests_per_minute: Option<u32>,
    /// How long one attempt may take, such as 30s or 2m. Default: 60s.
    #[serde(default = "default_timeout", deserialize_with = "duration")]
    #[schemars(with = "TextOrNumber")]
    pub timeout: Duration,
    /// Maximum number of retries on 429, 5xx, broken connections and timeouts. Default: 4.
    #[serde(default = "default_retries")]
    pub max_retries: u32,
}

fn default_batch() -> usize {
    64
}

impl Kind for EmbedderType {
    const ALL: &'static [Self] =
        &[Self::Fast, Self::Minilm, Self::Builtin, Self::HashedNgrams, Self::Model2vec, Self::Bert, Self::Openai];

    fn groups(self) -> Vec<Group> {
        let mut groups = match self {
            Self::Fast | Self::Minilm | Self::Builtin | Self::HashedNgrams => Vec::new(),
            Self::Model2vec => vec![Group::of::<FolderKeys>()],
            Self::Bert => vec![Group::of::<FolderKeys>(), Group::of::<BertKeys>()],
            Self::Openai => vec![Group::of::<ServerDefinition>()],
        };
        groups.push(Group::of::<CommonKeys>());
        groups
    }

    fn name(self) -> &'static str {
        Self::name(self)
    }
}

/// The JSON Schema of an embedder.
#[derive(Debug, Clone)]
pub struct EmbedderFile;

impl JsonSchema for EmbedderFile {
    fn schema_name() -> Cow<'static, str> {
        "EmbedderFile".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let about = "An embedder: a type and its keys, such as {type: model2vec, path: models/potion-base-8M}.";
        schema::<EmbedderType>(generator, about, &[])
    }
}

/// The embedders that are available without a definition.
pub(super) fn built_in() -> BTreeMap<String, EmbedderDefinition> {
    BTreeMap::from([
        ("builtin".to_owned(), ModelDefinition::Builtin.into()),
        ("fast".to_owned(), ModelDefinition::Builtin.into()),
        ("minilm".to_owned(), ModelDefinition::Minilm.into()),
        ("hashed-ngrams".to_owned(), ModelDefinition::HashedNgrams.into()),
    ])
}

/// Reads and checks an embedder; `root` is the workspace's folder.
pub(super) fn embedder(reader: Reader<'_>, root: &Path) -> Result<EmbedderDefinition, Fault> {
    let (kind, keys) =
        typed::<EmbedderType>(reader, "a mapping with a type, such as {type: model2vec, path: models/NAME}")?;
    let CommonKeys { prefix, revision, text } = keys.part()?;
    if text.chunk_words == Some(0) {
        return Err(keys
            .get("text")
            .unwrap_or(reader)
            .fault("has chunk_words 0, but it must be 1 or more")
            .under("text"));
    }
    let folder = || keys.part::<FolderKeys>().map(|keys| root.join(keys.path));
    let model = match kind {
        EmbedderType::Fast | EmbedderType::Builtin => ModelDefinition::Builtin,
        EmbedderType::Minilm => ModelDefinition::Minilm,
        EmbedderType::HashedNgrams => ModelDefinition::HashedNgrams,
        EmbedderType::Model2vec => ModelDefinition::Model2Vec(folder()?),
        EmbedderType::Bert => ModelDefinition::Bert(folder()?, max_tokens(keys)?),
        EmbedderType::Openai => {
            require_references(keys)?;
            ModelDefinition::OpenAi(Box::new(keys.part()?))
        }
    };
    Ok(EmbedderDefinition { model, prefix, revision, text })
}

fn max_tokens(keys: Mapping<'_>) -> Result<Option<usize>, Fault> {
    let max = keys.part::<BertKeys>()?.max_tokens;
    match (max, keys.get("max_tokens")) {
        (Some(..3), Some(at)) => Err(at.wrong("3 or more").under("max_tokens")),
        _ => Ok(max),
    }
}
