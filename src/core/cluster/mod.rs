//! Clustering of unit vectors: spherical k-means, agreement of partitions, choice of the number of clusters, and a
//! named clustering that measures how typical a new item is.
//!
//! Every result depends only on its inputs and seed, not on the number of threads.

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
mod typos;
mod words;

pub use agreement::adjusted_rand_index;
pub use assign::{Assignment, assign};
pub use choose::{ChooseK, choose_k};
pub use clustering::{Cluster, Clustering, ClusteringOptions, fit_clustering};
pub use kmeans::{KMeans, KMeansOptions, spherical_kmeans};
pub use medoids::medoids;
pub use names::cluster_names;
pub use terms::class_terms;
