//! Endpoints of model APIs.

use serde_json::{Map, Value, json};

use super::desk::Desk;
use super::providers::Spec;
use super::settings::{api_key, headers, params, reference};
use super::tree::{Item, object};

/// Fields of Gemini's requests.
const GEMINI: [&str; 10] = [
    "generationConfig",
    "maxOutputTokens",
    "topP",
    "topK",
    "stopSequences",
    "safetySettings",
    "toolConfig",
    "responseSchema",
    "responseMimeType",
    "cachedContent",
];

/// Kinds of models that are no chat models.
const OTHER_KINDS: [&str; 12] = [
    "embedding",
    "embeddings",
    "image",
    "realtime",
    "assistant",
    "moderation",
    "agents",
    "speech",
    "transcription",
    "video",
    "live",
    "foundry-agent",
];

/// How long answers may be unless the configuration says otherwise; promptfoo's own default.
const MAX_TOKENS: u64 = 1024;

fn api(kind: &str, model: &str, params: Map<String, Value>) -> Map<String, Value> {
    let mut definition = object([("type", json!(kind)), ("model", json!(reference(model)))]);
    if !params.is_empty() {
        definition.insert("params".to_owned(), Value::Object(params));
    }
    definition
}

/// What all APIs share: key, headers and price.
fn shared(desk: &mut Desk<'_>, spec: &Spec, variable: &str, definition: &mut Map<String, Value>) {
    if let Some(key) = api_key(desk, spec, variable) {
        definition.insert("api_key".to_owned(), json!(key));
    }
    let mut sent = headers(desk, spec.config.get("headers"));
    if let Some(organization) = spec.config.get("organization").and_then(Item::scalar) {
        sent.insert("OpenAI-Organization".to_owned(), json!(reference(&organization)));
    }
    if !sent.is_empty() {
        definition.insert("headers".to_owned(), Value::Object(sent));
    }
    let per_token = |key: &str| spec.config.get(key).or_else(|| spec.config.get("cost")).and_then(Item::number);
    if let (Some(input), Some(output)) = (per_token("inputCost"), per_token("outputCost"))
        && input >= 0.0
        && output >= 0.0
    {
        definition.insert("price".to_owned(), json!({"input": input * 1e6, "output": output * 1e6}));
    }
}

/// The base URL, if it is configured.
fn base_url(spec: &Spec) -> Option<String> {
    let url = spec.config.get("apiBaseUrl").and_then(Item::scalar).map(|url| reference(&url));
    let host = || spec.config.get("apiHost").and_then(Item::scalar).map(|host| reference(&host));
    let workspace = || spec.config.get("workspaceUrl").and_then(Item::scalar).map(|url| reference(&url));
    let account = || spec.config.get("accountId").and_then(Item::scalar).map(|account| reference(&account));
    let url = url.or_else(|| workspace().map(|url| format!("{}/serving-endpoints", url.trim_end_matches('/'))));
    let url = url.or_else(|| account().map(|id| format!("https://api.cloudflare.com/client/v4/accounts/{id}/ai/v1")));
    url.or_else(|| host().map(|host| format!("https://{host}/v1"))).filter(|url| !url.contains("{{"))
}

pub(super) fn compatible(
    desk: &mut Desk<'_>,
    spec: &Spec,
    rest: &str,
    (prefix, url, variable): (&str, &str, &str),
) -> Result<Map<String, Value>, String> {
    let (kind, model) = rest.split_once(':').unwrap_or(("", rest));
    let kinds = ["chat", "responses", "completion", "text-generation"];
    let (kind, model) = match kind {
        kind if kinds.contains(&kind) => (kind, model),
        kind if OTHER_KINDS.contains(&kind) => {
            return Err(format!("karat has no endpoint for {prefix}:{kind}; use a chat model"));
        }
        _ if ["chat", "responses"].contains(&rest) && prefix == "openai" => (rest, "gpt-4.1"),
        _ => ("", rest),
    };
    if OTHER_KINDS.contains(&rest) || model.is_empty() {
        return Err("it names no chat model; name one".to_owned());
    }
    if ["completion", "text-generation"].contains(&kind) {
        desk.note_once(
            &spec.at,
            &spec.id,
            "prompts are sent as chat messages; the older API of completions is not used",
        );
    }
    let mut params = params(desk, spec, &[]);
    if prefix != "ollama" {
        defaults(spec, model, kind == "responses", &mut params);
    }
    let mut definition = api("openai", model, params);
    if kind == "responses" {
        definition.insert("api".to_owned(), json!("responses"));
    }
    definition.insert("base_url".to_owned(), json!(base_url(spec).unwrap_or_else(|| url.to_owned())));
    shared(desk, spec, variable, &mut definition);
    Ok(definition)
}

