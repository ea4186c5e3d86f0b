//! The network in burn, on any of its devices.
//!
//! What is spelt out rather than taken from burn, and why:
//! - features lie channels last (`[1, z, y, x, channel]`): the order of burn's convolution, of matrix
//!   products over voxels, and of neighbouring invocations reading neighbouring memory;
//! - instance normalisation reduces one axis after another. On the software Vulkan driver a reduction
//!   over 65,536 elements or more is silently wrong (the driver ends a shader invocation's loops after
//!   65,535 rounds). Its mean is taken off before squares are summed: a single pass over sums of
//!   squares loses digits, and burn reads the features twice for two sums anyway. What is left is one
//!   kernel, which burn's fusion makes of scale, shift and leaky ReLU;
//! - a convolution's bias is left out where an instance normalisation follows: that takes a constant off
//!   again;
//! - a transposed convolution whose kernel equals its stride is a matrix product and a reordering;
//!   burn's kernel for the general case runs at a tenth of the speed (burn issue 5792);
//! - a decoder's first convolution reads the upsampled features and the skip with a half of its
//!   weights each: they are never put together, which was the network's largest tensor.
//!
//! Everything is single precision. Half precision waits for devices with cooperative matrices, which
//! burn uses through its `vulkan` feature: without them its convolution adds up in the precision of the
//! features (cubek-convolution, `kernels/forward/direct.rs`), and sums of 27 times 320 products in half
//! precision are not within any tolerance. Only matrix products add up in single precision.
//!
//! [`pace`] hands the work over in pieces of a few milliseconds, [`tile`] runs a sliding window's tiles
//! with their mirror images and folds, [`sum`] adds them up without reading them back, and [`labels`]
//! makes labels of the sums where nothing else is wanted.

mod conv;
mod labels;
mod pace;
mod sum;
mod tile;
mod tune;

pub use self::conv::Way;
pub(super) use self::labels::{Deciding, DeviceLabels, EXTREME, Mix, UNDECIDED, device_bytes};
pub use self::pace::Pace;
pub(super) use self::sum::{Back, DeviceSum, Piece, SumPlan};
pub use self::tile::Ensemble;
pub(super) use self::tile::{Reading, Tile};

use self::conv::{DeviceConv, upload};
use super::network::{
    Architecture, Block, Convolution, EncoderBlock, LEAKY_SLOPE, NORM_EPSILON, Network, ResidualBlock,
};
use burn::tensor::activation::leaky_relu;
use burn::tensor::{Device, Int, Tensor, TensorData};

/// Why work on a device ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// Someone asked to stop.
    Cancelled,
    /// The device failed, in words.
    Failed(String),
}

struct DeviceBlock {
    /// One convolution for each tensor that the block reads.
    convs: Vec<DeviceConv>,
    /// The instance normalisation's; `None` where there is none.
    scale: Option<Tensor<5>>,
    /// The instance normalisation's, else the convolution's bias.
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
    /// `[input, taps * output]`.
    weight: Tensor<2>,
    bias: Tensor<5>,
    input: usize,
    output: usize,
    stride: [usize; 3],
}

/// The last layer.
#[derive(Clone)]
struct DeviceHead {
    /// `[channel, class]`.
    weight: Tensor<2>,
    /// `[1, class]`.
    bias: Tensor<2>,
}

/// A network whose parameters are on a device.
pub struct BurnNetwork {
    device: Device,
    stem: Option<DeviceBlock>,
    encoder: Vec<Vec<DeviceStep>>,
    upsample: Vec<DeviceUpsample>,
    decoder: Vec<Vec<DeviceBlock>>,
    head: DeviceHead,
    architecture: Architecture,
}

/// Called with a layer's name and its output, `[1, channels, z, y, x]`.
pub type DeviceProbe<'a> = &'a mut dyn FnMut(&str, &[f32]);

