//! The GPU renderer: its caches, and a picture of its own for each view.
//!
//! The window's pass has no stencil and is shared by all widgets, and egui runs every `prepare`
//! before any `paint`. So each view is drawn into a texture of its own when its scene has changed
//! ([`Renderer::prepare_slice`], [`Renderer::prepare_volume`]) and only copied into the window's
//! pass ([`Renderer::paint`]). An unchanged view costs nothing but that copy.

use super::draw_slice::SliceTarget;
use super::draw_volume::{CastVolume, MeshBuffers, Occupancy, SurfaceTarget};
use super::gpu_volume::{GpuVolume, UploadVolumeError};
use super::line_buffers::LineBuffers;
use super::pipelines::{COLOR, Pipelines, STENCIL};
use super::ray_map::rendered_size;
use super::transfer::TransferTable;
use super::{Gpu, OutlineKey, PictureSize, RgbaImage, SliceScene, VolumeScene, VolumeStyle, Window};
use crate::patient::{RoiId, Volume};
use std::collections::HashMap;
use std::sync::{Arc, mpsc};

/// Which view of the window a picture belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ViewKey(pub u32);

/// Why a picture could not be drawn on the graphics device.
#[derive(Debug, thiserror::Error)]
pub enum DrawError {
    /// A volume does not fit.
    #[error(transparent)]
    Upload(#[from] UploadVolumeError),
    /// The device is gone.
    #[error("the graphics device was lost; it is to be opened again, or use --device cpu")]
    Lost,
    /// The view has not been prepared.
    #[error("there is no picture of this view yet")]
    NoPicture,
    /// The device reports an error.
    #[error("the graphics device failed ({0}); use --device cpu")]
    Device(String),
}

/// What a view was last drawn from.
#[derive(Debug)]
enum Drawn {
    Slice(Box<SliceScene>),
    Volume(Box<VolumeScene>),
}

#[derive(Debug)]
struct View {
    /// The size of the texture, which is not the picture's where it is scaled.
    size: PictureSize,
    picture_size: PictureSize,
    color: wgpu::Texture,
    target: wgpu::TextureView,
    stencil: wgpu::TextureView,
    surfaces: Option<SurfaceTarget>,
    blit: wgpu::BindGroup,
    drawn: Option<Drawn>,
}

#[derive(Debug)]
struct CachedVolume {
    volume: Arc<Volume>,
    on_gpu: GpuVolume,
    occupancy: Option<(VolumeStyle, Window, Occupancy)>,
    /// Handed over by a worker and not shown yet.
    awaited: bool,
    last_used: u64,
}

#[derive(Debug)]
struct Cached<T> {
    value: T,
    last_used: u64,
}

/// Draws scenes on one graphics device.
#[derive(Debug)]
pub struct Renderer {
    gpu: Gpu,
    window_format: Option<wgpu::TextureFormat>,
    pipelines: Pipelines,
    empty: GpuVolume,
    volumes: Vec<CachedVolume>,
    lines: HashMap<OutlineKey, Cached<LineBuffers>>,
    meshes: HashMap<(RoiId, u64), Cached<MeshBuffers>>,
    views: HashMap<ViewKey, View>,
    clock: u64,
}

/// Volumes not shown for this many pictures leave the graphics memory.
const KEEP_VOLUME: u64 = 400;
/// Line and mesh buffers not shown for this many pictures are let go, once there are many.
const KEEP_BUFFERS: u64 = 2000;
const MANY_BUFFERS: usize = 1500;
const KEEP_MESHES: u64 = 100;
const MANY_MESHES: usize = 60;

/// A texture to draw into, to read back and to sample.
pub(super) fn picture_texture(gpu: &Gpu, size: PictureSize, format: wgpu::TextureFormat) -> wgpu::Texture {
    let limit = gpu.device().limits().max_texture_dimension_2d;
    let mut usage = wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::TEXTURE_BINDING;
    if format == COLOR {
        usage |= wgpu::TextureUsages::COPY_SRC;
    }
    gpu.device().create_texture(&wgpu::TextureDescriptor {
        label: Some("picture"),
        size: wgpu::Extent3d {
            width: size[0].clamp(1, limit),
            height: size[1].clamp(1, limit),
            depth_or_array_layers: 1,
        },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage,
        view_formats: &[],
    })
}

impl Renderer {
    /// A renderer on a device; `window_format` is the surface format of the window that
    /// [`Self::paint`] draws into, `None` for pictures only.
    #[must_use]
    pub fn new(gpu: Gpu, window_format: Option<wgpu::TextureFormat>) -> Self {
        let pipelines = Pipelines::new(&gpu, window_format);
        let empty = GpuVolume::empty(&gpu, &pipelines.volume_layout);
        Self {
            gpu,
            window_format,
            pipelines,
            empty,
            volumes: Vec::new(),
            lines: HashMap::new(),
            meshes: HashMap::new(),
            views: HashMap::new(),
            clock: 0,
        }
    }

