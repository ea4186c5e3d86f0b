//! The three extents on a constructed head: an ellipse under a mask, in a cushion, on a couch.

use super::extent::extent_mask;
use super::*;
use crate::geometry::{Grid, Point3, Vector3};
use crate::patient::Slice;

/// The head's half axes, mm.
const HEAD: [f64; 2] = [88.0, 70.0];
/// Where the mask begins and ends beyond the skin, mm.
const MASK: [f64; 2] = [5.0, 8.0];
/// Upper side of the cushion, and of the couch, below the head's middle, mm.
const CUSHION: f64 = 20.0;
const COUCH: f64 = 80.0;
const COUCH_DEEP: f64 = 60.0;
const COUCH_HALF_WIDTH: f64 = 190.0;

/// What is in the picture.
#[derive(Debug, Clone, Copy)]
struct Scene {
    mask: bool,
    cushion: bool,
    couch: bool,
    /// The couch's core, HU.
    core_hu: f64,
}

const ALL: Scene = Scene { mask: true, cushion: true, couch: true, core_hu: -940.0 };

/// How voxels lie.
#[derive(Debug, Clone, Copy)]
struct Lie {
    /// The directions of the columns, the rows and the slices.
    axes: [Vector3; 3],
    spacing_mm: [f64; 3],
}

const SIZE_MM: [f64; 2] = [420.0, 310.0];
const SLICES: usize = 14;

fn upright() -> Lie {
    Lie { axes: [Vector3::x(), Vector3::y(), Vector3::z()], spacing_mm: [1.5, 1.5, 3.0] }
}

/// The head's axes at a slice: a little wider at one end.
fn head(slice: f64) -> [f64; 2] {
    [HEAD[0] + 0.4 * slice, HEAD[1] - 0.2 * slice]
}

fn within(x: f64, y: f64, [a, b]: [f64; 2]) -> bool {
    (x / a).hypot(y / b) < 1.0
}

fn cushion_half_width(slice: f64) -> f64 {
    125.0 + 2.0 * slice
}

/// Whether each extent has a point, mm from the head's middle.
fn truth(scene: Scene, x: f64, y: f64, slice: f64) -> [bool; 3] {
    let [a, b] = head(slice);
    let patient = within(x, y, [a, b]);
    // The mask reaches down to the cushion, or to the head's middle.
    let end = if scene.cushion { CUSHION } else { 0.0 };
    let mask = scene.mask && y < end && within(x, y, [a + MASK[1], b + MASK[1]]);
    let cushion = scene.cushion && (CUSHION..COUCH).contains(&y) && x.abs() < cushion_half_width(slice);
    let couch = scene.couch && (COUCH..COUCH + COUCH_DEEP).contains(&y) && x.abs() < COUCH_HALF_WIDTH;
    [patient, patient || mask || cushion, patient || mask || cushion || couch]
}

fn hu(scene: Scene, x: f64, y: f64, slice: f64) -> f64 {
    let [a, b] = head(slice);
    let [patient, held, all] = truth(scene, x, y, slice);
    if patient {
        return 40.0;
    }
    if held && y < CUSHION {
        // Air between the mask and the skin.
        return if within(x, y, [a + MASK[0], b + MASK[0]]) { -1000.0 } else { 0.0 };
    }
    if held {
        // Its underside lies on the couch and cannot be told from its shell.
        let edge = (y - CUSHION).min(cushion_half_width(slice) - x.abs());
        return if edge < 1.5 { -300.0 } else { -820.0 };
    }
    if all {
        let edge = (y - COUCH).min(COUCH + COUCH_DEEP - y).min(COUCH_HALF_WIDTH - x.abs());
        return if edge < 2.5 { -150.0 } else { scene.core_hu };
    }
    // A cable, far away.
    if scene.mask && (x - 170.0).hypot(y + 105.0) < 3.0 { 100.0 } else { -1000.0 }
}

