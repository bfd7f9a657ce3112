//! Conversations: the turns of an example are sent one after the other, each with the answers so far. Answers are stored
//! as they arrive, so that an interrupted conversation continues where it was.

use jiff::Timestamp;

use super::trial::{TrialRunner, outcome_of};
use crate::core::domain::{
    CallError, Example, Failure, Message, Outcome, OutcomeResult, Response, Score, TurnScoring, Usage,
};
use crate::edge::store::TurnAnswer;
use crate::flow::Event;
use crate::flow::event::FinishedTrial;

/// A turn that was not answered.
enum NoAnswer {
    /// The budget refused its request.
    Refused,
    /// The call failed, or the turn could not be rendered.
    Failed(CallError),
}

impl TrialRunner {
    /// Holds a conversation and scores it. Returns `None` if the budget refused a request.
    pub(super) async fn converse(&self, example: &Example, trial: u32) -> Result<Option<FinishedTrial>, Failure> {
        let stored = self.store.turn_answers(&self.run.run_id, &example.id, trial)?;
        let mut history: Vec<(Message, String)> = Vec::new();
        let mut answers: Vec<TurnAnswer> = Vec::new();
        for turn in 0..example.turns.len() {
            match self.turn(example, trial, turn, &mut history, &stored).await? {
                Ok(answer) => answers.push(answer),
                Err(NoAnswer::Refused) => return Ok(None),
                Err(NoAnswer::Failed(error)) => {
                    let message = format!("turn {}: {}", turn + 1, error.message);
                    return self.fail(example, trial, CallError { message, ..error }).await.map(Some);
                }
            }
        }
        let cost = answers.iter().filter_map(|answer| answer.cost).reduce(|sum, cost| sum + cost);
        let result = OutcomeResult::Answered { response: whole(&answers), scores: None };
        let outcome = Outcome { example_id: example.id.clone(), trial, key: None, cost, result };
        self.finish(example, outcome, &answers).await
    }

    /// One turn: its stored or cached answer, or that of the endpoint.
    async fn turn(
        &self,
        example: &Example,
        trial: u32,
        turn: usize,
        history: &mut Vec<(Message, String)>,
        stored: &[TurnAnswer],
    ) -> Result<Result<TurnAnswer, NoAnswer>, Failure> {
        let (request, user) = match self.renderer.turn(example, trial, turn, history) {
            Ok(request) => request,
            Err(error) => return Ok(Err(NoAnswer::Failed(error))),
        };
        let key = self.endpoint.endpoint.key(&request);
        let known = stored.iter().find(|answer| answer.turn == turn && answer.key == key);
        let answer = match known {
            Some(known) => known.clone(),
            None => {
                let cached = self.cache_since.map(|since| self.store.cached_turn(key, since, &self.run.run_id));
                let (response, cost) = match cached.transpose()?.flatten() {
                    Some(cached) => (cached, self.endpoint.price.map(|_| 0.0)),
                    None => {
                        let estimate = self.endpoint.estimate(&request);
                        let Some(reserved) = self.budget.reserve(estimate, self.endpoint.is_bounded()).await else {
                            return Ok(Err(NoAnswer::Refused));
                        };
                        let (run, example_id) = (std::sync::Arc::clone(&self.run), example.id.clone());
                        let _ = self.events.send(Event::RequestSent { run, example_id, trial }).await;
                        let called = self.endpoint.endpoint.call(&request).await;
                        let outcome = outcome_of(&self.endpoint, &self.renderer, example, &request, called);
                        reserved.settle(outcome.cost);
                        match outcome.result {
                            OutcomeResult::Failed(error) => return Ok(Err(NoAnswer::Failed(error))),
                            OutcomeResult::Answered { response, .. } => (response, outcome.cost),
                        }
                    }
                };
                let answer = TurnAnswer { turn, key, response, cost };
                let now = Timestamp::now();
                self.store.record_turn(&self.run.run_id, &example.id, trial, answer.clone(), now).wait().await?;
                answer
            }
        };
        history.push((user, answer.response.output.clone()));
        Ok(Ok(answer))
    }
}

/// The conversation as one response: its last answer, and what all of them took together.
fn whole(answers: &[TurnAnswer]) -> Response {
    let responses = || answers.iter().map(|answer| &answer.response);
    let sum = |tokens: fn(&Usage) -> Option<u64>| {
        responses()
            .map(|response| tokens(&response.usage))
            .try_fold(0_u64, |sum, tokens| Some(sum.saturating_add(tokens?)))
    };
    let last =
        responses().next_back().cloned().unwrap_or_else(|| Response::new(String::new(), std::time::Duration::ZERO));
    Response {
        usage: Usage {
            prompt_tokens: sum(|usage| usage.prompt_tokens),
            completion_tokens: sum(|usage| usage.completion_tokens),
        },
        latency: responses().map(|response| response.latency).sum(),
        ttft: None,
        attempts: responses().map(|response| response.attempts).fold(0, u32::saturating_add),
        cached: responses().all(|response| response.cached),
        ..last
    }
}

