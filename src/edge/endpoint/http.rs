//! Any API that accepts and returns JSON: the request body is a template, and a path locates the answer in the
//! response.

use std::collections::BTreeMap;

use minijinja::value::Serde;
use minijinja::{Environment, Error, Value as Jinja};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::api::{Answer, ApiSettings, Dialect, StreamReader};
use super::chat_form::system_text;
use crate::core::domain::{Failure, JsonPath, Message, Request, Usage, canonical_json};
use crate::core::prompt::{Bounded, MAX_BYTES, explain, new_environment};
use crate::edge::net::StatusRules;

/// The maximum number of keys that an error lists.
const MAX_KEYS: usize = 12;

/// The request body and the response paths of a JSON API.
///
/// Every string in the body is a template (Jinja2 syntax, nothing escaped, undefined variables refused) with these
/// variables:
///
/// | name       | value |
/// |------------|-------|
/// | `messages` | the messages of the prompt, a list of objects with `role` and `content` |
/// | `prompt`   | the text of the last user message; undefined if there is none |
/// | `system`   | the texts of the system messages; empty if there are none |
/// | `input`    | the example's own input as text |
/// | `id`       | the example's id |
/// | `trial`    | the number of the repeat, from 0 |
/// | `options`  | an object with `tools`, `response_format` and the like, if the input has them |
/// | `model`    | the endpoint's model |
/// | `params`   | the endpoint's params, an object |
///
/// A string that is a single expression, such as `{{ messages }}`, is replaced by its value: a list, an object, a
/// number. Any other string is rendered as text. Keys are not templates.
///
/// A path is either keys and zero-based indexes separated by dots (`choices.0.message.content`) or, if it begins with
/// `/`, a JSON pointer. An empty path means the whole response.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpTemplate {
    /// GET, POST, PUT, PATCH or DELETE, in any case.
    pub method: String,
    /// The body.
    pub body: Value,
    /// The path of the output. A value that is not text becomes canonical JSON; null counts as missing.
    pub output: String,
    /// The path of the model's name, for servers that report it.
    pub model_path: Option<String>,
    /// The path of the number of prompt tokens.
    pub prompt_tokens_path: Option<String>,
    /// The path of the number of answer tokens.
    pub completion_tokens_path: Option<String>,
    /// Statuses that count as success; if empty, every 2xx.
    pub ok_statuses: Vec<u16>,
    /// Statuses to retry, in addition to those that are retried by default.
    pub retry_statuses: Vec<u16>,
}

impl Default for HttpTemplate {
    fn default() -> Self {
        Self {
            method: "POST".to_owned(),
            body: json!({}),
            output: String::new(),
            model_path: None,
            prompt_tokens_path: None,
            completion_tokens_path: None,
            ok_statuses: Vec::new(),
            retry_statuses: Vec::new(),
        }
    }
}

/// The dialect for any JSON API. The base URL is the whole URL; responses are never streamed.
pub struct HttpApi {
    model: String,
    params: Map<String, Value>,
    method: Method,
    environment: Environment<'static>,
    body: Node,
    output: Path,
    model_path: Option<Path>,
    prompt_tokens: Option<Path>,
    completion_tokens: Option<Path>,
    statuses: StatusRules,
    identity: Value,
}

/// A parsed body template.
enum Node {
    /// A value without a template.
    Plain(Value),
    /// An expression that evaluates to the JSON of its value, and its place in the body.
    Value { expression: String, place: String },
    /// The name of a template in the environment, and its place in the body.
    Text { name: String, place: String },
    /// A list.
    List(Vec<Node>),
    /// An object.
    Object(Vec<(String, Node)>),
}

impl HttpApi {
    /// Creates the dialect with an endpoint's model and params, either of which may be empty.
    ///
    /// # Errors
    /// A data failure that names the endpoint and the field: an unknown method, a template with a syntax error (with
    /// its place, such as `body.messages.0`), a path with an empty step, or an invalid status.
    pub fn new(settings: &ApiSettings, template: HttpTemplate) -> Result<Self, Failure> {
        let fault = |what: String| Failure::data(format!("endpoint \"{}\": {what}", settings.name));
        let method = read_method(&template.method).map_err(fault)?;
        let statuses = read_statuses(&template).map_err(fault)?;
        let path = |name: &str, path: &str| Path::read(path).map_err(|what| fault(format!("{name} {what}")));
        let optional = |name: &str, text: &Option<String>| text.as_deref().map(|text| path(name, text)).transpose();
        let mut environment = new_environment();
        let body = Node::read(&template.body, "body".to_owned(), &mut environment).map_err(fault)?;
        Ok(Self {
            model: settings.model.clone(),
            params: settings.params.clone(),
            environment,
            body,
            output: path("output", &template.output)?,
            model_path: optional("model_path", &template.model_path)?,
            prompt_tokens: optional("prompt_tokens_path", &template.prompt_tokens_path)?,
            completion_tokens: optional("completion_tokens_path", &template.completion_tokens_path)?,
            identity: identity(&template, &method, &statuses),
            method,
            statuses,
        })
    }
}

