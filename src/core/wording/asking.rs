//! The part of a long message that asks.

use std::collections::HashSet;

use super::sentences::{WordShares, sentences, spans};
use super::words::distinct;

/// Share of the examples that have at most the usual number of sentences.
const USUAL: f64 = 0.9;

/// What the rarity of a word among messages counts, compared with that among examples.
const RARE: f64 = 0.1;

/// Smallest number of words by which the worth of a sentence is divided, so that none wins by a single word.
const FEW: usize = 4;

/// Finds the part of a message that asks: as many consecutive sentences as an example usually has, those most like the
/// examples. The rest of a message is not what its request is about, but would dominate the vector.
pub(super) struct Asking {
    /// Words of the examples.
    pub examples: WordShares,
    messages: WordShares,
    /// Number of sentences that most examples do not exceed.
    usual: usize,
    /// The examples that do.
    long: HashSet<String>,
}

/// A message, divided into the part that asks and the sentences around it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message<'a> {
    pub before: Vec<&'a str>,
    pub asks: &'a str,
    pub after: Vec<&'a str>,
}

impl Message<'_> {
    /// Whether there are sentences around the part that asks.
    pub fn is_divided(&self) -> bool {
        !(self.before.is_empty() && self.after.is_empty())
    }
}

impl Asking {
    /// Learns from the examples, and from the messages of a window.
    pub fn learn<'a>(examples: &[&str], messages: impl Iterator<Item = &'a str>) -> Self {
        let mut counts: Vec<usize> = examples.iter().map(|text| spans(text).len().max(1)).collect();
        counts.sort_unstable();
        let usual = counts.get((USUAL * counts.len() as f64) as usize).copied().unwrap_or(1);
        let long = examples.iter().filter(|text| spans(text).len() > usual).map(|text| (*text).to_owned());
        Self {
            examples: WordShares::new(examples.iter().copied()),
            messages: WordShares::new(messages),
            usual,
            long: long.collect(),
        }
    }

    /// Divides a message. One with no more sentences than examples usually have, or equal to an example, asks as a whole.
    pub fn divide<'a>(&self, message: &'a str) -> Message<'a> {
        let spans = spans(message);
        let sentences: Vec<&str> = spans.iter().map(|span| &message[span.clone()]).collect();
        match self.place(&sentences).filter(|_| !self.long.contains(message)) {
            Some(first) => {
                let end = first + self.usual;
                Message {
                    asks: &message[spans[first].start..spans[end - 1].end],
                    before: sentences[..first].to_vec(),
                    after: sentences[end..].to_vec(),
                }
            }
            None => Message { before: Vec::new(), asks: message, after: Vec::new() },
        }
    }

    /// The part that would be found if `text` asked between other sentences.
    pub fn found_between(&self, before: &[String], text: String, after: &[String]) -> String {
        let (before, after) = (before.iter().map(String::as_str), after.iter().map(String::as_str));
        let all: Vec<&str> = before.chain(sentences(&text)).chain(after).collect();
        match self.place(&all) {
            Some(first) => all[first..first + self.usual].join(" "),
            None => text,
        }
    }

    /// The number of the sentence with which the part that asks begins; `None` if all sentences belong to it.
    fn place(&self, sentences: &[&str]) -> Option<usize> {
        if sentences.len() <= self.usual {
            return None;
        }
        let worths: Vec<f64> = sentences.iter().map(|sentence| self.worth(sentence)).collect();
        let sums: Vec<f64> = worths.windows(self.usual).map(|run| run.iter().sum()).collect();
        (0..sums.len()).max_by(|a, b| sums[*a].total_cmp(&sums[*b]).then(b.cmp(a)))
    }

    /// How much a sentence is like the examples: how many of their rarer words it has, per word. Words that are more
    /// frequent in messages than in examples count less, since they belong to what stands around requests. Words that are
    /// rare in messages count a little, since what stands around requests is often the same.
    fn worth(&self, sentence: &str) -> f64 {
        let rarity = |words: &WordShares, count: usize| ((words.texts() + 1) as f64 / (count as f64 + 0.5)).ln();
        let words = distinct(sentence);
        let worth = |word: &String| {
            let (count, share) = (self.examples.count(word), self.examples.share(word));
            let excess = (share / self.messages.share(word).max(1e-9)).min(1.0);
            excess * rarity(&self.examples, count) + RARE * rarity(&self.messages, self.messages.count(word))
        };
        words.iter().map(worth).sum::<f64>() / words.len().max(FEW) as f64
    }
}

