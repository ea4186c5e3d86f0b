use super::super::outlines::Outlined;
use super::*;
use crate::ai::kept;
use crate::ai::nnunet::import::{ImportOptions, import};
use crate::device::DeviceChoice;
use crate::geometry::{Grid, Plane, Point3, Vector3};
use crate::patient::{Unit, Voxels};
use std::path::Path;

/// A small network of random weights, three labels, imported.
fn package(target: &Path) -> ModelPackage {
    let training = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/nnunet/batchnorm/nnUNetTrainerBN__nnUNetPlans__3d_fullres");
    import(&training, target, &ImportOptions::default(), &Progress::new()).unwrap().packages.remove(0)
}

/// A CT of 22 x 20 x 18 voxels (left, back, head) of soft lumps and some noise.
fn value([x, y, z]: [usize; 3]) -> i16 {
    let lump = |a: usize, b: usize, c: usize| {
        let near = |at: usize, of: usize| at.abs_diff(of) < 4;
        if near(x, a) && near(y, b) && near(z, c) { 60 } else { 0 }
    };
    let noise = i16::try_from((x * 31 + y * 17 + z * 7) % 13).unwrap();
    lump(6, 6, 5) + lump(15, 12, 11) - lump(8, 14, 9) + 6 * noise - 40
}

const SIZE: [usize; 3] = [22, 20, 18];
const SPACING_MM: [f64; 3] = [1.4, 1.6, 2.2];

/// The CT stored with these axes of the patient as its i, j and k.
fn scan(axes: [usize; 3]) -> Volume {
    let units = [Vector3::x(), Vector3::y(), Vector3::z()];
    let steps = axes.map(|axis| units[axis] * SPACING_MM[axis]);
    let dims = axes.map(|axis| SIZE[axis]);
    let grid = Grid::new(dims, Point3::origin(), steps).unwrap();
    let mut values = Vec::with_capacity(grid.len());
    for at in 0..grid.len() {
        let voxel = [at % dims[0], at / dims[0] % dims[1], at / (dims[0] * dims[1])];
        let mut patient = [0; 3];
        for (own, axis) in axes.into_iter().enumerate() {
            patient[axis] = voxel[own];
        }
        values.push(value(patient));
    }
    let slice = |k: usize| {
        let origin_mm = grid.patient_of([0.0, 0.0, k as f64]);
        let plane = Plane::new(origin_mm, steps[0], steps[1]).unwrap();
        crate::patient::Slice { plane, origin_mm, instance: None, missing: false }
    };
    let slices = (0..dims[2]).map(slice).collect();
    Volume { grid, voxels: Voxels::I16(values), unit: Unit::Hu, slices, native: None }
}

fn options() -> PredictOptions {
    PredictOptions {
        device: DeviceChoice::Cpu,
        label_map: true,
        no_mirror: true,
        ..PredictOptions::default()
    }
}

fn run(volume: &Volume, package: &ModelPackage, options: &PredictOptions) -> Prediction {
    crate::ai::predict(volume, package, options, &Progress::new()).unwrap()
}

fn labels(prediction: &Prediction) -> &[u16] {
    &prediction.labels.as_ref().unwrap().labels
}

#[test]
fn the_label_map_alone_is_that_of_a_whole_run() {
    let target = tempfile::tempdir().unwrap();
    let package = package(target.path());
    // Slices that lie across the array's are not traced either.
    for axes in [[0, 1, 2], [1, 2, 0]] {
        let volume = scan(axes);
        let whole = run(&volume, &package, &options());
        let alone = run(&volume, &package, &PredictOptions { label_map_alone: true, ..options() });
        assert_eq!(labels(&alone), labels(&whole));
        assert!(labels(&whole).iter().any(|label| *label != 0));
        assert!(alone.rois.is_empty() && !whole.rois.is_empty());
        assert_eq!(alone.warnings, Vec::<String>::new(), "nothing was looked for in contours");
    }
}

/// The weights of a run that someone stopped need not be read again.
#[test]
fn networks_of_a_run_that_was_stopped_are_kept() {
    let target = tempfile::tempdir().unwrap();
    let (package, volume) = (package(target.path()), scan([0, 1, 2]));
    let progress = Progress::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !progress.step().starts_with("Contouring") {
                std::thread::yield_now();
            }
            progress.cancel();
        });
        let keeping = PredictOptions { keep: true, no_mirror: false, ..options() };
        // It may have come to its end before.
        let stopped = crate::ai::predict(&volume, &package, &keeping, &progress);
        assert!(matches!(stopped, Ok(_) | Err(crate::ai::PredictError::Cancelled(_))));
    });
    assert!(kept::bytes() > 0);
}

#[test]
fn a_second_run_with_networks_that_were_kept_is_the_same_to_the_bit() {
    let target = tempfile::tempdir().unwrap();
    let (package, volume) = (package(target.path()), scan([0, 1, 2]));
    let untimed = |options: &PredictOptions| Prediction {
        timings: Timings::default(),
        ..run(&volume, &package, options)
    };
    let first = untimed(&options());
    assert_eq!(kept::bytes(), 0, "nobody asked for it");
    let keeping = PredictOptions { keep: true, ..options() };
    assert_eq!(untimed(&keeping), first);
    let kept_bytes = kept::bytes();
    assert!(kept_bytes > 0);
    assert_eq!(untimed(&keeping), first);
    assert_eq!(kept::bytes(), kept_bytes, "the same, not one more");
    // The model goes, and its networks with it.
    std::fs::remove_dir_all(package.folder.as_ref().unwrap()).unwrap();
    kept::forget_changed();
    assert_eq!(kept::bytes(), 0);
}

