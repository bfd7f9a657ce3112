//! Puts an assay's measurements into the view.

use std::collections::BTreeMap;

use serde::Serialize;

use super::clusters::Clusters;
use super::inputs::{Embedded, Inputs};
use super::queue::QueuedFlag;
use crate::core::cluster::medoids;
use crate::core::coverage::{Coverage, CoverageMeasurement};
use crate::core::domain::{Failure, ReasonCode, RecordedOutcome, Score, Scorer};
use crate::core::estimate::{Stratum, candidates, today};
use crate::core::privacy::sanitize::truncate_chars;
use crate::core::scoring::reduce;
use crate::core::shift::{ShiftOptions, ShiftSample, ShiftTest, shift_tests, vocabulary};
use crate::core::stats::{Interval, effective_n, wilson};
use crate::core::verdict::{GateResult, Verdict, evaluate_minimum, overall};
use crate::core::view::{
    CandidateView, ClusterView, CoverageView, DecayView, DriftView, EstimateView, ExampleView, ReasonView, ShiftView,
    SignalCount, summary,
};
use crate::edge::config::suite_from_content;
use crate::flow::Workspace;

/// One record of the window, as `karat decay --records` writes it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecordRow {
    /// The record.
    pub record_id: String,
    /// Requests of production it stands for.
    pub weight: f64,
    /// Its cluster.
    pub cluster: Option<String>,
    /// Id of the nearest live example.
    pub nearest_example: Option<String>,
    /// Its cosine similarity.
    pub similarity: Option<f64>,
    /// Probability that a live example represents it; the weighted mean over all rows is the coverage.
    pub p_represented: Option<f64>,
}

/// Candidates listed.
const CANDIDATES: usize = 20;

/// Exemplars shown of each cluster.
const EXEMPLARS: usize = 3;

/// Characters of an input that are shown.
const SHOWN: usize = 200;

/// Similarity below which a labelled example does not stand for another record.
const CANDIDATE_FLOOR: f32 = 0.2;

pub(super) fn assemble(
    workspace: &Workspace,
    inputs: &Inputs,
    embedded: &Embedded,
    topics: &[usize],
    measured: Option<&CoverageMeasurement>,
    clusters: &Clusters,
    queued: &[QueuedFlag],
) -> Result<(DecayView, Vec<RecordRow>), Failure> {
    let mut notes = inputs.notes.clone();
    let live = embedded.live.rows.len();
    if measured.is_none() && !inputs.now.is_empty() {
        notes.push(format!(
            "coverage cannot be calibrated on {live} live examples: at least 20 of two topics are needed, which this space can tell apart"
        ));
    }
    let gates = gates(workspace, measured);
    let verdict = match measured {
        None => Verdict::Inconclusive,
        Some(_) => overall(&gates),
    };
    let total: f64 = inputs.now.weights.iter().sum();
    let share = |rows: &mut dyn Iterator<Item = usize>| {
        if total > 0.0 { rows.map(|row| inputs.now.weights[row]).sum::<f64>() / total } else { 0.0 }
    };
    let rows = 0..embedded.now.len();
    let mut view = DecayView {
        schema: "karat.decay/1".into(),
        summary: String::new(),
        dataset: inputs.dataset.name.clone(),
        dataset_version: inputs.dataset.version.clone(),
        clustering_version: clusters.version.clone(),
        space: workspace.space().to_owned(),
        window: inputs.now.summary(),
        reference: inputs.reference.as_ref().map(super::WindowRecords::summary),
        karats: measured.map(|m| 24.0 * m.now.value),
        coverage: measured.map(|m| coverage_view(&m.now)),
        reference_coverage: measured.and_then(|m| m.reference.as_ref()).map(coverage_view),
        drift_gap: measured.and_then(|m| m.gap).map(|gap| DriftView {
            value: gap.value,
            lo: gap.interval.lo,
            hi: gap.interval.hi,
            p_value: gap.p_value,
        }),
        alarm: measured.and_then(|m| m.gap).map(|gap| gap.p_value < workspace.config.decay.policy.alarm_level),
        shift: shift(inputs, embedded),
        clusters: cluster_views(inputs, embedded, clusters, measured),
        unassigned_share: share(
            &mut rows.clone().filter(|row| clusters.now[*row].is_none() && embedded.now.is_embeddable(*row)),
        ),
        not_embeddable_share: share(&mut rows.filter(|row| !embedded.now.is_embeddable(*row))),
        golden: inputs.dataset.examples.len(),
        live,
        examples: example_views(inputs, clusters, queued),
        signals: signal_counts(queued),
        candidates: candidate_views(inputs, embedded, clusters, measured),
        estimate: estimate(workspace, inputs, embedded, topics, measured)?,
        gates,
        verdict,
        notes,
    };
    view.summary = summary(&view);
    Ok((view, record_rows(inputs, embedded, clusters, measured)))
}

