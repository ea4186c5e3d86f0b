//! The memory of a training step, told before the first one, and the patch that fits into it.
//!
//! What autodiff keeps grows with the patch and the batch: of each block the convolution's centred output,
//! the leaky ReLU's output, and where that was below zero; and while the greatest layer is worked backwards
//! some more. The sum is an estimate, reckoned from the network's shape and held against measured peaks of
//! the CPU (the test below); a graphics device's own has not been measured.

use super::TrainError;
use super::checkpoint::CHECKPOINT;
use super::recipe::Recipe;
use super::task::Task;
use crate::ai::ModelPackage;
use crate::ai::engine::runs_on_cpu;
use crate::ai::memory::available_bytes;
use crate::ai::network::{Activation, Architecture, EncoderKind};
use crate::device::DeviceChoice;
use std::path::Path;

/// Bytes of a number.
const NUMBER: usize = size_of::<f32>();
/// Bytes that are kept for each number of a block's output: two numbers, and a sign.
const KEPT: usize = 2 * NUMBER + 1;
/// Bytes that another activation than a leaky ReLU keeps beside these: one number a step of its formula, at
/// most. Reckoned, not measured.
const OF_FORMULA: usize = 5 * NUMBER;
/// Tensors of the greatest layer's input or output, beside those kept, while it is worked backwards.
const AT_WORK: usize = 5;
/// Tensors of all logits that the loss keeps.
const OF_LOSS: usize = 6;
/// Copies of all parameters: weights, averages, two moments, gradients, and the new ones of an update.
const COPIES: usize = 8;

/// Bytes that a step of a network takes about, at the given patch, batch and number of heads.
pub(super) fn step_bytes(architecture: &Architecture, patch: [usize; 3], batch: usize, heads: usize) -> u64 {
    let a = architecture;
    let stages = a.features.len();
    let mut size = patch;
    let mut voxels = Vec::with_capacity(stages);
    for stride in &a.strides {
        size = [0, 1, 2].map(|axis| size[axis].div_ceil(stride[axis]));
        voxels.push(size.iter().product::<usize>());
    }
    let (mut kept, mut greatest) = (a.input_channels * voxels[0] * NUMBER, 0);
    let mut add = |values: usize, bytes: usize| {
        kept += values * bytes;
        greatest = greatest.max(values);
    };
    let is_leaky = matches!(a.activation, Some(Activation::Leaky(_)));
    let kept_each = KEPT + if is_leaky { 0 } else { OF_FORMULA };
    let mut channels = a.input_channels;
    if a.kind == EncoderKind::Residual {
        add(a.stem * voxels[0], kept_each);
        channels = a.stem;
    }
    let mut before = voxels[0];
    for ((stage, features), voxels) in a.features.iter().enumerate().zip(&voxels) {
        for block in 0..a.encoder_depths[stage] {
            for conv in a.convs(stage, block, channels) {
                before = if conv.stride == [1; 3] { before } else { *voxels };
                add(conv.output * before, kept_each);
            }
            if a.is_projected(stage, channels) {
                // What the skip is made of, and its projection, centred.
                add((channels + features) * voxels, NUMBER);
            }
            channels = *features;
        }
    }
    for (depth, stage) in (0..stages - 1).rev().enumerate() {
        let values = a.features[stage] * voxels[stage];
        // What comes up, joined with the skip.
        add(2 * values, NUMBER);
        add(values, kept_each * a.decoder_convs[depth]);
        if stage < heads {
            add(a.classes * voxels[stage], OF_LOSS * NUMBER);
        }
    }
    let bytes = batch * (kept + AT_WORK * NUMBER * greatest);
    bytes as u64 + (COPIES * NUMBER) as u64 * a.weights()
}

/// The part of the free memory that a step may take, and patients of what is left, in eighths: the patients
/// need some too, and reading one of them.
const SHARE: u64 = 6;

