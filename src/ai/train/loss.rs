//! The loss for patients in whom not every organ was outlined.
//!
//! Cross-entropy plus soft Dice, over the labels that are known: an organ that nobody contoured is
//! unknown, not absent; its probability is added to the background's, and its Dice is not asked for
//! (marginal and exclusion losses: Shi et al., Medical Image Analysis 70, 2021). With `log_dice` the
//! Dice loss is its logarithm, whose slope stays steep while a small organ is not found at all (Wong
//! et al., MICCAI 2018). Number for number what `models/training/loss.py` computes.
//!
//! Regions, which may overlap, are judged one by one: binary cross-entropy plus the same Dice, each region
//! only in the patients in whom it was outlined.

use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::{Device, Tensor, TensorData};

/// A voxel whose label is not known (beyond the end of a shortened scan).
pub const IGNORE: u16 = u16::MAX;

/// The labels of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// The labels, or of regions a bit for each (the first one's the lowest), or [`IGNORE`],
    /// `[patch][z][y][x]`.
    pub labels: Vec<u16>,
    /// The patch, (z, y, x).
    pub size: [usize; 3],
    /// For each patch, the background and each label or region whether it was annotated; the background
    /// always is.
    pub known: Vec<Vec<bool>>,
    /// Whether labels are regions.
    pub regions: bool,
}

impl Truth {
    /// The labels at a coarser resolution: of every block of voxels the one in its middle.
    fn coarser(&self, size: [usize; 3]) -> Vec<u16> {
        let step = [0, 1, 2].map(|axis| self.size[axis] / size[axis].max(1));
        let [nz, ny, nx] = self.size;
        let mut labels = Vec::with_capacity(self.known.len() * size.iter().product::<usize>());
        for patch in 0..self.known.len() {
            for z in 0..size[0] {
                for y in 0..size[1] {
                    for x in 0..size[2] {
                        let [z, y, x] = [(z, 0), (y, 1), (x, 2)].map(|(n, a)| n * step[a] + step[a] / 2);
                        labels.push(self.labels[((patch * nz + z) * ny + y) * nx + x]);
                    }
                }
            }
        }
        labels
    }
}

/// Deep supervision: the loss of each of these logits `[N, K, z, y, x]`, full resolution first, each
/// lower one weighing half of the one above.
#[must_use]
pub fn total_loss(logits: Vec<Tensor<5>>, truth: &Truth, log_dice: bool) -> Tensor<1> {
    let mut total: Option<Tensor<1>> = None;
    let (mut weight, mut weights) = (1.0, 0.0);
    for level in logits {
        let [_, _, z, y, x] = level.dims();
        let labels = truth.coarser([z, y, x]);
        let loss = if truth.regions {
            region_loss(level, &labels, &truth.known, log_dice)
        } else {
            marginal_loss(level, &labels, &truth.known, log_dice)
        } * weight;
        total = Some(match total {
            Some(total) => total + loss,
            None => loss,
        });
        weights += weight;
        weight /= 2.0;
    }
    match total {
        Some(total) => total / weights,
        None => Tensor::zeros([1], &Device::flex()),
    }
}

/// The loss of one resolution: logits `[N, K, z, y, x]` against labels `[N][z][y][x]`.
fn marginal_loss(logits: Tensor<5>, labels: &[u16], known: &[Vec<bool>], log_dice: bool) -> Tensor<1> {
    let [n, classes, d, h, w] = logits.dims();
    let device = logits.device();
    let floats = |values: Vec<f32>, shape: [usize; 5]| -> Tensor<5> {
        Tensor::from_data(TensorData::new(values, shape), &device)
    };
    let flag = |is: bool| f32::from(u8::from(is));
    let mut log_p = log_softmax(logits, 1);
    if known.iter().flatten().any(|known| !known) {
        // Background and everything unknown are one class: their probabilities' sum, safely.
        let merged: Vec<f32> = known
            .iter()
            .flat_map(|known| (0..classes).map(|class| flag(class > 0 && known[class]) * -1e9))
            .collect();
        let masked = log_p.clone() + floats(merged, [n, classes, 1, 1, 1]);
        let top = masked.clone().detach().max_dim(1);
        let background = (masked - top.clone()).exp().sum_dim(1).log() + top;
        log_p = Tensor::cat(vec![background, log_p.narrow(1, 1, classes - 1)], 1);
    }
    let place: Vec<f32> = labels.iter().map(|label| f32::from(*label)).collect();
    let place = floats(place, [n, 1, d, h, w]).expand([n, classes, d, h, w]);
    let numbers: Vec<f32> = (0..classes).map(|class| class as f32).collect();
    let numbers = floats(numbers, [1, classes, 1, 1, 1]).expand([n, classes, d, h, w]);
    // 1 at each voxel's own class; nowhere where the label is ignored.
    let own = place.equal(numbers).float();

    let mut counted = vec![0_usize; classes];
    for label in labels.iter().filter(|label| usize::from(**label) < classes) {
        counted[usize::from(*label)] += 1;
    }
    let valid: usize = counted.iter().sum();
    let cross_entropy =
        -sum_voxels(log_p.clone() * own.clone()).sum_dim(0).sum_dim(1).reshape([1]) / valid.max(1) as f64;
    let present: Vec<f32> = (0..classes).map(|class| flag(class > 0 && counted[class] > 0)).collect();
    let count = present.iter().sum::<f32>();
    if count == 0.0 {
        return cross_entropy;
    }
    let p = log_p.exp();
    let overlap = sum_voxels(p.clone() * own.clone()).sum_dim(0);
    let p = if valid == labels.len() { p } else { p * own.sum_dim(1) };
    let known: Vec<f32> = known.iter().flatten().map(|known| flag(*known)).collect();
    let counted: Vec<f32> = counted.iter().map(|count| *count as f32).collect();
    let one = [1, classes, 1, 1, 1];
    let size = (sum_voxels(p) * floats(known, [n, classes, 1, 1, 1])).sum_dim(0) + floats(counted, one);
    let dice = (overlap * 2.0 + 1.0) / (size + 1.0);
    let lost = if log_dice { -dice.log() } else { -dice + 1.0 };
    cross_entropy + (lost * floats(present, one)).sum_dim(1).reshape([1]) / count
}

