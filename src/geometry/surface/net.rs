//! Surface nets between the layers of a distance field: a vertex in every cell that the surface
//! passes, a quad around every field edge that it crosses.
//!
//! Which nodes are inside stands in bits, so that only cells and edges at the surface are looked
//! at; values between two planes are made there and nowhere else.

use super::field::{self, Field};
use super::nodes::{Nodes, ones, shifted};
use super::{Lattice, Vector2};
use crate::geometry::Vector3;

/// Indices of the two triangles of a quad.
pub(super) const QUAD: usize = 6;

/// A layer of a span: its values (mm, negative inside) are a mean of those of the two planes
/// beside the span.
#[derive(Debug)]
pub(super) struct Layer {
    pub offset_mm: f64,
    /// Of the plane below and of that above.
    pub weights: [f32; 2],
    /// The value is no less.
    pub least_mm: f32,
    /// The nodes with negative values.
    pub inside: Nodes,
}

impl Layer {
    /// A plane itself, as one of the two beside a span.
    pub fn of(plane: &Field, weights: [f32; 2]) -> Self {
        let inside = plane.inside.clone();
        Self { offset_mm: plane.offset_mm, weights, least_mm: f32::NEG_INFINITY, inside }
    }

    fn values(&self, below: [f32; 4], above: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|n| {
            let mean = below[n] * self.weights[0] + above[n] * self.weights[1];
            if mean > self.least_mm { mean } else { self.least_mm }
        })
    }
}

/// The piece of surface between the first and the last of some layers. It is open there: the quads
/// around edges within those two layers belong to the [`Seam`] with the next span.
#[derive(Debug)]
pub(super) struct Span {
    /// Patient mm.
    pub positions: Vec<[f32; 3]>,
    /// Triangles of this span's vertices.
    pub indices: Vec<u32>,
    /// The cells of the vertices beside the first layer, which are the first vertices.
    first: Vec<u32>,
    /// The cells of the vertices beside the last layer, which are the last vertices.
    last: Vec<u32>,
}

/// The vertex of each cell of the gap between two layers and of the gap before, by the cell's
/// corner with the lowest i and j; only the entries of cells with a vertex hold.
#[derive(Debug)]
pub(super) struct Scratch {
    own: Vec<u32>,
    before: Vec<u32>,
    pub field: field::Scratch,
}

impl Scratch {
    pub fn new(lattice: &Lattice) -> Self {
        let none = vec![0; lattice.size[0] * lattice.size[1]];
        Self { own: none.clone(), before: none, field: field::Scratch::default() }
    }
}

impl Span {
    /// The net between neighbouring `layers` (two or more) of the `planes` beside it.
    pub fn of(layers: &[Layer], planes: [&[f32]; 2], lattice: &Lattice, scratch: &mut Scratch) -> Self {
        let columns = lattice.size[0];
        let mut span =
            Self { positions: Vec::new(), indices: Vec::new(), first: Vec::new(), last: Vec::new() };
        for (gap, pair) in layers.windows(2).enumerate() {
            let [low, high] = pair else { continue };
            std::mem::swap(&mut scratch.own, &mut scratch.before);
            let cells = span.vertices(low, high, planes, lattice);
            #[expect(clippy::cast_possible_truncation, reason = "far fewer than 2^32 vertices")]
            let start = (span.positions.len() - cells.len()) as u32;
            for (cell, vertex) in cells.iter().zip(start..) {
                scratch.own[*cell as usize] = vertex;
            }
            let (own, before) = (&scratch.own, &scratch.before);
            if gap > 0 {
                low.inside.crossings(|node, inside, along| {
                    span.indices.extend(quad(inside == along, around(node, along, columns, before, own)));
                });
            }
            // Edges from layer to layer: between four cells.
            for j in 0..low.inside.rows() {
                let rows = low.inside.row(j).iter().zip(high.inside.row(j));
                for (word, (below, above)) in rows.enumerate() {
                    for bit in ones(below ^ above) {
                        let cell = columns * j + 64 * word + bit;
                        let cells = [cell - 1 - columns, cell - columns, cell, cell - 1];
                        span.indices.extend(quad(below >> bit & 1 != 0, cells.map(|cell| own[cell])));
                    }
                }
            }
            if gap == 0 {
                span.first.clone_from(&cells);
            }
            span.last = cells;
        }
        span
    }

    /// Adds the vertices of the cells between two layers, each at the mean of its edges' crossings;
    /// their cells, rising.
    fn vertices(&mut self, low: &Layer, high: &Layer, planes: [&[f32]; 2], lattice: &Lattice) -> Vec<u32> {
        let columns = lattice.size[0];
        let place = Place::new(low, high, lattice);
        let mut cells = Vec::new();
        for j in 0..low.inside.rows() - 1 {
            let rows = [&low.inside, &high.inside].map(|inside| [inside.row(j), inside.row(j + 1)]);
            let [[a, b], [c, d]] = rows;
            let either = |word: usize| a[word] | b[word] | c[word] | d[word];
            let values = planes.map(|plane| plane[columns * j..columns * (j + 2)].split_at(columns));
            for word in 0..a.len() {
                let any = rows.as_flattened().iter().fold(either(word), |any, row| any | shifted(row, word));
                if any == 0 {
                    continue;
                }
                let all = rows
                    .as_flattened()
                    .iter()
                    .fold(a[word] & b[word] & c[word] & d[word], |all, row| all & shifted(row, word));
                for bit in ones(any & !all) {
                    let i = 64 * word + bit;
                    let [below, above] = values.map(|(near, far)| [near[i], near[i + 1], far[i], far[i + 1]]);
                    let inner = mean_crossing(low.values(below, above), high.values(below, above));
                    self.positions.push(place.point([i, j], inner));
                    #[expect(clippy::cast_possible_truncation, reason = "at most 200 cells across")]
                    cells.push((i + columns * j) as u32);
                }
            }
        }
        cells
    }

