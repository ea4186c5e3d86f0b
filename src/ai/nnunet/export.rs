//! Logits back onto the image's own voxels, slice by slice: the label of each, and probabilities.
//!
//! The way of nnU-Net's export: resample the logits to the non-zero region, decide, put the result
//! into the whole image (its margin is background), turn the axes back. Here it is walked slice by
//! slice: a slice of the image needs two planes of logits, so there is never an array of all classes
//! on the image's voxels. Where all logits around a voxel decide for the same label, interpolation
//! cannot decide otherwise (its weights are positive), and is left out.
//!
//! A slice with its labels and probabilities is a [`Slice`]. For contours with sub-voxel vertices,
//! hand it to the tracer as it is:
//! `trace::labels_slice(slice.labels(), nx, ny, |label, at| slice.score(label, at))`.

use super::axis::{Pair, nearest, pairs};
use super::coarse::{LEAST_SHARE, Shares};
pub use super::decision::Decision;
use super::logits::round_to_half;
use super::preprocess::Geometry;
use super::resample::{Order, Resampling, pick};
use rayon::prelude::*;
use std::cell::RefCell;

/// Why logits cannot be brought back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// A plan that means nothing, or that is not supported.
    #[error("the model's plan cannot be followed: {0}")]
    Plan(&'static str),
}

/// The way from the network's voxels to the image's.
#[derive(Debug, Clone)]
pub struct Export {
    pub(super) geometry: Geometry,
    pub(super) decision: Decision,
    /// Image axis n is this axis of the network.
    pub(super) backward: [usize; 3],
    /// For each axis of the network, and each voxel of the non-zero region, the logits around it.
    pub(super) around: [Vec<Pair>; 3],
    /// Whether logits are rounded to half precision before and after resampling, as nnunetv2 does.
    half: bool,
}

impl Export {
    /// `backward` is the plans' `transpose_backward`, `how` their `resampling_fn_probabilities` with
    /// its arguments.
    ///
    /// # Errors
    /// [`ExportError::Plan`] when the axes do not lead back, or logits would be resampled otherwise
    /// than linearly or by copying.
    pub fn new(
        geometry: Geometry,
        backward: [usize; 3],
        how: Resampling,
        decision: Decision,
    ) -> Result<Self, ExportError> {
        if backward.iter().any(|axis| *axis > 2) || pick(geometry.transpose_forward, backward) != [0, 1, 2] {
            return Err(ExportError::Plan("transpose_backward does not undo transpose_forward"));
        }
        if how.order.is_spline() || how.order_z.is_spline() {
            return Err(ExportError::Plan("logits are resampled with a spline"));
        }
        if decision.channels() == 0 || u16::try_from(decision.channels() + 1).is_err() {
            return Err(ExportError::Plan("there are no classes, or more than 65534"));
        }
        let separate = how.separate_axis(geometry.spacing_mm, geometry.image_spacing_mm);
        let around = std::array::from_fn(|axis| {
            let (from, to) = (geometry.size[axis], geometry.cropped[axis]);
            let copy = |voxel: usize| Pair { low: voxel, high: voxel, low_weight: 1.0, high_weight: 0.0 };
            match if separate == Some(axis) { how.order_z } else { how.order } {
                // As it is where nothing is resampled.
                _ if from == to => (0..to).map(copy).collect(),
                Order::Nearest => nearest(from, to).into_iter().map(copy).collect(),
                _ => pairs(from, to),
            }
        });
        Ok(Self { geometry, decision, backward, around, half: true })
    }

    /// The same without rounding to half precision: closer to the network, further from nnunetv2.
    #[must_use]
    pub fn in_single_precision(self) -> Self {
        Self { half: false, ..self }
    }

    /// How logits become labels.
    #[must_use]
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Slices of the image: its size along its first axis.
    #[must_use]
    pub fn slices(&self) -> usize {
        self.geometry.image_size[0]
    }

    /// Rows and columns of a slice: the image's size along its second and third axis.
    #[must_use]
    pub fn slice_size(&self) -> [usize; 2] {
        [self.geometry.image_size[1], self.geometry.image_size[2]]
    }

    /// The size of the network's input.
    #[cfg(test)]
    pub(in crate::ai) fn geometry_size(&self) -> [usize; 3] {
        self.geometry.size
    }

    /// The axis of the network along which the image's slices follow each other.
    pub(super) fn axis(&self) -> usize {
        self.backward[0]
    }

