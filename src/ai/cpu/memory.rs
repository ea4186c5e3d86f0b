//! The memory that a network takes on the CPU, known before it runs.
//!
//! The walk is that of [`super::CpuNetwork::forward`], with sizes in place of features.

use super::conv::BLOCK;
use super::winograd::Winograd;
use super::{CpuNetwork, LANES};
use crate::ai::network::{Architecture, EncoderKind};

/// Buffers by their number of values, handed out as [`super::buffers::Pool`] does.
#[derive(Default)]
struct Buffers {
    free: Vec<usize>,
    values: usize,
}

impl Buffers {
    fn take(&mut self, len: usize) -> usize {
        let fits = |capacity: usize| capacity >= len && capacity / 2 <= len;
        let best = (0..self.free.len()).filter(|n| fits(self.free[*n])).min_by_key(|n| self.free[*n]);
        best.map_or_else(
            || {
                self.values += len;
                len
            },
            |index| self.free.swap_remove(index),
        )
    }

    fn give(&mut self, buffer: usize) {
        self.free.push(buffer);
    }
}

impl CpuNetwork {
    /// Bytes that so many networks of this shape, a model's folds, take at most: the parameters of each
    /// as they are packed; and once, as they run one after the other, the features and working space of a
    /// patch (z, y, x), and its values and logits. Before they run each is read in turn, which takes its
    /// parameters twice.
    #[must_use]
    pub fn peak_bytes(architecture: &Architecture, patch: [usize; 3], threads: usize, folds: usize) -> usize {
        let Weights { plain, packed, scratch } = weights(architecture);
        let voxels: usize = patch.iter().product();
        let ends = voxels * (architecture.input_channels + architecture.classes);
        let running = features(architecture, patch) + ends + scratch * threads;
        (packed * folds + running.max(2 * plain)) * size_of::<f32>()
    }
}

impl CpuNetwork {
    /// Bytes of a network's parameters as they are packed.
    pub(super) fn packed_bytes(architecture: &Architecture) -> u64 {
        (weights(architecture).packed * size_of::<f32>()) as u64
    }
}

fn padded(channels: usize) -> usize {
    channels.next_multiple_of(LANES)
}

/// Values of all parameters, as they are read and as they are packed, and of the working space of a thread.
struct Weights {
    plain: usize,
    packed: usize,
    scratch: usize,
}

fn weights(architecture: &Architecture) -> Weights {
    let (mut plain, mut total, mut scratch) = (0, 0, 0);
    let mut add = |kernel: [usize; 3], stride: [usize; 3], parts: &[usize], output: usize| {
        let taps: usize = kernel.iter().product();
        let inputs: usize = parts.iter().map(|channels| padded(*channels)).sum();
        let packed = Winograd::values(kernel, stride, inputs, output);
        if let Some(values) = packed {
            let positions = values / (inputs * padded(output));
            scratch = scratch.max(positions * (4 * BLOCK * (inputs + padded(output)) + 2 * LANES));
        }
        plain += taps * parts.iter().sum::<usize>() * output;
        total += packed.unwrap_or(taps * inputs * padded(output));
    };
    let stages = architecture.features.len();
    let mut channels = architecture.input_channels;
    if architecture.kind == EncoderKind::Residual {
        add(architecture.kernels[0], [1; 3], &[channels], architecture.stem);
        channels = architecture.stem;
    }
    for stage in 0..stages {
        for block in 0..architecture.encoder_depths[stage] {
            for conv in architecture.convs(stage, block, channels) {
                add(conv.kernel, conv.stride, &[conv.input], conv.output);
            }
            if architecture.is_projected(stage, channels) {
                add([1; 3], [1; 3], &[channels], architecture.features[stage]);
            }
            channels = architecture.features[stage];
        }
    }
    for (index, stage) in (0..stages - 1).rev().enumerate() {
        let output = architecture.features[stage];
        let stride = architecture.strides[stage + 1];
        add(stride, stride, &[architecture.features[stage + 1]], output);
        for conv in 0..architecture.decoder_convs[index] {
            let parts: &[usize] = if conv == 0 { &[output, output] } else { &[output] };
            add(architecture.kernels[stage], [1; 3], parts, output);
        }
    }
    add([1; 3], [1; 3], &[architecture.features[0]], architecture.classes);
    // Smaller layers leave buffers of half the size, and half of that, beside the greatest.
    Weights { plain, packed: total, scratch: 2 * scratch }
}

