//! What follows from labels: which rows of the golden set change, which are new, and which flags are settled.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::given::Given;
use super::import::LabelImportOptions;
use super::record;
use crate::core::domain::{Dataset, Example, ExampleStatus, Failure, canonical_json, input_text};
use crate::core::golden::{NewRow, RowEdit, has_field};
use crate::core::labelling::{Consensus, LabelTask, Settled, Subject, consensus};
use crate::core::privacy::sanitize::truncate_chars;
use crate::core::queue::{Decided, Decision, FlagRow, QueueStep};
use crate::core::tabular::Format;
use crate::core::view::{ReviewedExample, TiedTask, count_of};
use crate::flow::queue::answers_value;

/// Number of characters shown of an input.
const SHOWN: usize = 200;

/// What follows from labels.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub edits: Vec<RowEdit>,
    pub new_rows: Vec<NewRow>,
    /// Ids of the examples that the edits change.
    pub changed: BTreeSet<String>,
    pub decided: Vec<Decided>,
    pub settled: Vec<Settled>,
    pub confirmed: Vec<ReviewedExample>,
    pub relabelled: Vec<ReviewedExample>,
    pub added: Vec<ReviewedExample>,
    pub ties: Vec<TiedTask>,
    pub slice_labels: usize,
    pub waiting: usize,
    pub notes: Vec<String>,
    /// Why labels cannot be applied.
    problems: Vec<String>,
    /// Fields that the file has no column for.
    missing: BTreeSet<&'static str>,
}

/// Answers that annotators agreed on.
struct Agreed<'a> {
    task: &'a LabelTask,
    answers: Vec<String>,
    by: Vec<String>,
    of: usize,
    /// The day of the latest of their labels.
    day: String,
}

impl Agreed<'_> {
    fn reviewed(&self, example_id: &str, before: Vec<String>) -> ReviewedExample {
        ReviewedExample {
            example_id: example_id.to_owned(),
            input: shown(self.task),
            before,
            answers: self.answers.clone(),
            by: self.by.clone(),
            annotators: self.of,
        }
    }

    /// `2 of 3 annotators`.
    fn votes(&self) -> String {
        format!("{} of {}", self.by.len(), count_of(self.of, "annotator"))
    }
}

fn shown(task: &LabelTask) -> String {
    truncate_chars(&input_text(&task.input), SHOWN).into_owned()
}

/// The golden set as it is, with its file's text.
struct Present<'a> {
    set: &'a Dataset,
    text: &'a str,
    format: Format,
    flags: &'a [FlagRow],
    now: Timestamp,
}

impl Present<'_> {
    /// Whether rows of the file can have the field.
    fn has(&self, field: &str) -> bool {
        has_field(self.text, self.format, field)
    }
}

impl Plan {
    /// Plans what follows from the given labels.
    ///
    /// # Errors
    /// A data failure that lists every label that cannot be applied, or every tie if ties are refused.
    pub fn new(
        given: &Given,
        set: &Dataset,
        (text, format): (&str, Format),
        flags: &[FlagRow],
        options: &LabelImportOptions,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let present = Present { set, text, format, flags, now };
        let mut plan = Self::default();
        for task in given.touched.iter().filter_map(|id| given.tasks.get(id)) {
            plan.task(task, given, options, &present);
        }
        if !plan.missing.is_empty() {
            let names: Vec<&str> = plan.missing.iter().copied().collect();
            plan.notes.push(format!("the file has no column {}; only the database has it", names.join(" and ")));
        }
        if options.refuse_ties && !plan.ties.is_empty() {
            let tie = |tie: &TiedTask| format!("{}: {} ({})", tie.task_id, tie.labels.join(" or "), tie.input);
            return Err(Failure::data(format!(
                "the annotators are tied on {}; nothing was changed",
                count_of(plan.ties.len(), "task")
            ))
            .details(plan.ties.iter().map(tie).collect())
            .hint("ask another annotator, or leave --refuse-ties out: then these tasks wait for another label"));
        }
        if !plan.problems.is_empty() {
            return Err(Failure::data(format!(
                "{} cannot be applied; nothing was changed",
                count_of(plan.problems.len(), "label")
            ))
            .details(plan.problems)
            .hint("export the tasks again with `karat queue export`"));
        }
        Ok(plan)
    }

    /// Whether the golden set's file changes.
    pub fn changes_file(&self) -> bool {
        !self.edits.is_empty() || !self.new_rows.is_empty()
    }

    fn task(&mut self, task: &LabelTask, given: &Given, options: &LabelImportOptions, present: &Present<'_>) {
        match consensus(&given.votes(&task.task_id), options.min_labels) {
            Consensus::Waiting { .. } => self.waiting += 1,
            Consensus::Tied { labels, of } => {
                self.ties.push(TiedTask { task_id: task.task_id.clone(), input: shown(task), labels, annotators: of });
            }
            Consensus::Agreed { answers, by, of } => {
                let dates = given.of_task(&task.task_id).filter(|row| by.contains(&row.annotator));
                let latest = dates.map(|row| row.labeled_at).max().unwrap_or(present.now);
                let day = latest.to_zoned(jiff::tz::TimeZone::UTC).date().to_string();
                self.slice_labels += usize::from(task.slice.is_some());
                let agreed = Agreed { task, answers, by, of, day };
                if task.settled.as_ref() != Some(&agreed.answers) {
                    self.apply(&agreed, present);
                }
            }
        }
    }

