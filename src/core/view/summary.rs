//! Decay in one sentence that needs no glossary.

use super::cell::{line, phrase};
use super::{Cell, ClusterView, DecayView, Phrase};

/// [`summary_phrase`] as text.
pub fn summary(view: &DecayView) -> String {
    summary_phrase(view).to_string()
}

/// What a lead needs to know: since when, how much of traffic the set has no example of, what that is about, and the example
/// that is nearest to it. Text of users may be in it.
pub fn summary_phrase(view: &DecayView) -> Phrase {
    let name = line(&view.dataset, 60);
    let Some(coverage) = view.coverage else {
        let why = line(view.why_not_measured(), 200);
        return phrase!["How much of today's traffic ", name, " represents could not be measured: ", why, "."];
    };
    let drifted = view.drift_gap.zip(view.reference.as_ref()).filter(|_| view.alarm == Some(true));
    let missing = match drifted {
        Some((gap, reference)) => phrase![
            format!("Since {}, ", reference.window().label()),
            about(gap.value),
            format!(" of traffic has shifted to topics {name} has no live example of ("),
            about(1.0 - coverage.value),
            " in all)"
        ],
        None => {
            phrase![about(1.0 - coverage.value), format!(" of traffic is about topics {name} has no live example of")]
        }
    };
    // A cluster is unrepresented as a whole, or only holds more of what is missing than any other.
    let by_share = |a: &&ClusterView, b: &&ClusterView| a.unrepresented_share().total_cmp(&b.unrepresented_share());
    let whole = view.unrepresented().max_by(by_share);
    let partly = view.clusters.iter().max_by(by_share).filter(|_| drifted.is_some());
    match (whole, partly) {
        (Some(cluster), _) => phrase![missing, "; the largest: ", described(cluster), "."],
        (None, Some(cluster)) => {
            phrase![missing, "; more of it in ", described(cluster), " than in any other group."]
        }
        (None, None) if drifted.is_some() => phrase![missing, "."],
        (None, None) => phrase![
            name,
            " represents ",
            about(coverage.value),
            " of traffic, and no cluster of it is left without examples."
        ],
    }
}

fn described(cluster: &ClusterView) -> Phrase {
    let nearest = cluster.nearest_input.as_ref();
    let nearest = nearest.map_or_else(String::new, |input| format!(", nearest example: “{}”", line(input, 60)));
    phrase![format!("“{}” (", line(&cluster.name, 60)), about(cluster.traffic_share), format!(" of traffic{nearest})")]
}

/// A share for a sentence: `9 %`, or `less than 1 %` for one that would round to nothing.
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
    fn a_share_that_would_round_to_nothing_is_not_called_zero() {
        assert_eq!([0.004, 0.0, 0.09].map(|v| about(v).to_string()), ["less than 1 %", "0 %", "9 %"]);
    }
}
