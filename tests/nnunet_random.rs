//! nnU-Net's numerics on small random arrays of odd shapes, against what nnunetv2 made of them
//! (tests/python/nnunet_numerics.py): thick axes, single voxels, all orders and normalisations,
//! transposed axes, several channels, label maps, regions, 2D patches.

#[path = "shared/arrays.rs"]
#[allow(dead_code, missing_docs, reason = "each test binary uses its own part")]
mod arrays;

use arrays::{Array, npz};
use delineo::ai::nnunet::export::{Decision, Export};
use delineo::ai::nnunet::gaussian::gaussian;
use delineo::ai::nnunet::labels::resample_labels;
use delineo::ai::nnunet::normalize::Normalization;
use delineo::ai::nnunet::preprocess::{Geometry, Preprocessing, PreviousStage, preprocess};
use delineo::ai::nnunet::resample::{Order, Resampling, resample};
use delineo::ai::nnunet::window::{Window, run, starts};
use delineo::ai::nnunet::zoom::zoom;
use delineo::progress::Progress;
use serde_json::Value;
use std::path::PathBuf;

/// The committed cases, or others (`DELINEO_NNUNET_CASES`).
fn file() -> PathBuf {
    let own = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/nnunet_numerics.npz");
    std::env::var_os("DELINEO_NNUNET_CASES").map_or_else(own, PathBuf::from)
}

/// The cases of a kind.
fn cases(kind: &str) -> Vec<Value> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes of JSON")]
    let text: Vec<u8> = npz(&file(), "cases").values.iter().map(|byte| *byte as u8).collect();
    let Value::Array(all) = serde_json::from_slice(&text).unwrap() else { panic!("a list of cases") };
    let found: Vec<Value> = all.into_iter().filter(|case| case["kind"] == kind).collect();
    assert!(!found.is_empty());
    found
}

fn array(case: &Value, name: &str) -> Array {
    npz(&file(), case[name].as_str().unwrap_or_else(|| panic!("{name} of {case}")))
}

fn reals(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

fn mm(value: &Value) -> [f64; 3] {
    reals(value).try_into().unwrap()
}

fn sizes(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|value| usize::try_from(value.as_u64().unwrap()).unwrap()).collect()
}

fn three(value: &Value) -> [usize; 3] {
    sizes(value).try_into().unwrap()
}

fn resampling(case: &Value) -> Resampling {
    let order = |name: &str| Order::of_number(case[name].as_u64().unwrap()).unwrap();
    Resampling {
        order: order("order"),
        order_z: order("order_z"),
        force_separate_z: case["force"].as_bool(),
        ..Resampling::LOGITS
    }
}

fn labels(array: &Array) -> Vec<i16> {
    #[expect(clippy::cast_possible_truncation, reason = "small labels")]
    array.values.iter().map(|value| *value as i16).collect()
}

/// The greatest difference, as a share of the greatest value.
fn difference(ours: &[f32], theirs: &Array) -> f32 {
    assert_eq!(ours.len(), theirs.values.len());
    let theirs = theirs.singles();
    let scale = theirs.iter().fold(1.0_f32, |scale, value| scale.max(value.abs()));
    ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs() / scale).fold(0.0, f32::max)
}

#[test]
fn images_are_resampled_alike() {
    let mut greatest = 0.0_f32;
    for case in cases("image") {
        let (data, done) = (array(&case, "data"), array(&case, "done"));
        let spacing = [mm(&case["mm"][0]), mm(&case["mm"][1])];
        let to = three(&case["to"]);
        let ours =
            resample(&data.singles(), data.size(), to, spacing, resampling(&case), &Progress::new()).unwrap();
        let difference = difference(&ours, &done);
        assert!(difference < 1e-6, "{difference}: {case}");
        greatest = greatest.max(difference);
    }
    println!("images differ by at most {greatest:e} of their range");
}

#[test]
fn images_are_zoomed_alike() {
    let mut greatest = 0.0_f32;
    for case in cases("zoom") {
        let (data, done) = (array(&case, "data"), array(&case, "done"));
        let order = Order::of_number(case["order"].as_u64().unwrap()).unwrap();
        let ours = zoom(&data.singles(), data.size(), three(&case["to"]), order, &Progress::new()).unwrap();
        let difference = difference(&ours, &done);
        assert!(difference < 1e-6, "{difference}: {case}");
        greatest = greatest.max(difference);
    }
    println!("zoomed images differ by at most {greatest:e} of their range");
}

