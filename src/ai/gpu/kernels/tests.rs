//! The kernels against sums in double precision, on whatever graphics device there is.

use super::*;
use crate::ai::gpu::conv::upload;
use crate::ai::gpu::weights::padded;
use crate::ai::graphics::with_gpu_device;
use crate::ai::network::{LEAKY_SLOPE, NORM_EPSILON};

/// Values from -1 to 1 that no other seed gives.
fn values(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn read(tensor: Tensor<5>) -> Vec<f32> {
    crate::ai::gpu::download(tensor).unwrap()
}

/// The greatest difference.
fn worst(got: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    got.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max)
}

/// The three steps of a normalisation, the first and the last in parts.
fn normalise(
    x: Tensor<5>,
    scale: &Tensor<5>,
    shift: &Tensor<5>,
    other: Option<&Tensor<5>>,
    slope: f32,
    of: usize,
) -> Tensor<5> {
    let [_, depth, height, width, _] = x.dims();
    let mut groups = None;
    for index in 0..of {
        groups = Some(find(&x, groups, Part { index, of }));
    }
    let found = conclude(groups.unwrap(), scale, depth * height * width, NORM_EPSILON);
    (0..of).fold(x, |x, index| apply(x, &found, shift, other, slope, Part { index, of }))
}

fn on_device(work: impl FnOnce(&Device)) {
    if with_gpu_device(work).is_none() {
        eprintln!("skipped: no adapter");
    }
}

struct Case {
    kernel: [usize; 3],
    stride: [usize; 3],
    size: [usize; 3],
    input: usize,
    output: usize,
}

impl Case {
    fn output_size(&self) -> [usize; 3] {
        std::array::from_fn(|a| {
            (self.size[a] + 2 * (self.kernel[a] / 2) - self.kernel[a]) / self.stride[a] + 1
        })
    }

    /// The convolution of `x` by `weight` `[tap, input, output]`.
    fn expected(&self, x: &[f32], weight: &[f32]) -> Vec<f64> {
        let ([depth, height, width], [oz, oy, ox]) = (self.size, self.output_size());
        let mut sums = vec![0.0; oz * oy * ox * self.output];
        for (voxel, sums) in sums.chunks_exact_mut(self.output).enumerate() {
            let at = [voxel / (oy * ox), voxel / ox % oy, voxel % ox];
            for (tap, weight) in weight.chunks_exact(self.input * self.output).enumerate() {
                let taps = [
                    tap / (self.kernel[1] * self.kernel[2]),
                    tap / self.kernel[2] % self.kernel[1],
                    tap % self.kernel[2],
                ];
                let place = |a: usize| (at[a] * self.stride[a] + taps[a]).checked_sub(self.kernel[a] / 2);
                let (Some(z), Some(y), Some(c)) = (place(0), place(1), place(2)) else { continue };
                if z >= depth || y >= height || c >= width {
                    continue;
                }
                let from = ((z * height + y) * width + c) * self.input;
                for (value, weight) in x[from..].iter().zip(weight.chunks_exact(self.output)) {
                    for (sum, weight) in sums.iter_mut().zip(weight) {
                        *sum += f64::from(*value) * f64::from(*weight);
                    }
                }
            }
        }
        sums
    }

    /// Convolves in pieces that begin at the lines `cuts`, without and with something to add to.
    fn check(&self, device: &Device, block: Block, cuts: &[usize]) {
        let ([z, y, x], [oz, oy, ox]) = (self.size, self.output_size());
        let terms = self.kernel.iter().product::<usize>() * self.input;
        let input = values(z * y * x * self.input, 1);
        let weight = values(terms * self.output, 2);
        let before = values(oz * oy * ox * self.output, 3);
        let mut expected = self.expected(&input, &weight);
        let input: Tensor<5> = upload(input, [1, z, y, x, self.input], device);
        let weight = padded(upload(weight, [terms, self.output], device));
        for adds in [false, true] {
            if adds {
                expected.iter_mut().zip(&before).for_each(|(sum, before)| *sum += f64::from(*before));
            }
            let mut out = adds.then(|| upload(before.clone(), [1, oz, oy, ox, self.output], device));
            let mut first = 0;
            for last in cuts.iter().copied().chain([oz * oy]) {
                let (kernel, stride, output) = (self.kernel, self.stride, self.output);
                let (lines, spread) = ([first, last], [1; 3]);
                let plan = Convolve { kernel, stride, output, block, lines, adds, spread };
                out = Some(convolve(&input, &weight, out, plan));
                first = last;
            }
            let worst = worst(&read(out.unwrap()), &expected);
            let Self { kernel, stride, size, input, output } = self;
            assert!(
                worst < 5e-5,
                "{kernel:?} /{stride:?} on {size:?}, {input} > {output}, {block:?}, adds {adds}: {worst:.1e}"
            );
        }
    }
}

