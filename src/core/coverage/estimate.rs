//! The represented share of a window, its interval, and the gap between two windows.

use rand::RngExt;
use rayon::prelude::*;

use super::calibration::{Calibration, DEPTH, FOLDS, GoldenPoints};
use crate::core::stats::{Interval, percentile_interval, rng};
use crate::core::vector::{Vectors, top_k};

/// Sampled records of one window.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// One row a record.
    pub vectors: &'a Vectors,
    /// Requests of production each stands for.
    pub weights: &'a [f64],
    /// User or session of each, from 0: the unit that is resampled.
    pub groups: &'a [usize],
}

/// Settings of an assay.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Seed of the folds and of the resampling.
    pub seed: u64,
    /// Bootstrap replicates.
    pub replicates: usize,
    /// Similarity from which two examples are near-duplicates.
    pub duplicate_similarity: f64,
    /// A gap up to this size does not alarm.
    pub tolerated_gap: f64,
}

/// One record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecordCoverage {
    /// Row of the nearest live example; `None` for a record with nothing to embed.
    pub nearest: Option<usize>,
    /// Its cosine similarity.
    pub similarity: f64,
    /// Probability that a live example represents it.
    pub p_represented: f64,
}

/// The represented share of a window.
#[derive(Debug, Clone)]
pub struct Coverage {
    /// The share, in [0, 1]; the weighted mean of the records' `p_represented`.
    pub value: f64,
    /// Its 95 % interval.
    pub interval: Interval,
    /// One entry a record.
    pub records: Vec<RecordCoverage>,
}

/// Coverage at the reference − coverage now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DriftGap {
    /// The difference, signed.
    pub value: f64,
    /// Its 95 % interval.
    pub interval: Interval,
    /// One-sided p-value of "the gap is at most the tolerated one".
    pub p_value: f64,
}

/// Both windows against one calibration.
#[derive(Debug, Clone)]
pub struct CoverageAssay {
    /// The window measured.
    pub now: Coverage,
    /// The window it is compared with.
    pub reference: Option<Coverage>,
    /// The difference of the two.
    pub gap: Option<DriftGap>,
}

/// Measures the represented share of `now`, and of `reference` where there is one, on the same calibration and the
/// same resampled golden set, so that its error cancels in the gap. `None` where a window is empty or has nothing to
/// embed, where the set is too small to calibrate on (see [`Calibration::fit`]), or where the space does not tell
/// represented requests from unknown ones.
///
/// Records with nothing to embed are represented by nothing, and stay in the denominator.
pub fn assay(
    golden: GoldenPoints<'_>,
    now: Sample<'_>,
    reference: Option<Sample<'_>>,
    options: Options,
) -> Option<CoverageAssay> {
    let calibration = Calibration::fit(golden, options.duplicate_similarity, options.seed)?;
    let now = Scored::new(golden, now, &calibration)?;
    let reference = reference.and_then(|sample| Scored::new(golden, sample, &calibration));
    let raw = |scored: &Scored<'_>| scored.share(&calibration, None, None);
    if raw(&now).is_nan() {
        return None;
    }
    let reference = reference.filter(|scored| !raw(scored).is_nan());
    let draws = bootstrap(&calibration, &now, reference.as_ref(), options);
    let coverage = |scored: &Scored<'_>, replicates: Vec<f64>| {
        let value = raw(scored).clamp(0.0, scored.embeddable);
        let interval = percentile_interval(&replicates, 0.95).unwrap_or(Interval { lo: 0.0, hi: 1.0 }).clamp_unit();
        let interval = Interval { lo: interval.lo.min(value), hi: interval.hi.max(value) };
        Coverage { value, interval, records: scored.records(value) }
    };
    let gap = reference.as_ref().map(|scored| {
        let differences: Vec<f64> = draws.iter().map(|(now, then)| then - now).collect();
        let value = raw(scored).clamp(0.0, scored.embeddable) - raw(&now).clamp(0.0, now.embeddable);
        let below = differences.iter().filter(|difference| **difference <= options.tolerated_gap).count();
        let interval = percentile_interval(&differences, 0.95).unwrap_or(Interval { lo: -1.0, hi: 1.0 });
        DriftGap {
            value,
            interval: Interval { lo: interval.lo.min(value), hi: interval.hi.max(value) },
            p_value: (below + 1) as f64 / (differences.len() + 1) as f64,
        }
    });
    Some(CoverageAssay {
        now: coverage(&now, draws.iter().map(|draw| draw.0).collect()),
        reference: reference.as_ref().map(|scored| coverage(scored, draws.iter().map(|draw| draw.1).collect())),
        gap,
    })
}

