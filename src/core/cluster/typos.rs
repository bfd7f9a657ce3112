//! Misspelt words, found by the company of much more frequent ones.

use std::collections::HashMap;

/// Shortest word that may be a typo or have one. Short words are often one edit apart, and different.
const SHORTEST: usize = 5;

/// How many times more frequent the correct word is.
const RATIO: usize = 20;

/// For every word, the number of the word that it is a misspelling of, or its own. A word is a misspelling of another
/// that is at least 20 times as frequent and one edit away: a letter more, less, different, or two letters swapped.
///
/// The time is linear in the number of words: words one edit apart are found by the strings that remain when a letter is
/// left out of either (Garbe 2012, symmetric delete).
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

/// The word, and the word without each of its letters.
fn forms(word: &[char]) -> Vec<Vec<char>> {
    let without = |left_out: usize| [&word[..left_out], &word[left_out + 1..]].concat();
    std::iter::once(word.to_vec()).chain((0..word.len()).map(without)).collect()
}

/// Whether the words differ by one insertion, deletion, substitution or swap of neighbouring letters.
fn one_edit(a: &[char], b: &[char]) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let start = short.iter().zip(long).take_while(|(x, y)| x == y).count();
    let (short, long) = (&short[start..], &long[start..]);
    match (short, long) {
        (_, [_, rest @ ..]) if short == rest => true,
        ([_, s @ ..], [_, l @ ..]) if s == l => true,
        ([x, y, s @ ..], [p, q, l @ ..]) => x == q && y == p && s == l,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_edit_is_an_insertion_deletion_substitution_or_swap() {
        let cases = [
            ("balance", "balance", false),
            ("balance", "balnce", true),
            ("balance", "ballance", true),
            ("balance", "balamce", true),
            ("balance", "balacne", true),
            ("balance", "abalance", true),
            ("balance", "balances", true),
            ("balance", "blaacne", false),
            ("balance", "balan", false),
            ("", "a", true),
        ];
        for (a, b, expected) in cases {
            let letters = |word: &str| word.chars().collect::<Vec<char>>();
            assert_eq!(one_edit(&letters(a), &letters(b)), expected, "{a} {b}");
            assert_eq!(one_edit(&letters(b), &letters(a)), expected, "{b} {a}");
        }
    }

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
