//! The options of the tool in hand, in the strip under the views.

use super::super::actions::Action;
use super::super::theme::Theme;
use super::super::views::ViewsState;
use crate::edit::{GrowRange, Growth, ValueRange};
use crate::patient::Unit;
use crate::session::{Overwrite, Session};
use crate::tools::{BrushMode, BrushReach, BrushTip, FreehandMode, ShapeKind, ToolKind};
use egui::{RichText, Ui};

/// The options of the tool in hand.
pub fn options_ui(ui: &mut Ui, views: &mut ViewsState, session: &Session) {
    match views.tools.kind() {
        ToolKind::Brush | ToolKind::Eraser => brush_ui(ui, views, session),
        ToolKind::Freehand => freehand_ui(ui, views),
        ToolKind::Shape => shape_ui(ui, views),
        ToolKind::Push | ToolKind::Smooth => {
            radius_ui(ui, views);
            let mut flat = views.tools.mold.is_flat();
            let choices = [
                (false, "Ball", "Neighbouring slices follow, less with their distance."),
                (true, "Slice", "Only the slice shown changes."),
            ];
            segments(ui, &mut flat, &choices);
            views.tools.mold.set_flat(flat);
        }
        ToolKind::Grow => grow_ui(ui, views, session),
        ToolKind::Knife => slab_ui(ui, views),
        ToolKind::Points => points_ui(ui, views),
        ToolKind::Transform => transform_ui(ui, views),
        ToolKind::LiveWire => live_wire_ui(ui, views),
        ToolKind::Ruler => {
            if ui.button("Clear rulers").clicked() {
                views.tools.ruler.clear();
            }
        }
        ToolKind::Segment => segment_ui(ui, views),
        ToolKind::Navigate | ToolKind::DeleteContour => {}
    }
}

fn radius_ui(ui: &mut Ui, views: &mut ViewsState) {
    let mut radius = views.tools.brush.radius_mm();
    let field =
        egui::DragValue::new(&mut radius).speed(0.1).range(0.5..=80.0).suffix(" mm").fixed_decimals(1);
    let response = named_value(ui, "Radius", field);
    let [less, more] = [Action::SmallerBrush, Action::LargerBrush].map(Action::key_text);
    if response.on_hover_text(format!("Radius   {less} and {more}, or Alt and the wheel")).changed() {
        views.tools.brush.set_radius_mm(radius);
    }
}

fn brush_ui(ui: &mut Ui, views: &mut ViewsState, session: &Session) {
    radius_ui(ui, views);
    if views.tools.kind() == ToolKind::Brush {
        let mut mode = views.tools.brush.mode();
        segments(
            ui,
            &mut mode,
            &[
                (BrushMode::Add, "Add", "Paints. Hold Ctrl to erase."),
                (BrushMode::Cut, "Cut", "Erases. Hold Ctrl to paint."),
                (
                    BrushMode::Auto,
                    "Auto",
                    "Paints when started inside, erases when started at the edge outside.",
                ),
            ],
        );
        views.tools.brush.set_mode(mode);
        tip_ui(ui, views, session);
    }
    let mut reach = views.tools.brush.reach();
    let name = match reach {
        BrushReach::Slice => "Slice",
        BrushReach::Ball => "Ball",
        BrushReach::Slab => "Slab",
    };
    ui.menu_button(name, |ui| {
        for (value, name, why) in [
            (BrushReach::Slice, "Slice", "A disc on the slice shown, a ball in views across the slices."),
            (BrushReach::Ball, "Ball", "A ball in every view: neighbouring slices follow."),
            (BrushReach::Slab, "Slab", "The disc, through a slab around the view."),
        ] {
            if ui.selectable_label(reach == value, name).on_hover_text(why).clicked() {
                reach = value;
                ui.close();
            }
        }
    })
    .response
    .on_hover_text("How far the brush reaches from the view");
    views.tools.brush.set_reach(reach);
    if reach == BrushReach::Slab {
        let mut thickness = views.tools.brush.thickness_mm();
        let field = egui::DragValue::new(&mut thickness).speed(0.2).range(1.0..=500.0).suffix(" mm");
        if ui.add(field).on_hover_text("Thickness of the slab").changed() {
            views.tools.brush.set_thickness_mm(thickness);
        }
    }
}

