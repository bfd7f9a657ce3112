//! Coverage from similarities to the nearest golden example.

use karat::stats::quantile;
use karat::vector::top_k;

use super::{BaselineResult, Trial};

/// Neighbours that set the radius of a ball; the value the authors recommend.
const PRDC_K: usize = 5;

/// A cosine from which two texts are commonly considered alike.
const FIXED_COSINE: f64 = 0.7;

/// Share of the reference that counts as unlike the golden set.
const REFERENCE_SHARE: f64 = 0.05;

/// Novelty of a record without a vector: larger than that of any other, which is at most 2 with cosines.
const NO_VECTOR: f64 = 4.0;

/// Coverage of PRDC with real = traffic and fake = golden set, k = 5.
///
/// Naeem et al. (2020), "Reliable Fidelity and Diversity Metrics for Generative Models": the share of real points whose
/// ball, out to their k-th nearest other real point, contains a fake point. So the balls are around the *traffic* and
/// their radii come from the traffic. The other direction, records within the k-nearest-neighbour ball of some golden
/// example, is the recall of Kynkäänniemi et al. (2019), which the paper replaces because one outlying example has a
/// ball that swallows everything.
///
/// Not adapted: with N records and M examples of the same distribution it is expected to be
/// 1 - ((N - 1) ... (N - k)) / ((M + N - 1) ... (M + N - k)), about 1 - (N / (M + N))^k. That is
/// 0.97 for equal sizes and only 0.09 for 200 examples against 10,000 records. Novelty is the
/// similarity to the k-th neighbour minus that to the nearest example, above 0 outside the ball.
pub fn prdc(trial: &Trial) -> BaselineResult {
    let lists = top_k(trial.now, trial.now, PRDC_K, |a, b| a == b);
    let radius = lists.iter().map(|list| list.get(PRDC_K - 1).map(|n| f64::from(n.similarity)));
    let excess: Vec<Option<f64>> =
        radius.zip(&trial.now_similarity).map(|(radius, nearest)| Some(radius? - (*nearest)?)).collect();
    similarity_result(&excess, |excess| excess <= 0.0, |excess| excess)
}

/// Share of records whose nearest golden example has cosine similarity 0.7 or more, a common
/// default of near-match search. The right value depends on the embedding model.
pub fn fixed_cosine(trial: &Trial) -> BaselineResult {
    similarity_result(&trial.now_similarity, |s| s >= FIXED_COSINE, |s| 1.0 - s)
}

/// Share of records whose nearest-golden similarity reaches the 5 % quantile of the reference's.
/// Without drift it is 0.95 by construction. `None` without a reference.
pub fn reference_quantile(trial: &Trial) -> BaselineResult {
    match reference_cut(trial, REFERENCE_SHARE) {
        Some(cut) => similarity_result(&trial.now_similarity, |s| s >= cut, |s| 1.0 - s),
        None => BaselineResult::default(),
    }
}

/// The share of records more similar to the golden set than the reference's median, relative to
/// that share in the reference (about half), at most 1. `None` without a reference, and when no
/// record of it exceeds its median.
pub fn median_ratio(trial: &Trial) -> BaselineResult {
    let above = |similarity: &[Option<f64>], cut: f64| share(similarity, |s| s > cut);
    let ratio = || {
        let cut = reference_cut(trial, 0.5)?;
        let before = above(trial.reference_similarity.as_ref()?, cut).filter(|&p| p > 0.0)?;
        Some((above(&trial.now_similarity, cut)? / before).min(1.0))
    };
    let coverage = ratio();
    let novelty = coverage.map(|_| novelty(&trial.now_similarity, |s| 1.0 - s));
    BaselineResult { coverage, novelty, alarm: None }
}

/// Quantile of the reference's similarities.
fn reference_cut(trial: &Trial, q: f64) -> Option<f64> {
    let mut known: Vec<f64> = trial.reference_similarity.iter().flatten().flatten().copied().collect();
    known.sort_unstable_by(f64::total_cmp);
    quantile(&known, q)
}

fn similarity_result(
    scores: &[Option<f64>],
    covered: impl Fn(f64) -> bool,
    newness: impl Fn(f64) -> f64,
) -> BaselineResult {
    let coverage = share(scores, covered);
    BaselineResult { coverage, novelty: coverage.map(|_| novelty(scores, newness)), alarm: None }
}

/// Share of the known scores for which `covered` holds; `None` when none is known.
pub(super) fn share(scores: &[Option<f64>], covered: impl Fn(f64) -> bool) -> Option<f64> {
    let known: Vec<f64> = scores.iter().flatten().copied().collect();
    let hits = known.iter().filter(|s| covered(**s)).count();
    (!known.is_empty()).then(|| hits as f64 / known.len() as f64)
}

/// Novelty of each record; one without a score is newer than any other.
pub(super) fn novelty(scores: &[Option<f64>], newness: impl Fn(f64) -> f64) -> Vec<f64> {
    scores.iter().map(|score| score.map_or(NO_VECTOR, &newness)).collect()
}
