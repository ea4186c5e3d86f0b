//! The steps on the way to the labels, each beside nnunetv2's own: from the library for every fixture there
//! is, and from the files that the command line writes.

use super::arrays::{npy, npz};
use super::{BATCHNORM, Fixture, RES2D, channel, skip, worst_logit, worst_of_every_2nd};
use delineo::ai::engine::gpu_name;
use delineo::ai::nnunet::steps::{Frame, Step, steps};
use delineo::ai::{ModelPackage, PredictOptions};
use delineo::device::DeviceChoice;
use delineo::formats::nifti::read_image;
use delineo::progress::Progress;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What was handed over: sizes, input, the tile's logits, all logits.
struct Taken {
    frame: Frame,
    input: Vec<f32>,
    tile: Vec<f32>,
    logits: Vec<f32>,
}

fn taken(
    images: &[PathBuf],
    package: &ModelPackage,
    device: DeviceChoice,
    tile: Option<[usize; 3]>,
) -> Taken {
    let volume = read_image(&images[0], &Progress::new()).unwrap().series.volume;
    let options = PredictOptions {
        device,
        no_mirror: true,
        channels: images.iter().map(|image| channel(image).0).collect(),
        ..PredictOptions::default()
    };
    let mut taken = None;
    let mut take = |step: Step<'_>| {
        match step {
            Step::Input { values, frame } => {
                let (frame, input) = (frame.clone(), values.to_vec());
                taken = Some(Taken { frame, input, tile: Vec::new(), logits: Vec::new() });
            }
            Step::Tile { logits, .. } => taken.as_mut().unwrap().tile.extend_from_slice(logits),
            Step::Plane { index, logits, .. } => {
                let taken = taken.as_mut().unwrap();
                assert_eq!(index * logits.len(), taken.logits.len());
                taken.logits.extend_from_slice(logits);
            }
        }
        Ok(())
    };
    let warnings = steps(&volume, package, &options, tile, &mut take, &Progress::new()).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    taken.unwrap()
}

/// The prepared image within 1e-4, logits within 1e-3, as the fixtures allow.
fn every_step_is_nnunetv2_s(device: DeviceChoice) {
    for fixture in Fixture::all() {
        let package = ModelPackage::load(&fixture.training).unwrap();
        let tile_file = fixture.expected("tile_fold0.npz");
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "voxel numbers")]
        let start: Vec<usize> = npz(&tile_file, "start").values.into_iter().map(|n| n as usize).collect();
        // Of a 2D network it has two numbers, or the slice before them.
        let start: [usize; 3] = match start.as_slice() {
            [y, x] => [0, *y, *x],
            all => all.try_into().unwrap(),
        };
        let first = package.nnunet.as_ref().unwrap().fold_names()[0].clone();
        let one = package.clone().with_folds(&[first]).unwrap();
        let Taken { frame, input, tile, .. } = taken(&fixture.images(), &one, device, Some(start));
        let theirs = npz(&fixture.expected("preprocessed.npz"), "data");
        assert_eq!((frame.channels, frame.geometry.size), (theirs.shape[0], theirs.size()));
        let pairs = input.iter().zip(&theirs.values);
        let of_input = pairs.map(|(own, theirs)| (f64::from(*own) - theirs).abs()).fold(0.0, f64::max);
        let of_tile = worst_logit(&npz(&tile_file, "logits_every_2nd"), frame.patch, &tile);

        let all = taken(&fixture.images(), &package, device, None);
        let theirs = npz(&fixture.expected("logits_f32acc_every_2nd_nomirror.npz"), "logits");
        let of_logits = worst_logit(&theirs, frame.geometry.size, &all.logits);
        println!(
            "{}: input differs by at most {of_input:.1e}, a tile's logits by {of_tile:.1e}, all logits by {of_logits:.1e}",
            fixture.case
        );
        assert!(of_input < 1e-4 && of_tile < 1e-3 && of_logits < 1e-3);
    }
}

