//! The probability of each record being represented.

use super::window::Scored;
use crate::core::domain::LiveIdx;

/// The coverage of one record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecordCoverage {
    /// Its nearest live example; `None` for a record with nothing to embed.
    pub nearest: Option<LiveIdx>,
    /// The topic of the nearest one after projection; `None` for a record with nothing to embed.
    pub topic: Option<usize>,
    /// Cosine similarity to that example.
    pub similarity: f64,
    /// Probability that a live example represents it.
    pub p_represented: f64,
}

/// The posterior of every record if a share `share` of the mixture is represented. The odds are shifted so that the
/// weighted mean in the mixture equals the share.
pub(super) fn records(scored: &Scored, share: f64) -> Vec<RecordCoverage> {
    let total: f64 = scored.embeddable().map(|row| row.weight).sum();
    let probability = |posterior: f64, shift: f64| {
        let odds = (posterior / (1.0 - posterior)).ln() + shift;
        1.0 / (1.0 + (-odds).exp())
    };
    let mean =
        |shift: f64| scored.embeddable().map(|row| row.weight * probability(row.posterior, shift)).sum::<f64>() / total;
    let shift = solve_increasing(mean, share);
    let record = |row: &Option<super::window::Row>| match row {
        None => RecordCoverage { nearest: None, topic: None, similarity: 0.0, p_represented: 0.0 },
        Some(row) => RecordCoverage {
            nearest: Some(LiveIdx(row.nearest)),
            topic: Some(row.topic),
            similarity: row.similarity,
            p_represented: match row.other_language {
                true => 0.0,
                false if row.certain => 1.0,
                false => probability(row.posterior, shift),
            },
        },
    };
    scored.rows.iter().map(record).collect()
}

/// The point in [−60, 60] at which an increasing function reaches `target`.
fn solve_increasing(mean: impl Fn(f64) -> f64, target: f64) -> f64 {
    let (mut low, mut high) = (-60.0, 60.0);
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if mean(middle) < target { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}
