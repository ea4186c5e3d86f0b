//! A volume as one 3D texture.
//!
//! Values are stored exactly (16-bit integers or 32-bit floats; nothing is rounded to half floats)
//! and interpolated by the shaders themselves. A dimension above the driver's limit is folded: the
//! volume is cut into tiles that lie side by side in the texture.

use super::Gpu;
use super::transfer::Bricks;
use crate::patient::{OUTSIDE_I16, Volume, Voxels};

/// What stands in the texture for a voxel of a slice that the series lacks.
pub(super) const MISSING_I16: i16 = OUTSIDE_I16 + 1;
/// The same in float textures, for voxels outside the scan and of missing slices.
pub(super) const OUTSIDE_F32: f32 = -1e30;
pub(super) const MISSING_F32: f32 = -2e30;
/// All values up to this mean "no value".
pub(super) const NO_VALUE: f32 = -1e29;

/// How a volume lies in its texture; `shaders/common.wgsl` has the counterpart.
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(super) struct VolumeUniform {
    dims: [i32; 3],
    is_float: u32,
    tile: [i32; 3],
    tile_count: i32,
    tiles: [i32; 3],
    pad0: i32,
    arranged: [i32; 3],
    pad1: i32,
}

/// The cut of a volume into tiles that a texture of limited size can hold.
#[derive(Debug, Clone, PartialEq)]
struct Tiling {
    tile: [usize; 3],
    tiles: [usize; 3],
    arranged: [usize; 3],
}

impl Tiling {
    /// `None` when the volume does not fit however it is folded.
    fn new(dims: [usize; 3], limit: usize) -> Option<Self> {
        let tiles = dims.map(|n| n.div_ceil(limit).max(1));
        let tile = [0, 1, 2].map(|axis| dims[axis].div_ceil(tiles[axis]).max(1));
        let count: usize = tiles.iter().product();
        let room = tile.map(|n| limit / n);
        let arranged_x = room[0].min(count);
        let arranged_y = room[1].min(count.div_ceil(arranged_x));
        let arranged_z = count.div_ceil(arranged_x * arranged_y);
        (arranged_z <= room[2]).then_some(Self {
            tile,
            tiles,
            arranged: [arranged_x, arranged_y, arranged_z],
        })
    }

    fn texture_size(&self) -> [usize; 3] {
        [0, 1, 2].map(|axis| self.tile[axis] * self.arranged[axis])
    }

    fn place(&self, at: [usize; 3]) -> [usize; 3] {
        let flat = at[0] + self.tiles[0] * (at[1] + self.tiles[1] * at[2]);
        let [x, y, _] = self.arranged;
        [flat % x * self.tile[0], flat / x % y * self.tile[1], flat / (x * y) * self.tile[2]]
    }
}

/// Why a volume could not be put on the graphics device.
#[derive(Debug, thiserror::Error)]
#[error(
    "the graphics device has no room for a volume of {size_mb} MB, not even at a quarter of its resolution; close other programs, or use --device cpu"
)]
pub struct UploadVolumeError {
    /// The volume's size.
    pub size_mb: usize,
}

/// A volume on the graphics device.
#[derive(Debug)]
pub struct GpuVolume {
    pub(super) bind_group: wgpu::BindGroup,
    /// Only every so-many-th voxel is there, for want of memory.
    pub(super) stride: usize,
    pub(super) bricks: Bricks,
}

/// The layout of a volume's bind group.
pub(super) fn layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    let texture = |binding, sample_type| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::FRAGMENT,
        ty: wgpu::BindingType::Texture {
            sample_type,
            view_dimension: wgpu::TextureViewDimension::D3,
            multisampled: false,
        },
        count: None,
    };
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("volume"),
        entries: &[
            super::pipelines::uniform_entry(0, false),
            texture(1, wgpu::TextureSampleType::Sint),
            texture(2, wgpu::TextureSampleType::Float { filterable: false }),
        ],
    })
}

impl GpuVolume {
    /// Uploads a volume; where memory is short, every second or fourth voxel of it.
    ///
    /// # Errors
    /// When not even that fits.
    pub fn upload(gpu: &Gpu, volume: &Volume) -> Result<Self, UploadVolumeError> {
        let limit = usize::try_from(gpu.device().limits().max_texture_dimension_3d).unwrap_or(usize::MAX);
        Self::upload_within(gpu, volume, limit)
    }

