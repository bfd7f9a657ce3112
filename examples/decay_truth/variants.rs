//! The forms in which a request may arrive: as it is in the file, or changed in a way that leaves its meaning alone; and
//! requests in other languages, which are about something else.

use karat::stats::rng;
use rand::RngExt;
use rand::seq::IndexedRandom;

use crate::data::Row;
use crate::foreign::requests;
use crate::style::styled;

/// Words that say nothing. A trial uses one of them, as when one client's users all speak like that.
const FILLERS: [&str; 4] = ["literally", "basically", "kindly", "honestly"];

/// Sentences that may stand before a request in a longer message.
const BEFORE: [&str; 20] = [
    "I hope you are having a good week.",
    "Thank you for getting back to me the other day.",
    "I have been meaning to write for a while.",
    "Sorry to bother you so late.",
    "My sister said that you were really helpful last time.",
    "We have just come back from a long weekend.",
    "It has been quite a day here.",
    "I already looked around a bit and did not get anywhere.",
    "I am writing this from my phone, so please excuse any mistakes.",
    "The kids are asleep, so I finally have a minute.",
    "I am not very good with technology.",
    "This may sound like a silly question.",
    "I was on the train when I thought of it.",
    "Things have been busy since the move.",
    "I am asking for myself and not for anybody else.",
    "A colleague told me to try it this way.",
    "I have about five minutes before my next meeting.",
    "It is raining again and I am stuck inside.",
    "I tried to do it alone first.",
    "You helped me with something else in spring.",
];

/// Sentences that may stand after it.
const AFTER: [&str; 16] = [
    "Thanks a lot in advance.",
    "No rush at all.",
    "I would be grateful for a short answer.",
    "Let me know if anything is unclear.",
    "I have to go out soon, so I may reply later.",
    "That would really make my day.",
    "Have a lovely evening.",
    "I look forward to hearing from you.",
    "Sorry for the long message.",
    "My husband says hello.",
    "I will be back at my desk in an hour.",
    "Please keep it simple.",
    "That is all for now.",
    "I will check my messages tonight.",
    "Everything else is fine.",
    "Take care.",
];

/// A form of the file's requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variant {
    /// As in the file.
    Plain,
    /// With typos, openings and other casing.
    Styled,
    /// With the filler word of this number.
    Filler(usize),
    /// Inside a longer message.
    Long,
    /// Not the file's requests, but others in other languages; its rows are those of the list.
    Foreign,
}

impl Variant {
    /// All variants except the original.
    pub fn changed() -> Vec<Self> {
        let fillers = (0..FILLERS.len()).map(Self::Filler);
        [Self::Styled, Self::Long, Self::Foreign].into_iter().chain(fillers).collect()
    }

    /// Every filler word as a variant.
    pub fn fillers() -> Vec<Self> {
        (0..FILLERS.len()).map(Self::Filler).collect()
    }

    /// The name of its files.
    pub fn name(self) -> String {
        match self {
            Self::Plain => "plain".into(),
            Self::Styled => "styled".into(),
            Self::Filler(word) => format!("filler-{}", FILLERS[word]),
            Self::Long => "long".into(),
            Self::Foreign => "foreign".into(),
        }
    }

    /// Its texts, each with its row number in its file of vectors.
    pub fn texts(self, rows: &[(usize, Row)]) -> Vec<(usize, String)> {
        let change = |with: &dyn Fn(&str, usize) -> String| {
            rows.iter().map(|(at, row)| (*at, with(&row.text, *at))).collect::<Vec<_>>()
        };
        match self {
            Self::Plain => change(&|text, _| text.to_owned()),
            Self::Styled => change(&styled),
            Self::Filler(word) => change(&|text, row| with_filler(text, row, word)),
            Self::Long => change(&in_message),
            Self::Foreign => requests().into_iter().enumerate().collect(),
        }
    }
}

/// Inserts the filler at a random place into seven texts of ten.
fn with_filler(text: &str, row: usize, word: usize) -> String {
    let mut random = rng(row as u64, 100 + word as u64);
    let mut words: Vec<&str> = text.split(' ').collect();
    if random.random_bool(0.7) {
        words.insert(random.random_range(0..=words.len()), FILLERS[word]);
    }
    words.join(" ")
}

/// Puts one to three sentences before a text and, two times out of three, one or two after it.
fn in_message(text: &str, row: usize) -> String {
    let mut random = rng(row as u64, 78);
    let before = random.random_range(1..=3);
    let mut sentences: Vec<&str> = BEFORE.sample(&mut random, before).copied().collect();
    sentences.push(text);
    if random.random_bool(2.0 / 3.0) {
        let after = random.random_range(1..=2);
        sentences.extend(AFTER.sample(&mut random, after).copied());
    }
    let sentence = |text: &str| match text.ends_with(['.', '?', '!']) {
        true => text.to_owned(),
        false => format!("{text}."),
    };
    sentences.into_iter().map(sentence).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<(usize, Row)> {
        let row = |text: &str| Row { text: text.into(), intent: "any".into(), split: None };
        (0..200).map(|at| (at, row("play some music please"))).collect()
    }

    #[test]
    fn a_changed_text_still_contains_the_words_of_the_request_and_is_always_the_same() {
        for variant in Variant::fillers().into_iter().chain([Variant::Long]) {
            let texts = variant.texts(&rows());
            assert_eq!(texts, variant.texts(&rows()));
            let words = ["play", "some", "music", "please"];
            assert!(texts.iter().all(|(_, text)| words.iter().all(|word| text.contains(word))), "{}", variant.name());
            let changed = texts.iter().filter(|(_, text)| text != "play some music please").count();
            assert!(changed > 110, "{}: {changed}", variant.name());
        }
    }

    #[test]
    fn requests_in_other_languages_are_many_and_distinct() {
        let texts = Variant::Foreign.texts(&rows());
        let distinct: std::collections::BTreeSet<&String> = texts.iter().map(|(_, text)| text).collect();
        assert!(distinct.len() == texts.len() && texts.len() >= 300, "{} of {}", distinct.len(), texts.len());
    }
}
