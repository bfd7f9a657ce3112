//! The sample of production's answers, and the clusters and months that they are in.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::ScoreTrafficOptions;
use crate::core::domain::{Example, ExampleStatus, Failure, TextRule, TrafficRecord, Window, WindowSummary};
use crate::core::sampling::weighted_sample;
use crate::core::traffic_scores::ScoredRecord;
use crate::core::view::Cell;
use crate::core::wording::asking_parts;
use crate::edge::store::StoredRecord;
use crate::flow::decay::inputs::{apply, span_of};
use crate::flow::slices::latest_clusters;
use crate::flow::{Events, Workspace};

/// A record's request as an example without an accepted answer, with production's answer.
pub(super) struct Answered {
    /// The request.
    pub example: Example,
    /// Production's answer.
    pub output: String,
}

/// The sample.
pub(super) struct TrafficSample {
    pub source: String,
    pub window: WindowSummary,
    /// Number of records of the window that have an output.
    pub with_output: usize,
    /// The requests and answers.
    pub answered: Vec<Arc<Answered>>,
    /// What is known of them, in the same order.
    pub records: Vec<ScoredRecord>,
    /// Number of known users or sessions.
    pub groups: usize,
    /// Names of the clusters by id; `None` if decay was not measured.
    pub cluster_names: Option<HashMap<String, String>>,
    pub clustering_version: Option<String>,
    pub notes: Vec<String>,
}

impl TrafficSample {
    /// Loads a window and draws the sample.
    pub(super) fn load(
        workspace: &Workspace,
        dataset: &str,
        options: &ScoreTrafficOptions,
        now: Timestamp,
        events: Events<'_>,
    ) -> Result<Self, Failure> {
        let source = workspace.traffic_source(options.source.as_deref(), &workspace.card(dataset)?)?;
        let (first, last) = span_of(workspace, &source)?;
        let text = options.window.as_deref().unwrap_or(&workspace.config.decay.window);
        let window = Window::parse(text, last).map_err(|problem| Failure::usage(format!("--window: {problem}")))?;
        let counts = workspace.store.count_window(&source, window)?;
        if counts.with_output.is_empty() {
            return Err(nothing_to_score(&source, window, counts.records, first, last));
        }
        let stored = drawn(workspace, &source, &counts.with_output, options)?;
        let mut sample = Self {
            window: WindowSummary { from: window.from, to: window.to, records: counts.records, weight: counts.weight },
            with_output: counts.with_output.len(),
            records: scored_records(&stored),
            groups: 0,
            cluster_names: None,
            clustering_version: None,
            notes: Vec::new(),
            answered: Vec::new(),
            source,
        };
        sample.groups = sample.records.iter().filter_map(|record| record.group).max().map_or(0, |most| most + 1);
        sample.place(workspace, dataset, &stored, events)?;
        sample.remark(now, last);
        sample.answered = stored.into_iter().map(|stored| Arc::new(answered(stored.record))).collect();
        Ok(sample)
    }

    /// Finds the cluster of every record, in the latest clustering of the dataset.
    fn place(
        &mut self,
        workspace: &Workspace,
        dataset: &str,
        stored: &[StoredRecord],
        events: Events<'_>,
    ) -> Result<(), Failure> {
        let Some((version, book)) = latest_clusters(workspace, dataset)? else {
            self.notes
                .push(format!("decay was not measured, so there are no clusters; `karat decay {dataset}` finds them"));
            return Ok(());
        };
        let rule = workspace.embedder.rule();
        let examples: Vec<String> =
            workspace.dataset(dataset)?.examples.iter().map(|example| rule.text(&example.input)).collect();
        let examples: Vec<&str> = examples.iter().map(String::as_str).collect();
        let texts: Vec<&str> = stored.iter().map(|stored| stored.record.input.as_str()).collect();
        let vectors = workspace.embed(&asking_parts(&examples, &texts), events)?;
        let placed = book.place(&vectors, workspace.config.decay.policy.membership);
        let mut names = HashMap::new();
        for (record, cluster) in self.records.iter_mut().zip(placed) {
            record.cluster = cluster.map(|cluster| {
                let known = book.get(cluster);
                names.entry(known.id.to_owned()).or_insert_with(|| known.cluster.name.clone());
                known.id.to_owned()
            });
        }
        self.cluster_names = Some(names);
        self.clustering_version = Some(version);
        Ok(())
    }

