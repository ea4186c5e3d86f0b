//! Contours between drawn ones: the outline's shape carried from slice to slice.
//!
//! Shape-based interpolation (Raya and Udupa, IEEE Trans. Med. Imaging 9, 1990): the signed
//! distances of two drawn slices are blended, and the zero line of the blend is the contour
//! between. Blending in place loses a thin organ that runs obliquely, so pieces are matched first:
//! a piece that little overlaps its one counterpart travels with its centre; others, and pieces
//! that split or join, are blended where they are; a piece without counterpart tapers to its core.

use super::{VertexSet, simplified};
use crate::geometry::signed_field::{self, Lattice};
use crate::geometry::{Point2, Polygon, Ring, Vector2, clip, ring_area, trace};
use crate::patient::{Roi, RoiPlane, Volume};
use std::sync::Arc;

/// How far the outline may be from the blend's zero line after leaving out vertices, mm.
const THIN_MM: f64 = 0.02;

/// From this part of the smaller piece in common on, two pieces blend where they are. On organs of
/// a chest CT with every fifth slice kept this gave the best agreement with the slices left out,
/// between never travelling (worse for oblique tubes) and always (worse for liver and lungs).
const RESTS: f64 = 0.8;

/// Points of the blending grid across the smaller side of a group, at least.
const ACROSS: f64 = 32.0;

/// The contours at fractions `at` (0 = `below`, 1 = `above`) of the way between two drawn planes
/// whose polygons share one coordinate system and lie `distance_mm` apart; one list a fraction.
///
/// Pieces that overlap belong together. Pieces that overlap nothing are matched where the centres
/// are no further apart than their radii and `distance_mm` together (a slope of 45 degrees beyond
/// touching). What remains tapers away from its slice. Empty on both sides gives nothing.
/// `pixel_mm` is the finest detail wanted.
#[must_use]
pub fn between(
    below: &[Polygon],
    above: &[Polygon],
    distance_mm: f64,
    pixel_mm: f64,
    at: &[f64],
) -> Vec<Vec<Polygon>> {
    let mut parts: Vec<Vec<Polygon>> = vec![Vec::new(); at.len()];
    for group in groups(below, above, distance_mm) {
        for (part, contours) in parts.iter_mut().zip(group.blended(pixel_mm, at)) {
            part.extend(contours);
        }
    }
    let least = pixel_mm * pixel_mm * 0.25;
    parts
        .into_iter()
        .map(|part| {
            let mut joined = if part.len() > 1 { clip::union_all(part) } else { part };
            joined.retain(|piece| piece.area_mm2() >= least);
            simplified(&joined, &VertexSet::default(), THIN_MM)
        })
        .collect()
}

/// Pieces of both sides that become one another.
#[derive(Debug, Default)]
struct Group {
    below: Vec<Polygon>,
    above: Vec<Polygon>,
}

impl Group {
    /// The area that both sides have in common, as a part of the smaller side.
    fn overlap(&self) -> f64 {
        let area = |pieces: &[Polygon]| pieces.iter().map(Polygon::area_mm2).sum::<f64>();
        area(&clip::intersection(&self.below, &self.above)) / area(&self.below).min(area(&self.above))
    }

