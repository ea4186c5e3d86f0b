//! Blocks of a network: convolution, instance normalisation and activation, and residual blocks of some.

use super::activate::activated;
use super::conv::{DeviceConv, Way, upload};
use super::kernels::Part;
use super::pace::Pace;
use super::{COPY_MACS, NORM_MACS, Stop, kernels};
use crate::ai::network::{Activation, Block, NORM_EPSILON, ResidualBlock};
use burn::tensor::activation::leaky_relu;
use burn::tensor::{Device, Tensor};
use std::cell::Cell;

/// What finding means and distances takes of a normalisation: values are read once, and in the last step
/// read and written.
const FIND_SHARE: f64 = 1.0 / 3.0;

pub(super) struct DeviceBlock {
    /// One convolution for each tensor that the block reads.
    pub convs: Vec<DeviceConv>,
    /// The convolution's bias and the activation, where this comes before the normalisation.
    first: Option<(Tensor<5>, Activation)>,
    /// The instance normalisation's; `None` where there is none.
    pub scale: Option<Tensor<5>>,
    /// The instance normalisation's, else the convolution's bias.
    pub shift: Tensor<5>,
    /// What the instance normalisation adds to the variance.
    pub epsilon: f32,
    /// What comes last.
    pub activation: Activation,
    /// How its normalisation is computed.
    pub way: Cell<Way>,
    /// What its normalisation was measured to take; `None` before.
    pub seconds: Cell<Option<f64>>,
}

pub(super) struct DeviceResidual {
    pub inner: Vec<DeviceBlock>,
    pub last: DeviceBlock,
    pool: [usize; 3],
    pub skip: Option<DeviceBlock>,
}

impl DeviceResidual {
    pub(super) fn new(block: &ResidualBlock, device: &Device) -> Self {
        let own = |block: &Block| DeviceBlock::new(block, 1, device);
        Self {
            inner: block.inner.iter().map(own).collect(),
            last: own(&block.last),
            pool: block.pool,
            skip: block.skip.as_ref().map(own),
        }
    }

    pub(super) fn forward(&self, x: &Tensor<5>, pace: &mut Pace) -> Result<Tensor<5>, Stop> {
        let mut skip = average_pool(x.clone(), self.pool, pace)?;
        if let Some(block) = &self.skip {
            skip = block.forward(&[&skip], pace)?;
        }
        let mut inner = None;
        for block in &self.inner {
            inner = Some(block.forward(&[inner.as_ref().unwrap_or(x)], pace)?);
        }
        self.last.run(&[inner.as_ref().unwrap_or(x)], Some(skip), pace)
    }
}

/// Means over blocks of `by` voxels, one axis after another.
fn average_pool(x: Tensor<5>, by: [usize; 3], pace: &mut Pace) -> Result<Tensor<5>, Stop> {
    let mut x = x;
    for (axis, by) in by.into_iter().enumerate().filter(|(_, by)| *by > 1) {
        let mut size = x.dims();
        size[axis + 1] /= by;
        let outer: usize = size[..axis + 2].iter().product();
        let inner: usize = size[axis + 2..].iter().product();
        let blocks: Tensor<3> = x.reshape([outer, by, inner]);
        x = blocks.mean_dim(1).reshape(size);
        pace.spend(pace.estimate_s((outer * by * inner) as u64 * COPY_MACS))?;
    }
    Ok(x)
}

impl DeviceBlock {
    /// A block whose input is `parts` tensors, equally many channels of each.
    pub(super) fn new(block: &Block, parts: usize, device: &Device) -> Self {
        let (input, output) = (block.conv.input, block.conv.output);
        let part = input / parts;
        let channels = |values: &[f32]| upload(values.to_vec(), [1, 1, 1, 1, output], device);
        let convs = (0..parts).map(|n| DeviceConv::new(&block.conv, n * part..(n + 1) * part, device));
        Self {
            convs: convs.collect(),
            first: block.first.map(|first| (channels(&block.conv.bias), first)),
            scale: block.norm.as_ref().map(|norm| channels(&norm.scale)),
            shift: channels(block.norm.as_ref().map_or(&block.conv.bias, |norm| &norm.shift)),
            epsilon: block.norm.as_ref().map_or(NORM_EPSILON, |norm| norm.epsilon),
            activation: block.activation,
            way: Cell::new(if kernels::runs_on(device) { Way::Tiled } else { Way::Direct }),
            seconds: Cell::new(None),
        }
    }