/// A window's records, scored against every fold's remainder of the golden set.
struct Scored<'a> {
    sample: Sample<'a>,
    nearest: Vec<Option<usize>>,
    /// Mean similarity over the folds of the nearest example outside of the fold.
    similarity: Vec<f64>,
    /// Mean over the folds of P(represented | similarity); 0 for a record with nothing to embed.
    posterior: Vec<f64>,
    /// Share of the window's mass that can be embedded at all; the rest is represented by nothing.
    embeddable: f64,
    /// Share of the window's mass whose nearest example is of each topic.
    topic_mass: Vec<f64>,
    groups: usize,
}

impl<'a> Scored<'a> {
    fn new(golden: GoldenPoints<'_>, sample: Sample<'a>, calibration: &Calibration) -> Option<Self> {
        let total: f64 = sample.weights.iter().sum();
        if total <= 0.0 {
            return None;
        }
        let lists = top_k(sample.vectors, golden.vectors, DEPTH, |_, _| false);
        let mut scored = Self {
            sample,
            nearest: Vec::with_capacity(lists.len()),
            similarity: Vec::with_capacity(lists.len()),
            posterior: Vec::with_capacity(lists.len()),
            embeddable: 0.0,
            topic_mass: vec![0.0; golden.topics.iter().max().map_or(0, |last| last + 1)],
            groups: sample.groups.iter().max().map_or(0, |last| last + 1),
        };
        for (row, list) in lists.iter().enumerate() {
            let Some(first) = list.first() else {
                scored.nearest.push(None);
                scored.similarity.push(0.0);
                scored.posterior.push(0.0);
                continue;
            };
            let folds = (0..FOLDS).map(|fold| {
                let outside = list.iter().find(|neighbour| calibration.folds[neighbour.index] != fold);
                f64::from(outside.or(list.last()).map_or(0.0, |neighbour| neighbour.similarity))
            });
            let folds: Vec<f64> = folds.collect();
            scored.nearest.push(Some(first.index));
            scored.similarity.push(folds.iter().sum::<f64>() / FOLDS as f64);
            scored.posterior.push(folds.iter().map(|s| calibration.posterior(*s)).sum::<f64>() / FOLDS as f64);
            scored.topic_mass[golden.topics[first.index]] += sample.weights[row] / total;
            scored.embeddable += sample.weights[row] / total;
        }
        Some(scored)
    }

    /// The represented share, not yet clamped, with rows and topics counted as often as the bootstrap drew them; NaN
    /// where nothing was drawn, or where represented and unknown requests look the same.
    fn share(&self, calibration: &Calibration, rows: Option<&[f64]>, drawn: Option<&Draw>) -> f64 {
        let (mut seen, mut mass) = (0.0, 0.0);
        for (row, posterior) in self.posterior.iter().enumerate().filter(|(row, _)| self.nearest[*row].is_some()) {
            let weight = self.sample.weights[row] * rows.map_or(1.0, |counts| counts[self.sample.groups[row]]);
            seen += weight * posterior;
            mass += weight;
        }
        if mass <= 0.0 {
            return f64::NAN;
        }
        let known = self.known_mean(calibration, drawn);
        let novel = novel_mean(calibration, drawn);
        if known - novel < MIN_CONTRAST {
            return f64::NAN;
        }
        self.embeddable * (seen / mass - novel) / (known - novel)
    }

