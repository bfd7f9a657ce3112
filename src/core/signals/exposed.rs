//! `exposed`: a model has seen the example, because its text is in a prompt or in a file that models learn from.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::core::domain::{Example, ExampleStatus, Flag, ReasonCode};

/// Number of words of the parts of a text that are looked for, as in the contamination analysis of GPT-3 (Brown et al. 2020,
/// appendix C).
const WORDS: usize = 13;

/// A text of fewer words counts as found only if it makes up a whole line: short requests are in every text.
const FEWEST_WORDS: usize = 5;

/// Looks for the texts of examples in other texts, line by line, so that these may be of any size.
#[derive(Debug)]
pub struct ExposureSearch {
    /// Parts by hash: the examples they are from, and which part of each.
    parts: HashMap<u64, Vec<(usize, usize)>>,
    /// Numbers of words that parts have.
    lengths: Vec<usize>,
    /// Number of parts of each example.
    counts: Vec<usize>,
    /// The parts found of each example, with where each was first found.
    found: Vec<BTreeMap<usize, String>>,
    /// The last words before the next line.
    carried: Vec<u64>,
    /// Where they are from.
    source: String,
}

impl ExposureSearch {
    /// Prepares the search for the active examples.
    pub fn new(examples: &[Example]) -> Self {
        let mut parts: HashMap<u64, Vec<(usize, usize)>> = HashMap::new();
        let mut counts = Vec::with_capacity(examples.len());
        let mut lengths = HashSet::new();
        for (row, example) in examples.iter().enumerate() {
            let words = if example.status == ExampleStatus::Active { words(&example.text()) } else { Vec::new() };
            let length = words.len().min(WORDS);
            let windows: Vec<u64> = if length == 0 { Vec::new() } else { words.windows(length).map(hash).collect() };
            counts.push(windows.len());
            if length > 0 {
                lengths.insert(length);
            }
            for (part, hash) in windows.into_iter().enumerate() {
                parts.entry(hash).or_default().push((row, part));
            }
        }
        let mut lengths: Vec<usize> = lengths.into_iter().collect();
        lengths.sort_unstable();
        let found = vec![BTreeMap::new(); examples.len()];
        Self { parts, lengths, counts, found, carried: Vec::new(), source: String::new() }
    }

    /// Searches the next line of a source, such as a file. Parts may continue from one line of a source to the next.
    pub fn line(&mut self, source: &str, number: u64, text: &str) {
        if self.source != source {
            self.carried.clear();
            source.clone_into(&mut self.source);
        }
        let new = words(text);
        if !new.is_empty() && new.len() < FEWEST_WORDS {
            self.note(hash(&new), source, number);
        }
        let carried = self.carried.len();
        let mut all = std::mem::take(&mut self.carried);
        all.extend(new);
        for length in self.lengths.clone().into_iter().filter(|length| *length >= FEWEST_WORDS) {
            // Windows that end in this line; the others were seen before.
            let first = (carried + 1).saturating_sub(length);
            for window in all[first.min(all.len())..].windows(length) {
                self.note(hash(window), source, number);
            }
        }
        self.carried = all.split_off(all.len().saturating_sub(WORDS - 1));
    }

    fn note(&mut self, hash: u64, source: &str, number: u64) {
        for (row, part) in self.parts.get(&hash).into_iter().flatten() {
            self.found[*row].entry(*part).or_insert_with(|| format!("{source}:{number}"));
        }
    }

    /// Flags the examples of which any part was found. The score is one half plus half of the share of their parts.
    pub fn flags(&self, examples: &[Example]) -> Vec<Flag> {
        let rows = examples.iter().zip(&self.found).zip(&self.counts);
        rows.filter_map(|((example, found), parts)| {
            let first = found.values().next()?;
            let score = 0.5 + 0.5 * found.len() as f64 / (*parts).max(1) as f64;
            let what = if found.len() == *parts { "its text" } else { "a part of its text" };
            // The line changes with every edit of the file, but the finding does not.
            let source = first.rsplit_once(':').map_or(first.as_str(), |(source, _)| source);
            Some(Flag {
                example_id: example.id.clone(),
                code: ReasonCode::Exposed,
                score,
                threshold: 0.5,
                evidence: format!(
                    "{what} is in {first}, so a model may know the answer; to clear this, remove it there, or retire the example"
                ),
                basis: format!("{source}\n{}", example.text()),
            })
        })
        .collect()
    }
}

/// Hashes of the words of a text, without case and punctuation.
fn words(text: &str) -> Vec<u64> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(|word| word_hash(&word.to_lowercase())).collect()
}

fn word_hash(word: &str) -> u64 {
    // FNV-1a: short words, and nobody chooses them to collide.
    word.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The hash of a sequence of words.
fn hash(words: &[u64]) -> u64 {
    words.iter().fold(words.len() as u64, |hash, word| hash.rotate_left(7).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::golden::example_from_row;
    use serde_json::json;

    const LONG: &str =
        "My parcel was due on Monday, but nobody rang and the tracking page says it was delivered to a neighbour.";

    fn examples() -> Vec<Example> {
        let rows = [
            ("long", LONG),
            ("usual", "where is my parcel now?"),
            ("short", "Hello there"),
            ("other", "something that is nowhere else"),
        ];
        let row = |(id, input): (&str, &str)| json!({"id": id, "input": input});
        rows.map(|of| example_from_row(1, row(of).as_object().unwrap().clone()).unwrap()).to_vec()
    }

    fn found(lines: &[&str]) -> Vec<(String, f64, String)> {
        let examples = examples();
        let mut search = ExposureSearch::new(&examples);
        lines.iter().zip(1..).for_each(|(line, number)| search.line("few.txt", number, line));
        search.flags(&examples).into_iter().map(|flag| (flag.example_id, flag.score, flag.evidence)).collect()
    }

    #[test]
    fn whole_texts_and_thirteen_words_are_found_whatever_their_case_and_punctuation() {
        let whole = found(&["Q: WHERE IS MY PARCEL, NOW -> track", "hello there!", LONG]);
        let ids: Vec<_> = whole.iter().map(|(id, score, _)| (id.as_str(), *score)).collect();
        assert_eq!(ids, [("long", 1.0), ("usual", 1.0), ("short", 1.0)]);
        assert!(whole[0].2.starts_with("its text is in few.txt:3, "), "{}", whole[0].2);
        let part = found(&["it said: due on Monday, but nobody rang and the tracking page says it was", "lost"]);
        assert!(part[0].0 == "long" && part[0].1 > 0.5 && part[0].1 < 0.8, "{part:?}");
        assert!(part[0].2.starts_with("a part of its text is in few.txt:1, "), "{}", part[0].2);
    }

    #[test]
    fn a_text_is_found_across_lines_of_one_source_but_not_of_two() {
        let lines = ["where is my", "parcel now"];
        assert_eq!(found(&lines)[0].0, "usual");
        let examples = examples();
        let mut search = ExposureSearch::new(&examples);
        search.line("a.txt", 1, lines[0]);
        search.line("b.txt", 1, lines[1]);
        assert!(search.flags(&examples).is_empty());
    }

    #[test]
    fn short_texts_within_lines_and_twelve_words_of_a_long_one_are_not_found() {
        assert!(
            found(&["well hello there you", "", "due on Monday but nobody rang and the tracking page says it"])
                .is_empty()
        );
        assert!(found(&[]).is_empty());
        assert!(ExposureSearch::new(&[]).flags(&[]).is_empty());
    }
}
