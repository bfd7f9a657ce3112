//! `traffic-vanished`: a third of the known intents no longer occurs.

use std::collections::{BTreeMap, BTreeSet};

use karat::signals::{Example, local_share, vanished_flags};
use karat::stats::rng;
use karat::traffic_clusters::Policy;
use rayon::prelude::*;

use crate::coverage::{Golden, Source, Traffic, measured};
use crate::examples::examples;
use crate::figures::{Figure, Ratio, counts};
use crate::world::{Part, Pools, Sizes, exponent, parts, zipf};
use crate::{Effort, trial_seed};

const SIGNAL: &str = "traffic-vanished";

/// Number of records per window.
const RECORDS: usize = 2_000;

/// Examples per intent.
const EXAMPLES: usize = 10;

/// Smallest share of the reference traffic of an intent that counts.
const LEAST_SHARE: f64 = 0.005;

/// Intents or examples: flagged and gone, flagged, gone.
#[derive(Debug, Clone, Copy, Default)]
struct Hits {
    both: usize,
    flagged: usize,
    gone: usize,
}

impl Hits {
    fn add(&mut self, flagged: bool, gone: bool) {
        self.both += usize::from(flagged && gone);
        self.flagged += usize::from(flagged);
        self.gone += usize::from(gone);
    }

    fn precision(self) -> Ratio {
        counts(self.both, self.flagged)
    }

    fn recall(self) -> Ratio {
        counts(self.both, self.gone)
    }
}

struct Trial {
    intents: Hits,
    examples: Hits,
    /// Flagged examples, of all.
    share: Ratio,
}

/// Measures trials in which intents vanish, and as many in which nothing does.
pub fn measure(source: Source<'_>, effort: Effort, done: impl Fn() + Sync) -> Vec<Figure> {
    let run = |vanish: bool| -> Vec<Trial> {
        let trials = (0..effort.of(10)).into_par_iter().filter_map(|trial| {
            let found = trial_of(source, vanish, trial_seed(effort.seed, "vanished", trial));
            done();
            found
        });
        trials.collect()
    };
    let (vanish, null) = (run(true), run(false));
    let figure = |metric: &str, of: &dyn Fn(&Trial) -> Ratio| Figure::of(SIGNAL, metric, vanish.iter().map(of));
    vec![
        figure("precision, by intent", &|trial| trial.intents.precision()),
        figure("recall, by intent", &|trial| trial.intents.recall()),
        figure("precision, by example", &|trial| trial.examples.precision()),
        figure("recall, by example", &|trial| trial.examples.recall()),
        Figure::of(SIGNAL, "share flagged if nothing vanished", null.iter().map(|trial| trial.share)),
    ]
}

/// Number of trials that [`measure`] runs.
pub fn trials(effort: Effort) -> usize {
    2 * effort.of(10)
}

fn trial_of(source: Source<'_>, vanish: bool, seed: u64) -> Option<Trial> {
    let mut random = rng(seed, 0);
    let mut known = parts(source.corpus, Sizes { golden: EXAMPLES, training: 0 }, &mut random);
    known.truncate(known.len() * 2 / 3);
    let golden = Golden::of(source, &known);
    let usual = zipf(known.len(), exponent(RECORDS), &mut random);
    let gone = |topic: usize| vanish && topic.is_multiple_of(3);
    let today: Vec<f64> =
        usual.iter().enumerate().map(|(topic, share)| if gone(topic) { 0.0 } else { *share }).collect();
    let mut pools = Pools::of(&known);
    let then = Traffic::of(source, &golden, pools.draw(&usual, RECORDS, 0.5, &mut random));
    let now = Traffic::of(source, &golden, pools.draw(&today, RECORDS, 1.0, &mut random));
    let flagged = flagged(source, &golden, &then, &now, seed)?;
    Some(compared(source, &known, &golden, &then, &flagged, gone))
}

/// The examples that are flagged.
fn flagged(
    source: Source<'_>,
    golden: &Golden<'_>,
    then: &Traffic<'_>,
    now: &Traffic<'_>,
    seed: u64,
) -> Option<BTreeSet<String>> {
    let (then, now) = (then.records(&[]), now.records(&[]));
    let coverage = measured(source, golden, &now, Some(&then), seed)?;
    let policy = Policy::default();
    let before = local_share(golden.points(), &then, &coverage.reference.as_ref()?.records, policy.neighbours);
    let after = local_share(golden.points(), &now, &coverage.now.records, policy.neighbours);
    let all: Vec<Example> = examples(&golden.texts, |at| golden.topics[at].to_string())?;
    let flags = vanished_flags(&all.iter().collect::<Vec<_>>(), &before, &after, &policy);
    Some(flags.into_iter().map(|flag| flag.example_id).collect())
}

fn compared(
    source: Source<'_>,
    known: &[Part],
    golden: &Golden<'_>,
    then: &Traffic<'_>,
    flagged: &BTreeSet<String>,
    gone: impl Fn(usize) -> bool,
) -> Trial {
    let mut records: BTreeMap<usize, usize> = BTreeMap::new();
    then.rows.iter().for_each(|row| *records.entry(source.corpus.intent_of[*row]).or_default() += 1);
    let least = LEAST_SHARE * then.rows.len() as f64;
    let (mut intents, mut examples) = (Hits::default(), Hits::default());
    for (topic, part) in known.iter().enumerate() {
        if (records.get(&part.intent).copied().unwrap_or(0) as f64) < least {
            continue;
        }
        let of_topic: Vec<usize> = (0..golden.topics.len()).filter(|at| golden.topics[*at] == topic).collect();
        let hits: Vec<bool> = of_topic.iter().map(|at| flagged.contains(&crate::examples::id(*at))).collect();
        hits.iter().for_each(|hit| examples.add(*hit, gone(topic)));
        intents.add(2 * hits.iter().filter(|hit| **hit).count() >= hits.len(), gone(topic));
    }
    Trial { intents, examples, share: counts(flagged.len(), golden.topics.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_is_of_what_is_flagged_and_recall_of_what_is_gone() {
        let mut hits = Hits::default();
        let cases = [(true, true), (true, true), (true, false), (false, true), (false, false)];
        cases.iter().for_each(|(flagged, gone)| hits.add(*flagged, *gone));
        assert_eq!((hits.precision(), hits.recall()), ((2.0, 3.0), (2.0, 3.0)));
        assert_eq!(Hits::default().precision(), (0.0, 0.0), "which is not counted");
    }
}