#[test]
fn every_step_of_every_fixture_is_nnunetv2_s() {
    every_step_is_nnunetv2_s(DeviceChoice::Cpu);
}

#[test]
fn every_step_of_every_fixture_is_nnunetv2_s_on_the_gpu() {
    if gpu_name().is_some() {
        every_step_is_nnunetv2_s(DeviceChoice::Gpu);
    } else {
        skip::skipped("no adapter");
    }
}

fn contour(arguments: &[&Path], more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_delineo"))
        .arg("contour")
        .args(arguments)
        .args(["--device", "cpu", "--no-mirror"])
        .args(more)
        .output()
        .unwrap()
}

#[test]
fn the_command_line_writes_each_step_as_an_array() {
    for own in [BATCHNORM, RES2D] {
        let folder = tempfile::tempdir().unwrap();
        let steps = folder.path().join("new/steps");
        let (images, training) = (own.images(), own.training());
        let further = images.get(1).map(|path| format!("1={}", path.display()));
        let mut more: Vec<&str> = vec!["--json"];
        more.extend(further.iter().flat_map(|channel| ["--channel", channel.as_str()]));
        let arguments: [&Path; 5] =
            [&images[0], "--model".as_ref(), &training, "--steps-to".as_ref(), &steps];
        let output = contour(&arguments, &more);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let _: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let read = |name: &str| npy(&std::fs::read(steps.join(name)).unwrap());
        let text = std::fs::read(steps.join("steps.json")).unwrap();
        let text: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let shape = |step: &str| -> Vec<usize> {
            let sides = text[step]["shape"].as_array().unwrap().iter();
            sides.map(|side| usize::try_from(side.as_u64().unwrap()).unwrap()).collect()
        };

        let logits = read("logits.npy");
        let expected = npz(&own.folder().join("logits.npz"), "logits");
        let size = logits.size();
        assert_eq!((shape("logits"), logits.shape[0]), (logits.shape.clone(), expected.shape[0]));
        let voxels: usize = size.iter().product();
        let worst = worst_of_every_2nd(&expected, size, |class, voxel| logits.values[class * voxels + voxel]);
        println!("{}: logits.npy differs by at most {worst:.1e}", own.name);
        assert!(worst < 2e-4, "{worst}");

        let input = read("preprocessed.npy");
        assert_eq!((shape("preprocessed"), input.shape[0]), (input.shape.clone(), own.channels));
        assert_eq!(input.size(), size);
        let tile = read("tile_logits.npy");
        assert_eq!((shape("tile"), tile.shape[0]), (tile.shape.clone(), logits.shape[0]));
        assert!(tile.values.iter().any(|logit| logit.abs() > 0.1));

        // What is there stays unless it may be overwritten; a tile outside is refused.
        let again = contour(&arguments, &more);
        assert_eq!(again.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&again.stderr).contains("--force"));
        more.extend(["--force", "--tile", "0,0,5000"]);
        let outside = contour(&arguments, &more);
        assert_eq!(outside.status.code(), Some(1));
        let told = String::from_utf8_lossy(&outside.stderr).into_owned();
        assert!(told.contains("does not lie in the padded input"), "{told}");
        assert_eq!(read("logits.npy"), logits, "a refused run leaves what was there");
    }
}

#[test]
fn models_of_another_kind_have_no_such_steps() {
    let folder = tempfile::tempdir().unwrap();
    let image = BATCHNORM.images().remove(0);
    for model in ["head-neck", "body"] {
        let model_name: &Path = model.as_ref();
        let steps = folder.path().join(model);
        let output =
            contour(&[&image, "--model".as_ref(), model_name, "--steps-to".as_ref(), &steps], &["--json"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains("nnU-Net"), "{told}");
        assert!(std::fs::read_dir(&steps).map_or(0, Iterator::count) == 0, "nothing is written");
    }
}
