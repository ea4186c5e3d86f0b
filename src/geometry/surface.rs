//! A closed surface of a contour stack, for display.
//!
//! Each contour plane becomes a signed distance field; between planes whose slabs meet the fields
//! are interpolated (Raya and Udupa, "Shape-based interpolation of multidimensional objects", IEEE
//! TMI 9, 1990), at the ends of a stack the shape ends flat at the border of its slab. The zero
//! level is taken by surface nets (Gibson, "Constrained elastic surface nets", MICCAI 1998), so
//! there are no sheets between pieces that do not continue and no overshoot beyond the slabs.
//! Pieces are not told apart: where a plane goes on in one piece and not in another, that other one tapers
//! towards the next plane, while [`section`](super::section) ends it flat at the border of its slab.
//!
//! A [`Mesher`] keeps the fields of the planes and the pieces of surface between them: after a
//! stroke only what lies beside the changed planes is made anew.

mod field;
mod net;
mod nodes;
mod normals;

use super::rasterise::Frame;
use super::section::Slab;
use super::{Plane, Point2, Polygon, Vector2};
use field::Field;
use net::{Layer, Seam, Span};
use rayon::prelude::*;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

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
    /// Adds another mesh's triangles.
    pub fn append(&mut self, mut other: Self) {
        if self.positions.is_empty() {
            *self = other;
            return;
        }
        #[expect(clippy::cast_possible_truncation, reason = "far fewer than 2^32 vertices")]
        let first = self.positions.len() as u32;
        self.positions.append(&mut other.positions);
        self.normals.append(&mut other.normals);
        self.indices.extend(other.indices.iter().map(|index| index + first));
    }

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
    Mesher::new(resolution_mm).mesh(slabs, &|| false).unwrap_or_default()
}

/// Makes the surface of a stack that changes little by little, each time anew only where it changed.
#[derive(Debug, Clone)]
pub struct Mesher {
    resolution_mm: f64,
    lattice: Option<Lattice>,
    /// The planes last seen, by the bits of their offsets.
    planes: HashMap<u64, Arc<Field>>,
    spans: HashMap<SpanKey, Arc<Span>>,
}

impl Mesher {
    /// A mesher of about `resolution_mm` (coarser where a plane would need more than 160 cells
    /// across) that has seen nothing yet.
    #[must_use]
    pub fn new(resolution_mm: f64) -> Self {
        Self { resolution_mm, lattice: None, planes: HashMap::new(), spans: HashMap::new() }
    }

    /// The surface of a stack of parallel `slabs`, sorted by offset along their common normal; empty
    /// for an empty stack. `None` when `stop` said so before it was done; what is done by then is
    /// kept for the next time.
    pub fn mesh(&mut self, slabs: &[Slab], stop: &(dyn Fn() -> bool + Sync)) -> Option<Mesh> {
        // Among the pool's threads from the beginning: a step does not wait for one to wake up.
        rayon::scope(|_| self.made(slabs, stop))
    }

    fn made(&mut self, slabs: &[Slab], stop: &(dyn Fn() -> bool + Sync)) -> Option<Mesh> {
        let slabs: Vec<&Slab> = slabs.iter().filter(|slab| !slab.polygons.is_empty()).collect();
        let Some(lattice) = Lattice::of(&slabs, self.resolution_mm, self.lattice.as_ref()) else {
            return Some(Mesh::default());
        };
        if self.lattice.as_ref() != Some(&lattice) {
            self.planes.clear();
            self.spans.clear();
        }
        let planes = self.planes(&slabs, &lattice, stop);
        let lattice = self.lattice.insert(lattice);
        let planes = planes?;
        let keys = span_keys(&slabs, &planes);
        let known = std::mem::take(&mut self.spans);
        let made: Vec<Option<(SpanKey, Arc<Span>)>> = keys
            .par_iter()
            .map_init(
                || net::Scratch::new(lattice),
                |scratch, key| {
                    let known = known.get(key).map(Arc::clone);
                    let span = known.or_else(|| (!stop()).then(|| Arc::new(key.span(lattice, scratch))));
                    span.map(|span| (key.clone(), span))
                },
            )
            .collect();
        self.spans = made.iter().flatten().cloned().collect();
        let spans: Option<Vec<Arc<Span>>> = made.into_iter().map(|made| made.map(|(_, span)| span)).collect();
        Some(join(&keys, &spans?, lattice))
    }

