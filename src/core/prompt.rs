//! Prompts: templates that are compiled once and rendered for every example.
//!
//! Templates use minijinja (Jinja2 syntax). Nothing is escaped, and undefined variables are errors. The variables are:
//!
//! | name       | value |
//! |------------|-------|
//! | `input`    | the text of the input (see [`input_text`]), or the object itself if the input is an object |
//! | any other  | the fields of an object input, by name; the other names of this table take precedence |
//! | `context`  | the example's context, or else the input's field `context`, or else null |
//! | `metadata` | the example's additional fields, an object |
//! | `tags`     | a list of strings |
//! | `id`       | the example's id |
//! | `labels`   | the closed set of answers of the dataset, a list of strings |
//! | `vars`     | the variables that the suite defines under `vars`, if any |
//!
//! The accepted answers are not available: a prompt that contains the answer measures nothing.
//!
//! Objects and lists are printed as JSON. Printing a null is an error, since it would put the word "none" into the
//! prompt; guard it with `{% if context %}`. The filter `tojson` writes plain JSON, without the HTML escapes that
//! Jinja2 adds.

mod environment;

use std::collections::BTreeMap;

use minijinja::value::Serde;
use minijinja::{Environment, Error, ErrorKind, Value};
use serde_json::{Map, Value as Json};

use self::environment::FUEL;
pub(crate) use self::environment::{Bounded, MAX_BYTES, new_environment};
use crate::core::domain::{Example, Message, Prompt, PromptMessage, input_text};

/// Fields next to the messages of an input that are passed on with the request.
const OPTIONS: [&str; 4] = ["tools", "tool_choice", "parallel_tool_calls", "response_format"];

/// The reason why a prompt cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// A message that is not a valid template.
    #[error("message {message}, line {line}: {reason}")]
    Template {
        /// Number of the message, starting at 1.
        message: usize,
        /// Line within the message, starting at 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The list of messages is empty.
    #[error("the prompt has no messages")]
    Empty,
}

/// A compiled prompt. It can be shared between threads.
#[derive(Debug)]
pub struct CompiledPrompt {
    /// `None` if the input itself is sent.
    templates: Option<Templates>,
}

#[derive(Debug)]
struct Templates {
    /// Contains message n, counting from 1, under the name "n".
    environment: Environment<'static>,
    roles: Vec<String>,
    labels: Value,
    vars: Option<Value>,
}

impl CompiledPrompt {
    /// Compiles the templates of a prompt. `labels` is the closed set of answers of the dataset, if it has one; `vars`
    /// are the variables that the suite defines.
    ///
    /// # Errors
    /// Returns an error if a template has a syntax error or if there are no messages. Unknown variables are detected
    /// only while rendering, since the fields of inputs differ between examples.
    pub fn compile(prompt: &Prompt, labels: &[String], vars: &Map<String, Json>) -> Result<Self, PromptError> {
        let templates = match prompt {
            Prompt::Input => None,
            Prompt::Text(text) => {
                let message = PromptMessage { role: "user".to_owned(), content: text.clone() };
                Some(Templates::compile(&[message], labels, vars)?)
            }
            Prompt::Messages(messages) => Some(Templates::compile(messages, labels, vars)?),
        };
        Ok(Self { templates })
    }

