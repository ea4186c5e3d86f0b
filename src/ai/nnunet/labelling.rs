//! A label map made of what was decided elsewhere, proven voxel by voxel or decided again here.
//!
//! It is the same map, bit for bit, that [`Slices`](super::stream::Slices) makes of the same sums:
//! - where all voxels of the network around one of the image decide alike, that is its label;
//! - where they do not, whoever has the logits is asked for the label between them;
//! - what was not proven there is decided from the sums of the voxels around it, by the very functions
//!   that a slice is decided by, corner after corner in the same order.
//!
//! Planes come and go along the network's first axis, whatever the image's axes; the map itself is kept, a
//! byte a voxel.

use super::axis::Pair;
use super::decision::Decision;
use super::export::Export;
use super::sum::Covered;
use rayon::prelude::*;
use std::collections::VecDeque;

/// The byte of a voxel whose label is not proven.
pub(in crate::ai) const UNDECIDED: u8 = 255;

/// The byte of a voxel whose values are beyond the bounds of a proof, or not numbers.
pub(in crate::ai) const EXTREME: u8 = 254;

/// Classes whose labels are bytes, some of which mean something else.
const CLASSES: usize = 250;

/// The label map on its way.
pub(in crate::ai) struct Labelling<'a> {
    export: &'a Export,
    classes: usize,
    /// Of the non-zero region, `[z][y][x]` of the network's axes.
    labels: Vec<u8>,
    /// Planes of the network's voxels that are still needed.
    held: VecDeque<Plane>,
    /// The index of the first of them.
    first: usize,
    /// Planes of the region that are done.
    done: usize,
    /// Planes of the region that are done but for their open voxels.
    begun: usize,
}

struct Plane {
    /// The class of each voxel, [`UNDECIDED`] and the like where it is not known.
    decided: Vec<u8>,
    covered: Covered,
    /// Rounded logits; empty where they lie elsewhere.
    logits: Vec<f32>,
}

/// The voxels of the network around one of the image, in the order in which their logits are added up:
/// up to eight, those without weight left out.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::ai) struct Around {
    /// Among the voxels that are held, `[plane][y][x]`.
    at: [usize; 8],
    weights: [f64; 8],
    count: usize,
}

impl Around {
    fn push(&mut self, at: usize, weight: f64) {
        self.at[self.count] = at;
        self.weights[self.count] = weight;
        self.count += 1;
    }

    /// The voxels.
    pub(in crate::ai) fn at(&self) -> &[usize] {
        &self.at[..self.count]
    }

    fn each(&self) -> impl Iterator<Item = (usize, f64)> {
        self.at.into_iter().zip(self.weights).take(self.count)
    }
}

/// Sums of some voxels among those that are held, made logits.
pub(in crate::ai) struct Rows {
    /// In rising order.
    at: Vec<usize>,
    logits: Vec<f32>,
    decided: Vec<u16>,
}

impl<'a> Labelling<'a> {
    /// Whether an export's labels can be made this way.
    pub(in crate::ai) fn takes(export: &Export) -> bool {
        matches!(export.decision, Decision::Classes(1..=CLASSES))
    }

    /// Nothing yet.
    pub(in crate::ai) fn new(export: &'a Export) -> Self {
        Self {
            export,
            classes: export.decision.channels(),
            labels: vec![0; export.geometry.cropped.iter().product()],
            held: VecDeque::new(),
            first: 0,
            done: 0,
            begun: 0,
        }
    }

    /// Voxels of a plane of the network.
    fn area(&self) -> usize {
        self.export.geometry.size[1] * self.export.geometry.size[2]
    }

    /// Voxels that are held.
    pub(in crate::ai) fn held(&self) -> usize {
        self.held.len() * self.area()
    }

    /// Takes the next plane of the network's voxels, its sums lying elsewhere. `decided` has the class of
    /// each voxel, or something above all classes; what no tile has looked at is background.
    pub(in crate::ai) fn push(&mut self, mut decided: Vec<u8>, covered: Covered) {
        for (at, decided) in decided.iter_mut().enumerate() {
            if covered.weight(at) == 0.0 {
                *decided = 0;
            }
        }
        self.held.push_back(Plane { decided, covered, logits: Vec::new() });
    }

    /// Takes the next plane of logits `[y][x][class]`, and makes what can be made of it.
    pub(in crate::ai) fn push_logits(&mut self, logits: &[f32]) {
        let mut logits = logits.to_vec();
        self.export.round(&mut logits);
        let decided = self.decided(&logits).into_iter().map(|class| u8::try_from(class).unwrap_or(UNDECIDED));
        let decided = decided.collect();
        self.held.push_back(Plane { decided, covered: Covered::default(), logits });
        let open = self.begin();
        let (area, classes) = (self.area(), self.classes);
        let logits = |at: usize| &self.held[at / area].logits[at % area * classes..][..classes];
        let decide = |voxel: &usize| (*voxel, self.between(&self.around(*voxel), logits));
        let labels: Vec<(usize, u8)> = open.par_iter().map(decide).collect();
        labels.into_iter().for_each(|(voxel, label)| self.set(voxel, label));
        self.end();
    }

