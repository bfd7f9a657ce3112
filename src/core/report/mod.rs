//! Turns a view model into text: Markdown, HTML, JSON, JUnit XML, CSV and terminal tables.
//!
//! Nothing is computed here that the view model does not already say; every format puts the same `tables` into its
//! own syntax. Text that came from outside (inputs, names, messages) is sanitized by the format that prints it.

mod csv;
#[cfg(test)]
mod fixture;
mod html;
mod json;
mod junit;
mod markdown;
mod meaning;
mod summary;
mod tables;
mod terminal;
mod words;

pub use csv::csv;
pub use html::html;
pub use json::{json, to_json};
pub use junit::junit;
pub use markdown::markdown;
pub use summary::step_summary;
pub use terminal::{plain_table, terminal_decay, terminal_headline, terminal_plan, terminal_runs};
