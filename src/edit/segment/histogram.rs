//! How often each value occurs in a slice or a region.

use super::Source;
use super::source::{inside, reach};
use crate::edit::algebra::Region;
use rayon::prelude::*;

/// More pixels than this are thinned out.
const MOST_PIXELS: usize = 4_000_000;

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
    let slices = if slices.is_empty() { 0..source.volume.slices.len() } else { slices };
    let window = match limit {
        Some(limit) => match reach(source, limit) {
            Some((.., window)) => window,
            None => return Histogram::default(),
        },
        None => source.whole(),
    };
    // Every n-th pixel of many: the shape is the same, and memory stays small.
    let every = (slices.len() * window.len()).div_ceil(MOST_PIXELS).max(1);
    let values: Vec<f32> = slices
        .into_par_iter()
        .flat_map_iter(|slice| {
            let polygons = limit.map(|limit| limit.on(slice));
            if polygons.is_some_and(<[_]>::is_empty) {
                return Vec::new();
            }
            let values = source.values(slice, &window).unwrap_or_default();
            let inside = polygons.map(|polygons| inside(source, slice, polygons, &window));
            let belongs = |at: usize| inside.as_ref().is_none_or(|inside| inside[at]);
            let kept = values.iter().enumerate().filter(|(at, value)| belongs(*at) && value.is_finite());
            kept.map(|(_, value)| *value).skip(slice % every).step_by(every).collect::<Vec<f32>>()
        })
        .collect();
    of_values(&values, bins)
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