    fn blended(&self, pixel_mm: f64, at: &[f64]) -> Vec<Vec<Polygon>> {
        let travels = self.below.len() == 1 && self.above.len() == 1 && self.overlap() < RESTS;
        let (from, to) = if travels {
            (centroid(&self.below[0]), centroid(&self.above[0]))
        } else {
            (Vector2::zeros(), Vector2::zeros())
        };
        let below = moved(&self.below, -from);
        let above = moved(&self.above, -to);
        let Some((low, high)) = bounds(below.iter().chain(&above)) else {
            return vec![Vec::new(); at.len()];
        };
        let side = below
            .iter()
            .chain(&above)
            .filter_map(Polygon::bounds)
            .map(|(low, high)| (high.x - low.x).min(high.y - low.y))
            .fold(f64::INFINITY, f64::min);
        let widest = (high.x - low.x).max(high.y - low.y);
        let pitch = (side / ACROSS).min(pixel_mm).max(pixel_mm / 4.0).max(widest / 1000.0);
        let lattice = Lattice::covering(low, high, pitch, 2);
        let Some(frame) = lattice.frame() else { return vec![Vec::new(); at.len()] };
        let mut fields = [signed_field::signed(&below, &lattice), signed_field::signed(&above, &lattice)];
        // Without counterpart the other side is the piece's own shape, shrunk to nothing.
        for (own, other) in [(0, 1), (1, 0)] {
            if fields[other].iter().all(|value| value.is_infinite()) {
                let depth = -fields[own].iter().copied().fold(f32::INFINITY, f32::min);
                fields[other] = fields[own].iter().map(|value| value + depth).collect();
            }
        }
        let [first, second] = &fields;
        at.iter()
            .map(|t| {
                #[expect(clippy::cast_possible_truncation, reason = "a fraction")]
                let t32 = *t as f32;
                let blend: Vec<f32> =
                    first.iter().zip(second).map(|(a, b)| -(a * (1.0 - t32) + b * t32)).collect();
                let outlines = trace::field_slice(&blend, lattice.size[0], lattice.size[1], 0.0);
                moved(&frame.map(&outlines, [0, 0]), from * (1.0 - t) + to * *t)
            })
            .collect()
    }
}

/// The pieces of both sides, sorted into groups.
fn groups(below: &[Polygon], above: &[Polygon], distance_mm: f64) -> Vec<Group> {
    let count = below.len();
    // Every piece's group, as the least piece it hangs together with.
    let mut group: Vec<usize> = (0..count + above.len()).collect();
    let join = |group: &mut Vec<usize>, a: usize, b: usize| {
        let (from, to) = (group[a].max(group[b]), group[a].min(group[b]));
        group.iter_mut().filter(|own| **own == from).for_each(|own| *own = to);
    };
    for (i, a) in below.iter().enumerate() {
        for (j, b) in above.iter().enumerate() {
            if overlap(a, b) {
                join(&mut group, i, count + j);
            }
        }
    }
    let is_alone =
        |group: &[usize], piece: usize| group.iter().filter(|own| **own == group[piece]).count() == 1;
    let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
    for (i, a) in below.iter().enumerate() {
        for (j, b) in above.iter().enumerate() {
            let apart = (centroid(a) - centroid(b)).norm() - radius(a) - radius(b);
            if is_alone(&group, i) && is_alone(&group, count + j) && apart <= distance_mm {
                pairs.push((apart, i, count + j));
            }
        }
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (_, i, j) in pairs {
        if is_alone(&group, i) && is_alone(&group, j) {
            join(&mut group, i, j);
        }
    }
    let mut sorted: Vec<Group> = Vec::new();
    sorted.resize_with(group.len(), Group::default);
    for (piece, own) in group.iter().enumerate() {
        match piece.checked_sub(count) {
            None => sorted[*own].below.push(below[piece].clone()),
            Some(piece) => sorted[*own].above.push(above[piece].clone()),
        }
    }
    sorted.retain(|group| !group.below.is_empty() || !group.above.is_empty());
    sorted
}

pub(super) fn overlap(a: &Polygon, b: &Polygon) -> bool {
    let (Some((al, ah)), Some((bl, bh))) = (a.bounds(), b.bounds()) else { return false };
    al.x < bh.x
        && bl.x < ah.x
        && al.y < bh.y
        && bl.y < ah.y
        && !clip::intersection(std::slice::from_ref(a), std::slice::from_ref(b)).is_empty()
}

fn radius(piece: &Polygon) -> f64 {
    (piece.area_mm2().max(0.0) / std::f64::consts::PI).sqrt()
}

/// The centre of area, holes left out, from the coordinates' origin.
pub(super) fn centroid(piece: &Polygon) -> Vector2 {
    let Some(origin) = piece.outer.first().copied() else { return Vector2::zeros() };
    let mut moment = Vector2::zeros();
    let mut area = 0.0;
    for ring in piece.rings() {
        let sign = if std::ptr::eq(ring, &raw const piece.outer) { 1.0 } else { -1.0 };
        let turn = if ring_area(ring) < 0.0 { -sign } else { sign };
        for (a, b) in ring.iter().zip(ring.iter().cycle().skip(1)) {
            let (a, b) = (a - origin, b - origin);
            let twice = a.perp(&b) * turn;
            area += twice;
            moment += (a + b) * twice;
        }
    }
    if area > 0.0 { origin.coords + moment / (3.0 * area) } else { origin.coords }
}

fn bounds<'a>(pieces: impl Iterator<Item = &'a Polygon>) -> Option<(Point2, Point2)> {
    pieces.filter_map(Polygon::bounds).reduce(|(al, ah), (bl, bh)| {
        (Point2::new(al.x.min(bl.x), al.y.min(bl.y)), Point2::new(ah.x.max(bh.x), ah.y.max(bh.y)))
    })
}

