//! `endpoints` of `karat.yaml`, and endpoints given by an id such as `openai:chat:gpt-x`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::civil::Date;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::forms::{TextOrNumber, at_least_one, command, duration, share};
use super::secrets::require_references;
use super::typed::{Group, Kind, schema, typed};
use crate::core::pricing::Price;
use crate::edge::yaml::{Fault, Mapping, Reader};

/// The kind of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EndpointType {
    /// Any server that speaks the OpenAI API: chat completions or responses.
    Openai,
    /// Anthropic's messages API.
    Anthropic,
    /// Google's Gemini API.
    Gemini,
    /// Any other JSON API.
    Http,
    /// A program that reads requests and writes answers, one JSON object per line.
    Exec,
    /// A cassette that a run recorded.
    Replay,
    /// A nearest-neighbour classifier over a labelled dataset: does the model beat the obvious approach?
    Baseline,
}

impl EndpointType {
    /// The name used in files and in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Http => "http",
            Self::Exec => "exec",
            Self::Replay => "replay",
            Self::Baseline => "baseline",
        }
    }
}

/// Which of OpenAI's APIs to use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OpenAiApi {
    /// Chat completions, which most servers support.
    #[default]
    Chat,
    /// Responses.
    Responses,
}

/// A checked endpoint definition; references are not resolved yet.
#[derive(Debug, Clone)]
pub struct EndpointDefinition {
    /// The kind of endpoint.
    pub r#type: EndpointType,
    /// The settings of its kind.
    pub settings: EndpointSettings,
    /// The price of requests, if it is known.
    pub price: Option<Price>,
    /// The day the model is shut down.
    pub eol: Option<Date>,
    /// Published scores of the model.
    pub claims: Vec<ClaimFile>,
}

/// The settings of each kind of endpoint.
#[derive(Debug, Clone)]
pub enum EndpointSettings {
    /// A model API over HTTP.
    Api(Box<ApiDefinition>),
    /// A program.
    Exec(ExecDefinition),
    /// A cassette.
    Replay(ReplayDefinition),
    /// The nearest-neighbour baseline.
    Baseline(BaselineDefinition),
}

/// Keys of every endpoint.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct CommonKeys {
    /// Price per million tokens, in any currency: {input: 0.15, output: 0.6}; or per request: {request: 0.001}.
    price: Option<Price>,
    /// The day the model is shut down, such as 2026-12-31; karat warns 60 days ahead.
    eol: Option<String>,
    /// Published scores of the model, shown beside the measured ones: [{score: 0.91, source: "model card"}].
    #[serde(default)]
    claims: Vec<ClaimFile>,
}

/// A published score as written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimFile {
    /// The published score, between 0 and 1.
    #[serde(deserialize_with = "share")]
    pub score: f64,
    /// Where it was published, such as "model card, 2026-03".
    pub source: String,
    /// The scorer that it is compared with. Default: the first one of the suite.
    pub scorer: Option<String>,
    /// The prompt it was measured with, such as "5 examples, chain of thought".
    pub prompt: Option<String>,
    /// The agent or tools around the model.
    pub scaffold: Option<String>,
    /// The context length in tokens.
    pub context_length: Option<u64>,
}

