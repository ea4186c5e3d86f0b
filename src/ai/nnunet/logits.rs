//! The logits of a whole input, in half precision as nnunetv2 keeps them.

use half::f16;
use half::slice::HalfFloatSliceExt;

/// Logits on the network's voxels, for ways that need all of them at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Logits {
    /// Size, (z, y, x) of the network's axes.
    pub size: [usize; 3],
    /// Classes or regions.
    pub classes: usize,
    /// `[z][y][x][class]`.
    pub values: Vec<f16>,
}

impl Logits {
    /// Of zeros.
    #[must_use]
    pub fn new(size: [usize; 3], classes: usize) -> Self {
        Self { size, classes, values: vec![f16::ZERO; size.iter().product::<usize>() * classes] }
    }

    /// Takes over the plane `z` of logits `[y][x][class]`; what half precision cannot hold becomes
    /// its greatest value.
    ///
    /// # Panics
    /// When there is no such plane or it has another size.
    pub fn set_plane(&mut self, z: usize, logits: &[f32]) {
        let length = self.size[1] * self.size[2] * self.classes;
        let plane = &mut self.values[z * length..(z + 1) * length];
        plane.convert_from_f32_slice(logits);
        for value in plane.iter_mut().filter(|value| value.is_infinite()) {
            *value = if value.is_sign_negative() { f16::MIN } else { f16::MAX };
        }
    }

    /// The logits of the plane at `index` of `axis`, `[row][column][class]` of the other two axes.
    pub(super) fn plane(&self, axis: usize, index: usize) -> Vec<f32> {
        let strides = [self.size[1] * self.size[2], self.size[2], 1].map(|stride| stride * self.classes);
        let [row, column] = match axis {
            0 => [1, 2],
            1 => [0, 2],
            _ => [0, 1],
        };
        // The last axis and the classes lie together.
        let run = if column == 2 { self.size[2] * self.classes } else { self.classes };
        let runs = if column == 2 { 1 } else { self.size[column] };
        let mut plane = vec![0.0; self.size[row] * self.size[column] * self.classes];
        for (n, out) in plane.chunks_exact_mut(run).enumerate() {
            let from = index * strides[axis] + n / runs * strides[row] + n % runs * strides[column];
            self.values[from..from + run].convert_to_f32_slice(out);
        }
        plane
    }
}

/// Rounds logits to half precision in place.
pub(super) fn round_to_half(logits: &mut [f32]) {
    const PIECE: usize = 1024;
    let mut halves = [f16::ZERO; PIECE];
    for piece in logits.chunks_mut(PIECE) {
        let halves = &mut halves[..piece.len()];
        halves.convert_from_f32_slice(piece);
        halves.convert_to_f32_slice(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_come_out_along_any_axis() {
        // Voxel (z, y, x) of class c has the number zyxc.
        let mut logits = Logits::new([2, 3, 2], 2);
        let number = |z: u16, y: u16, x: u16, c: u16| f32::from(1000 * z + 100 * y + 10 * x + c);
        for z in 0..2 {
            let plane: Vec<f32> = (0..12).map(|n| number(z, n / 4, n / 2 % 2, n % 2)).collect();
            logits.set_plane(usize::from(z), &plane);
        }
        assert_eq!(logits.plane(0, 1)[..4], [1000.0, 1001.0, 1010.0, 1011.0]);
        assert_eq!(logits.plane(1, 2), [200.0, 201.0, 210.0, 211.0, 1200.0, 1201.0, 1210.0, 1211.0]);
        assert_eq!(logits.plane(2, 1)[..6], [10.0, 11.0, 110.0, 111.0, 210.0, 211.0]);
        assert_eq!(logits.plane(2, 1)[6..8], [1010.0, 1011.0]);
    }

    #[test]
    fn nothing_becomes_infinite() {
        let mut logits = Logits::new([1, 1, 1], 2);
        logits.set_plane(0, &[1e9, -1e9]);
        assert_eq!(logits.plane(0, 0), [65504.0, -65504.0]);
    }
}
