//! From a volume to the network's input: patient orientation, body, spacing, normalisation.
//!
//! Conventions as in training (models/training): linear interpolation without smoothing, the first
//! voxel centres of image and model grid coincide, beyond the image's end its last voxel counts.

use super::orient::Oriented;
use super::package::ModelPackage;
use crate::geometry::{Grid, Point3, Vector3};
use crate::patient::Volume;
use crate::progress::{Cancelled, Progress};
use rayon::prelude::*;

/// Above this angle between the image's and the patient's axes the image is turned (linear
/// interpolation); below it the network sees the image's own axes.
const TURN_ABOVE_DEG: f64 = 3.0;

/// The value outside the scan where a manifest names none, HU.
const AIR_HU: f32 = -1000.0;

/// The network's input, cut to the box around the body.
pub(super) struct ModelImage {
    /// The whole model grid: i = x (left), j = y (posterior), k = z (superior).
    pub grid: Grid,
    /// The box's first voxel, (z, y, x).
    pub low: [usize; 3],
    /// The box's size, (z, y, x); a side is 0 where there is no body.
    pub size: [usize; 3],
    /// Values of the box, x fastest: normalised by [`prepare`], HU by [`resampled`].
    pub values: Vec<f32>,
    /// Whether a voxel of the box is inside the body.
    pub body: Vec<bool>,
}

/// Resamples and normalises. `body`: for each voxel of the volume whether it is inside.
pub(super) fn prepare(
    volume: &Volume,
    package: &ModelPackage,
    body: Option<&[bool]>,
    progress: &Progress,
) -> Result<ModelImage, Cancelled> {
    let outside = package.input.outside_body_hu.unwrap_or(AIR_HU);
    let mut image = resampled(volume, package.input.spacing_mm, outside, body, progress)?;
    for value in &mut image.values {
        *value = package.normalization.apply(*value);
    }
    Ok(image)
}

/// Resamples onto `spacing_mm` (z, y, x); the values are HU still. `body`: for each voxel of the volume
/// whether it is inside; everything else becomes `outside`.
pub(super) fn resampled(
    volume: &Volume,
    spacing_mm: [f64; 3],
    outside: f32,
    body: Option<&[bool]>,
    progress: &Progress,
) -> Result<ModelImage, Cancelled> {
    let (grid, clamped) = model_grid(&volume.grid, spacing_mm);
    let [nx, ny, nz] = grid.dims();
    let sampler = Sampler {
        volume,
        body,
        outside,
        reach: if clamped { f64::INFINITY } else { 0.5 },
        steps: Affine::between(&grid, &volume.grid),
    };
    let mut values = vec![outside; nx * ny * nz];
    let planes = std::sync::atomic::AtomicUsize::new(0);
    values.par_chunks_mut((nx * ny).max(1)).enumerate().try_for_each(|(z, plane)| {
        for (y, row) in plane.chunks_exact_mut(nx).enumerate() {
            for (x, value) in row.iter_mut().enumerate() {
                *value = sampler.value([x, y, z]);
            }
        }
        let done = planes.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
        progress.set_fraction(done as f64 / nz as f64)
    })?;
    let (low, size) = body_box(&values, [nz, ny, nx], outside + 1.0);
    let mut cut = Vec::with_capacity(size.iter().product());
    for z in low[0]..low[0] + size[0] {
        for y in low[1]..low[1] + size[1] {
            let from = (z * ny + y) * nx + low[2];
            cut.extend_from_slice(&values[from..from + size[2]]);
        }
    }
    let inside = cut.iter().map(|value| *value > outside + 1.0).collect();
    Ok(ModelImage { grid, low, size, values: cut, body: inside })
}

/// The grid of `spacing_mm` (z, y, x) that covers the image, and whether it has the image's axes.
fn model_grid(image: &Grid, spacing_mm: [f64; 3]) -> (Grid, bool) {
    let oriented = Oriented::new(image);
    let spacing = [spacing_mm[2], spacing_mm[1], spacing_mm[0]];
    let voxels = |extent_mm: f64, step_mm: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive size")]
        {
            (extent_mm / step_mm).round_ties_even().clamp(0.0, 1e6) as usize + 1
        }
    };
    if oriented.tilt_deg <= TURN_ABOVE_DEG {
        #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
        let dims = [0, 1, 2].map(|axis| {
            voxels((oriented.size[axis].max(1) - 1) as f64 * oriented.spacing_mm[axis], spacing[axis])
        });
        let steps = oriented.steps_mm(image);
        let steps = [0, 1, 2].map(|axis| steps[axis].normalize() * spacing[axis]);
        let origin = image.patient_of(oriented.grid_voxel([0.0; 3]));
        if let Some(grid) = Grid::new(dims, origin, steps) {
            return (grid, true);
        }
    }
    let mut low = Point3::new(f64::MAX, f64::MAX, f64::MAX);
    let mut high = -low;
    for corner in 0..8_usize {
        #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
        let at = [0, 1, 2].map(|axis| (corner >> axis & 1) as f64 * (image.dims()[axis].max(1) - 1) as f64);
        let point = image.patient_of(at);
        for axis in 0..3 {
            low[axis] = low[axis].min(point[axis]);
            high[axis] = high[axis].max(point[axis]);
        }
    }
    let dims = [0, 1, 2].map(|axis| voxels(high[axis] - low[axis], spacing[axis]));
    let steps = [Vector3::x() * spacing[0], Vector3::y() * spacing[1], Vector3::z() * spacing[2]];
    // The patient's axes span space and every number is finite: the image's own grid is.
    (Grid::new(dims, low, steps).unwrap_or_else(|| image.clone()), false)
}

