//! Where the semi-automatic tool looks: everywhere, in the body, a structure, a ball or a box. Uptake is
//! never looked for everywhere: there is no telling which is meant.

use super::super::super::actions::Action;
use super::super::super::widgets;
use super::super::tool_options::{with_key, word};
use super::{choice_ui, value_ui};
use crate::session::Session;
use crate::tools::{
    Aspect, Choice, Method, Number, Place, SegmentSettings, SegmentTool, Within, on_slices, slices_of,
};
use egui::Ui;

/// The place to look in.
pub(super) fn within_ui(
    ui: &mut Ui,
    settings: &mut SegmentSettings,
    session: &Session,
    pressed: &mut Vec<Action>,
) {
    let unit = session.series().volume.unit;
    ui.horizontal_wrapped(|ui| {
        widgets::note(ui, "In");
        let all = settings.method.choices(Aspect::Reach);
        let name = match settings.place() {
            Within::Roi(id) => {
                session.roi(id).map_or_else(|| "a structure".to_owned(), |roi| roi.name.clone())
            }
            _ => all.iter().find(|own| settings.has_chosen(**own)).map_or("", |own| word(*own)).to_owned(),
        };
        let shown = widgets::combo("segment within").selected_text(name).show_ui(ui, |ui| {
            for choice in all.iter().filter(|own| settings.refusal(**own, unit).is_none()) {
                choice_ui(ui, settings, *choice, pressed);
            }
            for roi in session.structures().rois.iter().filter(|roi| !roi.planes.is_empty()) {
                let place = Within::Roi(roi.id);
                if ui.selectable_label(settings.place() == place, &roi.name).clicked() {
                    settings.set_place(place);
                }
            }
        });
        let scribbles = settings.method == Method::Scribbles;
        let why = match settings.place() {
            Within::Ball if scribbles => "Hold Shift and drag in a view from the ball's middle.",
            Within::Ball => Action::Choose(Choice::FindIn(Place::Ball)).info().why,
            Within::Box if scribbles => {
                "Hold Shift and drag in a view from corner to corner; its edges can be dragged so in every view."
            }
            Within::Box => Action::Choose(Choice::FindIn(Place::Box)).info().why,
            _ => "Where it is looked.",
        };
        shown.response.on_hover_text(with_key(why, Action::NextChoice(Aspect::Reach)));
    });
}

/// The box: how deep a new one is, and the slices of the one there is.
pub(super) fn box_ui(ui: &mut Ui, tool: &mut SegmentTool, session: &Session) {
    if !tool.places_box() {
        return;
    }
    let volume = &session.series().volume;
    let Some(boxed) = tool.search_box().copied() else {
        let mut settings = tool.settings();
        value_ui(
            ui,
            ("Depth", Number::BoxDepth),
            &mut settings.box_depth_mm,
            1.0..=500.0,
            " mm",
            "How deep the box is that a drag in a view draws; its edges can be dragged in the other views",
        );
        tool.set_settings(session, settings);
        return;
    };
    let [x, y, z] = boxed.size_mm().map(|mm| format!("{mm:.0}"));
    widgets::note(ui, format!("Box of {x} x {y} x {z} mm; drag its edges in any view"));
    let Some((first, last)) = slices_of(&boxed, volume) else {
        widgets::note(ui, "No slice lies in it.");
        return;
    };
    // As the views count them: from 1.
    let (mut from, mut to) = (first + 1, last + 1);
    ui.horizontal(|ui| {
        let count = volume.slices.len();
        for (name, value) in [("Slices", &mut from), ("to", &mut to)] {
            let label = ui.label(egui::RichText::new(name).color(super::Theme::of(ui.ctx()).weak));
            let field = egui::DragValue::new(value).speed(0.1).range(1..=count);
            ui.add(field).labelled_by(label.id).on_hover_text("The slices that the box reaches over");
        }
    });
    if (from, to) != (first + 1, last + 1)
        && let Some(boxed) = on_slices(&boxed, volume, from - 1, to - 1)
    {
        tool.set_search_box(session, boxed);
    }
}
