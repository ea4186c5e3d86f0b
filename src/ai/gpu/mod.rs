//! The network in burn, on any of its devices.
//!
//! What is spelt out rather than taken from burn, and why:
//! - features lie channels last (`[1, z, y, x, channel]`): the order of burn's convolution, of matrix
//!   products over voxels, and of neighbouring invocations reading neighbouring memory;
//! - convolution, instance normalisation with leaky ReLU (and a residual block's addition), and
//!   transposed convolution have kernels of our own ([`kernels`]) on graphics devices, beside burn's:
//!   [`tune`] measures which is faster, and that they agree; other activations than a leaky ReLU are
//!   burn's operations ([`activate`]);
//! - by burn, instance normalisation reduces one axis after another. On the software Vulkan driver a
//!   reduction over 65,536 elements or more is silently wrong (the driver ends a shader invocation's
//!   loops after 65,535 rounds). Its mean is taken off before squares are summed: a single pass over
//!   sums of squares loses digits;
//! - a convolution's bias is left out where an instance normalisation follows at once: that takes a
//!   constant off again;
//! - a transposed convolution whose kernel equals its stride is a matrix product, written where it
//!   belongs, or by burn reordered in a second pass; burn's kernel for the general case runs at a tenth
//!   of the speed (burn issue 5792);
//! - a decoder's first convolution reads the upsampled features and the skip with a half of its
//!   weights each: they are never put together, which was the network's largest tensor.
//!
//! Everything is single precision. Features in half precision with sums in single precision put the
//! shipped head and neck network's logits (up to 13) off by 7e-3, seven times what is allowed against
//! PyTorch's; without cooperative matrices they would save memory traffic only. burn's own convolution
//! even adds up in half precision (cubek-convolution, `kernels/forward/direct.rs`).
//!
//! [`pace`] hands the work over in pieces of a few milliseconds, [`tile`] runs a sliding window's tiles
//! with their mirror images and folds, [`sum`] adds them up without reading them back, and [`labels`]
//! makes labels of the sums where nothing else is wanted. [`memory`] reckons what a network takes.

mod activate;
mod bands;
mod block;
mod conv;
mod kernels;
mod labels;
mod memory;
mod pace;
mod proof;
mod sum;
#[cfg(test)]
mod tests;
mod tile;
mod tune;
mod upsample;
mod weights;

pub(super) use self::activate::activated;
pub use self::conv::Way;
pub(super) use self::labels::{Deciding, DeviceLabels, Mix, device_bytes};
pub(super) use self::memory::NetworkBytes;
pub use self::pace::Pace;
pub(super) use self::sum::{Back, DeviceSum, Piece, SumPlan, back_bytes};
pub use self::tile::Ensemble;
pub(super) use self::tile::{Reading, Tile, are_finite};

use self::block::{DeviceBlock, DeviceResidual};
use self::conv::{DeviceConv, upload};
use self::upsample::DeviceUpsample;
use super::network::{Architecture, Block, EncoderBlock, Network};
use burn::tensor::{Device, Int, Tensor, TensorData};

/// Why work on a device ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// Someone asked to stop.
    Cancelled,
    /// The device failed, in words.
    Failed(String),
}

enum DeviceStep {
    Plain(Box<DeviceBlock>),
    Residual(Box<DeviceResidual>),
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

/// How layers are computed, and how long they take where that was measured.
#[derive(Debug, Clone, PartialEq)]
struct Ways {
    convs: Vec<(Way, Option<f64>)>,
    norms: Vec<(Way, Option<f64>)>,
    ups: Vec<(Way, Option<f64>)>,
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

    /// Computes everything as another network of the same shape does.
    fn set_ways(&self, ways: &Ways) {
        for (conv, (way, seconds)) in self.convs().zip(&ways.convs) {
            conv.set_way(*way);
            conv.seconds.set(*seconds);
        }
        for (block, (way, seconds)) in self.blocks().zip(&ways.norms) {
            block.way.set(*way);
            block.seconds.set(*seconds);
        }
        for (up, (way, seconds)) in self.upsample.iter().zip(&ways.ups) {
            up.set_way(*way);
            up.seconds.set(*seconds);
        }
    }

    /// How its layers are computed, and how long they take.
    fn known_ways(&self) -> Ways {
        Ways {
            convs: self.convs().map(|conv| (conv.way.get(), conv.seconds.get())).collect(),
            norms: self.blocks().map(|block| (block.way.get(), block.seconds.get())).collect(),
            ups: self.upsample.iter().map(|up| (up.way.get(), up.seconds.get())).collect(),
        }
    }

    /// Computes everything in this way, whatever is faster; what cannot be, with burn's operations.
    pub fn set_way(&self, way: Way) {
        let own = kernels::runs_on(&self.device) && way.block().is_some();
        self.convs().for_each(|conv| conv.set_way(way));
        self.blocks().for_each(|block| block.way.set(if own { Way::Tiled } else { Way::Direct }));
        self.upsample.iter().for_each(|up| up.set_way(if own { way } else { Way::Direct }));
    }

    /// How its layers are computed, in words: how many of each kind which way.
    #[must_use]
    pub fn ways(&self) -> String {
        let convs = counted(self.convs().map(|conv| conv.way.get()));
        let norms = counted(self.blocks().map(|block| block.way.get()));
        let ups = counted(self.upsample.iter().map(|up| up.way.get()));
        format!("convolutions {convs}; normalisations {norms}; upsampling {ups}")
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
            let upsampled = up.forward(&current, pace)?;
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

    /// Bytes that the weights of its convolutions take on the device.
    fn weight_bytes(&self) -> u64 {
        let values = self.convs().map(DeviceConv::values).sum::<usize>()
            + self.upsample.iter().map(DeviceUpsample::values).sum::<usize>();
        (values * size_of::<f32>()) as u64
    }

    /// Every convolution.
    fn convs(&self) -> impl Iterator<Item = &DeviceConv> {
        self.blocks().flat_map(|block| &block.convs)
    }

    /// Every block of convolution and normalisation.
    fn blocks(&self) -> impl Iterator<Item = &DeviceBlock> {
        let steps = self.encoder.iter().flatten().flat_map(|step| match step {
            DeviceStep::Plain(block) => vec![&**block],
            DeviceStep::Residual(block) => {
                block.skip.iter().chain(&block.inner).chain([&block.last]).collect::<Vec<_>>()
            }
        });
        self.stem.iter().chain(steps).chain(self.decoder.iter().flatten())
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

/// How many of each way there are, in words.
fn counted(ways: impl Iterator<Item = Way>) -> String {
    let mut counts = std::collections::BTreeMap::new();
    ways.for_each(|way| *counts.entry(way).or_insert(0) += 1);
    let words: Vec<String> = counts.iter().map(|(way, count)| format!("{count} {}", way.word())).collect();
    words.join(", ")
}

/// What normalising a value counts as, in multiply-accumulates: it is bound by memory.
const NORM_MACS: u64 = 64;

/// The same of moving a value.
const COPY_MACS: u64 = 32;

fn download<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, String> {
    let data = tensor.try_into_data().map_err(|error| format!("{error:?}"))?;
    data.try_into_vec::<f32>().map_err(|error| format!("{error:?}"))
}
