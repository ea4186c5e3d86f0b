//! Models of nnU-Net from their training folders to label maps, against what nnunetv2 itself made of
//! them (shared/fixtures/nnunet): on the CPU here, on a graphics device in `gpu`; `import` is their way into
//! the program. The steps around the network have their own test (nnunet_numerics.rs).

#[path = "../shared/arrays.rs"]
#[allow(dead_code, missing_docs, reason = "each test binary uses its own part")]
mod arrays;
#[path = "../shared/copied.rs"]
mod copied;
mod gpu;
mod import;
#[path = "../shared/skip.rs"]
mod skip;
mod steps;

use arrays::{Array, fixture, nifti, npz};
use copied::copy_folder;
use delineo::ai::cpu::CpuNetwork;
use delineo::ai::engine::{Engine, EngineError};
use delineo::ai::network::{Activation, EncoderBlock};
use delineo::ai::nnunet::ChannelImage;
use delineo::ai::nnunet::import::{ImportOptions, Imported, import};
use delineo::ai::nnunet::preprocess::{PreviousStage, preprocess};
use delineo::ai::nnunet::window::{Window, run_on};
use delineo::ai::{ModelPackage, PredictOptions, Prediction, predict};
use delineo::device::DeviceChoice;
use delineo::formats::nifti::{read_image, read_stored};
use delineo::geometry::{Grid, Plane, Point3, Vector3};
use delineo::patient::{Mask, Slice, Unit, Volume, Voxels};
use delineo::progress::Progress;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A training folder, its case's name, and the folder of both.
struct Fixture {
    folder: PathBuf,
    training: PathBuf,
    case: String,
}

impl Fixture {
    fn new(folder: &str, training: &str, case: &str) -> Option<Self> {
        let folder = fixture("nnunet")?.join(folder);
        Some(Self { training: folder.join(training), folder, case: case.to_owned() })
    }

    /// Every case of every folder that lies there, whatever its name: the model of nnU-Net that the program
    /// finds in it, and what is expected of it.
    fn all() -> Vec<Self> {
        let Some(root) = fixture("nnunet") else { return Vec::new() };
        let below = |folder: &Path| {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let mut paths: Vec<PathBuf> =
                entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
            paths.sort();
            paths
        };
        let mut found = Vec::new();
        for folder in below(&root) {
            for expected in below(&folder.join("expected")) {
                let package = ModelPackage::load(&folder).unwrap();
                let case = expected.file_name().unwrap().to_string_lossy().into_owned();
                found.push(Self { folder: folder.clone(), training: package.folder.unwrap(), case });
            }
        }
        assert!(found.len() >= 2, "{}", root.display());
        found
    }

    fn plain_iso() -> Option<Self> {
        let training = "Dataset901_PlainIso/nnUNetTrainer__nnUNetPlans__3d_fullres";
        Self::new("plain_iso", training, "ct_000")
    }

    fn lowres() -> Option<Self> {
        let training = "Dataset903_LowresMR/nnUNetTrainer__nnUNetPlans__3d_lowres";
        Self::new("lowres_mr_mask", training, "mr_000")
    }

    fn expected(&self, file: &str) -> PathBuf {
        self.folder.join("expected").join(&self.case).join(file)
    }

    /// Its channels' files.
    fn images(&self) -> Vec<PathBuf> {
        let path = |channel: usize| self.folder.join(format!("input/{}_{channel:04}.nii.gz", self.case));
        // No model takes more.
        (0..16).map(path).take_while(|path| path.exists()).collect()
    }
}

/// A tile of the preprocessed image, zeros around it as in nnU-Net.
struct Tile {
    values: Vec<f32>,
    patch: [usize; 3],
    expected: Array,
}