    /// The fields of an example's input that belong to the request rather than to a message: `tools`, `tool_choice`,
    /// `parallel_tool_calls` and `response_format` next to `messages`. Empty unless the input itself is sent.
    pub fn options(&self, example: &Example) -> Map<String, Json> {
        let fields =
            example.input.as_object().filter(|fields| self.templates.is_none() && fields.contains_key("messages"));
        let stored = fields.into_iter().flatten().filter(|(name, _)| OPTIONS.contains(&name.as_str()));
        stored.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Renders the messages to send for an example, in order.
    ///
    /// With [`Prompt::Input`], a list of chat messages (the input, or its field `messages`) is sent unchanged,
    /// including parts, tool calls and all other fields. For any other input, its text is sent as one user message.
    ///
    /// Rendering is bounded: a message may execute at most a million instructions and be at most 8 MiB long.
    ///
    /// # Errors
    /// Returns a sentence that names the message, the line and the cause: an unknown variable (with the known ones), a
    /// null that would be printed, a filter that does not apply to its value, or a limit that was exceeded. With
    /// [`Prompt::Input`]: an empty list, or a chat message without a role or with neither content nor tool calls.
    pub fn render(&self, example: &Example) -> Result<Vec<Message>, String> {
        match &self.templates {
            Some(templates) => templates.render(example),
            None => input_messages(&example.input),
        }
    }
}

impl Templates {
    fn compile(messages: &[PromptMessage], labels: &[String], vars: &Map<String, Json>) -> Result<Self, PromptError> {
        if messages.is_empty() {
            return Err(PromptError::Empty);
        }
        let mut environment = new_environment();
        for (message, template) in (1..).zip(messages) {
            environment.add_template_owned(message.to_string(), template.content.clone()).map_err(|error| {
                PromptError::Template { message, line: error.line().unwrap_or(1), reason: sentence(&error) }
            })?;
        }
        let roles = messages.iter().map(|message| message.role.clone()).collect();
        let vars = (!vars.is_empty()).then(|| Value::from(Serde(vars)));
        Ok(Self { environment, roles, labels: Value::from(Serde(labels)), vars })
    }

    fn render(&self, example: &Example) -> Result<Vec<Message>, String> {
        let mut variables = variables(example, &self.labels);
        if let Some(vars) = &self.vars {
            variables.insert("vars".to_owned(), vars.clone());
        }
        let root = Value::from(&variables);
        let render = |(number, role): (usize, &String)| {
            let content = self.render_message(number, &root).map_err(|error| {
                let line = error.line().map_or_else(String::new, |line| format!(", line {line}"));
                format!("message {number}{line}: {}", explain(&error, &variables))
            })?;
            Ok(Message::text(role.clone(), content))
        };
        (1..).zip(&self.roles).map(render).collect()
    }

    fn render_message(&self, number: usize, root: &Value) -> Result<String, Error> {
        let mut bounded = Bounded::default();
        self.environment.get_template(&number.to_string())?.render_captured_to(root.clone(), &mut bounded)?;
        bounded.into_text()
    }
}

/// The variables of templates for an example; `labels` is the closed set of answers of its dataset.
pub(crate) fn variables(example: &Example, labels: &Value) -> BTreeMap<String, Value> {
    let mut variables: BTreeMap<String, Value> = match &example.input {
        Json::Object(fields) => fields.iter().map(|(name, field)| (name.clone(), Value::from(Serde(field)))).collect(),
        _ => BTreeMap::new(),
    };
    let input = match &example.input {
        Json::Object(_) => Value::from(&variables),
        other => Value::from(input_text(other)),
    };
    if let Some(context) = &example.context {
        variables.insert("context".to_owned(), Value::from(Serde(context)));
    }
    variables.entry("context".to_owned()).or_insert(Value::from(()));
    let own = [
        ("input", input),
        ("metadata", Value::from(Serde(&example.metadata))),
        ("tags", Value::from(Serde(&example.tags))),
        ("id", Value::from(&example.id)),
        ("labels", labels.clone()),
    ];
    variables.extend(own.map(|(name, value)| (name.to_owned(), value)));
    variables
}

/// Describes an error of a template. For an undefined variable, lists the variables that are known.
pub(crate) fn explain(error: &Error, variables: &BTreeMap<String, Value>) -> String {
    let error = innermost(error);
    let cause = sentence(error);
    match error.kind() {
        ErrorKind::UndefinedError => {
            let known: Vec<_> = variables.keys().map(String::as_str).collect();
            let leak =
                if cause.starts_with("`expected`") { " (prompts have no access to the accepted answers)" } else { "" };
            format!("{cause}{leak}; known variables: {}", known.join(", "))
        }
        ErrorKind::OutOfFuel => format!("the template executes more than {FUEL} instructions"),
        ErrorKind::WriteFailure => format!("the message is longer than {} MiB", MAX_BYTES >> 20),
        _ => cause,
    }
}

/// The error of the included template or block, if there is one.
fn innermost(error: &Error) -> &Error {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Error>());
    source.map_or(error, innermost)
}

fn sentence(error: &Error) -> String {
    error.detail().map_or_else(|| error.kind().to_string(), str::to_owned)
}

