//! The layer that touches the outside world: files, sockets, the database, the environment. Edges do not import each
//! other, except for [`files`] and [`net`].

pub mod config;
pub mod dataset;
pub mod demo;
pub mod embed;
pub mod endpoint;
pub mod files;
pub mod git;
pub mod interop;
pub mod net;
pub mod review;
pub mod store;
pub mod traffic;
