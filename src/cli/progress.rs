//! Shows the events of a flow: as bars on a terminal, as occasional plain lines elsewhere.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::output::Output;
use crate::core::domain::RunId;
use crate::core::privacy::sanitize::for_terminal;
use crate::core::view::count_of;
use crate::flow::Event;
use crate::flow::event::{FinishedTrial, RunCounts, RunInfo};

/// How often a line is printed if no bars are drawn.
const EVERY: Duration = Duration::from_secs(5);

/// How often the figures beside a bar are updated.
const REDRAW: Duration = Duration::from_millis(200);

/// The bar for all work together. The figures are on a line below it: beside them, a bar would not fit into 80 columns.
const BAR: &str = "{msg} {wide_bar} {pos}/{len} eta {eta}\n{prefix}";

/// The bar of one run among several.
const RUN_BAR: &str = "  {msg} {wide_bar} {pos}/{len}{prefix}";

/// Shows events as progress.
pub(super) struct Progress {
    bars: bool,
    talkative: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The lines of the terminal on which bars are drawn.
    lines: MultiProgress,
    bar: Option<ProgressBar>,
    /// One bar per run in progress, if there are several.
    run_bars: BTreeMap<RunId, ProgressBar>,
    what: String,
    runs: usize,
    total: u64,
    /// Steps finished in all, and in this process.
    done: u64,
    fresh: u64,
    started: Option<Instant>,
    said: Option<Instant>,
    figures: Figures,
}

/// Figures about the steps finished so far.
#[derive(Default)]
struct Figures {
    errors: BTreeMap<&'static str, u64>,
    cached: u64,
    cost: Option<f64>,
    latencies: Option<Histogram<u64>>,
}