    /// [`Self::upload`] into a texture of at most `limit` texels along each side.
    fn upload_within(gpu: &Gpu, volume: &Volume, limit: usize) -> Result<Self, UploadVolumeError> {
        let layout = layout(gpu.device());
        [1, 2, 4]
            .into_iter()
            .find_map(|stride| Self::try_upload(gpu, &layout, volume, stride, limit))
            .ok_or(UploadVolumeError { size_mb: volume.grid.len() * 2 / 1_000_000 })
    }

    /// A single voxel without value, to bind where there is no volume.
    pub(super) fn empty(gpu: &Gpu, layout: &wgpu::BindGroupLayout) -> Self {
        let ints = texture(gpu, [1; 3], wgpu::TextureFormat::R16Sint);
        let floats = texture(gpu, [1; 3], wgpu::TextureFormat::R32Float);
        let tiling = Tiling { tile: [1; 3], tiles: [1; 3], arranged: [1; 3] };
        let bricks = Bricks { dims: [1; 3], ranges: vec![(f32::MAX, f32::MIN)] };
        Self { bind_group: bind(gpu, layout, [1; 3], &tiling, false, &ints, &floats), stride: 1, bricks }
    }

    /// Every how many voxels the picture has one: 1, or 2 or 4 for want of graphics memory.
    #[must_use]
    pub fn stride(&self) -> usize {
        self.stride
    }

    fn try_upload(
        gpu: &Gpu,
        layout: &wgpu::BindGroupLayout,
        volume: &Volume,
        stride: usize,
        limit: usize,
    ) -> Option<Self> {
        let dims = volume.grid.dims().map(|n| n.div_ceil(stride).max(1));
        let tiling = Tiling::new(dims, limit)?;
        let is_float = matches!(volume.voxels, Voxels::F32(_));
        let format = if is_float { wgpu::TextureFormat::R32Float } else { wgpu::TextureFormat::R16Sint };
        let memory = gpu.device().push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let values = texture(gpu, tiling.texture_size(), format);
        if pollster::block_on(memory.pop()).is_some() {
            return None;
        }
        if !volume.voxels.is_empty() {
            write(gpu, volume, stride, dims, &tiling, &values);
        }
        let (ints, floats) = if is_float {
            (texture(gpu, [1; 3], wgpu::TextureFormat::R16Sint), values)
        } else {
            (values, texture(gpu, [1; 3], wgpu::TextureFormat::R32Float))
        };
        let bind_group = bind(gpu, layout, dims, &tiling, is_float, &ints, &floats);
        Some(Self { bind_group, stride, bricks: Bricks::new(volume, stride) })
    }
}

fn texture(gpu: &Gpu, size: [usize; 3], format: wgpu::TextureFormat) -> wgpu::Texture {
    let [width, height, depth_or_array_layers] = size.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    gpu.device().create_texture(&wgpu::TextureDescriptor {
        label: Some("volume"),
        size: wgpu::Extent3d { width, height, depth_or_array_layers },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D3,
        format,
        usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    })
}

fn bind(
    gpu: &Gpu,
    layout: &wgpu::BindGroupLayout,
    dims: [usize; 3],
    tiling: &Tiling,
    is_float: bool,
    ints: &wgpu::Texture,
    floats: &wgpu::Texture,
) -> wgpu::BindGroup {
    let int = |size: [usize; 3]| size.map(|n| i32::try_from(n).unwrap_or(i32::MAX));
    let uniform = VolumeUniform {
        dims: int(dims),
        is_float: u32::from(is_float),
        tile: int(tiling.tile),
        tile_count: int([tiling.tiles.iter().product(), 0, 0])[0],
        tiles: int(tiling.tiles),
        pad0: 0,
        arranged: int(tiling.arranged),
        pad1: 0,
    };
    let buffer = super::pipelines::uniform_buffer(gpu, "volume", bytemuck::bytes_of(&uniform));
    let view = |texture: &wgpu::Texture| texture.create_view(&wgpu::TextureViewDescriptor::default());
    gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("volume"),
        layout,
        entries: &[
            wgpu::BindGroupEntry { binding: 0, resource: buffer.as_entire_binding() },
            wgpu::BindGroupEntry { binding: 1, resource: wgpu::BindingResource::TextureView(&view(ints)) },
            wgpu::BindGroupEntry { binding: 2, resource: wgpu::BindingResource::TextureView(&view(floats)) },
        ],
    })
}

