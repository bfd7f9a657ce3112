//! A labelled file, and vectors of its texts.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Mutex;

use karat::embed::Embedder;
use karat::embed::{Builtin, HashedNgrams, Minilm};
use karat::vector::Vectors;
use serde::Deserialize;

use crate::variants::Variant;

/// One row of the file; other columns are ignored.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    /// The text of the request.
    pub text: String,
    /// The intent of the request.
    pub intent: String,
    /// The part of the file that it belongs to, if the file says so.
    #[serde(default)]
    pub split: Option<String>,
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

/// The rows of a file by intent.
pub struct Corpus {
    /// Rows of each intent, sorted by its name.
    pub intents: Vec<Vec<usize>>,
    /// The intent of each row.
    pub intent_of: Vec<usize>,
    /// For each row, whether it belongs to the largest split; `None` if the rows are not split.
    pub main_split: Option<Vec<bool>>,
}

impl Corpus {
    /// Groups the rows.
    pub fn of(rows: &[(usize, Row)]) -> Self {
        let mut intents: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        rows.iter().enumerate().for_each(|(at, (_, row))| intents.entry(&row.intent).or_default().push(at));
        let intents: Vec<Vec<usize>> = intents.into_values().collect();
        let mut intent_of = vec![0; rows.len()];
        for (intent, rows) in intents.iter().enumerate() {
            rows.iter().for_each(|row| intent_of[*row] = intent);
        }
        Self { intents, intent_of, main_split: main_split(rows) }
    }
}

fn main_split(rows: &[(usize, Row)]) -> Option<Vec<bool>> {
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, row) in rows {
        *sizes.entry(row.split.as_deref()?).or_default() += 1;
    }
    let (main, _) = sizes.iter().max_by_key(|(name, size)| (**size, std::cmp::Reverse(**name)))?;
    (sizes.len() > 1).then(|| rows.iter().map(|(_, row)| row.split.as_deref() == Some(main)).collect())
}

/// The texts of a variant and their vectors.
pub struct Texts {
    /// The texts.
    pub texts: Vec<String>,
    /// One row per text.
    pub vectors: Vectors,
}

/// The texts and vectors of every variant that is needed and available, in the order of the rows.
pub struct EmbeddingSpace {
    /// The name of the space.
    pub name: String,
    variants: BTreeMap<Variant, Texts>,
    /// The embedder, and the vectors of texts that it embedded later; `None` if vectors were read from files.
    embedder: Option<(Box<dyn Embedder>, Mutex<StoredVectors>)>,
}

/// Vectors by text.
type StoredVectors = HashMap<String, Vec<f32>>;

/// Maximum number of vectors that are stored for later: about 500 MB.
const MAX_STORED: usize = 300_000;

impl EmbeddingSpace {
    /// Embeds in `minilm`, `fast` or `hashed-ngrams`, or reads `file:VECTORS.npy` with one row of 32-bit floats per row of the
    /// file, and other variants from the folder `variants`, where a file may be missing.
    pub fn open(
        name: &str,
        rows: &[(usize, Row)],
        needed: &[Variant],
        variants: Option<&Path>,
    ) -> Result<Self, Box<dyn Error>> {
        let needed = || [&Variant::Plain].into_iter().chain(needed);
        let mut found = BTreeMap::new();
        if let Some(plain) = name.strip_prefix("file:") {
            for &variant in needed() {
                let of_variant = || variants.map(|folder| folder.join(format!("{}.npy", variant.name())));
                let path = if variant == Variant::Plain { Some(plain.into()) } else { of_variant() };
                if let Some(path) = path.filter(|path| variant == Variant::Plain || path.exists()) {
                    let texts = variant.texts(rows);
                    let vectors = npy(&path, &texts).map_err(|problem| format!("{}: {problem}", path.display()))?;
                    found.insert(variant, Texts::new(texts, vectors));
                }
            }
            return Ok(Self { name: name.to_owned(), variants: found, embedder: None });
        }
        let embedder: Box<dyn Embedder> = match name {
            "minilm" => Box::new(Minilm::new().map_err(|failure| failure.to_string())?),
            "fast" | "builtin" => Box::new(Builtin::new().map_err(|failure| failure.to_string())?),
            "hashed-ngrams" => Box::new(HashedNgrams),
            _ => {
                let known = "`minilm`, `fast`, `hashed-ngrams` or `file:VECTORS.npy`";
                return Err(format!("unknown space \"{name}\"; the spaces are {known}").into());
            }
        };
        for &variant in needed() {
            let texts = variant.texts(rows);
            let vectors = embed(&*embedder, &texts)?;
            found.insert(variant, Texts::new(texts, vectors));
        }
        let name = embedder.space().to_owned();
        Ok(Self { name, variants: found, embedder: Some((embedder, Mutex::default())) })
    }

