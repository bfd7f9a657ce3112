//! A named clustering that measures how typical a new item is of its cluster.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::assign::{Assignment, assign};
use super::kmeans::{Empty, KMeans, KMeansOptions, refine, spherical_kmeans};
use super::names::cluster_names;
use super::sample::{row_weights, shuffled};
use super::terms::class_terms;
use crate::core::vector::{Vectors, from_hex, to_hex};

/// Stream of random numbers for the folds, distinct from those of the restarts.
const FOLD_STREAM: u64 = u64::MAX;

/// Options of [`fit_clustering`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusteringOptions {
    /// Options of the k-means search.
    pub kmeans: KMeansOptions,
    /// Number of folds for the held-out similarities, from 2 to 5. Other values are clamped.
    pub folds: usize,
    /// Number of terms per cluster.
    pub terms: usize,
}

impl Default for ClusteringOptions {
    /// The default k-means, 5 folds, 10 terms.
    fn default() -> Self {
        Self { kmeans: KMeansOptions::default(), folds: 5, terms: 10 }
    }
}

/// A cluster, without its centroid.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cluster {
    /// Short name, unique among the clusters of a clustering.
    pub name: String,
    /// Characteristic terms, best first.
    pub terms: Vec<String>,
    /// Cosine similarities to the centroid, in ascending order, of items that were held out when the centroid was
    /// fitted. The similarities of items that took part in the fit are too high, especially in small clusters.
    pub held_out: Vec<f32>,
}

/// A clustering with names, terms, and the calibration that measures how typical a new item is. Serialization preserves
/// every bit.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "Lists", into = "Lists")]
pub struct Clustering {
    centroids: Vectors,
    clusters: Vec<Cluster>,
}

impl Clustering {
    /// Number of clusters.
    pub fn len(&self) -> usize {
        self.clusters.len()
    }

    /// The centroids, one unit row per cluster.
    pub fn centroids(&self) -> &Vectors {
        &self.centroids
    }

    /// The clusters, in the order of the centroids.
    pub fn clusters(&self) -> &[Cluster] {
        &self.clusters
    }

    /// Appends a cluster.
    pub fn push(&mut self, centroid: &[f32], cluster: Cluster) {
        self.centroids.push(centroid);
        self.clusters.push(cluster);
    }

    /// The nearest cluster of each row; see [`assign`].
    pub fn assign(&self, v: &Vectors) -> Vec<Option<Assignment>> {
        assign(v, &self.centroids)
    }
}

impl Cluster {
    /// Conformal p-value of an item with this similarity to the cluster being like its members: (1 + number of held-out
    /// similarities that are at most as high) / (number of held-out similarities + 1), in (0, 1]. If the item is
    /// exchangeable with the members, the probability of a value of at most p is at most p (Vovk, Gammerman and Shafer
    /// 2005). The p-value is 1, which is no evidence, for a cluster without held-out similarities. A NaN similarity
    /// ranks below all others.
    pub fn conformal_p(&self, similarity: f32) -> f64 {
        let at_most = self.held_out.partition_point(|&s| s <= similarity);
        (1 + at_most) as f64 / (self.held_out.len() + 1) as f64
    }
}

/// Clusters rows, names the clusters by the texts of their rows, and calibrates them on held-out rows.
///
/// `texts` are in the order of the rows; missing ones count as empty. Weights and the reduction of `k` are as for
/// [`spherical_kmeans`]. For the calibration, the rows with weight are dealt into folds, evenly within each cluster.
/// The clustering is then refitted without each fold, starting from the full centroids so that clusters keep their
/// numbers, and the rows of the fold are assigned to the refitted centroids like new items: their similarities are the
/// held-out similarities of the clusters to which they are assigned. A cluster without rows outside of a fold takes no
/// part in that fold, so a cluster with a single row has no held-out similarities.
pub fn fit_clustering(
    v: &Vectors,
    weights: &[f64],
    texts: &[&str],
    k: usize,
    options: &ClusteringOptions,
) -> Clustering {
    let weights = row_weights(v, weights);
    let fit = spherical_kmeans(v, &weights, k, &options.kmeans);
    let calibration = held_out_similarities(v, &weights, &fit, options);
    let terms = class_terms(texts, &weights, &fit.assignment, fit.centroids.len(), options.terms);
    let names = cluster_names(&terms);
    let of_each = names.into_iter().zip(terms).zip(calibration);
    let clusters = of_each.map(|((name, terms), held_out)| Cluster { name, terms, held_out }).collect();
    Clustering { centroids: fit.centroids, clusters }
}

