//! JSON read with the order of its keys kept, for nnU-Net numbers regions by their order in the file, and
//! with numbers to the last bit ([`Real`]): a spacing of 17 digits decides whether another is more than
//! three times as much.

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::fmt;
use std::marker::PhantomData;

/// An object's entries in the file's order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ordered<T>(pub Vec<(String, T)>);

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Ordered<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// A number as Python reads it: the nearest to its digits.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "Value")]
pub(super) struct Real(pub f64);

impl TryFrom<Value> for Real {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        real(&value).map(Self).ok_or_else(|| format!("{value} is no number"))
    }
}

/// The number that a value of [`parse`] is.
pub(super) fn real(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.strip_prefix(DIGITS)?.parse().ok())
}

/// What stands before digits that are kept as text.
const DIGITS: &str = "digits ";

/// The text with those numbers as digits that would be read as a neighbour: `serde_json` rounds twice
/// where there are more than 15 of them.
fn with_digits(text: &str) -> String {
    let is_misread = |digits: &str| {
        let read = serde_json::from_str::<f64>(digits).map(f64::to_bits);
        read.is_ok_and(|read| digits.parse().map(f64::to_bits) != Ok(read))
    };
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let (mut from, mut at, mut is_quoted) = (0, 0, false);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => is_quoted = !is_quoted,
            // What is escaped ends no text.
            b'\\' => at += 1,
            b'-' | b'0'..=b'9' if !is_quoted => {
                let is_part = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
                let end = at + bytes[at..].iter().take_while(is_part).count();
                if is_misread(&text[at..end]) {
                    out.extend([&text[from..at], "\"", DIGITS, &text[at..end], "\""]);
                    from = end;
                }
                at = end - 1;
            }
            _ => {}
        }
        at += 1;
    }
    out.push_str(&text[from..]);
    out
}

/// Reads `text` as `T`; numbers as [`Real`] or by [`real`] to the last bit.
///
/// # Errors
/// A sentence with the place of the mistake. Python's `NaN` and `Infinity` are taken as null.
pub(super) fn parse<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, String> {
    let text = &with_digits(text);
    serde_json::from_str(text)
        .or_else(|error| {
            let plain = without_nan(text);
            if plain == *text { Err(error) } else { serde_json::from_str(&plain) }
        })
        .map_err(|error| error.to_string())
}

/// Python writes `NaN` and `Infinity`, which are no JSON.
fn without_nan(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (index, part) in text.split('"').enumerate() {
        if index > 0 {
            out.push('"');
        }
        if index % 2 == 0 {
            out.push_str(
                &part.replace("-Infinity", "null").replace("Infinity", "null").replace("NaN", "null"),
            );
        } else {
            out.push_str(part);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_and_python_s_nan_is_null() {
        let read: Ordered<Option<f64>> = parse(r#"{"z": 1, "NaN": NaN, "a": -Infinity}"#).unwrap();
        assert_eq!(read.0, [("z".into(), Some(1.0)), ("NaN".into(), None), ("a".into(), None)]);
        assert!(parse::<Ordered<f64>>("[1]").unwrap_err().contains("object"));
    }

    #[test]
    fn numbers_are_the_nearest_to_their_digits() {
        let read: Vec<Real> =
            parse("[2.2827832102775574, 0.7609277367591858,-1e-05, 3, 0.1, 2.5E+1]").unwrap();
        assert_eq!(read, [2.282_783_210_277_557_4, 0.760_927_736_759_185_8, -1e-5, 3.0, 0.1, 25.0].map(Real));
        // Three times as much, and not more.
        assert_eq!(read[0].0 / read[1].0, 3.0);
        let read: Ordered<Value> =
            parse(r#"{"a\"b 2.2827832102775574": "2.2827832102775574", "c": 2.2827832102775574}"#).unwrap();
        assert_eq!(read.0[0], ("a\"b 2.2827832102775574".into(), "2.2827832102775574".into()));
        assert_eq!((real(&read.0[0].1), real(&read.0[1].1)), (None, Some(2.282_783_210_277_557_4)));
        assert!(parse::<Vec<Real>>(r#"["1"]"#).is_err() && parse::<Vec<Real>>("[-]").is_err());
    }
}
