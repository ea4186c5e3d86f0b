//! Drawn outlines as curves in space, and what they say of the function whose zero is the surface.

use super::implicit::Sample;
use crate::geometry::{Plane, Point2, Point3, Polygon, Ring, Vector2};

/// Points of all outlines that the surface passes through, about.
const ON_SURFACE: f64 = 240.0;
/// The share of [`ON_SURFACE`] that is enough, after points that say the same were left out.
const ENOUGH: f64 = 0.75;
/// The share of the spacing within which a point of another outline says the same already.
const SAME: f64 = 0.4;
/// How freely values beside the outlines may be missed, as a part of the spacing's cube. They tell
/// inside from outside; how fast the function changes across the surface is left to it, or an
/// ellipsoid would bulge between its outlines. (On ellipsoids of ratios up to 1 : 6 from three
/// outlines, 0.05 made volumes up to 4 % too large, 500 up to 2 % too small.)
const SLACK: f64 = 50.0;
/// The same on the outlines.
const SLACK_ON: f64 = 5e-4;

/// Axes in which the image slices are level: along their rows, down their columns, and the normal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axes {
    base: Plane,
}

impl Axes {
    pub(super) fn new(base: Plane) -> Self {
        Self { base }
    }

    pub(super) fn of(&self, point: Point3) -> [f64; 3] {
        [self.base.u(), self.base.v(), self.base.normal()].map(|axis| axis.dot(&point.coords))
    }
}

/// What was drawn on one plane.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drawn<'a> {
    pub plane: &'a Plane,
    pub polygons: &'a [Polygon],
}

/// A point of an outline, and the direction on its plane that leads out of what it encloses.
#[derive(Debug, Clone, Copy)]
struct OnOutline {
    point: Point2,
    outwards: Vector2,
}

/// Points of a ring no further apart than `spacing_mm`, evenly, at least eight.
fn spread(ring: &Ring, spacing_mm: f64) -> Vec<OnOutline> {
    let edges: Vec<(Point2, Vector2)> =
        ring.iter().zip(ring.iter().cycle().skip(1)).map(|(a, b)| (*a, b - a)).collect();
    let length: f64 = edges.iter().map(|(_, along)| along.norm()).sum();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let count = (length / spacing_mm).ceil().clamp(8.0, 100_000.0) as usize;
    let mut points = Vec::with_capacity(count);
    let (mut edge, mut before) = (0, 0.0);
    for n in 0..count {
        let at = length * n as f64 / count as f64;
        while edge + 1 < edges.len() && before + edges[edge].1.norm() <= at {
            before += edges[edge].1.norm();
            edge += 1;
        }
        let Some((from, along)) = edges.get(edge) else { break };
        let Some(unit) = along.try_normalize(1e-12) else { continue };
        points
            .push(OnOutline { point: from + unit * (at - before), outwards: Vector2::new(unit.y, -unit.x) });
    }
    points
}

fn are_near(a: &[f64; 3], b: &[f64; 3], mm: f64) -> bool {
    (0..3).map(|n| (a[n] - b[n]).powi(2)).sum::<f64>() < mm * mm
}

/// The signed distance to the outlines, negative inside.
pub(super) fn signed_distance(polygons: &[Polygon], point: Point2) -> f64 {
    let square = polygons
        .iter()
        .flat_map(Polygon::rings)
        .flat_map(|ring| ring.iter().zip(ring.iter().cycle().skip(1)))
        .map(|(a, b)| {
            let (along, d) = (b - a, point - a);
            let length2 = along.norm_squared();
            let t = if length2 > 0.0 { (d.dot(&along) / length2).clamp(0.0, 1.0) } else { 0.0 };
            (d - along * t).norm_squared()
        })
        .fold(f64::INFINITY, f64::min);
    if crate::edit::contains(polygons, point) { -square.sqrt() } else { square.sqrt() }
}

/// A point that the surface passes through.
struct Told<'c, 'a> {
    /// Of which plane.
    number: usize,
    own: &'c Drawn<'a>,
    place: OnOutline,
    /// Along the axes, mm.
    at: [f64; 3],
    /// An odd one of its ring.
    is_odd: bool,
}

/// Everything drawn, those first that count more where two say different things.
#[derive(Debug)]
pub(super) struct Curves<'a> {
    axes: Axes,
    drawn: Vec<Drawn<'a>>,
    /// The least and the greatest corner, mm along the axes.
    pub bounds: ([f64; 3], [f64; 3]),
    /// The distance between the points that the surface is made through, mm.
    pub spacing_mm: f64,
}

