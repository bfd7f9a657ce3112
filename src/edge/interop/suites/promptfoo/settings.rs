//! The settings of providers: keys, headers and parameters, without the secrets that are written out.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};

use super::desk::Desk;
use super::providers::Spec;
use super::tree::{Item, Kind};
use crate::core::privacy::names_a_secret;
use crate::edge::interop::suites::draft::slug;

/// What becomes of a secret that a reference replaces.
const SECRET: &str = "a secret must not be in a file; set it in the environment or in .env";

/// Names that sound like those of secrets end like this if they are none.
const HARMLESS: [&str; 5] = ["tokenizer", "keyword", "keywords", "author", "authors"];

/// Further names of secrets within a setting that is named like one, such as `auth`.
const WITHIN: [&str; 3] = ["value", "pass", "pwd"];

/// Names of secrets that may be numbers.
const NUMERIC: [&str; 3] = ["password", "secret", "credential"];

/// Fields of requests that are sent as they are, other than numbers.
const PARAMS: [&str; 20] = [
    "stop",
    "response_format",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "reasoning_effort",
    "verbosity",
    "logit_bias",
    "user",
    "service_tier",
    "store",
    "metadata",
    "instructions",
    "thinking",
    "text",
    "include",
    "truncation",
    "modalities",
    "logprobs",
];

/// Numbers among the fields of requests; a configuration may have them as text.
const NUMBERS: [&str; 12] = [
    "temperature",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "top_p",
    "top_k",
    "min_p",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "seed",
    "n",
];

/// Numbers that are sent under another name.
const RENAMED_NUMBERS: [&str; 5] = ["num_predict", "repeat_penalty", "maxOutputTokens", "topP", "topK"];

/// Options of Ollama that have another name in OpenAI's API.
const OLLAMA: [(&str, &str); 2] = [("num_predict", "max_tokens"), ("repeat_penalty", "repetition_penalty")];

/// Keys of a configuration that are read elsewhere or have no effect on requests.
const READ: [&str; 21] = [
    "apiKey",
    "apiKeyEnvar",
    "apiBaseUrl",
    "apiHost",
    "organization",
    "headers",
    "passthrough",
    "cost",
    "functions",
    "function_call",
    "apiVersion",
    "deployment_id",
    "deploymentName",
    "showThinking",
    "omitDefaults",
    "basePath",
    "inputCost",
    "outputCost",
    "extra_body",
    "workspaceUrl",
    "accountId",
];

/// References to the environment.
static ENVIRONMENT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"\{\{-?\s*env(?:\.(\w+)|\[\s*["'](\w+)["']\s*\])(?:\s*\|[^}]*)?\s*-?\}\}"#).ok());

/// A setting without the secrets in it, at any depth. They are known by their names, and are reported with what to do.
pub(super) fn left_out(desk: &mut Desk<'_>, item: &Item, why: &str) -> Item {
    let mut found = Vec::new();
    let kept = without_secrets(item, false, &mut found);
    for (name, at) in found {
        desk.note(&at, &name, why);
    }
    kept
}

fn without_secrets(item: &Item, within: bool, found: &mut Vec<(String, Item)>) -> Item {
    match &item.kind {
        Kind::List(items) => item.at(Kind::List(items.iter().map(|one| without_secrets(one, within, found)).collect())),
        Kind::Map(entries) => {
            let mut kept = Vec::new();
            for (name, value) in entries {
                let secret = is_secret(name) || (within && WITHIN.contains(&name.to_ascii_lowercase().as_str()));
                match secret && is_written_out(name, value) {
                    true => found.push((name.clone(), value.at(Kind::Null))),
                    false => kept.push((name.clone(), without_secrets(value, secret, found))),
                }
            }
            item.at(Kind::Map(kept))
        }
        _ => item.clone(),
    }
}

fn is_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    names_a_secret(name) && !HARMLESS.iter().any(|end| lower.ends_with(end))
}

