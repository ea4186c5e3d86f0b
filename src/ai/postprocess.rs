//! From class probabilities on the model grid to contours on the image's own slices.
//!
//! Probabilities are interpolated linearly at the image's voxels; the greatest is the label, and
//! contours run where a class's probability equals the greatest of the others, so neighbours touch
//! without gap or overlap and the voxel centres inside are exactly the label map. Slices are worked
//! through one by one: there is never a class array of the image's size.

use super::agreement::{Agreement, reach};
use super::anatomy::{HOLE_MM2, close_holes};
use super::package::{Label, ModelPackage};
use super::preprocess::Affine;
use super::presence::Traced;
use super::sliding::Probabilities;
use super::union::Union;
use crate::geometry::rasterise::Frame;
use crate::geometry::{Grid, Point3, Polygon, Vector2, trace};
use crate::patient::{LabelMap, RoiPlane, Slice, Volume};
use crate::progress::{Cancelled, Progress};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Pixels of a slice that a label's raw score is taken from, at most.
const SCORED_PIXELS: usize = 4096;

/// A cell of eight model voxels that do not agree on the label.
pub(super) const MIXED: u16 = u16::MAX;

/// Probabilities that can be asked for anywhere.
pub(super) struct Field<'a> {
    pub(super) probabilities: &'a Probabilities,
    grid: &'a Grid,
    /// The label that all eight corners of the cell above a voxel share, or [`MIXED`].
    pub(super) cells: Vec<u16>,
}

/// The eight model voxels around a point, and their shares.
#[derive(Clone, Copy)]
struct Corners {
    first: usize,
    steps: [usize; 3],
    shares: [f32; 3],
}

impl Corners {
    /// Index and weight of each corner.
    fn each(&self) -> [(usize, f32); 8] {
        std::array::from_fn(|corner| {
            let mut index = self.first;
            let mut weight = 1.0;
            for axis in 0..3 {
                if corner >> axis & 1 == 1 {
                    index += self.steps[axis];
                    weight *= self.shares[axis];
                } else {
                    weight *= 1.0 - self.shares[axis];
                }
            }
            (index, weight)
        })
    }
}

impl<'a> Field<'a> {
    /// `labels`: the greatest class at each voxel of `probabilities`.
    pub(super) fn new(probabilities: &'a Probabilities, labels: &[u16], grid: &'a Grid) -> Self {
        let [nz, ny, nx] = probabilities.size;
        let mut cells = vec![MIXED; labels.len()];
        cells.par_chunks_mut((ny * nx).max(1)).enumerate().for_each(|(z, plane)| {
            for y in 0..ny {
                for x in 0..nx {
                    let at = |dz: usize, dy: usize, dx: usize| {
                        labels[((z + dz).min(nz - 1) * ny + (y + dy).min(ny - 1)) * nx + (x + dx).min(nx - 1)]
                    };
                    let label = at(0, 0, 0);
                    let same = (1..8).all(|corner| at(corner >> 2, corner >> 1 & 1, corner & 1) == label);
                    plane[y * nx + x] = if same { label } else { MIXED };
                }
            }
        });
        Self { probabilities, grid, cells }
    }

