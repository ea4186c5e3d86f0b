//! The line of equal value through a point of a view.

use super::Source;
use super::source::sampled;
use crate::edit::SliceValues;
use crate::geometry::rasterise::Frame;
use crate::geometry::{Plane, Point2, Point3, Polygon, Ring, Vector2, trace};
use crate::patient::Volume;

/// Cells of four pixels that a line is followed through at most: a level that runs through noise all
/// over the image has no outline worth taking, and following it would outlast a frame.
const MOST_CELLS: usize = 30_000;

/// A closed line of equal value.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelLine {
    /// The value along it, in the image's unit.
    pub level: f32,
    /// The line, on the view's plane, patient mm; closed by its first point. Where it leaves the
    /// image it runs along its border.
    pub line: Vec<Point3>,
}

/// The closed line of equal value that passes through `at` (patient mm) in a view: on a slice's own
/// plane between its own pixels, in other views between samples a pixel apart. The value is that at
/// the point, linear between the four samples around it; the line is that of
/// [`trace::field_slice`]. `None` outside the image, on a missing slice, where the four values are
/// alike, and where the line runs through noise all over the image.
#[must_use]
pub fn level_line(source: &Source<'_>, view: &Plane, at: Point3) -> Option<LevelLine> {
    let volume = source.volume;
    let base = volume.base_plane()?;
    if base.normal().dot(&view.normal()).abs() >= 1.0 - 1.5e-6 {
        let slice = volume.nearest_slice(base.normal().dot(&at.coords))?;
        let own = SliceValues::of(volume, slice)?;
        let plane = volume.slices[slice].plane;
        let [ni, nj] = own.frame().size();
        let value = |i: usize, j: usize| source.value(&own, &plane, [i, j]);
        let (level, ring) = through(*own.frame(), [ni, nj], value, plane.project(at))?;
        // Shown in the view, which may lie a little beside the slice.
        let lifted = |point: &Point2| view.lift(view.project(plane.lift(*point)));
        return Some(LevelLine { level, line: ring.iter().map(lifted).collect() });
    }
    let (frame, size) = sheet(volume, view)?;
    let value = |i: usize, j: usize| sampled(source.image(), view.lift(frame.point(i as f64, j as f64)));
    let (level, ring) = through(frame, size, value, view.project(at))?;
    Some(LevelLine { level, line: ring.iter().map(|point| view.lift(*point)).collect() })
}