/// The part of each message that asks, which is what is compared with the examples: as many consecutive sentences as
/// nine of ten examples have, those that share the most with the examples; the whole message if it has no more.
pub fn asking_parts<'a>(examples: &[&str], messages: &[&'a str]) -> Vec<&'a str> {
    let asking = Asking::learn(examples, messages.iter().copied());
    messages.iter().map(|message| asking.divide(message).asks).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLES: [&str; 3] = ["cancel my order", "where is my parcel", "change the address"];
    const LONG: [&str; 2] =
        ["I hope you are well. where is my parcel", "We moved. I am on my phone. cancel my order please! Thanks"];

    #[test]
    fn the_sentence_with_the_words_of_the_examples_asks() {
        assert_eq!(asking_parts(&EXAMPLES, &LONG), ["where is my parcel", "cancel my order please!"]);
        let asking = Asking::learn(&EXAMPLES, LONG.into_iter());
        let message = asking.divide(LONG[1]);
        assert_eq!((message.before, message.after), (vec!["We moved.", "I am on my phone."], vec!["Thanks"]));
    }

    #[test]
    fn a_new_request_is_found_by_what_is_said_around_it_in_other_messages() {
        let messages = ["Hello dear people! apply for a visa. Thanks", "Hello dear people! book a ferry. Thanks"];
        assert_eq!(asking_parts(&EXAMPLES, &messages), ["apply for a visa.", "book a ferry."]);
    }

    #[test]
    fn messages_with_as_few_sentences_as_the_examples_ask_as_a_whole() {
        let messages = [" where is it ", "", "?!", "🙂"];
        assert_eq!(asking_parts(&EXAMPLES, &messages), messages);
        let of_two = ["I paid twice. cancel my order", "It is late. where is my parcel"];
        assert_eq!(asking_parts(&of_two, &LONG[..1]), LONG[..1]);
        let with_one_of_two = [EXAMPLES.repeat(5), of_two[..1].to_vec()].concat();
        assert_eq!(asking_parts(&with_one_of_two, &of_two), [of_two[0], "where is my parcel"]);
        assert_eq!(asking_parts(&[], &["one. two."]), ["one."]);
        assert!(asking_parts(&EXAMPLES, &[]).is_empty());
    }

    #[test]
    fn as_many_sentences_ask_as_examples_have() {
        let of_two = ["I paid twice. cancel my order", "It is late. where is my parcel"];
        let message = "Hello again. I paid twice.\ncancel my order now. Have a nice evening.";
        assert_eq!(asking_parts(&of_two, &[message]), ["I paid twice.\ncancel my order now."]);
    }

    #[test]
    fn a_request_that_would_be_overlooked_between_others_is_overlooked() {
        let messages = [LONG[0], "The address is the old one. help"];
        let asking = Asking::learn(&EXAMPLES, messages.into_iter());
        let before = ["I hope you are well.".to_owned(), "The address is the old one.".to_owned()];
        assert_eq!(asking.found_between(&before, "where is my parcel".into(), &[]), "where is my parcel");
        assert_eq!(asking.found_between(&before, "help".into(), &[]), "The address is the old one.");
        assert_eq!(asking.found_between(&[], "help".into(), &[]), "help");
    }
}
