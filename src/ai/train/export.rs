//! A package from a run: manifest, averaged weights in half precision, and the draft of a card.

use super::TrainError;
use super::checkpoint::Stored;
use super::graph::Parameters;
use super::measure::{OrganDice, mean};
use super::patient::OUTSIDE_HU;
use super::recipe::Recipe;
use super::recipe_parts::{InferenceTable, NetworkTable, NormalizationTable};
use crate::ai::ModelPackage;
use crate::ai::package::{Label, NOT_CLEARED, sha256_text};
use crate::new_file::{WriteFileError, write_file};
use half::f16;
use safetensors::tensor::Dtype;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What the card and manifest tell of a run.
pub(super) struct About<'a> {
    pub recipe: &'a Recipe,
    pub step: u64,
    pub seconds: f64,
    pub device: &'a str,
    pub train: usize,
    pub valid: usize,
    /// The package that the run began with.
    pub init: Option<&'a str>,
    /// Agreement on the validation patients; empty where it was not measured.
    pub organs: &'a [OrganDice],
}

#[derive(Serialize)]
struct Manifest<'a> {
    id: &'a str,
    title: &'a str,
    version: &'a str,
    modality: &'a str,
    license: &'a str,
    provenance: Provenance<'a>,
    input: Input,
    normalization: &'a NormalizationTable,
    network: &'a NetworkTable,
    inference: &'a InferenceTable,
    weights: Weights,
    labels: &'a [Label],
}

#[derive(Serialize)]
struct Provenance<'a> {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    synthetic: bool,
    data: String,
    trained_with: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    begun_with: Option<&'a str>,
    seed: u64,
    steps: u64,
    batch: usize,
    training_hours: f64,
}

#[derive(Serialize)]
struct Input {
    spacing_mm: [f64; 3],
    orientation: &'static str,
    outside_body_hu: f32,
}

#[derive(Serialize)]
struct Weights {
    file: &'static str,
    sha256: String,
    dtype: &'static str,
}

/// Writes the package in `folder` in place of the one there, and reads it again.
pub(super) fn write_package(
    folder: &Path,
    parameters: &Parameters,
    average: &[Vec<f32>],
    about: &About<'_>,
) -> Result<ModelPackage, TrainError> {
    let recipe = about.recipe;
    let part = folder.with_extension("part");
    let refused =
        |error: &std::io::Error, path: &Path| TrainError::from(WriteFileError::from_io(error, path));
    if part.exists() {
        std::fs::remove_dir_all(&part).map_err(|error| refused(&error, &part))?;
    }
    std::fs::create_dir_all(&part).map_err(|error| refused(&error, &part))?;

    let weights = half_weights(recipe, parameters, average).map_err(|name| TrainError::Device {
        device: about.device.to_owned(),
        reason: format!("the weights {name} do not fit half precision: training went astray"),
    })?;
    let sha256 = sha256_text(&weights);
    write_file(&part.join("weights.safetensors"), true, &weights)?;
    let manifest = Manifest {
        id: &recipe.id,
        title: &recipe.title,
        version: &recipe.version,
        modality: "CT",
        license: &recipe.license,
        provenance: Provenance {
            synthetic: recipe.data.synthetic,
            data: data_words(about),
            trained_with: format!("Delineo {} (burn), {}", env!("CARGO_PKG_VERSION"), about.device),
            begun_with: about.init,
            seed: recipe.training.seed,
            steps: about.step,
            batch: recipe.training.batch,
            training_hours: (about.seconds / 36.0).round() / 100.0,
        },
        input: Input { spacing_mm: recipe.input.spacing_mm, orientation: "LPS", outside_body_hu: OUTSIDE_HU },
        normalization: &recipe.normalization,
        network: &recipe.network,
        inference: &recipe.inference,
        weights: Weights { file: "weights.safetensors", sha256, dtype: "f16" },
        labels: &recipe.labels,
    };
    let wrong = |reason: String| TrainError::Recipe { reason, path: PathBuf::from(&recipe.id) };
    let text = toml::to_string(&manifest).map_err(|error| wrong(error.to_string()))?;
    write_file(&part.join("model.toml"), true, text.as_bytes())?;
    write_file(&part.join("card.md"), true, card(about).as_bytes())?;

    let old = folder.with_extension("old");
    if old.exists() {
        std::fs::remove_dir_all(&old).map_err(|error| refused(&error, &old))?;
    }
    if folder.exists() {
        std::fs::rename(folder, &old).map_err(|error| refused(&error, folder))?;
    }
    std::fs::rename(&part, folder).map_err(|error| refused(&error, folder))?;
    // What is left of the old package hurts nobody.
    let _ = std::fs::remove_dir_all(&old);
    Ok(ModelPackage::load(folder)?)
}

