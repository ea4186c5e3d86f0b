//! The vector kernels of [`super::winograd`]: to the points of tiles, products, and back.

use super::conv::{BLOCK, accumulate};
use super::winograd::{Task, Winograd};
use super::{Feature, LANES};
use pulp::{Simd, WithSimd};

/// Tiles of a task whose products are computed together.
pub(super) struct Tiles<'a, 'b> {
    pub winograd: &'a Winograd,
    pub sources: &'a [&'a Feature],
    /// (z and y within the task, x) of each tile.
    pub places: &'a [[usize; 3]],
    pub task: &'a mut Task<'b>,
    /// `[position][tile][input channel]`, and some values between positions: a distance that is a
    /// power of two would map them all to the same few lines of the cache.
    pub input: &'a mut [f32],
    /// `[position][tile][output channel]`.
    pub output: &'a mut [f32],
    /// Distance between positions in input and output.
    pub stride: [usize; 2],
    /// Outputs of a row, its border, and its values with it.
    pub line: [usize; 3],
}

impl WithSimd for Tiles<'_, '_> {
    type Output = ();

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

impl Tiles<'_, '_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        if self.winograd.depth == 4 {
            self.transform::<S, V, 4>(simd);
            self.multiply::<S, V>(simd);
            self.back::<S, V, 4>(simd);
        } else {
            self.transform::<S, V, 1>(simd);
            self.multiply::<S, V>(simd);
            self.back::<S, V, 1>(simd);
        }
    }

    /// The points of every tile: along y and z a column at a time, which neighbouring tiles share,
    /// then along x.
    #[inline(always)]
    fn transform<S: Simd, const V: usize, const Z: usize>(&mut self, simd: S) {
        let mut base = 0;
        for source in self.sources {
            for chunk in 0..source.stride / LANES {
                let mut columns = [[[[simd.splat_f32s(0.0); V]; 4]; Z]; 4];
                let mut rows = [[0; 4]; Z];
                let mut row = [usize::MAX; 2];
                let last = source.row_voxels() - 1;
                let mut tile = 0;
                while tile < self.places.len() {
                    let [z, y, x] = self.places[tile];
                    let mut from = 2 * x + 2;
                    if row != [z, y] {
                        row = [z, y];
                        from = 2 * x;
                        rows = self.rows::<Z>(source, row);
                    }
                    while from < 2 * x + 4 {
                        // Beyond the border there is nothing that an output of the image depends on.
                        let at = (from + source.border[2] - 1).min(last) * source.stride + chunk * LANES;
                        column::<S, V, Z>(simd, &source.values, &rows, at, &mut columns[from % 4]);
                        from += 1;
                    }
                    let [a, b, c, d] = if x % 2 == 0 { [0, 1, 2, 3] } else { [2, 3, 0, 1] };
                    let mut to = tile * self.winograd.inputs + base + chunk * LANES;
                    let mut z = 0;
                    while z < Z {
                        let mut y = 0;
                        while y < 4 {
                            let (a, b, c, d) =
                                (&columns[a][z][y], &columns[b][z][y], &columns[c][z][y], &columns[d][z][y]);
                            let mut v = 0;
                            let mut spreads = [[simd.splat_f32s(0.0); V]; 4];
                            while v < V {
                                let [e, f, g, h] = spread(simd, [a[v], b[v], c[v], d[v]]);
                                spreads[0][v] = e;
                                spreads[1][v] = f;
                                spreads[2][v] = g;
                                spreads[3][v] = h;
                                v += 1;
                            }
                            let mut x = 0;
                            while x < 4 {
                                let (out, _) = S::as_mut_simd_f32s(&mut self.input[to..to + LANES]);
                                out[..V].copy_from_slice(&spreads[x]);
                                to += self.stride[0];
                                x += 1;
                            }
                            y += 1;
                        }
                        z += 1;
                    }
                    tile += 1;
                }
            }
            base += source.stride;
        }
    }

    /// Where the rows of a tile begin among a source's values.
    fn rows<const Z: usize>(&self, source: &Feature, [z, y]: [usize; 2]) -> [[usize; 4]; Z] {
        let first = self.task.first;
        let reach = usize::from(Z == 4);
        let planes = source.size[0] + 2 * source.border[0];
        std::array::from_fn(|dz| {
            let z =
                ((first[0] + z) * self.winograd.tile()[0] + source.border[0] - reach + dz).min(planes - 1);
            std::array::from_fn(|dy| {
                let y = (2 * (first[1] + y) + source.border[1] - 1 + dy).min(source.plane_rows() - 1);
                source.voxel([z, y, 0]) * source.stride
            })
        })
    }

    /// The products, position by position.
    #[inline(always)]
    fn multiply<S: Simd, const V: usize>(&mut self, simd: S) {
        let (inputs, channels) = (self.winograd.inputs, self.winograd.bias.len());
        let tiles = self.places.len();
        let blocks = channels / LANES;
        let mut position = 0;
        while position < self.winograd.positions() {
            let input = &self.input[position * self.stride[0]..][..tiles * inputs];
            let output = &mut self.output[position * self.stride[1]..][..tiles * channels];
            let mut block = 0;
            while block < blocks {
                let weights =
                    &self.winograd.weights[(position * blocks + block) * inputs * LANES..][..inputs * LANES];
                let mut first = 0;
                while first < tiles {
                    // A short group repeats its last tile: the same code, the surplus is not stored.
                    let last = tiles - 1;
                    let at = |tile: usize| &input[(first + tile).min(last) * inputs..][..inputs];
                    let runs = [at(0), at(1), at(2), at(3), at(4), at(5)];
                    let mut sums = [[simd.splat_f32s(0.0); V]; BLOCK];
                    accumulate::<S, V>(simd, runs, weights, &mut sums);
                    let mut tile = 0;
                    while tile < BLOCK && first + tile < tiles {
                        let to = (first + tile) * channels + block * LANES;
                        let (out, _) = S::as_mut_simd_f32s(&mut output[to..to + LANES]);
                        out[..V].copy_from_slice(&sums[tile]);
                        tile += 1;
                    }
                    first += BLOCK;
                }
                block += 1;
            }
            position += 1;
        }
    }

    /// Outputs of the products, and the bias.
    #[inline(always)]
    fn back<S: Simd, const V: usize, const Z: usize>(&mut self, simd: S) {
        let channels = self.winograd.bias.len();
        let [width, border, row_values] = self.line;
        let mut tile = 0;
        while tile < self.places.len() {
            let [tile_z, y, x] = self.places[tile];
            let mut vector = 0;
            while vector < channels / S::F32_LANES {
                let at = tile * channels + vector * S::F32_LANES;
                let mut sums = [[[simd.splat_f32s(0.0); 2]; 2]; 2];
                let mut z = 0;
                while z < Z {
                    let mut lines = [[simd.splat_f32s(0.0); 2]; 4];
                    let mut dy = 0;
                    while dy < 4 {
                        let first = at + (z * 16 + dy * 4) * self.stride[1];
                        let load = |x: usize| {
                            S::as_simd_f32s(&self.output[first + x * self.stride[1]..][..S::F32_LANES]).0[0]
                        };
                        lines[dy] = outputs(simd, [load(0), load(1), load(2), load(3)]);
                        dy += 1;
                    }
                    let mut dx = 0;
                    while dx < 2 {
                        let [up, down] =
                            outputs(simd, [lines[0][dx], lines[1][dx], lines[2][dx], lines[3][dx]]);
                        for (dy, value) in [up, down].into_iter().enumerate() {
                            if Z == 1 || z == 0 {
                                sums[0][dy][dx] = value;
                            } else if z == 1 {
                                sums[0][dy][dx] = simd.add_f32s(sums[0][dy][dx], value);
                                sums[1][dy][dx] = value;
                            } else if z == 2 {
                                sums[0][dy][dx] = simd.add_f32s(sums[0][dy][dx], value);
                                sums[1][dy][dx] = simd.sub_f32s(sums[1][dy][dx], value);
                            } else {
                                sums[1][dy][dx] = simd.sub_f32s(sums[1][dy][dx], value);
                            }
                        }
                        dx += 1;
                    }
                    z += 1;
                }
                let bias = S::as_simd_f32s(&self.winograd.bias[vector * S::F32_LANES..][..S::F32_LANES]).0[0];
                let first = tile_z * self.winograd.tile()[0];
                for (plane, sums) in
                    self.task.planes.iter_mut().skip(first).zip(&sums[..if Z == 4 { 2 } else { 1 }])
                {
                    for (dy, sums) in sums.iter().enumerate() {
                        let start = (2 * y + dy) * row_values;
                        for (dx, sum) in sums.iter().enumerate() {
                            if start < plane.len() && 2 * x + dx < width {
                                let to = start + (2 * x + dx + border) * channels + vector * S::F32_LANES;
                                S::as_mut_simd_f32s(&mut plane[to..to + S::F32_LANES]).0[0] =
                                    simd.add_f32s(*sum, bias);
                            }
                        }
                    }
                }
                vector += 1;
            }
            tile += 1;
        }
    }
}

