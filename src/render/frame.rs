//! Which way a volume's own axes lie in the patient, and the three planes that follow from it.

use crate::geometry::{Grid, Plane, Point3, Vector3};
use crate::patient::Volume;

/// A picture's size in pixels (width, height).
pub type PictureSize = [u32; 2];

/// One of the three anatomical directions of view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum ViewKind {
    /// Seen from the feet: patient right on screen left, anterior up.
    Axial,
    /// Seen from the patient's left: anterior on screen left, head up.
    Sagittal,
    /// Seen from the front: patient right on screen left, head up.
    Coronal,
}

impl ViewKind {
    /// All three, in the order of the window.
    pub const ALL: [Self; 3] = [Self::Axial, Self::Sagittal, Self::Coronal];

    /// The word for it, lower case.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Axial => "axial",
            Self::Sagittal => "sagittal",
            Self::Coronal => "coronal",
        }
    }
}

/// A volume's own orthonormal axes, sorted and signed to lie closest to the patient's left,
/// posterior and head directions.
///
/// The views of an oblique acquisition follow the acquisition, so that a slice shows the pixels as
/// scanned; of an acquisition within a hundredth of a degree of the patient's axes they are exactly
/// the patient's. With gantry tilt the slice planes are kept and the third axis is their normal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ViewFrame {
    /// Closest to the patient's left (+x).
    pub left: Vector3,
    /// Closest to posterior (+y).
    pub posterior: Vector3,
    /// Closest to the head (+z).
    pub head: Vector3,
    /// The grid axis (0 = i, 1 = j, 2 = k) that left, posterior and head come from.
    pub grid_axes: [usize; 3],
    /// The voxel spacing along left, posterior and head, mm.
    pub spacing_mm: [f64; 3],
}

impl ViewFrame {
    /// The patient's own axes, for views without a volume; spacing 1 mm.
    #[must_use]
    pub fn patient() -> Self {
        Self {
            left: Vector3::x(),
            posterior: Vector3::y(),
            head: Vector3::z(),
            grid_axes: [0, 1, 2],
            spacing_mm: [1.0; 3],
        }
    }

    /// The frame of a volume's grid.
    #[must_use]
    pub fn of(grid: &Grid) -> Self {
        let i = grid.direction(0);
        let normal = grid.slice_normal();
        let axes = [i, normal.cross(&i), normal];
        // The assignment of grid axes to patient axes that is closest in total.
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let closeness = |order: &[usize; 3]| (0..3).map(|p| axes[order[p]][p].abs()).sum::<f64>();
        let mut grid_axes = orders[0];
        for order in orders {
            if closeness(&order) > closeness(&grid_axes) + 1e-9 {
                grid_axes = order;
            }
        }
        let direction = |patient_axis: usize| {
            let own = axes[grid_axes[patient_axis]];
            let mut exact = Vector3::zeros();
            exact[patient_axis] = 1.0;
            let signed = if own[patient_axis] < 0.0 { -own } else { own };
            if (signed - exact).norm() < 2e-4 { exact } else { signed }
        };
        let spacing = grid.spacing_mm();
        // Along the normal a tilted grid's slices are closer together than its k step is long.
        let across = grid.step_mm(2).dot(&normal).abs();
        Self {
            left: direction(0),
            posterior: direction(1),
            head: direction(2),
            grid_axes,
            spacing_mm: grid_axes.map(|axis| if axis == 2 { across } else { spacing[axis] }),
        }
    }

    /// The directions of a view's screen right and screen down.
    #[must_use]
    pub fn right_down(&self, kind: ViewKind) -> (Vector3, Vector3) {
        match kind {
            ViewKind::Axial => (self.left, self.posterior),
            ViewKind::Sagittal => (self.posterior, -self.head),
            ViewKind::Coronal => (self.left, -self.head),
        }
    }

    /// The direction in which a view's slices are scrolled: towards the head, the left or posterior.
    #[must_use]
    pub fn scroll_direction(&self, kind: ViewKind) -> Vector3 {
        match kind {
            ViewKind::Axial => self.head,
            ViewKind::Sagittal => self.left,
            ViewKind::Coronal => self.posterior,
        }
    }

    /// The distance between neighbouring slices of a view, mm.
    #[must_use]
    pub fn scroll_step_mm(&self, kind: ViewKind) -> f64 {
        self.spacing_mm[Self::patient_axis(kind)]
    }

    /// The grid axis that a view looks along (2 where the view shows the acquired slices).
    #[must_use]
    pub fn grid_axis(&self, kind: ViewKind) -> usize {
        self.grid_axes[Self::patient_axis(kind)]
    }

    /// The plane of a view through a patient point: u = screen right, v = screen down.
    #[must_use]
    pub fn plane(&self, kind: ViewKind, through_mm: Point3) -> Plane {
        let (right, down) = self.right_down(kind);
        Plane::new(through_mm, right, down).unwrap_or_else(|| Plane::axial(through_mm.z))
    }

