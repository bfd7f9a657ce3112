//! Limits how many requests are in flight to a host, and how fast they are sent.
//!
//! The bound on requests in flight is adaptive, by additive increase and multiplicative decrease (D.-M. Chiu and R.
//! Jain, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance", 1989), with the decrease in
//! proportion to the refusals (as in M. Alizadeh et al., "Data Center TCP", 2010): each second the bound is reduced by
//! half the share of responses that were refusals, and it grows by one for as many successes as the bound allows. A
//! server that refuses one request in twenty at random is hardly slowed down; one that refuses all soon gets one
//! request at a time. The bound starts at the user's maximum, because most servers never refuse.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use reqwest::Url;
use tokio::sync::Notify;

use super::hints::RateHints;
use super::redact::host_and_port;
use crate::core::domain::CallErrorKind;

/// How long refusals are counted before the bound is adjusted.
const WINDOW: Duration = Duration::from_secs(1);
/// The number of consecutive refusals after which all requests to the host pause; a quarter of the bound if that is
/// more, because refusals arrive sooner than answers.
const IN_A_ROW: u32 = 3;
/// The longest pause of a host, whatever the server asks for; a request that is refused again afterwards gives up
/// according to its own policy.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The limiters of a process, one per host and port, so that endpoints on the same host share one.
#[derive(Default)]
pub struct Limiters {
    hosts: Mutex<HashMap<String, Arc<HostLimiter>>>,
}

impl Limiters {
    /// The limiter of the host of `url`; `most` is the maximum number of requests in flight if the host is new.
    pub fn of(&self, url: &Url, most: usize) -> Arc<HostLimiter> {
        let mut hosts = self.hosts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let host = format!("{}://{}", url.scheme(), host_and_port(url));
        Arc::clone(hosts.entry(host).or_insert_with(|| Arc::new(HostLimiter::new(most))))
    }
}

/// The limiter of one host.
pub struct HostLimiter {
    state: Mutex<State>,
    freed: Notify,
}

/// Permission for one request in flight; dropping it without [`Permit::finish`] only releases it.
pub struct Permit<'a> {
    limiter: &'a HostLimiter,
}

impl HostLimiter {
    /// Creates a limiter that allows at most `most` requests in flight, and at least one.
    pub fn new(most: usize) -> Self {
        Self { state: Mutex::new(State::new(most)), freed: Notify::new() }
    }

    /// Waits for a permit. Every wait ends: permits are held for at most the timeout of an attempt, and pauses are
    /// bounded.
    pub async fn acquire(&self) -> Permit<'_> {
        let mut request = Waiting { limiter: self, in_line: false };
        loop {
            let mut freed = pin!(self.freed.notified());
            // Before asking for a permit, so that one released meanwhile is not missed.
            freed.as_mut().enable();
            let turn = self.state().turn(&mut request.in_line, Instant::now());
            match turn {
                Turn::Now => return Permit { limiter: self },
                Turn::At(time) => tokio::time::sleep_until(time.into()).await,
                Turn::WhenFreed => freed.await,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// Reports the result of the attempt: `Ok` for an answer, or the kind of the error with the wait that the server
    /// asked for.
    pub fn finish(self, result: Result<(), (CallErrorKind, Option<Duration>)>, hints: &RateHints) {
        self.limiter.state().learn(result, hints, Instant::now());
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let free = {
            let mut state = self.limiter.state();
            state.in_flight = state.in_flight.saturating_sub(1);
            state.whole_limit().saturating_sub(state.in_flight)
        };
        // If the limit grew, two may start for one that finished.
        for _ in 0..free.min(2) {
            self.limiter.freed.notify_one();
        }
    }
}

/// A request that has no permit yet.
struct Waiting<'a> {
    limiter: &'a HostLimiter,
    /// Whether it was told to wait for a permit.
    in_line: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.in_line {
            // The request was dropped; a later one may have been waiting for it.
            self.limiter.state().waiting -= 1;
            self.limiter.freed.notify_one();
        }
    }
}

/// When a request may start.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Now,
    At(Instant),
    WhenFreed,
}

struct State {
    most: f64,
    limit: f64,
    in_flight: usize,
    /// Requests in line for a permit. Later ones may not overtake them: the endpoint that releases a permit would usually
    /// take it again, before any other endpoint on the host.
    waiting: usize,
    resume_at: Option<Instant>,
    /// The start of the current counting window.
    window: Option<Instant>,
    complaints: f64,
    answers: f64,
    complaints_in_a_row: u32,
}

impl State {
    fn new(most: usize) -> Self {
        let most = most.max(1) as f64;
        Self {
            most,
            limit: most,
            in_flight: 0,
            waiting: 0,
            resume_at: None,
            window: None,
            complaints: 0.0,
            answers: 0.0,
            complaints_in_a_row: 0,
        }
    }

    fn whole_limit(&self) -> usize {
        (self.limit as usize).max(1)
    }

