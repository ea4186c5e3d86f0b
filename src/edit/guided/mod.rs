//! Contours from outlines drawn in two or three directions: on image slices, and as guides in views
//! across them.
//!
//! A smooth function of space is made that is zero on every outline drawn, negative inside and
//! positive outside ([`implicit`]), as in Heckel, Konrad, Hahn and Peitgen, "Interactive 3D medical
//! image segmentation with energy-minimizing implicit functions", Computers & Graphics 35 (2011).
//! What its few hundred points leave is taken off near the outlines ([`residual`]); its zero line on
//! each image slice is the contour there. Slices that have contours keep them.

mod curves;
mod implicit;
mod residual;
#[cfg(test)]
mod tests;

use self::curves::{Axes, Curves, Drawn, signed_distance};
use self::implicit::Implicit;
use self::residual::Residual;
use super::{VertexSet, reoriented, simplified};
use crate::geometry::signed_field::Lattice;
use crate::geometry::{Point2, Polygon, trace};
use crate::patient::{Guide, Roi, RoiPlane, Volume};
use crate::progress::{Cancelled, Progress};
use rayon::prelude::*;
use std::sync::Arc;

/// How far the outline may be from the zero line after leaving out vertices, mm.
const THIN_MM: f64 = 0.02;
/// Points of a slice's grid along its longer side.
const ACROSS: f64 = 72.0;
/// Points of the grid along a block that is passed over where the surface cannot be in it.
const BLOCK: usize = 4;
/// The surface may lie this part of the longest side beyond what is drawn, on the slices.
const BEYOND: f64 = 0.12;

/// Why there is no surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GuidedError {
    /// Someone asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// All outlines lie in parallel planes.
    #[error("One direction does not tell a shape: draw an outline in another view as well.")]
    OneDirection,
    /// No surface passes through them.
    #[error("No smooth surface passes through these outlines: see whether they cross one another.")]
    NoSurface,
}

/// What came of guides.
#[derive(Debug, Clone)]
pub struct Guided {
    /// The contours on the slices that have none, by slice.
    pub slices: Vec<(usize, Arc<RoiPlane>)>,
    /// How far a guide passes by a contour drawn on a slice where it should meet it, at most, mm.
    pub disagree_mm: f64,
}

/// An ROI's slices with contours, in order.
#[must_use]
pub fn drawn_slices(roi: &Roi, volume: &Volume) -> Vec<(usize, Arc<RoiPlane>)> {
    let mut drawn: Vec<(usize, Arc<RoiPlane>)> = roi
        .planes
        .iter()
        .filter(|plane| !plane.polygons.is_empty())
        .filter_map(|plane| Some((volume.slice_of(&plane.plane)?, Arc::clone(plane))))
        .collect();
    drawn.sort_by_key(|(slice, _)| *slice);
    drawn
}

/// The contours that the surface through the contours `drawn` on slices and the `guides` has on the
/// slices between that have none. Missing slices are left out, and nothing lies beyond the lowest
/// and the highest outline. Takes a few hundred milliseconds at most, whatever was drawn.
///
/// # Errors
/// [`GuidedError`] when the outlines tell no shape, or someone asked to stop.
pub fn guided(
    drawn: &[(usize, Arc<RoiPlane>)],
    guides: &[Guide],
    volume: &Volume,
    progress: &Progress,
) -> Result<Guided, GuidedError> {
    progress.set_step("Surface through outlines");
    let base = volume.base_plane().ok_or(GuidedError::NoSurface)?;
    let spacing = volume.grid.spacing_mm();
    let pixel_mm = spacing[0].min(spacing[1]);
    let on_slices = drawn.iter().map(|(_, own)| Drawn { plane: &own.plane, polygons: &own.polygons });
    let across = guides.iter().map(|own| Drawn { plane: &own.plane, polygons: &own.polygons });
    let all: Vec<Drawn<'_>> = on_slices.chain(across).filter(|own| !own.polygons.is_empty()).collect();
    let first = all.first().ok_or(GuidedError::OneDirection)?;
    if all.iter().all(|own| own.plane.normal().cross(&first.plane.normal()).norm() < 0.1) {
        return Err(GuidedError::OneDirection);
    }
    let axes = Axes::new(base);
    let curves = Curves::new(axes, all, pixel_mm).ok_or(GuidedError::OneDirection)?;
    let samples = curves.samples();
    let (low, high) = curves.bounds;
    let center = [0, 1, 2].map(|n| f64::midpoint(low[n], high[n]));
    let surface =
        Implicit::through(&samples, center, curves.longest_mm() / 2.0).ok_or(GuidedError::NoSurface)?;
    progress.set_fraction(0.5)?;
    let grid = Levels::new(&curves, volume, pixel_mm);
    let places = curves.places(grid.lattice.pitch_mm);
    let missed: Vec<f64> = places.par_chunks(256).flat_map_iter(|part| surface.values(part)).collect();
    let together = curves.spacing_mm.max(3.0 * grid.lattice.pitch_mm);
    let residual = Residual::new(places.into_iter().zip(missed), together);
    let mut fields: Vec<Vec<f32>> =
        grid.slices.par_iter().map(|(_, offset)| grid.field(&surface, &residual, *offset)).collect();
    progress.set_fraction(0.9)?;
    grid.keep_joined(&mut fields, &curves.insides(grid.lattice.pitch_mm * 1.5));
    let is_open = |(slice, _): &&(usize, f64)| {
        !volume.slices[*slice].missing && drawn.iter().all(|(own, _)| own != slice)
    };
    let slices: Vec<(usize, Arc<RoiPlane>)> = grid
        .slices
        .par_iter()
        .zip(&fields)
        .filter(|(own, _)| is_open(own))
        .filter_map(|((slice, _), field)| {
            let contours = grid.contours(field, pixel_mm);
            let image = &volume.slices[*slice];
            let contours = reoriented(&contours, &base, &image.plane);
            let plane = RoiPlane::new(image.plane, image.instance.clone(), contours);
            (!plane.polygons.is_empty()).then(|| (*slice, Arc::new(plane)))
        })
        .collect();
    if slices.is_empty() && grid.slices.iter().any(|own| is_open(&own)) {
        return Err(GuidedError::NoSurface);
    }
    Ok(Guided { slices, disagree_mm: disagreement(drawn, guides) })
}

