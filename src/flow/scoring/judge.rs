//! Asks judges: one call per repeat, and two per repeat of a pairwise judgement. Replies are stored as they arrive, so
//! that an interrupted run pays for none of them twice.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::ScoringPlace;
use crate::core::domain::{
    CallError, Example, Failure, Message, Request, RequestKey, Response, Score, ScorerKind, canonical_json,
};
use crate::core::judge::{
    Average, JudgeKind, JudgePrompt, JudgeRequest, JudgeTask, Material, NO_CLAIMS, Order, Outcome, Verdict,
    combine_orders, combine_repeats, judge_messages,
};
use crate::core::scoring::Answer;
use crate::edge::store::{JudgeCall, JudgePlace};
use crate::flow::run::endpoints::ReadyEndpoint;

/// How often a judge is asked until its reply has a verdict.
const ASKED: usize = 2;

/// More calls than the judgement of one turn can have.
const CALLS_PER_TURN: usize = 1000;

/// The salt of verdict ids. It need not be secret: an id is a hash of all texts, the answer included, so that no answer
/// can contain the id that belongs to it. A fixed one makes the same judgement the same request in every database.
const SALT: &[u8] = b"karat verdict ids, bound to their texts";

/// A judge, ready to be asked.
pub(super) struct Judge {
    pub endpoint: ReadyEndpoint,
}

/// What a judge grades.
struct JudgeUse<'a> {
    answer: &'a Answer<'a>,
    example: &'a Example,
}

/// The texts of an example in the form that judges read.
struct Texts {
    input: String,
    expected: Vec<String>,
    context: Vec<String>,
}

impl Texts {
    fn of(example: &Example) -> Self {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Object(fields) => {
                let named =
                    ["text", "content", "page_content", "body"].iter().find_map(|name| fields.get(*name)?.as_str());
                named.map_or_else(|| canonical_json(value), str::to_owned)
            }
            other => canonical_json(other),
        };
        let context = match &example.context {
            None => Vec::new(),
            Some(Value::Array(documents)) => documents.iter().map(text).collect(),
            Some(one) => vec![text(one)],
        };
        let input = match &example.input {
            Value::String(text) => text.clone(),
            other => canonical_json(other),
        };
        Self { input, expected: example.expected_texts(), context }
    }
}

impl Judge {
    /// The score of an answer; `None` if the budget refused a call.
    pub(super) async fn score(
        &self,
        index: usize,
        kind: &ScorerKind,
        answer: &Answer<'_>,
        example: &Example,
        place: &ScoringPlace<'_>,
    ) -> Result<Option<Score>, Failure> {
        let task = match JudgeTask::of(kind) {
            Some(Ok(task)) => task,
            Some(Err(reason)) => return Ok(Some(Score::Failed(reason))),
            None => return Ok(Some(Score::Failed("it is no judge".to_owned()))),
        };
        if task.kind.needs_expected() && task.other.is_none() && example.expected.is_empty() {
            return Ok(Some(Score::Skipped("the example has no accepted answer".to_owned())));
        }
        if task.kind.needs_context() && example.context.is_none() {
            return Ok(Some(Score::Skipped("the example has no context".to_owned())));
        }
        let asking = Asking { judge: self, task: &task, index, of: JudgeUse { answer, example }, place };
        let mut repeats = Vec::new();
        for repeat in 0..task.repeats {
            let Some(verdict) = asking.repeat(repeat).await? else { return Ok(None) };
            repeats.push(verdict);
        }
        Ok(Some(match combine_repeats(&repeats, average(task.kind)) {
            // An answer that claims nothing, such as "I do not know", is neither faithful nor unfaithful.
            Err(reason) if repeats.iter().all(is_without_claims) => Score::Skipped(reason),
            Err(reason) => Score::Failed(reason),
            Ok(judgement) => {
                let verdict = judgement.verdict;
                let reason = Some(verdict.reason).filter(|reason| !reason.is_empty());
                Score::Value(verdict.score, reason)
            }
        }))
    }
}

/// One judgement in progress.
struct Asking<'a> {
    judge: &'a Judge,
    task: &'a JudgeTask,
    index: usize,
    of: JudgeUse<'a>,
    place: &'a ScoringPlace<'a>,
}

/// The verdict of a call or the reason why there is none; `None` if the budget refused the call.
type Asked = Result<Option<Result<Verdict, String>>, Failure>;

