//! Measures the quality and speed of redaction: misses and false positives on the test corpus, and MB/s on made-up
//! traffic. `cargo run --release --example redaction`

use std::time::{Duration, Instant};

use karat::privacy::Redactor;

/// Rows with a text, its redaction (null if there is nothing to redact), and what each detector finds in it. A sign in
/// the middle of each key keeps it from being taken for a real one.
const CORPUS: &str = include_str!("../src/core/privacy/fixtures/redaction.json");

const PROSE: [&str; 6] = [
    "Where is the parcel I ordered last week? It was promised for 2026-09-14 and order 48213 still says \"packed\". ",
    "Thanks: the second invoice (€ 1.234,50) is paid, ratio 0.4532015112830366, see https://example.org/a?page=2&sort=key. ",
    "{\"id\": 4711, \"tokens\": 153, \"tags\": [\"late\", \"parcel\"], \"score\": 0.25, \"model\": \"m-1.2.3\"} ",
    "def login(user, password=None): return api.call(user, key=settings.key, timeout=30)  # std::fs::read ",
    "Ich möchte die Bestellung 1699999999 stornieren, bitte bestätigen Sie das bis 12:30 Uhr – danke! ",
    "我想知道我的订单什么时候到。Merci d'avance ; à bientôt, version 1.2.3.4 build 10.0.19041.1. ",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rows: Vec<(String, Option<String>, serde_json::Value)> = serde_json::from_str(&CORPUS.replace('\u{241F}', ""))?;
    let redactor = Redactor::new()?;
    let (mut misses, mut false_hits, mut others) = (0, 0, 0);
    for (text, expected, _) in &rows {
        let found = redactor.redact(text).text;
        let expected = expected.as_deref().unwrap_or(text);
        if found != expected {
            let count = match (found == *text, expected == text) {
                (true, _) => &mut misses,
                (_, true) => &mut false_hits,
                _ => &mut others,
            };
            *count += 1;
            println!("{text:?}: {found:?} instead of {expected:?}");
        }
    }
    println!("{} texts: {misses} missed, {false_hits} false positives, {others} redacted differently", rows.len());

    let prose = |repeats: usize| PROSE.concat().repeat(repeats);
    let secrets: String = rows.iter().map(|(text, _, _)| format!("{text}\n")).collect();
    let mixed: String = rows.iter().map(|(text, _, _)| format!("{}{text}\n", prose(1))).collect();
    for (name, text) in [("prose", prose(2000)), ("one secret in six sentences", mixed), ("only secrets", secrets)] {
        let texts: Vec<&str> = text.split_inclusive('\n').flat_map(chunks).collect();
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let begun = Instant::now();
            texts.iter().for_each(|text| drop(std::hint::black_box(redactor.redact(text))));
            best = best.min(begun.elapsed());
        }
        println!("{name}: {:.1} MB/s", text.len() as f64 / 1e6 / best.as_secs_f64());
    }
    let begun = Instant::now();
    drop(Redactor::new());
    println!("the patterns compile in {:.1} ms", begun.elapsed().as_secs_f64() * 1e3);
    Ok(())
}

/// Texts of about the length of requests.
fn chunks(text: &str) -> Vec<&str> {
    let mut chunks = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(rest.floor_char_boundary(600).max(rest.len().min(4)));
        chunks.push(chunk);
        rest = after;
    }
    chunks
}
