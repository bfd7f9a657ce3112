//! Unit vectors: a row-major matrix, exact nearest neighbours and near-duplicate groups.
//!
//! Similarity is the cosine, which for unit rows is the dot product. Results do not depend on the number of threads:
//! work is split into fixed chunks, and each similarity is computed in the same order of summation.

mod bits;
mod double;
mod duplicates;
mod kernel;
mod matrix;
mod neighbours;

pub use duplicates::near_duplicate_groups;
pub use kernel::dot;
pub use matrix::Vectors;
pub use neighbours::{Neighbour, top_k};

pub(crate) use bits::{from_hex, to_hex};
pub(crate) use double::{add_scaled, add_scaled_f32, dot_f64};
pub(crate) use kernel::tile;
