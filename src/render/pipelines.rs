//! The shaders and how they are joined into pipelines.

use super::Gpu;
use wgpu::util::DeviceExt;

/// The shaders by file name, as compiled: `common.wgsl` stands before those that use it.
pub const SHADERS: [(&str, &str); 5] = [
    (
        "slice.wgsl",
        concat!(include_str!("../../shaders/common.wgsl"), include_str!("../../shaders/slice.wgsl")),
    ),
    ("contour.wgsl", include_str!("../../shaders/contour.wgsl")),
    (
        "volume.wgsl",
        concat!(include_str!("../../shaders/common.wgsl"), include_str!("../../shaders/volume.wgsl")),
    ),
    ("mesh.wgsl", include_str!("../../shaders/mesh.wgsl")),
    ("blit.wgsl", include_str!("../../shaders/blit.wgsl")),
];

/// The colours of pictures, as stored.
pub(super) const COLOR: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;
/// The stencil under slices.
pub(super) const STENCIL: wgpu::TextureFormat = wgpu::TextureFormat::Stencil8;
/// The distance of surfaces, mm.
pub(super) const DISTANCE: wgpu::TextureFormat = wgpu::TextureFormat::R32Float;
/// The depth buffer under surfaces.
pub(super) const DEPTH: wgpu::TextureFormat = wgpu::TextureFormat::Depth32Float;

/// A uniform buffer in a bind group's layout.
pub(super) fn uniform_entry(binding: u32, has_dynamic_offset: bool) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::VERTEX_FRAGMENT,
        ty: wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Uniform,
            has_dynamic_offset,
            min_binding_size: None,
        },
        count: None,
    }
}

fn texture_entry(
    binding: u32,
    sample_type: wgpu::TextureSampleType,
    view_dimension: wgpu::TextureViewDimension,
) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::FRAGMENT,
        ty: wgpu::BindingType::Texture { sample_type, view_dimension, multisampled: false },
        count: None,
    }
}

/// A uniform buffer with these bytes.
pub(super) fn uniform_buffer(gpu: &Gpu, label: &str, contents: &[u8]) -> wgpu::Buffer {
    buffer(gpu, label, contents, wgpu::BufferUsages::UNIFORM)
}

/// A buffer with these bytes; never of size zero.
pub(super) fn buffer(gpu: &Gpu, label: &str, contents: &[u8], usage: wgpu::BufferUsages) -> wgpu::Buffer {
    let contents = if contents.is_empty() { &[0; 16] } else { contents };
    gpu.device().create_buffer_init(&wgpu::util::BufferInitDescriptor { label: Some(label), contents, usage })
}

/// A bind group of whole buffers.
pub(super) fn bind_buffer(
    gpu: &Gpu,
    layout: &wgpu::BindGroupLayout,
    buffer: &wgpu::Buffer,
) -> wgpu::BindGroup {
    gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout,
        entries: &[wgpu::BindGroupEntry { binding: 0, resource: buffer.as_entire_binding() }],
    })
}

/// All pipelines of one device.
#[derive(Debug)]
pub(super) struct Pipelines {
    pub volume_layout: wgpu::BindGroupLayout,
    pub uniform_layout: wgpu::BindGroupLayout,
    pub dynamic_layout: wgpu::BindGroupLayout,
    pub rays_layout: wgpu::BindGroupLayout,
    pub blit_layout: wgpu::BindGroupLayout,
    pub slice: wgpu::RenderPipeline,
    pub fan: wgpu::RenderPipeline,
    pub cover: wgpu::RenderPipeline,
    pub hairline: wgpu::RenderPipeline,
    pub line: wgpu::RenderPipeline,
    pub mesh: wgpu::RenderPipeline,
    pub volume: wgpu::RenderPipeline,
    pub blit: Option<wgpu::RenderPipeline>,
    pub smooth: wgpu::Sampler,
}

/// What differs between the pipelines.
struct Recipe<'a> {
    label: &'a str,
    shader: &'a wgpu::ShaderModule,
    vertex: &'a str,
    fragment: &'a str,
    layouts: &'a [Option<&'a wgpu::BindGroupLayout>],
    buffers: &'a [Option<wgpu::VertexBufferLayout<'a>>],
    strip: bool,
    depth_stencil: Option<wgpu::DepthStencilState>,
    targets: &'a [Option<wgpu::ColorTargetState>],
}

