//! `endpoints` of `karat.yaml`, and endpoints named by an id such as `openai:chat:gpt-x`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::secrets::{is_secret_name, require_reference};
use super::workspace::timeout;
use crate::core::domain::Failure;
use crate::core::pricing::Price;

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
    /// A program that reads requests and writes answers, one JSON object a line.
    Exec,
    /// A cassette that a run recorded.
    Replay,
    /// A nearest-neighbour classifier over a labelled dataset: does the model beat the obvious?
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

    fn is_api(self) -> bool {
        matches!(self, Self::Openai | Self::Anthropic | Self::Gemini | Self::Http)
    }

    /// The keys that belong to it, besides type, price and eol.
    fn keys(self) -> Vec<&'static str> {
        let sending = ["timeout", "max_retries"];
        let api = [
            "base_url",
            "api_key",
            "api_key_header",
            "headers",
            "model",
            "params",
            "http2",
            "requests_per_minute",
            "tokens_per_minute",
        ];
        let own: &[&str] = match self {
            Self::Openai => &["api", "stream"],
            Self::Anthropic | Self::Gemini => &["stream"],
            Self::Http => &[
                "method",
                "body",
                "output",
                "model_path",
                "prompt_tokens_path",
                "completion_tokens_path",
                "ok_statuses",
                "retry_statuses",
            ],
            Self::Exec => &["command", "workers", "params", "revision"],
            Self::Replay => &["cassette"],
            Self::Baseline => &["dataset", "k"],
        };
        let mut keys = own.to_vec();
        if self.is_api() {
            keys.extend(api);
        }
        if self.is_api() || self == Self::Exec {
            keys.extend(sending);
        }
        keys
    }
}

/// Which of OpenAI's APIs is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OpenAiApi {
    /// Chat completions, which most servers speak.
    #[default]
    Chat,
    /// Responses.
    Responses,
}

/// An endpoint as written. Which keys apply depends on `type`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointFile {
    /// Its kind.
    pub r#type: EndpointType,
    /// openai: chat (the default) or responses.
    pub api: Option<OpenAiApi>,
    /// openai, anthropic, gemini, http: where the API lives, such as `https://api.openai.com/v1` or
    /// `http://localhost:11434/v1`; for http the whole URL. Anthropic and Gemini have a default.
    pub base_url: Option<String>,
    /// openai, anthropic, gemini, http: the model asked for.
    pub model: Option<String>,
    /// A reference to the key, such as ${OPENAI_API_KEY}. Never the key itself.
    pub api_key: Option<String>,
    /// The header that carries the key, bare, such as api-key for Azure. Default: the API's own way.
    pub api_key_header: Option<String>,
    /// Further HTTP headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Further fields of the request body, such as temperature or max_tokens; exec: handed to the program.
    #[serde(default)]
    pub params: Map<String, Value>,
    /// How long one attempt may take, such as 30s or 2m. Default: 60s.
    pub timeout: Option<String>,
    /// Attempts after the first one, on 429, 5xx, broken connections and timeouts; 0 means none. Default: 4.
    pub max_retries: Option<u32>,
    /// Ask for a stream, to measure the time to the first token and tokens a second. Default: false.
    pub stream: Option<bool>,
    /// Speak HTTP/2 to a plain http server, without asking first. Over https it is negotiated anyway. Default: false.
    pub http2: Option<bool>,
    /// Most requests begun in a minute. Default: no bound but what the server says.
    pub requests_per_minute: Option<u64>,
    /// Most tokens begun in a minute, of prompts (estimated) and answers (max_tokens). Default: no bound.
    pub tokens_per_minute: Option<u64>,
    /// What a million tokens cost: {input: 0.15, output: 0.6}, and what a request costs: {request: 0.001}.
    pub price: Option<Price>,
    /// The day the model is switched off, such as 2026-12-31: karat warns 60 days ahead.
    pub eol: Option<String>,
    /// http: the method. Default: POST.
    pub method: Option<String>,
    /// http: the body as JSON; its texts are templates that know messages, prompt, system, input, id, trial, options,
    /// model and params. A text that is one expression alone becomes its value: "{{ messages }}".
    pub body: Option<Value>,
    /// http: where the answer stands in the response, such as choices.0.message.content or /choices/0/text.
    pub output: Option<String>,
    /// http: where the model's name stands.
    pub model_path: Option<String>,
    /// http: where the number of prompt tokens stands.
    pub prompt_tokens_path: Option<String>,
    /// http: where the number of answer tokens stands.
    pub completion_tokens_path: Option<String>,
    /// http: statuses that are answers. Default: every 2xx.
    pub ok_statuses: Option<Vec<u16>>,
    /// http: statuses worth another attempt, besides 408, 409, 425, 429 and 5xx.
    pub retry_statuses: Option<Vec<u16>>,
    /// exec: the program and its arguments, run in the workspace's folder.
    pub command: Option<Vec<String>>,
    /// exec: how many of it run at once. Default: 4.
    pub workers: Option<usize>,
    /// exec: change it when the program answers differently for a reason karat cannot see.
    pub revision: Option<String>,
    /// replay: the file that `karat run --record` wrote.
    pub cassette: Option<PathBuf>,
    /// baseline: the labelled dataset. Default: the suite's own, each example answered from all others.
    pub dataset: Option<String>,
    /// baseline: neighbours asked. Default: 5.
    pub k: Option<usize>,
}

