//! Buffers used again from layer to layer and patch to patch: a fresh one costs a page fault for
//! every 4 KiB, which took a tenth of a patch's time.

use super::Feature;
use super::lines::Lines;
use std::sync::{Mutex, PoisonError};

/// Buffers that are free.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Vec<Lines>>);

impl Pool {
    /// A buffer of so many values, which are anything.
    pub(super) fn take(&self, len: usize) -> Lines {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The smallest that is large enough, but none that is far too large.
        let fits = |lines: &Lines| lines.capacity() >= len && lines.capacity() / 2 <= len;
        let best = free
            .iter()
            .enumerate()
            .filter(|(_, lines)| fits(lines))
            .min_by_key(|(_, lines)| lines.capacity())
            .map(|(index, _)| index);
        if let Some(index) = best {
            free.swap_remove(index).with_len(len)
        } else {
            drop(free);
            Lines::zeros(len)
        }
    }

    /// Gives all free buffers up.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Values of all buffers that are free.
    #[cfg(test)]
    pub(super) fn values(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(Lines::capacity).sum()
    }

    /// Takes a buffer back.
    pub(super) fn give(&self, lines: Lines) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(lines);
    }

    /// A feature whose border is zero and whose voxels are anything.
    pub(super) fn feature(
        &self,
        size: [usize; 3],
        border: [usize; 3],
        channels: usize,
        stride: usize,
    ) -> Feature {
        let voxels: usize = size.iter().zip(border).map(|(n, border)| n + 2 * border).product();
        let mut feature = Feature { size, border, channels, stride, values: self.take(voxels * stride) };
        feature.clear_border();
        feature
    }
}

impl Feature {
    fn clear_border(&mut self) {
        let row = self.row_voxels() * self.stride;
        let plane = self.plane_rows() * row;
        let ([nz, ny, nx], border, stride) = (self.size, self.border, self.stride);
        for (z, plane) in self.values.chunks_exact_mut(plane).enumerate() {
            if z < border[0] || z >= nz + border[0] {
                plane.fill(0.0);
                continue;
            }
            for (y, row) in plane.chunks_exact_mut(row).enumerate() {
                if y < border[1] || y >= ny + border[1] {
                    row.fill(0.0);
                } else {
                    row[..border[2] * stride].fill(0.0);
                    row[(nx + border[2]) * stride..].fill(0.0);
                }
            }
        }
    }
}