    fn remark(&mut self, now: Timestamp, last: Timestamp) {
        let days = now.duration_since(last).as_hours() / 24;
        if days > 30 {
            self.notes.push(format!("the latest record of \"{}\" is {days} days old", self.source));
        }
        let without = self.window.records.saturating_sub(self.with_output);
        if without > 0 {
            let (without, all) = (Cell::from(without), Cell::from(self.window.records));
            self.notes.push(format!("{without} of {all} records of the window have no output, and say nothing here"));
        }
    }
}

fn nothing_to_score(source: &str, window: Window, records: usize, first: Timestamp, last: Timestamp) -> Failure {
    let label = window.label();
    if records == 0 {
        return Failure::data(format!("\"{source}\" has no traffic in {label}"))
            .hint(format!("its records are from {first} to {last}; choose another --window"));
    }
    Failure::data(format!("none of the {} records of \"{source}\" in {label} has an output", Cell::from(records)))
        .hint("import production's answers with the requests: `karat traffic import FILE --map output=PATH`")
}

/// The sampled records, with the weights they have in the sample.
fn drawn(
    workspace: &Workspace,
    source: &str,
    with_output: &[(String, f64)],
    options: &ScoreTrafficOptions,
) -> Result<Vec<StoredRecord>, Failure> {
    let weights: Vec<(&str, f64)> = with_output.iter().map(|(id, rate)| (id.as_str(), 1.0 / rate)).collect();
    let sampled: Vec<(usize, f64)> = match weighted_sample(&weights, options.sample, options.seed) {
        Some(sample) => sample.into_iter().map(|sampled| (sampled.row, sampled.weight)).collect(),
        None => weights.iter().enumerate().map(|(row, (_, weight))| (row, *weight)).collect(),
    };
    let rule = workspace.embedder.rule();
    let mut records = Vec::with_capacity(sampled.len());
    for (row, weight) in sampled {
        let Some((id, _)) = weights.get(row) else { continue };
        let Some(mut stored) = workspace.store.traffic_record(source, id)? else { continue };
        stored.record.sample_rate = 1.0 / weight;
        if *rule != TextRule::default() {
            apply(rule, &mut stored);
        }
        records.push(stored);
    }
    Ok(records)
}

fn scored_records(stored: &[StoredRecord]) -> Vec<ScoredRecord> {
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let mut records = Vec::with_capacity(stored.len());
    for StoredRecord { record, .. } in stored {
        let next = numbers.len();
        let group = record.group.as_deref().map(|group| *numbers.entry(group).or_insert(next));
        let month = record.at.to_zoned(TimeZone::UTC).strftime("%Y-%m").to_string();
        records.push(ScoredRecord { weight: record.weight(), group, month, cluster: None });
    }
    records
}

/// A record as an example: its request, and the context if the request has a field of that name. It has no accepted
/// answer and no metadata.
fn answered(record: TrafficRecord) -> Answered {
    let structure = record.structure.as_deref().and_then(|json| serde_json::from_str::<Value>(json).ok());
    let context = structure.as_ref().and_then(|value| value.get("context")).filter(|context| !context.is_null());
    let example = Example {
        id: record.record_id,
        context: context.cloned(),
        input: structure.unwrap_or(Value::String(record.input)),
        expected: Vec::new(),
        turns: Vec::new(),
        metadata: Map::new(),
        tags: Vec::new(),
        created_at: None,
        labeled_at: None,
        labeled_by: None,
        reviewed_at: None,
        valid_until: None,
        source: None,
        sources: Vec::new(),
        assert: None,
        critical: false,
        status: ExampleStatus::Active,
        retired_reason: None,
        line: 0,
    };
    Answered { example, output: record.output.unwrap_or_default() }
}
