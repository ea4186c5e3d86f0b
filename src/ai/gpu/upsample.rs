//! Transposed convolutions whose kernel equals their stride: of each voxel, a block of voxels.

use super::bands::{bands, joined};
use super::conv::{Way, upload};
use super::pace::Pace;
use super::weights::Weights;
use super::{NORM_MACS, Stop, kernels};
use crate::ai::network::Convolution;
use burn::tensor::{Device, Tensor};
use std::cell::Cell;

pub(super) struct DeviceUpsample {
    /// `[input, taps * output]`.
    pub weights: Weights,
    pub bias: Tensor<5>,
    pub input: usize,
    pub output: usize,
    pub stride: [usize; 3],
    pub way: Cell<Way>,
    /// What it was measured to take; `None` before.
    pub seconds: Cell<Option<f64>>,
}

impl DeviceUpsample {
    pub(super) fn new(conv: &Convolution, device: &Device) -> Self {
        let taps: usize = conv.kernel.iter().product();
        let mut weight = Vec::with_capacity(conv.weight.len());
        for input in conv.weight.chunks_exact(conv.output * taps) {
            for tap in 0..taps {
                weight.extend((0..conv.output).map(|out| input[out * taps + tap]));
            }
        }
        Self {
            weights: Weights::new(upload(weight, [conv.input, taps * conv.output], device), false),
            way: Cell::new(if kernels::runs_on(device) { Way::Tiled } else { Way::Direct }),
            seconds: Cell::new(None),
            bias: upload(conv.bias.clone(), [1, 1, 1, 1, conv.output], device),
            input: conv.input,
            output: conv.output,
            stride: conv.stride,
        }
    }

    pub(super) fn forward(&self, x: &Tensor<5>, pace: &mut Pace) -> Result<Tensor<5>, Stop> {
        let [_, d, h, w, channels] = x.dims();
        let values = d * h * w * self.stride.iter().product::<usize>() * self.output;
        let estimate = pace.estimate_s(values as u64 * (self.input as u64 + NORM_MACS));
        let seconds = self.seconds.get().unwrap_or(estimate);
        let bands = bands([d, h], pace.cut(seconds));
        let (mut whole, mut parts) = (None, Vec::new());
        for band in &bands {
            if let Some(block) = self.way.get().block() {
                let (stride, lines) = (self.stride, band.span(h));
                whole = Some(kernels::upsample(
                    x,
                    &self.weights.tiles(),
                    &self.bias,
                    whole,
                    stride,
                    block,
                    lines,
                ));
            } else {
                let seen = [0..1, band.planes.clone(), band.lines.clone(), 0..w, 0..channels];
                let part = if bands.len() == 1 { x.clone() } else { x.clone().slice(seen) };
                parts.push(self.blocks(part));
            }
            pace.spend(seconds * band.share([d, h]))?;
        }
        whole
            .or_else(|| joined(&bands, parts))
            .ok_or_else(|| Stop::Failed("an upsampling without planes".to_owned()))
    }

    /// Values of the weights on the device.
    pub(super) fn values(&self) -> usize {
        self.weights.values()
    }

    /// Computes it this way from now on.
    pub(super) fn set_way(&self, way: Way) {
        self.way.set(way);
    }

    /// By burn's operations.
    fn blocks(&self, x: Tensor<5>) -> Tensor<5> {
        let [_, d, h, w, input] = x.dims();
        let [sz, sy, sx] = self.stride;
        let voxels: Tensor<2> = x.reshape([d * h * w, input]);
        let blocks: Tensor<7> =
            voxels.matmul(self.weights.plain()).reshape([d, h, w, sz, sy, sx, self.output]);
        let spread = blocks.permute([0, 3, 1, 4, 2, 5, 6]);
        spread.reshape([1, d * sz, h * sy, w * sx, self.output]) + self.bias.clone()
    }
}