impl Dialect for HttpApi {
    fn name(&self) -> &'static str {
        "http"
    }

    fn probe_path(&self) -> String {
        String::new()
    }

    fn path(&self) -> String {
        String::new()
    }

    fn method(&self) -> Method {
        self.method.clone()
    }

    fn statuses(&self) -> StatusRules {
        self.statuses.clone()
    }

    fn identity(&self) -> Option<Value> {
        Some(self.identity.clone())
    }

    fn body(&self, request: &Request) -> Result<Value, String> {
        let variables = self.variables(request);
        let root = Jinja::from(&variables);
        let mut writer = Writer { environment: &self.environment, variables: &variables, root, left: MAX_BYTES };
        writer.write(&self.body)
    }

    fn read(&self, answer: &Value) -> Result<Answer, String> {
        let output = match self.output.find(answer)? {
            Value::String(text) => text.clone(),
            Value::Null => return Err(format!("the response has null at \"{}\"", self.output.text)),
            other => canonical_json(other),
        };
        let at = |path: &Option<Path>| path.as_ref().and_then(|path| path.find(answer).ok());
        Ok(Answer {
            output,
            tool_calls: None,
            finish_reason: None,
            model: at(&self.model_path).and_then(Value::as_str).map(str::to_owned),
            usage: Usage {
                prompt_tokens: at(&self.prompt_tokens).and_then(Value::as_u64),
                completion_tokens: at(&self.completion_tokens).and_then(Value::as_u64),
            },
        })
    }

    fn stream_reader(&self) -> Option<Box<dyn StreamReader>> {
        None
    }
}

impl HttpApi {
    fn variables(&self, request: &Request) -> BTreeMap<String, Jinja> {
        let turns = request.turns();
        let messages: Vec<Value> = turns.iter().map(Message::to_json).collect();
        let mut variables = BTreeMap::from([
            ("messages".to_owned(), Jinja::from(Serde(&messages))),
            ("system".to_owned(), Jinja::from(system_text(&turns).unwrap_or_default())),
            ("input".to_owned(), Jinja::from(&request.input)),
            ("id".to_owned(), Jinja::from(&request.example_id)),
            ("trial".to_owned(), Jinja::from(request.trial)),
            ("options".to_owned(), Jinja::from(Serde(&request.options))),
            ("model".to_owned(), Jinja::from(&self.model)),
            ("params".to_owned(), Jinja::from(Serde(&self.params))),
        ]);
        if let Some(last) = turns.iter().rev().find(|turn| turn.role == "user") {
            variables.insert("prompt".to_owned(), Jinja::from(last.content_text()));
        }
        variables
    }
}

fn read_method(method: &str) -> Result<Method, String> {
    match method.trim().to_ascii_uppercase().as_str() {
        "GET" => Ok(Method::GET),
        "POST" => Ok(Method::POST),
        "PUT" => Ok(Method::PUT),
        "PATCH" => Ok(Method::PATCH),
        "DELETE" => Ok(Method::DELETE),
        _ => Err(format!("method is \"{method}\", not GET, POST, PUT, PATCH or DELETE")),
    }
}

fn read_statuses(template: &HttpTemplate) -> Result<StatusRules, String> {
    let sorted = |name: &str, statuses: &[u16]| {
        if let Some(wrong) = statuses.iter().find(|status| !(100..600).contains(*status)) {
            return Err(format!("{name} contains {wrong}, which is not an HTTP status"));
        }
        let mut statuses = statuses.to_vec();
        statuses.sort_unstable();
        statuses.dedup();
        Ok(statuses)
    };
    let ok = sorted("ok_statuses", &template.ok_statuses)?;
    let retry = sorted("retry_statuses", &template.retry_statuses)?;
    match retry.iter().find(|status| ok.contains(status)) {
        Some(both) => Err(format!("{both} is in both ok_statuses and retry_statuses")),
        None => Ok(StatusRules { ok, retry }),
    }
}

fn identity(template: &HttpTemplate, method: &Method, statuses: &StatusRules) -> Value {
    json!({
        "method": method.as_str(),
        "body": template.body,
        "output": template.output,
        "model_path": template.model_path,
        "prompt_tokens_path": template.prompt_tokens_path,
        "completion_tokens_path": template.completion_tokens_path,
        "ok_statuses": statuses.ok,
        "retry_statuses": statuses.retry,
    })
}

