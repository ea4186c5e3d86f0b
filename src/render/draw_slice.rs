//! One slice with its contours, on the graphics device.

use super::gpu_volume::GpuVolume;
use super::layer_map::{HAIRLINE_OPACITY, LayerMap, LineStyle, hatch, pixel_map, unit_color};
use super::line_buffers::LineBuffers;
use super::pipelines::{Pipelines, bind_buffer, uniform_buffer};
use super::{ColorMap, Gpu, Interpolation, Outline, SliceScene, Window};
use crate::geometry::Grid;

#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable, Default)]
#[repr(C)]
struct LayerUniform {
    origin: [f32; 4],
    right: [f32; 4],
    down: [f32; 4],
    window: [f32; 4],
}

impl LayerUniform {
    fn new(
        grid: &Grid,
        stride: usize,
        scene: &SliceScene,
        window: Window,
        opacity: f32,
        map: ColorMap,
    ) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a small number, and a colour map's code")]
        let (stride, code) = (stride as f32, map.code() as f32);
        let layer = LayerMap::new(grid, &scene.camera);
        let four = |v: [f32; 3]| [v[0] / stride, v[1] / stride, v[2] / stride, 0.0];
        Self {
            origin: four(layer.origin),
            right: four(layer.right),
            down: four(layer.down),
            window: [window.low(), 1.0 / window.width, opacity, code],
        }
    }
}

#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct SliceUniform {
    base: LayerUniform,
    fusion: LayerUniform,
    colors: [[f32; 4]; 5],
    flags: [u32; 4],
    hatch: [f32; 4],
}

#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct OutlineUniform {
    line: [f32; 4],
    hairline: [f32; 4],
    fill: [f32; 4],
    widths: [f32; 4],
}

impl OutlineUniform {
    fn new(outline: &Outline, scene: &SliceScene) -> Self {
        let style = LineStyle::new(outline, scene.pixels_per_point);
        let [r, g, b] = unit_color(outline.color);
        let hairline = unit_color(scene.theme.hairline);
        Self {
            line: [r, g, b, outline.opacity],
            hairline: [hairline[0], hairline[1], hairline[2], HAIRLINE_OPACITY * outline.opacity],
            fill: [r, g, b, outline.fill],
            widths: [style.half_width, style.hairline_half_width, style.dash, style.gap],
        }
    }
}

/// Where a slice is drawn.
pub(super) struct SliceTarget<'a> {
    pub color: &'a wgpu::TextureView,
    pub stencil: &'a wgpu::TextureView,
}

/// Draws a scene; `base` and `fusion` are its volumes (one without value where there is none),
/// `lines` the buffers of its outlines, in order.
pub(super) fn draw(
    gpu: &Gpu,
    pipelines: &Pipelines,
    target: &SliceTarget<'_>,
    scene: &SliceScene,
    base: &GpuVolume,
    fusion: &GpuVolume,
    lines: &[&LineBuffers],
) {
    let slice = uniform_buffer(gpu, "slice", bytemuck::bytes_of(&slice_uniform(scene, base, fusion)));
    let slice = bind_buffer(gpu, &pipelines.uniform_layout, &slice);
    let [x, y, scale] = pixel_map(&scene.camera);
    let [width, height] = scene.camera.size_px;
    #[expect(clippy::cast_precision_loss, reason = "pixels")]
    let view = [x, y, scale, 0.0, width as f32, height as f32, 0.0, 0.0];
    let view = uniform_buffer(gpu, "view", bytemuck::cast_slice(&view));
    let view = bind_buffer(gpu, &pipelines.uniform_layout, &view);
    let (outlines, stride) = outline_uniforms(gpu, pipelines, scene);

    let mut encoder =
        gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("slice") });
    {
        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("slice"),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: target.color,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations {
                    load: wgpu::LoadOp::Clear(wgpu::Color::BLACK),
                    store: wgpu::StoreOp::Store,
                },
            })],
            depth_stencil_attachment: Some(wgpu::RenderPassDepthStencilAttachment {
                view: target.stencil,
                depth_ops: None,
                stencil_ops: Some(wgpu::Operations {
                    load: wgpu::LoadOp::Clear(0),
                    store: wgpu::StoreOp::Discard,
                }),
            }),
            ..Default::default()
        });
        pass.set_pipeline(&pipelines.slice);
        pass.set_bind_group(0, &slice, &[]);
        pass.set_bind_group(1, &base.bind_group, &[]);
        pass.set_bind_group(2, &fusion.bind_group, &[]);
        pass.draw(0..3, 0..1);

        pass.set_bind_group(0, &view, &[]);
        let seen: Vec<(usize, &&LineBuffers, [u32; 4])> = lines
            .iter()
            .enumerate()
            .filter_map(|(index, lines)| Some((index, lines, scissor(scene, lines.bounds?, [x, y, scale])?)))
            .collect();
        let offset = |index: usize| u32::try_from(index).unwrap_or(0) * stride;
        for (index, lines, [left, top, width, height]) in &seen {
            if scene.outlines[*index].fill <= 0.0 || lines.fan_index_count == 0 {
                continue;
            }
            pass.set_scissor_rect(*left, *top, *width, *height);
            pass.set_bind_group(1, &outlines, &[offset(*index)]);
            pass.set_pipeline(&pipelines.fan);
            pass.set_vertex_buffer(0, lines.points.slice(..));
            pass.set_index_buffer(lines.fans.slice(..), wgpu::IndexFormat::Uint32);
            pass.draw_indexed(0..lines.fan_index_count, 0, 0..1);
            pass.set_pipeline(&pipelines.cover);
            pass.set_stencil_reference(0);
            pass.draw(0..3, 0..1);
        }
        // All hairlines before all lines: a neighbour's never darkens a line.
        for pipeline in [&pipelines.hairline, &pipelines.line] {
            pass.set_pipeline(pipeline);
            for (index, lines, [left, top, width, height]) in &seen {
                pass.set_scissor_rect(*left, *top, *width, *height);
                pass.set_bind_group(1, &outlines, &[offset(*index)]);
                pass.set_vertex_buffer(0, lines.segments.slice(..));
                pass.draw(0..4, 0..lines.segment_count);
            }
        }
    }
    gpu.queue().submit([encoder.finish()]);
}