fn coverage_view(coverage: &Coverage) -> CoverageView {
    CoverageView { value: coverage.value, lo: coverage.interval.lo, hi: coverage.interval.hi }
}

fn gates(workspace: &Workspace, measured: Option<&CoverageMeasurement>) -> Vec<GateResult> {
    let settings = &workspace.config.decay;
    let gate = settings.min_karats.map(|minimum| {
        let name = format!("needs {minimum} karats");
        let require_decision = settings.require_decision;
        let Some(measured) = measured else {
            let detail = "coverage was not measured".to_owned();
            return GateResult { name, verdict: Verdict::Inconclusive, detail, require_decision };
        };
        let karats = |share: f64| 24.0 * share;
        let interval = Interval { lo: karats(measured.now.interval.lo), hi: karats(measured.now.interval.hi) };
        let detail =
            format!("{:.1} karats, 95 % interval {:.1}–{:.1}", karats(measured.now.value), interval.lo, interval.hi);
        GateResult { name, verdict: evaluate_minimum(interval, minimum), detail, require_decision }
    });
    gate.into_iter().collect()
}

fn shift(inputs: &Inputs, embedded: &Embedded) -> Vec<ShiftView> {
    let Some((then, vectors)) = inputs.reference.as_ref().zip(embedded.reference.as_ref()) else {
        return Vec::new();
    };
    let known_words = vocabulary(inputs.texts.iter().map(String::as_str));
    let (texts_then, texts_now) = (then.texts(), inputs.now.texts());
    let (outputs_then, outputs_now) = (then.outputs(), inputs.now.outputs());
    let found = shift_tests(
        ShiftSample {
            vectors,
            texts: &texts_then,
            outputs: &outputs_then,
            weights: &then.weights,
            groups: &then.groups,
        },
        ShiftSample {
            vectors: &embedded.now,
            texts: &texts_now,
            outputs: &outputs_now,
            weights: &inputs.now.weights,
            groups: &inputs.now.groups,
        },
        &known_words,
        ShiftOptions { seed: inputs.seed, ..ShiftOptions::default() },
    );
    let view = |test: ShiftTest| ShiftView {
        test: test.name.to_owned(),
        side: test.kind,
        statistic: test.statistic,
        p_value: test.adjusted,
        effect: test.effect,
        threshold: test.threshold,
        changed: test.alert,
        reference: test.reference,
        now: test.now,
        detail: shown(&test.detail),
    };
    found.into_iter().map(view).collect()
}

