//! What a layer makes of an input that is known by its place, computed here at some voxels: what a kernel
//! of our own is held to on a device where none of burn's operations runs.

use super::block::DeviceBlock;
use super::conv::DeviceConv;
use super::download;
use super::upsample::DeviceUpsample;
use crate::ai::network::LEAKY_SLOPE;
use burn::tensor::{Int, Tensor, TensorData};

/// The `index`-th value of the input that layers are measured on. Not zeros: some devices are faster with
/// them.
pub(super) fn input_value(index: usize) -> f32 {
    (index % 251) as f32 / 125.0 - 1.0
}

/// Voxels, as their places in an output, and their values, `[voxel][channel]`.
pub(super) struct Proof {
    voxels: Vec<usize>,
    values: Vec<f64>,
}

/// Corners, middles of edges and faces, and the middle of an output: each two, that edges count too.
fn sampled(size: [usize; 3]) -> Vec<[usize; 3]> {
    let along = |n: usize| {
        let mut some = vec![0, 1.min(n - 1), n / 2, n - 1];
        some.dedup();
        some
    };
    let [z, y, x] = size.map(along);
    z.iter().flat_map(|z| y.iter().flat_map(|y| x.iter().map(|x| [*z, *y, *x]))).collect()
}

fn place([z, y, x]: [usize; 3], [_, height, width]: [usize; 3]) -> usize {
    (z * height + y) * width + x
}

impl Proof {
    /// Of a convolution of an input of `size` by `matrix`, `[z y x input, output]`.
    pub(super) fn of_conv(conv: &DeviceConv, size: [usize; 3]) -> Result<Self, String> {
        let matrix = download(conv.weights().plain())?;
        let ([output, input], out_size) = (conv.channels(), conv.output_size(size));
        let (kernel, stride) = conv.kernel_and_stride();
        let mut values = Vec::new();
        for voxel in sampled(out_size) {
            let mut sums = vec![0.0; output];
            for (tap, rows) in matrix.chunks_exact(input * output).enumerate() {
                let taps = [tap / (kernel[1] * kernel[2]), tap / kernel[2] % kernel[1], tap % kernel[2]];
                let at = |a: usize| (voxel[a] * stride[a] + taps[a]).checked_sub(kernel[a] / 2);
                let (Some(z), Some(y), Some(x)) = (at(0), at(1), at(2)) else { continue };
                if z >= size[0] || y >= size[1] || x >= size[2] {
                    continue;
                }
                let from = place([z, y, x], size) * input;
                for (channel, row) in rows.chunks_exact(output).enumerate() {
                    let value = f64::from(input_value(from + channel));
                    sums.iter_mut().zip(row).for_each(|(sum, weight)| *sum += value * f64::from(*weight));
                }
            }
            values.extend(sums);
        }
        Ok(Self {
            voxels: sampled(out_size).into_iter().map(|voxel| place(voxel, out_size)).collect(),
            values,
        })
    }

    /// Of a normalisation of features of `size`, rectified.
    pub(super) fn of_norm(block: &DeviceBlock, size: [usize; 3]) -> Result<Self, String> {
        let scale = block.scale.as_ref().ok_or("there is no normalisation")?;
        let (scale, shift) = (download(scale.clone())?, download(block.shift.clone())?);
        let (channels, voxels) = (shift.len(), size.iter().product::<usize>());
        let mut means = vec![0.0; channels];
        let mut squares = vec![0.0; channels];
        let value = |voxel: usize, channel: usize| f64::from(input_value(voxel * channels + channel));
        for voxel in 0..voxels {
            means.iter_mut().enumerate().for_each(|(channel, mean)| *mean += value(voxel, channel));
        }
        means.iter_mut().for_each(|mean| *mean /= voxels as f64);
        for voxel in 0..voxels {
            for (channel, (square, mean)) in squares.iter_mut().zip(&means).enumerate() {
                *square += (value(voxel, channel) - mean).powi(2);
            }
        }
        let places: Vec<usize> = sampled(size).into_iter().map(|voxel| place(voxel, size)).collect();
        let mut values = Vec::new();
        for voxel in &places {
            for channel in 0..channels {
                let spread = (squares[channel] / voxels as f64 + f64::from(block.epsilon)).sqrt();
                let normal = (value(*voxel, channel) - means[channel]) / spread * f64::from(scale[channel])
                    + f64::from(shift[channel]);
                values.push(if normal < 0.0 { normal * f64::from(LEAKY_SLOPE) } else { normal });
            }
        }
        Ok(Self { voxels: places, values })
    }

    /// Of an upsampling of an input of `size`.
    pub(super) fn of_upsample(up: &DeviceUpsample, size: [usize; 3]) -> Result<Self, String> {
        let (weight, bias) = (download(up.weights.plain())?, download(up.bias.clone())?);
        let columns = up.stride.iter().product::<usize>() * up.output;
        let out_size: [usize; 3] = std::array::from_fn(|a| size[a] * up.stride[a]);
        let mut values = Vec::new();
        for voxel in sampled(out_size) {
            let tap = |a: usize| voxel[a] % up.stride[a];
            let tap = (tap(0) * up.stride[1] + tap(1)) * up.stride[2] + tap(2);
            let from = place(std::array::from_fn(|a| voxel[a] / up.stride[a]), size) * up.input;
            for (channel, bias) in bias.iter().enumerate() {
                let column = weight.iter().skip(tap * up.output + channel).step_by(columns);
                let products = column
                    .enumerate()
                    .map(|(input, weight)| f64::from(input_value(from + input)) * f64::from(*weight));
                values.push(products.sum::<f64>() + f64::from(*bias));
            }
        }
        Ok(Self {
            voxels: sampled(out_size).into_iter().map(|voxel| place(voxel, out_size)).collect(),
            values,
        })
    }

    /// Whether an output `[1, z, y, x, channel]` holds these values, but for `same` of the greatest.
    pub(super) fn holds(&self, output: &Tensor<5>, same: f32) -> Result<bool, String> {
        let [_, z, y, x, channels] = output.dims();
        let at: Vec<i32> =
            self.voxels.iter().map(|voxel| i32::try_from(*voxel).unwrap_or(i32::MAX)).collect();
        let at: Tensor<1, Int> =
            Tensor::from_data(TensorData::new(at, [self.voxels.len()]), &output.device());
        let rows: Tensor<2> = output.clone().reshape([z * y * x, channels]);
        let found = download(rows.select(0, at))?;
        let greatest = self.values.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
        let limit = f64::from(same) * greatest;
        let is_near = |(a, b): (&f32, &f64)| (f64::from(*a) - b).abs() <= limit;
        Ok(found.len() == self.values.len() && found.iter().zip(&self.values).all(is_near))
    }
}
