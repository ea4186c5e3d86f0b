//! The menu of a slice view: what can be done with the structure under the pointer, or the selected one
//! where there is none; while an outline drawn by clicks waits to be closed, what can become of that. A
//! right click opens it; a right drag sets the window, and in the midst of a stroke there is none.

use super::super::actions::Action;
use super::super::panels::{item, structure_menu_ui};
use super::super::{Request, Scope, theme};
use super::hover;
use super::pane::PaneFrame;
use crate::session::Session;
use egui::{Response, RichText, Ui};
use std::sync::Arc;

/// Opens and shows it.
pub(super) fn view_menu(scope: &mut Scope<'_>, response: &Response, session: &Session, frame: &PaneFrame) {
    let Some(views) = scope.state.views.as_mut() else { return };
    let has_outline = views.tools.outline().is_some() && !views.is_in_stroke();
    if views.tools.is_busy() && !has_outline {
        return;
    }
    if response.secondary_clicked()
        && let Some(at) = response.interact_pointer_pos()
    {
        let point_mm = frame.patient_of(at);
        let under = if views.display.is_bare() { None } else { hover::structure_at(session, point_mm) };
        views.menu_at = (!has_outline).then_some((point_mm, under.map(|roi| roi.id)));
    }
    response.context_menu(|ui| menu_ui(ui, scope, session));
}

fn menu_ui(ui: &mut Ui, scope: &mut Scope<'_>, session: &Session) {
    let Some(views) = scope.state.views.as_ref() else { return };
    if let Some((_, place)) = views.tools.outline() {
        outline_menu_ui(ui, scope, &place);
        return;
    }
    // Without a place it was that of an outline, which is gone meanwhile.
    let Some((point_mm, under)) = views.menu_at else {
        ui.close();
        return;
    };
    let selected = session.selected();
    let roi = under.and_then(|id| session.roi(id)).or(selected).map(Arc::clone);
    if let Some(roi) = &roi {
        ui.label(RichText::new(&roi.name).font(theme::strong(theme::BODY)));
        if selected.is_none_or(|own| own.id != roi.id) && ui.button("Select").clicked() {
            scope.outbox.send(Request::Select(Some(roi.id)));
        }
    }
    if ui.button("Move the crosshair here").clicked()
        && let Some(views) = scope.state.views.as_mut()
    {
        views.navigation.go_to(point_mm);
    }
    ui.separator();
    if let Some(roi) = roi {
        structure_menu_ui(ui, scope, &roi);
        return;
    }
    let add = Action::AddStructure;
    if item(ui, add, add.info().name, true) {
        scope.outbox.act(add);
    }
}

/// What can become of an outline drawn by clicks.
fn outline_menu_ui(ui: &mut Ui, scope: &mut Scope<'_>, place: &str) {
    ui.label(RichText::new(format!("Outline on {place}")).font(theme::strong(theme::BODY)));
    for (action, name) in [
        (Action::CloseOutline, "Close the outline"),
        (Action::TakeBackPoint, "Take back the last point"),
        (Action::CancelGesture, "Drop the outline"),
    ] {
        if item(ui, action, name, true) {
            scope.outbox.act(action);
        }
    }
}
