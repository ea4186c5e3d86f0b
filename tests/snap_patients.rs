//! Filling between slices with and without snapping to edges, on patients: of organs outlined on every
//! slice each fourth or fifth is kept, and what is suggested between is compared with what was left out.
//!
//! Where an organ changes from slice to slice and has a clear edge snapping must be better by a tenth;
//! nowhere, weak edges and clinical contours on coarse pixels included, may it be worse by more than a
//! tenth of a pixel in the mean, a quarter of one at the 95th percentile, or a hundredth in Dice; pixels
//! below a millimetre count as that, since the outlines of the trunk were made on wider ones.
#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests on images of known size"
)]

mod shared;

use delineo::edit::{gaps, snapped};
use delineo::formats::nifti;
use delineo::geometry::{Point2, Polygon, clip};
use delineo::patient::{LabelMap, Mask, Roi, RoiId, RoiPlane, Volume};
use delineo::progress::Progress;
use delineo::session::study::Study;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// How far an edge is looked for: what the tool starts with, mm.
const REACH_MM: f64 = 4.0;

type Slices = Vec<(usize, Arc<RoiPlane>)>;

/// A patient with outlined organs.
struct Case {
    volume: Arc<Volume>,
    masks: BTreeMap<u16, Mask>,
}

impl Case {
    fn read(images: &Path, labels: &Path) -> Self {
        let progress = Progress::new();
        let volume = if images.is_dir() {
            Study::open(&[images.to_owned()], None, &progress).unwrap().series.volume
        } else {
            nifti::read_image(images, &progress).unwrap().series.volume
        };
        let labels: LabelMap = nifti::read_labels(labels, &progress).unwrap().on_grid(&volume.grid).unwrap();
        let masks = labels.masks();
        Self { volume, masks }
    }

    /// The outlines of some labels together, by slice.
    fn outlines(&self, labels: &[u16]) -> Slices {
        let masks = labels.iter().filter_map(|label| self.masks.get(label).cloned());
        let Some(mask) = masks.reduce(|a, b| a.union(&b)) else { return Vec::new() };
        let planes = mask.planes(&self.volume);
        planes.into_iter().filter_map(|own| Some((self.volume.slice_of(&own.plane)?, own))).collect()
    }
}

/// How one way of filling agrees with what was left out.
#[derive(Default)]
struct Agreement {
    /// Distances between the outlines, both ways, mm, each with the length that it stands for.
    off_mm: Vec<(f64, f64)>,
    both_mm2: f64,
    sum_mm2: f64,
}

impl Agreement {
    fn add(&mut self, found: &[Polygon], wanted: &[Polygon], pitch_mm: f64) {
        let area = |own: &[Polygon]| own.iter().map(Polygon::area_mm2).sum::<f64>();
        self.both_mm2 += area(&clip::intersection(found, wanted));
        self.sum_mm2 += area(found) + area(wanted);
        let sides = [found, wanted].map(|own| -> Vec<[Point2; 2]> {
            let rings = own.iter().flat_map(Polygon::rings);
            rings.flat_map(|ring| (0..ring.len()).map(|n| [ring[n], ring[(n + 1) % ring.len()]])).collect()
        });
        if sides.iter().any(Vec::is_empty) {
            return;
        }
        for (own, other) in [(&sides[0], &sides[1]), (&sides[1], &sides[0])] {
            for [a, b] in own {
                let length = (b - a).norm();
                let parts = (length / pitch_mm).ceil();
                for n in 0..parts as usize {
                    let at = a + (b - a) * ((n as f64 + 0.5) / parts);
                    let off2 = other.iter().map(|[from, to]| {
                        let way = to - from;
                        let part = ((at - from).dot(&way) / way.norm_squared().max(1e-12)).clamp(0.0, 1.0);
                        (at - (from + way * part)).norm_squared()
                    });
                    self.off_mm.push((off2.fold(f64::INFINITY, f64::min).sqrt(), length / parts));
                }
            }
        }
    }

    /// The mean distance and the 95th percentile, mm, and Dice.
    fn found(&mut self) -> [f64; 3] {
        self.off_mm.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let length: f64 = self.off_mm.iter().map(|own| own.1).sum();
        let mean = self.off_mm.iter().map(|own| own.0 * own.1).sum::<f64>() / length;
        let mut so_far = 0.0;
        let most = self.off_mm.iter().find(|own| {
            so_far += own.1;
            so_far >= 0.95 * length
        });
        [mean, most.map_or(0.0, |own| own.0), 2.0 * self.both_mm2 / self.sum_mm2]
    }
}

/// Plain and snapped filling against what was left out, `every` so many slices kept.
fn add(agree: &mut [Agreement; 2], case: &Case, all: &Slices, every: usize) {
    let volume = &case.volume;
    let pitch_mm = (pixel_mm(volume) / 3.0).max(1.0);
    let mut roi = Roi::new(RoiId(1), 1, "Organ", [0; 3]);
    roi.planes = all.iter().step_by(every).map(|(_, own)| Arc::clone(own)).collect();
    for gap in gaps(&roi, volume) {
        let plain = gap.fill(volume);
        let ends = [gap.below.clone(), gap.above.clone()];
        let moved = snapped(&plain, &ends, volume, REACH_MM, &Progress::new()).unwrap();
        for slice in gap.slices() {
            let Some((_, wanted)) = all.iter().find(|own| own.0 == slice) else { continue };
            for (agree, filled) in agree.iter_mut().zip([&plain, &moved]) {
                let found = filled.iter().find(|own| own.0 == slice);
                agree.add(found.map_or(&[], |own| &own.1.polygons), &wanted.polygons, pitch_mm);
            }
        }
    }
}