impl Figures {
    fn take(&mut self, trial: &FinishedTrial) {
        if let Some((kind, _)) = &trial.error {
            *self.errors.entry(kind.name()).or_default() += 1;
        }
        self.cached += u64::from(trial.cached);
        self.cost = trial.cost.map(|cost| self.cost.unwrap_or(0.0) + cost).or(self.cost);
        if let Some(latency) = trial.latency {
            if self.latencies.is_none() {
                // Microseconds up to an hour with two significant digits, enough for a progress line.
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
            parts.push(format!("{} ({})", count_of(self.errors.values().sum::<u64>(), "error"), kinds.join(", ")));
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
        // Lines of --verbose would break up a bar.
        let bars = output.progress() && !tracing::enabled!(tracing::Level::DEBUG);
        Self { bars, talkative: output.talkative(), state: Mutex::default() }
    }

    /// Shows one event.
    pub fn show(&self, event: &Event) {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match event {
            Event::Began { what, total, done } => {
                self.start(&mut state, for_terminal(what).into_owned(), *total, *done)
            }
            Event::Advanced { steps, errors } => {
                if *errors > 0 {
                    *state.figures.errors.entry("failed").or_default() += errors;
                }
                self.advance(&mut state, *steps);
            }
            Event::SuiteStarted { runs, counts } => {
                self.start(&mut state, title(runs), counts.total, counts.done);
                state.runs = runs.len();
            }
            Event::RunStarted { run, counts } => self.start_run(&mut state, run, *counts),
            Event::RequestSent { .. } => {}
            Event::TrialFinished { run, trial, counts } => {
                state.figures.take(trial);
                if let Some(bar) = state.run_bars.get(&run.run_id) {
                    bar.set_position(counts.done);
                    if counts.errors > 0 {
                        bar.set_prefix(format!(" · {}", count_of(counts.errors, "error")));
                    }
                }
                self.advance(&mut state, 1);
            }
            Event::RunFinished { run, .. } => {
                if let Some(bar) = state.run_bars.remove(&run.run_id) {
                    bar.finish_and_clear();
                }
            }
            Event::Ended | Event::SuiteFinished => state.clear(),
            Event::Note(text) => self.say(&state, &for_terminal(text)),
            Event::Warning(text) => self.say(&state, &format!("warning: {}", for_terminal(text))),
        }
    }

    fn start(&self, state: &mut State, what: String, total: u64, done: u64) {
        let now = Some(Instant::now());
        state.clear();
        *state = State { what, total, done, started: now, said: now, ..State::default() };
        if self.bars {
            let bar = state.draw(BAR, total, done).with_message(state.what.clone());
            bar.reset_eta();
            state.bar = Some(bar);
        }
    }

    /// Draws a bar for a run, unless it is the only one.
    fn start_run(&self, state: &mut State, run: &RunInfo, counts: RunCounts) {
        if self.bars && state.runs > 1 {
            let target = for_terminal(&run.target()).into_owned();
            let bar = state.draw(RUN_BAR, counts.total, counts.done).with_message(target);
            state.run_bars.insert(run.run_id.clone(), bar);
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
            // If stderr is closed, there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}

/// `support on model with long`, or `support: 4 runs`.
fn title(runs: &[std::sync::Arc<RunInfo>]) -> String {
    let title = match runs {
        [run] => format!("{} on {}", run.suite, run.target()),
        runs => {
            let suite = runs.first().map_or("", |run| run.suite.as_str());
            format!("{suite}: {} runs", runs.len())
        }
    };
    for_terminal(&title).into_owned()
}

impl State {
    /// Draws another bar below the others.
    fn draw(&self, template: &str, total: u64, done: u64) -> ProgressBar {
        let bar = self.lines.add(ProgressBar::new(total).with_position(done));
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar
    }

    fn clear(&mut self) {
        for bar in std::mem::take(&mut self.run_bars).into_values().chain(self.bar.take()) {
            bar.finish_and_clear();
        }
    }

    /// Steps per second, counting only those of this process.
    fn rate(&self) -> f64 {
        let seconds = self.started.map_or(0.0, |started| started.elapsed().as_secs_f64());
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
    use std::sync::Arc;

    use super::*;
    use crate::core::domain::CallErrorKind;

    fn finished(number: u32) -> FinishedTrial {
        FinishedTrial {
            example_id: number.to_string(),
            trial: 0,
            error: None,
            attempts: 1,
            latency: Some(Duration::from_millis(200)),
            cached: false,
            cost: Some(0.01),
            unscored: None,
        }
    }

    #[test]
    fn the_figures_show_latency_errors_by_kind_cache_hits_and_cost() {
        let mut figures = Figures::default();
        assert_eq!(figures.text(), "");
        (0..9).for_each(|number| figures.take(&finished(number)));
        figures.take(&FinishedTrial { latency: Some(Duration::from_secs(20)), ..finished(9) });
        let error = Some((CallErrorKind::Timeout, "slow".to_owned()));
        figures.take(&FinishedTrial { error, latency: None, cost: None, ..finished(10) });
        figures.take(&FinishedTrial { latency: None, cached: true, cost: Some(0.0), ..finished(11) });
        assert_eq!(figures.text(), " · p50 201 ms, p95 20.1 s · 1 error (timeout 1) · 1 cached · 0.1000 spent");
    }

    #[test]
    fn the_line_of_several_runs_shows_their_sum() {
        let run = |endpoint: &str| {
            let (suite, endpoint) = ("quiz".to_owned(), endpoint.to_owned());
            Arc::new(RunInfo { run_id: RunId::new(&endpoint), suite, endpoint, prompt: None })
        };
        let (one, other) = (run("one"), run("other"));
        let progress = Progress { bars: false, talkative: false, state: Mutex::default() };
        let counts = RunCounts { total: 10, done: 2, ..RunCounts::default() };
        progress.show(&Event::SuiteStarted { runs: vec![one.clone(), other.clone()], counts: counts.and(counts) });
        for (number, run) in [(0, &one), (1, &other), (2, &other)] {
            progress.show(&Event::TrialFinished { run: run.clone(), trial: finished(number), counts });
        }
        let line = progress.state.lock().unwrap().line();
        assert!(line.starts_with("quiz: 2 runs: 7/20, "), "{line}");
        assert_eq!(title(&[one]), "quiz on one");
    }
}
