//! How much each voxel of a patch counts.

use half::f16;

/// The greatest weight: high enough that half precision reaches far towards the patch's edges.
const TOP: f64 = 10.0;

/// Standard deviation as a share of the patch's side.
const SIGMA: f64 = 1.0 / 8.0;

/// Standard deviations after which the weights end.
const TRUNCATE: f64 = 4.0;

/// The weights of a patch of `patch` voxels, `[z][y][x]`: a Gaussian around voxel side/2 (rounded
/// down), its standard deviation an eighth of each side, its maximum 10, rounded to half precision,
/// zeros replaced by the smallest weight that is not zero (nnunetv2, `compute_gaussian`; the
/// Gaussian is what scipy.ndimage.gaussian_filter makes of a single one).
///
/// A side that is not in the network (a 2D patch's first, of 1 voxel) has a weight of 1.
#[must_use]
pub fn gaussian(patch: [usize; 3]) -> Vec<f32> {
    let [z, y, x] = patch.map(axis);
    // The filter runs along one axis after the other.
    let mut weights = Vec::with_capacity(patch.iter().product());
    for z in &z {
        for y in &y {
            weights.extend(x.iter().map(|x| z * y * x));
        }
    }
    let scale = weights.iter().copied().fold(0.0, f64::max) / TOP;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounded over single to half precision, as torch does"
    )]
    let rounded = |weight: f64| f16::from_f32((weight / scale) as f32).to_f32();
    let mut weights: Vec<f32> = weights.into_iter().map(rounded).collect();
    let least = weights.iter().copied().filter(|weight| *weight > 0.0).fold(f32::INFINITY, f32::min);
    for weight in weights.iter_mut().filter(|weight| **weight == 0.0) {
        *weight = least;
    }
    weights
}

/// The Gaussian along one side.
fn axis(side: usize) -> Vec<f64> {
    if side == 1 {
        return vec![1.0];
    }
    let sigma = side as f64 * SIGMA;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "half a patch's side")]
    let radius = (TRUNCATE * sigma + 0.5) as usize;
    let bell = |offset: usize| (-0.5 / (sigma * sigma) * (offset * offset) as f64).exp();
    let total = bell(0) + 2.0 * (1..=radius).map(bell).sum::<f64>();
    let weight = |i: usize| {
        let offset = i.abs_diff(side / 2);
        if offset <= radius { bell(offset) / total } else { 0.0 }
    };
    (0..side).map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_is_ten_at_half_the_side_and_nothing_is_zero() {
        let weights = gaussian([4, 5, 6]);
        assert_eq!(weights.len(), 120);
        assert_eq!(weights[(2 * 5 + 2) * 6 + 3], 10.0);
        assert!(weights.iter().all(|weight| *weight > 0.0 && *weight <= 10.0));
    }

    #[test]
    fn neighbours_fall_off_as_a_bell() {
        // Sigma is 2: one voxel off, exp(-1/8) of ten, in half precision.
        let weights = gaussian([1, 1, 16]);
        assert_eq!(weights[9], f16::from_f64(10.0 * (-0.125_f64).exp()).to_f32());
        assert_eq!(weights[9], weights[7]);
        assert_eq!(weights[0], f16::from_f64(10.0 * (-8.0_f64).exp()).to_f32());
    }

    #[test]
    fn what_half_precision_loses_becomes_the_least_weight() {
        let weights = gaussian([48; 3]);
        let least = weights.iter().copied().fold(f32::INFINITY, f32::min);
        assert_eq!(weights[0], least);
        assert_eq!(least, 2.0_f32.powi(-24));
    }
}
