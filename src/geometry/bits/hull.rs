//! The convex hull of the voxels of a slice.

use super::Bits;
use rayon::prelude::*;

impl Bits {
    /// Slice by slice the voxels whose centres lie in the convex hull of the set's own; none where a
    /// slice has none.
    #[must_use]
    pub fn hull_in_slices(&self) -> Self {
        let [nx, ny, _] = self.size;
        let mut hull = Self::new(self.size);
        if self.values.is_empty() {
            return hull;
        }
        let planes = self.values.par_chunks(nx * ny).zip(hull.values.par_chunks_mut(nx * ny));
        planes.for_each(|(own, hull)| {
            let ends =
                |row: &[bool]| Some([row.iter().position(|own| *own)?, row.iter().rposition(|own| *own)?]);
            let rows: Vec<(usize, [usize; 2])> =
                own.chunks_exact(nx).enumerate().filter_map(|(y, row)| Some((y, ends(row)?))).collect();
            // From the left border to the right one, each row by row; what bulges to the right is what
            // bulges to the left in a mirror.
            let mirrored = |x: usize| nx - 1 - x;
            let left = border(&rows.iter().map(|(y, [first, _])| (*y, *first)).collect::<Vec<_>>());
            let right = border(&rows.iter().map(|(y, [_, last])| (*y, mirrored(*last))).collect::<Vec<_>>());
            for ((y, first), (_, last)) in left.into_iter().zip(right) {
                hull[y * nx + first..=y * nx + mirrored(last)].fill(true);
            }
        });
        hull
    }
}

/// The lower convex envelope of columns, one for each of some rising rows: for every row from the first to
/// the last the first whole column that is not before it.
fn border(rows: &[(usize, usize)]) -> Vec<(usize, usize)> {
    #[expect(clippy::cast_possible_wrap, reason = "image dimensions are far below 2^31")]
    let point = |(y, x): (usize, usize)| (y as i64, x as i64);
    let mut corners: Vec<(i64, i64)> = Vec::new();
    for row in rows {
        let next = point(*row);
        while let [.., a, b] = corners.as_slice()
            && (b.0 - a.0) * (next.1 - a.1) <= (b.1 - a.1) * (next.0 - a.0)
        {
            corners.pop();
        }
        corners.push(next);
    }
    let mut border = Vec::new();
    for pair in corners.windows(2) {
        let ((from, x), (to, end)) = (pair[0], pair[1]);
        for y in from..to {
            // The whole column at or after the line, which may run to smaller ones.
            let (rise, run) = ((end - x) * (y - from), to - from);
            border.push((y, x + rise.div_euclid(run) + i64::from(rise.rem_euclid(run) != 0)));
        }
    }
    border.extend(corners.last());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between columns that are")]
    border.into_iter().map(|(y, x)| (y as usize, x as usize)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::picture;
    use super::*;

    #[test]
    fn a_hull_closes_bays_and_bridges_pieces() {
        let bay = picture(&["#...#", "#...#", "#####"]);
        assert_eq!(bay.hull_in_slices(), picture(&["#####", "#####", "#####"]));
        // A triangle's long side runs from the first row's last column to the last row's first.
        let corners = picture(&["#...#", ".....", ".....", ".....", "#...."]);
        assert_eq!(corners.hull_in_slices(), picture(&["#####", "####.", "###..", "##...", "#...."]));
        // A slope of two columns in three rows: the centres on the inner side of it.
        let steep = picture(&["..#.", "....", "....", "#..#"]);
        assert_eq!(steep.hull_in_slices(), picture(&["..#.", "..#.", ".##.", "####"]));
        let apart = picture(&["......", ".#....", "......", "....#.", "......"]);
        assert_eq!(apart.hull_in_slices().count(), 2, "no centre lies on the line between them");
    }

    #[test]
    fn a_disc_is_its_own_hull_on_each_slice_and_nothing_has_none() {
        let within = |at: i32, radius: i32| (at % 21 - 10).pow(2) + (at / 21 - 10).pow(2) <= radius * radius;
        let disc = |radius: i32| (0..441).map(move |at| within(at, radius));
        let values = disc(9).chain(disc(0)).chain(disc(-1).map(|_| false)).collect();
        let discs = Bits { size: [21, 21, 3], values };
        assert_eq!(discs.hull_in_slices(), discs);
        assert_eq!(Bits::new([0, 4, 2]).hull_in_slices(), Bits::new([0, 4, 2]));
    }
}
