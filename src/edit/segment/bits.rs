//! Sets of voxels of a box and what hangs together in them.

use crate::geometry::distance;
use rayon::prelude::*;

/// A set of voxels of a box, i fastest.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bits {
    /// The size of the box.
    pub size: [usize; 3],
    /// Whether each voxel belongs.
    pub values: Vec<bool>,
}

impl Bits {
    pub(super) fn new(size: [usize; 3]) -> Self {
        Self { size, values: vec![false; size.iter().product()] }
    }

    pub(super) fn count(&self) -> usize {
        self.values.par_iter().filter(|value| **value).count()
    }

    fn plane(&self) -> usize {
        (self.size[0] * self.size[1]).max(1)
    }

    /// The pieces that hang together by faces.
    pub(super) fn pieces(&self) -> Pieces {
        Pieces::of(self)
    }

    /// Fills what no path outside the set joins to the slice's edge, slice by slice; of at most
    /// `most` pixels each.
    pub(super) fn fill_holes(&mut self, most: usize) {
        let [nx, ny, _] = self.size;
        if self.values.is_empty() {
            return;
        }
        self.values.par_chunks_mut(nx * ny).filter(|plane| plane.contains(&true)).for_each(|plane| {
            let outside =
                Self { size: [nx, ny, 1], values: plane.iter().map(|inside| !inside).collect() }.pieces();
            let mut open = vec![false; outside.len()];
            let edge = (0..nx)
                .flat_map(|x| [x, x + nx * (ny - 1)])
                .chain((0..ny).flat_map(|y| [y * nx, y * nx + nx - 1]));
            for piece in edge.filter_map(|at| outside.at(at)) {
                open[piece] = true;
            }
            outside.each_run(|piece, range| {
                if !open[piece] && outside.voxels(piece) <= most {
                    plane[range].fill(true);
                }
            });
        });
    }

    /// What lies within `radius_mm` of the set on its own slice.
    pub(super) fn grown_in_slices(&self, radius_mm: f64, spacing_mm: [f64; 3]) -> Self {
        self.by_slices(
            |window, size| {
                let near = distance::to_nearest(window, size, spacing_mm);
                near.iter().map(|mm| f64::from(*mm) <= radius_mm).collect()
            },
            radius_mm,
            spacing_mm,
        )
    }

    /// A closing slice by slice with a disc: fills gaps narrower than twice `radius_mm`.
    pub(super) fn closed_in_slices(&self, radius_mm: f64, spacing_mm: [f64; 3]) -> Self {
        self.by_slices(
            |window, size| {
                let near = distance::to_nearest(window, size, spacing_mm);
                let far: Vec<bool> = near.iter().map(|mm| f64::from(*mm) > radius_mm).collect();
                if !far.contains(&true) {
                    return vec![true; window.len()];
                }
                let back = distance::to_nearest(&far, size, spacing_mm);
                back.iter().zip(window).map(|(mm, own)| *own || f64::from(*mm) > radius_mm).collect()
            },
            radius_mm * 2.0,
            spacing_mm,
        )
    }

    /// Gives `change` the part of each slice that holds the set and `margin_mm` around it, as if
    /// nothing lay beyond the slice's edge.
    fn by_slices(
        &self,
        change: impl Fn(&[bool], [usize; 3]) -> Vec<bool> + Sync,
        margin_mm: f64,
        spacing_mm: [f64; 3],
    ) -> Self {
        let [nx, ny, _] = self.size;
        let mut out = self.clone();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few pixels")]
        let margin = [0, 1].map(|axis| (margin_mm / spacing_mm[axis]).ceil().max(0.0) as usize + 2);
        out.values.par_chunks_mut(self.plane()).zip(self.values.par_chunks(self.plane())).for_each(
            |(to, from)| {
                let rows: Vec<usize> =
                    (0..ny).filter(|y| from[y * nx..(y + 1) * nx].contains(&true)).collect();
                let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return };
                let (mut left, mut right) = (nx, 0);
                for y in *first..=*last {
                    let row = &from[y * nx..(y + 1) * nx];
                    left = left.min(row.iter().position(|own| *own).unwrap_or(nx));
                    right = right.max(row.iter().rposition(|own| *own).unwrap_or(0));
                }
                // Padded beyond the slice, where nothing is.
                let size = [right + 1 - left + 2 * margin[0], last + 1 - first + 2 * margin[1], 1];
                let mut window = vec![false; size[0] * size[1]];
                for y in *first..=*last {
                    let at = margin[0] + size[0] * (y - first + margin[1]);
                    window[at..at + right + 1 - left].copy_from_slice(&from[y * nx + left..=y * nx + right]);
                }
                let changed = change(&window, size);
                for (n, value) in changed.into_iter().enumerate() {
                    let (x, y) = (n % size[0] + left, n / size[0] + first);
                    let (Some(x), Some(y)) = (x.checked_sub(margin[0]), y.checked_sub(margin[1])) else {
                        continue;
                    };
                    if x < nx && y < ny {
                        to[x + nx * y] = value;
                    }
                }
            },
        );
        out
    }
}

