//! `label-disputed`: independent endpoints agree with each other on another answer than the label.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::domain::{Example, ExampleStatus, Flag, ReasonCode};

/// The answers of one endpoint, or of several that use the same model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voice {
    /// The name shown in evidence.
    pub name: String,
    /// Its answer to each example, by id. Equal answers are equal texts.
    pub answers: BTreeMap<String, Answer>,
}

/// An answer to an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The scorer accepts it.
    AsLabelled,
    /// The scorer does not accept it.
    Other(String),
}

/// How probable it is that the label of an example is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Dispute {
    /// Probability that the label is wrong.
    pub score: f64,
    /// The most probable other answer, with the voices that gave it; `None` if every voice agrees with the label.
    pub other: Option<(String, Vec<String>)>,
}

/// Strength, in answers, of the prior that a voice confuses each answer like any other.
const CONFUSION_PRIOR: f64 = 5.0;

/// Rounds of expectation–maximisation. The share of wrong labels and the confusions hardly change after three.
const ROUNDS: usize = 5;

/// Share of wrong labels that is assumed at first.
const WRONG_AT_FIRST: f64 = 0.05;

/// Number of voices that must agree on another answer.
const AGREEING: usize = 2;

/// Weight of an answer as evidence. Models learn from similar texts and make the same mistakes, so two that agree are less than
/// two independent witnesses. With full weight, 2 to 3 % of the examples of a set without wrong labels were flagged.
const DEPENDENT: f64 = 0.5;

/// The dispute of every active example that at least one voice answered, by example id: for sets with few examples per label or
/// none; see [`disputes_by_similarity`](super::disputes_by_similarity) for others.
///
/// Every voice is a noisy annotator (Dawid & Skene 1979): its confusions of each answer are counted over all other
/// examples, weighted by how probable each answer is to be the true one, and drawn towards its accuracy and towards what all voices
/// confuse in either direction.
pub fn disputes(examples: &[Example], voices: &[Voice]) -> BTreeMap<String, Dispute> {
    let items: Vec<Item<'_>> = examples.iter().filter_map(|example| Item::of(example, voices)).collect();
    let classes: BTreeSet<&str> = items.iter().flat_map(|item| item.options.iter().copied()).collect();
    let mut posteriors: Vec<Vec<f64>> = items.iter().map(Item::prior_at_first).collect();
    for _ in 0..ROUNDS {
        let pool = Pool::of(&items, &posteriors, classes.len());
        let counts: Vec<Counts<'_>> = (0..voices.len()).map(|voice| Counts::of(&items, &posteriors, voice)).collect();
        let wrong: f64 = posteriors.iter().map(|posterior| 1.0 - posterior[0]).sum::<f64>();
        let wrong = (wrong + 1.0) / (items.len() as f64 + 1.0 / WRONG_AT_FIRST);
        let next = |(item, now): (&Item<'_>, &Vec<f64>)| item.posterior(&counts, &pool, now, wrong);
        posteriors = items.iter().zip(&posteriors).map(next).collect();
    }
    items
        .iter()
        .zip(&posteriors)
        .map(|(item, posterior)| (item.id.to_owned(), item.dispute(posterior, voices)))
        .collect()
}

/// Flags active examples whose label is wrong with a probability of at least `threshold`, if at least two voices gave the most
/// probable other answer: never because of a single one.
pub fn disputed_flags(examples: &[Example], disputes: &BTreeMap<String, Dispute>, threshold: f64) -> Vec<Flag> {
    let flag = |example: &Example| {
        let Dispute { score, other } = disputes.get(&example.id)?;
        let (answer, by) = other.as_ref().filter(|(_, by)| by.len() >= AGREEING && *score >= threshold)?;
        Some(Flag {
            example_id: example.id.clone(),
            code: ReasonCode::LabelDisputed,
            score: *score,
            threshold,
            evidence: format!(
                "{} answer \"{answer}\" instead of \"{}\"; to clear this, relabel it, or dismiss the flag if the label is right",
                by.join(", "),
                example.expected_texts().join("\" or \"")
            ),
            basis: [answer.clone(), example.expected_texts().join("\n"), by.join("\n")].join("\n"),
        })
    };
    examples.iter().filter_map(flag).collect()
}

/// An example with the answers to it.
struct Item<'a> {
    id: &'a str,
    /// Answers that may be true: the label, then every other one that was given.
    options: Vec<&'a str>,
    /// The answer of each voice, as an index of `options`.
    votes: Vec<Option<usize>>,
}