    /// Copies the net to its place in a mesh where its vertices begin with number `first`.
    #[expect(clippy::cast_possible_truncation, reason = "far fewer than 2^32 vertices")]
    pub fn copy_to(&self, positions: &mut [[f32; 3]], indices: &mut [u32], first: usize) {
        positions.copy_from_slice(&self.positions);
        for (to, index) in indices.iter_mut().zip(&self.indices) {
            *to = index + first as u32;
        }
    }
}

/// The mean of the crossings of a cell's edges, in cells from its lowest corner. Values of the lower
/// layer and of the higher: at (0, 0), (1, 0), (0, 1) and (1, 1).
fn mean_crossing(low: [f32; 4], high: [f32; 4]) -> [f32; 3] {
    let [a, b, c, d] = low;
    let [e, f, g, h] = high;
    let (x, x_crossed) = crossings([a, c, e, g], [b, d, f, h]);
    let (y, y_crossed) = crossings([a, b, e, f], [c, d, g, h]);
    let (z, z_crossed) = crossings(low, high);
    let sum = |four: [f32; 4]| (four[0] + four[1]) + (four[2] + four[3]);
    // Each edge counts at the corner of the cell that it stands on, and at its crossing.
    let all = std::array::from_fn(|n| x_crossed[n] + y_crossed[n] + z_crossed[n]);
    let per_edge = sum(all).recip();
    [
        (sum(x) + (y_crossed[1] + y_crossed[3]) + (z_crossed[1] + z_crossed[3])) * per_edge,
        (sum(y) + (x_crossed[1] + x_crossed[3]) + (z_crossed[2] + z_crossed[3])) * per_edge,
        (sum(z) + (x_crossed[2] + x_crossed[3]) + (y_crossed[2] + y_crossed[3])) * per_edge,
    ]
}

/// Where the field is zero on the way from `p` to `q` (0 to 1), and 1, on each of four edges that
/// are crossed; 0 and 0 on others.
fn crossings(p: [f32; 4], q: [f32; 4]) -> ([f32; 4], [f32; 4]) {
    let crossed = std::array::from_fn(|n| if (p[n] < 0.0) == (q[n] < 0.0) { 0.0 } else { 1.0 });
    let at = std::array::from_fn(|n| {
        let t = p[n] / (p[n] - q[n]);
        if (p[n] < 0.0) == (q[n] < 0.0) { 0.0 } else { t }
    });
    (at, crossed)
}

/// From places in the gap between two layers to patient mm.
struct Place {
    origin: Vector3,
    steps: [Vector3; 3],
}

impl Place {
    fn new(low: &Layer, high: &Layer, lattice: &Lattice) -> Self {
        let plane = lattice.plane.at_offset(low.offset_mm);
        let normal = plane.normal() * (high.offset_mm - low.offset_mm);
        let steps = [plane.u() * lattice.cell_mm, plane.v() * lattice.cell_mm, normal];
        Self { origin: plane.lift(lattice.low).coords, steps }
    }

    #[expect(clippy::cast_possible_truncation, reason = "millimetres for display")]
    fn point(&self, [i, j]: [usize; 2], [x, y, z]: [f32; 3]) -> [f32; 3] {
        let at = Vector2::new(i as f64 + f64::from(x), j as f64 + f64::from(y));
        let [u, v, w] = &self.steps;
        let point = self.origin + u * at.x + v * at.y + w * f64::from(z);
        [point.x as f32, point.y as f32, point.z as f32]
    }
}

/// The vertices of the four cells around an edge within a layer that begins at `node`: the cells
/// beside it in the gap below, then those above.
fn around([i, j]: [usize; 2], along: bool, columns: usize, below: &[u32], above: &[u32]) -> [u32; 4] {
    let second = i + columns * j;
    let first = second - if along { columns } else { 1 };
    [below[first], below[second], above[second], above[first]]
}

fn quad(turned: bool, [a, b, c, d]: [u32; 4]) -> [u32; QUAD] {
    if turned { [a, b, c, a, c, d] } else { [a, c, b, a, d, c] }
}

/// Closes the net at layers where two spans meet.
pub(super) struct Seam {
    columns: usize,
    below: Vec<u32>,
    above: Vec<u32>,
}

impl Seam {
    /// For lattices of `size` nodes.
    pub fn new([columns, rows]: [usize; 2]) -> Self {
        let none = vec![0; columns * rows];
        Self { columns, below: none.clone(), above: none }
    }

    /// The quads around the edges of the layer that is the last of `below` and the first of `above`,
    /// [`QUAD`] indices for each of its [`Nodes::crossings`]; each span with the number of its first
    /// vertex in the mesh.
    #[expect(clippy::cast_possible_truncation, reason = "far fewer than 2^32 vertices")]
    pub fn close(
        &mut self,
        (below, below_first): (&Span, usize),
        (above, above_first): (&Span, usize),
        layer: &Nodes,
        indices: &mut [u32],
    ) {
        let last_first = (below_first + below.positions.len() - below.last.len()) as u32;
        for (cell, vertex) in below.last.iter().zip(last_first..) {
            self.below[*cell as usize] = vertex;
        }
        for (cell, vertex) in above.first.iter().zip(above_first as u32..) {
            self.above[*cell as usize] = vertex;
        }
        let (quads, _) = indices.as_chunks_mut::<QUAD>();
        let mut quads = quads.iter_mut();
        layer.crossings(|node, inside, along| {
            if let Some(to) = quads.next() {
                *to = quad(inside == along, around(node, along, self.columns, &self.below, &self.above));
            }
        });
    }
}
