//! How many answers a second each scorer scores on one core, written as JSON for `benches/scoring/run.py`.
//!
//! ```text
//! cargo run --release --example scoring_speed [FILE]
//! ```
//!
//! Without a file, it scores short answers about a support desk; with one, the texts of a JSONL file (field `text`), each
//! against the text after it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a benchmark may panic")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use karat::embed::{Builtin, Embedder};
use karat::scoring::{Answer, CompiledScorers, Example, Scorer, ScorerKind, example_from_row};
use karat::vector::dot;
use serde_json::{Value, json};

/// How long each scorer is measured, after a tenth of that as a warm-up.
const MEASURED: Duration = Duration::from_millis(1500);

const SUBJECTS: [&str; 6] = ["parcel", "refund", "invoice", "password", "subscription", "gift card"];

/// Answers with their examples.
struct Material {
    answers: Vec<String>,
    examples: Vec<Example>,
}

fn example(expected: Value) -> Example {
    let row = json!({"id": "e", "input": "Where is my order?", "expected": expected});
    example_from_row(1, row.as_object().unwrap().clone()).unwrap()
}

/// Answers of about twenty words, each with an accepted answer that shares most of them.
fn texts(file: Option<&str>) -> Material {
    if let Some(file) = file {
        let text = std::fs::read_to_string(file).unwrap();
        let texts: Vec<String> = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok()?.get("text")?.as_str().map(str::to_owned))
            .take(2000)
            .collect();
        let examples = (0..texts.len()).map(|at| example(json!(texts[(at + 1) % texts.len()])));
        return Material { examples: examples.collect(), answers: texts };
    }
    let answer = |number: usize| {
        let subject = SUBJECTS[number % SUBJECTS.len()];
        format!(
            "Your {subject} number {number} was sent on Monday, and it should reach you within {} working days at the latest.",
            number % 9 + 2
        )
    };
    let accepted = |number: usize| {
        let subject = SUBJECTS[number % SUBJECTS.len()];
        format!("The {subject} with the number {number} left on Monday and reaches you within {} days.", number % 7 + 2)
    };
    Material {
        answers: (0..2000).map(answer).collect(),
        examples: (0..2000).map(|number| example(json!(accepted(number)))).collect(),
    }
}

/// Orders as JSON.
fn orders() -> Material {
    let order = |number: usize| {
        json!({
            "id": format!("o-{number}"), "customer": {"name": "Mia", "city": "Paris"}, "paid": number.is_multiple_of(2),
            "items": [{"sku": "a-1", "price": 12.5, "count": number % 5}, {"sku": "b-2", "price": 3.0, "count": 1}],
        })
    };
    let answers: Vec<String> = (0..2000).map(|number| order(number).to_string()).collect();
    let examples = (0..2000).map(|number| example(order(number + number % 2)));
    Material { examples: examples.collect(), answers }
}

/// Scored answers a second on one core.
fn rate(material: &Material, mut score: impl FnMut(&str, &Example)) -> f64 {
    let mut run = |span: Duration| {
        let (started, mut count) = (Instant::now(), 0_u64);
        while started.elapsed() < span {
            for (answer, example) in material.answers.iter().zip(&material.examples) {
                score(answer, example);
            }
            count += material.answers.len() as u64;
        }
        count as f64 / started.elapsed().as_secs_f64()
    };
    run(MEASURED / 10);
    run(MEASURED)
}

fn scorer_rate(material: &Material, settings: &Value) -> f64 {
    let kind: ScorerKind = serde_json::from_value(settings.clone()).unwrap();
    let compiled = CompiledScorers::compile(&[Scorer::new("s", kind)]).unwrap();
    rate(material, |answer, example| {
        black_box(compiled.score(&Answer::text(black_box(answer)), example, &[]));
    })
}

fn schema() -> Value {
    json!({
        "type": "object", "required": ["id", "customer", "items"],
        "properties": {
            "id": {"type": "string", "pattern": "^o-[0-9]+$"},
            "customer": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "minLength": 1}}},
            "paid": {"type": "boolean"},
            "items": {"type": "array", "minItems": 1, "items": {
                "type": "object", "required": ["sku", "price"],
                "properties": {"price": {"type": "number", "minimum": 0}, "count": {"type": "integer"}}
            }}
        }
    })
}

/// Similarity in the embedding space `fast`: the answer is embedded, the accepted answer's vector is remembered.
fn cosine_rates(material: &Material) -> (f64, f64) {
    let embedder = Builtin::new().unwrap();
    let accepted: Vec<Vec<f32>> = material
        .examples
        .iter()
        .map(|example| embedder.embed(&[&example.expected_texts().concat()]).unwrap().remove(0))
        .collect();
    let answers: Vec<Vec<f32>> =
        material.answers.iter().map(|answer| embedder.embed(&[answer]).unwrap().remove(0)).collect();
    let mut at = 0;
    let embedded = rate(material, |answer, _| {
        let vector = embedder.embed(&[black_box(answer)]).unwrap().remove(0);
        black_box(dot(&vector, &accepted[at % accepted.len()]));
        at += 1;
    });
    let mut at = 0;
    let vectors = rate(material, |_, _| {
        black_box(dot(black_box(&answers[at % answers.len()]), &accepted[at % accepted.len()]));
        at += 1;
    });
    (embedded, vectors)
}

fn main() {
    let file = std::env::args().nth(1);
    let texts = texts(file.as_deref());
    let orders = orders();
    let simple = [
        json!({"type": "exact"}),
        json!({"type": "contains"}),
        json!({"type": "contains_all", "values": ["monday", "days"]}),
        json!({"type": "starts_with", "value": "Your"}),
        json!({"type": "one_of", "values": ["yes", "no", "unknown"]}),
        json!({"type": "regex", "pattern": "[0-9]+ working days"}),
        json!({"type": "numeric"}),
        json!({"type": "word_count", "max": 40}),
        json!({"type": "sentence_count", "max": 3}),
        json!({"type": "length", "max": 280}),
        json!({"type": "refusal"}),
        json!({"type": "levenshtein"}),
        json!({"type": "token_f1"}),
        json!({"type": "rouge_l"}),
        json!({"type": "rouge_n", "n": 2}),
        json!({"type": "bleu"}),
        json!({"type": "gleu"}),
        json!({"type": "chrf"}),
        json!({"type": "no_pii"}),
        json!({"type": "expression", "expression": "output | length < 280"}),
    ];
    let structured = [
        json!({"type": "is_json"}),
        json!({"type": "json_schema", "schema": schema()}),
        json!({"type": "json_path", "path": "customer.city"}),
        json!({"type": "json_equal"}),
        json!({"type": "json_fields"}),
    ];
    let mut rates: Vec<(String, f64)> = Vec::new();
    for (material, kinds) in [(&texts, simple.as_slice()), (&orders, structured.as_slice())] {
        for settings in kinds {
            rates.push((settings["type"].as_str().unwrap().to_owned(), scorer_rate(material, settings)));
        }
    }
    let (embedded, vectors) = cosine_rates(&texts);
    rates.extend([
        ("cosine (space fast, embedding the answer)".to_owned(), embedded),
        ("cosine of vectors".to_owned(), vectors),
    ]);
    let words: usize = texts.answers.iter().map(|answer| answer.split_whitespace().count()).sum();
    let rates: serde_json::Map<String, Value> =
        rates.into_iter().map(|(name, rate)| (name, json!(rate.round()))).collect();
    println!("{}", json!({"words_per_answer": words as f64 / texts.answers.len() as f64, "per_second": rates}));
}
