//! A run's state on disk: weights, averaged weights, moments, and what they belong to.
//!
//! One safetensors file, written whole beside the old one and renamed: a kill at any moment leaves
//! the last checkpoint.

use super::TrainError;
use super::graph::Parameters;
use super::optimiser::Optimiser;
use crate::ai::package::{read_safetensors, sha256_text};
use crate::ai::train::recipe::Recipe;
use crate::new_file::NewFile;
use burn::tensor::{Device, Tensor};
use safetensors::tensor::{Dtype, View};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// The checkpoint's name in the run's folder.
pub const CHECKPOINT: &str = "checkpoint.safetensors";
/// The longest header that is read for its text alone, bytes: more is no file of this program.
const HEADER: u64 = 16 << 20;

/// What the weights belong to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    /// Steps done.
    pub step: u64,
    /// Updates of the optimiser.
    pub updates: u64,
    /// The run's seed.
    pub seed: u64,
    /// [`Recipe::fingerprint`].
    pub recipe: String,
    /// The patients, as a SHA-256 of their names.
    pub patients: String,
    /// Seconds trained so far.
    pub seconds: f64,
    /// The package that the run began with.
    pub init: Option<String>,
    /// How many of the patients could be used, as of the last time they were read.
    #[serde(default)]
    pub used: Option<usize>,
}

impl State {
    pub(super) fn new(recipe: &Recipe, train: &[String], init: Option<String>) -> Self {
        Self {
            step: 0,
            updates: 0,
            seed: recipe.training.seed,
            recipe: recipe.fingerprint(),
            patients: sha256_text(train.join("\n").as_bytes()),
            seconds: 0.0,
            init,
            used: None,
        }
    }
}

/// A tensor's numbers as the file holds them.
pub(super) struct Stored {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

impl View for Stored {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// The four sets of numbers, by their prefixes in the file.
const SETS: [&str; 4] = ["weights", "average", "first", "second"];

/// The values of tensors.
pub(super) fn download(tensors: &[Tensor<1>]) -> Result<Vec<Vec<f32>>, String> {
    tensors
        .iter()
        .map(|tensor| {
            let data = tensor.clone().try_into_data().map_err(|error| format!("{error:?}"))?;
            data.try_into_vec::<f32>().map_err(|error| format!("{error:?}"))
        })
        .collect()
}

/// Writes the state of a run.
pub(super) fn save(
    folder: &Path,
    state: &State,
    parameters: &Parameters,
    optimiser: &Optimiser,
    device: &str,
) -> Result<(), TrainError> {
    let path = folder.join(CHECKPOINT);
    let mut tensors: Vec<(String, Stored)> = Vec::new();
    let sets = [&optimiser.weights, &optimiser.average, &optimiser.first, &optimiser.second];
    for (prefix, set) in SETS.iter().zip(sets) {
        let values =
            download(set).map_err(|reason| TrainError::Device { device: device.to_owned(), reason })?;
        for ((name, shape), values) in parameters.names.iter().zip(&parameters.shapes).zip(values) {
            let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            tensors.push((
                format!("{prefix}/{name}"),
                Stored { dtype: Dtype::F32, shape: shape.clone(), bytes },
            ));
        }
    }
    for (name, kept) in &parameters.kept {
        let bytes = kept.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        tensors
            .push((format!("kept/{name}"), Stored { dtype: Dtype::F32, shape: kept.shape.clone(), bytes }));
    }
    let text = serde_json::to_string(state).unwrap_or_default();
    let about = HashMap::from([("state".to_owned(), text)]);
    let wrong = |reason: String| TrainError::Checkpoint { reason, path: path.clone() };
    let bytes = safetensors::serialize(tensors, Some(about)).map_err(|error| wrong(error.to_string()))?;
    let mut file = NewFile::create(&path, true)?;
    file.put(&bytes)?;
    Ok(file.commit()?)
}

/// The steps that the checkpoint in a run's folder has behind it, of its header alone; `None` where there is
/// no checkpoint or it cannot be read, which a run that goes on tells of.
#[must_use]
pub fn saved_step(folder: &Path) -> Option<u64> {
    let mut file = File::open(folder.join(CHECKPOINT)).ok()?;
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let length = u64::from_le_bytes(length);
    let mut header = Vec::new();
    file.take(length.min(HEADER)).read_to_end(&mut header).ok()?;
    let header: serde_json::Value = serde_json::from_slice(&header).ok()?;
    let state: State = serde_json::from_str(header.get("__metadata__")?.get("state")?.as_str()?).ok()?;
    Some(state.step)
}

/// Takes a run up again: `None` when there is no checkpoint. The run must be the same: recipe (but for
/// the number of steps), seed, and patients.
pub(super) fn load(
    folder: &Path,
    expected: &State,
    parameters: &mut Parameters,
    device: &Device,
) -> Result<Option<(State, Optimiser)>, TrainError> {
    let path = folder.join(CHECKPOINT);
    if !path.is_file() {
        return Ok(None);
    }
    let wrong = |reason: &str| TrainError::Checkpoint { reason: reason.to_owned(), path: path.clone() };
    let bytes = std::fs::read(&path).map_err(|error| wrong(&error.to_string()))?;
    let (_, about) =
        safetensors::SafeTensors::read_metadata(&bytes).map_err(|error| wrong(&error.to_string()))?;
    let text = about.metadata().as_ref().and_then(|about| about.get("state"));
    let state: State = text
        .and_then(|text| serde_json::from_str(text).ok())
        .ok_or_else(|| wrong("it is no checkpoint of this program's training"))?;
    if state.recipe != expected.recipe || state.seed != expected.seed {
        return Err(wrong("it was begun with another recipe or seed"));
    }
    if state.patients != expected.patients {
        return Err(wrong("it was begun with other patients"));
    }
    let mut stored = read_safetensors(&bytes).map_err(|reason| wrong(&reason))?;
    let mut sets = Vec::new();
    for prefix in SETS {
        let mut values = Vec::new();
        for (name, shape) in parameters.names.iter().zip(&parameters.shapes) {
            let found = stored.remove(&format!("{prefix}/{name}")).filter(|found| found.shape == *shape);
            values.push(found.ok_or_else(|| wrong(&format!("it lacks {prefix} of {name}")))?.values);
        }
        sets.push(values);
    }
    for (name, kept) in &mut parameters.kept {
        if let Some(found) = stored.remove(&format!("kept/{name}")).filter(|found| found.shape == kept.shape)
        {
            *kept = found;
        }
    }
    let mut optimiser = Optimiser::new(Parameters::upload(&sets[0], device), device);
    optimiser.average = Parameters::upload(&sets[1], device);
    optimiser.first = Parameters::upload(&sets[2], device);
    optimiser.second = Parameters::upload(&sets[3], device);
    optimiser.updates = state.updates;
    Ok(Some((state, optimiser)))
}
