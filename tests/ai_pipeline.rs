//! A model's whole way on small made-up images: orientation, contours against labels, refusals.

use delineo::ai::{ModelPackage, PredictError, PredictOptions, Prediction, predict};
use delineo::device::DeviceChoice;
use delineo::geometry::{Grid, Plane, Point3, Vector3};
use delineo::patient::{Approval, GenerationAlgorithm, Mask, Slice, Unit, Volume, Voxels};
use delineo::progress::Progress;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

const FEATURES: [usize; 2] = [4, 8];
const CLASSES: usize = 4;

/// The names and shapes of the tiny network's parameters.
fn parameters() -> Vec<(String, Vec<usize>)> {
    let mut list = Vec::new();
    let mut block = |prefix: String, input: usize, output: usize| {
        list.push((format!("{prefix}.conv.weight"), vec![output, input, 3, 3, 3]));
        list.push((format!("{prefix}.conv.bias"), vec![output]));
        list.push((format!("{prefix}.norm.weight"), vec![output]));
        list.push((format!("{prefix}.norm.bias"), vec![output]));
    };
    let [fine, coarse] = FEATURES;
    block("encoder.stages.0.0.convs.0".into(), 1, fine);
    block("encoder.stages.0.0.convs.1".into(), fine, fine);
    block("encoder.stages.1.0.convs.0".into(), fine, coarse);
    block("encoder.stages.1.0.convs.1".into(), coarse, coarse);
    block("decoder.stages.0.convs.0".into(), 2 * fine, fine);
    block("decoder.stages.0.convs.1".into(), fine, fine);
    list.push(("decoder.transpconvs.0.weight".into(), vec![coarse, fine, 2, 2, 2]));
    list.push(("decoder.transpconvs.0.bias".into(), vec![fine]));
    list.push(("decoder.seg_layers.0.weight".into(), vec![CLASSES, fine, 1, 1, 1]));
    list.push(("decoder.seg_layers.0.bias".into(), vec![CLASSES]));
    list
}

/// Writes a package with pseudo-random weights.
fn write_package(folder: &Path, spacing_mm: [f64; 3]) {
    write_seeded_package(folder, spacing_mm, 12_345);
}

fn write_seeded_package(folder: &Path, spacing_mm: [f64; 3], seed: u32) {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 24) - 0.5
    };
    let tensors: HashMap<String, (Vec<usize>, Vec<u8>)> = parameters()
        .into_iter()
        .map(|(name, shape)| {
            let count: usize = shape.iter().product();
            #[allow(clippy::cast_possible_truncation)]
            let bytes = (0..count).flat_map(|_| ((next() * 2.0) as f32).to_le_bytes()).collect();
            (name, (shape, bytes))
        })
        .collect();
    let views = tensors.iter().map(|(name, (shape, bytes))| {
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes);
        (name.clone(), view.unwrap())
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    let sha256 = Sha256::digest(&bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    });
    std::fs::write(folder.join("weights.safetensors"), bytes).unwrap();
    let mut labels = String::new();
    for value in 1..CLASSES {
        writeln!(labels, "[[labels]]\nvalue = {value}\nname = \"Organ_{value}\"\ncolor = [1, 2, 3]").unwrap();
    }
    let manifest = format!(
        "id = \"tiny\"\ntitle = \"Tiny\"\nversion = \"1\"\nmodality = \"CT\"\nlicense = \"MIT\"\n\
         [input]\nspacing_mm = {spacing_mm:?}\norientation = \"LPS\"\noutside_body_hu = -1000\n\
         [normalization]\nkind = \"ct\"\nclip_low = -1000.0\nclip_high = 600.0\nmean = 0.0\nstd = 200.0\n\
         [network]\nkind = \"PlainConvUNet\"\nfeatures = [4, 8]\nstrides = [[1,1,1],[2,2,2]]\n\
         kernel = [[3,3,3],[3,3,3]]\nconvs_per_stage = 2\nclasses = {CLASSES}\npatch = [16, 16, 16]\n\
         [inference]\nstep = 0.5\ngaussian_sigma = 0.125\nmirror_axes = []\n\
         [weights]\nfile = \"weights.safetensors\"\nsha256 = \"{sha256}\"\ndtype = \"f32\"\n{labels}"
    );
    std::fs::write(folder.join("model.toml"), manifest).unwrap();
}

/// A lump of tissue with structure, in air, at 6 x 6 x 6 mm; a function of patient position alone.
fn hu(point: Point3) -> i16 {
    let radius = (point.coords.component_div(&Vector3::new(95.0, 75.0, 80.0))).norm();
    if radius > 1.0 {
        return -1000;
    }
    let wave = (point.x / 17.0).sin() * (point.y / 13.0 + 1.0).cos() + (point.z / 19.0).sin();
    #[allow(clippy::cast_possible_truncation)]
    {
        (40.0 + 150.0 * wave) as i16
    }
}