fn tile(fixture: &Fixture, patch: [usize; 3]) -> Tile {
    let data = npz(&fixture.expected("preprocessed.npz"), "data");
    let file = fixture.expected("tile_fold0.npz");
    let start = npz(&file, "start").values;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "voxel numbers")]
    let start: Vec<usize> = start.into_iter().map(|n| n as usize).collect();
    let size = data.size();
    let values = data.singles();
    let shift: [usize; 3] = std::array::from_fn(|axis| patch[axis].saturating_sub(size[axis]) / 2);
    let [_, rows, columns] = patch;
    let (own, voxels): (usize, usize) = (size.iter().product(), patch.iter().product());
    let cut = (0..values.len() / own * voxels).map(|n| {
        let voxel = [n % voxels / (rows * columns), n / columns % rows, n % columns];
        let at: [Option<usize>; 3] = std::array::from_fn(|axis| {
            (voxel[axis] + start[axis]).checked_sub(shift[axis]).filter(|n| *n < size[axis])
        });
        match at {
            [Some(z), Some(y), Some(x)] => values[n / voxels * own + (z * size[1] + y) * size[2] + x],
            _ => 0.0,
        }
    });
    let cut = cut.collect();
    Tile { values: cut, patch, expected: npz(&file, "logits_every_2nd") }
}

/// The greatest difference of nnunetv2's numbers, `[class][z][y][x]` of every second voxel of a grid of this
/// size, to our own of a class and a voxel.
fn worst_of_every_2nd(expected: &Array, size: [usize; 3], own: impl Fn(usize, usize) -> f64) -> f64 {
    let [nz, ny, nx] = expected.size();
    assert_eq!([nz, ny, nx], size.map(|side| side.div_ceil(2)));
    let each = expected.values.iter().enumerate().map(|(at, theirs)| {
        let (class, z, y, x) = (at / (nz * ny * nx), at / (ny * nx) % nz, at / nx % ny, at % nx);
        (own(class, (2 * z * size[1] + 2 * y) * size[2] + 2 * x) - theirs).abs()
    });
    each.fold(0.0, f64::max)
}

/// The same of logits `[z][y][x][class]`.
fn worst_logit(expected: &Array, size: [usize; 3], logits: &[f32]) -> f64 {
    let classes = expected.shape[0];
    assert_eq!(logits.len(), classes * size.iter().product::<usize>());
    worst_of_every_2nd(expected, size, |class, voxel| f64::from(logits[voxel * classes + class]))
}

/// A copy of a training folder whose plans say otherwise: for each pair the first text becomes the second.
fn with_plans(training: &Path, changes: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(training, folder.path());
    let path = folder.path().join("plans.json");
    let mut plans = std::fs::read_to_string(&path).unwrap();
    for (own, other) in changes {
        assert!(plans.contains(own), "the plans do not say {own}");
        plans = plans.replace(own, other);
    }
    std::fs::write(path, plans).unwrap();
    folder
}

#[test]
fn a_tile_s_logits_are_pytorch_s() {
    for fixture in Fixture::all() {
        let package = ModelPackage::load(&fixture.training).unwrap();
        let tile = tile(&fixture, package.patch);
        let network = CpuNetwork::new(&package.network().unwrap());
        let worst = worst_logit(&tile.expected, tile.patch, &network.forward(&tile.values, tile.patch));
        println!("{}: a tile's logits differ by at most {worst:.2e}", fixture.case);
        assert!(worst < 1e-3, "{worst}");
    }
}

/// How a case is run.
#[derive(Clone, Copy)]
struct How<'a> {
    device: DeviceChoice,
    no_mirror: bool,
    /// The labels of a cascade's first stage, where it is not run.
    previous: Option<&'a Path>,
}

impl How<'_> {
    const CPU: Self = Self { device: DeviceChoice::Cpu, no_mirror: false, previous: None };
}

/// A file's array as it lies in it, and whether the grid has its slices in reverse.
fn channel(path: &Path) -> (ChannelImage, bool) {
    let own = read_stored(path, &Progress::new()).unwrap();
    (ChannelImage::stored(own.size, own.spacing_mm, own.reversed, own.values), own.reversed)
}