/// An affine map between the voxel indices of two grids.
#[derive(Debug, Clone, Copy)]
pub(super) struct Affine {
    origin: [f64; 3],
    columns: [[f64; 3]; 3],
}

impl Affine {
    /// From indices of `from` to indices of `to`.
    pub(super) fn between(from: &Grid, to: &Grid) -> Self {
        Self::of(|voxel| to.voxel_of(from.patient_of(voxel)))
    }

    /// The affine map that `map` is.
    pub(super) fn of(map: impl Fn([f64; 3]) -> [f64; 3]) -> Self {
        let origin = map([0.0; 3]);
        let columns = [0, 1, 2].map(|axis| {
            let mut unit = [0.0; 3];
            unit[axis] = 1.0;
            let end = map(unit);
            [0, 1, 2].map(|i| end[i] - origin[i])
        });
        Self { origin, columns }
    }

    /// The length of one step along `axis` (0 = i) in the other grid's voxels.
    pub(super) fn step(&self, axis: usize) -> f64 {
        self.columns[axis].iter().map(|step| step * step).sum::<f64>().sqrt()
    }

    #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
    pub(super) fn at(&self, voxel: [usize; 3]) -> [f64; 3] {
        let [x, y, z] = voxel.map(|n| n as f64);
        [0, 1, 2].map(|i| {
            let value =
                self.origin[i] + x * self.columns[0][i] + y * self.columns[1][i] + z * self.columns[2][i];
            // Rounding must not make a centre that coincides with another fall beside it.
            let nearest = value.round();
            if (value - nearest).abs() < 1e-6 { nearest } else { value }
        })
    }
}

struct Sampler<'a> {
    volume: &'a Volume,
    body: Option<&'a [bool]>,
    outside: f32,
    /// How far outside the image its last voxel still counts, voxels.
    reach: f64,
    steps: Affine,
}

impl Sampler<'_> {
    fn voxel(&self, index: usize) -> f32 {
        if self.body.is_some_and(|body| !body[index]) {
            return self.outside;
        }
        self.volume.voxels.value(index).unwrap_or(self.outside)
    }

    /// The linearly interpolated value at a voxel of the model grid.
    fn value(&self, model: [usize; 3]) -> f32 {
        let at = self.steps.at(model);
        let dims = self.volume.grid.dims();
        let memory = [1, dims[0], dims[0] * dims[1]];
        let mut base = 0;
        let mut shares = [0.0_f32; 3];
        let mut strides = [0; 3];
        for axis in 0..3 {
            #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
            let last = dims[axis] as f64 - 1.0;
            if at[axis] < -self.reach || at[axis] > last + self.reach {
                return self.outside;
            }
            let clamped = at[axis].clamp(0.0, last.max(0.0));
            let below = clamped.floor();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0 to the last voxel"
            )]
            {
                shares[axis] = (clamped - below) as f32;
                base += below as usize * memory[axis];
            }
            strides[axis] = if shares[axis] > 0.0 { memory[axis] } else { 0 };
        }
        let line = |from: usize| {
            let low = self.voxel(from);
            if strides[0] == 0 { low } else { low + (self.voxel(from + strides[0]) - low) * shares[0] }
        };
        let plane = |from: usize| {
            let low = line(from);
            if strides[1] == 0 { low } else { low + (line(from + strides[1]) - low) * shares[1] }
        };
        let low = plane(base);
        if strides[2] == 0 { low } else { low + (plane(base + strides[2]) - low) * shares[2] }
    }
}

/// The box around all values above `level`, (z, y, x): first voxel and size.
fn body_box(values: &[f32], [nz, ny, nx]: [usize; 3], level: f32) -> ([usize; 3], [usize; 3]) {
    let mut low = [usize::MAX; 3];
    let mut high = [0; 3];
    for z in 0..nz {
        for y in 0..ny {
            let row = &values[(z * ny + y) * nx..][..nx];
            let Some(first) = row.iter().position(|value| *value > level) else { continue };
            let last = row.iter().rposition(|value| *value > level).unwrap_or(first);
            for (axis, (from, to)) in [(z, z), (y, y), (first, last)].into_iter().enumerate() {
                low[axis] = low[axis].min(from);
                high[axis] = high[axis].max(to + 1);
            }
        }
    }
    if low[0] == usize::MAX { ([0; 3], [0; 3]) } else { (low, [0, 1, 2].map(|axis| high[axis] - low[axis])) }
}
