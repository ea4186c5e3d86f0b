//! Volumes seen in the patient's own axes: x to the left, y to posterior, z to superior.
//!
//! Orientation comes from the grid's affine map alone, never from PatientPosition.

use crate::geometry::{Grid, Vector3};

/// A grid's voxels renumbered so that each axis runs as nearly as it can along one of the
/// patient's: oriented (x, y, z) grow to left, posterior and superior.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Oriented {
    /// Size along x, y, z.
    pub size: [usize; 3],
    /// Distance between voxel centres along x, y, z, mm.
    pub spacing_mm: [f64; 3],
    /// For each oriented axis the grid's axis and whether it runs the other way.
    axes: [(usize, bool); 3],
    /// The memory index of oriented voxel (0, 0, 0), and the steps along x, y, z.
    base: isize,
    steps: [isize; 3],
    /// Greatest angle between an oriented axis and the patient's, degrees.
    pub tilt_deg: f64,
}

impl Oriented {
    pub(super) fn new(grid: &Grid) -> Self {
        const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [1, 0, 2], [0, 2, 1], [2, 1, 0], [1, 2, 0], [2, 0, 1]];
        let directions = [0, 1, 2].map(|axis| grid.direction(axis));
        let along = |order: [usize; 3]| -> f64 {
            (0..3).map(|patient| directions[order[patient]][patient].abs()).sum()
        };
        // The first of equals: a tie at exactly 45 degrees is decided the same way each time.
        let order = ORDERS
            .into_iter()
            .fold(ORDERS[0], |best, order| if along(order) > along(best) + 1e-9 { order } else { best });
        let axes = [0, 1, 2].map(|patient| (order[patient], directions[order[patient]][patient] < 0.0));
        let dims = grid.dims();
        #[expect(clippy::cast_possible_wrap, reason = "a volume in memory has fewer than 2^63 voxels")]
        let memory = [1, dims[0] as isize, (dims[0] * dims[1]) as isize];
        let mut base = 0;
        let steps = axes.map(|(axis, flipped)| {
            if flipped {
                #[expect(clippy::cast_possible_wrap, reason = "image dimensions are far below 2^52")]
                let last = dims[axis].saturating_sub(1) as isize;
                base += memory[axis] * last;
                -memory[axis]
            } else {
                memory[axis]
            }
        });
        let worst = (0..3).map(|patient| directions[order[patient]][patient].abs()).fold(1.0, f64::min);
        Self {
            size: axes.map(|(axis, _)| dims[axis]),
            spacing_mm: axes.map(|(axis, _)| grid.step_mm(axis).norm()),
            axes,
            base,
            steps,
            tilt_deg: worst.clamp(0.0, 1.0).acos().to_degrees(),
        }
    }

    /// The memory index of an oriented voxel.
    pub(super) fn index(&self, [x, y, z]: [usize; 3]) -> usize {
        #[expect(clippy::cast_possible_wrap, reason = "image dimensions are far below 2^52")]
        let [x, y, z] = [x as isize, y as isize, z as isize];
        #[expect(clippy::cast_sign_loss, reason = "inside the volume")]
        {
            (self.base + x * self.steps[0] + y * self.steps[1] + z * self.steps[2]) as usize
        }
    }

    /// For each oriented axis the grid's axis and whether it runs the other way.
    pub(super) fn axes(&self) -> [(usize, bool); 3] {
        self.axes
    }

    /// The step in memory along x.
    pub(super) fn x_step(&self) -> isize {
        self.steps[0]
    }

    /// The grid's voxel (i, j, k) of an oriented voxel, fractional.
    #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
    pub(super) fn grid_voxel(&self, oriented: [f64; 3]) -> [f64; 3] {
        let mut voxel = [0.0; 3];
        for (patient, (axis, flipped)) in self.axes.into_iter().enumerate() {
            let at = oriented[patient];
            voxel[axis] = if flipped { self.size[patient] as f64 - 1.0 - at } else { at };
        }
        voxel
    }

    /// The vector from an oriented voxel to the next along each axis, mm.
    pub(super) fn steps_mm(&self, grid: &Grid) -> [Vector3; 3] {
        self.axes.map(|(axis, flipped)| if flipped { -grid.step_mm(axis) } else { grid.step_mm(axis) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Point3;

    #[test]
    fn a_feet_first_sagittal_grid_is_seen_from_the_same_side() {
        // i runs to posterior, j to the feet, k to the right.
        let steps = [Vector3::y() * 2.0, -Vector3::z() * 3.0, -Vector3::x() * 4.0];
        let grid = Grid::new([5, 6, 7], Point3::new(10.0, 20.0, 30.0), steps).unwrap();
        let oriented = Oriented::new(&grid);
        assert_eq!(oriented.size, [7, 5, 6]);
        assert_eq!(oriented.spacing_mm, [4.0, 2.0, 3.0]);
        assert!(oriented.tilt_deg < 1e-5);
        // The voxel furthest right, anterior, inferior: i = 0, j = 5, k = 6.
        assert_eq!(oriented.index([0, 0, 0]), grid.index_of([0, 5, 6]).unwrap());
        assert_eq!(oriented.index([1, 2, 3]), grid.index_of([2, 2, 5]).unwrap());
        assert_eq!(oriented.grid_voxel([1.0, 2.0, 3.0]), [2.0, 2.0, 5.0]);
    }
}
