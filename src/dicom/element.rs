//! Short words for the elements of a data set: missing and empty are the same, and text comes
//! without its padding.

use dicom::core::value::{DataSetSequence, PrimitiveValue};
use dicom::core::{DataElement, Tag, VR};
use dicom::object::InMemDicomObject;

/// The text of an element without padding; empty when it is missing.
pub(super) fn text(object: &InMemDicomObject, tag: Tag) -> String {
    raw_text(object, tag).trim_matches([' ', '\0']).to_owned()
}

/// The whole number an element holds (IS or binary); `None` when it is missing or no number.
pub(super) fn number(object: &InMemDicomObject, tag: Tag) -> Option<i32> {
    object.get(tag).and_then(|element| element.to_int().ok())
}

/// The items of a sequence; none when it is missing.
pub(super) fn items(object: &InMemDicomObject, tag: Tag) -> &[InMemDicomObject] {
    object.get(tag).and_then(|element| element.items()).unwrap_or_default()
}

/// The text of an element with every value, joined by backslashes, only the padding of the last
/// one removed; empty when it is missing. Tolerates a value that was stored as unknown (UN).
pub(super) fn raw_text(object: &InMemDicomObject, tag: Tag) -> String {
    let Some(value) = object.get(tag).and_then(|element| element.value().primitive()) else {
        return String::new();
    };
    let mut text = match value {
        PrimitiveValue::Str(text) => text.clone(),
        PrimitiveValue::Strs(parts) => parts.join("\\"),
        PrimitiveValue::U8(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => other.to_multi_str().join("\\"),
    };
    text.truncate(text.trim_end_matches([' ', '\0']).len());
    text
}

/// Puts text, as it is.
pub(super) fn put(object: &mut InMemDicomObject, tag: Tag, vr: VR, text: impl Into<String>) {
    let text: String = text.into();
    let value = if text.is_empty() { PrimitiveValue::Empty } else { PrimitiveValue::Str(text) };
    object.put(DataElement::new(tag, vr, value));
}

/// Puts text unless it is empty (an optional attribute, type 3).
pub(super) fn put_optional(object: &mut InMemDicomObject, tag: Tag, vr: VR, text: impl Into<String>) {
    let text: String = text.into();
    if !text.is_empty() {
        put(object, tag, vr, text);
    }
}

/// Puts a sequence.
pub(super) fn put_items(object: &mut InMemDicomObject, tag: Tag, items: Vec<InMemDicomObject>) {
    object.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
}

/// Text that may stand in one value of at most `limit` characters (PS3.5 6.2): control characters
/// and backslashes become spaces, outer spaces go.
pub(super) fn clean(text: &str, limit: usize) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() || c == '\\' { ' ' } else { c }).collect();
    plain.trim().chars().take(limit).collect::<String>().trim_end().to_owned()
}

/// Running text of at most `limit` characters (ST): lines and backslashes stay, other control
/// characters become spaces, outer blanks go.
pub(super) fn clean_text(text: &str, limit: usize) -> String {
    let allowed = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    let plain: String = text.chars().map(|c| if allowed(c) { c } else { ' ' }).collect();
    plain.trim().chars().take(limit).collect::<String>().trim_end().to_owned()
}

/// The decimal text of a finite number in at most 16 bytes, without exponent unless it is too
/// large for that (DS, PS3.5 6.2); as exact as that allows.
pub(super) fn decimal_text(value: f64) -> String {
    let shortest = value.to_string();
    if shortest.len() <= 16 {
        return if shortest == "-0" { "0".into() } else { shortest };
    }
    for decimals in (0..=14).rev() {
        let text = format!("{value:.decimals$}");
        if text.len() <= 16 {
            let text = if decimals > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
            return if text == "-0" { "0".into() } else { text.to_owned() };
        }
    }
    format!("{value:.8e}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_fit_sixteen_bytes() {
        assert_eq!(decimal_text(0.1), "0.1");
        assert_eq!(decimal_text(-0.0), "0");
        assert_eq!(decimal_text(1.0 / 3.0), "0.33333333333333");
        assert_eq!(decimal_text(-1.0 / 3.0), "-0.3333333333333");
        assert_eq!(decimal_text(-1e-20), "0");
        assert_eq!(decimal_text(-171.699_997), "-171.699997");
        for exponent in -30..30 {
            let value = -std::f64::consts::PI * 10_f64.powi(exponent);
            let text = decimal_text(value);
            assert!(text.len() <= 16, "{text}");
            assert!((text.parse::<f64>().unwrap() - value).abs() <= 1e-12_f64.max(value.abs() * 1e-8));
        }
    }

    #[test]
    fn names_are_cleaned_and_cut() {
        assert_eq!(clean(" a\\b\n ", 64), "a b");
        assert_eq!(clean("ABCD EFG", 5), "ABCD");
        assert_eq!(clean("Prüfstück", 4), "Prüf");
    }
}
