//! What the other examples of a set say about the label of each, where the set has few labels: the nearest ones as one more
//! voice, and similarities as evidence on how probable a wrong label is.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::disputed::{Answer, Dispute, Voice};
use crate::core::domain::Example;
use crate::core::stats::{Choice, ConditionalLogit, quantile, sample_variance};
use crate::core::vector::{Vectors, tile, top_k};

/// Number of examples whose labels make up the answer.
const NEAREST: usize = 5;

/// Number of examples of a label whose similarity counts.
const SIMILAR: usize = 3;

/// Number of most similar labels that may be right, besides the given one and those answered.
const POSSIBLE: usize = 100;

/// Strength, in answers, of the prior that a voice confuses each label with any other.
const CONFUSION_PRIOR: f64 = 5.0;

/// Weights that are expected of the evidence, and the penalty on others, which matters in small sets alone: similarity and
/// what is usual within the label, in multiples of how much similarities usually differ; each vote; and the chance of the
/// votes, which counts half, since models make the same mistakes.
const SIMILARITY: [f64; 2] = [1.5, 0.5];
const VOTE: f64 = 0.5;
const CHANCE: f64 = 0.5;
const PENALTY: f64 = 1.0;

/// A wrong label is taken for one of this many that might be given instead of the right one.
const MISTAKES: f64 = 8.0;

/// Rounds in which the share of wrong labels is estimated, and the share that is assumed at first with the weight of one label.
const ROUNDS: usize = 8;
const WRONG_AT_FIRST: f64 = 0.05;

/// Rows compared at once.
const BLOCK: usize = 64;

/// Labelled examples with their texts and vectors. Every list but `names` has one entry per example.
#[derive(Debug, Clone, Copy)]
pub struct Labelled<'a> {
    /// The examples.
    pub examples: &'a [&'a Example],
    /// Their texts.
    pub texts: &'a [&'a str],
    /// Their vectors.
    pub vectors: &'a Vectors,
    /// The label of each, as an index of `names`.
    pub labels: &'a [usize],
    /// All labels, sorted.
    pub names: &'a [String],
}

impl Labelled<'_> {
    /// Whether one example says nothing about the other.
    fn same(&self, a: usize, b: usize) -> bool {
        a == b || self.texts[a] == self.texts[b]
    }

    /// For each example and label, the mean similarity of the three most similar other examples with that label, if any.
    fn similarities(&self, labels: &[usize]) -> Vec<Vec<Option<f64>>> {
        let blocks: Vec<usize> = (0..labels.len()).step_by(BLOCK).collect();
        let of_block = |first: &usize| {
            let rows = *first..(*first + BLOCK).min(labels.len());
            let mut found = Vec::new();
            tile(self.vectors, rows.clone(), self.vectors, 0..labels.len(), &mut found);
            rows.zip(found.chunks(labels.len())).map(|(row, found)| self.of_row(row, found, labels)).collect::<Vec<_>>()
        };
        blocks.par_iter().map(of_block).collect::<Vec<_>>().concat()
    }

    fn of_row(&self, row: usize, similarities: &[f32], labels: &[usize]) -> Vec<Option<f64>> {
        let mut most = vec![[f32::NEG_INFINITY; SIMILAR]; self.names.len()];
        for (other, similarity) in similarities.iter().enumerate().filter(|(other, _)| !self.same(row, *other)) {
            let of_label = &mut most[labels[other]];
            if *similarity > of_label[SIMILAR - 1] {
                of_label[SIMILAR - 1] = *similarity;
                of_label.sort_unstable_by(|a, b| b.total_cmp(a));
            }
        }
        let mean = |most: [f32; SIMILAR]| {
            let found: Vec<f64> = most.iter().filter(|s| s.is_finite()).map(|s| f64::from(*s)).collect();
            (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64)
        };
        most.into_iter().map(mean).collect()
    }
}

