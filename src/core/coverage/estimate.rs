//! The represented share of a window, its interval, and the gap between two windows.

use rand::RngExt;
use rayon::prelude::*;

use super::calibration::{Calibration, Copies, GoldenPoints, Point};
use super::mixture::{MixtureFit, adjusted_share};
use super::records::{RecordCoverage, records as coverage_of_records};
use super::window::Scored;
use crate::core::records::Records;
use crate::core::stats::{Interval, lower_tail_p, percentile_interval, rng};

/// Options of the coverage measurement.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Seed of the folds and the resampling.
    pub seed: u64,
    /// Number of bootstrap replicates.
    pub replicates: usize,
    /// Similarity from which two examples are near-duplicates.
    pub duplicate_similarity: f64,
    /// A gap up to this size does not raise the alarm.
    pub tolerated_gap: f64,
}

/// A window of traffic.
#[derive(Debug, Clone, Copy)]
pub struct WindowPoints<'a> {
    /// Its records.
    pub records: &'a Records<'a>,
    /// Examples in its wording; without them, traffic is assumed to be worded like the examples.
    pub copies: Option<Copies<'a>>,
    /// Whether each record is in a language that the examples do not have, and so represented by nothing; empty if none
    /// is.
    pub other_language: &'a [bool],
}

/// The represented share of a window.
#[derive(Debug, Clone)]
pub struct Coverage {
    /// The share, in [0, 1]: the weighted mean of `p_represented` over the records.
    pub value: f64,
    /// Its 95 % interval.
    pub interval: Interval,
    /// What the value would be if traffic were assumed to be worded like the examples.
    pub as_worded: f64,
    /// One entry per record.
    pub records: Vec<RecordCoverage>,
}

/// The drift gap: coverage in the reference window − coverage now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DriftGap {
    /// The difference, signed.
    pub value: f64,
    /// Its 95 % interval.
    pub interval: Interval,
    /// One-sided p-value of the hypothesis "the gap is at most the tolerated gap".
    pub p_value: f64,
}

/// The coverage of both windows, with the same calibration.
#[derive(Debug, Clone)]
pub struct CoverageMeasurement {
    /// Coverage of the measured window.
    pub now: Coverage,
    /// Coverage of the reference window.
    pub reference: Option<Coverage>,
    /// The difference between the two.
    pub gap: Option<DriftGap>,
}

/// Measures the represented share of `now`, and of `reference` if given, with the same calibration and the same
/// resampled topics, so that the calibration error cancels in the gap. Returns `None` if a window is empty or has
/// nothing to embed, if the set is too small to calibrate on (fewer than 20 examples, or a single topic), or if the
/// embedding space does not distinguish represented requests from unknown ones.
///
/// Records with nothing to embed are represented by nothing, but count in the denominator. Near-duplicates of an
/// example are certainly represented, and only the other records make up the mixture. A text that makes up more than 1
/// % of a window counts as 1 % in the estimation of the share; the rest of its traffic is counted with its own
/// `p_represented`.
pub fn measure(
    golden: GoldenPoints<'_>,
    now: WindowPoints<'_>,
    reference: Option<WindowPoints<'_>>,
    options: Options,
) -> Option<CoverageMeasurement> {
    let copies: Vec<Copies<'_>> = std::iter::once(now).chain(reference).filter_map(|window| window.copies).collect();
    let calibration = Calibration::fit(golden, &copies, options.duplicate_similarity, options.seed)?;
    let mut reworded = calibration.reworded.iter().map(Vec::as_slice);
    let mut points_of = |window: WindowPoints<'_>| window.copies.and_then(|_| reworded.next());
    let (points_now, points_then) = (points_of(now), reference.and_then(&mut points_of));
    let now = Measured::new(golden, now, &calibration, points_now, options)?;
    let reference = reference.and_then(|window| Measured::new(golden, window, &calibration, points_then, options));
    let draws = bootstrap(&now, reference.as_ref(), options);
    let gap = reference.as_ref().map(|reference| gap(&now, reference, &draws, options));
    let (of_now, of_reference): (Vec<f64>, Vec<f64>) = draws.into_iter().unzip();
    Some(CoverageMeasurement {
        now: now.coverage(&of_now),
        reference: reference.map(|reference| reference.coverage(&of_reference)),
        gap,
    })
}