fn pixel_mm(volume: &Volume) -> f64 {
    let [along, across, _] = volume.grid.spacing_mm();
    along.max(across).max(1.0)
}

/// Tells and checks one organ.
fn check(name: &str, is_clear: bool, pixel_mm: f64, mut agree: [Agreement; 2]) {
    let [plain, moved] = [0, 1].map(|n| agree[n].found());
    println!(
        "{name}: mean {:.3} -> {:.3} mm, 95 % within {:.2} -> {:.2} mm, Dice {:.4} -> {:.4}",
        plain[0], moved[0], plain[1], moved[1], plain[2], moved[2],
    );
    assert!(moved[0] <= plain[0] + 0.1 * pixel_mm, "{name}: {moved:?} after {plain:?}");
    assert!(moved[1] <= plain[1] + 0.25 * pixel_mm, "{name}: {moved:?} after {plain:?}");
    assert!(moved[2] >= plain[2] - 0.01, "{name}: {moved:?} after {plain:?}");
    if is_clear {
        assert!(moved[0] < 0.9 * plain[0] && moved[2] > plain[2], "{name}: {moved:?} after {plain:?}");
    }
}

/// Organs of TotalSegmentator's table, and whether their edges are clear.
fn on_trunk(part: &str, images: &str, every: usize, organs: &[(&str, &[u16], bool)]) {
    let folder = format!("{part}/labels.nii.gz");
    let (Some(images), Some(labels)) = (shared::data(&format!("{part}/{images}")), shared::data(&folder))
    else {
        return;
    };
    let case = Case::read(&images, &labels);
    for (name, labels, is_clear) in organs {
        let mut agree = <[Agreement; 2]>::default();
        add(&mut agree, &case, &case.outlines(labels), every);
        check(&format!("{part}, {name}"), *is_clear, pixel_mm(&case.volume), agree);
    }
}

#[test]
fn on_a_chest_snapping_is_better_at_clear_edges_and_no_worse_elsewhere() {
    on_trunk(
        "chest",
        "CT",
        5,
        &[
            ("liver", &[5], true),
            ("spleen", &[1], true),
            ("right kidney", &[2], true),
            ("left kidney", &[3], true),
            ("stomach", &[6], true),
            ("left lung", &[10, 11], true),
            ("right lung", &[12, 13, 14], true),
            ("heart", &[51], true),
            ("aorta", &[52], true),
            ("trachea", &[16], true),
            ("esophagus", &[15], false),
            ("spinal cord", &[79], false),
            ("right back muscles", &[87], false),
        ],
    );
}

#[test]
fn on_an_abdomen_snapping_is_better_at_clear_edges_and_no_worse_elsewhere() {
    on_trunk(
        "abdomen",
        "ct.nii.gz",
        4,
        &[
            ("spleen", &[1], true),
            ("right kidney", &[2], true),
            ("left kidney", &[3], true),
            ("left hip", &[77], true),
            ("right hip", &[78], true),
            ("bladder", &[21], true),
            ("liver", &[5], false),
            ("aorta", &[52], false),
            ("inferior vena cava", &[63], false),
            ("left femur", &[75], false),
            ("right femur", &[76], false),
            ("left gluteus maximus", &[80], false),
            ("right gluteus maximus", &[81], false),
            ("spinal cord", &[79], false),
        ],
    );
}

/// Sixteen patients with clinical contours on pixels of four to five millimetres.
#[test]
fn of_the_head_and_neck_snapping_is_no_worse_than_the_blend() {
    let organs: [(&str, u16, bool); 7] = [
        ("mandible", 7, true),
        ("brainstem", 1, false),
        ("spinal cord", 2, false),
        ("right parotid", 3, false),
        ("left parotid", 4, false),
        ("esophagus", 5, false),
        ("larynx", 6, false),
    ];
    let patients = [201, 202, 204, 206, 207, 208, 209, 210, 211, 212, 213, 214, 215, 216, 218, 219];
    let mut agree = organs.map(|_| <[Agreement; 2]>::default());
    for patient in patients {
        let folder = format!("head-neck/valid/pt_{patient}");
        let Some(folder) = shared::data(&folder) else { return };
        let case = Case::read(&folder.join("ct.nii.gz"), &folder.join("labels.nii.gz"));
        for ((_, label, _), agree) in organs.iter().zip(&mut agree) {
            add(agree, &case, &case.outlines(&[*label]), 4);
        }
    }
    for ((name, _, is_clear), agree) in organs.into_iter().zip(agree) {
        check(&format!("head and neck, {name}"), is_clear, 4.0, agree);
    }
}
