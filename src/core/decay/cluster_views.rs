//! The contents of each cluster, for the view.

use std::collections::{BTreeMap, HashSet};

use super::findings::{Findings, shown};
use crate::core::cluster::medoids;
use crate::core::domain::{ClusterIdx, ExampleIdx, LiveIdx};
use crate::core::new_clusters::KnownCluster;
use crate::core::records::Records;
use crate::core::stats::{effective_n, wilson};
use crate::core::view::ClusterView;

/// Number of exemplars shown per cluster.
pub(super) const EXEMPLARS: usize = 3;

/// Every cluster with traffic in either window, the largest unrepresented share first.
pub(super) fn cluster_views(findings: &Findings<'_>) -> Vec<ClusterView> {
    let Some(book) = &findings.clusters.book else { return Vec::new() };
    let contents = Contents::new(findings, book.len());
    let clusters = (0..book.len()).map(ClusterIdx).map(|cluster| contents.view(cluster, book.get(cluster)));
    let mut views: Vec<ClusterView> = clusters
        .filter(|view| view.traffic_share > 0.0 || view.reference_share.is_some_and(|share| share > 0.0))
        .collect();
    views.sort_by(|a, b| {
        b.unrepresented_share()
            .total_cmp(&a.unrepresented_share())
            .then(b.traffic_share.total_cmp(&a.traffic_share))
            .then_with(|| a.id.cmp(&b.id))
    });
    views
}

/// The contents of each cluster. Every list has one entry per cluster.
struct Contents<'f, 'a> {
    findings: &'f Findings<'a>,
    /// Weight of its records in the window.
    now: Vec<f64>,
    /// Its share of the reference window's traffic.
    reference: Option<Vec<f64>>,
    /// Sum over its records in the window of weight × probability of being represented.
    represented: Option<Vec<f64>>,
    exemplars: Vec<Vec<usize>>,
    nearest: Vec<Option<LiveIdx>>,
    golden: Vec<Vec<ExampleIdx>>,
    live: HashSet<ExampleIdx>,
    total: f64,
    sampled: f64,
}

impl<'f, 'a> Contents<'f, 'a> {
    fn new(findings: &'f Findings<'a>, count: usize) -> Self {
        let Findings { inputs, clusters, coverage, .. } = findings;
        let (records, weights) = (&inputs.now.records, inputs.now.records.weights());
        let reference = inputs.reference.as_ref().zip(clusters.reference.as_ref());
        let placed: Vec<Option<usize>> = clusters.now.iter().map(|cluster| cluster.map(|c| c.0)).collect();
        let mut golden = vec![Vec::new(); count];
        for (row, cluster) in clusters.golden.iter().enumerate() {
            if let Some(cluster) = cluster {
                golden[cluster.0].push(ExampleIdx(row));
            }
        }
        Self {
            findings,
            now: by_cluster(&clusters.now, weights.iter().copied(), count),
            reference: reference.map(|(window, placed)| shares(placed, &window.records, count)),
            represented: coverage.as_ref().map(|coverage| {
                let records = coverage.now.records.iter().zip(weights);
                by_cluster(&clusters.now, records.map(|(record, weight)| record.p_represented * weight), count)
            }),
            exemplars: medoids(records.vectors(), weights, &placed, count, EXEMPLARS),
            nearest: nearest_examples(findings, count),
            golden,
            live: findings.live.rows().iter().copied().collect(),
            total: records.total_weight(),
            sampled: effective_n(weights),
        }
    }

    fn view(&self, at: ClusterIdx, known: KnownCluster<'_>) -> ClusterView {
        let Findings { inputs, live, .. } = self.findings;
        let weight = self.now[at.0];
        let share = if self.total > 0.0 { weight / self.total } else { 0.0 };
        let interval = wilson(share * self.sampled, self.sampled, 0.95);
        let golden = &self.golden[at.0];
        let nearest = self.nearest[at.0].map(|example| live.row(example));
        let text = |row: &usize| shown(inputs.now.records.texts()[*row]);
        ClusterView {
            id: known.id.to_owned(),
            name: known.cluster.name.clone(),
            terms: known.cluster.terms.clone(),
            traffic_share: share,
            lo: interval.lo,
            hi: interval.hi,
            reference_share: self.reference.as_ref().map(|shares| shares[at.0]),
            golden: golden.len(),
            live: golden.iter().filter(|example| self.live.contains(example)).count(),
            p_represented: self.represented.as_ref().filter(|_| weight > 0.0).map(|sums| sums[at.0] / weight),
            exemplars: self.exemplars[at.0].iter().map(text).collect(),
            nearest_example: nearest.map(|example| inputs.dataset.examples[example.0].id.clone()),
            nearest_input: nearest.map(|example| shown(&inputs.texts[example.0])),
            emerging: known.new_since.is_some(),
        }
    }
}

fn by_cluster(placed: &[Option<ClusterIdx>], weights: impl Iterator<Item = f64>, count: usize) -> Vec<f64> {
    let mut sums = vec![0.0; count];
    for (cluster, weight) in placed.iter().zip(weights) {
        if let Some(cluster) = cluster {
            sums[cluster.0] += weight;
        }
    }
    sums
}

fn shares(placed: &[Option<ClusterIdx>], records: &Records<'_>, count: usize) -> Vec<f64> {
    let total = records.total_weight();
    let sums = by_cluster(placed, records.weights().iter().copied(), count);
    sums.into_iter().map(|sum| sum / total).collect()
}

/// For each cluster, the live example that most of its unrepresented traffic is nearest to.
fn nearest_examples(findings: &Findings<'_>, count: usize) -> Vec<Option<LiveIdx>> {
    let mut weights = vec![BTreeMap::new(); count];
    let records = findings.coverage.as_ref().map(|coverage| coverage.now.records.as_slice()).unwrap_or_default();
    let placed = findings.inputs.now.records.weights().iter().zip(&findings.clusters.now);
    for (record, (weight, cluster)) in records.iter().zip(placed) {
        if let Some((nearest, cluster)) = record.nearest.zip(*cluster) {
            *weights[cluster.0].entry(nearest).or_insert(0.0) += weight * (1.0 - record.p_represented);
        }
    }
    let largest = |weights: BTreeMap<LiveIdx, f64>| {
        let largest = weights.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        largest.map(|(nearest, _)| nearest)
    };
    weights.into_iter().map(largest).collect()
}