    /// The planes of logits (along [`Self::axis`]) that a slice needs; `None` in the margin.
    pub(super) fn needs(&self, slice: usize) -> Option<Pair> {
        let axis = self.axis();
        let inside = slice.checked_sub(self.geometry.low[axis])?;
        self.around[axis].get(inside).copied()
    }

    /// Rounds logits of the network's voxels as they are before resampling. Where slices lie across,
    /// all logits are kept, in half precision, and none of them is infinite.
    pub(super) fn round(&self, logits: &mut [f32]) {
        let is_across = self.axis() != 0;
        if self.half || is_across {
            round_to_half(logits);
        }
        if is_across {
            let greatest = half::f16::MAX.to_f32();
            logits.iter_mut().for_each(|logit| *logit = logit.clamp(-greatest, greatest));
        }
    }

    /// The logits at a place: those of the voxels around it, each times its weight, added up in the order
    /// in which they come.
    pub(super) fn blend<'r>(&self, around: impl Iterator<Item = (f64, &'r [f32])>, logits: &mut [f32]) {
        logits.fill(0.0);
        for (weight, from) in around {
            #[expect(clippy::cast_possible_truncation, reason = "logits are single precision")]
            let weight = weight as f32;
            if weight > 0.0 {
                for (logit, value) in logits.iter_mut().zip(from) {
                    *logit += weight * value;
                }
            }
        }
        if self.half {
            round_to_half(logits);
        }
    }

    /// Prepares a plane of logits `[row][column][class]`, perpendicular to [`Self::axis`].
    pub(super) fn plane(&self, mut logits: Vec<f32>) -> LogitPlane {
        // Voxels that a thread does in one go: their logits stay in its cache.
        const PIECE: usize = 256;
        let classes = self.decision.channels();
        let mut decided = vec![0; logits.len() / classes];
        let pieces = decided.par_chunks_mut(PIECE).zip(logits.par_chunks_mut(PIECE * classes));
        pieces.for_each(|(decided, logits)| {
            self.round(logits);
            for (decided, logits) in decided.iter_mut().zip(logits.chunks_exact(classes)) {
                *decided = self.decision.decide(logits);
            }
        });
        LogitPlane { logits, decided }
    }

    /// Makes slice `index` of the planes it needs, `None` for a slice in the margin.
    pub(super) fn slice<'a>(&'a self, index: usize, planes: Option<[&'a LogitPlane; 2]>) -> Slice<'a> {
        let [ny, nx] = self.slice_size();
        let across = self.needs(index);
        let planes = across.and(planes);
        let mut slice =
            Slice { export: self, index, across, planes, labels: vec![0; ny * nx], last: RefCell::default() };
        if planes.is_some() {
            slice.decide();
        }
        slice
    }
}

/// Logits on a plane of the network's voxels, and what each voxel decides.
#[derive(Debug)]
pub(super) struct LogitPlane {
    logits: Vec<f32>,
    decided: Vec<u16>,
}

impl LogitPlane {
    /// Logits of the plane, all classes.
    pub(super) fn len(&self) -> usize {
        self.logits.len()
    }
}

/// A slice of the image.
#[derive(Debug)]
pub struct Slice<'a> {
    export: &'a Export,
    index: usize,
    across: Option<Pair>,
    planes: Option<[&'a LogitPlane; 2]>,
    labels: Vec<u16>,
    /// The voxel last asked for and its probabilities: a tracer asks for two labels of each.
    last: RefCell<Option<(usize, Vec<f32>)>>,
}

