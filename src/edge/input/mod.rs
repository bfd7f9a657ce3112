//! Files that users hand over to be read: plain or compressed, in folders, matching a pattern, or on standard input.

mod expand;
mod open;

pub use expand::{Input, expand};
pub use open::{Content, Opened, open};