    /// The model voxels around model index `at` (x, y, z); `None` where there is only background.
    fn corners(&self, at: [f64; 3]) -> Option<Corners> {
        let p = self.probabilities;
        let dims = self.grid.dims();
        let memory = [p.size[2] * p.size[1], p.size[2], 1];
        let mut corners = Corners { first: 0, steps: [0; 3], shares: [0.0; 3] };
        for axis in 0..3 {
            // `at` is (x, y, z), the probabilities are (z, y, x).
            let size = p.size[axis];
            #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
            let (inside, last) = (at[2 - axis] - p.low[axis] as f64, size as f64 - 1.0);
            // Beyond the grid its last voxel counts; elsewhere the outermost layer is background.
            let ends = [p.low[axis] == 0, p.low[axis] + size == dims[2 - axis]];
            if size == 0 || (inside < 0.0 && !ends[0]) || (inside > last && !ends[1]) {
                return None;
            }
            let clamped = inside.clamp(0.0, last);
            let below = clamped.floor();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0 to the last voxel"
            )]
            {
                corners.first += below as usize * memory[axis];
                corners.shares[axis] = (clamped - below) as f32;
            }
            corners.steps[axis] = if corners.shares[axis] > 0.0 { memory[axis] } else { 0 };
        }
        Some(corners)
    }

    /// The model voxel below a model index; `None` where there is only background.
    pub(super) fn cell(&self, at: [f64; 3]) -> Option<usize> {
        Some(self.corners(at)?.first)
    }

    /// The probability of one class at a model index.
    pub(super) fn share(&self, at: [f64; 3], class: u16) -> f32 {
        let Some(corners) = self.corners(at) else { return if class == 0 { 1.0 } else { 0.0 } };
        let (classes, values) = (self.probabilities.classes, &self.probabilities.values);
        let class = usize::from(class);
        corners.each().iter().map(|(index, weight)| values[index * classes + class].to_f32() * weight).sum()
    }

    /// The class with the greatest probability at a model index (the first of equals).
    fn label(&self, at: [f64; 3], scratch: &mut CellCache) -> u16 {
        let Some(corners) = self.corners(at) else { return 0 };
        let cell = self.cells[corners.first];
        if cell != MIXED {
            return cell;
        }
        scratch.load(self, corners.first);
        scratch.greatest(corners.shares)
    }
}

/// The probabilities at the corners of the cell last asked for: neighbouring pixels share it.
#[derive(Default)]
struct CellCache {
    cell: Option<usize>,
    classes: Vec<u16>,
    /// For each class that can win in the cell, its eight corners.
    values: Vec<[f32; 8]>,
}

impl CellCache {
    fn load(&mut self, field: &Field<'_>, cell: usize) {
        if self.cell == Some(cell) {
            return;
        }
        self.cell = Some(cell);
        self.classes.clear();
        self.values.clear();
        let p = field.probabilities;
        let [nz, ny, nx] = p.size;
        let (z, y, x) = (cell / (ny * nx), cell / nx % ny, cell % nx);
        let corners: [usize; 8] = std::array::from_fn(|corner| {
            let (dz, dy, dx) = (corner & 1, corner >> 1 & 1, corner >> 2);
            ((z + dz).min(nz - 1) * ny + (y + dy).min(ny - 1)) * nx + (x + dx).min(nx - 1)
        });
        // A class cannot win anywhere in the cell if another is always above its greatest corner.
        let mut floor = 0.0_f32;
        let mut all = Vec::with_capacity(p.classes);
        for class in 0..p.classes {
            let values = corners.map(|at| p.values[at * p.classes + class].to_f32());
            floor = floor.max(values.iter().copied().fold(f32::MAX, f32::min));
            all.push(values);
        }
        for (class, values) in (0_u16..).zip(all) {
            if values.iter().any(|value| *value >= floor && *value > 0.0) {
                self.classes.push(class);
                self.values.push(values);
            }
        }
    }

    fn greatest(&self, shares: [f32; 3]) -> u16 {
        let weights: [f32; 8] = std::array::from_fn(|corner| {
            (0..3).fold(1.0, |weight, axis| {
                weight * if corner >> axis & 1 == 1 { shares[axis] } else { 1.0 - shares[axis] }
            })
        });
        let mut best = (0, f32::NEG_INFINITY);
        for (class, values) in self.classes.iter().zip(&self.values) {
            let value: f32 = values.iter().zip(&weights).map(|(value, weight)| value * weight).sum();
            if value > best.1 {
                best = (*class, value);
            }
        }
        best.0
    }
}

