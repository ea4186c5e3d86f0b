//! Smoothing in space: what wobbles from one slice to the next becomes even.
//!
//! Contours keep to their slices. So each is smoothed in its plane first ([`smoothed`]), and then moved
//! within it by what the slices around it say: how far outward their outlines run from a vertex is the
//! surface across the slices at that place. A parabola is fitted to it, with weights that fall as a
//! Gaussian of the distance in space (local regression, Cleveland and Devlin, JASA 1988), and the vertex
//! goes where that lies on its own slice, less far on a slanting surface. What bends evenly stays so, on uneven slices too; what
//! alternates goes. As many slices count above as below: at an end nothing is moved, and ends neither grow
//! nor yield. Where a neighbour has no outline that runs alike the surface ends as well.

use super::region::area;
use super::shape::{refined, smoothed};
use super::{AlgebraError, Region};
use crate::edit::mold::{Line, outward};
use crate::geometry::offset::{self, Reach};
use crate::geometry::thin::thin_ring;
use crate::geometry::{Point2, Polygon, Ring, Vector2, clip, perimeter};
use crate::patient::Volume;
use crate::progress::Progress;
use rayon::prelude::*;

/// How often the slices are gone through.
pub const SPACE_PASSES: usize = 2;
/// How far from a slice a fit takes in others, in lengths.
pub const FIT_REACH: f64 = 3.0;
/// How firmly a fit is held to be straight, against the weights of its points: without it three slices
/// alone would be fitted exactly, and the last but one never smoothed.
const STIFFNESS: f64 = 0.2;
/// Outlines are moved by vertices no closer than this, mm.
const FINEST_MM: f64 = 0.25;
/// A slice of less weight is not looked at, nor those beyond it.
const LEAST_WEIGHT: f64 = 1e-3;
/// Over so many lengths what a slice has lost is given back.
const BACK_OVER: f64 = 2.0;
/// Slices farther apart than so many times [`BACK_OVER`] lengths give one another nothing back.
const BACK_REACH: f64 = 3.0;
/// How far the result on a slice depends on others, in lengths: on what slices give back, on the outlines
/// over which those share it out, and on what is around these in each pass.
pub const SPACE_REACH: f64 = FIT_REACH * SPACE_PASSES as f64 + 2.0 * BACK_REACH * BACK_OVER;

/// The region smoothed in space over a length of about `length_mm`, in its planes and across them, its
/// volume kept as a whole: what a slice loses the slices around it get, on all outlines there alike, so that
/// pieces beside each other may gain by each other. Slices with contours stay those that have some; missing
/// slices are not crossed. What lies farther away than [`SPACE_REACH`] lengths does not matter.
///
/// # Errors
/// [`AlgebraError::Cancelled`].
///
/// # Panics
/// When a slice is not one of `volume`.
pub fn smoothed_across(
    region: &Region,
    volume: &Volume,
    length_mm: f64,
    progress: &Progress,
) -> Result<Region, AlgebraError> {
    if !(length_mm > 0.0) || region.is_empty() {
        return Ok(region.clone());
    }
    let mut own = smoothed(region, length_mm);
    for _ in 0..SPACE_PASSES {
        own = evened(&own, volume, length_mm, progress)?;
    }
    Ok(with_volume_of(&own, region, volume, length_mm))
}

/// The distance that outlines have no vertices farther apart than while they are smoothed, mm.
pub fn vertices_apart_mm(length_mm: f64) -> f64 {
    (length_mm * 0.5).max(FINEST_MM)
}

/// One pass across the slices.
fn evened(
    region: &Region,
    volume: &Volume,
    length_mm: f64,
    progress: &Progress,
) -> Result<Region, AlgebraError> {
    let Some((first, last)) = region.span() else { return Ok(Region::default()) };
    // What is farther has less than the least weight; a little more for rounding.
    let reach_mm = 1.001 * length_mm * (-2.0 * LEAST_WEIGHT.ln()).sqrt();
    let stack = Stack {
        lines: (first..=last).map(|slice| Line::within(region.on(slice), reach_mm)).collect(),
        heights_mm: (first..=last).map(|slice| volume.slices[slice].plane.offset_mm()).collect(),
        length_mm,
    };
    let slices: Vec<(usize, &[Polygon])> = region.slices().collect();
    let moved = |(slice, own): &(usize, &[Polygon])| {
        progress.check()?;
        Ok((*slice, stack.evened(*slice - first, own)))
    };
    let done: Result<Vec<_>, crate::progress::Cancelled> = slices.par_iter().map(moved).collect();
    Ok(Region::from_slices(done?))
}

