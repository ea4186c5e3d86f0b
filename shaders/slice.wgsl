// One slice of one or two volumes at any angle, through window and colour map. After common.wgsl.

struct Layer {
    // Voxel coordinates of the picture's upper left corner and per pixel right and down.
    origin: vec4<f32>,
    right: vec4<f32>,
    down: vec4<f32>,
    // The value shown black, 1 / window width, opacity, colour map.
    window: vec4<f32>,
}

struct Slice {
    base: Layer,
    fusion: Layer,
    background: vec4<f32>,
    outside_ground: vec4<f32>,
    outside_hatch: vec4<f32>,
    missing_ground: vec4<f32>,
    missing_hatch: vec4<f32>,
    // Whether there is a base and a fusion volume, nearest-neighbour sampling.
    flags: vec4<u32>,
    // The hatch's period and line width, pixels.
    hatch: vec4<f32>,
}

@group(0) @binding(0) var<uniform> slice: Slice;
@group(1) @binding(0) var<uniform> base: Volume;
@group(1) @binding(1) var base_ints: texture_3d<i32>;
@group(1) @binding(2) var base_floats: texture_3d<f32>;
@group(2) @binding(0) var<uniform> fused: Volume;
@group(2) @binding(1) var fused_ints: texture_3d<i32>;
@group(2) @binding(2) var fused_floats: texture_3d<f32>;

@vertex
fn vs_main(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    return full_screen_corner(index);
}

fn mapped(color_map: f32, t: f32) -> vec3<f32> {
    if color_map > 1.5 {
        return clamp(vec3<f32>(2.0 * t, 2.0 * t - 1.0, 4.0 * t - 3.0), vec3<f32>(0.0), vec3<f32>(1.0));
    }
    return vec3<f32>(select(t, 1.0 - t, color_map > 0.5));
}

fn presence(color_map: f32, t: f32) -> f32 {
    return select(1.0, clamp(5.0 * t, 0.0, 1.0), color_map > 1.5);
}

// How much of the hatch's line covers a pixel: diagonal lines, soft at the edge.
fn hatch_cover(pixel: vec2<f32>) -> f32 {
    let period = slice.hatch.x;
    let across = abs(fract((pixel.x + pixel.y) / period) - 0.5) * period * 0.70710678;
    return clamp(slice.hatch.y * 0.5 + 0.5 - across, 0.0, 1.0);
}

@fragment
fn fs_main(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let pixel = position.xy;
    var color = slice.background.rgb;
    let nearest = slice.flags.z != 0u;
    if slice.flags.x != 0u {
        let at = slice.base.origin.xyz + slice.base.right.xyz * pixel.x + slice.base.down.xyz * pixel.y;
        if is_in_volume(base, at) {
            var value: f32;
            if nearest {
                value = voxel_value(base_ints, base_floats, base, vec3<i32>(floor(at + 0.5)));
            } else {
                value = linear_value(base_ints, base_floats, base, at);
            }
            if value > NO_VALUE {
                let t = clamp((value - slice.base.window.x) * slice.base.window.y, 0.0, 1.0);
                color = mapped(slice.base.window.w, t);
            } else if value > 1.5 * OUTSIDE {
                color = mix(slice.outside_ground.rgb, slice.outside_hatch.rgb, hatch_cover(pixel));
            } else {
                color = mix(slice.missing_ground.rgb, slice.missing_hatch.rgb, hatch_cover(pixel));
            }
        }
    }
    if slice.flags.y != 0u {
        let at = slice.fusion.origin.xyz + slice.fusion.right.xyz * pixel.x + slice.fusion.down.xyz * pixel.y;
        if is_in_volume(fused, at) {
            var value: f32;
            if nearest {
                value = voxel_value(fused_ints, fused_floats, fused, vec3<i32>(floor(at + 0.5)));
            } else {
                value = linear_value(fused_ints, fused_floats, fused, at);
            }
            if value > NO_VALUE {
                let t = clamp((value - slice.fusion.window.x) * slice.fusion.window.y, 0.0, 1.0);
                let amount = slice.fusion.window.z * presence(slice.fusion.window.w, t);
                color = mix(color, mapped(slice.fusion.window.w, t), amount);
            }
        }
    }
    return vec4<f32>(color, 1.0);
}
