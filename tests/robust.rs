//! The shipped head-and-neck model on a real patient stored, sampled and disturbed in other ways, and
//! on patients who have no head: contours stay where they were, or stay away.
//!
//! What is compared is the program's contours with its own on the undisturbed scan, so the test says
//! nothing about how good they are and holds for weights to come.

mod shared;

use delineo::ai::{ModelPackage, PredictOptions, Prediction, predict};
use delineo::device::DeviceChoice;
use delineo::dicom::{read_series, scan};
use delineo::formats::nifti;
use delineo::geometry::{Grid, Plane, Point3, Vector3};
use delineo::patient::{Roi, Slice, Unit, Volume, Voxels};
use delineo::progress::Progress;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, OnceLock};

const MODEL: &str = "head-neck";

fn read(path: &Path) -> Arc<Volume> {
    nifti::read_image(path, &Progress::new()).unwrap().series.volume
}

fn run(volume: &Volume, step: Option<f64>) -> Prediction {
    let package = ModelPackage::find(MODEL).unwrap();
    let options =
        PredictOptions { device: DeviceChoice::Cpu, label_map: true, step, ..PredictOptions::default() };
    let found = predict(volume, &package, &options, &Progress::new()).unwrap();
    for roi in &found.rois {
        let all = roi.confidence.expect("the model's own contours have a confidence");
        assert!((0.0..=1.0).contains(&all.value) && !all.edited);
        assert_eq!(roi.slice_confidence().count(), roi.planes.len(), "{}", roi.name);
    }
    found
}

/// A patient with all organs of the neck, and the contours of the scan as it is.
struct Baseline {
    volume: Arc<Volume>,
    found: Prediction,
}

/// Computed once; `None` without the data.
fn baseline() -> Option<&'static Baseline> {
    static ONCE: OnceLock<Option<Baseline>> = OnceLock::new();
    ONCE.get_or_init(|| {
        let volume = read(&shared::data("head-neck/valid/pt_202/ct.nii.gz")?);
        let found = run(&volume, None);
        assert!(found.rois.len() >= 5, "the scan as it is has its organs: {:?}", found.warnings);
        Some(Baseline { volume, found })
    })
    .as_ref()
}

fn voxels(dims: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    let [ni, nj, nk] = dims;
    (0..ni * nj * nk).map(move |at| [at % ni, at / ni % nj, at / (ni * nj)])
}

#[allow(clippy::cast_precision_loss)]
fn place(grid: &Grid, voxel: [usize; 3]) -> Point3 {
    grid.patient_of(voxel.map(|n| n as f64))
}

/// The value at a place, linearly interpolated; air outside.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn hu_at(volume: &Volume, point: Point3) -> f32 {
    let dims = volume.grid.dims();
    let at = volume.grid.voxel_of(point);
    if (0..3).any(|axis| at[axis] < -0.5 || at[axis] > dims[axis] as f64 - 0.5) {
        return -1000.0;
    }
    let mut sum = 0.0;
    for corner in 0..8 {
        let mut weight = 1.0;
        let mut voxel = [0; 3];
        for axis in 0..3 {
            let clamped = at[axis].clamp(0.0, dims[axis] as f64 - 1.0);
            let below = clamped.floor();
            let high = corner >> axis & 1 == 1;
            weight *= if high { clamped - below } else { 1.0 - (clamped - below) };
            voxel[axis] = (below as usize + usize::from(high)).min(dims[axis] - 1);
        }
        if weight > 0.0 {
            let index = volume.grid.index_of(voxel).unwrap();
            sum += weight as f32 * volume.voxels.value(index).unwrap_or(-1000.0);
        }
    }
    sum
}

