//! Smoothing a mask's outline on a leash: every vertex stays on its own edge between two centres.

use crate::geometry::{Point2, Vector2, ring_area};

/// Rounds of one inward and one outward step each; removes stairs of up to about ten voxels.
const ROUNDS: usize = 40;
/// Taubin's pass-band steps.
const SHRINK: f64 = 0.6;
const GROW: f64 = -0.62;
/// How close to a centre a vertex of a mask's outline may come.
const LEASH: f64 = 0.04;

/// Smooths a ring in voxel-index coordinates whose every vertex lies half way between two
/// neighbouring centres, then makes its area the number of voxels it encloses.
pub(super) fn smooth(ring: &mut [Point2]) {
    let n = ring.len();
    // Half-way outlines cut an eighth of a voxel off each of the four corners that a closed
    // voxel outline has more of one kind than of the other.
    let area = ring_area(ring);
    let wanted = area.abs() + 0.5;
    let edges: Vec<Edge> = ring.iter().map(|vertex| Edge::of(*vertex)).collect();
    if n > 4 {
        let mut next = vec![0.0; n];
        let mut at: Vec<f64> = edges.iter().map(|edge| edge.of_point).collect();
        for round in 0..2 * ROUNDS {
            let factor = if round % 2 == 0 { SHRINK } else { GROW };
            for own in 0..n {
                let before = if own == 0 { n - 1 } else { own - 1 };
                let after = if own + 1 == n { 0 } else { own + 1 };
                let (p, q) = (ring[before], ring[after]);
                // Where the neighbours' chord passes, weighted by how near each is.
                let (to_p, to_q) = ((ring[own] - p).norm(), (q - ring[own]).norm());
                let foot = p + (q - p) * (to_p / (to_p + to_q).max(1e-9));
                let move_by = edges[own].along(foot - ring[own]);
                next[own] = (at[own] + factor * move_by).clamp(LEASH, 1.0 - LEASH);
            }
            std::mem::swap(&mut at, &mut next);
            for own in 0..n {
                ring[own] = edges[own].point(at[own]);
            }
        }
    }
    fit_area(ring, &edges, wanted * area.signum());
}

/// Widens or narrows the ring evenly until it has the (signed) area.
fn fit_area(ring: &mut [Point2], edges: &[Edge], wanted: f64) {
    let n = ring.len();
    for _ in 0..12 {
        let missing = wanted - ring_area(ring);
        if missing.abs() < 1e-4 * wanted.abs() {
            return;
        }
        // Half of the neighbours' chord turned outwards: its component along the edge is how fast
        // the area grows with the vertex. Equal normal shifts need t in proportion to 1 / cosine.
        let rates: Vec<(f64, f64)> = (0..n)
            .map(|own| {
                let chord = ring[(own + 1) % n] - ring[(own + n - 1) % n];
                let outward = Vector2::new(chord.y, -chord.x) / 2.0;
                let length = outward.norm().max(1e-9);
                let cosine = edges[own].along(outward) / length;
                let shift = if cosine.abs() < 0.3 { 0.3_f64.copysign(cosine) } else { cosine };
                (edges[own].along(outward), 1.0 / shift)
            })
            .collect();
        let free = |own: usize, step: f64| {
            let t = edges[own].parameter(ring[own]);
            if step > 0.0 { t < 1.0 - LEASH } else { t > LEASH }
        };
        let gain: f64 = (0..n)
            .filter(|own| free(*own, rates[*own].1 * missing.signum()))
            .map(|own| rates[own].0 * rates[own].1)
            .sum();
        if gain < 1e-9 {
            return;
        }
        let shift = (missing / gain).clamp(-0.3, 0.3);
        for own in 0..n {
            let t = edges[own].parameter(ring[own]) + shift * rates[own].1;
            ring[own] = edges[own].point(t.clamp(LEASH, 1.0 - LEASH));
        }
    }
}

/// The line between two neighbouring centres that a vertex slides on.
struct Edge {
    start: Point2,
    horizontal: bool,
    of_point: f64,
}

impl Edge {
    fn of(vertex: Point2) -> Self {
        let horizontal = vertex.y.fract() == 0.0;
        let start = Point2::new(vertex.x.floor(), vertex.y.floor());
        Self { start, horizontal, of_point: if horizontal { vertex.x - start.x } else { vertex.y - start.y } }
    }

    fn along(&self, vector: Vector2) -> f64 {
        if self.horizontal { vector.x } else { vector.y }
    }

    fn parameter(&self, point: Point2) -> f64 {
        self.along(point - self.start)
    }

    fn point(&self, t: f64) -> Point2 {
        if self.horizontal {
            Point2::new(self.start.x + t, self.start.y)
        } else {
            Point2::new(self.start.x, self.start.y + t)
        }
    }
}
