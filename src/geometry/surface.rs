//! A closed surface of a contour stack, for display.
//!
//! Each contour plane becomes a signed distance field; between planes whose slabs meet the fields
//! are interpolated (Raya and Udupa, "Shape-based interpolation of multidimensional objects", IEEE
//! TMI 9, 1990), at the ends of a stack the shape ends flat at the border of its slab. The zero
//! level is taken by surface nets (Gibson, "Constrained elastic surface nets", MICCAI 1998), so
//! there are no sheets between pieces that do not continue and no overshoot beyond the slabs.

use super::distance::spread_slice;
use super::rasterise::{self, Frame};
use super::section::Slab;
use super::{Plane, Point2, Polygon, Vector2};
use rayon::prelude::*;

/// A closed triangle mesh in patient space.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mesh {
    /// Vertex positions, patient mm.
    pub positions: Vec<[f32; 3]>,
    /// Unit normals of the vertices, pointing outwards.
    pub normals: Vec<[f32; 3]>,
    /// Three vertices a triangle, counter-clockwise seen from outside.
    pub indices: Vec<u32>,
}

impl Mesh {
    /// The enclosed volume, cubic millimetres.
    #[must_use]
    pub fn volume_mm3(&self) -> f64 {
        let at = |index: u32| nalgebra::Vector3::from(self.positions[index as usize].map(f64::from));
        self.indices.chunks_exact(3).map(|t| at(t[0]).dot(&at(t[1]).cross(&at(t[2])))).sum::<f64>() / 6.0
    }
}

/// The surface of a stack of parallel `slabs`, sorted by offset along their common normal, at about
/// `resolution_mm` (coarser where a plane would need more than 160 cells across). Empty for an
/// empty stack.
#[must_use]
pub fn mesh(slabs: &[Slab], resolution_mm: f64) -> Mesh {
    let Some(field) = Field::of(slabs, resolution_mm) else { return Mesh::default() };
    field.surface_net()
}

/// The most cells across a plane.
const MOST_CELLS: f64 = 160.0;

/// One layer of the field: where it lies and the signed distances on it (negative inside).
struct Layer {
    offset_mm: f64,
    values: Vec<f32>,
}

struct Field {
    plane: Plane,
    low: Point2,
    cell_mm: f64,
    size: [usize; 2],
    layers: Vec<Layer>,
}

impl Field {
    fn of(slabs: &[Slab], resolution_mm: f64) -> Option<Self> {
        let slabs: Vec<&Slab> = slabs.iter().filter(|slab| !slab.polygons.is_empty()).collect();
        let plane = slabs.first()?.plane;
        let (mut low, mut high) = slabs.iter().flat_map(|slab| slab.polygons).find_map(Polygon::bounds)?;
        for (l, h) in slabs.iter().flat_map(|slab| slab.polygons).filter_map(Polygon::bounds) {
            low = low.inf(&l);
            high = high.sup(&h);
        }
        let extent = (high - low).max();
        let cell_mm = resolution_mm.max(extent / MOST_CELLS).max(1e-3);
        // Two cells of margin, so that the surface closes inside the field; off the lattice by an
        // odd fraction, so that straight edges do not run through nodes.
        low -= Vector2::new(2.13, 2.21) * cell_mm;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most MOST_CELLS")]
        let size = [high.x - low.x, high.y - low.y].map(|width| (width / cell_mm).ceil() as usize + 3);
        let frame = Frame::new(low, Vector2::new(cell_mm, 0.0), Vector2::new(0.0, cell_mm), size)?;
        let planes: Vec<Vec<f32>> =
            slabs.par_iter().map(|slab| signed_distances(slab.polygons, &frame, cell_mm)).collect();
        let mut field = Self { plane, low, cell_mm, size, layers: Vec::new() };
        for (k, slab) in slabs.iter().enumerate() {
            let joined_below = k > 0 && slabs[k - 1].meets(slab);
            if !joined_below {
                field.cap(slab, &planes[k], -slab.below_mm);
            }
            field.layers.push(Layer { offset_mm: slab.plane.offset_mm(), values: planes[k].clone() });
            match slabs.get(k + 1).filter(|next| slab.meets(next)) {
                Some(next) => field.between(slab, next, &planes[k], &planes[k + 1]),
                None => field.cap(slab, &planes[k], slab.above_mm),
            }
        }
        Some(field)
    }