/// Runs a package over images and counts the voxels that differ from nnunetv2's label map.
fn differing(
    images: &[PathBuf],
    expected: &Path,
    package: &ModelPackage,
    how: How<'_>,
) -> (usize, Prediction) {
    let How { device, no_mirror, previous } = how;
    let stored: Vec<_> = images.iter().map(|image| channel(image)).collect();
    let reversed = stored[0].1;
    let channels = stored.into_iter().map(|(image, _)| image).collect();
    let series = read_image(&images[0], &Progress::new()).unwrap().series;
    let previous = previous.map(|path| channel(path).0);
    let options = PredictOptions {
        device,
        label_map: true,
        no_mirror,
        channels,
        previous,
        ..PredictOptions::default()
    };
    let prediction = predict(&series.volume, package, &options, &Progress::new()).unwrap();
    let (expected, _) = nifti(expected);
    let labels = prediction.labels.as_ref().unwrap();
    let [nz, ny, nx] = expected.size();
    let mut count = 0;
    for z in 0..nz {
        // The grid may have the file's slices in reverse.
        let k = if reversed { nz - 1 - z } else { z };
        for at in 0..ny * nx {
            let own = f64::from(labels.labels[k * ny * nx + at]);
            count += usize::from(own != expected.values[z * ny * nx + at]);
        }
    }
    let on = &prediction.device;
    println!("{}, mirrored {}, {on}: {count} of {} voxels differ", package.id, !no_mirror, nz * ny * nx);
    (count, prediction)
}

#[test]
fn label_maps_are_nnunetv2_s_but_for_a_handful_of_voxels() {
    for fixture in Fixture::all() {
        let package = ModelPackage::load(&fixture.training).unwrap();
        for no_mirror in [true, false] {
            let file = if no_mirror { "seg_nomirror.nii.gz" } else { "seg_mirror.nii.gz" };
            let (how, images) = (How { no_mirror, ..How::CPU }, fixture.images());
            let (count, prediction) = differing(&images, &fixture.expected(file), &package, how);
            let voxels = prediction.labels.as_ref().unwrap().labels.len();
            assert!(count <= 12.max(voxels / 20_000), "{count} voxels differ");
            let volume = read_image(&images[0], &Progress::new()).unwrap().series.volume;
            contours_hold_the_labels(&package, &volume, &prediction);
        }
    }
}

#[test]
fn plans_of_the_old_format_make_the_same_network() {
    let Some(fixture) = Fixture::plain_iso() else { return };
    let folder = tempfile::tempdir().unwrap();
    let training = folder.path().join("nnUNetTrainer__nnUNetPlans__3d_fullres");
    copy_folder(&fixture.training, &training);
    std::fs::copy(fixture.training.join("plans_old_format.json"), training.join("plans.json")).unwrap();
    let (old, new) = (ModelPackage::load(&training).unwrap(), ModelPackage::load(&fixture.training).unwrap());
    assert_eq!(old.architecture, new.architecture);
    assert_eq!(old.nnunet.as_ref().map(|model| &model.plan), new.nnunet.as_ref().map(|model| &model.plan));
    assert_eq!(old.network().unwrap(), new.network().unwrap());
}

/// Imports into a fresh folder.
fn imported(source: &Path, target: &Path) -> Vec<ModelPackage> {
    let Imported { packages, refused } =
        import(source, target, &ImportOptions::default(), &Progress::new()).unwrap();
    assert!(refused.is_empty(), "{refused:?}");
    packages
}

/// A fixture made by tests/python/nnunet_models.py.
struct Own {
    name: &'static str,
    training: &'static str,
    channels: usize,
}

const RES2D: Own = Own { name: "res2d", training: "nnUNetTrainer__nnUNetPlans__2d", channels: 2 };
const ANISO: Own =
    Own { name: "aniso", training: "nnUNetTrainer_250epochs__nnUNetPlans__3d_fullres", channels: 1 };
const CASCADE: Own =
    Own { name: "cascade", training: "nnUNetTrainer__nnUNetPlans__3d_cascade_fullres", channels: 1 };
