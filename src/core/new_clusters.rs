//! Clusters that keep their identity: frozen at the reference window, and joined by new ones once there is proof.
//!
//! A cluster is born where a window holds more records in a ball than the reference window does (exact conditional
//! test, Benjamini–Hochberg over the candidates), never because some records fit badly: a twentieth of harmless ones
//! always does.

use serde::{Deserialize, Serialize};

use crate::core::cluster::{
    Assignment, ChooseK, Clustering, ClusteringOptions, KMeansOptions, assign, choose_k, cluster_names, fit_clustering,
    spherical_kmeans,
};
use crate::core::domain::{content_hash, short};
use crate::core::signals::Policy;
use crate::core::stats::{benjamini_hochberg, binomial_rate_less, effective_n};
use crate::core::vector::Vectors;

/// Every cluster of a dataset's traffic in one space.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClusterBook {
    /// Label of the window the first clusters were fitted on.
    pub reference: String,
    /// Centroids, held-out similarities, terms and names, in the order of `ids`.
    #[serde(alias = "taxonomy")]
    pub clustering: Clustering,
    /// Ids, which never change meaning.
    pub ids: Vec<String>,
    /// Label of the window each cluster was born in; `None` for the first ones.
    #[serde(alias = "born")]
    pub new_since: Vec<Option<String>>,
    /// Labels of the windows already searched for births, so that measuring one twice changes nothing.
    pub searched: Vec<String>,
}

/// Records of one window, as clusters are formed of them.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a> {
    /// Its label.
    pub label: &'a str,
    /// One row a record.
    pub vectors: &'a Vectors,
    /// Requests of production each stands for.
    pub weights: &'a [f64],
    /// Text of each.
    pub texts: &'a [&'a str],
    /// User or session of each, from 0.
    pub groups: &'a [usize],
}

/// The fewest records clusters are formed of.
pub const MIN_RECORDS: usize = 40;

/// Numbers of clusters tried, as far as the records reach.
const CANDIDATES: [usize; 9] = [4, 8, 12, 16, 24, 32, 48, 64, 96];

/// Records on which the number of clusters is chosen.
const STABILITY_ROWS: usize = 1000;

/// Terms kept of each cluster.
const TERMS: usize = 6;

impl ClusterBook {
    /// Fits the first clusters on a window, numbered from `first` on; `None` for fewer than 40 records.
    pub fn fit(window: Window<'_>, first: usize, policy: &Policy, seed: u64) -> Option<Self> {
        if window.vectors.len() < MIN_RECORDS {
            return None;
        }
        let k = number_of_clusters(window.vectors, window.weights, policy.min_cluster, seed);
        let options = clustering_options(seed);
        let clustering = fit_clustering(window.vectors, window.weights, window.texts, k, &options);
        let ids = (first..first + clustering.len()).map(|number| format!("c{number:02}")).collect();
        let new_since = vec![None; clustering.len()];
        Some(Self {
            reference: window.label.to_owned(),
            clustering,
            ids,
            new_since,
            searched: vec![window.label.to_owned()],
        })
    }

    /// Hash of the clusters, 12 hex digits. Which windows were searched is not part of it.
    ///
    /// # Errors
    /// Where the clusters cannot be written as text.
    pub fn version(&self) -> Result<String, serde_json::Error> {
        let text = serde_json::to_string(&(&self.reference, &self.clustering, &self.ids, &self.new_since))?;
        Ok(short(&content_hash("karat-taxonomy", text.as_bytes()), 12).to_owned())
    }

    /// The first number that no cluster of this book has.
    pub fn next_number(&self) -> usize {
        let numbers = self.ids.iter().filter_map(|id| id.trim_start_matches('c').parse::<usize>().ok());
        numbers.max().unwrap_or(0) + 1
    }

    /// The cluster of every row, `None` where it belongs to none: nothing to embed, or less similar to its nearest
    /// cluster than all but a share `membership` of that cluster's held-out members.
    pub fn place(&self, vectors: &Vectors, membership: f64) -> Vec<Option<usize>> {
        let belongs = |found: Assignment| self.clustering.conformal_p(found.cluster, found.similarity) >= membership;
        self.clustering
            .assign(vectors)
            .into_iter()
            .map(|found| found.filter(|f| belongs(*f)).map(|f| f.cluster))
            .collect()
    }

