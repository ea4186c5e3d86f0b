//! The running sum of a sliding window.

use super::tiles::Layout;
use rayon::prelude::*;
use std::collections::VecDeque;
use std::ops::Range;

/// The logit of what no patch has looked at: nothing is left of it in a softmax or sigmoid.
const NEVER: f32 = -100.0;

/// How often the voxels of as many planes as a tile is deep were looked at: sums of weights over the
/// input's own voxels, padding left out.
pub(in crate::ai) struct Coverage {
    /// The plane of the padded input that comes out next.
    pub first: usize,
    size: [usize; 3],
    shift: [usize; 3],
    patch: [usize; 3],
    planes: VecDeque<Covered>,
}

/// The coverage of a plane.
#[derive(Clone, Default)]
pub(in crate::ai) struct Covered {
    /// Empty before the first tile.
    weights: Vec<f32>,
    /// The part of them that was background without a look; empty where there is none.
    background: Vec<f32>,
}

impl Coverage {
    /// Nothing yet, from plane `first` of the padded input on.
    pub(in crate::ai) fn new(layout: &Layout, first: usize) -> Self {
        Self {
            first,
            size: layout.size,
            shift: layout.shift,
            patch: layout.patch,
            planes: vec![Covered::default(); layout.patch[0]].into(),
        }
    }

    /// The rows and columns of a tile that lie on the input.
    fn inside(&self, corner: [usize; 3]) -> [Range<usize>; 2] {
        [1, 2].map(|axis| {
            let (corner, shift) = (corner[axis], self.shift[axis]);
            let first = shift.saturating_sub(corner);
            first..(shift + self.size[axis]).saturating_sub(corner).min(self.patch[axis]).max(first)
        })
    }

    /// Notes a tile; one without a look is background as a whole.
    pub(in crate::ai) fn add(&mut self, corner: [usize; 3], weights: &[f32], is_background: bool) {
        let ([_, patch_y, patch_x], [_, ny, nx], shift) = (self.patch, self.size, self.shift);
        let [rows, columns] = self.inside(corner);
        // Planes before the tile have left: its first is the first here.
        debug_assert_eq!(corner[0], self.first);
        self.planes.make_contiguous().par_iter_mut().enumerate().for_each(|(z, plane)| {
            plane.weights.resize(ny * nx, 0.0);
            if is_background {
                plane.background.resize(ny * nx, 0.0);
            }
            for y in rows.clone() {
                let from = (z * patch_y + y) * patch_x;
                let to = (corner[1] + y - shift[1]) * nx + corner[2] + columns.start - shift[2];
                let weights = &weights[from + columns.start..from + columns.end];
                let add = |sums: &mut [f32]| {
                    sums[to..to + columns.len()]
                        .iter_mut()
                        .zip(weights)
                        .for_each(|(sum, weight)| *sum += weight);
                };
                add(&mut plane.weights);
                if is_background {
                    add(&mut plane.background);
                }
            }
        });
    }

    /// Takes the first plane out; a fresh one follows at the end.
    pub(in crate::ai) fn finish_plane(&mut self) -> Covered {
        self.first += 1;
        self.planes.push_back(Covered::default());
        self.planes.pop_front().unwrap_or_default()
    }
}

impl Covered {
    /// Makes the weighted sums `[y][x][class]` of the plane means, in place. What no tile has looked at
    /// becomes background, the first class, where there `is_background` (no: regions).
    pub(in crate::ai) fn mean(&self, sums: &mut [f32], classes: usize, is_background: bool) {
        // Voxels that a thread does in one go.
        const PIECE: usize = 256;
        sums.par_chunks_mut(PIECE * classes).enumerate().for_each(|(piece, sums)| {
            for (at, voxel) in sums.chunks_exact_mut(classes).enumerate() {
                self.mean_at(piece * PIECE + at, voxel, is_background);
            }
        });
    }

    /// The same of the sums of one voxel, the one at `at` of the plane.
    pub(in crate::ai) fn mean_at(&self, at: usize, voxel: &mut [f32], is_background: bool) {
        let weight = self.weight(at);
        voxel[0] += self.background.get(at).copied().unwrap_or(0.0);
        if weight > 0.0 {
            voxel.iter_mut().for_each(|value| *value /= weight);
        } else {
            voxel.fill(NEVER);
            voxel[0] = if is_background { 0.0 } else { NEVER };
        }
    }

    /// The sum of the weights of voxel `at` of the plane; 0 where no tile has looked at it.
    pub(in crate::ai) fn weight(&self, at: usize) -> f32 {
        self.weights.get(at).copied().unwrap_or(0.0)
    }
}

/// Weighted sums of as many planes as a tile is deep.
pub(in crate::ai) struct RunningSum {
    pub coverage: Coverage,
    classes: usize,
    is_softmax: bool,
    planes: VecDeque<Vec<f32>>,
}

impl RunningSum {
    /// Nothing yet, from plane `first` of the padded input on; sums probabilities in place of logits
    /// where it `is_softmax`.
    pub(in crate::ai) fn new(layout: &Layout, first: usize, is_softmax: bool) -> Self {
        let plane = vec![0.0; layout.size[1] * layout.size[2] * layout.classes];
        Self {
            coverage: Coverage::new(layout, first),
            classes: layout.classes,
            is_softmax,
            planes: vec![plane; layout.patch[0]].into(),
        }
    }

    /// Adds the logits `[z][y][x][class]` of a tile.
    pub(in crate::ai) fn add(&mut self, logits: &[f32], corner: [usize; 3], weights: &[f32]) {
        let (classes, is_softmax) = (self.classes, self.is_softmax);
        let Coverage { patch: [_, patch_y, patch_x], size: [_, _, nx], shift, .. } = self.coverage;
        let [rows, columns] = self.coverage.inside(corner);
        self.planes.make_contiguous().par_iter_mut().enumerate().for_each(|(z, plane)| {
            let mut shares = vec![0.0_f32; if is_softmax { classes } else { 0 }];
            for y in rows.clone() {
                for x in columns.clone() {
                    let from = (z * patch_y + y) * patch_x + x;
                    let to = (corner[1] + y - shift[1]) * nx + corner[2] + x - shift[2];
                    let weight = weights[from];
                    let mut values = &logits[from * classes..][..classes];
                    if is_softmax {
                        softmax(values, &mut shares);
                        values = &shares;
                    }
                    for (sum, value) in plane[to * classes..][..classes].iter_mut().zip(values) {
                        *sum += weight * value;
                    }
                }
            }
        });
        self.coverage.add(corner, weights, false);
    }

    /// Takes the first plane out as means `[y][x][class]`; a fresh one follows at the end.
    pub(in crate::ai) fn finish_plane(&mut self, is_background: bool) -> Vec<f32> {
        let covered = self.coverage.finish_plane();
        let fresh = vec![0.0; self.coverage.size[1] * self.coverage.size[2] * self.classes];
        self.planes.push_back(fresh);
        let mut plane = self.planes.pop_front().unwrap_or_default();
        covered.mean(&mut plane, self.classes, is_background);
        plane
    }
}

fn softmax(logits: &[f32], shares: &mut [f32]) {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut total = 0.0;
    for (share, logit) in shares.iter_mut().zip(logits) {
        // Below exp(-20) nothing is left of a share in half precision.
        let below = logit - top;
        *share = if below < -20.0 { 0.0 } else { below.exp() };
        total += *share;
    }
    shares.iter_mut().for_each(|share| *share /= total);
}
