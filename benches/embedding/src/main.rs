//! Measures the texts per second of the embedders in the binary, compared with model2vec-rs on a Model2Vec folder, in one run.
//!
//!     cargo run --release --manifest-path benches/embedding/Cargo.toml -- MODEL2VEC_FOLDER TEXTS.jsonl

use std::time::Instant;

use karat::embed::Embedder;
use karat::embed::{Builtin, Minilm, Model2Vec};
use model2vec_rs::model::StaticModel;

/// Number of runs of each, of which the fastest counts.
const RUNS: usize = 7;

/// Number of texts for the sentence transformer, which is much slower.
const FEW: usize = 4_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(file)) = (arguments.next(), arguments.next()) else {
        panic!("usage: embedding-speed MODEL2VEC_FOLDER TEXTS.jsonl");
    };
    let lines = std::fs::read_to_string(file).expect("a file of texts");
    let texts: Vec<String> = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["text"].as_str().expect("text").to_owned())
        .collect();
    let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
    let peer = StaticModel::from_pretrained(&folder, None, Some(true), None).expect("a Model2Vec folder");
    let builtin = Builtin::new().expect("the built-in table");
    let minilm = Minilm::new().expect("the sentence transformer");
    let few = &borrowed[..borrowed.len().min(FEW)];
    let same = Model2Vec::open(folder.as_ref()).expect("a Model2Vec folder");
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let ways: [(&str, &(dyn Fn() -> usize + Sync)); 3] = [
            ("model2vec-rs", &|| peer.encode(&texts).len()),
            ("karat, that folder", &|| same.embed(&borrowed).expect("vectors").len()),
            ("karat, built-in", &|| builtin.embed(&borrowed).expect("vectors").len()),
        ];
        let mut best = [f64::INFINITY; 3];
        for _ in 0..RUNS {
            for ((_, way), best) in ways.iter().zip(&mut best) {
                let started = Instant::now();
                let count = pool.install(way);
                assert_eq!(count, texts.len());
                *best = best.min(started.elapsed().as_secs_f64());
            }
        }
        for ((name, _), seconds) in ways.iter().zip(best) {
            let rate = texts.len() as f64 / seconds;
            println!("{threads} threads  {name:20} {rate:>9.0} texts/s  {:.2} × model2vec-rs", best[0] / seconds);
        }
        let seconds = (0..RUNS).map(|_| {
            let started = Instant::now();
            assert_eq!(pool.install(|| minilm.embed(few)).expect("vectors").len(), few.len());
            started.elapsed().as_secs_f64()
        });
        let rate = few.len() as f64 / seconds.fold(f64::INFINITY, f64::min);
        println!("{threads} threads  {:20} {rate:>9.0} texts/s", "karat, minilm");
    }
}