    /// Embeds other texts; `None` if vectors were read from files, or if the embedder fails.
    pub fn embed(&self, texts: &[&str]) -> Option<Vectors> {
        let (embedder, stored) = self.embedder.as_ref()?;
        let mut stored = stored.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let new: Vec<&str> = texts.iter().copied().filter(|text| !stored.contains_key(*text)).collect();
        if stored.len() + new.len() > MAX_STORED {
            stored.clear();
        }
        let missing: Vec<&str> = texts.iter().copied().filter(|text| !stored.contains_key(*text)).collect();
        let vectors = embedder.embed(&missing).ok()?;
        stored.extend(missing.into_iter().map(str::to_owned).zip(vectors));
        let mut found = Vectors::with_capacity(embedder.dim(), texts.len());
        texts.iter().for_each(|text| found.push(&stored[*text]));
        Some(found)
    }

    /// A variant; `None` if its vectors were not given.
    pub fn get(&self, variant: Variant) -> Option<&Texts> {
        self.variants.get(&variant)
    }
}

impl Texts {
    fn new(texts: Vec<(usize, String)>, vectors: Vectors) -> Self {
        Self { texts: texts.into_iter().map(|(_, text)| text).collect(), vectors }
    }
}

fn embed(embedder: &dyn Embedder, texts: &[(usize, String)]) -> Result<Vectors, Box<dyn Error>> {
    let texts: Vec<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
    let mut vectors = Vectors::with_capacity(embedder.dim(), texts.len());
    for row in embedder.embed(&texts).map_err(|failure| failure.to_string())? {
        vectors.push(&row);
    }
    Ok(vectors)
}

fn npy(path: &Path, rows: &[(usize, String)]) -> Result<Vectors, Box<dyn Error>> {
    let file = npyz::NpyFile::new(BufReader::new(File::open(path)?))?;
    let (length, dimension) = match file.shape() {
        [length, dimension] => (*length as usize, *dimension as usize),
        shape => return Err(format!("the array has the shape {shape:?}; one row per text is needed").into()),
    };
    let last = rows.iter().map(|(at, _)| *at).max().unwrap_or(0);
    if length <= last {
        return Err(format!("the array has {length} rows, but the texts have at least {}", last + 1).into());
    }
    let values: Vec<f32> = file.into_vec()?;
    let mut vectors = Vectors::with_capacity(dimension, rows.len());
    rows.iter().for_each(|(at, _)| vectors.push(&values[at * dimension..(at + 1) * dimension]));
    Ok(vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_split_is_the_main_one_and_one_split_is_none() {
        type Case = (&'static [Option<&'static str>], Option<Vec<bool>>);
        let cases: [Case; 5] = [
            (&[], None),
            (&[None, Some("a")], None),
            (&[Some("a"), Some("a")], None),
            (&[Some("b"), Some("a"), Some("b")], Some(vec![true, false, true])),
            (&[Some("b"), Some("a")], Some(vec![false, true])),
        ];
        for (splits, expected) in cases {
            let row = |split: &Option<&str>| Row { text: "t".into(), intent: "i".into(), split: split.map(Into::into) };
            let rows: Vec<(usize, Row)> = splits.iter().map(row).enumerate().collect();
            assert_eq!(Corpus::of(&rows).main_split, expected, "{splits:?}");
        }
    }
}
