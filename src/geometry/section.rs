//! Outlines of a stack of parallel contour planes on any other plane: sagittal, coronal, oblique.
//!
//! On the line where the cutting plane meets a contour plane, the section is exactly what the
//! contours there say. Between neighbouring planes the stretches of the two lines are joined
//! straight where they overlap; a stretch without a counterpart ends flat at the border of its
//! slab, half way to the next image slice, as the volume rule counts it. A gap or a neighbour that
//! appears between two planes does so half way. Planes whose slabs do not meet (a slice without
//! contours, a missing slice) are not joined. A plane at less than 30 degrees to the stack meets it in
//! lines far apart: there the same is done on lines between them too, where both planes' contours,
//! looked at along the normal, share out what the line holds by their distance.

use super::rings::nested;
use super::stroke::line_intervals;
use super::{Plane, Point2, Point3, Polygon, Ring, Vector2};

/// One contour plane and the slab of space it stands for.
#[derive(Debug, Clone, Copy)]
pub struct Slab<'a> {
    /// The contour plane.
    pub plane: Plane,
    /// How far the slab reaches against the normal, mm: half the distance to the slice below.
    pub below_mm: f64,
    /// How far it reaches along the normal, mm.
    pub above_mm: f64,
    /// The contours, in the plane's coordinates; disjoint.
    pub polygons: &'a [Polygon],
}

impl Slab<'_> {
    /// Whether `next`, the slab above, begins where this one ends (within a tenth of a millimetre).
    #[must_use]
    pub fn meets(&self, next: &Self) -> bool {
        let gap = next.plane.offset_mm() - next.below_mm - (self.plane.offset_mm() + self.above_mm);
        gap.abs() <= 0.1 && !self.polygons.is_empty() && !next.polygons.is_empty()
    }
}

/// The section of a stack by `view`, in the coordinates of `view`.
///
/// `slabs` are parallel and sorted by offset along their common normal. An empty stack, and a
/// plane that passes by, give nothing. On a plane parallel to the stack the section is the slab's
/// contours, carried over.
#[must_use]
pub fn cut(slabs: &[Slab], view: &Plane) -> Vec<Polygon> {
    let Some(first) = slabs.first() else { return Vec::new() };
    let normal = first.plane.normal();
    let cosine = normal.dot(&view.normal());
    let common = normal.cross(&view.normal());
    if common.norm() < 1e-3 {
        return parallel(slabs, view, cosine.signum());
    }
    let sine = common.norm();
    let common = common.normalize();
    // The point of the common line of `view` and the stack's plane at `offset` where the common
    // direction's coordinate is zero.
    let foot = |offset: f64| {
        let square = 1.0 - cosine * cosine;
        let along_stack = (offset - cosine * view.offset_mm()) / square;
        let along_view = (view.offset_mm() - cosine * offset) / square;
        Point3::from(normal * along_stack + view.normal() * along_view)
    };
    // What the contours of a slab hold of the line at an offset, looked at along the normal.
    let held = |slab: &Slab, offset: f64| {
        let point = slab.plane.project(foot(offset));
        let direction = Vector2::new(slab.plane.u().dot(&common), slab.plane.v().dot(&common));
        merged(line_intervals(slab.polygons, point, direction))
    };
    let lines = if sine < FLAT {
        // How far a step along the stack's normal takes a line, and which way.
        let uphill = foot(1.0) - foot(0.0);
        lines_between(slabs, &held, (&foot, uphill - normal * normal.dot(&uphill)))
    } else {
        let line = |slab: &Slab| Line {
            offset_mm: slab.plane.offset_mm(),
            below_mm: slab.below_mm,
            above_mm: slab.above_mm,
            goes_on: false,
            stretches: held(slab, slab.plane.offset_mm()),
        };
        let mut lines: Vec<Line> = slabs.iter().map(line).collect();
        for (line, pair) in lines.iter_mut().zip(slabs.windows(2)) {
            line.goes_on = pair[0].meets(&pair[1]);
        }
        lines
    };
    let along = Vector2::new(view.u().dot(&common), view.v().dot(&common));
    let place = |offset: f64, s: f64| view.project(foot(offset)) + along * s;
    let carry = |ring: &Ring| -> Ring { ring.iter().map(|p| place(p.y, p.x)).collect() };
    Stack { lines: &lines }
        .outlines()
        .iter()
        .map(|polygon| {
            Polygon { outer: carry(&polygon.outer), holes: polygon.holes.iter().map(carry).collect() }
                .oriented()
        })
        .collect()
}

