//! Making a patch's picture worse, as other scanners, protocols and doses make it.
//!
//! `models/training/patches.py`, rule for rule; only the random numbers are others.

use super::patient::OUTSIDE_HU;
use super::random::Random;
use super::recipe::Recipe;
use crate::ai::nnunet::resample::{Resampling, resample};
use crate::ai::package::Normalization;
use crate::progress::Progress;

/// Samples more coarsely, blurs, scales and shifts the values, adds noise, normalises, and takes a power of
/// the grey values. Air outside stays air.
pub(super) fn degrade(recipe: &Recipe, normalization: &Normalization, hu: &mut [f32], random: &mut Random) {
    let augment = &recipe.augment;
    let outside: Vec<bool> = hu.iter().map(|value| *value < OUTSIDE_HU + 1.0).collect();
    coarsen(recipe, hu, random);
    if random.unit() < 0.15 {
        blur(hu, recipe.patch(), random.between(0.3, 0.8), Some(OUTSIDE_HU));
    }
    let factor = random.between(augment.hu_scale[0], augment.hu_scale[1]);
    let shift = random.between(-1.0, 1.0) * augment.hu_shift;
    let noise = if random.unit() < 0.3 { random.between(0.0, augment.hu_noise) } else { 0.0 };
    for (value, outside) in hu.iter_mut().zip(outside) {
        let drawn = if noise > 0.0 { random.normal() * noise } else { 0.0 };
        #[expect(clippy::cast_possible_truncation, reason = "HU")]
        let changed = (f64::from(*value) * factor + shift + drawn) as f32;
        *value = normalization.apply(if outside { OUTSIDE_HU } else { changed });
    }
    let range = [normalization.clip_low, normalization.clip_high].map(|end| normalization.apply(end));
    raise(recipe, hu, range, random);
}

/// The same for normalised values, each channel on its own.
pub(super) fn degrade_normalised(recipe: &Recipe, values: &mut [f32], random: &mut Random) {
    let (augment, patch) = (&recipe.augment, recipe.patch());
    for channel in values.chunks_mut(patch.iter().product::<usize>().max(1)) {
        coarsen(recipe, channel, random);
        if random.unit() < 0.15 {
            blur(channel, patch, random.between(0.3, 0.8), None);
        }
        let factor = random.between(augment.hu_scale[0], augment.hu_scale[1]);
        let shift = random.between(-1.0, 1.0) * augment.hu_shift;
        let noise = if random.unit() < 0.3 { random.between(0.0, augment.hu_noise) } else { 0.0 };
        for value in channel.iter_mut() {
            let drawn = if noise > 0.0 { random.normal() * noise } else { 0.0 };
            #[expect(clippy::cast_possible_truncation, reason = "normalised values")]
            {
                *value = (f64::from(*value) * factor + shift + drawn) as f32;
            }
        }
        let low = channel.iter().copied().fold(f32::INFINITY, f32::min);
        let high = channel.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        raise(recipe, channel, [low, high], random);
    }
}

/// Every so often the patch as a scan of fewer voxels shows it, interpolated linearly.
fn coarsen(recipe: &Recipe, values: &mut [f32], random: &mut Random) {
    let Some(coarse) = recipe.augment.coarse.as_ref().filter(|coarse| random.unit() < coarse.probability)
    else {
        return;
    };
    let size = recipe.patch();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "voxels of a patch")]
    let fewer = size.map(|count| {
        let share = random.between(coarse.share[0], coarse.share[1]);
        (count as f64 * share).round_ties_even().max(1.0) as usize
    });
    values.copy_from_slice(&coarsened(values, size, fewer));
}

/// Values sampled at `fewer` places along each axis and back, both linearly between voxel centres; at the ends
/// the last value goes on. Grids cover the same length.
fn coarsened(values: &[f32], size: [usize; 3], fewer: [usize; 3]) -> Vec<f32> {
    let how = Resampling { force_separate_z: Some(false), ..Resampling::LOGITS };
    let linear = |values: &[f32], from, to| {
        resample(values, from, to, [[1.0; 3]; 2], how, &Progress::new()).expect("nobody stops it")
    };
    linear(&linear(values, size, fewer), fewer, size)
}

/// Every so often the grey values, as shares of their range, to a power. Its ends stay.
fn raise(recipe: &Recipe, values: &mut [f32], [low, high]: [f32; 2], random: &mut Random) {
    let Some(gamma) = recipe.augment.gamma.as_ref().filter(|gamma| random.unit() < gamma.probability) else {
        return;
    };
    #[expect(clippy::cast_possible_truncation, reason = "0.1 to 10")]
    let power = random.between(gamma.power[0].ln(), gamma.power[1].ln()).exp() as f32;
    if high > low {
        for value in values {
            *value = low + (high - low) * ((*value - low) / (high - low)).clamp(0.0, 1.0).powf(power);
        }
    }
}

