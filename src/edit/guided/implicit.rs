//! A smooth function of space with given values at given points.
//!
//! Radial basis functions as in Turk and O'Brien, "Shape transformation using variational implicit
//! functions", SIGGRAPH 1999: a weighted sum of the cubes of the distances to the points and a
//! polynomial, the interpolant that bends least. Here the polynomial has the squares of the
//! coordinates as well, so that an ellipsoid along the axes costs no bending at all. The weights are
//! found in the space where they are orthogonal to the polynomial and the system is positive definite
//! (Wendland, "Scattered data approximation", 2005, chapter 8).

use nalgebra::{Cholesky, DMatrix, DVector};

/// Points worked on side by side.
const LANES: usize = 8;
/// The polynomial's terms, with squares and without.
const TERMS: [usize; 2] = [7, 4];

/// A value wanted at a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// The place, mm.
    pub at: [f64; 3],
    /// The value, mm.
    pub value: f64,
    /// How freely it may be missed: 0 not at all; in cubes of the length that the places are scaled by.
    pub slack: f64,
}

/// The function.
#[derive(Debug)]
pub(super) struct Implicit {
    center: [f64; 3],
    scale_mm: f64,
    at: Vec<[f64; 3]>,
    weights: Vec<f64>,
    terms: Vec<f64>,
}

fn terms_at(at: [f64; 3], count: usize) -> impl Iterator<Item = f64> {
    let [x, y, z] = at;
    [1.0, x, y, z, x * x, y * y, z * z].into_iter().take(count)
}

impl Implicit {
    /// The function through the samples, whose places are measured from `center` in units of
    /// `scale_mm`. `None` when they lie in one plane or are no numbers.
    pub(super) fn through(samples: &[Sample], center: [f64; 3], scale_mm: f64) -> Option<Self> {
        let at: Vec<[f64; 3]> =
            samples.iter().map(|own| [0, 1, 2].map(|n| (own.at[n] - center[n]) / scale_mm)).collect();
        let count = at.len();
        let cube = |a: &[f64; 3], b: &[f64; 3]| {
            let square: f64 = (0..3).map(|n| (a[n] - b[n]).powi(2)).sum();
            square * square.sqrt()
        };
        let kernel = DMatrix::from_fn(count, count, |i, j| {
            cube(&at[i], &at[j]) + if i == j { samples[i].slack } else { 0.0 }
        });
        let values = DVector::from_iterator(count, samples.iter().map(|own| own.value));
        let (weights, terms) = TERMS.into_iter().find_map(|terms| solved(&kernel, &values, &at, terms))?;
        Some(Self { center, scale_mm, at, weights: weights.as_slice().to_vec(), terms })
    }

    /// The values at places, mm.
    pub(super) fn values(&self, places: &[[f64; 3]]) -> Vec<f64> {
        let mut values = Vec::with_capacity(places.len());
        for chunk in places.chunks(LANES) {
            // The last place fills what is left over.
            let place = |lane: usize| chunk[lane.min(chunk.len() - 1)];
            let own: [[f64; LANES]; 3] =
                [0, 1, 2].map(|n| std::array::from_fn(|l| (place(l)[n] - self.center[n]) / self.scale_mm));
            let mut sums = [0.0; LANES];
            for (at, weight) in self.at.iter().zip(&self.weights) {
                for lane in 0..LANES {
                    let (x, y, z) = (own[0][lane] - at[0], own[1][lane] - at[1], own[2][lane] - at[2]);
                    let square = x * x + y * y + z * z;
                    sums[lane] += weight * square * square.sqrt();
                }
            }
            for (lane, sum) in sums.into_iter().enumerate().take(chunk.len()) {
                let at = [own[0][lane], own[1][lane], own[2][lane]];
                let terms = terms_at(at, self.terms.len());
                values.push(sum + terms.zip(&self.terms).map(|(term, own)| term * own).sum::<f64>());
            }
        }
        values
    }
}