    /// Layers between two planes, close enough for round cells.
    fn between(&mut self, slab: &Slab, next: &Slab, from: &[f32], to: &[f32]) {
        let (start, end) = (slab.plane.offset_mm(), next.plane.offset_mm());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
        let steps = ((end - start) / self.cell_mm).round().clamp(1.0, 16.0) as u16;
        for step in 1..steps {
            let t = f32::from(step) / f32::from(steps);
            self.layers.push(Layer {
                offset_mm: start + (end - start) * f64::from(t),
                values: from.iter().zip(to).map(|(a, b)| a + (b - a) * t).collect(),
            });
        }
    }

    /// The flat end of a stack at `reach_mm` (signed) from its last plane: a layer within and one
    /// beyond.
    #[expect(clippy::cast_possible_truncation, reason = "millimetres for display")]
    fn cap(&mut self, slab: &Slab, values: &[f32], reach_mm: f64) {
        let half_mm = (self.cell_mm / 2.0).min(reach_mm.abs() * 0.45).max(1e-3) as f32;
        let layer = |beyond: f32| Layer {
            offset_mm: slab.plane.offset_mm() + reach_mm + f64::from(beyond) * reach_mm.signum(),
            values: values.iter().map(|value| value.max(beyond)).collect(),
        };
        let mut pair = vec![layer(-half_mm), layer(half_mm)];
        if reach_mm < 0.0 {
            pair.reverse();
        }
        self.layers.append(&mut pair);
    }

    fn value(&self, [i, j, k]: [usize; 3]) -> f32 {
        self.layers[k].values[i + self.size[0] * j]
    }

    fn surface_net(&self) -> Mesh {
        let [ni, nj] = self.size;
        let nk = self.layers.len();
        if nk < 2 {
            return Mesh::default();
        }
        let cells = (ni - 1) * (nj - 1);
        // Vertices, one a cell that the surface passes, layer by layer.
        let found: Vec<Vec<(u32, [f32; 3])>> =
            (0..nk - 1).into_par_iter().map(|k| self.layer_vertices(k)).collect();
        let mut vertex_of = vec![u32::MAX; cells * (nk - 1)];
        let mut mesh = Mesh::default();
        for (k, layer) in found.iter().enumerate() {
            for (cell, position) in layer {
                #[expect(clippy::cast_possible_truncation, reason = "far fewer than 2^32 vertices")]
                {
                    vertex_of[k * cells + *cell as usize] = mesh.positions.len() as u32;
                }
                mesh.positions.push(*position);
            }
        }
        let vertex = |i: usize, j: usize, k: usize| vertex_of[k * cells + i + (ni - 1) * j];
        // A quad around every field edge that the surface crosses. The field is positive on its
        // rim, so every crossed edge has four cells around it.
        let mut quad = |inside_first: bool, corners: [u32; 4]| {
            let [a, b, c, d] = corners;
            if inside_first {
                mesh.indices.extend([a, b, c, a, c, d]);
            } else {
                mesh.indices.extend([a, c, b, a, d, c]);
            }
        };
        for k in 0..nk {
            for j in 0..nj {
                for i in 0..ni {
                    let own = self.value([i, j, k]) < 0.0;
                    if i + 1 < ni
                        && j > 0
                        && j + 1 < nj
                        && k > 0
                        && k + 1 < nk
                        && own != (self.value([i + 1, j, k]) < 0.0)
                    {
                        quad(
                            own,
                            [
                                vertex(i, j - 1, k - 1),
                                vertex(i, j, k - 1),
                                vertex(i, j, k),
                                vertex(i, j - 1, k),
                            ],
                        );
                    }
                    if j + 1 < nj
                        && i > 0
                        && i + 1 < ni
                        && k > 0
                        && k + 1 < nk
                        && own != (self.value([i, j + 1, k]) < 0.0)
                    {
                        quad(
                            own,
                            [
                                vertex(i - 1, j, k - 1),
                                vertex(i - 1, j, k),
                                vertex(i, j, k),
                                vertex(i, j, k - 1),
                            ],
                        );
                    }
                    if k + 1 < nk
                        && i > 0
                        && i + 1 < ni
                        && j > 0
                        && j + 1 < nj
                        && own != (self.value([i, j, k + 1]) < 0.0)
                    {
                        quad(
                            own,
                            [
                                vertex(i - 1, j - 1, k),
                                vertex(i, j - 1, k),
                                vertex(i, j, k),
                                vertex(i - 1, j, k),
                            ],
                        );
                    }
                }
            }
        }
        mesh.normals = normals(&mesh);
        mesh
    }

