//! The baseline: a k-nearest-neighbour classifier (Cover & Hart 1967) over a labelled dataset in karat's embedding
//! space. It needs no network, and a model that does not beat it adds nothing to the labelled examples.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::core::domain::{
    CallError, CallErrorKind, Embedder, Endpoint, EndpointFuture, Request, Response, content_hash,
};
use crate::core::vector::{Vectors, top_k};

/// An example with its label.
#[derive(Debug, Clone)]
pub struct LabelledExample {
    /// The example's id.
    pub id: String,
    /// The text that is embedded.
    pub text: String,
    /// The label.
    pub label: String,
}

/// Labelled examples in an embedding space.
#[derive(Debug, Clone)]
pub struct BaselineMemory {
    /// Version hash of the dataset the examples come from.
    pub version: String,
    /// The examples.
    pub examples: Vec<LabelledExample>,
    /// One unit vector per example, in the same order.
    pub vectors: Vectors,
}

/// The nearest-neighbour baseline as an endpoint.
pub struct Baseline {
    name: String,
    fingerprint: String,
    k: usize,
    memory: BaselineMemory,
    embedder: Arc<dyn Embedder>,
}

impl Baseline {
    /// Creates a baseline that answers with the vote of the `k` nearest examples in `memory`.
    pub fn new(name: String, k: usize, memory: BaselineMemory, embedder: Arc<dyn Embedder>) -> Self {
        let basis = format!("baseline\n{k}\n{}\n{}", memory.version, embedder.space());
        Self { name, fingerprint: content_hash("karat-endpoint", basis.as_bytes()), k, memory, embedder }
    }

    /// The label with the largest total similarity among the nearest examples. The requested example itself is left
    /// out, by id and by text, so that a copy under another id cannot reveal the answer.
    fn answer(&self, request: &Request) -> Result<String, CallError> {
        let fail = |message: &str| CallError::new(CallErrorKind::Refused, message);
        let embedded = self.embedder.embed(&[&request.input]).map_err(|failure| fail(&failure.message))?;
        let mut query = Vectors::new(self.embedder.dim());
        embedded.iter().for_each(|vector| query.push(vector));
        let own = |_: usize, i: usize| {
            let example = &self.memory.examples[i];
            example.id == request.example_id || example.text == request.input
        };
        let nearest = top_k(&query, &self.memory.vectors, self.k, own).into_iter().next().unwrap_or_default();
        let mut votes: BTreeMap<&str, f64> = BTreeMap::new();
        for neighbour in nearest {
            *votes.entry(&self.memory.examples[neighbour.index].label).or_default() +=
                f64::from(neighbour.similarity.max(0.0));
        }
        let winner = votes.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(a.0)));
        winner
            .map(|(label, _)| label.to_owned())
            .ok_or_else(|| fail("the request contains nothing that can be compared with the labelled examples"))
    }
}

impl Endpoint for Baseline {
    fn name(&self) -> &str {
        &self.name
    }

    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn is_cacheable(&self) -> bool {
        false
    }

    fn call<'a>(&'a self, request: &'a Request) -> EndpointFuture<'a> {
        Box::pin(async move {
            let started = Instant::now();
            let output = self.answer(request)?;
            Ok(Response::new(output, started.elapsed()))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::core::domain::EmbeddingSpace;

    struct Letters(EmbeddingSpace);
    impl Embedder for Letters {
        fn description(&self) -> &EmbeddingSpace {
            &self.0
        }
        fn dim(&self) -> usize {
            26
        }
        fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, crate::core::domain::Failure> {
            let count = |text: &&str| {
                let mut vector = vec![0.0; 26];
                text.bytes().filter(u8::is_ascii_lowercase).for_each(|byte| vector[usize::from(byte - b'a')] += 1.0);
                vector
            };
            Ok(texts.iter().map(count).collect())
        }
    }

    fn letters() -> Letters {
        Letters(EmbeddingSpace::new("letters", BTreeMap::new()))
    }

    fn baseline() -> Baseline {
        let rows =
            [("1", "aaab", "a"), ("2", "aaac", "a"), ("3", "zzzy", "z"), ("4", "zzzx", "z"), ("5", "aaab", "leak")];
        let mut vectors = Vectors::new(26);
        letters().embed(&rows.map(|(_, text, _)| text)).unwrap().iter().for_each(|vector| vectors.push(vector));
        let labelled = |(id, text, label): (&str, &str, &str)| LabelledExample {
            id: id.to_owned(),
            text: text.to_owned(),
            label: label.to_owned(),
        };
        let memory = BaselineMemory { version: "v".into(), examples: rows.map(labelled).to_vec(), vectors };
        Baseline::new("b".into(), 1, memory, Arc::new(letters()))
    }

    fn answer(id: &str, input: &str) -> Result<String, CallError> {
        baseline().answer(&Request {
            example_id: id.into(),
            trial: 0,
            input: input.into(),
            fields: serde_json::Map::new(),
            messages: vec![],
            options: serde_json::Map::new(),
            key: crate::core::domain::RequestKey([0; 16]),
        })
    }

    #[test]
    fn an_example_and_its_copies_never_vote_on_its_own_answer() {
        assert_eq!(answer("1", "aaab").unwrap(), "a", "neither row 1 nor its copy, row 5, may answer");
        assert_eq!(answer("new", "zzzw").unwrap(), "z");
    }

    #[test]
    fn a_request_with_nothing_to_compare_is_an_error_not_a_wrong_answer() {
        assert_eq!(answer("new", "123").unwrap_err().kind, CallErrorKind::Refused);
    }
}
