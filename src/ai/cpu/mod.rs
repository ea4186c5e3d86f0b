//! The CPU engine: the whole network as direct convolutions over channels-last features.
//!
//! Why not burn's CPU backend: it reached two fifths of one-thread PyTorch on these networks.
//! Here features are stored `[z][y][x][channel]` with a border of zeros, so a 3 x 3 x 3 convolution
//! is, for each output voxel, nine contiguous runs of `3 * channels` inputs against packed
//! weights: a register-blocked matrix product without any copying of the input. Memory is what the
//! features themselves take. Work is spread over rayon's pool; results do not depend on the number
//! of threads.

mod conv;
mod norm;
mod pool;
mod simd;

use self::conv::Packed;
use self::norm::Then;
use super::network::{Block, EncoderBlock, Network, ResidualBlock};

/// Features of one resolution, channels last, with a border of zero voxels on every side.
#[derive(Debug, Clone)]
struct Feature {
    /// Size without the border, (z, y, x).
    size: [usize; 3],
    /// Border width, (z, y, x): half the network's widest kernel; 0 for the network's output.
    border: [usize; 3],
    /// Channels in use.
    channels: usize,
    /// Distance between voxels in `values`: `channels`, rounded up to [`LANES`] except for the input.
    stride: usize,
    values: Vec<f32>,
}

/// Channels are stored in multiples of this, so that every vector width divides it.
const LANES: usize = 16;

impl Feature {
    fn zeros(size: [usize; 3], border: [usize; 3], channels: usize, stride: usize) -> Self {
        let voxels: usize = size.iter().zip(border).map(|(n, border)| n + 2 * border).product();
        Self { size, border, channels, stride, values: vec![0.0; voxels * stride] }
    }

    /// Voxels of a row with its border.
    fn row_voxels(&self) -> usize {
        self.size[2] + 2 * self.border[2]
    }

    /// Rows of a plane with their border.
    fn plane_rows(&self) -> usize {
        self.size[1] + 2 * self.border[1]
    }

    /// The voxel number of (z, y, x), which may lie in the border (0-based with the border).
    fn voxel(&self, [z, y, x]: [usize; 3]) -> usize {
        (z * self.plane_rows() + y) * self.row_voxels() + x
    }
}

struct PackedBlock {
    conv: Packed,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl PackedBlock {
    fn new(block: &Block, split: Option<usize>, is_first: bool) -> Self {
        Self {
            conv: Packed::new(&block.conv, split, is_first),
            scale: block.scale.clone(),
            shift: block.shift.clone(),
        }
    }

    fn run(&self, sources: &[&Feature], border: [usize; 3], then: Then<'_>) -> Feature {
        let (mut feature, moments) = conv::forward(&self.conv, sources, border);
        norm::normalise(&mut feature, &moments, &self.scale, &self.shift, then);
        feature
    }
}

struct PackedResidual {
    first: PackedBlock,
    second: PackedBlock,
    pool: [usize; 3],
    skip: Option<PackedBlock>,
}

impl PackedResidual {
    fn new(block: &ResidualBlock) -> Self {
        Self {
            first: PackedBlock::new(&block.first, None, false),
            second: PackedBlock::new(&block.second, None, false),
            pool: block.pool,
            skip: block.skip.as_ref().map(|skip| PackedBlock::new(skip, None, false)),
        }
    }

    fn run(&self, input: &Feature, border: [usize; 3]) -> Feature {
        let inner = self.first.run(&[input], border, Then::Activate);
        let pooled = (self.pool != [1; 3]).then(|| pool::average(input, self.pool));
        let skip = pooled.as_ref().unwrap_or(input);
        let projected = self.skip.as_ref().map(|block| block.run(&[skip], border, Then::Nothing));
        let skip = projected.as_ref().unwrap_or(skip);
        self.second.run(&[&inner], border, Then::AddAndActivate(skip))
    }
}

enum PackedStep {
    Plain(PackedBlock),
    Residual(Box<PackedResidual>),
}

impl PackedStep {
    fn run(&self, input: &Feature, border: [usize; 3]) -> Feature {
        match self {
            Self::Plain(block) => block.run(&[input], border, Then::Activate),
            Self::Residual(block) => block.run(input, border),
        }
    }
}

/// A network ready to run on the CPU.
pub struct CpuNetwork {
    /// Border of every feature, (z, y, x).
    border: [usize; 3],
    stem: Option<PackedBlock>,
    encoder: Vec<Vec<PackedStep>>,
    upsample: Vec<Packed>,
    decoder: Vec<Vec<PackedBlock>>,
    head: Packed,
    input_channels: usize,
    classes: usize,
}

/// Called with a layer's name, size (z, y, x), channels and values in PyTorch's order.
pub type LayerProbe<'a> = &'a mut dyn FnMut(&str, [usize; 3], usize, Vec<f32>);

impl CpuNetwork {
    /// Packs a network's weights for this processor.
    #[must_use]
    pub fn new(network: &Network) -> Self {
        let step = |block: &EncoderBlock, is_first: bool| match block {
            EncoderBlock::Plain(block) => PackedStep::Plain(PackedBlock::new(block, None, is_first)),
            EncoderBlock::Residual(block) => PackedStep::Residual(Box::new(PackedResidual::new(block))),
        };
        // The first convolution of a decoder stage reads (upsampled, skip), halves of its input.
        let decoder_block =
            |i: usize, b: &Block| PackedBlock::new(b, (i == 0).then_some(b.conv.input / 2), false);
        Self {
            border: network.architecture.reach(),
            stem: network.stem.as_ref().map(|stem| PackedBlock::new(stem, None, true)),
            encoder: network
                .encoder
                .iter()
                .enumerate()
                .map(|(stage, blocks)| {
                    let is_first = |i: usize| stage == 0 && i == 0;
                    blocks.iter().enumerate().map(|(i, b)| step(b, is_first(i))).collect()
                })
                .collect(),
            upsample: network.upsample.iter().map(Packed::new_transposed).collect(),
            decoder: network
                .decoder
                .iter()
                .map(|blocks| blocks.iter().enumerate().map(|(i, b)| decoder_block(i, b)).collect())
                .collect(),
            head: Packed::new(&network.head, None, false),
            input_channels: network.architecture.input_channels,
            classes: network.architecture.classes,
        }
    }

