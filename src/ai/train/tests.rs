//! One step against PyTorch and finite differences; whole runs on tiny patients.

use super::graph::{Graph, Parameters};
use super::loss::Truth;
use super::measure::measure;
use super::optimiser::Optimiser;
use super::run::Step;
use super::sampler::Batch;
use super::sampler::tests::tiny_recipe;
use super::*;
use crate::ai::network::{Architecture, EncoderKind, Parameter};
use crate::ai::package::read_safetensors;
use crate::ai::{ModelPackage, PredictOptions, predict};
use crate::device::DeviceChoice;
use crate::geometry::{Grid, Plane, Point3, Vector3};
use crate::patient::{Slice, Unit, Volume, Voxels};
use crate::progress::Progress;
use burn::tensor::Device;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The network of models/training/step_fixture.py.
fn fixture_network() -> Architecture {
    let strides = vec![[1, 1, 1], [1, 2, 2], [2, 2, 2]];
    let kernels = vec![[1, 3, 3], [3, 3, 3], [3, 3, 3]];
    Architecture::plain(1, vec![4, 6, 8], strides, kernels, 2, 4)
}

fn tensors(name: &str) -> BTreeMap<String, Parameter> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    read_safetensors(&std::fs::read(path).unwrap()).unwrap()
}

fn fixture() -> BTreeMap<String, Parameter> {
    tensors("training_step.safetensors")
}

fn named(all: &BTreeMap<String, Parameter>, prefix: &str) -> BTreeMap<String, Parameter> {
    let strip = |(name, p): (&String, &Parameter)| Some((name.strip_prefix(prefix)?.to_owned(), p.clone()));
    all.iter().filter_map(strip).collect()
}

fn fixture_step(device: &Device) -> (Step, Batch, Training) {
    let all = fixture();
    let parameters = Parameters::of(named(&all, "weights/"));
    let graph = Graph::new(&fixture_network(), 2, &parameters).unwrap();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "labels")]
    let labels = all["labels"].values.iter().map(|label| *label as u16).collect();
    let known = all["known"].values.chunks(4).map(|row| row.iter().map(|k| *k > 0.5).collect()).collect();
    let truth = Truth { labels, size: [8, 8, 12], known, regions: false };
    let mut training = tiny_recipe().training;
    (training.heads, training.clip_gradient) = (2, 3.0);
    (Step::new(graph, parameters, device), Batch { image: all["image"].values.clone(), truth }, training)
}

/// The greatest difference of a set of tensors to the fixture's, as a share of the greatest value.
fn worst(found: &[Vec<f32>], names: &[String], expected: &BTreeMap<String, Parameter>) -> f32 {
    let mut worst = 0.0_f32;
    for (values, name) in found.iter().zip(names) {
        let expected = &expected[name].values;
        assert_eq!(values.len(), expected.len(), "{name}");
        let greatest = expected.iter().fold(1e-3_f32, |top, value| top.max(value.abs()));
        for (value, expected) in values.iter().zip(expected) {
            assert!(value.is_finite(), "{name}");
            worst = worst.max((value - expected).abs() / greatest);
        }
    }
    worst
}

fn values_of(tensors: Vec<Option<burn::tensor::Tensor<1>>>) -> Vec<Vec<f32>> {
    checkpoint::download(&tensors.into_iter().map(Option::unwrap).collect::<Vec<_>>()).unwrap()
}

fn agrees_with_pytorch(device: &Device) {
    let all = fixture();
    let (step, batch, mut training) = fixture_step(device);
    for (kind, log_dice) in [("", false), ("log_", true)] {
        training.log_dice = log_dice;
        let (loss, gradients, _) = step.gradients(&batch, &training).unwrap();
        let expected = f64::from(all[&format!("{kind}loss")].values[0]);
        assert!((loss - expected).abs() < 1e-5, "loss {loss}, PyTorch {expected}");
        let gradients = values_of(gradients);
        let off = worst(&gradients, &step.parameters.names, &named(&all, &format!("{kind}gradients/")));
        assert!(off < 2e-4, "a gradient is off by {off} of the greatest");
    }
}

#[test]
fn loss_and_gradients_are_pytorch_s() {
    agrees_with_pytorch(&Device::flex());
}

#[test]
#[ignore = "a software driver tunes its kernels for minutes; run it where there is a GPU"]
fn loss_and_gradients_are_pytorch_s_on_the_graphics_device() {
    if crate::ai::engine::with_gpu_device(agrees_with_pytorch).is_none() {
        eprintln!("skipped: no adapter");
    }
}

