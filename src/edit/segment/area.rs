//! Where a person has said to look: a ball or a box.

use super::ball;
use crate::edit::algebra::Region;
use crate::geometry::{Grid, OrientedBox, Point3};
use crate::patient::Volume;

/// A slice this near to a face of a box that is parallel to it belongs to the box, mm: only rounding.
const ROUNDING_MM: f64 = 1e-6;

/// A place to look in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SearchArea {
    /// A ball.
    Ball {
        /// Its middle, patient mm.
        center: Point3,
        /// Its radius, mm.
        radius_mm: f64,
    },
    /// A box.
    Box(OrientedBox),
}

impl SearchArea {
    /// Its part on each slice: of a ball its discs, always on the nearest slice; of a box its section by
    /// each slice that lies in it. Empty beyond the slices.
    #[must_use]
    pub fn region(&self, volume: &Volume) -> Region {
        match self {
            Self::Ball { center, radius_mm } => ball(volume, *center, *radius_mm),
            Self::Box(own) => Region::from_slices(
                volume.slices.iter().enumerate().filter(|(_, slice)| !slice.missing).filter_map(
                    |(index, slice)| Some((index, vec![own.section(&slice.plane, ROUNDING_MM)?])),
                ),
            ),
        }
    }

    /// Its middle, patient mm.
    #[must_use]
    pub fn center(&self) -> Point3 {
        match self {
            Self::Ball { center, .. } => *center,
            Self::Box(own) => own.center(),
        }
    }

    /// Whether a patient point lies in it.
    #[must_use]
    pub fn contains(&self, point: Point3) -> bool {
        match self {
            Self::Ball { center, radius_mm } => (point - center).norm() <= *radius_mm,
            Self::Box(own) => own.contains(point),
        }
    }

    /// The least and the greatest index of a grid along each axis that a point of it can have; they may
    /// lie beyond the grid.
    pub(super) fn reach(&self, grid: &Grid) -> [[f64; 2]; 3] {
        match self {
            Self::Ball { center, radius_mm } => {
                let middle = grid.voxel_of(*center);
                // How far a ball reaches along an axis of the index: by the row of the inverse map.
                [0, 1, 2].map(|axis| {
                    let row = grid.voxel_from_patient().matrix().fixed_view::<1, 3>(axis, 0).norm();
                    [middle[axis] - row * radius_mm, middle[axis] + row * radius_mm]
                })
            }
            Self::Box(own) => own.corners().iter().fold([[f64::MAX, f64::MIN]; 3], |mut reach, corner| {
                let at = grid.voxel_of(*corner);
                for (own, at) in reach.iter_mut().zip(at) {
                    *own = [own[0].min(at), own[1].max(at)];
                }
                reach
            }),
        }
    }
}