/// The averaged weights in half precision, without the heads of lower resolutions; the name of the
/// tensor that does not fit.
fn half_weights(recipe: &Recipe, parameters: &Parameters, average: &[Vec<f32>]) -> Result<Vec<u8>, String> {
    let last = format!("decoder.seg_layers.{}.", recipe.network.features.len() - 2);
    let mut tensors = Vec::new();
    for (name, parameter) in parameters.named(average) {
        if name.starts_with("decoder.seg_layers.") && !name.starts_with(&last) {
            continue;
        }
        let halves: Vec<f16> = parameter.values.iter().map(|value| f16::from_f32(*value)).collect();
        if halves.iter().any(|value| !value.is_finite()) {
            return Err(name);
        }
        let bytes = halves.iter().flat_map(|value| value.to_le_bytes()).collect();
        tensors.push((name, Stored { dtype: Dtype::F16, shape: parameter.shape, bytes }));
    }
    safetensors::serialize(tensors, None).map_err(|error| error.to_string())
}

fn data_words(about: &About<'_>) -> String {
    let said = about.recipe.data.description.trim();
    if said.is_empty() { format!("{} patients of one's own", about.train) } else { said.to_owned() }
}

/// The draft of a card: what is known is filled in, what only people know is asked for.
fn card(about: &About<'_>) -> String {
    let recipe = about.recipe;
    let t = &recipe.training;
    let organs: Vec<&str> = recipe.labels.iter().map(|label| label.name.as_str()).collect();
    let mut text = format!(
        "# {} (`{}` {})\n\n{NOT_CLEARED}\n\n*A draft, written by the training. \
         Complete what stands in brackets.*\n\n",
        recipe.title, recipe.id, recipe.version
    );
    let _ = write!(
        text,
        "## Intended use\nFirst proposals of {} organs on CT: {}. [Body region, position, which patients; \
         what it is not for.]\n\n",
        organs.len(),
        organs.join(", ")
    );
    let _ = write!(
        text,
        "## Data and licence\n{}. {} patients for training, {} others for validation. An organ that was not \
         outlined in a patient counts as unknown, not as absent. [Whose contours, by which guideline, \
         approved by whom.] Licence: {}.\n\n",
        data_words(about).trim_end_matches('.'),
        about.train,
        about.valid,
        recipe.license
    );
    let begun = about.init.map(|init| format!("Begun with the weights of {init}. ")).unwrap_or_default();
    let [z, y, x] = recipe.input.spacing_mm;
    let [pz, py, px] = recipe.network.patch;
    let _ = write!(
        text,
        "## Recipe\n{begun}PlainConvUNet, {} stages of {} to {} features; patches of {pz} x {py} x {px} voxels \
         of {z} x {y} x {x} mm (z, y, x), HU clipped to {} to {}, everything outside the body air. \
         Cross-entropy plus soft Dice, AdamW, batch {}, seed {}, {} of {} steps, averaged weights; {:.2} \
         hours on {}. The whole recipe lies beside the checkpoint (`recipe.toml`).\n\n## Results\n",
        recipe.network.features.len(),
        recipe.network.features.first().copied().unwrap_or_default(),
        recipe.network.features.iter().max().copied().unwrap_or_default(),
        recipe.normalization.clip_low,
        recipe.normalization.clip_high,
        t.batch,
        t.seed,
        about.step,
        t.steps,
        about.seconds / 3600.0,
        about.device
    );
    if about.organs.is_empty() {
        text.push_str("Not measured: there were no validation patients, or it was stopped before.\n\n");
    } else {
        text.push_str(
            "Dice on validation patients that were not trained on, on the scans' own grid, organs that were \
             outlined and lie wholly inside the scan; the half-precision weights as they are here.\n\n\
             | organ | patients | mean Dice | least |\n|---|---|---|---|\n",
        );
        for organ in about.organs {
            let _ = writeln!(
                text,
                "| {} | {} | {:.3} | {:.3} |",
                organ.name, organ.patients, organ.mean, organ.least
            );
        }
        let _ = writeln!(
            text,
            "| **mean of the organs' means** | | **{:.3}** | |\n",
            mean(about.organs).unwrap_or_default()
        );
    }
    text.push_str(
        "## Limits\n- The validation patients come from the same collection as the training patients; other \
         scanners and contouring habits may do worse.\n- [Where it fails: contrast, implants, tumours, \
         anatomy after surgery.]\n\n## How to verify locally\nContour at least 20 patients of one's own that \
         were not trained on (`delineo contour PATH --model DIR --out ai.dcm`), compare with approved \
         contours (`delineo compare approved.dcm ai.dcm --image PATH`), and look at every organ whose Dice \
         is below 0.7 or whose HD95 is above 10 mm.\n",
    );
    text
}
