//! The names of labels, as `dataset_info.json` or the front matter of `README.md` lists them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use super::super::records::extension;
use crate::edge::parquet;
use crate::edge::yaml::Document;

/// Maximum size of a file that describes a data set, in bytes.
const MAX_INFO: u64 = 8 << 20;

/// The names of labels by column, in the order of their numbers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Labels(BTreeMap<String, Vec<String>>);

impl Labels {
    /// The names of labels for a file of rows: from the file itself if it is Parquet, or else from the files in its
    /// folder and in the two above.
    pub(super) fn beside(file: &Path) -> Self {
        let own = File::open(file).ok().filter(|_| extension(file) == "parquet");
        let own = own.and_then(|file| parquet::metadata_value(&file, "huggingface").ok().flatten());
        let own = own.and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let found = own.and_then(|own| own.get("info").map(Self::of_info)).unwrap_or_default();
        if !found.0.is_empty() {
            return found;
        }
        let absolute = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        let folders: Vec<&Path> = absolute.ancestors().skip(1).take(3).collect();
        let names: Vec<String> =
            folders.iter().filter_map(|folder| Some(folder.file_name()?.to_string_lossy().into_owned())).collect();
        folders.iter().map(|folder| Self::of_folder(folder, &names)).find(Self::is_found).unwrap_or_default()
    }

    fn is_found(&self) -> bool {
        !self.0.is_empty()
    }

    /// From the files in a folder. Of several configurations, the one is meant that has the name of a folder of the
    /// rows.
    fn of_folder(folder: &Path, names: &[String]) -> Self {
        let json = |name: &str| text(&folder.join(name)).and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let info = json("dataset_info.json").map(|info| Self::of_info(&info));
        // The older file lists configurations by name.
        let of_infos = |infos: Value| {
            let infos = infos.as_object()?;
            let only = infos.values().next().filter(|_| infos.len() == 1);
            only.or_else(|| names.iter().find_map(|name| infos.get(name))).map(Self::of_info)
        };
        let infos = || json("dataset_infos.json").and_then(of_infos);
        let card = || text(&folder.join("README.md")).map(|text| Self::of_card(&text, names));
        info.filter(Self::is_found)
            .or_else(|| infos().filter(Self::is_found))
            .or_else(|| card().filter(Self::is_found))
            .unwrap_or_default()
    }

    /// From `dataset_info.json`: features by name.
    fn of_info(info: &Value) -> Self {
        let Some(features) = info.get("features").and_then(Value::as_object) else { return Self::default() };
        let named = features.iter().filter_map(|(column, feature)| {
            // A list of labels has the feature of each within its own.
            let feature = feature.get("feature").unwrap_or(feature);
            let is_label = feature.get("_type").and_then(Value::as_str) == Some("ClassLabel");
            let names = feature.get("names").filter(|_| is_label)?.as_array()?;
            Some((column.clone(), names.iter().filter_map(Value::as_str).map(str::to_owned).collect()))
        });
        Self(named.collect())
    }

    /// From a `README.md`: a list of features under `dataset_info` in its front matter.
    fn of_card(text: &str, names: &[String]) -> Self {
        let Some(card) = front_matter(text) else { return Self::default() };
        let infos = match card.get("dataset_info") {
            Some(Value::Array(infos)) => infos.clone(),
            other => other.cloned().into_iter().collect(),
        };
        let is_meant = |info: &&Value| {
            let name = info.get("config_name").and_then(Value::as_str);
            infos.len() == 1 || name.is_some_and(|name| names.iter().any(|folder| folder == name))
        };
        let Some(info) = infos.iter().find(is_meant) else { return Self::default() };
        let features = info.get("features").and_then(Value::as_array).cloned().unwrap_or_default();
        let named = features.iter().filter_map(|feature| {
            let column = feature.get("name")?.as_str()?;
            let r#type = ["dtype", "list", "sequence"].iter().find_map(|key| feature.get(*key)?.get("class_label"))?;
            Some((column.to_owned(), in_order(r#type.get("names")?)))
        });
        Self(named.collect())
    }

    /// The name of a label that is given as a number.
    pub(super) fn name(&self, column: &str, number: i64) -> Option<&str> {
        let names = self.0.get(column)?;
        names.get(usize::try_from(number).ok()?).map(String::as_str)
    }

    /// Whether a column has named labels.
    pub(super) fn has(&self, column: &str) -> bool {
        self.0.contains_key(column)
    }

    /// All names of a column.
    pub(super) fn of(&self, column: &str) -> Option<&Vec<String>> {
        self.0.get(column)
    }
}

/// The licence that the `README.md` beside a file names.
pub(super) fn license(file: &Path) -> Option<String> {
    let absolute = fs::canonicalize(file).ok()?;
    let cards = absolute.ancestors().skip(1).take(3).filter_map(|folder| text(&folder.join("README.md")));
    let license = cards.filter_map(|text| front_matter(&text)?.get("license").cloned()).next()?;
    let names = match license {
        Value::Array(names) => names,
        one => vec![one],
    };
    let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// The settings at the beginning of a card.
fn front_matter(text: &str) -> Option<Value> {
    let front = text.trim_start_matches('\u{feff}').strip_prefix("---")?.split_once("\n---")?.0;
    Document::parse(front.to_owned(), Path::new("README.md")).ok()?.root().read().ok()
}

/// Names in a list, or by number: `'0': negative`.
fn in_order(names: &Value) -> Vec<String> {
    let shown = |name: &Value| name.as_str().map_or_else(|| name.to_string(), str::to_owned);
    match names {
        Value::Array(items) => items.iter().map(shown).collect(),
        Value::Object(fields) => {
            let mut numbered: Vec<(u64, String)> =
                fields.iter().filter_map(|(number, name)| Some((number.parse().ok()?, shown(name)))).collect();
            numbered.sort();
            numbered.into_iter().map(|(_, name)| name).collect()
        }
        _ => Vec::new(),
    }
}

fn text(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(MAX_INFO).read_to_string(&mut text).ok()?;
    Some(text)
}