fn tip_ui(ui: &mut Ui, views: &mut ViewsState, session: &Session) {
    let tip = views.tools.brush.tip();
    let mut chosen = tip;
    let name = match tip {
        BrushTip::Plain => "All",
        BrushTip::Adaptive { .. } => "Edges",
        BrushTip::Range(_) => "Range",
    };
    let range = ValueRange { low: views.display.window.low(), high: views.display.window.high() };
    ui.menu_button(name, |ui| {
        for (value, name, why) in [
            (BrushTip::Plain, "All", "Paints its whole disc."),
            (
                BrushTip::Adaptive { tolerance: 3.0 },
                "Edges",
                "Stops at image edges: paints what is alike and hangs together with its centre.",
            ),
            (BrushTip::Range(range), "Range", "Paints only values in a range; starts with the window shown."),
        ] {
            let same = std::mem::discriminant(&tip) == std::mem::discriminant(&value);
            if ui.selectable_label(same, name).on_hover_text(why).clicked() {
                if !same {
                    chosen = value;
                }
                ui.close();
            }
        }
    })
    .response
    .on_hover_text("What of its disc the brush paints");
    match &mut chosen {
        BrushTip::Plain => {}
        BrushTip::Adaptive { tolerance } => tolerance_ui(ui, tolerance),
        BrushTip::Range(range) => range_ui(ui, range, session),
    }
    views.tools.brush.set_tip(chosen);
}

fn tolerance_ui(ui: &mut Ui, tolerance: &mut f32) {
    let field = egui::DragValue::new(tolerance).speed(0.05).range(1.0..=8.0).fixed_decimals(1);
    ui.add(field).on_hover_text(
        "How much values may differ from those under the centre: multiples of their spread. More reaches further.",
    );
}

fn range_ui(ui: &mut Ui, range: &mut ValueRange, session: &Session) {
    let unit = session.series().volume.unit;
    let speed = if unit == Unit::Hu { 1.0 } else { 0.05 };
    let suffix = format!(" {}", unit.label());
    for (value, why) in [(&mut range.low, "The least value"), (&mut range.high, "The greatest value")] {
        let field = egui::DragValue::new(value).speed(speed).suffix(suffix.trim_end()).max_decimals(2);
        ui.add(field).on_hover_text(why);
    }
    range.high = range.high.max(range.low);
}

fn freehand_ui(ui: &mut Ui, views: &mut ViewsState) {
    slab_ui(ui, views);
    let mut mode = views.tools.freehand.mode();
    segments(
        ui,
        &mut mode,
        &[
            (FreehandMode::Auto, "Auto", "Starting inside adds, starting outside cuts or makes a new piece."),
            (FreehandMode::Add, "Add", "Adds what the line encloses."),
            (FreehandMode::Cut, "Cut", "Removes what the line encloses."),
            (
                FreehandMode::Replace,
                "Replace",
                "Draw from the outline back to it: the line takes the place of the part that it runs along.",
            ),
        ],
    );
    views.tools.freehand.set_mode(mode);
}

fn points_ui(ui: &mut Ui, views: &mut ViewsState) {
    let mut soft = views.tools.points.is_soft();
    let choices = [
        (false, "Point", "Only the point moves; across the slices the outline bends over the slab."),
        (true, "Soft", "The outline bends with the point, less with the distance along it."),
    ];
    segments(ui, &mut soft, &choices);
    views.tools.points.set_soft(soft);
    if soft {
        radius_ui(ui, views);
    } else {
        slab_ui(ui, views);
    }
}

fn transform_ui(ui: &mut Ui, views: &mut ViewsState) {
    let mut whole = views.tools.transform.is_whole();
    let choices = [
        (false, "Contour", "The contour under the pointer, on its slice. Shift: the whole structure."),
        (true, "Structure", "All contours of the structure. Shift: one contour."),
    ];
    segments(ui, &mut whole, &choices);
    views.tools.transform.set_whole(whole);
}

fn live_wire_ui(ui: &mut Ui, views: &mut ViewsState) {
    let mut cuts = views.tools.live_wire.cuts();
    let choices =
        [(false, "Add", "Adds what the line encloses. Ctrl cuts."), (true, "Cut", "Removes it. Ctrl adds.")];
    segments(ui, &mut cuts, &choices);
    views.tools.live_wire.set_cuts(cuts);
    let mut learns = views.tools.live_wire.learns();
    let why = "Follows the kind of edge that the last piece of the line had, rather than the strongest.";
    if ui.checkbox(&mut learns, "Learn").on_hover_text(why).changed() {
        views.tools.live_wire.set_learns(learns);
    }
    slab_ui(ui, views);
}

