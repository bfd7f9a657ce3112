//! Runs the cells and summarises the results.

use std::borrow::Cow;

use karat::coverage::{CoverageMeasurement, GoldenPoints, Record, Records};
use karat::stats::{clopper_pearson, mann_whitney_auc};
use karat::vector::Vectors;
use rayon::prelude::*;
use serde::Serialize;

use crate::baselines::{Baseline, BaselineResult, Trial};
use crate::data::{Corpus, EmbeddingSpace};
use crate::pipeline::{GoldenSet, asking_vectors, measured};
use crate::scenario::{Cell, Draw, Window, draw};

/// The result of one method in one trial, compared with the truth.
#[derive(Debug, Clone, Default)]
pub struct Finding {
    /// Estimated coverage minus the true share.
    error: Option<f64>,
    /// Whether the interval contains the truth, and its width.
    interval: Option<(bool, f64)>,
    alarm: Option<bool>,
    /// How well it distinguishes new records from known ones.
    auroc: Option<f64>,
}

/// A line of the results: a method in a cell.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    pub scenario: &'static str,
    pub golden_per_intent: usize,
    /// Number of records requested for each window.
    pub records: usize,
    /// Mean number of records in the current window, which the size of the file may limit.
    pub records_drawn: f64,
    /// Exponent of the frequency distribution of intents.
    pub zipf: f64,
    /// Whether there was a reference window.
    pub reference: bool,
    /// Share of the current window that is about hidden intents.
    #[serde(rename = "new_mass")]
    pub new_share: f64,
    pub trials: usize,
    /// Number of trials in which the method gave no result.
    pub unmeasured: usize,
    /// Share of the trials with an alarm, with its exact 95 % interval.
    pub alarm_rate: Option<f64>,
    pub alarm_lo: Option<f64>,
    pub alarm_hi: Option<f64>,
    /// Mean absolute error of coverage.
    pub coverage_mae: Option<f64>,
    /// Mean error: above 0 if coverage is overestimated.
    pub coverage_bias: Option<f64>,
    /// Share of the 95 % intervals that contain the truth.
    pub interval_coverage: Option<f64>,
    pub interval_width: Option<f64>,
    /// How well the method's score of each record distinguishes new records from known ones.
    pub auroc: Option<f64>,
}

/// The line of a baseline.
#[derive(Debug, Clone, Serialize)]
pub struct BaselineFigures {
    pub name: &'static str,
    #[serde(flatten)]
    pub figures: Figures,
}

/// The number of trials.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    pub seed: u64,
    /// Trials per cell.
    pub trials: usize,
    /// Trials per cell that include the baselines.
    pub baseline_trials: usize,
}

/// Measures karat and every baseline in one cell. `None` if the space or the file lacks what the
/// scenario needs.
pub fn measure(
    cell: &Cell,
    corpus: &Corpus,
    space: &EmbeddingSpace,
    baselines: &[Baseline],
    effort: Effort,
    done: impl Fn() + Sync,
) -> Option<(Figures, Vec<BaselineFigures>)> {
    let trials: Option<Vec<(usize, Finding, Vec<Finding>)>> = (0..effort.trials)
        .into_par_iter()
        .map(|trial| {
            let seed = seed_of(cell, effort.seed, trial);
            let drawn = draw(cell, corpus, space, seed)?;
            let peers = if trial < effort.baseline_trials { baselines } else { &[] };
            let found = (drawn.now.known.len(), karat(&drawn, space, seed), peers_of(&drawn, peers, seed));
            done();
            Some(found)
        })
        .collect();
    let trials = trials?;
    let drawn = trials.iter().map(|trial| trial.0 as f64).sum::<f64>() / trials.len() as f64;
    let of_karat: Vec<&Finding> = trials.iter().map(|trial| &trial.1).collect();
    let of_baseline = |at: usize| trials.iter().filter_map(|trial| trial.2.get(at)).collect::<Vec<_>>();
    let lines = baselines.iter().enumerate();
    let lines = lines.map(|(at, b)| BaselineFigures { name: b.name, figures: figures(cell, drawn, &of_baseline(at)) });
    Some((figures(cell, drawn, &of_karat), lines.collect()))
}

