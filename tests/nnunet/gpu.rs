//! The same on the graphics device: held to nnunetv2, and to the CPU engine where a software driver would
//! take minutes or the fixtures lack something.

use super::{ANISO, BATCHNORM, BOTTLENECK, CASCADE, FIRST, How, Own, PRELU, RES2D, RESPRELU, TORCHRES};
use super::{logits_differ, own_fixture, skip};
use delineo::ai::ModelPackage;
use delineo::ai::cpu::CpuNetwork;
use delineo::ai::engine::gpu_name;
use delineo::device::DeviceChoice;

/// The same on the graphics device, and the label maps that come of it.
fn on_the_gpu(own: &Own, share: usize) {
    if gpu_name().is_none() {
        skip::skipped("no adapter");
        return;
    }
    let (worst, greatest) = logits_differ(own, DeviceChoice::Gpu);
    assert!(worst < 1e-3 && greatest > 1.0, "{}: {worst}", own.name);
    let given = own.folder().join("previous.nii.gz");
    let previous = given.exists().then_some(given.as_path());
    own_fixture(own, share, How { device: DeviceChoice::Gpu, previous, ..How::CPU });
}

#[test]
fn a_2d_residual_network_is_the_same_on_the_gpu() {
    on_the_gpu(&RES2D, 300);
}

#[test]
fn flat_kernels_and_regions_are_the_same_on_the_gpu() {
    on_the_gpu(&ANISO, 300);
}

#[test]
fn a_cascade_s_second_stage_is_the_same_on_the_gpu() {
    if gpu_name().is_some_and(|device| !skip::may_compile(&device)) {
        return;
    }
    on_the_gpu(&CASCADE, 1000);
}

#[test]
fn blocks_of_three_convolutions_with_gelu_are_the_same_on_the_gpu() {
    on_the_gpu(&BOTTLENECK, 300);
}

#[test]
fn slopes_that_are_weights_are_the_same_on_the_gpu() {
    on_the_gpu(&PRELU, 300);
}

#[test]
fn activations_before_normalisations_are_the_same_on_the_gpu() {
    on_the_gpu(&FIRST, 300);
}

#[test]
fn slopes_of_residual_blocks_are_the_same_on_the_gpu() {
    on_the_gpu(&RESPRELU, 300);
}

#[test]
fn thick_slices_are_the_same_on_the_gpu() {
    on_the_gpu(&TORCHRES, 1000);
}

/// Both engines agree on what the trained fixtures lack: residual blocks, 2D, wide and flat kernels,
/// running statistics.
#[test]
fn residual_and_flat_networks_are_the_same_on_both_engines() {
    use delineo::ai::gpu::BurnNetwork;
    use delineo::ai::network::{Activation, Architecture, EncoderKind, Network};
    let residual = Architecture {
        kind: EncoderKind::Residual,
        input_channels: 3,
        stem: 5,
        features: vec![6, 10, 10],
        strides: vec![[1; 3], [1, 2, 2], [2, 2, 2]],
        kernels: vec![[1, 5, 7], [3, 3, 3], [3, 1, 3]],
        encoder_depths: vec![1, 2, 1],
        decoder_convs: vec![1, 2],
        bottleneck: Vec::new(),
        activation: Some(Activation::LEAKY),
        activation_first: false,
        epsilon: 1e-5,
        classes: 3,
        conv_bias: false,
    };
    let kernels = vec![[1, 3, 3], [1, 5, 5]];
    let flat = Architecture::plain(2, vec![4, 8], vec![[1; 3], [1, 2, 2]], kernels, 2, 1);
    let running = ModelPackage::load(&BATCHNORM.training()).unwrap().network().unwrap();
    let random = |architecture| Network::random(architecture, 5).unwrap();
    for (network, size) in [(random(residual), [4, 12, 8]), (random(flat), [1, 16, 10]), (running, [4, 8, 8])]
    {
        let count = size.iter().product::<usize>() * network.architecture.input_channels;
        #[allow(clippy::cast_precision_loss, reason = "small")]
        let input: Vec<f32> = (0..count).map(|n| (n * 7 % 23) as f32 / 11.0 - 1.0).collect();
        let ours = CpuNetwork::new(&network).forward(&input, size);
        let device = burn::tensor::Device::flex();
        let other = BurnNetwork::new(&network, &device).forward(&input, size).unwrap();
        let worst = ours.iter().zip(&other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("engines differ by at most {worst:.2e}");
        assert!(worst < 1e-4 && ours.iter().any(|logit| logit.abs() > 0.01), "{worst}");
    }
}
