//! The kernels of [`super::convolve`]: the product of a tile, and the sum of its parts.

#![allow(clippy::trivially_copy_pass_by_ref, reason = "what functions of a kernel hand on is no copy")]

use super::convolve::Convolve;
use super::number;
use cubecl::prelude::*;

/// Voxels of an invocation.
const ROWS: usize = 8;
/// Invocations of a workgroup that share a column.
pub(super) const DOWN: usize = 16;
/// Voxels of a workgroup.
pub(super) const VOXELS: usize = ROWS * DOWN;
/// Fours of terms that are brought to shared memory at a time.
const FOURS: usize = 4;
/// Terms that are brought to shared memory at a time.
pub(super) const TERMS: usize = 4 * FOURS;
/// Fours from one voxel to the next in shared memory: one is left free, so that the voxels that are read
/// together lie in different banks.
const PITCH: usize = FOURS + 1;
/// What a kernel is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Tile {
    pub kernel: [usize; 3],
    pub stride: [usize; 3],
    pub input: usize,
    pub output: usize,
    /// Fours of channels of an invocation.
    pub columns: usize,
    /// Invocations of a workgroup that share a voxel.
    pub across: usize,
    /// Values that are read and written at a time.
    pub reads: usize,
    pub writes: usize,
    pub adds: bool,
    pub spread: [usize; 3],
}

impl Tile {
    fn terms(&self) -> usize {
        self.kernel.iter().product::<usize>() * self.input
    }

    /// Fours of terms that an invocation brings to shared memory each time.
    fn loads(&self) -> usize {
        VOXELS * FOURS / (self.across * DOWN)
    }

    /// From the first voxel whose inputs an invocation brings to another.
    fn voxel(&self, load: usize) -> u32 {
        number(load * self.across * DOWN / FOURS)
    }

    fn kernel(&self, axis: usize) -> u32 {
        number(self.kernel[axis])
    }

    fn stride(&self, axis: usize) -> u32 {
        number(self.stride[axis])
    }

    fn spread(&self, axis: usize) -> u32 {
        number(self.spread[axis])
    }

    /// Channels of the output after they were spread.
    fn channels(&self) -> u32 {
        number(self.output / self.spread.iter().product::<usize>())
    }

    fn padding(&self, axis: usize) -> i32 {
        number(self.kernel[axis] / 2).cast_signed()
    }
}

/// Where input and output lie: sizes in voxels, steps in values.
#[derive(CubeType, CubeLaunch)]
pub(super) struct Place {
    depth: u32,
    height: u32,
    width: u32,
    step_z: u32,
    step_y: u32,
    step_x: u32,
    step_channel: u32,
    out_height: u32,
    out_width: u32,
    /// First voxel of the output, and how many.
    first: u32,
    voxels: u32,
    /// Where the first voxel is written, in voxels.
    to: u32,
    /// The rounds of the sum that a workgroup makes, at most.
    pub rounds: u32,
    /// Values from one part of the sum to the next.
    part: u32,
}

/// One tile of the output, or of a part of its sums.
#[cube(launch)]
#[allow(clippy::needless_pass_by_value, reason = "a launch hands values over")]
pub(super) fn tile_kernel<R: Size, W: Size>(
    input: &[Vector<f32, R>],
    weight: &[Vector<f32, Const<4>>],
    bias: ComptimeOption<&[Vector<f32, W>]>,
    output: &mut [Vector<f32, W>],
    place: Place,
    #[comptime] tile: Tile,
) {
    let loads = comptime!(tile.loads());
    let columns = comptime!(tile.columns);
    let first_voxel = CUBE_POS_Y * comptime!(number(VOXELS));
    let first_round = CUBE_POS_Z * place.rounds;
    let mut inputs = Shared::<[Vector<f32, Const<4>>]>::new_slice(comptime!(VOXELS * PITCH));
    let mut weights =
        Shared::<[Vector<f32, Const<4>>]>::new_slice(comptime!(TERMS * tile.across * tile.columns));

    // The input voxel at the first tap of each output voxel whose inputs this invocation brings.
    let mut z = Array::<i32>::new(loads);
    let mut y = Array::<i32>::new(loads);
    let mut x = Array::<i32>::new(loads);
    #[unroll]
    for load in 0..loads {
        let at = first_voxel + UNIT_POS / comptime!(number(FOURS)) + comptime!(tile.voxel(load));
        let out = place.first + at;
        let line = out / place.out_width;
        z[load] =
            i32::cast_from(line / place.out_height * comptime!(tile.stride(0))) - comptime!(tile.padding(0));
        y[load] =
            i32::cast_from(line % place.out_height * comptime!(tile.stride(1))) - comptime!(tile.padding(1));
        x[load] =
            i32::cast_from(out % place.out_width * comptime!(tile.stride(2))) - comptime!(tile.padding(2));
        if at >= place.voxels {
            // Nothing of it is inside.
            z[load] = i32::cast_from(place.depth);
        }
    }

    let mut sums = Array::<Vector<f32, Const<4>>>::new(comptime!(ROWS * columns));
    #[unroll]
    for index in 0..comptime!(ROWS * columns) {
        sums[index] = Vector::new(0.0f32);
    }
    // The last part may have fewer.
    let all_rounds = comptime!(number(tile.terms().div_ceil(TERMS)));
    let rounds = u32::min(place.rounds, all_rounds - first_round);
    for round in 0..rounds {
        let first_term = (first_round + round) * comptime!(number(TERMS));
        bring_inputs::<R>(input, &mut inputs, &z, &y, &x, &place, first_term, tile);
        bring_weights(weight, &mut weights, first_term, tile);
        sync_cube();
        add_products(&inputs, &weights, &mut sums, tile);
        sync_cube();
    }
    write::<W>(&sums, &bias, output, &place, tile);
}

