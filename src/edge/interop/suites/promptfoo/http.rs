//! HTTP providers as endpoints.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};

use super::desk::Desk;
use super::settings::{headers, left_out, query, reference, referring, refers};
use super::tree::{Item, Kind, object};

/// Variables that bodies of karat have, too.
const KNOWN: [&str; 4] = ["prompt", "messages", "system", "id"];

/// Keys of the configuration that are read.
const KEYS: [&str; 10] = [
    "url",
    "method",
    "headers",
    "body",
    "request",
    "transformResponse",
    "responseParser",
    "queryParams",
    "useHttps",
    "maxRetries",
];

/// A placeholder in a body.
static PLACEHOLDER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"("?)\{\{-?\s*([\w.\[\]]+)\s*(?:\|\s*(?:dump|tojson|safe|escape)\s*)*-?\}\}("?)"#).ok()
});

/// A path in JavaScript, such as `json.choices[0].message?.content`.
static PATH: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"^(?:json|data|response|res|result|r|body)((?:\??\.[A-Za-z_$][\w$]*|(?:\?\.)?\[\d+\]|(?:\?\.)?\['[^']+'\])*)$",
    )
    .ok()
});

/// A request.
#[derive(Default)]
struct Sent {
    url: String,
    method: String,
    headers: Map<String, Value>,
    body: Option<Item>,
}

/// The endpoint of an HTTP provider.
///
/// # Errors
/// Why there is none.
pub(super) fn definition(
    desk: &mut Desk<'_>,
    at: &Item,
    id: &str,
    config: &Item,
) -> Result<Map<String, Value>, String> {
    let why = "this setting of HTTP providers has no counterpart; check the endpoint in karat.yaml";
    for (name, value) in config.entries().iter().filter(|(name, _)| !KEYS.contains(&name.as_str())) {
        desk.note(value, &format!("config: {name}"), why);
    }
    let sent = match config.get("request").and_then(Item::text) {
        Some(raw) => raw_request(desk, at, id, config, raw)?,
        None => written(desk, at, id, config),
    };
    if !(sent.url.starts_with("http://") || sent.url.starts_with("https://") || sent.url.starts_with("${")) {
        return Err("its URL is not complete; write base_url into karat.yaml".to_owned());
    }
    if sent.url.contains("{{") {
        return Err("its URL is a template; write a program (type exec) that answers".to_owned());
    }
    let body = match &sent.body {
        Some(body) => body_value(desk, body)?,
        None => json!({}),
    };
    let parser = config.get("transformResponse").or_else(|| config.get("responseParser"));
    let output = parser.map_or_else(String::new, |parser| output(desk, parser));
    let mut definition =
        object([("type", json!("http")), ("base_url", json!(sent.url)), ("body", body), ("output", json!(output))]);
    if sent.method != "POST" {
        definition.insert("method".to_owned(), json!(sent.method));
    }
    if !sent.headers.is_empty() {
        definition.insert("headers".to_owned(), Value::Object(sent.headers));
    }
    Ok(definition)
}

fn written(desk: &mut Desk<'_>, at: &Item, id: &str, config: &Item) -> Sent {
    let url = config.get("url").and_then(Item::scalar).unwrap_or_else(|| id.to_owned());
    let mut url = reference(&url);
    for (name, value) in config.get("queryParams").map(Item::entries).unwrap_or_default() {
        let sign = if url.contains('?') { '&' } else { '?' };
        match query(desk, name, value) {
            Some(text) => url.push_str(&format!("{sign}{name}={text}")),
            None => {
                desk.note(value, name, "a part of the URL must be the same for every request, so this one is left out")
            }
        }
    }
    let body = config.get("body").cloned();
    let usual = if body.is_some() { "POST" } else { "GET" };
    let method =
        config.get("method").and_then(Item::scalar).map_or_else(|| usual.to_owned(), |name| name.to_uppercase());
    if body.is_none() && method != "GET" {
        desk.note(at, "body", "the request has no body; write one with {{ prompt }} into karat.yaml");
    }
    Sent { url, method, headers: headers(desk, config.get("headers")), body }
}

/// A request as it is sent, line by line.
fn raw_request(desk: &mut Desk<'_>, at: &Item, id: &str, config: &Item, raw: &str) -> Result<Sent, String> {
    let loaded = match raw.starts_with("file://") {
        true => desk.load(at, raw)?.scalar().unwrap_or_default(),
        false => raw.to_owned(),
    };
    let text = loaded.replace("\r\n", "\n");
    let (head, body) = text.trim_start().split_once("\n\n").unwrap_or((text.trim_start(), ""));
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split_whitespace();
    let (Some(method), Some(target)) = (first.next(), first.next()) else {
        return Err("its request has no first line such as POST /chat HTTP/1.1".to_owned());
    };
    let entries: Vec<(String, Item)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_owned(), at.at(Kind::Text(value.trim().to_owned()))))
        .collect();
    let is_host = |name: &str| name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case("content-length");
    let host = entries.iter().find(|(name, _)| name.eq_ignore_ascii_case("host")).and_then(|(_, value)| value.scalar());
    let kept = entries.iter().filter(|(name, _)| !is_host(name)).cloned().collect();
    let secure = config.get("useHttps").is_none_or(Item::is_true);
    let url = match (target.contains("://"), host) {
        (true, _) => target.to_owned(),
        (false, Some(host)) => format!("{}://{host}{target}", if secure { "https" } else { "http" }),
        (false, None) => format!("{}{target}", id.trim_end_matches('/')),
    };
    let body = (!body.trim().is_empty()).then(|| at.at(Kind::Text(body.trim().to_owned())));
    let kept = at.at(Kind::Map(kept));
    Ok(Sent { url: reference(&url), method: method.to_uppercase(), headers: headers(desk, Some(&kept)), body })
}