    /// The fields of all planes, from the last time where their contours are the same.
    fn planes(
        &mut self,
        slabs: &[&Slab],
        lattice: &Lattice,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Option<Vec<Arc<Field>>> {
        let known = std::mem::take(&mut self.planes);
        let planes: Vec<Option<Arc<Field>>> = slabs
            .par_iter()
            .map_init(field::Scratch::default, |scratch, slab| {
                let known = known.get(&slab.plane.offset_mm().to_bits());
                known
                    .filter(|known| known.polygons == slab.polygons)
                    .map(Arc::clone)
                    .or_else(|| (!stop()).then(|| Arc::new(Field::of(slab, lattice, scratch))))
            })
            .collect();
        self.planes = planes.iter().flatten().map(|own| (own.offset_mm.to_bits(), Arc::clone(own))).collect();
        planes.into_iter().collect()
    }
}

/// The most cells across a plane, before the room that is kept for strokes to come.
const MOST_CELLS: f64 = 160.0;

/// Cells kept free around a new stack, so that strokes at its border do not ask for another lattice.
const ROOM_CELLS: f64 = 6.0;

/// Where the nodes of the planes' fields lie.
#[derive(Debug, Clone, PartialEq)]
struct Lattice {
    plane: Plane,
    low: Point2,
    cell_mm: f64,
    size: [usize; 2],
    frame: Frame,
}

impl Lattice {
    /// The lattice of a stack: `last` where that still serves. `None` for an empty stack.
    fn of(slabs: &[&Slab], resolution_mm: f64, last: Option<&Self>) -> Option<Self> {
        let plane = slabs.first()?.plane.at_offset(0.0);
        let (mut low, mut high) = slabs.iter().flat_map(|slab| slab.polygons).find_map(Polygon::bounds)?;
        for (l, h) in slabs.iter().flat_map(|slab| slab.polygons).filter_map(Polygon::bounds) {
            low = low.inf(&l);
            high = high.sup(&h);
        }
        let cell_mm = resolution_mm.max((high - low).max() / MOST_CELLS).max(1e-3);
        if let Some(last) = last.filter(|last| last.plane == plane && last.serves(low, high, cell_mm)) {
            return Some(last.clone());
        }
        // Off the lattice by an odd fraction, so that straight edges do not run through nodes.
        low -= Vector2::new(2.13 + ROOM_CELLS, 2.21 + ROOM_CELLS) * cell_mm;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most MOST_CELLS")]
        let [columns, rows] =
            [high.x - low.x, high.y - low.y].map(|width| (width / cell_mm + ROOM_CELLS).ceil() as usize + 3);
        let size = [columns.next_multiple_of(field::LANES), rows];
        let frame = Frame::new(low, Vector2::new(cell_mm, 0.0), Vector2::new(0.0, cell_mm), size)?;
        Some(Self { plane, low, cell_mm, size, frame })
    }

    /// Whether contours between `low` and `high` lie two cells inside and fill a good part, with
    /// cells neither much coarser nor much finer than `cell_mm`.
    #[expect(clippy::cast_precision_loss, reason = "at most MOST_CELLS")]
    fn serves(&self, low: Point2, high: Point2, cell_mm: f64) -> bool {
        let margin_mm = 2.0 * self.cell_mm;
        (0..2).all(|axis| {
            let width_mm = (self.size[axis] - 1) as f64 * self.cell_mm;
            low[axis] >= self.low[axis] + margin_mm
                && high[axis] <= self.low[axis] + width_mm - margin_mm
                && width_mm <= 2.0 * (high[axis] - low[axis]) + 4.0 * ROOM_CELLS * self.cell_mm
        }) && (0.8..=1.25).contains(&(self.cell_mm / cell_mm))
    }

    /// The (fractional) node at a point of the plane.
    fn node_of(&self, point: Point2) -> [f64; 2] {
        [(point.x - self.low.x) / self.cell_mm, (point.y - self.low.y) / self.cell_mm]
    }
}

/// What lies between two planes that meet, or between a plane and the end of its slab.
#[derive(Debug, Clone)]
enum SpanKey {
    /// From the end, so far (mm) below the plane, up to it.
    Below(Arc<Field>, f64),
    /// Between two planes.
    Between(Arc<Field>, Arc<Field>),
    /// From a plane to the end, so far (mm) above it.
    Above(Arc<Field>, f64),
}

impl SpanKey {
    /// The fields' places in memory (they are alive as long as the key) and the reach.
    fn identity(&self) -> (u8, *const Field, *const Field, u64) {
        match self {
            Self::Below(above, reach) => (0, std::ptr::null(), Arc::as_ptr(above), reach.to_bits()),
            Self::Between(below, above) => (1, Arc::as_ptr(below), Arc::as_ptr(above), 0),
            Self::Above(below, reach) => (2, Arc::as_ptr(below), std::ptr::null(), reach.to_bits()),
        }
    }

    /// The plane at which the surface goes on from the span below.
    fn seam(&self) -> Option<&Field> {
        match self {
            Self::Below(..) => None,
            Self::Between(plane, _) | Self::Above(plane, _) => Some(plane),
        }
    }

