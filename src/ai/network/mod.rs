//! A nnU-Net U-Net as numbers: shapes, strides and float32 parameters.
//!
//! Both engines (`cpu`, `gpu`) are built from a [`Network`]; it knows neither of them. Tensors are
//! in PyTorch's order: convolution `[out, in, z, y, x]`, transposed convolution `[in, out, z, y, x]`.
//! A 2D network is one whose kernels, strides and patch are 1 along z. Names are those of nnU-Net's
//! `PlainConvUNet` and `ResidualEncoderUNet` (Isensee et al., Nature Methods 18, 2021, and MICCAI
//! 2024; package dynamic-network-architectures).
//!
//! Plans say how a network is built, trainers may build it otherwise (nnU-Net's `nnUNetTrainerBN` has
//! batch normalisation where its plans say instance normalisation), so the parameters have the last
//! word: running statistics among them are used, and a tensor that no such network has is refused.

mod activation;
mod build;
mod random;

pub use self::activation::Activation;
pub(super) use self::activation::CUBED;
pub(super) use self::build::{is_head, is_second_name};

use std::collections::{BTreeMap, BTreeSet};

/// The epsilon of normalisations where nothing else is told (PyTorch's default, nnU-Net's plans).
pub const NORM_EPSILON: f32 = 1e-5;
/// The most weights that are supported.
const WEIGHT_LIMIT: u64 = 1 << 30;
/// The slope of a leaky ReLU below zero, where nothing else is told.
pub const LEAKY_SLOPE: f32 = 0.01;

/// What an encoder's stages are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncoderKind {
    /// Convolutions (`PlainConvUNet`).
    Plain,
    /// A convolution as stem, then residual blocks of two convolutions, or of three
    /// (`ResidualEncoderUNet`).
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
#[derive(Debug, Clone, PartialEq)]
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
    /// Of each stage, the channels within its residual blocks where these have three convolutions
    /// (nnU-Net's `BottleneckD`); empty where they have two (`BasicBlockD`).
    pub bottleneck: Vec<usize>,
    /// What follows every normalisation; `None`: a leaky ReLU whose slope is a weight of each layer
    /// (`PReLU`).
    pub activation: Option<Activation>,
    /// Whether the activation comes before the normalisation instead (`nonlin_first`); in a plain network
    /// alone.
    pub activation_first: bool,
    /// What every normalisation adds to the variance.
    pub epsilon: f32,
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
    /// A running variance is below zero.
    #[error("the tensor {0} holds a variance below zero")]
    Variance(String),
    /// There is a parameter that such a network does not have.
    #[error("the weights hold the tensor {0}, which no supported network of this description has")]
    Unknown(String),
}

/// What stands behind a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    /// Every channel by its own mean and variance over the patch.
    Instance,
    /// Every channel by the mean and variance that training has left ([`NormKind::of`]).
    Running,
}

impl NormKind {
    /// What PyTorch does at inference with such parameters: a batch (or instance) normalisation that
    /// has running statistics uses them, one without uses those of its input, which are an instance
    /// normalisation's where patches run one at a time.
    #[must_use]
    pub fn of(parameters: &BTreeMap<String, Parameter>) -> Self {
        let is_statistic =
            |name: &String| name.ends_with(".norm.running_mean") || name.ends_with(".norm.running_var");
        if parameters.keys().any(is_statistic) { Self::Running } else { Self::Instance }
    }
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
            bottleneck: Vec::new(),
            activation: Some(Activation::LEAKY),
            activation_first: false,
            epsilon: NORM_EPSILON,
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
        let narrow = &self.bottleneck;
        if !narrow.is_empty() && (self.kind == EncoderKind::Plain || narrow.len() != stages) {
            return wrong("its bottleneck channels are not one a stage of residual blocks");
        }
        if narrow.iter().any(|n| !(1..=2048).contains(n)) {
            return wrong("a stage has no or more than 2048 bottleneck channels");
        }
        if self.activation_first && self.kind == EncoderKind::Residual {
            return wrong("residual blocks have no activation before their normalisation");
        }
        if !(self.epsilon > 0.0 && self.epsilon.is_finite()) {
            return wrong("the epsilon of its normalisations is not above 0");
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
        // Each is within its limit, but weights are allocated by the product.
        if self.weights() > WEIGHT_LIMIT {
            return wrong("it has more than 2^30 weights");
        }
        Ok(())
    }

