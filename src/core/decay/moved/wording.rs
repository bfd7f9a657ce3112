//! Whether how people word their requests moved.

use std::collections::BTreeMap;

use super::super::view::shift_view;
use super::{ALPHA, Known, MIN_CHANGE, MIN_Z, Windows, shares};
use crate::core::coverage::Coverage;
use crate::core::shift::{ShiftOptions, ShiftTest, casing, vocabulary, wording_tests};
use crate::core::view::{MovedShare, ShiftView, WordingMoved};
use crate::core::wording::{Habits, several_sentences};

/// Smallest cost of the wording, in coverage, that is reported as a movement even if no test shows a change.
const MIN_COST: f64 = 0.02;

/// Maximum number of words listed.
const WORDS: usize = 5;

/// A difference is concentrated on topics that make up this much of it, if they have at most this share of the traffic.
const MOST: f64 = 0.8;
const CONCENTRATED: f64 = 0.5;

/// The finding. `names` are those of the known topics.
pub(super) fn wording_moved(windows: &Windows<'_, '_>, names: &[String]) -> WordingMoved {
    let cost = |coverage: &Coverage| coverage.value - coverage.as_worded;
    let before = windows.coverage.reference.as_ref().map_or(0.0, cost);
    let effect = cost(&windows.coverage.now) - before;
    let tests = tests(windows);
    let p_value = tests.iter().map(|test| test.p_value).reduce(f64::min);
    let traits = Traits::new(windows, &tests);
    let significant = p_value.is_some_and(|p| p <= ALPHA);
    let moved = significant && (tests.iter().any(|test| test.changed) || effect.abs() >= MIN_COST);
    let differs = if moved { traits.differs(&tests) } else { Vec::new() };
    WordingMoved {
        moved,
        effect,
        p_value,
        sentence: sentence(moved, effect, &differs, &windows.since()),
        topics: if moved { concentrated(windows, names, &traits) } else { Vec::new() },
        differs,
        tests,
    }
}

fn sentence(moved: bool, effect: f64, differs: &[String], since: &str) -> String {
    if !moved {
        return format!("How people word their requests has not measurably moved since {since}.");
    }
    let mut text = format!("How people word their requests moved since {since}");
    if !differs.is_empty() {
        text.push_str(&format!(" ({})", differs.join("; ")));
    }
    let points = effect.abs() * 100.0;
    match effect {
        effect if effect >= 0.005 => {
            text.push_str(&format!("; without accounting for it, coverage would have fallen by {points:.1} points"));
        }
        effect if effect <= -0.005 => {
            text.push_str(&format!("; without accounting for it, coverage would have risen by {points:.1} points"));
        }
        _ => {}
    }
    format!("{text}; this is not decay.")
}

/// The tests of represented requests of the same topics.
fn tests(windows: &Windows<'_, '_>) -> Vec<ShiftView> {
    let inputs = &windows.findings.inputs;
    let known_words = vocabulary(inputs.texts.iter().map(String::as_str));
    let options = ShiftOptions { seed: inputs.seed, ..ShiftOptions::default() };
    let tests: Vec<ShiftTest> = wording_tests(windows.then.of_topics(), windows.now.of_topics(), &known_words, options);
    tests.into_iter().map(shift_view).collect()
}

/// A word that became more or less frequent.
struct Word {
    word: String,
    reference: f64,
    now: f64,
}

/// What differs in the wording of single requests.
struct Traits<'f> {
    /// The words that changed most, the largest change first.
    words: Vec<Word>,
    /// Habits in the reference window and now, if the copies of the examples were made.
    habits: Option<(&'f Habits, &'f Habits)>,
    /// The casing that became more frequent, if the casing changed.
    casing: Option<&'static str>,
}

impl<'f> Traits<'f> {
    fn new(windows: &Windows<'f, '_>, tests: &[ShiftView]) -> Self {
        let habits = |window: &Known<'f, '_>| window.window.wording.as_ref().map(|wording| &wording.reworded.habits);
        let habits = habits(&windows.then).zip(habits(&windows.now));
        let changed = tests.iter().any(|test| test.test == "casing" && test.changed);
        Self {
            words: habits.map(|(then, now)| changed_words(windows, then, now)).unwrap_or_default(),
            habits,
            casing: changed.then(|| grown_casing(windows)).flatten(),
        }
    }

    /// In words, for people.
    fn differs(&self, tests: &[ShiftView]) -> Vec<String> {
        let percent = |share: f64| share * 100.0;
        let word = |word: &Word| {
            format!("\"{}\" in {:.0} % (before: {:.0} %)", word.word, percent(word.now), percent(word.reference))
        };
        let mut differs: Vec<String> = self.words.iter().map(word).collect();
        if let Some((then, now)) = self.habits {
            if (now.typos - then.typos).abs() >= MIN_CHANGE {
                differs.push(format!(
                    "{:.0} typos per 100 requests (before: {:.0})",
                    percent(now.typos),
                    percent(then.typos)
                ));
            }
            let (now, then) = (now.several_sentences, then.several_sentences);
            if (now - then).abs() >= MIN_CHANGE {
                differs.push(format!("several sentences in {:.0} % (before: {:.0} %)", percent(now), percent(then)));
            }
        }
        let changed = tests.iter().filter(|test| test.changed && !test.detail.is_empty());
        differs.extend(changed.map(|test| format!("{}: {}", test.test, test.detail)));
        differs
    }

    /// Whether a request shows what became more frequent.
    fn shows(&self, text: &str) -> bool {
        let words = words(text);
        let grown = |word: &&Word| word.now > word.reference;
        let sentences =
            self.habits.is_some_and(|(then, now)| now.several_sentences >= then.several_sentences + MIN_CHANGE);
        self.words.iter().filter(grown).any(|word| words.contains(&word.word))
            || (sentences && several_sentences(text))
            || self.casing.is_some_and(|name| casing(text) == name)
    }
}

