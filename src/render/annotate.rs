//! What is burnt into pictures to keep: orientation, scale, position, patient.

use super::text::{Align, draw};
use super::{OrbitCamera, RgbaImage, SliceCamera, VolumeScene};

/// The words in a picture's corners; empty lines are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    /// Upper left: the patient.
    pub patient: Vec<String>,
    /// Upper right: the series and the view.
    pub series: Vec<String>,
    /// Lower left: position and window.
    pub position: Vec<String>,
    /// Whether the patient is not a person: marked in amber.
    pub synthetic: bool,
}

const INK: [f32; 3] = [0.90, 0.91, 0.92];
const AMBER: [f32; 3] = [0.98, 0.74, 0.28];

/// A round length for a scale bar of at most `most_px`: its length in mm (1, 2 or 5 times a power
/// of ten) and in pixels.
#[must_use]
pub fn scale_bar(mm_per_pixel: f64, most_px: f64) -> (f64, f64) {
    let most_mm = (mm_per_pixel * most_px).max(1e-9);
    let decade = 10f64.powf(most_mm.log10().floor());
    let factor = [5.0, 2.0, 1.0].into_iter().find(|factor| factor * decade <= most_mm).unwrap_or(1.0);
    (factor * decade, factor * decade / mm_per_pixel)
}

/// A length as text: millimetres below a centimetre, else centimetres.
#[must_use]
pub fn length_text(length_mm: f64) -> String {
    if length_mm < 10.0 { format!("{length_mm} mm") } else { format!("{} cm", length_mm / 10.0) }
}

/// Burns orientation letters, a scale bar and the labels into a slice picture.
pub fn annotate_slice(image: &mut RgbaImage, camera: &SliceCamera, labels: &Labels) {
    let size = text_size(image);
    let [width, height] = extent(image);
    let [left, right, top, bottom] = camera.edge_letters();
    let letter = size * 1.15;
    draw(image, &left, [size * 0.7, height / 2.0 + letter * 0.35], Align::Left, letter, INK);
    draw(image, &right, [width - size * 0.7, height / 2.0 + letter * 0.35], Align::Right, letter, INK);
    draw(image, &top, [width / 2.0, size * 1.5], Align::Center, letter, INK);
    draw(image, &bottom, [width / 2.0, height - size * 0.8], Align::Center, letter, INK);
    corners(image, labels, size);
    draw_scale(image, camera.mm_per_pixel, size);
}

/// Burns the orientation cube, a scale bar and the labels into a 3D picture.
pub fn annotate_volume(image: &mut RgbaImage, scene: &VolumeScene, labels: &Labels) {
    let size = text_size(image);
    let [width, _] = extent(image);
    corners(image, labels, size);
    draw_scale(image, scene.camera.mm_per_pixel, size);
    let rows = labels.series.iter().filter(|line| !line.is_empty()).count();
    #[expect(clippy::cast_precision_loss, reason = "a few lines")]
    let below = size * (1.2 + 1.45 * rows as f32);
    draw_cube(image, &scene.camera, [width - size * 3.2, below + size * 2.6], size * 1.45, size);
}

fn extent(image: &RgbaImage) -> [f32; 2] {
    #[expect(clippy::cast_precision_loss, reason = "pixels")]
    image.size.map(|n| n as f32)
}

/// Text grows with the picture, within what is legible and quiet.
fn text_size(image: &RgbaImage) -> f32 {
    let [width, height] = extent(image);
    (width.min(height) / 46.0).clamp(9.0, 34.0)
}

fn corners(image: &mut RgbaImage, labels: &Labels, size: f32) {
    let [width, height] = extent(image);
    let (margin, line) = (size * 0.7, size * 1.45);
    let mut baseline = margin + size;
    if labels.synthetic {
        draw(image, "SYNTHETIC, not a person", [margin, baseline], Align::Left, size, AMBER);
        baseline += line;
    }
    for text in labels.patient.iter().filter(|text| !text.is_empty()) {
        draw(image, text, [margin, baseline], Align::Left, size, INK);
        baseline += line;
    }
    baseline = margin + size;
    for text in labels.series.iter().filter(|text| !text.is_empty()) {
        draw(image, text, [width - margin, baseline], Align::Right, size, INK);
        baseline += line;
    }
    baseline = height - margin - size * 0.2;
    for text in labels.position.iter().rev().filter(|text| !text.is_empty()) {
        draw(image, text, [margin, baseline], Align::Left, size, INK);
        baseline -= line;
    }
}