const BATCHNORM: Own =
    Own { name: "batchnorm", training: "nnUNetTrainerBN__nnUNetPlans__3d_fullres", channels: 1 };
const TORCHRES: Own =
    Own { name: "torchres", training: "nnUNetTrainer__nnUNetPlans__3d_fullres", channels: 1 };
const BOTTLENECK: Own =
    Own { name: "bottleneck", training: "nnUNetTrainer__nnUNetPlans__3d_fullres", channels: 1 };
const PRELU: Own = Own { name: "prelu", training: "nnUNetTrainer__nnUNetPlans__3d_fullres", channels: 1 };
const RESPRELU: Own =
    Own { name: "resprelu", training: "nnUNetTrainer__nnUNetPlans__3d_fullres", channels: 1 };
const FIRST: Own = Own { name: "first", training: "nnUNetTrainer__nnUNetPlans__3d_fullres", channels: 1 };

impl Own {
    fn folder(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/nnunet").join(self.name)
    }

    fn training(&self) -> PathBuf {
        self.folder().join(self.training)
    }

    fn images(&self) -> Vec<PathBuf> {
        (0..self.channels).map(|n| self.folder().join(format!("input/case_{n:04}.nii.gz"))).collect()
    }
}

/// Those fixtures have random weights, so many voxels lie close to
/// a tie, and nnunetv2's half precision decides a few of them otherwise; at most one in `share`, with
/// mirroring and without.
fn own_fixture(own: &Own, share: usize, how: How<'_>) {
    let package = ModelPackage::load(&own.training()).unwrap();
    let images = own.images();
    for no_mirror in [true, false] {
        let file = if no_mirror { "seg_nomirror.nii.gz" } else { "seg_mirror.nii.gz" };
        let how = How { no_mirror, ..how };
        let (count, prediction) = differing(&images, &own.folder().join(file), &package, how);
        let voxels = prediction.labels.as_ref().unwrap().labels.len();
        assert!(count * share <= voxels, "{count} of {voxels} voxels differ");
        let volume = read_image(&images[0], &Progress::new()).unwrap().series.volume;
        contours_hold_the_labels(&package, &volume, &prediction);
    }
}

/// The contours of each structure hold as many voxel centres as have one of its values.
fn contours_hold_the_labels(package: &ModelPackage, volume: &Volume, prediction: &Prediction) {
    let labels = &prediction.labels.as_ref().unwrap().labels;
    let structures = &package.nnunet.as_ref().unwrap().dataset.structures;
    for (structure, label) in structures.iter().zip(&package.labels) {
        let count = labels.iter().filter(|label| structure.values.contains(label)).count();
        let roi = prediction.rois.iter().find(|roi| roi.name == label.name);
        let inside =
            roi.map_or(0, |roi| Mask::of_roi(roi, volume).voxels.iter().filter(|inside| **inside).count());
        assert_eq!(inside, count, "{}", label.name);
    }
}

/// The same scan as a volume whose grid axis a is the patient's axis `axes[a]` (0 x, 1 y, 2 z).
fn stored_along(axes: [usize; 3]) -> Volume {
    const SIZE: [usize; 3] = [30, 28, 9];
    const STEP_MM: [f64; 3] = [1.1, 1.2, 4.0];
    let units = [Vector3::x(), Vector3::y(), Vector3::z()];
    let steps = axes.map(|axis| units[axis] * STEP_MM[axis]);
    let grid = Grid::new(axes.map(|axis| SIZE[axis]), Point3::new(-10.0, 5.0, 20.0), steps).unwrap();
    let [ni, nj, nk] = grid.dims();
    let mut values = Vec::new();
    let mut slices = Vec::new();
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "small")]
    for k in 0..nk {
        for at in 0..ni * nj {
            let p = grid.patient_of([(at % ni) as f64, (at / ni) as f64, k as f64]);
            values.push((300.0 * (p.x / 5.0).sin() * (p.y / 6.0).cos() + 20.0 * p.x - 8.0 * p.z) as i16);
        }
        let origin_mm = grid.patient_of([0.0, 0.0, k as f64]);
        let plane = Plane::new(origin_mm, grid.step_mm(0), grid.step_mm(1)).unwrap();
        slices.push(Slice { plane, origin_mm, instance: None, missing: false });
    }
    Volume { grid, voxels: Voxels::I16(values), unit: Unit::Hu, slices, native: None }
}

