//! The anatomy description: what `assets/phantom/anatomy.toml` may say.
//!
//! All lengths in mm in the space of an average adult: x to the patient's left, y to the back,
//! z to the head, z = 0 at the ischial tuberosities, x = y = 0 on the body's axis.

use serde::Deserialize;

/// The whole description.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Anatomy {
    /// Lowest and highest slice.
    pub z_range: [f32; 2],
    /// Height of the shoulder joints.
    pub shoulder_z: f32,
    pub variation: Variation,
    pub spine: Spine,
    pub ribs: Ribs,
    /// In painting order: a later part covers an earlier one.
    pub part: Vec<PartText>,
}

/// How far individuals differ (one standard deviation).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Variation {
    /// Relative width, depth and height of the whole body.
    pub scale: [f32; 3],
    /// Position on the couch.
    pub position_mm: [f32; 3],
    /// Smooth bending of the whole body.
    pub warp_mm: f32,
    /// Subcutaneous fat.
    pub fat_mm: f32,
}

/// Vertebral levels from the lowest up: `[z, y, half width, half depth, half height]` of the body.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spine {
    pub levels: Vec<[f32; 5]>,
    /// Distance from the vertebral body's back to the canal's middle, and the canal's radius.
    pub canal: [f32; 2],
}

/// Ribs from the first down: `[z at the spine, z at the side, z at the front, how far round 0..1]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ribs {
    pub wall: String,
    pub levels: Vec<[f32; 4]>,
    pub radius: f32,
}

/// One part of the body.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartText {
    /// TG-263 name where it is an organ; `_L` and `_R` are added to a pair.
    pub name: String,
    /// Drawn for the left side (x > 0) and mirrored, each side varied on its own.
    #[serde(default)]
    pub pair: bool,
    /// Listed in the structure set: its colour.
    pub color: Option<[u8; 3]>,
    #[serde(default)]
    pub sentence: String,
    /// `EXTERNAL` for the body's outline, an organ otherwise.
    #[serde(default)]
    pub external: bool,
    /// Only for others to refer to: not painted.
    #[serde(default)]
    pub hidden: bool,
    /// A detail of the organ beneath: changes HU, not labels.
    #[serde(default)]
    pub within: bool,
    #[serde(default)]
    pub hu: f32,
    #[serde(default)]
    pub texture: Texture,
    /// A wall of this thickness and HU: the organ's own HU fills the inside. Bone's cortex,
    /// the wall of a hollow organ.
    pub wall: Option<[f32; 2]>,
    /// Gas fills the inside in front of this y, relative to the part's centre.
    pub gas_above: Option<f32>,
    /// Surface irregularity: amplitude and grain, mm.
    pub rough: Option<[f32; 2]>,
    /// Standard deviation of the relative size along each axis.
    #[serde(default)]
    pub size: f32,
    /// Standard deviation of the position, mm.
    #[serde(default)]
    pub shift: f32,
    /// Standard deviation of the relative radius of tubes.
    #[serde(default)]
    pub thick: f32,
    #[serde(default)]
    pub shape: Vec<Step>,
    /// Shapes made by rule instead: `vertebrae`, `discs`, `canal`, `cord` or `ribs`.
    pub generate: Option<String>,
}

/// What the inside looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Texture {
    /// Almost uniform.
    #[default]
    Plain,
    /// Strands in fat.
    Fat,
    /// Fibres with thin fat planes.
    Muscle,
    /// Vessels that branch in air.
    Lung,
    /// Brighter vessels in an organ.
    Vessels,
    /// Grey and white matter.
    Brain,
    /// Trabeculae.
    Marrow,
    /// Small air cells in bone.
    Cells,
}

/// One step of building a shape: exactly one of the kinds below, joined to what is there.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    #[serde(default)]
    pub op: Join,
    /// Fillet radius of the joint.
    #[serde(default)]
    pub k: f32,
    /// `[x, y, z, rx, ry, rz]`
    pub ellipsoid: Option<[f32; 6]>,
    /// Rotation of the ellipsoid about x, y and z, degrees.
    #[serde(default)]
    pub turn: [f32; 3],
    /// Superellipsoid exponent (2: ellipsoid, larger: boxier).
    pub n: Option<f32>,
    /// `[[x, y, z, radius], ...]`
    pub tube: Option<Vec<[f32; 4]>>,
    /// Flattens the tube along `[x, y, z]` by the fourth number.
    pub flat: Option<[f32; 4]>,
    /// `[[z, x, y, half width, front, back, exponent], ...]`
    pub loft: Option<Vec<[f32; 7]>>,
    /// Below the plane: `[nx, ny, nz, offset]`.
    pub half: Option<[f32; 4]>,
    /// Another part, grown by `grow` mm.
    pub part: Option<String>,
    #[serde(default)]
    pub grow: f32,
    /// Hollows what is there so far to a shell of this thickness.
    pub shell: Option<f32>,
}

/// How a step is joined to the shape so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Join {
    #[default]
    Add,
    Cut,
    And,
}

impl Anatomy {
    /// The description that ships with the program.
    pub(super) fn bundled() -> Result<Self, String> {
        toml::from_str(include_str!("../../assets/phantom/anatomy.toml")).map_err(|error| error.to_string())
    }
}
