//! From the contours of an ROI to what the views draw: outlines on any plane, and surfaces.

use super::{Outline, OutlineKey, Rings, SurfaceMesh, plane_key, rings_on_view};
use crate::geometry::section::{Slab, cut};
use crate::geometry::{Plane, surface};
use crate::patient::{Roi, RoiPlane, Volume};
use std::collections::HashMap;
use std::sync::Arc;

/// The planes of an ROI with the slab of space that each stands for, in stacks of parallel planes
/// sorted along their normal; empty for an ROI without planes.
///
/// On an image slice the slab reaches half way to the neighbouring slices (the one rule for
/// volumes in the program); elsewhere half way to the ROI's own neighbouring planes. Slabs on
/// both sides of a missing slice do not meet.
#[must_use]
pub fn slab_stacks<'a>(roi: &'a Roi, volume: Option<&Volume>) -> Vec<Vec<Slab<'a>>> {
    let mut stacks: Vec<Vec<&RoiPlane>> = Vec::new();
    for plane in &roi.planes {
        let is_parallel =
            |stack: &Vec<&RoiPlane>| stack[0].plane.normal().dot(&plane.plane.normal()) > 1.0 - 1.5e-6;
        match stacks.iter_mut().find(|stack| is_parallel(stack)) {
            Some(stack) => stack.push(plane),
            None => stacks.push(vec![plane]),
        }
    }
    stacks.into_iter().map(|stack| slabs_of(stack, volume)).collect()
}

fn slabs_of<'a>(mut stack: Vec<&'a RoiPlane>, volume: Option<&Volume>) -> Vec<Slab<'a>> {
    stack.sort_by(|a, b| a.plane.offset_mm().total_cmp(&b.plane.offset_mm()));
    let offsets: Vec<f64> = stack.iter().map(|own| own.plane.offset_mm()).collect();
    let steps: Vec<f64> =
        offsets.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| *step > 1e-3).collect();
    // A stack off the image slices is as finely spaced as its closest planes.
    let own_step = steps.iter().copied().reduce(f64::min).unwrap_or(1.0);
    stack
        .iter()
        .map(|own| {
            let (below_mm, above_mm) = volume
                .and_then(|volume| image_slab(&own.plane, volume))
                .unwrap_or((own_step / 2.0, own_step / 2.0));
            Slab { plane: own.plane, below_mm, above_mm, polygons: &own.polygons }
        })
        .collect()
}

/// Half the distances to the image slices below and above a plane, along the plane's own normal;
/// `None` for a plane that lies on no image slice.
fn image_slab(plane: &Plane, volume: &Volume) -> Option<(f64, f64)> {
    let base = volume.base_plane()?;
    let sense = base.normal().dot(&plane.normal()).signum();
    let index = volume.slice_at(sense * plane.offset_mm(), 0.1)?;
    let slices = &volume.slices;
    slices[index].plane.coincides(plane, 0.1).then_some(())?;
    let offset = |i: usize| slices[i].plane.offset_mm();
    let below = index.checked_sub(1).map(|i| (offset(index) - offset(i)) / 2.0);
    let above = (index + 1 < slices.len()).then(|| (offset(index + 1) - offset(index)) / 2.0);
    let (below, above) = match (below, above) {
        (Some(below), Some(above)) => (below, above),
        (Some(one), None) | (None, Some(one)) => (one, one),
        (None, None) => (0.5, 0.5),
    };
    Some(if sense < 0.0 { (above, below) } else { (below, above) })
}

/// The rings of an ROI on a view plane: its own contours where the plane is one of its own, else
/// the section of the stack, which passes exactly through the contours of every plane it crosses.
#[must_use]
pub fn rings_of_roi(roi: &Roi, volume: Option<&Volume>, view: &Plane) -> Rings {
    if let Some(own) = roi.plane_at(view) {
        return rings_on_view(&own.plane, &own.polygons, view);
    }
    let mut rings = Vec::new();
    for stack in slab_stacks(roi, volume) {
        let section = cut(&stack, view);
        rings.extend(rings_on_view(view, &section, view).iter().cloned());
    }
    Arc::new(rings)
}

/// The surface of an ROI at about `resolution_mm`; `None` when it has no contours.
#[must_use]
pub fn surface_of_roi(roi: &Roi, volume: Option<&Volume>, resolution_mm: f64) -> Option<SurfaceMesh> {
    let (mut positions, mut normals, mut indices) = (Vec::new(), Vec::new(), Vec::new());
    for stack in slab_stacks(roi, volume) {
        let mesh = surface::mesh(&stack, resolution_mm);
        let first = u32::try_from(positions.len()).ok()?;
        positions.extend(mesh.positions);
        normals.extend(mesh.normals);
        indices.extend(mesh.indices.into_iter().map(|index| index + first));
    }
    (!indices.is_empty()).then(|| SurfaceMesh {
        key: (roi.id, roi.revision),
        positions: Arc::new(positions),
        normals: Arc::new(normals),
        indices: Arc::new(indices),
        color: roi.color,
    })
}

