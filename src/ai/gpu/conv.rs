//! Convolutions on a device: which way, and in how many pieces.
//!
//! Features lie channels last, `[1, z, y, x, channel]`, the order that burn's convolution works in: it
//! is handed turned views, and nothing is copied. Three ways compute the same:
//! - **direct**: burn's convolution. Without cooperative matrices its kernel has each invocation read
//!   its inputs and weights from memory for itself; it takes no memory of its own;
//! - **columns**: each voxel's surroundings as a row, times the weights as a matrix: burn's matrix
//!   products are tiled and tuned, but rows of 27 times the input must be written and read, as many at
//!   a time as [`COLUMN_BYTES`] has room for;
//! - **tiled**: a kernel of our own ([`kernels`]), the product of matrices without the rows. It writes
//!   the lines of a piece where they belong, and adds to what is there.
//!
//! Which is fastest depends on the device and the layer; [`super::tune`] measures it. Before that it is
//! our own kernel, where the device takes it: burn's measures itself for a minute first on some.

use super::Stop;
use super::bands::{Band, bands, joined, pieces_of_lines};
use super::kernels::{self, Block, Convolve};
use super::pace::Pace;
use super::weights::Weights;
use crate::ai::network::Convolution;
use burn::tensor::module::conv3d;
use burn::tensor::ops::{ConvOptions, PadMode};
use burn::tensor::{Device, Tensor, TensorData};
use std::cell::Cell;
use std::ops::Range;

/// The greatest matrix of columns, in bytes.
pub(super) const COLUMN_BYTES: usize = 128 << 20;

/// How a layer is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Way {
    /// burn's own operation.
    Direct,
    /// Rows of surroundings times a matrix.
    Columns,
    /// Our own kernel, four channels an invocation.
    Tiled,
    /// Our own kernel, eight channels an invocation.
    TiledWide,
}

impl Way {
    /// What our own kernel makes at a time; `None` where it is not ours.
    pub(super) fn block(self) -> Option<Block> {
        match self {
            Self::Direct | Self::Columns => None,
            Self::Tiled => Some(Block::Four),
            Self::TiledWide => Some(Block::Eight),
        }
    }

    /// A word for people.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Columns => "columns",
            Self::Tiled => "tiled",
            Self::TiledWide => "tiled wide",
        }
    }
}

/// A convolution without bias whose weights are on a device.
pub(super) struct DeviceConv {
    /// `[z y x input, output]`.
    weights: Weights,
    /// Whether our own kernel can compute it.
    takes_tiles: bool,
    input: usize,
    output: usize,
    kernel: [usize; 3],
    stride: [usize; 3],
    padding: [usize; 3],
    pub way: Cell<Way>,
    /// What the layer was measured to take; `None` before.
    pub seconds: Cell<Option<f64>>,
}

impl DeviceConv {
    /// The part of a convolution that sees the input channels `inputs`.
    pub(super) fn new(conv: &Convolution, inputs: Range<usize>, device: &Device) -> Self {
        let taps: usize = conv.kernel.iter().product();
        let (output, input) = (conv.output, inputs.len());
        let mut weight = Vec::with_capacity(output * input * taps);
        for rows in conv.weight.chunks_exact(conv.input * taps) {
            weight.extend_from_slice(&rows[inputs.start * taps..inputs.end * taps]);
        }
        let weight: Tensor<3> = upload(weight, [output, input, taps], device);
        // Turned there: a large model's folds come again and again.
        let line: Tensor<1> = weight.permute([0, 2, 1]).reshape([output * taps * input]);
        let rows: Tensor<2> = line.reshape([output, taps * input]);
        let takes_tiles = kernels::runs_on(device) && Convolve::reaches(taps * input);
        Self {
            weights: Weights::new(rows.transpose(), true),
            takes_tiles,
            input,
            output,
            kernel: conv.kernel,
            stride: conv.stride,
            padding: conv.kernel.map(|n| n / 2),
            way: Cell::new(if takes_tiles { Way::Tiled } else { Way::Direct }),
            seconds: Cell::new(None),
        }
    }

    /// What tells layers that take equally long: channels, kernel, stride and the input's size.
    pub(super) fn name(&self, size: [usize; 3]) -> String {
        format!("{}>{} {:?} /{:?} on {size:?}", self.input, self.output, self.kernel, self.stride)
    }

    /// Channels of the output and the input.
    pub(super) fn channels(&self) -> [usize; 2] {
        [self.output, self.input]
    }

    pub(super) fn kernel_and_stride(&self) -> ([usize; 3], [usize; 3]) {
        (self.kernel, self.stride)
    }

    /// The weights, `[z y x input, output]`.
    pub(super) fn weights(&self) -> &Weights {
        &self.weights
    }

    /// An input's size and channels.
    pub(super) fn input_on(&self, size: [usize; 3]) -> ([usize; 3], usize) {
        (size, self.input)
    }

    pub(super) fn output_size(&self, size: [usize; 3]) -> [usize; 3] {
        std::array::from_fn(|a| (size[a] + 2 * self.padding[a] - self.kernel[a]) / self.stride[a] + 1)
    }

    fn macs(&self, size: [usize; 3]) -> u64 {
        let voxels: usize = self.output_size(size).iter().product();
        (voxels * self.kernel.iter().product::<usize>() * self.input * self.output) as u64
    }

    /// Seconds that the layer is thought to take, or took.
    fn seconds_on(&self, size: [usize; 3], pace: &Pace) -> f64 {
        self.seconds.get().unwrap_or_else(|| pace.estimate_s(self.macs(size)))
    }