/// Two outputs of four products.
#[inline(always)]
fn outputs<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 2] {
    [simd.add_f32s(simd.add_f32s(a, b), c), simd.sub_f32s(simd.sub_f32s(b, c), d)]
}

/// The points of four values.
#[inline(always)]
fn spread<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 4] {
    [simd.sub_f32s(a, c), simd.add_f32s(b, c), simd.sub_f32s(c, b), simd.sub_f32s(b, d)]
}

/// The points along y and z of one column of voxels `[z][y]`, for [`LANES`] channels.
#[inline(always)]
fn column<S: Simd, const V: usize, const Z: usize>(
    simd: S,
    values: &[f32],
    rows: &[[usize; 4]; Z],
    at: usize,
    points: &mut [[[S::f32s; V]; 4]; Z],
) {
    let mut v = 0;
    while v < V {
        let mut z = 0;
        let mut planes = [[simd.splat_f32s(0.0); 4]; 4];
        while z < Z {
            let load = |y: usize| S::as_simd_f32s(&values[rows[z][y] + at..][..LANES]).0[v];
            planes[z] = spread(simd, [load(0), load(1), load(2), load(3)]);
            z += 1;
        }
        let mut y = 0;
        while y < 4 {
            let through = [planes[0][y], planes[1][y], planes[2][y], planes[3][y]];
            let through = if Z == 4 { spread(simd, through) } else { through };
            let mut z = 0;
            while z < Z {
                points[z][y][v] = through[z];
                z += 1;
            }
            y += 1;
        }
        v += 1;
    }
}
