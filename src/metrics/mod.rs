//! How alike two structures are: overlap, surface distances, the path a correction would draw.
//!
//! Surface measures follow the definitions of Google `DeepMind`'s `surface-distance` (Nikolov et al.,
//! "Clinically applicable segmentation of head and neck anatomy", JMIR 23, 2021): the surface of
//! a mask passes through the corners between voxels, every corner weighs the area of the surface
//! in its cell of eight voxels, and distances are taken between corners.

mod surfel;

use crate::geometry::distance;
use crate::patient::Mask;

/// Dice's coefficient, 2 |a and b| / (|a| + |b|), in 0..=1; `None` when both are empty.
#[must_use]
pub fn dice(a: &Mask, b: &Mask) -> Option<f64> {
    let both = a.count() + b.count();
    #[expect(clippy::cast_precision_loss, reason = "voxel counts are far below 2^52")]
    (both > 0).then(|| 2.0 * a.intersection(b).count() as f64 / both as f64)
}

/// Added path length (Vaassen et al., "Evaluation of measures for assessing time-saving of
/// automatic organ-at-risk segmentation in radiotherapy", PHIRO 13, 2020): how much contour must
/// be drawn to turn `candidate` into `reference`, mm. The contour voxels of the reference, slice
/// by slice, that are no contour voxels of the candidate, times the pixel size (the geometric mean
/// of `spacing_mm[0]` and `[1]`). A contour voxel has one of its four in-slice neighbours outside.
/// 0 for an empty reference.
#[must_use]
pub fn added_path_length_mm(reference: &Mask, candidate: &Mask, spacing_mm: [f64; 3]) -> f64 {
    let on_contour = |mask: &Mask, [i, j, k]: [usize; 3]| {
        mask.contains([i, j, k])
            && !(i > 0
                && j > 0
                && mask.contains([i - 1, j, k])
                && mask.contains([i + 1, j, k])
                && mask.contains([i, j - 1, k])
                && mask.contains([i, j + 1, k]))
    };
    let mut count = 0_u32;
    for k in 0..reference.size[2] {
        for j in 0..reference.size[1] {
            for i in 0..reference.size[0] {
                let voxel = [i + reference.low[0], j + reference.low[1], k + reference.low[2]];
                count += u32::from(on_contour(reference, voxel) && !on_contour(candidate, voxel));
            }
        }
    }
    f64::from(count) * (spacing_mm[0] * spacing_mm[1]).sqrt()
}

/// The distances between the surfaces of two masks, each with the area it stands for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SurfaceDistances {
    /// From every surface element of `a` to the surface of `b`: (distance mm, area mm^2), sorted.
    /// Infinite distances when `b` is empty, none when `a` is.
    pub a_to_b: Vec<(f32, f32)>,
    /// The same from `b` to `a`.
    pub b_to_a: Vec<(f32, f32)>,
}

impl SurfaceDistances {
    /// The distances between the surfaces of two masks of one grid whose voxel centres are
    /// `spacing_mm` apart along its (orthogonal) axes.
    #[must_use]
    pub fn between(a: &Mask, b: &Mask, spacing_mm: [f64; 3]) -> Self {
        let (a, b) = (a.trimmed(), b.trimmed());
        let (a, b) = a.in_common_box(&b);
        if a.voxels.is_empty() {
            return Self::default();
        }
        let areas = surfel::areas(spacing_mm);
        let corners = a.size.map(|n| n + 1);
        let codes = [surfel::codes(&a), surfel::codes(&b)];
        let border =
            |codes: &[u8]| -> Vec<bool> { codes.iter().map(|code| *code != 0 && *code != 255).collect() };
        let elements = |own: &[u8], other: &[u8]| {
            let distances = distance::to_nearest(&border(other), corners, spacing_mm);
            let mut elements: Vec<(f32, f32)> = own
                .iter()
                .zip(distances)
                .filter(|(code, _)| **code != 0 && **code != 255)
                .map(|(code, distance)| (distance, areas[usize::from(*code)]))
                .collect();
            elements.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
            elements
        };
        Self { a_to_b: elements(&codes[0], &codes[1]), b_to_a: elements(&codes[1], &codes[0]) }
    }

