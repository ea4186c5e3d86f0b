//! A regular voxel grid with its index-to-patient affine map (PS3.3 C.7.6.2.1.1).

use super::{Point3, Vector3};
use nalgebra::{Affine3, Matrix4};

/// A regular grid of voxels in patient space. The axes may be oblique, anisotropic and sheared
/// (gantry tilt), but are never degenerate.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    dims: [usize; 3],
    patient_from_voxel: Affine3<f64>,
    voxel_from_patient: Affine3<f64>,
}

impl Grid {
    /// A grid of `dims` voxels (i, j, k) whose voxel (0, 0, 0) is centred at `origin_mm` and whose
    /// `steps_mm` are the vectors from a voxel's centre to the next along i, j and k.
    ///
    /// `None` when the steps do not span space or a number is not finite.
    #[must_use]
    pub fn new(dims: [usize; 3], origin_mm: Point3, steps_mm: [Vector3; 3]) -> Option<Self> {
        let [i, j, k] = steps_mm;
        let matrix = Matrix4::new(
            i.x,
            j.x,
            k.x,
            origin_mm.x, //
            i.y,
            j.y,
            k.y,
            origin_mm.y, //
            i.z,
            j.z,
            k.z,
            origin_mm.z, //
            0.0,
            0.0,
            0.0,
            1.0,
        );
        let patient_from_voxel = Affine3::from_matrix_unchecked(matrix);
        let voxel_from_patient = patient_from_voxel.try_inverse()?;
        let finite = |m: &Affine3<f64>| m.matrix().iter().all(|value| value.is_finite());
        (finite(&patient_from_voxel) && finite(&voxel_from_patient)).then_some(Self {
            dims,
            patient_from_voxel,
            voxel_from_patient,
        })
    }

    /// The number of voxels along i, j and k.
    #[must_use]
    pub fn dims(&self) -> [usize; 3] {
        self.dims
    }

    /// The number of voxels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// Whether any dimension is zero.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The map from voxel indices to patient mm.
    #[must_use]
    pub fn patient_from_voxel(&self) -> &Affine3<f64> {
        &self.patient_from_voxel
    }

    /// The map from patient mm to (fractional) voxel indices.
    #[must_use]
    pub fn voxel_from_patient(&self) -> &Affine3<f64> {
        &self.voxel_from_patient
    }

    /// The vector from a voxel's centre to the next along `axis` (0 = i, 1 = j, 2 = k), mm.
    #[must_use]
    pub fn step_mm(&self, axis: usize) -> Vector3 {
        self.patient_from_voxel.matrix().fixed_view::<3, 1>(0, axis).into_owned()
    }

    /// The distance between voxel centres along i, j and k, mm.
    #[must_use]
    pub fn spacing_mm(&self) -> [f64; 3] {
        [0, 1, 2].map(|axis| self.step_mm(axis).norm())
    }

    /// The unit vector along `axis` (0 = i, 1 = j, 2 = k).
    #[must_use]
    pub fn direction(&self, axis: usize) -> Vector3 {
        self.step_mm(axis).normalize()
    }

    /// The unit normal of the i-j plane, `i x j`; slices are sorted along it.
    #[must_use]
    pub fn slice_normal(&self) -> Vector3 {
        self.step_mm(0).cross(&self.step_mm(1)).normalize()
    }

    /// The centre of voxel (0, 0, 0), mm.
    #[must_use]
    pub fn origin_mm(&self) -> Point3 {
        self.patient_of([0.0, 0.0, 0.0])
    }

    /// The patient position of a (fractional) voxel index.
    #[must_use]
    pub fn patient_of(&self, voxel: [f64; 3]) -> Point3 {
        self.patient_from_voxel * Point3::from(voxel)
    }

    /// The (fractional) voxel index of a patient position.
    #[must_use]
    pub fn voxel_of(&self, point_mm: Point3) -> [f64; 3] {
        (self.voxel_from_patient * point_mm).into()
    }

    /// The memory index of voxel (i, j, k), i fastest; `None` outside the grid.
    #[must_use]
    pub fn index_of(&self, [i, j, k]: [usize; 3]) -> Option<usize> {
        let [ni, nj, nk] = self.dims;
        (i < ni && j < nj && k < nk).then(|| i + ni * (j + nj * k))
    }

    /// The volume of one voxel, cubic millimetres.
    #[must_use]
    pub fn voxel_volume_mm3(&self) -> f64 {
        self.step_mm(0).cross(&self.step_mm(1)).dot(&self.step_mm(2)).abs()
    }

    /// The centre of the grid, mm.
    #[must_use]
    pub fn center_mm(&self) -> Point3 {
        #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
        self.patient_of(self.dims.map(|n| (n as f64 - 1.0) / 2.0))
    }

    /// Whether both grids have the same size and every corner voxel agrees within `tolerance_mm`.
    #[must_use]
    pub fn is_same(&self, other: &Self, tolerance_mm: f64) -> bool {
        self.dims == other.dims
            && (0..8).all(|corner: usize| {
                #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
                let at = [0, 1, 2].map(|axis| {
                    if corner >> axis & 1 == 1 { self.dims[axis].saturating_sub(1) as f64 } else { 0.0 }
                });
                (self.patient_of(at) - other.patient_of(at)).norm() <= tolerance_mm
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::{Rotation3, Unit};

    #[test]
    fn an_oblique_anisotropic_grid_maps_there_and_back() {
        let turn = Rotation3::from_axis_angle(&Unit::new_normalize(Vector3::new(1.0, 2.0, 3.0)), 0.7);
        let steps = [turn * Vector3::x() * 0.9, turn * Vector3::y() * 1.3, turn * Vector3::z() * 3.0];
        let grid = Grid::new([10, 20, 30], Point3::new(-100.0, 20.0, 5.5), steps).unwrap();
        let point = grid.patient_of([3.25, 7.5, 11.0]);
        let back = grid.voxel_of(point);
        for (got, wanted) in back.iter().zip([3.25, 7.5, 11.0]) {
            assert!((got - wanted).abs() < 1e-10);
        }
        assert!((grid.voxel_volume_mm3() - 0.9 * 1.3 * 3.0).abs() < 1e-10);
    }

    #[test]
    fn degenerate_steps_make_no_grid() {
        let steps = [Vector3::x(), Vector3::x(), Vector3::z()];
        assert!(Grid::new([2, 2, 2], Point3::origin(), steps).is_none());
    }
}
