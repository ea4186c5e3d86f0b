//! What a network does to each value behind a normalisation.

use super::LEAKY_SLOPE;
use std::f64::consts::{FRAC_2_SQRT_PI, SQRT_2};

/// A function of one value, by the formulas of PyTorch's modules. It is 0 at 0: what is stored beside
/// the features stays as it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// The value, below zero times this slope: `LeakyReLU`, `ReLU` (0), `PReLU` (a weight).
    Leaky(f32),
    /// The value times `scale`, below zero `scale alpha (exp(rate x) - 1)`: `ELU`, `CELU`, `SELU`.
    Exponential {
        /// Of both halves.
        scale: f32,
        /// What is approached far below zero, before `scale`.
        alpha: f32,
        /// How fast.
        rate: f32,
    },
    /// The value times the share of a normal distribution below it: `GELU`.
    Gelu,
    /// The same by a hyperbolic tangent: `GELU` with `approximate` "tanh".
    GeluTanh,
    /// The value times its logistic function: `SiLU`.
    Silu,
    /// `x tanh(ln(1 + exp(x)))`: `Mish`.
    Mish,
    /// `x (x + 3) / 6`, from 0 below -3 to the value above 3: `Hardswish`.
    Hardswish,
}

impl Activation {
    /// nnU-Net's own.
    pub const LEAKY: Self = Self::Leaky(LEAKY_SLOPE);
    /// The value as it is.
    pub const NOTHING: Self = Self::Leaky(1.0);
    /// `SELU`.
    pub const SELU: Self = Self::Exponential { scale: 1.050_701, alpha: 1.673_263_2, rate: 1.0 };

    /// What it makes of a value.
    #[must_use]
    pub fn of(self, value: f32) -> f32 {
        let x = f64::from(value);
        let found = match self {
            Self::Leaky(slope) => return if value < 0.0 { value * slope } else { value },
            Self::Exponential { scale, .. } if value >= 0.0 => return value * scale,
            Self::Exponential { scale, alpha, rate } => {
                f64::from(scale) * f64::from(alpha) * (f64::from(rate) * x).exp_m1()
            }
            Self::Gelu => 0.5 * x * libm::erfc(-x / SQRT_2),
            Self::GeluTanh => x / (1.0 + (-2.0 * tanh_argument(x)).exp()),
            Self::Silu => x / (1.0 + (-x).exp()),
            Self::Mish => {
                // tanh(ln(1 + n)) by n alone; beyond 20 it is 1.
                let n = x.min(20.0).exp();
                x * (n * (n + 2.0)) / (n * (n + 2.0) + 2.0)
            }
            Self::Hardswish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
        };
        #[expect(clippy::cast_possible_truncation, reason = "the network computes in float32")]
        {
            found as f32
        }
    }

    /// The slope below zero of one that gives the greater of a value and of its multiple.
    pub(in crate::ai) fn slope(self) -> Option<f32> {
        match self {
            Self::Leaky(slope) if slope <= 1.0 => Some(slope),
            _ => None,
        }
    }
}

/// What the hyperbolic tangent of [`Activation::GeluTanh`] is taken of.
fn tanh_argument(x: f64) -> f64 {
    FRAC_2_SQRT_PI / SQRT_2 * (x + CUBED * x * x * x)
}

/// The weight of the cube in [`Activation::GeluTanh`].
pub(in crate::ai) const CUBED: f64 = 0.044_715;

#[cfg(test)]
mod tests {
    use super::*;

    /// PyTorch 2.8, in double precision, at -30, -4, -1.5, -0.1, 0, 0.1, 1.5, 4 and 30.
    #[test]
    fn values_are_pytorch_s() {
        let places = [-30.0_f32, -4.0, -1.5, -0.1, 0.0, 0.1, 1.5, 4.0, 30.0];
        #[rustfmt::skip]
        let cases = [
            (Activation::Leaky(0.25), [-7.5, -1.0, -0.375, -0.025_000_000_4, 0.0, 0.100_000_001, 1.5, 4.0, 30.0]),
            (Activation::Leaky(0.0), [0.0, 0.0, 0.0, 0.0, 0.0, 0.100_000_001, 1.5, 4.0, 30.0]),
            (Activation::Leaky(-0.5), [15.0, 2.0, 0.75, 0.050_000_000_7, -0.0, 0.100_000_001, 1.5, 4.0, 30.0]),
            (Activation::Leaky(1.5), [-45.0, -6.0, -2.25, -0.150_000_002, 0.0, 0.100_000_001, 1.5, 4.0, 30.0]),
            (Activation::Exponential { scale: 1.0, alpha: 0.75, rate: 1.0 }, [-0.75, -0.736_263_271, -0.582_652_38, -0.071_371_937_5, 0.0, 0.100_000_001, 1.5, 4.0, 30.0]),
            (Activation::Exponential { scale: 1.0, alpha: 2.0, rate: 0.5 }, [-1.999_999_39, -1.729_329_43, -1.055_266_89, -0.097_541_152_4, 0.0, 0.100_000_001, 1.5, 4.0, 30.0]),
            (Activation::SELU, [-1.758_099_34, -1.725_898_63, -1.365_814_35, -0.167_305_275, 0.0, 0.105_070_1, 1.576_051_48, 4.202_803_95, 31.521_029_6]),
            (Activation::Gelu, [-0.0, -0.000_126_684_967, -0.100_210_802, -0.046_017_216_9, 0.0, 0.053_982_784_6, 1.399_789_2, 3.999_873_32, 30.0]),
            (Activation::GeluTanh, [-0.0, -7.024_594_82e-05, -0.100_428_423, -0.046_017_249_6, 0.0, 0.053_982_751_9, 1.399_571_58, 3.999_929_75, 30.0]),
            (Activation::Silu, [-2.807_286_89e-12, -0.071_944_839_8, -0.273_638_286, -0.047_502_081_9, 0.0, 0.052_497_919_6, 1.226_361_71, 3.928_055_16, 30.0]),
            (Activation::Mish, [-2.807_286_89e-12, -0.072_591_740_8, -0.298_099_742, -0.056_788_576, 0.0, 0.063_179_418_5, 1.403_378_27, 3.997_412_81, 30.0]),
            (Activation::Hardswish, [-0.0, -0.0, -0.375, -0.048_333_334, 0.0, 0.051_666_667_5, 1.125, 4.0, 30.0]),
        ];
        for (activation, expected) in cases {
            for (place, expected) in places.iter().zip(expected) {
                let found = f64::from(activation.of(*place));
                assert!(
                    (found - expected).abs() <= 3e-7 * expected.abs(),
                    "{activation:?} of {place}: {found}"
                );
            }
        }
    }

    #[test]
    fn nothing_stands_beside_zero() {
        for activation in [
            Activation::LEAKY,
            Activation::Exponential { scale: 1.0, alpha: 1.0, rate: 1.0 },
            Activation::Gelu,
            Activation::GeluTanh,
            Activation::Silu,
            Activation::Mish,
            Activation::Hardswish,
        ] {
            assert_eq!(activation.of(0.0), 0.0, "{activation:?}");
            assert!(activation.of(f32::MIN).is_finite() && activation.of(f32::MAX).is_finite());
        }
    }
}
