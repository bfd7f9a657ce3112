//! The represented share of a window as a mixture proportion.

use std::collections::HashMap;

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

/// Variance of how differently from its examples traffic asks about a topic, as a share of the variance between topics.
/// Held-out examples cannot show it, since the same people wrote them.
const DIFFERENT: f64 = 0.25;

/// How much less represented requests resemble the examples than these resemble each other, as a share of the difference
/// between represented and unknown requests: other people wrote them, and held-out examples cannot show it. Where it was
/// measured, it is 0 for sets drawn from their own traffic and 0.03 to 0.04 for others.
const AUTHORS_LOSS: f64 = 0.01;

/// Strength, in examples, of the prior that the wording of a window moves the posteriors of a topic as much as those of
/// the whole set.
const SHIFT_PRIOR: f64 = 3.0;

/// The share of represented requests that a posterior is learnt for.
const EVEN: f64 = 0.5;

/// How much a request with this posterior counts in the estimation of a share that is about `prior`: its posterior at that
/// prior, scaled to change as fast as `posterior` itself where it is even.
///
/// Up to a linear transformation this is the derivative of the log-likelihood of the mixture by the share, so that matching its mean is
/// as precise as maximum likelihood at this share. Where most requests are represented, it depends little on how
/// clearly they are: traffic is never as near to the examples as these are to each other.
pub(super) fn counted(posterior: f64, prior: f64) -> f64 {
    let (represented, unknown) = (prior * posterior, (1.0 - prior) * (1.0 - posterior));
    represented / (represented + unknown) / (4.0 * prior * (1.0 - prior))
}

/// How often a share is estimated again with posteriors at the share found before. It moves by a few hundredths at first,
/// then hardly at all.
const REFINEMENTS: usize = 3;

/// Limits of that share. Nearer to 0 or 1, single requests would decide.
const PRIORS: (f64, f64) = (0.05, 0.95);

/// The mixture of represented and unknown requests of a window.
pub(super) struct MixtureFit {
    /// The share at which posteriors are counted.
    pub prior: f64,
    /// Sums of posteriors as counted at it.
    pub sums: TopicSums,
    /// Their mean over the window; NaN if nothing is embeddable, or all of it certain.
    pub observed: f64,
    /// Topic shares of the represented traffic.
    mix: Vec<f64>,
}

impl MixtureFit {
    /// Fits the mixture: counts posteriors at an even prior, then at the share that was found, as long as represented
    /// and unknown requests can be told apart there.
    pub fn new(scored: &Scored, calibration: &Calibration, reworded: Option<&[Point]>) -> Self {
        let sums = TopicSums::new(calibration, reworded, EVEN);
        let points = reworded.filter(|points| !points.is_empty()).unwrap_or(&calibration.points);
        let mix = topic_mix(scored, calibration, points, &sums);
        let mut fit = Self { prior: EVEN, sums, observed: observed_mean(scored, EVEN), mix };
        for _ in 0..REFINEMENTS {
            // NaN stays NaN.
            let prior = fit.share(1.0).clamp(PRIORS.0, PRIORS.1);
            let sums = TopicSums::new(calibration, reworded, prior);
            let next = Self { prior, sums, observed: observed_mean(scored, prior), mix: fit.mix.clone() };
            if next.share(1.0).is_nan() {
                break;
            }
            fit = next;
        }
        fit
    }

    /// The represented share, not clamped, if this share of the effect of wording applies; NaN if represented and
    /// unknown requests look the same.
    pub fn share(&self, strength: f64) -> f64 {
        adjusted_share(self.observed, self.known_mean(None, strength), self.sums.novel_mean(None, strength))
    }

    /// As [`TopicSums::known_mean`], with the topics of the window, for requests that others wrote than the examples.
    pub fn known_mean(&self, drawn: Option<&[f64]>, strength: f64) -> f64 {
        self.sums.known_mean(&self.mix, drawn, strength) - AUTHORS_LOSS * self.contrast()
    }

    /// Difference between the means of held-out examples and of unknown requests.
    pub fn contrast(&self) -> f64 {
        self.sums.known_mean(&self.mix, None, 1.0) - self.sums.novel_mean(None, 1.0)
    }
}

