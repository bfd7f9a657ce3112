//! Average-linkage clustering with a fixed cut.

use crate::core::vector::{Vectors, tile};

/// Clusters rows bottom up: the two clusters with the highest mean similarity between their rows are joined as long as
/// it is at least `cut`. Returns the clusters by their first row, with ascending rows.
///
/// Nearest-neighbour chains (Murtagh 1983) give the same result as always joining the most similar pair, in rows^2
/// time; mean similarities can be updated exactly (Lance & Williams 1967). Ties go to the lower row.
pub(super) fn average_linkage(rows: &Vectors, cut: f32) -> Vec<Vec<usize>> {
    let mut links = Links::new(rows);
    let mut chain: Vec<usize> = Vec::new();
    let mut first = 0;
    loop {
        let Some(&top) = chain.last() else {
            while first < links.count && !links.open[first] {
                first += 1;
            }
            if first == links.count {
                break;
            }
            chain.push(first);
            continue;
        };
        if !links.open[top] {
            chain.pop();
            continue;
        }
        let before = chain.len().checked_sub(2).map(|at| chain[at]);
        match links.nearest(top, before).filter(|(_, similarity)| *similarity >= cut) {
            // No later join can make it more similar to anything.
            None => {
                links.open[top] = false;
                chain.pop();
            }
            Some((other, _)) if Some(other) == before => {
                links.join(top, other);
                chain.truncate(chain.len() - 2);
            }
            Some((other, _)) => chain.push(other),
        }
    }
    links.clusters()
}

/// The clusters so far, each at the place of one of its rows.
struct Links {
    count: usize,
    /// Mean similarity of every two clusters.
    similarity: Vec<f32>,
    /// Number of rows of each cluster.
    size: Vec<f32>,
    /// The cluster that each was joined into.
    joined: Vec<Option<usize>>,
    /// Whether a cluster may still be joined with others.
    open: Vec<bool>,
}

impl Links {
    fn new(rows: &Vectors) -> Self {
        let count = rows.len();
        let mut similarity = Vec::new();
        if count > 0 {
            tile(rows, 0..count, rows, 0..count, &mut similarity);
        }
        Self { count, similarity, size: vec![1.0; count], joined: vec![None; count], open: vec![true; count] }
    }

    /// The most similar open cluster; `preferred` if tied.
    fn nearest(&self, cluster: usize, preferred: Option<usize>) -> Option<(usize, f32)> {
        let row = &self.similarity[cluster * self.count..(cluster + 1) * self.count];
        let mut best = preferred.map(|other| (other, row[other]));
        for (other, &similarity) in row.iter().enumerate().filter(|(other, _)| *other != cluster && self.open[*other]) {
            if best.is_none_or(|(_, highest)| similarity > highest) {
                best = Some((other, similarity));
            }
        }
        best
    }

    fn join(&mut self, gone: usize, into: usize) {
        let (a, b) = (self.size[gone], self.size[into]);
        for other in 0..self.count {
            let (from, to) = (gone * self.count + other, into * self.count + other);
            let (x, y) = (self.similarity[from], self.similarity[to]);
            // A mean that rounds up beyond both would make chains run in circles.
            let mean = ((a * x + b * y) / (a + b)).min(x.max(y));
            self.similarity[to] = mean;
            self.similarity[other * self.count + into] = mean;
        }
        self.size[into] += self.size[gone];
        self.open[gone] = false;
        self.joined[gone] = Some(into);
    }

    fn clusters(&self) -> Vec<Vec<usize>> {
        let root = |mut row: usize| {
            while let Some(into) = self.joined[row] {
                row = into;
            }
            row
        };
        let mut place = vec![None; self.count];
        let mut clusters: Vec<Vec<usize>> = Vec::new();
        for row in 0..self.count {
            let at = *place[root(row)].get_or_insert_with(|| {
                clusters.push(Vec::new());
                clusters.len() - 1
            });
            clusters[at].push(row);
        }
        clusters
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::core::stats::rng;
    use crate::core::vector::dot;

    /// The same, by always joining the most similar pair.
    fn reference(rows: &Vectors, cut: f32) -> Vec<Vec<usize>> {
        let mut clusters: Vec<Vec<usize>> = (0..rows.len()).map(|row| vec![row]).collect();
        loop {
            let mean = |a: &[usize], b: &[usize]| {
                let pairs = a.iter().flat_map(|x| b.iter().map(|y| dot(rows.row(*x), rows.row(*y))));
                pairs.sum::<f32>() / (a.len() * b.len()) as f32
            };
            let pairs = (0..clusters.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
            let best = pairs.map(|(a, b)| (mean(&clusters[a], &clusters[b]), a, b)).max_by(|x, y| x.0.total_cmp(&y.0));
            match best.filter(|(similarity, ..)| *similarity >= cut) {
                Some((_, a, b)) => {
                    let gone = clusters.remove(a);
                    clusters[b].extend(gone);
                    clusters[b].sort_unstable();
                }
                None => return clusters,
            }
        }
    }

    #[test]
    fn chains_give_the_same_clusters_as_always_joining_the_most_similar_pair() {
        for seed in 0..40 {
            let mut random = rng(seed, 0);
            let mut rows = Vectors::new(4);
            (0..25).for_each(|_| rows.push(&[0; 4].map(|_: i32| random.random_range(-1.0f32..1.0))));
            for cut in [-1.0, 0.0, 0.4, 0.7, 0.95] {
                let mut expected = reference(&rows, cut);
                expected.sort();
                assert_eq!(average_linkage(&rows, cut), expected, "seed {seed}, cut {cut}");
            }
        }
    }

    #[test]
    fn without_rows_there_are_no_clusters_and_equal_rows_are_one() {
        assert!(average_linkage(&Vectors::new(2), 0.5).is_empty());
        let mut rows = Vectors::new(2);
        (0..4).for_each(|_| rows.push(&[1.0, 2.0]));
        assert_eq!(average_linkage(&rows, 0.9), [vec![0, 1, 2, 3]]);
    }
}