impl Recipe {
    /// The recipe that trains a package further ([`Recipe::of_package`]), with patches that this machine
    /// has the memory for, and what was made smaller. A run in `out` that can be gone on with keeps its
    /// own. A graphics device does not tell its memory: there the plans' patch is taken. Networks that are
    /// kept count as free: [`super::train`] lets go of them.
    ///
    /// # Errors
    /// As [`Recipe::of_package`].
    pub fn of_package_here(
        package: &ModelPackage,
        device: DeviceChoice,
        out: &Path,
    ) -> Result<(Self, Option<String>), TrainError> {
        let mut recipe = Self::of_package(package)?;
        let Some(table) = &mut recipe.nnunet else { return Ok((recipe, None)) };
        let begun = out.join(CHECKPOINT).is_file().then(|| Self::read(&out.join("recipe.toml")).ok());
        if let Some(begun) = begun.flatten()
            && let Some(other) = &begun.nnunet
            && other.state == table.state
        {
            table.patch = other.patch;
            recipe.training.batch = begun.training.batch;
            return Ok((recipe, None));
        }
        let free = available_bytes().filter(|_| runs_on_cpu(device));
        let told = free.and_then(|free| recipe.fit(&package.architecture, free / 8 * SHARE));
        Ok((recipe, told))
    }

    /// Makes batch and patch of a model of nnU-Net's recipe smaller until a step takes no more than
    /// `limit` bytes: one patch first, then the longest side by a step that the network's strides allow,
    /// down to two such steps. Tells what was changed, and where even the least takes more; else `None`.
    pub(super) fn fit(&mut self, architecture: &Architecture, limit: u64) -> Option<String> {
        let before = (self.training.batch, self.patch());
        let divisor = architecture.divisor();
        let table = self.nnunet.as_mut()?;
        let least = [0, 1, 2].map(|axis| table.patch[axis].min(2 * divisor[axis]));
        let heads = self.training.heads;
        let needed = |patch, batch| step_bytes(architecture, patch, batch, heads);
        if needed(table.patch, self.training.batch) > limit {
            self.training.batch = 1;
        }
        while needed(table.patch, self.training.batch) > limit {
            let longer = (0..3).filter(|axis| table.patch[*axis] > least[*axis]);
            let Some(axis) = longer.max_by_key(|axis| table.patch[*axis]) else { break };
            table.patch[axis] -= divisor[axis];
        }
        let (batch, patch) = (self.training.batch, self.patch());
        let text = |batch: usize, [z, y, x]: [usize; 3]| format!("{batch} patches of {z} x {y} x {x} voxels");
        let [own, first] = [text(batch, patch), text(before.0, before.1)];
        let (step, limit_mb) = (needed(patch, batch), limit / 1_000_000);
        let change = format!("{own} a step instead of {first}");
        let too_much =
            format!("take about {} MB, more than the {limit_mb} MB meant for it", step / 1_000_000);
        match (before == (batch, patch), step <= limit) {
            (true, true) => None,
            (false, true) => Some(format!("to fit into {limit_mb} MB, {change}")),
            (false, false) => Some(format!("{change}, the least there is; even these {too_much}")),
            (true, false) => Some(format!("{own} a step are the least there is, and {too_much}")),
        }
    }
}

/// What a run takes of the machine's memory.
pub(super) struct Needed {
    /// Bytes of a step, about.
    pub step: u64,
    /// Bytes that are free, where the system tells.
    pub free: Option<u64>,
    /// Whether steps take the machine's own memory.
    on_cpu: bool,
}

impl Needed {
    pub(super) fn new(task: &Task<'_>, device: DeviceChoice) -> Self {
        let training = &task.recipe.training;
        let step = step_bytes(&task.architecture, task.recipe.patch(), training.batch, training.heads);
        Self { step, free: available_bytes(), on_cpu: runs_on_cpu(device) }
    }

    /// Refuses a step that the memory does not hold.
    pub(super) fn check(&self) -> Result<(), TrainError> {
        match self.free {
            Some(free) if self.on_cpu && self.step > free => Err(TrainError::Memory {
                what: "a training step takes about".to_owned(),
                needed: self.step,
                free,
                remedy: "choose smaller patches (--patch) or a smaller batch in the recipe, or close other programs",
            }),
            _ => Ok(()),
        }
    }

