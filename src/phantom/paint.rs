//! From shapes to voxels: Hounsfield values with partial volume, texture, blur and noise as a
//! scanner makes them, and the label of each voxel.

use super::Sampling;
use super::anatomy::Texture;
use super::individual::{Individual, Known, Part};
use super::noise::NoiseTile;
use super::shape::{Ball, V3};
use crate::progress::{Cancelled, Progress};
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Distances are evaluated at every second pixel and interpolated: shapes are smooth.
const COARSE: usize = 2;
/// The bend of the body is evaluated at every sixteenth pixel.
const BEND: usize = 16;
/// Coarse cells along a tile, the square between nodes of the bend.
const TILE: usize = BEND / COARSE;
/// Half the width of the soft edge that partial volume and the scanner's blur make, mm.
const EDGE_MM: f32 = 0.6;
const AIR_HU: f32 = -1000.0;

pub(super) struct Painted {
    pub(super) hu: Vec<i16>,
    pub(super) labels: Vec<u16>,
}

pub(super) fn paint(
    individual: &Individual,
    sampling: Sampling,
    slices: usize,
    low_mm: f64,
    progress: &Progress,
) -> Result<Painted, Cancelled> {
    let plane = sampling.pixels * sampling.pixels;
    let mut hu = vec![0_i16; plane * slices];
    let mut labels = vec![0_u16; plane * slices];
    let done = AtomicUsize::new(0);
    hu.par_chunks_mut(plane).zip(labels.par_chunks_mut(plane)).enumerate().try_for_each(
        |(k, (hu, labels))| {
            #[expect(clippy::cast_possible_truncation, reason = "heights of a body in mm")]
            let z_mm = (low_mm + k as f64 * sampling.slice_mm) as f32;
            SlicePainter::new(individual, sampling, z_mm, k).paint(hu, labels);
            progress.set_fraction((done.fetch_add(1, Ordering::Relaxed) + 1) as f64 / slices as f64)
        },
    )?;
    Ok(Painted { hu, labels })
}

struct SlicePainter<'a> {
    individual: &'a Individual,
    sampling: Sampling,
    /// Coarse nodes along x and along y.
    nodes: usize,
    z_mm: f32,
    k: usize,
    /// Atlas positions at the coarse nodes.
    atlas: Vec<V3>,
    /// The tiles between the nodes of the bend, along x, and where each lies in the atlas.
    tiles: usize,
    tile_balls: Vec<Ball>,
    z_span: [f32; 2],
}