/// The words of a text in lower case.
fn words(text: &str) -> Vec<String> {
    let separates = |c: char| !(c.is_alphanumeric() || matches!(c, '\'' | '\u{2019}'));
    text.split(separates).map(str::to_lowercase).collect()
}

/// The words that either window adds to what examples say, with their shares of the represented requests, if these differ
/// by more than sampling explains.
fn changed_words(windows: &Windows<'_, '_>, then: &Habits, now: &Habits) -> Vec<Word> {
    let mut candidates: Vec<&str> =
        then.extra_words.iter().chain(&now.extra_words).map(|extra| extra.word.as_str()).collect();
    candidates.sort_unstable();
    candidates.dedup();
    let (reference, now) = (word_shares(&windows.then, &candidates), word_shares(&windows.now, &candidates));
    let both = candidates.into_iter().zip(reference.into_iter().zip(now));
    let shares = both.map(|(word, (reference, now))| MovedShare { id: None, name: word.to_owned(), reference, now });
    let changed = windows.changed(shares).into_iter().take(WORDS);
    changed.map(|MovedShare { name: word, reference, now, .. }| Word { word, reference, now }).collect()
}

fn word_shares(window: &Known<'_, '_>, candidates: &[&str]) -> Vec<f64> {
    let mut sums: BTreeMap<&str, f64> = candidates.iter().map(|word| (*word, 0.0)).collect();
    let mut total = 0.0;
    let records = window.records();
    for (row, weight) in records.weights().iter().enumerate().filter(|(row, _)| window.topics[*row].is_some()) {
        total += weight;
        let mut words = words(records.texts()[row]);
        words.sort_unstable();
        words.dedup();
        for word in words {
            if let Some(sum) = sums.get_mut(word.as_str()) {
                *sum += weight;
            }
        }
    }
    candidates.iter().map(|word| if total > 0.0 { sums[word] / total } else { 0.0 }).collect()
}

/// The casing whose share of the represented requests grew most.
fn grown_casing(windows: &Windows<'_, '_>) -> Option<&'static str> {
    let mut growth: BTreeMap<&'static str, f64> = BTreeMap::new();
    for (window, sign) in [(&windows.now, 1.0), (&windows.then, -1.0)] {
        let rows = (0..window.topics.len()).filter(|row| window.topics[*row].is_some());
        let total: f64 = rows.clone().map(|row| window.records().weights()[row]).sum();
        for row in rows {
            let weight = window.records().weights()[row] / total;
            *growth.entry(casing(window.records().texts()[row])).or_default() += sign * weight;
        }
    }
    growth.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(a.0))).map(|(name, _)| name)
}

/// The fewest topics that make up most of the growth of the traits; none if they have more than half of the represented
/// traffic.
fn concentrated(windows: &Windows<'_, '_>, names: &[String], traits: &Traits<'_>) -> Vec<MovedShare> {
    let of = |window: &Known<'_, '_>| {
        let all = window.weights(names.len(), |_| true);
        let texts = window.records().texts();
        let marked = window.weights(names.len(), |row| traits.shows(texts[row]));
        let rates: Vec<f64> =
            marked.iter().zip(&all).map(|(marked, all)| if *all > 0.0 { marked / all } else { 0.0 }).collect();
        (rates, all)
    };
    let ((before, reference), (after, all)) = (of(&windows.then), of(&windows.now));
    let traffic = shares(&all);
    let clear = |topic: &usize| {
        let error = (0.25 / reference[*topic].max(1.0) + 0.25 / all[*topic].max(1.0)).sqrt();
        after[*topic] - before[*topic] >= MIN_Z * error
    };
    let growth = |topic: usize| (after[topic] - before[topic]).max(0.0) * traffic[topic];
    let total: f64 = (0..names.len()).map(growth).sum();
    let mut topics: Vec<usize> = (0..names.len()).filter(|topic| growth(*topic) > 0.0).collect();
    topics.sort_by(|a, b| growth(*b).total_cmp(&growth(*a)).then(a.cmp(b)));
    let (mut sum, mut share) = (0.0, 0.0);
    let needed = topics.iter().position(|topic| {
        (sum, share) = (sum + growth(*topic), share + traffic[*topic]);
        sum >= MOST * total
    });
    let Some(needed) = needed.filter(|_| share <= CONCENTRATED) else { return Vec::new() };
    let moved = |topic: &usize| MovedShare {
        id: None,
        name: names[*topic].clone(),
        reference: before[*topic],
        now: after[*topic],
    };
    topics[..=needed].iter().filter(|topic| clear(topic)).map(moved).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_says_what_differs_and_what_it_would_have_cost() {
        let differs = vec!["\"please\" in 40 % (before: 2 %)".to_owned()];
        assert_eq!(
            sentence(true, 0.094, &differs, "2026-06"),
            "How people word their requests moved since 2026-06 (\"please\" in 40 % (before: 2 %)); without accounting \
             for it, coverage would have fallen by 9.4 points; this is not decay."
        );
        assert!(sentence(true, -0.02, &[], "2026-06").contains("risen by 2.0 points"));
        assert!(!sentence(true, 0.001, &[], "2026-06").contains("coverage"));
        assert!(sentence(false, 0.3, &[], "2026-06").contains("not measurably"));
    }

    #[test]
    fn words_are_read_without_punctuation_and_case() {
        assert_eq!(
            words("Hey, can't WAIT!").into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>(),
            ["hey", "can't", "wait"]
        );
    }
}
