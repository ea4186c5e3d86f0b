//! The tables of a recipe, key by key as `models/training/*.toml` writes them.
//!
//! Keys that are not known are errors: a misspelt one would silently train something else. Labels are
//! those of a package's manifest.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where the patients are, and which of them are kept for validation.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// The folder, for when none is named on the command line.
    #[serde(default)]
    pub root: Option<String>,
    /// What the patients are, in words for the card.
    #[serde(default)]
    pub description: String,
    /// Whether they are synthetic anatomy, no people.
    #[serde(default)]
    pub synthetic: bool,
    /// The validation patients, by the names of their folders.
    #[serde(default)]
    pub valid: Vec<String>,
    /// The share of the patients that is kept for validation where nobody names them; 0.2.
    #[serde(default)]
    pub valid_share: Option<f64>,
}

/// The grid that the network works on.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InputTable {
    /// Voxel spacing, (z, y, x), mm.
    pub spacing_mm: [f64; 3],
}

/// Clip, subtract the mean, divide by the standard deviation.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NormalizationTable {
    /// Always `ct`.
    pub kind: String,
    /// The least value kept, HU.
    pub clip_low: f32,
    /// The greatest value kept, HU.
    pub clip_high: f32,
    /// Subtracted, HU.
    pub mean: f32,
    /// Divided by, HU.
    pub std: f32,
}

/// The model of nnU-Net that is trained further: its package tells what images it takes and what its
/// network is.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NnunetTable {
    /// The package's id.
    pub model: String,
    /// Eight digits of its plans, its labels and the fold's weights: a run goes on with no other.
    pub state: String,
    /// The fold whose weights are trained further; the package that is made has this one alone.
    pub fold: String,
    /// The patch in training, (z, y, x), voxels; the window of the package that is made stays that of
    /// its plans.
    pub patch: [usize; 3],
    /// The names of the input channels.
    pub channels: Vec<String>,
    /// What the Series Description of each channel's images has in patients of DICOM, the likeliest text
    /// first; empty where the channels' names or modalities tell enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<Vec<String>>,
    /// Of a model of regions, which may overlap: for each label the numbers, from 1, of the labels that
    /// hold it, itself among them. Empty where a voxel has one label.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<Vec<u16>>,
}

/// The network's shape.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkTable {
    /// Always `PlainConvUNet`.
    pub kind: String,
    /// Feature channels of each stage, finest first.
    pub features: Vec<usize>,
    /// Stride of each stage, (z, y, x).
    pub strides: Vec<[usize; 3]>,
    /// Kernel of each stage, (z, y, x).
    pub kernel: Vec<[usize; 3]>,
    /// Convolutions in a stage.
    pub convs_per_stage: usize,
    /// Classes, background included.
    pub classes: usize,
    /// The patch, (z, y, x), voxels.
    pub patch: [usize; 3],
}

/// The schedule.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The seed of everything that is drawn.
    pub seed: u64,
    /// Steps in all.
    pub steps: u64,
    /// Patches a step.
    pub batch: usize,
    /// Resolutions with a loss, the full one first.
    pub heads: usize,
    /// Whether the Dice loss is its logarithm.
    #[serde(default)]
    pub log_dice: bool,
    /// Half precision on processors that have it: PyTorch only, burn computes in float32.
    #[serde(default)]
    pub bf16: bool,
    /// The learning rate on its plateau.
    pub learning_rate: f64,
    /// AdamW's weight decay.
    pub weight_decay: f64,
    /// Steps until the learning rate has its full height.
    pub warmup_steps: u64,
    /// The share of the run in which the learning rate falls to zero.
    pub decay_share: f64,
    /// The greatest norm of the gradient; a longer one is shortened.
    pub clip_gradient: f64,
    /// How much of the averaged weights a step keeps.
    pub ema: f64,
}

impl Training {
    /// The schedule that trains a package further: short, with a low learning rate.
    pub(super) fn short(heads: usize) -> Self {
        Self {
            seed: 1,
            steps: 500,
            batch: 2,
            heads,
            log_dice: false,
            bf16: false,
            learning_rate: 2e-4,
            weight_decay: 1e-2,
            warmup_steps: 50,
            decay_share: 0.5,
            clip_gradient: 3.0,
            ema: 0.99,
        }
    }
}

/// By which rule patches are drawn.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// The share of the patches that show a chosen organ.
    pub organ_share: f64,
    /// How often each label is chosen, in the order of their values; all alike where it is missing.
    #[serde(default)]
    pub weights: Option<Vec<f64>>,
    /// Voxels that a patch may reach beyond the scan.
    pub overhang: usize,
}

/// How patches are changed.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Augment {
    /// How often a patch is turned and scaled.
    pub affine_probability: f64,
    /// The greatest turn about z, y, x, degrees.
    pub rotation_deg: [f64; 3],
    /// The least and greatest scale.
    pub scale: [f64; 2],
    /// Whether half of the patches are mirrored from left to right.
    pub mirror_x: bool,
    /// Pairs of labels that a mirrored patch swaps.
    #[serde(default)]
    pub mirror_swaps: Vec<[u16; 2]>,
    /// Axes (0 = z) along each of which half of the patches are mirrored, labels as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mirror_axes: Vec<usize>,
    /// Bending, as necks and mouths move; none where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bend: Option<Bend>,
    /// Coarser sampling, as thicker slices and wider pixels have it; none where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coarse: Option<Coarse>,
    /// Grey values to a power; none where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gamma: Option<Gamma>,
    /// How often the scan ends within the patch.
    pub cut_probability: f64,
    /// The greatest shift of the values, HU; of a model of nnU-Net in its normalised values.
    pub hu_shift: f64,
    /// The least and greatest factor of the values.
    pub hu_scale: [f64; 2],
    /// The greatest standard deviation of the noise, HU; of a model of nnU-Net in its normalised values.
    pub hu_noise: f64,
}

/// Bending of patches.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Bend {
    /// How often a patch is bent.
    pub probability: f64,
    /// The greatest standard deviation by which control points 40 mm apart are moved along each axis, mm;
    /// the tissue between them moves by about a third of it.
    pub mm: f64,
}

/// Coarser sampling of patches.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Coarse {
    /// How often a patch is sampled more coarsely and back.
    pub probability: f64,
    /// The least and greatest share of the voxels that stay, drawn for each axis.
    pub share: [f64; 2],
}

/// Grey values to a power.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Gamma {
    /// How often.
    pub probability: f64,
    /// The least and greatest power, drawn evenly by its logarithm. Values are taken as shares of the range
    /// they are clipped to, or of the patch's own range where they are not clipped.
    pub power: [f64; 2],
}

/// How the sliding window runs.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InferenceTable {
    /// The window's step as a share of the patch.
    pub step: f64,
    /// The standard deviation of the window's weights as a share of the patch.
    pub gaussian_sigma: f64,
    /// Axes (0 = z) that are mirrored and averaged.
    #[serde(default)]
    pub mirror_axes: Vec<usize>,
    /// Pairs of classes that change places in a patch mirrored along x.
    #[serde(default)]
    pub mirror_swaps: Vec<[usize; 2]>,
}

impl Default for InferenceTable {
    fn default() -> Self {
        Self { step: 0.5, gaussian_sigma: 0.125, mirror_axes: Vec::new(), mirror_swaps: Vec::new() }
    }
}

/// Other names of organs, by their TG-263 name.
pub type Synonyms = BTreeMap<String, Vec<String>>;