/// A bar with end marks in the lower right corner and its length above it.
fn draw_scale(image: &mut RgbaImage, mm_per_pixel: f64, size: f32) {
    let [width, height] = extent(image);
    let (length_mm, length_px) = scale_bar(mm_per_pixel, f64::from(width) / 5.0);
    #[expect(clippy::cast_possible_truncation, reason = "pixels")]
    let length = length_px as f32;
    let (right, y) = ((width - size).floor(), (height - size).floor());
    let left = (right - length).floor();
    let thick = (size / 9.0).round().max(1.0);
    let mark = (size * 0.35).round();
    let pieces =
        [[left, y - thick, right, y], [left, y - mark, left + thick, y], [right - thick, y - mark, right, y]];
    for [l, t, r, b] in pieces {
        fill_rect(image, [l - 1.0, t - 1.0, r + 1.0, b + 1.0], [0.0; 3], 0.45);
    }
    for piece in pieces {
        fill_rect(image, piece, INK, 1.0);
    }
    draw(image, &length_text(length_mm), [right, y - mark - size * 0.3], Align::Right, size, INK);
}

fn fill_rect(image: &mut RgbaImage, [left, top, right, bottom]: [f32; 4], color: [f32; 3], opacity: f32) {
    #[expect(clippy::cast_possible_truncation, reason = "pixels")]
    let [left, top, right, bottom] = [left, top, right, bottom].map(|x| x as i32);
    for y in top..bottom {
        for x in left..right {
            image.blend([x, y], color, opacity);
        }
    }
}

fn draw_cube(image: &mut RgbaImage, camera: &OrbitCamera, center: [f32; 2], half: f32, size: f32) {
    for face in camera.cube_faces(center, half) {
        let shade = 0.20 + 0.22 * face.facing;
        fill_quad(image, face.corners_px, [shade, shade * 1.02, shade * 1.06], 0.92);
        for index in 0..4 {
            stroke(image, face.corners_px[index], face.corners_px[(index + 1) % 4], [0.62, 0.64, 0.67]);
        }
        if face.facing > 0.25 {
            let at = [face.center_px[0], face.center_px[1] + size * 0.36];
            draw(image, &face.letter, at, Align::Center, size * (0.7 + 0.4 * face.facing), INK);
        }
    }
}

/// Fills a convex quadrilateral, with four samples a pixel.
fn fill_quad(image: &mut RgbaImage, corners: [[f32; 2]; 4], color: [f32; 3], opacity: f32) {
    let bound =
        |axis: usize, pick: fn(f32, f32) -> f32| corners.iter().map(|c| c[axis]).fold(corners[0][axis], pick);
    #[expect(clippy::cast_possible_truncation, reason = "pixels")]
    let range = |axis: usize| bound(axis, f32::min).floor() as i32..=bound(axis, f32::max).ceil() as i32;
    let side =
        |a: [f32; 2], b: [f32; 2], p: [f32; 2]| (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]);
    for y in range(1) {
        for x in range(0) {
            #[expect(clippy::cast_precision_loss, reason = "pixels")]
            let inside = [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]
                .into_iter()
                .filter(|[dx, dy]| {
                    let p = [x as f32 + dx, y as f32 + dy];
                    let sides = [0, 1, 2, 3].map(|i| side(corners[i], corners[(i + 1) % 4], p));
                    sides.iter().all(|s| *s >= 0.0) || sides.iter().all(|s| *s <= 0.0)
                })
                .count();
            #[expect(clippy::cast_precision_loss, reason = "up to four")]
            image.blend([x, y], color, opacity * inside as f32 / 4.0);
        }
    }
}

