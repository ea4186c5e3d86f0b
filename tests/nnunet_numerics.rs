//! nnU-Net's numerics against what nnunetv2 itself computed (shared/fixtures/nnunet), step by step.

#[path = "shared/arrays.rs"]
#[allow(dead_code, missing_docs, reason = "each test binary uses its own part")]
mod arrays;

use arrays::{Array, fixture, nifti, npz};
use delineo::ai::nnunet::export::{Decision, Export};
use delineo::ai::nnunet::gaussian::gaussian;
use delineo::ai::nnunet::logits::Logits;
use delineo::ai::nnunet::normalize::Normalization;
use delineo::ai::nnunet::preprocess::{Preprocessed, Preprocessing, preprocess};
use delineo::ai::nnunet::resample::Resampling;
use delineo::ai::nnunet::window::{Window, run, starts};
use delineo::progress::Progress;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A training folder with what nnunetv2 made of its image.
struct Case {
    expected: PathBuf,
    image: Array,
    spacing_mm: [f64; 3],
    configuration: Value,
    plans: Value,
    classes: usize,
    stats: Value,
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn cases() -> Vec<Case> {
    let case = |folder: &str, training: &str, name: &str, configuration: &str| {
        let folder = fixture("nnunet")?.join(folder);
        let expected = folder.join("expected").join(name);
        let plans = json(&folder.join(training).join("plans.json"));
        let (image, spacing_mm) = nifti(&folder.join(format!("input/{name}_0000.nii.gz")));
        Some(Case {
            image,
            spacing_mm,
            configuration: plans["configurations"][configuration].clone(),
            classes: json(&folder.join(training).join("dataset.json"))["labels"].as_object().unwrap().len(),
            stats: json(&expected.join("stats.json")),
            plans,
            expected,
        })
    };
    [
        case(
            "plain_iso",
            "Dataset901_PlainIso/nnUNetTrainer__nnUNetPlans__3d_fullres",
            "ct_000",
            "3d_fullres",
        ),
        case(
            "lowres_mr_mask",
            "Dataset903_LowresMR/nnUNetTrainer__nnUNetPlans__3d_lowres",
            "mr_000",
            "3d_lowres",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn reals(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

fn sizes(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|value| usize::try_from(value.as_u64().unwrap()).unwrap()).collect()
}

impl Case {
    fn patch(&self) -> Vec<usize> {
        sizes(&self.configuration["patch_size"])
    }

    fn axes(&self, name: &str) -> [usize; 3] {
        sizes(&self.plans[name]).try_into().unwrap()
    }

    fn preprocessed(&self) -> Preprocessed {
        let intensity = &self.plans["foreground_intensity_properties_per_channel"]["0"];
        let real = |name: &str| intensity[name].as_f64().unwrap();
        let normalization = match self.configuration["normalization_schemes"][0].as_str().unwrap() {
            "CTNormalization" => Normalization::Ct {
                low: real("percentile_00_5"),
                high: real("percentile_99_5"),
                mean: real("mean"),
                std: real("std"),
            },
            "ZScoreNormalization" => Normalization::ZScore {
                masked: self.configuration["use_mask_for_norm"][0].as_bool().unwrap(),
            },
            other => panic!("{other}"),
        };
        let plan = Preprocessing {
            transpose_forward: self.axes("transpose_forward"),
            spacing_mm: reals(&self.configuration["spacing"]),
            normalization: vec![normalization],
            resampling: Some(Resampling::IMAGE),
        };
        let image = self.image.singles();
        preprocess(&[&image], self.image.size(), self.spacing_mm, &plan, None, &Progress::new()).unwrap()
    }

    fn export(&self) -> Export {
        let backward = self.axes("transpose_backward");
        let geometry = self.preprocessed().geometry;
        Export::new(geometry, backward, Resampling::LOGITS, Decision::Classes(self.classes)).unwrap()
    }
}

/// `[class][z][y][x]` to planes of `[y][x][class]`.
fn planes(logits: &Array) -> Vec<Vec<f32>> {
    let [nz, ny, nx] = logits.size();
    let classes = logits.shape[0];
    let values = logits.singles();
    let voxel = |z: usize, at: usize, class: usize| values[(class * nz + z) * ny * nx + at];
    (0..nz).map(|z| (0..ny * nx * classes).map(|n| voxel(z, n / classes, n % classes)).collect()).collect()
}

fn greatest_difference(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn the_weights_are_those_of_nnunet() {
    for case in cases() {
        let patch: [usize; 3] = case.patch().try_into().unwrap();
        let ours = gaussian(patch);
        let file = case.expected.join("gaussian_axes.npz");
        let [y, x] = [patch[1], patch[2]];
        let middle = patch.map(|side| side / 2);
        let at = |z: usize, j: usize, i: usize| ours[(z * y + j) * x + i];
        let axis = |name: &str, voxel: &dyn Fn(usize) -> f32| {
            let theirs = npz(&file, name).singles();
            let ours: Vec<f32> = (0..theirs.len()).map(voxel).collect();
            assert_eq!(ours, theirs, "{name}");
        };
        axis("axis0", &|i| at(i, middle[1], middle[2]));
        axis("axis1", &|i| at(middle[0], i, middle[2]));
        axis("axis2", &|i| at(middle[0], middle[1], i));
        let least = ours.iter().copied().fold(f32::INFINITY, f32::min);
        assert_eq!(f64::from(least), npz(&file, "min").values[0]);
        assert_eq!(
            ours.iter().filter(|weight| **weight == least).count() as u64,
            case.stats["gaussian_voxels_at_min"]
        );
    }
}

#[test]
fn the_networks_input_is_that_of_nnunet() {
    for case in cases() {
        let ours = case.preprocessed();
        let theirs = npz(&case.expected.join("preprocessed.npz"), "data");
        assert_eq!(ours.geometry.size, theirs.size());
        let properties = &case.stats["properties"];
        let box_of = |axis: usize| {
            vec![ours.geometry.low[axis], ours.geometry.low[axis] + ours.geometry.cropped[axis]]
        };
        for axis in 0..3 {
            assert_eq!(box_of(axis), sizes(&properties["bbox_used_for_cropping"][axis]));
        }
        let difference = greatest_difference(&ours.values, &theirs.singles());
        println!("{}: input differs by at most {difference:e}", case.expected.display());
        assert!(difference < 2e-6, "{difference}");
    }
}

#[test]
fn tiles_lie_where_nnunet_lays_them() {
    for case in cases() {
        let patch = case.patch();
        let size = sizes(&case.stats["preprocessed_shape"])[1..].to_vec();
        let padded = sizes(&case.stats["padded_shape"])[1..].to_vec();
        let theirs: Vec<Vec<usize>> =
            case.stats["slicers_start"].as_array().unwrap().iter().map(sizes).collect();
        let [z, y, x] = [0, 1, 2].map(|axis| starts(padded[axis], patch[axis], 0.5));
        let ours: Vec<Vec<usize>> = z
            .iter()
            .flat_map(|z| y.iter().map(move |y| (z, y)))
            .flat_map(|(z, y)| x.iter().map(move |x| vec![*z, *y, *x]))
            .collect();
        assert_eq!(ours, theirs);
        // A network that gives back what it sees, and where in the patch it sees it: the mean over
        // the tiles is the input again, and the padding lies where theirs does.
        let size: [usize; 3] = size.try_into().unwrap();
        let input: Vec<f32> = (0..size.iter().product()).map(|n: usize| (n % 251) as f32).collect();
        let mut tiles = Vec::new();
        let mut output = Vec::new();
        let window = Window {
            patch: &patch,
            step: 0.5,
            mirror_axes: &[0, 1, 2],
            mirror_swaps: &[],
            classes: 1,
            needed: None,
            background: true,
        };
        run(
            &input,
            size,
            window,
            |tile, _| {
                tiles.push(tile.to_vec());
                Ok::<_, ()>(tile.to_vec())
            },
            |z, plane| {
                assert_eq!(z * size[1] * size[2], output.len());
                output.extend_from_slice(plane);
                Ok(())
            },
            &Progress::new(),
        )
        .unwrap();
        assert_eq!(tiles.len(), 8 * theirs.len());
        assert!(greatest_difference(&output, &input) < 1e-4);
        let revert = &case.stats["revert_padding_slicer"];
        let below: Vec<usize> = (1..4).map(|axis| sizes(&revert[axis])[0]).collect();
        let first = (below[0] * patch[1] + below[1]) * patch[2] + below[2];
        assert_eq!(tiles[0][first..first + 4], input[..4]);
    }
}

#[test]
fn labels_and_probabilities_are_those_of_nnunet() {
    for case in cases() {
        let logits = npz(&case.expected.join("logits_preprocessed_nomirror.npz"), "logits");
        let export = case.export();
        let mut slices = export.slices_to(|slice| {
            let voxels = slice.labels().len();
            let probabilities: Vec<Vec<f32>> = (0..voxels).map(|at| slice.probabilities(at)).collect();
            (probabilities, slice.into_labels())
        });
        for (z, plane) in planes(&logits).iter().enumerate() {
            slices.push(z, plane);
        }
        let slices = slices.finish();
        let (theirs, _) = nifti(&case.expected.join("seg_nomirror.nii.gz"));
        let ours: Vec<u16> = slices.iter().flat_map(|(_, labels)| labels.clone()).collect();
        assert_eq!(ours.len(), theirs.values.len());
        let other = ours.iter().zip(&theirs.values).filter(|(a, b)| f64::from(**a) != **b).count();
        let theirs = npz(&case.expected.join("probabilities_nomirror.npz"), "probabilities");
        let voxels = theirs.values.len() / case.classes;
        let mut difference = 0.0_f64;
        for (at, probabilities) in slices.iter().flat_map(|(probabilities, _)| probabilities).enumerate() {
            for (class, probability) in probabilities.iter().enumerate() {
                difference =
                    difference.max((f64::from(*probability) - theirs.values[class * voxels + at]).abs());
            }
        }
        println!(
            "{}: {other} labels differ, probabilities by at most {difference:e}",
            case.expected.display()
        );
        assert_eq!(other, 0);
        assert!(difference < 1e-3, "{difference}");
    }
}

#[test]
fn logits_kept_whole_give_the_same_labels() {
    for case in cases() {
        let theirs = npz(&case.expected.join("logits_preprocessed_nomirror.npz"), "logits");
        let mut logits = Logits::new(theirs.size(), case.classes);
        for (z, plane) in planes(&theirs).iter().enumerate() {
            logits.set_plane(z, plane);
        }
        let ours: Vec<u16> = case.export().map_logits(&logits, |slice| slice.labels().to_vec()).concat();
        let (theirs, _) = nifti(&case.expected.join("seg_nomirror.nii.gz"));
        assert!(ours.iter().zip(&theirs.values).all(|(a, b)| f64::from(*a) == *b));
    }
}
