//! The common label map of several models, seen at the image's own voxels, and the probabilities by
//! which it was decided.
//!
//! All classes' probabilities on all voxels would not fit. Of each voxel those labels' are kept whose
//! share rounds to 1/255 or more, in 255ths, wherever it lies: a score looks at what a structure has far
//! outside its contour too, and where others have more. Of a trained network most voxels have none or
//! one. Each is right to 1/510; where there are more than [`MOST`], the least are left out.

use super::axis::{Pair, corner_pairs};
use super::resample::Order;

/// Labels of a voxel whose shares are kept, at most.
const MOST: usize = 4;

/// A share below this rounds to nothing.
pub(super) const LEAST_SHARE: f32 = 1.0 / 510.0;

/// Bytes that [`Shares`] take of a voxel at most.
pub(in crate::ai) const SHARE_BYTES: usize = size_of::<u32>() + MOST * (size_of::<u16>() + size_of::<u8>());

/// The shares that labels have of a slice's voxels, background's left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Shares {
    /// Of each voxel where its entries end, and the next one's begin.
    ends: Vec<u32>,
    /// Of each entry the label and its share, in 255ths.
    labels: Vec<u16>,
    parts: Vec<u8>,
}

impl Shares {
    /// None yet, with room for the ends of so many voxels.
    pub(super) fn of_voxels(count: usize) -> Self {
        Self { ends: Vec::with_capacity(count), ..Self::default() }
    }

    /// Whether there are no voxels.
    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The next voxel, where labels have these shares.
    pub(super) fn push(&mut self, shares: impl IntoIterator<Item = (u16, f32)>) {
        let first = self.labels.len();
        for (label, share) in shares {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
            let part = (share.clamp(0.0, 1.0) * 255.0).round() as u8;
            self.add(first, label, part);
        }
        self.end();
    }

    /// Adds a share to the voxel whose entries begin at `first`.
    fn add(&mut self, first: usize, label: u16, part: u8) {
        if label == 0 || part == 0 {
            return;
        }
        if let Some(own) = self.labels[first..].iter().position(|other| *other == label) {
            self.parts[first + own] = self.parts[first + own].saturating_add(part);
        } else if self.labels.len() - first < MOST {
            self.labels.push(label);
            self.parts.push(part);
        } else if let Some(least) = (first..self.parts.len()).min_by_key(|at| self.parts[*at])
            && self.parts[least] < part
        {
            (self.labels[least], self.parts[least]) = (label, part);
        }
    }

    fn end(&mut self) {
        // A slice of 2^29 voxels would be needed to pass it.
        self.ends.push(u32::try_from(self.labels.len()).unwrap_or(u32::MAX));
    }

    /// The same without room for more.
    pub(super) fn shrunk(mut self) -> Self {
        self.ends.shrink_to_fit();
        self.labels.shrink_to_fit();
        self.parts.shrink_to_fit();
        self
    }

    /// The labels and shares at a voxel; none of one that is not there.
    fn at(&self, voxel: usize) -> impl Iterator<Item = (u16, u8)> {
        let last = self.ends.get(voxel).map_or(0, |end| *end as usize);
        let first =
            voxel.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| *end as usize);
        let range = first.min(last)..last;
        self.labels[range.clone()].iter().copied().zip(self.parts[range].iter().copied())
    }

    /// The probability of a label at a voxel; 0 where it was not kept.
    pub(super) fn probability(&self, label: u16, voxel: usize) -> f64 {
        let own = self.at(voxel).find(|(other, _)| *other == label);
        own.map_or(0.0, |(_, part)| f64::from(part) / 255.0)
    }

    /// These with what a further model says of the same slice laid over, whose own labels there are given:
    /// where it has a label the voxel is its alone, elsewhere what either says counts. `values` are those
    /// of its labels in the common map.
    pub(super) fn under(&self, own: &Self, labels: &[u16], values: &[u16]) -> Self {
        let mut both = Self::of_voxels(labels.len());
        for (voxel, decided) in labels.iter().enumerate() {
            let first = both.labels.len();
            if *decided == 0 {
                self.at(voxel).for_each(|(label, part)| both.add(first, label, part));
            }
            for (label, part) in own.at(voxel) {
                let common = values.get(usize::from(label)).copied().unwrap_or(0);
                both.add(first, common, part);
            }
            both.end();
        }
        both.shrunk()
    }
}

