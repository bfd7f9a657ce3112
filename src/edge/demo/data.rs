//! The demo's data: written for this project (see `datasets/README.md`), and a seeded generator of monthly traffic
//! drawn from it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::core::domain::{Failure, Window};
use crate::core::stats::rng;

const TRAINING: &str = include_str!("../../../datasets/support-model/training.jsonl");
const REQUESTS: &str = include_str!("../../../datasets/support-traffic/requests.jsonl");
const EXAMPLES: &str = include_str!("../../../datasets/support-intents/examples.jsonl");
const CARD: &str = include_str!("../../../datasets/support-intents/dataset.yaml");
const SUITE: &str = include_str!("../../../suites/support.yaml");
const WORKSPACE: &str = include_str!("../../../templates/demo/karat.yaml");

/// The months of the demo, the reference first.
pub const MONTHS: [&str; 4] = ["2026-06", "2026-07", "2026-08", "2026-09"];

/// Intents whose traffic fades away: volume by month, relative to June.
const FADING: [(&str, [f64; 4]); 3] = [
    ("store_hours", [1.0, 0.6, 0.15, 0.0]),
    ("gift_card_balance", [1.0, 0.7, 0.2, 0.0]),
    ("paper_catalogue", [1.0, 0.4, 0.0, 0.0]),
];

/// New intents: shares of each month's traffic.
const EMERGING: [(&str, [f64; 4]); 6] = [
    ("locker_code", [0.0, 0.02, 0.05, 0.08]),
    ("pay_later", [0.0, 0.0, 0.03, 0.06]),
    ("app_crash", [0.0, 0.01, 0.02, 0.05]),
    ("passkey_login", [0.0, 0.0, 0.02, 0.04]),
    ("trade_in", [0.0, 0.0, 0.01, 0.02]),
    ("customs_duty", [0.0, 0.0, 0.0, 0.02]),
];

/// A text and the intent it was written for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LabelledText {
    /// The text.
    pub text: String,
    /// The intent.
    pub intent: String,
}

/// A file of the demo's workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoFile {
    /// Path within the workspace.
    pub path: &'static str,
    /// Content of the file.
    pub content: String,
}

/// The training data of the demo's model.
///
/// # Errors
/// Where the shipped file cannot be read, which a test rules out.
pub fn training_texts() -> Result<Vec<LabelledText>, Failure> {
    parse(TRAINING)
}

fn parse(text: &str) -> Result<Vec<LabelledText>, Failure> {
    let lines: Result<Vec<LabelledText>, _> = text.lines().map(serde_json::from_str).collect();
    lines.map_err(|error| Failure::other("cannot read the demo's data").caused_by(error))
}

/// The files of the demo's workspace, apart from its traffic. `base_url` is where its server listens.
pub fn demo_files(base_url: &str, embedder: &str) -> Vec<DemoFile> {
    let file = |path, content: String| DemoFile { path, content };
    vec![
        file("karat.yaml", WORKSPACE.replace("{base_url}", base_url).replace("{embedder}", embedder)),
        file("datasets/support-intents/dataset.yaml", CARD.to_owned()),
        file("datasets/support-intents/examples.jsonl", EXAMPLES.to_owned()),
        file("suites/support.yaml", SUITE.to_owned()),
    ]
}

/// The intents that the golden set lacks, sorted.
pub fn new_intents() -> Vec<String> {
    let mut intents: Vec<String> = EMERGING.iter().map(|(intent, _)| (*intent).to_owned()).collect();
    intents.sort();
    intents
}

/// The dataset card with the new intents among the labels.
pub fn card_with_new_intents() -> DemoFile {
    let new: String = new_intents().iter().map(|intent| format!("  - {intent}\n")).collect();
    DemoFile {
        path: "datasets/support-intents/dataset.yaml",
        content: CARD.replacen("labels:\n", &format!("labels:\n{new}"), 1),
    }
}

/// A line of a traffic file.
#[derive(Serialize)]
struct TrafficLine {
    id: String,
    time: String,
    user: String,
    body: Body,
    reply: String,
}

#[derive(Serialize)]
struct Body {
    text: String,
}

/// One month of traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonthOfTraffic {
    /// The records as JSON lines.
    pub lines: String,
    /// The id of every record, with the intent that its text was written for.
    pub intents: Vec<(String, String)>,
}

/// One month of traffic: `records` requests drawn with a seed, with the month's mix of intents, times
/// within the month, users, and the replies that `reply` returns for their texts.
///
/// # Errors
/// A failure of `reply`; or where the shipped file cannot be read, which a test rules out.
pub fn month_of_traffic(
    month: usize,
    records: usize,
    seed: u64,
    reply: impl FnOnce(&[&str]) -> Result<Vec<String>, Failure>,
) -> Result<MonthOfTraffic, Failure> {
    let mut random = rng(seed, 100 + month as u64);
    let mut pools: BTreeMap<String, Vec<String>> = BTreeMap::new();
    parse(REQUESTS)?.into_iter().for_each(|row| pools.entry(row.intent).or_default().push(row.text));
    let label = MONTHS[month];
    let window = Window::parse(label, Timestamp::UNIX_EPOCH).map_err(Failure::other)?;
    let mut texts: Vec<(String, String)> = Vec::with_capacity(records);
    for (intent, count) in counts(&pools, month, records) {
        let drawn = draw(&pools[&intent], count, &mut random);
        texts.extend(drawn.into_iter().map(|text| (text, intent.clone())));
    }
    texts.shuffle(&mut random);
    let length = window.to.duration_since(window.from).as_secs();
    let mut made = MonthOfTraffic { lines: String::new(), intents: Vec::with_capacity(texts.len()) };
    let drawn = texts.len().max(1) as i64;
    let replies = reply(&texts.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>())?;
    for (index, ((text, intent), reply)) in texts.into_iter().zip(replies).enumerate() {
        let offset = SignedDuration::from_secs(length * index as i64 / drawn);
        let time = window.from.checked_add(offset).unwrap_or(window.from).to_string();
        let user = format!("u{}", random.random_range(0..records.max(1)));
        let id = format!("{label}-{index:05}");
        let line = TrafficLine { id: id.clone(), time, user, body: Body { text }, reply };
        made.intents.push((id, intent));
        made.lines.push_str(
            &serde_json::to_string(&line)
                .map_err(|error| Failure::other("cannot write a line of traffic").caused_by(error))?,
        );
        made.lines.push('\n');
    }
    Ok(made)
}

