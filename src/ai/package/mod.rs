//! Model packages: a folder with `model.toml` (the manifest) and weights in safetensors.
//!
//! A package is checked before it is used: sizes before anything is allocated, the weights'
//! SHA-256, every tensor's name and shape against the description. The shipped packages are part
//! of the program itself; others are found in folders ([`search_folders`]). A package made of a
//! training folder of nnU-Net carries its plans and runs as nnU-Net would ([`super::nnunet`]); such a
//! folder can also be used as it is.

mod calibration;
mod error;
mod folds;
mod manifest;
mod tensors;
mod unusable;

pub use self::error::PackageError;
pub(in crate::ai) use self::manifest::check_anatomy;
pub use self::manifest::{Inference, Input, Label, Normalization, Provenance, Side};
pub use self::tensors::read_safetensors;
pub use self::unusable::{Unusable, remove_unusable};

use self::manifest::{Manifest, WeightsTable};
use super::catalogue;
use super::kept::{Made, Origin};
use super::network::{Architecture, Network, NetworkError, Parameter};
use super::nnunet;
use crate::data_folder::data_folder;
use crate::patient::{AnatomicCode, Approval, Confidence, GenerationAlgorithm, Roi, RoiId, RoiPlane};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What every card begins with (Markdown).
pub(super) const NOT_CLEARED: &str = "**Not a cleared medical device.** Contours are proposals: a person who \
    is trained for it must review and correct each one before any use.";

/// The greatest weights file that is read, bytes.
const WEIGHTS_LIMIT: u64 = 4 << 30;
/// The greatest manifest and the greatest card that is read, bytes.
const MANIFEST_LIMIT: u64 = 1 << 20;

/// A package that is part of the program.
struct Shipped {
    id: &'static str,
    manifest: &'static str,
    weights: &'static [u8],
    card: &'static str,
}

/// The packages that are part of the program: those under `models/` when it was built (build.rs).
const SHIPPED: &[Shipped] = include!(concat!(env!("OUT_DIR"), "/shipped_models.rs"));

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
    /// The folder it lies in; `None` when it is part of the program.
    pub folder: Option<PathBuf>,
    /// Plans, labels and folds of a model of nnU-Net: it runs by these, and [`Self::input`],
    /// [`Self::normalization`] and [`Self::inference`] only tell of it.
    pub nnunet: Option<nnunet::Model>,
    /// How it runs beyond nnU-Net's own way: several models that make one, a crop, a resampling before.
    /// [`Self::nnunet`] is the first of its models.
    pub composition: Option<nnunet::Composition>,
    weights: Weights,
}

#[derive(Debug, Clone, PartialEq)]
enum Weights {
    File {
        path: PathBuf,
        sha256: String,
    },
    Shipped {
        id: &'static str,
        sha256: String,
    },
    /// In the folds of [`ModelPackage::nnunet`].
    Folds,
}