#[test]
fn a_scan_stored_in_any_order_gives_the_same_labels_at_the_same_places() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/nnunet/aniso");
    let package = ModelPackage::load(&folder).unwrap();
    let options = PredictOptions {
        device: DeviceChoice::Cpu,
        label_map: true,
        no_mirror: true,
        ..PredictOptions::default()
    };
    let run = |volume: &Volume| predict(volume, &package, &options, &Progress::new()).unwrap();
    let axial = stored_along([0, 1, 2]);
    let expected = run(&axial);
    contours_hold_the_labels(&package, &axial, &expected);
    let expected = expected.labels.unwrap();
    assert!(expected.labels.iter().any(|label| *label > 0));
    for axes in [[1, 2, 0], [2, 0, 1]] {
        let other = stored_along(axes);
        let found = run(&other);
        contours_hold_the_labels(&package, &other, &found);
        assert_eq!(found.labels.unwrap().on_grid(&axial.grid).unwrap().labels, expected.labels, "{axes:?}");
    }
}

#[test]
fn a_2d_residual_network_of_two_channels_in_bfloat16() {
    own_fixture(&RES2D, 300, How::CPU);
}

#[test]
fn a_residual_network_with_flat_kernels_thick_slices_turned_axes_and_regions() {
    own_fixture(&ANISO, 300, How::CPU);
}

#[test]
fn a_batch_normalisation_s_running_statistics_are_used() {
    own_fixture(&BATCHNORM, 500, How::CPU);
    // Imported they are there as well.
    let target = tempfile::tempdir().unwrap();
    let packages = imported(&BATCHNORM.training(), target.path());
    let own = ModelPackage::load(&BATCHNORM.training()).unwrap();
    assert_eq!(packages[0].network().unwrap(), own.network().unwrap());
    assert!(own.network().unwrap().decoder[0][0].norm.is_none());
    // The trainer's normalisation has an epsilon of its own, whatever the plans say of theirs.
    let folder = with_plans(&BATCHNORM.training(), &[("\"eps\": 1e-05", "\"eps\": 0.02")]);
    assert_eq!(ModelPackage::load(folder.path()).unwrap().network().unwrap(), own.network().unwrap());
}

#[test]
fn blocks_of_three_convolutions_with_gelu_and_images_by_a_spline_of_order_5() {
    own_fixture(&BOTTLENECK, 300, How::CPU);
}

/// The slopes are among the weights, imported too; plans that do not speak of them are refused.
#[test]
fn slopes_that_are_weights_and_images_by_splines_along_and_across_thick_slices() {
    own_fixture(&PRELU, 300, How::CPU);
    let target = tempfile::tempdir().unwrap();
    let packages = imported(&PRELU.training(), target.path());
    let own = ModelPackage::load(&PRELU.training()).unwrap().network().unwrap();
    assert_eq!(packages[0].network().unwrap(), own);
    let slopes: Vec<Activation> = own.decoder[0].iter().map(|block| block.activation).collect();
    assert!(
        slopes.iter().all(|slope| ![Activation::LEAKY, Activation::NOTHING].contains(slope)),
        "{slopes:?}"
    );
    let changes = [("torch.nn.PReLU", "torch.nn.ReLU"), ("\"init\": 0.1", "")];
    let folder = with_plans(&PRELU.training(), &changes);
    let read = ModelPackage::load(folder.path()).and_then(|package| package.network());
    let refused = read.unwrap_err().to_string();
    assert!(refused.contains("nonlin.weight"), "{refused}");
}

