//! Metrics of a ranked list of retrieved ids, by the definitions of trec_eval (checked against pytrec_eval-terrier
//! 0.5.11 and, for whole lists, scikit-learn 1.9).
//!
//! An id that is retrieved again counts only where it is first, as if the copy were not in the list; so a list of
//! copies gains nothing. If no id is relevant, every metric is undefined and `None`: there is nothing to find, and
//! neither 0 nor 1 would say so. A cutoff of 0 is `None` too. An empty list of retrieved ids scores 0.

use std::collections::{HashMap, HashSet};

/// The gain of a relevant id with a grade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gain {
    /// The grade itself (Järvelin & Kekäläinen 2002), as in trec_eval and scikit-learn.
    Linear,
    /// 2^grade − 1 (Burges et al. 2005), which favours high grades more. The same for binary relevance.
    Exponential,
}

impl Gain {
    /// A grade that is not positive, or NaN, has no gain.
    fn of(self, grade: f64) -> f64 {
        match self {
            _ if grade.is_nan() || grade <= 0.0 => 0.0,
            Self::Linear => grade,
            Self::Exponential => grade.exp2() - 1.0,
        }
    }
}

/// A ranked list of retrieved ids, without copies, held against the relevant ids.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    /// The grade of each retrieved id, 0 if it is not relevant.
    retrieved: Vec<f64>,
    /// The grades of all relevant ids, the highest first; all are positive and finite.
    ideal: Vec<f64>,
}

impl Ranking {
    /// Holds `retrieved`, the best first, against ids that are relevant or not. Ids listed twice in `relevant` count
    /// once.
    #[cfg(test)]
    pub fn binary(retrieved: &[&str], relevant: &[&str]) -> Self {
        let graded: Vec<(&str, f64)> = relevant.iter().map(|id| (*id, 1.0)).collect();
        Self::graded(retrieved, &graded)
    }

    /// Holds `retrieved`, the best first, against ids with grades. Ids are relevant if their grade is positive and
    /// finite; of several grades of one id, the highest counts.
    pub fn graded(retrieved: &[&str], relevant: &[(&str, f64)]) -> Self {
        let mut grades: HashMap<&str, f64> = HashMap::with_capacity(relevant.len());
        for (id, grade) in relevant.iter().filter(|(_, grade)| *grade > 0.0 && grade.is_finite()) {
            let highest = grades.entry(id).or_insert(0.0);
            *highest = highest.max(*grade);
        }
        let mut seen = HashSet::with_capacity(retrieved.len());
        let first = retrieved.iter().filter(|id| seen.insert(**id));
        let retrieved = first.map(|id| grades.get(id).copied().unwrap_or(0.0)).collect();
        let mut ideal: Vec<f64> = grades.into_values().collect();
        ideal.sort_unstable_by(|a, b| b.total_cmp(a));
        Self { retrieved, ideal }
    }

    /// Number of retrieved ids without copies.
    pub fn retrieved(&self) -> usize {
        self.retrieved.len()
    }

    /// Number of relevant ids.
    #[cfg(test)]
    pub fn relevant(&self) -> usize {
        self.ideal.len()
    }

    /// Number of relevant ids among the first `k`; `None` if the metrics are undefined.
    fn found(&self, k: usize) -> Option<f64> {
        let found = self.retrieved.iter().take(k).filter(|grade| **grade > 0.0).count();
        (k > 0 && !self.ideal.is_empty()).then_some(found as f64)
    }

    /// Share of the first `k` places that hold a relevant id, in [0, 1]. Places that a shorter list leaves empty count.
    pub fn precision(&self, k: usize) -> Option<f64> {
        Some(self.found(k)? / k as f64)
    }

    /// Share of the relevant ids that are among the first `k`, in [0, 1].
    pub fn recall(&self, k: usize) -> Option<f64> {
        Some(self.found(k)? / self.ideal.len() as f64)
    }

    /// Harmonic mean of precision and recall at `k`, in [0, 1]; 0 if nothing relevant is found.
    pub fn f1(&self, k: usize) -> Option<f64> {
        // 2 P R / (P + R) with the number found cancelled.
        Some(2.0 * self.found(k)? / (k as f64 + self.ideal.len() as f64))
    }

    /// 1 if a relevant id is among the first `k`, and 0 otherwise.
    pub fn hit(&self, k: usize) -> Option<f64> {
        Some(self.found(k)?.min(1.0))
    }

    /// 1 / rank of the first relevant id, in [0, 1]; 0 if none is retrieved.
    pub fn reciprocal_rank(&self) -> Option<f64> {
        self.found(1)?;
        let first = self.retrieved.iter().position(|grade| *grade > 0.0);
        Some(first.map_or(0.0, |before| 1.0 / (before as f64 + 1.0)))
    }

