//! A ring as points evenly along it, each with the outward normal and the image along it.

use crate::edit::SliceValues;
use crate::geometry::{Point2, Ring, Vector2};

/// Points of a ring, at most.
const MOST_POINTS: f64 = 800.0;
/// A ring shorter than this stays as it is, mm.
const SHORTEST_MM: f64 = 6.0;
/// The direction of an outline is that of a chord over this to either side, mm.
const CHORD_MM: f64 = 1.5;

/// A ring by points evenly along it.
#[derive(Debug)]
pub(super) struct Course {
    points: Vec<Point2>,
    /// Outward unit vectors; zero where the ring folds back on itself.
    normals: Vec<Vector2>,
    pitch_mm: f64,
    /// How far along the ring its own vertices lie, mm.
    along_mm: Vec<f64>,
}

impl Course {
    /// Points about `pitch_mm` apart along a ring with its inside to the left; `None` for one too
    /// short to tell a direction.
    pub(super) fn along(ring: &Ring, pitch_mm: f64) -> Option<Self> {
        let ends = || ring.iter().zip(ring.iter().cycle().skip(1));
        let mut length = 0.0;
        let mut along_mm = Vec::with_capacity(ring.len());
        for (a, b) in ends() {
            along_mm.push(length);
            length += (b - a).norm();
        }
        if !(length >= SHORTEST_MM && length.is_finite()) {
            return None;
        }
        let count = (length / pitch_mm).round().clamp(12.0, MOST_POINTS);
        let pitch_mm = length / count;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 800")]
        let count = count as usize;
        let mut points = Vec::with_capacity(count);
        for ((a, b), from) in ends().zip(&along_mm) {
            let edge = (b - a).norm();
            while points.len() < count && points.len() as f64 * pitch_mm < from + edge {
                points.push(a + (b - a) * ((points.len() as f64 * pitch_mm - from) / edge));
            }
        }
        points.resize(count, ring[0]);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few")]
        let chord = ((CHORD_MM / pitch_mm).round() as usize).clamp(1, count / 6);
        let normals = (0..count)
            .map(|n| {
                let way = points[(n + chord) % count] - points[(n + count - chord) % count];
                Vector2::new(way.y, -way.x).try_normalize(1e-9).unwrap_or_else(Vector2::zeros)
            })
            .collect();
        Some(Self { points, normals, pitch_mm, along_mm })
    }

    pub(super) fn len(&self) -> usize {
        self.points.len()
    }

    /// The distance between points along the ring, mm.
    pub(super) fn pitch_mm(&self) -> f64 {
        self.pitch_mm
    }

    /// Points with their normals.
    pub(super) fn points(&self) -> impl Iterator<Item = (Point2, Vector2)> {
        self.points.iter().copied().zip(self.normals.iter().copied())
    }

    /// The image along the normals, `half` places inward to `half` outward, averaged along the ring.
    pub(super) fn lines(&self, image: &SliceValues<'_>, half: usize, step_mm: f64) -> Lines {
        let width = 2 * half + 1;
        let values: Vec<f64> = self
            .points()
            .flat_map(|(point, normal)| {
                (0..width).map(move |n| point + normal * ((n as f64 - half as f64) * step_mm))
            })
            .map(|at| f64::from(image.between(at)))
            .collect();
        Lines { width, values: averaged(&values, width, super::ALONG_MM / self.pitch_mm) }
    }

