//! Runs one trial: renders the request, gets an answer from the cache or the endpoint, scores it and stores the
//! outcome.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::budget::RunBudget;
use super::conversation::{over_turns, scored_turns};
use super::endpoints::ReadyEndpoint;
use super::render::Renderer;
use crate::core::domain::{
    CallError, CallErrorKind, Example, Failure, Outcome, OutcomeResult, Request, Response, Score,
};
use crate::core::pricing::estimated_tokens;
use crate::core::scoring::Answer;
use crate::edge::store::{Store, TurnAnswer};
use crate::flow::Event;
use crate::flow::event::{FinishedTrial, RunInfo};
use crate::flow::scoring::{Evaluators, JudgeBudgets, ScoringPlace};

/// A trial that has something left to do.
#[derive(Clone)]
pub(super) struct Trial {
    /// The example.
    pub example: Arc<Example>,
    /// Its repeat, counted from 0.
    pub number: u32,
    /// Whether its answer is stored, so that only its scores are left to do.
    pub is_answered: bool,
}

/// Runs single trials of a run.
pub(super) struct TrialRunner {
    pub run: Arc<RunInfo>,
    pub store: Arc<Store>,
    pub renderer: Arc<Renderer>,
    pub endpoint: ReadyEndpoint,
    /// How far back cached answers may be used; `None` if none may.
    pub cache_since: Option<Timestamp>,
    pub budget: RunBudget,
    /// What the scorers need outside karat.
    pub evaluators: Arc<Evaluators>,
    pub judge_budgets: JudgeBudgets,
    /// How far back cached replies of judges may be used; `None` if none may.
    pub judge_cache_since: Option<Timestamp>,
    pub events: mpsc::Sender<Event>,
}

impl TrialRunner {
    /// Renders, sends, scores and stores a trial. Returns `None` if the budget refused a call.
    pub async fn run(&self, open: &Trial) -> Result<Option<FinishedTrial>, Failure> {
        let (example, trial) = (open.example.as_ref(), open.number);
        if open.is_answered {
            return self.score_stored(example, trial).await;
        }
        if !example.turns.is_empty() {
            return self.converse(example, trial).await;
        }
        let request = match self.renderer.request(example, trial) {
            Ok(request) => request,
            Err(error) => return self.fail(example, trial, error).await.map(Some),
        };
        let key = self.endpoint.endpoint.key(&request);
        if let Some(since) = self.cache_since
            && let Some(response) = self.store.cached_answer(key, since, Some(&self.run.run_id))?
        {
            return self.finish(example, self.outcome(example, &request, Ok(response)), &[]).await;
        }
        let reserved = self.budget.reserve(self.endpoint.estimate(&request), self.endpoint.is_bounded()).await;
        let Some(reserved) = reserved else { return Ok(None) };
        let (run, example_id) = (Arc::clone(&self.run), example.id.clone());
        // If nobody receives this, the run has ended.
        let _ = self.events.send(Event::RequestSent { run, example_id, trial }).await;
        let answer = self.endpoint.endpoint.call(&request).await;
        let outcome = self.outcome(example, &request, answer);
        reserved.settle(outcome.cost);
        self.finish(example, outcome, &[]).await
    }

    /// Scores and stores an outcome, with the answers to all turns if it is a conversation. If its scores need something
    /// outside karat, it is stored before they do, so that an interruption never loses an answer that was paid for.
    /// Returns `None` if the budget refused a call.
    pub(super) async fn finish(
        &self,
        example: &Example,
        outcome: Outcome,
        turns: &[TurnAnswer],
    ) -> Result<Option<FinishedTrial>, Failure> {
        let OutcomeResult::Answered { response, .. } = &outcome.result else {
            return self.store(outcome).await.map(Some);
        };
        let parts = scored_turns(example, (response, outcome.cost), turns, self.renderer.turns);
        let needs_more = parts.iter().any(|(_, example, response, cost)| {
            let compiled = self.renderer.scorers.of(example);
            !compiled.needed(&Answer::of(response, *cost), example).is_empty()
        });
        if !needs_more {
            let scores = parts.iter().map(|(turn, example, response, cost)| {
                let compiled = self.renderer.scorers.of(example);
                (*turn, compiled.score(&Answer::of(response, *cost), example, &[]))
            });
            let scores = Some(over_turns(scores.collect()));
            let result = OutcomeResult::Answered { response: response.clone(), scores };
            return self.store(Outcome { result, ..outcome }).await.map(Some);
        }
        let (trial, finished) = (outcome.trial, FinishedTrial::of(&outcome));
        self.store(outcome).await?;
        let scores = self.score(&example.id, trial, &parts).await?;
        Ok(scores.map(|scores| finished.scored(&scores)))
    }

