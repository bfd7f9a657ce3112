//! The score on the random labelled slice, made more precise by the scores that the examples predict for all records.

use std::collections::BTreeMap;

use super::findings::Findings;
use crate::core::domain::RecordIdx;
use crate::core::estimate::{SlicePoint, slice_estimate};
use crate::core::scoring::reduce;
use crate::core::stats::difference_newcombe;
use crate::core::vector::top_k;
use crate::core::view::{Cell, SliceView};

/// Number of scored examples that predict the score of a record.
const NEAREST: usize = 10;

/// The score of production's answer to a labelled record of the slice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SliceScore {
    /// The record.
    pub record: RecordIdx,
    /// The score, in [0, 1].
    pub score: f64,
}

/// The slice beside the golden set; `None` without a run or coverage, or if too few records of the slice are labelled.
pub(super) fn slice_view(findings: &Findings<'_>) -> Option<SliceView> {
    let (predicted, golden) = predictions(findings)?;
    let weights = findings.inputs.now.records.weights();
    let slice: BTreeMap<usize, f64> =
        findings.inputs.slice.iter().map(|labelled| (labelled.record.0, labelled.score)).collect();
    let point =
        |(row, score): (&usize, &f64)| SlicePoint { score: *score, predicted: predicted[*row], weight: weights[*row] };
    let points: Vec<SlicePoint> = slice.iter().map(point).collect();
    let others = (0..predicted.len()).filter(|row| !slice.contains_key(row));
    let others: Vec<(f64, f64)> = others.map(|row| (predicted[row], weights[row])).collect();
    let found = slice_estimate(&points, &others)?;
    let score = golden.iter().sum::<f64>() / golden.len() as f64;
    let difference = difference_newcombe(score, golden.len() as f64, found.score, found.labelled as f64, 0.95);
    Some(SliceView {
        labelled: found.labelled,
        score: found.score,
        lo: found.interval.lo,
        hi: found.interval.hi,
        powered: found.powered,
        powered_lo: found.powered_interval.lo,
        powered_hi: found.powered_interval.hi,
        lambda: found.lambda,
        golden: score,
        difference_lo: difference.lo,
        difference_hi: difference.hi,
        disagrees: !difference.contains(0.0),
        assumption: "production's answers come from the endpoint that was run, and the labelled records of the slice are as hard as the others".into(),
    })
}

/// The score that the nearest scored examples predict for every record, and the scores of all scored examples. A record with the
/// text of an example is not predicted by that example.
fn predictions(findings: &Findings<'_>) -> Option<(Vec<f64>, Vec<f64>)> {
    let (run, coverage) = findings.inputs.run.as_ref().zip(findings.coverage.as_ref())?;
    let inputs = &findings.inputs;
    let scored = |row: &usize| {
        let trials = run.scores.get(&inputs.dataset.examples[findings.live.rows()[*row].0].id)?;
        reduce(run.reduce, trials)
    };
    let (rows, scores): (Vec<usize>, Vec<f64>) =
        (0..findings.live.len()).filter_map(|row| Some((row, scored(&row)?))).unzip();
    if rows.is_empty() {
        return None;
    }
    let records = &inputs.now.records;
    let vectors = findings.live.vectors.part(&rows);
    let texts: Vec<&str> = rows.iter().map(|row| inputs.texts[findings.live.rows()[*row].0].as_str()).collect();
    let same = |record: usize, example: usize| records.texts()[record] == texts[example];
    let nearest = top_k(records.vectors(), &vectors, NEAREST, same).into_iter().zip(&coverage.now.records);
    let predicted = nearest.map(|(nearest, record)| {
        let similarity = |at: f32| f64::from(at.max(0.0));
        let total: f64 = nearest.iter().map(|neighbour| similarity(neighbour.similarity)).sum();
        let score: f64 = nearest.iter().map(|n| similarity(n.similarity) * scores[n.index]).sum();
        // What no example represents is hardly ever answered as it should be.
        if total > 0.0 { record.p_represented * score / total } else { 0.0 }
    });
    Some((predicted.collect(), scores))
}

/// The slice in one sentence.
pub(super) fn slice_note(slice: &SliceView) -> String {
    let share = |value: f64| Cell::Share(value, 0);
    let interval = |lo: f64, hi: f64| Cell::Interval(lo * 100.0, hi * 100.0, 0);
    format!(
        "production is right in {} ({}) of {} randomly drawn and labelled records, {} ({}) with predictions for the others; the golden set says {}: {}",
        share(slice.score),
        interval(slice.lo, slice.hi),
        slice.labelled,
        share(slice.powered),
        interval(slice.powered_lo, slice.powered_hi),
        share(slice.golden),
        if slice.disagrees { "ALARM, they disagree" } else { "they do not disagree" }
    )
}
