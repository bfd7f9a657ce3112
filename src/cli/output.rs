//! Output: data goes to stdout, everything else to stderr. A closed pipe is not an error.

use std::io::{IsTerminal, Write};

use serde::Serialize;

use super::arguments::Format;
use crate::core::domain::Failure;
use crate::core::report::{Screen, to_json};

/// The output of a command.
#[derive(Clone, Copy)]
pub(super) struct Output {
    quiet: bool,
    plain: bool,
}

impl Output {
    pub fn new(quiet: bool) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        Self { quiet, plain: set("NO_COLOR") || std::env::var_os("TERM").is_some_and(|term| term == "dumb") }
    }

    /// Whether errors on stderr are coloured.
    pub fn colour_errors(&self) -> bool {
        !self.plain && std::io::stderr().is_terminal()
    }

    /// Whether progress bars are drawn: only on a terminal, and not in CI.
    pub fn progress(&self) -> bool {
        !self.quiet && std::io::stderr().is_terminal() && std::env::var_os("CI").is_none()
    }

    /// Whether anything but errors is printed on stderr.
    pub fn talkative(&self) -> bool {
        !self.quiet
    }

    /// Returns the width of stdout and whether it supports colour.
    pub fn screen(&self) -> Screen {
        Screen { width: Self::width(), colour: !self.plain && std::io::stdout().is_terminal() }
    }

    /// Columns of the terminal; 100 if stdout is not a terminal.
    fn width() -> usize {
        use terminal_size::{Width, terminal_size_of};
        let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        columns
            .or_else(|| terminal_size_of(std::io::stdout()).map(|(Width(columns), _)| usize::from(columns)))
            .unwrap_or(100)
            .clamp(60, 200)
    }

    /// Prints a result: as text for people, or as JSON for programs.
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

    /// Writes data to stdout. A closed pipe is not an error: reports are still written and gates still evaluated.
    ///
    /// # Errors
    /// Fails if stdout cannot be written for any other reason.
    pub fn data(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(Failure::other("cannot write to stdout").caused_by(error))
            }
            _ => Ok(()),
        }
    }

    /// Prints a line to stderr, unless `--quiet` was given.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            // If stderr is closed, there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// Standard output for data that is written piece by piece. As in [`Self::data`], a closed pipe is not an error.
    pub fn stream(&self) -> impl Write + Send + use<> {
        Stream(std::io::BufWriter::new(std::io::stdout()))
    }
}

/// Standard output, which swallows what is written after the pipe was closed.
struct Stream(std::io::BufWriter<std::io::Stdout>);

impl Write for Stream {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        match self.0.write(data) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(data.len()),
            result => result,
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self.0.flush() {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }
}
