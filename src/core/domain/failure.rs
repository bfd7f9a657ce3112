//! The error type shown to users: what happened, where, and how to fix it.

use std::fmt;

/// The kind of a failure, which determines the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The command line is invalid (exit 2).
    Usage,
    /// A file or setting is missing or invalid (exit 3).
    Data,
    /// A run could not finish (exit 4).
    Incomplete,
    /// The database cannot be used (exit 5).
    Store,
    /// Anything else (exit 1).
    Other,
}

/// A result whose error is a [`Failure`].
pub type Outcome<T> = Result<T, Failure>;

/// An error with its location, its cause and a hint on how to fix it.
#[derive(Debug)]
pub struct Failure {
    /// Determines the exit code.
    pub kind: FailureKind,
    /// What happened, in one sentence that names the file, line and key, if any.
    pub message: String,
    /// How to fix it.
    pub hint: Option<String>,
    /// Additional lines, such as every bad row of a file.
    pub details: Vec<String>,
    /// The underlying error, printed as "Caused by".
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Failure {
    /// Creates a failure of the given kind.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, details: Vec::new(), source: None }
    }

    /// Creates a failure caused by an invalid command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Usage, message)
    }

    /// Creates a failure caused by bad configuration or data.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Data, message)
    }

    /// Creates a failure of the database.
    pub fn store(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Store, message)
    }

    /// Any other failure (exit 1).
    pub fn other(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Other, message)
    }

    /// Sets the hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets the additional lines.
    #[must_use]
    pub fn details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }

    /// Sets the underlying error.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
