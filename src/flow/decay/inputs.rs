//! Loads the inputs of a decay measurement: the dataset, the window, the reference window, and their vectors.

use jiff::{SignedDuration, Timestamp};

use crate::core::decay::TrafficWindow;
use crate::core::domain::{Dataset, Failure, KaratGate, TextRule, TrafficRecord, Window};
use crate::core::records::Records;
use crate::core::sampling::weighted_sample;
use crate::core::vector::Vectors;
use crate::core::view::{Cell, count_of};
use crate::core::wording::asking_parts;
use crate::edge::store::StoredRecord;
use crate::flow::{Events, Workspace};

/// Maximum number of records of a window that are measured. More would hardly narrow the intervals, to which topics
/// contribute more than records, but everyone would wait for the vectors.
const MAX_RECORDS: usize = 20_000;

/// Options for measuring decay.
#[derive(Debug, Clone, Default)]
pub struct DecayOptions {
    /// The window to measure; `None` for the workspace's default.
    pub window: Option<String>,
    /// The window to compare with; `None` for the card's, or else the earliest of the same length.
    pub reference: Option<String>,
    /// The traffic source; `None` for the card's, or else `default`.
    pub source: Option<String>,
    /// Seed of the random generator.
    pub seed: u64,
    /// The minimum karats that suites require; the stricter of this and the workspace's counts.
    pub karats: Option<KaratGate>,
}

/// A dataset and its traffic, with vectors.
pub(super) struct Loaded {
    pub dataset: Dataset,
    /// The source of the traffic.
    pub source: String,
    /// The text of every example.
    pub texts: Vec<String>,
    /// The vector of every example.
    pub golden: Vectors,
    pub now: LoadedWindow,
    pub reference: Option<LoadedWindow>,
    pub notes: Vec<String>,
}

/// The records of one window.
pub(super) struct LoadedWindow {
    pub span: Window,
    /// Its records, or a sample of them.
    traffic: Vec<StoredRecord>,
    /// Number of records it has.
    records: usize,
    vectors: Vectors,
}

impl LoadedWindow {
    /// Loads the window, and embeds the part of each request that asks. `examples` are the texts of the live ones.
    fn new(
        workspace: &Workspace,
        source: &str,
        span: Window,
        examples: &[&str],
        seed: u64,
        events: Events<'_>,
    ) -> Result<Self, Failure> {
        let mut traffic = traffic(workspace, source, span)?;
        let records = traffic.len();
        thin_out(&mut traffic, seed);
        let texts: Vec<&str> = traffic.iter().map(|stored| stored.record.input.as_str()).collect();
        Ok(Self { span, vectors: workspace.embed(&asking_parts(examples, &texts), events)?, traffic, records })
    }

    pub fn as_input(&self) -> TrafficWindow<'_> {
        TrafficWindow { span: self.span, records: Records::of_traffic(&self.vectors, self.records()), wording: None }
    }

    /// Its records, in the order of its vectors.
    pub fn records(&self) -> impl Iterator<Item = &TrafficRecord> {
        self.traffic.iter().map(|stored| &stored.record)
    }

    /// Tells that only a sample was measured.
    fn note(&self) -> Option<String> {
        let (measured, all) = (Cell::from(self.traffic.len()), count_of(self.records, "record"));
        (self.traffic.len() < self.records)
            .then(|| format!("{}: measured on a weighted sample of {measured} of {all}", self.span.label()))
    }
}

/// The traffic of a span, with texts extracted by the text rule of the workspace's embedder.
pub(super) fn traffic(workspace: &Workspace, source: &str, span: Window) -> Result<Vec<StoredRecord>, Failure> {
    let mut records = workspace.store.traffic(source, span)?;
    let rule = workspace.embedder.rule();
    if *rule != TextRule::default() {
        records.iter_mut().for_each(|stored| apply(rule, stored));
    }
    Ok(records)
}

/// Extracts the text of a structured record by this rule. The default rule was applied at import.
pub(in crate::flow) fn apply(rule: &TextRule, stored: &mut StoredRecord) {
    let structure = stored.record.structure.as_deref().map(serde_json::from_str::<serde_json::Value>);
    if let Some(Ok(value)) = structure {
        stored.record.input = rule.text(&value);
    }
}

/// Reduces traffic to a weighted sample of at most [`MAX_RECORDS`].
fn thin_out(traffic: &mut Vec<StoredRecord>, seed: u64) {
    let weights: Vec<(&str, f64)> =
        traffic.iter().map(|stored| (stored.record.record_id.as_str(), stored.record.weight())).collect();
    let Some(sample) = weighted_sample(&weights, MAX_RECORDS, seed) else { return };
    let mut sample = sample.into_iter().peekable();
    let mut row = 0;
    traffic.retain_mut(|stored| {
        let drawn = sample.next_if(|sampled| sampled.row == row);
        row += 1;
        drawn.inspect(|sampled| stored.record.sample_rate = 1.0 / sampled.weight).is_some()
    });
}

