//! The built binary, used as people use it: in a folder of its own, over real HTTP, killed in the middle.

mod basics;
mod datasets;
mod decay;
mod demo;
mod embedder;
mod mistakes;
mod quality;
mod reports;
mod resume;
mod runner;
mod server;
mod terminal;
mod traffic;
mod workspace;