/// The outlines of all slices, in the coordinates that their planes share.
struct Stack {
    lines: Vec<Line>,
    heights_mm: Vec<f64>,
    length_mm: f64,
}

impl Stack {
    /// The pieces of a slice with every vertex where the slices around it say.
    fn evened(&self, at: usize, own: &[Polygon]) -> Vec<Polygon> {
        let longest_mm = vertices_apart_mm(self.length_mm);
        let dense: Vec<Polygon> = own
            .iter()
            .map(|piece| Polygon {
                outer: refined(&piece.outer, longest_mm),
                holes: piece.holes.iter().map(|hole| refined(hole, longest_mm)).collect(),
            })
            .collect();
        let moves: Vec<Vec<Vec<Vector2>>> =
            dense.iter().map(|piece| piece.rings().map(|ring| self.moves(at, ring)).collect()).collect();
        // By less where outlines would cross.
        let parts = [1.0, 0.5, 0.25].into_iter().map(|part| carried(&dense, &moves, part));
        parts.into_iter().find(|own| are_apart(own)).unwrap_or_else(|| own.to_vec())
    }

    fn moves(&self, at: usize, ring: &Ring) -> Vec<Vector2> {
        let count = ring.len();
        let vertex = |index: usize| {
            let normal = outward(ring[(index + 1) % count] - ring[(index + count - 1) % count]);
            normal * self.move_mm(at, ring[index], normal)
        };
        (0..count).map(vertex).collect()
    }

    /// How far outward a point of an outline of a slice goes, mm.
    fn move_mm(&self, at: usize, point: Point2, normal: Vector2) -> f64 {
        let (below, above) = (self.way(at, -1, point, normal), self.way(at, 1, point, normal));
        let pairs = below.len().min(above.len());
        // Sums of weights times powers of the height, and of these times what is seen there.
        let (mut powers, mut seen) = ([0.0; 5], [0.0; 3]);
        powers[0] = 1.0;
        for Sample { height, outward_mm, weight } in below[..pairs].iter().chain(&above[..pairs]) {
            let mut term = *weight;
            for (power, sum) in powers.iter_mut().enumerate() {
                *sum += term;
                if let Some(sum) = seen.get_mut(power) {
                    *sum += term * outward_mm;
                }
                term *= height;
            }
        }
        powers[4] += STIFFNESS;
        let [s0, s1, s2, s3, s4] = powers;
        let determinant = |a: f64, b: f64, c: f64| {
            a * (s2 * s4 - s3 * s3) - b * (s1 * s4 - s2 * s3) + c * (s1 * s3 - s2 * s2)
        };
        let whole = determinant(s0, s1, s2);
        if pairs == 0 || whole <= 1e-9 {
            return 0.0;
        }
        let [t0, t1, t2] = seen;
        let tilt = s0 * (t1 * s4 - s3 * t2) - t0 * (s1 * s4 - s3 * s2) + s2 * (s1 * t2 - t1 * s2);
        // Along a slanting surface it is farther than from slice to slice.
        let slope = tilt / whole / self.length_mm;
        let off = determinant(t0, t1, t2) / whole / (1.0 + slope * slope);
        off.clamp(-self.length_mm, self.length_mm)
    }