    /// Labels the voxels of the image around which all decide alike, as far as planes are there; gives the
    /// others of those planes.
    pub(in crate::ai) fn begin(&mut self) -> Vec<usize> {
        let [_, ny, nx] = self.export.geometry.size;
        let [_, rows, columns] = self.export.geometry.cropped;
        let [around_z, around_y, around_x] = &self.export.around;
        let ready = self.first + self.held.len();
        let end = around_z.partition_point(|pair| pair.high < ready).max(self.begun);
        let (held, first) = (&self.held, self.first);
        let labels = &mut self.labels[self.begun * rows * columns..end * rows * columns];
        let from = self.begun * rows;
        let open = labels.par_chunks_exact_mut(columns).enumerate().flat_map_iter(|(row, labels)| {
            let row = from + row;
            let (pair_z, pair_y) = (around_z[row / rows], around_y[row % rows]);
            debug_assert!(pair_y.high < ny);
            let line = |z: usize, y: usize| &held[z - first].decided[y * nx..][..nx];
            let lines: Vec<&[u8]> = sides(pair_z)
                .flat_map(|(z, _)| sides(pair_y).map(move |(y, _)| (z, y)))
                .map(|(z, y)| line(z, y))
                .collect();
            let mut open = Vec::new();
            for (x, (label, pair)) in labels.iter_mut().zip(around_x).enumerate() {
                let low = if pair.low_weight > 0.0 { pair.low } else { pair.high };
                let high = if pair.high_weight > 0.0 { pair.high } else { pair.low };
                let class = lines[0][low];
                *label = class;
                if usize::from(class) > CLASSES
                    || lines.iter().any(|line| line[low] != class || line[high] != class)
                {
                    open.push(row * columns + x);
                }
            }
            open
        });
        let open = open.collect();
        self.begun = end;
        open
    }

    /// Notes that the open voxels of what was begun are done; gives how many planes of the network are no
    /// longer held.
    pub(in crate::ai) fn end(&mut self) -> usize {
        self.done = self.begun;
        let ready = self.first + self.held.len();
        let needed = self.needed().min(ready);
        let gone = needed.saturating_sub(self.first);
        self.held.drain(..gone);
        self.first += gone;
        gone
    }

    /// The first plane of the network that what is not done needs.
    fn needed(&self) -> usize {
        self.export.around[0].get(self.done).map_or(self.export.geometry.size[0], |pair| pair.low)
    }

    /// Goes back to what is done; gives the plane of the network to go on with.
    pub(in crate::ai) fn go_back(&mut self) -> usize {
        self.begun = self.done;
        self.held.clear();
        self.first = self.needed();
        self.first
    }

    /// The most voxels of the network that lie around one of the image: 1, 2, 4 or 8.
    pub(in crate::ai) fn corners(&self) -> usize {
        let is_between = |pair: &Pair| pair.low_weight > 0.0 && pair.high_weight > 0.0;
        self.export.around.iter().map(|pairs| 1 + usize::from(pairs.iter().any(is_between))).product()
    }

    /// The voxels of the network around an open voxel.
    pub(in crate::ai) fn around(&self, voxel: usize) -> Around {
        let [_, ny, nx] = self.export.geometry.size;
        let [_, rows, columns] = self.export.geometry.cropped;
        let place = [voxel / (rows * columns), voxel / columns % rows, voxel % columns];
        // In the image's axes, as a slice adds them up.
        let axes = self.export.backward;
        let [slices, rows, columns] = axes.map(|axis| self.export.around[axis][place[axis]]);
        let [to_slice, to_row, to_column] = axes.map(|axis| [ny * nx, nx, 1][axis]);
        let mut around = Around::default();
        for (slice, share) in sides(slices) {
            for (row, weight) in sides(rows) {
                for (column, other) in sides(columns) {
                    let at = slice * to_slice + row * to_row + column * to_column;
                    around.push(at - self.first * ny * nx, share * (weight * other));
                }
            }
        }
        around
    }

    /// What each voxel around counts of its sum, in single precision; `None` where one of them was not
    /// looked at or has a class above `classes` and [`UNDECIDED`], or where there is but one.
    pub(in crate::ai) fn shares(&self, around: &Around) -> Option<[f32; 8]> {
        let area = self.area();
        let mut shares = [0.0; 8];
        if around.count < 2 {
            return None;
        }
        for (share, (at, weight)) in shares.iter_mut().zip(around.each()) {
            let plane = &self.held[at / area];
            let (sum, class) = (plane.covered.weight(at % area), plane.decided[at % area]);
            if sum == 0.0 || (class != UNDECIDED && usize::from(class) >= self.classes) {
                return None;
            }
            #[expect(clippy::cast_possible_truncation, reason = "a weight of at most 1 over one of a tile")]
            let own = (weight / f64::from(sum)) as f32;
            *share = own;
        }
        Some(shares)
    }

