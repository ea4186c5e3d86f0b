//! Labels of finished sums, made on the device: what comes back is a byte a voxel.
//!
//! A device's arithmetic is not the processor's (its divisions are not rounded correctly, it may fuse or
//! reorder), and neither is half precision, to which the processor's way rounds logits as nnunetv2 does.
//! So a label comes with its proof: the greatest value leads the second by more than everything that
//! rounding can have changed on both sides. Where it does not, the byte is [`UNDECIDED`], and who asked
//! decides from the sums themselves ([`DeviceLabels::sums`]).
//!
//! # The bounds
//! Let s(j) be the sum of class j in a voxel, w the sum of the weights, and M the greatest |s(j)|. The
//! processor compares half(s(j) / w). A division in single precision changes s(j) / w by 2^-24 of itself,
//! rounding to half precision by 2^-11 of itself or by 2^-25, whichever is more: together by no more than
//! (2^-11 + 2^-23) M / w + 2^-25. Two classes keep their order, and do not become equal, where they lie
//! twice that apart, times w: [`OWN`] has it with something to spare, for the roundings of the bound and
//! of the difference on the device.
//!
//! Between voxels the value is r(j) = sum over i of t(i) s(i, j) / w(i), with linear weights t(i) of up to
//! eight voxels. With A = sum over i of t(i) M(i) / w(i) (>= |r(j)| for all j) the processor's value lies
//! within 2^-10 (1 + 2^-8) A + 2^-23 of it: both roundings to half precision take 2^-11 A + 2^-25 each,
//! and the eight weights, products and sums in single precision no more than 2^-19 A together. The device
//! adds up s(i, j) times t(i) / w(i), the latter rounded once: each of its sixteen operations and that
//! rounding changes the result by no more than 2^-23 A, even where it rounds towards zero; together
//! 2^-18 A. Two classes keep their order where they lie twice both apart, 2^-9 (1 + 2^-7) A + 2^-22:
//! [`BETWEEN`] has it with something to spare. And where all voxels around decide alike in half
//! precision, which the processor takes for the result without a look at the values between, the class
//! they agree on has the greatest value between, so a proven label is theirs.
//!
//! Values beyond 32768 could become infinite in half precision, and values that are not numbers prove
//! nothing: both are [`EXTREME`].

use super::conv::upload;
use super::pace::Pace;
use super::sum::{Piece, READ_BYTES, SUM_BYTES, SumPlan};
use super::tile::Reading;
use super::{NORM_MACS, Stop};
use crate::ai::nnunet::labelling::{EXTREME, UNDECIDED};
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::ops::Range;

/// Values that are looked at, relative to the unit: half precision holds up to 65504.
const LIMIT: f32 = 32_768.0;

/// How far apart two classes must lie: a share of the greatest magnitude, and one of the unit.
#[derive(Clone, Copy)]
struct Apart {
    magnitude: f32,
    unit: f32,
}

/// In a voxel of the sum, whose unit is its weight: 2^-10 and 2^-24, and something to spare.
const OWN: Apart = Apart { magnitude: 1.01 / 1024.0, unit: 1.0 / 8_388_608.0 };

/// Between voxels, the unit being 1: 2^-9 and 2^-22, and something to spare.
const BETWEEN: Apart = Apart { magnitude: 1.01 / 512.0, unit: 1.0 / 2_097_152.0 };

/// Bytes of the values of voxels that are interpolated in one go: a few milliseconds of work.
const MIX_BYTES: usize = 16 << 20;

/// What adding a corner counts as, in multiply-accumulates: it is bound by memory.
const CORNER_MACS: u64 = 32;

/// Finished sums that are kept on the device, and what is asked of them.
pub(in crate::ai) struct DeviceLabels {
    device: Device,
    classes: usize,
    /// Voxels of a plane.
    plane: usize,
    held: Option<Rows>,
}

/// Voxels on the device.
struct Rows {
    /// Sums, `[voxel, class]`.
    values: Tensor<2>,
    /// The greatest magnitude of each, `[voxel, 1]`.
    greatest: Tensor<2>,
}

/// Planes whose labels are on their way.
pub(in crate::ai) struct Deciding {
    rows: Rows,
    /// A byte a voxel, and up to three more.
    pub bytes: Reading<u8>,
}

/// Places between voxels: up to eight voxels around each, and what each of their sums counts.
pub(in crate::ai) struct Mix {
    /// Places.
    pub places: usize,
    /// Voxels among those that are held, `[corner][place]`.
    pub at: Vec<i32>,
    /// Linear weight over the voxel's weight in the sum, 0 for a corner too many, `[corner][place]`.
    pub shares: Vec<f32>,
}