impl<'a> SlicePainter<'a> {
    fn new(individual: &'a Individual, sampling: Sampling, z_mm: f32, k: usize) -> Self {
        let (nodes, bend_nodes) = (sampling.pixels / COARSE + 1, sampling.pixels / BEND + 1);
        #[expect(clippy::cast_possible_truncation, reason = "positions in a body")]
        let pixel_mm = |index: usize| sampling.position_mm(index) as f32;
        let bend: Vec<V3> = (0..bend_nodes * bend_nodes)
            .map(|n| {
                let at = V3::new(pixel_mm(n % bend_nodes * BEND), pixel_mm(n / bend_nodes * BEND), z_mm);
                individual.atlas_of(at)
            })
            .collect();
        let atlas: Vec<V3> = (0..nodes * nodes)
            .map(|n| {
                let (i, j) = (n % nodes, n / nodes);
                let (bi, bj) = ((i / TILE).min(bend_nodes - 2), (j / TILE).min(bend_nodes - 2));
                let (fx, fy) = ((i - bi * TILE) as f32 / TILE as f32, (j - bj * TILE) as f32 / TILE as f32);
                let node = |di: usize, dj: usize| bend[bi + di + bend_nodes * (bj + dj)];
                node(0, 0).lerp(&node(1, 0), fx).lerp(&node(0, 1).lerp(&node(1, 1), fx), fy)
            })
            .collect();
        let tiles = bend_nodes - 1;
        let tile_balls = (0..tiles * tiles)
            .map(|n| {
                let first = n % tiles + bend_nodes * (n / tiles);
                let corners = [first, first + 1, first + bend_nodes, first + bend_nodes + 1].map(|n| bend[n]);
                let center = corners.iter().sum::<V3>() * 0.25;
                let radius = corners.iter().map(|p| (p - center).norm()).fold(0.0, f32::max);
                Ball { center, radius }
            })
            .collect();
        let z_span = bend
            .iter()
            .fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], p| [low.min(p.z), high.max(p.z)]);
        Self { individual, sampling, nodes, z_mm, k, atlas, tiles, tile_balls, z_span }
    }

    #[expect(clippy::cast_possible_truncation, reason = "positions in a body")]
    fn pixel_mm(&self, index: usize) -> f32 {
        self.sampling.position_mm(index) as f32
    }

    fn paint(&self, hu: &mut [i16], labels: &mut [u16]) {
        let pixels = self.sampling.pixels;
        let mut known = Known::new(self.individual, self.nodes * self.nodes);
        let mut canvas = Canvas::new(self.nodes, pixels, labels);
        // From the last part, which covers the others, to the first: what is covered costs nothing.
        for part in self.individual.parts.iter().rev().filter(|part| !part.text.hidden) {
            self.paint_part(part, &mut known, &mut canvas);
        }
        let mut picture = canvas.finish();
        blur(&mut picture, pixels, [0.14, 0.72]);
        let mut noise: Vec<f32> = (0..pixels * pixels)
            .map(|n| self.individual.noise.white(n % pixels, n / pixels, self.k))
            .collect();
        blur(&mut noise, pixels, [0.22, 0.56]);
        for ((out, value), noise) in hu.iter_mut().zip(&picture).zip(&noise) {
            // Photon noise grows in the shadow of the body.
            let sigma = if *value > -700.0 { 30.0 } else { 18.0 };
            #[expect(clippy::cast_possible_truncation, reason = "clamped")]
            {
                *out = (value + sigma * noise).round().clamp(-1024.0, 3071.0) as i16;
            }
        }
    }

    /// The coarse nodes `low..=high` that a part may touch, in x or y.
    fn node_range(&self, low_mm: f32, high_mm: f32) -> Option<(usize, usize)> {
        let step = self.pixel_mm(COARSE) - self.pixel_mm(0);
        let first = (low_mm - self.pixel_mm(0)) / step;
        let last = (high_mm - self.pixel_mm(0)) / step;
        if last < 0.0 || first > (self.nodes - 1) as f32 || !(last > first) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the picture")]
        Some((first.floor().max(0.0) as usize, (last.ceil() as usize).min(self.nodes - 1)))
    }

    fn paint_part(&self, part: &Part, known: &mut Known, canvas: &mut Canvas) {
        let bounds = self.individual.patient_bounds(&part.bounds.grown(3.0));
        if self.z_mm < bounds.low.z || self.z_mm > bounds.high.z {
            return;
        }
        let (Some((i0, i1)), Some((j0, j1))) =
            (self.node_range(bounds.low.x, bounds.high.x), self.node_range(bounds.low.y, bounds.high.y))
        else {
            return;
        };
        let slab = self.individual.slab(part, self.z_span[0] - 2.0, self.z_span[1] + 2.0);
        let brush = PartBrush::new(self.individual, part);
        // Every node of a tile, its far edges included.
        let mut distances = Vec::new();
        let span = TILE + 1;
        for tile_j in j0 / TILE..=(j1 - 1) / TILE {
            for tile_i in i0 / TILE..=(i1 - 1) / TILE {
                let Some(local) = slab.within(self.tile_balls[tile_i + self.tiles * tile_j]) else {
                    continue;
                };
                let (first_i, first_j) = (tile_i * TILE, tile_j * TILE);
                distances.clear();
                distances.resize(span * span, f32::NAN);
                for j in first_j.max(j0)..(first_j + TILE).min(j1) {
                    for i in first_i.max(i0)..(first_i + TILE).min(i1) {
                        if !canvas.is_open(i, j) {
                            continue;
                        }
                        let corners = [(i, j), (i + 1, j), (i, j + 1), (i + 1, j + 1)].map(|(i, j)| {
                            let distance = &mut distances[i - first_i + span * (j - first_j)];
                            if distance.is_nan() {
                                let node = i + self.nodes * j;
                                *distance = local.distance(self.atlas[node], node, known);
                            }
                            *distance
                        });
                        if corners.iter().any(|d| *d <= EDGE_MM + 2.0) {
                            self.paint_cell(&brush, [i, j], corners, canvas);
                        }
                    }
                }
            }
        }
    }

    fn paint_cell(&self, brush: &PartBrush, [i, j]: [usize; 2], [a, b, c, d]: [f32; 4], canvas: &mut Canvas) {
        let mut open = false;
        for y in j * COARSE..((j + 1) * COARSE).min(self.sampling.pixels) {
            let fy = (y - j * COARSE) as f32 / COARSE as f32;
            for x in i * COARSE..((i + 1) * COARSE).min(self.sampling.pixels) {
                let fx = (x - i * COARSE) as f32 / COARSE as f32;
                let distance = (a * (1.0 - fx) + b * fx) * (1.0 - fy) + (c * (1.0 - fx) + d * fx) * fy;
                let index = x + self.sampling.pixels * y;
                let cover = (0.5 - distance / (2.0 * EDGE_MM)).clamp(0.0, 1.0);
                if cover > 0.0 && canvas.is_seen(index) {
                    let here = V3::new(self.pixel_mm(x), self.pixel_mm(y), self.z_mm);
                    canvas.add(index, brush.hu(here, distance), cover);
                }
                if distance < 0.0 && !brush.part.text.within {
                    canvas.label(index, brush.part.label);
                }
                open |= canvas.is_seen(index) || !canvas.is_labelled(index);
            }
        }
        canvas.set_open(i, j, open);
    }
}

