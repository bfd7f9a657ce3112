//! The layer that touches the outside world: files, sockets, the database, the environment. Edges do not import each
//! other, except for [`files`], [`input`], [`net`], [`parquet`], [`program`] and [`yaml`].

pub mod config;
pub mod dataset;
pub mod demo;
pub mod embed;
pub mod endpoint;
pub mod files;
pub mod git;
pub mod input;
pub mod interop;
pub mod judge_labels;
pub mod net;
pub mod parquet;
pub mod program;
pub mod review;
pub mod scorer;
pub mod store;
pub mod traffic;
pub mod yaml;
