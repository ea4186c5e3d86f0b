//! Parameters by nnU-Net's names, put in their places.

use super::{
    Activation, Architecture, Block, ConvShape, Convolution, EncoderBlock, EncoderKind, InstanceNorm,
    Network, NetworkError, NormKind, Parameter, ResidualBlock,
};
use std::collections::BTreeMap;

/// Gives the values of a parameter of this name and shape.
type Take<'a> = dyn FnMut(String, &[usize]) -> Result<Vec<f32>, NetworkError> + 'a;

/// The values of a named parameter, which must have the expected shape. Where that is 1 along a
/// convolution's z, a 2D network's shape without z counts as well.
pub(super) fn taken(
    parameters: &BTreeMap<String, Parameter>,
    name: String,
    expected: &[usize],
) -> Result<Vec<f32>, NetworkError> {
    let Some(found) = parameters.get(&name) else { return Err(NetworkError::Missing(name)) };
    let flat = match expected {
        [first, second, 1, y, x] => found.shape == [*first, *second, *y, *x],
        _ => false,
    };
    if found.shape != expected && !flat {
        return Err(NetworkError::Shape { name, found: found.shape.clone(), expected: expected.to_vec() });
    }
    if found.values.iter().any(|value| !value.is_finite()) {
        return Err(NetworkError::NotFinite(name));
    }
    Ok(found.values.clone())
}

/// Whether a network may leave a parameter of this name unused: a segmentation layer of deep
/// supervision, or a tensor that is there under another name.
pub(super) fn is_spare(name: &str) -> bool {
    is_head(name) || is_second_name(name)
}

/// Whether a tensor of this name is of a segmentation layer, that of the full resolution or of a lower one
/// (deep supervision), which only training needs.
pub(in crate::ai) fn is_head(name: &str) -> bool {
    name.strip_prefix("decoder.seg_layers.").is_some_and(|rest| {
        let mut parts = rest.split('.');
        let number = parts.next().is_some_and(|part| part.parse::<usize>().is_ok());
        number && matches!(parts.next(), Some("weight" | "bias")) && parts.next().is_none()
    })
}

/// Whether a tensor of this name is there under another one too.
pub(in crate::ai) fn is_second_name(name: &str) -> bool {
    name.starts_with("decoder.encoder.") || name.contains(".all_modules.")
}

/// Shape of a convolution with normalisation.
#[derive(Clone, Copy)]
struct Shape {
    input: usize,
    output: usize,
    kernel: [usize; 3],
    stride: [usize; 3],
    bias: bool,
    norm: NormKind,
    epsilon: f32,
    activation: Then,
    activation_first: bool,
}

/// What follows a normalisation.
#[derive(Clone, Copy)]
enum Then {
    /// A function without weights.
    Fixed(Activation),
    /// A leaky ReLU whose slope is a weight of this name beside the block's own.
    Learned(&'static str),
}

impl Then {
    const NOTHING: Self = Self::Fixed(Activation::NOTHING);

    /// Of a block with a normalisation of its own, as the architecture has it.
    fn of(architecture: &Architecture) -> Self {
        architecture.activation.map_or(Self::Learned("nonlin"), Self::Fixed)
    }

    /// The same under another name.
    fn named(self, name: &'static str) -> Self {
        if matches!(self, Self::Learned(_)) { Self::Learned(name) } else { self }
    }

