//! Scores made of the scores of several scorers.

use super::reason::short;
use crate::core::domain::Score;

/// How scores are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Combined {
    /// The lowest.
    All,
    /// The highest.
    Any,
    /// The weighted mean.
    Mean,
}

/// Combines the scores of scorers, each with its name and weight; `None` if the result depends on one that is unknown.
///
/// Scorers that skip the example do not count; if all do, so does the combination. A scorer that failed makes the
/// combination fail, unless the others decide it: a 0 decides `All`, a 1 decides `Any`.
pub(super) fn combine<'a>(how: Combined, scores: impl Iterator<Item = (&'a str, f64, Option<Score>)>) -> Option<Score> {
    let (mut values, mut failed, mut skipped, mut unknown) = (Vec::new(), None, None, false);
    for (name, weight, score) in scores {
        match score {
            None => unknown = true,
            Some(Score::Failed(reason)) => failed = failed.or(Some(format!("{name}: {reason}"))),
            Some(Score::Skipped(reason)) => skipped = skipped.or(Some(format!("{name}: {reason}"))),
            Some(Score::Value(value, reason)) => {
                let decides = matches!((how, value), (Combined::All, 0.0) | (Combined::Any, 1.0));
                if decides {
                    return Some(Score::Value(value, reason.map(|reason| named(name, &reason))));
                }
                values.push((name, weight, value, reason));
            }
        }
    }
    if unknown {
        return None;
    }
    if let Some(failed) = failed {
        return Some(Score::Failed(short(&failed)));
    }
    Some(match how {
        _ if values.is_empty() => {
            Score::Skipped(short(&skipped.unwrap_or_else(|| "there is nothing to score".to_owned())))
        }
        Combined::All => extreme(&values, |value, best| value < best),
        Combined::Any => extreme(&values, |value, best| value > best),
        Combined::Mean => mean(&values),
    })
}

type Part<'a> = (&'a str, f64, f64, Option<String>);

fn named(name: &str, reason: &str) -> String {
    short(&format!("{name}: {reason}"))
}

/// The first of the best values.
fn extreme(values: &[Part<'_>], is_better: impl Fn(f64, f64) -> bool) -> Score {
    let best = values.iter().reduce(|best, part| if is_better(part.2, best.2) { part } else { best });
    best.map_or_else(
        || Score::Skipped("there is nothing to score".to_owned()),
        |(name, _, value, reason)| Score::Value(*value, reason.as_ref().map(|reason| named(name, reason))),
    )
}

fn mean(values: &[Part<'_>]) -> Score {
    let weights: f64 = values.iter().map(|(_, weight, ..)| weight).sum();
    let sum: f64 = values.iter().map(|(_, weight, value, _)| weight * value).sum();
    let reasons: Vec<String> = values
        .iter()
        .filter_map(|(name, _, _, reason)| reason.as_ref().map(|reason| format!("{name}: {reason}")))
        .collect();
    let reason = (!reasons.is_empty()).then(|| short(&reasons.join("; ")));
    // Rounding must not lead out of the interval.
    Score::Value((sum / weights).clamp(0.0, 1.0), reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(value: f64) -> Option<Score> {
        Some(Score::Value(value, (value < 1.0).then(|| "why".to_owned())))
    }

    fn of(how: Combined, scores: &[Option<Score>]) -> Option<Score> {
        combine(how, scores.iter().zip(["a", "b", "c"]).map(|(score, name)| (name, 1.0, score.clone())))
    }

    #[test]
    fn all_is_the_lowest_any_the_highest_and_mean_the_weighted_mean() {
        let scores = [value(0.5), value(1.0), value(0.25)];
        assert_eq!(of(Combined::All, &scores), Some(Score::Value(0.25, Some("c: why".into()))));
        assert_eq!(of(Combined::Any, &scores), Some(Score::Value(1.0, None)));
        let weighted = [("a", 3.0, value(1.0)), ("b", 1.0, value(0.0))].into_iter();
        assert_eq!(combine(Combined::Mean, weighted), Some(Score::Value(0.75, Some("b: why".into()))));
    }

    #[test]
    fn skipped_scorers_do_not_count_and_failed_ones_are_never_a_zero() {
        let (skipped, failed) = (Some(Score::Skipped("s".into())), Some(Score::Failed("f".into())));
        assert_eq!(of(Combined::All, &[skipped.clone(), value(1.0)]), Some(Score::Value(1.0, None)));
        assert_eq!(of(Combined::Mean, &[skipped.clone(), skipped]), Some(Score::Skipped("a: s".into())));
        for how in [Combined::All, Combined::Any, Combined::Mean] {
            assert_eq!(of(how, &[value(0.5), failed.clone()]), Some(Score::Failed("b: f".into())));
            assert!(matches!(of(how, &[]), Some(Score::Skipped(_))));
        }
    }

    #[test]
    fn what_the_known_scores_decide_needs_no_other() {
        let failed = Some(Score::Failed("f".into()));
        assert_eq!(of(Combined::All, &[None, value(0.0)]), Some(Score::Value(0.0, Some("b: why".into()))));
        assert_eq!(of(Combined::Any, &[failed, None, value(1.0)]), Some(Score::Value(1.0, None)));
        for how in [Combined::All, Combined::Any, Combined::Mean] {
            assert_eq!(of(how, &[value(0.5), None]), None);
        }
    }
}
