//! The words that set the texts of a cluster apart.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::typos::corrected;
use super::words::words;

/// A word, or two adjacent ones, by their numbers in a [`Vocabulary`].
type Term = (usize, Option<usize>);

/// How many times more frequent a term must be in the cluster than elsewhere. Words that are spread over the clusters
/// are the stop words of the domain.
const LIFT: f64 = 1.5;

/// The same for each word of a pair.
const LIFT_IN_PAIR: f64 = 1.2;

/// Terms of fewer texts than this share of the texts that contain the most frequent one of the cluster's terms are
/// left out, since they describe single texts and not the cluster.
const COMMON: f64 = 0.2;

/// The `top` most characteristic terms of each of `k` clusters, best first.
///
/// The score of a term is class-based TF-IDF (Grootendorst 2022, BERTopic) on texts instead of words: the share of the
/// cluster's texts that contain it, times ln(1 + this share / its share in all other texts, one text added). Texts are
/// weighted. A term must be 1.5 times as frequent in the cluster as elsewhere (each word of a pair 1.2 times), and occur
/// in a fifth as many of its texts as the most frequent such term; without any, all terms are used.
///
/// Terms are lower-case words, and pairs of words that are adjacent after removing English stop words. Misspellings of
/// much more frequent words count as these. Only the first 100 words of each text count. Ties are in alphabetical order.
/// Missing weights count as 1. Texts with a negative, NaN or infinite weight, or without a cluster below `k`, are
/// ignored. A cluster without words has no terms.
pub fn class_terms(
    texts: &[&str],
    weights: &[f64],
    assignment: &[Option<usize>],
    k: usize,
    top: usize,
) -> Vec<Vec<String>> {
    let weight = |at: usize| weights.get(at).copied().unwrap_or(1.0);
    let usable = |(at, cluster): (usize, &Option<usize>)| {
        cluster.filter(|&c| c < k && weight(at) > 0.0 && weight(at).is_finite()).map(|cluster| (at, cluster))
    };
    let members: Vec<(usize, usize)> = assignment.iter().take(texts.len()).enumerate().filter_map(usable).collect();
    let vocabulary = Vocabulary::of(members.iter().map(|(at, _)| texts[*at]));
    let mut counts: BTreeMap<Term, BTreeMap<usize, f64>> = BTreeMap::new();
    let mut sizes = vec![0.0; k];
    for ((at, cluster), terms) in members.iter().zip(vocabulary.terms_of_each()) {
        sizes[*cluster] += weight(*at);
        for term in terms {
            *counts.entry(term).or_default().entry(*cluster).or_default() += weight(*at);
        }
    }
    let scored = scores(&counts, &sizes);
    scored.into_iter().map(|terms| best(characteristic(terms), top, &vocabulary)).collect()
}

/// A term of a cluster.
struct Scored {
    term: Term,
    /// Share of the cluster's texts that contain it.
    share: f64,
    /// `share` / its share in the other clusters' texts.
    lift: f64,
}

impl Scored {
    fn score(&self) -> f64 {
        self.share * self.lift.ln_1p()
    }
}

/// The terms of each cluster.
fn scores(counts: &BTreeMap<Term, BTreeMap<usize, f64>>, sizes: &[f64]) -> Vec<Vec<Scored>> {
    let all: f64 = sizes.iter().sum();
    let mut scored: Vec<Vec<Scored>> = sizes.iter().map(|_| Vec::new()).collect();
    for (&term, by_cluster) in counts {
        let total: f64 = by_cluster.values().sum();
        for (&cluster, count) in by_cluster {
            let share = count / sizes[cluster];
            // One more text that contains the term: a term seen nowhere else is not infinitely characteristic.
            let elsewhere = (total - count + 1.0) / (all - sizes[cluster] + 1.0);
            scored[cluster].push(Scored { term, share, lift: share / elsewhere });
        }
    }
    scored
}

/// The terms that most texts of the cluster share and other clusters do not; all terms if there are none.
fn characteristic(terms: Vec<Scored>) -> Vec<(f64, Term)> {
    let spread: HashSet<usize> =
        terms.iter().filter(|s| s.term.1.is_none() && s.lift < LIFT_IN_PAIR).map(|s| s.term.0).collect();
    let has_spread_word = |(a, b): Term| b.is_some_and(|b| spread.contains(&a) || spread.contains(&b));
    let frequent = |scored: &&Scored| scored.lift >= LIFT && !has_spread_word(scored.term);
    let most = terms.iter().filter(frequent).map(|scored| scored.share).fold(0.0, f64::max);
    let all = most <= 0.0;
    let wanted = terms.iter().filter(|scored| all || (frequent(scored) && scored.share >= COMMON * most));
    wanted.map(|scored| (scored.score(), scored.term)).collect()
}