impl Slice<'_> {
    /// Its index along the image's first axis.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The label of each voxel, `[y][x]` of the image's second and third axis.
    #[must_use]
    pub fn labels(&self) -> &[u16] {
        &self.labels
    }

    /// The labels, taken out.
    #[must_use]
    pub fn into_labels(self) -> Vec<u16> {
        self.labels
    }

    /// The share of a label at voxel `at` of [`Self::labels`]: the probability of its class; for
    /// regions the probability that its region is the last that belongs (0: that none does). Two
    /// labels meet where their shares are equal.
    #[must_use]
    pub fn score(&self, label: u16, at: usize) -> f32 {
        let mut last = self.last.borrow_mut();
        match &*last {
            Some((voxel, probabilities)) if *voxel == at => self.export.decision.score(label, probabilities),
            _ => {
                let probabilities = self.probabilities(at);
                let score = self.export.decision.score(label, &probabilities);
                *last = Some((at, probabilities));
                score
            }
        }
    }

    /// The probability of each class or region at voxel `at` of [`Self::labels`]. In the margin that
    /// was cut off, background has 1 (no region belongs).
    #[must_use]
    pub fn probabilities(&self, at: usize) -> Vec<f32> {
        let decision = &self.export.decision;
        let mut values = vec![0.0; decision.channels()];
        let nx = self.export.slice_size()[1];
        if self.interpolate(at / nx, at % nx, &mut values) {
            decision.probabilities(&mut values);
        } else if matches!(decision, Decision::Classes(_)) {
            values[0] = 1.0;
        }
        values
    }

    /// The share of each label at each voxel of [`Self::labels`] ([`Self::score`]).
    pub(super) fn shares(&self) -> Shares {
        let decision = &self.export.decision;
        let [ny, nx] = self.export.slice_size();
        let mut shares = Shares::of_voxels(ny * nx);
        let mut values = vec![0.0; decision.channels()];
        for (y, x) in (0..ny).flat_map(|y| (0..nx).map(move |x| (y, x))) {
            if !self.interpolate(y, x, &mut values) || decision.is_background(&values, LEAST_SHARE) {
                shares.push([]);
                continue;
            }
            decision.probabilities(&mut values);
            shares.push(decision.shares(&values));
        }
        shares.shrunk()
    }

    /// The non-zero region's first row and column, and its rows and columns.
    fn inside(&self) -> [(usize, &[Pair]); 2] {
        [1, 2].map(|axis| {
            let axis = self.export.backward[axis];
            (self.export.geometry.low[axis], self.export.around[axis].as_slice())
        })
    }

    /// Distances, in voxels of a plane of logits, of the next row and column.
    fn strides(&self) -> [usize; 2] {
        let [_, row, column] = self.export.backward;
        let size = self.export.geometry.size;
        if row < column { [size[column], 1] } else { [1, size[row]] }
    }

    /// The logits at a voxel, and whether it is in the non-zero region.
    fn interpolate(&self, y: usize, x: usize, logits: &mut [f32]) -> bool {
        let [(low_y, rows), (low_x, columns)] = self.inside();
        let (Some(planes), Some(across)) = (self.planes, self.across) else { return false };
        let row = y.checked_sub(low_y).and_then(|y| rows.get(y));
        let column = x.checked_sub(low_x).and_then(|x| columns.get(x));
        let (Some(row), Some(column)) = (row, column) else { return false };
        let corners = Corners::new(*row, *column, self.strides());
        let classes = logits.len();
        let around = planes.iter().zip([across.low_weight, across.high_weight]).flat_map(|(plane, share)| {
            corners
                .each()
                .map(move |(voxel, weight)| (share * weight, &plane.logits[voxel * classes..][..classes]))
        });
        self.export.blend(around, logits);
        true
    }

    fn decide(&mut self) {
        let (Some([low, high]), Some(across)) = (self.planes, self.across) else { return };
        let decision = &self.export.decision;
        let nx = self.export.slice_size()[1];
        let mut labels = std::mem::take(&mut self.labels);
        let mut logits = vec![0.0; decision.channels()];
        let [(low_y, rows), (low_x, columns)] = self.inside();
        let strides = self.strides();
        for (y, row) in rows.iter().enumerate().map(|(y, row)| (low_y + y, row)) {
            for (x, column) in columns.iter().enumerate().map(|(x, column)| (low_x + x, column)) {
                let corners = Corners::new(*row, *column, strides);
                let first = low.decided[corners.voxels[0]];
                let same =
                    |plane: &LogitPlane| corners.voxels.iter().all(|voxel| plane.decided[*voxel] == first);
                let agreed = same(low) && (across.high_weight == 0.0 || same(high));
                let decided = if agreed {
                    first
                } else {
                    self.interpolate(y, x, &mut logits);
                    decision.decide(&logits)
                };
                labels[y * nx + x] = decision.label(decided);
            }
        }
        self.labels = labels;
    }
}

/// Four voxels of a plane around a place, the same one twice where there is no other.
#[derive(Clone, Copy)]
struct Corners {
    voxels: [usize; 4],
    weights: [f64; 4],
}

