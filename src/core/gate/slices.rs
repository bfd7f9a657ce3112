//! The scores of slices, each compared with the rest of the set.

use super::{Evidence, Values};
use crate::core::compare::example_score;
use crate::core::stats::{benjamini_hochberg, clustered_mean, fisher_mid_p, welch_p};
use crate::core::view::SliceScoreView;

/// Significance level of a difference between a slice and the rest, after adjustment.
const LEVEL: f64 = 0.05;

/// Fewest examples of a slice that can be called lower than the rest.
const MIN_EXAMPLES: usize = 5;

/// The score of an example, its cluster, and the slices it is in.
struct Scored<'a> {
    score: f64,
    cluster: usize,
    slices: &'a [usize],
}

impl Evidence<'_> {
    /// The mean of a scorer on every slice, critical slices first, then the lowest p-value first.
    pub fn slice_scores(&self, scorer: &str) -> Vec<SliceScoreView> {
        let scored = self.scored(scorer);
        let of = |slice: usize| scored.iter().filter(move |one| one.slices.contains(&slice));
        let all = Values::of(scored.iter(), self.clusters.is_some()).score();
        let raw: Vec<f64> = (0..self.slices.slices.len()).map(|slice| self.against_the_rest(&scored, slice)).collect();
        // Critical slices were chosen in advance, so they need no adjustment, and do not weaken that of the others.
        let chosen = |(place, p): (usize, &f64)| self.slices.slices.get(place).filter(|s| !s.critical).map(|_| *p);
        let others: Vec<f64> = raw.iter().enumerate().filter_map(chosen).collect();
        let mut adjusted = benjamini_hochberg(&others).into_iter();
        let views = self.slices.slices.iter().enumerate().map(|(place, slice)| {
            let score = Values::of(of(place), self.clusters.is_some()).score();
            let p_adjusted = if slice.critical { raw.get(place).copied() } else { adjusted.next() };
            let p_adjusted = p_adjusted.unwrap_or(1.0);
            let below = score.mean.zip(all.mean).is_some_and(|(mean, all)| mean < all);
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

    /// The examples that the scorer scored.
    fn scored(&self, scorer: &str) -> Vec<Scored<'_>> {
        let Some(run) = self.detail else { return Vec::new() };
        let Some((place, reducer)) = run.scorer(scorer) else { return Vec::new() };
        let examples = run.examples.iter().enumerate();
        let scored = examples.filter_map(|(number, example)| {
            Some(Scored {
                score: example_score(reducer, &example.values(place))?,
                cluster: self.cluster(&example.id, number),
                slices: self.slices.of(&example.id),
            })
        });
        scored.collect()
    }

    /// The two-sided p-value of a slice against the rest: Fisher's mid-p for single 0/1 scores, Welch's test otherwise; 1
    /// if one of the two is empty.
    fn against_the_rest(&self, scored: &[Scored<'_>], slice: usize) -> f64 {
        let (within, rest): (Vec<&Scored<'_>>, Vec<&Scored<'_>>) =
            scored.iter().partition(|one| one.slices.contains(&slice));
        let binary = self.clusters.is_none() && scored.iter().all(|one| one.score == 0.0 || one.score == 1.0);
        if binary {
            let passed = |part: &[&Scored<'_>]| part.iter().filter(|one| one.score == 1.0).count() as u64;
            return fisher_mid_p(passed(&within), within.len() as u64, passed(&rest), rest.len() as u64);
        }
        let estimate = |part: &[&Scored<'_>]| {
            let (scores, clusters): (Vec<f64>, Vec<usize>) = part.iter().map(|one| (one.score, one.cluster)).unzip();
            clustered_mean(&scores, Some(&clusters))
        };
        match (estimate(&within), estimate(&rest)) {
            (Some(a), Some(b)) => welch_p(&a, &b),
            _ => 1.0,
        }
    }
}

impl Values {
    fn of<'a>(scored: impl Iterator<Item = &'a Scored<'a>>, clustered: bool) -> Self {
        let (values, clusters): (Vec<f64>, Vec<usize>) = scored.map(|one| (one.score, one.cluster)).unzip();
        Self { values, clusters: clustered.then_some(clusters), flaky: 0 }
    }
}
