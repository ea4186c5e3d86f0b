//! Surface nets between the layers of a distance field: a vertex in every cell that the surface
//! passes, a quad around every field edge that it crosses.

use super::Lattice;
use std::sync::Arc;

/// The field on one plane: where it lies and the signed distances (mm, negative inside) at the
/// lattice's nodes, i fastest.
#[derive(Debug)]
pub(super) struct Layer {
    pub offset_mm: f64,
    pub values: Vec<f32>,
}

impl Layer {
    /// The field's edges within row `j` and from it to the next row that the surface crosses, away
    /// from the rim (where the field is positive): each with the cells beside it, in the order of
    /// their turn, and whether the edge begins inside.
    fn crossings(&self, [ni, nj]: [usize; 2], mut emit: impl FnMut(bool, [usize; 2], bool)) {
        for j in 1..nj - 1 {
            let row = &self.values[j * ni..(j + 1) * ni];
            let next = &self.values[(j + 1) * ni..(j + 2) * ni];
            let mut own = row[0] < 0.0;
            for i in 0..ni - 1 {
                let right = row[i + 1] < 0.0;
                let cell = i + (ni - 1) * j;
                if own != right {
                    emit(own, [cell - (ni - 1), cell], true);
                }
                if i > 0 && own != (next[i] < 0.0) {
                    emit(own, [cell - 1, cell], false);
                }
                own = right;
            }
        }
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

/// No vertex.
const NONE: u32 = u32::MAX;

impl Span {
    /// The net between neighbouring `layers` (two or more).
    pub fn of(layers: &[Arc<Layer>], lattice: &Lattice) -> Self {
        let [ni, nj] = lattice.size;
        let mut span =
            Self { positions: Vec::new(), indices: Vec::new(), first: Vec::new(), last: Vec::new() };
        // The vertices of the cells of this gap between layers and of the one before.
        let mut own = vec![NONE; (ni - 1) * (nj - 1)];
        let mut before = own.clone();
        for (gap, pair) in layers.windows(2).enumerate() {
            let [low, high] = pair else { continue };
            std::mem::swap(&mut own, &mut before);
            own.fill(NONE);
            let cells = span.vertices(low, high, lattice);
            #[expect(clippy::cast_possible_truncation, reason = "far fewer than 2^32 vertices")]
            let start = (span.positions.len() - cells.len()) as u32;
            for (cell, vertex) in cells.iter().zip(start..) {
                own[*cell as usize] = vertex;
            }
            if gap > 0 {
                low.crossings(lattice.size, |inside, cells, along| {
                    quad(&mut span.indices, inside == along, around(cells, &before, &own));
                });
            }
            // Edges from layer to layer: at the corner with the lowest i and j of each cell.
            for &cell in &cells {
                let (i, j) = (cell as usize % (ni - 1), cell as usize / (ni - 1));
                if i == 0 || j == 0 {
                    continue;
                }
                let inside = low.values[i + ni * j] < 0.0;
                if inside != (high.values[i + ni * j] < 0.0) {
                    let (right, left) = (i + (ni - 1) * j, i - 1 + (ni - 1) * j);
                    let row = ni - 1;
                    quad(
                        &mut span.indices,
                        inside,
                        [own[left - row], own[right - row], own[right], own[left]],
                    );
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
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "at most 200 cells across"
    )]
    fn vertices(&mut self, low: &Layer, high: &Layer, lattice: &Lattice) -> Vec<u32> {
        const EDGES: [(usize, usize); 12] =
            [(0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (1, 3), (4, 6), (5, 7), (0, 4), (1, 5), (2, 6), (3, 7)];
        let [ni, nj] = lattice.size;
        let mut cells = Vec::new();
        for j in 0..nj - 1 {
            let rows = [&low.values, &high.values].map(|values| values[j * ni..(j + 2) * ni].split_at(ni));
            let [(a, b), (c, d)] = rows;
            // How many of a column's four nodes are inside.
            let count = |i: usize| {
                u8::from(a[i] < 0.0) + u8::from(b[i] < 0.0) + u8::from(c[i] < 0.0) + u8::from(d[i] < 0.0)
            };
            let mut left = count(0);
            for i in 0..ni - 1 {
                let right = count(i + 1);
                let inside = left + right;
                left = right;
                if inside == 0 || inside == 8 {
                    continue;
                }
                let values = [a[i], a[i + 1], b[i], b[i + 1], c[i], c[i + 1], d[i], d[i + 1]];
                let mut sum = [0.0_f64; 3];
                let mut crossed = 0.0;
                for (p, q) in EDGES {
                    if (values[p] < 0.0) == (values[q] < 0.0) {
                        continue;
                    }
                    let t = f64::from(values[p] / (values[p] - values[q]));
                    for (axis, sum) in sum.iter_mut().enumerate() {
                        let (from, to) = ((p >> axis & 1) as f64, (q >> axis & 1) as f64);
                        *sum += from + (to - from) * t;
                    }
                    crossed += 1.0;
                }
                let [x, y, z] = sum.map(|sum| sum / crossed);
                let offset_mm = low.offset_mm + (high.offset_mm - low.offset_mm) * z;
                self.positions.push(lattice.point([i as f64 + x, j as f64 + y], offset_mm));
                cells.push((i + (ni - 1) * j) as u32);
            }
        }
        cells
    }
}

/// The four vertices around an edge within a layer: the two cells beside it, below and above.
fn around([first, second]: [usize; 2], below: &[u32], above: &[u32]) -> [u32; 4] {
    [below[first], below[second], above[second], above[first]]
}

fn quad(indices: &mut Vec<u32>, turned: bool, [a, b, c, d]: [u32; 4]) {
    if turned {
        indices.extend([a, b, c, a, c, d]);
    } else {
        indices.extend([a, c, b, a, d, c]);
    }
}

/// Closes the net at layers where two spans meet.
pub(super) struct Seam {
    size: [usize; 2],
    below: Vec<u32>,
    above: Vec<u32>,
}

impl Seam {
    /// For lattices of `size` nodes.
    pub fn new(size: [usize; 2]) -> Self {
        let none = vec![NONE; (size[0] - 1) * (size[1] - 1)];
        Self { size, below: none.clone(), above: none }
    }

    /// Adds the quads around the edges of `layer`, the last of `below` and the first of `above`;
    /// each span with the number of its first vertex in the mesh.
    #[expect(clippy::cast_possible_truncation, reason = "far fewer than 2^32 vertices")]
    pub fn close(
        &mut self,
        (below, below_first): (&Span, u32),
        (above, above_first): (&Span, u32),
        layer: &Layer,
        indices: &mut Vec<u32>,
    ) {
        let last_first = below_first + (below.positions.len() - below.last.len()) as u32;
        for (cell, vertex) in below.last.iter().zip(last_first..) {
            self.below[*cell as usize] = vertex;
        }
        for (cell, vertex) in above.first.iter().zip(above_first..) {
            self.above[*cell as usize] = vertex;
        }
        layer.crossings(self.size, |inside, cells, along| {
            quad(indices, inside == along, around(cells, &self.below, &self.above));
        });
        for cell in &below.last {
            self.below[*cell as usize] = NONE;
        }
        for cell in &above.first {
            self.above[*cell as usize] = NONE;
        }
    }
}
