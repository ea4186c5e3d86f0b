//! Lit structure surfaces in plain Rust; the counterpart of `shaders/mesh.wgsl`.

use crate::render::layer_map::{to_f32, unit_color};
use crate::render::ray_map::{light_and_view, rendered_mm_per_pixel, rendered_size};
use crate::render::{SurfaceMesh, VolumeScene};
use rayon::prelude::*;

/// The colour and the distance (mm, 1e30 where there is none) of the nearest surface at a pixel.
pub(super) type Hit = ([f32; 3], f32);

/// A mesh as seen: pixel x and y and distance in mm of each vertex.
struct Projected<'a> {
    mesh: &'a SurfaceMesh,
    vertices: Vec<[f32; 3]>,
    color: [f32; 3],
}

/// The nearest surface at each pixel of the rendered picture, rows from the top.
pub(super) fn render(scene: &VolumeScene) -> Vec<Hit> {
    const ROWS: usize = 32;
    let [width, height] = rendered_size(scene).map(|n| n as usize);
    let mut hits = vec![(unit_color(scene.background), 1e30); width * height];
    let projected: Vec<Projected<'_>> = scene.meshes.iter().filter_map(|mesh| project(scene, mesh)).collect();
    if !projected.is_empty() {
        hits.par_chunks_mut(width * ROWS).enumerate().for_each(|(band, hits)| {
            for mesh in &projected {
                draw_band(scene, mesh, band * ROWS, width, hits);
            }
        });
    }
    hits
}

/// `None` for a mesh whose arrays do not fit together.
fn project<'a>(scene: &VolumeScene, mesh: &'a SurfaceMesh) -> Option<Projected<'a>> {
    let count = mesh.positions.len();
    if mesh.normals.len() != count || mesh.indices.iter().any(|index| *index as usize >= count) {
        return None;
    }
    let (right, down, forward) = scene.camera.axes();
    let [width, height] = rendered_size(scene).map(f64::from);
    let [mm_x, mm_y] = rendered_mm_per_pixel(scene);
    let target = scene.camera.target_mm.coords;
    let vertices = mesh
        .positions
        .iter()
        .map(|p| {
            let offset = nalgebra::Vector3::new(p[0], p[1], p[2]).cast::<f64>() - target;
            to_f32(nalgebra::Vector3::new(
                width / 2.0 + right.dot(&offset) / mm_x,
                height / 2.0 + down.dot(&offset) / mm_y,
                forward.dot(&offset),
            ))
        })
        .collect();
    Some(Projected { mesh, vertices, color: unit_color(mesh.color) })
}

fn draw_band(scene: &VolumeScene, projected: &Projected<'_>, top: usize, width: usize, hits: &mut [Hit]) {
    let rows = hits.len() / width;
    let (light, view) = light_and_view(scene);
    #[expect(clippy::cast_precision_loss, reason = "pixels")]
    let (band_top, band_bottom, right_edge) = (top as f32, (top + rows) as f32, width as f32);
    for triangle in projected.mesh.indices.chunks_exact(3) {
        let index = [triangle[0] as usize, triangle[1] as usize, triangle[2] as usize];
        let [a, b, c] = index.map(|i| projected.vertices[i]);
        let low = [0, 1].map(|axis| a[axis].min(b[axis]).min(c[axis]));
        let high = [0, 1].map(|axis| a[axis].max(b[axis]).max(c[axis]));
        let area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
        if high[1] < band_top || low[1] > band_bottom || high[0] < 0.0 || low[0] > right_edge || area == 0.0 {
            continue;
        }
        let span = |low: f32, high: f32, limit: usize| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 or more")]
            let pixel = |x: f32| (x.max(0.0) as usize).min(limit);
            pixel((low - 0.5).ceil())..pixel((high + 0.5).floor())
        };
        for row in span(low[1] - band_top, high[1] - band_top, rows) {
            for x in span(low[0], high[0], width) {
                #[expect(clippy::cast_precision_loss, reason = "pixels")]
                let p = [x as f32 + 0.5, (top + row) as f32 + 0.5];
                let part = |s: [f32; 3], e: [f32; 3]| {
                    ((e[0] - s[0]) * (p[1] - s[1]) - (e[1] - s[1]) * (p[0] - s[0])) / area
                };
                let weight = [part(b, c), part(c, a), part(a, b)];
                if weight.iter().any(|w| *w < 0.0) {
                    continue;
                }
                let depth = weight[0] * a[2] + weight[1] * b[2] + weight[2] * c[2];
                let hit = &mut hits[x + width * row];
                if depth < hit.1 {
                    let [na, nb, nc] = index.map(|i| projected.mesh.normals[i]);
                    let normal = [0, 1, 2]
                        .map(|axis| weight[0] * na[axis] + weight[1] * nb[axis] + weight[2] * nc[axis]);
                    *hit = (lit(projected.color, normal, light, view), depth);
                }
            }
        }
    }
}

pub(super) fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// The unit vector half way between the light and the viewer.
pub(super) fn halfway(light: [f32; 3], view: [f32; 3]) -> [f32; 3] {
    let sum = [0, 1, 2].map(|axis| light[axis] - view[axis]);
    let length = dot(sum, sum).sqrt().max(1e-6);
    sum.map(|x| x / length)
}

fn lit(color: [f32; 3], normal: [f32; 3], light: [f32; 3], view: [f32; 3]) -> [f32; 3] {
    let length = dot(normal, normal).sqrt().max(1e-6);
    let facing = if dot(normal, view) > 0.0 { -1.0 } else { 1.0 };
    let normal = normal.map(|x| x / length * facing);
    let diffuse = dot(normal, light).max(0.0);
    let gloss = dot(normal, halfway(light, view)).max(0.0).powi(32);
    color.map(|c| c * (0.28 + 0.72 * diffuse) + 0.18 * gloss)
}