    /// Scores an answer that is stored. Returns `None` if the budget refused a call.
    async fn score_stored(&self, example: &Example, trial: u32) -> Result<Option<FinishedTrial>, Failure> {
        let outcomes = self.store.outcomes_of(&self.run.run_id, &example.id)?;
        let stored = outcomes.into_iter().find(|outcome| outcome.trial == trial);
        let gone = || Failure::store(format!("the answer to example {} is missing from the database", example.id));
        let stored = stored.filter(|stored| stored.output.is_some()).ok_or_else(gone)?;
        let (finished, cost) = (FinishedTrial::of_stored(&stored), stored.cost);
        let turns = match example.turns.is_empty() {
            true => Vec::new(),
            false => self.store.turn_answers(&self.run.run_id, &example.id, trial)?,
        };
        let parts = scored_turns(example, (&stored.into_response(), cost), &turns, self.renderer.turns);
        let scores = self.score(&example.id, trial, &parts).await?;
        Ok(scores.map(|scores| finished.scored(&scores)))
    }

    /// Scores a stored answer, turn by turn, and stores the scores. Returns `None` if the budget refused a call.
    async fn score(
        &self,
        example_id: &str,
        trial: u32,
        parts: &[(usize, Example, Response, Option<f64>)],
    ) -> Result<Option<Vec<(String, Score)>>, Failure> {
        let mut turns = Vec::new();
        for (turn, example, response, cost) in parts {
            let (answer, compiled) = (Answer::of(response, *cost), self.renderer.scorers.of(example));
            let place = ScoringPlace {
                store: &self.store,
                run_id: Some(&self.run.run_id),
                trial,
                turn: *turn,
                cache_since: self.judge_cache_since,
                budgets: &self.judge_budgets,
                calls: None,
            };
            let external = self.evaluators.scores(&compiled, &answer, example, &place).await?;
            let Some(external) = external else { return Ok(None) };
            turns.push((*turn, compiled.score(&answer, example, &external)));
        }
        let scores: Vec<(String, Score)> =
            over_turns(turns).into_iter().map(|(name, score)| (name, self.masked(score))).collect();
        self.store.record_scores(&self.run.run_id, example_id, trial, scores.clone()).wait().await?;
        Ok(Some(scores))
    }

    /// A score without secrets in its reason.
    fn masked(&self, score: Score) -> Score {
        let reason = |reason: String| self.renderer.mask.text(&reason).into_owned();
        match score {
            Score::Value(value, why) => Score::Value(value, why.map(reason)),
            Score::Skipped(why) => Score::Skipped(reason(why)),
            Score::Failed(why) => Score::Failed(reason(why)),
        }
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

/// The outcome of a trial: the answer with its cost and without scores, or the error; without secrets.
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
            let tool_calls = response.tool_calls.as_deref().map(|calls| mask.text(calls).into_owned());
            let response = Response { output, model, tool_calls, ..response };
            (cost, OutcomeResult::Answered { response, scores: None })
        }
    };
    let key = Some(endpoint.endpoint.key(request));
    let key = key.filter(|_| endpoint.endpoint.is_cacheable());
    Outcome { example_id: example.id.clone(), trial: request.trial, key, cost, result }
}

impl ReadyEndpoint {
    /// Estimated cost of a request; 0 without a price.
    pub(in crate::flow) fn estimate(&self, request: &Request) -> f64 {
        let Some(price) = self.price else { return 0.0 };
        let bytes: usize = request.messages.iter().map(|message| message.to_json().to_string().len()).sum();
        price.of_calls(1, estimated_tokens(bytes), self.answer_limit.unwrap_or(0))
    }

    /// Whether the estimate is an upper bound, because the length of answers is limited or answers are free.
    pub(in crate::flow) fn is_bounded(&self) -> bool {
        self.answer_limit.is_some() || self.price.is_none_or(|price| price.output == 0.0)
    }

    /// Cost of a response; one from the cache or a cassette costs nothing. `None` without a price.
    pub(in crate::flow) fn cost(&self, request: &Request, response: &Response) -> Option<f64> {
        let price = self.price?;
        if response.cached {
            return Some(0.0);
        }
        let prompt: usize = request.messages.iter().map(|message| message.content_text().len()).sum();
        Some(price.of(response.usage, prompt, response.output.len()))
    }
}