    /// Returns the turn of a request. `in_line` says whether it was already told to wait, and is updated.
    fn turn(&mut self, in_line: &mut bool, now: Instant) -> Turn {
        if let Some(time) = self.resume_at.filter(|time| *time > now) {
            return Turn::At(time);
        }
        let ahead = if *in_line { 0 } else { self.waiting };
        if self.in_flight + ahead >= self.whole_limit() {
            self.waiting += usize::from(!*in_line);
            *in_line = true;
            return Turn::WhenFreed;
        }
        self.waiting -= usize::from(*in_line);
        *in_line = false;
        self.in_flight += 1;
        Turn::Now
    }

    fn learn(&mut self, result: Result<(), (CallErrorKind, Option<Duration>)>, hints: &RateHints, now: Instant) {
        match result {
            Err((CallErrorKind::RateLimited | CallErrorKind::Overloaded, wait)) => self.complaint(wait, now),
            Ok(()) => {
                self.complaints_in_a_row = 0;
                self.answers += 1.0;
                self.limit = (self.limit + 1.0 / self.limit).min(self.most);
            }
            // Other kinds of failure say nothing about the load.
            Err(_) => {}
        }
        self.close_window(now);
        if let Some(wait) = hints.exhausted_for {
            self.pause(wait, now);
        }
    }

    fn close_window(&mut self, now: Instant) {
        let since = *self.window.get_or_insert(now);
        if now.duration_since(since) < WINDOW {
            return;
        }
        let share = self.complaints / (self.complaints + self.answers).max(1.0);
        self.limit = (self.limit * (1.0 - share / 2.0)).max(1.0);
        (self.window, self.complaints, self.answers) = (Some(now), 0.0, 0.0);
    }

    fn complaint(&mut self, wait: Option<Duration>, now: Instant) {
        self.complaints_in_a_row += 1;
        self.complaints += 1.0;
        // A single refusal says nothing about other requests; several in a row concern all of them.
        let many = f64::from(IN_A_ROW).max(self.limit / 4.0);
        if let Some(wait) = wait.filter(|_| f64::from(self.complaints_in_a_row) >= many) {
            self.pause(wait, now);
        }
    }

    fn pause(&mut self, wait: Duration, now: Instant) {
        let until = now + wait.min(LONGEST_PAUSE);
        self.resume_at = Some(self.resume_at.map_or(until, |earlier| earlier.max(until)));
    }
}

/// Limits a rate per minute, allowing bursts of up to one second's worth, with the generic cell rate algorithm (ITU-T
/// I.371).
pub struct Pace {
    interval: Duration,
    burst: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// Allows `per_minute` units per minute, at least one.
    pub fn new(per_minute: u64) -> Self {
        let interval = Duration::from_secs(60).div_f64(per_minute.max(1) as f64);
        Self { interval, burst: Duration::from_secs(1), next: Mutex::new(None) }
    }

    /// Waits until `units` more are allowed. The wait exceeds a minute only if `units` exceeds the rate per minute.
    pub async fn wait(&self, units: u64) {
        let at = self.reserve(units, Instant::now());
        tokio::time::sleep_until(at.into()).await;
    }

