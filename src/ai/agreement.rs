//! The raw score of a contour: the Dice coefficient that the probabilities themselves expect of it.
//!
//! Were every voxel inside with the probability p that the network gives it, independently, the mask
//! M would meet a truth of sum(p) voxels in sum(p over M) of them: an expected Dice of
//! 2 sum(p over M) / (sum(p) + |M|), but for the difference between the mean of a ratio and the ratio
//! of means. A sharp field has 1, a flat one of p has 2 p / (p + 1) or less. The score is taken on
//! the slices that carry contours, within [`REACH_MM`] of them; models/training/calibrate.py takes
//! it the same way.

/// How far around a mask's box its probabilities count, mm.
pub(super) const REACH_MM: f64 = 16.0;

/// The sums that a score is made of; those of slices add up to those of the ROI.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Agreement {
    /// Sum of the probabilities inside the mask.
    inside: f64,
    /// Sum of all probabilities.
    all: f64,
    /// Size of the mask.
    mask: f64,
}

impl Agreement {
    /// Of a mask `width` wide, over its box and `reach` (columns, rows) around it. `share` is the
    /// probability at a pixel. A box of more than `most` pixels is looked at in even steps. An empty
    /// mask has no sums.
    pub(super) fn on_slice(
        mask: &[bool],
        width: usize,
        reach: [usize; 2],
        most: usize,
        share: impl Fn(usize) -> f32,
    ) -> Self {
        let Some((low, high)) = mask_box(mask, width, reach) else { return Self::default() };
        let size = (high[0] - low[0]) * (high[1] - low[1]);
        let mut step = 1;
        while size > most.max(1) * step * step {
            step += 1;
        }
        let seen = Self::in_steps(mask, width, [low, high], step, &share);
        // Between the steps of a coarse look a thin organ may lie unseen.
        if seen.mask > 0.0 || step == 1 { seen } else { Self::in_steps(mask, width, [low, high], 1, &share) }
    }

    fn in_steps(
        mask: &[bool],
        width: usize,
        [low, high]: [[usize; 2]; 2],
        step: usize,
        share: &impl Fn(usize) -> f32,
    ) -> Self {
        let mut sums = Self::default();
        for y in (low[1]..high[1]).skip(step / 2).step_by(step) {
            for x in (low[0]..high[0]).skip(step / 2).step_by(step) {
                let at = y * width + x;
                let share = f64::from(share(at));
                sums.all += share;
                if mask[at] {
                    sums.inside += share;
                    sums.mask += 1.0;
                }
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "steps of a few pixels")]
        sums.scaled((step * step) as f64)
    }

    /// The sums times a factor: a slice's thickness, a pixel's area.
    pub(super) fn scaled(self, factor: f64) -> Self {
        Self { inside: self.inside * factor, all: self.all * factor, mask: self.mask * factor }
    }

    /// Both together.
    pub(super) fn with(self, other: Self) -> Self {
        Self { inside: self.inside + other.inside, all: self.all + other.all, mask: self.mask + other.mask }
    }

    /// The score, 0 to 1; `None` of an empty mask.
    pub(super) fn score(self) -> Option<f32> {
        #[expect(clippy::cast_possible_truncation, reason = "0 to 1")]
        (self.mask > 0.0).then(|| (2.0 * self.inside / (self.all + self.mask)).clamp(0.0, 1.0) as f32)
    }
}

/// Pixels of [`REACH_MM`] along an axis of this spacing.
pub(super) fn reach(spacing_mm: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
    {
        (REACH_MM / spacing_mm.max(0.1)).ceil() as usize
    }
}

/// First pixel and the one after the last of the box around a mask and what is around it.
fn mask_box(mask: &[bool], width: usize, reach: [usize; 2]) -> Option<([usize; 2], [usize; 2])> {
    let (mut low, mut high) = ([usize::MAX; 2], [0; 2]);
    for (y, row) in mask.chunks_exact(width.max(1)).enumerate() {
        let Some(first) = row.iter().position(|inside| *inside) else { continue };
        let last = row.iter().rposition(|inside| *inside).unwrap_or(first);
        low = [low[0].min(first), low[1].min(y)];
        high = [high[0].max(last + 1), high[1].max(y + 1)];
    }
    let ends = [width, mask.len() / width.max(1)];
    (high[0] > 0).then(|| {
        ([0, 1].map(|n| low[n].saturating_sub(reach[n])), [0, 1].map(|n| (high[n] + reach[n]).min(ends[n])))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A square of 4 x 4 in 12 x 10 pixels, `inside` in it and `outside` around it.
    fn square(inside: f32, outside: f32, reach: usize, most: usize) -> f32 {
        let mask: Vec<bool> =
            (0..120).map(|at| (4..8).contains(&(at % 12)) && (3..7).contains(&(at / 12))).collect();
        let share = |at: usize| if mask[at] { inside } else { outside };
        Agreement::on_slice(&mask, 12, [reach; 2], most, share).score().unwrap()
    }

    #[test]
    fn the_score_is_the_expected_dice() {
        assert_eq!(square(1.0, 0.0, 2, 1000), 1.0);
        // 2 * 12 / (12 + 16).
        assert!((square(0.75, 0.0, 2, 1000) - 24.0 / 28.0).abs() < 1e-6);
        // Around it 8 * 8 - 16 = 48 pixels of 1/4: 2 * 12 / (12 + 12 + 16).
        assert!((square(0.75, 0.25, 2, 1000) - 0.6).abs() < 1e-6);
        // As far as the picture goes: 104 pixels.
        assert!((square(0.75, 0.25, 50, 1000) - 24.0 / (12.0 + 26.0 + 16.0)).abs() < 1e-6);
        // In steps of two each sum is a quarter.
        assert!((square(0.75, 0.25, 2, 16) - 0.6).abs() < 1e-6);
    }

    #[test]
    fn slices_add_up_by_their_thickness_and_nothing_has_no_score() {
        assert_eq!(Agreement::default().score(), None);
        assert_eq!(Agreement::on_slice(&[false; 6], 3, [1; 2], 9, |_| 0.3), Agreement::default());
        let one = |share: f32| Agreement::on_slice(&[true], 1, [0; 2], 9, |_| share);
        // 3 mm of 1 and 1 mm of 1/2: 2 * 3.5 / (3.5 + 4).
        let both = one(1.0).scaled(3.0).with(one(0.5));
        assert!((both.score().unwrap() - 7.0 / 7.5).abs() < 1e-6);
        // A pixel off every step of two is seen all the same.
        let mut mask = [false; 25];
        mask[0] = true;
        assert!(Agreement::on_slice(&mask, 5, [9; 2], 4, |_| 0.1).mask > 0.0);
    }
}
