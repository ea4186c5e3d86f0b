//! The common label map of several models, seen at the image's own voxels, and the probabilities by
//! which it was decided.
//!
//! All classes' probabilities on all voxels would not fit. Of each voxel those of the label that has it
//! and of the one that comes next are kept, in 255ths: at an organ's border, where a contour may be
//! wrong, there are seldom more than two in question.

use super::axis::{Pair, corner_pairs};
use super::export::Slice;
use super::resample::Order;

/// How sure a voxel's label is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Odds {
    /// The label that comes next; 0 for background or none.
    second: u16,
    /// Probability of the voxel's own label, in 255ths; of background it is not kept.
    first: u8,
    /// Probability of [`Self::second`], in 255ths.
    share: u8,
}

impl Odds {
    /// Lays over it what a further model says, whose own `label` there is given: `values` are those of
    /// its labels in the common map.
    pub(super) fn take(&mut self, own: Self, label: u16, values: &[u16]) {
        let common = |label: u16| values.get(usize::from(label)).copied().unwrap_or(0);
        let second = common(own.second);
        if label != 0 {
            *self = Self { second, ..own };
        } else if second != 0 && own.share > self.share {
            (self.second, self.share) = (second, own.share);
        }
    }
}

/// The odds of a slice's voxels, `width` in a row: of those that have a label, and of those beside them.
pub(super) fn odds_of(slice: &Slice<'_>, width: usize) -> Vec<Odds> {
    let labels = slice.labels();
    let is_label = |at: Option<usize>| at.and_then(|at| labels.get(at)).is_some_and(|label| *label != 0);
    let mut odds = vec![Odds::default(); labels.len()];
    for (at, odds) in odds.iter_mut().enumerate() {
        let beside = [at.checked_sub(width), at.checked_sub(1), Some(at), Some(at + 1), Some(at + width)];
        if beside.into_iter().any(is_label) {
            *odds = odds_among(&slice.probabilities(at), labels[at]);
        }
    }
    odds
}

/// The odds where the classes have these probabilities and `label` was decided for.
fn odds_among(probabilities: &[f32], label: u16) -> Odds {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
    let parts = |probability: f32| (probability.clamp(0.0, 1.0) * 255.0).round() as u8;
    let own = usize::from(label);
    let others = probabilities.iter().enumerate().filter(|(class, _)| *class != own);
    let next = others.max_by(|a, b| a.1.total_cmp(b.1));
    let (second, share) = next.map_or((0, 0.0), |(class, share)| (class, *share));
    Odds {
        second: u16::try_from(second).unwrap_or(0),
        first: parts(probabilities.get(own).copied().unwrap_or(0.0)),
        share: parts(share),
    }
}

/// The models' label map, seen at the image's voxels.
pub(super) struct Coarse {
    map: Vec<u16>,
    /// Of each voxel of the map; empty where nobody asks for probabilities.
    odds: Vec<Odds>,
    size: [usize; 3],
    low: [usize; 3],
    /// For each voxel of the region along each axis: the map's voxel there, and those around it.
    near: [Vec<Pair>; 3],
    around: [Vec<Pair>; 3],
}

impl Coarse {
    /// A map of `size` voxels over the box of the image's voxels that begins at `low` and has `extent`.
    pub(super) fn new(
        map: Vec<u16>,
        odds: Vec<Odds>,
        size: [usize; 3],
        [low, extent]: [[usize; 3]; 2],
    ) -> Self {
        let pairs = |order: Order| std::array::from_fn(|axis| corner_pairs(size[axis], extent[axis], order));
        Self { map, odds, size, low, near: pairs(Order::Nearest), around: pairs(Order::Linear) }
    }

    fn at(&self, z: usize, y: usize, x: usize) -> usize {
        (z * self.size[1] + y) * self.size[2] + x
    }

    /// The labels of slice `z` of the image, the nearest voxel's, as scipy.ndimage.zoom of order 0.
    pub(super) fn slice(&self, z: usize, ny: usize, nx: usize) -> Vec<u16> {
        let mut labels = vec![0; ny * nx];
        let Some(depth) = z.checked_sub(self.low[0]).and_then(|z| self.near[0].get(z)) else { return labels };
        for (y, row) in self.near[1].iter().enumerate() {
            for (x, column) in self.near[2].iter().enumerate() {
                if depth.low_weight * row.low_weight * column.low_weight > 0.0 {
                    labels[(y + self.low[1]) * nx + x + self.low[2]] =
                        self.map[self.at(depth.low, row.low, column.low)];
                }
            }
        }
        labels
    }

