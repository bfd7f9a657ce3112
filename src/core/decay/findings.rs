//! The findings of a measurement, before they are put into the view.

use super::clusters::Clusters;
use super::inputs::{Inputs, Live};
use crate::core::coverage::CoverageMeasurement;
use crate::core::privacy::sanitize::truncate_chars;
use crate::core::queue::FlagChange;

/// Maximum number of characters shown of an input.
const SHOWN: usize = 200;

/// Everything that was found.
pub(super) struct Findings<'a> {
    pub inputs: Inputs<'a>,
    pub live: Live<'a>,
    /// `None` if it could not be measured.
    pub coverage: Option<CoverageMeasurement>,
    pub clusters: Clusters,
    /// Flags that apply come first, the strongest of them first.
    pub changes: Vec<FlagChange>,
}

/// A text, shortened to the length shown of an input.
pub(super) fn shown(text: &str) -> String {
    truncate_chars(text, SHOWN).into_owned()
}