/// The sine of the angle below which the lines in which a plane meets the contour planes lie further apart
/// than what is between them can be told from: twice the slices' distance.
const FLAT: f64 = 0.5;

/// The lines between them are this far apart in the section, mm.
const LINE_MM: f64 = 0.5;

/// Stretches (from, to) of a line, mm along it.
type Stretches = Vec<(f64, f64)>;

/// What a line of the section, parallel to the contour planes, holds.
struct Line {
    offset_mm: f64,
    /// How far it stands for what lies beside it along the normal, mm.
    below_mm: f64,
    above_mm: f64,
    /// Whether the next line is of the same solid.
    goes_on: bool,
    stretches: Stretches,
}

/// Lines close to one another, wherever the plane may meet what the slabs' contours stand for: on each
/// contour plane, between those that meet, and out to the border of a slab that meets none.
fn lines_between(
    slabs: &[Slab],
    held: &dyn Fn(&Slab, f64) -> Stretches,
    (foot, drift): (&dyn Fn(f64) -> Point3, super::Vector3),
) -> Vec<Line> {
    // A step of a millimetre along the normal moves the line by so much over the contours.
    let (per_mm, way) = (drift.norm(), drift.normalize());
    // The offsets at which the line runs over the contours of a slab.
    let over = |slab: &Slab| {
        let base = way.dot(&foot(0.0).coords);
        let at = |p: &Point2| (way.dot(&slab.plane.lift(*p).coords) - base) / per_mm;
        let offsets = slab.polygons.iter().flat_map(|own| own.outer.iter().map(at));
        offsets.fold((f64::MAX, f64::MIN), |(low, high), at| (low.min(at), high.max(at)))
    };
    let spans: Vec<(f64, f64)> = slabs.iter().map(over).collect();
    let mut lines: Vec<Line> = Vec::new();
    // A line that runs over no contours is passed over; what lies before and after hangs together nowhere.
    let mut add = |at: f64,
                   step: f64,
                   goes_on: bool,
                   (low, high): (f64, f64),
                   held: &dyn Fn() -> Stretches| {
        if low - 2.0 * step <= at && at <= high + 2.0 * step {
            let half = step / 2.0;
            lines.push(Line { offset_mm: at, below_mm: half, above_mm: half, goes_on, stretches: held() });
        } else if let Some(last) = lines.last_mut() {
            last.goes_on = false;
        }
    };
    // Of an odd number of steps the middle of two planes lies between two lines.
    let steps_of = |mm: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousands at most")]
        let half = (mm * per_mm / LINE_MM / 2.0).ceil() as usize;
        2 * half + 1
    };
    for (k, slab) in slabs.iter().enumerate() {
        let own = slab.plane.offset_mm();
        let meets_below = k > 0 && slabs[k - 1].meets(slab);
        let meets_above = slabs.get(k + 1).is_some_and(|next| slab.meets(next));
        if !meets_below {
            // Half steps, so that the last line's share ends at the border.
            let steps = steps_of(slab.below_mm);
            let step = slab.below_mm / (steps as f64 + 0.5);
            for n in (1..=steps).rev() {
                let at = own - step * n as f64;
                add(at, step, true, spans[k], &|| held(slab, at));
            }
        }
        let next = slabs.get(k + 1).filter(|_| meets_above);
        let length = next.map_or(slab.above_mm, |next| next.plane.offset_mm() - own);
        let steps = steps_of(length);
        let step = length / (steps as f64 + if next.is_some() { 0.0 } else { 0.5 });
        add(own, step, true, spans[k], &|| held(slab, own));
        for n in 1..steps + usize::from(next.is_none()) {
            let at = own + step * n as f64;
            match next {
                Some(next) => {
                    let both = (spans[k].0.min(spans[k + 1].0), spans[k].1.max(spans[k + 1].1));
                    let t = (at - own) / length;
                    add(at, step, true, both, &|| between(&held(slab, at), &held(next, at), t));
                }
                None => add(at, step, n < steps, spans[k], &|| held(slab, at)),
            }
        }
    }
    lines
}

