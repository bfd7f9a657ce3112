//! Applies scorers to the sampled answers: first those that karat evaluates itself, then those outside it, a bounded
//! number at a time.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::sample::{Answered, TrafficSample};
use crate::core::domain::{Failure, Score, Scorer, Suite, canonical_json, content_hash};
use crate::core::scoring::{Answer, SuiteScorers, varies};
use crate::edge::config::example_scorers;
use crate::edge::store::{Store, TrafficScore};
use crate::flow::event::Stopped;
use crate::flow::run::budget::Budget;
use crate::flow::run::execute::interrupted;
use crate::flow::scoring::{Evaluators, JudgeBudgets, ScoringPlace};
use crate::flow::{Event, Events, Workspace};

/// Records scored by karat itself between two looks at whether the user interrupted.
const BATCH: usize = 50;

/// The limits at which scoring stops before everything is done.
pub(super) struct Limits {
    /// Becomes true when the user interrupts.
    pub stop: watch::Receiver<bool>,
    /// The money that judges may spend.
    pub budget: Arc<Budget>,
    /// Answers that are evaluated outside karat at the same time.
    pub concurrency: usize,
}

/// A scorer, ready to score.
pub(super) struct Plan {
    pub scorer: Scorer,
    /// What evaluates it outside karat, in words.
    pub evaluator: Option<String>,
    compiled: SuiteScorers,
    /// Hash of everything that may change its scores.
    identity: String,
    suite: (String, String),
}

impl Plan {
    /// Compiles the scorers.
    ///
    /// # Errors
    /// A data failure that names the suite if a scorer cannot be used.
    pub(super) fn all(suite: &Suite, scorers: &[Scorer], evaluators: &Evaluators) -> Result<Vec<Arc<Self>>, Failure> {
        let identities = evaluators.identities(scorers);
        let plan = |scorer: &Scorer| {
            let compiled = SuiteScorers::new(std::slice::from_ref(scorer), &suite.vars, example_scorers)
                .map_err(|error| Failure::data(format!("suites/{}.yaml: {error}", suite.name)))?;
            let outside = identities.get(&scorer.name);
            let mut settings = json!({
                "kind": scorer.kind,
                "not": scorer.not,
                "threshold": scorer.threshold,
                "vars": varies(scorer).then_some(&suite.vars),
                "outside": outside.map(|known| &known.identity),
            });
            // Absent where there is none, as before there were conditions.
            if let Some(when) = &scorer.when {
                settings["when"] = json!(when);
            }
            Ok(Arc::new(Self {
                scorer: scorer.clone(),
                evaluator: outside.map(|known| known.shown.clone()),
                compiled,
                identity: content_hash("traffic-score", canonical_json(&settings).as_bytes()),
                suite: (suite.name.clone(), suite.version.clone()),
            }))
        };
        scorers.iter().map(plan).collect()
    }

    fn is_external(&self) -> bool {
        self.evaluator.is_some()
    }

    fn row(&self, source: &str, answered: &Answered, score: Score) -> TrafficScore {
        let (suite, suite_version) = self.suite.clone();
        TrafficScore {
            identity: self.identity.clone(),
            source: source.to_owned(),
            record_id: answered.example.id.clone(),
            suite,
            suite_version,
            scorer: self.scorer.name.clone(),
            score,
        }
    }

    /// The score of an answer that karat evaluates itself.
    fn score(&self, answered: &Answered) -> Score {
        let compiled = self.compiled.of(&answered.example);
        first(compiled.score(&Answer::of_traffic(&answered.output), &answered.example, &[]))
    }

    /// The score of an answer; `None` if the budget refused a call.
    async fn ask(
        &self,
        answered: &Answered,
        evaluators: &Evaluators,
        place: &ScoringPlace<'_>,
    ) -> Result<Option<Score>, Failure> {
        let (compiled, answer) = (self.compiled.of(&answered.example), Answer::of_traffic(&answered.output));
        let external = evaluators.scores(&compiled, &answer, &answered.example, place).await?;
        Ok(external.map(|external| first(compiled.score(&answer, &answered.example, &external))))
    }
}

fn first(scores: Vec<(String, Score)>) -> Score {
    let missing = || Score::Failed("it was not evaluated".to_owned());
    scores.into_iter().next().map_or_else(missing, |(_, score)| score)
}

/// The scores of a sample.
pub(super) struct Scores {
    /// For each scorer, the score of each record; `None` if it was not scored.
    pub by_plan: Vec<Vec<Option<Score>>>,
    /// Number of scores that were stored before and not computed again.
    pub reused: usize,
    /// What judges cost now.
    pub spent: f64,
    /// Why it stopped early.
    pub stopped: Option<Stopped>,
}

impl Scores {
    fn set(&mut self, plan: usize, record: usize, score: Score) {
        if let Some(slot) = self.by_plan.get_mut(plan).and_then(|scores| scores.get_mut(record)) {
            *slot = Some(score);
        }
    }
}

