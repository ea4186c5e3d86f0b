//! Smoother, fewer vertices, more slices, other slices.

use super::region::area;
use super::{AlgebraError, Region};
use crate::geometry::offset::{self, Reach};
use crate::geometry::thin::{thin, thin_ring};
use crate::geometry::{Point2, Polygon, Ring, Vector2, clip, perimeter, ring_area, section};
use crate::patient::{Roi, Volume};
use crate::progress::Progress;
use rayon::prelude::*;

/// The region with outlines smoothed in their planes over a length of about `length_mm`, every piece
/// keeping its area: a Gaussian of that standard deviation along the outline, then the offset that
/// gives the area back. Rings shorter than eight lengths stay as they are.
#[must_use]
pub fn smoothed(region: &Region, length_mm: f64) -> Region {
    if !(length_mm > 0.0) {
        return region.clone();
    }
    on_each_slice(region, |own| {
        let smooth: Vec<Polygon> = own
            .iter()
            .map(|piece| Polygon {
                outer: smooth_ring(&piece.outer, length_mm),
                holes: piece.holes.iter().map(|hole| smooth_ring(hole, length_mm)).collect(),
            })
            .collect();
        // Where a narrow place has crossed itself the union takes the crossing out.
        with_area(offset::grown(&[(&smooth, Reach::disc(0.0))], 0.01), area(own))
    })
}

/// Pieces grown or shrunk evenly until their common area is `wanted` (within 1e-4 of it).
fn with_area(mut own: Vec<Polygon>, wanted: f64) -> Vec<Polygon> {
    for _ in 0..4 {
        let missing = wanted - area(&own);
        let length: f64 = own.iter().flat_map(Polygon::rings).map(|ring| perimeter(ring)).sum();
        if missing.abs() <= 1e-4 * wanted || length <= 0.0 {
            break;
        }
        let by = missing / length;
        let next = if by > 0.0 {
            offset::grown(&[(&own, Reach::disc(by))], 0.005)
        } else {
            offset::shrunk(&own, &[(&own, Reach::disc(-by))], 0.005)
        };
        if (wanted - area(&next)).abs() >= missing.abs() {
            break;
        }
        own = next;
    }
    own
}

/// The ring with vertices put in so that no edge is longer than `longest_mm`.
pub(super) fn refined(ring: &[Point2], longest_mm: f64) -> Ring {
    let mut out = Vec::with_capacity(ring.len() * 2);
    for (a, b) in ring.iter().zip(ring.iter().cycle().skip(1)) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let parts = ((b - a).norm() / longest_mm).ceil().clamp(1.0, 5000.0) as u32;
        out.extend((0..parts).map(|part| a + (b - a) * (f64::from(part) / f64::from(parts))));
    }
    out
}

fn smooth_ring(ring: &[Point2], length_mm: f64) -> Ring {
    let whole = perimeter(ring);
    if whole < 8.0 * length_mm {
        return ring.to_vec();
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "32..=20000")]
    let count = (whole / length_mm * 4.0).ceil().clamp(32.0, 20_000.0) as usize;
    let step = whole / count as f64;
    let even = evenly(ring, count, step);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a dozen")]
    let reach = (3.0 * length_mm / step).ceil() as usize;
    let weights: Vec<f64> =
        (0..=reach).map(|n| (-0.5 * (n as f64 * step / length_mm).powi(2)).exp()).collect();
    let total = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
    let smooth: Ring = (0..count)
        .map(|at| {
            let mut sum = even[at].coords * weights[0];
            for (n, weight) in weights.iter().enumerate().skip(1) {
                sum +=
                    (even[(at + n) % count].coords + even[(at + count - n % count) % count].coords) * *weight;
            }
            Point2::from(sum / total)
        })
        .collect();
    if ring_area(&smooth) * ring_area(ring) > 0.0 { thin_ring(&smooth, 0.01) } else { ring.to_vec() }
}

/// Points `step` apart along the ring.
fn evenly(ring: &[Point2], count: usize, step: f64) -> Ring {
    let mut out = Vec::with_capacity(count);
    let mut walked = 0.0;
    for (a, b) in ring.iter().zip(ring.iter().cycle().skip(1)) {
        let along: Vector2 = b - a;
        let length = along.norm();
        while out.len() < count && out.len() as f64 * step < walked + length {
            out.push(a + along * ((out.len() as f64 * step - walked) / length));
        }
        walked += length;
    }
    while out.len() < count {
        out.push(ring[0]);
    }
    out
}

