//! Instance normalisation, sums and activations over channels-last features.

use super::Feature;
use super::simd::vectorised;
use crate::ai::network::{Activation, InstanceNorm};
use rayon::prelude::*;

/// Mean and sum of squared deviations of every channel over some voxels.
#[derive(Debug, Clone, Default)]
pub(super) struct Moments {
    count: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    /// Over the voxels of `values` that start at `starts`, `channels` values each; two passes
    /// while the values are still in the cache.
    pub(super) fn of(values: &[f32], channels: usize, starts: impl Iterator<Item = usize> + Clone) -> Self {
        vectorised(|| {
            let mut sum = vec![0.0_f32; channels];
            let mut count = 0.0_f64;
            for start in starts.clone() {
                for (sum, value) in sum.iter_mut().zip(&values[start..start + channels]) {
                    *sum += value;
                }
                count += 1.0;
            }
            let mean: Vec<f64> = sum.iter().map(|sum| f64::from(*sum) / count.max(1.0)).collect();
            #[expect(clippy::cast_possible_truncation, reason = "a mean of float32 values")]
            let centre: Vec<f32> = mean.iter().map(|mean| *mean as f32).collect();
            let mut squares = vec![0.0_f32; channels];
            for start in starts {
                let voxel = &values[start..start + channels];
                for ((square, value), centre) in squares.iter_mut().zip(voxel).zip(&centre) {
                    let deviation = value - centre;
                    *square += deviation * deviation;
                }
            }
            let mean = centre.iter().map(|mean| f64::from(*mean)).collect();
            Self { count, mean, squares: squares.iter().map(|square| f64::from(*square)).collect() }
        })
    }

    /// The greatest difference to others, of means and variances.
    #[cfg(test)]
    pub(super) fn differ(&self, other: &Self) -> f64 {
        assert_eq!(self.count, other.count);
        let pairs = self.mean.iter().zip(&other.mean).map(|(a, b)| a - b);
        let squares = self.squares.iter().zip(&other.squares).map(|(a, b)| (a - b) / self.count);
        pairs.chain(squares).map(f64::abs).fold(0.0, f64::max)
    }

    /// Of all parts together, merged in order (Chan, Golub and LeVeque, 1979).
    pub(super) fn merged(parts: &[Self]) -> Self {
        let mut all = Self::default();
        for part in parts.iter().filter(|part| part.count > 0.0) {
            if all.count == 0.0 {
                all = part.clone();
                continue;
            }
            let count = all.count + part.count;
            for channel in 0..all.mean.len() {
                let delta = part.mean[channel] - all.mean[channel];
                all.mean[channel] += delta * part.count / count;
                all.squares[channel] +=
                    part.squares[channel] + delta * delta * all.count * part.count / count;
            }
            all.count = count;
        }
        all
    }
}

/// Applies an activation that comes before the normalisation; gives the moments of what it makes. The
/// border stays zero.
pub(super) fn activate(feature: &mut Feature, activation: Activation) -> Moments {
    let (stride, border, size) = (feature.stride, feature.border, feature.size);
    let row_values = feature.row_voxels() * stride;
    let plane_values = feature.plane_rows() * row_values;
    let inside = feature.values.par_chunks_mut(plane_values).skip(border[0]).take(size[0]);
    let of_plane = |plane: &mut [f32]| {
        let rows = (border[1]..size[1] + border[1]).map(|y| {
            let row = &mut plane[y * row_values + border[2] * stride..][..size[2] * stride];
            row.iter_mut().for_each(|value| *value = activation.of(*value));
            Moments::of(row, stride, (0..row.len()).step_by(stride))
        });
        Moments::merged(&rows.collect::<Vec<_>>())
    };
    Moments::merged(&inside.map(of_plane).collect::<Vec<_>>())
}

/// Normalises every channel by its moments, applies scale and shift, adds a feature of the same size,
/// border and channels where there is one, and then the activation; without a norm only what follows it.
/// The border stays zero.
pub(super) fn normalise(
    feature: &mut Feature,
    moments: &Moments,
    norm: Option<&InstanceNorm>,
    added: Option<&Feature>,
    activation: Activation,
) {
    let stride = feature.stride;
    let mut factor = vec![0.0_f32; stride];
    let mut offset = vec![0.0_f32; stride];
    for channel in 0..feature.channels {
        let Some(InstanceNorm { scale, shift, epsilon }) = norm else {
            factor[channel] = 1.0;
            continue;
        };
        let variance = moments.squares[channel] / moments.count.max(1.0);
        let slope = f64::from(scale[channel]) / (variance + f64::from(*epsilon)).sqrt();
        #[expect(clippy::cast_possible_truncation, reason = "the network computes in float32")]
        {
            factor[channel] = slope as f32;
            offset[channel] = (f64::from(shift[channel]) - moments.mean[channel] * slope) as f32;
        }
    }
    if let Some(other) = added {
        assert_eq!(
            (other.size, other.border, other.stride),
            (feature.size, feature.border, stride),
            "a skip is stored as what it is added to"
        );
    }
    // The greater of a value and its multiple in the same loop, any other in one of its own.
    let (slope, rest) = (activation.slope().unwrap_or(1.0), activation.slope().is_none());
    let (border, size) = (feature.border, feature.size);
    let (row_values, plane_rows) = (feature.row_voxels() * stride, feature.plane_rows());
    let plane_values = plane_rows * row_values;
    feature.values.par_chunks_mut(plane_values).enumerate().for_each(|(z, plane)| {
        if z < border[0] || z >= size[0] + border[0] {
            return;
        }
        vectorised(|| {
            for y in border[1]..size[1] + border[1] {
                let start = y * row_values + border[2] * stride;
                let row = &mut plane[start..][..size[2] * stride];
                match added {
                    None => {
                        for voxel in row.chunks_exact_mut(stride) {
                            for ((value, factor), offset) in voxel.iter_mut().zip(&factor).zip(&offset) {
                                let normalised = *value * factor + offset;
                                *value = normalised.max(slope * normalised);
                            }
                        }
                    }
                    Some(other) => {
                        let skip = &other.values[z * plane_values + start..][..size[2] * stride];
                        for (voxel, skip) in row.chunks_exact_mut(stride).zip(skip.chunks_exact(stride)) {
                            for (((value, skip), factor), offset) in
                                voxel.iter_mut().zip(skip).zip(&factor).zip(&offset)
                            {
                                let sum = *value * factor + offset + skip;
                                *value = sum.max(slope * sum);
                            }
                        }
                    }
                }
                if rest {
                    row.iter_mut().for_each(|value| *value = activation.of(*value));
                }
            }
        });
    });
}