    /// The vertices of the cells between layers `k` and `k + 1`: the mean of the edge crossings.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "cells of a display field"
    )]
    fn layer_vertices(&self, k: usize) -> Vec<(u32, [f32; 3])> {
        const EDGES: [(usize, usize); 12] =
            [(0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (1, 3), (4, 6), (5, 7), (0, 4), (1, 5), (2, 6), (3, 7)];
        let [ni, nj] = self.size;
        let (low, high) = (self.layers[k].offset_mm, self.layers[k + 1].offset_mm);
        let mut out = Vec::new();
        for j in 0..nj - 1 {
            for i in 0..ni - 1 {
                let corner = |n: usize| self.value([i + (n & 1), j + (n >> 1 & 1), k + (n >> 2)]);
                let values = [0, 1, 2, 3, 4, 5, 6, 7].map(corner);
                let inside = values.iter().filter(|value| **value < 0.0).count();
                if inside == 0 || inside == 8 {
                    continue;
                }
                let mut sum = [0.0_f64; 3];
                let mut count = 0.0;
                for (p, q) in EDGES {
                    if (values[p] < 0.0) == (values[q] < 0.0) {
                        continue;
                    }
                    let t = f64::from(values[p] / (values[p] - values[q]));
                    for (axis, sum) in sum.iter_mut().enumerate() {
                        let (a, b) = ((p >> axis & 1) as f64, (q >> axis & 1) as f64);
                        *sum += a + (b - a) * t;
                    }
                    count += 1.0;
                }
                let [x, y, z] = sum.map(|sum| sum / count);
                let in_plane = Point2::new(
                    self.low.x + (i as f64 + x) * self.cell_mm,
                    self.low.y + (j as f64 + y) * self.cell_mm,
                );
                let point = self.plane.at_offset(low + (high - low) * z).lift(in_plane);
                out.push(((i + (ni - 1) * j) as u32, [point.x as f32, point.y as f32, point.z as f32]));
            }
        }
        out
    }
}

/// Area-weighted means of the triangles' normals, twice averaged with the neighbours' so that the
/// light does not show the slices.
fn normals(mesh: &Mesh) -> Vec<[f32; 3]> {
    type Vector = nalgebra::Vector3<f32>;
    let unit = |sum: Vector| sum.try_normalize(1e-20).unwrap_or_else(Vector::z);
    let at = |index: u32| Vector::from(mesh.positions[index as usize]);
    let mut normals = vec![Vector::zeros(); mesh.positions.len()];
    for triangle in mesh.indices.chunks_exact(3) {
        let [a, b, c] = [at(triangle[0]), at(triangle[1]), at(triangle[2])];
        let normal = (b - a).cross(&(c - a));
        for index in triangle {
            normals[*index as usize] += normal;
        }
    }
    for _ in 0..2 {
        let own: Vec<Vector> = normals.iter().copied().map(unit).collect();
        normals.clone_from(&own);
        for triangle in mesh.indices.chunks_exact(3) {
            let sum: Vector = triangle.iter().map(|index| own[*index as usize]).sum();
            for index in triangle {
                normals[*index as usize] += sum;
            }
        }
    }
    normals.into_iter().map(|sum| unit(sum).into()).collect()
}