impl DeviceLabels {
    pub(super) fn new(plan: SumPlan<'_>, device: &Device) -> Self {
        let [_, ny, nx] = plan.size;
        Self { device: device.clone(), classes: plan.classes, plane: ny * nx, held: None }
    }

    /// Bytes of a plane of the sum.
    pub(super) fn plane_bytes(&self) -> usize {
        self.plane * self.classes * size_of::<f32>()
    }

    /// Places that are mixed in one go: a power of two, so that few shapes occur.
    pub(in crate::ai) fn places(&self) -> usize {
        let places = MIX_BYTES / (self.classes * size_of::<f32>());
        1 << places.max(64).ilog2()
    }

    /// Decides the voxels of some `planes` of a piece (0 is its first), whose `weights` are told.
    ///
    /// # Errors
    /// [`Stop`] when someone asked to stop, or the device failed.
    pub(in crate::ai) fn decide(
        &self,
        piece: Piece,
        planes: Range<usize>,
        weights: Vec<f32>,
        pace: &mut Pace,
    ) -> Result<Deciding, Stop> {
        let voxels = planes.len() * self.plane;
        debug_assert_eq!(weights.len(), voxels);
        let values = match piece.sum {
            None => Tensor::zeros([voxels, self.classes], &self.device),
            Some(sum) => {
                let [_, ny, nx, classes] = sum.dims();
                let own = if planes.len() == piece.planes.len() {
                    sum
                } else {
                    sum.slice([planes, 0..ny, 0..nx, 0..classes])
                };
                own.reshape([voxels, classes])
            }
        };
        let greatest = values.clone().abs().max_dim(1);
        let unit = upload(weights, [voxels, 1], &self.device);
        let labels = proven(&values, &greatest, unit, OWN);
        let bytes = Reading::start_packed(packed(labels));
        pace.spend(pace.estimate_s((voxels * self.classes) as u64 * NORM_MACS))?;
        Ok(Deciding { rows: Rows { values, greatest }, bytes })
    }

    /// Keeps planes that were decided, behind those that are kept already; gives their bytes.
    ///
    /// # Errors
    /// A sentence when the device could not give them.
    pub(in crate::ai) fn keep(&mut self, planes: Deciding) -> Result<Vec<u8>, String> {
        let rows = planes.rows;
        let [voxels, _] = rows.values.dims();
        self.held = Some(match self.held.take() {
            None => rows,
            Some(held) => Rows {
                values: Tensor::cat(vec![held.values, rows.values], 0),
                greatest: Tensor::cat(vec![held.greatest, rows.greatest], 0),
            },
        });
        let mut bytes = planes.bytes.wait()?;
        if bytes.len() < voxels {
            return Err("it gave an incomplete result".to_owned());
        }
        bytes.truncate(voxels);
        Ok(bytes)
    }

    /// Lets go of the first planes that are kept.
    pub(in crate::ai) fn release(&mut self, planes: usize) {
        let from = planes * self.plane;
        if from == 0 {
            return;
        }
        self.held = self.held.take().and_then(|held| {
            let [voxels, classes] = held.values.dims();
            (from < voxels).then(|| Rows {
                values: held.values.slice([from..voxels, 0..classes]),
                greatest: held.greatest.slice([from..voxels, 0..1]),
            })
        });
    }

    /// Begins to read the sums of voxels among those that are kept, `[voxel][class]`.
    ///
    /// # Errors
    /// A sentence where nothing is kept.
    pub(in crate::ai) fn sums(&self, voxels: &[usize]) -> Result<Reading, String> {
        let held = self.held.as_ref().ok_or("nothing is kept")?;
        let at: Vec<i32> = voxels.iter().map(|voxel| i32::try_from(*voxel).unwrap_or(0)).collect();
        let at = Tensor::from_data(TensorData::new(at, [voxels.len()]), &self.device);
        Ok(Reading::start(held.values.clone().select(0, at)))
    }

    /// Decides places between the voxels that are kept.
    ///
    /// # Errors
    /// [`Stop`] when someone asked to stop, or the device failed.
    pub(in crate::ai) fn mix(&self, mix: Mix, pace: &mut Pace) -> Result<Reading<u8>, Stop> {
        let held = self.held.as_ref().ok_or_else(|| Stop::Failed("nothing is kept".to_owned()))?;
        let (places, corners) = (mix.places, mix.at.len() / mix.places);
        let mixed = held.mixed(mix);
        let unit = Tensor::ones([places, 1], &self.device);
        let labels = proven(&mixed.values, &mixed.greatest, unit, BETWEEN);
        let bytes = Reading::start_packed(packed(labels));
        let macs = NORM_MACS + CORNER_MACS * corners as u64;
        pace.spend(pace.estimate_s((places * self.classes) as u64 * macs))?;
        Ok(bytes)
    }
}

