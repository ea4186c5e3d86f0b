//! The body's outline on any CT, by classical means: threshold, couch out, opening, largest pieces,
//! cavities filled.
//!
//! The couch is the one thing that is the same in every slice, wide and thin: it is found in the
//! projection over all slices, where the patient's own surface blurs and the couch does not. What
//! is left of holders and fixation masks is thin, and goes with an opening on a grid of about
//! 3 mm; the outline is then refined on the image's own voxels.
//!
//! With [`BodyExtent`] what holds the patient, and the couch, are added to that.

mod couch;
mod extent;
mod holders;
mod padding;
mod whole;

pub use extent::{BodyExtent, External, extent_mask, external_contour};
pub(in crate::ai) use whole::{SeenBody, without_arms};

use super::orient::Oriented;
use crate::geometry::bits::Bits;
use crate::patient::{Roi, Unit, Volume, Voxels};
use crate::progress::{Cancelled, Progress};
use rayon::prelude::*;

/// Between air and skin, HU.
const SKIN_HU: f32 = -350.0;
/// What is no measurement, HU: the mark of the outside, far below any air.
const OUTSIDE_HU: f32 = -32_768.0;
/// The coarse grid's voxel, mm.
const COARSE_MM: f64 = 3.0;
/// Half of what counts as thin: holders, fixation masks, cables, mm.
const THIN_MM: f64 = 6.0;
/// Half of what counts as thin beside the skin: sheets and the cover of a mattress, mm.
const SHEET_MM: f64 = 2.2;
/// Nostrils, mouth and wounds narrower than twice this do not open the cavities behind, mm.
const SEAL_MM: f64 = 6.0;
/// Pieces below this are not kept beside the largest, cm3.
const LEAST_PIECE_CC: f64 = 100.0;

/// Why there is no body contour.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Someone asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The image has no Hounsfield units.
    #[error("the body contour needs CT in Hounsfield units; the image's values are something else")]
    Unit,
    /// Nothing in the image is as large and dense as a body.
    #[error("there is no body in the image, nothing to contour")]
    NoBody,
}

/// The ROI `Body` (EXTERNAL) of the patient alone, a proposal, on the volume's real slices.
///
/// # Errors
/// [`BodyError`] when the image is not CT, there is no body in it, or someone asked to stop.
pub fn body_contour(volume: &Volume, progress: &Progress) -> Result<Roi, BodyError> {
    external_contour(volume, BodyExtent::Patient, progress).map(|external| external.roi)
}

/// For each voxel of the volume's grid whether it is inside the body, cavities included.
///
/// # Errors
/// [`BodyError`] when the image is not CT, there is no body in it, or someone asked to stop.
pub fn body_mask(volume: &Volume, progress: &Progress) -> Result<Vec<bool>, BodyError> {
    Found::new(volume, progress).map(|found| found.inside)
}

/// The patient alone, and what was learnt on the way.
struct Found<'a> {
    image: Image<'a>,
    couch: Option<couch::Couch>,
    coarse: Coarse,
    /// The body, in memory order.
    inside: Vec<bool>,
}

impl<'a> Found<'a> {
    fn new(volume: &'a Volume, progress: &Progress) -> Result<Self, BodyError> {
        if volume.unit != Unit::Hu {
            return Err(BodyError::Unit);
        }
        if volume.grid.is_empty() {
            return Err(BodyError::NoBody);
        }
        progress.set_step("Finding the body");
        let mut image = Image { volume, oriented: Oriented::new(&volume.grid), padding: None };
        image.padding = padding::find(&image);
        let couch = couch::find(&image);
        progress.set_fraction(0.2)?;
        let coarse = Coarse::new(&image);
        let is_couch = |x, y| couch.as_ref().is_some_and(|couch| couch.covers(x, y));
        let dense = coarse.above(&image, SKIN_HU, is_couch);
        progress.set_fraction(0.4)?;
        let body = solid_body(&dense, coarse.spacing_mm).ok_or(BodyError::NoBody)?;
        progress.set_fraction(0.6)?;
        let inside = refine(&image, &coarse, &body, couch.as_ref(), progress)?;
        Ok(Self { image, couch, coarse, inside })
    }
}

