//! `source-changed`: a document that the answer depends on is no longer what it was when the answer was agreed on.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::domain::{
    Card, CardSource, Dataset, Example, ExampleStatus, Flag, HashKind, ReasonCode, Source, SourceHash, SourcePlace,
};

/// Score of an example of which only a source of the dataset's card changed: it may well not be about what changed.
const OF_CARD: f64 = 0.5;

/// Maximum number of sources named in evidence.
const NAMED: usize = 3;

/// The present hash of each document that could be read; `None` if there is no such file. Documents that are not in it were not
/// compared.
pub type PresentHashes = BTreeMap<(SourcePlace, HashKind), Option<SourceHash>>;

/// Every document that active examples depend on, with the function of its hash.
pub fn sources_of(dataset: &Dataset) -> BTreeSet<(SourcePlace, HashKind)> {
    let active = dataset.examples.iter().filter(|example| example.status == ExampleStatus::Active);
    let sources = active.flat_map(|example| &example.sources);
    let sources = sources.chain(dataset.card.sources.iter().map(|of_card| &of_card.source));
    sources.map(|source| (source.place.clone(), source.hash.kind)).collect()
}

/// Flags active examples with a source that changed or is missing. The score is 1, or 0.5 if it is a source of the card.
pub fn source_flags(dataset: &Dataset, present: &PresentHashes) -> Vec<Flag> {
    let active = dataset.examples.iter().filter(|example| example.status == ExampleStatus::Active);
    active.filter_map(|example| source_flag(example, &dataset.card, present)).collect()
}

fn source_flag(example: &Example, card: &Card, present: &PresentHashes) -> Option<Flag> {
    let own: Vec<Moved<'_>> = example.sources.iter().filter_map(|source| Moved::of(source, present)).collect();
    let of_card = card.sources.iter().filter(|source| source.applies(example));
    let of_card: Vec<Moved<'_>> = of_card.filter_map(|of| Moved::of(&of.source, present)).collect();
    let score = if own.is_empty() { OF_CARD } else { 1.0 };
    let fix = if own.is_empty() {
        "check the answer; once all such examples are checked, put the new hash into dataset.yaml"
    } else {
        "check the answer, and relabel it, which records the new hash, or replace the hash yourself"
    };
    let moved: Vec<Moved<'_>> = own.into_iter().chain(of_card).collect();
    let mut basis: Vec<String> = moved.iter().map(Moved::basis).collect();
    basis.sort();
    let said: Vec<String> = moved.iter().take(NAMED).map(Moved::said).collect();
    let more = moved.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    (!moved.is_empty()).then(|| Flag {
        example_id: example.id.clone(),
        code: ReasonCode::SourceChanged,
        score,
        threshold: OF_CARD,
        evidence: format!("{}{more}; to clear this, {fix}", said.join(", ")),
        basis: basis.join("\n"),
    })
}

/// A source that is not what it was.
struct Moved<'a> {
    source: &'a Source,
    /// Its hash now; `None` if it is missing.
    now: Option<&'a SourceHash>,
}

impl<'a> Moved<'a> {
    fn of(source: &'a Source, present: &'a PresentHashes) -> Option<Self> {
        let now = present.get(&(source.place.clone(), source.hash.kind))?.as_ref();
        let same = now.is_some_and(|now| source.hash.agrees(now) != Some(false));
        (!same).then_some(Self { source, now })
    }

    fn said(&self) -> String {
        let (name, then) = (self.source.place.name(), self.source.hash.shown());
        match self.now {
            Some(now) => format!("{name} changed from {then} to {}", now.shown()),
            None => format!("{name}, which was {then}, is missing"),
        }
    }

    fn basis(&self) -> String {
        format!("{}\t{}", self.source.place.name(), self.now.map(SourceHash::to_string).unwrap_or_default())
    }
}

impl CardSource {
    /// Whether the answer of the example depends on it.
    fn applies(&self, example: &Example) -> bool {
        let tagged = self.tags.iter().any(|tag| example.tags.contains(tag));
        let labelled =
            !self.labels.is_empty() && example.expected_texts().iter().any(|label| self.labels.contains(label));
        (self.tags.is_empty() && self.labels.is_empty()) || tagged || labelled
    }
}

