//! The pooled rows of both windows, in random order.

use rand_chacha::ChaCha8Rng;

use super::subsample::shuffle;

/// Minimum number of records per window for a test.
pub(super) const MIN_ROWS: usize = 20;

/// A row of one of the two windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// Whether it belongs to the window under test.
    pub now: bool,
    /// Row number in its window.
    pub row: usize,
}

/// The rows of both windows in random order, so that anything that depends on the order, such as the seeding of a
/// clustering or ties of neighbours, treats the windows equally.
pub(super) fn pooled(reference: &[usize], now: &[usize], rng: &mut ChaCha8Rng) -> Vec<Entry> {
    let entries = |rows: &[usize], now| rows.iter().map(move |&row| Entry { now, row }).collect::<Vec<_>>();
    let mut pool = [entries(reference, false), entries(now, true)].concat();
    shuffle(&mut pool, rng);
    pool
}

/// The first `size` rows of each window, in the same order.
pub(super) fn first_of_each(pool: &[Entry], size: usize) -> Vec<Entry> {
    let mut taken = [0; 2];
    let mut keep = |entry: &&Entry| {
        let taken = &mut taken[usize::from(entry.now)];
        *taken += 1;
        *taken <= size
    };
    pool.iter().filter(|entry| keep(entry)).copied().collect()
}

/// Labels and values of the rows that have a value; `None` if a window has fewer than [`MIN_ROWS`] of them.
pub(super) fn labelled<T>(pool: &[Entry], values: Vec<Option<T>>) -> Option<(Vec<bool>, Vec<T>)> {
    let pairs = pool.iter().zip(values).filter_map(|(entry, value)| value.map(|value| (entry.now, value)));
    let (labels, values): (Vec<bool>, Vec<T>) = pairs.unzip();
    large_enough(&labels).then_some((labels, values))
}

/// Whether both windows have at least [`MIN_ROWS`] rows.
pub(super) fn large_enough(labels: &[bool]) -> bool {
    let now = labels.iter().filter(|now| **now).count();
    now >= MIN_ROWS && labels.len() - now >= MIN_ROWS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::stats::rng;

    #[test]
    fn a_pool_contains_every_row_once_in_random_order() {
        let rows: Vec<usize> = (0..50).collect();
        let pool = pooled(&rows, &rows[..30], &mut rng(1, 1));
        assert_eq!(pool.len(), 80);
        assert_eq!(pool.iter().filter(|entry| entry.now).count(), 30);
        let early = pool[..40].iter().filter(|entry| entry.now).count();
        assert!((8..22).contains(&early), "{early}");
        let cut = first_of_each(&pool, 25);
        assert_eq!((cut.len(), cut.iter().filter(|entry| entry.now).count()), (50, 25));
    }

    #[test]
    fn a_window_with_too_few_values_is_not_tested() {
        let rows: Vec<usize> = (0..MIN_ROWS).collect();
        let pool = pooled(&rows, &rows, &mut rng(1, 1));
        let all: Vec<Option<usize>> = pool.iter().map(|entry| Some(entry.row)).collect();
        assert_eq!(labelled(&pool, all.clone()).map(|(labels, _)| labels.len()), Some(2 * MIN_ROWS));
        let mut one_less = all;
        one_less[3] = None;
        assert!(labelled(&pool, one_less).is_none());
        assert!(labelled::<u8>(&[], vec![]).is_none());
    }
}