/// A volume in the patient's axes.
struct Image<'a> {
    volume: &'a Volume,
    oriented: Oriented,
    /// What is no measurement though its value might be one, in memory order.
    padding: Option<Vec<bool>>,
}

impl Image<'_> {
    /// HU of a voxel by its memory index; the outside of the scan is less dense than air.
    fn hu(&self, index: usize) -> f32 {
        if self.padding.as_ref().is_some_and(|padding| padding[index]) {
            return OUTSIDE_HU;
        }
        match &self.volume.voxels {
            // Its mark of the outside is this very value.
            Voxels::I16(values) => f32::from(values[index]),
            Voxels::F32(values) => {
                let value = values[index];
                if value.is_nan() { OUTSIDE_HU } else { value }
            }
        }
    }

    /// The set whose planes along z these are, in memory order.
    fn in_memory_order<'p>(&self, planes: impl Iterator<Item = &'p [bool]>) -> Vec<bool> {
        let mut inside = vec![false; self.volume.grid.len()];
        for (z, plane) in planes.enumerate() {
            for (y, row) in plane.chunks_exact(self.oriented.size[0]).enumerate() {
                for (x, value) in row.iter().enumerate() {
                    if *value {
                        inside[self.oriented.index([x, y, z])] = true;
                    }
                }
            }
        }
        inside
    }

    /// A set in memory order, in the patient's axes.
    fn in_patient_axes(&self, inside: &[bool]) -> Bits {
        let mut bits = Bits::new(self.oriented.size);
        let [nx, ny, _] = self.oriented.size;
        bits.values.par_chunks_mut(nx * ny).enumerate().for_each(|(z, plane)| {
            for (at, value) in plane.iter_mut().enumerate() {
                *value = inside[self.oriented.index([at % nx, at / nx, z])];
            }
        });
        bits
    }

    /// Calls `each(x, hu)` along a row.
    #[expect(clippy::cast_possible_wrap, clippy::cast_sign_loss, reason = "inside the volume")]
    fn row(&self, y: usize, z: usize, mut each: impl FnMut(usize, f32)) {
        let start = self.oriented.index([0, y, z]) as isize;
        for x in 0..self.oriented.size[0] {
            each(x, self.hu((start + x as isize * self.oriented.x_step()) as usize));
        }
    }
}

/// The grid of blocks of voxels.
struct Coarse {
    /// Voxels in a block along x, y, z.
    block: [usize; 3],
    size: [usize; 3],
    spacing_mm: [f64; 3],
}

impl Coarse {
    fn new(image: &Image<'_>) -> Self {
        let oriented = &image.oriented;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 1000")]
        let block = oriented.spacing_mm.map(|mm| (COARSE_MM / mm).round().clamp(1.0, 1000.0) as usize);
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let spacing_mm = [0, 1, 2].map(|axis| oriented.spacing_mm[axis] * block[axis] as f64);
        Self { block, size: [0, 1, 2].map(|axis| oriented.size[axis].div_ceil(block[axis])), spacing_mm }
    }

    /// Blocks whose mean is denser than `least_hu`; what `is_left_out` says of (x, y) counts as air.
    fn above(
        &self,
        image: &Image<'_>,
        least_hu: f32,
        is_left_out: impl Fn(usize, usize) -> bool + Sync,
    ) -> Bits {
        let [nx, ny, _] = self.size;
        let fine = image.oriented.size;
        let mut bits = Bits::new(self.size);
        bits.values.par_chunks_mut(nx * ny).enumerate().for_each(|(cz, plane)| {
            let mut sums = vec![0.0_f32; nx * ny];
            let mut counts = vec![0.0_f32; nx * ny];
            for z in cz * self.block[2]..((cz + 1) * self.block[2]).min(fine[2]) {
                for y in 0..fine[1] {
                    let to = (y / self.block[1]) * nx;
                    image.row(y, z, |x, hu| {
                        let at = to + x / self.block[0];
                        sums[at] += if is_left_out(x, y) { -1000.0 } else { hu.clamp(-1000.0, 200.0) };
                        counts[at] += 1.0;
                    });
                }
            }
            for ((value, sum), count) in plane.iter_mut().zip(&sums).zip(&counts) {
                *value = *count > 0.0 && sum / count > least_hu;
            }
        });
        bits
    }
}

