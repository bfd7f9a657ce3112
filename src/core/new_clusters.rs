//! Clusters with a stable identity: fitted once on the reference window, and extended by new clusters when there is
//! evidence for them.
//!
//! A cluster is added if a window has more records in a ball than the reference window (exact conditional test,
//! Benjamini–Hochberg over the candidates), never just because some records fit no cluster well: one in twenty ordinary
//! records never does.

use serde::{Deserialize, Serialize};

use crate::core::cluster::{
    Assignment, ChooseK, Cluster, Clustering, ClusteringOptions, KMeansOptions, assign, choose_k, cluster_names,
    fit_clustering, spherical_kmeans,
};
use crate::core::domain::{ClusterIdx, content_hash, short};
use crate::core::records::Records;
use crate::core::signals::Policy;
use crate::core::stats::{benjamini_hochberg, binomial_rate_less, effective_n};
use crate::core::vector::Vectors;

/// All clusters of a dataset's traffic in one embedding space.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "StoredBook", into = "StoredBook")]
pub struct ClusterBook {
    /// Label of the window on which the first clusters were fitted.
    reference: String,
    clustering: Clustering,
    /// One entry per cluster.
    marks: Vec<Mark>,
    /// Labels of the windows already searched for new clusters, so that measuring a window twice changes nothing.
    searched: Vec<String>,
}

/// The identity of a cluster.
#[derive(Debug, Clone)]
struct Mark {
    id: String,
    new_since: Option<String>,
}

/// A cluster together with its identity.
#[derive(Debug, Clone, Copy)]
pub struct KnownCluster<'a> {
    /// Id, whose meaning never changes.
    pub id: &'a str,
    /// Label of the window in which it was first found; `None` for clusters of the reference window.
    pub new_since: Option<&'a str>,
    /// Its name, terms and held-out similarities.
    pub cluster: &'a Cluster,
}

/// The stored form of a book: one list per property.
#[derive(Serialize, Deserialize)]
struct StoredBook {
    reference: String,
    #[serde(alias = "taxonomy")]
    clustering: Clustering,
    ids: Vec<String>,
    #[serde(alias = "born")]
    new_since: Vec<Option<String>>,
    searched: Vec<String>,
}

impl From<ClusterBook> for StoredBook {
    fn from(ClusterBook { reference, clustering, marks, searched }: ClusterBook) -> Self {
        let (ids, new_since) = marks.into_iter().map(|mark| (mark.id, mark.new_since)).unzip();
        Self { reference, clustering, ids, new_since, searched }
    }
}

impl TryFrom<StoredBook> for ClusterBook {
    type Error = &'static str;

    fn try_from(
        StoredBook { reference, clustering, ids, new_since, searched }: StoredBook,
    ) -> Result<Self, Self::Error> {
        if ids.len() != clustering.len() || new_since.len() != clustering.len() {
            return Err("the lists of the cluster book have different lengths");
        }
        let marks = ids.into_iter().zip(new_since).map(|(id, new_since)| Mark { id, new_since }).collect();
        Ok(Self { reference, clustering, marks, searched })
    }
}

/// Smallest number of records from which clusters are formed.
pub const MIN_RECORDS: usize = 40;

/// Maximum number of records on which the first clusters are fitted; all others are only assigned. More records move the
/// centres hardly at all.
const MAX_FITTED: usize = 10_000;

/// Numbers of clusters to try, as far as there are enough records.
const CANDIDATES: [usize; 11] = [4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128];

/// Number of terms per cluster.
const TERMS: usize = 6;

impl ClusterBook {
    /// Fits the first clusters on the window with this label, numbered from `first` on. Returns `None` for fewer than
    /// 40 records.
    pub fn fit(label: &str, records: &Records<'_>, first: usize, policy: &Policy, seed: u64) -> Option<Self> {
        if records.len() < MIN_RECORDS {
            return None;
        }
        let k = number_of_clusters(records, policy.min_cluster, seed);
        let rows: Vec<usize> = (0..records.len()).step_by(records.len().div_ceil(MAX_FITTED).max(1)).collect();
        let weights: Vec<f64> = rows.iter().map(|row| records.weights()[*row]).collect();
        let texts: Vec<&str> = rows.iter().map(|row| records.texts()[*row]).collect();
        let options = clustering_options(seed);
        let clustering = fit_clustering(&records.vectors().part(&rows), &weights, &texts, k, &options);
        let mark = |number| Mark { id: format!("c{number:02}"), new_since: None };
        let marks = (first..first + clustering.len()).map(mark).collect();
        Some(Self { reference: label.to_owned(), clustering, marks, searched: vec![label.to_owned()] })
    }

