//! The solid that a stack of contours stands for, as a signed distance around a tool; see the parent.

use crate::edit::between::overlap;
use crate::edit::{Window, reoriented};
use crate::geometry::rasterise::Frame;
use crate::geometry::signed_field::{self, Lattice};
use crate::geometry::{Plane, Point2, Point3, Polygon, Vector2};
use crate::patient::{Roi, Volume};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Signed distances to contours at the points of the lattice, mm, negative inside.
type Field = Arc<Vec<f32>>;

/// What lies between two neighbouring slices, or beyond the outermost.
#[derive(Debug)]
struct Gap {
    low_mm: f64,
    high_mm: f64,
    /// The pieces of both that overlap.
    joined: Option<[Field; 2]>,
    /// The pieces of each that overlap none of the other, and the offset where they end.
    alone: [Option<(Field, f64)>; 2],
}

/// The distances of contours on slices, on a lattice in the slices' planes that is the same for all.
#[derive(Debug)]
pub(super) struct Stack {
    lattice: Lattice,
    /// What of the lattice can be asked for: around it the contours are known as far as they count.
    inner: (Point2, Point2),
    reach_mm: f64,
    offsets_mm: Vec<f64>,
    /// By the slice above it.
    gaps: Vec<Option<Gap>>,
    /// The distances to all contours of a slice.
    whole: BTreeMap<usize, Field>,
}

/// A slice's contours in the coordinates of the stack.
type Contours = BTreeMap<usize, Vec<Polygon>>;

impl Stack {
    /// An empty one around what is wanted and as much as `reach_mm` to go on. Distances count up to
    /// `reach_mm`: what is further off is that far.
    pub(super) fn new(volume: &Volume, wanted: (Point2, Point2), reach_mm: f64, pitch_mm: f64) -> Self {
        let room = Vector2::new(reach_mm, reach_mm);
        let inner = (wanted.0 - room, wanted.1 + room);
        // The same points however often it is made anew.
        let low = (inner.0 - room).map(|x| (x / pitch_mm).floor() * pitch_mm);
        let size = (inner.1 + room - low) / pitch_mm;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let count = |extent: f64| extent.ceil().clamp(1.0, 20_000.0) as usize + 2;
        let mut gaps = Vec::new();
        gaps.resize_with(volume.slices.len() + 1, || None);
        Self {
            lattice: Lattice { low, pitch_mm, size: [count(size.x), count(size.y)] },
            inner,
            reach_mm,
            offsets_mm: volume.slices.iter().map(|slice| slice.plane.offset_mm()).collect(),
            gaps,
            whole: BTreeMap::new(),
        }
    }

    /// Whether the lattice holds all of this.
    pub(super) fn covers(&self, low: Point2, high: Point2) -> bool {
        let (from, to) = &self.inner;
        from.x <= low.x && from.y <= low.y && high.x <= to.x && high.y <= to.y
    }

    /// The lattice as voxel centres.
    pub(super) fn frame(&self) -> Option<Frame> {
        self.lattice.frame()
    }

    /// A point of the lattice.
    pub(super) fn point(&self, [i, j]: [usize; 2]) -> Point2 {
        self.lattice.low + Vector2::new(i as f64, j as f64) * self.lattice.pitch_mm
    }

    /// The points within discs (centre, radius) and one or two more on every side; `None` without discs.
    pub(super) fn window(&self, discs: impl Iterator<Item = (Point2, f64)>) -> Option<Window> {
        let bounds = discs.map(|(center, radius)| {
            let reach = Vector2::new(radius, radius);
            (center - reach, center + reach)
        });
        let (low, high) = bounds.reduce(|(al, ah), (bl, bh)| (al.inf(&bl), ah.sup(&bh)))?;
        let index = |at: f64, axis: usize| {
            let place = (at - self.lattice.low[axis]) / self.lattice.pitch_mm;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
            let index = place.floor().clamp(0.0, self.lattice.size[axis] as f64) as usize;
            index
        };
        let first = [0, 1].map(|axis| index(low[axis], axis).saturating_sub(1));
        let end = [0, 1].map(|axis| (index(high[axis], axis) + 3).min(self.lattice.size[axis]));
        (first[0] < end[0] && first[1] < end[1])
            .then(|| Window { low: first, size: [end[0] - first[0], end[1] - first[1]] })
    }

    /// Gets ready what lies between slices `gaps.start - 1` and `gaps.end - 1`.
    pub(super) fn look_at(&mut self, roi: &Roi, volume: &Volume, base: &Plane, gaps: Range<usize>) {
        let missing: Vec<usize> = gaps.filter(|gap| self.gaps[*gap].is_none()).collect();
        let (Some(first), Some(last)) = (missing.first(), missing.last()) else { return };
        let contours: Contours = (first.saturating_sub(1)..(last + 1).min(volume.slices.len()))
            .filter_map(|slice| {
                let own = roi.plane_at(&volume.slices[slice].plane)?;
                (!own.polygons.is_empty()).then(|| (slice, reoriented(&own.polygons, &own.plane, base)))
            })
            .collect();
        let fresh: Vec<(usize, Field)> = contours
            .par_iter()
            .filter(|(slice, _)| !self.whole.contains_key(slice))
            .map(|(slice, polygons)| (*slice, self.field(polygons)))
            .collect();
        self.whole.extend(fresh);
        let made: Vec<(usize, Gap)> =
            missing.into_par_iter().map(|gap| (gap, self.gap(gap, volume, &contours))).collect();
        for (index, gap) in made {
            self.gaps[index] = Some(gap);
        }
    }