/// What is wanted of a prediction.
pub(super) struct Wanted<'a> {
    pub package: &'a ModelPackage,
    /// Whether a label's contours are wanted, by value.
    pub labels: Vec<bool>,
    /// Whether the label map is.
    pub label_map: bool,
    /// For each voxel of the volume whether it is inside the body.
    pub body: Option<&'a [bool]>,
}

impl<'a> Wanted<'a> {
    fn is_wanted(&self, value: u16) -> bool {
        self.labels.get(usize::from(value)).copied().unwrap_or(false)
    }

    /// The labels whose contours are wanted, in the manifest's order.
    pub(super) fn organs(&self) -> impl Iterator<Item = &'a Label> {
        self.package.labels.iter().filter(|label| self.is_wanted(label.value))
    }

    /// Whether small holes of a label are closed.
    fn closes(&self, value: u16) -> bool {
        self.package.label(value).is_some_and(|label| label.close_holes)
    }
}

/// Organs with contours on a slice, by value: those, and the sums of their score.
type Organs = BTreeMap<u16, (RoiPlane, Agreement)>;

/// Contours on the real slices, in the manifest's order, and the label map on the volume's grid. The
/// scores of planes are raw.
pub(super) fn contours<'a>(
    volume: &Volume,
    field: &Field<'_>,
    wanted: &Wanted<'a>,
    progress: &Progress,
) -> Result<(Vec<Traced<'a>>, Option<LabelMap>), Cancelled> {
    let [ni, nj, nk] = volume.grid.dims();
    let mut map = if wanted.label_map { vec![0_u16; volume.grid.len()] } else { Vec::new() };
    let same_planes = !volume.is_resampled();
    let with_others = wanted.organs().filter(|organ| !organ.includes.is_empty());
    let unions: Vec<Union> =
        with_others.map(|organ| Union::new(field, organ, &wanted.package.labels)).collect();
    let done = AtomicUsize::new(0);
    let slice_of = |slice: &Slice| -> Result<(Vec<u16>, Organs), Cancelled> {
        #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
        progress
            .set_fraction(done.fetch_add(1, Ordering::Relaxed) as f64 / volume.slices.len().max(1) as f64)?;
        if slice.missing {
            return Ok((Vec::new(), Organs::new()));
        }
        let k = nearest_plane(volume, slice.origin_mm);
        let pixels = Pixels::new(volume, field, slice.origin_mm, k, wanted);
        let labels = pixels.labels();
        let organs = traced(volume, slice, &pixels, &labels, &unions);
        Ok((if wanted.label_map && same_planes { labels } else { Vec::new() }, organs))
    };
    // A few slices at a time: their labels are put away before the next are made.
    let mut organs: BTreeMap<u16, (Vec<Arc<RoiPlane>>, Agreement)> = BTreeMap::new();
    let batch = 4 * rayon::current_num_threads();
    for (first, slices) in volume.slices.chunks(batch).enumerate() {
        let made: Vec<_> = slices.par_iter().map(slice_of).collect::<Result<_, _>>()?;
        for (offset, (labels, traced)) in made.into_iter().enumerate() {
            let k = first * batch + offset;
            if !labels.is_empty() && k < nk {
                map[k * ni * nj..][..ni * nj].copy_from_slice(&labels);
            }
            for (value, (plane, agreement)) in traced {
                let (planes, total) = organs.entry(value).or_default();
                planes.push(Arc::new(plane));
                *total = total.with(agreement.scaled(volume.slice_thickness_mm(k)));
            }
        }
    }
    if wanted.label_map && !same_planes {
        map.par_chunks_mut((ni * nj).max(1)).enumerate().try_for_each(|(k, plane)| {
            progress.check()?;
            #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
            let origin = volume.grid.patient_of([0.0, 0.0, k as f64]);
            plane.copy_from_slice(&Pixels::new(volume, field, origin, k, wanted).labels());
            Ok::<(), Cancelled>(())
        })?;
    }
    let label_map = wanted.label_map.then(|| {
        map.par_iter_mut().for_each(|label| {
            if !wanted.is_wanted(*label) {
                *label = 0;
            }
        });
        let names = wanted.organs().map(|label| (label.value, label.name.clone())).collect();
        LabelMap { grid: volume.grid.clone(), labels: map, names, unreviewed: true }
    });
    let traced = wanted.organs().filter_map(|label| {
        let (planes, agreement) = organs.remove(&label.value)?;
        Some(Traced { label, planes, agreement })
    });
    Ok((traced.collect(), label_map))
}