/// The distance (mm) of each node of `frame` (square cells) to the outlines, negative inside:
/// exact within two cells of an outline, within a fraction of a cell beyond.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::many_single_char_names,
    reason = "nodes of a display field, plane geometry"
)]
fn signed_distances(polygons: &[Polygon], frame: &Frame, cell_mm: f64) -> Vec<f32> {
    const BAND: f64 = 2.0;
    let [ni, nj] = frame.size();
    let mut squared = vec![f32::INFINITY; ni * nj];
    for ring in polygons.iter().flat_map(Polygon::rings) {
        let Some(mut previous) = ring.last().copied() else { continue };
        for &vertex in ring {
            let (a, b) = (frame.index_of(previous), frame.index_of(vertex));
            previous = vertex;
            let range = |axis: usize, n: usize| {
                let low = (a[axis].min(b[axis]) - BAND).ceil().max(0.0) as usize;
                let high = (a[axis].max(b[axis]) + BAND).floor().min(n as f64 - 1.0);
                low..(high + 1.0).max(0.0) as usize
            };
            let d = [b[0] - a[0], b[1] - a[1]];
            let length = (d[0] * d[0] + d[1] * d[1]).max(1e-30);
            for j in range(1, nj) {
                for i in range(0, ni) {
                    let p = [i as f64 - a[0], j as f64 - a[1]];
                    let t = ((p[0] * d[0] + p[1] * d[1]) / length).clamp(0.0, 1.0);
                    let (x, y) = (p[0] - t * d[0], p[1] - t * d[1]);
                    let own = (x * x + y * y) as f32;
                    let value = &mut squared[i + ni * j];
                    *value = value.min(own);
                }
            }
        }
    }
    // Only nodes beside an outline seed the far field, where adding squares is nearly exact.
    let exact = squared.clone();
    for value in &mut squared {
        if *value > 0.5 {
            *value = f32::INFINITY;
        }
    }
    spread_slice(&mut squared, [ni, nj], 1.0);
    let cell = cell_mm as f32;
    for (value, exact) in squared.iter_mut().zip(exact) {
        let known = if exact <= (BAND * BAND) as f32 { exact } else { *value };
        *value = known.sqrt() * cell;
    }
    rasterise::spans(polygons, frame, |j, range| {
        for value in &mut squared[j * ni + range.start..j * ni + range.end] {
            *value = -*value;
        }
    });
    squared
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::f64::consts::PI;

    fn circle(x: f64, y: f64, radius: f64) -> Polygon {
        Polygon::from_outer(
            (0..90)
                .map(|n| (f64::from(n) / 90.0 * 2.0 * PI).sin_cos())
                .map(|(s, c)| Point2::new(x + radius * c, y + radius * s))
                .collect(),
        )
    }

    fn slabs(stack: &[(f64, Vec<Polygon>)], half: f64) -> Vec<Slab<'_>> {
        stack
            .iter()
            .map(|(z, polygons)| Slab { plane: Plane::axial(*z), below_mm: half, above_mm: half, polygons })
            .collect()
    }

    /// Every edge is used once in each direction: closed, consistently turned.
    fn assert_closed(mesh: &Mesh) {
        let mut edges: HashMap<(u32, u32), i32> = HashMap::new();
        for t in mesh.indices.chunks_exact(3) {
            for (a, b) in [(t[0], t[1]), (t[1], t[2]), (t[2], t[0])] {
                *edges.entry((a.min(b), a.max(b))).or_default() += if a < b { 1 } else { -1 };
            }
        }
        assert!(!mesh.indices.is_empty() && edges.values().all(|sum| *sum == 0));
        assert!(mesh.indices.iter().all(|index| (*index as usize) < mesh.positions.len()));
    }

    #[test]
    fn a_ball_is_round_closed_and_has_its_volume() {
        let stack: Vec<_> = (-6..=6)
            .map(|k| f64::from(k) * 3.0)
            .map(|z| (z, vec![circle(5.0, -3.0, (20.0_f64.powi(2) - z * z).sqrt())]))
            .collect();
        let mesh = mesh(&slabs(&stack, 1.5), 1.0);
        assert_closed(&mesh);
        let by_rule: f64 = stack.iter().map(|(_, p)| p[0].area_mm2() * 3.0).sum();
        assert!((mesh.volume_mm3() / by_rule - 1.0).abs() < 0.03, "{} of {by_rule}", mesh.volume_mm3());
        for (position, normal) in mesh.positions.iter().zip(&mesh.normals) {
            let out = [position[0] - 5.0, position[1] + 3.0, position[2]];
            let radius = out.iter().map(|x| x * x).sum::<f32>().sqrt();
            assert!(radius < 21.2 && position[2].abs() <= 19.6, "overshoot at {position:?}");
            if position[2].abs() < 15.0 {
                assert!((radius - 20.0).abs() < 0.5);
                let cosine = out.iter().zip(normal).map(|(a, b)| a * b).sum::<f32>() / radius;
                assert!(cosine > 0.9, "normal {normal:?} at {position:?}");
            }
        }
    }

    #[test]
    fn a_missing_slice_and_a_piece_that_does_not_continue_make_no_sheet() {
        let stack = [
            (0.0, vec![circle(0.0, 0.0, 8.0)]),
            (3.0, vec![circle(0.0, 0.0, 8.0), circle(30.0, 0.0, 5.0)]),
            (9.0, vec![circle(0.0, 0.0, 8.0)]),
        ];
        let mesh = mesh(&slabs(&stack, 1.5), 1.0);
        assert_closed(&mesh);
        assert!(mesh.positions.iter().all(|p| !(p[2] > 4.6 && p[2] < 7.4)), "bridged");
        assert!(mesh.positions.iter().all(|p| p[0] < 9.0 || p[0] > 24.0), "sheet");
    }

    #[test]
    fn an_empty_stack_has_no_surface() {
        assert_eq!(mesh(&[], 1.0), Mesh::default());
    }
}