/// Each block of two convolutions has two slopes: behind its first normalisation, and behind the sum.
#[test]
fn residual_blocks_have_slopes_of_their_own() {
    own_fixture(&RESPRELU, 300, How::CPU);
    let own = ModelPackage::load(&RESPRELU.training()).unwrap().network().unwrap();
    let mut slopes = Vec::new();
    for step in own.encoder.iter().flatten() {
        let EncoderBlock::Residual(block) = step else { panic!("a residual encoder") };
        slopes.extend(block.inner.iter().chain([&block.last]).map(|block| block.activation));
        let skip = block.skip.as_ref().map(|skip| skip.activation);
        assert!(skip.is_none_or(|skip| skip == Activation::NOTHING), "{skip:?}");
    }
    assert_eq!(slopes.len(), 2 * 3);
    let is_one_of_its_own = |index: usize| !slopes[..index].contains(&slopes[index]);
    assert!((0..slopes.len()).all(is_one_of_its_own), "{slopes:?}");
    let is_below = |slope: &Activation| matches!(slope, Activation::Leaky(slope) if *slope < 0.0);
    assert!(slopes.iter().any(is_below) && !slopes.iter().all(is_below), "{slopes:?}");
}

/// With nnU-Net's own epsilon, activations behind the normalisations, or slices that are not thick, the
/// labels are others.
#[test]
fn activations_before_normalisations_with_their_epsilon_and_slices_that_the_plans_call_thick() {
    own_fixture(&FIRST, 300, How::CPU);
    for (own, other) in [
        ("\"eps\": 0.02", "\"eps\": 1e-05"),
        ("\"nonlin_first\": true", "\"nonlin_first\": false"),
        ("\"separate_z_anisotropy_threshold\": 1.5", "\"separate_z_anisotropy_threshold\": 3"),
    ] {
        let folder = with_plans(&FIRST.training(), &[(own, other)]);
        let package = ModelPackage::load(folder.path()).unwrap();
        let expected = FIRST.folder().join("seg_nomirror.nii.gz");
        let how = How { no_mirror: true, ..How::CPU };
        let (count, prediction) = differing(&FIRST.images(), &expected, &package, how);
        let voxels = prediction.labels.as_ref().unwrap().labels.len();
        assert!(count * 300 > voxels, "{other}: {count} of {voxels} voxels differ");
    }
}

/// Thick slices that the plans forbid to treat apart; treated so, the labels are others.
#[test]
fn resampling_by_torch_follows_its_arguments() {
    own_fixture(&TORCHRES, 1000, How::CPU);
    let folder =
        with_plans(&TORCHRES.training(), &[("\"force_separate_z\": false", "\"force_separate_z\": null")]);
    let package = ModelPackage::load(folder.path()).unwrap();
    let expected = TORCHRES.folder().join("seg_mirror.nii.gz");
    let (count, prediction) = differing(&TORCHRES.images(), &expected, &package, How::CPU);
    assert!(count * 50 > prediction.labels.unwrap().labels.len(), "only {count} voxels differ");
}

#[test]
fn a_cascade_of_two_folds_in_half_precision_with_an_ignored_label() {
    // A voxel that the first stage decides otherwise changes its whole neighbourhood in the second.
    own_fixture(&CASCADE, 40, How::CPU);
    let folder = CASCADE.folder();
    // The second stage by itself has the labels that nnunetv2 gave it.
    let given = folder.join("previous.nii.gz");
    own_fixture(&CASCADE, 1000, How { previous: Some(&given), ..How::CPU });
    let first = ModelPackage::load(&folder.join("nnUNetTrainer__nnUNetPlans__3d_lowres")).unwrap();
    let images = [folder.join("input/case_0000.nii.gz")];
    let (count, prediction) = differing(&images, &given, &first, How::CPU);
    assert!(count * 300 <= prediction.labels.unwrap().labels.len(), "{count} voxels differ");
    // Of a data set's folder the later stage is taken, where there is no full resolution alone.
    let package = ModelPackage::load(&folder).unwrap();
    assert_eq!(package.nnunet.unwrap().plan.configuration, "3d_cascade_fullres");
    // Imported, both are there, and the later stage has the first one with it.
    let target = tempfile::tempdir().unwrap();
    let packages = imported(&folder, target.path());
    assert_eq!(packages.len(), 2);
    let later = packages.iter().find(|package| package.id.ends_with("3d_cascade_fullres")).unwrap();
    let previous = later.nnunet.as_ref().unwrap().previous.as_ref().unwrap();
    assert_eq!((previous.folds(), previous.mirror_axes.len()), (2, 0));
}

