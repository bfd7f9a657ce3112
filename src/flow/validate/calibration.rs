//! A frozen calibration set: answers with labels, about which the judge is asked now. Scores are stored as they arrive, so
//! that an interrupted validation is continued without asking again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::correct::{compared, corrected, judged_outcomes, uncorrected};
use super::tally::{Labelled, Tally, judge_family};
use super::{ValidateOptions, Validation, chosen, judge_identity};
use crate::core::domain::{Example, Failure, Score, Scorer, ScorerKind, Suite, canonical_json, content_hash};
use crate::core::golden::{example_from_row, input_id};
use crate::core::judge::validation::{LabelledSample, MARGIN, Rejudged, drift, position_bias};
use crate::core::judge::{LabelRow, Said, said};
use crate::core::privacy::Mask;
use crate::core::scoring::{Answer, SuiteScorers};
use crate::core::view::{
    CorrectedScoreView, DriftVerdictView, JudgeDriftView, JudgeValidationView, LabelSample, LabelsOf, LeftOut,
};
use crate::edge::config::example_scorers;
use crate::edge::net::Limiters;
use crate::edge::store::{Store, ValidationHeader, ValidationItem};
use crate::flow::event::Stopped;
use crate::flow::run::budget::Budget;
use crate::flow::run::execute::{Limits, interrupted};
use crate::flow::run::suite_of_run;
use crate::flow::scoring::{Evaluators, JudgeBudgets, JudgeCalls, ScoringPlace};
use crate::flow::{Event, Events, Workspace};

/// Finished runs searched for the latest of each endpoint.
const SEARCHED: usize = 200;

/// Asks the judge about every answer, and holds its scores against the labels.
pub(super) async fn validate(
    workspace: &Workspace,
    suite: &Suite,
    options: &ValidateOptions,
    rows: &[LabelRow],
    now: Timestamp,
    stop: watch::Receiver<bool>,
    events: Events<'_>,
) -> Result<Validation, Failure> {
    let prepared = Prepared::new(workspace, suite, options, rows, now)?;
    let store = &workspace.store;
    let limits = Limits { interrupted: stop, deadline: None, budget: Arc::new(Budget::new(options.max_cost)) };
    let mut scored: BTreeMap<usize, ValidationItem> = BTreeMap::new();
    if prepared.resumed {
        let known = store.validation_items(&prepared.header.validation_id)?;
        scored.extend(known.into_iter().map(|item| (item.item, item)));
        limits.budget.add_spent(scored.values().filter_map(|item| item.cost).sum());
        events(Event::Note(format!("continuing the validation of {}", prepared.header.started_at)));
    } else {
        store.start_validation(&prepared.header)?;
    }
    let open: Vec<usize> = (0..prepared.items.len())
        .filter(|item| scored.get(item).is_none_or(|known| matches!(known.score, Score::Failed(_))))
        .collect();
    events(Event::Began {
        what: format!("asking {} about {}", prepared.header.judge, options.labels.display()),
        total: prepared.items.len() as u64,
        done: (prepared.items.len() - open.len()) as u64,
    });
    let stopped = ask(store, &prepared, open, options.concurrency.max(1), limits, events).await;
    events(Event::Ended);
    let stopped = stopped?;
    // Read again, since the calls of earlier attempts count.
    let scored = store.validation_items(&prepared.header.validation_id)?;
    let (mut view, too_many_failures) = view(workspace, suite, options, &prepared, &scored)?;
    view.finished = stopped.is_none() && !too_many_failures;
    if view.finished {
        store.finish_validation(&view, Timestamp::now())?;
    }
    Ok(Validation { view, stopped, too_many_failures })
}

/// An answer with its labels, and what the judge is shown with it.
struct Item {
    labelled: Labelled,
    output: String,
    example: Example,
}

/// Everything that is checked before anything is sent.
struct Prepared<'a> {
    header: ValidationHeader,
    resumed: bool,
    scorer: &'a Scorer,
    items: Vec<Arc<Item>>,
    asker: Arc<Asker>,
}

/// Asks the judge about single answers.
struct Asker {
    evaluators: Evaluators,
    scorers: SuiteScorers,
    mask: Mask,
}