impl ModelPackage {
    /// Reads the package in a folder, or a training folder of nnU-Net as it is.
    ///
    /// # Errors
    /// [`PackageError`] when there is none or its manifest is not usable.
    pub fn load(folder: &Path) -> Result<Self, PackageError> {
        let path = folder.join("model.toml");
        if !path.is_file() {
            return nnunet::training::package(folder);
        }
        let bytes = read_limited(&path, MANIFEST_LIMIT)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| PackageError::Manifest { reason: "it is not text".into(), path: path.clone() })?;
        if let Some(package) = nnunet::package::from_manifest(&text, &path, folder) {
            return package;
        }
        let mut package = Self::from_manifest(&text, &path, |table| {
            // Only a plain name: a package reads nothing outside its own folder.
            if Path::new(&table.file).file_name() != Some(table.file.as_ref()) {
                return Err("weights.file is not a plain file name".to_owned());
            }
            Ok((
                Source::Imported,
                Weights::File { path: folder.join(&table.file), sha256: table.sha256.clone() },
            ))
        })?;
        package.folder = Some(folder.to_owned());
        Ok(package)
    }

    /// The package of a model of nnU-Net.
    pub(super) fn of_nnunet(model: nnunet::Model, about: nnunet::package::About, folder: &Path) -> Self {
        let plan = &model.plan;
        // A 2D network has the image's own spacing along the first axis; told as 1.
        let mut spacing_mm = [1.0; 3];
        for (own, mm) in spacing_mm.iter_mut().rev().zip(plan.preprocessing.spacing_mm.iter().rev()) {
            *own = *mm;
        }
        Self {
            id: about.id,
            title: about.title,
            version: about.version,
            modality: about.modality,
            license: about.license,
            provenance: about.provenance,
            input: Input { spacing_mm, orientation: "LPS".to_owned(), outside_body_hu: None },
            normalization: Normalization {
                kind: "nnunet".to_owned(),
                clip_low: f32::MIN,
                clip_high: f32::MAX,
                mean: 0.0,
                std: 1.0,
            },
            architecture: plan.architecture.clone(),
            patch: plan.patch,
            inference: Inference {
                step: 0.5,
                gaussian_sigma: 0.125,
                mirror_axes: model.mirror_axes.clone(),
                mirror_swaps: Vec::new(),
            },
            labels: about.labels,
            source: Source::Imported,
            folder: Some(folder.to_owned()),
            nnunet: Some(model),
            composition: None,
            weights: Weights::Folds,
        }
    }

    /// Makes the package run several models, or in another way than nnU-Net's own.
    pub(super) fn compose(&mut self, composition: nnunet::Composition) {
        let run = &composition.run;
        if let Some(spacing_mm) = run.spacing_mm {
            self.input.spacing_mm = spacing_mm;
        }
        self.inference.step = run.step.unwrap_or(self.inference.step);
        self.composition = Some(composition);
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
        if let Some(package) = packages.into_iter().find(|package| package.id == id_or_folder) {
            return Ok(package);
        }
        if catalogue::entry(id_or_folder).is_some() {
            return Err(PackageError::NotFetched { id: id_or_folder.to_owned() });
        }
        Err(PackageError::Unknown {
            wanted: id_or_folder.to_owned(),
            available: if available.is_empty() { "none".to_owned() } else { available.join(", ") },
        })
    }

    /// All packages, shipped ones first, and why others that were found cannot be used. Of several
    /// with one id the first found counts: `DELINEO_MODELS`, the shipped ones, then those a person
    /// has imported and those beside the program.
    #[must_use]
    pub fn list() -> (Vec<Self>, Vec<PackageError>) {
        let (packages, unusable) = Self::look();
        (packages, unusable.into_iter().map(|one| one.error).collect())
    }

    /// All packages as [`Self::list`] gives them, and those that cannot be used, with where they lie.
    #[must_use]
    pub fn look() -> (Vec<Self>, Vec<Unusable>) {
        Self::look_in(search_folders())
    }

    /// The same, and what is in `folder`, where imports are put, after all others.
    #[must_use]
    pub fn look_with(folder: &Path) -> (Vec<Self>, Vec<Unusable>) {
        let (chosen, mut beside) = search_folders();
        if !chosen.iter().chain(&beside).any(|own| own == folder) {
            beside.push(folder.to_owned());
        }
        Self::look_in((chosen, beside))
    }

    fn look_in((chosen, beside): (Vec<PathBuf>, Vec<PathBuf>)) -> (Vec<Self>, Vec<Unusable>) {
        let mut unusable = Vec::new();
        let mut found: BTreeMap<String, Self> = BTreeMap::new();
        let mut add = |(folder, result): (Option<PathBuf>, Result<Self, PackageError>)| match result {
            Ok(package) => drop(found.entry(package.id.clone()).or_insert(package)),
            Err(error) => unusable.push(Unusable { folder, error }),
        };
        in_folders(&chosen).for_each(&mut add);
        SHIPPED.iter().map(|shipped| (None, Self::shipped(shipped))).for_each(&mut add);
        in_folders(&beside).for_each(&mut add);
        let mut packages: Vec<Self> = found.into_values().collect();
        packages.sort_by_key(|package| (package.source == Source::Imported, package.id.clone()));
        (packages, unusable)
    }

    /// The id of the model that finds the region this one looks at; `None` where it looks everywhere.
    #[must_use]
    pub fn crops_on(&self) -> Option<&str> {
        self.composition.as_ref()?.run.crop.as_ref().map(|crop| crop.model.as_str())
    }

    /// The package of this id in the folder that holds this one, else wherever it is.
    ///
    /// # Errors
    /// [`PackageError`] when there is none, or it is not usable.
    pub fn beside(&self, id: &str) -> Result<Self, PackageError> {
        let folder = self.folder.as_deref().and_then(Path::parent).map(|folder| folder.join(id));
        match folder.filter(|folder| folder.join("model.toml").is_file()) {
            Some(folder) => Self::load(&folder),
            None => Self::find(id),
        }
    }

    /// The DICOM codes of the images that its channels take, each once, the first channel's first; an
    /// empty one where a channel's name does not tell, which may be any.
    #[must_use]
    pub fn modalities(&self) -> Vec<String> {
        let mut all = vec![self.modality.clone()];
        let channels = self.nnunet.as_ref().map_or(&[][..], |model| &model.dataset.channels);
        for name in channels.iter().skip(1) {
            let code = nnunet::package::channel_modality(name).to_owned();
            if !all.contains(&code) {
                all.push(code);
            }
        }
        all
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
        manifest::check(&manifest).map_err(unusable)?;
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
            folder: None,
            nnunet: None,
            composition: None,
            weights,
        })
    }

    /// Reads and checks the weights; of several folds, the first one's.
    ///
    /// # Errors
    /// [`PackageError`] when the file is missing, damaged, or not of this network.
    pub fn network(&self) -> Result<Network, PackageError> {
        if self.weights == Weights::Folds {
            let model = self.nnunet.as_ref().filter(|model| model.folds() > 0);
            let model = model.ok_or_else(|| PackageError::Training {
                reason: "it has no fold".to_owned(),
                path: self.folder.clone().unwrap_or_default(),
            })?;
            return model.network(0);
        }
        let (parameters, path) = self.parameters()?;
        Network::new(self.architecture.clone(), &parameters)
            .map_err(|error: NetworkError| PackageError::Weights { reason: error.to_string(), path })
    }

    /// What its network is made of; `None` where a file does not tell its state, and for a model of
    /// nnU-Net, which tells for itself.
    pub(super) fn made(&self) -> Option<Made> {
        let origin = match &self.weights {
            Weights::File { path, sha256 } => Origin::file(path, sha256)?,
            Weights::Shipped { sha256, .. } => Origin::Shipped { sha256: sha256.clone() },
            Weights::Folds => return None,
        };
        Some(Made { architecture: self.architecture.clone(), folds: vec![origin] })
    }

    /// The named parameters and where they are from; of a model of nnU-Net none.
    pub(super) fn parameters(&self) -> Result<(BTreeMap<String, Parameter>, PathBuf), PackageError> {
        match &self.weights {
            Weights::File { path, sha256 } => Ok((read_weights(path, sha256)?, path.clone())),
            Weights::Shipped { id, sha256 } => {
                let bytes = SHIPPED.iter().find(|shipped| shipped.id == *id).map_or(&[][..], |s| s.weights);
                Ok((checked(bytes, sha256, Path::new(id))?, PathBuf::from(id)))
            }
            Weights::Folds => Ok((BTreeMap::new(), self.folder.clone().unwrap_or_default())),
        }
    }

    /// The model card, Markdown: the one shipped with it, or `card.md` in its folder; `None` where
    /// there is none.
    #[must_use]
    pub fn card(&self) -> Option<String> {
        let text = match (&self.folder, &self.weights) {
            (Some(folder), _) => {
                String::from_utf8(read_limited(&folder.join("card.md"), MANIFEST_LIMIT).ok()?).ok()?
            }
            (None, Weights::Shipped { id, .. }) => SHIPPED.iter().find(|own| own.id == *id)?.card.to_owned(),
            (None, _) => return None,
        };
        Some(text).filter(|text| !text.trim().is_empty())
    }

    /// The label of this value.
    #[must_use]
    pub fn label(&self, value: u16) -> Option<&Label> {
        self.labels.iter().find(|label| label.value == value)
    }

    /// The proposal of these contours as a label of this package; identity and number are the
    /// label's value. `score` and those of the planes are raw and come out calibrated, where the
    /// label has a table.
    pub(super) fn proposal(&self, label: &Label, planes: Vec<Arc<RoiPlane>>, score: Option<f32>) -> Roi {
        let id = RoiId(u64::from(label.value));
        let mut roi = Roi::new(id, i32::from(label.value), label.name.clone(), label.color);
        roi.roi_type = label.roi_type();
        roi.code = label.code.clone().or_else(|| AnatomicCode::of_name(&label.name));
        roi.generation = GenerationAlgorithm::Automatic;
        roi.approval = Approval::Proposal;
        roi.description = format!("{} {}", self.id, self.version);
        roi.planes = planes;
        for plane in &mut roi.planes {
            if let Some(raw) = plane.confidence {
                let expected = calibration::expected(&label.slice_confidence, raw).clamp(0.0, 1.0);
                Arc::make_mut(plane).confidence = Some(expected);
            }
        }
        let calibrated = !label.confidence.is_empty();
        roi.confidence =
            score.map(|raw| Confidence::new(calibration::expected(&label.confidence, raw), calibrated));
        roi
    }
}

