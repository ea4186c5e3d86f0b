//! Packages made of training folders: the `nnunet` table of a manifest, or its `parts` where several
//! models make one ([`super::composition`]), and what is shown of a model.
//!
//! A package holds the training folder's own `plans.json` and `dataset.json` beside the folds'
//! weights, so it is read by the same code and runs the same way. Names, colours and types of the
//! labels stand in the manifest, for a person to change.

use super::composition::{Composition, Part, Run};
use super::dataset::Dataset;
use super::model::{Fold, Model};
use super::naming;
use super::orientation::Orientation;
use super::trainers::adapt;
use super::training;
use crate::ai::package::{Label, ModelPackage, PackageError, Provenance, check_anatomy};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What is shown of a model.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::ai) struct About {
    pub id: String,
    pub title: String,
    pub version: String,
    pub modality: String,
    pub license: String,
    pub provenance: Provenance,
    pub labels: Vec<Label>,
}

impl About {
    /// What a training folder tells of itself.
    pub(super) fn of(model: &Model) -> Self {
        let (plan, set) = (&model.plan, set_of(model));
        let license = Some(model.dataset.license.clone()).filter(|text| !text.is_empty());
        let folds = if model.folds() == 1 { "1 fold".to_owned() } else { format!("{} folds", model.folds()) };
        Self {
            id: plain_name(&id(set, model)),
            title: format!("{set} {} ({}, {folds})", plan.configuration, model.trainer),
            version: model.state(),
            modality: modality(&model.dataset).to_owned(),
            license: license.unwrap_or_else(|| "not stated".to_owned()),
            provenance: Provenance { data: format!("{set}, as nnU-Net names it"), synthetic: false },
            labels: naming::labels(&model.dataset.structures),
        }
    }
}

/// The data set that a model was trained on.
fn set_of(model: &Model) -> &str {
    let plan = &model.plan;
    let set = if plan.dataset.is_empty() { &model.dataset.name } else { &plan.dataset };
    if set.is_empty() { "nnunet" } else { set }
}

/// A model in words, for a person who watches: its data set and how fine it looks.
pub(super) fn named(model: &Model) -> String {
    let finely = match model.plan.configuration.as_str() {
        "3d_fullres" => "full resolution",
        "3d_lowres" => "low resolution",
        "3d_cascade_fullres" => "low, then full resolution",
        "2d" => "slice by slice",
        other => other,
    };
    format!("{}, {finely}", set_of(model))
}

/// The data set and configuration, and the plans and trainer where they are not nnU-Net's default: a
/// data set often has models of several.
fn id(set: &str, model: &Model) -> String {
    let mut id = format!("{set}-{}", model.plan.configuration);
    for (own, default) in [(&model.plan.plans_name, "nnUNetPlans"), (&model.trainer, "nnUNetTrainer")] {
        if !own.is_empty() && own != default {
            id = format!("{id}-{own}");
        }
    }
    id
}

/// Letters, digits, dots, hyphens and underscores of a name.
pub(super) fn plain_name(name: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name: String = name.chars().map(keep).take(100).collect();
    let name = name.trim_start_matches('.');
    if name.is_empty() { "nnunet".to_owned() } else { name.to_owned() }
}

/// The DICOM code of the first channel's images; empty where its name does not tell.
fn modality(dataset: &Dataset) -> &'static str {
    dataset.channels.first().map_or("", |name| channel_modality(name))
}

/// The DICOM code of the images that a channel of this name takes; empty where it does not tell.
#[must_use]
pub fn channel_modality(name: &str) -> &'static str {
    let name = name.to_ascii_uppercase();
    let words: Vec<&str> = name.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let has = |known: &[&str]| words.iter().any(|word| known.contains(word));
    let is_mr = |word: &&str| {
        ["MR", "MRI", "PD", "PDW", "FLAIR", "STIR", "ADC", "DWI", "SWI"].contains(word)
            || ["T1", "T2"].iter().any(|weight| {
                // "T1GD" of a data set is MR, "T1000" of a device is not.
                word.strip_prefix(weight).is_some_and(|rest| rest.chars().all(|c| c.is_ascii_alphabetic()))
            })
    };
    if has(&["CT", "CBCT"]) {
        "CT"
    } else if words.iter().any(is_mr) {
        "MR"
    } else if has(&["PET", "PT", "SUV", "FDG"]) {
        "PT"
    } else {
        ""
    }
}

