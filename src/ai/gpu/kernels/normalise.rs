//! Instance normalisation in three kernels: what each workgroup finds in its voxels, what all of them
//! found together, and one pass that scales, shifts, adds and rectifies in place. The first and the last
//! can be done in parts.
//!
//! Nothing is summed that is not a difference from a mean, so float32 is enough for any number of
//! voxels; neighbouring invocations read neighbouring channels.

use super::{AXIS, CubeTensor, INVOCATIONS, Part, number};
use burn::tensor::Shape;
use cubecl::prelude::*;

/// Vectors of channels that a workgroup takes at most: a line of memory at four channels each.
const LANES: usize = 8;
/// Voxels of an invocation at most, where fewer do not make too many workgroups.
const RUN: usize = 64;
/// Workgroups that occupy a device.
const WORKGROUPS: usize = 512;

/// What is known of the values at some voxels: how many, their mean, and the sum of the squares of
/// their distances from it.
#[derive(CubeType, Clone, Copy)]
struct Found<N: Size> {
    count: f32,
    mean: Vector<f32, N>,
    squares: Vector<f32, N>,
}

/// Of two groups of voxels together.
#[cube]
fn together<N: Size>(one: Found<N>, other: Found<N>) -> Found<N> {
    let count = one.count + other.count;
    // Two empty groups stay empty.
    let share = other.count / f32::max(count, 1.0f32);
    let distance = other.mean - one.mean;
    Found::<N> {
        count,
        mean: one.mean + distance * Vector::new(share),
        squares: one.squares + other.squares + distance * distance * Vector::new(one.count * share),
    }
}

/// Gathers what the rows of a workgroup found in its first row.
#[cube]
fn gather<N: Size>(found: Found<N>, #[comptime] lanes: usize) -> Found<N> {
    let rows = comptime!(INVOCATIONS / lanes);
    let row = UNIT_POS / comptime!(number(lanes));
    let mut counts = Shared::<[f32]>::new_slice(INVOCATIONS);
    let mut means = Shared::<[Vector<f32, N>]>::new_slice(INVOCATIONS);
    let mut squares = Shared::<[Vector<f32, N>]>::new_slice(INVOCATIONS);
    let at = UNIT_POS as usize;
    counts[at] = found.count;
    means[at] = found.mean;
    squares[at] = found.squares;
    sync_cube();
    #[unroll]
    for step in 0..comptime!(rows.ilog2() as usize) {
        let half = comptime!(rows >> (step + 1));
        if row < comptime!(number(half)) {
            let from = at + comptime!(half * lanes);
            let one = Found::<N> { count: counts[at], mean: means[at], squares: squares[at] };
            let other = Found::<N> { count: counts[from], mean: means[from], squares: squares[from] };
            let both = together::<N>(one, other);
            counts[at] = both.count;
            means[at] = both.mean;
            squares[at] = both.squares;
        }
        sync_cube();
    }
    Found::<N> { count: counts[at], mean: means[at], squares: squares[at] }
}

/// What each workgroup finds in its voxels: a mean and a sum of squares for each channel.
#[cube(launch)]
fn find_kernel<N: Size>(
    input: &[Vector<f32, N>],
    groups: &mut [Vector<f32, N>],
    voxels: u32,
    run: u32,
    first_group: u32,
    #[comptime] lanes: usize,
    #[comptime] vectors: usize,
) {
    let rows = comptime!(number(INVOCATIONS / lanes));
    let row = UNIT_POS / comptime!(number(lanes));
    let vector = CUBE_POS_Y * comptime!(number(lanes)) + UNIT_POS % comptime!(number(lanes));
    let group = first_group + CUBE_POS_X;
    let first = group * rows * run + row;
    let mut count = 0.0f32;
    let mut mean = Vector::<f32, N>::new(0.0f32);
    let mut squares = Vector::<f32, N>::new(0.0f32);
    for index in 0..run {
        let voxel = first + index * rows;
        if voxel < voxels && vector < comptime!(number(vectors)) {
            let value = input[(voxel * comptime!(number(vectors)) + vector) as usize];
            count += 1.0f32;
            let distance = value - mean;
            mean += distance / Vector::new(count);
            squares += distance * (value - mean);
        }
    }
    let found = gather::<N>(Found::<N> { count, mean, squares }, lanes);
    if row == 0 && vector < comptime!(number(vectors)) {
        let to = group * comptime!(number(2 * vectors)) + vector;
        groups[to as usize] = found.mean;
        groups[(to + comptime!(number(vectors))) as usize] = found.squares;
    }
}

/// What all workgroups found: each channel's mean, and what its distances from it are multiplied by.
#[cube(launch)]
fn conclude_kernel<N: Size>(
    groups: &[Vector<f32, N>],
    scale: &[Vector<f32, N>],
    found: &mut [Vector<f32, N>],
    voxels: u32,
    each: u32,
    count: u32,
    rounds: u32,
    epsilon: f32,
    #[comptime] lanes: usize,
    #[comptime] vectors: usize,
) {
    let rows = comptime!(number(INVOCATIONS / lanes));
    let row = UNIT_POS / comptime!(number(lanes));
    let vector = CUBE_POS_X * comptime!(number(lanes)) + UNIT_POS % comptime!(number(lanes));
    let mut sum = f32::cast_from(0u32);
    let mut mean = Vector::<f32, N>::new(0.0f32);
    let mut squares = Vector::<f32, N>::new(0.0f32);
    for index in 0..rounds {
        let group = row + index * rows;
        if group < count && vector < comptime!(number(vectors)) {
            let at = group * comptime!(number(2 * vectors)) + vector;
            let other = Found::<N> {
                count: f32::cast_from(u32::min(each, voxels - group * each)),
                mean: groups[at as usize],
                squares: groups[(at + comptime!(number(vectors))) as usize],
            };
            let both = together::<N>(Found::<N> { count: sum, mean, squares }, other);
            sum = both.count;
            mean = both.mean;
            squares = both.squares;
        }
    }
    let all = gather::<N>(Found::<N> { count: sum, mean, squares }, lanes);
    if row == 0 && vector < comptime!(number(vectors)) {
        let at = vector as usize;
        let variance = all.squares / Vector::new(f32::cast_from(voxels));
        found[at] = all.mean;
        found[at + vectors] = scale[at] / (variance + Vector::new(epsilon)).sqrt();
    }
}