/// A model API over HTTP: the keys that all of them share, and what follows from the type.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct ApiDefinition {
    /// The wire format.
    #[serde(skip)]
    pub dialect: ApiDialect,
    /// Whether answers are streamed.
    #[serde(skip)]
    pub stream: bool,
    /// The base URL of the API, such as `https://api.openai.com/v1` or `http://localhost:11434/v1`; for type http, the
    /// complete URL. Anthropic and Gemini have a default.
    #[serde(default)]
    pub base_url: String,
    /// The model to request.
    #[serde(default)]
    pub model: String,
    /// A reference to the key, such as ${OPENAI_API_KEY}. Never the key itself.
    pub api_key: Option<String>,
    /// The header that carries the key without a prefix, such as api-key for Azure. Default: the API's own header.
    pub api_key_header: Option<String>,
    /// Additional HTTP headers, such as {x-team: search, x-token: "${TOKEN}"}.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Additional fields of the request body, such as {temperature: 0, max_tokens: 64}.
    #[serde(default)]
    pub params: Map<String, Value>,
    /// How long one attempt may take, such as 30s or 2m. Default: 60s.
    #[serde(default = "default_timeout", deserialize_with = "duration")]
    #[schemars(with = "TextOrNumber")]
    pub timeout: Duration,
    /// Maximum number of retries on 429, 5xx, broken connections and timeouts; 0 means none. Default: 4.
    #[serde(default = "default_retries")]
    pub max_retries: u32,
    /// Use HTTP/2 over plain http, without negotiation. Over https it is negotiated anyway. Default: false.
    #[serde(default)]
    pub http2: bool,
    /// Maximum number of requests started per minute. Default: only the limits that the server reports.
    #[serde(default, deserialize_with = "at_least_one")]
    pub requests_per_minute: Option<u64>,
    /// Maximum number of tokens requested per minute, in prompts (estimated) and answers (max_tokens). Default: no
    /// limit.
    #[serde(default, deserialize_with = "at_least_one")]
    pub tokens_per_minute: Option<u64>,
}

/// The wire format of a model API.
#[derive(Debug, Clone, Default)]
pub enum ApiDialect {
    /// OpenAI's chat completions.
    #[default]
    OpenAiChat,
    /// OpenAI's responses.
    OpenAiResponses,
    /// Anthropic's messages.
    Anthropic,
    /// Google's generateContent.
    Gemini,
    /// Any JSON API.
    Http(HttpDefinition),
}

/// Keys of the APIs that can stream.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct StreamKeys {
    /// Request a stream, to measure the time to the first token and tokens per second. Default: false.
    #[serde(default)]
    stream: bool,
}

/// Keys of OpenAI's APIs.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct OpenAiKeys {
    /// chat (the default) or responses.
    #[serde(default)]
    api: OpenAiApi,
}

/// A JSON API of any form.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct HttpDefinition {
    /// The HTTP method. Default: POST.
    #[serde(default = "default_method")]
    pub method: String,
    /// The body as JSON. Its strings are templates that can use messages, prompt, system, input, id, trial, options,
    /// model and params. A string that is a single expression, such as "{{ messages }}", is replaced by its value.
    pub body: Value,
    /// Where the answer is in the response, such as choices.0.message.content or /choices/0/text.
    pub output: String,
    /// Where the model's name is in the response.
    pub model_path: Option<String>,
    /// Where the number of prompt tokens is in the response.
    pub prompt_tokens_path: Option<String>,
    /// Where the number of answer tokens is in the response.
    pub completion_tokens_path: Option<String>,
    /// HTTP statuses that count as success. Default: every 2xx.
    #[serde(default)]
    pub ok_statuses: Vec<u16>,
    /// HTTP statuses to retry, in addition to 408, 409, 425, 429 and 5xx.
    #[serde(default)]
    pub retry_statuses: Vec<u16>,
}

/// A program.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct ExecDefinition {
    /// The program and its arguments, such as [python3, model.py]; run in the workspace's folder.
    #[serde(deserialize_with = "command")]
    pub command: Vec<String>,
    /// How many instances of the program run at once. Default: 4.
    #[serde(default = "default_workers", deserialize_with = "at_least_one")]
    pub workers: usize,
    /// Parameters passed to the program.
    #[serde(default)]
    pub params: Map<String, Value>,
    /// Change this when the program's answers change for a reason karat cannot see.
    pub revision: Option<String>,
    /// How long one attempt may take, such as 30s or 2m. Default: 60s.
    #[serde(default = "default_timeout", deserialize_with = "duration")]
    #[schemars(with = "TextOrNumber")]
    pub timeout: Duration,
    /// Maximum number of retries; 0 means none. Default: 4.
    #[serde(default = "default_retries")]
    pub max_retries: u32,
}

/// A cassette.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct ReplayDefinition {
    /// The file that `karat run --record` wrote, relative to the workspace.
    pub cassette: PathBuf,
}

/// The nearest-neighbour baseline.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct BaselineDefinition {
    /// The labelled dataset. Default: the suite's own dataset, where each example is answered from all the others.
    pub dataset: Option<String>,
    /// Number of nearest neighbours that vote. Default: 5.
    #[serde(default = "default_neighbours", deserialize_with = "at_least_one")]
    pub k: usize,
}