impl EndpointFile {
    /// Every key but type, price and eol, with whether it is there.
    fn present(&self) -> Vec<(&'static str, bool)> {
        vec![
            ("api", self.api.is_some()),
            ("base_url", self.base_url.is_some()),
            ("model", self.model.is_some()),
            ("api_key", self.api_key.is_some()),
            ("api_key_header", self.api_key_header.is_some()),
            ("headers", !self.headers.is_empty()),
            ("params", !self.params.is_empty()),
            ("timeout", self.timeout.is_some()),
            ("max_retries", self.max_retries.is_some()),
            ("stream", self.stream.is_some()),
            ("http2", self.http2.is_some()),
            ("requests_per_minute", self.requests_per_minute.is_some()),
            ("tokens_per_minute", self.tokens_per_minute.is_some()),
            ("method", self.method.is_some()),
            ("body", self.body.is_some()),
            ("output", self.output.is_some()),
            ("model_path", self.model_path.is_some()),
            ("prompt_tokens_path", self.prompt_tokens_path.is_some()),
            ("completion_tokens_path", self.completion_tokens_path.is_some()),
            ("ok_statuses", self.ok_statuses.is_some()),
            ("retry_statuses", self.retry_statuses.is_some()),
            ("command", self.command.is_some()),
            ("workers", self.workers.is_some()),
            ("revision", self.revision.is_some()),
            ("cassette", self.cassette.is_some()),
            ("dataset", self.dataset.is_some()),
            ("k", self.k.is_some()),
        ]
    }
}

/// An endpoint, checked; references are not yet resolved.
#[derive(Debug, Clone)]
pub struct EndpointDefinition {
    /// Its kind.
    pub r#type: EndpointType,
    /// What its kind needs.
    pub settings: EndpointSettings,
    /// What it costs.
    pub price: Option<Price>,
    /// The day the model is switched off.
    pub eol: Option<Date>,
}

/// What each kind of endpoint needs.
#[derive(Debug, Clone)]
pub enum EndpointSettings {
    /// A model API over HTTP.
    Api(Box<ApiDefinition>),
    /// A program.
    Exec {
        /// The program and its arguments.
        command: Vec<String>,
        /// How many of it run at once.
        workers: usize,
        /// Handed to the program.
        params: Map<String, Value>,
        /// Changed by hand when the program answers differently.
        revision: Option<String>,
        /// Longest duration of one attempt.
        timeout: Duration,
        /// Attempts after the first one.
        max_retries: u32,
    },
    /// A cassette.
    Replay {
        /// The file, relative to the workspace.
        cassette: PathBuf,
    },
    /// The nearest-neighbour baseline.
    Baseline {
        /// The labelled dataset; the suite's own where none is named.
        dataset: Option<String>,
        /// Neighbours asked.
        k: usize,
    },
}

