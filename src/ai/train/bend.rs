//! A smooth displacement of a patch's voxels.

use super::random::Random;

/// Between control points, mm.
const CONTROL_MM: f64 = 40.0;

/// By how much each voxel of a patch is displaced: a cubic B-spline (Unser, IEEE Signal Processing Magazine
/// 16, 1999) over control points 40 mm apart, the first of them one distance before the patch.
pub(super) struct Field {
    /// Voxels along z, y, x, for each voxel `[z][y][x]`.
    moves: Vec<[f32; 3]>,
}

impl Field {
    /// Control points moved by normal draws of one standard deviation, which is itself drawn up to `mm`.
    pub(super) fn drawn(patch: [usize; 3], spacing_mm: [f64; 3], mm: f64, random: &mut Random) -> Self {
        let axes = [0, 1, 2].map(|axis| taps(patch[axis], CONTROL_MM / spacing_mm[axis]));
        let counts = axes.each_ref().map(|taps| taps.last().map_or(0, |(first, _)| first + 4));
        let deviation = random.between(0.0, mm);
        let controls: Vec<[f64; 3]> = (0..counts.iter().product())
            .map(|_| [0, 1, 2].map(|axis| random.normal() * deviation / spacing_mm[axis]))
            .collect();
        Self::of(&axes, counts, controls)
    }

    /// The spline of `controls` `[z][y][x]`, one axis after another.
    fn of(axes: &[Vec<Tap>; 3], mut counts: [usize; 3], mut controls: Vec<[f64; 3]>) -> Self {
        for (axis, taps) in axes.iter().enumerate() {
            let (outer, inner) =
                (counts[..axis].iter().product::<usize>(), counts[axis + 1..].iter().product());
            let mut done = Vec::with_capacity(outer * taps.len() * inner);
            for out in 0..outer {
                for (first, weights) in taps {
                    for within in 0..inner {
                        let mut sum = [0.0; 3];
                        for (tap, weight) in weights.iter().enumerate() {
                            let control = controls[(out * counts[axis] + first + tap) * inner + within];
                            (0..3).for_each(|axis| sum[axis] += weight * control[axis]);
                        }
                        done.push(sum);
                    }
                }
            }
            counts[axis] = taps.len();
            controls = done;
        }
        #[expect(clippy::cast_possible_truncation, reason = "voxels")]
        let moves = controls.into_iter().map(|moved| moved.map(|voxels| voxels as f32)).collect();
        Self { moves }
    }

    /// The displacement of the voxel at `place` of the patch, voxels along z, y, x.
    pub(super) fn at(&self, place: usize) -> [f64; 3] {
        self.moves[place].map(f64::from)
    }
}

/// The first of four control points that move a voxel, and their weights.
type Tap = (usize, [f64; 4]);

/// The taps of `count` voxels under control points `distance` voxels apart.
fn taps(count: usize, distance: f64) -> Vec<Tap> {
    (0..count)
        .map(|voxel| {
            let place = voxel as f64 / distance;
            let t = place.fract();
            let weights = [
                (1.0 - t).powi(3),
                3.0 * t.powi(3) - 6.0 * t.powi(2) + 4.0,
                -3.0 * t.powi(3) + 3.0 * t.powi(2) + 3.0 * t + 1.0,
                t.powi(3),
            ];
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "voxels of a patch")]
            let first = place as usize;
            (first, weights.map(|weight| weight / 6.0))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_moves_stay_even_and_linear_ones_linear() {
        let (patch, distances) = ([5, 1, 9], [2.5, 40.0, 4.0]);
        let axes = [0, 1, 2].map(|axis| taps(patch[axis], distances[axis]));
        let counts = axes.each_ref().map(|taps| taps.last().unwrap().0 + 4);
        let controls = (0..counts.iter().product::<usize>())
            .map(|at| {
                let (z, x) = (at / (counts[1] * counts[2]), at % counts[2]);
                [1.5, z as f64, x as f64]
            })
            .collect();
        let field = Field::of(&axes, counts, controls);
        assert_eq!(field.moves.len(), 45);
        for place in 0..45 {
            let (z, x) = ((place / 9) as f64, (place % 9) as f64);
            let moved = field.at(place);
            // A B-spline through rising control points rises as they do; the first is one before the patch.
            let expected = [1.5, z / 2.5 + 1.0, x / 4.0 + 1.0];
            for axis in 0..3 {
                assert!((moved[axis] - expected[axis]).abs() < 1e-5, "{place} {moved:?} {expected:?}");
            }
        }
    }

    #[test]
    fn the_field_is_smooth_and_as_great_as_asked() {
        let (patch, spacing) = ([40, 48, 48], [2.5, 3.906, 3.906]);
        let fields: Vec<Field> =
            (0..20).map(|seed| Field::drawn(patch, spacing, 6.0, &mut Random::new(&[seed]))).collect();
        let all = fields.iter().flat_map(|field| field.moves.iter().map(|moved| f64::from(moved[0]) * 2.5));
        let (count, squares) = all.fold((0.0, 0.0), |(n, sum), mm| (n + 1.0, sum + mm * mm));
        let deviation = f64::sqrt(squares / count);
        // Uniform up to 6 mm has a root mean square of 6 / sqrt 3, and three axes of weights about .48^(3/2).
        assert!((0.7..2.0).contains(&deviation), "{deviation}");
        for field in &fields {
            for pair in field.moves.chunks(48).flat_map(|row| row.windows(2)) {
                assert!((0..3).all(|axis| (pair[1][axis] - pair[0][axis]).abs() < 1.0), "{pair:?}");
            }
        }
    }
}