    /// The weights of all convolutions.
    pub(super) fn weights(&self) -> u64 {
        let taps = |kernel: [usize; 3]| kernel.into_iter().map(|n| n as u64).product::<u64>();
        let count =
            |kernel: [usize; 3], input: usize, output: usize| taps(kernel) * input as u64 * output as u64;
        let mut channels = self.input_channels;
        let mut total = 0;
        if self.kind == EncoderKind::Residual {
            total += count(self.kernels[0], channels, self.stem);
            channels = self.stem;
        }
        for (stage, features) in self.features.iter().enumerate() {
            for block in 0..self.encoder_depths[stage] {
                for conv in self.convs(stage, block, channels) {
                    total += count(conv.kernel, conv.input, conv.output);
                }
                if self.is_projected(stage, channels) {
                    total += count([1; 3], channels, *features);
                }
                channels = *features;
            }
        }
        for (index, stage) in (0..self.features.len() - 1).rev().enumerate() {
            let features = self.features[stage];
            total += count(self.strides[stage + 1], self.features[stage + 1], features);
            for conv in 0..self.decoder_convs[index] {
                total +=
                    count(self.kernels[stage], if conv == 0 { 2 * features } else { features }, features);
            }
        }
        total + count([1; 3], self.features[0], self.classes)
    }

    /// The convolutions of an encoder stage's block that sees so many channels, in their order: one of a
    /// plain encoder, two or three of a residual block; not that of the skip ([`Self::is_projected`]).
    pub(super) fn convs(&self, stage: usize, block: usize, channels: usize) -> Vec<ConvShape> {
        let (mut convs, last) = self.inner_and_last(stage, block, channels);
        convs.push(last);
        convs
    }

    /// The same, the last by itself.
    pub(super) fn inner_and_last(
        &self,
        stage: usize,
        block: usize,
        channels: usize,
    ) -> (Vec<ConvShape>, ConvShape) {
        let (kernel, output) = (self.kernels[stage], self.features[stage]);
        let stride = if block == 0 { self.strides[stage] } else { [1; 3] };
        let one = [1; 3];
        let shape = |kernel, stride, input, output| ConvShape { kernel, stride, input, output };
        match (self.kind, self.bottleneck.get(stage)) {
            (EncoderKind::Plain, _) => (Vec::new(), shape(kernel, stride, channels, output)),
            (EncoderKind::Residual, None) => {
                (vec![shape(kernel, stride, channels, output)], shape(kernel, one, output, output))
            }
            (EncoderKind::Residual, Some(&narrow)) => (
                vec![shape(one, one, channels, narrow), shape(kernel, stride, narrow, narrow)],
                shape(one, one, narrow, output),
            ),
        }
    }

    /// Whether a residual block of a stage that sees so many channels has a 1 x 1 x 1 convolution on its
    /// skip.
    pub(super) fn is_projected(&self, stage: usize, channels: usize) -> bool {
        self.kind == EncoderKind::Residual && channels != self.features[stage]
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
            for block in 0..self.encoder_depths[stage] {
                for conv in self.convs(stage, block, channels) {
                    size = [0, 1, 2].map(|a| size[a].div_ceil(conv.stride[a]));
                    total += volume(size) * volume(conv.kernel) * conv.input * conv.output;
                }
                if self.is_projected(stage, channels) {
                    total += volume(size) * channels * self.features[stage];
                }
                channels = self.features[stage];
            }
            sizes.push(size);
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

/// Shape of a convolution of the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConvShape {
    /// (z, y, x).
    pub kernel: [usize; 3],
    /// (z, y, x).
    pub stride: [usize; 3],
    /// Channels that it reads.
    pub input: usize,
    /// Channels that it makes.
    pub output: usize,
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

/// Convolution, normalisation, activation.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// The convolution, padded by half its kernel.
    pub conv: Convolution,
    /// What comes between convolution and normalisation, where activations come first.
    pub first: Option<Activation>,
    /// The instance normalisation; `None` where one by running statistics is part of the convolution's
    /// weights and bias.
    pub norm: Option<InstanceNorm>,
    /// What comes last, after the sum where something is added.
    pub activation: Activation,
}

/// What follows an instance normalisation's division by the standard deviation.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceNorm {
    /// Scale, one a channel.
    pub scale: Vec<f32>,
    /// Shift, one a channel.
    pub shift: Vec<f32>,
    /// What is added to the variance.
    pub epsilon: f32,
}

