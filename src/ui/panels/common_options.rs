//! Options in the strip that are not of one tool: what becomes of what is suggested, and what drawing does
//! to other structures.

use super::super::actions::Action;
use super::super::theme::Theme;
use super::super::views::ViewsState;
use super::numbers::number_field;
use crate::session::{Overwrite, Session};
use crate::tools::{Number, ToolKind};
use egui::{RichText, Ui};

/// What to do with contours that are suggested: first what takes them over, which is never out of sight.
pub(super) fn suggestion_ui(
    ui: &mut Ui,
    views: &mut ViewsState,
    session: &Session,
    pressed: &mut Vec<Action>,
) {
    let weak = Theme::of(ui.ctx()).weak;
    let dashed = views.tools.dashed().map(|suggestion| suggestion.slices().count());
    if let Some(count) = dashed {
        let text = if count == 1 { "1 slice dashed".to_owned() } else { format!("{count} slices dashed") };
        ui.label(RichText::new(text).color(weak));
        giving_way_ui(ui, views, session);
        for (action, name) in [
            (Action::TakeSuggested, "Take this"),
            (Action::TakeAllSuggested, "Take all"),
            (Action::DropSuggested, "Drop"),
        ] {
            if ui.button(name).on_hover_text(action.tooltip()).clicked() {
                pressed.push(action);
            }
        }
    }
    if views.tools.between.is_on() {
        snap_ui(ui, views, pressed);
    }
    let guides = views.tools.between.guides(session).map_or(0, <[_]>::len);
    if guides > 0 {
        let text = if guides == 1 { "1 guide".to_owned() } else { format!("{guides} guides") };
        ui.label(RichText::new(text).color(weak))
            .on_hover_text("Outlines drawn across the slices; the shape between slices follows them.");
        if ui.button("Clear").on_hover_text(Action::ClearGuides.tooltip()).clicked() {
            pressed.push(Action::ClearGuides);
        }
    }
    if dashed.is_some() || views.tools.between.is_on() || guides > 0 {
        ui.separator();
    }
}

/// Who gives way to what is suggested.
fn giving_way_ui(ui: &mut Ui, views: &ViewsState, session: &Session) {
    let others = views.tools.giving_way(session);
    let text = match others {
        [] => return,
        [one] => format!("{} gives way", one.name),
        many => format!("{} structures give way", many.len()),
    };
    let names: Vec<&str> = others.iter().map(|other| other.name.as_str()).collect();
    let hover = format!(
        "Shown as they would be once all of this is taken over: {}. Until then they lose nothing.",
        names.join(", ")
    );
    ui.label(RichText::new(text).color(Theme::of(ui.ctx()).amber)).on_hover_text(hover);
}

/// Whether what is suggested between slices is moved to image edges, and how far.
fn snap_ui(ui: &mut Ui, views: &mut ViewsState, pressed: &mut Vec<Action>) {
    let mut snaps = views.tools.between.snaps();
    if ui.checkbox(&mut snaps, "Snap").on_hover_text(Action::ToggleSnap.tooltip()).changed() {
        pressed.push(Action::ToggleSnap);
    }
    if snaps {
        let mut reach = views.tools.between.snap_reach_mm();
        let field =
            egui::DragValue::new(&mut reach).speed(0.05).range(1.0..=10.0).suffix(" mm").fixed_decimals(1);
        let response = number_field(ui, Number::SnapReach, field);
        if response.on_hover_text("How far an outline is moved at most").changed() {
            views.tools.between.set_snap_reach_mm(reach);
        }
    }
}

/// What drawing does to other structures.
pub(super) fn overwrite_ui(ui: &mut Ui, views: &ViewsState, session: &Session, pressed: &mut Vec<Action>) {
    if matches!(views.tools.kind(), ToolKind::Navigate | ToolKind::Ruler | ToolKind::DeleteContour) {
        return;
    }
    let now = session.overwrite();
    ui.menu_button(Action::Overwrite(now).info().name, |ui| {
        for value in [Overwrite::Overlap, Overwrite::Stop, Overwrite::Visible, Overwrite::Unlocked] {
            let action = Action::Overwrite(value);
            if ui.selectable_label(now == value, action.info().name).on_hover_text(action.tooltip()).clicked()
            {
                pressed.push(action);
                ui.close();
            }
        }
    })
    .response
    .on_hover_text(Action::NextOverwrite.tooltip());
    ui.separator();
}
