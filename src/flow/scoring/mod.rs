//! Scorers that are evaluated outside karat: programs, servers, judges, and similarity in the embedding space.

mod judge;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use self::judge::Judge;
use super::Workspace;
use super::run::budget::{Budget, RunBudget};
use super::run::endpoints::{ReadyEndpoint, prepare};
use crate::core::domain::scorer::similarity::Cosine;
use crate::core::domain::{
    Embedder, Example, Failure, Response, RunId, Score, Scorer, ScorerKind, Suite, canonical_json, content_hash,
};
use crate::core::judge::JudgeTask;
use crate::core::scoring::{Answer, CompiledScorers, NO_ACCEPTED, references};
use crate::core::vector::dot;
use crate::edge::embed::Prepared;
use crate::edge::net::Limiters;
use crate::edge::scorer::{ExecScorer, HttpScorer, HttpScorerSettings};
use crate::edge::store::{ScorerIdentity, Store};

/// Vectors of accepted answers that are remembered.
const REMEMBERED: usize = 100_000;

/// Everything outside karat that a suite's scorers need, ready to be asked.
pub struct Evaluators {
    by_key: BTreeMap<String, Evaluator>,
}

enum Evaluator {
    Program(ExecScorer),
    Server(HttpScorer),
    Judge(Box<Judge>),
    Embedding(Embedding),
}

/// Where scores belong, and under which limits they are made.
pub struct ScoringPlace<'a> {
    /// The database, in which calls of judges are stored and looked up.
    pub store: &'a Store,
    /// The run; `None` if nothing is stored.
    pub run_id: Option<&'a RunId>,
    /// Index of the trial, from 0.
    pub trial: u32,
    /// Index of the turn of a conversation, from 0.
    pub turn: usize,
    /// How far back cached replies of judges may be used; `None` if none may.
    pub cache_since: Option<Timestamp>,
    /// The money that judges may spend.
    pub budgets: &'a JudgeBudgets,
    /// Where the calls of judges are noted, besides the database; `None` if nowhere.
    pub calls: Option<&'a JudgeCalls>,
}

/// The calls of judges about one answer.
#[derive(Default)]
pub struct JudgeCalls(Mutex<NotedCalls>);

/// What is noted of calls.
#[derive(Debug, Default)]
pub struct NotedCalls {
    /// Number of calls.
    pub calls: usize,
    /// The verdicts in their replies, in order, as they are stored for a run.
    pub verdicts: Vec<serde_json::Value>,
    /// The models that the server reported, each once.
    pub models: Vec<String>,
    /// What they cost, if the endpoint has a price.
    pub cost: Option<f64>,
}

impl JudgeCalls {
    /// Returns what was noted since the last time.
    pub fn take(&self) -> NotedCalls {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, reply: Option<&Response>, verdict: Option<serde_json::Value>, cost: Option<f64>) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.calls += 1;
        noted.verdicts.extend(verdict);
        if let Some(model) = reply.and_then(|reply| reply.model.as_ref()).filter(|model| !noted.models.contains(model))
        {
            noted.models.push(model.clone());
        }
        if let Some(cost) = cost {
            noted.cost = Some(noted.cost.unwrap_or(0.0) + cost);
        }
    }
}

/// The budget of every judge of a run.
pub struct JudgeBudgets {
    budget: Arc<Budget>,
    by_judge: Mutex<HashMap<String, Arc<RunBudget>>>,
}

impl JudgeBudgets {
    /// Budgets that share the money of `budget`.
    pub fn new(budget: Arc<Budget>) -> Self {
        Self { budget, by_judge: Mutex::default() }
    }

    fn of(&self, judge: &str) -> Arc<RunBudget> {
        let mut budgets = self.by_judge.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(RunBudget::new(Arc::clone(&self.budget)));
        Arc::clone(budgets.entry(judge.to_owned()).or_insert_with(new))
    }
}

/// What identifies the evaluator that a scorer needs: two scorers may share one.
fn key(kind: &ScorerKind) -> Option<String> {
    Some(match kind {
        ScorerKind::Exec(exec) => format!("exec {}", canonical_json(&serde_json::to_value(exec).ok()?)),
        ScorerKind::Http(http) => format!("http {}", canonical_json(&serde_json::to_value(http).ok()?)),
        ScorerKind::Cosine(_) => "cosine".to_owned(),
        kind => format!("judge {}", JudgeTask::of(kind)?.ok()?.judge),
    })
}

