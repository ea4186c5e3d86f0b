//! The card of the semi-automatic tool: what it looks for, where, and what becomes of it.

use super::super::actions::Action;
use super::super::theme::Theme;
use super::super::{Scope, widgets};
use super::numbers::number_field;
use super::tool_options::{tooltip, with_key, word};
use crate::edit::ValueRange;
use crate::edit::segment::{Fill, Histogram, Uptake};
use crate::patient::Unit;
use crate::session::Session;
use crate::tools::{Aspect, Choice, KeepPieces, Method, Number, Rivals, SegmentSettings, ToolKind, Within};
use egui::{Pos2, Rect, RichText, Sense, Stroke, Ui, vec2};

mod dose;
mod organs;
mod place;

/// The histogram's height, points.
const HEIGHT: f32 = 96.0;
/// Half the width of a handle that can be dragged, points.
const HANDLE: f32 = 6.0;

/// Whether the card is shown with no structure selected: it offers to make the one it is for.
pub fn makes_its_structure(scope: &Scope<'_>) -> bool {
    scope.state.views.as_ref().is_some_and(|views| {
        views.tools.kind() == ToolKind::Segment && views.tools.segment.settings().method == Method::Dose
    })
}

/// The card, while the tool is in hand.
pub fn segment_ui(ui: &mut Ui, scope: &mut Scope<'_>, session: &Session) {
    let Some(views) = scope.state.views.as_mut().filter(|views| views.tools.kind() == ToolKind::Segment)
    else {
        return;
    };
    let volume = &session.series().volume;
    let mut pressed = Vec::new();
    let tool = &mut views.tools.segment;
    let mut settings = tool.settings();
    widgets::caption(ui, "Find by values");
    ui.horizontal_wrapped(|ui| {
        for method in Method::ALL {
            let action = Action::Segment(method);
            let usable = method.refusal(volume.unit).is_none();
            let label = egui::Button::selectable(settings.method == method, method.name());
            if ui.add_enabled(usable, label).on_hover_text(action.tooltip()).clicked() {
                pressed.push(action);
            }
        }
    });
    ui.add_space(4.0);
    if tool.offers_second() {
        let why = "Looks at the PET or MR shown with these images; contours lie on these images.";
        ui.checkbox(&mut settings.second, "Values of the second series")
            .on_hover_text(with_key(why, Action::ToggleSecondValues));
    }
    let unit = tool.image(session).unit;
    match settings.method {
        Method::Threshold => {
            let normal = volume.slices.first().map(|slice| slice.plane.normal());
            let at = normal.map_or(0.0, |normal| normal.dot(&views.navigation.crosshair_mm().coords));
            let slice = volume.nearest_slice(at).unwrap_or(0);
            let full = views.display.full_window;
            let ends = (!settings.second).then(|| (full.low(), full.high()));
            let shown = views.display.shown_range(settings.second);
            settings.range = settings.range.or(Some(shown));
            let histogram = tool.histogram(session, slice);
            threshold_ui(ui, &mut settings, histogram, (unit, ends), &mut pressed);
            place::within_ui(ui, &mut settings, session, &mut pressed);
            keep_ui(ui, &mut settings, &mut pressed);
        }
        Method::Level => widgets::note(ui, "Point at an edge and click. Ctrl cuts."),
        Method::Scribbles => scribbles_ui(ui, &mut settings),
        Method::Uptake => uptake_ui(ui, &mut settings, (unit, session), &mut pressed),
        Method::Pieces => pieces_ui(ui, &mut settings, session, &mut pressed),
        Method::Dose => {
            let rois = &session.structures().rois;
            let name =
                dose::dose_ui(ui, scope.context.desk, scope.outbox, (&*tool, &mut settings), &mut pressed);
            place::within_ui(ui, &mut settings, session, &mut pressed);
            if let Some(name) = name.filter(|name| rois.iter().all(|roi| roi.name != *name)) {
                dose::new_structure_ui(ui, scope.outbox, &name, session.selected().is_none());
            }
        }
        Method::Body => choices_ui(ui, &settings, Aspect::Kind, &mut pressed),
        Method::Lungs => organs::lungs_ui(ui, &mut settings, &mut pressed),
        Method::Airways => widgets::note(ui, "Finds the trachea by itself, or click into it."),
        Method::Bones => organs::bones_ui(ui, &mut settings),
    }
    if settings.method.needs_ct() || matches!(settings.method, Method::Level | Method::Scribbles) {
        place::within_ui(ui, &mut settings, session, &mut pressed);
    }
    choices_ui(ui, &settings, Aspect::Does, &mut pressed);
    tool.set_settings(session, settings);
    place::box_ui(ui, tool, session);
    actions_ui(ui, views, session, &mut pressed);
    ui.separator();
    for action in pressed {
        scope.outbox.act(action);
    }
}

