//! Opening the window on a graphics device that burn can share.

use super::Workstation;
use crate::ai::engine::{self, DeviceFault};
use crate::ui::{GpuViews, theme};
use eframe::egui_wgpu::{self, WgpuSetup, WgpuSetupCreateNew};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Why there is no window. Each variant is one sentence for a person.
#[derive(Debug, thiserror::Error)]
pub enum NoWindow {
    /// No display answers.
    #[error(
        "the window needs a display, and neither Wayland nor X11 answers ({0}); every other command works without one, try `delineo demo`"
    )]
    Display(String),
    /// No graphics driver.
    #[error(
        "the window needs a Vulkan, Metal or DirectX 12 driver and found none ({0}); install one (on Debian: mesa-vulkan-drivers); every other command works without it, try `delineo demo`"
    )]
    Driver(String),
    /// The device was lost again and again.
    #[error("the graphics device fails again and again; {0}; update the graphics driver and start again")]
    Device(Kept),
    /// Anything else.
    #[error("the window could not be opened: {0}")]
    Other(String),
}

/// What became of the edits when the window cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// All of them are in the journal.
    All,
    /// Some could not be saved.
    NotAll(usize),
}

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("every edit is kept"),
            Self::NotAll(0) => f.write_str("the last edits may not be on disk"),
            Self::NotAll(1) => f.write_str("1 edit could not be saved and is lost"),
            Self::NotAll(count) => write!(f, "{count} edits could not be saved and are lost"),
        }
    }
}

/// What a test's hook wants after it has seen a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Go on.
    GoOn,
    /// Go on when the window has something to draw of its own.
    Wait,
    /// Destroy the graphics device, as a driver crash would.
    LoseDevice,
    /// Close the window.
    Close,
}

/// Called after each frame with the number of the window (0 until the device was lost once) and the
/// workstation; for tests.
pub type Hook = Box<dyn FnMut(usize, &mut Workstation) -> Next>;

/// How to open the window.
#[derive(Default)]
pub struct RunOptions {
    /// What to open at once.
    pub paths: Vec<PathBuf>,
    /// Where journals and preferences lie; `None` for the person's own folder.
    pub data_folder: Option<PathBuf>,
    /// For tests.
    pub hook: Option<Hook>,
    /// Whether networks share the window's device even where it is a software driver, which is
    /// slower than the processor's own engine; for tests.
    pub shares_software_driver: bool,
}

/// How often the device may be lost within a minute before the window gives up.
const MOST_LOSSES: usize = 5;

/// The losses of the last minute.
#[derive(Debug, Default)]
struct Losses(Vec<Duration>);

impl Losses {
    /// Notes a loss at a time since the start; whether there were too many within a minute.
    fn note(&mut self, at: Duration) -> bool {
        self.0.retain(|before| at.saturating_sub(*before) < Duration::from_mins(1));
        self.0.push(at);
        self.0.len() >= MOST_LOSSES
    }
}

/// Opens the window and stays until it is closed. Gives the workstation back.
///
/// # Errors
/// [`NoWindow`] with one sentence that says what is missing.
pub fn run(options: RunOptions) -> Result<Workstation, NoWindow> {
    let workstation = match &options.data_folder {
        Some(folder) => Workstation::in_folder(&options.paths, folder),
        None => Workstation::new(&options.paths),
    };
    let workstation = Rc::new(RefCell::new(workstation));
    let hook = Rc::new(RefCell::new(options.hook));
    let (started, mut losses) = (Instant::now(), Losses::default());
    let mut ended_by_panic = false;
    for round in 0.. {
        let (told, opens) = (Arc::new(Told::default()), Rc::new(Cell::new(false)));
        let host = Host {
            workstation: Rc::clone(&workstation),
            told: Arc::clone(&told),
            opens: Rc::clone(&opens),
            round,
            hook: Rc::clone(&hook),
            destroys: false,
            shares_software_driver: options.shares_software_driver,
        };
        let opened = catch_unwind(AssertUnwindSafe(|| {
            eframe::run_native("Delineo", native_options(), Box::new(|cc| Ok(host.start(cc))))
        }));
        match opened {
            Ok(opened) => opened.map_err(|error| explain(&error))?,
            // A device that goes away in the middle of a frame ends the frame so.
            Err(_) if told.failed() => {
                told.lost.store(true, Ordering::Relaxed);
                ended_by_panic = true;
            }
            Err(panic) => resume_unwind(panic),
        }
        told.keep(None);
        // After a panic winit's loop takes itself for running, and ends once without having begun.
        if !opens.get() && std::mem::take(&mut ended_by_panic) {
            continue;
        }
        if !told.lost() {
            return Rc::try_unwrap(workstation)
                .map(RefCell::into_inner)
                .map_err(|_| NoWindow::Other("the window is still in use".to_owned()));
        }
        if losses.note(started.elapsed()) {
            break;
        }
        workstation.borrow_mut().graphics_lost();
    }
    let mut workstation = workstation.borrow_mut();
    let kept = workstation.kept();
    workstation.close_all();
    Err(NoWindow::Device(kept))
}

