//! Labels about the answers of a stored run, which the judge scored when it was run.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde_json::json;

use super::correct::{compared, corrected, judged_outcomes};
use super::tally::{Labelled, Tally, judge_family};
use super::{ValidateOptions, Validation, chosen, judge_identity};
use crate::core::domain::{Failure, RecordedOutcome, Score, Scorer, ScorerKind, Suite, canonical_json, content_hash};
use crate::core::judge::LabelRow;
use crate::core::judge::validation::{Confusion, LabelledSample, position_bias};
use crate::core::view::{JudgePositionView, LabelSample, LabelsOf, LeftOut, ValidatedRunView};
use crate::edge::store::{RunHeader, Store, StoredRun, ValidationHeader};
use crate::flow::Workspace;
use crate::flow::compare::{Scope, find_run};
use crate::flow::run::suite_of_run;

/// Holds the stored scores of a run's judge against the labels.
pub(super) fn validate(
    workspace: &Workspace,
    suite: &Suite,
    options: &ValidateOptions,
    rows: &[LabelRow],
    now: Timestamp,
) -> Result<Validation, Failure> {
    let store = &workspace.store;
    let run = labelled_run(store, suite, options, rows)?.header;
    let suite = &suite_of_run(store, &run)?;
    let scorer = chosen(suite, options.scorer.as_deref())?;
    let identities = store.run_scorers(&run.run_id)?;
    let known = identities.get(&scorer.name).ok_or_else(|| {
        Failure::data(format!("run {} does not say which judge scored it", run.run_id))
            .hint(format!("run the suite again: karat run {}", suite.name))
    })?;
    let answers = by_answer(rows, &run)?;
    let header = ValidationHeader {
        validation_id: uuid::Uuid::now_v7().to_string(),
        suite: suite.name.clone(),
        scorer: scorer.name.clone(),
        identity: judge_identity(suite, scorer, &known.identity),
        judge: known.shown.clone(),
        labels_hash: labels_hash(&answers),
        run_id: Some(run.run_id.clone()),
        started_at: now,
    };
    let mut tally = Tally::new(judge_family(workspace, suite, scorer));
    let people = held_against(store, &run, scorer, &answers, &mut tally)?;
    let (mut view, found) = tally.view(&header, options, (LabelsOf::Run, LabelSample::Random));
    if view.left_out.iter().any(|out| out.reason == LeftOut::NotInRun && out.count == answers.len()) {
        return Err(Failure::data(format!("no label is about an answer of run {} on {}", run.run_id, run.endpoint))
            .hint("name the run whose answers were labelled with --run, or its endpoint with -e"));
    }
    let confusion = found.binary.map(|found| found.confusion).unwrap_or_default();
    let outcomes = judged_outcomes(store, &run.run_id, scorer, &people)?;
    let sample = sample_of(view.sample, &confusion);
    view.scores = vec![corrected(&run, &outcomes, sample, found.better_than_chance)];
    view.position = position(store, suite, &run, scorer)?;
    view.models = store.judge_totals(&run.run_id)?.map(|totals| totals.models).unwrap_or_default();
    view.notes = notes(view.sample, view.sample_assumed, &people);
    view.run = Some(run_view(&run));
    let too_many_failures = tally.too_many_failures(suite);
    view.finished = !too_many_failures;
    if view.finished {
        store.start_validation(&header)?;
        store.finish_validation(&view, Timestamp::now())?;
    }
    Ok(Validation { view, stopped: None, too_many_failures })
}

fn run_view(run: &RunHeader) -> ValidatedRunView {
    ValidatedRunView {
        run_id: run.run_id.to_string(),
        endpoint: run.endpoint.clone(),
        prompt: run.prompt.clone(),
        started_at: run.started_at.to_string(),
    }
}

/// What the method needs to know about the labels.
pub(super) fn sample_of(sample: LabelSample, confusion: &Confusion) -> LabelledSample<'_> {
    match sample {
        LabelSample::Random => LabelledSample::RandomOfRun,
        LabelSample::ByVerdict => LabelledSample::ByVerdict,
        LabelSample::Elsewhere => LabelledSample::Elsewhere(confusion),
    }
}

fn notes(sample: LabelSample, assumed: bool, people: &HashMap<(&str, u32), f64>) -> Vec<String> {
    let mut notes = Vec::new();
    if assumed {
        notes.push("the labelled answers are assumed to be a random sample of the run's; if they were chosen by the judge's verdict or in another way, say so with --sample by-verdict or --sample elsewhere".to_owned());
    }
    if sample == LabelSample::ByVerdict {
        notes.push("answers drawn by verdict: agreement, sensitivity and specificity are those of the labelled answers, not of the run".to_owned());
    }
    let mut examples: Vec<&str> = people.keys().map(|(id, _)| *id).collect();
    examples.sort_unstable();
    examples.dedup();
    if examples.len() < people.len() {
        notes.push(
            "several trials of an example are labelled: the intervals of agreement take them for independent answers"
                .to_owned(),
        );
    }
    notes
}

