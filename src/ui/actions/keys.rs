//! The keys of actions as they are set now: in tooltips, hints and sentences; and the actions that the
//! keys pressed in a frame ask for.

use super::super::keymap;
use super::{Action, TABLE};
use crate::tools::{Deed, Hint};
use egui::{Event, Key, KeyboardShortcut, Modifiers, Pos2};

impl Action {
    /// The keys that ask for it now, the person's own where they were changed.
    #[must_use]
    pub fn keys(self) -> Vec<KeyboardShortcut> {
        keymap::in_use().keys(self)
    }

    /// Its first key as text ("Ctrl Z"); that of an action that does the same where it has none of its
    /// own, and empty without any.
    #[must_use]
    pub fn key_text(self) -> String {
        let first = |action: Self| action.keys().first().map(key_text);
        first(self).or_else(|| first(self.stand_in()?)).unwrap_or_default()
    }

    /// The action that does the same while there is something for this one to do.
    fn stand_in(self) -> Option<Self> {
        match self {
            Self::TakeSuggested => Some(Self::AcceptProposal),
            Self::TakeAllSuggested => Some(Self::AcceptAll),
            Self::DropSuggested => Some(Self::RejectProposal),
            Self::CloseOutline => Some(Self::MaximiseView),
            _ => None,
        }
    }

    /// Its name with its key, for a sentence: "Copy contour (Shift C)".
    #[must_use]
    pub fn named(self) -> String {
        match self.key_text() {
            key if key.is_empty() => self.info().name.to_owned(),
            key => format!("{} ({key})", self.info().name),
        }
    }

    /// Whether it changes the size of the round tip in hand.
    fn sizes_tip(self) -> bool {
        matches!(self, Self::SmallerBrush | Self::LargerBrush)
    }

    /// Whether its keys are the standard ones, all of them.
    #[must_use]
    pub fn has_standard_keys(self) -> bool {
        self.keys() == self.info().keys
    }

    /// What a tooltip says: what it does, its key, why.
    #[must_use]
    pub fn tooltip(self) -> String {
        let info = self.info();
        match self.key_text() {
            key if key.is_empty() => format!("{}\n{}", info.name, info.why),
            key => format!("{}   {key}\n{}", info.name, info.why),
        }
    }
}

/// What a tool says can be done now, with the keys that hold now.
#[must_use]
pub fn hint_text(hint: &Hint) -> String {
    hint.told(|deed| {
        let action = match deed {
            Deed::SmallerBrush => Action::SmallerBrush,
            Deed::LargerBrush => Action::LargerBrush,
            Deed::TakeSlice => Action::TakeSuggested,
            Deed::TakeAll => Action::TakeAllSuggested,
            Deed::Drop => Action::DropSuggested,
            Deed::CloseOutline => Action::CloseOutline,
            Deed::TakeBack => Action::TakeBackPoint,
            Deed::Reopen => Action::ReopenOutline,
        };
        action.key_text()
    })
}

/// A shortcut as text.
#[must_use]
pub fn key_text(shortcut: &KeyboardShortcut) -> String {
    let modifiers = shortcut.modifiers;
    let mut text = String::new();
    if modifiers.command || modifiers.ctrl {
        text.push_str(if cfg!(target_os = "macos") { "Cmd " } else { "Ctrl " });
    }
    if modifiers.alt {
        text.push_str("Alt ");
    }
    if modifiers.shift {
        text.push_str("Shift ");
    }
    text.push_str(match shortcut.logical_key {
        Key::OpenBracket => "[",
        Key::CloseBracket => "]",
        Key::ArrowUp => "Up",
        Key::ArrowDown => "Down",
        Key::ArrowLeft => "Left",
        Key::ArrowRight => "Right",
        Key::Escape => "Esc",
        Key::PageUp => "Page Up",
        Key::PageDown => "Page Down",
        Key::Plus => "+",
        Key::Minus => "−",
        other => other.symbol_or_name(),
    });
    text
}

/// An action that a key has asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pressed {
    /// The action.
    pub action: Action,
    /// Where the pointer had moved in this frame before the key was pressed; `None` where it had not.
    pub pointer: Option<Pos2>,
}

/// What keys are pressed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The window as it is.
    Window,
    /// A stroke of a tool, the button down.
    Stroke,
    /// A card that lies over the window.
    Card,
}

