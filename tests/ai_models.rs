//! The networks against PyTorch, on the CPU engine, on burn's CPU backend and on the GPU path.

#[path = "shared/skip.rs"]
mod skip;

use delineo::ai::ModelPackage;
use delineo::ai::cpu::CpuNetwork;
use delineo::ai::gpu::{BurnNetwork, Pace, Way};
use delineo::ai::network::{Network, Parameter};
use delineo::ai::package::read_safetensors;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The fixture: the input of a small patch and what PyTorch made of it, layer by layer (the first
/// channels of each).
fn fixture() -> BTreeMap<String, Parameter> {
    let bytes = std::fs::read(root().join("tests/fixtures/head_neck_parity.safetensors")).unwrap();
    read_safetensors(&bytes).unwrap()
}

fn head_neck() -> Network {
    ModelPackage::load(&root().join("models/head-neck")).unwrap().network().unwrap()
}

/// The greatest difference to the fixture, over the layers that it holds; how many there were.
struct Comparison {
    expected: BTreeMap<String, Parameter>,
    worst: f32,
    layers: usize,
}

impl Comparison {
    fn new() -> Self {
        Self { expected: fixture(), worst: 0.0, layers: 0 }
    }

    fn input(&self) -> (Vec<f32>, [usize; 3]) {
        let input = &self.expected["input"];
        (input.values.clone(), [input.shape[2], input.shape[3], input.shape[4]])
    }

    fn see(&mut self, name: &str, values: &[f32]) {
        let Some(expected) = self.expected.get(name) else { return };
        assert!(values.len() >= expected.values.len(), "{name} is too short");
        self.layers += 1;
        for (value, expected) in values.iter().zip(&expected.values) {
            assert!(value.is_finite(), "{name} is not finite");
            self.worst = self.worst.max((value - expected).abs());
        }
        assert!(self.worst < 1e-3, "{name} is off by {}", self.worst);
    }
}

fn planar(logits: &[f32], classes: usize) -> Vec<f32> {
    (0..classes).flat_map(|class| logits.iter().skip(class).step_by(classes).copied()).collect()
}

#[test]
fn every_layer_of_the_cpu_engine_is_pytorch_s() {
    let mut comparison = Comparison::new();
    let (input, size) = comparison.input();
    let network = CpuNetwork::new(&head_neck());
    let _ = network.forward_probed(
        &input,
        size,
        Some(&mut |name: &str, _, _, values| comparison.see(name, &values)),
    );
    assert!(comparison.layers >= 13, "{} layers compared", comparison.layers);
    assert!(comparison.worst < 1e-4, "off by {}", comparison.worst);
}

fn burn_agrees(device: &burn::tensor::Device, way: Way, mut pace: Pace) {
    let mut comparison = Comparison::new();
    let (input, size) = comparison.input();
    let network = head_neck();
    let classes = network.architecture.classes;
    let network = BurnNetwork::new(&network, device);
    network.set_way(way);
    let mut see = |name: &str, values: &[f32]| comparison.see(name, values);
    let logits = network.forward_probed(&input, size, &mut pace, Some(&mut see)).unwrap();
    comparison.see("logits", &planar(&logits, classes));
    assert!(comparison.layers >= 13, "{} layers compared", comparison.layers);
    eprintln!("greatest difference {}", comparison.worst);
}

#[test]
fn every_layer_in_burn_on_the_cpu_is_pytorch_s() {
    let device = burn::tensor::Device::flex();
    burn_agrees(&device, Way::Direct, Pace::at_once(&device));
    // Every layer in as many pieces as it has planes.
    burn_agrees(&device, Way::Columns, Pace::at_once(&device).with_piece_macs(1));
}

/// One test: burn opens a graphics device once a process, and the second half destroys it.
#[test]
fn every_layer_on_the_gpu_is_pytorch_s_and_its_loss_is_survived() {
    use delineo::ai::engine::{Engine, destroy_device, gpu_name, with_gpu_device};
    use delineo::device::DeviceChoice;
    let Some((name, _)) = gpu_name() else {
        skip::skipped("no adapter");
        return;
    };
    eprintln!("{name}");
    with_gpu_device(|device| {
        burn_agrees(device, Way::Direct, Pace::at_once(device));
        burn_agrees(device, Way::Tiled, Pace::at_once(device));
        // Every layer in as many pieces as it has planes.
        burn_agrees(device, Way::TiledWide, Pace::at_once(device).with_piece_macs(1));
    })
    .unwrap();

    let comparison = Comparison::new();
    let (input, size) = comparison.input();
    let expected = CpuNetwork::new(&head_neck()).forward(&input, size);
    let mut engine = Engine::new(head_neck(), DeviceChoice::Gpu).unwrap();
    let close = |logits: &[f32]| logits.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-3);
    assert!(close(&engine.forward(&input, size).unwrap()));
    assert!(engine.take_warnings().is_empty());
    destroy_device();
    let after = engine.forward(&input, size).unwrap();
    assert!(close(&after), "the patch is computed on the CPU instead");
    assert!(engine.take_warnings()[0].contains("computed on the CPU"));
    assert!(engine.device().starts_with("CPU"));
}
