//! The section of a plane that lies flat to the contour planes: what they hold between them.
//!
//! Such a plane meets the contour planes in lines far apart. So there are lines between: on each, the pieces
//! of the two planes beside it that overlap are blended by their exact signed distances, looked at along the
//! normal (Raya and Udupa, IEEE Trans. Med. Imaging 9, 1990), and the line holds what is below zero. A piece
//! without counterpart ends flat at the border of its slab. A push carries the same solid; whether two pieces
//! overlap it tells by clipping them, here it is told on lines through both and by their vertices, so that
//! slivers in common that lie between those lines count there alone. The surface in 3D, for display, blends
//! whole planes at once: there a piece without counterpart, beside another that has one, ends within its slab
//! as a cone and not flat.
//!
//! Where outlines begin, end, split and join between two lines, further lines are put in.

use super::super::{Point2, Polygon};
use super::Slab;
use super::mix::{mixed, signed};
use super::outlines::{Line, Stretches, groups, merged};
use super::shape::{Shape, distance, on_line};
use rayon::prelude::*;
use std::ops::Range;

/// The lines are this far apart in the section, mm.
const LINE_MM: f64 = 0.5;

/// So many times the space between two lines is halved where outlines begin, end, split and join.
const HALVINGS: u32 = 4;

/// From so many lines on they are shared out among threads.
const MANY: usize = 160;

/// How the plane runs over the contour planes, in coordinates along its lines (x) and across them (y).
#[derive(Debug, Clone, Copy)]
pub(super) struct Course {
    /// The y of its line on the plane through the origin.
    pub base_mm: f64,
    /// How much further the line is for a millimetre along the normal; above zero.
    pub drift: f64,
    /// How far apart two lines are in the section for a millimetre along the normal.
    pub stretch: f64,
}

/// Outlines of the same section by another rule, in coordinates along the lines and across them in the
/// section, and their part in what is shown.
pub(super) struct Other {
    pub pieces: Vec<Shape>,
    pub part: f64,
}

/// Brings points of a slab's contours to the lines' coordinates; affine.
pub(super) type Carry<'a> = dyn Fn(&Slab, &Point2) -> Point2 + Sync + 'a;

/// The lines of the section of `slabs`.
pub(super) fn lines(slabs: &[Slab], carry: &Carry, course: Course, other: Option<&Other>) -> Vec<Line> {
    let spans: Vec<(f64, f64)> = slabs.iter().map(|slab| span(slab, carry, course)).collect();
    let is_widely = other.is_some();
    // The gaps that the plane passes within the contours' reach, and their lines.
    let mut passed: Vec<(Pair, Rows, Range<usize>)> = Vec::new();
    for (k, slab) in slabs.iter().enumerate() {
        let below = k.checked_sub(1).map(|k| &slabs[k]).filter(|below| below.meets(slab));
        let above = slabs.get(k + 1).filter(|above| slab.meets(above));
        let own = slab.plane.offset_mm();
        if below.is_none() {
            let rows = Rows::to_border(own, -slab.below_mm, course);
            let near = rows.near(spans[k], is_widely);
            passed.push(((k, None), rows, near));
        }
        let (rows, span) = match above {
            Some(above) => {
                let both = (spans[k].0.min(spans[k + 1].0), spans[k].1.max(spans[k + 1].1));
                (Rows::between(own, above.plane.offset_mm(), course), both)
            }
            None => (Rows::to_border(own, slab.above_mm, course), spans[k]),
        };
        let near = rows.near(span, is_widely);
        passed.push(((k, above.map(|_| k + 1)), rows, near));
    }
    let mut is_wanted = vec![false; slabs.len()];
    for ((k, next), _, near) in &passed {
        if !near.is_empty() {
            is_wanted[*k] = true;
            next.iter().for_each(|next| is_wanted[*next] = true);
        }
    }
    let is_large = passed.iter().map(|(_, _, near)| near.len()).sum::<usize>() >= MANY;
    let slabs_wanted: Vec<Option<&Slab>> =
        slabs.iter().zip(is_wanted).map(|(slab, is_wanted)| is_wanted.then_some(slab)).collect();
    let shapes: Vec<Vec<Shape>> =
        each(&slabs_wanted, is_large, |slab| slab.map_or_else(Vec::new, |slab| shapes(slab, carry)));
    let gaps: Vec<Option<Gap>> = each(&passed, is_large, |((k, next), _, near)| {
        let pieces = [&shapes[*k][..], next.map_or(&[][..], |next| &shapes[next])];
        let next = next.map(|next| slabs[next].plane.offset_mm());
        (!near.is_empty()).then(|| Gap::new(pieces, slabs[*k].plane.offset_mm(), next, course))
    });
    // The lines, and the gap that each is in or at the beginning of.
    let mut lines: Vec<(Line, &Gap)> = Vec::new();
    for ((_, rows, near), gap) in passed.iter().zip(&gaps) {
        rows.add(near, gap.as_ref(), &mut lines);
    }
    let held = each(&lines, is_large, |(line, gap)| gap.on_line(line.offset_mm, other));
    for ((line, _), held) in lines.iter_mut().zip(held) {
        line.stretches = held;
    }
    refined(lines, other)
}