/// For each k of the grid, whether it lies on a slice that the series lacks.
pub(super) fn missing_slices(volume: &Volume) -> Vec<bool> {
    let Some(plane) = volume.base_plane() else { return Vec::new() };
    if volume.slices.iter().all(|slice| !slice.missing) {
        return vec![false; volume.grid.dims()[2]];
    }
    let along = volume.grid.step_mm(2).dot(&plane.normal());
    (0..volume.grid.dims()[2])
        .map(|k| {
            #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
            let offset = plane.offset_mm() + along * k as f64;
            volume.nearest_slice(offset).is_some_and(|index| volume.slices[index].missing)
        })
        .collect()
}

/// Copies the voxels slice by slice, a few megabytes at a time, so that the staging memory stays
/// small.
fn write(
    gpu: &Gpu,
    volume: &Volume,
    stride: usize,
    dims: [usize; 3],
    tiling: &Tiling,
    texture: &wgpu::Texture,
) {
    const CHUNK_BYTES: usize = 16_000_000;
    let size = volume.grid.dims();
    let missing = missing_slices(volume);
    let mut pending = 0;
    for k in 0..dims[2] {
        let is_missing = missing.get(k * stride).copied().unwrap_or(false);
        for tj in 0..tiling.tiles[1] {
            for ti in 0..tiling.tiles[0] {
                let low = [ti * tiling.tile[0], tj * tiling.tile[1]];
                let high = [0, 1].map(|axis| (low[axis] + tiling.tile[axis]).min(dims[axis]));
                let (width, height) = (high[0] - low[0], high[1] - low[1]);
                let place = tiling.place([ti, tj, k / tiling.tile[2]]);
                let origin = [place[0], place[1], place[2] + k % tiling.tile[2]];
                let rows = (low[1]..high[1]).map(|j| {
                    let start = size[0] * (j * stride + size[1] * k * stride);
                    (start + low[0] * stride, width)
                });
                rect_bytes(&volume.voxels, rows, stride, is_missing, |bytes| {
                    pending += bytes.len();
                    write_rect(gpu, texture, origin, [width, height], bytes);
                });
            }
        }
        if pending > CHUNK_BYTES {
            gpu.queue().submit([]);
            pending = 0;
        }
    }
}

/// Hands over the texture bytes of rows of voxels given by their first index and number.
fn rect_bytes(
    voxels: &Voxels,
    rows: impl Iterator<Item = (usize, usize)>,
    stride: usize,
    is_missing: bool,
    take: impl FnOnce(&[u8]),
) {
    match voxels {
        Voxels::I16(values) => {
            let stored = |value: i16| match value {
                OUTSIDE_I16 if is_missing => MISSING_I16,
                MISSING_I16 => MISSING_I16 + 1,
                value => value,
            };
            take(bytemuck::cast_slice(&texels(values, rows, stride, stored)));
        }
        Voxels::F32(values) => {
            let none = if is_missing { MISSING_F32 } else { OUTSIDE_F32 };
            let stored = |value: f32| if value.is_nan() { none } else { value.max(-1e28) };
            take(bytemuck::cast_slice(&texels(values, rows, stride, stored)));
        }
    }
}

/// Rows of voxels one after another.
fn texels<T: Copy>(
    values: &[T],
    rows: impl Iterator<Item = (usize, usize)>,
    stride: usize,
    stored: impl Fn(T) -> T,
) -> Vec<T> {
    let mut texels = Vec::new();
    for (start, count) in rows {
        let row = &values[start..];
        // The usual case by itself, for the processor's vectors.
        if stride == 1 {
            texels.extend(row[..count].iter().map(|value| stored(*value)));
        } else {
            texels.extend(row.iter().step_by(stride).take(count).map(|value| stored(*value)));
        }
    }
    texels
}