fn slab_ui(ui: &mut Ui, views: &mut ViewsState) {
    let mut thickness = views.tools.freehand.thickness_mm();
    let field =
        egui::DragValue::new(&mut thickness).speed(0.2).range(1.0..=500.0).suffix(" mm").fixed_decimals(1);
    let why = "How thick a slab a line drawn across the slices acts on";
    if named_value(ui, "Slab", field).on_hover_text(why).changed() {
        views.tools.freehand.set_thickness_mm(thickness);
    }
}

fn shape_ui(ui: &mut Ui, views: &mut ViewsState) {
    let mut kind = views.tools.shape.kind();
    segments(
        ui,
        &mut kind,
        &[
            (ShapeKind::Polygon, "Polygon", "Click corner after corner; the first one closes it."),
            (ShapeKind::Spline, "Curve", "A smooth closed curve through the points you click."),
            (ShapeKind::Rectangle, "Rectangle", "Drag from corner to corner; Shift makes a square."),
            (ShapeKind::Ellipse, "Ellipse", "Drag from corner to corner; Shift makes a circle."),
        ],
    );
    views.tools.shape.set_kind(kind);
    let mut cuts = views.tools.shape.cuts();
    segments(
        ui,
        &mut cuts,
        &[(false, "Add", "Adds the shape. Ctrl cuts."), (true, "Cut", "Removes the shape. Ctrl adds.")],
    );
    views.tools.shape.set_cuts(cuts);
    slab_ui(ui, views);
}

fn grow_ui(ui: &mut Ui, views: &mut ViewsState, session: &Session) {
    let mut growth = views.tools.grow.growth();
    let unit = session.series().volume.unit;
    let name = match growth.range {
        GrowRange::Similar { .. } => "Alike",
        GrowRange::Fixed(_) => "Range",
        GrowRange::PartOfMaximum(_) => "% of maximum",
    };
    let window = ValueRange { low: views.display.window.low(), high: views.display.window.high() };
    ui.menu_button(name, |ui| {
        for (value, name, why) in [
            (
                GrowRange::Similar { tolerance: 3.0 },
                "Alike",
                "The tissue around the click, up to half the height of its edges.",
            ),
            (GrowRange::Fixed(window), "Range", "Fixed values; starts with the window shown."),
            (
                GrowRange::PartOfMaximum(0.41),
                "% of maximum",
                "An isocontour at a part of the greatest value within reach, as for PET.",
            ),
        ] {
            let same = std::mem::discriminant(&growth.range) == std::mem::discriminant(&value);
            if ui.selectable_label(same, name).on_hover_text(why).clicked() {
                if !same {
                    growth.range = value;
                }
                ui.close();
            }
        }
    })
    .response
    .on_hover_text(format!("Which values ({}) belong", unit.label()));
    match &mut growth.range {
        GrowRange::Similar { tolerance } => tolerance_ui(ui, tolerance),
        GrowRange::Fixed(range) => range_ui(ui, range, session),
        GrowRange::PartOfMaximum(part) => {
            let mut percent = *part * 100.0;
            let field = egui::DragValue::new(&mut percent).speed(0.5).range(1.0..=99.0).suffix(" %");
            if ui.add(field).on_hover_text("Part of the greatest value within reach").changed() {
                *part = percent / 100.0;
            }
        }
    }
    let Growth { reach_mm, neck_mm, .. } = &mut growth;
    let reach = egui::DragValue::new(reach_mm).speed(0.5).range(5.0..=150.0).suffix(" mm");
    named_value(ui, "Reach", reach).on_hover_text("The longest way from the click through the organ");
    let neck = egui::DragValue::new(neck_mm).speed(0.1).range(0.0..=30.0).suffix(" mm");
    named_value(ui, "Necks", neck).on_hover_text("Narrower passages are kept shut, so that it does not leak");
    views.tools.grow.set_growth(session, growth);
    if let Some(note) = views.tools.grow.note() {
        ui.label(RichText::new(note).color(Theme::of(ui.ctx()).weak));
    }
}