impl<'a> Curves<'a> {
    /// `None` when nothing is drawn.
    pub(super) fn new(axes: Axes, drawn: Vec<Drawn<'a>>, finest_mm: f64) -> Option<Self> {
        let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        let mut length = 0.0;
        for own in &drawn {
            for ring in own.polygons.iter().flat_map(Polygon::rings) {
                for (a, b) in ring.iter().zip(ring.iter().cycle().skip(1)) {
                    length += (b - a).norm();
                    let at = axes.of(own.plane.lift(*a));
                    for n in 0..3 {
                        low[n] = low[n].min(at[n]);
                        high[n] = high[n].max(at[n]);
                    }
                }
            }
        }
        if length <= 0.0 {
            return None;
        }
        let spacing_mm = (length / ON_SURFACE).max(finest_mm);
        let mut curves = Self { axes, drawn, bounds: (low, high), spacing_mm };
        // Outlines close to one another share their points: with many of them more are to be had.
        while (curves.points().len() as f64) < ENOUGH * ON_SURFACE && curves.spacing_mm > finest_mm {
            curves.spacing_mm = (curves.spacing_mm * 0.8).max(finest_mm);
        }
        Some(curves)
    }

    /// The longest side of the box around everything drawn, mm.
    pub(super) fn longest_mm(&self) -> f64 {
        let (low, high) = self.bounds;
        (0..3).map(|n| high[n] - low[n]).fold(0.0, f64::max)
    }

    fn each_ring(&self) -> impl Iterator<Item = (usize, &Drawn<'a>, &Ring)> {
        self.drawn.iter().enumerate().flat_map(|(number, own)| {
            own.polygons.iter().flat_map(Polygon::rings).map(move |ring| (number, own, ring))
        })
    }

    /// Points of all outlines, the spacing apart. Where two planes meet one of the two says it.
    fn points(&self) -> Vec<Told<'_, 'a>> {
        let mut points: Vec<Told<'_, 'a>> = Vec::new();
        for (number, own, ring) in self.each_ring() {
            for (n, place) in spread(ring, self.spacing_mm).into_iter().enumerate() {
                let at = self.axes.of(own.plane.lift(place.point));
                let near_mm = self.spacing_mm * SAME;
                if !points.iter().any(|told| told.number != number && are_near(&told.at, &at, near_mm)) {
                    points.push(Told { number, own, place, at, is_odd: n % 2 == 1 });
                }
            }
        }
        points
    }

    /// Zero on the outlines, and the distance within the plane at places half the spacing inside and
    /// outside them.
    pub(super) fn samples(&self) -> Vec<Sample> {
        let points = self.points();
        let mut beside = Vec::new();
        let reach = self.spacing_mm / 2.0;
        for Told { own, place, is_odd, .. } in &points {
            let way = if *is_odd { reach } else { -reach };
            let point = place.point + place.outwards * way;
            let value = signed_distance(own.polygons, point);
            // In a narrow place the other side of it is nearer, or the way leads through.
            if value * way > 0.0 && value.abs() > reach * 0.3 {
                beside.push((self.axes.of(own.plane.lift(point)), value));
            }
        }
        let on: Vec<[f64; 3]> = points.into_iter().map(|told| told.at).collect();
        let scale_mm = self.longest_mm() / 2.0;
        let cube = (self.spacing_mm / scale_mm).powi(3);
        let slack = SLACK * cube;
        let mut kept: Vec<Sample> = Vec::with_capacity(beside.len());
        for (at, value) in beside {
            let is_taken = on.iter().any(|there| are_near(there, &at, value.abs() * 0.7))
                || kept.iter().any(|other| are_near(&other.at, &at, reach * 0.5));
            if !is_taken {
                kept.push(Sample { at, value, slack });
            }
        }
        let zero = on.into_iter().map(|at| Sample { at, value: 0.0, slack: SLACK_ON * cube });
        zero.chain(kept).collect()
    }

    /// Places on all outlines no further apart than `spacing_mm`.
    pub(super) fn places(&self, spacing_mm: f64) -> Vec<[f64; 3]> {
        self.each_ring()
            .flat_map(|(_, own, ring)| {
                spread(ring, spacing_mm).into_iter().map(|place| self.axes.of(own.plane.lift(place.point)))
            })
            .collect()
    }

    /// Places inside what is drawn, at least `depth_mm` from its outlines where it is that wide.
    pub(super) fn insides(&self, depth_mm: f64) -> Vec<[f64; 3]> {
        let mut places = Vec::new();
        for (_, own, ring) in self.each_ring() {
            for place in spread(ring, self.spacing_mm) {
                let point = place.point - place.outwards * depth_mm;
                if crate::edit::contains(own.polygons, point) {
                    places.push(self.axes.of(own.plane.lift(point)));
                }
            }
        }
        places
    }
}