    /// The device.
    #[must_use]
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Starts again on a new device after the old one was lost: everything is uploaded again when
    /// it is next shown.
    pub fn rebuild(&mut self, gpu: Gpu) {
        *self = Self::new(gpu, self.window_format);
    }

    /// Takes over a volume that a worker thread has uploaded with [`GpuVolume::upload`].
    pub fn adopt(&mut self, volume: Arc<Volume>, on_gpu: GpuVolume) {
        self.volumes.retain(|cached| !Arc::ptr_eq(&cached.volume, &volume));
        let last_used = self.clock;
        self.volumes.push(CachedVolume { volume, on_gpu, occupancy: None, awaited: true, last_used });
    }

    /// Whether a volume is in the graphics memory.
    #[must_use]
    pub fn has(&self, volume: &Arc<Volume>) -> bool {
        self.volumes.iter().any(|cached| Arc::ptr_eq(&cached.volume, volume))
    }

    /// [`GpuVolume::stride`] of a volume in the graphics memory; `None` for one that is not there.
    #[must_use]
    pub fn stride_of(&self, volume: &Arc<Volume>) -> Option<usize> {
        let cached = self.volumes.iter().find(|cached| Arc::ptr_eq(&cached.volume, volume))?;
        Some(cached.on_gpu.stride())
    }

    /// Lets go of everything of the open patient; what a worker handed over for the next one stays.
    pub fn forget_patient(&mut self) {
        self.volumes.retain(|cached| cached.awaited);
        self.lines.clear();
        self.meshes.clear();
        self.views.clear();
    }

    /// Lets go of a view's picture.
    pub fn forget_view(&mut self, key: ViewKey) {
        self.views.remove(&key);
    }

    /// Draws a slice scene for a view unless its picture is the same as before. A volume that no
    /// worker uploaded is uploaded here. Returns whether anything was drawn.
    ///
    /// # Errors
    /// When a volume does not fit or the device is lost; the view then keeps its last picture.
    pub fn prepare_slice(&mut self, key: ViewKey, scene: &SliceScene) -> Result<bool, DrawError> {
        if self.gpu.is_lost() {
            return Err(DrawError::Lost);
        }
        let size = scene.camera.size_px.map(|n| n.max(1));
        let view = self.view(key, size, size);
        if let Some(Drawn::Slice(last)) = &view.drawn
            && last.is_same_picture(scene)
        {
            return Ok(false);
        }
        self.clock += 1;
        let base = scene.volume.as_ref().map(|volume| self.volume_index(volume)).transpose()?;
        let fusion = scene.fusion.as_ref().map(|layer| self.volume_index(&layer.volume)).transpose()?;
        let previews = self.update_lines(scene);
        let mut previews = previews.iter();
        let lines: Vec<&LineBuffers> = scene
            .outlines
            .iter()
            .filter_map(|outline| match outline.key {
                Some(key) => self.lines.get(&key).map(|cached| &cached.value),
                None => previews.next(),
            })
            .collect();
        let on_gpu = |index: Option<usize>| index.map_or(&self.empty, |index| &self.volumes[index].on_gpu);
        if let Some(view) = self.views.get(&key) {
            let target = SliceTarget { color: &view.target, stencil: &view.stencil };
            let (base, fusion) = (on_gpu(base), on_gpu(fusion));
            super::draw_slice::draw(&self.gpu, &self.pipelines, &target, scene, base, fusion, &lines);
        }
        if let Some(view) = self.views.get_mut(&key) {
            view.drawn = Some(Drawn::Slice(Box::new(scene.clone())));
        }
        self.forget_old();
        Ok(true)
    }

