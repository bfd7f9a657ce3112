//! Tests of the built binary, run as users run it: in a separate folder, over real HTTP, killed in the middle of its
//! work.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "test helpers may panic")]

mod basics;
mod budget;
mod cache;
mod compare;
mod conversations;
mod datasets;
mod decay;
mod demo;
mod doctor;
mod drift;
mod embedder;
mod endpoints;
mod faults;
mod imports;
mod judge_validate;
mod judges;
mod labelling;
mod matrix;
mod mistakes;
mod nights;
mod quality;
mod queue;
mod repeats;
mod reports;
mod resume;
mod review;
mod runner;
mod saturation;
mod score_traffic;
mod secrets;
mod server;
mod sources;
mod terminal;
mod traffic;
mod undo;
mod workspace;