#[test]
fn label_maps_are_resampled_alike() {
    for case in cases("labels") {
        let (data, done) = (array(&case, "data"), array(&case, "done"));
        let spacing = [mm(&case["mm"][0]), mm(&case["mm"][1])];
        let ours = resample_labels(
            &labels(&data),
            data.size(),
            three(&case["to"]),
            spacing,
            resampling(&case),
            &Progress::new(),
        );
        assert_eq!(ours.unwrap(), labels(&done), "{case}");
    }
}

fn normalization(case: &Value, channel: usize) -> Normalization {
    let real = |name: &str| case["intensity"][name].as_f64().unwrap();
    match case["schemes"][channel].as_str().unwrap() {
        "CTNormalization" => Normalization::Ct {
            low: real("percentile_00_5"),
            high: real("percentile_99_5"),
            mean: real("mean"),
            std: real("std"),
        },
        "ZScoreNormalization" => Normalization::ZScore { masked: case["masked"][channel].as_bool().unwrap() },
        "RescaleTo01Normalization" => Normalization::RescaleTo01,
        "RGBTo01Normalization" => Normalization::RgbTo01,
        "NoNormalization" => Normalization::None,
        other => panic!("{other}"),
    }
}

#[test]
fn inputs_are_made_alike() {
    let mut greatest = 0.0_f32;
    for case in cases("preprocess") {
        let (data, done) = (array(&case, "data"), array(&case, "done"));
        let values = data.singles();
        let channels: Vec<&[f32]> = values.chunks_exact(values.len() / data.shape[0]).collect();
        let plan = Preprocessing {
            transpose_forward: three(&case["forward"]),
            spacing_mm: reals(&case["spacing"]),
            normalization: (0..channels.len()).map(|channel| normalization(&case, channel)).collect(),
            resampling: Some(Resampling::IMAGE),
        };
        let map = case["previous"].as_str().map(|_| labels(&array(&case, "previous")));
        let previous = map.as_ref().map(|labels| PreviousStage {
            labels,
            foreground: &[1, 2, 3],
            resampling: Resampling::LOGITS,
        });
        let spacing = mm(&case["mm"]);
        let ours = preprocess(&channels, data.size(), spacing, &plan, previous, &Progress::new()).unwrap();
        assert_eq!((ours.channels, ours.geometry.size), (done.shape[0], done.size()), "{case}");
        for axis in 0..3 {
            let low = ours.geometry.low[axis];
            assert_eq!(vec![low, low + ours.geometry.cropped[axis]], sizes(&case["box"][axis]), "{case}");
        }
        let voxels: usize = done.size().iter().product();
        for (ours, theirs) in ours.values.chunks_exact(voxels).zip(done.values.chunks_exact(voxels)) {
            let theirs = Array { shape: vec![voxels], values: theirs.to_vec() };
            let difference = difference(ours, &theirs);
            assert!(difference < 1e-6, "{difference}: {case}");
            greatest = greatest.max(difference);
        }
    }
    println!("inputs differ by at most {greatest:e} of their range");
}