impl<'a> Item<'a> {
    fn of(example: &'a Example, voices: &'a [Voice]) -> Option<Self> {
        if example.status != ExampleStatus::Active {
            return None;
        }
        let label = match example.expected.first()? {
            serde_json::Value::String(text) => text.as_str(),
            // An answer that is not text is a class of its own.
            _ => example.id.as_str(),
        };
        let mut options = vec![label];
        let mut vote = |voice: &'a Voice| match voice.answers.get(&example.id)? {
            Answer::AsLabelled => Some(0),
            Answer::Other(text) => Some(options.iter().position(|option| option == text).unwrap_or_else(|| {
                options.push(text);
                options.len() - 1
            })),
        };
        let votes: Vec<Option<usize>> = voices.iter().map(&mut vote).collect();
        votes.iter().any(Option::is_some).then_some(Self { id: &example.id, options, votes })
    }

    fn prior_at_first(&self) -> Vec<f64> {
        let others = self.options.len() - 1;
        let label = if others == 0 { 1.0 } else { 1.0 - WRONG_AT_FIRST };
        let other = (1.0 - label) / others.max(1) as f64;
        std::iter::once(label).chain(std::iter::repeat_n(other, others)).collect()
    }

    /// The probability of each option, given the answers. `now` is the one of the round before, with which the item itself is
    /// part of the counts.
    fn posterior(&self, counts: &[Counts<'_>], pool: &Pool<'_>, now: &[f64], wrong: f64) -> Vec<f64> {
        let log_of = |option: usize| {
            let prior = if option == 0 { 1.0 - wrong } else { wrong / pool.others };
            let votes = self.votes.iter().zip(counts);
            let given = votes.filter_map(|(vote, counts)| Some(counts.chance(self, option, (*vote)?, pool, now).ln()));
            prior.ln() + DEPENDENT * given.sum::<f64>()
        };
        let logs: Vec<f64> = (0..self.options.len()).map(log_of).collect();
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = logs.iter().map(|log| (log - largest).exp()).collect();
        let total: f64 = weights.iter().sum();
        weights.into_iter().map(|weight| weight / total).collect()
    }

    /// The true answer, the answer given instead, and the weight of each confusion.
    fn confusions(&self, posterior: &[f64]) -> Vec<(&'a str, &'a str, f64)> {
        let votes = self.votes.iter().flatten();
        let confused = |vote: &usize| {
            let (vote, options) = (*vote, self.options.iter().zip(posterior).enumerate());
            let others = options.filter(move |(option, _)| *option != vote);
            others.map(|(_, (truth, weight))| (*truth, self.options[vote], *weight)).collect::<Vec<_>>()
        };
        votes.flat_map(confused).collect()
    }

    fn dispute(&self, posterior: &[f64], voices: &[Voice]) -> Dispute {
        let most = (1..self.options.len()).max_by(|a, b| posterior[*a].total_cmp(&posterior[*b]).then(b.cmp(a)));
        let by = |option: usize| {
            let gave = self.votes.iter().zip(voices).filter(|(vote, _)| **vote == Some(option));
            gave.map(|(_, voice)| voice.name.clone()).collect()
        };
        let other = most.map(|option| (self.options[option].to_owned(), by(option)));
        Dispute { score: 1.0 - posterior[0], other }
    }
}

