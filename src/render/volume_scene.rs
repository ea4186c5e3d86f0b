//! Everything a 3D view shows, as data.

use super::{PictureSize, Window, direction_letters};
use crate::geometry::{Grid, Point3, Vector3};
use crate::patient::{Color, RoiId, Unit, Volume};
use std::sync::Arc;

/// How the volume itself is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub enum VolumeStyle {
    /// Not at all: structure surfaces only.
    None,
    /// Bone, and vessels full of contrast.
    #[default]
    Bone,
    /// Muscle and organs, fat faintly.
    SoftTissue,
    /// Lung vessels and airways.
    Lung,
    /// The skin.
    Skin,
}

impl VolumeStyle {
    /// All, in the order of the menu.
    pub const ALL: [Self; 5] = [Self::Bone, Self::SoftTissue, Self::Lung, Self::Skin, Self::None];

    /// The name shown to a person.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::None => "Structures only",
            Self::Bone => "Bone",
            Self::SoftTissue => "Soft tissue",
            Self::Lung => "Lung",
            Self::Skin => "Skin",
        }
    }
}

/// The knots of a transfer function: value, colour (0 to 1), extinction per mm; rising values.
pub type Knots = Vec<(f32, [f32; 3], f32)>;

impl VolumeStyle {
    /// The transfer function: for HU by tissue, for other units a ramp over the window. Empty for
    /// [`Self::None`]. Below the first knot nothing is seen; above the last it stays.
    #[must_use]
    pub fn knots(self, unit: Unit, window: Window) -> Knots {
        if self == Self::None {
            return Vec::new();
        }
        if unit != Unit::Hu {
            let at = |t: f32| window.low() + t * window.width;
            return vec![
                (at(0.25), [0.25, 0.10, 0.08], 0.0),
                (at(0.55), [0.85, 0.55, 0.30], 0.04),
                (at(1.0), [1.0, 0.95, 0.85], 0.35),
            ];
        }
        match self {
            Self::None => Vec::new(),
            Self::Bone => vec![
                (130.0, [0.60, 0.22, 0.16], 0.0),
                (190.0, [0.72, 0.32, 0.24], 0.05),
                (280.0, [0.86, 0.66, 0.50], 0.25),
                (450.0, [0.95, 0.89, 0.78], 0.9),
                (1200.0, [1.0, 0.98, 0.94], 1.8),
            ],
            Self::SoftTissue => vec![
                (-20.0, [0.80, 0.60, 0.42], 0.0),
                (30.0, [0.70, 0.38, 0.30], 0.05),
                (80.0, [0.78, 0.36, 0.30], 0.22),
                (200.0, [0.90, 0.55, 0.45], 0.30),
                (350.0, [0.96, 0.90, 0.80], 0.9),
            ],
            Self::Lung => vec![
                (-930.0, [0.30, 0.45, 0.60], 0.0),
                (-860.0, [0.45, 0.60, 0.75], 0.006),
                (-700.0, [0.70, 0.72, 0.78], 0.006),
                (-580.0, [0.92, 0.70, 0.62], 0.05),
                (-400.0, [0.95, 0.72, 0.62], 0.22),
                (-180.0, [0.90, 0.60, 0.50], 0.0),
                (3000.0, [0.90, 0.60, 0.50], 0.0),
            ],
            Self::Skin => vec![
                (-500.0, [0.87, 0.68, 0.57], 0.0),
                (-250.0, [0.90, 0.71, 0.60], 0.9),
                (3000.0, [0.92, 0.74, 0.64], 0.9),
            ],
        }
    }
}

/// A camera on a sphere around a patient point, without perspective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OrbitCamera {
    /// The patient point in the middle of the picture, mm.
    pub target_mm: Point3,
    /// Turn about the patient's long axis, radians: 0 looks from the front, pi/2 from the
    /// patient's left.
    pub azimuth: f64,
    /// Height above the horizon, radians, -pi/2 (from the feet) to pi/2 (from the head).
    pub elevation: f64,
    /// Millimetres in the patient per picture pixel at full resolution.
    pub mm_per_pixel: f64,
}

