//! The pieces of a label in a label map, dropping some of them, and growing by whole voxels.

/// Which voxels around one hang together with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Join {
    /// The six that share a face with it, as scipy.ndimage has them.
    Faces,
    /// All 26.
    Corners,
}

impl Join {
    /// The voxels that hang together with one, in an array of `size` (z, y, x).
    fn around(self, [nz, ny, nx]: [usize; 3], at: usize) -> impl Iterator<Item = usize> {
        let own = [at / (ny * nx), at / nx % ny, at % nx];
        let span = |n: usize, size: usize| n.saturating_sub(1)..(n + 2).min(size);
        let [zs, ys, xs] = [span(own[0], nz), span(own[1], ny), span(own[2], nx)];
        let most = if self == Self::Faces { 1 } else { 3 };
        let steps = move |other: [usize; 3]| -> usize { (0..3).map(|n| own[n].abs_diff(other[n])).sum() };
        zs.flat_map(move |z| {
            let xs = xs.clone();
            ys.clone().flat_map(move |y| xs.clone().map(move |x| [z, y, x]))
        })
        .filter(move |other| (1..=most).contains(&steps(*other)))
        .map(move |[z, y, x]| (z * ny + y) * nx + x)
    }
}

/// Hands the pieces of a label over one after the other, as they begin in the array; the voxels that are
/// given back become background.
fn each_piece(
    map: &mut [u16],
    size: [usize; 3],
    (value, join): (u16, Join),
    mut dropped: impl FnMut(Vec<usize>) -> Option<Vec<usize>>,
) {
    let mut seen = vec![false; map.len()];
    for start in 0..map.len() {
        if map[start] != value || seen[start] {
            continue;
        }
        seen[start] = true;
        let mut piece = vec![start];
        let mut next = 0;
        while next < piece.len() {
            for at in join.around(size, piece[next]) {
                if map[at] == value && !seen[at] {
                    seen[at] = true;
                    piece.push(at);
                }
            }
            next += 1;
        }
        for at in dropped(piece).unwrap_or_default() {
            map[at] = 0;
        }
    }
}

/// Drops all but the largest piece of a label (the first of equals).
pub(super) fn keep_largest(map: &mut [u16], size: [usize; 3], value: u16, join: Join) {
    let mut largest: Vec<usize> = Vec::new();
    each_piece(map, size, (value, join), |piece| {
        Some(if piece.len() > largest.len() { std::mem::replace(&mut largest, piece) } else { piece })
    });
}

/// Drops the pieces of a label that have so many voxels or fewer.
pub(super) fn drop_small(map: &mut [u16], size: [usize; 3], value: u16, most: f64) {
    each_piece(map, size, (value, Join::Faces), |piece| (piece.len() as f64 <= most).then_some(piece));
}

/// Adds what shares a face with what is there, so many times (scipy.ndimage.binary_dilation).
pub(super) fn grow(mask: &mut [bool], size: [usize; 3], times: usize) {
    let mut border: Vec<usize> = (0..mask.len()).filter(|at| mask[*at]).collect();
    for _ in 0..times {
        let mut next = Vec::new();
        for at in border {
            for other in Join::Faces.around(size, at) {
                if !mask[other] {
                    mask[other] = true;
                    next.push(other);
                }
            }
        }
        border = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_the_largest_piece_goes() {
        let mut map = vec![3, 3, 0, 3, 0, 2, 3, 3, 3];
        keep_largest(&mut map, [1, 1, 9], 3, Join::Corners);
        assert_eq!(map, [0, 0, 0, 0, 0, 2, 3, 3, 3]);
        // Of two as large the first stays.
        let mut map = vec![3, 3, 0, 3, 3];
        keep_largest(&mut map, [1, 1, 5], 3, Join::Faces);
        assert_eq!(map, [3, 3, 0, 0, 0]);
    }

    #[test]
    fn voxels_that_touch_at_an_edge_are_one_piece_or_two() {
        // Three steps of a stair in a plane.
        let stairs = [1, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0, 0];
        let size = [1, 3, 5];
        let kept = |join| {
            let mut map = stairs.to_vec();
            keep_largest(&mut map, size, 1, join);
            map
        };
        assert_eq!(kept(Join::Faces), [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(kept(Join::Corners), stairs);
    }

    #[test]
    fn pieces_of_so_many_voxels_go_and_larger_ones_stay() {
        let mut map = vec![4, 0, 4, 4, 0, 4, 4, 4, 0, 7];
        drop_small(&mut map, [1, 1, 10], 4, 2.0);
        assert_eq!(map, [0, 0, 0, 0, 0, 4, 4, 4, 0, 7]);
        drop_small(&mut map, [1, 1, 10], 4, 2.9);
        assert_eq!(map[5], 4);
        drop_small(&mut map, [1, 1, 10], 4, 3.0);
        assert_eq!(map, [0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
    }

    #[test]
    fn growing_goes_over_faces_and_ends_at_the_array_s_border() {
        let mut mask = vec![false; 5 * 5 * 5];
        let at = |z: usize, y: usize, x: usize| (z * 5 + y) * 5 + x;
        mask[at(2, 2, 2)] = true;
        let count = |mask: &[bool]| mask.iter().filter(|inside| **inside).count();
        grow(&mut mask, [5; 3], 0);
        assert_eq!(count(&mask), 1);
        grow(&mut mask, [5; 3], 1);
        assert_eq!(count(&mask), 7);
        // A ball of the sum of steps: 1, 7, 25 voxels.
        grow(&mut mask, [5; 3], 1);
        assert_eq!(count(&mask), 25);
        assert!(mask[at(2, 2, 4)] && mask[at(1, 1, 2)] && !mask[at(1, 1, 1)]);
        grow(&mut mask, [5; 3], 9);
        assert_eq!(count(&mask), 125);
    }
}
