//! How the wording of traffic differs from that of the examples, and the wording of each request.

use std::collections::BTreeMap;

use super::Request;
use super::asking::{Asking, Message};
use super::rewording::{Casing, Insert, Place, Profile};
use super::sentences::{WordShares, several_sentences};
use super::typos::{Speller, with_typo};
use super::words::{Word, distinct, words};
use crate::core::stats::rng;
use rand::RngExt;

/// Smallest number of requests with a word, and smallest share of them.
const MIN_COUNT: usize = 5;
const MIN_SHARE: f64 = 0.005;

/// How many times more frequent a word must be in traffic than in the examples.
const MIN_RATIO: f64 = 2.0;

/// Smallest number of standard errors between the two shares.
const MIN_Z: f64 = 3.0;

/// A word is spread over topics if two requests with it have the same topic at most this many times as often as any
/// two requests. A word of a new topic is concentrated instead.
const MAX_CONCENTRATION: f64 = 3.0;

/// The requests of a new topic may be nearest to examples of many topics. But they resemble each other: a word is only
/// spread over topics if requests with it resemble each other at most this much more than any two requests, as a share
/// of what is left to 1. (Of an assistant's requests, it is at most 0.08 for openings and fillers in the space of
/// `minilm`, and 0.2 to 0.7 for words of topics.)
const MAX_RESEMBLANCE: f64 = 0.2;

/// Smallest share of made typos that is assumed to be recognized.
const MIN_RECOGNIZED: f64 = 0.2;

/// A word that traffic adds whatever a request is about.
#[derive(Debug, Clone, PartialEq)]
pub struct ExtraWord {
    /// The word, in lower case.
    pub word: String,
    /// Share of the requests that contain it.
    pub share: f64,
    /// Share of the examples that contain it.
    pub example_share: f64,
}

/// How the wording of traffic differs from that of the examples.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Habits {
    /// Words that traffic adds, the most frequent first.
    pub extra_words: Vec<ExtraWord>,
    /// Typos per request beyond those of the examples, at least 0.
    pub typos: f64,
    /// Share of the requests that are longer than one sentence, in [0, 1].
    pub several_sentences: f64,
    /// The same of the examples.
    pub example_several_sentences: f64,
    /// Share of the requests of which only the part that asks is compared, in [0, 1].
    pub divided: f64,
}

