//! The running sum of a sliding window, kept on the device.
//!
//! The planes of the sum are cut where tiles begin or end, so that a piece is finished as a whole:
//! then, and only once, it is read back. What is held is as deep as a patch, whatever the image's
//! depth. Weights are summed on the CPU, where the mean is taken.

use super::conv::upload;
use super::pace::Pace;
use super::tile::{Reading, are_finite};
use super::{NORM_MACS, Stop};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use std::collections::VecDeque;
use std::ops::Range;

/// What a sum may take of a device's memory at most, of which mostly nothing tells how much there is.
pub(super) const SUM_BYTES: usize = 2 << 30;

/// What is read back in one go, where planes are not larger: a copy, too, delays a frame.
pub(super) const READ_BYTES: usize = 64 << 20;

/// Pieces that are being read at the same time.
const READING: usize = 2;

/// Bytes that a sum's planes, of `plane` voxels each, take in the processor's memory on their way back:
/// those that are being read, and a piece that was, with its copy.
pub(in crate::ai) fn back_bytes(plane: usize, classes: usize) -> usize {
    (READING + 2) * READ_BYTES.max(plane * classes * size_of::<f32>())
}

/// What is to be summed.
#[derive(Debug, Clone, Copy)]
pub(in crate::ai) struct SumPlan<'a> {
    /// Size of the sum, (z, y, x) without padding.
    pub size: [usize; 3],
    /// Padding before it.
    pub shift: [usize; 3],
    /// Size of a tile.
    pub patch: [usize; 3],
    /// First planes of the tiles, with padding, in rising order.
    pub starts_z: &'a [usize],
    /// Classes.
    pub classes: usize,
    /// Weights of a tile's voxels.
    pub weights: &'a [f32],
    /// Sums probabilities (softmax over the classes) in place of logits.
    pub is_softmax: bool,
}

/// Planes that came back: which ones, with padding, and their sums `[z][y][x][class]`, without padding
/// along y and x.
pub(in crate::ai) type Back = (Range<usize>, Vec<f32>);

/// Weighted sums over the planes that tiles still reach, and those that are being read back.
pub(in crate::ai) struct DeviceSum {
    pieces: VecDeque<Piece>,
    /// Pieces that no further tile reaches.
    finished: VecDeque<Piece>,
    reading: VecDeque<(Range<usize>, Option<Reading>)>,
    /// `[z, y, x, 1]` of a tile.
    weights: Tensor<4>,
    device: Device,
    size: [usize; 3],
    shift: [usize; 3],
    patch: [usize; 3],
    classes: usize,
    is_softmax: bool,
}

/// Planes of the sum that are finished together.
pub(in crate::ai) struct Piece {
    /// With padding.
    pub planes: Range<usize>,
    /// `[z, y, x, class]`; nothing before the first tile.
    pub(super) sum: Option<Tensor<4>>,
}

