//! Which slices show the body from its left to its right.
//!
//! Where the scan cuts off a side, by the end of the image or by the circle of reconstruction, the middle
//! of what is seen is not the patient's.

use super::{BodyError, Found, Image, OUTSIDE_HU, padding, voxels};
use crate::ai::orient::Oriented;
use crate::geometry::{Grid, bits::Bits};
use crate::patient::Volume;
use crate::progress::Progress;
use rayon::prelude::*;

/// Where so large a share of the body's depth lies at a side's end of the scan, the scan cuts that side off.
/// An image that was cut tight around a round body shows less of it there, on voxels of a few millimetres.
const CUT_OFF: f64 = 1.0 / 3.0;
/// Slices so near to one that is cut off tell nothing either, mm: shoulders and chins begin there.
const BESIDE_MM: f64 = 10.0;
/// The body lies at the circle's edge when it comes so near, mm, or within two voxels: the pixels there are
/// blurred. At the image's end it lies when it has the last column.
const NEAR_MM: f64 = 3.0;
/// A piece of a slice's body that is smaller than one part in so many of the largest is an arm beside it,
/// or a finger: a leg is not so much smaller than the other one.
const ARM: usize = 5;

/// A slice of the body, `nx` wide, without arms that lie apart from it: they tell nothing of its middle.
pub(in crate::ai) fn without_arms(plane: Vec<bool>, nx: usize) -> Vec<bool> {
    let ny = plane.len() / nx.max(1);
    let pieces = Bits { size: [nx, ny, 1], values: plane }.pieces();
    let largest = pieces.largest().map_or(0, |largest| pieces.voxels(largest));
    pieces.chosen(|piece| ARM * pieces.voxels(piece) >= largest).values
}

/// The body of a CT, and where its middle can be told.
pub(in crate::ai) struct SeenBody {
    /// For each voxel of the volume's grid whether it is inside the body, cavities included.
    pub inside: Vec<bool>,
    oriented: Oriented,
    /// For each plane from the feet up whether it shows the body from left to right.
    is_whole: Vec<bool>,
}

impl SeenBody {
    /// Finds it.
    ///
    /// # Errors
    /// [`BodyError`] when the image is not CT, there is no body in it, or someone asked to stop.
    pub(in crate::ai) fn find(volume: &Volume, progress: &Progress) -> Result<Self, BodyError> {
        let Found { image, inside, .. } = Found::new(volume, progress)?;
        let is_whole = whole_planes(&image, &inside);
        Ok(Self { inside, oriented: image.oriented, is_whole })
    }

    /// For each plane along k of a box of another grid whether the planes of the volume, which has the grid
    /// `own`, that it lies on show the body from left to right. The box begins at voxel `low` and has `size`
    /// voxels, (i, j, k).
    pub(in crate::ai) fn whole_in_box(
        &self,
        own: &Grid,
        other: &Grid,
        [low, size]: [[usize; 3]; 2],
    ) -> Vec<bool> {
        let (axis, is_flipped) = self.oriented.axes()[2];
        let last = self.is_whole.len().saturating_sub(1);
        #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
        let plane_of = |voxel: [usize; 3]| {
            let along = own.voxel_of(other.patient_of(voxel.map(|n| n as f64)))[axis];
            let up = if is_flipped { last as f64 - along } else { along };
            up.round().clamp(0.0, last as f64)
        };
        let high = [0, 1].map(|axis| low[axis] + size[axis].saturating_sub(1));
        (low[2]..low[2] + size[2])
            .map(|k| {
                let corners =
                    [[low[0], low[1], k], [high[0], low[1], k], [low[0], high[1], k], [high[0], high[1], k]];
                let planes = corners.map(plane_of);
                let first = planes.into_iter().fold(f64::INFINITY, f64::min);
                let end = planes.into_iter().fold(0.0, f64::max);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a plane's number"
                )]
                let on = self.is_whole.get(first as usize..=end as usize);
                on.is_some_and(|on| on.iter().all(|is_whole| *is_whole))
            })
            .collect()
    }
}

/// What of a slice's body lies at the ends of the scan.
#[derive(Debug, Clone, Copy, Default)]
struct Ends {
    /// Rows with body.
    depth: usize,
    /// Rows whose body goes to the end on the right, and on the left.
    rows: [usize; 2],
}