fn explain(error: &eframe::Error) -> NoWindow {
    let text = error.to_string();
    match error {
        eframe::Error::Winit(_) | eframe::Error::WinitEventLoop(_) => NoWindow::Display(text),
        eframe::Error::Wgpu(_) => NoWindow::Driver(text),
        eframe::Error::AppCreation(_) => NoWindow::Other(text),
    }
}

fn native_options() -> eframe::NativeOptions {
    let viewport = egui::ViewportBuilder::default()
        .with_title("Delineo")
        .with_app_id("delineo")
        .with_inner_size([1440.0, 900.0])
        .with_min_inner_size([960.0, 600.0])
        .with_drag_and_drop(true);
    eframe::NativeOptions {
        viewport,
        renderer: eframe::Renderer::Wgpu,
        run_and_return: true,
        wgpu_options: egui_wgpu::WgpuConfiguration {
            wgpu_setup: WgpuSetup::CreateNew(device_setup()),
            ..Default::default()
        },
        ..Default::default()
    }
}

/// A device with everything the adapter has: egui's defaults are too small for networks and
/// volumes.
fn device_setup() -> WgpuSetupCreateNew {
    let mut setup = WgpuSetupCreateNew::without_display_handle();
    setup.instance_descriptor.backends = wgpu::Backends::PRIMARY;
    setup.device_descriptor = Arc::new(|adapter| wgpu::DeviceDescriptor {
        label: Some("delineo"),
        required_limits: adapter.limits(),
        required_features: features(adapter),
        ..Default::default()
    });
    setup
}

/// All features of the adapter, so that the networks can share the device, without those that are
/// experimental or slow the whole device down.
fn features(adapter: &wgpu::Adapter) -> wgpu::Features {
    adapter.features() - wgpu::Features::MAPPABLE_PRIMARY_BUFFERS - wgpu::Features::all_experimental_mask()
}

/// What the device's callbacks have told.
#[derive(Debug, Default)]
struct Told {
    lost: AtomicBool,
    /// An error since the last frame.
    error: AtomicBool,
    /// What is asked when the callbacks are silent.
    probe: Mutex<Option<Probe>>,
}

impl Told {
    fn lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Keeps what the device is asked by; `None` lets go of it, for the device's own callbacks would keep
    /// it otherwise.
    fn keep(&self, probe: Option<Probe>) {
        *self.probe.lock().unwrap_or_else(PoisonError::into_inner) = probe;
    }

    /// Whether the device failed, by its callbacks or by its not taking a write: burn, which shares the
    /// device, may have taken the callbacks for itself again.
    fn failed(&self) -> bool {
        let probe = self.probe.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if !self.lost() && probe.is_some_and(|probe| !takes_writes(&probe)) {
            engine::note_device_error(DeviceFault::Lost);
            self.lost.store(true, Ordering::Relaxed);
        }
        self.lost() || self.error.load(Ordering::Relaxed)
    }
}

/// What a device is asked by: its queue, and a buffer to write to.
type Probe = (wgpu::Queue, wgpu::Buffer);

fn probe(device: &wgpu::Device, queue: &wgpu::Queue) -> Probe {
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("probe"),
        size: wgpu::COPY_BUFFER_ALIGNMENT,
        usage: wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    (queue.clone(), buffer)
}

/// Whether a device takes what is written to its buffer; a lost one does not.
fn takes_writes((queue, buffer): &Probe) -> bool {
    wgpu::BufferSize::new(wgpu::COPY_BUFFER_ALIGNMENT)
        .is_some_and(|size| queue.write_buffer_with(buffer, 0, size).is_some())
}

/// One window on one device.
struct Host {
    workstation: Rc<RefCell<Workstation>>,
    told: Arc<Told>,
    /// Set when the window is there.
    opens: Rc<Cell<bool>>,
    /// How often the device has been lost before.
    round: usize,
    hook: Rc<RefCell<Option<Hook>>>,
    /// Whether the next frame begins by destroying the device.
    destroys: bool,
    shares_software_driver: bool,
}

