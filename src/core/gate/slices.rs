//! The scores of slices, each compared with the rest of the set.

use super::Evidence;
use crate::core::domain::GateMeasure;
use crate::core::stats::{benjamini_hochberg, clustered_mean, fisher_mid_p, welch_p};
use crate::core::view::SliceScoreView;

/// Significance level of a difference between a slice and the rest, after adjustment.
const LEVEL: f64 = 0.05;

/// Fewest examples of a slice that can be called lower than the rest.
const MIN_EXAMPLES: usize = 5;

impl Evidence<'_> {
    /// The mean of a scorer on every slice, critical slices first, then the lowest p-value first.
    pub fn slice_scores(&self, scorer: &str) -> Vec<SliceScoreView> {
        let Some(run) = self.detail else { return Vec::new() };
        let measure = GateMeasure::Score(scorer.to_owned());
        let scored = self.values(&measure, None);
        let raw: Vec<f64> =
            (0..self.slices.slices.len()).map(|slice| self.against_the_rest(run, scorer, slice)).collect();
        let adjusted = benjamini_hochberg(&raw);
        let views = self.slices.slices.iter().enumerate().map(|(place, slice)| {
            let score = self.values(&measure, Some(place)).score();
            let p_adjusted = if slice.critical { raw.get(place) } else { adjusted.get(place) };
            let p_adjusted = p_adjusted.copied().unwrap_or(1.0);
            let below = score.mean.zip(scored.score().mean).is_some_and(|(mean, all)| mean < all);
            SliceScoreView {
                slice: slice.name.clone(),
                critical: slice.critical,
                score,
                p_value: raw.get(place).copied().unwrap_or(1.0),
                p_adjusted,
                lower: below && score.n >= MIN_EXAMPLES && p_adjusted <= LEVEL,
            }
        });
        let mut views: Vec<SliceScoreView> = views.collect();
        views.sort_by(|a, b| b.critical.cmp(&a.critical).then_with(|| a.p_adjusted.total_cmp(&b.p_adjusted)));
        views
    }

    /// The two-sided p-value of a slice against the rest: Fisher's mid-p for single 0/1 scores, Welch's test otherwise; 1
    /// if one of the two is empty.
    fn against_the_rest(&self, run: &crate::core::compare::RunScores, scorer: &str, slice: usize) -> f64 {
        let Some((place, reducer)) = run.scorer(scorer) else { return 1.0 };
        let (mut within, mut rest) = (Vec::new(), Vec::new());
        let (mut clusters_within, mut clusters_rest) = (Vec::new(), Vec::new());
        for (number, example) in run.examples.iter().enumerate() {
            let Some(score) = crate::core::compare::example_score(reducer, &example.values(place)) else { continue };
            let is_member = self.slices.of(&example.id).contains(&slice);
            let (scores, clusters) =
                if is_member { (&mut within, &mut clusters_within) } else { (&mut rest, &mut clusters_rest) };
            scores.push(score);
            clusters.push(self.cluster(&example.id, number));
        }
        let binary = self.clusters.is_none() && within.iter().chain(&rest).all(|score| *score == 0.0 || *score == 1.0);
        if binary {
            let passed = |scores: &[f64]| scores.iter().filter(|score| **score == 1.0).count() as u64;
            return fisher_mid_p(passed(&within), within.len() as u64, passed(&rest), rest.len() as u64);
        }
        match (clustered_mean(&within, Some(&clusters_within)), clustered_mean(&rest, Some(&clusters_rest))) {
            (Some(a), Some(b)) => welch_p(&a, &b),
            _ => 1.0,
        }
    }
}
