//! What stands in a package's `model.toml`, and what must hold of it.

use super::calibration;
use crate::patient::{AnatomicCode, Color, RoiType, tells_body_side};
use serde::{Deserialize, Serialize};

/// The side of the body that an organ lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The patient's left.
    Left,
    /// The patient's right.
    Right,
}

/// One organ that a model contours, and what anatomy says of it.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
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
    /// Whether all but its largest piece are dropped: the same as one of [`Self::pieces`].
    #[serde(default)]
    pub keep_largest: bool,
    /// How many pieces it has at most; the largest are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pieces: Option<usize>,
    /// The side of the body it lies on: a piece beyond the body's midline, where that is known, is given to
    /// the label on the other side ([`Self::opposite`]), or dropped where there is none. Of structures whose
    /// left and right are the heart's it says nothing ([`Self::body_side`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// Whether small holes in its contours are closed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub close_holes: bool,
    /// Labels, by name, that lie within it: its contours are those of all of them together, by the
    /// sum of their probabilities. The label map keeps them apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub includes: Vec<String>,
    /// The least volume of the whole organ, cc: a smaller one was not found, unless the scan's end
    /// cuts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_cc: Option<f64>,
    /// Whether every scan cuts it, as it runs on far beyond what the model is for (the spinal cord):
    /// the least volume of a part counts, wherever its contours end, and that they end well before the
    /// scan does is told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub runs_on: bool,
    /// The greatest volume, cc: a larger one was not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cc: Option<f64>,
    /// The least raw score ([`crate::patient::Confidence`]); below it the organ was not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_score: Option<f32>,
    /// Labels, by name, whose middle lies nearer to the feet; found below one of them, it was not
    /// found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub above: Vec<String>,
    /// Labels, by name, of which one at least is in every image of the organ; found without any of
    /// them, it was not found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
    /// Pairs of raw score and the Dice to be expected of the ROI, both rising.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confidence: Vec<[f32; 2]>,
    /// The same for one slice of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slice_confidence: Vec<[f32; 2]>,
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

    /// The other labels that it names.
    fn named(&self) -> impl Iterator<Item = &String> {
        self.includes.iter().chain(self.witnesses())
    }

    /// The labels that tell whether it can be in an image.
    pub(in crate::ai) fn witnesses(&self) -> impl Iterator<Item = &String> {
        self.above.iter().chain(&self.beside)
    }

    /// How many pieces it has at most; `None`: any number.
    #[must_use]
    pub fn most_pieces(&self) -> Option<usize> {
        self.pieces.or(self.keep_largest.then_some(1))
    }

    /// The side of the body it lies on, where that is told; `None` of a ventricle, an atrium or a coronary
    /// artery, for the heart's left and right are not the body's.
    #[must_use]
    pub fn body_side(&self) -> Option<Side> {
        let is_named = self.name.ends_with("_L") || self.name.ends_with("_R");
        self.side.filter(|_| !is_named || tells_body_side(&self.name))
    }

    /// The label of the same organ on the other side of the body: the names differ in `_L` and `_R` alone.
    #[must_use]
    pub fn opposite<'a>(&self, labels: &'a [Self]) -> Option<&'a Self> {
        let own_side = self.body_side()?;
        let (own, other) = match own_side {
            Side::Left => ("_L", "_R"),
            Side::Right => ("_R", "_L"),
        };
        let name = self.name.strip_suffix(own)?;
        labels.iter().find(|label| {
            label.name.strip_suffix(other) == Some(name)
                && label.body_side().is_some_and(|side| side != own_side)
        })
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
    /// Pairs of classes that change places when the image is mirrored along x (axis 2): organs of the
    /// left and right.
    #[serde(default)]
    pub mirror_swaps: Vec<[usize; 2]>,
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
    /// Whether that is synthetic anatomy: the model has never seen a person.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub synthetic: bool,
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
    let swapped: Vec<usize> = manifest.inference.mirror_swaps.as_flattened().to_vec();
    if swapped.iter().enumerate().any(|(at, n)| *n >= manifest.network.classes || swapped[..at].contains(n)) {
        return Err("inference.mirror_swaps are not pairs of classes, each class once".into());
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
    check_anatomy(&manifest.labels)
}

/// What must hold of the labels' anatomy and calibration.
pub(in crate::ai) fn check_anatomy(labels: &[Label]) -> Result<(), String> {
    for label in labels {
        let name = &label.name;
        if label.pieces == Some(0) {
            return Err(format!("labels.pieces of {name} is 0"));
        }
        let is_other = |named: &&String| **named != *name && labels.iter().any(|other| other.name == **named);
        if let Some(named) = label.named().find(|named| !is_other(named)) {
            return Err(format!(
                "labels.includes, above or beside of {name} has {named}, which is no other label"
            ));
        }
        let (least, greatest) = (label.min_cc.unwrap_or(0.0), label.max_cc.unwrap_or(f64::MAX));
        if !(0.0..=greatest).contains(&least) || !greatest.is_finite() {
            return Err(format!("labels.min_cc and max_cc of {name} are not volumes, the smaller first"));
        }
        if label.min_score.is_some_and(|score| !(0.0..=1.0).contains(&score)) {
            return Err(format!("labels.min_score of {name} is not 0 to 1"));
        }
        if label.confidence.is_empty() != label.slice_confidence.is_empty() {
            return Err(format!("{name} has one of labels.confidence and slice_confidence; it needs both"));
        }
        for table in [&label.confidence, &label.slice_confidence] {
            calibration::check(table).map_err(|why| format!("the confidence of {name} {why}"))?;
        }
    }
    Ok(())
}
