//! Runs one trial: renders the request, gets an answer from the cache or the endpoint, scores it and stores the
//! outcome.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::budget::RunBudget;
use super::endpoints::ReadyEndpoint;
use super::render::Renderer;
use crate::core::domain::{CallError, CallErrorKind, Example, Failure, Outcome, OutcomeResult, Request, Response};
use crate::core::pricing::estimated_tokens;
use crate::edge::store::Store;
use crate::flow::Event;
use crate::flow::event::{FinishedTrial, RunInfo};

/// An example and its repeat, counted from 0.
pub(super) type Trial = (Arc<Example>, u32);

/// Runs single trials of a run.
pub(super) struct TrialRunner {
    pub run: Arc<RunInfo>,
    pub store: Arc<Store>,
    pub renderer: Arc<Renderer>,
    pub endpoint: ReadyEndpoint,
    /// How far back cached answers may be used; `None` if none may.
    pub cache_since: Option<Timestamp>,
    pub budget: RunBudget,
    pub events: mpsc::Sender<Event>,
}

impl TrialRunner {
    /// Renders, sends, scores and stores a trial. Returns `None` if the budget refused it.
    pub async fn run(&self, example: &Example, trial: u32) -> Result<Option<FinishedTrial>, Failure> {
        let request = match self.renderer.request(example, trial) {
            Ok(request) => request,
            Err(error) => return self.fail(example, trial, error).await.map(Some),
        };
        let key = request.key.at(self.endpoint.endpoint.fingerprint());
        if let Some(since) = self.cache_since
            && let Some(response) = self.store.cached_answer(key, since, Some(&self.run.run_id))?
        {
            return self.store(self.outcome(example, &request, Ok(response))).await.map(Some);
        }
        let reserved = self.budget.reserve(self.endpoint.estimate(&request), self.endpoint.is_bounded()).await;
        let Some(reserved) = reserved else { return Ok(None) };
        let (run, example_id) = (Arc::clone(&self.run), example.id.clone());
        // If nobody receives this, the run has ended.
        let _ = self.events.send(Event::RequestSent { run, example_id, trial }).await;
        let answer = self.endpoint.endpoint.call(&request).await;
        let outcome = self.outcome(example, &request, answer);
        reserved.settle(outcome.cost);
        self.store(outcome).await.map(Some)
    }

    /// Stores the outcome of a trial that failed before anything was sent.
    pub async fn fail(&self, example: &Example, trial: u32, error: CallError) -> Result<FinishedTrial, Failure> {
        let result = OutcomeResult::Failed(error);
        self.store(Outcome { example_id: example.id.clone(), trial, key: None, cost: None, result }).await
    }

    /// Stores the outcome of a trial that failed because of a bug in karat.
    pub async fn fail_by_bug(&self, example: &Example, trial: u32) -> Result<FinishedTrial, Failure> {
        let message = "a bug in karat affected this example; please report it";
        self.fail(example, trial, CallError::new(CallErrorKind::Internal, message)).await
    }

    fn outcome(&self, example: &Example, request: &Request, answer: Result<Response, CallError>) -> Outcome {
        outcome_of(&self.endpoint, &self.renderer, example, request, answer)
    }

    /// Stores an outcome. A trial counts as done once this is on disk.
    async fn store(&self, outcome: Outcome) -> Result<FinishedTrial, Failure> {
        let finished = FinishedTrial::of(&outcome);
        self.store.record_outcome(&self.run.run_id, outcome, Timestamp::now()).wait().await?;
        Ok(finished)
    }
}

/// The outcome of a trial: the answer with its scores and cost, or the error; without secrets.
pub(super) fn outcome_of(
    endpoint: &ReadyEndpoint,
    renderer: &Renderer,
    example: &Example,
    request: &Request,
    answer: Result<Response, CallError>,
) -> Outcome {
    let mask = &renderer.mask;
    let (cost, result) = match answer {
        Err(error) => {
            let message = mask.text(&error.message).into_owned();
            (None, OutcomeResult::Failed(CallError { message, ..error }))
        }
        Ok(response) => {
            let cost = endpoint.cost(request, &response);
            let output = mask.text(&response.output).into_owned();
            let model = response.model.as_deref().map(|model| mask.text(model).into_owned());
            let scores = renderer.scorers.score(&output, example);
            (cost, OutcomeResult::Answered { response: Response { output, model, ..response }, scores })
        }
    };
    let key = Some(request.key.at(endpoint.endpoint.fingerprint()));
    let key = key.filter(|_| endpoint.endpoint.is_cacheable());
    Outcome { example_id: example.id.clone(), trial: request.trial, key, cost, result }
}

impl ReadyEndpoint {
    /// Estimated cost of a request; 0 without a price.
    pub(super) fn estimate(&self, request: &Request) -> f64 {
        let Some(price) = self.price else { return 0.0 };
        let bytes: usize = request.messages.iter().map(|message| message.to_json().to_string().len()).sum();
        price.of_calls(1, estimated_tokens(bytes), self.answer_limit.unwrap_or(0))
    }

    /// Whether the estimate is an upper bound, because the length of answers is limited or answers are free.
    pub(super) fn is_bounded(&self) -> bool {
        self.answer_limit.is_some() || self.price.is_none_or(|price| price.output == 0.0)
    }

    /// Cost of a response; one from the cache or a cassette costs nothing. `None` without a price.
    fn cost(&self, request: &Request, response: &Response) -> Option<f64> {
        let price = self.price?;
        if response.cached {
            return Some(0.0);
        }
        let prompt: usize = request.messages.iter().map(|message| message.content_text().len()).sum();
        Some(price.of(response.usage, prompt, response.output.len()))
    }
}
