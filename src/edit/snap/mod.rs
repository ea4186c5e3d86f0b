//! Suggested outlines moved to the image edges near them.
//!
//! Which edge is meant the contours drawn beside the gap tell ([`learnt`]): what the image looks like
//! just inside and outside of them, part by part of the outline. Of all places within reach along
//! the outline's normals those are taken that look most like it, that lie on a smooth line, and that
//! are not far from where the shape alone puts them: an optimal closed contour by dynamic programming
//! ([`search`]), as in Amini, Weymouth and Jain, "Using dynamic programming for solving variational
//! problems in vision", IEEE Trans. Pattern Anal. Mach. Intell. 12 (1990). Where a drawn contour
//! itself lies on no edge, nothing pulls. No gradient is looked for: a stronger edge of something else
//! does not look like the drawn one. Nor is an outline moved by what may be the search's own error: an
//! edge between pixels is told to a part of their width only, so where an organ keeps its shape (a cord,
//! a muscle) the blend is the better place ([`worth`]).

mod course;
mod learnt;
mod search;
#[cfg(test)]
mod tests;

use self::course::Course;
use self::learnt::Learnt;
use super::{SliceValues, VertexSet, reoriented, simplified};
use crate::geometry::{Polygon, clip};
use crate::patient::{RoiPlane, Volume};
use crate::progress::{Cancelled, Progress};
use rayon::prelude::*;
use std::sync::Arc;

/// How far the outline may be from the one found after leaving out vertices, mm.
const THIN_MM: f64 = 0.02;
/// The distance of the places tried along a normal, for pixels of up to a millimetre, mm.
const STEP_MM: f64 = 0.25;
/// How far to either side of an outline the image is looked at, for such pixels, mm.
const SIDE_MM: f64 = 2.5;
/// The image is averaged along the outline by a Gaussian of this, mm: less noise at the same edge.
const ALONG_MM: f64 = 2.0;
/// The cost of a place as far off as is allowed; a place just like the drawn outline gains 1.
const FAR_COST: f64 = 0.15;
/// The cost of an outline that leaves the suggested one at 45 degrees.
const SLOPE_COST: f64 = 0.3;
/// An outline leaves the suggested one no steeper than this.
const STEEPEST: f64 = 1.5;
/// An edge is found to this part of a pixel, or of a millimetre where pixels are smaller.
const FOUND_TO: f64 = 0.25;
/// How far an outline moves is compared with that on stretches of it by a Gaussian of this, mm.
const STRETCH_MM: f64 = 10.0;
/// Of the room to the outline opposite, inside or outside, this part may be used: both may move.
const ROOM: f64 = 0.45;

/// Lengths in which a slice is looked at.
#[derive(Debug, Clone, Copy)]
struct Scale {
    /// Between the points of an outline, mm.
    pitch_mm: f64,
    /// Between the places along a normal, mm.
    step_mm: f64,
    /// Places on either side of an outline that tell what it looks like.
    side: usize,
    /// Places tried on either side.
    reach: usize,
    /// The farthest of them, mm.
    reach_mm: f64,
    /// How far off an edge may be found, mm.
    error_mm: f64,
}

impl Scale {
    fn new(volume: &Volume, reach_mm: f64) -> Self {
        let spacing = volume.grid.spacing_mm();
        let pixel_mm = spacing[0].min(spacing[1]);
        // What a coarse image shows is as much wider as its pixels are.
        let coarse = pixel_mm.clamp(1.0, 8.0);
        let step_mm = STEP_MM * coarse;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few tens")]
        let (side, reach) = (
            (SIDE_MM / STEP_MM).round() as usize,
            (reach_mm / step_mm + 1e-9).floor().clamp(0.0, 200.0) as usize,
        );
        Self {
            pitch_mm: pixel_mm.clamp(0.2, 1.0),
            step_mm,
            side,
            reach,
            reach_mm: reach as f64 * step_mm,
            error_mm: FOUND_TO * coarse,
        }
    }

    /// The number of places tried.
    fn places(&self) -> usize {
        2 * self.reach + 1
    }
}