    /// The ways it can be computed in.
    pub(super) fn ways(&self) -> &'static [Way] {
        if self.takes_tiles {
            &[Way::Direct, Way::Columns, Way::Tiled, Way::TiledWide]
        } else {
            &[Way::Direct, Way::Columns]
        }
    }

    /// Computes it this way from now on, where it can; else with burn's operation.
    pub(super) fn set_way(&self, way: Way) {
        let way = if self.ways().contains(&way) { way } else { Way::Direct };
        self.way.set(way);
    }

    /// Values of the weights on the device.
    pub(super) fn values(&self) -> usize {
        self.weights.values()
    }

    /// Convolves `[1, z, y, x, input]`, and adds that to `onto`.
    pub(super) fn forward(
        &self,
        x: &Tensor<5>,
        onto: Option<Tensor<5>>,
        pace: &mut Pace,
    ) -> Result<Tensor<5>, Stop> {
        let [_, z, y, w, _] = x.dims();
        let size = [z, y, w];
        let [depth, height, width] = self.output_size(size);
        let seconds = self.seconds_on(size, pace);
        let mut pieces = pace.cut(seconds);
        if self.way.get() == Way::Columns {
            let line = width * self.kernel.iter().product::<usize>() * self.input * size_of::<f32>();
            pieces = pieces.max(pieces_of_lines([depth, height], COLUMN_BYTES / line.max(1)));
        }
        let bands = bands([depth, height], pieces);
        let adds = onto.is_some();
        let mut whole = onto;
        let mut parts = Vec::new();
        for band in &bands {
            if let Some(block) = self.way.get().block() {
                let plan = Convolve {
                    kernel: self.kernel,
                    stride: self.stride,
                    output: self.output,
                    block,
                    lines: band.span(height),
                    adds,
                    spread: [1; 3],
                };
                whole = Some(kernels::convolve(x, &self.weights.tiles(), whole.take(), plan));
            } else {
                parts.push(self.part(x, band));
            }
            pace.spend(seconds * band.share([depth, height]))?;
        }
        match (whole, joined(&bands, parts)) {
            (Some(whole), Some(made)) => Ok(whole + made),
            (Some(whole), None) | (None, Some(whole)) => Ok(whole),
            (None, None) => Err(Stop::Failed("a convolution without planes".to_owned())),
        }
    }

    /// Some planes and lines of the output, by burn's operations.
    fn part(&self, x: &Tensor<5>, band: &Band) -> Tensor<5> {
        let [_, z, y, w, _] = x.dims();
        let (size, whole) = ([z, y], self.output_size([z, y, w]));
        let mut padding = self.padding;
        let mut part = x.clone();
        for (axis, wanted) in [&band.planes, &band.lines].into_iter().enumerate() {
            if wanted.len() == whole[axis] {
                continue;
            }
            let (stride, outside, kernel) = (self.stride[axis], self.padding[axis], self.kernel[axis]);
            // What they see, and how much of it lies outside.
            let (low, high) = (wanted.start * stride, (wanted.end - 1) * stride + kernel);
            let before = outside.saturating_sub(low);
            let after = high.saturating_sub(outside + size[axis]);
            // Zeros where the part ends with the whole: burn pads both sides alike or none.
            padding[axis] = 0;
            let mut seen = part.dims().map(|count| 0..count);
            seen[axis + 1] = low.saturating_sub(outside)..(high - outside).min(size[axis]);
            part = part.slice(seen);
            let mut edge = part.dims();
            let mut zeros = |count: usize| {
                edge[axis + 1] = count;
                (count > 0).then(|| Tensor::zeros(edge, &x.device()))
            };
            let (first, last) = (zeros(before), zeros(after));
            if first.is_some() || last.is_some() {
                part = Tensor::cat(first.into_iter().chain([part]).chain(last).collect(), axis + 1);
            }
        }
        if self.way.get() == Way::Columns {
            return self.columns(part, padding);
        }
        let options = ConvOptions::new(self.stride, padding, [1; 3], 1);
        let turned = part.permute([0, 4, 1, 2, 3]);
        let [z, y, x] = self.kernel;
        let weight: Tensor<5> = self.weights.plain().transpose().reshape([self.output, z, y, x, self.input]);
        conv3d(turned, weight.permute([0, 4, 1, 2, 3]), None, options).permute([0, 2, 3, 4, 1])
    }

    fn columns(&self, part: Tensor<5>, padding: [usize; 3]) -> Tensor<5> {
        let [_, z, y, x, channels] = part.dims();
        let part: Tensor<4> = part.reshape([z, y, x, channels]);
        let [pz, py, px] = padding.map(|n| (n, n));
        let padded =
            if padding == [0; 3] { part } else { part.pad([pz, py, px, (0, 0)], PadMode::Constant(0.0)) };
        let [kz, ky, kx] = self.kernel;
        let [sz, sy, sx] = self.stride;
        let windows: Tensor<5> = padded.unfold(0, kz, sz);
        let windows: Tensor<6> = windows.unfold(1, ky, sy);
        let windows: Tensor<7> = windows.unfold(2, kx, sx);
        let [z, y, x, ..] = windows.dims();
        let rows: Tensor<2> =
            windows.permute([0, 1, 2, 4, 5, 6, 3]).reshape([z * y * x, kz * ky * kx * channels]);
        rows.matmul(self.weights.plain()).reshape([1, z, y, x, self.output])
    }
}

/// Puts values on a device.
pub(super) fn upload<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}
