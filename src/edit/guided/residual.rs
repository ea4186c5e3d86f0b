//! What a function misses on given places, taken off around them.
//!
//! Weights that grow without bound towards a place make the correction exact there (Shepard, "A
//! two-dimensional interpolation function for irregularly-spaced data", ACM 1968); they end at a
//! reach, and a weight of the background lets the correction fade before.

use std::collections::HashMap;

/// The correction.
#[derive(Debug)]
pub(super) struct Residual {
    reach_mm: f64,
    /// The background's weight.
    background: f64,
    cells: HashMap<[i32; 3], Vec<([f64; 3], f64)>>,
    most: f64,
}

impl Residual {
    /// Of values missed at places; `spacing_mm` is the distance over which they hang together.
    pub(super) fn new(missed: impl Iterator<Item = ([f64; 3], f64)>, spacing_mm: f64) -> Self {
        let reach_mm = spacing_mm * 1.5;
        let mut own = Self { reach_mm, background: spacing_mm.powi(-2), cells: HashMap::new(), most: 0.0 };
        for (at, value) in missed {
            own.most = own.most.max(value.abs());
            own.cells.entry(own.cell(at)).or_default().push((at, value));
        }
        own
    }

    #[expect(clippy::cast_possible_truncation, reason = "saturates")]
    fn cell(&self, at: [f64; 3]) -> [i32; 3] {
        at.map(|own| (own / self.reach_mm).floor() as i32)
    }

    /// The most that is missed anywhere.
    pub(super) fn most(&self) -> f64 {
        self.most
    }

    /// What is missed at a place.
    pub(super) fn at(&self, at: [f64; 3]) -> f64 {
        let cell = self.cell(at);
        let (mut sum, mut weights) = (0.0, self.background);
        for step in 0..27 {
            let by = [step % 3 - 1, step / 3 % 3 - 1, step / 9 - 1];
            let Some(there) = self.cells.get(&[0, 1, 2].map(|n| cell[n] + by[n])) else { continue };
            for (place, value) in there {
                let square: f64 = (0..3).map(|n| (place[n] - at[n]).powi(2)).sum();
                let left = 1.0 - square.sqrt() / self.reach_mm;
                if left > 0.0 {
                    let weight = left * left / square.max(1e-9);
                    sum += weight * value;
                    weights += weight;
                }
            }
        }
        sum / weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_exact_on_the_places_and_fades() {
        let places = (0..40).map(|n| ([f64::from(n) * 0.5, 3.0, -2.0], f64::from(n % 7) - 3.0));
        let residual = Residual::new(places.clone(), 4.0);
        for (at, value) in places {
            assert!((residual.at(at) - value).abs() < 1e-6);
        }
        assert_eq!(residual.at([10.0, 9.1, -2.0]).to_bits(), 0.0_f64.to_bits());
        let even = Residual::new((0..40).map(|n| ([f64::from(n) * 0.5, 0.0, 0.0], 1.0)), 4.0);
        let course = [0.2, 1.0, 2.0, 3.0, 4.0, 5.0, 5.9].map(|y| even.at([10.0, y, 0.0]));
        assert!(course.is_sorted_by(|a, b| a > b) && course[0] > 0.99 && course[6] < 0.05, "{course:?}");
    }
}