/// Writes into an imported package's manifest that each label is but its largest piece.
fn with_one_piece_each(package: &ModelPackage) -> PathBuf {
    let folder = package.folder.clone().unwrap();
    let manifest = std::fs::read_to_string(folder.join("model.toml")).unwrap();
    let edited = manifest.replace("keep_largest = false", "keep_largest = true");
    assert_ne!(manifest, edited);
    std::fs::write(folder.join("model.toml"), edited).unwrap();
    folder
}

/// The pieces of voxels with a value that touch, by corners too.
fn pieces(labels: &[u16], [ni, nj, nk]: [usize; 3], value: u16) -> usize {
    let mut seen = vec![false; labels.len()];
    let mut count = 0;
    for start in 0..labels.len() {
        if labels[start] != value || seen[start] {
            continue;
        }
        count += 1;
        seen[start] = true;
        let mut next = vec![start];
        while let Some(at) = next.pop() {
            let span = |place: usize, size: usize| place.saturating_sub(1)..(place + 2).min(size);
            let rows = span(at / (ni * nj), nk).flat_map(|k| span(at / ni % nj, nj).map(move |j| k * nj + j));
            for other in rows.flat_map(|row| span(at % ni, ni).map(move |i| row * ni + i)) {
                if labels[other] == value && !seen[other] {
                    seen[other] = true;
                    next.push(other);
                }
            }
        }
    }
    count
}

#[test]
fn clean_up_that_a_manifest_declares_works_for_a_cascade_and_is_refused_for_regions() {
    let target = tempfile::tempdir().unwrap();
    let packages = imported(&CASCADE.training(), target.path());
    let run = |package: &ModelPackage| {
        let given = CASCADE.folder().join("previous.nii.gz");
        let how = How { no_mirror: true, previous: Some(&given), ..How::CPU };
        let expected = CASCADE.folder().join("seg_nomirror.nii.gz");
        differing(&CASCADE.images(), &expected, package, how).1.labels.unwrap()
    };
    let plain = run(&packages[0]);
    let cleaned = run(&ModelPackage::load(&with_one_piece_each(&packages[0])).unwrap());
    let mut dropped = 0;
    for (own, before) in cleaned.labels.iter().zip(&plain.labels) {
        assert!(own == before || *own == 0);
        dropped += usize::from(own != before);
    }
    assert!(dropped > 0, "the fixture has stray voxels");
    for label in &packages[0].labels {
        let [before, after] = [&plain, &cleaned].map(|map| pieces(&map.labels, map.grid.dims(), label.value));
        assert_eq!(after, before.min(1), "{}", label.name);
    }
    // The first stage runs where it is not given.
    let package = ModelPackage::load(packages[0].folder.as_ref().unwrap()).unwrap();
    let whole = differing(
        &CASCADE.images(),
        &CASCADE.folder().join("seg_nomirror.nii.gz"),
        &package,
        How { no_mirror: true, ..How::CPU },
    );
    let whole = whole.1.labels.unwrap();
    assert!(whole.labels.iter().any(|label| *label > 0));
    for label in &package.labels {
        assert!(pieces(&whole.labels, whole.grid.dims(), label.value) < 2, "{}", label.name);
    }

    let regions = imported(&ANISO.training(), &target.path().join("regions"));
    let refused = ModelPackage::load(&with_one_piece_each(&regions[0])).unwrap_err().to_string();
    let name = &regions[0].labels[0].name;
    assert!(refused.contains("keep_largest") && refused.contains(name.as_str()), "{refused}");
    assert!(refused.contains("regions") && refused.contains("model.toml"), "{refused}");
}

