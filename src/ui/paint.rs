//! The one file that meets egui_wgpu's callback: it hands scenes to the renderer and the
//! renderer's pictures to the window's pass.
//!
//! egui-wgpu runs every `prepare` before any `paint`, so each picture is kept under its own key.

use super::views::Pane;
use crate::patient::Volume;
use crate::render::{DrawError, Gpu, GpuVolume, Renderer, SliceScene, ViewKey, VolumeScene};
use eframe::egui_wgpu::{Callback, CallbackResources, CallbackTrait, RenderState, ScreenDescriptor};
use eframe::wgpu::{CommandBuffer, CommandEncoder, Device, DeviceType, Queue, RenderPass};
use egui::{PaintCallbackInfo, Rect, Shape};
use std::sync::{Arc, Mutex};

/// Which picture of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PaintKey(ViewKey);

impl PaintKey {
    /// A slice view; `second` for the half that shows the second series.
    #[must_use]
    pub fn slice(pane: Pane, second: bool) -> Self {
        let index = u32::try_from(pane.index()).unwrap_or(u32::MAX);
        Self(ViewKey(index * 2 + u32::from(second)))
    }

    /// The 3D view.
    #[must_use]
    pub fn volume() -> Self {
        Self(ViewKey(100))
    }
}

/// The first error of the renderer since it was last asked for, shared with the callbacks.
#[derive(Debug, Clone, Default)]
struct Failure(Arc<Mutex<Option<String>>>);

impl Failure {
    fn note(&self, error: &DrawError) {
        if let Ok(mut slot) = self.0.lock() {
            slot.get_or_insert_with(|| error.to_string());
        }
    }
}

/// What the callbacks find in egui-wgpu's resources.
struct Resources {
    renderer: Renderer,
    failure: Failure,
}

/// The window's renderer, for `app`.
#[derive(Clone)]
pub struct GpuViews {
    state: RenderState,
    failure: Failure,
}

impl GpuViews {
    /// Puts a renderer on the window's own device where the views find it.
    #[must_use]
    pub fn install(state: &RenderState) -> Self {
        let failure = Failure::default();
        let gpu = Gpu::shared(state.device.clone(), state.queue.clone());
        let renderer = Renderer::new(gpu, Some(state.target_format));
        let resources = Resources { renderer, failure: failure.clone() };
        state.renderer.write().callback_resources.insert(resources);
        Self { state: state.clone(), failure }
    }

    /// Uploads a volume on the calling worker thread, so that no frame waits when it is first shown.
    /// What does not fit is left to be told when it is drawn.
    pub fn preload(&self, volume: &Arc<Volume>) {
        let gpu = Gpu::shared(self.state.device.clone(), self.state.queue.clone());
        if let Ok(on_gpu) = GpuVolume::upload(&gpu, volume) {
            let mut renderer = self.state.renderer.write();
            if let Some(resources) = renderer.callback_resources.get_mut::<Resources>() {
                resources.renderer.adopt(Arc::clone(volume), on_gpu);
            }
        }
    }

    /// Every how many voxels the pictures of a volume have one; 1 for all, and before it is shown.
    #[must_use]
    pub fn stride_of(&self, volume: &Arc<Volume>) -> usize {
        let renderer = self.state.renderer.read();
        let resources = renderer.callback_resources.get::<Resources>();
        resources.and_then(|resources| resources.renderer.stride_of(volume)).unwrap_or(1)
    }

    /// Lets go of everything of the patient that was open.
    pub fn forget_patient(&self) {
        let mut renderer = self.state.renderer.write();
        if let Some(resources) = renderer.callback_resources.get_mut::<Resources>() {
            resources.renderer.forget_patient();
        }
    }

    /// The first error since the last call, as a sentence.
    #[must_use]
    pub fn take_failure(&self) -> Option<String> {
        self.failure.0.lock().ok().and_then(|mut slot| slot.take())
    }

    /// Whether a software driver draws: then 3D is drawn at half the resolution.
    #[must_use]
    pub fn is_software(&self) -> bool {
        self.state.adapter.get_info().device_type == DeviceType::Cpu
    }

    /// The adapter's name and interface ("NVIDIA RTX A2000, Vulkan").
    #[must_use]
    pub fn device_name(&self) -> String {
        let info = self.state.adapter.get_info();
        format!("{}, {:?}", info.name, info.backend)
    }
}

struct SlicePicture {
    key: PaintKey,
    scene: SliceScene,
}

struct VolumePicture {
    key: PaintKey,
    scene: VolumeScene,
}

/// A slice scene as a shape for egui's painter.
pub fn slice_picture(rect: Rect, key: PaintKey, scene: SliceScene) -> Shape {
    Callback::new_paint_callback(rect, SlicePicture { key, scene }).into()
}

/// A 3D scene as a shape for egui's painter.
pub fn volume_picture(rect: Rect, key: PaintKey, scene: VolumeScene) -> Shape {
    Callback::new_paint_callback(rect, VolumePicture { key, scene }).into()
}

fn copy(key: PaintKey, pass: &mut RenderPass<'static>, resources: &CallbackResources) {
    if let Some(resources) = resources.get::<Resources>() {
        resources.renderer.paint(key.0, pass);
    }
}

impl CallbackTrait for SlicePicture {
    fn prepare(
        &self,
        _: &Device,
        _: &Queue,
        _: &ScreenDescriptor,
        _: &mut CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<CommandBuffer> {
        if let Some(Resources { renderer, failure }) = resources.get_mut::<Resources>()
            && let Err(error) = renderer.prepare_slice(self.key.0, &self.scene)
        {
            failure.note(&error);
        }
        Vec::new()
    }

    fn paint(&self, _: PaintCallbackInfo, pass: &mut RenderPass<'static>, resources: &CallbackResources) {
        copy(self.key, pass, resources);
    }
}

impl CallbackTrait for VolumePicture {
    fn prepare(
        &self,
        _: &Device,
        _: &Queue,
        _: &ScreenDescriptor,
        _: &mut CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<CommandBuffer> {
        if let Some(Resources { renderer, failure }) = resources.get_mut::<Resources>()
            && let Err(error) = renderer.prepare_volume(self.key.0, &self.scene)
        {
            failure.note(&error);
        }
        Vec::new()
    }

    fn paint(&self, _: PaintCallbackInfo, pass: &mut RenderPass<'static>, resources: &CallbackResources) {
        copy(self.key, pass, resources);
    }
}