/// The networks of tests/python/nnunet_step.py: plain of regions, residual of labels.
fn nnunet_network(regions: bool) -> Architecture {
    let strides = vec![[1, 1, 1], [1, 2, 2], [2, 2, 2]];
    let kernels = vec![[1, 3, 3], [3, 3, 3], [3, 3, 3]];
    let plain = Architecture {
        encoder_depths: vec![1, 2, 1],
        decoder_convs: vec![1, 2],
        ..Architecture::plain(1, vec![4, 5, 6], strides, kernels, 1, 3)
    };
    if regions {
        return plain;
    }
    Architecture {
        kind: EncoderKind::Residual,
        input_channels: 2,
        stem: 4,
        classes: 4,
        conv_bias: false,
        ..plain
    }
}

#[test]
fn loss_and_gradients_of_labels_and_of_regions_are_nnu_net_s() {
    for (kind, regions) in [("labels", false), ("regions", true)] {
        let all = named(&tensors("nnunet_step.safetensors"), &format!("{kind}/"));
        let parameters = Parameters::of(named(&all, "weights/"));
        let graph = Graph::new(&nnunet_network(regions), 2, &parameters).unwrap();
        let step = Step::new(graph, parameters, &Device::flex());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "labels")]
        let labels = all["truth"].values.iter().map(|label| *label as u16).collect();
        let truth = Truth { labels, size: [8, 8, 12], known: vec![vec![true; 4]; 2], regions };
        let batch = Batch { image: all["image"].values.clone(), truth };
        let (loss, gradients, _) = step.gradients(&batch, &tiny_recipe().training).unwrap();
        // Dice is taken off there; here what it lacks is added.
        let expected = f64::from(all["loss"].values[0]) + 1.0;
        assert!((loss - expected).abs() < 1e-5, "{kind}: loss {loss}, nnU-Net {expected}");
        let off = worst(&values_of(gradients), &step.parameters.names, &named(&all, "gradients/"));
        println!("{kind}: gradients are off by at most {off:.1e} of the greatest");
        assert!(off < 2e-4, "{kind}: a gradient is off by {off} of the greatest");
    }
}

#[test]
fn a_step_of_adamw_is_pytorch_s() {
    let all = fixture();
    let (mut step, batch, mut training) = fixture_step(&Device::flex());
    (training.learning_rate, training.weight_decay) = (1e-2, 1e-2);
    (training.warmup_steps, training.decay_share) = (0, 0.0);
    let (_, _, norm) = step.gradients(&batch, &training).unwrap();
    // The fixture's norm is that of the last gradients, of the logarithmic loss.
    training.log_dice = true;
    let (_, _, log_norm) = step.gradients(&batch, &training).unwrap();
    assert!(norm > 0.0 && (log_norm - f64::from(all["norm"].values[0])).abs() < 1e-4, "{log_norm}");
    assert!(step.run(&batch, 5, 100, &training).unwrap().updated);
    let weights = checkpoint::download(&step.optimiser.weights).unwrap();
    let expected = named(&all, "after/");
    // A first step moves each weight by the rate against the sign of its gradient; where that is all
    // but zero the sign is chance.
    let moved = weights.iter().zip(&step.parameters.names).flat_map(|(own, name)| {
        own.iter().zip(&expected[name].values).map(|(a, b)| (a - b).abs()).collect::<Vec<_>>()
    });
    let moved: Vec<f32> = moved.collect();
    let alike = moved.iter().filter(|difference| **difference < 1e-4).count();
    assert!(alike * 1000 >= moved.len() * 998, "{alike} of {}", moved.len());
}

/// The loss's slope along its gradient, by steps of length `h` both ways, and the gradient's norm, which the
/// slope is: (L(+h) - L(-h)) / 2 h.
pub(super) fn slope_and_norm(step: &mut Step, batch: &Batch, training: &Training, h: f64) -> (f64, f64) {
    let (_, gradients, norm) = step.gradients(batch, training).unwrap();
    let gradients = values_of(gradients);
    let start = step.parameters.values.clone();
    let mut at = |h: f64| {
        #[expect(clippy::cast_possible_truncation, reason = "weights are float32")]
        let moved: Vec<Vec<f32>> = start
            .iter()
            .zip(&gradients)
            .map(|(w, g)| w.iter().zip(g).map(|(w, g)| w + (h / norm) as f32 * g).collect())
            .collect();
        step.optimiser = Optimiser::new(Parameters::upload(&moved, &Device::flex()), &Device::flex());
        step.gradients(batch, training).unwrap().0
    };
    ((at(h) - at(-h)) / (2.0 * h), norm)
}