/// The volume with partial volumes and noise, and the truth of each extent.
fn scan(scene: Scene, lie: Lie) -> (Volume, [Vec<bool>; 3]) {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers")]
    let [ni, nj] = [0, 1].map(|axis| (SIZE_MM[axis] / lie.spacing_mm[axis]).round() as usize);
    let steps = [0, 1, 2].map(|axis| lie.axes[axis] * lie.spacing_mm[axis]);
    let grid = Grid::new([ni, nj, SLICES], Point3::new(10.0, -20.0, 30.0), steps).unwrap();
    let (mut values, mut truths) = (Vec::new(), [const { Vec::new() }; 3]);
    let mut seed = 1_u32;
    for at in 0..grid.len() {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let [i, j, slice] = [at % ni, at / ni % nj, at / (ni * nj)].map(|n| n as f64);
        let point = |di: f64, dj: f64| {
            let x = (i + 0.5 + di) * lie.spacing_mm[0] - SIZE_MM[0] / 2.0;
            (x, (j + 0.5 + dj) * lie.spacing_mm[1] - SIZE_MM[1] * 0.4)
        };
        let quarters = [(-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25)];
        let sum: f64 =
            quarters.map(|(di, dj)| point(di, dj)).map(|(x, y)| hu(scene, x, y, slice)).iter().sum();
        // Noise of 20 HU: the sum of four even ones.
        let noise: f64 = (0..4)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                f64::from(seed >> 16) / 65_536.0 - 0.5
            })
            .sum();
        #[expect(clippy::cast_possible_truncation, reason = "HU")]
        let value = (sum / 4.0 + noise * 35.0).round() as i16;
        values.push(value);
        let (x, y) = point(0.0, 0.0);
        for (all, own) in truths.iter_mut().zip(truth(scene, x, y, slice)) {
            all.push(own);
        }
    }
    let volume =
        Volume { grid, voxels: Voxels::I16(values), unit: Unit::Hu, slices: Vec::new(), native: None };
    (volume, truths)
}

/// The voxels of a mask.
pub(super) fn count(mask: &[bool]) -> usize {
    mask.iter().filter(|own| **own).count()
}

/// How far two masks agree.
#[expect(clippy::cast_precision_loss, reason = "voxel counts")]
pub(super) fn dice(a: &[bool], b: &[bool]) -> f64 {
    let both = a.iter().zip(b).filter(|(a, b)| **a && **b).count();
    2.0 * both as f64 / (count(a) + count(b)) as f64
}

fn masks(volume: &Volume) -> [Vec<bool>; 3] {
    BodyExtent::ALL.map(|extent| extent_mask(volume, extent, &Progress::new()).unwrap().0)
}

#[track_caller]
fn check(scene: Scene, lie: Lie) {
    let (volume, truths) = scan(scene, lie);
    let found = masks(&volume);
    assert_eq!(found[0], body_mask(&volume, &Progress::new()).unwrap(), "the patient alone is as it was");
    for ((found, truth), extent) in found.iter().zip(&truths).zip(BodyExtent::ALL) {
        let dice = dice(found, truth);
        println!("{scene:?} {extent:?}: Dice {dice:.4}");
        assert!(dice >= 0.98, "{extent:?} of {scene:?}, {lie:?}: Dice {dice}");
    }
    for pair in found.windows(2) {
        assert!(
            pair[0].iter().zip(&pair[1]).all(|(inner, outer)| *outer || !inner),
            "each holds the one before"
        );
    }
}

#[test]
fn each_extent_has_what_it_says_under_a_mask_in_a_cushion_on_a_couch() {
    check(ALL, upright());
    // A core that its values cannot tell from air is filled, since the shell encloses it.
    check(Scene { core_hu: -1000.0, ..ALL }, upright());
}

#[test]
fn a_mask_alone_is_closed_and_a_couch_alone_is_no_holder() {
    check(Scene { cushion: false, couch: false, ..ALL }, upright());
    check(Scene { mask: false, cushion: false, ..ALL }, upright());
}

