//! How far voxels are from a border, as far as anything is told from it.
//!
//! In whole steps and only up to a few of them, so that a byte a voxel holds the square; kept from step to
//! step, and worked out anew only in rows near those that changed.

use rayon::prelude::*;

/// Distances up to this are told, in steps.
pub(super) const MOST: usize = 4;

/// The square of what is farther.
const FAR: u8 = 64;

/// The squares of the distances between voxel centres, in steps: from 0 to 16, more beyond.
#[derive(Debug)]
pub(super) struct Band {
    dims: [usize; 3],
    /// Steps from slice to slice.
    thick: usize,
    /// Along its row, from each voxel to the nearest that is reached, and to the nearest that is not.
    along: [Vec<u8>; 2],
    /// From each voxel to the nearest that is reached, and to the nearest that is not.
    pub off: [Vec<u8>; 2],
}

impl Band {
    /// Around what is `reached`.
    pub(super) fn new(reached: &[bool], dims: [usize; 3], thick: usize) -> Self {
        let far = || vec![FAR; reached.len()];
        let mut band = Self { dims, thick, along: [far(), far()], off: [far(), far()] };
        band.renew(reached, &vec![true; dims[1] * dims[2]]);
        band
    }

    /// Takes in that voxels of the rows (y fastest) that are `changed` were reached or left; which rows'
    /// distances may have changed.
    pub(super) fn renew(&mut self, reached: &[bool], changed: &[bool]) -> Vec<bool> {
        let near = self.with_near(changed);
        let ([nx, ny, nz], thick) = (self.dims, self.thick);
        if nx == 0 {
            return near;
        }
        for ((wanted, along), off) in [true, false].into_iter().zip(&mut self.along).zip(&mut self.off) {
            let rows = along.par_chunks_mut(nx).zip(reached.par_chunks(nx)).zip(changed);
            rows.filter(|(_, is_changed)| **is_changed).for_each(|((out, row), _)| squares(row, wanted, out));
            let along: &[u8] = along;
            let rows = off.par_chunks_mut(nx).enumerate().filter(|(row, _)| near[*row]);
            rows.for_each(|(row, out)| {
                let (y, z) = (row % ny, row / ny);
                out.fill(FAR);
                for z_at in z.saturating_sub(MOST / thick)..(z + MOST / thick + 1).min(nz) {
                    for y_at in y.saturating_sub(MOST)..(y + MOST + 1).min(ny) {
                        let square = y.abs_diff(y_at).pow(2) + (z.abs_diff(z_at) * thick).pow(2);
                        if let Ok(square) = u8::try_from(square)
                            && usize::from(square) <= MOST * MOST
                        {
                            let first = nx * (y_at + ny * z_at);
                            let other = &along[first..first + nx];
                            out.iter_mut().zip(other).for_each(|(out, own)| *out = (*out).min(own + square));
                        }
                    }
                }
            });
        }
        near
    }

    /// These rows and those as near to one of them as distances are told.
    pub(super) fn with_near(&self, rows: &[bool]) -> Vec<bool> {
        let [_, ny, nz] = self.dims;
        let mut near = vec![false; rows.len()];
        for row in (0..rows.len()).filter(|row| rows[*row]) {
            let (y, z) = (row % ny, row / ny);
            for z in z.saturating_sub(MOST / self.thick)..(z + MOST / self.thick + 1).min(nz) {
                near[ny * z + y.saturating_sub(MOST)..ny * z + (y + MOST + 1).min(ny)].fill(true);
            }
        }
        near
    }
}

/// The squares of the distances along a row to the nearest voxel that is as `wanted`.
fn squares(row: &[bool], wanted: bool, out: &mut [u8]) {
    #[expect(clippy::cast_possible_truncation, reason = "at most 16")]
    let square = |steps: usize| if steps > MOST { FAR } else { (steps * steps) as u8 };
    let mut steps = MOST + 1;
    for (own, out) in row.iter().zip(out.iter_mut()) {
        steps = if *own == wanted { 0 } else { (steps + 1).min(MOST + 1) };
        *out = square(steps);
    }
    steps = MOST + 1;
    for (own, out) in row.iter().zip(out.iter_mut()).rev() {
        steps = if *own == wanted { 0 } else { (steps + 1).min(MOST + 1) };
        *out = (*out).min(square(steps));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::distance;

    #[test]
    fn distances_are_those_of_the_exact_transform_also_after_changes() {
        let dims = [23, 19, 11];
        let mut state = 7_u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 40
        };
        for thick in [1_u32, 2] {
            let mut reached: Vec<bool> = (0..dims.iter().product()).map(|_| random() % 60 == 0).collect();
            let mut band = Band::new(&reached, dims, thick as usize);
            for _ in 0..6 {
                let mut changed = vec![false; dims[1] * dims[2]];
                for _ in 0..2 {
                    let at = usize::try_from(random()).unwrap() % reached.len();
                    reached[at] = !reached[at];
                    changed[at / dims[0]] = true;
                }
                band.renew(&reached, &changed);
                for (wanted, off) in [true, false].into_iter().zip(&band.off) {
                    let own: Vec<bool> = reached.iter().map(|own| *own == wanted).collect();
                    let exact = distance::to_nearest(&own, dims, [1.0, 1.0, f64::from(thick)]);
                    for (square, exact) in off.iter().zip(exact) {
                        let (square, exact) = (f32::from(*square), exact * exact);
                        assert!(if exact < 16.5 { (square - exact).abs() < 1e-3 } else { square > 16.5 });
                    }
                }
            }
        }
    }
}
