//! What a network takes of a graphics device, reckoned from its shape.
//!
//! It has not been held against a measured peak: a driver's and an allocator's own share is beyond it.

use super::conv::COLUMN_BYTES;
use super::kernels::Convolve;
use crate::ai::network::{Architecture, ConvShape, EncoderKind};

/// Tensors of a layer's output that are there while its ways are measured: what is expected, what a way
/// makes, the difference, and its magnitudes.
const MEASURING: usize = 4;

/// Tensors of a layer's output that are there while it runs: the pieces, and these put together.
const RUNNING: usize = 2;

/// What a network's folds take at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ai) struct NetworkBytes {
    /// The weights of one fold.
    pub weights: u64,
    /// Features and logits of a patch; folds and mirror images run one after the other.
    pub features: u64,
    /// The greatest buffer among them, without logits, which come in pieces.
    pub largest: u64,
}

impl NetworkBytes {
    /// Of networks of one shape, for a patch (z, y, x).
    pub(in crate::ai) fn of(architecture: &Architecture, patch: [usize; 3]) -> Self {
        let mut walk = Walk { weights: 0, most: 0, largest: 0, held: 0 };
        let a = architecture;
        let volume = |size: [usize; 3]| size.iter().product::<usize>();
        let all = volume(patch);
        let (mut size, mut channels) = (patch, a.input_channels);
        // The input stays for the next mirror image, turned or not.
        walk.held = 2 * all * channels;
        walk.largest = all * channels;
        if a.kind == EncoderKind::Residual {
            walk.layer([volume(a.kernels[0]) * channels, a.stem], all * channels, all * a.stem, 0);
            channels = a.stem;
        }
        let mut skips = Vec::new();
        for stage in 0..a.features.len() {
            let output = a.features[stage];
            for block in 0..a.encoder_depths[stage] {
                let before = volume(size) * channels;
                let convs = a.convs(stage, block, channels);
                let along = |size: [usize; 3], conv: &ConvShape| {
                    std::array::from_fn(|axis| size[axis].div_ceil(conv.stride[axis]))
                };
                let smaller = convs.iter().fold(size, along);
                let after = volume(smaller) * output;
                // Pooled and projected first, a residual block's skip stays beside all convolutions.
                if a.is_projected(stage, channels) {
                    walk.layer([channels, output], volume(smaller) * channels, after, before);
                }
                let skip = if a.kind == EncoderKind::Residual { after } else { 0 };
                let mut reads = before;
                for (index, conv) in convs.iter().enumerate() {
                    size = along(size, conv);
                    let makes = volume(size) * conv.output;
                    let beside = skip + if index == 0 { 0 } else { before };
                    walk.layer([volume(conv.kernel) * conv.input, conv.output], reads, makes, beside);
                    reads = makes;
                }
                channels = output;
            }
            if stage + 1 < a.features.len() {
                walk.held += volume(size) * output;
                skips.push((size, volume(size) * output));
            }
        }
        for (index, stage) in (0..a.features.len() - 1).rev().enumerate() {
            let output = a.features[stage];
            let before = volume(size) * channels;
            let Some((own, skip)) = skips.pop() else { break };
            size = own;
            let after = volume(size) * output;
            walk.layer([channels, volume(a.strides[stage + 1]) * output], before, after, 0);
            for conv in 0..a.decoder_convs[index] {
                let terms = volume(a.kernels[stage]) * output;
                // What was upsampled stays until the last.
                walk.layer([terms, output], after, after, after);
                if conv == 0 {
                    // The skip's half, added to the other's.
                    walk.layer([terms, output], after, after, after);
                    walk.held -= skip;
                }
            }
            channels = output;
        }
        // All features at hand, the logits of the images before, and those of this one in pieces.
        walk.most = walk.most.max(walk.held + all * (a.features[0] + 2 * a.classes));
        let bytes = |values: usize| (values * size_of::<f32>()) as u64;
        Self {
            weights: bytes(walk.weights),
            features: bytes(walk.most) + COLUMN_BYTES as u64,
            largest: bytes(walk.largest),
        }
    }
}

/// Values that are there at the same time, layer by layer.
struct Walk {
    weights: usize,
    most: usize,
    largest: usize,
    /// The input and the skips so far.
    held: usize,
}

impl Walk {
    /// A layer with a matrix of so many terms and outputs, what it reads and makes, and what else is there.
    fn layer(&mut self, [terms, output]: [usize; 2], reads: usize, makes: usize, beside: usize) {
        self.weights += Convolve::matrix(terms, output).iter().product::<usize>();
        self.largest = self.largest.max(makes);
        let measured = reads + MEASURING * makes;
        let runs = self.held + reads + RUNNING * makes + beside;
        self.most = self.most.max(measured).max(runs);
    }
}

#[cfg(test)]
mod tests {
    use super::super::BurnNetwork;
    use super::super::tests::residual;
    use super::*;
    use crate::ai::network::Network;

    #[test]
    fn weights_are_counted_as_they_lie_there() {
        let strides = vec![[1; 3], [2, 2, 2], [1, 2, 2]];
        let kernels = vec![[1, 3, 3], [3; 3], [3; 3]];
        let plain = Architecture::plain(1, vec![8, 20, 36], strides, kernels, 2, 3);
        for architecture in [plain, residual(), super::super::tests::narrow()] {
            let reckoned = NetworkBytes::of(&architecture, [4, 16, 16]).weights;
            let network = Network::random(architecture, 5).unwrap();
            let network = BurnNetwork::new(&network, &burn::tensor::Device::flex());
            // In the layout of our own kernel, the larger one.
            network.convs().for_each(|conv| drop(conv.weights().tiles()));
            network.upsample.iter().for_each(|up| drop(up.weights.tiles()));
            assert_eq!(reckoned, network.weight_bytes());
        }
    }

    /// One stage down, by hand: the decoder's second half of its first convolution has most.
    #[test]
    fn features_are_those_that_are_there_at_once() {
        let strides = vec![[1; 3], [2; 3]];
        let network = Architecture::plain(1, vec![32, 64], strides, vec![[3; 3]; 2], 2, 2);
        let voxels = 64 * 64 * 64;
        let found = NetworkBytes::of(&network, [64; 3]);
        assert_eq!(found.largest, 4 * 32 * voxels);
        // Measured: an input and four outputs. Run: input, skip, upsampled and skip again, two outputs.
        let (measured, runs) = ((32 + 4 * 32) * voxels, (2 + 32 + 2 * 32 + 2 * 32) * voxels);
        assert_eq!(found.features, 4 * measured.max(runs) + (128 << 20));
        let deeper = NetworkBytes::of(&network, [128, 64, 64]);
        assert_eq!(deeper.features - (128 << 20), 2 * (found.features - (128 << 20)));
    }
}