impl<'a> Prepared<'a> {
    fn new(
        workspace: &Workspace,
        suite: &'a Suite,
        options: &ValidateOptions,
        rows: &[LabelRow],
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let file = options.labels.display();
        if options.run.is_some() {
            return Err(Failure::usage(format!("{file} has its own answers, so it is not about a run"))
                .hint("leave out --run, or remove the column \"output\""));
        }
        if options.sample.is_some_and(|sample| sample != LabelSample::Elsewhere) {
            return Err(Failure::usage(format!("{file} has its own answers, which are no sample of a run"))
                .hint("leave out --sample"));
        }
        let scorer = chosen(suite, options.scorer.as_deref())?;
        let (limiters, most) = (Limiters::default(), options.concurrency);
        let evaluators = Evaluators::prepare(workspace, suite, std::iter::once(scorer), &limiters, most)?;
        if let Some(name) = evaluators.unpriced().filter(|_| options.max_cost.is_some()) {
            return Err(Failure::data(format!("--max-cost cannot be honored: the endpoint {name} has no price"))
                .hint(format!("set endpoints.{name}.price in karat.yaml")));
        }
        let one = std::slice::from_ref(scorer);
        let scorers = SuiteScorers::new(one, &suite.vars, example_scorers)
            .map_err(|error| Failure::data(format!("suites/{}.yaml: {error}", suite.name)))?;
        let known = evaluators.identities(one).remove(&scorer.name);
        let known = known.ok_or_else(|| Failure::data(format!("nothing evaluates the scorer {}", scorer.name)))?;
        let items = items(workspace, suite, options, rows)?;
        let header = ValidationHeader {
            validation_id: uuid::Uuid::now_v7().to_string(),
            suite: suite.name.clone(),
            scorer: scorer.name.clone(),
            identity: judge_identity(suite, scorer, &known.identity),
            judge: known.shown,
            labels_hash: labels_hash(&items),
            run_id: None,
            started_at: now,
        };
        let earlier = workspace.store.unfinished_validation(&header)?;
        let asker = Arc::new(Asker { evaluators, scorers, mask: workspace.secrets.mask() });
        let items = items.into_values().map(Arc::new).collect();
        Ok(Self { resumed: earlier.is_some(), header: earlier.unwrap_or(header), scorer, items, asker })
    }
}

/// The items of the file by their canonical content, so that their order in the file does not matter.
fn items(
    workspace: &Workspace,
    suite: &Suite,
    options: &ValidateOptions,
    rows: &[LabelRow],
) -> Result<BTreeMap<String, Item>, Failure> {
    let named = rows.iter().any(|row| row.id.is_some());
    let set = if named { workspace.dataset(&suite.dataset)?.examples } else { Vec::new() };
    let known: HashMap<&str, &Example> = set.iter().map(|example| (example.id.as_str(), example)).collect();
    let (mut items, mut bad): (BTreeMap<String, Item>, Vec<String>) = (BTreeMap::new(), Vec::new());
    for row in rows {
        let example = match example_of(row, row.id.as_deref().and_then(|id| known.get(id).copied())) {
            Ok(example) => example,
            Err(reason) => {
                bad.push(format!("{}:{}: {reason}", options.labels.display(), row.line));
                continue;
            }
        };
        let output = row.output.clone().unwrap_or_default();
        let content = json!({
            "id": example.id,
            "input": example.input,
            "expected": example.expected,
            "context": example.context,
            "metadata": example.metadata,
            "output": output,
        });
        let item = items.entry(canonical_json(&content)).or_insert_with(|| Item {
            labelled: Labelled { line: row.line, id: row.id.clone(), labels: Vec::new(), model: None },
            output,
            example,
        });
        item.labelled.labels.push(row.person);
        item.labelled.model = item.labelled.model.take().or_else(|| row.model.clone());
    }
    match bad.is_empty() {
        true => Ok(items),
        false => Err(Failure::data(format!("{} cannot be used", options.labels.display())).details(bad)),
    }
}