/// A slice painted from the front: what already covers a pixel hides what comes behind it.
struct Canvas<'a> {
    /// Cells, between coarse nodes, along x.
    cells: usize,
    /// Whether what lies behind can still be seen in a cell, or name a pixel of it.
    open: Vec<bool>,
    /// The values so far, each as much as it covers.
    picture: Vec<f32>,
    /// How much of what lies behind is seen, 0..=1.
    seen: Vec<f32>,
    labels: &'a mut [u16],
}

impl<'a> Canvas<'a> {
    /// The label of a pixel inside a part without a name: body, if there is a body.
    const UNNAMED: u16 = u16::MAX;

    fn new(nodes: usize, pixels: usize, labels: &'a mut [u16]) -> Self {
        let cells = nodes - 1;
        Self {
            cells,
            open: vec![true; cells * cells],
            picture: vec![0.0; pixels * pixels],
            seen: vec![1.0; pixels * pixels],
            labels,
        }
    }

    fn is_open(&self, i: usize, j: usize) -> bool {
        self.open[i + self.cells * j]
    }

    fn set_open(&mut self, i: usize, j: usize, open: bool) {
        self.open[i + self.cells * j] = open;
    }

    fn is_seen(&self, index: usize) -> bool {
        self.seen[index] > 0.0
    }

    fn is_labelled(&self, index: usize) -> bool {
        !matches!(self.labels[index], 0 | Self::UNNAMED)
    }

    fn add(&mut self, index: usize, hu: f32, cover: f32) {
        let seen = &mut self.seen[index];
        self.picture[index] += hu * cover * *seen;
        *seen *= 1.0 - cover;
    }

    /// Names a pixel inside a part, unless a part in front has named it.
    fn label(&mut self, index: usize, label: u16) {
        let here = &mut self.labels[index];
        *here = match (*here, label) {
            (0 | Self::UNNAMED, 0) => Self::UNNAMED,
            (0, named) => named,
            // What lies in the body without a name of its own is body.
            (Self::UNNAMED, _) => 1,
            (named, _) => named,
        };
    }

    /// The picture before air, which lies behind everything.
    fn finish(mut self) -> Vec<f32> {
        for (value, seen) in self.picture.iter_mut().zip(&self.seen) {
            *value += AIR_HU * seen;
        }
        for label in self.labels.iter_mut().filter(|label| **label == Self::UNNAMED) {
            *label = 0;
        }
        self.picture
    }
}

