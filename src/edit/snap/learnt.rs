//! What the image looks like at a drawn outline, part by part.

use super::course::{Course, averaged};
use super::{SIDE_MM, STEP_MM, Scale};
use crate::edit::{SliceValues, reoriented};
use crate::geometry::{Point2, Vector2};
use crate::patient::{RoiPlane, Volume};

/// The look of an outline is averaged along it by a Gaussian of this, mm; of stretches that look alike.
const PART_MM: f64 = 6.0;
/// Stretches are alike when the squares of what differs are not many times this multiple of the usual.
const ALIKE: f64 = 4.0;
/// Values count the less the farther from the outline, by a Gaussian of this, mm: what lies near an
/// organ is not its edge.
const NEAR_MM: f64 = SIDE_MM / 3.0;
/// The difference between inside and outside counts from this many times the noise on, and wholly
/// from that many.
const COUNTS: [f64; 2] = [2.5, 4.5];
/// Nor does it count below this part of the values themselves: rounding.
const ROUNDING: f64 = 1e-4;
/// A place is unlike the drawn outline when the squares of what differs are, on average, this part of
/// the square of inside less outside. Inside or outside alone differ by half of it; a sharp edge that
/// is a millimetre off by a third.
const UNLIKE: f64 = 0.3;
/// Of a value that differs by more than this many times that difference no more counts: what else
/// comes near.
const MOST: f64 = 1.0;
/// A drawn outline farther than this tells nothing, mm; one that faces the other way is that far.
const FAR_MM: f64 = 20.0;
/// One of two values along a normal is compared: they lie closer than pixels.
const EVERY: usize = 2;

/// What the outlines of one drawn slice look like.
#[derive(Debug, Default)]
pub(super) struct Learnt {
    parts: Vec<Part>,
    /// The values across, [`Self::width`] for each part.
    looks: Vec<f64>,
    /// How much each of them counts; together 1.
    weights: Vec<f64>,
}

/// A point of an outline.
#[derive(Debug, Clone, Copy)]
struct Part {
    point: Point2,
    normal: Vector2,
    /// The square of outside less inside.
    contrast2: f64,
    /// The mean square of what differs along the outline.
    noise2: f64,
    /// Whether it lies on an edge, 0 to 1.
    trust: f64,
}

impl Learnt {
    /// From a plane with contours on `slice`; nothing where the slice has no values.
    pub(super) fn from(own: &RoiPlane, slice: usize, volume: &Volume, scale: Scale) -> Self {
        let Some(image) = SliceValues::of(volume, slice) else { return Self::default() };
        let falloff: Vec<f64> = (0..=2 * scale.side)
            .step_by(EVERY)
            .map(|n| (n as f64 - scale.side as f64) * STEP_MM / NEAR_MM)
            .map(|off| (-0.5 * off * off).exp())
            .collect();
        let total: f64 = falloff.iter().sum();
        let weights: Vec<f64> = falloff.iter().map(|own| own / total).collect();
        let mut learnt = Self { weights, ..Self::default() };
        for piece in reoriented(&own.polygons, &own.plane, &volume.slices[slice].plane) {
            let piece = piece.oriented();
            for course in piece.rings().filter_map(|ring| Course::along(ring, scale.pitch_mm)) {
                learnt.take(&course, &image, scale);
            }
        }
        learnt
    }

    fn take(&mut self, course: &Course, image: &SliceValues<'_>, scale: Scale) {
        let width = self.weights.len();
        let lines = course.lines(image, scale.side, scale.step_mm);
        let lines: Vec<f64> =
            (0..course.len()).flat_map(|n| lines.line(n).iter().copied().step_by(EVERY)).collect();
        let sigma = PART_MM / course.pitch_mm();
        let (looks, usual2) = self.alike(&lines, sigma);
        let off: Vec<f64> =
            lines.chunks_exact(width).zip(looks.chunks_exact(width)).map(|(a, b)| self.apart(a, b)).collect();
        let noise = averaged(&off, 1, sigma);
        let middle = width / 2;
        for (((point, normal), look), noise2) in course.points().zip(looks.chunks_exact(width)).zip(noise) {
            let mean = |range: std::ops::Range<usize>| {
                let total: f64 = self.weights[range.clone()].iter().sum();
                range.map(|n| self.weights[n] * look[n]).sum::<f64>() / total
            };
            let (inside, outside) = (mean(0..middle), mean(middle + 1..look.len()));
            let contrast = (outside - inside).abs();
            let clear = contrast > ROUNDING * (inside.abs() + outside.abs());
            let [from, to] = COUNTS;
            let times = contrast / noise2.max(usual2).sqrt().max(1e-12);
            let trust = if clear { ((times - from) / (to - from)).clamp(0.0, 1.0) } else { 0.0 };
            self.parts.push(Part { point, normal, contrast2: contrast * contrast, noise2, trust });
            self.looks.extend_from_slice(look);
        }
    }