/// The sources of an example with their present hashes, as long as those written before. Sources that are missing or were not
/// compared are unchanged.
pub fn with_present_hashes(sources: &[Source], present: &PresentHashes) -> Vec<Source> {
    let of = |source: &Source| {
        let now = present.get(&(source.place.clone(), source.hash.kind)).and_then(Option::as_ref);
        let hash = now.map_or_else(|| source.hash.clone(), |now| now.as_long_as(&source.hash));
        Source { place: source.place.clone(), hash }
    };
    sources.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::golden::example_from_row;
    use serde_json::{Value, json};

    fn hash(text: &str) -> SourceHash {
        SourceHash::try_from(text.to_owned()).unwrap()
    }

    fn file(name: &str, digits: &str) -> Source {
        Source { place: SourcePlace::File(name.into()), hash: hash(digits) }
    }

    fn dataset(rows: &[Value], sources: Vec<CardSource>) -> Dataset {
        let example = |row: &Value| example_from_row(1, row.as_object().unwrap().clone()).unwrap();
        let card = Card { sources, ..Card::default() };
        Dataset { name: "d".into(), version: "v".into(), card, examples: rows.iter().map(example).collect() }
    }

    fn present(files: &[(&str, Option<&str>)]) -> PresentHashes {
        let of = |(name, digits): &(&str, Option<&str>)| {
            ((SourcePlace::File((*name).into()), HashKind::Sha256), digits.map(hash))
        };
        files.iter().map(of).collect()
    }

    #[test]
    fn a_changed_or_missing_source_is_flagged_and_others_are_not() {
        let source = |name: &str| json!({"file": name, "hash": "00000000"});
        let rows = [
            json!({"id": "same", "input": "a", "source": source("same.md")}),
            json!({"id": "changed", "input": "b", "source": [source("same.md"), source("new.md")]}),
            json!({"id": "missing", "input": "c", "source": source("gone.md")}),
            json!({"id": "unchecked", "input": "d", "source": {"url": "https://example.org", "hash": "00000000"}}),
            json!({"id": "text", "input": "e", "source": "a ticket"}),
            json!({"id": "retired", "input": "f", "source": source("new.md"), "status": "retired"}),
        ];
        let present =
            present(&[("same.md", Some("0000000011")), ("new.md", Some("1111111122222222333333")), ("gone.md", None)]);
        let dataset = dataset(&rows, Vec::new());
        let flags = source_flags(&dataset, &present);
        let found: Vec<_> = flags.iter().map(|flag| (flag.example_id.as_str(), flag.score)).collect();
        assert_eq!(found, [("changed", 1.0), ("missing", 1.0)]);
        assert!(flags[0].evidence.starts_with(
            "new.md changed from sha256:00000000 to sha256:1111111122222222; to clear this, check the answer, and relabel it"
        ));
        assert!(
            flags[1].evidence.starts_with("gone.md, which was sha256:00000000, is missing;"),
            "{}",
            flags[1].evidence
        );
        assert_eq!(sources_of(&dataset).len(), 4);
        let renewed = with_present_hashes(&dataset.examples[1].sources, &present);
        assert_eq!(renewed, [file("same.md", "00000000"), file("new.md", "11111111")]);
        assert_eq!(with_present_hashes(&dataset.examples[2].sources, &present), dataset.examples[2].sources);
    }

    #[test]
    fn the_basis_is_the_new_hash_so_that_a_dismissal_holds_until_it_moves_again() {
        let row = |digits: &str| json!({"id": "e", "input": "x", "source": {"file": "a.md", "hash": digits}});
        let basis = |then: &str, now: Option<&str>| {
            source_flags(&dataset(&[row(then)], Vec::new()), &present(&[("a.md", now)])).remove(0).basis
        };
        assert_eq!(basis("00000000", Some("11111111")), basis("22222222", Some("11111111")));
        assert_ne!(basis("00000000", Some("11111111")), basis("00000000", Some("33333333")));
        assert_ne!(basis("00000000", Some("11111111")), basis("00000000", None));
    }

    #[test]
    fn sources_of_the_card_apply_to_all_examples_or_to_those_with_a_tag_or_label() {
        let rows = [
            json!({"id": "refund", "input": "a", "expected": "refund"}),
            json!({"id": "tagged", "input": "b", "expected": "other", "tags": "money"}),
            json!({"id": "neither", "input": "c", "expected": "other"}),
        ];
        let of = |tags: &[&str], labels: &[&str]| CardSource {
            source: file("a.md", "00000000"),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        };
        let flagged = |source: CardSource| {
            let flags = source_flags(&dataset(&rows, vec![source]), &present(&[("a.md", Some("11111111"))]));
            assert!(flags.iter().all(|flag| flag.score == OF_CARD && flag.evidence.contains("dataset.yaml")));
            flags.into_iter().map(|flag| flag.example_id).collect::<Vec<_>>()
        };
        assert_eq!(flagged(of(&[], &[])), ["refund", "tagged", "neither"]);
        assert_eq!(flagged(of(&["money"], &[])), ["tagged"]);
        assert_eq!(flagged(of(&["money"], &["refund"])), ["refund", "tagged"]);
        assert!(flagged(of(&[], &["none"])).is_empty());
    }
}