/// A line one pixel wide with soft edges.
fn stroke(image: &mut RgbaImage, a: [f32; 2], b: [f32; 2], color: [f32; 3]) {
    let edge = [b[0] - a[0], b[1] - a[1]];
    let square = (edge[0] * edge[0] + edge[1] * edge[1]).max(1e-6);
    #[expect(clippy::cast_possible_truncation, reason = "pixels")]
    let range =
        |axis: usize| (a[axis].min(b[axis]).floor() as i32 - 1)..=(a[axis].max(b[axis]).ceil() as i32 + 1);
    for y in range(1) {
        for x in range(0) {
            #[expect(clippy::cast_precision_loss, reason = "pixels")]
            let p = [x as f32 + 0.5 - a[0], y as f32 + 0.5 - a[1]];
            let t = ((p[0] * edge[0] + p[1] * edge[1]) / square).clamp(0.0, 1.0);
            let distance = (p[0] - edge[0] * t).hypot(p[1] - edge[1] * t);
            image.blend([x, y], color, (1.0 - distance).clamp(0.0, 1.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_bar_has_a_round_length() {
        let (mm, px) = scale_bar(0.7, 100.0);
        assert!((mm - 50.0).abs() < 1e-9 && (px - 50.0 / 0.7).abs() < 1e-9);
        assert!((scale_bar(0.03, 100.0).0 - 2.0).abs() < 1e-9);
        assert_eq!(length_text(50.0), "5 cm");
        assert_eq!(length_text(2.0), "2 mm");
    }

    /// The pixels that differ between two pictures of one size.
    fn differing(a: &RgbaImage, b: &RgbaImage) -> Vec<[u32; 2]> {
        let [width, height] = a.size;
        (0..height)
            .flat_map(|y| (0..width).map(move |x| [x, y]))
            .filter(|at| {
                let index = 4 * (at[1] * width + at[0]) as usize;
                a.pixels[index..index + 4] != b.pixels[index..index + 4]
            })
            .collect()
    }

    /// Pixels that are more red than blue: everything else burnt in is grey.
    fn amber_pixels(image: &RgbaImage) -> usize {
        let is_amber = |pixel: &[u8]| pixel[0] > pixel[2].saturating_add(40);
        image.pixels.chunks_exact(4).filter(|pixel| is_amber(pixel)).count()
    }

    #[test]
    fn every_picture_of_a_synthetic_patient_is_marked() {
        use crate::geometry::{Grid, Point3, Vector3};
        let grid = Grid::new([64, 64, 20], Point3::origin(), [Vector3::x(), Vector3::y(), Vector3::z()]);
        let grid = grid.unwrap();
        let size_px = [640, 480];
        let labels = |synthetic| Labels { synthetic, ..Labels::default() };
        let scene = VolumeScene::new(
            OrbitCamera::fit(&grid, size_px),
            size_px,
            None,
            super::super::VolumeStyle::Bone,
        );
        let camera = SliceCamera::axial(&grid, grid.center_mm(), size_px);
        let slice = |synthetic| {
            let mut image = RgbaImage::filled(size_px, [20; 3]);
            annotate_slice(&mut image, &camera, &labels(synthetic));
            image
        };
        let volume = |synthetic| {
            let mut image = RgbaImage::filled(size_px, [20; 3]);
            annotate_volume(&mut image, &scene, &labels(synthetic));
            image
        };
        for (what, with, without) in
            [("slice", slice(true), slice(false)), ("3D", volume(true), volume(false))]
        {
            let marked = differing(&with, &without);
            assert!(marked.len() > 200, "{what}: {} pixels", marked.len());
            let in_corner = |at: &&[u32; 2]| at[0] < size_px[0] / 2 && at[1] < size_px[1] / 8;
            assert_eq!(marked.iter().filter(in_corner).count(), marked.len(), "{what}: in the corner alone");
            assert_eq!(amber_pixels(&without), 0, "{what}");
            assert!(amber_pixels(&with) > 100, "{what}: {}", amber_pixels(&with));
        }
    }
}
