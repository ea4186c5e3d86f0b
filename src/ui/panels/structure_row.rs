//! One row of the structure list: mark, name, volume, lock, eye.

use super::super::actions::Action;
use super::super::state::{Naming, Overlay};
use super::super::theme::{self, Theme};
use super::super::{Scope, icons, widgets};
use crate::patient::{Approval, PALETTE, Roi, RoiId, RoiType};
use crate::session::derive::Standing;
use crate::session::{Command, Session};
use egui::{Align2, Color32, Pos2, Rect, Response, Sense, Stroke, Ui, vec2};

/// The height of a row, points.
pub const ROW_HEIGHT: f32 = 26.0;
/// Where the name starts.
const NAME_AT: f32 = 24.0;
/// The room right of the name: volume and eye.
const RIGHT_ROOM: f32 = 92.0;
/// The room of the mark on what is not as its recipe makes it, left of the volume.
const MARK_ROOM: f32 = 18.0;

/// The panel width at which `name` stands in full, beside a mark where it has one.
pub fn row_width(ui: &Ui, name: &str, is_marked: bool) -> f32 {
    let font = theme::strong(theme::BODY);
    let text = ui.painter().layout_no_wrap(name.to_owned(), font, Color32::WHITE).size().x;
    NAME_AT + text + 12.0 + RIGHT_ROOM + if is_marked { MARK_ROOM } else { 0.0 }
}

/// The state of an ROI in words.
#[must_use]
pub fn state_word(roi: &Roi) -> &'static str {
    match roi.approval {
        Approval::Proposal => "proposal",
        Approval::Accepted => "accepted",
        Approval::Reviewed => "reviewed",
        Approval::Approved => "approved",
    }
}

/// Below this contrast a structure's colour is lost on its ground.
const FAINT: f32 = 1.8;

/// A grey that stands out from a ground.
fn rim(ground: Color32) -> Color32 {
    let is_dark = theme::contrast(ground, Color32::BLACK) < theme::contrast(ground, Color32::WHITE);
    if is_dark { theme::DARK.tick } else { theme::LIGHT.tick }
}

/// Draws the state mark in the ROI's colour: dashed ring, dot, dot with tick, lock.
pub fn state_mark(painter: &egui::Painter, center: Pos2, roi: &Roi, ground: Color32) {
    let color = widgets::ink(roi.color);
    // A colour like the ground is seen by its rim.
    let rim = (theme::contrast(color, ground) < FAINT).then(|| rim(ground));
    match roi.approval {
        Approval::Proposal => {
            for dash in 0..8_u8 {
                let turn = |part: f32| {
                    let angle = (f32::from(dash) + part) * std::f32::consts::TAU / 8.0;
                    center + vec2(angle.cos(), angle.sin()) * 5.0
                };
                if let Some(rim) = rim {
                    painter.line_segment([turn(0.0), turn(0.55)], Stroke::new(3.5, rim));
                }
                painter.line_segment([turn(0.0), turn(0.55)], Stroke::new(2.0, color));
            }
        }
        Approval::Accepted => {
            painter.circle_filled(center, 5.5, color);
            if let Some(rim) = rim {
                painter.circle_stroke(center, 5.5, Stroke::new(1.0, rim));
            }
        }
        Approval::Reviewed => {
            painter.circle_filled(center, 6.5, color);
            let points = [vec2(-3.0, 0.2), vec2(-0.8, 2.4), vec2(3.2, -2.2)].map(|offset| center + offset);
            let dark = theme::contrast(color, Color32::BLACK) > theme::contrast(color, Color32::WHITE);
            let tick = if dark { Color32::BLACK } else { Color32::WHITE };
            painter.add(egui::Shape::line(points.to_vec(), Stroke::new(1.5, tick)));
        }
        Approval::Approved => {
            painter.text(
                center,
                Align2::CENTER_CENTER,
                icons::LOCKED,
                egui::FontId::proportional(15.0),
                color,
            );
        }
    }
    if roi.approval != Approval::Proposal {
        painter.circle_stroke(center, 6.5, Stroke::new(0.5, ground));
    }
}