impl Recipe<'_> {
    fn build(self, device: &wgpu::Device) -> wgpu::RenderPipeline {
        let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(self.label),
            bind_group_layouts: self.layouts,
            immediate_size: 0,
        });
        let topology = if self.strip {
            wgpu::PrimitiveTopology::TriangleStrip
        } else {
            wgpu::PrimitiveTopology::TriangleList
        };
        device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some(self.label),
            layout: Some(&layout),
            vertex: wgpu::VertexState {
                module: self.shader,
                entry_point: Some(self.vertex),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                buffers: self.buffers,
            },
            primitive: wgpu::PrimitiveState { topology, ..Default::default() },
            depth_stencil: self.depth_stencil,
            multisample: wgpu::MultisampleState::default(),
            fragment: Some(wgpu::FragmentState {
                module: self.shader,
                entry_point: Some(self.fragment),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                targets: self.targets,
            }),
            multiview_mask: None,
            cache: None,
        })
    }
}

fn stencil(compare: wgpu::CompareFunction, pass_op: wgpu::StencilOperation) -> wgpu::DepthStencilState {
    let face = wgpu::StencilFaceState {
        compare,
        fail_op: wgpu::StencilOperation::Keep,
        depth_fail_op: wgpu::StencilOperation::Keep,
        pass_op,
    };
    wgpu::DepthStencilState {
        format: STENCIL,
        depth_write_enabled: None,
        depth_compare: None,
        stencil: wgpu::StencilState { front: face, back: face, read_mask: 1, write_mask: 1 },
        bias: wgpu::DepthBiasState::default(),
    }
}

fn target(blend: Option<wgpu::BlendState>, write_mask: wgpu::ColorWrites) -> wgpu::ColorTargetState {
    wgpu::ColorTargetState { format: COLOR, blend, write_mask }
}

