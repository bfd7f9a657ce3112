//! Selects the records to label next by greedy facility location over the unrepresented traffic (Nemhauser, Wolsey &
//! Fisher 1978), so that each candidate represents traffic that neither the set nor an earlier candidate represents.

use std::collections::BTreeSet;

use crate::core::domain::RecordIdx;
use crate::core::records::Records;
use crate::core::unrepresented::{NOVEL, Unrepresented};
use crate::core::vector::{Vectors, dot};

/// A record worth labelling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Its index in the window.
    pub record: RecordIdx,
    /// Additional share of all traffic that it would represent.
    pub gain: f64,
}

/// Maximum number of rows compared. The cost is quadratic in it.
const POOL: usize = 1500;

/// Similarity up to which a labelled example does not represent another record at all.
const FLOOR: f32 = 0.2;

/// Picks up to `count` records, those in groups of unrepresented records first: a single record that nothing represents
/// may be a known request in unusual words, but several alike are a new topic. Only the groups' traffic counts as
/// gained by them. If the groups do not provide enough, other novel records follow. There are none if novelty is unknown.
pub fn next_to_label(records: &Records<'_>, unrepresented: &Unrepresented, count: usize) -> Vec<Candidate> {
    if unrepresented.novelty.len() != records.len() {
        return Vec::new();
    }
    let grouped: BTreeSet<usize> = unrepresented.groups.iter().flatten().map(|record| record.0).collect();
    let total = records.total_weight();
    let traffic = |in_groups: bool| -> Vec<f64> {
        let novelty = unrepresented.novelty.iter().zip(records.weights()).enumerate();
        let counts = |row: usize, novelty: f64| grouped.contains(&row) == in_groups && (in_groups || novelty > NOVEL);
        novelty.map(|(row, (novelty, w))| if counts(row, *novelty) { novelty * w / total } else { 0.0 }).collect()
    };
    let mut picked = candidates(records.vectors(), &traffic(true), FLOOR, count);
    if picked.len() < count {
        picked.extend(candidates(records.vectors(), &traffic(false), FLOOR, count - picked.len()));
    }
    picked
}

/// Picks up to `count` records. `unrepresented[i]` is record i's weight × novelty, as a share of all traffic.
///
/// The degree to which a candidate represents another record is their cosine similarity above `floor`, scaled to [0,
/// 1]. If more than 1,500 records are unrepresented, only those with the most unrepresented traffic are considered.
fn candidates(records: &Vectors, unrepresented: &[f64], floor: f32, count: usize) -> Vec<Candidate> {
    let mut pool: Vec<usize> =
        (0..records.len()).filter(|i| records.is_embeddable(*i) && unrepresented[*i] > 1e-9).collect();
    pool.sort_by(|a, b| unrepresented[*b].total_cmp(&unrepresented[*a]).then(a.cmp(b)));
    pool.truncate(POOL);
    let similarity = |a: usize, b: usize| {
        let above = (dot(records.row(a), records.row(b)) - floor) / (1.0 - floor).max(f32::EPSILON);
        f64::from(above.clamp(0.0, 1.0))
    };
    let mut covered = vec![0.0; pool.len()];
    let mut picked: Vec<Candidate> = Vec::new();
    while picked.len() < count.min(pool.len()) {
        let gain_of = |candidate: usize| -> f64 {
            let gains = pool.iter().zip(&covered);
            gains
                .map(|(record, covered)| unrepresented[*record] * (similarity(candidate, *record) - covered).max(0.0))
                .sum()
        };
        let free = pool.iter().copied().filter(|record| picked.iter().all(|candidate| candidate.record.0 != *record));
        let Some((record, gain)) = best(free.collect(), gain_of) else { break };
        if gain <= 0.0 {
            break;
        }
        for (covered, other) in covered.iter_mut().zip(&pool) {
            *covered = covered.max(similarity(record, *other));
        }
        picked.push(Candidate { record: RecordIdx(record), gain });
    }
    picked
}

fn best(free: Vec<usize>, gain_of: impl Fn(usize) -> f64 + Sync) -> Option<(usize, f64)> {
    use rayon::prelude::*;
    let gains: Vec<(usize, f64)> = free.into_par_iter().map(|record| (record, gain_of(record))).collect();
    gains.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(rows: &[[f32; 2]]) -> Vectors {
        let mut vectors = Vectors::new(2);
        rows.iter().for_each(|row| vectors.push(row));
        vectors
    }

    #[test]
    fn the_second_candidate_is_not_a_copy_of_the_first() {
        let vectors = records(&[[1.0, 0.0], [0.999, 0.01], [0.998, 0.02], [0.0, 1.0]]);
        let picked = candidates(&vectors, &[0.2, 0.2, 0.2, 0.1], 0.0, 2);
        assert!(picked[0].record.0 < 3 && picked[1].record.0 == 3, "{picked:?}");
        assert!((picked[0].gain - 0.6).abs() < 0.01 && (picked[1].gain - 0.1).abs() < 0.01, "{picked:?}");
    }

    #[test]
    fn records_of_groups_come_first_and_represented_ones_never() {
        let vectors = records(&[[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [-1.0, 0.0], [0.5, 0.5]]);
        let window = Records::of_vectors(&vectors);
        let novelty = vec![0.5, 0.6, 0.9, 0.8, 0.2];
        let groups = vec![vec![RecordIdx(0), RecordIdx(1)]];
        let picked = next_to_label(&window, &Unrepresented { novelty: novelty.clone(), groups }, 9);
        let rows: Vec<usize> = picked.iter().map(|candidate| candidate.record.0).collect();
        assert!(rows[0] < 2 && !rows.contains(&4), "{rows:?}");
        assert_eq!(rows.iter().rev().take(2).collect::<Vec<_>>(), [&3, &2]);
        assert!((picked[0].gain - 0.22).abs() < 0.01, "the gain is the group's traffic: {picked:?}");
        let picked = next_to_label(&window, &Unrepresented { novelty, groups: Vec::new() }, 1);
        assert!(picked[0].record.0 < 2, "without groups, the most novel traffic: {picked:?}");
        assert!(next_to_label(&window, &Unrepresented::default(), 3).is_empty(), "not measured");
        assert!(next_to_label(&window, &Unrepresented { novelty: vec![0.0; 5], groups: Vec::new() }, 3).is_empty());
    }

    #[test]
    fn represented_and_empty_records_are_never_candidates() {
        let vectors = records(&[[1.0, 0.0], [0.0, 0.0]]);
        assert!(candidates(&vectors, &[0.0, 0.5], 0.0, 5).is_empty());
        assert!(candidates(&Vectors::new(2), &[], 0.0, 5).is_empty());
    }
}