fn gap(now: &Measured, reference: &Measured, draws: &[(f64, f64)], options: Options) -> DriftGap {
    let differences: Vec<f64> = draws.iter().map(|(now, then)| then - now).collect();
    let value = reference.value - now.value;
    // A replicate may be beyond 0 or 1, where no share can be.
    let possible: Vec<f64> = draws.iter().map(|(now, then)| then.clamp(0.0, 1.0) - now.clamp(0.0, 1.0)).collect();
    let interval = percentile_interval(&possible, 0.95).unwrap_or(Interval { lo: -1.0, hi: 1.0 });
    DriftGap {
        value,
        interval: Interval { lo: interval.lo.min(value), hi: interval.hi.max(value) },
        p_value: lower_tail_p(&differences, options.tolerated_gap),
    }
}

/// Smallest represented share of a mixture, and smallest share that is not represented. This preserves the order of
/// records and makes none certain.
const LEAST: f64 = 0.001;

/// The contribution of one resampled unit, as shares of all traffic.
#[derive(Clone, Copy, Default)]
struct Unit {
    /// Traffic in the mixture × posterior.
    seen: f64,
    /// Traffic in the mixture.
    mixture: f64,
    /// Traffic that is certainly represented.
    certain: f64,
    /// All traffic except for the excess.
    all: f64,
}

/// A window with its estimate and the sums needed for resampling.
struct Measured {
    records: Vec<RecordCoverage>,
    value: f64,
    as_worded: f64,
    /// Standard deviation of the strength of the effect of wording.
    uncertainty: f64,
    fit: MixtureFit,
    units: Vec<Unit>,
    /// Excess traffic, as a share, and `p_represented` of every heavy text.
    heavy: Vec<(f64, f64)>,
}

impl Measured {
    /// Returns `None` if nothing can be measured.
    fn new(
        golden: GoldenPoints<'_>,
        window: WindowPoints<'_>,
        calibration: &Calibration,
        reworded: Option<&[Point]>,
        options: Options,
    ) -> Option<Self> {
        let scored = Scored::new(golden, window, calibration, options.duplicate_similarity)?;
        let window = window.records;
        let fit = MixtureFit::new(&scored, calibration, reworded);
        let share = fit.share(1.0);
        // Without a mixture there is nothing to adjust: everything embeddable is certain, or nothing is embeddable.
        if share.is_nan() && (!fit.observed.is_nan() || scored.embeddable().next().is_none()) {
            return None;
        }
        let records = coverage_of_records(&scored, if share.is_nan() { 0.5 } else { share.clamp(LEAST, 1.0 - LEAST) });
        let weight = |(record, weight): (&RecordCoverage, &f64)| weight * record.p_represented;
        let value = records.iter().zip(window.weights()).map(weight).sum::<f64>() / scored.total;
        let mixture: f64 = scored.embeddable().map(|row| row.weight).sum::<f64>() / scored.total;
        let moved = (fit.share(0.0).clamp(LEAST, 1.0 - LEAST) - share.clamp(LEAST, 1.0 - LEAST)) * mixture;
        let uncertainty = STRENGTH_DEVIATION.min(LARGEST_DEVIATION / moved.abs());
        let as_worded = if moved.is_nan() { value } else { (value + moved).clamp(0.0, 1.0) };
        let (units, heavy) = units(&scored, window, &records, fit.prior);
        Some(Self { value: value.clamp(0.0, 1.0), as_worded, uncertainty, fit, records, units, heavy })
    }

    fn coverage(self, draws: &[f64]) -> Coverage {
        let interval = percentile_interval(draws, 0.95).unwrap_or(Interval { lo: 0.0, hi: 1.0 }).clamp_unit();
        let interval = Interval { lo: interval.lo.min(self.value), hi: interval.hi.max(self.value) };
        Coverage { value: self.value, interval, as_worded: self.as_worded, records: self.records }
    }

    /// The share in one replicate, not clamped. Units and topics are counted as often as they were drawn, and every
    /// heavy text is represented or not at random, according to its probability.
    fn replicate(&self, drawn: &Drawn, random: &mut impl RngExt) -> f64 {
        let mut sum = Unit::default();
        for _ in 0..self.units.len() {
            let unit = self.units[random.random_range(0..self.units.len())];
            sum.seen += unit.seen;
            sum.mixture += unit.mixture;
            sum.certain += unit.certain;
            sum.all += unit.all;
        }
        let strength = 1.0 + self.uncertainty * drawn.wording;
        // Every window has copies of its own.
        let (known_error, novel_error) = self.fit.sums.shift_errors;
        let known = self.fit.known_mean(Some(&drawn.known), strength)
            + known_error * standard_normal(random)
            + AUTHORS_DEVIATION * self.fit.contrast() * drawn.authors;
        let novel = self.fit.sums.novel_mean(Some(&drawn.novel), strength) + novel_error * standard_normal(random);
        let represented = match sum.mixture > 0.0 {
            true => sum.mixture * adjusted_share(sum.seen / sum.mixture, known, novel),
            false => 0.0,
        };
        let excess: f64 = self.heavy.iter().map(|(weight, _)| weight).sum();
        let heavy = self.heavy.iter().filter(|(_, p)| random.random_bool(p.clamp(0.0, 1.0)));
        let heavy: f64 = heavy.map(|(weight, _)| weight).sum();
        (represented + sum.certain) / sum.all * (1.0 - excess) + heavy
    }
}