/// Where the inputs of a tap and channel are, from the first tap on.
#[cube]
fn tap(term: u32, #[comptime] tile: Tile) -> (i32, i32, i32, u32) {
    let tap = term / comptime!(number(tile.input));
    let line = tap / comptime!(tile.kernel(2));
    let z = i32::cast_from(line / comptime!(tile.kernel(1)));
    let y = i32::cast_from(line % comptime!(tile.kernel(1)));
    let x = i32::cast_from(tap % comptime!(tile.kernel(2)));
    (z, y, x, term % comptime!(number(tile.input)))
}

/// The inputs of some terms, to shared memory; zero where they lie outside.
#[cube]
#[allow(clippy::too_many_arguments, reason = "parts of a kernel")]
fn bring_inputs<R: Size>(
    input: &[Vector<f32, R>],
    inputs: &mut Shared<[Vector<f32, Const<4>>]>,
    z: &Array<i32>,
    y: &Array<i32>,
    x: &Array<i32>,
    place: &Place,
    first_term: u32,
    #[comptime] tile: Tile,
) {
    let four = UNIT_POS % comptime!(number(FOURS));
    let voxel = UNIT_POS / comptime!(number(FOURS));
    #[unroll]
    for load in 0..comptime!(tile.loads()) {
        let mut value = Vector::<f32, Const<4>>::new(0.0f32);
        #[unroll]
        for part in 0..comptime!(4 / tile.reads) {
            let term = first_term + four * 4 + comptime!(number(part));
            let (tap_z, tap_y, tap_x, channel) = tap(term, tile);
            let at_z = u32::cast_from(z[load] + tap_z);
            let at_y = u32::cast_from(y[load] + tap_y);
            let at_x = u32::cast_from(x[load] + tap_x);
            let is_inside = term < comptime!(number(tile.terms()))
                && at_z < place.depth
                && at_y < place.height
                && at_x < place.width;
            if is_inside {
                let line = at_z * place.step_z + at_y * place.step_y + at_x * place.step_x;
                if comptime!(tile.reads == 4) {
                    value = Vector::cast_from(input[((line + channel) / 4) as usize]);
                } else {
                    value.insert(part, input[(line + channel * place.step_channel) as usize].extract(0usize));
                }
            }
        }
        let to = (voxel + comptime!(tile.voxel(load))) * comptime!(number(PITCH)) + four;
        inputs[to as usize] = value;
    }
}

/// The weights of some terms, to shared memory.
#[cube]
fn bring_weights(
    weight: &[Vector<f32, Const<4>>],
    weights: &mut Shared<[Vector<f32, Const<4>>]>,
    first_term: u32,
    #[comptime] tile: Tile,
) {
    // Fours of channels of the workgroup, and of the matrix.
    let wide = comptime!(number(tile.across * tile.columns));
    let all = comptime!(number(Convolve::matrix(tile.terms(), tile.output)[1] / 4));
    #[unroll]
    for load in 0..comptime!(tile.columns) {
        let at = UNIT_POS + comptime!(number(load * tile.across * DOWN));
        let from = (first_term + at / wide) * all + CUBE_POS_X * wide + at % wide;
        weights[at as usize] = weight[from as usize];
    }
}