/// The slices of a series may lie any way: the confidence of each contour is what the full probabilities
/// on its own slice say.
#[test]
fn contours_of_sagittal_and_coronal_series_have_a_confidence() {
    let target = tempfile::tempdir().unwrap();
    let package = package(target.path());
    let model = package.nnunet.as_ref().unwrap();
    for axes in [[1, 2, 0], [2, 0, 1]] {
        let volume = scan(axes);
        let found = run(&volume, &package, &options());
        let options = options();
        let mut case = Case::new(channels(&volume, &package, model, &options).unwrap(), &options);
        let turned = case.turned(&volume, model);
        let all = |slice: Slice<'_>| -> (Vec<Vec<f32>>, Vec<u16>) {
            let voxels = 0..slice.labels().len();
            (voxels.map(|at| slice.probabilities(at)).collect(), slice.into_labels())
        };
        let slices = case.stage(model, &turned, None, all, &Progress::new()).unwrap();
        let (full, labels): (Vec<_>, Vec<_>) = slices.into_iter().unzip();
        let exact = |label: u16, [z, y, x]: [usize; 3]| -> f32 {
            full[z][y * turned[0].size[2] + x][usize::from(label)]
        };
        let wanted = vec![true; model.dataset.structures.len()];
        let outliner =
            Outliner { volume: &volume, image: &turned[0], dataset: &model.dataset, wanted: &wanted };
        let (_, planes) = outliner.gather(labels.into_iter().map(Outlined::bare).collect(), Some(&exact));
        assert_eq!(planes.len(), found.rois.len());
        for (index, (planes, total)) in planes {
            let value = model.dataset.structures[index].value;
            let own = found.rois.iter().find(|roi| roi.number == i32::from(value)).unwrap();
            let near = |ours: f32, exact: f32| {
                assert!((ours - exact).abs() < 0.01, "{axes:?} {}: {ours} and {exact}", own.name);
            };
            near(own.confidence.unwrap().value, total.score().unwrap());
            assert_eq!(own.planes.len(), planes.len());
            for plane in planes {
                let same = own.planes.iter().find(|other| other.plane.coincides(&plane.plane, 0.01));
                near(same.unwrap().confidence.unwrap(), plane.confidence.unwrap());
            }
        }
    }
}

/// Cleaning up takes pieces away, and leaves the contours of what stays as the probabilities have them.
#[test]
fn labels_that_are_cleaned_up_keep_the_contours_of_the_probabilities() {
    let target = tempfile::tempdir().unwrap();
    let plain_package = package(target.path());
    let volume = scan([0, 1, 2]);
    let plain = run(&volume, &plain_package, &options());
    let path = plain_package.folder.as_ref().unwrap().join("model.toml");
    let manifest = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, manifest.replace("keep_largest = false", "keep_largest = true")).unwrap();
    let cleaned_package = ModelPackage::load(path.parent().unwrap()).unwrap();
    assert!(cleaned_package.composition.is_some());
    let cleaned = run(&volume, &cleaned_package, &options());
    assert_ne!(labels(&cleaned), labels(&plain), "there are pieces to take away");
    // Away from what was taken, the vertices are the same to the bit.
    let area = SIZE[0] * SIZE[1];
    let (mut same, mut all) = (0, 0);
    for roi in &cleaned.rois {
        let before = plain.rois.iter().find(|other| other.name == roi.name).unwrap();
        for own in &roi.planes {
            let other = before.planes.iter().find(|other| other.plane.coincides(&own.plane, 0.01)).unwrap();
            let vertices = |plane: &crate::patient::RoiPlane| -> Vec<_> {
                let rings = plane.polygons.iter().flat_map(crate::geometry::Polygon::rings);
                rings.flatten().map(|at| (at.x.to_bits(), at.y.to_bits())).collect()
            };
            let known = vertices(other);
            let found = vertices(own);
            if own.polygons == other.polygons {
                let (ours, exact) = (own.confidence.unwrap(), other.confidence.unwrap());
                assert!((ours - exact).abs() < 0.01, "{}: {ours} and {exact}", roi.name);
            }
            all += found.len();
            same += found.iter().filter(|vertex| known.contains(vertex)).count();
        }
    }
    assert!(same * 10 > all, "{same} of {all} vertices");
    // What stays holds exactly the voxels of the label map.
    for roi in &cleaned.rois {
        let mask = crate::patient::Mask::of_roi(roi, &volume);
        for (at, label) in labels(&cleaned).iter().enumerate() {
            let voxel = [at % SIZE[0], at / SIZE[0] % SIZE[1], at / area];
            assert_eq!(mask.contains(voxel), i32::from(*label) == roi.number, "{} {voxel:?}", roi.name);
        }
    }
}
