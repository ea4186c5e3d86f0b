// What every shader shares: reading voxels of a volume with explicit interpolation, so that all
// drivers (and the plain Rust renderer) agree, and the full-screen triangle.

// A volume's voxels may be split into tiles that lie side by side in the texture, where a
// dimension exceeds what the graphics driver allows for a 3D texture.
struct Volume {
    dims: vec3<i32>,
    is_float: u32,
    tile: vec3<i32>,
    tile_count: i32,
    tiles: vec3<i32>,
    _pad0: i32,
    arranged: vec3<i32>,
    _pad1: i32,
}

// Stored where there is no value: outside the scan, or on a slice that the series lacks.
const OUTSIDE: f32 = -1e30;
const MISSING: f32 = -2e30;
const NO_VALUE: f32 = -1e29;
const OUTSIDE_I16: i32 = -32768;
const MISSING_I16: i32 = -32767;

fn texel_of(volume: Volume, voxel: vec3<i32>) -> vec3<i32> {
    if volume.tile_count == 1 {
        return voxel;
    }
    let tile = voxel / volume.tile;
    let flat = tile.x + volume.tiles.x * (tile.y + volume.tiles.y * tile.z);
    let place = vec3<i32>(
        flat % volume.arranged.x,
        (flat / volume.arranged.x) % volume.arranged.y,
        flat / (volume.arranged.x * volume.arranged.y),
    );
    return place * volume.tile + (voxel - tile * volume.tile);
}

// The value of a voxel; coordinates beyond the edge are taken at the edge.
fn voxel_value(ints: texture_3d<i32>, floats: texture_3d<f32>, volume: Volume, voxel: vec3<i32>) -> f32 {
    let texel = texel_of(volume, clamp(voxel, vec3<i32>(0), volume.dims - vec3<i32>(1)));
    if volume.is_float != 0u {
        return textureLoad(floats, texel, 0).r;
    }
    let value = textureLoad(ints, texel, 0).r;
    if value <= MISSING_I16 {
        return select(OUTSIDE, MISSING, value == MISSING_I16);
    }
    return f32(value);
}

// Whether voxel coordinates lie within the outer faces of the volume's voxels.
fn is_in_volume(volume: Volume, at: vec3<f32>) -> bool {
    return all(at >= vec3<f32>(-0.5)) && all(at < vec3<f32>(volume.dims) - vec3<f32>(0.5));
}

struct Corners {
    near: vec4<f32>,
    far: vec4<f32>,
    weight: vec3<f32>,
}

// The eight voxels around a position, k in `near`, k + 1 in `far`; i fastest within each.
fn corners_at(ints: texture_3d<i32>, floats: texture_3d<f32>, volume: Volume, at: vec3<f32>) -> Corners {
    let low = floor(at);
    let p = vec3<i32>(low);
    var corners: Corners;
    corners.weight = at - low;
    corners.near = vec4<f32>(
        voxel_value(ints, floats, volume, p),
        voxel_value(ints, floats, volume, p + vec3<i32>(1, 0, 0)),
        voxel_value(ints, floats, volume, p + vec3<i32>(0, 1, 0)),
        voxel_value(ints, floats, volume, p + vec3<i32>(1, 1, 0)),
    );
    corners.far = vec4<f32>(
        voxel_value(ints, floats, volume, p + vec3<i32>(0, 0, 1)),
        voxel_value(ints, floats, volume, p + vec3<i32>(1, 0, 1)),
        voxel_value(ints, floats, volume, p + vec3<i32>(0, 1, 1)),
        voxel_value(ints, floats, volume, p + vec3<i32>(1, 1, 1)),
    );
    return corners;
}

fn mixed(values: vec4<f32>, weight: vec3<f32>) -> f32 {
    let along = mix(values.xz, values.yw, weight.xx);
    return mix(along.x, along.y, weight.y);
}

// Trilinear over the voxels that have a value; without a value where the nearest has none.
fn linear_value(ints: texture_3d<i32>, floats: texture_3d<f32>, volume: Volume, at: vec3<f32>) -> f32 {
    let corners = corners_at(ints, floats, volume, at);
    let least = min(corners.near, corners.far);
    if min(min(least.x, least.y), min(least.z, least.w)) > NO_VALUE {
        return mix(mixed(corners.near, corners.weight), mixed(corners.far, corners.weight), corners.weight.z);
    }
    let nearest = voxel_value(ints, floats, volume, vec3<i32>(floor(at + 0.5)));
    if nearest <= NO_VALUE {
        return nearest;
    }
    let has_near = select(vec4<f32>(0.0), vec4<f32>(1.0), corners.near > vec4<f32>(NO_VALUE));
    let has_far = select(vec4<f32>(0.0), vec4<f32>(1.0), corners.far > vec4<f32>(NO_VALUE));
    let w = corners.weight;
    let sum = mix(mixed(has_near * corners.near, w), mixed(has_far * corners.far, w), w.z);
    let total = mix(mixed(has_near, w), mixed(has_far, w), w.z);
    return sum / max(total, 1e-6);
}

fn full_screen_corner(index: u32) -> vec4<f32> {
    return vec4<f32>(f32(index & 1u) * 4.0 - 1.0, f32(index >> 1u) * 4.0 - 1.0, 0.0, 1.0);
}
