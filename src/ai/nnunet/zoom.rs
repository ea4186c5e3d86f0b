//! TotalSegmentator's own resampling, which goes before nnU-Net's and after it.

use super::axis::Axis;
use super::passes::{Plane, lines};
use super::resample::Order;
use crate::progress::{Cancelled, Progress};

/// Resamples `[z][y][x]` of `size` to `to` voxels as scipy.ndimage.zoom does by default: the first
/// and last centres of both arrays coincide, a cubic spline is mirrored at its ends, nothing is
/// clipped. Where rounding puts an axis' last centre beyond the array, its voxels are 0, there too.
///
/// TotalSegmentator brings an image to its models' spacing this way (order 3, size times spacing
/// over spacing with halves to even, then cut to whole numbers towards 0 for CT) and labels back
/// (order 0).
///
/// # Errors
/// [`Cancelled`] once someone has asked to stop.
///
/// # Panics
/// When `values` does not have `size` voxels, or a size is 0.
pub fn zoom(
    values: &[f32],
    size: [usize; 3],
    to: [usize; 3],
    order: Order,
    progress: &Progress,
) -> Result<Vec<f32>, Cancelled> {
    assert_eq!(values.len(), size.iter().product::<usize>(), "one value a voxel");
    assert!(!size.contains(&0) && !to.contains(&0), "no empty axis");
    let plane = Plane::corners([size[1], size[2]], [to[1], to[2]], order);
    let across = Axis::corners(size[0], to[0], order);
    let between: Vec<f64> = plane.apply(values, |_| None, &progress.part(0.0, 0.6))?;
    lines(&between, to[1] * to[2], &across, None, &progress.part(0.6, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_stay_where_they_are() {
        let values: Vec<f32> = (0..8).map(|n: u8| f32::from(n)).collect();
        let out = zoom(&values, [2; 3], [3; 3], Order::Linear, &Progress::new()).unwrap();
        // z, y and x count 4, 2 and 1.
        let expected: Vec<f32> =
            (0..27).map(|n: u8| f32::from(n / 9 * 4 + n / 3 % 3 * 2 + n % 3) / 2.0).collect();
        assert_eq!(out, expected);
    }
}