/// The scan on another grid, each value changed by `change`.
#[allow(clippy::cast_possible_truncation)]
fn on_grid(scan: &Volume, grid: Grid, change: impl Fn(Point3, f32) -> f32) -> Volume {
    let values = voxels(grid.dims()).map(|voxel| {
        let point = place(&grid, voxel);
        change(point, hu_at(scan, point)).clamp(-1024.0, 3071.0).round() as i16
    });
    let values = values.collect();
    let base = Plane::new(grid.origin_mm(), grid.step_mm(0), grid.step_mm(1)).unwrap();
    let slices = (0..grid.dims()[2]).map(|k| {
        let origin_mm = place(&grid, [0, 0, k]);
        let plane = base.at_offset(base.normal().dot(&origin_mm.coords));
        Slice { plane, origin_mm, instance: None, missing: false }
    });
    let slices = slices.collect();
    Volume { grid, voxels: Voxels::I16(values), unit: Unit::Hu, slices, native: None }
}

/// The axial grid over the same space with other steps, `more_mm` larger on both sides of x.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
fn axial_grid(scan: &Volume, spacing_mm: [f64; 3], more_mm: f64) -> Grid {
    let dims = scan.grid.dims();
    let last = place(&scan.grid, dims.map(|n| n - 1));
    let first = scan.grid.origin_mm();
    let mut low = first.inf(&last);
    let mut high = first.sup(&last);
    low.x -= more_mm;
    high.x += more_mm;
    let counts = [0, 1, 2].map(|axis| ((high[axis] - low[axis]) / spacing_mm[axis]).floor() as usize + 1);
    let [x, y, z] = spacing_mm;
    Grid::new(counts, low, [Vector3::x() * x, Vector3::y() * y, Vector3::z() * z]).unwrap()
}

/// Dice of each organ of the baseline against another result, over the baseline's voxels that the
/// other scan covers and of which `counts` is true.
fn agreement(
    base: &Baseline,
    other: &Volume,
    found: &Prediction,
    counts: impl Fn(Point3) -> bool,
) -> BTreeMap<String, f64> {
    let (own, theirs) = (base.found.labels.as_ref().unwrap(), found.labels.as_ref().unwrap());
    let mut sums: BTreeMap<u16, [f64; 2]> = BTreeMap::new();
    for (at, voxel) in voxels(base.volume.grid.dims()).enumerate() {
        let point = place(&base.volume.grid, voxel);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let there = other.grid.voxel_of(point).map(|n| n.round().max(-1.0) as i64);
        if there.iter().any(|n| *n < 0) || !counts(point) {
            continue;
        }
        let there = there.map(|n| usize::try_from(n).unwrap());
        let Some(index) = other.grid.index_of([there[0], there[1], there[2]]) else { continue };
        let (a, b) = (own.labels[at], theirs.labels[index]);
        for label in BTreeSet::from([a, b]) {
            let [both, sizes] = sums.entry(label).or_default();
            *both += f64::from(u8::from(a == label && b == label));
            *sizes += f64::from(u8::from(a == label)) + f64::from(u8::from(b == label));
        }
    }
    let name = |label: &u16| base.found.rois.iter().find(|roi| roi.number == i32::from(*label));
    sums.iter()
        .filter_map(|(label, [both, sizes])| Some((name(label)?.name.clone(), 2.0 * both / sizes)))
        .collect()
}

fn mean(values: &BTreeMap<String, f64>) -> f64 {
    #[allow(clippy::cast_precision_loss)]
    {
        values.values().sum::<f64>() / values.len().max(1) as f64
    }
}

fn centre(roi: &Roi) -> Vector3 {
    let points: Vec<Vector3> = roi
        .planes
        .iter()
        .flat_map(|own| {
            own.polygons.iter().flat_map(|polygon| &polygon.outer).map(|at| own.plane.lift(*at).coords)
        })
        .collect();
    #[allow(clippy::cast_precision_loss)]
    {
        points.iter().sum::<Vector3>() / points.len() as f64
    }
}

/// Left is left, whatever was done to the scan.
fn assert_sides(found: &Prediction, what: &str) {
    for left in found.rois.iter().filter(|roi| roi.name.ends_with("_L")) {
        let other = left.name.replace("_L", "_R");
        if let Some(right) = found.rois.iter().find(|roi| roi.name == other) {
            assert!(centre(left).x > centre(right).x + 20.0, "{what}: {} and {other}", left.name);
        }
    }
}

