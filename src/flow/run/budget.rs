//! The budget that all runs of a command share (`--max-cost`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Stopped;

/// The shared budget: the limit, the amount spent, and the amount reserved for requests in flight.
pub(in crate::flow) struct Budget {
    most: Option<f64>,
    money: Mutex<Money>,
    settled: Notify,
    exhausted: AtomicBool,
}

#[derive(Debug, Default)]
struct Money {
    spent: f64,
    reserved: f64,
    in_flight: usize,
    /// Number of runs whose first request, of unknown cost, is waiting until nothing else is in flight.
    first_waiting: usize,
}

impl Budget {
    /// Creates a budget with nothing spent yet; `most: None` for no limit.
    pub fn new(most: Option<f64>) -> Self {
        Self { most, money: Mutex::default(), settled: Notify::new(), exhausted: AtomicBool::new(false) }
    }

    /// Adds what a resumed run had spent before.
    pub fn add_spent(&self, spent: f64) {
        self.money().spent += spent;
    }

    /// What was spent so far.
    pub fn spent(&self) -> f64 {
        self.money().spent
    }

    /// Whether a request was refused. No further request is sent then.
    pub fn is_exhausted(&self) -> bool {
        self.exhausted.load(Ordering::Relaxed)
    }

    /// Returns the reason to stop runs, if the budget is exhausted.
    pub fn stopped(&self) -> Option<Stopped> {
        let spent = self.money().spent;
        self.most.filter(|_| self.is_exhausted()).map(|most| Stopped::Cost { spent, most })
    }

    fn money(&self) -> MutexGuard<'_, Money> {
        self.money.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One run's view of the budget. The cost of its requests so far bounds the expected cost of the next ones.
pub(in crate::flow) struct RunBudget {
    budget: Arc<Budget>,
    /// The cost of the run's most expensive request so far.
    highest: Mutex<f64>,
}

/// Whether a request may be sent now.
enum Turn {
    Granted(f64),
    Wait,
    Refused,
}

impl RunBudget {
    /// Creates the view of a run that has sent nothing yet.
    pub fn new(budget: Arc<Budget>) -> Self {
        Self { budget, highest: Mutex::new(0.0) }
    }

    /// Reserves money for a request. If too little is left, waits for the requests in flight, most of which cost less
    /// than their estimate. Returns `None` if the money will not suffice; the budget is then exhausted.
    ///
    /// If the length of the answer is unbounded, it is assumed to cost as much as the most expensive one of the run so
    /// far. The first such request reserves all the money left and is sent alone: no other request, of any run, is sent
    /// meanwhile.
    pub async fn reserve(&self, estimate: f64, is_bounded: bool) -> Option<Reserved<'_>> {
        let mut waits_first = false;
        loop {
            let settled = self.budget.settled.notified();
            tokio::pin!(settled);
            // Enabled before checking, or a request that settles in between would be missed.
            settled.as_mut().enable();
            match self.turn(estimate, is_bounded, &mut waits_first) {
                Turn::Granted(amount) => return Some(Reserved { run: self, amount, cost: None }),
                Turn::Refused => return None,
                Turn::Wait => settled.await,
            }
        }
    }

    fn turn(&self, estimate: f64, is_bounded: bool, waits_first: &mut bool) -> Turn {
        let Some(most) = self.budget.most else {
            self.budget.money().in_flight += 1;
            return Turn::Granted(0.0);
        };
        let mut money = self.budget.money();
        if self.budget.is_exhausted() {
            return Turn::Refused;
        }
        let highest = *self.highest();
        let is_first = !is_bounded && highest == 0.0;
        let is_alone = money.in_flight == 0;
        let left = most - money.spent - money.reserved;
        let amount = match is_bounded {
            true => estimate,
            false if is_first => estimate.max(left),
            false => estimate.max(highest),
        };
        money.first_waiting -= usize::from(std::mem::take(waits_first));
        let may_go = if is_first { is_alone } else { money.first_waiting == 0 };
        if may_go && amount <= left {
            money.reserved += amount;
            money.in_flight += 1;
            return Turn::Granted(amount);
        }
        if may_go && is_alone {
            self.budget.exhausted.store(true, Ordering::Relaxed);
            self.budget.settled.notify_waiters();
            return Turn::Refused;
        }
        *waits_first = is_first;
        money.first_waiting += usize::from(is_first);
        Turn::Wait
    }

