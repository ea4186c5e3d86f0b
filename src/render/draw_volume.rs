//! The volume and the structures' surfaces in 3D, on the graphics device.

use super::gpu_volume::GpuVolume;
use super::layer_map::{to_f32, unit_color};
use super::pipelines::{DEPTH, DISTANCE, Pipelines, bind_buffer, buffer, uniform_buffer};
use super::ray_map::{MOST_STEPS, RayMap, light_and_view, rendered_mm_per_pixel, rendered_size};
use super::transfer::TransferTable;
use super::{Gpu, PictureSize, SurfaceMesh, VolumeScene};

/// A surface's vertices and triangles on the graphics device.
#[derive(Debug)]
pub(super) struct MeshBuffers {
    vertices: wgpu::Buffer,
    indices: wgpu::Buffer,
    index_count: u32,
}

impl MeshBuffers {
    pub fn new(gpu: &Gpu, mesh: &SurfaceMesh) -> Self {
        let vertices: Vec<[f32; 6]> = mesh
            .positions
            .iter()
            .zip(mesh.normals.iter())
            .map(|(p, n)| [p[0], p[1], p[2], n[0], n[1], n[2]])
            .collect();
        let count = u32::try_from(vertices.len()).unwrap_or(0);
        let whole = mesh.indices.iter().all(|index| *index < count);
        Self {
            vertices: buffer(gpu, "mesh", bytemuck::cast_slice(&vertices), wgpu::BufferUsages::VERTEX),
            indices: buffer(gpu, "mesh", bytemuck::cast_slice(&mesh.indices), wgpu::BufferUsages::INDEX),
            index_count: if whole { u32::try_from(mesh.indices.len()).unwrap_or(0) / 3 * 3 } else { 0 },
        }
    }
}

/// The pictures that the surfaces are drawn into before the rays run.
#[derive(Debug)]
pub(super) struct SurfaceTarget {
    pub size: PictureSize,
    color: wgpu::TextureView,
    distance: wgpu::TextureView,
    depth: wgpu::TextureView,
}

impl SurfaceTarget {
    pub fn new(gpu: &Gpu, size: PictureSize) -> Self {
        let view = |format| {
            super::renderer::picture_texture(gpu, size, format)
                .create_view(&wgpu::TextureViewDescriptor::default())
        };
        Self { size, color: view(super::pipelines::COLOR), distance: view(DISTANCE), depth: view(DEPTH) }
    }
}

#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct RaysUniform {
    origin: [f32; 4],
    right: [f32; 4],
    down: [f32; 4],
    forward: [f32; 4],
    normal: [[f32; 4]; 3],
    light: [f32; 4],
    view: [f32; 4],
    transfer: [f32; 4],
    surface: [f32; 4],
    bricks: [i32; 4],
}

/// The place of each brick that shows anything, for a volume and transfer table.
#[derive(Debug)]
pub(super) struct Occupancy {
    view: wgpu::TextureView,
    dims: [usize; 3],
}

impl Occupancy {
    pub fn new(gpu: &Gpu, volume: &GpuVolume, table: &TransferTable) -> Self {
        use wgpu::util::DeviceExt;
        let dims = volume.bricks.dims;
        let [width, height, depth_or_array_layers] = dims.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        let texture = gpu.device().create_texture_with_data(
            gpu.queue(),
            &wgpu::TextureDescriptor {
                label: Some("occupancy"),
                size: wgpu::Extent3d { width, height, depth_or_array_layers },
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D3,
                format: wgpu::TextureFormat::R8Uint,
                usage: wgpu::TextureUsages::TEXTURE_BINDING,
                view_formats: &[],
            },
            wgpu::util::TextureDataOrder::LayerMajor,
            &volume.bricks.occupied(table),
        );
        Self { view: texture.create_view(&wgpu::TextureViewDescriptor::default()), dims }
    }
}

/// A volume to cast rays through.
pub(super) struct CastVolume<'a> {
    pub volume: &'a GpuVolume,
    pub grid: &'a crate::geometry::Grid,
    pub table: &'a TransferTable,
    pub occupancy: &'a Occupancy,
}

/// Draws a scene into `color`, whose size is [`rendered_size`].
pub(super) fn draw(
    gpu: &Gpu,
    pipelines: &Pipelines,
    color: &wgpu::TextureView,
    surfaces: &SurfaceTarget,
    scene: &VolumeScene,
    cast: Option<&CastVolume<'_>>,
    meshes: &[(&MeshBuffers, [u8; 3])],
) {
    let mut encoder =
        gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("3D") });
    let surface_color = if cast.is_some() { &surfaces.color } else { color };
    draw_meshes(gpu, pipelines, &mut encoder, surface_color, surfaces, scene, meshes);
    if let Some(cast) = cast {
        draw_rays(gpu, pipelines, &mut encoder, color, surfaces, scene, cast);
    }
    gpu.queue().submit([encoder.finish()]);
}