/// What is scored of a conversation: the index of each turn with the example and the answer as they are then. A single
/// request is one turn.
pub(super) fn scored_turns(
    example: &Example,
    whole: (&Response, Option<f64>),
    answers: &[TurnAnswer],
    scoring: TurnScoring,
) -> Vec<(usize, Example, Response, Option<f64>)> {
    let texts: Vec<String> = answers.iter().map(|answer| answer.response.output.clone()).collect();
    if example.turns.is_empty() {
        return vec![(0, example.clone(), whole.0.clone(), whole.1)];
    }
    match scoring {
        TurnScoring::Last => {
            let last = example.turns.len() - 1;
            vec![(last, example.at_turn(last, &texts), whole.0.clone(), whole.1)]
        }
        TurnScoring::Every => answers
            .iter()
            .map(|answer| {
                let example = example.at_turn(answer.turn, &texts);
                (answer.turn, example, answer.response.clone(), answer.cost)
            })
            .collect(),
    }
}

/// The score of every scorer over the turns of a conversation: its mean over the turns that it scored.
pub(super) fn over_turns(turns: Vec<(usize, Vec<(String, Score)>)>) -> Vec<(String, Score)> {
    if let [_] = turns.as_slice() {
        return turns.into_iter().flat_map(|(_, scores)| scores).collect();
    }
    let names: Vec<String> =
        turns.first().map(|(_, scores)| scores.iter().map(|(name, _)| name.clone()).collect()).unwrap_or_default();
    let of = |name: String| {
        let scores = turns.iter().filter_map(|(turn, scores)| {
            scores.iter().find(|(other, _)| *other == name).map(|(_, score)| (*turn, score))
        });
        let score = mean_of_turns(&scores.collect::<Vec<_>>());
        (name, score)
    };
    names.into_iter().map(of).collect()
}

fn mean_of_turns(scores: &[(usize, &Score)]) -> Score {
    let in_turn = |turn: usize, reason: &str| format!("turn {}: {reason}", turn + 1);
    let failed = scores.iter().find_map(|(turn, score)| match score {
        Score::Failed(reason) => Some(in_turn(*turn, reason)),
        _ => None,
    });
    if let Some(reason) = failed {
        return Score::Failed(reason);
    }
    let values: Vec<(usize, f64, Option<&String>)> = scores
        .iter()
        .filter_map(|(turn, score)| match score {
            Score::Value(value, reason) => Some((*turn, *value, reason.as_ref())),
            _ => None,
        })
        .collect();
    let Some(lowest) = values.iter().min_by(|a, b| a.1.total_cmp(&b.1)) else {
        let skipped = scores.iter().find_map(|(_, score)| match score {
            Score::Skipped(reason) => Some(reason.clone()),
            _ => None,
        });
        return Score::Skipped(skipped.unwrap_or_else(|| "no turn could be scored".to_owned()));
    };
    let mean = values.iter().map(|(_, value, _)| value).sum::<f64>() / values.len() as f64;
    let reason = lowest.2.filter(|_| mean < 1.0).map(|reason| in_turn(lowest.0, reason));
    Score::Value(mean.clamp(0.0, 1.0), reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(score: Score) -> Vec<(String, Score)> {
        vec![("s".to_owned(), score)]
    }

    #[test]
    fn a_conversation_has_the_mean_of_the_turns_that_were_scored() {
        let turns = vec![
            (0, scores(Score::Skipped("no answer".into()))),
            (1, scores(Score::Value(0.0, Some("wrong".into())))),
            (2, scores(Score::Value(1.0, None))),
        ];
        assert_eq!(over_turns(turns), scores(Score::Value(0.5, Some("turn 2: wrong".into()))));
        let failed = vec![(0, scores(Score::Value(1.0, None))), (1, scores(Score::Failed("slow".into())))];
        assert_eq!(over_turns(failed), scores(Score::Failed("turn 2: slow".into())));
        let skipped = vec![(0, scores(Score::Skipped("a".into()))), (1, scores(Score::Skipped("b".into())))];
        assert_eq!(over_turns(skipped), scores(Score::Skipped("a".into())));
    }
}
