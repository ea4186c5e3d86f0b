//! Stored contours become planes with polygons (PS3.3 C.8.8.6).
//!
//! A contour within 0.1 mm of an image slice lies on that slice's plane; any other keeps its own
//! plane. Nothing is moved in the file's text: only the plane's two coordinates are taken.

use crate::geometry::clip::{ResolveNote, RingRule, resolve_rings};
use crate::geometry::{Plane, Point3, Vector3};
use crate::patient::{GeometricType, ImageInstance, RoiPlane, SourceContour, Volume};
use std::sync::Arc;

/// How far a point may lie off a plane and still be on it.
const ON_PLANE_MM: f64 = 0.1;
/// Contours off every slice belong together when they are this close.
const SAME_PLANE_MM: f64 = 0.05;

/// The planes of one ROI and what was not plain about its contours.
#[derive(Debug, Default)]
pub(super) struct Planes {
    pub planes: Vec<Arc<RoiPlane>>,
    /// Sentences for a person, without the ROI's name.
    pub remarks: Vec<String>,
}

/// Where contours may lie.
pub(super) struct Frame<'a> {
    volume: Option<&'a Volume>,
    base: Plane,
}

impl<'a> Frame<'a> {
    /// The slices of `volume`, or without images the common orientation of the contours.
    pub fn new<'b>(
        volume: Option<&'a Volume>,
        contours: impl Iterator<Item = &'b SourceContour> + Clone,
    ) -> Self {
        let base = volume.and_then(Volume::base_plane).unwrap_or_else(|| common_plane(contours));
        Self { volume, base }
    }

    fn place(&self, points: &[Point3]) -> Place {
        let offsets = points.iter().map(|point| self.base.normal().dot(&point.coords));
        let (low, high) = offsets.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), offset| {
            (low.min(offset), high.max(offset))
        });
        let middle = f64::midpoint(low, high);
        if high - low <= 2.0 * ON_PLANE_MM {
            let on = |plane: &Plane| points.iter().all(|p| plane.distance_mm(*p).abs() <= ON_PLANE_MM);
            let slice = self.volume.and_then(|volume| {
                let index = volume.slice_at(middle, ON_PLANE_MM)?;
                on(&volume.slices[index].plane).then_some(index)
            });
            return slice.map_or_else(|| Place::Own(self.base.at_offset(middle)), Place::Slice);
        }
        match plane_through(points) {
            Some(plane) if points.iter().all(|p| plane.distance_mm(*p).abs() <= ON_PLANE_MM) => {
                Place::Own(plane)
            }
            _ => Place::NotPlanar,
        }
    }
}

enum Place {
    Slice(usize),
    Own(Plane),
    NotPlanar,
}

/// Contours of one plane.
struct Group {
    slice: Option<usize>,
    plane: Plane,
    contours: Vec<usize>,
    rings: Vec<Vec<crate::geometry::Point2>>,
}

/// Makes planes of an ROI's contours and marks those that bound an area.
pub(super) fn planes_of(contours: &mut [SourceContour], frame: &Frame) -> Planes {
    let mut counts = Counts::default();
    let groups = grouped(contours, frame, &mut counts);
    let mut made = Vec::new();
    for group in groups {
        let xor = |index: &usize| contours[*index].geometric_type == GeometricType::ClosedPlanarXor;
        let rule = if group.contours.iter().any(xor) { RingRule::Xor } else { RingRule::Nested };
        let (polygons, notes) = resolve_rings(&group.rings, rule);
        counts.count(&notes);
        if polygons.is_empty() {
            continue;
        }
        for index in &group.contours {
            contours[*index].bounds_area = true;
        }
        let slice = group.slice.and_then(|index| Some(&frame.volume?.slices[index]));
        if slice.is_some_and(|slice| slice.missing) {
            counts.on_missing += group.contours.len();
        }
        if frame.volume.is_some() && slice.is_none() {
            counts.off_slices.extend(group.contours.iter().map(|_| group.plane.offset_mm()));
        }
        made.push(Arc::new(RoiPlane {
            plane: group.plane,
            image: image_of(slice.and_then(|slice| slice.instance.as_ref()), &group, contours),
            polygons,
            source: group.contours,
            confidence: None,
        }));
    }
    made.sort_by(|a, b| a.plane.offset_mm().total_cmp(&b.plane.offset_mm()));
    Planes { planes: made, remarks: counts.remarks() }
}

/// The slice's own instance; without images the one that the file names.
fn image_of(
    slice: Option<&ImageInstance>,
    group: &Group,
    contours: &[SourceContour],
) -> Option<ImageInstance> {
    slice.or_else(|| contours[*group.contours.first()?].images.first()).cloned()
}

