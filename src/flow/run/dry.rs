//! Dry runs: everything is rendered and priced, nothing is sent, and only the dataset and the suite are stored.

use jiff::Timestamp;

use super::endpoints::ReadyEndpoint;
use super::render::Renderer;
use super::{PreparedSuite, RunOptions, cache_since, cache_ttl};
use crate::core::domain::{Example, Failure, NamedPrompt, Scorer, Suite, TurnScoring};
use crate::core::judge::JudgeTask;
use crate::core::pricing::estimated_tokens;
use crate::core::view::PlanCell;
use crate::edge::store::Store;
use crate::flow::{Events, Workspace};

/// Returns what a run of the suite would send, and its estimated cost. Credentials must be set, as for the run itself.
///
/// # Errors
/// The failures that a run can have before its first request.
pub fn dry_run(
    workspace: &Workspace,
    suite: &Suite,
    options: &RunOptions,
    now: Timestamp,
    events: Events<'_>,
) -> Result<Vec<PlanCell>, Failure> {
    let prepared = PreparedSuite::new(workspace, suite, options, now, events)?;
    let targets = prepared.targets().map(|(endpoint, prompt)| {
        let renderer = Renderer::new(suite, prompt, &prepared.set, &workspace.secrets)?;
        let mut count = Count::default();
        let since = cache_since(&workspace.store, cache_ttl(workspace, options), endpoint, None)?;
        for example in prepared.set.selected(&workspace.store, &options.selection)? {
            let example = example?;
            for trial in 0..prepared.repeats {
                count.take(&workspace.store, &renderer, &example, trial, endpoint, since)?;
            }
        }
        let last = workspace.store.latest_run(&suite.name, endpoint.endpoint.name(), prompt.name.as_deref())?;
        let mean = last.map(|run| workspace.store.mean_answer_tokens(&run.header.run_id)).transpose()?.flatten();
        Ok(count.target(suite, prompt, endpoint, mean))
    });
    targets.collect()
}

/// The most calls of judges that one answer needs.
fn judge_calls(external: &[Scorer]) -> u64 {
    let tasks = external.iter().filter_map(|scorer| JudgeTask::of(&scorer.kind)?.ok());
    tasks.map(|task| u64::from(task.repeats) * if task.kind.is_pairwise() { 2 } else { 1 }).sum()
}

/// Counts for one prompt on one endpoint.
#[derive(Default)]
struct Count {
    requests: u64,
    cached: u64,
    judge_calls: u64,
    prompt_tokens: u64,
    errors: u64,
    first_error: Option<String>,
}

impl Count {
    fn take(
        &mut self,
        store: &Store,
        renderer: &Renderer,
        example: &Example,
        trial: u32,
        endpoint: &ReadyEndpoint,
        since: Option<Timestamp>,
    ) -> Result<(), Failure> {
        // Later turns of a conversation depend on answers, so their requests are only counted.
        let first = if example.turns.is_empty() {
            renderer.request(example, trial)
        } else {
            renderer.turn(example, trial, 0, &[]).map(|(request, _)| request)
        };
        let request = match first {
            Ok(request) => request,
            Err(error) => {
                self.errors += 1;
                self.first_error.get_or_insert_with(|| format!("{}: {}", example.id, error.message));
                return Ok(());
            }
        };
        let scored = if renderer.turns == TurnScoring::Every { example.turns.len().max(1) } else { 1 };
        self.judge_calls += scored as u64 * judge_calls(renderer.scorers.of(example).external());
        let key = endpoint.endpoint.key(&request);
        if since.map(|since| store.cached_answer(key, since, None)).transpose()?.flatten().is_some() {
            self.cached += 1;
            return Ok(());
        }
        self.requests += example.turns.len().max(1) as u64;
        let bytes: usize = request.turns().iter().map(|message| message.content_text().len()).sum();
        self.prompt_tokens += estimated_tokens(bytes);
        Ok(())
    }

    /// `mean` is the mean number of tokens per answer in the last run.
    fn target(self, suite: &Suite, prompt: &NamedPrompt, endpoint: &ReadyEndpoint, mean: Option<f64>) -> PlanCell {
        let each = mean.or(endpoint.answer_limit.map(|limit| limit as f64));
        let answer_tokens = each.map(|each| (each * self.requests as f64).round() as u64);
        let cost =
            endpoint.price.map(|price| price.of_calls(self.requests, self.prompt_tokens, answer_tokens.unwrap_or(0)));
        PlanCell {
            suite: suite.name.clone(),
            prompt: prompt.name.clone(),
            endpoint: endpoint.endpoint.name().to_owned(),
            requests: self.requests,
            cached: self.cached,
            judge_calls: self.judge_calls,
            prompt_tokens: self.prompt_tokens,
            answer_tokens,
            cost,
            errors: self.errors,
            first_error: self.first_error,
        }
    }
}
