//! Misspelt words, found by the company of much more frequent ones.

use std::collections::HashMap;

use crate::core::spelling::{forms, one_edit};

/// Shortest word that may be a typo or have one. Short words are often one edit apart, and different.
const SHORTEST: usize = 5;

/// How many times more frequent the correct word is.
const RATIO: usize = 20;

/// For every word, the number of the word that it is a misspelling of, or its own. A word is a misspelling of another
/// that is at least 20 times as frequent and one edit away: a letter more, less, different, or two letters swapped.
///
/// The time is linear in the number of words.
pub(super) fn corrected(words: &[String], counts: &[usize]) -> Vec<usize> {
    let letters: Vec<Vec<char>> = words.iter().map(|word| word.chars().collect()).collect();
    let mut frequent: HashMap<Vec<char>, Vec<usize>> = HashMap::new();
    for (number, word) in letters.iter().enumerate().filter(|(n, w)| counts[*n] >= RATIO && w.len() >= SHORTEST) {
        for form in forms(word) {
            frequent.entry(form).or_default().push(number);
        }
    }
    let correct = |(number, word): (usize, &Vec<char>)| {
        if word.len() < SHORTEST {
            return number;
        }
        let candidates = forms(word).into_iter().filter_map(|form| frequent.get(&form)).flatten().copied();
        candidates
            .filter(|&other| counts[other] >= RATIO * counts[number].max(1) && one_edit(word, &letters[other]))
            .max_by(|&a, &b| counts[a].cmp(&counts[b]).then_with(|| words[b].cmp(&words[a])))
            .unwrap_or(number)
    };
    letters.iter().enumerate().map(correct).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rare_words_next_to_a_much_more_frequent_one_are_corrected() {
        let list =
            [("balance", 60), ("balnce", 3), ("balances", 40), ("bill", 100), ("bil", 1), ("paris", 50), ("pairs", 2)];
        let words: Vec<String> = list.iter().map(|(word, _)| (*word).to_owned()).collect();
        let counts: Vec<usize> = list.iter().map(|(_, count)| *count).collect();
        assert_eq!(corrected(&words, &counts), [0, 0, 2, 3, 4, 5, 5]);
        assert!(corrected(&[], &[]).is_empty());
    }
}
