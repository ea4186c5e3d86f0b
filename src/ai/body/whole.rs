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

/// Where so large a share of the body's depth lies at a side's end of the scan, the scan cuts that side
/// off. Of an ellipse that a straight line cuts so, less than 3 in 100 are missing, and the middle moves by
/// a fortieth of half its width.
const CUT_OFF: f64 = 0.5;
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
    (0..nz)
        .into_par_iter()
        .map(|z| {
            let at = |at: usize| inside[image.oriented.index([at % nx, at / nx, z])];
            let body = without_arms((0..nx * ny).map(at).collect(), nx);
            let (mut depth, mut cut) = (0_usize, [0_usize; 2]);
            for (y, row) in body.chunks_exact(nx).enumerate() {
                let Some(first) = row.iter().position(|own| *own) else { continue };
                let last = row.iter().rposition(|own| *own).unwrap_or(first);
                depth += 1;
                let is_end = |mut beyond: std::ops::Range<usize>| beyond.any(|x| !is_seen(x, y, z));
                cut[0] += usize::from(first == 0 || is_end(first.saturating_sub(near)..first));
                cut[1] += usize::from(last + 1 == nx || is_end(last + 1..(last + 1 + near).min(nx)));
            }
            #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
            let most = CUT_OFF * depth as f64;
            #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
            cut.iter().all(|rows| (*rows as f64) < most)
        })
        .collect()
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

    fn whole(volume: &Volume) -> Vec<bool> {
        let body = SeenBody::find(volume, &Progress::new()).unwrap();
        body.whole_in_box(&volume.grid, &volume.grid, [[0; 3], SIZE])
    }

    #[test]
    fn a_body_within_the_scan_is_whole() {
        for outside in [-1024, i16::MIN, 0] {
            // A circle that holds all of it, with or without a ring of air; then none.
            for radius_mm in [180.0, 185.0, 400.0] {
                let found = whole(&scan(0.0, radius_mm, outside, 6, false));
                assert_eq!(found, [true; 12], "{outside} HU beyond {radius_mm} mm");
            }
        }
    }

    #[test]
    fn the_circle_cuts_the_trunk_and_not_the_head() {
        let head_alone: Vec<bool> = (0..12).map(|z| z >= 6).collect();
        for outside in [-1024, i16::MIN, 0] {
            for is_flipped in [false, true] {
                // 130 mm of the 160 mm on both sides.
                assert_eq!(whole(&scan(0.0, 130.0, outside, 6, is_flipped)), head_alone, "{outside}");
            }
            // Beside the middle of the circle on one side alone.
            assert_eq!(whole(&scan(10.0, 150.0, outside, 6, false)), head_alone, "{outside}");
        }
    }

    #[test]
    fn the_image_s_end_cuts_a_body_off() {
        // 100 mm beside the middle a trunk, 160 mm to either side, goes over the end at 200 mm; a head of 80
        // mm does not.
        for is_flipped in [false, true] {
            let found = whole(&scan(40.0, 400.0, 0, 6, is_flipped));
            assert_eq!(found, (0..12).map(|z| z >= 6).collect::<Vec<_>>());
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
        assert_eq!(whole(&volume), [true; 12]);
    }

    #[test]
    fn planes_of_another_grid_ask_those_that_they_lie_on() {
        let volume = scan(0.0, 130.0, -1024, 6, false);
        let body = SeenBody::find(&volume, &Progress::new()).unwrap();
        let steps = [0, 1, 2].map(|axis| volume.grid.step_mm(axis) * if axis == 2 { 0.6 } else { 1.6 });
        let finer = Grid::new([100, 75, 19], volume.grid.origin_mm(), steps).unwrap();
        // Planes of 3 mm on those of 5 mm: the head begins at 30 mm, half a plane before it counts as it.
        let found = body.whole_in_box(&volume.grid, &finer, [[10, 10, 3], [60, 50, 12]]);
        assert_eq!(found, (3..15).map(|k| 3 * k + 2 >= 30).collect::<Vec<_>>());
        // A plane that crosses both says nothing.
        let steps = [steps[0], steps[2], steps[1]];
        let upright = Grid::new([100, 19, 75], volume.grid.origin_mm(), steps).unwrap();
        let across = |low: usize, size: usize| {
            body.whole_in_box(&volume.grid, &upright, [[0, low, 20], [100, size, 2]])
        };
        assert_eq!(across(0, 19), [false; 2]);
        assert_eq!(across(10, 9), [true; 2]);
    }
}