/// The loss of regions at one resolution: logits `[N, R, z, y, x]` against bits `[N][z][y][x]`.
fn region_loss(logits: Tensor<5>, labels: &[u16], known: &[Vec<bool>], log_dice: bool) -> Tensor<1> {
    let [n, regions, d, h, w] = logits.dims();
    let device = logits.device();
    let floats = |values: Vec<f32>, shape: [usize; 5]| -> Tensor<5> {
        Tensor::from_data(TensorData::new(values, shape), &device)
    };
    let flag = |is: bool| f32::from(u8::from(is));
    // What is judged, and of that what belongs; the same for each voxel and region.
    let (mut judged, mut inside) = (Vec::new(), Vec::new());
    let mut counted = vec![0_usize; regions];
    let mut valid = 0;
    for (labels, known) in labels.chunks(d * h * w).zip(known) {
        for region in 0..regions {
            for label in labels {
                let counts = known[region + 1] && *label != IGNORE;
                let belongs = counts && label >> region & 1 == 1;
                valid += usize::from(counts);
                counted[region] += usize::from(belongs);
                judged.push(flag(counts));
                inside.push(flag(belongs));
            }
        }
    }
    let (judged, inside) = (floats(judged, [n, regions, d, h, w]), floats(inside, [n, regions, d, h, w]));
    // -log(1 - p) is x - log(p), which stays finite.
    let log_p = log_sigmoid(logits.clone());
    let off = logits * (judged.clone() - inside.clone()) - log_p.clone() * judged.clone();
    let cross_entropy = sum_voxels(off).sum_dim(0).sum_dim(1).reshape([1]) / valid.max(1) as f64;
    let present: Vec<f32> = counted.iter().map(|count| flag(*count > 0)).collect();
    let count = present.iter().sum::<f32>();
    if count == 0.0 {
        return cross_entropy;
    }
    let p = log_p.exp();
    let overlap = sum_voxels(p.clone() * inside).sum_dim(0);
    let counted: Vec<f32> = counted.iter().map(|count| *count as f32).collect();
    let one = [1, regions, 1, 1, 1];
    let size = sum_voxels(p * judged).sum_dim(0) + floats(counted, one);
    let dice = (overlap * 2.0 + 1.0) / (size + 1.0);
    let lost = if log_dice { -dice.log() } else { -dice + 1.0 };
    cross_entropy + (lost * floats(present, one)).sum_dim(1).reshape([1]) / count
}

/// Sums over z, y and x, one axis after another.
fn sum_voxels(x: Tensor<5>) -> Tensor<5> {
    x.sum_dim(4).sum_dim(3).sum_dim(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(loss: Tensor<1>) -> f64 {
        f64::from(loss.into_data_as::<f32>().try_into_vec::<f32>().unwrap()[0])
    }

    /// Two regions of four voxels in a row: logits 0 everywhere, so that every probability is 1/2.
    #[test]
    fn regions_are_judged_one_by_one_and_only_where_they_are_known() {
        let zeros = || Tensor::<5>::zeros([1, 2, 1, 1, 4], &Device::flex());
        // The second lies in the first; one voxel is not judged.
        let labels = [0b01, 0b11, 0b00, IGNORE];
        let of = |known: [bool; 3]| value(region_loss(zeros(), &labels, &[known.to_vec()], false));
        let entropy = 2.0_f64.ln();
        // Dice of the first: (2 * 1 + 1) / (1.5 + 2 + 1), of the second (2 * 0.5 + 1) / (1.5 + 1 + 1).
        let (first, second) = (1.0 - 3.0 / 4.5, 1.0 - 2.0 / 3.5);
        assert!((of([true; 3]) - entropy - f64::midpoint(first, second)).abs() < 1e-6);
        assert!((of([true, true, false]) - entropy - first).abs() < 1e-6);
        assert!((of([true, false, true]) - entropy - second).abs() < 1e-6);
        assert!(of([true, false, false]).abs() < 1e-6, "nothing known, nothing to learn");
    }

    #[test]
    fn a_sure_and_right_answer_costs_nothing_and_a_wrong_one_what_it_is_off() {
        let labels = [1, 0];
        let of = |logits: [f32; 2]| {
            let logits =
                Tensor::from_data(TensorData::new(logits.to_vec(), [1, 1, 1, 1, 2]), &Device::flex());
            value(region_loss(logits, &labels, &[vec![true; 2]], false))
        };
        assert!(of([90.0, -90.0]).abs() < 1e-6);
        // 90 for each voxel; Dice (0 + 1) / (1 + 1 + 1).
        let wrong = of([-90.0, 90.0]);
        assert!((wrong - 90.0 - 2.0 / 3.0).abs() < 1e-4, "{wrong}");
    }
}