/// Scales, shifts, adds and rectifies in place.
#[cube(launch)]
fn apply_kernel<N: Size>(
    values: &mut [Vector<f32, N>],
    found: &[Vector<f32, N>],
    shift: &[Vector<f32, N>],
    other: ComptimeOption<&[Vector<f32, N>]>,
    slope: f32,
    first: u32,
    last: u32,
    #[comptime] vectors: usize,
) {
    let at = ABSOLUTE_POS + first as usize;
    if at < last as usize {
        let vector = at % vectors;
        let normal = (values[at] - found[vector]) * found[vector + vectors] + shift[vector];
        let other: ComptimeOption<Vector<f32, N>> = other.map(|other| other[at]);
        let value = normal + other.unwrap_or_else(|| Vector::new(0.0f32));
        // The slope is below one: the greater is the value where it is positive.
        values[at] = value.max(value * Vector::new(slope));
    }
}

/// How voxels and channels are shared out.
struct Layout {
    /// Channels of a vector.
    width: usize,
    vectors: usize,
    lanes: usize,
    rows: usize,
    /// Workgroups beside each other.
    across: usize,
    /// Voxels of an invocation.
    run: usize,
    voxels: usize,
    /// Workgroups behind each other.
    count: usize,
}

impl Layout {
    fn new(voxels: usize, channels: usize) -> Self {
        let width = if channels.is_multiple_of(4) { 4 } else { 1 };
        let vectors = channels / width;
        let lanes = vectors.next_power_of_two().min(LANES);
        let rows = INVOCATIONS / lanes;
        let across = vectors.div_ceil(lanes);
        let run = (voxels * across).div_ceil(rows * WORKGROUPS).clamp(1, RUN);
        Self { width, vectors, lanes, rows, across, run, voxels, count: voxels.div_ceil(rows * run) }
    }

    /// Of features `[1, z, y, x, channel]`.
    fn of(x: &Shape) -> Self {
        Self::new(x[1] * x[2] * x[3], x[4])
    }
}

/// The shape of what the workgroups find in features of the shape `x`.
pub(super) fn groups(x: &Shape) -> Shape {
    Shape::new([Layout::of(x).count, 2, x[4]])
}

/// Enqueues a part of what the workgroups find in `x` `[1, z, y, x, channel]`.
pub(super) fn find(x: &CubeTensor, groups: &CubeTensor, part: Part) {
    let own = Layout::of(x.meta.shape());
    let [first, last] = part.of(own.count);
    // A dimension of a launch has a limit.
    for from in (first..last).step_by(AXIS) {
        let count = (last - from).min(AXIS);
        find_kernel::launch(
            &x.client,
            CubeCount::Static(number(count), number(own.across), 1),
            CubeDim::new_1d(number(INVOCATIONS)),
            own.width,
            x.clone().into_buffer_arg(),
            groups.clone().into_buffer_arg(),
            number(own.voxels),
            number(own.run),
            number(from),
            own.lanes,
            own.vectors,
        );
    }
}

/// Enqueues the conclusion from what was found in `voxels` voxels; `found` is `[2, channel]`.
pub(super) fn conclude(
    groups: &CubeTensor,
    scale: &CubeTensor,
    found: &CubeTensor,
    voxels: usize,
    epsilon: f32,
) {
    let own = Layout::new(voxels, scale.meta.shape().num_elements());
    conclude_kernel::launch(
        &groups.client,
        CubeCount::Static(number(own.across), 1, 1),
        CubeDim::new_1d(number(INVOCATIONS)),
        own.width,
        groups.clone().into_buffer_arg(),
        scale.clone().into_buffer_arg(),
        found.clone().into_buffer_arg(),
        number(own.voxels),
        number(own.rows * own.run),
        number(own.count),
        number(own.count.div_ceil(own.rows)),
        epsilon,
        own.lanes,
        own.vectors,
    );
}

/// Enqueues a part of the pass over `x` `[1, z, y, x, channel]`, in its own buffer.
pub(super) fn apply(
    x: &CubeTensor,
    found: &CubeTensor,
    shift: &CubeTensor,
    other: Option<CubeTensor>,
    slope: f32,
    part: Part,
) {
    let own = Layout::of(x.meta.shape());
    // Whole voxels.
    let [first, last] = part.of(own.voxels).map(|voxel| voxel * own.vectors);
    if first == last {
        return;
    }
    let dim = CubeDim::new_1d(number(INVOCATIONS));
    apply_kernel::launch(
        &x.client,
        cubecl::calculate_cube_count_elemwise(&x.client, last - first, dim),
        dim,
        own.width,
        x.clone().into_buffer_arg(),
        found.clone().into_buffer_arg(),
        shift.clone().into_buffer_arg(),
        other.map(CubeTensor::into_buffer_arg).into(),
        slope,
        number(first),
        number(last),
        own.vectors,
    );
}