/// Runs a disturbed scan and holds its contours against the baseline's.
fn check(what: &str, scan: &Volume, least_mean: f64, least: f64, counts: impl Fn(Point3) -> bool) {
    let base = baseline().unwrap();
    let found = run(scan, None);
    assert_sides(&found, what);
    let dice = agreement(base, scan, &found, counts);
    println!("{what}: mean {:.3} {dice:.3?} {:?}", mean(&dice), found.warnings);
    assert!(mean(&dice) >= least_mean, "{what}: mean Dice {:.3} to the scan as it is", mean(&dice));
    for (name, dice) in dice {
        assert!(dice >= least, "{what}: {name} has {dice:.3} of the scan as it is");
    }
}

/// A NIfTI file of the scan whose stored axis a runs along grid axis `axes[a]`, backwards where
/// `flipped`: of the 48 ways half are left-handed, which only a reader can put right.
fn write_stored(scan: &Volume, axes: [usize; 3], flipped: [bool; 3], path: &Path) {
    let dims = axes.map(|axis| scan.grid.dims()[axis]);
    let mut origin = [0; 3];
    for (a, axis) in axes.into_iter().enumerate() {
        origin[axis] = if flipped[a] { dims[a] - 1 } else { 0 };
    }
    let mut header = vec![0_u8; 352];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &348_i32.to_le_bytes());
    put(40, &3_i16.to_le_bytes());
    for (a, n) in dims.into_iter().enumerate() {
        put(42 + 2 * a, &i16::try_from(n).unwrap().to_le_bytes());
        #[allow(clippy::cast_possible_truncation)]
        put(80 + 4 * a, &(scan.grid.step_mm(axes[a]).norm() as f32).to_le_bytes());
    }
    for a in 3..7 {
        put(42 + 2 * a, &1_i16.to_le_bytes());
    }
    put(70, &4_i16.to_le_bytes());
    put(72, &16_i16.to_le_bytes());
    put(76, &1.0_f32.to_le_bytes());
    put(108, &352.0_f32.to_le_bytes());
    put(112, &1.0_f32.to_le_bytes());
    put(123, &[2]);
    put(254, &1_i16.to_le_bytes());
    let start = place(&scan.grid, origin);
    for row in 0..3 {
        // NIfTI's x and y grow to the right and to the front.
        let sign = if row < 2 { -1.0 } else { 1.0 };
        let step = |a: usize| scan.grid.step_mm(axes[a])[row] * if flipped[a] { -1.0 } else { 1.0 };
        for (column, value) in [step(0), step(1), step(2), start[row]].into_iter().enumerate() {
            #[allow(clippy::cast_possible_truncation)]
            put(280 + 16 * row + 4 * column, &((sign * value) as f32).to_le_bytes());
        }
    }
    put(344, b"n+1\0");
    let mut bytes = header;
    for stored in voxels(dims) {
        let mut voxel = [0; 3];
        for a in 0..3 {
            voxel[axes[a]] = if flipped[a] { dims[a] - 1 - stored[a] } else { stored[a] };
        }
        let index = scan.grid.index_of(voxel).unwrap();
        #[allow(clippy::cast_possible_truncation)]
        let value = scan.voxels.value(index).unwrap_or(-1000.0) as i16;
        bytes.extend(value.to_le_bytes());
    }
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_scan_stored_in_any_order_has_the_same_contours() {
    let Some(base) = baseline() else { return };
    let folder = tempfile::tempdir().unwrap();
    // Of the 48: both handednesses, slices along each axis.
    for (axes, flipped) in
        [([0, 1, 2], [true, false, false]), ([1, 2, 0], [false, true, true]), ([2, 0, 1], [true, true, true])]
    {
        let path = folder.path().join("scan.nii");
        write_stored(&base.volume, axes, flipped, &path);
        check(&format!("stored as {axes:?} {flipped:?}"), &read(&path), 0.99, 0.98, |_| true);
    }
}

