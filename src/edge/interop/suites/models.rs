//! Endpoints of the models that other tools name.

use serde_json::{Map, Value, json};

use super::Sink;
use super::draft::{object, slug};

/// Providers whose models can be requested: their prefix, the type of endpoint, the base URL and the variable of the
/// key.
const PROVIDERS: [(&str, &str, &str, &str); 12] = [
    ("openai", "openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    ("anthropic", "anthropic", "", "ANTHROPIC_API_KEY"),
    ("google", "gemini", "", "GEMINI_API_KEY"),
    ("gemini", "gemini", "", "GEMINI_API_KEY"),
    ("mistral", "openai", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    ("groq", "openai", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    ("openrouter", "openai", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    ("deepseek", "openai", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    ("grok", "openai", "https://api.x.ai/v1", "XAI_API_KEY"),
    ("xai", "openai", "https://api.x.ai/v1", "XAI_API_KEY"),
    ("together", "openai", "https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    ("ollama", "openai", "http://localhost:11434/v1", ""),
];

/// Adds the endpoint of a model named `provider/model`, with params of its requests. `None` if the provider is unknown.
pub(super) fn model_endpoint(out: &mut dyn Sink, model: &str, params: Map<String, Value>) -> Option<String> {
    model_endpoint_at(out, model, None, params)
}

/// The same with a base URL of its own. The provider's key is only for the provider's own address: any other server has
/// one of its own.
pub(super) fn model_endpoint_at(
    out: &mut dyn Sink,
    model: &str,
    url: Option<&str>,
    mut params: Map<String, Value>,
) -> Option<String> {
    let (provider, name) = model.split_once('/')?;
    let (_, kind, base_url, key) = PROVIDERS.iter().find(|known| known.0 == provider)?;
    // Such as openai/azure/MODEL: another service behind the same prefix.
    let nested = name.contains('/') && !["openrouter", "together", "groq", "ollama"].contains(&provider);
    if name.is_empty() || nested || has_reference(name) || url.is_some_and(has_reference) {
        return None;
    }
    let mut definition = object(json!({"type": kind, "model": name}));
    let address = url.unwrap_or(base_url);
    if !address.is_empty() {
        definition.insert("base_url".to_owned(), json!(address));
    }
    if !key.is_empty() {
        let own = url.and_then(|url| own_key(model, url));
        definition.insert("api_key".to_owned(), json!(reference(own.as_deref().unwrap_or(key))));
    }
    if *kind == "anthropic"
        && let Some(stop) = params.remove("stop")
    {
        params.insert("stop_sequences".to_owned(), if stop.is_array() { stop } else { json!([stop]) });
    }
    if !params.is_empty() {
        definition.insert("params".to_owned(), Value::Object(params));
    }
    Some(out.endpoint(&slug(name), definition))
}

/// A reference to a variable of the environment.
pub(super) fn reference(variable: &str) -> String {
    format!("${{{variable}}}")
}

/// Whether karat would fill in a variable of the environment, which it does in names and addresses of models.
pub(super) fn has_reference(text: &str) -> bool {
    text.contains("${")
}

/// The variable with the key of the server of a model named `provider/model`; `None` if the address is that of the
/// provider, or its servers need no key.
pub(super) fn own_key(model: &str, url: &str) -> Option<String> {
    let provider = model.split('/').next().unwrap_or_default();
    let (kind, base_url, key) =
        PROVIDERS.iter().find(|known| known.0 == provider).map(|(_, kind, base_url, key)| (*kind, *base_url, *key))?;
    let known = match kind {
        "anthropic" => "https://api.anthropic.com",
        "gemini" => "https://generativelanguage.googleapis.com",
        _ => base_url,
    };
    let host = known.split('/').take(3).collect::<Vec<_>>().join("/");
    let rest = url.strip_prefix(&host).filter(|_| !host.is_empty());
    let is_known = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    (!is_known && !key.is_empty()).then(|| key_variable(url))
}

/// The variable with the key of a server at an address. Each has its own, so that no key is sent to a server that it was
/// not made for.
pub(super) fn key_variable(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let spelled = |c: char| match c {
        c if c.is_ascii_alphanumeric() => c.to_ascii_uppercase().to_string(),
        '.' => "_".to_owned(),
        '-' => "__".to_owned(),
        other => format!("_X{:X}_", u32::from(other)),
    };
    format!("MODEL_API_KEY_{}", host.chars().map(spelled).collect::<String>())
}

/// The endpoint that grades: the model of the other tool if it is known, or else one to be filled in.
pub(super) fn grader(out: &mut dyn Sink, model: Option<&str>) -> String {
    if let Some(name) = model.and_then(|model| model_endpoint(out, model, Map::new())) {
        return name;
    }
    let definition = json!({
        "type": "openai",
        "base_url": "https://api.openai.com/v1",
        "model": "gpt-4o-mini",
        "api_key": "${OPENAI_API_KEY}",
        "params": {"temperature": 0},
    });
    out.endpoint("grader", object(definition))
}

#[cfg(test)]
mod tests {
    use super::super::recording::Recorded;
    use super::*;

    #[test]
    fn models_of_known_providers_become_endpoints() {
        let mut out = Recorded::default();
        let params = || object(json!({"stop": "END", "temperature": 0}));
        assert_eq!(model_endpoint(&mut out, "anthropic/claude-x", params()).as_deref(), Some("claude-x"));
        let expected = json!({"temperature": 0, "stop_sequences": ["END"]});
        assert_eq!(out.endpoints["claude-x"]["params"], expected);
        assert_eq!(model_endpoint(&mut out, "openrouter/vendor/m", params()).as_deref(), Some("vendor-m"));
        assert_eq!(out.endpoints["vendor-m"]["params"], Value::Object(params()));
        for unknown in ["m", "openai/", "openai/azure/m", "nobody/m", "openai/${M}"] {
            assert_eq!(model_endpoint(&mut out, unknown, Map::new()), None, "{unknown}");
        }
        assert_eq!(grader(&mut out, Some("nobody/m")), "grader");
        out.assert_loads();
    }

    #[test]
    fn the_key_of_a_provider_is_not_sent_to_another_server() {
        let cases = [
            ("openai/m", "https://api.openai.com/v1/", "${OPENAI_API_KEY}"),
            ("anthropic/m", "https://api.anthropic.com", "${ANTHROPIC_API_KEY}"),
            ("openai/m", "http://127.0.0.1:1", "${MODEL_API_KEY_127_0_0_1_X3A_1}"),
            ("openai/m", "https://llm.example.org/v1", "${MODEL_API_KEY_LLM_EXAMPLE_ORG}"),
            ("openai/m", "https://llm-example.org/v1", "${MODEL_API_KEY_LLM__EXAMPLE_ORG}"),
            ("openai/m", "https://api.openai.com.example.org/v1", "${MODEL_API_KEY_API_OPENAI_COM_EXAMPLE_ORG}"),
            ("openai/m", "https://api.openai.com@example.org/v1", "${MODEL_API_KEY_EXAMPLE_ORG}"),
            ("google/m", "https://api.openai.com/v1", "${MODEL_API_KEY_API_OPENAI_COM}"),
        ];
        for (model, url, key) in cases {
            let mut out = Recorded::default();
            let name = model_endpoint_at(&mut out, model, Some(url), Map::new()).unwrap();
            let endpoint = &out.endpoints[&name];
            assert_eq!((&endpoint["base_url"], &endpoint["api_key"]), (&json!(url), &json!(key)), "{model} {url}");
        }
        let mut out = Recorded::default();
        let with_reference = Some("https://example.org/${HOME}");
        assert_eq!(model_endpoint_at(&mut out, "openai/m", with_reference, Map::new()), None);
    }
}
