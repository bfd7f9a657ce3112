//! A labelled file, and vectors of its texts.

use std::error::Error;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use karat::embed::Embedder;
use karat::embed::{Builtin, HashedNgrams, Minilm};
use karat::vector::Vectors;
use serde::Deserialize;

use crate::style::styled;

/// One row of the file; other columns are ignored.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    /// The text of the request.
    pub text: String,
    /// The intent of the request.
    pub intent: String,
}

/// Reads JSONL, or CSV if the name ends in `.csv`, without the rows whose intents are listed in `without`. Returns each
/// row with its number in the whole file.
pub fn read(path: &Path, without: &[String]) -> Result<Vec<(usize, Row)>, Box<dyn Error>> {
    let rows: Vec<Row> = if path.extension().is_some_and(|extension| extension == "csv") {
        csv::Reader::from_path(path)?.deserialize().collect::<Result<_, _>>()?
    } else {
        let text = std::fs::read_to_string(path)?;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        lines
            .map(|(at, line)| serde_json::from_str(line).map_err(|e| format!("{}:{}: {e}", path.display(), at + 1)))
            .collect::<Result<_, _>>()?
    };
    Ok(rows.into_iter().enumerate().filter(|(_, row)| !without.contains(&row.intent)).collect())
}

/// Vectors of the original texts, and of the texts changed by [`styled`], in the order of the rows.
pub struct EmbeddingSpace {
    /// The name of the space.
    pub name: String,
    /// Vectors of the original texts.
    pub plain: Vectors,
    /// Vectors of the restyled texts; `None` if vectors were read from a file and these were not given.
    pub styled: Option<Vectors>,
}

impl EmbeddingSpace {
    /// Embeds in `fast`, `minilm` or `hashed-ngrams`, or reads `file:VECTORS.npy` with one row of 32-bit floats per row of the
    /// file.
    pub fn open(name: &str, rows: &[(usize, Row)], styled_file: Option<&Path>) -> Result<Self, Box<dyn Error>> {
        let Some(path) = name.strip_prefix("file:") else {
            let embedder: Box<dyn Embedder> = match name {
                "fast" | "builtin" => Box::new(Builtin::new().map_err(|failure| failure.to_string())?),
                "minilm" => Box::new(Minilm::new().map_err(|failure| failure.to_string())?),
                "hashed-ngrams" => Box::new(HashedNgrams),
                _ => {
                    let known = "`fast`, `minilm`, `hashed-ngrams` or `file:VECTORS.npy`";
                    return Err(format!("unknown space \"{name}\"; the spaces are {known}").into());
                }
            };
            let plain: Vec<&str> = rows.iter().map(|(_, row)| row.text.as_str()).collect();
            let changed: Vec<String> = rows.iter().map(|(at, row)| styled(&row.text, *at)).collect();
            let changed: Vec<&str> = changed.iter().map(String::as_str).collect();
            return Ok(Self {
                name: embedder.space().to_owned(),
                plain: embed(&*embedder, &plain)?,
                styled: Some(embed(&*embedder, &changed)?),
            });
        };
        let load = |path: &Path| npy(path, rows).map_err(|problem| format!("{}: {problem}", path.display()));
        let styled = styled_file.map(load).transpose()?;
        Ok(Self { name: name.to_owned(), plain: load(Path::new(path))?, styled })
    }
}

fn embed(embedder: &dyn Embedder, texts: &[&str]) -> Result<Vectors, Box<dyn Error>> {
    let mut vectors = Vectors::with_capacity(embedder.dim(), texts.len());
    for row in embedder.embed(texts).map_err(|failure| failure.to_string())? {
        vectors.push(&row);
    }
    Ok(vectors)
}

fn npy(path: &Path, rows: &[(usize, Row)]) -> Result<Vectors, Box<dyn Error>> {
    let file = npyz::NpyFile::new(BufReader::new(File::open(path)?))?;
    let (length, dimension) = match file.shape() {
        [length, dimension] => (*length as usize, *dimension as usize),
        shape => return Err(format!("the array has the shape {shape:?}; one row per text is needed").into()),
    };
    let last = rows.iter().map(|(at, _)| *at).max().unwrap_or(0);
    if length <= last {
        return Err(format!("the array has {length} rows, but the file has at least {}", last + 1).into());
    }
    let values: Vec<f32> = file.into_vec()?;
    let mut vectors = Vectors::with_capacity(dimension, rows.len());
    rows.iter().for_each(|(at, _)| vectors.push(&values[at * dimension..(at + 1) * dimension]));
    Ok(vectors)
}
