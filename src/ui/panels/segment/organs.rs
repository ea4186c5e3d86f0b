//! How the body and organs that their values tell are looked for.

use super::{choice_ui, value_ui};
use crate::ai::BodyExtent;
use crate::edit::segment::LungSide;
use crate::tools::SegmentSettings;
use egui::Ui;

pub(super) fn body_ui(ui: &mut Ui, settings: &mut SegmentSettings) {
    choice_ui(
        ui,
        &mut settings.extent,
        &[
            (BodyExtent::Patient, "Patient", "The patient alone."),
            (
                BodyExtent::Immobilisation,
                "With immobilisation",
                "And masks, cushions and holders at the patient, with the air between; without the couch.",
            ),
            (BodyExtent::Couch, "And couch", "And the couch too, its shell and its core: what a dose needs."),
        ],
    );
}

pub(super) fn lungs_ui(ui: &mut Ui, settings: &mut SegmentSettings) {
    choice_ui(
        ui,
        &mut settings.side,
        &[
            (None, "By name", "The lung that the structure's name means: Lung_L, Lung_R, else both."),
            (Some(LungSide::Both), "Both", "Both lungs."),
            (Some(LungSide::Left), "Left", "The patient's left lung."),
            (Some(LungSide::Right), "Right", "The patient's right lung."),
        ],
    );
    value_ui(
        ui,
        "Close",
        &mut settings.close_mm,
        0.0..=20.0,
        " mm",
        "Vessels and fissures thinner than twice this are filled",
    );
}

pub(super) fn bones_ui(ui: &mut Ui, settings: &mut SegmentSettings) {
    let bones = &mut settings.bones;
    let (mut low, mut high) = (f64::from(bones.low_hu), f64::from(bones.high_hu));
    value_ui(ui, "Bone from", &mut low, 50.0..=1000.0, " HU", "Bone is at least this dense");
    value_ui(
        ui,
        "Core from",
        &mut high,
        50.0..=2000.0,
        " HU",
        "Each piece has some bone at least this dense",
    );
    value_ui(
        ui,
        "Close",
        &mut bones.close_mm,
        0.0..=10.0,
        " mm",
        "Gaps in the cortex thinner than twice this are closed before marrow is filled",
    );
    #[expect(clippy::cast_possible_truncation, reason = "HU")]
    let bounds = (low as f32, high as f32);
    (bones.low_hu, bones.high_hu) = bounds;
}
