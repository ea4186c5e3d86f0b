//! What a person can do now, in a few words. Keys can be changed, so a hint says which deed a key is
//! wanted for and leaves it to the window to name the key.

/// Something done by a key that the person may have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deed {
    /// Makes the round tools smaller.
    SmallerBrush,
    /// Makes the round tools larger.
    LargerBrush,
    /// Takes over what is suggested on the slice shown.
    TakeSlice,
    /// Takes over all that is suggested.
    TakeAll,
    /// Drops what is suggested.
    Drop,
    /// Closes an outline drawn by clicks.
    CloseOutline,
    /// Takes back the last click of an outline.
    TakeBack,
    /// Opens the outline that was closed or dropped last again.
    Reopen,
}

/// Deeds and what their keys do, in the plural where there are several.
pub type KeyHint = (&'static [Deed], &'static str);

/// The size of the round tools.
pub(super) const SIZE: &[KeyHint] = &[(&[Deed::SmallerBrush, Deed::LargerBrush], "change the size")];
/// How far the outline bends with a point.
pub(super) const REACH: &[KeyHint] = &[(&[Deed::SmallerBrush, Deed::LargerBrush], "change how far")];
/// What becomes of what is suggested.
pub(super) const TAKE_OR_DROP: &[KeyHint] =
    &[(&[Deed::TakeSlice], "takes this slice"), (&[Deed::TakeAll], "takes all"), (&[Deed::Drop], "drops it")];
/// The same where Esc is wanted for something else first.
pub(super) const TAKE: &[KeyHint] =
    &[(&[Deed::TakeSlice], "takes this slice"), (&[Deed::TakeAll], "takes all")];
/// An outline drawn by clicks.
pub(super) const CLICKS: &[KeyHint] =
    &[(&[Deed::CloseOutline], "closes it too"), (&[Deed::TakeBack], "takes one back")];

/// An outline drawn by clicks, with the pointer on another plane.
pub(super) const AWAY: Hint =
    Hint { text: "The outline is not on the plane shown here: go back to it, Esc drops it", keys: CLICKS };

/// What the person can do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hint {
    /// What the pointer does, and Ctrl, Shift and Esc, whose meaning is fixed; empty for nothing.
    pub text: &'static str,
    /// What keys do besides.
    pub keys: &'static [KeyHint],
}

impl From<&'static str> for Hint {
    fn from(text: &'static str) -> Self {
        Self { text, keys: &[] }
    }
}

impl Hint {
    /// As a sentence; `key` names the key of a deed, with nothing for one that has none: what needs
    /// such a key is left out.
    #[must_use]
    pub fn told(&self, key: impl Fn(Deed) -> String) -> String {
        let clauses = self.keys.iter().filter_map(|(deeds, does)| {
            let keys: Vec<String> = deeds.iter().map(|deed| key(*deed)).collect();
            let are_set = keys.iter().all(|key| !key.is_empty());
            are_set.then(|| format!("{} {does}", keys.join(" and ")))
        });
        let clauses = clauses.collect::<Vec<_>>().join(", ");
        let parts = [self.text, clauses.as_str()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_names_the_keys_it_is_given_and_leaves_out_what_has_none() {
        let keys = |deed: Deed| match deed {
            Deed::SmallerBrush => "F7".to_owned(),
            Deed::LargerBrush => "F8".to_owned(),
            Deed::TakeAll => "Shift A".to_owned(),
            _ => String::new(),
        };
        let brush = Hint { text: "Drag to paint", keys: SIZE };
        assert_eq!(brush.told(keys), "Drag to paint; F7 and F8 change the size");
        assert_eq!(Hint { text: "", keys: TAKE_OR_DROP }.told(keys), "Shift A takes all");
        assert_eq!(brush.told(|_| String::new()), "Drag to paint");
        assert_eq!(Hint::from("Release").told(keys), "Release");
    }
}
