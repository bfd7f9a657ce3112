//! How well groups of unrepresented records, candidates and clusters agree with the hidden intents.

use std::collections::{BTreeMap, BTreeSet};

use karat::coverage::{GoldenPoints, Records};
use karat::traffic_clusters::{ClusterBook, Policy};
use karat::unrepresented::{Candidate, Covered, RecordIdx, Selection, next_to_label, unrepresented};
use rayon::prelude::*;
use serde::Serialize;

use crate::data::{Corpus, EmbeddingSpace};
use crate::measure::{asked, measure_coverage, records, seed_of};
use crate::scenario::{Cell, Draw, Window, draw};
use crate::table::{figure, new_table};

/// Number of candidates, as in a report.
const CANDIDATES: usize = 20;

/// Means over the trials of a cell. A share of nothing is left out of its mean.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    scenario: &'static str,
    #[serde(rename = "new_mass")]
    new_share: f64,
    records: usize,
    trials: usize,
    /// Number of groups of unrepresented records.
    groups: Option<f64>,
    /// Share of the records in them that are of hidden intents.
    hidden_purity: Option<f64>,
    /// Share of the records in them that are of the most frequent intent of their group.
    intent_purity: Option<f64>,
    /// Share of the records of hidden intents that are in them.
    recovered: Option<f64>,
    /// Share of the candidates that are of hidden intents, and number of intents among those.
    hidden_candidates: Option<f64>,
    candidate_intents: Option<f64>,
    /// Number of clusters of all traffic, and of intents.
    clusters: Option<f64>,
    intents: Option<f64>,
    /// Share of the clustered records that are of the most frequent intent of their cluster.
    cluster_purity: Option<f64>,
    /// Normalized mutual information of clusters and intents, by the arithmetic mean of the entropies.
    cluster_nmi: Option<f64>,
}

/// Measures every cell.
pub fn measure(cells: &[Cell], corpus: &Corpus, space: &EmbeddingSpace, seed: u64, trials: usize) -> Vec<Line> {
    let trial = |cell: &Cell, trial: usize| {
        let seed = seed_of(cell, seed, trial);
        draw(cell, corpus, space, seed).map(|drawn| figures(&drawn, space, seed))
    };
    let line = |cell: &Cell| {
        let all: Vec<[Option<f64>; 10]> =
            (0..trials).into_par_iter().filter_map(|number| trial(cell, number).flatten()).collect();
        line(cell, &all)
    };
    cells.iter().map(line).collect()
}