/// Samples a pixel apart over the part of a view that the volume can reach.
fn sheet(volume: &Volume, view: &Plane) -> Option<(Frame, [usize; 2])> {
    let spacing = volume.grid.spacing_mm();
    let pitch = spacing[0].min(spacing[1]).max(0.1);
    let dims = volume.grid.dims();
    let (mut low, mut high) = ([f64::MAX; 2], [f64::MIN; 2]);
    for corner in 0..8_usize {
        let at = [0, 1, 2]
            .map(|axis| if corner >> axis & 1 == 1 { dims[axis].saturating_sub(1) as f64 } else { 0.0 });
        let point = view.project(volume.grid.patient_of(at));
        for axis in 0..2 {
            low[axis] = low[axis].min(point[axis]);
            high[axis] = high[axis].max(point[axis]);
        }
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let size = [0, 1].map(|axis| ((high[axis] - low[axis]) / pitch).ceil().clamp(1.0, 4000.0) as usize + 1);
    let steps = (Vector2::new(pitch, 0.0), Vector2::new(0.0, pitch));
    Some((Frame::new(Point2::new(low[0], low[1]), steps.0, steps.1, size)?, size))
}

/// The level at `at` and the closed line of it that passes there, in the frame's coordinates.
fn through(
    frame: Frame,
    [ni, nj]: [usize; 2],
    value: impl Fn(usize, usize) -> f32,
    at: Point2,
) -> Option<(f32, Ring)> {
    let index = frame.index_of(at);
    let limits = [ni as f64 - 1.0, nj as f64 - 1.0];
    if (0..2).any(|axis| !(index[axis] >= 0.0 && index[axis] <= limits[axis])) || ni < 2 || nj < 2 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
    let cell = [0, 1].map(|axis| (index[axis].floor() as usize).min([ni, nj][axis] - 2));
    let part = [0, 1].map(|axis| {
        #[expect(clippy::cast_possible_truncation, reason = "0 to 1")]
        let part = (index[axis] - cell[axis] as f64) as f32;
        part
    });
    let corner = |x: usize, y: usize| value(cell[0] + x, cell[1] + y);
    let row = |y: usize| corner(0, y) * (1.0 - part[0]) + corner(1, y) * part[0];
    let level = row(0) * (1.0 - part[1]) + row(1) * part[1];
    if !level.is_finite() {
        return None;
    }
    // As in tracing: beyond the image lies the outside; padded (1, 1) is pixel (0, 0).
    let belongs =
        |x: usize, y: usize| (1..=ni).contains(&x) && (1..=nj).contains(&y) && value(x - 1, y - 1) >= level;
    let start = [cell[0] + 1, cell[1] + 1];
    let mut seen = vec![false; (ni + 1) * (nj + 1)];
    seen[start[0] + (ni + 1) * start[1]] = true;
    let mut count = 1;
    let mut open = vec![start];
    let (mut low, mut high) = (start, start);
    let mut crossed = false;
    while let Some([x, y]) = open.pop() {
        let corners = [belongs(x, y), belongs(x + 1, y), belongs(x + 1, y + 1), belongs(x, y + 1)];
        // Bottom, right, top, left, and the cell beyond each.
        let beyond = [
            (y > 0).then(|| [x, y - 1]),
            (x < ni).then(|| [x + 1, y]),
            (y < nj).then(|| [x, y + 1]),
            (x > 0).then(|| [x - 1, y]),
        ];
        for (edge, next) in beyond.into_iter().enumerate() {
            if corners[edge] != corners[(edge + 1) % 4]
                && let Some(next) = next
            {
                crossed = true;
                if !std::mem::replace(&mut seen[next[0] + (ni + 1) * next[1]], true) {
                    count += 1;
                    (low, high) = (
                        [low[0].min(next[0]), low[1].min(next[1])],
                        [high[0].max(next[0]), high[1].max(next[1])],
                    );
                    open.push(next);
                }
            }
        }
        if count > MOST_CELLS {
            return None;
        }
    }
    if !crossed {
        return None;
    }
    // One pixel more than the cells touch, so that no cut falls on the line.
    let from = [0, 1].map(|axis| low[axis].saturating_sub(2));
    let to = [(high[0] + 2).min(ni), (high[1] + 2).min(nj)];
    let size = [to[0] - from[0], to[1] - from[1]];
    let values: Vec<f32> = (from[1]..to[1])
        .flat_map(|j| (from[0]..to[0]).map(move |i| [i, j]))
        .map(|[i, j]| value(i, j))
        .collect();
    let outlines = trace::field_slice(&values, size[0], size[1], level);
    let own = Point2::new(index[0] - from[0] as f64, index[1] - from[1] as f64);
    let nearest = outlines
        .iter()
        .flat_map(Polygon::rings)
        .min_by(|a, b| distance(a, own).total_cmp(&distance(b, own)))?;
    let mapped = frame.map(&[Polygon::from_outer(nearest.clone())], from);
    Some((level, mapped.into_iter().next()?.outer))
}

/// The distance of a point from a ring.
fn distance(ring: &Ring, point: Point2) -> f64 {
    ring.iter().zip(ring.iter().cycle().skip(1)).fold(f64::MAX, |least, (a, b)| {
        let along = b - a;
        let t = ((point - a).dot(&along) / along.norm_squared().max(1e-18)).clamp(0.0, 1.0);
        least.min((point - (a + along * t)).norm())
    })
}