#[test]
fn prone_feet_first_and_on_a_turned_uneven_grid_it_is_the_same() {
    let (x, y, z) = (Vector3::x(), Vector3::y(), Vector3::z());
    check(ALL, Lie { axes: [-x, -y, z], ..upright() });
    check(ALL, Lie { axes: [-x, y, -z], ..upright() });
    check(ALL, Lie { axes: [-y, x, z], spacing_mm: [1.2, 1.9, 2.0] });
    check(ALL, Lie { axes: [y, x, -z], spacing_mm: [1.9, 1.3, 4.0] });
    // 15 degrees about z, then 10 about x.
    let (about_z, about_x) = (15.0_f64.to_radians().sin_cos(), 10.0_f64.to_radians().sin_cos());
    let turned = |v: Vector3| {
        let v = Vector3::new(v.x * about_z.1 - v.y * about_z.0, v.x * about_z.0 + v.y * about_z.1, v.z);
        Vector3::new(v.x, v.y * about_x.1 - v.z * about_x.0, v.y * about_x.0 + v.z * about_x.1)
    };
    check(ALL, Lie { axes: [x, y, z].map(turned), spacing_mm: [1.3, 1.9, 2.5] });
}

/// The bay between two legs would be closed where it is narrow, if anything were to be closed there.
#[test]
fn without_mask_cushion_and_couch_all_are_the_patient_alone() {
    let bare = Scene { mask: false, cushion: false, couch: false, ..ALL };
    let (mut volume, _) = scan(bare, upright());
    let [ni, nj, _] = volume.grid.dims();
    let Voxels::I16(values) = &mut volume.voxels else { panic!() };
    for (at, value) in values.iter_mut().enumerate() {
        let (i, j) = (at % ni, at / ni % nj);
        if (ni / 2 - 5..ni / 2 + 5).contains(&i) && j > nj * 2 / 5 {
            *value = -1000;
        }
    }
    let [patient, held, all] = masks(&volume);
    assert!(dice(&patient, &held) > 0.998, "Dice {}", dice(&patient, &held));
    assert_eq!(held, all);
}

#[test]
fn a_slice_that_is_missing_is_bridged_by_none() {
    let (mut volume, _) = scan(ALL, upright());
    let [ni, nj, _] = volume.grid.dims();
    let Voxels::I16(values) = &mut volume.voxels else { panic!() };
    values[6 * ni * nj..9 * ni * nj].fill(i16::MIN);
    for (mask, extent) in masks(&volume).iter().zip(BodyExtent::ALL).skip(1) {
        assert_eq!(count(&mask[7 * ni * nj..8 * ni * nj]), 0, "{extent:?}");
    }
}

#[test]
fn the_contour_says_how_wide_it_is_and_stops_when_asked() {
    let (mut volume, _) = scan(Scene { mask: false, cushion: false, couch: false, ..ALL }, upright());
    volume.slices = Slice::all_of(&volume.grid);
    let progress = Progress::new();
    let bare = external_contour(&volume, BodyExtent::Couch, &progress).unwrap();
    assert!(bare.roi.description.starts_with("body with immobilisation and couch "));
    assert!(!bare.has_couch && bare.roi.description.ends_with("; no couch was found"));
    assert_eq!(bare.roi.planes.len(), SLICES);
    let alone = external_contour(&volume, BodyExtent::Patient, &progress).unwrap();
    assert_eq!(alone.roi.description, format!("body {}", env!("CARGO_PKG_VERSION")));
    assert_eq!(alone.note(BodyExtent::Patient), None);
    progress.cancel();
    let stopped = external_contour(&volume, BodyExtent::Immobilisation, &progress);
    assert!(matches!(stopped, Err(BodyError::Cancelled(_))));
    assert_eq!("couch".parse(), Ok(BodyExtent::Couch));
    assert!("Couch".parse::<BodyExtent>().is_err());
}