/// What the judge is shown beside an answer: what the row says, and otherwise what the golden set says.
fn example_of(row: &LabelRow, known: Option<&Example>) -> Result<Example, String> {
    let mut fields = Map::new();
    let given = [
        ("id", row.id.clone().map(Value::String)),
        ("input", row.input.clone().or_else(|| known.map(|known| known.input.clone()))),
        ("expected", row.expected.clone()),
        ("context", row.context.clone()),
        ("metadata", row.metadata.clone()),
    ];
    fields.extend(given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    if !fields.contains_key("input") {
        return Err(match &row.id {
            Some(id) => format!("no input, and the golden set has no example \"{id}\""),
            None => "no input, and no id of an example that has one".to_owned(),
        });
    }
    let mut example = example_from_row(row.line, fields).map_err(|error| error.message)?;
    if let Some(known) = known {
        if row.expected.is_none() {
            example.expected.clone_from(&known.expected);
        }
        if row.context.is_none() {
            example.context.clone_from(&known.context);
        }
        if row.metadata.is_none() {
            example.metadata.clone_from(&known.metadata);
        }
        example.assert.clone_from(&known.assert);
    }
    if example.id.is_empty() {
        example.id = input_id(&example);
    }
    Ok(example)
}

fn labels_hash(items: &BTreeMap<String, Item>) -> String {
    let mut labels: Vec<Value> = Vec::new();
    for (content, item) in items {
        let mut said = item.labelled.labels.clone();
        said.sort_by(f64::total_cmp);
        labels.push(json!([content, said]));
    }
    content_hash("judge-calibration-set", canonical_json(&labels.into()).as_bytes())
}

/// Asks about the open items until none is left or a limit is reached.
async fn ask(
    store: &Arc<Store>,
    prepared: &Prepared<'_>,
    open: Vec<usize>,
    most: usize,
    mut limits: Limits,
    events: Events<'_>,
) -> Result<Option<Stopped>, Failure> {
    let budgets = Arc::new(JudgeBudgets::new(Arc::clone(&limits.budget)));
    let mut open = open.into_iter();
    // Dropping it ends the calls in flight.
    let mut tasks: JoinSet<Result<Option<bool>, Failure>> = JoinSet::new();
    let mut refused = false;
    loop {
        while tasks.len() < most && !limits.budget.is_exhausted() {
            let Some(number) = open.next() else { break };
            let Some(item) = prepared.items.get(number).map(Arc::clone) else { continue };
            let (store, asker, budgets) = (Arc::clone(store), Arc::clone(&prepared.asker), Arc::clone(&budgets));
            let validation_id = prepared.header.validation_id.clone();
            tasks.spawn(async move { asker.ask(&store, &validation_id, number, &item, &budgets).await });
        }
        if tasks.is_empty() {
            let left = refused || open.len() > 0;
            return Ok(if left { limits.budget.stopped() } else { None });
        }
        tokio::select! {
            biased;
            () = interrupted(&mut limits.interrupted) => return Ok(Some(Stopped::Interrupted)),
            Some(finished) = tasks.join_next() => {
                let bug = |error| Failure::other("a call failed because of a bug in karat").caused_by(error);
                match finished.map_err(bug)?? {
                    Some(failed) => events(Event::Advanced { steps: 1, errors: u64::from(failed) }),
                    None => refused = true,
                }
            }
        }
    }
}

impl Asker {
    /// Has an answer scored and stores the score; returns whether the judge failed, or `None` if the budget refused a call.
    async fn ask(
        &self,
        store: &Store,
        validation_id: &str,
        number: usize,
        item: &Item,
        budgets: &JudgeBudgets,
    ) -> Result<Option<bool>, Failure> {
        let (compiled, answer) = (self.scorers.of(&item.example), Answer::text(&item.output));
        let calls = JudgeCalls::default();
        let place =
            ScoringPlace { store, run_id: None, trial: 0, turn: 0, cache_since: None, budgets, calls: Some(&calls) };
        let external = self.evaluators.scores(&compiled, &answer, &item.example, &place).await?;
        let Some(external) = external else { return Ok(None) };
        let score = compiled.score(&answer, &item.example, &external).into_iter().next().map(|(_, score)| score);
        let masked = |reason: String| self.mask.text(&reason).into_owned();
        let score = match score.unwrap_or_else(|| Score::Failed("it was not evaluated".to_owned())) {
            Score::Value(value, why) => Score::Value(value, why.map(masked)),
            Score::Skipped(why) => Score::Skipped(masked(why)),
            Score::Failed(why) => Score::Failed(masked(why)),
        };
        let failed = matches!(score, Score::Failed(_));
        let noted = calls.take();
        let item = ValidationItem {
            item: number,
            score,
            verdicts: noted.verdicts,
            models: noted.models,
            calls: noted.calls,
            cost: noted.cost,
        };
        store.record_validation_item(validation_id, &item, Timestamp::now())?.wait().await?;
        Ok(Some(failed))
    }
}

/// What was found, and whether the judge failed too often.
fn view(
    workspace: &Workspace,
    suite: &Suite,
    options: &ValidateOptions,
    prepared: &Prepared<'_>,
    scored: &[ValidationItem],
) -> Result<(JudgeValidationView, bool), Failure> {
    let store = &workspace.store;
    let by_number: HashMap<usize, &ValidationItem> = scored.iter().map(|item| (item.item, item)).collect();
    let mut tally = Tally::new(judge_family(workspace, suite, prepared.scorer));
    for (number, item) in prepared.items.iter().enumerate() {
        match by_number.get(&number) {
            Some(known) => {
                tally.add(&item.labelled, &item.output, &known.score);
            }
            None => tally.leave_out(&item.labelled, LeftOut::NotAsked),
        }
    }
    let usual = (LabelsOf::CalibrationSet, LabelSample::Elsewhere);
    let (mut view, found) = tally.view(&prepared.header, options, usual);
    let confusion = found.binary.map(|found| found.confusion).unwrap_or_default();
    let sample = LabelledSample::Elsewhere(&confusion);
    view.scores = scores(store, suite, prepared, options, sample, found.better_than_chance)?;
    if matches!(prepared.scorer.kind, ScorerKind::Pairwise(_)) {
        let verdicts =
            scored.iter().flat_map(|item| item.verdicts.iter().map(|verdict| ("", item.item as u32, verdict.clone())));
        let pairs = compared(verdicts);
        view.position = (!pairs.is_empty()).then(|| position_bias(&pairs).into());
    }
    let mut models: Vec<String> = scored.iter().flat_map(|item| item.models.clone()).collect();
    models.sort();
    models.dedup();
    view.models = models;
    view.calls = scored.iter().map(|item| item.calls).sum();
    let costs: Vec<f64> = scored.iter().filter_map(|item| item.cost).collect();
    view.cost = (!costs.is_empty()).then(|| costs.iter().sum());
    view.drift = since_first(store, prepared, &by_number)?;
    Ok((view, tally.too_many_failures(suite)))
}

/// The corrected scores of the latest finished run of each endpoint and prompt.
fn scores(
    store: &Store,
    suite: &Suite,
    prepared: &Prepared<'_>,
    options: &ValidateOptions,
    sample: LabelledSample<'_>,
    better_than_chance: Option<bool>,
) -> Result<Vec<CorrectedScoreView>, Failure> {
    let mut views: Vec<CorrectedScoreView> = Vec::new();
    for run in store.finished_runs(&suite.name, options.endpoint.as_deref(), SEARCHED)? {
        let run = run.header;
        let listed = suite.endpoints.is_empty() || suite.endpoints.contains(&run.endpoint);
        let known = views.iter().any(|view| (&view.endpoint, &view.prompt) == (&run.endpoint, &run.prompt));
        if known || !(listed || options.endpoint.is_some()) {
            continue;
        }
        let then = suite_of_run(store, &run)?;
        let Some(scorer) = then.scorers.iter().find(|scorer| scorer.name == prepared.scorer.name) else { continue };
        let outcomes = judged_outcomes(store, &run.run_id, scorer, &HashMap::new())?;
        let identity = store.run_scorers(&run.run_id)?.remove(&scorer.name);
        let identity = identity.map(|known| judge_identity(&then, scorer, &known.identity));
        views.push(match identity {
            Some(identity) if identity == prepared.header.identity => {
                corrected(&run, &outcomes, sample, better_than_chance)
            }
            _ => {
                uncorrected(&run, &outcomes, "Not corrected: another judge scored this run, or it was asked otherwise.")
            }
        });
    }
    views.sort_by(|a, b| (&a.endpoint, &a.prompt).cmp(&(&b.endpoint, &b.prompt)));
    Ok(views)
}

/// Whether the judge still gives the scores of the first validation.
fn since_first(
    store: &Store,
    prepared: &Prepared<'_>,
    now: &HashMap<usize, &ValidationItem>,
) -> Result<Option<JudgeDriftView>, Failure> {
    let Some(first) = store.first_validation(&prepared.header)? else { return Ok(None) };
    let mut both = Vec::new();
    for old in store.validation_items(&first.validation_id)? {
        let new = now.get(&old.item).and_then(|item| item.score.value());
        let Some((old_score, new)) = old.score.value().zip(new) else { continue };
        let labels = prepared.items.get(old.item).map(|item| item.labelled.labels.as_slice()).unwrap_or_default();
        let person = match said(labels) {
            Said::Score(person) => Some(person),
            Said::Tie => None,
        };
        both.push(Rejudged { old: old_score, new, person });
    }
    let view = JudgeDriftView {
        same_judge: first.identity == prepared.header.identity,
        validation_id: first.validation_id,
        since: first.started_at.to_string(),
        judge: first.judge,
        n: both.len(),
        verdict: DriftVerdictView::TooLittleData,
        differing: None,
        score: None,
        agreement: None,
    };
    Ok(Some(match drift(&both, MARGIN) {
        Some(found) => view.with(&found),
        None => view,
    }))
}
