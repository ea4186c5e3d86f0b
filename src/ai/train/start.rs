//! What a run begins with: random weights or a package's, by name; and how fast a step is.

use super::TrainError;
use super::graph::{Graph, Parameters};
use super::loss::Truth;
use super::random::Random;
use super::recipe::Recipe;
use super::run::Step;
use super::task::{Task, Way};
use super::tuned::Tuned;
use crate::ai::ModelPackage;
use crate::ai::engine::training_device;
use crate::ai::network::{Architecture, NetworkError, NormKind, Parameter};
use crate::device::DeviceChoice;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

/// What two names of structures must share to mean the same organ: letters and digits without case
/// and separators, "left" and "right" (also `lt`, `rt`) as `l` and `r` at the end.
#[must_use]
pub fn name_key(name: &str) -> String {
    let lower = name.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let (mut key, mut side) = (String::new(), String::new());
    for word in words {
        match word {
            "l" | "lt" | "left" => side.push('l'),
            "r" | "rt" | "right" => side.push('r'),
            other => key.push_str(other),
        }
    }
    key + &side
}

pub(super) fn unusable(error: &NetworkError) -> TrainError {
    TrainError::Recipe { reason: error.to_string(), path: PathBuf::from("the recipe") }
}

/// The parameters that a run begins with: random ones, and over them those of `init`.
pub(super) fn parameters(task: &Task<'_>, init: Option<&ModelPackage>) -> Result<Parameters, TrainError> {
    match &task.way {
        Way::Own(_) => own_parameters(task, init),
        Way::Nnunet(tuned) => fold_parameters(task, tuned),
    }
}

/// Those of a package of the program's own layout: the last layers' rows go by the organs' names; what the
/// package lacks (organs, heads of lower resolutions) keeps its random start.
fn own_parameters(task: &Task<'_>, package: Option<&ModelPackage>) -> Result<Parameters, TrainError> {
    let (recipe, training) = (task.recipe, &task.recipe.training);
    let own = Parameters::random(&task.architecture, training.heads, NormKind::Instance, training.seed)
        .map_err(|error| unusable(&error))?;
    let Some(package) = package else { return Ok(own) };
    let refused = |reason: String| TrainError::Package { model: package.id.clone(), reason };
    // Rows of the last layer: background, then the organs that both know.
    let mut rows = vec![(0, 0)];
    for label in &recipe.labels {
        if let Some(other) = package.labels.iter().find(|o| name_key(&o.name) == name_key(&label.name)) {
            rows.push((usize::from(label.value), usize::from(other.value)));
        }
    }
    let mut all = own.named(&own.values);
    let (theirs, _) = package.parameters()?;
    for (name, other) in theirs {
        let Some(here) = all.get_mut(&name) else { continue };
        if name.starts_with("decoder.seg_layers.") {
            copy_rows(here, &other, &rows).ok_or_else(|| refused(format!("{name} is of another shape")))?;
        } else if here.shape == other.shape {
            here.values = other.values;
        } else {
            return Err(refused(format!(
                "its tensor {name} has the shape {:?}, the recipe's {:?}; give the recipe the same [network]",
                other.shape, here.shape
            )));
        }
    }
    Ok(Parameters::of(all))
}

/// Those of a fold of a model of nnU-Net; heads of lower resolutions that it lacks begin at random.
fn fold_parameters(task: &Task<'_>, tuned: &Tuned<'_>) -> Result<Parameters, TrainError> {
    // Refuses what is missing, misshapen or of another network.
    tuned.model.network(0)?;
    let mut theirs = tuned.model.parameters(0)?;
    let training = &task.recipe.training;
    let own = Parameters::random(&task.architecture, training.heads, NormKind::of(&theirs), training.seed)
        .map_err(|error| unusable(&error))?;
    let mut all = own.named(&own.values);
    for (name, here) in &mut all {
        // A 2D network's tensors have one axis less; their numbers are in the same order.
        if let Some(other) = theirs.remove(name).filter(|other| other.values.len() == here.values.len()) {
            here.values = other.values;
        }
    }
    Ok(Parameters::of(all))
}