    /// Bytes of patients that may be held in memory beside a step and the reading of one more; the others
    /// go to the disk.
    pub(super) fn room(&self) -> u64 {
        let Some(free) = self.free else { return u64::MAX };
        free.saturating_sub(if self.on_cpu { self.step } else { 0 }) / 8 * SHARE
    }
}

#[cfg(test)]
mod tests {
    use super::super::tuned::tests::fixture_package;
    use super::*;

    #[test]
    fn a_step_grows_with_the_patch_and_the_batch() {
        let strides = vec![[1; 3], [2; 3], [2; 3]];
        let network = Architecture::plain(1, vec![8, 16, 32], strides, vec![[3; 3]; 3], 2, 4);
        let one = step_bytes(&network, [32; 3], 1, 1);
        let parameters = 4 * COPIES as u64 * network.weights();
        assert_eq!(step_bytes(&network, [32; 3], 2, 1) - parameters, 2 * (one - parameters));
        assert_eq!(step_bytes(&network, [64, 32, 32], 1, 1) - parameters, 2 * (one - parameters));
        assert!(step_bytes(&network, [32; 3], 1, 2) > one);
    }

    /// Peaks of `delineo train --init` on the CPU, two patches a step (VmHWM of the process, less what it has
    /// before the first step), beside what is reckoned: off by a quarter at most.
    #[test]
    fn a_step_takes_about_what_was_measured() {
        let plain = |features: &[usize]| {
            let strides = [vec![[1; 3]], vec![[2; 3]; features.len() - 1]].concat();
            let kernels = vec![[3; 3]; features.len()];
            Architecture::plain(1, features.to_vec(), strides, kernels, 2, 4)
        };
        let residual = Architecture {
            kind: EncoderKind::Residual,
            stem: 16,
            classes: 3,
            encoder_depths: vec![1, 2, 2, 2],
            decoder_convs: vec![1; 3],
            ..plain(&[16, 32, 64, 96])
        };
        for (network, side, heads, measured_mb) in [
            (plain(&[16, 32, 64]), 48, 1, 340.0),
            (plain(&[32, 64, 128]), 64, 1, 1460.0),
            (residual, 64, 2, 1000.0),
        ] {
            #[expect(clippy::cast_precision_loss, reason = "megabytes")]
            let reckoned_mb = step_bytes(&network, [side; 3], 2, heads) as f64 / 1e6;
            let ratio = reckoned_mb / measured_mb;
            assert!((0.8..1.25).contains(&ratio), "{reckoned_mb} MB reckoned, {measured_mb} MB measured");
        }
    }

    #[test]
    fn patients_have_a_part_of_what_a_step_leaves() {
        let needed = |free, on_cpu| Needed { step: 200, free, on_cpu };
        assert_eq!(needed(Some(1000), true).room(), 600);
        assert_eq!(needed(Some(1000), false).room(), 750);
        assert_eq!(needed(Some(100), true).room(), 0);
        assert_eq!(needed(None, true).room(), u64::MAX);
    }

    #[test]
    fn a_patch_is_made_smaller_as_the_strides_allow() {
        let package = fixture_package("res2d");
        let mut recipe = Recipe::of_package(&package).unwrap();
        assert_eq!(recipe.fit(&package.architecture, u64::MAX), None);
        let patch = recipe.patch();
        let told = recipe.fit(&package.architecture, 1).unwrap();
        assert!(told.contains("1 x 32 x 24") && told.contains("even these take about"), "{told}");
        assert!(!told.contains("to fit"), "{told}");
        let again = recipe.fit(&package.architecture, 1).unwrap();
        assert!(again.contains("the least there is"), "{again}");
        let mut other = Recipe::of_package(&package).unwrap();
        let whole = step_bytes(&package.architecture, patch, other.training.batch, other.training.heads);
        let told = other.fit(&package.architecture, whole - 1).unwrap();
        assert!(told.starts_with("to fit into"), "{told}");
        assert_eq!((patch, recipe.patch(), recipe.training.batch), ([1, 32, 24], [1, 8, 8], 1));
        assert!(package.architecture.divisor() == [1, 4, 4]);
    }
}