    /// Number of clusters.
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Label of the window on which the first clusters were fitted.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// The cluster with an index returned by [`Self::place`].
    pub fn get(&self, cluster: ClusterIdx) -> KnownCluster<'_> {
        let Mark { id, new_since } = &self.marks[cluster.0];
        KnownCluster { id, new_since: new_since.as_deref(), cluster: &self.clustering.clusters()[cluster.0] }
    }

    /// Hash of the clusters, as 12 hex digits. Does not depend on which windows were searched.
    ///
    /// # Errors
    /// Returns an error if the clusters cannot be serialized.
    pub fn version(&self) -> Result<String, serde_json::Error> {
        let ids: Vec<&str> = self.marks.iter().map(|mark| mark.id.as_str()).collect();
        let new_since: Vec<Option<&str>> = self.marks.iter().map(|mark| mark.new_since.as_deref()).collect();
        let text = serde_json::to_string(&(&self.reference, &self.clustering, ids, new_since))?;
        Ok(short(&content_hash("karat-taxonomy", text.as_bytes()), 12).to_owned())
    }

    /// The first number above those of all clusters in this book.
    pub fn next_number(&self) -> usize {
        let numbers = self.marks.iter().filter_map(|mark| mark.id.trim_start_matches('c').parse::<usize>().ok());
        numbers.max().unwrap_or(0) + 1
    }

    /// The cluster of every row; `None` for rows that belong to no cluster. A row belongs to none if it has nothing to
    /// embed, or if it is less similar to its nearest cluster than all but a share `membership` of the cluster's
    /// held-out members.
    pub fn place(&self, vectors: &Vectors, membership: f64) -> Vec<Option<ClusterIdx>> {
        let clusters = self.clustering.clusters();
        let belongs = |found: &Assignment| clusters[found.cluster].conformal_p(found.similarity) >= membership;
        let found = self.clustering.assign(vectors).into_iter();
        found.map(|found| found.filter(belongs).map(|found| ClusterIdx(found.cluster))).collect()
    }

    /// Searches `now`, the window with this label, for clusters that are absent from the reference window. Considers
    /// the records that fit no cluster and those that no example represents (`unrepresented[i]`). Returns the number of
    /// clusters found; 0 for a window that was searched before.
    pub fn search(
        &mut self,
        label: &str,
        now: &Records<'_>,
        reference: &Records<'_>,
        unrepresented: &[bool],
        policy: &Policy,
        seed: u64,
    ) -> usize {
        if self.searched.iter().any(|searched| searched == label) {
            return 0;
        }
        self.searched.push(label.to_owned());
        let placed = self.place(now.vectors(), policy.membership);
        let is_candidate = |row: usize| {
            let known_new = placed[row].is_some_and(|cluster| self.get(cluster).new_since.is_some());
            !known_new && now.vectors().is_embeddable(row) && (placed[row].is_none() || unrepresented[row])
        };
        // Candidates are fitted on every other record and tested on the rest, since a ball drawn around records always
        // contains many of these very records.
        let buffer: Vec<usize> = (0..now.len()).filter(|row| row % 2 == 0 && is_candidate(*row)).collect();
        let fit = fit_candidates(now, &buffer, policy, seed);
        let Some(fit) = fit else { return 0 };
        let proven = self.proven(&fit, now, reference, policy);
        self.adopt(&fit, &proven, label);
        proven.len()
    }

    /// Candidates with a significant excess over the reference window in the same ball, enough records and enough
    /// users.
    fn proven(&self, fit: &Clustering, now: &Records<'_>, reference: &Records<'_>, policy: &Policy) -> Vec<usize> {
        let first = self.len();
        let mut all = self.clustering.centroids().clone();
        fit.centroids().rows().for_each(|row| all.push(row));
        let inside = |records: &Records<'_>| -> Vec<Option<usize>> {
            let placed = assign(records.vectors(), &all).into_iter();
            placed.map(|found| found.and_then(|f| f.cluster.checked_sub(first))).collect()
        };
        let held_out: Vec<f64> =
            now.weights().iter().enumerate().map(|(row, w)| if row % 2 == 1 { *w } else { 0.0 }).collect();
        let (balls_now, balls_then) = (inside(now), inside(reference));
        let (total_now, total_then) = (effective_n(&held_out), effective_n(reference.weights()));
        let count = |balls: &[Option<usize>], weights: &[f64], total: f64, ball: usize| {
            let sum: f64 = weights.iter().sum();
            let mine: f64 = balls.iter().zip(weights).filter(|(b, _)| **b == Some(ball)).map(|(_, w)| w).sum();
            if sum > 0.0 { mine * total / sum } else { 0.0 }
        };
        let counts: Vec<(f64, f64)> = (0..fit.len())
            .map(|ball| {
                (
                    count(&balls_now, &held_out, total_now, ball),
                    count(&balls_then, reference.weights(), total_then, ball),
                )
            })
            .collect();
        let p_values: Vec<f64> = counts
            .iter()
            .map(|(now, then)| binomial_rate_less(now.floor() as u64, total_now, then.ceil() as u64, total_then))
            .collect();
        let adjusted = benjamini_hochberg(&p_values);
        (0..fit.len())
            .filter(|ball| adjusted[*ball] <= policy.new_cluster_fdr && counts[*ball].0 >= policy.min_cluster / 2.0)
            .filter(|ball| groups_inside(&balls_now, now.groups(), *ball) >= policy.min_groups)
            .collect()
    }

    fn adopt(&mut self, fit: &Clustering, proven: &[usize], label: &str) {
        let clusters = self.clustering.clusters().iter().chain(proven.iter().map(|ball| &fit.clusters()[*ball]));
        // Names are unique within the book, and a new cluster never renames an old one.
        let mut names = cluster_names(&clusters.map(|cluster| cluster.terms.clone()).collect::<Vec<_>>());
        let names = names.split_off(self.len());
        for (ball, name) in proven.iter().zip(names) {
            self.marks.push(Mark { id: format!("c{:02}", self.next_number()), new_since: Some(label.to_owned()) });
            self.clustering.push(fit.centroids().row(*ball), Cluster { name, ..fit.clusters()[*ball].clone() });
        }
    }
}

