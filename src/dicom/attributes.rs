//! Attribute values as plain numbers and text. Absent, empty and unreadable values are `None`.

use dicom::core::{PrimitiveValue, Tag};
use dicom::object::InMemDicomObject;

/// Short accessors on a data set (or an item of a sequence).
pub(super) trait Attributes {
    /// The text without padding; `None` when absent or empty.
    fn text(&self, tag: Tag) -> Option<String>;
    /// All numbers of a multi-valued attribute; `None` when absent, empty or not numbers.
    fn floats(&self, tag: Tag) -> Option<Vec<f64>>;
    /// The whole number.
    fn integer(&self, tag: Tag) -> Option<i64>;
    /// The items of a sequence; empty when absent.
    fn items(&self, tag: Tag) -> &[InMemDicomObject];

    /// The text, empty when absent.
    fn text_or_empty(&self, tag: Tag) -> String {
        self.text(tag).unwrap_or_default()
    }

    /// The first number.
    fn float(&self, tag: Tag) -> Option<f64> {
        self.floats(tag).and_then(|values| values.first().copied())
    }

    /// The first `N` numbers, all finite.
    fn array<const N: usize>(&self, tag: Tag) -> Option<[f64; N]> {
        let values = self.floats(tag)?;
        values.first_chunk::<N>().copied().filter(|values| values.iter().all(|value| value.is_finite()))
    }

    /// The first item of a sequence.
    fn first_item(&self, tag: Tag) -> Option<&InMemDicomObject> {
        self.items(tag).first()
    }
}

impl Attributes for InMemDicomObject {
    fn text(&self, tag: Tag) -> Option<String> {
        let value = self.get(tag)?.value().primitive()?;
        let text = match value {
            // A private attribute of an implicit file has no known VR.
            PrimitiveValue::U8(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            other => other.to_raw_str().into_owned(),
        };
        let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn floats(&self, tag: Tag) -> Option<Vec<f64>> {
        let value = self.get(tag)?.value().primitive()?;
        let values = match value {
            PrimitiveValue::U8(bytes) => parse_floats(&String::from_utf8_lossy(bytes)),
            PrimitiveValue::Str(text) => parse_floats(text),
            PrimitiveValue::Strs(texts) => texts.iter().map(|text| parse_float(text)).collect(),
            other => other.to_multi_float64().ok(),
        }?;
        (!values.is_empty()).then_some(values)
    }

    fn integer(&self, tag: Tag) -> Option<i64> {
        let value = self.get(tag)?.value().primitive()?;
        match value {
            PrimitiveValue::Str(_) | PrimitiveValue::Strs(_) => {
                // IS written as "1.0" is met.
                let number = self.float(tag)?;
                #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
                (number.fract() == 0.0 && number.abs() < 1e15).then_some(number as i64)
            }
            other => other.to_int().ok(),
        }
    }

    fn items(&self, tag: Tag) -> &[InMemDicomObject] {
        self.get(tag).and_then(|element| element.value().items()).unwrap_or_default()
    }
}

fn parse_floats(text: &str) -> Option<Vec<f64>> {
    text.split('\\').map(parse_float).collect()
}

fn parse_float(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    // A decimal comma is met in files of careless writers.
    text.parse().ok().or_else(|| text.replace(',', ".").parse().ok())
}
