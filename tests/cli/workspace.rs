//! Workspaces for tests: numbered questions for a server, and topics of made-up words for decay.

use std::sync::LazyLock;

use serde_json::json;

use crate::runner::Folder;
use crate::server::{Server, nowhere};

/// The right answer to a question of [`questions`].
pub fn right(input: &str) -> String {
    input.replace("question", "answer")
}

/// A golden set of `count` numbered questions in JSONL, all with a review date.
pub fn questions(count: usize) -> String {
    let row = |number: usize| {
        let (input, expected) = (format!("question {number:04}"), format!("answer {number:04}"));
        json!({"id": format!("q{number:04}"), "input": input, "expected": expected, "reviewed_at": "2026-09-01"})
            .to_string()
            + "\n"
    };
    (1..=count).map(row).collect()
}

/// A workspace with `count` questions, the suite `quiz` with `gates` (YAML), and the endpoint `model` at `url`.
pub fn quiz(url: &str, count: usize, gates: &str) -> Folder {
    quiz_of(url, &questions(count), gates)
}

/// The same, with the examples given as JSONL.
pub fn quiz_of(url: &str, examples: &str, gates: &str) -> Folder {
    let folder = Folder::new();
    folder.write("karat.yaml", &workspace(url, ""));
    folder.write("datasets/quiz/examples.jsonl", examples);
    folder.write("suites/quiz.yaml", &suite("quiz", gates));
    folder
}

/// `karat.yaml` with one endpoint that is tried twice, followed by `rest`.
pub fn workspace(url: &str, rest: &str) -> String {
    format!(
        "embedder: hashed-ngrams\nendpoints:\n  model:\n    type: openai\n    base_url: {url}\n    model: test-model\n    timeout: 10s\n    max_retries: 1\n{rest}"
    )
}

/// A suite over `dataset` with an exact scorer.
pub fn suite(dataset: &str, gates: &str) -> String {
    format!("dataset: {dataset}\nendpoints: [model]\nscorers: [{{type: exact}}]\n{gates}")
}

/// A server that always answers correctly.
pub fn wise_server() -> Server {
    Server::answering(right)
}

/// Topics of the golden set made by [`decayed`].
pub const TOPICS: [&str; 5] = ["alpine", "bakery", "cinema", "desert", "engine"];

/// The topic without traffic in August.
pub const VANISHED: &str = "engine";

/// The topic that appears only in August's traffic.
pub const EMERGED: &str = "fjords";

/// Number of examples per topic.
pub const EXAMPLES: usize = 12;

/// A workspace in which a set of five topics represented all traffic in June; in August, a new topic with a quarter of
/// the traffic has replaced one of them. `decay` is the section of that name in `karat.yaml`.
pub fn decayed(url: &str, decay: &str) -> Folder {
    let folder = Folder::new();
    let section = if decay.is_empty() { String::new() } else { format!("decay:\n{decay}") };
    folder.write("karat.yaml", &workspace(url, &section));
    folder.write(
        "datasets/topics/dataset.yaml",
        "labels: [alpine, bakery, cinema, desert, engine]\ntraffic: site\nreference: 2026-06\n",
    );
    folder.write("datasets/topics/examples.jsonl", &golden());
    folder.write("suites/topics.yaml", &suite("topics", "gates:\n  - min: 0.8\n"));
    folder.write("traffic/june.jsonl", &month("2026-06", &TOPICS.map(|topic| (topic, 60))));
    let august = [("alpine", 57), ("bakery", 56), ("cinema", 56), ("desert", 56), (EMERGED, 75)];
    folder.write("traffic/august.jsonl", &month("2026-08", &august));
    folder
}

/// The database of [`decayed`] with both months imported and August measured. Created once, because clustering takes
/// most of the time of a measurement.
static MEASURED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = decayed(&nowhere(), "");
    import_months(&folder);
    folder.karat(&AUGUST).expect(0);
    std::fs::read(folder.path(".karat/karat.db")).unwrap()
});

/// [`decayed`] with both months imported and August measured.
pub fn measured(url: &str, decay: &str) -> Folder {
    let folder = decayed(url, decay);
    std::fs::create_dir(folder.path(".karat")).unwrap();
    std::fs::write(folder.path(".karat/karat.db"), &*MEASURED).unwrap();
    folder
}

/// Imports the traffic written by [`decayed`].
pub fn import_months(folder: &Folder) {
    folder.karat(&["traffic", "import", "traffic/june.jsonl", "traffic/august.jsonl", "--source", "site"]).expect(0);
}

/// The arguments to measure August as of its end.
pub const AUGUST: [&str; 6] = ["decay", "topics", "--window", "2026-08", "--now", "2026-09-01"];

fn golden() -> String {
    let mut draws = Draws(1);
    let mut text = String::new();
    for topic in TOPICS {
        for number in 0..EXAMPLES {
            let row = json!({
                "id": format!("{topic}-{number:02}"), "input": draws.sentence(topic), "expected": topic, "reviewed_at": "2026-06-30",
            });
            text.push_str(&format!("{row}\n"));
        }
    }
    text
}

/// A month of traffic with topics in `shares`, about one record per hour, from 90 users.
fn month(month: &str, shares: &[(&str, usize)]) -> String {
    let mut draws = Draws(u64::from(month.as_bytes()[6]));
    let mut text = String::new();
    let requests = shares.iter().flat_map(|(topic, count)| (0..*count).map(move |_| *topic));
    for (number, topic) in requests.enumerate() {
        let (day, hour) = (number % 28 + 1, number / 28);
        let row = json!({
            "id": format!("{month}-{number:04}"),
            "text": draws.sentence(topic),
            "time": format!("{month}-{day:02}T{hour:02}:00:00Z"),
            "user": format!("user-{}", draws.below(90)),
        });
        text.push_str(&format!("{row}\n"));
    }
    text
}

/// Reproducible random numbers (Knuth's MMIX generator).
pub struct Draws(pub u64);

impl Draws {
    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }

    /// Six of a topic's 24 words, which no other topic has.
    pub fn sentence(&mut self, topic: &str) -> String {
        let words: Vec<String> = (0..6).map(|_| self.below(24)).map(|number| word(topic, number)).collect();
        words.join(" ")
    }
}

/// A word of a topic, with letters in an order specific to it, so that topics share few n-grams.
fn word(topic: &str, number: usize) -> String {
    let letters: Vec<char> = topic.chars().collect();
    let mut draws = Draws(
        topic.bytes().fold(number as u64 + 17, |seed, byte| seed.wrapping_mul(131).wrapping_add(u64::from(byte))),
    );
    draws.below(2);
    let vowels = ['a', 'e', 'i', 'o', 'u'];
    let syllable = |draws: &mut Draws| format!("{}{}", letters[draws.below(letters.len())], vowels[draws.below(5)]);
    let body: String = (0..3).map(|_| syllable(&mut draws)).collect();
    // The first letters of the topic make its words similar; the number makes them different.
    format!("{}{body}{}", &topic[..2], char::from(b'a' + (number % 24) as u8))
}
