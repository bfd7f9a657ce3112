//! Golden sets and windows drawn from the file, and their coverage.

use karat::coverage::{CoverageMeasurement, GoldenPoints, Record, Records};
use karat::vector::Vectors;

use crate::data::{Corpus, EmbeddingSpace, Texts};
use crate::pipeline::{self, GoldenSet, asking_vectors};
use crate::world::Part;

/// Everything drawn from one file.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub corpus: &'a Corpus,
    pub space: &'a EmbeddingSpace,
    /// The texts of the file, and their vectors.
    pub plain: &'a Texts,
}

/// A golden set. Every list has one entry per example.
#[derive(Clone)]
pub struct Golden<'a> {
    /// The row of each in the file.
    pub rows: Vec<usize>,
    pub vectors: Vectors,
    pub texts: Vec<&'a str>,
    /// The topic of each: the number of its intent in the list that the set was made of.
    pub topics: Vec<usize>,
}

impl<'a> Golden<'a> {
    /// The golden rows of these intents.
    pub fn of(source: Source<'a>, parts: &[Part]) -> Self {
        let rows = parts.iter().enumerate().flat_map(|(topic, part)| part.golden.iter().map(move |row| (*row, topic)));
        let (rows, topics): (Vec<usize>, Vec<usize>) = rows.unzip();
        let texts = rows.iter().map(|row| source.plain.texts[*row].as_str()).collect();
        Self { vectors: source.plain.vectors.select(&rows), rows, texts, topics }
    }

    pub fn points(&self) -> GoldenPoints<'_> {
        GoldenPoints { vectors: &self.vectors, topics: &self.topics }
    }
}

/// A window of traffic. Every list has one entry per record.
pub struct Traffic<'a> {
    pub rows: Vec<usize>,
    pub texts: Vec<&'a str>,
    ids: Vec<String>,
    /// The vectors of the parts that ask.
    vectors: Vectors,
}

impl<'a> Traffic<'a> {
    pub fn of(source: Source<'a>, golden: &Golden<'_>, rows: Vec<usize>) -> Self {
        let texts: Vec<&str> = rows.iter().map(|row| source.plain.texts[*row].as_str()).collect();
        let whole = source.plain.vectors.select(&rows);
        let vectors = asking_vectors(&golden.texts, &texts, &whole, source.space).into_owned();
        let ids = (0..rows.len()).map(|at| format!("r{at}")).collect();
        Self { rows, texts, ids, vectors }
    }

    /// Its records, with production's answers if there are any.
    pub fn records<'t>(&'t self, outputs: &[&'t str]) -> Records<'t> {
        let record = |at: usize| Record {
            id: &self.ids[at],
            weight: 1.0,
            group: at,
            text: self.texts[at],
            output: outputs.get(at).copied(),
        };
        Records::new(&self.vectors, (0..self.rows.len()).map(record))
    }
}

/// The coverage of both windows; `None` if it cannot be calibrated.
pub fn measured(
    source: Source<'_>,
    golden: &Golden<'_>,
    now: &Records<'_>,
    reference: Option<&Records<'_>>,
    seed: u64,
) -> Option<CoverageMeasurement> {
    let set = GoldenSet { points: golden.points(), texts: &golden.texts };
    pipeline::measured(set, now, reference, source.space, seed)
}