impl OrbitCamera {
    /// From the front and a little from the left and above, with the whole volume in the picture.
    #[must_use]
    pub fn fit(grid: &Grid, size_px: PictureSize) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
        let size = [0, 1, 2].map(|axis| grid.step_mm(axis).norm() * grid.dims()[axis] as f64);
        let diagonal = size.iter().map(|s| s * s).sum::<f64>().sqrt();
        let smaller = f64::from(size_px[0].min(size_px[1]).max(1));
        Self {
            target_mm: grid.center_mm(),
            azimuth: 0.35,
            elevation: 0.2,
            mm_per_pixel: (diagonal * 0.86 / smaller).max(1e-6),
        }
    }

    /// The unit vectors of screen right, screen down and away from the viewer, patient LPS.
    #[must_use]
    pub fn axes(&self) -> (Vector3, Vector3, Vector3) {
        let (sin_a, cos_a) = self.azimuth.sin_cos();
        let (sin_e, cos_e) = self.elevation.sin_cos();
        // From the front (azimuth 0) the viewer looks along +y and has the patient's left at right.
        let right = Vector3::new(cos_a, sin_a, 0.0);
        let forward = Vector3::new(-sin_a * cos_e, cos_a * cos_e, -sin_e);
        (right, forward.cross(&right), forward)
    }

    /// Turns the camera as a drag of so many pixels does (half a turn for 400 pixels).
    pub fn orbit(&mut self, right_px: f64, down_px: f64) {
        let per_pixel = std::f64::consts::PI / 400.0;
        self.azimuth = (self.azimuth - right_px * per_pixel).rem_euclid(std::f64::consts::TAU);
        let limit = std::f64::consts::FRAC_PI_2;
        self.elevation = (self.elevation + down_px * per_pixel).clamp(-limit, limit);
    }

    /// Moves the picture with the pointer.
    pub fn pan(&mut self, right_px: f64, down_px: f64) {
        let (right, down, _) = self.axes();
        self.target_mm -= (right * right_px + down * down_px) * self.mm_per_pixel;
    }

    /// Zooms by `factor` (above 1: closer).
    pub fn zoom(&mut self, factor: f64) {
        self.mm_per_pixel = (self.mm_per_pixel / factor).clamp(1e-3, 100.0);
    }

    /// The faces of the orientation cube that can be seen, for a cube of half edge `half_px`
    /// around `center_px`.
    #[must_use]
    pub fn cube_faces(&self, center_px: [f32; 2], half_px: f32) -> Vec<CubeFace> {
        let (right, down, forward) = self.axes();
        let mut faces = Vec::new();
        for axis in 0..3 {
            for sign in [-1.0, 1.0] {
                let mut normal = Vector3::zeros();
                normal[axis] = sign;
                let facing = -normal.dot(&forward);
                if facing < 0.02 {
                    continue;
                }
                let (mut u, mut v) = (Vector3::zeros(), Vector3::zeros());
                u[(axis + 1) % 3] = 1.0;
                v[(axis + 2) % 3] = 1.0;
                #[expect(clippy::cast_possible_truncation, reason = "screen coordinates")]
                let place = |w: Vector3| {
                    let scale = f64::from(half_px);
                    [
                        center_px[0] + (right.dot(&w) * scale) as f32,
                        center_px[1] + (down.dot(&w) * scale) as f32,
                    ]
                };
                #[expect(clippy::cast_possible_truncation, reason = "0 to 1")]
                faces.push(CubeFace {
                    corners_px: [normal - u - v, normal + u - v, normal + u + v, normal - u + v].map(place),
                    center_px: place(normal),
                    letter: direction_letters(normal),
                    facing: facing as f32,
                });
            }
        }
        faces
    }
}

/// A face of the orientation cube as seen by a camera.
#[derive(Debug, Clone, PartialEq)]
pub struct CubeFace {
    /// Its corners, picture pixels, in order around it.
    pub corners_px: [[f32; 2]; 4],
    /// Its middle, where the letter goes.
    pub center_px: [f32; 2],
    /// The patient direction it faces.
    pub letter: String,
    /// How squarely it faces the viewer, above 0 to 1.
    pub facing: f32,
}

/// How much work a 3D picture may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub enum Quality {
    /// While the camera moves: half the resolution, long steps.
    Moving,
    /// When it stands still.
    #[default]
    Still,
    /// For pictures to keep, and on strong devices: twice the resolution, averaged.
    Fine,
}