/// A Gaussian of five taps along each axis of more than one voxel; beyond the patch there is `outside`, or
/// where there is none the patch's edge goes on.
fn blur(values: &mut [f32], size: [usize; 3], sigma: f64, outside: Option<f32>) {
    let taps = [-2.0, -1.0, 0.0, 1.0, 2.0].map(|at: f64| (-0.5 * (at / sigma).powi(2)).exp());
    let sum: f64 = taps.iter().sum();
    #[expect(clippy::cast_possible_truncation, reason = "shares of 1")]
    let taps = taps.map(|tap| (tap / sum) as f32);
    let from = outside.unwrap_or(0.0);
    for axis in (0..3).filter(|axis| size[*axis] > 1) {
        let step: usize = size[axis + 1..].iter().product();
        let source = values.to_vec();
        for (place, own) in values.iter_mut().enumerate() {
            let at = place / step % size[axis];
            let mut value = from;
            for (tap, weight) in taps.iter().enumerate() {
                let other = match (at + tap).checked_sub(2).filter(|other| *other < size[axis]) {
                    Some(other) => other,
                    None if outside.is_some() => continue,
                    None => (at + tap).saturating_sub(2).min(size[axis] - 1),
                };
                value += weight * (source[place + other * step - at * step] - from);
            }
            *own = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::recipe_parts::{Coarse, Gamma};
    use super::super::sampler::tests::tiny_recipe;
    use super::*;

    #[test]
    fn a_blur_keeps_a_flat_field_and_spreads_a_point_evenly() {
        let mut point = vec![OUTSIDE_HU; 512];
        point[(4 * 8 + 4) * 8 + 4] = OUTSIDE_HU + 1000.0;
        blur(&mut point, [8; 3], 0.6, Some(OUTSIDE_HU));
        let sum: f32 = point.iter().map(|value| value - OUTSIDE_HU).sum();
        assert!((sum - 1000.0).abs() < 0.5, "{sum}");
        let at = |z: usize, y: usize, x: usize| point[(z * 8 + y) * 8 + x];
        assert!((at(3, 4, 4) - at(4, 4, 5)).abs() < 1e-3 && at(4, 4, 4) > at(3, 4, 4));
    }

    #[test]
    fn a_coarse_patch_keeps_what_is_flat_and_what_rises_evenly() {
        let size = [1, 6, 8];
        let rising: Vec<f32> = (0..48).map(|place| (place % 8) as f32).collect();
        assert_eq!(coarsened(&rising, size, [1, 3, 8]), rising, "flat along y");
        let coarse = coarsened(&rising, size, [1, 6, 4]);
        // Every other voxel stays by the closed form: in between lies the middle of its neighbours; the
        // outermost sample, half a coarse voxel from the end, goes on to the end.
        let expected = [0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 6.5];
        for (place, value) in coarse.iter().enumerate() {
            assert!((value - expected[place % 8]).abs() < 1e-6, "{place} {value}");
        }
        assert_eq!(coarsened(&[3.0; 6], [6, 1, 1], [1; 3]), [3.0; 6]);
    }

    #[test]
    fn a_power_keeps_the_ends_of_the_range() {
        let mut recipe = tiny_recipe();
        recipe.augment.gamma = Some(Gamma { probability: 1.0, power: [2.0, 2.0] });
        let mut values = vec![-1.0, 0.0, 1.0, 3.0, 5.0];
        raise(&recipe, &mut values, [-1.0, 3.0], &mut Random::new(&[1]));
        for (value, expected) in values.iter().zip([-1.0, -0.75, 0.0, 3.0, 3.0]) {
            assert!((value - expected).abs() < 1e-5, "{values:?}");
        }
        let mut flat = vec![2.0; 3];
        raise(&recipe, &mut flat, [2.0, 2.0], &mut Random::new(&[1]));
        assert_eq!(flat, [2.0; 3]);
    }

    #[test]
    fn air_outside_stays_air_however_the_picture_is_changed() {
        let mut recipe = tiny_recipe();
        recipe.augment.coarse = Some(Coarse { probability: 1.0, share: [0.5, 0.5] });
        recipe.augment.gamma = Some(Gamma { probability: 1.0, power: [0.7, 0.7] });
        let normalization = recipe.own().expect("a model of its own").normalization();
        let mut hu: Vec<f32> = (0..512).map(|place| if place % 8 < 4 { OUTSIDE_HU } else { 40.0 }).collect();
        degrade(&recipe, &normalization, &mut hu, &mut Random::new(&[5]));
        let air = normalization.apply(OUTSIDE_HU);
        for (place, value) in hu.iter().enumerate() {
            assert_eq!(place % 8 < 4, (value - air).abs() < 1e-6, "{place} {value}");
        }
    }
}