    /// Surface Dice: the part of both surfaces that lies within `tolerance_mm` of the other,
    /// 0..=1; `None` when both masks are empty.
    #[must_use]
    pub fn surface_dice(&self, tolerance_mm: f64) -> Option<f64> {
        let all = area(&self.a_to_b, f64::INFINITY) + area(&self.b_to_a, f64::INFINITY);
        let near = area(&self.a_to_b, tolerance_mm) + area(&self.b_to_a, tolerance_mm);
        (!(self.a_to_b.is_empty() && self.b_to_a.is_empty())).then(|| near / all)
    }

    /// The distance (mm) within which `percent` of the area of each surface lies of the other, the
    /// greater of both directions (95: HD95; 100: Hausdorff's). Infinite when one mask is empty,
    /// `None` when both are.
    #[must_use]
    pub fn hausdorff_mm(&self, percent: f64) -> Option<f64> {
        if self.a_to_b.is_empty() && self.b_to_a.is_empty() {
            return None;
        }
        let one_way = |elements: &[(f32, f32)]| {
            let all = area(elements, f64::INFINITY);
            let mut sum = 0.0;
            elements
                .iter()
                .find(|(_, area)| {
                    sum += f64::from(*area);
                    sum / all >= percent / 100.0
                })
                .or(elements.last())
                .map_or(f64::INFINITY, |(distance, _)| f64::from(*distance))
        };
        Some(one_way(&self.a_to_b).max(one_way(&self.b_to_a)))
    }

    /// The mean distance (mm) from one surface to the other weighted by area, the mean of both
    /// directions. Infinite when one mask is empty, `None` when both are.
    #[must_use]
    pub fn mean_mm(&self) -> Option<f64> {
        if self.a_to_b.is_empty() && self.b_to_a.is_empty() {
            return None;
        }
        let one_way = |elements: &[(f32, f32)]| {
            if elements.is_empty() {
                return f64::INFINITY;
            }
            let weighted: f64 = elements.iter().map(|(d, area)| f64::from(*d) * f64::from(*area)).sum();
            weighted / area(elements, f64::INFINITY)
        };
        Some(f64::midpoint(one_way(&self.a_to_b), one_way(&self.b_to_a)))
    }
}