    /// Voxels that are held, from `from` on, whose class is `code`.
    pub(in crate::ai) fn voxels_of(&self, code: u8, from: usize) -> Vec<usize> {
        let area = self.area();
        let planes = self.held.iter().enumerate().skip(from / area.max(1));
        let own = planes.flat_map(|(plane, held)| {
            let own = held.decided.iter().enumerate().filter(|(_, class)| **class == code);
            own.map(move |(at, _)| plane * area + at)
        });
        own.collect()
    }

    /// Makes logits of the sums of voxels that are held, in rising order; `None` where they are not all
    /// numbers.
    pub(in crate::ai) fn rows(&self, at: Vec<usize>, mut sums: Vec<f32>) -> Option<Rows> {
        if sums.len() != at.len() * self.classes || !sums.iter().all(|sum| sum.is_finite()) {
            return None;
        }
        let area = self.area();
        for (at, sums) in at.iter().zip(sums.chunks_exact_mut(self.classes)) {
            self.held[at / area].covered.mean_at(at % area, sums, true);
        }
        self.export.round(&mut sums);
        let decided = self.decided(&sums);
        Some(Rows { at, logits: sums, decided })
    }

    fn decided(&self, logits: &[f32]) -> Vec<u16> {
        logits.par_chunks_exact(self.classes).map(|logits| self.export.decision.decide(logits)).collect()
    }

    /// Labels open voxels from the logits around them, all of which must be among `rows`.
    pub(in crate::ai) fn decide(&mut self, voxels: &[usize], rows: &Rows) {
        let own = |at: usize| rows.at.binary_search(&at).unwrap_or(0);
        let logits = |at: usize| &rows.logits[own(at) * self.classes..][..self.classes];
        let decide = |voxel: &usize| {
            let around = self.around(*voxel);
            let first = rows.decided[own(around.at[0])];
            let label = if around.at().iter().all(|at| rows.decided[own(*at)] == first) {
                u8::try_from(first).unwrap_or(UNDECIDED)
            } else {
                self.between(&around, logits)
            };
            (*voxel, label)
        };
        let labels: Vec<(usize, u8)> = voxels.par_iter().map(decide).collect();
        labels.into_iter().for_each(|(voxel, label)| self.set(voxel, label));
    }

    /// What the logits between voxels decide.
    fn between<'r>(&self, around: &Around, logits: impl Fn(usize) -> &'r [f32]) -> u8 {
        let mut between = vec![0.0; self.classes];
        self.export.blend(around.each().map(|(at, weight)| (weight, logits(at))), &mut between);
        u8::try_from(self.export.decision.decide(&between)).unwrap_or(UNDECIDED)
    }

    /// Labels an open voxel.
    pub(in crate::ai) fn set(&mut self, voxel: usize, label: u8) {
        self.labels[voxel] = label;
    }

    /// The label map on the image's own voxels, background in the margin.
    ///
    /// # Panics
    /// When planes are missing.
    pub(in crate::ai) fn finish(self) -> Vec<u16> {
        let geometry = &self.export.geometry;
        assert_eq!(self.done, geometry.cropped[0], "all planes were pushed");
        let axes = self.export.backward;
        let [_, rows, columns] = geometry.cropped;
        let strides = axes.map(|axis| [rows * columns, columns, 1][axis]);
        let (low, size) = (axes.map(|axis| geometry.low[axis]), axes.map(|axis| geometry.cropped[axis]));
        let [_, ny, nx] = geometry.image_size;
        let mut map = vec![0; geometry.image_size.iter().product()];
        map.par_chunks_exact_mut(ny * nx).skip(low[0]).take(size[0]).enumerate().for_each(|(z, slice)| {
            for y in 0..size[1] {
                let from = z * strides[0] + y * strides[1];
                let row = &mut slice[(low[1] + y) * nx + low[2]..][..size[2]];
                for (x, label) in row.iter_mut().enumerate() {
                    *label = u16::from(self.labels[from + x * strides[2]]);
                }
            }
        });
        map
    }
}

/// The voxels on both sides of a place along an axis that have weight, and their weights.
fn sides(pair: Pair) -> impl Iterator<Item = (usize, f64)> {
    [(pair.low, pair.low_weight), (pair.high, pair.high_weight)]
        .into_iter()
        .filter(|(_, weight)| *weight > 0.0)
}
