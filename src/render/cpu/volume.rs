//! Ray casting in plain Rust; the counterpart of `shaders/volume.wgsl`.

use super::sample::{Sampler, Texel, is_whole, with_sampler};
use super::surfaces::{self, Hit, dot, halfway};
use crate::patient::Volume;
use crate::render::image::byte_of;
use crate::render::ray_map::{MOST_STEPS, RayMap, light_and_view, rendered_size};
use crate::render::transfer::{BRICK, Bricks, TABLE, TransferTable};
use crate::render::{RgbaImage, VolumeScene};
use rayon::prelude::*;

/// From this opacity on a ray ends.
const OPAQUE: f32 = 0.985;

/// Draws a 3D scene. A volume whose voxels do not fill its grid is not drawn.
#[must_use]
pub fn render(scene: &VolumeScene) -> RgbaImage {
    let size = rendered_size(scene);
    let hits = surfaces::render(scene);
    let volume = scene.volume.as_deref().filter(|volume| is_whole(volume));
    let table = volume.and_then(|volume| TransferTable::new(&scene.style.knots(volume.unit, scene.window)));
    let colors = match (volume, &table) {
        (Some(volume), Some(table)) => {
            with_sampler!(volume, |sampler| cast_all(scene, volume, &sampler, table, &hits))
        }
        _ => hits.iter().map(|hit| hit.0).collect(),
    };
    let mut image = RgbaImage::filled(size, scene.background);
    for (pixel, color) in image.pixels.chunks_exact_mut(4).zip(&colors) {
        pixel[..3].copy_from_slice(&color.map(byte_of));
    }
    image.resized(scene.size_px.map(|n| n.max(1)))
}

struct Caster<'a, T> {
    sampler: &'a Sampler<'a, T>,
    table: &'a TransferTable,
    map: RayMap,
    light: [f32; 3],
    view: [f32; 3],
    halfway: [f32; 3],
    brick_dims: [usize; 3],
    occupied: Vec<u8>,
    /// Nothing shows up to this value.
    below: f32,
}

fn cast_all<T: Texel>(
    scene: &VolumeScene,
    volume: &Volume,
    sampler: &Sampler<'_, T>,
    table: &TransferTable,
    hits: &[Hit],
) -> Vec<[f32; 3]> {
    let bricks = Bricks::new(volume, 1);
    let (light, view) = light_and_view(scene);
    let caster = Caster {
        sampler,
        table,
        map: RayMap::new(scene, &volume.grid, 1),
        light,
        view,
        halfway: halfway(light, view),
        brick_dims: bricks.dims,
        occupied: bricks.occupied(table),
        below: table.invisible_below(),
    };
    let width = rendered_size(scene)[0] as usize;
    // Small pieces: rays through the body cost many times those beside it.
    let mut colors = vec![[0.0; 3]; hits.len()];
    colors.par_chunks_mut(128).zip(hits.par_chunks(128)).enumerate().for_each(|(chunk, (colors, hits))| {
        for (index, (color, hit)) in colors.iter_mut().zip(hits).enumerate() {
            let at = chunk * 128 + index;
            #[expect(clippy::cast_precision_loss, reason = "pixels")]
            let pixel = [(at % width) as f32 + 0.5, (at / width) as f32 + 0.5];
            *color = caster.cast(pixel, *hit);
        }
    });
    colors
}