#[test]
fn convolutions_are_the_sums_they_stand_for() {
    let case = |kernel, stride, size, input, output| Case { kernel, stride, size, input, output };
    on_device(|device| {
        for block in [Block::Four, Block::Eight] {
            // One term, one channel in, strides, odd sizes, channels that are no multiple of four.
            case([1; 3], [1; 3], [2, 3, 5], 4, 4).check(device, block, &[]);
            case([3; 3], [1; 3], [5, 6, 7], 1, 32).check(device, block, &[12]);
            case([3; 3], [2; 3], [5, 6, 7], 8, 16).check(device, block, &[4]);
            case([1, 3, 3], [1, 2, 2], [5, 6, 7], 12, 24).check(device, block, &[3, 9]);
            case([3; 3], [1, 2, 2], [4, 9, 9], 3, 5).check(device, block, &[7]);
            case([3; 3], [1; 3], [6, 5, 4], 2, 70).check(device, block, &[11]);
            // One plane, cut between its lines.
            case([1, 3, 3], [1; 3], [1, 13, 11], 4, 32).check(device, block, &[1, 6]);
            case([1, 7, 5], [1; 3], [4, 9, 9], 4, 32).check(device, block, &[]);
            case([1; 3], [2; 3], [4, 4, 4], 64, 96).check(device, block, &[]);
            // Few voxels and long sums, which are divided; more voxels than a workgroup's.
            case([3; 3], [1; 3], [4; 3], 96, 64).check(device, block, &[4, 11]);
            case([3; 3], [1; 3], [13, 14, 15], 16, 32).check(device, block, &[84]);
        }
    });
}

/// What a flip, a turn or a cut leaves in memory is no obstacle, and what others hold stays as it is.
#[test]
fn views_are_read_and_shared_results_kept() {
    on_device(|device| {
        let case = Case { kernel: [3; 3], stride: [1; 3], size: [4, 5, 6], input: 8, output: 8 };
        let input = values(4 * 5 * 6 * 8, 1);
        let weight = values(27 * 8 * 8, 2);
        let expected = case.expected(&input, &weight);
        // Channels first in memory.
        let planar: Vec<f32> =
            (0..8).flat_map(|channel| input.iter().skip(channel).step_by(8).copied()).collect();
        let x: Tensor<5> = upload(planar, [1, 8, 4, 5, 6], device).permute([0, 2, 3, 4, 1]);
        let weight = padded(upload(weight, [27 * 8, 8], device));
        let plan = |adds| Convolve {
            kernel: [3; 3],
            stride: [1; 3],
            output: 8,
            block: Block::Four,
            lines: [0, 4 * 5],
            adds,
            spread: [1; 3],
        };
        let out = convolve(&x, &weight, None, plan(false));
        let twice = convolve(&x, &weight, Some(out.clone()), plan(true));
        let ones: Tensor<5> = Tensor::ones([1, 1, 1, 1, 8], device);
        let _ = normalise(out.clone(), &ones, &ones, None, LEAKY_SLOPE, 2);
        assert!(worst(&read(out), &expected) < 5e-5);
        let doubled: Vec<f64> = expected.iter().map(|value| 2.0 * value).collect();
        assert!(worst(&read(twice), &doubled) < 1e-4);
    });
}

