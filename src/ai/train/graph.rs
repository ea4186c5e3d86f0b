//! The network with gradients: nnU-Net's PlainConvUNet on burn's autodiff tensors.
//!
//! The same operations as `ai/gpu.rs`, with a batch and with heads at several resolutions (deep
//! supervision). Two things differ from PyTorch's way and change no number:
//! - the bias of a convolution that an instance normalisation follows is left out: the
//!   normalisation takes every constant away, so its gradient is zero. Such biases are kept as they
//!   are ([`Parameters::kept`]);
//! - reductions go axis by axis, because the software Vulkan driver cuts longer ones.

use super::random::Random;
use crate::ai::network::{
    Architecture, LEAKY_SLOPE, NORM_EPSILON, Network, NetworkError, NormKind, Parameter,
};
use burn::tensor::activation::leaky_relu;
use burn::tensor::module::conv3d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};
use std::collections::BTreeMap;

/// Convolution, normalisation, leaky ReLU: the places of its parameters.
struct Block {
    weight: usize,
    scale: usize,
    shift: usize,
    stride: [usize; 3],
    padding: [usize; 3],
}

/// One step up: a transposed convolution whose kernel is its stride.
struct Up {
    weight: usize,
    bias: usize,
    stride: [usize; 3],
}

/// The last layer of a resolution.
struct Head {
    weight: usize,
    bias: usize,
}

/// The order of operations; parameters are named by their places in [`Parameters::names`].
pub struct Graph {
    encoder: Vec<Vec<Block>>,
    ups: Vec<Up>,
    decoder: Vec<Vec<Block>>,
    heads: Vec<Option<Head>>,
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
    /// Biases that have no effect, by name.
    pub kept: BTreeMap<String, Parameter>,
}

/// The names and shapes of all parameters of a network with `heads` heads.
///
/// # Errors
/// [`NetworkError::Architecture`] when the description is unusable.
pub fn shapes(
    architecture: &Architecture,
    heads: usize,
) -> Result<BTreeMap<String, Vec<usize>>, NetworkError> {
    let mut shapes = Network::parameter_shapes(architecture.clone(), NormKind::Instance)?;
    let ups = architecture.features.len() - 1;
    for depth in ups.saturating_sub(heads)..ups {
        let (classes, input) = (architecture.classes, architecture.features[ups - 1 - depth]);
        shapes.insert(format!("decoder.seg_layers.{depth}.weight"), vec![classes, input, 1, 1, 1]);
        shapes.insert(format!("decoder.seg_layers.{depth}.bias"), vec![classes]);
    }
    Ok(shapes)
}

/// Whether a parameter is a bias that a normalisation takes away.
fn has_no_effect(name: &str) -> bool {
    name.ends_with(".conv.bias")
}

