//! Models of nnU-Net trained further: the same network, the same images, whole runs on tiny patients.

use super::*;
use crate::ai::cpu::CpuNetwork;
use crate::ai::train::checkpoint::CHECKPOINT;
use crate::ai::train::graph::{Graph, Parameters};
use crate::ai::train::loss::Truth;
use crate::ai::train::random::Random;
use crate::ai::train::run::Step;
use crate::ai::train::sampler::Batch;
use crate::ai::train::start::parameters;
use crate::ai::train::task::Task;
use crate::ai::train::tests::{Made, options, slope_and_norm};
use crate::ai::train::{Event, train};
use crate::ai::{PredictOptions, predict};
use crate::device::DeviceChoice;
use crate::geometry::{Grid, Plane, Point3, Vector3};
use crate::patient::{Slice, Unit, Volume, Voxels};
use burn::tensor::{Device, Tensor, TensorData};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

fn fixture(place: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/nnunet").join(place)
}

/// The package of a fixture with one training folder.
pub(in crate::ai::train) fn fixture_package(name: &str) -> ModelPackage {
    let inside = std::fs::read_dir(fixture(name)).unwrap().flatten().map(|entry| entry.path());
    let training = inside.into_iter().find(|path| path.to_string_lossy().contains("__")).unwrap();
    ModelPackage::load(&training).unwrap()
}

/// Two patches of numbers, and labels of them.
fn batch(recipe: &Recipe, channels: usize, patches: usize) -> Batch {
    let mut random = Random::new(&[7]);
    let size = recipe.patch();
    let voxels = patches * size.iter().product::<usize>();
    #[expect(clippy::cast_possible_truncation, reason = "values about 1")]
    let image = (0..channels * voxels).map(|_| random.normal() as f32).collect();
    let count = recipe.labels.len();
    let labels = (0..voxels).map(|_| {
        let number = u16::try_from(random.below(count + 1)).unwrap();
        if number == 0 { 0 } else { recipe.word(number) }
    });
    let mut known = vec![vec![true; count + 1]; patches];
    known[0][count] = false;
    let labels = labels.collect();
    Batch { image, truth: Truth { labels, size, known, regions: recipe.has_regions() } }
}

/// Residual in three dimensions with regions and turned axes, without biases; the same with a batch
/// normalisation; in two dimensions with two channels; plain; residual blocks of three convolutions with
/// another activation.
const NETWORKS: [&str; 5] = ["aniso", "batchnorm", "res2d", "torchres", "bottleneck"];

fn step_of(package: &ModelPackage, recipe: &Recipe) -> Step {
    let task = Task::new(recipe, Some(package)).unwrap();
    let parameters = parameters(&task, Some(package)).unwrap();
    let graph = Graph::new(&task.architecture, recipe.training.heads, &parameters).unwrap();
    Step::new(graph, parameters, &Device::flex())
}

#[test]
fn logits_are_those_of_the_network_that_contours() {
    for name in NETWORKS {
        let package = fixture_package(name);
        let recipe = Recipe::of_package(&package).unwrap();
        let task = Task::new(&recipe, Some(&package)).unwrap();
        let parameters = parameters(&task, Some(&package)).unwrap();
        let graph = Graph::new(&task.architecture, recipe.training.heads, &parameters).unwrap();
        let (channels, [z, y, x]) = (task.architecture.input_channels, recipe.patch());
        let values = batch(&recipe, channels, 1).image;
        let live = Parameters::upload(&parameters.values, &Device::flex());
        let image = TensorData::new(values.clone(), [1, channels, z, y, x]);
        let image = Tensor::<5>::from_data(image, &Device::flex());
        let logits = graph.forward(&live, &parameters.shapes, image).remove(0);
        let found: Vec<f32> = logits.into_data_as::<f32>().try_into_vec().unwrap();
        let expected = CpuNetwork::new(&package.network().unwrap()).forward(&values, recipe.patch());
        let classes = package.architecture.classes;
        assert_eq!(found.len(), expected.len(), "{name}");
        let worst = expected.iter().enumerate().fold(0.0_f32, |worst, (at, expected)| {
            worst.max((found[at % classes * (z * y * x) + at / classes] - expected).abs())
        });
        println!("{name}: logits differ by at most {worst:.1e}");
        assert!(worst < 1e-4, "{name}: {worst}");
    }
}

#[test]
fn gradients_are_the_slope_of_the_loss() {
    for name in NETWORKS {
        let package = fixture_package(name);
        let recipe = Recipe::of_package(&package).unwrap();
        let mut step = step_of(&package, &recipe);
        let batch = batch(&recipe, package.architecture.input_channels, 2);
        let (slope, norm) = slope_and_norm(&mut step, &batch, &recipe.training, 2e-3);
        println!("{name}: slope {slope:.5}, norm {norm:.5}");
        assert!((slope / norm - 1.0).abs() < 0.02, "{name}: slope {slope}, norm {norm}");
    }
}

