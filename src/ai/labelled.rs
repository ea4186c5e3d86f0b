//! A sliding window of which only labels are wanted, made on a graphics device.
//!
//! The planes of the sum that no further tile reaches stay on the device. It decides their voxels, and
//! those of the image between them, and tells a byte a voxel: the label where it is proven to be the
//! processor's own ([`super::gpu`] has the bounds), else that it is not. What is not proven, voxels that
//! lie on the border of two classes to within the rounding of half precision, the processor decides from
//! the sums of just the voxels around ([`Labelling`]): the map is the same, bit for bit, as of sums
//! that are read back as a whole.
//!
//! Should the device fail, the planes that are not done are computed anew: on the CPU, or once more on the
//! device where it only lacked memory.

use super::engine::{Engine, EngineError, SumError};
use super::gpu::{Deciding, DeviceLabels, DeviceSum, Mix, Pace, Piece, Reading, Stop};
use super::graphics::quietly;
use super::nnunet::export::Export;
use super::nnunet::labelling::{Around, EXTREME, Labelling, Rows, UNDECIDED};
use super::nnunet::sum::Covered;
use super::nnunet::tiles::Layout;
use super::nnunet::window::WindowError;
use super::tiling::{self, Finishing, Tiles, on_device};
use crate::progress::Progress;
use rayon::prelude::*;
use std::collections::VecDeque;
use std::ops::Range;

/// Pieces of the sum that are being decided at the same time.
const DECIDING: usize = 2;

/// Groups of places that are being decided at the same time.
const MIXING: usize = 3;

/// Sums that voxels are decided from in one go: 31 MB of 118 classes.
const BY_SUMS: usize = 65_536;

/// Runs an engine's networks over the tiles and gives the labels of the export's image, `[z][y][x]`;
/// `None` where the engine's device, or the export, is not for this (nothing has run then). The tiles
/// hold logits of classes, the first of them background, and none counts as background without a look.
///
/// # Errors
/// [`WindowError`] when the engine fails or someone asked to stop.
pub(super) fn run<E: From<EngineError>>(
    engine: &mut Engine,
    tiles: &Tiles<'_>,
    export: &Export,
    progress: &Progress,
) -> Result<Option<Vec<u16>>, WindowError<E>> {
    if tiles.is_softmax || !tiles.is_background || !Labelling::takes(export) {
        return Ok(None);
    }
    let mut next = tiles.layout.shift[0];
    let Some(mut begun) = engine.labels(tiles.sum_plan(next)) else { return Ok(None) };
    let mut labelling = Labelling::new(export);
    loop {
        let (sum, device) = begun;
        let mut making = Making::new(labelling, device, tiles.layout, next);
        let is_done = on_device(engine, sum, tiles, &mut making, next, progress)?;
        let Making { labelling: made, device, pending, counts, .. } = making;
        labelling = made;
        // Dropping tensors of a lost device may panic.
        drop(quietly(move || drop((device, pending))));
        tracing::debug!("labels made on the device: {counts:?}");
        if is_done {
            return Ok(Some(labelling.finish()));
        }
        next = labelling.go_back() + tiles.layout.shift[0];
        match engine.labels(tiles.sum_plan(next)) {
            Some(again) => begun = again,
            None => break,
        }
    }
    let mut take = |_: usize, plane: &[f32]| {
        labelling.push_logits(plane);
        Ok(())
    };
    tiling::tile_by_tile(engine, tiles, &mut take, &mut next, progress)?;
    Ok(Some(labelling.finish()))
}

/// The voxels around one of the image, and what each of their sums counts.
type Place = (Around, [f32; 8]);

/// How voxels of the image were decided.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    /// By the device, between voxels that decide differently.
    between: usize,
    /// From sums, because the device proved nothing.
    by_sums: usize,
}

/// Labels on their way.
struct Making<'a> {
    labelling: Labelling<'a>,
    device: DeviceLabels,
    /// Planes that are being decided, in order.
    pending: VecDeque<(Deciding, Vec<Covered>)>,
    /// The planes of the padded input that are the input's own and not done.
    own: Range<usize>,
    /// Voxels of a plane.
    area: usize,
    counts: Counts,
}

impl<'a> Making<'a> {
    /// `next` is the plane of the padded input that `labelling` goes on with.
    fn new(labelling: Labelling<'a>, device: DeviceLabels, layout: &Layout, next: usize) -> Self {
        let ([nz, ny, nx], [shift, ..]) = (layout.size, layout.shift);
        let (pending, counts) = (VecDeque::new(), Counts::default());
        Self { labelling, device, pending, own: next..shift + nz, area: ny * nx, counts }
    }

    /// Begins to decide a piece of the sum.
    fn begin(&mut self, piece: Piece, mut covered: Vec<Covered>, pace: &mut Pace) -> Result<(), Stop> {
        let (first, end) = (piece.planes.start, piece.planes.end);
        let planes = first.max(self.own.start)..end.min(self.own.end);
        if planes.is_empty() {
            return Ok(());
        }
        let planes = planes.start - first..planes.end - first;
        covered.resize_with(end - first, Covered::default);
        let covered: Vec<Covered> = covered.drain(planes.clone()).collect();
        let weights = covered.iter().flat_map(|plane| (0..self.area).map(|at| plane.weight(at))).collect();
        let deciding = self.device.decide(piece, planes, weights, pace)?;
        self.pending.push_back((deciding, covered));
        Ok(())
    }

