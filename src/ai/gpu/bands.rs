//! Outputs in parts: some planes, or, where these are too few, some lines of one.

use burn::tensor::Tensor;
use std::ops::Range;

/// Some planes and lines of `[1, z, y, x, channel]`: all lines, or one plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Band {
    pub planes: Range<usize>,
    pub lines: Range<usize>,
}

impl Band {
    /// The first of its lines and the one after the last, of planes of so many.
    pub(super) fn span(&self, height: usize) -> [usize; 2] {
        [self.planes.start * height + self.lines.start, (self.planes.end - 1) * height + self.lines.end]
    }

    /// How much of `[planes, lines]` it is.
    pub(super) fn share(&self, [depth, height]: [usize; 2]) -> f64 {
        (self.planes.len() * self.lines.len()) as f64 / (depth * height) as f64
    }
}

/// `[planes, lines]` in so many bands, or nearly; no more than there are lines.
pub(super) fn bands([depth, height]: [usize; 2], pieces: usize) -> Vec<Band> {
    let deep = depth.div_ceil(pieces.max(1)).max(1);
    let high = height.div_ceil(pieces.div_ceil(depth.max(1)).max(1)).max(1);
    let mut all = Vec::new();
    for z in (0..depth).step_by(deep) {
        for y in (0..height).step_by(high) {
            all.push(Band { planes: z..(z + deep).min(depth), lines: y..(y + high).min(height) });
        }
    }
    all
}

/// In how many bands none has more lines than `most`.
pub(super) fn pieces_of_lines([depth, height]: [usize; 2], most: usize) -> usize {
    if most >= height { depth.div_ceil(most / height.max(1)) } else { depth * height.div_ceil(most.max(1)) }
}

/// The bands' tensors, in their order, as one; `None` where there are none.
pub(super) fn joined(bands: &[Band], parts: Vec<Tensor<5>>) -> Option<Tensor<5>> {
    let across = bands.iter().take_while(|band| band.planes.start == 0).count();
    let one = |mut parts: Vec<Tensor<5>>, axis: usize| match parts.len() {
        0 | 1 => parts.pop(),
        _ => Some(Tensor::cat(parts, axis)),
    };
    let mut parts = parts.into_iter();
    let mut planes = Vec::new();
    while let Some(plane) = one(parts.by_ref().take(across).collect(), 2) {
        planes.push(plane);
    }
    one(planes, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_planes_then_lines_and_cover_everything_once() {
        let band = |planes, lines| Band { planes, lines };
        assert_eq!(bands([6, 5], 1), [band(0..6, 0..5)]);
        assert_eq!(bands([6, 5], 4), [band(0..2, 0..5), band(2..4, 0..5), band(4..6, 0..5)]);
        assert_eq!(bands([1, 5], 2), [band(0..1, 0..3), band(0..1, 3..5)]);
        for size in [[1, 512], [6, 12], [7, 3], [128, 128]] {
            for pieces in [1, 2, 3, 16, 1024] {
                let all = bands(size, pieces);
                let spans: Vec<[usize; 2]> = all.iter().map(|band| band.span(size[1])).collect();
                assert!(spans.windows(2).all(|pair| pair[0][1] == pair[1][0]), "{size:?} in {pieces}");
                assert_eq!((spans[0][0], spans[spans.len() - 1][1]), (0, size[0] * size[1]));
                let share: f64 = all.iter().map(|band| band.share(size)).sum();
                assert!((share - 1.0).abs() < 1e-9);
                let most = all.iter().map(|band| band.planes.len() * band.lines.len()).max().unwrap();
                assert!(most <= (2 * size[0] * size[1]).div_ceil(pieces).max(size[1].div_ceil(pieces)));
            }
        }
    }

    #[test]
    fn a_limit_of_lines_holds() {
        for size in [[1, 512], [6, 12], [7, 3], [10, 10]] {
            for most in [1, 2, 5, 12, 25, 1000] {
                let all = bands(size, pieces_of_lines(size, most));
                let greatest = all.iter().map(|band| band.planes.len() * band.lines.len()).max().unwrap();
                assert!(greatest <= most, "{size:?}: {greatest} of {most}");
            }
        }
    }

    #[test]
    fn parts_are_joined_where_they_belong() {
        let device = burn::tensor::Device::flex();
        let values: Vec<f32> = (0_u8..4 * 5 * 2 * 3).map(f32::from).collect();
        let whole: Tensor<5> = super::super::upload(values.clone(), [1, 4, 5, 2, 3], &device);
        for pieces in [1, 2, 4, 8, 64] {
            let bands = bands([4, 5], pieces);
            let part = |band: &Band| {
                whole.clone().slice([0..1, band.planes.clone(), band.lines.clone(), 0..2, 0..3])
            };
            let parts = bands.iter().map(part).collect();
            let again = joined(&bands, parts).unwrap();
            assert_eq!(super::super::download(again).unwrap(), values, "in {pieces}");
        }
    }
}