/// Whether the value of a secret is there itself: it is neither a reference nor a number of tokens.
fn is_written_out(name: &str, value: &Item) -> bool {
    let lower = name.to_ascii_lowercase();
    match &value.kind {
        Kind::Text(text) if lower.contains("token") && text.trim().parse::<f64>().is_ok() => false,
        Kind::Text(text) => !text.trim().is_empty() && !text.contains("{{") && !text.contains("${"),
        Kind::Number(_) => NUMERIC.iter().any(|part| lower.contains(part)),
        Kind::List(items) => items.iter().any(|one| one.text().is_some() && is_written_out(name, one)),
        _ => false,
    }
}

/// The settings of a program that answers. Their references to the environment stay as they are: the program that starts
/// it fills them in.
pub(super) fn answering_params(desk: &mut Desk<'_>, spec: &Spec) -> Map<String, Value> {
    let why = "a secret must not be in a file; let the program read it from the environment";
    let kept = left_out(desk, &spec.config, why);
    if refers(&kept) {
        let why = "the variables that its settings refer to must be set in the environment of karat, since programs do \
                   not get those in .env";
        desk.note_once(&spec.config, "config", why);
    }
    kept.value().as_object().cloned().unwrap_or_default()
}

/// Whether a value refers to the environment anywhere.
pub(super) fn refers(item: &Item) -> bool {
    let mut found = false;
    item.map_text(&mut |text| {
        found |= ENVIRONMENT.as_ref().is_some_and(|pattern| pattern.is_match(text));
        String::new()
    });
    found
}

/// A value with references to the environment as karat writes them.
pub(super) fn referring(item: &Item) -> Item {
    item.map_text(&mut |text| reference(text))
}

/// A text with references to the environment as karat writes them.
pub(super) fn reference(text: &str) -> String {
    let Some(pattern) = ENVIRONMENT.as_ref() else { return text.to_owned() };
    let name = |found: &regex::Captures<'_>| {
        let name = found.get(1).or_else(|| found.get(2)).map_or("", |name| name.as_str());
        format!("${{{name}}}")
    };
    pattern.replace_all(text, name).into_owned()
}

/// The reference to the key: as configured, if that is a reference, else the usual variable.
pub(super) fn api_key(desk: &mut Desk<'_>, spec: &Spec, usual: &str) -> Option<String> {
    let variable = spec.config.get("apiKeyEnvar").and_then(Item::scalar).unwrap_or_else(|| usual.to_owned());
    let usual = (!variable.is_empty()).then(|| format!("${{{variable}}}"));
    let Some(key) = spec.config.get("apiKey") else { return usual };
    let written = key.scalar().map(|text| reference(&text)).unwrap_or_default();
    match written.starts_with("${") && written.ends_with('}') {
        true => Some(written),
        false => {
            desk.note(key, "apiKey", "a key must not be in a file; set it in the environment or in .env");
            usual
        }
    }
}

/// Headers, without secrets that are written out.
pub(super) fn headers(desk: &mut Desk<'_>, headers: Option<&Item>) -> Map<String, Value> {
    let mut sent = Map::new();
    for (name, value) in headers.map(Item::entries).unwrap_or_default() {
        let Some(text) = value.scalar() else { continue };
        let mut text = reference(&text);
        if names_a_secret(name) && !text.contains("${") {
            desk.note(value, name, SECRET);
            text = variable_for(name);
        }
        if text.contains("{{") {
            desk.note(value, name, "headers are the same for every request, so this one is left out; write its value");
            continue;
        }
        sent.insert(name.clone(), json!(text));
    }
    sent
}

/// A reference to the variable of the environment for a secret with this name.
pub(super) fn variable_for(name: &str) -> String {
    format!("${{{}}}", slug(name).replace('-', "_").to_uppercase())
}

/// A part of the query of a URL, with a reference in place of a secret. `None` if it differs by request.
pub(super) fn query(desk: &mut Desk<'_>, name: &str, value: &Item) -> Option<String> {
    if is_secret(name) && is_written_out(name, value) {
        desk.note(value, name, SECRET);
        return Some(variable_for(name));
    }
    value.scalar().map(|text| reference(&text)).filter(|text| !text.contains("{{"))
}