fn segment_ui(ui: &mut Ui, views: &ViewsState) {
    let settings = views.tools.segment.settings();
    ui.label(settings.method.name()).on_hover_text("Its settings stand in the panel on the right.");
    if let Some(boxed) = views.tools.segment.search_box() {
        let [x, y, z] = boxed.size_mm().map(|mm| format!("{mm:.0}"));
        ui.label(RichText::new(format!("in a box of {x} x {y} x {z} mm")).color(Theme::of(ui.ctx()).weak))
            .on_hover_text("Drag its edges in any view. Esc drops it.");
    }
    if let Some(note) = views.tools.segment.note() {
        ui.label(RichText::new(note).color(Theme::of(ui.ctx()).weak));
    }
}

/// What to do with contours that are suggested.
pub fn suggestion_ui(ui: &mut Ui, views: &mut ViewsState, session: &Session, pressed: &mut Vec<Action>) {
    let weak = Theme::of(ui.ctx()).weak;
    if views.tools.between.is_on() {
        snap_ui(ui, views);
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
    let Some(suggestion) = views.tools.suggestion() else {
        if let Some(note) = views.tools.between.note() {
            ui.label(RichText::new(note).color(weak));
            ui.separator();
        }
        return;
    };
    let count = suggestion.slices().count();
    let text = if count == 1 { "1 slice dashed".to_owned() } else { format!("{count} slices dashed") };
    let label = ui.label(RichText::new(text).color(weak));
    if let Some(note) = views.tools.between.note() {
        label.on_hover_text(note);
    }
    for (action, name) in [
        (Action::TakeSuggested, "Take this"),
        (Action::TakeAllSuggested, "Take all"),
        (Action::DropSuggested, "Drop"),
    ] {
        if ui.button(name).on_hover_text(action.tooltip()).clicked() {
            pressed.push(action);
        }
    }
    ui.separator();
}

/// Whether what is suggested between slices is moved to image edges, and how far.
fn snap_ui(ui: &mut Ui, views: &mut ViewsState) {
    let mut snaps = views.tools.between.snaps();
    let why = "Snap to edges: moves what is dashed to image edges nearby that look like those under the \
               contours drawn on the slices below and above. Where these lie on no edge it stays as it is.";
    if ui.checkbox(&mut snaps, "Snap").on_hover_text(why).changed() {
        views.tools.between.set_snaps(snaps);
    }
    if snaps {
        let mut reach = views.tools.between.snap_reach_mm();
        let field =
            egui::DragValue::new(&mut reach).speed(0.05).range(1.0..=10.0).suffix(" mm").fixed_decimals(1);
        if ui.add(field).on_hover_text("How far an outline is moved at most").changed() {
            views.tools.between.set_snap_reach_mm(reach);
        }
    }
}

/// What drawing does to other structures; the new choice, if one was made.
pub fn overwrite_ui(ui: &mut Ui, views: &ViewsState, session: &Session) -> Option<Overwrite> {
    if matches!(views.tools.kind(), ToolKind::Navigate | ToolKind::Ruler | ToolKind::DeleteContour) {
        return None;
    }
    let now = session.overwrite();
    let choices = [
        (Overwrite::Overlap, "Overlap", "Other structures stay as they are; overlaps are allowed."),
        (Overwrite::Stop, "Stop", "Other structures stay as they are; what you draw ends at them."),
        (
            Overwrite::Visible,
            "Push",
            "Visible structures give way; locked ones hold. Body and targets never take part.",
        ),
        (
            Overwrite::Unlocked,
            "Push all",
            "All structures give way, hidden ones too; locked ones hold. Body and targets never take part.",
        ),
    ];
    let name = choices.iter().find(|(value, ..)| *value == now).map_or("Overlap", |(_, name, _)| *name);
    let mut chosen = None;
    ui.menu_button(name, |ui| {
        for (value, name, why) in choices {
            if ui.selectable_label(now == value, name).on_hover_text(why).clicked() {
                chosen = Some(value);
                ui.close();
            }
        }
    })
    .response
    .on_hover_text("What may be overwritten: what drawing does to other structures");
    ui.separator();
    chosen
}

fn named_value(ui: &mut Ui, name: &str, field: egui::DragValue<'_>) -> egui::Response {
    let label = ui.label(RichText::new(name).color(Theme::of(ui.ctx()).weak));
    ui.add(field).labelled_by(label.id)
}

fn segments<T: PartialEq + Copy>(ui: &mut Ui, chosen: &mut T, choices: &[(T, &str, &str)]) {
    for (value, name, why) in choices {
        if ui.selectable_label(*chosen == *value, *name).on_hover_text(*why).clicked() {
            *chosen = *value;
        }
    }
}
