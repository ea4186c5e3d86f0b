//! `delineo bench ai`: seconds per patch of the networks, beside PyTorch and onnxruntime on the same
//! cores.
//!
//! Operations are counted as the direct convolutions have them, two a multiply-add. The processor's
//! peak is measured in the same run by a loop of multiply-adds in registers on the same threads; the
//! CPU engine multiplies less often than the direct way does, and may exceed it. On a graphics device
//! the note tells how many layers were found fastest which way.

use super::{BenchRow, median_seconds, python_number, python_with};
use crate::ai::ModelPackage;
use crate::ai::cpu::CpuNetwork;
use crate::ai::engine::{Engine, gpu_name};
use crate::ai::network::{Architecture, Network};
use crate::ai::package::Source;
use crate::device::DeviceChoice;
use crate::progress::Progress;

/// Set: a software driver counts as a graphics device.
const SOFTWARE: &str = "DELINEO_BENCH_SOFTWARE_GPU";

/// The same network in PyTorch, and from there in onnxruntime: random weights, the median of three
/// rounds after one to warm up.
const PEER: &str = include_str!("pytorch_unet.py");

/// Measures the shipped networks, and one of the size of `TotalSegmentator`'s.
///
/// # Errors
/// When a network cannot be built.
pub fn run() -> anyhow::Result<Vec<BenchRow>> {
    let python = python_with("torch");
    let has_onnxruntime = python.is_some() && python_with("torch, onnx, onnxruntime") == python;
    let mut rows = Vec::new();
    let gpu = gpu_name().filter(|(_, software)| !software || std::env::var_os(SOFTWARE).is_some());
    let (packages, _) = ModelPackage::list();
    let mut networks: Vec<(String, Architecture, [usize; 3])> = packages
        .into_iter()
        .filter(|package| package.source == Source::Shipped)
        .map(|package| (package.id, package.architecture, package.patch))
        .collect();
    let mut strides = vec![[2; 3]; 6];
    strides[0] = [1; 3];
    let features = vec![32, 64, 128, 256, 320, 320];
    let large = Architecture::plain(1, features, strides, vec![[3; 3]; 6], 2, 25);
    networks.push(("6 stages, 32..320 features".to_owned(), large, [128; 3]));
    for (name, architecture, patch) in networks {
        #[expect(clippy::cast_precision_loss, reason = "a count of operations for show")]
        let gflop = 2.0 * architecture.macs(patch) as f64 / 1e9;
        let shape = architecture.clone();
        let memory = CpuNetwork::peak_bytes(&shape, patch, rayon::current_num_threads(), 1);
        let network = CpuNetwork::new(&Network::random(shape.clone(), 1)?);
        #[expect(clippy::cast_precision_loss, reason = "small whole numbers")]
        let input: Vec<f32> =
            (0..patch.iter().product::<usize>()).map(|n| (n % 1009) as f32 / 504.5 - 1.0).collect();
        let peak = CpuNetwork::peak_gflops();
        // Once before, so that its buffers are there, as for all patches but a study's first.
        drop(network.forward(&input, patch));
        let ours = median_seconds(3, || drop(std::hint::black_box(network.forward(&input, patch))));
        let peer_seconds = |module: &str| {
            let arguments = [
                format!("{:?}", architecture.features),
                format!("{:?}", architecture.strides),
                format!("{:?}", architecture.kernels),
                architecture.classes.to_string(),
                format!("{patch:?}"),
                rayon::current_num_threads().to_string(),
                module.to_owned(),
            ];
            python.as_ref().and_then(|python| python_number(python, PEER, &arguments))
        };
        let mut row = BenchRow {
            name: format!("one {}x{}x{} patch, {name}, CPU", patch[0], patch[1], patch[2]),
            unit: "s",
            ours,
            peer: peer_seconds("torch"),
            peer_name: if python.is_some() { "PyTorch".to_owned() } else { String::new() },
            note: format!(
                "{:.1} GFLOP/s, {gflop:.0} GFLOP, {:.0} % of {peak:.0} GFLOP/s, {:.0} MB",
                gflop / ours,
                100.0 * gflop / ours / peak,
                memory as f64 / 1e6
            ),
        };
        rows.push(row.clone());
        if has_onnxruntime {
            row.peer = peer_seconds("onnxruntime");
            "onnxruntime".clone_into(&mut row.peer_name);
            row.note.clear();
            rows.push(row);
        }
        let Some((device, _)) = &gpu else { continue };
        drop(network);
        let mut engine = Engine::new(Network::random(shape, 1)?, DeviceChoice::Gpu)?;
        engine.prepare(patch, &Progress::new())?;
        drop(engine.forward(&input, patch)?);
        let ours = median_seconds(3, || drop(std::hint::black_box(engine.forward(&input, patch))));
        rows.push(BenchRow {
            name: format!("one {}x{}x{} patch, {name}, {device}", patch[0], patch[1], patch[2]),
            unit: "s",
            ours,
            peer: None,
            peer_name: String::new(),
            note: format!(
                "{:.1} GFLOP/s, {gflop:.0} GFLOP; on {}; {}",
                gflop / ours,
                engine.device(),
                engine.ways().unwrap_or_default()
            ),
        });
    }
    Ok(rows)
}