impl Corners {
    fn new(row: Pair, column: Pair, [stride_y, stride_x]: [usize; 2]) -> Self {
        // A neighbour without weight has no say.
        let high_y = if row.high_weight > 0.0 { row.high } else { row.low } * stride_y;
        let high_x = if column.high_weight > 0.0 { column.high } else { column.low } * stride_x;
        let (low_y, low_x) = (row.low * stride_y, column.low * stride_x);
        Self {
            voxels: [low_y + low_x, low_y + high_x, high_y + low_x, high_y + high_x],
            weights: [
                row.low_weight * column.low_weight,
                row.low_weight * column.high_weight,
                row.high_weight * column.low_weight,
                row.high_weight * column.high_weight,
            ],
        }
    }

    fn each(&self) -> impl Iterator<Item = (usize, f64)> {
        self.voxels.into_iter().zip(self.weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ai::nnunet::logits::Logits;

    /// An image of 2 x 1 x 4 voxels, the last two columns of it not zero, and a network of two
    /// voxels along x for them.
    fn geometry() -> Geometry {
        Geometry {
            image_size: [2, 1, 4],
            transpose_forward: [0, 1, 2],
            low: [0, 0, 1],
            cropped: [2, 1, 3],
            image_spacing_mm: [1.0; 3],
            size: [1, 1, 2],
            spacing_mm: [2.0, 1.0, 1.5],
        }
    }

    fn export(geometry: Geometry, backward: [usize; 3]) -> Export {
        Export::new(geometry, backward, Resampling::LOGITS, Decision::Classes(2)).unwrap()
    }

    #[test]
    fn logits_are_interpolated_and_the_margin_is_background() {
        let export = export(geometry(), [0, 1, 2]);
        let mut slices = export.slices_to(|slice| {
            let shares: Vec<f32> = (0..4).map(|at| slice.probabilities(at)[1]).collect();
            assert_eq!(slice.score(1, 2), shares[2]);
            assert!((slice.score(0, 2) - (1.0 - shares[2])).abs() < 1e-6);
            (slice.index(), shares, slice.into_labels())
        });
        // Class 1 is 2 behind at the first voxel and 4 ahead at the second: 1 ahead half way.
        slices.push(0, &[2.0, 0.0, 0.0, 4.0]);
        let slices = slices.finish();
        assert_eq!(slices.len(), 2);
        for (index, (own, shares, labels)) in slices.into_iter().enumerate() {
            assert_eq!((own, labels), (index, vec![0, 0, 1, 1]));
            assert_eq!(shares[0], 0.0);
            for (share, ahead) in shares[1..].iter().zip([-2.0_f32, 1.0, 4.0]) {
                assert!((share - 1.0 / (1.0 + (-ahead).exp())).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn axes_are_turned_back() {
        // The network's axes are the image's last, first and second.
        let geometry = Geometry {
            image_size: [3, 4, 2],
            transpose_forward: [2, 0, 1],
            low: [0; 3],
            cropped: [2, 3, 4],
            image_spacing_mm: [1.0; 3],
            size: [2, 3, 4],
            spacing_mm: [1.0; 3],
        };
        let export = export(geometry, [1, 2, 0]);
        let mut logits = Logits::new([2, 3, 4], 2);
        let mut slices = export.slices_to(|slice| slice.labels().to_vec());
        // One voxel of class 1: (1, 2, 3) of the network, (2, 3, 1) of the image.
        for z in 0..2 {
            let plane: Vec<f32> = (0..24).map(|n| if z == 1 && n == 23 { 1.0 } else { 0.0 }).collect();
            logits.set_plane(z, &plane);
            slices.push(z, &plane);
        }
        let labels = slices.finish().concat();
        assert_eq!(labels.iter().position(|label| *label == 1), Some(23));
        assert_eq!(labels.iter().sum::<u16>(), 1);
        assert_eq!(export.map_logits(&logits, |slice| slice.labels().to_vec()).concat(), labels);
    }

    #[test]
    fn plans_that_mean_nothing_are_refused() {
        let new = |backward, how, decision| Export::new(geometry(), backward, how, decision).map(drop);
        let classes = || Decision::Classes(2);
        assert!(new([1, 0, 2], Resampling::LOGITS, classes()).is_err());
        assert!(new([0, 1, 2], Resampling::IMAGE, classes()).is_err());
        assert!(new([0, 1, 2], Resampling::LOGITS, Decision::Regions(Vec::new())).is_err());
        assert!(new([0, 1, 2], Resampling::LOGITS, classes()).is_ok());
    }
}
