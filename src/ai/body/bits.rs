//! Binary images, and their opening, filling and pieces.

use rayon::prelude::*;

/// A binary image of size x, y, z, x fastest. Outside it everything is false, except to
/// [`Bits::eroded`], for which the image goes on as it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bits {
    pub size: [usize; 3],
    pub values: Vec<bool>,
}

impl Bits {
    pub(super) fn new(size: [usize; 3]) -> Self {
        Self { size, values: vec![false; size.iter().product()] }
    }

    /// True within `radius` voxels (a box) of a true voxel.
    pub(super) fn dilated(&self, radius: [usize; 3]) -> Self {
        let mut out = self.clone();
        for (axis, radius) in radius.into_iter().enumerate() {
            out.spread(axis, radius, true);
        }
        out
    }

    /// False within `radius` voxels (a box) of a false voxel of the image.
    pub(super) fn eroded(&self, radius: [usize; 3]) -> Self {
        let mut out = self.clone();
        for (axis, radius) in radius.into_iter().enumerate() {
            out.spread(axis, radius, false);
        }
        out
    }

    /// Dilated, then eroded, as if the image went on with false for ever.
    pub(super) fn closed(&self, radius: [usize; 3]) -> Self {
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

    /// The 6-connected pieces, as lists of indices.
    pub(super) fn pieces(&self) -> Vec<Vec<usize>> {
        let mut left = self.values.clone();
        let mut pieces = Vec::new();
        for start in 0..left.len() {
            if left[start] {
                pieces.push(self.flood(vec![start], &mut left));
            }
        }
        pieces
    }

    /// The pieces that touch a true voxel of `seeds`.
    pub(super) fn connected_to(&self, seeds: &Self) -> Self {
        let mut left = self.values.clone();
        let mut out = Self::new(self.size);
        for start in 0..left.len() {
            if seeds.values[start] && left[start] {
                for at in self.flood(vec![start], &mut left) {
                    out.values[at] = true;
                }
            }
        }
        out
    }

    /// Everything in `left` that hangs together with `front` (which is in it); taken out of it.
    fn flood(&self, mut front: Vec<usize>, left: &mut [bool]) -> Vec<usize> {
        let [nx, ny, nz] = self.size;
        let mut next = 0;
        for at in &front {
            left[*at] = false;
        }
        while next < front.len() {
            let at = front[next];
            next += 1;
            let (x, y, z) = (at % nx, at / nx % ny, at / (nx * ny));
            let mut visit = |inside: bool, to: usize| {
                if inside && left[to] {
                    left[to] = false;
                    front.push(to);
                }
            };
            visit(x > 0, at.wrapping_sub(1));
            visit(x + 1 < nx, at + 1);
            visit(y > 0, at.wrapping_sub(nx));
            visit(y + 1 < ny, at + nx);
            visit(z > 0, at.wrapping_sub(nx * ny));
            visit(z + 1 < nz, at + nx * ny);
        }
        front
    }

    /// Every slice with its holes: what no path outside the mask joins to the slice's edge.
    pub(super) fn filled_by_slices(&self) -> Self {
        let [nx, ny, _] = self.size;
        let mut out = self.clone();
        if out.values.is_empty() {
            return out;
        }
        out.values.par_chunks_mut(nx * ny).for_each(|plane| {
            let mut outside: Vec<bool> = plane.iter().map(|inside| !inside).collect();
            let slice = Self { size: [nx, ny, 1], values: Vec::new() };
            let edge = (0..nx)
                .flat_map(|x| [x, x + nx * (ny - 1)])
                .chain((0..ny).flat_map(|y| [y * nx, y * nx + nx - 1]));
            for at in edge {
                if outside[at] {
                    slice.flood(vec![at], &mut outside);
                }
            }
            // What the flood did not reach is a hole.
            for (inside, hole) in plane.iter_mut().zip(&outside) {
                *inside |= *hole;
            }
        });
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(rows: &[&str]) -> Bits {
        let size = [rows[0].len(), rows.len(), 1];
        Bits { size, values: rows.iter().flat_map(|row| row.bytes().map(|byte| byte == b'#')).collect() }
    }

    #[test]
    fn an_opening_takes_a_thin_bar_off_a_block() {
        let block = picture(&["........", ".###....", ".#######", ".###....", "........"]);
        let opened = block.eroded([1, 1, 0]).dilated([1, 1, 0]);
        assert_eq!(opened, picture(&["........", ".###....", ".###....", ".###....", "........"]));
    }

    #[test]
    fn a_hole_is_filled_and_a_bay_is_not() {
        let ring = picture(&["#####", "#.#..", "#####"]);
        assert_eq!(ring.filled_by_slices(), picture(&["#####", "###..", "#####"]));
    }

    #[test]
    fn a_closing_bridges_a_gap_and_adds_nothing_at_the_border() {
        let gap = picture(&["##.##", "##.##"]);
        assert_eq!(gap.closed([1, 0, 0]), picture(&["#####", "#####"]));
        let edge = picture(&["....#", "....#"]);
        assert_eq!(edge.closed([2, 0, 0]), edge);
    }

    #[test]
    fn pieces_hang_together_by_faces() {
        let two = picture(&["##..", "..##"]);
        assert_eq!(two.pieces().len(), 2);
        assert_eq!(two.connected_to(&picture(&["#...", "...."])), picture(&["##..", "...."]));
    }
}
