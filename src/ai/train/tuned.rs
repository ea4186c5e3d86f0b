//! Models of nnU-Net trained further: the recipe for one, and its patients.
//!
//! The package tells what images and network are; one fold's weights are trained. Images come to the
//! network by the same code that contours ([`preprocess`]), labels with them as nnU-Net's own
//! preprocessing has it: cut to the same box, each label's share interpolated, a thick axis apart.

use super::TrainError;
use super::loss::IGNORE;
use super::patient::{Case, Image, Prepared};
use super::recipe::{Recipe, untried};
use super::recipe_parts::{
    Augment, Coarse, Data, Gamma, InferenceTable, NnunetTable, Sampling, Synonyms, Training,
};
use super::start::heads_there;
use crate::ai::ModelPackage;
use crate::ai::nnunet::preprocess::{PreprocessError, PreviousStage, preprocess};
use crate::ai::nnunet::{ChannelImage, Composition, Model};
use crate::ai::package::Label;
use crate::progress::Progress;
use rayon::prelude::*;

/// The most regions: a voxel's are bits of a number, one of them of no region.
const REGION_LIMIT: usize = 14;
/// What stands for a voxel that is not judged while labels are resampled.
const IGNORED: i16 = i16::MAX;
/// A patch this many times wider than deep is turned in its planes only, as nnU-Net does.
const FLAT: usize = 3;

/// A model of nnU-Net with the one fold that is trained further.
pub(super) struct Tuned<'a> {
    pub package: &'a ModelPackage,
    pub model: Model,
}

/// Why a package cannot be trained further, with the remedy; `None` where nothing that its manifest tells
/// is in the way.
#[must_use]
pub fn refusal(package: &ModelPackage) -> Option<String> {
    let model = package.nnunet.as_ref()?;
    if model.previous.is_some() || model.plan.previous_stage.is_some() {
        return Some(
            "it is the second stage of a cascade, whose input is another model's labels; train its first stage, \
             or a model of one stage, further"
                .to_owned(),
        );
    }
    if let Some(why) = package.composition.as_ref().and_then(composed) {
        return Some(format!("{why}; import the training folder of one model alone and train that further"));
    }
    if model.plan.architecture.activation.is_none() {
        return Some(
            "the slope of its activation (PReLU) is a weight, which training here does not change; train it further \
             in nnU-Net and import it again"
                .to_owned(),
        );
    }
    if model.plan.architecture.activation_first {
        return Some(
            "its activations come before its normalisations (nonlin_first), which is not trained here; train it \
             further in nnU-Net and import it again"
                .to_owned(),
        );
    }
    let set = &model.dataset;
    if set.regions && set.structures.len() > REGION_LIMIT {
        return Some(format!(
            "it has {} regions, training takes {REGION_LIMIT} at most; train it further in nnU-Net and import it again",
            set.structures.len()
        ));
    }
    let odd = |(number, value): (u16, u16)| number != value;
    if !set.regions && (1..).zip(set.structures.iter().map(|one| one.value)).any(odd) {
        return Some(
            "two of its names are one label; train it further in nnU-Net and import it again".to_owned(),
        );
    }
    labels(package, model).err()
}

/// What of a composition training does not do.
fn composed(composition: &Composition) -> Option<String> {
    match composition.parts.as_slice() {
        [part] if composition.run == crate::ai::nnunet::composition::Run::default() => {
            let as_they_are = (0..).zip(&part.values).all(|(own, value)| own == *value);
            let regions = part.model.dataset.regions;
            (!as_they_are && !regions).then(|| "its labels have other values than its network's".to_owned())
        }
        [_] => Some(
            "its images are cut or resampled before nnU-Net's own steps, as [run] in its manifest tells, which \
             training does not do"
                .to_owned(),
        ),
        parts => Some(format!("it is made of {} models", parts.len())),
    }
}

/// The package's labels in the order of the network's outputs.
fn labels(package: &ModelPackage, model: &Model) -> Result<Vec<Label>, String> {
    let label = |value: u16| package.label(value).map(untried);
    let labels: Option<Vec<Label>> = model.dataset.structures.iter().map(|one| label(one.value)).collect();
    labels.ok_or_else(|| "its manifest lacks a label of its dataset.json; import it again".to_owned())
}

