//! Words of a text, for term counts.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Maximum number of words read from a text. Its beginning shows what it is about, and pasted documents would dominate
/// the counts.
const MAX_WORDS: usize = 100;

/// Maximum length of a word. Longer runs of letters are keys, hashes or addresses.
const MAX_LETTERS: usize = 40;

/// Frequent English words that are not specific to a subject, sorted.
const STOP_WORDS: &[&str] = &[
    "a", "about", "after", "again", "all", "also", "am", "an", "and", "any", "are", "aren't", "as", "at", "be",
    "because", "been", "before", "being", "but", "by", "can", "can't", "cannot", "could", "couldn't", "did", "didn't",
    "do", "does", "doesn't", "doing", "don't", "for", "from", "get", "give", "go", "got", "had", "has", "have",
    "haven't", "having", "he", "hello", "her", "here", "hers", "hey", "hi", "him", "his", "how", "i", "i'd", "i'll",
    "i'm", "i've", "if", "in", "into", "is", "isn't", "it", "it's", "its", "just", "know", "let", "like", "may", "me",
    "might", "more", "most", "must", "my", "need", "no", "nor", "not", "now", "of", "off", "ok", "okay", "on", "once",
    "one", "only", "or", "other", "our", "out", "over", "own", "please", "pm", "really", "same", "shall", "she",
    "should", "so", "some", "such", "tell", "than", "thank", "thanks", "that", "that's", "the", "their", "them",
    "then", "there", "these", "they", "this", "those", "through", "to", "too", "under", "until", "up", "us", "very",
    "want", "was", "wasn't", "we", "were", "what", "what's", "when", "where", "which", "while", "who", "whom", "whose",
    "why", "will", "with", "won't", "would", "yes", "you", "you're", "your", "yours",
];

/// Names of numbers, days and months, which say when or how many, not what. Sorted.
const QUANTITIES: &[&str] = &[
    "april",
    "august",
    "december",
    "eight",
    "eleven",
    "february",
    "five",
    "four",
    "friday",
    "hundred",
    "january",
    "july",
    "june",
    "million",
    "monday",
    "nine",
    "november",
    "o'clock",
    "october",
    "saturday",
    "september",
    "seven",
    "six",
    "sunday",
    "ten",
    "thousand",
    "three",
    "thursday",
    "tuesday",
    "twelve",
    "twenty",
    "two",
    "wednesday",
    "zero",
];

/// What may follow the digits of a time, date or amount, sorted: "2pm", "3rd", "10k".
const UNITS: &[&str] = &["a", "am", "h", "hr", "hrs", "k", "m", "min", "mins", "nd", "p", "pm", "rd", "s", "st", "th"];

/// The first 100 words of a text, in order. Words are runs of letters, marks and digits (Unicode, NFKC, lower case); an
/// apostrophe within a word is retained, and a final "'s" is dropped. Stop words, numbers,
/// times, days, months, runs without letters and runs of more than 40 characters are skipped. A script without spaces yields one word per run.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.nfkc().flat_map(char::to_lowercase).chain(std::iter::once(' ')) {
        match c {
            '\'' | '\u{2019}' if !word.is_empty() => word.push('\''),
            c if c.is_alphanumeric() || (is_combining_mark(c) && !word.is_empty()) => word.push(c),
            _ => {
                words.extend(clean(&word));
                word.clear();
                if words.len() >= MAX_WORDS {
                    break;
                }
            }
        }
    }
    words
}

fn clean(run: &str) -> Option<String> {
    let word = run.trim_end_matches('\'');
    if is_stop_word(word) {
        return None;
    }
    let word = word.strip_suffix("'s").unwrap_or(word);
    let useful = word.chars().any(char::is_alphabetic) && word.chars().take(MAX_LETTERS + 1).count() <= MAX_LETTERS;
    (useful && !is_stop_word(word)).then(|| word.to_owned())
}

fn is_stop_word(word: &str) -> bool {
    let unit = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_time = unit.len() < word.len() && UNITS.binary_search(&unit).is_ok();
    is_time || STOP_WORDS.binary_search(&word).is_ok() || QUANTITIES.binary_search(&word).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stop_words_are_sorted() {
        for list in [STOP_WORDS, QUANTITIES, UNITS] {
            assert!(list.is_sorted_by(|a, b| a < b));
        }
    }

    #[test]
    fn words_are_lowercase_unicode_without_noise() {
        let cases: [(&str, &[&str]); 10] = [
            ("at 2pm or 10:30 am on Friday the 3rd, two pizzas", &["pizzas"]),
            ("Cancel my Subscription!", &["cancel", "subscription"]),
            ("I don\u{2019}t get the customer's 'order'", &["customer", "order"]),
            ("ÜBER-GROẞE Straße", &["über", "große", "straße"]),
            ("cafe\u{301} order 12345 2fa", &["café", "order", "2fa"]),
            ("заказ не пришёл", &["заказ", "не", "пришёл"]),
            ("हिन्दी भाषा", &["हिन्दी", "भाषा"]),
            ("お問い合わせ", &["お問い合わせ"]),
            ("' '' it's \u{301}", &[]),
            ("", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn long_texts_and_long_runs_are_cut() {
        assert_eq!(words(&"alpha beta ".repeat(500)).len(), MAX_WORDS);
        assert_eq!(words(&format!("{} {}", "x".repeat(41), "y".repeat(40))), ["y".repeat(40)]);
    }
}