    /// A label's linearly interpolated share at a voxel of the image; outside the region all is
    /// background.
    pub(super) fn share(&self, label: u16, voxel: [usize; 3]) -> f32 {
        self.interpolated(label, voxel, |at| if self.map[at] == label { 1.0 } else { 0.0 })
    }

    /// A label's linearly interpolated probability at a voxel of the image, as far as it is known: where
    /// it has neither the voxel nor comes next, it counts as 0.
    pub(super) fn probability(&self, label: u16, voxel: [usize; 3]) -> f32 {
        self.interpolated(label, voxel, |at| {
            let odds = self.odds.get(at).copied().unwrap_or_default();
            let parts = match label {
                own if own == self.map[at] => odds.first,
                next if next == odds.second => odds.share,
                _ => 0,
            };
            f64::from(parts) / 255.0
        })
    }

    /// What `value` says of the voxels of the map around a voxel of the image.
    #[expect(clippy::cast_possible_truncation, reason = "shares are single precision")]
    fn interpolated(&self, label: u16, voxel: [usize; 3], value: impl Fn(usize) -> f64) -> f32 {
        let mut pairs = [Pair { low: 0, high: 0, low_weight: 0.0, high_weight: 0.0 }; 3];
        for axis in 0..3 {
            let pair = voxel[axis].checked_sub(self.low[axis]).and_then(|n| self.around[axis].get(n));
            let Some(pair) = pair else { return if label == 0 { 1.0 } else { 0.0 } };
            pairs[axis] = *pair;
        }
        let sides = |pair: Pair| [(pair.low, pair.low_weight), (pair.high, pair.high_weight)];
        let mut sum = 0.0;
        for (z, z_weight) in sides(pairs[0]) {
            for (y, y_weight) in sides(pairs[1]) {
                for (x, x_weight) in sides(pairs[2]) {
                    let weight = z_weight * y_weight * x_weight;
                    if weight > 0.0 {
                        sum += weight * value(self.at(z, y, x));
                    }
                }
            }
        }
        sum as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_come_back_by_the_nearest_voxel_and_shares_in_between() {
        // Two voxels become five, from one end to the other, in a region that begins at 1.
        let coarse = Coarse::new(vec![0, 9], Vec::new(), [1, 1, 2], [[0, 0, 1], [1, 1, 5]]);
        assert_eq!(coarse.slice(0, 1, 7), [0, 0, 0, 9, 9, 9, 0]);
        let shares: Vec<f32> = (0..7).map(|x| coarse.share(9, [0, 0, x])).collect();
        assert_eq!(shares, [0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 0.0]);
        assert_eq!(coarse.share(0, [0, 0, 6]), 1.0);
    }

    #[test]
    fn probabilities_are_those_of_the_label_and_the_next() {
        let odds = odds_among(&[0.1, 0.6, 0.3], 1);
        assert_eq!(odds, Odds { second: 2, first: 153, share: 77 });
        // Background wins before the first label.
        assert_eq!(odds_among(&[0.6, 0.4], 0), Odds { second: 1, first: 153, share: 102 });
        // Two voxels in place of three: the one between has half of each.
        let mut first = Odds::default();
        first.take(odds, 1, &[0, 9, 5]);
        let mut last = Odds::default();
        last.take(odds_among(&[0.6, 0.4], 0), 0, &[0, 9]);
        let coarse = Coarse::new(vec![9, 0], vec![first, last], [1, 1, 2], [[0; 3], [1, 1, 3]]);
        let of = |label: u16| -> Vec<f32> { (0..3).map(|x| coarse.probability(label, [0, 0, x])).collect() };
        for (got, wanted) in of(9).into_iter().zip([0.6, 0.5, 0.4]) {
            assert!((got - wanted).abs() < 0.003, "{got} {wanted}");
        }
        assert!((of(5)[0] - 0.3).abs() < 0.003 && of(5)[2] == 0.0);
        assert_eq!(of(7), [0.0; 3]);
    }

    #[test]
    fn of_two_models_the_later_has_the_voxel_and_the_surer_comes_next() {
        let values: [&[u16]; 2] = [&[0, 1, 2], &[0, 3, 4]];
        let mut odds = Odds::default();
        // The first says its label 1, the second that there is nothing, almost its label 2.
        odds.take(odds_among(&[0.2, 0.7, 0.1], 1), 1, values[0]);
        assert_eq!((odds.second, odds.first), (0, 179));
        odds.take(odds_among(&[0.55, 0.0, 0.45], 0), 0, values[1]);
        assert_eq!((odds.second, odds.first, odds.share), (4, 179, 115));
        // A third that claims it has it.
        odds.take(odds_among(&[0.1, 0.9], 1), 1, &[0, 8]);
        assert_eq!((odds.second, odds.first), (0, 230));
    }
}
