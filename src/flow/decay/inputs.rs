//! What an assay looks at: the set, the window, the reference window, and their vectors.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::core::domain::{Dataset, Failure, TextRule, Window, WindowSummary};
use crate::core::new_clusters::topics_of;
use crate::core::vector::Vectors;
use crate::edge::store::StoredRecord;
use crate::flow::{Events, Workspace};

/// How an assay is done.
#[derive(Debug, Clone, Default)]
pub struct DecayOptions {
    /// The window measured; the workspace's where none is given.
    pub window: Option<String>,
    /// The window it is compared with; the card's, or else the earliest of the same length, where none is given.
    pub reference: Option<String>,
    /// The traffic source; the card's, or else `default`, where none is given.
    pub source: Option<String>,
    /// Seed of everything random.
    pub seed: u64,
}

/// The records of one window.
pub(super) struct WindowRecords {
    pub window: Window,
    pub records: Vec<StoredRecord>,
    pub weights: Vec<f64>,
    /// User or session of each, numbered; a record without one is its own.
    pub groups: Vec<usize>,
}

impl WindowRecords {
    fn new(window: Window, mut records: Vec<StoredRecord>, rule: &TextRule) -> Self {
        if *rule != TextRule::default() {
            records.iter_mut().for_each(|stored| apply(rule, stored));
        }
        let weights = records.iter().map(|stored| stored.record.weight()).collect();
        let mut known: HashMap<String, usize> = HashMap::new();
        let mut next = 0;
        let mut number = || {
            next += 1;
            next - 1
        };
        let groups = records
            .iter()
            .map(|stored| match &stored.record.group {
                Some(group) => *known.entry(group.clone()).or_insert_with(&mut number),
                None => number(),
            })
            .collect();
        Self { window, records, weights, groups }
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub fn texts(&self) -> Vec<&str> {
        self.records.iter().map(|stored| stored.record.input.as_str()).collect()
    }

    /// What production answered, where known.
    pub fn outputs(&self) -> Vec<Option<&str>> {
        self.records.iter().map(|stored| stored.record.output.as_deref()).collect()
    }

    pub fn summary(&self) -> WindowSummary {
        WindowSummary {
            from: self.window.from,
            to: self.window.to,
            records: self.records.len(),
            weight: self.weights.iter().sum(),
        }
    }
}

/// Takes the text of a structured record by a rule of the workspace's own; the default one was applied at import.
fn apply(rule: &TextRule, stored: &mut StoredRecord) {
    let structure = stored.record.structure.as_deref().map(serde_json::from_str::<serde_json::Value>);
    if let Some(Ok(value)) = structure {
        stored.record.input = rule.text(&value);
    }
}

/// Everything an assay looks at.
pub(super) struct Inputs {
    pub dataset: Dataset,
    /// The text of every example.
    pub texts: Vec<String>,
    pub now: WindowRecords,
    pub reference: Option<WindowRecords>,
    pub notes: Vec<String>,
    /// When the assay is made.
    pub at: Timestamp,
    /// Seed of everything random.
    pub seed: u64,
}

impl Inputs {
    pub fn load(workspace: &Workspace, dataset: &str, options: &DecayOptions, at: Timestamp) -> Result<Self, Failure> {
        let dataset = workspace.dataset(dataset)?;
        let source = source_of(&dataset, options);
        let span = workspace.store.traffic_span(&source)?;
        let Some((first, last)) = span else {
            let sources: Vec<String> = workspace.store.traffic_stats()?.into_iter().map(|stats| stats.source).collect();
            let hint = if sources.is_empty() {
                format!("import some with `karat traffic import FILE --source {source}`")
            } else {
                format!(
                    "sources with traffic are {}; set \"traffic\" in the dataset's card or pass --source",
                    sources.join(", ")
                )
            };
            return Err(Failure::data(format!("there is no traffic in the source \"{source}\"")).hint(hint));
        };
        let mut notes = Vec::new();
        let rule = workspace.embedder.rule();
        let texts = dataset.examples.iter().map(|example| rule.text(&example.input)).collect();
        let text = options.window.as_deref().unwrap_or(&workspace.config.decay.window);
        let window = Window::parse(text, last).map_err(|problem| Failure::usage(format!("--window: {problem}")))?;
        let records = |window: Window| {
            workspace.store.traffic(&source, window).map(|records| WindowRecords::new(window, records, rule))
        };
        let now = records(window)?;
        if now.is_empty() {
            notes.push(format!("no traffic of \"{source}\" in {}; it holds {first} to {last}", window.label()));
        }
        let age = at.duration_since(last).as_hours() / 24;
        if age > 30 {
            notes.push(format!("the latest record of \"{source}\" is {age} days old"));
        }
        let reference = reference_window(&dataset, options, window, first)?;
        let reference = reference.map(records).transpose()?.filter(|records| !records.is_empty());
        if reference.is_none() {
            notes.push("no reference window: drift and vanished traffic are not measured; set \"reference\" in the dataset's card".into());
        }
        Ok(Self { dataset, texts, now, reference, notes, at, seed: options.seed })
    }
}

fn source_of(dataset: &Dataset, options: &DecayOptions) -> String {
    options.source.clone().or_else(|| dataset.card.traffic.clone()).unwrap_or_else(|| "default".into())
}

/// Every different text that an assay of a dataset could ask vectors of, whatever its window: those of its examples
/// and of its traffic.
///
/// # Errors
/// A data failure for a dataset that cannot be read; a store failure.
pub fn texts_of(workspace: &Workspace, dataset: &str, options: &DecayOptions) -> Result<Vec<String>, Failure> {
    let dataset = workspace.dataset(dataset)?;
    let rule = workspace.embedder.rule();
    let mut texts: Vec<String> = dataset.examples.iter().map(|example| rule.text(&example.input)).collect();
    let source = source_of(&dataset, options);
    if let Some((first, last)) = workspace.store.traffic_span(&source)? {
        let after = last.checked_add(SignedDuration::from_millis(1)).unwrap_or(last);
        let records = WindowRecords::new(
            Window { from: first, to: after },
            workspace.store.traffic(&source, Window { from: first, to: after })?,
            rule,
        );
        texts.extend(records.records.into_iter().map(|stored| stored.record.input));
    }
    texts.sort();
    texts.dedup();
    Ok(texts)
}

/// The window named, or else the earliest of the same length that does not overlap.
fn reference_window(
    dataset: &Dataset,
    options: &DecayOptions,
    window: Window,
    first: Timestamp,
) -> Result<Option<Window>, Failure> {
    if let Some(text) = options.reference.as_ref().or(dataset.card.reference.as_ref()) {
        let named =
            Window::parse(text, first).map_err(|problem| Failure::data(format!("reference window: {problem}")))?;
        // The window under measure may be the reference itself: then there is nothing to compare it with.
        return Ok((!named.overlaps(&window)).then_some(named));
    }
    let length: SignedDuration = window.to.duration_since(window.from);
    let earliest = first.checked_add(length).ok().map(|to| Window { from: first, to });
    Ok(earliest.filter(|earliest| !earliest.overlaps(&window)))
}

/// The live rows of a set.
pub(super) struct Live {
    pub rows: Vec<usize>,
}

impl Live {
    pub fn select_from(&self, golden: &Vectors) -> Vectors {
        golden.select(&self.rows)
    }
}

/// Vectors of everything an assay looks at.
pub(super) struct Embedded {
    /// One row an example of the set.
    pub golden: Vectors,
    /// The live ones among them.
    pub live: Live,
    pub now: Vectors,
    pub reference: Option<Vectors>,
}

impl Embedded {
    pub fn new(workspace: &Workspace, inputs: &Inputs, events: Events<'_>) -> Result<Self, Failure> {
        let embed = |texts: &[&str]| workspace.embed(texts, events);
        let golden = embed(&inputs.texts.iter().map(String::as_str).collect::<Vec<_>>())?;
        let rows = inputs.dataset.examples.iter().enumerate().filter(|(_, example)| example.is_live(inputs.at));
        Ok(Self {
            golden,
            live: Live { rows: rows.map(|(row, _)| row).collect() },
            now: embed(&inputs.now.texts())?,
            reference: inputs.reference.as_ref().map(|records| embed(&records.texts())).transpose()?,
        })
    }
}

/// The topic of every live example: its label, where labels are few against examples, else a cluster of its own kind.
pub(super) fn topics(inputs: &Inputs, embedded: &Embedded, seed: u64) -> Vec<usize> {
    let live: Vec<_> = embedded.live.rows.iter().map(|row| &inputs.dataset.examples[*row]).collect();
    let labels: Vec<Option<String>> = live.iter().map(|example| example.label()).collect();
    let mut distinct: Vec<&String> = labels.iter().flatten().collect();
    distinct.sort();
    distinct.dedup();
    let labelled = labels.iter().all(Option::is_some) && distinct.len() >= 3 && distinct.len() * 3 <= labels.len();
    if labelled {
        return labels.iter().flatten().map(|label| distinct.binary_search(&label).unwrap_or(0)).collect();
    }
    topics_of(&embedded.live.select_from(&embedded.golden), seed)
}
