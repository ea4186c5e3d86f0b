//! A package from a run: manifest, averaged weights in half precision, and the draft of a card.

use super::TrainError;
use super::checkpoint::Stored;
use super::graph::Parameters;
use super::measure::{OrganDice, mean};
use super::patient::OUTSIDE_HU;
use super::recipe::Own;
use super::recipe_parts::{InferenceTable, NetworkTable, NormalizationTable};
use super::task::{Task, Way};
use super::tuned::Tuned;
use crate::ai::ModelPackage;
use crate::ai::network::{EncoderKind, Parameter};
use crate::ai::nnunet::Model;
use crate::ai::nnunet::trained::{TrainedError, Tuning, write_trained};
use crate::ai::package::{Label, NOT_CLEARED, Provenance, sha256_text};
use crate::new_file::{WriteFileError, write_file};
use half::f16;
use safetensors::tensor::Dtype;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What the card and manifest tell of a run.
pub(super) struct About<'a> {
    pub task: &'a Task<'a>,
    pub step: u64,
    pub seconds: f64,
    pub device: &'a str,
    /// Patients trained on: those that could be used.
    pub train: usize,
    /// Patients kept for validation.
    pub kept: usize,
    /// By what they are divided, where it is not the run's own draw.
    pub divided_by: Option<&'a str>,
    /// Of them those that were contoured and scored; `None` where nothing was measured.
    pub scored: Option<usize>,
    /// The package that the run began with.
    pub init: Option<&'a str>,
    /// Agreement on the validation patients; empty where it was not measured.
    pub organs: &'a [OrganDice],
    /// Whether the network has a batch normalisation, whose running statistics are not trained.
    pub has_statistics: bool,
}

#[derive(Serialize)]
struct Manifest<'a> {
    id: &'a str,
    title: &'a str,
    version: &'a str,
    modality: &'a str,
    license: &'a str,
    provenance: OwnProvenance<'a>,
    input: Input,
    normalization: &'a NormalizationTable,
    network: &'a NetworkTable,
    inference: &'a InferenceTable,
    weights: Weights,
    labels: &'a [Label],
}

#[derive(Serialize)]
struct OwnProvenance<'a> {
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
    let part = folder.with_extension("part");
    let refused =
        |error: &std::io::Error, path: &Path| TrainError::from(WriteFileError::from_io(error, path));
    if part.exists() {
        std::fs::remove_dir_all(&part).map_err(|error| refused(&error, &part))?;
    }
    std::fs::create_dir_all(&part).map_err(|error| refused(&error, &part))?;

    let named = parameters.named(average);
    match &about.task.way {
        Way::Own(own) => write_own(&part, *own, named, about)?,
        Way::Nnunet(tuned) => write_tuned(&part, tuned, &named, about)?,
    }

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

