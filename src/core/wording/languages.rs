//! Requests in languages that the examples do not have.

use std::collections::BTreeMap;

use rayon::prelude::*;
use whatlang::Script;

use crate::core::shift::{NO_SCRIPT, language_above};

/// Confidence from which `whatlang` calls a detection reliable. Below it, unusual words are taken for a language.
const RELIABLE: f64 = 0.9;

/// Smallest number of requests in a language, and smallest share of them. Short texts are often taken for the wrong
/// language, each time another one.
const MIN_COUNT: usize = 5;
const MIN_SHARE: f64 = 0.005;

/// How many times more frequent a language must be in traffic than in the examples.
const MIN_RATIO: f64 = 5.0;

/// The requests in languages that the examples do not have.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OtherLanguages {
    /// Whether each request is in such a language.
    pub requests: Vec<bool>,
    /// The languages with their shares of the requests, the most frequent first.
    pub shares: Vec<(String, f64)>,
}

/// Finds requests in languages that the examples do not have. Short texts are recognized less often than long ones, so
/// the frequencies of languages are compared among the recognized texts. A text that is not recognized counts as one in
/// the language of the examples, unless its script is another one.
pub fn other_languages(examples: &[&str], requests: &[&str]) -> OtherLanguages {
    let of = |texts: &[&str]| -> Vec<String> {
        texts.par_iter().with_min_len(64).map(|text| language_above(RELIABLE, text)).collect()
    };
    let (of_examples, of_requests) = (of(examples), of(requests));
    let (in_examples, in_requests) = (counts(&of_examples), counts(&of_requests));
    let is_other = |name: &str, count: usize| {
        let comparable = |counts: &BTreeMap<&str, usize>| -> f64 {
            let names = counts.iter().filter(|(other, _)| is_script(name) || !is_script(other));
            names.map(|(_, count)| *count as f64).sum()
        };
        let known = in_examples.get(name).copied().unwrap_or(0);
        let example_share = (known as f64 + 0.5) / (comparable(&in_examples) + 1.0);
        let more_frequent = count as f64 / comparable(&in_requests) >= MIN_RATIO * example_share;
        let share = count as f64 / requests.len() as f64;
        (count >= MIN_COUNT && share >= MIN_SHARE && more_frequent).then_some(share)
    };
    let other =
        in_requests.iter().filter_map(|(language, count)| Some(((*language).to_owned(), is_other(language, *count)?)));
    let other: BTreeMap<String, f64> = other.collect();
    let mut shares: Vec<(String, f64)> = other.iter().map(|(language, share)| (language.clone(), *share)).collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    OtherLanguages { requests: of_requests.iter().map(|language| other.contains_key(language)).collect(), shares }
}

/// Whether this is the script of a text of which the language is not recognized.
fn is_script(name: &str) -> bool {
    name == NO_SCRIPT || name.parse::<Script>().is_ok()
}

fn counts(languages: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    languages.iter().for_each(|language| *counts.entry(language.as_str()).or_insert(0) += 1);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGLISH: &str = "where can i find the invoice for the order that i placed last week";
    const GERMAN: &str = "wo finde ich die rechnung für die bestellung, die ich letzte woche aufgegeben habe";

    #[test]
    fn requests_in_a_language_without_examples_are_found() {
        let examples = vec![ENGLISH; 50];
        let mut requests = vec![ENGLISH; 80];
        requests.extend(vec![GERMAN; 20]);
        let found = other_languages(&examples, &requests);
        assert_eq!(found.shares, [("German".to_owned(), 0.2)]);
        assert!(found.requests.iter().enumerate().all(|(row, other)| *other == (row >= 80)));
        let mixed: Vec<&str> = examples.iter().copied().chain(vec![GERMAN; 10]).collect();
        assert!(other_languages(&mixed, &requests).shares.is_empty());
    }

    #[test]
    fn the_language_of_examples_too_short_to_be_recognized_is_not_another_language() {
        let examples = [vec!["order status"; 75], vec![ENGLISH; 25]].concat();
        let requests = [vec![ENGLISH; 80], vec![GERMAN; 20]].concat();
        assert_eq!(other_languages(&examples, &requests).shares, [("German".to_owned(), 0.2)]);
        assert!(other_languages(&examples[..75], &requests).shares.is_empty());
    }

    #[test]
    fn a_few_requests_or_none_are_not_another_language() {
        let mut requests = vec![ENGLISH; 90];
        requests.extend(vec![GERMAN; 4]);
        let found = other_languages(&[ENGLISH; 20], &requests);
        assert!(found.shares.is_empty() && found.requests.iter().all(|other| !other));
        assert_eq!(other_languages(&[ENGLISH], &[]), OtherLanguages::default());
        assert_eq!(other_languages(&[], &["", "🙂"]).requests, [false, false]);
    }
}
