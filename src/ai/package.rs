//! Model packages: a folder with `model.toml` (the manifest) and weights in safetensors.
//!
//! A package is checked before it is used: sizes before anything is allocated, the weights'
//! SHA-256, every tensor's name and shape against the description. The shipped packages are part
//! of the program itself; others are found in folders ([`search_folders`]).

use super::network::{Architecture, Network, NetworkError, Parameter};
use crate::patient::{Color, RoiType};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The greatest weights file that is read, bytes.
const WEIGHTS_LIMIT: u64 = 2 << 30;
/// The greatest manifest that is read, bytes.
const MANIFEST_LIMIT: u64 = 1 << 20;

/// A package that is part of the program.
struct Shipped {
    id: &'static str,
    manifest: &'static str,
    weights: &'static [u8],
}

/// The packages that are part of the program: those under `models/` when it was built (build.rs).
const SHIPPED: &[Shipped] = include!(concat!(env!("OUT_DIR"), "/shipped_models.rs"));

/// Why a package could not be used.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// No package has this id and no folder this name.
    #[error("there is no model {wanted}; there are {available} (`delineo model list`)")]
    Unknown {
        /// What was asked for.
        wanted: String,
        /// The ids there are.
        available: String,
    },
    /// The folder has no manifest.
    #[error("this folder is no model package, it has no model.toml: {}", path.display())]
    NoManifest {
        /// The folder.
        path: PathBuf,
    },
    /// A file could not be read.
    #[error("the model's file cannot be read ({reason}): {}", path.display())]
    Unreadable {
        /// What the system says.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// The manifest is not what it should be.
    #[error("the model's manifest is not usable: {reason}: {}", path.display())]
    Manifest {
        /// What is wrong.
        reason: String,
        /// The manifest.
        path: PathBuf,
    },
    /// The weights are not those that the manifest was written for.
    #[error(
        "the model's weights are damaged or of another version (SHA-256 {found}, not {expected}); \
         fetch the package again: {}", path.display()
    )]
    Checksum {
        /// Of the file.
        found: String,
        /// In the manifest.
        expected: String,
        /// The weights.
        path: PathBuf,
    },
    /// The weights are not what they should be.
    #[error("the model's weights are not usable: {reason}: {}", path.display())]
    Weights {
        /// What is wrong.
        reason: String,
        /// The weights.
        path: PathBuf,
    },
}

/// Where a package is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Part of the program.
    Shipped,
    /// From a folder.
    Imported,
}

impl Source {
    /// The word that `delineo model list` prints.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Shipped => "shipped",
            Self::Imported => "imported",
        }
    }
}

/// One organ that a model contours.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Label {
    /// Its number in the network's output and in label maps; 0 is the background.
    pub value: u16,
    /// ROI Name, TG-263.
    pub name: String,
    /// RT ROI Interpreted Type.
    #[serde(rename = "type", default = "organ")]
    roi_type: String,
    /// Display colour.
    pub color: Color,
    /// Whether all but its largest piece are dropped.
    #[serde(default)]
    pub keep_largest: bool,
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
    orientation: String,
    /// What everything outside the body is set to, HU; `None`: left as it is.
    pub outside_body_hu: Option<f32>,
}