impl Evaluators {
    /// Makes ready what `scorers` need; nothing is sent yet. At most `most` requests are in flight to a host.
    ///
    /// # Errors
    /// A data failure if an endpoint, a command, a URL or a reference cannot be used.
    pub fn prepare<'a>(
        workspace: &Workspace,
        suite: &Suite,
        scorers: impl Iterator<Item = &'a Scorer>,
        limiters: &Limiters,
        most: usize,
    ) -> Result<Self, Failure> {
        let mut by_key = BTreeMap::new();
        for scorer in scorers.flat_map(Scorer::external_parts) {
            let Some(key) = key(&scorer.kind).filter(|key| !by_key.contains_key(key)) else { continue };
            by_key.insert(key, Evaluator::prepare(workspace, suite, scorer, limiters, most)?);
        }
        Ok(Self { by_key })
    }

    /// The judges that cost money as far as karat knows, but have no price.
    pub fn unpriced(&self) -> Option<&str> {
        self.by_key.values().find_map(|evaluator| match evaluator {
            Evaluator::Judge(judge) if judge.endpoint.costs && judge.endpoint.price.is_none() => {
                Some(judge.endpoint.endpoint.name())
            }
            _ => None,
        })
    }

    /// What evaluates each of these scorers outside karat, by name.
    pub fn identities(&self, scorers: &[Scorer]) -> BTreeMap<String, ScorerIdentity> {
        let identity = |scorer: &Scorer| {
            let parts: Vec<ScorerIdentity> =
                scorer.external_parts().into_iter().filter_map(|part| self.identity(&part.kind)).collect();
            let all: Vec<&str> = parts.iter().map(|part| part.identity.as_str()).collect();
            let mut shown: Vec<&str> = parts.iter().map(|part| part.shown.as_str()).collect();
            shown.dedup();
            let identity = content_hash("scorer-identity", all.join("\n").as_bytes());
            let known = ScorerIdentity { identity, shown: shown.join(", ") };
            (!parts.is_empty()).then(|| (scorer.name.clone(), known))
        };
        scorers.iter().filter_map(identity).collect()
    }

    fn identity(&self, kind: &ScorerKind) -> Option<ScorerIdentity> {
        let (identity, shown) = match self.by_key.get(&key(kind)?)? {
            Evaluator::Program(program) => (program.identity().to_owned(), "a program".to_owned()),
            Evaluator::Server(server) => (server.identity().to_owned(), "a server".to_owned()),
            Evaluator::Embedding(embedding) => (embedding.space.clone(), format!("embedding model {}", embedding.name)),
            Evaluator::Judge(judge) => {
                let task = JudgeTask::of(kind)?.ok()?;
                let endpoint = &judge.endpoint.endpoint;
                let identity = format!("{} {} {}", endpoint.fingerprint(), task.identity(), task.repeats);
                (identity, format!("judge {}", endpoint.name()))
            }
        };
        Some(ScorerIdentity { identity, shown })
    }

    /// The scores of the external scorers that an answer needs, by their index; `None` if the budget refused a call.
    ///
    /// # Errors
    /// A store failure.
    pub async fn scores(
        &self,
        compiled: &CompiledScorers,
        answer: &Answer<'_>,
        example: &Example,
        place: &ScoringPlace<'_>,
    ) -> Result<Option<Vec<Option<Score>>>, Failure> {
        let mut scores = vec![None; compiled.external().len()];
        for index in compiled.needed(answer, example) {
            let Some(scorer) = compiled.external().get(index) else { continue };
            let Some(score) = self.score(index, &scorer.kind, answer, example, place).await? else { return Ok(None) };
            if let Some(slot) = scores.get_mut(index) {
                *slot = Some(score);
            }
        }
        Ok(Some(scores))
    }

    async fn score(
        &self,
        index: usize,
        kind: &ScorerKind,
        answer: &Answer<'_>,
        example: &Example,
        place: &ScoringPlace<'_>,
    ) -> Result<Option<Score>, Failure> {
        let Some(evaluator) = key(kind).and_then(|key| self.by_key.get(&key)) else {
            return Ok(Some(Score::Failed("what evaluates this scorer was not prepared".to_owned())));
        };
        let called = match evaluator {
            Evaluator::Judge(judge) => return judge.score(index, kind, answer, example, place).await,
            Evaluator::Program(program) => program.score(answer, example, place.trial).await,
            Evaluator::Server(server) => server.score(answer, example, place.trial).await,
            Evaluator::Embedding(embedding) => {
                let ScorerKind::Cosine(settings) = kind else { return Ok(None) };
                return Ok(Some(embedding.score(settings, answer, example)));
            }
        };
        Ok(Some(called.unwrap_or_else(|error| Score::Failed(error.to_string()))))
    }
}

