//! The options of the tool in hand, in the strip under the views.

use super::super::actions::Action;
use super::super::theme::Theme;
use super::super::views::ViewsState;
use super::numbers::number_field;
use crate::ai::BodyExtent;
use crate::edit::segment::LungSide;
use crate::edit::{GrowRange, Growth, ValueRange};
use crate::patient::Unit;
use crate::progress::Progress;
use crate::session::Session;
use crate::tools::{
    Aspect, BrushMode, BrushReach, BrushTip, Choice, DoseAs, FreehandMode, GrowBy, KeepPieces, Number, Place,
    Second, ShapeKind, TakeAs, Tip, ToolKind, UptakeAt,
};
use egui::{RichText, Ui};

/// The options of the tool in hand. What is chosen by a word is an action, as keys and search ask for it.
pub fn options_ui(ui: &mut Ui, views: &mut ViewsState, session: &Session, pressed: &mut Vec<Action>) {
    match views.tools.kind() {
        ToolKind::Brush | ToolKind::Eraser => brush_ui(ui, views, session, pressed),
        ToolKind::Freehand => {
            slab_ui(ui, views);
            segments(ui, views, Aspect::Does, pressed);
        }
        ToolKind::Shape => {
            segments(ui, views, Aspect::Kind, pressed);
            segments(ui, views, Aspect::Does, pressed);
            slab_ui(ui, views);
        }
        ToolKind::Push | ToolKind::Smooth => {
            radius_ui(ui, views);
            segments(ui, views, Aspect::Kind, pressed);
            segments(ui, views, Aspect::Reach, pressed);
        }
        ToolKind::Grow => grow_ui(ui, views, session, pressed),
        ToolKind::Knife => slab_ui(ui, views),
        ToolKind::Points => {
            segments(ui, views, Aspect::Reach, pressed);
            if views.tools.points.is_soft() {
                radius_ui(ui, views);
            } else {
                slab_ui(ui, views);
            }
        }
        ToolKind::Transform => segments(ui, views, Aspect::Reach, pressed),
        ToolKind::LiveWire => live_wire_ui(ui, views, session, pressed),
        ToolKind::Ruler => {
            if ui.button("Clear rulers").on_hover_text(Action::ClearRulers.tooltip()).clicked() {
                pressed.push(Action::ClearRulers);
            }
        }
        ToolKind::Segment => segment_ui(ui, views),
        ToolKind::Navigate | ToolKind::DeleteContour => {}
    }
}

/// The word for a choice in the strip or a card, where the tool is known.
pub(super) fn word(choice: Choice) -> &'static str {
    match choice {
        Choice::Brush(BrushMode::Add)
        | Choice::Freehand(FreehandMode::Add)
        | Choice::ShapeCuts(false)
        | Choice::WireCuts(false)
        | Choice::TakeAs(TakeAs::Add) => "Add",
        Choice::Brush(BrushMode::Cut)
        | Choice::Freehand(FreehandMode::Cut)
        | Choice::ShapeCuts(true)
        | Choice::WireCuts(true)
        | Choice::TakeAs(TakeAs::Cut) => "Cut",
        Choice::Brush(BrushMode::Auto) | Choice::Freehand(FreehandMode::Auto) => "Auto",
        Choice::Freehand(FreehandMode::Replace) | Choice::TakeAs(TakeAs::Replace) => "Replace",
        Choice::Tip(Tip::All) => "All",
        Choice::Tip(Tip::Edges) => "Edges",
        Choice::Tip(Tip::Range) | Choice::Grow(GrowBy::Range) => "Range",
        Choice::Reach(BrushReach::Slice) | Choice::MoldFlat(true) => "Slice",
        Choice::Reach(BrushReach::Ball) | Choice::MoldFlat(false) => "Ball",
        Choice::Reach(BrushReach::Slab) => "Slab",
        Choice::Shape(ShapeKind::Polygon) => "Polygon",
        Choice::Shape(ShapeKind::Spline) => "Curve",
        Choice::Shape(ShapeKind::Rectangle) => "Rectangle",
        Choice::Shape(ShapeKind::Ellipse) => "Ellipse",
        Choice::WireLearns(_) => "Learn",
        Choice::Grow(GrowBy::Alike) => "Alike",
        Choice::Grow(GrowBy::PartOfMaximum)
        | Choice::Uptake(UptakeAt::PartOfMaximum)
        | Choice::Isodose(DoseAs::PartOfMaximum) => "% of maximum",
        Choice::PointsSoft(false) => "Point",
        Choice::PointsSoft(true) | Choice::PushFirm(false) => "Soft",
        Choice::PushFirm(true) => "Firm",
        Choice::MoveWhole(false) => "Contour",
        Choice::MoveWhole(true) => "Structure",
        Choice::Keep(KeepPieces::All) => "all",
        Choice::Keep(KeepPieces::Largest) => "the largest piece",
        Choice::Keep(KeepPieces::Above) => "pieces from",
        Choice::Keep(KeepPieces::Clicked) => "the piece clicked",
        Choice::FillHoles(_) => "Fill holes",
        Choice::FindIn(Place::Everything) => "the whole image",
        Choice::FindIn(Place::Body) => "the body",
        Choice::FindIn(Place::Ball) => "a ball",
        Choice::FindIn(Place::Box) => "a box",
        Choice::Uptake(UptakeAt::Above) => "Fixed value",
        Choice::Uptake(UptakeAt::Edge) => "Edge",
        Choice::Isodose(DoseAs::Gy) => "Gy",
        Choice::Isodose(DoseAs::PartOfPrescription) => "% of prescription",
        Choice::FillAll(false) => "Between",
        Choice::FillAll(true) => "All of a region",
        Choice::Rivals(false) => "no other",
        Choice::Rivals(true) => "all visible",
        Choice::Extent(BodyExtent::Patient) => "Patient",
        Choice::Extent(BodyExtent::Immobilisation) => "With immobilisation",
        Choice::Extent(BodyExtent::Couch) => "And couch",
        Choice::Lung(None) => "By name",
        Choice::Lung(Some(LungSide::Both)) => "Both",
        Choice::Lung(Some(LungSide::Left)) => "Left",
        Choice::Lung(Some(LungSide::Right)) => "Right",
    }
}