    /// Draws a 3D scene for a view unless its picture is the same as before. Returns whether
    /// anything was drawn.
    ///
    /// # Errors
    /// When a volume does not fit or the device is lost; the view then keeps its last picture.
    pub fn prepare_volume(&mut self, key: ViewKey, scene: &VolumeScene) -> Result<bool, DrawError> {
        if self.gpu.is_lost() {
            return Err(DrawError::Lost);
        }
        let size = rendered_size(scene);
        let view = self.view(key, size, scene.size_px.map(|n| n.max(1)));
        if let Some(Drawn::Volume(last)) = &view.drawn
            && last.is_same_picture(scene)
        {
            return Ok(false);
        }
        self.clock += 1;
        let knots = scene.volume.as_ref().map(|volume| scene.style.knots(volume.unit, scene.window));
        let table = knots.and_then(|knots| TransferTable::new(&knots));
        let volume = match (&scene.volume, &table) {
            (Some(volume), Some(table)) => Some((self.occupied_volume(volume, scene, table)?, volume, table)),
            _ => None,
        };
        for mesh in &scene.meshes {
            let buffers = self
                .meshes
                .entry(mesh.key)
                .or_insert_with(|| Cached { value: MeshBuffers::new(&self.gpu, mesh), last_used: 0 });
            buffers.last_used = self.clock;
        }
        let meshes: Vec<(&MeshBuffers, [u8; 3])> = scene
            .meshes
            .iter()
            .filter_map(|mesh| Some((&self.meshes.get(&mesh.key)?.value, mesh.color)))
            .collect();
        let cast = volume.and_then(|(index, volume, table)| {
            let cached = &self.volumes[index];
            let occupancy = cached.occupancy.as_ref().map(|(_, _, occupancy)| occupancy)?;
            Some(CastVolume { volume: &cached.on_gpu, grid: &volume.grid, table, occupancy })
        });
        if let Some(view) = self.views.get_mut(&key) {
            let surfaces = match view.surfaces.take() {
                Some(surfaces) if surfaces.size == size => surfaces,
                _ => SurfaceTarget::new(&self.gpu, size),
            };
            let (gpu, pipelines) = (&self.gpu, &self.pipelines);
            super::draw_volume::draw(gpu, pipelines, &view.target, &surfaces, scene, cast.as_ref(), &meshes);
            view.surfaces = Some(surfaces);
            view.drawn = Some(Drawn::Volume(Box::new(scene.clone())));
        }
        self.forget_old();
        Ok(true)
    }

    /// Copies a view's picture into the window's pass, whose viewport is the view's rectangle.
    /// Nothing is drawn for a view that was never prepared.
    pub fn paint(&self, key: ViewKey, pass: &mut wgpu::RenderPass<'_>) {
        if let (Some(view), Some(blit)) = (self.views.get(&key), &self.pipelines.blit)
            && view.drawn.is_some()
        {
            pass.set_pipeline(blit);
            pass.set_bind_group(0, &view.blit, &[]);
            pass.draw(0..3, 0..1);
        }
    }

    /// Waits for a view's picture and copies it to memory, at the picture's size.
    ///
    /// # Errors
    /// When the view was never prepared, or the device is lost or fails.
    pub fn read_picture(&self, key: ViewKey) -> Result<RgbaImage, DrawError> {
        let view = self.views.get(&key).filter(|view| view.drawn.is_some()).ok_or(DrawError::NoPicture)?;
        let [width, height] = [view.color.width(), view.color.height()];
        let row = (width * 4).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
        let buffer = self.gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("picture"),
            size: u64::from(row) * u64::from(height),
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        let mut encoder =
            self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_texture_to_buffer(
            view.color.as_image_copy(),
            wgpu::TexelCopyBufferInfo {
                buffer: &buffer,
                layout: wgpu::TexelCopyBufferLayout {
                    offset: 0,
                    bytes_per_row: Some(row),
                    rows_per_image: Some(height),
                },
            },
            wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
        );
        self.gpu.queue().submit([encoder.finish()]);
        let (sender, receiver) = mpsc::channel();
        buffer.map_async(wgpu::MapMode::Read, .., move |done| {
            let _ = sender.send(done);
        });
        let waited = self.gpu.device().poll(wgpu::PollType::wait_indefinitely());
        if let Some(error) = self.gpu.take_error() {
            return Err(if self.gpu.is_lost() { DrawError::Lost } else { DrawError::Device(error) });
        }
        if waited.is_err() || !matches!(receiver.try_recv(), Ok(Ok(()))) {
            return Err(DrawError::Lost);
        }
        let mapped = buffer.get_mapped_range(..).map_err(|_| DrawError::Lost)?;
        let rows = mapped.chunks_exact(row as usize);
        let pixels = rows.flat_map(|bytes| bytes[..width as usize * 4].iter().copied()).collect();
        Ok(RgbaImage { size: [width, height], pixels }.resized(view.picture_size))
    }

