//! Fields of numbers that a key can ask for: the field that is asked for takes the keyboard, with its
//! text selected, so that a number can be typed and taken with Enter.

use crate::tools::Number;
use egui::{Context, DragValue, Id, Response, Ui};

/// For how many passes a number that is asked for waits for its field, which may have to be shown first.
const PATIENCE: u64 = 4;

fn place() -> Id {
    Id::unique("number that is asked for")
}

/// Asks for the field of a number; where none is shown in the next frames, [`unanswered_number`] tells.
pub fn want_number(ctx: &Context, number: Number) {
    let now = ctx.cumulative_pass_nr();
    ctx.data_mut(|data| data.insert_temp(place(), (number, now)));
    ctx.request_repaint();
}

/// The number that is asked for, and whether it has waited too long.
fn wanted(ctx: &Context) -> Option<(Number, bool)> {
    let (number, since) = ctx.data(|data| data.get_temp::<(Number, u64)>(place()))?;
    Some((number, ctx.cumulative_pass_nr().saturating_sub(since) > PATIENCE))
}

fn forget(ctx: &Context) {
    ctx.data_mut(|data| data.remove::<(Number, u64)>(place()));
}

/// Whether a number waits for its field: what is typed meanwhile is meant for it.
pub fn waits_for_number(ctx: &Context) -> bool {
    wanted(ctx).is_some()
}

/// The number whose field has not come, once; asked when a frame ends. While one waits there is a next
/// frame.
pub fn unanswered_number(ctx: &Context) -> Option<Number> {
    let (number, is_late) = wanted(ctx)?;
    if is_late {
        forget(ctx);
    } else {
        ctx.request_repaint();
    }
    is_late.then_some(number)
}

/// Whether the number is asked for; once.
fn take(ctx: &Context, number: Number) -> bool {
    let is_this = wanted(ctx) == Some((number, false));
    if is_this {
        forget(ctx);
    }
    is_this
}

/// The field of a number.
pub(super) fn number_field(ui: &mut Ui, number: Number, field: DragValue<'_>) -> Response {
    // In the frame after the search was closed the fields behind it cannot have the keyboard yet.
    let can_have_keyboard = ui.is_enabled() && ui.memory(|memory| memory.allows_interaction(ui.layer_id()));
    let is_wanted = can_have_keyboard && take(ui.ctx(), number);
    if is_wanted {
        // Before it is drawn: a field that gains the keyboard selects its text.
        let id = ui.next_auto_id();
        ui.memory_mut(|memory| memory.request_focus(id));
    }
    let response = ui.add(field);
    if is_wanted {
        response.scroll_to_me(None);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame with two fields; which of them has the keyboard.
    fn frame(ctx: &Context, shows: bool) -> [bool; 2] {
        let mut has = [false; 2];
        let output = ctx.run_ui(egui::RawInput::default(), |ui| {
            for (n, number) in [Number::GrowReach, Number::GrowNecks].into_iter().enumerate() {
                if shows {
                    has[n] = number_field(ui, number, DragValue::new(&mut 1.0)).has_focus();
                }
            }
        });
        output.drop_without_applying_deltas();
        has
    }

    #[test]
    fn the_field_that_is_asked_for_takes_the_keyboard_once_it_is_there() {
        let ctx = Context::default();
        assert_eq!(frame(&ctx, true), [false, false]);
        want_number(&ctx, Number::GrowNecks);
        assert_eq!(frame(&ctx, false), [false, false]);
        assert!(waits_for_number(&ctx));
        assert_eq!(frame(&ctx, true), [false, true]);
        assert!(!waits_for_number(&ctx));
        assert_eq!(unanswered_number(&ctx), None);
        ctx.memory_mut(egui::Memory::stop_text_input);
        // One that is never shown takes nothing later.
        want_number(&ctx, Number::GrowReach);
        assert_eq!(unanswered_number(&ctx), None, "it may come yet");
        for _ in 0..PATIENCE + 2 {
            frame(&ctx, false);
        }
        assert_eq!(frame(&ctx, true), [false, false]);
        assert_eq!(unanswered_number(&ctx), Some(Number::GrowReach));
        assert!(!waits_for_number(&ctx) && unanswered_number(&ctx).is_none(), "told once");
    }
}
