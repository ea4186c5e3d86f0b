//! The CPU engine: the whole network as convolutions over channels-last features.
//!
//! Why not burn's CPU backend: it reached two fifths of one-thread PyTorch on these networks.
//! Here features are stored `[z][y][x][channel]` with a border of zeros. A 3 x 3 x 3 convolution with
//! stride 1 multiplies by Winograd's filtering (`winograd`), a quarter of the usual products. Any other
//! is, for each output voxel, nine contiguous runs of `3 * channels` inputs against packed weights
//! (`conv`): a register-blocked matrix product without any copying of the input. Memory is what the
//! features themselves take ([`CpuNetwork::peak_bytes`]); buffers are used again. Work is spread over
//! rayon's pool.

mod buffers;
mod conv;
mod lines;
mod memory;
mod norm;
mod pool;
mod simd;
mod tiles;
mod winograd;

use self::buffers::Pool;
use self::conv::Packed;
use self::lines::Lines;
use self::winograd::Winograd;
use super::network::{Activation, Block, Convolution, EncoderBlock, InstanceNorm, Network, ResidualBlock};
use rayon::prelude::*;
use std::sync::Arc;

/// Features of one resolution, channels last, with a border of zero voxels on every side.
#[derive(Debug)]
struct Feature {
    /// Size without the border, (z, y, x).
    size: [usize; 3],
    /// Border width, (z, y, x): half the network's widest kernel; 0 for the network's output.
    border: [usize; 3],
    /// Channels in use.
    channels: usize,
    /// Distance between voxels in `values`: `channels`, rounded up to [`LANES`] except for the input.
    stride: usize,
    values: Lines,
}

/// Channels are stored in multiples of this, so that every vector width divides it.
const LANES: usize = 16;

impl Feature {
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

/// A convolution in the way that suits it.
enum Way {
    Direct(Packed),
    Winograd(Winograd),
}

impl Way {
    fn new(conv: &Convolution, split: Option<usize>, is_first: bool) -> Self {
        let winograd = if is_first { None } else { Winograd::new(conv, split) };
        winograd.map_or_else(|| Self::Direct(Packed::new(conv, split, is_first)), Self::Winograd)
    }
}

struct PackedBlock {
    conv: Way,
    first: Option<Activation>,
    norm: Option<InstanceNorm>,
    activation: Activation,
}

impl PackedBlock {
    fn new(block: &Block, split: Option<usize>, is_first: bool) -> Self {
        Self {
            conv: Way::new(&block.conv, split, is_first),
            first: block.first,
            norm: block.norm.clone(),
            activation: block.activation,
        }
    }

    fn run(&self, sources: &[&Feature], added: Option<&Feature>, border: [usize; 3], pool: &Pool) -> Feature {
        let (mut feature, mut moments) = match &self.conv {
            Way::Direct(packed) => conv::forward(packed, sources, border, pool),
            Way::Winograd(winograd) => winograd::forward(winograd, sources, border, pool),
        };
        if let Some(first) = self.first {
            moments = norm::activate(&mut feature, first);
        }
        norm::normalise(&mut feature, &moments, self.norm.as_ref(), added, self.activation);
        feature
    }
}

struct PackedResidual {
    inner: Vec<PackedBlock>,
    last: PackedBlock,
    pool: [usize; 3],
    skip: Option<PackedBlock>,
}

impl PackedResidual {
    fn new(block: &ResidualBlock) -> Self {
        let packed = |block: &Block| PackedBlock::new(block, None, false);
        Self {
            inner: block.inner.iter().map(packed).collect(),
            last: packed(&block.last),
            pool: block.pool,
            skip: block.skip.as_ref().map(packed),
        }
    }

