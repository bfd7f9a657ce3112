//! Slices: parts of the golden set whose scores are reported apart, and clusters of examples that are alike.

use std::collections::{BTreeMap, HashMap};

use crate::core::domain::{Example, SliceBy, SliceFamily};
use crate::core::shift::language_above;

/// Largest number of slices of a family; the largest ones are reported.
const MOST_PER_FAMILY: usize = 50;

/// Confidence from which the language of a text counts as recognized.
const RECOGNIZED: f64 = 0.9;

/// Upper limits of the bands of length, in characters, with their names.
const BANDS: [(usize, &str); 3] =
    [(100, "under 100 characters"), (500, "100–499 characters"), (2000, "500–1,999 characters")];

/// The name of the last band.
const LONGEST: &str = "2,000 characters or more";

/// One slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Family and value, such as `tag=billing`.
    pub name: String,
    /// Whether it must meet the gates on its own.
    pub critical: bool,
    /// Number of examples in it.
    pub size: usize,
}

/// The slices of a golden set, and the slices that each example is in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slices {
    /// The slices, by family and then by size, the largest first.
    pub slices: Vec<Slice>,
    members: HashMap<String, Vec<usize>>,
}

impl Slices {
    /// Forms the slices of `families`, and those that `wanted` names, which are never left out. `clusters` names the
    /// cluster of traffic of examples, by example id.
    pub fn new<'a>(
        examples: impl IntoIterator<Item = &'a Example>,
        families: &[SliceFamily],
        wanted: &[&str],
        clusters: &HashMap<String, String>,
    ) -> Self {
        let mut all: Vec<SliceFamily> = families.to_vec();
        for name in wanted {
            let by = SliceBy::from(name.split('=').next().unwrap_or_default().to_owned());
            if !all.iter().any(|family| family.by == by) {
                all.push(SliceFamily { by, critical: Vec::new() });
            }
        }
        let mut found: Vec<BTreeMap<String, Vec<String>>> = vec![BTreeMap::new(); all.len()];
        for example in examples {
            for (family, values) in all.iter().zip(&mut found) {
                for value in values_of(&family.by, example, clusters) {
                    values.entry(value).or_default().push(example.id.clone());
                }
            }
        }
        let listed = |family: &SliceFamily| families.iter().any(|one| one.by == family.by);
        let mut result = Self::default();
        for (family, values) in all.iter().zip(found) {
            let most = if listed(family) { MOST_PER_FAMILY } else { 0 };
            result.add(family, values, most, wanted);
        }
        result
    }

    fn add(&mut self, family: &SliceFamily, values: BTreeMap<String, Vec<String>>, most: usize, wanted: &[&str]) {
        let mut values: Vec<(String, Vec<String>)> = values.into_iter().collect();
        values.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then_with(|| a.0.cmp(&b.0)));
        for (place, (value, ids)) in values.into_iter().enumerate() {
            let name = format!("{}={value}", family.by.name());
            let critical = family.critical.iter().any(|wanted| is_named(&value, wanted, &family.by));
            let asked = wanted.iter().any(|wanted| {
                wanted
                    .split_once('=')
                    .is_some_and(|(by, wanted)| by == family.by.name() && is_named(&value, wanted, &family.by))
            });
            if place >= most && !critical && !asked {
                continue;
            }
            for id in &ids {
                self.members.entry(id.clone()).or_default().push(self.slices.len());
            }
            self.slices.push(Slice { name, critical, size: ids.len() });
        }
        // A critical slice that no example is in cannot meet its gates, and must not go unnoticed.
        for value in &family.critical {
            let name = format!("{}={value}", family.by.name());
            if self.find(&name).is_none() {
                self.slices.push(Slice { name, critical: true, size: 0 });
            }
        }
    }

    /// Indices of the slices that an example is in.
    pub fn of(&self, example_id: &str) -> &[usize] {
        self.members.get(example_id).map(Vec::as_slice).unwrap_or_default()
    }

    /// A note for every family that no example has, such as one by a misspelled field.
    pub fn notes(&self, families: &[SliceFamily]) -> Vec<String> {
        let has = |name: &str| {
            let mut filled = self.slices.iter().filter(|slice| slice.size > 0);
            filled.any(|slice| slice.name.split_once('=').is_some_and(|(by, _)| by == name))
        };
        let empty = families.iter().map(|family| &family.by).filter(|by| !has(by.name()));
        empty.map(|by| format!("there are no slices by {0}: no example has {1}", by.name(), what(by))).collect()
    }

    /// The index of the slice with this name; a cluster may be named by its id alone.
    pub fn find(&self, name: &str) -> Option<usize> {
        let (by, wanted) = name.split_once('=')?;
        let family = SliceBy::from(by.to_owned());
        let is_it = |slice: &Slice| {
            slice
                .name
                .split_once('=')
                .is_some_and(|(by, value)| by == family.name() && is_named(value, wanted, &family))
        };
        self.slices.iter().position(is_it)
    }
}

