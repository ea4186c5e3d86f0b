//! The network with gradients: nnU-Net's PlainConvUNet and ResidualEncoderUNet on burn's autodiff
//! tensors.
//!
//! The same operations as `ai/gpu.rs`, with a batch and with heads at several resolutions (deep
//! supervision); what each does is in [`super::layers`]. Two things differ from PyTorch's way and change
//! no number:
//! - the bias of a convolution that an instance normalisation follows is left out: the
//!   normalisation takes every constant away, so its gradient is zero. Such biases are kept as they
//!   are ([`Parameters::kept`]);
//! - reductions go axis by axis, because the software Vulkan driver cuts longer ones.
//!
//! Of a batch normalisation the running statistics stay as they are (a batch of two patches says little
//! of them): it is a scale and shift of each channel, which are trained.

use super::layers::{Block, Fixed, Head, Live, Residual, Unit, Up};
use super::random::Random;
use crate::ai::network::{
    Activation, Architecture, ConvShape, EncoderKind, LEAKY_SLOPE, Network, NetworkError, NormKind, Parameter,
};
use burn::tensor::{Device, Tensor, TensorData};
use std::collections::BTreeMap;
use std::convert::Infallible;

/// The order of operations; parameters are named by their places in [`Parameters::names`].
pub struct Graph {
    stem: Option<Block>,
    encoder: Vec<Vec<Unit>>,
    ups: Vec<Up>,
    decoder: Vec<Vec<Block>>,
    heads: Vec<Option<Head>>,
    activation: Activation,
    epsilon: f32,
}

/// Named numbers of a network; what is trained has an order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parameters {
    /// The names of what is trained, as nnU-Net has them.
    pub names: Vec<String>,
    /// Their shapes.
    pub shapes: Vec<Vec<usize>>,
    /// Their values.
    pub values: Vec<Vec<f32>>,
    /// What is not trained, by name: biases that have no effect, running statistics.
    pub kept: BTreeMap<String, Parameter>,
}

/// The names and shapes of all parameters of a network with `heads` heads.
///
/// # Errors
/// [`NetworkError::Architecture`] when the description is unusable.
pub fn shapes(
    architecture: &Architecture,
    heads: usize,
    norm: NormKind,
) -> Result<BTreeMap<String, Vec<usize>>, NetworkError> {
    let mut shapes = Network::parameter_shapes(architecture.clone(), norm)?;
    let ups = architecture.features.len() - 1;
    for depth in ups.saturating_sub(heads)..ups {
        let (classes, input) = (architecture.classes, architecture.features[ups - 1 - depth]);
        shapes.insert(format!("decoder.seg_layers.{depth}.weight"), vec![classes, input, 1, 1, 1]);
        shapes.insert(format!("decoder.seg_layers.{depth}.bias"), vec![classes]);
    }
    Ok(shapes)
}

/// Whether a parameter is not trained: a bias before a normalisation, which takes it away or has a shift
/// of its own, or a running statistic.
fn is_kept(name: &str) -> bool {
    [".conv.bias", ".norm.running_mean", ".norm.running_var"].iter().any(|end| name.ends_with(end))
}

impl Parameters {
    /// Random parameters: weights normal with the spread of He et al. (ICCV 2015) for a leaky ReLU,
    /// as nnU-Net and models/training begin; biases 0, normalisations 1 and 0.
    ///
    /// # Errors
    /// [`NetworkError::Architecture`] when the description is unusable.
    pub fn random(
        architecture: &Architecture,
        heads: usize,
        norm: NormKind,
        seed: u64,
    ) -> Result<Self, NetworkError> {
        let mut all = BTreeMap::new();
        for (index, (name, shape)) in (0..).zip(shapes(architecture, heads, norm)?) {
            let count: usize = shape.iter().product();
            let mut random = Random::new(&[seed, 0x1417, index]);
            let values = match shape.as_slice() {
                // As PyTorch counts inputs: the second dimension, of a transposed convolution too.
                [_, second, taps @ ..] => {
                    let inputs = (second * taps.iter().product::<usize>()) as f64;
                    let slope = f64::from(LEAKY_SLOPE);
                    let spread = (2.0 / (1.0 + slope * slope) / inputs).sqrt();
                    #[expect(clippy::cast_possible_truncation, reason = "weights are float32")]
                    (0..count).map(|_| (random.normal() * spread) as f32).collect()
                }
                _ if name.ends_with("norm.weight") => vec![1.0; count],
                _ => vec![0.0; count],
            };
            all.insert(name, Parameter { shape, values });
        }
        Ok(Self::of(all))
    }

    /// Splits named parameters into those that are trained and the others.
    #[must_use]
    pub fn of(all: BTreeMap<String, Parameter>) -> Self {
        let mut parameters = Self::default();
        for (name, parameter) in all {
            if is_kept(&name) {
                parameters.kept.insert(name, parameter);
            } else {
                parameters.names.push(name);
                parameters.shapes.push(parameter.shape);
                parameters.values.push(parameter.values);
            }
        }
        parameters
    }