/// The grid plane nearest to a slice.
fn nearest_plane(volume: &Volume, origin_mm: Point3) -> usize {
    let at = volume.grid.voxel_of(origin_mm)[2].round().max(0.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped at 0")]
    let k = at as usize;
    k.min(volume.grid.dims()[2].saturating_sub(1))
}

/// The pixels of one slice in the model grid.
struct Pixels<'a> {
    field: &'a Field<'a>,
    wanted: &'a Wanted<'a>,
    /// From (i, j, 0) to the model index (x, y, z).
    model_from_pixel: Affine,
    /// Columns and rows.
    size: [usize; 2],
    /// Whether a pixel is inside the body; `None`: all are.
    body: Option<&'a [bool]>,
    /// Pixels that are too many for a hole to be closed.
    hole: usize,
}

impl<'a> Pixels<'a> {
    /// Of the slice at `origin_mm`, plane `k` of the volume's grid.
    fn new(
        volume: &Volume,
        field: &'a Field<'a>,
        origin_mm: Point3,
        k: usize,
        wanted: &'a Wanted<'a>,
    ) -> Self {
        let [ni, nj, nk] = volume.grid.dims();
        let (step_i, step_j) = (volume.grid.step_mm(0), volume.grid.step_mm(1));
        let model_from_pixel =
            Affine::of(|[i, j, _]| field.grid.voxel_of(origin_mm + step_i * i + step_j * j));
        let body = wanted.body.filter(|_| k < nk).map(|body| &body[k * ni * nj..][..ni * nj]);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to a billion")]
        let hole = (HOLE_MM2 / step_i.cross(&step_j).norm()).ceil().clamp(0.0, 1e9) as usize;
        Self { field, wanted, model_from_pixel, size: [ni, nj], body, hole }
    }

    /// A pixel's model index.
    fn at(&self, pixel: usize) -> [f64; 3] {
        self.model_from_pixel.at([pixel % self.size[0], pixel / self.size[0], 0])
    }

    fn is_inside(&self, pixel: usize) -> bool {
        self.body.is_none_or(|body| body[pixel])
    }

    /// The label of each pixel; 0 outside the body and outside the scan.
    fn labels(&self) -> Vec<u16> {
        let mut cache = CellCache::default();
        let mut label = |pixel: usize| {
            if self.is_inside(pixel) { self.field.label(self.at(pixel), &mut cache) } else { 0 }
        };
        let mut labels: Vec<u16> = (0..self.size[0] * self.size[1]).map(&mut label).collect();
        if labels.iter().any(|label| self.wanted.closes(*label)) {
            close_holes(&mut labels, self.size[0], self.hole, |label| self.wanted.closes(label));
        }
        labels
    }

    /// 1 for each pixel that belongs to an organ with others in it.
    fn union(&self, union: &Union) -> Vec<u16> {
        let is_in = |pixel| self.is_inside(pixel) && union.contains(self.field, self.at(pixel));
        let mut mask: Vec<u16> =
            (0..self.size[0] * self.size[1]).map(|pixel| u16::from(is_in(pixel))).collect();
        if self.wanted.closes(union.value) {
            close_holes(&mut mask, self.size[0], self.hole, |_| true);
        }
        mask
    }
}

