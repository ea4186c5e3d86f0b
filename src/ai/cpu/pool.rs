//! Average pooling of channels-last features: the skip of a strided residual block.

use super::simd::vectorised;
use super::{Feature, Pool};
use rayon::prelude::*;

/// Means over blocks of `by` (z, y, x) voxels; voxels beyond the last whole block are left out, as
/// in PyTorch.
pub(super) fn average(input: &Feature, by: [usize; 3], pool: &Pool) -> Feature {
    let size = [0, 1, 2].map(|axis| input.size[axis] / by[axis]);
    let (border, stride) = (input.border, input.stride);
    let mut out = pool.feature(size, border, input.channels, stride);
    let (row_values, plane_rows) = (out.row_voxels() * stride, out.plane_rows());
    #[expect(clippy::cast_precision_loss, reason = "at most 512 voxels")]
    let share = 1.0 / by.iter().product::<usize>() as f32;
    out.values.par_chunks_mut(plane_rows * row_values).enumerate().for_each(|(z, plane)| {
        let Some(z) = z.checked_sub(border[0]).filter(|z| *z < size[0]) else { return };
        vectorised(|| {
            for y in 0..size[1] {
                for x in 0..size[2] {
                    let to = (y + border[1]) * row_values + (x + border[2]) * stride;
                    let sums = &mut plane[to..][..stride];
                    sums.fill(0.0);
                    for dz in 0..by[0] {
                        for dy in 0..by[1] {
                            let corner = [z * by[0] + dz, y * by[1] + dy, x * by[2]];
                            let from = input.voxel([0, 1, 2].map(|axis| corner[axis] + border[axis]));
                            let run = &input.values[from * stride..][..by[2] * stride];
                            for voxel in run.chunks_exact(stride) {
                                for (sum, value) in sums.iter_mut().zip(voxel) {
                                    *sum += value;
                                }
                            }
                        }
                    }
                    sums.iter_mut().for_each(|sum| *sum *= share);
                }
            }
        });
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_become_their_means_inside_a_border_of_zeros() {
        let mut input = Pool::default().feature([1, 4, 4], [0, 1, 1], 1, 1);
        for y in 0..4 {
            for x in 0..4 {
                let at = input.voxel([0, y + 1, x + 1]);
                input.values[at] = f32::from(u8::try_from(4 * y + x).unwrap());
            }
        }
        let out = average(&input, [1, 2, 2], &Pool::default());
        assert_eq!(out.size, [1, 2, 2]);
        #[rustfmt::skip]
        assert_eq!(*out.values, [
            0.0, 0.0, 0.0, 0.0,
            0.0, 2.5, 4.5, 0.0,
            0.0, 10.5, 12.5, 0.0,
            0.0, 0.0, 0.0, 0.0,
        ]);
    }
}