/// What is made of each, on all cores when there is much to do.
fn each<T: Sync, R: Send>(items: &[T], is_large: bool, make: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if is_large { items.par_iter().map(&make).collect() } else { items.iter().map(make).collect() }
}

/// A slab, and the one above where they meet.
type Pair = (usize, Option<usize>);

/// The offsets along the normal at which the plane's lines run over the contours of a slab.
fn span(slab: &Slab, carry: &Carry, course: Course) -> (f64, f64) {
    let origin = carry(slab, &Point2::origin()).y;
    let axes = [Point2::new(1.0, 0.0), Point2::new(0.0, 1.0)].map(|axis| carry(slab, &axis).y - origin);
    let across = slab.polygons.iter().flat_map(|own| &own.outer).map(|p| axes[0] * p.x + axes[1] * p.y);
    let (low, high) = across.fold((f64::MAX, f64::MIN), |(low, high), y| (low.min(y), high.max(y)));
    let offset = |y: f64| (y + origin - course.base_mm) / course.drift;
    if low > high { (f64::MAX, f64::MIN) } else { (offset(low), offset(high)) }
}

/// The lines of a gap before it is known what they run over.
struct Rows {
    start_mm: f64,
    step_mm: f64,
    count: usize,
    /// Whether the first line after them is of the same solid.
    goes_on: bool,
}

impl Rows {
    /// An odd number of steps: the middle of two planes lies between two lines.
    fn steps(length_mm: f64, course: Course) -> usize {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousands at most")]
        let half = (length_mm * course.stretch / LINE_MM / 2.0).ceil() as usize;
        2 * half + 1
    }

    /// From a plane up to before the next.
    fn between(from_mm: f64, to_mm: f64, course: Course) -> Self {
        let count = Self::steps(to_mm - from_mm, course);
        Self { start_mm: from_mm, step_mm: (to_mm - from_mm) / count as f64, count, goes_on: true }
    }

    /// From a plane (with it) up to the border of its slab, or from the border below (`reach_mm` below zero)
    /// up to before it: the last line's share ends at the border.
    fn to_border(from_mm: f64, reach_mm: f64, course: Course) -> Self {
        let steps = Self::steps(reach_mm.abs(), course);
        let step_mm = reach_mm.abs() / (steps as f64 + 0.5);
        if reach_mm < 0.0 {
            Self { start_mm: from_mm - step_mm * steps as f64, step_mm, count: steps, goes_on: true }
        } else {
            Self { start_mm: from_mm, step_mm, count: steps + 1, goes_on: false }
        }
    }

