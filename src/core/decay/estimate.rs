//! The score on today's traffic, estimated from the latest complete run.

use super::findings::Findings;
use super::inputs::{Live, ScoredRun};
use crate::core::coverage::CoverageMeasurement;
use crate::core::estimate::{Stratum, today};
use crate::core::scoring::reduce;
use crate::core::view::EstimateView;

/// The estimate; `None` without a run, without coverage, or if nothing was scored.
pub(super) fn estimate_view(findings: &Findings<'_>) -> Option<EstimateView> {
    let (run, coverage) = findings.inputs.run.as_ref().zip(findings.coverage.as_ref())?;
    let found = today(&strata(findings, run, coverage), coverage.now.value)?;
    Some(EstimateView {
        run_id: run.run_id.clone(),
        endpoint: run.endpoint.clone(),
        scorer: run.scorer.clone(),
        raw: found.raw,
        represented: found.represented,
        lo: found.interval.lo,
        hi: found.interval.hi,
        bound_lo: found.bound.lo,
        bound_hi: found.bound.hi,
        n_eff: found.n_eff,
        assumption: "within a topic, the examples and the traffic they represent are equally hard".into(),
    })
}

/// One stratum per topic: the represented traffic whose nearest example belongs to the topic, and the scores of its
/// examples.
fn strata(findings: &Findings<'_>, run: &ScoredRun, coverage: &CoverageMeasurement) -> Vec<Stratum> {
    let Live { topics, .. } = &findings.live;
    let mut strata = vec![Stratum::default(); topics.iter().max().map_or(0, |last| last + 1)];
    for (record, weight) in coverage.now.records.iter().zip(findings.inputs.now.records.weights()) {
        if let Some(nearest) = record.nearest {
            strata[topics[nearest.0]].weight += weight * record.p_represented;
        }
    }
    for (example, topic) in findings.live.rows().iter().zip(topics) {
        let trials = run.scores.get(&findings.inputs.dataset.examples[example.0].id);
        strata[*topic].scores.extend(trials.and_then(|trials| reduce(run.reduce, trials)));
    }
    strata
}
