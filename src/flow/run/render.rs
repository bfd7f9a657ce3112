//! Renders requests: the prompt of an example with the suite's variables, and the key under which its answer is cached.

use serde_json::{Map, Value};

use crate::core::domain::{
    CallError, CallErrorKind, Example, Failure, Message, NamedPrompt, Request, RequestKey, Suite,
};
use crate::core::privacy::Mask;
use crate::core::prompt::CompiledPrompt;
use crate::core::scoring::SuiteScorers;
use crate::edge::config::{Secrets, example_scorers};
use crate::flow::stored_dataset::StoredDataset;

/// Renders the requests for one prompt of a suite, and scores the answers.
pub(super) struct Renderer {
    prompt: CompiledPrompt,
    /// Scores the answers.
    pub scorers: SuiteScorers,
    /// Masks the secrets contained in prompts, keys and headers.
    pub mask: Mask,
}

impl Renderer {
    /// Compiles the prompt and the scorers, and resolves references in the suite's variables. Secrets of endpoints are
    /// masked only if the endpoints were prepared before.
    ///
    /// # Errors
    /// A data failure that names the suite, if a template, a scorer or a reference cannot be used.
    pub fn new(suite: &Suite, prompt: &NamedPrompt, set: &StoredDataset, secrets: &Secrets) -> Result<Self, Failure> {
        let place = |error: &dyn std::fmt::Display| {
            let of = prompt.name.as_ref().map_or_else(String::new, |name| format!("prompts.{name}: "));
            Failure::data(format!("suites/{}.yaml: {of}{error}", suite.name))
        };
        let vars = suite.vars.iter().map(|(name, value)| {
            let key = format!("vars.{name} of the suite {}", suite.name);
            Ok((name.clone(), resolved(secrets, &key, value)?))
        });
        let vars: Map<String, Value> = vars.collect::<Result<_, Failure>>()?;
        Ok(Self {
            prompt: CompiledPrompt::compile(&prompt.prompt, &set.card.labels, &vars).map_err(|error| place(&error))?,
            scorers: SuiteScorers::new(&suite.scorers, &suite.vars, example_scorers).map_err(|error| place(&error))?,
            mask: secrets.mask(),
        })
    }

    /// Returns the request for one trial of an example.
    ///
    /// # Errors
    /// An error of kind [`CallErrorKind::Prompt`] if the prompt cannot be rendered for this example.
    pub fn request(&self, example: &Example, trial: u32) -> Result<Request, CallError> {
        let messages = self
            .prompt
            .render(example)
            .map_err(|message| CallError::new(CallErrorKind::Prompt, self.mask.text(&message).into_owned()))?;
        let options = self.prompt.options(example);
        let key = if self.mask.is_empty() {
            RequestKey::new(&messages, &options, trial)
        } else {
            RequestKey::new(&self.masked(&messages), &options, trial)
        };
        Ok(Request { example_id: example.id.clone(), trial, input: example.text(), messages, options, key })
    }

    /// Returns the messages with secrets masked, so that they can be stored.
    pub fn masked(&self, messages: &[Message]) -> Vec<Message> {
        let mask = |message: &Message| Message {
            role: message.role.clone(),
            content: self.mask.value(&message.content),
            rest: message.rest.iter().map(|(key, value)| (key.clone(), self.mask.value(value))).collect(),
        };
        messages.iter().map(mask).collect()
    }
}

/// Resolves the references in a variable, in texts at any depth.
fn resolved(secrets: &Secrets, key: &str, value: &Value) -> Result<Value, Failure> {
    Ok(match value {
        Value::String(text) => Value::String(secrets.expand_secret(key, text)?),
        Value::Array(items) => items.iter().map(|item| resolved(secrets, key, item)).collect::<Result<_, _>>()?,
        Value::Object(map) => {
            let inner = map.iter().map(|(name, value)| Ok((name.clone(), resolved(secrets, key, value)?)));
            Value::Object(inner.collect::<Result<_, Failure>>()?)
        }
        other => other.clone(),
    })
}