/// The parameters of requests.
pub(super) fn params(desk: &mut Desk<'_>, spec: &Spec, further: &[&str]) -> Map<String, Value> {
    let mut params = Map::new();
    for (name, value) in spec.config.entries() {
        let renamed = OLLAMA.iter().find(|(theirs, _)| theirs == name).map(|(_, ours)| *ours);
        match name.as_str() {
            _ if value.is_null() => {}
            "passthrough" | "extra_body" => {
                for (name, field) in kept(desk, value).entries() {
                    params.extend(constant(desk, name, field).map(|field| (name.clone(), field)));
                }
            }
            "functions" => {
                let Some(functions) = param(desk, name, value) else { continue };
                let tools = functions.as_array().into_iter().flatten();
                let tools: Vec<Value> =
                    tools.map(|function| json!({"type": "function", "function": function})).collect();
                params.insert("tools".to_owned(), Value::Array(tools));
            }
            "function_call" => {
                let Some(choice) = param(desk, name, value) else { continue };
                let choice = if choice.is_object() { json!({"type": "function", "function": choice}) } else { choice };
                params.insert("tool_choice".to_owned(), choice);
            }
            name if READ.contains(&name) => {}
            name if PARAMS.contains(&name)
                || NUMBERS.contains(&name)
                || further.contains(&name)
                || renamed.is_some() =>
            {
                let value = param(desk, name, value).map(|value| if is_number(name) { number(value) } else { value });
                params.extend(value.map(|value| (renamed.unwrap_or(name).to_owned(), value)));
            }
            name => {
                let why = "this setting is not sent; if the API has it, write it under params of the endpoint";
                desk.note(value, &format!("config: {name}"), why);
            }
        }
    }
    for reserved in ["model", "messages", "stream", "input", "system", "contents", "systemInstruction"] {
        params.remove(reserved);
    }
    params
}

fn is_number(name: &str) -> bool {
    NUMBERS.contains(&name) || RENAMED_NUMBERS.contains(&name)
}

/// A number that is written as text, as a number.
fn number(value: Value) -> Value {
    let Value::String(text) = &value else { return value };
    let text = text.trim();
    let whole = text.parse::<i64>().ok().map(|number| json!(number));
    let read =
        whole.or_else(|| text.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| json!(number)));
    read.unwrap_or(value)
}

/// A parameter; `None` if it cannot be one.
fn param(desk: &mut Desk<'_>, name: &str, item: &Item) -> Option<Value> {
    let kept = kept(desk, item);
    constant(desk, name, &kept)
}

/// A parameter with the files in it loaded and without secrets.
fn kept(desk: &mut Desk<'_>, item: &Item) -> Item {
    let loaded = loaded(desk, item);
    let why = "a secret must not be in a file, and parameters cannot refer to the environment, so it is left out; send \
               it in a header";
    left_out(desk, &loaded, why)
}

/// The value of a parameter; `None` if it refers to the environment.
fn constant(desk: &mut Desk<'_>, name: &str, item: &Item) -> Option<Value> {
    if refers(item) {
        let why = "parameters cannot refer to the environment, so it is left out; write its value under params of the \
                   endpoint";
        desk.note(item, &format!("config: {name}"), why);
        return None;
    }
    Some(item.value())
}