/// Whether a value is meant by a name in a suite. The value of a cluster is its id and its name.
fn is_named(value: &str, wanted: &str, by: &SliceBy) -> bool {
    value == wanted || (*by == SliceBy::Cluster && value.split(' ').next() == Some(wanted))
}

/// A field in a sentence, and what provides it if that is not the golden set.
fn what(by: &SliceBy) -> String {
    match by {
        SliceBy::Cluster => "a cluster of traffic yet (`karat decay` finds them)".to_owned(),
        SliceBy::Metadata(key) => format!("the metadata field {key}"),
        by => format!("a {}", by.name()),
    }
}

/// The note for a field that was meant to form clusters of examples, but does not.
pub fn no_clusters(by: &SliceBy) -> String {
    format!("no two examples share {}, so every example counts on its own", what(by))
}

/// The values of an example in a family; none if it has no such field.
fn values_of(by: &SliceBy, example: &Example, clusters: &HashMap<String, String>) -> Vec<String> {
    let one = |value: Option<String>| value.into_iter().collect();
    match by {
        SliceBy::Tag => example.tags.clone(),
        SliceBy::Source => one(example.source.clone()),
        SliceBy::Label => one(example.expected_texts().into_iter().next()),
        SliceBy::Critical => vec![if example.critical { "yes" } else { "no" }.to_owned()],
        SliceBy::Length => vec![band(example.text().chars().count()).to_owned()],
        SliceBy::Language => vec![language_above(RECOGNIZED, &example.text())],
        SliceBy::Cluster => one(clusters.get(&example.id).cloned()),
        SliceBy::Metadata(key) => match example.metadata.get(key) {
            None | Some(serde_json::Value::Null) => Vec::new(),
            Some(serde_json::Value::String(text)) => vec![text.clone()],
            Some(serde_json::Value::Array(items)) => {
                items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect()
            }
            Some(other) => vec![other.to_string()],
        },
    }
}

fn band(characters: usize) -> &'static str {
    BANDS.iter().find(|(limit, _)| characters < *limit).map_or(LONGEST, |(_, name)| name)
}

