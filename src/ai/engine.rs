//! Which device a network runs on, and what happens when a graphics device goes away.
//!
//! All work of a model stays on the thread that made its [`Engine`] (burn orders GPU work by
//! thread). A panic or error of the GPU path ends there: the engine goes on with the CPU and says so.

use super::cpu::CpuNetwork;
use super::gpu::BurnNetwork;
use super::network::Network;
use crate::device::DeviceChoice;
use burn::tensor::wgpu::WgpuBackend;
use burn::tensor::{Device, DeviceKind};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, Once, PoisonError};

/// The handles of a wgpu device, to share one between window and networks.
pub use burn::tensor::wgpu::WgpuSetup;

/// The system's own graphics interface: looking through all of them (OpenGL) makes drivers write
/// to standard error.
const NATIVE_API: WgpuBackend = if cfg!(target_vendor = "apple") {
    WgpuBackend::Metal
} else if cfg!(windows) {
    WgpuBackend::Dx12
} else {
    WgpuBackend::Vulkan
};

/// Why a model cannot run where it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// A GPU was asked for and there is none.
    #[error("there is no graphics device for the model ({0}); use --device cpu or auto")]
    NoGpu(String),
}

/// A graphics device that networks can run on.
#[derive(Clone)]
struct Gpu {
    device: Device,
    name: String,
    software: bool,
    setup: Option<Arc<WgpuSetup>>,
}

/// The one graphics device of the process, once asked for; burn registers a device only once.
static GPU: Mutex<Option<Result<Gpu, String>>> = Mutex::new(None);

/// Runs networks on a device that the window has opened. Call it before the first model runs.
///
/// # Errors
/// A sentence when burn cannot use the device.
pub fn share_device(setup: WgpuSetup) -> Result<(), String> {
    let info = setup.adapter.get_info();
    let kept = setup.clone();
    let device = quietly(|| burn::tensor::Device::wgpu_options().setup(setup).init())?
        .map_err(|error| error.to_string())?;
    let software = format!("{:?}", info.device_type) == "Cpu";
    *GPU.lock().unwrap_or_else(PoisonError::into_inner) =
        Some(Ok(Gpu { device, name: info.name, software, setup: Some(Arc::new(kept)) }));
    Ok(())
}

/// Forgets the graphics device, after it was lost: the next model looks for one again, or runs on
/// one shared anew.
pub fn forget_device() {
    *GPU.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Destroys the graphics device, as a driver's reset would; for tests of its loss.
pub fn destroy_device() {
    if let Some(Ok(Gpu { setup: Some(setup), .. })) = &*GPU.lock().unwrap_or_else(PoisonError::into_inner) {
        setup.device.destroy();
    }
}

/// Hands the graphics device to `work`, for tests of networks on it; `None` when there is none.
pub fn with_gpu_device<T>(work: impl FnOnce(&Device) -> T) -> Option<T> {
    open_gpu(true).ok().map(|gpu| work(&gpu.device))
}

/// The name of the graphics device that [`DeviceChoice::Gpu`] would use, and whether it is a
/// software driver; `None` when there is none.
#[must_use]
pub fn gpu_name() -> Option<(String, bool)> {
    open_gpu(true).ok().map(|gpu| (gpu.name, gpu.software))
}

fn open_gpu(software_counts: bool) -> Result<Gpu, String> {
    let mut opened = GPU.lock().unwrap_or_else(PoisonError::into_inner);
    let known = opened.get_or_insert_with(|| {
        let mut reason = "no driver was found".to_owned();
        // Real devices first; a kind that is missing is an error, not a fallback to another.
        for kind in [
            DeviceKind::DiscreteGpu(0),
            DeviceKind::IntegratedGpu(0),
            DeviceKind::VirtualGpu(0),
            DeviceKind::Cpu,
        ] {
            let options = Device::wgpu_options().device_kind(kind).graphics_api(NATIVE_API);
            match quietly(|| options.init_with_setup()) {
                Ok(Ok((device, setup))) => {
                    let info = setup.adapter.get_info();
                    let software = format!("{:?}", info.device_type) == "Cpu";
                    return Ok(Gpu { device, name: info.name, software, setup: Some(Arc::new(setup)) });
                }
                Ok(Err(error)) => tracing::debug!("no graphics device of this kind: {error}"),
                Err(message) => reason = message,
            }
        }
        Err(reason)
    });
    match known {
        Ok(gpu) if gpu.software && !software_counts => Err("there is only a software driver".to_owned()),
        Ok(gpu) => Ok(gpu.clone()),
        Err(reason) => Err(reason.clone()),
    }
}

/// The device that training runs on, and its name: a real graphics device, or the CPU.
pub(super) fn training_device(choice: DeviceChoice) -> Result<(Device, String), EngineError> {
    let gpu = match choice {
        DeviceChoice::Cpu => None,
        DeviceChoice::Auto => open_gpu(false).ok(),
        DeviceChoice::Gpu => Some(open_gpu(true).map_err(EngineError::NoGpu)?),
    };
    Ok(gpu.map_or_else(
        || (Device::flex(), cpu_name()),
        |gpu| (gpu.device, format!("{}: {}", if gpu.software { "software GPU" } else { "GPU" }, gpu.name)),
    ))
}

thread_local! {
    /// Whether a panic on this thread is expected and handled: nothing is printed.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`, turning a panic into its message, without anything printed.
pub(super) fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if QUIET.with(Cell::get) {
                tracing::debug!("handled: {info}");
            } else {
                previous(info);
            }
        }));
    });
    QUIET.with(|quiet| quiet.set(true));
    let result = catch_unwind(AssertUnwindSafe(work));
    QUIET.with(|quiet| quiet.set(false));
    result.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "unknown reason".to_owned())
    })
}