/// The box around everything that is not background, one pixel wider, so that outlines end where the
/// probabilities say: its first pixel, its size, and what is in it.
fn cut_out(labels: &[u16], [ni, nj]: [usize; 2]) -> Option<([usize; 2], [usize; 2], Vec<u16>)> {
    let mut low = [usize::MAX; 2];
    let mut high = [0; 2];
    for (j, row) in labels.chunks_exact(ni.max(1)).enumerate() {
        let Some(first) = row.iter().position(|label| *label != 0) else { continue };
        let last = row.iter().rposition(|label| *label != 0).unwrap_or(first);
        low = [low[0].min(first), low[1].min(j)];
        high = [high[0].max(last + 1), high[1].max(j + 1)];
    }
    let low = (high[0] > 0).then(|| low.map(|n| n.saturating_sub(1)))?;
    let high = [(high[0] + 1).min(ni), (high[1] + 1).min(nj)];
    let rows = (low[1]..high[1]).flat_map(|j| &labels[j * ni + low[0]..j * ni + high[0]]);
    Some((low, [high[0] - low[0], high[1] - low[1]], rows.copied().collect()))
}

/// The outlines of the wanted labels of one slice, and the sums of their scores.
fn traced(volume: &Volume, slice: &Slice, pixels: &Pixels<'_>, labels: &[u16], unions: &[Union]) -> Organs {
    let mut organs = Organs::new();
    let step = |axis: usize| {
        let step = volume.grid.step_mm(axis);
        Vector2::new(slice.plane.u().dot(&step), slice.plane.v().dot(&step))
    };
    let origin = slice.plane.project(slice.origin_mm);
    let Some(frame) = Frame::new(origin, step(0), step(1), pixels.size) else { return organs };
    let around = [0, 1].map(|axis| reach(volume.grid.step_mm(axis).norm()));
    let width = pixels.size[0];
    let full = |low: [usize; 2], size: [usize; 2], at: usize| {
        (low[1] + at / size[0]) * width + low[0] + at % size[0]
    };
    let mut add = |value: u16, low, polygons: &[Polygon], mask: &[bool], share: &dyn Fn(usize) -> f32| {
        let mut plane = RoiPlane::new(slice.plane, slice.instance.clone(), frame.map(polygons, low));
        if !plane.polygons.is_empty() {
            let share = |at: usize| if pixels.is_inside(at) { share(at).min(1.0) } else { 0.0 };
            let agreement = Agreement::on_slice(mask, width, around, SCORED_PIXELS, share);
            plane.confidence = agreement.score();
            organs.insert(value, (plane, agreement));
        }
    };
    if let Some((low, size, cut)) = cut_out(labels, pixels.size) {
        let share = |label: u16, at: usize| pixels.field.share(pixels.at(at), label);
        let outlines =
            trace::labels_slice(&cut, size[0], size[1], |label, at| share(label, full(low, size, at)));
        for (label, polygons) in outlines {
            if pixels.wanted.is_wanted(label) && !unions.iter().any(|union| union.value == label) {
                let mask: Vec<bool> = labels.iter().map(|own| *own == label).collect();
                add(label, low, &polygons, &mask, &|at| share(label, at));
            }
        }
    }
    for union in unions {
        let mask = pixels.union(union);
        let Some((low, size, cut)) = cut_out(&mask, pixels.size) else { continue };
        let shares = |at: usize| union.shares(pixels.field, pixels.at(at));
        let outlines = trace::labels_slice(&cut, size[0], size[1], |label, at| {
            shares(full(low, size, at))[usize::from(label == 0)]
        });
        let mask: Vec<bool> = mask.iter().map(|own| *own != 0).collect();
        let polygons = outlines.get(&1).map_or(&[][..], Vec::as_slice);
        add(union.value, low, polygons, &mask, &|at| shares(at)[0]);
    }
    organs
}

#[cfg(test)]
mod tests;
