//! Voxel values with interpolation; the counterpart of `shaders/common.wgsl`.

use crate::patient::{OUTSIDE_I16, Volume, Voxels};
use crate::render::gpu_volume::{MISSING_F32, NO_VALUE, OUTSIDE_F32, missing_slices};

/// A stored voxel value.
pub(super) trait Texel: Copy + Send + Sync {
    /// The value; [`OUTSIDE_F32`] where there is none.
    fn value(self) -> f32;
}

impl Texel for i16 {
    #[inline]
    fn value(self) -> f32 {
        if self == OUTSIDE_I16 { OUTSIDE_F32 } else { f32::from(self) }
    }
}

impl Texel for f32 {
    #[inline]
    fn value(self) -> f32 {
        if self.is_nan() { OUTSIDE_F32 } else { self }
    }
}

/// A volume's voxels to be read at any place.
pub(super) struct Sampler<'a, T> {
    values: &'a [T],
    size: [usize; 3],
    last: [i32; 3],
    missing: Vec<bool>,
}

impl<'a, T: Texel> Sampler<'a, T> {
    /// `values` are the voxels of `volume`, which has at least one.
    pub fn new(volume: &Volume, values: &'a [T]) -> Self {
        let size = volume.grid.dims();
        let last = size.map(|n| i32::try_from(n).unwrap_or(i32::MAX) - 1);
        Self { values, size, last, missing: missing_slices(volume) }
    }

    pub fn last(&self) -> [i32; 3] {
        self.last
    }

    /// The value of a voxel; coordinates beyond the edge are taken at the edge.
    #[inline]
    #[expect(clippy::cast_sign_loss, reason = "clamped to 0 or more")]
    pub fn voxel(&self, [i, j, k]: [i32; 3]) -> f32 {
        let i = i.clamp(0, self.last[0]) as usize;
        let j = j.clamp(0, self.last[1]) as usize;
        let k = k.clamp(0, self.last[2]) as usize;
        let value = self.values[i + self.size[0] * (j + self.size[1] * k)].value();
        if value <= NO_VALUE && self.missing.get(k).copied().unwrap_or(false) { MISSING_F32 } else { value }
    }

    /// Whether voxel coordinates lie within the outer faces of the volume's voxels.
    pub fn holds(&self, at: [f32; 3]) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "image dimensions")]
        (0..3).all(|axis| at[axis] >= -0.5 && at[axis] < self.last[axis] as f32 + 0.5)
    }

    /// The value of the nearest voxel.
    #[expect(clippy::cast_possible_truncation, reason = "image coordinates")]
    pub fn nearest(&self, at: [f32; 3]) -> f32 {
        self.voxel(at.map(|x| (x + 0.5).floor() as i32))
    }

    /// The eight voxels around a place, i fastest, and the place between them.
    #[inline]
    fn corners(&self, at: [f32; 3]) -> ([f32; 8], [f32; 3]) {
        let low = at.map(floor);
        #[expect(clippy::cast_precision_loss, reason = "image coordinates")]
        let weight = [at[0] - low[0] as f32, at[1] - low[1] as f32, at[2] - low[2] as f32];
        if (0..3).all(|axis| low[axis] >= 0 && low[axis] < self.last[axis]) {
            #[expect(clippy::cast_sign_loss, reason = "checked above")]
            let start = low[0] as usize + self.size[0] * (low[1] as usize + self.size[1] * low[2] as usize);
            let (row, slice) = (self.size[0], self.size[0] * self.size[1]);
            let pair = |start: usize| {
                let two = &self.values[start..start + 2];
                [two[0].value(), two[1].value()]
            };
            let rows = [start, start + row, start + slice, start + slice + row].map(pair);
            return (std::array::from_fn(|n| rows[n / 2][n % 2]), weight);
        }
        let corner = |n: i32| self.voxel([low[0] + (n & 1), low[1] + (n >> 1 & 1), low[2] + (n >> 2)]);
        ([0, 1, 2, 3, 4, 5, 6, 7].map(corner), weight)
    }

    /// Trilinear over the voxels that have a value; without a value where the nearest has none.
    pub fn linear(&self, at: [f32; 3]) -> f32 {
        let (corners, weight) = self.corners(at);
        if corners.iter().all(|value| *value > NO_VALUE) {
            return trilinear(&corners, weight);
        }
        let nearest = self.nearest(at);
        if nearest <= NO_VALUE {
            return nearest;
        }
        let has = corners.map(|value| if value > NO_VALUE { 1.0 } else { 0.0 });
        let kept = corners.map(|value| if value > NO_VALUE { value } else { 0.0 });
        trilinear(&kept, weight) / trilinear(&has, weight).max(1e-6)
    }

    /// Trilinear with everything below `floor`, and what has no value, taken as `floor`.
    #[inline]
    pub fn floored(&self, at: [f32; 3], floor: f32) -> f32 {
        let (corners, weight) = self.corners(at);
        trilinear(&corners.map(|value| value.max(floor)), weight)
    }
}