impl BurnNetwork {
    /// Uploads a network's parameters.
    #[must_use]
    pub fn new(network: &Network, device: &Device) -> Self {
        let block = |block: &Block| DeviceBlock::new(block, 1, device);
        let step = |step: &EncoderBlock| match step {
            EncoderBlock::Plain(plain) => DeviceStep::Plain(Box::new(block(plain))),
            EncoderBlock::Residual(residual) => {
                DeviceStep::Residual(Box::new(DeviceResidual::new(residual, device)))
            }
        };
        // The first convolution of a decoder stage reads (upsampled, skip).
        let decoder_block =
            |index: usize, block: &Block| DeviceBlock::new(block, if index == 0 { 2 } else { 1 }, device);
        let decoder = network.decoder.iter();
        let head = &network.head;
        let head_weight: Tensor<2> = upload(head.weight.clone(), [head.output, head.input], device);
        Self {
            stem: network.stem.as_ref().map(block),
            encoder: network.encoder.iter().map(|stage| stage.iter().map(step).collect()).collect(),
            upsample: network.upsample.iter().map(|conv| DeviceUpsample::new(conv, device)).collect(),
            decoder: decoder
                .map(|stage| stage.iter().enumerate().map(|(i, block)| decoder_block(i, block)).collect())
                .collect(),
            head: DeviceHead {
                weight: head_weight.transpose(),
                bias: upload(head.bias.clone(), [1, head.output], device),
            },
            architecture: network.architecture.clone(),
            device: device.clone(),
        }
    }

    /// Computes every convolution in this way, whatever is faster.
    pub fn set_way(&self, way: Way) {
        self.convs().for_each(|conv| conv.way.set(way));
    }

    /// The logits of a patch of `size` (z, y, x), whose `values` are `[channel][z][y][x]`.
    /// The logits are `[z][y][x][class]`.
    ///
    /// # Errors
    /// A sentence when the device could not give them.
    pub fn forward(&self, values: &[f32], size: [usize; 3]) -> Result<Vec<f32>, String> {
        self.forward_probed(values, size, &mut Pace::at_once(&self.device), None)
    }

    /// As [`Self::forward`], in the pieces of a pace; `probe` sees the stages' outputs on the way.
    ///
    /// # Errors
    /// A sentence when the device could not give them.
    pub fn forward_probed(
        &self,
        values: &[f32],
        size: [usize; 3],
        pace: &mut Pace,
        probe: Option<DeviceProbe<'_>>,
    ) -> Result<Vec<f32>, String> {
        let input = self.input(values.to_vec(), size);
        let told = |stop| match stop {
            Stop::Cancelled => "cancelled".to_owned(),
            Stop::Failed(reason) => reason,
        };
        let features = self.features(input, pace, probe).map_err(told)?;
        let logits = download(self.head.forward(features))?;
        if logits.len() == size.iter().product::<usize>() * self.architecture.classes {
            Ok(logits)
        } else {
            Err("the device gave an incomplete result".to_owned())
        }
    }

    /// Uploads a patch `[channel][z][y][x]`.
    fn input(&self, values: Vec<f32>, [z, y, x]: [usize; 3]) -> Tensor<5> {
        upload(values, [1, self.architecture.input_channels, z, y, x], &self.device).permute([0, 2, 3, 4, 1])
    }

    /// The last stage's features of an input `[1, z, y, x, channel]`.
    fn features(
        &self,
        input: Tensor<5>,
        pace: &mut Pace,
        mut probe: Option<DeviceProbe<'_>>,
    ) -> Result<Tensor<5>, Stop> {
        let mut see = |name: String, output: &Tensor<5>| -> Result<(), Stop> {
            if let Some(probe) = probe.as_mut() {
                probe(&name, &download(output.clone().permute([0, 4, 1, 2, 3])).map_err(Stop::Failed)?);
            }
            Ok(())
        };
        let mut current = input;
        if let Some(stem) = &self.stem {
            current = stem.forward(&[&current], pace)?;
            see("encoder.stem".to_owned(), &current)?;
        }
        let mut skips = Vec::new();
        for (stage, blocks) in self.encoder.iter().enumerate() {
            if stage > 0 {
                skips.push(current.clone());
            }
            for (index, block) in blocks.iter().enumerate() {
                current = block.forward(&current, pace)?;
                see(format!("encoder.stages.{stage}.0.convs.{index}"), &current)?;
            }
            see(format!("encoder.stages.{stage}"), &current)?;
        }
        for (stage, (up, blocks)) in self.upsample.iter().zip(&self.decoder).enumerate() {
            let upsampled = up.forward(current, pace)?;
            see(format!("decoder.transpconvs.{stage}"), &upsampled)?;
            let Some(skip) = skips.pop() else {
                return Err(Stop::Failed("the network has no skip left".to_owned()));
            };
            current = upsampled.clone();
            for (index, block) in blocks.iter().enumerate() {
                current = if index == 0 {
                    block.forward(&[&upsampled, &skip], pace)?
                } else {
                    block.forward(&[&current], pace)?
                };
            }
            see(format!("decoder.stages.{stage}"), &current)?;
        }
        Ok(current)
    }

