//! Resampling of images, as nnU-Net has skimage.transform.resize do it, and of label maps.
//!
//! An image is interpolated with a cubic spline in double precision and clipped to its own range;
//! where voxels are much thicker than wide (`separate_axis`), its slices are resampled in their
//! plane, each clipped to its own range, and copied to the nearest place across. Splines are
//! separable: planes first, then lines across them, or the other way round, whichever keeps the
//! array between them smaller; that array is the only one held beside input and output.

use super::axis::Axis;
use crate::progress::{Cancelled, Progress};
use rayon::prelude::*;

/// Spacings whose greatest is more than this many times the smallest are anisotropic.
const ANISOTROPIC: f64 = 3.0;

/// Lines across the planes that are resampled side by side.
const LINES: usize = 128;

/// The degree of the interpolating spline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The nearest voxel, the greater of two (0).
    Nearest,
    /// Linear (1).
    Linear,
    /// Cubic spline (3).
    Cubic,
}

impl Order {
    /// The order of that number in a plans file; `None` for those nnU-Net's planners do not use.
    #[must_use]
    pub fn of_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Nearest),
            1 => Some(Self::Linear),
            3 => Some(Self::Cubic),
            _ => None,
        }
    }
}

/// How an array is resampled: the arguments of `resample_data_or_seg_to_shape` in a plans file.
///
/// `resample_torch_fornnunet` is [`Resampling::LOGITS`] within single precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resampling {
    /// The order, in the plane where an axis is separate.
    pub order: Order,
    /// The order along a separate axis.
    pub order_z: Order,
    /// Whether the coarsest axis is separate; by the spacings where `None`.
    pub force_separate_z: Option<bool>,
}

impl Resampling {
    /// What plans have for images.
    pub const IMAGE: Self = Self { order: Order::Cubic, order_z: Order::Nearest, force_separate_z: None };
    /// What plans have for logits and label maps.
    pub const LOGITS: Self = Self { order: Order::Linear, order_z: Order::Nearest, force_separate_z: None };

    /// The axis that is resampled apart from the others: the single coarsest one, where the greatest
    /// spacing is more than three times the smallest, by `from_mm`, else by `to_mm`. Spacings of
    /// which two are the coarsest have none.
    #[must_use]
    pub fn separate_axis(&self, from_mm: [f64; 3], to_mm: [f64; 3]) -> Option<usize> {
        let greatest = |mm: [f64; 3]| mm.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let anisotropic =
            |mm: [f64; 3]| greatest(mm) / mm.into_iter().fold(f64::INFINITY, f64::min) > ANISOTROPIC;
        let mm = match self.force_separate_z {
            Some(true) => from_mm,
            Some(false) => return None,
            None if anisotropic(from_mm) => from_mm,
            None if anisotropic(to_mm) => to_mm,
            None => return None,
        };
        let mut coarsest = (0..3).filter(|axis| greatest(mm) / mm[*axis] == 1.0);
        let first = coarsest.next();
        if coarsest.next().is_some() { None } else { first }
    }
}

/// The size of an array in another spacing, halves rounded to even; an axis may come out empty.
#[must_use]
pub fn new_size(size: [usize; 3], from_mm: [f64; 3], to_mm: [f64; 3]) -> [usize; 3] {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive size")]
    std::array::from_fn(|axis| (from_mm[axis] / to_mm[axis] * size[axis] as f64).round_ties_even() as usize)
}

/// A number of an array that is being resampled.
trait Sample: Copy + Send + Sync {
    fn value(self) -> f64;
    fn of(value: f64) -> Self;
}

impl Sample for f64 {
    fn value(self) -> f64 {
        self
    }
    fn of(value: f64) -> Self {
        value
    }
}

impl Sample for f32 {
    fn value(self) -> f64 {
        f64::from(self)
    }
    #[expect(clippy::cast_possible_truncation, reason = "images are single precision")]
    fn of(value: f64) -> Self {
        value as f32
    }
}

/// Resamples one channel `[z][y][x]` of `size` voxels of `from_mm` to `to` voxels of `to_mm`. The
/// spacings only decide on a separate axis. An array of unchanged size is given back as it is.
///
/// # Errors
/// [`Cancelled`] once someone has asked to stop.
///
/// # Panics
/// When `values` does not have `size` voxels, or a size is 0.
pub fn resample(
    values: &[f32],
    size: [usize; 3],
    to: [usize; 3],
    spacing_mm: [[f64; 3]; 2],
    how: Resampling,
    progress: &Progress,
) -> Result<Vec<f32>, Cancelled> {
    assert_eq!(values.len(), size.iter().product::<usize>(), "one value a voxel");
    assert!(!size.contains(&0) && !to.contains(&0), "no empty axis");
    if size == to {
        return Ok(values.to_vec());
    }
    match how.separate_axis(spacing_mm[0], spacing_mm[1]) {
        None => whole(values, size, to, how.order, progress),
        Some(0) => separate(values, size, to, how, progress),
        Some(axis) => {
            // The separate axis in front; a swap is its own inverse.
            let mut order = [0, 1, 2];
            order.swap(0, axis);
            let turned = transpose(values, size, order);
            let done = separate(&turned, pick(size, order), pick(to, order), how, progress)?;
            Ok(transpose(&done, pick(to, order), order))
        }
    }
}

