//! karat: a golden-dataset evaluation harness with decay tracking.
//!
//! It runs versioned eval suites against model endpoints, keeps every outcome in SQLite, compares the golden set with
//! sampled production traffic, and flags the examples that decayed. ARCHITECTURE.md is the map of the code.

#![deny(missing_docs)]

pub mod cli;
pub mod core;
pub mod edge;
pub mod flow;