    fn run(&self, input: &Feature, border: [usize; 3], pool: &Pool) -> Feature {
        let mut inner: Option<Feature> = None;
        for block in &self.inner {
            let next = block.run(&[inner.as_ref().unwrap_or(input)], None, border, pool);
            if let Some(used) = inner.replace(next) {
                pool.give(used.values);
            }
        }
        let pooled = (self.pool != [1; 3]).then(|| pool::average(input, self.pool, pool));
        let skip = pooled.as_ref().unwrap_or(input);
        let projected = self.skip.as_ref().map(|block| block.run(&[skip], None, border, pool));
        let skip = projected.as_ref().unwrap_or(skip);
        let out = self.last.run(&[inner.as_ref().unwrap_or(input)], Some(skip), border, pool);
        for used in [inner, pooled, projected].into_iter().flatten() {
            pool.give(used.values);
        }
        out
    }
}

enum PackedStep {
    Plain(Box<PackedBlock>),
    Residual(Box<PackedResidual>),
}

impl PackedStep {
    fn run(&self, input: &Feature, border: [usize; 3], pool: &Pool) -> Feature {
        match self {
            Self::Plain(block) => block.run(&[input], None, border, pool),
            Self::Residual(block) => block.run(input, border, pool),
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
    weight_bytes: u64,
    /// Shared by the folds of a model.
    pool: Arc<Pool>,
}

/// Called with a layer's name, size (z, y, x), channels and values in PyTorch's order.
pub type LayerProbe<'a> = &'a mut dyn FnMut(&str, [usize; 3], usize, Vec<f32>);

impl CpuNetwork {
    /// Packs a network's weights for this processor.
    #[must_use]
    pub fn new(network: &Network) -> Self {
        Self::with_pool(network, Arc::default())
    }

    /// Packs another network that uses this one's buffers: both run one after the other, as a model's
    /// folds do, and the features of one shape are there once.
    #[must_use]
    pub fn beside(&self, network: &Network) -> Self {
        Self::with_pool(network, Arc::clone(&self.pool))
    }

    /// Gives up the buffers of features, which the next patch makes anew.
    pub(in crate::ai) fn empty_buffers(&self) {
        self.pool.clear();
    }

    /// Bytes of the parameters as they are packed.
    pub(in crate::ai) fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    /// Outputs of the network.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    fn with_pool(network: &Network, pool: Arc<Pool>) -> Self {
        let step = |block: &EncoderBlock, is_first: bool| match block {
            EncoderBlock::Plain(block) => {
                PackedStep::Plain(Box::new(PackedBlock::new(block, None, is_first)))
            }
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
            weight_bytes: Self::packed_bytes(&network.architecture),
            pool,
        }
    }

    /// What the processor could do at best on all threads, in 10^9 operations a second: a loop of
    /// multiply-adds in registers, measured now.
    #[must_use]
    pub fn peak_gflops() -> f64 {
        simd::peak_gflops()
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
        let (border, pool) = (self.border, &*self.pool);
        let mut current = from_planar(values, size, self.input_channels, border, pool);
        if let Some(stem) = &self.stem {
            let next = stem.run(&[&current], None, border, pool);
            pool.give(std::mem::replace(&mut current, next).values);
            see("encoder.stem".to_owned(), &current);
        }
        let mut skips = Vec::new();
        for (stage, blocks) in self.encoder.iter().enumerate() {
            for (index, block) in blocks.iter().enumerate() {
                let next = block.run(&current, border, pool);
                see(format!("encoder.stages.{stage}.0.convs.{index}"), &next);
                // What this stage consumed: kept if it was the last stage's output, else freed.
                let used = std::mem::replace(&mut current, next);
                if index == 0 && stage > 0 {
                    skips.push(used);
                } else {
                    pool.give(used.values);
                }
            }
            see(format!("encoder.stages.{stage}"), &current);
        }
        for (stage, (up, blocks)) in self.upsample.iter().zip(&self.decoder).enumerate() {
            let upsampled = conv::transposed(up, &current, border, pool);
            see(format!("decoder.transpconvs.{stage}"), &upsampled);
            let Some(skip) = skips.pop() else { break };
            pool.give(std::mem::replace(&mut current, upsampled).values);
            let mut skip = Some(skip);
            for block in blocks {
                let skip = skip.take();
                let sources: Vec<&Feature> = std::iter::once(&current).chain(&skip).collect();
                let next = block.run(&sources, None, border, pool);
                pool.give(std::mem::replace(&mut current, next).values);
                if let Some(skip) = skip {
                    pool.give(skip.values);
                }
            }
            see(format!("decoder.stages.{stage}"), &current);
        }
        let head = conv::forward(&self.head, &[&current], [0; 3], pool).0;
        pool.give(current.values);
        see("logits".to_owned(), &head);
        let mut logits = vec![0.0; size.iter().product::<usize>() * self.classes];
        logits
            .par_chunks_mut(size[2] * self.classes)
            .zip(head.values.par_chunks(size[2] * head.stride))
            .for_each(|(row, voxels)| {
                for (logits, voxel) in
                    row.chunks_exact_mut(self.classes).zip(voxels.chunks_exact(head.stride))
                {
                    logits.copy_from_slice(&voxel[..self.classes]);
                }
            });
        pool.give(head.values);
        logits
    }
}

/// `[channel][z][y][x]` to channels last with a border.
fn from_planar(
    values: &[f32],
    size: [usize; 3],
    channels: usize,
    border: [usize; 3],
    pool: &Pool,
) -> Feature {
    let voxels: usize = size.iter().product();
    assert_eq!(values.len(), voxels * channels, "a patch has channels * z * y * x values");
    let mut feature = pool.feature(size, border, channels, channels);
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
