//! What all runs of a command may spend together (`--max-cost`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Stopped;

/// What was spent, what requests in flight may cost, and the most allowed.
pub(super) struct Budget {
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
    /// First requests of runs, of unknown cost, that wait to be alone.
    first_waiting: usize,
}

impl Budget {
    /// With nothing spent yet; `most: None` for no bound.
    pub fn new(most: Option<f64>) -> Self {
        Self { most, money: Mutex::default(), settled: Notify::new(), exhausted: AtomicBool::new(false) }
    }

    /// Counts what a run that is resumed had spent before.
    pub fn add_spent(&self, spent: f64) {
        self.money().spent += spent;
    }

    /// Whether a request was refused: then no further one is sent.
    pub fn is_exhausted(&self) -> bool {
        self.exhausted.load(Ordering::Relaxed)
    }

    /// Why runs stop, if the budget is exhausted.
    pub fn stopped(&self) -> Option<Stopped> {
        let spent = self.money().spent;
        self.most.filter(|_| self.is_exhausted()).map(|most| Stopped::Cost { spent, most })
    }

    fn money(&self) -> MutexGuard<'_, Money> {
        self.money.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One run's view of the budget: what its requests cost so far tells what the next ones may cost.
pub(super) struct RunBudget {
    budget: Arc<Budget>,
    /// What the most expensive request of the run cost so far.
    highest: Mutex<f64>,
}

/// Whether a request may be sent.
enum Turn {
    Granted(f64),
    Wait,
    Refused,
}

impl RunBudget {
    /// Of a run that has sent nothing yet.
    pub fn new(budget: Arc<Budget>) -> Self {
        Self { budget, highest: Mutex::new(0.0) }
    }

    /// Reserves money for a request, waiting for those in flight if there is not enough: most cost less than their
    /// estimate. If nothing bounds the answer, it is taken to cost as much as the most expensive one of the run so far;
    /// the first one has all the money that is left, and goes alone: no other request, of any run, is sent meanwhile.
    /// `None` if there will not be enough: the budget is then exhausted.
    pub async fn reserve(&self, estimate: f64, is_bounded: bool) -> Option<Reserved<'_>> {
        let mut waits_first = false;
        loop {
            let settled = self.budget.settled.notified();
            tokio::pin!(settled);
            // Enabled before the look, or a request that settles between the two would be missed.
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

/// Money reserved for a request. Dropped, it is given back: no other request waits for one that was given up.
pub(super) struct Reserved<'a> {
    run: &'a RunBudget,
    amount: f64,
    cost: Option<f64>,
}

impl Reserved<'_> {
    /// Pays what the request cost.
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
    async fn a_budget_waits_for_what_is_in_flight_before_it_counts_as_exhausted() {
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
    async fn the_first_answer_of_unknown_length_goes_alone_and_the_others_are_taken_to_cost_as_much() {
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
    async fn the_first_answer_of_unknown_length_holds_back_other_runs_until_it_has_gone_alone() {
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
                assert!(early.is_err(), "a request was sent beside the first of another run");
                in_flight.settle(Some(0.2));
                assert!(waits.await.is_some());
            }
        );
        let ((), ()) = first;
        assert!(!budget.is_exhausted());
    }
}
