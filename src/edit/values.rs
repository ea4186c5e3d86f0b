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
