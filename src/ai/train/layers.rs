//! What each layer of the network with gradients computes.

use crate::ai::gpu::activated;
use crate::ai::network::Activation;
use burn::tensor::module::conv3d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, TensorData};

/// Convolution, normalisation, activation: the places of its parameters.
pub(super) struct Block {
    pub weight: usize,
    pub scale: usize,
    pub shift: usize,
    /// Of a batch normalisation; an instance normalisation has none.
    pub fixed: Option<Fixed>,
    pub stride: [usize; 3],
    pub padding: [usize; 3],
}

/// What a batch normalisation adds to each channel, and multiplies it by, before its own scale and shift.
pub(super) struct Fixed {
    pub offset: Vec<f32>,
    pub factor: Vec<f32>,
}

/// Blocks beside a skip, summed before the activation of the last.
pub(super) struct Residual {
    pub inner: Vec<Block>,
    pub last: Block,
    /// What the skip averages over, (z, y, x).
    pub pool: [usize; 3],
    pub skip: Option<Block>,
}

/// One step of an encoder stage.
pub(super) enum Unit {
    Plain(Block),
    Residual(Box<Residual>),
}

/// One step up: a transposed convolution whose kernel is its stride.
pub(super) struct Up {
    pub weight: usize,
    pub bias: Option<usize>,
    pub stride: [usize; 3],
}

/// The last layer of a resolution.
pub(super) struct Head {
    pub weight: usize,
    pub bias: usize,
}

/// Parameters in their shapes.
pub(super) struct Live<'a> {
    pub live: &'a [Tensor<1>],
    pub shapes: &'a [Vec<usize>],
    /// What follows every normalisation.
    pub activation: Activation,
    /// What an instance normalisation adds to the variance.
    pub epsilon: f32,
}

impl Live<'_> {
    fn channels(&self, place: usize) -> Tensor<5> {
        self.live[place].clone().reshape([1, self.shapes[place][0], 1, 1, 1])
    }

    pub(super) fn block(&self, block: &Block, x: Tensor<5>) -> Tensor<5> {
        activated(self.normalised(block, x), self.activation)
    }

    pub(super) fn residual(&self, block: &Residual, x: Tensor<5>) -> Tensor<5> {
        let mut skip = averaged(x.clone(), block.pool);
        if let Some(projection) = &block.skip {
            skip = self.normalised(projection, skip);
        }
        let x = block.inner.iter().fold(x, |x, own| self.block(own, x));
        activated(self.normalised(&block.last, x) + skip, self.activation)
    }

    /// Convolution and normalisation.
    fn normalised(&self, block: &Block, x: Tensor<5>) -> Tensor<5> {
        let shape = &self.shapes[block.weight];
        let weight =
            self.live[block.weight].clone().reshape([shape[0], shape[1], shape[2], shape[3], shape[4]]);
        let x = conv3d(x, weight, None, ConvOptions::new(block.stride, block.padding, [1; 3], 1));
        let (scale, shift) = (self.channels(block.scale), self.channels(block.shift));
        if let Some(fixed) = &block.fixed {
            let device = x.device();
            let constant = |values: &[f32]| -> Tensor<5> {
                Tensor::from_data(TensorData::new(values.to_vec(), [1, values.len(), 1, 1, 1]), &device)
            };
            return (x + constant(&fixed.offset)) * (scale * constant(&fixed.factor)) + shift;
        }
        let centred = x.clone() - mean(x);
        let variance = mean(centred.clone() * centred.clone());
        let factor = (variance + self.epsilon).sqrt().recip() * scale;
        centred * factor + shift
    }

    /// A matrix product, and a reordering of its rows into blocks of voxels.
    pub(super) fn up(&self, up: &Up, x: Tensor<5>) -> Tensor<5> {
        let [n, input, d, h, w] = x.dims();
        let [sz, sy, sx] = up.stride;
        let output = self.shapes[up.weight][1];
        let rows = output * sz * sy * sx;
        let weight: Tensor<3> = self.live[up.weight].clone().reshape([1, input, rows]).swap_dims(1, 2);
        let voxels: Tensor<3> = x.reshape([n, input, d * h * w]);
        let made = weight.expand([n, rows, input]).matmul(voxels);
        let blocks: Tensor<8> = made.reshape([n, output, sz, sy, sx, d, h, w]);
        let spread = blocks.permute([0, 1, 5, 2, 6, 3, 7, 4]);
        let x = spread.reshape([n, output, d * sz, h * sy, w * sx]);
        match up.bias {
            Some(bias) => x + self.channels(bias),
            None => x,
        }
    }

    pub(super) fn head(&self, head: &Head, x: Tensor<5>) -> Tensor<5> {
        let [n, input, d, h, w] = x.dims();
        let classes = self.shapes[head.weight][0];
        let weight: Tensor<3> = self.live[head.weight].clone().reshape([1, classes, input]);
        let voxels: Tensor<3> = x.reshape([n, input, d * h * w]);
        let logits = weight.expand([n, classes, input]).matmul(voxels);
        logits.reshape([n, classes, d, h, w]) + self.channels(head.bias)
    }
}

fn mean(x: Tensor<5>) -> Tensor<5> {
    x.mean_dim(4).mean_dim(3).mean_dim(2)
}

/// The means of blocks of voxels, whose sides the image's are multiples of.
fn averaged(x: Tensor<5>, block: [usize; 3]) -> Tensor<5> {
    let [n, channels, ..] = x.dims();
    let mut x = x;
    // One axis after another, each the last but one.
    for (axis, step) in block.into_iter().enumerate().filter(|(_, step)| *step > 1) {
        let mut size = x.dims();
        let inner: usize = size[3 + axis..].iter().product();
        let outer: usize = size[..2 + axis].iter().product();
        size[2 + axis] /= step;
        let lines: Tensor<4> = x.reshape([outer, size[2 + axis], step, inner]);
        x = lines.mean_dim(2).reshape([n, channels, size[2], size[3], size[4]]);
    }
    x
}