pub(super) fn default_timeout() -> Duration {
    Duration::from_secs(60)
}

pub(super) fn default_retries() -> u32 {
    4
}

fn default_method() -> String {
    "POST".to_owned()
}

fn default_workers() -> usize {
    4
}

fn default_neighbours() -> usize {
    5
}

const ANTHROPIC: &str = "https://api.anthropic.com";
const GEMINI: &str = "https://generativelanguage.googleapis.com/v1beta";

/// Fields of request bodies that are often written next to `params` by mistake.
const PARAMS: [&str; 8] =
    ["temperature", "max_tokens", "max_completion_tokens", "top_p", "seed", "stop", "reasoning_effort", "tools"];

impl Kind for EndpointType {
    const ALL: &'static [Self] =
        &[Self::Openai, Self::Anthropic, Self::Gemini, Self::Http, Self::Exec, Self::Replay, Self::Baseline];

    fn groups(self) -> Vec<Group> {
        let mut groups = match self {
            Self::Openai => vec![Group::of::<ApiDefinition>(), Group::of::<StreamKeys>(), Group::of::<OpenAiKeys>()],
            Self::Anthropic | Self::Gemini => vec![Group::of::<ApiDefinition>(), Group::of::<StreamKeys>()],
            Self::Http => vec![Group::of::<ApiDefinition>(), Group::of::<HttpDefinition>()],
            Self::Exec => vec![Group::of::<ExecDefinition>()],
            Self::Replay => vec![Group::of::<ReplayDefinition>()],
            Self::Baseline => vec![Group::of::<BaselineDefinition>()],
        };
        groups.push(Group::of::<CommonKeys>());
        groups
    }

    fn name(self) -> &'static str {
        Self::name(self)
    }

    fn hint(key: &str) -> Option<String> {
        PARAMS.contains(&key).then(|| format!("write it under params: {{{key}: …}}"))
    }
}

/// The JSON Schema of an endpoint.
#[derive(Debug, Clone)]
pub struct EndpointFile;

impl JsonSchema for EndpointFile {
    fn schema_name() -> Cow<'static, str> {
        "EndpointFile".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let about = "An endpoint: a type and its keys, such as \
                     {type: openai, base_url: https://api.openai.com/v1, model: gpt-x}; \
                     or an id such as openai:chat:gpt-x.";
        schema::<EndpointType>(generator, about, &[json!({"type": "string"})])
    }
}

