//! Which keys ask for which action: the standard ones of the table, and those that a person has put
//! in their place.
//!
//! An action that the person has given keys has these and no others. No key asks for two actions: a
//! key that is taken is exchanged, never doubled. Tooltips, menus, search and the key sheet say what
//! holds now, for all of them ask [`super::actions::Action::keys`]: the window puts its map in use on
//! its own thread at the head of each frame.

use super::actions::{Action, TABLE};
use egui::{Key, KeyboardShortcut, Modifiers};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

thread_local! {
    /// The map of the window that this thread draws.
    static IN_USE: RefCell<Rc<KeyMap>> = RefCell::default();
}

/// The keys that differ from the standard ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyMap {
    /// By the action's stored name.
    changed: BTreeMap<String, Vec<KeyboardShortcut>>,
    /// What was stored for actions or keys that this version does not know, kept for those that do.
    unknown: BTreeMap<String, String>,
}

/// Why a key cannot be given to an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyProblem {
    /// Another action has it; it can be exchanged.
    Taken(Action),
    /// The window needs it for itself.
    Reserved,
}

/// The name an action is stored under: that of its variant, which therefore stays.
fn stored_name(action: Action) -> String {
    format!("{action:?}")
}

/// Whether the key of an action can be changed: Esc always means "never mind".
#[must_use]
pub fn is_changeable(action: Action) -> bool {
    action != Action::CancelGesture
}

/// Space is held to look without overlays, Tab walks through the controls, Esc means "never mind".
fn is_reserved(shortcut: KeyboardShortcut) -> bool {
    matches!(shortcut.logical_key, Key::Space | Key::Tab | Key::Escape)
}

impl KeyMap {
    /// From what [`Self::stored`] gave. Of two actions that were given one key the first by its
    /// stored name has it.
    #[must_use]
    pub fn from_stored(stored: &BTreeMap<String, String>) -> Self {
        let mut map = Self::default();
        for (name, text) in stored {
            let known = TABLE.iter().map(|info| info.action).find(|action| stored_name(*action) == *name);
            let keys: Option<Vec<KeyboardShortcut>> =
                text.split(',').map(str::trim).filter(|key| !key.is_empty()).map(read_key).collect();
            let is_open = |key: &KeyboardShortcut| {
                !is_reserved(*key) && !map.changed.values().flatten().any(|own| own == key)
            };
            match (known.filter(|action| is_changeable(*action)), keys) {
                (Some(_), Some(keys)) if keys.iter().all(is_open) => {
                    map.changed.insert(name.clone(), keys);
                }
                _ => {
                    map.unknown.insert(name.clone(), text.clone());
                }
            }
        }
        map
    }

    /// As text to be kept: action to its keys, separated by commas.
    #[must_use]
    pub fn stored(&self) -> BTreeMap<String, String> {
        let own = self.changed.iter().map(|(name, keys)| {
            let keys: Vec<String> = keys.iter().map(|key| write_key(*key)).collect();
            (name.clone(), keys.join(", "))
        });
        self.unknown.clone().into_iter().chain(own).collect()
    }

    /// The keys of an action, the one that is shown first.
    #[must_use]
    pub fn keys(&self, action: Action) -> Vec<KeyboardShortcut> {
        if let Some(own) = self.changed.get(&stored_name(action)) {
            return own.clone();
        }
        let is_free = |key: &KeyboardShortcut| !self.changed.values().flatten().any(|taken| taken == key);
        action.info().keys.iter().copied().filter(is_free).collect()
    }

    /// The action that a key asks for.
    #[must_use]
    pub fn action_of(&self, shortcut: &KeyboardShortcut) -> Option<Action> {
        TABLE.iter().map(|info| info.action).find(|action| self.keys(*action).contains(shortcut))
    }

    /// Whether the person has given the action keys of its own.
    #[must_use]
    pub fn is_changed(&self, action: Action) -> bool {
        self.changed.contains_key(&stored_name(action))
    }

    /// Whether any key differs from the standard.
    #[must_use]
    pub fn is_standard(&self) -> bool {
        self.changed.is_empty()
    }

