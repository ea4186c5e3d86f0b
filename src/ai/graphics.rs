//! The one graphics device of the process.
//!
//! It is the window's, where there is a window ([`share_device`]), else the best one that burn finds.
//! burn registers a device only once.
//!
//! A training has a device of its own beside the window's ([`apart`]): its layers cannot be handed over in
//! pieces, and what is on one queue waits for what was handed over before.

use burn::tensor::wgpu::WgpuBackend;
use burn::tensor::wgpu::wgpu::{AdapterInfo, Backend, DeviceDescriptor, DeviceType};
use burn::tensor::{Device, DeviceKind, StreamId};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, OnceLock, PoisonError};

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

/// A graphics device that networks can run on.
#[derive(Clone)]
pub(super) struct Gpu {
    pub device: Device,
    pub name: String,
    pub software: bool,
    pub setup: Option<Arc<WgpuSetup>>,
    /// Tells it from one that was lost and from one shared after it.
    pub serial: u64,
    /// Whether a window draws on it.
    pub is_shared: bool,
}

impl Gpu {
    /// Kind and name, in words.
    pub(super) fn title(&self) -> String {
        format!("{}: {}", if self.software { "software GPU" } else { "GPU" }, self.name)
    }
}

/// The one graphics device of the process, once asked for; burn registers a device only once.
static GPU: Mutex<Option<Result<Gpu, String>>> = Mutex::new(None);

/// Runs networks on a device that the window has opened. Call it before the first model runs.
///
/// burn takes the device's callbacks for its loss and its errors: whoever owns the device sets its own
/// again when this returns, and tells of errors by [`note_device_error`].
///
/// # Errors
/// A sentence when burn cannot use the device.
pub fn share_device(setup: WgpuSetup) -> Result<(), String> {
    let info = setup.adapter.get_info();
    let kept = setup.clone();
    let device = quietly(|| burn::tensor::Device::wgpu_options().setup(setup).init())?
        .map_err(|error| error.to_string())?;
    let software = format!("{:?}", info.device_type) == "Cpu";
    *GPU.lock().unwrap_or_else(PoisonError::into_inner) = Some(Ok(Gpu {
        device,
        name: info.name,
        software,
        setup: Some(Arc::new(kept)),
        serial: next_serial(),
        is_shared: true,
    }));
    Ok(())
}

/// Forgets the graphics device.
pub(super) fn forget_device() {
    *GPU.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Forgets the graphics device if it is still the one with this serial number, which failed: the
/// window may have shared a new one meanwhile.
pub(super) fn forget_failed(serial: u64) {
    forget_if(&mut GPU.lock().unwrap_or_else(PoisonError::into_inner), serial);
}

fn forget_if(kept: &mut Option<Result<Gpu, String>>, serial: u64) {
    if matches!(kept, Some(Ok(gpu)) if gpu.serial == serial) {
        *kept = None;
    }
}

/// A number that no other device of the process has.
fn next_serial() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// What a graphics device tells its owner of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceFault {
    /// It has no memory for something; it goes on.
    OutOfMemory,
    /// It is lost.
    Lost,
    /// A call was left out.
    Other,
}

/// How often the shared device has told its owner of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Noted {
    errors: u64,
    shortages: u64,
    losses: u64,
}

static NOTED: Mutex<Noted> = Mutex::new(Noted { errors: 0, shortages: 0, losses: 0 });

/// Notes what the shared device has told its owner of: a call was left out, and what networks make on
/// the device is not trusted from here on.
pub fn note_device_error(fault: DeviceFault) {
    let mut noted = NOTED.lock().unwrap_or_else(PoisonError::into_inner);
    noted.errors += 1;
    match fault {
        DeviceFault::OutOfMemory => noted.shortages += 1,
        DeviceFault::Lost => noted.losses += 1,
        DeviceFault::Other => {}
    }
}

/// Why a result is not trusted after a noted error.
pub(super) const IN_DOUBT: &str = "it told of an error meanwhile";

