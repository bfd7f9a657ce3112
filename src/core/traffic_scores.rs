//! Scores of production's answers by cluster and by month, beside those of the golden set.

use std::collections::{BTreeMap, HashMap};

use crate::core::domain::Score;
use crate::core::stats::{SampleMean, benjamini_hochberg};
use crate::core::view::{Cell, ScoreView, TrafficPartView, TrafficScorerView, TrafficVerdict, line, phrase};

/// Confidence level of every interval.
pub const CONFIDENCE: f64 = 0.95;

/// Level of the adjusted p-values from which a difference is reported.
const LEVEL: f64 = 0.05;

/// Fewer records or examples than this are shown without a verdict.
const THIN: usize = 5;

/// The part that contains everything.
const ALL: &str = "all";

/// The part of records that are in no cluster.
pub const NO_CLUSTER: &str = "none";

/// A record of the sample.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScoredRecord {
    /// Number of production requests that it represents.
    pub weight: f64,
    /// Number of its user or session; `None` if it is not known.
    pub group: Option<usize>,
    /// Its month, such as `2026-08`.
    pub month: String,
    /// Id of its cluster; `None` if it is in none.
    pub cluster: Option<String>,
}

/// The golden set's scores of one scorer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GoldenScores {
    /// The score of each example.
    pub values: Vec<f64>,
    /// What examples have in common that makes their scores alike; `None` if every example is on its own.
    pub groups: Option<Vec<usize>>,
    /// Id of the cluster of traffic of each example.
    pub clusters: Vec<Option<String>>,
}

/// What is known of one scorer.
pub struct ScorerScores<'a> {
    /// Its name.
    pub scorer: &'a str,
    /// What evaluates it outside karat.
    pub evaluator: Option<String>,
    /// The score of each record; `None` if it was not scored yet.
    pub scores: &'a [Option<Score>],
    /// The golden set's scores, or why there are none.
    pub golden: Result<GoldenScores, String>,
}

/// Values with their weights and groups.
#[derive(Default)]
struct Sample {
    values: Vec<f64>,
    weights: Vec<f64>,
    groups: Vec<usize>,
}

impl Sample {
    fn add(&mut self, value: f64, weight: f64, group: usize) {
        self.values.push(value);
        self.weights.push(weight);
        self.groups.push(group);
    }

    /// `None` for fewer than two values or groups.
    fn mean(&self) -> Option<SampleMean> {
        let mut distinct = self.groups.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let groups = (distinct.len() < self.groups.len()).then_some(self.groups.as_slice());
        SampleMean::new(&self.values, &self.weights, groups)
    }

    fn view(&self) -> ScoreView {
        let total: f64 = self.weights.iter().sum();
        let known = self.mean();
        let plain = || self.values.iter().zip(&self.weights).map(|(value, weight)| value * weight).sum::<f64>() / total;
        let mean = known.map(|known| known.mean()).or_else(|| (total > 0.0).then(plain));
        let interval = known.map(|known| known.interval(CONFIDENCE));
        ScoreView { mean, lo: interval.map(|found| found.lo), hi: interval.map(|found| found.hi), n: self.values.len() }
    }
}

impl GoldenScores {
    /// The examples of a cluster, or all of them.
    fn sample(&self, cluster: Option<&str>) -> Sample {
        let mut sample = Sample::default();
        for (place, value) in self.values.iter().enumerate() {
            let own = self.clusters.get(place).and_then(Option::as_deref);
            if cluster.is_none_or(|wanted| own == Some(wanted)) {
                let group = self.groups.as_ref().and_then(|groups| groups.get(place).copied());
                sample.add(*value, 1.0, group.unwrap_or(place));
            }
        }
        sample
    }
}

/// The scores of one scorer: overall, by cluster and by month. `names` has the name of each cluster by its id; `None` if
/// there are no clusters.
///
/// Means of the traffic have the weights of the sample, and their intervals count users or sessions where they are known.
/// Clusters are compared with the examples of the same cluster, months with all examples. A difference is reported if
/// its p-value, adjusted for the number of clusters or months, is below 0.05.
pub fn scorer_view(
    records: &[ScoredRecord],
    names: Option<&HashMap<String, String>>,
    of: ScorerScores<'_>,
) -> TrafficScorerView {
    let scored: Vec<(usize, f64)> = of
        .scores
        .iter()
        .enumerate()
        .filter_map(|(place, score)| Some((place, score.as_ref().and_then(Score::value)?)))
        .collect();
    let count = |is: fn(&Score) -> bool| of.scores.iter().flatten().filter(|score| is(score)).count();
    let reason = of.scores.iter().flatten().find_map(|score| match score {
        Score::Value(..) => None,
        Score::Skipped(reason) | Score::Failed(reason) => Some(reason.clone()),
    });
    let golden = of.golden.as_ref().ok();
    let parts = Parts { records, scored: &scored, golden };
    let clusters = names.map(|names| parts.clusters(names)).unwrap_or_default();
    TrafficScorerView {
        scorer: of.scorer.to_owned(),
        evaluator: of.evaluator,
        binary: scored.iter().all(|(_, value)| *value == 0.0 || *value == 1.0),
        passed: scored.iter().filter(|(_, value)| *value == 1.0).count(),
        skipped: count(|score| matches!(score, Score::Skipped(_))),
        errors: count(|score| matches!(score, Score::Failed(_))),
        reason,
        overall: parts.overall(),
        months: parts.months(),
        clusters,
        not_compared: of.golden.err(),
    }
}

