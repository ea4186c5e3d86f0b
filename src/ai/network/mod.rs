//! A nnU-Net U-Net as numbers: shapes, strides and float32 parameters.
//!
//! Both engines (`cpu`, `gpu`) are built from a [`Network`]; it knows neither of them. Tensors are
//! in PyTorch's order: convolution `[out, in, z, y, x]`, transposed convolution `[in, out, z, y, x]`.
//! A 2D network is one whose kernels, strides and patch are 1 along z. Names are those of nnU-Net's
//! `PlainConvUNet` and `ResidualEncoderUNet` (Isensee et al., Nature Methods 18, 2021, and MICCAI
//! 2024; package dynamic-network-architectures).

mod build;
mod random;

use std::collections::BTreeMap;

/// The epsilon of every instance normalisation (PyTorch's default, nnU-Net's plans).
pub const NORM_EPSILON: f32 = 1e-5;
/// The slope of every leaky ReLU below zero.
pub const LEAKY_SLOPE: f32 = 0.01;

/// What an encoder's stages are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncoderKind {
    /// Convolutions (`PlainConvUNet`).
    Plain,
    /// A convolution as stem, then residual blocks of two convolutions (`ResidualEncoderUNet`).
    Residual,
}

impl EncoderKind {
    /// The kind of this name in manifests and plans.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "PlainConvUNet" => Some(Self::Plain),
            "ResidualEncoderUNet" => Some(Self::Residual),
            _ => None,
        }
    }
}