/// The body on the coarse grid: pieces that are thick and large, with cavities. `None`: nothing is.
fn solid_body(dense: &Bits, spacing_mm: [f64; 3]) -> Option<Bits> {
    let radius = spacing_mm.map(|mm| voxels(THIN_MM, mm).max(1));
    // Lungs and other cavities are filled before the opening, or thin chest walls would go.
    let filled = sealed(dense, spacing_mm);
    let opened = filled.eroded(radius).dilated(radius);
    let voxel_cc = spacing_mm.iter().product::<f64>() / 1000.0;
    let pieces = opened.pieces();
    let largest = pieces.voxels(pieces.largest()?);
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let is_kept = |count: usize| {
        count == largest || (count as f64 * voxel_cc >= LEAST_PIECE_CC && count * 100 >= largest)
    };
    let mut body = pieces.chosen(|piece| is_kept(pieces.voxels(piece)));
    // The edges that the opening rounded off come back, as far as they hang together with it.
    let back = body.dilated(radius.map(|n| n + 1));
    for ((body, back), filled) in body.values.iter_mut().zip(&back.values).zip(&filled.values) {
        *body |= *back && *filled;
    }
    Some(body.connected_to(&opened).filled_in_slices())
}

/// The mask with the cavities behind openings narrower than twice [`SEAL_MM`].
fn sealed(mask: &Bits, spacing_mm: [f64; 3]) -> Bits {
    let radius = spacing_mm.map(|mm| voxels(SEAL_MM, mm));
    let closed = mask.closed([radius[0], radius[1], 0]);
    let filled = closed.clone().filled_in_slices();
    let mut sealed = mask.clone();
    // Only cavities, not the rim that the closing added to the outside.
    let holes = Bits {
        size: mask.size,
        values: filled.values.iter().zip(&closed.values).map(|(filled, closed)| *filled && !closed).collect(),
    };
    let holes = holes.dilated([radius[0] + 1, radius[1] + 1, 0]);
    for ((sealed, hole), filled) in sealed.values.iter_mut().zip(&holes.values).zip(&filled.values) {
        *sealed |= *hole && *filled;
    }
    sealed.filled_in_slices()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
fn voxels(mm: f64, spacing_mm: f64) -> usize {
    (mm / spacing_mm).round().clamp(0.0, 1000.0) as usize
}

/// The coarse body on the image's own voxels: inside and outside as it says away from its surface,
/// by the threshold near it; in memory order.
fn refine(
    image: &Image<'_>,
    coarse: &Coarse,
    body: &Bits,
    couch: Option<&couch::Couch>,
    progress: &Progress,
) -> Result<Vec<bool>, Cancelled> {
    let deep = body.eroded([1; 3]);
    let near = body.dilated([1; 3]);
    let [nx, ny, nz] = image.oriented.size;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
    let sheet = [0, 1, 2]
        .map(|axis| if axis == 2 { 0 } else { (SHEET_MM / image.oriented.spacing_mm[axis]) as usize });
    let planes: Vec<Vec<bool>> = (0..nz)
        .into_par_iter()
        .map(|z| {
            progress.check()?;
            let mut plane = Bits::new([nx, ny, 1]);
            let mut core = Bits::new([nx, ny, 1]);
            for y in 0..ny {
                let row = coarse.size[0] * (y / coarse.block[1] + coarse.size[1] * (z / coarse.block[2]));
                image.row(y, z, |x, hu| {
                    let at = row + x / coarse.block[0];
                    let inside = deep.values[at];
                    let covered = couch.is_some_and(|couch| couch.covers(x, y));
                    core.values[y * nx + x] = inside && !covered;
                    plane.values[y * nx + x] = !covered && (inside || (near.values[at] && hu > SKIN_HU));
                });
            }
            // Sheets and covers that lie against the skin go before the gaps behind them are filled.
            let mut plane = plane.eroded(sheet).dilated(sheet);
            for (value, core) in plane.values.iter_mut().zip(&core.values) {
                *value |= *core;
            }
            // Where a slice has no deep part (the end of a limb) everything near counts.
            let plane = if core.values.contains(&true) { plane.connected_to(&core) } else { plane };
            Ok(plane.filled_in_slices().values)
        })
        .collect::<Result<_, Cancelled>>()?;
    Ok(image.in_memory_order(planes.iter().map(Vec::as_slice)))
}

#[cfg(test)]
mod extent_tests;

#[cfg(test)]
mod tests {
    use super::extent_tests::{count, dice};
    use super::*;
    use crate::geometry::{Grid, Point3, Vector3};

    /// An elliptic trunk with lungs that are open to no side, on a couch (a thin shell over foam)
    /// and under a fixation mask that stands off by two voxels; where the trunk is.
    fn scan(flip: bool) -> (Volume, Vec<bool>) {
        let sign = if flip { -1.0 } else { 1.0 };
        scan_along([Vector3::x() * sign, Vector3::y() * sign], flip)
    }

    /// The same with the image's axes along these directions of the patient.
    fn scan_along(axes: [Vector3; 2], flip: bool) -> (Volume, Vec<bool>) {
        const SIZE: [usize; 3] = [170, 120, 20];
        let steps = [axes[0] * 2.5, axes[1] * 2.5, Vector3::z() * 3.0];
        let grid = Grid::new(SIZE, Point3::origin(), steps).unwrap();
        let (mut values, mut truth) = (Vec::new(), Vec::new());
        for at in 0..grid.len() {
            let (mut i, mut j) = (at % SIZE[0], at / SIZE[0] % SIZE[1]);
            let k = at / (SIZE[0] * SIZE[1]);
            if flip {
                (i, j) = (SIZE[0] - 1 - i, SIZE[1] - 1 - j);
            }
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let (x, y) = (i as f64 - 84.5, j as f64 - 50.0);
            // The trunk is a little wider at one end; its back always lies on row 90.
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let (a, b) = (60.0 + 0.3 * k as f64, 40.0);
            let radius = (x / a).hypot(y / b);
            let lung = ((x.abs() - 28.0) / 18.0).hypot(y / 26.0) < 1.0;
            let mask = ((x / (a + 5.0)).hypot(y / (b + 5.0)) - 1.0).abs() < 0.008 && y < 0.0;
            let couch = (j == 90 || j == 91) && (10..160).contains(&i) && radius > 1.0;
            let foam = (92..105).contains(&j) && (10..160).contains(&i);
            truth.push(radius <= 1.0);
            values.push(match () {
                () if radius <= 1.0 => {
                    if lung {
                        -850
                    } else {
                        30
                    }
                }
                () if mask || couch => 50,
                () if foam => -950,
                () => -1000,
            });
        }
        let volume =
            Volume { grid, voxels: Voxels::I16(values), unit: Unit::Hu, slices: Vec::new(), native: None };
        (volume, truth)
    }

    #[test]
    fn the_trunk_is_found_with_its_lungs_and_without_couch_and_mask() {
        for flip in [false, true] {
            let (volume, truth) = scan(flip);
            let found = body_mask(&volume, &Progress::new()).unwrap();
            let dice = dice(&found, &truth);
            assert!(dice > 0.985, "flipped {flip}: Dice {dice}");
        }
    }

    /// The same picture as taken of someone who lies on the front, the left or the right side.
    #[test]
    fn the_couch_is_found_on_whichever_side_it_is() {
        let (x, y) = (Vector3::x(), Vector3::y());
        for axes in [[-x, -y], [-y, x], [y, -x]] {
            let (volume, truth) = scan_along(axes, false);
            let found = body_mask(&volume, &Progress::new()).unwrap();
            let dice = dice(&found, &truth);
            assert!(dice > 0.985, "{axes:?}: Dice {dice}");
        }
    }

    /// Water's value around the field of view, as converters leave it, is no patient; a phantom that
    /// fills the slices is one.
    #[test]
    fn zeros_outside_the_circle_are_not_the_body() {
        for flip in [false, true] {
            let (mut volume, _) = scan(flip);
            let plain = body_mask(&volume, &Progress::new()).unwrap();
            let Voxels::I16(values) = &mut volume.voxels else { unreachable!("made of whole numbers") };
            for (at, value) in values.iter_mut().enumerate() {
                #[expect(clippy::cast_precision_loss, reason = "small numbers")]
                let (i, j) = ((at % 170) as f64 - 84.5, (at / 170 % 120) as f64 - 59.5);
                if (i / 92.0).hypot(j / 66.0) > 1.0 {
                    *value = 0;
                }
            }
            let found = body_mask(&volume, &Progress::new()).unwrap();
            let other = found.iter().zip(&plain).filter(|(a, b)| a != b).count();
            let inside = plain.iter().filter(|inside| **inside).count();
            assert!(other * 100 < inside, "flipped {flip}: {other} of {inside} voxels differ");
        }
        let (mut volume, _) = scan(false);
        volume.voxels = Voxels::I16(vec![0; volume.grid.len()]);
        let inside =
            body_mask(&volume, &Progress::new()).unwrap().into_iter().filter(|inside| *inside).count();
        assert!(2 * inside > volume.grid.len(), "{inside} voxels");
    }

    /// Without noise padding and tissue may have one and the same value: what the scan measured is convex.
    #[test]
    fn water_of_the_padding_s_value_that_touches_the_circle_stays() {
        let (mut volume, _) = scan(false);
        let Voxels::I16(values) = &mut volume.voxels else { unreachable!("made of whole numbers") };
        let disc = |at: usize, radius: f64, x: f64| {
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let (i, j) = ((at % 170) as f64 - 84.5, (at / 170 % 120) as f64 - 59.5);
            (i - x).hypot(j) <= radius
        };
        // A cylinder of 30 voxels that goes to the edge of a circle of 58 and a little beyond it.
        for (at, value) in values.iter_mut().enumerate() {
            let is_water = !disc(at, 58.0, 0.0) || disc(at, 30.0, 30.0);
            *value = if is_water { 0 } else { -1000 };
        }
        let truth: Vec<bool> =
            (0..volume.grid.len()).map(|at| disc(at, 58.0, 0.0) && disc(at, 30.0, 30.0)).collect();
        let found = body_mask(&volume, &Progress::new()).unwrap();
        let dice = dice(&found, &truth);
        assert!(dice > 0.95, "Dice {dice}");
        // A tank of water with a lung of air in it is no padding around that.
        let Voxels::I16(values) = &mut volume.voxels else { unreachable!("made of whole numbers") };
        for (at, value) in values.iter_mut().enumerate() {
            *value = if disc(at, 25.0, 0.0) { -1000 } else { 0 };
        }
        let inside = count(&body_mask(&volume, &Progress::new()).unwrap());
        assert!(10 * inside > 9 * volume.grid.len(), "{inside} voxels");
    }

    /// A body that the circle cuts all around has no air beside the padding.
    #[test]
    fn zeros_around_a_circle_full_of_tissue_are_not_the_body() {
        let (mut volume, _) = scan(false);
        let is_seen = |at: usize| {
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let (i, j) = ((at % 170) as f64 - 84.5, (at / 170 % 120) as f64 - 59.5);
            i.hypot(j) <= 59.0
        };
        let tissue = |at: usize| 20 + i16::try_from(at * 7 % 31).unwrap();
        let values = (0..volume.grid.len()).map(|at| if is_seen(at) { tissue(at) } else { 0 }).collect();
        volume.voxels = Voxels::I16(values);
        let found = body_mask(&volume, &Progress::new()).unwrap();
        let other = found.iter().enumerate().filter(|(at, inside)| **inside != is_seen(*at)).count();
        assert!(50 * other < volume.grid.len(), "{other} voxels differ");
    }

    #[test]
    fn air_alone_is_no_body() {
        let (mut volume, _) = scan(false);
        volume.voxels = Voxels::I16(vec![-1000; volume.grid.len()]);
        assert!(matches!(body_mask(&volume, &Progress::new()), Err(BodyError::NoBody)));
        volume.unit = Unit::SuvBw;
        assert!(matches!(body_mask(&volume, &Progress::new()), Err(BodyError::Unit)));
    }
}