    /// Bytes of the largest tensor that a patch needs.
    fn largest_bytes(&self, patch: [usize; 3]) -> usize {
        let widest = self.architecture.features[0].max(self.architecture.stem);
        patch.iter().product::<usize>() * widest.max(self.architecture.input_channels) * size_of::<f32>()
    }

    /// Every convolution, in the order they run in.
    fn convs(&self) -> impl Iterator<Item = &DeviceConv> {
        let steps = self.encoder.iter().flatten().flat_map(|step| match step {
            DeviceStep::Plain(block) => vec![&**block],
            DeviceStep::Residual(block) => {
                block.skip.iter().chain([&block.first, &block.second]).collect::<Vec<_>>()
            }
        });
        let blocks = self.stem.iter().chain(steps).chain(self.decoder.iter().flatten());
        blocks.flat_map(|block| &block.convs)
    }
}

impl DeviceHead {
    /// The logits `[z, y, x, class]` of features `[1, z, y, x, channel]`.
    fn forward(&self, features: Tensor<5>) -> Tensor<4> {
        let [_, z, y, x, channels] = features.dims();
        let voxels: Tensor<2> = features.reshape([z * y * x, channels]);
        let logits = voxels.matmul(self.weight.clone()) + self.bias.clone();
        let [_, classes] = self.bias.dims();
        logits.reshape([z, y, x, classes])
    }

    /// The same with pairs of classes changed places: of the layer's parameters, in place of all logits.
    fn swapped(&self, swaps: &[[usize; 2]]) -> Self {
        if swaps.is_empty() {
            return self.clone();
        }
        let [_, classes] = self.bias.dims();
        let mut order: Vec<i32> = (0..).take(classes).collect();
        swaps.iter().for_each(|[a, b]| order.swap(*a, *b));
        let order: Tensor<1, Int> =
            Tensor::from_data(TensorData::new(order, [classes]), &self.weight.device());
        Self {
            weight: self.weight.clone().select(1, order.clone()),
            bias: self.bias.clone().select(1, order),
        }
    }
}

impl DeviceStep {
    fn forward(&self, x: &Tensor<5>, pace: &mut Pace) -> Result<Tensor<5>, Stop> {
        match self {
            Self::Plain(block) => block.forward(&[x], pace),
            Self::Residual(block) => block.forward(x, pace),
        }
    }
}

impl DeviceResidual {
    fn new(block: &ResidualBlock, device: &Device) -> Self {
        Self {
            first: DeviceBlock::new(&block.first, 1, device),
            second: DeviceBlock::new(&block.second, 1, device),
            pool: block.pool,
            skip: block.skip.as_ref().map(|skip| DeviceBlock::new(skip, 1, device)),
        }
    }

    fn forward(&self, x: &Tensor<5>, pace: &mut Pace) -> Result<Tensor<5>, Stop> {
        let inner = self.first.forward(&[x], pace)?;
        let inner = self.second.linear(&[&inner], pace)?;
        let mut skip = average_pool(x.clone(), self.pool);
        if let Some(block) = &self.skip {
            skip = block.linear(&[&skip], pace)?;
        }
        Ok(leaky_relu(inner + skip, f64::from(LEAKY_SLOPE)))
    }
}

/// Means over blocks of `by` voxels, one axis after another.
fn average_pool(x: Tensor<5>, by: [usize; 3]) -> Tensor<5> {
    let mut x = x;
    for (axis, by) in by.into_iter().enumerate().filter(|(_, by)| *by > 1) {
        let mut size = x.dims();
        size[axis + 1] /= by;
        let outer: usize = size[..axis + 2].iter().product();
        let inner: usize = size[axis + 2..].iter().product();
        let blocks: Tensor<3> = x.reshape([outer, by, inner]);
        x = blocks.mean_dim(1).reshape(size);
    }
    x
}

