//! The gate of a decay measurement: what it requires, and what it said before.

use super::DecayOptions;
use crate::core::decay::{Settings, gate_name};
use crate::core::domain::{Dataset, Failure, Window};
use crate::core::gate::GatePast;
use crate::core::verdict::Verdict;
use crate::edge::store::MeasuredGates;
use crate::flow::Workspace;

/// Number of earlier measurements read.
const EARLIER: usize = 60;

/// The settings of a measurement: the stricter of the minimum in karat.yaml and that of the suites counts.
pub(super) fn settings<'a>(
    workspace: &'a Workspace,
    dataset: &Dataset,
    options: &DecayOptions,
    window: Window,
) -> Result<Settings<'a>, Failure> {
    let decay = &workspace.config.decay;
    let own = decay.min_karats.map(|min| (min, decay.require_decision));
    let of_suites = options.karats.map(|gate| (gate.min, gate.require_decision));
    let stricter = own.into_iter().chain(of_suites).max_by(|a, b| a.0.total_cmp(&b.0));
    let past = match stricter {
        None => GatePast::default(),
        Some((min, _)) => {
            let earlier = workspace.store.measured_gates(&dataset.name, workspace.space(), EARLIER)?;
            past(&earlier, dataset, window, &gate_name(min))
        }
    };
    Ok(Settings {
        min_karats: stricter.map(|(min, _)| min),
        require_decision: stricter.is_some_and(|(_, require)| require),
        past,
        policy: &decay.policy,
    })
}

/// What the gate said in measurements of the same version of the dataset whose windows ended before this one does. Several
/// measurements of one window are one.
fn past(earlier: &[MeasuredGates], dataset: &Dataset, window: Window, name: &str) -> GatePast {
    let mut known: Vec<(Window, &MeasuredGates)> = earlier
        .iter()
        .map(|measured| (measured.window.window(), measured))
        .filter(|(of, measured)| of.to < window.to && measured.dataset_version == dataset.version)
        .collect();
    // Stable: the newest measurement of a window stays first.
    known.sort_by_key(|(of, _)| std::cmp::Reverse(of.to));
    known.dedup_by_key(|(of, _)| of.to);
    let mut past = GatePast::default();
    let mut in_a_row = true;
    for (of, measured) in known {
        let Some(gate) = measured.gates.iter().find(|gate| gate.name == name) else { break };
        if past.last.is_none() {
            let days = window.to.duration_since(of.to).as_secs_f64() / 86_400.0;
            past.last = gate.level.map(|level| (gate.verdict, level, days));
        }
        in_a_row &= gate.verdict == Verdict::Inconclusive;
        past.warnings += u32::from(in_a_row);
    }
    past
}