/// What a manifest or plan says about the network's shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Architecture {
    /// What the encoder is made of.
    pub kind: EncoderKind,
    /// Input channels.
    pub input_channels: usize,
    /// Feature channels of a residual encoder's stem; 0 in a plain one.
    pub stem: usize,
    /// Feature channels of each encoder stage, finest first.
    pub features: Vec<usize>,
    /// Stride of each stage's first convolution, (z, y, x).
    pub strides: Vec<[usize; 3]>,
    /// Kernel size of each stage, (z, y, x), 1, 3, 5 or 7 an axis.
    pub kernels: Vec<[usize; 3]>,
    /// Convolutions, or residual blocks, in each encoder stage, finest first.
    pub encoder_depths: Vec<usize>,
    /// Convolutions in each decoder stage, coarsest first.
    pub decoder_convs: Vec<usize>,
    /// Outputs: classes with background, or regions.
    pub classes: usize,
    /// Whether convolutions have a bias (the last one always has).
    pub conv_bias: bool,
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
    /// A plain network whose stages all have `convs` convolutions.
    #[must_use]
    pub fn plain(
        input_channels: usize,
        features: Vec<usize>,
        strides: Vec<[usize; 3]>,
        kernels: Vec<[usize; 3]>,
        convs: usize,
        classes: usize,
    ) -> Self {
        let stages = features.len();
        Self {
            kind: EncoderKind::Plain,
            input_channels,
            stem: 0,
            features,
            strides,
            kernels,
            encoder_depths: vec![convs; stages],
            decoder_convs: vec![convs; stages.saturating_sub(1)],
            classes,
            conv_bias: true,
        }
    }

    /// Checks that every list has one entry a stage and every size is within what is supported.
    ///
    /// # Errors
    /// [`NetworkError::Architecture`] naming the first thing wrong.
    pub fn check(&self) -> Result<(), NetworkError> {
        let stages = self.features.len();
        let wrong = |what: &str| Err(NetworkError::Architecture(what.to_owned()));
        if !(2..=10).contains(&stages) {
            return wrong("it needs 2 to 10 stages");
        }
        if self.strides.len() != stages || self.kernels.len() != stages {
            return wrong("features, strides and kernel differ in length");
        }
        if self.encoder_depths.len() != stages || self.decoder_convs.len() != stages - 1 {
            return wrong("the depths of its stages are not one a stage");
        }
        if self.features.iter().any(|n| !(1..=2048).contains(n)) {
            return wrong("a stage has no or more than 2048 features");
        }
        if self.kind == EncoderKind::Residual && !(1..=2048).contains(&self.stem) {
            return wrong("its stem has no or more than 2048 features");
        }
        if self.strides.iter().flatten().any(|n| !(1..=8).contains(n)) {
            return wrong("a stride is not 1 to 8");
        }
        if self.strides[0] != [1, 1, 1] {
            return wrong("the first stage must have stride 1");
        }
        if self.kernels.iter().flatten().any(|n| ![1, 3, 5, 7].contains(n)) {
            return wrong("a kernel size is not 1, 3, 5 or 7");
        }
        if self.encoder_depths.iter().chain(&self.decoder_convs).any(|n| !(1..=16).contains(n)) {
            return wrong("a stage has not 1 to 16 convolutions or blocks");
        }
        // A later stage of a cascade sees its images and every label of the stage before.
        if !(1..=1024).contains(&self.classes) || !(1..=1024).contains(&self.input_channels) {
            return wrong("it needs 1 to 1024 classes and input channels");
        }
        Ok(())
    }

    /// What each side of a patch must be a multiple of, (z, y, x).
    #[must_use]
    pub fn divisor(&self) -> [usize; 3] {
        self.strides.iter().fold([1; 3], |product, stride| [0, 1, 2].map(|a| product[a] * stride[a]))
    }

    /// Half of the widest kernel along each axis, (z, y, x).
    #[must_use]
    pub fn reach(&self) -> [usize; 3] {
        [0, 1, 2].map(|axis| self.kernels.iter().map(|kernel| kernel[axis] / 2).max().unwrap_or(0))
    }

    /// Multiply-accumulate operations of one forward pass over a patch, (z, y, x).
    #[must_use]
    pub fn macs(&self, patch: [usize; 3]) -> u64 {
        let volume = |size: [usize; 3]| size.iter().product::<usize>();
        let mut sizes = Vec::new();
        let mut size = patch;
        let mut total = 0;
        let mut channels = self.input_channels;
        if self.kind == EncoderKind::Residual {
            total += volume(size) * volume(self.kernels[0]) * channels * self.stem;
            channels = self.stem;
        }
        for stage in 0..self.features.len() {
            size = [0, 1, 2].map(|a| size[a].div_ceil(self.strides[stage][a]));
            sizes.push(size);
            let features = self.features[stage];
            let conv = volume(size) * volume(self.kernels[stage]) * features;
            for _ in 0..self.encoder_depths[stage] {
                total += conv * channels;
                if self.kind == EncoderKind::Residual {
                    let skip = if channels == features { 0 } else { volume(size) * channels * features };
                    total += conv * features + skip;
                }
                channels = features;
            }
        }
        for (index, stage) in (0..self.features.len() - 1).rev().enumerate() {
            let features = self.features[stage];
            total += volume(sizes[stage]) * self.features[stage + 1] * features;
            for conv in 0..self.decoder_convs[index] {
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
    /// One an output channel; zeros where the network has none.
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

/// Two convolutions beside a skip, summed before the last leaky ReLU (nnU-Net's `BasicBlockD`).
#[derive(Debug, Clone, PartialEq)]
pub struct ResidualBlock {
    /// Convolution, normalisation, leaky ReLU.
    pub first: Block,
    /// Convolution and normalisation; the leaky ReLU comes after the sum.
    pub second: Block,
    /// What the skip averages over, (z, y, x): the block's stride.
    pub pool: [usize; 3],
    /// 1 x 1 x 1 convolution and normalisation, where the number of channels changes.
    pub skip: Option<Block>,
}

/// One step of an encoder stage.
#[derive(Debug, Clone, PartialEq)]
pub enum EncoderBlock {
    /// A convolution.
    Plain(Block),
    /// A residual block.
    Residual(Box<ResidualBlock>),
}

/// The whole network.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// Its shape.
    pub architecture: Architecture,
    /// The convolution before a residual encoder's first stage.
    pub stem: Option<Block>,
    /// Encoder stages, finest first.
    pub encoder: Vec<Vec<EncoderBlock>>,
    /// Transposed convolutions with kernel = stride, coarsest first.
    pub upsample: Vec<Convolution>,
    /// Decoder stages, coarsest first; each takes (upsampled, skip).
    pub decoder: Vec<Vec<Block>>,
    /// The last 1 x 1 x 1 convolution.
    pub head: Convolution,
}

impl Network {
    /// Builds the network from named parameters; parameters it does not use (the segmentation
    /// layers of deep supervision, a second name of a tensor) are ignored.
    ///
    /// # Errors
    /// [`NetworkError`] when the description is unusable, or a parameter is missing, misshapen or
    /// not finite.
    pub fn new(
        architecture: Architecture,
        parameters: &BTreeMap<String, Parameter>,
    ) -> Result<Self, NetworkError> {
        build::network(architecture, &mut |name, expected| build::taken(parameters, name, expected))
    }

    /// The names and shapes of all parameters that a network of this shape takes.
    ///
    /// # Errors
    /// [`NetworkError::Architecture`] when the description is unusable.
    pub fn parameter_shapes(
        architecture: Architecture,
    ) -> Result<BTreeMap<String, Vec<usize>>, NetworkError> {
        let mut shapes = BTreeMap::new();
        build::network(architecture, &mut |name, expected| {
            shapes.insert(name, expected.to_vec());
            Ok(Vec::new())
        })?;
        Ok(shapes)
    }
}
