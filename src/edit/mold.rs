//! Soft tools: push the outline along with a round tool, smooth it under one. Both move vertices
//! by a weight that falls from one at the tool's centre to nothing at its radius, so that what lies
//! outside keeps its bits and no corner is left at the rim.

mod cells;
mod space;

pub use space::{Level, smoothed_in_space};
pub(super) use space::{Line, outward};

use crate::geometry::{Point2, Polygon, Ring, Vector2};

/// Where a round tool meets a plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoundTool {
    /// Its centre's foot on the plane, plane mm.
    pub center: Point2,
    /// The distance of its centre from the plane, mm.
    pub height_mm: f64,
    /// Its radius, mm.
    pub radius_mm: f64,
}

impl RoundTool {
    /// One at the centre, 0 beyond the radius, smooth: (1 - s^2)^2.
    #[must_use]
    pub fn weight(&self, point: Point2) -> f64 {
        let square = (point - self.center).norm_squared() + self.height_mm * self.height_mm;
        let rest = 1.0 - square / (self.radius_mm * self.radius_mm);
        if rest > 0.0 { rest * rest } else { 0.0 }
    }

    /// The radius of its section by the plane, mm; 0 where it does not reach.
    #[must_use]
    pub fn reach_mm(&self) -> f64 {
        (self.radius_mm * self.radius_mm - self.height_mm * self.height_mm).max(0.0).sqrt()
    }

    fn meets(&self, ring: &Ring) -> bool {
        let reach = self.reach_mm();
        reach > 0.0
            && ring
                .iter()
                .zip(ring.iter().cycle().skip(1))
                .any(|(a, b)| distance_to_edge(self.center, *a, *b) < reach)
    }
}

/// The outlines dragged along while the tool moves `by` (plane mm): a point under the centre goes
/// with it, one at the rim stays. The move is made in steps of at most a quarter of the radius, each
/// of which is a one-to-one map of the plane, so that outlines never cross themselves or each other
/// and pieces neither split nor join.
#[must_use]
pub fn pushed(polygons: &[Polygon], tool: RoundTool, by: Vector2) -> Vec<Polygon> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few steps")]
    let steps = (by.norm() / (tool.radius_mm * 0.25)).ceil().clamp(1.0, 1000.0) as u32;
    let step = by / f64::from(steps);
    let longest = (tool.radius_mm / 12.0).max(0.1);
    let mut result = polygons.to_vec();
    for number in 0..steps {
        let here = RoundTool { center: tool.center + step * f64::from(number), ..tool };
        for piece in &mut result {
            for ring in std::iter::once(&mut piece.outer).chain(&mut piece.holes) {
                if here.meets(ring) {
                    let dense = refined(ring, here.center, here.reach_mm(), longest);
                    *ring = dense.into_iter().map(|point| point + step * here.weight(point)).collect();
                }
            }
        }
    }
    result
}

/// The outlines smoothed under the tool: wrinkles shorter than about its radius go, the volume
/// stays (Taubin's alternating steps, SIGGRAPH 1995; what small rings would still lose is given back
/// along the outline under the tool).
#[must_use]
pub fn smoothed_under(polygons: &[Polygon], tool: RoundTool) -> Vec<Polygon> {
    let spacing = (tool.radius_mm / 10.0).max(0.15);
    let mut result = polygons.to_vec();
    for piece in &mut result {
        let least = spacing * spacing * 4.0;
        for ring in std::iter::once(&mut piece.outer).chain(&mut piece.holes) {
            if tool.meets(ring) && crate::geometry::ring_area(ring).abs() > least {
                let even = evened(&refined(ring, tool.center, tool.reach_mm(), spacing), &tool, spacing);
                *ring = with_area(faired(even, &tool), crate::geometry::ring_area(ring), &tool, spacing);
            }
        }
    }
    result
}