    fn span(&self, lattice: &Lattice, scratch: &mut net::Scratch) -> Span {
        match self {
            Self::Below(plane, reach_mm) => {
                let [inner, outer] = ends(plane, -reach_mm, lattice.cell_mm);
                let layers = [outer, inner, Layer::of(plane, [1.0, 0.0])];
                Span::of(&layers, [plane.values(), plane.values()], lattice, scratch)
            }
            Self::Between(below, above) => {
                let of_below = below.beside(above, lattice, &mut scratch.field);
                let of_above = above.beside(below, lattice, &mut scratch.field);
                let values = [&*of_below, &*of_above];
                Span::of(&between(below, above, values, lattice), values, lattice, scratch)
            }
            Self::Above(plane, reach_mm) => {
                let [inner, outer] = ends(plane, *reach_mm, lattice.cell_mm);
                let layers = [Layer::of(plane, [1.0, 0.0]), inner, outer];
                Span::of(&layers, [plane.values(), plane.values()], lattice, scratch)
            }
        }
    }
}

impl PartialEq for SpanKey {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for SpanKey {}

impl std::hash::Hash for SpanKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

/// The spans of a stack from its lowest end to its highest.
fn span_keys(slabs: &[&Slab], planes: &[Arc<Field>]) -> Vec<SpanKey> {
    let mut keys = Vec::with_capacity(planes.len() + 2);
    for (k, (slab, plane)) in slabs.iter().zip(planes).enumerate() {
        if k == 0 || !slabs[k - 1].meets(slab) {
            keys.push(SpanKey::Below(Arc::clone(plane), slab.below_mm));
        }
        keys.push(match slabs.get(k + 1).filter(|next| slab.meets(next)) {
            Some(_) => SpanKey::Between(Arc::clone(plane), Arc::clone(&planes[k + 1])),
            None => SpanKey::Above(Arc::clone(plane), slab.above_mm),
        });
    }
    keys
}

/// Both planes and layers between them, close enough for round cells.
fn between(below: &Field, above: &Field, values: [&[f32]; 2], lattice: &Lattice) -> Vec<Layer> {
    let (start, end) = (below.offset_mm, above.offset_mm);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
    let steps = ((end - start) / lattice.cell_mm).round().clamp(1.0, 16.0) as u16;
    let inner = (1..steps).map(|step| {
        let t = f32::from(step) / f32::from(steps);
        let weights = [1.0 - t, t];
        Layer {
            offset_mm: start + (end - start) * f64::from(t),
            weights,
            least_mm: f32::NEG_INFINITY,
            inside: below.inside.mixed(&above.inside, lattice.size[0], |node| {
                values[0][node] * weights[0] + values[1][node] * weights[1] < 0.0
            }),
        }
    });
    let (below, above) = (Layer::of(below, [1.0, 0.0]), Layer::of(above, [0.0, 1.0]));
    std::iter::once(below).chain(inner).chain([above]).collect()
}

/// The flat end of a stack at `reach_mm` (signed) from its last plane: a layer within and one
/// beyond.
#[expect(clippy::cast_possible_truncation, reason = "millimetres for display")]
fn ends(plane: &Field, reach_mm: f64, cell_mm: f64) -> [Layer; 2] {
    let half_mm = (cell_mm / 2.0).min(reach_mm.abs() * 0.45).max(1e-3) as f32;
    [(-half_mm, plane.inside.clone()), (half_mm, plane.inside.none())].map(|(beyond, inside)| Layer {
        offset_mm: plane.offset_mm + reach_mm + f64::from(beyond) * reach_mm.signum(),
        weights: [1.0, 0.0],
        least_mm: beyond,
        inside,
    })
}

/// What one span adds to the mesh: its vertices, and the triangles of the seam with the span below
/// followed by its own.
struct Part {
    vertices: Range<usize>,
    indices: Range<usize>,
    /// How many of `indices` are the seam's.
    seam: usize,
}

/// Puts spans together; where two meet at a plane, the quads around the plane's own edges.
fn join(keys: &[SpanKey], spans: &[Arc<Span>], lattice: &Lattice) -> Mesh {
    let mut parts: Vec<Part> = Vec::with_capacity(spans.len());
    let (mut vertices, mut indices) = (0, 0);
    for (key, span) in keys.iter().zip(spans) {
        let seam = key.seam().map_or(0, |plane| plane.inside.crossing_count() * net::QUAD);
        let (first, start) = (vertices, indices);
        vertices += span.positions.len();
        indices += seam + span.indices.len();
        parts.push(Part { vertices: first..vertices, indices: start..indices, seam });
    }
    let mut mesh =
        Mesh { positions: vec![[0.0; 3]; vertices], normals: Vec::new(), indices: vec![0; indices] };
    let positions = split(&mut mesh.positions, parts.iter().map(|part| part.vertices.len()));
    let indices = split(&mut mesh.indices, parts.iter().map(|part| part.indices.len()));
    let work: Vec<_> = positions.into_iter().zip(indices).enumerate().collect();
    work.into_par_iter().with_min_len(4).for_each_init(
        || Seam::new(lattice.size),
        |seam, (k, (positions, indices))| {
            let numbered = |k: usize| (spans[k].as_ref(), parts[k].vertices.start);
            let (of_seam, own) = indices.split_at_mut(parts[k].seam);
            if let Some(plane) = keys[k].seam() {
                seam.close(numbered(k - 1), numbered(k), &plane.inside, of_seam);
            }
            spans[k].copy_to(positions, own, parts[k].vertices.start);
        },
    );
    mesh.normals = normals::of(&mesh, &parts);
    mesh
}

/// Neighbouring pieces of `whole`, so long each; what is left over is dropped.
fn split<T>(mut whole: &mut [T], lengths: impl Iterator<Item = usize>) -> Vec<&mut [T]> {
    lengths.map_while(|length| whole.split_off_mut(..length)).collect()
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
    fn between_planes_that_differ_much_the_shape_goes_over_evenly() {
        let stack = [(0.0, vec![circle(0.0, 0.0, 10.0)]), (8.0, vec![circle(0.0, 0.0, 50.0)])];
        let slabs: Vec<Slab> = slabs(&stack, 4.0);
        let mesh = mesh(&slabs, 1.0);
        assert_closed(&mesh);
        let side = mesh.positions.iter().filter(|p| (1.0..7.0).contains(&p[2]));
        let worst = side.map(|p| (p[0].hypot(p[1]) - 10.0 - 5.0 * p[2]).abs()).fold(0.0, f32::max);
        assert!(worst < 1.0, "{worst} mm");
    }

    #[test]
    fn meshes_are_added_with_their_vertices() {
        let one = mesh(&slabs(&[(0.0, vec![circle(0.0, 0.0, 10.0)])], 1.5), 1.0);
        let mut both = Mesh::default();
        both.append(one.clone());
        assert_eq!(both, one);
        both.append(one.clone());
        assert_eq!(both.normals.len(), both.positions.len());
        assert_closed(&both);
        assert!((both.volume_mm3() / one.volume_mm3() - 2.0).abs() < 1e-6);
    }

    #[test]
    fn after_an_edit_only_what_lies_beside_it_is_made_anew() {
        let stack = |moved: f64| -> Vec<(f64, Vec<Polygon>)> {
            (0..10)
                .map(|k| (f64::from(k) * 3.0, vec![circle(if k == 4 { moved } else { 0.0 }, 0.0, 20.0)]))
                .collect()
        };
        let mut mesher = Mesher::new(1.5);
        let first = mesher.mesh(&slabs(&stack(0.0), 1.5), &|| false).unwrap();
        let before = mesher.clone();
        let mut fresh = Mesher { planes: HashMap::new(), spans: HashMap::new(), ..mesher.clone() };
        let edited = stack(4.0);
        let second = mesher.mesh(&slabs(&edited, 1.5), &|| false).unwrap();
        assert_closed(&second);
        assert_ne!(first, second);
        assert_eq!(second, fresh.mesh(&slabs(&edited, 1.5), &|| false).unwrap());
        assert_eq!(before.lattice, mesher.lattice);
        // Two ends and nine gaps, of which two are beside the plane.
        assert_eq!(mesher.spans.len(), 11);
        let kept = |(key, span): (&SpanKey, &Arc<Span>)| {
            before.spans.get(key).is_some_and(|before| Arc::ptr_eq(before, span))
        };
        assert_eq!(mesher.spans.iter().filter(|own| kept(*own)).count(), 9);
        // Beyond the room that was kept, a new lattice serves; undone, the first surface is back.
        let far = stack(60.0);
        assert_closed(&mesher.mesh(&slabs(&far, 1.5), &|| false).unwrap());
        assert_ne!(before.lattice, mesher.lattice);
        assert_eq!(mesh(&slabs(&stack(0.0), 1.5), 1.5), first);
    }

    #[test]
    fn a_mesher_that_was_stopped_goes_on_later() {
        let stack: Vec<_> = (0..6).map(|k| (f64::from(k) * 3.0, vec![circle(0.0, 0.0, 15.0)])).collect();
        let slabs = slabs(&stack, 1.5);
        let mut mesher = Mesher::new(1.5);
        let asked = std::sync::atomic::AtomicUsize::new(0);
        let after_three = || asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= 3;
        assert_eq!(mesher.mesh(&slabs, &after_three), None);
        assert_eq!(mesher.planes.len(), 3);
        assert_eq!(mesher.mesh(&slabs, &|| false), Some(mesh(&slabs, 1.5)));
    }

    #[test]
    fn an_empty_stack_has_no_surface() {
        assert_eq!(mesh(&[], 1.0), Mesh::default());
    }
}
