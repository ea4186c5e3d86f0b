// Contours over a slice: lines from the true vertices with a width in screen pixels, and the
// translucent fill (even-odd through the stencil). Stands alone.

struct View {
    // Pixel of the plane's origin, pixels per mm, unused.
    origin_scale: vec4<f32>,
    // The picture's size, pixels.
    size: vec4<f32>,
}

struct Outline {
    // Red, green, blue, opacity: the line's, the hairline's and the fill's.
    line: vec4<f32>,
    hairline: vec4<f32>,
    fill: vec4<f32>,
    // Half widths of line and hairline, dash and gap (0: solid), pixels.
    widths: vec4<f32>,
}

@group(0) @binding(0) var<uniform> view: View;
@group(1) @binding(0) var<uniform> outline: Outline;

fn pixel_of(point_mm: vec2<f32>) -> vec2<f32> {
    return view.origin_scale.xy + point_mm * view.origin_scale.z;
}

fn clip_of(pixel: vec2<f32>) -> vec4<f32> {
    return vec4<f32>(pixel.x / view.size.x * 2.0 - 1.0, 1.0 - pixel.y / view.size.y * 2.0, 0.0, 1.0);
}

// One edge of a ring with the vertices before and after it, and its way along the ring, mm.
struct Segment {
    @location(0) before: vec2<f32>,
    @location(1) first: vec2<f32>,
    @location(2) second: vec2<f32>,
    @location(3) after: vec2<f32>,
    @location(4) way: f32,
}

struct OnSegment {
    @builtin(position) position: vec4<f32>,
    @location(0) @interpolate(flat) from_to: vec4<f32>,
    @location(1) @interpolate(flat) before_after: vec4<f32>,
    @location(2) @interpolate(flat) way: f32,
}

fn placed(segment: Segment, index: u32, half_width: f32) -> OnSegment {
    let a = pixel_of(segment.first);
    let b = pixel_of(segment.second);
    let length = distance(a, b);
    var along = vec2<f32>(1.0, 0.0);
    if length > 1e-6 {
        along = (b - a) / length;
    }
    let across = vec2<f32>(-along.y, along.x);
    let reach = half_width + 1.0;
    let corner = vec2<f32>(f32(index & 1u), f32(index >> 1u));
    let end = mix(a - along * reach, b + along * reach, corner.x);
    var out: OnSegment;
    out.position = clip_of(end + across * (reach * (2.0 * corner.y - 1.0)));
    out.from_to = vec4<f32>(a, b);
    out.before_after = vec4<f32>(pixel_of(segment.before), pixel_of(segment.after));
    out.way = segment.way * view.origin_scale.z;
    return out;
}

@vertex
fn vs_line(segment: Segment, @builtin(vertex_index) index: u32) -> OnSegment {
    return placed(segment, index, outline.widths.x);
}

@vertex
fn vs_hairline(segment: Segment, @builtin(vertex_index) index: u32) -> OnSegment {
    return placed(segment, index, outline.widths.y);
}

fn along_part(p: vec2<f32>, a: vec2<f32>, b: vec2<f32>) -> f32 {
    let edge = b - a;
    return dot(p - a, edge) / max(dot(edge, edge), 1e-12);
}

// Exactly the distance to an end beyond it, so that neighbours agree to the bit at their joint.
fn edge_distance(p: vec2<f32>, a: vec2<f32>, b: vec2<f32>) -> f32 {
    let part = along_part(p, a, b);
    if part <= 0.0 {
        return length(p - a);
    }
    if part >= 1.0 {
        return length(p - b);
    }
    return length(p - (a + (b - a) * part));
}

// How much of a pixel a segment's line covers. Of neighbouring segments only the nearest one
// draws a pixel, so that joints are round and no soft edge is laid on twice.
fn line_cover(in: OnSegment, half_width: f32) -> f32 {
    let p = in.position.xy;
    let near = edge_distance(p, in.from_to.xy, in.from_to.zw);
    let cover = clamp(half_width + 0.5 - near, 0.0, 1.0);
    if cover <= 0.0
        || near >= edge_distance(p, in.before_after.xy, in.from_to.xy)
        || near > edge_distance(p, in.from_to.zw, in.before_after.zw) {
        return 0.0;
    }
    return cover;
}

@fragment
fn fs_line(in: OnSegment) -> @location(0) vec4<f32> {
    var cover = line_cover(in, outline.widths.x);
    let dash = outline.widths.z;
    if dash > 0.0 && cover > 0.0 {
        let period = dash + outline.widths.w;
        let part = clamp(along_part(in.position.xy, in.from_to.xy, in.from_to.zw), 0.0, 1.0);
        let way = in.way + part * distance(in.from_to.xy, in.from_to.zw);
        let from_middle = abs(way - floor(way / period) * period - dash * 0.5);
        cover = cover * clamp(dash * 0.5 + 0.5 - min(from_middle, period - from_middle), 0.0, 1.0);
    }
    if cover <= 0.0 {
        discard;
    }
    return vec4<f32>(outline.line.rgb, outline.line.a * cover);
}

@fragment
fn fs_hairline(in: OnSegment) -> @location(0) vec4<f32> {
    let cover = line_cover(in, outline.widths.y);
    if cover <= 0.0 {
        discard;
    }
    return vec4<f32>(outline.hairline.rgb, outline.hairline.a * cover);
}

// Fans over the rings flip the stencil; what was flipped an odd number of times is inside.
@vertex
fn vs_fan(@location(0) point_mm: vec2<f32>) -> @builtin(position) vec4<f32> {
    return clip_of(pixel_of(point_mm));
}

@fragment
fn fs_fan() -> @location(0) vec4<f32> {
    return vec4<f32>(0.0);
}

@vertex
fn vs_cover(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    return vec4<f32>(f32(index & 1u) * 4.0 - 1.0, f32(index >> 1u) * 4.0 - 1.0, 0.0, 1.0);
}

@fragment
fn fs_cover() -> @location(0) vec4<f32> {
    return outline.fill;
}