impl Host {
    fn start(self, cc: &eframe::CreationContext<'_>) -> Box<dyn eframe::App> {
        self.opens.set(true);
        theme::install(&cc.egui_ctx);
        // Ctrl + and − are rows of the action table.
        cc.egui_ctx.options_mut(|options| options.zoom_with_keyboard = false);
        if let Some(state) = &cc.wgpu_render_state {
            watch(&state.device, &self.told, &cc.egui_ctx);
            self.told.keep(Some(probe(&state.device, &state.queue)));
            let (device, told, ctx) = (state.device.clone(), Arc::clone(&self.told), cc.egui_ctx.clone());
            let watch_again = move || watch(&device, &told, &ctx);
            let mut workstation = self.workstation.borrow_mut();
            workstation.desk.model_device =
                super::proposing::share_device(state, self.shares_software_driver, watch_again);
            workstation.start(&cc.egui_ctx, Some(GpuViews::install(state)));
        } else {
            self.workstation.borrow_mut().start(&cc.egui_ctx, None);
        }
        Box::new(self)
    }
}

impl Host {
    fn frame(&mut self, ui: &mut egui::Ui) {
        let mut workstation = self.workstation.borrow_mut();
        workstation.frame(ui);
        let Some(hook) = &mut *self.hook.borrow_mut() else { return };
        match hook(self.round, &mut workstation) {
            Next::GoOn => ui.ctx().request_repaint_after(Duration::from_millis(20)),
            Next::Wait => {}
            Next::Close => ui.ctx().send_viewport_cmd(egui::ViewportCommand::Close),
            Next::LoseDevice => {
                self.destroys = true;
                ui.ctx().request_repaint();
            }
        }
    }

    /// Paints nothing of a frame in which the device began to fail: egui's renderer takes it for well.
    fn leave_out_if_broken(&self, ctx: &egui::Context) {
        let failed = self.told.failed();
        self.told.error.store(false, Ordering::Relaxed);
        if failed {
            drop(ctx.graphics_mut(std::mem::take));
            ctx.request_repaint();
        }
    }
}

/// Notes the loss of the device and keeps its errors from ending the program; networks that run on it
/// are told of both.
fn watch(device: &wgpu::Device, told: &Arc<Told>, ctx: &egui::Context) {
    let (flags, wake) = (Arc::clone(told), ctx.clone());
    device.set_device_lost_callback(move |reason, message| {
        tracing::error!("the graphics device was lost ({reason:?}): {message}");
        engine::note_device_error(DeviceFault::Lost);
        flags.lost.store(true, Ordering::Relaxed);
        wake.request_repaint();
    });
    let flags = Arc::clone(told);
    device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
        let is_shortage = matches!(error, wgpu::Error::OutOfMemory { .. });
        engine::note_device_error(if is_shortage { DeviceFault::OutOfMemory } else { DeviceFault::Other });
        flags.error.store(true, Ordering::Relaxed);
        tracing::error!("graphics device: {error}");
    }));
}

impl eframe::App for Host {
    /// A hidden window draws no frame, but may be asked to close.
    fn logic(&mut self, ctx: &egui::Context, _: &mut eframe::Frame) {
        if !self.told.lost() {
            self.workstation.borrow_mut().mind_the_close(ctx);
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        if std::mem::take(&mut self.destroys)
            && let Some(state) = frame.wgpu_render_state()
        {
            state.device.destroy();
            // The loss is told as a driver's would be: by the callback.
            let _ = state.device.poll(wgpu::PollType::wait_indefinitely());
        }
        // Nothing is drawn on a lost device: egui's renderer could not write its buffers.
        if self.told.lost() {
            ui.ctx().send_viewport_cmd(egui::ViewportCommand::Close);
            return;
        }
        self.frame(ui);
        if frame.wgpu_render_state().is_some() {
            self.leave_out_if_broken(ui.ctx());
        }
    }

    fn on_exit(&mut self) {
        if !self.told.lost() {
            self.workstation.borrow_mut().close_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_count_within_a_minute_only() {
        let mut losses = Losses::default();
        assert!((0..40).all(|n| !losses.note(Duration::from_secs(20 * n))), "three a minute go on");
        let mut losses = Losses::default();
        let seen: Vec<bool> = (0..5).map(|n| losses.note(Duration::from_secs(n))).collect();
        assert_eq!(seen, [false, false, false, false, true]);
    }

    #[test]
    fn edits_are_said_to_be_kept_only_where_they_are() {
        let said = |kept| NoWindow::Device(kept).to_string();
        assert!(said(Kept::All).contains("every edit is kept"));
        let lost = said(Kept::NotAll(3));
        assert!(lost.contains("3 edits could not be saved") && !lost.contains("is kept"), "{lost}");
    }
}
