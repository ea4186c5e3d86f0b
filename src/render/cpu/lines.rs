//! Contours over a slice in plain Rust; the counterpart of `shaders/contour.wgsl`.

use crate::render::image::byte_of;
use crate::render::layer_map::{HAIRLINE_OPACITY, LineStyle, pixel_map, unit_color};
use crate::render::line_buffers::segments_of;
use crate::render::{RgbaImage, SliceScene};
use rayon::prelude::*;

type P = [f32; 2];

/// An outline in pixels.
struct Drawn {
    segments: Vec<Segment>,
    style: LineStyle,
    color: [f32; 3],
    fill: f32,
    opacity: f32,
}

struct Segment {
    before: P,
    from: P,
    to: P,
    after: P,
    way: f32,
}

/// A band of whole rows of the picture.
struct Band<'a> {
    pixels: &'a mut [u8],
    width: usize,
    top: usize,
}

impl Band<'_> {
    fn blend(&mut self, x: usize, row: usize, color: [f32; 3], opacity: f32) {
        let at = 4 * (x + self.width * row);
        for (byte, new) in self.pixels[at..at + 3].iter_mut().zip(color) {
            *byte = byte_of(f32::from(*byte) / 255.0 * (1.0 - opacity) + new * opacity);
        }
    }

    fn rows(&self) -> usize {
        self.pixels.len() / 4 / self.width
    }
}

/// Draws the outlines of a scene: all fills, all hairlines, all lines.
pub(super) fn draw(image: &mut RgbaImage, scene: &SliceScene) {
    const ROWS: usize = 32;
    let outlines: Vec<Drawn> = scene.outlines.iter().map(|outline| drawn(outline, scene)).collect();
    if outlines.is_empty() {
        return;
    }
    let hairline = unit_color(scene.theme.hairline);
    let width = image.size[0] as usize;
    image.pixels.par_chunks_mut(4 * width * ROWS).enumerate().for_each(|(index, pixels)| {
        let mut band = Band { pixels, width, top: index * ROWS };
        for outline in outlines.iter().filter(|outline| outline.fill > 0.0) {
            fill(&mut band, outline);
        }
        for outline in &outlines {
            let opacity = HAIRLINE_OPACITY * outline.opacity;
            stroke(&mut band, outline, outline.style.hairline_half_width, hairline, opacity, false);
        }
        for outline in &outlines {
            let (width, color) = (outline.style.half_width, outline.color);
            stroke(&mut band, outline, width, color, outline.opacity, outline.style.dash > 0.0);
        }
    });
}

fn drawn(outline: &crate::render::Outline, scene: &SliceScene) -> Drawn {
    let [x, y, scale] = pixel_map(&scene.camera);
    let pixel = |mm_x: f32, mm_y: f32| [x + mm_x * scale, y + mm_y * scale];
    let segments = segments_of(&outline.rings)
        .into_iter()
        .map(|s| Segment {
            before: pixel(s[0], s[1]),
            from: pixel(s[2], s[3]),
            to: pixel(s[4], s[5]),
            after: pixel(s[6], s[7]),
            way: s[8] * scale,
        })
        .collect();
    Drawn {
        segments,
        style: LineStyle::new(outline, scene.pixels_per_point),
        color: unit_color(outline.color),
        fill: outline.fill,
        opacity: outline.opacity,
    }
}

/// Fills the pixels whose centre is inside by the even-odd rule over all rings.
fn fill(band: &mut Band<'_>, outline: &Drawn) {
    let mut crossings = Vec::new();
    for row in 0..band.rows() {
        #[expect(clippy::cast_precision_loss, reason = "pixels")]
        let y = (band.top + row) as f32 + 0.5;
        crossings.clear();
        crossings.extend(
            outline
                .segments
                .iter()
                .filter(|s| (s.from[1] > y) != (s.to[1] > y))
                .map(|s| s.from[0] + (y - s.from[1]) * (s.to[0] - s.from[0]) / (s.to[1] - s.from[1])),
        );
        crossings.sort_by(f32::total_cmp);
        for pair in crossings.chunks_exact(2) {
            let first = pixel_from(pair[0] - 0.5, band.width);
            let last = pixel_from(pair[1] - 0.5, band.width);
            for x in first..last {
                band.blend(x, row, outline.color, outline.fill);
            }
        }
    }
}

/// The first pixel at or after a place, at most `limit`.
fn pixel_from(place: f32, limit: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0 or more")]
    {
        (place.ceil().max(0.0) as usize).min(limit)
    }
}

fn stroke(
    band: &mut Band<'_>,
    outline: &Drawn,
    half_width: f32,
    color: [f32; 3],
    opacity: f32,
    dashed: bool,
) {
    let reach = half_width + 1.0;
    #[expect(clippy::cast_precision_loss, reason = "pixels")]
    let (top, bottom) = (band.top as f32, (band.top + band.rows()) as f32);
    for segment in &outline.segments {
        let low = [0, 1].map(|axis| segment.from[axis].min(segment.to[axis]) - reach);
        let high = [0, 1].map(|axis| segment.from[axis].max(segment.to[axis]) + reach);
        if high[1] < top || low[1] > bottom {
            continue;
        }
        let (first, last) = (pixel_from(low[0] - 0.5, band.width), pixel_from(high[0], band.width));
        let first_row = pixel_from(low[1] - 0.5 - top, band.rows());
        for row in first_row..pixel_from(high[1] - top, band.rows()) {
            for x in first..last {
                #[expect(clippy::cast_precision_loss, reason = "pixels")]
                let p = [x as f32 + 0.5, (band.top + row) as f32 + 0.5];
                let mut cover = line_cover(p, segment, half_width);
                if dashed && cover > 0.0 {
                    cover *= dash_cover(p, segment, &outline.style);
                }
                if cover > 0.0 {
                    band.blend(x, row, color, opacity * cover);
                }
            }
        }
    }
}

fn minus(a: P, b: P) -> P {
    [a[0] - b[0], a[1] - b[1]]
}

fn length(a: P) -> f32 {
    (a[0] * a[0] + a[1] * a[1]).sqrt()
}

fn along_part(p: P, a: P, b: P) -> f32 {
    let (edge, to_p) = (minus(b, a), minus(p, a));
    (to_p[0] * edge[0] + to_p[1] * edge[1]) / (edge[0] * edge[0] + edge[1] * edge[1]).max(1e-12)
}

/// Exactly the distance to an end beyond it, so that neighbours agree to the bit at their joint.
fn edge_distance(p: P, a: P, b: P) -> f32 {
    let part = along_part(p, a, b);
    if part <= 0.0 {
        return length(minus(p, a));
    }
    if part >= 1.0 {
        return length(minus(p, b));
    }
    length(minus(p, [a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part]))
}

fn line_cover(p: P, segment: &Segment, half_width: f32) -> f32 {
    let near = edge_distance(p, segment.from, segment.to);
    let cover = (half_width + 0.5 - near).clamp(0.0, 1.0);
    if cover <= 0.0
        || near >= edge_distance(p, segment.before, segment.from)
        || near > edge_distance(p, segment.to, segment.after)
    {
        return 0.0;
    }
    cover
}

fn dash_cover(p: P, segment: &Segment, style: &LineStyle) -> f32 {
    let period = style.dash + style.gap;
    let part = along_part(p, segment.from, segment.to).clamp(0.0, 1.0);
    let way = segment.way + part * length(minus(segment.to, segment.from));
    let from_middle = (way - (way / period).floor() * period - style.dash * 0.5).abs();
    (style.dash * 0.5 + 0.5 - from_middle.min(period - from_middle)).clamp(0.0, 1.0)
}
