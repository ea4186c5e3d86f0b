//! Text burnt into pictures: glyph outlines of the window's own font, filled with soft edges.

use super::RgbaImage;
use skrifa::instance::{LocationRef, Size};
use skrifa::outline::{DrawSettings, OutlinePen};
use skrifa::{FontRef, MetadataProvider};

/// Where a text stands relative to its anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Center,
    Right,
}

/// The edges of glyph outlines, pixels, y down.
#[derive(Default)]
struct Edges {
    lines: Vec<[[f32; 2]; 2]>,
    start: [f32; 2],
    at: [f32; 2],
    offset: [f32; 2],
}

impl Edges {
    fn placed(&self, x: f32, y: f32) -> [f32; 2] {
        [self.offset[0] + x, self.offset[1] - y]
    }

    fn line(&mut self, to: [f32; 2]) {
        self.lines.push([self.at, to]);
        self.at = to;
    }
}

impl OutlinePen for Edges {
    fn move_to(&mut self, x: f32, y: f32) {
        self.start = self.placed(x, y);
        self.at = self.start;
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.line(self.placed(x, y));
    }

    fn quad_to(&mut self, cx0: f32, cy0: f32, x: f32, y: f32) {
        let (from, control, to) = (self.at, self.placed(cx0, cy0), self.placed(x, y));
        for t in [0.25, 0.5, 0.75, 1.0_f32] {
            let s = 1.0 - t;
            self.line([0, 1].map(|a| s * s * from[a] + 2.0 * s * t * control[a] + t * t * to[a]));
        }
    }

    fn curve_to(&mut self, cx0: f32, cy0: f32, cx1: f32, cy1: f32, x: f32, y: f32) {
        let points = [self.at, self.placed(cx0, cy0), self.placed(cx1, cy1), self.placed(x, y)];
        for t in [0.2, 0.4, 0.6, 0.8, 1.0_f32] {
            let s = 1.0 - t;
            let weights = [s * s * s, 3.0 * s * s * t, 3.0 * s * t * t, t * t * t];
            self.line([0, 1].map(|a| (0..4).map(|n| weights[n] * points[n][a]).sum()));
        }
    }

    fn close(&mut self) {
        self.line(self.start);
    }
}

/// The outlines of a line of text whose baseline starts at the origin, and its width.
fn outlines(text: &str, size_px: f32) -> (Edges, f32) {
    let mut edges = Edges::default();
    let mut width = 0.0;
    let Ok(font) = FontRef::new(epaint_default_fonts::UBUNTU_LIGHT) else { return (edges, width) };
    let (size, location) = (Size::new(size_px), LocationRef::default());
    let (charmap, glyphs, metrics) =
        (font.charmap(), font.outline_glyphs(), font.glyph_metrics(size, location));
    for character in text.chars() {
        let Some(id) = charmap.map(character).or_else(|| charmap.map('?')) else { continue };
        edges.offset = [width, 0.0];
        if let Some(glyph) = glyphs.get(id) {
            // A glyph that cannot be drawn leaves its place empty.
            let _ = glyph.draw(DrawSettings::unhinted(size, location), &mut edges);
        }
        width += metrics.advance_width(id).unwrap_or(0.0);
    }
    (edges, width)
}

/// The width of a line of text, pixels.
#[cfg(test)]
fn width(text: &str, size_px: f32) -> f32 {
    outlines(text, size_px).1
}

