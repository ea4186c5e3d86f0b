//! From the contours of an ROI to what the views draw: outlines on any plane, and surfaces.

use super::{Outline, OutlineKey, Rings, SurfaceMesh, plane_key, rings_on_view};
use crate::geometry::section::cut;
use crate::geometry::surface::{Mesh, Mesher};
use crate::geometry::{Plane, Point2, Point3, Polygon};
use crate::patient::{Roi, RoiId, Volume};
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

/// The rings of an ROI on a view plane. Planes parallel to the view show their own contours where
/// they coincide with it within 0.1 mm, and nothing elsewhere; planes at an angle the section of
/// their stack ([`Roi::slab_stacks`]), which passes exactly through the contours of every plane it
/// crosses.
#[must_use]
pub fn rings_of_roi(roi: &Roi, volume: Option<&Volume>, view: &Plane) -> Rings {
    let own = roi.plane_at(view).map(|own| rings_on_view(&own.plane, &own.polygons, view));
    let mut sections = Vec::new();
    for stack in roi.slab_stacks(volume) {
        let is_parallel = stack[0].plane.normal().dot(&view.normal()).abs() > 1.0 - 1.5e-6;
        if !is_parallel {
            let section = cut(&stack, view);
            sections.extend(rings_on_view(view, &section, view).iter().cloned());
        }
    }
    match own {
        Some(own) if sections.is_empty() => own,
        Some(own) => Arc::new(own.iter().cloned().chain(sections).collect()),
        None => Arc::new(sections),
    }
}

/// The cell size of the structures' surfaces, mm, coarser for the largest: finer than slices are
/// apart, coarse enough to follow a stroke.
pub const SURFACE_MM: f64 = 1.5;

/// The surface of an ROI at about [`SURFACE_MM`]; `None` when it has no contours.
#[must_use]
pub fn surface_of_roi(roi: &Roi, volume: Option<&Volume>) -> Option<SurfaceMesh> {
    let mesh = RoiMesher::default().surface(roi, volume, &|| false)?;
    (!mesh.indices.is_empty()).then_some(mesh)
}

/// Makes the surface of one ROI at about [`SURFACE_MM`] again and again, each time anew only where its
/// contours changed.
#[derive(Debug, Default)]
pub struct RoiMesher {
    /// One for each of the ROI's stacks ([`Roi::slab_stacks`]).
    stacks: Vec<Mesher>,
}

impl RoiMesher {
    /// The surface of the ROI, without triangles when it has no contours. `None` when `stop` said
    /// so before it was done; what is done by then is kept for the next time.
    pub fn surface(
        &mut self,
        roi: &Roi,
        volume: Option<&Volume>,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Option<SurfaceMesh> {
        let mut whole = Mesh::default();
        let stacks = roi.slab_stacks(volume);
        self.stacks.resize_with(stacks.len(), || Mesher::new(SURFACE_MM));
        for (stack, mesher) in stacks.iter().zip(&mut self.stacks) {
            whole.append(mesher.mesh(stack, stop)?);
        }
        Some(SurfaceMesh {
            key: (roi.id, roi.revision),
            positions: Arc::new(whole.positions),
            normals: Arc::new(whole.normals),
            indices: Arc::new(whole.indices),
            color: roi.color,
        })
    }
}

/// Keeps the rings of ROIs on the planes last looked at, so that only what an edit or a scroll
/// makes stale is cut anew.
#[derive(Debug, Default)]
pub struct OutlineCache {
    rings: HashMap<OutlineKey, (Rings, u64)>,
    /// Where each ROI lies, by its revision.
    boxes: HashMap<RoiId, (u64, Option<Extent>)>,
    clock: u64,
}

/// Rings kept at most; beyond that those not asked for lately are let go.
const MANY: usize = 1200;
/// So many times of [`OutlineCache::cut`] ago is lately.
const LATELY: u64 = 60;

impl OutlineCache {
    /// Cuts what is not held for this plane, on all cores: a step of the wheel across the slices of a
    /// study with many structures stays within a frame. Call it once a picture.
    pub fn cut<'a>(
        &mut self,
        rois: impl IntoIterator<Item = &'a Arc<Roi>>,
        volume: Option<&Volume>,
        view: &Plane,
    ) {
        self.clock += 1;
        if self.rings.len() > MANY {
            let clock = self.clock;
            self.rings.retain(|_, (_, used)| *used + LATELY > clock);
        }
        let missing: Vec<(OutlineKey, &Roi)> = rois
            .into_iter()
            .map(|roi| (key_of(roi, view), roi.as_ref()))
            .filter(|(key, _)| !self.rings.contains_key(key))
            .collect();
        // One alone is what a stroke changes: its place would be worked out for a single picture.
        if missing.len() < 2 {
            return;
        }
        let boxes = &self.boxes;
        let cut: Vec<(OutlineKey, Option<Extent>, Rings)> = missing
            .par_iter()
            .map(|(key, roi)| {
                let known = boxes.get(&roi.id).filter(|(revision, _)| *revision == roi.revision);
                let extent = known.map_or_else(|| Extent::of(roi, volume), |(_, extent)| *extent);
                let is_met = extent.is_some_and(|extent| extent.meets(view));
                (*key, extent, if is_met { rings_of_roi(roi, volume, view) } else { Rings::default() })
            })
            .collect();
        for (key, extent, rings) in cut {
            self.boxes.insert(key.roi, (key.revision, extent));
            self.rings.insert(key, (rings, self.clock));
        }
    }

