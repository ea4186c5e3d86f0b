//! Image values on a slice's own pixels: exact, never resampled.

use crate::geometry::rasterise::Frame;
use crate::geometry::{Point2, Vector2};
use crate::patient::{Volume, Voxels};

/// The values of one image slice at its pixel centres, in the coordinates of the slice's plane.
#[derive(Debug, Clone, Copy)]
pub struct SliceValues<'a> {
    frame: Frame,
    voxels: &'a Voxels,
    first: usize,
}

impl<'a> SliceValues<'a> {
    /// The values of slice `slice`; `None` when there is no such slice or it is missing.
    #[must_use]
    pub fn of(volume: &'a Volume, slice: usize) -> Option<Self> {
        let image = volume.slices.get(slice).filter(|image| !image.missing)?;
        let size = [volume.grid.dims()[0], volume.grid.dims()[1]];
        let step = |axis: usize| {
            let step = volume.grid.step_mm(axis);
            Vector2::new(image.plane.u().dot(&step), image.plane.v().dot(&step))
        };
        let frame = Frame::new(image.plane.project(image.origin_mm), step(0), step(1), size)?;
        let voxels = volume.native.as_deref().unwrap_or(&volume.voxels);
        let first = slice * size[0] * size[1];
        (voxels.len() >= first + size[0] * size[1]).then_some(Self { frame, voxels, first })
    }

    /// The pixel centres.
    #[must_use]
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// The value of pixel (i, j), which must be one; NaN outside the scan.
    #[must_use]
    pub fn value(&self, i: usize, j: usize) -> f32 {
        self.voxels.value(self.first + i + j * self.frame.size()[0]).unwrap_or(f32::NAN)
    }

    /// The value at a point of the plane, linearly between pixel centres; NaN beyond them, and where
    /// one of the four is outside the scan.
    #[must_use]
    pub fn between(&self, point: Point2) -> f32 {
        let at = self.frame.index_of(point);
        let mut low = [0_usize; 2];
        let mut part = [0.0_f32; 2];
        for axis in 0..2 {
            let last = self.frame.size()[axis] - 1;
            // A hair beyond the outermost centres is rounding.
            if !(at[axis] > -1e-6 && at[axis] < last as f64 + 1e-6) {
                return f32::NAN;
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "inside")]
            {
                low[axis] = (at[axis].max(0.0) as usize).min(last.saturating_sub(1));
                part[axis] = (at[axis] - low[axis] as f64).clamp(0.0, 1.0) as f32;
            }
        }
        let [i, j] = low;
        let row = |j: usize| {
            let from = self.value(i, j);
            if part[0] > 0.0 { from + (self.value(i + 1, j) - from) * part[0] } else { from }
        };
        let from = row(j);
        if part[1] > 0.0 { from + (row(j + 1) - from) * part[1] } else { from }
    }

    /// The pixels (first, size) within `reach_mm` of `center` and two more on every side.
    #[must_use]
    pub fn window(&self, center: Point2, reach_mm: f64) -> Window {
        let corner = |x: f64, y: f64| self.frame.index_of(center + Vector2::new(x, y) * reach_mm);
        let corners = [corner(-1.0, -1.0), corner(1.0, -1.0), corner(1.0, 1.0), corner(-1.0, 1.0)];
        let mut window = Window { low: [0; 2], size: [0; 2] };
        for axis in 0..2 {
            let (low, high) = corners
                .iter()
                .fold((f64::MAX, f64::MIN), |(low, high), at| (low.min(at[axis]), high.max(at[axis])));
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
            let clamped = |at: f64| at.clamp(0.0, self.frame.size()[axis] as f64) as usize;
            window.low[axis] = clamped(low.floor() - 2.0);
            window.size[axis] = clamped(high.ceil() + 3.0).saturating_sub(window.low[axis]);
        }
        window
    }

    /// The values in a window, i fastest.
    #[must_use]
    pub fn values_in(&self, window: &Window) -> Vec<f32> {
        window.pixels().map(|[i, j]| self.value(i, j)).collect()
    }
}

/// A box of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first pixel (i, j).
    pub low: [usize; 2],
    /// The number of pixels along i and j.
    pub size: [usize; 2],
}

impl Window {
    /// The pixels, i fastest.
    pub fn pixels(&self) -> impl Iterator<Item = [usize; 2]> + use<> {
        let Self { low, size } = *self;
        (0..size[1]).flat_map(move |j| (0..size[0]).map(move |i| [low[0] + i, low[1] + j]))
    }

    /// The number of pixels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Whether there is no pixel.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Grid, Point3, Vector3};
    use crate::patient::{OUTSIDE_I16, Slice, Unit};

    #[test]
    fn between_pixels_values_are_linear_and_beyond_there_are_none() {
        let steps = [Vector3::x() * 2.0, Vector3::y() * 0.5, Vector3::z()];
        let grid = Grid::new([4, 3, 1], Point3::new(10.0, -5.0, 0.0), steps).unwrap();
        // 10 i + 100 j, one pixel outside the scan.
        let mut values: Vec<i16> = (0..12).map(|n| 10 * (n % 4) + 100 * (n / 4)).collect();
        values[11] = OUTSIDE_I16;
        let slices = Slice::all_of(&grid);
        let volume = Volume { grid, voxels: Voxels::I16(values), unit: Unit::Hu, slices, native: None };
        let image = SliceValues::of(&volume, 0).unwrap();
        let at = |i: f64, j: f64| image.between(image.frame().point(i, j));
        for (i, j) in [(0.0, 0.0), (1.5, 0.25), (2.0, 1.9), (3.0, 0.75), (2.0, 2.0)] {
            assert!((f64::from(at(i, j)) - (10.0 * i + 100.0 * j)).abs() < 1e-3, "{i} {j}");
        }
        for (i, j) in [(-0.1, 0.0), (3.1, 0.0), (1.0, -0.1), (1.0, 2.1), (2.5, 1.5), (3.0, 2.0)] {
            assert!(at(i, j).is_nan(), "{i} {j}");
        }
    }
}
