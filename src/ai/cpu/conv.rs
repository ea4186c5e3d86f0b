//! Direct convolutions over channels-last features: one register-blocked kernel for all of them.

use super::lines::Lines;
use super::norm::Moments;
use super::simd::vectorised;
use super::{Feature, LANES, Pool};
use crate::ai::network::Convolution;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Output voxels computed together: 6 x 2 accumulators fill the 16 registers of AVX2.
pub(super) const BLOCK: usize = 6;

/// The runs of one source: contiguous stretches of its features around an output voxel.
struct Source {
    /// Values of one voxel that a run takes for each of its `x` taps (the source's stride).
    stride: usize,
    /// Values in a run.
    run: usize,
}

/// A convolution's weights in the order in which the kernel reads them:
/// `[tap of a transposed convolution][output block][source][run][value in run][LANES]`.
pub(super) struct Packed {
    kernel: [usize; 3],
    step: [usize; 3],
    output: usize,
    sources: Vec<Source>,
    weights: Lines,
    /// Padded to whole blocks.
    bias: Vec<f32>,
}

/// Distance between voxels of a feature with `channels`, as every layer but the input stores it.
fn padded(channels: usize) -> usize {
    channels.next_multiple_of(LANES)
}

impl Packed {
    /// `split`: the input is two features, the first of so many channels. `is_first`: the input is the
    /// network's own, whose channels are stored without padding.
    pub(super) fn new(conv: &Convolution, split: Option<usize>, is_first: bool) -> Self {
        let parts = match split {
            Some(first) => vec![(0, first), (first, conv.input - first)],
            None => vec![(0, conv.input)],
        };
        let [kz, ky, kx] = conv.kernel;
        let stride_of = |channels: usize| if is_first { channels } else { padded(channels) };
        let sources: Vec<Source> = parts
            .iter()
            .map(|(_, channels)| Source { stride: stride_of(*channels), run: kx * stride_of(*channels) })
            .collect();
        let blocks = conv.output.div_ceil(LANES);
        let per_block: usize = sources.iter().map(|s| kz * ky * s.run * LANES).sum();
        let mut weights = Lines::zeros(blocks * per_block);
        let taps = kz * ky * kx;
        for block in 0..blocks {
            let mut base = block * per_block;
            for ((first, channels), source) in parts.iter().zip(&sources) {
                for tap in 0..taps {
                    for channel in 0..*channels {
                        let to = base + (tap * source.stride + channel) * LANES;
                        for lane in 0..LANES.min(conv.output - block * LANES) {
                            let from = ((block * LANES + lane) * conv.input + first + channel) * taps + tap;
                            weights[to + lane] = conv.weight[from];
                        }
                    }
                }
                base += kz * ky * source.run * LANES;
            }
        }
        let mut bias = conv.bias.clone();
        bias.resize(blocks * LANES, 0.0);
        Self { kernel: conv.kernel, step: conv.stride, output: conv.output, sources, weights, bias }
    }

    /// A transposed convolution with kernel = stride: for each of its taps a 1 x 1 x 1 convolution.
    pub(super) fn new_transposed(conv: &Convolution) -> Self {
        let stride = padded(conv.input);
        let blocks = conv.output.div_ceil(LANES);
        let taps: usize = conv.kernel.iter().product();
        let mut weights = Lines::zeros(taps * blocks * stride * LANES);
        for tap in 0..taps {
            for block in 0..blocks {
                for channel in 0..conv.input {
                    let to = ((tap * blocks + block) * stride + channel) * LANES;
                    for lane in 0..LANES.min(conv.output - block * LANES) {
                        let from = (channel * conv.output + block * LANES + lane) * taps + tap;
                        weights[to + lane] = conv.weight[from];
                    }
                }
            }
        }
        let mut bias = conv.bias.clone();
        bias.resize(blocks * LANES, 0.0);
        let sources = vec![Source { stride, run: stride }];
        Self { kernel: conv.kernel, step: conv.stride, output: conv.output, sources, weights, bias }
    }

    fn blocks(&self) -> usize {
        self.output.div_ceil(LANES)
    }
}

/// What the kernel reads of one source.
struct Reads<'a> {
    values: &'a [f32],
    stride: usize,
    run: usize,
    /// Voxel distance of each run from an output voxel's first input voxel.
    offsets: Vec<usize>,
}

/// An output voxel: the number of its first input voxel, and where its values start in the chunk.
#[derive(Clone, Copy, Default)]
struct Target {
    input: usize,
    output: usize,
}

