//! The built binary, used as people use it: in a folder of its own, over real HTTP, killed in the middle.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "helpers of tests may panic")]

mod asking;
mod basics;
mod budget;
mod cache;
mod datasets;
mod decay;
mod demo;
mod doctor;
mod embedder;
mod faults;
mod matrix;
mod mistakes;
mod quality;
mod repeats;
mod reports;
mod resume;
mod runner;
mod secrets;
mod server;
mod terminal;
mod traffic;
mod workspace;
