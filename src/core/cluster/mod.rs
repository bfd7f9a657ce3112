//! Clusters of unit vectors: spherical k-means, agreement of partitions, the number of clusters,
//! and a named clustering that tells how typical a new item is.
//!
//! Every result depends on its inputs and seed alone, whatever the number of threads.

mod agreement;
mod assign;
mod choose;
mod clustering;
mod kmeans;
mod medoids;
mod names;
mod sample;
mod seeding;
mod terms;
mod words;

pub use agreement::adjusted_rand_index;
pub use assign::{Assignment, assign};
pub use choose::{ChooseK, choose_k};
pub use clustering::{Cluster, Clustering, ClusteringOptions, fit_clustering};
pub use kmeans::{KMeans, KMeansOptions, spherical_kmeans};
pub use medoids::medoids;
pub use names::cluster_names;
pub use terms::class_terms;