/// How often two answers are confused, counted over all voices and in both directions.
struct Pool<'a> {
    /// Weight of confusions of two answers, the lesser first.
    pairs: BTreeMap<(&'a str, &'a str), f64>,
    /// Weight of confusions that an answer takes part in.
    of: BTreeMap<&'a str, f64>,
    /// Number of other answers there are.
    others: f64,
}

/// Two answers, the lesser first.
fn pair<'a>(one: &'a str, other: &'a str) -> (&'a str, &'a str) {
    if one < other { (one, other) } else { (other, one) }
}

impl<'a> Pool<'a> {
    fn of(items: &[Item<'a>], posteriors: &[Vec<f64>], classes: usize) -> Self {
        let (mut pairs, mut of) = (BTreeMap::new(), BTreeMap::new());
        for (item, posterior) in items.iter().zip(posteriors) {
            for (truth, given, weight) in item.confusions(posterior) {
                *pairs.entry(pair(truth, given)).or_insert(0.0) += weight;
                *of.entry(truth).or_insert(0.0) += weight;
                *of.entry(given).or_insert(0.0) += weight;
            }
        }
        Self { pairs, of, others: (classes.max(2) - 1) as f64 }
    }

    /// The probability that `given` is what is given instead of `truth`, if something else is, counted without the item itself.
    fn share(&self, item: &Item<'a>, truth: &'a str, given: &'a str, now: &[f64]) -> f64 {
        let (mut own_pair, mut own) = (0.0, 0.0);
        for (one, other, weight) in item.confusions(now) {
            own_pair += if pair(one, other) == pair(truth, given) { weight } else { 0.0 };
            own += if one == truth || other == truth { weight } else { 0.0 };
        }
        let left = |all: Option<&f64>, own: f64| (all.copied().unwrap_or(0.0) - own).max(0.0);
        let pairs = left(self.pairs.get(&pair(truth, given)), own_pair);
        // One confusion with an answer that may be any is assumed.
        (pairs + 1.0 / self.others) / (left(self.of.get(truth), own) + 1.0)
    }
}

/// How often a voice gave each answer where each answer was true.
struct Counts<'a> {
    voice: usize,
    /// Weight of (true answer, given answer).
    pairs: BTreeMap<(&'a str, &'a str), f64>,
    /// Weight of each true answer.
    truths: BTreeMap<&'a str, f64>,
    /// Share of right answers.
    accuracy: f64,
}

