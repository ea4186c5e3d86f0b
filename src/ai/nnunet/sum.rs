//! The running sum of a sliding window.

use super::tiles::Layout;
use rayon::prelude::*;
use std::collections::VecDeque;

/// The logit of what no patch has looked at: nothing is left of it in a softmax or sigmoid.
const NEVER: f32 = -100.0;

/// Weighted sums of as many planes as a tile is deep.
pub(super) struct RunningSum {
    /// The plane of the padded input that comes out next.
    pub first: usize,
    size: [usize; 3],
    shift: [usize; 3],
    patch: [usize; 3],
    classes: usize,
    planes: VecDeque<Sums>,
}

/// Sums over the input's own voxels of a plane, padding left out.
#[derive(Clone)]
struct Sums {
    values: Vec<f32>,
    weights: Vec<f32>,
}

impl RunningSum {
    pub(super) fn new(layout: &Layout) -> Self {
        let area = layout.size[1] * layout.size[2];
        let plane = Sums { values: vec![0.0; area * layout.classes], weights: vec![0.0; area] };
        Self {
            first: 0,
            size: layout.size,
            shift: layout.shift,
            patch: layout.patch,
            classes: layout.classes,
            planes: vec![plane; layout.patch[0]].into(),
        }
    }

    pub(super) fn add(&mut self, logits: &[f32], corner: [usize; 3], weights: &[f32]) {
        let (classes, [_, patch_y, patch_x]) = (self.classes, self.patch);
        let ([_, ny, nx], shift) = (self.size, self.shift);
        // The tile's rows and columns that lie on the input.
        let inside = |corner: usize, side: usize, shift: usize, n: usize| {
            let first = shift.saturating_sub(corner);
            first..(shift + n).saturating_sub(corner).min(side).max(first)
        };
        let rows = inside(corner[1], patch_y, shift[1], ny);
        let columns = inside(corner[2], patch_x, shift[2], nx);
        // Planes before the tile have left: its first is the first here.
        debug_assert_eq!(corner[0], self.first);
        self.planes.make_contiguous().par_iter_mut().enumerate().for_each(|(z, plane)| {
            for y in rows.clone() {
                for x in columns.clone() {
                    let from = (z * patch_y + y) * patch_x + x;
                    let to = (corner[1] + y - shift[1]) * nx + corner[2] + x - shift[2];
                    let weight = weights[from];
                    plane.weights[to] += weight;
                    let logits = &logits[from * classes..][..classes];
                    for (sum, logit) in plane.values[to * classes..][..classes].iter_mut().zip(logits) {
                        *sum += weight * logit;
                    }
                }
            }
        });
    }

    /// Takes the first plane out as logits `[y][x][class]`; a fresh one follows at the end.
    pub(super) fn finish_plane(&mut self, background: bool) -> Vec<f32> {
        self.first += 1;
        let area = self.size[1] * self.size[2];
        let fresh = Sums { values: vec![0.0; area * self.classes], weights: vec![0.0; area] };
        let mut plane = self.planes.pop_front().unwrap_or_else(|| fresh.clone());
        self.planes.push_back(fresh);
        for (voxel, weight) in plane.values.chunks_exact_mut(self.classes).zip(&plane.weights) {
            if *weight > 0.0 {
                voxel.iter_mut().for_each(|value| *value /= weight);
            } else {
                voxel.fill(NEVER);
                voxel[0] = if background { 0.0 } else { NEVER };
            }
        }
        plane.values
    }
}