/// For each plane in the patient's axes whether neither side of the body is cut off.
fn whole_planes(image: &Image<'_>, inside: &[bool]) -> Vec<bool> {
    let circle = padding::circle(image);
    let [nx, ny, nz] = image.oriented.size;
    let near = voxels(NEAR_MM, image.oriented.spacing_mm[0]).max(2);
    let is_seen = |x: usize, y: usize, z: usize| {
        circle.as_ref().is_none_or(|circle: &Bits| {
            circle.values[y * nx + x] && image.hu(image.oriented.index([x, y, z])) > OUTSIDE_HU
        })
    };
    let ends: Vec<Ends> = (0..nz)
        .into_par_iter()
        .map(|z| {
            let at = |at: usize| inside[image.oriented.index([at % nx, at / nx, z])];
            let body = without_arms((0..nx * ny).map(at).collect(), nx);
            let mut ends = Ends::default();
            for (y, row) in body.chunks_exact(nx).enumerate() {
                let Some(first) = row.iter().position(|own| *own) else { continue };
                let last = row.iter().rposition(|own| *own).unwrap_or(first);
                let is_end = |mut beyond: std::ops::Range<usize>| beyond.any(|x| !is_seen(x, y, z));
                ends.depth += 1;
                ends.rows[0] += usize::from(first == 0 || is_end(first.saturating_sub(near)..first));
                ends.rows[1] += usize::from(last + 1 == nx || is_end(last + 1..(last + 1 + near).min(nx)));
            }
            ends
        })
        .collect();
    whole(&ends, voxels(BESIDE_MM, image.oriented.spacing_mm[2]))
}

