//! What `karat demo` needs of the world: its data, and a loopback server that speaks the OpenAI chat API and answers
//! from a small real classifier.

mod bayes;
mod data;
mod server;

pub use bayes::NaiveBayes;
pub use data::{MONTHS, demo_files, month_of_traffic, training_texts};
pub use server::DemoServer;