    fn highest(&self) -> MutexGuard<'_, f64> {
        self.highest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Money reserved for a request. It is released on drop, so that no request waits for one that was abandoned.
pub(in crate::flow) struct Reserved<'a> {
    run: &'a RunBudget,
    amount: f64,
    cost: Option<f64>,
}

impl Reserved<'_> {
    /// Replaces the reservation with the actual cost of the request.
    pub fn settle(mut self, cost: Option<f64>) {
        self.cost = cost;
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let budget = &self.run.budget;
        let cost = self.cost.unwrap_or(0.0);
        let mut money = budget.money();
        money.spent += cost;
        money.reserved -= self.amount;
        money.in_flight -= 1;
        {
            let mut highest = self.run.highest();
            *highest = highest.max(cost);
        }
        drop(money);
        budget.settled.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(most: f64) -> Arc<Budget> {
        Arc::new(Budget::new(Some(most)))
    }

    #[tokio::test]
    async fn a_budget_waits_for_requests_in_flight_before_it_counts_as_exhausted() {
        let budget = budget(1.0);
        let run = Arc::new(RunBudget::new(Arc::clone(&budget)));
        budget.add_spent(0.4);
        let first = run.reserve(0.25, true).await.unwrap();
        let second = run.reserve(0.25, true).await.unwrap();
        let third = tokio::spawn({
            let run = Arc::clone(&run);
            async move { run.reserve(0.25, true).await.map(|third| third.settle(Some(0.3))).is_some() }
        });
        tokio::task::yield_now().await;
        assert!(!budget.is_exhausted() && !third.is_finished());
        first.settle(Some(0.1));
        assert!(third.await.unwrap(), "the first cost less than was reserved");
        drop(second);
        assert!(run.reserve(0.25, true).await.is_none());
        assert!(matches!(budget.stopped(), Some(Stopped::Cost { spent, .. }) if (spent - 0.8).abs() < 1e-9));
        let unlimited = RunBudget::new(Arc::new(Budget::new(None)));
        assert!(unlimited.reserve(1e9, false).await.is_some());
    }

    #[tokio::test]
    async fn the_first_request_of_unknown_cost_is_sent_alone_and_later_ones_are_assumed_to_cost_as_much() {
        let run = RunBudget::new(budget(1.0));
        let first = run.reserve(0.01, false).await.unwrap();
        assert!((first.amount - 1.0).abs() < 1e-9);
        first.settle(Some(0.3));
        let (second, third) = (run.reserve(0.01, false).await.unwrap(), run.reserve(0.01, false).await.unwrap());
        assert!((second.amount - 0.3).abs() < 1e-9 && (third.amount - 0.3).abs() < 1e-9);
        second.settle(Some(0.3));
        third.settle(Some(0.3));
        assert!(run.reserve(0.01, false).await.is_none(), "0.1 is left, and an answer cost 0.3");
    }

    #[tokio::test]
    async fn the_first_request_of_unknown_cost_holds_back_other_runs_until_it_was_sent_alone() {
        let budget = budget(1.0);
        let (known, unknown) = (RunBudget::new(Arc::clone(&budget)), RunBudget::new(Arc::clone(&budget)));
        let in_flight = known.reserve(0.1, true).await.unwrap();
        let first = tokio::join!(
            async {
                let first = unknown.reserve(0.01, false).await.unwrap();
                assert!((first.amount - 0.8).abs() < 1e-9, "all that is left: {}", first.amount);
                first.settle(Some(0.2));
            },
            async {
                tokio::task::yield_now().await;
                let waits = known.reserve(0.1, true);
                tokio::pin!(waits);
                let early = tokio::time::timeout(std::time::Duration::from_millis(20), waits.as_mut()).await;
                assert!(early.is_err(), "a request was sent while the first one of another run was in flight");
                in_flight.settle(Some(0.2));
                assert!(waits.await.is_some());
            }
        );
        let ((), ()) = first;
        assert!(!budget.is_exhausted());
    }
}