    /// Makes the labels that planes suffice for, which were decided or are waited for.
    fn take(&mut self, planes: Deciding, covered: Vec<Covered>, pace: &mut Pace) -> Result<(), Stop> {
        let bytes = self.device.keep(planes).map_err(Stop::Failed)?;
        let held = self.labelling.held();
        for (bytes, covered) in bytes.chunks_exact(self.area).zip(covered) {
            self.labelling.push(bytes.to_vec(), covered);
        }
        // What is not a number is found, whether a voxel of the image needs it or not.
        for voxels in self.labelling.voxels_of(EXTREME, held).chunks(BY_SUMS) {
            self.rows(voxels.to_vec())?;
        }
        let open = self.labelling.begin();
        let mut left = self.mix(&open, pace)?;
        // Neighbours together: they are decided from the same sums.
        left.par_sort_unstable();
        self.counts.between += open.len() - left.len();
        self.counts.by_sums += left.len();
        for voxels in left.chunks(BY_SUMS / self.labelling.corners()) {
            let around = |voxel: &usize| self.labelling.around(*voxel);
            let mut at: Vec<usize> =
                voxels.par_iter().map(around).flat_map_iter(|around| around.at().to_vec()).collect();
            at.par_sort_unstable();
            at.dedup();
            let rows = self.rows(at)?;
            self.labelling.decide(voxels, &rows);
        }
        self.device.release(self.labelling.end());
        Ok(())
    }

    /// The logits of voxels that are held.
    fn rows(&self, at: Vec<usize>) -> Result<Rows, Stop> {
        let sums = self.device.sums(&at).and_then(Reading::wait).map_err(Stop::Failed)?;
        let rows = self.labelling.rows(at, sums);
        rows.ok_or_else(|| Stop::Failed("it gave values that are not numbers".to_owned()))
    }

    /// Lets the device decide open voxels; gives those that it did not prove.
    fn mix(&mut self, open: &[usize], pace: &mut Pace) -> Result<Vec<usize>, Stop> {
        let mut left = Vec::new();
        let mut waiting = VecDeque::new();
        for group in open.chunks(self.device.places()) {
            let share = |voxel: &usize| {
                let around = self.labelling.around(*voxel);
                (*voxel, self.labelling.shares(&around).map(|shares| (around, shares)))
            };
            let found: Vec<(usize, Option<Place>)> = group.par_iter().map(share).collect();
            let mut voxels = Vec::with_capacity(found.len());
            let mut places = Vec::with_capacity(found.len());
            for (voxel, place) in found {
                match place {
                    Some(place) => {
                        voxels.push(voxel);
                        places.push(place);
                    }
                    None => left.push(voxel),
                }
            }
            if !places.is_empty() {
                waiting.push_back((voxels, self.device.mix(mix(&places), pace)?));
            }
            while waiting.len() >= MIXING
                && let Some((voxels, reading)) = waiting.pop_front()
            {
                self.label(&voxels, &reading.wait().map_err(Stop::Failed)?, &mut left)?;
            }
        }
        for (voxels, reading) in waiting {
            self.label(&voxels, &reading.wait().map_err(Stop::Failed)?, &mut left)?;
        }
        Ok(left)
    }

    /// Takes labels that the device has told, and notes what it did not prove.
    fn label(&mut self, voxels: &[usize], bytes: &[u8], left: &mut Vec<usize>) -> Result<(), Stop> {
        if bytes.len() < voxels.len() {
            return Err(Stop::Failed("it gave an incomplete result".to_owned()));
        }
        for (voxel, byte) in voxels.iter().zip(bytes) {
            if matches!(*byte, UNDECIDED | EXTREME) {
                left.push(*voxel);
            } else {
                self.labelling.set(*voxel, *byte);
            }
        }
        Ok(())
    }
}

/// Places and their shares, corner by corner, up to a power of two of them.
fn mix(found: &[Place]) -> Mix {
    let places = found.len().next_power_of_two().max(64);
    let corners = found.iter().map(|(around, _)| around.at().len()).max().unwrap_or(0);
    let (mut at, mut shares) = (vec![0; corners * places], vec![0.0; corners * places]);
    for (place, (around, own)) in found.iter().enumerate() {
        for (corner, (voxel, share)) in around.at().iter().zip(own).enumerate() {
            at[corner * places + place] = i32::try_from(*voxel).unwrap_or(0);
            shares[corner * places + place] = *share;
        }
    }
    Mix { places, at, shares }
}

impl<E> Finishing<E> for Making<'_> {
    fn go_on(
        &mut self,
        engine: &mut Engine,
        sum: &mut DeviceSum,
        covered: &mut VecDeque<Covered>,
        waits: bool,
    ) -> Result<bool, WindowError<E>> {
        let told = |result: Result<(), SumError>| match result {
            Ok(()) => Ok(true),
            Err(SumError::Cancelled) => Err(WindowError::Cancelled),
            Err(SumError::Device) => Ok(false),
        };
        loop {
            while self.pending.len() < DECIDING
                && let Some(piece) = sum.next_finished()
            {
                let own = covered.drain(..piece.planes.len().min(covered.len())).collect();
                if !told(engine.beside(|pace| self.begin(piece, own, pace)))? {
                    return Ok(false);
                }
            }
            let is_ready = |(planes, _): &mut (Deciding, Vec<Covered>)| waits || planes.bytes.is_done();
            let Some((planes, covered)) = self.pending.pop_front_if(is_ready) else { return Ok(true) };
            if !told(engine.beside(|pace| self.take(planes, covered, pace)))? {
                return Ok(false);
            }
        }
    }
}

#[cfg(test)]
mod tests;