/// Draws a line of text with its baseline at `at`, over a soft dark rim that keeps it readable on
/// white. Letters that the font lacks become question marks.
pub(super) fn draw(
    image: &mut RgbaImage,
    text: &str,
    at: [f32; 2],
    align: Align,
    size_px: f32,
    color: [f32; 3],
) {
    let (edges, width) = outlines(text, size_px);
    let left = match align {
        Align::Left => at[0],
        Align::Center => at[0] - width / 2.0,
        Align::Right => at[0] - width,
    };
    let origin = [left, at[1]].map(f32::floor);
    let rim = (size_px / 7.0).max(1.5);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "pixels of a line of text")]
    let (cols, rows) = ((width + 4.0 * rim) as usize + 2, (size_px * 1.7 + 4.0 * rim) as usize + 2);
    // The mask's own origin lies this far from the baseline's start.
    let margin = [2.0 * rim, size_px * 1.2 + 2.0 * rim].map(f32::floor);
    let cover = coverage(&edges.lines, [cols, rows], margin);
    #[expect(clippy::cast_possible_truncation, reason = "pixels")]
    let corner = [0, 1].map(|axis| (origin[axis] - margin[axis]) as i32);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "pixels of a line of text"
    )]
    let place = |x: usize, y: usize| [corner[0] + x as i32, corner[1] + y as i32];
    let reach = {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few pixels")]
        let reach = rim.ceil() as usize;
        reach
    };
    for y in 0..rows {
        for x in 0..cols {
            let mut dark = 0.0_f32;
            for v in y.saturating_sub(reach)..(y + reach + 1).min(rows) {
                for u in x.saturating_sub(reach)..(x + reach + 1).min(cols) {
                    #[expect(clippy::cast_precision_loss, reason = "a few pixels")]
                    let distance = (u.abs_diff(x) as f32).hypot(v.abs_diff(y) as f32);
                    dark = dark.max(cover[u + cols * v] * (1.0 - distance / (rim + 0.5)).clamp(0.0, 1.0));
                }
            }
            image.blend(place(x, y), [0.0; 3], 0.85 * dark);
        }
    }
    for y in 0..rows {
        for x in 0..cols {
            // The font is a light one; small letters are strengthened a little.
            image.blend(place(x, y), color, (cover[x + cols * y] * 1.35).min(1.0));
        }
    }
}

/// How much of each pixel lies inside the outlines (non-zero winding), sampled five times down
/// and exactly across.
fn coverage(edges: &[[[f32; 2]; 2]], [cols, rows]: [usize; 2], margin: [f32; 2]) -> Vec<f32> {
    const DOWN: usize = 5;
    let mut cover = vec![0.0; cols * rows];
    let mut crossings: Vec<(f32, i32)> = Vec::new();
    for line in 0..rows * DOWN {
        #[expect(clippy::cast_precision_loss, reason = "pixels")]
        let y = (line as f32 + 0.5) / DOWN as f32 - margin[1];
        crossings.clear();
        for [a, b] in edges.iter().filter(|[a, b]| (a[1] > y) != (b[1] > y)) {
            let x = a[0] + (y - a[1]) * (b[0] - a[0]) / (b[1] - a[1]) + margin[0];
            crossings.push((x, if b[1] > a[1] { 1 } else { -1 }));
        }
        crossings.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut winding = 0;
        for pair in crossings.windows(2) {
            winding += pair[0].1;
            if winding != 0 {
                let row = &mut cover[cols * (line / DOWN)..cols * (line / DOWN + 1)];
                add_span(row, pair[0].0, pair[1].0);
            }
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "5")]
    for part in &mut cover {
        *part /= DOWN as f32;
    }
    cover
}

fn add_span(row: &mut [f32], from: f32, to: f32) {
    for (x, cover) in row.iter_mut().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "pixels")]
        let left = x as f32;
        *cover += (to.min(left + 1.0) - from.max(left)).max(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_width_and_leaves_ink() {
        assert!(width("WW", 14.0) > width("ii", 14.0));
        let mut image = RgbaImage::filled([60, 30], [255; 3]);
        draw(&mut image, "L", [30.0, 20.0], Align::Center, 14.0, [1.0; 3]);
        let dark = image.pixels.chunks_exact(4).filter(|p| p[0] < 200).count();
        assert!(dark > 20, "a rim on white: {dark} pixels");
    }

    #[test]
    fn a_square_covers_its_pixels() {
        let corners = [[1.0, 1.0], [3.5, 1.0], [3.5, 3.0], [1.0, 3.0]];
        let edges: Vec<[[f32; 2]; 2]> = (0..4).map(|i| [corners[i], corners[(i + 1) % 4]]).collect();
        let cover = coverage(&edges, [5, 4], [0.0, 0.0]);
        assert!((cover[5 + 1] - 1.0).abs() < 1e-6 && (cover[5 + 3] - 0.5).abs() < 1e-6 && cover[0] < 1e-6);
    }
}