    pub(super) fn forward(&self, inputs: &[&Tensor<5>], pace: &mut Pace) -> Result<Tensor<5>, Stop> {
        self.run(inputs, None, pace)
    }

    /// Convolution and normalisation; then `other` is added, and the activation comes.
    fn run(
        &self,
        inputs: &[&Tensor<5>],
        other: Option<Tensor<5>>,
        pace: &mut Pace,
    ) -> Result<Tensor<5>, Stop> {
        let mut sum: Option<Tensor<5>> = None;
        for (conv, x) in self.convs.iter().zip(inputs) {
            sum = Some(conv.forward(x, sum, pace)?);
        }
        let Some(mut sum) = sum else { return Err(Stop::Failed("a block without convolution".to_owned())) };
        if let Some((bias, first)) = &self.first {
            sum = activate(sum + bias.clone(), *first, pace)?;
        }
        // The greater of a value and its multiple in the same kernel, any other in one of its own.
        if let Some(slope) = self.activation.slope() {
            return self.normalise(sum, other, slope, pace);
        }
        let normal = self.normalise(sum, other, 1.0, pace)?;
        activate(normal, self.activation, pace)
    }

    /// Normalises; then `other` is added, and what is below zero multiplied by `slope`, at most 1.
    pub(super) fn normalise(
        &self,
        x: Tensor<5>,
        other: Option<Tensor<5>>,
        slope: f32,
        pace: &mut Pace,
    ) -> Result<Tensor<5>, Stop> {
        let values = x.dims().iter().product::<usize>() as u64;
        let seconds = self.seconds.get().unwrap_or_else(|| pace.estimate_s(values * NORM_MACS));
        let mut normal = match &self.scale {
            Some(scale) if self.way.get().block().is_some() => {
                return self.in_parts(x, scale, other.as_ref(), slope, seconds, pace);
            }
            Some(scale) => {
                let centred = x.clone() - axis_by_axis_mean(x);
                pace.spend(seconds * FIND_SHARE)?;
                let variance = axis_by_axis_mean(centred.clone() * centred.clone());
                let factor = (variance + self.epsilon).sqrt().recip() * scale.clone();
                pace.spend(seconds * FIND_SHARE)?;
                centred * factor + self.shift.clone()
            }
            None => x + self.shift.clone(),
        };
        if let Some(other) = other {
            normal = normal + other;
        }
        let normal = if slope < 1.0 { leaky_relu(normal, f64::from(slope)) } else { normal };
        pace.spend(seconds * FIND_SHARE)?;
        Ok(normal)
    }

    /// By our own kernels, in as many parts as the pace asks for.
    fn in_parts(
        &self,
        x: Tensor<5>,
        scale: &Tensor<5>,
        other: Option<&Tensor<5>>,
        slope: f32,
        seconds: f64,
        pace: &mut Pace,
    ) -> Result<Tensor<5>, Stop> {
        let [_, depth, height, width, _] = x.dims();
        let (find_s, apply_s) = (seconds * FIND_SHARE, seconds * (1.0 - FIND_SHARE));
        let of = pace.cut(find_s);
        let mut groups = kernels::find(&x, None, Part { index: 0, of });
        for index in 1..of {
            pace.spend(find_s / of as f64)?;
            groups = kernels::find(&x, Some(groups), Part { index, of });
        }
        pace.spend(find_s / of as f64)?;
        let found = kernels::conclude(groups, scale, depth * height * width, self.epsilon);
        let of = pace.cut(apply_s);
        let mut x = x;
        for index in 0..of {
            x = kernels::apply(x, &found, &self.shift, other, slope, Part { index, of });
            pace.spend(apply_s / of as f64)?;
        }
        Ok(x)
    }
}

/// An activation by burn's operations.
fn activate(x: Tensor<5>, activation: Activation, pace: &mut Pace) -> Result<Tensor<5>, Stop> {
    let values = x.dims().iter().product::<usize>() as u64;
    let active = activated(x, activation);
    pace.spend(pace.estimate_s(values * COPY_MACS))?;
    Ok(active)
}

fn axis_by_axis_mean(x: Tensor<5>) -> Tensor<5> {
    x.mean_dim(3).mean_dim(2).mean_dim(1)
}