    /// Those beside offsets; with `widely` as far as another rule may reach beyond.
    fn near(&self, (low, high): (f64, f64), widely: bool) -> Range<usize> {
        if low > high {
            return 0..0;
        }
        let room = 2.0 + if widely { self.count as f64 } else { 0.0 };
        let at = |offset: f64| (offset - self.start_mm) / self.step_mm;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let index = |at: f64| at.clamp(0.0, self.count as f64) as usize;
        index((at(low) - room).ceil())..index((at(high) + room).floor() + 1.0)
    }

    /// Adds those `near` of a gap, still without what they hold. What lies before and after lines left out
    /// hangs together nowhere.
    fn add<'a, 's>(
        &self,
        near: &Range<usize>,
        gap: Option<&'a Gap<'s>>,
        lines: &mut Vec<(Line, &'a Gap<'s>)>,
    ) {
        if near.start > 0 || gap.is_none() {
            lines.last_mut().into_iter().for_each(|(last, _)| last.goes_on = false);
        }
        let Some(gap) = gap else { return };
        let half_mm = self.step_mm / 2.0;
        for n in near.clone() {
            let line = Line {
                offset_mm: self.start_mm + self.step_mm * n as f64,
                below_mm: half_mm,
                above_mm: half_mm,
                goes_on: n + 1 < near.end || (near.end == self.count && self.goes_on),
                stretches: Vec::new(),
            };
            lines.push((line, gap));
        }
    }
}

/// The lines with more of them where something begins, ends, splits or joins between two.
fn refined(lines: Vec<(Line, &Gap)>, other: Option<&Other>) -> Vec<Line> {
    let mut out: Vec<Line> = Vec::with_capacity(lines.len() + 16);
    let mut lines = lines.into_iter().peekable();
    while let Some((line, gap)) = lines.next() {
        let goes_on = line.goes_on;
        out.push(line);
        if let Some((next, _)) = lines.peek().filter(|_| goes_on) {
            put_between(&mut out, next, gap, HALVINGS, other);
        }
    }
    // Each stands for what lies up to half way to the next.
    for n in 1..out.len() {
        if out[n - 1].goes_on {
            let half_mm = (out[n].offset_mm - out[n - 1].offset_mm) / 2.0;
            (out[n - 1].above_mm, out[n].below_mm) = (half_mm, half_mm);
        }
    }
    out
}

/// Puts lines between the last one and `next`.
fn put_between(out: &mut Vec<Line>, next: &Line, gap: &Gap, halvings: u32, other: Option<&Other>) {
    let Some(last) = out.last() else { return };
    let (from, to) = (last.offset_mm, next.offset_mm);
    if halvings == 0 || gap.breaks_within(from, to) || are_alike(&last.stretches, &next.stretches) {
        return;
    }
    let middle = f64::midpoint(from, to);
    let half_mm = (to - from) / 4.0;
    let line = Line {
        offset_mm: middle,
        below_mm: half_mm,
        above_mm: half_mm,
        goes_on: true,
        stretches: gap.on_line(middle, other),
    };
    put_between(out, &line, gap, halvings - 1, other);
    out.push(line);
    put_between(out, next, gap, halvings - 1, other);
}

/// Whether the stretches of two lines belong together one by one.
fn are_alike(lower: &[(f64, f64)], upper: &[(f64, f64)]) -> bool {
    lower.len() == upper.len()
        && lower.iter().zip(upper).all(|(a, b)| a.0 < b.1 && b.0 < a.1)
        && groups(lower, upper).len() == lower.len()
}