/// The run whose answers are labelled.
fn labelled_run(
    store: &Store,
    suite: &Suite,
    options: &ValidateOptions,
    rows: &[LabelRow],
) -> Result<StoredRun, Failure> {
    let mut named: Vec<&str> = rows.iter().filter_map(|row| row.run.as_deref()).collect();
    named.sort_unstable();
    named.dedup();
    if let [one, other, ..] = named.as_slice() {
        return Err(Failure::data(format!("the labels are about several runs, such as {one} and {other}"))
            .hint("keep those of one run; each run is validated on its own"));
    }
    let endpoint = options.endpoint.as_deref();
    let run = match options.run.as_deref().or(named.first().copied()) {
        Some(word) => {
            let scope = Scope { suite: Some(suite.name.clone()), endpoint: endpoint.map(str::to_owned), prompt: None };
            find_run(store, word, &scope, None)?
        }
        None => store.finished_runs(&suite.name, endpoint, 1)?.pop().ok_or_else(|| {
            let on = endpoint.map_or_else(String::new, |endpoint| format!(" on {endpoint}"));
            Failure::data(format!("the suite {} has no finished run{on} whose answers could be labelled", suite.name))
                .hint(format!("run it with `karat run {}`, or give the answers in the file as \"output\"", suite.name))
        })?,
    };
    let id = &run.header.run_id;
    if run.header.suite != suite.name || endpoint.is_some_and(|endpoint| endpoint != run.header.endpoint) {
        let (suite, endpoint) = (&run.header.suite, &run.header.endpoint);
        return Err(Failure::usage(format!("run {id} is one of the suite {suite} on {endpoint}")));
    }
    if run.finished_at.is_none() {
        return Err(Failure::usage(format!("run {id} is not finished"))
            .hint(format!("finish it first: karat run {} --resume {id}", suite.name)));
    }
    if let Some(other) = named.first().filter(|named| !id.as_str().starts_with(**named) && options.run.is_some()) {
        return Err(Failure::usage(format!("the labels are about run {other}, and not about run {id}")));
    }
    Ok(run)
}

type Answers = BTreeMap<(String, u32), Labelled>;

/// The labels of each answer.
fn by_answer(rows: &[LabelRow], run: &RunHeader) -> Result<Answers, Failure> {
    let (mut answers, mut bad) = (Answers::new(), Vec::new());
    for row in rows {
        let trial = match row.trial {
            None if run.repeats > 1 => {
                bad.push(format!("line {}: no trial", row.line));
                continue;
            }
            trial => trial.unwrap_or(0),
        };
        let id = row.id.clone().unwrap_or_default();
        let answer = answers.entry((id.clone(), trial)).or_insert_with(|| Labelled {
            line: row.line,
            id: Some(id),
            labels: Vec::new(),
            model: None,
        });
        answer.labels.push(row.person);
        answer.model = answer.model.take().or_else(|| row.model.clone());
    }
    if bad.is_empty() {
        return Ok(answers);
    }
    Err(Failure::data(format!(
        "run {} has {} trials per example, so each label needs a trial",
        run.run_id, run.repeats
    ))
    .details(bad)
    .hint("add the field \"trial\": 0 is the first"))
}

fn labels_hash(answers: &Answers) -> String {
    let rows: Vec<_> = answers.iter().map(|((id, trial), answer)| json!([id, trial, answer.labels])).collect();
    content_hash("judge-labels", canonical_json(&rows.into()).as_bytes())
}

/// Adds every labelled answer to the tally; returns what people say about those that count.
fn held_against<'a>(
    store: &Store,
    run: &RunHeader,
    scorer: &Scorer,
    answers: &'a Answers,
    tally: &mut Tally,
) -> Result<HashMap<(&'a str, u32), f64>, Failure> {
    let mut people = HashMap::new();
    let mut outcomes: (Option<&str>, Vec<RecordedOutcome>) = (None, Vec::new());
    for ((id, trial), answer) in answers {
        if outcomes.0 != Some(id) {
            outcomes = (Some(id), store.outcomes_of(&run.run_id, id)?);
        }
        let Some(outcome) = outcomes.1.iter().find(|outcome| outcome.trial == *trial) else {
            tally.leave_out(answer, LeftOut::NotInRun);
            continue;
        };
        let Some(output) = &outcome.output else {
            tally.leave_out(answer, LeftOut::NoAnswer);
            continue;
        };
        let missing = Score::Failed("the answer was not scored".to_owned());
        let score = outcome.scores.get(&scorer.name).unwrap_or(&missing);
        if let Some(person) = tally.add(answer, output, score) {
            people.insert((id.as_str(), *trial), person);
        }
    }
    Ok(people)
}

/// How a pairwise judge depends on the order of the two answers, over the whole run.
fn position(
    store: &Store,
    suite: &Suite,
    run: &RunHeader,
    scorer: &Scorer,
) -> Result<Option<JudgePositionView>, Failure> {
    if !matches!(scorer.kind, ScorerKind::Pairwise(_)) {
        return Ok(None);
    }
    let external: Vec<&Scorer> = suite.scorers.iter().flat_map(Scorer::external_parts).collect();
    let Some(index) = external.iter().position(|part| std::ptr::eq(*part, scorer)) else { return Ok(None) };
    let verdicts = store.judge_verdicts(&run.run_id, index)?;
    let read =
        verdicts.iter().filter_map(|(id, trial, text)| Some((id.as_str(), *trial, serde_json::from_str(text).ok()?)));
    let pairs = compared(read);
    Ok((!pairs.is_empty()).then(|| position_bias(&pairs).into()))
}
