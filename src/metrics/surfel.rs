//! The area of a mask's surface in a cell of eight voxels.
//!
//! The surface cuts the cell's edges half way between inside and outside centres. Its loops are
//! those of marching cubes with inside corners kept apart on ambiguous faces, taken for whichever
//! side has fewer corners (so that a cell and its complement have one surface), and each loop is a
//! fan of triangles from the corner that gives the most area at even spacing. These rules give the
//! areas of `surface-distance`'s table for all 256 cells at any spacing.

use crate::patient::Mask;

type Vector = nalgebra::Vector3<f64>;

/// For every corner between voxels of the mask's box (`size + 1` of them, i fastest) which of the
/// eight voxels around it belong: bit `n` is the voxel at (n & 1, n >> 1 & 1, n >> 2) of the cell.
pub(super) fn codes(mask: &Mask) -> Vec<u8> {
    let [ni, nj, nk] = mask.size;
    let (ci, cj) = (ni + 1, nj + 1);
    let mut codes = vec![0_u8; ci * cj * (nk + 1)];
    for (at, _) in mask.voxels.iter().enumerate().filter(|(_, inside)| **inside) {
        let (i, j, k) = (at % ni, at / ni % nj, at / (ni * nj));
        for corner in 0..8 {
            let (di, dj, dk) = (corner & 1, corner >> 1 & 1, corner >> 2);
            // Seen from the corner at the voxel's low side the voxel is on the cell's high side.
            codes[i + di + ci * (j + dj + cj * (k + dk))] |= 1 << (7 - corner);
        }
    }
    codes
}

/// The area of each of the 256 cells, mm^2.
pub(super) fn areas(spacing_mm: [f64; 3]) -> Vec<f32> {
    let spacing = Vector::from(spacing_mm);
    #[expect(clippy::cast_possible_truncation, reason = "square millimetres")]
    (0..=255_u8).map(|code| area(code, spacing) as f32).collect()
}

fn area(code: u8, spacing: Vector) -> f64 {
    let code = if code.count_ones() > 4 { !code } else { code };
    loops(code)
        .iter()
        .map(|points| {
            let even = (0..points.len()).map(|start| fan_area(points, start, Vector::repeat(1.0)));
            let start =
                even.enumerate().fold(
                    (0, 0.0),
                    |best, (start, area)| {
                        if area > best.1 + 1e-9 { (start, area) } else { best }
                    },
                );
            fan_area(points, start.0, spacing)
        })
        .sum()
}

fn fan_area(points: &[Vector], start: usize, spacing: Vector) -> f64 {
    let n = points.len();
    let at = |step: usize| points[(start + step) % n].component_mul(&spacing);
    (1..n - 1).map(|step| (at(step) - at(0)).cross(&(at(step + 1) - at(0))).norm() / 2.0).sum()
}

/// The closed polylines of a cell, through the middles of its edges.
fn loops(code: u8) -> Vec<Vec<Vector>> {
    let bit = |n: usize, axis: usize| f64::from(u8::from(n >> axis & 1 == 1));
    let corner = |n: usize| Vector::new(bit(n, 0), bit(n, 1), bit(n, 2));
    let mut segments: Vec<(Vector, Vector)> = Vec::new();
    for axis in 0..3 {
        let (p, q) = (1_usize << ((axis + 1) % 3), 1_usize << ((axis + 2) % 3));
        for side in [0, 1_usize << axis] {
            let cycle = [side, side | p, side | p | q, side | q];
            let inside = cycle.map(|n| code >> n & 1 == 1);
            let middle = |n: usize| (corner(cycle[n]) + corner(cycle[(n + 1) % 4])) / 2.0;
            let crossed: Vec<usize> = (0..4).filter(|n| inside[*n] != inside[(n + 1) % 4]).collect();
            match crossed.len() {
                2 => segments.push((middle(crossed[0]), middle(crossed[1]))),
                4 => segments.extend((0..4).filter(|n| inside[*n]).map(|n| (middle((n + 3) % 4), middle(n)))),
                _ => {}
            }
        }
    }
    let mut out = Vec::new();
    while let Some((first, mut end)) = segments.pop() {
        let mut points = vec![first];
        while end != first {
            points.push(end);
            let Some(next) = segments.iter().position(|(a, b)| *a == end || *b == end) else { break };
            let (a, b) = segments.swap_remove(next);
            end = if a == end { b } else { a };
        }
        out.push(points);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_forms() {
        let spacing = [0.9, 1.3, 3.0];
        let areas = areas(spacing);
        assert!(areas[0].abs() < 1e-9 && areas[255].abs() < 1e-9);
        // A flat face across z, y and x.
        assert!((areas[0b0000_1111] - 0.9 * 1.3).abs() < 1e-6);
        assert!((areas[0b0011_0011] - 0.9 * 3.0).abs() < 1e-6);
        assert!((areas[0b0101_0101] - 1.3 * 3.0).abs() < 1e-6);
        // One corner: the triangle through three half edges.
        let corner = Vector::new(-0.45, 0.65, 0.0).cross(&Vector::new(-0.45, 0.0, 1.5)).norm() / 2.0;
        #[expect(clippy::cast_possible_truncation, reason = "a test")]
        let corner = corner as f32;
        assert!((areas[1] - corner).abs() < 1e-6 && (areas[0b1111_1110] - corner).abs() < 1e-6);
        // Two opposite corners: two triangles.
        assert!((areas[0b1000_0001] - 2.0 * corner).abs() < 1e-6);
    }

    #[test]
    fn sums_of_the_table_match_the_reference() {
        // The sum over all cells of surface-distance 0.1's table, at even and at uneven spacing.
        let sum = |spacing| areas(spacing).iter().map(|area| f64::from(*area)).sum::<f64>();
        assert!((sum([1.0; 3]) - SUM_EVEN).abs() < 1e-3, "{}", sum([1.0; 3]));
        assert!((sum([0.9, 1.3, 3.0]) - SUM_UNEVEN).abs() < 1e-3, "{}", sum([0.9, 1.3, 3.0]));
    }

    const SUM_EVEN: f64 = 241.343_139_7;
    const SUM_UNEVEN: f64 = 667.295_503_1;

    #[test]
    fn a_single_voxel_has_eight_corner_cells() {
        let mut mask = Mask::new([0; 3], [1; 3]);
        mask.voxels[0] = true;
        let mut codes = codes(&mask);
        codes.sort_unstable();
        assert_eq!(codes, vec![1, 2, 4, 8, 16, 32, 64, 128]);
    }
}
