//! The data of a trial and the work that several methods share.

use std::sync::OnceLock;

use karat::stats::rng;
use karat::vector::{Vectors, top_k};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::clusters::{Counts, pooled_counts};
use super::mmd::Gram;

/// The uses of random numbers in a trial; each use has its own stream.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stream {
    Subsample,
    ClassifierSplit,
    ClassifierOrder,
    RandomClassifier,
    EvidentlyNull,
    AlibiDetectNull,
}

/// The data of one trial. All matrices have unit rows of one dimension; with another dimension a
/// matrix counts as having no usable row.
#[derive(Debug)]
pub struct Trial<'a> {
    /// Vectors of the golden examples.
    pub golden: &'a Vectors,
    /// Topic of each golden example.
    #[allow(dead_code, reason = "part of the trial; none of the published methods looks at labels")]
    pub topics: &'a [usize],
    /// The window of traffic under test.
    pub now: &'a Vectors,
    /// An earlier window of which the golden set was representative.
    pub reference: Option<&'a Vectors>,
    /// Seed of all random choices.
    pub seed: u64,
    /// Cosine similarity of each record of `now` to its nearest golden example; `None` where one
    /// of the two does not exist.
    pub now_similarity: Vec<Option<f64>>,
    /// The same for `reference`.
    pub reference_similarity: Option<Vec<Option<f64>>>,
    gram: OnceLock<Option<Gram>>,
    counts: OnceLock<Option<Counts>>,
}

impl<'a> Trial<'a> {
    /// A trial with its nearest-golden similarities computed: time (now + reference) x golden.
    pub fn new(
        golden: &'a Vectors,
        topics: &'a [usize],
        now: &'a Vectors,
        reference: Option<&'a Vectors>,
        seed: u64,
    ) -> Self {
        Self {
            golden,
            topics,
            now,
            reference,
            seed,
            now_similarity: nearest(now, golden),
            reference_similarity: reference.map(|window| nearest(window, golden)),
            gram: OnceLock::new(),
            counts: OnceLock::new(),
        }
    }

    /// What `now` is compared with: the reference window, or else the golden set.
    pub(super) fn before(&self) -> &'a Vectors {
        self.reference.unwrap_or(self.golden)
    }

    /// The embeddable row numbers of the earlier side and of `now`; `None` when a side has fewer
    /// than two or the dimensions differ.
    pub(super) fn sides(&self) -> Option<[Vec<usize>; 2]> {
        let sides = [self.before(), self.now].map(embeddable);
        (self.before().dim() == self.now.dim() && sides.iter().all(|side| side.len() >= 2)).then_some(sides)
    }

    /// Both sides, each cut to at most `size` rows drawn at random, in ascending order.
    pub(super) fn sampled_sides(&self, size: usize) -> Option<[Vec<usize>; 2]> {
        let mut rng = self.rng(Stream::Subsample);
        Some(self.sides()?.map(|mut side| {
            if side.len() > size {
                side.shuffle(&mut rng);
                side.truncate(size);
                side.sort_unstable();
            }
            side
        }))
    }

    /// Generator for one use.
    pub(super) fn rng(&self, stream: Stream) -> ChaCha8Rng {
        rng(self.seed, stream as u64)
    }

    /// Similarities among the rows of [`Self::sampled_sides`], computed on first use.
    pub(super) fn gram(&self) -> Option<&Gram> {
        self.gram.get_or_init(|| Gram::new(self)).as_ref()
    }

    /// Cluster counts of both sides, computed on first use.
    pub(super) fn counts(&self) -> Option<&Counts> {
        self.counts.get_or_init(|| pooled_counts(self)).as_ref()
    }
}

fn embeddable(v: &Vectors) -> Vec<usize> {
    (0..v.len()).filter(|&i| v.is_embeddable(i)).collect()
}

fn nearest(window: &Vectors, golden: &Vectors) -> Vec<Option<f64>> {
    let lists = top_k(window, golden, 1, |_, _| false);
    lists.iter().map(|list| list.first().map(|n| f64::from(n.similarity))).collect()
}