fn input_messages(input: &Json) -> Result<Vec<Message>, String> {
    let messages = match input {
        Json::Object(fields) => fields.get("messages").and_then(Json::as_array),
        other => other.as_array(),
    };
    match messages {
        Some(messages) if messages.is_empty() => Err("the input is an empty list of messages".to_owned()),
        Some(messages) if messages.iter().any(|message| message.get("role").is_some()) => {
            (1..).zip(messages).map(|(number, message)| chat_message(number, message)).collect()
        }
        _ => Ok(vec![Message::text("user", input_text(input))]),
    }
}

/// Reads a chat message with all its fields. It must have a role, and either content or tool calls.
fn chat_message(number: usize, message: &Json) -> Result<Message, String> {
    let fail = |what: &str| format!("message {number} of the input {what}");
    let Json::Object(fields) = message else { return Err(fail("has no role")) };
    let mut rest = fields.clone();
    let Some(Json::String(role)) = rest.remove("role") else { return Err(fail("has no role")) };
    let content = rest.remove("content").unwrap_or(Json::Null);
    let acts = rest.get("tool_calls").and_then(Json::as_array).is_some_and(|calls| !calls.is_empty());
    let says = match &content {
        Json::String(_) => true,
        Json::Array(parts) => !parts.is_empty() && parts.iter().all(|part| part.is_string() || part.is_object()),
        _ => false,
    };
    if !says && !acts {
        return Err(fail("has neither content (text or a list of parts) nor tool calls"));
    }
    Ok(Message { role, content, rest })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::core::domain::ExampleStatus;

    fn example(input: Json) -> Example {
        Example {
            id: "ex-1".into(),
            input,
            expected: vec![json!("the secret answer")],
            context: None,
            metadata: serde_json::Map::from_iter([("lang".to_owned(), json!("en")), ("none".to_owned(), Json::Null)]),
            tags: vec!["a".into(), "b".into()],
            created_at: None,
            labeled_at: None,
            labeled_by: None,
            reviewed_at: None,
            valid_until: None,
            source: None,
            sources: Vec::new(),
            assert: None,
            turns: Vec::new(),
            critical: false,
            status: ExampleStatus::Active,
            retired_reason: None,
            line: 1,
        }
    }

    fn render(template: &str, example: &Example) -> Result<String, String> {
        let labels = ["yes".to_owned(), "no".to_owned()];
        let prompt = CompiledPrompt::compile(&Prompt::Text(template.into()), &labels, &Map::new()).unwrap();
        let messages = prompt.render(example)?;
        assert_eq!((messages.len(), messages[0].role.as_str()), (1, "user"));
        Ok(messages[0].content_text())
    }

    #[test]
    fn every_documented_variable_is_available() {
        let text = example(json!("why?"));
        let chat = example(json!([{"role": "system", "content": "s"}, {"role": "user", "content": "last"}]));
        let object = example(json!({"question": "why?", "id": "mine", "context": "from the input", "n": {"k": [1]}}));
        let with_context = Example { context: Some(json!(["doc 1", "doc 2"])), ..object.clone() };
        let cases = [
            (&text, "{{ input }}|{{ id }}|{{ metadata.lang }}", "why?|ex-1|en"),
            (&text, "{{ tags|join(' ') }} {{ labels|join('/') }}", "a b yes/no"),
            (&text, "{% if context %}{{ context }}{% else %}-{% endif %}", "-"),
            (&text, "{{ metadata.none|default('x', true) }}", "x"),
            (&text, "{% if hint is defined %}{{ hint }}{% endif %}.", "."),
            (&chat, "{{ input }}", "last"),
            (&object, "{{ question }} {{ input.question }} {{ n.k[0] }}", "why? why? 1"),
            (&object, "{{ id }} {{ input.id }} {{ context }}", "ex-1 mine from the input"),
            (&object, "{{ input.n }} {{ tags }}", r#"{"k":[1]} ["a","b"]"#),
            (
                &with_context,
                "{% for c in context %}[{{ c }}]{% endfor %} {{ input.context }}",
                "[doc 1][doc 2] from the input",
            ),
            (&example(json!(7)), "{{ input }}", "7"),
            (&example(Json::Null), "{{ input }}", "null"),
            (&example(json!("")), "", ""),
        ];
        for (example, template, expected) in cases {
            assert_eq!(render(template, example).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn vars_of_the_suite_are_available_and_hide_no_field_if_there_are_none() {
        let vars = Map::from_iter([("tone".to_owned(), json!("kind"))]);
        let example = example(json!({"vars": {"tone": "mine"}}));
        let text = |vars: &Map<String, Json>| {
            let prompt = CompiledPrompt::compile(&Prompt::Text("{{ vars.tone }}".into()), &[], vars).unwrap();
            prompt.render(&example).unwrap()[0].content_text()
        };
        assert_eq!((text(&vars), text(&Map::new())), ("kind".to_owned(), "mine".to_owned()));
    }

    #[test]
    fn nothing_is_escaped() {
        let hostile = "<b>&\"'</b> {{ id }} {% raw %} \u{0}\u{202e}";
        let example = example(json!({"text": hostile}));
        assert_eq!(render("{{ text }}", &example).as_deref(), Ok(hostile));
        let json = serde_json::to_string(&example.input).unwrap();
        assert_eq!(render("{{ input|tojson }}", &example), Ok(json));
    }

    #[test]
    fn an_unknown_variable_is_reported_with_the_known_ones() {
        let example = example(json!({"question": "why?"}));
        let known = "known variables: context, id, input, labels, metadata, question, tags";
        for (template, start) in [
            ("{{ questoin }}", "message 1, line 1: `questoin` is undefined; "),
            ("a\n{{ metadata.land }}", "message 1, line 2: `metadata.land` is undefined; "),
            ("{% if hint %}{% endif %}", "message 1, line 1: `hint` is undefined; "),
            ("{{ nope|tojson }}", "message 1, line 1: `nope` is undefined; "),
            ("{% for x in xs %}{% endfor %}", "message 1, line 1: `xs` is undefined; "),
            (
                "{{ expected }}",
                "message 1, line 1: `expected` is undefined (prompts have no access to the accepted answers); ",
            ),
        ] {
            assert_eq!(render(template, &example), Err(format!("{start}{known}")));
        }
    }

    #[test]
    fn the_accepted_answer_cannot_be_reached() {
        let example = example(json!({"question": "why?"}));
        for template in ["{{ debug() }}", "{{ input }}{{ metadata }}{{ tags }}{{ labels }}{{ id }}", "{{ self }}"] {
            let text = render(template, &example).unwrap_or_else(|error| error);
            assert!(!text.contains("secret"), "{template}: {text}");
        }
    }

    #[test]
    fn a_null_is_not_printed() {
        let error = render("{{ context }}", &example(json!("x"))).unwrap_err();
        assert!(error.starts_with("message 1, line 1: a null would be printed"), "{error}");
    }

    #[test]
    fn syntax_errors_name_the_message_and_the_line() {
        let message = |content: &str| PromptMessage { role: "user".into(), content: content.into() };
        let prompt = Prompt::Messages(vec![message("fine"), message("a\nb {{ input")]);
        let error = CompiledPrompt::compile(&prompt, &[], &Map::new()).unwrap_err();
        assert!(matches!(error, PromptError::Template { message: 2, line: 2, .. }), "{error:?}");
        assert!(error.to_string().starts_with("message 2, line 2: unexpected end of input"), "{error}");
        for content in ["{% endfor %}", "{% if %}", "{{ 1 + }}", "{% for %}", "{{", "{{ a | }}"] {
            assert!(CompiledPrompt::compile(&Prompt::Text(content.into()), &[], &Map::new()).is_err(), "{content}");
        }
        assert_eq!(
            CompiledPrompt::compile(&Prompt::Messages(vec![]), &[], &Map::new()).unwrap_err(),
            PromptError::Empty
        );
    }

    #[test]
    fn messages_retain_their_order_and_roles() {
        let message = |role: &str, content: &str| PromptMessage { role: role.into(), content: content.into() };
        let prompt =
            Prompt::Messages(vec![message("system", "Be {{ metadata.lang }}"), message("user", "{{ input }}")]);
        let messages =
            CompiledPrompt::compile(&prompt, &[], &Map::new()).unwrap().render(&example(json!("why?"))).unwrap();
        let found: Vec<_> = messages.iter().map(|m| (m.role.as_str(), m.content_text())).collect();
        assert_eq!(found, [("system", "Be en".to_owned()), ("user", "why?".to_owned())]);
    }

    #[test]
    fn rendering_is_bounded() {
        let example = example(json!("x"));
        let nested = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
        for (template, part) in [
            (nested, "more than 1000000 instructions"),
            ("{{ 'x' * 9000000 }}", "longer than 8 MiB"),
            ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion limit"),
            ("{% include '1' %}", ""),
            ("{{ 'x' * 99999999999 }}", "too large"),
            ("{{ input|nofilter }}", "nofilter"),
            ("{{ 1 // 0 }}", ""),
        ] {
            let error = render(template, &example).unwrap_err();
            assert!(error.starts_with("message 1") && error.contains(part), "{template}: {error}");
        }
        assert_eq!(render("{{ input }}", &self::example(json!("x".repeat(1 << 20)))).unwrap().len(), 1 << 20);
    }

    #[test]
    fn the_input_itself_is_sent_unchanged() {
        let prompt = CompiledPrompt::compile(&Prompt::Input, &[], &Map::new()).unwrap();
        let parts = json!([{"type": "text", "text": "one"}, "two"]);
        let chat = json!([{"role": "system", "content": "s {{ x }}"}, {"role": "user", "content": parts}]);
        let sent = vec![("system", "s {{ x }}"), ("user", "one\ntwo")];
        let cases = [
            (json!("why {{ x }}?"), vec![("user", "why {{ x }}?")]),
            (json!({"messages": chat.clone()}), sent.clone()),
            (chat, sent),
            (json!({"question": "why?", "lang": "en"}), vec![("user", "why?")]),
            (json!({"b": 1, "a": 2}), vec![("user", r#"{"a":2,"b":1}"#)]),
            (json!([1, 2]), vec![("user", "[1,2]")]),
            (json!(""), vec![("user", "")]),
        ];
        for (input, expected) in cases {
            let messages = prompt.render(&example(input)).unwrap();
            let found: Vec<_> = messages.iter().map(|m| (m.role.as_str(), m.content_text())).collect();
            let expected: Vec<_> = expected.into_iter().map(|(role, text)| (role, text.to_owned())).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_conversation_is_sent_complete_with_tools_and_images() {
        let call = json!({"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
        let messages = json!([
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]},
            {"role": "assistant", "content": null, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "42"},
        ]);
        let tools = json!([{"type": "function", "function": {"name": "f"}}]);
        let example = example(json!({"messages": messages, "tools": tools, "topic": "maths"}));
        let prompt = CompiledPrompt::compile(&Prompt::Input, &[], &Map::new()).unwrap();
        let sent = prompt.render(&example).unwrap();
        assert_eq!(sent.iter().map(Message::to_json).collect::<Json>(), messages);
        assert_eq!(Json::Object(prompt.options(&example)), json!({"tools": tools}));
    }

    #[test]
    fn an_input_that_cannot_be_sent_is_rejected_with_a_reason() {
        let prompt = CompiledPrompt::compile(&Prompt::Input, &[], &Map::new()).unwrap();
        for (input, part) in [
            (json!([]), "empty list"),
            (json!([{"role": "user", "content": "a"}, {"content": "b"}]), "message 2 of the input has no role"),
            (json!([{"role": "user"}]), "message 1 of the input has neither content"),
            (json!([{"role": "user", "content": []}]), "message 1 of the input has neither content"),
            (json!([{"role": 1, "content": "a"}]), "message 1 of the input has no role"),
        ] {
            let error = prompt.render(&example(input)).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_input_is_rendered_unchanged(text in any::<String>()) {
            let object = example(json!({"text": &text}));
            prop_assert_eq!(render("{{ text }}", &object), Ok(text.clone()));
            prop_assert_eq!(render("{{ input }}", &example(json!(&text))), Ok(text));
        }

        #[test]
        fn compiling_and_rendering_never_panic(template in r"([{][{%#]|[%}#][}]| |\n|if|for|in|input|x|[.|()1]){0,20}") {
            if let Ok(prompt) = CompiledPrompt::compile(&Prompt::Text(template), &[], &Map::new()) {
                let _ = prompt.render(&example(json!({"x": [1, null]})));
            }
        }
    }
}