/// The pieces of a set, kept as runs along the rows: memory by the length of the outline.
#[derive(Debug)]
pub(super) struct Pieces {
    size: [usize; 3],
    /// The first run of each row, and the number of all.
    rows: Vec<u32>,
    runs: Vec<[u32; 2]>,
    piece: Vec<u32>,
    voxels: Vec<usize>,
}

impl Pieces {
    #[expect(clippy::cast_possible_truncation, reason = "fewer runs than 2^32")]
    fn of(bits: &Bits) -> Self {
        let [nx, ny, nz] = bits.size;
        let found: Vec<Vec<(u32, [u32; 2])>> = bits
            .values
            .par_chunks(bits.plane())
            .map(|plane| {
                let mut runs = Vec::new();
                for (y, row) in plane.chunks(nx.max(1)).enumerate() {
                    let mut x = 0;
                    while let Some(from) = row[x..].iter().position(|own| *own).map(|n| n + x) {
                        let to = row[from..].iter().position(|own| !own).map_or(nx, |n| n + from);
                        runs.push((y as u32, [from as u32, to as u32]));
                        x = to;
                    }
                }
                runs
            })
            .collect();
        let mut rows = Vec::with_capacity(ny * nz + 1);
        let mut runs = Vec::with_capacity(found.iter().map(Vec::len).sum());
        for plane in found {
            let mut left = plane.into_iter().peekable();
            for y in 0..ny as u32 {
                rows.push(runs.len() as u32);
                while let Some((_, run)) = left.next_if(|(row, _)| *row == y) {
                    runs.push(run);
                }
            }
        }
        rows.resize(ny * nz + 1, runs.len() as u32);
        let mut pieces =
            Self { size: bits.size, rows, piece: (0..runs.len() as u32).collect(), runs, voxels: Vec::new() };
        for row in 0..ny * nz {
            if row % ny > 0 {
                pieces.join(row - 1, row);
            }
            if row >= ny {
                pieces.join(row - ny, row);
            }
        }
        pieces.number();
        pieces
    }

    fn root(&mut self, mut run: u32) -> u32 {
        while self.piece[run as usize] != run {
            let up = self.piece[self.piece[run as usize] as usize];
            self.piece[run as usize] = up;
            run = up;
        }
        run
    }

    /// Joins runs of two neighbouring rows that overlap.
    fn join(&mut self, before: usize, row: usize) {
        let (mut a, a_end) = (self.rows[before], self.rows[before + 1]);
        let (mut b, b_end) = (self.rows[row], self.rows[row + 1]);
        while a < a_end && b < b_end {
            let ([a_from, a_to], [b_from, b_to]) = (self.runs[a as usize], self.runs[b as usize]);
            if a_from < b_to && b_from < a_to {
                let (one, other) = (self.root(a), self.root(b));
                // The first run of a piece stands for it.
                let (low, high) = (one.min(other), one.max(other));
                self.piece[high as usize] = low;
            }
            if a_to <= b_to {
                a += 1;
            } else {
                b += 1;
            }
        }
    }

    /// From roots to numbers from 0, in the order of their first voxels.
    #[expect(clippy::cast_possible_truncation, reason = "fewer runs than 2^32")]
    fn number(&mut self) {
        let mut numbers = vec![0; self.runs.len()];
        for run in 0..self.runs.len() {
            let root = self.root(run as u32) as usize;
            if root == run {
                numbers[run] = self.voxels.len() as u32;
                self.voxels.push(0);
            }
            numbers[run] = numbers[root];
            let [from, to] = self.runs[run];
            self.voxels[numbers[run] as usize] += (to - from) as usize;
        }
        self.piece = numbers;
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.voxels.len()
    }

    /// The number of voxels of one.
    pub(super) fn voxels(&self, piece: usize) -> usize {
        self.voxels[piece]
    }

    /// The one with the most voxels.
    pub(super) fn largest(&self) -> Option<usize> {
        (0..self.len()).max_by_key(|piece| (self.voxels[*piece], std::cmp::Reverse(*piece)))
    }