    /// All parameters by name, with these `values` in place of the trained ones.
    #[must_use]
    pub fn named(&self, values: &[Vec<f32>]) -> BTreeMap<String, Parameter> {
        let trained = self.names.iter().zip(&self.shapes).zip(values).map(|((name, shape), values)| {
            (name.clone(), Parameter { shape: shape.clone(), values: values.clone() })
        });
        self.kept.iter().map(|(name, p)| (name.clone(), p.clone())).chain(trained).collect()
    }

    /// Whether there are running statistics among what is not trained.
    pub(super) fn has_statistics(&self) -> bool {
        self.kept.keys().any(|name| name.ends_with(".norm.running_mean"))
    }

    /// The values as flat tensors.
    #[must_use]
    pub fn upload(values: &[Vec<f32>], device: &Device) -> Vec<Tensor<1>> {
        values
            .iter()
            .map(|values| Tensor::from_data(TensorData::new(values.clone(), [values.len()]), device))
            .collect()
    }

    fn place(&self, name: &str) -> Result<usize, NetworkError> {
        self.names.iter().position(|own| own == name).ok_or_else(|| NetworkError::Missing(name.to_owned()))
    }
}

impl Graph {
    /// The graph of a network with `heads` heads. A normalisation whose running statistics are among the
    /// parameters goes by them.
    ///
    /// # Errors
    /// [`NetworkError`] when a parameter is missing or the description is unusable, as one whose
    /// activation has weights or comes before the normalisation.
    pub fn new(
        architecture: &Architecture,
        heads: usize,
        parameters: &Parameters,
    ) -> Result<Self, NetworkError> {
        architecture.check()?;
        let activation = architecture.activation.ok_or_else(|| {
            NetworkError::Architecture(
                "the slope of its activation is a weight, which is not trained".to_owned(),
            )
        })?;
        if architecture.activation_first {
            return Err(NetworkError::Architecture(
                "its activations come before its normalisations, which is not trained".to_owned(),
            ));
        }
        let stages = architecture.features.len();
        let places = Places { architecture, parameters };
        let is_residual = architecture.kind == EncoderKind::Residual;
        let stem = if is_residual { Some(places.block("encoder.stem.convs.0", 0, [1; 3])?) } else { None };
        let mut channels = architecture.stem;
        let mut encoder = Vec::new();
        for stage in 0..stages {
            let mut units = Vec::new();
            for unit in 0..architecture.encoder_depths[stage] {
                let stride = if unit == 0 { architecture.strides[stage] } else { [1; 3] };
                units.push(if is_residual {
                    Unit::Residual(Box::new(places.residual(stage, unit, channels)?))
                } else {
                    let prefix = format!("encoder.stages.{stage}.0.convs.{unit}");
                    Unit::Plain(places.block(&prefix, stage, stride)?)
                });
                channels = architecture.features[stage];
            }
            encoder.push(units);
        }
        let (mut ups, mut decoder, mut last) = (Vec::new(), Vec::new(), Vec::new());
        for depth in 0..stages - 1 {
            let stage = stages - 2 - depth;
            ups.push(Up {
                weight: parameters.place(&format!("decoder.transpconvs.{depth}.weight"))?,
                bias: if architecture.conv_bias {
                    Some(parameters.place(&format!("decoder.transpconvs.{depth}.bias"))?)
                } else {
                    None
                },
                stride: architecture.strides[stage + 1],
            });
            let convs = 0..architecture.decoder_convs[depth];
            let blocks: Result<Vec<Block>, NetworkError> = convs
                .map(|conv| places.block(&format!("decoder.stages.{depth}.convs.{conv}"), stage, [1; 3]))
                .collect();
            decoder.push(blocks?);
            last.push(if depth + heads >= stages - 1 {
                Some(Head {
                    weight: parameters.place(&format!("decoder.seg_layers.{depth}.weight"))?,
                    bias: parameters.place(&format!("decoder.seg_layers.{depth}.bias"))?,
                })
            } else {
                None
            });
        }
        Ok(Self { stem, encoder, ups, decoder, heads: last, activation, epsilon: architecture.epsilon })
    }

    /// Logits `[N, K, z, y, x]` of the heads, full resolution first, of an image `[N, C, z, y, x]`.
    /// `live` are the parameters as flat tensors, `shapes` their shapes.
    #[must_use]
    pub fn forward(&self, live: &[Tensor<1>], shapes: &[Vec<usize>], image: Tensor<5>) -> Vec<Tensor<5>> {
        let Ok(logits) = self.forward_in_turn(live, shapes, image, &|| Ok::<_, Infallible>(()));
        logits
    }

