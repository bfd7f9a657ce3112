//! The data of `karat demo`, and a loopback server that implements the OpenAI chat API with a small but real
//! classifier.

mod classifier;
mod data;
mod server;

pub use classifier::Classifier;
pub use data::{MONTHS, card_with_new_intents, demo_files, month_of_traffic, training_texts};
pub use server::DemoServer;