#[test]
fn a_scan_of_other_resolution_has_the_same_contours() {
    let Some(base) = baseline() else { return };
    for (spacing_mm, least_mean, least) in
        [([1.0, 1.0, 1.0], 0.90, 0.75), ([2.0, 2.0, 5.0], 0.80, 0.50), ([5.0, 5.0, 3.0], 0.75, 0.50)]
    {
        let scan = on_grid(&base.volume, axial_grid(&base.volume, spacing_mm, 0.0), |_, hu| hu);
        check(&format!("at {spacing_mm:?} mm"), &scan, least_mean, least, |_| true);
    }
}

#[test]
fn table_arms_metal_and_another_scale_leave_the_contours() {
    let Some(base) = baseline() else { return };
    let scan = &base.volume;
    let own = |change: &dyn Fn(Point3, f32) -> f32| on_grid(scan, scan.grid.clone(), change);
    let hotter = own(&|_, hu| if hu > -990.0 { hu + 20.0 } else { hu });
    check("20 HU up", &hotter, 0.90, 0.80, |_| true);
    let colder = own(&|_, hu| if hu > -990.0 { hu - 20.0 } else { hu });
    check("20 HU down", &colder, 0.90, 0.80, |_| true);

    // What is above air: the box around the patient.
    let mut low = Vector3::repeat(f64::MAX);
    let mut high = -low;
    for voxel in voxels(scan.grid.dims()) {
        let point = place(&scan.grid, voxel);
        if hu_at(scan, point) > -300.0 {
            low = low.inf(&point.coords);
            high = high.sup(&point.coords);
        }
    }
    let wide = axial_grid(scan, [3.9, 3.9, 2.5], 110.0);
    let middle = f64::midpoint(low.x, high.x);
    let arms = on_grid(scan, wide.clone(), |point, hu| {
        let aside = (point.x - middle).abs() - (high.x - low.x) / 2.0 - 45.0;
        let from_the_middle = aside.hypot(point.y - f64::midpoint(low.y, high.y));
        if from_the_middle < 15.0 {
            700.0
        } else if from_the_middle < 40.0 {
            40.0
        } else {
            hu
        }
    });
    check("arms in", &arms, 0.90, 0.75, |_| true);
    let deeper = {
        let [ni, nj, nk] = wide.dims();
        let steps = [0, 1, 2].map(|axis| wide.step_mm(axis));
        Grid::new([ni, nj + 10, nk], wide.origin_mm(), steps).unwrap()
    };
    let table = on_grid(scan, deeper, |point, hu| {
        let behind = point.y - high.y;
        let shell = (0.0..5.0).contains(&behind) || (20.0..25.0).contains(&behind);
        if (point.x - middle).abs() > 150.0 || !(0.0..25.0).contains(&behind) {
            hu
        } else if shell {
            150.0
        } else {
            -900.0
        }
    });
    check("on a table", &table, 0.90, 0.75, |_| true);

    let mandible = base.found.rois.iter().find(|roi| roi.name == "Bone_Mandible").expect("it has a jaw");
    let teeth = centre(mandible);
    let metal = own(&|point, hu| {
        let [x, y, z] = [point.x - teeth.x, point.y - (teeth.y - 15.0), point.z - (teeth.z + 8.0)];
        if hu < -900.0 || z.abs() > 8.0 {
            return hu;
        }
        let mut sum = hu;
        for side in [-22.0, 22.0] {
            let (r, angle) = ((x - side).hypot(y), y.atan2(x - side));
            #[allow(clippy::cast_possible_truncation)]
            {
                sum += if r < 4.0 { 3000.0 } else { (900.0 * (9.0 * angle).cos() / (1.0 + r / 12.0)) as f32 };
            }
        }
        sum
    });
    check("metal in the teeth", &metal, 0.80, 0.40, |_| true);
}

/// The scan's slices from one share of its height to another, 0 at the feet.
fn part_of(scan: &Volume, from: f64, to: f64) -> (Volume, [f64; 2]) {
    let [ni, nj, nk] = scan.grid.dims();
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let [first, last] = [from, to].map(|share| (share * (nk - 1) as f64).round() as usize);
    let steps = [0, 1, 2].map(|axis| scan.grid.step_mm(axis));
    assert!(steps[2].z > 0.0, "slices go up");
    let grid = Grid::new([ni, nj, last - first + 1], place(&scan.grid, [0, 0, first]), steps).unwrap();
    let ends = [first, last].map(|k| place(&scan.grid, [0, 0, k]).z);
    (on_grid(scan, grid, |_, hu| hu), ends)
}

