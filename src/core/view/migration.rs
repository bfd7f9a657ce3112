//! The effect of migrating to another embedding space.

use serde::{Deserialize, Serialize};

use super::CoverageView;
use crate::core::agreement::Overlap;

/// A comparison of two embedding spaces, made before migrating from one to the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MigrationView {
    /// `karat.embedder-migration/1`.
    pub schema: String,
    /// The space in use when the command started.
    pub from: SpaceName,
    /// The space to migrate to.
    pub to: SpaceName,
    /// Number of distinct texts in datasets and traffic.
    pub texts: usize,
    /// Number of those embedded by this command; the others had been embedded before.
    pub embedded: usize,
    /// Agreement of the two spaces, by dataset.
    pub datasets: Vec<AgreementView>,
    /// Whether the new space is now in use.
    pub cut_over: bool,
    /// Remarks for the reader.
    pub notes: Vec<String>,
}

/// An embedding space, identified by its embedder and its fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceName {
    /// Name of the embedder in karat.yaml.
    pub embedder: String,
    /// Fingerprint of the space.
    pub space: String,
}

/// Agreement of two spaces on a dataset and its latest window of traffic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgreementView {
    /// The dataset.
    pub dataset: String,
    /// Number of distinct texts whose neighbours were compared.
    pub compared: usize,
    /// Mean share of a text's ten nearest neighbours that are the same in both spaces, in [0, 1].
    pub neighbour_overlap: Option<f64>,
    /// Adjusted Rand index of the two clusterings of the window: 1 if identical, 0 if no better than chance.
    pub cluster_agreement: Option<f64>,
    /// Number of clusters with records in the window, before and after.
    pub clusters: (usize, usize),
    /// Coverage, before and after; null if it cannot be calibrated.
    pub coverage: (Option<CoverageView>, Option<CoverageView>),
    /// Overlap of the flags, each identified by its example and reason.
    pub flags: Overlap,
}