/// A volume whose voxels are `of` their places.
fn volume(dims: [usize; 3], steps_mm: [f64; 3], of: impl Fn([usize; 3]) -> i16) -> Volume {
    let steps = [Vector3::x() * steps_mm[0], Vector3::y() * steps_mm[1], Vector3::z() * steps_mm[2]];
    let grid = Grid::new(dims, Point3::origin(), steps).unwrap();
    let place = |at: usize| [at % dims[0], at / dims[0] % dims[1], at / (dims[0] * dims[1])];
    let voxels = Voxels::I16((0..grid.len()).map(|at| of(place(at))).collect());
    let slices = (0..dims[2])
        .map(|k| {
            let origin_mm = Point3::new(0.0, 0.0, k as f64 * steps_mm[2]);
            let plane = Plane::new(origin_mm, steps[0], steps[1]).unwrap();
            Slice { plane, origin_mm, instance: None, missing: false }
        })
        .collect();
    Volume { grid, voxels, unit: Unit::Hu, slices, native: None }
}

/// Some noise that depends on the place alone.
fn noise([i, j, k]: [usize; 3]) -> i16 {
    i16::try_from((i * 7 + j * 13 + k * 29) % 11).unwrap() - 5
}

/// A box in a box in a box: three regions, brighter inwards.
fn nested(id: &str, shift: usize) -> Case {
    let (dims, steps_mm) = ([44, 12, 40], [1.2, 4.0, 1.1]);
    let boxes = [([8, 2, 8], [34, 10, 32]), ([13, 4, 13], [29, 8, 27]), ([17, 5, 17], [25, 7, 23])];
    let depth = |[i, j, k]: [usize; 3]| {
        let at = [i.saturating_sub(shift), j, k];
        let holds = |(low, high): &&([usize; 3], [usize; 3])| {
            (0..3).all(|axis| (low[axis]..high[axis]).contains(&at[axis]))
        };
        boxes.iter().filter(holds).count()
    };
    let values = [-100, 20, 120, 260];
    let image = volume(dims, steps_mm, |at| values[depth(at)] + noise(at));
    let words = [0, 0b001, 0b011, 0b111];
    let all = (0..image.grid.len()).map(|at| [at % 44, at / 44 % 12, at / (44 * 12)]);
    let labels = all.map(|at| words[depth(at)]).collect();
    Case {
        id: id.to_owned(),
        volume: Arc::new(image),
        channels: Vec::new(),
        labels,
        known: vec![true; 4],
        truncated: Vec::new(),
        remarks: Vec::new(),
    }
}

/// Three blocks: two that one channel shows, the third only the other. Patient b has no outline of it.
fn two_channels(id: &str, shift: usize) -> Case {
    let (dims, steps_mm) = ([40, 44, 6], [1.3, 1.2, 4.0]);
    let label = |[i, j, _]: [usize; 3]| match (i, j) {
        (6..=15, 8..=19) => 1,
        (22..=33, 8..=19) => 2,
        (12..=27, 26..=37) => 3,
        _ => 0,
    };
    let moved = |[i, j, k]: [usize; 3]| label([i.saturating_sub(shift), j, k]);
    let of = |values: [i16; 4]| volume(dims, steps_mm, move |at| values[moved(at)] + noise(at));
    let (first, second) = (of([0, 200, -150, 0]), of([0, 0, 0, 4]));
    let knows_all = id != "b";
    let all = (0..first.grid.len()).map(|at| [at % 40, at / 40 % 44, at / (40 * 44)]);
    let number = |at| if moved(at) == 3 && !knows_all { 0 } else { u16::try_from(moved(at)).unwrap() };
    let labels = all.map(number).collect();
    Case {
        id: id.to_owned(),
        channels: vec![ChannelImage::of_volume(&first), ChannelImage::of_volume(&second)],
        volume: Arc::new(first),
        labels,
        known: vec![true, true, true, knows_all],
        truncated: Vec::new(),
        remarks: Vec::new(),
    }
}