#[test]
fn a_scan_cut_at_the_neck_has_the_organs_that_are_left() {
    let Some(base) = baseline() else { return };
    // Without the lower part; near the cut the network knows less.
    let (head, [low, _]) = part_of(&base.volume, 0.35, 1.0);
    check("cut at the neck", &head, 0.80, 0.40, |point| point.z > low + 20.0);

    // Without the head: what lies wholly above the cut is not invented.
    let (neck, [_, high]) = part_of(&base.volume, 0.0, 0.4);
    let found = run(&neck, None);
    assert_sides(&found, "below the head");
    for roi in &base.found.rois {
        let least = roi.planes.iter().map(|plane| plane.plane.offset_mm()).fold(f64::MAX, f64::min);
        if least > high + 5.0 {
            let is_there = found.rois.iter().any(|other| other.name == roi.name);
            assert!(!is_there, "{} begins at {least} mm, the scan ends at {high} mm", roi.name);
        }
    }
    println!("below the head: {:?}", found.warnings);
    let text = found.warnings.join("; ");
    assert!(
        text.contains("not found in the image: ") && text.contains("cut by the end of the scan: "),
        "{text}"
    );
}

/// Organs that an image without a head may have.
fn assert_no_head(volume: &Volume, step: Option<f64>, allowed: &[&str], what: &str) {
    let found = run(volume, step);
    let named: Vec<String> = found
        .rois
        .iter()
        .map(|roi| {
            format!("{} {:.1} cc, {:?}", roi.name, roi.volume_cc(volume), roi.confidence.unwrap().value)
        })
        .collect();
    println!("{what}: {named:?} {:?}", found.warnings);
    for roi in &found.rois {
        assert!(allowed.contains(&roi.name.as_str()), "{what}: invented {named:?}");
    }
    let labels = found.labels.unwrap();
    let seen: BTreeSet<u16> = labels.labels.iter().copied().collect();
    let kept: BTreeSet<u16> =
        found.rois.iter().map(|roi| u16::try_from(roi.number).unwrap()).chain([0]).collect();
    assert!(seen.is_subset(&kept), "{what}: the label map has {seen:?}, the contours {kept:?}");
    assert!(found.warnings.iter().any(|text| text.starts_with("not found in the image: ")));
}

#[test]
fn an_abdomen_has_no_head() {
    let Some(path) = shared::data("abdomen/ct.nii.gz") else { return };
    let allowed = ["SpinalCord", "SpinalCanal", "Lung_L", "Lung_R"];
    assert_no_head(&read(&path), None, &allowed, "abdomen");
}

#[test]
fn a_chest_has_no_head() {
    let Some(path) = shared::data("chest/labels.nii.gz") else { return };
    let folder = path.parent().unwrap().join("CT");
    let library = scan(&[folder], &Progress::new()).unwrap();
    let series = read_series(&library.series[0], &Progress::new()).unwrap().series;
    // Every other pixel is finer than the model's own grid still.
    let volume = &series.volume;
    let [ni, nj, nk] = volume.grid.dims();
    let steps = [(0, 2.0), (1, 2.0), (2, 1.0)].map(|(axis, by)| volume.grid.step_mm(axis) * by);
    let grid = Grid::new([ni / 2, nj / 2, nk], volume.grid.origin_mm(), steps).unwrap();
    let chest = on_grid(volume, grid, |_, hu| hu.max(-1000.0));
    // The topmost slices show the cartilages and the glottis: the larynx is there, cut.
    let allowed = ["SpinalCord", "SpinalCanal", "Esophagus", "Larynx", "Lung_L", "Lung_R"];
    assert_no_head(&chest, Some(1.0), &allowed, "chest");
}