/// Reads and checks an endpoint.
pub(super) fn endpoint(reader: Reader<'_>) -> Result<EndpointDefinition, Fault> {
    const EXPECTED: &str = "a mapping with a type, or an id such as openai:chat:MODEL or anthropic/MODEL";
    if let Some(id) = reader.text() {
        return definition_of_id(id).ok_or_else(|| reader.wrong(EXPECTED));
    }
    let (r#type, keys) = typed::<EndpointType>(reader, EXPECTED)?;
    let CommonKeys { price, eol, claims } = keys.part()?;
    if let (Some(problem), Some(at)) = (price.and_then(|price| price.problem()), keys.get("price")) {
        return Err(at.fault(&format!("is not valid: {problem}")).under("price"));
    }
    let eol = eol.map(|text| text.trim().parse::<Date>()).transpose().map_err(|_| {
        let at = keys.get("eol").unwrap_or(reader);
        at.wrong("a day such as 2026-12-31").under("eol")
    })?;
    let settings = match r#type {
        EndpointType::Exec => EndpointSettings::Exec(exec(keys)?),
        EndpointType::Replay => EndpointSettings::Replay(keys.part()?),
        EndpointType::Baseline => EndpointSettings::Baseline(keys.part()?),
        _ => EndpointSettings::Api(Box::new(api(r#type, reader, keys)?)),
    };
    Ok(EndpointDefinition { r#type, settings, price, eol, claims })
}

fn exec(keys: Mapping<'_>) -> Result<ExecDefinition, Fault> {
    let exec: ExecDefinition = keys.part()?;
    match keys.get("command") {
        Some(at) if exec.command.is_empty() => Err(at.wrong("a program, such as [python3, model.py]").under("command")),
        _ => Ok(exec),
    }
}

fn api(r#type: EndpointType, reader: Reader<'_>, keys: Mapping<'_>) -> Result<ApiDefinition, Fault> {
    let mut api: ApiDefinition = keys.part()?;
    require_references(keys)?;
    let (dialect, base_url) = match r#type {
        EndpointType::Anthropic => (ApiDialect::Anthropic, ANTHROPIC),
        EndpointType::Gemini => (ApiDialect::Gemini, GEMINI),
        EndpointType::Http => (ApiDialect::Http(keys.part()?), ""),
        _ => match keys.part::<OpenAiKeys>()?.api {
            OpenAiApi::Chat => (ApiDialect::OpenAiChat, ""),
            OpenAiApi::Responses => (ApiDialect::OpenAiResponses, ""),
        },
    };
    if api.base_url.is_empty() {
        api.base_url = base_url.to_owned();
    }
    if !matches!(dialect, ApiDialect::Http(_)) {
        api.stream = keys.part::<StreamKeys>()?.stream;
    }
    let needs_model = !matches!(dialect, ApiDialect::Http(_));
    for (key, missing) in [("base_url", api.base_url.is_empty()), ("model", needs_model && api.model.is_empty())] {
        if missing {
            return Err(reader.missing(key));
        }
    }
    Ok(ApiDefinition { dialect, ..api })
}

/// A provider that an id can refer to: its name, API, base URL, and the environment variable with the key.
type Provider = (&'static str, EndpointType, &'static str, Option<&'static str>);

const PROVIDERS: [Provider; 10] = [
    ("openai", EndpointType::Openai, "https://api.openai.com/v1", Some("OPENAI_API_KEY")),
    ("anthropic", EndpointType::Anthropic, ANTHROPIC, Some("ANTHROPIC_API_KEY")),
    ("google", EndpointType::Gemini, GEMINI, Some("GEMINI_API_KEY")),
    ("gemini", EndpointType::Gemini, GEMINI, Some("GEMINI_API_KEY")),
    ("mistral", EndpointType::Openai, "https://api.mistral.ai/v1", Some("MISTRAL_API_KEY")),
    ("groq", EndpointType::Openai, "https://api.groq.com/openai/v1", Some("GROQ_API_KEY")),
    ("openrouter", EndpointType::Openai, "https://openrouter.ai/api/v1", Some("OPENROUTER_API_KEY")),
    ("deepseek", EndpointType::Openai, "https://api.deepseek.com/v1", Some("DEEPSEEK_API_KEY")),
    ("xai", EndpointType::Openai, "https://api.x.ai/v1", Some("XAI_API_KEY")),
    ("ollama", EndpointType::Openai, "http://localhost:11434/v1", None),
];

/// The endpoint given by an id of the form `provider:model`, `provider:chat:model` or `provider/model`; `None` if it is
/// not such an id.
pub fn definition_of_id(id: &str) -> Option<EndpointDefinition> {
    let (name, rest) = id.split_once([':', '/'])?;
    let (_, r#type, base_url, api_key) = *PROVIDERS.iter().find(|provider| provider.0 == name)?;
    let by_colon = id.as_bytes().get(name.len()) == Some(&b':');
    let (api, model) = match rest.split_once(':') {
        Some((api @ ("chat" | "responses" | "messages"), model)) if by_colon => (Some(api), model),
        _ => (None, rest),
    };
    let dialect = match (r#type, api) {
        (EndpointType::Openai, None | Some("chat")) => ApiDialect::OpenAiChat,
        (EndpointType::Openai, Some("responses")) => ApiDialect::OpenAiResponses,
        (EndpointType::Anthropic, None | Some("messages")) => ApiDialect::Anthropic,
        (EndpointType::Gemini, None) => ApiDialect::Gemini,
        _ => return None,
    };
    let definition = ApiDefinition {
        dialect,
        base_url: base_url.to_owned(),
        model: Some(model).filter(|model| !model.is_empty())?.to_owned(),
        api_key: api_key.map(|variable| format!("${{{variable}}}")),
        api_key_header: None,
        headers: BTreeMap::new(),
        params: Map::new(),
        timeout: default_timeout(),
        max_retries: default_retries(),
        stream: false,
        http2: false,
        requests_per_minute: None,
        tokens_per_minute: None,
    };
    let settings = EndpointSettings::Api(Box::new(definition));
    Some(EndpointDefinition { r#type, settings, price: None, eol: None, claims: Vec::new() })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::edge::yaml::Document;

    fn api_of(id: &str) -> Option<(EndpointType, String, String, Option<String>)> {
        let found = definition_of_id(id)?;
        let EndpointSettings::Api(api) = found.settings else { return None };
        Some((found.r#type, api.base_url, api.model, api.api_key))
    }

    #[test]
    fn both_styles_of_id_give_a_provider_and_a_model() {
        let openai = |model: &str| {
            let key = Some("${OPENAI_API_KEY}".to_owned());
            Some((EndpointType::Openai, "https://api.openai.com/v1".to_owned(), model.to_owned(), key))
        };
        for id in ["openai:chat:gpt-x", "openai:gpt-x", "openai/gpt-x", "openai:responses:gpt-x"] {
            assert_eq!(api_of(id), openai("gpt-x"), "{id}");
        }
        assert_eq!(api_of("openai/ft:gpt-x:org").unwrap().2, "ft:gpt-x:org");
        assert_eq!(api_of("openrouter/vendor/model-1").unwrap().2, "vendor/model-1");
        assert_eq!(api_of("anthropic:messages:c").unwrap().0, EndpointType::Anthropic);
        assert_eq!(api_of("ollama:qwen3:8b").unwrap().2, "qwen3:8b");
        for id in ["gpt-x", "nobody/gpt-x", "openai/", "openai:messages:gpt-x", "anthropic:chat:c", ""] {
            assert_eq!(api_of(id), None, "{id}");
        }
    }

    fn read(yaml: &str) -> Result<EndpointDefinition, String> {
        let document = Document::parse(yaml.to_owned(), Path::new("karat.yaml")).unwrap();
        endpoint(document.root()).map_err(|fault| fault.under("m").under("endpoints").to_string())
    }

    #[test]
    fn invalid_settings_are_refused_with_a_message() {
        let cases = [
            ("{type: openai, model: x}", "endpoints.m needs the key \"base_url\""),
            ("{type: anthropic}", "endpoints.m needs the key \"model\""),
            ("{type: http, base_url: http://h, body: {}}", "endpoints.m needs the key \"output\""),
            ("{type: exec}", "endpoints.m needs the key \"command\""),
            ("{type: exec, command: []}", "endpoints.m.command is a list, but must be a program"),
            ("{type: exec, command: [a], workers: 0}", "endpoints.m.workers is 0"),
            ("{type: replay}", "endpoints.m needs the key \"cassette\""),
            (
                "{type: replay, cassette: c.jsonl, timeout: 3s}",
                "endpoints.m.timeout is a key of type openai, anthropic, gemini, http, exec, not of replay",
            ),
            ("{type: baseline, k: 0}", "endpoints.m.k is 0"),
            (
                "{type: baseline, model: x}",
                "endpoints.m.model is a key of type openai, anthropic, gemini, http, not of baseline",
            ),
            ("{type: gemini, model: x, price: {output: -1}}", "endpoints.m.price is not valid: output is -1"),
            ("{type: gemini, model: x, eol: soon}", "endpoints.m.eol is \"soon\", but must be a day"),
            ("{type: gemini, model: x, requests_per_minute: 0}", "endpoints.m.requests_per_minute is 0"),
            ("{type: gemini, model: x, api_key: abc}", "endpoints.m.api_key contains a literal secret"),
        ];
        for (yaml, expected) in cases {
            let message = read(yaml).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn anthropic_and_gemini_have_default_base_urls() {
        for (yaml, expected) in [("{type: anthropic, model: x}", ANTHROPIC), ("{type: gemini, model: x}", GEMINI)] {
            let EndpointSettings::Api(api) = read(yaml).unwrap().settings else { panic!("no API") };
            assert_eq!(api.base_url, expected);
        }
    }
}