enum Runner {
    Cpu(Box<CpuNetwork>),
    Gpu(Box<BurnNetwork>),
}

/// A network on a device.
pub struct Engine {
    network: Network,
    runner: Runner,
    device: String,
    /// What happened on the way, for a person.
    warnings: Vec<String>,
}

impl Engine {
    /// Puts a network on a device.
    ///
    /// # Errors
    /// [`EngineError::NoGpu`] when a GPU was asked for and there is none.
    pub fn new(network: Network, choice: DeviceChoice) -> Result<Self, EngineError> {
        let gpu = match choice {
            DeviceChoice::Cpu => None,
            DeviceChoice::Auto => open_gpu(false).ok(),
            DeviceChoice::Gpu => Some(open_gpu(true).map_err(EngineError::NoGpu)?),
        };
        if let Some(gpu) = gpu {
            match quietly(|| BurnNetwork::new(&network, &gpu.device)) {
                Ok(runner) => {
                    let kind = if gpu.software { "software GPU" } else { "GPU" };
                    let device = format!("{kind}: {}", gpu.name);
                    return Ok(Self {
                        network,
                        runner: Runner::Gpu(Box::new(runner)),
                        device,
                        warnings: Vec::new(),
                    });
                }
                Err(reason) if choice == DeviceChoice::Gpu => return Err(EngineError::NoGpu(reason)),
                Err(reason) => tracing::warn!("the graphics device does not take the model: {reason}"),
            }
        }
        let runner = Runner::Cpu(Box::new(CpuNetwork::new(&network)));
        Ok(Self { network, runner, device: cpu_name(), warnings: Vec::new() })
    }

    /// The logits `[z][y][x][class]` of a patch `[channel][z][y][x]` of `size` (z, y, x). When the
    /// graphics device fails, this and all further patches are computed on the CPU.
    ///
    /// # Errors
    /// None at present.
    pub fn forward(&mut self, values: &[f32], size: [usize; 3]) -> Result<Vec<f32>, EngineError> {
        if let Runner::Gpu(network) = &self.runner {
            match quietly(|| network.forward(values, size)).and_then(|result| result) {
                Ok(logits) if logits.iter().all(|logit| logit.is_finite()) => return Ok(logits),
                Ok(_) => self.leave_gpu("it gave values that are not numbers"),
                Err(reason) => self.leave_gpu(&reason),
            }
        }
        match &self.runner {
            Runner::Cpu(network) => Ok(network.forward(values, size)),
            Runner::Gpu(_) => Ok(CpuNetwork::new(&self.network).forward(values, size)),
        }
    }

    fn leave_gpu(&mut self, reason: &str) {
        tracing::warn!("the graphics device failed: {reason}");
        self.warnings.push(format!(
            "the graphics device failed while the model ran ({}); the rest was computed on the CPU",
            self.device
        ));
        self.device = format!("{} after {} failed", cpu_name(), self.device);
        let old = std::mem::replace(&mut self.runner, Runner::Cpu(Box::new(CpuNetwork::new(&self.network))));
        // Dropping tensors of a lost device may panic as well.
        drop(quietly(move || drop(old)));
        forget_device();
    }

    /// The device, in words.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Takes what happened on the way.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }
}

fn cpu_name() -> String {
    format!("CPU ({} threads)", rayon::current_num_threads())
}