fn moved(pieces: &[Polygon], by: Vector2) -> Vec<Polygon> {
    let ring = |ring: &Ring| -> Ring { ring.iter().map(|point| point + by).collect() };
    pieces
        .iter()
        .map(|piece| Polygon { outer: ring(&piece.outer), holes: piece.holes.iter().map(ring).collect() })
        .collect()
}

/// Two neighbouring drawn slices of an ROI with image slices between them.
#[derive(Debug, Clone)]
pub struct Gap {
    /// The lower drawn slice: its index and contours.
    pub below: (usize, Arc<RoiPlane>),
    /// The upper drawn slice.
    pub above: (usize, Arc<RoiPlane>),
}

impl Gap {
    /// Whether both gaps lie between the very same contours.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.below.0 == other.below.0
            && self.above.0 == other.above.0
            && Arc::ptr_eq(&self.below.1, &other.below.1)
            && Arc::ptr_eq(&self.above.1, &other.above.1)
    }

    /// The slices between, by index.
    pub fn slices(&self) -> std::ops::Range<usize> {
        self.below.0 + 1..self.above.0
    }

    /// Whether a slice between is missing from the series: such a gap is not bridged.
    #[must_use]
    pub fn has_missing_slice(&self, volume: &Volume) -> bool {
        self.slices().any(|slice| volume.slices[slice].missing)
    }

    /// The contours on the slices between, by distance along the normal (uneven slices too);
    /// nothing where the shape has vanished, and nothing across a missing slice.
    #[must_use]
    pub fn fill(&self, volume: &Volume) -> Vec<(usize, Arc<RoiPlane>)> {
        let Some(base) = volume.base_plane().filter(|_| !self.has_missing_slice(volume)) else {
            return Vec::new();
        };
        let carried = |own: &RoiPlane| super::reoriented(&own.polygons, &own.plane, &base);
        let offset = |slice: usize| volume.slices[slice].plane.offset_mm();
        let (from, to) = (offset(self.below.0), offset(self.above.0));
        let at: Vec<f64> = self.slices().map(|slice| (offset(slice) - from) / (to - from)).collect();
        let spacing = volume.grid.spacing_mm();
        let pixel_mm = spacing[0].min(spacing[1]);
        let contours = between(&carried(&self.below.1), &carried(&self.above.1), to - from, pixel_mm, &at);
        self.slices()
            .zip(contours)
            .filter(|(_, contours)| !contours.is_empty())
            .map(|(slice, contours)| {
                let image = &volume.slices[slice];
                let contours = super::reoriented(&contours, &base, &image.plane);
                (slice, Arc::new(RoiPlane::new(image.plane, image.instance.clone(), contours)))
            })
            .collect()
    }
}

/// The gaps of an ROI: where drawn slices have others without contours between them. Contours that
/// lie on no image slice are passed over.
#[must_use]
pub fn gaps(roi: &Roi, volume: &Volume) -> Vec<Gap> {
    super::drawn_slices(roi, volume)
        .windows(2)
        .filter(|ends| ends[1].0 > ends[0].0 + 1)
        .map(|ends| Gap { below: ends[0].clone(), above: ends[1].clone() })
        .collect()
}

#[cfg(test)]
mod tests;
