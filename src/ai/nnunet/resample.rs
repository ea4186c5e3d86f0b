//! Resampling of images, as nnU-Net has skimage.transform.resize do it, and of label maps.
//!
//! An image is interpolated with a spline in double precision and clipped to its own range;
//! where voxels are much thicker than wide (`separate_axis`), its slices are resampled in their
//! plane, each clipped to its own range, and copied to the nearest place across. Splines are
//! separable: planes first, then lines across them, or the other way round, whichever keeps the
//! array between them smaller; that array is the only one held beside input and output.

use super::axis::Axis;
use super::passes::{Plane, lines, range};
use crate::progress::{Cancelled, Progress};
use rayon::prelude::*;

/// Spacings whose greatest is more than this many times the smallest are anisotropic, where nothing else is
/// told.
pub(super) const ANISOTROPIC: f64 = 3.0;

/// The degree of the interpolating spline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The nearest voxel, the greater of two (0).
    Nearest,
    /// Linear (1).
    Linear,
    /// Spline of degree 2.
    Quadratic,
    /// Cubic spline (3).
    Cubic,
    /// Spline of degree 4.
    Quartic,
    /// Spline of degree 5.
    Quintic,
}

impl Order {
    /// The order of that number in a plans file; `None` for those that there are not.
    #[must_use]
    pub fn of_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Nearest),
            1 => Some(Self::Linear),
            2 => Some(Self::Quadratic),
            3 => Some(Self::Cubic),
            4 => Some(Self::Quartic),
            5 => Some(Self::Quintic),
            _ => None,
        }
    }

    /// The degree of its polynomials.
    pub(super) fn degree(self) -> usize {
        match self {
            Self::Nearest => 0,
            Self::Linear => 1,
            Self::Quadratic => 2,
            Self::Cubic => 3,
            Self::Quartic => 4,
            Self::Quintic => 5,
        }
    }

    /// Whether each value depends on more voxels than the two around it.
    pub(super) fn is_spline(self) -> bool {
        self.degree() > 1
    }
}

/// How an array is resampled: the arguments of `resample_data_or_seg_to_shape` in a plans file.
///
/// `resample_torch_fornnunet` is linear and copies along a separate axis, within single precision; label
/// maps it tells apart by a rule of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resampling {
    /// The order, in the plane where an axis is separate.
    pub order: Order,
    /// The order along a separate axis.
    pub order_z: Order,
    /// Whether the coarsest axis is separate; by the spacings where `None`.
    pub force_separate_z: Option<bool>,
    /// Spacings whose greatest is more than this many times the smallest are anisotropic.
    pub anisotropy_threshold: f64,
    /// Whether it is `resample_torch_fornnunet` that resamples.
    pub by_torch: bool,
}

impl Resampling {
    /// What plans have for logits and label maps.
    pub const LOGITS: Self = Self {
        order: Order::Linear,
        order_z: Order::Nearest,
        force_separate_z: None,
        anisotropy_threshold: ANISOTROPIC,
        by_torch: false,
    };
    /// What plans have for images.
    pub const IMAGE: Self = Self { order: Order::Cubic, ..Self::LOGITS };

    /// The axis that is resampled apart from the others: the single coarsest one, where the greatest
    /// spacing is more than so many times the smallest ([`Self::anisotropy_threshold`]), by `from_mm`, else
    /// by `to_mm`. Spacings of which two are the coarsest have none.
    #[must_use]
    pub fn separate_axis(&self, from_mm: [f64; 3], to_mm: [f64; 3]) -> Option<usize> {
        let greatest = |mm: [f64; 3]| mm.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let anisotropic = |mm: [f64; 3]| {
            greatest(mm) / mm.into_iter().fold(f64::INFINITY, f64::min) > self.anisotropy_threshold
        };
        let mm = match self.force_separate_z {
            Some(true) => from_mm,
            Some(false) => return None,
            None if anisotropic(from_mm) => from_mm,
            None if anisotropic(to_mm) => to_mm,
            None => return None,
        };
        let mut coarsest = (0..3).filter(|axis| greatest(mm) / mm[*axis] == 1.0);
        let first = coarsest.next();
        if coarsest.next().is_some() { None } else { first }
    }
}

/// The size of an array in another spacing, halves rounded to even; an axis may come out empty.
#[must_use]
pub fn new_size(size: [usize; 3], from_mm: [f64; 3], to_mm: [f64; 3]) -> [usize; 3] {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive size")]
    std::array::from_fn(|axis| (from_mm[axis] / to_mm[axis] * size[axis] as f64).round_ties_even() as usize)
}

