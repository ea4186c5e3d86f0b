//! The part of an image that is not zero.

/// The box around the voxels in which any channel is not zero, and those voxels.
pub(super) struct NonZero {
    /// First voxel, (z, y, x).
    pub low: [usize; 3],
    /// Size, (z, y, x); the whole image where all of it is zero.
    pub size: [usize; 3],
    /// For each voxel of the image whether it belongs, holes filled; `None` when all do.
    pub mask: Option<Vec<bool>>,
}

/// Finds what is not zero in any of the channels `[z][y][x]` of `size`. Holes that no path over
/// zeros along the axes joins with the outside belong to it (scipy.ndimage.binary_fill_holes).
pub(super) fn non_zero(channels: &[&[f32]], size: [usize; 3]) -> NonZero {
    let whole = NonZero { low: [0; 3], size, mask: None };
    let mut mask: Vec<bool> = match channels.split_first() {
        None => return whole,
        // Not zero includes NaN.
        Some((first, _)) => first.iter().map(|value| *value != 0.0).collect(),
    };
    for channel in &channels[1..] {
        for (inside, value) in mask.iter_mut().zip(*channel) {
            *inside |= *value != 0.0;
        }
    }
    if mask.iter().all(|inside| *inside) {
        return whole;
    }
    fill_holes(&mut mask, size);
    let (low, size) = bounds(&mask, size);
    NonZero { low, size, mask: Some(mask) }
}

/// Adds the voxels that are not connected with the outside of the array over its faces.
fn fill_holes(mask: &mut [bool], size: [usize; 3]) {
    let [nz, ny, nx] = size;
    let mut outside = vec![false; mask.len()];
    let mut rows: Vec<(usize, usize)> = Vec::new();
    // Marks the run of zeros around a voxel, and remembers it.
    let visit = |at: usize, outside: &mut [bool], rows: &mut Vec<(usize, usize)>| {
        if mask[at] || outside[at] {
            return;
        }
        let row = at - at % nx;
        let first = (row..at).rev().take_while(|at| !mask[*at]).last().unwrap_or(at);
        let end = (at..row + nx).find(|at| mask[*at]).unwrap_or(row + nx);
        outside[first..end].fill(true);
        rows.push((first, end));
    };
    for z in 0..nz {
        for y in 0..ny {
            let row = (z * ny + y) * nx;
            let on_face = z == 0 || z + 1 == nz || y == 0 || y + 1 == ny;
            if on_face {
                (row..row + nx).for_each(|at| visit(at, &mut outside, &mut rows));
            } else {
                visit(row, &mut outside, &mut rows);
                visit(row + nx - 1, &mut outside, &mut rows);
            }
            while let Some((first, end)) = rows.pop() {
                let (z, y) = (first / nx / ny, first / nx % ny);
                for at in first..end {
                    if y > 0 {
                        visit(at - nx, &mut outside, &mut rows);
                    }
                    if y + 1 < ny {
                        visit(at + nx, &mut outside, &mut rows);
                    }
                    if z > 0 {
                        visit(at - nx * ny, &mut outside, &mut rows);
                    }
                    if z + 1 < nz {
                        visit(at + nx * ny, &mut outside, &mut rows);
                    }
                }
            }
        }
    }
    for (inside, outside) in mask.iter_mut().zip(outside) {
        *inside = !outside;
    }
}

/// First voxel and size of the box around a mask; everything where the mask is empty.
fn bounds(mask: &[bool], [nz, ny, nx]: [usize; 3]) -> ([usize; 3], [usize; 3]) {
    let mut low = [usize::MAX; 3];
    let mut end = [0; 3];
    for (row, inside) in mask.chunks_exact(nx).enumerate() {
        let Some(first) = inside.iter().position(|inside| *inside) else { continue };
        let last = inside.iter().rposition(|inside| *inside).unwrap_or(first);
        for (axis, (from, to)) in
            [(row / ny, row / ny), (row % ny, row % ny), (first, last)].into_iter().enumerate()
        {
            low[axis] = low[axis].min(from);
            end[axis] = end[axis].max(to + 1);
        }
    }
    if end[0] == 0 { ([0; 3], [nz, ny, nx]) } else { (low, [0, 1, 2].map(|axis| end[axis] - low[axis])) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell of ones around a hollow middle, in an array of `n` cubed.
    fn shell(n: usize, low: usize, high: usize) -> Vec<f32> {
        let on = |at: usize| low <= at && at <= high;
        let mut values = vec![0.0; n * n * n];
        for (at, value) in values.iter_mut().enumerate() {
            let axes = [at / n / n, at / n % n, at % n];
            let inside = axes.iter().all(|at| on(*at));
            let face = axes.iter().any(|at| *at == low || *at == high);
            *value = if inside && face { 1.0 } else { 0.0 };
        }
        values
    }

    #[test]
    fn a_closed_hole_belongs_and_an_open_one_does_not() {
        let mut values = shell(7, 1, 5);
        let found = non_zero(&[&values], [7; 3]);
        assert_eq!((found.low, found.size), ([1; 3], [5; 3]));
        assert_eq!(found.mask.unwrap().iter().filter(|inside| **inside).count(), 125);
        // A door in the shell: the hole of 27 is outside, and the door.
        values[(3 * 7 + 3) * 7 + 1] = 0.0;
        let found = non_zero(&[&values], [7; 3]);
        assert_eq!(found.mask.unwrap().iter().filter(|inside| **inside).count(), 125 - 28);
        // A second channel closes it, and reaches further.
        let mut other = vec![0.0; 343];
        other[(3 * 7 + 3) * 7 + 1] = f32::NAN;
        other[342] = -1.0;
        let found = non_zero(&[&values, &other], [7; 3]);
        assert_eq!((found.low, found.size), ([1; 3], [6; 3]));
        assert_eq!(found.mask.unwrap().iter().filter(|inside| **inside).count(), 126);
    }

    #[test]
    fn corners_do_not_connect() {
        // In a plane inside, zeros that touch only at corners stay apart.
        let mut values = vec![1.0; 27];
        values[9 + 4] = 0.0;
        values[0] = 0.0;
        let found = non_zero(&[&values], [3; 3]);
        let mask = found.mask.unwrap();
        assert!(mask[13] && !mask[0]);
        assert_eq!((found.low, found.size), ([0; 3], [3; 3]));
    }

    #[test]
    fn a_single_slice_has_no_holes() {
        let values = [1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0];
        let found = non_zero(&[&values], [1, 3, 3]);
        assert!(!found.mask.unwrap()[4]);
    }

    #[test]
    fn nothing_but_zeros_is_kept_whole() {
        let found = non_zero(&[&[0.0; 24]], [2, 3, 4]);
        assert_eq!((found.low, found.size), ([0; 3], [2, 3, 4]));
        assert!(found.mask.unwrap().iter().all(|inside| !inside));
    }
}
