//! What stands in a package's `model.toml`, and what must hold of it.

use crate::patient::{AnatomicCode, Color, RoiType};
use serde::{Deserialize, Serialize};

/// One organ that a model contours.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Label {
    /// Its number in the network's output and in label maps; 0 is the background.
    pub value: u16,
    /// ROI Name, TG-263.
    pub name: String,
    /// RT ROI Interpreted Type.
    #[serde(rename = "type", default = "organ")]
    pub(in crate::ai) roi_type: String,
    /// Display colour.
    pub color: Color,
    /// Whether all but its largest piece are dropped.
    #[serde(default)]
    pub keep_largest: bool,
    /// What it is, for other systems; where not told, what TG-263's table says of its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<AnatomicCode>,
}

impl Label {
    /// RT ROI Interpreted Type.
    #[must_use]
    pub fn roi_type(&self) -> RoiType {
        RoiType::from_term(&self.roi_type)
    }
}

fn organ() -> String {
    "ORGAN".to_owned()
}

/// The image that the network expects.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Input {
    /// Voxel spacing, (z, y, x), mm.
    pub spacing_mm: [f64; 3],
    /// Always `LPS`: x grows to the patient's left, y to posterior, z to superior.
    pub(in crate::ai) orientation: String,
    /// What everything outside the body is set to, HU; `None`: left as it is.
    pub outside_body_hu: Option<f32>,
}

/// CT normalisation: clip, subtract the mean, divide by the standard deviation.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Normalization {
    pub(in crate::ai) kind: String,
    /// The least value kept, HU.
    pub clip_low: f32,
    /// The greatest value kept, HU.
    pub clip_high: f32,
    /// Subtracted, HU.
    pub mean: f32,
    /// Divided by, HU.
    pub std: f32,
}

impl Normalization {
    /// The network's input for a value in HU.
    #[must_use]
    pub fn apply(&self, value_hu: f32) -> f32 {
        (value_hu.clamp(self.clip_low, self.clip_high) - self.mean) / self.std.max(1e-8)
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct NetworkTable {
    kind: String,
    pub features: Vec<usize>,
    pub strides: Vec<[usize; 3]>,
    pub kernel: Vec<[usize; 3]>,
    pub convs_per_stage: usize,
    pub classes: usize,
    pub patch: [usize; 3],
}

/// How the sliding window runs.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Inference {
    /// The window's step as a share of the patch.
    pub step: f64,
    /// The standard deviation of the window's weights as a share of the patch.
    pub gaussian_sigma: f64,
    /// Axes (0 = z) that are mirrored and averaged.
    #[serde(default)]
    pub mirror_axes: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct WeightsTable {
    pub file: String,
    pub sha256: String,
}

/// Where the model comes from.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, Default)]
pub struct Provenance {
    /// The data that it was trained on.
    #[serde(default)]
    pub data: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Manifest {
    pub id: String,
    pub title: String,
    pub version: String,
    pub modality: String,
    pub license: String,
    #[serde(default)]
    pub provenance: Provenance,
    pub input: Input,
    pub normalization: Normalization,
    pub network: NetworkTable,
    pub inference: Inference,
    pub weights: WeightsTable,
    pub labels: Vec<Label>,
}

/// What the manifest's own types do not guarantee.
pub(super) fn check(manifest: &Manifest) -> Result<(), String> {
    let finite = |values: &[f64], low: f64, high: f64| values.iter().all(|v| (low..=high).contains(v));
    let n = &manifest.normalization;
    if manifest.input.orientation != "LPS" {
        return Err(format!("input.orientation is {}, not LPS", manifest.input.orientation));
    }
    if !finite(&manifest.input.spacing_mm, 0.05, 100.0) {
        return Err("input.spacing_mm is not 0.05 to 100 mm".into());
    }
    if n.kind != "ct" {
        return Err(format!("normalization.kind {} is not known; known is ct", n.kind));
    }
    if ![n.clip_low, n.clip_high, n.mean, n.std].iter().all(|v| v.is_finite()) || n.clip_low >= n.clip_high {
        return Err("normalization is not four numbers with clip_low below clip_high".into());
    }
    if manifest.network.kind != "PlainConvUNet" {
        return Err(format!("network.kind {} is not known; known is PlainConvUNet", manifest.network.kind));
    }
    if manifest.network.patch.iter().any(|n| !(8..=512).contains(n)) {
        return Err("network.patch is not 8 to 512 voxels".into());
    }
    if !finite(&[manifest.inference.step], 0.05, 1.0)
        || !finite(&[manifest.inference.gaussian_sigma], 0.01, 10.0)
    {
        return Err("inference.step is not 0.05 to 1, or gaussian_sigma not 0.01 to 10".into());
    }
    if manifest.inference.mirror_axes.iter().any(|axis| *axis > 2) {
        return Err("inference.mirror_axes are not 0, 1 or 2".into());
    }
    if manifest.labels.is_empty() {
        return Err("there are no labels".into());
    }
    for (index, label) in manifest.labels.iter().enumerate() {
        if label.value == 0 || usize::from(label.value) >= manifest.network.classes {
            return Err(format!("label {} is not 1 to {}", label.value, manifest.network.classes - 1));
        }
        if manifest.labels[..index].iter().any(|other| other.value == label.value || other.name == label.name)
        {
            return Err(format!("label {} or its name {} is there twice", label.value, label.name));
        }
    }
    Ok(())
}