/// Values of the features of a forward pass.
fn features(architecture: &Architecture, patch: [usize; 3]) -> usize {
    let border = architecture.reach();
    let stored = |size: [usize; 3], stride: usize| {
        (0..3).map(|axis| size[axis] + 2 * border[axis]).product::<usize>() * stride
    };
    let mut buffers = Buffers::default();
    let mut size = patch;
    let mut current = buffers.take(stored(size, architecture.input_channels));
    if architecture.kind == EncoderKind::Residual {
        let next = buffers.take(stored(size, padded(architecture.stem)));
        buffers.give(std::mem::replace(&mut current, next));
    }
    let (mut skips, mut sizes) = (Vec::new(), Vec::new());
    let mut channels = architecture.stem;
    for (stage, output) in architecture.features.iter().enumerate() {
        let stride = architecture.strides[stage];
        for block in 0..architecture.encoder_depths[stage] {
            let pooled = block == 0 && stride != [1; 3];
            let before = size;
            let mut inner = None;
            let convs = architecture.convs(stage, block, channels);
            for (index, conv) in convs.iter().enumerate() {
                size = [0, 1, 2].map(|axis| size[axis].div_ceil(conv.stride[axis]));
                if index + 1 < convs.len() {
                    let next = buffers.take(stored(size, padded(conv.output)));
                    inner.replace(next).into_iter().for_each(|buffer| buffers.give(buffer));
                }
            }
            let next = if architecture.kind == EncoderKind::Residual {
                let smaller = [0, 1, 2].map(|axis| before[axis] / stride[axis]);
                let pool = pooled.then(|| buffers.take(stored(smaller, padded(channels))));
                let skip = architecture.is_projected(stage, channels);
                let skip = skip.then(|| buffers.take(stored(size, padded(*output))));
                let next = buffers.take(stored(size, padded(*output)));
                [inner, pool, skip].into_iter().flatten().for_each(|buffer| buffers.give(buffer));
                next
            } else {
                buffers.take(stored(size, padded(*output)))
            };
            channels = *output;
            let used = std::mem::replace(&mut current, next);
            if block == 0 && stage > 0 {
                skips.push(used);
            } else {
                buffers.give(used);
            }
        }
        sizes.push(size);
    }
    for (index, stage) in (0..architecture.features.len() - 1).rev().enumerate() {
        let stride = padded(architecture.features[stage]);
        let upsampled = buffers.take(stored(sizes[stage], stride));
        buffers.give(std::mem::replace(&mut current, upsampled));
        for conv in 0..architecture.decoder_convs[index] {
            let next = buffers.take(stored(sizes[stage], stride));
            buffers.give(std::mem::replace(&mut current, next));
            if let Some(skip) = (conv == 0).then(|| skips.pop()).flatten() {
                buffers.give(skip);
            }
        }
    }
    let _ = buffers.take(patch.iter().product::<usize>() * padded(architecture.classes));
    buffers.values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ai::network::Network;

    /// The buffers that a patch really took, working space of one thread included.
    fn measured(architecture: &Architecture, patch: [usize; 3]) -> usize {
        let network = CpuNetwork::new(&Network::random(architecture.clone(), 3).unwrap());
        let input = vec![0.5; architecture.input_channels * patch.iter().product::<usize>()];
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let logits = one.install(|| network.forward(&input, patch));
        assert_eq!(one.install(|| network.forward(&input, patch)), logits, "buffers used again");
        network.pool.values()
    }

    #[test]
    fn folds_share_their_buffers_and_take_no_more_than_their_weights_each() {
        let strides = vec![[1; 3], [2; 3], [2; 3]];
        let architecture = Architecture::plain(1, vec![8, 16, 24], strides, vec![[3; 3]; 3], 2, 5);
        let patch = [16; 3];
        let network = |seed: u64| Network::random(architecture.clone(), seed).unwrap();
        let input: Vec<f32> = (0..4096_u16).map(|n| f32::from(n % 101) / 50.0 - 1.0).collect();
        let first = CpuNetwork::new(&network(1));
        let alone = first.forward(&input, patch);
        let values = first.pool.values();
        let folds = [first.beside(&network(2)), first.beside(&network(3))];
        for (seed, fold) in (2..).zip(&folds) {
            assert_eq!(fold.forward(&input, patch), CpuNetwork::new(&network(seed)).forward(&input, patch));
        }
        assert_eq!(first.forward(&input, patch), alone);
        // Working space of threads may come later; the features are there already.
        let scratch = weights(&architecture).scratch * rayon::current_num_threads();
        assert!(first.pool.values() <= values + scratch, "{} after {values}", first.pool.values());
        let bytes = |folds: usize| CpuNetwork::peak_bytes(&architecture, patch, 2, folds);
        assert_eq!(bytes(5) - bytes(1), 4 * weights(&architecture).packed * size_of::<f32>());
    }

    #[test]
    fn the_estimate_holds_what_a_patch_takes_and_little_more() {
        let strides = vec![[1; 3], [2; 3], [2; 3], [2; 3]];
        let plain = Architecture::plain(1, vec![32, 64, 96, 96], strides, vec![[3; 3]; 4], 2, 25);
        let residual = Architecture {
            kind: EncoderKind::Residual,
            stem: 16,
            encoder_depths: vec![1, 2, 2, 1],
            decoder_convs: vec![1, 1, 1],
            ..plain.clone()
        };
        let narrow = Architecture { bottleneck: vec![8, 16, 24, 24], ..residual.clone() };
        for architecture in [plain, residual, narrow] {
            let patch = [32, 40, 48];
            let scratch = weights(&architecture).scratch;
            let estimate = features(&architecture, patch) + scratch;
            let measured = measured(&architecture, patch);
            assert!(measured <= estimate, "{measured} of {estimate}");
            assert!(estimate <= measured + measured / 2, "{estimate} for {measured}");
        }
    }
}
