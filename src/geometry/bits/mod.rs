//! Sets of voxels of a box: their pieces and hulls, filling, growing, opening and closing.

mod boxes;
mod hull;
mod pieces;

pub use pieces::Pieces;

use super::distance;
use rayon::prelude::*;

/// A set of voxels of a box, i fastest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bits {
    /// The size of the box.
    pub size: [usize; 3],
    /// Whether each voxel belongs.
    pub values: Vec<bool>,
}

impl Bits {
    /// The empty set of a box of `size` voxels along x, y and z.
    #[must_use]
    pub fn new(size: [usize; 3]) -> Self {
        Self { size, values: vec![false; size.iter().product()] }
    }

    /// How many voxels belong.
    #[must_use]
    pub fn count(&self) -> usize {
        self.values.par_iter().filter(|value| **value).count()
    }

    fn plane(&self) -> usize {
        (self.size[0] * self.size[1]).max(1)
    }

    /// The pieces that hang together by faces.
    #[must_use]
    pub fn pieces(&self) -> Pieces {
        Pieces::of(self)
    }

    /// Fills what no path outside the set joins to the slice's edge, slice by slice; of at most
    /// `most` pixels each.
    pub fn fill_holes(&mut self, most: usize) {
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

    /// The set with all holes of its slices filled: see [`Self::fill_holes`].
    #[must_use]
    pub fn filled_in_slices(mut self) -> Self {
        self.fill_holes(usize::MAX);
        self
    }

    /// The pieces that hang together by faces and meet `seeds`, a set of the same box.
    #[must_use]
    pub fn connected_to(&self, seeds: &Self) -> Self {
        let pieces = self.pieces();
        let mut met = vec![false; pieces.len()];
        pieces.each_run(|piece, range| met[piece] |= seeds.values[range].contains(&true));
        pieces.chosen(|piece| met[piece])
    }

    /// What lies within `radius_mm` of the set on its own slice.
    #[must_use]
    pub fn grown_in_slices(&self, radius_mm: f64, spacing_mm: [f64; 3]) -> Self {
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
    #[must_use]
    pub fn closed_in_slices(&self, radius_mm: f64, spacing_mm: [f64; 3]) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// One slice, `#` for a voxel that belongs.
    pub(super) fn picture(rows: &[&str]) -> Bits {
        let size = [rows[0].len(), rows.len(), 1];
        Bits { size, values: rows.iter().flat_map(|row| row.bytes().map(|byte| byte == b'#')).collect() }
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

    #[test]
    fn what_meets_no_seed_is_left_out() {
        let two = picture(&["##..", "..##"]);
        assert_eq!(two.connected_to(&picture(&["#...", "...."])), picture(&["##..", "...."]));
        assert_eq!(two.connected_to(&picture(&["..##", "...."])), Bits::new([4, 2, 1]));
        let ring = picture(&["#####", "#.#..", "#####"]);
        assert_eq!(ring.filled_in_slices(), picture(&["#####", "###..", "#####"]));
    }
}