/// Adds the products of what is in shared memory to an invocation's sums.
#[cube]
fn add_products(
    inputs: &Shared<[Vector<f32, Const<4>>]>,
    weights: &Shared<[Vector<f32, Const<4>>]>,
    sums: &mut Array<Vector<f32, Const<4>>>,
    #[comptime] tile: Tile,
) {
    let columns = comptime!(tile.columns);
    let across = comptime!(number(tile.across));
    let column = UNIT_POS % across;
    let first_row = UNIT_POS / across * comptime!(number(ROWS));
    for step in 0..comptime!(number(FOURS)) {
        let mut factors = Array::<Vector<f32, Const<4>>>::new(comptime!(4 * columns));
        #[unroll]
        for part in 0..4usize {
            #[unroll]
            for n in 0..columns {
                let line = (step * 4 + comptime!(number(part))) * comptime!(number(tile.across * columns));
                factors[part * columns + n] =
                    weights[(line + column + comptime!(number(n)) * across) as usize];
            }
        }
        #[unroll]
        for m in 0..ROWS {
            let at = (first_row + comptime!(number(m))) * comptime!(number(PITCH)) + step;
            let values = inputs[at as usize];
            #[unroll]
            for part in 0..4usize {
                let value = Vector::<f32, Const<4>>::new(values.extract(part));
                #[unroll]
                for n in 0..columns {
                    let sum = sums[m * columns + n];
                    sums[m * columns + n] = fma(value, factors[part * columns + n], sum);
                }
            }
        }
    }
}

/// Writes an invocation's sums, or adds them to what is there.
#[cube]
fn write<W: Size>(
    sums: &Array<Vector<f32, Const<4>>>,
    bias: &ComptimeOption<&[Vector<f32, W>]>,
    output: &mut [Vector<f32, W>],
    place: &Place,
    #[comptime] tile: Tile,
) {
    let columns = comptime!(tile.columns);
    let across = comptime!(number(tile.across));
    let first_voxel = CUBE_POS_Y * comptime!(number(VOXELS)) + UNIT_POS / across * comptime!(number(ROWS));
    let first_four = CUBE_POS_X * comptime!(number(tile.across * tile.columns)) + UNIT_POS % across;
    #[unroll]
    for m in 0..ROWS {
        let at = first_voxel + comptime!(number(m));
        if at < place.voxels {
            #[unroll]
            for n in 0..columns {
                let sum = sums[m * columns + n];
                #[unroll]
                for part in 0..comptime!(4 / tile.writes) {
                    let channel = (first_four + comptime!(number(n)) * across) * 4 + comptime!(number(part));
                    if channel < comptime!(number(tile.output)) {
                        let mut value = Vector::<f32, W>::new(sum.extract(part));
                        if comptime!(tile.writes == 4) {
                            value = Vector::cast_from(sum);
                        }
                        let own = channel % comptime!(tile.channels()) / comptime!(number(tile.writes));
                        let start: ComptimeOption<Vector<f32, W>> =
                            bias.as_ref().map(|bias| bias[own as usize]);
                        value += start.unwrap_or_else(|| Vector::new(0.0f32));
                        let to = target(place, place.to + at, channel, tile);
                        if comptime!(tile.adds) {
                            output[to] += value;
                        } else {
                            output[to] = value;
                        }
                    }
                }
            }
        }
    }
}

/// Where a channel of an output voxel is written, in vectors.
#[cube]
fn target(place: &Place, voxel: u32, channel: u32, #[comptime] tile: Tile) -> usize {
    let writes = comptime!(number(tile.writes));
    if comptime!(tile.spread == [1, 1, 1]) {
        ((CUBE_POS_Z * place.part + voxel * comptime!(number(tile.output)) + channel) / writes) as usize
    } else {
        let tap = channel / comptime!(tile.channels());
        let line = tap / comptime!(tile.spread(2));
        let row = voxel / place.out_width;
        let z = row / place.out_height * comptime!(tile.spread(0)) + line / comptime!(tile.spread(1));
        let y = row % place.out_height * comptime!(tile.spread(1)) + line % comptime!(tile.spread(1));
        let x = voxel % place.out_width * comptime!(tile.spread(2)) + tap % comptime!(tile.spread(2));
        let row = z * place.out_height * comptime!(tile.spread(1)) + y;
        let voxel = row * place.out_width * comptime!(tile.spread(2)) + x;
        ((voxel * comptime!(tile.channels()) + channel % comptime!(tile.channels())) / writes) as usize
    }
}

/// Adds the parts of sums up.
#[cube(launch)]
pub(super) fn parts_kernel<W: Size>(
    parts: &[Vector<f32, W>],
    output: &mut [Vector<f32, W>],
    first: u32,
    count: u32,
    part: u32,
    number_of_parts: u32,
    #[comptime] adds: bool,
) {
    let at = ABSOLUTE_POS_X;
    if at < count {
        let mut sum = parts[at as usize];
        for index in 1..number_of_parts {
            sum += parts[(at + index * part) as usize];
        }
        let to = (first + at) as usize;
        if comptime!(adds) {
            output[to] += sum;
        } else {
            output[to] = sum;
        }
    }
}
