//! How organs that their values tell are looked for.

use super::super::super::actions::Action;
use super::{choices_ui, value_ui};
use crate::tools::{Aspect, Number, SegmentSettings};
use egui::Ui;

pub(super) fn lungs_ui(ui: &mut Ui, settings: &mut SegmentSettings, pressed: &mut Vec<Action>) {
    choices_ui(ui, settings, Aspect::Kind, pressed);
    value_ui(
        ui,
        ("Close", Number::LungClose),
        &mut settings.close_mm,
        0.0..=20.0,
        " mm",
        "Vessels and fissures thinner than twice this are filled",
    );
}

pub(super) fn bones_ui(ui: &mut Ui, settings: &mut SegmentSettings) {
    let bones = &mut settings.bones;
    let (mut low, mut high) = (f64::from(bones.low_hu), f64::from(bones.high_hu));
    let name = ("Bone from", Number::BoneFrom);
    value_ui(ui, name, &mut low, 50.0..=1000.0, " HU", "Bone is at least this dense");
    value_ui(
        ui,
        ("Core from", Number::BoneCore),
        &mut high,
        50.0..=2000.0,
        " HU",
        "Each piece has some bone at least this dense",
    );
    value_ui(
        ui,
        ("Close", Number::BoneClose),
        &mut bones.close_mm,
        0.0..=10.0,
        " mm",
        "Gaps in the cortex thinner than twice this are closed before marrow is filled",
    );
    #[expect(clippy::cast_possible_truncation, reason = "HU")]
    let bounds = (low as f32, high as f32);
    (bones.low_hu, bones.high_hu) = bounds;
}