/// The region with those vertices left out that stand at most `tolerance_mm` from the line without
/// them. Where outlines would cross by that they are united.
#[must_use]
pub fn simplified_within(region: &Region, tolerance_mm: f64) -> Region {
    on_each_slice(region, |own| {
        let thin = thin(own, tolerance_mm);
        if thin == own { thin } else { clip::union_all(thin) }
    })
}

/// The region with at most `count` vertices, simplified to the smallest tolerance (within 1 %) that
/// does it; as few as tolerances up to 100 mm give where `count` is less.
#[must_use]
pub fn simplified_to(region: &Region, count: usize) -> Region {
    if region.vertex_count() <= count {
        return region.clone();
    }
    let (mut low, mut high) = (1e-4_f64, 100.0_f64);
    while high / low > 1.01 {
        let middle = (low * high).sqrt();
        let vertices: usize = region
            .slices()
            .flat_map(|(_, own)| thin(own, middle))
            .flat_map(|piece| piece.rings().map(Vec::len).collect::<Vec<_>>())
            .sum();
        if vertices > count { low = middle } else { high = middle }
    }
    simplified_within(region, high)
}

/// The region continued by up to `slices` slices at both ends, each end contour copied and made
/// smaller, by as much a millimetre as from the slice before it (never larger), until nothing is left of
/// it. Missing slices and the ends of the series stop it.
#[must_use]
pub fn extrapolated(region: &Region, volume: &Volume, slices: usize) -> Region {
    let Some((first, last)) = region.span() else { return Region::default() };
    let mut out = region.clone();
    let radius = |own: &[Polygon]| (area(own) / std::f64::consts::PI).sqrt();
    for up in [false, true] {
        let end = if up { last } else { first };
        let inner = if up { end.checked_sub(1) } else { Some(end + 1) };
        let own = region.on(end);
        let inner = inner.filter(|index| !region.on(*index).is_empty());
        let apart = |a: usize, b: usize| {
            let at = |index: usize| volume.slices.get(index).map(|slice| slice.plane.offset_mm());
            at(a).zip(at(b)).map_or(0.0, |(a, b)| (a - b).abs())
        };
        // By so much the radius shrinks a millimetre.
        let taper = inner
            .filter(|inner| apart(*inner, end) > 0.0)
            .map_or(0.0, |inner| ((radius(region.on(inner)) - radius(own)) / apart(inner, end)).max(0.0));
        for step in 1..=slices {
            let target = if up { end.checked_add(step) } else { end.checked_sub(step) };
            let Some(target) = target.filter(|n| volume.slices.get(*n).is_some_and(|s| !s.missing)) else {
                break;
            };
            let by = taper * apart(end, target);
            let next =
                if by > 0.0 { offset::shrunk(own, &[(own, Reach::disc(by))], 0.01) } else { own.to_vec() };
            if next.is_empty() {
                break;
            }
            out.put(target, next);
        }
    }
    out
}

/// The sections of an ROI, drawn on the slices of `drawn_on` (or on its own planes), by the slices of
/// `onto`: the contours of the slab that a slice lies in, on slices at an angle the section of the
/// stack. Missing slices take nothing.
///
/// # Errors
/// [`AlgebraError::Cancelled`].
pub fn resampled(
    roi: &Roi,
    drawn_on: Option<&Volume>,
    onto: &Volume,
    progress: &Progress,
) -> Result<Region, AlgebraError> {
    let slabs = roi.slabs(drawn_on);
    let cuts = onto
        .slices
        .par_iter()
        .enumerate()
        .filter(|(_, slice)| !slice.missing)
        .map(|(index, slice)| {
            progress.check()?;
            Ok((index, section::cut(&slabs, &slice.plane)))
        })
        .collect::<Result<Vec<_>, crate::progress::Cancelled>>()?;
    Ok(Region::from_slices(cuts))
}

fn on_each_slice(region: &Region, work: impl Fn(&[Polygon]) -> Vec<Polygon> + Sync) -> Region {
    let slices: Vec<(usize, &[Polygon])> = region.slices().collect();
    let done: Vec<_> = slices.par_iter().map(|(slice, own)| (*slice, work(own))).collect();
    Region::from_slices(done)
}