struct Parts<'a> {
    records: &'a [ScoredRecord],
    /// Places of the scored records, and their scores.
    scored: &'a [(usize, f64)],
    golden: Option<&'a GoldenScores>,
}

impl Parts<'_> {
    fn overall(&self) -> TrafficPartView {
        let mut parts = vec![self.part(ALL, None, |_| true, None)];
        adjust(&mut parts);
        parts.remove(0)
    }

    fn clusters(&self, names: &HashMap<String, String>) -> Vec<TrafficPartView> {
        let mut ids: Vec<&str> = self.records.iter().filter_map(|record| record.cluster.as_deref()).collect();
        ids.sort_unstable();
        ids.dedup();
        let part =
            |id: &str| self.part(id, names.get(id).cloned(), |record| record.cluster.as_deref() == Some(id), Some(id));
        let mut parts: Vec<TrafficPartView> = ids.into_iter().map(part).collect();
        if self.records.iter().any(|record| record.cluster.is_none()) {
            parts.push(self.part(NO_CLUSTER, None, |record| record.cluster.is_none(), Some(NO_CLUSTER)));
        }
        adjust(&mut parts);
        parts.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.part.cmp(&b.part)));
        parts
    }

    fn months(&self) -> Vec<TrafficPartView> {
        let months: BTreeMap<&str, ()> = self.records.iter().map(|record| (record.month.as_str(), ())).collect();
        let part = |month: &str| self.part(month, None, |record| record.month == month, None);
        let mut parts: Vec<TrafficPartView> = months.into_keys().map(part).collect();
        adjust(&mut parts);
        parts
    }

    /// The records that `is_in` accepts, beside the examples of a cluster or all of them.
    fn part(
        &self,
        part: &str,
        name: Option<String>,
        is_in: impl Fn(&ScoredRecord) -> bool,
        cluster: Option<&str>,
    ) -> TrafficPartView {
        let total: f64 = self.records.iter().map(|record| record.weight).sum();
        let inside: f64 = self.records.iter().filter(|record| is_in(record)).map(|record| record.weight).sum();
        let alone = self.records.iter().filter_map(|record| record.group).max().map_or(0, |most| most + 1);
        let mut sample = Sample::default();
        for (place, value) in self.scored {
            let Some(record) = self.records.get(*place).filter(|record| is_in(record)) else { continue };
            sample.add(*value, record.weight, record.group.unwrap_or(alone + place));
        }
        let golden = self.golden.map(|golden| golden.sample(cluster)).unwrap_or_default();
        let both = sample.mean().zip(golden.mean());
        let difference = both.map(|(traffic, golden)| traffic.minus(&golden, CONFIDENCE));
        let verdict = match (self.golden, sample.values.len().min(golden.values.len())) {
            (None, _) => TrafficVerdict::NotCompared,
            (_, n) if n < THIN || difference.is_none() => TrafficVerdict::Thin,
            _ => TrafficVerdict::Undecided,
        };
        TrafficPartView {
            part: part.to_owned(),
            name,
            share: if total > 0.0 { inside / total } else { 0.0 },
            traffic: sample.view(),
            golden: golden.view(),
            difference: difference.map(|found| found.difference),
            lo: difference.map(|found| found.interval.lo),
            hi: difference.map(|found| found.interval.hi),
            p_value: difference.map(|found| found.p_value),
            p_adjusted: None,
            verdict,
        }
    }
}