/// The habits, and the wording of every request.
pub(super) fn learn(examples: &[&str], requests: &[Request<'_>], asking: &Asking, seed: u64) -> (Habits, Vec<Profile>) {
    if examples.is_empty() || requests.is_empty() {
        return (Habits::default(), Vec::new());
    }
    let messages: Vec<Message<'_>> = requests.iter().map(|request| asking.divide(request.text)).collect();
    let words = WordShares::new(messages.iter().map(|message| message.asks));
    let extra = extra_words(&messages, requests, &asking.examples, &words);
    let several = |texts: &mut dyn Iterator<Item = &str>, all: usize| {
        texts.filter(|text| several_sentences(text)).count() as f64 / all as f64
    };
    let habits = Habits {
        typos: typos(examples, &messages, &Speller::new(&asking.examples, &words), seed),
        several_sentences: several(&mut requests.iter().map(|request| request.text), requests.len()),
        example_several_sentences: several(&mut examples.iter().copied(), examples.len()),
        divided: messages.iter().filter(|message| message.is_divided()).count() as f64 / messages.len() as f64,
        extra_words: ranked(&extra),
    };
    let profiles = messages.iter().enumerate();
    let profiles = profiles.map(|(at, message)| profile(message, &extra, &mut rng(seed, 1_000_000 + at as u64)));
    (habits, profiles.collect())
}

/// Words with their shares in traffic and in the examples: those that are clearly more frequent in traffic, and spread
/// over topics.
fn extra_words(
    messages: &[Message<'_>],
    requests: &[Request<'_>],
    example_words: &WordShares,
    words: &WordShares,
) -> BTreeMap<String, ExtraWord> {
    let (n, m) = (messages.len() as f64, example_words.texts() as f64);
    let frequent = |word: &str, count: usize| {
        let (share, example_share) = (count as f64 / n, (example_words.count(word) as f64 + 0.5) / (m + 1.0));
        let variance = example_share * (1.0 - example_share) / m + share * (1.0 - share) / n;
        let enough = count >= MIN_COUNT && share >= MIN_SHARE && share >= MIN_RATIO * example_share;
        (enough && share - example_share >= MIN_Z * variance.sqrt()).then_some((share, example_share))
    };
    let candidates: BTreeMap<&str, (f64, f64)> =
        words.iter().filter_map(|(word, count)| Some((word, frequent(word, count)?))).collect();
    let mut spreads: BTreeMap<String, Spread> = BTreeMap::new();
    let mut all = Spread::default();
    for (message, request) in messages.iter().zip(requests) {
        all.add(request);
        for word in distinct(message.asks).into_iter().filter(|word| candidates.contains_key(word.as_str())) {
            spreads.entry(word).or_default().add(request);
        }
    }
    let found = spreads.into_iter().filter(|(_, spread)| spread.is_wide(&all)).filter_map(|(word, _)| {
        let (share, example_share) = *candidates.get(word.as_str())?;
        Some((word.clone(), ExtraWord { word, share, example_share }))
    });
    found.collect()
}

/// What the requests with a word are about.
#[derive(Default)]
struct Spread {
    topics: BTreeMap<usize, f64>,
    /// Number of requests with a vector, and the sum of the vectors.
    vectors: f64,
    sum: Vec<f32>,
}

impl Spread {
    fn add(&mut self, request: &Request<'_>) {
        if let Some(topic) = request.topic {
            *self.topics.entry(topic).or_insert(0.0) += 1.0;
        }
        if request.vector.iter().any(|x| *x != 0.0) {
            self.vectors += 1.0;
            self.sum.resize(request.vector.len(), 0.0);
            self.sum.iter_mut().zip(request.vector).for_each(|(sum, x)| *sum += x);
        }
    }

    /// Whether the requests are about as many things as `all` requests.
    fn is_wide(&self, all: &Self) -> bool {
        let count: f64 = self.topics.values().sum();
        let usual = concentration(&all.topics);
        let (close, usually_close) = (self.resemblance(), all.resemblance());
        count >= MIN_COUNT as f64
            && concentration(&self.topics) <= MAX_CONCENTRATION * usual + 2.0 / count
            && close - usually_close <= MAX_RESEMBLANCE * (1.0 - usually_close)
    }

    /// Mean similarity of two of the requests; 0 if fewer than two have a vector.
    fn resemblance(&self) -> f64 {
        let length: f64 = self.sum.iter().map(|x| f64::from(*x).powi(2)).sum();
        if self.vectors > 1.0 { (length - self.vectors) / (self.vectors * (self.vectors - 1.0)) } else { 0.0 }
    }
}

/// Probability that two of the counted requests have the same topic (Simpson 1949).
fn concentration(counts: &BTreeMap<usize, f64>) -> f64 {
    let count: f64 = counts.values().sum();
    let same: f64 = counts.values().map(|n| n * (n - 1.0)).sum();
    if count > 1.0 { same / (count * (count - 1.0)) } else { 1.0 }
}

fn ranked(extra: &BTreeMap<String, ExtraWord>) -> Vec<ExtraWord> {
    let mut words: Vec<ExtraWord> = extra.values().cloned().collect();
    words.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.word.cmp(&b.word)));
    words
}

/// Typos per request beyond those of the examples. Not every typo is recognized, so the difference is divided by the
/// share recognized of typos made for the purpose.
fn typos(examples: &[&str], messages: &[Message<'_>], speller: &Speller, seed: u64) -> f64 {
    let mean = |counts: f64, texts: usize| counts / texts as f64;
    let counts: Vec<f64> = examples.iter().map(|text| speller.typos(text) as f64).collect();
    let made =
        |(at, text): (usize, &&str)| speller.typos(&with_typo(text, &mut rng(seed, 2_000_000 + at as u64))) as f64;
    let in_examples = mean(counts.iter().sum(), examples.len());
    let with_one_more = mean(examples.iter().enumerate().map(made).sum(), examples.len());
    let in_traffic = mean(messages.iter().map(|message| speller.typos(message.asks) as f64).sum(), messages.len());
    (in_traffic - in_examples).max(0.0) / (with_one_more - in_examples).clamp(MIN_RECOGNIZED, 1.0)
}

/// The wording of a message. An extra word that examples contain as well is passed over as often as they do.
fn profile(message: &Message<'_>, extra: &BTreeMap<String, ExtraWord>, random: &mut impl RngExt) -> Profile {
    let words = words(message.asks);
    let mut is_extra = |word: &Word| {
        let extra = extra.get(&word.word);
        extra.is_some_and(|extra| random.random_bool((1.0 - extra.example_share / extra.share).clamp(0.0, 1.0)))
    };
    let mut inserts = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let first = at;
        while at < words.len() && is_extra(&words[at]) {
            at += 1;
        }
        if at > first {
            // With the punctuation that follows.
            let end = words.get(at).map_or(message.asks.len(), |next| next.bytes.start);
            let text = message.asks[words[first].bytes.start..end].trim().to_owned();
            let place = match (first, at == words.len()) {
                (0, _) => Place::Start,
                (_, true) => Place::End,
                _ => Place::Inside(first as f64 / words.len() as f64),
            };
            inserts.push(Insert { place, text });
        }
        at += 1;
    }
    let owned = |sentences: &[&str]| sentences.iter().map(|sentence| (*sentence).to_owned()).collect();
    Profile { before: owned(&message.before), after: owned(&message.after), inserts, casing: Casing::of(message.asks) }
}
