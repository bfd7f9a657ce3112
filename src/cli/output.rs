//! Stdout for data, stderr for everything else; a closed pipe ends quietly.

use std::io::{IsTerminal, Write};

use serde::Serialize;

use super::arguments::Format;
use crate::core::domain::Failure;
use crate::core::report::{Screen, to_json};

/// Where a command writes.
pub(super) struct Output {
    quiet: bool,
    plain: bool,
}

impl Output {
    pub fn new(quiet: bool) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        Self { quiet, plain: set("NO_COLOR") || std::env::var_os("TERM").is_some_and(|term| term == "dumb") }
    }

    /// Whether stderr takes colour.
    pub fn colour_errors(&self) -> bool {
        !self.plain && std::io::stderr().is_terminal()
    }

    /// Whether a progress bar may be drawn: at a terminal that is not CI's.
    pub fn progress(&self) -> bool {
        !self.quiet && std::io::stderr().is_terminal() && std::env::var_os("CI").is_none()
    }

    /// Whether anything but errors may be said on stderr.
    pub fn talkative(&self) -> bool {
        !self.quiet
    }

    /// What stdout can show.
    pub fn screen(&self) -> Screen {
        Screen { width: Self::width(), colour: !self.plain && std::io::stdout().is_terminal() }
    }

    /// Columns of the terminal; 100 where stdout is none.
    fn width() -> usize {
        use terminal_size::{Width, terminal_size_of};
        let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        columns
            .or_else(|| terminal_size_of(std::io::stdout()).map(|(Width(columns), _)| usize::from(columns)))
            .unwrap_or(100)
            .clamp(60, 200)
    }

    /// Prints a result for people or for programs.
    ///
    /// # Errors
    /// As [`Self::data`].
    pub fn show<V: Serialize>(
        &self,
        format: Format,
        view: &V,
        text: impl FnOnce(&V, Screen) -> String,
    ) -> Result<(), Failure> {
        match format {
            Format::Json => self.data(&to_json(view)?),
            Format::Table => self.data(&text(view, self.screen())),
        }
    }

    /// Writes data to stdout. A reader that went away is no error: files and gates still count.
    ///
    /// # Errors
    /// A failure where stdout cannot be written for another reason.
    pub fn data(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(Failure::other("stdout cannot be written").caused_by(error))
            }
            _ => Ok(()),
        }
    }

    /// Says something on stderr, unless told to be quiet.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            // Where stderr is closed there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}
