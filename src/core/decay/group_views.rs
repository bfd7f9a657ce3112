//! The groups of unrepresented records, for the view.

use std::collections::BTreeMap;

use super::cluster_views::EXEMPLARS;
use super::findings::{Findings, shown};
use crate::core::cluster::{class_terms, cluster_names, medoids};
use crate::core::domain::{LiveIdx, RecordIdx};
use crate::core::stats::{effective_n, wilson};
use crate::core::view::ClusterView;

/// Number of terms per group.
const TERMS: usize = 6;

/// Every group, the one with the most unrepresented traffic first.
pub(super) fn group_views(findings: &Findings<'_>) -> Vec<ClusterView> {
    let groups = &findings.unrepresented.groups;
    let records = &findings.inputs.now.records;
    let terms = terms(findings);
    let names = names(findings);
    let placed = findings.group_of_records();
    let exemplars = medoids(records.vectors(), records.weights(), &placed, groups.len(), EXEMPLARS);
    let views = groups.iter().zip(names).zip(terms).zip(exemplars).enumerate();
    views
        .map(|(number, (((group, name), terms), exemplars))| {
            let exemplars = exemplars.iter().map(|row| shown(records.texts()[*row])).collect();
            ClusterView { id: id(number), name, terms, exemplars, ..figures(findings, group) }
        })
        .collect()
}

/// The name of each group.
pub(super) fn names(findings: &Findings<'_>) -> Vec<String> {
    cluster_names(&terms(findings))
}

/// The id of a group, which is its rank in this measurement.
pub(super) fn id(number: usize) -> String {
    format!("u{:02}", number + 1)
}

/// The characteristic terms of each group, compared with the other groups and with the clusters of all other traffic.
fn terms(findings: &Findings<'_>) -> Vec<Vec<String>> {
    let records = &findings.inputs.now.records;
    let groups = findings.unrepresented.groups.len();
    let clusters = findings.clusters.book.as_ref().map_or(0, |book| book.len());
    let of_cluster = findings.clusters.now.iter().map(|cluster| cluster.map_or(groups + clusters, |c| groups + c.0));
    let classes = findings.group_of_records().into_iter().zip(of_cluster);
    let classes: Vec<Option<usize>> = classes.map(|(group, cluster)| group.or(Some(cluster))).collect();
    let mut terms = class_terms(records.texts(), records.weights(), &classes, groups + clusters + 1, TERMS);
    terms.truncate(groups);
    terms
}

fn figures(findings: &Findings<'_>, group: &[RecordIdx]) -> ClusterView {
    let records = &findings.inputs.now.records;
    let of = |record: &RecordIdx| records.weights()[record.0];
    let weight: f64 = group.iter().map(of).sum();
    let share = weight / records.total_weight();
    let sampled = effective_n(records.weights());
    let interval = wilson(share * sampled, sampled, 0.95);
    let represented = |record: &RecordIdx| findings.coverage.as_ref().map(|c| c.now.records[record.0].p_represented);
    let represented: Option<f64> = group.iter().map(|record| represented(record).map(|p| p * of(record))).sum();
    let nearest = nearest_example(findings, group).map(|example| findings.live.row(example));
    ClusterView {
        id: String::new(),
        name: String::new(),
        terms: Vec::new(),
        traffic_share: share,
        lo: interval.lo,
        hi: interval.hi,
        reference_share: None,
        golden: 0,
        live: 0,
        p_represented: represented.map(|sum| sum / weight),
        exemplars: Vec::new(),
        nearest_example: nearest.map(|example| findings.inputs.dataset.examples[example.0].id.clone()),
        nearest_input: nearest.map(|example| shown(&findings.inputs.texts[example.0])),
        emerging: is_emerging(findings, group),
    }
}

/// The live example that most of its traffic is nearest to.
fn nearest_example(findings: &Findings<'_>, group: &[RecordIdx]) -> Option<LiveIdx> {
    let coverage = findings.coverage.as_ref()?;
    let mut weights: BTreeMap<LiveIdx, f64> = BTreeMap::new();
    for record in group {
        if let Some(nearest) = coverage.now.records[record.0].nearest {
            *weights.entry(nearest).or_default() += findings.inputs.now.records.weights()[record.0];
        }
    }
    let largest = weights.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
    largest.map(|(nearest, _)| nearest)
}

/// Whether most of its traffic is in clusters that are new since the reference window.
fn is_emerging(findings: &Findings<'_>, group: &[RecordIdx]) -> bool {
    let Some(book) = &findings.clusters.book else { return false };
    let weights = findings.inputs.now.records.weights();
    let new = |record: &RecordIdx| {
        let cluster = findings.clusters.now[record.0];
        let new = cluster.is_some_and(|cluster| book.get(cluster).new_since.is_some());
        if new { weights[record.0] } else { -weights[record.0] }
    };
    group.iter().map(new).sum::<f64>() > 0.0
}