/// The recipe that trains a model of nnU-Net further: the first of its folds.
pub(super) fn recipe(package: &ModelPackage, model: &Model) -> Result<Recipe, TrainError> {
    let refused = |reason: String| TrainError::Package { model: package.id.clone(), reason };
    if let Some(reason) = refusal(package) {
        return Err(refused(reason));
    }
    let names = model.fold_names();
    let fold = names.first().cloned().ok_or_else(|| refused("it has no fold; import it again".to_owned()))?;
    let one = only(model, &fold).map_err(&refused)?;
    let plan = &one.plan;
    let is_flat = plan.patch.iter().max().is_some_and(|widest| *widest > FLAT * plan.patch[0]);
    // What a region's labels are part of, it lies in.
    let structures = &one.dataset.structures;
    let holds = |outer: &[u16], inner: &[u16]| inner.iter().all(|label| outer.contains(label));
    let around = |inner: &[u16]| -> Vec<u16> {
        let numbered = (1..).zip(structures);
        numbered.filter(|(_, outer)| holds(&outer.labels, inner)).map(|(number, _)| number).collect()
    };
    let regions = if one.dataset.regions {
        structures.iter().map(|structure| around(&structure.labels)).collect()
    } else {
        Vec::new()
    };
    let recipe = Recipe {
        id: format!("{}-tuned", package.id),
        title: format!("{}, trained further", package.title),
        version: "0.1.0".to_owned(),
        license: package.license.clone(),
        data: Data::default(),
        nnunet: Some(NnunetTable {
            model: package.id.clone(),
            state: one.state(),
            fold,
            patch: plan.patch,
            channels: one.dataset.channels.clone(),
            series: Vec::new(),
            regions,
        }),
        input: None,
        normalization: None,
        network: None,
        training: Training::short(heads_there(&plan.architecture, &one.parameters(0)?)),
        sampling: Sampling { organ_share: 0.75, weights: None, overhang: 4 },
        augment: Augment {
            affine_probability: 0.5,
            rotation_deg: if is_flat { [8.0, 0.0, 0.0] } else { [8.0; 3] },
            scale: [0.9, 1.1],
            mirror_x: false,
            mirror_swaps: Vec::new(),
            mirror_axes: one.mirror_axes.clone(),
            bend: None,
            coarse: Some(Coarse { probability: 0.25, share: [0.5, 1.0] }),
            gamma: Some(Gamma { probability: 0.3, power: [0.7, 1.5] }),
            cut_probability: 0.0,
            hu_shift: 0.1,
            hu_scale: [0.9, 1.1],
            hu_noise: 0.1,
        },
        inference: InferenceTable::default(),
        synonyms: Synonyms::new(),
        labels: labels(package, model).map_err(&refused)?,
    };
    recipe.checked().map_err(refused)
}

/// The model with one fold.
fn only(model: &Model, fold: &str) -> Result<Model, String> {
    model
        .with_folds(&[fold.to_owned()])
        .map_err(|(wanted, there)| format!("it has no fold {wanted}; it has {there}"))
}

/// What must hold of a recipe with an `[nnunet]` table.
pub(super) fn check(recipe: &Recipe, table: &NnunetTable) -> Result<(), String> {
    let count = recipe.labels.len();
    let odd = |number: &u16| *number == 0 || usize::from(*number) > count;
    let has_regions = !table.regions.is_empty();
    if has_regions && (count > REGION_LIMIT || table.regions.len() != count) {
        return Err(format!("nnunet.regions are not one list a label, {REGION_LIMIT} at most"));
    }
    if table.regions.iter().flatten().any(odd) {
        return Err("nnunet.regions names labels that are not there".to_owned());
    }
    if !table.series.is_empty() && table.series.len() != table.channels.len() {
        return Err("nnunet.series is not one list of texts a channel".to_owned());
    }
    if table.series.iter().flatten().any(|text| text.trim().is_empty()) {
        return Err("nnunet.series has an empty text".to_owned());
    }
    if recipe.augment.mirror_x || !recipe.augment.mirror_swaps.is_empty() {
        return Err("a model of nnU-Net is mirrored by augment.mirror_axes, not by mirror_x".to_owned());
    }
    if recipe.augment.cut_probability > 0.0 && table.patch[0] < 4 {
        return Err("augment.cut_probability needs a patch of 4 planes or more".to_owned());
    }
    Ok(())
}