fn held_out_similarities(v: &Vectors, weights: &[f64], fit: &KMeans, options: &ClusteringOptions) -> Vec<Vec<f32>> {
    let mut calibration = vec![Vec::new(); fit.centroids.len()];
    for fold in folds(weights, fit, options) {
        let mut training = weights.to_vec();
        fold.iter().for_each(|&i| training[i] = 0.0);
        let refit = refine(v, &training, fit.centroids.clone(), &options.kmeans, Empty::Vanish);
        for &i in &fold {
            if let Some(cluster) = refit.assignment[i] {
                calibration[cluster].push(refit.similarity[i]);
            }
        }
    }
    calibration.iter_mut().for_each(|list| list.sort_unstable_by(f32::total_cmp));
    calibration
}

/// Row numbers of each fold: the rows with weight, cluster by cluster in random order, dealt in turn.
fn folds(weights: &[f64], fit: &KMeans, options: &ClusteringOptions) -> Vec<Vec<usize>> {
    let mut rng = ChaCha8Rng::seed_from_u64(options.kmeans.seed);
    rng.set_stream(FOLD_STREAM);
    let rows: Vec<usize> = (0..weights.len()).filter(|&i| weights[i] > 0.0).collect();
    let mut order = shuffled(&rows, rows.len(), &mut rng);
    order.sort_by_key(|&i| fit.assignment[i]);
    let count = options.folds.clamp(2, 5);
    (0..count).map(|fold| order.iter().copied().skip(fold).step_by(count).collect()).collect()
}

/// The stored form of a clustering: one list per property.
#[derive(Serialize, Deserialize)]
struct Lists {
    centroids: Vectors,
    #[serde(serialize_with = "write_lists", deserialize_with = "read_lists")]
    calibration: Vec<Vec<f32>>,
    terms: Vec<Vec<String>>,
    names: Vec<String>,
}

impl From<Clustering> for Lists {
    fn from(Clustering { centroids, clusters }: Clustering) -> Self {
        let mut lists = Self { centroids, calibration: Vec::new(), terms: Vec::new(), names: Vec::new() };
        for Cluster { name, terms, held_out } in clusters {
            lists.names.push(name);
            lists.terms.push(terms);
            lists.calibration.push(held_out);
        }
        lists
    }
}

impl TryFrom<Lists> for Clustering {
    type Error = &'static str;

    fn try_from(Lists { centroids, calibration, terms, names }: Lists) -> Result<Self, Self::Error> {
        if [calibration.len(), terms.len(), names.len()].iter().any(|len| *len != centroids.len()) {
            return Err("the lists of the clustering differ in length");
        }
        let of_each = names.into_iter().zip(terms).zip(calibration);
        let clusters = of_each.map(|((name, terms), held_out)| Cluster { name, terms, held_out }).collect();
        Ok(Self { centroids, clusters })
    }
}