fn line(cell: &Cell, trials: &[[Option<f64>; 10]]) -> Line {
    let mean = |at: usize| {
        let values: Vec<f64> = trials.iter().filter_map(|trial| trial[at]).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    Line {
        scenario: cell.kind.name(),
        new_share: cell.kind.new_share(),
        records: cell.records,
        trials: trials.len(),
        groups: mean(0),
        hidden_purity: mean(1),
        intent_purity: mean(2),
        recovered: mean(3),
        hidden_candidates: mean(4),
        candidate_intents: mean(5),
        clusters: mean(6),
        intents: mean(7),
        cluster_purity: mean(8),
        cluster_nmi: mean(9),
    }
}

/// The figures of a trial, in the order of [`Line`]; `None` if coverage could not be measured.
fn figures(drawn: &Draw<'_>, space: &EmbeddingSpace, seed: u64) -> Option<[Option<f64>; 10]> {
    let coverage = measure_coverage(drawn, space, seed)?;
    let vectors = asked(drawn, &drawn.now, space);
    let window = records(&drawn.now, &vectors);
    let golden = GoldenPoints { vectors: &drawn.golden, topics: &drawn.topics };
    let before = drawn.reference.as_ref().map(|window| (window, asked(drawn, window, space)));
    let before = before.as_ref().map(|(window, vectors)| records(window, vectors));
    let before = before.as_ref().zip(coverage.reference.as_ref());
    let found = unrepresented(
        Covered { records: &window, coverage: &coverage.now.records },
        before.map(|(records, found)| Covered { records, coverage: &found.records }),
        golden,
        Policy::default().min_groups,
    );
    // Without those drawn at random, about which nothing needs to be measured.
    let selection = Selection { count: CANDIDATES, random_share: 0.0, seed };
    let candidates = next_to_label(&window, &found, &[], selection);
    let now = &drawn.now;
    let hidden = |record: &RecordIdx| !now.known[record.0];
    let inside: Vec<RecordIdx> = found.groups.concat();
    let right = inside.iter().filter(|record| hidden(record)).count();
    let rows = |group: &Vec<RecordIdx>| group.iter().map(|record| now.intents[record.0]).collect::<Vec<_>>();
    let alike: usize = found.groups.iter().map(|group| most_frequent(&rows(group))).sum();
    let new: Vec<&Candidate> = candidates.iter().filter(|candidate| hidden(&candidate.record)).collect();
    let new_intents: BTreeSet<Option<usize>> = new.iter().map(|candidate| now.intents[candidate.record.0]).collect();
    let [clusters, intents, purity, nmi] = clustering(now, &window, seed);
    Some([
        Some(found.groups.len() as f64),
        share(right, inside.len()),
        share(alike, inside.len()),
        share(right, now.known.iter().filter(|known| !**known).count()),
        share(new.len(), candidates.len()),
        Some(new_intents.len() as f64),
        clusters,
        intents,
        purity,
        nmi,
    ])
}

fn share(count: usize, of: usize) -> Option<f64> {
    (of > 0).then(|| count as f64 / of as f64)
}

fn most_frequent<T: Ord>(values: &[T]) -> usize {
    counts(values.iter()).into_values().max().unwrap_or(0)
}

fn counts<T: Ord>(values: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    let mut counts = BTreeMap::new();
    values.for_each(|value| *counts.entry(value).or_default() += 1);
    counts
}

/// The number of clusters fitted on the window, the number of intents, the purity and the NMI.
fn clustering(now: &Window<'_>, window: &Records<'_>, seed: u64) -> [Option<f64>; 4] {
    let Some(book) = ClusterBook::fit("now", window, 1, &Policy::default(), seed) else { return [None; 4] };
    let placed = book.place(window.vectors(), 0.0);
    let pairs = placed.iter().zip(&now.intents).filter_map(|(cluster, intent)| cluster.map(|c| (c.0, *intent)));
    let pairs: Vec<(usize, Option<usize>)> = pairs.collect();
    let (clusters, intents) = (counts(pairs.iter().map(|pair| pair.0)), counts(pairs.iter().map(|pair| pair.1)));
    let joint = counts(pairs.iter().copied());
    let largest = |cluster: &usize| joint.iter().filter(|(pair, _)| pair.0 == *cluster).map(|(_, n)| *n).max();
    let pure: usize = clusters.keys().filter_map(largest).sum();
    let total = pairs.len() as f64;
    let entropy = |counts: &mut dyn Iterator<Item = &usize>| -> f64 {
        counts.map(|n| *n as f64 / total).map(|p| -p * p.ln()).sum()
    };
    let (a, b) = (entropy(&mut clusters.values()), entropy(&mut intents.values()));
    let both = entropy(&mut joint.values());
    let nmi = (a + b > 0.0).then(|| 2.0 * (a + b - both) / (a + b));
    [Some(clusters.len() as f64), Some(intents.len() as f64), share(pure, pairs.len()), nmi]
}

/// Formats one line per cell.
pub fn render(lines: &[Line]) -> String {
    let mut table = new_table(&[
        "scenario",
        "records",
        "trials",
        "groups",
        "hidden purity",
        "intent purity",
        "recovered",
        "hidden candidates",
        "their intents",
        "clusters",
        "intents",
        "purity",
        "NMI",
    ]);
    for line in lines {
        let whole = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.1}"));
        table.add_row(vec![
            format!("{} {:.0} %", line.scenario, line.new_share * 100.0),
            line.records.to_string(),
            line.trials.to_string(),
            whole(line.groups),
            figure(line.hidden_purity),
            figure(line.intent_purity),
            figure(line.recovered),
            figure(line.hidden_candidates),
            whole(line.candidate_intents),
            whole(line.clusters),
            whole(line.intents),
            figure(line.cluster_purity),
            figure(line.cluster_nmi),
        ]);
    }
    table.to_string()
}
