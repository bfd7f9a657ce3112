//! Decay in one sentence, without technical terms.

use super::cell::{line, phrase};
use super::{Cell, ClusterView, DecayView, Phrase};

/// [`summary_phrase`] as text.
pub fn summary(view: &DecayView) -> String {
    summary_phrase(view).to_string()
}

/// Decay in one sentence: since when, what share of traffic has no example, what that traffic is about, and which
/// example is nearest to it. It may contain text written by users.
pub fn summary_phrase(view: &DecayView) -> Phrase {
    let name = line(&view.dataset, 60);
    let Some(coverage) = view.coverage else {
        let why = line(view.why_not_measured(), 200);
        return phrase!["Could not measure how much of today's traffic ", name, " represents: ", why, "."];
    };
    let drifted = view.drift_gap.zip(view.reference.as_ref()).filter(|_| view.alarm == Some(true));
    let missing = match drifted {
        Some((gap, reference)) => phrase![
            format!("Since {}, ", reference.window().label()),
            about(gap.value),
            format!(" of traffic has shifted to topics for which {name} has no live example ("),
            about(1.0 - coverage.value),
            " in total)"
        ],
        None => {
            phrase![
                about(1.0 - coverage.value),
                format!(" of traffic is about topics for which {name} has no live example")
            ]
        }
    };
    // Name the largest unrepresented cluster, or else the cluster with the largest unrepresented share.
    let by_share = |a: &&ClusterView, b: &&ClusterView| a.unrepresented_share().total_cmp(&b.unrepresented_share());
    let whole = view.unrepresented.iter().max_by(by_share);
    let partly = view.clusters.iter().max_by(by_share).filter(|_| drifted.is_some());
    match (whole, partly) {
        (Some(cluster), _) => phrase![missing, "; the largest is ", described(cluster), "."],
        (None, Some(cluster)) => {
            phrase![missing, "; the largest part of it is in ", described(cluster), "."]
        }
        (None, None) if drifted.is_some() => phrase![missing, "."],
        (None, None) => phrase![
            name,
            " represents ",
            about(coverage.value),
            " of traffic, and no cluster is left without examples."
        ],
    }
}

fn described(cluster: &ClusterView) -> Phrase {
    let nearest = cluster.nearest_input.as_ref();
    let nearest = nearest.map_or_else(String::new, |input| format!(", nearest example: “{}”", line(input, 60)));
    phrase![format!("“{}” (", line(&cluster.name, 60)), about(cluster.traffic_share), format!(" of traffic{nearest})")]
}

/// A share as written in a sentence: `9 %`, or `less than 1 %` if it would round to zero.
fn about(share: f64) -> Phrase {
    match share {
        v if v > 0.0 && v < 0.005 => phrase!["less than ", Cell::Share(0.01, 0)],
        v => phrase![Cell::Share(v, 0)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_that_would_round_to_zero_is_not_called_zero() {
        assert_eq!([0.004, 0.0, 0.09].map(|v| about(v).to_string()), ["less than 1 %", "0 %", "9 %"]);
    }
}