/// What a tooltip says of one of several: its own, and the key that goes from one to the next.
pub(super) fn tooltip(own: Action, next: Action) -> String {
    match next.key_text() {
        key if key.is_empty() => own.tooltip(),
        key => format!("{}\n{key}: the next of these", own.tooltip()),
    }
}

/// The choices side by side.
fn segments(ui: &mut Ui, views: &ViewsState, aspect: Aspect, pressed: &mut Vec<Action>) {
    for choice in views.tools.choices(aspect) {
        let action = Action::Choose(*choice);
        let hover = tooltip(action, Action::NextChoice(aspect));
        if ui.selectable_label(views.tools.has_chosen(*choice), word(*choice)).on_hover_text(hover).clicked()
        {
            pressed.push(action);
        }
    }
}

/// The choices in a menu under the word for the present one.
fn menu(ui: &mut Ui, views: &ViewsState, aspect: Aspect, what: &str, pressed: &mut Vec<Action>) {
    let all = views.tools.choices(aspect);
    let name = all.iter().find(|choice| views.tools.has_chosen(**choice)).map_or("", |now| word(*now));
    let next = Action::NextChoice(aspect);
    ui.menu_button(name, |ui| {
        for choice in all {
            let action = Action::Choose(*choice);
            let label = ui.selectable_label(views.tools.has_chosen(*choice), word(*choice));
            if label.on_hover_text(action.tooltip()).clicked() {
                pressed.push(action);
                ui.close();
            }
        }
    })
    .response
    .on_hover_text(match next.key_text() {
        key if key.is_empty() => what.to_owned(),
        key => format!("{what}   {key}: the next"),
    });
}

fn radius_ui(ui: &mut Ui, views: &mut ViewsState) {
    let mut radius = views.tools.brush.radius_mm();
    let field =
        egui::DragValue::new(&mut radius).speed(0.1).range(0.5..=80.0).suffix(" mm").fixed_decimals(1);
    let response = named_value(ui, "Radius", Number::BrushRadius, field);
    let by = keys_or([Action::SmallerBrush, Action::LargerBrush], "Alt and the wheel");
    if response.on_hover_text(format!("Radius   {by}")).changed() {
        views.tools.brush.set_radius_mm(radius);
    }
}

/// The keys of two actions, and what else does it.
fn keys_or(actions: [Action; 2], else_by: &str) -> String {
    let keys: Vec<String> = actions.map(Action::key_text).into_iter().filter(|key| !key.is_empty()).collect();
    match (keys.join(" and "), else_by) {
        (keys, "") => keys,
        (keys, else_by) if keys.is_empty() => else_by.to_owned(),
        (keys, else_by) => format!("{keys}, or {else_by}"),
    }
}

