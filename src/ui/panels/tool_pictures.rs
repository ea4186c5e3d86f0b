//! The tools in pictures (Shift F1), drawn from what the tool itself does on a constructed image.

use super::super::Scope;
use super::super::actions::{Action, key_text};
use super::super::theme::{self, Theme};
use super::super::widgets;
use crate::geometry::{Point2, Polygon};
use crate::tools::ToolKind;
use crate::tools::lessons::{Lesson, Scene, Taught};
use egui::{
    Align2, Color32, ColorImage, FontId, Painter, Pos2, Rect, RichText, Sense, Shape, Stroke, Ui, pos2, vec2,
};

/// The narrowest card, points; as many stand side by side as have room.
const NARROWEST: f32 = 176.0;
const GAP: f32 = 12.0;
/// A picture's width in its height.
const PROPORTION: f32 = 1.5;
/// The room for the name and two lines of text under a picture.
const TEXT: f32 = 62.0;

/// The outline before the gesture; after it; the pointer's way; where it marks what does not belong.
const BEFORE: Color32 = Color32::from_rgb(0xb4, 0xba, 0xc0);
const AFTER: Color32 = Color32::from_rgb(0x56, 0xb4, 0xe9);
const POINTER: Color32 = theme::RULER;
const OUTSIDE: Color32 = Color32::from_rgb(0xe6, 0x7e, 0x22);

/// The page.
pub fn tool_pictures_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let room = ui.ctx().content_rect().size();
    let width = (room.x - 120.0).min(1200.0);
    ui.set_width(width);
    ui.horizontal(|ui| {
        ui.label(RichText::new("Tools").font(theme::strong(15.0)));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            for (color, text) in [(AFTER, "after"), (BEFORE, "before"), (POINTER, "pointer")] {
                widgets::note(ui, text);
                let (rect, _) = ui.allocate_exact_size(vec2(16.0, 12.0), Sense::hover());
                let ink = if Theme::of(ui.ctx()).dark { color } else { color.gamma_multiply(0.85) };
                ui.painter().rect_filled(rect.shrink2(vec2(0.0, 4.0)), 1.0, ink);
            }
        });
    });
    let ctx = ui.ctx().clone();
    let lessons = scope.state.lessons.get(move || ctx.request_repaint());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few columns")]
    let columns = (((width + GAP) / (NARROWEST + GAP)) as usize).max(1);
    let side = (width - GAP * (columns - 1) as f32) / columns as f32;
    let height = room.y - 130.0;
    let area = egui::ScrollArea::vertical().max_height(height).min_scrolled_height(height);
    area.auto_shrink([false, true]).show(ui, |ui| {
        ui.spacing_mut().item_spacing = vec2(GAP, GAP);
        for row in Taught::ALL.chunks(columns) {
            ui.horizontal_top(|ui| {
                for taught in row {
                    let lesson = lessons.and_then(|all| all.iter().find(|own| own.taught == *taught));
                    card_ui(ui, *taught, lesson, side.floor());
                }
            });
        }
    });
}

/// The action that takes the tool in hand.
fn action_of(taught: Taught) -> Action {
    match taught {
        Taught::Tool(kind) => match kind {
            ToolKind::Navigate => Action::SelectCrosshair,
            ToolKind::Brush => Action::SelectBrush,
            ToolKind::Eraser => Action::SelectEraser,
            ToolKind::Freehand => Action::SelectFreehand,
            ToolKind::Shape => Action::SelectShape,
            ToolKind::Push => Action::SelectPush,
            ToolKind::Smooth => Action::SelectSmooth,
            ToolKind::Grow => Action::SelectGrow,
            ToolKind::Knife => Action::SelectKnife,
            ToolKind::Points => Action::SelectPoints,
            ToolKind::Transform => Action::SelectTransform,
            ToolKind::LiveWire => Action::SelectLiveWire,
            ToolKind::Segment => Action::Segment(crate::tools::Method::Threshold),
            ToolKind::DeleteContour => Action::SelectDeleteContour,
            ToolKind::Ruler => Action::SelectRuler,
        },
        Taught::Replace => Action::SelectFreehand,
        Taught::Firm => Action::SelectPush,
        Taught::Find(method) => Action::Segment(method),
        Taught::Between | Taught::Snapped => Action::FillBetween,
    }
}