/// The seed of a trial; every trial of every cell has its own. Whether there is a reference window does not affect the
/// draws.
pub fn seed_of(cell: &Cell, seed: u64, trial: usize) -> u64 {
    let name = format!("{seed} {:?} {} {} {trial}", cell.kind, cell.golden, cell.records);
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn karat(drawn: &Draw<'_>, space: &EmbeddingSpace, seed: u64) -> Finding {
    let Some(found) = measure_coverage(drawn, space, seed) else { return Finding::default() };
    let truth = share(&drawn.now);
    let interval = found.now.interval;
    let novelty: Vec<f64> = found.now.records.iter().map(|record| 1.0 - record.p_represented).collect();
    Finding {
        error: Some(found.now.value - truth),
        interval: Some((interval.contains(truth), interval.width())),
        alarm: found.gap.map(|gap| gap.p_value < 0.05),
        auroc: auroc(&drawn.now, &novelty),
    }
}

/// Measures as `karat decay` does.
pub fn measure_coverage(drawn: &Draw<'_>, space: &EmbeddingSpace, seed: u64) -> Option<CoverageMeasurement> {
    let asked_now = asked(drawn, &drawn.now, space);
    let asked_then = drawn.reference.as_ref().map(|window| asked(drawn, window, space));
    let now = records(&drawn.now, &asked_now);
    let reference = drawn.reference.as_ref().zip(asked_then.as_ref()).map(|(window, asked)| records(window, asked));
    let points = GoldenPoints { vectors: &drawn.golden, topics: &drawn.topics };
    measured(GoldenSet { points, texts: &drawn.golden_texts }, &now, reference.as_ref(), space, seed)
}

/// The vectors of the parts of a window's messages that ask.
pub fn asked<'w>(drawn: &Draw<'_>, window: &'w Window<'_>, space: &EmbeddingSpace) -> Cow<'w, Vectors> {
    asking_vectors(&drawn.golden_texts, &window.texts, &window.vectors, space)
}

/// The records of a window, with these vectors.
pub fn records<'w>(window: &'w Window<'_>, vectors: &'w Vectors) -> Records<'w> {
    let texts = window.texts.iter().enumerate();
    let records = texts.map(|(group, text)| Record { id: "", weight: 1.0, group, text, output: None });
    Records::new(vectors, records)
}

fn peers_of(drawn: &Draw<'_>, baselines: &[Baseline], seed: u64) -> Vec<Finding> {
    if baselines.is_empty() {
        return Vec::new();
    }
    let reference = drawn.reference.as_ref().map(|window| &window.vectors);
    let trial = Trial::new(&drawn.golden, &drawn.topics, &drawn.now.vectors, reference, seed);
    let truth = share(&drawn.now);
    let finding = |found: BaselineResult| Finding {
        error: found.coverage.map(|coverage| coverage - truth),
        interval: None,
        alarm: found.alarm,
        auroc: found.novelty.and_then(|novelty| auroc(&drawn.now, &novelty)),
    };
    baselines.iter().map(|baseline| finding((baseline.run)(&trial))).collect()
}

fn share(window: &Window<'_>) -> f64 {
    window.known.iter().filter(|known| **known).count() as f64 / window.known.len().max(1) as f64
}

fn auroc(window: &Window<'_>, novelty: &[f64]) -> Option<f64> {
    let of = |known: bool| -> Vec<f64> {
        window.known.iter().zip(novelty).filter(|(k, _)| **k == known).map(|(_, value)| *value).collect()
    };
    let (new, known) = (of(false), of(true));
    (!new.is_empty() && !known.is_empty()).then(|| mann_whitney_auc(&new, &known)).flatten()
}

fn figures(cell: &Cell, drawn: f64, findings: &[&Finding]) -> Figures {
    let mean = |values: Vec<f64>| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    let errors: Vec<f64> = findings.iter().filter_map(|finding| finding.error).collect();
    let alarms: Vec<bool> = findings.iter().filter_map(|finding| finding.alarm).collect();
    let raised = alarms.iter().filter(|alarm| **alarm).count();
    let rate = (!alarms.is_empty()).then(|| clopper_pearson(raised as u64, alarms.len() as u64, 0.95));
    let flag = |value: bool| f64::from(u8::from(value));
    Figures {
        scenario: cell.kind.name(),
        golden_per_intent: cell.golden,
        records: cell.records,
        records_drawn: drawn,
        zipf: cell.zipf(),
        reference: cell.reference,
        new_share: cell.kind.new_share(),
        trials: findings.len(),
        unmeasured: findings.iter().filter(|f| f.error.is_none() && f.alarm.is_none()).count(),
        alarm_rate: mean(alarms.iter().map(|alarm| flag(*alarm)).collect()),
        alarm_lo: rate.map(|interval| interval.lo),
        alarm_hi: rate.map(|interval| interval.hi),
        coverage_mae: mean(errors.iter().map(|error| error.abs()).collect()),
        coverage_bias: mean(errors),
        interval_coverage: mean(findings.iter().filter_map(|f| f.interval).map(|(holds, _)| flag(holds)).collect()),
        interval_width: mean(findings.iter().filter_map(|f| f.interval).map(|(_, width)| width).collect()),
        auroc: mean(findings.iter().filter_map(|finding| finding.auroc).collect()),
    }
}
