//! The network's own kernels, where burn's are the bottleneck.
//!
//! burn's tensors do not tell which device they are on; its backend extension hands a tensor's buffer
//! to a kernel on every device that CubeCL compiles for, and keeps the order with burn's own work and
//! its fusion. Others, such as the processor, have no such kernels: ask [`runs_on`] first.
//!
//! What holds for every kernel here: features lie channels last, `[1, z, y, x, channel]`, in float32;
//! sums are float32; shared memory stays below 16 KiB and a workgroup below 256 invocations, what any
//! device has; the loops of one invocation stay below 65,535 rounds in all, after which the software
//! driver ends them silently.

mod convolve;
mod normalise;
#[cfg(test)]
mod tests;
mod tiles;

pub(super) use self::convolve::{Block, Convolve};

use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::wgpu::{CubeBackend, CubeTensor};
use burn::backend::{Backend, Dispatch, DispatchDevice, backend_extension};
use burn::tensor::{Device, Shape, Tensor};
use cubecl::prelude::Client;

/// Invocations of a workgroup at most.
const INVOCATIONS: usize = 256;
/// Workgroups along an axis of a launch at most.
const AXIS: usize = 65_535;

/// One of several parts of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub index: usize,
    pub of: usize,
}

impl Part {
    /// The first of `count` things that belongs to it, and the one after the last.
    fn of(self, count: usize) -> [usize; 2] {
        [self.index, self.index + 1].map(|index| count * index / self.of)
    }
}

/// What a device's backend has to offer for the functions of this module.
#[backend_extension(Cube, Fusion)]
pub(super) trait Kernels: Backend {
    /// See [`convolve`].
    #[fusion(dtype = x, shape = plan.output(x))]
    fn convolve(x: FloatTensor<Self>, weight: FloatTensor<Self>, plan: Convolve) -> FloatTensor<Self>;

    /// See [`convolve`].
    #[fusion(dtype = x, shape = out)]
    fn convolve_onto(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        out: FloatTensor<Self>,
        plan: Convolve,
    ) -> FloatTensor<Self>;

    /// See [`upsample`].
    #[fusion(dtype = x, shape = plan.output(x))]
    fn upsample(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        plan: Convolve,
    ) -> FloatTensor<Self>;

    /// See [`upsample`].
    #[fusion(dtype = x, shape = out)]
    fn upsample_onto(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        out: FloatTensor<Self>,
        plan: Convolve,
    ) -> FloatTensor<Self>;

    /// See [`find`].
    #[fusion(dtype = x, shape = normalise::groups(x))]
    fn find(x: FloatTensor<Self>, part: Part) -> FloatTensor<Self>;

    /// See [`find`].
    #[fusion(dtype = x, shape = groups)]
    fn find_onto(x: FloatTensor<Self>, groups: FloatTensor<Self>, part: Part) -> FloatTensor<Self>;

    /// See [`conclude`].
    #[fusion(dtype = groups, shape = Shape::new([2, scale.num_elements()]))]
    fn conclude(
        groups: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        voxels: usize,
        epsilon: f32,
    ) -> FloatTensor<Self>;

    /// See [`apply`].
    #[fusion(dtype = x, shape = x)]
    fn apply(
        x: FloatTensor<Self>,
        found: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        slope: f32,
        part: Part,
    ) -> FloatTensor<Self>;

    /// See [`apply`].
    #[fusion(dtype = x, shape = x)]
    fn apply_and_add(
        x: FloatTensor<Self>,
        found: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        other: FloatTensor<Self>,
        slope: f32,
        part: Part,
    ) -> FloatTensor<Self>;
}

impl Kernels for CubeBackend {
    fn convolve(x: CubeTensor, weight: CubeTensor, plan: Convolve) -> CubeTensor {
        let out = empty(&x, plan.output(x.meta.shape()));
        convolve::launch(&x, &weight, None, &out, &plan);
        out
    }

    fn convolve_onto(x: CubeTensor, weight: CubeTensor, out: CubeTensor, plan: Convolve) -> CubeTensor {
        let out = own(out);
        convolve::launch(&x, &weight, None, &out, &plan);
        out
    }

    fn upsample(x: CubeTensor, weight: CubeTensor, bias: CubeTensor, plan: Convolve) -> CubeTensor {
        let out = empty(&x, plan.output(x.meta.shape()));
        convolve::launch(&x, &weight, Some(&bias), &out, &plan);
        out
    }

    fn upsample_onto(
        x: CubeTensor,
        weight: CubeTensor,
        bias: CubeTensor,
        out: CubeTensor,
        plan: Convolve,
    ) -> CubeTensor {
        let out = own(out);
        convolve::launch(&x, &weight, Some(&bias), &out, &plan);
        out
    }

    fn find(x: CubeTensor, part: Part) -> CubeTensor {
        let groups = empty(&x, normalise::groups(x.meta.shape()));
        normalise::find(&line_up(x), &groups, part);
        groups
    }

    fn find_onto(x: CubeTensor, groups: CubeTensor, part: Part) -> CubeTensor {
        let groups = own(groups);
        normalise::find(&line_up(x), &groups, part);
        groups
    }

    fn conclude(groups: CubeTensor, scale: CubeTensor, voxels: usize, epsilon: f32) -> CubeTensor {
        let found = empty(&groups, Shape::new([2, scale.meta.shape().num_elements()]));
        normalise::conclude(&groups, &scale, &found, voxels, epsilon);
        found
    }