/// What the five nearest examples with other texts answer, each with its similarity as its weight.
pub fn nearest_examples(set: Labelled<'_>) -> Voice {
    let found = top_k(set.vectors, set.vectors, NEAREST, |a, b| set.same(a, b));
    let answers = found.into_iter().zip(set.examples).filter_map(|(nearest, example)| {
        let mut votes: BTreeMap<usize, f64> = BTreeMap::new();
        for neighbour in nearest {
            *votes.entry(set.labels[neighbour.index]).or_default() += f64::from(neighbour.similarity.max(0.0));
        }
        let (label, _) = votes.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?;
        let name = &set.names[label];
        let accepted = example.expected_texts().contains(name);
        let answer = if accepted { Answer::AsLabelled } else { Answer::Other(name.clone()) };
        Some((example.id.clone(), answer))
    });
    Voice { name: "nearest-examples".to_owned(), answers: answers.collect() }
}

/// The dispute of every example, by its id. Evidence for each possible label: its similarity to the examples of that label,
/// the voices that answer it, and how often they give their answers to other examples of that label. How much each of these
/// counts is fitted to the set itself. A label is wrong with the probability that follows from how far it is behind the best
/// other answer and from the share of wrong labels, which is estimated from all of them. Examples whose labels are probably
/// wrong then count for the other answer, and everything is compared once more. The nearest examples are named as a voice if
/// that is their answer as well. `None` if there are no examples.
pub fn disputes_by_similarity(set: Labelled<'_>, voices: &[Voice]) -> Option<BTreeMap<String, Dispute>> {
    let answers: Vec<Vec<Option<Vote>>> = voices.iter().map(|voice| votes(set, voice)).collect();
    let mut compared = compare(set, set.labels, &answers)?;
    let relabelled: Vec<usize> = compared.iter().zip(set.labels).map(|(found, label)| found.probable(*label)).collect();
    if relabelled != set.labels {
        compared = compare(set, &relabelled, &answers)?;
    }
    let nearest = nearest_examples(set);
    let names: Vec<&String> = voices.iter().chain([&nearest]).map(|voice| &voice.name).collect();
    let answers: Vec<Vec<Option<Vote>>> = answers.into_iter().chain([votes(set, &nearest)]).collect();
    let dispute = |(at, found): (usize, Compared)| {
        let disputes = found.other != Vote::Label(set.labels[at]);
        let by = names.iter().zip(&answers).filter(|(_, votes)| disputes && votes[at].as_ref() == Some(&found.other));
        let by: Vec<String> = by.map(|(name, _)| (*name).clone()).collect();
        let text = match found.other {
            Vote::Label(label) => set.names[label].clone(),
            Vote::Text(text) => text,
        };
        (set.examples[at].id.clone(), Dispute { score: found.score, other: (!by.is_empty()).then_some((text, by)) })
    };
    Some(compared.into_iter().enumerate().map(dispute).collect())
}

/// An answer: a label, or a text that is none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Vote {
    Label(usize),
    Text(String),
}

fn votes(set: Labelled<'_>, voice: &Voice) -> Vec<Option<Vote>> {
    let vote = |(example, label): (&&Example, &usize)| {
        Some(match voice.answers.get(&example.id)? {
            Answer::AsLabelled => Vote::Label(*label),
            Answer::Other(text) => match set.names.binary_search(text) {
                Ok(other) => Vote::Label(other),
                Err(_) => Vote::Text(text.clone()),
            },
        })
    };
    set.examples.iter().zip(set.labels).map(vote).collect()
}

/// How often a voice gave each answer to the examples of each label.
struct Confusions<'a> {
    votes: &'a [Option<Vote>],
    known: &'a [usize],
    /// Number of (label, answer).
    pairs: BTreeMap<(usize, &'a Vote), f64>,
    /// Number of answers to the examples of each label.
    of_label: Vec<f64>,
    /// Share of right answers.
    accuracy: f64,
}

impl<'a> Confusions<'a> {
    fn of(votes: &'a [Option<Vote>], known: &'a [usize], labels: usize) -> Self {
        let (mut pairs, mut of_label) = (BTreeMap::new(), vec![0.0; labels]);
        // One right and one wrong answer are assumed, so that no voice is always right or always wrong.
        let (mut right, mut all) = (1.0, 2.0);
        for (vote, label) in votes.iter().zip(known).filter_map(|(vote, label)| Some((vote.as_ref()?, *label))) {
            *pairs.entry((label, vote)).or_insert(0.0) += 1.0;
            of_label[label] += 1.0;
            right += f64::from(u8::from(*vote == Vote::Label(label)));
            all += 1.0;
        }
        Self { votes, known, pairs, of_label, accuracy: right / all }
    }