impl Pipelines {
    #[expect(clippy::too_many_lines, reason = "one list of descriptors")]
    /// Builds all; `window_format` is the format of the window's surface, where there is one.
    pub fn new(gpu: &Gpu, window_format: Option<wgpu::TextureFormat>) -> Self {
        let device = gpu.device();
        let modules = SHADERS.map(|(label, source)| {
            device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(label),
                source: wgpu::ShaderSource::Wgsl(source.into()),
            })
        });
        let [slice_shader, contour_shader, volume_shader, mesh_shader, blit_shader] = &modules;
        let layout = |label, entries: &[wgpu::BindGroupLayoutEntry]| {
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(label), entries })
        };
        let unfilterable = wgpu::TextureSampleType::Float { filterable: false };
        let volume_layout = super::gpu_volume::layout(device);
        let uniform_layout = layout("uniform", &[uniform_entry(0, false)]);
        let dynamic_layout = layout("dynamic", &[uniform_entry(0, true)]);
        let rays_layout = layout(
            "rays",
            &[
                uniform_entry(0, false),
                uniform_entry(1, false),
                texture_entry(2, wgpu::TextureSampleType::Uint, wgpu::TextureViewDimension::D3),
                texture_entry(3, unfilterable, wgpu::TextureViewDimension::D2),
                texture_entry(4, unfilterable, wgpu::TextureViewDimension::D2),
            ],
        );
        let blit_layout = layout(
            "blit",
            &[
                texture_entry(
                    0,
                    wgpu::TextureSampleType::Float { filterable: true },
                    wgpu::TextureViewDimension::D2,
                ),
                wgpu::BindGroupLayoutEntry {
                    binding: 1,
                    visibility: wgpu::ShaderStages::FRAGMENT,
                    ty: wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering),
                    count: None,
                },
            ],
        );

        let opaque = [Some(target(None, wgpu::ColorWrites::ALL))];
        let blended = [Some(target(Some(wgpu::BlendState::ALPHA_BLENDING), wgpu::ColorWrites::COLOR))];
        let untouched = stencil(wgpu::CompareFunction::Always, wgpu::StencilOperation::Keep);
        let slice = Recipe {
            label: "slice",
            shader: slice_shader,
            vertex: "vs_main",
            fragment: "fs_main",
            layouts: &[Some(&uniform_layout), Some(&volume_layout), Some(&volume_layout)],
            buffers: &[],
            strip: false,
            depth_stencil: Some(untouched.clone()),
            targets: &opaque,
        };
        let contour_layouts = [Some(&uniform_layout), Some(&dynamic_layout)];
        let contour = |label, vertex, fragment, buffers, strip, depth_stencil, targets| Recipe {
            label,
            shader: contour_shader,
            vertex,
            fragment,
            layouts: &contour_layouts,
            buffers,
            strip,
            depth_stencil: Some(depth_stencil),
            targets,
        };
        let segment_attributes = wgpu::vertex_attr_array![
            0 => Float32x2, 1 => Float32x2, 2 => Float32x2, 3 => Float32x2, 4 => Float32
        ];
        let segments = [Some(wgpu::VertexBufferLayout {
            array_stride: 36,
            step_mode: wgpu::VertexStepMode::Instance,
            attributes: &segment_attributes,
        })];
        let point_attributes = wgpu::vertex_attr_array![0 => Float32x2];
        let points = [Some(wgpu::VertexBufferLayout {
            array_stride: 8,
            step_mode: wgpu::VertexStepMode::Vertex,
            attributes: &point_attributes,
        })];
        let hidden = [Some(target(None, wgpu::ColorWrites::empty()))];
        let flip = stencil(wgpu::CompareFunction::Always, wgpu::StencilOperation::Invert);
        let inside = stencil(wgpu::CompareFunction::NotEqual, wgpu::StencilOperation::Zero);
        let vertex_attributes = wgpu::vertex_attr_array![0 => Float32x3, 1 => Float32x3];
        let vertices = [Some(wgpu::VertexBufferLayout {
            array_stride: 24,
            step_mode: wgpu::VertexStepMode::Vertex,
            attributes: &vertex_attributes,
        })];
        let distance = Some(wgpu::ColorTargetState {
            format: DISTANCE,
            blend: None,
            write_mask: wgpu::ColorWrites::ALL,
        });
        let mesh = Recipe {
            label: "mesh",
            shader: mesh_shader,
            vertex: "vs_main",
            fragment: "fs_main",
            layouts: &contour_layouts,
            buffers: &vertices,
            strip: false,
            depth_stencil: Some(wgpu::DepthStencilState {
                format: DEPTH,
                depth_write_enabled: Some(true),
                depth_compare: Some(wgpu::CompareFunction::Less),
                stencil: wgpu::StencilState::default(),
                bias: wgpu::DepthBiasState::default(),
            }),
            targets: &[opaque[0].clone(), distance],
        };
        let volume = Recipe {
            label: "volume",
            shader: volume_shader,
            vertex: "vs_main",
            fragment: "fs_main",
            layouts: &[Some(&rays_layout), Some(&volume_layout)],
            buffers: &[],
            strip: false,
            depth_stencil: None,
            targets: &opaque,
        };
        let blit = window_format.map(|format| {
            let targets =
                [Some(wgpu::ColorTargetState { format, blend: None, write_mask: wgpu::ColorWrites::ALL })];
            Recipe {
                label: "blit",
                shader: blit_shader,
                vertex: "vs_main",
                fragment: if format.is_srgb() { "fs_srgb_surface" } else { "fs_main" },
                layouts: &[Some(&blit_layout)],
                buffers: &[],
                strip: false,
                depth_stencil: None,
                targets: &targets,
            }
            .build(device)
        });
        Self {
            slice: slice.build(device),
            fan: contour("fan", "vs_fan", "fs_fan", &points, false, flip, &hidden).build(device),
            cover: contour("cover", "vs_cover", "fs_cover", &[], false, inside, &blended).build(device),
            hairline: contour(
                "hairline",
                "vs_hairline",
                "fs_hairline",
                &segments,
                true,
                untouched.clone(),
                &blended,
            )
            .build(device),
            line: contour("line", "vs_line", "fs_line", &segments, true, untouched, &blended).build(device),
            mesh: mesh.build(device),
            volume: volume.build(device),
            blit,
            smooth: device.create_sampler(&wgpu::SamplerDescriptor {
                label: Some("smooth"),
                mag_filter: wgpu::FilterMode::Linear,
                min_filter: wgpu::FilterMode::Linear,
                ..Default::default()
            }),
            volume_layout,
            uniform_layout,
            dynamic_layout,
            rays_layout,
            blit_layout,
        }
    }
}