impl Rows {
    /// The values at places between them, and what bounds their magnitudes.
    fn mixed(&self, mix: Mix) -> Self {
        let device = self.values.device();
        let [_, classes] = self.values.dims();
        let (places, corners) = (mix.places, mix.at.len() / mix.places);
        let at: Tensor<1, Int> = Tensor::from_data(TensorData::new(mix.at, [corners * places]), &device);
        let shares: Tensor<2> = upload(mix.shares, [corners * places, 1], &device);
        let mut values = Tensor::zeros([places, classes], &device);
        let mut greatest = Tensor::zeros([places, 1], &device);
        for corner in 0..corners {
            let own = corner * places..(corner + 1) * places;
            let at = at.clone().slice([own.clone()]);
            let shares = shares.clone().slice([own, 0..1]);
            values = values + self.values.clone().select(0, at.clone()) * shares.clone();
            greatest = greatest + self.greatest.clone().select(0, at) * shares;
        }
        Self { values, greatest }
    }
}

/// The class of the greatest value of each voxel, where it is proven, `[voxel, 1]`. `greatest` bounds
/// the magnitudes of all values.
fn proven(values: &Tensor<2>, greatest: &Tensor<2>, unit: Tensor<2>, apart: Apart) -> Tensor<2, Int> {
    let [_, classes] = values.dims();
    let label = values.clone().argmax(1);
    let order: Tensor<1, Int> = Tensor::arange(0..i64::try_from(classes).unwrap_or(0), &values.device());
    let is_first = order.reshape([1, classes]).equal(label.clone());
    let second = values.clone().mask_fill(is_first, f32::MIN).max_dim(1);
    let lead = values.clone().max_dim(1) - second;
    let needed = greatest.clone() * apart.magnitude + unit.clone() * apart.unit;
    // Comparisons with what is not a number are false.
    let is_proven = lead.greater(needed);
    let is_finite = values.clone().sum_dim(1).abs().lower_elem(f32::MAX);
    let is_small = greatest.clone().lower(unit * LIMIT);
    label
        .mask_fill(is_proven.bool_not(), i32::from(UNDECIDED))
        .mask_fill(is_small.bool_and(is_finite).bool_not(), i32::from(EXTREME))
}

/// Numbers below 256 as bytes, four in each number, the first the lowest; zeros fill up the last.
fn packed(numbers: Tensor<2, Int>) -> Tensor<1, Int> {
    let [count, _] = numbers.dims();
    let fours = count.div_ceil(4);
    let numbers = match fours * 4 - count {
        0 => numbers,
        missing => {
            let zeros = Tensor::zeros([missing, 1], &numbers.device());
            Tensor::cat(vec![numbers, zeros], 0)
        }
    };
    let numbers = numbers.reshape([fours, 4]);
    let byte = |at: usize| numbers.clone().slice([0..fours, at..at + 1]);
    let shifted = |at: usize, bits: i32| byte(at).bitwise_left_shift_scalar(bits);
    let low = byte(0).bitwise_or(shifted(1, 8));
    low.bitwise_or(shifted(2, 16)).bitwise_or(shifted(3, 24)).reshape([fours])
}