impl Parameters {
    /// Random parameters: weights normal with the spread of He et al. (ICCV 2015) for a leaky ReLU,
    /// as nnU-Net and models/training begin; biases 0, normalisations 1 and 0.
    ///
    /// # Errors
    /// [`NetworkError::Architecture`] when the description is unusable.
    pub fn random(architecture: &Architecture, heads: usize, seed: u64) -> Result<Self, NetworkError> {
        let mut all = BTreeMap::new();
        for (index, (name, shape)) in (0..).zip(shapes(architecture, heads)?) {
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
            if has_no_effect(&name) {
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
    /// The graph of a network with `heads` heads.
    ///
    /// # Errors
    /// [`NetworkError`] when a parameter is missing or the description is unusable.
    pub fn new(
        architecture: &Architecture,
        heads: usize,
        parameters: &Parameters,
    ) -> Result<Self, NetworkError> {
        architecture.check()?;
        let block = |prefix: &str, stage: usize, stride: [usize; 3]| -> Result<Block, NetworkError> {
            Ok(Block {
                weight: parameters.place(&format!("{prefix}.conv.weight"))?,
                scale: parameters.place(&format!("{prefix}.norm.weight"))?,
                shift: parameters.place(&format!("{prefix}.norm.bias"))?,
                stride,
                padding: architecture.kernels[stage].map(|n| n / 2),
            })
        };
        let stages = architecture.features.len();
        let mut encoder = Vec::new();
        for stage in 0..stages {
            let mut blocks = Vec::new();
            for conv in 0..architecture.encoder_depths[stage] {
                let stride = if conv == 0 { architecture.strides[stage] } else { [1; 3] };
                blocks.push(block(&format!("encoder.stages.{stage}.0.convs.{conv}"), stage, stride)?);
            }
            encoder.push(blocks);
        }
        let (mut ups, mut decoder, mut last) = (Vec::new(), Vec::new(), Vec::new());
        for depth in 0..stages - 1 {
            let stage = stages - 2 - depth;
            ups.push(Up {
                weight: parameters.place(&format!("decoder.transpconvs.{depth}.weight"))?,
                bias: parameters.place(&format!("decoder.transpconvs.{depth}.bias"))?,
                stride: architecture.strides[stage + 1],
            });
            let convs = 0..architecture.decoder_convs[depth];
            let blocks: Result<Vec<Block>, NetworkError> = convs
                .map(|conv| block(&format!("decoder.stages.{depth}.convs.{conv}"), stage, [1; 3]))
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
        Ok(Self { encoder, ups, decoder, heads: last })
    }

    /// Logits `[N, K, z, y, x]` of the heads, full resolution first, of an image `[N, 1, z, y, x]`.
    /// `live` are the parameters as flat tensors, `shapes` their shapes.
    #[must_use]
    pub fn forward(&self, live: &[Tensor<1>], shapes: &[Vec<usize>], image: Tensor<5>) -> Vec<Tensor<5>> {
        let at = Live { live, shapes };
        let mut x = image;
        let mut skips = Vec::new();
        for (stage, blocks) in self.encoder.iter().enumerate() {
            if stage > 0 {
                skips.push(x.clone());
            }
            for block in blocks {
                x = at.block(block, x);
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
            }
            if let Some(head) = head {
                logits.push(at.head(head, x.clone()));
            }
        }
        logits.reverse();
        logits
    }
}

/// Parameters in their shapes.
struct Live<'a> {
    live: &'a [Tensor<1>],
    shapes: &'a [Vec<usize>],
}

impl Live<'_> {
    fn channels(&self, place: usize) -> Tensor<5> {
        self.live[place].clone().reshape([1, self.shapes[place][0], 1, 1, 1])
    }

    fn block(&self, block: &Block, x: Tensor<5>) -> Tensor<5> {
        let shape = &self.shapes[block.weight];
        let weight =
            self.live[block.weight].clone().reshape([shape[0], shape[1], shape[2], shape[3], shape[4]]);
        let x = conv3d(x, weight, None, ConvOptions::new(block.stride, block.padding, [1; 3], 1));
        let centred = x.clone() - mean(x);
        let variance = mean(centred.clone() * centred.clone());
        let factor = (variance + NORM_EPSILON).sqrt().recip() * self.channels(block.scale);
        leaky_relu(centred * factor + self.channels(block.shift), f64::from(LEAKY_SLOPE))
    }

    /// A matrix product, and a reordering of its rows into blocks of voxels.
    fn up(&self, up: &Up, x: Tensor<5>) -> Tensor<5> {
        let [n, input, d, h, w] = x.dims();
        let [sz, sy, sx] = up.stride;
        let output = self.shapes[up.weight][1];
        let rows = output * sz * sy * sx;
        let weight: Tensor<3> = self.live[up.weight].clone().reshape([1, input, rows]).swap_dims(1, 2);
        let voxels: Tensor<3> = x.reshape([n, input, d * h * w]);
        let made = weight.expand([n, rows, input]).matmul(voxels);
        let blocks: Tensor<8> = made.reshape([n, output, sz, sy, sx, d, h, w]);
        let spread = blocks.permute([0, 1, 5, 2, 6, 3, 7, 4]);
        spread.reshape([n, output, d * sz, h * sy, w * sx]) + self.channels(up.bias)
    }

    fn head(&self, head: &Head, x: Tensor<5>) -> Tensor<5> {
        let [n, input, d, h, w] = x.dims();
        let classes = self.shapes[head.weight][0];
        let weight: Tensor<3> = self.live[head.weight].clone().reshape([1, classes, input]);
        let voxels: Tensor<3> = x.reshape([n, input, d * h * w]);
        let logits = weight.expand([n, classes, input]).matmul(voxels);
        logits.reshape([n, classes, d, h, w]) + self.channels(head.bias)
    }
}

fn mean(x: Tensor<5>) -> Tensor<5> {
    x.mean_dim(4).mean_dim(3).mean_dim(2)
}