/// The ring with points added on edges near `center`, so that none there is longer than `longest`.
fn refined(ring: &Ring, center: Point2, reach: f64, longest: f64) -> Ring {
    let mut dense = Vec::with_capacity(ring.len() * 2);
    for (a, b) in ring.iter().zip(ring.iter().cycle().skip(1)) {
        dense.push(*a);
        let length = (b - a).norm();
        if length > longest && distance_to_edge(center, *a, *b) < reach {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
            let parts = (length / longest).ceil().clamp(1.0, 5000.0) as u32;
            dense.extend((1..parts).map(|part| a + (b - a) * (f64::from(part) / f64::from(parts))));
        }
    }
    dense
}

/// The ring without points under the tool that stand closer than half of `spacing` to the last.
fn evened(ring: &Ring, tool: &RoundTool, spacing: f64) -> Ring {
    let mut even: Ring = Vec::with_capacity(ring.len());
    for point in ring {
        let crowded = even.last().is_some_and(|last| (point - last).norm() < spacing * 0.5);
        if !crowded || tool.weight(*point) == 0.0 {
            even.push(*point);
        }
    }
    if even.len() < 8 { ring.clone() } else { even }
}

fn faired(mut ring: Ring, tool: &RoundTool) -> Ring {
    let count = ring.len();
    let weights: Vec<f64> = ring.iter().map(|point| tool.weight(*point).sqrt()).collect();
    // There and back by the same factor: no wave grows, however often one strokes over it, and long
    // ones shrink by the fourth power of their frequency only.
    for factor in [0.5, -0.5].into_iter().cycle().take(20) {
        let old = ring.clone();
        for at in (0..count).filter(|at| weights[*at] > 0.0) {
            let (before, after) = (old[(at + count - 1) % count], old[(at + 1) % count]);
            let middle = nalgebra::center(&before, &after);
            ring[at] = old[at] + (middle - old[at]) * (factor * weights[at]);
        }
    }
    ring
}

/// The ring with its area, signed, brought to `wanted_mm2` by moving it along its normals under the tool,
/// at most by `longest`.
fn with_area(mut ring: Ring, wanted_mm2: f64, tool: &RoundTool, longest: f64) -> Ring {
    let count = ring.len();
    // How the area goes with each vertex.
    let slopes: Vec<Vector2> = (0..count)
        .map(|at| {
            let across: Vector2 = ring[(at + 1) % count] - ring[(at + count - 1) % count];
            Vector2::new(across.y, -across.x) * 0.5
        })
        .collect();
    let weights: Vec<f64> = ring.iter().map(|point| tool.weight(*point)).collect();
    let gain: f64 = slopes.iter().zip(&weights).map(|(slope, weight)| slope.norm() * weight).sum();
    if gain > 0.0 {
        let by = ((wanted_mm2 - crate::geometry::ring_area(&ring)) / gain).clamp(-longest, longest);
        for ((point, slope), weight) in ring.iter_mut().zip(slopes).zip(weights) {
            if weight > 0.0
                && let Some(normal) = slope.try_normalize(0.0)
            {
                *point += normal * (by * weight);
            }
        }
    }
    ring
}

