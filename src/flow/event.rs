//! What a flow tells while it works. Who listens decides what to show.

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Work of `total` steps began; `done` of them were finished before.
    Began {
        /// What is being done.
        what: String,
        /// Steps in all.
        total: u64,
        /// Steps finished before.
        done: u64,
    },
    /// Steps were finished, and what they brought is kept.
    Advanced {
        /// How many.
        steps: u64,
        /// How many of them ended in an error.
        errors: u64,
    },
    /// The work begun last is over.
    Ended,
    /// Something a reader should know.
    Note(String),
    /// Something a reader should worry about.
    Warning(String),
}

/// Who listens. Called from any thread.
pub type Events<'a> = &'a (dyn Fn(Event) + Send + Sync);