/// Adjusts the p-values of the parts that are large enough, and decides them.
fn adjust(parts: &mut [TrafficPartView]) {
    let tested: Vec<usize> =
        (0..parts.len()).filter(|place| parts[*place].verdict == TrafficVerdict::Undecided).collect();
    let raw: Vec<f64> = tested.iter().map(|place| parts[*place].p_value.unwrap_or(1.0)).collect();
    for (place, p) in tested.into_iter().zip(benjamini_hochberg(&raw)) {
        let part = &mut parts[place];
        part.p_adjusted = Some(p);
        part.verdict = match part.difference {
            Some(difference) if p < LEVEL && difference < 0.0 => TrafficVerdict::Lower,
            Some(difference) if p < LEVEL && difference > 0.0 => TrafficVerdict::Higher,
            _ => TrafficVerdict::Undecided,
        };
    }
}

/// The result of the first scorer in one sentence. `window` names the window.
pub fn summary(scorer: &TrafficScorerView, sampled: usize, with_output: usize, window: &str) -> String {
    let name = line(&scorer.scorer, 40);
    let (traffic, golden) = (&scorer.overall.traffic, &scorer.overall.golden);
    let from = match traffic.n == sampled || traffic.n == 0 {
        true => phrase![" sampled records (", with_output, " with an output in ", window, ")"],
        false => phrase![" scored records (", sampled, " sampled of ", with_output, " with an output in ", window, ")"],
    };
    let Some(mean) = traffic.mean else {
        return phrase!["None of ", sampled, from, format!(" has a score by {name}.")].to_string();
    };
    let shown = |score: f64| if scorer.binary { Cell::Share(score, 1) } else { Cell::Number(score, 3) };
    let interval = traffic.lo.zip(traffic.hi).map_or(Cell::Blank, |(lo, hi)| match scorer.binary {
        true => phrase![" (", Cell::ShareInterval(lo, hi), ")"].into(),
        false => phrase![" (", Cell::Interval(lo, hi, 3), ")"].into(),
    });
    let beside = golden.mean.map_or(Cell::Blank, |mean| phrase!["; on the golden set ", shown(mean)].into());
    // Records represent different numbers of requests, so that shares of the two may differ.
    let is_weighted = (scorer.passed as f64 / traffic.n.max(1) as f64 - mean).abs() > 5e-4;
    let of_traffic = if scorer.binary && is_weighted { " of the traffic" } else { "" };
    let (mean, start) = (shown(mean), phrase![from, if scorer.binary { " pass " } else { " have a mean " }, name]);
    match scorer.binary {
        true => phrase![scorer.passed, " of ", traffic.n, start, ": ", mean, of_traffic, interval, beside, "."],
        false => phrase![traffic.n, start, " of ", mean, interval, beside, "."],
    }
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(weight: f64, month: &str, cluster: Option<&str>) -> ScoredRecord {
        ScoredRecord { weight, group: None, month: month.to_owned(), cluster: cluster.map(str::to_owned) }
    }

    fn value(value: f64) -> Option<Score> {
        Some(Score::Value(value, None))
    }

    fn golden(of: &[(f64, usize, &str)]) -> GoldenScores {
        let mut scores = GoldenScores::default();
        for (value, count, cluster) in of {
            for _ in 0..*count {
                scores.values.push(*value);
                scores.clusters.push(Some((*cluster).to_owned()));
            }
        }
        scores
    }

    fn measured(
        records: &[ScoredRecord],
        scores: &[Option<Score>],
        golden: Result<GoldenScores, String>,
    ) -> TrafficScorerView {
        let names = HashMap::from([("c01".to_owned(), "cards".to_owned()), ("c02".to_owned(), "pins".to_owned())]);
        scorer_view(records, Some(&names), ScorerScores { scorer: "no_pii", evaluator: None, scores, golden })
    }

    #[test]
    fn means_have_the_weights_of_the_sample() {
        let records = [record(9.0, "2026-08", Some("c01")), record(1.0, "2026-09", Some("c02"))];
        let found = measured(&records, &[value(1.0), value(0.0)], Err("there is no run".into()));
        assert_eq!((found.overall.traffic.mean, found.passed, found.binary), (Some(0.9), 1, true));
        assert_eq!((found.overall.verdict, found.overall.difference), (TrafficVerdict::NotCompared, None));
        assert_eq!(found.not_compared.as_deref(), Some("there is no run"));
        let shares: Vec<(&str, f64)> = found.clusters.iter().map(|part| (part.part.as_str(), part.share)).collect();
        assert_eq!(shares, [("c01", 0.9), ("c02", 0.1)]);
        let months: Vec<(&str, Option<f64>)> =
            found.months.iter().map(|part| (part.part.as_str(), part.traffic.mean)).collect();
        assert_eq!(months, [("2026-08", Some(1.0)), ("2026-09", Some(0.0))]);
        assert_eq!(found.clusters[0].name.as_deref(), Some("cards"));
    }

    #[test]
    fn errors_and_what_was_skipped_are_counted_apart_and_never_zeros() {
        let records = vec![record(1.0, "2026-08", None); 5];
        let scores = [
            value(1.0),
            Some(Score::Failed("the judge did not answer".into())),
            Some(Score::Skipped("no context".into())),
            None,
            value(0.5),
        ];
        let found = measured(&records, &scores, Ok(golden(&[(1.0, 9, "c01")])));
        assert_eq!((found.overall.traffic.mean, found.overall.traffic.n), (Some(0.75), 2));
        assert_eq!((found.errors, found.skipped, found.binary), (1, 1, false));
        assert_eq!(found.reason.as_deref(), Some("the judge did not answer"));
        assert_eq!(found.overall.verdict, TrafficVerdict::Thin);
        assert_eq!(found.clusters[0].part, NO_CLUSTER);
    }

    #[test]
    fn a_cluster_that_is_worse_than_its_examples_is_marked_and_thin_ones_are_not() {
        let mut records = Vec::new();
        let mut scores = Vec::new();
        for (cluster, passes, fails) in [("c01", 95, 5), ("c02", 40, 40), ("c03", 0, 4)] {
            for place in 0..passes + fails {
                records.push(record(2.0, "2026-08", Some(cluster)));
                scores.push(value(f64::from(u8::from(place < passes))));
            }
        }
        let set = golden(&[(1.0, 38, "c01"), (0.0, 2, "c01"), (1.0, 30, "c02"), (1.0, 30, "c03")]);
        let found = measured(&records, &scores, Ok(set));
        let of = |id: &str| found.clusters.iter().find(|part| part.part == id).unwrap();
        assert_eq!(of("c01").verdict, TrafficVerdict::Undecided);
        assert_eq!((of("c02").verdict, of("c02").golden.n), (TrafficVerdict::Lower, 30));
        assert_eq!((of("c03").verdict, of("c03").p_adjusted), (TrafficVerdict::Thin, None));
        assert!(of("c02").p_adjusted.unwrap() < 0.001 && of("c02").hi.unwrap() < 0.0);
        assert!(of("c01").p_adjusted >= of("c01").p_value, "{:?}", of("c01"));
        assert_eq!(found.overall.golden.n, 100);
    }

    #[test]
    fn requests_of_one_user_are_not_independent() {
        let user = |place: usize| ScoredRecord { group: Some(place / 10), ..record(1.0, "2026-08", None) };
        let together: Vec<ScoredRecord> = (0..100).map(user).collect();
        let alone = vec![record(1.0, "2026-08", None); 100];
        let scores: Vec<Option<Score>> = (0..100).map(|place| value(f64::from(u8::from(place < 70)))).collect();
        let width = |records: &[ScoredRecord]| {
            let traffic = measured(records, &scores, Err(String::new())).overall.traffic;
            traffic.hi.unwrap() - traffic.lo.unwrap()
        };
        assert!(width(&together) > 2.0 * width(&alone));
    }

    #[test]
    fn the_result_is_one_sentence() {
        let records = vec![record(1.0, "2026-08", None); 500];
        let scores: Vec<Option<Score>> = (0..500).map(|place| value(f64::from(u8::from(place < 412)))).collect();
        let found = measured(&records, &scores, Ok(golden(&[(1.0, 99, "c01"), (0.0, 1, "c01")])));
        assert_eq!(
            summary(&found, 500, 14_210, "2026-08"),
            "412 of 500 sampled records (14,210 with an output in 2026-08) pass no_pii: 82.4 % (78.8–85.5 %); on the golden set 99.0 %."
        );
        let graded = measured(&records[..2], &[value(0.25), value(0.5)], Err(String::new()));
        let text = summary(&graded, 2, 2, "2026-08");
        assert!(
            text.starts_with("2 sampled records (2 with an output in 2026-08) have a mean no_pii of 0.375 ("),
            "{text}"
        );
        let missing = Some(Score::Failed("the judge did not answer".into()));
        let partly = [value(1.0), value(0.0), missing];
        let mut weighted = records[..3].to_vec();
        weighted[0].weight = 3.0;
        let text = summary(&measured(&weighted, &partly, Err(String::new())), 3, 9, "2026-08");
        let start =
            "1 of 2 scored records (3 sampled of 9 with an output in 2026-08) pass no_pii: 75.0 % of the traffic (";
        assert!(text.starts_with(start), "{text}");
        let none = measured(&records[..1], &[None], Err(String::new()));
        assert_eq!(
            summary(&none, 1, 1, "2026-08"),
            "None of 1 sampled records (1 with an output in 2026-08) has a score by no_pii."
        );
    }
}