/// Bytes that sums and labels take on a device at most, beside the network, where planes of the sum are
/// of `plane` voxels and a tile is `depth` planes deep: as many planes in the sum, as many again that are
/// finished, and what is asked of them a piece at a time.
pub(in crate::ai) fn device_bytes(plane: usize, depth: usize, classes: usize) -> usize {
    let plane = plane * classes * size_of::<f32>();
    if depth.saturating_mul(plane) > SUM_BYTES {
        return 0; // Read back tile by tile.
    }
    let piece = READ_BYTES.max(plane);
    // Two pieces being decided, with three copies of one for the comparisons; those that are kept, with the
    // plane before, and once more while they are joined.
    2 * depth * plane + 5 * piece + 2 * (piece + plane) + 4 * MIX_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;

    const CLASSES: usize = 4;

    /// Numbers of 0 to 1.
    struct Numbers(u64);

    impl Numbers {
        fn next(&mut self) -> f32 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((self.0 >> 40) & 0xFF_FFFF) as f32 / 16_777_216.0
        }
    }

    fn half(value: f32) -> f32 {
        f16::from_f32(value).to_f32()
    }

    fn first_greatest(values: &[f32]) -> u8 {
        let mut best = 0;
        for (class, value) in values.iter().enumerate() {
            if *value > values[best] {
                best = class;
            }
        }
        u8::try_from(best).unwrap()
    }

    /// Voxels whose classes lie within a few of half precision's steps of each other (by a share of the
    /// value), and their weights.
    fn near_ties(numbers: &mut Numbers, count: usize, share: f32) -> (Vec<f32>, Vec<f32>) {
        let (mut sums, mut weights) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let weight = 10.0 * numbers.next().powi(6) + 6e-8;
            let base = (numbers.next() - 0.3) * 2.0_f32.powi(7);
            weights.push(weight);
            sums.extend((0..CLASSES).map(|_| weight * base * (1.0 + numbers.next() * share)));
        }
        (sums, weights)
    }

    fn bytes(rows: &Rows, unit: Vec<f32>, apart: Apart) -> Vec<u8> {
        let count = unit.len();
        let unit = upload(unit, [count, 1], &Device::flex());
        let labels = proven(&rows.values, &rows.greatest, unit, apart);
        let mut bytes = Reading::start_packed(packed(labels)).wait().unwrap();
        bytes.truncate(count);
        bytes
    }

    /// No proven label is wrong; with a quarter of the bound some are.
    fn enough_and_needed(rows: &Rows, unit: &[f32], apart: Apart, expected: &[u8]) {
        let (mut proven, mut wrong) = ([0, 0], [0, 0]);
        let quarter = Apart { magnitude: apart.magnitude / 4.0, unit: apart.unit / 4.0 };
        for (n, apart) in [apart, quarter].into_iter().enumerate() {
            for (byte, expected) in bytes(rows, unit.to_vec(), apart).into_iter().zip(expected) {
                proven[n] += usize::from(byte != UNDECIDED);
                wrong[n] += usize::from(byte != UNDECIDED && byte != *expected);
            }
        }
        assert!(proven[0] > expected.len() / 20 && wrong[0] == 0, "{proven:?} {wrong:?}");
        assert!(wrong[1] > 0, "{proven:?} {wrong:?}");
    }

    fn rows(sums: &[f32], count: usize) -> Rows {
        let values = upload(sums.to_vec(), [count, CLASSES], &Device::flex());
        Rows { greatest: values.clone().abs().max_dim(1), values }
    }

    #[test]
    fn the_bound_in_a_voxel_is_enough_and_needed() {
        // Not a multiple of four.
        let (sums, weights) = near_ties(&mut Numbers(1), 20_003, 0.003);
        let expected: Vec<u8> = sums
            .chunks_exact(CLASSES)
            .zip(&weights)
            .map(|(sums, weight)| {
                first_greatest(&sums.iter().map(|sum| half(sum / weight)).collect::<Vec<_>>())
            })
            .collect();
        enough_and_needed(&rows(&sums, weights.len()), &weights, OWN, &expected);
    }

    #[test]
    fn the_bound_between_voxels_is_enough_and_needed() {
        const PLACES: usize = 16_384;
        let mut numbers = Numbers(2);
        // Pairs of voxels with the same base, so that what lies between them is a near tie as well.
        let (sums, weights) = near_ties(&mut numbers, PLACES, 0.01);
        let other: Vec<f32> = sums.iter().map(|sum| sum * (1.0 + numbers.next() / 900.0)).collect();
        let all = [sums, other].concat();
        let (mut at, mut shares, mut expected) = (Vec::new(), [Vec::new(), Vec::new()], Vec::new());
        for (place, weight) in weights.iter().enumerate() {
            let low = numbers.next();
            let parts = [1.0 - low, low];
            let logit = |corner: usize, class: usize| {
                half(all[(corner * PLACES + place) * CLASSES + class] / weight) * parts[corner]
            };
            let between: Vec<f32> =
                (0..CLASSES).map(|class| half(logit(0, class) + logit(1, class))).collect();
            expected.push(first_greatest(&between));
            shares[0].push(parts[0] / weight);
            shares[1].push(parts[1] / weight);
        }
        for corner in 0..2 {
            at.extend((0..PLACES).map(|place| i32::try_from(corner * PLACES + place).unwrap()));
        }
        let mix = Mix { places: PLACES, at, shares: shares.concat() };
        let mixed = rows(&all, 2 * PLACES).mixed(mix);
        let unit: Vec<f32> = weights.iter().map(|_| 1.0).collect();
        enough_and_needed(&mixed, &unit, BETWEEN, &expected);
    }

    #[test]
    fn what_is_beyond_half_precision_or_no_number_is_told() {
        let sums =
            [1.0, 0.0, 0.0, 0.0, 4e4, 0.0, 0.0, 0.0, 1.0, f32::NAN, 0.0, 0.0, 0.0, 0.0, f32::INFINITY, 0.0];
        let found = bytes(&rows(&sums, 4), vec![1.0; 4], OWN);
        assert_eq!(found, [0, EXTREME, EXTREME, EXTREME]);
        assert_eq!(bytes(&rows(&sums[4..8], 1), vec![2.0], OWN), [0]);
        assert_eq!(bytes(&rows(&[3.0; 4], 1), vec![1.0], OWN), [UNDECIDED]);
    }
}
