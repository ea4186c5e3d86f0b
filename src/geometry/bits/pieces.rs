//! What hangs together in a set of voxels.

use super::Bits;
use rayon::prelude::*;

/// The pieces of a set, kept as runs along the rows: memory by the length of the outline.
#[derive(Debug)]
pub struct Pieces {
    size: [usize; 3],
    /// The first run of each row, and the number of all.
    rows: Vec<u32>,
    runs: Vec<[u32; 2]>,
    piece: Vec<u32>,
    voxels: Vec<usize>,
}

impl Pieces {
    #[expect(clippy::cast_possible_truncation, reason = "fewer runs than 2^32")]
    pub(super) fn of(bits: &Bits) -> Self {
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

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.voxels.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.voxels.len()
    }

    /// The number of voxels of one.
    #[must_use]
    pub fn voxels(&self, piece: usize) -> usize {
        self.voxels[piece]
    }

    /// The one with the most voxels.
    #[must_use]
    pub fn largest(&self) -> Option<usize> {
        (0..self.len()).max_by_key(|piece| (self.voxels[*piece], std::cmp::Reverse(*piece)))
    }

    /// The piece that voxel `index` belongs to.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<usize> {
        let (row, x) = (index / self.size[0].max(1), index % self.size[0].max(1));
        let range = self.rows[row] as usize..self.rows[row + 1] as usize;
        let runs = &self.runs[range.clone()];
        let next = runs.partition_point(|run| run[1] as usize <= x);
        let run = runs.get(next).filter(|run| run[0] as usize <= x)?;
        debug_assert!(run[1] as usize > x);
        Some(self.piece[range.start + next] as usize)
    }

    /// Calls `each` with the piece and the indices of every run.
    pub fn each_run(&self, mut each: impl FnMut(usize, std::ops::Range<usize>)) {
        for row in 0..self.rows.len() - 1 {
            for run in self.rows[row] as usize..self.rows[row + 1] as usize {
                let [from, to] = self.runs[run].map(|x| x as usize + row * self.size[0]);
                each(self.piece[run] as usize, from..to);
            }
        }
    }

    /// The voxels of the pieces chosen.
    #[must_use]
    pub fn chosen(&self, choose: impl Fn(usize) -> bool) -> Bits {
        let mut out = Bits::new(self.size);
        let chosen: Vec<bool> = (0..self.len()).map(choose).collect();
        self.each_run(|piece, range| {
            if chosen[piece] {
                out.values[range].fill(true);
            }
        });
        out
    }

    /// The indices of the voxels of each, rising.
    #[must_use]
    pub fn indices(&self) -> Vec<Vec<usize>> {
        let mut lists: Vec<Vec<usize>> = self.voxels.iter().map(|count| Vec::with_capacity(*count)).collect();
        self.each_run(|piece, range| lists[piece].extend(range));
        lists
    }

    /// The volume of each, with `thickness_mm` of every slice and the area of a pixel, cm3.
    #[must_use]
    pub fn volumes_cc(&self, thickness_mm: &[f64], pixel_mm2: f64) -> Vec<f64> {
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
    use super::super::tests::picture;
    use super::*;

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
        assert_eq!(pieces.indices(), [vec![0, 1], vec![4, 9, 14], vec![7, 10, 11, 12]]);
        // A spiral joins only at its end; a voxel above joins two others.
        let spiral = picture(&["#####", "#...#", "#.#.#", "#.###", "#...."]);
        assert_eq!(spiral.pieces().len(), 1);
        let mut deep = Bits::new([3, 1, 2]);
        deep.values = vec![true, false, true, true, true, true];
        assert_eq!(deep.pieces().len(), 1);
        assert_eq!(deep.pieces().volumes_cc(&[1.0, 3.0], 100.0), [1.1]);
    }
}
