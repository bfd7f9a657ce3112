//! Renders requests: the prompt of an example with the suite's variables, and the key under which its answer is cached.

use serde_json::{Map, Value};

use crate::core::domain::{
    CallError, CallErrorKind, Example, Failure, Message, NamedPrompt, Request, RequestKey, Suite, TurnScoring,
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
    /// Which answers of a conversation are scored.
    pub turns: TurnScoring,
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
        // A cell of the matrix takes precedence.
        let own = suite.vars.iter().filter(|(name, _)| !prompt.vars.contains_key(*name));
        let plain: Map<String, Value> =
            own.clone().chain(&prompt.vars).map(|(name, value)| (name.clone(), value.clone())).collect();
        let vars = own.chain(&prompt.vars).map(|(name, value)| {
            let key = format!("vars.{name} of the suite {}", suite.name);
            Ok((name.clone(), resolved(secrets, &key, value)?))
        });
        let vars: Map<String, Value> = vars.collect::<Result<_, Failure>>()?;
        Ok(Self {
            prompt: CompiledPrompt::compile(&prompt.prompt, &set.card.labels, &vars).map_err(|error| place(&error))?,
            scorers: SuiteScorers::new(&suite.scorers, &plain, example_scorers).map_err(|error| place(&error))?,
            turns: suite.turns,
            mask: secrets.mask(),
        })
    }

    /// Returns the request for one trial of an example.
    ///
    /// # Errors
    /// An error of kind [`CallErrorKind::Prompt`] if the prompt cannot be rendered for this example.
    pub fn request(&self, example: &Example, trial: u32) -> Result<Request, CallError> {
        let messages = self.messages(example)?;
        let options = self.prompt.options(example);
        Ok(self.request_of(example, trial, messages, options))
    }

    /// Returns the request for one turn of a conversation, and what the user says in it. `history` has what was said and
    /// answered before: it follows everything in the prompt but its last message, which is rendered for each turn.
    ///
    /// # Errors
    /// An error of kind [`CallErrorKind::Prompt`] if the prompt cannot be rendered for this turn.
    pub fn turn(
        &self,
        example: &Example,
        trial: u32,
        turn: usize,
        history: &[(Message, String)],
    ) -> Result<(Request, Message), CallError> {
        let said = example.turns.get(turn).map(|turn| turn.user.clone()).unwrap_or_default();
        let now = Example { input: Value::String(said), turns: Vec::new(), ..example.clone() };
        let mut messages = self.messages(&now)?;
        let Some(user) = messages.pop().filter(|message| message.role == "user") else {
            let what = "the last message of the prompt must be the user's, because the example is a conversation";
            return Err(CallError::new(CallErrorKind::Prompt, what));
        };
        for (said, answer) in history {
            messages.extend([said.clone(), Message::text("assistant", answer.clone())]);
        }
        messages.push(user.clone());
        Ok((self.request_of(&now, trial, messages, Map::new()), user))
    }

    fn messages(&self, example: &Example) -> Result<Vec<Message>, CallError> {
        let rendered = self.prompt.render(example);
        rendered.map_err(|message| CallError::new(CallErrorKind::Prompt, self.mask.text(&message).into_owned()))
    }

    fn request_of(
        &self,
        example: &Example,
        trial: u32,
        messages: Vec<Message>,
        options: Map<String, Value>,
    ) -> Request {
        let key = if self.mask.is_empty() {
            RequestKey::new(&messages, &options, trial)
        } else {
            RequestKey::new(&self.masked(&messages), &options, trial)
        };
        let fields = example.input.as_object().cloned().unwrap_or_default();
        Request { example_id: example.id.clone(), trial, input: example.text(), fields, messages, options, key }
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