impl<T: Texel> Caster<'_, T> {
    fn value(&self, at: [f32; 3]) -> f32 {
        self.sampler.floored(at, self.table.floor)
    }

    /// The colour of one ray.
    fn cast(&self, pixel: [f32; 2], (behind, stop_mm): Hit) -> [f32; 3] {
        let start = self.map.start(pixel);
        let way = self.map.forward;
        #[expect(clippy::cast_precision_loss, reason = "image dimensions")]
        let last = self.sampler.last().map(|n| n as f32);
        let safe = way.map(|w| if w.abs() < 1e-9 { 1e-9 } else { w });
        let (mut enter, mut leave) = (f32::MIN, stop_mm);
        for axis in 0..3 {
            let (one, other) = (-start[axis] / safe[axis], (last[axis] - start[axis]) / safe[axis]);
            enter = enter.max(one.min(other));
            leave = leave.min(one.max(other));
        }
        if leave <= enter {
            return behind;
        }
        let step = self.map.step_mm;
        #[expect(clippy::cast_possible_truncation, reason = "4096")]
        let steps = ((leave - enter) / step).floor().min(MOST_STEPS as f32);
        let at = |depth: f32| [0, 1, 2].map(|axis| start[axis] + way[axis] * depth);
        let (mut color, mut through) = ([0.0_f32; 3], 1.0_f32);
        let mut n = 0.0;
        let mut value = self.value(at(enter));
        // Bricks are looked up once each: `brick` is the one the ray is in, which shows something.
        let mut brick = usize::MAX;
        while n < steps {
            let depth = enter + n * step;
            let (corner, index) = self.brick_at(at(depth), last);
            if index != brick {
                if self.occupied[index] == 0 {
                    let exit = exit_of(corner, start, safe);
                    n = (n + 1.0_f32).max(((exit - enter) / step).floor());
                    value = self.value(at(enter + n * step));
                    continue;
                }
                brick = index;
            }
            let next = self.value(at(depth + step));
            if value.max(next) <= self.below {
                value = next;
                n += 1.0;
                continue;
            }
            let optical = self.optical(value, next);
            let alpha = 1.0 - (-optical[3] * step).exp();
            if alpha > 0.002 {
                let plain = [0, 1, 2].map(|c| optical[c] / optical[3]);
                let shaded = self.lit(plain, at(depth + 0.5 * step));
                for (sum, new) in color.iter_mut().zip(shaded) {
                    *sum += through * alpha * new;
                }
                through *= 1.0 - alpha;
                if through < 1.0 - OPAQUE {
                    through = 0.0;
                    break;
                }
            }
            value = next;
            n += 1.0;
        }
        [0, 1, 2].map(|c| color[c] + through * behind[c])
    }

    /// The first corner (voxel coordinates) and the index of the brick at `here`.
    #[inline]
    fn brick_at(&self, here: [f32; 3], last: [f32; 3]) -> ([f32; 3], usize) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the volume")]
        let [i, j, k] = [0, 1, 2].map(|axis| here[axis].clamp(0.0, last[axis]) as usize / BRICK);
        #[expect(clippy::cast_precision_loss, reason = "image dimensions")]
        let corner = [i, j, k].map(|b| (b * BRICK) as f32);
        (corner, i + self.brick_dims[0] * (j + self.brick_dims[1] * k))
    }

    /// Mean extinction times colour, and mean extinction, over the values between two samples.
    fn optical(&self, from: f32, to: f32) -> [f32; 4] {
        let [from, to] = [from, to].map(|value| self.place(value));
        if (to - from).abs() > 0.05 {
            let (a, b) = (entry(&self.table.integral, from), entry(&self.table.integral, to));
            [0, 1, 2, 3].map(|c| (b[c] - a[c]) / (to - from))
        } else {
            entry(&self.table.at, 0.5 * (from + to))
        }
    }

    fn place(&self, value: f32) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "255")]
        let places = (TABLE - 1) as f32;
        ((value - self.table.low) * (1.0 / (self.table.high - self.table.low))).clamp(0.0, 1.0) * places
    }

    fn lit(&self, color: [f32; 3], at: [f32; 3]) -> [f32; 3] {
        let gradient = [0, 1, 2].map(|axis| {
            let (mut before, mut after) = (at, at);
            before[axis] -= 1.0;
            after[axis] += 1.0;
            0.5 * (self.value(after) - self.value(before))
        });
        let slope = self.map.normal.map(|row| dot(row, gradient));
        let steepness = dot(slope, slope).sqrt();
        let normal = slope.map(|s| -s / steepness.max(1e-6));
        let facing = if dot(normal, self.view) > 0.0 { -1.0 } else { 1.0 };
        let normal = normal.map(|n| n * facing);
        let diffuse = dot(normal, self.light).max(0.0);
        let gloss = dot(normal, self.halfway).max(0.0).powi(24);
        let surface = (steepness / self.table.surface_gradient).clamp(0.0, 1.0);
        let shade = 0.7 * (1.0 - surface) + (0.22 + 0.78 * diffuse) * surface;
        color.map(|c| c * shade + 0.16 * gloss * surface)
    }
}

/// The depth at which a ray leaves the brick at `corner`.
fn exit_of(corner: [f32; 3], start: [f32; 3], safe: [f32; 3]) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "8")]
    let edge = BRICK as f32;
    let exit = |axis: usize| {
        let face = if safe[axis] > 0.0 { corner[axis] + edge } else { corner[axis] };
        (face - start[axis]) / safe[axis]
    };
    exit(0).min(exit(1)).min(exit(2))
}

fn entry(table: &[[f32; 4]], place: f32) -> [f32; 4] {
    let low = place.floor();
    let t = place - low;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
    let index = low as usize;
    let (a, b) = (table[index], table[(index + 1).min(table.len() - 1)]);
    [0, 1, 2, 3].map(|c| a[c] * (1.0 - t) + b[c] * t)
}
