//! What the other examples of a set say about the label of each, where the set has few labels: the nearest ones as one more
//! voice, and similarities as evidence on how probable a wrong label is.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::disputed::{Answer, Dispute, Voice};
use crate::core::domain::Example;
use crate::core::stats::quantile;
use crate::core::vector::{Vectors, tile, top_k};

/// Number of examples whose labels make up the answer.
const NEAREST: usize = 5;

/// Number of examples of a label whose similarity counts.
const SIMILAR: usize = 3;

/// Weight of similarity, in nats per unit of cosine similarity. This and the constants below were fitted on CLINC150 with three
/// classifiers as endpoints and a twentieth of the labels wrong.
const SIMILARITY_WEIGHT: f64 = 26.0;

/// Part of the similarity that is usual within a label by which similarities to it are lowered: some labels are narrow.
const USUAL: f64 = 0.4;

/// Weight of the evidence, since endpoints make the same mistakes, and the evidence that is expected of a right label.
const DEPENDENT: f64 = 0.6;
const EXPECTED: f64 = 1.9;

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

/// The dispute of every example, by its id: the answers of the voices, each with the log-odds of its being right, and the
/// similarity to the examples of each label, compared for the label and for the best other answer. The nearest examples
/// are named as a voice if that is their answer as well. A label is wrong
/// with the probability that follows from the difference and from the share of wrong labels, which is estimated from
/// all of them. Examples whose labels are probably wrong then count for the other answer, and everything is compared
/// once more.
pub fn disputes_by_similarity(set: Labelled<'_>, voices: &[Voice]) -> BTreeMap<String, Dispute> {
    let votes: Vec<Vec<Option<Vote>>> = voices.iter().map(|voice| votes(set, voice)).collect();
    let weights: Vec<f64> = votes.iter().map(|votes| log_odds(votes, set.labels)).collect();
    let mut compared = compare(set, set.labels, &votes, &weights);
    let relabelled: Vec<usize> = compared.iter().zip(set.labels).map(|(found, label)| found.probable(*label)).collect();
    if relabelled != set.labels {
        compared = compare(set, &relabelled, &votes, &weights);
    }
    let nearest = nearest_examples(set);
    let names = voices.iter().chain([&nearest]).map(|voice| &voice.name);
    let votes: Vec<Vec<Option<Vote>>> = votes.into_iter().chain([self::votes(set, &nearest)]).collect();
    let names: Vec<&String> = names.collect();
    let dispute = |(at, found): (usize, Compared)| {
        let by = names.iter().zip(&votes).filter(|(_, votes)| votes[at].as_ref() == Some(&found.other));
        let by: Vec<String> = by.map(|(name, _)| (*name).clone()).collect();
        let text = match found.other {
            Vote::Label(label) => set.names[label].clone(),
            Vote::Text(text) => text,
        };
        (set.examples[at].id.clone(), Dispute { score: found.score, other: (!by.is_empty()).then_some((text, by)) })
    };
    compared.into_iter().enumerate().map(dispute).collect()
}

/// An answer: a label, or a text that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// The log-odds of a voice's being right; 0 if it is more often wrong.
fn log_odds(votes: &[Option<Vote>], labels: &[usize]) -> f64 {
    let given = votes.iter().zip(labels).filter_map(|(vote, label)| vote.as_ref().map(|vote| (vote, label)));
    let (right, all) = given.fold((1.0, 2.0), |(right, all), (vote, label)| {
        (right + f64::from(u8::from(*vote == Vote::Label(*label))), all + 1.0)
    });
    let right_odds: f64 = right / (all - right);
    right_odds.ln().max(0.0)
}

/// The best other answer to an example, and the probability that its label is wrong.
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
fn compare(set: Labelled<'_>, known: &[usize], votes: &[Vec<Option<Vote>>], weights: &[f64]) -> Vec<Compared> {
    let similarities = set.similarities(known);
    let usual = usual(&similarities, known, set.names.len());
    let of_example = |at: usize| {
        let found: Vec<f64> = similarities[at].iter().flatten().copied().collect();
        let typical = found.iter().sum::<f64>() / found.len().max(1) as f64;
        let evidence =
            |label: usize| SIMILARITY_WEIGHT * (similarities[at][label].unwrap_or(typical) - USUAL * usual[label]);
        let mut of_labels: Vec<f64> = (0..set.names.len()).map(evidence).collect();
        let mut of_texts: BTreeMap<&str, f64> = BTreeMap::new();
        let lowest = of_labels.iter().copied().fold(f64::INFINITY, f64::min);
        for (vote, weight) in votes.iter().zip(weights).filter_map(|(votes, w)| Some((votes[at].as_ref()?, w))) {
            match vote {
                Vote::Label(label) => of_labels[*label] += weight,
                Vote::Text(text) => *of_texts.entry(text).or_insert(lowest) += weight,
            }
        }
        best_other(set.labels[at], &of_labels, &of_texts)
    };
    let mut compared: Vec<Compared> = (0..known.len()).map(of_example).collect();
    let mut wrong = WRONG_AT_FIRST;
    for _ in 0..ROUNDS {
        let prior = (wrong / (1.0 - wrong)).ln();
        for found in &mut compared {
            found.score = 1.0 / (1.0 + (-(DEPENDENT * found.ahead - EXPECTED + prior)).exp());
        }
        let all: f64 = compared.iter().map(|found| found.score).sum();
        wrong = (all + 1.0) / (compared.len() as f64 + 1.0 / WRONG_AT_FIRST);
    }
    compared
}

fn best_other(label: usize, of_labels: &[f64], of_texts: &BTreeMap<&str, f64>) -> Compared {
    let mut best = (Vote::Label(label), f64::NEG_INFINITY);
    for (other, evidence) in of_labels.iter().enumerate().filter(|(other, _)| *other != label) {
        if *evidence > best.1 {
            best = (Vote::Label(other), *evidence);
        }
    }
    for (text, evidence) in of_texts {
        if *evidence > best.1 {
            best = (Vote::Text((*text).to_owned()), *evidence);
        }
    }
    Compared { other: best.0, ahead: best.1 - of_labels[label], score: 0.0 }
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
        let found = set.with(|labelled| disputes_by_similarity(labelled, &voices));
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
            let found = set.with(|labelled| disputes_by_similarity(labelled, &voices));
            assert!(found.values().all(|dispute| dispute.score < 0.5), "{found:?}");
        }
    }

    #[test]
    fn texts_that_are_no_labels_and_examples_with_nothing_to_embed_are_allowed() {
        let mut set = Set::new(0);
        let mut zeros = Vectors::new(4);
        (0..30).for_each(|_| zeros.push(&[0.0; 4]));
        set.vectors = zeros;
        let voices = [set.voice("a", &[(3, "none of these")]), set.voice("b", &[(3, "none of these")])];
        let found = set.with(|labelled| disputes_by_similarity(labelled, &voices));
        assert_eq!(found["e03"].other, Some(("none of these".into(), vec!["a".into(), "b".into()])));
        assert!(found.values().all(|dispute| dispute.score.is_finite()), "{found:?}");
        assert!(found["e03"].score > found["e02"].score);
    }
}
