//! Decay in one sentence that needs no glossary.

use super::{ClusterView, DecayView};
use crate::core::privacy::sanitize::truncate_chars;

/// What a lead needs to know: since when, how much of traffic the set has no example of, what that is about, and the example that
/// comes nearest to it. Text of users may be in it: whoever shows it has to sanitize it.
pub fn summary(view: &DecayView) -> String {
    let name = shown(&view.dataset);
    let Some(coverage) = view.coverage else {
        let why = view.notes.first().map_or("there was no traffic in the window".into(), |note| short(note, 200));
        return format!("How much of today's traffic {name} represents could not be measured: {why}.");
    };
    let drifted = view.drift_gap.zip(view.reference.as_ref()).filter(|_| view.alarm == Some(true));
    let missing = match drifted {
        Some((gap, reference)) => format!(
            "Since {}, {} of traffic has come to be about things {name} has no live example of ({} in all)",
            reference.window().label(),
            about(gap.value),
            about(1.0 - coverage.value)
        ),
        None => format!("{} of traffic is about things {name} has no live example of", about(1.0 - coverage.value)),
    };
    // A cluster is unrepresented as a whole, or only holds more of what is missing than any other.
    let by_share = |a: &&ClusterView, b: &&ClusterView| a.unrepresented_share().total_cmp(&b.unrepresented_share());
    let whole = view.unrepresented().max_by(by_share);
    let partly = view.clusters.iter().max_by(by_share).filter(|_| drifted.is_some());
    match (whole, partly) {
        (Some(cluster), _) => format!("{missing}; the largest: {}.", described(cluster)),
        (None, Some(cluster)) => format!("{missing}; more of it in {} than in any other group.", described(cluster)),
        (None, None) if drifted.is_some() => format!("{missing}."),
        (None, None) => {
            format!(
                "{name} represents {} of traffic, and no cluster of it is left without examples.",
                about(coverage.value)
            )
        }
    }
}

fn described(cluster: &ClusterView) -> String {
    let nearest = cluster.nearest_input.as_ref();
    let nearest = nearest.map_or_else(String::new, |input| format!(", nearest example: “{}”", shown(input)));
    format!("“{}” ({} of traffic{nearest})", shown(&cluster.name), about(cluster.traffic_share))
}

/// A share for a sentence: `9 %`, or `less than 1 %` for one that would round to nothing.
fn about(share: f64) -> String {
    match share {
        v if v > 0.0 && v < 0.005 => "less than 1 %".into(),
        v => format!("{:.0} %", v * 100.0),
    }
}

fn shown(text: &str) -> String {
    short(text, 60)
}

/// On one line, and at most `chars` characters.
fn short(text: &str, chars: usize) -> String {
    truncate_chars(&text.split_whitespace().collect::<Vec<_>>().join(" "), chars).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_that_would_round_to_nothing_is_not_called_zero() {
        assert_eq!([about(0.004), about(0.0), about(0.09)], ["less than 1 %", "0 %", "9 %"]);
    }
}
