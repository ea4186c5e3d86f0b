//! Brings unevenly spaced slices onto even planes, for display and networks.

use crate::patient::OUTSIDE_I16;
use rayon::prelude::*;

/// A voxel value with a mark for "outside the scan".
pub(super) trait Sample: Copy + Send + Sync {
    const ZERO: Self;
    const OUTSIDE: Self;
    fn is_outside(self) -> bool;
    /// `self` and `other` mixed: `self` at t = 0, `other` at t = 1.
    fn mixed(self, other: Self, t: f32) -> Self;
}

impl Sample for i16 {
    const ZERO: Self = 0;
    const OUTSIDE: Self = OUTSIDE_I16;
    fn is_outside(self) -> bool {
        self == OUTSIDE_I16
    }
    fn mixed(self, other: Self, t: f32) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "between two values of the type")]
        {
            (f32::from(self) + (f32::from(other) - f32::from(self)) * t).round() as Self
        }
    }
}

impl Sample for f32 {
    const ZERO: Self = 0.0;
    const OUTSIDE: Self = Self::NAN;
    fn is_outside(self) -> bool {
        self.is_nan()
    }
    fn mixed(self, other: Self, t: f32) -> Self {
        self + (other - self) * t
    }
}

/// Values on `planes` planes, `step_mm` apart from the first of `offsets_mm` on, each of `len`
/// voxels, interpolated linearly between the slices of `values`.
///
/// Where one of two slices is outside the scan the nearer one decides, so that nothing is bridged
/// over slices that are missing.
pub(super) fn resample<T: Sample>(
    values: &[T],
    len: usize,
    offsets_mm: &[f64],
    step_mm: f64,
    planes: usize,
) -> Vec<T> {
    let mut even = vec![T::OUTSIDE; len * planes];
    let Some(&first) = offsets_mm.first() else { return even };
    even.par_chunks_mut(len.max(1)).enumerate().for_each(|(plane, target)| {
        #[expect(clippy::cast_precision_loss, reason = "plane counts are small")]
        let at = first + plane as f64 * step_mm;
        let above = offsets_mm.partition_point(|offset| *offset <= at).min(offsets_mm.len() - 1);
        let below = above.saturating_sub(1);
        let distance = offsets_mm[above] - offsets_mm[below];
        let slice = |n: usize| &values[n * len..(n + 1) * len];
        let t = if distance > 0.0 { ((at - offsets_mm[below]) / distance).clamp(0.0, 1.0) } else { 0.0 };
        #[expect(clippy::cast_possible_truncation, reason = "a weight")]
        let t = t as f32;
        for ((value, a), b) in target.iter_mut().zip(slice(below)).zip(slice(above)) {
            *value = if t <= 0.0 {
                *a
            } else if t >= 1.0 {
                *b
            } else if a.is_outside() || b.is_outside() {
                if t < 0.5 { *a } else { *b }
            } else {
                a.mixed(*b, t)
            };
        }
    });
    even
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_between_slices_are_mixed_linearly() {
        let even = resample(&[0_i16, 100, 300], 1, &[0.0, 2.0, 6.0], 1.0, 7);
        assert_eq!(even, [0, 50, 100, 150, 200, 250, 300]);
    }

    #[test]
    fn a_gap_is_not_bridged() {
        // Slices at 0, 1 and 6, missing ones a step into the gap from both sides.
        let slices = [1.0_f32, 2.0, f32::NAN, f32::NAN, 3.0];
        let even = resample(&slices, 1, &[0.0, 1.0, 2.0, 5.0, 6.0], 1.0, 7);
        assert_eq!(even[..2], [1.0, 2.0]);
        assert!(even[2..6].iter().all(|value| value.is_nan()));
        assert!((even[6] - 3.0).abs() < 1e-6);
    }

    #[test]
    fn outside_is_not_mixed_into_values() {
        let even = resample(&[OUTSIDE_I16, 100], 1, &[0.0, 4.0], 1.0, 5);
        assert_eq!(even, [OUTSIDE_I16, OUTSIDE_I16, 100, 100, 100]);
    }
}