/// `[values[order[0]], values[order[1]], values[order[2]]]`.
pub(super) fn pick<T: Copy>(values: [T; 3], order: [usize; 3]) -> [T; 3] {
    order.map(|axis| values[axis])
}

/// The array whose axis n is axis `order[n]` of `values`, as numpy.transpose.
pub(super) fn transpose<T: Copy + Send + Sync>(values: &[T], size: [usize; 3], order: [usize; 3]) -> Vec<T> {
    if order == [0, 1, 2] {
        return values.to_vec();
    }
    let strides = pick([size[1] * size[2], size[2], 1], order);
    let [nz, ny, nx] = pick(size, order);
    (0..nz * ny)
        .into_par_iter()
        .flat_map_iter(|line| {
            let from = line / ny * strides[0] + line % ny * strides[1];
            (0..nx).map(move |x| values[from + x * strides[2]])
        })
        .collect()
}

fn whole(
    values: &[f32],
    size: [usize; 3],
    to: [usize; 3],
    order: Order,
    progress: &Progress,
) -> Result<Vec<f32>, Cancelled> {
    let across = Axis::new(size[0], to[0], order);
    let plane = Plane::new([size[1], size[2]], [to[1], to[2]], order);
    let start = (f64::INFINITY, f64::NEG_INFINITY);
    let range = values.par_chunks(1 << 16).map(range).reduce(|| start, |a, b| (a.0.min(b.0), a.1.max(b.1)));
    if plane.is_same() {
        return lines(values, size[1] * size[2], &across, Some(range), progress);
    }
    if across.is_same() {
        return plane.apply(values, |_| Some(range), progress);
    }
    if size[0] * to[1] * to[2] <= to[0] * size[1] * size[2] {
        let between: Vec<f64> = plane.apply(values, |_| None, &progress.part(0.0, 0.6))?;
        lines(&between, to[1] * to[2], &across, Some(range), &progress.part(0.6, 1.0))
    } else {
        let between: Vec<f64> = lines(values, size[1] * size[2], &across, None, &progress.part(0.0, 0.4))?;
        plane.apply(&between, |_| Some(range), &progress.part(0.4, 1.0))
    }
}

/// Planes first, each clipped to its own range, then across them.
fn separate(
    values: &[f32],
    size: [usize; 3],
    to: [usize; 3],
    how: Resampling,
    progress: &Progress,
) -> Result<Vec<f32>, Cancelled> {
    let plane = Plane::new([size[1], size[2]], [to[1], to[2]], how.order);
    let across = Axis::new(size[0], to[0], how.order_z);
    let own_range = |plane: &[f32]| Some(range(plane));
    match across.copies() {
        Some(copies) => {
            let planes: Vec<f32> = plane.apply(values, own_range, progress)?;
            if across.is_same() {
                return Ok(planes);
            }
            let area = to[1] * to[2];
            Ok(copies.iter().flat_map(|z| &planes[z * area..(z + 1) * area]).copied().collect())
        }
        None => {
            let planes: Vec<f64> = plane.apply(values, own_range, &progress.part(0.0, 0.6))?;
            lines(&planes, to[1] * to[2], &across, None, &progress.part(0.6, 1.0))
        }
    }
}

/// Least and greatest value, NaN left out.
fn range(values: &[f32]) -> (f64, f64) {
    let start = (f32::INFINITY, f32::NEG_INFINITY);
    let (low, high) = values.iter().fold(start, |(low, high), value| (low.min(*value), high.max(*value)));
    (f64::from(low), f64::from(high))
}

fn clipped(value: f64, range: Option<(f64, f64)>) -> f64 {
    // Not clamp: a range of nothing but NaN has no order.
    range.map_or(value, |(low, high)| value.max(low).min(high))
}

