//! Normalisation of intensities, in single precision as numpy does it.
//!
//! Means and standard deviations are single-precision sums there: pairwise within a buffer, one
//! buffer after the other. What a buffer takes depends on how a part lies in the array it was cut
//! out of, so a cropped image gives other last digits than the same numbers in one piece; that
//! order is kept here ([`Pieces`], as in numpy 2.3 and later).

/// What becomes of a channel's intensities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Normalization {
    /// Clip to `low..=high`, subtract `mean`, divide by `std` (at least 1e-8): `CTNormalization`
    /// with the plans' percentiles 0.5 and 99.5 and the mean and standard deviation of the training
    /// images' foreground, in the units of the image.
    Ct {
        /// The 0.5 percentile.
        low: f64,
        /// The 99.5 percentile.
        high: f64,
        /// The mean.
        mean: f64,
        /// The standard deviation.
        std: f64,
    },
    /// Subtract the mean, divide by the standard deviation (at least 1e-8): `ZScoreNormalization`.
    ZScore {
        /// Whether only the non-zero region, holes filled, is measured and changed
        /// (`use_mask_for_norm`).
        masked: bool,
    },
    /// From the least to the greatest value onto 0..=1: `RescaleTo01Normalization`.
    RescaleTo01,
    /// Bytes onto 0..=1: `RGBTo01Normalization`.
    RgbTo01,
    /// As it is: `NoNormalization`.
    None,
}

/// The values are not those of a colour image.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("the model takes colour values of 0 to 255, the image has {low} to {high}")]
pub struct NotRgb {
    /// The least value.
    pub low: f32,
    /// The greatest.
    pub high: f32,
}

const LEAST_STD: f32 = 1e-8;

/// Values that numpy's buffers hold.
const BUFFER: usize = 8192;

/// The pieces in which the values of a part of an array are summed: of each run of values in turn,
/// pieces of a length, and what is left of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pieces {
    run: usize,
    piece: usize,
}

impl Pieces {
    /// All in one, however many.
    pub(super) const ONE: Self = Self { run: usize::MAX, piece: usize::MAX };

    /// Of the box of `part` voxels of an array of `size`, (z, y, x). Axes that join in memory are
    /// one; as many as fit a buffer are summed together, and as many of those as fit.
    pub(super) fn of(part: [usize; 3], size: [usize; 3]) -> Self {
        // Length and distance of neighbours of each axis, innermost first.
        let mut axes: Vec<(usize, usize)> = Vec::with_capacity(3);
        for (length, stride) in [(part[2], 1), (part[1], size[2]), (part[0], size[1] * size[2])] {
            match axes.last_mut() {
                Some((joined, step)) if *joined * *step == stride => *joined *= length,
                _ if length > 1 => axes.push((length, stride)),
                _ => {}
            }
        }
        if axes.len() < 2 {
            return Self::ONE;
        }
        let mut core = 1;
        for (length, _) in axes {
            if core * length > BUFFER {
                return Self { run: core * length, piece: BUFFER / core * core };
            }
            core *= length;
        }
        Self::ONE
    }

    /// The pieces, in order.
    fn split(self, values: &[f32]) -> impl Iterator<Item = &[f32]> {
        values.chunks(self.run).flat_map(move |run| run.chunks(self.piece))
    }
}

impl Normalization {
    /// Whether the mask of the non-zero region is asked for.
    pub(super) fn is_masked(&self) -> bool {
        *self == Self::ZScore { masked: true }
    }

    /// What a value becomes under CT normalisation; `None` under any other, which depends on the image.
    #[expect(clippy::cast_possible_truncation, reason = "computed in single precision")]
    pub(super) fn of_ct(&self, value: f64) -> Option<f32> {
        let mut values = [value as f32];
        let is_ct = matches!(self, Self::Ct { .. });
        (is_ct && self.apply(&mut values, None, Pieces::ONE).is_ok()).then_some(values[0])
    }