/// Convolves `sources` (one, or the two halves of a concatenation) into a feature with `border`.
/// Also gives the mean and spread of every channel, for the normalisation that follows.
pub(super) fn forward(
    packed: &Packed,
    sources: &[&Feature],
    border: [usize; 3],
    pool: &Pool,
) -> (Feature, Moments) {
    let input = sources[0];
    let size = [0, 1, 2].map(|axis| {
        let padding = packed.kernel[axis] / 2;
        (input.size[axis] + 2 * padding - packed.kernel[axis]) / packed.step[axis] + 1
    });
    let mut out = pool.feature(size, border, packed.output, packed.blocks() * LANES);
    let reads = reads_of(packed, sources);
    let (row_values, plane_rows) = (out.row_voxels() * out.stride, out.plane_rows());
    let rows = rows_per_task(&out);
    let first = [0, 1, 2].map(|axis| input.border[axis] - packed.kernel[axis] / 2);
    let parts: Vec<Moments> = out
        .values
        .par_chunks_mut(rows * row_values)
        .enumerate()
        .map(|(chunk_index, chunk)| {
            let mut targets = Vec::new();
            for row in 0..chunk.len() / row_values {
                let index = chunk_index * rows + row;
                let (z, y) = (index / plane_rows, index % plane_rows);
                let (Some(z), Some(y)) = (z.checked_sub(border[0]), y.checked_sub(border[1])) else {
                    continue;
                };
                if z >= size[0] || y >= size[1] {
                    continue;
                }
                let [step_z, step_y, step_x] = packed.step;
                let from = input.voxel([z * step_z + first[0], y * step_y + first[1], first[2]]);
                targets.extend((0..size[2]).map(|x| Target {
                    input: from + x * step_x,
                    output: row * row_values + (x + border[2]) * packed.blocks() * LANES,
                }));
            }
            vectorised(Kernel {
                reads: &reads,
                weights: &packed.weights,
                bias: &packed.bias,
                targets: &targets,
                out: chunk,
            });
            Moments::of(chunk, packed.blocks() * LANES, targets.iter().map(|t| t.output))
        })
        .collect();
    (out, Moments::merged(&parts))
}

/// A transposed convolution whose kernel equals its stride: each input voxel makes a block of
/// output voxels of its own.
pub(super) fn transposed(packed: &Packed, input: &Feature, border: [usize; 3], pool: &Pool) -> Feature {
    let size = [0, 1, 2].map(|axis| input.size[axis] * packed.step[axis]);
    let mut out = pool.feature(size, border, packed.output, packed.blocks() * LANES);
    let (row_values, plane_rows) = (out.row_voxels() * out.stride, out.plane_rows());
    let rows = rows_per_task(&out);
    let stride = out.stride;
    let reads =
        [Reads { values: &input.values, stride: input.stride, run: packed.sources[0].run, offsets: vec![0] }];
    let per_tap = packed.weights.len() / packed.kernel.iter().product::<usize>();
    let [step_z, step_y, step_x] = packed.step;
    out.values.par_chunks_mut(rows * row_values).enumerate().for_each(|(chunk_index, chunk)| {
        let mut by_tap: Vec<Vec<Target>> = vec![Vec::new(); step_z * step_y * step_x];
        for row in 0..chunk.len() / row_values {
            let index = chunk_index * rows + row;
            let (Some(z), Some(y)) =
                ((index / plane_rows).checked_sub(border[0]), (index % plane_rows).checked_sub(border[1]))
            else {
                continue;
            };
            if z >= size[0] || y >= size[1] {
                continue;
            }
            let from =
                input.voxel([z / step_z + input.border[0], y / step_y + input.border[1], input.border[2]]);
            for x in 0..size[2] {
                let tap = ((z % step_z) * step_y + y % step_y) * step_x + x % step_x;
                by_tap[tap].push(Target {
                    input: from + x / step_x,
                    output: row * row_values + (x + border[2]) * stride,
                });
            }
        }
        for (tap, targets) in by_tap.iter().enumerate() {
            vectorised(Kernel {
                reads: &reads,
                weights: &packed.weights[tap * per_tap..][..per_tap],
                bias: &packed.bias,
                targets,
                out: chunk,
            });
        }
    });
    out
}

fn reads_of<'a>(packed: &Packed, sources: &[&'a Feature]) -> Vec<Reads<'a>> {
    let [kz, ky, _] = packed.kernel;
    sources
        .iter()
        .zip(&packed.sources)
        .map(|(feature, source)| {
            assert_eq!(feature.stride, source.stride, "a feature is stored as its reader expects");
            let offsets = (0..kz * ky).map(|run| feature.voxel([run / ky, run % ky, 0])).collect();
            Reads { values: &feature.values, stride: source.stride, run: source.run, offsets }
        })
        .collect()
}