    fn apply(x: CubeTensor, found: CubeTensor, shift: CubeTensor, slope: f32, part: Part) -> CubeTensor {
        let x = own(x);
        normalise::apply(&x, &found, &shift, None, slope, part);
        x
    }

    fn apply_and_add(
        x: CubeTensor,
        found: CubeTensor,
        shift: CubeTensor,
        other: CubeTensor,
        slope: f32,
        part: Part,
    ) -> CubeTensor {
        let x = own(x);
        normalise::apply(&x, &found, &shift, Some(line_up(other)), slope, part);
        x
    }
}

/// Whether tensors of a device can be given to the kernels.
pub(super) fn runs_on(device: &Device) -> bool {
    matches!(device.as_dispatch(), DispatchDevice::Cube(_))
}

/// Convolves the lines of a plan. The other lines of the result are those of `onto`, and without it
/// undefined: further calls with that result make them. Where the plan adds, what `onto` holds in these
/// lines is added.
pub(super) fn convolve(
    x: &Tensor<5>,
    weight: &Tensor<2>,
    onto: Option<Tensor<5>>,
    plan: Convolve,
) -> Tensor<5> {
    let (x, weight) = (x.clone().into_dispatch(), weight.clone().into_dispatch());
    Tensor::from_dispatch(match onto {
        Some(out) => Dispatch::convolve_onto(x, weight, out.into_dispatch(), plan),
        None => Dispatch::convolve(x, weight, plan),
    })
}

/// A transposed convolution whose kernel equals its stride: `weight` is `[input, tap of the stride and
/// output channel]` with the zeros of [`Convolve::matrix`], `bias` has one value an output channel. Made
/// is what becomes of the lines `lines` of `x`, the rest as by [`convolve`].
pub(super) fn upsample(
    x: &Tensor<5>,
    weight: &Tensor<2>,
    bias: &Tensor<5>,
    onto: Option<Tensor<5>>,
    stride: [usize; 3],
    block: Block,
    lines: [usize; 2],
) -> Tensor<5> {
    let output = stride.iter().product::<usize>() * bias.dims()[4];
    let (kernel, ones) = ([1; 3], [1; 3]);
    let plan = Convolve { kernel, stride: ones, output, block, lines, adds: false, spread: stride };
    let (x, weight) = (x.clone().into_dispatch(), weight.clone().into_dispatch());
    let bias = bias.clone().into_dispatch();
    Tensor::from_dispatch(match onto {
        Some(out) => Dispatch::upsample_onto(x, weight, bias, out.into_dispatch(), plan),
        None => Dispatch::upsample(x, weight, bias, plan),
    })
}

/// The first step of an instance normalisation of `[1, z, y, x, channel]`: means and squares of groups of
/// voxels, of a part of them; the others are those of `onto`, as by [`convolve`]. All parts are to be of
/// as many.
///
/// The means are taken first, then the squares of what is left, both pairwise (Chan, Golub and LeVeque,
/// COMPSTAT 1982; Welford, Technometrics 4, 1962, within an invocation): a sum of squares loses digits.
pub(super) fn find(x: &Tensor<5>, onto: Option<Tensor<3>>, part: Part) -> Tensor<3> {
    let x = x.clone().into_dispatch();
    Tensor::from_dispatch(match onto {
        Some(groups) => Dispatch::find_onto(x, groups.into_dispatch(), part),
        None => Dispatch::find(x, part),
    })
}

/// The second step: each channel's mean and what the distances from it are multiplied by, from what was
/// found in so many voxels and an epsilon beside the variance; `scale` has one value a channel.
pub(super) fn conclude(groups: Tensor<3>, scale: &Tensor<5>, voxels: usize, epsilon: f32) -> Tensor<2> {
    let (groups, scale) = (groups.into_dispatch(), scale.clone().into_dispatch());
    Tensor::from_dispatch(Dispatch::conclude(groups, scale, voxels, epsilon))
}

/// The last step, of a part of the voxels: what was found and `shift` (one value a channel) make them
/// normal; then `other` is added, and values below zero are multiplied by `slope` (1 leaves them).
pub(super) fn apply(
    x: Tensor<5>,
    found: &Tensor<2>,
    shift: &Tensor<5>,
    other: Option<&Tensor<5>>,
    slope: f32,
    part: Part,
) -> Tensor<5> {
    let x = x.into_dispatch();
    let (found, shift) = (found.clone().into_dispatch(), shift.clone().into_dispatch());
    Tensor::from_dispatch(match other {
        Some(other) => Dispatch::apply_and_add(x, found, shift, other.clone().into_dispatch(), slope, part),
        None => Dispatch::apply(x, found, shift, slope, part),
    })
}

/// A count for a kernel.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// A tensor beside another, its values undefined.
fn empty(beside: &CubeTensor, shape: Shape) -> CubeTensor {
    let client: Client = beside.client.clone();
    let handle = client.empty(shape.num_elements() * beside.dtype.size());
    CubeTensor::new_contiguous(client, beside.device.clone(), shape, handle, beside.dtype)
}

/// The same values one after another in memory, last axis first.
fn line_up(x: CubeTensor) -> CubeTensor {
    if x.is_contiguous() {
        return x;
    }
    let shape = x.meta.shape().clone();
    let line = CubeBackend::float_reshape(x, Shape::new([shape.num_elements()]));
    CubeBackend::float_reshape(line, shape)
}

/// The same in a buffer that may be written to, because nobody else sees it.
fn own(x: CubeTensor) -> CubeTensor {
    let x = line_up(x);
    if x.can_mut() { x } else { line_up(x.copy()) }
}