    /// As [`Self::forward`]; `done` is called when a layer has been enqueued.
    ///
    /// # Errors
    /// What `done` says.
    pub(super) fn forward_in_turn<E>(
        &self,
        live: &[Tensor<1>],
        shapes: &[Vec<usize>],
        image: Tensor<5>,
        done: &dyn Fn() -> Result<(), E>,
    ) -> Result<Vec<Tensor<5>>, E> {
        let at = Live { live, shapes, activation: self.activation, epsilon: self.epsilon };
        let mut x = match &self.stem {
            Some(stem) => at.block(stem, image),
            None => image,
        };
        let mut skips = Vec::new();
        for (stage, units) in self.encoder.iter().enumerate() {
            if stage > 0 {
                skips.push(x.clone());
            }
            for unit in units {
                x = match unit {
                    Unit::Plain(block) => at.block(block, x),
                    Unit::Residual(block) => at.residual(block, x),
                };
                done()?;
            }
        }
        let mut logits = Vec::new();
        for ((up, blocks), head) in self.ups.iter().zip(&self.decoder).zip(&self.heads) {
            let upsampled = at.up(up, x);
            // There is one skip a step up.
            x = match skips.pop() {
                Some(skip) => Tensor::cat(vec![upsampled, skip], 1),
                None => upsampled,
            };
            for block in blocks {
                x = at.block(block, x);
                done()?;
            }
            if let Some(head) = head {
                logits.push(at.head(head, x.clone()));
            }
        }
        logits.reverse();
        Ok(logits)
    }
}

/// Where the parameters of each layer are.
struct Places<'a> {
    architecture: &'a Architecture,
    parameters: &'a Parameters,
}

impl Places<'_> {
    /// A block of this stage's kernel.
    fn block(&self, prefix: &str, stage: usize, stride: [usize; 3]) -> Result<Block, NetworkError> {
        self.block_of(prefix, self.architecture.kernels[stage], stride)
    }

    fn block_of(&self, prefix: &str, kernel: [usize; 3], stride: [usize; 3]) -> Result<Block, NetworkError> {
        let place = |name: &str| self.parameters.place(&format!("{prefix}.{name}"));
        Ok(Block {
            weight: place("conv.weight")?,
            scale: place("norm.weight")?,
            shift: place("norm.bias")?,
            fixed: self.fixed(prefix),
            stride,
            padding: kernel.map(|n| n / 2),
        })
    }

    /// The running statistics of a batch normalisation, and the bias before it.
    fn fixed(&self, prefix: &str) -> Option<Fixed> {
        let kept = |name: &str| self.parameters.kept.get(&format!("{prefix}.{name}"));
        let (mean, variance) = (kept("norm.running_mean")?, kept("norm.running_var")?);
        let bias = kept("conv.bias").map_or(&[][..], |bias| &bias.values);
        let offset = |(at, mean): (usize, &f32)| bias.get(at).copied().unwrap_or(0.0) - mean;
        Some(Fixed {
            offset: mean.values.iter().enumerate().map(offset).collect(),
            factor: variance
                .values
                .iter()
                .map(|own| 1.0 / (own + self.architecture.epsilon).sqrt())
                .collect(),
        })
    }

    fn residual(&self, stage: usize, unit: usize, channels: usize) -> Result<Residual, NetworkError> {
        let prefix = format!("encoder.stages.{stage}.blocks.{unit}");
        let pool = if unit == 0 { self.architecture.strides[stage] } else { [1; 3] };
        let skip = if channels == self.architecture.features[stage] {
            None
        } else {
            // The projection stands behind the pooling, where there is one.
            let place = usize::from(pool != [1; 3]);
            Some(self.block_of(&format!("{prefix}.skip.{place}"), [1; 3], [1; 3])?)
        };
        let (inner, last) = self.architecture.inner_and_last(stage, unit, channels);
        let conv = |number: usize, conv: ConvShape| {
            self.block_of(&format!("{prefix}.conv{number}"), conv.kernel, conv.stride)
        };
        let last = conv(inner.len() + 1, last)?;
        let inner: Result<_, _> = (1..).zip(inner).map(|(number, own)| conv(number, own)).collect();
        Ok(Residual { inner: inner?, last, pool, skip })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn every_layer_is_told_of_when_it_is_enqueued() {
        let (strides, kernels) = (vec![[1; 3], [2; 3]], vec![[3; 3]; 2]);
        let network = Architecture::plain(1, vec![4, 6], strides, kernels, 2, 2);
        let parameters = Parameters::random(&network, 1, NormKind::Instance, 3).unwrap();
        let graph = Graph::new(&network, 1, &parameters).unwrap();
        let device = Device::flex();
        let live = Parameters::upload(&parameters.values, &device);
        let image = || Tensor::<5>::ones([1, 1, 4, 4, 4], &device);
        let layers = Cell::new(0);
        let told = |stop_at: usize| {
            layers.set(0);
            let done = || {
                layers.set(layers.get() + 1);
                if layers.get() == stop_at { Err("enough") } else { Ok(()) }
            };
            graph.forward_in_turn(&live, &parameters.shapes, image(), &done).map(|logits| logits.len())
        };
        assert_eq!((told(0), layers.get()), (Ok(1), 2 * 2 + 2));
        assert_eq!((told(3), layers.get()), (Err("enough"), 3));
    }
}