/// The row; the response is that of the row as a whole.
pub fn structure_row_ui(
    ui: &mut Ui,
    scope: &mut Scope<'_>,
    roi: &Roi,
    volume_cc: f64,
    standing: Option<Standing>,
    selected: bool,
) -> Response {
    let theme = Theme::of(ui.ctx());
    let width = ui.available_width();
    let (rect, response) = ui.allocate_exact_size(vec2(width, ROW_HEIGHT), Sense::click_and_drag());
    let warned = standing.and_then(|own| Some((own.word(), own.warning(&roi.name)?)));
    let mut label = format!("{}, {}", roi.name, state_word(roi));
    if let Some((word, _)) = &warned {
        label = format!("{label}, {word}");
    }
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::ListBoxOption, true, selected, &label));
    let hovered = ui.rect_contains_pointer(rect);
    let ground = if selected {
        theme.pressed
    } else if hovered {
        theme.raised
    } else {
        theme.surface
    };
    ui.painter().rect_filled(rect, theme::RADIUS, ground);
    if response.has_focus() {
        widgets::focus_ring(ui, rect);
    }
    let middle = rect.center().y;
    mark_ui(
        ui,
        scope,
        roi,
        Rect::from_center_size(Pos2::new(rect.left() + 12.0, middle), vec2(22.0, ROW_HEIGHT)),
        ground,
    );
    let ink = if roi.visible { theme.text } else { theme.weak };
    let font = if selected { theme::strong(theme::BODY) } else { egui::FontId::proportional(theme::BODY) };
    let mut right = rect.right() - 4.0;
    let eye = Rect::from_center_size(Pos2::new(right - 12.0, middle), vec2(24.0, 24.0));
    if hovered || !roi.visible || response.has_focus() {
        let (icon, name) = if roi.visible { (icons::VISIBLE, "Hide") } else { (icons::HIDDEN, "Show") };
        let mut child = ui.new_child(egui::UiBuilder::new().max_rect(eye).id_salt(("eye", roi.id.0)));
        let pressed = widgets::icon_button(&mut child, icon, &format!("{name} {}", roi.name), None, false);
        if pressed.on_hover_text(Action::ToggleVisible.tooltip()).clicked() {
            scope.outbox.apply(Command::SetVisibility { rois: vec![roi.id], visible: !roi.visible });
        }
    } else if roi.locked {
        ui.painter().text(
            eye.center(),
            Align2::CENTER_CENTER,
            icons::LOCKED,
            egui::FontId::proportional(14.0),
            theme.weak,
        );
    }
    right -= 30.0;
    let written = ui.painter().text(
        Pos2::new(right, middle),
        Align2::RIGHT_CENTER,
        volume_text(roi, volume_cc),
        egui::FontId::proportional(theme::SMALL),
        theme.weak,
    );
    let mut name_end = written.left() - 8.0;
    if let Some((_, why)) = warned {
        let center = Pos2::new(written.left() - MARK_ROOM / 2.0, middle);
        let font = egui::FontId::proportional(14.0);
        ui.painter().text(center, Align2::CENTER_CENTER, icons::WARNING, font, theme.amber);
        let place = Rect::from_center_size(center, vec2(MARK_ROOM, ROW_HEIGHT));
        ui.interact(place, ui.scope_id().with(("standing", roi.id.0)), Sense::hover()).on_hover_text(why);
        name_end -= MARK_ROOM;
    }
    let mut name = egui::text::LayoutJob::simple_singleline(roi.name.clone(), font, ink);
    let left = rect.left() + NAME_AT;
    name.wrap = egui::text::TextWrapping::truncate_at_width((name_end - left).max(0.0));
    let name = ui.painter().layout_job(name);
    let response = if name.elided { response.on_hover_text(&roi.name) } else { response };
    ui.painter().galley(Pos2::new(left, middle - name.size().y / 2.0), name, ink);
    response.context_menu(|ui| structure_menu_ui(ui, scope, roi));
    response
}

/// A volume for reading, with its unit; "empty" without contours.
#[must_use]
pub fn volume_text(roi: &Roi, volume_cc: f64) -> String {
    if roi.planes.is_empty() {
        "empty".to_owned()
    } else if volume_cc < 10.0 {
        format!("{volume_cc:.2} cc")
    } else if volume_cc < 100.0 {
        format!("{volume_cc:.1} cc")
    } else {
        format!("{volume_cc:.0} cc")
    }
}