/// The most that a guide passes by the contours of a slice it crosses, along the line where they
/// meet, mm.
fn disagreement(drawn: &[(usize, Arc<RoiPlane>)], guides: &[Guide]) -> f64 {
    let ends = |guide: &Guide, own: &RoiPlane| {
        let on_slice = Guide { plane: own.plane, polygons: own.polygons.clone() };
        let flat = |list: Vec<[crate::geometry::Point3; 2]>| list.into_iter().flatten().collect::<Vec<_>>();
        (flat(guide.stretches_on(&own.plane)), flat(on_slice.stretches_on(&guide.plane)))
    };
    let mut most: f64 = 0.0;
    for guide in guides {
        for (_, own) in drawn {
            let (a, b) = ends(guide, own);
            for (from, to, plane, outlines) in
                [(&a, &b, &own.plane, &own.polygons), (&b, &a, &guide.plane, &guide.polygons)]
            {
                for point in from {
                    let nearest = to.iter().map(|other| (other - point).norm()).fold(f64::INFINITY, f64::min);
                    // Where the other has nothing on the common line, its outline passes beside it.
                    let beside = || signed_distance(outlines, plane.project(*point)).abs();
                    let by_mm = if nearest.is_finite() { nearest } else { beside() };
                    most = most.max(if by_mm.is_finite() { by_mm } else { 0.0 });
                }
            }
        }
    }
    most
}

/// The image slices that the surface can be on, and a grid of points on each of them.
struct Levels {
    lattice: Lattice,
    /// Slice and offset, in order.
    slices: Vec<(usize, f64)>,
}

