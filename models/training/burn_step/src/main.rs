//! Seconds of one training step of PlainConvUNet in burn on the CPU, beside `step_time.py`.
//!
//!     cargo run --release -- ../head-neck.toml
//!
//! Forward, deep-supervision loss (cross-entropy and soft Dice) and backward of one batch of noise;
//! the optimiser is left out, in burn's favour. Prints the quickest of three steps after one to warm
//! up. `RAYON_NUM_THREADS` sets the threads.

use burn::tensor::activation::{leaky_relu, log_softmax};
use burn::tensor::module::{conv_transpose3d, conv3d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Device, Distribution, Tensor};
use std::time::Instant;

#[derive(serde::Deserialize)]
struct Config {
    network: Shape,
    training: Training,
}

#[derive(serde::Deserialize)]
struct Shape {
    features: Vec<usize>,
    strides: Vec<[usize; 3]>,
    kernel: Vec<[usize; 3]>,
    convs_per_stage: usize,
    classes: usize,
    patch: [usize; 3],
}

#[derive(serde::Deserialize)]
struct Training {
    batch: usize,
    heads: usize,
}

struct Block {
    weight: Tensor<5>,
    bias: Tensor<1>,
    scale: Tensor<5>,
    shift: Tensor<5>,
    stride: [usize; 3],
}

impl Block {
    fn new(input: usize, output: usize, kernel: [usize; 3], stride: [usize; 3], device: &Device) -> Self {
        let [z, y, x] = kernel;
        Self {
            weight: noise([output, input, z, y, x], (2.0 / (input * z * y * x) as f64).sqrt(), device),
            bias: Tensor::zeros([output], device).require_grad(),
            scale: Tensor::ones([1, output, 1, 1, 1], device).require_grad(),
            shift: Tensor::zeros([1, output, 1, 1, 1], device).require_grad(),
            stride,
        }
    }

    fn forward(&self, x: Tensor<5>) -> Tensor<5> {
        let [_, _, z, y, w] = self.weight.dims();
        let options = ConvOptions::new(self.stride, [z / 2, y / 2, w / 2], [1; 3], 1);
        let x = conv3d(x, self.weight.clone(), Some(self.bias.clone()), options);
        let centred = x.clone() - mean(x);
        let variance = mean(centred.clone() * centred.clone());
        let normal = centred / (variance + 1e-5).sqrt() * self.scale.clone() + self.shift.clone();
        leaky_relu(normal, 0.01)
    }
}

struct Network {
    encoder: Vec<Vec<Block>>,
    /// Of each decoder level, coarsest first: transposed convolution, blocks, head.
    decoder: Vec<(Tensor<5>, [usize; 3], Vec<Block>, Tensor<5>)>,
}

impl Network {
    fn new(shape: &Shape, device: &Device) -> Self {
        let mut channels = 1;
        let mut encoder = Vec::new();
        for (stage, features) in shape.features.iter().enumerate() {
            let mut blocks = Vec::new();
            for conv in 0..shape.convs_per_stage {
                let stride = if conv == 0 { shape.strides[stage] } else { [1; 3] };
                blocks.push(Block::new(channels, *features, shape.kernel[stage], stride, device));
                channels = *features;
            }
            encoder.push(blocks);
        }
        let mut decoder = Vec::new();
        for stage in (0..shape.features.len() - 1).rev() {
            let (below, here) = (shape.features[stage + 1], shape.features[stage]);
            let stride @ [z, y, x] = shape.strides[stage + 1];
            let up = noise([below, here, z, y, x], (1.0 / below as f64).sqrt(), device);
            let blocks = (0..shape.convs_per_stage)
                .map(|conv| {
                    let input = if conv == 0 { 2 * here } else { here };
                    Block::new(input, here, shape.kernel[stage], [1; 3], device)
                })
                .collect();
            let head = noise([shape.classes, here, 1, 1, 1], (1.0 / here as f64).sqrt(), device);
            decoder.push((up, stride, blocks, head));
        }
        Self { encoder, decoder }
    }