/// A model API over HTTP.
#[derive(Debug, Clone)]
pub struct ApiDefinition {
    /// How it is spoken to.
    pub dialect: ApiDialect,
    /// Where it lives.
    pub base_url: String,
    /// The model asked for.
    pub model: String,
    /// Reference to the key.
    pub api_key: Option<String>,
    /// The header that carries the key.
    pub api_key_header: Option<String>,
    /// Further headers.
    pub headers: BTreeMap<String, String>,
    /// Further fields of the body.
    pub params: Map<String, Value>,
    /// Longest duration of one attempt.
    pub timeout: Duration,
    /// Attempts after the first one.
    pub max_retries: u32,
    /// Whether answers are streamed.
    pub stream: bool,
    /// Whether HTTP/2 is spoken without asking first.
    pub http2: bool,
    /// Most requests begun in a minute.
    pub requests_per_minute: Option<u64>,
    /// Most tokens begun in a minute.
    pub tokens_per_minute: Option<u64>,
}

/// How a model API is spoken to.
#[derive(Debug, Clone)]
pub enum ApiDialect {
    /// OpenAI's chat completions.
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

/// A JSON API of any form.
#[derive(Debug, Clone)]
pub struct HttpDefinition {
    /// The method.
    pub method: String,
    /// The body, its texts templates.
    pub body: Value,
    /// Where the answer stands.
    pub output: String,
    /// Where the model's name stands.
    pub model_path: Option<String>,
    /// Where the number of prompt tokens stands.
    pub prompt_tokens_path: Option<String>,
    /// Where the number of answer tokens stands.
    pub completion_tokens_path: Option<String>,
    /// Statuses that are answers.
    pub ok_statuses: Vec<u16>,
    /// Statuses worth another attempt.
    pub retry_statuses: Vec<u16>,
}

const ANTHROPIC: &str = "https://api.anthropic.com";
const GEMINI: &str = "https://generativelanguage.googleapis.com/v1beta";

/// Checks an endpoint as written.
///
/// # Errors
/// A data failure naming file and key.
pub(super) fn endpoint_definition(path: &Path, name: &str, file: EndpointFile) -> Result<EndpointDefinition, Failure> {
    let place = path.display();
    let fault = |what: String| Failure::data(format!("{place}: endpoints.{name}{what}"));
    let r#type = file.r#type;
    let allowed = r#type.keys();
    if let Some((key, _)) = file.present().into_iter().find(|(key, present)| *present && !allowed.contains(key)) {
        return Err(
            fault(format!(".{key} does not belong to an endpoint of type {}", r#type.name())).hint("remove the key")
        );
    }
    if let Some(problem) = file.price.and_then(|price| price.problem()) {
        return Err(fault(format!(".price.{problem}")));
    }
    let eol = file.eol.as_deref().map(|text| {
        text.trim().parse::<Date>().map_err(|_| fault(format!(".eol \"{text}\" is not a day")).hint("write 2026-12-31"))
    });
    let (eol, price) = (eol.transpose()?, file.price);
    let settings = match r#type {
        EndpointType::Baseline => {
            let k = file.k.unwrap_or(5);
            if k == 0 {
                return Err(fault(".k is 0, but must be at least 1".to_owned()));
            }
            EndpointSettings::Baseline { dataset: file.dataset, k }
        }
        EndpointType::Replay => EndpointSettings::Replay {
            cassette: file.cassette.ok_or_else(|| fault(" needs the key \"cassette\"".into()))?,
        },
        EndpointType::Exec => exec(path, name, file)?,
        _ => EndpointSettings::Api(Box::new(api(path, name, file)?)),
    };
    Ok(EndpointDefinition { r#type, settings, price, eol })
}

fn exec(path: &Path, name: &str, file: EndpointFile) -> Result<EndpointSettings, Failure> {
    let key = format!("endpoints.{name}");
    let fault = |what: &str| Failure::data(format!("{}: {key}{what}", path.display()));
    let command = file.command.filter(|command| !command.is_empty());
    let workers = file.workers.unwrap_or(4);
    if workers == 0 {
        return Err(fault(".workers is 0, but must be at least 1"));
    }
    Ok(EndpointSettings::Exec {
        command: command.ok_or_else(|| fault(" needs the key \"command\"").hint("such as [python3, model.py]"))?,
        workers,
        params: file.params,
        revision: file.revision,
        timeout: timeout(path, &key, file.timeout.as_deref())?,
        max_retries: file.max_retries.unwrap_or(4),
    })
}

fn api(path: &Path, name: &str, file: EndpointFile) -> Result<ApiDefinition, Failure> {
    let key = format!("endpoints.{name}");
    let missing = |part: &str| Failure::data(format!("{}: {key} needs the key \"{part}\"", path.display()));
    if let Some(value) = &file.api_key {
        require_reference(path, &format!("{key}.api_key"), value)?;
    }
    for (header, value) in file.headers.iter().filter(|(header, _)| is_secret_name(header)) {
        require_reference(path, &format!("{key}.headers.{header}"), value)?;
    }
    for (part, limit) in
        [("requests_per_minute", file.requests_per_minute), ("tokens_per_minute", file.tokens_per_minute)]
    {
        if limit == Some(0) {
            return Err(Failure::data(format!("{}: {key}.{part} is 0, but must be at least 1", path.display())));
        }
    }
    let (dialect, base_url) = match file.r#type {
        EndpointType::Anthropic => (ApiDialect::Anthropic, Some(ANTHROPIC)),
        EndpointType::Gemini => (ApiDialect::Gemini, Some(GEMINI)),
        EndpointType::Http => (
            ApiDialect::Http(HttpDefinition {
                method: file.method.unwrap_or_else(|| "POST".to_owned()),
                body: file.body.ok_or_else(|| missing("body"))?,
                output: file.output.ok_or_else(|| missing("output"))?,
                model_path: file.model_path,
                prompt_tokens_path: file.prompt_tokens_path,
                completion_tokens_path: file.completion_tokens_path,
                ok_statuses: file.ok_statuses.unwrap_or_default(),
                retry_statuses: file.retry_statuses.unwrap_or_default(),
            }),
            None,
        ),
        _ if file.api == Some(OpenAiApi::Responses) => (ApiDialect::OpenAiResponses, None),
        _ => (ApiDialect::OpenAiChat, None),
    };
    let needs_model = !matches!(dialect, ApiDialect::Http(_));
    Ok(ApiDefinition {
        base_url: file.base_url.or(base_url.map(str::to_owned)).ok_or_else(|| missing("base_url"))?,
        model: file.model.or((!needs_model).then(String::new)).ok_or_else(|| missing("model"))?,
        dialect,
        api_key: file.api_key,
        api_key_header: file.api_key_header,
        headers: file.headers,
        params: file.params,
        timeout: timeout(path, &key, file.timeout.as_deref())?,
        max_retries: file.max_retries.unwrap_or(4),
        stream: file.stream.unwrap_or(false),
        http2: file.http2.unwrap_or(false),
        requests_per_minute: file.requests_per_minute,
        tokens_per_minute: file.tokens_per_minute,
    })
}

/// A provider that an id can name: base URL and the variable with the key.
struct Provider {
    name: &'static str,
    r#type: EndpointType,
    base_url: &'static str,
    api_key: Option<&'static str>,
}

const PROVIDERS: [Provider; 10] = [
    Provider {
        name: "openai",
        r#type: EndpointType::Openai,
        base_url: "https://api.openai.com/v1",
        api_key: Some("OPENAI_API_KEY"),
    },
    Provider {
        name: "anthropic",
        r#type: EndpointType::Anthropic,
        base_url: ANTHROPIC,
        api_key: Some("ANTHROPIC_API_KEY"),
    },
    Provider { name: "google", r#type: EndpointType::Gemini, base_url: GEMINI, api_key: Some("GEMINI_API_KEY") },
    Provider { name: "gemini", r#type: EndpointType::Gemini, base_url: GEMINI, api_key: Some("GEMINI_API_KEY") },
    Provider {
        name: "mistral",
        r#type: EndpointType::Openai,
        base_url: "https://api.mistral.ai/v1",
        api_key: Some("MISTRAL_API_KEY"),
    },
    Provider {
        name: "groq",
        r#type: EndpointType::Openai,
        base_url: "https://api.groq.com/openai/v1",
        api_key: Some("GROQ_API_KEY"),
    },
    Provider {
        name: "openrouter",
        r#type: EndpointType::Openai,
        base_url: "https://openrouter.ai/api/v1",
        api_key: Some("OPENROUTER_API_KEY"),
    },
    Provider {
        name: "deepseek",
        r#type: EndpointType::Openai,
        base_url: "https://api.deepseek.com/v1",
        api_key: Some("DEEPSEEK_API_KEY"),
    },
    Provider {
        name: "xai",
        r#type: EndpointType::Openai,
        base_url: "https://api.x.ai/v1",
        api_key: Some("XAI_API_KEY"),
    },
    Provider { name: "ollama", r#type: EndpointType::Openai, base_url: "http://localhost:11434/v1", api_key: None },
];

/// The endpoint that an id of the form `provider:model`, `provider:chat:model` or `provider/model` names; `None` where
/// it is no such id.
pub fn definition_of_id(id: &str) -> Option<EndpointDefinition> {
    let (name, rest) = id.split_once([':', '/'])?;
    let provider = PROVIDERS.iter().find(|provider| provider.name == name)?;
    let by_colon = id.as_bytes().get(name.len()) == Some(&b':');
    let (api, model) = match rest.split_once(':') {
        Some((api @ ("chat" | "responses" | "messages"), model)) if by_colon => (Some(api), model),
        _ => (None, rest),
    };
    let dialect = match (provider.r#type, api) {
        (EndpointType::Openai, None | Some("chat")) => ApiDialect::OpenAiChat,
        (EndpointType::Openai, Some("responses")) => ApiDialect::OpenAiResponses,
        (EndpointType::Anthropic, None | Some("messages")) => ApiDialect::Anthropic,
        (EndpointType::Gemini, None) => ApiDialect::Gemini,
        _ => return None,
    };
    let definition = ApiDefinition {
        dialect,
        base_url: provider.base_url.to_owned(),
        model: Some(model).filter(|model| !model.is_empty())?.to_owned(),
        api_key: provider.api_key.map(|variable| format!("${{{variable}}}")),
        api_key_header: None,
        headers: BTreeMap::new(),
        params: Map::new(),
        timeout: Duration::from_secs(60),
        max_retries: 4,
        stream: false,
        http2: false,
        requests_per_minute: None,
        tokens_per_minute: None,
    };
    let settings = EndpointSettings::Api(Box::new(definition));
    Some(EndpointDefinition { r#type: provider.r#type, settings, price: None, eol: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api_of(id: &str) -> Option<(EndpointType, String, String, Option<String>)> {
        let found = definition_of_id(id)?;
        let EndpointSettings::Api(api) = found.settings else { return None };
        Some((found.r#type, api.base_url, api.model, api.api_key))
    }

    #[test]
    fn both_styles_of_ids_name_a_provider_and_a_model() {
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

    fn read(yaml: &str) -> Result<EndpointDefinition, Failure> {
        let file: EndpointFile = serde_saphyr::from_str(yaml).unwrap();
        endpoint_definition(Path::new("karat.yaml"), "m", file)
    }

    #[test]
    fn settings_that_cannot_be_meant_are_refused_in_words() {
        let cases = [
            ("{type: openai, model: x}", "endpoints.m needs the key \"base_url\""),
            ("{type: anthropic}", "endpoints.m needs the key \"model\""),
            ("{type: http, base_url: http://h, body: {}}", "endpoints.m needs the key \"output\""),
            ("{type: exec}", "endpoints.m needs the key \"command\""),
            ("{type: exec, command: []}", "endpoints.m needs the key \"command\""),
            ("{type: exec, command: [a], workers: 0}", "endpoints.m.workers is 0"),
            ("{type: replay}", "endpoints.m needs the key \"cassette\""),
            (
                "{type: replay, cassette: c.jsonl, timeout: 3s}",
                "endpoints.m.timeout does not belong to an endpoint of type replay",
            ),
            ("{type: baseline, k: 0}", "endpoints.m.k is 0"),
            ("{type: baseline, model: x}", "endpoints.m.model does not belong to an endpoint of type baseline"),
            ("{type: gemini, model: x, price: {output: -1}}", "endpoints.m.price.output is -1"),
            ("{type: gemini, model: x, eol: soon}", "endpoints.m.eol \"soon\" is not a day"),
            ("{type: gemini, model: x, requests_per_minute: 0}", "endpoints.m.requests_per_minute is 0"),
            ("{type: gemini, model: x, api_key: abc}", "endpoints.m.api_key holds a secret written out"),
        ];
        for (yaml, expected) in cases {
            let message = read(yaml).unwrap_err().message;
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn anthropic_and_gemini_know_where_they_live() {
        for (yaml, expected) in [("{type: anthropic, model: x}", ANTHROPIC), ("{type: gemini, model: x}", GEMINI)] {
            let EndpointSettings::Api(api) = read(yaml).unwrap().settings else { panic!("no API") };
            assert_eq!(api.base_url, expected);
        }
    }
}