/// Fits candidate clusters on the records of `buffer`; `None` if there are too few.
fn fit_candidates(now: &Records<'_>, buffer: &[usize], policy: &Policy, seed: u64) -> Option<Clustering> {
    let weights: Vec<f64> = buffer.iter().map(|row| now.weights()[*row]).collect();
    if effective_n(&weights) < policy.min_cluster / 2.0 {
        return None;
    }
    let texts: Vec<&str> = buffer.iter().map(|row| now.texts()[*row]).collect();
    // A topic that is still small would be lost in a coarse clustering, hence about one candidate per twenty records.
    let k = (buffer.len() / 20).clamp(1, 48);
    Some(fit_clustering(&now.vectors().select(buffer), &weights, &texts, k, &clustering_options(seed)))
}

fn groups_inside(balls: &[Option<usize>], groups: &[usize], ball: usize) -> usize {
    let inside = balls.iter().zip(groups).filter(|(b, _)| **b == Some(ball)).map(|(_, group)| *group);
    inside.collect::<std::collections::BTreeSet<_>>().len()
}

/// Options of the clustering. Two restarts and three folds take a third of the time of the defaults, and slightly
/// suboptimal centroids do not move any records that matter.
fn clustering_options(seed: u64) -> ClusteringOptions {
    let kmeans = KMeansOptions { restarts: 2, max_iterations: 25, seed, ..KMeansOptions::default() };
    ClusteringOptions { kmeans, folds: 3, terms: TERMS }
}

fn number_of_clusters(records: &Records<'_>, min_cluster: f64, seed: u64) -> usize {
    // Clusters may be unequal, but should have enough records on average.
    let reach = (2.0 * records.len() as f64 / min_cluster.max(1.0)) as usize;
    let candidates: Vec<usize> = CANDIDATES.into_iter().filter(|k| *k <= reach).collect();
    if candidates.is_empty() {
        return 2;
    }
    choose_k(records.vectors(), records.weights(), &ChooseK { candidates, seed }).k
}