fn grouped(contours: &[SourceContour], frame: &Frame, counts: &mut Counts) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (index, contour) in contours.iter().enumerate() {
        let closed =
            matches!(contour.geometric_type, GeometricType::ClosedPlanar | GeometricType::ClosedPlanarXor);
        if !closed {
            counts.open += 1;
            continue;
        }
        let Some(points) = contour.points_mm().filter(|p| p.iter().all(|p| p.iter().all(|x| x.is_finite())))
        else {
            counts.unreadable += 1;
            continue;
        };
        if points.len() < 3 {
            counts.short += 1;
            continue;
        }
        let (slice, plane) = match (frame.place(&points), frame.volume) {
            (Place::Slice(at), Some(volume)) => (Some(at), volume.slices[at].plane),
            (Place::Own(plane), _) => (None, plane),
            _ => {
                counts.not_planar += 1;
                continue;
            }
        };
        let same = |group: &Group| match slice {
            Some(_) => group.slice == slice,
            None => group.slice.is_none() && group.plane.coincides(&plane, SAME_PLANE_MM),
        };
        // Files list a plane's contours together, so the last groups match first.
        let at = groups.iter().rposition(same).unwrap_or_else(|| {
            groups.push(Group { slice, plane, contours: Vec::new(), rings: Vec::new() });
            groups.len() - 1
        });
        let group = &mut groups[at];
        group.contours.push(index);
        group.rings.push(points.iter().map(|point| group.plane.project(*point)).collect());
    }
    groups
}

/// The plane (any offset) that most of the contours' area lies in; axial when there is none.
fn common_plane<'b>(contours: impl Iterator<Item = &'b SourceContour> + Clone) -> Plane {
    let axial = Plane::axial(0.0);
    let points = contours.filter_map(SourceContour::points_mm).filter(|points| points.len() >= 3);
    let largest = points.max_by(|a, b| area_vector(a).norm().total_cmp(&area_vector(b).norm()));
    match largest.as_deref().and_then(plane_through) {
        // Rounded text tilts an axial contour a little.
        Some(plane) if !plane.at_offset(0.0).coincides(&axial, 0.0) => plane,
        _ => axial,
    }
}

/// Twice the vector area of a closed contour (Newell): its normal, robust against short edges.
fn area_vector(points: &[Point3]) -> Vector3 {
    let Some(&origin) = points.first() else { return Vector3::zeros() };
    points.windows(2).map(|pair| (pair[0] - origin).cross(&(pair[1] - origin))).sum()
}

/// The plane through a closed contour; its first axis is as near to patient x (or y, where the
/// plane is sagittal) as can be. `None` without area.
fn plane_through(points: &[Point3]) -> Option<Plane> {
    let normal = area_vector(points).try_normalize(1e-9)?;
    // Which way round the contour goes says nothing: turn the normal to head, back or left.
    let largest = normal.iamax();
    let normal = if normal[largest] < 0.0 { -normal } else { normal };
    let towards = if largest == 0 { Vector3::y() } else { Vector3::x() };
    let u = (towards - normal * normal.dot(&towards)).try_normalize(1e-9)?;
    #[expect(clippy::cast_precision_loss, reason = "contours have far fewer than 2^52 points")]
    let mean = points.iter().map(|point| point.coords).sum::<Vector3>() / points.len() as f64;
    Plane::new(mean.into(), u, normal.cross(&u))
}

/// How many contours were not plain.
#[derive(Debug, Default)]
struct Counts {
    open: usize,
    unreadable: usize,
    short: usize,
    not_planar: usize,
    on_missing: usize,
    off_slices: Vec<f64>,
    holes: usize,
    overlaps: usize,
    self_crossings: usize,
    degenerate: usize,
}

impl Counts {
    fn count(&mut self, notes: &[ResolveNote]) {
        for note in notes {
            match note {
                ResolveNote::Hole { .. } => self.holes += 1,
                ResolveNote::Overlap { .. } => self.overlaps += 1,
                ResolveNote::SelfCrossing { .. } => self.self_crossings += 1,
                ResolveNote::Degenerate { .. } => self.degenerate += 1,
                ResolveNote::Keyhole { .. } => {}
            }
        }
    }

    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        let mut say = |count: usize, what: &str| {
            if count > 0 {
                remarks.push(format!("{count} {} {what}", if count == 1 { "contour" } else { "contours" }));
            }
        };
        say(self.open, "open or of points: kept in the file, not shown as an area");
        say(self.unreadable, "with unreadable coordinates: kept in the file, not shown");
        say(self.short, "of fewer than three points: kept in the file, not shown as an area");
        say(self.not_planar, "not in one plane: kept in the file, not shown");
        say(self.on_missing, "on a slice that the images lack");
        let range = self
            .off_slices
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), at| (low.min(*at), high.max(*at)));
        say(
            self.off_slices.len(),
            &format!(
                "on no image slice (at {:.2} to {:.2} mm along the slice normal): left where they are",
                range.0, range.1
            ),
        );
        say(self.holes, "inside another: read as holes");
        say(self.overlaps, "overlapping another in part: read as their union");
        say(self.self_crossings, "crossing themselves: read by the even-odd rule");
        say(self.degenerate, "without area: kept in the file, not shown");
        remarks
    }
}
