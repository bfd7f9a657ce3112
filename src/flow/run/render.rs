//! What is sent for an example: the prompt with the suite's variables, and the key its answer is known by.

use serde_json::{Map, Value};

use crate::core::domain::{
    CallError, CallErrorKind, Example, Failure, Message, NamedPrompt, Request, RequestKey, Suite,
};
use crate::core::privacy::Mask;
use crate::core::prompt::CompiledPrompt;
use crate::core::scoring::CompiledScorers;
use crate::edge::config::Secrets;
use crate::flow::stored_dataset::StoredDataset;

/// Renders the requests of one prompt of a suite, and scores their answers.
pub(super) struct Renderer {
    prompt: CompiledPrompt,
    /// Scores an answer.
    pub scorers: CompiledScorers,
    /// Hides the secrets that prompts, keys and headers carry.
    pub mask: Mask,
}

impl Renderer {
    /// Compiles prompt and scorers, with the references of the suite's variables resolved. Secrets of endpoints are
    /// masked if the endpoints were prepared before.
    ///
    /// # Errors
    /// A data failure naming the suite, for a template, a scorer or a reference that cannot be used.
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
            scorers: CompiledScorers::compile(&suite.scorers).map_err(|error| place(&error))?,
            mask: secrets.mask(),
        })
    }

    /// The request for one trial of an example.
    ///
    /// # Errors
    /// Why the prompt cannot be rendered for this example.
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

    /// Messages without secrets, fit to be stored.
    pub fn masked(&self, messages: &[Message]) -> Vec<Message> {
        let mask = |message: &Message| Message {
            role: message.role.clone(),
            content: self.mask.value(&message.content),
            rest: message.rest.iter().map(|(key, value)| (key.clone(), self.mask.value(value))).collect(),
        };
        messages.iter().map(mask).collect()
    }
}

/// A variable with its references resolved, in texts at any depth.
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