    /// Mean posterior of held-out examples, with topics weighted as today's traffic has them.
    fn known_mean(&self, calibration: &Calibration, drawn: Option<&Draw>) -> f64 {
        let topic_examples = topic_weights(calibration, self.topic_mass.len());
        let examples: f64 = topic_examples.iter().sum();
        weighted(calibration.points.iter().enumerate().map(|(position, point)| {
            let drawn = drawn.map_or(1.0, |draw| draw.known[position]);
            // Half of the weight stays with the set's own mix: a topic that takes in much traffic also takes in what is
            // not its own, and full weight on it makes the represented share too small.
            let mix = 0.5 * self.topic_mass[point.topic] / topic_examples[point.topic] + 0.5 / examples;
            (point.known, point.weight * drawn * mix)
        }))
    }

    /// Posterior of every record under the estimated share, shifted in its odds so that the weighted mean *is* the
    /// share.
    fn records(&self, share: f64) -> Vec<RecordCoverage> {
        let total: f64 = self.sample.weights.iter().sum();
        let embeddable = self.embeddable * total;
        let target = if self.embeddable > 0.0 { share / self.embeddable } else { 0.0 };
        let probability = |row: usize, shift: f64| {
            let odds = (self.posterior[row] / (1.0 - self.posterior[row])).ln() + shift;
            1.0 / (1.0 + (-odds).exp())
        };
        let mean = |shift: f64| {
            let rows = self.nearest.iter().enumerate().filter(|(_, nearest)| nearest.is_some());
            rows.map(|(row, _)| self.sample.weights[row] * probability(row, shift)).sum::<f64>() / embeddable
        };
        let shift = solve_increasing(mean, target);
        let record = |(row, nearest): (usize, &Option<usize>)| {
            let p_represented = match (nearest, shift) {
                (None, _) => 0.0,
                (Some(_), Shift::All) => 1.0,
                (Some(_), Shift::None) => 0.0,
                (Some(_), Shift::By(shift)) => probability(row, shift),
            };
            RecordCoverage { nearest: *nearest, similarity: self.similarity[row], p_represented }
        };
        self.nearest.iter().enumerate().map(record).collect()
    }
}

#[derive(Clone, Copy)]
enum Shift {
    All,
    None,
    By(f64),
}

fn solve_increasing(mean: impl Fn(f64) -> f64, target: f64) -> Shift {
    if target >= 1.0 - 1e-12 {
        return Shift::All;
    }
    if target <= 1e-12 {
        return Shift::None;
    }
    let (mut low, mut high) = (-60.0, 60.0);
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if mean(middle) < target { low = middle } else { high = middle }
    }
    Shift::By(f64::midpoint(low, high))
}

fn topic_weights(calibration: &Calibration, topics: usize) -> Vec<f64> {
    let mut weights = vec![0.0; topics];
    for point in &calibration.points {
        weights[point.topic] += point.weight;
    }
    weights
}

fn novel_mean(calibration: &Calibration, drawn: Option<&Draw>) -> f64 {
    weighted(calibration.points.iter().map(|point| {
        let drawn = drawn.map_or(1.0, |draw| draw.novel[point.topic]);
        (point.novel, point.weight * drawn)
    }))
}

fn weighted(values: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (sum, weight) = values.fold((0.0, 0.0), |(sum, total), (value, weight)| (sum + value * weight, total + weight));
    if weight > 0.0 { sum / weight } else { 0.0 }
}

/// Least difference between the mean posterior of represented and of unknown requests. Below it the space tells them
/// apart so little that a share would be noise.
const MIN_CONTRAST: f64 = 0.02;

/// How often calibration points and topics were drawn.
struct Draw {
    /// By point: the topics that are known are known, only their examples might have been others.
    known: Vec<f64>,
    /// By topic, and fewer than the set has: new requests are about a handful of things, and which ones they are is the
    /// largest part of the error.
    novel: Vec<f64>,
}

/// Topics a draw of novel requests consists of.
const NOVEL_TOPICS: usize = 10;