/// Bytes of the array that [`resample`] holds between its passes, at most.
#[must_use]
pub fn between_bytes(size: [usize; 3], to: [usize; 3]) -> usize {
    (size[0] * to[1] * to[2]).min(to[0] * size[1] * size[2]).max(size[0] * to[1] * to[2] / 2)
        * size_of::<f64>()
}

/// Resamples one channel `[z][y][x]` of `size` voxels of `from_mm` to `to` voxels of `to_mm`. The
/// spacings only decide on a separate axis. An array of unchanged size is given back as it is.
///
/// # Errors
/// [`Cancelled`] once someone has asked to stop.
///
/// # Panics
/// When `values` does not have `size` voxels, or a size is 0.
pub fn resample(
    values: &[f32],
    size: [usize; 3],
    to: [usize; 3],
    spacing_mm: [[f64; 3]; 2],
    how: Resampling,
    progress: &Progress,
) -> Result<Vec<f32>, Cancelled> {
    assert_eq!(values.len(), size.iter().product::<usize>(), "one value a voxel");
    assert!(!size.contains(&0) && !to.contains(&0), "no empty axis");
    if size == to {
        return Ok(values.to_vec());
    }
    match how.separate_axis(spacing_mm[0], spacing_mm[1]) {
        None => whole(values, size, to, how.order, progress),
        Some(0) => separate(values, size, to, how, progress),
        Some(axis) => {
            // The separate axis in front; a swap is its own inverse.
            let mut order = [0, 1, 2];
            order.swap(0, axis);
            let turned = transpose(values, size, order);
            let done = separate(&turned, pick(size, order), pick(to, order), how, progress)?;
            Ok(transpose(&done, pick(to, order), order))
        }
    }
}

/// `[values[order[0]], values[order[1]], values[order[2]]]`.
pub(super) fn pick<T: Copy>(values: [T; 3], order: [usize; 3]) -> [T; 3] {
    order.map(|axis| values[axis])
}

/// The array whose axis n is axis `order[n]` of `values`, as numpy.transpose.
pub(super) fn transpose<T: Copy + Send + Sync>(values: &[T], size: [usize; 3], order: [usize; 3]) -> Vec<T> {
    if order == [0, 1, 2] {
        return values.to_vec();
    }
    let strides = pick([size[1] * size[2], size[2], 1], order);
    let [_, ny, nx] = pick(size, order);
    let mut out = values.to_vec();
    out.par_chunks_exact_mut(nx.max(1)).enumerate().for_each(|(line, out)| {
        let from = line / ny * strides[0] + line % ny * strides[1];
        for (x, value) in out.iter_mut().enumerate() {
            *value = values[from + x * strides[2]];
        }
    });
    out
}

/// Along all three axes alike.
fn whole(
    values: &[f32],
    size: [usize; 3],
    to: [usize; 3],
    order: Order,
    progress: &Progress,
) -> Result<Vec<f32>, Cancelled> {
    let across = Axis::new(size[0], to[0], order);
    let plane = Plane::new([size[1], size[2]], [to[1], to[2]], order);
    let start = (f64::INFINITY, f64::NEG_INFINITY);
    let range = values.par_chunks(1 << 16).map(range).reduce(|| start, |a, b| (a.0.min(b.0), a.1.max(b.1)));
    if plane.is_same() {
        return lines(values, size[1] * size[2], &across, Some(range), progress);
    }
    if across.is_same() {
        return plane.apply(values, |_| Some(range), progress);
    }
    if size[0] * to[1] * to[2] <= to[0] * size[1] * size[2] {
        let between: Vec<f64> = plane.apply(values, |_| None, &progress.part(0.0, 0.6))?;
        lines(&between, to[1] * to[2], &across, Some(range), &progress.part(0.6, 1.0))
    } else {
        let between: Vec<f64> = lines(values, size[1] * size[2], &across, None, &progress.part(0.0, 0.4))?;
        plane.apply(&between, |_| Some(range), &progress.part(0.4, 1.0))
    }
}