impl Levels {
    fn new(curves: &Curves<'_>, volume: &Volume, pixel_mm: f64) -> Self {
        let (low, high) = curves.bounds;
        let pitch_mm = (curves.longest_mm() * (1.0 + 2.0 * BEYOND) / ACROSS).max(pixel_mm / 2.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few points")]
        let margin = (curves.longest_mm() * BEYOND / pitch_mm).ceil() as usize + 2;
        let corner = |at: [f64; 3]| Point2::new(at[0], at[1]);
        let lattice = Lattice::covering(corner(low), corner(high), pitch_mm, margin);
        let slices = volume
            .slices
            .iter()
            .enumerate()
            .map(|(slice, own)| (slice, own.plane.offset_mm()))
            .filter(|(_, offset)| low[2] - 1e-6 <= *offset && *offset <= high[2] + 1e-6)
            .collect();
        Self { lattice, slices }
    }

    fn place(&self, x: usize, y: usize, offset: f64) -> [f64; 3] {
        let at = self.lattice.low + crate::geometry::Vector2::new(x as f64, y as f64) * self.lattice.pitch_mm;
        [at.x, at.y, offset]
    }

    /// The function on a slice, negated: positive inside. Blocks that the zero line cannot pass are
    /// filled from their corners; the border is outside.
    #[expect(clippy::cast_possible_truncation, reason = "millimetres")]
    fn field(&self, surface: &Implicit, residual: &Residual, offset: f64) -> Vec<f32> {
        let [nx, ny] = self.lattice.size;
        let (bx, by) = (nx.div_ceil(BLOCK) + 1, ny.div_ceil(BLOCK) + 1);
        let corners: Vec<[f64; 3]> =
            (0..bx * by).map(|n| self.place(n % bx * BLOCK, n / bx * BLOCK, offset)).collect();
        let coarse = surface.values(&corners);
        let mut field = vec![-1.0_f32; nx * ny];
        // Where the function falls no faster than one and a half times the distance.
        let far_mm = 1.5 * BLOCK as f64 * self.lattice.pitch_mm * std::f64::consts::SQRT_2;
        let (mut open, mut places) = (Vec::new(), Vec::new());
        for cell in 0..(bx - 1) * (by - 1) {
            let (cx, cy) = (cell % (bx - 1), cell / (bx - 1));
            let at = |x: usize, y: usize| coarse[x + y * bx];
            let of = [at(cx, cy), at(cx + 1, cy), at(cx, cy + 1), at(cx + 1, cy + 1)];
            let passes =
                of.iter().any(|own| own.abs() < far_mm) || of.iter().any(|own| (*own > 0.0) != (of[0] > 0.0));
            for y in cy * BLOCK..((cy + 1) * BLOCK).min(ny) {
                for x in cx * BLOCK..((cx + 1) * BLOCK).min(nx) {
                    if passes {
                        open.push(x + y * nx);
                        places.push(self.place(x, y, offset));
                    } else {
                        field[x + y * nx] = -of[0] as f32;
                    }
                }
            }
        }
        let values = surface.values(&places);
        // Further off no correction reaches a point beside the zero line.
        let near_mm = residual.most() + 2.0 * self.lattice.pitch_mm;
        for ((n, place), value) in open.into_iter().zip(places).zip(values) {
            let missed = if value.abs() <= near_mm { residual.at(place) } else { 0.0 };
            field[n] = (missed - value) as f32;
        }
        for (n, value) in field.iter_mut().enumerate() {
            let (x, y) = (n % nx, n / nx);
            if x == 0 || y == 0 || x + 1 == nx || y + 1 == ny {
                *value = value.min(-1e-3);
            }
        }
        field
    }

    /// Takes away what does not hang together, across slices too, with the inside of an outline.
    fn keep_joined(&self, fields: &mut [Vec<f32>], insides: &[[f64; 3]]) {
        let [nx, ny] = self.lattice.size;
        let plane = nx * ny;
        let mut joined = vec![false; plane * fields.len()];
        let mut stack = Vec::new();
        for at in insides {
            let near = |own: &(usize, &(usize, f64))| (own.1.1 - at[2]).abs();
            let level = self.slices.iter().enumerate().min_by(|a, b| near(a).total_cmp(&near(b)));
            let Some((level, _)) = level else { return };
            let step = (Point2::new(at[0], at[1]) - self.lattice.low) / self.lattice.pitch_mm;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "inside the grid")]
            let (x, y) = (step.x.round().max(0.0) as usize, step.y.round().max(0.0) as usize);
            if x < nx && y < ny {
                stack.push(x + y * nx + level * plane);
            }
        }
        let levels = fields.len();
        while let Some(n) = stack.pop() {
            if joined[n] || fields[n / plane][n % plane] < 0.0 {
                continue;
            }
            joined[n] = true;
            let (x, y, level) = (n % nx, n % plane / nx, n / plane);
            let beside = [
                (x > 0).then(|| n - 1),
                (x + 1 < nx).then(|| n + 1),
                (y > 0).then(|| n - nx),
                (y + 1 < ny).then(|| n + nx),
                (level > 0).then(|| n - plane),
                (level + 1 < levels).then(|| n + plane),
            ];
            stack.extend(beside.into_iter().flatten());
        }
        for (field, joined) in fields.iter_mut().zip(joined.chunks(plane)) {
            for (value, joined) in field.iter_mut().zip(joined) {
                if *value >= 0.0 && !joined {
                    *value = -1e-3;
                }
            }
        }
    }

    fn contours(&self, field: &[f32], pixel_mm: f64) -> Vec<Polygon> {
        let Some(frame) = self.lattice.frame() else { return Vec::new() };
        let outlines = trace::field_slice(field, self.lattice.size[0], self.lattice.size[1], 0.0);
        let mut contours = frame.map(&outlines, [0, 0]);
        contours.retain(|piece| piece.area_mm2() >= pixel_mm * pixel_mm * 0.25);
        simplified(&contours, &VertexSet::default(), THIN_MM)
    }
}