fn brush_ui(ui: &mut Ui, views: &mut ViewsState, session: &Session, pressed: &mut Vec<Action>) {
    radius_ui(ui, views);
    if views.tools.kind() == ToolKind::Brush {
        segments(ui, views, Aspect::Does, pressed);
        menu(ui, views, Aspect::Kind, "What of its disc the brush paints", pressed);
        let mut tip = views.tools.brush.tip();
        match &mut tip {
            BrushTip::Plain => {}
            BrushTip::Adaptive { tolerance } => {
                tolerance_ui(ui, Number::BrushTolerance, tolerance);
                second_ui(ui, views, session, EDGES_OF_SECOND);
            }
            BrushTip::Range(range) => brush_range_ui(ui, views, range, session),
        }
        views.tools.brush.set_tip(tip);
    }
    menu(ui, views, Aspect::Reach, "How far the brush reaches from the view", pressed);
    if views.tools.brush.reach() == BrushReach::Slab {
        let mut thickness = views.tools.brush.thickness_mm();
        let field = egui::DragValue::new(&mut thickness).speed(0.2).range(1.0..=500.0).suffix(" mm");
        let response = number_field(ui, Number::BrushSlab, field);
        if response.on_hover_text(with_keys("Thickness of the slab", SLAB)).changed() {
            views.tools.brush.set_thickness_mm(thickness);
        }
    }
}

const SLAB: [Action; 2] = [Action::ThinnerSlab, Action::ThickerSlab];
const TOLERANCE: [Action; 2] = [Action::LowerTolerance, Action::HigherTolerance];

/// What a field says, with the keys that change its value where they have been set.
fn with_keys(why: &str, actions: [Action; 2]) -> String {
    match keys_or(actions, "") {
        keys if keys.is_empty() => why.to_owned(),
        keys => format!("{why}   {keys}"),
    }
}

/// What a control says, with the key of its action where one has been set.
pub(super) fn with_key(why: &str, action: Action) -> String {
    match action.key_text() {
        key if key.is_empty() => why.to_owned(),
        key => format!("{why}   {key}"),
    }
}

const RANGE_OF_SECOND: &str = "The range is one of the values of the PET or MR shown with these images; contours lie \
                               on these images. Starts with the window of the second series.";
const EDGES_OF_SECOND: &str =
    "Goes by the edges of the PET or MR shown with these images; contours lie on these images.";

const GROWS_BY_SECOND: &str =
    "Grows by the values of the PET or MR shown with these images; contours lie on these images.";

/// Whether the values that count for the tool in hand are those of the second series, where there is one.
/// Its unit, if they are.
fn second_ui(ui: &mut Ui, views: &mut ViewsState, session: &Session, why: &str) -> Option<Unit> {
    let second = views.tools.second()?;
    let (unit, mut wanted) = (second.image()?.unit, second.is_wanted());
    ui.checkbox(&mut wanted, "Second series").on_hover_text(with_key(why, Action::ToggleSecondValues));
    views.tools.want_second(session, wanted);
    wanted.then_some(unit)
}

/// The range of the second series' values that the tool in hand goes by.
fn second_range_ui(ui: &mut Ui, views: &mut ViewsState, session: &Session, numbers: [Number; 2], unit: Unit) {
    let shown = views.display.shown_range(true);
    let mut range = views.tools.second().and_then(Second::range).unwrap_or(shown);
    range_ui(ui, numbers, &mut range, unit);
    views.tools.set_second_range(session, range);
}

/// The range that a brush paints: of these images' values, or of those of the second series.
fn brush_range_ui(ui: &mut Ui, views: &mut ViewsState, range: &mut ValueRange, session: &Session) {
    match second_ui(ui, views, session, RANGE_OF_SECOND) {
        None => range_ui(ui, BRUSH_RANGE, range, session.series().volume.unit),
        Some(unit) => second_range_ui(ui, views, session, BRUSH_RANGE, unit),
    }
}

fn tolerance_ui(ui: &mut Ui, number: Number, tolerance: &mut f32) {
    let field = egui::DragValue::new(tolerance).speed(0.05).range(1.0..=8.0).fixed_decimals(1);
    let why = "How much values may differ from those under the centre: multiples of their spread. More reaches further.";
    number_field(ui, number, field).on_hover_text(with_keys(why, TOLERANCE));
}

const BRUSH_RANGE: [Number; 2] = [Number::BrushFrom, Number::BrushTo];
const GROW_RANGE: [Number; 2] = [Number::GrowFrom, Number::GrowTo];

fn range_ui(ui: &mut Ui, numbers: [Number; 2], range: &mut ValueRange, unit: Unit) {
    let speed = if unit == Unit::Hu { 1.0 } else { 0.05 };
    let suffix = format!(" {}", unit.label());
    let values = [(&mut range.low, "The least value"), (&mut range.high, "The greatest value")];
    for ((value, why), number) in values.into_iter().zip(numbers) {
        let field = egui::DragValue::new(value).speed(speed).suffix(suffix.trim_end()).max_decimals(2);
        number_field(ui, number, field).on_hover_text(why);
    }
    range.high = range.high.max(range.low);
}