/// The contents of a package of the program's own layout.
fn write_own(
    part: &Path,
    own: Own<'_>,
    named: BTreeMap<String, Parameter>,
    about: &About<'_>,
) -> Result<(), TrainError> {
    let recipe = about.task.recipe;
    let weights = half_weights(own, named).map_err(|name| TrainError::Device {
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
        provenance: OwnProvenance {
            synthetic: recipe.data.synthetic,
            data: data_words(about),
            trained_with: format!("Delineo {} (burn), {}", env!("CARGO_PKG_VERSION"), about.device),
            begun_with: about.init,
            seed: recipe.training.seed,
            steps: about.step,
            batch: recipe.training.batch,
            training_hours: (about.seconds / 36.0).round() / 100.0,
        },
        input: Input { spacing_mm: own.input.spacing_mm, orientation: "LPS", outside_body_hu: OUTSIDE_HU },
        normalization: own.normalization,
        network: own.network,
        inference: &recipe.inference,
        weights: Weights { file: "weights.safetensors", sha256, dtype: "f16" },
        labels: &recipe.labels,
    };
    let wrong = |reason: String| TrainError::Recipe { reason, path: PathBuf::from(&recipe.id) };
    let text = toml::to_string(&manifest).map_err(|error| wrong(error.to_string()))?;
    write_file(&part.join("model.toml"), true, text.as_bytes())?;
    write_file(&part.join("card.md"), true, card(about).as_bytes())?;
    Ok(())
}

/// The contents of a package of a model of nnU-Net: its plans and labels, and the one fold.
fn write_tuned(
    part: &Path,
    tuned: &Tuned<'_>,
    named: &BTreeMap<String, Parameter>,
    about: &About<'_>,
) -> Result<(), TrainError> {
    let recipe = about.task.recipe;
    let before = tuned.package.provenance.data.trim_end_matches('.');
    let before = if before.is_empty() { String::new() } else { format!(" ({before})") };
    let manifest = Tuning {
        id: &recipe.id,
        title: &recipe.title,
        version: &recipe.version,
        modality: &tuned.package.modality,
        license: &recipe.license,
        provenance: Provenance {
            data: format!(
                "{}; begun with {}{before}",
                data_words(about).trim_end_matches('.'),
                about.init.unwrap_or(&tuned.package.id)
            ),
            synthetic: recipe.data.synthetic,
        },
        labels: &recipe.labels,
        card: &card(about),
    };
    write_trained(part, &tuned.model, named, &manifest).map_err(|error| match error {
        TrainedError::Write(error) => error.into(),
        TrainedError::Read(error) => error.into(),
        TrainedError::NotFinite(name) => TrainError::Device {
            device: about.device.to_owned(),
            reason: format!("the weights {name} are not finite: training went astray"),
        },
        TrainedError::Text(reason) => TrainError::Recipe { reason, path: PathBuf::from(&recipe.id) },
    })
}

/// The averaged weights in half precision, without the heads of lower resolutions; the name of the
/// tensor that does not fit.
fn half_weights(own: Own<'_>, named: BTreeMap<String, Parameter>) -> Result<Vec<u8>, String> {
    let last = format!("decoder.seg_layers.{}.", own.network.features.len() - 2);
    let mut tensors = Vec::new();
    for (name, parameter) in named {
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
    let said = about.task.recipe.data.description.trim();
    if said.is_empty() { format!("{} patients of one's own", about.train) } else { said.to_owned() }
}

/// What images the model takes.
fn images(task: &Task<'_>) -> String {
    match &task.way {
        Way::Own(_) => "CT".to_owned(),
        Way::Nnunet(tuned) => tuned.model.dataset.channels.join(" and "),
    }
}

/// The grid that patches lie on, and what is done to the images.
fn grid_words(task: &Task<'_>) -> String {
    match &task.way {
        Way::Own(own) => {
            let ([z, y, x], n) = (own.input.spacing_mm, own.normalization);
            format!(
                "of {z} x {y} x {x} mm (z, y, x), HU clipped to {} to {}, everything outside the body air",
                n.clip_low, n.clip_high
            )
        }
        Way::Nnunet(tuned) => {
            let plan = &tuned.model.plan;
            let mm: Vec<String> = plan.preprocessing.spacing_mm.iter().map(f64::to_string).collect();
            let [z, y, x] = plan.patch;
            format!(
                "of {} mm in the network's axes; images as its plans say ({}), handed over: {}; the window \
                 of a run is {z} x {y} x {x}",
                mm.join(" x "),
                plan.configuration,
                plan.orientation.told()
            )
        }
    }
}

/// Of a model of nnU-Net what it was before.
fn origin_words(about: &About<'_>) -> String {
    let Way::Nnunet(tuned) = &about.task.way else { return String::new() };
    let (package, model) = (tuned.package, &tuned.model);
    let data = package.provenance.data.trim_end_matches('.');
    let data = if data.is_empty() { "data that are not told".to_owned() } else { data.to_owned() };
    let fold = model.fold_names().join(", ");
    let all = package.nnunet.as_ref().map_or(1, Model::folds);
    let others = if all > 1 {
        format!(" The other {} were not trained and are not part of this package.", all - 1)
    } else {
        String::new()
    };
    let statistics = if about.has_statistics {
        " The running statistics of its batch normalisation are those of its first training."
    } else {
        ""
    };
    format!(
        "\n\nBefore: {} (`{}` {}), fold {fold}, trainer {}, trained on {data}.{others}{statistics}",
        package.title, package.id, package.version, model.trainer
    )
}

/// The draft of a card: what is known is filled in, what only people know is asked for.
fn card(about: &About<'_>) -> String {
    let recipe = about.task.recipe;
    let t = &recipe.training;
    let organs: Vec<&str> = recipe.labels.iter().map(|label| label.name.as_str()).collect();
    let mut text = format!(
        "# {} (`{}` {})\n\n{NOT_CLEARED}\n\n*A draft, written by the training. \
         Complete what stands in brackets.*\n\n",
        recipe.title, recipe.id, recipe.version
    );
    let _ = write!(
        text,
        "## Intended use\nFirst proposals of {} organs on {}: {}. [Body region, position, which patients; \
         what it is not for.]\n\n",
        organs.len(),
        images(about.task),
        organs.join(", ")
    );
    text.push_str("## Results\n");
    if about.organs.is_empty() {
        text.push_str(if about.scored.unwrap_or(0) > 0 {
            "Not measured: in no validation patient an organ is outlined and lies wholly inside the scan.\n\n"
        } else {
            "Not measured: there were no validation patients, or it was stopped before.\n\n"
        });
    } else {
        let precision = match about.task.way {
            Way::Own(_) => "half",
            Way::Nnunet(_) => "single",
        };
        let _ = write!(
            text,
            "Dice on validation patients that were not trained on, on the scans' own grid, organs that were \
             outlined and lie wholly inside the scan; the {precision}-precision weights as they are here.\n\n\
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
        let is_scored = |name: &&str| about.organs.iter().any(|organ| organ.name == **name);
        let others: Vec<&str> = organs.iter().copied().filter(|name| !is_scored(name)).collect();
        if !others.is_empty() {
            let _ = writeln!(
                text,
                "Not scored, outlined in none of these patients or cut off by the scan in each: {}.\n",
                others.join(", ")
            );
        }
    }
    text.push_str(
        "## Where it fails\n- The validation patients come from the same collection as the training patients; other \
         scanners and contouring habits may do worse.\n- [Contrast, implants, tumours, anatomy \
         after surgery.]\n\n## How to verify locally\nContour at least 20 patients of one's own that \
         were not trained on (`delineo contour PATH --model DIR --out ai.dcm`), compare with approved \
         contours (`delineo compare approved.dcm ai.dcm --image PATH`), and look at every organ whose Dice \
         is below 0.7 or whose HD95 is above 10 mm.\n\n",
    );
    let divided = about.divided_by.map(|by| format!(", divided by {by}")).unwrap_or_default();
    let _ = write!(
        text,
        "## Data and licence\n{}. {} patients for training, {} others {}for validation{divided}. An organ that was not \
         outlined in a patient counts as unknown, not as absent. [Whose contours, by which guideline, \
         approved by whom.] Licence: {}.{}\n\n",
        data_words(about).trim_end_matches('.'),
        about.train,
        about.scored.unwrap_or(about.kept),
        if about.scored.is_some() { "" } else { "kept " },
        recipe.license,
        origin_words(about)
    );
    let begun = about.init.map(|init| format!("Begun with the weights of {init}. ")).unwrap_or_default();
    let [pz, py, px] = recipe.patch();
    let a = &about.task.architecture;
    let kind = if a.kind == EncoderKind::Residual { "ResidualEncoderUNet" } else { "PlainConvUNet" };
    let entropy = if recipe.has_regions() { "Binary cross-entropy" } else { "Cross-entropy" };
    let _ = write!(
        text,
        "## Recipe\n{begun}{kind}, {} stages of {} to {} features; patches of {pz} x {py} x {px} voxels {}. \
         {entropy} plus soft Dice at {} resolutions, AdamW, batch {}, seed {}, {} of {} steps, averaged weights; \
         {:.2} hours on {}. The whole recipe lies beside the checkpoint (`recipe.toml`).\n",
        a.features.len(),
        a.features.first().copied().unwrap_or_default(),
        a.features.iter().max().copied().unwrap_or_default(),
        grid_words(about.task),
        t.heads,
        t.batch,
        t.seed,
        about.step,
        t.steps,
        about.seconds / 3600.0,
        about.device
    );
    text
}