    /// The logarithm of the probability that the voice gives the answer it gave to this example if `truth` is right, counted
    /// without the example itself; 0 if it gave none.
    fn log_chance(&self, at: usize, truth: &Vote) -> f64 {
        let Some(vote) = &self.votes[at] else { return 0.0 };
        let others = self.of_label.len().max(2) as f64 - 1.0;
        let expected = if vote == truth { self.accuracy } else { (1.0 - self.accuracy) / others };
        let (pair, all) = match truth {
            Vote::Label(label) => {
                let own = f64::from(u8::from(self.known[at] == *label));
                (self.pairs.get(&(*label, vote)).copied().unwrap_or(0.0) - own, self.of_label[*label] - own)
            }
            Vote::Text(_) => (0.0, 0.0),
        };
        ((pair.max(0.0) + CONFUSION_PRIOR * expected) / (all.max(0.0) + CONFUSION_PRIOR)).ln()
    }
}

/// The best other answer to an example, how far the label is behind it, and the probability that the label is wrong.
struct Compared {
    other: Vote,
    ahead: f64,
    score: f64,
}

impl Compared {
    /// The label that is probably right.
    fn probable(&self, label: usize) -> usize {
        match self.other {
            Vote::Label(other) if self.score >= 0.5 => other,
            _ => label,
        }
    }
}

/// Compares the label of every example with the others, given that the examples have the labels `known`.
fn compare(set: Labelled<'_>, known: &[usize], votes: &[Vec<Option<Vote>>]) -> Option<Vec<Compared>> {
    let evidence = Evidence::of(set, known, votes);
    let options: Vec<Vec<Vote>> = (0..known.len()).into_par_iter().map(|at| evidence.options(at)).collect();
    let choice = |(at, options): (usize, &Vec<Vote>)| Choice {
        values: options.iter().flat_map(|option| evidence.features(at, option)).collect(),
        chosen: options.iter().position(|option| *option == Vote::Label(set.labels[at])).unwrap_or(0),
    };
    let choices: Vec<Choice> = options.par_iter().enumerate().map(choice).collect();
    let fit = ConditionalLogit::fit(&choices, &evidence.expected(), PENALTY)?;
    let compared = choices.iter().zip(options).map(|(choice, options)| best_other(&fit, choice, options));
    Some(with_scores(compared.collect(), (set.names.len() as f64 - 1.0).clamp(1.0, MISTAKES)))
}

/// Adds the probabilities, if a wrong label is one of `mistakes`.
fn with_scores(mut compared: Vec<Compared>, mistakes: f64) -> Vec<Compared> {
    let mut wrong = WRONG_AT_FIRST;
    for _ in 0..ROUNDS {
        let prior = (wrong / (1.0 - wrong)).ln() - mistakes.ln();
        for found in &mut compared {
            found.score = 1.0 / (1.0 + (-(found.ahead + prior)).exp());
        }
        let all: f64 = compared.iter().map(|found| found.score).sum();
        wrong = (all + 1.0) / (compared.len() as f64 + 1.0 / WRONG_AT_FIRST);
    }
    compared
}

/// The best answer other than the label, or the label itself if there is no other.
fn best_other(fit: &ConditionalLogit, choice: &Choice, options: Vec<Vote>) -> Compared {
    let utilities = fit.utilities(choice);
    let label = options[choice.chosen].clone();
    let others = options.into_iter().enumerate().filter(|(at, _)| *at != choice.chosen);
    // The first of equal ones.
    let best = others.max_by(|a, b| utilities[a.0].total_cmp(&utilities[b.0]).then(b.0.cmp(&a.0)));
    let ahead = |at: usize| utilities[at] - utilities[choice.chosen];
    match best {
        Some((at, other)) => Compared { other, ahead: ahead(at), score: 0.0 },
        None => Compared { other: label, ahead: f64::NEG_INFINITY, score: 0.0 },
    }
}

/// What is known about the labels of all examples.
struct Evidence<'a> {
    set: Labelled<'a>,
    votes: &'a [Vec<Option<Vote>>],
    similarities: Vec<Vec<Option<f64>>>,
    /// Mean similarity of each example to all labels.
    typical: Vec<f64>,
    /// Median similarity within each label, since some are narrow, and the mean of these.
    usual: Vec<f64>,
    usual_of_all: f64,
    /// By how much similarities to labels usually differ, which depends on the embedding space.
    spread: f64,
    confusions: Vec<Confusions<'a>>,
}