/// Keeps the rings of ROIs on the planes last looked at, so that only what an edit or a scroll
/// makes stale is cut anew.
#[derive(Debug, Default)]
pub struct OutlineCache {
    rings: HashMap<OutlineKey, (Rings, u64)>,
    clock: u64,
}

/// Rings kept before those not used lately are let go.
const MANY: usize = 4000;

impl OutlineCache {
    /// The outline of an ROI on a view plane, in its colour, dashed for a proposal.
    pub fn outline(&mut self, roi: &Roi, volume: Option<&Volume>, view: &Plane) -> Outline {
        let key = OutlineKey { roi: roi.id, revision: roi.revision, plane: plane_key(view) };
        self.clock += 1;
        let clock = self.clock;
        if self.rings.len() > MANY {
            let half = u64::try_from(MANY / 2).unwrap_or(u64::MAX);
            self.rings.retain(|_, (_, used)| *used + half > clock);
        }
        let entry = self.rings.entry(key).or_insert_with(|| (rings_of_roi(roi, volume, view), clock));
        entry.1 = clock;
        let mut outline = Outline::new(Some(key), Arc::clone(&entry.0), roi.color);
        outline.dashed = roi.is_proposal();
        outline
    }

    /// Forgets everything, for another patient.
    pub fn clear(&mut self) {
        self.rings.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Grid, Point2, Point3, Polygon, Vector3};
    use crate::patient::{RoiId, Slice, Unit, Voxels};

    fn volume() -> Volume {
        let grid = Grid::new([20, 20, 5], Point3::origin(), [Vector3::x(), Vector3::y(), Vector3::z() * 2.0]);
        let slice = |k: u32| Slice {
            plane: Plane::axial(2.0 * f64::from(k)),
            origin_mm: Point3::new(0.0, 0.0, 2.0 * f64::from(k)),
            instance: None,
            missing: false,
        };
        Volume {
            grid: grid.unwrap(),
            voxels: Voxels::I16(vec![0; 2000]),
            unit: Unit::Hu,
            slices: (0..5).map(slice).collect(),
            native: None,
        }
    }

    /// A box of 4 x 6 mm on the slices at 2 and 4 mm.
    fn boxed() -> Roi {
        let mut roi = Roi::new(RoiId(1), 1, "Box", [255, 0, 0]);
        let corners = [(5.0, 4.0), (9.0, 4.0), (9.0, 10.0), (5.0, 10.0)].map(|(x, y)| Point2::new(x, y));
        roi.planes = [2.0, 4.0]
            .map(|z| {
                let polygons = vec![Polygon::from_outer(corners.to_vec())];
                Arc::new(RoiPlane { polygons, ..RoiPlane::new(Plane::axial(z), None, Vec::new()) })
            })
            .to_vec();
        roi
    }

    #[test]
    fn on_its_own_plane_an_roi_shows_its_own_vertices() {
        let rings = rings_of_roi(&boxed(), Some(&volume()), &Plane::axial(4.0));
        assert_eq!(*rings, vec![vec![[5.0, 4.0], [9.0, 4.0], [9.0, 10.0], [5.0, 10.0]]]);
        assert!(rings_of_roi(&boxed(), Some(&volume()), &Plane::axial(8.0)).is_empty());
    }

    #[test]
    fn a_coronal_section_of_a_box_is_a_rectangle_over_both_slabs() {
        let coronal = Plane::new(Point3::new(0.0, 7.0, 0.0), Vector3::x(), -Vector3::z()).unwrap();
        let rings = rings_of_roi(&boxed(), Some(&volume()), &coronal);
        assert_eq!(rings.len(), 1);
        let bound =
            |axis: usize, pick: fn(f32, f32) -> f32| rings[0].iter().map(|p| p[axis]).reduce(pick).unwrap();
        assert!((bound(0, f32::min) - 5.0).abs() < 1e-4 && (bound(0, f32::max) - 9.0).abs() < 1e-4);
        assert!((bound(1, f32::min) + 5.0).abs() < 1e-4 && (bound(1, f32::max) + 1.0).abs() < 1e-4);
    }

    #[test]
    fn rings_are_cut_once_per_revision_and_plane() {
        let (mut cache, volume, mut roi) = (OutlineCache::default(), volume(), boxed());
        let first = cache.outline(&roi, Some(&volume), &Plane::axial(2.0));
        let again = cache.outline(&roi, Some(&volume), &Plane::axial(2.0));
        assert!(Arc::ptr_eq(&first.rings, &again.rings));
        roi.revision += 1;
        let changed = cache.outline(&roi, Some(&volume), &Plane::axial(2.0));
        assert!(!Arc::ptr_eq(&first.rings, &changed.rings));
    }
}
