//! Makes hostile text safe for where it is shown: terminal, spreadsheet, Markdown, XML.
//!
//! Each function is for one kind of output. None replaces the quoting that the format itself requires (CSV quotes, XML
//! entities).

mod markdown;
mod spreadsheet;
mod terminal;
mod text;

pub use markdown::for_markdown;
pub use spreadsheet::{FORMULA_SIGNS, for_spreadsheet};
pub use terminal::{for_terminal, visible_lines};
pub use text::{truncate_chars, xml_safe};