    /// Normalises the values for which `mask` holds (all without one); `pieces` says how the values
    /// lay in memory.
    pub(super) fn apply(
        &self,
        values: &mut [f32],
        mask: Option<&[bool]>,
        pieces: Pieces,
    ) -> Result<(), NotRgb> {
        match *self {
            #[expect(clippy::cast_possible_truncation, reason = "computed in single precision")]
            Self::Ct { low, high, mean, std } => {
                let (low, high, mean, std) =
                    (low as f32, high as f32, mean as f32, (std as f32).max(LEAST_STD));
                for value in values {
                    *value = if *value < low { low } else { *value };
                    *value = if *value > high { high } else { *value };
                    *value = (*value - mean) / std;
                }
            }
            Self::ZScore { masked: true } => {
                let Some(mask) = mask else {
                    return Self::ZScore { masked: false }.apply(values, None, Pieces::ONE);
                };
                let inside: Vec<f32> =
                    values.iter().zip(mask).filter(|(_, inside)| **inside).map(|(value, _)| *value).collect();
                let (mean, std) = mean_and_std(&inside, Pieces::ONE);
                for (value, _) in values.iter_mut().zip(mask).filter(|(_, inside)| **inside) {
                    *value = (*value - mean) / std;
                }
            }
            Self::ZScore { masked: false } => {
                let (mean, std) = mean_and_std(values, pieces);
                values.iter_mut().for_each(|value| *value = (*value - mean) / std);
            }
            Self::RescaleTo01 => {
                let (low, high) = range(values);
                let width = (high - low).max(LEAST_STD);
                values.iter_mut().for_each(|value| *value = (*value - low) / width);
            }
            Self::RgbTo01 => {
                let (low, high) = range(values);
                if low < 0.0 || high > 255.0 {
                    return Err(NotRgb { low, high });
                }
                values.iter_mut().for_each(|value| *value /= 255.0);
            }
            Self::None => {}
        }
        Ok(())
    }
}

fn range(values: &[f32]) -> (f32, f32) {
    let start = (f32::INFINITY, f32::NEG_INFINITY);
    values.iter().fold(start, |(low, high), value| (low.min(*value), high.max(*value)))
}

/// The mean, and the standard deviation or 1e-8 where it is less.
fn mean_and_std(values: &[f32], pieces: Pieces) -> (f32, f32) {
    let count = values.len() as f64;
    #[expect(clippy::cast_possible_truncation, reason = "numpy rounds to single precision here")]
    let mean_of = |sum: f32| (f64::from(sum) / count) as f32;
    let total = pieces.split(values).fold(0.0, |sum, piece| sum + pairwise(piece, &|value| value));
    let mean = mean_of(total);
    // The squares are a new array, in one piece.
    let squares = pairwise(values, &|value| (value - mean) * (value - mean));
    let std = mean_of(squares).sqrt();
    (mean, if LEAST_STD > std { LEAST_STD } else { std })
}

