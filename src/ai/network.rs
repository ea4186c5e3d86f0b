//! A nnU-Net "plain" 3D U-Net as numbers: shapes, strides and float32 parameters.
//!
//! Both engines (`cpu`, `gpu`) are built from a [`Network`]; it knows neither of them. Tensors are
//! in PyTorch's order: convolution `[out, in, z, y, x]`, transposed convolution `[in, out, z, y, x]`.
//! Names are those of nnU-Net's `PlainConvUNet` (Isensee et al., Nature Methods 18, 2021;
//! package dynamic-network-architectures).

use std::collections::BTreeMap;

/// The epsilon of every instance normalisation (PyTorch's default, nnU-Net's plans).
pub const NORM_EPSILON: f32 = 1e-5;
/// The slope of every leaky ReLU below zero.
pub const LEAKY_SLOPE: f32 = 0.01;

/// What a manifest says about the network's shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Architecture {
    /// Input channels.
    pub input_channels: usize,
    /// Feature channels of each encoder stage, finest first.
    pub features: Vec<usize>,
    /// Stride of each stage's first convolution, (z, y, x).
    pub strides: Vec<[usize; 3]>,
    /// Kernel size of each stage, (z, y, x), 1 or 3 an axis.
    pub kernels: Vec<[usize; 3]>,
    /// Convolutions in each encoder stage.
    pub encoder_convs: usize,
    /// Convolutions in each decoder stage.
    pub decoder_convs: usize,
    /// Output classes, background included.
    pub classes: usize,
}

/// Why parameters do not make the network that the manifest describes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// The description itself cannot be built.
    #[error("the network description is not usable: {0}")]
    Architecture(String),
    /// A parameter is missing.
    #[error("the weights lack the tensor {0}")]
    Missing(String),
    /// A parameter has another shape than described.
    #[error("the tensor {name} has the shape {found:?}; the description asks for {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape in the file.
        found: Vec<usize>,
        /// The shape that the description asks for.
        expected: Vec<usize>,
    },
    /// A parameter is not a finite number.
    #[error("the tensor {0} holds a value that is not a finite number")]
    NotFinite(String),
}

impl Architecture {
    /// Checks that every list has one entry a stage and every size is within what is supported.
    ///
    /// # Errors
    /// [`NetworkError::Architecture`] naming the first thing wrong.
    pub fn check(&self) -> Result<(), NetworkError> {
        let stages = self.features.len();
        let wrong = |what: &str| Err(NetworkError::Architecture(what.to_owned()));
        if !(2..=8).contains(&stages) {
            return wrong("it needs 2 to 8 stages");
        }
        if self.strides.len() != stages || self.kernels.len() != stages {
            return wrong("features, strides and kernel differ in length");
        }
        if self.features.iter().any(|n| !(1..=2048).contains(n)) {
            return wrong("a stage has no or more than 2048 features");
        }
        if self.strides.iter().flatten().any(|n| !(1..=4).contains(n)) {
            return wrong("a stride is not 1 to 4");
        }
        if self.strides[0] != [1, 1, 1] {
            return wrong("the first stage must have stride 1");
        }
        if self.kernels.iter().flatten().any(|n| *n != 1 && *n != 3) {
            return wrong("a kernel size is neither 1 nor 3");
        }
        if !(1..=4).contains(&self.encoder_convs) || !(1..=4).contains(&self.decoder_convs) {
            return wrong("a stage has not 1 to 4 convolutions");
        }
        if !(2..=1024).contains(&self.classes) || !(1..=16).contains(&self.input_channels) {
            return wrong("it needs 2 to 1024 classes and 1 to 16 input channels");
        }
        Ok(())
    }

    /// What each side of a patch must be a multiple of, (z, y, x).
    #[must_use]
    pub fn divisor(&self) -> [usize; 3] {
        self.strides.iter().fold([1; 3], |product, stride| [0, 1, 2].map(|a| product[a] * stride[a]))
    }