impl<'a> Evidence<'a> {
    fn of(set: Labelled<'a>, known: &'a [usize], votes: &'a [Vec<Option<Vote>>]) -> Self {
        let similarities = set.similarities(known);
        let of_rows = similarities.iter().map(|row| row.iter().flatten().copied().collect::<Vec<f64>>());
        let (typical, variances): (Vec<f64>, Vec<f64>) = of_rows
            .map(|found| {
                (found.iter().sum::<f64>() / found.len().max(1) as f64, sample_variance(&found).unwrap_or(0.0))
            })
            .unzip();
        let spread = (variances.iter().sum::<f64>() / known.len().max(1) as f64).sqrt();
        let usual = usual(&similarities, known, set.names.len());
        Self {
            set,
            votes,
            usual_of_all: usual.iter().sum::<f64>() / usual.len().max(1) as f64,
            usual,
            similarities,
            typical,
            spread: if spread > 0.0 { spread } else { 1.0 },
            confusions: votes.iter().map(|votes| Confusions::of(votes, known, set.names.len())).collect(),
        }
    }

    /// The answers to an example that may be right, sorted: its label, the answers of the voices, and the most similar labels.
    fn options(&self, at: usize) -> Vec<Vote> {
        let row = &self.similarities[at];
        let mut labels: Vec<usize> = (0..row.len()).filter(|label| row[*label].is_some()).collect();
        labels.sort_by(|a, b| row[*b].unwrap_or(0.0).total_cmp(&row[*a].unwrap_or(0.0)).then(a.cmp(b)));
        labels.truncate(POSSIBLE);
        labels.push(self.set.labels[at]);
        let answered = self.votes.iter().filter_map(|votes| votes[at].clone());
        let options: BTreeSet<Vote> = labels.into_iter().map(Vote::Label).chain(answered).collect();
        options.into_iter().collect()
    }

    /// The weight that is expected of each of the [`Evidence::features`].
    fn expected(&self) -> Vec<f64> {
        SIMILARITY.into_iter().chain(self.votes.iter().map(|_| VOTE)).chain([CHANCE]).collect()
    }

    /// What speaks for an answer to an example, all in units that do not depend on the embedding space.
    fn features(&self, at: usize, option: &Vote) -> impl Iterator<Item = f64> {
        let row = &self.similarities[at];
        let (similarity, usual) = match option {
            Vote::Label(label) => (row[*label].unwrap_or(self.typical[at]), self.usual[*label]),
            Vote::Text(_) => (row.iter().flatten().copied().fold(self.typical[at], f64::min), self.usual_of_all),
        };
        let votes = self.votes.iter().map(|votes| f64::from(u8::from(votes[at].as_ref() == Some(option))));
        let chance: f64 = self.confusions.iter().map(|confusions| confusions.log_chance(at, option)).sum();
        [similarity / self.spread, -usual / self.spread].into_iter().chain(votes.collect::<Vec<_>>()).chain([chance])
    }
}