#[test]
fn upsampling_spreads_blocks() {
    on_device(|device| {
        for ([z, y, x], stride, input, output) in [
            ([2, 3, 4], [2, 2, 2], 8, 4),
            ([3, 5, 4], [1, 2, 2], 5, 3),
            ([4, 4, 4], [2, 2, 2], 64, 32),
            ([2, 3, 3], [2, 1, 3], 4, 12),
        ] {
            let [sz, sy, sx]: [usize; 3] = stride;
            let taps = sz * sy * sx;
            let values_in = values(z * y * x * input, 1);
            let (weight, bias) = (values(input * taps * output, 2), values(output, 3));
            let [oz, oy, ox] = [z * sz, y * sy, x * sx];
            let mut expected = Vec::with_capacity(oz * oy * ox * output);
            for voxel in 0..oz * oy * ox {
                let at = [voxel / (oy * ox), voxel / ox % oy, voxel % ox];
                let tap = (at[0] % sz * sy + at[1] % sy) * sx + at[2] % sx;
                let from = ((at[0] / sz * y + at[1] / sy) * x + at[2] / sx) * input;
                for (channel, bias) in bias.iter().enumerate() {
                    let column = weight.iter().skip(tap * output + channel).step_by(taps * output);
                    let products = values_in[from..from + input].iter().zip(column);
                    let sum: f64 = products.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                    expected.push(sum + f64::from(*bias));
                }
            }
            let values_in: Tensor<5> = upload(values_in, [1, z, y, x, input], device);
            let weight = padded(upload(weight, [input, taps * output], device));
            let bias = upload(bias, [1, 1, 1, 1, output], device);
            for block in [Block::Four, Block::Eight] {
                // In two parts, cut between lines.
                let (all, cut) = (z * y, z * y / 2);
                let part = |onto, lines| upsample(&values_in, &weight, &bias, onto, stride, block, lines);
                let out = part(Some(part(None, [0, cut])), [cut, all]);
                assert_eq!(out.dims(), [1, oz, oy, ox, output]);
                let worst = worst(&read(out), &expected);
                assert!(worst < 1e-5, "{stride:?}, {input} > {output}, {block:?}: {worst:.1e}");
            }
        }
    });
}

/// Also over more voxels than the software driver allows rounds, and far from zero.
#[test]
fn normalising_is_exact_to_single_precision() {
    on_device(|device| {
        for ([z, y, x], channels) in [
            ([2, 3, 5], 4),
            ([7, 6, 5], 3),
            ([5, 5, 5], 36),
            ([3, 3, 3], 320),
            ([40, 41, 42], 8),
            ([1, 256, 257], 1),
        ] {
            for (offset, adds, slope) in
                [(0.0, false, LEAKY_SLOPE), (100.0, true, LEAKY_SLOPE), (5.0, true, 1.0)]
            {
                let count = z * y * x;
                let input: Vec<f32> = values(count * channels, 1).iter().map(|v| v + offset).collect();
                let (scale, shift) = (values(channels, 2), values(channels, 3));
                let other = values(count * channels, 4);
                let mut expected = vec![0.0; input.len()];
                for channel in 0..channels {
                    let own = || input.iter().skip(channel).step_by(channels).map(|v| f64::from(*v));
                    let mean = own().sum::<f64>() / count as f64;
                    let variance = own().map(|v| (v - mean).powi(2)).sum::<f64>() / count as f64;
                    let factor = f64::from(scale[channel]) / (variance + f64::from(NORM_EPSILON)).sqrt();
                    for (index, value) in own().enumerate() {
                        let at = index * channels + channel;
                        let added = if adds { f64::from(other[at]) } else { 0.0 };
                        let value = (value - mean) * factor + f64::from(shift[channel]) + added;
                        expected[at] = if value < 0.0 { value * f64::from(slope) } else { value };
                    }
                }
                let shape = [1, z, y, x, channels];
                let [scale, shift] = [scale, shift].map(|v| upload(v, [1, 1, 1, 1, channels], device));
                let other = adds.then(|| upload(other, shape, device));
                let input: Tensor<5> = upload(input, shape, device);
                // A value of 100 is itself known to 4e-6 only.
                let limit = if offset > 50.0 { 5e-5 } else { 1e-5 };
                for parts in [1, 3] {
                    let out = normalise(input.clone(), &scale, &shift, other.as_ref(), slope, parts);
                    let worst = worst(&read(out), &expected);
                    assert!(
                        worst < limit,
                        "{z}x{y}x{x}, {channels} channels, about {offset}, in {parts}: {worst:.1e}"
                    );
                }
            }
        }
    });
}
