//! The exact signed distance to polygons on a grid of points, for blending and moving outlines.
//!
//! Unlike [`distance`](super::distance), which starts from voxels, this starts from the edges
//! themselves, so that the zero line of the field is the outline to a fraction of the grid.

use super::rasterise::{self, Frame};
use super::{Point2, Polygon, Vector2};

/// A square grid of points in plane coordinates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lattice {
    /// The first point.
    pub low: Point2,
    /// The distance between neighbouring points, mm; above zero.
    pub pitch_mm: f64,
    /// The number of points along the plane's axes.
    pub size: [usize; 2],
}

impl Lattice {
    /// The least grid of this pitch that covers `low..high` and `margin` points more on every side.
    #[must_use]
    pub fn covering(low: Point2, high: Point2, pitch_mm: f64, margin: usize) -> Self {
        let edge = pitch_mm * margin as f64;
        let count = |extent: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
            let count = (extent / pitch_mm).ceil().clamp(0.0, 20_000.0) as usize;
            count + 1 + 2 * margin
        };
        let size = [count(high.x - low.x), count(high.y - low.y)];
        Self { low: low - Vector2::new(edge, edge), pitch_mm, size }
    }

    /// The frame whose voxel centres are the grid's points.
    #[must_use]
    pub fn frame(&self) -> Option<Frame> {
        Frame::new(self.low, Vector2::new(self.pitch_mm, 0.0), Vector2::new(0.0, self.pitch_mm), self.size)
    }

    fn point(&self, x: usize, y: usize) -> Point2 {
        self.low + Vector2::new(x as f64, y as f64) * self.pitch_mm
    }
}

/// An edge from `from`, `along` it, and the square of its length.
#[derive(Debug, Clone, Copy)]
struct Edge {
    from: Point2,
    along: Vector2,
    length2: f64,
}

impl Edge {
    fn distance2(&self, point: Point2) -> f64 {
        let d = point - self.from;
        let t = if self.length2 > 0.0 { (d.dot(&self.along) / self.length2).clamp(0.0, 1.0) } else { 0.0 };
        (d - self.along * t).norm_squared()
    }
}

const NONE: u32 = u32::MAX;

/// The distance (mm) of each point of `lattice` to the nearest edge of `polygons`, negative inside
/// (holes are outside), x fastest. All infinite without polygons.
///
/// Each point takes over the nearest edge of its neighbours (Danielsson, "Euclidean distance
/// mapping", 1980) and measures it exactly; within two points of an edge the value is exact,
/// further off wrong by at most a small part of the pitch.
#[must_use]
pub fn signed(polygons: &[Polygon], lattice: &Lattice) -> Vec<f32> {
    let [nx, ny] = lattice.size;
    let edges: Vec<Edge> = polygons
        .iter()
        .flat_map(Polygon::rings)
        .flat_map(|ring| ring.iter().zip(ring.iter().cycle().skip(1)))
        .map(|(a, b)| Edge { from: *a, along: b - a, length2: (b - a).norm_squared() })
        .collect();
    let Some(frame) = lattice.frame().filter(|_| !edges.is_empty()) else {
        return vec![f32::INFINITY; nx * ny];
    };
    let mut field =
        Nearest { lattice, edges: &edges, edge: vec![NONE; nx * ny], square: vec![f64::MAX; nx * ny] };
    field.seed();
    field.spread();
    let inside = rasterise::polygons(polygons, &frame);
    field
        .square
        .iter()
        .zip(inside)
        .map(|(square, inside)| {
            #[expect(clippy::cast_possible_truncation, reason = "millimetres")]
            let distance = square.sqrt() as f32;
            if inside { -distance } else { distance }
        })
        .collect()
}

/// The nearest edge known so far of every point, and the squared distance to it.
struct Nearest<'a> {
    lattice: &'a Lattice,
    edges: &'a [Edge],
    edge: Vec<u32>,
    square: Vec<f64>,
}

