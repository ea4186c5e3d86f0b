//! Label maps of the same voxels in another order.

use super::LabelMap;
use crate::geometry::Grid;
use nalgebra::Matrix3;

/// A label map lies on other voxels than the images.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(
    "the label map has {} voxels of {} mm and the images {} of {} mm, or they lie elsewhere: \
     it belongs to other images", sizes(.labels), times(.labels.spacing_mm()), sizes(.images),
    times(.images.spacing_mm())
)]
pub struct OtherGrid {
    /// The grid of the labels.
    pub labels: Box<Grid>,
    /// The grid of the images.
    pub images: Box<Grid>,
}

fn times(values: [f64; 3]) -> String {
    // At most six decimals, no needless zeros.
    values.map(|value| ((value * 1e6).round() / 1e6).to_string()).join(" x ")
}

fn sizes(grid: &Grid) -> String {
    grid.dims().map(|n| n.to_string()).join(" x ")
}

impl LabelMap {
    /// The same labels on `grid`, which must hold the same voxels (centres within a tenth of a
    /// voxel), though its axes may be turned round or in another order, as NIfTI and DICOM files of
    /// one scan often are. Nothing is interpolated.
    ///
    /// # Errors
    /// [`OtherGrid`] when the voxels are others.
    ///
    /// # Panics
    /// When the number of labels is not that of the grid's voxels.
    pub fn on_grid(self, grid: &Grid) -> Result<Self, OtherGrid> {
        assert_eq!(self.labels.len(), self.grid.len(), "one label a voxel");
        let Some((step, start)) = memory_walk(&self.grid, grid) else {
            return Err(OtherGrid { labels: Box::new(self.grid), images: Box::new(grid.clone()) });
        };
        if start == 0 && step == strides(self.grid.dims()) {
            return Ok(Self { grid: grid.clone(), ..self });
        }
        let [ni, nj, nk] = grid.dims();
        let mut labels = Vec::with_capacity(grid.len());
        for k in 0..nk {
            for j in 0..nj {
                let mut at = start + along(step[1], j) + along(step[2], k);
                for _ in 0..ni {
                    // In range: every corner of `grid` is a voxel of `self.grid`.
                    labels.push(
                        usize::try_from(at).ok().and_then(|at| self.labels.get(at)).copied().unwrap_or(0),
                    );
                    at += step[0];
                }
            }
        }
        Ok(Self { grid: grid.clone(), labels, names: self.names, unreviewed: self.unreviewed })
    }
}

fn along(step: isize, count: usize) -> isize {
    step * count.cast_signed()
}

fn strides([ni, nj, _]: [usize; 3]) -> [isize; 3] {
    [1, ni.cast_signed(), (ni * nj).cast_signed()]
}

/// The steps in `from`'s memory for one voxel along each axis of `to`, and the index of `to`'s first
/// voxel in it; `None` when the two grids do not hold the same voxels.
fn memory_walk(from: &Grid, to: &Grid) -> Option<([isize; 3], isize)> {
    let map = from.voxel_from_patient().matrix() * to.patient_from_voxel().matrix();
    let linear: Matrix3<f64> = map.fixed_view::<3, 3>(0, 0).into_owned();
    let whole = linear.map(f64::round);
    let mut step = [0; 3];
    let mut start = 0;
    let stride = strides(from.dims());
    for (axis, step) in step.iter_mut().enumerate() {
        let column = whole.column(axis);
        let main = column.iamax();
        // Whole numbers: one of them 1 or -1, the others 0.
        if (column.abs().sum() - 1.0).abs() > 0.5 || column[main].abs() < 0.5 {
            return None;
        }
        if from.dims()[main] != to.dims()[axis] {
            return None;
        }
        let forward = column[main] > 0.0;
        *step = if forward { stride[main] } else { -stride[main] };
        if !forward {
            start += along(stride[main], from.dims()[main].checked_sub(1)?);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
    let close = (0..8_usize).all(|corner| {
        let at =
            [0, 1, 2].map(|axis| if corner >> axis & 1 == 1 { to.dims()[axis] as f64 - 1.0 } else { 0.0 });
        let voxel = from.voxel_of(to.patient_of(at));
        (0..3).all(|axis| {
            let inside = voxel[axis] > -0.1 && voxel[axis] < from.dims()[axis] as f64 - 0.9;
            inside && (voxel[axis] - voxel[axis].round()).abs() < 0.1
        })
    });
    close.then_some((step, start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Point3, Vector3};

    fn labels(dims: [usize; 3], origin: [f64; 3], steps: [[f64; 3]; 3]) -> LabelMap {
        let grid = Grid::new(dims, Point3::from(origin), steps.map(Vector3::from)).unwrap();
        // Each voxel carries a number made of its patient position.
        let mut values = Vec::new();
        for k in 0..dims[2] {
            for j in 0..dims[1] {
                for i in 0..dims[0] {
                    #[expect(clippy::cast_precision_loss, reason = "small")]
                    let at = grid.patient_of([i as f64, j as f64, k as f64]);
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
                    values.push((at.x + 10.0 * at.y / 2.0 + 100.0 * at.z / 3.0).round() as u16);
                }
            }
        }
        LabelMap { grid, labels: values, names: vec![(1, "one".into())], unreviewed: true }
    }

    #[test]
    fn turned_axes_are_the_same_voxels() {
        let wanted = labels([4, 3, 2], [0.0; 3], [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 3.0]]);
        let flipped =
            labels([4, 3, 2], [3.0, 4.0, 0.0], [[-1.0, 0.0, 0.0], [0.0, -2.0, 0.0], [0.0, 0.0, 3.0]]);
        let swapped =
            labels([2, 4, 3], [0.0, 4.0, 0.0], [[0.0, 0.0, 3.0], [1.0, 0.0, 0.0], [0.0, -2.0, 0.0]]);
        for other in [flipped, swapped, wanted.clone()] {
            assert_eq!(other.on_grid(&wanted.grid).unwrap(), wanted);
        }
    }

    #[test]
    fn other_voxels_are_refused_with_both_sizes() {
        let map = labels([4, 3, 2], [0.0; 3], [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 3.0]]);
        let larger = labels([5, 3, 2], [0.0; 3], [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 3.0]]);
        let moved = labels([4, 3, 2], [0.5, 0.0, 0.0], [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 3.0]]);
        let coarse = labels([4, 3, 2], [0.0; 3], [[1.2, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 3.0]]);
        for other in [larger, moved, coarse] {
            assert!(map.clone().on_grid(&other.grid).is_err());
        }
        let larger = labels([5, 3, 2], [0.0; 3], [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 3.0]]);
        let said = map.on_grid(&larger.grid).unwrap_err().to_string();
        assert!(said.contains("4 x 3 x 2 voxels of 1 x 2 x 3 mm") && said.contains("5 x 3 x 2"), "{said}");
    }
}