    /// Mean over all relevant ids of the precision at their rank, in [0, 1]; relevant ids that were not retrieved count
    /// as 0.
    pub fn average_precision(&self) -> Option<f64> {
        self.found(1)?;
        let (mut found, mut sum) = (0.0, 0.0);
        for (before, _) in self.retrieved.iter().enumerate().filter(|(_, grade)| **grade > 0.0) {
            found += 1.0;
            sum += found / (before as f64 + 1.0);
        }
        Some(sum / self.ideal.len() as f64)
    }

    /// Discounted cumulative gain of the first `k` over that of the best possible order, in [0, 1]. The gain at rank r
    /// counts 1 / log2(r + 1) times. `None` also if the gains are too large for a number.
    pub fn ndcg(&self, k: usize, gain: Gain) -> Option<f64> {
        self.found(k)?;
        let sum = |grades: &[f64]| -> f64 {
            let discounted = |(before, grade): (usize, &f64)| gain.of(*grade) / (before as f64 + 2.0).log2();
            grades.iter().take(k).enumerate().map(discounted).sum()
        };
        let share = sum(&self.retrieved) / sum(&self.ideal);
        share.is_finite().then(|| share.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    /// Computed by pytrec_eval and scikit-learn; see tools/judge_fixtures.py.
    const FIXTURE: &str = include_str!("../../../tests/fixtures/scoring/ranking.json");

    fn cases(section: &str) -> Vec<Value> {
        serde_json::from_str::<Value>(FIXTURE).unwrap()[section].as_array().unwrap().clone()
    }

    fn ranking(case: &Value) -> Ranking {
        let retrieved: Vec<&str> =
            case["retrieved"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        let relevant = case["relevant"].as_object().unwrap();
        let relevant: Vec<(&str, f64)> =
            relevant.iter().map(|(id, grade)| (id.as_str(), grade.as_f64().unwrap())).collect();
        Ranking::graded(&retrieved, &relevant)
    }

    fn near(found: Option<f64>, expected: &Value, what: &str) {
        let (found, expected) = (found.unwrap(), expected.as_f64().unwrap());
        assert!((found - expected).abs() <= 1e-12, "{what}: {found} against {expected}");
    }

    #[test]
    fn every_metric_equals_that_of_trec_eval() {
        for case in cases("trec") {
            let found = ranking(&case);
            near(found.reciprocal_rank(), &case["reciprocal_rank"], "reciprocal rank");
            near(found.average_precision(), &case["average_precision"], "average precision");
            near(found.ndcg(usize::MAX, Gain::Linear), &case["ndcg"], "ndcg");
            for at in case["at"].as_array().unwrap() {
                let k = at["k"].as_u64().unwrap() as usize;
                near(found.precision(k), &at["precision"], "precision");
                near(found.recall(k), &at["recall"], "recall");
                near(found.hit(k), &at["hit"], "hit");
                near(found.ndcg(k, Gain::Linear), &at["ndcg"], "ndcg at k");
            }
        }
    }

    #[test]
    fn the_gain_of_whole_lists_equals_that_of_scikit_learn() {
        for case in cases("sklearn") {
            let found = ranking(&case);
            for at in case["at"].as_array().unwrap() {
                let k = at["k"].as_u64().unwrap() as usize;
                near(found.ndcg(k, Gain::Linear), &at["linear"], "linear");
                near(found.ndcg(k, Gain::Exponential), &at["exponential"], "exponential");
            }
        }
    }

    #[test]
    fn a_small_list_is_counted_by_hand() {
        let found = Ranking::binary(&["x", "a", "y", "b"], &["a", "b", "c", "a"]);
        assert_eq!((found.retrieved(), found.relevant()), (4, 3));
        assert_eq!((found.precision(4), found.recall(4), found.hit(1)), (Some(0.5), Some(2.0 / 3.0), Some(0.0)));
        assert_eq!((found.precision(8), found.f1(4)), (Some(0.25), Some(4.0 / 7.0)));
        assert_eq!((found.reciprocal_rank(), found.average_precision()), (Some(0.5), Some(1.0 / 3.0)));
        let ideal = 1.0 + 1.0 / 3.0_f64.log2() + 0.5;
        let gained = 1.0 / 3.0_f64.log2() + 1.0 / 5.0_f64.log2();
        assert!((found.ndcg(4, Gain::Linear).unwrap() - gained / ideal).abs() < 1e-15);
        assert_eq!(found.ndcg(4, Gain::Linear), found.ndcg(4, Gain::Exponential));
    }

    #[test]
    fn copies_of_a_retrieved_id_count_once() {
        let copies = Ranking::binary(&["a", "a", "a", "b", "a"], &["a", "b"]);
        assert_eq!(copies, Ranking::binary(&["a", "b"], &["a", "b"]));
        assert_eq!((copies.recall(2), copies.precision(5)), (Some(1.0), Some(0.4)));
        let graded = Ranking::graded(&["a"], &[("a", 1.0), ("a", 3.0), ("a", 2.0)]);
        assert_eq!(graded, Ranking::graded(&["a"], &[("a", 3.0)]));
    }

    #[test]
    fn nothing_retrieved_is_zero_and_nothing_relevant_is_undefined() {
        let all = |ranking: &Ranking, k: usize| {
            let rest = [ranking.f1(k), ranking.hit(k), ranking.ndcg(k, Gain::Linear)];
            [ranking.precision(k), ranking.recall(k)].into_iter().chain(rest).collect::<Vec<_>>()
        };
        let empty = Ranking::binary(&[], &["a"]);
        assert_eq!(all(&empty, 3), [Some(0.0); 5]);
        assert_eq!((empty.reciprocal_rank(), empty.average_precision()), (Some(0.0), Some(0.0)));
        assert_eq!(all(&empty, 0), [None; 5]);
        for unmarked in
            [Ranking::binary(&["a"], &[]), Ranking::graded(&["a"], &[("a", 0.0), ("b", -1.0), ("c", f64::NAN)])]
        {
            assert_eq!(all(&unmarked, 3), [None; 5]);
            assert_eq!((unmarked.reciprocal_rank(), unmarked.average_precision()), (None, None));
        }
    }

    #[test]
    fn gains_too_large_for_a_number_are_undefined_and_not_wrong() {
        let huge = Ranking::graded(&["a", "b"], &[("a", 5000.0), ("b", 1.0)]);
        assert_eq!(huge.ndcg(2, Gain::Exponential), None);
        assert_eq!(huge.ndcg(2, Gain::Linear), Some(1.0));
        assert_eq!(Ranking::graded(&["a"], &[("a", f64::INFINITY)]).relevant(), 0);
    }

    #[test]
    fn hostile_ids_and_long_lists_are_ranked() {
        let long = "x".repeat(1 << 20);
        let ids = ["", "\0", "\u{301}", "👩‍👩‍👧", "מזהה", long.as_str()];
        assert_eq!(Ranking::binary(&ids, &ids).average_precision(), Some(1.0));
        let many: Vec<String> = (0..100_000).map(|at| at.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(Ranking::binary(&many, &many).ndcg(many.len(), Gain::Linear), Some(1.0));
    }

    proptest! {
        #[test]
        fn metrics_stay_in_range_and_recall_grows(
            retrieved in prop::collection::vec(0_usize..12, 0..20),
            grades in prop::collection::vec(0_u8..4, 12),
            k in 1_usize..15
        ) {
            let names: Vec<String> = (0..12).map(|at| at.to_string()).collect();
            let ids: Vec<&str> = retrieved.iter().map(|at| names[*at].as_str()).collect();
            let graded = |(id, grade): (&String, &u8)| (id.clone(), f64::from(*grade));
            let relevant: Vec<(String, f64)> = names.iter().zip(&grades).map(graded).collect();
            let relevant: Vec<(&str, f64)> = relevant.iter().map(|(id, grade)| (id.as_str(), *grade)).collect();
            let found = Ranking::graded(&ids, &relevant);
            let all = [
                found.precision(k), found.recall(k), found.f1(k), found.hit(k), found.reciprocal_rank(),
                found.average_precision(), found.ndcg(k, Gain::Linear), found.ndcg(k, Gain::Exponential),
            ];
            prop_assert!(all.iter().all(Option::is_some) || all.iter().all(Option::is_none));
            prop_assert!(all.iter().flatten().all(|value| (0.0..=1.0).contains(value)), "{:?}", all);
            prop_assert!(found.recall(k + 1) >= found.recall(k));
        }

        #[test]
        fn the_best_order_scores_one(grades in prop::collection::vec(1_u8..5, 1..12)) {
            let named = |(at, grade): (usize, &u8)| (at.to_string(), f64::from(*grade));
            let mut order: Vec<(String, f64)> = grades.iter().enumerate().map(named).collect();
            order.sort_by(|a, b| b.1.total_cmp(&a.1));
            let ids: Vec<&str> = order.iter().map(|(id, _)| id.as_str()).collect();
            let relevant: Vec<(&str, f64)> = order.iter().map(|(id, grade)| (id.as_str(), *grade)).collect();
            let found = Ranking::graded(&ids, &relevant);
            let whole = ids.len();
            prop_assert_eq!((found.recall(whole), found.precision(whole)), (Some(1.0), Some(1.0)));
            prop_assert_eq!((found.ndcg(whole, Gain::Exponential), found.average_precision()), (Some(1.0), Some(1.0)));
        }
    }
}