impl Nearest<'_> {
    /// Measures the points around every edge.
    fn seed(&mut self) {
        let [nx, ny] = self.lattice.size;
        let pitch = self.lattice.pitch_mm;
        let low = self.lattice.low - Vector2::new(pitch, pitch) * 2.0;
        let high = self.lattice.point(nx, ny) + Vector2::new(pitch, pitch);
        for (index, edge) in self.edges.iter().enumerate() {
            let to = edge.from + edge.along;
            let (from, end) = (edge.from.inf(&to), edge.from.sup(&to));
            if end.x < low.x || end.y < low.y || from.x > high.x || from.y > high.y {
                continue;
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
            let steps = (edge.length2.sqrt() / pitch).ceil().clamp(1.0, 100_000.0) as u32;
            #[expect(clippy::cast_possible_truncation, reason = "far below 2^32 edges")]
            let index = index as u32;
            for step in 0..=steps {
                let at = edge.from + edge.along * (f64::from(step) / f64::from(steps)) - self.lattice.low;
                #[expect(clippy::cast_possible_truncation, reason = "grid indices")]
                let (x, y) = ((at.x / pitch).round() as i64, (at.y / pitch).round() as i64);
                for y in y - 1..=y + 1 {
                    for x in x - 1..=x + 1 {
                        if let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y))
                            && x < nx
                            && y < ny
                        {
                            self.offer(x, y, index);
                        }
                    }
                }
            }
        }
    }

    fn offer(&mut self, x: usize, y: usize, edge: u32) {
        let at = x + y * self.lattice.size[0];
        if edge == NONE || edge == self.edge[at] {
            return;
        }
        let square = self.edges[edge as usize].distance2(self.lattice.point(x, y));
        if square < self.square[at] {
            self.square[at] = square;
            self.edge[at] = edge;
        }
    }

    /// Passes edges on, down and up.
    fn spread(&mut self) {
        let ny = self.lattice.size[1];
        for y in 0..ny {
            self.row(y, y.checked_sub(1));
        }
        for y in (0..ny).rev() {
            self.row(y, (y + 1 < ny).then_some(y + 1));
        }
    }

    /// Takes over from the row `from`, then along the row itself both ways.
    fn row(&mut self, y: usize, from: Option<usize>) {
        let nx = self.lattice.size[0];
        if let Some(from) = from {
            for x in 0..nx {
                for near in x.saturating_sub(1)..(x + 2).min(nx) {
                    self.offer(x, y, self.edge[near + from * nx]);
                }
            }
        }
        for x in 1..nx {
            self.offer(x, y, self.edge[x - 1 + y * nx]);
        }
        for x in (0..nx.saturating_sub(1)).rev() {
            self.offer(x, y, self.edge[x + 1 + y * nx]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::polygon::tests::square;
    use super::*;

    #[test]
    fn the_distance_to_a_frame_is_exact() {
        let mut hole = square(3.0, 3.0, 4.0);
        hole.reverse();
        let frame = [Polygon { outer: square(0.0, 0.0, 10.0), holes: vec![hole] }];
        let lattice = Lattice::covering(Point2::new(-1.3, -1.7), Point2::new(12.0, 11.0), 0.5, 2);
        let field = signed(&frame, &lattice);
        let side = |low: f64, high: f64, at: f64| (low - at).max(at - high);
        for (index, got) in field.iter().enumerate() {
            let p = lattice.point(index % lattice.size[0], index / lattice.size[0]);
            let box_distance = |low: f64, high: f64| {
                let (x, y) = (side(low, high, p.x), side(low, high, p.y));
                if x > 0.0 && y > 0.0 { x.hypot(y) } else { x.max(y) }
            };
            let wanted = box_distance(0.0, 10.0).max(-box_distance(3.0, 7.0));
            assert!((f64::from(*got) - wanted).abs() < 1e-5, "{p:?}: {got} instead of {wanted}");
        }
        assert!(signed(&[], &lattice).iter().all(|value| value.is_infinite()));
    }
}