    /// Searches `now` for clusters that the reference window does not have, among the records that fit none and those
    /// that no example represents (`unrepresented[i]`). Gives how many were born; a window is searched once.
    pub fn search(
        &mut self,
        now: Window<'_>,
        reference: Window<'_>,
        unrepresented: &[bool],
        policy: &Policy,
        seed: u64,
    ) -> usize {
        if self.searched.iter().any(|label| label == now.label) {
            return 0;
        }
        self.searched.push(now.label.to_owned());
        let placed = self.place(now.vectors, policy.membership);
        let is_candidate = |row: usize| {
            let known_new = placed[row].is_some_and(|cluster| self.new_since[cluster].is_some());
            !known_new && now.vectors.is_embeddable(row) && (placed[row].is_none() || unrepresented[row])
        };
        // Candidates are formed of every other record and proven on the rest: a ball drawn around records always holds
        // many of just these.
        let buffer: Vec<usize> = (0..now.vectors.len()).filter(|row| row % 2 == 0 && is_candidate(*row)).collect();
        let fit = self.fit_candidates(now, &buffer, policy, seed);
        let Some(fit) = fit else { return 0 };
        let proven = self.proven(&fit, now, reference, policy);
        self.adopt(&fit, &proven, now.label);
        proven.len()
    }

    fn fit_candidates(&self, now: Window<'_>, buffer: &[usize], policy: &Policy, seed: u64) -> Option<Clustering> {
        let weights: Vec<f64> = buffer.iter().map(|row| now.weights[*row]).collect();
        if effective_n(&weights) < policy.min_cluster / 2.0 {
            return None;
        }
        let vectors = now.vectors.select(buffer);
        let texts: Vec<&str> = buffer.iter().map(|row| now.texts[*row]).collect();
        // A topic of its own that is born small would be lost in a coarse cut: about one candidate per twenty records.
        let k = (buffer.len() / 20).clamp(1, 48);
        let options = clustering_options(seed);
        Some(fit_clustering(&vectors, &weights, &texts, k, &options))
    }

    /// Candidates with an excess over the reference window in the same ball, enough records and enough users.
    fn proven(&self, fit: &Clustering, now: Window<'_>, reference: Window<'_>, policy: &Policy) -> Vec<usize> {
        let first = self.ids.len();
        let mut all = self.clustering.centroids.clone();
        fit.centroids.rows().for_each(|row| all.push(row));
        let inside = |window: Window<'_>| -> Vec<Option<usize>> {
            let placed = assign(window.vectors, &all).into_iter();
            placed.map(|found| found.and_then(|f| f.cluster.checked_sub(first))).collect()
        };
        let held_out: Vec<f64> =
            now.weights.iter().enumerate().map(|(row, w)| if row % 2 == 1 { *w } else { 0.0 }).collect();
        let (balls_now, balls_then) = (inside(now), inside(reference));
        let (total_now, total_then) = (effective_n(&held_out), effective_n(reference.weights));
        let count = |balls: &[Option<usize>], weights: &[f64], total: f64, ball: usize| {
            let sum: f64 = weights.iter().sum();
            let mine: f64 = balls.iter().zip(weights).filter(|(b, _)| **b == Some(ball)).map(|(_, w)| w).sum();
            if sum > 0.0 { mine * total / sum } else { 0.0 }
        };
        let counts: Vec<(f64, f64)> = (0..fit.len())
            .map(|ball| {
                (count(&balls_now, &held_out, total_now, ball), count(&balls_then, reference.weights, total_then, ball))
            })
            .collect();
        let p_values: Vec<f64> = counts
            .iter()
            .map(|(now, then)| binomial_rate_less(now.floor() as u64, total_now, then.ceil() as u64, total_then))
            .collect();
        let adjusted = benjamini_hochberg(&p_values);
        (0..fit.len())
            .filter(|ball| adjusted[*ball] <= policy.new_cluster_fdr && counts[*ball].0 >= policy.min_cluster / 2.0)
            .filter(|ball| groups_inside(&balls_now, now.groups, *ball) >= policy.min_groups)
            .collect()
    }

    fn adopt(&mut self, fit: &Clustering, proven: &[usize], label: &str) {
        for ball in proven {
            self.ids.push(format!("c{:02}", self.next_number()));
            self.new_since.push(Some(label.to_owned()));
            self.clustering.centroids.push(fit.centroids.row(*ball));
            self.clustering.calibration.push(fit.calibration[*ball].clone());
            self.clustering.terms.push(fit.terms[*ball].clone());
        }
        // Names are unique over the whole book; a born cluster never renames an old one.
        let names = cluster_names(&self.clustering.terms);
        let known = self.clustering.names.len();
        self.clustering.names.extend(names.into_iter().skip(known));
    }
}

fn groups_inside(balls: &[Option<usize>], groups: &[usize], ball: usize) -> usize {
    let inside = balls.iter().zip(groups).filter(|(b, _)| **b == Some(ball)).map(|(_, group)| *group);
    inside.collect::<std::collections::BTreeSet<_>>().len()
}

/// How clusters are fitted. Two restarts and three folds cost a third of the defaults; centroids that lie a little off
/// the best place move no record that matters.
fn clustering_options(seed: u64) -> ClusteringOptions {
    let kmeans = KMeansOptions { restarts: 2, max_iterations: 25, seed, ..KMeansOptions::default() };
    ClusteringOptions { kmeans, folds: 3, terms: TERMS }
}