    fn field(&self, polygons: &[Polygon]) -> Field {
        #[expect(clippy::cast_possible_truncation, reason = "millimetres")]
        let reach = self.reach_mm as f32;
        let mut field = signed_field::signed(polygons, &self.lattice);
        field.iter_mut().for_each(|value| *value = value.clamp(-reach, reach));
        Arc::new(field)
    }

    fn gap(&self, gap: usize, volume: &Volume, contours: &Contours) -> Gap {
        let below = gap.checked_sub(1);
        let above = (gap < self.offsets_mm.len()).then_some(gap);
        let [own_below, own_above] =
            [below, above].map(|slice| slice.and_then(|slice| contours.get(&slice)).map_or(&[][..], |p| p));
        let meets = |own: &[Polygon], other: &[Polygon]| -> Vec<bool> {
            own.iter().map(|a| other.iter().any(|b| overlap(a, b))).collect()
        };
        let part = |slice: Option<usize>, own: &[Polygon], other: &[Polygon], wanted: bool| {
            let flags = meets(own, other);
            let chosen = own.iter().zip(flags).filter(|(_, meets)| *meets == wanted);
            let chosen: Vec<Polygon> = chosen.map(|(piece, _)| piece.clone()).collect();
            match chosen.len() {
                0 => None,
                count if count == own.len() => self.whole.get(&slice?).cloned(),
                _ => Some(self.field(&chosen)),
            }
        };
        let joined = part(below, own_below, own_above, true)
            .zip(part(above, own_above, own_below, true))
            .map(|(a, b)| [a, b]);
        let offset = |slice: usize| self.offsets_mm[slice];
        let ends_below = below.map(|slice| offset(slice) + volume.slab_of(slice).1);
        let ends_above = above.map(|slice| offset(slice) - volume.slab_of(slice).0);
        let low_mm = below.map(offset).or(ends_above).unwrap_or_default();
        let high_mm = above.map(offset).or(ends_below).unwrap_or_default();
        let alone = [
            part(below, own_below, own_above, false).zip(ends_below),
            part(above, own_above, own_below, false).zip(ends_above),
        ];
        Gap { low_mm, high_mm, joined, alone }
    }

    /// The signed distance (mm, negative inside) of a point in the coordinates of the stack: between
    /// slices within the planes, beyond an end along the normal. `reach_mm` where nothing was looked at.
    pub(super) fn distance(&self, point: Point3) -> f32 {
        #[expect(clippy::cast_possible_truncation, reason = "millimetres")]
        let mm = |mm: f64| mm as f32;
        let far = mm(self.reach_mm);
        let above = self.offsets_mm.partition_point(|offset| *offset <= point.z);
        let Some(gap) = self.gaps.get(above).and_then(Option::as_ref) else { return far };
        let at = self.place(point.xy());
        let mut nearest = far;
        if let Some([low, high]) = &gap.joined {
            let t = ((point.z - gap.low_mm) / (gap.high_mm - gap.low_mm).max(1e-6)).clamp(0.0, 1.0);
            let t = mm(t);
            nearest = at.of(low) * (1.0 - t) + at.of(high) * t;
        }
        if let Some((field, end_mm)) = &gap.alone[0] {
            nearest = nearest.min(at.of(field).max(mm(point.z - end_mm)));
        }
        if let Some((field, end_mm)) = &gap.alone[1] {
            nearest = nearest.min(at.of(field).max(mm(end_mm - point.z)));
        }
        nearest
    }

    /// Where a point lies among those of the lattice.
    fn place(&self, point: Point2) -> Place {
        let at = (point - self.lattice.low) / self.lattice.pitch_mm;
        let [nx, ny] = self.lattice.size;
        let split = |at: f64, count: usize| {
            let low = at.floor().clamp(0.0, count as f64 - 2.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
            let place = (low as usize, (at - low).clamp(0.0, 1.0) as f32);
            place
        };
        let ((x, right), (y, up)) = (split(at.x, nx), split(at.y, ny));
        Place { first: x + y * nx, row: nx, right, up }
    }
}

/// A place among four points of the lattice.
struct Place {
    first: usize,
    row: usize,
    right: f32,
    up: f32,
}

impl Place {
    /// The value there, linear between the four.
    fn of(&self, field: &[f32]) -> f32 {
        let along = |at: usize| field[at] + (field[at + 1] - field[at]) * self.right;
        let (low, high) = (along(self.first), along(self.first + self.row));
        low + (high - low) * self.up
    }
}