/// CT normalisation: clip, subtract the mean, divide by the standard deviation.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Normalization {
    kind: String,
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
struct NetworkTable {
    kind: String,
    features: Vec<usize>,
    strides: Vec<[usize; 3]>,
    kernel: Vec<[usize; 3]>,
    convs_per_stage: usize,
    classes: usize,
    patch: [usize; 3],
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
struct WeightsTable {
    file: String,
    sha256: String,
}

/// Where the model comes from.
#[derive(Debug, Clone, PartialEq, Deserialize, Default)]
pub struct Provenance {
    /// The data that it was trained on.
    #[serde(default)]
    pub data: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Manifest {
    id: String,
    title: String,
    version: String,
    modality: String,
    license: String,
    #[serde(default)]
    provenance: Provenance,
    input: Input,
    normalization: Normalization,
    network: NetworkTable,
    inference: Inference,
    weights: WeightsTable,
    labels: Vec<Label>,
}

/// A package whose manifest has been read and checked; the weights are read by [`Self::network`].
#[derive(Debug, Clone, PartialEq)]
pub struct ModelPackage {
    /// Its name for commands.
    pub id: String,
    /// Its name for a person.
    pub title: String,
    /// Its version.
    pub version: String,
    /// The DICOM code of the images it is for.
    pub modality: String,
    /// Its licence.
    pub license: String,
    /// Where it comes from.
    pub provenance: Provenance,
    /// The image that the network expects.
    pub input: Input,
    /// How values are normalised.
    pub normalization: Normalization,
    /// The network's shape.
    pub architecture: Architecture,
    /// The window, (z, y, x), voxels.
    pub patch: [usize; 3],
    /// How the window runs.
    pub inference: Inference,
    /// The organs, by value.
    pub labels: Vec<Label>,
    /// Where the package is from.
    pub source: Source,
    weights: Weights,
}

#[derive(Debug, Clone, PartialEq)]
enum Weights {
    File { path: PathBuf, sha256: String },
    Shipped { id: &'static str, sha256: String },
}

impl ModelPackage {
    /// Reads the package in a folder.
    ///
    /// # Errors
    /// [`PackageError`] when there is none or its manifest is not usable.
    pub fn load(folder: &Path) -> Result<Self, PackageError> {
        let path = folder.join("model.toml");
        if !path.is_file() {
            return Err(PackageError::NoManifest { path: folder.to_owned() });
        }
        let bytes = read_limited(&path, MANIFEST_LIMIT)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| PackageError::Manifest { reason: "it is not text".into(), path: path.clone() })?;
        Self::from_manifest(&text, &path, |table| {
            // Only a plain name: a package reads nothing outside its own folder.
            if Path::new(&table.file).file_name() != Some(table.file.as_ref()) {
                return Err("weights.file is not a plain file name".to_owned());
            }
            Ok((
                Source::Imported,
                Weights::File { path: folder.join(&table.file), sha256: table.sha256.clone() },
            ))
        })
    }

    /// The package of this id, or the one in this folder.
    ///
    /// # Errors
    /// [`PackageError`] when there is none, naming those there are, or it is not usable.
    pub fn find(id_or_folder: &str) -> Result<Self, PackageError> {
        let folder = Path::new(id_or_folder);
        if folder.is_dir() {
            return Self::load(folder);
        }
        let (packages, _) = Self::list();
        let available: Vec<String> = packages.iter().map(|package| package.id.clone()).collect();
        packages.into_iter().find(|package| package.id == id_or_folder).ok_or_else(|| PackageError::Unknown {
            wanted: id_or_folder.to_owned(),
            available: if available.is_empty() { "none".to_owned() } else { available.join(", ") },
        })
    }

    /// All packages, shipped ones first, and why others that were found cannot be used. Of several
    /// with one id the first found counts: `DELINEO_MODELS`, the shipped ones, then the folders
    /// beside the program.
    #[must_use]
    pub fn list() -> (Vec<Self>, Vec<PackageError>) {
        let mut errors = Vec::new();
        let mut found: BTreeMap<String, Self> = BTreeMap::new();
        let (chosen, beside) = search_folders();
        let mut add = |result: Result<Self, PackageError>| match result {
            Ok(package) => drop(found.entry(package.id.clone()).or_insert(package)),
            Err(error) => errors.push(error),
        };
        in_folders(&chosen).for_each(&mut add);
        SHIPPED.iter().map(Self::shipped).for_each(&mut add);
        in_folders(&beside).for_each(&mut add);
        let mut packages: Vec<Self> = found.into_values().collect();
        packages.sort_by_key(|package| (package.source == Source::Imported, package.id.clone()));
        (packages, errors)
    }

    fn shipped(shipped: &Shipped) -> Result<Self, PackageError> {
        let id = shipped.id;
        Self::from_manifest(shipped.manifest, Path::new(id), |table| {
            Ok((Source::Shipped, Weights::Shipped { id, sha256: table.sha256.clone() }))
        })
    }

    fn from_manifest(
        text: &str,
        path: &Path,
        weights: impl FnOnce(&WeightsTable) -> Result<(Source, Weights), String>,
    ) -> Result<Self, PackageError> {
        let unusable = |reason: String| PackageError::Manifest { reason, path: path.to_owned() };
        let manifest: Manifest =
            toml::from_str(text).map_err(|error| unusable(error.message().to_owned()))?;
        check(&manifest).map_err(unusable)?;
        let (source, weights) = weights(&manifest.weights).map_err(unusable)?;
        let Manifest { network, .. } = manifest;
        let architecture = Architecture::plain(
            1,
            network.features,
            network.strides,
            network.kernel,
            network.convs_per_stage,
            network.classes,
        );
        architecture.check().map_err(|error| unusable(error.to_string()))?;
        let divisor = architecture.divisor();
        if (0..3).any(|axis| network.patch[axis] % divisor[axis] != 0) {
            return Err(unusable(format!("the patch is not a multiple of {divisor:?}")));
        }
        Ok(Self {
            id: manifest.id,
            title: manifest.title,
            version: manifest.version,
            modality: manifest.modality,
            license: manifest.license,
            provenance: manifest.provenance,
            input: manifest.input,
            normalization: manifest.normalization,
            architecture,
            patch: network.patch,
            inference: manifest.inference,
            labels: manifest.labels,
            source,
            weights,
        })
    }

