// Lit surfaces of the structures, with the distance at which the volume's rays stop. Stands alone.

struct View {
    // Screen right, down and away from the viewer, patient mm; w: the target's component.
    right: vec4<f32>,
    down: vec4<f32>,
    forward: vec4<f32>,
    // Half the picture's width and height in mm, the depth range's start and length in mm.
    extent: vec4<f32>,
    background: vec4<f32>,
}

struct Material {
    color: vec4<f32>,
}

struct Placed {
    @builtin(position) position: vec4<f32>,
    @location(0) normal: vec3<f32>,
    @location(1) depth_mm: f32,
}

struct Lit {
    @location(0) color: vec4<f32>,
    @location(1) depth_mm: f32,
}

@group(0) @binding(0) var<uniform> view: View;
@group(1) @binding(0) var<uniform> material: Material;

@vertex
fn vs_main(@location(0) position_mm: vec3<f32>, @location(1) normal: vec3<f32>) -> Placed {
    let x = dot(view.right.xyz, position_mm) - view.right.w;
    let y = dot(view.down.xyz, position_mm) - view.down.w;
    let z = dot(view.forward.xyz, position_mm) - view.forward.w;
    var out: Placed;
    out.position = vec4<f32>(
        x / view.extent.x,
        -y / view.extent.y,
        (z - view.extent.z) / view.extent.w,
        1.0,
    );
    out.normal = normal;
    out.depth_mm = z;
    return out;
}

@fragment
fn fs_main(in: Placed) -> Lit {
    // The light stands over the viewer's left shoulder; a surface seen from inside is lit as well.
    let light = normalize(-view.forward.xyz - 0.45 * view.down.xyz - 0.35 * view.right.xyz);
    let normal = in.normal / max(length(in.normal), 1e-6);
    let facing = select(1.0, -1.0, dot(normal, view.forward.xyz) > 0.0);
    let diffuse = max(dot(normal * facing, light), 0.0);
    let halfway = normalize(light - view.forward.xyz);
    let gloss = pow(max(dot(normal * facing, halfway), 0.0), 32.0);
    var out: Lit;
    out.color = vec4<f32>(material.color.rgb * (0.28 + 0.72 * diffuse) + vec3<f32>(0.18 * gloss), 1.0);
    out.depth_mm = in.depth_mm;
    return out;
}