/// A package with an image too few says which ones it takes.
#[test]
fn missing_channels_are_named() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/nnunet/res2d");
    let package = ModelPackage::load(&folder).unwrap();
    let series = read_image(&folder.join("input/case_0000.nii.gz"), &Progress::new()).unwrap().series;
    let error = predict(&series.volume, &package, &PredictOptions::default(), &Progress::new()).unwrap_err();
    assert!(error.to_string().contains("2 images (T1, PET)"), "{error}");
}

/// The greatest difference between our logits over a fixture's whole prepared image and nnunetv2's, and
/// the greatest of theirs.
fn logits_differ(own: &Own, device: DeviceChoice) -> (f64, f64) {
    let package = ModelPackage::load(&own.training()).unwrap();
    let model = package.nnunet.as_ref().unwrap();
    let images: Vec<ChannelImage> = own.images().iter().map(|path| channel(path).0).collect();
    let values: Vec<&[f32]> = images.iter().map(|image| image.values.as_slice()).collect();
    #[allow(clippy::cast_possible_truncation, reason = "labels")]
    let labels: Option<Vec<i16>> = model.previous.as_ref().map(|_| {
        let (map, _) = nifti(&own.folder().join("previous.nii.gz"));
        map.values.iter().map(|label| *label as i16).collect()
    });
    let foreground: Vec<i16> =
        model.dataset.foreground.iter().map(|label| i16::try_from(*label).unwrap()).collect();
    let previous = labels.as_ref().map(|labels| PreviousStage {
        labels,
        foreground: &foreground,
        resampling: model.plan.resample_labels,
    });
    let (size, spacing_mm, plan) = (images[0].size, images[0].spacing_mm, &model.plan);
    let prepared =
        preprocess(&values, size, spacing_mm, &plan.preprocessing, previous, &Progress::new()).unwrap();
    let networks = (0..model.folds()).map(|fold| model.network(fold).unwrap()).collect();
    let mut engine = Engine::ensemble(networks, device).unwrap();
    engine.prepare(plan.patch, &Progress::new()).unwrap();
    let window = Window {
        patch: &plan.patch[3 - plan.dimensions..],
        step: 0.5,
        mirror_axes: &[],
        mirror_swaps: &[],
        classes: model.dataset.outputs(),
        needed: None,
        background: !model.dataset.regions,
    };
    let mut logits = Vec::new();
    let size = prepared.geometry.size;
    let take = |z: usize, plane: &[f32]| {
        assert_eq!(z * size[1] * size[2] * window.classes, logits.len());
        logits.extend_from_slice(plane);
        Ok::<_, EngineError>(())
    };
    run_on(&mut engine, &prepared.values, size, window, take, &Progress::new()).unwrap();
    assert!(engine.take_warnings().is_empty(), "it ran where it was asked to");
    let file = own.folder().join("logits.npz");
    let expected = npz(&file, "logits");
    #[allow(clippy::cast_precision_loss, reason = "voxels")]
    let our_size = size.map(|side| side as f64);
    assert_eq!(npz(&file, "size").values, our_size);
    let worst = worst_logit(&expected, size, &logits);
    let greatest = expected.values.iter().fold(0.0, |greatest: f64, theirs| greatest.max(theirs.abs()));
    println!(
        "{} on {}: logits of at most {greatest:.1} differ by at most {worst:.1e}",
        own.name,
        engine.device()
    );
    (worst, greatest)
}

#[test]
fn the_logits_of_whole_images_are_nnunetv2_s() {
    for own in [RES2D, ANISO, CASCADE, BATCHNORM, TORCHRES, BOTTLENECK, PRELU, RESPRELU, FIRST] {
        let (worst, greatest) = logits_differ(&own, DeviceChoice::Cpu);
        assert!(worst < 2e-4 && greatest > 1.0, "{}: {worst}", own.name);
    }
}