/// What a part looks like inside.
struct PartBrush<'a> {
    part: &'a Part,
    noise: &'a NoiseTile,
    gas_y: Option<f32>,
}

impl<'a> PartBrush<'a> {
    fn new(individual: &'a Individual, part: &'a Part) -> Self {
        Self { part, noise: &individual.noise, gas_y: part.gas_y }
    }

    fn hu(&self, p: V3, distance: f32) -> f32 {
        let inside = self.inside_hu(p, distance);
        let Some([wall_mm, wall_hu]) = self.part.text.wall else { return inside };
        let depth = (-distance - wall_mm) / (2.0 * EDGE_MM) + 0.5;
        wall_hu + (inside - wall_hu) * depth.clamp(0.0, 1.0)
    }

    fn inside_hu(&self, p: V3, distance: f32) -> f32 {
        if self.gas_y.is_some_and(|y| p.y < y) {
            return -960.0;
        }
        let q = self.part.texture_at(p);
        let noise = |cell_mm: f32| self.noise.at([q.x / cell_mm, q.y / cell_mm, q.z / cell_mm]);
        let shifted =
            |cell_mm: f32| self.noise.at([q.x / cell_mm + 17.3, q.y / cell_mm + 29.1, q.z / cell_mm + 41.7]);
        // Where two smooth fields vanish together is a network of curves: vessels.
        let curve = |cell_mm: f32| noise(cell_mm).hypot(shifted(cell_mm));
        let base = self.part.hu;
        match self.part.texture() {
            Texture::Plain => base + 2.5 * noise(7.0),
            Texture::Fat => {
                let strand = 1.0 - (curve(11.0) / 0.16).min(1.0);
                base + 6.0 * noise(9.0) + 70.0 * strand
            }
            Texture::Muscle => {
                let fibre = self.noise.at([q.x / 15.0, q.y / 15.0, q.z / 60.0]) + 0.3 * noise(7.0);
                let plane = 1.0 - (fibre.abs() / 0.10).min(1.0);
                base + 6.0 * noise(4.0) - 75.0 * plane * plane
            }
            Texture::Lung => {
                let depth = (-distance / 45.0).clamp(0.0, 1.0);
                let large = 1.0 - (curve(24.0) / (0.08 + 0.14 * depth)).min(1.0);
                let small = 1.0 - (curve(12.0) / 0.16).min(1.0);
                let vessel = (2.2 * large).min(1.0).max(0.55 * small);
                let air = base + 18.0 * noise(12.0) + 0.32 * p.y;
                air + (35.0 - air) * vessel
            }
            Texture::Vessels => {
                let vessel = 1.0 - (curve(24.0) / 0.14).min(1.0);
                base + 3.0 * noise(6.0) + 38.0 * vessel
            }
            Texture::Brain => {
                let sulcus = 1.0 - (noise(8.5).abs() / 0.22).min(1.0);
                let near_surface = (1.0 + distance / 17.0).clamp(0.0, 1.0);
                let white = (noise(16.0) * 0.8 - distance / 14.0 - 0.7).clamp(0.0, 1.0);
                base + 5.0 - 10.0 * white - 32.0 * sulcus * near_surface
            }
            Texture::Marrow => base + 55.0 * noise(3.2),
            Texture::Cells => {
                if noise(3.6) > 0.1 {
                    -700.0
                } else {
                    base
                }
            }
        }
    }
}

/// A separable three-tap blur with weights `[side, middle, side]`.
fn blur(picture: &mut [f32], pixels: usize, [side, middle]: [f32; 2]) {
    for row in picture.chunks_exact_mut(pixels) {
        let mut left = row[0];
        for x in 0..pixels {
            let here = row[x];
            let right = row[(x + 1).min(pixels - 1)];
            row[x] = side * (left + right) + middle * here;
            left = here;
        }
    }
    let mut above = picture[..pixels].to_vec();
    for y in 0..pixels {
        let below = (y + 1).min(pixels - 1) * pixels;
        for x in 0..pixels {
            let here = picture[y * pixels + x];
            picture[y * pixels + x] = side * (above[x] + picture[below + x]) + middle * here;
            above[x] = here;
        }
    }
}