impl Quality {
    /// Rendered pixels per picture pixel along each side.
    #[must_use]
    pub fn scale(self) -> f64 {
        match self {
            Self::Moving => 0.5,
            Self::Still => 1.0,
            Self::Fine => 2.0,
        }
    }

    /// The ray's step in units of the volume's finest spacing.
    #[must_use]
    pub fn step(self) -> f64 {
        match self {
            Self::Moving => 2.0,
            Self::Still => 1.0,
            Self::Fine => 0.7,
        }
    }
}

/// A closed triangle surface of a structure.
#[derive(Debug, Clone)]
pub struct SurfaceMesh {
    /// Identity for the cache of GPU buffers: the ROI and its revision.
    pub key: (RoiId, u64),
    /// Vertices, patient mm.
    pub positions: Arc<Vec<[f32; 3]>>,
    /// Unit normals, outwards, one a vertex.
    pub normals: Arc<Vec<[f32; 3]>>,
    /// Triangles, three vertices each.
    pub indices: Arc<Vec<u32>>,
    /// The colour.
    pub color: Color,
}

/// A 3D picture.
#[derive(Debug, Clone)]
pub struct VolumeScene {
    /// Where it looks from.
    pub camera: OrbitCamera,
    /// The picture's size, pixels.
    pub size_px: PictureSize,
    /// The volume; `None` gives the surfaces alone.
    pub volume: Option<Arc<Volume>>,
    /// How the volume is shown.
    pub style: VolumeStyle,
    /// The volume's window, from which units other than HU take their transfer function.
    pub window: Window,
    /// The surfaces of the structures.
    pub meshes: Vec<SurfaceMesh>,
    /// How much work it may be.
    pub quality: Quality,
    /// The background.
    pub background: [u8; 3],
}

impl VolumeScene {
    /// A volume alone.
    #[must_use]
    pub fn new(
        camera: OrbitCamera,
        size_px: PictureSize,
        volume: Option<Arc<Volume>>,
        style: VolumeStyle,
    ) -> Self {
        Self {
            camera,
            size_px,
            volume,
            style,
            window: super::WindowPreset::SoftTissue.window(),
            meshes: Vec::new(),
            quality: Quality::Still,
            background: super::Theme::DARK.background,
        }
    }

    /// Whether both give the same picture; volumes are compared by identity, meshes by key.
    #[must_use]
    pub fn is_same_picture(&self, other: &Self) -> bool {
        let same_volume = match (&self.volume, &other.volume) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        same_volume
            && self.camera == other.camera
            && self.size_px == other.size_px
            && self.style == other.style
            && self.window == other.window
            && self.quality == other.quality
            && self.background == other.background
            && self.meshes.len() == other.meshes.len()
            && self.meshes.iter().zip(&other.meshes).all(|(a, b)| a.key == b.key && a.color == b.color)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(azimuth: f64, elevation: f64) -> OrbitCamera {
        OrbitCamera { target_mm: Point3::origin(), azimuth, elevation, mm_per_pixel: 1.0 }
    }

    #[test]
    fn the_front_view_has_the_patients_left_at_right_and_the_head_up() {
        let (right, down, forward) = camera(0.0, 0.0).axes();
        assert!((right - Vector3::x()).norm() < 1e-12);
        assert!((down + Vector3::z()).norm() < 1e-12);
        assert!((forward - Vector3::y()).norm() < 1e-12);
        let (right, _, forward) = camera(std::f64::consts::FRAC_PI_2, 0.0).axes();
        assert!((forward + Vector3::x()).norm() < 1e-12, "from the patient's left");
        assert!((right - Vector3::y()).norm() < 1e-12, "posterior at right");
        let (_, down, forward) = camera(0.0, std::f64::consts::FRAC_PI_2).axes();
        assert!((forward + Vector3::z()).norm() < 1e-12, "from the head");
        assert!((down + Vector3::y()).norm() < 1e-12, "anterior below");
    }

    #[test]
    fn the_cube_shows_the_faces_towards_the_viewer() {
        let faces = camera(0.35, 0.2).cube_faces([0.0, 0.0], 10.0);
        let letters: Vec<&str> = faces.iter().map(|face| face.letter.as_str()).collect();
        assert_eq!(letters.len(), 3);
        assert!(letters.contains(&"A") && letters.contains(&"L") && letters.contains(&"H"));
    }
}
