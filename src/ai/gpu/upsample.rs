//! Transposed convolutions whose kernel equals their stride: of each voxel, a block of voxels.

use super::conv::{Way, padded, upload};
use super::pace::Pace;
use super::{NORM_MACS, Stop, kernels};
use crate::ai::network::Convolution;
use burn::tensor::{Device, Tensor};
use std::cell::{Cell, RefCell};

pub(super) struct DeviceUpsample {
    /// `[input, taps * output]`.
    weight: Tensor<2>,
    /// The same as our own kernel reads it, once it was asked for.
    tiles: RefCell<Option<Tensor<2>>>,
    pub bias: Tensor<5>,
    pub input: usize,
    pub output: usize,
    pub stride: [usize; 3],
    pub way: Cell<Way>,
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
            weight: upload(weight, [conv.input, taps * conv.output], device),
            tiles: RefCell::new(None),
            way: Cell::new(if kernels::runs_on(device) { Way::Tiled } else { Way::Direct }),
            bias: upload(conv.bias.clone(), [1, 1, 1, 1, conv.output], device),
            input: conv.input,
            output: conv.output,
            stride: conv.stride,
        }
    }

    pub(super) fn forward(&self, x: Tensor<5>, pace: &mut Pace) -> Result<Tensor<5>, Stop> {
        let [_, d, h, w, _] = x.dims();
        let values = d * h * w * self.stride.iter().product::<usize>() * self.output;
        let out = self.upsample(x);
        pace.spend(pace.estimate_s(values as u64 * (self.input as u64 + NORM_MACS)))?;
        Ok(out)
    }

    /// Values of the weights on the device, in both layouts where there are both.
    pub(super) fn values(&self) -> usize {
        let tiles = self.tiles.borrow().as_ref().map_or(0, |tiles| tiles.dims().iter().product());
        self.weight.dims().iter().product::<usize>() + tiles
    }

    /// Computes it this way from now on.
    pub(super) fn set_way(&self, way: Way) {
        self.way.set(way);
        if way.block().is_none() {
            self.tiles.replace(None);
        }
    }

    pub(super) fn upsample(&self, x: Tensor<5>) -> Tensor<5> {
        if let Some(block) = self.way.get().block() {
            let mut tiles = self.tiles.borrow_mut();
            let tiles = tiles.get_or_insert_with(|| padded(self.weight.clone()));
            return kernels::upsample(&x, tiles, &self.bias, self.stride, block);
        }
        let [_, d, h, w, input] = x.dims();
        let [sz, sy, sx] = self.stride;
        let voxels: Tensor<2> = x.reshape([d * h * w, input]);
        let blocks: Tensor<7> =
            voxels.matmul(self.weight.clone()).reshape([d, h, w, sz, sy, sx, self.output]);
        let spread = blocks.permute([0, 3, 1, 4, 2, 5, 6]);
        spread.reshape([1, d * sz, h * sy, w * sx, self.output]) + self.bias.clone()
    }
}