    /// What is seen from a point going up (1) or down (-1), slice after slice, until the surface ends.
    fn way(&self, at: usize, step: isize, point: Point2, normal: Vector2) -> Vec<Sample> {
        let mut way = Vec::new();
        let mut next = at.checked_add_signed(step).filter(|next| *next < self.lines.len());
        while let Some(level) = next {
            let height_mm = self.heights_mm[level] - self.heights_mm[at];
            if height_mm.abs() > FIT_REACH * self.length_mm {
                break;
            }
            let Some((outward_mm, trust)) = self.lines[level].seen_from(point, normal) else { break };
            let square = height_mm * height_mm + outward_mm * outward_mm;
            let weight = trust * (-0.5 * square / (self.length_mm * self.length_mm)).exp();
            if weight < LEAST_WEIGHT {
                break;
            }
            way.push(Sample { height: height_mm / self.length_mm, outward_mm, weight });
            next = level.checked_add_signed(step).filter(|next| *next < self.lines.len());
        }
        way
    }
}

/// What is seen on another slice.
struct Sample {
    /// In lengths.
    height: f64,
    outward_mm: f64,
    weight: f64,
}

/// The pieces with a part of these moves, and without needless vertices.
fn carried(pieces: &[Polygon], moves: &[Vec<Vec<Vector2>>], part: f64) -> Vec<Polygon> {
    let ring = |(ring, moves): (&Ring, &Vec<Vector2>)| -> Ring {
        let moved: Ring = ring.iter().zip(moves).map(|(point, by)| point + by * part).collect();
        thin_ring(&moved, 0.01)
    };
    pieces
        .iter()
        .zip(moves)
        .map(|(piece, moves)| {
            let mut rings = piece.rings().zip(moves).map(ring);
            Polygon { outer: rings.next().unwrap_or_default(), holes: rings.collect() }
        })
        .collect()
}

/// Whether no outlines cross: together they cover what they cover one by one.
fn are_apart(pieces: &[Polygon]) -> bool {
    let own = area(pieces);
    let keep_their_way = pieces.iter().all(|piece| {
        crate::geometry::ring_area(&piece.outer) > 0.0
            && piece.holes.iter().all(|hole| crate::geometry::ring_area(hole) < 0.0)
    });
    keep_their_way && (area(&clip::union_all(pieces.to_vec())) - own).abs() <= 1e-5 * own
}

/// The region with each slice grown or shrunk evenly in its plane, so that what a slice of `before` has lost
/// the slices around it get back. A slice on which a piece would vanish by that stays as it is.
fn with_volume_of(own: &Region, before: &Region, volume: &Volume, length_mm: f64) -> Region {
    struct Share {
        slice: usize,
        height_mm: f64,
        lost_mm3: f64,
        surface_mm2: f64,
    }
    let around = |pieces: &[Polygon]| -> f64 {
        pieces.iter().flat_map(Polygon::rings).map(|ring| perimeter(ring)).sum()
    };
    let share = |(slice, pieces): (usize, &[Polygon])| {
        let thick_mm = volume.slice_thickness_mm(slice);
        Share {
            slice,
            height_mm: volume.slices[slice].plane.offset_mm(),
            lost_mm3: (area(before.on(slice)) - area(pieces)) * thick_mm,
            surface_mm2: around(pieces) * thick_mm,
        }
    };
    let shares: Vec<Share> = own.slices().map(share).collect();
    let weight = |one: &Share, other: &Share| {
        let apart = (one.height_mm - other.height_mm) / (BACK_OVER * length_mm);
        if apart.abs() > BACK_REACH { 0.0 } else { (-0.5 * apart * apart).exp() }
    };
    let surface = |of: &Share| shares.iter().map(|own| weight(of, own) * own.surface_mm2).sum::<f64>();
    let per_mm2: Vec<f64> =
        shares.iter().map(|own| own.lost_mm3 / surface(own).max(f64::MIN_POSITIVE)).collect();
    let changed = |own_share: &Share| {
        let pieces = own.on(own_share.slice);
        let by: f64 = shares.iter().zip(&per_mm2).map(|(other, lost)| weight(own_share, other) * lost).sum();
        let next = if by > 0.0 {
            offset::grown(&[(pieces, Reach::disc(by))], 0.002)
        } else {
            offset::shrunk(pieces, &[(pieces, Reach::disc(-by))], 0.002)
        };
        (own_share.slice, if next.len() < pieces.len() { pieces.to_vec() } else { next })
    };
    Region::from_slices(shares.par_iter().map(changed).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