fn bootstrap(
    calibration: &Calibration,
    now: &Scored<'_>,
    reference: Option<&Scored<'_>>,
    options: Options,
) -> Vec<(f64, f64)> {
    let present: Vec<usize> = {
        let weights = topic_weights(calibration, now.topic_mass.len());
        (0..weights.len()).filter(|topic| weights[*topic] > 0.0).collect()
    };
    let topics = now.topic_mass.len();
    let draws: Vec<Option<(f64, f64)>> = (0..options.replicates)
        .into_par_iter()
        .map(|replicate| {
            let mut random = rng(options.seed, 1_000 + replicate as u64);
            let mut resample = |groups: usize, draws: usize| {
                let mut counts = vec![0.0; groups];
                (0..draws).for_each(|_| counts[random.random_range(0..groups)] += 1.0);
                counts
            };
            let now_rows = resample(now.groups, now.groups);
            let then_rows = reference.map(|scored| resample(scored.groups, scored.groups));
            let known = resample(calibration.points.len(), calibration.points.len());
            let mut novel = vec![0.0; topics];
            let drawn = resample(present.len(), NOVEL_TOPICS.min(present.len()));
            present.iter().zip(drawn).for_each(|(topic, count)| novel[*topic] = count);
            let draw = Draw { known, novel };
            let now_share = now.share(calibration, Some(&now_rows), Some(&draw));
            let then_share = reference
                .zip(then_rows.as_ref())
                .map_or(0.0, |(scored, rows)| scored.share(calibration, Some(rows), Some(&draw)));
            (now_share.is_finite() && then_share.is_finite()).then_some((now_share, then_share))
        })
        .collect();
    draws.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;

    const DIM: usize = 32;

    /// A topic's centre, and rows scattered around it.
    struct Topics {
        centres: Vec<Vec<f32>>,
        random: ChaCha8Rng,
    }

    impl Topics {
        fn new(count: usize, seed: u64) -> Self {
            let mut random = rng(seed, 0);
            let mut direction = || (0..DIM).map(|_| random.random_range(-1.0..1.0_f32)).collect();
            Self { centres: (0..count).map(|_| direction()).collect(), random }
        }

        fn push(&mut self, vectors: &mut Vectors, topic: usize) {
            let row: Vec<f32> = self.centres[topic].iter().map(|x| x + self.random.random_range(-0.8..0.8)).collect();
            vectors.push(&row);
        }

        fn rows(&mut self, topics: impl Iterator<Item = usize>) -> Vectors {
            let mut vectors = Vectors::new(DIM);
            topics.for_each(|topic| self.push(&mut vectors, topic));
            vectors
        }
    }

    fn options() -> Options {
        Options { seed: 1, replicates: 200, duplicate_similarity: 0.98, tolerated_gap: 0.01 }
    }

    fn measure(
        golden: &Vectors,
        topics: &[usize],
        now: &Vectors,
        reference: Option<&Vectors>,
    ) -> Option<CoverageAssay> {
        let weights = vec![1.0; now.len().max(reference.map_or(0, Vectors::len))];
        let groups: Vec<usize> = (0..weights.len()).collect();
        let sample = |vectors| -> Sample<'_> {
            Sample { vectors, weights: &weights[..vectors.len()], groups: &groups[..vectors.len()] }
        };
        assay(GoldenPoints { vectors: golden, topics }, sample(now), reference.map(sample), options())
    }

    #[test]
    fn a_planted_share_is_found_and_the_records_average_to_it() {
        for new in [0.0, 0.2, 0.5] {
            let mut world = Topics::new(60, 3);
            let topics: Vec<usize> = (0..400).map(|row| row % 40).collect();
            let golden = world.rows(topics.iter().copied());
            let hidden = (1000.0 * new) as usize;
            let now = world.rows((0..1000).map(|row| if row < hidden { 40 + row % 20 } else { row % 40 }));
            let reference = world.rows((0..1000).map(|row| row % 40));
            let found = measure(&golden, &topics, &now, Some(&reference)).unwrap();
            assert!((found.now.value - (1.0 - new)).abs() < 0.05, "{new}: {:?}", found.now.value);
            assert!(found.now.interval.contains(1.0 - new), "{new}: {:?}", found.now.interval);
            let mean = found.now.records.iter().map(|record| record.p_represented).sum::<f64>() / 1000.0;
            assert!((mean - found.now.value).abs() < 1e-9);
            let gap = found.gap.unwrap();
            assert_eq!(gap.p_value < 0.05, new > 0.0, "{new}: {gap:?}");
        }
    }

    #[test]
    fn near_duplicates_in_the_set_do_not_raise_the_share() {
        let mut world = Topics::new(30, 5);
        let mut topics: Vec<usize> = (0..200).map(|row| row % 20).collect();
        let golden = world.rows(topics.iter().copied());
        let now = world.rows((0..600).map(|row| row % 30));
        let plain = measure(&golden, &topics, &now, None).unwrap().now.value;
        let mut padded = golden.clone();
        (0..200).for_each(|row| padded.push(golden.row(row)));
        topics.extend_from_within(..);
        let with_copies = measure(&padded, &topics, &now, None).unwrap().now.value;
        assert!((plain - 2.0 / 3.0).abs() < 0.06 && (with_copies - plain).abs() < 0.03, "{plain} {with_copies}");
    }

    #[test]
    fn records_with_nothing_to_embed_are_represented_by_nothing_and_stay_in_the_denominator() {
        let mut world = Topics::new(20, 7);
        let topics: Vec<usize> = (0..200).map(|row| row % 20).collect();
        let golden = world.rows(topics.iter().copied());
        let mut now = world.rows((0..300).map(|row| row % 20));
        (0..100).for_each(|_| now.push(&[0.0; DIM]));
        let found = measure(&golden, &topics, &now, None).unwrap().now;
        assert!((found.value - 0.75).abs() < 0.05 && found.value <= 0.75, "{}", found.value);
        assert!(found.records[350].nearest.is_none() && found.records[350].p_represented == 0.0);
        let mean = found.records.iter().map(|record| record.p_represented).sum::<f64>() / 400.0;
        assert!((mean - found.value).abs() < 1e-9);
    }

    #[test]
    fn what_cannot_be_measured_is_not_guessed() {
        let mut world = Topics::new(20, 9);
        let topics: Vec<usize> = (0..200).map(|row| row % 20).collect();
        let golden = world.rows(topics.iter().copied());
        let now = world.rows((0..100).map(|row| row % 20));
        assert!(measure(&golden, &topics, &Vectors::new(DIM), None).is_none(), "no traffic");
        assert!(
            measure(&golden.select(&(0..19).collect::<Vec<_>>()), &topics[..19], &now, None).is_none(),
            "too few examples"
        );
        assert!(measure(&golden, &[0; 200], &now, None).is_none(), "one topic");
        let shuffled: Vec<usize> = (0..200).map(|row| (row / 10 + row) % 20).collect();
        let blind = measure(&golden, &shuffled, &now, None);
        assert!(blind.is_none_or(|found| found.now.interval.width() > 0.5), "labels that mean nothing tell nothing");
        let empty = world.rows(std::iter::empty());
        let mut nothing = empty.clone();
        (0..50).for_each(|_| nothing.push(&[0.0; DIM]));
        assert!(
            measure(&golden, &topics, &nothing, None).is_none_or(|found| found.now.value == 0.0),
            "nothing to embed"
        );
    }

    #[test]
    fn the_thread_count_changes_nothing() {
        let mut world = Topics::new(20, 11);
        let topics: Vec<usize> = (0..160).map(|row| row % 16).collect();
        let golden = world.rows(topics.iter().copied());
        let now = world.rows((0..300).map(|row| row % 20));
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| measure(&golden, &topics, &now, Some(&now)).unwrap())
        };
        let (one, four) = (with(1), with(4));
        assert_eq!(one.now.interval, four.now.interval);
        assert_eq!((one.gap, one.now.records), (four.gap, four.now.records));
    }
}