/// What promptfoo sends unless the configuration says otherwise.
fn defaults(spec: &Spec, model: &str, responses: bool, params: &mut Map<String, Value>) {
    let name = model.rsplit('/').next().unwrap_or(model);
    let reasons = ["o1", "o3", "o4", "gpt-5"].iter().any(|prefix| name.starts_with(prefix));
    if reasons || spec.config.get("omitDefaults").is_some_and(Item::is_true) {
        return;
    }
    params.entry("temperature").or_insert(json!(0));
    let names = ["max_tokens", "max_completion_tokens", "max_output_tokens"];
    if names.iter().all(|name| !params.contains_key(*name)) {
        params.insert(if responses { "max_output_tokens" } else { "max_tokens" }.to_owned(), json!(MAX_TOKENS));
    }
}

pub(super) fn anthropic(desk: &mut Desk<'_>, spec: &Spec, rest: &str) -> Result<Map<String, Value>, String> {
    if rest.starts_with("claude-agent-sdk") || rest.starts_with("claude-code") {
        return Err("karat has no endpoint for this agent; write a program (type exec) that runs it".to_owned());
    }
    let model = rest.strip_prefix("messages:").or_else(|| rest.strip_prefix("completion:")).unwrap_or(rest);
    let mut params = params(desk, spec, &[]);
    if !params.contains_key("thinking") {
        params.entry("temperature").or_insert(json!(0));
    }
    params.entry("max_tokens").or_insert(json!(MAX_TOKENS));
    let mut definition = api("anthropic", model, params);
    if let Some(url) = base_url(spec) {
        definition.insert("base_url".to_owned(), json!(url));
    }
    shared(desk, spec, "ANTHROPIC_API_KEY", &mut definition);
    Ok(definition)
}

pub(super) fn gemini(desk: &mut Desk<'_>, spec: &Spec, prefix: &str, rest: &str) -> Result<Map<String, Value>, String> {
    let (kind, model) = rest.split_once(':').unwrap_or(("", rest));
    if OTHER_KINDS.contains(&kind) {
        return Err(format!("karat has no endpoint for {prefix}:{kind}; use a chat model"));
    }
    let model = if ["chat", "gemini"].contains(&kind) { model } else { rest };
    if prefix == "vertex" {
        if !model.starts_with("gemini") {
            let why = "requests to Vertex AI need a token of Google Cloud, which karat does not get";
            return Err(format!("{why}; use another API of the model"));
        }
        desk.note_once(&spec.at, &spec.id, "sent to the Gemini API with its key, not to Vertex AI");
    }
    let mut definition = api("gemini", model, params(desk, spec, &GEMINI));
    if let Some(url) = base_url(spec).filter(|_| prefix != "vertex") {
        definition.insert("base_url".to_owned(), json!(url));
    }
    shared(desk, spec, "GEMINI_API_KEY", &mut definition);
    Ok(definition)
}

pub(super) fn azure(desk: &mut Desk<'_>, spec: &Spec, rest: &str) -> Result<Map<String, Value>, String> {
    let (kind, deployment) = rest.split_once(':').unwrap_or(("chat", rest));
    if OTHER_KINDS.contains(&kind) {
        return Err(format!("karat has no endpoint for azure:{kind}; use a chat model"));
    }
    let host = spec.config.get("apiHost").or_else(|| spec.config.get("apiBaseUrl")).and_then(Item::scalar);
    let host = host.map(|host| reference(&host)).unwrap_or_else(|| "${AZURE_API_HOST}".to_owned());
    let host = host.trim_start_matches("https://").trim_end_matches('/').to_owned();
    let version =
        spec.config.get("apiVersion").and_then(Item::scalar).unwrap_or_else(|| "2024-12-01-preview".to_owned());
    let mut params = params(desk, spec, &[]);
    defaults(spec, deployment, kind == "responses", &mut params);
    let mut definition = api("openai", deployment, params);
    let url = match kind {
        "responses" => format!("https://{host}/openai/v1?api-version=preview"),
        _ => format!("https://{host}/openai/deployments/{deployment}?api-version={version}"),
    };
    if kind == "responses" {
        definition.insert("api".to_owned(), json!("responses"));
    }
    definition.insert("base_url".to_owned(), json!(url));
    definition.insert("api_key_header".to_owned(), json!("api-key"));
    shared(desk, spec, "AZURE_API_KEY", &mut definition);
    Ok(definition)
}
