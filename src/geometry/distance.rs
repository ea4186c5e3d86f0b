//! Exact Euclidean distances on voxel grids, anisotropic.
//!
//! Felzenszwalb and Huttenlocher, "Distance transforms of sampled functions", Theory of Computing
//! 8 (2012): one lower envelope of parabolas a line and axis, linear in the number of voxels.

use rayon::prelude::*;

/// The distance (mm) of each voxel centre to the nearest centre whose `inside` is true; 0 there.
///
/// `inside` has `dims[0] * dims[1] * dims[2]` values, i fastest; `spacing_mm` is the distance
/// between centres along each (orthogonal) axis. All infinite where nothing is inside.
///
/// # Panics
/// When the number of values is not that of `dims`.
#[must_use]
pub fn to_nearest(inside: &[bool], dims: [usize; 3], spacing_mm: [f64; 3]) -> Vec<f32> {
    nearest(inside, dims, spacing_mm.map(Steps::Even))
}

/// [`to_nearest`] on slices whose distances from one to the next differ: `gaps_mm` is one less than
/// `dims[2]`, `pixel_mm` the distances along the other two axes.
///
/// # Panics
/// When the number of values is not that of `dims`, or that of the gaps not of its slices.
#[must_use]
pub fn to_nearest_on_slices(
    inside: &[bool],
    dims: [usize; 3],
    pixel_mm: [f64; 2],
    gaps_mm: &[f64],
) -> Vec<f32> {
    assert_eq!(gaps_mm.len() + 1, dims[2].max(1), "one gap from slice to slice");
    let [along, across] = pixel_mm;
    let first = gaps_mm.first().copied().unwrap_or(1.0);
    if gaps_mm.iter().all(|gap| gap.to_bits() == first.to_bits()) {
        return to_nearest(inside, dims, [along, across, first]);
    }
    let mut places = vec![0.0];
    for gap in gaps_mm {
        places.push(places[places.len() - 1] + gap);
    }
    nearest(inside, dims, [Steps::Even(along), Steps::Even(across), Steps::At(&places)])
}

/// The distance from each slice to the next, from where they lie along their normal, mm: all the same
/// where they differ by no more than rounding.
#[must_use]
pub fn gaps_mm(offsets_mm: &[f64]) -> Vec<f64> {
    let gaps: Vec<f64> = offsets_mm.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
    #[expect(clippy::cast_precision_loss, reason = "a number of slices")]
    let mean = gaps.iter().sum::<f64>() / gaps.len().max(1) as f64;
    if gaps.iter().all(|gap| (gap - mean).abs() <= 1e-6) { vec![mean; gaps.len()] } else { gaps }
}

/// How centres lie along an axis, mm.
#[derive(Debug, Clone, Copy)]
enum Steps<'a> {
    /// So far apart.
    Even(f64),
    /// At these places.
    At(&'a [f64]),
}

