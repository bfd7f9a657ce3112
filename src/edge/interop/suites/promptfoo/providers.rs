//! Providers as endpoints.

use serde_json::{Map, Value, json};

use super::apis::{anthropic, azure, compatible, gemini};
use super::desk::Desk;
use super::files::{extension, is_script, path_and_function};
use super::http;
use super::programs::{Answering, Language};
use super::settings::answering_params;
use super::tree::{Item, Kind};
use crate::edge::interop::suites::draft::slug;

/// How deep files of providers may refer to others.
const MAX_DEPTH: usize = 3;

/// The model that grades unless the configuration says otherwise; the default of promptfoo 0.123.
const GRADER: &str = "gpt-5.6-sol";

/// Services that speak OpenAI's API: their prefix, the base URL, and the variable with the key.
const COMPATIBLE: [(&str, &str, &str); 28] = [
    ("openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    ("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    ("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    ("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    ("deepseek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    ("xai", "https://api.x.ai/v1", "XAI_API_KEY"),
    ("togetherai", "https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    ("together", "https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    ("fireworks", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    ("cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    ("perplexity", "https://api.perplexity.ai", "PERPLEXITY_API_KEY"),
    ("github", "https://models.github.ai/inference", "GITHUB_TOKEN"),
    ("hyperbolic", "https://api.hyperbolic.xyz/v1", "HYPERBOLIC_API_KEY"),
    ("alibaba", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY"),
    ("dashscope", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY"),
    ("ai21", "https://api.ai21.com/studio/v1", "AI21_API_KEY"),
    ("nscale", "https://inference.api.nscale.com/v1", "NSCALE_SERVICE_TOKEN"),
    ("aimlapi", "https://api.aimlapi.com/v1", "AIML_API_KEY"),
    ("cometapi", "https://api.cometapi.com/v1", "COMETAPI_KEY"),
    ("cohere", "https://api.cohere.ai/compatibility/v1", "COHERE_API_KEY"),
    ("huggingface", "https://router.huggingface.co/v1", "HF_TOKEN"),
    ("litellm", "http://localhost:4000", "LITELLM_API_KEY"),
    ("ollama", "http://localhost:11434/v1", ""),
    ("localai", "http://localhost:8080/v1", ""),
    ("llama", "http://localhost:8080/v1", ""),
    ("databricks", "${DATABRICKS_WORKSPACE_URL}/serving-endpoints", "DATABRICKS_TOKEN"),
    (
        "cloudflare-ai",
        "https://api.cloudflare.com/client/v4/accounts/${CLOUDFLARE_ACCOUNT_ID}/ai/v1",
        "CLOUDFLARE_API_KEY",
    ),
    ("vllm", "http://localhost:8000/v1", ""),
];

/// Keys of a provider.
const KEYS: [&str; 9] = ["id", "label", "config", "prompts", "transform", "delay", "env", "inputs", "description"];

/// A provider.
#[derive(Debug, Clone)]
pub(super) struct Provider {
    /// Its place.
    pub(super) item: Item,
    /// The endpoint.
    pub(super) endpoint: String,
    /// The names by which tests refer to it.
    pub(super) names: Vec<String>,
    /// The labels of its prompts, unless it gets all.
    pub(super) prompts: Option<Vec<String>>,
    /// How it changes answers.
    pub(super) transform: Option<Item>,
    /// Whether its answers are JSON that promptfoo reads as an object.
    pub(super) json: bool,
    /// Its tools.
    pub(super) tools: Vec<Value>,
}

/// A provider as written.
pub(super) struct Spec {
    /// Where it is.
    pub(super) at: Item,
    /// Its id.
    pub(super) id: String,
    label: Option<String>,
    /// Everything beside the id.
    pub(super) keys: Item,
    /// Its `config`.
    pub(super) config: Item,
}

/// Reads providers. Those that have no counterpart are reported.
pub(super) fn read(desk: &mut Desk<'_>, providers: &Item) -> Vec<Provider> {
    let mut specs = Vec::new();
    collect(desk, providers, 0, &mut specs);
    let mut read = Vec::new();
    for spec in specs {
        match provider(desk, &spec) {
            Ok(provider) => read.push(provider),
            Err(why) => desk.note(&spec.at, &format!("provider: {}", shown(&spec.id)), why),
        }
    }
    read
}

/// The endpoint that grades: as configured, or promptfoo's default.
pub(super) fn grader(desk: &mut Desk<'_>, item: Option<&Item>) -> String {
    let chosen = item.map(|item| item.get("text").filter(|_| item.get("id").is_none()).unwrap_or(item));
    let mut specs = Vec::new();
    if let Some(chosen) = chosen {
        collect(desk, chosen, 0, &mut specs);
    }
    match specs.first().map(|spec| (spec, provider(desk, spec))) {
        Some((_, Ok(provider))) => return provider.endpoint,
        Some((spec, Err(why))) => {
            desk.note_once(
                &spec.at,
                &format!("grader: {}", shown(&spec.id)),
                format!("{why}; {GRADER} grades instead"),
            );
        }
        None => {}
    }
    let definition = json!({
        "type": "openai",
        "base_url": "https://api.openai.com/v1",
        "model": GRADER,
        "api_key": "${OPENAI_API_KEY}",
    });
    desk.out.endpoint("grader", crate::edge::interop::suites::draft::object(definition))
}

/// An id without what may be private in it.
fn shown(id: &str) -> String {
    let id = id.split('?').next().unwrap_or_default();
    id.chars().take(80).collect()
}

fn collect(desk: &mut Desk<'_>, item: &Item, depth: usize, specs: &mut Vec<Spec>) {
    let empty = || item.at(Kind::Map(Vec::new()));
    match &item.kind {
        Kind::List(items) => items.iter().for_each(|one| collect(desk, one, depth, specs)),
        Kind::Text(id) => {
            let is_list = id.starts_with("file://") && ["yaml", "yml", "json"].contains(&extension(id).as_str());
            match is_list {
                true if depth < MAX_DEPTH => match desk.load(item, id) {
                    Ok(loaded) => collect(desk, &loaded, depth + 1, specs),
                    Err(why) => desk.note(item, "providers", why),
                },
                _ => specs.push(Spec { at: item.clone(), id: id.clone(), label: None, keys: empty(), config: empty() }),
            }
        }
        Kind::Map(entries) => {
            let (id, keys) = match (item.get("id").and_then(Item::scalar), entries.as_slice()) {
                (Some(id), _) => (id, item.clone()),
                (None, [(id, keys)]) => {
                    (keys.get("id").and_then(Item::scalar).unwrap_or_else(|| id.clone()), keys.clone())
                }
                _ => return desk.note(item, "providers", "it has no id; name the model"),
            };
            let label = keys.get("label").and_then(Item::scalar);
            let config = keys.get("config").cloned().unwrap_or_else(empty);
            specs.push(Spec { at: item.clone(), id, label, keys, config });
        }
        _ => desk.note(item, "providers", "it is neither an id nor a mapping; name the model"),
    }
}

fn provider(desk: &mut Desk<'_>, spec: &Spec) -> Result<Provider, String> {
    let mut definition = definition(desk, spec)?;
    desk.unknown(&spec.keys, &KEYS, "a provider");
    if let Some(delay) = spec.keys.get("delay").and_then(Item::number).filter(|delay| *delay > 0.0) {
        let per_minute = (60_000.0 / delay).clamp(1.0, 60_000.0).round();
        if definition.contains_key("base_url") {
            definition.insert("requests_per_minute".to_owned(), json!(per_minute as u64));
        }
    }
    if let Some(env) = spec.keys.get("env") {
        desk.note_once(
            env,
            "env",
            "variables are not carried over, since they may be secret; set them in the environment or in .env",
        );
    }
    let unsorted = spec.config.get("response_format").and_then(unsorted_properties);
    if let Some(at) = unsorted.filter(|_| definition.contains_key("params")) {
        let why = "the fields of this schema are sent in alphabetical order, in which models then write them; name them so \
                   that a field that should be written first comes first";
        desk.note_once(at, "response_format", why);
    }
    let params = definition.get("params");
    let tools = params.and_then(|params| params.get("tools")).and_then(Value::as_array).cloned().unwrap_or_default();
    let format = params.and_then(|params| params.pointer("/response_format/type")).and_then(Value::as_str);
    let json = format == Some("json_schema");
    let name = spec.label.clone().unwrap_or_else(|| short_name(&spec.id));
    let endpoint = desk.out.endpoint(&slug(&name), definition);
    let prompts = spec.keys.get("prompts").map(|prompts| prompts.items().iter().filter_map(Item::scalar).collect());
    Ok(Provider {
        item: spec.at.clone(),
        endpoint,
        names: [Some(spec.id.clone()), spec.label.clone()].into_iter().flatten().collect(),
        prompts,
        transform: spec.keys.get("transform").or_else(|| spec.config.get("transform")).cloned(),
        json,
        tools,
    })
}

/// The first properties of a schema whose names are not in alphabetical order.
fn unsorted_properties(schema: &Item) -> Option<&Item> {
    let own = schema.get("properties").filter(|properties| !properties.entries().is_sorted_by_key(|(name, _)| name));
    own.or_else(|| match &schema.kind {
        Kind::Map(entries) => entries.iter().find_map(|(_, value)| unsorted_properties(value)),
        Kind::List(items) => items.iter().find_map(unsorted_properties),
        _ => None,
    })
}

/// The part of an id that says most.
fn short_name(id: &str) -> String {
    let path = id.trim_start_matches("file://");
    match id {
        "echo" => "echo".to_owned(),
        _ if id.starts_with("http") => "http".to_owned(),
        _ if id.starts_with("exec:") || id.starts_with("python:") || path != id => {
            let command = path.trim_start_matches("exec:").trim_start_matches("python:");
            let (file, _) = path_and_function(command);
            let word = file.split_whitespace().rfind(|word| word.contains('.')).unwrap_or(file);
            let name = word.rsplit(['/', ':']).next().unwrap_or(word);
            name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned()
        }
        _ => id.rsplit(['/', ':']).next().unwrap_or(id).to_owned(),
    }
}

fn definition(desk: &mut Desk<'_>, spec: &Spec) -> Result<Map<String, Value>, String> {
    let id = spec.id.as_str();
    if let Some(answering) = answering(desk, spec)? {
        let params = answering_params(desk, spec);
        return Ok(answering.endpoint(params, desk.out));
    }
    if ["http", "https"].contains(&id) || id.starts_with("http:") || id.starts_with("https:") {
        return http::definition(desk, &spec.at, id, &spec.config);
    }
    let Some((prefix, rest)) = id.split_once(':') else {
        return Err(format!("{id} is not known here; write an endpoint for it into karat.yaml"));
    };
    match prefix {
        "anthropic" => anthropic(desk, spec, rest),
        "google" | "palm" | "vertex" => gemini(desk, spec, prefix, rest),
        "azure" | "azureopenai" => azure(desk, spec, rest),
        _ => {
            let known = COMPATIBLE.iter().find(|known| known.0 == prefix);
            let known = known.ok_or_else(|| no_endpoint(prefix))?;
            compatible(desk, spec, rest, *known)
        }
    }
}

fn no_endpoint(prefix: &str) -> String {
    match prefix {
        "bedrock" | "bedrock-agent" | "sagemaker" => {
            "requests to AWS must be signed, which karat does not do; use a gateway such as LiteLLM".to_owned()
        }
        "ws" | "wss" | "websocket" => "karat has no endpoint for WebSocket; write a program (type exec)".to_owned(),
        "promptfoo" => "it is a part of promptfoo; name a model, or write a program (type exec)".to_owned(),
        other => format!("karat has no endpoint for {other}; write a program (type exec), or use type http"),
    }
}

/// Providers that are programs.
fn answering(desk: &mut Desk<'_>, spec: &Spec) -> Result<Option<Answering>, String> {
    let id = spec.id.as_str();
    if id == "echo" {
        return Ok(Some(Answering::Echo));
    }
    if let Some(command) = id.strip_prefix("exec:") {
        let parts = words(command.trim());
        if parts.is_empty() {
            return Err("it names no program; write the command".to_owned());
        }
        let copied = parts.into_iter().map(|part| match desk.files.find(&part).is_ok_and(|path| path.is_file()) {
            true => desk.copy(&spec.at, &part),
            false => Ok(part),
        });
        return Ok(Some(Answering::Printing(copied.collect::<Result<_, _>>()?)));
    }
    let script = id.strip_prefix("python:").or_else(|| id.strip_prefix("file://"));
    let script =
        script.or_else(|| is_script(&extension(id)).then_some(id)).or_else(|| (extension(id) == "py").then_some(id));
    let Some(script) = script.filter(|_| !id.starts_with("http")) else { return Ok(None) };
    let (language, file, function) = desk.script(&spec.at, script)?;
    match (language, &function) {
        (Language::JavaScript, Some(name)) => {
            Err(format!("the function {name} of a script is not called; export the provider"))
        }
        _ => Ok(Some(Answering::Script(language, file, function))),
    }
}

/// The words of a command, some of which may be quoted.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in command.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            _ => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests::Recorded;
    use super::super::tree;
    use super::*;

    const SETTINGS: &str = r#"- id: openai:gpt-x
  label: Mine
  prompts: [a]
  config:
    apiKey: sk-secret
    apiBaseUrl: "{{env.BASE}}/v1"
    temperature: '0.5'
    tools: file://tools.json
    headers: {X-Api-Key: abc, X-Team: '{{ env.TEAM }}'}
    colour: blue
    passthrough: {top_k: 5}
  transform: output.trim()
- openai:chat:gpt-y:
    config: {max_tokens: 5}
- file://more.yaml
"#;

    #[test]
    fn a_schema_whose_fields_are_not_in_alphabetical_order_is_noted() {
        let provider = |schema: &str| {
            let format = format!("{{type: json_schema, json_schema: {{name: x, schema: {schema}}}}}");
            let (_, out) = read_all(&format!("- {{id: 'openai:gpt-x', config: {{response_format: {format}}}}}\n"));
            out.notes.iter().filter(|note| note.what == "response_format").count()
        };
        let inner = "{type: array, items: {type: object, properties: {reason: {}, grade: {}}}}";
        assert_eq!(provider("{type: object, properties: {answer: {}, reason: {}}}"), 0);
        assert_eq!(provider("{type: object, properties: {reason: {}, answer: {}}}"), 1);
        assert_eq!(provider(&format!("{{type: object, properties: {{a: {inner}}}}}")), 1);
    }

    fn read_all(providers: &str) -> (Vec<Provider>, Recorded) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("answer.py"), "def call_api(): pass\n").unwrap();
        std::fs::write(folder.path().join("more.yaml"), "- openai:from-file\n").unwrap();
        std::fs::write(folder.path().join("tools.json"), "[{\"type\": \"function\"}]").unwrap();
        let mut out = Recorded::default();
        let mut desk = Desk::new(&mut out, &folder.path().join("promptfooconfig.yaml"));
        let item = tree::parse(providers.to_owned(), Path::new("promptfooconfig.yaml")).unwrap();
        let providers = read(&mut desk, &item);
        (providers, out)
    }

    #[test]
    fn models_become_endpoints() {
        let usual = json!({"temperature": 0, "max_tokens": 1024});
        let openai = |model: &str| json!({"type": "openai", "model": model, "base_url": "https://api.openai.com/v1"});
        let with = |mut of: Value, more: Value| {
            of.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            of
        };
        let key = json!({"api_key": "${OPENAI_API_KEY}"});
        let url = "https://${AZURE_API_HOST}/openai/deployments/mine?api-version=2024-12-01-preview";
        let cases = [
            ("openai:chat:gpt-4o", "gpt-4o", with(with(openai("gpt-4o"), key.clone()), json!({"params": usual}))),
            ("openai:responses:gpt-5", "gpt-5", with(with(openai("gpt-5"), key), json!({"api": "responses"}))),
            (
                "anthropic:messages:claude-x",
                "claude-x",
                json!({"type": "anthropic", "model": "claude-x", "api_key": "${ANTHROPIC_API_KEY}", "params": usual}),
            ),
            (
                "google:gemini-x",
                "gemini-x",
                json!({"type": "gemini", "model": "gemini-x", "api_key": "${GEMINI_API_KEY}"}),
            ),
            (
                "ollama:chat:llama3:8b",
                "8b",
                with(openai("llama3:8b"), json!({"base_url": "http://localhost:11434/v1"})),
            ),
            (
                "azure:chat:mine",
                "mine",
                json!({"type": "openai", "model": "mine", "api_key": "${AZURE_API_KEY}", "params": usual,
                    "api_key_header": "api-key", "base_url": url}),
            ),
        ];
        for (id, name, expected) in cases {
            let (read, out) = read_all(&format!("['{id}']"));
            assert_eq!(read.len(), 1, "{id} {:?}", out.notes);
            assert_eq!(out.endpoints.get(name), Some(&expected), "{id} {:?}", out.endpoints);
        }
    }

    #[test]
    fn programs_and_servers_become_endpoints() {
        let exec = |command: &[&str]| json!({"type": "exec", "command": command});
        let (script, runner) = ("programs/answer.py", "programs/promptfoo/answer.py");
        let node = ["node", "programs/promptfoo/answer.cjs"];
        let cases = [
            ("echo", "echo", exec(&[&node[..], &["echo"]].concat())),
            ("file://answer.py", "answer", exec(&["python3", runner, script])),
            ("python:answer.py:f", "answer", exec(&["python3", runner, script, "f"])),
            (
                "exec:python answer.py --fast",
                "answer",
                exec(&[&node[..], &["exec", "python", script, "--fast"]].concat()),
            ),
            (
                "https://example.org/chat",
                "http",
                json!({"type": "http", "base_url": "https://example.org/chat", "body": {}, "output": "",
                    "method": "GET"}),
            ),
        ];
        for (id, name, expected) in cases {
            let (_, out) = read_all(&format!("['{id}']"));
            assert_eq!(out.endpoints.get(name), Some(&expected), "{id} {:?}", out.endpoints);
        }
    }

    #[test]
    fn settings_are_carried_over_and_secrets_are_not() {
        let (read, out) = read_all(SETTINGS);
        let mine = &out.endpoints["mine"];
        assert_eq!(mine["api_key"], json!("${OPENAI_API_KEY}"));
        assert_eq!(mine["base_url"], json!("${BASE}/v1"));
        assert_eq!(mine["headers"], json!({"X-Api-Key": "${X_API_KEY}", "X-Team": "${TEAM}"}));
        let params = json!({"temperature": 0.5, "max_tokens": 1024, "tools": [{"type": "function"}], "top_k": 5});
        assert_eq!(mine["params"], params);
        assert_eq!(
            (read[0].prompts.as_deref(), read[0].transform.is_some(), read[0].tools.len()),
            (Some(&["a".to_owned()][..]), true, 1)
        );
        assert_eq!(out.endpoints["gpt-y"]["params"]["max_tokens"], json!(5));
        assert!(out.endpoints.contains_key("from-file"));
        let noted: Vec<_> = out.notes.iter().map(|note| (note.line, note.what.as_str())).collect();
        assert_eq!(noted, [(10, "config: colour"), (5, "apiKey"), (9, "X-Api-Key")]);
    }

    #[test]
    fn what_has_no_endpoint_is_reported() {
        for (id, why) in [
            ("bedrock:x", "signed"),
            ("openai:embedding:x", "use a chat model"),
            ("vertex:claude-x", "Google Cloud"),
            ("wss://example.org", "WebSocket"),
            ("mystery", "not known"),
            ("promptfoo:simulated-user", "part of promptfoo"),
            ("file://none.py", "does not exist"),
        ] {
            let (read, out) = read_all(&format!("['{id}']"));
            assert!(read.is_empty() && out.notes[0].why.contains(why), "{id}: {:?}", out.notes);
        }
    }
}
