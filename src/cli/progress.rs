//! Shows the events of a flow: a bar at a terminal, plain lines now and then elsewhere.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::output::Output;
use crate::core::privacy::neutralise::for_terminal;
use crate::flow::Event;

/// How often a line is printed where no bar is drawn.
const EVERY: Duration = Duration::from_secs(5);

/// Shows events.
pub(super) struct Progress {
    bars: bool,
    talkative: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bar: Option<ProgressBar>,
    what: String,
    total: u64,
    done: u64,
    errors: u64,
    said: Option<Instant>,
}

impl Progress {
    pub fn new(output: &Output) -> Self {
        Self { bars: output.progress(), talkative: output.talkative(), state: Mutex::default() }
    }

    /// Shows one event.
    pub fn show(&self, event: Event) {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match event {
            Event::Began { what, total, done } => self.begin(&mut state, for_terminal(&what).into_owned(), total, done),
            Event::Advanced { steps, errors } => self.advance(&mut state, steps, errors),
            Event::Ended => {
                if let Some(bar) = state.bar.take() {
                    bar.finish_and_clear();
                }
            }
            Event::Note(text) => self.say(&state, &for_terminal(&text)),
            Event::Warning(text) => self.say(&state, &format!("warning: {}", for_terminal(&text))),
        }
    }

    fn begin(&self, state: &mut State, what: String, total: u64, done: u64) {
        *state = State { what, total, done, said: Some(Instant::now()), ..State::default() };
        if self.bars {
            let bar = ProgressBar::new(total).with_position(done).with_message(state.what.clone());
            let template = "{msg} {wide_bar} {pos}/{len} {per_sec} eta {eta}{prefix}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.reset_eta();
            state.bar = Some(bar);
        }
    }

    fn advance(&self, state: &mut State, steps: u64, errors: u64) {
        state.done += steps;
        state.errors += errors;
        if let Some(bar) = &state.bar {
            bar.set_position(state.done);
            if errors > 0 {
                bar.set_prefix(format!(" · {} errors", state.errors));
            }
            return;
        }
        if state.said.is_some_and(|said| said.elapsed() >= EVERY) {
            state.said = Some(Instant::now());
            let errors = if state.errors > 0 { format!(", {} errors", state.errors) } else { String::new() };
            self.say(state, &format!("{}: {}/{}{errors}", state.what, state.done, state.total));
        }
    }

    fn say(&self, state: &State, text: &str) {
        use std::io::Write;
        if let Some(bar) = &state.bar {
            bar.println(text);
        } else if self.talkative {
            // Where stderr is closed there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}
