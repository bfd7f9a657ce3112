//! Measures coverage as `karat decay` does with its default settings.

use karat::coverage::{Copies, CoverageMeasurement, GoldenPoints, Options, Record, Records, WindowPoints, measure};
use karat::vector::{Vectors, top_k};
use karat::wording::{Request, Reworded, asking_parts, other_languages, reword};

use crate::data::{Corpus, EmbeddingSpace, Texts};
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
        let parts = asking_parts(&golden.texts, &texts);
        let divided: Vec<usize> = (0..parts.len()).filter(|at| parts[*at] != texts[*at]).collect();
        let asking: Vec<&str> = divided.iter().map(|at| parts[*at]).collect();
        let embedded = source.space.embed(&asking);
        let mut vectors = Vectors::with_capacity(source.plain.vectors.dim(), rows.len());
        for (at, row) in rows.iter().enumerate() {
            let part = embedded.as_ref().zip(divided.binary_search(&at).ok());
            vectors.push_row(part.map_or_else(|| source.plain.vectors.row(*row), |(found, at)| found.row(at)));
        }
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
    let copies_now = copies(source, golden, now, seed);
    let copies_then = reference.and_then(|records| copies(source, golden, records, seed));
    let other_now = other_languages(&golden.texts, now.texts());
    let other_then = reference.map(|records| other_languages(&golden.texts, records.texts())).unwrap_or_default();
    measure(
        golden.points(),
        points(now, copies_now.as_ref(), &other_now.requests),
        reference.map(|records| points(records, copies_then.as_ref(), &other_then.requests)),
        Options { seed, replicates: 1_000, duplicate_similarity: 0.95, tolerated_gap: 0.01 },
    )
}

fn points<'a>(
    records: &'a Records<'a>,
    copies: Option<&'a (Reworded, Vectors)>,
    other_language: &'a [bool],
) -> WindowPoints<'a> {
    let copies = copies.map(|(reworded, vectors)| Copies { rows: &reworded.rows, vectors });
    WindowPoints { records, copies, other_language }
}

/// Examples in the wording of a window.
fn copies(source: Source<'_>, golden: &Golden<'_>, window: &Records<'_>, seed: u64) -> Option<(Reworded, Vectors)> {
    let nearest = top_k(window.vectors(), &golden.vectors, 1, |_, _| false);
    let request = |row: usize| Request {
        text: window.texts()[row],
        topic: nearest[row].first().map(|neighbour| golden.topics[neighbour.index]),
        weight: window.weights()[row],
        vector: window.vectors().row(row),
    };
    let requests: Vec<_> = (0..window.len()).map(request).collect();
    let reworded = reword(&golden.texts, &requests, seed);
    let vectors = source.space.embed(&reworded.texts.iter().map(String::as_str).collect::<Vec<_>>())?;
    Some((reworded, vectors))
}