    /// Gives the action this key in place of its others.
    ///
    /// # Errors
    /// [`KeyProblem`]; then nothing has changed.
    pub fn set(&mut self, action: Action, shortcut: KeyboardShortcut) -> Result<(), KeyProblem> {
        if is_reserved(shortcut) || !is_changeable(action) {
            return Err(KeyProblem::Reserved);
        }
        match self.action_of(&shortcut) {
            Some(other) if other != action => Err(KeyProblem::Taken(other)),
            _ => {
                self.put(action, vec![shortcut]);
                Ok(())
            }
        }
    }

    /// Gives the action a key that another one has, which takes over the first key of this one if it
    /// is left with none.
    pub fn exchange(&mut self, action: Action, shortcut: KeyboardShortcut) {
        let Err(KeyProblem::Taken(other)) = self.set(action, shortcut) else { return };
        if !is_changeable(other) {
            return;
        }
        let given_up = self.keys(action).first().copied();
        let mut theirs = self.keys(other);
        theirs.retain(|key| *key != shortcut);
        if theirs.is_empty() {
            theirs.extend(given_up);
        }
        self.put(other, theirs);
        self.put(action, vec![shortcut]);
    }

    /// Leaves the action without a key.
    pub fn clear(&mut self, action: Action) {
        if is_changeable(action) {
            self.put(action, Vec::new());
        }
    }

    /// Gives the action its standard keys again. One that another action was given goes with its
    /// standard keys too.
    pub fn reset(&mut self, action: Action) {
        let mut open = vec![action];
        while let Some(action) = open.pop() {
            self.changed.remove(&stored_name(action));
            let standard = action.info().keys;
            open.extend(TABLE.iter().map(|info| info.action).filter(|other| {
                let own = self.changed.get(&stored_name(*other));
                own.is_some_and(|own| own.iter().any(|key| standard.contains(key)))
            }));
        }
    }

    /// Gives every action its standard keys again.
    pub fn reset_all(&mut self) {
        *self = Self::default();
    }

    fn put(&mut self, action: Action, keys: Vec<KeyboardShortcut>) {
        if keys == action.info().keys {
            self.changed.remove(&stored_name(action));
        } else {
            self.changed.insert(stored_name(action), keys);
        }
    }
}

/// Makes a map the one that holds on this thread.
pub fn use_map(map: &KeyMap) {
    IN_USE.with_borrow_mut(|held| {
        if **held != *map {
            *held = Rc::new(map.clone());
        }
    });
}

/// The map that holds on this thread; the standard one where no window has said another.
#[must_use]
pub fn in_use() -> Rc<KeyMap> {
    IN_USE.with_borrow(Rc::clone)
}

const MODIFIERS: [(&str, Modifiers); 3] =
    [("Ctrl", Modifiers::COMMAND), ("Alt", Modifiers::ALT), ("Shift", Modifiers::SHIFT)];

/// A key as it is stored, the same on every system: `Ctrl+Shift+OpenBracket`.
fn write_key(shortcut: KeyboardShortcut) -> String {
    let held = MODIFIERS.iter().filter(|(_, modifier)| shortcut.modifiers.contains(*modifier));
    held.map(|(name, _)| *name).chain([shortcut.logical_key.name()]).collect::<Vec<_>>().join("+")
}

fn read_key(text: &str) -> Option<KeyboardShortcut> {
    let (held, key) = text.rsplit_once('+').map_or((None, text), |(held, key)| (Some(held), key));
    let mut modifiers = Modifiers::NONE;
    for name in held.iter().flat_map(|held| held.split('+')) {
        modifiers |= MODIFIERS.iter().find(|(own, _)| *own == name)?.1;
    }
    Some(KeyboardShortcut::new(modifiers, Key::from_name(key)?))
}