/// The body with the variables that karat has.
fn body_value(desk: &mut Desk<'_>, body: &Item) -> Result<Value, String> {
    let mut other = Vec::new();
    let mapped = match &body.kind {
        Kind::Text(text) => {
            // A placeholder outside of quotes is a value of its own.
            let text = placeholders(&reference(text), true, &mut other);
            let value = serde_json::from_str(&text)
                .map_err(|_| "its body is not JSON; write a program (type exec) that answers".to_owned())?;
            Item::from_value(&body.file, body.line, &value, 0)
        }
        _ => referring(body).map_text(&mut |text| placeholders(text, false, &mut other)),
    };
    if let Some(name) = other.first() {
        let why =
            format!("bodies have no variable {name}; {{{{ input }}}}, the text of the input, is sent in its place");
        desk.note(body, "body", why);
    }
    if refers(body) {
        let why = "bodies cannot refer to the environment, so the name of the variable is sent; write its value, or send \
                   it in a header";
        desk.note(body, "body", why);
    }
    let why = "a secret must not be in a file, and bodies cannot refer to the environment, so it is left out; send it in a \
               header";
    Ok(left_out(desk, &mapped, why).value())
}

fn placeholders(text: &str, quote: bool, other: &mut Vec<String>) -> String {
    let Some(pattern) = PLACEHOLDER.as_ref() else { return text.to_owned() };
    let replaced = pattern.replace_all(text, |found: &regex::Captures<'_>| {
        let part = |at: usize| found.get(at).map_or("", |part| part.as_str());
        let name = match part(2) {
            name if KNOWN.contains(&name) => name,
            name => {
                other.push(name.to_owned());
                "input"
            }
        };
        match (part(1), part(3)) {
            ("", "") if quote && !is_quoted(text, found) => format!("\"{{{{ {name} }}}}\""),
            (before, after) => format!("{before}{{{{ {name} }}}}{after}"),
        }
    });
    replaced.into_owned()
}

/// Whether a placeholder is within quotes: an odd number of them is before it.
fn is_quoted(text: &str, found: &regex::Captures<'_>) -> bool {
    let start = found.get(0).map_or(0, |whole| whole.start());
    let before = text.get(..start).unwrap_or_default().replace("\\\"", "");
    before.matches('"').count() % 2 == 1
}

/// The path of the answer in the response; the whole response if it is not a path.
fn output(desk: &mut Desk<'_>, parser: &Item) -> String {
    let found = parser.text().and_then(path);
    found.unwrap_or_else(|| {
        let why = "only paths such as json.choices[0].text are carried over; write the path of the answer under output \
                   of the endpoint";
        desk.note(parser, "transformResponse", why);
        String::new()
    })
}

fn path(code: &str) -> Option<String> {
    let mut code = code.trim().trim_end_matches(';').trim();
    if let Some((_, body)) = code.split_once("=>") {
        code = body.trim();
    }
    code = code.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).map_or(code, str::trim);
    code = code.strip_prefix("return ").unwrap_or(code).trim().trim_end_matches(';');
    code = code.strip_prefix("({").and_then(|rest| rest.strip_suffix("})")).map_or(code, str::trim);
    code = code.strip_prefix("output:").unwrap_or(code).trim().trim_end_matches(',');
    let steps = PATH.as_ref()?.captures(code)?.get(1)?.as_str();
    let steps = steps.replace("?.", ".").replace("['", ".").replace("']", "").replace('[', ".").replace(']', "");
    Some(steps.split('.').filter(|step| !step.is_empty()).collect::<Vec<_>>().join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_in_javascript_become_paths_of_karat() {
        for (code, expected) in [
            ("json.choices[0].message.content", Some("choices.0.message.content")),
            ("(json, text) => json?.data?.['my text']", Some("data.my text")),
            ("(json) => { return json.a; }", Some("a")),
            ("({ output: data.answer })", Some("answer")),
            ("json", Some("")),
            ("json.a || json.b", None),
            ("text.trim()", None),
        ] {
            assert_eq!(path(code).as_deref(), expected, "{code}");
        }
    }

    #[test]
    fn placeholders_are_values_where_they_are_not_quoted() {
        for (text, expected, unknown) in [
            (r#"{"a": {{prompt | dump}}}"#, r#"{"a": "{{ prompt }}"}"#, 0),
            (r#"{"a": "Say {{ prompt }}"}"#, r#"{"a": "Say {{ prompt }}"}"#, 0),
            (r#"{"a": "{{topic}}"}"#, r#"{"a": "{{ input }}"}"#, 1),
        ] {
            let mut other = Vec::new();
            assert_eq!(placeholders(text, true, &mut other), expected);
            assert_eq!(other.len(), unknown);
        }
    }
}
