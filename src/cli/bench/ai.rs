//! `delineo bench ai`: seconds per patch of the networks, beside PyTorch and onnxruntime on the same
//! cores.
//!
//! Operations are counted as the direct convolutions have them, two a multiply-add. The processor's
//! peak is measured in the same run by a loop of multiply-adds in registers on the same threads; the
//! CPU engine multiplies less often than the direct way does, and may exceed it. On a graphics device
//! the note tells how many layers were found fastest which way, and PyTorch stands beside it on a CUDA
//! device where it has one: in single precision without TF32 and with it, and in half precision. The
//! copies of a patch to the device and of its logits back are in both.

use super::{BenchRow, median_seconds, python_number, python_with};
use crate::ai::ModelPackage;
use crate::ai::cpu::CpuNetwork;
use crate::ai::engine::{Engine, gpu_name};
use crate::ai::network::{Architecture, Network};
use crate::ai::package::Source;
use crate::device::DeviceChoice;
use crate::progress::Progress;
use anyhow::bail;
use std::path::PathBuf;
use std::process::Command;

/// Set: a software driver counts as a graphics device.
const SOFTWARE: &str = "DELINEO_BENCH_SOFTWARE_GPU";

/// The same network in PyTorch, and from there in onnxruntime: random weights, the median of three
/// rounds after one to warm up.
const PEER: &str = include_str!("pytorch_unet.py");

/// Prints the name of the CUDA device that PyTorch has, or nothing.
const CUDA: &str = "import torch; print(torch.cuda.get_device_name() if torch.cuda.is_available() else '')";

/// How PyTorch computes on a CUDA device: by the peer's argument, and in words.
const CUDA_WAYS: [(&str, &str); 3] = [
    ("cuda float32", "PyTorch CUDA, float32 without TF32"),
    ("cuda tf32", "PyTorch CUDA, TF32"),
    ("cuda half", "PyTorch CUDA, half"),
];

/// A network to measure, on one patch.
struct Case {
    name: String,
    architecture: Architecture,
    patch: [usize; 3],
    input: Vec<f32>,
}

impl Case {
    fn new(name: String, architecture: Architecture, patch: [usize; 3]) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "small whole numbers")]
        let input = (0..patch.iter().product::<usize>()).map(|n| (n % 1009) as f32 / 504.5 - 1.0).collect();
        Self { name, architecture, patch, input }
    }

    #[expect(clippy::cast_precision_loss, reason = "a count of operations for show")]
    fn gflop(&self) -> f64 {
        2.0 * self.architecture.macs(self.patch) as f64 / 1e9
    }

    fn title(&self, device: &str) -> String {
        let [z, y, x] = self.patch;
        format!("one {z}x{y}x{x} patch, {}, {device}", self.name)
    }

    /// Seconds of the same network by a Python, in one of the peer's ways.
    fn peer(&self, python: Option<&PathBuf>, way: &str) -> Option<f64> {
        let shape = &self.architecture;
        let arguments = [
            format!("{:?}", shape.features),
            format!("{:?}", shape.strides),
            format!("{:?}", shape.kernels),
            shape.classes.to_string(),
            format!("{:?}", self.patch),
            rayon::current_num_threads().to_string(),
            way.to_owned(),
        ];
        python.and_then(|python| python_number(python, PEER, &arguments))
    }

    /// Rows of a graphics device; `cuda` is the CUDA device that the Python's PyTorch has.
    fn on_gpu(
        &self,
        device: &str,
        python: Option<&PathBuf>,
        cuda: Option<&str>,
    ) -> anyhow::Result<Vec<BenchRow>> {
        let mut engine = Engine::new(Network::random(self.architecture.clone(), 1)?, DeviceChoice::Gpu)?;
        engine.prepare(self.patch, &Progress::new())?;
        drop(engine.forward(&self.input, self.patch)?);
        let ours = median_seconds(3, || drop(std::hint::black_box(engine.forward(&self.input, self.patch))));
        if engine.device().starts_with("CPU") {
            bail!("the graphics device was left while the network was timed: {}", engine.device());
        }
        let gflop = self.gflop();
        let row = BenchRow {
            name: self.title(device),
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
        };
        let Some(cuda) = cuda else { return Ok(vec![row]) };
        // Ours has left the device by then.
        drop(engine);
        let beside = CUDA_WAYS.iter().map(|(way, words)| BenchRow {
            peer: self.peer(python, way),
            peer_name: (*words).to_owned(),
            note: format!("{}; PyTorch on {cuda}", row.note),
            ..row.clone()
        });
        Ok(beside.collect())
    }
}

/// The CUDA device that a Python's PyTorch has; why there is none is said.
fn cuda_device(python: Option<&PathBuf>) -> Option<String> {
    let Some(python) = python else {
        eprintln!("no Python with PyTorch: no rows against PyTorch on a CUDA device");
        return None;
    };
    let said = Command::new(python).args(["-c", CUDA]).output().ok()?;
    let name = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    if name.is_empty() {
        eprintln!("PyTorch has no CUDA device: no rows against it there");
        return None;
    }
    Some(name)
}

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
    let cuda = cuda_device(python.as_ref());
    for (name, architecture, patch) in networks {
        let case = Case::new(name, architecture, patch);
        let gflop = case.gflop();
        let memory = CpuNetwork::peak_bytes(&case.architecture, patch, rayon::current_num_threads(), 1);
        let network = CpuNetwork::new(&Network::random(case.architecture.clone(), 1)?);
        let peak = CpuNetwork::peak_gflops();
        // Once before, so that its buffers are there, as for all patches but a study's first.
        drop(network.forward(&case.input, patch));
        let ours = median_seconds(3, || drop(std::hint::black_box(network.forward(&case.input, patch))));
        let mut row = BenchRow {
            name: case.title("CPU"),
            unit: "s",
            ours,
            peer: case.peer(python.as_ref(), "torch"),
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
            row.peer = case.peer(python.as_ref(), "onnxruntime");
            "onnxruntime".clone_into(&mut row.peer_name);
            row.note.clear();
            rows.push(row);
        }
        drop(network);
        if let Some((device, _)) = &gpu {
            rows.extend(case.on_gpu(device, python.as_ref(), cuda.as_deref())?);
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small network is measured by PyTorch where there is one, and on a CUDA device where it has one.
    #[test]
    fn pytorch_measures_the_same_network_where_it_can() {
        let Some(python) = python_with("torch") else {
            println!("skipped: no Python with torch");
            return;
        };
        let shape = Architecture::plain(1, vec![4, 8], vec![[1; 3], [2; 3]], vec![[3; 3]; 2], 2, 3);
        let case = Case::new("small".to_owned(), shape, [8; 3]);
        assert!(case.peer(Some(&python), "torch").is_some_and(|seconds| seconds > 0.0));
        if cuda_device(Some(&python)).is_none() {
            println!("skipped: no CUDA device");
            return;
        }
        for (way, _) in CUDA_WAYS {
            assert!(case.peer(Some(&python), way).is_some_and(|seconds| seconds > 0.0), "{way}");
        }
    }
}