impl DeviceBlock {
    /// A block whose input is `parts` tensors, equally many channels of each.
    fn new(block: &Block, parts: usize, device: &Device) -> Self {
        let (input, output) = (block.conv.input, block.conv.output);
        let part = input / parts;
        let channels = |values: &[f32]| upload(values.to_vec(), [1, 1, 1, 1, output], device);
        let convs = (0..parts).map(|n| DeviceConv::new(&block.conv, n * part..(n + 1) * part, device));
        Self {
            convs: convs.collect(),
            scale: block.norm.as_ref().map(|norm| channels(&norm.scale)),
            shift: channels(block.norm.as_ref().map_or(&block.conv.bias, |norm| &norm.shift)),
        }
    }

    fn forward(&self, inputs: &[&Tensor<5>], pace: &mut Pace) -> Result<Tensor<5>, Stop> {
        Ok(leaky_relu(self.linear(inputs, pace)?, f64::from(LEAKY_SLOPE)))
    }

    /// Convolution and normalisation.
    fn linear(&self, inputs: &[&Tensor<5>], pace: &mut Pace) -> Result<Tensor<5>, Stop> {
        let mut sum: Option<Tensor<5>> = None;
        for (conv, x) in self.convs.iter().zip(inputs) {
            let part = conv.forward(x, pace)?;
            sum = Some(match sum {
                Some(sum) => sum + part,
                None => part,
            });
        }
        let Some(sum) = sum else { return Err(Stop::Failed("a block without convolution".to_owned())) };
        let voxels = sum.dims().iter().product::<usize>() as u64;
        let normal = self.normalise(sum);
        pace.spend(pace.estimate_s(voxels * NORM_MACS))?;
        Ok(normal)
    }

    fn normalise(&self, x: Tensor<5>) -> Tensor<5> {
        let Some(scale) = self.scale.clone() else { return x + self.shift.clone() };
        let centred = x.clone() - axis_by_axis_mean(x);
        let variance = axis_by_axis_mean(centred.clone() * centred.clone());
        let factor = (variance + NORM_EPSILON).sqrt().recip() * scale;
        centred * factor + self.shift.clone()
    }
}

/// What normalising a value counts as, in multiply-accumulates: it is bound by memory.
const NORM_MACS: u64 = 64;

fn axis_by_axis_mean(x: Tensor<5>) -> Tensor<5> {
    x.mean_dim(3).mean_dim(2).mean_dim(1)
}

impl DeviceUpsample {
    fn new(conv: &Convolution, device: &Device) -> Self {
        let taps: usize = conv.kernel.iter().product();
        let mut weight = Vec::with_capacity(conv.weight.len());
        for input in conv.weight.chunks_exact(conv.output * taps) {
            for tap in 0..taps {
                weight.extend((0..conv.output).map(|out| input[out * taps + tap]));
            }
        }
        Self {
            weight: upload(weight, [conv.input, taps * conv.output], device),
            bias: upload(conv.bias.clone(), [1, 1, 1, 1, conv.output], device),
            input: conv.input,
            output: conv.output,
            stride: conv.stride,
        }
    }

    fn forward(&self, x: Tensor<5>, pace: &mut Pace) -> Result<Tensor<5>, Stop> {
        let [_, d, h, w, input] = x.dims();
        let [sz, sy, sx] = self.stride;
        let voxels: Tensor<2> = x.reshape([d * h * w, input]);
        let blocks: Tensor<7> =
            voxels.matmul(self.weight.clone()).reshape([d, h, w, sz, sy, sx, self.output]);
        let spread = blocks.permute([0, 3, 1, 4, 2, 5, 6]);
        let out = spread.reshape([1, d * sz, h * sy, w * sx, self.output]) + self.bias.clone();
        let values = d * h * w * sz * sy * sx * self.output;
        pace.spend(pace.estimate_s(values as u64 * (self.input as u64 + NORM_MACS)))?;
        Ok(out)
    }
}

fn download<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, String> {
    let data = tensor.try_into_data().map_err(|error| format!("{error:?}"))?;
    data.try_into_vec::<f32>().map_err(|error| format!("{error:?}"))
}
