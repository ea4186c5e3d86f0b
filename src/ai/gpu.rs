//! The network in burn, on any of its devices.
//!
//! Two operations are spelt out rather than taken from burn:
//! - instance normalisation reduces one axis after another. On the software Vulkan driver a
//!   reduction over 65,536 elements or more is silently wrong (the driver ends a shader
//!   invocation's loops after 65,535 rounds);
//! - a transposed convolution whose kernel equals its stride is a matrix product and a reordering;
//!   burn's kernel for the general case runs at a tenth of the speed (burn issue 5792).

use super::network::{Block, Convolution, EncoderBlock, LEAKY_SLOPE, NORM_EPSILON, Network, ResidualBlock};
use burn::tensor::activation::leaky_relu;
use burn::tensor::module::conv3d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};

struct DeviceBlock {
    weight: Tensor<5>,
    bias: Tensor<1>,
    stride: [usize; 3],
    padding: [usize; 3],
    scale: Tensor<5>,
    shift: Tensor<5>,
}

struct DeviceResidual {
    first: DeviceBlock,
    second: DeviceBlock,
    pool: [usize; 3],
    skip: Option<DeviceBlock>,
}

enum DeviceStep {
    Plain(Box<DeviceBlock>),
    Residual(Box<DeviceResidual>),
}

struct DeviceUpsample {
    /// `[input, output * taps]`.
    weight: Tensor<2>,
    bias: Tensor<5>,
    output: usize,
    stride: [usize; 3],
}

/// A network whose parameters are on a device.
pub struct BurnNetwork {
    device: Device,
    stem: Option<DeviceBlock>,
    encoder: Vec<Vec<DeviceStep>>,
    upsample: Vec<DeviceUpsample>,
    decoder: Vec<Vec<DeviceBlock>>,
    head_weight: Tensor<2>,
    head_bias: Tensor<2>,
    input_channels: usize,
    classes: usize,
}

/// Called with a layer's name and its output, `[1, channels, z, y, x]`.
pub type DeviceProbe<'a> = &'a mut dyn FnMut(&str, &[f32]);

impl BurnNetwork {
    /// Uploads a network's parameters.
    #[must_use]
    pub fn new(network: &Network, device: &Device) -> Self {
        let block = |block: &Block| upload_block(block, device);
        let step = |step: &EncoderBlock| match step {
            EncoderBlock::Plain(plain) => DeviceStep::Plain(Box::new(block(plain))),
            EncoderBlock::Residual(residual) => {
                DeviceStep::Residual(Box::new(upload_residual(residual, device)))
            }
        };
        let head = &network.head;
        Self {
            stem: network.stem.as_ref().map(block),
            encoder: network.encoder.iter().map(|stage| stage.iter().map(step).collect()).collect(),
            upsample: network.upsample.iter().map(|conv| upload_upsample(conv, device)).collect(),
            decoder: network.decoder.iter().map(|stage| stage.iter().map(block).collect()).collect(),
            head_weight: tensor::<2>(&head.weight, [head.output, head.input], device).transpose(),
            head_bias: tensor(&head.bias, [1, head.output], device),
            input_channels: network.architecture.input_channels,
            classes: network.architecture.classes,
            device: device.clone(),
        }
    }

    /// The logits of a patch of `size` (z, y, x), whose `values` are `[channel][z][y][x]`.
    /// The logits are `[z][y][x][class]`.
    ///
    /// # Errors
    /// A sentence when the device could not give them.
    pub fn forward(&self, values: &[f32], size: [usize; 3]) -> Result<Vec<f32>, String> {
        self.forward_probed(values, size, None)
    }

    /// As [`Self::forward`]; `probe` sees the stages' outputs on the way.
    ///
    /// # Errors
    /// A sentence when the device could not give them.
    pub fn forward_probed(
        &self,
        values: &[f32],
        size: [usize; 3],
        mut probe: Option<DeviceProbe<'_>>,
    ) -> Result<Vec<f32>, String> {
        let mut see = |name: String, output: &Tensor<5>| -> Result<(), String> {
            if let Some(probe) = probe.as_mut() {
                probe(&name, &download(output.clone())?);
            }
            Ok(())
        };
        let [z, y, x] = size;
        let mut current = tensor(values, [1, self.input_channels, z, y, x], &self.device);
        if let Some(stem) = &self.stem {
            current = stem.forward(current);
            see("encoder.stem".to_owned(), &current)?;
        }
        let mut skips = Vec::new();
        for (stage, blocks) in self.encoder.iter().enumerate() {
            if stage > 0 {
                skips.push(current.clone());
            }
            for (index, block) in blocks.iter().enumerate() {
                current = block.forward(current);
                see(format!("encoder.stages.{stage}.0.convs.{index}"), &current)?;
            }
            see(format!("encoder.stages.{stage}"), &current)?;
        }
        for (stage, (up, blocks)) in self.upsample.iter().zip(&self.decoder).enumerate() {
            let upsampled = up.forward(current);
            see(format!("decoder.transpconvs.{stage}"), &upsampled)?;
            let Some(skip) = skips.pop() else { return Err("the network has no skip left".to_owned()) };
            current = Tensor::cat(vec![upsampled, skip], 1);
            for block in blocks {
                current = block.forward(current);
            }
            see(format!("decoder.stages.{stage}"), &current)?;
        }
        let channels = current.dims()[1];
        let voxels = current.permute([0, 2, 3, 4, 1]).reshape([z * y * x, channels]);
        let logits = voxels.matmul(self.head_weight.clone()) + self.head_bias.clone();
        let logits = download(logits)?;
        if logits.len() != z * y * x * self.classes {
            return Err("the device gave an incomplete result".to_owned());
        }
        Ok(logits)
    }
}

