//! The solvers of inspect_ai that build messages, as a prompt.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::draft::{CHOICES, lettered_prompt, literal, text_of};
use super::super::format_strings::{filled, is_name};
use super::is_set;

/// The letters of the choices, such as "A,B,C".
const LETTERS: &str = "{% for choice in metadata.choices %}{{ \"ABCDEFGHIJKLMNOPQRSTUVWXYZ\"[loop.index0:loop.index] }}\
    {% if not loop.last %},{% endif %}{% endfor %}";

/// Why agents are not carried over.
const AGENT: &str = "karat sends one request per example; an agent with tools runs behind an exec or http endpoint";

/// Why other solvers are not carried over.
const UNKNOWN: &str = "is not carried over; its messages can be written into the suite's prompt, or it runs behind an \
                       exec endpoint";

/// The placeholder for the input in a prompt.
const INPUT: &str = "{{ input }}";

/// Names of metadata, with how many of all examples have them.
pub(super) struct Names<'a> {
    /// Examples by name.
    pub(super) counts: &'a BTreeMap<String, u64>,
    /// All examples.
    pub(super) rows: u64,
}

/// Messages as the solvers build them.
pub(super) struct Built<'a> {
    names: Names<'a>,
    system: Vec<String>,
    user: String,
}

impl<'a> Built<'a> {
    /// Nothing but the input.
    pub(super) fn new(names: Names<'a>) -> Self {
        Self { names, system: Vec::new(), user: INPUT.to_owned() }
    }

    /// Applies a solver. The error says why it is not carried over, or how it differs.
    pub(super) fn add(&mut self, solver: &str, params: &Map<String, Value>) -> Result<(), String> {
        let template = params.get("template").and_then(Value::as_str);
        if template.is_some_and(is_path) {
            return Err(
                "its template is in a file, which the log does not contain; add it to the suite's prompt".to_owned()
            );
        }
        match (solver, template) {
            ("generate", _) => generate(params),
            ("system_message", Some(template)) => {
                let text = self.filled(template, params, &[]);
                self.system.push(text);
                Ok(())
            }
            ("prompt_template" | "chain_of_thought", Some(template)) => {
                self.user = self.filled(template, params, &[("prompt", self.user.clone())]);
                Ok(())
            }
            ("chain_of_thought", None) => {
                self.user += "\n\nThink step by step. End with a line of the form \"ANSWER: …\" that contains the \
                              answer alone.";
                Err("its usual template is replaced by a similar one".to_owned())
            }
            ("multiple_choice", template) => self.choices(template, params),
            ("use_tools" | "basic_agent" | "react" | "bridge" | "human_agent" | "human_cli", _) => {
                Err(AGENT.to_owned())
            }
            _ => Err(UNKNOWN.to_owned()),
        }
    }

    fn choices(&mut self, template: Option<&str>, params: &Map<String, Value>) -> Result<(), String> {
        match template {
            Some(template) => {
                let values =
                    [("question", self.user.clone()), ("choices", CHOICES.to_owned()), ("letters", LETTERS.to_owned())];
                self.user = self.filled(template, &Map::new(), &values);
            }
            None => self.user = lettered_prompt(&self.user, is_set(params, "multiple_correct"), is_set(params, "cot")),
        }
        if is_set(params, "shuffle") {
            return Err("choices are not shuffled".to_owned());
        }
        match template {
            Some(_) => Ok(()),
            None => Err("its usual template is replaced by a similar one".to_owned()),
        }
    }

    /// A template of Python's `str.format` as one of karat: names of values become these, names of params their values,
    /// and names of metadata variables. Anything else stays.
    fn filled(&self, template: &str, params: &Map<String, Value>, values: &[(&str, String)]) -> String {
        let value = |name: &str| {
            let given = values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
            let param = || params.get(name).filter(|_| name != "template").and_then(text_of).map(|text| literal(&text));
            given.or_else(param).or_else(|| self.variable(name))
        };
        filled(template, &value).text
    }

    /// The variable of a name of metadata; where an example lacks it, the name in braces stays, as in inspect_ai.
    fn variable(&self, name: &str) -> Option<String> {
        let count = self.names.counts.get(name).copied().filter(|_| is_name(name))?;
        Some(match count < self.names.rows {
            true => format!("{{{{ metadata.{name} | default('{{{name}}}') }}}}"),
            false => format!("{{{{ metadata.{name} }}}}"),
        })
    }

    /// The prompt; `None` if it is the input alone.
    pub(super) fn prompt(self) -> Option<Value> {
        if self.system.is_empty() {
            return (self.user != INPUT).then(|| json!(self.user));
        }
        let system = json!({"role": "system", "content": self.system.join("\n\n")});
        Some(json!([system, {"role": "user", "content": self.user}]))
    }
}

/// Settings of the model in a call of `generate` are its own.
fn generate(params: &Map<String, Value>) -> Result<(), String> {
    let own = params.iter().filter(|(key, value)| !value.is_null() && !["tool_calls", "cache"].contains(&key.as_str()));
    let names: Vec<&str> = own.map(|(key, _)| key.as_str()).collect();
    match names.is_empty() {
        true => Ok(()),
        false => Err(format!("its own settings of the model are not carried over: {}", names.join(", "))),
    }
}

/// Whether a template is rather the path of one, or its address such as `file:///prompt`.
fn is_path(template: &str) -> bool {
    let ends = [".txt", ".md", ".jinja", ".j2", ".prompt"].iter().any(|end| template.ends_with(end));
    let is_address = template
        .split_once("://")
        .is_some_and(|(scheme, _)| !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric()));
    (ends || is_address) && !template.contains(char::is_whitespace)
}
