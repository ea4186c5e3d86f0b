//! The card of the semi-automatic tool: what it looks for, where, and what becomes of it.

use super::super::actions::Action;
use super::super::theme::Theme;
use super::super::{Scope, widgets};
use crate::edit::ValueRange;
use crate::edit::segment::{Fill, Histogram, Uptake};
use crate::patient::Unit;
use crate::session::Session;
use crate::tools::{KeepPieces, Method, Rivals, SegmentSettings, TakeAs, ToolKind, Within};
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
            let usable = !method.needs_ct() || volume.unit == Unit::Hu;
            let label = egui::Button::selectable(settings.method == method, method.name());
            if ui.add_enabled(usable, label).on_hover_text(action.tooltip()).clicked() {
                pressed.push(action);
            }
        }
    });
    ui.add_space(4.0);
    if tool.has_second() && !settings.method.needs_ct() && settings.method != Method::Dose {
        ui.checkbox(&mut settings.second, "Values of the second series")
            .on_hover_text("Looks at the PET or MR shown with these images; contours lie on these images.");
    }
    let unit = tool.image(session).unit;
    match settings.method {
        Method::Threshold => {
            let normal = volume.slices.first().map(|slice| slice.plane.normal());
            let at = normal.map_or(0.0, |normal| normal.dot(&views.navigation.crosshair_mm().coords));
            let slice = volume.nearest_slice(at).unwrap_or(0);
            let full = views.display.full_window;
            let ends = (!settings.second).then(|| (full.low(), full.high()));
            let histogram = tool.histogram(session, slice);
            threshold_ui(ui, &mut settings, histogram, unit, ends);
            place::within_ui(ui, &mut settings, session);
            keep_ui(ui, &mut settings);
        }
        Method::Level => widgets::note(ui, "Point at an edge and click. Ctrl cuts."),
        Method::Scribbles => scribbles_ui(ui, &mut settings),
        Method::Uptake => uptake_ui(ui, &mut settings, unit, session),
        Method::Pieces => pieces_ui(ui, &mut settings, session),
        Method::Dose => {
            let rois = &session.structures().rois;
            let name = dose::dose_ui(ui, scope.context.desk, scope.outbox, tool, &mut settings);
            place::within_ui(ui, &mut settings, session);
            if let Some(name) = name.filter(|name| rois.iter().all(|roi| roi.name != *name)) {
                dose::new_structure_ui(ui, scope.outbox, &name, session.selected().is_none());
            }
        }
        Method::Body => organs::body_ui(ui, &mut settings),
        Method::Lungs => organs::lungs_ui(ui, &mut settings),
        Method::Airways => widgets::note(ui, "Finds the trachea by itself, or click into it."),
        Method::Bones => organs::bones_ui(ui, &mut settings),
    }
    if settings.method.needs_ct() || matches!(settings.method, Method::Level | Method::Scribbles) {
        place::within_ui(ui, &mut settings, session);
    }
    if settings.method.suggests() && settings.method != Method::Pieces {
        choice_ui(
            ui,
            &mut settings.take_as,
            &[
                (TakeAs::Add, "Add", "What is found is added to the structure."),
                (TakeAs::Replace, "Replace", "What is found takes the structure's place."),
                (TakeAs::Cut, "Cut", "What is found is cut from the structure."),
            ],
        );
    }
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
        if find.on_hover_text("Suggests it, dashed; nothing changes until it is taken over").clicked() {
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
    unit: Unit,
    ends: Option<(f32, f32)>,
) {
    let mut range = settings.range.unwrap_or(ValueRange { low: histogram.low, high: histogram.high });
    histogram_ui(ui, histogram, &mut range, ends);
    ui.horizontal_wrapped(|ui| {
        let speed = if unit == Unit::Hu { 1.0 } else { 0.02 };
        let suffix = format!(" {}", unit.label());
        for (name, value) in [("From", &mut range.low), ("to", &mut range.high)] {
            let label = ui.label(RichText::new(name).color(Theme::of(ui.ctx()).weak));
            let field = egui::DragValue::new(value).speed(speed).suffix(suffix.trim_end()).max_decimals(2);
            ui.add(field).labelled_by(label.id);
        }
        let split = histogram.otsu();
        let button = ui.add_enabled(split.is_some(), egui::Button::new("Split"));
        if button.on_hover_text("From the value that best splits the histogram in two (Otsu).").clicked()
            && let Some(split) = split
        {
            range = ValueRange { low: split, high: ends.map_or(range.high, |ends| ends.1).max(split) };
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

fn keep_ui(ui: &mut Ui, settings: &mut SegmentSettings) {
    ui.horizontal_wrapped(|ui| {
        widgets::note(ui, "Keep");
        let choices = [
            (KeepPieces::All, "all"),
            (KeepPieces::Largest, "the largest piece"),
            (KeepPieces::Above, "pieces from"),
            (KeepPieces::Clicked, "the piece clicked"),
        ];
        let name = choices.iter().find(|(value, _)| *value == settings.keep).map_or("", |(_, name)| *name);
        egui::ComboBox::from_id_salt("segment keep").selected_text(name).show_ui(ui, |ui| {
            for (value, name) in choices {
                ui.selectable_value(&mut settings.keep, value, name);
            }
        });
        if settings.keep == KeepPieces::Above {
            let field =
                egui::DragValue::new(&mut settings.least_cc).speed(0.05).range(0.0..=5000.0).suffix(" cc");
            ui.add(field).on_hover_text("The least volume of a piece");
        }
    });
    ui.checkbox(&mut settings.fill_holes, "Fill holes").on_hover_text("Fills what is enclosed on a slice.");
}

/// What is filled, where, and what other structures have to do with it.
fn pieces_ui(ui: &mut Ui, settings: &mut SegmentSettings, session: &Session) {
    let is_between = matches!(settings.fill, Fill::Between(_));
    ui.horizontal_wrapped(|ui| {
        for (fill, name, why) in [
            (Fill::Between(0.05), "Between", "What lies between the structure's pieces."),
            (Fill::All, "All of a region", "What is reached from the structure before it is from others."),
        ] {
            let chosen = is_between == matches!(fill, Fill::Between(_));
            if ui.selectable_label(chosen, name).on_hover_text(why).clicked() && !chosen {
                settings.fill = fill;
            }
        }
    });
    if let Fill::Between(detour) = &mut settings.fill {
        let before = *detour * 100.0;
        let mut percent = before;
        let why = "How much longer than the shortest way from piece to piece a way may be";
        value_ui(ui, "Detour", &mut percent, 0.0..=100.0, " %", why);
        if percent.to_bits() != before.to_bits() {
            *detour = percent / 100.0;
        }
        if settings.within == Within::Everything {
            let why = "How far beyond the pieces is looked";
            value_ui(ui, "Reach", &mut settings.margin_mm, 0.0..=100.0, " mm", why);
        }
    }
    place::within_ui(ui, settings, session);
    ui.horizontal_wrapped(|ui| {
        widgets::note(ui, if is_between { "Not into" } else { "Shared with" });
        let name = match settings.rivals {
            Rivals::Nobody => "no other".to_owned(),
            Rivals::Visible => "all visible".to_owned(),
            Rivals::Roi(id) => {
                session.roi(id).map_or_else(|| "a structure".to_owned(), |roi| roi.name.clone())
            }
        };
        egui::ComboBox::from_id_salt("segment rivals").selected_text(name).show_ui(ui, |ui| {
            ui.selectable_value(&mut settings.rivals, Rivals::Nobody, "no other");
            ui.selectable_value(&mut settings.rivals, Rivals::Visible, "all visible");
            for roi in session.structures().rois.iter().filter(|roi| !roi.planes.is_empty()) {
                ui.selectable_value(&mut settings.rivals, Rivals::Roi(roi.id), &roi.name);
            }
        });
    });
}

fn scribbles_ui(ui: &mut Ui, settings: &mut SegmentSettings) {
    let why = "Half the width of a scribble";
    value_ui(ui, "Half width", &mut settings.scribble_mm, 0.5..=20.0, " mm", why);
    let why = "How far beyond the scribbles is looked";
    value_ui(ui, "Reach", &mut settings.margin_mm, 0.0..=100.0, " mm", why);
}

fn uptake_ui(ui: &mut Ui, settings: &mut SegmentSettings, unit: Unit, session: &Session) {
    let now = std::mem::discriminant(&settings.uptake);
    ui.horizontal_wrapped(|ui| {
        for (value, name, why) in [
            (
                Uptake::PartOfMaximum(0.41),
                "% of maximum",
                "At a part of the greatest value in the ball or box.",
            ),
            (Uptake::Above(2.5), "Fixed value", "At a value, such as SUV 2.5."),
            (Uptake::Edge, "Edge", "Where the value changes fastest: the watershed of the gradient."),
        ] {
            let same = std::mem::discriminant(&value) == now;
            if ui.selectable_label(same, name).on_hover_text(why).clicked() && !same {
                settings.uptake = value;
            }
        }
    });
    match &mut settings.uptake {
        Uptake::PartOfMaximum(part) => {
            let mut percent = f64::from(*part) * 100.0;
            value_ui(ui, "Part", &mut percent, 1.0..=99.0, " %", "Part of the greatest value there");
            #[expect(clippy::cast_possible_truncation, reason = "a part")]
            let new = (percent / 100.0) as f32;
            *part = new;
        }
        Uptake::Above(level) => {
            let mut value = f64::from(*level);
            let suffix = format!(" {}", unit.label());
            value_ui(
                ui,
                "From",
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
    place::within_ui(ui, settings, session);
    if settings.uptake_within == Within::Ball {
        let why = "The radius of a ball placed by a click; a drag gives its own";
        value_ui(ui, "Ball", &mut settings.ball_mm, 2.0..=150.0, " mm", why);
    }
}

fn value_ui(
    ui: &mut Ui,
    name: &str,
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
    name: &str,
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
        ui.add(field).labelled_by(label.id).on_hover_text(why);
    });
}

fn choice_ui<T: PartialEq + Copy>(ui: &mut Ui, chosen: &mut T, choices: &[(T, &str, &str)]) {
    ui.horizontal_wrapped(|ui| {
        for (value, name, why) in choices {
            if ui.selectable_label(*chosen == *value, *name).on_hover_text(*why).clicked() {
                *chosen = *value;
            }
        }
    });
}