impl Node {
    fn read(value: &Value, place: String, environment: &mut Environment<'static>) -> Result<Self, String> {
        Ok(match value {
            Value::String(text) => Self::read_text(text, place, environment)?,
            Value::Array(items) => {
                let node = |(index, item)| Self::read(item, format!("{place}.{index}"), environment);
                Self::List(items.iter().enumerate().map(node).collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => {
                let node = |(key, field): (&String, &Value)| {
                    Ok((key.clone(), Self::read(field, format!("{place}.{key}"), environment)?))
                };
                Self::Object(fields.iter().map(node).collect::<Result<_, String>>()?)
            }
            plain => Self::Plain(plain.clone()),
        })
    }

    fn read_text(text: &str, place: String, environment: &mut Environment<'static>) -> Result<Self, String> {
        let one = text.strip_prefix("{{").and_then(|text| text.strip_suffix("\n").unwrap_or(text).strip_suffix("}}"));
        let one = one.map(|text| text.strip_prefix(['-', '+']).unwrap_or(text));
        let one = one.map(|text| text.strip_suffix('-').unwrap_or(text).trim());
        if let Some(one) = one.filter(|one| environment.compile_expression(one).is_ok()) {
            // The filter reports the name of an undefined variable, and returns JSON.
            return Ok(Self::Value { expression: format!("({one})|tojson"), place });
        }
        if !["{{", "{%", "{#"].iter().any(|mark| text.contains(mark)) {
            return Ok(Self::Plain(Value::String(text.to_owned())));
        }
        // Places are not unique names, because a key may contain a dot.
        let name = environment.templates().count().to_string();
        environment.add_template_owned(name.clone(), text.to_owned()).map_err(|error| {
            let line = error.line().map_or_else(String::new, |line| format!(", line {line}"));
            format!("{place}{line}: {}", explain(&error, &BTreeMap::new()))
        })?;
        Ok(Self::Text { name, place })
    }
}

/// Fills the templates of a body for one request.
struct Writer<'a> {
    environment: &'a Environment<'static>,
    variables: &'a BTreeMap<String, Jinja>,
    root: Jinja,
    /// Number of bytes that may still be rendered.
    left: usize,
}

impl Writer<'_> {
    fn write(&mut self, node: &Node) -> Result<Value, String> {
        Ok(match node {
            Node::Plain(value) => value.clone(),
            Node::List(items) => Value::Array(items.iter().map(|item| self.write(item)).collect::<Result<_, _>>()?),
            Node::Object(fields) => {
                let field = |(key, field): &(String, Node)| Ok((key.clone(), self.write(field)?));
                Value::Object(fields.iter().map(field).collect::<Result<_, String>>()?)
            }
            Node::Value { expression, place } => {
                let text = self.value(expression).map_err(|error| self.at(place, &error))?;
                self.count(&text)?;
                serde_json::from_str(&text).map_err(|error| format!("{place}: {error}"))?
            }
            Node::Text { name, place } => {
                let text = self.text(name).map_err(|error| self.at(place, &error))?;
                self.count(&text)?;
                Value::String(text)
            }
        })
    }

    fn value(&self, expression: &str) -> Result<String, Error> {
        let value = self.environment.compile_expression(expression)?.eval(self.root.clone())?;
        Ok(value.as_str().unwrap_or("null").to_owned())
    }

    fn text(&self, name: &str) -> Result<String, Error> {
        let mut bounded = Bounded::default();
        self.environment.get_template(name)?.render_captured_to(self.root.clone(), &mut bounded)?;
        bounded.into_text()
    }

    fn count(&mut self, text: &str) -> Result<(), String> {
        let too_long = || format!("the body is longer than {} MiB", MAX_BYTES >> 20);
        self.left = self.left.checked_sub(text.len()).ok_or_else(too_long)?;
        Ok(())
    }

    fn at(&self, place: &str, error: &Error) -> String {
        format!("{place}: {}", explain(error, self.variables))
    }
}

/// The path of a value in a response.
struct Path {
    text: String,
    steps: JsonPath,
}

impl Path {
    /// The error completes "output …".
    fn read(text: &str) -> Result<Self, String> {
        let steps = JsonPath::parse(text).ok_or_else(|| format!("is \"{text}\", a path with an empty step"))?;
        Ok(Self { text: text.to_owned(), steps })
    }

    /// Finds the value; the error says where the path ended and what is there instead.
    fn find<'a>(&self, answer: &'a Value) -> Result<&'a Value, String> {
        self.steps.find(answer).map_err(|(done, here)| self.missing(done, here))
    }

    fn missing(&self, done: &[String], here: &Value) -> String {
        let place = match done {
            [] => "the answer".to_owned(),
            steps => format!("\"{}\"", steps.join(".")),
        };
        let found = match here {
            Value::Object(fields) if fields.is_empty() => "an empty object".to_owned(),
            Value::Object(fields) => {
                let keys: Vec<&str> = fields.keys().take(MAX_KEYS).map(String::as_str).collect();
                let more = if fields.len() > MAX_KEYS { ", …" } else { "" };
                format!("an object with the keys {}{more}", keys.join(", "))
            }
            Value::Array(items) => format!("a list of {}", items.len()),
            Value::Null => "null".to_owned(),
            Value::String(_) => "text".to_owned(),
            Value::Number(_) => "a number".to_owned(),
            Value::Bool(_) => "true or false".to_owned(),
        };
        format!("the response has nothing at \"{}\": {place} is {found}", self.text)
    }
}

#[cfg(test)]
#[path = "tests/http.rs"]
mod tests;
