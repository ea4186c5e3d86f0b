//! Cutting with a line: pieces come apart along it, and every part stays.
//!
//! Both parts have the cut's ends as vertices, so that they touch without a gap or an overlap and
//! their areas add up to what there was. All other vertices keep their bits.

use crate::geometry::{Plane, Point2, Point3, Polygon, Ring, Vector2, clip, ring_area};

/// Along a cut, ends closer than this are one place, mm.
const SAME_PLACE_MM: f64 = 1e-9;

/// The pieces, each that the segment crosses from one side of its outline to another split along
/// it. Where the segment ends inside a piece, and where it runs into a hole without parting the
/// piece, nothing is cut. Pieces that are not split come back in place with their bits; the parts of
/// one that is stand where it stood.
#[must_use]
pub fn split_by_line(polygons: &[Polygon], from: Point2, to: Point2) -> Vec<Polygon> {
    let length = (to - from).norm();
    let Some(direction) = (to - from).try_normalize(1e-9) else { return polygons.to_vec() };
    polygons
        .iter()
        .flat_map(|piece| split_piece(piece, from, direction, length).unwrap_or_else(|| vec![piece.clone()]))
        .collect()
}

/// A place where the line crosses a ring, on the edge after vertex `edge`.
#[derive(Debug, Clone, Copy)]
struct Crossing {
    ring: usize,
    edge: usize,
    /// Along the line, mm.
    at: f64,
    point: Point2,
    /// Whether the ring goes to the line's left here.
    rises: bool,
}

fn crossings(piece: &Polygon, from: Point2, direction: Vector2) -> Option<Vec<Crossing>> {
    let side = |point: &Point2| direction.perp(&(point - from));
    let mut found = Vec::new();
    for (ring, points) in piece.rings().enumerate() {
        for (edge, (a, b)) in points.iter().zip(points.iter().cycle().skip(1)).enumerate() {
            let (start, end) = (side(a), side(b));
            if (start > 0.0) == (end > 0.0) {
                continue;
            }
            // From the lower end, so that an edge gives one place whichever way it runs.
            let (low, high, low_side, high_side) =
                if start < end { (a, b, start, end) } else { (b, a, end, start) };
            let point = low + (high - low) * (low_side / (low_side - high_side));
            found.push(Crossing {
                ring,
                edge,
                at: direction.dot(&(point - from)),
                point,
                rises: end > start,
            });
        }
    }
    found.sort_by(|a, b| a.at.total_cmp(&b.at));
    // The inside lies between a ring going right and one going left of the line; of several
    // crossings in one place (a vertex on the line) the fitting one comes first.
    for index in 0..found.len() {
        let rises = index % 2 == 1;
        if found[index].rises != rises {
            let here = found[index].at + SAME_PLACE_MM;
            let other =
                (index + 1..found.len()).find(|n| found[*n].rises == rises && found[*n].at <= here)?;
            found.swap(index, other);
        }
    }
    (found.len() % 2 == 0).then_some(found)
}

/// A stop on the walk around a piece.
#[derive(Debug, Clone, Copy)]
struct Stop {
    point: Point2,
    next: usize,
    /// Whether it was made by the cut and is no longer wanted when the cut parts nothing.
    made: bool,
}

/// The parts of a piece; `None` when the line parts nothing.
fn split_piece(piece: &Polygon, from: Point2, direction: Vector2, length: f64) -> Option<Vec<Polygon>> {
    let crossings = crossings(piece, from, direction)?;
    let within = |crossing: &Crossing| crossing.at >= -SAME_PLACE_MM && crossing.at <= length + SAME_PLACE_MM;
    let chords: Vec<&[Crossing]> = crossings
        .chunks_exact(2)
        .filter(|ends| ends.iter().all(within) && ends[1].at - ends[0].at > SAME_PLACE_MM)
        .collect();
    if chords.is_empty() {
        return None;
    }
    let (mut stops, ends) = stops_of(piece, &chords, direction);
    // Each chord is walked both ways: from its start on the left side, from its end on the right.
    let link = |stops: &mut Vec<Stop>, [(left_in, left_out), (right_in, right_out)]: [(usize, usize); 2]| {
        stops[left_in].next = right_out;
        stops[right_in].next = left_out;
    };
    for pair in &ends {
        link(&mut stops, *pair);
    }
    // A chord with the same walk on both of its sides parts nothing and is taken back.
    let walks = walks_of(&stops);
    let mut parts = false;
    for [(left_in, left_out), (right_in, right_out)] in ends {
        if walks[left_in] == walks[right_in] {
            stops[left_in].next = left_out;
            stops[right_in].next = right_out;
        } else {
            parts = true;
            for stop in [left_in, left_out, right_in, right_out] {
                stops[stop].made = false;
            }
        }
    }
    parts.then(|| assembled(&stops)).filter(|parts| parts.len() > 1)
}