impl DeviceSum {
    /// `None` where it does not fit buffers of so many bytes, or the memory it may take.
    pub(super) fn new(
        plan: SumPlan<'_>,
        device: &Device,
        [limit_bytes, sum_bytes]: [usize; 2],
    ) -> Option<Self> {
        let [_, ny, nx] = plan.size;
        let plane = ny * nx * plan.classes * size_of::<f32>();
        if plane > limit_bytes || plane.checked_mul(plan.patch[0])? > sum_bytes {
            return None;
        }
        let each = (limit_bytes.min(READ_BYTES) / plane).max(1);
        let mut cuts: Vec<usize> = plan.starts_z.iter().flat_map(|z| [*z, *z + plan.patch[0]]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let pieces = cuts.windows(2).flat_map(|pair| {
            let (first, end) = (pair[0], pair[1]);
            (first..end).step_by(each).map(move |from| from..(from + each).min(end))
        });
        let [pz, py, px] = plan.patch;
        Some(Self {
            pieces: pieces.map(|planes| Piece { planes, sum: None }).collect(),
            finished: VecDeque::new(),
            reading: VecDeque::new(),
            weights: upload(plan.weights.to_vec(), [pz, py, px, 1], device),
            device: device.clone(),
            size: plan.size,
            shift: plan.shift,
            patch: plan.patch,
            classes: plan.classes,
            is_softmax: plan.is_softmax,
        })
    }

    /// The pieces that a tile beginning at plane `z` is made of, from its first plane.
    pub(super) fn cuts(&self, z: usize) -> Vec<Range<usize>> {
        let inside = self.pieces.iter().filter(|piece| (z..z + self.patch[0]).contains(&piece.planes.start));
        inside.map(|piece| piece.planes.start - z..piece.planes.end - z).collect()
    }

    /// Adds the logits of a tile, one tensor for each of its [`Self::cuts`].
    ///
    /// # Errors
    /// [`Stop`] when someone asked to stop, or the device failed.
    pub(super) fn add(
        &mut self,
        logits: Vec<Tensor<4>>,
        corner: [usize; 3],
        pace: &mut Pace,
    ) -> Result<(), Stop> {
        let [_, ny, nx] = self.size;
        // The tile's rows and columns that lie on the input, and where.
        let inside = |axis: usize| {
            let (corner, shift) = (corner[axis], self.shift[axis]);
            let first = shift.saturating_sub(corner);
            let end = (shift + self.size[axis]).saturating_sub(corner).min(self.patch[axis]).max(first);
            (first..end, corner + first - shift..corner + end - shift)
        };
        let ((rows, to_rows), (columns, to_columns)) = (inside(1), inside(2));
        if rows.is_empty() || columns.is_empty() {
            return Ok(());
        }
        let z = corner[0];
        let own = self.pieces.iter_mut().filter(|piece| (z..z + self.patch[0]).contains(&piece.planes.start));
        for (piece, logits) in own.zip(logits) {
            let (from, count) = (piece.planes.start - z, piece.planes.len());
            let weights =
                self.weights.clone().slice([from..from + count, rows.clone(), columns.clone(), 0..1]);
            let shares = if self.is_softmax { softmax(logits, 3) } else { logits };
            let part = shares.slice([0..count, rows.clone(), columns.clone(), 0..self.classes]) * weights;
            let sum = piece.sum.take();
            let sum = sum.unwrap_or_else(|| Tensor::zeros([count, ny, nx, self.classes], &self.device));
            let region = [0..count, to_rows.clone(), to_columns.clone(), 0..self.classes];
            piece.sum = Some(if to_rows.len() == ny && to_columns.len() == nx {
                sum + part
            } else {
                let there = sum.clone().slice(region.clone());
                sum.slice_assign(region, there + part)
            });
            let values = count * rows.len() * columns.len() * self.classes;
            pace.spend(pace.estimate_s(values as u64 * NORM_MACS))?;
        }
        Ok(())
    }

    /// Notes that no further tile reaches the planes below `end`.
    pub(in crate::ai) fn finish(&mut self, end: usize) {
        while let Some(piece) = self.pieces.pop_front_if(|piece| piece.planes.end <= end) {
            self.finished.push_back(piece);
        }
    }

    /// The next planes that no further tile reaches, for who keeps them on the device. Not to be mixed
    /// with [`Self::take`].
    pub(in crate::ai) fn next_finished(&mut self) -> Option<Piece> {
        self.finished.pop_front()
    }

    /// Adds logits `[z][y][x][class]` of a tile that are given.
    #[cfg(test)]
    pub(in crate::ai) fn add_values(&mut self, logits: &[f32], corner: [usize; 3]) {
        let [_, ny, nx] = self.patch;
        let plane = ny * nx * self.classes;
        let part = |cut: Range<usize>| {
            let shape = [cut.len(), ny, nx, self.classes];
            upload(logits[cut.start * plane..cut.end * plane].to_vec(), shape, &self.device)
        };
        let parts = self.cuts(corner[0]).into_iter().map(part).collect();
        let mut pace = Pace::at_once(&self.device);
        self.add(parts, corner, &mut pace).unwrap();
    }

    /// The next planes that were read; `None` when there are none, or not yet (never, where it `waits`).
    ///
    /// # Errors
    /// A sentence when the device could not give them.
    pub(in crate::ai) fn take(&mut self, waits: bool) -> Result<Option<Back>, String> {
        while self.reading.len() < READING
            && let Some(piece) = self.finished.pop_front()
        {
            self.reading.push_back((piece.planes, piece.sum.map(Reading::start)));
        }
        let is_ready =
            |(_, reading): &mut (_, Option<Reading>)| waits || reading.as_mut().is_none_or(Reading::is_done);
        let Some((planes, reading)) = self.reading.pop_front_if(is_ready) else { return Ok(None) };
        let count = planes.len() * self.size[1] * self.size[2] * self.classes;
        let values = match reading {
            Some(reading) => reading.wait()?,
            None => vec![0.0; count],
        };
        if values.len() == count && are_finite(&values) {
            Ok(Some((planes, values)))
        } else {
            Err("it gave values that are not numbers".to_owned())
        }
    }
}