/// How many heads, full resolution first, the weights of a fold have, 3 at most; the head of the lowest
/// resolution is left out, as nnU-Net leaves it out of the loss.
pub(super) fn heads_there(architecture: &Architecture, theirs: &BTreeMap<String, Parameter>) -> usize {
    let ups = architecture.features.len() - 1;
    let most = 3.min(ups.saturating_sub(1)).max(1);
    let is_there =
        |head: &usize| theirs.contains_key(&format!("decoder.seg_layers.{}.weight", ups - 1 - head));
    (0..most).take_while(is_there).count().max(1)
}

/// Copies whole rows (the first dimension) of a tensor.
fn copy_rows(here: &mut Parameter, there: &Parameter, rows: &[(usize, usize)]) -> Option<()> {
    if here.shape.get(1..) != there.shape.get(1..) {
        return None;
    }
    let width: usize = here.shape[1..].iter().product();
    for (to, from) in rows {
        let source = there.values.get(from * width..(from + 1) * width)?;
        here.values.get_mut(to * width..(to + 1) * width)?.copy_from_slice(source);
    }
    Some(())
}

/// Seconds that each of `count` training steps (forward, loss, backward, AdamW) of a recipe takes on
/// random patches, without drawing them; and the device.
///
/// # Errors
/// [`TrainError`] when the recipe or the device cannot be used.
pub fn time_step(
    recipe: &Recipe,
    device: DeviceChoice,
    count: usize,
) -> Result<(Vec<f64>, String), TrainError> {
    let (device, name) = training_device(device)?;
    let task = Task::new(recipe, None)?;
    let parameters = parameters(&task, None)?;
    let graph = Graph::new(&task.architecture, recipe.training.heads, &parameters)
        .map_err(|error| unusable(&error))?;
    let (size, classes) = (recipe.patch(), task.architecture.classes);
    let voxels = size.iter().product::<usize>() * recipe.training.batch;
    let mut random = Random::new(&[1]);
    #[expect(clippy::cast_possible_truncation, reason = "values about 1; classes below 2^16")]
    let (image, labels) = (0..voxels).map(|_| (random.normal() as f32, random.below(classes) as u16)).unzip();
    let known = vec![vec![true; classes]; recipe.training.batch];
    let batch = super::sampler::Batch { image, truth: Truth { labels, size, known, regions: false } };
    let mut step = Step::new(graph, parameters, &device);
    let mut seconds = Vec::new();
    for number in 0..count as u64 {
        let began = Instant::now();
        let done = step.run(&batch, number, recipe.training.steps, &recipe.training);
        done.map_err(|reason| TrainError::Device { device: name.clone(), reason })?;
        seconds.push(began.elapsed().as_secs_f64());
    }
    Ok((seconds, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn sides_are_told_apart_and_separators_are_not() {
        assert_eq!(name_key("Femur_Head_L"), name_key("left femur head"));
        assert_ne!(name_key("Parotid_L"), name_key("Parotid_R"));
        assert_eq!(name_key("SpinalCord"), name_key("Spinal-Cord"));
    }

    #[test]
    fn a_package_s_weights_go_by_the_organs_names() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/head-neck");
        let package = ModelPackage::load(&folder).unwrap();
        let mut recipe = Recipe::of_package(&package).unwrap();
        // Two organs change places, and one is new.
        recipe.labels.swap(0, 6);
        recipe.labels[0].value = 1;
        recipe.labels[6].value = 7;
        recipe.labels[3].name = "Eye_L".to_owned();
        let task = Task::new(&recipe, Some(&package)).unwrap();
        let begun = parameters(&task, Some(&package)).unwrap();
        let all = begun.named(&begun.values);
        let (theirs, _) = package.parameters().unwrap();
        let (own, other) = (&all["decoder.seg_layers.3.weight"], &theirs["decoder.seg_layers.3.weight"]);
        let row = |p: &Parameter, n: usize| p.values[n * 16..(n + 1) * 16].to_vec();
        assert_eq!(row(own, 0), row(other, 0));
        assert_eq!(row(own, 1), row(other, 7));
        assert_eq!(row(own, 7), row(other, 1));
        assert_ne!(row(own, 4), row(other, 4), "a new organ begins at random");
        assert_eq!(
            all["encoder.stages.2.0.convs.1.conv.weight"],
            theirs["encoder.stages.2.0.convs.1.conv.weight"]
        );
        assert!(all.contains_key("decoder.seg_layers.1.weight"), "a head that the package lacks");
    }
}