    fn reserve(&self, units: u64, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let due = next.unwrap_or(now).max(now);
        *next = Some(due + self.interval.mul_f64(units as f64));
        due.checked_sub(self.burst).map_or(now, |early| early.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: Err = Err((CallErrorKind::RateLimited, None));
    type Err = Result<(), (CallErrorKind, Option<Duration>)>;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn none() -> RateHints {
        RateHints::default()
    }

    #[test]
    fn the_bound_follows_the_share_of_refusals_each_second_and_answers_raise_it_to_the_maximum() {
        let (mut state, start) = (State::new(100), Instant::now());
        let second = |state: &mut State, number: u64, complaints: usize, answers: usize| {
            let time = start + seconds(number) + Duration::from_millis(500);
            (0..complaints).for_each(|_| state.learn(TOLD, &none(), time));
            (0..answers).for_each(|_| state.learn(Ok(()), &none(), time));
            state.learn(Err((CallErrorKind::Server, None)), &none(), start + seconds(number + 1));
        };
        state.learn(Err((CallErrorKind::Server, None)), &none(), start);
        second(&mut state, 0, 100, 0);
        assert_eq!(state.whole_limit(), 50, "all were refused: half the bound");
        second(&mut state, 1, 5, 95);
        assert_eq!(state.whole_limit(), 50, "one in twenty was refused: the answers make up for the reduction");
        (2..20).for_each(|number| second(&mut state, number, 10, 0));
        assert_eq!(state.whole_limit(), 1, "one request is always allowed");
        (0..10_000).for_each(|_| state.learn(Ok(()), &none(), start + seconds(60)));
        assert_eq!(state.whole_limit(), 100);
    }

    #[test]
    fn only_consecutive_refusals_or_an_exhausted_limit_pause_the_whole_host() {
        let (mut state, now) = (State::new(10), Instant::now());
        let told = || Err((CallErrorKind::RateLimited, Some(seconds(600))));
        state.learn(told(), &none(), now);
        state.learn(told(), &none(), now);
        state.learn(Ok(()), &none(), now);
        state.learn(told(), &none(), now);
        assert_eq!(state.turn(&mut false, now), Turn::Now);
        state.learn(told(), &none(), now);
        state.learn(told(), &none(), now);
        assert_eq!(state.turn(&mut false, now), Turn::At(now + LONGEST_PAUSE), "no pause is longer than a minute");
        assert_eq!(state.turn(&mut false, now + LONGEST_PAUSE), Turn::Now);
        state.learn(Ok(()), &RateHints { exhausted_for: Some(seconds(70)) }, now + seconds(100));
        assert_eq!(state.turn(&mut false, now + seconds(100)), Turn::At(now + seconds(160)));
    }

    #[test]
    fn refusals_that_arrive_before_the_answers_do_not_pause_a_host_that_answers_most_requests() {
        let (mut state, now) = (State::new(200), Instant::now());
        (0..49).for_each(|_| state.learn(Err((CallErrorKind::RateLimited, Some(seconds(1)))), &none(), now));
        assert_eq!(state.turn(&mut false, now), Turn::Now);
        state.learn(Err((CallErrorKind::RateLimited, Some(seconds(1)))), &none(), now);
        assert_eq!(state.turn(&mut false, now), Turn::At(now + seconds(1)));
    }

    #[test]
    fn other_kinds_of_failure_change_nothing() {
        let (mut state, now) = (State::new(10), Instant::now());
        for kind in [CallErrorKind::Server, CallErrorKind::Timeout, CallErrorKind::Connect, CallErrorKind::BadAnswer] {
            state.learn(Err((kind, Some(seconds(5)))), &none(), now);
        }
        assert_eq!((state.whole_limit(), state.turn(&mut false, now)), (10, Turn::Now));
    }

    #[tokio::test]
    async fn no_more_requests_are_in_flight_than_allowed_and_all_of_them_get_a_turn() {
        let limiter = Arc::new(HostLimiter::new(3));
        let (now, most) = (Arc::new(Mutex::new(0_usize)), Arc::new(Mutex::new(0_usize)));
        let tasks: Vec<_> = (0..200)
            .map(|index| {
                let (limiter, now, most) = (limiter.clone(), now.clone(), most.clone());
                tokio::spawn(async move {
                    let permit = limiter.acquire().await;
                    {
                        let mut now = now.lock().unwrap();
                        *now += 1;
                        let mut most = most.lock().unwrap();
                        *most = (*most).max(*now);
                    }
                    tokio::task::yield_now().await;
                    *now.lock().unwrap() -= 1;
                    match index % 3 {
                        0 => permit.finish(Ok(()), &none()),
                        1 => permit.finish(TOLD, &none()),
                        // A cancelled task releases its permit, too.
                        _ => drop(permit),
                    }
                })
            })
            .collect();
        for task in tasks {
            tokio::time::timeout(seconds(20), task).await.unwrap().unwrap();
        }
        assert_eq!(*most.lock().unwrap(), 3);
    }

    #[tokio::test]
    async fn a_permit_goes_to_the_request_that_has_waited_longest() {
        let limiter = HostLimiter::new(1);
        let first = limiter.acquire().await;
        let mut waiting = pin!(limiter.acquire());
        assert!(poll_once(waiting.as_mut()).is_none());
        drop(first);
        let mut late = pin!(limiter.acquire());
        assert!(poll_once(late.as_mut()).is_none(), "it must not overtake the waiting request");
        let second = poll_once(waiting.as_mut()).unwrap();
        drop(second);
        let third = poll_once(late.as_mut()).unwrap();
        {
            let mut given_up = pin!(limiter.acquire());
            assert!(poll_once(given_up.as_mut()).is_none());
        }
        drop(third);
        let mut last = pin!(limiter.acquire());
        assert!(poll_once(last.as_mut()).is_some(), "a request that was given up does not hold up others");
    }

    fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        match future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }

    #[test]
    fn a_pace_allows_a_burst_of_one_second_and_then_spaces_requests_evenly() {
        let (pace, now) = (Pace::new(120), Instant::now());
        let waits: Vec<f64> = (0..6).map(|_| pace.reserve(1, now).duration_since(now).as_secs_f64()).collect();
        assert_eq!(waits, [0.0, 0.0, 0.0, 0.5, 1.0, 1.5]);
        assert_eq!(pace.reserve(1, now + seconds(60)), now + seconds(60), "unused capacity does not accumulate");
    }

    #[test]
    fn urls_of_the_same_host_share_a_limiter_but_different_ports_do_not() {
        let limiters = Limiters::default();
        let of = |url: &str| limiters.of(&url.parse().unwrap(), 5);
        assert!(Arc::ptr_eq(&of("https://h/v1"), &of("https://h:443/v2?x=1")));
        assert!(!Arc::ptr_eq(&of("https://h/v1"), &of("https://h:8443/v1")));
    }
}
