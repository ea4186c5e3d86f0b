//! Where the tiles of a sliding window lie, and what the network sees in each.

use super::window::{Window, WindowError};
use crate::ai::mirror::Mirrors;

/// First voxels of the tiles along an axis: evenly spread, `step` of a patch apart at most, halves
/// rounded to even. One tile where the patch covers `size`.
#[must_use]
pub fn starts(size: usize, patch: usize, step: f64) -> Vec<usize> {
    if size <= patch {
        return vec![0];
    }
    let room = (size - patch) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, at most the size")]
    {
        let steps = (room / (patch as f64 * step)).ceil();
        (0..=steps as usize).map(|i| (room / steps * i as f64).round_ties_even() as usize).collect()
    }
}

/// Where tiles and input lie in the padded input.
pub(in crate::ai) struct Layout {
    pub size: [usize; 3],
    pub channels: usize,
    pub classes: usize,
    pub patch: [usize; 3],
    pub padded: [usize; 3],
    /// Voxels of padding before the input.
    pub shift: [usize; 3],
    pub starts: [Vec<usize>; 3],
    pub mirrors: Mirrors,
}

impl Layout {
    pub(in crate::ai) fn new<E>(
        input: &[f32],
        size: [usize; 3],
        window: &Window<'_>,
    ) -> Result<Self, WindowError<E>> {
        let patch = match *window.patch {
            [z, y, x] => [z, y, x],
            [y, x] => [1, y, x],
            _ => return Err(WindowError::Plan("a patch has two or three sides")),
        };
        let voxels: usize = size.iter().product();
        if voxels == 0 || input.is_empty() || !input.len().is_multiple_of(voxels) {
            return Err(WindowError::Plan("the input is not of its size"));
        }
        if patch.contains(&0) || window.classes == 0 || !(window.step > 0.0 && window.step <= 1.0) {
            return Err(WindowError::Plan("patch, classes and step are above 0, the step at most 1"));
        }
        // A 2D network's axes are the last two.
        let offset = 3 - window.patch.len();
        let axes: Vec<usize> = window.mirror_axes.iter().map(|axis| axis + offset).collect();
        if axes.iter().any(|axis| *axis > 2) || (1..axes.len()).any(|n| axes[..n].contains(&axes[n])) {
            return Err(WindowError::Plan("the axes to mirror are not the patch's"));
        }
        if window.mirror_swaps.as_flattened().iter().any(|class| *class >= window.classes) {
            return Err(WindowError::Plan("the classes to swap are not the network's"));
        }
        let flips = (0..1_usize << axes.len()).map(|combination| {
            let turned = |axis| {
                axes.iter().position(|other| *other == axis).is_some_and(|bit| combination >> bit & 1 == 1)
            };
            [turned(0), turned(1), turned(2)]
        });
        let padded: [usize; 3] = std::array::from_fn(|axis| size[axis].max(patch[axis]));
        let starts = std::array::from_fn(|axis| {
            if axis < offset {
                (0..size[axis]).collect()
            } else {
                starts(padded[axis], patch[axis], window.step)
            }
        });
        Ok(Self {
            size,
            channels: input.len() / voxels,
            classes: window.classes,
            patch,
            padded,
            shift: std::array::from_fn(|axis| (padded[axis] - size[axis]) / 2),
            starts,
            mirrors: Mirrors { flips: flips.collect(), swaps: window.mirror_swaps.to_vec() },
        })
    }

    /// The part of the input that a tile covers: first voxel and size.
    pub(in crate::ai) fn part(&self, corner: [usize; 3]) -> ([usize; 3], [usize; 3]) {
        let low: [usize; 3] = std::array::from_fn(|axis| corner[axis].saturating_sub(self.shift[axis]));
        let end: [usize; 3] = std::array::from_fn(|axis| {
            (corner[axis] + self.patch[axis]).saturating_sub(self.shift[axis]).min(self.size[axis])
        });
        (low, std::array::from_fn(|axis| end[axis].saturating_sub(low[axis])))
    }

    /// Cuts a tile out of the input; `outside` surrounds it.
    pub(in crate::ai) fn cut(&self, input: &[f32], corner: [usize; 3], outside: f32, tile: &mut Vec<f32>) {
        let [_, ny, nx] = self.size;
        let (low, part) = self.part(corner);
        let into: [usize; 3] = std::array::from_fn(|axis| low[axis] + self.shift[axis] - corner[axis]);
        tile.clear();
        tile.resize(self.channels * self.patch.iter().product::<usize>(), outside);
        for channel in 0..self.channels {
            for z in 0..part[0] {
                for y in 0..part[1] {
                    let from = ((channel * self.size[0] + low[0] + z) * ny + low[1] + y) * nx + low[2];
                    let to = ((channel * self.patch[0] + into[0] + z) * self.patch[1] + into[1] + y)
                        * self.patch[2];
                    tile[to + into[2]..to + into[2] + part[2]].copy_from_slice(&input[from..from + part[2]]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_the_input_evenly() {
        assert_eq!(starts(40, 48, 0.5), [0]);
        assert_eq!(starts(48, 48, 0.5), [0]);
        assert_eq!(starts(49, 48, 0.5), [0, 1]);
        // (125 - 48) / 24 = 3.2: five tiles 19.25 apart, 38.5 rounds to even.
        assert_eq!(starts(125, 48, 0.5), [0, 19, 38, 58, 77]);
        assert_eq!(starts(128, 64, 1.0), [0, 64]);
    }
}