    fn apply(&mut self, agreed: &Agreed<'_>, present: &Present<'_>) {
        let examples = &present.set.examples;
        match &agreed.task.subject {
            Subject::Example { id } => match examples.iter().find(|example| example.id == *id) {
                Some(example) => self.review(agreed, example, present),
                None => self.problems.push(format!("the golden set no longer contains the example \"{id}\"")),
            },
            Subject::Record { .. } if !agreed.task.candidate => {}
            Subject::Record { source, id } => {
                let new_id = record::example_id(source, id);
                let input = canonical_json(&agreed.task.input);
                let found =
                    examples.iter().find(|example| example.id == new_id || canonical_json(&example.input) == input);
                match found {
                    Some(example) => self.review(agreed, example, present),
                    None => self.add(agreed, new_id, record::provenance(source, id), present),
                }
            }
        }
    }

    /// Confirms or replaces the answer of an example.
    fn review(&mut self, agreed: &Agreed<'_>, example: &Example, present: &Present<'_>) {
        let (task, before) = (agreed.task, example.expected_texts());
        if canonical_json(&example.input) != canonical_json(&task.input) {
            let problem = format!("the input of the example \"{}\" has changed since it was exported", example.id);
            return self.problems.push(problem);
        }
        let exported = matches!(task.subject, Subject::Example { .. });
        let as_before = |answers: &Vec<String>| sorted(answers) == sorted(&before);
        if exported && !as_before(&task.expected) && !task.settled.as_ref().is_some_and(as_before) {
            let problem = format!("the answer of the example \"{}\" has changed since it was exported", example.id);
            return self.problems.push(problem);
        }
        self.settled.push(Settled { task_id: task.task_id.clone(), answers: agreed.answers.clone() });
        if example.status == ExampleStatus::Retired {
            self.notes.push(format!("the example \"{}\" is retired; its label is stored, but not applied", example.id));
            return;
        }
        let accepted = match agreed.answers.as_slice() {
            [one] => before.contains(one),
            several => sorted(several) == sorted(&before),
        };
        let reviewed = agreed.reviewed(&example.id, before);
        if accepted {
            self.edit(example, vec![("reviewed_at", json!(agreed.day))], present);
            self.decide(agreed, example, Decision::Dismiss, present);
            self.confirmed.push(reviewed);
        } else {
            let fields = vec![
                ("expected", answers_value(&agreed.answers)),
                ("labeled_at", json!(agreed.day)),
                ("labeled_by", json!(agreed.by.join(", "))),
            ];
            self.edit(example, fields, present);
            self.decide(agreed, example, Decision::Relabel, present);
            self.relabelled.push(reviewed);
        }
    }

    fn edit(&mut self, example: &Example, fields: Vec<(&'static str, Value)>, present: &Present<'_>) {
        let fields = self.with_columns(fields, present);
        if !fields.is_empty() {
            self.changed.insert(example.id.clone());
            self.edits.push(RowEdit { line: example.line, fields });
        }
    }

    /// The fields that rows of the file can have; the others are noted. Without a column for the accepted answers, the edit fails.
    fn with_columns(
        &mut self,
        fields: Vec<(&'static str, Value)>,
        present: &Present<'_>,
    ) -> Vec<(&'static str, Value)> {
        let there = |name: &str| matches!(name, "input" | "expected") || present.has(name);
        let (fields, missing): (Vec<_>, Vec<_>) = fields.into_iter().partition(|(name, _)| there(name));
        self.missing.extend(missing.into_iter().map(|(name, _)| name));
        fields
    }

    /// Settles the flags of an example that a label settles. If none is open, a new answer is recorded for all its flags.
    fn decide(&mut self, agreed: &Agreed<'_>, example: &Example, decision: Decision, present: &Present<'_>) {
        let of_example: Vec<&FlagRow> = present.flags.iter().filter(|row| row.flag.example_id == example.id).collect();
        let open = of_example.iter().filter(|row| row.flag.code.is_settled_by_label() && row.state.is_open());
        let mut settled: Vec<&FlagRow> = open.copied().collect();
        if settled.is_empty() && decision == Decision::Relabel {
            settled = of_example;
        }
        let step = |row: &FlagRow| QueueStep {
            dataset: present.set.name.clone(),
            example_id: example.id.clone(),
            code: row.flag.code,
            at: present.now.to_string(),
            from: Some(row.state),
            to: decision.state(),
            by: Some(agreed.by.join(", ")),
            reason: Some(agreed.votes()),
            detail: Some(agreed.answers.join(" | ")),
        };
        self.decided.extend(settled.into_iter().map(|row| Decided {
            step: step(row),
            snoozed_until: None,
            row: None,
            undoes: None,
        }));
    }

    /// Adds a labelled record to the golden set.
    fn add(&mut self, agreed: &Agreed<'_>, id: String, source: String, present: &Present<'_>) {
        self.settled.push(Settled { task_id: agreed.task.task_id.clone(), answers: agreed.answers.clone() });
        let input = canonical_json(&agreed.task.input);
        let twice = self
            .new_rows
            .iter()
            .any(|row| row.iter().any(|(name, value)| name == "input" && canonical_json(value) == input));
        if twice {
            return;
        }
        let fields = vec![
            ("id", json!(id)),
            ("input", agreed.task.input.clone()),
            ("expected", answers_value(&agreed.answers)),
            ("labeled_at", json!(agreed.day)),
            ("labeled_by", json!(agreed.by.join(", "))),
            ("source", json!(source)),
        ];
        self.added.push(agreed.reviewed(&id, Vec::new()));
        let row = self.with_columns(fields, present);
        self.new_rows.push(row.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    }
}

fn sorted(answers: &[String]) -> Vec<&String> {
    let mut answers: Vec<&String> = answers.iter().collect();
    answers.sort();
    answers
}
