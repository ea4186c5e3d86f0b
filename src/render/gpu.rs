//! The graphics device: the window's own, or one without a window.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Why there is no graphics device.
#[derive(Debug, thiserror::Error)]
pub enum OpenGpuError {
    /// No driver offers a fitting adapter.
    #[error(
        "no graphics driver (Vulkan, Metal or DirectX 12) offers a {wanted}; use --device cpu, or install a driver"
    )]
    NoAdapter {
        /// What was looked for.
        wanted: &'static str,
    },
    /// The driver refused to open the device.
    #[error(
        "the graphics driver of {adapter} does not open a device ({reason}); use --device cpu, or update the driver"
    )]
    Refused {
        /// The adapter's name.
        adapter: String,
        /// What the driver says.
        reason: String,
    },
}

/// A graphics device and its queue; clones are the same device.
#[derive(Debug, Clone)]
pub struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    name: String,
    software: bool,
    lost: Arc<AtomicBool>,
    error: Arc<Mutex<Option<String>>>,
}

impl Gpu {
    /// A device without a window: the strongest adapter; a software driver only when `software` is
    /// allowed and there is no other.
    ///
    /// # Errors
    /// [`OpenGpuError`] when there is none, or the driver refuses.
    pub fn headless(software: bool) -> Result<Self, OpenGpuError> {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = wgpu::Backends::PRIMARY;
        let instance = wgpu::Instance::new(descriptor);
        let rank = |adapter: &wgpu::Adapter| match adapter.get_info().device_type {
            wgpu::DeviceType::DiscreteGpu => 0,
            wgpu::DeviceType::IntegratedGpu => 1,
            wgpu::DeviceType::VirtualGpu => 2,
            wgpu::DeviceType::Other => 3,
            wgpu::DeviceType::Cpu => 4,
        };
        let adapter = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY))
            .into_iter()
            .filter(|adapter| software || rank(adapter) < 4)
            .min_by_key(rank)
            .ok_or(OpenGpuError::NoAdapter { wanted: if software { "device" } else { "real GPU" } })?;
        let opened = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("delineo"),
            required_limits: adapter.limits(),
            ..Default::default()
        }));
        let (device, queue) = opened.map_err(|error| OpenGpuError::Refused {
            adapter: adapter.get_info().name,
            reason: error.to_string(),
        })?;
        let lost = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&lost);
        device.set_device_lost_callback(move |_, _| flag.store(true, Ordering::Relaxed));
        let gpu = Self { lost, ..Self::shared(device, queue) };
        let last_error = Arc::clone(&gpu.error);
        gpu.device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            tracing::error!("graphics device: {error}");
            if let Ok(mut slot) = last_error.lock() {
                slot.get_or_insert_with(|| error.to_string());
            }
        }));
        Ok(gpu)
    }

    /// The window's device. Its owner watches for its loss.
    #[must_use]
    pub fn shared(device: wgpu::Device, queue: wgpu::Queue) -> Self {
        let info = device.adapter_info();
        Self {
            device,
            queue,
            name: info.name,
            software: info.device_type == wgpu::DeviceType::Cpu,
            lost: Arc::default(),
            error: Arc::default(),
        }
    }

    /// The adapter's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is a software driver.
    #[must_use]
    pub fn is_software(&self) -> bool {
        self.software
    }

    /// Whether the device has been lost; then nothing more can be drawn on it.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Destroys the device as a driver crash would: everything made on it is lost. For tests and
    /// for letting go of a device that misbehaves.
    pub fn destroy(&self) {
        self.device.destroy();
        let _ = self.device.poll(wgpu::PollType::Poll);
        self.lost.store(true, Ordering::Relaxed);
    }

    /// The first error of the device since this was last asked, of a device opened here.
    #[must_use]
    pub fn take_error(&self) -> Option<String> {
        self.error.lock().ok().and_then(|mut slot| slot.take())
    }

    pub(super) fn device(&self) -> &wgpu::Device {
        &self.device
    }

    pub(super) fn queue(&self) -> &wgpu::Queue {
        &self.queue
    }
}