/// What a line between two planes holds, a part `t` of the way from the lower to the upper: stretches that
/// overlap are shared out, a gap that only one has closes half way, and so does a stretch without
/// counterpart end.
fn between(lower: &[(f64, f64)], upper: &[(f64, f64)], t: f64) -> Vec<(f64, f64)> {
    let is_lower = t < 0.5;
    let mut out: Vec<(f64, f64)> = Vec::new();
    let (mut a, mut b) = (0, 0);
    let share = |low: f64, high: f64| low + (high - low) * t;
    for (own, other) in groups(lower, upper) {
        let alone = if is_lower { &lower[a..own.start] } else { &upper[b..other.start] };
        out.extend_from_slice(alone);
        (a, b) = (own.end, other.end);
        let (first, last) = (lower[own.start], lower[own.end - 1]);
        let (from, to) = (share(first.0, upper[other.start].0), share(last.1, upper[other.end - 1].1));
        let (mut begin, open) = (from, if is_lower { &lower[own] } else { &upper[other] });
        let left = (1.0 - 2.0 * t).abs();
        for pair in open.windows(2) {
            let (middle, half) = (f64::midpoint(pair[0].1, pair[1].0), (pair[1].0 - pair[0].1) / 2.0 * left);
            let (low, high) = ((middle - half).max(begin), (middle + half).min(to));
            if low > begin && high > low {
                out.push((begin, low));
                begin = high;
            }
        }
        if to > begin {
            out.push((begin, to));
        }
    }
    out.extend_from_slice(if is_lower { &lower[a..] } else { &upper[b..] });
    out.sort_by(|a, b| a.0.total_cmp(&b.0));
    merged(out)
}

fn parallel(slabs: &[Slab], view: &Plane, sense: f64) -> Vec<Polygon> {
    let offset = view.offset_mm() * sense;
    let holds = |slab: &&Slab| {
        let height = offset - slab.plane.offset_mm();
        -slab.below_mm <= height && height < slab.above_mm
    };
    let Some(slab) = slabs.iter().find(holds) else { return Vec::new() };
    let carry = |ring: &Ring| -> Ring { ring.iter().map(|p| view.project(slab.plane.lift(*p))).collect() };
    slab.polygons
        .iter()
        .map(|polygon| {
            Polygon { outer: carry(&polygon.outer), holes: polygon.holes.iter().map(carry).collect() }
                .oriented()
        })
        .collect()
}

/// Joins stretches that touch or overlap (pieces that share an edge).
fn merged(mut stretches: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    stretches.dedup_by(|next, kept| {
        let touch = next.0 <= kept.1;
        if touch {
            kept.1 = kept.1.max(next.1);
        }
        touch
    });
    stretches
}

/// The stretches of every line, and how their ends are linked into outlines.
struct Stack<'a> {
    lines: &'a [Line],
}

/// Where an outline goes on from an end of a stretch.
#[derive(Clone, Copy)]
enum Link {
    /// To the same side of a stretch of the neighbouring line.
    Straight(usize),
    /// To the facing end of the next stretch of the same line, around the gap's tip.
    Around(usize),
    /// Along the border of the slab to the other end of the same stretch.
    Cap,
}

