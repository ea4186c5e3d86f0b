//! Convolutions of 3 x 3 (x 3) taps with fewer multiplications: Winograd's minimal filtering.
//!
//! Two outputs of a filter with three taps take four products in place of six (Winograd, 1980;
//! Lavin and Gray, CVPR 2016): a tile of 2 x 2 x 2 outputs takes 64 products a pair of channels where
//! the direct way takes 216. The products of one position of a tile over all channels are a matrix
//! product. The transforms only add and subtract, and weights are halved exactly, so results stay as
//! close to the true ones as those of the direct way (the factors of wider tiles would not keep this).

use super::conv::BLOCK;
use super::lines::Lines;
use super::norm::Moments;
use super::simd::vectorised;
use super::tiles::Tiles;
use super::{Feature, LANES, Pool};
use crate::ai::network::Convolution;
use rayon::prelude::*;

/// Tiles of one task of the pool, about.
const TASK_TILES: usize = 8 * BLOCK;
/// Transformed weights of a layer, at most: what is larger belongs to the few voxels of the coarsest
/// features, where reading the weights takes longer than multiplying.
const MAX_WEIGHTS: usize = 40 << 18;

/// A convolution's weights, transformed: `[position][output block][input channel][LANES]`.
pub(super) struct Winograd {
    /// Points of a tile along z: 4 for a kernel of 3, 1 for a kernel of 1.
    pub depth: usize,
    output: usize,
    /// Input channels as stored, all sources together.
    pub inputs: usize,
    pub weights: Lines,
    /// Padded to whole blocks.
    pub bias: Vec<f32>,
}

/// The transform of three taps to four points.
fn points([a, b, c]: [f64; 3]) -> [f64; 4] {
    [a, f64::midpoint(a + c, b), f64::midpoint(a + c, -b), c]
}

impl Winograd {
    /// Values of the transformed weights, for `inputs` channels as stored; `None` for a convolution
    /// that is better done directly.
    pub(super) fn values(
        kernel: [usize; 3],
        stride: [usize; 3],
        inputs: usize,
        output: usize,
    ) -> Option<usize> {
        let positions = match kernel {
            [3, 3, 3] => 64,
            [1, 3, 3] => 16,
            _ => return None,
        };
        let values = positions * inputs * output.next_multiple_of(LANES);
        (stride == [1; 3] && values <= MAX_WEIGHTS).then_some(values)
    }

    /// `None` for a convolution of another kind. `split`: the input is two features, the first of so
    /// many channels.
    pub(super) fn new(conv: &Convolution, split: Option<usize>) -> Option<Self> {
        let depth = if conv.kernel[0] == 3 { 4 } else { 1 };
        let parts = match split {
            Some(first) => vec![(0, first), (first, conv.input - first)],
            None => vec![(0, conv.input)],
        };
        let inputs: usize = parts.iter().map(|(_, channels)| channels.next_multiple_of(LANES)).sum();
        let blocks = conv.output.div_ceil(LANES);
        let values = Self::values(conv.kernel, conv.stride, inputs, conv.output)?;
        let mut weights = Lines::zeros(values);
        let taps = conv.kernel.iter().product::<usize>();
        let mut base = 0;
        for (first, channels) in parts {
            for (output, channel) in (0..conv.output).flat_map(|o| (0..channels).map(move |i| (o, i))) {
                let from = (output * conv.input + first + channel) * taps;
                let transformed = transformed(&conv.weight[from..from + taps]);
                let (block, lane) = (output / LANES, output % LANES);
                for (position, weight) in transformed.into_iter().enumerate() {
                    let to = ((position * blocks + block) * inputs + base + channel) * LANES + lane;
                    #[expect(clippy::cast_possible_truncation, reason = "the network computes in float32")]
                    {
                        weights[to] = weight as f32;
                    }
                }
            }
            base += channels.next_multiple_of(LANES);
        }
        let mut bias = conv.bias.clone();
        bias.resize(blocks * LANES, 0.0);
        Some(Self { depth, output: conv.output, inputs, weights, bias })
    }

    pub fn positions(&self) -> usize {
        self.depth * 16
    }

    /// Tiles whose products are computed together: often enough that a position's weights are used
    /// from the nearest cache, few enough that their transforms stay in the next.
    fn together(&self) -> usize {
        if self.inputs * self.bias.len() < 128 * 128 { 2 * BLOCK } else { 4 * BLOCK }
    }