/// Convolutions beside a skip, summed before the last activation: two (nnU-Net's `BasicBlockD`), or one
/// with the stage's kernel between two of 1 x 1 x 1 (`BottleneckD`).
#[derive(Debug, Clone, PartialEq)]
pub struct ResidualBlock {
    /// Those before the last, one after another.
    pub inner: Vec<Block>,
    /// The last one; the skip is added before its activation.
    pub last: Block,
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
    /// Builds the network from named parameters. Running statistics of a normalisation are put into
    /// the convolution before it. Of the parameters it does not use only the segmentation layers of
    /// deep supervision and a second name of a tensor are ignored.
    ///
    /// # Errors
    /// [`NetworkError`] when the description is unusable, or a parameter is missing, misshapen,
    /// not finite, or one that such a network does not have.
    pub fn new(
        architecture: Architecture,
        parameters: &BTreeMap<String, Parameter>,
    ) -> Result<Self, NetworkError> {
        let mut used = BTreeSet::new();
        let network = build::network(architecture, NormKind::of(parameters), &mut |name, expected| {
            let values = build::taken(parameters, name.clone(), expected)?;
            used.insert(name);
            Ok(values)
        })?;
        let unknown = |name: &&String| !used.contains(*name) && !build::is_spare(name);
        match parameters.keys().find(unknown) {
            Some(name) => Err(NetworkError::Unknown(name.clone())),
            None => Ok(network),
        }
    }