impl<'a> Counts<'a> {
    fn of(items: &[Item<'a>], posteriors: &[Vec<f64>], voice: usize) -> Self {
        let (mut pairs, mut truths) = (BTreeMap::new(), BTreeMap::new());
        let (mut right, mut all) = (0.0, 0.0);
        for (item, posterior) in items.iter().zip(posteriors) {
            let Some(vote) = item.votes[voice] else { continue };
            for (option, weight) in item.options.iter().zip(posterior) {
                *pairs.entry((*option, item.options[vote])).or_insert(0.0) += weight;
                *truths.entry(*option).or_insert(0.0) += weight;
            }
            right += posterior[vote];
            all += 1.0;
        }
        // One answer of each kind is assumed, so that nobody is always right or always wrong.
        Self { voice, pairs, truths, accuracy: (right + 1.0) / (all + 2.0) }
    }

    /// The probability that the voice gives its answer to the item if `option` is true, counted without the item itself.
    fn chance(&self, item: &Item<'a>, option: usize, vote: usize, pool: &Pool<'a>, now: &[f64]) -> f64 {
        let (truth, given) = (item.options[option], item.options[vote]);
        let own = if item.votes[self.voice].is_some() { now[option] } else { 0.0 };
        let of = self.truths.get(truth).map_or(0.0, |weight| weight - own).max(0.0);
        let pair = self.pairs.get(&(truth, given)).map_or(0.0, |weight| weight - own).max(0.0);
        let expected = match option == vote {
            true => self.accuracy,
            false => (1.0 - self.accuracy) * pool.share(item, truth, given, now),
        };
        (pair + CONFUSION_PRIOR * expected) / (of + CONFUSION_PRIOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::golden::example_from_row;
    use serde_json::json;

    /// Forty examples of four labels.
    fn examples() -> Vec<Example> {
        let row =
            |number: usize| json!({"id": format!("e{number:02}"), "input": "x", "label": format!("l{}", number % 4)});
        (0..40).map(|number| example_from_row(1, row(number).as_object().unwrap().clone()).unwrap()).collect()
    }

    /// A voice that agrees with all labels but those given.
    fn voice(name: &str, others: &[(usize, &str)]) -> Voice {
        let mut answers: BTreeMap<String, Answer> =
            (0..40).map(|number| (format!("e{number:02}"), Answer::AsLabelled)).collect();
        for (number, answer) in others {
            answers.insert(format!("e{number:02}"), Answer::Other((*answer).to_owned()));
        }
        Voice { name: name.to_owned(), answers }
    }

    fn flagged(voices: &[Voice]) -> Vec<String> {
        disputed_flags(&examples(), &disputes(&examples(), voices), 0.5)
            .into_iter()
            .map(|flag| flag.example_id)
            .collect()
    }

    #[test]
    fn two_voices_that_agree_on_another_answer_dispute_a_label_and_a_single_one_never_does() {
        let voices = [voice("a", &[(5, "l2"), (9, "l3")]), voice("b", &[(5, "l2"), (12, "l1")]), voice("c", &[])];
        assert_eq!(flagged(&voices[..2]), ["e05"]);
        let flag = disputed_flags(&examples(), &disputes(&examples(), &voices[..2]), 0.5).remove(0);
        assert!(flag.evidence.starts_with("a, b answer \"l2\" instead of \"l1\";"), "{}", flag.evidence);
        assert!(flagged(&voices[..1]).is_empty(), "a single voice");
        assert!(flagged(&[voice("a", &[(5, "l2")]), voice("b", &[(5, "l3")])]).is_empty(), "two different answers");
        let found = disputes(&examples(), &voices);
        assert!(found["e05"].score > found["e09"].score && found["e09"].score > found["e00"].score, "{found:?}");
    }

    #[test]
    fn a_confusion_that_both_voices_often_make_is_not_a_wrong_label() {
        // Both take most of l0 for l1, but only one of l2 for l3.
        let often: Vec<(usize, &str)> = (0..7).map(|number| (number * 4, "l1")).collect();
        let both = [often.clone(), vec![(2, "l3")]].concat();
        let found = disputes(&examples(), &[voice("a", &both), voice("b", &both)]);
        assert!(found["e02"].score > found["e04"].score, "{} {}", found["e02"].score, found["e04"].score);
    }

    #[test]
    fn nothing_is_disputed_without_answers_or_without_labels() {
        assert!(disputes(&examples(), &[]).is_empty() && disputes(&[], &[voice("a", &[])]).is_empty());
        assert!(flagged(&[voice("a", &[]), voice("b", &[])]).is_empty());
        let row = json!({"id": "e00", "input": "x"});
        let unlabelled = [example_from_row(1, row.as_object().unwrap().clone()).unwrap()];
        let voices = [voice("a", &[(0, "y")]), voice("b", &[(0, "y")])];
        assert!(disputed_flags(&unlabelled, &disputes(&unlabelled, &voices), 0.0).is_empty());
        let always_wrong: Vec<(usize, &str)> = (0..40).map(|number| (number, "other")).collect();
        let found = disputes(&examples(), &[voice("a", &always_wrong), voice("b", &always_wrong)]);
        assert!(found.values().all(|dispute| dispute.score.is_finite()), "{found:?}");
    }
}