/// Find, how far it is, and what to do with what was found.
fn actions_ui(
    ui: &mut Ui,
    views: &mut super::super::views::ViewsState,
    session: &Session,
    pressed: &mut Vec<Action>,
) {
    let tool = &mut views.tools.segment;
    let progress = tool.progress().map(|progress| (progress.step(), progress.fraction()));
    if let Some((step, fraction)) = progress {
        widgets::note(ui, step);
        ui.horizontal(|ui| {
            if widgets::button(ui, "Stop").on_hover_text("Drops what is being looked for").clicked() {
                tool.cancel();
            }
            #[expect(clippy::cast_possible_truncation, reason = "0 to 1")]
            let bar = egui::ProgressBar::new(fraction as f32).desired_height(6.0);
            ui.add(bar.desired_width(ui.available_width()).fill(Theme::of(ui.ctx()).accent));
        });
    } else if offers_find(&tool.settings()) && tool.suggestion().is_none() {
        let find = widgets::primary_button(ui, "Find", true);
        let why = "Suggests it, dashed; nothing changes until it is taken over";
        if find.on_hover_text(with_key(why, Action::FindNow)).clicked() {
            tool.find(session);
        }
    }
    if let Some(note) = tool.note() {
        ui.add(egui::Label::new(RichText::new(note).color(Theme::of(ui.ctx()).weak)).wrap());
    }
    let has = tool.suggestion().map(|suggestion| suggestion.slices().count());
    if let Some(count) = has {
        widgets::note(
            ui,
            if count == 1 { "1 slice dashed".to_owned() } else { format!("{count} slices dashed") },
        );
        ui.horizontal_wrapped(|ui| {
            let take = widgets::primary_button(ui, "Take all", true);
            if take.on_hover_text(Action::TakeAllSuggested.tooltip()).clicked() {
                pressed.push(Action::TakeAllSuggested);
            }
            for (action, name) in
                [(Action::TakeSuggested, "Take this slice"), (Action::DropSuggested, "Drop")]
            {
                if widgets::button(ui, name).on_hover_text(action.tooltip()).clicked() {
                    pressed.push(action);
                }
            }
        });
    } else if tool.is_active() && progress_is_done(tool) {
        let clear = widgets::button(ui, "Clear");
        if clear.on_hover_text("Takes scribbles, ball and box away   Esc").clicked() {
            tool.cancel();
        }
    }
}

/// Whether it is looked for when the person says so, and not by what is drawn or set.
fn offers_find(settings: &SegmentSettings) -> bool {
    match settings.method {
        Method::Uptake => !matches!(settings.uptake_within, Within::Ball | Within::Box),
        method => method.needs_ct() || method == Method::Pieces,
    }
}

fn progress_is_done(tool: &crate::tools::SegmentTool) -> bool {
    tool.progress().is_none()
}

fn threshold_ui(
    ui: &mut Ui,
    settings: &mut SegmentSettings,
    histogram: &Histogram,
    (unit, ends): (Unit, Option<(f32, f32)>),
    pressed: &mut Vec<Action>,
) {
    let mut range = settings.range.unwrap_or(ValueRange { low: histogram.low, high: histogram.high });
    histogram_ui(ui, histogram, &mut range, ends);
    ui.horizontal_wrapped(|ui| {
        let speed = if unit == Unit::Hu { 1.0 } else { 0.02 };
        let suffix = format!(" {}", unit.label());
        for (name, number, value) in
            [("From", Number::ThresholdFrom, &mut range.low), ("to", Number::ThresholdTo, &mut range.high)]
        {
            let label = ui.label(RichText::new(name).color(Theme::of(ui.ctx()).weak));
            let field = egui::DragValue::new(value).speed(speed).suffix(suffix.trim_end()).max_decimals(2);
            number_field(ui, number, field).labelled_by(label.id);
        }
        let button = ui.add_enabled(histogram.otsu().is_some(), egui::Button::new("Split"));
        if button.on_hover_text(Action::SplitHistogram.tooltip()).clicked() {
            pressed.push(Action::SplitHistogram);
        }
    });
    range.high = range.high.max(range.low);
    settings.range = Some(range);
}