    /// The names and shapes of all parameters that a network of this shape takes.
    ///
    /// # Errors
    /// [`NetworkError::Architecture`] when the description is unusable.
    pub fn parameter_shapes(
        architecture: Architecture,
        norm: NormKind,
    ) -> Result<BTreeMap<String, Vec<usize>>, NetworkError> {
        let mut shapes = BTreeMap::new();
        build::network(architecture, norm, &mut |name, expected| {
            shapes.insert(name, expected.to_vec());
            Ok(vec![0.0; expected.iter().product()])
        })?;
        Ok(shapes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn architecture() -> Architecture {
        Architecture::plain(1, vec![2, 3], vec![[1; 3], [2; 3]], vec![[3; 3]; 2], 1, 2)
    }

    /// All parameters of the network above, each a number of its own.
    fn parameters(norm: NormKind) -> BTreeMap<String, Parameter> {
        let shapes = Network::parameter_shapes(architecture(), norm).unwrap();
        let values = |shape: &[usize], first: usize| {
            let count: usize = shape.iter().product();
            #[expect(clippy::cast_precision_loss, reason = "small")]
            (first..first + count).map(|n| (n % 17) as f32 / 8.0).collect()
        };
        let named = shapes.into_iter().enumerate();
        named.map(|(n, (name, shape))| (name, Parameter { values: values(&shape, 3 * n), shape })).collect()
    }

    #[test]
    fn weights_are_counted_and_bounded() {
        let residual = Architecture {
            kind: EncoderKind::Residual,
            stem: 3,
            encoder_depths: vec![2, 1],
            ..architecture()
        };
        let narrow = Architecture { bottleneck: vec![2, 5], activation: None, ..residual.clone() };
        for own in [architecture(), residual, narrow] {
            let shapes = Network::parameter_shapes(own.clone(), NormKind::Instance).unwrap();
            let weights = shapes.values().filter(|shape| shape.len() == 5);
            let counted: usize = weights.map(|shape| shape.iter().product::<usize>()).sum();
            assert_eq!(own.weights(), counted as u64, "{:?}", own.kind);
        }
        let stages = |count: usize, features: usize| {
            let mut strides = vec![[1, 2, 2]; count];
            strides[0] = [1; 3];
            Architecture::plain(1, vec![features; count], strides, vec![[7; 3]; count], 2, 2)
        };
        assert!(stages(4, 64).check().is_ok());
        let told = stages(10, 2048).check().unwrap_err().to_string();
        assert!(told.contains("2^30 weights"), "{told}");
    }

    #[test]
    fn running_statistics_become_part_of_the_convolution() {
        let mut parameters = parameters(NormKind::Running);
        assert_eq!(NormKind::of(&parameters), NormKind::Running);
        let mut set = |name: &str, values: [f32; 2]| {
            let name = format!("encoder.stages.0.0.convs.0.{name}");
            parameters.get_mut(&name).unwrap().values = values.to_vec();
        };
        set("conv.bias", [1.0, -2.0]);
        set("norm.weight", [5.0, 1.0]);
        set("norm.bias", [7.0, 0.5]);
        set("norm.running_mean", [3.0, -2.0]);
        set("norm.running_var", [4.0 - NORM_EPSILON, 0.25 - NORM_EPSILON]);
        let network = Network::new(architecture(), &parameters).unwrap();
        let EncoderBlock::Plain(block) = &network.encoder[0][0] else { panic!("a plain encoder") };
        assert!(block.norm.is_none());
        // (1 - 3) / 2 * 5 + 7 and (-2 + 2) / 0.5 * 1 + 0.5.
        let close = |ours: f32, theirs: f32| assert!((ours - theirs).abs() < 1e-5, "{ours} {theirs}");
        close(block.conv.bias[0], 2.0);
        close(block.conv.bias[1], 0.5);
        let weight = &parameters["encoder.stages.0.0.convs.0.conv.weight"].values;
        for (at, (ours, theirs)) in block.conv.weight.iter().zip(weight).enumerate() {
            close(*ours, theirs * if at < 27 { 2.5 } else { 2.0 });
        }
        parameters.get_mut("encoder.stages.0.0.convs.0.norm.running_var").unwrap().values[0] = -1.0;
        let refused = Network::new(architecture(), &parameters).unwrap_err();
        assert!(
            matches!(&refused, NetworkError::Variance(name) if name.ends_with("running_var")),
            "{refused}"
        );
    }

    #[test]
    fn an_epsilon_and_activations_before_normalisations_are_each_block_s() {
        let own = Architecture { activation_first: true, epsilon: 0.01, activation: None, ..architecture() };
        let shapes = Network::parameter_shapes(own.clone(), NormKind::Instance).unwrap();
        let zeros = |shape: Vec<usize>| Parameter { values: vec![0.0; shape.iter().product()], shape };
        let mut named: BTreeMap<_, _> =
            shapes.into_iter().map(|(name, shape)| (name, zeros(shape))).collect();
        named.get_mut("decoder.stages.0.convs.0.nonlin.weight").unwrap().values = vec![0.5];
        let block = &Network::new(own.clone(), &named).unwrap().decoder[0][0];
        assert_eq!((block.first, block.activation), (Some(Activation::Leaky(0.5)), Activation::NOTHING));
        assert_eq!(block.norm.as_ref().map(|norm| norm.epsilon), Some(0.01));
        // A normalisation by running statistics would not be part of the convolution before it.
        let told = Network::parameter_shapes(own.clone(), NormKind::Running).unwrap_err().to_string();
        assert!(told.contains("nonlin_first"), "{told}");
        let residual = Architecture { kind: EncoderKind::Residual, stem: 3, ..own.clone() };
        assert!(residual.check().unwrap_err().to_string().contains("before their normalisation"));
        for epsilon in [0.0, f32::NAN, f32::INFINITY] {
            assert!(Architecture { epsilon, ..own.clone() }.check().is_err(), "{epsilon}");
        }
    }

    #[test]
    fn every_normalisation_has_its_statistics_or_none_has() {
        let mut some = parameters(NormKind::Running);
        some.remove("decoder.stages.0.convs.0.norm.running_var");
        let refused = Network::new(architecture(), &some).unwrap_err();
        assert_eq!(refused, NetworkError::Missing("decoder.stages.0.convs.0.norm.running_var".to_owned()));
        let none = Network::new(architecture(), &parameters(NormKind::Instance)).unwrap();
        assert!(none.decoder[0][0].norm.is_some());
    }

    #[test]
    fn a_tensor_of_another_network_is_refused_by_its_name() {
        let with = |name: &str| {
            let mut parameters = parameters(NormKind::Instance);
            parameters.insert(name.to_owned(), Parameter { shape: vec![1], values: vec![0.0] });
            Network::new(architecture(), &parameters)
        };
        // Deep supervision's, and other names of the same tensors.
        for spare in [
            "decoder.seg_layers.7.bias",
            "decoder.encoder.stages.0.0.convs.0.conv.weight",
            "encoder.stages.0.0.convs.0.all_modules.0.weight",
        ] {
            assert!(with(spare).is_ok(), "{spare}");
        }
        for odd in [
            "encoder.stages.0.0.convs.0.attention.weight",
            "encoder.stages.2.0.convs.0.conv.weight",
            "decoder.seg_layers.bias",
            "decoder.seg_layers.7.norm.bias",
        ] {
            assert_eq!(with(odd), Err(NetworkError::Unknown(odd.to_owned())));
        }
    }
}