/// A value with the files in it loaded.
fn loaded(desk: &mut Desk<'_>, item: &Item) -> Item {
    match &item.kind {
        Kind::Text(text) if text.starts_with("file://") => match desk.load(item, text) {
            Ok(loaded) => loaded,
            Err(why) => {
                desk.note(item, "config", why);
                item.at(Kind::Null)
            }
        },
        Kind::List(items) if items.iter().any(|one| one.text().is_some_and(|text| text.starts_with("file://"))) => {
            let mut all = Vec::new();
            for one in items {
                let one = loaded(desk, one);
                match one.kind {
                    Kind::List(inner) => all.extend(inner),
                    _ => all.push(one),
                }
            }
            item.at(Kind::List(all))
        }
        _ => item.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::providers;
    use super::super::tests::Recorded;
    use super::super::tree;
    use super::*;

    /// The endpoint of a provider.
    fn endpoint(provider: &str) -> (Value, Recorded) {
        let mut out = Recorded::default();
        let config = Path::new("promptfooconfig.yaml");
        let item = tree::parse(provider.to_owned(), config).unwrap();
        assert_eq!(providers::read(&mut Desk::new(&mut out, config), &item).len(), 1, "{provider}");
        (out.endpoints.values().next().cloned().unwrap(), out)
    }

    #[test]
    fn numbers_that_are_written_as_text_are_numbers_and_texts_stay_texts() {
        let (endpoint, _) =
            endpoint("{id: 'openai:x', config: {max_tokens: '1000', temperature: '0.5', stop: '4', user: '7'}}");
        assert_eq!(endpoint["params"], json!({"max_tokens": 1000, "temperature": 0.5, "stop": "4", "user": "7"}));
    }

    #[test]
    fn secrets_are_left_out_by_their_names_at_any_depth() {
        let http = |more: &str| format!("{{id: 'https://example.org/chat', config: {{method: POST, {more}}}}}");
        let cases = [
            ("{id: 'openai:x', config: {passthrough: {api_key: internal-pass-42, top_k: 5}}}".to_owned(), "api_key"),
            (
                "{id: 'openai:x', config: {extra_body: {more: {auth: {type: a, value: internal-pass-42}}}}}".to_owned(),
                "value",
            ),
            ("{id: 'openai:x', config: {metadata: {token: internal-pass-42}}}".to_owned(), "token"),
            ("{id: 'exec:cat', config: {auth: {type: basic, pass: internal-pass-42}}}".to_owned(), "pass"),
            ("{id: 'exec:cat', config: {all: [{credentials: [internal-pass-42]}]}}".to_owned(), "credentials"),
            (http("body: {prompt: '{{prompt}}', apiKey: internal-pass-42}"), "apiKey"),
            (http("body: '{\"prompt\": \"{{prompt}}\", \"api_key\": \"internal-pass-42\"}'"), "api_key"),
            (http("queryParams: {key: internal-pass-42}, body: {prompt: '{{prompt}}'}"), "key"),
        ];
        for (provider, name) in cases {
            let (endpoint, out) = endpoint(&provider);
            assert!(!endpoint.to_string().contains("internal-pass"), "{provider}: {endpoint}");
            let noted = out.notes.iter().any(|note| note.what == name && note.why.contains("secret") && note.line == 1);
            assert!(noted, "{provider}: {:?}", out.notes);
        }
        let (endpoint, out) = endpoint(
            "{id: 'exec:cat', config: {max_tokens: '5', author: Jane, auth: {type: basic, password: '{{ env.WORD }}'}}}",
        );
        let params =
            json!({"max_tokens": "5", "author": "Jane", "auth": {"type": "basic", "password": "{{ env.WORD }}"}});
        assert_eq!(endpoint["params"], params);
        assert_eq!(out.notes.len(), 1, "{:?}", out.notes);
        assert!(out.notes[0].why.contains("must be set in the environment"), "{:?}", out.notes);
    }

    #[test]
    fn references_to_the_environment_are_reported_where_they_are_not_filled_in() {
        let (found, out) = endpoint("{id: 'openai:{{ env.MODEL }}', config: {user: '{{ env.WHO }}', top_p: 1}}");
        assert_eq!(found["model"], json!("${MODEL}"));
        assert_eq!(found["params"], json!({"top_p": 1, "temperature": 0, "max_tokens": 1024}));
        assert_eq!((out.notes[0].what.as_str(), out.notes[0].line), ("config: user", 1));
        let (_, out) = endpoint("{id: 'https://example.org', config: {body: {p: '{{prompt}}', who: '{{ env.WHO }}'}}}");
        assert!(
            out.notes.iter().any(|note| note.what == "body" && note.why.contains("environment")),
            "{:?}",
            out.notes
        );
    }
}