fn cluster_views(
    inputs: &Inputs,
    embedded: &Embedded,
    clusters: &Clusters,
    measured: Option<&CoverageMeasurement>,
) -> Vec<ClusterView> {
    let Some(book) = &clusters.book else { return Vec::new() };
    let count = book.ids.len();
    let now = weights_by_cluster(&clusters.now, &inputs.now.weights, count);
    let then = inputs
        .reference
        .as_ref()
        .zip(clusters.reference.as_ref())
        .map(|(records, placed)| weights_by_cluster(placed, &records.weights, count));
    let exemplars = medoids(&embedded.now, &inputs.now.weights, &clusters.now, count, EXEMPLARS);
    let represented: Option<Vec<f64>> = measured.map(|m| {
        let weighted =
            m.now.records.iter().zip(&inputs.now.weights).map(|(record, weight)| record.p_represented * weight);
        weights_by_cluster(&clusters.now, &weighted.collect::<Vec<_>>(), count)
    });
    let nearest = nearest_examples(inputs, clusters, measured, count);
    let total: f64 = inputs.now.weights.iter().sum();
    let sampled = effective_n(&inputs.now.weights);
    let example = |live: usize| &inputs.dataset.examples[embedded.live.rows[live]];
    let live: std::collections::HashSet<usize> = embedded.live.rows.iter().copied().collect();
    let mut views: Vec<ClusterView> = (0..count)
        .map(|cluster| {
            let share = if total > 0.0 { now[cluster] / total } else { 0.0 };
            let interval = wilson(share * sampled, sampled, 0.95);
            let golden: Vec<usize> =
                (0..clusters.golden.len()).filter(|row| clusters.golden[*row] == Some(cluster)).collect();
            let reference_total: f64 = inputs.reference.as_ref().map_or(0.0, |records| records.weights.iter().sum());
            ClusterView {
                id: book.ids[cluster].clone(),
                name: book.clustering.names[cluster].clone(),
                terms: book.clustering.terms[cluster].clone(),
                traffic_share: share,
                lo: interval.lo,
                hi: interval.hi,
                reference_share: then.as_ref().map(|then| then[cluster] / reference_total),
                golden: golden.len(),
                live: golden.iter().filter(|row| live.contains(row)).count(),
                p_represented: represented.as_ref().filter(|_| now[cluster] > 0.0).map(|r| r[cluster] / now[cluster]),
                exemplars: exemplars[cluster].iter().map(|row| shown(&inputs.now.records[*row].record.input)).collect(),
                nearest_example: nearest[cluster].map(|row| example(row).id.clone()),
                nearest_input: nearest[cluster].map(|row| shown(&inputs.texts[embedded.live.rows[row]])),
                emerging: book.new_since[cluster].is_some(),
            }
        })
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

/// Of every cluster, the live example that most of its unrepresented mass is nearest to.
fn nearest_examples(
    inputs: &Inputs,
    clusters: &Clusters,
    measured: Option<&CoverageMeasurement>,
    count: usize,
) -> Vec<Option<usize>> {
    let mut weights_by_cluster = vec![BTreeMap::new(); count];
    let records = measured.map(|m| m.now.records.as_slice()).unwrap_or_default();
    for ((record, weight), cluster) in records.iter().zip(&inputs.now.weights).zip(&clusters.now) {
        if let Some((nearest, cluster)) = record.nearest.zip(*cluster) {
            *weights_by_cluster[cluster].entry(nearest).or_insert(0.0) += weight * (1.0 - record.p_represented);
        }
    }
    let largest = |weights_by_cluster: BTreeMap<usize, f64>| {
        weights_by_cluster
            .into_iter()
            .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
            .map(|(nearest, _)| nearest)
    };
    weights_by_cluster.into_iter().map(largest).collect()
}

fn weights_by_cluster(placed: &[Option<usize>], weights: &[f64], clusters: usize) -> Vec<f64> {
    let mut weights_by_cluster = vec![0.0; clusters];
    for (cluster, weight) in placed.iter().zip(weights) {
        if let Some(cluster) = cluster {
            weights_by_cluster[*cluster] += weight;
        }
    }
    weights_by_cluster
}

fn shown(text: &str) -> String {
    truncate_chars(text, SHOWN).into_owned()
}

fn example_views(inputs: &Inputs, clusters: &Clusters, queued: &[QueuedFlag]) -> Vec<ExampleView> {
    let rows: BTreeMap<&str, usize> =
        inputs.dataset.examples.iter().enumerate().map(|(row, example)| (example.id.as_str(), row)).collect();
    let mut views: Vec<ExampleView> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for QueuedFlag { flag, state } in queued {
        let reason = ReasonView {
            code: flag.code,
            score: flag.score,
            threshold: flag.threshold,
            evidence: flag.evidence.clone(),
        };
        if let Some(place) = places.get(flag.example_id.as_str()) {
            views[*place].reasons.push(reason);
            continue;
        }
        let row = rows.get(flag.example_id.as_str()).copied();
        let cluster = row.and_then(|row| clusters.golden[row]).zip(clusters.book.as_ref());
        places.insert(&flag.example_id, views.len());
        views.push(ExampleView {
            id: flag.example_id.clone(),
            status: *state,
            cluster: cluster.map(|(cluster, book)| book.ids[cluster].clone()),
            input: row.map(|row| shown(&inputs.texts[row])).unwrap_or_default(),
            reasons: vec![reason],
        });
    }
    views
}

/// Flagged examples by their first reason, the most frequent first. Flags come ranked, so the first seen is first.
fn signal_counts(queued: &[QueuedFlag]) -> Vec<SignalCount> {
    let mut seen = std::collections::HashSet::new();
    let mut counts: BTreeMap<ReasonCode, usize> = BTreeMap::new();
    for QueuedFlag { flag, .. } in queued {
        if seen.insert(&flag.example_id) {
            *counts.entry(flag.code).or_default() += 1;
        }
    }
    let mut counts: Vec<SignalCount> = counts.into_iter().map(|(code, count)| SignalCount { code, count }).collect();
    counts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.code.name().cmp(b.code.name())));
    counts
}

