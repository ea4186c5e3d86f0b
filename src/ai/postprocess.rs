//! From class probabilities on the model grid to contours on the image's own slices.
//!
//! Probabilities are interpolated linearly at the image's voxels; the greatest is the label, and
//! contours run where a class's probability equals the greatest of the others, so neighbours touch
//! without gap or overlap and the voxel centres inside are exactly the label map. Slices are worked
//! through one by one: there is never a class array of the image's size.

use super::package::ModelPackage;
use super::preprocess::Affine;
use super::sliding::Probabilities;
use crate::geometry::rasterise::Frame;
use crate::geometry::{Grid, Point3, Polygon, trace};
use crate::patient::{LabelMap, Roi, RoiPlane, Slice, Volume};
use crate::progress::{Cancelled, Progress};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A cell of eight model voxels that do not agree on the label.
const MIXED: u16 = u16::MAX;

/// Probabilities that can be asked for anywhere.
pub(super) struct Field<'a> {
    probabilities: &'a Probabilities,
    grid: &'a Grid,
    /// The label that all eight corners of the cell above a voxel share, or [`MIXED`].
    cells: Vec<u16>,
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

    /// The probability of one class at a model index.
    fn share(&self, at: [f64; 3], class: u16) -> f32 {
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

/// Contours on the real slices, and the label map on the volume's grid.
pub(super) fn contours(
    volume: &Volume,
    field: &Field<'_>,
    wanted: &Wanted<'_>,
    progress: &Progress,
) -> Result<(Vec<Roi>, Option<LabelMap>), Cancelled> {
    let [ni, nj, nk] = volume.grid.dims();
    let mut map = if wanted.label_map { vec![0_u16; volume.grid.len()] } else { Vec::new() };
    let same_planes = !volume.is_resampled();
    let done = AtomicUsize::new(0);
    let slice_of = |slice: &Slice| -> Result<(Vec<u16>, BTreeMap<u16, RoiPlane>), Cancelled> {
        #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
        progress
            .set_fraction(done.fetch_add(1, Ordering::Relaxed) as f64 / volume.slices.len().max(1) as f64)?;
        if slice.missing {
            return Ok((Vec::new(), BTreeMap::new()));
        }
        let k = nearest_plane(volume, slice.origin_mm);
        let pixels = Pixels::new(volume, field, slice.origin_mm);
        let labels = pixels.labels(k, [ni, nj], nk, wanted.body);
        let planes = traced(volume, slice, &pixels, &labels, wanted);
        Ok((if wanted.label_map && same_planes { labels } else { Vec::new() }, planes))
    };
    // A few slices at a time: their labels are put away before the next are made.
    let mut planes: BTreeMap<u16, Vec<Arc<RoiPlane>>> = BTreeMap::new();
    let batch = 4 * rayon::current_num_threads();
    for (first, slices) in volume.slices.chunks(batch).enumerate() {
        let made: Vec<_> = slices.par_iter().map(slice_of).collect::<Result<_, _>>()?;
        for (offset, (labels, traced)) in made.into_iter().enumerate() {
            let k = first * batch + offset;
            if !labels.is_empty() && k < nk {
                map[k * ni * nj..][..ni * nj].copy_from_slice(&labels);
            }
            for (label, plane) in traced {
                planes.entry(label).or_default().push(Arc::new(plane));
            }
        }
    }
    if wanted.label_map && !same_planes {
        map.par_chunks_mut((ni * nj).max(1)).enumerate().try_for_each(|(k, plane)| {
            progress.check()?;
            #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
            let origin = volume.grid.patient_of([0.0, 0.0, k as f64]);
            plane.copy_from_slice(&Pixels::new(volume, field, origin).labels(k, [ni, nj], nk, wanted.body));
            Ok::<(), Cancelled>(())
        })?;
    }
    let label_map = wanted.label_map.then(|| {
        map.par_iter_mut().for_each(|label| {
            if !wanted.labels.get(usize::from(*label)).copied().unwrap_or(false) {
                *label = 0;
            }
        });
        let names = wanted
            .package
            .labels
            .iter()
            .filter(|label| wanted.labels.get(usize::from(label.value)).copied().unwrap_or(false))
            .map(|label| (label.value, label.name.clone()))
            .collect();
        LabelMap { grid: volume.grid.clone(), labels: map, names }
    });
    Ok((rois(wanted, planes), label_map))
}

fn rois(wanted: &Wanted<'_>, mut planes: BTreeMap<u16, Vec<Arc<RoiPlane>>>) -> Vec<Roi> {
    let package = wanted.package;
    let mut rois = Vec::new();
    for label in package.labels.iter().filter(|label| wanted.labels[usize::from(label.value)]) {
        let Some(planes) = planes.remove(&label.value) else { continue };
        rois.push(package.proposal(label, planes));
    }
    rois
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
    /// From (i, j, 0) to the model index (x, y, z).
    model_from_pixel: Affine,
}

impl<'a> Pixels<'a> {
    fn new(volume: &Volume, field: &'a Field<'a>, origin_mm: Point3) -> Self {
        let (step_i, step_j) = (volume.grid.step_mm(0), volume.grid.step_mm(1));
        let model_from_pixel =
            Affine::of(|[i, j, _]| field.grid.voxel_of(origin_mm + step_i * i + step_j * j));
        Self { field, model_from_pixel }
    }

    /// The label of each pixel of a slice; 0 outside the body and outside the scan.
    fn labels(&self, k: usize, [ni, nj]: [usize; 2], nk: usize, body: Option<&[bool]>) -> Vec<u16> {
        let mut labels = vec![0; ni * nj];
        let mut cache = CellCache::default();
        for j in 0..nj {
            for i in 0..ni {
                let at = i + ni * j;
                if k < nk && body.is_some_and(|body| !body[at + ni * nj * k]) {
                    continue;
                }
                labels[at] = self.field.label(self.model_from_pixel.at([i, j, 0]), &mut cache);
            }
        }
        labels
    }
}

/// The outlines of the wanted labels of one slice.
fn traced(
    volume: &Volume,
    slice: &Slice,
    pixels: &Pixels<'_>,
    labels: &[u16],
    wanted: &Wanted<'_>,
) -> BTreeMap<u16, RoiPlane> {
    let [ni, nj, _] = volume.grid.dims();
    // Only the box around everything that is not background.
    let mut low = [usize::MAX; 2];
    let mut high = [0; 2];
    for (j, row) in labels.chunks_exact(ni.max(1)).enumerate() {
        let Some(first) = row.iter().position(|label| *label != 0) else { continue };
        let last = row.iter().rposition(|label| *label != 0).unwrap_or(first);
        low = [low[0].min(first), low[1].min(j)];
        high = [high[0].max(last + 1), high[1].max(j + 1)];
    }
    if high[0] == 0 {
        return BTreeMap::new();
    }
    // One pixel of background more, so that outlines end where the probabilities say.
    low = low.map(|n| n.saturating_sub(1));
    high = [(high[0] + 1).min(ni), (high[1] + 1).min(nj)];
    let (width, height) = (high[0] - low[0], high[1] - low[1]);
    let mut cut = Vec::with_capacity(width * height);
    for j in low[1]..high[1] {
        cut.extend_from_slice(&labels[j * ni + low[0]..][..width]);
    }
    let outlines: BTreeMap<u16, Vec<Polygon>> = trace::labels_slice(&cut, width, height, |label, at| {
        let (i, j) = (low[0] + at % width, low[1] + at / width);
        pixels.field.share(pixels.model_from_pixel.at([i, j, 0]), label)
    });
    let step = |axis: usize| {
        let step = volume.grid.step_mm(axis);
        crate::geometry::Vector2::new(slice.plane.u().dot(&step), slice.plane.v().dot(&step))
    };
    let origin = slice.plane.project(slice.origin_mm);
    let Some(frame) = Frame::new(origin, step(0), step(1), [ni, nj]) else { return BTreeMap::new() };
    outlines
        .into_iter()
        .filter(|(label, _)| wanted.labels.get(usize::from(*label)).copied().unwrap_or(false))
        .filter_map(|(label, polygons)| {
            let plane = RoiPlane::new(slice.plane, slice.instance.clone(), frame.map(&polygons, low));
            (!plane.polygons.is_empty()).then_some((label, plane))
        })
        .collect()
}
