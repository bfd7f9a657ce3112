//! Embeds the texts of a file in any embedding space and reports the speed; used to measure quality, parity and speed.
//!
//!     cargo run --release --example space_vectors -- SPACE TEXTS [OUT.npy] [--threads N]
//!
//! SPACE is `minilm`, `fast`, `hashed-ngrams`, `model2vec:FOLDER` or, with `--features bert`, `bert:FOLDER`. TEXTS is JSONL
//! with a field `text`, or one text per line. OUT contains one unit vector of 32-bit floats per text.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use karat::embed::{Embedder, TextRule};
use karat::embed::{EmbedderSettings, ModelSettings, open};
use karat::vector::Vectors;
use npyz::WriterBuilder;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--threads") {
        let threads = arguments.get(at + 1).ok_or("--threads needs a number")?.parse()?;
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
        arguments.drain(at..at + 2);
    }
    let [space, texts, rest @ ..] = arguments.as_slice() else {
        return Err("usage: space_vectors SPACE TEXTS [OUT.npy] [--threads N]".into());
    };
    let texts = read(Path::new(texts))?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let started = Instant::now();
    let settings =
        EmbedderSettings { model: model(space)?, prefix: String::new(), revision: None, text: TextRule::default() };
    let embedder = open(settings).map_err(|failure| failure.to_string())?;
    let opened = started.elapsed();
    let started = Instant::now();
    let rows = embedder.embed(&texts).map_err(|failure| failure.to_string())?;
    let took = started.elapsed();
    eprintln!(
        "{}: opened in {:.1} ms, {} texts in {:.3} s, {:.0} a second",
        embedder.space(),
        opened.as_secs_f64() * 1e3,
        texts.len(),
        took.as_secs_f64(),
        texts.len() as f64 / took.as_secs_f64()
    );
    if let Some(path) = rest.first() {
        let mut vectors = Vectors::with_capacity(embedder.dim(), rows.len());
        rows.iter().for_each(|row| vectors.push(row));
        write(Path::new(path), &vectors)?;
    }
    Ok(())
}

fn model(space: &str) -> Result<ModelSettings, Box<dyn Error>> {
    Ok(match space.split_once(':') {
        None if matches!(space, "fast" | "builtin") => ModelSettings::Builtin,
        None if space == "minilm" => ModelSettings::Minilm,
        None if space == "hashed-ngrams" => ModelSettings::HashedNgrams,
        Some(("model2vec", folder)) => ModelSettings::Model2Vec(folder.into()),
        Some(("bert", folder)) => ModelSettings::Bert(folder.into(), None),
        _ => return Err(format!("unknown space \"{space}\"").into()),
    })
}

fn read(path: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let content = std::fs::read_to_string(path)?;
    if path.extension().is_none_or(|extension| extension != "jsonl") {
        return Ok(content.lines().map(str::to_owned).collect());
    }
    let text = |line: &str| -> Result<String, Box<dyn Error>> {
        let row: serde_json::Value = serde_json::from_str(line)?;
        Ok(row.get("text").and_then(serde_json::Value::as_str).ok_or("a line has no \"text\"")?.to_owned())
    };
    content.lines().map(text).collect()
}

fn write(path: &Path, vectors: &Vectors) -> Result<(), Box<dyn Error>> {
    let file = std::io::BufWriter::new(std::fs::File::create(path)?);
    let shape = [vectors.len() as u64, vectors.dim() as u64];
    let mut out = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd()?;
    out.extend(vectors.as_slice().iter().copied())?;
    out.finish()?;
    Ok(())
}