fn best(mut terms: Vec<(f64, Term)>, top: usize, vocabulary: &Vocabulary) -> Vec<String> {
    let parts = |(a, b): Term| (vocabulary.word(a), b.map(|b| vocabulary.word(b)));
    terms.sort_unstable_by(|(x, a), (y, b)| y.total_cmp(x).then_with(|| parts(*a).cmp(&parts(*b))));
    terms.truncate(top);
    let text = |(a, b)| match b {
        Some(b) => format!("{a} {b}"),
        None => String::from(a),
    };
    terms.into_iter().map(|(_, term)| text(parts(term))).collect()
}

/// Words numbered in the order of their first appearance, and the words of each text.
#[derive(Default)]
struct Vocabulary {
    words: Vec<String>,
    texts: Vec<Vec<usize>>,
}

impl Vocabulary {
    /// The words of these texts, misspellings corrected.
    fn of<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        let mut vocabulary = Self::default();
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let mut counts = Vec::new();
        for text in texts {
            let mut number = |word: String| {
                let next = numbers.len();
                let number = *numbers.entry(word.clone()).or_insert(next);
                if number == next {
                    vocabulary.words.push(word);
                    counts.push(0);
                }
                counts[number] += 1;
                number
            };
            let words = words(text).into_iter().map(&mut number).collect();
            vocabulary.texts.push(words);
        }
        let corrected = corrected(&vocabulary.words, &counts);
        vocabulary.texts.iter_mut().flatten().for_each(|number| *number = corrected[*number]);
        vocabulary
    }

    fn word(&self, number: usize) -> &str {
        self.words.get(number).map_or("", String::as_str)
    }

    /// The distinct terms of each text, in order.
    fn terms_of_each(&self) -> impl Iterator<Item = Vec<Term>> {
        self.texts.iter().map(|numbers| {
            let pairs = numbers.windows(2).map(|pair| (pair[0], Some(pair[1])));
            let mut terms: Vec<Term> = numbers.iter().map(|&n| (n, None)).chain(pairs).collect();
            terms.sort_unstable();
            terms.dedup();
            terms
        })
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Fixture {
        texts: Vec<String>,
        weights: Vec<f64>,
        assignment: Vec<Option<usize>>,
        terms: Vec<Vec<String>>,
    }

    #[test]
    fn the_terms_match_the_reference_computation() {
        let fixture: Fixture =
            serde_json::from_str(include_str!("../../../tests/fixtures/cluster/terms.json")).unwrap();
        let texts: Vec<&str> = fixture.texts.iter().map(String::as_str).collect();
        assert_eq!(class_terms(&texts, &fixture.weights, &fixture.assignment, 4, 8), fixture.terms);
    }

    #[test]
    fn texts_without_cluster_weight_or_words_are_ignored() {
        let texts = ["refund order", "the and", "spam spam", "spam", "spam", "spam"];
        let weights = [1.0, 1.0, 1.0, f64::NAN, -2.0];
        let assignment = [Some(0), Some(1), None, Some(0), Some(0), Some(7)];
        let terms = class_terms(&texts, &weights, &assignment, 3, 10);
        assert_eq!(terms, [vec!["order", "refund", "refund order"], vec![], vec![]]);
        assert!(class_terms(&[], &[], &[], 0, 5).is_empty());
        assert_eq!(class_terms(&texts, &[], &assignment, 1, 0), [Vec::<String>::new()]);
    }

    #[test]
    fn words_of_the_domain_fillers_numbers_and_typos_are_left_out() {
        let mut texts = Vec::new();
        let mut assignment = Vec::new();
        for at in 0..30 {
            let filler = ["lol", "honestly", "2pm", "monday", "three"][at % 5];
            texts.push(format!("{filler} assistant what is my account balance at {at}:30"));
            texts.push(format!("assistant please transfer money between my accounts {filler}"));
            assignment.extend([Some(0), Some(1)]);
        }
        texts.extend(["assistant my account balnce".to_owned(), "assistant transfr some money".to_owned()]);
        assignment.extend([Some(0), Some(1)]);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let terms = class_terms(&texts, &[], &assignment, 2, 6);
        let flat = terms.concat().join(" ");
        let wrong = ["lol", "honestly", "2pm", "monday", "three", "assistant", "balnce", "transfr"];
        assert!(wrong.iter().all(|word| !flat.split(' ').any(|other| other == *word)), "{terms:?}");
        assert!(
            terms[0].contains(&"account balance".into()) && terms[1].contains(&"transfer money".into()),
            "{terms:?}"
        );
    }

    #[test]
    fn a_cluster_whose_words_all_occur_elsewhere_still_has_terms() {
        let texts = ["play music", "play music", "play music", "play music"];
        let terms = class_terms(&texts, &[], &[Some(0), Some(0), Some(1), Some(1)], 2, 1);
        assert_eq!(terms, [["music"], ["music"]]);
    }
}