    /// Logits of the last `heads` levels, coarsest first.
    fn forward(&self, mut x: Tensor<5>, heads: usize) -> Vec<Tensor<5>> {
        let mut skips = Vec::new();
        for blocks in &self.encoder {
            x = blocks.iter().fold(x, |x, block| block.forward(x));
            skips.push(x.clone());
        }
        skips.pop();
        let mut logits = Vec::new();
        for (level, (up, stride, blocks, head)) in self.decoder.iter().enumerate() {
            let options = ConvTransposeOptions::new(*stride, [0; 3], [0; 3], [1; 3], 1);
            x = conv_transpose3d(x, up.clone(), None, options);
            x = Tensor::cat(vec![x, skips.pop().expect("a skip for each level")], 1);
            x = blocks.iter().fold(x, |x, block| block.forward(x));
            if level + heads >= self.decoder.len() {
                logits.push(conv3d(x.clone(), head.clone(), None, ConvOptions::new([1; 3], [0; 3], [1; 3], 1)));
            }
        }
        logits
    }
}

fn noise<const D: usize>(shape: [usize; D], spread: f64, device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, spread), device).require_grad()
}

fn mean(x: Tensor<5>) -> Tensor<5> {
    x.mean_dim(4).mean_dim(3).mean_dim(2)
}

/// Cross-entropy and soft Dice against one-hot `truth`, [N, K, z, y, x].
fn loss(logits: Tensor<5>, truth: Tensor<5>) -> Tensor<1> {
    let log_p = log_softmax(logits, 1);
    let [n, _, z, y, x] = log_p.dims();
    let voxels = (n * z * y * x) as f64;
    let cross_entropy = (log_p.clone() * truth.clone()).sum() / -voxels;
    let p = log_p.exp();
    let sum = |t: Tensor<5>| t.sum_dim(4).sum_dim(3).sum_dim(2).sum_dim(0);
    let dice = (sum(p.clone() * truth.clone()) * 2.0 + 1.0) / (sum(p) + sum(truth) + 1.0);
    cross_entropy - dice.mean() + 1.0
}

fn main() {
    let path = std::env::args().nth(1).expect("a configuration, such as ../head-neck.toml");
    let text = std::fs::read_to_string(&path).expect("a readable configuration");
    let config: Config = toml::from_str(&text).expect("a configuration of models/training");
    let device = Device::flex().autodiff();
    let network = Network::new(&config.network, &device);
    let (batch, [z, y, x]) = (config.training.batch, config.network.patch);
    let plain = Device::flex();
    let image = Tensor::<5>::random([batch, 1, z, y, x], Distribution::Normal(0.0, 1.0), &plain);
    let mut seconds = Vec::new();
    for _ in 0..4 {
        let began = Instant::now();
        let logits = network.forward(image.clone().autodiff(), config.training.heads);
        let mut total: Option<Tensor<1>> = None;
        for (level, logits) in logits.into_iter().rev().enumerate() {
            let truth = Tensor::<5>::random(logits.dims(), Distribution::Bernoulli(0.1), &plain).autodiff();
            let part = loss(logits, truth) * 0.5_f64.powi(level as i32);
            total = Some(match total {
                Some(total) => total + part,
                None => part,
            });
        }
        let total = total.expect("a head");
        let gradients = total.backward();
        let first = &network.encoder[0][0].weight;
        let size = first.grad(&gradients).expect("a gradient").abs().mean().into_scalar::<f32>();
        assert!(size.is_finite());
        seconds.push(began.elapsed().as_secs_f64());
        println!("{:.2} s", began.elapsed().as_secs_f64());
    }
    let quickest = seconds[1..].iter().copied().fold(f64::INFINITY, f64::min);
    println!("{path}: {quickest:.2} s wall, forward, loss and backward, batch {batch}");
}