    /// Multiply-accumulate operations of one forward pass over a patch, (z, y, x).
    #[must_use]
    pub fn macs(&self, patch: [usize; 3]) -> u64 {
        let volume = |size: [usize; 3]| size.iter().product::<usize>();
        let mut sizes = Vec::new();
        let mut size = patch;
        let mut total = 0;
        let mut channels = self.input_channels;
        for stage in 0..self.features.len() {
            size = [0, 1, 2].map(|a| size[a].div_ceil(self.strides[stage][a]));
            sizes.push(size);
            for _ in 0..self.encoder_convs {
                total += volume(size) * volume(self.kernels[stage]) * channels * self.features[stage];
                channels = self.features[stage];
            }
        }
        for stage in (0..self.features.len() - 1).rev() {
            let features = self.features[stage];
            total += volume(sizes[stage]) * self.features[stage + 1] * features;
            for conv in 0..self.decoder_convs {
                let input = if conv == 0 { 2 * features } else { features };
                total += volume(sizes[stage]) * volume(self.kernels[stage]) * input * features;
            }
        }
        total += volume(patch) * self.features[0] * self.classes;
        total as u64
    }
}

/// A named parameter tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Shape in PyTorch's order.
    pub shape: Vec<usize>,
    /// Values, last axis fastest.
    pub values: Vec<f32>,
}

/// A convolution's parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Convolution {
    /// Input channels.
    pub input: usize,
    /// Output channels.
    pub output: usize,
    /// Kernel size, (z, y, x).
    pub kernel: [usize; 3],
    /// Stride, (z, y, x).
    pub stride: [usize; 3],
    /// `[output, input, z, y, x]`; of a transposed convolution `[input, output, z, y, x]`.
    pub weight: Vec<f32>,
    /// One an output channel.
    pub bias: Vec<f32>,
}

/// Convolution, instance normalisation, leaky ReLU.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// The convolution, padded by half its kernel.
    pub conv: Convolution,
    /// The normalisation's scale, one a channel.
    pub scale: Vec<f32>,
    /// The normalisation's shift, one a channel.
    pub shift: Vec<f32>,
}

/// The whole network.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// Its shape.
    pub architecture: Architecture,
    /// Encoder stages, finest first.
    pub encoder: Vec<Vec<Block>>,
    /// Transposed convolutions with kernel = stride, coarsest first.
    pub upsample: Vec<Convolution>,
    /// Decoder stages, coarsest first; each takes (upsampled, skip).
    pub decoder: Vec<Vec<Block>>,
    /// The last 1 x 1 x 1 convolution.
    pub head: Convolution,
}

impl Network {
    /// Builds the network from named parameters; parameters it does not use (the segmentation
    /// layers of deep supervision) are ignored.
    ///
    /// # Errors
    /// [`NetworkError`] when the description is unusable, or a parameter is missing, misshapen or
    /// not finite.
    pub fn new(
        architecture: Architecture,
        parameters: &BTreeMap<String, Parameter>,
    ) -> Result<Self, NetworkError> {
        architecture.check()?;
        let take = |name: String, expected: &[usize]| -> Result<Vec<f32>, NetworkError> {
            let Some(found) = parameters.get(&name) else { return Err(NetworkError::Missing(name)) };
            if found.shape != expected {
                return Err(NetworkError::Shape {
                    name,
                    found: found.shape.clone(),
                    expected: expected.to_vec(),
                });
            }
            if found.values.iter().any(|value| !value.is_finite()) {
                return Err(NetworkError::NotFinite(name));
            }
            Ok(found.values.clone())
        };
        let block = |prefix: String, input: usize, output: usize, kernel: [usize; 3], stride: [usize; 3]| {
            let [z, y, x] = kernel;
            Ok::<_, NetworkError>(Block {
                conv: Convolution {
                    input,
                    output,
                    kernel,
                    stride,
                    weight: take(format!("{prefix}.conv.weight"), &[output, input, z, y, x])?,
                    bias: take(format!("{prefix}.conv.bias"), &[output])?,
                },
                scale: take(format!("{prefix}.norm.weight"), &[output])?,
                shift: take(format!("{prefix}.norm.bias"), &[output])?,
            })
        };
        let stages = architecture.features.len();
        let mut encoder = Vec::with_capacity(stages);
        let mut channels = architecture.input_channels;
        for stage in 0..stages {
            let mut blocks = Vec::new();
            for conv in 0..architecture.encoder_convs {
                let stride = if conv == 0 { architecture.strides[stage] } else { [1; 3] };
                let output = architecture.features[stage];
                let prefix = format!("encoder.stages.{stage}.0.convs.{conv}");
                blocks.push(block(prefix, channels, output, architecture.kernels[stage], stride)?);
                channels = output;
            }
            encoder.push(blocks);
        }
        let mut upsample = Vec::new();
        let mut decoder = Vec::new();
        for (index, stage) in (0..stages - 1).rev().enumerate() {
            let (input, output) = (architecture.features[stage + 1], architecture.features[stage]);
            let kernel @ [z, y, x] = architecture.strides[stage + 1];
            upsample.push(Convolution {
                input,
                output,
                kernel,
                stride: kernel,
                weight: take(format!("decoder.transpconvs.{index}.weight"), &[input, output, z, y, x])?,
                bias: take(format!("decoder.transpconvs.{index}.bias"), &[output])?,
            });
            let mut blocks = Vec::new();
            for conv in 0..architecture.decoder_convs {
                let input = if conv == 0 { 2 * output } else { output };
                let prefix = format!("decoder.stages.{index}.convs.{conv}");
                blocks.push(block(prefix, input, output, architecture.kernels[stage], [1; 3])?);
            }
            decoder.push(blocks);
        }
        let (last, input, classes) = (stages - 2, architecture.features[0], architecture.classes);
        let head = Convolution {
            input,
            output: classes,
            kernel: [1; 3],
            stride: [1; 3],
            weight: take(format!("decoder.seg_layers.{last}.weight"), &[classes, input, 1, 1, 1])?,
            bias: take(format!("decoder.seg_layers.{last}.bias"), &[classes])?,
        };
        Ok(Self { architecture, encoder, upsample, decoder, head })
    }