    /// The slice of a view nearest to a patient point: of the acquired slices where the view looks
    /// along them, else of the voxels.
    #[must_use]
    pub fn nearest_slice(&self, volume: &Volume, kind: ViewKind, at_mm: Point3) -> SlicePlace {
        let axis = self.grid_axis(kind);
        let plane = volume.base_plane().filter(|_| axis == 2 && !volume.slices.is_empty());
        if let Some(plane) = plane {
            let offset = plane.normal().dot(&at_mm.coords);
            let index = volume.nearest_slice(offset).unwrap_or(0);
            let through_mm = at_mm + plane.normal() * (volume.slices[index].plane.offset_mm() - offset);
            let forwards = plane.normal().dot(&self.scroll_direction(kind)) > 0.0;
            let count = volume.slices.len();
            return SlicePlace {
                through_mm,
                number: if forwards { index + 1 } else { count - index },
                count,
                is_missing: volume.slices[index].missing,
            };
        }
        let count = volume.grid.dims()[axis];
        let mut voxel = volume.grid.voxel_of(at_mm);
        #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
        let nearest = voxel[axis].round().clamp(0.0, count.saturating_sub(1) as f64);
        voxel[axis] = nearest;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped above")]
        let index = nearest as usize;
        let forwards = volume.grid.step_mm(axis).dot(&self.scroll_direction(kind)) > 0.0;
        SlicePlace {
            through_mm: volume.grid.patient_of(voxel),
            number: if forwards { index + 1 } else { count - index },
            count,
            is_missing: false,
        }
    }

    fn patient_axis(kind: ViewKind) -> usize {
        match kind {
            ViewKind::Axial => 2,
            ViewKind::Sagittal => 0,
            ViewKind::Coronal => 1,
        }
    }
}

/// A slice of a view.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlicePlace {
    /// A point on it, as close to the point asked for as the slice allows, mm.
    pub through_mm: Point3,
    /// Its number, counted from 1 at the feet, the right or in front.
    pub number: usize,
    /// How many there are.
    pub count: usize,
    /// Whether the series lacks it.
    pub is_missing: bool,
}

/// The patient directions that a vector points to, the strongest first, as letters
/// (L R A P H F): one letter along an axis, up to three for an oblique direction.
///
/// A component below a sixth of a right angle's sine (0.26) is left out; the zero vector has no
/// letter. PS3.3 C.7.6.1.1.1 with H and F for head and feet.
#[must_use]
pub fn direction_letters(direction: Vector3) -> String {
    let Some(unit) = direction.try_normalize(1e-9) else { return String::new() };
    let mut parts: Vec<(f64, char)> = vec![
        (unit.x.abs(), if unit.x > 0.0 { 'L' } else { 'R' }),
        (unit.y.abs(), if unit.y > 0.0 { 'P' } else { 'A' }),
        (unit.z.abs(), if unit.z > 0.0 { 'H' } else { 'F' }),
    ];
    parts.sort_by(|a, b| b.0.total_cmp(&a.0));
    parts.into_iter().filter(|(size, _)| *size > 0.26).map(|(_, letter)| letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::{Rotation3, Unit};

    fn grid(steps: [Vector3; 3]) -> Grid {
        Grid::new([4, 4, 4], Point3::new(1.0, 2.0, 3.0), steps).unwrap()
    }

    #[test]
    fn a_prone_feet_first_and_a_sagittal_acquisition_give_the_same_views() {
        let prone = grid([-Vector3::x(), -Vector3::y() * 2.0, Vector3::z() * 3.0]);
        let sagittal = grid([Vector3::y(), -Vector3::z() * 2.0, Vector3::x() * 3.0]);
        for grid in [&prone, &sagittal] {
            let frame = ViewFrame::of(grid);
            assert_eq!((frame.left, frame.posterior, frame.head), (Vector3::x(), Vector3::y(), Vector3::z()));
        }
        assert_eq!(ViewFrame::of(&prone).spacing_mm, [1.0, 2.0, 3.0]);
        let frame = ViewFrame::of(&sagittal);
        assert_eq!(frame.spacing_mm, [3.0, 1.0, 2.0]);
        assert_eq!(frame.grid_axis(ViewKind::Sagittal), 2);
        assert_eq!(frame.grid_axis(ViewKind::Axial), 1);
    }

    #[test]
    fn an_oblique_acquisition_keeps_its_own_planes() {
        let turn = Rotation3::from_axis_angle(&Unit::new_normalize(Vector3::new(1.0, 0.3, 0.0)), 0.3);
        let grid = grid([turn * Vector3::x(), turn * Vector3::y(), turn * Vector3::z() * 2.5]);
        let frame = ViewFrame::of(&grid);
        assert!((frame.head - turn * Vector3::z()).norm() < 1e-12);
        assert!((frame.left - turn * Vector3::x()).norm() < 1e-12);
        assert!((frame.scroll_step_mm(ViewKind::Axial) - 2.5).abs() < 1e-12);
    }

    #[test]
    fn a_tilted_gantry_keeps_the_slice_planes() {
        let grid = grid([Vector3::x(), Vector3::y(), Vector3::new(0.0, 0.5, 2.0)]);
        let frame = ViewFrame::of(&grid);
        assert_eq!(frame.head, Vector3::z());
        assert!((frame.scroll_step_mm(ViewKind::Axial) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn letters_come_from_the_cosines() {
        assert_eq!(direction_letters(Vector3::x()), "L");
        assert_eq!(direction_letters(-Vector3::y() * 3.0), "A");
        assert_eq!(direction_letters(Vector3::new(0.0, 0.5, -0.8)), "FP");
        assert_eq!(direction_letters(Vector3::zeros()), "");
    }
}
