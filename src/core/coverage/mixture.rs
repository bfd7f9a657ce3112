//! The represented share of a window as a mixture proportion.

use super::calibration::{Calibration, Point};
use super::window::Scored;

/// Smallest difference between the mean posteriors of represented and unknown requests. Below it, the embedding space
/// distinguishes them so poorly that a share would be noise.
const MIN_CONTRAST: f64 = 0.02;

/// Strength, in examples, of the prior that the requests of a topic are confused with other topics like those of the
/// whole set.
const CONFUSION_PRIOR: f64 = 3.0;

/// Weight of the set's own mix of topics.
const OWN_MIX: f64 = 0.05;

/// Sums over the calibration points of each topic, so that topics can be counted as often as they were drawn in
/// resampling.
#[derive(Debug, Clone)]
pub(super) struct TopicSums {
    /// Weight of the topic's points.
    pub weight: Vec<f64>,
    known: Vec<f64>,
    novel: Vec<f64>,
}

impl TopicSums {
    pub fn new(calibration: &Calibration) -> Self {
        let sum = |value: &dyn Fn(&Point) -> f64| {
            let mut sums = vec![0.0; calibration.topics];
            calibration.points.iter().for_each(|point| sums[point.topic] += point.weight * value(point));
            sums
        };
        Self { weight: sum(&|_| 1.0), known: sum(&|point| point.known), novel: sum(&|point| point.novel) }
    }

    /// Mean posterior of represented requests, with topics in the proportions given by `mix`.
    pub fn known_mean(&self, mix: &[f64], drawn: Option<&[f64]>) -> f64 {
        let of_topic = |topic: usize| (self.known[topic] / self.weight[topic], mix[topic]);
        self.mean(drawn, of_topic)
    }

    /// Mean posterior of requests of unknown topics.
    pub fn novel_mean(&self, drawn: Option<&[f64]>) -> f64 {
        self.mean(drawn, |topic| (self.novel[topic] / self.weight[topic], self.weight[topic]))
    }

    fn mean(&self, drawn: Option<&[f64]>, of_topic: impl Fn(usize) -> (f64, f64)) -> f64 {
        let present = (0..self.weight.len()).filter(|topic| self.weight[*topic] > 0.0);
        let (sum, total) = present.fold((0.0, 0.0), |(sum, total), topic| {
            let (value, weight) = of_topic(topic);
            let weight = weight * drawn.map_or(1.0, |counts| counts[topic]);
            (sum + weight * value, total + weight)
        });
        if total > 0.0 { sum / total } else { f64::NAN }
    }
}

/// Probabilistic adjusted counting: the share of represented requests among those whose mean posterior is `observed`.
/// NaN if represented and unknown requests look the same.
pub(super) fn adjusted_share(observed: f64, known: f64, novel: f64) -> f64 {
    if known - novel < MIN_CONTRAST { f64::NAN } else { (observed - novel) / (known - novel) }
}

/// Weighted mean posterior of a window.
pub(super) fn observed_mean(scored: &Scored) -> f64 {
    let (sum, total) = scored
        .embeddable()
        .fold((0.0, 0.0), |(sum, total), row| (sum + row.weight * row.posterior, total + row.weight));
    if total > 0.0 { sum / total } else { f64::NAN }
}

/// Topic shares of the represented traffic.
///
/// The topic of the nearest example often differs from that of the request, especially for topics with diverse
/// requests. One step of expectation–maximisation (Saerens, Latinne & Decaestecker 2002) from the set's own mix
/// corrects for this confusion, which is estimated on held-out examples; more steps would follow the noise of small
/// topics.
pub(super) fn topic_mix(scored: &Scored, calibration: &Calibration, sums: &TopicSums) -> Vec<f64> {
    let topics = calibration.topics;
    let total: f64 = sums.weight.iter().sum();
    let own: Vec<f64> = sums.weight.iter().map(|weight| weight / total).collect();
    let share = adjusted_share(observed_mean(scored), sums.known_mean(&own, None), sums.novel_mean(None));
    let share = if share.is_nan() { 1.0 } else { share.clamp(0.05, 1.0) };
    let mut taken_as = vec![vec![0.0; topics]; topics];
    let mut novel_as = vec![0.0; topics];
    for point in &calibration.points {
        taken_as[point.topic][point.known_as] += point.weight;
        novel_as[point.novel_as] += point.weight / total;
    }
    for (topic, row) in taken_as.iter_mut().enumerate() {
        row[topic] += CONFUSION_PRIOR / 2.0;
        for (cell, own) in row.iter_mut().zip(&own) {
            *cell = (*cell + CONFUSION_PRIOR / 2.0 * own) / (sums.weight[topic] + CONFUSION_PRIOR);
        }
    }
    let seen = scored.topic_shares(topics);
    let ratio: Vec<f64> = (0..topics)
        .map(|as_topic| {
            let known: f64 = own.iter().zip(&taken_as).map(|(own, row)| own * row[as_topic]).sum();
            let expected = share * known + (1.0 - share) * novel_as[as_topic];
            if expected > 0.0 { seen[as_topic] / expected } else { 0.0 }
        })
        .collect();
    let step: Vec<f64> = own
        .iter()
        .zip(&taken_as)
        .map(|(own, row)| own * row.iter().zip(&ratio).map(|(cell, ratio)| cell * ratio).sum::<f64>())
        .collect();
    let total: f64 = step.iter().sum();
    if total <= 0.0 {
        return own;
    }
    step.iter().zip(&own).map(|(step, own)| (1.0 - OWN_MIX) * step / total + OWN_MIX * own).collect()
}
