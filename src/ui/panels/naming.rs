//! The field for a structure's name, with completion from TG-263.

use super::super::state::Naming;
use super::super::theme::Theme;
use super::super::{Scope, nomenclature, widgets};
use crate::patient::RoiType;
use crate::session::{Command, Session};
use egui::{Key, Modifiers, RichText, Ui};

/// How many completions are offered.
const OFFERED: usize = 7;

/// The field, while a name is being typed.
pub fn naming_ui(ui: &mut Ui, scope: &mut Scope<'_>, session: &Session) {
    let Some(mut naming) = scope.state.naming.take() else { return };
    let offers = nomenclature::complete(&naming.text, OFFERED);
    let (up, down) = ui.input_mut(|input| {
        (input.consume_key(Modifiers::NONE, Key::ArrowUp), input.consume_key(Modifiers::NONE, Key::ArrowDown))
    });
    if down {
        naming.choice =
            Some(naming.choice.map_or(0, |choice| choice + 1).min(offers.len().saturating_sub(1)));
    }
    if up {
        naming.choice = naming.choice.and_then(|choice| choice.checked_sub(1));
    }
    let hint = if naming.roi.is_some() { "New name" } else { "Name of the new structure" };
    let response =
        ui.add(egui::TextEdit::singleline(&mut naming.text).hint_text(hint).desired_width(f32::INFINITY));
    if !naming.focused {
        response.request_focus();
        naming.focused = true;
    }
    if response.changed() {
        naming.choice = None;
    }
    let mut chosen: Option<String> = None;
    if widgets::is_entered(ui, &response) {
        let offered = naming.choice.and_then(|choice| offers.get(choice)).map(|offer| offer.name.to_owned());
        chosen = Some(offered.unwrap_or_else(|| naming.text.trim().to_owned()));
    }
    for (index, offer) in offers.iter().enumerate() {
        let on = naming.choice == Some(index);
        let theme = Theme::of(ui.ctx());
        let label = RichText::new(format!("{}  ", offer.name));
        let entry = ui.horizontal(|ui| {
            let response = ui.selectable_label(on, label);
            ui.add(egui::Label::new(RichText::new(offer.description).small().color(theme.weak)).truncate());
            response
        });
        if entry.inner.clicked() {
            chosen = Some(offer.name.to_owned());
        }
    }
    if offers.is_empty() && !naming.text.trim().is_empty() {
        widgets::note(ui, "Not a TG-263 name. Enter takes it as it is.");
    }
    ui.add_space(4.0);
    match chosen {
        Some(name) => finish(scope, session, &naming, name),
        None if ui.input(|input| input.key_pressed(Key::Escape)) => {}
        None => scope.state.naming = Some(naming),
    }
}

fn finish(scope: &mut Scope<'_>, session: &Session, naming: &Naming, name: String) {
    match naming.roi {
        Some(roi) if session.roi(roi).is_some_and(|own| own.name != name) => {
            scope.outbox.apply(Command::RenameRoi { roi, name });
        }
        Some(_) => {}
        None => {
            let roi_type = type_of_name(&name);
            scope.outbox.apply(Command::AddRoi { name, color: None, roi_type });
        }
    }
}

/// The type that a TG-263 name suggests.
fn type_of_name(name: &str) -> RoiType {
    let lower = name.to_lowercase();
    if lower.starts_with("gtv") {
        RoiType::Gtv
    } else if lower.starts_with("ctv") || lower.starts_with("itv") {
        RoiType::Ctv
    } else if lower.starts_with("ptv") {
        RoiType::Ptv
    } else if lower == "body" || lower == "external" {
        RoiType::External
    } else if lower.starts_with("couch") {
        RoiType::Support
    } else if lower.starts_with("bolus") {
        RoiType::Bolus
    } else {
        RoiType::Organ
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_suggest_their_type() {
        assert_eq!(type_of_name("PTV_5040"), RoiType::Ptv);
        assert_eq!(type_of_name("Body"), RoiType::External);
        assert_eq!(type_of_name("Parotid_L"), RoiType::Organ);
    }
}
