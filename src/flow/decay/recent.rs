//! The requests of the latest window of traffic that are most similar to an example, by vectors that are stored already.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::inputs::{span_of, traffic};
use crate::core::domain::{Card, Failure, Window};
use crate::core::vector::{Vectors, top_k};
use crate::core::wording::asking_parts;
use crate::flow::Workspace;

/// The distinct requests of a window whose vectors are stored.
pub struct RecentTraffic {
    /// The source.
    pub source: String,
    /// The window.
    pub window: Window,
    /// Number of distinct texts in the window, with and without a vector.
    pub distinct: usize,
    requests: Vec<RecentRequest>,
    vectors: Vectors,
}

/// A distinct request.
#[derive(Debug, Clone, PartialEq)]
pub struct RecentRequest {
    /// Its text, redacted.
    pub text: String,
    /// Number of production requests that its records represent.
    pub weight: f64,
    /// When it was last sent.
    pub at: Timestamp,
}

impl RecentTraffic {
    /// The time of the last record of the dataset's traffic; `None` if there is none.
    ///
    /// # Errors
    /// A store failure.
    pub fn last(workspace: &Workspace, card: &Card) -> Result<Option<Timestamp>, Failure> {
        let source = workspace.traffic_source(None, card)?;
        Ok(workspace.store.traffic_span(&source)?.map(|(_, last)| last))
    }

    /// Loads the latest window of the dataset's traffic, of the length that the workspace measures. `examples` are the texts of
    /// the examples.
    ///
    /// # Errors
    /// A data failure if there is no traffic; a store failure.
    pub fn load(workspace: &Workspace, card: &Card, examples: &[&str]) -> Result<Self, Failure> {
        let source = workspace.traffic_source(None, card)?;
        let (_, last) = span_of(workspace, &source)?;
        let window = Window::parse(&workspace.config.decay.window, last).map_err(Failure::data)?;
        let records = traffic(workspace, &source, window)?;
        let mut requests: BTreeMap<&str, RecentRequest> = BTreeMap::new();
        for stored in &records {
            let record = &stored.record;
            let fresh = || RecentRequest { text: record.input.clone(), weight: 0.0, at: record.at };
            let request = requests.entry(&record.input).or_insert_with(fresh);
            request.weight += record.weight();
            request.at = request.at.max(record.at);
        }
        let texts: Vec<&str> = requests.keys().copied().collect();
        let parts = asking_parts(examples, &texts);
        let stored = workspace.store.vectors(workspace.space(), &parts)?;
        let mut vectors = Vectors::new(stored.values().next().map_or(0, Vec::len));
        let mut known = Vec::new();
        for (position, request) in requests.values().enumerate() {
            if let Some(vector) = stored.get(&position) {
                vectors.push(vector);
                known.push(request.clone());
            }
        }
        Ok(Self { source, window, distinct: texts.len(), requests: known, vectors })
    }

    /// Number of distinct texts with a vector.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// The `k` requests most similar to a text, with their similarities; `None` if the text has no stored vector.
    ///
    /// # Errors
    /// A store failure.
    pub fn nearest(
        &self,
        workspace: &Workspace,
        text: &str,
        k: usize,
    ) -> Result<Option<Vec<(&RecentRequest, f32)>>, Failure> {
        let stored = workspace.store.vectors(workspace.space(), &[text])?;
        let Some(vector) = stored.get(&0) else { return Ok(None) };
        let mut query = Vectors::new(vector.len());
        query.push(vector);
        let found = top_k(&query, &self.vectors, k, |_, _| false).into_iter().flatten();
        Ok(Some(found.map(|near| (&self.requests[near.index], near.similarity)).collect()))
    }
}
