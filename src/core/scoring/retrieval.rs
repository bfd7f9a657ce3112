//! Scorers of retrieved documents and of citations, by their ids.

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use super::Answer;
use super::ranking::{Gain, Ranking};
use super::reason::{NO_ACCEPTED, listed, short};
use super::rule::{Compile, Rule, verdict};
use crate::core::domain::scorer::retrieval::{Citations, Retrieval, RetrievalMetric};
use crate::core::domain::{Example, JsonPath, Score, at_path, unfenced};

/// Maximum size of a compiled pattern of citations, in bytes.
const SIZE_LIMIT: usize = 1 << 20;

/// Field names that hold the id of a document.
const ID_FIELDS: [&str; 6] = ["id", "doc_id", "document_id", "source", "url", "title"];

/// The ids in a value: texts and numbers, or the field that identifies an object.
fn ids(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.trim().to_owned()],
        Value::Number(number) => vec![number.to_string()],
        Value::Array(items) => items.iter().flat_map(ids).collect(),
        Value::Object(fields) => {
            let id = ID_FIELDS.iter().find_map(|name| fields.get(*name));
            id.filter(|id| !id.is_object()).map(ids).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// The ids in a value with their grades: those of an object whose fields are ids and numbers, or else 1.
fn grades(value: &Value) -> Vec<(String, f64)> {
    // Numbers in a dataset are text.
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    let graded =
        value.as_object().filter(|fields| !fields.is_empty() && !ID_FIELDS.iter().any(|id| fields.contains_key(*id)));
    let graded =
        graded.and_then(|fields| fields.iter().map(|(id, grade)| Some((id.clone(), number(grade)?))).collect());
    graded.unwrap_or_else(|| ids(value).into_iter().map(|id| (id, 1.0)).collect())
}

#[derive(Debug)]
struct Retrieves {
    settings: Retrieval,
    retrieved: Option<JsonPath>,
}

impl Rule for Retrieves {
    fn score(&self, answer: &Answer<'_>, example: &Example) -> Score {
        let relevant: Vec<(String, f64)> = match &self.settings.relevant {
            None => example.expected.iter().flat_map(grades).collect(),
            Some(path) => at_path(&example.metadata, path).map(grades).unwrap_or_default(),
        };
        if relevant.is_empty() {
            let nowhere = |path: &String| format!("the example lists no relevant ids under {path}");
            return Score::Skipped(self.settings.relevant.as_ref().map_or_else(|| NO_ACCEPTED.to_owned(), nowhere));
        }
        let parsed: Result<Value, _> = serde_json::from_str(unfenced(answer.output));
        let found = match (&parsed, &self.retrieved) {
            (Ok(value), Some(path)) => path.find(value).ok(),
            (Ok(value), None) => Some(value),
            (Err(_), _) => None,
        };
        let Some(found) = found else {
            let place = self.settings.retrieved.as_ref().map_or_else(String::new, |path| format!(" at {path}"));
            return Score::pass(false, Some(short(&format!("the answer has no list of ids{place}"))));
        };
        let retrieved = ids(found);
        let value = self.measure(&retrieved, &relevant);
        let missing = relevant.iter().map(|(id, _)| id).filter(|id| !retrieved.contains(id)).map(String::as_str);
        let reason = || {
            let missing = listed(missing.clone());
            let missing = if missing.is_empty() { String::new() } else { format!("; not retrieved: {missing}") };
            short(&format!("{} retrieved, {} relevant{missing}", retrieved.len(), relevant.len()))
        };
        Score::Value(value, (value < 1.0).then(reason))
    }

    fn requirement(&self) -> String {
        "retrieve the relevant documents".to_owned()
    }
}

impl Compile for Retrieval {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        if self.k == Some(0) {
            return Err("k must be 1 or more".to_owned());
        }
        let path = |text: &String| JsonPath::parse(text).ok_or_else(|| format!("the path \"{text}\" is not valid"));
        let retrieved = self.retrieved.as_ref().map(path).transpose()?;
        Ok(Box::new(Retrieves { settings: self.clone(), retrieved }))
    }
}

#[derive(Debug)]
struct Cites {
    pattern: Regex,
    sources: Option<String>,
    optional: bool,
}

impl Rule for Cites {
    fn score(&self, answer: &Answer<'_>, example: &Example) -> Score {
        let listed_ids = match &self.sources {
            Some(path) => at_path(&example.metadata, path).map(ids),
            None => example.context.as_ref().map(context_ids),
        };
        let known = listed_ids.unwrap_or_default();
        if known.is_empty() {
            return Score::Skipped("the example lists no sources".to_owned());
        }
        let cited = self.pattern.captures_iter(answer.output).filter_map(|found| found.get(1).or(found.get(0)));
        // Several ids in one pair of brackets are separate citations.
        let cited = cited.flat_map(|found| found.as_str().split([',', ';'])).map(str::trim);
        let mut cited: Vec<&str> = cited.filter(|id| !id.is_empty()).collect();
        cited.sort_unstable();
        cited.dedup();
        if cited.is_empty() {
            return verdict(self.optional, || "the answer cites nothing".to_owned());
        }
        let unknown: Vec<&str> = cited.iter().copied().filter(|id| !known.iter().any(|known| known == id)).collect();
        let value = (cited.len() - unknown.len()) as f64 / cited.len() as f64;
        let reason = || {
            short(&format!(
                "{} of {} cited ids are not listed: {}",
                unknown.len(),
                cited.len(),
                listed(unknown.iter().copied())
            ))
        };
        Score::Value(value, (!unknown.is_empty()).then(reason))
    }

