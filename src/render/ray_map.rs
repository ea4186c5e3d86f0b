//! The numbers that both renderers take from a 3D scene, so that their rays are the same.

use super::layer_map::to_f32;
use super::{PictureSize, VolumeScene};
use crate::geometry::{Grid, Vector3};

/// The most steps of one ray: with the skipped bricks far below lavapipe's 65,535 iterations.
pub(super) const MOST_STEPS: f64 = 4096.0;

/// Rays through a volume in voxel coordinates: `origin + right * x + down * y + forward * mm`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RayMap {
    pub origin: [f32; 3],
    pub right: [f32; 3],
    pub down: [f32; 3],
    pub forward: [f32; 3],
    /// Rows of the map from a gradient per voxel to one per mm in the patient.
    pub normal: [[f32; 3]; 3],
    pub step_mm: f32,
}

/// The size that a scene is rendered at, before it is scaled up to the picture.
pub(super) fn rendered_size(scene: &VolumeScene) -> PictureSize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "pixels")]
    scene.size_px.map(|n| (f64::from(n) * scene.quality.scale()).ceil().max(1.0) as u32)
}

/// Patient millimetres per rendered pixel.
pub(super) fn rendered_mm_per_pixel(scene: &VolumeScene) -> [f64; 2] {
    let rendered = rendered_size(scene);
    [0, 1].map(|axis| scene.camera.mm_per_pixel * f64::from(scene.size_px[axis]) / f64::from(rendered[axis]))
}

impl RayMap {
    /// Of every `stride`th voxel of `grid`.
    pub fn new(scene: &VolumeScene, grid: &Grid, stride: usize) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let stride = stride as f64;
        let camera = &scene.camera;
        let (right, down, forward) = camera.axes();
        let [width, height] = rendered_size(scene).map(f64::from);
        let [mm_x, mm_y] = rendered_mm_per_pixel(scene);
        let corner = camera.target_mm - right * (width / 2.0 * mm_x) - down * (height / 2.0 * mm_y);
        let map = grid.voxel_from_patient();
        let direction = |v: Vector3| to_f32((map * v) / stride);
        let linear = map.matrix().fixed_view::<3, 3>(0, 0).transpose() / stride;
        let spacing = grid.spacing_mm();
        let finest = spacing.into_iter().fold(f64::MAX, f64::min) * stride;
        let spans = [0, 1, 2].map(|axis| {
            #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
            let n = grid.dims()[axis] as f64;
            spacing[axis] * n
        });
        let diagonal = spans.iter().map(|s| s * s).sum::<f64>().sqrt();
        let step_mm = (finest * scene.quality.step()).max(diagonal / MOST_STEPS);
        #[expect(clippy::cast_possible_truncation, reason = "millimetres")]
        Self {
            origin: to_f32((map * corner).coords / stride),
            right: direction(right * mm_x),
            down: direction(down * mm_y),
            forward: direction(forward),
            normal: [0, 1, 2].map(|row| to_f32(linear.row(row).transpose())),
            step_mm: step_mm as f32,
        }
    }

    pub fn start(&self, pixel: [f32; 2]) -> [f32; 3] {
        [0, 1, 2].map(|axis| self.origin[axis] + self.right[axis] * pixel[0] + self.down[axis] * pixel[1])
    }
}

/// The unit vectors towards the light (over the viewer's left shoulder) and away from the viewer.
pub(super) fn light_and_view(scene: &VolumeScene) -> ([f32; 3], [f32; 3]) {
    let (right, down, forward) = scene.camera.axes();
    (to_f32((-forward - down * 0.45 - right * 0.35).normalize()), to_f32(forward))
}