/// Weights and the polynomial's coefficients; `None` when the places do not tell its terms apart.
fn solved(
    kernel: &DMatrix<f64>,
    values: &DVector<f64>,
    at: &[[f64; 3]],
    terms: usize,
) -> Option<(DVector<f64>, Vec<f64>)> {
    let count = at.len();
    if count <= terms {
        return None;
    }
    let rows: Vec<f64> = at.iter().flat_map(|at| terms_at(*at, terms)).collect();
    let mut polynomial = DMatrix::from_row_slice(count, terms, &rows);
    let mut inner = kernel.clone();
    let mut turned = values.clone();
    // Householder's reflections make the polynomial's matrix upper triangular.
    let mut mirrors: Vec<DVector<f64>> = Vec::with_capacity(terms);
    for column in 0..terms {
        let mut mirror = DVector::zeros(count);
        mirror.rows_range_mut(column..).copy_from(&polynomial.view_range(column.., column));
        let length = mirror.norm();
        if length.is_nan() || length < 1e-4 * (count as f64).sqrt() {
            return None;
        }
        mirror[column] += length.copysign(mirror[column]);
        mirror.normalize_mut();
        let along = polynomial.tr_mul(&mirror);
        polynomial.ger(-2.0, &mirror, &along, 1.0);
        turned.axpy(-2.0 * mirror.dot(&turned), &mirror, 1.0);
        let by = &inner * &mirror;
        let by = &by * 2.0 - &mirror * (2.0 * by.dot(&mirror));
        inner.ger(-1.0, &mirror, &by, 1.0);
        inner.ger(-1.0, &by, &mirror, 1.0);
        mirrors.push(mirror);
    }
    let block = inner.view_range(terms.., terms..).into_owned();
    let free = Cholesky::new(block)?.solve(&turned.rows_range(terms..).into_owned());
    let mut weights = DVector::zeros(count);
    weights.rows_range_mut(terms..).copy_from(&free);
    for mirror in mirrors.iter().rev() {
        weights.axpy(-2.0 * mirror.dot(&weights), mirror, 1.0);
    }
    let mut rest = values - kernel * &weights;
    for mirror in &mirrors {
        rest.axpy(-2.0 * mirror.dot(&rest), mirror, 1.0);
    }
    let triangle = polynomial.view_range(..terms, ..terms).into_owned();
    let terms = triangle.solve_upper_triangular(&rest.rows_range(..terms).into_owned())?;
    Some((weights, terms.as_slice().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: [f64; 3], value: f64) -> Sample {
        Sample { at, value, slack: 0.0 }
    }

    #[test]
    fn values_are_met_and_a_quadric_comes_back_everywhere() {
        let quadric =
            |[x, y, z]: [f64; 3]| (x / 30.0).powi(2) + (y / 20.0).powi(2) + (z / 12.0).powi(2) - 1.0;
        let places = (0..60).map(|n| {
            let n = f64::from(n);
            [40.0 * (n * 1.3).sin(), 30.0 * (n * 2.1).cos(), 20.0 * (n * 0.7 + 1.0).sin()]
        });
        let samples: Vec<Sample> = places.map(|at| sample(at, quadric(at))).collect();
        let found = Implicit::through(&samples, [0.0; 3], 40.0).unwrap();
        let elsewhere = [[1.0, 2.0, 3.0], [-25.0, 11.0, -9.0], [33.0, -20.0, 14.0]];
        for (at, value) in elsewhere.iter().zip(found.values(&elsewhere)) {
            assert!((value - quadric(*at)).abs() < 1e-6, "{value} at {at:?}");
        }
        // Anything else is met where it is given.
        let bent: Vec<Sample> =
            samples.iter().map(|own| sample(own.at, (own.at[0] * 0.2).sin() + own.value)).collect();
        let found = Implicit::through(&bent, [0.0; 3], 40.0).unwrap();
        for own in &bent {
            assert!((found.values(&[own.at])[0] - own.value).abs() < 1e-6);
        }
    }

    #[test]
    fn places_in_one_plane_tell_nothing_of_space() {
        let flat: Vec<Sample> =
            (0..30).map(|n| sample([f64::from(n % 6), f64::from(n / 6) * 1.7, 4.0], f64::from(n))).collect();
        assert!(Implicit::through(&flat, [2.0, 3.0, 4.0], 5.0).is_none());
    }
}