/// The models' label map, seen at the image's voxels.
pub(super) struct Coarse {
    map: Vec<u16>,
    /// Of each slice of the map; empty where nobody asks for probabilities.
    shares: Vec<Shares>,
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
        shares: Vec<Shares>,
        size: [usize; 3],
        [low, extent]: [[usize; 3]; 2],
    ) -> Self {
        let pairs = |order: Order| std::array::from_fn(|axis| corner_pairs(size[axis], extent[axis], order));
        Self { map, shares, size, low, near: pairs(Order::Nearest), around: pairs(Order::Linear) }
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

    /// A label's linearly interpolated probability at a voxel of the image ([`Shares::probability`]).
    pub(super) fn probability(&self, label: u16, voxel: [usize; 3]) -> f32 {
        let area = (self.size[1] * self.size[2]).max(1);
        self.interpolated(label, voxel, |at| {
            self.shares.get(at / area).map_or(0.0, |slice| slice.probability(label, at % area))
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

    /// The shares at one voxel where the classes have these probabilities.
    fn shares_of(probabilities: &[f32]) -> Shares {
        let mut shares = Shares::default();
        shares.push((0..).zip(probabilities.iter().copied()));
        shares
    }

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
    fn probabilities_are_those_of_all_labels_that_have_a_share() {
        let mut shares = shares_of(&[0.05, 0.6, 0.0015, 0.35]);
        shares.push([(0, 0.7), (9, 0.2), (3, 0.1)]);
        assert_eq!(shares.ends, [2, 4], "no background, and nothing below 1/510");
        let of = |voxel: usize| [0, 1, 2, 3, 9].map(|label| shares.probability(label, voxel));
        for (got, wanted) in of(0).into_iter().zip([0.0, 0.6, 0.0, 0.35, 0.0]) {
            assert!((got - wanted).abs() < 0.002, "{got} {wanted}");
        }
        for (got, wanted) in of(1).into_iter().zip([0.0, 0.0, 0.0, 0.1, 0.2]) {
            assert!((got - wanted).abs() < 0.002, "{got} {wanted}");
        }
        assert_eq!(of(2), [0.0; 5], "there is no such voxel");
    }

    #[test]
    fn of_many_labels_the_greatest_stay() {
        let mut shares = Shares::default();
        shares.push((1_u16..=12).map(|label| (label, f32::from(label) / 100.0)));
        let kept: Vec<u16> = (1..=12).filter(|label| shares.probability(*label, 0) > 0.0).collect();
        assert_eq!(kept, [9, 10, 11, 12]);
    }

    #[test]
    fn probabilities_are_interpolated_between_the_map_s_voxels() {
        // Two voxels in place of three: the one between has half of each.
        let mut slice = shares_of(&[0.1, 0.6, 0.3]);
        slice.push([(0, 0.6), (1, 0.4)]);
        let slice = Shares::default().under(&slice, &[1, 0], &[0, 9, 5]);
        let coarse = Coarse::new(vec![9, 0], vec![slice], [1, 1, 2], [[0; 3], [1, 1, 3]]);
        let of = |label: u16| -> Vec<f32> { (0..3).map(|x| coarse.probability(label, [0, 0, x])).collect() };
        for (got, wanted) in of(9).into_iter().zip([0.6, 0.5, 0.4]) {
            assert!((got - wanted).abs() < 0.003, "{got} {wanted}");
        }
        assert!((of(5)[0] - 0.3).abs() < 0.003 && of(5)[2] == 0.0);
        assert_eq!(of(7), [0.0; 3]);
    }

    #[test]
    fn of_two_models_the_later_has_the_voxel_that_it_claims() {
        let values: [&[u16]; 2] = [&[0, 1, 2], &[0, 3, 4]];
        // The first says its label 1, the second that there is nothing, almost its label 2.
        let first = Shares::default().under(&shares_of(&[0.2, 0.7, 0.1]), &[1], values[0]);
        let both = first.under(&shares_of(&[0.55, 0.0, 0.45]), &[0], values[1]);
        assert_eq!(both.at(0).collect::<Vec<_>>(), [(1, 179), (2, 26), (4, 115)]);
        // A third that claims it has it.
        let all = both.under(&shares_of(&[0.1, 0.9]), &[1], &[0, 8]);
        assert_eq!(all.at(0).collect::<Vec<_>>(), [(8, 230)]);
    }
}
