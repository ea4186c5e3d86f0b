//! The trainers that nnU-Net ships.
//!
//! A trainer is a Python class that may build any network; of a model only its name is known. Those of
//! nnU-Net build what the plans say, but for what the weights themselves tell (batch normalisation, no
//! deep supervision). Another one may change the activation or the order of layers without a trace in
//! the weights, which nnU-Net itself runs only with the class at hand.

use super::plans::Plan;
use crate::ai::network::NORM_EPSILON;

/// The classes under `nnunetv2/training/nnUNetTrainer` (2.8.1) that build a U-Net by the plans; the 2000
/// and 4000 epochs without mirroring are TotalSegmentator's, too. Two more are of its models: with the loss
/// of skeleton recall, and with a quarter of the learning rate (MOSAIC).
const TRAINERS: [&str; 60] = [
    "nnUNetTrainer",
    "nnUNetTrainerAdam",
    "nnUNetTrainerAdam1en3",
    "nnUNetTrainerAdam3en4",
    "nnUNetTrainerAdan",
    "nnUNetTrainerAdan1en1",
    "nnUNetTrainerAdan1en3",
    "nnUNetTrainerAdan3en4",
    "nnUNetTrainerAdanCosAnneal",
    "nnUNetTrainerBN",
    "nnUNetTrainerBenchmark_5epochs",
    "nnUNetTrainerBenchmark_5epochs_noDataLoading",
    "nnUNetTrainerCELoss",
    "nnUNetTrainerCELoss_5epochs",
    "nnUNetTrainerCosAnneal",
    "nnUNetTrainerDA5",
    "nnUNetTrainerDA5Segord0",
    "nnUNetTrainerDA5_10epochs",
    "nnUNetTrainerDA5ord0",
    "nnUNetTrainerDiceCELoss_noSmooth",
    "nnUNetTrainerDiceLoss",
    "nnUNetTrainerDiceTopK10Loss",
    "nnUNetTrainerNoDA",
    "nnUNetTrainerNoDeepSupervision",
    "nnUNetTrainerNoMirroring",
    "nnUNetTrainerSkeletonRecall",
    "nnUNetTrainerTopk10Loss",
    "nnUNetTrainerTopk10LossLS01",
    "nnUNetTrainerVanillaAdam",
    "nnUNetTrainerVanillaAdam1en3",
    "nnUNetTrainerVanillaAdam3en4",
    "nnUNetTrainer_100epochs",
    "nnUNetTrainer_10epochs",
    "nnUNetTrainer_1epoch",
    "nnUNetTrainer_2000epochs",
    "nnUNetTrainer_2000epochs_NoMirroring",
    "nnUNetTrainer_20epochs",
    "nnUNetTrainer_250epochs",
    "nnUNetTrainer_250epochs_NoMirroring",
    "nnUNetTrainer_4000epochs",
    "nnUNetTrainer_4000epochs_NoMirroring",
    "nnUNetTrainer_500epochs",
    "nnUNetTrainer_50epochs",
    "nnUNetTrainer_5epochs",
    "nnUNetTrainer_750epochs",
    "nnUNetTrainer_8000epochs",
    "nnUNetTrainer_8000epochs_NoMirroring",
    "nnUNetTrainer_DASegOrd0",
    "nnUNetTrainer_DASegOrd0_NoMirroring",
    "nnUNetTrainer_MOSAIC_1k_QuarterLR_NoMirroring",
    "nnUNetTrainer_noDummy2DDA",
    "nnUNetTrainer_onlyMirror01",
    "nnUNetTrainer_onlyMirror01_1500ep",
    "nnUNetTrainer_onlyMirror01_DA5",
    "nnUNetTrainer_onlyMirror01_DASegOrd0",
    "nnUNetTrainer_probabilisticOversampling",
    "nnUNetTrainer_probabilisticOversampling_010",
    "nnUNetTrainer_probabilisticOversampling_033",
    "nnUNetTrainer_warmup",
    "nnUNet_Trainer_BS8",
];

/// Whether nnU-Net ships this trainer.
pub(super) fn is_of_nnunet(trainer: &str) -> bool {
    TRAINERS.contains(&trainer)
}

/// What a trainer makes of a plan beside what the weights tell: batch normalisation in place of any other
/// comes with an epsilon of its own.
pub(super) fn adapt(plan: &mut Plan, trainer: &str) {
    if trainer == "nnUNetTrainerBN" {
        plan.architecture.epsilon = NORM_EPSILON;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nnu_net_s_own_and_total_segmentator_s_trainers_are_known() {
        for known in [
            "nnUNetTrainer",
            "nnUNetTrainerNoMirroring",
            "nnUNetTrainer_4000epochs_NoMirroring",
            "nnUNetTrainer_DASegOrd0_NoMirroring",
            "nnUNetTrainer_MOSAIC_1k_QuarterLR_NoMirroring",
            "nnUNetTrainerSkeletonRecall",
            "nnUNetTrainerBN",
            "nnUNetTrainer_250epochs",
            "nnUNetTrainer_onlyMirror01_1500ep",
        ] {
            assert!(is_of_nnunet(known), "{known}");
        }
        for other in ["nnUNetTrainerReLU", "nnUNetTrainerUMambaBot", "MyTrainer", ""] {
            assert!(!is_of_nnunet(other), "{other}");
        }
    }
}