/// The median similarity of the examples of each label to each other; of all examples for a label with a single one.
fn usual(similarities: &[Vec<Option<f64>>], labels: &[usize], count: usize) -> Vec<f64> {
    let mut of_labels: Vec<Vec<f64>> = vec![Vec::new(); count];
    for (similarities, label) in similarities.iter().zip(labels) {
        of_labels[*label].extend(similarities[*label]);
    }
    let median = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        quantile(values, 0.5)
    };
    let all = median(&mut of_labels.concat()).unwrap_or(0.0);
    of_labels.iter_mut().map(|values| median(values).unwrap_or(all)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::golden::example_from_row;
    use serde_json::json;

    /// Thirty examples of three labels, the similarity within which is high.
    struct Set {
        examples: Vec<Example>,
        texts: Vec<String>,
        vectors: Vectors,
        labels: Vec<usize>,
        names: Vec<String>,
    }

    impl Set {
        /// Labels the first `wrong` examples as the label after theirs.
        fn new(wrong: usize) -> Self {
            let names: Vec<String> = (0..3).map(|label| format!("l{label}")).collect();
            let labels: Vec<usize> = (0..30).map(|row| if row < wrong { (row + 1) % 3 } else { row % 3 }).collect();
            let mut vectors = Vectors::new(4);
            for row in 0..30 {
                let mut vector = [0.0; 4];
                vector[row % 3] = 1.0;
                vector[3] = row as f32 * 0.02;
                vectors.push(&vector);
            }
            let row = |row: usize| json!({"id": format!("e{row:02}"), "input": "x", "label": names[labels[row]]});
            let examples =
                (0..30).map(|at| example_from_row(1, row(at).as_object().unwrap().clone()).unwrap()).collect();
            Self { examples, texts: (0..30).map(|row| format!("text {row}")).collect(), vectors, labels, names }
        }

        fn with<T>(&self, run: impl Fn(Labelled<'_>) -> T) -> T {
            let examples: Vec<&Example> = self.examples.iter().collect();
            let texts: Vec<&str> = self.texts.iter().map(String::as_str).collect();
            let (vectors, labels, names) = (&self.vectors, &self.labels, &self.names);
            run(Labelled { examples: &examples, texts: &texts, vectors, labels, names })
        }

        /// An endpoint that gives the right answer, except for these examples.
        fn voice(&self, name: &str, other: &[(usize, &str)]) -> Voice {
            let answer = |row: usize| {
                let right = format!("l{}", row % 3);
                let given = other.iter().find(|(at, _)| *at == row).map_or(right, |(_, text)| (*text).to_owned());
                let answer =
                    if given == self.names[self.labels[row]] { Answer::AsLabelled } else { Answer::Other(given) };
                (format!("e{row:02}"), answer)
            };
            Voice { name: name.into(), answers: (0..30).map(answer).collect() }
        }
    }

    #[test]
    fn a_wrong_label_is_disputed_with_the_right_one_and_by_those_who_gave_it() {
        let set = Set::new(1);
        let voices = [set.voice("a", &[]), set.voice("b", &[(7, "l0")])];
        let found = set.with(|labelled| disputes_by_similarity(labelled, &voices).unwrap());
        assert_eq!(found["e00"].other, Some(("l0".into(), vec!["a".into(), "b".into(), "nearest-examples".into()])));
        assert!(found["e00"].score > 0.9, "{:?}", found["e00"]);
        let others = found.iter().filter(|(id, _)| *id != "e00").map(|(_, dispute)| dispute.score);
        assert!(others.fold(0.0, f64::max) < 0.1, "one mistake of one endpoint: {found:?}");
        assert_eq!(set.with(nearest_examples).answers["e00"], Answer::Other("l0".into()));
    }

    #[test]
    fn without_wrong_labels_or_without_voices_no_label_is_probably_wrong() {
        let set = Set::new(0);
        let same_mistake = [(4, "nonsense")];
        for voices in [vec![], vec![set.voice("a", &same_mistake), set.voice("b", &same_mistake)]] {
            let found = set.with(|labelled| disputes_by_similarity(labelled, &voices).unwrap());
            assert!(found.values().all(|dispute| dispute.score < 0.5), "{found:?}");
        }
    }

    #[test]
    fn an_example_for_which_there_is_no_other_answer_is_not_disputed() {
        let mut set = Set::new(0);
        set.texts = vec!["the same".to_owned(); 30];
        let found = set.with(|labelled| disputes_by_similarity(labelled, &[set.voice("a", &[])]).unwrap());
        assert!(found.len() == 30 && found.values().all(|dispute| dispute.score == 0.0 && dispute.other.is_none()));
    }

    #[test]
    fn texts_that_are_no_labels_and_examples_with_nothing_to_embed_are_allowed() {
        let mut set = Set::new(0);
        let mut zeros = Vectors::new(4);
        (0..30).for_each(|_| zeros.push(&[0.0; 4]));
        set.vectors = zeros;
        let voices = [set.voice("a", &[(3, "none of these")]), set.voice("b", &[(3, "none of these")])];
        let found = set.with(|labelled| disputes_by_similarity(labelled, &voices).unwrap());
        assert_eq!(found["e03"].other, Some(("none of these".into(), vec!["a".into(), "b".into()])));
        assert!(found.values().all(|dispute| dispute.score.is_finite()), "{found:?}");
        assert!(found["e03"].score > found["e02"].score);
    }
}