/// The area of the elements within a distance.
fn area(elements: &[(f32, f32)], within_mm: f64) -> f64 {
    elements.iter().filter(|(d, _)| f64::from(*d) <= within_mm).map(|(_, area)| f64::from(*area)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(low: [usize; 3], size: [usize; 3]) -> Mask {
        let mut mask = Mask::new(low, size);
        mask.voxels.fill(true);
        mask
    }

    fn near(got: Option<f64>, wanted: f64) {
        assert!((got.unwrap() - wanted).abs() < 2e-6, "{got:?} is not {wanted}");
    }

    #[test]
    fn the_same_mask_agrees_entirely() {
        let a = block([3, 4, 5], [6, 5, 4]);
        let distances = SurfaceDistances::between(&a, &a, [0.9, 1.3, 3.0]);
        near(dice(&a, &a), 1.0);
        near(distances.surface_dice(0.0), 1.0);
        near(distances.hausdorff_mm(100.0), 0.0);
        near(distances.mean_mm(), 0.0);
        assert!(added_path_length_mm(&a, &a, [1.0; 3]).abs() < 1e-12);
    }

    #[test]
    fn empty_masks() {
        let (a, none) = (block([0; 3], [3, 3, 3]), Mask::default());
        assert_eq!(dice(&none, &none), None);
        near(dice(&a, &none), 0.0);
        let both = SurfaceDistances::between(&none, &none, [1.0; 3]);
        assert_eq!((both.surface_dice(1.0), both.hausdorff_mm(95.0), both.mean_mm()), (None, None, None));
        let one = SurfaceDistances::between(&a, &none, [1.0; 3]);
        near(one.surface_dice(5.0), 0.0);
        assert_eq!(one.hausdorff_mm(95.0), Some(f64::INFINITY));
        assert_eq!(one.mean_mm(), Some(f64::INFINITY));
        assert!((added_path_length_mm(&a, &none, [2.0, 2.0, 1.0]) - 8.0 * 3.0 * 2.0).abs() < 1e-12);
    }

    #[test]
    fn two_single_voxels_apart() {
        // As surface-distance's own test: two voxels 2 apart along x with spacing 2, 1, 1 are
        // shifted by 4 mm; facing corners are 2 mm apart, the far ones 4 mm.
        let (a, b) = (block([50, 60, 70], [1; 3]), block([52, 60, 70], [1; 3]));
        let distances = SurfaceDistances::between(&a, &b, [2.0, 1.0, 1.0]);
        near(dice(&a, &b), 0.0);
        near(distances.hausdorff_mm(100.0), 4.0);
        near(distances.mean_mm(), 3.0);
        near(distances.surface_dice(1.0), 0.0);
        near(distances.surface_dice(2.0), 0.5);
        near(distances.surface_dice(4.0), 1.0);
    }

    #[test]
    fn a_shifted_cube() {
        // 100 mm cube shifted by 1 mm, as surface-distance's test.
        let (a, b) = (block([0, 10, 10], [40, 40, 40]), block([1, 10, 10], [40, 40, 40]));
        let distances = SurfaceDistances::between(&a, &b, [1.0; 3]);
        near(dice(&a, &b), 2.0 * 39.0 / 80.0);
        near(distances.hausdorff_mm(100.0), 1.0);
        near(distances.surface_dice(1.0), 1.0);
        // Two of six faces are 1 mm off, four lie in the other's.
        let mean = distances.mean_mm().unwrap();
        assert!(mean > 0.30 && mean < 0.37, "{mean}");
        let part = distances.surface_dice(0.5).unwrap();
        assert!((part + mean - 1.0).abs() < 1e-6, "{part}");
    }

    #[test]
    fn added_path_counts_the_missing_contour_voxels() {
        let (reference, candidate) = (block([0, 0, 0], [4, 4, 2]), block([0, 0, 0], [4, 4, 1]));
        assert!((added_path_length_mm(&reference, &candidate, [1.5, 1.5, 3.0]) - 12.0 * 1.5).abs() < 1e-12);
        let wider = block([0, 0, 0], [5, 4, 2]);
        // The reference's last column (2 inner voxels a slice) lies inside the wider one.
        assert!((added_path_length_mm(&reference, &wider, [1.0; 3]) - 4.0).abs() < 1e-12);
    }

    #[test]
    fn an_ellipsoid_and_another_with_a_stray_block_as_the_reference_program_has_them() {
        let of = |inside: &dyn Fn(f64, f64, f64) -> bool| {
            let mut mask = Mask::new([7, 3, 2], [24, 20, 14]);
            let mut at = 0;
            for z in 0..14_u8 {
                for y in 0..20_u8 {
                    for x in 0..24_u8 {
                        mask.voxels[at] = inside(x.into(), y.into(), z.into());
                        at += 1;
                    }
                }
            }
            mask
        };
        let ball = |x: f64, y: f64, z: f64| x * x + y * y + z * z <= 1.0;
        let a = of(&|x, y, z| ball((x - 11.3) / 8.2, (y - 9.1) / 6.4, (z - 6.2) / 4.1));
        let b = of(&|x, y, z| {
            ball((x - 12.9) / 7.1, (y - 8.4) / 7.3, (z - 7.0) / 4.6)
                || ((x - 20.0).abs() <= 2.0 && (y - 4.0).abs() <= 2.0 && (z - 3.0).abs() <= 1.0)
        });
        assert_eq!((a.count(), b.count()), (906, 1084));
        near(dice(&a, &b), 0.741_708_542_713);
        // The output of Google DeepMind's surface-distance 0.1 on the same masks.
        let distances = SurfaceDistances::between(&a, &b, [0.9, 1.3, 3.0]);
        near(distances.mean_mm(), 1.165_603_970);
        near(distances.surface_dice(1.0), 0.584_326_959);
        near(distances.surface_dice(2.0), 0.793_575_154);
        near(distances.surface_dice(3.0), 0.915_910_878);
        near(distances.hausdorff_mm(50.0), 0.9);
        near(distances.hausdorff_mm(95.0), 5.359_104_403);
        near(distances.hausdorff_mm(100.0), 9.374_433_316);
    }
}