/// The same scan stored with other axes: `axes[a]` is the patient axis (0 x, 1 y, 2 z) that grid
/// axis a runs along, backwards where `flipped`.
fn volume(axes: [usize; 3], flipped: [bool; 3]) -> Volume {
    const SIZE: [usize; 3] = [40, 32, 34];
    const STEP_MM: f64 = 6.0;
    let mut origin = Point3::new(-117.0, -93.0, -99.0);
    let units = [Vector3::x(), Vector3::y(), Vector3::z()];
    let steps = [0, 1, 2].map(|a| {
        let sign = if flipped[a] { -1.0 } else { 1.0 };
        units[axes[a]] * STEP_MM * sign
    });
    for a in 0..3 {
        if flipped[a] {
            origin += units[axes[a]] * STEP_MM * f64::from(u32::try_from(SIZE[axes[a]]).unwrap() - 1);
        }
    }
    let grid = Grid::new(axes.map(|axis| SIZE[axis]), origin, steps).unwrap();
    volume_on(grid)
}

fn volume_on(grid: Grid) -> Volume {
    let [ni, nj, nk] = grid.dims();
    let at = |i: usize, j: usize, k: usize| {
        grid.patient_of([i, j, k].map(|n| f64::from(u32::try_from(n).unwrap())))
    };
    let mut values = Vec::with_capacity(grid.len());
    for k in 0..nk {
        for j in 0..nj {
            values.extend((0..ni).map(|i| hu(at(i, j, k))));
        }
    }
    let base = Plane::new(grid.origin_mm(), grid.step_mm(0), grid.step_mm(1)).unwrap();
    let mut slices: Vec<Slice> = (0..nk)
        .map(|k| {
            let origin_mm = at(0, 0, k);
            let plane = base.at_offset(base.normal().dot(&origin_mm.coords));
            Slice { plane, origin_mm, instance: None, missing: false }
        })
        .collect();
    // Sorted along the normal; a grid whose k runs against its normal is not made by any reader.
    assert!(slices.is_sorted_by(|a, b| a.plane.offset_mm() <= b.plane.offset_mm()));
    slices.shrink_to_fit();
    Volume { grid, voxels: Voxels::I16(values), unit: Unit::Hu, slices, native: None }
}

fn run(volume: &Volume, folder: &Path) -> Prediction {
    let package = ModelPackage::load(folder).unwrap();
    let options = PredictOptions { device: DeviceChoice::Cpu, label_map: true, ..PredictOptions::default() };
    predict(volume, &package, &options, &Progress::new()).unwrap()
}

#[test]
fn a_scan_stored_in_any_order_gives_the_same_labels_at_the_same_places() {
    let folder = tempfile::tempdir().unwrap();
    write_package(folder.path(), [7.0, 6.5, 8.0]);
    let axial = volume([0, 1, 2], [false, false, false]);
    let reference = run(&axial, folder.path());
    let labels = reference.labels.unwrap();
    let seen: std::collections::BTreeSet<u16> = labels.labels.iter().copied().collect();
    assert!(seen.len() >= 2, "the made-up network tells classes apart: {seen:?}");
    let organ = labels.labels.iter().filter(|label| **label != 0).count();
    assert!(organ > 1_000 && organ < labels.labels.len() / 3, "{organ} voxels have a label");
    // Head first prone, feet first, sagittal, coronal: each right-handed.
    for (axes, flipped) in [
        ([0, 1, 2], [true, true, false]),
        ([0, 1, 2], [true, false, true]),
        ([1, 2, 0], [false, true, true]),
        ([0, 2, 1], [false, true, false]),
    ] {
        let other = volume(axes, flipped);
        let found = run(&other, folder.path()).labels.unwrap();
        let mut different = 0;
        let [ni, nj, nk] = other.grid.dims();
        for k in 0..nk {
            for j in 0..nj {
                for i in 0..ni {
                    let point =
                        other.grid.patient_of([i, j, k].map(|n| f64::from(u32::try_from(n).unwrap())));
                    let there = axial.grid.voxel_of(point).map(|x| {
                        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                        {
                            x.round() as usize
                        }
                    });
                    different += usize::from(
                        found.labels[other.grid.index_of([i, j, k]).unwrap()]
                            != labels.labels[axial.grid.index_of(there).unwrap()],
                    );
                }
            }
        }
        // Rounding may decide a tie differently.
        assert!(different * 1000 < labels.labels.len(), "{axes:?} {flipped:?}: {different} voxels differ");
    }
}

