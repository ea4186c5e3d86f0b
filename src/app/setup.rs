//! Opening the window on a graphics device that burn can share.

use super::Workstation;
use crate::ui::{GpuViews, theme};
use eframe::egui_wgpu::{self, WgpuSetup, WgpuSetupCreateNew};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
    for round in 0.. {
        let lost = Arc::new(AtomicBool::new(false));
        let host = Host {
            workstation: Rc::clone(&workstation),
            lost: Arc::clone(&lost),
            round,
            hook: Rc::clone(&hook),
            destroys: false,
        };
        let opened = catch_unwind(AssertUnwindSafe(|| {
            eframe::run_native("Delineo", native_options(), Box::new(|cc| Ok(host.start(cc))))
        }));
        match opened {
            Ok(opened) => opened.map_err(|error| explain(&error))?,
            // A device that goes away in the middle of a frame ends the frame so.
            Err(_) if lost.load(Ordering::Relaxed) => {}
            Err(panic) => resume_unwind(panic),
        }
        if !lost.load(Ordering::Relaxed) {
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

/// One window on one device.
struct Host {
    workstation: Rc<RefCell<Workstation>>,
    lost: Arc<AtomicBool>,
    /// How often the device has been lost before.
    round: usize,
    hook: Rc<RefCell<Option<Hook>>>,
    /// Whether the next frame begins by destroying the device.
    destroys: bool,
}

impl Host {
    fn start(self, cc: &eframe::CreationContext<'_>) -> Box<dyn eframe::App> {
        theme::install(&cc.egui_ctx);
        // Ctrl + and − are rows of the action table.
        cc.egui_ctx.options_mut(|options| options.zoom_with_keyboard = false);
        if let Some(state) = &cc.wgpu_render_state {
            watch(&state.device, &self.lost, &cc.egui_ctx);
            let mut workstation = self.workstation.borrow_mut();
            workstation.desk.model_device = super::proposing::share_device(state);
            workstation.start(&cc.egui_ctx, Some(GpuViews::install(state)));
        } else {
            self.workstation.borrow_mut().start(&cc.egui_ctx, None);
        }
        Box::new(self)
    }
}

/// Notes the loss of the device and keeps its errors from ending the program.
fn watch(device: &wgpu::Device, lost: &Arc<AtomicBool>, ctx: &egui::Context) {
    let (flag, wake) = (Arc::clone(lost), ctx.clone());
    device.set_device_lost_callback(move |reason, message| {
        tracing::error!("the graphics device was lost ({reason:?}): {message}");
        flag.store(true, Ordering::Relaxed);
        wake.request_repaint();
    });
    device.on_uncaptured_error(Arc::new(|error: wgpu::Error| tracing::error!("graphics device: {error}")));
}

impl eframe::App for Host {
    /// A hidden window draws no frame, but may be asked to close.
    fn logic(&mut self, ctx: &egui::Context, _: &mut eframe::Frame) {
        if !self.lost.load(Ordering::Relaxed) {
            self.workstation.borrow_mut().mind_the_close(ctx);
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        if std::mem::take(&mut self.destroys)
            && let Some(state) = frame.wgpu_render_state()
        {
            state.device.destroy();
            let _ = state.device.poll(wgpu::PollType::Poll);
            self.lost.store(true, Ordering::Relaxed);
        }
        // Nothing is drawn on a lost device: egui's renderer could not write its buffers.
        if self.lost.load(Ordering::Relaxed) {
            ui.ctx().send_viewport_cmd(egui::ViewportCommand::Close);
            return;
        }
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

    fn on_exit(&mut self) {
        if !self.lost.load(Ordering::Relaxed) {
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