impl Evaluator {
    fn prepare(
        workspace: &Workspace,
        suite: &Suite,
        scorer: &Scorer,
        limiters: &Limiters,
        most: usize,
    ) -> Result<Self, Failure> {
        let (secrets, root) = (&workspace.secrets, &workspace.config.root);
        Ok(match &scorer.kind {
            ScorerKind::Exec(settings) => Self::Program(ExecScorer::new(&scorer.name, settings, root)?),
            ScorerKind::Http(settings) => {
                let key = |part: &str| format!("{part} of the scorer {} in the suite {}", scorer.name, suite.name);
                let headers = settings.headers.iter().map(|(header, value)| {
                    Ok((header.clone(), secrets.expand_secret(&key(&format!("headers.{header}")), value)?.into()))
                });
                let settings = HttpScorerSettings {
                    name: scorer.name.clone(),
                    url: secrets.expand_url(&key("url"), &settings.url)?,
                    headers: headers.collect::<Result<_, Failure>>()?,
                    timeout: Duration::from_secs(settings.timeout_seconds.into()),
                    max_retries: settings.max_retries,
                };
                Self::Server(HttpScorer::new(settings, limiters, most)?)
            }
            ScorerKind::Cosine(_) => {
                workspace.check_server()?;
                Self::Embedding(Embedding::new(Arc::clone(&workspace.embedder), workspace.embedder_name.clone()))
            }
            kind => {
                let task = JudgeTask::of(kind).and_then(Result::ok);
                let task = task.ok_or_else(|| Failure::data(format!("scorer \"{}\" cannot be used", scorer.name)))?;
                let endpoint: ReadyEndpoint = prepare(workspace, &task.judge, suite, limiters, most)?;
                Self::Judge(Box::new(Judge { endpoint }))
            }
        })
    }
}

/// The cosine of two vectors; 0 if one of them is zero.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let product = |a: &[f32], b: &[f32]| f64::from(dot(a, b));
    let norms = (product(a, a) * product(b, b)).sqrt();
    if a.len() == b.len() && norms > 0.0 { product(a, b) / norms } else { 0.0 }
}

/// Similarity of texts in the workspace's embedding space.
struct Embedding {
    embedder: Arc<Prepared>,
    name: String,
    space: String,
    /// Vectors of accepted answers by text.
    known: Mutex<HashMap<String, Arc<Vec<f32>>>>,
}

impl Embedding {
    fn new(embedder: Arc<Prepared>, name: String) -> Self {
        let space = embedder.space().to_owned();
        Self { embedder, name, space, known: Mutex::default() }
    }

    fn score(&self, settings: &Cosine, answer: &Answer<'_>, example: &Example) -> Score {
        let references = references(settings.value.as_ref(), example);
        if references.is_empty() {
            return Score::Skipped(NO_ACCEPTED.to_owned());
        }
        let failed = |failure: Failure| Score::Failed(format!("the answer cannot be embedded: {}", failure.message));
        let vector = match self.embedder.embed(&[answer.output]) {
            Ok(mut vectors) => vectors.pop().unwrap_or_default(),
            Err(failure) => return failed(failure),
        };
        let mut best: f64 = 0.0;
        for reference in &references {
            match self.reference(reference) {
                // Texts without anything to embed have no direction.
                _ if reference.trim() == answer.output.trim() => best = 1.0,
                Ok(known) => best = best.max(cosine(&vector, &known)),
                Err(failure) => return failed(failure),
            }
        }
        let value = best.clamp(0.0, 1.0);
        // Rounding in the vectors must not make an equal text different.
        let value = if value > 1.0 - 1e-6 { 1.0 } else { value };
        let reason = || format!("cosine {:.3} with the nearest accepted answer", value);
        Score::Value(value, (value < 1.0).then(reason))
    }

    fn reference(&self, text: &str) -> Result<Arc<Vec<f32>>, Failure> {
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(text) {
            return Ok(Arc::clone(known));
        }
        let vector = Arc::new(self.embedder.embed(&[text])?.pop().unwrap_or_default());
        let mut known = lock();
        if known.len() < REMEMBERED {
            known.insert(text.to_owned(), Arc::clone(&vector));
        }
        Ok(vector)
    }
}
