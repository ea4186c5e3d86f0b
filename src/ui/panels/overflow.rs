//! A row of controls that may be wider than its room. What does not fit is never lost: the wheel moves the
//! row, arrows at its ends say that there is more and move it too, and what gets the keyboard comes into
//! sight. The row keeps its height, so that nothing above it jumps.

use super::super::{icons, widgets};
use egui::scroll_area::ScrollBarVisibility;
use egui::style::ScrollAnimation;
use egui::{Id, ScrollArea, Ui, vec2};

/// How far an arrow moves the row, points.
const STEP: f32 = 160.0;

/// What is known of a row from the frame before.
#[derive(Debug, Clone, Copy, Default)]
struct Before {
    is_wider: bool,
    /// How far an arrow has moved it since, to the left.
    moved: f32,
    focused: Option<Id>,
}

/// Controls in a row of at most `room` points, placed from left to right.
pub(super) fn row_ui(ui: &mut Ui, name: &'static str, room: f32, add: impl FnOnce(&mut Ui)) {
    let id = ui.scope_id().with(name);
    let before: Before = ui.data(|data| data.get_temp(id)).unwrap_or_default();
    let arrows = if before.is_wider { 2.0 * (widgets::ICON_SIDE + ui.spacing().item_spacing.x) } else { 0.0 };
    let mut moved = 0.0;
    if before.is_wider && widgets::icon_button(ui, icons::BACK, "Options to the left", None, false).clicked()
    {
        moved -= STEP;
    }
    let inside = |ui: &mut Ui| {
        if before.moved != 0.0 {
            ui.scroll_with_delta_animation(vec2(-before.moved, 0.0), ScrollAnimation::none());
        }
        ui.horizontal(|ui| add(ui));
        // Of what gets the keyboard only the place in the row is looked after.
        let focused = ui.memory(egui::Memory::focused);
        if focused != before.focused
            && let Some(response) = focused.and_then(|own| ui.ctx().read_response(own))
            && ui.min_rect().contains(response.rect.center())
        {
            ui.scroll_to_rect_animation(response.rect, None, ScrollAnimation::none());
        }
        focused
    };
    let output = ui
        .scope(|ui| {
            ui.style_mut().always_scroll_the_only_direction = true;
            ScrollArea::horizontal()
                .id_salt(name)
                .max_width((room - arrows).max(0.0))
                .auto_shrink([true, false])
                .scroll_bar_visibility(ScrollBarVisibility::AlwaysHidden)
                .show(ui, inside)
        })
        .inner;
    if before.is_wider
        && widgets::icon_button(ui, icons::FOLDED, "Options to the right", None, false).clicked()
    {
        moved += STEP;
    }
    let is_wider = output.content_size.x > room + 0.5;
    if is_wider != before.is_wider || moved != 0.0 {
        ui.ctx().request_repaint();
    }
    ui.data_mut(|data| data.insert_temp(id, Before { is_wider, moved, focused: output.inner }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::{Context, Rect};

    /// A frame of a row of ten buttons of 50 points each, in `room`: how far it reaches, and where they
    /// stand from where it begins.
    fn frame(ctx: &Context, room: f32, focus: Option<usize>) -> (f32, Vec<Rect>) {
        let (mut reach, mut places) = (0.0, Vec::new());
        let input = egui::RawInput {
            screen_rect: Some(Rect::from_min_size(egui::Pos2::ZERO, vec2(900.0, 60.0))),
            ..egui::RawInput::default()
        };
        let output = ctx.run_ui(input, |ui| {
            ui.horizontal(|ui| {
                let start = ui.cursor().left();
                places.clear();
                row_ui(ui, "row", room, |ui| {
                    for n in 0..10 {
                        let button = ui.add_sized([50.0, 20.0], egui::Button::new(n.to_string()));
                        if focus == Some(n) {
                            button.request_focus();
                        }
                        places.push(button.rect.translate(vec2(-start, 0.0)));
                    }
                });
                reach = ui.min_rect().right() - start;
            });
        });
        output.drop_without_applying_deltas();
        (reach, places)
    }

    #[test]
    fn a_row_keeps_to_its_room_and_brings_what_has_the_keyboard_into_sight() {
        let ctx = Context::default();
        let settled = |room: f32, focus: Option<usize>| {
            (0..6).for_each(|_| drop(frame(&ctx, room, focus)));
            frame(&ctx, room, focus)
        };
        let (reach, places) = settled(300.0, None);
        assert!(reach <= 301.0 && places[9].left() > 300.0 && places[0].left() > 0.0, "{reach} {places:?}");
        let (reach, places) = settled(300.0, Some(9));
        assert!(reach <= 301.0 && places[9].right() < 300.0 && places[0].left() < 0.0, "{reach} {places:?}");
        // With room for all there is nothing to move.
        let (reach, places) = settled(800.0, None);
        assert!((500.0..700.0).contains(&reach) && places[0].left() >= 0.0, "{reach} {places:?}");
    }
}