#[test]
fn the_voxel_centres_inside_the_contours_are_exactly_the_label_map() {
    let folder = tempfile::tempdir().unwrap();
    write_package(folder.path(), [7.0, 6.5, 8.0]);
    let turn = nalgebra::Rotation3::from_euler_angles(0.1, -0.05, 0.2);
    let steps = [Vector3::x() * 5.0, Vector3::y() * 5.5, Vector3::z() * 6.0].map(|step| turn * step);
    let origin = turn * Point3::new(-120.0, -90.0, -96.0);
    let oblique = volume_on(Grid::new([48, 34, 32], origin, steps).unwrap());
    for scan in [volume([0, 1, 2], [false; 3]), oblique] {
        let found = run(&scan, folder.path());
        let labels = found.labels.unwrap();
        assert!(!found.rois.is_empty());
        for roi in &found.rois {
            assert_eq!((roi.approval, roi.generation), (Approval::Proposal, GenerationAlgorithm::Automatic));
            let mask = Mask::of_roi(roi, &scan);
            let value = u16::try_from(roi.number).unwrap();
            let [ni, nj, _] = scan.grid.dims();
            let wrong = labels
                .labels
                .iter()
                .enumerate()
                .filter(|(at, label)| {
                    mask.contains([at % ni, at / ni % nj, at / (ni * nj)]) != (**label == value)
                })
                .count();
            assert_eq!(wrong, 0, "{} on a {:?} grid", roi.name, scan.grid.dims());
        }
    }
}

#[test]
fn a_mirrored_patient_has_mirrored_labels_with_left_and_right_exchanged() {
    let folder = tempfile::tempdir().unwrap();
    write_seeded_package(folder.path(), [6.0, 6.0, 6.0], 7);
    let manifest = folder.path().join("model.toml");
    let plain = std::fs::read_to_string(&manifest).unwrap();
    let scan = volume([0, 1, 2], [false; 3]);
    let [ni, _, _] = scan.grid.dims();
    let turned = |at: usize| at - at % ni + (ni - 1 - at % ni);
    let Voxels::I16(values) = &scan.voxels else { panic!("HU") };
    let mirrored = Voxels::I16((0..values.len()).map(|at| values[turned(at)]).collect());
    let mirrored = Volume { voxels: mirrored, ..scan.clone() };
    let exchanged = |label: u16| [0, 2, 1, 3][usize::from(label)];
    // The network knows nothing of sides: only mirroring both ways and exchanging classes 1 and 2
    // makes it treat them alike.
    for (inference, alike) in
        [("mirror_axes = [2]\nmirror_swaps = [[1, 2]]", true), ("mirror_axes = []", false)]
    {
        std::fs::write(&manifest, plain.replace("mirror_axes = []", inference)).unwrap();
        let [own, other] = [&scan, &mirrored].map(|scan| run(scan, folder.path()).labels.unwrap().labels);
        let organ = own.iter().filter(|label| **label != 0).count();
        let different = (0..own.len()).filter(|at| other[turned(*at)] != exchanged(own[*at])).count();
        assert!(organ > 500, "{organ}");
        assert_eq!(different * 50 < organ, alike, "{different} voxels differ, {organ} are an organ's");
    }
    for wrong in ["[[1, 9]]", "[[1, 1]]", "[[1, 2], [2, 3]]"] {
        let text = plain.replace("mirror_axes = []", &format!("mirror_axes = [2]\nmirror_swaps = {wrong}"));
        std::fs::write(&manifest, text).unwrap();
        let error = ModelPackage::load(folder.path()).unwrap_err().to_string();
        assert!(error.contains("mirror_swaps"), "{error}");
    }
    for (wrong, word) in [
        ("includes = [\"Spleen\"]", "Spleen"),
        ("above = [\"Organ_3\"]", "Organ_3"),
        ("pieces = 0", "pieces"),
        ("min_cc = 5.0\nmax_cc = 4.0", "min_cc"),
        ("min_score = 1.5", "min_score"),
        ("confidence = [[0.5, 0.5]]", "slice_confidence"),
        ("confidence = [[0.5, 0.5], [0.4, 0.6]]\nslice_confidence = [[0.5, 0.5]]", "rise"),
    ] {
        std::fs::write(&manifest, format!("{plain}{wrong}\n")).unwrap();
        let error = ModelPackage::load(folder.path()).unwrap_err().to_string();
        assert!(error.contains(word), "{wrong}: {error}");
    }
}