    /// The logits of a patch of `size` (z, y, x), whose `values` are `[channel][z][y][x]`.
    /// The logits are `[z][y][x][class]`.
    ///
    /// # Panics
    /// When `values` has not `channels * z * y * x` entries.
    #[must_use]
    pub fn forward(&self, values: &[f32], size: [usize; 3]) -> Vec<f32> {
        self.forward_probed(values, size, None)
    }

    /// As [`Self::forward`]; `probe` sees every stage's output on the way.
    ///
    /// # Panics
    /// When `values` has not `channels * z * y * x` entries.
    #[must_use]
    pub fn forward_probed(
        &self,
        values: &[f32],
        size: [usize; 3],
        mut probe: Option<LayerProbe<'_>>,
    ) -> Vec<f32> {
        let mut see = |name: String, feature: &Feature| {
            if let Some(probe) = probe.as_mut() {
                probe(&name, feature.size, feature.channels, planar(feature));
            }
        };
        let border = self.border;
        let mut current = from_planar(values, size, self.input_channels, border);
        if let Some(stem) = &self.stem {
            current = stem.run(&[&current], border, Then::Activate);
            see("encoder.stem".to_owned(), &current);
        }
        let mut skips = Vec::new();
        for (stage, blocks) in self.encoder.iter().enumerate() {
            for (index, block) in blocks.iter().enumerate() {
                let next = block.run(&current, border);
                see(format!("encoder.stages.{stage}.0.convs.{index}"), &next);
                // What this stage consumed: kept if it was the last stage's output, else freed.
                let used = std::mem::replace(&mut current, next);
                if index == 0 && stage > 0 {
                    skips.push(used);
                }
            }
            see(format!("encoder.stages.{stage}"), &current);
        }
        for (stage, (up, blocks)) in self.upsample.iter().zip(&self.decoder).enumerate() {
            let upsampled = conv::transposed(up, &current, border);
            see(format!("decoder.transpconvs.{stage}"), &upsampled);
            let Some(skip) = skips.pop() else { break };
            current = upsampled;
            for (index, block) in blocks.iter().enumerate() {
                let sources: &[&Feature] = if index == 0 { &[&current, &skip] } else { &[&current] };
                let next = block.run(sources, border, Then::Activate);
                current = next;
            }
            see(format!("decoder.stages.{stage}"), &current);
        }
        let head = conv::forward(&self.head, &[&current], [0; 3]).0;
        see("logits".to_owned(), &head);
        head.values.chunks_exact(head.stride).flat_map(|voxel| &voxel[..self.classes]).copied().collect()
    }
}

/// `[channel][z][y][x]` to channels last with a border.
fn from_planar(values: &[f32], size: [usize; 3], channels: usize, border: [usize; 3]) -> Feature {
    let voxels: usize = size.iter().product();
    assert_eq!(values.len(), voxels * channels, "a patch has channels * z * y * x values");
    let mut feature = Feature::zeros(size, border, channels, channels);
    for channel in 0..channels {
        for z in 0..size[0] {
            for y in 0..size[1] {
                let from = (channel * size[0] + z) * size[1] + y;
                let row = &values[from * size[2]..][..size[2]];
                let to = feature.voxel([z + border[0], y + border[1], border[2]]) * channels + channel;
                for (x, value) in row.iter().enumerate() {
                    feature.values[to + x * channels] = *value;
                }
            }
        }
    }
    feature
}

/// Channels last with a border to `[channel][z][y][x]`.
fn planar(feature: &Feature) -> Vec<f32> {
    let (size, border) = (feature.size, feature.border);
    let mut values = Vec::with_capacity(feature.channels * size.iter().product::<usize>());
    for channel in 0..feature.channels {
        for z in 0..size[0] {
            for y in 0..size[1] {
                let from =
                    feature.voxel([z + border[0], y + border[1], border[2]]) * feature.stride + channel;
                values.extend((0..size[2]).map(|x| feature.values[from + x * feature.stride]));
            }
        }
    }
    values
}
