//! Selects the records to label next: by greedy facility location over the unrepresented traffic (Nemhauser, Wolsey &
//! Fisher 1978), so that each candidate represents traffic that neither the set nor an earlier candidate represents; then
//! where production and the nearest examples disagree; and a random sample, from which a score may be estimated.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::core::domain::RecordIdx;
use crate::core::records::Records;
use crate::core::sampling::uniform;
use crate::core::unrepresented::{NOVEL, Unrepresented};
use crate::core::vector::{Vectors, tile};

/// Why a record is worth labelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// It is in a group of unrepresented records.
    Group,
    /// No example represents it, but it is in no group.
    Novel,
    /// Production's answer is not the label of the examples nearest to it.
    Disputed,
    /// It was drawn at random from the whole window.
    Random,
}

impl Origin {
    /// Its name in JSON and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Novel => "novel",
            Self::Disputed => "disputed",
            Self::Random => "random",
        }
    }
}

/// A record worth labelling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Its index in the window.
    pub record: RecordIdx,
    /// Additional share of all traffic that it is expected to represent; if disputed, of the traffic with disputed answers.
    pub gain: f64,
    /// Why it is worth labelling.
    pub origin: Origin,
    /// The probability with which it was drawn; `None` unless it was drawn at random.
    pub probability: Option<f64>,
}

/// How many candidates are picked.
#[derive(Debug, Clone, Copy)]
pub struct Selection {
    /// Their number, at most.
    pub count: usize,
    /// Share of them that is drawn at random, in [0, 1]; at least one of ten if it is above 0.
    pub random_share: f64,
    /// Seed of the random ones.
    pub seed: u64,
}

impl Selection {
    /// A tenth of `count` at random.
    pub fn of(count: usize, seed: u64) -> Self {
        Self { count, random_share: 0.1, seed }
    }

    fn random(self) -> usize {
        let share = (self.count as f64 * self.random_share).round() as usize;
        let least = usize::from(self.random_share > 0.0 && self.count >= 10);
        share.clamp(least, self.count.max(least))
    }
}

/// Maximum number of rows compared. The cost is quadratic in it.
const POOL: usize = 1500;

/// Similarity up to which a labelled example does not represent another record at all.
const FLOOR: f32 = 0.2;

/// Share of the candidates reserved for disputed records, if there are any.
const DISPUTED_SHARE: f64 = 0.05;

/// Disagreement from which a record is disputed.
const DISPUTED: f64 = 0.5;

/// Picks up to `selection.count` records: those in groups of unrepresented records first, since a single record that
/// nothing represents may be a known request in unusual words, but several alike are a new topic; only the groups'
/// traffic counts as gained by them. Other novel records follow, then disputed ones (`disagreement`, in [0, 1], has one
/// entry per record or none), and last the random ones. There are no candidates at all if novelty is unknown.
pub fn next_to_label(
    records: &Records<'_>,
    unrepresented: &Unrepresented,
    disagreement: &[f64],
    selection: Selection,
) -> Vec<Candidate> {
    let Unrepresented { novelty, groups } = unrepresented;
    if novelty.len() != records.len() {
        return Vec::new();
    }
    let random = drawn(records, novelty, selection);
    let mut search = Search { records, taken: random.iter().map(|candidate| candidate.record.0).collect() };
    let mut group_of = vec![None; records.len()];
    groups.iter().enumerate().for_each(|(number, group)| group.iter().for_each(|r| group_of[r.0] = Some(number)));
    let shares = |value: &dyn Fn(usize) -> f64| -> Vec<f64> {
        let total = records.total_weight();
        records.weights().iter().enumerate().map(|(row, weight)| value(row) * weight / total).collect()
    };
    let in_groups = shares(&|row| if group_of[row].is_some() { novelty[row] } else { 0.0 });
    let alone = shares(&|row| if group_of[row].is_none() && novelty[row] > NOVEL { novelty[row] } else { 0.0 });
    let disagrees = |row: usize| disagreement.get(row).copied().filter(|d| *d >= DISPUTED).unwrap_or(0.0);
    let disputed = shares(&disagrees);
    let free = selection.count - random.len().min(selection.count);
    let reserved = (free as f64 * DISPUTED_SHARE).round() as usize;
    let reserved = reserved.min(disputed.iter().filter(|share| **share > 0.0).count());
    // A candidate that is represented after all adds nothing.
    let novel = |row: usize| novelty[row];
    let mut picked = search.pick(Origin::Group, (&in_groups, &novel), &group_of, free - reserved);
    picked.extend(search.pick(Origin::Novel, (&alone, &novel), &[], free - reserved - picked.len()));
    picked.extend(search.pick(Origin::Disputed, (&disputed, &disagrees), &[], free - picked.len()));
    picked.extend(random);
    picked
}

