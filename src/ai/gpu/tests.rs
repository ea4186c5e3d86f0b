//! Whole networks on a graphics device against the CPU engine, every way, at once and in pieces.

use super::{BurnNetwork, Pace, Way};
use crate::ai::cpu::CpuNetwork;
use crate::ai::graphics::with_gpu_device;
use crate::ai::network::{Activation, Architecture, EncoderKind, NORM_EPSILON, Network};

fn agree(architecture: Architecture, size: [usize; 3]) {
    let count = size.iter().product::<usize>() * architecture.input_channels;
    let network = Network::random(architecture, 5).unwrap();
    let input: Vec<f32> = (0..count).map(|n| (n * 7 % 23) as f32 / 11.0 - 1.0).collect();
    let expected = CpuNetwork::new(&network).forward(&input, size);
    assert!(expected.iter().any(|logit| logit.abs() > 0.01));
    let ran = with_gpu_device(|device| {
        let ours = BurnNetwork::new(&network, device);
        assert!(ours.ways().starts_with(&format!("convolutions {} tiled;", ours.convs().count())));
        for (way, in_pieces) in [(Way::Tiled, false), (Way::TiledWide, true)] {
            ours.set_way(way);
            let mut pace = Pace::at_once(device);
            if in_pieces {
                // More than there are planes.
                pace = pace.with_piece_macs(1);
            }
            let logits = ours.forward_probed(&input, size, &mut pace, None).unwrap();
            let worst = logits.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-4, "{way:?}, in pieces {in_pieces}: {worst:.1e}");
        }
    });
    if ran.is_none() {
        eprintln!("skipped: no adapter");
    }
}

#[test]
fn a_plain_network_is_the_same_on_a_graphics_device() {
    let strides = vec![[1; 3], [2, 2, 2], [1, 2, 2]];
    let kernels = vec![[1, 3, 3], [3; 3], [3; 3]];
    agree(Architecture::plain(1, vec![8, 20, 36], strides, kernels, 2, 3), [6, 12, 16]);
}

/// Residual blocks of odd channels, wide and flat kernels.
pub(super) fn residual() -> Architecture {
    Architecture {
        kind: EncoderKind::Residual,
        input_channels: 3,
        stem: 5,
        features: vec![6, 10, 12],
        strides: vec![[1; 3], [1, 2, 2], [2, 2, 2]],
        kernels: vec![[1, 5, 7], [3, 3, 3], [3, 1, 3]],
        encoder_depths: vec![1, 2, 1],
        decoder_convs: vec![1, 2],
        bottleneck: Vec::new(),
        activation: Some(Activation::LEAKY),
        activation_first: false,
        epsilon: NORM_EPSILON,
        classes: 3,
        conv_bias: false,
    }
}

#[test]
fn a_residual_network_is_the_same_on_a_graphics_device() {
    agree(residual(), [4, 12, 8]);
}

/// Residual blocks of three convolutions, with an activation of burn's operations.
pub(super) fn narrow() -> Architecture {
    Architecture { bottleneck: vec![3, 4, 8], activation: Some(Activation::Gelu), ..residual() }
}

#[test]
fn blocks_of_three_convolutions_are_the_same_on_a_graphics_device() {
    agree(narrow(), [4, 12, 8]);
}

/// Activations before the normalisations, whose epsilon counts.
fn first() -> Architecture {
    let kernels = vec![[3; 3], [1, 3, 3]];
    let plain = Architecture::plain(1, vec![5, 8], vec![[1; 3], [2, 2, 2]], kernels, 2, 3);
    Architecture { activation_first: true, activation: Some(Activation::Leaky(0.2)), epsilon: 0.05, ..plain }
}

#[test]
fn activations_before_normalisations_are_the_same_on_a_graphics_device() {
    agree(first(), [4, 8, 10]);
}

fn flat() -> Architecture {
    let kernels = vec![[1, 3, 3], [1, 5, 3]];
    Architecture::plain(2, vec![4, 8], vec![[1; 3], [1, 2, 2]], kernels, 2, 3)
}

/// One plane: the pieces are lines of it.
#[test]
fn a_flat_network_is_the_same_on_a_graphics_device() {
    agree(flat(), [1, 16, 10]);
}

/// Cut into planes or lines, as burn's operations compute them.
#[test]
fn pieces_of_burn_s_operations_are_the_whole() {
    let deep = Architecture::plain(1, vec![4, 6], vec![[1; 3], [2; 3]], vec![[3; 3]; 2], 2, 3);
    let device = burn::tensor::Device::flex();
    for (architecture, size) in [(flat(), [1, 16, 10]), (deep, [4, 6, 8]), (first(), [4, 6, 8])] {
        let count = size.iter().product::<usize>() * architecture.input_channels;
        let network = Network::random(architecture, 5).unwrap();
        let input: Vec<f32> = (0..count).map(|n| (n * 7 % 23) as f32 / 11.0 - 1.0).collect();
        let expected = CpuNetwork::new(&network).forward(&input, size);
        let ours = BurnNetwork::new(&network, &device);
        for way in [Way::Direct, Way::Columns] {
            ours.set_way(way);
            let mut pace = Pace::at_once(&device).with_piece_macs(1);
            let logits = ours.forward_probed(&input, size, &mut pace, None).unwrap();
            let worst = logits.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-4, "{way:?} on {size:?}: {worst:.1e}");
        }
    }
}
