//! A model that was trained further, as a package: its plans and labels as they were, one fold of new
//! weights.

use super::dataset::without_cases;
use super::model::Model;
use super::package::{FoldTable, Manifest, Table};
use super::splits::record::RECORD;
use crate::ai::network::Parameter;
use crate::ai::package::{Label, PackageError, Provenance, sha256_text};
use crate::new_file::{WriteFileError, write_file};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::collections::BTreeMap;
use std::path::Path;

/// The weights' numbers of one fold's file are float32, as import writes them.
const BYTES: usize = size_of::<f32>();

/// What is told of the package.
pub(in crate::ai) struct Tuning<'a> {
    pub id: &'a str,
    pub title: &'a str,
    pub version: &'a str,
    pub modality: &'a str,
    pub license: &'a str,
    pub provenance: Provenance,
    pub labels: &'a [Label],
    /// Markdown.
    pub card: &'a str,
}

/// Why it is not written.
#[derive(Debug)]
pub(in crate::ai) enum TrainedError {
    /// A file cannot be written.
    Write(WriteFileError),
    /// The model's plans or labels cannot be read any more.
    Read(PackageError),
    /// A tensor of this name holds a value that is no finite number.
    NotFinite(String),
    /// It cannot be said in the file's language.
    Text(String),
}

impl From<WriteFileError> for TrainedError {
    fn from(error: WriteFileError) -> Self {
        Self::Write(error)
    }
}

/// Writes the package of a model with one fold, whose weights are now `parameters`, into a folder.
pub(in crate::ai) fn write_trained(
    folder: &Path,
    model: &Model,
    parameters: &BTreeMap<String, Parameter>,
    about: &Tuning<'_>,
) -> Result<(), TrainedError> {
    let odd = |parameter: &Parameter| parameter.values.iter().any(|value| !value.is_finite());
    if let Some((name, _)) = parameters.iter().find(|(_, parameter)| odd(parameter)) {
        return Err(TrainedError::NotFinite(name.clone()));
    }
    let read = |path: &Path| {
        std::fs::read(path).map_err(|error| {
            TrainedError::Read(PackageError::Unreadable { reason: error.to_string(), path: path.to_owned() })
        })
    };
    write_file(&folder.join("plans.json"), true, &read(&model.plans_path)?)?;
    write_file(&folder.join("dataset.json"), true, &without_cases(read(&model.dataset_path)?))?;
    if let Some(record) = model.fold_record() {
        write_file(&folder.join(RECORD), true, record.text().as_bytes())?;
    }
    let weights = safetensors(parameters)?;
    let name = model.fold_names().into_iter().next().unwrap_or_else(|| "0".to_owned());
    let file = format!("fold_{name}.safetensors");
    write_file(&folder.join(&file), true, &weights)?;
    let manifest = Manifest {
        id: about.id.to_owned(),
        title: about.title.to_owned(),
        version: about.version.to_owned(),
        modality: about.modality.to_owned(),
        license: about.license.to_owned(),
        provenance: about.provenance.clone(),
        fetched: Vec::new(),
        run: None,
        nnunet: Some(Table {
            configuration: model.plan.configuration.clone(),
            trainer: model.trainer.clone(),
            plans: "plans.json".to_owned(),
            dataset: "dataset.json".to_owned(),
            mirror_axes: model.mirror_axes.clone(),
            orientation: Some(model.plan.orientation.to_string()),
            folds: vec![FoldTable { file, sha256: sha256_text(&weights) }],
            previous: None,
        }),
        parts: Vec::new(),
        labels: about.labels.to_vec(),
    };
    let text = toml::to_string(&manifest).map_err(|error| TrainedError::Text(error.to_string()))?;
    write_file(&folder.join("model.toml"), true, text.as_bytes())?;
    Ok(write_file(&folder.join("card.md"), true, about.card.as_bytes())?)
}

fn safetensors(parameters: &BTreeMap<String, Parameter>) -> Result<Vec<u8>, TrainedError> {
    let bytes: Vec<(&String, &Parameter, Vec<u8>)> = parameters
        .iter()
        .map(|(name, parameter)| {
            let mut bytes = Vec::with_capacity(parameter.values.len() * BYTES);
            parameter.values.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
            (name, parameter, bytes)
        })
        .collect();
    let views: Result<Vec<_>, _> = bytes
        .iter()
        .map(|(name, parameter, bytes)| {
            TensorView::new(Dtype::F32, parameter.shape.clone(), bytes).map(|view| (*name, view))
        })
        .collect();
    let text = |error: safetensors::SafeTensorError| TrainedError::Text(error.to_string());
    ::safetensors::serialize(views.map_err(text)?, None).map_err(text)
}
