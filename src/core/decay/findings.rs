//! What a measurement found, before it is put into the view.

use super::clusters::Clusters;
use super::inputs::{Inputs, Live};
use crate::core::coverage::CoverageMeasurement;
use crate::core::privacy::sanitize::truncate_chars;
use crate::core::queue::FlagChange;

/// Characters of an input that are shown.
const SHOWN: usize = 200;

/// Everything found.
pub(super) struct Findings<'a> {
    pub inputs: Inputs<'a>,
    pub live: Live<'a>,
    /// `None` if it cannot be measured.
    pub coverage: Option<CoverageMeasurement>,
    pub clusters: Clusters,
    /// Flags that apply come first, the strongest first.
    pub changes: Vec<FlagChange>,
}

/// A text, cut to what is shown of an input.
pub(super) fn shown(text: &str) -> String {
    truncate_chars(text, SHOWN).into_owned()
}