impl Stack<'_> {
    /// Outlines in (s, offset) coordinates: right ends are walked upwards, left ends downwards, so
    /// that the inside is on the left of the walk.
    fn outlines(&self) -> Vec<Polygon> {
        let count = self.lines.len();
        // up[k][n]: from the right end; down[k][n]: from the left end.
        let mut up: Vec<Vec<Link>> =
            self.lines.iter().map(|line| vec![Link::Cap; line.stretches.len()]).collect();
        let mut down = up.clone();
        for k in 1..count {
            if self.lines[k - 1].goes_on {
                let (lower, upper) = (&self.lines[k - 1].stretches, &self.lines[k].stretches);
                for (a, b) in groups(lower, upper) {
                    up[k - 1][a.end - 1] = Link::Straight(b.end - 1);
                    down[k][b.start] = Link::Straight(a.start);
                    for (n, link) in (a.start..).zip(&mut up[k - 1][a.start..a.end - 1]) {
                        *link = Link::Around(n + 1);
                    }
                    for (n, link) in (b.start..).zip(&mut down[k][b.start + 1..b.end]) {
                        *link = Link::Around(n);
                    }
                }
            }
        }
        let mut seen: Vec<Vec<bool>> =
            self.lines.iter().map(|line| vec![false; line.stretches.len()]).collect();
        let mut rings = Vec::new();
        for k in 0..count {
            for n in 0..self.lines[k].stretches.len() {
                if !seen[k][n] {
                    rings.push(self.walk((k, n), &up, &down, &mut seen));
                }
            }
        }
        nested(rings.into_iter().filter(|ring| ring.len() >= 3).collect())
    }

    /// The ring through the right end of a stretch.
    fn walk(
        &self,
        start: (usize, usize),
        up: &[Vec<Link>],
        down: &[Vec<Link>],
        seen: &mut [Vec<bool>],
    ) -> Ring {
        let place = |offset: f64, s: f64| Point2::new(s, offset);
        let mut ring: Ring = Vec::new();
        let (mut k, mut n) = start;
        let mut right = true;
        loop {
            let line = &self.lines[k];
            let (stretch, own) = (line.stretches[n], line.offset_mm);
            if right {
                if seen[k][n] {
                    break;
                }
                seen[k][n] = true;
                ring.push(place(own, stretch.1));
                match up[k][n] {
                    Link::Straight(next) => (k, n) = (k + 1, next),
                    Link::Around(next) => {
                        let tip = f64::midpoint(own, self.lines[k + 1].offset_mm);
                        ring.push(place(tip, f64::midpoint(stretch.1, line.stretches[next].0)));
                        (n, right) = (next, false);
                    }
                    Link::Cap => {
                        ring.push(place(own + line.above_mm, stretch.1));
                        ring.push(place(own + line.above_mm, stretch.0));
                        right = false;
                    }
                }
            } else {
                ring.push(place(own, stretch.0));
                match down[k][n] {
                    Link::Straight(next) => (k, n) = (k - 1, next),
                    Link::Around(next) => {
                        let tip = f64::midpoint(own, self.lines[k - 1].offset_mm);
                        ring.push(place(tip, f64::midpoint(stretch.0, line.stretches[next].1)));
                        (n, right) = (next, true);
                    }
                    Link::Cap => {
                        ring.push(place(own - line.below_mm, stretch.0));
                        ring.push(place(own - line.below_mm, stretch.1));
                        right = true;
                    }
                }
            }
        }
        ring.dedup();
        ring
    }
}