#[test]
fn labels_lie_where_the_image_has_them() {
    let package = fixture_package("aniso");
    let recipe = Recipe::of_package(&package).unwrap();
    let table = recipe.nnunet.as_ref().unwrap();
    assert_eq!(table.regions, [vec![1], vec![1, 2], vec![1, 2, 3]]);
    let tuned = Tuned::new(&recipe, table, Some(&package)).unwrap();
    let mut case = nested("a", 0);
    // The last voxels along x cannot be told.
    let unknown: Vec<usize> = (0..case.labels.len()).filter(|at| at % 44 == 43).collect();
    unknown.into_iter().for_each(|at| case.labels[at] = IGNORE);
    let made = tuned.prepare(&case, &Progress::new()).unwrap();
    // Axes y, x, z of the image, at 5, 1.1 and 1 mm.
    assert_eq!((made.size, made.spacing_mm), ([10, 48, 44], [5.0, 1.1, 1.0]));
    let Image::Normalised(values) = &made.image else { panic!("normalised") };
    let mut sums = [(0.0, 0_usize); 4];
    for (value, word) in values.iter().zip(&made.labels).filter(|(_, word)| **word != IGNORE) {
        let (sum, count) = &mut sums[word.count_ones() as usize];
        (*sum, *count) = (*sum + f64::from(*value), *count + 1);
    }
    let means: Vec<f64> = sums.iter().map(|(sum, count)| sum / *count as f64).collect();
    assert!(means.windows(2).all(|pair| pair[0] < pair[1]), "brighter inwards: {means:?}");
    let volume_mm = |count: usize, mm: [f64; 3]| count as f64 * mm.iter().product::<f64>();
    let whole = case.labels.iter().filter(|word| **word & 1 == 1 && **word != IGNORE).count();
    let ratio =
        volume_mm(sums[1].1 + sums[2].1 + sums[3].1, [5.0, 1.1, 1.0]) / volume_mm(whole, [1.2, 4.0, 1.1]);
    assert!((0.9..1.1).contains(&ratio), "{ratio}");
    let ends = made.labels.iter().enumerate().filter(|(at, word)| at / 44 % 48 == 47 && **word == IGNORE);
    assert_eq!(ends.count(), 10 * 44);
}

/// Trains a fixture's model on two patients; gives what was told and the outcome.
fn trained(
    name: &str,
    patients: &Made,
    out: &Path,
    steps: u64,
) -> (ModelPackage, Vec<Event>, crate::ai::train::Outcome) {
    let package = fixture_package(name);
    let mut recipe = Recipe::of_package(&package).unwrap();
    recipe.training.steps = steps;
    (recipe.training.learning_rate, recipe.training.warmup_steps) = (5e-3, 5);
    let events = Mutex::new(Vec::new());
    let observe = |event: &Event| events.lock().unwrap().push(event.clone());
    let outcome =
        train(&recipe, Some(&package), patients, &options(out), &observe, &Progress::new()).unwrap();
    (package, events.into_inner().unwrap(), outcome)
}

fn losses(events: &[Event]) -> Vec<f64> {
    let loss = |event: &Event| if let Event::Steps { loss, .. } = event { Some(*loss) } else { None };
    events.iter().filter_map(loss).collect()
}

#[test]
fn a_model_of_regions_learns_and_its_package_contours_by_its_own_plans() {
    let folder = tempfile::tempdir().unwrap();
    let patients = Made::new(nested);
    let (before, events, outcome) = trained("aniso", &patients, folder.path(), 40);
    let losses = losses(&events);
    println!("losses {losses:?}, {:?}", outcome.organs);
    assert!(losses.last().unwrap() < &(0.7 * losses[0]), "{losses:?}");
    assert!(events.iter().any(|event| matches!(event, Event::Memory { step_bytes, .. } if *step_bytes > 0)));
    assert_eq!(outcome.organs.len(), 3, "{:?}", outcome.organs);

    let package = ModelPackage::load(&outcome.package).unwrap();
    let (old, new) = (before.nnunet.as_ref().unwrap(), package.nnunet.as_ref().unwrap());
    assert_eq!((&new.plan, &new.dataset, &new.mirror_axes), (&old.plan, &old.dataset, &old.mirror_axes));
    assert_eq!((new.fold_names(), package.license.as_str()), (vec!["0".to_owned()], before.license.as_str()));
    assert_eq!(package.id, format!("{}-tuned", before.id));
    let names =
        |package: &ModelPackage| package.labels.iter().map(|l| (l.value, l.name.clone())).collect::<Vec<_>>();
    assert_eq!(names(&package), names(&before));
    let card = std::fs::read_to_string(outcome.package.join("card.md")).unwrap();
    for told in [
        &format!("Before: {} (`{}`", before.title, before.id),
        "2 patients for training",
        "ResidualEncoderUNet",
    ] {
        assert!(card.contains(told), "{told}: {card}");
    }
    assert!(package.provenance.data.contains(&before.id), "{}", package.provenance.data);
    let case = nested("d", 1);
    let run = PredictOptions { device: DeviceChoice::Cpu, label_map: true, ..Default::default() };
    let found = predict(&case.volume, &package, &run, &Progress::new()).unwrap();
    assert!(!found.rois.is_empty() && found.labels.is_some());
}