/// A whole manifest with an `nnunet` table.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub(super) struct Manifest {
    pub id: String,
    pub title: String,
    pub version: String,
    pub modality: String,
    pub license: String,
    #[serde(default)]
    pub provenance: Provenance,
    /// What came from where, where it was fetched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fetched: Vec<Origin>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nnunet: Option<Table>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartTable>,
    pub labels: Vec<Label>,
}

/// A file that a package was made of.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub(in crate::ai) struct Origin {
    /// Its name.
    pub file: String,
    /// Where it came from.
    pub source: String,
    /// Its SHA-256.
    pub sha256: String,
    /// Whether its publisher tells the same.
    pub verified: bool,
}

/// One model of several.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub(super) struct PartTable {
    /// The values of its labels in the common result, background's 0 first.
    pub values: Vec<u16>,
    pub nnunet: Table,
}

/// One model: of its files only plain names, in the package's own folder.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub(super) struct Table {
    pub configuration: String,
    pub trainer: String,
    pub plans: String,
    pub dataset: String,
    /// Axes of the network's three that are mirrored and averaged.
    pub mirror_axes: Vec<usize>,
    /// How the image is handed over, in place of what the plans say: `stored`, or the sides that its
    /// axes run to ([`super::orientation::AxisCode`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orientation: Option<String>,
    pub folds: Vec<FoldTable>,
    /// In a cascade: the first stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Box<Table>>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub(super) struct FoldTable {
    pub file: String,
    pub sha256: String,
}

/// The package of a manifest with an `nnunet` table; `None` where it has none.
pub(in crate::ai) fn from_manifest(
    text: &str,
    path: &Path,
    folder: &Path,
) -> Option<Result<ModelPackage, PackageError>> {
    let table: toml::Table = text.parse().ok()?;
    (table.contains_key("nnunet") || table.contains_key("parts")).then(|| read(text, path, folder))
}

fn read(text: &str, path: &Path, folder: &Path) -> Result<ModelPackage, PackageError> {
    let unusable = |reason: String| PackageError::Manifest { reason, path: path.to_owned() };
    let manifest: Manifest = toml::from_str(text).map_err(|error| unusable(error.message().to_owned()))?;
    if manifest.id != plain_name(&manifest.id) {
        return Err(unusable(format!("its id {} is not a plain name", manifest.id)));
    }
    let read = |table: &Table| {
        model(table, folder, true).map_err(|error| match error {
            TableError::Text(reason) => unusable(reason),
            TableError::Package(error) => *error,
        })
    };
    let parts = match (&manifest.nnunet, manifest.parts.as_slice()) {
        (Some(table), []) => {
            let model = read(table)?;
            let foreground = model.dataset.structures.iter().map(|structure| structure.value);
            vec![Part { values: std::iter::once(0).chain(foreground).collect(), model }]
        }
        (None, tables) if !tables.is_empty() => tables
            .iter()
            .map(|part| Ok(Part { model: read(&part.nnunet)?, values: part.values.clone() }))
            .collect::<Result<_, PackageError>>()?,
        _ => return Err(unusable("it needs one nnunet table, or parts".to_owned())),
    };
    let cleans_up = manifest.labels.iter().any(|label| label.keep_largest);
    let is_composed = manifest.nnunet.is_none() || manifest.run.is_some() || cleans_up;
    let composition = Composition { parts, run: manifest.run.unwrap_or_default() };
    // Names may be changed, values may not.
    let sorted = |mut values: Vec<u16>| {
        values.sort_unstable();
        values
    };
    let has_regions = composition.parts.iter().any(|part| part.model.dataset.regions);
    if let Some(label) = manifest.labels.iter().find(|label| label.keep_largest && has_regions) {
        return Err(unusable(format!(
            "its label {} has keep_largest, which a model of regions cannot have, as they overlap; take it out",
            label.name
        )));
    }
    if is_composed {
        composition.check().map_err(unusable)?;
    }
    let own = sorted(manifest.labels.iter().map(|label| label.value).collect());
    if own != sorted(composition.values().collect()) {
        return Err(unusable("its labels are not those of its dataset.json".to_owned()));
    }
    for (index, label) in manifest.labels.iter().enumerate() {
        if manifest.labels[..index].iter().any(|other| other.name == label.name) {
            return Err(unusable(format!("the label name {} is there twice", label.name)));
        }
    }
    let run = &composition.run;
    let is_label = |name: &&String| manifest.labels.iter().any(|label| label.name == **name);
    if let Some(name) = run.largest_piece.iter().chain(run.least_piece_cc.keys()).find(|name| !is_label(name))
    {
        return Err(unusable(format!("run.largest_piece or least_piece_cc has {name}, which is no label")));
    }
    check_anatomy(&manifest.labels).map_err(unusable)?;
    let about = About {
        id: manifest.id,
        title: manifest.title,
        version: manifest.version,
        modality: manifest.modality,
        license: manifest.license,
        provenance: manifest.provenance,
        labels: manifest.labels,
    };
    let Some(first) = composition.parts.first().map(|part| part.model.clone()) else {
        return Err(unusable("it has no parts".to_owned()));
    };
    let mut package = ModelPackage::of_nnunet(first, about, folder);
    if is_composed {
        package.compose(composition);
    }
    Ok(package)
}