impl DeviceStep {
    fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        match self {
            Self::Plain(block) => block.forward(x),
            Self::Residual(block) => block.forward(x),
        }
    }
}

impl DeviceResidual {
    fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let inner = self.second.linear(self.first.forward(x.clone()));
        let mut skip = average_pool(x, self.pool);
        if let Some(block) = &self.skip {
            skip = block.linear(skip);
        }
        leaky_relu(inner + skip, f64::from(LEAKY_SLOPE))
    }
}

/// Means over blocks of `by` voxels, one axis after another.
fn average_pool(x: Tensor<5>, by: [usize; 3]) -> Tensor<5> {
    let mut x = x;
    for (axis, by) in by.into_iter().enumerate().filter(|(_, by)| *by > 1) {
        let [n, c, d, h, w] = x.dims();
        let mut size = [n, c, d, h, w];
        size[axis + 2] /= by;
        let rest: usize = size[axis + 3..].iter().product();
        let blocks: Tensor<4> = x.reshape([n * c, size[2..axis + 3].iter().product(), by, rest]);
        x = blocks.mean_dim(2).reshape(size);
    }
    x
}

impl DeviceBlock {
    fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        leaky_relu(self.linear(x), f64::from(LEAKY_SLOPE))
    }

    /// Convolution and normalisation.
    fn linear(&self, x: Tensor<5>) -> Tensor<5> {
        let options = ConvOptions::new(self.stride, self.padding, [1, 1, 1], 1);
        self.normalise(conv3d(x, self.weight.clone(), Some(self.bias.clone()), options))
    }

    fn normalise(&self, x: Tensor<5>) -> Tensor<5> {
        let centred = x.clone() - axis_by_axis_mean(x);
        let variance = axis_by_axis_mean(centred.clone() * centred.clone());
        let factor = (variance + NORM_EPSILON).sqrt().recip() * self.scale.clone();
        centred * factor + self.shift.clone()
    }
}

fn axis_by_axis_mean(x: Tensor<5>) -> Tensor<5> {
    x.mean_dim(4).mean_dim(3).mean_dim(2)
}

impl DeviceUpsample {
    fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let [_, input, d, h, w] = x.dims();
        let [sz, sy, sx] = self.stride;
        let voxels = x.permute([0, 2, 3, 4, 1]).reshape([d * h * w, input]);
        let blocks: Tensor<7> =
            voxels.matmul(self.weight.clone()).reshape([d, h, w, self.output, sz, sy, sx]);
        let spread = blocks.permute([3, 0, 4, 1, 5, 2, 6]);
        spread.reshape([1, self.output, d * sz, h * sy, w * sx]) + self.bias.clone()
    }
}

fn upload_block(block: &Block, device: &Device) -> DeviceBlock {
    let conv = &block.conv;
    let [z, y, x] = conv.kernel;
    DeviceBlock {
        weight: tensor(&conv.weight, [conv.output, conv.input, z, y, x], device),
        bias: tensor(&conv.bias, [conv.output], device),
        stride: conv.stride,
        padding: conv.kernel.map(|n| n / 2),
        scale: tensor(&block.scale, [1, conv.output, 1, 1, 1], device),
        shift: tensor(&block.shift, [1, conv.output, 1, 1, 1], device),
    }
}

fn upload_residual(block: &ResidualBlock, device: &Device) -> DeviceResidual {
    DeviceResidual {
        first: upload_block(&block.first, device),
        second: upload_block(&block.second, device),
        pool: block.pool,
        skip: block.skip.as_ref().map(|skip| upload_block(skip, device)),
    }
}

fn upload_upsample(conv: &Convolution, device: &Device) -> DeviceUpsample {
    let taps: usize = conv.kernel.iter().product();
    DeviceUpsample {
        weight: tensor(&conv.weight, [conv.input, conv.output * taps], device),
        bias: tensor(&conv.bias, [1, conv.output, 1, 1, 1], device),
        output: conv.output,
        stride: conv.stride,
    }
}

fn tensor<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

fn download<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, String> {
    let data = tensor.try_into_data().map_err(|error| format!("{error:?}"))?;
    data.try_into_vec::<f32>().map_err(|error| format!("{error:?}"))
}
