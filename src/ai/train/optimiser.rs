//! AdamW, the learning rate's course, and averaged weights, on the device.

use super::recipe_parts::Training;
use burn::tensor::{Device, Tensor};

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// The learning rate of a step: linear warm-up, plateau, then 1 - square root to zero over the last
/// part of `steps`.
#[must_use]
pub fn learning_rate(step: u64, steps: u64, training: &Training) -> f64 {
    let warm = if training.warmup_steps == 0 {
        1.0
    } else {
        ((step + 1) as f64 / training.warmup_steps as f64).min(1.0)
    };
    let begin = steps as f64 * (1.0 - training.decay_share);
    let rest = steps as f64 - begin;
    let late = if rest > 0.0 { ((step as f64 - begin) / rest).max(0.0) } else { 0.0 };
    training.learning_rate * warm * (1.0 - late.sqrt())
}

/// Weights with AdamW's moments (Loshchilov and Hutter, ICLR 2019; PyTorch's order of operations) and
/// their moving average. All tensors are flat, on the device, without gradients.
pub struct Optimiser {
    /// The weights.
    pub weights: Vec<Tensor<1>>,
    /// First moments.
    pub first: Vec<Tensor<1>>,
    /// Second moments.
    pub second: Vec<Tensor<1>>,
    /// Averaged weights.
    pub average: Vec<Tensor<1>>,
    /// Updates so far (steps that were left out do not count).
    pub updates: u64,
}

impl Optimiser {
    /// Starts with these weights.
    #[must_use]
    pub fn new(weights: Vec<Tensor<1>>, device: &Device) -> Self {
        let zeros = || weights.iter().map(|w| Tensor::zeros([w.dims()[0]], device)).collect();
        Self { first: zeros(), second: zeros(), average: weights.clone(), weights, updates: 0 }
    }

    /// One update with gradients whose norm is `norm`; a longer one than `training.clip_gradient` is
    /// shortened. A norm that is not finite leaves the weights as they are, and gives false.
    pub fn update(
        &mut self,
        gradients: Vec<Option<Tensor<1>>>,
        norm: f64,
        rate: f64,
        training: &Training,
    ) -> bool {
        if !norm.is_finite() {
            return false;
        }
        let shorten = (training.clip_gradient / (norm + 1e-6)).min(1.0);
        self.updates += 1;
        let updates = i32::try_from(self.updates).unwrap_or(i32::MAX);
        let (correct_1, correct_2) = (1.0 - BETA_1.powi(updates), (1.0 - BETA_2.powi(updates)).sqrt());
        for (place, gradient) in gradients.into_iter().enumerate() {
            let Some(gradient) = gradient else { continue };
            let gradient = gradient * shorten;
            let first = self.first[place].clone() * BETA_1 + gradient.clone() * (1.0 - BETA_1);
            let second = self.second[place].clone() * BETA_2 + gradient.clone() * gradient * (1.0 - BETA_2);
            let weights = self.weights[place].clone() * (1.0 - rate * training.weight_decay);
            let spread = second.clone().sqrt() / correct_2 + EPSILON;
            self.weights[place] = weights - first.clone() / spread * (rate / correct_1);
            self.first[place] = first;
            self.second[place] = second;
        }
        true
    }

    /// Moves the averaged weights towards the weights, after `step` steps.
    pub fn average(&mut self, step: u64, training: &Training) {
        let keep = training.ema.min((1.0 + step as f64) / (10.0 + step as f64));
        for (slow, fast) in self.average.iter_mut().zip(&self.weights) {
            *slow = slow.clone() + (fast.clone() - slow.clone()) * (1.0 - keep);
        }
    }
}

/// The square of the norm of all gradients, as a tensor of one number. `rows`: the first dimension of
/// each parameter, to sum in two short runs in place of a long one.
pub(super) fn squared_norm(
    gradients: &[Option<Tensor<1>>],
    shapes: &[Vec<usize>],
    device: &Device,
) -> Tensor<1> {
    let mut total: Tensor<1> = Tensor::zeros([1], device);
    for (gradient, shape) in gradients.iter().zip(shapes) {
        let Some(gradient) = gradient else { continue };
        let rows = shape.first().copied().unwrap_or(1).max(1);
        let squares = gradient.clone() * gradient.clone();
        let table: Tensor<2> = squares.reshape([rows, shape.iter().product::<usize>() / rows]);
        total = total + table.sum_dim(1).sum_dim(0).reshape([1]);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn training() -> Training {
        Training {
            seed: 1,
            steps: 100,
            batch: 1,
            heads: 1,
            log_dice: false,
            bf16: false,
            learning_rate: 0.1,
            weight_decay: 0.01,
            warmup_steps: 10,
            decay_share: 0.5,
            clip_gradient: 3.0,
            ema: 0.9,
        }
    }

    #[test]
    fn the_learning_rate_rises_stays_and_falls_to_zero() {
        let rate = |step| learning_rate(step, 100, &training());
        assert!((rate(0) - 0.01).abs() < 1e-12);
        assert!((rate(9) - 0.1).abs() < 1e-12 && (rate(50) - 0.1).abs() < 1e-12);
        // Three quarters through: half of the decay, 1 - sqrt(0.5).
        assert!((rate(75) - 0.1 * (1.0 - 0.5_f64.sqrt())).abs() < 1e-12);
        assert!(rate(100).abs() < 1e-12);
    }

    #[test]
    fn the_first_update_is_the_learning_rate_against_the_sign() {
        // Of the first step the corrected moments are g and g^2: each weight moves by the rate.
        let device = Device::flex();
        let mut own = Optimiser::new(vec![Tensor::from_floats([1.0, -2.0], &device)], &device);
        let gradient = Tensor::from_floats([0.5, -0.25], &device);
        assert!(own.update(vec![Some(gradient)], 0.56, 0.1, &training()));
        let moved: Vec<f32> = own.weights[0].clone().into_data_as::<f32>().try_into_vec().unwrap();
        let decay = 1.0 - 0.1 * 0.01;
        assert!((moved[0] - (decay - 0.1)).abs() < 1e-6, "{moved:?}");
        assert!((moved[1] - (-2.0 * decay + 0.1)).abs() < 1e-6, "{moved:?}");
        assert!(!own.update(vec![None], f64::NAN, 0.1, &training()), "not a number: left out");
    }
}