/// The resampled units of a window, and the excess weight and `p_represented` of every heavy text.
fn units(
    scored: &Scored,
    window: &Records<'_>,
    records: &[RecordCoverage],
    prior: f64,
) -> (Vec<Unit>, Vec<(f64, f64)>) {
    let (mut units, mut excess) = (vec![Unit::default(); scored.units], vec![(0.0, 0.0); scored.units]);
    for (at, (row, record)) in scored.rows.iter().zip(records).enumerate() {
        let all = window.weights()[at] / scored.total;
        let Some(row) = row else {
            units[window.groups()[at]].all += all;
            continue;
        };
        let unit = &mut units[row.unit];
        unit.seen += row.weight / scored.total * row.counted(prior);
        unit.mixture += row.weight / scored.total;
        unit.certain += if row.certain { all } else { 0.0 };
        unit.all += all - row.excess / scored.total;
        excess[row.unit] = (excess[row.unit].0 + row.excess / scored.total, record.p_represented);
    }
    (units, excess.into_iter().filter(|(weight, _)| *weight > 0.0).collect())
}

/// The number of times each topic was drawn.
struct Drawn {
    /// For each topic, by how many standard deviations the mean of its represented requests differs.
    known: Vec<f64>,
    /// Fewer draws than there are topics: new requests are about a handful of things, and which ones these are is the
    /// largest part of the error.
    novel: Vec<f64>,
    /// By how many standard deviations the effect of wording differs from that on the copies, which are only similar to
    /// what users write.
    wording: f64,
    /// By how many standard deviations all represented requests differ from examples, which other people wrote.
    authors: f64,
}

/// Standard deviation of the effect of wording, as a share of it.
const STRENGTH_DEVIATION: f64 = 0.3;

/// Largest standard deviation of the effect of wording on coverage. A large effect, as that of sentences around a request,
/// is known better than in proportion.
const LARGEST_DEVIATION: f64 = 0.06;

/// Standard deviation of how much less, or more, represented requests resemble the examples than these resemble each
/// other, whatever the topic, as a share of the difference between represented and unknown requests. It is the same in both windows,
/// so it widens intervals of coverage but not of the gap.
const AUTHORS_DEVIATION: f64 = 0.015;

/// Number of topics in a draw of novel requests.
const NOVEL_TOPICS: usize = 20;

impl Drawn {
    fn new(present: &[usize], topics: usize, random: &mut impl RngExt) -> Self {
        let known = (0..topics).map(|_| standard_normal(random)).collect();
        let mut novel = vec![0.0; topics];
        for _ in 0..NOVEL_TOPICS.min(present.len()) {
            novel[present[random.random_range(0..present.len())]] += 1.0;
        }
        Self { known, novel, wording: standard_normal(random), authors: standard_normal(random) }
    }
}

/// A draw that is normally distributed to a good approximation: the sum of twelve uniform ones.
fn standard_normal(random: &mut impl RngExt) -> f64 {
    (0..12).map(|_| random.random_range(0.0..1.0)).sum::<f64>() - 6.0
}