/// The actions whose keys were pressed in this frame, in order; the keys are consumed.
///
/// While a text field has the keyboard, or is about to (`will_type`), only keys with Ctrl, function keys
/// and Esc count; over a card only those that close or change cards; Enter belongs to the button that has
/// the keyboard, where one has, and Esc to a field that is left by it (`escape_is_taken`).
///
/// Ctrl is held to cut: the keys that size the tip count with it too, where it makes no other key of them.
/// In a stroke it makes another key of none but those that count there ([`Action::works_in_stroke`]).
pub fn pressed(ctx: &egui::Context, over: Over, escape_is_taken: bool, will_type: bool) -> Vec<Pressed> {
    let typing = will_type || ctx.text_edit_focused();
    let on_control = ctx.memory(|memory| memory.focused().is_some());
    ctx.input_mut(|input| {
        let mut pointer = None;
        let mut keys: Vec<(Key, Modifiers, Option<Pos2>)> = Vec::new();
        for event in &input.events {
            match event {
                Event::PointerMoved(at) => pointer = Some(*at),
                Event::Key { key, pressed: true, modifiers, .. } => keys.push((*key, *modifiers, pointer)),
                _ => {}
            }
        }
        let map = keymap::in_use();
        let mut actions = Vec::new();
        for (key, modifiers, pointer) in keys {
            let asked_with = |held: Modifiers| {
                let counts = |wanted: &KeyboardShortcut| {
                    wanted.logical_key == key
                        && held.matches_exact(wanted.modifiers)
                        && !(typing && types_text(*wanted))
                        && !(on_control && key == Key::Enter)
                        && !(escape_is_taken && key == Key::Escape)
                };
                let info = TABLE.iter().find(|info| map.keys(info.action).iter().any(counts));
                info.map(|info| info.action)
            };
            let asked = asked_with(modifiers);
            let has_ctrl = modifiers.command || modifiers.ctrl;
            let asked_without = || if has_ctrl { asked_with(without_ctrl(modifiers)) } else { None };
            let action = match over {
                Over::Stroke => {
                    let works = |action: &Action| action.works_in_stroke();
                    asked.filter(works).or_else(|| asked_without().filter(works)).or(asked)
                }
                Over::Window => asked.or_else(|| asked_without().filter(|action| action.sizes_tip())),
                Over::Card => asked.filter(|action| action.works_when_covered()),
            };
            let Some(action) = action else { continue };
            input.consume_key(modifiers, key);
            actions.push(Pressed { action, pointer });
        }
        actions
    })
}

fn without_ctrl(modifiers: Modifiers) -> Modifiers {
    Modifiers { ctrl: false, mac_cmd: false, command: false, ..modifiers }
}

