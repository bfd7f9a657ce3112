//! Shows the events of a flow: a bar at a terminal, plain lines now and then elsewhere.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};

use super::output::Output;
use crate::core::privacy::sanitize::for_terminal;
use crate::flow::Event;
use crate::flow::event::Answered;

/// How often a line is printed where no bar is drawn.
const EVERY: Duration = Duration::from_secs(5);

/// How often the figures beside a bar are written anew.
const REDRAW: Duration = Duration::from_millis(200);

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
    /// Steps finished in all, and in this process.
    done: u64,
    fresh: u64,
    begun: Option<Instant>,
    said: Option<Instant>,
    figures: Figures,
}

/// What is known of the steps so far.
#[derive(Default)]
struct Figures {
    errors: BTreeMap<&'static str, u64>,
    cached: u64,
    cost: Option<f64>,
    latencies: Option<Histogram<u64>>,
}

impl Figures {
    fn take(&mut self, answered: Answered) {
        if let Some(kind) = answered.error {
            *self.errors.entry(kind.name()).or_default() += 1;
        }
        self.cached += u64::from(answered.cached);
        self.cost = answered.cost.map(|cost| self.cost.unwrap_or(0.0) + cost).or(self.cost);
        if let Some(latency) = answered.latency {
            if self.latencies.is_none() {
                // Microseconds up to an hour in two significant digits: a progress line needs no more.
                self.latencies = Histogram::new_with_bounds(1, 3_600_000_000, 2).ok();
            }
            if let Some(latencies) = &mut self.latencies {
                latencies.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1));
            }
        }
    }

    /// ` · p50 210 ms, p95 800 ms · 2 errors (timeout 2) · 5 cached · 0.0213 spent`
    fn text(&self) -> String {
        let mut parts = Vec::new();
        if let Some(latencies) = self.latencies.as_ref().filter(|latencies| !latencies.is_empty()) {
            let at = |quantile: f64| latencies.value_at_quantile(quantile) as f64 / 1e3;
            parts.push(format!("p50 {}, p95 {}", milliseconds(at(0.5)), milliseconds(at(0.95))));
        }
        if !self.errors.is_empty() {
            let kinds: Vec<String> = self.errors.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
            parts.push(format!("{} errors ({})", self.errors.values().sum::<u64>(), kinds.join(", ")));
        }
        if self.cached > 0 {
            parts.push(format!("{} cached", self.cached));
        }
        if let Some(cost) = self.cost {
            parts.push(format!("{cost:.4} spent"));
        }
        parts.iter().map(|part| format!(" · {part}")).collect()
    }
}

fn milliseconds(ms: f64) -> String {
    match ms {
        ..10.0 => format!("{ms:.1} ms"),
        10.0..10_000.0 => format!("{ms:.0} ms"),
        _ => format!("{:.1} s", ms / 1e3),
    }
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
            Event::Advanced { steps, errors } => {
                if errors > 0 {
                    *state.figures.errors.entry("failed").or_default() += errors;
                }
                self.advance(&mut state, steps);
            }
            Event::Answered(answered) => {
                state.figures.take(answered);
                self.advance(&mut state, 1);
            }
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
        let now = Some(Instant::now());
        *state = State { what, total, done, begun: now, said: now, ..State::default() };
        if self.bars {
            let bar = ProgressBar::new(total).with_position(done).with_message(state.what.clone());
            // The figures have a line of their own: beside them there would be no room for a bar on 80 columns.
            let template = "{msg} {wide_bar} {pos}/{len} eta {eta}\n{prefix}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.reset_eta();
            state.bar = Some(bar);
        }
    }

    fn advance(&self, state: &mut State, steps: u64) {
        state.done += steps;
        state.fresh += steps;
        let since = state.said.map_or(Duration::MAX, |said| said.elapsed());
        if let Some(bar) = &state.bar {
            bar.set_position(state.done);
            if since >= REDRAW {
                bar.set_prefix(format!("{:.1}/s{}", state.rate(), state.figures.text()));
                state.said = Some(Instant::now());
            }
            return;
        }
        if since >= EVERY {
            state.said = Some(Instant::now());
            let line = state.line();
            self.say(state, &line);
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

impl State {
    /// Steps a second, of those of this process.
    fn rate(&self) -> f64 {
        let seconds = self.begun.map_or(0.0, |begun| begun.elapsed().as_secs_f64());
        if seconds > 0.0 { self.fresh as f64 / seconds } else { 0.0 }
    }

    /// `support on model: 120/400, 24.1/s, 12 s left · p50 …`
    fn line(&self) -> String {
        let rate = self.rate();
        let left = if rate > 0.0 {
            format!(", {:.0} s left", self.total.saturating_sub(self.done) as f64 / rate)
        } else {
            String::new()
        };
        format!("{}: {}/{}, {rate:.1}/s{left}{}", self.what, self.done, self.total, self.figures.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::domain::CallErrorKind;

    #[test]
    fn the_figures_tell_latency_errors_by_kind_cache_and_spend() {
        let mut figures = Figures::default();
        assert_eq!(figures.text(), "");
        let answered =
            Answered { error: None, latency: Some(Duration::from_millis(200)), cached: false, cost: Some(0.01) };
        (0..9).for_each(|_| figures.take(answered));
        figures.take(Answered { latency: Some(Duration::from_secs(20)), ..answered });
        figures.take(Answered { error: Some(CallErrorKind::Timeout), latency: None, cost: None, ..answered });
        figures.take(Answered { latency: None, cached: true, cost: Some(0.0), ..answered });
        assert_eq!(figures.text(), " · p50 201 ms, p95 20.1 s · 1 errors (timeout 1) · 1 cached · 0.1000 spent");
    }
}