/// Enough rows that a block of weights is used often, few enough that all threads have work.
fn rows_per_task(out: &Feature) -> usize {
    let rows = (out.size[0] + 2 * out.border[0]) * out.plane_rows();
    let wanted = 384_usize.div_ceil(out.size[2]);
    wanted.min(rows.div_ceil(4 * rayon::current_num_threads())).max(1)
}

struct Kernel<'a> {
    reads: &'a [Reads<'a>],
    weights: &'a [f32],
    bias: &'a [f32],
    targets: &'a [Target],
    out: &'a mut [f32],
}

impl WithSimd for Kernel<'_> {
    type Output = ();

    #[expect(clippy::inline_always, reason = "vector code must end up in the function compiled for them")]
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match LANES / S::F32_LANES {
            1 => self.run::<S, 1>(simd),
            2 => self.run::<S, 2>(simd),
            4 => self.run::<S, 4>(simd),
            _ => self.run::<S, 16>(simd),
        }
    }
}

impl Kernel<'_> {
    /// `V` vectors make [`LANES`] output channels.
    #[expect(clippy::inline_always, reason = "vector code must end up in the function compiled for them")]
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let per_block = self.reads.iter().map(|r| r.offsets.len() * r.run * LANES).sum::<usize>();
        for (block, weights) in self.weights.chunks_exact(per_block).enumerate() {
            let (bias, _) = S::as_simd_f32s(&self.bias[block * LANES..][..LANES]);
            for group in self.targets.chunks(BLOCK) {
                // A short group repeats its last voxel: the same code, the surplus is not stored.
                let mut targets = [group[group.len() - 1]; BLOCK];
                targets[..group.len()].copy_from_slice(group);
                let mut sums = [[simd.splat_f32s(0.0); V]; BLOCK];
                for sum in &mut sums {
                    sum.copy_from_slice(&bias[..V]);
                }
                let mut rest = weights;
                for read in self.reads {
                    for offset in &read.offsets {
                        let (run_weights, after) = rest.split_at(read.run * LANES);
                        rest = after;
                        let at = |target: usize| {
                            &read.values[(targets[target].input + offset) * read.stride..][..read.run]
                        };
                        let runs = [at(0), at(1), at(2), at(3), at(4), at(5)];
                        accumulate::<S, V>(simd, runs, run_weights, &mut sums);
                    }
                }
                for (target, sum) in group.iter().zip(&sums) {
                    let (out, _) =
                        S::as_mut_simd_f32s(&mut self.out[target.output + block * LANES..][..LANES]);
                    out[..V].copy_from_slice(sum);
                }
            }
        }
    }
}

/// `sums[voxel][vector] += run[voxel][value] * weights[value][vector]`.
#[expect(clippy::inline_always, reason = "vector code must end up in the function compiled for them")]
#[inline(always)]
pub(super) fn accumulate<S: Simd, const V: usize>(
    simd: S,
    runs: [&[f32]; BLOCK],
    weights: &[f32],
    sums: &mut [[S::f32s; V]; BLOCK],
) {
    let mut local = *sums;
    let (weights, _) = S::as_simd_f32s(weights);
    let [a, b, c, d, e, f] = runs;
    // One iterator over all of them: no index is looked at twice, each value is read as it is spread.
    let values = a.iter().zip(b).zip(c).zip(d).zip(e).zip(f);
    for (weight, (((((a, b), c), d), e), f)) in weights.chunks_exact(V).zip(values) {
        multiply_add(simd, *a, weight, &mut local[0]);
        multiply_add(simd, *b, weight, &mut local[1]);
        multiply_add(simd, *c, weight, &mut local[2]);
        multiply_add(simd, *d, weight, &mut local[3]);
        multiply_add(simd, *e, weight, &mut local[4]);
        multiply_add(simd, *f, weight, &mut local[5]);
    }
    *sums = local;
}

#[inline(always)]
fn multiply_add<S: Simd, const V: usize>(simd: S, value: f32, weight: &[S::f32s], sums: &mut [S::f32s; V]) {
    let value = simd.splat_f32s(value);
    let mut vector = 0;
    while vector < V {
        sums[vector] = simd.mul_add_e_f32s(value, weight[vector], sums[vector]);
        vector += 1;
    }
}