/// Topics of examples without labels: clusters of the examples, about one per eight examples.
pub fn topics_of(vectors: &Vectors, seed: u64) -> Vec<usize> {
    let k = (vectors.len() / 8).clamp(2, 64);
    let fit =
        spherical_kmeans(vectors, &vec![1.0; vectors.len()], k, &KMeansOptions { seed, ..KMeansOptions::default() });
    fit.assignment.into_iter().map(|cluster| cluster.unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::records::Record;
    use crate::core::stats::rng;
    use rand::RngExt;

    const DIM: usize = 24;

    /// Records around axis-aligned centres: `counts[topic]` of each topic, one topic after the other.
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

    /// Records with these vectors, from `users` users, or each from a different user.
    fn of_users(vectors: &Vectors, users: Option<usize>) -> Records<'_> {
        let record = |row: usize| Record {
            id: "",
            weight: 1.0,
            group: row % users.unwrap_or(usize::MAX),
            text: "words",
            output: None,
        };
        Records::new(vectors, (0..vectors.len()).map(record))
    }

    fn search(book: &mut ClusterBook, now: &Vectors, reference: &Vectors, users: Option<usize>) -> usize {
        let unrepresented = vec![false; now.len()];
        let (now, then) = (of_users(now, users), of_users(reference, None));
        book.search("2026-07", &now, &then, &unrepresented, &Policy::default(), 1)
    }

    fn fit(reference: &Vectors, first: usize) -> Option<ClusterBook> {
        ClusterBook::fit("2026-06", &of_users(reference, None), first, &Policy::default(), 1)
    }

    fn book(reference: &Vectors) -> ClusterBook {
        fit(reference, 1).unwrap()
    }

    fn ids_and_names(book: &ClusterBook, count: usize) -> Vec<(String, String)> {
        let known = (0..count).map(|cluster| book.get(ClusterIdx(cluster)));
        known.map(|known| (known.id.to_owned(), known.cluster.name.clone())).collect()
    }

    #[test]
    fn a_new_topic_is_found_once_and_existing_ids_keep_their_meaning() {
        let reference = records(&[100, 100, 100, 100], 1);
        let mut book = book(&reference);
        let known = book.len();
        let before = ids_and_names(&book, known);
        let now = records(&[100, 100, 100, 100, 80], 2);
        assert!(search(&mut book, &now, &reference, None) >= 1);
        assert_eq!(ids_and_names(&book, known), before);
        let placed = book.place(&now, 0.05);
        let new_clusters =
            placed[400..].iter().filter(|cluster| cluster.is_some_and(|c| book.get(c).new_since.is_some())).count();
        assert!(new_clusters > 60, "{new_clusters}");
        let version = book.version().unwrap();
        assert_eq!(search(&mut book, &now, &reference, None), 0, "a window is searched once");
        assert_eq!(book.version().unwrap(), version);
    }

    #[test]
    fn nothing_is_new_without_an_excess_or_from_a_single_user() {
        let reference = records(&[100, 100, 100, 100], 1);
        assert_eq!(search(&mut book(&reference), &records(&[100, 100, 100, 100], 3), &reference, None), 0);
        let now = records(&[100, 100, 100, 100, 80], 2);
        assert_eq!(search(&mut book(&reference), &now, &reference, Some(1)), 0);
    }

    #[test]
    fn many_records_are_clustered_as_well_by_a_part_of_them() {
        let many = records(&[3000, 3000, 3000, 3000], 1);
        let book = book(&many);
        let held_out: usize = (0..book.len()).map(|c| book.get(ClusterIdx(c)).cluster.held_out.len()).sum();
        assert!(held_out <= MAX_FITTED, "{held_out}");
        let placed = book.place(&many, 0.0);
        let main = |topic: usize| placed[topic * 3000];
        assert!((0..4).all(|topic| (1..4).all(|other| main(topic) != main((topic + other) % 4))), "{}", book.len());
    }

    #[test]
    fn few_records_form_no_clusters() {
        let few = records(&[10, 10], 1);
        assert!(fit(&few, 1).is_none());
    }

    #[test]
    fn numbering_continues_after_another_book() {
        let reference = records(&[100, 100], 1);
        let book = fit(&reference, 7).unwrap();
        assert_eq!(book.get(ClusterIdx(0)).id, "c07");
        assert_eq!(book.next_number(), 7 + book.len());
    }

    #[test]
    fn a_stored_book_reads_back_even_under_old_names() {
        let mut book = book(&records(&[100, 100], 1));
        search(&mut book, &records(&[100, 100, 80], 2), &records(&[100, 100], 1), None);
        let text = serde_json::to_string(&book).unwrap();
        let places =
            ["reference", "clustering", "centroids", "calibration", "terms", "names", "ids", "new_since", "searched"]
                .map(|key| text.find(&format!("\"{key}\":")).unwrap());
        assert!(places.is_sorted(), "{text}");
        let old = text.replacen("\"clustering\"", "\"taxonomy\"", 1).replacen("\"new_since\"", "\"born\"", 1);
        for text in [&text, &old] {
            let back: ClusterBook = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&back).unwrap(), serde_json::to_string(&book).unwrap());
            assert_eq!(back.version().unwrap(), book.version().unwrap());
        }
        let short = text.replacen("\"ids\":[\"c01\",", "\"ids\":[", 1);
        assert!(serde_json::from_str::<ClusterBook>(&short).is_err(), "lists of different length");
    }
}