    /// The mean square of what differs between two rows of values.
    fn apart(&self, a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).zip(&self.weights).map(|((a, b), weight)| weight * (a - b) * (a - b)).sum()
    }

    /// The rows around a ring averaged over those neighbours that are like them, so that an outline
    /// that passes from one neighbour to another has the look of the one or the other (Tomasi and
    /// Manduchi's bilateral filter, 1998); and the median of the mean squares of what differs along it.
    /// Rows with what is no number stay as they are.
    fn alike(&self, rows: &[f64], sigma: f64) -> (Vec<f64>, f64) {
        let width = self.weights.len();
        let count = rows.len() / width;
        let row = |n: usize| &rows[n % count * width..(n % count + 1) * width];
        let plain = averaged(rows, width, sigma);
        let mut off: Vec<f64> = rows
            .chunks_exact(width)
            .zip(plain.chunks_exact(width))
            .map(|(a, b)| self.apart(a, b))
            .filter(|own| own.is_finite())
            .collect();
        if off.is_empty() {
            return (rows.to_vec(), 0.0);
        }
        let middle = off.len() / 2;
        let usual2 = *off.select_nth_unstable_by(middle, f64::total_cmp).1;
        let twice = (2.0 * ALIKE * usual2).max(1e-12);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few tens")]
        let radius = ((2.0 * sigma).ceil() as usize).min(count.saturating_sub(1) / 2);
        let near: Vec<f64> = (0..=radius).map(|n| (-0.5 * (n as f64 / sigma).powi(2)).exp()).collect();
        let mut out = rows.to_vec();
        for (n, out) in out.chunks_exact_mut(width).enumerate() {
            let own = row(n);
            let mut total = 1.0;
            for (by, near) in near.iter().enumerate().skip(1) {
                for other in [row(n + by), row(n + count - by)] {
                    let weight = near * (-self.apart(own, other) / twice).exp();
                    if weight > 1e-6 {
                        total += weight;
                        out.iter_mut().zip(other).for_each(|(sum, value)| *sum += weight * value);
                    }
                }
            }
            out.iter_mut().for_each(|sum| *sum /= total);
        }
        (out, usual2)
    }

    /// Whether no part of any outline lies on an edge.
    pub(super) fn teaches_nothing(&self) -> bool {
        self.parts.iter().all(|part| part.trust <= 0.0)
    }

    /// For each point of another outline the part of this one that is nearest and faces the same way;
    /// `None` where none is near, or where it lies on no edge.
    pub(super) fn nearest(&self, course: &Course) -> Vec<Option<usize>> {
        let turned = FAR_MM * FAR_MM / 4.0;
        let nearest = |(point, normal): (Point2, Vector2)| {
            let mut best = (FAR_MM * FAR_MM, None);
            for (n, part) in self.parts.iter().enumerate() {
                let off = (part.point - point).norm_squared();
                if off < best.0 {
                    let cost = off + 2.0 * turned * (1.0 - part.normal.dot(&normal));
                    if cost < best.0 {
                        best = (cost, Some(n));
                    }
                }
            }
            best.1.filter(|n| self.parts[*n].trust > 0.0)
        };
        course.points().map(nearest).collect()
    }

    /// How much the values across a place look like those at a part: 1 alike, 0 not; less where the
    /// part hardly lies on an edge. 0 where a value is none.
    pub(super) fn likeness(&self, part: usize, values: &[f64]) -> f64 {
        let width = self.weights.len();
        let look = &self.looks[part * width..(part + 1) * width];
        let part = &self.parts[part];
        let contrast = part.contrast2.sqrt();
        let squares =
            values.iter().step_by(EVERY).zip(look).zip(&self.weights).map(|((value, look), weight)| {
                // Keeps what is not a number.
                let off = (value - look).clamp(-MOST * contrast, MOST * contrast);
                weight * off * off
            });
        let differs: f64 = squares.sum();
        if differs.is_nan() {
            return 0.0;
        }
        // Noise makes every place as much less alike.
        let off = differs / (UNLIKE * part.contrast2 + 2.0 * part.noise2);
        part.trust * (1.0 - off).max(0.0)
    }
}
