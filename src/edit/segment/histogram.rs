//! How often each value occurs in a slice or a region.

use super::Source;
use super::source::{inside, reach};
use crate::edit::algebra::Region;
use crate::edit::{SliceValues, Window};
use rayon::prelude::*;

/// More pixels than this are thinned out.
const MOST_PIXELS: usize = 200_000;

/// Counts of values in bins of equal width.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// The lower bound of the first bin, in the image's unit.
    pub low: f32,
    /// The upper bound of the last bin.
    pub high: f32,
    /// The number of pixels in each bin (every n-th pixel of many); values beyond either end are in the outermost bins.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// The number of pixels.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The middle of a bin.
    #[must_use]
    pub fn middle(&self, bin: usize) -> f32 {
        self.low + (bin as f32 + 0.5) * (self.high - self.low) / self.counts.len().max(1) as f32
    }

    /// The value that best splits the pixels into two kinds: Otsu, "A threshold selection method from
    /// gray-level histograms", IEEE Transactions on Systems, Man and Cybernetics 9 (1979). Half way
    /// through the plateau where several split alike; `None` without two kinds.
    #[must_use]
    pub fn otsu(&self) -> Option<f32> {
        let total = self.total() as f64;
        let sum: f64 = self.counts.iter().enumerate().map(|(bin, count)| bin as f64 * *count as f64).sum();
        let (mut below, mut below_sum) = (0.0, 0.0);
        let (mut best, mut from, mut to) = (0.0, 0, 0);
        for (bin, count) in self.counts.iter().enumerate() {
            below += *count as f64;
            below_sum += bin as f64 * *count as f64;
            let above = total - below;
            if below == 0.0 || above <= 0.0 {
                continue;
            }
            let apart = below_sum / below - (sum - below_sum) / above;
            let between = below * above * apart * apart;
            if between > best * (1.0 + 1e-12) {
                (best, from, to) = (between, bin, bin);
            } else if between >= best * (1.0 - 1e-12) {
                to = bin;
            }
        }
        let width = (self.high - self.low) / self.counts.len().max(1) as f32;
        (best > 0.0).then(|| self.low + width * ((from + to) as f32 / 2.0 + 1.0))
    }
}

/// The histogram of the values on `slices` (of all when empty), within `limit` where there is one, in
/// `bins` bins between the values that leave out a 2000th of the pixels at either end. Empty (no bins)
/// where there is no value.
#[must_use]
pub fn histogram(
    source: &Source<'_>,
    slices: std::ops::Range<usize>,
    limit: Option<&Region>,
    bins: usize,
) -> Histogram {
    let mut slices = if slices.is_empty() { 0..source.volume.slices.len() } else { slices };
    let window = match limit {
        Some(limit) => match reach(source, limit) {
            Some((first, count, window)) => {
                slices = slices.start.max(first)..slices.end.min(first + count);
                window
            }
            None => return Histogram::default(),
        },
        None => source.whole(),
    };
    let [by_slice, by_pixel] = strides(slices.len(), &window);
    let values: Vec<f32> = slices
        .into_par_iter()
        .step_by(by_slice)
        .flat_map_iter(|slice| {
            let polygons = limit.map(|limit| limit.on(slice));
            if polygons.is_some_and(<[_]>::is_empty) {
                return Vec::new();
            }
            let Some(own) = SliceValues::of(source.volume, slice) else { return Vec::new() };
            let plane = source.volume.slices[slice].plane;
            let inside = polygons.map(|polygons| inside(source, slice, polygons, &window));
            (slice / by_slice % by_pixel..window.len())
                .step_by(by_pixel)
                .filter(|at| inside.as_ref().is_none_or(|inside| inside[*at]))
                .map(|at| [window.low[0] + at % window.size[0], window.low[1] + at / window.size[0]])
                .map(|pixel| source.value(&own, &plane, pixel))
                .filter(|value| value.is_finite())
                .collect()
        })
        .collect();
    of_values(&values, bins)
}

/// Every how many slices and pixels of a slice are looked at, so that no more than [`MOST_PIXELS`] are
/// and a drag can follow; the second has no divisor in common with the rows, or it would see a few
/// columns only.
fn strides(slices: usize, window: &Window) -> [usize; 2] {
    let mut by_slice = 1;
    let total = slices * window.len();
    while by_slice * by_slice * by_slice * MOST_PIXELS < total && by_slice < slices {
        by_slice += 1;
    }
    let mut by_pixel = (slices.div_ceil(by_slice) * window.len()).div_ceil(MOST_PIXELS).max(1);
    let common = |mut a: usize, mut b: usize| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    while common(by_pixel, window.size[0].max(1)) > 1 {
        by_pixel += 1;
    }
    [by_slice, by_pixel]
}

fn of_values(values: &[f32], bins: usize) -> Histogram {
    let (low, high) =
        values.iter().fold((f32::MAX, f32::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
    if values.is_empty() || bins == 0 {
        return Histogram::default();
    }
    let fine = counted(values, low, high.max(low + 1e-3), 4096);
    let ignored = values.len() as u64 / 2000;
    let end = |counts: &mut dyn Iterator<Item = (usize, u64)>| {
        let mut seen = 0;
        for (bin, count) in counts {
            seen += count;
            if seen > ignored {
                return bin;
            }
        }
        0
    };
    let all = || fine.counts.iter().copied().enumerate();
    let (first, last) = (end(&mut all()), end(&mut all().rev()));
    let width = (fine.high - fine.low) / 4096.0;
    counted(values, low + first as f32 * width, low + (last + 1) as f32 * width, bins)
}

fn counted(values: &[f32], low: f32, high: f32, bins: usize) -> Histogram {
    let mut counts = vec![0; bins];
    let scale = bins as f32 / (high - low);
    for value in values {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let bin = ((value - low) * scale).clamp(0.0, bins as f32 - 1.0) as usize;
        counts[bin] += 1;
    }
    Histogram { low, high, counts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_enough_pixels_are_looked_at_and_all_of_few() {
        let window = |size| Window { low: [0; 2], size };
        assert_eq!(strides(20, &window([100, 100])), [1, 1]);
        for (slices, size) in [(1, [512, 512]), (300, [512, 512]), (2000, [16, 16]), (90, [333, 250])] {
            let [by_slice, by_pixel] = strides(slices, &window(size));
            let seen = slices.div_ceil(by_slice) * (size[0] * size[1]).div_ceil(by_pixel);
            assert!((MOST_PIXELS / 4..=MOST_PIXELS + slices).contains(&seen), "{seen}");
            // Every column is seen.
            let columns: std::collections::BTreeSet<usize> =
                (0..size[0] * size[1]).step_by(by_pixel).map(|at| at % size[0]).collect();
            assert_eq!(columns.len(), size[0]);
        }
    }

    #[test]
    fn two_kinds_are_split_half_way_and_stray_values_do_not_stretch_it() {
        let mut values: Vec<f32> =
            (0..20_000).map(|n| if n % 4 == 0 { 100.0 } else { -50.0 } + (n % 7) as f32).collect();
        values.push(30_000.0);
        let histogram = of_values(&values, 256);
        assert_eq!(histogram.total(), 20_001);
        assert!(histogram.high < 200.0, "{}", histogram.high);
        let split = histogram.otsu().unwrap();
        assert!((-44.0..100.0).contains(&split), "{split}");
        assert_eq!(of_values(&[], 256), Histogram::default());
        assert_eq!(of_values(&[5.0; 10], 16).otsu(), None);
    }
}