    /// The outline of an ROI on a view plane, in its colour, dashed for a proposal.
    pub fn outline(&mut self, roi: &Roi, volume: Option<&Volume>, view: &Plane) -> Outline {
        let key = key_of(roi, view);
        let clock = self.clock;
        let entry = self.rings.entry(key).or_insert_with(|| (rings_of_roi(roi, volume, view), clock));
        entry.1 = clock;
        let mut outline = Outline::new(Some(key), Arc::clone(&entry.0), roi.color);
        outline.dashed = roi.is_proposal();
        outline
    }

    /// Forgets everything, for another patient.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

fn key_of(roi: &Roi, view: &Plane) -> OutlineKey {
    OutlineKey { roi: roi.id, revision: roi.revision, plane: plane_key(view) }
}

/// The box that an ROI with its slabs lies in, along the patient's axes, mm.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Extent {
    low: Point3,
    high: Point3,
}

impl Extent {
    /// `None` for an ROI without contours.
    fn of(roi: &Roi, volume: Option<&Volume>) -> Option<Self> {
        let mut extent: Option<Self> = None;
        for slab in roi.slab_stacks(volume).iter().flatten() {
            for (low, high) in slab.polygons.iter().filter_map(Polygon::bounds) {
                for reach in [-slab.below_mm, slab.above_mm] {
                    let plane = slab.plane.at_offset(slab.plane.offset_mm() + reach);
                    for corner in [low, high, Point2::new(low.x, high.y), Point2::new(high.x, low.y)] {
                        let at = plane.lift(corner);
                        let own = extent.get_or_insert(Self { low: at, high: at });
                        own.low = own.low.inf(&at);
                        own.high = own.high.sup(&at);
                    }
                }
            }
        }
        extent
    }

    /// Whether a plane comes within a millimetre of the box.
    fn meets(&self, view: &Plane) -> bool {
        let normal = view.normal().abs();
        let reach = normal.dot(&((self.high - self.low) / 2.0)) + 1.0;
        view.distance_mm(nalgebra::center(&self.low, &self.high)).abs() <= reach
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Grid, Vector3};
    use crate::patient::{RoiPlane, Slice, Unit, Voxels};

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
        assert!(rings_of_roi(&boxed(), Some(&volume()), &Plane::axial(4.5)).is_empty(), "within its slab");
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

    #[test]
    fn many_rois_are_cut_at_once_as_each_alone_and_those_beside_the_plane_are_passed_over() {
        let volume = volume();
        let rois: Vec<Arc<Roi>> = (0..4_u16)
            .map(|n| {
                let mut roi = boxed();
                roi.id = RoiId(u64::from(n) + 1);
                for plane in &mut roi.planes {
                    let outer = &mut Arc::make_mut(plane).polygons[0].outer;
                    outer.iter_mut().for_each(|point| point.x += 3.0 * f64::from(n));
                }
                Arc::new(roi)
            })
            .collect();
        let oblique = Plane::new(Point3::new(12.0, 7.0, 3.0), Vector3::new(0.0, 1.0, 0.3), Vector3::z());
        let sagittal = |x: f64| Plane::new(Point3::new(x, 0.0, 0.0), Vector3::y(), Vector3::z());
        let mut cache = OutlineCache::default();
        let mut passed_over = 0;
        for view in [oblique, sagittal(8.5), sagittal(14.1), sagittal(30.0), Some(Plane::axial(4.0))] {
            let view = view.unwrap();
            cache.cut(&rois, Some(&volume), &view);
            for roi in &rois {
                let alone = rings_of_roi(roi, Some(&volume), &view);
                assert_eq!(cache.outline(roi, Some(&volume), &view).rings, alone);
                passed_over += usize::from(!cache.boxes[&roi.id].1.unwrap().meets(&view));
            }
        }
        assert!(passed_over >= 6, "{passed_over}");
    }
}