/// The random candidates: those with the smallest hashes of their ids, so that a record that was drawn stays so as long
/// as the window contains it and hardly grows.
fn drawn(records: &Records<'_>, novelty: &[f64], selection: Selection) -> Vec<Candidate> {
    let mut order: Vec<(f64, usize)> =
        records.ids().iter().enumerate().map(|(row, id)| (uniform(id, selection.seed), row)).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    order.truncate(selection.random());
    let probability = order.len() as f64 / records.len().max(1) as f64;
    let candidate = |(_, row): (f64, usize)| Candidate {
        record: RecordIdx(row),
        gain: novelty[row] * records.weights()[row] / records.total_weight(),
        origin: Origin::Random,
        probability: Some(probability),
    };
    order.into_iter().map(candidate).collect()
}

/// A search for candidates in a window.
struct Search<'a> {
    records: &'a Records<'a>,
    /// The records that are candidates already.
    taken: BTreeSet<usize>,
}

impl Search<'_> {
    /// Picks up to `count` records. `shares[i]` is the share of all traffic that would be gained with record i, and `chance` the
    /// probability that a candidate gains anything.
    ///
    /// The degree to which a candidate represents another record is their cosine similarity above 0.2, scaled to [0,
    /// 1]. If there is something to gain with more than 1,500 records, only those with most of it are considered. With
    /// groups, no group has more candidates than its share of the gain, rounded up, as long as another one has none.
    fn pick(
        &mut self,
        origin: Origin,
        (shares, chance): (&[f64], &dyn Fn(usize) -> f64),
        groups: &[Option<usize>],
        count: usize,
    ) -> Vec<Candidate> {
        let vectors = self.records.vectors();
        let mut pool: Vec<usize> =
            (0..vectors.len()).filter(|row| vectors.is_embeddable(*row) && shares[*row] > 1e-9).collect();
        pool.sort_by(|a, b| shares[*b].total_cmp(&shares[*a]).then(a.cmp(b)));
        pool.truncate(POOL);
        if pool.is_empty() || count == 0 {
            return Vec::new();
        }
        let gains: Vec<f64> = pool.iter().map(|row| shares[*row]).collect();
        let of_pool = pool.iter().map(|row| groups.get(*row).copied().flatten()).collect();
        let mut quotas = Quotas::new(of_pool, &gains, count);
        let mut facility = Facility::new(&vectors.select(&pool), gains, pool.iter().map(|row| chance(*row)).collect());
        let mut picked = Vec::new();
        while picked.len() < count {
            let free = (0..pool.len()).filter(|at| !self.taken.contains(&pool[*at]));
            let free: Vec<usize> = free.collect();
            let Some((at, gain)) = facility.best(&quotas.open(&free)) else { break };
            facility.add(at);
            quotas.add(at);
            self.taken.insert(pool[at]);
            picked.push(Candidate { record: RecordIdx(pool[at]), gain, origin, probability: None });
        }
        picked
    }
}

/// How many candidates each group may have.
struct Quotas {
    group_of: Vec<Option<usize>>,
    /// For each group, the number of its candidates so far, and at most while another group has none.
    groups: Vec<(usize, usize)>,
}

impl Quotas {
    fn new(group_of: Vec<Option<usize>>, gains: &[f64], count: usize) -> Self {
        let total: f64 = gains.iter().sum();
        let mut of_groups = vec![0.0; group_of.iter().flatten().max().map_or(0, |last| last + 1)];
        for (group, gain) in group_of.iter().zip(gains) {
            group.iter().for_each(|group| of_groups[*group] += gain);
        }
        let most = |gain: f64| ((gain / total * count as f64).ceil() as usize).max(1);
        Self { group_of, groups: of_groups.into_iter().map(|gain| (0, most(gain))).collect() }
    }

    /// Those of the records whose groups may have another candidate; all of them if every group has one.
    fn open(&self, free: &[usize]) -> Vec<usize> {
        let group = |at: &usize| self.group_of[*at].map(|group| self.groups[group]);
        if !free.iter().any(|at| group(at).is_some_and(|(taken, _)| taken == 0)) {
            return free.to_vec();
        }
        free.iter().copied().filter(|at| group(at).is_none_or(|(taken, most)| taken < most)).collect()
    }

    fn add(&mut self, at: usize) {
        if let Some(group) = self.group_of[at] {
            self.groups[group].0 += 1;
        }
    }
}

/// What the candidates so far represent.
struct Facility {
    gains: Vec<f64>,
    /// The probability that each row gains anything as a candidate.
    chances: Vec<f64>,
    /// How far each row represents each other one, row by row.
    represents: Vec<f32>,
    covered: Vec<f32>,
}

