//! Isotonic regression by pooling adjacent violators (Ayer et al. 1955; Barlow et al. 1972).

/// A non-decreasing step function fitted to weighted points, read by linear interpolation between block centres.
#[derive(Debug, Clone, PartialEq)]
pub struct Isotonic {
    /// Block centres, ascending.
    x: Vec<f64>,
    /// Block values, ascending.
    y: Vec<f64>,
}

struct Block {
    weight: f64,
    x: f64,
    y: f64,
}

impl Isotonic {
    /// Fits points `(x, y, weight)`; points with a weight of 0 or a value that is not finite are left out.
    /// `None` where nothing is left.
    pub fn fit(points: &[(f64, f64, f64)]) -> Option<Self> {
        let mut points: Vec<_> =
            points.iter().copied().filter(|(x, y, w)| x.is_finite() && y.is_finite() && *w > 0.0).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut blocks: Vec<Block> = Vec::new();
        let mut last_x = f64::NAN;
        for (x, y, weight) in points {
            let mut block = Block { weight, x, y };
            // Equal x are one observation, whatever their order.
            let same = x == last_x;
            last_x = x;
            while let Some(last) = blocks.pop_if(|last| last.y >= block.y || (same && last.x == x)) {
                let weight = last.weight + block.weight;
                let mean = |a: f64, b: f64| (a * last.weight + b * block.weight) / weight;
                block = Block { weight, x: mean(last.x, block.x), y: mean(last.y, block.y) };
            }
            blocks.push(block);
        }
        if blocks.is_empty() {
            return None;
        }
        Some(Self { x: blocks.iter().map(|b| b.x).collect(), y: blocks.iter().map(|b| b.y).collect() })
    }

    /// The fitted value at `x`, constant beyond the ends.
    pub fn at(&self, x: f64) -> f64 {
        let after = self.x.partition_point(|centre| *centre < x);
        match (after.checked_sub(1), self.x.get(after)) {
            (None, _) => self.y.first().copied().unwrap_or(f64::NAN),
            (Some(before), None) => self.y[before],
            (Some(before), Some(next)) => {
                let share = (x - self.x[before]) / (next - self.x[before]).max(f64::MIN_POSITIVE);
                self.y[before] + share * (self.y[after] - self.y[before])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn violators_are_pooled_into_their_mean() {
        let fit = Isotonic::fit(&[(1.0, 0.0, 1.0), (2.0, 1.0, 1.0), (3.0, 0.5, 1.0), (4.0, 2.0, 1.0)]).unwrap();
        assert_eq!((fit.at(0.0), fit.at(2.5), fit.at(9.0)), (0.0, 0.75, 2.0));
        assert!(Isotonic::fit(&[]).is_none());
        assert!(Isotonic::fit(&[(f64::NAN, 1.0, 1.0), (1.0, 1.0, 0.0)]).is_none());
    }

    proptest! {
        #[test]
        fn the_fit_never_falls_and_keeps_the_mean(ys in prop::collection::vec(0.0..1.0f64, 1..40)) {
            let points: Vec<_> = ys.iter().enumerate().map(|(i, y)| (i as f64, *y, 1.0)).collect();
            let fit = Isotonic::fit(&points).unwrap();
            prop_assert!(fit.y.windows(2).all(|w| w[0] <= w[1]));
            let lowest = ys.iter().copied().fold(f64::INFINITY, f64::min);
            prop_assert!(fit.at(-1.0) >= lowest - 1e-12);
        }
    }
}