/// The histogram, counts by their logarithm, with a handle at either end of the range.
fn histogram_ui(ui: &mut Ui, histogram: &Histogram, range: &mut ValueRange, ends: Option<(f32, f32)>) {
    let theme = Theme::of(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT), Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "Histogram"));
    let painter = ui.painter_at(rect);
    painter.rect_filled(rect, super::super::theme::RADIUS, theme.base);
    let plot = rect.shrink2(vec2(HANDLE, 4.0));
    let width = (histogram.high - histogram.low).max(1e-6);
    let place = |value: f32| plot.left() + plot.width() * ((value - histogram.low) / width).clamp(0.0, 1.0);
    let shade = Rect::from_x_y_ranges(place(range.low)..=place(range.high), rect.y_range());
    painter.rect_filled(shade, 0.0, theme.accent.gamma_multiply(0.25));
    let greatest = histogram.counts.iter().copied().max().unwrap_or(0).max(1) as f32;
    let step = plot.width() / histogram.counts.len().max(1) as f32;
    for (bin, count) in histogram.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let height = plot.height() * (1.0 + *count as f32).ln() / (1.0 + greatest).ln();
        let x = plot.left() + (bin as f32 + 0.5) * step;
        let ends = [Pos2::new(x, plot.bottom()), Pos2::new(x, plot.bottom() - height)];
        painter.line_segment(ends, Stroke::new(step.max(1.0), theme.weak));
    }
    for (name, value, is_high) in
        [("Least value", &mut range.low, false), ("Greatest value", &mut range.high, true)]
    {
        let x = place(*value);
        let grip = Rect::from_center_size(Pos2::new(x, rect.center().y), vec2(HANDLE * 2.0, rect.height()));
        let handle = ui.interact(grip, response.id.with(name), Sense::click_and_drag());
        let shown = f64::from(*value);
        handle.widget_info(|| egui::WidgetInfo::slider(true, shown, name));
        let handle = handle
            .on_hover_text(format!("{name}: drag, or arrow keys"))
            .on_hover_cursor(egui::CursorIcon::ResizeHorizontal);
        let mut to = None;
        if let Some(at) = handle.interact_pointer_pos().filter(|_| handle.dragged()) {
            to = Some(histogram.low + width * (at.x - plot.left()) / plot.width());
        }
        if handle.has_focus() {
            let steps = ui.input(|input| {
                f32::from(u8::from(input.key_pressed(egui::Key::ArrowRight)))
                    - f32::from(u8::from(input.key_pressed(egui::Key::ArrowLeft)))
            });
            if steps != 0.0 {
                to = Some(*value + steps * width / 200.0);
            }
        }
        if let Some(to) = to {
            // At the plot's end the image's own end is meant: nothing beyond is lost.
            *value = match ends {
                Some((_, greatest)) if is_high && to >= histogram.high => greatest.max(histogram.high),
                Some((least, _)) if !is_high && to <= histogram.low => least.min(histogram.low),
                _ => to.clamp(histogram.low, histogram.high),
            };
        }
        let lit = handle.hovered() || handle.dragged() || handle.has_focus();
        let ink = if lit { theme.text } else { theme.accent };
        painter.vline(x, rect.y_range(), Stroke::new(if lit { 3.0 } else { 2.0 }, ink));
    }
}

fn keep_ui(ui: &mut Ui, settings: &mut SegmentSettings, pressed: &mut Vec<Action>) {
    ui.horizontal_wrapped(|ui| {
        widgets::note(ui, "Keep");
        widgets::combo("segment keep").selected_text(word(Choice::Keep(settings.keep))).show_ui(ui, |ui| {
            for choice in settings.method.choices(Aspect::Kind) {
                choice_ui(ui, settings, *choice, pressed);
            }
        });
        if settings.keep == KeepPieces::Above {
            let field =
                egui::DragValue::new(&mut settings.least_cc).speed(0.05).range(0.0..=5000.0).suffix(" cc");
            number_field(ui, Number::LeastVolume, field).on_hover_text("The least volume of a piece");
        }
    });
    let fills = Action::Choose(Choice::FillHoles(true));
    ui.checkbox(&mut settings.fill_holes, "Fill holes").on_hover_text(with_key(fills.info().why, fills));
}

/// What is filled, where, and what other structures have to do with it.
fn pieces_ui(ui: &mut Ui, settings: &mut SegmentSettings, session: &Session, pressed: &mut Vec<Action>) {
    let is_between = matches!(settings.fill, Fill::Between(_));
    choices_ui(ui, settings, Aspect::Kind, pressed);
    if let Fill::Between(detour) = &mut settings.fill {
        let before = *detour * 100.0;
        let mut percent = before;
        let why = "How much longer than the shortest way from piece to piece a way may be";
        value_ui(ui, ("Detour", Number::Detour), &mut percent, 0.0..=100.0, " %", why);
        if percent.to_bits() != before.to_bits() {
            *detour = percent / 100.0;
        }
        if settings.within == Within::Everything {
            let why = "How far beyond the pieces is looked";
            value_ui(ui, REACH, &mut settings.margin_mm, 0.0..=100.0, " mm", why);
        }
    }
    place::within_ui(ui, settings, session, pressed);
    ui.horizontal_wrapped(|ui| {
        widgets::note(ui, if is_between { "Not into" } else { "Shared with" });
        let name = match settings.rivals {
            Rivals::Nobody => word(Choice::Rivals(false)).to_owned(),
            Rivals::Visible => word(Choice::Rivals(true)).to_owned(),
            Rivals::Roi(id) => {
                session.roi(id).map_or_else(|| "a structure".to_owned(), |roi| roi.name.clone())
            }
        };
        widgets::combo("segment rivals").selected_text(name).show_ui(ui, |ui| {
            for visible in [false, true] {
                choice_ui(ui, settings, Choice::Rivals(visible), pressed);
            }
            for roi in session.structures().rois.iter().filter(|roi| !roi.planes.is_empty()) {
                ui.selectable_value(&mut settings.rivals, Rivals::Roi(roi.id), &roi.name);
            }
        });
    });
}