fn mark_ui(ui: &mut Ui, scope: &mut Scope<'_>, roi: &Roi, rect: Rect, ground: Color32) {
    let mark = ui.interact(rect, ui.scope_id().with(("mark", roi.id.0)), Sense::click());
    mark.widget_info(|| {
        egui::WidgetInfo::labeled(egui::Role::ColorWell, true, format!("Colour of {}", roi.name))
    });
    state_mark(ui.painter(), rect.center(), roi, ground);
    let hint = format!("{} is {}. Click to change its colour.", roi.name, state_word(roi));
    let mark = mark.on_hover_text(hint);
    egui::Popup::menu(&mark).show(|ui| {
        if let Some(color) = swatches_ui(ui, roi.color) {
            scope.outbox.apply(Command::RecolorRoi { roi: roi.id, color });
            ui.close();
        }
    });
}

/// The palette as swatches; gives the colour that was clicked.
pub fn swatches_ui(ui: &mut Ui, current: crate::patient::Color) -> Option<crate::patient::Color> {
    let mut chosen = None;
    ui.spacing_mut().item_spacing = vec2(4.0, 4.0);
    for row in PALETTE.chunks(6) {
        ui.horizontal(|ui| {
            for color in row {
                let (rect, response) = ui.allocate_exact_size(vec2(22.0, 22.0), Sense::click());
                let name = format!("Colour {}, {}, {}", color[0], color[1], color[2]);
                response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ColorWell, true, &name));
                ui.painter().rect_filled(rect, theme::RADIUS, widgets::ink(*color));
                if *color == current || response.hovered() {
                    let stroke = Stroke::new(2.0, Theme::of(ui.ctx()).text);
                    ui.painter().rect_stroke(rect, theme::RADIUS, stroke, egui::StrokeKind::Inside);
                }
                if response.clicked() {
                    chosen = Some(*color);
                }
            }
        });
    }
    chosen
}

/// The types offered, with the word shown.
pub const TYPES: &[(RoiType, &str)] = &[
    (RoiType::Organ, "Organ"),
    (RoiType::External, "External (body outline)"),
    (RoiType::Gtv, "Target: GTV"),
    (RoiType::Ctv, "Target: CTV"),
    (RoiType::Ptv, "Target: PTV"),
    (RoiType::Avoidance, "Avoidance"),
    (RoiType::Control, "Control"),
    (RoiType::Support, "Support (couch, mask)"),
    (RoiType::Bolus, "Bolus"),
    (RoiType::Marker, "Marker"),
];

