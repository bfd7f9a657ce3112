//! What the server has received so far.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use crate::faults::Fault;

/// What the server has received so far. One lock is enough: it is held for less than a microsecond per request.
#[derive(Default)]
pub struct State(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    connections: u64,
    requests: u64,
    in_flight: u64,
    max_in_flight: u64,
    by_status: BTreeMap<u16, u64>,
    /// How often each message has been received, by hash.
    asked: HashMap<u64, u32>,
    faults: [u64; Fault::ALL.len()],
}

/// A request in progress; it ends when this is dropped, which also happens when its client disconnects.
pub struct InFlight<'a>(&'a State);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let mut counts = self.0.counts();
        counts.in_flight = counts.in_flight.saturating_sub(1);
    }
}

impl State {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn connected(&self) {
        self.counts().connections += 1;
    }

    pub fn arrived(&self) -> InFlight<'_> {
        let mut counts = self.counts();
        counts.requests += 1;
        counts.in_flight += 1;
        counts.max_in_flight = counts.max_in_flight.max(counts.in_flight);
        InFlight(self)
    }

    /// Counts a message and returns how often it has been received, including this time.
    pub fn asked(&self, hash: u64) -> u32 {
        let mut counts = self.counts();
        let times = counts.asked.entry(hash).or_default();
        *times += 1;
        *times
    }

    pub fn answered(&self, status: StatusCode) {
        *self.counts().by_status.entry(status.as_u16()).or_default() += 1;
    }

    pub fn faulted(&self, fault: Fault) {
        self.counts().faults[fault as usize] += 1;
    }

    pub fn clear(&self) {
        *self.counts() = Counts::default();
    }

    pub fn stats(&self) -> Value {
        let counts = self.counts();
        let by_status: Map<_, _> = counts.by_status.iter().map(|(status, n)| (status.to_string(), json!(n))).collect();
        let faults: Map<_, _> = Fault::ALL
            .iter()
            .map(|(fault, name)| ((*name).to_owned(), json!(counts.faults[*fault as usize])))
            .collect();
        json!({
            "connections": counts.connections,
            "requests": counts.requests,
            "max_in_flight": counts.max_in_flight,
            "by_status": by_status,
            "distinct_contents": counts.asked.len(),
            "most_often_asked": counts.asked.values().max(),
            "faults": faults,
        })
    }
}