fn write_rect(gpu: &Gpu, texture: &wgpu::Texture, origin: [usize; 3], size: [usize; 2], bytes: &[u8]) {
    let [x, y, z] = origin.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    let [width, height] = size.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    let row = u32::try_from(bytes.len() / size[1].max(1)).unwrap_or(u32::MAX);
    gpu.queue().write_texture(
        wgpu::TexelCopyTextureInfo {
            texture,
            mip_level: 0,
            origin: wgpu::Origin3d { x, y, z },
            aspect: wgpu::TextureAspect::All,
        },
        bytes,
        wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(row), rows_per_image: Some(height) },
        wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_volume_is_folded_sideways() {
        let tiling = Tiling::new([512, 512, 2600], 2048).unwrap();
        assert_eq!(tiling.tiles, [1, 1, 2]);
        assert_eq!(tiling.tile, [512, 512, 1300]);
        assert_eq!(tiling.texture_size(), [1024, 512, 1300]);
        assert_eq!(tiling.place([0, 0, 1]), [512, 0, 0]);
    }

    #[test]
    fn a_folded_volume_gives_the_same_picture() {
        use crate::geometry::{Grid, Point3, Vector3};
        use crate::patient::Unit;
        use crate::render::{Renderer, SliceCamera, SliceScene, ViewKey, Window};
        let Ok(gpu) = Gpu::headless(true) else {
            println!("skipped: no adapter");
            return;
        };
        let steps = [Vector3::x(), Vector3::y(), Vector3::z()];
        let grid = Grid::new([20, 9, 70], Point3::origin(), steps).unwrap();
        let values = (0..20 * 9 * 70_i16).map(|n| n.wrapping_mul(7919) % 1000).collect();
        let (unit, slices) = (Unit::Hu, Vec::new());
        let volume = Volume { grid, voxels: Voxels::I16(values), unit, slices, native: None };
        let volume = std::sync::Arc::new(volume);
        let camera = SliceCamera::coronal(&volume.grid, Point3::new(0.0, 4.3, 0.0), [40, 140]);
        let scene = SliceScene::new(camera, Some(std::sync::Arc::clone(&volume)), Window::new(500.0, 1000.0));
        let picture = |limit: usize| {
            let mut renderer = Renderer::new(gpu.clone(), None);
            let folded = GpuVolume::upload_within(&gpu, &volume, limit).unwrap();
            assert_eq!(folded.stride(), 1);
            renderer.adopt(std::sync::Arc::clone(&volume), folded);
            renderer.prepare_slice(ViewKey(0), &scene).unwrap();
            renderer.read_picture(ViewKey(0)).unwrap()
        };
        assert!(picture(2048) == picture(30), "two tiles along k and no more room along i");
    }

    #[test]
    fn a_volume_that_does_not_fit_is_thinned_and_says_so() {
        use crate::geometry::{Grid, Point3, Vector3};
        use crate::render::Renderer;
        let Ok(gpu) = Gpu::headless(true) else {
            println!("skipped: no adapter");
            return;
        };
        let steps = [Vector3::x(), Vector3::y(), Vector3::z()];
        let grid = Grid::new([40; 3], Point3::origin(), steps).unwrap();
        let voxels = crate::patient::Voxels::I16(vec![0; grid.len()]);
        let unit = crate::patient::Unit::Hu;
        let volume = std::sync::Arc::new(Volume { grid, voxels, unit, slices: Vec::new(), native: None });
        let mut renderer = Renderer::new(gpu.clone(), None);
        assert_eq!(renderer.stride_of(&volume), None, "not uploaded");
        for (limit, stride) in [(64, 1), (30, 2), (12, 4)] {
            let on_gpu = GpuVolume::upload_within(&gpu, &volume, limit).unwrap();
            renderer.adopt(std::sync::Arc::clone(&volume), on_gpu);
            assert_eq!(renderer.stride_of(&volume), Some(stride), "within {limit}");
        }
        assert!(GpuVolume::upload_within(&gpu, &volume, 5).is_err());
    }

    #[test]
    fn what_fits_is_one_tile_and_what_never_fits_is_refused() {
        assert_eq!(Tiling::new([512, 512, 133], 2048).unwrap().texture_size(), [512, 512, 133]);
        assert_eq!(Tiling::new([2049, 2048, 2048], 2048), None);
    }
}