fn card_ui(ui: &mut Ui, taught: Taught, lesson: Option<&Lesson>, width: f32) {
    let theme = Theme::of(ui.ctx());
    let height = (width / PROPORTION).round();
    ui.allocate_ui(vec2(width, height + TEXT), |ui| {
        ui.vertical(|ui| {
            ui.set_width(width);
            ui.spacing_mut().item_spacing.y = 2.0;
            let (rect, _) = ui.allocate_exact_size(vec2(width, height), Sense::hover());
            let painter = ui.painter().with_clip_rect(rect.intersect(ui.clip_rect()));
            painter.rect_filled(rect, theme::RADIUS, theme::VIEW_BLACK);
            if let Some(lesson) = lesson {
                picture(ui, &painter, rect, lesson);
            } else {
                let font = FontId::proportional(theme::SMALL);
                painter.text(rect.center(), Align2::CENTER_CENTER, "Drawing …", font, theme::OVERLAY_WEAK);
            }
            let info = action_of(taught).info();
            let (name, why) = match taught {
                Taught::Replace => (
                    "Freehand, to replace",
                    "The part of the outline between where the line leaves and meets it gives way to the line.",
                ),
                Taught::Firm => (
                    "Push, firm",
                    "The circle's rim becomes the outline: begun inside it adds what it passes, begun outside it cuts it.",
                ),
                Taught::Snapped => (
                    "Fill, snapped to edges",
                    "What is filled moves to edges nearby that look like those under the drawn contours.",
                ),
                _ => (info.name, info.why),
            };
            ui.horizontal(|ui| {
                ui.label(RichText::new(name).font(theme::strong(theme::BODY)));
                let key = action_of(taught).keys().first().map(key_text).unwrap_or_default();
                ui.label(RichText::new(key).color(theme.weak));
            });
            let text = RichText::new(why).size(theme::SMALL).color(theme.weak);
            ui.add(egui::Label::new(text).wrap());
        });
    });
}

fn picture(ui: &Ui, painter: &Painter, rect: Rect, lesson: &Lesson) {
    let scale = rect.width() / (2.0 * single(lesson.scene.half_mm()[0]));
    let at = |point: &Point2| rect.center() + vec2(single(point.x), single(point.y)) * scale;
    let whole = Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0));
    painter.image(background(ui, lesson.scene), rect, whole, Color32::WHITE);
    outlines(painter, &lesson.before, &at, Stroke::new(1.25, BEFORE), false);
    outlines(painter, &lesson.after, &at, Stroke::new(2.0, AFTER), lesson.is_suggested);
    for (points, is_outside) in &lesson.strokes {
        let ink = if *is_outside { OUTSIDE } else { POINTER };
        let way: Vec<Pos2> = points.iter().map(at).collect();
        let [.., last] = way.as_slice() else { continue };
        if let [.., before, _] = way.as_slice() {
            painter.add(Shape::line(way.clone(), Stroke::new(1.5, ink)));
            arrow_head(painter, *before, *last, ink);
        } else {
            painter.circle_filled(*last, 3.0, ink);
        }
        if let Some(radius) = lesson.tip_mm {
            painter.circle_stroke(*last, single(radius) * scale, Stroke::new(1.0, ink));
        }
    }
}

fn outlines(
    painter: &Painter,
    polygons: &[Polygon],
    at: &impl Fn(&Point2) -> Pos2,
    stroke: Stroke,
    is_dashed: bool,
) {
    for ring in polygons.iter().flat_map(Polygon::rings) {
        let mut points: Vec<Pos2> = ring.iter().map(at).collect();
        if is_dashed {
            points.extend(points.first().copied());
            painter.extend(Shape::dashed_line(&points, stroke, 5.0, 3.5));
        } else {
            painter.add(Shape::closed_line(points, stroke));
        }
    }
}

fn arrow_head(painter: &Painter, from: Pos2, to: Pos2, ink: Color32) {
    let along = (to - from).normalized();
    let back = to - along * 7.0;
    let side = along.rot90() * 3.5;
    painter.add(Shape::convex_polygon(vec![to, back + side, back - side], ink, Stroke::NONE));
}

/// Millimetres for the screen.
#[expect(clippy::cast_possible_truncation, reason = "a picture")]
fn single(mm: f64) -> f32 {
    mm as f32
}

/// The picture's pixels along its width and height.
const PIXELS: [usize; 2] = [192, 128];

/// The constructed image as a texture, its dose in warm colours, made once a window.
fn background(ui: &Ui, scene: Scene) -> egui::TextureId {
    let id = egui::Id::unique(("lesson image", scene));
    if let Some(known) = ui.ctx().data(|data| data.get_temp::<egui::TextureHandle>(id)) {
        return known.id();
    }
    let (half, plane, [black, white]) = (scene.half_mm(), scene.plane(), scene.window());
    let pixels = (0..PIXELS[0] * PIXELS[1]).map(|n| {
        let place = [n % PIXELS[0], n / PIXELS[0]];
        let [x, y] =
            [0, 1].map(|axis| half[axis] * (2.0 * (place[axis] as f64 + 0.5) / PIXELS[axis] as f64 - 1.0));
        let point = plane.lift(Point2::new(x, y));
        let grey = ((scene.value_at(point) - black) / (white - black)).clamp(0.0, 1.0);
        let dose = 0.5 * scene.dose_at(point);
        // The dose's own colour, from blue where it is low to red.
        let wash = [(2.0 * dose).min(1.0), 0.35, 1.0 - 2.0 * dose];
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
        let [red, green, blue] = wash.map(|own| (255.0 * (grey + (own - grey) * dose)) as u8);
        Color32::from_rgb(red, green, blue)
    });
    let image = ColorImage::new(PIXELS, pixels.collect());
    let texture = ui.ctx().load_texture("lesson", image, egui::TextureOptions::LINEAR);
    let shown = texture.id();
    ui.ctx().data_mut(|data| data.insert_temp(id, texture));
    shown
}