/// The way into a place and the way out of it.
type Through = (usize, usize);

/// All vertices and the chords' ends in the order of the rings, and for each chord the stops at its
/// start and end.
fn stops_of(piece: &Polygon, chords: &[&[Crossing]], direction: Vector2) -> (Vec<Stop>, Vec<[Through; 2]>) {
    let mut stops: Vec<Stop> = Vec::new();
    let mut ends = vec![[(0, 0); 2]; chords.len()];
    for (ring, points) in piece.rings().enumerate() {
        let first = stops.len();
        for (edge, vertex) in points.iter().enumerate() {
            stops.push(Stop { point: *vertex, next: stops.len() + 1, made: false });
            let mut here: Vec<(usize, usize, Crossing)> = Vec::new();
            for (chord, pair) in chords.iter().enumerate() {
                for (end, crossing) in pair.iter().enumerate() {
                    if (crossing.ring, crossing.edge) == (ring, edge) {
                        here.push((chord, end, *crossing));
                    }
                }
            }
            // An edge crosses a line once; still, in the edge's own order.
            let next = points[(edge + 1) % points.len()];
            let forward = (next - vertex).dot(&direction) >= 0.0;
            here.sort_by(|a, b| a.2.at.total_cmp(&b.2.at));
            if !forward {
                here.reverse();
            }
            for (chord, end, crossing) in here {
                let way_in = stops.len();
                stops.push(Stop { point: crossing.point, next: way_in + 1, made: true });
                stops.push(Stop { point: crossing.point, next: way_in + 2, made: true });
                ends[chord][end] = (way_in, way_in + 1);
            }
        }
        if let Some(last) = stops.last_mut() {
            last.next = first;
        }
    }
    (stops, ends)
}

/// For each stop the number of the walk it is on.
fn walks_of(stops: &[Stop]) -> Vec<usize> {
    let mut walks = vec![usize::MAX; stops.len()];
    for start in 0..stops.len() {
        let mut at = start;
        while walks[at] == usize::MAX {
            walks[at] = start;
            at = stops[at].next;
        }
    }
    walks
}

/// The pieces that the walks go around.
fn assembled(stops: &[Stop]) -> Vec<Polygon> {
    let mut seen = vec![false; stops.len()];
    let mut outers: Vec<Polygon> = Vec::new();
    let mut holes: Vec<Ring> = Vec::new();
    for start in 0..stops.len() {
        let mut ring: Ring = Vec::new();
        let mut at = start;
        while !seen[at] {
            seen[at] = true;
            if !stops[at].made {
                ring.push(stops[at].point);
            }
            at = stops[at].next;
        }
        ring.dedup();
        while ring.len() > 1 && ring.first() == ring.last() {
            ring.pop();
        }
        let area = ring_area(&ring);
        if ring.len() >= 3 && area > 1e-9 {
            outers.push(Polygon::from_outer(ring));
        } else if ring.len() >= 3 && area < -1e-9 {
            holes.push(ring);
        }
    }
    for hole in holes {
        let inside = |outer: &Polygon| {
            let own = Polygon::from_outer(outer.outer.clone());
            hole.iter().filter(|point| own.contains(**point)).count() * 2 > hole.len()
        };
        let around = outers
            .iter_mut()
            .filter(|outer| inside(outer))
            .min_by(|a, b| ring_area(&a.outer).total_cmp(&ring_area(&b.outer)));
        if let Some(outer) = around {
            outer.holes.push(hole);
        }
    }
    outers
}

/// A straight cut drawn in a view that is not the contours' own plane: the drawn line, widened to a
/// sheet by half of a thickness to either side of the view.
#[derive(Debug, Clone, Copy)]
pub struct Sheet {
    /// The view it was drawn in.
    pub view: Plane,
    /// The line's ends, patient mm on the view's plane.
    pub ends: [Point3; 2],
    /// The thickness of the slab it cuts, mm.
    pub thickness_mm: f64,
}