/// Contours suggested for slices, each moved to image edges within `reach_mm` that look like those
/// under the nearest contours `drawn` below and above (in order of their slices). A plane on which
/// nothing pulls comes back as the same object; so do all where nothing is drawn, and those of
/// missing slices. What is moved keeps its pieces and holes and is valid as [`RoiPlane::new`] makes it.
///
/// # Errors
/// When someone asked to stop.
pub fn snapped(
    suggested: &[(usize, Arc<RoiPlane>)],
    drawn: &[(usize, Arc<RoiPlane>)],
    volume: &Volume,
    reach_mm: f64,
    progress: &Progress,
) -> Result<Vec<(usize, Arc<RoiPlane>)>, Cancelled> {
    progress.set_step("Snapping to edges");
    let scale = Scale::new(volume, reach_mm);
    let learnt: Vec<(usize, Learnt)> = drawn
        .par_iter()
        .map(|(slice, own)| {
            progress.check()?;
            Ok((*slice, Learnt::from(own, *slice, volume, scale)))
        })
        .collect::<Result<_, Cancelled>>()?;
    let offset = |slice: usize| volume.slices[slice].plane.offset_mm();
    suggested
        .par_iter()
        .map(|(slice, own)| {
            progress.check()?;
            let after = learnt.partition_point(|(other, _)| other < slice);
            let (below, above) = (after.checked_sub(1).map(|at| &learnt[at]), learnt.get(after));
            let lessons: Vec<(f64, &Learnt)> = match (below, above) {
                (Some(below), Some(above)) => {
                    let apart = (offset(above.0) - offset(below.0)).max(1e-9);
                    let share = ((offset(*slice) - offset(below.0)) / apart).clamp(0.0, 1.0);
                    vec![(1.0 - share, &below.1), (share, &above.1)]
                }
                (Some(only), None) | (None, Some(only)) => vec![(1.0, &only.1)],
                (None, None) => Vec::new(),
            };
            let moved = moved(own, *slice, &lessons, volume, scale).map(Arc::new);
            Ok((*slice, moved.unwrap_or_else(|| Arc::clone(own))))
        })
        .collect()
}

/// The plane with its outlines moved; `None` where nothing pulls.
fn moved(
    own: &RoiPlane,
    slice: usize,
    lessons: &[(f64, &Learnt)],
    volume: &Volume,
    scale: Scale,
) -> Option<RoiPlane> {
    if scale.reach == 0 || lessons.iter().all(|(_, lesson)| lesson.teaches_nothing()) {
        return None;
    }
    let image = SliceValues::of(volume, slice)?;
    let plane = volume.slices[slice].plane;
    let polygons: Vec<Polygon> =
        reoriented(&own.polygons, &own.plane, &plane).into_iter().map(Polygon::oriented).collect();
    let courses: Vec<Vec<Option<Course>>> = polygons
        .iter()
        .map(|piece| piece.rings().map(|ring| Course::along(ring, scale.pitch_mm)).collect())
        .collect();
    let room = course::room(courses.iter().flatten().map(Option::as_ref), 2.0 * scale.reach_mm);
    let mut room = room.into_iter();
    let offsets: Vec<Vec<Vec<f64>>> = courses
        .iter()
        .map(|rings| {
            rings
                .iter()
                .map(|course| {
                    let room = room.next().unwrap_or_default();
                    course.as_ref().map_or_else(Vec::new, |own| {
                        offsets(own, &room, &image, lessons, scale).unwrap_or_default()
                    })
                })
                .collect()
        })
        .collect();
    if offsets.iter().flatten().all(Vec::is_empty) {
        return None;
    }
    // The whole way, or as much of it as leaves pieces and holes as they are.
    let counts = |pieces: &[Polygon]| (pieces.len(), pieces.iter().map(|own| own.holes.len()).sum::<usize>());
    [1.0, 0.5, 0.25].into_iter().find_map(|part| {
        let pieces: Vec<Polygon> = polygons
            .iter()
            .zip(courses.iter().zip(&offsets))
            .map(|(piece, (courses, offsets))| {
                let mut rings = piece.rings().zip(courses.iter().zip(offsets)).map(|(ring, (course, by))| {
                    let course = course.as_ref().filter(|_| !by.is_empty());
                    course.map_or_else(|| ring.clone(), |course| course.moved(ring, by, part))
                });
                Polygon { outer: rings.next().unwrap_or_default(), holes: rings.collect() }
            })
            .collect();
        let thin = simplified(&pieces, &VertexSet::of(&polygons), THIN_MM);
        let mut clean = clip::positive(&thin);
        clean.retain(|piece| piece.area_mm2() >= scale.pitch_mm * scale.pitch_mm);
        let done = RoiPlane::new(plane, own.image.clone(), clean);
        (counts(&done.polygons) == counts(&polygons)).then_some(done)
    })
}