fn draw_meshes(
    gpu: &Gpu,
    pipelines: &Pipelines,
    encoder: &mut wgpu::CommandEncoder,
    color: &wgpu::TextureView,
    surfaces: &SurfaceTarget,
    scene: &VolumeScene,
    meshes: &[(&MeshBuffers, [u8; 3])],
) {
    const RANGE_MM: f32 = 4000.0;
    let (right, down, forward) = scene.camera.axes();
    #[expect(clippy::cast_possible_truncation, reason = "millimetres")]
    let axis = |v: crate::geometry::Vector3| {
        let [x, y, z] = to_f32(v);
        [x, y, z, v.dot(&scene.camera.target_mm.coords) as f32]
    };
    let [width, height] = rendered_size(scene).map(f64::from);
    let [mm_x, mm_y] = rendered_mm_per_pixel(scene);
    let [r, g, b] = unit_color(scene.background);
    #[expect(clippy::cast_possible_truncation, reason = "millimetres")]
    let extent = [(width / 2.0 * mm_x) as f32, (height / 2.0 * mm_y) as f32, -RANGE_MM / 2.0, RANGE_MM];
    let view = [axis(right), axis(down), axis(forward), extent, [r, g, b, 1.0]];
    let view = uniform_buffer(gpu, "view", bytemuck::cast_slice(&view));
    let view = bind_buffer(gpu, &pipelines.uniform_layout, &view);

    let stride = gpu.device().limits().min_uniform_buffer_offset_alignment.max(16);
    let mut materials = vec![0; stride as usize * meshes.len().max(1)];
    for ((_, color), slot) in meshes.iter().zip(materials.chunks_exact_mut(stride as usize)) {
        let [r, g, b] = unit_color(*color);
        slot[..16].copy_from_slice(bytemuck::cast_slice(&[r, g, b, 1.0]));
    }
    let buffer = uniform_buffer(gpu, "materials", &materials);
    let materials = gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("materials"),
        layout: &pipelines.dynamic_layout,
        entries: &[wgpu::BindGroupEntry {
            binding: 0,
            resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: &buffer,
                offset: 0,
                size: std::num::NonZeroU64::new(16),
            }),
        }],
    });

    let clear = |view, color| {
        Some(wgpu::RenderPassColorAttachment {
            view,
            depth_slice: None,
            resolve_target: None,
            ops: wgpu::Operations { load: wgpu::LoadOp::Clear(color), store: wgpu::StoreOp::Store },
        })
    };
    let [r, g, b] = [r, g, b].map(f64::from);
    let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
        label: Some("surfaces"),
        color_attachments: &[
            clear(color, wgpu::Color { r, g, b, a: 1.0 }),
            clear(&surfaces.distance, wgpu::Color { r: 1e30, g: 0.0, b: 0.0, a: 0.0 }),
        ],
        depth_stencil_attachment: Some(wgpu::RenderPassDepthStencilAttachment {
            view: &surfaces.depth,
            depth_ops: Some(wgpu::Operations {
                load: wgpu::LoadOp::Clear(1.0),
                store: wgpu::StoreOp::Discard,
            }),
            stencil_ops: None,
        }),
        ..Default::default()
    });
    pass.set_pipeline(&pipelines.mesh);
    pass.set_bind_group(0, &view, &[]);
    for (index, (mesh, _)) in meshes.iter().enumerate() {
        if mesh.index_count > 0 {
            pass.set_bind_group(1, &materials, &[u32::try_from(index).unwrap_or(0) * stride]);
            pass.set_vertex_buffer(0, mesh.vertices.slice(..));
            pass.set_index_buffer(mesh.indices.slice(..), wgpu::IndexFormat::Uint32);
            pass.draw_indexed(0..mesh.index_count, 0, 0..1);
        }
    }
}

fn draw_rays(
    gpu: &Gpu,
    pipelines: &Pipelines,
    encoder: &mut wgpu::CommandEncoder,
    color: &wgpu::TextureView,
    surfaces: &SurfaceTarget,
    scene: &VolumeScene,
    cast: &CastVolume<'_>,
) {
    let map = RayMap::new(scene, cast.grid, cast.volume.stride);
    let (light, view) = light_and_view(scene);
    let four = |[x, y, z]: [f32; 3]| [x, y, z, 0.0];
    let table = cast.table;
    #[expect(clippy::cast_possible_truncation, reason = "4096")]
    let most_steps = MOST_STEPS as f32;
    let [bi, bj, bk] = cast.occupancy.dims.map(|n| i32::try_from(n).unwrap_or(i32::MAX));
    let rays = RaysUniform {
        origin: four(map.origin),
        right: four(map.right),
        down: four(map.down),
        forward: four(map.forward),
        normal: map.normal.map(four),
        light: four(light),
        view: four(view),
        transfer: [table.low, 1.0 / (table.high - table.low), table.floor, map.step_mm],
        surface: [table.surface_gradient, most_steps, table.invisible_below(), 0.0],
        bricks: [bi, bj, bk, 0],
    };
    let entries: Vec<[f32; 4]> = table.integral.iter().chain(&table.at).copied().collect();
    let rays = uniform_buffer(gpu, "rays", bytemuck::bytes_of(&rays));
    let transfer = uniform_buffer(gpu, "transfer", bytemuck::cast_slice(&entries));
    let texture =
        |binding, view| wgpu::BindGroupEntry { binding, resource: wgpu::BindingResource::TextureView(view) };
    let group = gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("rays"),
        layout: &pipelines.rays_layout,
        entries: &[
            wgpu::BindGroupEntry { binding: 0, resource: rays.as_entire_binding() },
            wgpu::BindGroupEntry { binding: 1, resource: transfer.as_entire_binding() },
            texture(2, &cast.occupancy.view),
            texture(3, &surfaces.color),
            texture(4, &surfaces.distance),
        ],
    });
    let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
        label: Some("rays"),
        color_attachments: &[Some(wgpu::RenderPassColorAttachment {
            view: color,
            depth_slice: None,
            resolve_target: None,
            ops: wgpu::Operations {
                load: wgpu::LoadOp::Clear(wgpu::Color::BLACK),
                store: wgpu::StoreOp::Store,
            },
        })],
        ..Default::default()
    });
    pass.set_pipeline(&pipelines.volume);
    pass.set_bind_group(0, &group, &[]);
    pass.set_bind_group(1, &cast.volume.bind_group, &[]);
    pass.draw(0..3, 0..1);
}