/// Shares of both windows in every replicate; 0 for a missing reference window. Replicates in which represented and
/// unknown requests look the same are omitted.
fn bootstrap(now: &Measured, reference: Option<&Measured>, options: Options) -> Vec<(f64, f64)> {
    let sums = &now.fit.sums;
    let present: Vec<usize> = (0..sums.weight.len()).filter(|topic| sums.weight[*topic] > 0.0).collect();
    let draws: Vec<Option<(f64, f64)>> = (0..options.replicates)
        .into_par_iter()
        .map(|replicate| {
            let mut random = rng(options.seed, 1_000 + replicate as u64);
            let drawn = Drawn::new(&present, sums.weight.len(), &mut random);
            let share = now.replicate(&drawn, &mut random);
            let then = reference.map_or(0.0, |reference| reference.replicate(&drawn, &mut random));
            (share.is_finite() && then.is_finite()).then_some((share, then))
        })
        .collect();
    draws.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::vector::Vectors;
    use rand_chacha::ChaCha8Rng;

    const DIM: usize = 32;

    /// Generates rows scattered around the centres of topics.
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

    fn points<'a>(records: &'a Records<'a>) -> WindowPoints<'a> {
        WindowPoints { records, copies: None, other_language: &[] }
    }

    fn measure(
        golden: &Vectors,
        topics: &[usize],
        now: &Vectors,
        reference: Option<&Vectors>,
    ) -> Option<CoverageMeasurement> {
        let (now, reference) = (Records::of_vectors(now), reference.map(Records::of_vectors));
        super::measure(
            GoldenPoints { vectors: golden, topics },
            points(&now),
            reference.as_ref().map(points),
            options(),
        )
    }

    #[test]
    fn a_planted_share_is_recovered_and_equals_the_mean_over_records() {
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
    fn repeats_of_examples_are_represented_and_do_not_affect_other_traffic() {
        let mut world = Topics::new(30, 13);
        let topics: Vec<usize> = (0..200).map(|row| row % 20).collect();
        let golden = world.rows(topics.iter().copied());
        let mut now = world.rows((0..600).map(|row| row % 30));
        let plain = measure(&golden, &topics, &now, None).unwrap().now.value;
        (0..200).for_each(|row| now.push(golden.row(row)));
        let found = measure(&golden, &topics, &now, None).unwrap().now;
        assert!(found.records[600..].iter().all(|record| record.p_represented == 1.0));
        assert!((found.value - (plain * 600.0 + 200.0) / 800.0).abs() < 0.02, "{} after {plain}", found.value);
    }

    #[test]
    fn one_text_repeated_many_times_does_not_raise_an_alarm() {
        for said in 0..8 {
            let mut world = Topics::new(20, 17);
            let topics: Vec<usize> = (0..200).map(|row| row % 20).collect();
            let golden = world.rows(topics.iter().copied());
            let reference = world.rows((0..600).map(|row| row % 20));
            let mut now = world.rows((0..540).map(|row| row % 20));
            let one = now.row(said).to_vec();
            (0..60).for_each(|_| now.push(&one));
            let found = measure(&golden, &topics, &now, Some(&reference)).unwrap();
            assert!(found.gap.unwrap().p_value > 0.05, "{said}: {:?}", found.gap);
            assert!(found.now.value > 0.9, "{said}: {}", found.now.value);
        }
    }

    #[test]
    fn a_changed_mix_of_known_topics_does_not_raise_an_alarm() {
        let mut world = Topics::new(20, 19);
        let topics: Vec<usize> = (0..200).map(|row| row % 20).collect();
        let golden = world.rows(topics.iter().copied());
        let reference = world.rows((0..800).map(|row| row % 20));
        let now = world.rows((0..800).map(|row| if row % 2 == 0 { row % 4 } else { row % 20 }));
        let found = measure(&golden, &topics, &now, Some(&reference)).unwrap();
        assert!(found.gap.unwrap().p_value > 0.05 && found.now.value > 0.93, "{:?} {}", found.gap, found.now.value);
    }

    #[test]
    fn records_retain_their_order_if_all_seem_represented() {
        let mut world = Topics::new(20, 21);
        let topics: Vec<usize> = (0..200).map(|row| row % 20).collect();
        let golden = world.rows(topics.iter().copied());
        let now = world.rows((0..300).map(|row| row % 20));
        let found = measure(&golden, &topics, &now, None).unwrap().now;
        let least = found.records.iter().map(|record| record.p_represented).fold(1.0, f64::min);
        assert!(found.value > 0.95 && least < found.value, "{least} {}", found.value);
    }

    #[test]
    fn records_with_nothing_to_embed_are_not_represented_but_count_in_the_denominator() {
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
        assert!(blind.is_none_or(|found| found.now.interval.width() > 0.5), "random labels carry no information");
        let empty = world.rows(std::iter::empty());
        let mut nothing = empty.clone();
        (0..50).for_each(|_| nothing.push(&[0.0; DIM]));
        assert!(
            measure(&golden, &topics, &nothing, None).is_none_or(|found| found.now.value == 0.0),
            "nothing to embed"
        );
    }

    #[test]
    fn the_number_of_threads_does_not_change_the_result() {
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