impl Noted {
    /// What has been noted so far.
    pub(super) fn now() -> Self {
        *NOTED.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a failure since then, in these words, was for want of memory on a device that is still
    /// there.
    pub(super) fn lacks_memory(self, reason: &str) -> bool {
        let now = Self::now();
        now.losses == self.losses && (now.shortages != self.shortages || is_of_memory(reason))
    }
}

/// Whether a failure is for want of memory, by the words of wgpu, of a driver or of burn, some of which
/// are the names of values.
fn is_of_memory(reason: &str) -> bool {
    let letters: String =
        reason.chars().filter(char::is_ascii_alphabetic).map(|letter| letter.to_ascii_lowercase()).collect();
    ["outofmemory", "outofdevicememory", "outofhostmemory", "notenoughmemory"]
        .iter()
        .any(|words| letters.contains(words))
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

/// The device; a software driver only where it `counts`.
///
/// # Errors
/// Why there is none.
pub(super) fn open_gpu(software_counts: bool) -> Result<Gpu, String> {
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
                    let (name, setup, serial) = (info.name, Some(Arc::new(setup)), next_serial());
                    return Ok(Gpu { device, name, software, setup, serial, is_shared: false });
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

/// Kernels that are handed over together on a device of a training's own: between two of its submissions a
/// driver can turn to the window.
const APART_TASKS: usize = 4;

/// The device that a training was given, and the serial number of the window's beside it.
static APART: Mutex<Option<(u64, Device)>> = Mutex::new(None);

/// The device for work that cannot be handed over in pieces: where a window draws on the one given, a second
/// one on the same adapter, whose queue is its own; else, or where there is no second, the one given.
pub(super) fn apart(gpu: &Gpu) -> Device {
    let (Some(setup), true) = (&gpu.setup, gpu.is_shared) else { return gpu.device.clone() };
    let mut kept = APART.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((serial, device)) = &*kept
        && *serial == gpu.serial
    {
        return device.clone();
    }
    match quietly(|| second(setup)).and_then(|made| made) {
        Ok(device) => {
            *kept = Some((gpu.serial, device.clone()));
            device
        }
        Err(reason) => {
            tracing::warn!("training shares the window's device: {reason}");
            gpu.device.clone()
        }
    }
}

/// Forgets the device of a training's own, which failed: the next one gets a new one.
pub(super) fn forget_apart() {
    *APART.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// A second device like one that is there, with burn on it.
fn second(setup: &WgpuSetup) -> Result<Device, String> {
    if setup.backend == Backend::Gl {
        return Err("OpenGL has one queue".to_owned());
    }
    let like = DeviceDescriptor {
        label: Some("training"),
        required_features: setup.device.features(),
        required_limits: setup.device.limits(),
        ..DeviceDescriptor::default()
    };
    let made = pollster::block_on(setup.adapter.request_device(&like));
    let (device, queue) = made.map_err(|error| error.to_string())?;
    let own = WgpuSetup { device, queue, ..setup.clone() };
    let options = Device::wgpu_options().tasks_max(APART_TASKS).setup(own);
    options.init().map_err(|error| error.to_string())
}

/// Bytes that a device has for a model in all, as far as the system tells: of an integrated one the
/// machine's memory, of one whose driver tells (amdgpu of Linux) its own.
pub(super) fn capacity(info: &AdapterInfo) -> Option<u64> {
    match info.device_type {
        DeviceType::IntegratedGpu => memory_of_all(&std::fs::read_to_string("/proc/meminfo").ok()?),
        DeviceType::DiscreteGpu if !info.device_pci_bus_id.is_empty() => {
            let folder = std::path::Path::new("/sys/bus/pci/devices").join(&info.device_pci_bus_id);
            std::fs::read_to_string(folder.join("mem_info_vram_total")).ok()?.trim().parse().ok()
        }
        _ => None,
    }
}

fn memory_of_all(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}

/// Does a model's work in the one order that all models' work on a device has, whichever thread does it:
/// burn gives each thread an order of its own, and each order memory of its own.
pub(super) fn in_order<T>(work: impl FnOnce() -> T) -> T {
    static ORDER: OnceLock<StreamId> = OnceLock::new();
    ORDER.get_or_init(StreamId::allocate).executes(work)
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
    // Such work may hold such work.
    let before = QUIET.with(|quiet| quiet.replace(true));
    let result = catch_unwind(AssertUnwindSafe(work));
    QUIET.with(|quiet| quiet.set(before));
    result.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "unknown reason".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_training_beside_a_window_has_a_device_of_its_own() {
        let Ok(gpu) = open_gpu(true) else {
            eprintln!("skipped: no adapter");
            return;
        };
        assert_eq!(apart(&gpu), gpu.device, "nobody draws on it");
        let shared = Gpu { is_shared: true, ..gpu };
        let own = apart(&shared);
        assert_ne!(own, shared.device);
        assert_eq!(apart(&shared), own, "the same again");
        let values = burn::tensor::Tensor::<1>::ones([70], &own) * 3.0;
        assert_eq!(values.into_data().try_into_vec::<f32>().unwrap(), [3.0; 70]);
        forget_apart();
        let next = apart(&shared);
        assert!(next != own && next != shared.device);
        forget_apart();
    }

    #[test]
    fn what_a_device_has_is_known_or_not() {
        let info = |kind| AdapterInfo::new(kind, Backend::Vulkan);
        assert_eq!(capacity(&info(DeviceType::DiscreteGpu)), None);
        assert_eq!(capacity(&info(DeviceType::Cpu)), None);
        assert_eq!(memory_of_all("MemTotal:  16 kB\nMemFree: 1 kB\n"), Some(16_384));
        assert_eq!(memory_of_all("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn only_the_device_that_failed_is_forgotten() {
        let (failed, new) = (next_serial(), next_serial());
        assert_ne!(failed, new);
        let gpu = |serial| {
            let device = Device::flex();
            let name = String::new();
            Some(Ok(Gpu { device, name, software: false, setup: None, serial, is_shared: false }))
        };
        let mut kept = gpu(failed);
        forget_if(&mut kept, failed);
        assert!(kept.is_none());
        let mut kept = gpu(new);
        forget_if(&mut kept, failed);
        assert!(kept.is_some(), "the new window's device stays");
        let mut none = Some(Err("no driver".to_owned()));
        forget_if(&mut none, failed);
        assert!(none.is_some());
    }

    #[test]
    fn want_of_memory_is_told_from_other_failures() {
        let before = Noted::now();
        for reason in [
            "wgpu error: Out of Memory",
            "Not enough memory left.",
            "OutOfMemory { size: 12 }",
            "out of device memory allocating 1073741824 bytes",
            "ERROR_OUT_OF_DEVICE_MEMORY",
        ] {
            assert!(before.lacks_memory(reason), "{reason}");
        }
        for reason in
            [IN_DOUBT, "it gave values that are not numbers", "the staging buffer could not be mapped"]
        {
            assert!(!before.lacks_memory(reason), "{reason}");
        }
        note_device_error(DeviceFault::Other);
        assert!(Noted::now() != before && !before.lacks_memory(IN_DOUBT));
        note_device_error(DeviceFault::OutOfMemory);
        assert!(before.lacks_memory(IN_DOUBT) && !Noted::now().lacks_memory(IN_DOUBT));
        note_device_error(DeviceFault::Lost);
        assert!(!before.lacks_memory("Out of Memory"), "it is gone");
    }
}