#[test]
fn a_model_of_two_channels_in_two_dimensions_goes_on_where_it_was_stopped_to_the_bit() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let patients = Made::new(two_channels);
    let (package, events, outcome) = trained("res2d", &patients, folders[0].path(), 60);
    let losses = losses(&events);
    println!("losses {losses:?}, {:?}", outcome.organs);
    assert!(losses.last().unwrap() < &(0.7 * losses[0]), "{losses:?}");
    let dice: Vec<f64> = outcome.organs.iter().map(|organ| organ.mean).collect();
    assert!(dice.len() == 3 && dice.iter().all(|dice| *dice > 0.5), "{:?}", outcome.organs);

    let mut recipe = Recipe::of_package(&package).unwrap();
    recipe.training.steps = 60;
    (recipe.training.learning_rate, recipe.training.warmup_steps) = (5e-3, 5);
    let progress = Progress::new();
    let stop = |event: &Event| {
        if matches!(event, Event::Steps { .. }) {
            progress.cancel();
        }
    };
    let second = options(folders[1].path());
    let stopped = train(&recipe, Some(&package), &patients, &second, &stop, &progress).unwrap();
    assert!(!stopped.finished && stopped.step == 10, "{stopped:?}");
    train(&recipe, Some(&package), &patients, &second, &|_| {}, &Progress::new()).unwrap();
    let bytes = folders.each_ref().map(|folder| std::fs::read(folder.path().join(CHECKPOINT)).unwrap());
    let numbers = bytes.map(|bytes| crate::ai::package::read_safetensors(&bytes).unwrap());
    assert!(numbers[0] == numbers[1], "bit for bit");
    // Another model does not go on with it.
    let error = train(&recipe, None, &patients, &second, &|_| {}, &Progress::new()).unwrap_err();
    assert!(error.to_string().contains("the model to begin with"), "{error}");
    let other = fixture_package("torchres");
    let error = train(&recipe, Some(&other), &patients, &second, &|_| {}, &Progress::new()).unwrap_err();
    let text = error.to_string();
    // The window shows it as it is: no word of the command line.
    assert!(text.contains("with other weights or plans") && !text.contains("--"), "{text}");
}

#[test]
fn what_cannot_be_trained_further_is_refused_by_name_and_folds_are_told() {
    let cascade = ModelPackage::load(&fixture("cascade/nnUNetTrainer__nnUNetPlans__3d_cascade_fullres"));
    let refused = Recipe::of_package(&cascade.unwrap()).unwrap_err().to_string();
    assert!(refused.contains("second stage of a cascade") && refused.contains("first stage"), "{refused}");

    let refused = Recipe::of_package(&fixture_package("prelu")).unwrap_err().to_string();
    assert!(refused.contains("PReLU"), "{refused}");

    let two = ModelPackage::load(&fixture("cascade/nnUNetTrainer__nnUNetPlans__3d_lowres")).unwrap();
    let recipe = Recipe::of_package(&two).unwrap();
    let step = step_of(&two, &recipe);
    let task = Task::new(&recipe, Some(&two)).unwrap();
    let notes = task.notes(&step.parameters);
    assert!(notes.len() == 1 && notes[0].contains("of its 2 folds only fold 0"), "{notes:?}");
    let second = two.with_folds(&["1".to_owned()]).unwrap();
    assert_eq!(Recipe::of_package(&second).unwrap().nnunet.unwrap().fold, "1");

    let normalised = fixture_package("batchnorm");
    let recipe = Recipe::of_package(&normalised).unwrap();
    let step = step_of(&normalised, &recipe);
    let task = Task::new(&recipe, Some(&normalised)).unwrap();
    assert!(task.notes(&step.parameters)[0].contains("running statistics"));

    // A patch that the strides do not divide is refused, one that they do is taken.
    let mut recipe = Recipe::of_package(&normalised).unwrap();
    recipe.set_patch([16, 24, 15]).unwrap();
    let refused = Task::new(&recipe, Some(&normalised)).err().unwrap().to_string();
    assert!(refused.contains("[16, 24, 15]") && refused.contains("[2, 4, 4]"), "{refused}");
    recipe.set_patch([8, 16, 16]).unwrap();
    assert!(Task::new(&recipe, Some(&normalised)).is_ok());
    assert_eq!(Recipe::parse(&recipe.text()).unwrap(), recipe, "written and read again");
}