/// Whether an id is that of a model that is found first, or fetched, under it: those of the program, of
/// the catalogue, and the body's outline. Folders' names may not tell case apart.
pub(super) fn is_reserved(id: &str) -> bool {
    let shipped = SHIPPED.iter().map(|shipped| shipped.id);
    let fetched = catalogue::entries().iter().map(|entry| entry.id.as_str());
    shipped.chain(fetched).chain(["body"]).any(|own| own.eq_ignore_ascii_case(id))
}

/// The SHA-256 of some bytes, in hexadecimal.
pub(super) fn sha256_text(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The tensors of a weights file whose SHA-256 is known.
pub(super) fn read_weights(path: &Path, sha256: &str) -> Result<BTreeMap<String, Parameter>, PackageError> {
    checked(&read_limited(path, WEIGHTS_LIMIT)?, sha256, path)
}

fn checked(bytes: &[u8], expected: &str, path: &Path) -> Result<BTreeMap<String, Parameter>, PackageError> {
    let found = sha256_text(bytes);
    if !found.eq_ignore_ascii_case(expected) {
        return Err(PackageError::Checksum { found, expected: expected.to_owned(), path: path.to_owned() });
    }
    read_safetensors(bytes).map_err(|reason| PackageError::Weights { reason, path: path.to_owned() })
}

/// Reads a file of at most `limit` bytes.
pub(super) fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, PackageError> {
    let unreadable = |reason: String| PackageError::Unreadable { reason, path: path.to_owned() };
    let size = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
    if size > limit {
        return Err(unreadable(format!("it has {size} bytes, more than {limit}")));
    }
    std::fs::read(path).map_err(|error| unreadable(error.to_string()))
}

/// The folders that hold packages: those of `DELINEO_MODELS`; and those a person has imported, and
/// `models` beside the program.
#[must_use]
pub fn search_folders() -> (Vec<PathBuf>, Vec<PathBuf>) {
    let chosen = std::env::var_os("DELINEO_MODELS")
        .map(|paths| std::env::split_paths(&paths).collect())
        .unwrap_or_default();
    let mut others = vec![data_folder().join("models")];
    if let Some(folder) = std::env::current_exe().ok().as_deref().and_then(Path::parent) {
        others.push(folder.join("models"));
    }
    (chosen, others)
}

/// Where imported packages are put: the first folder of `DELINEO_MODELS`, else `models` in the
/// person's own folder of the program.
#[must_use]
pub fn import_folder() -> PathBuf {
    let (chosen, _) = search_folders();
    chosen
        .into_iter()
        .find(|folder| !folder.as_os_str().is_empty())
        .unwrap_or_else(|| data_folder().join("models"))
}

/// The packages in these folders, in order of their names, with where they lie.
fn in_folders(
    folders: &[PathBuf],
) -> impl Iterator<Item = (Option<PathBuf>, Result<ModelPackage, PackageError>)> {
    folders.iter().flat_map(|folder| {
        let mut inside: Vec<PathBuf> = std::fs::read_dir(folder)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        // What is in the making has a name of its own, or none yet.
        let is_hidden =
            |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        inside.retain(|path| !is_hidden(path) && path.join("model.toml").is_file());
        inside.sort();
        inside.into_iter().map(|path| {
            let loaded = ModelPackage::load(&path);
            (Some(path), loaded)
        })
    })
}