    /// The piece that voxel `index` belongs to.
    pub(super) fn at(&self, index: usize) -> Option<usize> {
        let (row, x) = (index / self.size[0].max(1), index % self.size[0].max(1));
        let range = self.rows[row] as usize..self.rows[row + 1] as usize;
        let runs = &self.runs[range.clone()];
        let next = runs.partition_point(|run| run[1] as usize <= x);
        let run = runs.get(next).filter(|run| run[0] as usize <= x)?;
        debug_assert!(run[1] as usize > x);
        Some(self.piece[range.start + next] as usize)
    }

    /// Calls `each` with the piece and the indices of every run.
    pub(super) fn each_run(&self, mut each: impl FnMut(usize, std::ops::Range<usize>)) {
        for row in 0..self.rows.len() - 1 {
            for run in self.rows[row] as usize..self.rows[row + 1] as usize {
                let [from, to] = self.runs[run].map(|x| x as usize + row * self.size[0]);
                each(self.piece[run] as usize, from..to);
            }
        }
    }

    /// The voxels of the pieces chosen.
    pub(super) fn chosen(&self, choose: impl Fn(usize) -> bool) -> Bits {
        let mut out = Bits::new(self.size);
        let chosen: Vec<bool> = (0..self.len()).map(choose).collect();
        self.each_run(|piece, range| {
            if chosen[piece] {
                out.values[range].fill(true);
            }
        });
        out
    }

    /// The volume of each, with `thickness_mm` of every slice and the area of a pixel, cm3.
    pub(super) fn volumes_cc(&self, thickness_mm: &[f64], pixel_mm2: f64) -> Vec<f64> {
        let mut volumes = vec![0.0; self.len()];
        let plane = (self.size[0] * self.size[1]).max(1);
        self.each_run(|piece, range| {
            volumes[piece] += range.len() as f64 * pixel_mm2 * thickness_mm[range.start / plane] / 1000.0;
        });
        volumes
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
    fn pieces_hang_together_by_faces_across_rows_and_slices() {
        let two = picture(&["##..#", "..#.#", "###.#"]);
        let pieces = two.pieces();
        let sizes: Vec<usize> = (0..pieces.len()).map(|n| pieces.voxels(n)).collect();
        assert_eq!(sizes, [2, 3, 4]);
        assert_eq!(pieces.largest(), Some(2));
        assert_eq!(
            (pieces.at(0), pieces.at(2), pieces.at(7), pieces.at(14)),
            (Some(0), None, Some(2), Some(1))
        );
        assert_eq!(pieces.chosen(|n| n == 1), picture(&["....#", "....#", "....#"]));
        // A spiral joins only at its end; a voxel above joins two others.
        let spiral = picture(&["#####", "#...#", "#.#.#", "#.###", "#...."]);
        assert_eq!(spiral.pieces().len(), 1);
        let mut deep = Bits::new([3, 1, 2]);
        deep.values = vec![true, false, true, true, true, true];
        assert_eq!(deep.pieces().len(), 1);
        assert_eq!(deep.pieces().volumes_cc(&[1.0, 3.0], 100.0), [1.1]);
    }

    #[test]
    fn holes_are_filled_up_to_a_size_and_bays_are_not() {
        let mut ring = picture(&["#######", "#.##..#", "####..#", "#..####", "...####"]);
        ring.fill_holes(1);
        assert_eq!(ring, picture(&["#######", "####..#", "####..#", "#..####", "...####"]));
        ring.fill_holes(usize::MAX);
        assert_eq!(ring, picture(&["#######", "#######", "#######", "#..####", "...####"]));
    }

    #[test]
    fn a_closing_bridges_a_gap_and_adds_nothing_at_the_border() {
        let gap = picture(&["...........", ".####.####.", ".####.####.", ".####.####.", "..........."]);
        let closed = gap.closed_in_slices(1.5, [1.0; 3]);
        assert!(closed.values[27] && !closed.values[0] && !closed.values[22], "the gap, not the outside");
        assert!(gap.values.iter().zip(&closed.values).all(|(before, after)| *after || !*before));
        let edge = picture(&["....#", "....#", "....#"]);
        assert_eq!(edge.closed_in_slices(3.0, [1.0; 3]), edge);
        assert_eq!(edge.grown_in_slices(1.0, [1.0; 3]), picture(&["...##", "...##", "...##"]));
        assert_eq!(Bits::new([4, 4, 2]).closed_in_slices(3.0, [1.0; 3]), Bits::new([4, 4, 2]));
    }
}