impl Sheet {
    /// What the sheet parts on `plane`: of each piece within the slab that the sheet crosses from
    /// edge to edge, the parts to the left and to the right of the line as the view shows it.
    /// `None` where the sheet does not reach, and on a plane that the line runs along.
    #[must_use]
    pub fn parts(&self, polygons: &[Polygon], plane: &Plane) -> Option<[Vec<Polygon>; 2]> {
        let [from, to] = self.ends;
        let line = to - from;
        let slope = plane.normal().dot(&line);
        if slope.abs() < 1e-6 * line.norm() || line.norm() < 1e-9 {
            return None;
        }
        // The sheet's own plane meets `plane` in a line along `along`.
        let facing = self.view.normal().cross(&line).normalize();
        let along = plane.normal().cross(&facing).try_normalize(1e-9)?;
        let reached = from + line * (-plane.distance_mm(from) / slope);
        let in_plane = |v: crate::geometry::Vector3| Vector2::new(plane.u().dot(&v), plane.v().dot(&v));
        let start = plane.project(reached);
        let direction = in_plane(along).try_normalize(1e-9)?;
        // How far along it the slab and the drawn line reach.
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        let mut bound = |rate: f64, least: f64, greatest: f64| {
            if rate.abs() < 1e-12 {
                if least > 0.0 || greatest < 0.0 {
                    high = f64::NEG_INFINITY;
                }
            } else {
                let (a, b) = (least / rate, greatest / rate);
                low = low.max(a.min(b));
                high = high.min(a.max(b));
            }
        };
        let half = self.thickness_mm / 2.0;
        bound(self.view.normal().dot(&along), -half, half);
        let reached_at = line.dot(&(reached - from)) / line.norm_squared();
        bound(line.dot(&along) / line.norm_squared(), -reached_at, 1.0 - reached_at);
        if low >= high || !(low.is_finite() && high.is_finite()) {
            return None;
        }
        let across = in_plane(self.view.normal());
        let slab_across = across.try_normalize(1e-9)?;
        let slab_half = half / across.norm();
        let margin = SAME_PLACE_MM * 1e4;
        let (a, b) = (start + direction * (low - margin), start + direction * (high + margin));
        let left = in_plane(facing);
        let mut sides = [Vec::new(), Vec::new()];
        for piece in polygons {
            let own = std::slice::from_ref(piece);
            let whole = piece.rings().flatten().all(|p| (p - start).dot(&slab_across).abs() <= slab_half);
            let inside =
                if whole { own.to_vec() } else { clip::slab(own, start, slab_across, -slab_half, slab_half) };
            for part in inside {
                let split = split_by_line(std::slice::from_ref(&part), a, b);
                if split.len() > 1 {
                    for side in split {
                        let middle = Point2::from(super::between::centroid(&side));
                        sides[usize::from((middle - start).dot(&left) < 0.0)].push(side);
                    }
                }
            }
        }
        Some(sides)
    }
}