/// Which slices neither lie in a run that goes to an end of the scan and is cut off by it somewhere, nor at
/// most `beside` slices away from such a run: what goes to the end less deeply beside it is cut off, too.
fn whole(ends: &[Ends], beside: usize) -> Vec<bool> {
    let mut is_whole = vec![true; ends.len()];
    for side in [0, 1] {
        let mut first = 0;
        for run in ends.chunk_by(|a, b| (a.rows[side] > 0) == (b.rows[side] > 0)) {
            let end = first + run.len();
            #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
            let is_cut =
                |own: &Ends| own.rows[side] > 0 && own.rows[side] as f64 >= CUT_OFF * own.depth as f64;
            if run.iter().any(is_cut) {
                is_whole[first.saturating_sub(beside)..(end + beside).min(ends.len())].fill(false);
            }
            first = end;
        }
    }
    is_whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Point3, Vector3};
    use crate::patient::{Unit, Voxels};

    const SIZE: [usize; 3] = [160, 120, 12];

    /// A trunk of 320 x 200 mm in an image of 400 x 300 mm, `off` columns beside its middle, on planes from
    /// `from` on a head of 160 x 190 mm; what is farther than `radius_mm` from the image's middle has the
    /// value `outside`. Air has noise. The columns run to the patient's right where `is_flipped`.
    fn scan(off: f64, radius_mm: f64, outside: i16, from: usize, is_flipped: bool) -> Volume {
        let sign = if is_flipped { -1.0 } else { 1.0 };
        let turn = nalgebra::Rotation3::from_euler_angles(0.01, 0.02, 0.01);
        let steps =
            [Vector3::x() * (2.5 * sign), Vector3::y() * 2.5, Vector3::z() * 5.0].map(|step| turn * step);
        let grid = Grid::new(SIZE, Point3::new(3.0, -7.0, 11.0), steps).unwrap();
        let mut noise = 1_u32;
        let values = (0..grid.len()).map(|at| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let grain = i16::try_from(noise >> 28).unwrap();
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let (x, y) = ((at % 160) as f64 - 79.5, (at / 160 % 120) as f64 - 59.5);
            let [a, b] = if at / (160 * 120) >= from { [32.0, 38.0] } else { [64.0, 40.0] };
            let is_body = ((x - off) / a).hypot(y / b) <= 1.0;
            match () {
                () if 2.5 * x.hypot(y) > radius_mm => outside,
                () if is_body => 30 + grain,
                () => -1020 + grain,
            }
        });
        let voxels = Voxels::I16(values.collect());
        Volume { grid, voxels, unit: Unit::Hu, slices: Vec::new(), native: None }
    }

    /// The head without the two slices next to the trunk.
    fn head_alone() -> Vec<bool> {
        (0..12).map(|z| z >= 8).collect()
    }

    fn found(volume: &Volume) -> Vec<bool> {
        let body = SeenBody::find(volume, &Progress::new()).unwrap();
        body.whole_in_box(&volume.grid, &volume.grid, [[0; 3], SIZE])
    }

    #[test]
    fn a_run_that_is_cut_somewhere_is_cut_and_what_lies_beside_it_tells_nothing() {
        let judged = |rows: &[[usize; 2]], beside: usize| -> String {
            let ends: Vec<Ends> = rows.iter().map(|rows| Ends { depth: 12, rows: *rows }).collect();
            whole(&ends, beside).into_iter().map(|is_whole| if is_whole { '1' } else { '.' }).collect()
        };
        let one = |rows: &[usize]| -> Vec<[usize; 2]> { rows.iter().map(|n| [*n, 0]).collect() };
        let other = |rows: &[usize]| -> Vec<[usize; 2]> { rows.iter().map(|n| [0, *n]).collect() };
        let rows = [0, 0, 1, 5, 3, 0, 0, 0, 3, 2, 0];
        assert_eq!(
            judged(&one(&rows), 0),
            "11...111111",
            "more than a third of the depth is cut off, less is not"
        );
        assert_eq!(judged(&other(&rows), 1), "1.....11111");
        // The two sides have their own runs.
        assert_eq!(judged(&[[5, 0], [1, 1], [0, 1], [0, 1]], 0), "..11");
        assert_eq!(judged(&[], 2), "");
        assert_eq!(whole(&[Ends::default()], 3), [true], "nothing is cut of nothing");
    }

    #[test]
    fn a_body_within_the_scan_is_whole() {
        for outside in [-1024, i16::MIN, 0] {
            // A circle that holds all of it, with or without a ring of air; then none.
            for radius_mm in [180.0, 185.0, 400.0] {
                let whole = found(&scan(0.0, radius_mm, outside, 6, false));
                assert_eq!(whole, [true; 12], "{outside} HU beyond {radius_mm} mm");
            }
        }
    }

    #[test]
    fn the_circle_cuts_the_trunk_and_not_the_head() {
        for outside in [-1024, i16::MIN, 0] {
            for is_flipped in [false, true] {
                // 130 mm of the 160 mm on both sides.
                assert_eq!(found(&scan(0.0, 130.0, outside, 6, is_flipped)), head_alone(), "{outside}");
            }
            // Beside the middle of the circle on one side alone.
            assert_eq!(found(&scan(10.0, 150.0, outside, 6, false)), head_alone(), "{outside}");
        }
    }

    #[test]
    fn the_image_s_end_cuts_a_body_off() {
        // 100 mm beside the middle a trunk, 160 mm to either side, goes over the end at 200 mm; a head of 80
        // mm does not.
        for is_flipped in [false, true] {
            assert_eq!(found(&scan(40.0, 400.0, 0, 6, is_flipped)), head_alone());
        }
    }

    #[test]
    fn an_arm_at_the_end_of_the_scan_cuts_nothing_off() {
        let mut volume = scan(0.0, 400.0, 0, 6, false);
        let Voxels::I16(values) = &mut volume.voxels else { unreachable!("made of whole numbers") };
        // Apart from the trunk, 27 mm of it in the image, deeper than half of the trunk.
        for (at, value) in values.iter_mut().enumerate() {
            if at % 160 >= 149 && (at / 160 % 120).abs_diff(60) < 25 {
                *value = 40;
            }
        }
        let body = SeenBody::find(&volume, &Progress::new()).unwrap();
        assert!(body.inside[60 * 160 + 155], "it belongs to the body");
        assert_eq!(found(&volume), [true; 12]);
    }

    #[test]
    fn planes_of_another_grid_ask_those_that_they_lie_on() {
        let volume = scan(0.0, 130.0, -1024, 6, false);
        let body = SeenBody::find(&volume, &Progress::new()).unwrap();
        let steps = [0, 1, 2].map(|axis| volume.grid.step_mm(axis) * if axis == 2 { 0.6 } else { 1.6 });
        let finer = Grid::new([100, 75, 19], volume.grid.origin_mm(), steps).unwrap();
        // Planes of 3 mm on those of 5 mm: whole from 40 mm on, half a plane before that counts as it.
        let found = body.whole_in_box(&volume.grid, &finer, [[10, 10, 3], [60, 50, 12]]);
        assert_eq!(found, (3..15).map(|k| 3 * k + 2 >= 40).collect::<Vec<_>>());
        // A plane that crosses both says nothing.
        let steps = [steps[0], steps[2], steps[1]];
        let upright = Grid::new([100, 19, 75], volume.grid.origin_mm(), steps).unwrap();
        let across = |low: usize, size: usize| {
            body.whole_in_box(&volume.grid, &upright, [[0, low, 20], [100, size, 2]])
        };
        assert_eq!(across(0, 19), [false; 2]);
        assert_eq!(across(14, 5), [true; 2]);
    }
}