/// Resamples across planes of `area` voxels.
fn lines<From: Sample, To: Sample>(
    values: &[From],
    area: usize,
    axis: &Axis,
    range: Option<(f64, f64)>,
    progress: &Progress,
) -> Result<Vec<To>, Cancelled> {
    let planes_to = axis.to();
    let mut out = vec![To::of(0.0); planes_to * area];
    // For each group of lines its piece of every plane.
    let mut groups: Vec<Vec<&mut [To]>> =
        (0..area.div_ceil(LINES)).map(|_| Vec::with_capacity(planes_to)).collect();
    for plane in out.chunks_exact_mut(area) {
        for (group, piece) in groups.iter_mut().zip(plane.chunks_mut(LINES)) {
            group.push(piece);
        }
    }
    let work = |buffers: &mut Buffers, (group, mut pieces): (usize, Vec<&mut [To]>)| {
        progress.check()?;
        let first = group * LINES;
        let width = LINES.min(area - first);
        let Buffers { input, scratch, output } = buffers;
        input.clear();
        for plane in values.chunks_exact(area) {
            input.extend(plane[first..first + width].iter().map(|value| value.value()));
        }
        output.resize(planes_to * width, 0.0);
        axis.apply(input, width, scratch, &mut output[..planes_to * width]);
        for (piece, row) in pieces.iter_mut().zip(output.chunks_exact(width)) {
            for (to, value) in piece.iter_mut().zip(row) {
                *to = To::of(clipped(*value, range));
            }
        }
        Ok(())
    };
    groups.into_par_iter().enumerate().map_init(Buffers::default, work).collect::<Result<(), Cancelled>>()?;
    progress.set_fraction(1.0)?;
    Ok(out)
}

#[derive(Default)]
struct Buffers {
    input: Vec<f64>,
    scratch: Vec<f64>,
    output: Vec<f64>,
}

/// A resampling of planes (y, x).
struct Plane {
    from: [usize; 2],
    to: [usize; 2],
    y: Axis,
    x: Axis,
}

impl Plane {
    fn new(from: [usize; 2], to: [usize; 2], order: Order) -> Self {
        Self { from, to, y: Axis::new(from[0], to[0], order), x: Axis::new(from[1], to[1], order) }
    }

    fn is_same(&self) -> bool {
        self.y.is_same() && self.x.is_same()
    }

    /// Resamples each plane; `range` is what a result is clipped to.
    fn apply<From: Sample, To: Sample>(
        &self,
        values: &[From],
        range: impl Fn(&[From]) -> Option<(f64, f64)> + Sync,
        progress: &Progress,
    ) -> Result<Vec<To>, Cancelled> {
        let area = self.to[0] * self.to[1];
        let planes = values.len() / (self.from[0] * self.from[1]);
        let mut out = vec![To::of(0.0); planes * area];
        let done = std::sync::atomic::AtomicUsize::new(0);
        out.par_chunks_exact_mut(area)
            .zip(values.par_chunks_exact(self.from[0] * self.from[1]))
            .map_init(Buffers::default, |buffers, (out, plane)| {
                let range = range(plane);
                for (to, value) in out.iter_mut().zip(self.one(plane, buffers)) {
                    *to = To::of(clipped(*value, range));
                }
                let done = done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
                progress.set_fraction(done as f64 / planes as f64)
            })
            .collect::<Result<(), Cancelled>>()?;
        Ok(out)
    }

    fn one<'a, From: Sample>(&self, plane: &[From], buffers: &'a mut Buffers) -> &'a [f64] {
        let [from_y, from_x] = self.from;
        let [to_y, to_x] = self.to;
        let Buffers { input, scratch, output } = buffers;
        input.clear();
        input.extend(plane.iter().map(|value| value.value()));
        if !self.y.is_same() {
            output.resize(to_y * from_x, 0.0);
            self.y.apply(input, from_x, scratch, &mut output[..to_y * from_x]);
            std::mem::swap(input, output);
        }
        if !self.x.is_same() {
            turn(&input[..to_y * from_x], from_x, output);
            input.resize(to_x * to_y, 0.0);
            self.x.apply(&output[..from_x * to_y], to_y, scratch, &mut input[..to_x * to_y]);
            turn(&input[..to_x * to_y], to_y, output);
            std::mem::swap(input, output);
        }
        debug_assert_eq!(from_y * from_x, plane.len());
        &input[..to_y * to_x]
    }
}

/// `[row][column]` of `width` columns to `[column][row]`.
fn turn(from: &[f64], width: usize, to: &mut Vec<f64>) {
    let height = from.len() / width;
    to.resize(from.len(), 0.0);
    const TILE: usize = 32;
    for y0 in (0..height).step_by(TILE) {
        for x0 in (0..width).step_by(TILE) {
            for y in y0..(y0 + TILE).min(height) {
                for x in x0..(x0 + TILE).min(width) {
                    to[x * height + y] = from[y * width + x];
                }
            }
        }
    }
}
