// A finished picture into the window's own pass. Stands alone.

struct Placed {
    @builtin(position) position: vec4<f32>,
    @location(0) at: vec2<f32>,
}

@group(0) @binding(0) var picture: texture_2d<f32>;
@group(0) @binding(1) var smooth_sampler: sampler;

@vertex
fn vs_main(@builtin(vertex_index) index: u32) -> Placed {
    let corner = vec2<f32>(f32(index & 1u) * 2.0, f32(index >> 1u) * 2.0);
    var out: Placed;
    out.position = vec4<f32>(corner.x * 2.0 - 1.0, 1.0 - corner.y * 2.0, 0.0, 1.0);
    out.at = corner;
    return out;
}

@fragment
fn fs_main(in: Placed) -> @location(0) vec4<f32> {
    return textureSampleLevel(picture, smooth_sampler, in.at, 0.0);
}

// For windows whose surface turns linear light into sRGB by itself.
@fragment
fn fs_srgb_surface(in: Placed) -> @location(0) vec4<f32> {
    let stored = textureSampleLevel(picture, smooth_sampler, in.at, 0.0).rgb;
    let low = stored / 12.92;
    let high = pow((stored + 0.055) / 1.055, vec3<f32>(2.4));
    return vec4<f32>(select(high, low, stored <= vec3<f32>(0.04045)), 1.0);
}