/// Numbers of the clusters that examples belong to by a field, by example id. An example without the field is a cluster of
/// its own. `None` if no two examples share a cluster.
pub fn example_clusters<'a>(
    examples: impl IntoIterator<Item = &'a Example>,
    by: &SliceBy,
    traffic: &HashMap<String, String>,
) -> Option<HashMap<String, usize>> {
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let (mut next, mut shared) = (0, false);
    let mut clusters = HashMap::new();
    for example in examples {
        let number = match values_of(by, example, traffic).into_iter().next() {
            Some(value) => match numbers.get(&value) {
                Some(number) => {
                    shared = true;
                    *number
                }
                None => {
                    numbers.insert(value, next);
                    next
                }
            },
            None => next,
        };
        next = next.max(number + 1);
        clusters.insert(example.id.clone(), number);
    }
    shared.then_some(clusters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::golden::example_from_row;
    use serde_json::json;

    fn examples() -> Vec<Example> {
        let rows = [
            json!({"id": "a", "input": "where is my card", "label": "card", "tags": ["x", "y"], "metadata": {"lang": "en", "template": 1}}),
            json!({"id": "b", "input": "x".repeat(150), "label": "card", "tags": ["x"], "metadata": {"lang": "de", "template": 1}}),
            json!({"id": "c", "input": "my pin", "label": "pin", "metadata": {"lang": ["en", "de"]}, "critical": true}),
        ];
        rows.into_iter().map(|row| example_from_row(1, row.as_object().unwrap().clone()).unwrap()).collect()
    }

    fn names(families: &[(SliceBy, &[&str])], wanted: &[&str]) -> Vec<String> {
        let families: Vec<SliceFamily> = families
            .iter()
            .map(|(by, critical)| SliceFamily {
                by: by.clone(),
                critical: critical.iter().map(|c| (*c).to_owned()).collect(),
            })
            .collect();
        let slices = Slices::new(&examples(), &families, wanted, &HashMap::new());
        slices
            .slices
            .iter()
            .map(|s| format!("{} {}{}", s.name, s.size, if s.critical { " critical" } else { "" }))
            .collect()
    }

    #[test]
    fn slices_come_from_tags_labels_length_and_metadata() {
        assert_eq!(names(&[(SliceBy::Tag, &["y"])], &[]), ["tag=x 2", "tag=y 1 critical"]);
        assert_eq!(names(&[(SliceBy::Label, &[])], &[]), ["label=card 2", "label=pin 1"]);
        assert_eq!(names(&[(SliceBy::Metadata("lang".into()), &[])], &[]), ["lang=de 2", "lang=en 2"]);
        assert_eq!(
            names(&[(SliceBy::Length, &[])], &[]),
            ["length=under 100 characters 2", "length=100–499 characters 1"]
        );
        assert_eq!(names(&[(SliceBy::Critical, &[])], &[]), ["critical=no 2", "critical=yes 1"]);
    }

    #[test]
    fn critical_slices_and_families_without_examples_are_not_lost() {
        assert_eq!(names(&[(SliceBy::Tag, &["z"])], &[]), ["tag=x 2", "tag=y 1", "tag=z 0 critical"]);
        let families = [SliceBy::Tag, SliceBy::Metadata("langauge".into())];
        let families = families.map(|by| SliceFamily { by, critical: vec!["de".into()] });
        let slices = Slices::new(&examples(), &families, &[], &HashMap::new());
        let note = "there are no slices by langauge: no example has the metadata field langauge";
        assert_eq!(slices.notes(&families), [note]);
    }

    #[test]
    fn a_slice_that_a_gate_names_is_formed_without_its_family() {
        assert_eq!(names(&[], &["tag=y"]), ["tag=y 1"]);
        assert_eq!(names(&[(SliceBy::Label, &[])], &["lang=de"]), ["label=card 2", "label=pin 1", "lang=de 2"]);
    }

    #[test]
    fn the_members_of_a_slice_are_known() {
        let slices =
            Slices::new(&examples(), &[SliceFamily { by: SliceBy::Tag, critical: vec![] }], &[], &HashMap::new());
        assert_eq!((slices.of("a"), slices.of("b"), slices.of("c")), (&[0, 1][..], &[0][..], &[][..]));
        assert_eq!(slices.find("tag=y"), Some(1));
    }

    #[test]
    fn examples_of_one_template_are_one_cluster_and_those_without_are_alone() {
        let clusters = example_clusters(&examples(), &SliceBy::Metadata("template".into()), &HashMap::new()).unwrap();
        assert_eq!(clusters["a"], clusters["b"]);
        assert_ne!(clusters["a"], clusters["c"]);
        assert_eq!(example_clusters(&examples(), &SliceBy::Metadata("none".into()), &HashMap::new()), None);
    }
}
