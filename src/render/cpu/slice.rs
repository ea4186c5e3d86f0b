//! One slice in plain Rust; the counterpart of `shaders/slice.wgsl`.

use super::sample::{Sampler, Texel, is_whole, with_sampler};
use crate::patient::Volume;
use crate::render::gpu_volume::{NO_VALUE, OUTSIDE_F32};
use crate::render::image::byte_of;
use crate::render::layer_map::{LayerMap, hatch, unit_color};
use crate::render::{ColorMap, Interpolation, RgbaImage, SliceScene, Window};
use rayon::prelude::*;

/// Draws a slice scene. A volume whose voxels do not fill its grid is not drawn.
#[must_use]
pub fn render(scene: &SliceScene) -> RgbaImage {
    let size = scene.camera.size_px.map(|n| n.max(1));
    let mut image = RgbaImage::filled(size, scene.theme.background);
    let width = size[0] as usize;
    // The layers are mixed before they are rounded to bytes, as in the shader.
    let mut colors = vec![unit_color(scene.theme.background); width * size[1] as usize];
    if let Some(volume) = scene.volume.as_deref().filter(|volume| is_whole(volume)) {
        with_sampler!(volume, |sampler| base_layer(&mut colors, width, scene, volume, &sampler));
    }
    if let Some(layer) = scene.fusion.as_ref().filter(|layer| is_whole(&layer.volume)) {
        let volume = &*layer.volume;
        with_sampler!(volume, |sampler| over(&mut colors, width, scene, volume, &sampler, |value, color| {
            if value > NO_VALUE {
                let t = brightness(layer.window, value);
                let amount = layer.opacity * layer.color_map.presence(t);
                let new = layer.color_map.color(t);
                for (old, new) in color.iter_mut().zip(new) {
                    *old = *old * (1.0 - amount) + new * amount;
                }
            }
        }));
    }
    image.pixels.par_chunks_exact_mut(4).zip(&colors).for_each(|(pixel, color)| {
        pixel[..3].copy_from_slice(&color.map(byte_of));
    });
    super::lines::draw(&mut image, scene);
    image
}

/// As the shader has it: with the width's inverse.
fn brightness(window: Window, value: f32) -> f32 {
    ((value - window.low()) * (1.0 / window.width)).clamp(0.0, 1.0)
}

fn base_layer<T: Texel>(
    colors: &mut [[f32; 3]],
    width: usize,
    scene: &SliceScene,
    volume: &Volume,
    sampler: &Sampler<'_, T>,
) {
    let theme = &scene.theme;
    let [outside, missing] = [theme.outside, theme.missing].map(|pair| pair.map(unit_color));
    let hatched = |[ground, line]: [[f32; 3]; 2], pixel: [f32; 2]| {
        let cover = hatch_cover(pixel, scene.pixels_per_point);
        [0, 1, 2].map(|c| ground[c] * (1.0 - cover) + line[c] * cover)
    };
    let (window, map): (Window, ColorMap) = (scene.window, scene.color_map);
    rows(colors, width, scene, volume, sampler, |value, pixel, color| {
        *color = if value > NO_VALUE {
            map.color(brightness(window, value))
        } else if value > 1.5 * OUTSIDE_F32 {
            hatched(outside, pixel)
        } else {
            hatched(missing, pixel)
        };
    });
}

fn over<T: Texel>(
    colors: &mut [[f32; 3]],
    width: usize,
    scene: &SliceScene,
    volume: &Volume,
    sampler: &Sampler<'_, T>,
    paint: impl Fn(f32, &mut [f32; 3]) + Sync,
) {
    rows(colors, width, scene, volume, sampler, |value, _, color| paint(value, color));
}

/// Calls `paint` with the sampled value, for each pixel within the volume.
fn rows<T: Texel>(
    colors: &mut [[f32; 3]],
    width: usize,
    scene: &SliceScene,
    volume: &Volume,
    sampler: &Sampler<'_, T>,
    paint: impl Fn(f32, [f32; 2], &mut [f32; 3]) + Sync,
) {
    let layer = LayerMap::new(&volume.grid, &scene.camera);
    colors.par_chunks_mut(width).enumerate().for_each(|(y, row)| {
        for (x, color) in row.iter_mut().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "pixels")]
            let pixel = [x as f32 + 0.5, y as f32 + 0.5];
            let at = layer.at(pixel);
            if sampler.holds(at) {
                let value = match scene.interpolation {
                    Interpolation::Linear => sampler.linear(at),
                    Interpolation::Nearest => sampler.nearest(at),
                };
                paint(value, pixel, color);
            }
        }
    });
}

/// How much of the hatch's line covers a pixel.
fn hatch_cover([x, y]: [f32; 2], pixels_per_point: f32) -> f32 {
    let [period, line] = hatch(pixels_per_point);
    let turns = (x + y) / period;
    let across = (turns - turns.floor() - 0.5).abs() * period * std::f32::consts::FRAC_1_SQRT_2;
    (line * 0.5 + 0.5 - across).clamp(0.0, 1.0)
}