fn nearest(inside: &[bool], dims: [usize; 3], steps: [Steps<'_>; 3]) -> Vec<f32> {
    assert_eq!(inside.len(), dims.iter().product::<usize>(), "one value a voxel");
    let mut squared: Vec<f32> =
        inside.par_iter().map(|inside| if *inside { 0.0 } else { f32::INFINITY }).collect();
    for (axis, steps) in steps.into_iter().enumerate() {
        sweep(&mut squared, dims, axis, steps);
    }
    squared.par_iter_mut().for_each(|value| *value = value.sqrt());
    squared
}

/// The signed distance (mm) of each voxel centre to the boundary half way between inside and
/// outside centres: negative inside. Off-axis the half step is the smallest spacing's, so a value
/// is exact to within half a voxel and changes sign exactly where `inside` does.
///
/// All infinite where nothing is inside, all minus infinite where everything is.
///
/// # Panics
/// When the number of values is not that of `dims`.
#[must_use]
pub fn signed(inside: &[bool], dims: [usize; 3], spacing_mm: [f64; 3]) -> Vec<f32> {
    let outside: Vec<bool> = inside.iter().map(|inside| !inside).collect();
    let out = to_nearest(inside, dims, spacing_mm);
    let within = to_nearest(&outside, dims, spacing_mm);
    #[expect(clippy::cast_possible_truncation, reason = "a voxel spacing")]
    let half = (spacing_mm.into_iter().zip(dims).filter(|(_, n)| *n > 1).map(|(s, _)| s))
        .fold(f64::INFINITY, f64::min)
        .min(1e6) as f32
        / 2.0;
    out.into_iter()
        .zip(within)
        .zip(inside)
        .map(|((out, within), inside)| if *inside { half - within } else { out - half })
        .collect()
}

/// Takes the lower envelope along one axis of every line.
fn sweep(squared: &mut [f32], dims: [usize; 3], axis: usize, steps: Steps<'_>) {
    let [ni, nj, _] = dims;
    let n = dims[axis];
    if n < 2 || squared.is_empty() {
        return;
    }
    match axis {
        0 => squared.par_chunks_mut(ni).for_each_init(
            || Envelope::new(n),
            |envelope, line| {
                envelope.line.clear();
                envelope.line.extend(line.iter().copied().map(f64::from));
                envelope.run(steps);
                line.copy_from_slice(&envelope.out);
            },
        ),
        1 => squared.par_chunks_mut(ni * nj).for_each_init(
            || Envelope::new(n),
            |envelope, slice| {
                for i in 0..ni {
                    envelope.line.clear();
                    envelope.line.extend((0..nj).map(|j| f64::from(slice[i + ni * j])));
                    envelope.run(steps);
                    for j in 0..nj {
                        slice[i + ni * j] = envelope.out[j];
                    }
                }
            },
        ),
        _ => {
            // Lines across slices: row by row, each into its own columns, then back.
            let row = ni;
            let stride = ni * nj;
            let source: &[f32] = squared;
            let columns: Vec<Vec<f32>> = (0..nj)
                .into_par_iter()
                .map_init(
                    || Envelope::new(n),
                    |envelope, j| {
                        let mut block = vec![0.0; row * n];
                        for i in 0..row {
                            envelope.line.clear();
                            envelope.line.extend((0..n).map(|k| f64::from(source[i + row * j + stride * k])));
                            envelope.run(steps);
                            for k in 0..n {
                                block[i + row * k] = envelope.out[k];
                            }
                        }
                        block
                    },
                )
                .collect();
            squared.par_chunks_mut(stride).enumerate().for_each(|(k, slice)| {
                for (j, line) in slice.chunks_exact_mut(row).enumerate() {
                    line.copy_from_slice(&columns[j][row * k..row * (k + 1)]);
                }
            });
        }
    }
}

/// The lower envelope of the parabolas of one line.
struct Envelope {
    line: Vec<f64>,
    out: Vec<f32>,
    vertex: Vec<usize>,
    from: Vec<f64>,
}

impl Envelope {
    fn new(n: usize) -> Self {
        Self {
            line: Vec::with_capacity(n),
            out: vec![0.0; n],
            vertex: Vec::with_capacity(n),
            from: Vec::with_capacity(n),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "image dimensions")]
    fn run(&mut self, steps: Steps<'_>) {
        match steps {
            Steps::Even(spacing) => self.lowest(spacing * spacing, |n| n as f64),
            Steps::At(places) => self.lowest(1.0, |n| places[n]),
        }
    }

    /// With centres at these places, and the square of a place's unit.
    #[expect(clippy::cast_possible_truncation, reason = "millimetres")]
    fn lowest(&mut self, scale: f64, place: impl Fn(usize) -> f64) {
        self.vertex.clear();
        self.from.clear();
        for q in 0..self.line.len() {
            let height = self.line[q];
            if height.is_infinite() {
                continue;
            }
            let x = place(q);
            let mut start = f64::NEG_INFINITY;
            while let Some(&p) = self.vertex.last() {
                let other = place(p);
                let meet = ((height - self.line[p]) / scale + x * x - other * other) / (2.0 * (x - other));
                if meet <= self.from[self.from.len() - 1] {
                    self.vertex.pop();
                    self.from.pop();
                } else {
                    start = meet;
                    break;
                }
            }
            self.vertex.push(q);
            self.from.push(start);
        }
        if self.vertex.is_empty() {
            self.out.fill(f32::INFINITY);
            return;
        }
        let mut at = 0;
        for q in 0..self.line.len() {
            let x = place(q);
            while at + 1 < self.vertex.len() && self.from[at + 1] < x {
                at += 1;
            }
            let d = x - place(self.vertex[at]);
            self.out[q] = (self.line[self.vertex[at]] + scale * d * d) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_voxel_on_an_anisotropic_grid() {
        let dims = [5, 4, 3];
        let spacing = [0.9, 1.3, 3.0];
        let mut inside = vec![false; 60];
        inside[1 + 5 * (2 + 4)] = true;
        let distance = to_nearest(&inside, dims, spacing);
        for k in 0..3_u8 {
            for j in 0..4_u8 {
                for i in 0..5_u8 {
                    let d = [(i, 1.0, 0.9), (j, 2.0, 1.3), (k, 1.0, 3.0)];
                    let wanted =
                        d.map(|(n, at, s)| ((f64::from(n) - at) * s).powi(2)).iter().sum::<f64>().sqrt();
                    let got = distance[usize::from(i) + 5 * (usize::from(j) + 4 * usize::from(k))];
                    assert!((f64::from(got) - wanted).abs() < 1e-5);
                }
            }
        }
    }

    #[test]
    fn nothing_inside_is_infinitely_far() {
        assert!(to_nearest(&[false; 8], [2, 2, 2], [1.0; 3]).iter().all(|d| d.is_infinite()));
    }

    #[test]
    fn the_sign_changes_half_way() {
        let row = signed(&[false, false, true, true, true, false], [6, 1, 1], [2.0, 1.0, 1.0]);
        assert_eq!(row, vec![3.0, 1.0, -1.0, -3.0, -1.0, 1.0]);
    }

    #[test]
    fn gaps_are_even_but_for_rounding_or_what_they_are() {
        assert_eq!(gaps_mm(&[0.0, 1.5, 3.000_000_1, 4.5]), [1.5; 3]);
        assert_eq!(gaps_mm(&[0.0, 2.0, 8.0]), [2.0, 6.0]);
        assert!(gaps_mm(&[7.0]).is_empty());
    }

    proptest! {
        #[test]
        fn on_uneven_slices_it_agrees_with_brute_force(
            bits in prop::collection::vec(prop::bool::weighted(0.1), 6 * 5 * 4),
            pixel in prop::array::uniform2(0.3..4.0_f64),
            gaps in prop::array::uniform3(0.3..9.0_f64),
        ) {
            prop_assume!(bits.iter().any(|bit| *bit));
            let places = [0.0, gaps[0], gaps[0] + gaps[1], gaps[0] + gaps[1] + gaps[2]];
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let at = |n: usize| [(n % 6) as f64 * pixel[0], (n / 6 % 5) as f64 * pixel[1], places[n / 30]];
            let got = to_nearest_on_slices(&bits, [6, 5, 4], pixel, &gaps);
            for (n, got) in got.iter().enumerate() {
                let wanted = (0..bits.len()).filter(|m| bits[*m]).map(|m| {
                    (0..3).map(|axis| (at(n)[axis] - at(m)[axis]).powi(2)).sum::<f64>().sqrt()
                }).fold(f64::INFINITY, f64::min);
                prop_assert!((f64::from(*got) - wanted).abs() < 1e-4);
            }
        }

        #[test]
        fn agrees_with_brute_force(
            bits in prop::collection::vec(prop::bool::weighted(0.1), 6 * 5 * 4),
            spacing in prop::array::uniform3(0.3..4.0_f64),
        ) {
            prop_assume!(bits.iter().any(|bit| *bit));
            let dims = [6, 5, 4];
            let at = |n: usize| [n % 6, n / 6 % 5, n / 30];
            let got = to_nearest(&bits, dims, spacing);
            for (n, got) in got.iter().enumerate() {
                let wanted = (0..bits.len()).filter(|m| bits[*m]).map(|m| {
                    (0..3).map(|axis| {
                        #[expect(clippy::cast_precision_loss, reason = "small")]
                        let d = (at(n)[axis] as f64 - at(m)[axis] as f64) * spacing[axis];
                        d * d
                    }).sum::<f64>().sqrt()
                }).fold(f64::INFINITY, f64::min);
                prop_assert!((f64::from(*got) - wanted).abs() < 1e-4);
            }
        }
    }
}