    /// Outputs of a tile along each axis, (z, y, x).
    pub fn tile(&self) -> [usize; 3] {
        [if self.depth == 4 { 2 } else { 1 }, 2, 2]
    }
}

/// A filter's taps `[z][y][x]` as points `[z][y][x]`.
fn transformed(taps: &[f32]) -> Vec<f64> {
    let plane = |taps: &[f32]| {
        let rows: [[f64; 4]; 3] =
            std::array::from_fn(|y| points(std::array::from_fn(|x| f64::from(taps[3 * y + x]))));
        let columns: [[f64; 4]; 4] = std::array::from_fn(|x| points([rows[0][x], rows[1][x], rows[2][x]]));
        std::array::from_fn::<f64, 16, _>(|n| columns[n % 4][n / 4])
    };
    if taps.len() == 9 {
        return plane(taps).to_vec();
    }
    let planes: [[f64; 16]; 3] = std::array::from_fn(|z| plane(&taps[9 * z..][..9]));
    let through: Vec<[f64; 4]> =
        (0..16).map(|n| points([planes[0][n], planes[1][n], planes[2][n]])).collect();
    (0..64).map(|n| through[n % 16][n / 16]).collect()
}

/// Some rows of tiles of one z, and where their outputs go.
pub(super) struct Task<'a> {
    /// First tile, (z, y).
    pub first: [usize; 2],
    /// The rows of outputs in each plane of the tiles, with their border along x.
    pub planes: Vec<&'a mut [f32]>,
}

/// Convolves `sources` (one, or the two halves of a concatenation) into a feature of the same size.
/// Also gives the mean and spread of every channel, for the normalisation that follows.
pub(super) fn forward(
    winograd: &Winograd,
    sources: &[&Feature],
    border: [usize; 3],
    pool: &Pool,
) -> (Feature, Moments) {
    let size = sources[0].size;
    let channels = winograd.bias.len();
    let mut out = pool.feature(size, border, winograd.output, channels);
    let (row_values, plane_values) =
        (out.row_voxels() * channels, out.plane_rows() * out.row_voxels() * channels);
    let [tile_z, tile_y, _] = winograd.tile();
    let tiles = [0, 1, 2].map(|axis| size[axis].div_ceil(winograd.tile()[axis]));
    // Some rows of a plane of tiles, or some whole planes.
    let rows = TASK_TILES.div_ceil(tiles[2]).min(tiles[1]);
    let deep = if rows < tiles[1] { 1 } else { TASK_TILES.div_ceil(tiles[1] * tiles[2]) };
    let mut tasks = Vec::new();
    let planes = &mut out.values[border[0] * plane_values..][..size[0] * plane_values];
    for (z, planes) in planes.chunks_mut(deep * tile_z * plane_values).enumerate() {
        let first = tasks.len();
        for plane in planes.chunks_mut(plane_values) {
            let inner = &mut plane[border[1] * row_values..][..size[1] * row_values];
            for (part, lines) in inner.chunks_mut(rows * tile_y * row_values).enumerate() {
                if tasks.len() == first + part {
                    tasks.push(Task { first: [z * deep, part * rows], planes: Vec::new() });
                }
                tasks[first + part].planes.push(lines);
            }
        }
    }
    let parts: Vec<Moments> = tasks
        .into_par_iter()
        .map(|mut task| {
            let lines = task.planes[0].len() / row_values;
            let rows = (0..task.planes.len().div_ceil(tile_z))
                .flat_map(|z| (0..lines.div_ceil(tile_y)).map(move |y| [z, y]));
            let places: Vec<[usize; 3]> =
                rows.flat_map(|[z, y]| (0..tiles[2]).map(move |x| [z, y, x])).collect();
            let together = winograd.together();
            let stride = together * winograd.inputs + LANES;
            let out_stride = together * channels + LANES;
            let mut input = pool.take(winograd.positions() * stride);
            let mut output = pool.take(winograd.positions() * out_stride);
            for places in places.chunks(together) {
                vectorised(Tiles {
                    winograd,
                    sources,
                    places,
                    task: &mut task,
                    input: &mut input,
                    output: &mut output,
                    stride: [stride, out_stride],
                    line: [size[2], border[2], row_values],
                });
            }
            pool.give(input);
            pool.give(output);
            let parts: Vec<Moments> = task
                .planes
                .iter()
                .map(|plane| {
                    let starts = (0..lines).flat_map(|line| {
                        (0..size[2]).map(move |x| line * row_values + (x + border[2]) * channels)
                    });
                    Moments::of(plane, channels, starts)
                })
                .collect();
            Moments::merged(&parts)
        })
        .collect();
    (out, Moments::merged(&parts))
}