/// Scores a sample with every scorer. Scores are stored as they are made. Those evaluated outside karat are taken from the
/// database if they are there; failed ones are made again.
///
/// # Errors
/// A store failure.
pub(super) async fn score_all(
    workspace: &Workspace,
    sample: &TrafficSample,
    plans: &[Arc<Plan>],
    evaluators: &Arc<Evaluators>,
    mut limits: Limits,
    events: Events<'_>,
) -> Result<Scores, Failure> {
    let store = &workspace.store;
    let by_plan = plans.iter().map(|_| vec![None; sample.answered.len()]).collect();
    let mut scores = Scores { by_plan, reused: 0, spent: 0.0, stopped: None };
    let mut open = VecDeque::new();
    for (plan, of) in plans.iter().enumerate().filter(|(_, plan)| plan.is_external()) {
        let stored = store.traffic_scores(&of.identity, &sample.source)?;
        for (record, answered) in sample.answered.iter().enumerate() {
            match stored.get(&answered.example.id) {
                Some(score) => {
                    scores.set(plan, record, score.clone());
                    scores.reused += 1;
                }
                None => open.push_back((record, plan)),
            }
        }
    }
    // Record by record, so that what an interrupted command leaves behind is complete for most records.
    open.make_contiguous().sort_unstable();
    let what = format!("scoring {} answers of {}", sample.answered.len(), sample.source);
    let total = (plans.len() * sample.answered.len()) as u64;
    events(Event::Began { what, total, done: scores.reused as u64 });
    let done = async {
        if score_inside(store, sample, plans, &mut scores, &limits, events).await? {
            return Ok(Some(Stopped::Interrupted));
        }
        score_outside(store, sample, plans, evaluators, open, &mut scores, &mut limits, events).await
    };
    let stopped = done.await;
    events(Event::Ended);
    scores.stopped = stopped?;
    scores.spent = limits.budget.spent();
    Ok(scores)
}

/// Scores everything that karat evaluates itself; returns whether the user interrupted it.
async fn score_inside(
    store: &Store,
    sample: &TrafficSample,
    plans: &[Arc<Plan>],
    scores: &mut Scores,
    limits: &Limits,
    events: Events<'_>,
) -> Result<bool, Failure> {
    for (number, plan) in plans.iter().enumerate().filter(|(_, plan)| !plan.is_external()) {
        let all: Vec<(usize, &Arc<Answered>)> = sample.answered.iter().enumerate().collect();
        for batch in all.chunks(BATCH) {
            if *limits.stop.borrow() {
                return Ok(true);
            }
            let mut rows = Vec::with_capacity(batch.len());
            for (record, answered) in batch {
                let score = plan.score(answered);
                rows.push(plan.row(&sample.source, answered, score.clone()));
                scores.set(number, *record, score);
            }
            let errors = rows.iter().filter(|row| matches!(row.score, Score::Failed(_))).count() as u64;
            let steps = rows.len() as u64;
            store.record_traffic_scores(rows, Timestamp::now()).wait().await?;
            events(Event::Advanced { steps, errors });
        }
    }
    Ok(false)
}

/// The score of a record by a scorer; `None` if the budget refused it.
type Asked = Result<(usize, usize, Option<Score>), Failure>;

/// Scores what is evaluated outside karat. Returns why it stopped early.
#[expect(clippy::too_many_arguments, reason = "the parts of one step")]
async fn score_outside(
    store: &Arc<Store>,
    sample: &TrafficSample,
    plans: &[Arc<Plan>],
    evaluators: &Arc<Evaluators>,
    mut open: VecDeque<(usize, usize)>,
    scores: &mut Scores,
    limits: &mut Limits,
    events: Events<'_>,
) -> Result<Option<Stopped>, Failure> {
    let budgets = Arc::new(JudgeBudgets::new(Arc::clone(&limits.budget)));
    let mut tasks: JoinSet<Asked> = JoinSet::new();
    let mut refused = false;
    loop {
        while tasks.len() < limits.concurrency && !limits.budget.is_exhausted() {
            let Some((record, number)) = open.pop_front() else { break };
            let (Some(plan), Some(answered)) = (plans.get(number), sample.answered.get(record)) else { continue };
            let (plan, answered, store) = (Arc::clone(plan), Arc::clone(answered), Arc::clone(store));
            let (evaluators, budgets, source) = (Arc::clone(evaluators), Arc::clone(&budgets), sample.source.clone());
            tasks.spawn(async move {
                let place = ScoringPlace {
                    store: &store,
                    run_id: None,
                    trial: 0,
                    turn: 0,
                    cache_since: None,
                    budgets: &budgets,
                    calls: None,
                };
                let score = plan.ask(&answered, &evaluators, &place).await?;
                if let Some(score) = score.clone().filter(|score| !matches!(score, Score::Failed(_))) {
                    let row = plan.row(&source, &answered, score);
                    store.record_traffic_scores(vec![row], Timestamp::now()).wait().await?;
                }
                Ok((record, number, score))
            });
        }
        if tasks.is_empty() {
            // Whatever was refused is left for the next time.
            let is_short = refused || !open.is_empty();
            return Ok(limits.budget.stopped().filter(|_| is_short));
        }
        tokio::select! {
            biased;
            () = interrupted(&mut limits.stop) => return Ok(Some(Stopped::Interrupted)),
            Some(finished) = tasks.join_next() => {
                let bug = |error| Failure::other("a scorer failed because of a bug in karat").caused_by(error);
                let (record, number, score) = finished.map_err(bug)??;
                let Some(score) = score else {
                    refused = true;
                    continue;
                };
                events(Event::Advanced { steps: 1, errors: u64::from(matches!(score, Score::Failed(_))) });
                scores.set(number, record, score);
            }
        }
    }
}