impl Asking<'_> {
    async fn repeat(&self, repeat: u32) -> Asked {
        if !self.task.kind.is_pairwise() {
            return self.call(repeat, Order::OutputFirst, repeat as usize).await;
        }
        let call = repeat as usize * 2;
        let Some(first) = self.call(repeat, Order::OutputFirst, call).await? else { return Ok(None) };
        let Some(second) = self.call(repeat, Order::OtherFirst, call + 1).await? else { return Ok(None) };
        let (first, second) = (first.as_ref().map_err(String::as_str), second.as_ref().map_err(String::as_str));
        Ok(Some(combine_orders(first, second)))
    }

    fn prompt(&self, repeat: u32, order: Order) -> Result<JudgePrompt, String> {
        let JudgeUse { answer, example } = &self.of;
        let texts = Texts::of(example);
        let other = self.task.other.as_deref().or(texts.expected.first().map(String::as_str));
        let material = Material {
            input: Some(&texts.input),
            output: Some(answer.output),
            expected: &texts.expected,
            context: &texts.context,
            other: other.filter(|_| self.task.kind.is_pairwise()),
            metadata: Some(&example.metadata),
            criteria: self.task.criteria.as_deref(),
            steps: &self.task.steps,
        };
        let request = JudgeRequest {
            salt: SALT,
            // What the judge is asked, not the suite: a changed gate must not make all judgements new ones.
            suite_version: &self.task.identity(),
            example_id: &example.id,
            trial: self.place.trial,
            repeat,
            order,
        };
        judge_messages(self.task.kind, &material, &request, self.task.prompt.as_deref())
    }

    async fn call(&self, repeat: u32, order: Order, call: usize) -> Asked {
        let prompt = match self.prompt(repeat, order) {
            Ok(prompt) => prompt,
            Err(reason) => return Ok(Some(Err(reason))),
        };
        let request = self.request(&prompt);
        let mut verdict = Err("the judge was not asked".to_owned());
        for again in 0..ASKED {
            let Some(reply) = self.reply(&request, call, again, &prompt).await? else { return Ok(None) };
            verdict = match reply {
                // Retries of the endpoint have been made by now.
                Err(error) => return Ok(Some(Err(format!("the judge did not answer: {error}")))),
                Ok(response) => prompt.form.parse(&response.output),
            };
            if verdict.is_ok() || is_without_claims(&verdict) {
                break;
            }
        }
        Ok(Some(verdict))
    }

    fn request(&self, prompt: &JudgePrompt) -> Request {
        let messages: Vec<Message> =
            prompt.messages.iter().map(|message| Message::text(message.role, message.content.clone())).collect();
        let mut options = Map::new();
        if self.task.structured {
            options.insert("response_format".to_owned(), prompt.response_format());
        }
        let key = RequestKey::new(&messages, &options, 0);
        let example_id = self.of.example.id.clone();
        let input = prompt.messages.last().map(|message| message.content.clone()).unwrap_or_default();
        Request { example_id, trial: self.place.trial, input, fields: Map::new(), messages, options, key }
    }

    fn judge_place(&self, call: usize) -> Option<JudgePlace> {
        let (run_id, example_id) = (self.place.run_id?.clone(), self.of.example.id.clone());
        let call = self.place.turn * CALLS_PER_TURN + call;
        Some(JudgePlace { run_id, example_id, trial: self.place.trial, scorer: self.index, call })
    }

    /// The reply to a request: stored, cached, or asked for and then stored. `None` if the budget refused the call.
    async fn reply(
        &self,
        request: &Request,
        call: usize,
        again: usize,
        prompt: &JudgePrompt,
    ) -> Result<Option<Result<Response, CallError>>, Failure> {
        let endpoint = &self.judge.endpoint;
        let (store, place) = (self.place.store, self.judge_place(call));
        let key = endpoint.endpoint.key(request);
        if again == 0
            && let Some(place) = &place
            && let Some(stored) = store.judge_reply(place, key)?
        {
            return Ok(Some(Ok(stored)));
        }
        let cacheable = endpoint.endpoint.is_cacheable();
        if again == 0
            && cacheable
            && let Some(since) = self.place.cache_since
            && let Some(cached) = store.cached_judge_reply(key, since)?
        {
            self.record(place, &Ok(cached.clone()), key, Some(0.0), prompt).await?;
            return Ok(Some(Ok(cached)));
        }
        let budget = self.place.budgets.of(endpoint.endpoint.name());
        let Some(reserved) = budget.reserve(endpoint.estimate(request), endpoint.is_bounded()).await else {
            return Ok(None);
        };
        let reply = endpoint.endpoint.call(request).await;
        let cost = reply.as_ref().ok().and_then(|response| endpoint.cost(request, response));
        reserved.settle(cost);
        self.record(place, &reply, key, cost, prompt).await?;
        Ok(Some(reply))
    }

    async fn record(
        &self,
        place: Option<JudgePlace>,
        reply: &Result<Response, CallError>,
        key: RequestKey,
        cost: Option<f64>,
        prompt: &JudgePrompt,
    ) -> Result<(), Failure> {
        let verdict = reply.as_ref().ok().and_then(|response| match prompt.form.parse(&response.output) {
            Ok(verdict) => Some(verdict_of(&verdict, prompt.form.order)),
            read => is_without_claims(&read).then(|| json!({"score": null})),
        });
        if let Some(calls) = self.place.calls {
            calls.note(reply.as_ref().ok(), verdict.clone(), cost);
        }
        let Some(place) = place else { return Ok(()) };
        let call = JudgeCall {
            place,
            judge: self.judge.endpoint.endpoint.name().to_owned(),
            // Replies at the same place are reused even if they may not be cached.
            key: Some(key),
            result: reply.clone(),
            verdict: verdict.map(|verdict| verdict.to_string()),
            cost,
        };
        self.place.store.record_judge_call(call, Timestamp::now()).wait().await
    }
}

/// How repeated grades are combined: G-Eval averages its samples, which is finer than its scale.
fn average(kind: JudgeKind) -> Average {
    match kind {
        JudgeKind::GEval { .. } => Average::Mean,
        _ => Average::Median,
    }
}

/// Whether a judge found no claims, so that there is nothing to take a share of.
fn is_without_claims(verdict: &Result<Verdict, String>) -> bool {
    verdict.as_ref().is_err_and(|reason| reason.contains(NO_CLAIMS))
}

/// A verdict as it is stored: `{"score", "preferred", "first"}`, the last two for pairs in one order only.
fn verdict_of(verdict: &Verdict, order: Order) -> Value {
    match verdict.outcome {
        Outcome::Preference { preferred, .. } => {
            json!({"score": verdict.score, "preferred": preferred.score(), "output_first": order == Order::OutputFirst})
        }
        _ => json!({"score": verdict.score}),
    }
}
