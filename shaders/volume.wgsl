// Ray casting of a volume, without perspective, stopping at the structures' surfaces.
// After common.wgsl.

struct Rays {
    // Voxel coordinates of the picture's upper left corner at depth 0, per pixel right and down,
    // and per mm away from the viewer.
    origin: vec4<f32>,
    right: vec4<f32>,
    down: vec4<f32>,
    forward: vec4<f32>,
    // Rows: patient direction of a gradient given per voxel.
    normal_x: vec4<f32>,
    normal_y: vec4<f32>,
    normal_z: vec4<f32>,
    // Unit vectors in the patient: towards the light, away from the viewer.
    light: vec4<f32>,
    view: vec4<f32>,
    // The transfer table's first value, 1 / its range, value where there is none, step in mm.
    transfer: vec4<f32>,
    // The gradient (per mm) from which on a place is lit as a surface, largest number of steps,
    // the value up to which nothing shows.
    surface: vec4<f32>,
    // The size of the grid of bricks.
    bricks: vec4<i32>,
}

// Running integrals over value of extinction times colour (rgb) and of extinction (a), per value
// of the table; and the same not summed up.
struct Transfer {
    integral: array<vec4<f32>, 256>,
    at: array<vec4<f32>, 256>,
}

const BRICK: f32 = 8.0;
const OPAQUE: f32 = 0.985;

@group(0) @binding(0) var<uniform> rays: Rays;
@group(0) @binding(1) var<uniform> transfer: Transfer;
@group(0) @binding(2) var occupied: texture_3d<u32>;
@group(0) @binding(3) var surface_color: texture_2d<f32>;
@group(0) @binding(4) var surface_depth: texture_2d<f32>;
@group(1) @binding(0) var<uniform> volume: Volume;
@group(1) @binding(1) var ints: texture_3d<i32>;
@group(1) @binding(2) var floats: texture_3d<f32>;

@vertex
fn vs_main(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    return full_screen_corner(index);
}

fn floored(voxel: vec3<i32>) -> f32 {
    return max(voxel_value(ints, floats, volume, voxel), rays.transfer.z);
}

fn value_at(at: vec3<f32>) -> f32 {
    var corners = corners_at(ints, floats, volume, at);
    let none = vec4<f32>(rays.transfer.z);
    corners.near = max(corners.near, none);
    corners.far = max(corners.far, none);
    return mix(mixed(corners.near, corners.weight), mixed(corners.far, corners.weight), corners.weight.z);
}

fn lit(color: vec3<f32>, at: vec3<f32>) -> vec3<f32> {
    let gradient = 0.5 * vec3<f32>(
        value_at(at + vec3<f32>(1.0, 0.0, 0.0)) - value_at(at - vec3<f32>(1.0, 0.0, 0.0)),
        value_at(at + vec3<f32>(0.0, 1.0, 0.0)) - value_at(at - vec3<f32>(0.0, 1.0, 0.0)),
        value_at(at + vec3<f32>(0.0, 0.0, 1.0)) - value_at(at - vec3<f32>(0.0, 0.0, 1.0)),
    );
    let slope = vec3<f32>(
        dot(rays.normal_x.xyz, gradient),
        dot(rays.normal_y.xyz, gradient),
        dot(rays.normal_z.xyz, gradient),
    );
    let steepness = length(slope);
    let normal = -slope / max(steepness, 1e-6);
    let facing = select(1.0, -1.0, dot(normal, rays.view.xyz) > 0.0);
    let diffuse = max(dot(normal * facing, rays.light.xyz), 0.0);
    let halfway = normalize(rays.light.xyz - rays.view.xyz);
    let gloss = pow(max(dot(normal * facing, halfway), 0.0), 24.0);
    let surface = clamp(steepness / rays.surface.x, 0.0, 1.0);
    let shade = mix(0.7, 0.22 + 0.78 * diffuse, surface);
    return color * shade + vec3<f32>(0.16 * gloss * surface);
}

fn table_place(value: f32) -> f32 {
    return clamp((value - rays.transfer.x) * rays.transfer.y, 0.0, 1.0) * 255.0;
}

fn integral_at(place: f32) -> vec4<f32> {
    let low = u32(floor(place));
    return mix(transfer.integral[low], transfer.integral[min(low + 1u, 255u)], place - floor(place));
}

fn extinction_at(place: f32) -> vec4<f32> {
    let low = u32(floor(place));
    return mix(transfer.at[low], transfer.at[min(low + 1u, 255u)], place - floor(place));
}

@fragment
fn fs_main(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let pixel = position.xy;
    let behind = textureLoad(surface_color, vec2<i32>(pixel), 0);
    let stop_mm = textureLoad(surface_depth, vec2<i32>(pixel), 0).r;
    let start = rays.origin.xyz + rays.right.xyz * pixel.x + rays.down.xyz * pixel.y;
    let way = rays.forward.xyz;

    // Where the ray is between the outermost voxel centres.
    let last = vec3<f32>(volume.dims - vec3<i32>(1));
    let tiny = abs(way) < vec3<f32>(1e-9);
    let safe = select(way, vec3<f32>(1e-9), tiny);
    let one = -start / safe;
    let other = (last - start) / safe;
    let first = min(one, other);
    let end = max(one, other);
    let enter = max(max(first.x, first.y), first.z);
    let leave = min(min(min(end.x, end.y), end.z), stop_mm);
    if leave <= enter {
        return vec4<f32>(behind.rgb, 1.0);
    }

    let step_mm = rays.transfer.w;
    let steps = min(floor((leave - enter) / step_mm), rays.surface.y);
    var color = vec3<f32>(0.0);
    var through = 1.0;
    var n = 0.0;
    var value = value_at(start + way * enter);
    // One pass per step or skipped brick: far below the 65,535 iterations that lavapipe allows.
    for (var pass_count = 0; pass_count < 9000; pass_count++) {
        if n >= steps {
            break;
        }
        let depth = enter + n * step_mm;
        let here = clamp(start + way * depth, vec3<f32>(0.0), last);
        let brick = floor(here / BRICK);
        if textureLoad(occupied, vec3<i32>(brick), 0).r == 0u {
            // On to the last step inside this brick.
            let exits = (select(brick * BRICK, (brick + 1.0) * BRICK, safe > vec3<f32>(0.0)) - start) / safe;
            let exit = min(min(exits.x, exits.y), exits.z);
            n = max(n + 1.0, floor((exit - enter) / step_mm));
            value = value_at(start + way * (enter + n * step_mm));
            continue;
        }
        let next = value_at(start + way * (depth + step_mm));
        if max(value, next) <= rays.surface.z {
            value = next;
            n += 1.0;
            continue;
        }
        let from_place = table_place(value);
        let to_place = table_place(next);
        var optical: vec4<f32>;
        if abs(to_place - from_place) > 0.05 {
            optical = (integral_at(to_place) - integral_at(from_place)) / (to_place - from_place);
        } else {
            optical = extinction_at(0.5 * (from_place + to_place));
        }
        let alpha = 1.0 - exp(-optical.a * step_mm);
        if alpha > 0.002 {
            let shaded = lit(optical.rgb / optical.a, start + way * (depth + 0.5 * step_mm));
            color += through * alpha * shaded;
            through *= 1.0 - alpha;
            if through < 1.0 - OPAQUE {
                through = 0.0;
                break;
            }
        }
        value = next;
        n += 1.0;
    }
    return vec4<f32>(color + through * behind.rgb, 1.0);
}