impl<'a> Tuned<'a> {
    /// The model that a recipe is for.
    pub(super) fn new(
        recipe: &Recipe,
        table: &NnunetTable,
        package: Option<&'a ModelPackage>,
    ) -> Result<Self, TrainError> {
        let Some(package) = package else {
            return Err(TrainError::Package {
                model: table.model.clone(),
                reason: "the recipe trains it further, so it has to be the model to begin with".to_owned(),
            });
        };
        let refused = |reason: String| TrainError::Package { model: package.id.clone(), reason };
        if let Some(reason) = refusal(package) {
            return Err(refused(reason));
        }
        let Some(model) = &package.nnunet else {
            return Err(refused(format!("the recipe is for {}, a model of nnU-Net", table.model)));
        };
        let model = only(model, &table.fold).map_err(&refused)?;
        if model.state() != table.state {
            return Err(refused(format!(
                "the recipe is for {} as it was when the recipe was made, with other weights or plans; leave the \
                 recipe out and take another folder for the result",
                table.model
            )));
        }
        let same = recipe.labels.iter().map(|label| label.value).eq(model
            .dataset
            .structures
            .iter()
            .map(|s| s.value));
        if !same {
            return Err(refused("the recipe's labels are not the model's, in their order".to_owned()));
        }
        let (patch, divisor) = (table.patch, model.plan.architecture.divisor());
        let is_flat = model.plan.dimensions == 2;
        let odd =
            |axis: usize| patch[axis] == 0 || !patch[axis].is_multiple_of(divisor[axis]) || patch[axis] > 512;
        if (0..3).any(odd) || (is_flat && patch[0] != 1) {
            let planes = if is_flat { ", 1 along the first axis" } else { "" };
            return Err(refused(format!(
                "the patch {patch:?} is not 1 to 512 voxels and a multiple of {divisor:?}{planes}"
            )));
        }
        Ok(Self { package, model })
    }

    /// Puts a patient on the network's grid.
    pub(super) fn prepare(&self, case: &Case, progress: &Progress) -> Result<Prepared, TrainError> {
        let refused = |reason: String| {
            TrainError::Patients(format!("the patient {} cannot be trained on: {reason}", case.id))
        };
        let plan = &self.model.plan;
        let own = || vec![ChannelImage::of_volume(&case.volume)];
        let given = if case.channels.is_empty() { own() } else { case.channels.clone() };
        let grid = &case.volume.grid;
        let images: Vec<ChannelImage> =
            given.iter().map(|image| image.turned(grid, plan.orientation)).collect();
        drop(given);
        let [first, ..] = images.as_slice() else { return Err(refused("it has no image".to_owned())) };
        let labels = words(case, first, self.model.dataset.regions);
        let previous = PreviousStage { labels: &labels, foreground: &[], resampling: plan.resample_labels };
        let values: Vec<&[f32]> = images.iter().map(|image| image.values.as_slice()).collect();
        let done =
            preprocess(&values, first.size, first.spacing_mm, &plan.preprocessing, Some(previous), progress)
                .map_err(|error| match error {
                    PreprocessError::Cancelled(cancelled) => cancelled.into(),
                    other => refused(other.to_string()),
                })?;
        let word = |label: i16| if label == IGNORED { IGNORE } else { u16::try_from(label).unwrap_or(0) };
        Ok(Prepared {
            size: done.geometry.size,
            spacing_mm: done.geometry.spacing_mm,
            image: Image::Normalised(done.values),
            labels: done.labels.unwrap_or_default().into_iter().map(word).collect(),
            known: case.known.clone(),
        })
    }
}

/// The words of a patient's voxels in the order of an image, for resampling. A label that is not known in
/// the patient is background; an unknown region is left out of the loss.
fn words(case: &Case, image: &ChannelImage, regions: bool) -> Vec<i16> {
    let [nz, ny, nx] = image.size;
    let dims = case.volume.grid.dims();
    let mut words = vec![0_i16; nz * ny * nx];
    words.par_chunks_mut(nx.max(1)).enumerate().for_each(|(row, words)| {
        for (x, own) in words.iter_mut().enumerate() {
            let [i, j, k] = image.grid_voxel([row / ny, row % ny, x]);
            let word = case.labels[i + dims[0] * (j + dims[1] * k)];
            *own = if word == IGNORE {
                IGNORED
            } else if regions || case.known.get(usize::from(word)).copied().unwrap_or(false) {
                i16::try_from(word).unwrap_or(0)
            } else {
                0
            };
        }
    });
    words
}

#[cfg(test)]
pub(super) mod tests;
