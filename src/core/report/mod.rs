//! Turns a view model into text: Markdown, HTML, JSON, JUnit XML, CSV and terminal tables.
//!
//! Nothing is computed here that the view model does not already say. `tables` makes tables of typed cells; each format
//! puts cells into its own syntax, and sanitizes in one place the text that came from outside.

#[cfg(test)]
mod fixture;
mod meaning;
mod summary;
mod table;
mod tables;
mod terminal;

use std::path::Path;

use crate::core::domain::FlowResult;
use crate::core::view::Report;

pub use self::csv::queue_csv;
pub use self::json::to_json;
pub use summary::step_summary;
pub use terminal::*;

/// A format a report is written in.
#[derive(Debug)]
pub struct Format {
    /// Its name on the command line.
    pub name: &'static str,
    /// Endings of file names that mean it, the usual one first.
    pub extensions: &'static [&'static str],
    render: fn(&Report) -> FlowResult<String>,
}

/// Declares the file of each format, and [`FORMATS`].
macro_rules! formats {
    ($($name:ident),* $(,)?) => {
        $(mod $name;)*

        /// Every format, each in the file of its name.
        pub static FORMATS: &[Format] = &[$($name::FORMAT),*];
    };
}

formats![markdown, html, json, junit, csv];

impl Format {
    /// The format of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        FORMATS.iter().find(|format| format.name == name)
    }

    /// The format that a file name's extension means.
    pub fn of_path(path: &Path) -> Option<&'static Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        FORMATS.iter().find(|format| format.extensions.contains(&extension.as_str()))
    }

    /// The report in this format.
    ///
    /// # Errors
    /// A failure of an encoder, which writes to memory, is passed on.
    pub fn render(&self, report: &Report) -> FlowResult<String> {
        (self.render)(report)
    }
}