impl Loaded {
    pub fn new(
        workspace: &Workspace,
        dataset: &str,
        options: &DecayOptions,
        at: Timestamp,
        events: Events<'_>,
    ) -> Result<Self, Failure> {
        let dataset = workspace.dataset(dataset)?;
        let source = workspace.traffic_source(options.source.as_deref(), &dataset.card)?;
        let (first, last) = span_of(workspace, &source)?;
        let text = options.window.as_deref().unwrap_or(&workspace.config.decay.window);
        let span = Window::parse(text, last).map_err(|problem| Failure::usage(format!("--window: {problem}")))?;
        let reference_span = reference_window(&dataset, options, span, first)?;
        let rule = workspace.embedder.rule();
        let texts: Vec<String> = dataset.examples.iter().map(|example| rule.text(&example.input)).collect();
        let golden = workspace.embed(&texts.iter().map(String::as_str).collect::<Vec<_>>(), events)?;
        let examples = dataset.examples.iter().zip(&texts).filter(|(example, _)| example.is_live(at));
        let live: Vec<&str> = examples.map(|(_, text)| text.as_str()).collect();
        let window = |span| LoadedWindow::new(workspace, &source, span, &live, options.seed, events);
        let now = window(span)?;
        let reference = reference_span.map(window).transpose()?.filter(|window| !window.traffic.is_empty());
        let mut notes = Vec::new();
        if now.traffic.is_empty() {
            notes.push(format!(
                "\"{source}\" has no traffic in {}; its records are from {first} to {last}",
                span.label()
            ));
        }
        let age = at.duration_since(last).as_hours() / 24;
        if age > 30 {
            notes.push(format!("the latest record of \"{source}\" is {age} days old"));
        }
        notes.extend(std::iter::once(&now).chain(&reference).filter_map(LoadedWindow::note));
        if reference.is_none() {
            notes.push("no reference window, so drift and vanished traffic are not measured; set \"reference\" in the dataset's card".into());
        }
        Ok(Self { dataset, source, texts, golden, now, reference, notes })
    }
}

/// Times of the first and last record of a source.
pub(in crate::flow) fn span_of(workspace: &Workspace, source: &str) -> Result<(Timestamp, Timestamp), Failure> {
    if let Some(span) = workspace.store.traffic_span(source)? {
        return Ok(span);
    }
    let sources = workspace.store.traffic_sources()?;
    let hint = if sources.is_empty() {
        format!("import some with `karat traffic import FILE --source {source}`")
    } else {
        format!("sources with traffic: {}; set \"traffic\" in the dataset's card or pass --source", sources.join(", "))
    };
    Err(Failure::data(format!("there is no traffic in the source \"{source}\"")).hint(hint))
}

/// Returns the distinct texts that decay measurements of a dataset need vectors for, whatever their window: those of its
/// examples, and the parts of its traffic that ask. Which part of a long message asks depends on the window to some
/// extent, so a measurement may need a few other vectors.
///
/// # Errors
/// A data failure if the dataset cannot be read; a store failure.
pub fn texts_of(workspace: &Workspace, dataset: &str, options: &DecayOptions) -> Result<Vec<String>, Failure> {
    let dataset = workspace.dataset(dataset)?;
    let rule = workspace.embedder.rule();
    let mut texts: Vec<String> = dataset.examples.iter().map(|example| rule.text(&example.input)).collect();
    let source = workspace.traffic_source(options.source.as_deref(), &dataset.card)?;
    if let Some((first, last)) = workspace.store.traffic_span(&source)? {
        let after = last.checked_add(SignedDuration::from_millis(1)).unwrap_or(last);
        let records = traffic(workspace, &source, Window { from: first, to: after })?;
        let examples: Vec<&str> = texts.iter().map(String::as_str).collect();
        let messages: Vec<&str> = records.iter().map(|stored| stored.record.input.as_str()).collect();
        let parts: Vec<String> = asking_parts(&examples, &messages).into_iter().map(str::to_owned).collect();
        texts.extend(parts);
    }
    texts.sort();
    texts.dedup();
    Ok(texts)
}

/// The reference window given, or else the earliest one of the same length. `None` if it overlaps the window measured.
fn reference_window(
    dataset: &Dataset,
    options: &DecayOptions,
    window: Window,
    first: Timestamp,
) -> Result<Option<Window>, Failure> {
    if let Some(text) = options.reference.as_ref().or(dataset.card.reference.as_ref()) {
        let named =
            Window::parse(text, first).map_err(|problem| Failure::data(format!("reference window: {problem}")))?;
        // The window measured may be the reference itself: then there is nothing to compare it with.
        return Ok((!named.overlaps(&window)).then_some(named));
    }
    let length: SignedDuration = window.to.duration_since(window.from);
    let earliest = first.checked_add(length).ok().map(|to| Window { from: first, to });
    Ok(earliest.filter(|earliest| !earliest.overlaps(&window)))
}