/// The key that was pressed in this frame, with what was held, in the form that actions have; it is
/// consumed. `None` when none was.
#[must_use]
pub fn captured(ctx: &egui::Context) -> Option<KeyboardShortcut> {
    ctx.input_mut(|input| {
        let pressed = input.events.iter().find_map(|event| match event {
            egui::Event::Key { key, pressed: true, modifiers, .. } => Some((*key, *modifiers)),
            _ => None,
        })?;
        input.events.retain(|event| !matches!(event, egui::Event::Key { .. } | egui::Event::Text(_)));
        let (key, held) = pressed;
        let kept = [
            (held.command || held.ctrl, Modifiers::COMMAND),
            (held.alt, Modifiers::ALT),
            (held.shift, Modifiers::SHIFT),
        ];
        let modifiers =
            kept.iter().filter(|(held, _)| *held).fold(Modifiers::NONE, |all, (_, own)| all | *own);
        Some(KeyboardShortcut::new(modifiers, key))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(key: Key) -> KeyboardShortcut {
        KeyboardShortcut::new(Modifiers::NONE, key)
    }

    #[test]
    fn a_changed_key_replaces_the_standard_ones_and_is_kept() {
        let mut map = KeyMap::default();
        let key = KeyboardShortcut::new(Modifiers::COMMAND | Modifiers::SHIFT, Key::F7);
        assert_eq!(map.set(Action::Redo, key), Ok(()));
        assert_eq!(map.keys(Action::Redo), [key]);
        assert_eq!(map.action_of(&key), Some(Action::Redo));
        assert_eq!(map.action_of(&KeyboardShortcut::new(Modifiers::COMMAND, Key::Y)), None);
        assert_eq!(map.stored()["Redo"], "Ctrl+Shift+F7");
        assert_eq!(KeyMap::from_stored(&map.stored()), map);
        map.reset(Action::Redo);
        assert_eq!(map, KeyMap::default());
    }

    #[test]
    fn a_taken_key_is_refused_or_exchanged_but_never_doubled() {
        let mut map = KeyMap::default();
        let b = plain(Key::B);
        assert_eq!(map.set(Action::SelectEraser, b), Err(KeyProblem::Taken(Action::SelectBrush)));
        assert!(map.is_standard());
        map.exchange(Action::SelectEraser, b);
        assert_eq!(map.keys(Action::SelectEraser), [b]);
        assert_eq!(map.keys(Action::SelectBrush), [plain(Key::E)]);
        // One that has another key keeps that one.
        map.exchange(Action::SelectRuler, KeyboardShortcut::new(Modifiers::COMMAND, Key::Y));
        assert_eq!(
            map.keys(Action::Redo),
            [KeyboardShortcut::new(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z)]
        );
        for info in TABLE {
            for key in map.keys(info.action) {
                assert_eq!(map.action_of(&key), Some(info.action), "{key:?}");
            }
        }
        // Taking one back takes back the other half of the exchange.
        map.reset(Action::SelectBrush);
        assert_eq!(map.keys(Action::SelectBrush), [b]);
        assert_eq!(map.keys(Action::SelectEraser), [plain(Key::E)]);
        map.reset_all();
        assert!(map.is_standard());
    }

    #[test]
    fn keys_the_window_needs_are_refused() {
        let mut map = KeyMap::default();
        for key in [Key::Space, Key::Tab, Key::Escape] {
            assert_eq!(map.set(Action::Undo, plain(key)), Err(KeyProblem::Reserved));
        }
        assert_eq!(map.set(Action::CancelGesture, plain(Key::F9)), Err(KeyProblem::Reserved));
        map.clear(Action::CancelGesture);
        map.clear(Action::Undo);
        assert_eq!(map.keys(Action::CancelGesture), [plain(Key::Escape)]);
        assert!(map.keys(Action::Undo).is_empty());
        assert_eq!(KeyMap::from_stored(&map.stored()), map);
    }

    #[test]
    fn what_is_not_understood_is_kept_and_changes_nothing() {
        let stored: BTreeMap<String, String> =
            [("Undo", "Hyper+Z"), ("FlyToTheMoon", "F8"), ("Redo", "Space")]
                .map(|(name, key)| (name.to_owned(), key.to_owned()))
                .into();
        let map = KeyMap::from_stored(&stored);
        assert!(map.is_standard());
        assert_eq!(map.stored(), stored);
    }

    #[test]
    fn every_standard_key_survives_being_stored() {
        for key in TABLE.iter().flat_map(|info| info.keys) {
            assert_eq!(read_key(&write_key(*key)), Some(*key));
        }
    }
}
