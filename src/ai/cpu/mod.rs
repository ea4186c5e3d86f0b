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
mod simd;

use self::conv::Packed;
use super::network::{Block, Network};

/// Features of one resolution, channels last, with a border of zero voxels on every side.
#[derive(Debug, Clone)]
struct Feature {
    /// Size without the border, (z, y, x).
    size: [usize; 3],
    /// Border width: 1, or 0 for the network's output.
    border: usize,
    /// Channels in use.
    channels: usize,
    /// Distance between voxels in `values`: `channels`, rounded up to [`LANES`] except for the input.
    stride: usize,
    values: Vec<f32>,
}

/// Channels are stored in multiples of this, so that every vector width divides it.
const LANES: usize = 16;

impl Feature {
    fn zeros(size: [usize; 3], border: usize, channels: usize, stride: usize) -> Self {
        let voxels: usize = size.iter().map(|n| n + 2 * border).product();
        Self { size, border, channels, stride, values: vec![0.0; voxels * stride] }
    }

    /// Voxels of a row with its border.
    fn row_voxels(&self) -> usize {
        self.size[2] + 2 * self.border
    }

    /// Rows of a plane with their border.
    fn plane_rows(&self) -> usize {
        self.size[1] + 2 * self.border
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

/// A network ready to run on the CPU.
pub struct CpuNetwork {
    encoder: Vec<Vec<PackedBlock>>,
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
        let block = |block: &Block, split: Option<usize>, is_first: bool| PackedBlock {
            conv: Packed::new(&block.conv, split, is_first),
            scale: block.scale.clone(),
            shift: block.shift.clone(),
        };
        Self {
            encoder: network
                .encoder
                .iter()
                .enumerate()
                .map(|(stage, blocks)| {
                    let is_first = |i: usize| stage == 0 && i == 0;
                    blocks.iter().enumerate().map(|(i, b)| block(b, None, is_first(i))).collect()
                })
                .collect(),
            upsample: network.upsample.iter().map(Packed::new_transposed).collect(),
            decoder: network
                .decoder
                .iter()
                .map(|blocks| {
                    // The first convolution of a stage reads (upsampled, skip), halves of its input.
                    blocks
                        .iter()
                        .enumerate()
                        .map(|(i, b)| block(b, (i == 0).then_some(b.conv.input / 2), false))
                        .collect()
                })
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
        let mut current = from_planar(values, size, self.input_channels);
        let mut skips = Vec::new();
        for (stage, blocks) in self.encoder.iter().enumerate() {
            for (index, block) in blocks.iter().enumerate() {
                let next = run_block(block, &[&current]);
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
            let upsampled = conv::transposed(up, &current);
            see(format!("decoder.transpconvs.{stage}"), &upsampled);
            let Some(skip) = skips.pop() else { break };
            current = upsampled;
            for (index, block) in blocks.iter().enumerate() {
                let sources: &[&Feature] = if index == 0 { &[&current, &skip] } else { &[&current] };
                let next = run_block(block, sources);
                current = next;
            }
            see(format!("decoder.stages.{stage}"), &current);
        }
        let head = conv::forward(&self.head, &[&current], 0).0;
        see("logits".to_owned(), &head);
        head.values.chunks_exact(head.stride).flat_map(|voxel| &voxel[..self.classes]).copied().collect()
    }
}

fn run_block(block: &PackedBlock, sources: &[&Feature]) -> Feature {
    let (mut feature, moments) = conv::forward(&block.conv, sources, 1);
    norm::normalise_and_activate(&mut feature, &moments, &block.scale, &block.shift);
    feature
}

/// `[channel][z][y][x]` to channels last with a border.
fn from_planar(values: &[f32], size: [usize; 3], channels: usize) -> Feature {
    let voxels: usize = size.iter().product();
    assert_eq!(values.len(), voxels * channels, "a patch has channels * z * y * x values");
    let mut feature = Feature::zeros(size, 1, channels, channels);
    for channel in 0..channels {
        for z in 0..size[0] {
            for y in 0..size[1] {
                let from = (channel * size[0] + z) * size[1] + y;
                let row = &values[from * size[2]..][..size[2]];
                let to = feature.voxel([z + 1, y + 1, 1]) * channels + channel;
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
                let from = feature.voxel([z + border, y + border, border]) * feature.stride + channel;
                values.extend((0..size[2]).map(|x| feature.values[from + x * feature.stride]));
            }
        }
    }
    values
}