/// What lies between two planes, or between a plane and the border of its slab.
struct Gap<'a> {
    course: Course,
    from_mm: f64,
    length_mm: f64,
    /// The pieces of both planes that overlap one of the other.
    joined: [Vec<&'a Shape>; 2],
    /// The pieces of each that overlap none.
    alone: [Vec<&'a Shape>; 2],
}

/// What a line holds of a gap's pieces: of those that overlap, and of those alone.
struct Held {
    joined: [Stretches; 2],
    alone: Stretches,
}

impl<'a> Gap<'a> {
    /// Between the pieces of a plane and of the next; without a next, from the plane to the border of its slab.
    fn new([below, above]: [&'a [Shape]; 2], from_mm: f64, to_mm: Option<f64>, course: Course) -> Self {
        let mut meets = [vec![false; below.len()], vec![false; above.len()]];
        for (i, own) in below.iter().enumerate() {
            for (j, that) in above.iter().enumerate() {
                if !(meets[0][i] && meets[1][j]) && own.overlaps(that) {
                    (meets[0][i], meets[1][j]) = (true, true);
                }
            }
        }
        let part = |side: usize, wanted: bool| -> Vec<&'a Shape> {
            let pieces = [below, above][side].iter().zip(&meets[side]);
            pieces.filter(|(_, meets)| **meets == wanted).map(|(piece, _)| piece).collect()
        };
        Self {
            course,
            from_mm,
            length_mm: to_mm.map_or(f64::INFINITY, |to_mm| to_mm - from_mm),
            joined: [part(0, true), part(1, true)],
            alone: [part(0, false), part(1, false)],
        }
    }

    /// Whether pieces end flat between two offsets.
    fn breaks_within(&self, from_mm: f64, to_mm: f64) -> bool {
        let middle = self.from_mm + self.length_mm / 2.0;
        from_mm < middle && middle < to_mm && self.alone.iter().any(|alone| !alone.is_empty())
    }

    /// What the line at an offset holds.
    fn on_line(&self, offset_mm: f64, other: Option<&Other>) -> Stretches {
        let y = self.course.base_mm + self.course.drift * offset_mm;
        let t = (offset_mm - self.from_mm) / self.length_mm;
        let held = Held {
            joined: [0, 1].map(|side| on_line(&self.joined[side], y)),
            alone: on_line(self.pieces_alone(t), y),
        };
        let mut own = if t == 0.0 {
            held.joined[0].clone()
        } else {
            let from =
                |side: usize, x: f64| distance(&self.joined[side], Point2::new(x, y), &held.joined[side]);
            mixed([&held.joined[0], &held.joined[1]], t, &from)
        };
        if !held.alone.is_empty() {
            own.extend_from_slice(&held.alone);
            own.sort_by(|a, b| a.0.total_cmp(&b.0));
            own = merged(own);
        }
        let Some(Other { pieces, part }) = other else { return own };
        let across = offset_mm * self.course.stretch;
        let pieces: Vec<&Shape> = pieces.iter().collect();
        let drawn = on_line(&pieces, across);
        let from = |side: usize, x: f64| match side {
            0 => self.off(Point2::new(x, y), t, &held),
            _ => distance(&pieces, Point2::new(x, across), &drawn),
        };
        mixed([&own, &drawn], *part, &from)
    }

    fn pieces_alone(&self, t: f64) -> &[&'a Shape] {
        &self.alone[usize::from(t >= 0.5)]
    }

    /// How far a point of a line is from the borders of what the line holds, as the blend has it.
    fn off(&self, point: Point2, t: f64, held: &Held) -> f64 {
        let side = |pieces: &[&Shape], held: &Stretches| {
            let is_inside = held.iter().any(|(from, to)| (*from..*to).contains(&point.x));
            signed(distance(pieces, point, held), is_inside)
        };
        let blend = match &self.joined {
            [below, _] if below.is_empty() => f64::INFINITY,
            [below, above] => side(below, &held.joined[0]) * (1.0 - t) + side(above, &held.joined[1]) * t,
        };
        blend.min(side(self.pieces_alone(t), &held.alone)).abs()
    }
}

fn shapes(slab: &Slab, carry: &Carry) -> Vec<Shape> {
    let shape = |piece: &Polygon| Shape::of(piece, |point| carry(slab, point));
    slab.polygons.iter().map(shape).collect()
}
