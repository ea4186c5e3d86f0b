//! Opening and closing with boxes of voxels: quick, for coarse shapes.

use super::Bits;
use rayon::prelude::*;

impl Bits {
    /// What lies within `radius` voxels (a box) of a voxel of the set; beyond the box of the set
    /// nothing belongs.
    #[must_use]
    pub fn dilated(&self, radius: [usize; 3]) -> Self {
        self.spread_all(radius, true)
    }

    /// What is left `radius` voxels (a box) away from voxels that do not belong; the set goes on beyond
    /// its box as it ends.
    #[must_use]
    pub fn eroded(&self, radius: [usize; 3]) -> Self {
        self.spread_all(radius, false)
    }

    /// Dilated, then eroded, as if nothing belonged beyond the box.
    #[must_use]
    pub fn closed(&self, radius: [usize; 3]) -> Self {
        let size = [0, 1, 2].map(|axis| self.size[axis] + 2 * radius[axis]);
        let mut wide = Self::new(size);
        let place = |x: usize, y: usize, z: usize| {
            x + radius[0] + size[0] * (y + radius[1] + size[1] * (z + radius[2]))
        };
        self.rows(|y, z, from| {
            wide.values[place(0, y, z)..][..self.size[0]]
                .copy_from_slice(&self.values[from..][..self.size[0]]);
        });
        let wide = wide.dilated(radius).eroded(radius);
        let mut out = Self::new(self.size);
        self.rows(|y, z, to| {
            out.values[to..][..self.size[0]].copy_from_slice(&wide.values[place(0, y, z)..][..self.size[0]]);
        });
        out
    }

    fn rows(&self, mut each: impl FnMut(usize, usize, usize)) {
        for z in 0..self.size[2] {
            for y in 0..self.size[1] {
                each(y, z, self.size[0] * (y + self.size[1] * z));
            }
        }
    }

    /// Every `value` takes its neighbours within a box of `radius` with it.
    fn spread_all(&self, radius: [usize; 3], value: bool) -> Self {
        let mut out = self.clone();
        for (axis, radius) in radius.into_iter().enumerate() {
            out.spread(axis, radius, value);
        }
        out
    }

    /// Every `value` takes its neighbours within `radius` along an axis with it.
    fn spread(&mut self, axis: usize, radius: usize, value: bool) {
        if radius == 0 || self.values.is_empty() {
            return;
        }
        let [nx, ny, nz] = self.size;
        let line = |values: &mut [bool], from: usize, step: usize, count: usize, reach: &mut Vec<usize>| {
            // The distance to the last `value` on either side, in two sweeps.
            reach.clear();
            reach.resize(count, usize::MAX);
            let mut distance = usize::MAX;
            for n in 0..count {
                distance = if values[from + n * step] == value { 0 } else { distance.saturating_add(1) };
                reach[n] = distance;
            }
            distance = usize::MAX;
            for n in (0..count).rev() {
                distance = if values[from + n * step] == value { 0 } else { distance.saturating_add(1) };
                if distance.min(reach[n]) <= radius {
                    values[from + n * step] = value;
                }
            }
        };
        match axis {
            0 => self
                .values
                .par_chunks_mut(nx)
                .for_each_init(Vec::new, |reach, row| line(row, 0, 1, nx, reach)),
            1 => self.values.par_chunks_mut(nx * ny).for_each_init(Vec::new, |reach, plane| {
                for x in 0..nx {
                    line(plane, x, nx, ny, reach);
                }
            }),
            _ => {
                let mut reach = Vec::new();
                for at in 0..nx * ny {
                    line(&mut self.values, at, nx * ny, nz, &mut reach);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::picture;

    #[test]
    fn an_opening_takes_a_thin_bar_off_a_block() {
        let block = picture(&["........", ".###....", ".#######", ".###....", "........"]);
        let opened = block.eroded([1, 1, 0]).dilated([1, 1, 0]);
        assert_eq!(opened, picture(&["........", ".###....", ".###....", ".###....", "........"]));
    }

    #[test]
    fn a_closing_bridges_a_gap_and_adds_nothing_at_the_border() {
        let gap = picture(&["##.##", "##.##"]);
        assert_eq!(gap.closed([1, 0, 0]), picture(&["#####", "#####"]));
        let edge = picture(&["....#", "....#"]);
        assert_eq!(edge.closed([2, 0, 0]), edge);
    }
}