/// Whether a text field needs the key itself.
fn types_text(shortcut: KeyboardShortcut) -> bool {
    let name = shortcut.logical_key.name();
    let is_numbered = name.len() > 1 && name.starts_with('F') && name[1..].parse::<u8>().is_ok();
    let function_key = is_numbered || shortcut.logical_key == Key::Escape;
    let editing_key = matches!(
        shortcut.logical_key,
        Key::Z
            | Key::Y
            | Key::V
            | Key::ArrowUp
            | Key::ArrowDown
            | Key::ArrowLeft
            | Key::ArrowRight
            | Key::Home
            | Key::Delete
            | Key::H
            | Key::W
    );
    !function_key && (!shortcut.modifiers.command || editing_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const F7: KeyboardShortcut = KeyboardShortcut::new(Modifiers::NONE, Key::F7);
    const F9: KeyboardShortcut = KeyboardShortcut::new(Modifiers::NONE, Key::F9);
    const CTRL_F8: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::F8);

    #[test]
    fn hints_and_sentences_name_the_keys_that_hold() {
        let brush = Hint { text: "Drag", keys: &[(&[Deed::SmallerBrush, Deed::LargerBrush], "size it")] };
        assert_eq!(hint_text(&brush), "Drag; [ and ] size it");
        assert_eq!(Action::CopyContour.named(), "Copy contour (Shift C)");
        assert_eq!(Action::TakeSuggested.key_text(), "A", "as accepting does the same");
        let mut own = keymap::KeyMap::default();
        own.set(Action::SmallerBrush, F7).unwrap();
        own.set(Action::CopyContour, CTRL_F8).unwrap();
        own.set(Action::AcceptProposal, F9).unwrap();
        keymap::use_map(&own);
        assert_eq!(hint_text(&brush), "Drag; F7 and ] size it");
        assert_eq!(Action::CopyContour.named(), "Copy contour (Ctrl F8)");
        assert_eq!(Action::TakeSuggested.key_text(), "F9");
        own.clear(Action::LargerBrush);
        own.clear(Action::CopyContour);
        keymap::use_map(&own);
        assert_eq!(hint_text(&brush), "Drag", "no clause without its keys");
        assert_eq!(Action::CopyContour.named(), "Copy contour");
        keymap::use_map(&keymap::KeyMap::default());
    }

    #[test]
    fn what_is_typed_for_a_field_that_is_about_to_come_asks_for_nothing() {
        let ctx = egui::Context::default();
        let asked = |will_type| {
            let of = |(key, modifiers)| Event::Key {
                key,
                physical_key: None,
                pressed: true,
                repeat: false,
                modifiers,
            };
            let keys =
                [(Key::Num3, Modifiers::NONE), (Key::Z, Modifiers::NONE), (Key::K, Modifiers::COMMAND)];
            let input = egui::RawInput { events: keys.map(of).to_vec(), ..egui::RawInput::default() };
            let mut actions = Vec::new();
            let output = ctx.run_ui(input, |ui| {
                let asked = pressed(ui.ctx(), Over::Window, false, will_type);
                actions.extend(asked.into_iter().map(|own| own.action));
            });
            output.drop_without_applying_deltas();
            actions
        };
        assert_eq!(asked(false).len(), 3);
        assert_eq!(asked(true), [Action::Search]);
    }

    /// What keys ask for, one frame each.
    fn asked(over: Over, keys: &[(Key, Modifiers)]) -> Vec<Option<Action>> {
        let ctx = egui::Context::default();
        let ask = |(key, modifiers): &(Key, Modifiers)| {
            let (key, modifiers) = (*key, *modifiers);
            let event = Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers };
            let input = egui::RawInput { events: vec![event], ..egui::RawInput::default() };
            let mut actions = Vec::new();
            let output = ctx.run_ui(input, |ui| {
                let asked = pressed(ui.ctx(), over, false, false);
                actions.extend(asked.into_iter().map(|own| own.action));
            });
            output.drop_without_applying_deltas();
            assert!(actions.len() < 2);
            actions.pop()
        };
        keys.iter().map(ask).collect()
    }

    #[test]
    fn with_ctrl_held_to_cut_the_tip_can_be_sized_and_in_a_stroke_no_key_leaves_the_work() {
        // As a system tells Ctrl; on a Mac it would be Cmd.
        let ctrl = Modifiers { ctrl: true, command: true, ..Modifiers::NONE };
        let ctrl_shift = Modifiers { shift: true, ..ctrl };
        let size = [(Key::OpenBracket, ctrl), (Key::CloseBracket, ctrl)];
        let sized = [Some(Action::SmallerBrush), Some(Action::LargerBrush)];
        assert_eq!(asked(Over::Window, &size), sized);
        assert_eq!(asked(Over::Stroke, &size), sized);
        assert_eq!(asked(Over::Card, &size), [None, None]);
        // Shift S and W too, but where Ctrl makes another key of them.
        let shifted = [(Key::S, ctrl_shift), (Key::W, ctrl_shift)];
        assert_eq!(asked(Over::Stroke, &shifted), sized);
        assert_eq!(asked(Over::Window, &shifted), [Some(Action::ChooseSeries), Some(Action::LargerBrush)]);
        // Nothing else loses its Ctrl at rest; in a stroke window presets do, and undo is undo.
        let others = [(Key::Num2, ctrl), (Key::I, ctrl), (Key::Z, ctrl), (Key::Y, ctrl)];
        let [undo, redo] = [Some(Action::Undo), Some(Action::Redo)];
        assert_eq!(asked(Over::Window, &others), [Some(Action::GoPropose), None, undo, redo]);
        let in_stroke = [Some(Action::Preset(2)), Some(Action::ToggleInterpolation), undo, redo];
        assert_eq!(asked(Over::Stroke, &others), in_stroke);
        // No letter with Ctrl, and none without, is one that a stroke does not survive.
        let letters = [Key::W, Key::E, Key::O, Key::Q, Key::N, Key::K, Key::M, Key::T, Key::L, Key::R];
        for key in letters {
            for action in asked(Over::Stroke, &[(key, ctrl), (key, Modifiers::NONE)]).into_iter().flatten() {
                assert!(!action.works_in_stroke(), "{action:?} would be carried out");
            }
        }
    }

    #[test]
    fn keys_read_as_on_the_keyboard() {
        assert_eq!(Action::Undo.key_text(), "Ctrl Z");
        assert_eq!(Action::SmallerBrush.key_text(), "[");
        assert_eq!(Action::About.key_text(), "");
    }
}