/// Sums over the calibration points of each topic, so that topics can be counted as often as they were drawn in
/// resampling.
#[derive(Debug, Clone)]
pub(super) struct TopicSums {
    /// Weight of the topic's points.
    pub weight: Vec<f64>,
    known: Vec<f64>,
    novel: Vec<f64>,
    /// How far the wording of the window moves the mean posteriors of known and of novel requests of a topic.
    shift: Vec<(f64, f64)>,
    /// Standard errors of how far it moves the means of all known and of all novel requests.
    pub shift_errors: (f64, f64),
    /// Standard deviation of the mean posterior of a topic's represented requests.
    deviation: Vec<f64>,
}

impl TopicSums {
    /// Sums for the wording of the examples themselves, and how far the copies in `reworded` differ from it, of posteriors as
    /// [`counted`] at `prior`.
    pub fn new(calibration: &Calibration, reworded: Option<&[Point]>, prior: f64) -> Self {
        let at_prior = |points: &[Point]| -> Vec<Point> {
            let count = |point: &Point| Point {
                known: counted(point.known, prior),
                novel: counted(point.novel, prior),
                ..*point
            };
            points.iter().map(count).collect()
        };
        let (points, reworded) = (at_prior(&calibration.points), at_prior(reworded.unwrap_or_default()));
        let sum = |value: &dyn Fn(&Point) -> f64| {
            let mut sums = vec![0.0; calibration.topics];
            points.iter().for_each(|point| sums[point.topic] += point.weight * value(point));
            sums
        };
        let (shift, shift_errors) = shifts(calibration.topics, &points, &reworded);
        let (weight, known) = (sum(&|_| 1.0), sum(&|point| point.known));
        Self {
            deviation: deviations(&points, &weight, &known),
            weight,
            known,
            novel: sum(&|point| point.novel),
            shift,
            shift_errors,
        }
    }

    /// Mean posterior of represented requests, with topics in the proportions given by `mix`. `strength` is the share of
    /// the effect of wording that applies: 1 for all of it.
    ///
    /// `drawn` has, for every topic, by how many standard deviations its mean differs in a replicate.
    pub fn known_mean(&self, mix: &[f64], drawn: Option<&[f64]>, strength: f64) -> f64 {
        self.mean(None, |topic| {
            let drawn = drawn.map_or(0.0, |deviates| deviates[topic] * self.deviation[topic]);
            (self.known[topic] / self.weight[topic] + drawn + strength * self.shift[topic].0, mix[topic])
        })
    }

