//! The numbers that both renderers take from a slice scene, so that they sample the same places.

use super::{Outline, SliceCamera};
use crate::geometry::{Grid, Point2, Vector3};

/// Where a volume is sampled for each pixel: `origin + right * x + down * y`, voxel coordinates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LayerMap {
    pub origin: [f32; 3],
    pub right: [f32; 3],
    pub down: [f32; 3],
}

impl LayerMap {
    pub fn new(grid: &Grid, camera: &SliceCamera) -> Self {
        let corner = grid.voxel_from_patient() * camera.patient_of(Point2::origin());
        let step = |direction: Vector3| grid.voxel_from_patient() * (direction * camera.mm_per_pixel);
        Self {
            origin: to_f32(corner.coords),
            right: to_f32(step(camera.right)),
            down: to_f32(step(camera.down)),
        }
    }

    pub fn at(&self, pixel: [f32; 2]) -> [f32; 3] {
        [0, 1, 2].map(|axis| self.origin[axis] + self.right[axis] * pixel[0] + self.down[axis] * pixel[1])
    }
}

/// How an outline is drawn, in picture pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LineStyle {
    pub half_width: f32,
    pub hairline_half_width: f32,
    pub dash: f32,
    pub gap: f32,
}

/// The opacity of the hairline under a line.
pub(super) const HAIRLINE_OPACITY: f32 = 0.55;

impl LineStyle {
    pub fn new(outline: &Outline, pixels_per_point: f32) -> Self {
        let half_width = outline.width_points() * pixels_per_point / 2.0;
        let (dash, gap) =
            if outline.dashed { (7.0 * pixels_per_point, 4.0 * pixels_per_point) } else { (0.0, 0.0) };
        Self { half_width, hairline_half_width: half_width + pixels_per_point.max(0.75), dash, gap }
    }
}

/// The hatch's period and line width, pixels.
pub(super) fn hatch(pixels_per_point: f32) -> [f32; 2] {
    [11.0 * pixels_per_point, 1.2 * pixels_per_point]
}

/// Plane millimetres to pixels: the pixel of the plane's origin, and pixels per mm.
pub(super) fn pixel_map(camera: &SliceCamera) -> [f32; 3] {
    let origin = camera.pixel_of_plane_point(Point2::origin());
    #[expect(clippy::cast_possible_truncation, reason = "pixels")]
    [origin.x as f32, origin.y as f32, (1.0 / camera.mm_per_pixel) as f32]
}

#[expect(clippy::cast_possible_truncation, reason = "voxel coordinates to a ten-thousandth")]
pub(super) fn to_f32(vector: Vector3) -> [f32; 3] {
    [vector.x as f32, vector.y as f32, vector.z as f32]
}

pub(super) fn unit_color(color: [u8; 3]) -> [f32; 3] {
    color.map(|c| f32::from(c) / 255.0)
}