    fn requirement(&self) -> String {
        "cite listed sources".to_owned()
    }
}

/// The ids of the documents of a context; documents without one are numbered from 1.
fn context_ids(context: &Value) -> Vec<String> {
    let Value::Array(documents) = context else { return ids(context) };
    let id = |(number, document): (usize, &Value)| match document {
        Value::Object(_) => ids(document).into_iter().next().unwrap_or_else(|| number.to_string()),
        _ => number.to_string(),
    };
    (1..).zip(documents).map(id).collect()
}

impl Compile for Citations {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        let pattern = RegexBuilder::new(&self.pattern).size_limit(SIZE_LIMIT).build();
        let pattern = pattern.map_err(|error| {
            let text = error.to_string();
            format!(
                "the pattern is not valid: {}",
                text.lines().last().unwrap_or_default().trim_start_matches("error: ")
            )
        })?;
        Ok(Box::new(Cites { pattern, sources: self.sources.clone(), optional: self.optional }))
    }
}

impl Retrieves {
    /// The metric; 0 if nothing was retrieved.
    fn measure(&self, retrieved: &[String], relevant: &[(String, f64)]) -> f64 {
        let most = self.settings.k.map_or(usize::MAX, |k| k as usize);
        let mut seen = std::collections::HashSet::new();
        let retrieved = retrieved.iter().map(String::as_str).filter(|id| seen.insert(*id));
        let retrieved: Vec<&str> = retrieved.take(most).collect();
        let relevant: Vec<(&str, f64)> = relevant.iter().map(|(id, grade)| (id.as_str(), *grade)).collect();
        let ranking = Ranking::graded(&retrieved, &relevant);
        let gain = if self.settings.exponential { Gain::Exponential } else { Gain::Linear };
        let k = self.settings.k.map_or(ranking.retrieved(), |k| k as usize).max(1);
        let value = match self.settings.metric {
            RetrievalMetric::Recall => ranking.recall(k),
            RetrievalMetric::Precision => ranking.precision(k),
            RetrievalMetric::F1 => ranking.f1(k),
            RetrievalMetric::Hit => ranking.hit(k),
            RetrievalMetric::ReciprocalRank => ranking.reciprocal_rank(),
            RetrievalMetric::AveragePrecision => ranking.average_precision(),
            RetrievalMetric::Ndcg => ranking.ndcg(k, gain),
        };
        value.unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::compiled::example;
    use super::*;

    fn retrieval(settings: Value) -> Box<dyn Rule> {
        serde_json::from_value::<Retrieval>(settings).unwrap().compile().unwrap()
    }

    fn citations(settings: Value) -> Box<dyn Rule> {
        serde_json::from_value::<Citations>(settings).unwrap().compile().unwrap()
    }

    #[test]
    fn retrieved_ids_are_compared_with_the_relevant_ones() {
        let example = example(vec![json!("a"), json!("b")]);
        let answer = Answer::text(r#"{"docs": [{"id": "c"}, {"id": "a"}]}"#);
        let cases = [("recall", 0.5), ("precision", 0.5), ("hit", 1.0), ("reciprocal_rank", 0.5)];
        for (metric, expected) in cases {
            let score = retrieval(json!({"metric": metric, "retrieved": "docs"})).score(&answer, &example);
            assert_eq!(score.value(), Some(expected), "{metric}: {score:?}");
        }
        let none = retrieval(json!({"metric": "recall"})).score(&Answer::text("no idea"), &example);
        assert_eq!(none.value(), Some(0.0));
        let mut graded = example.clone();
        graded.metadata.insert("docs".to_owned(), json!({"a": "3", "c": 1}));
        let ndcg =
            retrieval(json!({"metric": "ndcg", "retrieved": "docs", "relevant": "docs"})).score(&answer, &graded);
        let expected = (1.0 + 3.0 / 3.0_f64.log2()) / (3.0 + 1.0 / 3.0_f64.log2());
        assert!((ndcg.value().unwrap() - expected).abs() < 1e-12);
        let skipped = retrieval(json!({"metric": "recall", "relevant": "docs"})).score(&answer, &example);
        assert!(matches!(skipped, Score::Skipped(_)));
    }

    #[test]
    fn citations_must_name_listed_sources() {
        let mut example = example(vec![]);
        example.context = Some(json!([{"id": "faq-1", "text": "…"}, "plain text"]));
        let score = |text: &str| citations(json!({})).score(&Answer::text(text), &example);
        assert_eq!(score("Two weeks [faq-1], always [2; faq-1].").value(), Some(1.0));
        let half = score("So [faq-1] and [faq-9].");
        assert_eq!(half, Score::Value(0.5, Some("1 of 2 cited ids are not listed: \"faq-9\"".into())));
        assert_eq!(score("Nothing.").value(), Some(0.0));
        assert_eq!(citations(json!({"optional": true})).score(&Answer::text("Nothing."), &example).value(), Some(1.0));
        example.context = None;
        assert!(matches!(citations(json!({})).score(&Answer::text("[1]"), &example), Score::Skipped(_)));
    }
}