#[test]
fn gradients_are_the_slope_of_the_loss() {
    let (mut step, batch, training) = fixture_step(&Device::flex());
    let (slope, norm) = slope_and_norm(&mut step, &batch, &training, 5e-3);
    assert!((slope / norm - 1.0).abs() < 0.01, "slope {slope}, norm {norm}");
}

/// A body of 36 x 36 x 30 voxels of 6 mm with two bright blocks, told apart by side and value.
fn case(id: &str, shift: usize) -> Case {
    let dims = [36, 36, 30];
    let steps = [Vector3::x() * 6.0, Vector3::y() * 6.0, Vector3::z() * 6.0];
    let grid = Grid::new(dims, Point3::origin(), steps).unwrap();
    let mut hu = vec![-1000_i16; grid.len()];
    let mut labels = vec![0_u16; grid.len()];
    for (place, (hu, label)) in hu.iter_mut().zip(&mut labels).enumerate() {
        let [i, j, k] = [place % 36, place / 36 % 36, place / (36 * 36)];
        let (x, y) = (i as f64 - 17.5, j as f64 - 17.5);
        if x * x + y * y < 15.0 * 15.0 {
            *hu = 20;
            if (10 + shift..18 + shift).contains(&k) && (14..22).contains(&j) {
                (*hu, *label) = match i {
                    8..=14 => (-120, 2),
                    21..=27 => (400, 1),
                    _ => (20, 0),
                };
            }
        }
    }
    let slices = (0..30)
        .map(|k| {
            let origin_mm = Point3::new(0.0, 0.0, f64::from(k) * 6.0);
            let plane = Plane::new(origin_mm, steps[0], steps[1]).unwrap();
            Slice { plane, origin_mm, instance: None, missing: false }
        })
        .collect();
    let volume = Volume { grid, voxels: Voxels::I16(hu), unit: Unit::Hu, slices, native: None };
    Case {
        id: id.into(),
        volume: Arc::new(volume),
        channels: Vec::new(),
        labels,
        known: vec![true; 3],
        truncated: Vec::new(),
        remarks: Vec::new(),
    }
}

/// Patients that a function makes by their name and number: two to train on, one to validate.
pub(super) struct Made {
    train: Vec<String>,
    valid: Vec<String>,
    of: fn(&str, usize) -> Case,
}

impl Made {
    pub(super) fn new(of: fn(&str, usize) -> Case) -> Self {
        Self { train: vec!["a".into(), "b".into()], valid: vec!["c".into()], of }
    }
}

impl Patients for Made {
    fn train(&self) -> &[String] {
        &self.train
    }
    fn valid(&self) -> &[String] {
        &self.valid
    }
    fn divided_by(&self) -> Option<&str> {
        Some("hand")
    }
    fn remarks(&self) -> Vec<String> {
        vec!["c was never seen".to_owned()]
    }
    fn read(&self, id: &str, _: &Progress) -> Result<Case, String> {
        Ok((self.of)(id, usize::from(id == "b")))
    }
}

pub(super) fn options(out: &Path) -> Options {
    Options {
        out: out.to_owned(),
        device: DeviceChoice::Cpu,
        save_every: Duration::from_hours(1),
        validate_every: 0,
        validate_patients: 1,
    }
}

/// The same, but the validation patient is nothing but air.
fn case_of_air(id: &str, shift: usize) -> Case {
    let mut own = case(id, shift);
    if id == "c" {
        let mut volume = Volume::clone(&own.volume);
        volume.voxels = Voxels::I16(vec![-1000; volume.grid.len()]);
        own.volume = Arc::new(volume);
    }
    own
}

#[test]
fn a_validation_patient_who_could_not_be_scored_is_told() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/sample-body");
    let package = ModelPackage::load(&folder).unwrap();
    let patients = Made::new(case_of_air);
    let measured =
        measure(&package, &tiny_recipe(), &patients, 1, DeviceChoice::Cpu, &Progress::new()).unwrap();
    assert_eq!((measured.patients, measured.organs.len()), (0, 0));
    let [told] = measured.warnings.as_slice() else { panic!("{:?}", measured.warnings) };
    assert!(told.contains("patient c was not scored") && told.contains("no body"), "{told}");
}