fn candidate_views(
    inputs: &Inputs,
    embedded: &Embedded,
    clusters: &Clusters,
    measured: Option<&CoverageMeasurement>,
) -> Vec<CandidateView> {
    let Some(measured) = measured else { return Vec::new() };
    let total: f64 = inputs.now.weights.iter().sum();
    let unrepresented: Vec<f64> = measured
        .now
        .records
        .iter()
        .zip(&inputs.now.weights)
        .map(|(record, weight)| (1.0 - record.p_represented) * weight / total)
        .collect();
    let picked = candidates(&embedded.now, &unrepresented, CANDIDATE_FLOOR, CANDIDATES);
    picked
        .into_iter()
        .map(|candidate| {
            let record = &inputs.now.records[candidate.record].record;
            let cluster = clusters.now[candidate.record].zip(clusters.book.as_ref());
            CandidateView {
                record_id: record.record_id.clone(),
                input: shown(&record.input),
                cluster: cluster.map(|(cluster, book)| book.ids[cluster].clone()),
                gain: candidate.gain,
            }
        })
        .collect()
}

/// The estimate from the latest whole run of this version; of endpoints run together, the one the suite names first.
fn estimate(
    workspace: &Workspace,
    inputs: &Inputs,
    embedded: &Embedded,
    topics: &[usize],
    measured: Option<&CoverageMeasurement>,
) -> Result<Option<EstimateView>, Failure> {
    let Some(measured) = measured else { return Ok(None) };
    let runs = workspace.store.latest_runs_of_dataset(&inputs.dataset.name, &inputs.dataset.version)?;
    let runnable =
        inputs.dataset.examples.iter().filter(|e| e.status != crate::core::domain::ExampleStatus::Retired).count();
    let whole = runs.into_iter().filter(|run| run.header.total == runnable * run.header.repeats as usize);
    let Some(run) =
        whole.max_by(|a, b| a.header.started_at.cmp(&b.header.started_at).then(b.header.run_id.cmp(&a.header.run_id)))
    else {
        return Ok(None);
    };
    let Some(scorer) = primary_scorer(workspace, &run.header.suite, &run.header.suite_version)? else {
        return Ok(None);
    };
    let outcomes = workspace.store.outcomes(&run.header.run_id)?;
    let strata = strata(inputs, embedded, topics, measured, &outcomes, &scorer);
    Ok(today(&strata, measured.now.value).map(|found| EstimateView {
        run_id: run.header.run_id,
        endpoint: run.header.endpoint,
        scorer: scorer.name,
        raw: found.raw,
        represented: found.represented,
        lo: found.interval.lo,
        hi: found.interval.hi,
        bound_lo: found.bound.lo,
        bound_hi: found.bound.hi,
        n_eff: found.n_eff,
        assumption: "within a topic, the examples and the traffic they represent are equally hard".into(),
    }))
}

fn primary_scorer(workspace: &Workspace, suite: &str, version: &str) -> Result<Option<Scorer>, Failure> {
    let Some(content) = workspace.store.suite_content(suite, version)? else { return Ok(None) };
    let suite = suite_from_content(suite, version, &content)?;
    Ok(suite.scorers.into_iter().next())
}

/// One stratum a topic: the represented mass whose nearest example is of it, and the scores of its examples.
fn strata(
    inputs: &Inputs,
    embedded: &Embedded,
    topics: &[usize],
    measured: &CoverageMeasurement,
    outcomes: &[RecordedOutcome],
    scorer: &Scorer,
) -> Vec<Stratum> {
    let mut strata = vec![Stratum::default(); topics.iter().max().map_or(0, |last| last + 1)];
    for (record, weight) in measured.now.records.iter().zip(&inputs.now.weights) {
        if let Some(nearest) = record.nearest {
            strata[topics[nearest]].weight += weight * record.p_represented;
        }
    }
    let mut scores: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for outcome in outcomes {
        scores.entry(&outcome.example_id).or_default().extend(outcome.scores.get(&scorer.name).and_then(Score::value));
    }
    for (position, row) in embedded.live.rows.iter().enumerate() {
        let trials = scores.get(inputs.dataset.examples[*row].id.as_str());
        strata[topics[position]].scores.extend(trials.and_then(|trials| reduce(scorer.reduce, trials)));
    }
    strata
}

fn record_rows(
    inputs: &Inputs,
    embedded: &Embedded,
    clusters: &Clusters,
    measured: Option<&CoverageMeasurement>,
) -> Vec<RecordRow> {
    let rows = inputs.now.records.iter().enumerate();
    rows.map(|(row, stored)| {
        let covered = measured.map(|m| m.now.records[row]);
        let nearest = covered.and_then(|record| record.nearest);
        RecordRow {
            record_id: stored.record.record_id.clone(),
            weight: inputs.now.weights[row],
            cluster: clusters.now[row].zip(clusters.book.as_ref()).map(|(cluster, book)| book.ids[cluster].clone()),
            nearest_example: nearest.map(|live| inputs.dataset.examples[embedded.live.rows[live]].id.clone()),
            similarity: nearest.and(covered).map(|record| record.similarity),
            p_represented: covered.map(|record| record.p_represented),
        }
    })
    .collect()
}