#[test]
fn a_missing_slice_gets_no_contour_and_no_label() {
    let folder = tempfile::tempdir().unwrap();
    write_package(folder.path(), [7.0, 6.5, 8.0]);
    let mut scan = volume([0, 1, 2], [false; 3]);
    scan.slices[17].missing = true;
    let found = run(&scan, folder.path());
    let plane = scan.slices[17].plane;
    assert!(found.rois.iter().all(|roi| roi.plane_at(&plane).is_none()));
    let area = 40 * 32;
    assert!(found.labels.unwrap().labels[17 * area..18 * area].iter().all(|label| *label == 0));
}

#[test]
fn a_tilted_scan_is_turned_before_the_network_sees_it() {
    // Tilted by 20 degrees the labels must lie where they lie in the straight scan, but for what
    // interpolation does at their edges.
    let folder = tempfile::tempdir().unwrap();
    write_package(folder.path(), [6.0, 6.0, 6.0]);
    let straight = volume([0, 1, 2], [false; 3]);
    let reference = run(&straight, folder.path()).labels.unwrap();
    let turn = nalgebra::Rotation3::from_axis_angle(&Vector3::x_axis(), 20_f64.to_radians());
    let steps = [Vector3::x() * 4.0, Vector3::y() * 4.0, Vector3::z() * 4.0].map(|step| turn * step);
    let origin = turn * Point3::new(-130.0, -120.0, -130.0);
    let tilted = volume_on(Grid::new([66, 61, 66], origin, steps).unwrap());
    let found = run(&tilted, folder.path()).labels.unwrap();
    let (mut same, mut all) = (0_u32, 0_u32);
    for (at, label) in reference.labels.iter().enumerate() {
        let voxel = [at % 40, at / 40 % 32, at / (40 * 32)];
        let point = straight.grid.patient_of(voxel.map(|n| f64::from(u32::try_from(n).unwrap())));
        if hu(point) == -1000 {
            continue;
        }
        let there = tilted.grid.voxel_of(point).map(f64::round);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let Some(index) = tilted.grid.index_of(there.map(|x| x as usize)) else { continue };
        all += 1;
        same += u32::from(found.labels[index] == *label);
    }
    assert!(all > 10_000 && same * 100 > all * 75, "{same} of {all} voxels agree");
}

#[test]
fn damaged_packages_and_wrong_images_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_package(folder.path(), [7.0, 6.5, 8.0]);
    let scan = volume([0, 1, 2], [false; 3]);
    let package = ModelPackage::load(folder.path()).unwrap();
    let options =
        |rois: Vec<String>| PredictOptions { device: DeviceChoice::Cpu, rois, ..Default::default() };
    let unknown = predict(&scan, &package, &options(vec!["Liver".into()]), &Progress::new());
    assert!(matches!(unknown, Err(PredictError::UnknownRoi { .. })));
    let mr = Volume { unit: Unit::Arbitrary, ..scan.clone() };
    assert!(matches!(
        predict(&mr, &package, &options(vec![]), &Progress::new()),
        Err(PredictError::Unit { .. })
    ));
    let stopped = Progress::new();
    stopped.cancel();
    assert!(matches!(predict(&scan, &package, &options(vec![]), &stopped), Err(PredictError::Cancelled(_))));
    let weights = folder.path().join("weights.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    let message = package.network().unwrap_err().to_string();
    assert!(message.contains("damaged") && message.contains("weights.safetensors"), "{message}");
    let manifest = folder.path().join("model.toml");
    let text = std::fs::read_to_string(&manifest).unwrap().replace("LPS", "RAS");
    std::fs::write(&manifest, text).unwrap();
    assert!(ModelPackage::load(folder.path()).unwrap_err().to_string().contains("RAS"));
}

#[test]
fn the_body_of_the_sample_patient_is_found_under_a_mask_and_on_a_couch() {
    let mut patient = delineo::phantom::build(1, &Progress::new()).unwrap();
    delineo::phantom::add_couch_and_mask(&mut patient);
    let found = delineo::ai::body_mask(&patient.series.volume, &Progress::new()).unwrap();
    let truth = &patient.labels.labels;
    let both = found.iter().zip(truth).filter(|(inside, label)| **inside && **label != 0).count();
    let sizes = found.iter().filter(|inside| **inside).count() + truth.iter().filter(|l| **l != 0).count();
    let ratio =
        |a: usize, b: usize| f64::from(u32::try_from(a).unwrap()) / f64::from(u32::try_from(b).unwrap());
    let dice = ratio(2 * both, sizes);
    eprintln!("Dice {dice:.4}");
    assert!(dice >= 0.98, "Dice {dice}");
}