/// The distance of a point from the stretch from `a` to `b`, mm.
#[must_use]
pub fn distance_to_edge(point: Point2, a: Point2, b: Point2) -> f64 {
    let along = b - a;
    let square = along.norm_squared();
    let t = if square > 0.0 { ((point - a).dot(&along) / square).clamp(0.0, 1.0) } else { 0.0 };
    (point - (a + along * t)).norm()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::clip;
    use std::f64::consts::{PI, TAU};

    fn circle(x: f64, y: f64, radius: f64, corners: u32) -> Polygon {
        let corner = |step: u32| {
            let angle = TAU * f64::from(step) / f64::from(corners);
            Point2::new(x + radius * angle.cos(), y + radius * angle.sin())
        };
        Polygon::from_outer((0..corners).map(corner).collect())
    }

    fn tool(x: f64, y: f64, radius_mm: f64) -> RoundTool {
        RoundTool { center: Point2::new(x, y), height_mm: 0.0, radius_mm }
    }

    #[test]
    fn a_wall_is_pushed_and_the_far_side_keeps_its_bits() {
        let wall = [Polygon::from_outer(
            [(0.0, 0.0), (40.0, 0.0), (40.0, 30.0), (0.0, 30.0)].map(|(x, y)| Point2::new(x, y)).to_vec(),
        )];
        let out = pushed(&wall, tool(36.0, 15.0, 8.0), Vector2::new(6.0, 0.0));
        let reach = out[0].outer.iter().map(|p| p.x).fold(0.0, f64::max);
        assert!(reach > 42.0 && reach < 46.0, "{reach}");
        assert!(wall[0].outer.iter().all(|corner| out[0].outer.contains(corner)));
        assert!((out[0].area_mm2() - wall[0].area_mm2()) > 10.0);
        // There and back again along the same way is nearly nothing; far away is exactly nothing.
        assert_eq!(pushed(&wall, tool(80.0, 15.0, 8.0), Vector2::new(6.0, 0.0)), wall);
    }

    #[test]
    fn wild_pushing_neither_splits_nor_crosses() {
        let mut pieces = vec![circle(0.0, 0.0, 12.0, 90), circle(30.0, 0.0, 10.0, 40)];
        let mut hole = circle(0.0, 0.0, 5.0, 30).outer;
        hole.reverse();
        pieces[0].holes.push(hole);
        let mut seed = 7_u32;
        let mut random = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(seed >> 8) / f64::from(1 << 24) - 0.5
        };
        for _ in 0..60 {
            let at = tool(random() * 70.0 + 15.0, random() * 40.0, 9.0);
            pieces = pushed(&pieces, at, Vector2::new(random() * 16.0, random() * 16.0));
            pieces = crate::edit::simplified(&pieces, &crate::edit::VertexSet::default(), 0.005);
        }
        let joined = clip::union_all(pieces.clone());
        let area = |pieces: &[Polygon]| pieces.iter().map(Polygon::area_mm2).sum::<f64>();
        assert_eq!((joined.len(), joined.iter().map(|p| p.holes.len()).sum::<usize>()), (2, 1));
        assert!((area(&joined) - area(&pieces)).abs() < 1e-3 * area(&pieces));
    }

    #[test]
    fn off_the_plane_the_tool_pushes_less() {
        let piece = [circle(0.0, 0.0, 10.0, 90)];
        let grown = |height_mm: f64| {
            let tool = RoundTool { center: Point2::new(8.0, 0.0), height_mm, radius_mm: 8.0 };
            pushed(&piece, tool, Vector2::new(3.0, 0.0))[0].area_mm2() - piece[0].area_mm2()
        };
        assert!(grown(0.0) > grown(4.0) && grown(4.0) > 0.5);
        assert_eq!(grown(8.0), 0.0);
    }

    #[test]
    fn a_jagged_circle_becomes_smooth_without_shrinking() {
        let mut jagged = circle(0.0, 0.0, 20.0, 240);
        for (at, point) in jagged.outer.iter_mut().enumerate() {
            let by = if at % 2 == 0 { 1.04 } else { 0.96 };
            point.coords *= by;
        }
        let mut pieces = vec![jagged.clone()];
        for _ in 0..4 {
            pieces = smoothed_under(&pieces, tool(20.0, 0.0, 12.0));
        }
        let rough = |piece: &Polygon, near: f64| {
            piece
                .outer
                .iter()
                .filter(|p| (**p - Point2::new(20.0, 0.0)).norm() < near)
                .map(|p| (p.coords.norm() - 20.0).abs())
                .fold(0.0, f64::max)
        };
        assert!(rough(&pieces[0], 5.0) < 0.25, "{}", rough(&pieces[0], 5.0));
        let change = pieces[0].area_mm2() / jagged.area_mm2() - 1.0;
        assert!(change.abs() < 0.005, "{change}");
        let far = |p: &&Point2| (**p - Point2::new(20.0, 0.0)).norm() > 12.1;
        assert!(jagged.outer.iter().filter(far).all(|p| pieces[0].outer.contains(p)));
        let area = PI * 400.0;
        assert!(
            (smoothed_under(&[circle(0.0, 0.0, 20.0, 240)], tool(20.0, 0.0, 12.0))[0].area_mm2() - area)
                .abs()
                < 0.001 * area
        );
    }
}
