//! Which dose an isodose is of, and its level.

use super::super::super::actions::Action;
use super::super::super::state::Desk;
use super::super::super::{Outbox, Request, widgets};
use super::{choices_ui, fine_ui};
use crate::edit::segment::{DoseLevel, isodose_name};
use crate::patient::RoiType;
use crate::session::Command;
use crate::tools::{Aspect, Number, SegmentSettings, SegmentTool};
use egui::Ui;

/// Dose and level; what the isodose is called.
pub(super) fn dose_ui(
    ui: &mut Ui,
    desk: &Desk,
    outbox: &mut Outbox,
    (tool, settings): (&SegmentTool, &mut SegmentSettings),
    pressed: &mut Vec<Action>,
) -> Option<String> {
    if desk.doses.is_empty() && tool.dose().is_none() {
        widgets::note(
            ui,
            "No dose was found with these images. Open the folder that also holds the RT Dose.",
        );
        return None;
    }
    let shown = desk.open_dose.and_then(|index| desk.doses.get(index));
    let title = shown.map_or_else(
        || tool.dose().map_or_else(|| "Choose a dose".to_owned(), |dose| dose.info.title()),
        |line| line.title.clone(),
    );
    widgets::combo("segment dose").width(ui.available_width()).truncate().selected_text(title).show_ui(
        ui,
        |ui| {
            for (index, line) in desk.doses.iter().enumerate() {
                let label = egui::Button::selectable(desk.open_dose == Some(index), &line.title);
                let row = ui.add_enabled(line.is_usable, label);
                if row.on_hover_text(&line.detail).on_disabled_hover_text(&line.detail).clicked() {
                    outbox.send(Request::ReadDose(line.path.clone()));
                }
            }
        },
    );
    let maximum = tool.dose()?.maximum_gy();
    choices_ui(ui, settings, Aspect::Kind, pressed);
    level_ui(ui, settings);
    Some(isodose_name(settings.dose.gy(maximum)))
}

fn level_ui(ui: &mut Ui, settings: &mut SegmentSettings) {
    let level = ("Level", Number::DoseLevel);
    let percent_ui = |ui: &mut Ui, part: &mut f64| {
        let mut percent = *part * 100.0;
        fine_ui(ui, level, &mut percent, (0.1..=200.0, 2), " %", "The isodose runs at this part");
        *part = percent / 100.0;
    };
    match &mut settings.dose {
        DoseLevel::Gy(gy) => {
            fine_ui(ui, level, gy, (0.001..=500.0, 3), " Gy", "The isodose runs at this dose");
        }
        DoseLevel::PartOfMaximum(part) => percent_ui(ui, part),
        DoseLevel::PartOfPrescription { part, prescription_gy } => {
            let why = "The dose that is prescribed";
            let name = ("Prescription", Number::Prescription);
            fine_ui(ui, name, prescription_gy, (0.001..=500.0, 3), " Gy", why);
            percent_ui(ui, part);
        }
    }
}

/// Offers a structure for the isodose, by its name of TG-263.
pub(super) fn new_structure_ui(ui: &mut Ui, outbox: &mut Outbox, name: &str, is_first: bool) {
    let label = format!("New structure {name}");
    let button =
        if is_first { widgets::primary_button(ui, &label, true) } else { widgets::button(ui, &label) };
    if button
        .on_hover_text("A structure for this isodose, named as TG-263 names isodose lines, in cGy")
        .clicked()
    {
        let roi_type = RoiType::Other("DOSE_REGION".to_owned());
        outbox.apply(Command::AddRoi { name: name.to_owned(), color: None, roi_type });
    }
}
