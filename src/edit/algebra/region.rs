//! An ROI's contours by slice of a series.

use super::AlgebraError;
use crate::edit::slices::reoriented;
use crate::geometry::{Polygon, clip};
use crate::patient::{Roi, RoiPlane, Volume};
use std::collections::BTreeMap;

/// The contours of a solid by slice index, in the coordinates of the slices' planes: disjoint pieces
/// on each slice, no slice without pieces.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Region {
    slices: BTreeMap<usize, Vec<Polygon>>,
}

impl Region {
    /// The contours of `roi` on the slices of `volume`. Planes on one slice are united; contours on
    /// missing slices are left out.
    ///
    /// # Errors
    /// [`AlgebraError::OffSlices`] when a plane lies on no slice.
    pub fn of_roi(roi: &Roi, volume: &Volume) -> Result<Self, AlgebraError> {
        let mut region = Self::default();
        let mut off = 0;
        for own in roi.planes.iter().filter(|own| !own.polygons.is_empty()) {
            let Some(index) = volume.slice_of(&own.plane) else {
                off += 1;
                continue;
            };
            let slice = &volume.slices[index];
            if slice.missing {
                continue;
            }
            let polygons = reoriented(&own.polygons, &own.plane, &slice.plane);
            let there = region.slices.remove(&index);
            region.put(index, there.map_or_else(|| polygons.clone(), |there| clip::union(&there, &polygons)));
        }
        if off > 0 {
            return Err(AlgebraError::OffSlices { roi: roi.name.clone(), count: off });
        }
        Ok(region)
    }

    /// A region of these slices; those without pieces are left out.
    #[must_use]
    pub fn from_slices(slices: impl IntoIterator<Item = (usize, Vec<Polygon>)>) -> Self {
        Self { slices: slices.into_iter().filter(|(_, polygons)| !polygons.is_empty()).collect() }
    }

    /// Gives a slice these pieces; none takes the slice away.
    pub fn put(&mut self, slice: usize, polygons: Vec<Polygon>) {
        if polygons.is_empty() {
            self.slices.remove(&slice);
        } else {
            self.slices.insert(slice, polygons);
        }
    }

    /// The pieces on a slice; none where it has no contours.
    #[must_use]
    pub fn on(&self, slice: usize) -> &[Polygon] {
        self.slices.get(&slice).map_or(&[], Vec::as_slice)
    }

    /// The slices with contours and their pieces, in order.
    pub fn slices(&self) -> impl DoubleEndedIterator<Item = (usize, &[Polygon])> {
        self.slices.iter().map(|(index, polygons)| (*index, polygons.as_slice()))
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slices.is_empty()
    }

    /// The first and the last slice with contours.
    #[must_use]
    pub fn span(&self) -> Option<(usize, usize)> {
        Some((*self.slices.first_key_value()?.0, *self.slices.last_key_value()?.0))
    }

    /// The part on the slices `from..=to`.
    #[must_use]
    pub fn within(&self, from: usize, to: usize) -> Self {
        let slices = self.slices.range(from..=to.max(from));
        Self { slices: slices.map(|(index, polygons)| (*index, polygons.clone())).collect() }
    }

    /// The volume by the one rule, cubic millimetres.
    ///
    /// # Panics
    /// When a slice is not one of `volume`.
    #[must_use]
    pub fn volume_mm3(&self, volume: &Volume) -> f64 {
        self.slices().map(|(index, own)| area(own) * volume.slice_thickness_mm(index)).sum()
    }

    /// The number of vertices.
    #[must_use]
    pub fn vertex_count(&self) -> usize {
        self.slices.values().flatten().flat_map(Polygon::rings).map(Vec::len).sum()
    }

    /// The planes that turn `roi` into this region: those that differ, without polygons where the
    /// region has nothing. A slice whose contours are the same already is not among them.
    ///
    /// # Panics
    /// When a slice is not one of `volume`.
    #[must_use]
    pub fn planes_for(&self, roi: &Roi, volume: &Volume) -> Vec<RoiPlane> {
        let mut planes: Vec<RoiPlane> = roi
            .planes
            .iter()
            .filter(|own| volume.slice_of(&own.plane).is_none_or(|index| self.on(index).is_empty()))
            .map(|own| RoiPlane::new(own.plane, own.image.clone(), Vec::new()))
            .collect();
        for (index, polygons) in self.slices() {
            let slice = &volume.slices[index];
            let mut there = roi.planes.iter().filter(|own| own.plane.coincides(&slice.plane, 0.1));
            let only = there.next().filter(|_| there.next().is_none());
            let plane = only.map_or(slice.plane, |own| own.plane);
            let new =
                RoiPlane::new(plane, slice.instance.clone(), reoriented(polygons, &slice.plane, &plane));
            if only.is_none_or(|own| !crate::edit::same_polygons(&own.polygons, &new.polygons)) {
                planes.push(new);
            }
        }
        planes
    }
}

/// The area of disjoint pieces, square millimetres.
pub(super) fn area(polygons: &[Polygon]) -> f64 {
    polygons.iter().map(Polygon::area_mm2).sum()
}