    fn take(self, take: &mut Take<'_>, prefix: &str) -> Result<Activation, NetworkError> {
        match self {
            Self::Fixed(activation) => Ok(activation),
            Self::Learned(name) => {
                let slope = take(format!("{prefix}.{name}.weight"), &[1])?;
                Ok(Activation::Leaky(slope.first().copied().unwrap_or(1.0)))
            }
        }
    }
}

fn block(take: &mut Take<'_>, prefix: &str, shape: Shape) -> Result<Block, NetworkError> {
    let Shape { input, output, kernel, stride, bias, norm, epsilon, activation, activation_first } = shape;
    let [z, y, x] = kernel;
    let mut conv = Convolution {
        input,
        output,
        kernel,
        stride,
        weight: take(format!("{prefix}.conv.weight"), &[output, input, z, y, x])?,
        bias: optional(take, format!("{prefix}.conv.bias"), output, bias)?,
    };
    let affine = InstanceNorm {
        scale: take(format!("{prefix}.norm.weight"), &[output])?,
        shift: take(format!("{prefix}.norm.bias"), &[output])?,
        epsilon,
    };
    let norm = match norm {
        NormKind::Instance => Some(affine),
        NormKind::Running => {
            let mean = take(format!("{prefix}.norm.running_mean"), &[output])?;
            let name = format!("{prefix}.norm.running_var");
            let variance = take(name.clone(), &[output])?;
            if variance.iter().any(|variance| *variance < 0.0) {
                return Err(NetworkError::Variance(name));
            }
            fold(&mut conv, &affine, &mean, &variance);
            None
        }
    };
    let activation = activation.take(take, prefix)?;
    Ok(if activation_first {
        Block { conv, first: Some(activation), norm, activation: Activation::NOTHING }
    } else {
        Block { conv, first: None, norm, activation }
    })
}

/// Puts a normalisation by fixed statistics into the convolution before it:
/// `(w x + b - mean) / sqrt(variance + epsilon) * scale + shift` is a convolution again.
fn fold(conv: &mut Convolution, affine: &InstanceNorm, mean: &[f32], variance: &[f32]) {
    let taps = conv.weight.len() / conv.output.max(1);
    for channel in 0..conv.output {
        let deviation = (f64::from(variance[channel]) + f64::from(affine.epsilon)).sqrt();
        let factor = f64::from(affine.scale[channel]) / deviation;
        let bias = (f64::from(conv.bias[channel]) - f64::from(mean[channel])) * factor
            + f64::from(affine.shift[channel]);
        #[expect(clippy::cast_possible_truncation, reason = "the network computes in float32")]
        {
            conv.bias[channel] = bias as f32;
            for weight in &mut conv.weight[channel * taps..(channel + 1) * taps] {
                *weight = (f64::from(*weight) * factor) as f32;
            }
        }
    }
}

fn optional(
    take: &mut Take<'_>,
    name: String,
    count: usize,
    is_there: bool,
) -> Result<Vec<f32>, NetworkError> {
    if is_there { take(name, &[count]) } else { Ok(vec![0.0; count]) }
}

/// A residual block of a stage, which sees so many channels.
fn residual(
    take: &mut Take<'_>,
    a: &Architecture,
    norm: NormKind,
    [stage, block_index, channels]: [usize; 3],
) -> Result<ResidualBlock, NetworkError> {
    let prefix = format!("encoder.stages.{stage}.blocks.{block_index}");
    let shape = |conv: ConvShape, bias: bool, activation: Then| {
        let ConvShape { kernel, stride, input, output } = conv;
        let (epsilon, activation_first) = (a.epsilon, false);
        Shape { input, output, kernel, stride, bias, norm, epsilon, activation, activation_first }
    };
    let (before, last) = a.inner_and_last(stage, block_index, channels);
    let mut inner = Vec::new();
    for (number, conv) in (1..).zip(&before) {
        inner.push(block(take, &format!("{prefix}.conv{number}"), shape(*conv, a.conv_bias, Then::of(a)))?);
    }
    let number = before.len() + 1;
    let mut last = block(take, &format!("{prefix}.conv{number}"), shape(last, a.conv_bias, Then::NOTHING))?;
    // That of the sum is the whole block's.
    let name = if number == 2 { "nonlin2" } else { "nonlin3" };
    last.activation = Then::of(a).named(name).take(take, &prefix)?;
    let pool = if block_index == 0 { a.strides[stage] } else { [1; 3] };
    let skip = if a.is_projected(stage, channels) {
        // The projection stands behind the pooling, where there is one.
        let place = usize::from(pool != [1; 3]);
        let conv = ConvShape { kernel: [1; 3], stride: [1; 3], input: channels, output: a.features[stage] };
        Some(block(take, &format!("{prefix}.skip.{place}"), shape(conv, false, Then::NOTHING))?)
    } else {
        None
    };
    Ok(ResidualBlock { inner, last, pool, skip })
}

pub(super) fn network(
    architecture: Architecture,
    norm: NormKind,
    take: &mut Take<'_>,
) -> Result<Network, NetworkError> {
    architecture.check()?;
    let a = &architecture;
    if a.activation_first && norm == NormKind::Running {
        return Err(NetworkError::Architecture(
            "its activations come before normalisations by running statistics (nonlin_first), which is not \
             supported"
                .to_owned(),
        ));
    }
    let (epsilon, activation_first) = (a.epsilon, a.activation_first);
    let stages = a.features.len();
    let mut channels = a.input_channels;
    let mut stem = None;
    if a.kind == EncoderKind::Residual {
        let shape = Shape {
            input: channels,
            output: a.stem,
            kernel: a.kernels[0],
            stride: [1; 3],
            bias: a.conv_bias,
            norm,
            epsilon,
            activation: Then::of(a),
            activation_first,
        };
        stem = Some(block(take, "encoder.stem.convs.0", shape)?);
        channels = a.stem;
    }
    let mut encoder = Vec::with_capacity(stages);
    for stage in 0..stages {
        let mut blocks = Vec::new();
        for index in 0..a.encoder_depths[stage] {
            blocks.push(match a.kind {
                EncoderKind::Plain => {
                    let shape = Shape {
                        input: channels,
                        output: a.features[stage],
                        kernel: a.kernels[stage],
                        stride: if index == 0 { a.strides[stage] } else { [1; 3] },
                        bias: a.conv_bias,
                        norm,
                        epsilon,
                        activation: Then::of(a),
                        activation_first,
                    };
                    let prefix = format!("encoder.stages.{stage}.0.convs.{index}");
                    EncoderBlock::Plain(block(take, &prefix, shape)?)
                }
                EncoderKind::Residual => {
                    EncoderBlock::Residual(Box::new(residual(take, a, norm, [stage, index, channels])?))
                }
            });
            channels = a.features[stage];
        }
        encoder.push(blocks);
    }
    let mut upsample = Vec::new();
    let mut decoder = Vec::new();
    for (index, stage) in (0..stages - 1).rev().enumerate() {
        let (input, output) = (a.features[stage + 1], a.features[stage]);
        let kernel @ [z, y, x] = a.strides[stage + 1];
        upsample.push(Convolution {
            input,
            output,
            kernel,
            stride: kernel,
            weight: take(format!("decoder.transpconvs.{index}.weight"), &[input, output, z, y, x])?,
            bias: optional(take, format!("decoder.transpconvs.{index}.bias"), output, a.conv_bias)?,
        });
        let mut blocks = Vec::new();
        for conv in 0..a.decoder_convs[index] {
            let input = if conv == 0 { 2 * output } else { output };
            let (kernel, stride) = (a.kernels[stage], [1; 3]);
            let (bias, activation) = (a.conv_bias, Then::of(a));
            let shape =
                Shape { input, output, kernel, stride, bias, norm, epsilon, activation, activation_first };
            blocks.push(block(take, &format!("decoder.stages.{index}.convs.{conv}"), shape)?);
        }
        decoder.push(blocks);
    }
    let (last, input, classes) = (stages - 2, a.features[0], a.classes);
    let head = Convolution {
        input,
        output: classes,
        kernel: [1; 3],
        stride: [1; 3],
        weight: take(format!("decoder.seg_layers.{last}.weight"), &[classes, input, 1, 1, 1])?,
        bias: take(format!("decoder.seg_layers.{last}.bias"), &[classes])?,
    };
    Ok(Network { architecture, stem, encoder, upsample, decoder, head })
}