    /// The view of a key, made anew where its size has changed.
    fn view(&mut self, key: ViewKey, size: PictureSize, picture_size: PictureSize) -> &View {
        let fits = self.views.get(&key).is_some_and(|view| view.size == size);
        if !fits {
            let (gpu, pipelines) = (&self.gpu, &self.pipelines);
            let color = picture_texture(gpu, size, COLOR);
            let target = color.create_view(&wgpu::TextureViewDescriptor::default());
            let stencil =
                picture_texture(gpu, size, STENCIL).create_view(&wgpu::TextureViewDescriptor::default());
            let blit = gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("blit"),
                layout: &pipelines.blit_layout,
                entries: &[
                    wgpu::BindGroupEntry {
                        binding: 0,
                        resource: wgpu::BindingResource::TextureView(&target),
                    },
                    wgpu::BindGroupEntry {
                        binding: 1,
                        resource: wgpu::BindingResource::Sampler(&pipelines.smooth),
                    },
                ],
            });
            let view = View { size, picture_size, color, target, stencil, surfaces: None, blit, drawn: None };
            self.views.insert(key, view);
        }
        let view = self.views.get_mut(&key).expect("inserted above where absent");
        view.picture_size = picture_size;
        view
    }

    fn volume_index(&mut self, volume: &Arc<Volume>) -> Result<usize, UploadVolumeError> {
        let known = self.volumes.iter().position(|cached| Arc::ptr_eq(&cached.volume, volume));
        let index = known.unwrap_or(self.volumes.len());
        if known.is_none() {
            let on_gpu = GpuVolume::upload(&self.gpu, volume)?;
            let volume = Arc::clone(volume);
            let cached = CachedVolume { volume, on_gpu, occupancy: None, awaited: false, last_used: 0 };
            self.volumes.push(cached);
        }
        self.volumes[index].last_used = self.clock;
        self.volumes[index].awaited = false;
        Ok(index)
    }

    /// The index of a volume whose occupied bricks are known for the scene's style.
    fn occupied_volume(
        &mut self,
        volume: &Arc<Volume>,
        scene: &VolumeScene,
        table: &TransferTable,
    ) -> Result<usize, UploadVolumeError> {
        let index = self.volume_index(volume)?;
        let cached = &mut self.volumes[index];
        let is_known = cached
            .occupancy
            .as_ref()
            .is_some_and(|(style, window, _)| *style == scene.style && *window == scene.window);
        if !is_known {
            let occupancy = Occupancy::new(&self.gpu, &cached.on_gpu, table);
            cached.occupancy = Some((scene.style, scene.window, occupancy));
        }
        Ok(index)
    }

    /// Makes the line buffers that a scene lacks; returns those of its outlines without key.
    fn update_lines(&mut self, scene: &SliceScene) -> Vec<LineBuffers> {
        let mut previews = Vec::new();
        for outline in &scene.outlines {
            if let Some(key) = outline.key {
                let cached = self.lines.entry(key).or_insert_with(|| Cached {
                    value: LineBuffers::new(&self.gpu, &outline.rings),
                    last_used: 0,
                });
                cached.last_used = self.clock;
            } else {
                previews.push(LineBuffers::new(&self.gpu, &outline.rings));
            }
        }
        previews
    }

    fn forget_old(&mut self) {
        let clock = self.clock;
        self.volumes.retain(|cached| cached.last_used + KEEP_VOLUME >= clock);
        if self.lines.len() > MANY_BUFFERS {
            self.lines.retain(|_, cached| cached.last_used + KEEP_BUFFERS >= clock);
        }
        if self.meshes.len() > MANY_MESHES {
            self.meshes.retain(|_, cached| cached.last_used + KEEP_MESHES >= clock);
        }
    }
}