fn write_lists<S: Serializer>(lists: &[Vec<f32>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(lists.iter().map(|list| to_hex(list)))
}

fn read_lists<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<f32>>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let list = |text: &String| from_hex(text).filter(|list| list.is_sorted());
    let lists: Option<Vec<Vec<f32>>> = texts.iter().map(list).collect();
    lists.ok_or_else(|| D::Error::custom("calibration is not ascending eight-digit hexadecimal numbers"))
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    /// Rows around `groups` directions in turn; the same directions for every seed of the noise.
    fn planted(groups: usize, rows: usize, dim: usize, noise: f32, seed: u64) -> Vectors {
        let gauss = |rng: &mut ChaCha8Rng| (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0;
        let mut rng = ChaCha8Rng::seed_from_u64(77);
        let centres: Vec<Vec<f32>> = (0..groups).map(|_| (0..dim).map(|_| gauss(&mut rng)).collect()).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut v = Vectors::new(dim);
        for i in 0..rows {
            let row: Vec<f32> = centres[i % groups].iter().map(|c| c + noise * gauss(&mut rng)).collect();
            v.push(&row);
        }
        v
    }

    fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
        values.clone().sum::<f64>() / values.count() as f64
    }

    #[test]
    fn held_out_similarities_yield_uniform_p_values_for_new_members() {
        // With few rows per cluster in many dimensions, members are much closer to their centroid than new items are.
        let v = planted(6, 120, 64, 1.0, 1);
        let clustering = fit_clustering(&v, &[], &[], 6, &ClusteringOptions::default());
        let fresh = planted(6, 3000, 64, 1.0, 2);
        let p: Vec<f64> = clustering
            .assign(&fresh)
            .iter()
            .map(|a| a.map_or(f64::NAN, |a| clustering.clusters()[a.cluster].conformal_p(a.similarity)))
            .collect();
        let below = p.iter().filter(|&&p| p <= 0.1).count() as f64 / p.len() as f64;
        assert!((0.42..0.64).contains(&mean(p.iter().copied())), "mean {}", mean(p.iter().copied()));
        assert!((0.02..0.16).contains(&below), "share at most 0.1: {below}");
        let own = clustering.assign(&v);
        let training = mean(own.iter().flatten().map(|a| f64::from(a.similarity)));
        let held_out = clustering.clusters().iter().flat_map(|cluster| cluster.held_out.clone());
        let held_out = mean(held_out.map(f64::from));
        assert!(training > held_out + 0.015, "{training} against {held_out}");
        assert_eq!(clustering.clusters().iter().map(|cluster| cluster.held_out.len()).sum::<usize>(), 120);
    }

    #[test]
    fn an_item_unlike_the_members_has_a_small_p_value() {
        let v = planted(3, 300, 32, 0.4, 1);
        let clustering = fit_clustering(&v, &[], &[], 3, &ClusteringOptions::default());
        let strange = planted(50, 50, 32, 0.4, 9).select(&(3..50).collect::<Vec<_>>());
        for a in clustering.assign(&strange).into_iter().flatten() {
            assert!(clustering.clusters()[a.cluster].conformal_p(a.similarity) < 0.02);
        }
    }

    #[test]
    fn a_p_value_counts_held_out_similarities_at_most_as_high() {
        let cluster = Cluster { held_out: vec![0.2, 0.5, 0.5, 0.9], ..Default::default() };
        for (similarity, p) in [(0.1, 0.2), (0.2, 0.4), (0.5, 0.8), (0.95, 1.0), (f32::NAN, 0.2)] {
            assert_eq!(cluster.conformal_p(similarity), p, "{similarity}");
        }
        assert_eq!(Cluster::default().conformal_p(0.0), 1.0, "nothing was held out");
    }

    #[test]
    fn clusters_are_named_by_their_texts() {
        let v = planted(2, 40, 8, 0.1, 3);
        let texts: Vec<&str> =
            (0..40).map(|i| if i % 2 == 0 { "cancel my subscription" } else { "where is the parcel" }).collect();
        let clustering = fit_clustering(&v, &[], &texts, 2, &ClusteringOptions { folds: 0, ..Default::default() });
        let of_row_0 = clustering.assign(&v)[0].unwrap().cluster;
        let name = |cluster: usize| clustering.clusters()[cluster].name.as_str();
        assert_eq!((clustering.len(), name(of_row_0), name(1 - of_row_0)), (2, "cancel subscription", "parcel"));
    }

    #[test]
    fn serialization_preserves_every_bit_for_any_number_of_threads() {
        let v = planted(4, 90, 9, 0.8, 4);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit_clustering(&v, &[], &["a b", "order refund"], 4, &ClusteringOptions::default()))
        };
        let clustering = run(1);
        let text = serde_json::to_string(&clustering).unwrap();
        assert_eq!(text, serde_json::to_string(&run(4)).unwrap());
        let back: Clustering = serde_json::from_str(&text).unwrap();
        assert_eq!(back, clustering);
        assert_eq!(serde_json::to_string(&back).unwrap(), text);
        let unsorted =
            r#"{"centroids":{"dim":1,"len":0,"bits":""},"calibration":["3f80000000000000"],"terms":[],"names":[]}"#;
        assert!(serde_json::from_str::<Clustering>(unsorted).is_err());
        let uneven = r#"{"centroids":{"dim":1,"len":0,"bits":""},"calibration":[],"terms":[],"names":["a"]}"#;
        assert!(serde_json::from_str::<Clustering>(uneven).unwrap_err().to_string().contains("differ in length"));
    }

    #[test]
    fn degenerate_inputs_yield_a_clustering_without_clusters_or_calibration() {
        let empty = fit_clustering(&Vectors::new(3), &[], &[], 5, &ClusteringOptions::default());
        assert!(empty.clusters().is_empty() && empty.centroids().is_empty());
        let mut one = Vectors::new(2);
        one.push(&[1.0, 0.0]);
        one.push(&[0.0, 0.0]);
        let single = fit_clustering(&one, &[], &["hello there", "x"], 5, &ClusteringOptions::default());
        assert_eq!((single.len(), single.clusters()[0].name.as_str()), (1, "unnamed"));
        assert!(single.clusters()[0].held_out.is_empty());
    }
}