/// Planes first, each clipped to its own range, then across them.
fn separate(
    values: &[f32],
    size: [usize; 3],
    to: [usize; 3],
    how: Resampling,
    progress: &Progress,
) -> Result<Vec<f32>, Cancelled> {
    let plane = Plane::new([size[1], size[2]], [to[1], to[2]], how.order);
    let across = Axis::new(size[0], to[0], how.order_z);
    let own_range = |plane: &[f32]| Some(range(plane));
    let Some(copies) = across.copies() else {
        let planes: Vec<f64> = plane.apply(values, own_range, &progress.part(0.0, 0.6))?;
        return lines(&planes, to[1] * to[2], &across, None, &progress.part(0.6, 1.0));
    };
    let planes: Vec<f32> = plane.apply(values, own_range, progress)?;
    if across.is_same() {
        return Ok(planes);
    }
    let area = to[1] * to[2];
    let mut out = Vec::with_capacity(copies.len() * area);
    copies.iter().for_each(|z| out.extend_from_slice(&planes[z * area..(z + 1) * area]));
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVEN: [[f64; 3]; 2] = [[1.0; 3]; 2];

    fn run(values: &[f32], size: [usize; 3], to: [usize; 3], mm: [[f64; 3]; 2], how: Resampling) -> Vec<f32> {
        resample(values, size, to, mm, how, &Progress::new()).unwrap()
    }

    #[test]
    fn only_a_single_coarsest_axis_is_separate() {
        let axis = |from, to| Resampling::IMAGE.separate_axis(from, to);
        let even = [1.0; 3];
        assert_eq!(axis([3.0, 1.0, 1.0], even), None);
        assert_eq!(axis([3.001, 1.0, 1.0], even), Some(0));
        assert_eq!(axis(even, [1.0, 1.0, 5.0]), Some(2));
        // The image's spacing decides first, and two coarse axes are none.
        assert_eq!(axis([1.0, 5.0, 5.0], [5.0, 1.0, 1.0]), None);
        assert_eq!(axis([1.0, 5.0, 1.0], [5.0, 1.0, 1.0]), Some(1));
        let forced = |force| Resampling { force_separate_z: Some(force), ..Resampling::IMAGE };
        assert_eq!(forced(false).separate_axis([9.0, 1.0, 1.0], even), None);
        assert_eq!(forced(true).separate_axis([1.2, 1.0, 1.0], even), Some(0));
        assert_eq!(forced(true).separate_axis(even, even), None);
        let from_2 = Resampling { anisotropy_threshold: 2.0, ..Resampling::IMAGE };
        assert_eq!(from_2.separate_axis([2.0, 1.0, 1.0], even), None);
        assert_eq!(from_2.separate_axis([2.001, 1.0, 1.0], even), Some(0));
    }

    #[test]
    fn an_overshoot_is_clipped_to_the_images_own_range() {
        let step = [0.0, 0.0, 0.0, 8.0, 8.0, 8.0];
        let out = run(&step, [1, 1, 6], [1, 1, 11], EVEN, Resampling::IMAGE);
        assert!(out.iter().all(|value| (0.0..=8.0).contains(value)));
        assert!((out[5] - 4.0).abs() < 1e-6);
        // Each slice has a range of its own where the axis across is separate.
        let thick = [[9.0, 1.0, 1.0]; 2];
        let two: Vec<f32> = step.iter().copied().chain([1.0; 6]).collect();
        let out = run(&two, [2, 1, 6], [2, 1, 11], thick, Resampling::IMAGE);
        assert_eq!(out[11..], [1.0; 11]);
    }

    #[test]
    fn linear_is_linear_along_every_axis() {
        // z + 10 y + 100 x on 3 x 3 x 3 voxels; between centres 0.25 apart at twice the voxels.
        let values: Vec<f32> =
            (0..27).map(|n: u8| f32::from(n / 9 + 10 * (n / 3 % 3)) + 100.0 * f32::from(n % 3)).collect();
        let out = run(&values, [3; 3], [6; 3], EVEN, Resampling::LOGITS);
        let at = |k: u8| (f32::from(k) / 2.0 - 0.25).clamp(0.0, 2.0);
        for n in 0..216_u8 {
            let expected = at(n / 36) + 10.0 * at(n / 6 % 6) + 100.0 * at(n % 6);
            assert!((out[usize::from(n)] - expected).abs() < 1e-4);
        }
    }

    #[test]
    fn a_thick_axis_is_copied_whichever_it_is() {
        let values: Vec<f32> = (0..8).map(|n: u8| f32::from(n)).collect();
        for axis in 0..3 {
            let mut mm = [1.0; 3];
            mm[axis] = 5.0;
            let mut to = [2; 3];
            to[axis] = 4;
            let out = run(&values, [2; 3], to, [mm; 2], Resampling::IMAGE);
            let strides = [to[1] * to[2], to[2], 1];
            for (n, value) in out.iter().enumerate() {
                let mut place = [n / strides[0], n / strides[1] % to[1], n % to[2]];
                place[axis] /= 2;
                assert_eq!(*value, values[place[0] * 4 + place[1] * 2 + place[2]]);
            }
        }
    }

    #[test]
    fn cancel_is_heard() {
        let stopped = Progress::new();
        stopped.cancel();
        assert!(resample(&[0.0; 8], [2; 3], [3; 3], EVEN, Resampling::IMAGE, &stopped).is_err());
    }
}
