//! The shape of JSON outputs, and how it differs between two endpoints: keys, types and small sets of values.

mod change;
mod consumer;
mod node;
mod place;
mod rename;
mod shape;

pub use change::{Breaking, ChangeKind, ShapeChange, changes};
pub use node::JsonType;
pub use shape::Shape;