    /// Reads and checks the weights.
    ///
    /// # Errors
    /// [`PackageError`] when the file is missing, damaged, or not of this network.
    pub fn network(&self) -> Result<Network, PackageError> {
        match &self.weights {
            Weights::File { path, sha256 } => {
                let bytes = read_limited(path, WEIGHTS_LIMIT)?;
                self.network_from(&bytes, sha256, path)
            }
            Weights::Shipped { id, sha256 } => {
                let bytes = SHIPPED.iter().find(|shipped| shipped.id == *id).map_or(&[][..], |s| s.weights);
                self.network_from(bytes, sha256, Path::new(id))
            }
        }
    }

    fn network_from(&self, bytes: &[u8], expected: &str, path: &Path) -> Result<Network, PackageError> {
        let found = Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        if !found.eq_ignore_ascii_case(expected) {
            return Err(PackageError::Checksum {
                found,
                expected: expected.to_owned(),
                path: path.to_owned(),
            });
        }
        let unusable = |reason: String| PackageError::Weights { reason, path: path.to_owned() };
        let parameters = read_safetensors(bytes).map_err(unusable)?;
        Network::new(self.architecture.clone(), &parameters).map_err(|error: NetworkError| {
            PackageError::Weights { reason: error.to_string(), path: path.to_owned() }
        })
    }

    /// The label of this value.
    #[must_use]
    pub fn label(&self, value: u16) -> Option<&Label> {
        self.labels.iter().find(|label| label.value == value)
    }
}

/// What the manifest's own types do not guarantee.
fn check(manifest: &Manifest) -> Result<(), String> {
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

/// Reads a file of at most `limit` bytes.
fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, PackageError> {
    let unreadable = |reason: String| PackageError::Unreadable { reason, path: path.to_owned() };
    let size = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
    if size > limit {
        return Err(unreadable(format!("it has {size} bytes, more than {limit}")));
    }
    std::fs::read(path).map_err(|error| unreadable(error.to_string()))
}

/// Named float32 tensors of a safetensors file (float16, bfloat16 or float32 in the file).
///
/// # Errors
/// A sentence, when the bytes are not such a file. Sizes are checked against the bytes before
/// anything is allocated.
pub fn read_safetensors(bytes: &[u8]) -> Result<BTreeMap<String, Parameter>, String> {
    use safetensors::Dtype;
    let file = safetensors::SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let mut parameters = BTreeMap::new();
    for (name, view) in file.tensors() {
        let data = view.data();
        let halves = || data.as_chunks::<2>().0.iter();
        let values = match view.dtype() {
            Dtype::F16 => halves().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect(),
            Dtype::BF16 => halves().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect(),
            Dtype::F32 => data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            other => return Err(format!("the tensor {name} is {other:?}, not a floating point type")),
        };
        parameters.insert(name, Parameter { shape: view.shape().to_vec(), values });
    }
    Ok(parameters)
}

/// The folders that hold packages: those of `DELINEO_MODELS`, and `models` beside the program.
#[must_use]
pub fn search_folders() -> (Vec<PathBuf>, Vec<PathBuf>) {
    let chosen = std::env::var_os("DELINEO_MODELS")
        .map(|paths| std::env::split_paths(&paths).collect())
        .unwrap_or_default();
    let mut beside = Vec::new();
    if let Some(folder) = std::env::current_exe().ok().as_deref().and_then(Path::parent) {
        beside.push(folder.join("models"));
    }
    (chosen, beside)
}

/// The packages in these folders, in order of their names.
fn in_folders(folders: &[PathBuf]) -> impl Iterator<Item = Result<ModelPackage, PackageError>> {
    folders.iter().flat_map(|folder| {
        let mut inside: Vec<PathBuf> = std::fs::read_dir(folder)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        inside.retain(|path| path.join("model.toml").is_file());
        inside.sort();
        inside.into_iter().map(|path| ModelPackage::load(&path))
    })
}
