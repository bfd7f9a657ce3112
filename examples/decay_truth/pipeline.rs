//! Measures coverage as `karat decay` does with its default settings.

use std::borrow::Cow;

use karat::coverage::{Copies, CoverageMeasurement, GoldenPoints, Options, Records, WindowPoints, measure};
use karat::vector::{Vectors, top_k};
use karat::wording::{Request, Reworded, asking_parts, other_languages, reword};

use crate::data::EmbeddingSpace;

/// A golden set: its points, and the text of each.
#[derive(Clone, Copy)]
pub struct GoldenSet<'a> {
    pub points: GoldenPoints<'a>,
    pub texts: &'a [&'a str],
}

/// The coverage of both windows; `None` if it cannot be calibrated.
pub fn measured(
    golden: GoldenSet<'_>,
    now: &Records<'_>,
    reference: Option<&Records<'_>>,
    space: &EmbeddingSpace,
    seed: u64,
) -> Option<CoverageMeasurement> {
    let copies_now = copies(golden, now, space, seed);
    let copies_then = reference.and_then(|records| copies(golden, records, space, seed));
    let other_now = other_languages(golden.texts, now.texts());
    let other_then = reference.map(|records| other_languages(golden.texts, records.texts())).unwrap_or_default();
    measure(
        golden.points,
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

/// Examples in the wording of a window; `None` if the space cannot embed them.
fn copies(
    golden: GoldenSet<'_>,
    window: &Records<'_>,
    space: &EmbeddingSpace,
    seed: u64,
) -> Option<(Reworded, Vectors)> {
    let nearest = top_k(window.vectors(), golden.points.vectors, 1, |_, _| false);
    let request = |row: usize| Request {
        text: window.texts()[row],
        topic: nearest[row].first().map(|neighbour| golden.points.topics[neighbour.index]),
        weight: window.weights()[row],
        vector: window.vectors().row(row),
    };
    let requests: Vec<_> = (0..window.len()).map(request).collect();
    let reworded = reword(golden.texts, &requests, seed);
    let vectors = space.embed(&reworded.texts.iter().map(String::as_str).collect::<Vec<_>>())?;
    Some((reworded, vectors))
}

/// The vectors of the parts of messages that ask; those of the whole messages if the space cannot embed parts.
pub fn asking_vectors<'v>(
    golden_texts: &[&str],
    texts: &[&str],
    whole: &'v Vectors,
    space: &EmbeddingSpace,
) -> Cow<'v, Vectors> {
    let parts = asking_parts(golden_texts, texts);
    let divided: Vec<usize> = (0..parts.len()).filter(|row| parts[*row] != texts[*row]).collect();
    let asking: Vec<&str> = divided.iter().map(|row| parts[*row]).collect();
    let Some(embedded) = space.embed(&asking).filter(|_| !divided.is_empty()) else { return Cow::Borrowed(whole) };
    let mut vectors = Vectors::with_capacity(whole.dim(), parts.len());
    for row in 0..parts.len() {
        let part = divided.binary_search(&row);
        vectors.push_row(part.map_or_else(|_| whole.row(row), |at| embedded.row(at)));
    }
    Cow::Owned(vectors)
}