#[test]
fn a_tiny_network_learns_and_its_package_contours() {
    let folder = tempfile::tempdir().unwrap();
    let mut recipe = tiny_recipe();
    // Patches that show an organ with its surroundings: within one, normalisation leaves nothing.
    recipe.set_patch([16; 3]).unwrap();
    recipe.network.as_mut().unwrap().features = vec![8, 12];
    (recipe.training.steps, recipe.training.log_dice) = (100, true);
    recipe.augment.mirror_x = false;
    let events = Mutex::new(Vec::new());
    let observe = |event: &Event| events.lock().unwrap().push(event.clone());
    let outcome =
        train(&recipe, None, &Made::new(case), &options(folder.path()), &observe, &Progress::new()).unwrap();
    assert!(outcome.finished && outcome.step == 100);
    let events = events.into_inner().unwrap();
    let kinds = |events: &[Event]| -> Vec<_> { events.iter().map(std::mem::discriminant).collect() };
    assert_eq!(kinds(&read_log(folder.path())), kinds(&events), "the log holds what was told");
    let is_told =
        |event: &Event| matches!(event, Event::Warning { message } if message == "c was never seen");
    assert_eq!(events.iter().filter(|event| is_told(event)).count(), 1);
    let losses: Vec<f64> = events
        .iter()
        .filter_map(|event| if let Event::Steps { loss, .. } = event { Some(*loss) } else { None })
        .collect();
    assert_eq!(losses.len(), 10);
    assert!(losses[9] < 0.6 * losses[0], "{losses:?}");
    let dice: Vec<f64> = outcome.organs.iter().map(|organ| organ.mean).collect();
    assert!(dice.len() == 2 && dice.iter().all(|dice| *dice > 0.6), "{:?}", outcome.organs);

    let package = ModelPackage::load(&outcome.package).unwrap();
    let other = case("d", 2);
    let found = predict(
        &other.volume,
        &package,
        &PredictOptions { device: DeviceChoice::Cpu, ..Default::default() },
        &Progress::new(),
    )
    .unwrap();
    let names: Vec<&str> = found.rois.iter().map(|roi| roi.name.as_str()).collect();
    assert_eq!(names, ["Lung_L", "Lung_R"]);
    let card = std::fs::read_to_string(outcome.package.join("card.md")).unwrap();
    assert!(
        card.contains("| Lung_L | 1 |")
            && card.contains("for validation, divided by hand.")
            && card.contains("How to verify locally"),
        "{card}"
    );
    let chapters: Vec<&str> = card.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(
        chapters,
        ["Intended use", "Results", "Where it fails", "How to verify locally", "Data and licence", "Recipe"]
    );
    // All steps are done: the same call only writes the package again.
    let again =
        train(&recipe, None, &Made::new(case), &options(folder.path()), &|_| {}, &Progress::new()).unwrap();
    assert_eq!((again.step, again.loss), (100, None));
}

/// The checkpoint's numbers; not the seconds that it took.
fn numbers(folder: &Path) -> BTreeMap<String, Parameter> {
    read_safetensors(&std::fs::read(folder.join(CHECKPOINT)).unwrap()).unwrap()
}

#[test]
fn a_run_that_was_stopped_ends_as_an_unbroken_one_to_the_bit() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let recipe = tiny_recipe();
    let patients = Made { valid: Vec::new(), ..Made::new(case) };
    train(&recipe, None, &patients, &options(folders[0].path()), &|_| {}, &Progress::new()).unwrap();

    let progress = Progress::new();
    let stop = |event: &Event| {
        if matches!(event, Event::Steps { .. }) {
            progress.cancel();
        }
    };
    let second = options(folders[1].path());
    let stopped = train(&recipe, None, &patients, &second, &stop, &progress).unwrap();
    assert!(!stopped.finished && stopped.step == 10, "{stopped:?}");
    assert!(ModelPackage::load(&stopped.package).is_ok(), "there is a package at any checkpoint");
    assert_eq!(saved_step(second.out.as_path()), Some(10), "it is seen without reading the weights");
    assert_eq!(saved_step(&second.out.join("nowhere")), None);
    let rest = Progress::new();
    let done = train(&recipe, None, &patients, &second, &|_| {}, &rest).unwrap();
    assert!(done.finished);
    // The bar begins at what is done, not at nothing.
    let begun =
        rest.told().into_iter().map(|(fraction, _)| fraction).find(|fraction| *fraction > 0.0).unwrap();
    assert!((begun - 10.0 / recipe.training.steps as f64).abs() < 1e-12, "{begun}");
    assert!(numbers(folders[0].path()) == numbers(folders[1].path()), "bit for bit");

    // Another recipe does not go on in the same folder.
    let mut other = tiny_recipe();
    other.augment.hu_noise = 99.0;
    let error = train(&other, None, &patients, &second, &|_| {}, &Progress::new()).unwrap_err();
    assert!(error.to_string().contains("another recipe"), "{error}");
}
