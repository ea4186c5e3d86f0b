//! Bones: what is dense and hangs together with what is very dense, marrow filled.

use super::airways::hu;
use super::source::{mask_on_slices, on_slices, traced};
use super::{OrganError, Source};
use crate::edit::algebra::Region;
use crate::geometry::bits::Bits;
use crate::patient::{Unit, Volume};
use crate::progress::Progress;
use rayon::prelude::*;

/// How bones are found.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct BoneOptions {
    /// Bone is at least this dense, HU.
    pub low_hu: f32,
    /// Each piece has cortical bone at least this dense, HU.
    pub high_hu: f32,
    /// Gaps narrower than twice this in the cortex are closed before marrow is filled, mm.
    pub close_mm: f64,
    /// Pieces below this are left out, cm3.
    pub least_cc: f64,
}

impl Default for BoneOptions {
    fn default() -> Self {
        Self { low_hu: 150.0, high_hu: 400.0, close_mm: 4.0, least_cc: 0.5 }
    }
}

/// Marrow cavities up to this size are filled on each slice, mm2.
const MARROW_MM2: f64 = 2500.0;

/// The bones inside `body` (a value for each voxel of the volume's grid): hysteresis between two
/// thresholds, the cortex closed and its marrow filled slice by slice. Vessels full of contrast medium
/// that touch bone are as dense and come with it: raise the lower bound, or cut them afterwards.
///
/// # Errors
/// [`OrganError`] when the image is not CT, there is no bone, or someone asked to stop.
///
/// # Panics
/// When `body` has not one value a voxel.
pub fn bones(
    volume: &Volume,
    body: &[bool],
    options: &BoneOptions,
    progress: &Progress,
) -> Result<Region, OrganError> {
    if volume.unit != Unit::Hu {
        return Err(OrganError::Unit);
    }
    progress.set_step("Finding bones");
    let source = Source::own(volume);
    let [across, down] = source.pixel_mm();
    let body = mask_on_slices(volume, body);
    let (values, size) = on_slices(volume);
    let mut weak = body;
    weak.values.par_iter_mut().enumerate().for_each(|(at, own)| *own &= hu(values, at) >= options.low_hu);
    progress.set_fraction(0.2)?;
    let pieces = weak.pieces();
    drop(weak);
    let thickness: Vec<f64> = (0..size[2]).map(|slice| volume.slice_thickness_mm(slice)).collect();
    let volumes = pieces.volumes_cc(&thickness, source.pixel_mm2());
    let mut strong = vec![0_usize; pieces.len()];
    pieces.each_run(|piece, range| {
        strong[piece] += range.filter(|at| hu(values, *at) >= options.high_hu).count();
    });
    let held: Bits = pieces.chosen(|piece| volumes[piece] >= options.least_cc && strong[piece] > 0);
    progress.set_fraction(0.4)?;
    let mut closed = if options.close_mm > 0.0 {
        held.closed_in_slices(options.close_mm, [across, down, 1.0])
    } else {
        held
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of pixels")]
    closed.fill_holes((MARROW_MM2 / source.pixel_mm2()) as usize);
    progress.set_fraction(0.7)?;
    if closed.count() == 0 {
        return Err(OrganError::NoBone);
    }
    Ok(traced(volume, 0, [0; 2], &closed))
}