/// The pieces with `parts`, which lie within them, taken off and put beside what is left.
#[must_use]
pub fn taken_off(polygons: &[Polygon], parts: &[Polygon]) -> Vec<Polygon> {
    let mut rest: Vec<Polygon> = Vec::new();
    for piece in polygons {
        let own = std::slice::from_ref(piece);
        if clip::intersection(own, parts).iter().map(Polygon::area_mm2).sum::<f64>() > 1e-6 {
            rest.extend(clip::difference(own, parts));
        } else {
            rest.push(piece.clone());
        }
    }
    rest.extend(parts.iter().cloned());
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Vector3;

    fn p(x: f64, y: f64) -> Point2 {
        Point2::new(x, y)
    }

    fn square(x: f64, y: f64, side: f64) -> Polygon {
        Polygon::from_outer(vec![p(x, y), p(x + side, y), p(x + side, y + side), p(x, y + side)])
    }

    fn with_hole() -> Polygon {
        let mut hole = square(8.0, 8.0, 4.0).outer;
        hole.reverse();
        Polygon { outer: square(0.0, 0.0, 20.0).outer, holes: vec![hole] }
    }

    fn areas(polygons: &[Polygon]) -> Vec<f64> {
        let mut areas: Vec<f64> = polygons.iter().map(Polygon::area_mm2).collect();
        areas.sort_by(f64::total_cmp);
        areas
    }

    fn close(got: &[f64], wanted: &[f64]) {
        assert_eq!(got.len(), wanted.len(), "{got:?}");
        assert!(got.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-9), "{got:?} instead of {wanted:?}");
    }

    #[test]
    fn a_line_splits_what_it_crosses_and_nothing_else() {
        let pieces = [square(0.0, 0.0, 10.0), square(30.0, 0.0, 10.0), square(0.0, 30.0, 10.0)];
        let cut = split_by_line(&pieces, p(-1.0, 3.0), p(12.0, 3.0));
        close(&areas(&cut), &[30.0, 70.0, 100.0, 100.0]);
        assert_eq!(cut[2..], pieces[1..]);
        let both = split_by_line(&pieces, p(-1.0, 2.0), p(45.0, 4.0));
        assert_eq!(both.len(), 5);
        assert_eq!(split_by_line(&pieces, p(-1.0, 3.0), p(5.0, 3.0)), pieces, "ends inside");
        assert_eq!(split_by_line(&pieces, p(-1.0, 30.0 - 1.0), p(12.0, 30.0 - 1.0)), pieces, "passes by");
        assert_eq!(split_by_line(&pieces, p(3.0, 3.0), p(3.0, 3.0)), pieces);
    }

    #[test]
    fn a_ring_is_parted_only_by_two_cuts() {
        let ring = [with_hole()];
        close(&areas(&split_by_line(&ring, p(-1.0, 10.0), p(21.0, 10.0))), &[192.0, 192.0]);
        // One side of the ring only: a slit parts nothing.
        assert_eq!(split_by_line(&ring, p(-1.0, 10.0), p(10.0, 10.0)), ring);
        // Beside the hole: it stays in the larger part.
        let beside = split_by_line(&ring, p(-1.0, 5.0), p(21.0, 5.0));
        close(&areas(&beside), &[100.0, 284.0]);
        assert_eq!(beside.iter().map(|piece| piece.holes.len()).sum::<usize>(), 1);
    }

    #[test]
    fn a_comb_comes_apart_into_its_teeth() {
        // Three teeth upwards from a bar.
        let comb = Polygon::from_outer(vec![
            p(0.0, 0.0),
            p(25.0, 0.0),
            p(25.0, 10.0),
            p(20.0, 10.0),
            p(20.0, 5.0),
            p(15.0, 5.0),
            p(15.0, 10.0),
            p(10.0, 10.0),
            p(10.0, 5.0),
            p(5.0, 5.0),
            p(5.0, 10.0),
            p(0.0, 10.0),
        ]);
        close(
            &areas(&split_by_line(std::slice::from_ref(&comb), p(-1.0, 8.0), p(26.0, 8.0))),
            &[10.0, 10.0, 10.0, 170.0],
        );
        close(
            &areas(&split_by_line(std::slice::from_ref(&comb), p(-1.0, 8.0), p(12.0, 8.0))),
            &[10.0, 190.0],
        );
        // Along the bottoms of the gaps, and through a corner.
        close(
            &areas(&split_by_line(std::slice::from_ref(&comb), p(-1.0, 5.0), p(26.0, 5.0))),
            &[25.0, 25.0, 25.0, 125.0],
        );
        let diagonal = split_by_line(&[square(0.0, 0.0, 10.0)], p(-2.0, -2.0), p(12.0, 12.0));
        close(&areas(&diagonal), &[50.0, 50.0]);
        close(&areas(&split_by_line(&[comb], p(5.0, -1.0), p(5.0, 12.0))), &[50.0, 150.0]);
    }

    #[test]
    fn random_cuts_keep_the_area_and_every_old_vertex() {
        let mut seed = 3_u32;
        let mut random = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(seed >> 8) / f64::from(1 << 24) * 50.0 - 15.0
        };
        let mut pieces = vec![with_hole(), square(9.0, 9.0, 2.0)];
        for _ in 0..40 {
            let next = split_by_line(&pieces, p(random(), random()), p(random(), random()));
            let (before, after): (f64, f64) = (areas(&pieces).iter().sum(), areas(&next).iter().sum());
            assert!((before - after).abs() < 1e-9);
            let has = |point: &Point2| next.iter().flat_map(Polygon::rings).any(|ring| ring.contains(point));
            assert!(pieces.iter().flat_map(Polygon::rings).flatten().all(has));
            let union: f64 = clip::union_all(next.clone()).iter().map(Polygon::area_mm2).sum();
            assert!((union - after).abs() < 1e-5, "parts do not overlap");
            pieces = next;
        }
        assert!(pieces.len() > 10, "{}", pieces.len());
    }

    #[test]
    fn a_sheet_cuts_its_slab_where_it_crosses() {
        let view = Plane::new(Point3::new(5.0, 0.0, 0.0), Vector3::y(), Vector3::z()).unwrap();
        let sheet = |thickness_mm| Sheet {
            view,
            ends: [Point3::new(5.0, 2.0, -10.0), Point3::new(5.0, 4.0, 10.0)],
            thickness_mm,
        };
        let block = [square(0.0, 0.0, 10.0)];
        // At z 0 the line stands at y 3.
        let [left, right] = sheet(40.0).parts(&block, &Plane::axial(0.0)).unwrap();
        let mut both = [areas(&left)[0], areas(&right)[0]];
        both.sort_by(f64::total_cmp);
        close(&both, &[30.0, 70.0]);
        // A slab of 4 mm takes 4 x 3 off.
        let [left, right] = sheet(4.0).parts(&block, &Plane::axial(0.0)).unwrap();
        let smaller = if areas(&left)[0] < areas(&right)[0] { left } else { right };
        assert!((areas(&smaller)[0] - 12.0).abs() < 1e-6);
        let off = taken_off(&block, &smaller);
        let got = areas(&off);
        assert!((got[0] - 12.0).abs() < 1e-6 && (got[1] - 88.0).abs() < 1e-6, "{got:?}");
        assert!(sheet(4.0).parts(&block, &Plane::axial(11.0)).is_none(), "beyond the line's end");
    }
}