/// The number of requests of each intent in a month. Known intents differ in volume, as in real traffic.
fn counts(pools: &BTreeMap<String, Vec<String>>, month: usize, records: usize) -> Vec<(String, usize)> {
    let emerging = |intent: &str| EMERGING.iter().find(|(name, _)| *name == intent).map(|(_, shares)| shares[month]);
    let new: f64 = EMERGING.iter().map(|(_, shares)| shares[month]).sum();
    let weights: Vec<(&String, f64)> = pools
        .keys()
        .filter(|intent| emerging(intent).is_none())
        .enumerate()
        .map(|(rank, intent)| {
            let fade = FADING.iter().find(|(name, _)| name == intent).map_or(1.0, |(_, factors)| factors[month]);
            // From 1 to about 2.5 times the smallest, in no obvious order.
            let size = 1.0 + ((rank * 7) % 27) as f64 / 18.0;
            // The most frequent intents in June are not the same as in September.
            let moved = 1.0 + 0.15 * month as f64 * if rank % 2 == 0 { 1.0 } else { -1.0 };
            (intent, fade * size * moved)
        })
        .collect();
    let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
    let known = weights.into_iter().map(|(intent, weight)| (intent.clone(), (1.0 - new) * weight / total));
    let new = EMERGING.iter().map(|(intent, shares)| ((*intent).to_owned(), shares[month]));
    known.chain(new).map(|(intent, share)| (intent, (share * records as f64).round() as usize)).collect()
}

/// Draws without replacement while there are unused texts; after that, texts are reused with variations.
fn draw(pool: &[String], count: usize, random: &mut ChaCha8Rng) -> Vec<String> {
    let mut order: Vec<&String> = pool.iter().collect();
    order.shuffle(random);
    let fresh = order
        .into_iter()
        .take(count)
        .map(|text| if random.random_bool(0.3) { vary(text, random) } else { text.clone() });
    let mut drawn: Vec<String> = fresh.collect();
    while drawn.len() < count {
        let Some(text) = pool.choose(random) else { break };
        drawn.push(vary(text, random));
    }
    drawn
}

/// Varies a request as another person might write it: with a greeting, a thank-you, in lower case, or with two letters
/// swapped.
fn vary(text: &str, random: &mut ChaCha8Rng) -> String {
    match random.random_range(0..4) {
        0 => format!("{} {text}", ["Hi,", "Hello,", "Hi there,", "hey"][random.random_range(0..4)]),
        1 => format!(
            "{text} {}",
            ["Thanks!", "thank you", "Please help.", "thanks in advance"][random.random_range(0..4)]
        ),
        2 => text.to_lowercase(),
        _ => swap_letters(text, random),
    }
}

fn swap_letters(text: &str, random: &mut ChaCha8Rng) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let inside: Vec<usize> = (1..letters.len().saturating_sub(1))
        .filter(|i| letters[*i].is_alphabetic() && letters[*i + 1].is_alphabetic())
        .collect();
    if let Some(at) = inside.choose(random) {
        letters.swap(*at, *at + 1);
    }
    letters.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_model_never_learns_from_the_golden_set_or_from_the_traffic() {
        let golden: HashSet<String> = EXAMPLES
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["input"].as_str().unwrap().to_lowercase()
            })
            .collect();
        let requests: HashSet<String> =
            parse(REQUESTS).unwrap().into_iter().map(|row| row.text.to_lowercase()).collect();
        let training = training_texts().unwrap();
        assert!(training.len() > 300 && golden.len() >= 300 && requests.len() >= 1500);
        assert!(training.iter().all(|row| !golden.contains(&row.text.to_lowercase())));
        assert!(training.iter().all(|row| !requests.contains(&row.text.to_lowercase())));
        assert!(golden.is_disjoint(&requests));
    }

    #[test]
    fn a_month_depends_only_on_the_seed_and_has_the_expected_size() {
        let reply = |texts: &[&str]| Ok(vec![String::new(); texts.len()]);
        let september = month_of_traffic(3, 600, 7, reply).unwrap();
        let intents: HashSet<&str> = september.intents.iter().map(|(_, intent)| intent.as_str()).collect();
        assert!(new_intents().iter().all(|intent| intents.contains(intent.as_str())), "{intents:?}");
        assert_eq!(september, month_of_traffic(3, 600, 7, reply).unwrap());
        assert_ne!(september, month_of_traffic(3, 600, 8, reply).unwrap());
        assert!((590..=610).contains(&september.intents.len()), "{}", september.intents.len());
    }
}