#[cfg(test)]
mod tests {
    use super::super::conv::{self, Packed};
    use super::*;

    fn numbers(count: usize, seed: u32) -> impl Iterator<Item = f32> {
        let mut state = seed;
        (0..count).map(move |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1_u32 << 23) as f32 - 1.0
        })
    }

    fn feature(size: [usize; 3], border: [usize; 3], channels: usize, seed: u32) -> Feature {
        let stride = channels.next_multiple_of(LANES);
        let mut feature = Pool::default().feature(size, border, channels, stride);
        let mut numbers = numbers(channels * size.iter().product::<usize>(), seed);
        for z in 0..size[0] {
            for y in 0..size[1] {
                for x in 0..size[2] {
                    let at = feature.voxel([z + border[0], y + border[1], x + border[2]]) * stride;
                    for channel in 0..channels {
                        feature.values[at + channel] = numbers.next().unwrap();
                    }
                }
            }
        }
        feature
    }

    /// Odd and even sizes, one voxel, borders wider than the kernel, a concatenation, two dimensions.
    #[test]
    fn the_result_is_that_of_the_direct_way() {
        let cases = [
            ([3, 3, 3], [8, 6, 30], [1, 1, 1], 32, None),
            ([3, 3, 3], [5, 7, 9], [1, 1, 1], 16, None),
            ([3, 3, 3], [3, 3, 3], [2, 2, 2], 48, Some(24)),
            ([3, 3, 3], [1, 1, 1], [1, 1, 1], 130, None),
            ([1, 3, 3], [1, 17, 13], [0, 1, 1], 20, None),
            ([1, 3, 3], [3, 4, 5], [1, 1, 1], 40, Some(8)),
        ];
        for (kernel, size, border, input, split) in cases {
            let output = 21;
            let taps = input * kernel.iter().product::<usize>();
            let scale = (3.0 / taps as f32).sqrt();
            let conv = Convolution {
                input,
                output,
                kernel,
                stride: [1; 3],
                weight: numbers(output * taps, 5).map(|value| value * scale).collect(),
                bias: numbers(output, 6).collect(),
            };
            let parts: Vec<Feature> = match split {
                Some(first) => {
                    vec![feature(size, border, first, 1), feature(size, border, input - first, 2)]
                }
                None => vec![feature(size, border, input, 3)],
            };
            let sources: Vec<&Feature> = parts.iter().collect();
            let pool = Pool::default();
            let (ours, our_moments) = forward(&Winograd::new(&conv, split).unwrap(), &sources, border, &pool);
            let (direct, moments) = conv::forward(&Packed::new(&conv, split, false), &sources, border, &pool);
            assert_eq!((ours.size, ours.channels, ours.stride), (direct.size, 21, direct.stride));
            let worst = ours.values.iter().zip(&*direct.values).map(|(a, b)| (a - b).abs());
            let worst = worst.fold(0.0, f32::max);
            assert!(worst < 5e-6, "{worst} for {kernel:?} {size:?}");
            assert!(our_moments.differ(&moments) < 1e-5, "{kernel:?} {size:?}");
        }
    }

    #[test]
    fn other_kernels_and_strides_are_left_to_the_direct_way() {
        let conv = |kernel: [usize; 3], stride| Convolution {
            input: 16,
            output: 16,
            kernel,
            stride,
            weight: vec![0.0; 256 * kernel.iter().product::<usize>()],
            bias: vec![0.0; 16],
        };
        assert!(Winograd::new(&conv([3; 3], [1; 3]), None).is_some());
        assert!(Winograd::new(&conv([3; 3], [2; 3]), None).is_none());
        assert!(Winograd::new(&conv([5; 3], [1; 3]), None).is_none());
        assert!(Winograd::new(&conv([1; 3], [1; 3]), None).is_none());
    }
}