    /// Mean posterior of requests of unknown topics.
    pub fn novel_mean(&self, drawn: Option<&[f64]>, strength: f64) -> f64 {
        self.mean(drawn, |topic| {
            (self.novel[topic] / self.weight[topic] + strength * self.shift[topic].1, self.weight[topic])
        })
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

/// The standard deviation of each topic's mean: that of a mean over so many held-out examples, with the same variance
/// within all topics, and that of what traffic asks about the topic differently from its examples.
fn deviations(points: &[Point], weight: &[f64], known: &[f64]) -> Vec<f64> {
    let present: Vec<usize> = (0..weight.len()).filter(|topic| weight[*topic] > 0.0).collect();
    let mean = |topic: usize| known[topic] / weight[topic];
    let (total, sum): (f64, f64) = (weight.iter().sum(), known.iter().sum());
    let squares: f64 = points.iter().map(|point| point.weight * (point.known - mean(point.topic)).powi(2)).sum();
    let within = squares / (total - present.len() as f64).max(1.0);
    let distance = |topic: &usize| weight[*topic] * (mean(*topic) - sum / total).powi(2) - within;
    let between = (present.iter().map(distance).sum::<f64>() / total).max(0.0);
    let of = |weight: f64| if weight > 0.0 { (within / weight + DIFFERENT * between).sqrt() } else { 0.0 };
    weight.iter().map(|weight| of(*weight)).collect()
}

/// The mean difference between copies and their examples, by topic, drawn towards the mean of all topics; and the
/// standard errors of the mean of all.
fn shifts(topics: usize, points: &[Point], reworded: &[Point]) -> (Vec<(f64, f64)>, (f64, f64)) {
    let plain: HashMap<usize, &Point> = points.iter().map(|point| (point.row, point)).collect();
    let mut sums = vec![(0.0, 0.0, 0.0); topics];
    let mut all = (0.0, 0.0, 0.0);
    let mut squares = (0.0, 0.0);
    for (copy, plain) in reworded.iter().filter_map(|copy| Some((copy, plain.get(&copy.row)?))) {
        let (known, novel) = (copy.known - plain.known, copy.novel - plain.novel);
        squares = (squares.0 + copy.weight * known * known, squares.1 + copy.weight * novel * novel);
        for sum in [&mut all, &mut sums[copy.topic]] {
            *sum = (sum.0 + copy.weight * known, sum.1 + copy.weight * novel, sum.2 + copy.weight);
        }
    }
    let mean = if all.2 > 0.0 { (all.0 / all.2, all.1 / all.2) } else { (0.0, 0.0) };
    let shrunk = |(known, novel, weight): (f64, f64, f64)| {
        let total = weight + SHIFT_PRIOR;
        ((known + SHIFT_PRIOR * mean.0) / total, (novel + SHIFT_PRIOR * mean.1) / total)
    };
    let error = |square: f64, mean: f64| {
        if all.2 > 0.0 { ((square / all.2 - mean * mean).max(0.0) / all.2).sqrt() } else { 0.0 }
    };
    (sums.into_iter().map(shrunk).collect(), (error(squares.0, mean.0), error(squares.1, mean.1)))
}

/// Probabilistic adjusted counting: the share of represented requests among those whose mean posterior is `observed`.
/// NaN if represented and unknown requests look the same.
pub(super) fn adjusted_share(observed: f64, known: f64, novel: f64) -> f64 {
    if known - novel < MIN_CONTRAST { f64::NAN } else { (observed - novel) / (known - novel) }
}

/// Weighted mean posterior of a window, as [`counted`] at `prior`.
fn observed_mean(scored: &Scored, prior: f64) -> f64 {
    let (sum, total) = scored
        .embeddable()
        .fold((0.0, 0.0), |(sum, total), row| (sum + row.weight * row.counted(prior), total + row.weight));
    if total > 0.0 { sum / total } else { f64::NAN }
}

/// Topic shares of the represented traffic. `sums` are at an even prior; `points` are the examples or, if there are any, their copies in the wording
/// of the window.
///
/// The topic of the nearest example often differs from that of the request, especially for topics with diverse
/// requests. One step of expectation–maximisation (Saerens, Latinne & Decaestecker 2002) from the set's own mix
/// corrects for this confusion, which is estimated on held-out examples; more steps would follow the noise of small
/// topics.
fn topic_mix(scored: &Scored, calibration: &Calibration, points: &[Point], sums: &TopicSums) -> Vec<f64> {
    let topics = calibration.topics;
    let total: f64 = sums.weight.iter().sum();
    let own: Vec<f64> = sums.weight.iter().map(|weight| weight / total).collect();
    let share =
        adjusted_share(observed_mean(scored, EVEN), sums.known_mean(&own, None, 1.0), sums.novel_mean(None, 1.0));
    let share = if share.is_nan() { 1.0 } else { share.clamp(0.05, 1.0) };
    let mut taken_as = vec![vec![0.0; topics]; topics];
    let mut novel_as = vec![0.0; topics];
    let mut seen_weight = vec![0.0; topics];
    let points_weight: f64 = points.iter().map(|point| point.weight).sum();
    for point in points {
        taken_as[point.topic][point.known_as] += point.weight;
        seen_weight[point.topic] += point.weight;
        novel_as[point.novel_as] += point.weight / points_weight;
    }
    for (topic, row) in taken_as.iter_mut().enumerate() {
        row[topic] += CONFUSION_PRIOR / 2.0;
        for (cell, own) in row.iter_mut().zip(&own) {
            *cell = (*cell + CONFUSION_PRIOR / 2.0 * own) / (seen_weight[topic] + CONFUSION_PRIOR);
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
