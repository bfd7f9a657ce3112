//! Collects labelled answers with the scores of the judge, and what is left out.

use std::collections::BTreeMap;

use super::ValidateOptions;
use crate::core::domain::{Score, Scorer, Suite};
use crate::core::judge::{JudgeTask, JudgedAnswer, PASS_MARK, Said, Validated, model_family, said, validated};
use crate::core::labelling::alpha;
use crate::core::view::{
    FamilyBiasView, FigureView, JudgeFailureView, JudgeValidationView, LabelSample, LabelsOf, LeftOut, LeftOutView,
    PeopleView,
};
use crate::edge::config::EndpointSettings;
use crate::edge::store::ValidationHeader;
use crate::flow::Workspace;
use crate::flow::run::endpoints::definition;

/// Lines listed of the answers that are left out for one reason.
const LINES: usize = 20;

/// Failures of the judge that are listed.
const FAILURES: usize = 50;

/// Seed of the bootstrap.
const SEED: u64 = 0;

/// An answer with what people say about it.
pub(super) struct Labelled {
    /// The first line of the labels file about it.
    pub line: u64,
    /// The example.
    pub id: Option<String>,
    /// What each person says.
    pub labels: Vec<f64>,
    /// The model that wrote it, or its family.
    pub model: Option<String>,
}

/// What is known about the labelled answers.
pub(super) struct Tally {
    /// The judge's model family.
    family: Option<String>,
    answers: Vec<JudgedAnswer>,
    labelled: usize,
    labels: usize,
    failed: usize,
    left_out: BTreeMap<LeftOut, (usize, Vec<u64>)>,
    failures: Vec<JudgeFailureView>,
    shared: Vec<Vec<&'static str>>,
}

impl Tally {
    pub fn new(family: Option<String>) -> Self {
        Self {
            family,
            answers: Vec::new(),
            labelled: 0,
            labels: 0,
            failed: 0,
            left_out: BTreeMap::new(),
            failures: Vec::new(),
            shared: Vec::new(),
        }
    }

    /// Adds an answer that is left out.
    pub fn leave_out(&mut self, answer: &Labelled, reason: LeftOut) {
        self.count(answer);
        let (count, lines) = self.left_out.entry(reason).or_default();
        *count += 1;
        if lines.len() < LINES {
            lines.push(answer.line);
        }
    }

    /// Adds an answer of this text that the judge was asked about; returns the score by people if it counts.
    pub fn add(&mut self, answer: &Labelled, output: &str, score: &Score) -> Option<f64> {
        let judge = match score {
            Score::Value(value, _) => *value,
            Score::Skipped(_) => {
                self.leave_out(answer, LeftOut::JudgeSkipped);
                return None;
            }
            Score::Failed(reason) => {
                self.leave_out(answer, LeftOut::JudgeFailed);
                self.failed += 1;
                if self.failures.len() < FAILURES {
                    let (line, id) = (answer.line, answer.id.clone());
                    self.failures.push(JudgeFailureView { line, id, reason: reason.clone() });
                }
                return None;
            }
        };
        let Said::Score(person) = said(&answer.labels) else {
            self.leave_out(answer, LeftOut::Tie);
            return None;
        };
        self.count(answer);
        let family = answer.model.as_deref().and_then(model_family);
        let own = self.family.as_ref().zip(family).map(|(own, family)| *own == family);
        self.answers.push(JudgedAnswer { person, judge, length: output.chars().count(), own });
        Some(person)
    }

    /// Whether the judge failed on more answers than the suite tolerates.
    pub fn too_many_failures(&self, suite: &Suite) -> bool {
        self.failed as f64 > suite.error_tolerance * self.labelled as f64
    }

    fn count(&mut self, answer: &Labelled) {
        self.labelled += 1;
        self.labels += answer.labels.len();
        if answer.labels.len() > 1 {
            let name = |label: &f64| if *label >= PASS_MARK { "pass" } else { "fail" };
            self.shared.push(answer.labels.iter().map(name).collect());
        }
    }

    fn people(&self) -> Option<PeopleView> {
        let found = alpha(&self.shared, SEED);
        let figure = found.and_then(|found| {
            let interval = found.interval?;
            Some(FigureView { value: found.value, lo: interval.lo, hi: interval.hi })
        });
        (!self.shared.is_empty()).then_some(PeopleView { answers: self.shared.len(), alpha: figure })
    }

    /// The view of what was found, without runs, position and drift.
    pub fn view(
        &self,
        header: &ValidationHeader,
        options: &ValidateOptions,
        (of, usual): (LabelsOf, LabelSample),
    ) -> (JudgeValidationView, Validated) {
        let found = validated(&self.answers);
        let left_out = self.left_out.iter();
        let family = self.family.clone().zip(found.family.as_ref());
        let view = JudgeValidationView {
            schema: "karat.judge_validation/1".into(),
            validation_id: header.validation_id.clone(),
            suite: header.suite.clone(),
            scorer: header.scorer.clone(),
            judge: header.judge.clone(),
            models: Vec::new(),
            identity: header.identity.clone(),
            labels: options.labels.display().to_string(),
            labels_hash: header.labels_hash.clone(),
            of,
            sample: options.sample.unwrap_or(usual),
            sample_assumed: options.sample.is_none(),
            run: None,
            started_at: header.started_at.to_string(),
            finished: true,
            labels_given: self.labels,
            answers: self.labelled,
            n: self.answers.len(),
            left_out: left_out
                .map(|(reason, (count, lines))| LeftOutView { reason: *reason, count: *count, lines: lines.clone() })
                .collect(),
            failures: self.failures.clone(),
            people: self.people(),
            pass_mark: found.is_graded.then_some(PASS_MARK),
            agreement: found.binary.map(Into::into),
            graded: found.graded.map(Into::into),
            better_than_chance: found.better_than_chance,
            length: found.length.clone().into(),
            family: family.map(|(family, bias)| FamilyBiasView::new(family, bias)),
            position: None,
            scores: Vec::new(),
            drift: None,
            calls: 0,
            cost: None,
            notes: Vec::new(),
        };
        (view, found)
    }
}

/// The family of the model that a judge is, by the settings of its endpoint; `None` if they no longer tell.
pub(super) fn judge_family(workspace: &Workspace, suite: &Suite, scorer: &Scorer) -> Option<String> {
    let tasks = scorer.external_parts().into_iter().filter_map(|part| JudgeTask::of(&part.kind)?.ok());
    let mut families: Vec<String> = Vec::new();
    for task in tasks {
        let EndpointSettings::Api(api) = definition(workspace, &task.judge, suite).ok()?.settings else { continue };
        let model = workspace.secrets.expand(&format!("endpoints.{}.model", task.judge), &api.model).ok()?;
        families.extend(model_family(&model));
    }
    families.dedup();
    // Judges of several families have no family of their own.
    if families.len() == 1 { families.pop() } else { None }
}
