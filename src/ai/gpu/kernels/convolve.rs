//! Convolution as a product of matrices that are never written: rows are output voxels, columns output
//! channels, and the sum runs over the kernel's taps and the input's channels. A transposed convolution
//! whose kernel equals its stride is such a product, too: of each input voxel, a block of output voxels.
//!
//! A workgroup makes 128 voxels times up to 64 channels. Sixteen terms of the sum at a time, inputs and
//! weights, are brought to shared memory once for the whole workgroup; each invocation adds them up for
//! eight voxels and four or eight channels in registers. Outside the input is zero, without a copy that
//! has a margin. Where the voxels are too few to occupy a device, the sum itself is divided among
//! workgroups, and a second kernel adds their parts, always in the same order.

use super::tiles::{DOWN, PlaceLaunch, TERMS, Tile, VOXELS, parts_kernel, tile_kernel};
use super::{AXIS, CubeTensor, INVOCATIONS, empty, number};
use burn::tensor::Shape;
use cubecl::prelude::{CubeCount, CubeDim};

/// Terms of a sum at most: the rounds of an invocation stay far below 65,535.
const MOST_TERMS: usize = 1 << 16;
/// Workgroups that occupy a device, where the sum can be divided to have so many.
const WORKGROUPS: usize = 512;
/// Parts of a sum at most, and rounds of a part at least.
const PARTS: usize = 16;
const PART_ROUNDS: usize = 8;

/// What an invocation makes of a voxel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::ai::gpu) enum Block {
    /// Four channels.
    Four,
    /// Eight: fewer reads of shared memory, more registers.
    Eight,
}

/// A convolution, and the lines of its output that are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ai::gpu) struct Convolve {
    /// (z, y, x), as everything of three.
    pub kernel: [usize; 3],
    pub stride: [usize; 3],
    pub output: usize,
    pub block: Block,
    /// First line along x and the one after the last, plane by plane: whole planes are as many lines as
    /// they are high. Of what is spread, lines before that.
    pub lines: [usize; 2],
    /// Adds to what the output holds.
    pub adds: bool,
    /// The block of voxels that an output voxel's channels are spread over, (z, y, x), each with an
    /// equal share of them; otherwise one.
    pub spread: [usize; 3],
}

impl Convolve {
    /// The shape of the output for an input's, `[1, z, y, x, channel]`.
    pub(super) fn output(&self, input: &Shape) -> Shape {
        let size = |a: usize| {
            let voxels = (input[a + 1] + 2 * (self.kernel[a] / 2) - self.kernel[a]) / self.stride[a] + 1;
            voxels * self.spread[a]
        };
        Shape::new([1, size(0), size(1), size(2), self.output / self.spread.iter().product::<usize>()])
    }

    /// Channels of a workgroup: the greatest of 16, 32 and 64 that wastes little.
    fn channels(output: usize) -> usize {
        let wasted = |channels: usize| output.next_multiple_of(channels) - output;
        let fits = |channels: &usize| 8 * wasted(*channels) <= output;
        [64, 32].into_iter().find(fits).unwrap_or(16)
    }

    /// Rows and columns of the matrix of weights, `[term, output]`, with the zeros that the kernel reads.
    pub(in crate::ai::gpu) fn matrix(terms: usize, output: usize) -> [usize; 2] {
        [terms.next_multiple_of(TERMS), output.next_multiple_of(Self::channels(output))]
    }

    /// Whether sums of so many terms are in reach.
    pub(in crate::ai::gpu) fn reaches(terms: usize) -> bool {
        terms <= MOST_TERMS
    }
}

/// Enqueues the convolution of `x` `[1, z, y, x, channel]` by `weight` ([`Convolve::matrix`]) into the
/// lines of `out` that the plan wants; `bias` has one value a channel.
pub(super) fn launch(
    x: &CubeTensor,
    weight: &CubeTensor,
    bias: Option<&CubeTensor>,
    out: &CubeTensor,
    plan: &Convolve,
) {
    let (shape, steps) = (x.meta.shape(), x.meta.strides());
    let input = shape[4];
    let fours_in_line = input.is_multiple_of(4)
        && steps[4] == 1
        && (1..4).all(|axis| shape[axis] == 1 || steps[axis].is_multiple_of(4));
    let channels = Convolve::channels(plan.output);
    // Eight channels an invocation leave too few of them in a narrow workgroup.
    let columns = if plan.block == Block::Eight && channels > 16 { 2 } else { 1 };
    let terms = plan.kernel.iter().product::<usize>() * input;
    let rounds = terms.div_ceil(TERMS);
    let [height, width] = [1, 2].map(|axis| out.meta.shape()[axis + 1] / plan.spread[axis]);
    let writes = if out.meta.shape()[4].is_multiple_of(4) { 4 } else { 1 };
    let (first, last) = (plan.lines[0] * width, plan.lines[1] * width);
    let fours_across = plan.output.div_ceil(channels);

    // Few voxels: the sum in parts.
    let workgroups = (last - first).div_ceil(VOXELS) * fours_across;
    let parts = if bias.is_none() && plan.spread == [1; 3] { WORKGROUPS / workgroups.max(1) } else { 1 };
    let parts = parts.min(PARTS).min(rounds / PART_ROUNDS).max(1);
    let part_rounds = rounds.div_ceil(parts);
    let parts = rounds.div_ceil(part_rounds);
    let values = (last - first) * plan.output;
    let scratch = (parts > 1).then(|| empty(out, Shape::new([parts, values])));

    let tile = Tile {
        kernel: plan.kernel,
        stride: plan.stride,
        input,
        output: plan.output,
        columns,
        across: channels / 4 / columns,
        reads: if fours_in_line { 4 } else { 1 },
        writes,
        adds: plan.adds && parts == 1,
        spread: plan.spread,
    };
    for from in (first..last).step_by(AXIS * VOXELS) {
        let voxels = (last - from).min(AXIS * VOXELS);
        let count = CubeCount::Static(number(fours_across), number(voxels.div_ceil(VOXELS)), number(parts));
        let place = PlaceLaunch::new(
            number(shape[1]),
            number(shape[2]),
            number(shape[3]),
            number(steps[1]),
            number(steps[2]),
            number(steps[3]),
            number(steps[4]),
            number(height),
            number(width),
            number(from),
            number(voxels),
            number(if parts > 1 { 0 } else { from }),
            number(part_rounds),
            number(values),
        );
        tile_kernel::launch(
            &out.client,
            count,
            CubeDim::new_1d(number(tile.across * DOWN)),
            tile.reads,
            tile.writes,
            x.clone().into_buffer_arg(),
            weight.clone().into_buffer_arg(),
            bias.cloned().map(CubeTensor::into_buffer_arg).into(),
            scratch.as_ref().unwrap_or(out).clone().into_buffer_arg(),
            place,
            tile,
        );
    }
    if let Some(scratch) = scratch {
        let fours = values / tile.writes;
        parts_kernel::launch(
            &out.client,
            CubeCount::Static(number(fours.div_ceil(INVOCATIONS)), 1, 1),
            CubeDim::new_1d(number(INVOCATIONS)),
            tile.writes,
            scratch.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            number(first * plan.output / tile.writes),
            number(fours),
            number(fours),
            number(parts),
            plan.adds,
        );
    }
}
