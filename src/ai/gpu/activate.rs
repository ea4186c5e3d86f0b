//! Activations by burn's operations, on any of its devices, with gradients where a tensor has them.

use crate::ai::network::{Activation, CUBED};
use burn::tensor::Tensor;
use burn::tensor::activation::leaky_relu;
use std::f64::consts::{FRAC_2_SQRT_PI, SQRT_2};

/// Beyond this a logistic function is 0 or 1 in single precision; the exponential is still a number.
const FAR: f64 = 60.0;

/// A value times the logistic function of `of`.
fn times_logistic(x: Tensor<5>, of: Tensor<5>) -> Tensor<5> {
    x / (of.neg().clamp(-FAR, FAR).exp() + 1.0)
}

/// The activation of each value.
pub(in crate::ai) fn activated(x: Tensor<5>, activation: Activation) -> Tensor<5> {
    match activation {
        Activation::Leaky(1.0) => x,
        Activation::Leaky(slope) => leaky_relu(x, f64::from(slope)),
        Activation::Exponential { scale, alpha, rate } => {
            let [scale, alpha, rate] = [scale, alpha, rate].map(f64::from);
            let below = (x.clone().clamp_max(0.0) * rate).exp() - 1.0;
            x.clamp_min(0.0) * scale + below * (scale * alpha)
        }
        Activation::Gelu => x.clone() * ((x / SQRT_2).erf() + 1.0) * 0.5,
        Activation::GeluTanh => {
            // (1 + tanh(u)) / 2 is the logistic function of 2 u.
            let cubed = x.clone() * x.clone() * x.clone() * CUBED;
            times_logistic(x.clone(), (x + cubed) * (2.0 * FRAC_2_SQRT_PI / SQRT_2))
        }
        Activation::Silu => times_logistic(x.clone(), x),
        Activation::Mish => {
            // tanh(ln(1 + n)) by n alone; beyond 20 it is 1.
            let n = x.clone().clamp_max(20.0).exp();
            let part = n.clone() * (n + 2.0);
            x * (part.clone() / (part + 2.0))
        }
        Activation::Hardswish => x.clone() * (x + 3.0).clamp(0.0, 6.0) / 6.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ai::gpu::{download, upload};
    use crate::ai::graphics::with_gpu_device;
    use burn::tensor::Device;

    #[test]
    fn every_device_has_the_processor_s_values() {
        let values: Vec<f32> =
            (-400_i16..400).map(|n| f32::from(n) / 16.0).chain([-200.0, -90.0, 90.0]).collect();
        let check = |device: &Device| {
            for activation in [
                Activation::Leaky(0.25),
                Activation::Leaky(1.5),
                Activation::Exponential { scale: 1.0, alpha: 2.0, rate: 0.5 },
                Activation::SELU,
                Activation::Gelu,
                Activation::GeluTanh,
                Activation::Silu,
                Activation::Mish,
                Activation::Hardswish,
            ] {
                let x: Tensor<5> = upload(values.clone(), [1, 1, 1, values.len(), 1], device);
                let found = download(activated(x, activation)).unwrap();
                for (value, found) in values.iter().zip(found) {
                    let off = (activation.of(*value) - found).abs();
                    assert!(off <= 2e-6 * value.abs().max(1.0), "{activation:?} of {value}: {found}");
                }
            }
        };
        check(&Device::flex());
        if with_gpu_device(check).is_none() {
            eprintln!("skipped: no adapter");
        }
    }
}