    /// A network of this shape with small deterministic pseudo-random parameters, for benchmarks
    /// and tests of engines against each other.
    ///
    /// # Errors
    /// [`NetworkError::Architecture`] when the description is unusable.
    pub fn random(architecture: Architecture, seed: u64) -> Result<Self, NetworkError> {
        architecture.check()?;
        let mut state = seed | 1;
        let mut next = move || {
            // Marsaglia's xorshift64.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            #[expect(clippy::cast_precision_loss, reason = "24 bits fit a float32 exactly")]
            let unit = (state >> 40) as f32 / (1_u32 << 24) as f32;
            2.0 * unit - 1.0
        };
        let mut conv = |input: usize, output: usize, kernel: [usize; 3], stride: [usize; 3]| {
            let taps = input * kernel.iter().product::<usize>();
            #[expect(clippy::cast_precision_loss, reason = "far below 2^24")]
            let bound = (3.0 / taps as f32).sqrt();
            Convolution {
                input,
                output,
                kernel,
                stride,
                weight: (0..taps * output).map(|_| next() * bound).collect(),
                bias: (0..output).map(|_| next() * 0.1).collect(),
            }
        };
        let block =
            |conv: Convolution| Block { scale: vec![1.0; conv.output], shift: vec![0.0; conv.output], conv };
        let a = &architecture;
        let stages = a.features.len();
        let mut channels = a.input_channels;
        let mut encoder = Vec::new();
        for stage in 0..stages {
            let mut blocks = Vec::new();
            for index in 0..a.encoder_convs {
                let stride = if index == 0 { a.strides[stage] } else { [1; 3] };
                blocks.push(block(conv(channels, a.features[stage], a.kernels[stage], stride)));
                channels = a.features[stage];
            }
            encoder.push(blocks);
        }
        let mut upsample = Vec::new();
        let mut decoder = Vec::new();
        for stage in (0..stages - 1).rev() {
            let output = a.features[stage];
            upsample.push(conv(a.features[stage + 1], output, a.strides[stage + 1], a.strides[stage + 1]));
            decoder.push(
                (0..a.decoder_convs)
                    .map(|index| {
                        let input = if index == 0 { 2 * output } else { output };
                        block(conv(input, output, a.kernels[stage], [1; 3]))
                    })
                    .collect(),
            );
        }
        let head = conv(a.features[0], a.classes, [1; 3], [1; 3]);
        Ok(Self { architecture, encoder, upsample, decoder, head })
    }
}