#[test]
fn logits_come_back_alike() {
    let mut greatest = 0.0_f64;
    let (mut other, mut all) = (0, 0);
    for case in cases("export") {
        let (logits, seg, probabilities) =
            (array(&case, "logits"), array(&case, "seg"), array(&case, "probabilities"));
        let geometry = Geometry {
            image_size: three(&case["full"]),
            transpose_forward: three(&case["forward"]),
            low: three(&case["low"]),
            cropped: three(&case["cropped"]),
            image_spacing_mm: mm(&case["image_mm"]),
            size: logits.size(),
            spacing_mm: mm(&case["target"]),
        };
        let classes = logits.shape[0];
        let decision = match case["regions"].as_array() {
            Some(_) => Decision::Regions(labels_of(&case["regions"])),
            None => Decision::Classes(classes),
        };
        let export = Export::new(geometry, three(&case["backward"]), Resampling::LOGITS, decision).unwrap();
        let mut slices = export.slices_to(|slice| {
            let shares: Vec<Vec<f32>> = (0..slice.labels().len()).map(|at| slice.probabilities(at)).collect();
            (shares, slice.into_labels())
        });
        let [nz, ny, nx] = logits.size();
        let values = logits.singles();
        for z in 0..nz {
            let value = |n: usize| values[(n % classes * nz + z) * ny * nx + n / classes];
            slices.push(z, &(0..ny * nx * classes).map(value).collect::<Vec<f32>>());
        }
        let slices = slices.finish();
        let ours: Vec<f64> =
            slices.iter().flat_map(|(_, labels)| labels).map(|label| f64::from(*label)).collect();
        assert_eq!(seg.size(), export_size(&case));
        other += ours.iter().zip(&seg.values).filter(|(a, b)| a != b).count();
        all += ours.len();
        let voxels = ours.len();
        for (at, shares) in slices.iter().flat_map(|(shares, _)| shares).enumerate() {
            for (class, share) in shares.iter().enumerate() {
                greatest =
                    greatest.max((f64::from(*share) - probabilities.values[class * voxels + at]).abs());
            }
        }
    }
    println!("{other} of {all} labels differ, probabilities by at most {greatest:e}");
    assert_eq!(other, 0);
    assert!(greatest < 2e-3, "{greatest}");
}

fn labels_of(value: &Value) -> Vec<u16> {
    sizes(value).into_iter().map(|label| u16::try_from(label).unwrap()).collect()
}

fn export_size(case: &Value) -> [usize; 3] {
    three(&case["full"])
}

/// Class n is (n + 1) times the sum of the channels, and n - 1 times a ramp over the patch's axes.
fn ramp(tile: &[f32], patch: [usize; 3], axes: usize) -> Vec<f32> {
    let voxels: usize = patch.iter().product();
    let mut logits = Vec::with_capacity(3 * voxels);
    for at in 0..voxels {
        let total: f32 = tile.chunks_exact(voxels).map(|channel| channel[at]).sum();
        let place = [at / patch[2] / patch[1], at / patch[2] % patch[1], at % patch[2]];
        let ramp: usize = place[3 - axes..].iter().enumerate().map(|(axis, at)| (axis + 1) * at).sum();
        logits.extend([0.0_f32, 1.0, 2.0].map(|n| (n + 1.0) * total + (n - 1.0) * ramp as f32));
    }
    logits
}

#[test]
fn windows_run_alike() {
    let mut greatest = 0.0_f32;
    for case in cases("window") {
        let (data, done) = (array(&case, "data"), array(&case, "done"));
        let (patch, mirror) = (sizes(&case["patch"]), sizes(&case["mirror"]));
        let window = Window {
            patch: &patch,
            step: case["step"].as_f64().unwrap(),
            mirror_axes: &mirror,
            mirror_swaps: &[],
            classes: 3,
            needed: None,
            background: true,
        };
        let mut ours = Vec::new();
        run(
            &data.singles(),
            data.size(),
            window,
            |tile, size| Ok::<_, ()>(ramp(tile, size, patch.len())),
            |_, plane| {
                ours.extend_from_slice(plane);
                Ok(())
            },
            &Progress::new(),
        )
        .unwrap();
        let voxels = ours.len() / 3;
        let by_class: Vec<f32> = (0..3)
            .flat_map(|class| (0..voxels).map(move |at| (class, at)))
            .map(|(class, at)| ours[at * 3 + class])
            .collect();
        let difference = difference(&by_class, &done);
        assert!(difference < 1e-5, "{difference}: {case}");
        greatest = greatest.max(difference);
    }
    println!("windows differ by at most {greatest:e} of their range");
}

#[test]
fn weights_and_tiles_are_alike() {
    for case in cases("weights") {
        let patch = three(&case["patch"]);
        assert_eq!(gaussian(patch), array(&case, "gaussian").singles(), "{case}");
        for axis in 0..3 {
            let size = three(&case["size"])[axis];
            assert_eq!(starts(size, patch[axis], 0.5), sizes(&case["starts"][axis]), "{case}");
        }
    }
}
