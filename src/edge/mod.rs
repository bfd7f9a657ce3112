//! The floor that touches the world: files, sockets, the database, the environment. Edges do not import each other,
//! [`net`] apart.

pub mod config;
pub mod dataset;
pub mod demo;
pub mod embed;
pub mod endpoint;
pub mod files;
pub mod git;
pub mod net;
pub mod store;
pub mod traffic;
