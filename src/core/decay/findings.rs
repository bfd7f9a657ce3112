//! The findings of a measurement, before they are put into the view.

use super::clusters::Clusters;
use super::inputs::{Inputs, Live};
use crate::core::coverage::CoverageMeasurement;
use crate::core::privacy::sanitize::truncate_chars;
use crate::core::queue::FlagChange;
use crate::core::unrepresented::Unrepresented;
use crate::core::wording::OtherLanguages;

/// Maximum number of characters shown of an input.
const SHOWN: usize = 200;

/// Everything that was found.
pub(super) struct Findings<'a> {
    pub inputs: Inputs<'a>,
    pub live: Live<'a>,
    /// `None` if it could not be measured.
    pub coverage: Option<CoverageMeasurement>,
    /// Records of the window in languages that no live example has.
    pub other_languages: OtherLanguages,
    pub clusters: Clusters,
    /// What no example represents; empty if coverage could not be measured.
    pub unrepresented: Unrepresented,
    /// Flags that apply come first, the strongest of them first.
    pub changes: Vec<FlagChange>,
}

impl Findings<'_> {
    /// The group of unrepresented records that each record of the window is in, by its rank.
    pub fn group_of_records(&self) -> Vec<Option<usize>> {
        let mut groups = vec![None; self.inputs.now.records.len()];
        for (number, group) in self.unrepresented.groups.iter().enumerate() {
            group.iter().for_each(|record| groups[record.0] = Some(number));
        }
        groups
    }
}

/// A text, shortened to the length shown of an input.
pub(super) fn shown(text: &str) -> String {
    truncate_chars(text, SHOWN).into_owned()
}