/// The integer at or below a place; `f32::floor` is a function call on plain x86-64.
#[inline]
fn floor(place: f32) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "image coordinates")]
    let truncated = place as i32;
    #[expect(clippy::cast_precision_loss, reason = "image coordinates")]
    let is_above = truncated as f32 > place;
    truncated - i32::from(is_above)
}

#[inline]
fn mix(a: f32, b: f32, t: f32) -> f32 {
    a * (1.0 - t) + b * t
}

#[inline]
fn trilinear(c: &[f32; 8], w: [f32; 3]) -> f32 {
    let near = mix(mix(c[0], c[1], w[0]), mix(c[2], c[3], w[0]), w[1]);
    let far = mix(mix(c[4], c[5], w[0]), mix(c[6], c[7], w[0]), w[1]);
    mix(near, far, w[2])
}

/// Runs `$body` with a [`Sampler`] of the volume's own voxel type.
macro_rules! with_sampler {
    ($volume:expr, |$sampler:ident| $body:expr) => {
        match &$volume.voxels {
            $crate::patient::Voxels::I16(values) => {
                let $sampler = $crate::render::cpu::sample::Sampler::new($volume, values.as_slice());
                $body
            }
            $crate::patient::Voxels::F32(values) => {
                let $sampler = $crate::render::cpu::sample::Sampler::new($volume, values.as_slice());
                $body
            }
        }
    };
}
pub(super) use with_sampler;

/// Whether a volume's voxels fill its grid and there is at least one.
pub(super) fn is_whole(volume: &Volume) -> bool {
    let stored = match &volume.voxels {
        Voxels::I16(values) => values.len(),
        Voxels::F32(values) => values.len(),
    };
    stored > 0 && stored == volume.grid.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Grid, Point3, Vector3};
    use crate::patient::{Slice, Unit};

    #[test]
    fn a_neighbour_without_value_is_left_out_of_the_mean() {
        let grid =
            Grid::new([2, 1, 1], Point3::origin(), [Vector3::x(), Vector3::y(), Vector3::z()]).unwrap();
        let volume = Volume {
            grid,
            voxels: Voxels::I16(vec![100, OUTSIDE_I16]),
            unit: Unit::Hu,
            slices: Vec::<Slice>::new(),
            native: None,
        };
        with_sampler!(&volume, |sampler| {
            assert!((sampler.linear([0.4, 0.0, 0.0]) - 100.0).abs() < 1e-3);
            assert!(sampler.linear([0.6, 0.0, 0.0]) <= NO_VALUE);
            assert!(!sampler.holds([1.5, 0.0, 0.0]) && sampler.holds([1.49, -0.5, 0.0]));
            assert!((sampler.floored([0.5, 0.0, 0.0], 0.0) - 50.0).abs() < 1e-3);
        });
    }
}