/// How far each point of an outline moves outward, mm; `None` where nothing pulls.
fn offsets(
    course: &Course,
    room: &[[f64; 2]],
    image: &SliceValues<'_>,
    lessons: &[(f64, &Learnt)],
    scale: Scale,
) -> Option<Vec<f64>> {
    let matches: Vec<_> =
        lessons.iter().map(|(share, lesson)| (*share, *lesson, lesson.nearest(course))).collect();
    if matches.iter().all(|(.., nearest)| nearest.iter().all(Option::is_none)) {
        return None;
    }
    let lines = course.lines(image, scale.reach + scale.side, scale.step_mm);
    let states = scale.places();
    let mut gain = vec![0.0_f64; course.len() * states];
    let mut pulls = false;
    for (point, gain) in gain.chunks_exact_mut(states).enumerate() {
        let line = lines.line(point);
        for (share, lesson, nearest) in &matches {
            let Some(like) = nearest[point] else { continue };
            for (state, gain) in gain.iter_mut().enumerate() {
                *gain += share * lesson.likeness(like, &line[state..=state + 2 * scale.side]);
            }
        }
        pulls |= gain.iter().any(|own| *own > 0.0);
        let [inward, outward] = room[point];
        for (state, gain) in gain.iter_mut().enumerate() {
            let by = state as f64 - scale.reach as f64;
            let (by_mm, part) = (by * scale.step_mm, by.abs() / scale.reach as f64);
            if by_mm > ROOM * outward || -by_mm > ROOM * inward {
                *gain = f64::NEG_INFINITY;
            } else {
                // Straight at first, so that what nothing pulls goes back all the way.
                *gain -= FAR_COST * f64::midpoint(part, part * part);
            }
        }
    }
    if !pulls {
        return None;
    }
    let pitch_mm = course.pitch_mm();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few")]
    let band = (STEEPEST * pitch_mm / scale.step_mm).ceil().clamp(1.0, 8.0) as usize;
    let bend: Vec<f64> =
        (0..=band).map(|by| SLOPE_COST * (by as f64 * scale.step_mm / pitch_mm).powi(2)).collect();
    let found = search::best_ring(&gain, states, &bend);
    let steps: Vec<f64> =
        found.into_iter().map(|state| (state as f64 - scale.reach as f64) * scale.step_mm).collect();
    // Without the steps of the search.
    let even = course::averaged(&steps, 1, 1.0 / pitch_mm);
    let even = worth(even, pitch_mm, scale.error_mm);
    even.iter().any(|by| *by != 0.0).then_some(even)
}

/// What of the ways `found`, mm, of points `pitch_mm` apart around a ring is to be gone when each may be
/// off by `error_mm`. The mean square of the ways on a stretch is that of the true ones and the error's
/// together; the part that is not the error's is gone, nothing where they are no greater than it (James
/// and Stein's estimate, in its positive part: Efron and Morris, J. Am. Stat. Assoc. 68, 1973).
fn worth(mut found: Vec<f64>, pitch_mm: f64, error_mm: f64) -> Vec<f64> {
    let squares: Vec<f64> = found.iter().map(|by| by * by).collect();
    let means = course::averaged(&squares, 1, STRETCH_MM / pitch_mm);
    for (by, mean) in found.iter_mut().zip(means) {
        if *by != 0.0 {
            *by *= (1.0 - error_mm * error_mm / mean).max(0.0);
        }
    }
    found
}