fn live_wire_ui(ui: &mut Ui, views: &mut ViewsState, session: &Session, pressed: &mut Vec<Action>) {
    segments(ui, views, Aspect::Does, pressed);
    let mut learns = views.tools.live_wire.learns();
    let hover = tooltip(Action::Choose(Choice::WireLearns(true)), Action::NextChoice(Aspect::Kind));
    if ui.checkbox(&mut learns, word(Choice::WireLearns(true))).on_hover_text(hover).changed() {
        pressed.push(Action::Choose(Choice::WireLearns(learns)));
    }
    second_ui(ui, views, session, EDGES_OF_SECOND);
    slab_ui(ui, views);
}

fn slab_ui(ui: &mut Ui, views: &mut ViewsState) {
    let mut thickness = views.tools.freehand.thickness_mm();
    let field =
        egui::DragValue::new(&mut thickness).speed(0.2).range(1.0..=500.0).suffix(" mm").fixed_decimals(1);
    let why = "How thick a slab a line drawn across the slices acts on";
    if named_value(ui, "Slab", Number::LineSlab, field).on_hover_text(with_keys(why, SLAB)).changed() {
        views.tools.freehand.set_thickness_mm(thickness);
    }
}

fn grow_ui(ui: &mut Ui, views: &mut ViewsState, session: &Session, pressed: &mut Vec<Action>) {
    let mut growth = views.tools.grow.growth();
    let own_unit = session.series().volume.unit;
    let second = views.tools.second().filter(|second| second.is_wanted()).and_then(Second::image);
    let words = format!("Which values ({}) belong", second.map_or(own_unit, |second| second.unit).label());
    menu(ui, views, Aspect::Kind, &words, pressed);
    let unit = second_ui(ui, views, session, GROWS_BY_SECOND);
    match &mut growth.range {
        GrowRange::Similar { tolerance } => tolerance_ui(ui, Number::GrowTolerance, tolerance),
        GrowRange::Fixed(range) => match unit {
            None => range_ui(ui, GROW_RANGE, range, own_unit),
            Some(unit) => second_range_ui(ui, views, session, GROW_RANGE, unit),
        },
        GrowRange::PartOfMaximum(part) => {
            let mut percent = *part * 100.0;
            let field = egui::DragValue::new(&mut percent).speed(0.5).range(1.0..=99.0).suffix(" %");
            let response = number_field(ui, Number::GrowPart, field);
            if response.on_hover_text("Part of the greatest value within reach").changed() {
                *part = percent / 100.0;
            }
        }
    }
    let Growth { reach_mm, neck_mm, .. } = &mut growth;
    let reach = egui::DragValue::new(reach_mm).speed(0.5).range(5.0..=150.0).suffix(" mm");
    named_value(ui, "Reach", Number::GrowReach, reach)
        .on_hover_text("The longest way from the click through the organ");
    let neck = egui::DragValue::new(neck_mm).speed(0.1).range(0.0..=30.0).suffix(" mm");
    named_value(ui, "Necks", Number::GrowNecks, neck)
        .on_hover_text("Narrower passages are kept shut, so that it does not leak");
    views.tools.grow.set_growth(session, growth);
    let mut within = views.tools.grow.within();
    let of = |id| session.roi(id).map_or_else(|| "a structure".to_owned(), |roi| roi.name.clone());
    let place = within.map_or_else(|| "the whole image".to_owned(), of);
    ui.menu_button(format!("In {place}"), |ui| {
        ui.selectable_value(&mut within, None, "the whole image");
        for roi in session.structures().rois.iter().filter(|roi| !roi.planes.is_empty()) {
            ui.selectable_value(&mut within, Some(roi.id), &roi.name);
        }
    })
    .response
    .on_hover_text(with_key("Where it may grow: nothing leaves a structure chosen here", Action::LookInNext));
    views.tools.grow.set_within(session, within);
    if let Some(fraction) = views.tools.grow.progress().map(Progress::fraction) {
        #[expect(clippy::cast_possible_truncation, reason = "0 to 1")]
        let bar = egui::ProgressBar::new(fraction as f32).desired_height(6.0).desired_width(90.0);
        ui.add(bar.fill(Theme::of(ui.ctx()).accent)).on_hover_text("Esc stops it");
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
}

fn named_value(ui: &mut Ui, name: &str, number: Number, field: egui::DragValue<'_>) -> egui::Response {
    let label = ui.label(RichText::new(name).color(Theme::of(ui.ctx()).weak));
    number_field(ui, number, field).labelled_by(label.id)
}