const REACH: (&str, Number) = ("Reach", Number::SearchReach);

fn scribbles_ui(ui: &mut Ui, settings: &mut SegmentSettings) {
    let why = "Half the width of a scribble";
    let name = ("Half width", Number::ScribbleWidth);
    value_ui(ui, name, &mut settings.scribble_mm, 0.5..=20.0, " mm", why);
    let why = "How far beyond the scribbles is looked";
    value_ui(ui, REACH, &mut settings.margin_mm, 0.0..=100.0, " mm", why);
}

fn uptake_ui(
    ui: &mut Ui,
    settings: &mut SegmentSettings,
    (unit, session): (Unit, &Session),
    pressed: &mut Vec<Action>,
) {
    choices_ui(ui, settings, Aspect::Kind, pressed);
    match &mut settings.uptake {
        Uptake::PartOfMaximum(part) => {
            let mut percent = f64::from(*part) * 100.0;
            let name = ("Part", Number::UptakePart);
            value_ui(ui, name, &mut percent, 1.0..=99.0, " %", "Part of the greatest value there");
            #[expect(clippy::cast_possible_truncation, reason = "a part")]
            let new = (percent / 100.0) as f32;
            *part = new;
        }
        Uptake::Above(level) => {
            let mut value = f64::from(*level);
            let suffix = format!(" {}", unit.label());
            value_ui(
                ui,
                ("From", Number::UptakeValue),
                &mut value,
                0.0..=1e6,
                suffix.trim_end(),
                "What belongs has at least this value",
            );
            #[expect(clippy::cast_possible_truncation, reason = "an SUV")]
            let new = value as f32;
            *level = new;
        }
        Uptake::Edge => {}
    }
    place::within_ui(ui, settings, session, pressed);
    if settings.uptake_within == Within::Ball {
        let why = "The radius of a ball placed by a click; a drag gives its own";
        value_ui(ui, ("Ball", Number::Ball), &mut settings.ball_mm, 2.0..=150.0, " mm", why);
    }
}

fn value_ui(
    ui: &mut Ui,
    name: (&str, Number),
    value: &mut f64,
    range: std::ops::RangeInclusive<f64>,
    suffix: &str,
    why: &str,
) {
    fine_ui(ui, name, value, (range, 1), suffix, why);
}

/// [`value_ui`] with as many decimals as the value is meant to have: the field takes over no more.
fn fine_ui(
    ui: &mut Ui,
    (name, number): (&str, Number),
    value: &mut f64,
    (range, decimals): (std::ops::RangeInclusive<f64>, usize),
    suffix: &str,
    why: &str,
) {
    ui.horizontal(|ui| {
        let label = ui.label(RichText::new(name).color(Theme::of(ui.ctx()).weak));
        let speed = (range.end() - range.start()).min(100.0) / 400.0;
        let field =
            egui::DragValue::new(value).speed(speed).range(range).suffix(suffix).max_decimals(decimals);
        number_field(ui, number, field).labelled_by(label.id).on_hover_text(why);
    });
}

/// One of several that can be chosen; it is carried out as an action, as keys and search ask for it.
fn choice_ui(ui: &mut Ui, settings: &SegmentSettings, choice: Choice, pressed: &mut Vec<Action>) {
    let action = Action::Choose(choice);
    let aspect = Aspect::ALL.into_iter().find(|own| settings.method.choices(*own).contains(&choice));
    let hover = aspect.map_or_else(|| action.tooltip(), |aspect| tooltip(action, Action::NextChoice(aspect)));
    if ui.selectable_label(settings.has_chosen(choice), word(choice)).on_hover_text(hover).clicked() {
        pressed.push(action);
    }
}

/// What can be chosen of the method that is set, side by side.
fn choices_ui(ui: &mut Ui, settings: &SegmentSettings, aspect: Aspect, pressed: &mut Vec<Action>) {
    ui.horizontal_wrapped(|ui| {
        for choice in settings.method.choices(aspect) {
            choice_ui(ui, settings, *choice, pressed);
        }
    });
}
