//! What moving to another space would change.

use serde::{Deserialize, Serialize};

use super::CoverageView;
use crate::core::agreement::Overlap;

/// A migration from one space to another, compared before it is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MigrationView {
    /// `karat.embedder-migration/1`.
    pub schema: String,
    /// The space in use when the command started.
    pub from: SpaceName,
    /// The space to move to.
    pub to: SpaceName,
    /// Different texts of datasets and traffic.
    pub texts: usize,
    /// Those of them embedded by this command; the others were before.
    pub embedded: usize,
    /// How far the two agree, by dataset.
    pub datasets: Vec<AgreementView>,
    /// Whether the new space is in use now.
    pub cut_over: bool,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// A space by its embedder and its fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceName {
    /// Name of the embedder in karat.yaml.
    pub embedder: String,
    /// Fingerprint of the space.
    pub space: String,
}

/// How far two spaces agree on a dataset and its latest window of traffic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgreementView {
    /// The dataset.
    pub dataset: String,
    /// Different texts compared for neighbours.
    pub compared: usize,
    /// Mean share of a text's ten nearest others that are the same in both, from 0 to 1.
    pub neighbour_overlap: Option<f64>,
    /// Adjusted Rand index of the two clusterings of the window: 1 the same, 0 no more than chance.
    pub cluster_agreement: Option<f64>,
    /// Clusters with records of the window, before and after.
    pub clusters: (usize, usize),
    /// Coverage, before and after; absent where it cannot be calibrated.
    pub coverage: (Option<CoverageView>, Option<CoverageView>),
    /// Flags, each of an example and a reason.
    pub flags: Overlap,
}