fn number_of_clusters(vectors: &Vectors, weights: &[f64], min_cluster: f64, seed: u64) -> usize {
    let reach = (vectors.len() as f64 / min_cluster.max(1.0)) as usize;
    let candidates: Vec<usize> = CANDIDATES.into_iter().filter(|k| *k <= reach).collect();
    if candidates.is_empty() {
        return 2;
    }
    // Which k is stable shows on a part of the records; every further one costs time and says the same.
    let step = vectors.len().div_ceil(STABILITY_ROWS).max(1);
    let rows: Vec<usize> = (0..vectors.len()).step_by(step).collect();
    let part: Vec<f64> = rows.iter().map(|row| weights[*row]).collect();
    let min_cluster_weight = min_cluster / step as f64;
    let options = ChooseK { candidates, min_cluster_weight, subsamples: 2, seed, ..ChooseK::default() };
    choose_k(&vectors.select(&rows), &part, &options).k
}

/// The topics of examples that carry no labels: clusters of their own, about one per eight examples.
pub fn topics_of(vectors: &Vectors, seed: u64) -> Vec<usize> {
    let k = (vectors.len() / 8).clamp(2, 64);
    let fit =
        spherical_kmeans(vectors, &vec![1.0; vectors.len()], k, &KMeansOptions { seed, ..KMeansOptions::default() });
    fit.assignment.into_iter().map(|cluster| cluster.unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::stats::rng;
    use rand::RngExt;

    const DIM: usize = 24;

    /// Records around axis-like centres, one topic after the other, `counts[topic]` of each.
    fn records(counts: &[usize], seed: u64) -> Vectors {
        let mut random = rng(seed, 0);
        let mut vectors = Vectors::new(DIM);
        for (topic, count) in counts.iter().enumerate() {
            for _ in 0..*count {
                let mut row: Vec<f32> = (0..DIM).map(|_| random.random_range(-0.15..0.15)).collect();
                row[topic] += 1.0;
                vectors.push(&row);
            }
        }
        vectors
    }

    fn with_window<T>(label: &str, vectors: &Vectors, groups: Option<usize>, work: impl FnOnce(Window<'_>) -> T) -> T {
        let weights = vec![1.0; vectors.len()];
        let texts = vec!["words"; vectors.len()];
        let groups: Vec<usize> = (0..vectors.len()).map(|row| row % groups.unwrap_or(usize::MAX)).collect();
        work(Window { label, vectors, weights: &weights, texts: &texts, groups: &groups })
    }

    fn search(book: &mut ClusterBook, now: &Vectors, reference: &Vectors, groups: Option<usize>) -> usize {
        let unrepresented = vec![false; now.len()];
        let policy = Policy::default();
        with_window("2026-07", now, groups, |now| {
            with_window("2026-06", reference, None, |then| book.search(now, then, &unrepresented, &policy, 1))
        })
    }

    fn book(reference: &Vectors) -> ClusterBook {
        with_window("2026-06", reference, None, |window| ClusterBook::fit(window, 1, &Policy::default(), 1)).unwrap()
    }

    #[test]
    fn a_new_topic_is_born_once_and_old_ids_keep_their_meaning() {
        let reference = records(&[100, 100, 100, 100], 1);
        let mut book = book(&reference);
        let before = (book.ids.clone(), book.clustering.names.clone(), book.place(&reference, 0.05));
        let now = records(&[100, 100, 100, 100, 80], 2);
        assert!(search(&mut book, &now, &reference, None) >= 1);
        let known = before.0.len();
        assert_eq!((&book.ids[..known], &book.clustering.names[..known]), (&before.0[..], &before.1[..]));
        let placed = book.place(&now, 0.05);
        let new_clusters =
            placed[400..].iter().filter(|cluster| cluster.is_some_and(|c| book.new_since[c].is_some())).count();
        assert!(new_clusters > 60, "{new_clusters}");
        let version = book.version().unwrap();
        assert_eq!(search(&mut book, &now, &reference, None), 0, "a window is searched once");
        assert_eq!(book.version().unwrap(), version);
    }

    #[test]
    fn nothing_is_born_without_an_excess_or_of_one_user() {
        let reference = records(&[100, 100, 100, 100], 1);
        assert_eq!(search(&mut book(&reference), &records(&[100, 100, 100, 100], 3), &reference, None), 0);
        let now = records(&[100, 100, 100, 100, 80], 2);
        assert_eq!(search(&mut book(&reference), &now, &reference, Some(1)), 0);
    }

    #[test]
    fn few_records_form_no_clusters() {
        let few = records(&[10, 10], 1);
        assert!(with_window("w", &few, None, |window| ClusterBook::fit(window, 1, &Policy::default(), 1)).is_none());
    }

    #[test]
    fn numbering_goes_on_after_another_book() {
        let reference = records(&[100, 100], 1);
        let book =
            with_window("w", &reference, None, |window| ClusterBook::fit(window, 7, &Policy::default(), 1)).unwrap();
        assert_eq!(book.ids[0], "c07");
        assert_eq!(book.next_number(), 7 + book.ids.len());
    }
}
