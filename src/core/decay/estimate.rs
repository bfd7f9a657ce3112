//! The score on today's traffic, estimated from the latest complete run.

use super::findings::Findings;
use super::inputs::ScoredRun;
use crate::core::coverage::{CoverageMeasurement, GoldenPoints};
use crate::core::domain::ExampleIdx;
use crate::core::estimate::{Stratum, strata, today};
use crate::core::scoring::reduce;
use crate::core::view::EstimateView;

/// The estimate; `None` without a run, without coverage, or if nothing was scored.
pub(super) fn estimate_view(findings: &Findings<'_>) -> Option<EstimateView> {
    let (run, coverage) = findings.inputs.run.as_ref().zip(findings.coverage.as_ref())?;
    let found = today(&topic_strata(findings, run, coverage), (coverage.now.value, coverage.now.interval))?;
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

/// The scores of every live example, and the traffic of its topic.
fn topic_strata(findings: &Findings<'_>, run: &ScoredRun, coverage: &CoverageMeasurement) -> Vec<Stratum> {
    let score = |example: &ExampleIdx| {
        let trials = run.scores.get(&findings.inputs.dataset.examples[example.0].id);
        trials.and_then(|trials| reduce(run.reduce, trials))
    };
    let scores: Vec<Option<f64>> = findings.live.rows().iter().map(score).collect();
    let golden = GoldenPoints { vectors: &findings.live.vectors, topics: &findings.live.topics };
    strata(golden, &scores, &findings.inputs.now.records, &coverage.now.records)
}
