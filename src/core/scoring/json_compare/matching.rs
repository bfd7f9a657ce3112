//! Maximum matchings of bipartite graphs.

/// A maximum matching of a bipartite graph (Kuhn's algorithm, with a breadth-first search for each augmenting path):
/// for each row the column it is paired with, if any. Without need, rows keep the first column they may have.
///
/// `edges` says for each row which of the `columns` it may be paired with. Takes at most rows times edges steps.
pub fn maximum_matching(edges: &[Vec<bool>], columns: usize) -> Vec<Option<usize>> {
    let mut pairs = Pairs { of_row: vec![None; edges.len()], of_column: vec![None; columns] };
    for row in 0..edges.len() {
        pairs.add(edges, row);
    }
    pairs.of_row
}

struct Pairs {
    of_row: Vec<Option<usize>>,
    of_column: Vec<Option<usize>>,
}

impl Pairs {
    /// Pairs a row with a column, if others can give way.
    fn add(&mut self, edges: &[Vec<bool>], start: usize) {
        // The row from which each column was reached.
        let mut reached_from: Vec<Option<usize>> = vec![None; self.of_column.len()];
        let mut rows = vec![start];
        let mut next = 0;
        while let Some(row) = rows.get(next).copied() {
            next += 1;
            let allowed = edges.get(row).into_iter().flatten();
            for (column, (allowed, reached)) in allowed.zip(&mut reached_from).enumerate() {
                if !allowed || reached.is_some() {
                    continue;
                }
                *reached = Some(row);
                match self.of_column.get(column).copied().flatten() {
                    Some(holder) => rows.push(holder),
                    None => return self.shift(&reached_from, column),
                }
            }
        }
    }

    /// Gives a free column to the row that reached it, the column of that row to the one before, and so on.
    fn shift(&mut self, reached_from: &[Option<usize>], free: usize) {
        let mut free = Some(free);
        while let Some(column) = free {
            let row = reached_from.get(column).copied().flatten();
            if let Some(holder) = self.of_column.get_mut(column) {
                *holder = row;
            }
            free = row.and_then(|row| self.of_row.get_mut(row)).and_then(|held| held.replace(column));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn most(edges: &[Vec<bool>], row: usize, used: u32) -> usize {
        let Some(allowed) = edges.get(row) else { return 0 };
        let free = allowed.iter().enumerate().filter(|(column, allowed)| **allowed && used & (1 << column) == 0);
        let with = free.map(|(column, _)| 1 + most(edges, row + 1, used | (1 << column))).max();
        with.unwrap_or(0).max(most(edges, row + 1, used))
    }

    #[test]
    fn others_give_way_so_that_all_find_a_partner() {
        let edges = [vec![true, true, false], vec![true, false, false], vec![false, true, true]];
        assert_eq!(maximum_matching(&edges, 3), [Some(1), Some(0), Some(2)]);
        assert_eq!(maximum_matching(&[], 3), []);
        assert_eq!(maximum_matching(&[vec![], vec![]], 0), [None, None]);
    }

    proptest! {
        #[test]
        fn no_other_matching_is_larger(
            edges in (0usize..6).prop_flat_map(|n| vec(vec(any::<bool>(), n), 0..6))
        ) {
            let columns = edges.first().map_or(0, Vec::len);
            let pairs = maximum_matching(&edges, columns);
            let mut used: Vec<usize> = pairs.iter().flatten().copied().collect();
            prop_assert!(pairs.iter().enumerate().all(|(row, column)| column.is_none_or(|column| edges[row][column])));
            prop_assert_eq!(used.len(), most(&edges, 0, 0));
            used.sort_unstable();
            used.dedup();
            prop_assert_eq!(used.len(), pairs.iter().flatten().count());
        }
    }
}
