//! Convolutions on a device: which way, and in how many pieces.
//!
//! Features lie channels last, `[1, z, y, x, channel]`, the order that burn's convolution works in: it
//! is handed turned views, and nothing is copied. Three ways compute the same:
//! - **direct**: burn's convolution. Without cooperative matrices its kernel has each invocation read
//!   its inputs and weights from memory for itself; it takes no memory of its own;
//! - **columns**: each voxel's surroundings as a row, times the weights as a matrix: burn's matrix
//!   products are tiled and tuned, but rows of 27 times the input must be written and read;
//! - **tiled**: a kernel of our own ([`kernels`]), the product of matrices without the rows. It writes
//!   the planes of a piece where they belong, and adds to what is there.
//!
//! Which is fastest depends on the device and the layer; [`super::tune`] measures it. Before that it is
//! our own kernel, where the device takes it: burn's measures itself for a minute first on some.

use super::Stop;
use super::kernels::{self, Block, Convolve};
use super::pace::Pace;
use crate::ai::network::Convolution;
use burn::tensor::module::conv3d;
use burn::tensor::ops::{ConvOptions, PadMode};
use burn::tensor::{Device, Tensor, TensorData};
use std::cell::{Cell, RefCell};
use std::ops::Range;

/// The greatest matrix of columns, in bytes.
const COLUMN_BYTES: usize = 128 << 20;

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
    /// `[output, input, z, y, x]`, stored with the input channels last.
    weight: Tensor<5>,
    /// `[z y x input, output]`.
    matrix: Tensor<2>,
    /// The same as our own kernel reads it ([`Convolve::matrix`]), once it was asked for.
    tiles: RefCell<Option<Tensor<2>>>,
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
        let [z, y, x] = conv.kernel;
        let (output, input) = (conv.output, inputs.len());
        let at = |out: usize, channel: usize, tap: usize| {
            conv.weight[(out * conv.input + inputs.start + channel) * taps + tap]
        };
        let mut weight = Vec::with_capacity(output * taps * input);
        for out in 0..output {
            for tap in 0..taps {
                weight.extend((0..input).map(|channel| at(out, channel, tap)));
            }
        }
        let weight: Tensor<5> = upload(weight, [output, z, y, x, input], device);
        let matrix = weight.clone().reshape([output, taps * input]).transpose();
        let takes_tiles = kernels::runs_on(device) && Convolve::reaches(taps * input);
        Self {
            weight: weight.permute([0, 4, 1, 2, 3]),
            matrix,
            tiles: RefCell::new(None),
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
        if way.block().is_none() {
            self.tiles.replace(None);
        }
    }

    /// Values of the weights on the device, in both layouts where there are both.
    pub(super) fn values(&self) -> usize {
        let tiles = self.tiles.borrow().as_ref().map_or(0, |tiles| tiles.dims().iter().product());
        self.weight.dims().iter().product::<usize>() + tiles
    }

    /// The weights as our own kernel reads them.
    fn tiles(&self) -> Tensor<2> {
        let mut tiles = self.tiles.borrow_mut();
        let made = tiles.get_or_insert_with(|| padded(self.matrix.clone()));
        made.clone()
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
        let planes = self.output_size(size)[0];
        let seconds = self.seconds_on(size, pace);
        let mut pieces = pace.cut(seconds).min(planes);
        if self.way.get() == Way::Columns {
            let row = self.kernel.iter().product::<usize>() * self.input * size_of::<f32>();
            let bytes = self.output_size(size).iter().product::<usize>() * row;
            pieces = pieces.max(bytes.div_ceil(COLUMN_BYTES)).min(planes);
        }
        let each = planes.div_ceil(pieces);
        let adds = onto.is_some();
        let mut whole = onto;
        let mut parts = Vec::with_capacity(pieces);
        for first in (0..planes).step_by(each) {
            let last = (first + each).min(planes);
            if let Some(block) = self.way.get().block() {
                let plan = Convolve {
                    kernel: self.kernel,
                    stride: self.stride,
                    output: self.output,
                    block,
                    planes: [first, last],
                    adds,
                    spread: [1; 3],
                };
                whole = Some(kernels::convolve(x, &self.tiles(), whole.take(), plan));
            } else {
                parts.push(self.planes(x, first..last));
            }
            pace.spend(seconds * (last - first) as f64 / planes as f64)?;
        }
        let made = match parts.len() {
            0 => None,
            1 => parts.pop(),
            _ => Some(Tensor::cat(parts, 1)),
        };
        match (whole, made) {
            (Some(whole), Some(made)) => Ok(whole + made),
            (Some(whole), None) | (None, Some(whole)) => Ok(whole),
            (None, None) => Err(Stop::Failed("a convolution without planes".to_owned())),
        }
    }

    /// Some planes of the output, by burn's operations.
    fn planes(&self, x: &Tensor<5>, wanted: Range<usize>) -> Tensor<5> {
        let [_, depth, height, width, channels] = x.dims();
        let (stride, padding, kernel) = (self.stride[0], self.padding[0], self.kernel[0]);
        // What the planes see, and how much of it lies outside.
        let (low, high) = (wanted.start * stride, (wanted.end - 1) * stride + kernel);
        let before = padding.saturating_sub(low);
        let after = high.saturating_sub(padding + depth);
        let (from, to) = (low.saturating_sub(padding), (high - padding).min(depth));
        let mut padding = self.padding;
        let part = if wanted.len() == self.output_size([depth, height, width])[0] {
            x.clone()
        } else {
            // Zeros where the part ends with the whole: burn pads both sides alike or none.
            padding[0] = 0;
            let part = x.clone().slice([0..1, from..to, 0..height, 0..width, 0..channels]);
            let zeros = |planes: usize| Tensor::zeros([1, planes, height, width, channels], &part.device());
            match (before, after) {
                (0, 0) => part.clone(),
                (0, after) => Tensor::cat(vec![part.clone(), zeros(after)], 1),
                (before, 0) => Tensor::cat(vec![zeros(before), part.clone()], 1),
                (before, after) => Tensor::cat(vec![zeros(before), part.clone(), zeros(after)], 1),
            }
        };
        if self.way.get() == Way::Columns {
            return self.columns(part, padding);
        }
        let options = ConvOptions::new(self.stride, padding, [1; 3], 1);
        let turned = part.permute([0, 4, 1, 2, 3]);
        conv3d(turned, self.weight.clone(), None, options).permute([0, 2, 3, 4, 1])
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
        rows.matmul(self.matrix.clone()).reshape([1, z, y, x, self.output])
    }
}

/// A matrix of weights with the zeros that our own kernel reads, row by row in memory.
pub(super) fn padded(matrix: Tensor<2>) -> Tensor<2> {
    let [terms, output] = matrix.dims();
    let zeros: Tensor<2> = Tensor::zeros(Convolve::matrix(terms, output), &matrix.device());
    zeros.slice_assign([0..terms, 0..output], matrix)
}

/// Puts values on a device.
pub(super) fn upload<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}