impl Table {
    /// Tells how images are handed over, to each stage of a cascade.
    pub(super) fn hand_over(&mut self, orientation: Orientation) {
        self.orientation = Some(orientation.to_string());
        if let Some(previous) = &mut self.previous {
            previous.hand_over(orientation);
        }
    }
}

/// A model as its package holds it: with these weights.
pub(super) fn as_stored(model: &Model, table: &Table, folder: &Path) -> Model {
    let fold =
        |fold: &FoldTable| Fold::Tensors { path: folder.join(&fold.file), sha256: fold.sha256.clone() };
    let previous = model.previous.as_ref().zip(table.previous.as_ref());
    Model {
        folds: table.folds.iter().map(fold).collect(),
        previous: previous.map(|(model, table)| Box::new(as_stored(model, table, folder))),
        ..model.clone()
    }
}

enum TableError {
    Text(String),
    Package(Box<PackageError>),
}

fn model(table: &Table, folder: &Path, may_have_previous: bool) -> Result<Model, TableError> {
    let inside = |file: &str| {
        if Path::new(file).file_name() == Some(file.as_ref()) {
            Ok(folder.join(file))
        } else {
            Err(TableError::Text(format!("{file} is not a plain file name")))
        }
    };
    let (plans_path, dataset_path) = (inside(&table.plans)?, inside(&table.dataset)?);
    let (mut plan, dataset) = training::read(&plans_path, &dataset_path, &table.configuration)
        .map_err(|error| TableError::Package(Box::new(error)))?;
    adapt(&mut plan, &table.trainer);
    if let Some(code) = &table.orientation {
        plan.orientation =
            code.parse().map_err(|reason| TableError::Text(format!("nnunet.orientation: {reason}")))?;
    }
    let first = 3 - plan.dimensions;
    if table.mirror_axes.iter().any(|axis| !(first..3).contains(axis)) {
        return Err(TableError::Text("nnunet.mirror_axes are not axes of the network".to_owned()));
    }
    if table.folds.is_empty() {
        return Err(TableError::Text("nnunet.folds is empty".to_owned()));
    }
    let fold = |fold: &FoldTable| -> Result<Fold, TableError> {
        Ok(Fold::Tensors { path: inside(&fold.file)?, sha256: fold.sha256.clone() })
    };
    let previous = match (&table.previous, &plan.previous_stage) {
        (None, None) => None,
        (Some(table), Some(_)) if may_have_previous => {
            let mut previous = model(table, folder, false)?;
            // One stage's labels are the other's input.
            if table.orientation.is_some() && previous.plan.orientation != plan.orientation {
                let text = "nnunet.previous.orientation is not that of nnunet";
                return Err(TableError::Text(text.to_owned()));
            }
            previous.plan.orientation = plan.orientation;
            Some(Box::new(previous))
        }
        _ => return Err(TableError::Text("nnunet.previous does not fit its plans".to_owned())),
    };
    Ok(Model {
        plan,
        dataset,
        trainer: table.trainer.clone(),
        mirror_axes: table.mirror_axes.clone(),
        previous,
        folds: table.folds.iter().map(fold).collect::<Result<_, _>>()?,
        plans_path,
        dataset_path,
    })
}
