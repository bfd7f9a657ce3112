//! Prints failures: the message, the details, the causes and the hint.

use std::error::Error;
use std::io::Write;

use crate::core::domain::Failure;
use crate::core::privacy::sanitize::for_terminal;

/// Prints a failure to stderr. Text from files and servers is sanitized, so that it cannot control the terminal.
pub(super) fn print(failure: &Failure, colour: bool) {
    let paint =
        |code: &str, word: &str| if colour { format!("\u{1b}[{code}m{word}\u{1b}[0m") } else { word.to_owned() };
    let mut text = format!("{} {}\n", paint("1;31", "error:"), for_terminal(&failure.message));
    for detail in &failure.details {
        text.push_str(&format!("  {}\n", for_terminal(detail)));
    }
    let mut said = failure.message.clone();
    let mut cause = failure.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        // Some errors repeat the message of the error they wrap; print it once.
        if !said.contains(&reason) && !reason.contains(&said) {
            text.push_str(&format!("  caused by: {}\n", for_terminal(&reason)));
            said = reason;
        }
        cause = error.source();
    }
    if let Some(hint) = &failure.hint {
        text.push_str(&format!("{} {}\n", paint("1;36", "hint:"), for_terminal(hint)));
    }
    // If stderr is closed, there is nobody left to tell.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
