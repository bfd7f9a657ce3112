//! Renders the view model as text: Markdown, HTML, JSON, JUnit XML, CSV and terminal tables.
//!
//! Renderers compute nothing that the view model does not already contain. `tables` builds tables of typed cells; each
//! format renders cells in its own syntax and sanitizes untrusted text in one place.

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod fixture_compare;
mod meaning;
mod summary;
mod table;
mod tables;
mod terminal;

use std::path::Path;

use crate::core::domain::FlowResult;
use crate::core::view::Report;

pub use self::json::to_json;
pub use summary::step_summary;
pub use terminal::*;

/// A format that a report can be written in.
#[derive(Debug)]
pub struct Format {
    /// Its name on the command line.
    pub name: &'static str,
    /// File extensions that select it, the usual one first.
    pub extensions: &'static [&'static str],
    render: fn(&Report) -> FlowResult<String>,
}

/// Declares the module of each format, and [`FORMATS`].
macro_rules! formats {
    ($($name:ident),* $(,)?) => {
        $(mod $name;)*

        /// Every format, each in the module of the same name.
        pub static FORMATS: &[Format] = &[$($name::FORMAT),*];
    };
}

formats![markdown, html, json, junit, csv];

impl Format {
    /// The format with the given name.
    pub fn named(name: &str) -> Option<&'static Self> {
        FORMATS.iter().find(|format| format.name == name)
    }

    /// The format selected by the extension of a file name.
    pub fn of_path(path: &Path) -> Option<&'static Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        FORMATS.iter().find(|format| format.extensions.contains(&extension.as_str()))
    }

    /// Renders a report in this format.
    ///
    /// # Errors
    /// Returns an error if the encoder of the format fails.
    pub fn render(&self, report: &Report) -> FlowResult<String> {
        (self.render)(report)
    }
}
