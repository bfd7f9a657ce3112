//! Hostile text made harmless for the place where it is shown: terminal, spreadsheet, Markdown, XML.
//!
//! Each function belongs to one place; none takes the place of the quoting that the format itself asks for (CSV quotes, XML entities).

mod markdown;
mod spreadsheet;
mod terminal;
mod text;

pub use markdown::for_markdown;
pub use spreadsheet::for_spreadsheet;
pub use terminal::for_terminal;
pub use text::{truncate_chars, xml_safe};