/// Sums in numpy's order: halves down to 128 values, those in eight strands.
fn pairwise(values: &[f32], map: &(impl Fn(f32) -> f32 + Sync)) -> f32 {
    const BLOCK: usize = 128;
    const PARALLEL: usize = 1 << 16;
    let length = values.len();
    if length < 8 {
        return values.iter().fold(0.0, |sum, value| sum + map(*value));
    }
    if length <= BLOCK {
        let (eights, rest) = values.as_chunks::<8>();
        let mut strands = eights[0].map(map);
        for eight in &eights[1..] {
            for (strand, value) in strands.iter_mut().zip(eight) {
                *strand += map(*value);
            }
        }
        let [a, b, c, d, e, f, g, h] = strands;
        let sum = ((a + b) + (c + d)) + ((e + f) + (g + h));
        return rest.iter().fold(sum, |sum, value| sum + map(*value));
    }
    let half = length / 2 - length / 2 % 8;
    let (low, high) = values.split_at(half);
    let (low, high) = if length > PARALLEL {
        rayon::join(|| pairwise(low, map), || pairwise(high, map))
    } else {
        (pairwise(low, map), pairwise(high, map))
    };
    low + high
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalized(how: Normalization, values: &[f32], mask: Option<&[bool]>) -> Vec<f32> {
        let mut values = values.to_vec();
        how.apply(&mut values, mask, Pieces::ONE).unwrap();
        values
    }

    #[test]
    fn each_scheme_does_what_it_says() {
        let ct = Normalization::Ct { low: -10.0, high: 30.0, mean: 10.0, std: 20.0 };
        assert_eq!(normalized(ct, &[-1000.0, 10.0, 20.0, 99.0], None), [-1.0, 0.0, 0.5, 1.0]);
        // Mean 5, standard deviation 3.
        let z = Normalization::ZScore { masked: false };
        assert_eq!(normalized(z, &[2.0, 8.0, 2.0, 8.0], None), [-1.0, 1.0, -1.0, 1.0]);
        assert_eq!(normalized(Normalization::RescaleTo01, &[-4.0, 0.0, 4.0], None), [0.0, 0.5, 1.0]);
        assert_eq!(normalized(Normalization::RgbTo01, &[0.0, 51.0, 255.0], None), [0.0, 0.2, 1.0]);
        assert_eq!(normalized(Normalization::None, &[7.0], None), [7.0]);
        let error = Normalization::RgbTo01.apply(&mut [0.0, 256.0], None, Pieces::ONE);
        assert_eq!(error, Err(NotRgb { low: 0.0, high: 256.0 }));
    }

    #[test]
    fn a_mask_is_all_that_is_measured_and_changed() {
        let z = Normalization::ZScore { masked: true };
        let mask = [false, true, true, false];
        assert_eq!(normalized(z, &[0.0, 2.0, 8.0, 100.0], Some(&mask)), [0.0, -1.0, 1.0, 100.0]);
        assert_eq!(normalized(z, &[0.0, 0.0], Some(&[false, false])), [0.0, 0.0]);
        // Without a mask everything is inside.
        assert_eq!(normalized(z, &[2.0, 8.0], None), [-1.0, 1.0]);
    }

    #[test]
    fn a_constant_becomes_zero() {
        assert_eq!(normalized(Normalization::ZScore { masked: false }, &[3.0; 9], None), [0.0; 9]);
        assert_eq!(normalized(Normalization::RescaleTo01, &[3.0; 2], None), [0.0; 2]);
        let flat = Normalization::Ct { low: 0.0, high: 9.0, mean: 3.0, std: 0.0 };
        assert_eq!(normalized(flat, &[3.0], None), [0.0]);
    }

    #[test]
    fn sums_are_cut_where_buffers_end() {
        let lengths = |part: [usize; 3], size| -> Vec<usize> {
            let values = vec![0.0; part.iter().product()];
            Pieces::of(part, size).split(&values).map(<[f32]>::len).collect()
        };
        // In one piece in memory, and small enough for a buffer.
        assert_eq!(lengths([90, 140, 120], [90, 140, 120]), [90 * 140 * 120]);
        assert_eq!(lengths([13, 17, 28], [20, 30, 40]), [13 * 17 * 28]);
        assert_eq!(lengths([3, 9000, 1], [3, 9000, 4]), [27000]);
        // Rows of 116 whose slices join: 70 rows a buffer. Else the buffer ends with the slice.
        assert_eq!(lengths([2, 100, 116], [2, 100, 120]), [8120, 8120, 60 * 116]);
        assert_eq!(lengths([2, 100, 104], [2, 120, 120]), [8112, 22 * 104, 8112, 22 * 104]);
        assert_eq!(lengths([5, 60, 60], [5, 70, 70]), [7200, 7200, 3600]);
    }

    #[test]
    fn a_sum_keeps_to_its_order() {
        // One and a hundred and thirty values too small to change it one by one.
        let mut values = vec![f32::EPSILON / 4.0; 131];
        values[0] = 1.0;
        let one_by_one = values.iter().fold(0.0_f32, |sum, value| sum + value);
        assert_eq!(one_by_one, 1.0);
        assert!(pairwise(&values, &|value| value) > 1.0);
    }
}