/// The runs of stretches of two lines that hang together by overlapping one another.
fn groups(
    lower: &[(f64, f64)],
    upper: &[(f64, f64)],
) -> Vec<(std::ops::Range<usize>, std::ops::Range<usize>)> {
    let mut out: Vec<(std::ops::Range<usize>, std::ops::Range<usize>)> = Vec::new();
    let (mut a, mut b) = (0, 0);
    while a < lower.len() && b < upper.len() {
        if lower[a].1 <= upper[b].0 {
            a += 1;
        } else if upper[b].1 <= lower[a].0 {
            b += 1;
        } else {
            match out.last_mut() {
                Some((own, other)) if own.end == a + 1 || other.end == b + 1 => {
                    own.end = a + 1;
                    other.end = b + 1;
                }
                _ => out.push((a..a + 1, b..b + 1)),
            }
            if lower[a].1 < upper[b].1 { a += 1 } else { b += 1 }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::polygon::tests::square;
    use crate::geometry::{Vector3, ring_area};

    /// A ball of 10 mm around (0, 0, 30), of slices 3 mm apart, on planes at any angle to them.
    #[test]
    fn a_ball_is_a_disc_at_every_angle() {
        let disc = |z: f64| {
            let radius = (100.0 - (z - 30.0) * (z - 30.0)).max(0.0).sqrt();
            let at = |n: u32| (f64::from(n) * std::f64::consts::PI / 90.0).sin_cos();
            let ring = (0..180).map(at).map(|(sin, cos)| Point2::new(radius * cos, radius * sin)).collect();
            if radius > 0.0 { vec![Polygon::from_outer(ring)] } else { Vec::new() }
        };
        let stack: Vec<_> = (0..20).map(|k| f64::from(k) * 3.0).map(|z| (z, disc(z))).collect();
        let stack: Vec<_> = stack.into_iter().filter(|(_, polygons)| !polygons.is_empty()).collect();
        for degrees in [0.2_f64, 1.0, 3.0, 5.0, 10.0, 20.0, 29.0, 31.0, 45.0, 70.0, 90.0] {
            let (sin, cos) = degrees.to_radians().sin_cos();
            let view = Plane::new(Point3::new(0.0, 0.0, 30.0), Vector3::x(), Vector3::new(0.0, cos, sin));
            let view = view.unwrap();
            let section = cut(&slabs(&stack), &view);
            let area: f64 = section.iter().map(Polygon::area_mm2).sum();
            let wanted = std::f64::consts::PI * 100.0;
            assert!((area - wanted).abs() < 0.07 * wanted, "{area} mm2 at {degrees} degrees");
            assert_eq!(section.len(), 1, "in one at {degrees} degrees");
        }
    }

    /// A tube of 8 mm that leans by 40 degrees, of slices 3 mm apart: its section is an ellipse, without
    /// a step at the borders of the slabs.
    #[test]
    fn a_leaning_tube_is_an_ellipse_at_small_angles() {
        let lean = 40_f64.to_radians().tan();
        let ring = |z: f64| {
            let at = |n: u32| (f64::from(n) * std::f64::consts::PI / 90.0).sin_cos();
            (0..180).map(at).map(|(sin, cos)| Point2::new(8.0 * cos + lean * z, 8.0 * sin)).collect()
        };
        let stack: Vec<_> =
            (-10..=10).map(|k| f64::from(k) * 3.0).map(|z| (z, vec![Polygon::from_outer(ring(z))])).collect();
        for degrees in [1.0_f64, 5.0, 12.0, 20.0, 29.0] {
            for turn in [0.0_f64, 0.7, 1.6, 2.5] {
                let (sin, cos) = degrees.to_radians().sin_cos();
                let flat = Vector3::new(turn.cos(), turn.sin(), 0.0);
                let up = Vector3::new(-turn.sin() * cos, turn.cos() * cos, sin);
                let view = Plane::new(Point3::origin(), flat, up).unwrap();
                let section = cut(&slabs(&stack), &view);
                assert_eq!(section.len(), 1, "{degrees} {turn}");
                let off = |p: &Point2| {
                    let at = view.lift(*p);
                    (at.x - lean * at.z).hypot(at.y) - 8.0
                };
                let worst = section[0].outer.iter().map(|p| off(p).abs()).fold(0.0, f64::max);
                assert!(worst < 1.5, "{worst} mm off at {degrees} degrees, turned {turn}");
            }
        }
    }

    fn slabs(stack: &[(f64, Vec<Polygon>)]) -> Vec<Slab<'_>> {
        stack
            .iter()
            .map(|(z, polygons)| Slab { plane: Plane::axial(*z), below_mm: 1.5, above_mm: 1.5, polygons })
            .collect()
    }

    fn boxes(list: &[(f64, f64, f64)]) -> Vec<Polygon> {
        list.iter().map(|(x, y, side)| Polygon::from_outer(square(*x, *y, *side))).collect()
    }

    fn area(polygons: &[Polygon]) -> f64 {
        polygons.iter().map(Polygon::area_mm2).sum()
    }

    /// u = y, v = z at x.
    fn sagittal(x: f64) -> Plane {
        Plane::new(Point3::new(x, 0.0, 0.0), Vector3::y(), Vector3::z()).unwrap()
    }

    #[test]
    fn a_prism_is_a_rectangle_with_half_thickness_caps() {
        let stack: Vec<_> = (0..4).map(|k| (3.0 * f64::from(k), boxes(&[(0.0, 0.0, 10.0)]))).collect();
        let section = cut(&slabs(&stack), &sagittal(5.0));
        assert_eq!(section.len(), 1);
        assert!((area(&section) - 10.0 * 12.0).abs() < 1e-9);
        let (low, high) = section[0].bounds().unwrap();
        assert!(
            (low - Point2::new(0.0, -1.5)).norm() < 1e-9 && (high - Point2::new(10.0, 10.5)).norm() < 1e-9
        );
        assert!(ring_area(&section[0].outer) > 0.0);
        assert!(cut(&slabs(&stack), &sagittal(50.0)).is_empty() && cut(&[], &sagittal(5.0)).is_empty());
    }

    #[test]
    fn a_slice_without_contours_is_not_bridged() {
        let stack = [0.0, 3.0, 9.0].map(|z| (z, boxes(&[(0.0, 0.0, 10.0)])));
        let section = cut(&slabs(&stack), &sagittal(5.0));
        assert_eq!(section.len(), 2);
        assert!((area(&section) - (60.0 + 30.0)).abs() < 1e-9);
    }

    #[test]
    fn a_split_closes_half_way_and_a_stray_piece_is_capped() {
        let stack = [
            (0.0, boxes(&[(0.0, 0.0, 10.0)])),
            (3.0, boxes(&[(0.0, 0.0, 4.0), (0.0, 6.0, 4.0), (0.0, 20.0, 2.0)])),
        ];
        let section = cut(&slabs(&stack), &sagittal(2.0));
        assert_eq!(section.len(), 2);
        // The forked piece: 10 x 1.5 below, joined to two of 4 x 1.5 above, with a notch of width 2
        // and depth 1.5 in the 10 x 3 between.
        let forked = section.iter().map(Polygon::area_mm2).fold(0.0, f64::max);
        assert!((forked - (15.0 + 30.0 - 1.5 + 12.0)).abs() < 1e-9, "{forked}");
        assert!((area(&section) - forked - 2.0 * 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_cavity_is_a_hole() {
        let mut solid = Polygon::from_outer(square(0.0, 0.0, 10.0));
        let full = vec![solid.clone()];
        solid.holes.push(square(3.0, 3.0, 4.0));
        let stack = [(0.0, full.clone()), (3.0, vec![solid.oriented()]), (6.0, full)];
        let section = cut(&slabs(&stack), &sagittal(5.0));
        assert_eq!((section.len(), section[0].holes.len()), (1, 1));
        // The cavity is 4 wide at its plane and tapers to a tip half way to both neighbours.
        assert!((area(&section) - (90.0 - 4.0 * 3.0 / 2.0)).abs() < 1e-9);
    }

    #[test]
    fn uneven_planes_and_an_oblique_cut_pass_through_the_true_stretches() {
        let offsets: [f64; 4] = [0.0, 2.0, 5.0, 5.8];
        let stack: Vec<_> =
            offsets.iter().map(|z| (*z, boxes(&[(-10.0 - z, -8.0, 20.0 + 2.0 * z)]))).collect();
        let slabs: Vec<Slab> = stack
            .iter()
            .enumerate()
            .map(|(k, (z, polygons))| {
                let below = if k == 0 { 1.0 } else { (z - offsets[k - 1]) / 2.0 };
                let above = if k == 3 { 0.4 } else { (offsets[k + 1] - z) / 2.0 };
                Slab { plane: Plane::axial(*z), below_mm: below, above_mm: above, polygons }
            })
            .collect();
        let view =
            Plane::new(Point3::new(1.0, 2.0, 3.0), Vector3::new(1.0, 0.4, 0.3), Vector3::new(-0.2, 0.3, 1.0))
                .unwrap();
        let section = cut(&slabs, &view);
        assert_eq!(section.len(), 1);
        for slab in &slabs {
            for n in 0..200 {
                // Points of the view that lie on this contour plane.
                let line = slab.plane.normal().cross(&view.normal()).normalize();
                let across = view.normal().cross(&line);
                let start = Point3::from(view.normal() * view.offset_mm());
                let height = (slab.plane.offset_mm() - start.z) / across.z;
                let point = start + across * height + line * (f64::from(n) * 0.37 - 37.0);
                assert!(slab.plane.distance_mm(point).abs() < 1e-9);
                let in_plane = slab.plane.project(point);
                let near_edge = slab.polygons[0]
                    .outer
                    .iter()
                    .any(|v| (v.x - in_plane.x).abs() < 1e-6 || (v.y - in_plane.y).abs() < 1e-6);
                if !near_edge {
                    let inside = section.iter().any(|own| own.contains(view.project(point)));
                    assert_eq!(inside, slab.polygons.iter().any(|own| own.contains(in_plane)));
                }
            }
        }
    }

    #[test]
    fn a_parallel_view_shows_the_slab_it_lies_in() {
        let stack = [0.0, 3.0].map(|z| (z, boxes(&[(z, 0.0, 4.0)])));
        let section = cut(&slabs(&stack), &Plane::axial(2.0));
        assert_eq!(section, boxes(&[(3.0, 0.0, 4.0)]));
        assert!(cut(&slabs(&stack), &Plane::axial(5.0)).is_empty());
    }
}