impl Facility {
    fn new(rows: &Vectors, gains: Vec<f64>, chances: Vec<f64>) -> Self {
        let mut represents = Vec::new();
        tile(rows, 0..rows.len(), rows, 0..rows.len(), &mut represents);
        represents
            .iter_mut()
            .for_each(|similarity| *similarity = ((*similarity - FLOOR) / (1.0 - FLOOR)).clamp(0.0, 1.0));
        Self { covered: vec![0.0; gains.len()], gains, chances, represents }
    }

    fn row(&self, at: usize) -> &[f32] {
        &self.represents[at * self.gains.len()..(at + 1) * self.gains.len()]
    }

    /// The row with the largest expected gain, if that is above 0.
    fn best(&self, open: &[usize]) -> Option<(usize, f64)> {
        let gain_of = |at: usize| -> f64 {
            let all = self.gains.iter().zip(self.row(at)).zip(&self.covered);
            let gained: f64 = all.map(|((gain, by), covered)| gain * f64::from((by - covered).max(0.0))).sum();
            self.chances[at] * gained
        };
        let gains = open.iter().map(|at| (*at, gain_of(*at)));
        gains.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0))).filter(|(_, gain)| *gain > 0.0)
    }

    fn add(&mut self, at: usize) {
        let size = self.gains.len();
        let row = &self.represents[at * size..(at + 1) * size];
        self.covered.iter_mut().zip(row).for_each(|(covered, by)| *covered = covered.max(*by));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::records::Record;

    fn vectors(rows: &[[f32; 2]]) -> Vectors {
        let mut vectors = Vectors::new(2);
        rows.iter().for_each(|row| vectors.push(row));
        vectors
    }

    /// Candidates of which none is drawn at random.
    fn chosen(vectors: &Vectors, found: &Unrepresented, disagreement: &[f64], count: usize) -> Vec<Candidate> {
        let selection = Selection { count, random_share: 0.0, seed: 0 };
        next_to_label(&Records::of_vectors(vectors), found, disagreement, selection)
    }

    fn rows(picked: &[Candidate]) -> Vec<usize> {
        picked.iter().map(|candidate| candidate.record.0).collect()
    }

    fn group(rows: std::ops::Range<usize>) -> Vec<RecordIdx> {
        rows.map(RecordIdx).collect()
    }

    #[test]
    fn the_second_candidate_is_not_a_copy_of_the_first() {
        let vectors = vectors(&[[1.0, 0.0], [0.999, 0.01], [0.998, 0.02], [0.0, 1.0]]);
        let found = Unrepresented { novelty: vec![0.8, 0.8, 0.8, 0.4], groups: vec![group(0..4)] };
        let picked = chosen(&vectors, &found, &[], 2);
        assert!(picked[0].record.0 < 3 && picked[1].record.0 == 3, "{picked:?}");
        assert!((picked[0].gain - 0.48).abs() < 0.01 && (picked[1].gain - 0.04).abs() < 0.01, "{picked:?}");
    }

    #[test]
    fn records_of_groups_come_first_and_represented_ones_never() {
        let vectors = vectors(&[[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [-1.0, 0.0], [0.5, 0.5]]);
        let novelty = vec![0.5, 0.6, 0.9, 0.8, 0.2];
        let picked = chosen(&vectors, &Unrepresented { novelty: novelty.clone(), groups: vec![group(0..2)] }, &[], 9);
        assert!(picked[0].record.0 < 2 && !rows(&picked).contains(&4), "{picked:?}");
        let origins: Vec<Origin> = picked.iter().map(|candidate| candidate.origin).collect();
        assert_eq!(origins, [Origin::Group, Origin::Group, Origin::Novel, Origin::Novel]);
        assert!((picked[0].gain - 0.6 * 0.22).abs() < 0.01, "the gain is the group's traffic: {picked:?}");
        let picked = chosen(&vectors, &Unrepresented { novelty, groups: Vec::new() }, &[], 1);
        assert_eq!(picked[0].record.0, 2, "without groups, the most novel traffic: {picked:?}");
        assert!(chosen(&vectors, &Unrepresented::default(), &[0.9; 5], 3).is_empty(), "not measured");
        assert!(chosen(&vectors, &Unrepresented { novelty: vec![0.0; 5], groups: Vec::new() }, &[], 3).is_empty());
    }

    #[test]
    fn a_large_group_has_no_more_than_its_share_while_others_have_none() {
        // Twelve records of one group and two groups of one record: 8.6 of ten candidates.
        let group_of: Vec<Option<usize>> = [vec![Some(0); 12], vec![Some(1), Some(2)]].concat();
        let mut quotas = Quotas::new(group_of, &[1.0; 14], 10);
        (0..8).for_each(|at| quotas.add(at));
        assert_eq!(quotas.open(&[8, 9, 12, 13]), [8, 9, 12, 13]);
        quotas.add(8);
        assert_eq!(quotas.open(&[9, 12, 13]), [12, 13], "nine of ten are its share");
        quotas.add(12);
        assert_eq!(quotas.open(&[9, 13]), [13]);
        quotas.add(13);
        assert_eq!(quotas.open(&[9]), [9], "every group has one");
    }

    #[test]
    fn disputed_records_have_a_reserved_share_and_fill_what_is_left() {
        let directions: Vec<[f32; 2]> = (0..40).map(|at| (at as f32 * 0.15).sin_cos().into()).collect();
        let vectors = vectors(&directions);
        let novelty: Vec<f64> = (0..40).map(|at| if at < 20 { 0.9 } else { 0.0 }).collect();
        let disagreement: Vec<f64> = (0..40).map(|at| if at < 30 { 0.0 } else { 0.6 + 0.01 * f64::from(at) }).collect();
        let found = Unrepresented { novelty, groups: Vec::new() };
        let picked = chosen(&vectors, &found, &disagreement, 10);
        let disputed = picked.iter().filter(|candidate| candidate.origin == Origin::Disputed).count();
        assert!(disputed >= 1 && picked.iter().take(picked.len() - disputed).all(|c| c.record.0 < 20), "{picked:?}");
        let nothing_new = Unrepresented { novelty: vec![0.0; 40], groups: Vec::new() };
        let picked = chosen(&vectors, &nothing_new, &disagreement, 10);
        assert!(!picked.is_empty() && picked.iter().all(|candidate| candidate.record.0 >= 30), "{picked:?}");
        assert!(chosen(&vectors, &nothing_new, &[0.4; 40], 10).is_empty(), "too little disagreement");
    }

    #[test]
    fn a_tenth_is_drawn_at_random_from_the_whole_window_and_comes_last() {
        let directions: Vec<[f32; 2]> = (0..200).map(|at| (at as f32 * 0.03).sin_cos().into()).collect();
        let vectors = vectors(&directions);
        let ids: Vec<String> = (0..200).map(|at| format!("r{at}")).collect();
        let record = |at: usize| Record { id: &ids[at], weight: 1.0, group: at, text: "", output: None };
        let window = Records::new(&vectors, (0..200).map(record));
        let found = Unrepresented { novelty: vec![0.9; 200], groups: vec![group(0..200)] };
        let picked = next_to_label(&window, &found, &[], Selection::of(20, 7));
        let random = |candidate: &Candidate| candidate.origin == Origin::Random;
        let probabilities: Vec<Option<f64>> = picked.iter().map(|candidate| candidate.probability).collect();
        assert_eq!(probabilities.iter().rev().take(2).collect::<Vec<_>>(), [&Some(0.01), &Some(0.01)]);
        assert_eq!(picked.iter().filter(|candidate| random(candidate)).count(), 2);
        let distinct: BTreeSet<usize> = rows(&picked).into_iter().collect();
        assert_eq!(distinct.len(), picked.len());
        let of_seed = |seed| rows(&next_to_label(&window, &found, &[], Selection::of(20, seed)));
        assert_eq!(of_seed(7), rows(&picked), "the same seed");
        let drawn: BTreeSet<usize> = (0..200).flat_map(|seed| of_seed(seed).into_iter().rev().take(2)).collect();
        assert!(drawn.len() > 150, "every record may be drawn: {}", drawn.len());
    }

    #[test]
    fn at_least_one_of_ten_is_random_and_no_more_than_there_are() {
        let random = |count, random_share| Selection { count, random_share, seed: 0 }.random();
        let cases = [(0, 0.1, 0), (3, 0.1, 0), (10, 0.01, 1), (20, 0.1, 2), (50, 0.1, 5), (20, 0.0, 0), (4, 1.0, 4)];
        for (count, share, expected) in cases {
            assert_eq!(random(count, share), expected, "{share} of {count}");
        }
        let vectors = vectors(&[[1.0, 0.0], [0.0, 1.0]]);
        let found = Unrepresented { novelty: vec![0.0; 2], groups: Vec::new() };
        let picked = next_to_label(&Records::of_vectors(&vectors), &found, &[], Selection::of(50, 0));
        assert_eq!(picked.len(), 2, "both, once");
        let empty = Vectors::new(2);
        assert!(
            next_to_label(&Records::of_vectors(&empty), &Unrepresented::default(), &[], Selection::of(9, 0)).is_empty()
        );
    }

    #[test]
    fn records_with_nothing_to_embed_gain_nothing() {
        let vectors = vectors(&[[1.0, 0.0], [0.0, 0.0]]);
        let found = Unrepresented { novelty: vec![0.0, 0.5], groups: vec![group(1..2)] };
        assert!(chosen(&vectors, &found, &[], 5).is_empty());
    }
}