fn slice_uniform(scene: &SliceScene, base: &GpuVolume, fusion: &GpuVolume) -> SliceUniform {
    let color = |color: [u8; 3]| {
        let [r, g, b] = unit_color(color);
        [r, g, b, 1.0]
    };
    let theme = &scene.theme;
    let [period, width] = hatch(scene.pixels_per_point);
    SliceUniform {
        base: scene.volume.as_ref().map_or_else(LayerUniform::default, |volume| {
            LayerUniform::new(&volume.grid, base.stride, scene, scene.window, 1.0, scene.color_map)
        }),
        fusion: scene.fusion.as_ref().map_or_else(LayerUniform::default, |layer| {
            let grid = &layer.volume.grid;
            LayerUniform::new(grid, fusion.stride, scene, layer.window, layer.opacity, layer.color_map)
        }),
        colors: [
            color(theme.background),
            color(theme.outside[0]),
            color(theme.outside[1]),
            color(theme.missing[0]),
            color(theme.missing[1]),
        ],
        flags: [
            u32::from(scene.volume.is_some()),
            u32::from(scene.fusion.is_some()),
            u32::from(scene.interpolation == Interpolation::Nearest),
            0,
        ],
        hatch: [period, width, 0.0, 0.0],
    }
}

/// The uniforms of all outlines in one buffer, and the distance between them.
fn outline_uniforms(gpu: &Gpu, pipelines: &Pipelines, scene: &SliceScene) -> (wgpu::BindGroup, u32) {
    let size = size_of::<OutlineUniform>();
    let alignment = gpu.device().limits().min_uniform_buffer_offset_alignment;
    let stride = u32::try_from(size).unwrap_or(64).next_multiple_of(alignment.max(1));
    let step = stride as usize;
    let mut bytes = vec![0; step * scene.outlines.len().max(1)];
    for (outline, slot) in scene.outlines.iter().zip(bytes.chunks_exact_mut(step)) {
        slot[..size].copy_from_slice(bytemuck::bytes_of(&OutlineUniform::new(outline, scene)));
    }
    let buffer = uniform_buffer(gpu, "outlines", &bytes);
    let group = gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("outlines"),
        layout: &pipelines.dynamic_layout,
        entries: &[wgpu::BindGroupEntry {
            binding: 0,
            resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: &buffer,
                offset: 0,
                size: std::num::NonZeroU64::new(size as u64),
            }),
        }],
    });
    (group, stride)
}

/// The pixels that an outline can touch (left, top, width, height); `None` outside the picture.
fn scissor(scene: &SliceScene, (low, high): ([f32; 2], [f32; 2]), map: [f32; 3]) -> Option<[u32; 4]> {
    let margin = 6.0 * scene.pixels_per_point;
    let [x, y, scale] = map;
    let span = |low_mm: f32, high_mm: f32, origin: f32, size: u32| {
        #[expect(clippy::cast_precision_loss, reason = "pixels")]
        let limit = size as f32;
        let from = (origin + low_mm * scale - margin).floor().clamp(0.0, limit);
        let to = (origin + high_mm * scale + margin).ceil().clamp(0.0, limit);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the picture")]
        (to > from).then_some((from as u32, (to - from) as u32))
    };
    let (left, width) = span(low[0], high[0], x, scene.camera.size_px[0])?;
    let (top, height) = span(low[1], high[1], y, scene.camera.size_px[1])?;
    Some([left, top, width, height])
}