    /// The ring this was made of, moved outward by `part` of `by` (mm, one a point). What stays where
    /// it is keeps its own vertices.
    pub(super) fn moved(&self, ring: &Ring, by: &[f64], part: f64) -> Ring {
        let count = self.len();
        let shift = |n: usize| self.normals[n % count] * (by[n % count] * part);
        let mut out = Ring::with_capacity(ring.len() + count);
        let mut next = 0;
        for (vertex, at) in ring.iter().zip(&self.along_mm) {
            while next < count && next as f64 * self.pitch_mm < at - 1e-6 {
                if by[next] != 0.0 {
                    out.push(self.points[next] + shift(next));
                }
                next += 1;
            }
            if next < count && (next as f64 * self.pitch_mm - at).abs() <= 1e-6 {
                next += 1;
            }
            let place = at / self.pitch_mm;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative")]
            let first = place.floor() as usize;
            let share = place - first as f64;
            out.push(vertex + shift(first) * (1.0 - share) + shift(first + 1) * share);
        }
        out.extend((next..count).filter(|n| by[*n] != 0.0).map(|n| self.points[n] + shift(n)));
        out
    }
}

/// Image values along the normals of a course.
#[derive(Debug)]
pub(super) struct Lines {
    width: usize,
    values: Vec<f64>,
}

impl Lines {
    /// The values at one point, from inside to outside; NaN outside the scan.
    pub(super) fn line(&self, point: usize) -> &[f64] {
        &self.values[point * self.width..(point + 1) * self.width]
    }
}

/// Rows of `width` around a ring, averaged over their neighbours by a Gaussian of `sigma` rows. What is
/// not a number stays so and counts nothing for others.
pub(super) fn averaged(rows: &[f64], width: usize, sigma: f64) -> Vec<f64> {
    let count = rows.len() / width;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few tens")]
    let radius = ((2.5 * sigma).ceil() as usize).min(count.saturating_sub(1) / 2);
    let weights: Vec<f64> = (0..=radius).map(|n| (-0.5 * (n as f64 / sigma).powi(2)).exp()).collect();
    let mut out = vec![0.0; rows.len()];
    let mut total = vec![0.0; width];
    for (row, out) in out.chunks_exact_mut(width).enumerate() {
        total.fill(0.0);
        for by in 0..=2 * radius {
            let weight = weights[by.abs_diff(radius)];
            let from = (row + count + by - radius) % count * width;
            for ((sum, total), value) in out.iter_mut().zip(&mut total).zip(&rows[from..from + width]) {
                if !value.is_nan() {
                    *sum += weight * value;
                    *total += weight;
                }
            }
        }
        for ((sum, total), own) in out.iter_mut().zip(&total).zip(&rows[row * width..]) {
            *sum = if own.is_nan() { f64::NAN } else { *sum / total };
        }
    }
    out
}

/// For every point of every course (`None`: no points) how far it is, inward and outward along its
/// normal, to another outline or another part of its own, mm; infinite where none is within `far_mm`.
pub(super) fn room<'a>(
    courses: impl Iterator<Item = Option<&'a Course>> + Clone,
    far_mm: f64,
) -> Vec<Vec<[f64; 2]>> {
    let all: Vec<(usize, &Course)> =
        courses.clone().enumerate().filter_map(|(n, own)| Some((n, own?))).collect();
    let meets = |ring: usize, n: usize, course: &Course| {
        let (point, normal) = (course.points[n], course.normals[n]);
        let mut free = [f64::INFINITY; 2];
        for (other, edges) in &all {
            let count = edges.len();
            let far = far_mm + edges.pitch_mm;
            for m in 0..count {
                let a = edges.points[m] - point;
                if a.norm_squared() > far * far {
                    continue;
                }
                let gap = m.abs_diff(n);
                if *other == ring && gap.min(count - gap) <= 2 {
                    continue;
                }
                let b = edges.points[(m + 1) % count] - point;
                let (from, to) = (normal.perp(&a), normal.perp(&b));
                if (from > 0.0) == (to > 0.0) {
                    continue;
                }
                let at = normal.dot(&(a + (b - a) * (from / (from - to))));
                let side = usize::from(at > 0.0);
                free[side] = free[side].min(at.abs());
            }
        }
        free
    };
    courses
        .enumerate()
        .map(|(ring, own)| {
            own.map_or_else(Vec::new, |own| (0..own.len()).map(|n| meets(ring, n, own)).collect())
        })
        .collect()
}