/// An action with its words, and whether it can be done now.
type Offer = (Action, &'static str, bool);

/// What can be done with a structure's contours on the slice at the crosshair, and the slice. `None`
/// without slices.
pub fn slice_actions(scope: &Scope<'_>, roi: &Roi) -> Option<(usize, [Offer; 7])> {
    let (session, views) = (scope.context.session?, scope.state.views.as_ref()?);
    let volume = &session.series().volume;
    let normal = volume.slices.first()?.plane.normal();
    let slice = volume.nearest_slice(normal.dot(&views.navigation.crosshair_mm().coords))?;
    let has = roi.plane_at(&volume.slices[slice].plane).is_some();
    let is_free = !roi.is_locked();
    let actions = [
        (Action::CopyFromAbove, "Copy from slice above", is_free),
        (Action::CopyFromBelow, "Copy from slice below", is_free),
        (Action::CopyToAbove, "Copy to slice above", has && is_free),
        (Action::CopyToBelow, "Copy to slice below", has && is_free),
        // What is copied may go into another structure.
        (Action::CopyContour, "Copy contour", has),
        (Action::PasteContour, "Paste contour", views.clipboard.is_some() && is_free),
        (Action::DeleteContour, "Delete contour", has && is_free),
    ];
    Some((slice, actions))
}

/// Asks for an action on a structure, which is selected for it.
fn act_on(scope: &mut Scope<'_>, roi: RoiId, action: Action) {
    if scope.context.session.and_then(Session::selected).is_none_or(|own| own.id != roi) {
        scope.outbox.send(super::super::Request::Select(Some(roi)));
    }
    scope.outbox.act(action);
}

/// A row of the menu: its words, its key, why; whether it was chosen.
pub fn item(ui: &mut Ui, action: Action, label: &str, enabled: bool) -> bool {
    let button = egui::Button::new(label.to_owned()).shortcut_text(action.key_text());
    let why = action.info().why;
    ui.add_enabled(enabled, button).on_hover_text(why).on_disabled_hover_text(why).clicked()
}

/// What can be done with one structure.
pub fn structure_menu_ui(ui: &mut Ui, scope: &mut Scope<'_>, roi: &Roi) {
    if roi.is_proposal() {
        if item(ui, Action::AcceptProposal, "Accept", true) {
            scope.outbox.apply(Command::AcceptProposals { rois: vec![roi.id] });
        }
        if item(ui, Action::RejectProposal, "Reject", true) {
            scope.outbox.apply(Command::RejectProposals { rois: vec![roi.id] });
        }
        ui.separator();
    }
    contours_menu_ui(ui, scope, roi);
    if item(ui, Action::GoToStructure, "Go to", true) {
        act_on(scope, roi.id, Action::GoToStructure);
    }
    if item(ui, Action::ToggleVisible, if roi.visible { "Hide" } else { "Show" }, true) {
        scope.outbox.apply(Command::SetVisibility { rois: vec![roi.id], visible: !roi.visible });
    }
    if item(ui, Action::ShowOnly, "Show only this", true) {
        act_on(scope, roi.id, Action::ShowOnly);
    }
    let label = if roi.locked { "Unlock" } else { "Lock" };
    if item(ui, Action::ToggleLock, label, true) {
        scope.outbox.apply(Command::SetLock { roi: roi.id, locked: !roi.locked });
    }
    if !roi.is_proposal() {
        ui.menu_button("State", |ui| {
            for (approval, word) in [
                (Approval::Accepted, "Accepted"),
                (Approval::Reviewed, "Reviewed"),
                (Approval::Approved, "Approved (locks it)"),
            ] {
                if ui.radio(roi.approval == approval, word).clicked() {
                    scope.outbox.apply(Command::SetApproval { roi: roi.id, approval });
                    ui.close();
                }
            }
        });
    }
    ui.menu_button("Type", |ui| {
        for (roi_type, word) in TYPES {
            if ui.radio(roi.roi_type == *roi_type, *word).clicked() {
                scope.outbox.apply(Command::SetRoiType { roi: roi.id, roi_type: roi_type.clone() });
                ui.close();
            }
        }
    });
    if item(ui, Action::RenameStructure, "Rename", true) {
        scope.state.naming =
            Some(Naming { roi: Some(roi.id), text: roi.name.clone(), choice: None, focused: false });
    }
    ui.separator();
    if item(ui, Action::DeleteStructure, "Delete", true) {
        ask_to_delete(scope, roi.id, roi.planes.is_empty());
    }
}

/// What can be done with its contours: on the slice shown, and on all of them.
fn contours_menu_ui(ui: &mut Ui, scope: &mut Scope<'_>, roi: &Roi) {
    let Some((slice, actions)) = slice_actions(scope, roi) else { return };
    ui.label(egui::RichText::new(format!("Slice {}", slice + 1)).small().color(Theme::of(ui.ctx()).weak));
    let (neighbours, own) = actions.split_at(4);
    for (action, label, enabled) in own {
        if item(ui, *action, label, *enabled) {
            act_on(scope, roi.id, *action);
        }
    }
    ui.menu_button("Neighbouring slices", |ui| {
        for (action, label, enabled) in neighbours {
            if item(ui, *action, label, *enabled) {
                act_on(scope, roi.id, *action);
                ui.close();
            }
        }
    });
    ui.separator();
    let is_free = !roi.is_locked();
    ui.add_enabled_ui(is_free && roi.planes.len() > 2, |ui| {
        ui.menu_button("Fewer slices", |ui| {
            for every in 2..=5 {
                let action = Action::ThinSlices(every);
                if item(ui, action, action.info().name, true) {
                    act_on(scope, roi.id, action);
                    ui.close();
                }
            }
        });
    });
    if !roi.is_proposal() && item(ui, Action::SplitStructure, "Split into pieces", !roi.planes.is_empty()) {
        act_on(scope, roi.id, Action::SplitStructure);
    }
    ui.separator();
}

/// Deletes an empty structure at once, asks for one with contours.
pub fn ask_to_delete(scope: &mut Scope<'_>, roi: RoiId, is_empty: bool) {
    if is_empty {
        scope.outbox.apply(Command::DeleteRoi { roi });
    } else {
        scope.state.overlay = Some(Overlay::Delete(roi));
    }
}
